/* q32_c.c - products with weights quantised in blocks of 32: the definition, in plain C.
 *
 * Everything is said in math/q32.h; this file is that page as a program. It unpacks a block
 * of weights once and goes over all rows of activations with it, since the order that
 * counts is only that of the blocks of one output. */
#include "math/q32.h"

#include "math/dispatch.h"
#include "math/gemm.h"
#include "math/half.h"

#include <math.h>
#include <string.h>

/* One block of weights: value i is q[i] * d, or fma(q[i], d, m). */
struct unpacked {
    float d, m;
    int8_t q[Q32];
};
typedef void unpack_block(struct unpacked *out, const void *block);

static void unpack_nibbles(int8_t q[Q32], const uint8_t qs[16], int offset) {
    for (int j = 0; j < 16; j++) {
        q[j] = (int8_t)((qs[j] & 15) - offset);
        q[j + 16] = (int8_t)((qs[j] >> 4) - offset);
    }
}

static void unpack_fifth_bits(int8_t q[Q32], const uint8_t qh[4]) {
    for (int j = 0; j < Q32; j++) q[j] = (int8_t)(q[j] + (qh[j / 8] >> j % 8 & 1) * 16);
}

static void unpack_q4_0(struct unpacked *out, const void *block) {
    struct q4_0_block b;
    memcpy(&b, block, sizeof b);
    out->d = f16_widen(b.d);
    unpack_nibbles(out->q, b.qs, 8);
}

static void unpack_q4_1(struct unpacked *out, const void *block) {
    struct q4_1_block b;
    memcpy(&b, block, sizeof b);
    out->d = f16_widen(b.d);
    out->m = f16_widen(b.m);
    unpack_nibbles(out->q, b.qs, 0);
}

static void unpack_q5_0(struct unpacked *out, const void *block) {
    struct q5_0_block b;
    memcpy(&b, block, sizeof b);
    out->d = f16_widen(b.d);
    unpack_nibbles(out->q, b.qs, 16);
    unpack_fifth_bits(out->q, b.qh);
}

static void unpack_q5_1(struct unpacked *out, const void *block) {
    struct q5_1_block b;
    memcpy(&b, block, sizeof b);
    out->d = f16_widen(b.d);
    out->m = f16_widen(b.m);
    unpack_nibbles(out->q, b.qs, 0);
    unpack_fifth_bits(out->q, b.qh);
}

static void unpack_q8_0(struct unpacked *out, const void *block) {
    struct q8_0_block b;
    memcpy(&b, block, sizeof b);
    out->d = f16_widen(b.d);
    memcpy(out->q, b.q, sizeof out->q);
}

static void unpack_iq4_nl(struct unpacked *out, const void *block) {
    static const int8_t codebook[16] = IQ4_NL_CODEBOOK;
    struct iq4_nl_block b;
    memcpy(&b, block, sizeof b);
    out->d = f16_widen(b.d);
    for (int j = 0; j < 16; j++) {
        out->q[j] = codebook[b.qs[j] & 15];
        out->q[j + 16] = codebook[b.qs[j] >> 4];
    }
}

static void round_block(struct a32_block *out, const float *x) {
    float max = 0;
    bool finite = true;
    for (int i = 0; i < Q32; i++) {
        float size = fabsf(x[i]);
        max = size > max ? size : max;
        finite = finite && size <= 0x1.fffffep+127f;
    }
    float d = max / 127;
    memset(out, 0, sizeof *out);
    if (!finite) {
        out->d = bits_f32(0x7fc00000u);
        return;
    }
    if (d < 0x1p-126f) return;
    float inv = 1 / d;
    int lanes[2] = {0, 0};
    for (int i = 0; i < Q32; i++) {
        /* Adding 1.5 * 2^23 leaves no place for a fraction: rounds to nearest even. */
        float rounded = (x[i] * inv + 0x1.8p+23f) - 0x1.8p+23f;
        out->q[i] = (int8_t)rounded;
        lanes[i / 2 % 2] += out->q[i];
    }
    out->d = d;
    out->sum = (float)(lanes[0] + lanes[1]);
    out->offset8 = -8 * (lanes[0] + lanes[1]);
    for (int i = 0; i < 2; i++) out->offset16[i] = (int16_t)(-16 * lanes[i]);
}

