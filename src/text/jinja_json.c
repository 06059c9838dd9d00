/* jinja_json.c - variables from JSON, and the tojson filter: Python's json.dumps. */
#include "text/jinja_value.h"

#include "base/utf8.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- writing */

static glass_status write_json(struct jinja *in, struct jbuild *b, struct jv v,
                               const struct jjson_style *style, int level);

static glass_status escape_char(struct jinja *in, struct jbuild *b, uint32_t c, bool ascii,
                                bool plain) {
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    char text[16];
    const char *known = c > 0 && c < 0x80 ? strchr(from, (int)c) : NULL;
    if (known != NULL) {
        snprintf(text, sizeof text, "\\%c", to[known - from]);
    } else if (c < 0x20 || (ascii && c >= 0x7f && c < 0x10000)) {
        snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
    } else if (ascii && c >= 0x10000) {
        snprintf(text, sizeof text, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (c >> 10)),
                 (unsigned)(0xdc00 + (c & 0x3ff)));
    } else {
        return jbuild_char(in, b, c, plain);
    }
    return jbuild_text(in, b, text, plain);
}

static glass_status write_string(struct jinja *in, struct jbuild *b, const struct jstr *s,
                                 bool ascii) {
    bool any = jstr_any_plain(s);
    TRY(jinja_charge(in, s->n_bytes / 16));
    TRY(jbuild_text(in, b, "\"", any));
    for (size_t at = 0, run = 0; at < s->n_bytes; at = run) {
        /* as far as nothing needs an escape, in one piece */
        while (run < s->n_bytes && (unsigned char)s->bytes[run] >= 0x20 &&
               s->bytes[run] != '"' && s->bytes[run] != '\\' &&
               ((unsigned char)s->bytes[run] < 0x7f || !ascii))
            run++;
        TRY(jbuild_part(in, b, s, at, run));
        if (run == s->n_bytes) break;
        uint32_t c;
        size_t end;
        size_t n = utf8_decode(&c, s->bytes + run, s->n_bytes - run);
        TRY(escape_char(in, b, c, ascii, jstr_run(s, run, &end)));
        run += n;
    }
    return jbuild_text(in, b, "\"", any);
}

static glass_status write_number(struct jinja *in, struct jbuild *b, struct jv v) {
    char text[JINJA_NUMBER_BYTES];
    if (v.type == J_FLOAT && isnan(v.u.d)) return jbuild_text(in, b, "NaN", v.plain);
    if (v.type == J_FLOAT && isinf(v.u.d))
        return jbuild_text(in, b, v.u.d < 0 ? "-Infinity" : "Infinity", v.plain);
    if (v.type == J_FLOAT) {
        size_t n = jinja_float_text(text, v.u.d);
        return jbuild_bytes(in, b, text, n, v.plain);
    }
    snprintf(text, sizeof text, "%lld", (long long)v.u.i);
    return jbuild_text(in, b, text, v.plain);
}

static glass_status break_line(struct jinja *in, struct jbuild *b,
                               const struct jjson_style *style, int level, bool plain) {
    if (!style->indented) return GLASS_OK;
    TRY(jbuild_text(in, b, "\n", plain));
    for (int i = 0; i < level; i++) {
        TRY(jinja_charge(in, 1));
        TRY(jbuild_bytes(in, b, style->indent->bytes, style->indent->n_bytes,
                         plain || jstr_any_plain(style->indent)));
    }
    return GLASS_OK;
}

/* Punctuation between values belongs to whoever made the list or dict. */
static glass_status write_separator(struct jinja *in, struct jbuild *b,
                                    const struct jstr *s, bool plain) {
    if (!plain) return jbuild_str(in, b, s);
    return jbuild_bytes(in, b, s->bytes, s->n_bytes, true);
}

static glass_status write_list(struct jinja *in, struct jbuild *b, struct jv v,
                               const struct jjson_style *style, int level) {
    const struct jlist *list = v.u.list;
    if (list->n == 0) return jbuild_text(in, b, "[]", v.plain);
    TRY(jbuild_text(in, b, "[", v.plain));
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0) TRY(write_separator(in, b, style->item_separator, v.plain));
        TRY(break_line(in, b, style, level + 1, v.plain));
        TRY(write_json(in, b, list->items[i], style, level + 1));
    }
    TRY(break_line(in, b, style, level, v.plain));
    return jbuild_text(in, b, "]", v.plain);
}

