/* float_c.c - the definition of products with float weights (arithmetic.md, "Products").
 *
 * dot = ((chain(block 0) + chain(block 1)) + …), blocks of 256 at absolute multiples of 256,
 * chain(block): x = +0, then x = fma(a[k], w[k], x) for k ascending. */
#include "math/dispatch.h"
#include "math/gemm.h"
#include "math/half.h"

#include <math.h>

enum { DOT_BLOCK = 256 };

typedef void widen_function(float *y, const void *x, int64_t k);

static void widen_f32_c(float *y, const void *x, int64_t k) {
    memcpy(y, x, (size_t)k * sizeof *y);
}

static void widen_f16_c(float *y, const void *x, int64_t k) {
    for (int64_t i = 0; i < k; i++) y[i] = f16_widen(load_u16((const char *)x + 2 * i));
}

static void widen_bf16_c(float *y, const void *x, int64_t k) {
    for (int64_t i = 0; i < k; i++) y[i] = bf16_widen(load_u16((const char *)x + 2 * i));
}

static void round_f16_c(void *y, const float *x, int64_t k) {
    for (int64_t i = 0; i < k; i++) {
        uint16_t h = f16_round(x[i]);
        memcpy((char *)y + 2 * i, &h, 2);
    }
}

static void round_bf16_c(void *y, const float *x, int64_t k) {
    for (int64_t i = 0; i < k; i++) {
        uint16_t h = bf16_round(x[i]);
        memcpy((char *)y + 2 * i, &h, 2);
    }
}

/* w_bytes: size of one weight. A block of a weight row is widened once for all m rows. */
static void gemm(float *c, int64_t c_stride, const void *a, size_t a_row, const void *w,
                 size_t w_row, int64_t m, int64_t n, int64_t k, widen_function *widen,
                 size_t w_bytes) {
    float wide[DOT_BLOCK];
    for (int64_t j = 0; j < n; j++) {
        const char *row = (const char *)w + (size_t)j * w_row;
        for (int64_t i = 0; i < m; i++) c[i * c_stride + j] = 0; /* should k be 0 */
        for (int64_t block = 0; block < k; block += DOT_BLOCK) {
            int64_t left = k - block < DOT_BLOCK ? k - block : DOT_BLOCK;
            widen(wide, row + (size_t)block * w_bytes, left);
            for (int64_t i = 0; i < m; i++) {
                const float *x =
                    (const float *)(const void *)((const char *)a + (size_t)i * a_row) +
                    block;
                float chain = 0;
                for (int64_t l = 0; l < left; l++) chain = fmaf(x[l], wide[l], chain);
                float *out = &c[i * c_stride + j];
                *out = block == 0 ? chain : *out + chain;
            }
        }
    }
}

static void gemm_f32_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, widen_f32_c, 4);
}

static void gemm_f16_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, widen_f16_c, 2);
}

static void gemm_bf16_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, widen_bf16_c, 2);
}

/* The same sums with w stored (k, n), and a stored (m, k) or (k, m): x(i, l) is at
 * a + i * a_i + l * a_l. more: c holds what earlier blocks came to. */
static void gemm_across(float *c, int64_t c_stride, const char *a, size_t a_i, size_t a_l,
                        const char *w, size_t w_row, int64_t m, int64_t n, int64_t k,
                        bool more) {
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            float sum = more ? c[i * c_stride + j] : 0;
            for (int64_t block = 0; block < k; block += DOT_BLOCK) {
                int64_t end = block + DOT_BLOCK < k ? block + DOT_BLOCK : k;
                float chain = 0;
                for (int64_t l = block; l < end; l++) {
                    float x, y;
                    memcpy(&x, a + (size_t)i * a_i + (size_t)l * a_l, sizeof x);
                    memcpy(&y, w + (size_t)l * w_row + (size_t)j * sizeof y, sizeof y);
                    chain = fmaf(x, y, chain);
                }
                sum = block == 0 && !more ? chain : sum + chain;
            }
            c[i * c_stride + j] = sum;
        }
    }
}

static void gemm_nn_f32_c GEMM_PARAMETERS {
    (void)scratch;
    gemm_across(c, c_stride, a, a_row, sizeof(float), w, w_row, m, n, k, false);
}

static void gemm_nn_more_f32_c GEMM_PARAMETERS {
    (void)scratch;
    gemm_across(c, c_stride, a, a_row, sizeof(float), w, w_row, m, n, k, true);
}

static void gemm_tn_f32_c GEMM_PARAMETERS {
    (void)scratch;
    gemm_across(c, c_stride, a, sizeof(float), a_row, w, w_row, m, n, k, false);
}

static void gemm_tn_more_f32_c GEMM_PARAMETERS {
    (void)scratch;
    gemm_across(c, c_stride, a, sizeof(float), a_row, w, w_row, m, n, k, true);
}

/* Four chains, since one waits for itself. */
static double peak_fma_c(int64_t rounds, float *sink) {
    float sum[4] = {1, 2, 3, 4};
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < 4; i++) sum[i] = fmaf(sum[i], 0.5f, 1.0f);
    *sink = sum[0] + sum[1] + sum[2] + sum[3];
    return (double)rounds * 4 * 2;
}

static uint64_t peak_read_c(const void *x, size_t n_bytes) {
    const char *p = x;
    uint64_t sum = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= n_bytes; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        sum += word;
    }
    for (; i < n_bytes; i++) sum += (uint8_t)p[i];
    return sum;
}

void float_fill_c(struct math_kernels *k) {
    k->gemm_f32 = gemm_f32_c;
    k->gemm_f16 = gemm_f16_c;
    k->gemm_bf16 = gemm_bf16_c;
    k->gemm_nn_f32 = gemm_nn_f32_c;
    k->gemm_tn_f32 = gemm_tn_f32_c;
    k->gemm_nn_more_f32 = gemm_nn_more_f32_c;
    k->gemm_tn_more_f32 = gemm_tn_more_f32_c;
    k->widen_f32 = widen_f32_c;
    k->widen_f16 = widen_f16_c;
    k->widen_bf16 = widen_bf16_c;
    k->round_f16 = round_f16_c;
    k->round_bf16 = round_bf16_c;
    k->peak_fma = peak_fma_c;
    k->peak_read = peak_read_c;
}
