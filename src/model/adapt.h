/* adapt.h - adapters in a pass: y = fma(scale, B (A x), y), after the layer's own product.
 *
 * Before the products of some layers, adapt_low computes t = A x of all rows and adapters of
 * these layers, once; then each range of outputs adds what B makes of t. Every sum is a
 * product of arithmetic.md over the layer's inputs or over the rank, so nothing depends on
 * who computes what. */
#ifndef MODEL_ADAPT_H
#define MODEL_ADAPT_H

#include "base/team.h"
#include "glass/adapter.h"
#include "model/weights.h"

enum {
    ADAPTER_MAX_RANK = 8192,
    ADAPTERS_AT_ONCE = 64,
    ADAPT_SUMS = 8192 /* outputs that a member holds before they are added */
};

/* One adapter on one layer, at work. */
struct adapt_term {
    struct weight a, b; /* (r, in), (out, r); borrowed from the adapter */
    float scale;
    int64_t at; /* its t are columns at … at + r - 1 of a row's */
    int64_t
        low; /* r, or 0 where the term before it makes the same t: q, k, v in one tensor */
};

/* A session's adapters, by layers. */
struct adapt_set {
    int n;
    glass_adapter_use uses[ADAPTERS_AT_ONCE]; /* those of scale 0 are left out */
    struct adapt_term *terms;
    int32_t *first; /* (linears + 1) layer id has terms first[id] … first[id + 1] - 1 */
    int64_t width;  /* numbers of t that a row needs at most */
    size_t n_bytes; /* of the set itself */
};

struct glass_model;
/* *out is NULL when nothing is left of n adapters. GLASS_USAGE as
 * glass_session_set_adapters. */
glass_status adapt_set_create(struct adapt_set **out, const struct glass_model *m,
                              const glass_adapter_use *uses, int n);
void adapt_set_free(struct adapt_set *set);
/* Whether both do the same; either may be NULL. */
bool adapt_set_same(const struct adapt_set *a, const struct adapt_set *b);
/* A model's fingerprint with that of the adapters; set may be NULL. */
glass_status adapt_fingerprint(uint8_t out[32], const struct glass_model *m,
                               const struct adapt_set *set);

/* Rows first … first+n-1 have these adapters. */
struct adapt_run {
    int64_t first, n;
    const struct adapt_set *set;
};

/* What products of a pass need. */
struct adapt {
    struct adapt_run *runs; /* ascending; rows between them have no adapters */
    int64_t n_runs, n_rows;
    float *t; /* (n_rows, width) */
    int64_t width;
    float *sums; /* (members, ADAPT_SUMS) */
};

/* The memory of passes of up to n_rows; zero-initialise it. */
struct adapt_memory {
    void *block;
    int64_t width;
    struct adapt pass, head; /* runs of none yet */
};
/* What passes of up to n_rows with t of this width take, 0 for a width of 0; false where no size_t
 * holds it. */
bool adapt_memory_bytes(size_t *out, int64_t n_rows, int n_threads, int64_t width);
/* Makes room for rows of this width where there is none. On failure nothing changed. */
glass_status adapt_reserve(struct adapt_memory *m, int64_t n_rows, int n_threads,
                           int64_t width);
void adapt_release(struct adapt_memory *m);
/* Appends n rows; set may be NULL. */
void adapt_rows(struct adapt *a, int64_t n, const struct adapt_set *set);

/* t of all rows for these layers, which read x. Called by all members, who have met since the
 * last product; ends with a barrier if there is anything to do. few: every member has all rows
 * of x in memory of its own. scratch as matmul.h says. */
void adapt_low(const struct adapt *a, const struct member *me, bool few,
               const struct operand *x, const struct linear *const *layers, int n_layers,
               void *scratch);
/* Adds to outputs [begin, end) of n_rows rows of y; the first one is row `row` of a's. */
void adapt_add(const struct adapt *a, const struct member *me, float *y,
               const struct linear *l, int64_t row, int64_t n_rows, int64_t begin,
               int64_t end, void *scratch);

#endif
