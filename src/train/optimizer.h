/* optimizer.h - what a step does to the parameters, given the sum of its gradients.
 *
 * AdamW (Loshchilov and Hutter 2019) for all of them, or Muon (Jordan 2024) for the matrices of
 * hidden layers and AdamW for the rest; docs/arithmetic.md has the formulas.
 *
 * An optimiser owns a part of the registry, floats [begin, end) of its blocks: all of them, or, where
 * processes share the work, this one's. Its moments are those of its part alone, and so may be the
 * gradient that it is given: both are reached by the place in the block less `begin`. Whoever owns
 * a parameter, and however many threads there are, its new bits are the same. */
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "base/team.h"
#include "train/params.h"

enum optimizer_kind { OPTIMIZER_ADAMW, OPTIMIZER_MUON };

/* By what Muon's rate is multiplied for a matrix of n rows and k columns. */
enum muon_scale {
    MUON_ORIGINAL, /* sqrt(max(1, n / k)) */
    MUON_RMS /* 0.2 sqrt(max(n, k)): changes as large as AdamW's (Liu and others 2025) */
};

/* The numbers of one step. */
struct optimizer_options {
    double rate, beta1, beta2, eps, decay;
    double clip; /* largest gradient norm; 0 = none */
    /* Which decay: bits 1 << enum param_role; 0 = all matrices, embeddings and the head. */
    unsigned decays;
    /* Of Muon's matrices, whose rate and decay are these. */
    double muon_rate, muon_decay, momentum;
    bool plain; /* momentum without Nesterov's look ahead */
    enum muon_scale scale;
};

struct optimizer {
    const struct params *params;
    int64_t begin, end; /* multiples of 16; parameters stepped as a whole are in or out */
    /* (end - begin) each. The second one of a Muon matrix is no state: the step works there. */
    float *moments[2];
    int64_t n_steps;
    double
        powers[2]; /* beta1 and beta2 to the number of steps, by repeated multiplication */
    /* Muon's alone, to be set after optimizer_start; shared by the team. */
    float *work;        /* optimizer_work_floats */
    char *gemm_scratch; /* GEMM_SCRATCH_BYTES of each member, 64-byte aligned */
};

/* Says for each parameter how it steps (param.muon). */
void optimizer_choose(struct params *params, enum optimizer_kind kind);
/* Floats of `work` for models of this shape; 0 for AdamW. */
int64_t optimizer_work_floats(const struct config *config, enum optimizer_kind kind);
/* A new one over [begin, end), with moments of zeros in memory that is the caller's. */
void optimizer_start(struct optimizer *o, const struct params *params, int64_t begin,
                     int64_t end, float *const moments[2]);
/* Whether a parameter's step needs all of it: then no part may end inside. */
bool optimizer_whole(const struct param *p);
/* Whether moment `which` of a parameter is part of the state. */
bool optimizer_keeps(const struct param *p, int which);
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
