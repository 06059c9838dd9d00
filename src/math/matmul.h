/* matmul.h - products by weight type: what activations each type wants, and ranges of outputs.
 *
 * y(m, n) = x(m, k) · w(n, k)ᵀ. Bits do not depend on m, on which range of outputs a call
 * computes, or on how a batch was put together. Threads are the caller's: members of a team
 * round different features and compute different ranges. */
#ifndef MATH_MATMUL_H
#define MATH_MATMUL_H

#include "glass/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A linear layer's weights, as mapped. */
struct weight {
    const void *data; /* n rows */
    glass_dtype dtype;
    int64_t n, k; /* outputs, inputs */
    size_t row_bytes;
};

/* What activations look like to a kernel. */
enum operand_format {
    OPERAND_F32,  /* as they are: float weights */
    OPERAND_A32,  /* rounded in blocks of 32 (q32.h) */
    OPERAND_A256, /* rounded in blocks of 256 (qk.h) */
    OPERAND_FORMATS
};

/* Rows of activations in each format that some weight asks for; the others may be NULL. Row i
 * of format f starts row_bytes[f] * i after rows[f]. */
struct operand {
    const void *rows[OPERAND_FORMATS];
    size_t row_bytes[OPERAND_FORMATS];
};

/* GLASS_BAD_INPUT when there is no product for this type, or k is not a multiple of its
 * block. */
glass_status matmul_check(const struct weight *w);
/* The format that a (checked) weight type reads. */
enum operand_format matmul_format(glass_dtype dtype);

/* Features in a block of a format: 1, 32 or 256. */
int64_t operand_unit(enum operand_format format);
/* Bytes of a row of k rounded features; 0 for OPERAND_F32, whose rows are used in place. */
size_t operand_row_bytes(enum operand_format format, int64_t k);
/* Rounds features [begin, end) of m rows of x (x_stride floats apart) into rows; both bounds
 * are multiples of the format's unit. Nothing to do for OPERAND_F32. */
void operand_round(void *rows, size_t row_bytes, enum operand_format format, const float *x,
                   int64_t x_stride, int64_t m, int64_t begin, int64_t end);

/* Outputs to hand out at a time when `members` share n of them, a multiple of `step`.
 * Many rows of activations: enough outputs for a kernel's tiles, few enough that a slow core
 * does not hold the others up, and so many pieces that equal cores end together: 576 outputs
 * for two are 6 x 96, not 9 x 64. Few rows: one piece each, since the weights at the start of
 * a piece are not yet on their way, and pieces are read in less time than that costs. */
int64_t matmul_unit(int64_t n, int64_t step, int members, bool few);
/* For many rows m of float activations: how many rows to hand out at a time, or 0 where handing
 * out some of the n outputs of all rows is better. Every piece of rows turns all weights into
 * panels; pieces of outputs are whole panels, which may not divide by the members. */
int64_t matmul_row_unit(int64_t m, int64_t n, int members);
/* And how many outputs, a multiple of 32, where they are handed out: one or two pieces for each
 * member, since every piece reads all rows. */
int64_t matmul_output_unit(int64_t m, int64_t n, int members);
/* Outputs [begin, end) of m rows of y (y_stride floats apart). scratch is this thread's own
 * GEMM_SCRATCH_BYTES. */
void matmul_range(float *y, int64_t y_stride, const struct operand *x,
                  const struct weight *w, int64_t m, int64_t begin, int64_t end,
                  void *scratch);
/* Row i of a weight, widened to f32: the embedding look-up. */
void matmul_row(float *out, const struct weight *w, int64_t i);

#endif
