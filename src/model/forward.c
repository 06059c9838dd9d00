/* forward.c - the one transformer, forward.
 *
 * Every thread of the team walks the same steps and computes other outputs; barriers stand
 * where one step reads what another wrote. Which rows share a pass changes nothing: each
 * step treats rows alone, and the order inside a row is arithmetic.md's. */
#include "model/forward.h"

#include "math/gemm.h"
#include "math/kernels.h"

/* What a member of the team needs at hand. */
struct walk {
    const struct pass *p;
    const struct config *c;
    struct workspace *s;
    const struct math_kernels *m;
    const struct member *me;
    int64_t T;
    void *scratch;
};

static size_t aligned(size_t n_bytes) {
    return (n_bytes + 63) / 64 * 64;
}

static void *take(void *block, size_t *used, size_t n_items, size_t item_bytes) {
    void *piece = block == NULL ? NULL : (uint8_t *)block + *used;
    *used += aligned(n_items * item_bytes);
    return piece;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* The most bytes that rounded activations take anywhere in the model. */
static size_t prepared_bytes(const struct config *c, const struct weights *w, int64_t T) {
    size_t most = matmul_prepared_bytes(w->head.w.dtype, T, c->n_embd);
    for (int64_t i = 0; i < c->n_layer; i++) {
        const struct layer *l = &w->layers[i];
        const struct linear *all[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            if (all[j]->w.data != NULL)
                most = larger(most, matmul_prepared_bytes(all[j]->w.dtype, T, all[j]->w.k));
    }
    return most;
}

void workspace_layout(struct workspace *s, void *block, const struct config *c,
                      const struct weights *w, int64_t n_rows, int64_t n_ctx,
                      int n_threads) {
    size_t T = (size_t)n_rows, used = 0;
    size_t n_q = (size_t)(c->n_head * c->head_dim), n_kv = (size_t)(c->n_head_kv * c->head_dim);
    *s = (struct workspace){.n_rows = n_rows, .n_threads = n_threads, .block = block};
    s->ids = take(block, &used, T, sizeof *s->ids);
    s->positions = take(block, &used, T, sizeof *s->positions);
    s->x = take(block, &used, T * (size_t)c->n_embd, sizeof *s->x);
    s->h = take(block, &used, T * (size_t)c->n_embd, sizeof *s->h);
    s->q = take(block, &used, T * n_q, sizeof *s->q);
    s->k = take(block, &used, T * n_kv, sizeof *s->k);
    s->v = take(block, &used, T * n_kv, sizeof *s->v);
    s->attn = take(block, &used, T * larger(n_q, (size_t)c->n_embd), sizeof *s->attn);
    s->up = take(block, &used, T * (size_t)c->n_ff, sizeof *s->up);
    if (c->family.gated) s->gate = take(block, &used, T * (size_t)c->n_ff, sizeof *s->gate);
    s->cosines = take(block, &used, T * (size_t)c->n_rot / 2, sizeof *s->cosines);
    s->sines = take(block, &used, T * (size_t)c->n_rot / 2, sizeof *s->sines);
    s->prepared = take(block, &used, prepared_bytes(c, w, n_rows), 1);
    s->scratch_bytes = aligned(GEMM_SCRATCH_BYTES);
    s->attn_scratch = take(block, &used, 1,
                           attn_scratch_bytes(n_ctx, c->head_dim, c->n_head, c->n_head_kv,
                                              n_threads));
    s->scratch = take(block, &used, (size_t)n_threads, s->scratch_bytes);
    s->segments = take(block, &used, T, sizeof *s->segments);
    s->n_bytes = used;
}

/* x = embedding[id] (+ positions[p]); the rotary angles of every row. */
static void embed(const struct walk *k) {
    const struct weights *w = k->p->weights;
    int64_t D = k->c->n_embd, half = k->c->n_rot / 2, begin, end;
    team_share(k->me, k->T, 1, &begin, &end);
    for (int64_t t = begin; t < end; t++) {
        float *x = k->s->x + t * D; /* (D) */
        matmul_row(x, &w->embedding, k->s->ids[t]);
        if (w->positions.data != NULL) {
            float *position = k->s->h + t * D;
            matmul_row(position, &w->positions, k->s->positions[t]);
            k->m->add_f32(x, x, position, D);
        }
        float *cosines = k->s->cosines + t * half, *sines = k->s->sines + t * half;
        for (int64_t i = 0; i < half; i++)
            sines[i] = (float)k->s->positions[t] * w->inverse_freq[i];
        k->m->cos_f32(cosines, sines, half);
        k->m->sin_f32(sines, sines, half);
    }
}

static void norm_row(const struct walk *k, float *y, const float *x, const struct norm *norm,
                     int64_t n) {
    if (k->c->family.norm == NORM_RMS) {
        k->m->rmsnorm_f32(y, x, norm->w, n, k->c->norm_eps);
    } else {
        k->m->layernorm_f32(y, x, norm->w, norm->b, n, k->c->norm_eps);
    }
}

/* Rows of width D, shared among the members. */
static void norm_rows(const struct walk *k, float *y, const float *x,
                      const struct norm *norm) {
    int64_t D = k->c->n_embd, begin, end;
    team_share(k->me, k->T, 1, &begin, &end);
    for (int64_t t = begin; t < end; t++) norm_row(k, y + t * D, x + t * D, norm, D);
}

static void bias_rows(const struct walk *k, float *y, const struct linear *l) {
    int64_t n = l->w.n, begin, end;
    if (l->b == NULL) return;
    team_share(k->me, k->T, 1, &begin, &end);
    for (int64_t t = begin; t < end; t++) k->m->add_f32(y + t * n, y + t * n, l->b, n);
}

/* Several layers that read the same rows x (T, width): rounded once per activation format.
 * Ends with a barrier; biases are left to the caller's next step. */
static void linears(const struct walk *k, float *const *y, const struct linear *const *l,
                    int n, const float *x, int64_t width) {
    for (int i = 0; i < n; i++) {
        const struct weight *w = &l[i]->w;
        if (i == 0 || !matmul_same_activations(w->dtype, l[i - 1]->w.dtype))
            matmul_prepare(k->me, k->s->prepared, x, width, k->T, width, w->dtype);
        matmul_run(k->me, y[i], w->n, x, width, k->s->prepared, w, k->T, k->scratch);
        team_barrier(k->me);
    }
}

static void linear_one(const struct walk *k, float *y, const struct linear *l, const float *x,
                       int64_t width) {
    linears(k, &y, &l, 1, x, width);
}

static void clamp(float *x, int64_t n, float limit) {
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] < -limit ? -limit : x[i];
        x[i] = v > limit ? limit : v;
    }
}

