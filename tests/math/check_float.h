/* check_float.h - what the checks of the float kernels share: hostile numbers from a seed,
 * memory with a guard page behind it, and the bit-for-bit comparison of two kernel tables. */
#ifndef CHECK_FLOAT_H
#define CHECK_FLOAT_H

#include "math/half.h"
#include "math/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* splitmix64. */
static inline uint64_t check_random(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline int64_t check_between(uint64_t *state, int64_t low, int64_t high) {
    return low + (int64_t)(check_random(state) % (uint64_t)(high - low + 1));
}

/* TAME: sums that depend on their order. WILD: all exponents, subnormals, zeros of both signs,
 * infinities, NaNs. */
enum check_kind { CHECK_TAME, CHECK_WILD };

static inline float check_number(uint64_t *seed, enum check_kind kind) {
    static const uint32_t special[] = {0,          0x80000000u, 1,          0x807fffffu,
                                       0x00800000, 0x7f7fffffu, 0x7f800000, 0xff800000u,
                                       0x7fc00001, 0x33000000,  0x38ffe000, 0x477ff000};
    uint64_t r = check_random(seed);
    if (kind == CHECK_TAME || r % 8 < 5) return (float)((double)(int64_t)r * 0x1p-62);
    if (r % 8 == 7) return bits_f32((uint32_t)(r >> 32)); /* any bits */
    /* A NaN or infinity would hide the rest of its row: seldom. */
    uint32_t bits = special[(r >> 8) % 12];
    bool finite = (bits & 0x7f800000u) != 0x7f800000u;
    return finite || (r >> 16) % 64 == 0 ? bits_f32(bits) : 0.0f;
}

/* n_bytes that end where reading faults. */
struct check_memory {
    char *map, *data;
    size_t map_bytes;
};

static inline struct check_memory check_allocate(size_t n_bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (n_bytes + page - 1) / page * page;
    struct check_memory m = {.map_bytes = body + page};
    m.map =
        mmap(NULL, m.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m.map == MAP_FAILED || mprotect(m.map + body, page, PROT_NONE) != 0) {
        perror("mmap");
        exit(4);
    }
    m.data = m.map + body - n_bytes;
    return m;
}

static inline void check_release(struct check_memory *m) {
    munmap(m->map, m->map_bytes);
}

/* Equal bits, any NaN equal to any NaN (which of two NaNs an operation keeps is up to the
 * instruction, and no result with a NaN is used). */
static inline bool check_same(float a, float b) {
    return f32_bits(a) == f32_bits(b) || (a != a && b != b);
}

struct check_type {
    const char *name;
    size_t bytes, gemm, widen;
    uint16_t (*round)(float);
};

static const struct check_type check_types[] = {
    {"f32", 4, offsetof(struct math_kernels, gemm_f32),
     offsetof(struct math_kernels, widen_f32), NULL},
    {"f16", 2, offsetof(struct math_kernels, gemm_f16),
     offsetof(struct math_kernels, widen_f16), f16_round},
    {"bf16", 2, offsetof(struct math_kernels, gemm_bf16),
     offsetof(struct math_kernels, widen_bf16), bf16_round},
};
enum { N_CHECK_TYPES = sizeof check_types / sizeof *check_types };

static inline gemm_kernel *check_gemm(const struct math_kernels *k, int type) {
    gemm_kernel *f;
    memcpy(&f, (const char *)k + check_types[type].gemm, sizeof f);
    return f;
}

static inline void check_fill_weight(char *out, const struct check_type *t, float x) {
    if (t->round == NULL) {
        memcpy(out, &x, 4);
    } else {
        uint16_t h = t->round(x);
        memcpy(out, &h, 2);
    }
}

/* One product by both tables; gaps between rows must stay as they were. */
static inline bool check_product(const struct math_kernels *definition,
                                 const struct math_kernels *k, int type, int64_t m,
                                 int64_t n, int64_t n_k, uint64_t *seed,
                                 enum check_kind kind) {
    const struct check_type *t = &check_types[type];
    size_t a_row = (size_t)(n_k + check_between(seed, 0, 9)) * 4;
    size_t w_row = (size_t)n_k * t->bytes + (size_t)check_between(seed, 0, 11);
    int64_t c_stride = n + check_between(seed, 0, 5);
    /* The last row of each has no gap behind it: nothing may read on. */
    struct check_memory a = check_allocate((size_t)(m - 1) * a_row + (size_t)n_k * 4);
    struct check_memory w =
        check_allocate((size_t)(n - 1) * w_row + (size_t)n_k * t->bytes);
    size_t c_items = (size_t)((m - 1) * c_stride + n);
    struct check_memory expected = check_allocate(c_items * 4),
                        got = check_allocate(c_items * 4);
    void *scratch = aligned_alloc(64, GEMM_SCRATCH_BYTES);
    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < n_k; l++) {
            float x = check_number(seed, kind);
            memcpy(a.data + (size_t)i * a_row + (size_t)l * 4, &x, 4);
        }
    for (int64_t j = 0; j < n; j++)
        for (int64_t l = 0; l < n_k; l++)
            check_fill_weight(w.data + (size_t)j * w_row + (size_t)l * t->bytes, t,
                              check_number(seed, kind));
    for (size_t i = 0; i < c_items; i++)
        ((float *)(void *)expected.data)[i] = ((float *)(void *)got.data)[i] = 12345.0f;
    float *e = (float *)(void *)expected.data, *g = (float *)(void *)got.data;
    check_gemm(definition, type)(e, c_stride, a.data, a_row, w.data, w_row, m, n, n_k,
                                 scratch);
    check_gemm(k, type)(g, c_stride, a.data, a_row, w.data, w_row, m, n, n_k, scratch);
    bool same = true;
    for (size_t i = 0; i < c_items && same; i++) {
        same = check_same(e[i], g[i]);
        if (!same)
            printf("# gemm_%s m %lld n %lld k %lld: row %zu column %zu: %a, not %a\n",
                   t->name, (long long)m, (long long)n, (long long)n_k,
                   i / (size_t)c_stride, i % (size_t)c_stride, (double)g[i], (double)e[i]);
    }
    free(scratch);
    check_release(&a), check_release(&w), check_release(&expected), check_release(&got);
    return same;
}

