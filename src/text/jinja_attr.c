/* jinja_attr.c - x.name, x[key] and x[a:b:c] under the immutable sandbox: attributes come
 * before items for ".", after them for "[]"; names that would change a list or dict, and
 * Python's internals, are undefined. */
#include "text/jinja_run.h"

#include <string.h>

static bool listed(const struct jstr *name, const char *const *names) {
    for (; *names != NULL; names++)
        if (jstr_is(name, *names)) return true;
    return false;
}

/* What every Python object has. */
static bool is_internal(const struct jstr *name) {
    // clang-format off
    static const char *const names[] = {
        "__class__",    "__class_getitem__", "__contains__",    "__delattr__",
        "__dir__",      "__doc__",           "__eq__",          "__format__",
        "__ge__",       "__getattribute__",  "__getitem__",     "__getstate__",
        "__gt__",       "__hash__",          "__init__",        "__init_subclass__",
        "__iter__",     "__le__",            "__len__",         "__lt__",
        "__ne__",       "__new__",           "__reduce__",      "__reduce_ex__",
        "__repr__",     "__setattr__",       "__sizeof__",      "__str__",
        "__subclasshook__", "__setitem__",   "__delitem__",     "__reversed__",
        "__or__",       "__ior__",           "__ror__",         "__add__",
        "__mul__",      "__rmul__",          "__mod__",         "__rmod__",
        "__iadd__",     "__imul__",          NULL};
    // clang-format on
    return name->n_bytes > 4 && name->bytes[0] == '_' && name->bytes[1] == '_' &&
           listed(name, names);
}

/* Attributes that exist in Python and would change the object. */
static bool is_mutator(struct jv v, const struct jstr *name) {
    static const char *const list_names[] = {
        "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove", NULL};
    static const char *const dict_names[] = {"clear",      "pop",    "popitem",
                                             "setdefault", "update", NULL};
    return (v.type == J_LIST && listed(name, list_names)) ||
           (v.type == J_DICT && listed(name, dict_names));
}

/* Attributes that exist in Python and that this interpreter does not have: an error, lest
 * they look undefined. */
static bool is_unsupported(struct jv v, const struct jstr *name) {
    static const char *const of_str[] = {"encode", "maketrans", "translate", NULL};
    static const char *const of_markup[] = {"unescape", "striptags", "escape", NULL};
    static const char *const of_int[] = {"as_integer_ratio",
                                         "bit_count",
                                         "bit_length",
                                         "conjugate",
                                         "denominator",
                                         "from_bytes",
                                         "imag",
                                         "numerator",
                                         "real",
                                         "to_bytes",
                                         NULL};
    static const char *const of_float[] = {
        "as_integer_ratio", "conjugate", "fromhex", "hex", "imag",
        "is_integer",       "real",      NULL};
    static const char *const of_view[] = {"isdisjoint", "mapping", NULL};
    static const char *const of_iter[] = {
        "close", "send", "throw", "gi_running", "gi_suspended", "gi_yieldfrom", NULL};
    static const char *const of_range[] = {"count", "index", NULL};
    switch (v.type) {
    case J_STR: return listed(name, of_str) || (v.u.s->markup && listed(name, of_markup));
    case J_BOOL:
    case J_INT: return listed(name, of_int);
    case J_FLOAT: return listed(name, of_float);
    case J_DICT: return jstr_is(name, "fromkeys");
    case J_GLOBAL: return jstr_is(name, "fromkeys");
    case J_VIEW: return listed(name, of_view);
    case J_ITER: return listed(name, of_iter);
    case J_RANGE: return listed(name, of_range);
    default: return false;
    }
}

static glass_status make_method(struct jinja *in, struct jv *out, struct jv self,
                                const struct jmethod_row *row) {
    struct jmethod *method;
    TRY(jarena_alloc(in, &method, 1, sizeof *method));
    *method = (struct jmethod){self, row};
    *out = (struct jv){.type = J_METHOD, .u.method = method};
    return GLASS_OK;
}

static glass_status cycler_next(struct jinja *in, struct jv *out, struct jv self,
                                const struct jargs *args, const char *name) {
    struct jcycler *c = self.u.cycler;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    if (strcmp(name, "reset") == 0) {
        c->at = 0;
        *out = jv_none();
        return GLASS_OK;
    }
    *out = c->items[c->at];
    c->at = (c->at + 1) % c->n;
    return GLASS_OK;
}

static const struct jmethod_row cycler_methods[] = {{"next", cycler_next},
                                                    {"reset", cycler_next}};

