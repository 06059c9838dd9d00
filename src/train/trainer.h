/* trainer.h - parameters, and what one step does to them.
 *
 * A step is a list of micro-batches, fixed by its recipe. Each one's gradient is computed alone from
 * +0; they add in the binary tree over their index (arithmetic.md, "Training"; tree.h). Where
 * processes share the work, each has a run of the micro-batches, and a part of the optimiser's
 * state; every one has all values, which are the same bits after every step, whatever the number
 * of processes. What fails between processes leaves a trainer of no use. One owner at a time. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "comm/comm.h"
#include "model/model.h"
#include "train/backward.h"
#include "train/optimizer.h"

struct trainer_options {
    int64_t n_rows;     /* most tokens of a micro-batch */
    int64_t longest;    /* most tokens of a segment */
    int n_threads;      /* 0 = one per core */
    int64_t n_segments; /* most segments of a micro-batch; 0 = n_rows */
    enum optimizer_kind optimizer;
    enum recompute recompute;
    float z;         /* z-loss: factor of log^2 Z; 0 = none */
    int64_t n_micro; /* micro-batches of a step; 0 = 1. Alone, for trainer_bytes only */
    /* The processes that share the work, this one among them; NULL = none. Borrowed. */
    glass_processes *comm;
    int64_t n_processes; /* for trainer_bytes alone; 0 = 1 */
};

/* Rows of one or more segments, one after the other; row t's target is what should follow it. */
struct micro_batch {
    const int32_t *ids, *targets; /* (T) */
    const float *weights;         /* (T); 0 = does not count; NULL = all 1 */
    const struct attn_rows *segments;
    int64_t n_segments, T;
};

struct trainer;

/* Bytes that such a trainer takes, all included. */
size_t trainer_bytes(const struct glass_model *model,
                     const struct trainer_options *options);
/* Starts from the model's weights. The model must outlive the trainer. */
glass_status trainer_create(struct trainer **out, const struct glass_model *model,
                            const struct trainer_options *options);
void trainer_free(struct trainer *t);

/* Loss alone: losses (T), unweighted. */
glass_status trainer_losses(struct trainer *t, const struct micro_batch *batch,
                            float *losses);
/* Which micro-batches of a step are this process's: those that it adds, in order. */
void trainer_run(const struct trainer *t, int64_t *begin, int64_t *end);
/* The next micro-batch of the step: its losses, and its gradient into the step's. factor = 1 /
 * sum of all weights of the step. */
glass_status trainer_add(struct trainer *t, const struct micro_batch *batch, float factor,
                         float *losses);
/* Ends the step: the norm of its gradient (before clipping), and new values of every parameter.
 * Processes meet here, and while they add.
 * GLASS_BAD_INPUT: the gradient is not finite (tensor named); nothing has changed then. */
glass_status trainer_step(struct trainer *t, const struct optimizer_options *o,
                          float *norm);

/* The registry: values, and the gradient of the last trainer_add (alone). Borrowed. */
const struct params *trainer_params(const struct trainer *t);
int64_t trainer_n_steps(const struct trainer *t);
/* Forgets the micro-batches of a step that is not to be; of several processes, in all of them,
 * when each has added all that are its own. */
glass_status trainer_drop(struct trainer *t);

/* The state beside the parameters, for checkpoints. Moments lie as values do: a parameter's at
 * e->w - params->values of the whole; optimizer_keeps says which there are. Rank 0 gathers them from
 * all (*all is the gradients' memory where there are several), and says when it has what it wanted;
 * meanwhile the others lend theirs. */
glass_status trainer_gather_moments(struct trainer *t, int which, const float **all);
glass_status trainer_gathered(struct trainer *t);
glass_status trainer_lend_moments(struct trainer *t);
/* Takes from a whole's floats [at, at + n) what is of this process's part. */
void trainer_put_moments(struct trainer *t, int which, int64_t at, const void *from,
                         int64_t n);
/* powers: beta1 and beta2 to the number of steps. */
void trainer_get_counters(const struct trainer *t, int64_t *n_steps, double powers[2]);
void trainer_set_counters(struct trainer *t, int64_t n_steps, const double powers[2]);

#endif
