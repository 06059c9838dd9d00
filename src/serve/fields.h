/* fields.h - reading a request's JSON: each field by name, with a 400 that names the field
 * when its type or value is wrong. A field that is absent or null changes nothing. */
#ifndef SERVE_FIELDS_H
#define SERVE_FIELDS_H

#include "serve/routes.h"

struct fields {
    struct exchange *x;
    const json_t *json; /* an object; NULL counts as {} */
    const char *prefix; /* "" or "options." or "messages[2]." */
};

/* The body of the exchange; GLASS_BAD_INPUT if there is none. */
glass_status fields_of_body(struct fields *out, struct exchange *x);
/* An object inside; out->json is NULL if it is absent. path: 256 bytes for the names. */
glass_status fields_inside(struct fields *out, const struct fields *f, const char *name,
                           char path[256]);

/* NULL if absent or null. */
const json_t *fields_get(const struct fields *f, const char *name);
/* GLASS_BAD_INPUT: "prefix.name: must be …, not …". */
glass_status fields_wrong(const struct fields *f, const char *name, const char *wanted);
glass_status fields_bool(const struct fields *f, const char *name, bool *inout);
glass_status fields_int(const struct fields *f, const char *name, int64_t *inout,
                        int64_t least, int64_t most);
glass_status fields_float(const struct fields *f, const char *name, float *inout,
                          double least, double most);
/* Borrowed from the JSON; without NUL bytes. */
glass_status fields_text(const struct fields *f, const char *name, const char **inout);
/* With any bytes. */
glass_status fields_bytes(const struct fields *f, const char *name, const char **inout,
                          size_t *n_bytes);
glass_status fields_list(const struct fields *f, const char *name, const json_t **inout);
glass_status fields_object(const struct fields *f, const char *name, const json_t **inout);
/* One of the words, NULL at their end. */
glass_status fields_word(const struct fields *f, const char *name, int *inout,
                         const char *const *words);

/* "a string", "a list", … for messages. */
const char *json_kind(const json_t *value);

#endif