static glass_status write_key(struct jinja *in, struct jbuild *b, struct jv key,
                              const struct jjson_style *style) {
    if (key.type == J_STR) return write_string(in, b, key.u.s, style->ascii);
    if (key.type != J_NONE && !jv_is_number(key))
        return jinja_fail(in, "a key of type %s can't become JSON", jv_type_name(key));
    TRY(jbuild_text(in, b, "\"", key.plain));
    TRY(write_json(in, b, key, style, 0));
    return jbuild_text(in, b, "\"", key.plain);
}

/* The order of entries by key, by merging: keys are distinct, so any sort gives this order. */
static glass_status sort_keys(struct jinja *in, size_t *order, size_t *spare,
                              const struct jdict *dict, size_t begin, size_t end) {
    if (end - begin < 2) return GLASS_OK;
    size_t middle = begin + (end - begin) / 2, i = begin, k = middle, n = begin;
    TRY(sort_keys(in, order, spare, dict, begin, middle));
    TRY(sort_keys(in, order, spare, dict, middle, end));
    while (i < middle && k < end) {
        bool less;
        TRY(jv_less(in, &less, dict->keys[order[k]], dict->keys[order[i]], false));
        spare[n++] = less ? order[k++] : order[i++];
    }
    while (i < middle) spare[n++] = order[i++];
    while (k < end) spare[n++] = order[k++];
    memcpy(order + begin, spare + begin, (end - begin) * sizeof *order);
    return GLASS_OK;
}

static glass_status write_dict(struct jinja *in, struct jbuild *b, struct jv v,
                               const struct jjson_style *style, int level) {
    const struct jdict *dict = v.u.dict;
    size_t *order = NULL, *spare;
    if (dict->n == 0) return jbuild_text(in, b, "{}", v.plain);
    if (style->sort) {
        TRY(jarena_alloc(in, &order, dict->n, sizeof *order));
        TRY(jarena_alloc(in, &spare, dict->n, sizeof *spare));
        for (size_t i = 0; i < dict->n; i++) order[i] = i;
        TRY(sort_keys(in, order, spare, dict, 0, dict->n));
    }
    TRY(jbuild_text(in, b, "{", v.plain));
    for (size_t i = 0; i < dict->n; i++) {
        size_t at = order != NULL ? order[i] : i;
        if (i > 0) TRY(write_separator(in, b, style->item_separator, v.plain));
        TRY(break_line(in, b, style, level + 1, v.plain));
        TRY(write_key(in, b, dict->keys[at], style));
        TRY(write_separator(in, b, style->key_separator, v.plain));
        TRY(write_json(in, b, dict->values[at], style, level + 1));
    }
    TRY(break_line(in, b, style, level, v.plain));
    return jbuild_text(in, b, "}", v.plain);
}

static glass_status write_json(struct jinja *in, struct jbuild *b, struct jv v,
                               const struct jjson_style *style, int level) {
    TRY(jinja_charge(in, 1));
    TRY(jinja_enter(in));
    switch (v.type) {
    case J_NONE: TRY(jbuild_text(in, b, "null", v.plain)); break;
    case J_BOOL: TRY(jbuild_text(in, b, v.u.b ? "true" : "false", v.plain)); break;
    case J_INT:
    case J_FLOAT: TRY(write_number(in, b, v)); break;
    case J_STR: TRY(write_string(in, b, v.u.s, style->ascii)); break;
    case J_LIST:
    case J_TUPLE: TRY(write_list(in, b, v, style, level)); break;
    case J_DICT: TRY(write_dict(in, b, v, style, level)); break;
    default: return jinja_fail(in, "%s can't become JSON", jv_type_name(v));
    }
    in->depth--;
    return GLASS_OK;
}

glass_status jinja_to_json(struct jinja *in, struct jbuild *b, struct jv v,
                           const struct jjson_style *style) {
    return write_json(in, b, v, style, 0);
}

/* ---- reading */

static glass_status read_string(struct jinja *in, struct jstr **out, const char *text,
                                size_t n, bool plain) {
    char *copy;
    TRY(jarena_alloc(in, &copy, n, 1));
    if (n > 0) memcpy(copy, text, n);
    return jstr_borrow(in, out, copy, n, plain);
}

