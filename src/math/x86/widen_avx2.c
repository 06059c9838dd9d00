/* widen_avx2.c - blocks to numbers: the definition's steps (qk_c.c, q32_c.c) in loops that
 * compilers turn into AVX2 and FMA by themselves. */
#include "math/dispatch.h"
#include "math/half.h"
#include "math/q32.h"
#include "math/qk.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* n weights q * d, or fma(q, d, m). */
INLINE void spread(float *y, const int8_t *q, int n, float d) {
    for (int i = 0; i < n; i++) y[i] = (float)q[i] * d;
}
INLINE void spread_from(float *y, const int8_t *q, int n, float d, float m) {
    for (int i = 0; i < n; i++) y[i] = fmaf((float)q[i], d, m);
}

/* n bytes to 2 n numbers: low nibbles, then high ones. */
INLINE void nibbles(int8_t *q, const uint8_t *qs, int n) {
    for (int i = 0; i < n; i++) {
        q[i] = (int8_t)(qs[i] & 15);
        q[i + n] = (int8_t)(qs[i] >> 4);
    }
}

INLINE float half_at(const uint8_t *p) {
    return f16_widen(load_u16(p));
}

/* ---- blocks of 32 ---- */

/* Bits of qh are worth 16. */
INLINE void fifths(int8_t q[Q32], const uint8_t *qh) {
    for (int i = 0; i < Q32; i++) q[i] = (int8_t)(q[i] + (qh[i / 8] >> i % 8 & 1) * 16);
}

/* Blocks are not aligned: bytes, not structs. */
#define BLOCK(type, i) ((const uint8_t *)x + (size_t)(i) * sizeof(struct type))

static void widen_q4_0_avx2(float *y, const void *x, int64_t k) {
    for (int64_t i = 0; i < k / Q32; i++) {
        const uint8_t *b = BLOCK(q4_0_block, i);
        int8_t q[Q32];
        nibbles(q, b + offsetof(struct q4_0_block, qs), 16);
        for (int j = 0; j < Q32; j++) q[j] = (int8_t)(q[j] - 8);
        spread(y + i * Q32, q, Q32, half_at(b));
    }
}

static void widen_q4_1_avx2(float *y, const void *x, int64_t k) {
    for (int64_t i = 0; i < k / Q32; i++) {
        const uint8_t *b = BLOCK(q4_1_block, i);
        int8_t q[Q32];
        nibbles(q, b + offsetof(struct q4_1_block, qs), 16);
        spread_from(y + i * Q32, q, Q32, half_at(b), half_at(b + 2));
    }
}

static void widen_q5_0_avx2(float *y, const void *x, int64_t k) {
    for (int64_t i = 0; i < k / Q32; i++) {
        const uint8_t *b = BLOCK(q5_0_block, i);
        int8_t q[Q32];
        nibbles(q, b + offsetof(struct q5_0_block, qs), 16);
        fifths(q, b + offsetof(struct q5_0_block, qh));
        for (int j = 0; j < Q32; j++) q[j] = (int8_t)(q[j] - 16);
        spread(y + i * Q32, q, Q32, half_at(b));
    }
}

static void widen_q5_1_avx2(float *y, const void *x, int64_t k) {
    for (int64_t i = 0; i < k / Q32; i++) {
        const uint8_t *b = BLOCK(q5_1_block, i);
        int8_t q[Q32];
        nibbles(q, b + offsetof(struct q5_1_block, qs), 16);
        fifths(q, b + offsetof(struct q5_1_block, qh));
        spread_from(y + i * Q32, q, Q32, half_at(b), half_at(b + 2));
    }
}

static void widen_q8_0_avx2(float *y, const void *x, int64_t k) {
    for (int64_t i = 0; i < k / Q32; i++) {
        const uint8_t *b = BLOCK(q8_0_block, i);
        spread(y + i * Q32, (const int8_t *)b + 2, Q32, half_at(b));
    }
}

/* ---- blocks of 256 ---- */

/* 32 bytes hold four runs of 32 weights, two bits each. */
INLINE void pairs(int8_t *q, const uint8_t *qs) {
    for (int part = 0; part < 2; part++)
        for (int run = 0; run < 4; run++)
            for (int i = 0; i < 32; i++)
                q[part * 128 + run * 32 + i] = (int8_t)(qs[part * 32 + i] >> run * 2 & 3);
}

