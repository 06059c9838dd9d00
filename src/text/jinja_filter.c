/* jinja_filter.c - filters of texts and numbers, and the table of all filters. */
#include "text/jinja_run.h"

#include <math.h>
#include <string.h>

/* markupsafe.soft_str: texts as they are, everything else through str(). */
static glass_status soft_str(struct jinja *in, struct jstr **out, struct jv v) {
    if (v.type != J_STR) return jv_to_str(in, out, v);
    *out = v.u.s;
    return GLASS_OK;
}

static glass_status call_method(struct jinja *in, struct jv *out, struct jv v,
                                const struct jargs *args, const char *method) {
    struct jstr name = {.bytes = method, .n_bytes = strlen(method)}, *s;
    const struct jmethod_row *row = jinja_str_method(&name);
    TRY(soft_str(in, &s, v));
    return row->call(in, out, jv_str(s), args, row->name);
}

static glass_status filter_case(struct jinja *in, struct jv *out, struct jv v,
                                const struct jargs *args, const char *name) {
    struct jstr *s;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    if (strcmp(name, "title") != 0) return call_method(in, out, v, args, name);
    TRY(soft_str(in, &s, v));
    TRY(jstr_title_words(in, &s, s));
    *out = jv_str(s);
    return GLASS_OK;
}

static glass_status filter_trim(struct jinja *in, struct jv *out, struct jv v,
                                const struct jargs *args, const char *name) {
    static const char *const names[] = {"chars"};
    struct jv chars;
    TRY(jargs_bind(in, &chars, args, name, names, 1, 0));
    struct jargs positional = {.items = &chars, .n = chars.type != J_MISSING};
    return call_method(in, out, v, &positional, "strip");
}

static glass_status filter_center(struct jinja *in, struct jv *out, struct jv v,
                                  const struct jargs *args, const char *name) {
    static const char *const names[] = {"width"};
    struct jv width;
    TRY(jargs_bind(in, &width, args, name, names, 1, 0));
    if (width.type == J_MISSING) width = jv_int(80);
    struct jargs positional = {.items = &width, .n = 1};
    return call_method(in, out, v, &positional, "center");
}

static glass_status filter_string(struct jinja *in, struct jv *out, struct jv v,
                                  const struct jargs *args, const char *name) {
    struct jstr *s;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    TRY(soft_str(in, &s, v));
    *out = jv_str(s);
    return GLASS_OK;
}

static glass_status filter_escape(struct jinja *in, struct jv *out, struct jv v,
                                  const struct jargs *args, const char *name) {
    struct jstr *s;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    TRY(soft_str(in, &s, v));
    if (name[0] == 'f') TRY(jstr_markup(in, &s, s, false));
    if (name[0] == 's') {
        TRY(jstr_markup(in, &s, s, true));
    } else {
        TRY(jstr_escape(in, &s, s));
    }
    *out = jv_str(s);
    return GLASS_OK;
}

static glass_status filter_default(struct jinja *in, struct jv *out, struct jv v,
                                   const struct jargs *args, const char *name) {
    static const char *const names[] = {"default_value", "boolean"};
    struct jv given[2];
    bool by_truth = false, keep = v.type != J_UNDEFINED;
    TRY(jargs_bind(in, given, args, name, names, 2, 0));
    if (given[1].type != J_MISSING) TRY(jv_truth(in, &by_truth, given[1]));
    if (keep && by_truth) TRY(jv_truth(in, &keep, v));
    *out = v;
    if (keep) return GLASS_OK;
    *out = given[0];
    return given[0].type == J_MISSING ? jv_text(in, out, "") : GLASS_OK;
}

static glass_status filter_length(struct jinja *in, struct jv *out, struct jv v,
                                  const struct jargs *args, const char *name) {
    int64_t n;
    bool known;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    TRY(jv_length(in, &n, &known, v));
    if (!known) return jinja_fail(in, "%s has no length", jv_type_name(v));
    *out = jv_int(n);
    return GLASS_OK;
}

