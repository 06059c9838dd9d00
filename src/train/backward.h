/* backward.h - the backward pass of the one transformer, for the fields of its forward pass.
 *
 * Every product follows arithmetic.md; where several gradients meet they add in this order: of q, k
 * and v into their input; of up and gate into theirs; the stream's own, then the attention's (in a
 * parallel residual: then the MLP's). Embedding gradients add in token order, after a tied head's. */
#ifndef TRAIN_BACKWARD_H
#define TRAIN_BACKWARD_H

#include "model/forward.h"
#include "train/attn_back.h"
#include "train/params.h"
#include "train/products.h"

/* (T, …) each, shared by the team. */
struct back_work {
    float *dx, *dh, *normed, *dnormed, *hat, *part, *aside; /* (T, n_embd) */
    float *d_attn, *dq, *dk, *dv; /* (T, n_head*head_dim | n_head_kv*head_dim) */
    float *wide_hat;              /* (T, n_head*head_dim) of norms of q and k */
    float *hidden, *d_hidden, *d_gate, *d_up, *inner; /* (T, n_ff) */
};

/* What of the tape is made again when its layer's turn comes, instead of being kept. No bit
 * changes. */
enum recompute {
    RECOMPUTE_NONE,
    RECOMPUTE_MLP,   /* gate and up: all layers have the same memory for them */
    RECOMPUTE_LAYERS /* all but what the layer reads */
};

struct back_job {
    const struct params *params;
    const struct tape *tape;
    enum recompute recompute;
    const struct pass *again; /* RECOMPUTE_LAYERS: the forward pass, with this tape */
    const struct workspace *forward; /* its ids, positions and angles */
    const struct attn_rows *segments;
    int64_t n_segments;
    int64_t T;
    struct back_work work; /* work.dx: the gradient of tape->x, then of the embeddings */
    void *const *attn_scratch; /* each member's */
    /* All members call it, after a barrier, when the gradients of a layer are final; NULL = none. */
    void (*ready)(void *context, const struct crew *c, int64_t layer);
    void *context;
};

/* All members. Writes the gradient of every parameter but those of the head and the final norm
 * (loss.h); a tied embedding's must be there already. Ends with a barrier. */
void backward(const struct crew *c, const struct back_job *job);

#endif
