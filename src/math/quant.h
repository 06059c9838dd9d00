/* quant.h - weights to the blocks of GGUF's types (q32.h, qk.h), and what is lost by it.
 *
 * The rules are llama.cpp's (ggml-quants.c), so that the same weights give the same blocks:
 * a type's blocks are found by a search over scales that minimises a weighted squared error.
 * docs/quantisation.md says which search each type makes. Every step is one rounding of
 * binary32 in a fixed order inside a block; blocks do not touch each other (but for the mean
 * square of a row, below), so any cut of the work gives the same bits.
 *
 * importance: NULL, or a weight >= 0 for each of the k columns: how much an error in that
 * column matters. Q8_0, F16, BF16 and F32 do not look at it. With it, the 32-block types
 * (Q4_0, Q4_1, Q5_0, Q5_1) also use the mean square of the whole row. */
#ifndef MATH_QUANT_H
#define MATH_QUANT_H

#include "glass/dtype.h"

/* Kernels (list_quant.def): n_rows rows of k floats, k a multiple of the type's block; out:
 * n_rows * k / block blocks, no alignment. The floats are finite. */
#define QUANT_PARAMETERS                                                                   \
    (void *out, const float *x, const float *importance, int64_t n_rows, int64_t k)
typedef void quant_kernel QUANT_PARAMETERS;

enum quant_flaw {
    QUANT_GOOD,
    QUANT_NOT_FINITE, /* a weight is an infinity or a NaN */
    QUANT_TOO_LARGE   /* a block's scale, or a weight, does not fit the type */
};

/* True for the float types and for every block type that a kernel makes. */
bool quant_known(glass_dtype type);
/* Bytes of a row of k weights; 0 if the type is not known, or k no multiple of its block. */
size_t quant_row_bytes(glass_dtype type, int64_t k);
/* Rows of weights to the type's bytes. On a flaw *at is the first weight that is wrong, or the
 * first of a block that is, counted from x; out is then unspecified. */
enum quant_flaw quant_rows(void *out, const float *x, const float *importance,
                           int64_t n_rows, int64_t k, glass_dtype type, int64_t *at);

/* What became of weights. Sums in binary64. */
struct quant_error {
    double squares; /* of the differences */
    double weights; /* squares of the weights themselves */
    double largest; /* |difference| */
};
/* Of one row of k weights and its blocks; scratch: k floats. Sums run over eight lanes, lane
 * l taking the weights k = l (mod 8), ascending, then folded 4, 2, 1: the same bits anywhere. */
void quant_error_row(struct quant_error *out, float *scratch, const float *x,
                     const void *blocks, int64_t k, glass_dtype type);

#endif
