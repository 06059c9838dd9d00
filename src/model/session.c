/* session.c - sessions, and passes over one or several of them. */
#include "model/session.h"

#include "base/mem.h"
#include "math/kernels.h"
#include "model/pages.h"

#include <string.h>

static size_t layer_bytes(const struct config *c, glass_dtype type, int64_t n_ctx) {
    return attn_cache_bytes(type, n_ctx, c->n_head_kv, c->head_dim);
}

int64_t session_batch(int64_t n_ctx) {
    return n_ctx < SESSION_BATCH ? n_ctx : SESSION_BATCH;
}

size_t session_bytes(const struct glass_model *m, int64_t n_ctx, int64_t n_batch,
                     int n_threads, glass_dtype cache_type) {
    struct workspace w;
    workspace_layout(&w, NULL, &m->config, &m->weights, n_batch, n_ctx, n_threads);
    return w.n_bytes + (size_t)n_ctx * sizeof(int32_t) +
           2 * (size_t)m->config.n_layer * layer_bytes(&m->config, cache_type, n_ctx);
}

glass_status glass_adapters_session_bytes(size_t *out, const glass_model *model,
                                          int64_t n_ctx, const glass_adapter_use *uses,
                                          int n) {
    struct adapt_set *set;
    size_t memory;
    *out = 0;
    TRY(adapt_set_create(&set, model, uses, n));
    size_t own = set == NULL ? 0 : set->n_bytes;
    bool fits = adapt_memory_bytes(&memory, session_batch(n_ctx), team_default_threads(),
                                   set == NULL ? 0 : set->width) &&
                mem_add(out, own, memory);
    adapt_set_free(set);
    return fits ? GLASS_OK : fail_memory(SIZE_MAX);
}

bool session_is_long(const struct glass_session *s) {
    return s->model->weights.two_lengths && s->n_ctx > s->model->config.rope_short;
}

glass_status session_choose(glass_session_options *o, const struct config *c,
                            const glass_session_options *asked) {
    if (o != asked) *o = asked == NULL ? (glass_session_options){0} : *asked;
    if (o->n_ctx == 0) o->n_ctx = c->n_ctx < SESSION_CONTEXT ? c->n_ctx : SESSION_CONTEXT;
    if (o->n_batch == 0) o->n_batch = session_batch(o->n_ctx);
    if (o->n_batch > o->n_ctx) o->n_batch = o->n_ctx;
    if (o->n_threads == 0) o->n_threads = team_default_threads();
    if (o->n_ctx < 1 || o->n_ctx > c->n_ctx)
        return fail(GLASS_USAGE, "a context of %lld: this model takes 1 to %lld",
                    (long long)o->n_ctx, (long long)c->n_ctx);
    if (o->n_batch < 1)
        return fail(GLASS_USAGE, "a batch of %lld rows", (long long)o->n_batch);
    if (o->n_threads < 1 || o->n_threads > 1024)
        return fail(GLASS_USAGE, "%d threads: 1 to 1024 are possible", o->n_threads);
    return attn_cache_check(o->cache_type, c->head_dim);
}

static glass_status take_caches(struct glass_session *s, const glass_session_options *o) {
    const struct config *c = &s->model->config;
    size_t one = layer_bytes(c, o->cache_type, o->n_ctx), n = 2 * (size_t)c->n_layer;
    TRY(mem_alloc_aligned(&s->cache_block, n, one));
    TRY(mem_alloc(&s->caches, (size_t)c->n_layer, sizeof *s->caches));
    uint8_t *at = s->cache_block;
    for (int64_t i = 0; i < c->n_layer; i++, at += 2 * one)
        s->caches[i] = (struct attn_cache){.dtype = o->cache_type,
                                           .n_ctx = o->n_ctx,
                                           .n_head_kv = c->n_head_kv,
                                           .head_dim = c->head_dim,
                                           .k = at,
                                           .v = at + one};
    return GLASS_OK;
}

glass_status session_work(struct workspace *work, struct attn_cache ***pass_caches,
                          struct logit_request **requests, const struct glass_model *m,
                          const glass_session_options *o) {
    struct workspace plan;
    void *block;
    workspace_layout(&plan, NULL, &m->config, &m->weights, o->n_batch, o->n_ctx,
                     o->n_threads);
    TRY(mem_alloc_aligned(&block, plan.n_bytes, 1));
    workspace_layout(work, block, &m->config, &m->weights, o->n_batch, o->n_ctx,
                     o->n_threads);
    TRY(mem_alloc(pass_caches, (size_t)o->n_batch, sizeof(struct attn_cache *)));
    return mem_alloc(requests, (size_t)o->n_batch, sizeof **requests);
}

