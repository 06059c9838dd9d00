/* trainer_plan.c - the memory of a trainer, counted before it is taken. */
#include "train/trainer_parts.h"

#include "base/mem.h"

#include <string.h>

/* Hands out aligned pieces of one block; with base NULL it only counts. */
struct plan {
    char *base;
    size_t used;
    bool overflow;
};

static void *take(struct plan *p, size_t n, size_t item) {
    size_t bytes = 0, end = 0;
    if (!mem_mul(&bytes, n, item) || !mem_add(&end, p->used, bytes) ||
        !mem_add(&end, end, 63)) {
        p->overflow = true;
        return NULL;
    }
    void *at = p->base == NULL ? NULL : p->base + p->used;
    p->used = end / 64 * 64;
    return at;
}

static float *floats(struct plan *p, int64_t rows, int64_t width) {
    return take(p, (size_t)rows, (size_t)width * sizeof(float));
}

/* Memory for what the backward pass reads of one layer, but for gate and up. */
static void plan_layer(struct plan *p, const struct trainer *t, struct tape_layer *l) {
    const struct config *c = t->config;
    int64_t T = t->options.n_rows, D = c->n_embd;
    int64_t wide = c->n_head * c->head_dim, narrow = c->n_head_kv * c->head_dim;
    if (!c->parallel_residual) l->x_ffn = floats(p, T, D);
    if (c->family.qk_norm != QK_NORM_NONE || c->clamp_qkv > 0) {
        l->q_raw = floats(p, T, wide);
        l->k_raw = floats(p, T, narrow);
    }
    l->q = floats(p, T, wide);
    l->k = floats(p, T, narrow);
    l->v = floats(p, T, narrow);
    l->attn = floats(p, T, wide);
    if (c->family.norm_after) {
        l->attn_out = floats(p, T, D);
        l->ffn_out = floats(p, T, D);
    }
}

static void plan_mlp(struct plan *p, const struct trainer *t, struct tape_layer *l) {
    const struct config *c = t->config;
    if (c->family.gated) l->gate = floats(p, t->options.n_rows, c->n_ff);
    l->up = floats(p, t->options.n_rows, c->n_ff);
}

/* What the forward pass leaves of a layer whose tape is l. */
static struct tape_layer kept_of(const struct tape_layer *l, enum recompute recompute) {
    struct tape_layer kept = *l;
    if (recompute != RECOMPUTE_NONE) kept.gate = kept.up = NULL;
    if (recompute == RECOMPUTE_LAYERS)
        kept = (struct tape_layer){
            .x_attn = l->x_attn, .q = l->q, .k = l->k, .v = l->v, .attn = l->attn};
    return kept;
}

static void plan_tape(struct plan *p, struct trainer *t) {
    const struct config *c = t->config;
    enum recompute recompute = t->options.recompute;
    struct tape_layer all = {0}; /* what layers have in common */
    t->tape.x = t->kept.x = floats(p, t->options.n_rows, c->n_embd);
    t->tape.layers = take(p, (size_t)c->n_layer, sizeof *t->tape.layers);
    t->kept.layers = take(p, (size_t)c->n_layer, sizeof *t->kept.layers);
    if (recompute == RECOMPUTE_LAYERS) plan_layer(p, t, &all);
    if (recompute != RECOMPUTE_NONE) plan_mlp(p, t, &all);
    for (int64_t i = 0; i < c->n_layer; i++) {
        struct tape_layer l = all;
        l.x_attn = floats(p, t->options.n_rows, c->n_embd);
        if (recompute != RECOMPUTE_LAYERS) plan_layer(p, t, &l);
        if (recompute == RECOMPUTE_NONE) plan_mlp(p, t, &l);
        if (c->parallel_residual) l.x_ffn = l.x_attn;
        if (p->base == NULL) continue;
        t->tape.layers[i] = l;
        t->kept.layers[i] = kept_of(&l, recompute);
    }
}

static void plan_back(struct plan *p, struct trainer *t) {
    const struct config *c = t->config;
    int64_t T = t->options.n_rows, D = c->n_embd, F = c->n_ff;
    int64_t wide = c->n_head * c->head_dim, narrow = c->n_head_kv * c->head_dim;
    struct back_work *b = &t->work;
    float **const streams[] = {&b->dx,  &b->dh,   &b->normed, &b->dnormed,
                               &b->hat, &b->part, &b->aside};
    float **const inner[] = {&b->hidden, &b->d_hidden, &b->d_gate, &b->d_up, &b->inner};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        *streams[i] = floats(p, T, D);
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) *inner[i] = floats(p, T, F);
    b->d_attn = floats(p, T, wide);
    b->dq = floats(p, T, wide);
    b->dk = floats(p, T, narrow);
    b->dv = floats(p, T, narrow);
    b->wide_hat = floats(p, T, wide);
    int64_t rows = T < LOSS_ROWS ? T : LOSS_ROWS;
    t->loss.normed = floats(p, rows, D);
    t->loss.d_normed = floats(p, rows, D);
    t->loss.hat = floats(p, rows, D);
    t->loss.logits = floats(p, rows, c->n_vocab);
    t->loss.part = floats(p, 1, 2 * D + c->n_vocab);
}

