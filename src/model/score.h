/* score.h - what the evaluations share: scores of rows of logits, and texts in windows.
 *
 * Defined to the bit (docs/evaluation.md). With m the largest of a row's logits l, and sums
 * as exp_sums_f64 (list_vec.def) makes them:
 *   log z = log(sums[0])                       ln p(i) = (l[i] - m) - log z
 *   KL(P || Q) = (sums[1] / sums[0] + ((m_q + log z_q) - (m_p + log z_p)), sums of P over Q
 * in binary64, exp and log being math_exp_f64 and math_log_f64. */
#ifndef MODEL_SCORE_H
#define MODEL_SCORE_H

#include "glass/eval.h"

/* A token, as one model predicts it or two do. */
struct score {
    double logprob[2];
    double kl;       /* KL(models[1] || models[0]), at least 0; 0 with one model */
    int32_t best[2]; /* the likeliest token, of equals the lowest id */
};

/* Row t of each logits[m] (n_rows, n_vocab) predicts ids[t]. GLASS_BAD_INPUT: a logit is not
 * finite. */
glass_status score_rows(struct score *out, const float *const *logits, int n_models,
                        const int32_t *ids, int64_t n_rows, int64_t n_vocab, int n_threads);

/* Rows of logits to compute at a time. */
int64_t score_block(int64_t n_vocab, int64_t n_ctx);

/* A text that goes through one model or two. The functions get `context`. */
struct score_job {
    const glass_model *models[2];
    int n_models;
    const glass_eval_options *options; /* not NULL */
    void (*add)(void *context, const struct score *scores, int64_t n);
    /* After a window: its number from 1 on, of n. May end the job. */
    glass_status (*window)(void *context, int64_t done, int64_t n);
    void *context;
    /* Filled in before the first window but for n_bytes. */
    int64_t n_windows, n_ctx, n_tokens, n_bytes;
};
glass_status score_text(struct score_job *job, const char *text, size_t n_bytes);

/* Sums of numbers, for their mean and its standard error. */
struct moments {
    double sum, squares;
};
void moments_add(struct moments *m, double x);
double moments_mean(const struct moments *m, int64_t n);
/* sqrt((squares / n - mean^2) / (n - 1)); 0 where that is nothing. */
double moments_error(const struct moments *m, int64_t n);

/* e^nll, at most e^700. */
double perplexity_of(double nll);
/* The figures of one model from the sums of its nll. */
void perplexity_fill(glass_perplexity *out, const struct score_job *job,
                     const struct moments *nll, int64_t n_scored);

#endif