glass_status glass_session_create(glass_session **out, const glass_model *model,
                                  const glass_session_options *options) {
    glass_status status;
    struct glass_session *s;
    glass_session_options o;
    *out = NULL;
    TRY(session_choose(&o, &model->config, options));
    TRY(mem_alloc_zero(&s, 1, sizeof *s));
    s->model = model;
    s->n_ctx = o.n_ctx;
    TRY_FAIL(mem_alloc(&s->tokens, (size_t)o.n_ctx, sizeof *s->tokens));
    TRY_FAIL(take_caches(s, &o));
    TRY_FAIL(session_work(&s->work, &s->pass_caches, &s->requests, model, &o));
    TRY_FAIL(glass_session_set_adapters(s, o.adapters, o.n_adapters));
    *out = s;
    return GLASS_OK;
fail:
    glass_session_free(s);
    return status;
}

void glass_session_free(glass_session *s) {
    if (s == NULL) return;
    if (s->pool != NULL) {
        if (s->held != NULL) pages_truncate(s, 0);
    } else {
        mem_free(s->work.block);
        mem_free(s->pass_caches);
        mem_free(s->requests);
        adapt_set_free(s->adapters);
        adapt_release(&s->adapt);
    }
    mem_free(s->pages);
    mem_free(s->held);
    mem_free(s->tokens);
    mem_free(s->cache_block);
    mem_free(s->caches);
    mem_free(s);
}

static glass_status reserve_adapters(struct glass_session *lead,
                                     const struct adapt_set *set) {
    if (set == NULL) return GLASS_OK;
    return adapt_reserve(&lead->adapt, lead->work.n_rows, lead->work.n_threads, set->width);
}

glass_status glass_session_set_adapters(glass_session *s, const glass_adapter_use *uses,
                                        int n) {
    struct adapt_set *set;
    if (s->n_tokens > 0)
        return fail(GLASS_USAGE,
                    "adapters change in an empty session only; this one holds "
                    "%lld tokens",
                    (long long)s->n_tokens);
    if (s->pool != NULL)
        return fail(GLASS_USAGE, "a session of a pool has the pool's adapters");
    TRY(adapt_set_create(&set, s->model, uses, n));
    glass_status status = reserve_adapters(s, set);
    if (status != GLASS_OK) {
        adapt_set_free(set);
        return status;
    }
    adapt_set_free(s->adapters);
    s->adapters = set;
    return GLASS_OK;
}

static glass_status check_item(const glass_batch_item *items, int64_t i) {
    const glass_batch_item *item = &items[i];
    const struct glass_session *s = item->session;
    const struct config *c = &s->model->config;
    if (s->model != items[0].session->model)
        return fail(GLASS_USAGE, "sessions of different models cannot share a batch");
    if (s->pool != items[0].session->pool)
        return fail(GLASS_USAGE, "sessions of different pools cannot share a batch");
    for (int64_t j = 0; j < i; j++)
        if (items[j].session == s)
            return fail(GLASS_USAGE, "a session stands twice in one batch");
    if (item->n < 0 || item->n > s->n_ctx - s->n_tokens)
        return fail(GLASS_BAD_INPUT,
                    "%lld more tokens do not fit: %lld of the context's %lld positions are "
                    "used",
                    (long long)item->n, (long long)s->n_tokens, (long long)s->n_ctx);
    for (int64_t t = 0; t < item->n; t++)
        if (item->tokens[t] < 0 || item->tokens[t] >= c->n_vocab)
            return fail(GLASS_BAD_INPUT, "token %lld is %d: the vocabulary has %lld",
                        (long long)t, item->tokens[t], (long long)c->n_vocab);
    return GLASS_OK;
}

/* Where a batch stands: `done` tokens of item `at` are in earlier passes. */
struct cursor {
    int64_t at, done;
};

static void add_request(struct pass *p, struct glass_session *lead,
                        const glass_batch_item *item, struct logit_request request) {
    if (request.n == 0 || (request.out == NULL && request.hidden == NULL)) return;
    lead->requests[p->n_requests++] = request;
    if (lead->adapt.block != NULL)
        adapt_rows(&lead->adapt.head, request.n, item->session->adapters);
}

/* What is wanted of tokens [done, done + n) of an item, rows row … of the pass. */
static void add_requests(struct pass *p, struct glass_session *lead,
                         const glass_batch_item *item, int64_t row, int64_t done,
                         int64_t n) {
    float *hidden = item->hidden == NULL ? NULL : item->hidden + done * p->config->n_embd;
    float *logits = item->logits;
    if (item->all_logits && logits != NULL) {
        logits += done * p->config->n_vocab;
        add_request(p, lead, item, (struct logit_request){row, n, logits, hidden});
        return;
    }
    add_request(p, lead, item, (struct logit_request){row, n - 1, NULL, hidden});
    if (hidden != NULL) hidden += (n - 1) * p->config->n_embd;
    if (done + n < item->n) logits = NULL; /* not the last one */
    add_request(p, lead, item, (struct logit_request){row + n - 1, 1, logits, hidden});
}