/* Random small shapes, then some that go over every blocking limit. */
static inline bool check_products(const struct math_kernels *definition,
                                  const struct math_kernels *k, int n_random) {
    static const int64_t large[][3] = {
        {1, 600, 1100}, {2, 333, 512},  {3, 100, 2049}, {4, 130, 770},   {5, 270, 516},
        {16, 520, 257}, {200, 40, 300}, {401, 17, 40},  {13, 300, 1024}, {6, 49, 600},
        {7, 33, 1030},  {8, 80, 1313},  {14, 64, 512},  {15, 65, 513},   {29, 97, 1024},
        {1, 15, 2000},  {1, 17, 767},   {30, 31, 1027}};
    uint64_t seed = 1;
    for (int type = 0; type < N_CHECK_TYPES; type++) {
        for (int i = 0; i < n_random; i++) {
            int64_t m = check_between(&seed, 1, i % 3 == 0 ? 9 : 30);
            int64_t n = check_between(&seed, 1, 70);
            int64_t n_k = i % 16 == 0 ? check_between(&seed, 0, 5)
                                      : check_between(&seed, 1, 75) * (i % 2 ? 8 : 1);
            enum check_kind kind = i % 4 == 3 ? CHECK_WILD : CHECK_TAME;
            if (!check_product(definition, k, type, m, n, n_k, &seed, kind)) return false;
        }
        for (size_t i = 0; i < 2 * sizeof large / sizeof *large; i++) {
            const int64_t *shape = large[i / 2];
            if (!check_product(definition, k, type, shape[0], shape[1], shape[2], &seed,
                               i % 2 ? CHECK_WILD : CHECK_TAME))
                return false;
        }
    }
    return true;
}

static inline gemm_kernel *across_kernel(const struct math_kernels *k, bool across,
                                         bool more) {
    if (more) return across ? k->gemm_tn_more_f32 : k->gemm_nn_more_f32;
    return across ? k->gemm_tn_f32 : k->gemm_nn_f32;
}

/* One product of training by both tables: a is (m, k) or, across, (k, m); w is (k, n). Rows of
 * c now and then lie 4096 bytes apart; more: c goes on with what it held. */
