/* trainer_parts.h - a trainer's insides, for trainer*.c only.
 *
 *   trainer.c       micro-batches: losses and gradients
 *   trainer_step.c  what a step does with their sum, and with the other processes
 *   trainer_plan.c  memory */
#ifndef TRAIN_TRAINER_PARTS_H
#define TRAIN_TRAINER_PARTS_H

#include "math/attn_layout.h"
#include "math/gemm.h"
#include "model/forward.h"
#include "train/loss.h"
#include "train/trainer.h"
#include "train/tree.h"

struct trainer {
    const struct config *config; /* the model's */
    struct trainer_options options;
    struct params params;
    struct workspace forward;
    struct tape tape; /* as the backward pass reads it, layer by layer */
    struct tape kept; /* what of it the forward pass leaves; the same memory */
    struct pass pass; /* the last one */
    struct back_work work;
    struct loss_work loss;
    /* (n_threads) */
    float **parts, **caps;
    void **attn_scratch;
    char *gemm_scratch;
    /* (n_segments) */
    struct attn_cache **pass_caches;
    struct attn_cache *caches; /* (n_segments, n_layer) */
    char *cache_block;
    struct optimizer optimizer; /* of this process's part */
    float *optimizer_work;
    float *squares; /* (processes, n_list) */
    void *block;    /* the allocation behind all of these */
    struct tree tree;
};

/* Replaces what stands for a default. */
void trainer_fill_options(struct trainer_options *o);
/* Takes the memory of a trainer whose params are there. */
glass_status trainer_take(struct trainer *t);

#endif
