/* products.h - the two products of a linear layer's backward pass, and sums over tokens, shared
 * out among a team. Orders are arithmetic.md's; who computes what changes no bit. */
#ifndef TRAIN_PRODUCTS_H
#define TRAIN_PRODUCTS_H

#include "base/team.h"
#include "model/weights.h"

#include <stddef.h>

/* What a member needs. Sizes are in floats, rows are dense. */
struct crew {
    const struct member *me;
    const struct math_kernels *m;
    void *scratch; /* this member's GEMM_SCRATCH_BYTES */
};

/* y (T, n) = x (T, k) w (n, k)T + b. All members; ends with a barrier. */
void product_rows(const struct crew *c, float *y, const float *x, const struct linear *l,
                  int64_t T);
/* dx (T, k) = dy (T, n) w (n, k), or, where there is an x (T, k), dw (n, k) = dy (T, n)T x. */
struct product {
    float *to; /* dx or dw */
    const float *dy, *x;
    const struct weight *w; /* for dw: its n and k only */
};
enum { PRODUCTS = 8 };
/* The products of a list, PRODUCTS at most, none of which reads what another writes: no member
 * waits before the last is begun. All members; ends with a barrier. */
void product_list(const struct crew *c, const struct product *list, int n_products,
                  int64_t T);
/* d (n) = product over the T tokens of dy (T, n) and hat (T, n), or of dy and ones where hat is
 * NULL: chains of 256 tokens, added in order. All members, each its columns; no barrier. */
void sum_tokens(const struct crew *c, float *d, const float *dy, const float *hat,
                int64_t n, int64_t T);

#endif
