/* trainer.h - parameters, and what one step does to them.
 *
 * A step is a list of micro-batches, fixed by its recipe. Each one's gradient is computed alone from
 * +0; they add in the binary tree over their index (arithmetic.md, "Training"), which keeps one
 * partial sum for each binary digit of the number of micro-batches. One owner at a time. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

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
    int64_t n_micro; /* micro-batches of a step: for trainer_bytes alone; 0 = 1 */
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
/* The next micro-batch of the step: its losses, and its gradient into the step's. factor = 1 /
 * sum of all weights of the step. */
glass_status trainer_add(struct trainer *t, const struct micro_batch *batch, float factor,
                         float *losses);
/* Ends the step: the norm of its gradient (before clipping), and new values of every parameter.
 * GLASS_BAD_INPUT: the gradient is not finite (tensor named); nothing has changed then. */
glass_status trainer_step(struct trainer *t, const struct optimizer_options *o,
                          float *norm);

/* The registry: values, and the gradient of the last trainer_add. Borrowed. */
const struct params *trainer_params(const struct trainer *t);
int64_t trainer_n_steps(const struct trainer *t);
/* Forgets the micro-batches of a step that is not to be. */
void trainer_drop(struct trainer *t);

/* The state beside the parameters, for checkpoints. A parameter's moments lie where its values
 * do: at e->w - params->values; optimizer_keeps says which there are. powers: beta1 and beta2 to the number of steps. */
float *trainer_moments(struct trainer *t, int which);
void trainer_get_counters(const struct trainer *t, int64_t *n_steps, double powers[2]);
void trainer_set_counters(struct trainer *t, int64_t n_steps, const double powers[2]);

#endif