static glass_status filter_replace(struct jinja *in, struct jv *out, struct jv v,
                                   const struct jargs *args, const char *name) {
    static const char *const names[] = {"old", "new", "count"};
    struct jv given[3];
    struct jstr *s, *old, *new;
    int64_t count = -1;
    TRY(jargs_bind(in, given, args, name, names, 3, 2));
    if (given[2].type != J_MISSING && given[2].type != J_NONE)
        TRY(jarg_int(in, &count, given[2], "replace()'s count"));
    TRY(jv_to_str(in, &s, v));
    TRY(jv_to_str(in, &old, given[0]));
    TRY(jv_to_str(in, &new, given[1]));
    TRY(jstr_replace(in, &s, s, old, new, count));
    *out = jv_str(s);
    return GLASS_OK;
}

/* ---- numbers */

static glass_status int_of_float(struct jinja *in, struct jv *out, double d) {
    if (!(d > -9223372036854775808.0 && d < 9223372036854775808.0))
        return jinja_fail(in, "a number needs more than 64 bits as an integer");
    *out = jv_int((int64_t)d);
    return GLASS_OK;
}

static glass_status int_of_text(struct jinja *in, struct jv *out, const struct jstr *s,
                                int64_t base) {
    bool overflow = false;
    double d;
    *out = jv_missing();
    if ((base == 0 || (base >= 2 && base <= 36)) &&
        jinja_parse_int(&out->u.i, &overflow, s->bytes, s->n_bytes, (int)base)) {
        if (overflow) return jinja_fail(in, "an integer needs more than 64 bits");
        *out = jv_int(out->u.i);
    } else if (jinja_parse_float(&d, s->bytes, s->n_bytes) && isfinite(d)) {
        TRY(int_of_float(in, out, d));
    }
    out->plain = jstr_any_plain(s);
    return GLASS_OK;
}

static glass_status filter_int(struct jinja *in, struct jv *out, struct jv v,
                               const struct jargs *args, const char *name) {
    static const char *const names[] = {"default", "base"};
    struct jv given[2];
    int64_t base = 10;
    TRY(jargs_bind(in, given, args, name, names, 2, 0));
    if (given[1].type != J_MISSING) TRY(jarg_int(in, &base, given[1], "int's base"));
    if (v.type == J_UNDEFINED) return jv_fail_undefined(in, v);
    *out = jv_missing();
    if (v.type == J_STR) TRY(int_of_text(in, out, v.u.s, base));
    if (jv_is_int(v)) *out = jv_int(jv_int_value(v));
    if (v.type == J_FLOAT && !isnan(v.u.d)) TRY(int_of_float(in, out, v.u.d));
    if (out->type != J_MISSING) {
        out->plain = out->plain || v.plain;
    } else {
        *out = given[0].type != J_MISSING ? given[0] : jv_int(0);
    }
    return GLASS_OK;
}

static glass_status filter_float(struct jinja *in, struct jv *out, struct jv v,
                                 const struct jargs *args, const char *name) {
    static const char *const names[] = {"default"};
    struct jv otherwise;
    double d = 0;
    TRY(jargs_bind(in, &otherwise, args, name, names, 1, 0));
    if (v.type == J_UNDEFINED) return jv_fail_undefined(in, v);
    bool good = jv_is_number(v);
    if (good) d = jv_double(v);
    if (v.type == J_STR) good = jinja_parse_float(&d, v.u.s->bytes, v.u.s->n_bytes);
    *out = good ? jv_float(d) : otherwise.type != J_MISSING ? otherwise : jv_float(0);
    if (good) out->plain = v.type == J_STR ? jstr_any_plain(v.u.s) : v.plain;
    return GLASS_OK;
}

