/* gemm_float.h - the loops around a float product, apart from the instruction sets.
 *
 * Lanes are outputs, and k runs alone in each lane, so any tiling gives the same bits. For
 * a few rows of activations the weights are streamed once, turned in registers. For more, a
 * block of 256 k of some weight rows is turned into panels, which serve all activation
 * rows: the block of arithmetic.md is the block of the cache too. Activation rows whose
 * distance would put a tile's rows into the same few sets of the cache are copied first. */
#ifndef MATH_GEMM_FLOAT_H
#define MATH_GEMM_FLOAT_H

#include "math/gemm.h"

#include <stdbool.h>

enum {
    GEMM_FLOAT_K = 256, /* arithmetic.md's block */
    GEMM_FLOAT_N = 320, /* weight rows whose panels are held at a time, at most; divisible
                         * by all n_tile */
    GEMM_FLOAT_M = 210, /* activation rows that go over those panels before the next ones;
                         * divisible by m_tile 14 and 6 */
    GEMM_FLOAT_ROWS = 2048, /* activation rows of one go: their sums wait in scratch */
};

/* panel (k, n_tile) = the transpose of n <= n_tile rows of w from a column on, widened; or, of
 * weights that are stored (k, n), n of their columns. Columns past n are anything. */
typedef void gemm_float_pack(float *panel, const void *w, size_t w_row, int64_t n,
                             int64_t k);

/* to (k, rows) = k rows of activations that are stored (k, m), from a column on; rows <= m_tile. */
typedef void gemm_float_copy(float *to, const void *a, size_t a_row, int64_t rows,
                             int64_t k);

/* What is read next, for the tile to prefetch: rows of 64-byte lines; rows 0 for nothing.
 */
struct gemm_float_next {
    const char *from;
    size_t row;
    int64_t n_rows, n_lines;
};

/* c (rows, n_tile) = or += chains of a (rows, k), or (k, rows) where activations are stored
 * so, and panel (k, n_tile); 1 <= rows <= m_tile. c and a in the strides of gemm.h. */
typedef void gemm_float_tile(float *c, int64_t c_stride, const void *a, size_t a_row,
                             const float *panel, int64_t k, int64_t rows, bool add,
                             const struct gemm_float_next *next);

struct gemm_float {
    int64_t m_tile, n_tile;
    int64_t m_stream;    /* up to this many rows of activations are streamed */
    int64_t w_bytes;     /* of one weight */
    gemm_kernel *stream; /* may not use its scratch: the activations may be there */
    gemm_float_pack *pack;
    gemm_float_tile *tile;
    bool w_across; /* weights are stored (k, n) */
    /* Of activations that are stored (k, m); nothing is streamed then. NULL: along. */
    gemm_float_copy *copy_across;
};

/* Any instruction set's. */
gemm_float_copy gemm_float_copy_rows;

/* The product, for any m, n, k; scratch as gemm.h says. */
void gemm_float_run(const struct gemm_float *f, float *c, int64_t c_stride, const void *a,
                    size_t a_row, const void *w, size_t w_row, int64_t m, int64_t n,
                    int64_t k, void *scratch);
/* The same, going on with sums of earlier blocks that are in c. Never streams. */
void gemm_float_more(const struct gemm_float *f, float *c, int64_t c_stride, const void *a,
                     size_t a_row, const void *w, size_t w_row, int64_t m, int64_t n,
                     int64_t k, void *scratch);

#endif
