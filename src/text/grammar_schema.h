/* grammar_schema.h - JSON schemas as trees.
 *
 * A value must be allowed by every schema of a list (a property may be spoken of in several
 * parts of an allOf): such a list is a rule, known by its members. It is unfolded: $ref and
 * allOf add members, anyOf and oneOf make alternatives, each a flat list. What a flat list
 * asks for is collected in a shape, and the shape becomes a tree. */
#ifndef TEXT_GRAMMAR_SCHEMA_H
#define TEXT_GRAMMAR_SCHEMA_H

#include "text/grammar_json.h"
#include "text/grammar_regex.h"

/* Where a schema stands: "#/properties/a". */
struct schema_path {
    const struct schema_path *up;
    const char *key; /* borrowed from the JSON, or NULL: index */
    size_t index;
};
struct schema_part {
    json_t *json;
    const struct schema_path *path;
};
struct schema_list {
    struct schema_part *items;
    uint32_t n, cap;
};

struct schema_memo {
    json_t **set; /* sorted by address */
    uint32_t n, rule;
};
struct schema {
    struct gram_tree *t;
    struct gram_json j;
    struct gram_regex regex;
    const char *name;
    json_t *root;
    struct schema_memo *memo;
    uint32_t n_memo, cap_memo;
    void **owned; /* paths */
    size_t n_owned, cap_owned;
    int depth;
    uint32_t n_alternatives;
    json_t *made; /* schemas that say what a keyword says in others' words; NULL */
};

enum schema_type {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_FRACTION = 8, /* numbers that are no integers */
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64,
    TYPE_ALL = 127
};

struct gram_bounds {
    double low, high; /* or infinite */
    bool no_low, no_high;
};
/* What a flat list asks for. */
struct schema_shape {
    const struct schema_list *flat;
    unsigned types;
    struct gram_bounds number;
    int64_t least, most;                                   /* integers */
    uint32_t min_length, max_length, min_items, max_items; /* GRAM_NONE: any */
    int32_t multiples[8];                                  /* integers of all of these */
    int n_multiples;
    bool unique;       /* items differ */
    bool excludes;     /* not: {const or enum} stands somewhere */
    unsigned no_types; /* not: {type} */
    bool has_number, has_string, has_array, has_object; /* keywords of that kind */
};

/* "#/properties/a/pattern: …", with the schema's name before it. key may be NULL. */
glass_status schema_fail(const struct schema *s, const struct schema_path *path,
                         const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
glass_status schema_path(struct schema *s, const struct schema_path **out,
                         const struct schema_path *up, const char *key, size_t index);
glass_status schema_add(struct schema_list *list, json_t *json,
                        const struct schema_path *path);
/* path/key, path/key/inner, or path/key/index; SIZE_MAX: no index */
glass_status schema_add_at(struct schema *s, struct schema_list *list, json_t *json,
                           const struct schema_path *up, const char *key, const char *inner,
                           size_t index);
/* The rule of all that every member allows. */
glass_status schema_rule(struct schema *s, uint32_t *rule, const struct schema_list *list);
glass_status schema_resolve(struct schema *s, const struct schema_part *part,
                            json_t **target);

/* grammar_schema_shape.c */
glass_status schema_collect(struct schema *s, struct schema_shape *shape,
                            const struct schema_list *flat);
unsigned schema_types(json_t *json);
/* Whether no value can be allowed by both, as far as that is easily seen. */
bool schema_apart(struct schema *s, json_t *a, json_t *b, int depth);
bool schema_equal(json_t *a, json_t *b);
unsigned schema_type_of(json_t *value);

/* Whether not: {const or enum} of some schema names the value. */
bool schema_excludes(const struct schema_list *flat, json_t *value);

/* grammar_schema_const.c: *any: the value is one of a list, whose values are added to alt. */
glass_status schema_constants(struct schema *s, uint32_t alt,
                              const struct schema_shape *shape, bool *any);
/* The values that the schemas of a list without $ref and choices allow, when they name them
 * and are few; *n is GRAM_NONE where they do not. */
glass_status schema_values(struct schema *s, const struct schema_list *list,
                           json_t **values, uint32_t most, uint32_t *n);

/* grammar_schema_string.c: patterns, formats and lengths together, without quotes; NULL where
 * none is asked for. */
glass_status schema_string_machine(struct schema *s, struct gram_dfa **all,
                                   const struct schema_shape *shape);
glass_status schema_string(struct schema *s, uint32_t *out,
                           const struct schema_shape *shape);
/* The least and most characters that strings of the shape have, within what a grammar holds. */
glass_status schema_length_bounds(const struct schema *s, const struct schema_shape *shape,
                                  uint32_t *min, uint32_t *max);
/* A failure of reading a keyword, with its path before it where it has none yet; part and key
 * may be NULL. */
glass_status schema_at_key(const struct schema *s, const struct schema_part *part,
                           const char *key, glass_status status);

/* grammar_schema_object.c */
glass_status schema_object(struct schema *s, uint32_t *out,
                           const struct schema_shape *shape);

/* grammar_schema_array.c */
glass_status schema_array(struct schema *s, uint32_t *out,
                          const struct schema_shape *shape);
struct schema_arrows {
    struct gram_arrow *items;
    uint32_t n, cap;
};
glass_status schema_arrow(struct schema_arrows *a, uint32_t from, uint32_t to,
                          uint32_t node);
glass_status schema_comma(struct schema *s, uint32_t seq);

/* grammar_schema_tree.c */
glass_status schema_tree(struct schema *s, uint32_t *out, const struct schema_shape *shape);

/* grammar_number.c */
glass_status gram_integers(struct gram_tree *t, uint32_t *out, int64_t low, int64_t high);
/* Integers in decimal that are multiples of m, from 1 to GRAM_MULTIPLE. */
enum { GRAM_MULTIPLE = 10000 };
glass_status gram_multiples(struct gram_dfa **out, int32_t m);
/* Without exponents. *fits: no bound has more digits than 15. */
glass_status gram_decimals(struct gram_tree *t, uint32_t *out,
                           const struct gram_bounds *bounds, bool *fits);

#endif
