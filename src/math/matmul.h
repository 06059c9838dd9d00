/* matmul.h - products for a team: prepares activations once, then shares the outputs out.
 *
 * y(m, n) = x(m, k) · w(n, k)ᵀ. Bits do not depend on m, on the team, or on how a batch was
 * put together. */
#ifndef MATH_MATMUL_H
#define MATH_MATMUL_H

#include "base/team.h"
#include "glass/dtype.h"

/* A linear layer's weights, as mapped. */
struct weight {
    const void *data; /* n rows */
    glass_dtype dtype;
    int64_t n, k;     /* outputs, inputs */
    size_t row_bytes;
};

/* GLASS_BAD_INPUT when there is no product for this type, or k is not a multiple of its
 * block. */
glass_status matmul_check(const struct weight *w);

/* Bytes that m prepared rows of k floats take for this weight type (0 for float types, whose
 * activations are used as they are). */
size_t matmul_prepared_bytes(glass_dtype dtype, int64_t m, int64_t k);
/* Whether two weight types take the same prepared rows (q, k and v share theirs). */
bool matmul_same_activations(glass_dtype a, glass_dtype b);
/* All members: rounds x (m rows, x_stride floats apart) into prepared. Ends with a barrier
 * unless the type needs no preparation. */
void matmul_prepare(const struct member *me, void *prepared, const float *x,
                    int64_t x_stride, int64_t m, int64_t k, glass_dtype dtype);
/* All members: y (m rows, y_stride floats apart). x is used by float types, prepared by the
 * others. scratch is this member's own GEMM_SCRATCH_BYTES. Does not end with a barrier, and
 * uses the team's queue: a team_barrier must follow before the queue is used again. */
void matmul_run(const struct member *me, float *y, int64_t y_stride, const float *x,
                int64_t x_stride, const void *prepared, const struct weight *w, int64_t m,
                void *scratch);
/* Row i of a weight, widened to f32: the embedding look-up. */
void matmul_row(float *out, const struct weight *w, int64_t i);

#endif