/* Puts n tokens of an item, from its token `done` on, into the pass. */
static void add_rows(struct pass *p, struct glass_session *lead,
                     const glass_batch_item *item, int64_t done, int64_t n) {
    struct workspace *w = &lead->work;
    struct glass_session *s = item->session;
    int64_t row = p->n_rows;
    for (int64_t t = 0; t < n; t++) {
        w->ids[row + t] = item->tokens[done + t];
        w->positions[row + t] = s->n_tokens + t;
        w->is_long[row + t] = session_is_long(s);
    }
    w->segments[p->n_segments] = (struct attn_segment){NULL, s->n_tokens, row, n};
    lead->pass_caches[p->n_segments++] = s->caches;
    if (lead->adapt.block != NULL) adapt_rows(&lead->adapt.pass, n, s->adapters);
    add_requests(p, lead, item, row, done, n);
    memcpy(s->tokens + s->n_tokens, item->tokens + done, (size_t)n * sizeof(int32_t));
    s->n_tokens += n;
    p->n_rows += n;
}

static void run_pass(struct glass_session *lead, const glass_batch_item *items,
                     int64_t n_items, struct cursor *cursor) {
    struct pass p = {.config = &lead->model->config,
                     .weights = &lead->model->weights,
                     .work = &lead->work,
                     .caches = lead->pass_caches,
                     .requests = lead->requests,
                     .observer = lead->observer,
                     .tape = lead->tape};
    struct adapt *rows = &lead->adapt.pass, *wanted = &lead->adapt.head;
    rows->n_rows = rows->n_runs = wanted->n_rows = wanted->n_runs = 0;
    while (cursor->at < n_items && p.n_rows < lead->work.n_rows) {
        const glass_batch_item *item = &items[cursor->at];
        int64_t room = lead->work.n_rows - p.n_rows, left = item->n - cursor->done;
        int64_t n = left < room ? left : room;
        if (n > 0) add_rows(&p, lead, item, cursor->done, n);
        cursor->done += n;
        if (cursor->done == item->n) *cursor = (struct cursor){cursor->at + 1, 0};
    }
    if (rows->n_runs > 0) p.adapt = rows;
    if (wanted->n_runs > 0) p.adapt_head = wanted;
    if (p.n_rows > 0) forward(&p);
}

void session_head(struct glass_session *s, const float *x, int64_t n, float *logits) {
    const struct logit_request request = {.n = n, .out = logits};
    struct adapt *rows = &s->adapt.head;
    struct pass p = {.config = &s->model->config,
                     .weights = &s->model->weights,
                     .work = &s->work,
                     .n_rows = n,
                     .requests = &request,
                     .n_requests = 1};
    rows->n_rows = rows->n_runs = 0;
    if (s->adapt.block != NULL) adapt_rows(rows, n, s->adapters);
    if (rows->n_runs > 0) p.adapt_head = rows;
    forward_head(&p, x);
}

glass_status glass_batch_eval(const glass_batch_item *items, int64_t n_items) {
    if (n_items == 0) return GLASS_OK;
    for (int64_t i = 0; i < n_items; i++) TRY(check_item(items, i));
    struct cursor cursor = {0, 0};
    /* The longest context's workspace serves every session of the batch. */
    struct glass_session *lead = items[0].session;
    for (int64_t i = 1; i < n_items; i++)
        if (items[i].session->n_ctx > lead->n_ctx) lead = items[i].session;
    for (int64_t i = 0; i < n_items; i++)
        if (lead->pool != NULL)
            TRY(pages_reserve(items[i].session, items[i].n));
        else
            TRY(reserve_adapters(lead, items[i].session->adapters));
    while (cursor.at < n_items) run_pass(lead, items, n_items, &cursor);
    for (int64_t i = 0; lead->pool != NULL && i < n_items; i++)
        pages_settle(items[i].session);
    return GLASS_OK;
}

glass_status glass_session_eval(glass_session *s, const int32_t *tokens, int64_t n,
                                float *logits) {
    glass_batch_item item = {.session = s, .tokens = tokens, .n = n, .logits = logits};
    return glass_batch_eval(&item, 1);
}

glass_status glass_session_eval_all(glass_session *s, const int32_t *tokens, int64_t n,
                                    float *logits) {
    glass_batch_item item = {
        .session = s, .tokens = tokens, .n = n, .logits = logits, .all_logits = true};
    return glass_batch_eval(&item, 1);
}

const int32_t *glass_session_tokens(const glass_session *s, int64_t *n) {
    *n = s->n_tokens;
    return s->tokens;
}

int64_t glass_session_n_ctx(const glass_session *s) {
    return s->n_ctx;
}

glass_status glass_session_truncate(glass_session *s, int64_t n) {
    if (n < 0 || n > s->n_tokens)
        return fail(GLASS_USAGE, "cannot keep %lld tokens of %lld", (long long)n,
                    (long long)s->n_tokens);
    if (s->pool != NULL) pages_truncate(s, n);
    s->n_tokens = n;
    return GLASS_OK;
}