static void qk_norms(const struct walk *k, const struct norm *norm, float *row,
                     int64_t n_heads) {
    int64_t hd = k->c->head_dim;
    if (k->c->family.qk_norm == QK_NORM_ROW) norm_row(k, row, row, norm, n_heads * hd);
    if (k->c->family.qk_norm == QK_NORM_HEAD)
        for (int64_t i = 0; i < n_heads; i++) norm_row(k, row + i * hd, row + i * hd, norm, hd);
}

static void rotate(const struct walk *k, float *row, int64_t t, int64_t n_heads) {
    int64_t half = k->c->n_rot / 2;
    const float *cosines = k->s->cosines + t * half, *sines = k->s->sines + t * half;
    if (k->c->family.rope == ROPE_HALF)
        k->m->rope_half_f32(row, cosines, sines, n_heads, k->c->head_dim, k->c->n_rot);
    if (k->c->family.rope == ROPE_PAIRS)
        k->m->rope_pairs_f32(row, cosines, sines, n_heads, k->c->head_dim, k->c->n_rot);
}

/* Biases, clamps, norms and rotation of this member's rows of q, k and v. */
static void finish_qkv(const struct walk *k, const struct layer *l) {
    const struct config *c = k->c;
    int64_t n_q = l->q.w.n, n_kv = l->k.w.n, begin, end;
    bias_rows(k, k->s->q, &l->q);
    bias_rows(k, k->s->k, &l->k);
    bias_rows(k, k->s->v, &l->v);
    team_share(k->me, k->T, 1, &begin, &end);
    for (int64_t t = begin; t < end; t++) {
        float *q = k->s->q + t * n_q, *key = k->s->k + t * n_kv, *v = k->s->v + t * n_kv;
        if (c->clamp_qkv > 0) {
            clamp(q, n_q, c->clamp_qkv);
            clamp(key, n_kv, c->clamp_qkv);
            clamp(v, n_kv, c->clamp_qkv);
        }
        qk_norms(k, &l->q_norm, q, c->n_head);
        qk_norms(k, &l->k_norm, key, c->n_head_kv);
        rotate(k, q, t, c->n_head);
        rotate(k, key, t, c->n_head_kv);
    }
}

