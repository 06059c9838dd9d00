/* qk_c.c - the definition of products with weights in blocks of 256.
 *
 * Each type is unpacked to the same plain form; one product and one widening serve all. The
 * integer sums cannot overflow, whatever the bytes: the largest, Q6_K's, is bounded by
 * 256 * 32 * 128 * 127 = 133169152 < 2^31. */
#include "math/dispatch.h"
#include "math/gemm.h"
#include "math/half.h"
#include "math/q32.h"
#include "math/qk.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Value of weight i: d * sc[i / 16] * q[i] - dmin * m[i / 16]. */
struct plain {
    float d, dmin;
    int16_t sc[16], m[16];
    int8_t q[QK_BLOCK];
};

typedef void unpack_function(struct plain *out, const void *block);

static void round_block(struct a256 *out, const float *x) {
    uint32_t largest = 0;
    for (int i = 0; i < QK_BLOCK; i++) {
        uint32_t magnitude = f32_bits(x[i]) & 0x7fffffffu;
        largest = magnitude > largest ? magnitude : largest;
    }
    memset(out, 0, sizeof *out);
    if (largest >= 0x7f800000u) { /* an infinity or a NaN */
        out->d = bits_f32(0x7fc00000u);
        return;
    }
    float d = bits_f32(largest) / 127.0f;
    float inverse = 1.0f / d;
    if (inverse > FLT_MAX) return;
    out->d = d;
    for (int i = 0; i < QK_BLOCK; i++) {
        /* Adding 1.5 * 2^23 rounds to an integer, half to even. */
        float scaled = x[i] * inverse;
        int q = (int)(scaled + 0x1.8p23f - 0x1.8p23f);
        out->q[i] = (int8_t)q;
        out->sums16[i / 16] = (int16_t)(out->sums16[i / 16] + q);
        out->sums32[i / 32] = (int16_t)(out->sums32[i / 32] + q);
    }
}

static void round_a256_c(void *out, const float *x, int64_t k) {
    for (int64_t b = 0; b < k / QK_BLOCK; b++) {
        struct a256 block;
        round_block(&block, x + b * QK_BLOCK);
        memcpy((char *)out + (size_t)b * sizeof block, &block, sizeof block);
    }
}

