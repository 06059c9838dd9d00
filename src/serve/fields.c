/* fields.c - see fields.h. */
#include "serve/fields.h"

#include <math.h>
#include <stdio.h>

const char *json_kind(const json_t *value) {
    switch (value == NULL ? JSON_NULL : json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "a whole number";
    case JSON_REAL: return "a number";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    default: return "null";
    }
}

glass_status fields_of_body(struct fields *out, struct exchange *x) {
    *out = (struct fields){x, exchange_json(x), ""};
    if (out->json != NULL) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "the request needs a body, a JSON object");
}

glass_status fields_inside(struct fields *out, const struct fields *f, const char *name,
                           char path[256]) {
    *out = (struct fields){f->x, NULL, path};
    snprintf(path, 256, "%s%s.", f->prefix, name);
    return fields_object(f, name, &out->json);
}

const json_t *fields_get(const struct fields *f, const char *name) {
    const json_t *value = json_object_get(f->json, name);
    return json_is_null(value) ? NULL : value;
}

glass_status fields_wrong(const struct fields *f, const char *name, const char *wanted) {
    char path[320], shown[80] = "";
    const json_t *value = fields_get(f, name);
    snprintf(path, sizeof path, "%s%s", f->prefix, name);
    if (value == NULL) return bad_param(f->x, path, "is missing: it must be %s", wanted);
    snprintf(shown, sizeof shown, "%s", json_kind(value));
    if (json_is_string(value))
        snprintf(shown, sizeof shown, "\"%.40s\"", json_string_value(value));
    if (json_is_integer(value))
        snprintf(shown, sizeof shown, "%lld", (long long)json_integer_value(value));
    if (json_is_real(value)) snprintf(shown, sizeof shown, "%g", json_real_value(value));
    return bad_param(f->x, path, "must be %s, not %s", wanted, shown);
}

glass_status fields_bool(const struct fields *f, const char *name, bool *inout) {
    const json_t *value = fields_get(f, name);
    if (value == NULL) return GLASS_OK;
    if (!json_is_boolean(value)) return fields_wrong(f, name, "true or false");
    *inout = json_is_true(value);
    return GLASS_OK;
}

glass_status fields_int(const struct fields *f, const char *name, int64_t *inout,
                        int64_t least, int64_t most) {
    const json_t *value = fields_get(f, name);
    char wanted[96];
    if (value == NULL) return GLASS_OK;
    double real = json_number_value(value);
    /* Some clients send whole numbers as 5.0. */
    bool whole = json_is_integer(value) || (json_is_real(value) && floor(real) == real &&
                                            fabs(real) < 9007199254740992.0);
    int64_t v = json_is_integer(value) ? json_integer_value(value)
                : whole                ? (int64_t)real
                                       : 0;
    if (whole && v >= least && v <= most) {
        *inout = v;
        return GLASS_OK;
    }
    snprintf(wanted, sizeof wanted, "a whole number from %lld to %lld", (long long)least,
             (long long)most);
    return fields_wrong(f, name, wanted);
}

glass_status fields_float(const struct fields *f, const char *name, float *inout,
                          double least, double most) {
    const json_t *value = fields_get(f, name);
    char wanted[96];
    if (value == NULL) return GLASS_OK;
    double v = json_number_value(value);
    if (json_is_number(value) && v >= least && v <= most) {
        *inout = (float)v;
        return GLASS_OK;
    }
    snprintf(wanted, sizeof wanted, "a number from %g to %g", least, most);
    return fields_wrong(f, name, wanted);
}

glass_status fields_bytes(const struct fields *f, const char *name, const char **inout,
                          size_t *n_bytes) {
    const json_t *value = fields_get(f, name);
    if (value == NULL) return GLASS_OK;
    if (!json_is_string(value)) return fields_wrong(f, name, "a string");
    *inout = json_string_value(value);
    *n_bytes = json_string_length(value);
    return GLASS_OK;
}

glass_status fields_text(const struct fields *f, const char *name, const char **inout) {
    const char *text = NULL;
    size_t n = 0;
    TRY(fields_bytes(f, name, &text, &n));
    if (text == NULL) return GLASS_OK;
    if (strlen(text) != n) return fields_wrong(f, name, "a string without U+0000");
    *inout = text;
    return GLASS_OK;
}

glass_status fields_list(const struct fields *f, const char *name, const json_t **inout) {
    const json_t *value = fields_get(f, name);
    if (value == NULL) return GLASS_OK;
    if (!json_is_array(value)) return fields_wrong(f, name, "a list");
    *inout = value;
    return GLASS_OK;
}

glass_status fields_object(const struct fields *f, const char *name, const json_t **inout) {
    const json_t *value = fields_get(f, name);
    if (value == NULL) return GLASS_OK;
    if (!json_is_object(value)) return fields_wrong(f, name, "an object");
    *inout = value;
    return GLASS_OK;
}

glass_status fields_word(const struct fields *f, const char *name, int *inout,
                         const char *const *words) {
    const json_t *value = fields_get(f, name);
    char wanted[300] = "one of";
    if (value == NULL) return GLASS_OK;
    for (int i = 0; words[i] != NULL; i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), words[i]) == 0) {
            *inout = i;
            return GLASS_OK;
        }
        size_t n = strlen(wanted);
        snprintf(wanted + n, sizeof wanted - n, "%s \"%s\"", i > 0 ? "," : "", words[i]);
    }
    return fields_wrong(f, name, wanted);
}
