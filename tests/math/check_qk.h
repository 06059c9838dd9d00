/* check_qk.h - what the tests of the 256-block kernels share: hostile blocks and activations
 * from a seed, and the bit-for-bit comparison of one kernel table with another. */
#ifndef CHECK_QK_H
#define CHECK_QK_H

#include "math/half.h"
#include "math/kernels.h"
#include "math/qk.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* splitmix64; gold_qk.py has the same. */
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
    size_t bytes, d, dmin; /* of a block; dmin == d where there is none */
    size_t gemm, widen;    /* offsets in struct math_kernels */
};

#define CHECK_TYPE(type, d, dmin)                                                          \
    {                                                                                      \
#type, sizeof(struct type), offsetof(struct type, d), offsetof(struct type, dmin), \
            offsetof(struct math_kernels, gemm_##type),                                    \
            offsetof(struct math_kernels, widen_##type)                                    \
    }

static const struct check_type check_types[] = {
    CHECK_TYPE(q2_k, d, dmin), CHECK_TYPE(q3_k, d, d), CHECK_TYPE(q4_k, d, dmin),
    CHECK_TYPE(q5_k, d, dmin), CHECK_TYPE(q6_k, d, d), CHECK_TYPE(iq4_xs, d, d),
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
    if (kind == CHECK_FINITE) {
        if ((h & 0x7c00) == 0x7c00) h &= 0xbfff;
    } else {
        static const uint16_t odd[] = {0,      0x8000, 1,      0x83ff,
                                       0x7bff, 0xfbff, 0x7c00, 0x7e01};
        if (check_below(seed, 8) == 0) h = odd[check_below(seed, 8)];
    }
    memcpy(out, &h, 2);
}

/* Random bytes throughout; now and then all bits alike, for the largest sums. */
static inline void check_block(uint8_t *out, int type, uint64_t *seed, int kind) {
    const struct check_type *t = &check_types[type];
    int64_t shape = kind == CHECK_HOSTILE ? check_below(seed, 12) : 11;
    for (size_t i = 0; i < t->bytes; i++) {
        uint8_t byte = (uint8_t)check_random(seed);
        out[i] = shape == 0 ? 0 : shape == 1 ? 255 : shape == 2 ? 0x80 : byte;
    }
    check_half(out + t->d, seed, kind);
    if (t->dmin != t->d) check_half(out + t->dmin, seed, kind);
}

/* One block of activations: noise, ties, all equal, tiny, huge, zero, not finite. */
static inline void check_activations(float *x, uint64_t *seed) {
    static const float scales[] = {1e-3f,     1,         1e3f,      1e36f,
                                   0x1p-118f, 0x1p-121f, 0x1p-140f, 0};
    int64_t shape = check_below(seed, 16);
    float scale = shape < 8 ? scales[shape] : 1;
    for (int i = 0; i < QK_BLOCK; i++) {
        float u = (float)(int32_t)check_random(seed) * 0x1p-31f;
        x[i] = u * scale;
        if (shape == 8) x[i] = (float)(int)(u * 254) * 0.5f; /* max 127: halves are ties */
        if (shape == 9) x[i] = u < 0 ? -2.0f : 2.0f;
        if (shape == 10) x[i] = 3.0f;
        if (shape == 11) x[i] = -5.0f;
    }
    if (shape == 8) x[check_below(seed, QK_BLOCK)] = 127;
    if (shape == 12 && check_below(seed, 8) == 0)
        x[check_below(seed, QK_BLOCK)] = bits_f32(0x7f800000u);
    if (shape == 13 && check_below(seed, 8) == 0)
        x[check_below(seed, QK_BLOCK)] = bits_f32(0xffc00001u);
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

/* n bytes before a page that cannot be read: kernels may not look behind a mapped file. */
struct check_guarded {
    char *start, *map;
    size_t map_bytes;
};

static inline struct check_guarded check_guard(size_t n) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (n + page - 1) / page * page;
    char *map =
        mmap(NULL, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + body, page, PROT_NONE) != 0) abort();
    return (struct check_guarded){map + body - n, map, body + page};
}

/* A random problem of one type on both tables. Rows are misaligned and apart; what lies
 * between and behind the outputs must stay. 0, or 1 with a message. */
static inline int check_product(const struct math_kernels *right,
                                const struct math_kernels *k, int type, int64_t m,
                                int64_t n, int64_t blocks, uint64_t seed) {
    const struct check_type *t = &check_types[type];
    size_t a_row = a256_row_bytes(blocks * QK_BLOCK) + (size_t)check_below(&seed, 3) * 4;
    size_t w_row = (size_t)blocks * t->bytes + (size_t)check_below(&seed, 3);
    int64_t stride = n + check_below(&seed, 3);
    /* The last rows end where they end, so that nothing behind them can be read. */
    size_t a_bytes = (size_t)(m - 1) * a_row + a256_row_bytes(blocks * QK_BLOCK);
    size_t w_bytes = (size_t)(n - 1) * w_row + (size_t)blocks * t->bytes;
    struct check_guarded a_guard = check_guard(a_bytes), w_guard = check_guard(w_bytes);
    char *a = a_guard.start, *w = w_guard.start;
    float *x = check_alloc((size_t)(blocks * QK_BLOCK) * 4);
    size_t c_bytes = (size_t)(m * stride + 16) * 4;
    float *expected = check_alloc(c_bytes), *c = check_alloc(c_bytes);
    void *scratch = check_alloc(GEMM_SCRATCH_BYTES);
    memset(expected, 0x55, c_bytes);
    memset(c, 0x55, c_bytes);
    memset(a, 0, a_bytes);
    /* In long rows something would always overflow, and nothing be seen behind it. */
    bool tame = blocks > 64;
    int kind = tame || check_below(&seed, 2) ? CHECK_FINITE : CHECK_HOSTILE;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t b = 0; b < blocks && !tame; b++)
            check_activations(x + b * QK_BLOCK, &seed);
        for (int64_t j = 0; j < blocks * QK_BLOCK && tame; j++)
            x[j] = (float)(int32_t)check_random(&seed) * 0x1p-31f;
        right->round_a256(a + (size_t)i * a_row, x, blocks * QK_BLOCK);
    }
    for (int64_t j = 0; j < n; j++)
        for (int64_t b = 0; b < blocks; b++)
            check_block((uint8_t *)w + (size_t)j * w_row + (size_t)b * t->bytes, type,
                        &seed, kind);
    check_gemm(right, type)(expected, stride, a, a_row, w, w_row, m, n, blocks * QK_BLOCK,
                            scratch);
    check_gemm(k, type)(c, stride, a, a_row, w, w_row, m, n, blocks * QK_BLOCK, scratch);
    int bad = 0;
    for (int64_t i = 0; i < m * stride + 16 && !bad; i++) {
        if (check_same(expected[i], c[i])) continue;
        bad = 1;
        fprintf(stderr, "# %s m %lld n %lld blocks %lld: (%lld, %lld) is %a, not %a\n",
                t->name, (long long)m, (long long)n, (long long)blocks,
                (long long)(i / stride), (long long)(i % stride), (double)c[i],
                (double)expected[i]);
    }
    munmap(a_guard.map, a_guard.map_bytes), munmap(w_guard.map, w_guard.map_bytes);
    free(x), free(expected), free(c), free(scratch);
    return bad;
}

