/* jinja_value.c - truth, equality, order, length and text of values, by Python's rules. */
#include "text/jinja_value.h"

#include "base/utf8.h"
#include "text/jinja_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct jv jv_none(void) {
    return (struct jv){.type = J_NONE};
}
struct jv jv_missing(void) {
    return (struct jv){.type = J_MISSING};
}
struct jv jv_bool(bool b) {
    return (struct jv){.type = J_BOOL, .u.b = b};
}
struct jv jv_int(int64_t i) {
    return (struct jv){.type = J_INT, .u.i = i};
}
struct jv jv_float(double d) {
    return (struct jv){.type = J_FLOAT, .u.d = d};
}
struct jv jv_str(struct jstr *s) {
    return (struct jv){.type = J_STR, .u.s = s};
}
struct jv jv_list(struct jlist *list, bool plain) {
    return (struct jv){.type = J_LIST, .plain = plain, .u.list = list};
}
struct jv jv_tuple(struct jlist *list, bool plain) {
    return (struct jv){.type = J_TUPLE, .plain = plain, .u.list = list};
}

glass_status jv_text(struct jinja *in, struct jv *out, const char *text) {
    struct jstr *s;
    TRY(jstr_borrow(in, &s, text, strlen(text), false));
    *out = jv_str(s);
    return GLASS_OK;
}

glass_status jv_undefined(struct jinja *in, struct jv *out, const char *hint,
                          struct jstr *name, const char *owner) {
    struct jundefined *u;
    TRY(jarena_alloc(in, &u, 1, sizeof *u));
    *u = (struct jundefined){hint, name, owner};
    *out = (struct jv){.type = J_UNDEFINED, .u.undefined = u};
    return GLASS_OK;
}

glass_status jv_fail_undefined(struct jinja *in, struct jv v) {
    const struct jundefined *u = v.u.undefined;
    const char *name = u->name != NULL ? u->name->bytes : "?";
    int n = u->name == NULL ? 1 : u->name->n_bytes > 200 ? 200 : (int)u->name->n_bytes;
    if (u->hint != NULL && u->name != NULL)
        return jinja_fail(in, "%s: '%.*s'", u->hint, n, name);
    if (u->hint != NULL) return jinja_fail(in, "%s", u->hint);
    if (u->owner != NULL)
        return jinja_fail(in, "'%s object' has no attribute '%.*s'", u->owner, n, name);
    return jinja_fail(in, "'%.*s' is undefined", n, name);
}

const char *jv_type_name(struct jv v) {
    static const char *const names[] = {
        [J_MISSING] = "nothing", [J_UNDEFINED] = "undefined",
        [J_NONE] = "None",       [J_BOOL] = "bool",
        [J_INT] = "int",         [J_FLOAT] = "float",
        [J_STR] = "str",         [J_LIST] = "list",
        [J_TUPLE] = "tuple",     [J_DICT] = "dict",
        [J_VIEW] = "dict view",  [J_RANGE] = "range",
        [J_ITER] = "generator",  [J_NAMESPACE] = "namespace",
        [J_LOOP] = "loop",       [J_MACRO] = "macro",
        [J_METHOD] = "method",   [J_GLOBAL] = "function",
        [J_CYCLER] = "cycler",   [J_JOINER] = "joiner",
    };
    return names[v.type];
}

bool jv_is_int(struct jv v) {
    return v.type == J_INT || v.type == J_BOOL;
}
bool jv_is_number(struct jv v) {
    return jv_is_int(v) || v.type == J_FLOAT;
}
int64_t jv_int_value(struct jv v) {
    return v.type == J_BOOL ? v.u.b : v.u.i;
}
double jv_double(struct jv v) {
    return v.type == J_FLOAT ? v.u.d : (double)jv_int_value(v);
}

glass_status jv_length(struct jinja *in, int64_t *out, bool *known, struct jv v) {
    *known = true;
    switch (v.type) {
    case J_UNDEFINED: *out = 0; break;
    case J_STR: *out = (int64_t)v.u.s->n_chars; break;
    case J_LIST:
    case J_TUPLE: *out = (int64_t)v.u.list->n; break;
    case J_DICT: *out = (int64_t)v.u.dict->n; break;
    case J_VIEW: *out = (int64_t)v.u.view->dict->n; break;
    case J_RANGE: *out = v.u.range->n; break;
    case J_LOOP: return jloop_length(in, out, v.u.loop);
    default: *known = false; *out = 0;
    }
    return GLASS_OK;
}