static void widen_q2_k_avx2(float *y, const void *x, int64_t k) {
    const struct q2_k *b = x;
    for (int64_t i = 0; i < k / QK_BLOCK; i++) {
        int8_t q[QK_BLOCK];
        float d = half_at(b[i].d), dmin = half_at(b[i].dmin);
        pairs(q, b[i].qs);
        for (int j = 0; j < 16; j++)
            spread_from(y + i * QK_BLOCK + j * 16, q + j * 16, 16,
                        d * (float)(b[i].scales[j] & 15),
                        -(dmin * (float)(b[i].scales[j] >> 4)));
    }
}

static void widen_q3_k_avx2(float *y, const void *x, int64_t k) {
    const struct q3_k *b = x;
    for (int64_t i = 0; i < k / QK_BLOCK; i++) {
        int8_t q[QK_BLOCK];
        const uint8_t *s = b[i].scales;
        float d = half_at(b[i].d);
        pairs(q, b[i].qs);
        for (int run = 0; run < 8; run++)
            for (int j = 0; j < 32; j++) {
                int high = b[i].hmask[j] >> run & 1;
                q[run * 32 + j] = (int8_t)(q[run * 32 + j] + high * 4 - 4);
            }
        for (int j = 0; j < 16; j++) {
            int low = s[j % 8] >> j / 8 * 4 & 15, high = s[8 + j % 4] >> j / 4 * 2 & 3;
            spread(y + i * QK_BLOCK + j * 16, q + j * 16, 16,
                   d * (float)((low | high << 4) - 32));
        }
    }
}

/* Eight six-bit scales and minima in twelve bytes; q: eight runs of 32. */
INLINE void spread_scales(float *y, const int8_t *q, const uint8_t s[12], float d,
                          float dmin) {
    for (int j = 0; j < 8; j++) {
        int sc = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        int m = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4;
        spread_from(y + j * 32, q + j * 32, 32, d * (float)sc, -(dmin * (float)m));
    }
}

static void widen_q4_k_avx2(float *y, const void *x, int64_t k) {
    const struct q4_k *b = x;
    for (int64_t i = 0; i < k / QK_BLOCK; i++) {
        int8_t q[QK_BLOCK];
        for (int j = 0; j < 4; j++) nibbles(q + j * 64, b[i].qs + j * 32, 32);
        spread_scales(y + i * QK_BLOCK, q, b[i].scales, half_at(b[i].d),
                      half_at(b[i].dmin));
    }
}

static void widen_q5_k_avx2(float *y, const void *x, int64_t k) {
    const struct q5_k *b = x;
    for (int64_t i = 0; i < k / QK_BLOCK; i++) {
        int8_t q[QK_BLOCK];
        for (int j = 0; j < 4; j++) nibbles(q + j * 64, b[i].qs + j * 32, 32);
        for (int run = 0; run < 8; run++)
            for (int j = 0; j < 32; j++) {
                int high = b[i].qh[j] >> run & 1;
                q[run * 32 + j] = (int8_t)(q[run * 32 + j] + high * 16);
            }
        spread_scales(y + i * QK_BLOCK, q, b[i].scales, half_at(b[i].d),
                      half_at(b[i].dmin));
    }
}

static void widen_q6_k_avx2(float *y, const void *x, int64_t k) {
    const struct q6_k *b = x;
    for (int64_t i = 0; i < k / QK_BLOCK; i++) {
        int8_t q[QK_BLOCK];
        float d = half_at(b[i].d);
        for (int part = 0; part < 2; part++) {
            int8_t *p = q + part * 128;
            nibbles(p, b[i].ql + part * 64, 64);
            for (int run = 0; run < 4; run++)
                for (int j = 0; j < 32; j++) {
                    int high = b[i].qh[part * 32 + j] >> run * 2 & 3;
                    p[run * 32 + j] = (int8_t)(p[run * 32 + j] + high * 16 - 32);
                }
        }
        for (int j = 0; j < 16; j++)
            spread(y + i * QK_BLOCK + j * 16, q + j * 16, 16, d * (float)b[i].scales[j]);
    }
}

void widen_fill_avx2(struct math_kernels *k) {
    k->widen_q4_0 = widen_q4_0_avx2;
    k->widen_q4_1 = widen_q4_1_avx2;
    k->widen_q5_0 = widen_q5_0_avx2;
    k->widen_q5_1 = widen_q5_1_avx2;
    k->widen_q8_0 = widen_q8_0_avx2;
    k->widen_q2_k = widen_q2_k_avx2;
    k->widen_q3_k = widen_q3_k_avx2;
    k->widen_q4_k = widen_q4_k_avx2;
    k->widen_q5_k = widen_q5_k_avx2;
    k->widen_q6_k = widen_q6_k_avx2;
}
