/* look.c - see look.h. */
#include "inspect/look.h"

#include "base/mem.h"

#include <stdio.h>

static const size_t memory_default = (size_t)1 << 30;

glass_status look_range(int64_t *first, int64_t *n, glass_range asked, int64_t low,
                        int64_t high, const char *what) {
    *first = asked.first < 0                    ? high + asked.first
             : asked.first == 0 && asked.n == 0 ? low
                                                : asked.first;
    *n = asked.n == 0 ? high - *first : asked.n;
    if (*first >= low && *first < high && *n >= 1 && *n <= high - *first) return GLASS_OK;
    if (asked.n == 0)
        return fail(GLASS_USAGE, "%s from %lld on: there are %lld to %lld", what,
                    (long long)asked.first, (long long)low, (long long)high - 1);
    return fail(GLASS_USAGE, "%s: %lld from %lld on: there are %lld to %lld", what,
                (long long)asked.n, (long long)asked.first, (long long)low,
                (long long)high - 1);
}

glass_status look_init(struct look *l, const struct glass_model *m, const int32_t *ids,
                       int64_t n, const glass_inspect_options *options) {
    static const glass_inspect_options none = {0};
    *l = (struct look){.model = m, .ids = ids, .n_ids = n};
    l->options = options == NULL ? &none : options;
    l->limit = l->options->memory_bytes != 0 ? l->options->memory_bytes : memory_default;
    if (n < 1) return fail(GLASS_BAD_INPUT, "the text has no token");
    if (n > m->config.n_ctx)
        return fail(GLASS_BAD_INPUT, "a text of %lld tokens: the model has %lld positions",
                    (long long)n, (long long)m->config.n_ctx);
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= m->config.n_vocab)
            return fail(GLASS_BAD_INPUT, "token %lld is %d: the vocabulary has %lld",
                        (long long)i, ids[i], (long long)m->config.n_vocab);
    if (l->options->n_ctx != 0 &&
        (l->options->n_ctx < n || l->options->n_ctx > m->config.n_ctx))
        return fail(GLASS_USAGE,
                    "a context of %lld: the text has %lld tokens, the model %lld positions",
                    (long long)l->options->n_ctx, (long long)n, (long long)m->config.n_ctx);
    if (l->options->n_batch < 0)
        return fail(GLASS_USAGE, "a batch of %lld rows", (long long)l->options->n_batch);
    l->n_batch = l->options->n_batch > 0 ? l->options->n_batch : session_batch(n);
    if (l->n_batch > n) l->n_batch = n;
    return GLASS_OK;
}

void look_need(struct look *l, int64_t n_items, size_t item_bytes) {
    size_t bytes;
    if (!mem_mul(&bytes, (size_t)n_items, item_bytes) ||
        !mem_add(&l->needed, l->needed, bytes))
        l->needed = SIZE_MAX;
}

static void as_size(char text[32], size_t n) {
    snprintf(text, 32, n >= 1000000000 ? "%.1f GB" : "%.1f MB",
             (double)n / (n >= 1000000000 ? 1e9 : 1e6));
}

static glass_status take_pointers(struct look *l) {
    int64_t n = l->model->config.n_layer + 1;
    TRY(mem_alloc_zero(&l->pointers, (size_t)(LOOK_KINDS * n), sizeof *l->pointers));
    for (int i = 0; i < LOOK_KINDS; i++) l->kept[i] = l->pointers + i * n;
    return mem_alloc_zero(&l->tape.layers, (size_t)n, sizeof *l->tape.layers);
}

