/* jinja_filter_seq.c - filters of sequences. map, select and their like are generators: they
 * do nothing, and report no error, before something reads them. */
#include "text/jinja_run.h"

#include <string.h>

/* ---- attribute paths */

static glass_status push_path(struct jinja *in, struct jpath *path, struct jv part) {
    TRY(jarena_grow(in, &path->parts, path->n, path->n + 1, sizeof *path->parts));
    path->parts[path->n++] = part;
    return GLASS_OK;
}

glass_status jpath_parse(struct jinja *in, struct jpath *out, struct jv attribute) {
    *out = (struct jpath){0};
    if (attribute.type == J_MISSING || attribute.type == J_NONE) return GLASS_OK;
    if (attribute.type != J_STR) return push_path(in, out, attribute);
    const struct jstr *s = attribute.u.s;
    for (size_t begin = 0, at = 0; at <= s->n_bytes; at++) {
        if (at < s->n_bytes && s->bytes[at] != '.') continue;
        struct jstr *part;
        struct jv v;
        bool digits = at > begin, overflow = false;
        for (size_t i = begin; i < at; i++)
            digits = digits && s->bytes[i] >= '0' && s->bytes[i] <= '9';
        TRY(jstr_slice(in, &part, s, begin, at));
        v = jv_str(part);
        if (digits) {
            v = jv_int(0);
            jinja_parse_int(&v.u.i, &overflow, part->bytes, part->n_bytes, 10);
        }
        TRY(push_path(in, out, v));
        begin = at + 1;
    }
    return GLASS_OK;
}

glass_status jpath_get(struct jinja *in, struct jv *out, const struct jpath *path,
                       struct jv v) {
    *out = v;
    for (size_t i = 0; i < path->n; i++) TRY(jinja_getitem(in, out, *out, path->parts[i]));
    return GLASS_OK;
}

static glass_status ignore_case(struct jinja *in, struct jv *v, bool sensitive) {
    struct jstr *s;
    if (sensitive || v->type != J_STR) return GLASS_OK;
    TRY(jstr_case(in, &s, v->u.s, JCASE_LOWER));
    *v = jv_str(s);
    return GLASS_OK;
}

/* ---- map, select, reject */

struct mapping {
    struct jv over;
    struct jargs args;
    struct jiter *iter; /* NULL before the first item */
    bool empty;
    /* map */
    bool by_attribute;
    struct jpath path;
    struct jv otherwise;
    const struct jfilter_row *filter;
    struct jargs rest;
    /* select */
    bool attribute, wanted;
    const struct jtest_row *test;
};

static glass_status mapping_new(struct jinja *in, struct mapping **out, struct jv v,
                                const struct jargs *args) {
    TRY(jarena_alloc(in, out, 1, sizeof **out));
    (*out)->over = v;
    (*out)->args = *args;
    (*out)->otherwise = jv_none();
    return GLASS_OK;
}

/* False values give nothing, whatever they are. */
static glass_status mapping_open(struct jinja *in, struct mapping *m) {
    bool any;
    TRY(jv_truth(in, &any, m->over));
    m->empty = !any;
    return any ? jiter_open(in, &m->iter, m->over) : GLASS_OK;
}

static glass_status prepare_map(struct jinja *in, struct mapping *m) {
    const struct jargs *args = &m->args;
    for (size_t i = 0; i < args->n_keywords; i++)
        if (jstr_is(args->keywords[i].name, "attribute")) m->by_attribute = args->n == 0;
    if (m->by_attribute) {
        static const char *const names[] = {"attribute", "default"};
        struct jv given[2];
        TRY(jargs_bind(in, given, args, "map", names, 2, 1));
        if (given[1].type != J_MISSING) m->otherwise = given[1];
        return jpath_parse(in, &m->path, given[0]);
    }
    if (args->n == 0) return jinja_fail(in, "map needs a filter's name");
    struct jstr *name;
    TRY(jarg_str(in, &name, args->items[0], "map's filter"));
    m->filter = jinja_find_filter(name);
    if (m->filter == NULL)
        return jinja_fail(in, "there is no filter named '%.*s'",
                          name->n_bytes > 100 ? 100 : (int)name->n_bytes, name->bytes);
    m->rest = *args;
    m->rest.items++;
    m->rest.n--;
    return GLASS_OK;
}

