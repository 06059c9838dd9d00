/* attention.c - the cache and attention in the order of arithmetic.md, for a team.
 *
 * K and V are rows of head_dim numbers, one row per key, heads apart:
 *   F32: (n_head_kv, n_ctx, head_dim) floats;  F16: the same in halves;
 *   Q8_0: rows of head_dim/32 blocks {f16 d, int8 q[32]} as in GGUF.
 * Work is handed out per (row, kv head): a head's keys are widened in tiles of 256 and
 * serve all query heads of the group. */
#include "math/attention.h"

#include "base/fail.h"
#include "math/kernels.h"

#include <math.h>
#include <string.h>

enum { TILE = 256 /* keys; also arithmetic.md's block of a product over keys */ };

static size_t row_bytes(glass_dtype dtype, int64_t head_dim) {
    return (size_t)(head_dim / glass_dtype_block(dtype)) * glass_dtype_block_bytes(dtype);
}

glass_status attn_cache_check(glass_dtype dtype, int64_t head_dim) {
    if (dtype != GLASS_F32 && dtype != GLASS_F16 && dtype != GLASS_Q8_0)
        return fail(GLASS_USAGE, "a cache in %s: f32, f16 and q8_0 are possible",
                    glass_dtype_name(dtype) ? glass_dtype_name(dtype) : "that type");
    if (head_dim % glass_dtype_block(dtype) != 0)
        return fail(GLASS_USAGE,
                    "a q8_0 cache needs heads of a multiple of 32 numbers, and this model's "
                    "have %lld: use f16",
                    (long long)head_dim);
    return GLASS_OK;
}

size_t attn_cache_bytes(glass_dtype dtype, int64_t n_ctx, int64_t n_head_kv,
                        int64_t head_dim) {
    return (size_t)(n_ctx * n_head_kv) * row_bytes(dtype, head_dim);
}

void *attn_cache_row(const struct attn_cache *c, void *store, int64_t head, int64_t key) {
    return (char *)store + (size_t)(head * c->n_ctx + key) * row_bytes(c->dtype, c->head_dim);
}

size_t attn_cache_row_bytes(const struct attn_cache *c) {
    return row_bytes(c->dtype, c->head_dim);
}

/* One head's row into the cache. Q8_0: d = f16(max|x| / 127), q = round-half-even(x / d's
 * reciprocal); where d is zero or not finite, or the reciprocal overflows, q = 0. */
static void store_row(const struct attn_cache *c, void *out, const float *x) {
    const struct math_kernels *m = math_kernels();
    if (c->dtype == GLASS_F32) {
        memcpy(out, x, (size_t)c->head_dim * sizeof *x);
    } else if (c->dtype == GLASS_F16) {
        m->round_f16(out, x, c->head_dim);
    } else {
        for (int64_t b = 0; b < c->head_dim / 32; b++) {
            char *block = (char *)out + 34 * b;
            float most = 0, wide;
            for (int i = 0; i < 32; i++)
                most = fabsf(x[32 * b + i]) > most ? fabsf(x[32 * b + i]) : most;
            float d = most / 127.0F;
            m->round_f16(block, &d, 1);
            m->widen_f16(&wide, block, 1);
            float inverse = wide > 0 ? 1.0F / wide : 0;
            for (int i = 0; i < 32; i++) {
                float scaled = x[32 * b + i] * inverse;
                scaled = scaled > 127 ? 127 : scaled;
                scaled = scaled < -127 ? -127 : scaled;
                /* Comparisons with NaN are false: it becomes 0. */
                int q = scaled == scaled ? (int)(scaled + 0x1.8p23F - 0x1.8p23F) : 0;
                block[2 + i] = (char)(signed char)q;
            }
        }
    }
}