static inline bool check_across(const struct math_kernels *definition,
                                const struct math_kernels *k, bool across, int64_t m,
                                int64_t n, int64_t n_k, uint64_t *seed,
                                enum check_kind kind) {
    bool more = check_between(seed, 0, 1) == 1;
    int64_t a_rows = across ? n_k : m, a_width = across ? m : n_k;
    size_t a_row = (size_t)(a_width + check_between(seed, 0, 9)) * 4;
    size_t w_row = (size_t)(n + check_between(seed, 0, 9)) * 4;
    int64_t c_stride = n + check_between(seed, 0, 5);
    if (check_between(seed, 0, 7) == 0) c_stride = (n + 1023) / 1024 * 1024;
    size_t a_bytes = (size_t)(a_rows - 1) * a_row + (size_t)a_width * 4;
    size_t w_bytes = (size_t)(n_k - 1) * w_row + (size_t)n * 4;
    size_t c_items = (size_t)((m - 1) * c_stride + n);
    struct check_memory a = check_allocate(a_bytes), w = check_allocate(w_bytes);
    struct check_memory expected = check_allocate(c_items * 4),
                        got = check_allocate(c_items * 4);
    void *scratch = aligned_alloc(64, GEMM_SCRATCH_BYTES);
    float *e = (float *)(void *)expected.data, *g = (float *)(void *)got.data;
    for (size_t i = 0; i < a_bytes / 4; i++)
        ((float *)(void *)a.data)[i] = check_number(seed, kind);
    for (size_t i = 0; i < w_bytes / 4; i++)
        ((float *)(void *)w.data)[i] = check_number(seed, kind);
    for (size_t i = 0; i < c_items; i++) e[i] = g[i] = 12345.0f;
    for (int64_t i = 0; i < m && more; i++)
        for (int64_t j = 0; j < n; j++)
            e[i * c_stride + j] = g[i * c_stride + j] = check_number(seed, kind);
    across_kernel(definition, across, more)(e, c_stride, a.data, a_row, w.data, w_row, m, n,
                                            n_k, scratch);
    across_kernel(k, across, more)(g, c_stride, a.data, a_row, w.data, w_row, m, n, n_k,
                                   scratch);
    bool same = true;
    for (size_t i = 0; i < c_items && same; i++) {
        same = check_same(e[i], g[i]);
        if (!same)
            printf("# gemm_%s%s_f32 m %lld n %lld k %lld: row %zu column %zu: %a, not %a\n",
                   across ? "tn" : "nn", more ? "_more" : "", (long long)m, (long long)n,
                   (long long)n_k, i / (size_t)c_stride, i % (size_t)c_stride, (double)g[i],
                   (double)e[i]);
    }
    free(scratch);
    check_release(&a), check_release(&w), check_release(&expected), check_release(&got);
    return same;
}

static inline bool check_all_across(const struct math_kernels *definition,
                                    const struct math_kernels *k, int n_random) {
    static const int64_t large[][3] = {{1, 600, 1100}, {3, 100, 2049},  {270, 130, 516},
                                       {520, 16, 257}, {2100, 33, 300}, {14, 300, 1024},
                                       {211, 257, 259}};
    uint64_t seed = 5;
    for (int across = 0; across < 2; across++) {
        for (int i = 0; i < n_random; i++) {
            int64_t m = check_between(&seed, 1, 50), n = check_between(&seed, 1, 70);
            int64_t n_k = check_between(&seed, 1, 75) * (i % 4 ? 1 : 8);
            if (!check_across(definition, k, across, m, n, n_k, &seed,
                              i % 4 == 3 ? CHECK_WILD : CHECK_TAME))
                return false;
        }
        for (size_t i = 0; i < 2 * sizeof large / sizeof *large; i++) {
            const int64_t *shape = large[i / 2];
            if (!check_across(definition, k, across, shape[0], shape[1], shape[2], &seed,
                              i % 2 ? CHECK_WILD : CHECK_TAME))
                return false;
        }
    }
    return true;
}

/* peak_read must read every byte, whatever the length: changing any one byte changes the
 * result. peak_fma must keep its result finite, since other numbers can be slower. */
