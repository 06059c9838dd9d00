/* forward.c - the one transformer, forward.
 *
 * Every thread of the team walks the same steps. Products are shared out by ranges of outputs;
 * between them, row-wise steps (norms, the residual, rounding) are done by rows: each member
 * its share, in shared memory, or, when the rows are few, each member all of them in memory of
 * its own, so that nobody waits. Which rows share a pass and who computes what changes
 * nothing: each step treats rows alone, and the order inside a row is arithmetic.md's. */
#include "model/forward.h"

#include "math/compose.h"
#include "math/functions.h"
#include "math/kernels.h"

#include <string.h>

/* What a member of the team needs at hand. */
struct walk {
    const struct pass *p;
    const struct config *c;
    struct workspace *s;
    const struct math_kernels *m;
    const struct member *me;
    int64_t T;
    bool few;                  /* this member works on all rows, in memory of its own */
    const struct rows_in *r;   /* its own, or the team's */
    const struct adapt *adapt; /* of the rows that products read, or NULL */
    void *scratch;
};

/* ---- the tape ---- */

/* This layer's q, k, v and attention go where the tape wants them. */
static void use_tape(const struct walk *k, int64_t layer) {
    if (k->p->tape == NULL) return;
    const struct tape_layer *t = &k->p->tape->layers[layer];
    k->s->q = t->q;
    k->s->k = t->k;
    k->s->v = t->v;
    k->s->attn = t->attn;
}

/* Columns [begin, end) of rows that are `width` wide. */
static void keep(float *to, const float *from, int64_t n_rows, int64_t width, int64_t begin,
                 int64_t end) {
    if (to == NULL) return;
    for (int64_t t = 0; t < n_rows; t++)
        memcpy(to + t * width + begin, from + t * width + begin,
               (size_t)(end - begin) * sizeof *to);
}

/* ---- rows ---- */

/* The rows that this member treats in row-wise steps. */
static void my_rows(const struct walk *k, int64_t *begin, int64_t *end) {
    *begin = 0;
    *end = k->T;
    if (!k->few) team_share(k->me, k->T, 1, begin, end);
}

/* This member's rows of n_embd numbers, onto the tape. */
static void keep_rows(const struct walk *k, float *to, const float *from) {
    int64_t D = k->c->n_embd, begin, end;
    if (k->p->tape == NULL) return;
    my_rows(k, &begin, &end);
    keep(to == NULL ? NULL : to + begin * D, from + begin * D, end - begin, D, 0, D);
}

/* Between a row-wise step and one that reads all rows. */
static void meet_rows(const struct walk *k) {
    if (!k->few) team_barrier(k->me);
}

/* cos and sin of row t's angles, for each kind of layer. */
static void angles(const struct walk *k, int64_t t) {
    const struct weights *w = k->p->weights;
    int64_t half = k->c->n_rot / 2;
    for (int64_t i = 0; i < w->n_ropes; i++) {
        const float *freq = w->ropes[i].freq[k->s->is_long[t]];
        float amplitude = w->ropes[i].amplitude;
        float *cosines = k->r->cosines + (t * w->n_ropes + i) * half;
        float *sines = k->r->sines + (t * w->n_ropes + i) * half;
        for (int64_t j = 0; j < half; j++) sines[j] = (float)k->s->positions[t] * freq[j];
        k->m->cos_f32(cosines, sines, half);
        k->m->sin_f32(sines, sines, half);
        if (amplitude == 1) continue;
        k->m->scale_f32(cosines, cosines, amplitude, half);
        k->m->scale_f32(sines, sines, amplitude, half);
    }
}

/* x = embedding[id] (+ positions[p]); the rotary angles of every row. */
static void embed(const struct walk *k) {
    const struct weights *w = k->p->weights;
    int64_t D = k->c->n_embd, begin, end;
    my_rows(k, &begin, &end);
    for (int64_t t = begin; t < end; t++) {
        float *x = k->r->x + t * D; /* (D) */
        matmul_row(x, &w->embedding, k->s->ids[t]);
        if (k->c->embed_scale != 1) k->m->scale_f32(x, x, k->c->embed_scale, D);
        if (w->positions.data != NULL) {
            float *position = k->r->normed + t * D;
            matmul_row(position, &w->positions, k->s->positions[t]);
            k->m->add_f32(x, x, position, D);
        }
        angles(k, t);
    }
}

