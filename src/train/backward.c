/* backward.c - see backward.h. The same steps as forward.c, last to first: every member walks
 * them, products are shared out by outputs, row-wise steps by rows. */
#include "train/backward.h"

#include "math/functions.h"
#include "math/kernels.h"

#include <string.h>

struct walk {
    const struct crew *crew;
    const struct back_job *job;
    const struct config *c;
    const struct math_kernels *m;
    const struct back_work *b;
    int64_t begin, end; /* this member's rows */
};

static void meet(const struct walk *k) {
    team_barrier(k->crew->me);
}

static float *gradient(const struct weight *w) {
    return (float *)(uintptr_t)w->data; /* params own it */
}

/* ---- norms ---- */

static void norm_rows(const struct walk *k, float *y, const float *x,
                      const struct norm *norm, int64_t n, int64_t per_row) {
    for (int64_t t = k->begin * per_row; t < k->end * per_row; t++) {
        if (k->c->family.norm == NORM_RMS)
            k->m->rmsnorm_f32(y + t * n, x + t * n, norm->w, n, k->c->norm_eps);
        else
            k->m->layernorm_f32(y + t * n, x + t * n, norm->w, norm->b, n, k->c->norm_eps);
    }
}

/* dx = back through the norm, this member's rows of `per_row` times n numbers; then, with all
 * members, the gradients of its weight and bias. Ends with a barrier. */
static void norm_back(const struct walk *k, float *dx, float *hat, const float *dy,
                      const float *x, const struct norm *norm, const struct norm *d,
                      int64_t n, int64_t per_row) {
    bool rms = k->c->family.norm == NORM_RMS;
    for (int64_t t = k->begin * per_row; t < k->end * per_row; t++)
        (rms ? k->m->rmsnorm_back_f32 : k->m->layernorm_back_f32)(
            dx + t * n, hat + t * n, dy + t * n, x + t * n, norm->w, n, k->c->norm_eps);
    meet(k);
    if (d->w != NULL) sum_tokens(k->crew, d->w, dy, hat, n, k->job->T * per_row);
    if (d->b != NULL) sum_tokens(k->crew, d->b, dy, NULL, n, k->job->T * per_row);
    meet(k);
}

/* ---- linear layers ---- */

/* One of the layers y = W x + b that are gone back through together: dx = dy W, and with dy (T, n)
 * and x (T, k) the gradients of W and b. */
struct linear_back {
    float *dx;
    const float *dy, *x;
    const struct linear *l, *d;
};

/* With all members; ends with a barrier. */
static void linear_back(const struct walk *k, const struct linear_back *list, int n) {
    struct product products[PRODUCTS];
    for (int i = 0; i < n; i++) {
        const struct linear_back *a = &list[i];
        products[i] = (struct product){a->dx, a->dy, NULL, &a->l->w};
        products[n + i] = (struct product){gradient(&a->d->w), a->dy, a->x, &a->d->w};
        if (a->d->b != NULL)
            sum_tokens(k->crew, a->d->b, a->dy, NULL, a->d->w.n, k->job->T);
    }
    product_list(k->crew, products, 2 * n, k->job->T);
}

/* dnormed += part, this member's rows. */
static void add_part(const struct walk *k, const float *part) {
    int64_t D = k->c->n_embd;
    float *to = k->b->dnormed + k->begin * D;
    k->m->add_f32(to, to, part + k->begin * D, (k->end - k->begin) * D);
}

/* ---- the joins ---- */

/* The gradient of what a sub-layer put out, from that of the stream: dh, this member's rows. */
static void leave(const struct walk *k, const float *out, const struct norm *after,
                  const struct norm *d_after) {
    const struct back_work *b = k->b;
    int64_t D = k->c->n_embd, n = (k->end - k->begin) * D;
    const float *from = b->dx;
    if (k->c->residual_scale != 1) {
        k->m->scale_f32(b->part + k->begin * D, from + k->begin * D, k->c->residual_scale,
                        n);
        from = b->part;
    }
    meet(k);
    if (k->c->family.norm_after) {
        norm_back(k, b->dh, b->hat, from, out, after, d_after, D, 1);
    } else {
        memcpy(b->dh + k->begin * D, from + k->begin * D, (size_t)n * sizeof *b->dh);
        meet(k);
    }
}

/* What the sub-layer read, made again: the normed stream in b->normed, or the stream. */
static const float *input(const struct walk *k, const float *x, const struct norm *before) {
    if (!k->c->family.norm_before) return x;
    norm_rows(k, k->b->normed, x, before, k->c->n_embd, 1);
    meet(k);
    return k->b->normed;
}

