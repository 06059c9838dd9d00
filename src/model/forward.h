/* forward.h - one pass of the transformer over rows of tokens from one or more sessions. */
#ifndef MODEL_FORWARD_H
#define MODEL_FORWARD_H

#include "math/attention.h"
#include "model/adapt.h"
#include "model/tape.h"
#include "model/workspace.h"

/* Rows whose logits are wanted: rows first … first+n-1 go to out (n, n_vocab), what the head
 * reads of them to hidden (n, n_embd). Either may be NULL. */
struct logit_request {
    int64_t first, n;
    float *out, *hidden;
};

/* For statistics of what the linear layers read: an observer is called by every member of the
 * team with features of its own, all rows of the pass in their order. Costs nothing when
 * there is none. */
enum observed {
    OBSERVED_ATTENTION, /* read by q, k and v */
    OBSERVED_OUTPUT,    /* by the attention's output */
    OBSERVED_MLP,       /* by gate and up */
    OBSERVED_DOWN,
    OBSERVED_KINDS
};
struct observer {
    /* Features [begin, end) of n_rows rows, `width` floats apart. */
    void (*rows)(void *context, int64_t layer, enum observed what, const float *x,
                 int64_t n_rows, int64_t width, int64_t begin, int64_t end);
    void *context;
};

struct pass {
    const struct config *config;
    const struct weights *weights;
    struct workspace *work;
    int64_t n_rows;     /* rows in this pass: ids and positions are filled in */
    int64_t n_segments; /* work->segments, caches set per layer by the pass */
    struct attn_cache *const *caches; /* (n_segments) -> (n_layer) caches of its session */
    const struct logit_request *requests; /* of different rows */
    int64_t n_requests;
    /* NULL where no row has adapters; else of the rows of the pass, and of those of the
     * requests, one request after the other. */
    const struct adapt *adapt, *adapt_head;
    const struct tape *tape; /* NULL, or where to leave what a backward pass needs */
    bool again;              /* of forward_again: nothing that the tape has no use for */
    const struct observer *observer; /* or NULL */
};

/* Runs the pass on work->n_threads threads. Cannot fail: everything was checked and
 * allocated before. */
void forward(const struct pass *pass);

/* Makes again what a layer left on pass->tape, from its x_attn there, after forward() went over
 * the same rows: the same bits. For each member of a team of work->n_threads; pass->again is true.
 * Ends with a barrier. */
void forward_again(const struct pass *pass, const struct member *me, int64_t layer);

/* Answers pass->requests of n_rows rows x (n_rows, n_embd) as if the last layer had left them:
 * final norm and head alone. x is not work's own. The tape, segments and caches do not count. */
void forward_head(const struct pass *pass, const float *x);

#endif
