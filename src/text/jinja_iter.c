/* jinja_iter.c - iterating over values as Python's iter() and reversed() do. */
#include "text/jinja_run.h"

#include <string.h>

static glass_status next_item(struct jinja *in, struct jiter *it, struct jv *out,
                              bool *more) {
    (void)in;
    *more = it->at < it->over.u.list->n;
    if (*more) *out = it->over.u.list->items[it->at++];
    return GLASS_OK;
}

static glass_status next_char(struct jinja *in, struct jiter *it, struct jv *out,
                              bool *more) {
    const struct jstr *s = it->over.u.s;
    struct jstr *c;
    *more = it->at < s->n_bytes;
    if (!*more) return GLASS_OK;
    size_t end = it->at + 1;
    while (end < s->n_bytes && ((unsigned char)s->bytes[end] & 0xc0) == 0x80) end++;
    TRY(jstr_slice(in, &c, s, it->at, end));
    c->markup = false;
    it->at = end;
    *out = jv_str(c);
    return GLASS_OK;
}

static glass_status next_key(struct jinja *in, struct jiter *it, struct jv *out,
                             bool *more) {
    (void)in;
    *more = it->at < it->over.u.dict->n;
    if (*more) *out = it->over.u.dict->keys[it->at++];
    return GLASS_OK;
}

static glass_status next_of_view(struct jinja *in, struct jiter *it, struct jv *out,
                                 bool *more) {
    const struct jview *view = it->over.u.view;
    size_t i = it->at;
    *more = i < view->dict->n;
    if (!*more) return GLASS_OK;
    it->at++;
    if (view->kind == JVIEW_KEYS) *out = view->dict->keys[i];
    if (view->kind == JVIEW_VALUES) *out = view->dict->values[i];
    if (view->kind == JVIEW_ITEMS)
        return jv_pair(in, out, view->dict->keys[i], view->dict->values[i], view->plain);
    return GLASS_OK;
}

static glass_status next_number(struct jinja *in, struct jiter *it, struct jv *out,
                                bool *more) {
    const struct jrange *r = it->over.u.range;
    (void)in;
    *more = (int64_t)it->at < r->n;
    if (!*more) return GLASS_OK;
    *out = jv_int(r->start + (int64_t)it->at++ * r->step);
    out->plain = it->over.plain;
    return GLASS_OK;
}

static glass_status next_never(struct jinja *in, struct jiter *it, struct jv *out,
                               bool *more) {
    (void)in, (void)it, (void)out;
    *more = false;
    return GLASS_OK;
}

typedef glass_status next_fn(struct jinja *, struct jiter *, struct jv *, bool *);

static next_fn *next_for(struct jv v) {
    switch (v.type) {
    case J_UNDEFINED: return next_never;
    case J_STR: return next_char;
    case J_LIST:
    case J_TUPLE: return next_item;
    case J_DICT: return next_key;
    case J_VIEW: return next_of_view;
    case J_RANGE: return next_number;
    default: return NULL;
    }
}

bool jv_iterable(struct jv v) {
    return v.type == J_ITER || v.type == J_LOOP || next_for(v) != NULL;
}

glass_status jiter_open(struct jinja *in, struct jiter **out, struct jv v) {
    if (v.type == J_ITER) {
        *out = v.u.iter;
        return GLASS_OK;
    }
    next_fn *next = next_for(v);
    if (next == NULL) return jinja_fail(in, "'%s' is not iterable", jv_type_name(v));
    TRY(jarena_alloc(in, out, 1, sizeof **out));
    **out = (struct jiter){.next = next, .over = v};
    return GLASS_OK;
}

glass_status jiter_next(struct jinja *in, struct jiter *iter, struct jv *out, bool *more) {
    TRY(jinja_charge(in, 1));
    return iter->next(in, iter, out, more);
}

glass_status jiter_new(struct jinja *in, struct jv *out, next_fn *next, void *state) {
    struct jiter *iter;
    TRY(jarena_alloc(in, &iter, 1, sizeof *iter));
    *iter = (struct jiter){.next = next, .state = state};
    *out = (struct jv){.type = J_ITER, .u.iter = iter};
    return GLASS_OK;
}