/* dnormed, back through the norm: what the stream gets by way of the sub-layer's input. */
static const float *enter(const struct walk *k, const float *x, const struct norm *before,
                          const struct norm *d_before) {
    const struct back_work *b = k->b;
    if (!k->c->family.norm_before) return b->dnormed;
    norm_back(k, b->part, b->hat, b->dnormed, x, before, d_before, k->c->n_embd, 1);
    return b->part;
}

/* ---- MLP ---- */

static void activation(const struct walk *k, const struct layer *l, float *y,
                       const float *x, int64_t n) {
    switch (k->c->family.activation) {
    case ACT_SILU: k->m->silu_f32(y, x, n); break;
    case ACT_GELU_TANH: k->m->gelu_tanh_f32(y, x, n); break;
    case ACT_GELU_ERF: k->m->gelu_erf_f32(y, x, n); break;
    case ACT_XIELU: math_xielu_f32(y, x, n, &l->xielu); break;
    }
}

/* dx = dy times the activation's slope at x; inner and more are memory for n. */
static void activation_back(const struct walk *k, const struct layer *l, float *dx,
                            const float *dy, const float *x, float *inner, float *more,
                            int64_t n) {
    if (k->c->family.activation == ACT_XIELU) {
        math_xielu_back_f32(dx, dy, x, n, &l->xielu);
    } else if (k->c->family.activation == ACT_GELU_TANH) {
        k->m->gelu_tanh_inner_f32(inner, x, n);
        k->m->tanh_f32(inner, inner, n);
        k->m->gelu_tanh_back_f32(dx, dy, x, inner, n);
    } else {
        k->m->gelu_erf_inner_f32(inner, more, x, n);
        k->m->erf_f32(inner, inner, n);
        k->m->exp_f32(more, more, n);
        k->m->gelu_erf_back_f32(dx, dy, x, inner, more, n);
    }
}

/* hidden, made again from what is on the tape. */
static void hidden_rows(const struct walk *k, const struct layer *l,
                        const struct tape_layer *t) {
    int64_t F = k->c->n_ff;
    for (int64_t i = k->begin; i < k->end; i++) {
        float *h = k->b->hidden + i * F;
        if (!k->c->family.gated) {
            activation(k, l, h, t->up + i * F, F);
        } else if (k->c->family.activation == ACT_SILU) {
            k->m->silu_mul_f32(h, t->gate + i * F, t->up + i * F, F);
        } else {
            activation(k, l, h, t->gate + i * F, F);
            k->m->mul_f32(h, h, t->up + i * F, F);
        }
    }
}

/* d_up and d_gate from d_hidden, this member's rows. */
static void hidden_back(const struct walk *k, const struct layer *l,
                        const struct tape_layer *t) {
    const struct back_work *b = k->b;
    int64_t F = k->c->n_ff;
    for (int64_t i = k->begin; i < k->end; i++) {
        int64_t at = i * F;
        float *inner = b->inner + at;
        const float *dh = b->d_hidden + at, *up = t->up + at;
        if (!k->c->family.gated) {
            activation_back(k, l, b->d_up + at, dh, up, inner, b->hidden + at, F);
        } else if (k->c->family.activation == ACT_SILU) {
            k->m->scale_f32(inner, t->gate + at, -1, F);
            k->m->exp_f32(inner, inner, F);
            k->m->silu_mul_back_f32(b->d_gate + at, b->d_up + at, dh, t->gate + at, up,
                                    inner, F);
        } else { /* hidden is done with: act(gate), then what is left of the way to d_gate */
            activation(k, l, b->hidden + at, t->gate + at, F);
            k->m->mul_f32(b->d_up + at, dh, b->hidden + at, F);
            k->m->mul_f32(b->d_hidden + at, dh, up, F);
            activation_back(k, l, b->d_gate + at, b->d_hidden + at, t->gate + at, inner,
                            b->hidden + at, F);
        }
    }
    meet(k);
}

/* From dh to dnormed; add: to what is there already. */
static void mlp_back(const struct walk *k, int64_t layer, bool add) {
    const struct layer *l = &k->job->params->w.layers[layer];
    const struct layer *d = &k->job->params->d.layers[layer];
    const struct tape_layer *t = &k->job->tape->layers[layer];
    const struct back_work *b = k->b;
    const float *in = input(k, t->x_ffn, &l->ffn_norm);
    if (k->job->recompute == RECOMPUTE_MLP) {
        if (k->c->family.gated) product_rows(k->crew, t->gate, in, &l->gate, k->job->T);
        product_rows(k->crew, t->up, in, &l->up, k->job->T);
    }
    hidden_rows(k, l, t);
    meet(k);
    linear_back(k, &(struct linear_back){b->d_hidden, b->dh, b->hidden, &l->down, &d->down},
                1);
    hidden_back(k, l, t);
    /* hat and dh are done with. */
    float *of_up = add ? b->hat : b->dnormed, *of_gate = b->dh;
    const struct linear_back both[] = {{of_up, b->d_up, in, &l->up, &d->up},
                                       {of_gate, b->d_gate, in, &l->gate, &d->gate}};
    linear_back(k, both, k->c->family.gated ? 2 : 1);
    if (add) add_part(k, of_up);
    if (k->c->family.gated) add_part(k, of_gate);
    meet(k);
}