static glass_status next_mapped(struct jinja *in, struct jiter *it, struct jv *out,
                                bool *more) {
    struct mapping *m = it->state;
    if (m->iter == NULL && !m->empty) {
        TRY(mapping_open(in, m));
        if (!m->empty) TRY(prepare_map(in, m));
    }
    *more = !m->empty;
    if (!m->empty) TRY(jiter_next(in, m->iter, out, more));
    if (!*more) return GLASS_OK;
    TRY(jinja_enter(in));
    if (m->by_attribute) {
        for (size_t i = 0; i < m->path.n; i++) {
            TRY(jinja_getitem(in, out, *out, m->path.parts[i]));
            if (out->type == J_UNDEFINED && m->otherwise.type != J_NONE)
                *out = m->otherwise;
        }
    } else {
        TRY(m->filter->call(in, out, *out, &m->rest, m->filter->name));
    }
    in->depth--;
    return GLASS_OK;
}

glass_status jfilter_map(struct jinja *in, struct jv *out, struct jv v,
                         const struct jargs *args, const char *name) {
    struct mapping *m;
    (void)name;
    TRY(mapping_new(in, &m, v, args));
    return jiter_new(in, out, next_mapped, m);
}

static glass_status prepare_select(struct jinja *in, struct mapping *m) {
    size_t used = 0;
    struct jstr *name;
    if (m->attribute) {
        if (m->args.n == 0) return jinja_fail(in, "the attribute's name is missing");
        TRY(jpath_parse(in, &m->path, m->args.items[used++]));
    }
    if (used == m->args.n) return GLASS_OK;
    TRY(jarg_str(in, &name, m->args.items[used++], "a test's name"));
    m->test = jinja_find_test(name);
    if (m->test == NULL)
        return jinja_fail(in, "there is no test named '%.*s'",
                          name->n_bytes > 100 ? 100 : (int)name->n_bytes, name->bytes);
    m->rest = m->args;
    m->rest.items += used;
    m->rest.n -= used;
    return GLASS_OK;
}

static glass_status next_selected(struct jinja *in, struct jiter *it, struct jv *out,
                                  bool *more) {
    struct mapping *m = it->state;
    if (m->iter == NULL && !m->empty) {
        TRY(mapping_open(in, m));
        if (!m->empty) TRY(prepare_select(in, m));
    }
    *more = false;
    if (m->empty) return GLASS_OK;
    TRY(jinja_enter(in));
    for (;;) {
        struct jv v;
        bool yes;
        TRY(jiter_next(in, m->iter, out, more));
        if (!*more) break;
        TRY(jpath_get(in, &v, &m->path, *out));
        if (m->test != NULL) {
            TRY(m->test->call(in, &yes, v, &m->rest, m->test->name));
        } else {
            TRY(jv_truth(in, &yes, v));
        }
        if (yes == m->wanted) break;
    }
    in->depth--;
    return GLASS_OK;
}

glass_status jfilter_select(struct jinja *in, struct jv *out, struct jv v,
                            const struct jargs *args, const char *name) {
    struct mapping *m;
    TRY(mapping_new(in, &m, v, args));
    m->attribute = strlen(name) > 6;
    m->wanted = name[0] == 's';
    return jiter_new(in, out, next_selected, m);
}

/* ---- sorting: a stable merge sort of keys, of which only < is asked */

struct sorting {
    struct jinja *in;
    const struct jv *keys;
    size_t *order, *spare;
};

static glass_status merge_sort(struct sorting *s, size_t begin, size_t end) {
    if (end - begin < 2) return GLASS_OK;
    size_t middle = begin + (end - begin) / 2, i = begin, k = middle, n = begin;
    TRY(merge_sort(s, begin, middle));
    TRY(merge_sort(s, middle, end));
    while (i < middle && k < end) {
        bool less;
        TRY(jv_less(s->in, &less, s->keys[s->order[k]], s->keys[s->order[i]], false));
        s->spare[n++] = less ? s->order[k++] : s->order[i++];
    }
    while (i < middle) s->spare[n++] = s->order[i++];
    while (k < end) s->spare[n++] = s->order[k++];
    memcpy(s->order + begin, s->spare + begin, (end - begin) * sizeof *s->order);
    return GLASS_OK;
}