static bool ends_with(const char *text, size_t n, const char *end) {
    size_t length = strlen(end);
    return n >= length && memcmp(text + n - length, end, length) == 0;
}

/* Roles of the usual protocols; some templates make control tokens out of them. */
static bool is_known_role(const json_t *value) {
    static const char *const roles[] = {
        "system",        "user",        "assistant", "tool",    "developer",
        "tool_response", "function",    "model",     "ipython", "environment",
        "human",         "observation", NULL};
    if (!json_is_string(value)) return false;
    for (int i = 0; roles[i] != NULL; i++)
        if (json_string_length(value) == strlen(roles[i]) &&
            strcmp(json_string_value(value), roles[i]) == 0)
            return true;
    return false;
}

/* Where a value stands, to tell the few that count as the template's own. */
enum place { AT_TOP, IN_MESSAGES, IN_MESSAGE, ELSEWHERE };

static glass_status read_value(struct jinja *in, struct jv *out, const json_t *json,
                               enum place place);

static glass_status read_object(struct jinja *in, struct jv *out, const json_t *json,
                                enum place place) {
    struct jdict *dict;
    const char *key;
    size_t n_key;
    json_t *value;
    TRY(jdict_new(in, &dict));
    json_object_keylen_foreach((json_t *)json, key, n_key, value) {
        struct jstr *name;
        struct jv v;
        bool messages = place == AT_TOP && n_key == 8 && memcmp(key, "messages", 8) == 0;
        bool own = place == AT_TOP && ends_with(key, n_key, "_token");
        own = own || (place == IN_MESSAGE && n_key == 4 && memcmp(key, "role", 4) == 0 &&
                      is_known_role(value));
        TRY(read_string(in, &name, key, n_key, true));
        TRY(read_value(in, &v, value, messages ? IN_MESSAGES : ELSEWHERE));
        if (own && v.type == J_STR) v.u.s->origin = JSTR_TEMPLATE;
        TRY(jdict_set(in, dict, jv_str(name), v));
    }
    *out = (struct jv){.type = J_DICT, .plain = true, .u.dict = dict};
    return GLASS_OK;
}

static glass_status read_array(struct jinja *in, struct jv *out, const json_t *json,
                               enum place place) {
    struct jlist *list;
    size_t n = json_array_size(json);
    TRY(jlist_new(in, &list, n));
    for (size_t i = 0; i < n; i++) {
        struct jv v;
        TRY(read_value(in, &v, json_array_get(json, i),
                       place == IN_MESSAGES ? IN_MESSAGE : ELSEWHERE));
        TRY(jlist_push(in, list, v));
    }
    *out = jv_list(list, true);
    return GLASS_OK;
}

static glass_status read_value(struct jinja *in, struct jv *out, const json_t *json,
                               enum place place) {
    struct jstr *s;
    TRY(jinja_enter(in));
    switch (json_typeof(json)) {
    case JSON_OBJECT: TRY(read_object(in, out, json, place)); break;
    case JSON_ARRAY: TRY(read_array(in, out, json, place)); break;
    case JSON_STRING:
        TRY(read_string(in, &s, json_string_value(json), json_string_length(json), true));
        *out = jv_str(s);
        break;
    case JSON_INTEGER: *out = jv_int(json_integer_value(json)); break;
    case JSON_REAL: *out = jv_float(json_real_value(json)); break;
    case JSON_TRUE:
    case JSON_FALSE: *out = jv_bool(json_is_true(json)); break;
    case JSON_NULL: *out = jv_none(); break;
    }
    out->plain = true;
    in->depth--;
    return GLASS_OK;
}

glass_status jinja_read_variables(struct jinja *in, const char *json, size_t n_bytes) {
    json_error_t error;
    struct jv v;
    json_t *root = json_loadb(json, n_bytes, JSON_ALLOW_NUL, &error);
    if (root == NULL)
        return fail(GLASS_BAD_INPUT, "template variables: line %d, column %d: %s",
                    error.line, error.column, error.text);
    glass_status status =
        json_is_object(root)
            ? read_value(in, &v, root, AT_TOP)
            : fail(GLASS_BAD_INPUT, "template variables must be a JSON object");
    json_decref(root);
    if (status == GLASS_OK) in->variables = v.u.dict;
    return status;
}