glass_status jv_truth(struct jinja *in, bool *out, struct jv v) {
    int64_t n;
    bool known;
    switch (v.type) {
    case J_MISSING:
    case J_UNDEFINED:
    case J_NONE: *out = false; return GLASS_OK;
    case J_BOOL:
    case J_INT: *out = jv_int_value(v) != 0; return GLASS_OK;
    case J_FLOAT: *out = v.u.d != 0; return GLASS_OK;
    default:
        TRY(jv_length(in, &n, &known, v));
        *out = !known || n > 0;
        return GLASS_OK;
    }
}

/* ---- equality and order */

/* Exact comparison of an integer with a float: -1, 0, 1; 2 for NaN. */
static int compare_int_float(int64_t i, double d) {
    if (isnan(d)) return 2;
    if (d >= 9223372036854775808.0) return -1;
    if (d < -9223372036854775808.0) return 1;
    double whole = trunc(d);
    int64_t t = (int64_t)whole;
    if (i != t) return i < t ? -1 : 1;
    return d == whole ? 0 : d > whole ? -1 : 1;
}

static int compare_numbers(struct jv a, struct jv b) {
    if (jv_is_int(a) && jv_is_int(b)) {
        int64_t x = jv_int_value(a), y = jv_int_value(b);
        return x < y ? -1 : x > y;
    }
    if (jv_is_int(a)) return compare_int_float(jv_int_value(a), b.u.d);
    if (jv_is_int(b)) {
        int order = compare_int_float(jv_int_value(b), a.u.d);
        return order == 2 ? 2 : -order;
    }
    if (isnan(a.u.d) || isnan(b.u.d)) return 2;
    return a.u.d < b.u.d ? -1 : a.u.d > b.u.d;
}

static glass_status equal_lists(struct jinja *in, bool *out, const struct jlist *a,
                                const struct jlist *b) {
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++)
        TRY(jv_equal(in, out, a->items[i], b->items[i]));
    return GLASS_OK;
}

static glass_status equal_dicts(struct jinja *in, bool *out, const struct jdict *a,
                                const struct jdict *b) {
    *out = a->n == b->n;
    for (size_t i = 0; *out && i < a->n; i++) {
        const struct jv *other;
        TRY(jdict_get(in, &other, b, a->keys[i]));
        if (other == NULL) {
            *out = false;
        } else {
            TRY(jv_equal(in, out, a->values[i], *other));
        }
    }
    return GLASS_OK;
}

static glass_status equal_same_type(struct jinja *in, bool *out, struct jv a, struct jv b) {
    switch (a.type) {
    case J_MISSING:
    case J_UNDEFINED:
    case J_NONE: *out = true; break;
    case J_STR:
        TRY(jinja_charge(in, a.u.s->n_bytes == b.u.s->n_bytes ? a.u.s->n_bytes / 64 : 0));
        *out = jstr_same(a.u.s, b.u.s);
        break;
    case J_LIST:
    case J_TUPLE: TRY(equal_lists(in, out, a.u.list, b.u.list)); break;
    case J_DICT: TRY(equal_dicts(in, out, a.u.dict, b.u.dict)); break;
    case J_RANGE:
        *out = a.u.range->n == b.u.range->n &&
               (a.u.range->n == 0 ||
                (a.u.range->start == b.u.range->start &&
                 (a.u.range->n == 1 || a.u.range->step == b.u.range->step)));
        break;
    case J_GLOBAL: *out = a.u.global == b.u.global; break;
    case J_VIEW: return jinja_fail(in, "comparing dict views is not supported");
    case J_METHOD: return jinja_fail(in, "comparing methods is not supported");
    default: *out = memcmp(&a.u, &b.u, sizeof a.u) == 0; /* identity */
    }
    return GLASS_OK;
}

glass_status jv_equal(struct jinja *in, bool *out, struct jv a, struct jv b) {
    TRY(jinja_charge(in, 1));
    if (jv_is_number(a) && jv_is_number(b)) {
        *out = compare_numbers(a, b) == 0;
        return GLASS_OK;
    }
    *out = false;
    if (a.type != b.type) return GLASS_OK;
    TRY(jinja_enter(in));
    TRY(equal_same_type(in, out, a, b));
    in->depth--;
    return GLASS_OK;
}