/* sorted(items, key=…, reverse=…) into a new list; reversing keeps equal items in order. */
static glass_status sorted(struct jinja *in, struct jlist **out, const struct jlist *items,
                           const struct jv *keys, bool reverse) {
    struct sorting s = {.in = in, .keys = keys};
    size_t n = items->n;
    TRY(jarena_alloc(in, &s.order, n, sizeof *s.order));
    TRY(jarena_alloc(in, &s.spare, n, sizeof *s.spare));
    for (size_t i = 0; i < n; i++) s.order[i] = reverse ? n - 1 - i : i;
    TRY(merge_sort(&s, 0, n));
    TRY(jlist_new(in, out, n));
    for (size_t i = 0; i < n; i++)
        TRY(jlist_push(in, *out, items->items[s.order[reverse ? n - 1 - i : i]]));
    return GLASS_OK;
}

static glass_status truth_of(struct jinja *in, bool *out, struct jv v) {
    *out = false;
    return v.type == J_MISSING ? GLASS_OK : jv_truth(in, out, v);
}

/* "a,b.c": the values of several attributes, as a list. */
static glass_status multi_key(struct jinja *in, struct jv *out, struct jv item,
                              struct jv attribute, bool sensitive) {
    struct jlist *parts, *values;
    struct jpath path;
    struct jv v;
    TRY(jlist_new(in, &values, 1));
    TRY(jlist_new(in, &parts, 1));
    if (attribute.type == J_STR) {
        const struct jstr *s = attribute.u.s;
        for (size_t begin = 0, at = 0; at <= s->n_bytes; at++) {
            if (at < s->n_bytes && s->bytes[at] != ',') continue;
            struct jstr *part;
            TRY(jstr_slice(in, &part, s, begin, at));
            TRY(jlist_push(in, parts, jv_str(part)));
            begin = at + 1;
        }
    } else {
        TRY(jlist_push(in, parts, attribute));
    }
    for (size_t i = 0; i < parts->n; i++) {
        TRY(jpath_parse(in, &path, parts->items[i]));
        TRY(jpath_get(in, &v, &path, item));
        TRY(ignore_case(in, &v, sensitive));
        TRY(jlist_push(in, values, v));
    }
    *out = jv_list(values, false);
    return GLASS_OK;
}

glass_status jfilter_sort(struct jinja *in, struct jv *out, struct jv v,
                          const struct jargs *args, const char *name) {
    static const char *const names[] = {"reverse", "case_sensitive", "attribute"};
    struct jv given[3], *keys;
    struct jlist *items;
    bool reverse, sensitive;
    TRY(jargs_bind(in, given, args, name, names, 3, 0));
    TRY(truth_of(in, &reverse, given[0]));
    TRY(truth_of(in, &sensitive, given[1]));
    TRY(jv_collect(in, &items, v));
    TRY(jarena_alloc(in, &keys, items->n, sizeof *keys));
    for (size_t i = 0; i < items->n; i++)
        TRY(multi_key(in, &keys[i], items->items[i], given[2], sensitive));
    TRY(sorted(in, &items, items, keys, reverse));
    *out = jv_list(items, v.plain);
    return GLASS_OK;
}

glass_status jfilter_dictsort(struct jinja *in, struct jv *out, struct jv v,
                              const struct jargs *args, const char *name) {
    static const char *const names[] = {"case_sensitive", "by", "reverse"};
    struct jv given[3], *keys;
    struct jlist *items;
    bool reverse, sensitive, by_value = false;
    TRY(jargs_bind(in, given, args, name, names, 3, 0));
    TRY(truth_of(in, &sensitive, given[0]));
    TRY(truth_of(in, &reverse, given[2]));
    if (given[1].type != J_MISSING) {
        by_value = given[1].type == J_STR && jstr_is(given[1].u.s, "value");
        if (!by_value && !(given[1].type == J_STR && jstr_is(given[1].u.s, "key")))
            return jinja_fail(in, "dictsort sorts by \"key\" or \"value\"");
    }
    if (v.type == J_UNDEFINED) return jv_fail_undefined(in, v);
    if (v.type != J_DICT)
        return jinja_fail(in, "dictsort needs a dict, not %s", jv_type_name(v));
    const struct jdict *dict = v.u.dict;
    TRY(jlist_new(in, &items, dict->n));
    TRY(jarena_alloc(in, &keys, dict->n, sizeof *keys));
    for (size_t i = 0; i < dict->n; i++) {
        struct jv pair;
        TRY(jv_pair(in, &pair, dict->keys[i], dict->values[i], v.plain));
        TRY(jlist_push(in, items, pair));
        keys[i] = by_value ? dict->values[i] : dict->keys[i];
        TRY(ignore_case(in, &keys[i], sensitive));
    }
    TRY(sorted(in, &items, items, keys, reverse));
    *out = jv_list(items, v.plain);
    return GLASS_OK;
}

