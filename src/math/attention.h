/* attention.h - the key/value cache of one layer and attention over it, for a team.
 *
 * Order (arithmetic.md, "Attention"): s_j = dot(q, k_j) * scale, capped (compose.h) where
 * the shape says so; m = max over visible keys;
 * p_j = exp(s_j - m); z = sum16(p) by absolute key index; o = (product over visible keys
 * ascending, blocks at absolute multiples of 256) / z. The product is the sum of the blocks'
 * chains, ascending from the first block with a visible key (not from +0); each chain starts
 * at +0 before its first visible key. Key index = absolute position, so nothing depends on how
 * tokens were cut into calls.
 *
 * The cache's type is storage only: values are rounded once when stored (f16: to nearest
 * even; q8_0: per 32 values, d = f16(max|x|/127), q = round-half-even(x * (1/d)), the details
 * in attn_c.c) and widen exactly when read. */
#ifndef MATH_ATTENTION_H
#define MATH_ATTENTION_H

#include "base/team.h"
#include "glass/dtype.h"

struct attn_cache {
    glass_dtype dtype; /* GLASS_F32, GLASS_F16, GLASS_Q8_0 */
    int64_t n_ctx, n_head_kv, head_dim;
    void *k, *v; /* borrowed, attn_cache_bytes each, 64-aligned;
                                             need not be initialised */
    /* Instead of k and v: block i of ATTN_BLOCK positions lies in pages[i] (borrowed), its keys
     * from k_at on, its values from v_at on, as in a cache of ATTN_BLOCK positions. Only pages
     * with keys that are stored or visible need be there. */
    void *const *pages;
    size_t k_at, v_at;
};

/* GLASS_USAGE if the type or head_dim cannot be stored (q8_0 wants head_dim % 32 == 0, the
 * others head_dim % 2 == 0). */
glass_status attn_cache_check(glass_dtype dtype, int64_t head_dim);
/* Bytes of the K store, and of the V store, of one layer. SIZE_MAX on overflow. */
size_t attn_cache_bytes(glass_dtype dtype, int64_t n_ctx, int64_t n_head_kv,
                        int64_t head_dim);

/* The stored bits of positions [pos, pos + n) in a layout of their own, for saved sessions:
 * rows of n_head_kv * head_dim values, attn_row_bytes each; f32 and f16 in the machine's
 * order, q8_0 as blocks { f16 d; int8 q[32] }. attn_import puts back what attn_export gave. */
size_t attn_row_bytes(glass_dtype dtype, int64_t n_head_kv, int64_t head_dim);
void attn_export(void *k, void *v, const struct attn_cache *cache, int64_t pos, int64_t n);
void attn_import(struct attn_cache *cache, const void *k, const void *v, int64_t pos,
                 int64_t n);

/* The first n positions of a page, n at most ATTN_BLOCK, into another; both caches are of one
 * shape and have pages. */
void attn_copy_page(const struct attn_cache *cache, void *to, const void *from, int64_t n);

/* One run of rows that attend over one cache: a session's part of a batch. */
struct attn_segment {
    const struct attn_cache *cache;
    int64_t pos;    /* absolute position of its first row */
    int64_t row, n; /* its rows in q, k, v and o */
};

struct attn_shape {
    int64_t n_head; /* query heads; n_head % n_head_kv == 0 */
    float scale;
    int64_t window; /* 0: all keys up to the query; else keys in (p - window, p] */
    float cap;      /* scores become cap * tanh(score / cap); 0: they do not */
};

/* All members: stores rows of k and v (each row n_head_kv * head_dim floats, strides in
 * floats) at positions pos … pos+n-1. Ends with a barrier. */
void attn_store(const struct member *me, const struct attn_segment *segments,
                int64_t n_segments, const float *k, int64_t k_stride, const float *v,
                int64_t v_stride);
/* The same for kv heads [head_begin, head_end) by this thread alone, without a barrier. */
void attn_store_heads(const struct attn_segment *segments, int64_t n_segments,
                      const float *k, int64_t k_stride, const float *v, int64_t v_stride,
                      int64_t head_begin, int64_t head_end);
/* Bytes of the 64-aligned scratch that a team of n_members shares, for contexts of up to
 * n_ctx. */
size_t attn_scratch_bytes(int64_t n_ctx, int64_t head_dim, int64_t n_head,
                          int64_t n_head_kv, int n_members);
/* All members, with the same arguments and the same scratch: o rows (n_head * head_dim) from q
 * rows. All segments have the same n_head_kv and head_dim. Uses the team's queue (with
 * barriers of its own where it splits a head among members) and does not end with a barrier. */
void attn_run(const struct member *me, float *o, int64_t o_stride, const float *q,
              int64_t q_stride, const struct attn_segment *segments, int64_t n_segments,
              const struct attn_shape *shape, void *scratch);
/* The query heads of kv heads [head_begin, head_end) by this member alone: no queue, no
 * barrier. Members that stored the same heads need not meet in between. */
void attn_run_heads(const struct member *me, float *o, int64_t o_stride, const float *q,
                    int64_t q_stride, const struct attn_segment *segments,
                    int64_t n_segments, const struct attn_shape *shape, int64_t head_begin,
                    int64_t head_end, void *scratch);

/* What a row of a pass weighs keys by, made again from what the cache holds: q (head_dim) is
 * query head `head` at absolute position pos, as attn_run read it. p[j] becomes p_j of the order
 * above for every visible key j, 0 for the other keys up to pos; p has room for pos + 1 rounded
 * up to ATTN_BLOCK. Returns z; p[j] / z is the share of key j. For one thread alone. */
float attn_exponents(float *p, const float *q, int64_t head, int64_t pos,
                     const struct attn_cache *cache, const struct attn_shape *shape);

#endif
