/* quant.c - rows of weights to any type, with the checks that a kernel leaves to its caller. */
#include "math/quant.h"

#include "math/half.h"
#include "math/kernels.h"

#include <math.h>
#include <string.h>

typedef void widen_kernel(float *y, const void *x, int64_t k);

/* Offsets into the kernel table, and into a block of its half floats (-1: no second one); how
 * many times the largest half float a weight can be. No search overflows below that. */
static const struct {
    bool known;
    size_t quant, widen;
    int half[2];
    int reach;
} types[GLASS_DTYPE_LIMIT] = {
#define ROW(id, name, first, second, reach)                                                \
    [id] = {true,                                                                          \
            offsetof(struct math_kernels, quant_##name),                                   \
            offsetof(struct math_kernels, widen_##name),                                   \
            {first, second},                                                               \
            reach}
    ROW(GLASS_Q4_0, q4_0, 0, -1, 8),
    ROW(GLASS_Q4_1, q4_1, 0, 2, 16),
    ROW(GLASS_Q5_0, q5_0, 0, -1, 16),
    ROW(GLASS_Q5_1, q5_1, 0, 2, 32),
    ROW(GLASS_Q8_0, q8_0, 0, -1, 127),
    ROW(GLASS_IQ4_NL, iq4_nl, 0, -1, 127),
    ROW(GLASS_Q2_K, q2_k, 80, 82, 45),
    ROW(GLASS_Q3_K, q3_k, 108, -1, 128),
    ROW(GLASS_Q4_K, q4_k, 0, 2, 945),
    ROW(GLASS_Q5_K, q5_k, 0, 2, 1953),
    ROW(GLASS_Q6_K, q6_k, 208, -1, 4096),
    ROW(GLASS_IQ4_XS, iq4_xs, 0, -1, 4064),
#undef ROW
    [GLASS_F32] = {true, 0, offsetof(struct math_kernels, widen_f32), {-1, -1}, 0},
    [GLASS_F16] = {true, 0, offsetof(struct math_kernels, widen_f16), {0, -1}, 0},
    [GLASS_BF16] = {true, 0, offsetof(struct math_kernels, widen_bf16), {-1, -1}, 0},
};

bool quant_known(glass_dtype type) {
    return (unsigned)type < GLASS_DTYPE_LIMIT && types[type].known;
}

size_t quant_row_bytes(glass_dtype type, int64_t k) {
    if (!quant_known(type) || k <= 0 || k % glass_dtype_block(type) != 0) return 0;
    return (size_t)(k / glass_dtype_block(type)) * glass_dtype_block_bytes(type);
}

/* The first weight whose size is at least that of the bits, or n. */
static int64_t first_of_size(const float *x, int64_t n, uint32_t size) {
    for (int64_t i = 0; i < n; i += 64) {
        int64_t end = i + 64 < n ? i + 64 : n;
        uint32_t found = 0;
        for (int64_t j = i; j < end; j++) found |= (f32_bits(x[j]) & 0x7fffffffu) >= size;
        if (!found) continue;
        for (int64_t j = i; j < end; j++)
            if ((f32_bits(x[j]) & 0x7fffffffu) >= size) return j;
    }
    return n;
}

/* The first weight of the first block whose half floats are not finite, or n. */
static int64_t first_too_large(const uint8_t *blocks, int64_t n, glass_dtype type) {
    int64_t block = glass_dtype_block(type);
    size_t bytes = glass_dtype_block_bytes(type);
    for (int h = 0; h < 2 && types[type].half[h] >= 0; h++)
        for (int64_t i = 0; i < n; i += block) {
            const uint8_t *p = blocks + (size_t)(i / block) * bytes + types[type].half[h];
            if ((load_u16(p) & 0x7c00u) == 0x7c00u) return i;
        }
    if (type == GLASS_BF16)
        for (int64_t i = 0; i < n; i++)
            if ((load_u16(blocks + i * 2) & 0x7f80u) == 0x7f80u) return i;
    return n;
}

static quant_kernel *kernel_of(glass_dtype type) {
    quant_kernel *kernel;
    memcpy(&kernel, (const char *)math_kernels() + types[type].quant, sizeof kernel);
    return kernel;
}

enum quant_flaw quant_rows(void *out, const float *x, const float *importance,
                           int64_t n_rows, int64_t k, glass_dtype type, int64_t *at) {
    int64_t n = n_rows * k;
    uint32_t infinite = 0x7f800000u, size = infinite;
    if (types[type].reach > 0) size = f32_bits(65504.0F * (float)types[type].reach) + 1;
    *at = first_of_size(x, n, size);
    if (*at < n && size < infinite) { /* an infinity or a NaN is the worse of the two */
        int64_t wild = first_of_size(x, n, infinite);
        if (wild == n) return QUANT_TOO_LARGE;
        *at = wild;
    }
    if (*at < n) return QUANT_NOT_FINITE;
    switch (type) {
    case GLASS_F32: memcpy(out, x, (size_t)n * sizeof *x); break;
    case GLASS_F16: math_kernels()->round_f16(out, x, n); break;
    case GLASS_BF16: math_kernels()->round_bf16(out, x, n); break;
    default: kernel_of(type)(out, x, importance, n_rows, k);
    }
    *at = first_too_large(out, n, type);
    return *at < n ? QUANT_TOO_LARGE : QUANT_GOOD;
}

void quant_error_row(struct quant_error *out, float *scratch, const float *x,
                     const void *blocks, int64_t k, glass_dtype type) {
    widen_kernel *widen;
    double squares[8] = {0}, weights[8] = {0}, largest[8] = {0};
    memcpy(&widen, (const char *)math_kernels() + types[type].widen, sizeof widen);
    widen(scratch, blocks, k);
    for (int64_t i = 0; i < k; i += 8)
        for (int l = 0; l < 8 && i + l < k; l++) {
            double w = (double)x[i + l], d = (double)scratch[i + l] - w, size = fabs(d);
            squares[l] += d * d;
            weights[l] += w * w;
            largest[l] = size > largest[l] ? size : largest[l];
        }
    for (int half = 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++) {
            squares[l] += squares[l + half];
            weights[l] += weights[l + half];
            largest[l] = largest[l + half] > largest[l] ? largest[l + half] : largest[l];
        }
    *out = (struct quant_error){squares[0], weights[0], largest[0]};
}