static void norm_row(const struct walk *k, float *y, const float *x,
                     const struct norm *norm, int64_t n) {
    if (k->c->family.norm == NORM_RMS) {
        k->m->rmsnorm_f32(y, x, norm->w, n, k->c->norm_eps);
    } else {
        k->m->layernorm_f32(y, x, norm->w, norm->b, n, k->c->norm_eps);
    }
}

/* x += h (normed or scaled first where the model says so), this member's rows. Either is made
 * in the rows of `normed`, which a parallel residual's MLP still has to read: no family has
 * both (tests/model/test_config.c). */
static void join(const struct walk *k, const struct norm *after) {
    int64_t D = k->c->n_embd, begin, end;
    my_rows(k, &begin, &end);
    for (int64_t t = begin; t < end; t++) {
        float *x = k->r->x + t * D, *normed = k->r->normed + t * D;
        const float *h = k->s->h + t * D;
        if (k->c->family.norm_after) {
            norm_row(k, normed, h, after, D);
            h = normed;
        }
        if (k->c->residual_scale != 1) {
            k->m->scale_f32(normed, h, k->c->residual_scale, D);
            h = normed;
        }
        k->m->add_f32(x, x, h, D);
    }
}

/* ---- products ---- */

/* Rows x (n, width) in every format that the layers ask for, this member's share of them
 * rounded now. */
static struct operand operand_of(const struct walk *k, const struct linear *const *layers,
                                 int n_layers, const float *x, int64_t width, int64_t begin,
                                 int64_t end) {
    struct operand in = {.rows = {x}, .row_bytes = {(size_t)width * sizeof *x}};
    for (int i = 0; i < n_layers; i++) {
        enum operand_format f = matmul_format(layers[i]->w.dtype);
        if (in.rows[f] != NULL) continue;
        size_t bytes = operand_row_bytes(f, width);
        in.rows[f] = k->r->rounded[f];
        in.row_bytes[f] = bytes;
        operand_round((char *)k->r->rounded[f] + (size_t)begin * bytes, bytes, f,
                      x + begin * width, width, end - begin, 0, width);
    }
    return in;
}

/* What a sub-layer reads: the stream, normed where the family says so. */
static struct operand input_rows(const struct walk *k, const struct norm *before,
                                 const struct linear *const *layers, int n_layers) {
    int64_t D = k->c->n_embd, begin, end;
    const float *x = k->r->x;
    my_rows(k, &begin, &end);
    if (k->c->family.norm_before) {
        for (int64_t t = begin; t < end; t++)
            norm_row(k, k->r->normed + t * D, x + t * D, before, D);
        x = k->r->normed;
    }
    struct operand in = operand_of(k, layers, n_layers, x, D, begin, end);
    meet_rows(k);
    return in;
}

/* What the adapters of these layers make of the rows, before products add it. */
static void adapt_inputs(const struct walk *k, const struct operand *in,
                         const struct linear *const *layers, int n_layers) {
    if (k->adapt != NULL)
        adapt_low(k->adapt, k->me, k->few, in, layers, n_layers, k->scratch);
}

/* Shows an observer what the layer's linears read: complete rows, until the next barrier. */
static void observe(const struct walk *k, const struct layer *l, enum observed what,
                    const float *x, int64_t width) {
    const struct observer *o = k->p->observer;
    int64_t layer = l - k->p->weights->layers, begin, end;
    if (o == NULL) return;
    team_share(k->me, width, 16, &begin, &end);
    if (begin < end) o->rows(o->context, layer, what, x, k->T, width, begin, end);
}

/* y rows, outputs [begin, end) with the bias and adapters; the first is row `row` of those
 * that the adapters were told of. */
static void product(const struct walk *k, float *y, const struct operand *in,
                    const struct linear *l, int64_t row, int64_t n_rows, int64_t begin,
                    int64_t end) {
    matmul_range(y, l->w.n, in, &l->w, n_rows, begin, end, k->scratch);
    for (int64_t t = 0; l->b != NULL && t < n_rows; t++) {
        float *out = y + t * l->w.n + begin;
        k->m->add_f32(out, out, l->b + begin, end - begin);
    }
    if (k->adapt != NULL)
        adapt_add(k->adapt, k->me, y, l, row, n_rows, begin, end, k->scratch);
}

