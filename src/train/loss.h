/* loss.h - the head of a model in training: final norm, logits, cross-entropy, and back.
 *
 * Of T rows, LOSS_ROWS at a time, so that logits of all of them never exist. With f_t = weight_t
 * factor, p = exp(l - max), z = sum16(p): loss_t = log z - (l_target - max); dl_j = p_j (f_t / z),
 * less f_t at the target. Logits are x normed times the head's rows, plus its bias; divided, then capped
 * (tanh(l / cap) cap), where the model says so, and dl goes back through both: times 1 - tanh^2,
 * divided. A z-loss adds the mean of c log^2 Z to what is made small, Z = sum of exp(l): f_t / z
 * becomes f_t fma(2 c, log Z, 1) / z, log Z = max + log z. It is not in loss_t. */
#ifndef TRAIN_LOSS_H
#define TRAIN_LOSS_H

#include "train/params.h"
#include "train/products.h"

/* Rows at a time: blocks of arithmetic.md, each a term of the sum that dW is. The more, the more
 * share the turning of the head's weights into panels; their logits are kept. */
enum { LOSS_BLOCK = 256, LOSS_ROWS = 4 * LOSS_BLOCK };

struct loss_work {
    float *normed, *d_normed, *hat; /* (LOSS_ROWS, n_embd) */
    float *logits;                  /* (LOSS_ROWS, n_vocab) */
    float *part;                    /* (2 n_embd + n_vocab) a block's sums */
};

struct loss_job {
    const struct params *params;
    const float *x;         /* (T, n_embd) the stream after the last layer */
    const int32_t *targets; /* (T) */
    const float *weights;   /* (T); 0 = does not count; NULL = all 1 */
    int64_t T;
    float z;               /* c of the z-loss; 0 = none */
    float factor;          /* 1 / sum of the weights of the whole global batch */
    float *losses;         /* (T) unweighted */
    float *dx;             /* (T, n_embd); NULL: losses only, no gradients */
    struct loss_work work; /* shared by the team */
    float *const *caps;    /* each member's (n_vocab), of models that cap logits */
};

/* All members; the gradients of head (or embedding), its bias and the final norm are written.
 * Ends with a barrier. */
void loss_run(const struct crew *c, const struct loss_job *job);

#endif