glass_status jv_less(struct jinja *in, bool *out, struct jv a, struct jv b, bool or_equal) {
    TRY(jinja_charge(in, 1));
    if (a.type == J_UNDEFINED) return jv_fail_undefined(in, a);
    if (b.type == J_UNDEFINED) return jv_fail_undefined(in, b);
    if (jv_is_number(a) && jv_is_number(b)) {
        int order = compare_numbers(a, b);
        *out = order == -1 || (order == 0 && or_equal);
        return GLASS_OK;
    }
    if (a.type == J_STR && b.type == J_STR) {
        TRY(jinja_charge(in, a.u.s->n_bytes / 64));
        int order = jstr_order(a.u.s, b.u.s);
        *out = order < 0 || (order == 0 && or_equal);
        return GLASS_OK;
    }
    if (a.type == b.type && (a.type == J_LIST || a.type == J_TUPLE)) {
        const struct jlist *x = a.u.list, *y = b.u.list;
        TRY(jinja_enter(in));
        for (size_t i = 0; i < x->n && i < y->n; i++) {
            bool same;
            TRY(jv_equal(in, &same, x->items[i], y->items[i]));
            if (same) continue;
            in->depth--;
            return jv_less(in, out, x->items[i], y->items[i], or_equal);
        }
        in->depth--;
        *out = or_equal ? x->n <= y->n : x->n < y->n;
        return GLASS_OK;
    }
    return jinja_fail(in, "%s and %s can't be ordered", jv_type_name(a), jv_type_name(b));
}

static glass_status contains_in_view(struct jinja *in, bool *out, struct jv item,
                                     const struct jview *view) {
    const struct jv *found;
    *out = false;
    if (view->kind == JVIEW_ITEMS) {
        if (item.type != J_TUPLE || item.u.list->n != 2) return GLASS_OK;
        if (!jv_hashable(item.u.list->items[0]))
            return jinja_fail(in, "unhashable type: %s",
                              jv_type_name(item.u.list->items[0]));
        TRY(jdict_get(in, &found, view->dict, item.u.list->items[0]));
        if (found != NULL) TRY(jv_equal(in, out, *found, item.u.list->items[1]));
        return GLASS_OK;
    }
    for (size_t i = 0; !*out && i < view->dict->n; i++)
        TRY(jv_equal(in, out, view->dict->values[i], item));
    return GLASS_OK;
}

glass_status jv_contains(struct jinja *in, bool *out, struct jv item, struct jv in_what) {
    const struct jv *found;
    *out = false;
    if (in_what.type == J_DICT ||
        (in_what.type == J_VIEW && in_what.u.view->kind == JVIEW_KEYS)) {
        if (!jv_hashable(item))
            return jinja_fail(in, "unhashable type: %s", jv_type_name(item));
        TRY(jdict_get(in, &found,
                      in_what.type == J_DICT ? in_what.u.dict : in_what.u.view->dict,
                      item));
        *out = found != NULL;
        return GLASS_OK;
    }
    if (in_what.type == J_VIEW) return contains_in_view(in, out, item, in_what.u.view);
    if (in_what.type == J_STR) {
        if (item.type != J_STR)
            return jinja_fail(in, "'in <string>' requires string as left operand, not %s",
                              jv_type_name(item));
        TRY(jinja_charge(in, in_what.u.s->n_bytes / 16));
        *out = jstr_find(in_what.u.s, item.u.s, 0, in_what.u.s->n_bytes) != SIZE_MAX;
        return GLASS_OK;
    }
    /* anything else that can be iterated, by equality */
    struct jiter *iter;
    TRY(jiter_open(in, &iter, in_what));
    for (bool more = true; more && !*out;) {
        struct jv each;
        TRY(jiter_next(in, iter, &each, &more));
        if (more) TRY(jv_equal(in, out, each, item));
    }
    return GLASS_OK;
}

/* ---- text */

static glass_status write_float(struct jinja *in, struct jbuild *b, double d, bool plain) {
    char text[JINJA_NUMBER_BYTES];
    size_t n = jinja_float_text(text, d);
    return jbuild_bytes(in, b, text, n, plain);
}

static glass_status repr_char(struct jinja *in, struct jbuild *b, uint32_t c, char quote,
                              bool plain) {
    char text[16];
    const char *escape = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
    if (escape != NULL) return jbuild_text(in, b, escape, plain);
    if (c == (unsigned char)quote || c == '\\') {
        snprintf(text, sizeof text, "\\%c", (char)c);
    } else if (jinja_is_printable(c)) {
        return jbuild_char(in, b, c, plain);
    } else if (c < 0x100) {
        snprintf(text, sizeof text, "\\x%02x", (unsigned)c);
    } else if (c < 0x10000) {
        snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
    } else {
        snprintf(text, sizeof text, "\\U%08x", (unsigned)c);
    }
    return jbuild_text(in, b, text, plain);
}

