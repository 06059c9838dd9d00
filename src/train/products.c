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

/* How a product is cut: its `n` rows or columns, `unit` of them a piece. */
struct cut {
    int64_t n, unit;
    bool rows; /* of dx: rows, not columns */
};

static struct cut cut_of(const struct product *p, int members, int64_t T) {
    int64_t n = p->w->n, k = p->w->k;
    if (p->x != NULL) {
        int64_t rounds = (n + ROWS * members - 1) / (ROWS * members);
        return (struct cut){n, (n + rounds * members - 1) / (rounds * members), true};
    }
    int64_t rows = matmul_row_unit(T, k, members);
    if (rows > 0) return (struct cut){T, rows, true};
    return (struct cut){k, matmul_output_unit(T, k, members), false};
}

static void piece(const struct crew *c, const struct product *p, const struct cut *cut,
                  int64_t begin, int64_t end, int64_t T) {
    int64_t n = p->w->n, k = p->w->k;
    if (p->x != NULL)
        c->m->gemm_tn_f32(p->to + begin * k, k, p->dy + begin, (size_t)n * sizeof *p->dy,
                          p->x, (size_t)k * sizeof *p->x, end - begin, k, T, c->scratch);
    else if (cut->rows)
        c->m->gemm_nn_f32(p->to + begin * k, k, p->dy + begin * n,
                          (size_t)n * sizeof *p->dy, p->w->data, p->w->row_bytes,
                          end - begin, k, n, c->scratch);
    else
        c->m->gemm_nn_f32(p->to + begin, k, p->dy, (size_t)n * sizeof *p->dy,
                          (const float *)p->w->data + begin, p->w->row_bytes, T,
                          end - begin, n, c->scratch);
}

void product_list(const struct crew *c, const struct product *list, int n_products,
                  int64_t T) {
    struct cut cuts[PRODUCTS];
    int64_t ends[PRODUCTS], total = 0, i, next;
    for (int p = 0; p < n_products; p++) {
        cuts[p] = cut_of(&list[p], c->me->n, T);
        total += (cuts[p].n + cuts[p].unit - 1) / cuts[p].unit;
        ends[p] = total;
    }
    while (team_queue_next(c->me, total, 1, &i, &next)) {
        int p = 0;
        while (i >= ends[p]) p++;
        const struct cut *cut = &cuts[p];
        int64_t begin = (p == 0 ? i : i - ends[p - 1]) * cut->unit;
        int64_t end = begin + cut->unit < cut->n ? begin + cut->unit : cut->n;
        piece(c, &list[p], cut, begin, end, T);
    }
    team_barrier(c->me);
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
