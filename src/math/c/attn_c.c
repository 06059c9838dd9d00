/* attn_c.c - attention's kernels in portable C: the definition, to be read beside
 * arithmetic.md. */
#include "math/attn_layout.h"
#include "math/dispatch.h"
#include "math/half.h"

#include <math.h>

/* Feature d of the key in `lane` of a tile; every value widens exactly. */
static float k_f32(const uint8_t *tile, int64_t d, int64_t lane) {
    float x;
    memcpy(&x, tile + (size_t)(d * ATTN_TILE + lane) * sizeof x, sizeof x);
    return x;
}

static float k_f16(const uint8_t *tile, int64_t d, int64_t lane) {
    return f16_widen(load_u16(tile + (size_t)(d * ATTN_TILE + lane) * 2));
}

static float k_q8_0(const uint8_t *tile, int64_t d, int64_t lane) {
    const uint8_t *block = tile + (size_t)(d / 32) * ATTN_Q8_BYTES;
    const int8_t *q = (const int8_t *)block + 32;
    return f16_widen(load_u16(block + 2 * lane)) * (float)q[d % 32 * ATTN_TILE + lane];
}

/* Feature d of key j; v points at key 0 of the block. */
static float v_f32(const uint8_t *v, size_t panel_bytes, int64_t j, int64_t d) {
    const uint8_t *panel = v + (size_t)(d / ATTN_TILE) * panel_bytes;
    float x;
    memcpy(&x, panel + (size_t)(j * ATTN_TILE + d % ATTN_TILE) * sizeof x, sizeof x);
    return x;
}

static float v_f16(const uint8_t *v, size_t panel_bytes, int64_t j, int64_t d) {
    const uint8_t *panel = v + (size_t)(d / ATTN_TILE) * panel_bytes;
    return f16_widen(load_u16(panel + (size_t)(j * ATTN_TILE + d % ATTN_TILE) * 2));
}

static float v_q8_0(const uint8_t *v, size_t panel_bytes, int64_t j, int64_t d) {
    const uint8_t *tile =
        v + (size_t)(d / 32) * panel_bytes + (size_t)(j / ATTN_TILE) * ATTN_Q8_BYTES;
    const int8_t *q = (const int8_t *)tile + 32;
    return f16_widen(load_u16(tile + 2 * (j % ATTN_TILE))) *
           (float)q[j % ATTN_TILE * 32 + d % 32];
}

typedef float k_value(const uint8_t *tile, int64_t d, int64_t lane);
typedef float v_value(const uint8_t *v, size_t panel_bytes, int64_t j, int64_t d);

/* The row's keys within the block, counted from key0. */
static void clip(int64_t *from, int64_t *to, int64_t begin, int64_t end, int64_t key0) {
    *from = begin > key0 ? begin - key0 : 0;
    *to = end - key0 < ATTN_BLOCK ? end - key0 : ATTN_BLOCK;
}

static inline void qk(float *s, int64_t s_stride, const float *q, int64_t q_stride,
                      const int64_t *begin, const int64_t *end, int64_t n_rows,
                      const void *k, int64_t key0, int64_t head_dim, float scale,
                      size_t tile_bytes, k_value *value) {
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t from, to;
        clip(&from, &to, begin[r], end[r], key0);
        for (int64_t j = from; j < to; j++) {
            const uint8_t *tile = (const uint8_t *)k + (size_t)(j / ATTN_TILE) * tile_bytes;
            float dot = 0;
            for (int64_t d0 = 0; d0 < head_dim; d0 += 256) {
                int64_t d1 = d0 + 256 < head_dim ? d0 + 256 : head_dim;
                float x = 0;
                for (int64_t d = d0; d < d1; d++)
                    x = fmaf(q[r * q_stride + d], value(tile, d, j % ATTN_TILE), x);
                dot = d0 == 0 ? x : dot + x;
            }
            s[r * s_stride + j] = dot * scale;
        }
    }
}