/* ---- attention ---- */

/* Rotation back: by the negative angles. */
static void turn_back(const struct walk *k, float *dx, int64_t t, int64_t n_heads,
                      int rope) {
    const struct config *c = k->c;
    float sines[8192];
    int64_t half = c->n_rot / 2;
    int64_t at = (t * k->job->params->w.n_ropes + rope) * half;
    const float *cosines = k->job->forward->shared.cosines + at;
    k->m->scale_f32(sines, k->job->forward->shared.sines + at, -1, half);
    (c->family.rope == ROPE_HALF ? k->m->rope_half_f32 : k->m->rope_pairs_f32)(
        dx, cosines, sines, n_heads, c->head_dim, c->n_rot);
}

/* Queries were multiplied by a factor of their position: so is dq, this member's rows. */
static void cool_back(const struct walk *k) {
    const struct config *c = k->c;
    int64_t width = c->n_head * c->head_dim;
    for (int64_t t = k->begin; t < k->end; t++) {
        float spans = 1.0F + (float)(k->job->forward->positions[t] / c->rope_short);
        float factor = 1.0F + c->temperature * math_log_f32(spans);
        k->m->scale_f32(k->b->dq + t * width, k->b->dq + t * width, factor, width);
    }
}

/* Through the norm of q or k, in place: dx (T, n_heads*head_dim). */
static void qk_norm_back(const struct walk *k, float *dx, const float *raw,
                         const struct norm *norm, const struct norm *d, int64_t n_heads) {
    const struct back_work *b = k->b;
    int64_t hd = k->c->head_dim, width = n_heads * hd;
    bool row = k->c->family.qk_norm == QK_NORM_ROW;
    norm_back(k, b->d_attn, b->wide_hat, dx, raw, norm, d, row ? width : hd,
              row ? 1 : n_heads);
    memcpy(dx + k->begin * width, b->d_attn + k->begin * width,
           (size_t)((k->end - k->begin) * width) * sizeof *dx);
    meet(k);
}

/* Clamped numbers have no slope where they are at the limit: kept is what clamps made. */
static void clamp_back(const struct walk *k, float *dx, const float *kept, int64_t width) {
    float limit = k->c->clamp_qkv;
    for (int64_t i = k->begin * width; i < k->end * width; i++)
        if (!(kept[i] > -limit && kept[i] < limit)) dx[i] = 0;
}

/* From dh to dnormed. */
static void attention_back(const struct walk *k, int64_t layer) {
    const struct config *c = k->c;
    const struct layer *l = &k->job->params->w.layers[layer];
    const struct layer *d = &k->job->params->d.layers[layer];
    const struct tape_layer *t = &k->job->tape->layers[layer];
    const struct back_work *b = k->b;
    int64_t hd = c->head_dim;
    linear_back(k, &(struct linear_back){b->d_attn, b->dh, t->attn, &l->o, &d->o}, 1);
    struct attn_back a = {.q = t->q,
                          .k = t->k,
                          .v = t->v,
                          .o = t->attn,
                          .d_o = b->d_attn,
                          .dq = b->dq,
                          .dk = b->dk,
                          .dv = b->dv,
                          .n_head = c->n_head,
                          .n_head_kv = c->n_head_kv,
                          .head_dim = hd,
                          .scale = c->attn_scale,
                          .cap = c->attn_cap,
                          .window = c->windowed[layer] ? c->window : 0,
                          .segments = k->job->segments,
                          .n_segments = k->job->n_segments};
    attn_back_run(k->crew->me, &a, k->job->attn_scratch[k->crew->me->i]);
    if (c->temperature > 0) cool_back(k);
    for (int64_t i = k->begin; i < k->end && l->rope >= 0; i++) {
        turn_back(k, b->dq + i * c->n_head * hd, i, c->n_head, l->rope);
        turn_back(k, b->dk + i * c->n_head_kv * hd, i, c->n_head_kv, l->rope);
    }
    meet(k);
    if (c->family.qk_norm != QK_NORM_NONE) {
        qk_norm_back(k, b->dq, t->q_raw, &l->q_norm, &d->q_norm, c->n_head);
        qk_norm_back(k, b->dk, t->k_raw, &l->k_norm, &d->k_norm, c->n_head_kv);
    }
    if (c->clamp_qkv > 0) {
        clamp_back(k, b->dq, t->q_raw, c->n_head * hd);
        clamp_back(k, b->dk, t->k_raw, c->n_head_kv * hd);
        clamp_back(k, b->dv, t->v, c->n_head_kv * hd);
        meet(k);
    }
    const float *in = input(k, t->x_attn, &l->attn_norm);
    /* hat and dh are done with. */
    const struct linear_back all[] = {{b->dnormed, b->dq, in, &l->q, &d->q},
                                      {b->hat, b->dk, in, &l->k, &d->k},
                                      {b->dh, b->dv, in, &l->v, &d->v}};
    linear_back(k, all, 3);
    add_part(k, b->hat);
    add_part(k, b->dh);
    meet(k);
}

