/* optimizer_muon.h - Muon's step of one matrix, for optimizer.c. */
#ifndef TRAIN_OPTIMIZER_MUON_H
#define TRAIN_OPTIMIZER_MUON_H

#include "base/team.h"

#include <stddef.h>

/* One matrix (n, k), the smaller side s = min(n, k). */
struct muon_job {
    float *w, *moment; /* (n, k) */
    const float *g;    /* (n, k) its gradient */
    float *x, *y;      /* (n, k) memory */
    float *a, *b;      /* (s, s) memory */
    int64_t n, k;
    float factor;         /* of the gradient */
    float momentum, rest; /* rest: 1 - momentum */
    bool plain;           /* no look ahead */
    float rate, keep;     /* scale included; 1 - rate * decay */
};

/* All members, each with GEMM_SCRATCH_BYTES of its own. Uses the team's queue. No barrier at the
 * end: a and b are free then, y too, but w and x are not yet whole. */
void muon_step(const struct member *me, const struct muon_job *job, void *scratch);

#endif
