/* import_json.c - typed questions to a config.json, whose writer is not trusted. */
#include "base/buf.h"
#include "model/import_parts.h"

#include <math.h>
#include <stdio.h>

glass_status import_parse(json_t **out, const char *text, size_t n_bytes,
                          const char *name) {
    json_error_t error;
    *out = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, &error);
    if (*out != NULL && json_is_object(*out)) return GLASS_OK;
    bool parsed = *out != NULL;
    json_decref(*out);
    *out = NULL;
    if (parsed) return fail(GLASS_BAD_INPUT, "%s: not a JSON object", name);
    return fail(GLASS_BAD_INPUT, "%s: line %d: %s", name, error.line, error.text);
}

glass_status import_bad(const struct import *im, const char *keys, const json_t *value,
                        const char *want) {
    char shown[80] = "missing";
    if (value != NULL) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        snprintf(shown, sizeof shown, "%.70s", text == NULL ? "too large" : text);
        free(text);
    }
    return fail(GLASS_BAD_INPUT, "%s: %s is %s; %s", im->config_path, keys, shown, want);
}

glass_status import_get(const struct import *im, const json_t *object, const char *keys,
                        const json_t **out) {
    *out = NULL;
    while (*keys) {
        char key[64];
        size_t n = strcspn(keys, "|");
        snprintf(key, sizeof key, "%.*s", (int)n, keys);
        const json_t *value = json_object_get(object, key);
        if (value != NULL && !json_is_null(value)) {
            if (*out != NULL && !json_equal(*out, value))
                return import_bad(im, key, value, "another spelling of it says otherwise");
            *out = value;
        }
        keys += keys[n] ? n + 1 : n;
    }
    return GLASS_OK;
}

glass_status import_count(const struct import *im, const json_t *object, const char *keys,
                          int64_t *out, int64_t least, int64_t most, int64_t absent) {
    const json_t *value;
    char want[80];
    *out = 0;
    TRY(import_get(im, object, keys, &value));
    if (value == NULL && absent >= 0) {
        *out = absent;
        return GLASS_OK;
    }
    json_int_t n = json_integer_value(value);
    if (json_is_integer(value) && n >= least && n <= most) {
        *out = n;
        return GLASS_OK;
    }
    snprintf(want, sizeof want, "a whole number from %lld to %lld is possible",
             (long long)least, (long long)most);
    return import_bad(im, keys, value, want);
}

glass_status import_number(const struct import *im, const json_t *object, const char *keys,
                           double *out, double absent) {
    const json_t *value;
    *out = 0;
    TRY(import_get(im, object, keys, &value));
    double number = value == NULL ? absent : json_number_value(value);
    if ((value != NULL && !json_is_number(value)) || !isfinite(number))
        return import_bad(im, keys, value, "a number is possible");
    *out = number;
    return GLASS_OK;
}

glass_status import_flag(const struct import *im, const json_t *object, const char *keys,
                         bool *out, bool absent) {
    const json_t *value;
    *out = absent;
    TRY(import_get(im, object, keys, &value));
    if (value == NULL) return GLASS_OK;
    if (!json_is_boolean(value))
        return import_bad(im, keys, value, "true or false is possible");
    *out = json_is_true(value);
    return GLASS_OK;
}

glass_status import_text(const struct import *im, const json_t *object, const char *keys,
                         const char **out, const char *absent) {
    const json_t *value;
    *out = absent;
    TRY(import_get(im, object, keys, &value));
    if (value == NULL) return GLASS_OK;
    if (!json_is_string(value)) return import_bad(im, keys, value, "a text is possible");
    *out = json_string_value(value);
    return GLASS_OK;
}

static const char *full_key(char text[96], const struct import *im, const char *key) {
    snprintf(text, 96, "%s.%s", im->family->arch, key);
    return text;
}

glass_status import_put_count(struct import *im, const char *key, int64_t value) {
    return gguf_put_int(im->values, full_key((char[96]){0}, im, key), GGUF_U32, value);
}

glass_status import_put_number(struct import *im, const char *key, double value) {
    return gguf_put_float(im->values, full_key((char[96]){0}, im, key), GGUF_F32, value);
}

glass_status import_put_flag(struct import *im, const char *key, bool value) {
    return gguf_put_bool(im->values, full_key((char[96]){0}, im, key), value);
}

glass_status import_put_text(struct import *im, const char *key, const char *value) {
    return gguf_put_text(im->values, full_key((char[96]){0}, im, key), value);
}
