/* attn_back.c - the backward pass of attention; see attn_back.h. An item is a kv head of a
 * segment, and goes through its queries in strips of a block: the strip's probabilities are made
 * once more, then every block of keys gets and gives its share. */
#include "train/attn_back.h"

#include "math/kernels.h"

#include <string.h>

enum { BLOCK = 256, PAD = 16 /* floats between rows, against cache set conflicts */ };

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t round_up(int64_t n, int64_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* One item's work, in a member's scratch. */
struct item {
    const struct attn_back *job;
    const struct math_kernels *m;
    const struct attn_rows *segment;
    int64_t head_kv;
    int64_t p_stride;
    float *p;       /* (BLOCK, p_stride) the strip's p by absolute key */
    float *t;       /* the same of soft caps: their tanh */
    float *dp, *ds; /* (BLOCK, BLOCK + PAD) of one block of keys */
    float *g;       /* (BLOCK, head_dim) */
    float *part;    /* (BLOCK, head_dim) a block's share */
    float *d;       /* (BLOCK) */
    void *gemm;     /* GEMM_SCRATCH_BYTES */
};

enum { DS_STRIDE = BLOCK + PAD };

static size_t floats_of(int64_t n, int64_t head_dim, bool capped) {
    int64_t p_stride = round_up(n, 16) + PAD;
    return (size_t)(BLOCK * ((capped ? 2 : 1) * p_stride + 2 * DS_STRIDE +
                             2 * round_up(head_dim, 16) + 1));
}

size_t attn_back_scratch_bytes(int64_t n, int64_t head_dim, bool capped) {
    return GEMM_SCRATCH_BYTES +
           (size_t)round_up((int64_t)floats_of(n, head_dim, capped), 16) * 4;
}

static void lay_out(struct item *it, void *scratch) {
    int64_t wide = BLOCK * round_up(it->job->head_dim, 16);
    it->gemm = scratch;
    it->g = (float *)(void *)((char *)scratch + GEMM_SCRATCH_BYTES);
    it->part = it->g + wide;
    it->d = it->part + wide;
    it->dp = it->d + BLOCK;
    it->ds = it->dp + BLOCK * DS_STRIDE;
    it->p = it->ds + BLOCK * DS_STRIDE;
    it->t = it->p + BLOCK * it->p_stride;
}

/* Row t of a segment in q, o, dq …, at query head h; in k, v … at the item's kv head. */
static int64_t at_q(const struct item *it, int64_t t, int64_t h) {
    const struct attn_back *j = it->job;
    return ((it->segment->row + t) * j->n_head + h) * j->head_dim;
}

static int64_t at_kv(const struct item *it, int64_t t) {
    const struct attn_back *j = it->job;
    return ((it->segment->row + t) * j->n_head_kv + it->head_kv) * j->head_dim;
}

/* The first key that query t sees. */
static int64_t first_key(const struct attn_back *j, int64_t t) {
    return j->window > 0 && t >= j->window ? t - j->window + 1 : 0;
}

/* The soft cap of n scores; t keeps the tanh. */
static void cap_scores(const struct item *it, float *s, float *t, int64_t n) {
    it->m->divide_f32(t, s, it->job->cap, n);
    it->m->tanh_f32(t, t, n);
    it->m->scale_f32(s, t, it->job->cap, n);
}

/* p, g and d of the queries [t0, t0 + n) of head h; keys from `from`, a block's start, on. */
static void strip(const struct item *it, int64_t h, int64_t t0, int64_t n, int64_t from) {
    const struct attn_back *j = it->job;
    size_t q_row = (size_t)(j->n_head * j->head_dim) * 4;
    size_t kv_row = (size_t)(j->n_head_kv * j->head_dim) * 4;
    int64_t n_keys = t0 + n - from, padded = round_up(t0 + n, BLOCK);
    it->m->gemm_f32(it->p + from, it->p_stride, j->q + at_q(it, t0, h), q_row,
                    j->k + at_kv(it, from), kv_row, n, n_keys, j->head_dim, it->gemm);
    for (int64_t i = 0; i < n; i++) {
        float *p = it->p + i * it->p_stride;
        const float *d_o = j->d_o + at_q(it, t0 + i, h), *o = j->o + at_q(it, t0 + i, h);
        float *g = it->g + i * j->head_dim;
        int64_t begin = first_key(j, t0 + i), end = t0 + i + 1;
        it->m->scale_f32(p + begin, p + begin, j->scale, end - begin);
        if (j->cap > 0)
            cap_scores(it, p + begin, it->t + i * it->p_stride + begin, end - begin);
        float most = it->m->max_f32(p + begin, end - begin);
        float z = it->m->softmax_exp_f32(p, p, most, begin, end);
        for (int64_t l = from; l < begin; l++) p[l] = 0;
        for (int64_t l = end; l < smaller(padded, it->segment->n); l++) p[l] = 0;
        it->m->divide_f32(g, d_o, z, j->head_dim);
        it->d[i] = it->m->dot16_f32(g, o, j->head_dim);
    }
}

/* to (n rows, row floats apart) += part. */
static void add_part(const struct item *it, float *to, int64_t row, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        it->m->add_f32(to + i * row, to + i * row, it->part + i * it->job->head_dim,
                       it->job->head_dim);
}

/* The share of the keys [k0, k0 + n_keys) and of the strip in each other's gradients. */
static void block(const struct item *it, int64_t h, int64_t t0, int64_t n, int64_t k0,
                  int64_t n_keys) {
    const struct attn_back *j = it->job;
    int64_t hd = j->head_dim, q_width = j->n_head * hd, kv_width = j->n_head_kv * hd;
    size_t q_row = (size_t)q_width * 4, kv_row = (size_t)kv_width * 4,
           g_row = (size_t)hd * 4;
    const float *p = it->p + k0;
    it->m->gemm_f32(it->dp, DS_STRIDE, it->g, g_row, j->v + at_kv(it, k0), kv_row, n,
                    n_keys, hd, it->gemm);
    for (int64_t i = 0; i < n; i++) {
        float *ds = it->ds + i * DS_STRIDE;
        int64_t begin = first_key(j, t0 + i) - k0, end = t0 + i + 1 - k0;
        it->m->softmax_back_f32(ds, p + i * it->p_stride, it->dp + i * DS_STRIDE, it->d[i],
                                n_keys);
        if (j->cap > 0) {
            int64_t first = begin > 0 ? begin : 0, last = smaller(end, n_keys);
            if (first < last)
                it->m->softcap_back_f32(ds + first, it->t + i * it->p_stride + k0 + first,
                                        last - first);
        }
        for (int64_t l = 0; l < smaller(begin, n_keys); l++) ds[l] = 0;
        for (int64_t l = end; l < n_keys; l++) ds[l] = 0;
    }
    it->m->gemm_tn_f32(it->part, hd, p, (size_t)it->p_stride * 4, it->g, g_row, n_keys, hd,
                       n, it->gemm);
    add_part(it, j->dv + at_kv(it, k0), kv_width, n_keys);
    it->m->gemm_tn_f32(it->part, hd, it->ds, DS_STRIDE * 4, j->q + at_q(it, t0, h), q_row,
                       n_keys, hd, n, it->gemm);
    add_part(it, j->dk + at_kv(it, k0), kv_width, n_keys);
    it->m->gemm_nn_f32(it->part, hd, it->ds, DS_STRIDE * 4, j->k + at_kv(it, k0), kv_row, n,
                       hd, n_keys, it->gemm);
    add_part(it, j->dq + at_q(it, t0, h), q_width, n);
}

static void query_head(const struct item *it, int64_t h) {
    const struct attn_back *j = it->job;
    for (int64_t t0 = 0; t0 < it->segment->n; t0 += BLOCK) {
        int64_t n = smaller(BLOCK, it->segment->n - t0);
        int64_t from = first_key(j, t0) / BLOCK * BLOCK;
        for (int64_t i = 0; i < n; i++)
            memset(j->dq + at_q(it, t0 + i, h), 0, (size_t)j->head_dim * 4);
        strip(it, h, t0, n, from);
        for (int64_t k0 = from; k0 < t0 + n; k0 += BLOCK)
            block(it, h, t0, n, k0, smaller(BLOCK, it->segment->n - k0));
        for (int64_t i = 0; i < n; i++) {
            float *dq = j->dq + at_q(it, t0 + i, h);
            it->m->scale_f32(dq, dq, j->scale, j->head_dim);
        }
    }
}

static void run_item(const struct attn_back *j, int64_t index, void *scratch) {
    struct item it = {.job = j,
                      .m = math_kernels(),
                      .segment = &j->segments[index / j->n_head_kv],
                      .head_kv = index % j->n_head_kv};
    int64_t group = j->n_head / j->n_head_kv;
    size_t head_bytes = (size_t)j->head_dim * 4;
    it.p_stride = round_up(it.segment->n, 16) + PAD;
    lay_out(&it, scratch);
    for (int64_t t = 0; t < it.segment->n; t++) {
        memset(j->dk + at_kv(&it, t), 0, head_bytes);
        memset(j->dv + at_kv(&it, t), 0, head_bytes);
    }
    for (int64_t h = 0; h < group; h++) query_head(&it, it.head_kv * group + h);
    for (int64_t t = 0; t < it.segment->n; t++) {
        float *dk = j->dk + at_kv(&it, t);
        it.m->scale_f32(dk, dk, j->scale, j->head_dim);
    }
}

void attn_back_run(const struct member *me, const struct attn_back *job, void *scratch) {
    int64_t begin, end;
    while (team_queue_next(me, job->n_segments * job->n_head_kv, 1, &begin, &end))
        for (int64_t i = begin; i < end; i++) run_item(job, i, scratch);
    team_barrier(me);
}