static inline int check_products(const struct math_kernels *right,
                                 const struct math_kernels *k, int rounds, uint64_t seed) {
    int bad = 0;
    for (int type = 0; type < N_CHECK_TYPES; type++) {
        for (int i = 0; i < rounds; i++) {
            int64_t m = 1 + check_below(&seed, 40), n = 1 + check_below(&seed, 40);
            if (i % 4 == 0) m = 1 + check_below(&seed, 4);
            bad += check_product(right, k, type, m, n, 1 + check_below(&seed, 4), seed + 1);
        }
        for (int64_t m = 1; m < 14; m++)
            bad += check_product(right, k, type, m, 35, 2, seed + 2);
        /* More columns than are summed at a time, more blocks than are prepared at a time. */
        bad += check_product(right, k, type, 519, 18, 1, seed);
        bad += check_product(right, k, type, 3, 5, 1027, seed);
        /* Wider than any tile, and longer than what is prefetched as one piece. */
        bad += check_product(right, k, type, 1, 70, 24, seed);
        bad += check_product(right, k, type, 3, 203, 3, seed);
        bad += check_product(right, k, type, 67, 203, 2, seed);
    }
    return bad;
}

static inline int check_rounding(const struct math_kernels *right,
                                 const struct math_kernels *k, int rounds, uint64_t seed) {
    float x[2 * QK_BLOCK + 1];
    struct a256 expected[2], out[3];
    for (int i = 0; i < rounds; i++) {
        float *start = x + i % 2;
        check_activations(start, &seed);
        check_activations(start + QK_BLOCK, &seed);
        right->round_a256(expected, start, 2 * QK_BLOCK);
        char *at = (char *)out + i % 3 * 4;
        k->round_a256(at, start, 2 * QK_BLOCK);
        if (memcmp(expected, at, sizeof expected) == 0) continue;
        fprintf(stderr, "# round_a256 differs in round %d\n", i);
        return 1;
    }
    return 0;
}

static inline int check_widening(const struct math_kernels *right,
                                 const struct math_kernels *k, int rounds, uint64_t seed) {
    float expected[2 * QK_BLOCK], y[2 * QK_BLOCK];
    uint8_t blocks[512];
    for (int type = 0; type < N_CHECK_TYPES; type++)
        for (int i = 0; i < rounds; i++) {
            uint8_t *w = blocks + i % 3;
            check_block(w, type, &seed, CHECK_HOSTILE);
            check_block(w + check_types[type].bytes, type, &seed, CHECK_HOSTILE);
            check_widen(right, type)(expected, w, 2 * QK_BLOCK);
            check_widen(k, type)(y, w, 2 * QK_BLOCK);
            for (int j = 0; j < 2 * QK_BLOCK; j++) {
                if (check_same(expected[j], y[j])) continue;
                fprintf(stderr, "# widen_%s: weight %d is %a, not %a\n",
                        check_types[type].name, j, (double)y[j], (double)expected[j]);
                return 1;
            }
        }
    return 0;
}

#endif