/* The values of one attribute, for groupby, min and max. */
static glass_status attribute_keys(struct jinja *in, struct jv **out,
                                   const struct jlist *items, struct jv attribute,
                                   struct jv otherwise, bool sensitive) {
    struct jpath path;
    TRY(jpath_parse(in, &path, attribute));
    TRY(jarena_alloc(in, out, items->n, sizeof **out));
    for (size_t i = 0; i < items->n; i++) {
        struct jv *key = &(*out)[i];
        *key = items->items[i];
        for (size_t k = 0; k < path.n; k++) {
            TRY(jinja_getitem(in, key, *key, path.parts[k]));
            if (key->type == J_UNDEFINED && otherwise.type != J_MISSING &&
                otherwise.type != J_NONE)
                *key = otherwise;
        }
        TRY(ignore_case(in, key, sensitive));
    }
    return GLASS_OK;
}

static glass_status push_group(struct jinja *in, struct jlist *groups, struct jv key,
                               struct jlist *members) {
    struct jv pair;
    TRY(jv_pair(in, &pair, key, jv_list(members, false), false));
    pair.u.list->group = true;
    return jlist_push(in, groups, pair);
}

glass_status jfilter_groupby(struct jinja *in, struct jv *out, struct jv v,
                             const struct jargs *args, const char *name) {
    static const char *const names[] = {"attribute", "default", "case_sensitive"};
    struct jv given[3], *keys, *shown;
    struct jlist *items, *groups, *members = NULL;
    bool sensitive;
    TRY(jargs_bind(in, given, args, name, names, 3, 1));
    TRY(truth_of(in, &sensitive, given[2]));
    TRY(jv_collect(in, &items, v));
    TRY(attribute_keys(in, &keys, items, given[0], given[1], sensitive));
    TRY(sorted(in, &items, items, keys, false));
    TRY(attribute_keys(in, &keys, items, given[0], given[1], sensitive));
    TRY(attribute_keys(in, &shown, items, given[0], given[1], true));
    TRY(jlist_new(in, &groups, 0));
    for (size_t i = 0; i < items->n; i++) {
        bool same = false;
        if (i > 0) TRY(jv_equal(in, &same, keys[i - 1], keys[i]));
        if (!same) {
            TRY(jlist_new(in, &members, 0));
            TRY(push_group(in, groups, shown[i], members));
        }
        TRY(jlist_push(in, members, items->items[i]));
    }
    *out = jv_list(groups, false);
    return GLASS_OK;
}

glass_status jfilter_minmax(struct jinja *in, struct jv *out, struct jv v,
                            const struct jargs *args, const char *name) {
    static const char *const names[] = {"case_sensitive", "attribute"};
    struct jv given[2], *keys;
    struct jlist *items;
    bool sensitive, max = strcmp(name, "max") == 0;
    size_t best = 0;
    TRY(jargs_bind(in, given, args, name, names, 2, 0));
    TRY(truth_of(in, &sensitive, given[0]));
    TRY(jv_collect(in, &items, v));
    if (items->n == 0)
        return jv_undefined(in, out, "no aggregated item, the sequence was empty", NULL,
                            NULL);
    TRY(attribute_keys(in, &keys, items, given[1], jv_missing(), sensitive));
    for (size_t i = 1; i < items->n; i++) {
        bool better;
        TRY(jv_less(in, &better, keys[max ? best : i], keys[max ? i : best], false));
        if (better) best = i;
    }
    *out = items->items[best];
    return GLASS_OK;
}

/* ---- unique, sum, batch, slice */

struct uniqueness {
    struct jv over;
    struct jiter *iter;
    struct jpath path;
    struct jdict *seen;
    bool sensitive;
};