static void plan_members(struct plan *p, struct trainer *t) {
    size_t n = (size_t)t->options.n_threads;
    t->caps = take(p, n, sizeof *t->caps);
    t->attn_scratch = take(p, n, sizeof *t->attn_scratch);
    t->gemm_scratch = take(p, n, GEMM_SCRATCH_BYTES);
    for (size_t i = 0; i < n; i++) {
        void *scratch =
            take(p, 1,
                 attn_back_scratch_bytes(t->options.longest, t->config->head_dim,
                                         t->config->attn_cap > 0));
        float *caps = t->config->logit_cap > 0 ? floats(p, 1, t->config->n_vocab) : NULL;
        if (t->caps == NULL) continue;
        t->caps[i] = caps;
        t->attn_scratch[i] = scratch;
    }
}

static void plan_all(struct plan *p, struct trainer *t) {
    const struct config *c = t->config;
    size_t segments = (size_t)t->options.n_segments;
    size_t tiles = (size_t)(t->options.n_rows / ATTN_TILE) + segments;
    plan_tape(p, t);
    plan_back(p, t);
    plan_members(p, t);
    t->pass_caches = take(p, segments, sizeof *t->pass_caches);
    t->caches = take(p, segments * (size_t)c->n_layer, sizeof *t->caches);
    /* Every segment's positions are rounded up to a tile. */
    t->cache_block = take(
        p, 2 * tiles, attn_cache_bytes(GLASS_F32, ATTN_TILE, c->n_head_kv, c->head_dim));
    for (int i = 0; i < 2; i++)
        t->optimizer.moments[i] = floats(p, 1, t->optimizer.end - t->optimizer.begin);
    t->optimizer_work = floats(p, 1, optimizer_work_floats(c, t->options.optimizer));
    t->squares = floats(p, glass_processes_size(t->options.comm), t->params.n_list);
}

void trainer_fill_options(struct trainer_options *o) {
    if (o->n_threads == 0) o->n_threads = team_default_threads();
    if (o->n_segments == 0) o->n_segments = o->n_rows;
    if (o->n_micro == 0) o->n_micro = 1;
    if (o->n_processes == 0) o->n_processes = 1;
}

/* Floats of the largest part, at most: a cut beside a whole matrix may move by as much. */
static int64_t part_floats(const struct trainer *t) {
    const struct config *c = t->config;
    int64_t n = (t->params.n_floats + t->options.n_processes - 1) / t->options.n_processes;
    int64_t wide = c->n_head * c->head_dim, widest = wide > c->n_ff ? wide : c->n_ff;
    n += t->options.optimizer == OPTIMIZER_MUON ? widest * c->n_embd : 16;
    return n < t->params.n_floats ? n : t->params.n_floats;
}

size_t trainer_bytes(const struct glass_model *model,
                     const struct trainer_options *options) {
    struct trainer t = {.config = &model->config, .options = *options};
    struct plan plan = {0};
    trainer_fill_options(&t.options);
    size_t n = sizeof t + params_bytes(t.config, &model->weights, &t.params.n_list,
                                       &t.params.n_floats);
    t.optimizer.end = part_floats(&t);
    plan_all(&plan, &t);
    /* The weights' types count in the workspace: those of the parameters are all f32. */
    workspace_layout(&t.forward, NULL, t.config, &model->weights, t.options.n_rows,
                     t.options.longest, t.options.n_threads);
    return n + plan.used + t.forward.n_bytes +
           tree_bytes(t.params.n_floats, t.options.n_micro, t.options.n_processes);
}

glass_status trainer_take(struct trainer *t) {
    struct plan plan = {0};
    void *work;
    int64_t begin, end;
    optimizer_cut(&t->params, glass_processes_rank(t->options.comm),
                  glass_processes_size(t->options.comm), &begin, &end);
    t->optimizer.begin = begin;
    t->optimizer.end = end;
    plan_all(&plan, t);
    if (plan.overflow) return fail_memory(SIZE_MAX);
    TRY(mem_alloc_large(&t->block, plan.used, 1));
    plan.base = t->block;
    plan.used = 0;
    plan_all(&plan, t);
    optimizer_start(&t->optimizer, &t->params, begin, end,
                    (float *const[]){t->optimizer.moments[0], t->optimizer.moments[1]});
    t->optimizer.work = t->optimizer_work;
    t->optimizer.gemm_scratch = t->gemm_scratch;
    workspace_layout(&t->forward, NULL, t->config, &t->params.w, t->options.n_rows,
                     t->options.longest, t->options.n_threads);
    TRY(mem_alloc_large(&work, t->forward.n_bytes, 1));
    workspace_layout(&t->forward, work, t->config, &t->params.w, t->options.n_rows,
                     t->options.longest, t->options.n_threads);
    return GLASS_OK;
}