/* Rows to hand out at a time, or 0: some outputs of all rows. */
static int64_t row_unit(const struct walk *k, const struct linear *const *layers,
                        int n_layers) {
    int64_t total = 0;
    if (k->few || k->adapt != NULL) return 0;
    for (int i = 0; i < n_layers; i++) {
        if (matmul_format(layers[i]->w.dtype) != OPERAND_F32) return 0;
        total += layers[i]->w.n;
    }
    return matmul_row_unit(k->T, total, k->me->n);
}

/* Rows x of f32 from row t on. */
static struct operand rows_from(const struct operand *x, int64_t t) {
    struct operand rows = {.row_bytes = {x->row_bytes[OPERAND_F32]}};
    rows.rows[OPERAND_F32] =
        (const char *)x->rows[OPERAND_F32] + (size_t)t * x->row_bytes[OPERAND_F32];
    return rows;
}

/* Layers that read the same rows, by rows. */
static void products_by_rows(const struct walk *k, float *const *y,
                             const struct operand *in, const struct linear *const *layers,
                             int n_layers, int64_t unit) {
    int64_t begin, end;
    while (team_queue_next(k->me, k->T, unit, &begin, &end)) {
        struct operand rows = rows_from(in, begin);
        for (int i = 0; i < n_layers; i++) {
            int64_t n = layers[i]->w.n;
            product(k, y[i] + begin * n, &rows, layers[i], begin, end - begin, 0, n);
        }
    }
    team_barrier(k->me);
}

/* Layers that read the same rows, as one line of outputs. Ends with a barrier. */
static void products(const struct walk *k, float *const *y, const struct operand *in,
                     const struct linear *const *layers, int n_layers) {
    int64_t total = 0, begin, end;
    adapt_inputs(k, in, layers, n_layers);
    for (int i = 0; i < n_layers; i++) total += layers[i]->w.n;
    int64_t unit = row_unit(k, layers, n_layers);
    if (unit > 0) {
        products_by_rows(k, y, in, layers, n_layers, unit);
        return;
    }
    unit = k->p->tape == NULL ? matmul_unit(total, 32, k->me->n, k->few)
                              : matmul_output_unit(k->T, total, k->me->n);
    while (team_queue_next(k->me, total, unit, &begin, &end)) {
        int64_t first = 0;
        for (int i = 0; i < n_layers; i++) {
            int64_t n = layers[i]->w.n;
            int64_t from = begin > first ? begin - first : 0;
            int64_t to = end - first < n ? end - first : n;
            if (from < to) product(k, y[i], in, layers[i], 0, k->T, from, to);
            first += n;
        }
    }
    team_barrier(k->me);
}

/* ---- attention ---- */

static void clamp(float *x, int64_t n, float limit) {
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] < -limit ? -limit : x[i];
        x[i] = v > limit ? limit : v;
    }
}

/* Heads whose halves are apart, brought to pairs: what the file in GGUF's order computes. */
static void join_halves(const struct walk *k, float *x, int64_t n_heads) {
    int64_t hd = k->c->head_dim, half = hd / 2;
    float *pairs = k->scratch;
    for (int64_t h = 0; h < n_heads; h++, x += hd) {
        for (int64_t i = 0; i < half; i++) {
            pairs[2 * i] = x[i];
            pairs[2 * i + 1] = x[half + i];
        }
        memcpy(x, pairs, (size_t)hd * sizeof *x);
    }
}

/* Norms and rotation of n_heads heads of row t's q or k, from `x` on; rope: layer's. */
static void turn_heads(const struct walk *k, float *x, int64_t t, int64_t n_heads,
                       const struct norm *norm, int rope) {
    const struct config *c = k->c;
    int64_t hd = c->head_dim;
    if (c->family.qk_norm == QK_NORM_ROW) norm_row(k, x, x, norm, n_heads * hd);
    if (c->family.qk_norm == QK_NORM_HEAD)
        for (int64_t i = 0; i < n_heads; i++) norm_row(k, x + i * hd, x + i * hd, norm, hd);
    if (rope < 0) return;
    int64_t at = (t * k->p->weights->n_ropes + rope) * (c->n_rot / 2);
    const float *cosines = k->r->cosines + at, *sines = k->r->sines + at;
    if (c->family.rope == ROPE_HALF)
        k->m->rope_half_f32(x, cosines, sines, n_heads, hd, c->n_rot);
    if (c->family.rope == ROPE_PAIRS)
        k->m->rope_pairs_f32(x, cosines, sines, n_heads, hd, c->n_rot);
}