static inline bool check_limits(const struct math_kernels *k) {
    for (size_t n = 1; n < 3000; n += 1 + n / 7) {
        struct check_memory x = check_allocate(n);
        memset(x.data, 1, n);
        uint64_t before = k->peak_read(x.data, n);
        for (size_t i = 0; i < n; i++) {
            x.data[i] = 3;
            if (k->peak_read(x.data, n) == before) {
                printf("# peak_read of %zu bytes does not see byte %zu\n", n, i);
                return false;
            }
            x.data[i] = 1;
        }
        check_release(&x);
    }
    float sink = 0;
    double one = k->peak_fma(1, &sink), many = k->peak_fma(1000, &sink);
    if (one > 0 && many == 1000 * one && sink > 0 && sink < 1e6f) return true;
    printf("# peak_fma: %g operations in a round, %g in 1000; %g\n", one, many,
           (double)sink);
    return false;
}

/* All halves widened, at every misalignment and length up to one turn of any variant. */
static inline bool check_widening(const struct math_kernels *k) {
    static uint16_t all[65536];
    static float y[65536];
    for (int i = 0; i < 65536; i++) all[i] = (uint16_t)i;
    for (int type = 1; type < N_CHECK_TYPES; type++) {
        void (*widen)(float *, const void *, int64_t);
        memcpy(&widen, (const char *)k + check_types[type].widen, sizeof widen);
        widen(y, all, 65536);
        for (int i = 0; i < 65536; i++) {
            float e = type == 1 ? f16_widen((uint16_t)i) : bf16_widen((uint16_t)i);
            if (!check_same(y[i], e)) {
                printf("# widen_%s of %04x: %a\n", check_types[type].name, (unsigned)i,
                       (double)y[i]);
                return false;
            }
        }
        for (int64_t n = 0; n < 70; n++) {
            struct check_memory x = check_allocate((size_t)n * 2 + 1);
            memcpy(x.data + 1, all + 15000, (size_t)n * 2);
            for (int i = 0; i <= n; i++) y[i] = 7;
            widen(y, x.data + 1, n);
            for (int i = 0; i < n; i++) {
                uint16_t h = (uint16_t)(15000 + i);
                float e = type == 1 ? f16_widen(h) : bf16_widen(h);
                if (!check_same(y[i], e)) return false;
            }
            if (!check_same(y[n], 7)) return false;
            check_release(&x);
        }
    }
    return true;
}

/* n_numbers of all bits, and what lies at and beside the midpoint after every half; then
 * lengths. */
static inline bool check_rounding(const struct math_kernels *k, int64_t n_numbers) {
    float *x = malloc((size_t)n_numbers * 4);
    uint16_t *y = malloc((size_t)n_numbers * 2 + 2);
    uint64_t seed = 3;
    bool same = true;
    for (int type = 1; type < N_CHECK_TYPES && same; type++) {
        for (int64_t i = 0; i < n_numbers; i++) {
            uint32_t r = (uint32_t)check_random(&seed);
            int32_t beside = (int32_t)check_between(&seed, -1, 1);
            if (i % 3 == 0) { /* beside a midpoint between two halves */
                float h = type == 1 ? f16_widen((uint16_t)r) : bf16_widen((uint16_t)r);
                r = f32_bits(h) + (type == 1 ? 0x1000u : 0x8000u) + (uint32_t)beside;
            } else if (i % 3 == 1) { /* in the range where f16 has subnormals */
                r = (r & 0x83ffffffu) + 0x33000000u + ((r & 0xc0u) << 18);
            }
            x[i] = bits_f32(r);
        }
        for (int64_t n = 0; n < n_numbers && same; n = n < 70 ? n + 1 : n_numbers - 1) {
            y[n] = 0x1234;
            (type == 1 ? k->round_f16 : k->round_bf16)(y, x, n);
            same = y[n] == 0x1234;
            for (int64_t i = 0; i < n && same; i++) {
                uint16_t e = check_types[type].round(x[i]);
                same = y[i] == e;
                if (!same)
                    printf("# round_%s of %08x: %04x, not %04x\n", check_types[type].name,
                           (unsigned)f32_bits(x[i]), (unsigned)y[i], (unsigned)e);
            }
            if (n == n_numbers - 1) break;
        }
    }
    free(x);
    free(y);
    return same;
}

#endif
