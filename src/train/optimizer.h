/* optimizer.h - what a step does to the parameters, given the sum of its gradients.
 *
 * An optimiser owns a part of the registry, floats [begin, end) of its blocks: all of them, or, where
 * processes share the work, this one's. Its moments are those of its part alone, and so may be the
 * gradient that it is given: both are reached by the place in the block less `begin`. Whoever owns
 * a parameter, and however many threads there are, its new bits are the same. */
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "base/team.h"
#include "train/params.h"

/* The numbers of one step. */
struct optimizer_options {
    double rate, beta1, beta2, eps, decay; /* decay: of matrices and embeddings only */
    double clip;                           /* largest gradient norm; 0 = none */
};

struct optimizer {
    const struct params *params;
    int64_t begin, end; /* multiples of 16; parameters stepped as a whole are in or out */
    float *moments[2];  /* (end - begin) each */
    int64_t n_steps;
    double
        powers[2]; /* beta1 and beta2 to the number of steps, by repeated multiplication */
};

/* A new one over [begin, end), with moments of zeros in memory that is the caller's. */
void optimizer_start(struct optimizer *o, const struct params *params, int64_t begin,
                     int64_t end, float *const moments[2]);
/* Whether a parameter's step needs all of it: then no part may end inside. */
bool optimizer_whole(const struct param *p);
/* Part i of n of a registry, about equal ones that optimizer_start takes. */
void optimizer_cut(const struct params *params, int64_t i, int64_t n, int64_t *begin,
                   int64_t *end);

/* The factor that clips a gradient of that norm: 1, or clip / norm. */
float optimizer_clip(const struct optimizer_options *options, float norm);
/* New values of the part, in params. gradient[0] is that of float `begin` of the blocks; every one
 * counts times factor. */
void optimizer_step(struct optimizer *o, const struct optimizer_options *options,
                    const float *gradient, float factor, int n_threads);

#endif