static glass_status object_attribute(struct jinja *in, struct jv *out, bool *known,
                                     struct jv v, const struct jstr *name) {
    const struct jv *found;
    *known = false;
    switch (v.type) {
    case J_NAMESPACE:
        if (name->n_bytes > 0 && name->bytes[0] == '_') return GLASS_OK;
        TRY(jdict_get(in, &found, v.u.dict, jv_str((struct jstr *)name)));
        *known = found != NULL;
        if (found != NULL) *out = *found;
        return GLASS_OK;
    case J_LOOP: return jloop_attribute(in, out, known, v.u.loop, name);
    case J_MACRO: return jmacro_attribute(in, out, known, v.u.macro, name);
    case J_CYCLER:
        *known = true;
        for (size_t i = 0; i < 2; i++)
            if (jstr_is(name, cycler_methods[i].name))
                return make_method(in, out, v, &cycler_methods[i]);
        if (jstr_is(name, "current")) {
            *out = v.u.cycler->items[v.u.cycler->at];
        } else if (jstr_is(name, "pos")) {
            *out = jv_int((int64_t)v.u.cycler->at);
        } else {
            *known = false;
        }
        return GLASS_OK;
    case J_TUPLE:
        *known = v.u.list->group && (jstr_is(name, "grouper") || jstr_is(name, "list"));
        if (*known) *out = v.u.list->items[jstr_is(name, "list")];
        return GLASS_OK;
    case J_RANGE:
        *known = jstr_is(name, "start") || jstr_is(name, "stop") || jstr_is(name, "step");
        if (*known)
            *out = jv_int(jstr_is(name, "start")  ? v.u.range->start
                          : jstr_is(name, "stop") ? v.u.range->stop
                                                  : v.u.range->step);
        return GLASS_OK;
    default: return GLASS_OK;
    }
}

/* An attribute in Python's sense; *known is false where getattr() raises AttributeError. */
static glass_status get_attribute(struct jinja *in, struct jv *out, bool *known,
                                  struct jv v, struct jstr *name) {
    const struct jmethod_row *row = NULL;
    if (v.type == J_UNDEFINED) return jv_fail_undefined(in, v);
    *known = true;
    if (v.type == J_STR) row = jinja_str_method(name);
    if (v.type == J_DICT) row = jinja_dict_method(name);
    if (v.type == J_LIST || v.type == J_TUPLE) row = jinja_list_method(name);
    if (row != NULL && v.type == J_TUPLE && strcmp(row->name, "copy") == 0) row = NULL;
    if (row != NULL) return make_method(in, out, v, row);
    if (is_unsupported(v, name))
        return jinja_fail(in, "the attribute '%.*s' of %s is not supported",
                          (int)name->n_bytes, name->bytes, jv_type_name(v));
    if ((is_internal(name) && v.type != J_NAMESPACE) || is_mutator(v, name))
        return jv_undefined(in, out, "access to this attribute is unsafe", name, NULL);
    return object_attribute(in, out, known, v, name);
}

/* An item in Python's sense; *known is false where v[key] raises TypeError or LookupError. */
static glass_status get_item(struct jinja *in, struct jv *out, bool *known, struct jv v,
                             struct jv key) {
    const struct jv *found = NULL;
    glass_status status = GLASS_OK;
    *known = false;
    switch (v.type) {
    case J_UNDEFINED: return jv_fail_undefined(in, v);
    case J_DICT:
        if (!jv_hashable(key)) return GLASS_OK;
        TRY(jdict_get(in, &found, v.u.dict, key));
        *known = found != NULL;
        if (found != NULL) *out = *found;
        return GLASS_OK;
    case J_STR:
    case J_LIST:
    case J_TUPLE:
    case J_RANGE:
        if (!jv_is_int(key)) return GLASS_OK;
        *known = jv_at(in, out, v, jv_int_value(key), &status);
        return status;
    default: return GLASS_OK;
    }
}

static glass_status undefined_of(struct jinja *in, struct jv *out, struct jv v,
                                 struct jv key) {
    struct jstr *name;
    struct jbuild b = {0};
    if (key.type == J_STR) {
        name = key.u.s;
    } else if (key.type == J_INT) {
        TRY(jv_repr(in, &b, key));
        TRY(jbuild_finish(in, &name, &b));
    } else {
        TRY(jstr_borrow(in, &name, "?", 1, false));
    }
    return jv_undefined(in, out, NULL, name, jv_type_name(v));
}

glass_status jinja_getattr(struct jinja *in, struct jv *out, struct jv v,
                           struct jstr *name) {
    bool known;
    TRY(get_attribute(in, out, &known, v, name));
    if (known) return GLASS_OK;
    TRY(get_item(in, out, &known, v, jv_str(name)));
    return known ? GLASS_OK : undefined_of(in, out, v, jv_str(name));
}

glass_status jinja_getitem(struct jinja *in, struct jv *out, struct jv v, struct jv key) {
    bool known;
    TRY(get_item(in, out, &known, v, key));
    if (known) return GLASS_OK;
    if (key.type == J_STR) {
        TRY(get_attribute(in, out, &known, v, key.u.s));
        if (known) return GLASS_OK;
    }
    return undefined_of(in, out, v, key);
}

glass_status jinja_has_attribute(struct jinja *in, bool *out, struct jv v,
                                 const struct jstr *name) {
    struct jv ignored;
    if (v.type == J_UNDEFINED) {
        *out = true; /* so that using it raises */
        return GLASS_OK;
    }
    return get_attribute(in, &ignored, out, v, (struct jstr *)name);
}

