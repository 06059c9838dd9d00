/* importance.h - the insides of a glass_importance. */
#ifndef MODEL_IMPORTANCE_H
#define MODEL_IMPORTANCE_H

#include "glass/quantize.h"

struct importance_entry {
    char *tensor;     /* owned: "blk.0.attn_q.weight" */
    int64_t n;        /* columns of all its matrices together */
    int64_t n_counts; /* 1, or one for each expert; divides n */
    float *sums;      /* (n) of squares; owned */
    float *counts;    /* (n_counts) tokens; owned */
    float *means;     /* (n) owned */
};

struct glass_importance {
    struct importance_entry *entries; /* owned */
    int64_t n_entries;
    int64_t n_pieces, n_ctx;
    char *source; /* owned */
};

/* An entry with room for its numbers, n_counts > 0 and dividing n > 0. */
glass_status importance_add(struct glass_importance *im, struct importance_entry **out,
                            const char *tensor, size_t n_bytes, int64_t n,
                            int64_t n_counts);
/* Makes means of sums and counts; refuses what is negative, not finite or absurdly large.
 * `name` is the file's, for messages. */
glass_status importance_finish(struct glass_importance *im, const char *name);

#endif