void attn_store(const struct member *me, const struct attn_segment *segments,
                int64_t n_segments, const float *k, int64_t k_stride, const float *v,
                int64_t v_stride) {
    for (int64_t s = 0; s < n_segments; s++) {
        const struct attn_segment *g = &segments[s];
        const struct attn_cache *c = g->cache;
        int64_t begin, end;
        team_share(me, g->n * c->n_head_kv, 1, &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            int64_t t = i / c->n_head_kv, head = i % c->n_head_kv, key = g->pos + t;
            const float *from = k + (g->row + t) * k_stride + head * c->head_dim;
            store_row(c, attn_cache_row(c, c->k, head, key), from);
            from = v + (g->row + t) * v_stride + head * c->head_dim;
            store_row(c, attn_cache_row(c, c->v, head, key), from);
        }
    }
    team_barrier(me);
}

static size_t aligned(size_t n_bytes) {
    return (n_bytes + 63) / 64 * 64;
}

/* Per member: widened keys or values of one tile, scores of the row block's queries, one
 * block sum. */
enum { ROWS = 16 };

size_t attn_scratch_bytes(int64_t n_ctx, int64_t head_dim, int64_t n_head,
                          int64_t n_head_kv) {
    size_t group = (size_t)(n_head / n_head_kv);
    return aligned(TILE * (size_t)head_dim * sizeof(float)) +
           aligned(ROWS * group * (size_t)(n_ctx + TILE) * sizeof(float)) +
           aligned(ROWS * group * sizeof(float)) + aligned((size_t)head_dim * sizeof(float));
}

/* What one piece of work (a block of rows of a segment, one kv head) has at hand. */
struct piece {
    const struct attn_cache *c;
    const struct attn_shape *shape;
    const float *q;
    float *o;
    int64_t q_stride, o_stride;
    int64_t head, group;       /* kv head; its query heads are head*group … */
    int64_t pos, n;            /* first row's position, rows */
    int64_t n_scores;          /* floats a score row has room for */
    float *tile, *scores, *sums, *block;
};

static int64_t first_visible(const struct piece *p, int64_t position) {
    int64_t window = p->shape->window;
    return window > 0 && position + 1 > window ? position + 1 - window : 0;
}

/* Widens keys (or values) begin … end-1 of the head into the tile, or points at them. */
static const float *widened(const struct piece *p, void *store, int64_t begin, int64_t end) {
    const struct math_kernels *m = math_kernels();
    const void *from = attn_cache_row(p->c, store, p->head, begin);
    int64_t n = (end - begin) * p->c->head_dim;
    if (p->c->dtype == GLASS_F32) return from;
    if (p->c->dtype == GLASS_F16) {
        m->widen_f16(p->tile, from, n);
    } else {
        m->widen_q8_0(p->tile, from, n);
    }
    return p->tile;
}

static const float *query(const struct piece *p, int64_t t, int64_t g) {
    return p->q + t * p->q_stride + (p->head * p->group + g) * p->c->head_dim;
}

static float *scores_of(const struct piece *p, int64_t t, int64_t g) {
    return p->scores + (t * p->group + g) * p->n_scores;
}

/* s_j = dot(q, k_j) * scale for the visible keys, tile by tile: a small product whose lanes
 * are keys. */
static void score(const struct piece *p, void *scratch) {
    const struct math_kernels *m = math_kernels();
    int64_t hd = p->c->head_dim, last = p->pos + p->n;
    size_t key_row = (size_t)hd * sizeof(float);
    for (int64_t begin = first_visible(p, p->pos) / TILE * TILE; begin < last; begin += TILE) {
        int64_t end = begin + TILE < last ? begin + TILE : last;
        const float *keys = widened(p, p->c->k, begin, end);
        /* All rows at once; what a row must not see is computed and never read. */
        for (int64_t g = 0; g < p->group; g++)
            m->gemm_f32(scores_of(p, 0, g) + begin, p->group * p->n_scores, query(p, 0, g),
                        (size_t)p->q_stride * sizeof(float), keys, key_row, p->n, end - begin,
                        hd, scratch);
    }
    for (int64_t t = 0; t < p->n; t++)
        for (int64_t g = 0; g < p->group; g++) {
            float *s = scores_of(p, t, g);
            int64_t from = first_visible(p, p->pos + t), to = p->pos + t + 1;
            m->scale_f32(s + from, s + from, p->shape->scale, to - from);
            float most = m->max_f32(s + from, to - from);
            p->sums[t * p->group + g] = m->softmax_exp_f32(s, s, most, from, to);
        }
}

