/* params.h - the parameters of a model in training: the tensor registry.
 *
 * Every tensor that trains is one entry: canonical name, shape, values, gradient. Optimisers,
 * checkpoints, hashes and exports go through the list; the passes through `w` and `d`, two
 * weights whose pointers lead to the same memory. All f32. */
#ifndef TRAIN_PARAMS_H
#define TRAIN_PARAMS_H

#include "model/weights.h"

enum { PARAM_NAME = 64 };

/* PARAM_MATRIX: of a hidden layer. A tied head is the embedding. */
enum param_role {
    PARAM_EMBEDDING,
    PARAM_POSITIONS,
    PARAM_MATRIX,
    PARAM_HEAD,
    PARAM_NORM,
    PARAM_BIAS
};

struct param {
    char name[PARAM_NAME]; /* "blk.3.attn_q.weight" */
    enum param_role role;
    bool muon;    /* optimizer.h */
    int64_t n, k; /* rows, columns; a vector is one row */
    float *w, *d; /* (n, k) values, gradient */
};

struct params {
    const struct config *config; /* borrowed */
    struct param *list;
    int64_t n_list;
    int64_t n_floats;          /* of all */
    struct weights w, d;       /* d: gradients at the places of the values */
    float *values, *gradients; /* one block each */
};

/* Copies a model's weights, widened to f32. Both arguments are borrowed: config must outlive
 * the result, source need not. GLASS_BAD_INPUT: a part of the model cannot train. */
glass_status params_create(struct params *out, const struct config *config,
                           const struct weights *source);
void params_clear(struct params *p);
/* Bytes that params_create would take, and the lengths of its list and its blocks. */
size_t params_bytes(const struct config *config, const struct weights *source,
                    int64_t *n_list, int64_t *n_floats);

#endif
