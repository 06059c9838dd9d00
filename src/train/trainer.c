/* trainer.c - see trainer.h. Memory is planned once, in trainer_plan.c's order. */
#include "train/trainer_parts.h"

#include "base/mem.h"
#include "math/kernels.h"

#include <string.h>

glass_status trainer_create(struct trainer **out, const struct glass_model *model,
                            const struct trainer_options *options) {
    glass_status status;
    struct trainer *t;
    *out = NULL;
    TRY(mem_alloc_zero(&t, 1, sizeof *t));
    t->options = *options;
    t->config = &model->config;
    trainer_fill_options(&t->options);
    TRY_FAIL(params_create(&t->params, &model->config, &model->weights));
    optimizer_choose(&t->params, t->options.optimizer);
    TRY_FAIL(trainer_take(t));
    TRY_FAIL(tree_create(&t->tree, &t->params,
                         t->options.comm == NULL ? INT64_MAX : t->options.n_micro,
                         t->options.n_threads, t->options.comm));
    *out = t;
    return GLASS_OK;
fail:
    trainer_free(t);
    return status;
}

void trainer_free(struct trainer *t) {
    if (t == NULL) return;
    params_clear(&t->params);
    mem_free(t->forward.block);
    mem_free(t->block);
    tree_clear(&t->tree);
    mem_free(t);
}

/* ---- one micro-batch ---- */

static glass_status check(const struct trainer *t, const struct micro_batch *b) {
    int64_t at = 0;
    if (b->T < 1 || b->T > t->options.n_rows)
        return fail(GLASS_USAGE, "a micro-batch of %lld tokens: 1 to %lld fit",
                    (long long)b->T, (long long)t->options.n_rows);
    if (b->n_segments > t->options.n_segments)
        return fail(GLASS_USAGE, "a micro-batch of %lld segments: %lld fit",
                    (long long)b->n_segments, (long long)t->options.n_segments);
    for (int64_t i = 0; i < b->n_segments; i++) {
        const struct attn_rows *s = &b->segments[i];
        if (s->row != at || s->n < 1 || s->n > t->options.longest)
            return fail(GLASS_USAGE,
                        "segment %lld of a micro-batch: %lld tokens from row %lld",
                        (long long)i, (long long)s->n, (long long)s->row);
        at += s->n;
    }
    if (at != b->T)
        return fail(GLASS_USAGE, "segments of %lld rows for %lld tokens", (long long)at,
                    (long long)b->T);
    for (int64_t i = 0; i < b->T; i++)
        if (b->ids[i] < 0 || b->ids[i] >= t->config->n_vocab || b->targets[i] < 0 ||
            b->targets[i] >= t->config->n_vocab)
            return fail(
                GLASS_BAD_INPUT, "token %lld is %d, its target %d: the vocabulary has %lld",
                (long long)i, b->ids[i], b->targets[i], (long long)t->config->n_vocab);
    return GLASS_OK;
}

/* The forward pass, with everything on the tape. Layers take turns with one cache a segment. */
static void run_forward(struct trainer *t, const struct micro_batch *b) {
    const struct config *c = t->config;
    struct workspace *w = &t->forward;
    char *at = t->cache_block;
    for (int64_t i = 0; i < b->n_segments; i++) {
        const struct attn_rows *s = &b->segments[i];
        size_t bytes = attn_cache_bytes(GLASS_F32, s->n, c->n_head_kv, c->head_dim);
        struct attn_cache cache = {.dtype = GLASS_F32,
                                   .n_ctx = s->n,
                                   .n_head_kv = c->n_head_kv,
                                   .head_dim = c->head_dim,
                                   .k = at,
                                   .v = at + bytes};
        at += 2 * bytes;
        w->segments[i] = (struct attn_segment){NULL, 0, s->row, s->n};
        t->pass_caches[i] = t->caches + i * c->n_layer;
        for (int64_t l = 0; l < c->n_layer; l++) t->pass_caches[i][l] = cache;
        for (int64_t p = 0; p < s->n; p++) w->positions[s->row + p] = p;
    }
    memcpy(w->ids, b->ids, (size_t)b->T * sizeof *b->ids);
    memset(w->is_long, 0, (size_t)b->T * sizeof *w->is_long);
    t->pass = (struct pass){.config = c,
                            .weights = &t->params.w,
                            .work = w,
                            .n_rows = b->T,
                            .n_segments = b->n_segments,
                            .caches = t->pass_caches,
                            .tape = &t->kept};
    forward(&t->pass);
    t->pass.tape = &t->tape;
    t->pass.again = true;
}

struct back_task {
    struct trainer *t;
    const struct micro_batch *batch;
    struct loss_job loss;
    struct back_job back;
};

static void run_back(void *context, const struct member *me) {
    struct back_task *task = context;
    struct trainer *t = task->t;
    struct crew crew = {me, math_kernels(),
                        t->gemm_scratch + (size_t)me->i * GEMM_SCRATCH_BYTES};
    loss_run(&crew, &task->loss);
    if (task->loss.dx == NULL) return;
    tree_ready(&t->tree, &crew, 0);
    backward(&crew, &task->back);
    tree_ready(&t->tree, &crew, tree_n_groups(&t->params) - 1);
}

/* Gradients of layer `layer` are there. */
static void layer_ready(void *context, const struct crew *crew, int64_t layer) {
    struct trainer *t = context;
    tree_ready(&t->tree, crew, t->config->n_layer - layer);
}

static void run_batch(struct trainer *t, const struct micro_batch *b, float factor,
                      float *losses, bool gradients) {
    struct back_task task = {.t = t,
                             .batch = b,
                             .loss = {.params = &t->params,
                                      .x = t->tape.x,
                                      .targets = b->targets,
                                      .weights = b->weights,
                                      .T = b->T,
                                      .factor = factor,
                                      .z = t->options.z,
                                      .losses = losses,
                                      .dx = gradients ? t->work.dx : NULL,
                                      .work = t->loss,
                                      .parts = t->parts,
                                      .caps = t->caps},
                             .back = {.params = &t->params,
                                      .tape = &t->tape,
                                      .recompute = t->options.recompute,
                                      .again = &t->pass,
                                      .forward = &t->forward,
                                      .segments = b->segments,
                                      .n_segments = b->n_segments,
                                      .T = b->T,
                                      .work = t->work,
                                      .attn_scratch = t->attn_scratch,
                                      .ready = layer_ready,
                                      .context = t}};
    run_forward(t, b);
    team_run(t->options.n_threads, run_back, &task);
}

glass_status trainer_losses(struct trainer *t, const struct micro_batch *batch,
                            float *losses) {
    TRY(check(t, batch));
    run_batch(t, batch, 0, losses, false);
    return GLASS_OK;
}

void trainer_run(const struct trainer *t, int64_t *begin, int64_t *end) {
    *begin = t->tree.begin;
    *end = t->tree.end;
}

glass_status trainer_add(struct trainer *t, const struct micro_batch *batch, float factor,
                         float *losses) {
    TRY(check(t, batch));
    TRY(tree_begin(&t->tree));
    run_batch(t, batch, factor, losses, true);
    return tree_end(&t->tree);
}

const struct params *trainer_params(const struct trainer *t) {
    return &t->params;
}

int64_t trainer_n_steps(const struct trainer *t) {
    return t->optimizer.n_steps;
}

glass_status trainer_drop(struct trainer *t) {
    return tree_drop(&t->tree);
}