/* q, k and v of row t, kv heads [begin, end) and their query heads. */
static void finish_row(const struct walk *k, const struct layer *l, int64_t t,
                       int64_t begin, int64_t end) {
    const struct config *c = k->c;
    int64_t hd = c->head_dim, group = c->n_head / c->n_head_kv, n = end - begin;
    float limit = c->clamp_qkv, *q = k->s->q + t * l->q.w.n + begin * group * hd;
    float *key = k->s->k + t * l->k.w.n + begin * hd,
          *v = k->s->v + t * l->v.w.n + begin * hd;
    if (l->q.halves) join_halves(k, q, n * group);
    if (l->k.halves) join_halves(k, key, n);
    if (limit > 0) {
        clamp(q, n * group * hd, limit);
        clamp(key, n * hd, limit);
        clamp(v, n * hd, limit);
    }
    if (k->p->tape != NULL) {
        const struct tape_layer *tape = &k->p->tape->layers[l - k->p->weights->layers];
        int64_t n_q = l->q.w.n, n_kv = l->k.w.n, first = begin * hd;
        keep(tape->q_raw, k->s->q, 1, 0, t * n_q + first * group,
             t * n_q + (first + n * hd) * group);
        keep(tape->k_raw, k->s->k, 1, 0, t * n_kv + first, t * n_kv + first + n * hd);
    }
    turn_heads(k, q, t, n * group, &l->q_norm, l->rope);
    if (c->temperature > 0) {
        float spans = 1.0F + (float)(k->s->positions[t] / c->rope_short);
        float factor = 1.0F + c->temperature * math_log_f32(spans);
        k->m->scale_f32(q, q, factor, n * group * hd);
    }
    turn_heads(k, key, t, n, &l->k_norm, l->rope);
}

/* Contexts up to which a member attends to the heads that it stored without meeting others:
 * always where heads divide evenly, else only while the waiting is shorter than a barrier. */
static bool alone(const struct walk *k) {
    int64_t longest = 0;
    for (int64_t i = 0; i < k->p->n_segments; i++) {
        const struct attn_segment *s = &k->s->segments[i];
        longest = s->pos + s->n > longest ? s->pos + s->n : longest;
    }
    return longest <= (k->c->n_head_kv % k->me->n == 0 ? 512 : 96);
}

/* Few rows: members finish, store and mostly also attend by heads. */
static void attend_by_heads(const struct walk *k, const struct layer *l,
                            const struct attn_shape *shape) {
    struct workspace *s = k->s;
    int64_t n_q = l->q.w.n, n_kv = l->k.w.n, n_segments = k->p->n_segments, begin, end;
    team_share(k->me, k->c->n_head_kv, 1, &begin, &end);
    for (int64_t t = 0; t < k->T; t++) finish_row(k, l, t, begin, end);
    attn_store_heads(s->segments, n_segments, s->k, n_kv, s->v, n_kv, begin, end);
    if (alone(k)) {
        attn_run_heads(k->me, s->attn, n_q, s->q, n_q, s->segments, n_segments, shape,
                       begin, end, s->attn_scratch);
    } else {
        team_barrier(k->me);
        attn_run(k->me, s->attn, n_q, s->q, n_q, s->segments, n_segments, shape,
                 s->attn_scratch);
    }
}

static void attend_by_rows(const struct walk *k, const struct layer *l,
                           const struct attn_shape *shape) {
    struct workspace *s = k->s;
    int64_t n_q = l->q.w.n, n_kv = l->k.w.n, n_segments = k->p->n_segments, begin, end;
    team_share(k->me, k->T, 1, &begin, &end);
    for (int64_t t = begin; t < end; t++) finish_row(k, l, t, 0, k->c->n_head_kv);
    team_barrier(k->me);
    attn_store(k->me, s->segments, n_segments, s->k, n_kv, s->v, n_kv);
    attn_run(k->me, s->attn, n_q, s->q, n_q, s->segments, n_segments, shape,
             s->attn_scratch);
}