glass_status jstr_repr(struct jinja *in, struct jbuild *b, const struct jstr *s) {
    bool any = jstr_any_plain(s);
    bool single = memchr(s->bytes, '\'', s->n_bytes) != NULL;
    bool twice = memchr(s->bytes, '"', s->n_bytes) != NULL;
    char quote = single && !twice ? '"' : '\'';
    if (s->markup) TRY(jbuild_text(in, b, "Markup(", any));
    TRY(jbuild_bytes(in, b, &quote, 1, any));
    for (size_t at = 0, n; at < s->n_bytes; at += n) {
        uint32_t c;
        size_t end;
        n = utf8_decode(&c, s->bytes + at, s->n_bytes - at);
        TRY(repr_char(in, b, c, quote, jstr_run(s, at, &end)));
    }
    TRY(jbuild_bytes(in, b, &quote, 1, any));
    return s->markup ? jbuild_text(in, b, ")", any) : GLASS_OK;
}

static glass_status repr_items(struct jinja *in, struct jbuild *b, const struct jv *items,
                               size_t n, const char *open, const char *close, bool plain) {
    TRY(jbuild_text(in, b, open, plain));
    for (size_t i = 0; i < n; i++) {
        if (i > 0) TRY(jbuild_text(in, b, ", ", plain));
        TRY(jv_repr(in, b, items[i]));
    }
    return jbuild_text(in, b, close, plain);
}

static glass_status repr_dict(struct jinja *in, struct jbuild *b, const struct jdict *dict,
                              bool plain) {
    TRY(jbuild_text(in, b, "{", plain));
    for (size_t i = 0; i < dict->n; i++) {
        if (i > 0) TRY(jbuild_text(in, b, ", ", plain));
        TRY(jv_repr(in, b, dict->keys[i]));
        TRY(jbuild_text(in, b, ": ", plain));
        TRY(jv_repr(in, b, dict->values[i]));
    }
    return jbuild_text(in, b, "}", plain);
}

static glass_status repr_view(struct jinja *in, struct jbuild *b,
                              const struct jview *view) {
    const struct jdict *dict = view->dict;
    if (view->kind == JVIEW_KEYS)
        return repr_items(in, b, dict->keys, dict->n, "dict_keys([", "])", view->plain);
    if (view->kind == JVIEW_VALUES)
        return repr_items(in, b, dict->values, dict->n, "dict_values([", "])", view->plain);
    TRY(jbuild_text(in, b, "dict_items([", view->plain));
    for (size_t i = 0; i < dict->n; i++) {
        struct jv pair[2] = {dict->keys[i], dict->values[i]};
        if (i > 0) TRY(jbuild_text(in, b, ", ", view->plain));
        TRY(repr_items(in, b, pair, 2, "(", ")", view->plain));
    }
    return jbuild_text(in, b, "])", view->plain);
}

static glass_status repr_range(struct jinja *in, struct jbuild *b, struct jv v) {
    char text[80];
    const struct jrange *r = v.u.range;
    if (r->step == 1) {
        snprintf(text, sizeof text, "range(%lld, %lld)", (long long)r->start,
                 (long long)r->stop);
    } else {
        snprintf(text, sizeof text, "range(%lld, %lld, %lld)", (long long)r->start,
                 (long long)r->stop, (long long)r->step);
    }
    return jbuild_text(in, b, text, v.plain);
}

static glass_status repr_object(struct jinja *in, struct jbuild *b, struct jv v) {
    switch (v.type) {
    case J_NAMESPACE:
        TRY(jbuild_text(in, b, "<Namespace ", false));
        TRY(repr_dict(in, b, v.u.dict, false));
        return jbuild_text(in, b, ">", false);
    case J_LOOP: {
        int64_t n;
        char text[64];
        TRY(jloop_length(in, &n, v.u.loop));
        snprintf(text, sizeof text, "<LoopContext %lld/%lld>",
                 (long long)jloop_index0(v.u.loop) + 1, (long long)n);
        return jbuild_text(in, b, text, false);
    }
    case J_MACRO: {
        const struct jstr *name = jmacro_name(v.u.macro);
        if (name == NULL) return jbuild_text(in, b, "<Macro anonymous>", false);
        TRY(jbuild_text(in, b, "<Macro ", false));
        TRY(jstr_repr(in, b, name));
        return jbuild_text(in, b, ">", false);
    }
    default:
        /* Python would print an address here */
        return jinja_fail(in, "a %s has no text", jv_type_name(v));
    }
}