/* o = (sum over blocks of 256 absolute keys, visible ones, of chains) / z. */
static void mix(const struct piece *p) {
    const struct math_kernels *m = math_kernels();
    int64_t hd = p->c->head_dim, last = p->pos + p->n;
    for (int64_t begin = first_visible(p, p->pos) / TILE * TILE; begin < last; begin += TILE) {
        int64_t end = begin + TILE < last ? begin + TILE : last;
        const float *values = widened(p, p->c->v, begin, end);
        for (int64_t t = 0; t < p->n; t++) {
            int64_t visible = first_visible(p, p->pos + t);
            int64_t from = visible > begin ? visible : begin;
            int64_t to = p->pos + t + 1 < end ? p->pos + t + 1 : end;
            if (from >= to) continue;
            for (int64_t g = 0; g < p->group; g++) {
                float *o = p->o + t * p->o_stride + (p->head * p->group + g) * hd;
                float *sum = from == visible ? o : p->block;
                m->mix_f32(sum, scores_of(p, t, g) + from, values + (from - begin) * hd,
                           to - from, hd);
                if (sum != o) m->add_f32(o, o, sum, hd);
            }
        }
    }
    for (int64_t t = 0; t < p->n; t++)
        for (int64_t g = 0; g < p->group; g++)
            m->divide_f32(p->o + t * p->o_stride + (p->head * p->group + g) * hd,
                          p->o + t * p->o_stride + (p->head * p->group + g) * hd,
                          p->sums[t * p->group + g], hd);
}

static void lay_scratch(struct piece *p, void *scratch, int64_t n_ctx) {
    char *at = scratch;
    size_t group = (size_t)p->group;
    p->n_scores = n_ctx + TILE;
    p->tile = (float *)(void *)at;
    at += aligned(TILE * (size_t)p->c->head_dim * sizeof(float));
    p->scores = (float *)(void *)at;
    at += aligned(ROWS * group * (size_t)p->n_scores * sizeof(float));
    p->sums = (float *)(void *)at;
    at += aligned(ROWS * group * sizeof(float));
    p->block = (float *)(void *)at;
}

static int64_t row_blocks(const struct attn_segment *g) {
    return (g->n + ROWS - 1) / ROWS;
}

void attn_run(const struct member *me, float *o, int64_t o_stride, const float *q,
              int64_t q_stride, const struct attn_segment *segments, int64_t n_segments,
              const struct attn_shape *shape, void *scratch, void *gemm_scratch) {
    int64_t total = 0, begin, end;
    for (int64_t s = 0; s < n_segments; s++)
        total += row_blocks(&segments[s]) * segments[s].cache->n_head_kv;
    while (team_queue_next(me, total, 1, &begin, &end)) {
        int64_t s = 0, at = begin;
        while (at >= row_blocks(&segments[s]) * segments[s].cache->n_head_kv) {
            at -= row_blocks(&segments[s]) * segments[s].cache->n_head_kv;
            s++;
        }
        const struct attn_segment *g = &segments[s];
        const struct attn_cache *c = g->cache;
        /* Long rows first: the last ones handed out are the short ones. */
        int64_t block = row_blocks(g) - 1 - at / c->n_head_kv, first = block * ROWS;
        struct piece p = {.c = c, .shape = shape, .q_stride = q_stride, .o_stride = o_stride,
                          .head = at % c->n_head_kv, .group = shape->n_head / c->n_head_kv,
                          .pos = g->pos + first,
                          .n = g->n - first < ROWS ? g->n - first : ROWS,
                          .q = q + (g->row + first) * q_stride,
                          .o = o + (g->row + first) * o_stride};
        lay_scratch(&p, scratch, c->n_ctx);
        score(&p, gemm_scratch);
        mix(&p);
    }
}