/* h = attention of the normed rows `in`, with its output layer and bias. Ends with a barrier
 * unless the bias is this member's own rows (which the caller's next step keeps to). */
static void attention(const struct walk *k, const struct layer *l, int64_t layer,
                      const float *in) {
    const struct config *c = k->c;
    struct workspace *s = k->s;
    int64_t n_q = l->q.w.n, n_kv = l->k.w.n;
    float *const outputs[] = {s->q, s->k, s->v};
    const struct linear *const inputs[] = {&l->q, &l->k, &l->v};
    linears(k, outputs, inputs, 3, in, c->n_embd);
    finish_qkv(k, l);
    if (k->me->i == 0)
        for (int64_t i = 0; i < k->p->n_segments; i++)
            s->segments[i].cache = &k->p->caches[i][layer];
    team_barrier(k->me);
    attn_store(k->me, s->segments, k->p->n_segments, s->k, n_kv, s->v, n_kv);
    struct attn_shape shape = {c->n_head, c->attn_scale, c->windowed[layer] ? c->window : 0};
    attn_run(k->me, s->attn, n_q, s->q, n_q, s->segments, k->p->n_segments, &shape,
             s->attn_scratch);
    team_barrier(k->me);
    linear_one(k, s->h, &l->o, s->attn, n_q);
    bias_rows(k, s->h, &l->o);
}

/* Elementwise work over n numbers, in pieces of a cache line or more. */
static void activate(const struct walk *k) {
    float *up = k->s->up, *gate = k->c->family.gated ? k->s->gate : k->s->up;
    int64_t begin, end;
    team_share(k->me, k->T * k->c->n_ff, 64, &begin, &end);
    int64_t n = end - begin;
    switch (k->c->family.activation) {
    case ACT_SILU: k->m->silu_f32(gate + begin, gate + begin, n); break;
    case ACT_GELU_TANH: k->m->gelu_tanh_f32(gate + begin, gate + begin, n); break;
    case ACT_GELU_ERF: k->m->gelu_erf_f32(gate + begin, gate + begin, n); break;
    }
    if (k->c->family.gated) k->m->mul_f32(up + begin, gate + begin, up + begin, n);
}

/* h = MLP of the normed rows `in` (which may be h itself). */
static void mlp(const struct walk *k, const struct layer *l, const float *in) {
    struct workspace *s = k->s;
    int64_t D = k->c->n_embd;
    if (k->c->family.gated) {
        float *const outputs[] = {s->gate, s->up};
        const struct linear *const inputs[] = {&l->gate, &l->up};
        linears(k, outputs, inputs, 2, in, D);
        bias_rows(k, s->gate, &l->gate);
    } else {
        linear_one(k, s->up, &l->up, in, D);
    }
    bias_rows(k, s->up, &l->up);
    if (l->up.b != NULL || l->gate.b != NULL) team_barrier(k->me);
    activate(k);
    team_barrier(k->me);
    linear_one(k, s->h, &l->down, s->up, k->c->n_ff);
    bias_rows(k, s->h, &l->down);
}