static glass_status next_unique(struct jinja *in, struct jiter *it, struct jv *out,
                                bool *more) {
    struct uniqueness *u = it->state;
    const struct jv *found = NULL;
    struct jv key;
    if (u->iter == NULL) TRY(jiter_open(in, &u->iter, u->over));
    TRY(jinja_enter(in));
    do {
        TRY(jiter_next(in, u->iter, out, more));
        if (!*more) break;
        TRY(jpath_get(in, &key, &u->path, *out));
        TRY(ignore_case(in, &key, u->sensitive));
        if (!jv_hashable(key))
            return jinja_fail(in, "unhashable type: %s", jv_type_name(key));
        TRY(jdict_get(in, &found, u->seen, key));
        if (found == NULL) TRY(jdict_set(in, u->seen, key, jv_none()));
    } while (found != NULL);
    in->depth--;
    return GLASS_OK;
}

glass_status jfilter_unique(struct jinja *in, struct jv *out, struct jv v,
                            const struct jargs *args, const char *name) {
    static const char *const names[] = {"case_sensitive", "attribute"};
    struct jv given[2];
    struct uniqueness *u;
    TRY(jargs_bind(in, given, args, name, names, 2, 0));
    TRY(jarena_alloc(in, &u, 1, sizeof *u));
    u->over = v;
    TRY(truth_of(in, &u->sensitive, given[0]));
    TRY(jpath_parse(in, &u->path, given[1]));
    TRY(jdict_new(in, &u->seen));
    return jiter_new(in, out, next_unique, u);
}

glass_status jfilter_sum(struct jinja *in, struct jv *out, struct jv v,
                         const struct jargs *args, const char *name) {
    static const char *const names[] = {"attribute", "start"};
    struct jv given[2], item;
    struct jpath path;
    struct jiter *iter;
    bool more;
    TRY(jargs_bind(in, given, args, name, names, 2, 0));
    *out = given[1].type != J_MISSING ? given[1] : jv_int(0);
    if (out->type == J_STR) return jinja_fail(in, "sum can't add strings");
    TRY(jpath_parse(in, &path, given[0]));
    TRY(jiter_open(in, &iter, v));
    for (;;) {
        TRY(jiter_next(in, iter, &item, &more));
        if (!more) return GLASS_OK;
        TRY(jpath_get(in, &item, &path, item));
        TRY(jinja_binary(in, out, JOP_ADD, *out, item));
    }
}

static glass_status as_generator(struct jinja *in, struct jv *out, struct jlist *list) {
    struct jiter *iter;
    TRY(jiter_open(in, &iter, jv_list(list, false)));
    *out = (struct jv){.type = J_ITER, .u.iter = iter};
    return GLASS_OK;
}

glass_status jfilter_batch(struct jinja *in, struct jv *out, struct jv v,
                           const struct jargs *args, const char *name) {
    static const char *const names[] = {"linecount", "fill_with"};
    struct jv given[2];
    struct jlist *items, *batches, *batch;
    int64_t size;
    TRY(jargs_bind(in, given, args, name, names, 2, 1));
    TRY(jarg_int(in, &size, given[0], "batch's size"));
    TRY(jv_collect(in, &items, v));
    TRY(jlist_new(in, &batches, 0));
    TRY(jlist_new(in, &batch, 0));
    for (size_t i = 0; i < items->n; i++) {
        if ((int64_t)batch->n == size) {
            TRY(jlist_push(in, batches, jv_list(batch, v.plain)));
            TRY(jlist_new(in, &batch, 0));
        }
        TRY(jlist_push(in, batch, items->items[i]));
    }
    if (batch->n > 0) {
        bool fill = given[1].type != J_MISSING && given[1].type != J_NONE;
        while (fill && (int64_t)batch->n < size) {
            TRY(jinja_charge(in, 1));
            TRY(jlist_push(in, batch, given[1]));
        }
        TRY(jlist_push(in, batches, jv_list(batch, v.plain)));
    }
    return as_generator(in, out, batches);
}

glass_status jfilter_slice(struct jinja *in, struct jv *out, struct jv v,
                           const struct jargs *args, const char *name) {
    static const char *const names[] = {"slices", "fill_with"};
    struct jv given[2];
    struct jlist *items, *slices, *part;
    int64_t n;
    TRY(jargs_bind(in, given, args, name, names, 2, 1));
    TRY(jarg_int(in, &n, given[0], "the number of slices"));
    if (n == 0) return jinja_fail(in, "division by zero");
    TRY(jv_collect(in, &items, v));
    TRY(jlist_new(in, &slices, 0));
    bool fill = given[1].type != J_MISSING && given[1].type != J_NONE;
    int64_t each = n > 0 ? (int64_t)items->n / n : 0,
            longer = n > 0 ? (int64_t)items->n % n : 0;
    size_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        size_t end = at + (size_t)each + (i < longer);
        TRY(jinja_charge(in, 1));
        TRY(jlist_new(in, &part, 0));
        for (; at < end; at++) TRY(jlist_push(in, part, items->items[at]));
        if (fill && i >= longer) TRY(jlist_push(in, part, given[1]));
        TRY(jlist_push(in, slices, jv_list(part, v.plain)));
    }
    return as_generator(in, out, slices);
}