glass_status look_open(struct look *l, int64_t n_rows) {
    const glass_inspect_options *o = l->options;
    int64_t n_ctx = o->n_ctx > n_rows ? o->n_ctx : n_rows;
    glass_session_options options = {.n_ctx = n_ctx,
                                     .n_batch = l->n_batch,
                                     .n_threads = o->n_threads,
                                     .cache_type = o->cache_type,
                                     .adapters = o->adapters,
                                     .n_adapters = o->n_adapters};
    int threads = o->n_threads > 0 ? o->n_threads : team_default_threads();
    size_t with = 0;
    if (l->n_batch > n_rows) l->n_batch = n_rows;
    TRY(attn_cache_check(o->cache_type, l->model->config.head_dim));
    if (o->n_adapters > 0)
        TRY(glass_adapters_session_bytes(&with, l->model, n_ctx, o->adapters,
                                         o->n_adapters));
    look_need(l, 1,
              session_bytes(l->model, n_ctx, l->n_batch, threads, o->cache_type) + with);
    if (l->needed > l->limit) {
        char need[32], allowed[32];
        as_size(need, l->needed);
        as_size(allowed, l->limit);
        return fail(GLASS_NO_MEMORY,
                    "this takes %s of memory, and %s are allowed: ask for fewer positions, "
                    "layers or heads, or allow more",
                    need, allowed);
    }
    TRY(take_pointers(l));
    return glass_session_create(&l->session, l->model, &options);
}

void look_close(struct look *l) {
    glass_session_free(l->session);
    mem_free(l->pointers);
    mem_free(l->tape.layers);
    *l = (struct look){0};
}

int64_t look_width(const struct config *c, enum look_kind kind) {
    switch (kind) {
    case LOOK_Q:
    case LOOK_HEADS: return c->n_head * c->head_dim;
    case LOOK_K:
    case LOOK_V: return c->n_head_kv * c->head_dim;
    case LOOK_GATE:
    case LOOK_UP: return c->n_ff;
    default: return c->n_embd;
    }
}

/* Where the pass leaves a layer's rows of a kind; NULL: nowhere. */
static float *place(const struct look *l, enum look_kind kind, int64_t layer, int64_t row) {
    float *at = l->kept[kind][layer];
    return at == NULL ? NULL : at + row * look_width(&l->model->config, kind);
}

/* q, k, v and what attention gives have to go somewhere: to the pass's own memory. */
static float *or_work(float *kept, float *work) {
    return kept != NULL ? kept : work;
}

static void lay_tape(struct look *l, int64_t row) {
    const struct workspace *w = &l->session->work;
    int64_t n_layer = l->model->config.n_layer;
    for (int64_t i = 0; i < n_layer; i++)
        l->tape.layers[i] =
            (struct tape_layer){.x_attn = place(l, LOOK_STREAM, i, row),
                                .x_ffn = place(l, LOOK_MIDDLE, i, row),
                                .q = or_work(place(l, LOOK_Q, i, row), w->q),
                                .k = or_work(place(l, LOOK_K, i, row), w->k),
                                .v = or_work(place(l, LOOK_V, i, row), w->v),
                                .attn = or_work(place(l, LOOK_HEADS, i, row), w->attn),
                                .attn_out = place(l, LOOK_ATTENTION, i, row),
                                .ffn_out = place(l, LOOK_MLP, i, row),
                                .gate = place(l, LOOK_GATE, i, row),
                                .up = place(l, LOOK_UP, i, row)};
    l->tape.x = place(l, LOOK_STREAM, n_layer, row);
}

glass_status look_run(struct look *l, int64_t first, int64_t n, look_each each,
                      void *context) {
    for (int64_t row = 0; row < first + n;) {
        int64_t end = row < first ? first : first + n;
        int64_t rows = end - row < l->n_batch ? end - row : l->n_batch;
        bool kept = row >= first;
        if (kept) lay_tape(l, each != NULL ? 0 : row - first);
        l->session->tape = kept ? &l->tape : NULL;
        TRY(glass_session_eval(l->session, l->ids + row, rows, NULL));
        if (kept && each != NULL) TRY(each(context, row, rows));
        row += rows;
        if (l->options->progress != NULL &&
            !l->options->progress(l->options->context, row, first + n))
            return fail(GLASS_CANCELLED, "stopped after %lld of %lld tokens",
                        (long long)row, (long long)(first + n));
    }
    return GLASS_OK;
}
