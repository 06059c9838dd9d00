/* workspace.h - the working memory of a pass, planned before it is taken. */
#ifndef MODEL_WORKSPACE_H
#define MODEL_WORKSPACE_H

#include "math/attention.h"
#include "model/weights.h"

/* A pass of at most this many rows is "few": what is cheap is then done by every member for
 * itself, in memory of its own, since meeting costs more than computing it again. */
enum { FEW_ROWS = 4 };

/* Rows that a layer reads, and their rounded forms: shared by the team, or one member's own. */
struct rows_in {
    float *x;                       /* (T, n_embd) the residual stream */
    float *normed;                  /* (T, n_embd) */
    float *cosines, *sines;         /* (T, n_ropes, n_rot/2) */
    void *rounded[OPERAND_FORMATS]; /* of the widest input that is no MLP's inside */
};

/* Of a pass of at most n_rows tokens; T = n_rows below. */
struct workspace {
    int64_t n_rows;
    int n_threads;
    int32_t *ids;       /* (T) */
    int64_t *positions; /* (T) */
    bool *is_long;      /* (T) its session takes the frequencies for long ones */
    struct rows_in shared;
    struct rows_in *own; /* (n_threads), of min(T, FEW_ROWS) rows each */
    float *h;            /* (T, n_embd) a layer's output */
    float *q, *k, *v;    /* (T, n_head*head_dim), (T, n_head_kv*head_dim) twice */
    float *attn;         /* (T, n_head*head_dim) */
    float *up, *gate;    /* (T, n_ff) */
    void *rounded_up[OPERAND_FORMATS]; /* up, rounded */
    uint8_t *scratch;                  /* (n_threads, scratch_bytes) for products */
    void *attn_scratch;                /* shared by the team */
    size_t scratch_bytes;
    struct attn_segment *segments; /* (T) */
    void *block;                   /* the allocation behind all of it */
    size_t n_bytes;
};

/* Lays a workspace out; with block == NULL only n_bytes is computed. n_ctx is the longest
 * context that attention will see. */
void workspace_layout(struct workspace *out, void *block, const struct config *c,
                      const struct weights *w, int64_t n_rows, int64_t n_ctx,
                      int n_threads);

#endif