static glass_status filter_abs(struct jinja *in, struct jv *out, struct jv v,
                               const struct jargs *args, const char *name) {
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    if (!jv_is_number(v)) return jinja_fail(in, "bad operand for abs: %s", jv_type_name(v));
    bool negative = v.type == J_FLOAT ? signbit(v.u.d) != 0 : jv_int_value(v) < 0;
    return jinja_negate(in, out, v, negative);
}

static glass_status filter_round(struct jinja *in, struct jv *out, struct jv v,
                                 const struct jargs *args, const char *name) {
    static const char *const names[] = {"precision", "method"};
    struct jv given[2], unit;
    struct jstr *method;
    int64_t digits = 0;
    TRY(jargs_bind(in, given, args, name, names, 2, 0));
    if (given[0].type != J_MISSING)
        TRY(jarg_int(in, &digits, given[0], "round's precision"));
    if (given[1].type == J_MISSING) TRY(jv_text(in, &given[1], "common"));
    TRY(jarg_str(in, &method, given[1], "round's method"));
    if (jstr_is(method, "common")) return jinja_round(in, out, v, digits);
    bool up = jstr_is(method, "ceil");
    if (!up && !jstr_is(method, "floor"))
        return jinja_fail(in, "round's method must be common, ceil or floor");
    TRY(jinja_binary(in, &unit, JOP_POW, jv_int(10), jv_int(digits)));
    TRY(jinja_binary(in, out, JOP_MUL, v, unit));
    bool plain = v.plain;
    if (out->type == J_FLOAT)
        TRY(int_of_float(in, out, up ? ceil(out->u.d) : floor(out->u.d)));
    TRY(jinja_binary(in, out, JOP_DIV, *out, unit));
    out->plain = plain;
    return GLASS_OK;
}

/* ---- layout */

static glass_status add_line(struct jinja *in, struct jbuild *b, const struct jstr *indent,
                             const struct jstr *line, bool indented) {
    if (indented) TRY(jbuild_str(in, b, indent));
    return jbuild_str(in, b, line);
}

/* Lines as splitlines() has them, joined by "\n". */
static glass_status filter_indent(struct jinja *in, struct jv *out, struct jv v,
                                  const struct jargs *args, const char *name) {
    static const char *const names[] = {"width", "first", "blank"};
    struct jv given[3], lines, text, newline;
    struct jstr *indent, *r;
    struct jbuild b = {0};
    bool first = false, blank = false;
    TRY(jargs_bind(in, given, args, name, names, 3, 0));
    if (given[1].type != J_MISSING) TRY(jv_truth(in, &first, given[1]));
    if (given[2].type != J_MISSING) TRY(jv_truth(in, &blank, given[2]));
    if (given[0].type == J_MISSING) given[0] = jv_int(4);
    if (given[0].type != J_STR) {
        struct jv space;
        TRY(jarg_int(in, &(int64_t){0}, given[0], "indent's width"));
        TRY(jv_text(in, &space, " "));
        TRY(jinja_binary(in, &given[0], JOP_MUL, space, given[0]));
    }
    indent = given[0].u.s;
    if (v.type == J_UNDEFINED) return jv_fail_undefined(in, v);
    if (v.type != J_STR)
        return jinja_fail(in, "indent needs a string, not %s", jv_type_name(v));
    TRY(jv_text(in, &newline, "\n"));
    TRY(jstr_markup(in, &r, v.u.s, false));
    TRY(jinja_binary(in, &text, JOP_ADD, jv_str(r), newline));
    TRY(call_method(in, &lines, text, &(struct jargs){0}, "splitlines"));
    for (size_t i = 0; i < lines.u.list->n; i++) {
        const struct jstr *line = lines.u.list->items[i].u.s;
        if (i > 0) TRY(jbuild_text(in, &b, "\n", false));
        bool indented = i == 0 ? first : blank || line->n_bytes > 0;
        TRY(add_line(in, &b, indent, line, indented));
    }
    TRY(jbuild_finish(in, &r, &b));
    r->markup = v.u.s->markup;
    *out = jv_str(r);
    return GLASS_OK;
}