glass_status jv_collect(struct jinja *in, struct jlist **out, struct jv v) {
    struct jiter *iter;
    struct jv item;
    bool more;
    TRY(jiter_open(in, &iter, v));
    TRY(jlist_new(in, out, 0));
    for (;;) {
        TRY(jiter_next(in, iter, &item, &more));
        if (!more) return GLASS_OK;
        TRY(jlist_push(in, *out, item));
    }
}

glass_status jinja_range(struct jinja *in, struct jv *out, int64_t start, int64_t stop,
                         int64_t step, bool plain) {
    struct jrange *r;
    if (step == 0) return jinja_fail(in, "range() arg 3 must not be zero");
    TRY(jarena_alloc(in, &r, 1, sizeof *r));
    *r = (struct jrange){.start = start, .stop = stop, .step = step};
    /* unsigned, so that the distance can't overflow */
    uint64_t span = 0, stride = step > 0 ? (uint64_t)step : -(uint64_t)step;
    if (step > 0 && stop > start) span = (uint64_t)stop - (uint64_t)start;
    if (step < 0 && stop < start) span = (uint64_t)start - (uint64_t)stop;
    uint64_t n = span == 0 ? 0 : (span - 1) / stride + 1;
    if (n > JINJA_RANGE)
        return jinja_fail(in, "range too big: more than %d items", (int)JINJA_RANGE);
    r->n = (int64_t)n;
    *out = (struct jv){.type = J_RANGE, .plain = plain, .u.range = r};
    return GLASS_OK;
}

bool jv_at(struct jinja *in, struct jv *out, struct jv v, int64_t index,
           glass_status *status) {
    int64_t n = v.type == J_STR     ? (int64_t)v.u.s->n_chars
                : v.type == J_RANGE ? v.u.range->n
                                    : (int64_t)v.u.list->n;
    *status = GLASS_OK;
    if (index < 0) index += n;
    if (index < 0 || index >= n) return false;
    if (v.type == J_STR) {
        struct jstr *c;
        *status =
            jinja_charge(in, v.u.s->n_chars == v.u.s->n_bytes ? 0 : (size_t)index / 16);
        if (*status != GLASS_OK) return true;
        size_t begin = jstr_offset(v.u.s, (size_t)index), end = begin + 1;
        while (end < v.u.s->n_bytes && ((unsigned char)v.u.s->bytes[end] & 0xc0) == 0x80)
            end++;
        *status = jstr_slice(in, &c, v.u.s, begin, end);
        *out = jv_str(c);
    } else if (v.type == J_RANGE) {
        *out = jv_int(v.u.range->start + index * v.u.range->step);
        out->plain = v.plain;
    } else {
        *out = v.u.list->items[index];
    }
    return true;
}

/* ---- backwards: state is the sequence, at counts the items given */

struct backwards {
    struct jv over;
    int64_t left;
};

static glass_status next_backwards(struct jinja *in, struct jiter *it, struct jv *out,
                                   bool *more) {
    struct backwards *b = it->state;
    glass_status status = GLASS_OK;
    *more = b->left > 0;
    if (!*more) return GLASS_OK;
    b->left--;
    jv_at(in, out, b->over, b->left, &status);
    return status;
}

static glass_status list_of_view(struct jinja *in, struct jv *out, struct jv v) {
    struct jlist *list;
    TRY(jv_collect(in, &list, v));
    *out = jv_list(list, v.plain);
    return GLASS_OK;
}

glass_status jv_reversed(struct jinja *in, struct jv *out, bool *known, struct jv v) {
    struct backwards *b;
    int64_t n;
    *known = v.type == J_STR || v.type == J_LIST || v.type == J_TUPLE ||
             v.type == J_RANGE || v.type == J_DICT || v.type == J_VIEW ||
             v.type == J_UNDEFINED;
    if (!*known) return GLASS_OK;
    if (v.type == J_DICT || v.type == J_VIEW) TRY(list_of_view(in, &v, v));
    TRY(jarena_alloc(in, &b, 1, sizeof *b));
    b->over = v;
    TRY(jv_length(in, &n, known, v));
    b->left = n;
    return jiter_new(in, out, next_backwards, b);
}