/* h = attention of the rows `in`, with its output layer. */
static void attention(const struct walk *k, const struct layer *l, int64_t layer,
                      const struct operand *in) {
    const struct config *c = k->c;
    struct workspace *s = k->s;
    float *const outputs[] = {s->q, s->k, s->v};
    const struct linear *const inputs[] = {&l->q, &l->k, &l->v}, *const o = &l->o;
    struct attn_shape shape = {.n_head = c->n_head,
                               .scale = c->attn_scale,
                               .window = c->windowed[layer] ? c->window : 0,
                               .cap = c->attn_cap};
    /* Read by members only after the barrier that ends the products. */
    if (k->me->i == 0)
        for (int64_t i = 0; i < k->p->n_segments; i++)
            s->segments[i].cache = &k->p->caches[i][layer];
    observe(k, l, OBSERVED_ATTENTION, in->rows[OPERAND_F32], l->q.w.k);
    products(k, outputs, in, inputs, 3);
    if (k->few && c->family.qk_norm != QK_NORM_ROW)
        attend_by_heads(k, l, &shape);
    else
        attend_by_rows(k, l, &shape);
    team_barrier(k->me);
    int64_t begin, end;
    my_rows(k, &begin, &end);
    struct operand rows = operand_of(k, &o, 1, s->attn, l->q.w.n, begin, end);
    meet_rows(k);
    observe(k, l, OBSERVED_OUTPUT, s->attn, o->w.k);
    products(k, &s->h, &rows, &o, 1);
}

/* ---- MLP ---- */

static void activate(const struct walk *k, const struct layer *l, float *y, const float *x,
                     int64_t n) {
    switch (k->c->family.activation) {
    case ACT_SILU: k->m->silu_f32(y, x, n); break;
    case ACT_GELU_TANH: k->m->gelu_tanh_f32(y, x, n); break;
    case ACT_GELU_ERF: k->m->gelu_erf_f32(y, x, n); break;
    case ACT_XIELU: math_xielu_f32(y, x, n, &l->xielu); break;
    }
}

/* Hidden features [begin, end) of rows [first, last), from the products to their rounded form.
 * What the products give goes onto the tape at once, where it wants that. */
static void hidden(const struct walk *k, const struct layer *l, const struct operand *in,
                   const struct operand *out, int64_t first, int64_t last, int64_t begin,
                   int64_t end) {
    struct workspace *s = k->s;
    int64_t F = k->c->n_ff, n = end - begin;
    enum operand_format f = matmul_format(l->down.w.dtype);
    const struct tape_layer *tape =
        k->p->tape == NULL ? NULL : &k->p->tape->layers[l - k->p->weights->layers];
    float *ups = tape == NULL || tape->up == NULL ? s->up : tape->up;
    float *gates = tape == NULL || tape->gate == NULL ? s->gate : tape->gate;
    if (k->c->family.gated)
        product(k, gates + first * F, in, &l->gate, first, last - first, begin, end);
    product(k, ups + first * F, in, &l->up, first, last - first, begin, end);
    for (int64_t t = first; t < last; t++) {
        float *y = s->up + t * F + begin;
        const float *up = ups + t * F + begin, *gate;
        if (!k->c->family.gated) {
            activate(k, l, y, up, n);
            continue;
        }
        gate = gates + t * F + begin;
        if (k->c->family.activation == ACT_SILU) {
            k->m->silu_mul_f32(y, gate, up, n);
        } else {
            float *active = s->gate + t * F + begin;
            activate(k, l, active, gate, n);
            k->m->mul_f32(y, active, up, n);
        }
    }
    operand_round(s->rounded_up[f], out->row_bytes[f], f, s->up, F, k->T, begin, end);
}