/* ---- slices */

static glass_status slice_bound(struct jinja *in, int64_t *out, struct jv v, int64_t n,
                                int64_t step, int64_t otherwise) {
    *out = otherwise;
    if (v.type == J_NONE) return GLASS_OK;
    if (!jv_is_int(v))
        return jinja_fail(in, "slice indices must be integers or none, not %s",
                          jv_type_name(v));
    int64_t at = jv_int_value(v), low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    if (at < 0) at = at < -n ? low : at + n;
    *out = at < low ? low : at > high ? high : at;
    return GLASS_OK;
}

static glass_status slice_string(struct jinja *in, struct jv *out, const struct jstr *s,
                                 int64_t start, int64_t step, int64_t count) {
    struct jstr *r;
    struct jbuild b = {0};
    TRY(jinja_charge(in, s->n_bytes / 64));
    if (step == 1 || count == 0) {
        size_t begin = count == 0 ? 0 : jstr_offset(s, (size_t)start);
        size_t end = count == 0 ? 0 : jstr_offset(s, (size_t)(start + count));
        TRY(jstr_slice(in, &r, s, begin, end));
    } else {
        size_t *offsets = NULL; /* of every character, where they differ in size */
        if (s->n_chars != s->n_bytes) {
            TRY(jarena_alloc(in, &offsets, s->n_chars + 1, sizeof *offsets));
            for (size_t i = 0, k = 0; i < s->n_bytes; i++)
                if (((unsigned char)s->bytes[i] & 0xc0) != 0x80) offsets[k++] = i;
            offsets[s->n_chars] = s->n_bytes;
        }
        TRY(jinja_charge(in, (size_t)count));
        for (int64_t i = 0; i < count; i++) {
            size_t at = (size_t)(start + i * step);
            TRY(jbuild_part(in, &b, s, offsets != NULL ? offsets[at] : at,
                            offsets != NULL ? offsets[at + 1] : at + 1));
        }
        TRY(jbuild_finish(in, &r, &b));
        r->markup = s->markup;
    }
    *out = jv_str(r);
    return GLASS_OK;
}

glass_status jinja_slice(struct jinja *in, struct jv *out, struct jv v, struct jv start,
                         struct jv stop, struct jv step) {
    int64_t stride = 1, n, first, last;
    bool known;
    if (v.type == J_UNDEFINED) return jv_fail_undefined(in, v);
    if (v.type != J_STR && v.type != J_LIST && v.type != J_TUPLE && v.type != J_RANGE)
        return jinja_fail(in, "%s can't be sliced", jv_type_name(v));
    if (step.type != J_NONE) {
        if (!jv_is_int(step)) return jinja_fail(in, "a slice's step must be an integer");
        stride = jv_int_value(step);
        if (stride == 0) return jinja_fail(in, "slice step cannot be zero");
        if (stride < -INT32_MAX || stride > INT32_MAX)
            stride = stride < 0 ? -INT32_MAX : INT32_MAX; /* beyond any length */
    }
    TRY(jv_length(in, &n, &known, v));
    TRY(slice_bound(in, &first, start, n, stride, stride < 0 ? n - 1 : 0));
    TRY(slice_bound(in, &last, stop, n, stride, stride < 0 ? -1 : n));
    int64_t distance = stride < 0 ? first - last : last - first;
    int64_t count =
        distance <= 0 ? 0 : (distance - 1) / (stride < 0 ? -stride : stride) + 1;
    if (v.type == J_STR) return slice_string(in, out, v.u.s, first, stride, count);
    if (v.type == J_RANGE) {
        const struct jrange *r = v.u.range;
        int64_t begin, end, pace;
        if (__builtin_mul_overflow(r->step, stride, &pace) ||
            __builtin_mul_overflow(r->step, first, &begin) ||
            __builtin_add_overflow(r->start, begin, &begin) ||
            __builtin_mul_overflow(r->step, last, &end) ||
            __builtin_add_overflow(r->start, end, &end))
            return jinja_fail(in, "an integer needs more than 64 bits");
        return jinja_range(in, out, begin, end, pace, v.plain);
    }
    struct jlist *list;
    if (stride == 1) { /* lists never change, so a part can share the whole's items */
        TRY(jarena_alloc(in, &list, 1, sizeof *list));
        *list = (struct jlist){.items = v.u.list->items + (count > 0 ? first : 0),
                               .n = (size_t)count};
    } else {
        TRY(jinja_charge(in, (size_t)count / 4));
        TRY(jlist_new(in, &list, (size_t)count));
        for (int64_t i = 0; i < count; i++)
            TRY(jlist_push(in, list, v.u.list->items[first + i * stride]));
    }
    *out = v.type == J_LIST ? jv_list(list, v.plain) : jv_tuple(list, v.plain);
    return GLASS_OK;
}