/* ---- the walk ---- */

/* Attention and MLP read the same stream, whose own gradient both need. */
static void parallel_back(const struct walk *k, int64_t layer) {
    const struct layer *l = &k->job->params->w.layers[layer];
    const struct layer *d = &k->job->params->d.layers[layer];
    const struct tape_layer *t = &k->job->tape->layers[layer];
    int64_t D = k->c->n_embd, at = k->begin * D, n = (k->end - k->begin) * D;
    float *dx = k->b->dx, *aside = k->b->aside;
    bool one = k->c->family.one_norm;
    leave(k, t->attn_out, &l->attn_after, &d->attn_after);
    attention_back(k, layer);
    if (!one) {
        const float *from = enter(k, t->x_attn, &l->attn_norm, &d->attn_norm);
        memcpy(aside + at, from + at, (size_t)n * sizeof *aside);
        meet(k);
    }
    leave(k, t->ffn_out, &l->ffn_after, &d->ffn_after);
    mlp_back(k, layer, one);
    if (!one) k->m->add_f32(dx + at, dx + at, aside + at, n);
    const float *from = enter(k, t->x_ffn, &l->ffn_norm, &d->ffn_norm);
    k->m->add_f32(dx + at, dx + at, from + at, n);
    meet(k);
}

static void block_back(const struct walk *k, int64_t layer) {
    const struct layer *l = &k->job->params->w.layers[layer];
    const struct layer *d = &k->job->params->d.layers[layer];
    const struct tape_layer *t = &k->job->tape->layers[layer];
    int64_t D = k->c->n_embd, at = k->begin * D, n = (k->end - k->begin) * D;
    float *dx = k->b->dx;
    leave(k, t->ffn_out, &l->ffn_after, &d->ffn_after);
    mlp_back(k, layer, false);
    const float *from = enter(k, t->x_ffn, &l->ffn_norm, &d->ffn_norm);
    k->m->add_f32(dx + at, dx + at, from + at, n);
    meet(k);
    leave(k, t->attn_out, &l->attn_after, &d->attn_after);
    attention_back(k, layer);
    from = enter(k, t->x_attn, &l->attn_norm, &d->attn_norm);
    k->m->add_f32(dx + at, dx + at, from + at, n);
    meet(k);
}

/* Rows add to their token's (position's) gradient in the order of tokens; each member has its
 * columns. */
static void embedding_back(const struct walk *k) {
    const struct params *p = k->job->params;
    int64_t D = k->c->n_embd, from, to;
    float *embedding = gradient(&p->d.embedding), *positions = gradient(&p->d.positions);
    team_share(k->crew->me, D, 16, &from, &to);
    for (int64_t i = 0; !p->w.tied && i < k->c->n_vocab; i++)
        memset(embedding + i * D + from, 0, (size_t)(to - from) * sizeof *embedding);
    for (int64_t i = 0; positions != NULL && i < k->c->n_ctx; i++)
        memset(positions + i * D + from, 0, (size_t)(to - from) * sizeof *positions);
    for (int64_t t = 0; t < k->job->T; t++) {
        float *dx = k->b->dx + t * D + from;
        if (positions != NULL) {
            float *d = positions + k->job->forward->positions[t] * D + from;
            k->m->add_f32(d, d, dx, to - from);
        }
        float *d = embedding + k->job->forward->ids[t] * D + from;
        if (k->c->embed_scale != 1) k->m->scale_f32(dx, dx, k->c->embed_scale, to - from);
        k->m->add_f32(d, d, dx, to - from);
    }
    meet(k);
}

void backward(const struct crew *crew, const struct back_job *job) {
    struct walk k = {
        .crew = crew, .job = job, .c = job->params->config, .m = crew->m, .b = &job->work};
    team_share(crew->me, job->T, 1, &k.begin, &k.end);
    for (int64_t layer = k.c->n_layer - 1; layer >= 0; layer--) {
        if (job->recompute == RECOMPUTE_LAYERS) forward_again(job->again, crew->me, layer);
        if (k.c->parallel_residual)
            parallel_back(&k, layer);
        else
            block_back(&k, layer);
        if (job->ready != NULL) job->ready(job->context, crew, layer);
    }
    embedding_back(&k);
}