/* h = MLP of the rows `in`. */
static void mlp(const struct walk *k, const struct layer *l, const struct operand *in) {
    struct workspace *s = k->s;
    int64_t F = k->c->n_ff, begin, end;
    enum operand_format f = matmul_format(l->down.w.dtype);
    struct operand inside = {.rows = {s->up}, .row_bytes = {(size_t)F * sizeof *s->up}};
    if (f != OPERAND_F32) {
        inside.rows[f] = s->rounded_up[f];
        inside.row_bytes[f] = operand_row_bytes(f, F);
    }
    int64_t step = operand_unit(f) > 32 ? operand_unit(f) : 32;
    /* Panels of outputs are no whole blocks of 256. */
    int64_t unit = k->p->tape == NULL || step > 32 ? matmul_unit(F, step, k->me->n, k->few)
                                                   : matmul_output_unit(k->T, F, k->me->n);
    const struct linear *const ins[] = {&l->up, &l->gate};
    adapt_inputs(k, in, ins, k->c->family.gated ? 2 : 1);
    observe(k, l, OBSERVED_MLP, in->rows[OPERAND_F32], l->up.w.k);
    int64_t rows = row_unit(k, ins, k->c->family.gated ? 2 : 1);
    if (f == OPERAND_F32 && rows > 0)
        while (team_queue_next(k->me, k->T, rows, &begin, &end)) {
            struct operand x = rows_from(in, begin);
            hidden(k, l, &x, &inside, begin, end, 0, F);
        }
    else
        while (team_queue_next(k->me, F, unit, &begin, &end))
            hidden(k, l, in, &inside, 0, k->T, begin, end);
    team_barrier(k->me);
    if (k->p->again && !k->c->family.norm_after) return; /* the stream ends here */
    observe(k, l, OBSERVED_DOWN, s->up, F);
    const struct linear *const down = &l->down;
    products(k, &s->h, &inside, &down, 1);
}

/* ---- the walk ---- */

static void block(const struct walk *k, int64_t layer) {
    static const struct tape_layer nothing = {0};
    const struct layer *l = &k->p->weights->layers[layer];
    const struct linear *const qkv[] = {&l->q, &l->k, &l->v}, *const mlp_in[] = {&l->up,
                                                                                 &l->gate};
    const struct tape_layer *tape =
        k->p->tape == NULL ? &nothing : &k->p->tape->layers[layer];
    int n_mlp_in = k->c->family.gated ? 2 : 1;
    use_tape(k, layer);
    keep_rows(k, tape->x_attn, k->r->x);
    struct operand in = input_rows(k, &l->attn_norm, qkv, 3);
    attention(k, l, layer, &in);
    keep_rows(k, tape->attn_out, k->s->h);
    if (k->c->parallel_residual) {
        /* x + attn(norm1 x) + mlp(norm2 x): norm2 reads x before the attention joins it. */
        in = input_rows(k, &l->ffn_norm, mlp_in, n_mlp_in);
        join(k, &l->attn_after);
    } else {
        join(k, &l->attn_after);
        keep_rows(k, tape->x_ffn, k->r->x);
        in = input_rows(k, &l->ffn_norm, mlp_in, n_mlp_in);
    }
    mlp(k, l, &in);
    keep_rows(k, tape->ffn_out, k->s->h);
    if (!k->p->again) join(k, &l->ffn_after);
}

/* Logits [begin, end) of a request, from the products to what the model means. */
static void finish_logits(const struct walk *k, const struct logit_request *request,
                          int64_t begin, int64_t end) {
    const struct config *c = k->c;
    if (c->logit_divisor == 1 && c->logit_cap == 0) return;
    for (int64_t t = 0; t < request->n; t++) {
        float *x = request->out + t * c->n_vocab + begin;
        if (c->logit_divisor != 1) k->m->divide_f32(x, x, c->logit_divisor, end - begin);
        if (c->logit_cap > 0) math_softcap_f32(x, x, end - begin, c->logit_cap);
    }
}

/* Token t of a request: its normed row is row `to` of those that the head reads. */
static void final_row(const struct walk *k, const struct logit_request *request, int64_t t,
                      int64_t to) {
    int64_t D = k->c->n_embd;
    float *normed = k->r->normed + to * D;
    norm_row(k, normed, k->r->x + (request->first + t) * D, &k->p->weights->final_norm, D);
    /* Few rows are normed by every member: one of them hands them over. */
    if (request->hidden != NULL && (!k->few || k->me->i == 0))
        memcpy(request->hidden + t * D, normed, (size_t)D * sizeof *normed);
}

/* Final norm and head of the rows that were asked for, whose normed rows lie one after the
 * other. A range of the head's rows serves all requests before the next one is read. */
