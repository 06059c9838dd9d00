/* forward.h - one pass of the transformer over rows of tokens from one or more sessions. */
#ifndef MODEL_FORWARD_H
#define MODEL_FORWARD_H

#include "math/attention.h"
#include "model/weights.h"

/* Working memory of a pass of at most n_rows tokens. T = n_rows below. */
struct workspace {
    int64_t n_rows;
    int n_threads;
    int32_t *ids;         /* (T) */
    int64_t *positions;   /* (T) */
    float *x;             /* (T, n_embd) the residual stream */
    float *h;             /* (T, n_embd) normed input, or a layer's output */
    float *q, *k, *v;     /* (T, n_head*head_dim), (T, n_head_kv*head_dim) twice */
    float *attn;          /* (T, max(n_head*head_dim, n_embd)) */
    float *up, *gate;     /* (T, n_ff) */
    float *cosines, *sines; /* (T, n_rot/2) */
    void *prepared;       /* activations rounded for quantised weights */
    uint8_t *scratch;     /* (n_threads, scratch_bytes) for products */
    void *attn_scratch;   /* shared by the team */
    size_t scratch_bytes;
    struct attn_segment *segments; /* (T) */
    void *block;          /* the allocation behind all of it */
    size_t n_bytes;
};

/* Lays a workspace out; with block == NULL only n_bytes is computed. n_ctx is the longest
 * context that attention will see. */
void workspace_layout(struct workspace *out, void *block, const struct config *c,
                      const struct weights *w, int64_t n_rows, int64_t n_ctx, int n_threads);

/* Rows whose logits are wanted: rows first … first+n-1 go to out (n, n_vocab). */
struct logit_request {
    int64_t first, n;
    float *out;
};

struct pass {
    const struct config *config;
    const struct weights *weights;
    struct workspace *work;
    int64_t n_rows;                 /* rows in this pass: ids and positions are filled in */
    int64_t n_segments;             /* work->segments, caches set per layer by the pass */
    struct attn_cache *const *caches; /* (n_segments) -> (n_layer) caches of its session */
    const struct logit_request *requests;
    int64_t n_requests;
};

/* Runs the pass on work->n_threads threads. Cannot fail: everything was checked and
 * allocated before. */
void forward(const struct pass *pass);

#endif
