/* attn_check.h - compares one set of attention kernels with another, bit for bit. Used for the
 * sets that this machine runs and for those it can only emulate. */
#ifndef TESTS_ATTN_CHECK_H
#define TESTS_ATTN_CHECK_H

#include "math/half.h"
#include "math/attn_layout.h"
#include "math/kernels.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* A small generator of its own (splitmix64), so that failures repeat. */
static uint64_t check_state = 1;
static inline uint64_t check_random(void) {
    uint64_t z = check_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static inline int64_t check_below(int64_t n) {
    return (int64_t)(check_random() % (uint64_t)n);
}
static inline float check_uniform(void) {
    return (float)((int64_t)(check_random() >> 40) - (1 << 23)) * 0x1p-23f;
}

/* Kind 0: ordinary values; kind 1 mixes in subnormals, zeros of both signs and wide exponents;
 * kind 2: any bits at all. */
static inline float check_value(int kind) {
    if (kind == 2) return bits_f32((uint32_t)check_random());
    if (kind == 0 || check_below(4) != 0) return check_uniform();
    switch (check_below(4)) {
    case 0: return bits_f32((uint32_t)check_random() & 0x807fffffu);
    case 1: return check_below(2) ? -0.0f : 0.0f;
    case 2: return bits_f32((uint32_t)(check_random() & 0x83ffffffu) | 0x04000000u);
    default: return bits_f32((uint32_t)(check_random() & 0x87ffffffu) | 0x58000000u);
    }
}

static inline bool same_f32(float a, float b) {
    return f32_bits(a) == f32_bits(b) || (a != a && b != b);
}

/* Bytes for a block of keys in any layout and type. */
static inline void check_fill(uint8_t *bytes, size_t n_bytes, glass_dtype dtype, int kind) {
    for (size_t i = 0; i + 4 <= n_bytes; i += 4) {
        uint32_t bits = f32_bits(check_value(kind));
        if (dtype != GLASS_F32) {
            bits = (uint32_t)check_random();
            if (kind == 0) bits = (bits & 0x8fff8fffu) | 0x30003000u;
            if (kind == 1) bits &= 0xbfffbfffu; /* finite as f16 */
        }
        memcpy(bytes + i, &bits, 4);
    }
}

enum { CHECK_ROWS = 210, CHECK_DIM = 512 };

struct check_case {
    glass_dtype dtype;
    int64_t head_dim, n_rows, key0, q_stride, s_stride, o_stride;
    int64_t begin[CHECK_ROWS], end[CHECK_ROWS];
    int kind;
};

/* Causal runs of rows (those of a group share a position), windows, and now and then spans
 * that no caller makes. */
static inline void check_spans(struct check_case *c) {
    int64_t group = 1 + check_below(4),
            window = check_below(3) == 0 ? 1 + check_below(300) : 0;
    int64_t pos = c->key0 + check_below(300);
    bool odd = check_below(8) == 0;
    for (int64_t r = 0; r < c->n_rows; r++) {
        int64_t end = pos + r / group + 1;
        c->end[r] = odd ? c->key0 + check_below(280) : end;
        c->begin[r] = odd                          ? c->end[r] - check_below(270)
                      : window > 0 && end > window ? end - window
                                                   : 0;
        if (c->begin[r] < 0) c->begin[r] = 0;
    }
}

/* What comes next is only fetched: wherever that is, it changes nothing. */
static inline const void *check_next(const void *at) {
    const void *const nexts[] = {NULL, at, &check_state};
    return nexts[check_below(3)];
}

static inline bool check_qk(const struct check_case *c,
                            const struct math_kernels *want_from,
                            const struct math_kernels *got_from, const float *q,
                            const uint8_t *k) {
    static float want[CHECK_ROWS * 300], got[CHECK_ROWS * 300];
    const struct math_kernels *from[2] = {want_from, got_from};
    for (int i = 0; i < 2; i++) {
        void(*f) ATTN_QK_PARAMETERS = c->dtype == GLASS_F32   ? from[i]->attn_qk_f32
                                      : c->dtype == GLASS_F16 ? from[i]->attn_qk_f16
                                                              : from[i]->attn_qk_q8_0;
        f(i == 0 ? want : got, c->s_stride, q, c->q_stride, c->begin, c->end, c->n_rows, k,
          check_next(k), c->key0, c->head_dim, 0.125f + 0.01f * (float)c->head_dim);
    }
    for (int64_t r = 0; r < c->n_rows; r++) {
        for (int64_t j = 0; j < ATTN_BLOCK; j++) {
            if (j + c->key0 < c->begin[r] || j + c->key0 >= c->end[r]) continue;
            float a = want[r * c->s_stride + j], b = got[r * c->s_stride + j];
            if (same_f32(a, b)) continue;
            printf("# qk %s head_dim %d row %d of %d key %d: %a, not %a\n",
                   glass_dtype_name(c->dtype), (int)c->head_dim, (int)r, (int)c->n_rows,
                   (int)j, (double)b, (double)a);
            return false;
        }
    }
    return true;
}

static inline bool check_pv(const struct check_case *c,
                            const struct math_kernels *want_from,
                            const struct math_kernels *got_from, const float *p,
                            const uint8_t *v, size_t panel_bytes) {
    static float want[CHECK_ROWS * (CHECK_DIM + 16)], got[CHECK_ROWS * (CHECK_DIM + 16)];
    for (int64_t i = 0; i < c->n_rows * c->o_stride; i++)
        want[i] = got[i] = check_uniform();
    const struct math_kernels *from[2] = {want_from, got_from};
    for (int i = 0; i < 2; i++) {
        void(*f) ATTN_PV_PARAMETERS = c->dtype == GLASS_F32   ? from[i]->attn_pv_f32
                                      : c->dtype == GLASS_F16 ? from[i]->attn_pv_f16
                                                              : from[i]->attn_pv_q8_0;
        f(i == 0 ? want : got, c->o_stride, p, c->s_stride, c->begin, c->end, c->n_rows, v,
          check_next(v), panel_bytes, c->key0, c->head_dim);
    }
    for (int64_t r = 0; r < c->n_rows; r++) {
        for (int64_t d = 0; d < c->head_dim; d++) {
            float a = want[r * c->o_stride + d], b = got[r * c->o_stride + d];
            if (same_f32(a, b)) continue;
            printf("# pv %s head_dim %d row %d of %d [%d, %d) key0 %d feature %d: %a, not "
                   "%a\n",
                   glass_dtype_name(c->dtype), (int)c->head_dim, (int)r, (int)c->n_rows,
                   (int)c->begin[r], (int)c->end[r], (int)c->key0, (int)d, (double)b,
                   (double)a);
            return false;
        }
    }
    return true;
}

static inline bool check_products(const struct math_kernels *want,
                                  const struct math_kernels *got, int n_cases) {
    static const int64_t dims[] = {2,  6,   16,  18,  32,  64,  80,
                                   96, 128, 160, 254, 256, 320, 512};
    static float q[CHECK_ROWS * (CHECK_DIM + 8)], p[CHECK_ROWS * 300];
    static _Alignas(64) uint8_t k[CHECK_DIM * ATTN_BLOCK * 4],
        v[CHECK_DIM * ATTN_BLOCK * 4];
    static const glass_dtype dtypes[] = {GLASS_F32, GLASS_F16, GLASS_Q8_0};
    for (int i = 0; i < n_cases; i++) {
        struct check_case c = {.dtype = dtypes[i % 3], .kind = i / 3 % 3};
        c.head_dim = dims[check_below(sizeof dims / sizeof *dims)];
        if (c.dtype == GLASS_Q8_0) c.head_dim = (c.head_dim + 31) / 32 * 32;
        c.n_rows = 1 + check_below(check_below(2) ? 40 : 8);
        if (i % 40 < 3) { /* more rows than any kernel keeps track of at once */
            c.n_rows = CHECK_ROWS - check_below(18);
            c.head_dim = 32;
        }
        c.key0 = ATTN_BLOCK * check_below(3);
        c.q_stride = c.head_dim + check_below(8);
        c.s_stride = ATTN_BLOCK + check_below(44);
        c.o_stride = (c.head_dim + 15) / 16 * 16 + check_below(16);
        check_spans(&c);
        for (int64_t j = 0; j < c.n_rows * c.q_stride; j++) q[j] = check_value(c.kind);
        for (int64_t j = 0; j < c.n_rows * c.s_stride; j++) p[j] = check_value(c.kind);
        size_t n_panels = (size_t)(c.head_dim + 15) / 16, panel_bytes = ATTN_BLOCK * 16 * 4;
        if (c.dtype == GLASS_F16) panel_bytes /= 2;
        if (c.dtype == GLASS_Q8_0) {
            n_panels = (size_t)c.head_dim / 32;
            panel_bytes = ATTN_BLOCK / 16 * ATTN_Q8_BYTES;
        }
        check_fill(k, n_panels * panel_bytes, c.dtype, c.kind);
        check_fill(v, n_panels * panel_bytes, c.dtype, c.kind);
        if (!check_qk(&c, want, got, q, k) || !check_pv(&c, want, got, p, v, panel_bytes))
            return false;
    }
    return true;
}

static inline bool check_rounding(const struct math_kernels *want,
                                  const struct math_kernels *got, int n_cases) {
    enum { N = 96 };
    const struct math_kernels *from[2] = {want, got};
    for (int i = 0; i < n_cases; i++) {
        float x[N];
        uint16_t d[2][N / 32];
        int8_t b[2][N];
        float size = bits_f32((uint32_t)(check_below(250) + 1) << 23);
        for (int j = 0; j < N; j++) {
            x[j] = check_value(i % 3);
            if (i % 4 == 0) x[j] = check_uniform() * size;
            if (i % 4 == 1) x[j] = (float)check_below(255) * 0.5f - 64; /* many halves */
        }
        for (int s = 0; s < 2; s++) {
            from[s]->attn_round_q8_0(b[s], d[s], x, N);
        }
        if (memcmp(b[0], b[1], sizeof b[0]) != 0 || memcmp(d[0], d[1], sizeof d[0]) != 0)
            return false;
    }
    return true;
}

#endif