static void head(const struct walk *pass_walk) {
    const struct pass *p = pass_walk->p;
    struct walk of_requests = *pass_walk, *const k = &of_requests;
    k->adapt = p->adapt_head;
    const struct linear *const l = &p->weights->head;
    int64_t D = k->c->n_embd, V = k->c->n_vocab, n = 0, begin, end;
    bool wanted = false; /* logits, by anybody */
    for (int64_t i = 0; i < p->n_requests; i++) {
        n += p->requests[i].n;
        wanted |= p->requests[i].out != NULL;
    }
    begin = 0;
    end = n;
    if (!k->few) team_share(k->me, n, 1, &begin, &end);
    meet_rows(k); /* others may have joined the rows that are this member's now */
    for (int64_t i = 0, first = 0; i < p->n_requests; first += p->requests[i++].n)
        for (int64_t t = 0; t < p->requests[i].n; t++)
            if (first + t >= begin && first + t < end)
                final_row(k, &p->requests[i], t, first + t);
    if (!wanted) return;
    struct operand in = operand_of(k, &l, 1, k->r->normed, D, begin, end);
    meet_rows(k);
    int64_t unit = matmul_unit(V, 32, k->me->n, n <= FEW_ROWS);
    adapt_inputs(k, &in, &l, 1);
    while (team_queue_next(k->me, V, unit, &begin, &end)) {
        struct operand rows = in;
        for (int64_t i = 0, first = 0; i < p->n_requests; first += p->requests[i++].n) {
            if (p->requests[i].out != NULL) {
                product(k, p->requests[i].out, &rows, l, first, p->requests[i].n, begin,
                        end);
                finish_logits(k, &p->requests[i], begin, end);
            }
            for (int f = 0; f < OPERAND_FORMATS; f++)
                if (rows.rows[f] != NULL)
                    rows.rows[f] = (const char *)rows.rows[f] +
                                   (size_t)p->requests[i].n * rows.row_bytes[f];
        }
    }
}

/* mine: a copy of the pass's workspace, since a tape changes where its pointers lead. */
static struct walk walk_of(const struct pass *p, const struct member *me,
                           struct workspace *mine) {
    bool few = p->n_rows <= FEW_ROWS && p->tape == NULL;
    return (struct walk){.p = p,
                         .c = p->config,
                         .s = mine,
                         .m = math_kernels(),
                         .me = me,
                         .T = p->n_rows,
                         .few = few,
                         .r = few ? &p->work->own[me->i] : &p->work->shared,
                         .adapt = p->adapt,
                         .scratch =
                             p->work->scratch + (size_t)me->i * p->work->scratch_bytes};
}

static void walk_pass(void *context, const struct member *me) {
    const struct pass *p = context;
    struct workspace mine = *p->work;
    struct walk k = walk_of(p, me, &mine);
    embed(&k);
    for (int64_t layer = 0; layer < k.c->n_layer; layer++) block(&k, layer);
    if (p->tape != NULL) keep_rows(&k, p->tape->x, k.r->x);
    if (p->n_requests > 0) head(&k);
}

void forward_again(const struct pass *p, const struct member *me, int64_t layer) {
    struct workspace mine = *p->work;
    struct walk k = walk_of(p, me, &mine);
    int64_t D = k.c->n_embd, begin, end;
    my_rows(&k, &begin, &end);
    memcpy(k.r->x + begin * D, p->tape->layers[layer].x_attn + begin * D,
           (size_t)((end - begin) * D) * sizeof *k.r->x);
    block(&k, layer);
    team_barrier(me);
}

struct head_job {
    struct pass pass;
    const float *x;
};

static void walk_head(void *context, const struct member *me) {
    const struct head_job *job = context;
    struct workspace mine = *job->pass.work;
    struct walk k = walk_of(&job->pass, me, &mine);
    int64_t D = k.c->n_embd, begin, end;
    my_rows(&k, &begin, &end);
    memcpy(k.r->x + begin * D, job->x + begin * D,
           (size_t)((end - begin) * D) * sizeof *job->x);
    head(&k);
}

void forward_head(const struct pass *pass, const float *x) {
    struct head_job job = {*pass, x};
    job.pass.tape = NULL;
    team_run(pass->work->n_threads, walk_head, &job);
}

void forward(const struct pass *pass) {
    struct pass copy = *pass;
    team_run(pass->work->n_threads, walk_pass, &copy);
}