static void attn_qk_f32_c ATTN_QK_PARAMETERS {
    (void)next;
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, key0, head_dim, scale,
       (size_t)head_dim * ATTN_TILE * 4, k_f32);
}

static void attn_qk_f16_c ATTN_QK_PARAMETERS {
    (void)next;
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, key0, head_dim, scale,
       (size_t)head_dim * ATTN_TILE * 2, k_f16);
}

static void attn_qk_q8_0_c ATTN_QK_PARAMETERS {
    (void)next;
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, key0, head_dim, scale,
       (size_t)(head_dim / 32) * ATTN_Q8_BYTES, k_q8_0);
}

static inline void pv(float *o, int64_t o_stride, const float *p, int64_t p_stride,
                      const int64_t *begin, const int64_t *end, int64_t n_rows,
                      const void *v, size_t panel_bytes, int64_t key0, int64_t head_dim,
                      v_value *value) {
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t from, to;
        clip(&from, &to, begin[r], end[r], key0);
        if (from >= to) continue;
        for (int64_t d = 0; d < head_dim; d++) {
            float x = 0;
            for (int64_t j = from; j < to; j++)
                x = fmaf(p[r * p_stride + j], value(v, panel_bytes, j, d), x);
            float *out = &o[r * o_stride + d];
            *out = key0 <= begin[r] ? x : *out + x;
        }
    }
}

static void attn_pv_f32_c ATTN_PV_PARAMETERS {
    (void)next;
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, panel_bytes, key0, head_dim, v_f32);
}

static void attn_pv_f16_c ATTN_PV_PARAMETERS {
    (void)next;
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, panel_bytes, key0, head_dim, v_f16);
}

static void attn_pv_q8_0_c ATTN_PV_PARAMETERS {
    (void)next;
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, panel_bytes, key0, head_dim,
       v_q8_0);
}

/* d = f16(max|x| / 127), at most the largest finite f16; q = half-even(x * (1 / d)), held to
 * -127 … 127 (only a d that f16 rounds far, below its normal range or above its largest,
 * makes that bite). A block of zeros, or one whose d rounds to zero, is all zeros. A block
 * with an infinity or a NaN gets d = NaN, so that it stays visible in every score. */
static void attn_round_q8_0_c(int8_t *y, uint16_t *d, const float *x, int64_t n) {
    for (int64_t b = 0; b < n / 32; b++, x += 32, y += 32) {
        uint32_t max_bits = 0;
        for (int i = 0; i < 32; i++) {
            uint32_t bits = f32_bits(x[i]) & 0x7fffffffu;
            max_bits = bits > max_bits ? bits : max_bits;
        }
        uint16_t h = f16_round(bits_f32(max_bits) / 127.0f);
        if (max_bits >= 0x7f800000u) {
            d[b] = 0x7e00;
            memset(y, 0, 32);
            continue;
        }
        d[b] = h < 0x7bff ? h : 0x7bff;
        float inverse = d[b] == 0 ? 0.0f : 1.0f / f16_widen(d[b]);
        for (int i = 0; i < 32; i++) {
            float scaled = x[i] * inverse;
            scaled = scaled < 127.0f ? scaled : 127.0f;
            scaled = scaled > -127.0f ? scaled : -127.0f;
            /* 1.5 * 2^23: the sum rounds to an integer, half to even. */
            y[i] = (int8_t)((scaled + 0x1.8p23f) - 0x1.8p23f);
        }
    }
}

void attn_fill_c(struct math_kernels *k) {
    k->attn_qk_f32 = attn_qk_f32_c;
    k->attn_qk_f16 = attn_qk_f16_c;
    k->attn_qk_q8_0 = attn_qk_q8_0_c;
    k->attn_pv_f32 = attn_pv_f32_c;
    k->attn_pv_f16 = attn_pv_f16_c;
    k->attn_pv_q8_0 = attn_pv_q8_0_c;
    k->attn_round_q8_0 = attn_round_q8_0_c;
}