/* ---- the simple ones */

glass_status jfilter_reverse(struct jinja *in, struct jv *out, struct jv v,
                             const struct jargs *args, const char *name) {
    bool known;
    struct jlist *list;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    if (v.type == J_STR) return jinja_slice(in, out, v, jv_none(), jv_none(), jv_int(-1));
    TRY(jv_reversed(in, out, &known, v));
    if (known) return GLASS_OK;
    TRY(jv_collect(in, &list, v)); /* an error unless it is a generator */
    TRY(jv_reversed(in, out, &known, jv_list(list, false)));
    TRY(jv_collect(in, &list, *out));
    *out = jv_list(list, false);
    return GLASS_OK;
}

static glass_status items_of(struct jinja *in, struct jiter *it, struct jv *out,
                             bool *more) {
    struct jv *v = it->state;
    *more = false;
    if (v->type == J_UNDEFINED) return GLASS_OK;
    if (v->type != J_DICT)
        return jinja_fail(in, "can only get item pairs from a mapping, not %s",
                          jv_type_name(*v));
    *more = it->at < v->u.dict->n;
    if (!*more) return GLASS_OK;
    size_t i = it->at++;
    return jv_pair(in, out, v->u.dict->keys[i], v->u.dict->values[i], v->plain);
}

glass_status jfilter_items(struct jinja *in, struct jv *out, struct jv v,
                           const struct jargs *args, const char *name) {
    struct jv *state;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    TRY(jarena_alloc(in, &state, 1, sizeof *state));
    *state = v;
    return jiter_new(in, out, items_of, state);
}

glass_status jfilter_list(struct jinja *in, struct jv *out, struct jv v,
                          const struct jargs *args, const char *name) {
    struct jlist *list;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    TRY(jv_collect(in, &list, v));
    *out = jv_list(list, v.plain);
    return GLASS_OK;
}

static glass_status first_of(struct jinja *in, struct jv *out, struct jv v,
                             const char *empty) {
    struct jiter *iter;
    bool more;
    TRY(jiter_open(in, &iter, v));
    TRY(jiter_next(in, iter, out, &more));
    return more ? GLASS_OK : jv_undefined(in, out, empty, NULL, NULL);
}

glass_status jfilter_first(struct jinja *in, struct jv *out, struct jv v,
                           const struct jargs *args, const char *name) {
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    return first_of(in, out, v, "no first item, the sequence was empty");
}

glass_status jfilter_last(struct jinja *in, struct jv *out, struct jv v,
                          const struct jargs *args, const char *name) {
    struct jv backwards;
    bool known;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    TRY(jv_reversed(in, &backwards, &known, v));
    if (!known) return jinja_fail(in, "%s can't be read backwards", jv_type_name(v));
    return first_of(in, out, backwards, "no last item, the sequence was empty");
}

glass_status jfilter_join(struct jinja *in, struct jv *out, struct jv v,
                          const struct jargs *args, const char *name) {
    static const char *const names[] = {"d", "attribute"};
    struct jv given[2], item;
    struct jpath path;
    struct jstr *separator, *s;
    struct jiter *iter;
    struct jbuild *b;
    bool more;
    TRY(jargs_bind(in, given, args, name, names, 2, 0));
    if (given[0].type == J_MISSING) TRY(jv_text(in, &given[0], ""));
    TRY(jv_to_str(in, &separator, given[0]));
    TRY(jpath_parse(in, &path, given[1]));
    TRY(jiter_open(in, &iter, v));
    TRY(jbuild_create(in, &b));
    for (bool first = true;; first = false) {
        TRY(jiter_next(in, iter, &item, &more));
        if (!more) break;
        if (!first) TRY(jbuild_str(in, b, separator));
        TRY(jpath_get(in, &item, &path, item));
        TRY(jv_write(in, b, item));
    }
    TRY(jbuild_finish(in, &s, b));
    *out = jv_str(s);
    return GLASS_OK;
}
