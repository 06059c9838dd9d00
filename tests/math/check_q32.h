/* check_q32.h - what the tests of the 32-block kernels share: hostile blocks and
 * activations from a seed, and the bit-for-bit comparison of one kernel table with another.
 */
#ifndef CHECK_Q32_H
#define CHECK_Q32_H

#include "math/half.h"
#include "math/kernels.h"
#include "math/q32.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* splitmix64; gold_q32.py has the same. */
static inline uint64_t check_random(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline int64_t check_below(uint64_t *state, int64_t n) {
    return (int64_t)(check_random(state) % (uint64_t)n);
}

struct check_type {
    const char *name;
    size_t bytes; /* of a block, which starts with d and, if there is one, m */
    bool has_minimum;
    size_t gemm, widen; /* offsets in struct math_kernels */
};

#define CHECK_TYPE(type, has_minimum)                                                      \
    {                                                                                      \
#type, sizeof(struct type##_block), has_minimum,                                   \
            offsetof(struct math_kernels, gemm_##type),                                    \
            offsetof(struct math_kernels, widen_##type)                                    \
    }

static const struct check_type check_types[] = {
    CHECK_TYPE(q4_0, false), CHECK_TYPE(q4_1, true),  CHECK_TYPE(q5_0, false),
    CHECK_TYPE(q5_1, true),  CHECK_TYPE(q8_0, false), CHECK_TYPE(iq4_nl, false),
};
enum { N_CHECK_TYPES = sizeof check_types / sizeof *check_types };

typedef void check_widen_function(float *y, const void *x, int64_t k);

static inline gemm_kernel *check_gemm(const struct math_kernels *k, int type) {
    gemm_kernel *f;
    memcpy(&f, (const char *)k + check_types[type].gemm, sizeof f);
    return f;
}

static inline check_widen_function *check_widen(const struct math_kernels *k, int type) {
    check_widen_function *f;
    memcpy(&f, (const char *)k + check_types[type].widen, sizeof f);
    return f;
}

enum { CHECK_FINITE, CHECK_HOSTILE };

static inline void check_half(uint8_t *out, uint64_t *seed, int kind) {
    uint16_t h = (uint16_t)check_random(seed);
    if ((h & 0x7c00) == 0x7c00) h &= 0xbfff;
    if (kind == CHECK_HOSTILE) {
        static const uint16_t odd[] = {0,      0x8000, 1,      0x83ff,
                                       0x7bff, 0xfbff, 0x7c00, 0x7e01};
        if (check_below(seed, 8) == 0)
            h = odd[check_below(seed, 8 - 2 * check_below(seed, 2))];
    }
    memcpy(out, &h, 2);
}

/* Random bytes throughout; now and then all bytes alike, for the largest sums. */
static inline void check_block(uint8_t *out, int type, uint64_t *seed, int kind) {
    const struct check_type *t = &check_types[type];
    static const uint8_t bytes[] = {0, 0xff, 0x80, 0x7f, 0x0f, 0xf0};
    int64_t shape = kind == CHECK_HOSTILE ? check_below(seed, 12) : 11;
    for (size_t i = 0; i < t->bytes; i++) {
        uint8_t byte = (uint8_t)check_random(seed);
        out[i] = shape < 6 ? bytes[shape] : byte;
    }
    check_half(out, seed, kind);
    if (t->has_minimum) check_half(out + 2, seed, kind);
}

/* One block of activations: noise, ties, all equal, tiny, huge, zero, not finite. */
static inline void check_activations(float *x, uint64_t *seed) {
    static const float scales[] = {1e-3f,     1,         1e3f,      1e36f,
                                   0x1p-118f, 0x1p-121f, 0x1p-140f, 0};
    int64_t shape = check_below(seed, 16);
    float scale = shape < 8 ? scales[shape] : 1;
    for (int i = 0; i < Q32; i++) {
        float u = (float)(int32_t)check_random(seed) * 0x1p-31f;
        x[i] = u * scale;
        if (shape == 8) x[i] = (float)(int)(u * 254) * 0.5f; /* max 127: halves are ties */
        if (shape == 9) x[i] = u < 0 ? -2.0f : 2.0f;
        if (shape == 10) x[i] = 3.0f;
        if (shape == 11) x[i] = -5.0f;
    }
    if (shape == 8) x[check_below(seed, Q32)] = 127;
    if (shape == 12 && check_below(seed, 16) == 0)
        x[check_below(seed, Q32)] = bits_f32(0xff800000u);
    if (shape == 13 && check_below(seed, 16) == 0)
        x[check_below(seed, Q32)] = bits_f32(0xffc00001u);
}

/* NaNs are equal to NaNs: their bits are the processor's business. */
static inline bool check_same(float a, float b) {
    return f32_bits(a) == f32_bits(b) || (a != a && b != b);
}

static inline void *check_alloc(size_t n) {
    void *p = aligned_alloc(64, (n + 64) & ~(size_t)63);
    if (p == NULL) abort();
    return p;
}

/* A random problem of one type on both tables. Rows are misaligned and apart; what lies
 * between and behind the outputs must stay. The weights end where their memory ends, for
 * the address sanitizer. 0, or 1 with a message. */
static inline int check_product(const struct math_kernels *right,
                                const struct math_kernels *k, int type, int64_t m,
                                int64_t n, int64_t blocks, uint64_t seed) {
    const struct check_type *t = &check_types[type];
    size_t a_row = a32_row_bytes(blocks * Q32) + (size_t)check_below(&seed, 3) * 4;
    size_t w_row = (size_t)blocks * t->bytes + (size_t)check_below(&seed, 3);
    int64_t stride = n + check_below(&seed, 3);
    size_t shift = (size_t)check_below(&seed, 4);
    size_t w_bytes = (size_t)(n - 1) * w_row + (size_t)blocks * t->bytes + shift;
    char *a = check_alloc((size_t)m * a_row), *w = malloc(w_bytes);
    float *x = check_alloc((size_t)(blocks * Q32) * 4);
    size_t c_bytes = (size_t)(m * stride + 16) * 4;
    float *expected = check_alloc(c_bytes), *c = check_alloc(c_bytes);
    void *scratch = check_alloc(GEMM_SCRATCH_BYTES);
    memset(expected, 0x55, c_bytes);
    memset(c, 0x55, c_bytes);
    memset(a, 0, (size_t)m * a_row);
    memset(scratch, 0xff, GEMM_SCRATCH_BYTES);
    int kind = check_below(&seed, 2) ? CHECK_FINITE : CHECK_HOSTILE;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t b = 0; b < blocks; b++) check_activations(x + b * Q32, &seed);
        right->round_a32(a + (size_t)i * a_row, x, blocks * Q32);
    }
    for (int64_t j = 0; j < n; j++)
        for (int64_t b = 0; b < blocks; b++)
            check_block((uint8_t *)w + shift + (size_t)j * w_row + (size_t)b * t->bytes,
                        type, &seed, kind);
    check_gemm(right, type)(expected, stride, a, a_row, w + shift, w_row, m, n,
                            blocks * Q32, scratch);
    check_gemm(k, type)(c, stride, a, a_row, w + shift, w_row, m, n, blocks * Q32, scratch);
    int bad = 0;
    for (int64_t i = 0; i < m * stride + 16 && !bad; i++) {
        if (check_same(expected[i], c[i])) continue;
        bad = 1;
        fprintf(stderr, "# %s m %lld n %lld blocks %lld: (%lld, %lld) is %a, not %a\n",
                t->name, (long long)m, (long long)n, (long long)blocks,
                (long long)(i / stride), (long long)(i % stride), (double)c[i],
                (double)expected[i]);
    }
    free(a), free(w), free(x), free(expected), free(c), free(scratch);
    return bad;
}

static inline int check_products(const struct math_kernels *right,
                                 const struct math_kernels *k, int rounds, uint64_t seed) {
    int bad = 0;
    for (int type = 0; type < N_CHECK_TYPES; type++) {
        for (int i = 0; i < rounds; i++) {
            int64_t m = 1 + check_below(&seed, 40), n = 1 + check_below(&seed, 40);
            if (i % 3 == 0) m = 1 + check_below(&seed, 8);
            int64_t blocks = 1 + check_below(&seed, i % 4 == 0 ? 32 : 5);
            bad += check_product(right, k, type, m, n, blocks, seed + 1);
        }
        /* Wider and deeper than any tile. */
        bad += check_product(right, k, type, 1, 203, 3, seed);
        bad += check_product(right, k, type, 67, 203, 2, seed);
        bad += check_product(right, k, type, 21, 37, 131, seed);
        bad += check_product(right, k, type, 150, 3, 9, seed);
        bad += check_product(right, k, type, 530, 5, 2, seed);
        /* Few columns, longer than the sums that are kept at a time. */
        bad += check_product(right, k, type, 1, 37, 203, seed);
        bad += check_product(right, k, type, 2, 18, 201, seed);
        bad += check_product(right, k, type, 8, 19, 131, seed);
    }
    return bad;
}

static inline int check_rounding(const struct math_kernels *right,
                                 const struct math_kernels *k, int rounds, uint64_t seed) {
    enum { BLOCKS = 3 };
    float x[BLOCKS * Q32 + 1];
    struct a32_block expected[BLOCKS], out[BLOCKS + 1];
    for (int i = 0; i < rounds; i++) {
        float *start = x + i % 2;
        int n = 1 + i % BLOCKS;
        for (int b = 0; b < n; b++) check_activations(start + b * Q32, &seed);
        right->round_a32(expected, start, n * Q32);
        char *at = (char *)out + i % 3 * 4;
        memset(out, 0x55, sizeof out);
        k->round_a32(at, start, n * Q32);
        if (memcmp(expected, at, (size_t)n * sizeof *expected) == 0 &&
            at[(size_t)n * sizeof *expected] == 0x55)
            continue;
        fprintf(stderr, "# round_a32 differs in round %d\n", i);
        return 1;
    }
    return 0;
}

static inline int check_widening(const struct math_kernels *right,
                                 const struct math_kernels *k, int rounds, uint64_t seed) {
    enum { BLOCKS = 3 };
    float expected[BLOCKS * Q32], y[BLOCKS * Q32];
    for (int type = 0; type < N_CHECK_TYPES; type++)
        for (int i = 0; i < rounds; i++) {
            size_t bytes = check_types[type].bytes, shift = (size_t)i % 3;
            int n = 1 + i % BLOCKS;
            uint8_t *w = malloc(shift + (size_t)n * bytes);
            for (int b = 0; b < n; b++)
                check_block(w + shift + (size_t)b * bytes, type, &seed, CHECK_HOSTILE);
            check_widen(right, type)(expected, w + shift, n * Q32);
            check_widen(k, type)(y, w + shift, n * Q32);
            free(w);
            for (int j = 0; j < n * Q32; j++) {
                if (check_same(expected[j], y[j])) continue;
                fprintf(stderr, "# widen_%s: weight %d is %a, not %a\n",
                        check_types[type].name, j, (double)y[j], (double)expected[j]);
                return 1;
            }
        }
    return 0;
}

#endif
