/* matmul.c - products by weight type. What differs by type is one table row. */
#include "math/matmul.h"

#include "base/fail.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "math/q32.h"
#include "math/qk.h"

#include <string.h>

typedef void widen_kernel(float *y, const void *x, int64_t k);
typedef void round_kernel(void *out, const float *x, int64_t k);

/* Offsets into the kernel table, so that the rows are constant. */
static const struct {
    bool known;
    enum operand_format format;
    size_t gemm, widen;
} types[GLASS_DTYPE_LIMIT] = {
#define ROW(id, format, name)                                                              \
    [id] = {true, OPERAND_##format, offsetof(struct math_kernels, gemm_##name),            \
            offsetof(struct math_kernels, widen_##name)}
    ROW(GLASS_F32, F32, f32),        ROW(GLASS_F16, F32, f16),
    ROW(GLASS_BF16, F32, bf16),      ROW(GLASS_Q4_0, A32, q4_0),
    ROW(GLASS_Q4_1, A32, q4_1),      ROW(GLASS_Q5_0, A32, q5_0),
    ROW(GLASS_Q5_1, A32, q5_1),      ROW(GLASS_Q8_0, A32, q8_0),
    ROW(GLASS_IQ4_NL, A32, iq4_nl),  ROW(GLASS_Q2_K, A256, q2_k),
    ROW(GLASS_Q3_K, A256, q3_k),     ROW(GLASS_Q4_K, A256, q4_k),
    ROW(GLASS_Q5_K, A256, q5_k),     ROW(GLASS_Q6_K, A256, q6_k),
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

enum operand_format matmul_format(glass_dtype dtype) {
    return types[dtype].format;
}

int64_t operand_unit(enum operand_format format) {
    return format == OPERAND_A32 ? Q32 : format == OPERAND_A256 ? QK_BLOCK : 1;
}

size_t operand_row_bytes(enum operand_format format, int64_t k) {
    return format == OPERAND_A32    ? a32_row_bytes(k)
           : format == OPERAND_A256 ? a256_row_bytes(k)
                                    : 0;
}

void operand_round(void *rows, size_t row_bytes, enum operand_format format, const float *x,
                   int64_t x_stride, int64_t m, int64_t begin, int64_t end) {
    if (format == OPERAND_F32 || begin >= end) return;
    round_kernel *round =
        format == OPERAND_A32 ? math_kernels()->round_a32 : math_kernels()->round_a256;
    char *out = (char *)rows + operand_row_bytes(format, begin);
    for (int64_t i = 0; i < m; i++)
        round(out + (size_t)i * row_bytes, x + i * x_stride + begin, end - begin);
}

int64_t matmul_unit(int64_t n, int64_t step, int members, bool few) {
    if (few) return (n + members * step - 1) / (members * step) * step;
    const int64_t most = 512, fewest = 4 * (int64_t)members;
    int64_t best = 0, shortest = 0, parts = (n + most - 1) / most;
    if (parts < fewest) parts = fewest;
    for (int64_t end = parts + 2 * members; parts <= end; parts++) {
        int64_t unit = (n + parts * step - 1) / (parts * step) * step;
        int64_t n_units = (n + unit - 1) / unit;
        int64_t longest = (n_units + members - 1) / members * unit; /* of one member */
        if (best == 0 || longest < shortest) best = unit, shortest = longest;
    }
    return best;
}

enum { PANEL = 32 /* outputs of float products, at most */ };

int64_t matmul_output_unit(int64_t m, int64_t n, int members) {
    int64_t panels = (n + PANEL - 1) / PANEL, parts = members;
    if (m >= 1024 && panels % (2 * (int64_t)members) == 0) parts = 2 * (int64_t)members;
    return (panels + parts - 1) / parts * PANEL;
}

int64_t matmul_row_unit(int64_t m, int64_t n, int members) {
    enum { TILE = 14, PACKING = 8 /* rows' worth of time */ };
    if (members < 2) return 0;
    int64_t panels = (n + PANEL - 1) / PANEL, tiles = (m + TILE - 1) / TILE;
    /* The longest member's share, times the members: what is wasted counts as work. */
    int64_t by_outputs = (panels + members - 1) / members * members * PANEL * m;
    int64_t by_rows = ((tiles + members - 1) / members * TILE + PACKING) * members * n;
    if (by_outputs <= by_rows) return 0;
    /* Two pieces each, where that costs little, so that a slow core takes fewer. */
    int64_t parts = m >= (int64_t)members * 1024 ? 2 * members : members;
    return (m + parts - 1) / parts;
}

void matmul_range(float *y, int64_t y_stride, const struct operand *x,
                  const struct weight *w, int64_t m, int64_t begin, int64_t end,
                  void *scratch) {
    enum operand_format format = types[w->dtype].format;
    gemm_of(w->dtype)(y + begin, y_stride, x->rows[format], x->row_bytes[format],
                      (const char *)w->data + (size_t)begin * w->row_bytes, w->row_bytes, m,
                      end - begin, w->k, scratch);
}

void matmul_row(float *out, const struct weight *w, int64_t i) {
    widen_kernel *widen;
    memcpy(&widen, (const char *)math_kernels() + types[w->dtype].widen, sizeof widen);
    widen(out, (const char *)w->data + (size_t)i * w->row_bytes, w->k);
}
