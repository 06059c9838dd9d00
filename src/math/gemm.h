/* gemm.h - what a product kernel looks like, and the activations that each weight type wants.
 *
 * c(m, n) = a(m, k) · w(n, k)ᵀ in the order of arithmetic.md. `a` holds m rows in the
 * activation format of the weight type: plain f32 for F32, F16, BF16; rounded blocks for the
 * quantised types. Rows may be any distance apart; pointers have no alignment. */
#ifndef MATH_GEMM_H
#define MATH_GEMM_H

#include "glass/dtype.h"

/* Every thread that calls a gemm kernel brings this much 64-byte aligned scratch. */
#define GEMM_SCRATCH_BYTES ((size_t)4 << 20)

/* c_stride is in floats, a_row and w_row in bytes. k is a multiple of the type's block. */
#define GEMM_PARAMETERS                                                                    \
    (float *c, int64_t c_stride, const void *a, size_t a_row, const void *w, size_t w_row, \
     int64_t m, int64_t n, int64_t k, void *scratch)
typedef void gemm_kernel GEMM_PARAMETERS;

#endif