static void round_a32_c(void *out, const float *x, int64_t k) {
    struct a32_block *blocks = out;
    for (int64_t i = 0; i < k / Q32; i++) round_block(blocks + i, x + i * Q32);
}

/* w points at one row's block, a at the same block of row 0 of the activations. */
static void add_block(float *c, int64_t c_stride, const char *a, size_t a_row, int64_t m,
                      const struct unpacked *w, bool has_minimum) {
    for (int64_t i = 0; i < m; i++) {
        const struct a32_block *x = (const void *)(a + (size_t)i * a_row);
        int32_t sum = 0;
        for (int j = 0; j < Q32; j++) sum += w->q[j] * x->q[j];
        float acc = c[i * c_stride];
        acc = fmaf(w->d * x->d, (float)sum, acc);
        if (has_minimum) acc = fmaf(w->m * x->d, x->sum, acc);
        c[i * c_stride] = acc;
    }
}

static void gemm(float *c, int64_t c_stride, const void *a, size_t a_row, const void *w,
                 size_t w_row, int64_t m, int64_t n, int64_t k, unpack_block *unpack,
                 size_t block_bytes, bool has_minimum) {
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < m; i++) c[i * c_stride + j] = 0;
        for (int64_t b = 0; b < k / Q32; b++) {
            struct unpacked block;
            unpack(&block, (const char *)w + (size_t)j * w_row + (size_t)b * block_bytes);
            add_block(c + j, c_stride, (const char *)a + a32_row_bytes(b * Q32), a_row, m,
                      &block, has_minimum);
        }
    }
}

static void widen(float *y, const void *x, int64_t k, unpack_block *unpack,
                  size_t block_bytes, bool has_minimum) {
    for (int64_t b = 0; b < k / Q32; b++) {
        struct unpacked block;
        unpack(&block, (const char *)x + (size_t)b * block_bytes);
        for (int j = 0; j < Q32; j++) {
            float q = block.q[j];
            y[b * Q32 + j] = has_minimum ? fmaf(q, block.d, block.m) : q * block.d;
        }
    }
}

static void gemm_q4_0_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_q4_0, sizeof(struct q4_0_block),
         false);
}

static void gemm_q4_1_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_q4_1, sizeof(struct q4_1_block),
         true);
}

static void gemm_q5_0_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_q5_0, sizeof(struct q5_0_block),
         false);
}

static void gemm_q5_1_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_q5_1, sizeof(struct q5_1_block),
         true);
}

static void gemm_q8_0_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_q8_0, sizeof(struct q8_0_block),
         false);
}

static void gemm_iq4_nl_c GEMM_PARAMETERS {
    (void)scratch;
    gemm(c, c_stride, a, a_row, w, w_row, m, n, k, unpack_iq4_nl,
         sizeof(struct iq4_nl_block), false);
}

static void widen_q4_0_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_q4_0, sizeof(struct q4_0_block), false);
}

static void widen_q4_1_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_q4_1, sizeof(struct q4_1_block), true);
}

static void widen_q5_0_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_q5_0, sizeof(struct q5_0_block), false);
}

static void widen_q5_1_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_q5_1, sizeof(struct q5_1_block), true);
}

static void widen_q8_0_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_q8_0, sizeof(struct q8_0_block), false);
}

static void widen_iq4_nl_c(float *y, const void *x, int64_t k) {
    widen(y, x, k, unpack_iq4_nl, sizeof(struct iq4_nl_block), false);
}

void q32_fill_c(struct math_kernels *k) {
    k->round_a32 = round_a32_c;
    k->gemm_q4_0 = gemm_q4_0_c;
    k->gemm_q4_1 = gemm_q4_1_c;
    k->gemm_q5_0 = gemm_q5_0_c;
    k->gemm_q5_1 = gemm_q5_1_c;
    k->gemm_q8_0 = gemm_q8_0_c;
    k->gemm_iq4_nl = gemm_iq4_nl_c;
    k->widen_q4_0 = widen_q4_0_c;
    k->widen_q4_1 = widen_q4_1_c;
    k->widen_q5_0 = widen_q5_0_c;
    k->widen_q5_1 = widen_q5_1_c;
    k->widen_q8_0 = widen_q8_0_c;
    k->widen_iq4_nl = widen_iq4_nl_c;
}