static glass_status filter_truncate(struct jinja *in, struct jv *out, struct jv v,
                                    const struct jargs *args, const char *name) {
    static const char *const names[] = {"length", "killwords", "end", "leeway"};
    struct jv given[4];
    struct jstr *s, *end, *space, *r;
    int64_t length = 255, leeway = 5;
    bool kill = false;
    TRY(jargs_bind(in, given, args, name, names, 4, 0));
    if (given[0].type != J_MISSING) TRY(jarg_int(in, &length, given[0], "the length"));
    if (given[1].type != J_MISSING) TRY(jv_truth(in, &kill, given[1]));
    if (given[2].type == J_MISSING) TRY(jv_text(in, &given[2], "..."));
    TRY(jarg_str(in, &end, given[2], "the end"));
    if (given[3].type != J_MISSING && given[3].type != J_NONE)
        TRY(jarg_int(in, &leeway, given[3], "the leeway"));
    TRY(jarg_str(in, &s, v, "what is truncated"));
    if (length < (int64_t)end->n_chars || leeway < 0 || leeway > INT32_MAX)
        return jinja_fail(in, "truncate's length or leeway is too small");
    *out = v;
    if ((int64_t)s->n_chars - leeway <= length) return GLASS_OK;
    size_t cut = jstr_offset(s, (size_t)(length - (int64_t)end->n_chars));
    TRY(jstr_borrow(in, &space, " ", 1, false));
    size_t word = kill ? SIZE_MAX : jstr_rfind(s, space, 0, cut);
    TRY(jstr_slice(in, &r, s, 0, word != SIZE_MAX ? word : cut));
    return jinja_binary(in, out, JOP_ADD, jv_str(r), jv_str(end));
}

static glass_status filter_format(struct jinja *in, struct jv *out, struct jv v,
                                  const struct jargs *args, const char *name) {
    struct jlist list = {.items = args->items, .n = args->n};
    struct jstr *s;
    if (args->n > 0 && args->n_keywords > 0)
        return jinja_fail(in, "%s takes positional or keyword arguments, not both", name);
    TRY(soft_str(in, &s, v));
    if (args->n_keywords == 0) return jinja_percent(in, out, s, jv_tuple(&list, false));
    struct jdict *dict;
    TRY(jdict_new(in, &dict));
    for (size_t i = 0; i < args->n_keywords; i++)
        TRY(jdict_set(in, dict, jv_str(args->keywords[i].name), args->keywords[i].value));
    return jinja_percent(in, out, s, (struct jv){.type = J_DICT, .u.dict = dict});
}

/* ---- the rest */

static glass_status filter_attr(struct jinja *in, struct jv *out, struct jv v,
                                const struct jargs *args, const char *name) {
    static const char *const names[] = {"name"};
    struct jv given;
    struct jstr *attribute;
    bool known;
    TRY(jargs_bind(in, &given, args, name, names, 1, 1));
    TRY(jarg_str(in, &attribute, given, "attr's name"));
    TRY(jinja_has_attribute(in, &known, v, attribute));
    if (!known) return jv_undefined(in, out, NULL, attribute, jv_type_name(v));
    return jinja_getattr(in, out, v, attribute);
}

static glass_status json_indent(struct jinja *in, struct jjson_style *style, struct jv v) {
    struct jv space, text;
    if (v.type == J_MISSING || v.type == J_NONE) return GLASS_OK;
    style->indented = true;
    if (v.type == J_STR) {
        style->indent = v.u.s;
        return GLASS_OK;
    }
    TRY(jarg_int(in, &(int64_t){0}, v, "tojson's indent"));
    TRY(jv_text(in, &space, " "));
    TRY(jinja_binary(in, &text, JOP_MUL, space, v));
    style->indent = text.u.s;
    return GLASS_OK;
}