static void unpack_q2_k(struct plain *out, const void *block) {
    const struct q2_k *w = block;
    out->d = f16_widen(load_u16(w->d));
    out->dmin = f16_widen(load_u16(w->dmin));
    for (int j = 0; j < 16; j++) {
        out->sc[j] = w->scales[j] & 15;
        out->m[j] = w->scales[j] >> 4;
    }
    /* 32 bytes hold four runs of 32 weights, two bits each. */
    for (int i = 0; i < QK_BLOCK; i++)
        out->q[i] = (int8_t)(w->qs[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3);
}

static void unpack_q3_k(struct plain *out, const void *block) {
    const struct q3_k *w = block;
    out->d = f16_widen(load_u16(w->d));
    out->dmin = 0;
    for (int j = 0; j < 16; j++) {
        /* Low four bits: bytes 0-7, the low halves first; high two: bytes 8-11. */
        int low = w->scales[j % 8] >> j / 8 * 4 & 15;
        int high = w->scales[8 + j % 4] >> j / 4 * 2 & 3;
        out->sc[j] = (int16_t)((low | high << 4) - 32);
        out->m[j] = 0;
    }
    for (int i = 0; i < QK_BLOCK; i++) {
        int low = w->qs[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
        int high = w->hmask[i % 32] >> i / 32 & 1;
        out->q[i] = (int8_t)((low | high << 2) - 4);
    }
}

/* The twelve bytes of Q4_K and Q5_K: eight 6-bit scales and eight 6-bit minima, one per 32. */
static void unpack_scales(struct plain *out, const uint8_t s[12]) {
    for (int j = 0; j < 16; j++) {
        int i = j / 2;
        out->sc[j] = i < 4 ? s[i] & 63 : (s[i + 4] & 15) | s[i - 4] >> 6 << 4;
        out->m[j] = i < 4 ? s[i + 4] & 63 : s[i + 4] >> 4 | s[i] >> 6 << 4;
    }
}

static void unpack_q4_k(struct plain *out, const void *block) {
    const struct q4_k *w = block;
    out->d = f16_widen(load_u16(w->d));
    out->dmin = f16_widen(load_u16(w->dmin));
    unpack_scales(out, w->scales);
    for (int i = 0; i < QK_BLOCK; i++)
        out->q[i] = w->qs[i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15;
}

static void unpack_q5_k(struct plain *out, const void *block) {
    const struct q5_k *w = block;
    out->d = f16_widen(load_u16(w->d));
    out->dmin = f16_widen(load_u16(w->dmin));
    unpack_scales(out, w->scales);
    for (int i = 0; i < QK_BLOCK; i++) {
        int low = w->qs[i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15;
        int high = w->qh[i % 32] >> i / 32 & 1;
        out->q[i] = (int8_t)(low | high << 4);
    }
}

static void unpack_q6_k(struct plain *out, const void *block) {
    const struct q6_k *w = block;
    out->d = f16_widen(load_u16(w->d));
    out->dmin = 0;
    for (int j = 0; j < 16; j++) {
        out->sc[j] = w->scales[j];
        out->m[j] = 0;
    }
    /* Each half of 128: 64 bytes of low halves (low nibbles first), 32 bytes of high bits. */
    for (int i = 0; i < QK_BLOCK; i++) {
        int half = i / 128, r = i % 128;
        int low = w->ql[half * 64 + r % 64] >> r / 64 * 4 & 15;
        int high = w->qh[half * 32 + r % 32] >> r / 32 * 2 & 3;
        out->q[i] = (int8_t)((low | high << 4) - 32);
    }
}

static void unpack_iq4_xs(struct plain *out, const void *block) {
    static const int8_t values[16] = IQ4_NL_CODEBOOK;
    const struct iq4_xs *w = block;
    out->d = f16_widen(load_u16(w->d));
    out->dmin = 0;
    for (int j = 0; j < 16; j++) {
        int i = j / 2;
        int low = w->scales_l[i / 2] >> i % 2 * 4 & 15;
        int high = load_u16(w->scales_h) >> i * 2 & 3;
        out->sc[j] = (int16_t)((low | high << 4) - 32);
        out->m[j] = 0;
    }
    /* 16 bytes hold 32 weights, low nibbles first. */
    for (int i = 0; i < QK_BLOCK; i++)
        out->q[i] = values[w->qs[i / 32 * 16 + i % 16] >> i % 32 / 16 * 4 & 15];
}

/* One block's part of one output. */
static float step(float acc, const struct plain *w, const struct a256 *a, bool minima) {
    int32_t isum = 0, msum = 0;
    for (int j = 0; j < 16; j++) {
        int32_t sum = 0;
        for (int i = 0; i < 16; i++) sum += w->q[j * 16 + i] * a->q[j * 16 + i];
        isum += w->sc[j] * sum;
        msum += w->m[j] * a->sums16[j];
    }
    acc = fmaf(w->d * a->d, (float)isum, acc);
    return minima ? fmaf(-(w->dmin * a->d), (float)msum, acc) : acc;
}

static void gemm(float *c, int64_t c_stride, const void *a, size_t a_row, const void *w,
                 size_t w_row, int64_t m, int64_t n, int64_t k, unpack_function *unpack,
                 size_t block_bytes, bool minima) {
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < m; i++) c[i * c_stride + j] = 0;
        for (int64_t b = 0; b < k / QK_BLOCK; b++) {
            struct plain plain;
            unpack(&plain, (const char *)w + (size_t)j * w_row + (size_t)b * block_bytes);
            for (int64_t i = 0; i < m; i++) {
                struct a256 block;
                memcpy(&block,
                       (const char *)a + (size_t)i * a_row + (size_t)b * sizeof block,
                       sizeof block);
                float *acc = &c[i * c_stride + j];
                *acc = step(*acc, &plain, &block, minima);
            }
        }
    }
}

static void widen(float *y, const void *x, int64_t k, unpack_function *unpack,
                  size_t block_bytes, bool minima) {
    for (int64_t b = 0; b < k / QK_BLOCK; b++) {
        struct plain w;
        unpack(&w, (const char *)x + (size_t)b * block_bytes);
        for (int i = 0; i < QK_BLOCK; i++) {
            float factor = w.d * (float)w.sc[i / 16];
            float *out = &y[b * QK_BLOCK + i];
            *out = minima ? fmaf(factor, w.q[i], -(w.dmin * (float)w.m[i / 16]))
                          : factor * (float)w.q[i];
        }
    }
}

static void gemm_q2_k_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_q2_k, sizeof(struct q2_k), true);
}
static void gemm_q3_k_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_q3_k, sizeof(struct q3_k), false);
}
static void gemm_q4_k_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_q4_k, sizeof(struct q4_k), true);
}
static void gemm_q5_k_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_q5_k, sizeof(struct q5_k), true);
}
static void gemm_q6_k_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_q6_k, sizeof(struct q6_k), false);
}
static void gemm_iq4_xs_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_iq4_xs, sizeof(struct iq4_xs),
         false);
}

static void widen_q2_k_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_q2_k, sizeof(struct q2_k), true);
}
static void widen_q3_k_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_q3_k, sizeof(struct q3_k), false);
}
static void widen_q4_k_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_q4_k, sizeof(struct q4_k), true);
}
static void widen_q5_k_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_q5_k, sizeof(struct q5_k), true);
}
static void widen_q6_k_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_q6_k, sizeof(struct q6_k), false);
}
static void widen_iq4_xs_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_iq4_xs, sizeof(struct iq4_xs), false);
}

void qk_fill_c(struct math_kernels *k) {
    k->round_a256 = round_a256_c;
    k->gemm_q2_k = gemm_q2_k_c;
    k->gemm_q3_k = gemm_q3_k_c;
    k->gemm_q4_k = gemm_q4_k_c;
    k->gemm_q5_k = gemm_q5_k_c;
    k->gemm_q6_k = gemm_q6_k_c;
    k->gemm_iq4_xs = gemm_iq4_xs_c;
    k->widen_q2_k = widen_q2_k_c;
    k->widen_q3_k = widen_q3_k_c;
    k->widen_q4_k = widen_q4_k_c;
    k->widen_q5_k = widen_q5_k_c;
    k->widen_q6_k = widen_q6_k_c;
    k->widen_iq4_xs = widen_iq4_xs_c;
}
