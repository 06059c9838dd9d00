/* products.c - see products.h. */
#include "train/products.h"

#include "math/kernels.h"
#include "math/matmul.h"

#include <string.h>

enum { BLOCK = 256, ROWS = 420 /* outputs that a member takes at a time, at most */ };

void product_rows(const struct crew *c, float *y, const float *x, const struct linear *l,
                  int64_t T) {
    const struct weight *w = &l->w;
    int64_t unit = matmul_unit(w->n, 32, c->me->n, false), begin, end;
    while (team_queue_next(c->me, w->n, unit, &begin, &end)) {
        c->m->gemm_f32(y + begin, w->n, x, (size_t)w->k * sizeof *x,
                       (const float *)w->data + begin * w->k, w->row_bytes, T, end - begin,
                       w->k, c->scratch);
        for (int64_t t = 0; l->b != NULL && t < T; t++) {
            float *row = y + t * w->n + begin;
            c->m->add_f32(row, row, l->b + begin, end - begin);
        }
    }
    team_barrier(c->me);
}

void product_back(const struct crew *c, float *dx, const float *dy, const struct weight *w,
                  int64_t T) {
    int64_t unit = matmul_unit(w->k, 32, c->me->n, false), begin, end;
    while (team_queue_next(c->me, w->k, unit, &begin, &end))
        c->m->gemm_nn_f32(dx + begin, w->k, dy, (size_t)w->n * sizeof *dy,
                          (const float *)w->data + begin, w->row_bytes, T, end - begin,
                          w->n, c->scratch);
    team_barrier(c->me);
}

void product_weights(const struct crew *c, float *dw, const float *dy, const float *x,
                     int64_t n, int64_t k, int64_t T) {
    int64_t members = c->me->n, rounds = (n + ROWS * members - 1) / (ROWS * members);
    int64_t unit = (n + rounds * members - 1) / (rounds * members), begin, end;
    while (team_queue_next(c->me, n, unit, &begin, &end))
        c->m->gemm_tn_f32(dw + begin * k, k, dy + begin, (size_t)n * sizeof *dy, x,
                          (size_t)k * sizeof *x, end - begin, k, T, c->scratch);
}

void sum_tokens(const struct crew *c, float *d, const float *dy, const float *hat,
                int64_t n, int64_t T) {
    enum { COLUMNS = 512 };
    float chain[COLUMNS], ones[COLUMNS];
    int64_t from, to;
    team_share(c->me, n, 16, &from, &to);
    for (int i = 0; i < COLUMNS; i++) ones[i] = 1;
    for (int64_t begin = from; begin < to; begin += COLUMNS) {
        int64_t width = to - begin < COLUMNS ? to - begin : COLUMNS;
        for (int64_t t0 = 0; t0 < T; t0 += BLOCK) {
            int64_t end = t0 + BLOCK < T ? t0 + BLOCK : T;
            memset(chain, 0, sizeof chain);
            for (int64_t t = t0; t < end; t++)
                c->m->fma_f32(chain, dy + t * n + begin,
                              hat == NULL ? ones : hat + t * n + begin, width);
            if (t0 == 0)
                memcpy(d + begin, chain, (size_t)width * sizeof *d);
            else
                c->m->add_f32(d + begin, d + begin, chain, width);
        }
    }
}