glass_status jv_repr(struct jinja *in, struct jbuild *b, struct jv v) {
    char text[32];
    TRY(jinja_charge(in, 1));
    switch (v.type) {
    case J_UNDEFINED: return jbuild_text(in, b, "Undefined", false);
    case J_NONE: return jbuild_text(in, b, "None", v.plain);
    case J_BOOL: return jbuild_text(in, b, v.u.b ? "True" : "False", v.plain);
    case J_INT:
        snprintf(text, sizeof text, "%lld", (long long)v.u.i);
        return jbuild_text(in, b, text, v.plain);
    case J_FLOAT: return write_float(in, b, v.u.d, v.plain);
    case J_STR: return jstr_repr(in, b, v.u.s);
    case J_RANGE: return repr_range(in, b, v);
    default: break;
    }
    TRY(jinja_enter(in));
    switch (v.type) {
    case J_LIST:
        TRY(repr_items(in, b, v.u.list->items, v.u.list->n, "[", "]", v.plain));
        break;
    case J_TUPLE:
        TRY(repr_items(in, b, v.u.list->items, v.u.list->n, "(",
                       v.u.list->n == 1 ? ",)" : ")", v.plain));
        break;
    case J_DICT: TRY(repr_dict(in, b, v.u.dict, v.plain)); break;
    case J_VIEW: TRY(repr_view(in, b, v.u.view)); break;
    default: TRY(repr_object(in, b, v));
    }
    in->depth--;
    return GLASS_OK;
}

glass_status jv_write(struct jinja *in, struct jbuild *b, struct jv v) {
    if (v.type == J_STR) return jbuild_str(in, b, v.u.s);
    if (v.type == J_UNDEFINED) return GLASS_OK;
    return jv_repr(in, b, v);
}

glass_status jv_to_str(struct jinja *in, struct jstr **out, struct jv v) {
    struct jbuild b = {0};
    if (v.type == J_STR && !v.u.s->markup) {
        *out = v.u.s;
        return GLASS_OK;
    }
    if (v.type == J_STR) return jstr_markup(in, out, v.u.s, false);
    TRY(jv_write(in, &b, v));
    return jbuild_finish(in, out, &b);
}

/* ---- lists */

glass_status jlist_new(struct jinja *in, struct jlist **out, size_t cap) {
    struct jlist_tip *tip;
    TRY(jarena_alloc(in, out, 1, sizeof **out));
    TRY(jarena_alloc(in, &tip, 1, sizeof *tip));
    if (cap > 0) TRY(jarena_alloc(in, &tip->items, cap, sizeof *tip->items));
    tip->cap = cap;
    (*out)->items = tip->items;
    (*out)->tip = tip;
    return GLASS_OK;
}

static glass_status tip_reserve(struct jinja *in, struct jlist_tip *tip, size_t n_more) {
    if (n_more <= tip->cap - tip->n) return GLASS_OK;
    size_t cap = tip->cap < 4 ? 4 : tip->cap * 2;
    while (cap - tip->n < n_more) cap *= 2;
    TRY(jarena_grow(in, &tip->items, tip->cap, cap, sizeof *tip->items));
    tip->cap = cap;
    return GLASS_OK;
}

/* Only for a list that is being made and that nobody else has seen. */
glass_status jlist_push(struct jinja *in, struct jlist *list, struct jv item) {
    TRY(tip_reserve(in, list->tip, 1));
    list->tip->items[list->tip->n++] = item;
    list->items = list->tip->items;
    list->n++;
    return GLASS_OK;
}

glass_status jlist_join(struct jinja *in, struct jlist **out, const struct jlist *a,
                        const struct jlist *b) {
    struct jlist_tip *tip = a->tip;
    TRY(jinja_charge(in, b->n / 4));
    if (tip == NULL || tip->n != a->n || tip->items != a->items) {
        TRY(jinja_charge(in, a->n / 4));
        TRY(jlist_new(in, out, a->n + b->n));
        tip = (*out)->tip;
        if (a->n > 0) memcpy(tip->items, a->items, a->n * sizeof *a->items);
        tip->n = a->n;
    } else {
        TRY(jarena_alloc(in, out, 1, sizeof **out));
        TRY(tip_reserve(in, tip, b->n));
    }
    if (b->n > 0) memmove(tip->items + tip->n, b->items, b->n * sizeof *b->items);
    tip->n += b->n;
    **out = (struct jlist){.items = tip->items, .n = tip->n, .tip = tip};
    return GLASS_OK;
}

glass_status jv_pair(struct jinja *in, struct jv *out, struct jv a, struct jv b,
                     bool plain) {
    struct jlist *list;
    TRY(jlist_new(in, &list, 2));
    TRY(jlist_push(in, list, a));
    TRY(jlist_push(in, list, b));
    *out = jv_tuple(list, plain);
    return GLASS_OK;
}
