/* attn_layout.h - how a layer's keys and values lie in the cache; shared by attention.c and
 * its kernels.
 *
 * Lanes are different outputs: keys for the scores, features for the weighted sum of values.
 * So keys lie transposed in tiles of 16, values in panels of 16 or 32 features:
 *
 *   K f32, f16   [kv head][tile][head_dim][16 keys]
 *   K q8_0       [kv head][tile][head_dim / 32]{ f16 d[16 keys]; int8 q[32][16 keys] }
 *   V f32, f16   [kv head][panel of 16][key][16 features]   (the last panel is padded)
 *   V q8_0       [kv head][panel of 32][tile]{ f16 d[16 keys]; int8 q[16 keys][32] }
 *
 * Capacity is rounded up to whole tiles. Slots that were never stored hold anything: no value
 * of theirs reaches a visible result. */
#ifndef MATH_ATTN_LAYOUT_H
#define MATH_ATTN_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

enum {
    ATTN_TILE = 16,     /* keys of a K tile, features of a V panel */
    ATTN_BLOCK = 256,   /* the block of arithmetic.md */
    ATTN_Q8_BYTES = 544 /* 16 x 32 values and 16 scales */
};

#define ATTN_QK_PARAMETERS                                                                 \
    (float *s, int64_t s_stride, const float *q, int64_t q_stride, const int64_t *begin,   \
     const int64_t *end, int64_t n_rows, const void *k, const void *next, int64_t key0,    \
     int64_t head_dim, float scale)
#define ATTN_PV_PARAMETERS                                                                 \
    (float *o, int64_t o_stride, const float *p, int64_t p_stride, const int64_t *begin,   \
     const int64_t *end, int64_t n_rows, const void *v, const void *next,                  \
     size_t panel_bytes, int64_t key0, int64_t head_dim)

#endif
