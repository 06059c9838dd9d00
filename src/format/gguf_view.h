/* gguf_view.h - tensors that lie in a file in another order than the canonical form has them.
 *
 * The canonical form is GGUF's: linear weights (out, in), rows of q and k in pairs for the
 * families whose rotation takes pairs, q before k before v. A view says how to find canonical
 * rows in what another format stored, so that reading goes row by row and nothing is copied
 * whole. */
#ifndef FORMAT_GGUF_VIEW_H
#define FORMAT_GGUF_VIEW_H

#include "format/gguf.h"

enum gguf_order {
    GGUF_AS_IS,
    /* Within each head rows 0 … n/2-1 and n/2 … n-1 alternate: Hugging Face keeps the two
     * halves that rotate together apart, Meta and GGUF side by side. */
    GGUF_HALVES,
    /* Stored as [q|k|v] of head 0, then of head 1 …; canonical: all q, all k, all v. */
    GGUF_QKV,
    GGUF_TURNED /* stored (columns, rows) */
};

/* Part of a tensor as one file stores it. */
struct gguf_piece {
    const uint8_t *data;
    int64_t n; /* its rows, or its columns where pieces are joined by columns */
};

struct gguf_view {
    enum gguf_order order;
    int64_t n_heads;    /* of GGUF_HALVES and GGUF_QKV; divides the rows */
    bool by_columns;    /* pieces stand side by side instead of one below the other */
    bool plus_one;      /* stored + 1 in binary32; the tensor is F32, stored says of what */
    glass_dtype stored; /* the pieces' type: the tensor's own unless plus_one or scales */
    /* Stored I8 of an F32 tensor: each is multiplied by the scale of its group of `group` in
     * its row. binary32, little-endian, any alignment; NULL for everything else. */
    const uint8_t *scales;
    int64_t group;
    int n_pieces; /* one for GGUF_TURNED */
    const struct gguf_piece *pieces;
};

/* The rows of a tensor: a vector is one row. */
int64_t gguf_tensor_n_rows(const struct gguf_tensor *t);
size_t gguf_tensor_row_bytes(const struct gguf_tensor *t);
/* Canonical rows first … first+n-1 as the tensor's own type. The range must exist. */
void gguf_tensor_rows(void *out, const struct gguf_tensor *t, int64_t first, int64_t n);
/* Where the bytes of a tensor lie when they are canonical but for GGUF_HALVES and aligned for
 * their type, so that products can read them in place; else NULL. *halves tells which. */
const uint8_t *gguf_tensor_in_place(const struct gguf_tensor *t, bool *halves);

#endif