static glass_status filter_tojson(struct jinja *in, struct jv *out, struct jv v,
                                  const struct jargs *args, const char *name) {
    static const char *const names[] = {"ensure_ascii", "indent", "separators",
                                        "sort_keys"};
    struct jv given[4], item, key;
    struct jjson_style style = {0};
    struct jlist *pair;
    struct jbuild *b;
    struct jstr *r;
    TRY(jargs_bind(in, given, args, name, names, 4, 0));
    if (given[0].type != J_MISSING) TRY(jv_truth(in, &style.ascii, given[0]));
    if (given[3].type != J_MISSING) TRY(jv_truth(in, &style.sort, given[3]));
    TRY(json_indent(in, &style, given[1]));
    TRY(jv_text(in, &item, style.indented ? "," : ", "));
    TRY(jv_text(in, &key, ": "));
    style.item_separator = item.u.s;
    style.key_separator = key.u.s;
    if (given[2].type != J_MISSING && given[2].type != J_NONE) {
        TRY(jv_collect(in, &pair, given[2]));
        if (pair->n != 2) return jinja_fail(in, "tojson's separators must be two");
        TRY(jarg_str(in, &style.item_separator, pair->items[0], "a separator"));
        TRY(jarg_str(in, &style.key_separator, pair->items[1], "a separator"));
    }
    TRY(jbuild_create(in, &b));
    TRY(jinja_to_json(in, b, v, &style));
    TRY(jbuild_finish(in, &r, b));
    *out = jv_str(r);
    return GLASS_OK;
}

static glass_status filter_unsupported(struct jinja *in, struct jv *out, struct jv v,
                                       const struct jargs *args, const char *name) {
    (void)out, (void)v, (void)args;
    return jinja_fail(in, "the filter '%s' is not supported", name);
}

static const struct jfilter_row filters[] = {
    {"tojson", filter_tojson},
    {"length", filter_length},
    {"count", filter_length},
    {"trim", filter_trim},
    {"default", filter_default},
    {"d", filter_default},
    {"string", filter_string},
    {"join", jfilter_join},
    {"items", jfilter_items},
    {"list", jfilter_list},
    {"upper", filter_case},
    {"lower", filter_case},
    {"title", filter_case},
    {"capitalize", filter_case},
    {"replace", filter_replace},
    {"indent", filter_indent},
    {"safe", filter_escape},
    {"escape", filter_escape},
    {"e", filter_escape},
    {"forceescape", filter_escape},
    {"first", jfilter_first},
    {"last", jfilter_last},
    {"map", jfilter_map},
    {"select", jfilter_select},
    {"reject", jfilter_select},
    {"selectattr", jfilter_select},
    {"rejectattr", jfilter_select},
    {"dictsort", jfilter_dictsort},
    {"sort", jfilter_sort},
    {"unique", jfilter_unique},
    {"groupby", jfilter_groupby},
    {"reverse", jfilter_reverse},
    {"min", jfilter_minmax},
    {"max", jfilter_minmax},
    {"sum", jfilter_sum},
    {"batch", jfilter_batch},
    {"slice", jfilter_slice},
    {"int", filter_int},
    {"float", filter_float},
    {"round", filter_round},
    {"abs", filter_abs},
    {"attr", filter_attr},
    {"center", filter_center},
    {"format", filter_format},
    {"truncate", filter_truncate},
    {"filesizeformat", filter_unsupported},
    {"pprint", filter_unsupported},
    {"random", filter_unsupported},
    {"striptags", filter_unsupported},
    {"urlencode", filter_unsupported},
    {"urlize", filter_unsupported},
    {"wordcount", filter_unsupported},
    {"wordwrap", filter_unsupported},
    {"xmlattr", filter_unsupported},
};

const struct jfilter_row *jinja_find_filter(const struct jstr *name) {
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (jstr_is(name, filters[i].name)) return &filters[i];
    return NULL;
}
