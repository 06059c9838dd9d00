/* matmul.c - products shared out to a team. What differs by weight type is one table row. */
#include "math/matmul.h"

#include "base/fail.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "math/q32.h"
#include "math/qk.h"

#include <stddef.h>
#include <string.h>

typedef void widen_kernel(float *y, const void *x, int64_t k);
typedef void round_kernel(void *out, const float *x, int64_t k);

enum activation_format { PLAIN, A32, A256 };

/* Offsets into the kernel table, so that the rows are constant. */
static const struct {
    bool known;
    enum activation_format format;
    size_t gemm, widen;
} types[GLASS_DTYPE_LIMIT] = {
#define ROW(id, format, name)                                                                \
    [id] = {true, format, offsetof(struct math_kernels, gemm_##name),                        \
            offsetof(struct math_kernels, widen_##name)}
    ROW(GLASS_F32, PLAIN, f32),     ROW(GLASS_F16, PLAIN, f16),
    ROW(GLASS_BF16, PLAIN, bf16),   ROW(GLASS_Q4_0, A32, q4_0),
    ROW(GLASS_Q4_1, A32, q4_1),     ROW(GLASS_Q5_0, A32, q5_0),
    ROW(GLASS_Q5_1, A32, q5_1),     ROW(GLASS_Q8_0, A32, q8_0),
    ROW(GLASS_IQ4_NL, A32, iq4_nl), ROW(GLASS_Q2_K, A256, q2_k),
    ROW(GLASS_Q3_K, A256, q3_k),    ROW(GLASS_Q4_K, A256, q4_k),
    ROW(GLASS_Q5_K, A256, q5_k),    ROW(GLASS_Q6_K, A256, q6_k),
    ROW(GLASS_IQ4_XS, A256, iq4_xs),
#undef ROW
};

static gemm_kernel *gemm_of(glass_dtype dtype) {
    gemm_kernel *kernel;
    memcpy(&kernel, (const char *)math_kernels() + types[dtype].gemm, sizeof kernel);
    return kernel;
}

glass_status matmul_check(const struct weight *w) {
    if ((unsigned)w->dtype >= GLASS_DTYPE_LIMIT || !types[w->dtype].known)
        return fail(GLASS_BAD_INPUT, "there is no product with %s weights",
                    glass_dtype_name(w->dtype) ? glass_dtype_name(w->dtype) : "such");
    if (w->k % glass_dtype_block(w->dtype) != 0)
        return fail(GLASS_BAD_INPUT, "%s rows of %lld weights: not a multiple of %lld",
                    glass_dtype_name(w->dtype), (long long)w->k,
                    (long long)glass_dtype_block(w->dtype));
    return GLASS_OK;
}

static size_t prepared_row(enum activation_format format, int64_t k) {
    return format == A32 ? a32_row_bytes(k) : format == A256 ? a256_row_bytes(k) : 0;
}

size_t matmul_prepared_bytes(glass_dtype dtype, int64_t m, int64_t k) {
    return (size_t)m * prepared_row(types[dtype].format, k);
}

bool matmul_same_activations(glass_dtype a, glass_dtype b) {
    return types[a].format == types[b].format;
}

void matmul_prepare(const struct member *me, void *prepared, const float *x,
                    int64_t x_stride, int64_t m, int64_t k, glass_dtype dtype) {
    enum activation_format format = types[dtype].format;
    if (format == PLAIN) return;
    round_kernel *round = format == A32 ? math_kernels()->round_a32 : math_kernels()->round_a256;
    int64_t unit = format == A32 ? Q32 : QK_BLOCK, per_row = k / unit, begin, end;
    size_t row = prepared_row(format, k), block = row / (size_t)per_row;
    /* Blocks of all rows in one line, so that a single row is shared out too. */
    team_share(me, m * per_row, 1, &begin, &end);
    while (begin < end) {
        int64_t i = begin / per_row, from = begin % per_row;
        int64_t n = per_row - from < end - begin ? per_row - from : end - begin;
        round((char *)prepared + (size_t)i * row + (size_t)from * block,
              x + i * x_stride + from * unit, n * unit);
        begin += n;
    }
    team_barrier(me);
}

/* Outputs handed out at a time: enough for a kernel's tiles, small enough that a slow core
 * does not hold the others up, and so many that equal cores end together: 576 outputs for two
 * are 6 x 96, not 9 x 64. */
static int64_t unit_of(int64_t n, int members) {
    const int64_t most = 512, fewest = 4 * members;
    int64_t best = 0, shortest = 0, parts = (n + most - 1) / most;
    if (parts < fewest) parts = fewest;
    for (int64_t end = parts + 2 * members; parts <= end; parts++) {
        int64_t unit = (n + parts * 32 - 1) / (parts * 32) * 32, n_units = (n + unit - 1) / unit;
        int64_t longest = (n_units + members - 1) / members * unit; /* of one member */
        if (best == 0 || longest < shortest) best = unit, shortest = longest;
    }
    return best;
}

void matmul_run(const struct member *me, float *y, int64_t y_stride, const float *x,
                int64_t x_stride, const void *prepared, const struct weight *w, int64_t m,
                void *scratch) {
    enum activation_format format = types[w->dtype].format;
    const void *a = format == PLAIN ? (const void *)x : prepared;
    size_t a_row = format == PLAIN ? (size_t)x_stride * sizeof(float)
                                   : prepared_row(format, w->k);
    gemm_kernel *gemm = gemm_of(w->dtype);
    int64_t begin, end, unit = unit_of(w->n, me->n);
    while (team_queue_next(me, w->n, unit, &begin, &end))
        gemm(y + begin, y_stride, a, a_row,
             (const char *)w->data + (size_t)begin * w->row_bytes, w->row_bytes, m,
             end - begin, w->k, scratch);
}

void matmul_row(float *out, const struct weight *w, int64_t i) {
    widen_kernel *widen;
    memcpy(&widen, (const char *)math_kernels() + types[w->dtype].widen, sizeof widen);
    widen(out, (const char *)w->data + (size_t)i * w->row_bytes, w->k);
}
