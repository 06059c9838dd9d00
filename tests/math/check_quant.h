/* check_quant.h - what the tests of the quantisers share: weights of many kinds from a seed
 * (gold_quant.py makes the same ones) and the comparison of one kernel table with another. */
#ifndef CHECK_QUANT_H
#define CHECK_QUANT_H

#include "kernel_check.h"
#include "math/kernels.h"

#include <math.h>
#include <string.h>

enum weights_kind {
    WEIGHTS_BELL,     /* like a layer's weights */
    WEIGHTS_OUTLIERS, /* one in 64 is 32 times as large */
    WEIGHTS_POSITIVE,
    WEIGHTS_SPARSE, /* zeros of both signs, one in 16 is not */
    WEIGHTS_STEPS,  /* few values: ties everywhere */
    WEIGHTS_SCALES, /* each 32 of another size, 2^-24 … 2^7; some all zero */
    WEIGHTS_KINDS,
    WEIGHTS_EXTREME = WEIGHTS_KINDS /* up to binary32's limits; not in gold_quant.py */
};

/* Exact in binary32: whole numbers times powers of two. */
static inline void check_weights(float *x, int64_t n, enum weights_kind kind,
                                 uint64_t seed) {
    struct check_random r = {seed};
    int shift = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t u = check_bits(&r);
        int32_t bell = (int16_t)u + (int16_t)(u >> 16) + (int16_t)(u >> 32);
        int pick = (int)(u >> 48 & 1023);
        if (i % 32 == 0) shift = pick % 32;
        float v = (float)bell;
        if (kind == WEIGHTS_OUTLIERS && pick % 64 == 0) v *= 32;
        if (kind == WEIGHTS_POSITIVE) v = (float)(abs(bell) + 20000);
        if (kind == WEIGHTS_SPARSE && pick % 16 != 0) v = pick & 16 ? 0.0F : -0.0F;
        if (kind == WEIGHTS_STEPS) v = (float)(bell / 16384);
        if (kind == WEIGHTS_SCALES) v = shift == 31 ? 0 : ldexpf(v, shift - 24);
        if (kind == WEIGHTS_EXTREME)
            v = check_float(&(struct check_random){u}, CHECK_FINITE);
        x[i] = kind == WEIGHTS_EXTREME ? v : v * 0x1p-18F;
    }
}

/* 0, or 2^-8 … 2^8. */
static inline void check_importance(float *w, int64_t k, uint64_t seed) {
    struct check_random r = {seed};
    for (int64_t i = 0; i < k; i++) {
        uint64_t u = check_bits(&r);
        float fraction = (float)(1 + (u & 0xffff)) * 0x1p-16F;
        w[i] = u >> 60 == 0 ? 0 : ldexpf(fraction, (int)(u >> 32 & 15) - 8);
    }
}

struct check_quant_type {
    const char *name;
    glass_dtype type;
    size_t kernel; /* offset in struct math_kernels */
};
static const struct check_quant_type check_quant_types[] = {
#define ROW(id, name)                                                                      \
    { #name, id, offsetof(struct math_kernels, quant_##name) }
    ROW(GLASS_Q4_0, q4_0),
    ROW(GLASS_Q4_1, q4_1),
    ROW(GLASS_Q5_0, q5_0),
    ROW(GLASS_Q5_1, q5_1),
    ROW(GLASS_Q8_0, q8_0),
    ROW(GLASS_IQ4_NL, iq4_nl),
    ROW(GLASS_Q2_K, q2_k),
    ROW(GLASS_Q3_K, q3_k),
    ROW(GLASS_Q4_K, q4_k),
    ROW(GLASS_Q5_K, q5_k),
    ROW(GLASS_Q6_K, q6_k),
    ROW(GLASS_IQ4_XS, iq4_xs)
#undef ROW
};
enum { N_QUANT_TYPES = sizeof check_quant_types / sizeof *check_quant_types };

static inline quant_kernel *check_quant_kernel(const struct math_kernels *k, int type) {
    quant_kernel *f;
    memcpy(&f, (const char *)k + check_quant_types[type].kernel, sizeof f);
    return f;
}

/* Two tables make the same bytes of these rows. Blocks whose scales are not finite are made
 * of NaNs, whose bits differ between processors; quant_rows refuses them. */
static inline bool check_quant_rows(const struct math_kernels *c,
                                    const struct math_kernels *k, int type, const float *x,
                                    const float *importance, int64_t n_rows, int64_t cols) {
    const struct check_quant_type *t = &check_quant_types[type];
    size_t bytes = glass_dtype_block_bytes(t->type), n_bytes = 0;
    int64_t block = glass_dtype_block(t->type), at, n = n_rows * cols / block;
    n_bytes = (size_t)n * bytes;
    uint8_t *want = malloc(n_bytes), *got = malloc(n_bytes + 16);
    bool good = want != NULL && got != NULL;
    if (!good) return check_wrong("no memory");
    memset(got, 0xa5, n_bytes + 16);
    check_quant_kernel(c, type)(want, x, importance, n_rows, cols);
    check_quant_kernel(k, type)(got + 1, x, importance, n_rows, cols);
    for (int64_t i = 0; good && i < n; i++) {
        const uint8_t *w = want + (size_t)i * bytes, *g = got + 1 + (size_t)i * bytes;
        if (memcmp(w, g, bytes) == 0) continue;
        float only[256];
        uint8_t out[256];
        memcpy(only, x + i * block, (size_t)block * sizeof *x);
        good = quant_rows(out, only, NULL, 1, block, t->type, &at) == QUANT_TOO_LARGE;
        if (!good)
            check_wrong("%s, %s importance: block %lld of %lld differs", t->name,
                        importance ? "with" : "no", (long long)i, (long long)n);
    }
    if (good && (got[0] != 0xa5 || got[n_bytes + 1] != 0xa5))
        good = check_wrong("%s: wrote outside its blocks", t->name);
    free(want);
    free(got);
    return good;
}

/* Every type, kind and a few shapes. */
static inline bool check_quant_table(const struct math_kernels *c,
                                     const struct math_kernels *k) {
    static const int64_t shapes[][2] = {{1, 256}, {3, 256}, {17, 512}, {5, 768}};
    float *x = malloc(17 * 768 * sizeof *x), *w = malloc(768 * sizeof *w);
    bool good = x != NULL && w != NULL;
    for (int type = 0; good && type < N_QUANT_TYPES; type++)
        for (int kind = 0; good && kind <= WEIGHTS_EXTREME; kind++)
            for (int shape = 0; good && shape < 4; shape++) {
                int64_t rows = shapes[shape][0], cols = shapes[shape][1];
                check_weights(x, rows * cols, (enum weights_kind)kind, (uint64_t)shape);
                check_importance(w, cols, (uint64_t)kind);
                good = check_quant_rows(c, k, type, x, NULL, rows, cols) &&
                       check_quant_rows(c, k, type, x, w, rows, cols);
            }
    free(x);
    free(w);
    return good;
}

#endif