/* x += h (normed first where the family says so), this member's rows. */
static void join(const struct walk *k, const struct norm *after) {
    int64_t D = k->c->n_embd, begin, end;
    if (k->c->family.norm_after) norm_rows(k, k->s->h, k->s->h, after);
    team_share(k->me, k->T, 1, &begin, &end);
    k->m->add_f32(k->s->x + begin * D, k->s->x + begin * D, k->s->h + begin * D,
                  (end - begin) * D);
}

/* The rows that a sub-layer reads: normed into h, or x as it is. Members norm their own
 * rows, so this joins the row-wise step before it without a barrier between. */
static const float *input_rows(const struct walk *k, const struct norm *before) {
    if (k->c->family.norm_before) norm_rows(k, k->s->h, k->s->x, before);
    team_barrier(k->me);
    return k->c->family.norm_before ? k->s->h : k->s->x;
}

static void block(const struct walk *k, int64_t layer) {
    const struct layer *l = &k->p->weights->layers[layer];
    attention(k, l, layer, input_rows(k, &l->attn_norm));
    if (k->c->parallel_residual) {
        /* x + attn(norm1 x) + mlp(norm2 x): norm2 reads x before the attention joins it.
         * x + attn waits in the attention's memory, which is free by now. */
        int64_t D = k->c->n_embd, begin, end;
        team_share(k->me, k->T, 1, &begin, &end);
        float *x = k->s->x + begin * D, *h = k->s->h + begin * D, *kept = k->s->attn + begin * D;
        int64_t n = (end - begin) * D;
        k->m->add_f32(kept, x, h, n);
        mlp(k, l, input_rows(k, &l->ffn_norm));
        k->m->add_f32(x, kept, h, n);
        return;
    }
    join(k, &l->attn_after);
    mlp(k, l, input_rows(k, &l->ffn_norm));
    join(k, &l->ffn_after);
}

/* Final norm and head of the rows that were asked for. */
static void head(const struct walk *k) {
    const struct weights *w = k->p->weights;
    int64_t D = k->c->n_embd, V = k->c->n_vocab;
    norm_rows(k, k->s->h, k->s->x, &w->final_norm);
    team_barrier(k->me);
    for (int64_t i = 0; i < k->p->n_requests; i++) {
        const struct logit_request *r = &k->p->requests[i];
        const float *rows = k->s->h + r->first * D;
        matmul_prepare(k->me, k->s->prepared, rows, D, r->n, D, w->head.w.dtype);
        matmul_run(k->me, r->out, V, rows, D, k->s->prepared, &w->head.w, r->n, k->scratch);
        team_barrier(k->me);
        if (w->head.b == NULL) continue;
        int64_t begin, end;
        team_share(k->me, V, 64, &begin, &end);
        for (int64_t t = 0; t < r->n; t++)
            k->m->add_f32(r->out + t * V + begin, r->out + t * V + begin, w->head.b + begin,
                          end - begin);
    }
}

static void walk_pass(void *context, const struct member *me) {
    const struct pass *p = context;
    struct walk k = {p, p->config, p->work, math_kernels(), me, p->n_rows,
                     p->work->scratch + (size_t)me->i * p->work->scratch_bytes};
    embed(&k);
    for (int64_t layer = 0; layer < k.c->n_layer; layer++) block(&k, layer);
    if (p->n_requests > 0) head(&k);
}

void forward(const struct pass *pass) {
    struct pass copy = *pass;
    team_run(pass->work->n_threads, walk_pass, &copy);
}
