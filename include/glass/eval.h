/* eval.h - how well a model predicts texts, and how far two models are apart.
 *
 * Every figure is the same on every machine: logits are exact, and what is made of them is
 * binary64 in a defined order (docs/evaluation.md): log-softmax by the project's own exp and
 * log, sums over tokens in the order of the text. Threads, batches and what a session held
 * before change no bit. */
#ifndef GLASS_EVAL_H
#define GLASS_EVAL_H

#include "glass/session.h"
GLASS_BEGIN

/* Where an evaluation stands; figures are those of the tokens scored so far. */
typedef struct glass_eval_progress {
    int64_t done, n_windows;
    double perplexity;
    double base_perplexity, kl; /* glass_eval_kl only, else 0 */
} glass_eval_progress;

/* How a text is cut into windows. Each starts in an empty context, its first token replaced
 * by BOS where the model begins texts with one, and some of its tokens are scored: given all
 * tokens before them in the window.
 *   pieces (the default)  n_ctx tokens each, one after the other; the tokens after the first
 *                         n_ctx/2 + 1 are scored, and an incomplete piece at the end is left
 *                         out: what llama-perplexity does, so that figures compare
 *   stride S              windows of n_ctx tokens, each S further than the one before; every
 *                         token of the text (but one without any before it) is scored once,
 *                         in the first window that has it: after n_ctx - S others or more,
 *                         but for those of the first window
 *   whole                 one window that holds the text; GLASS_BAD_INPUT if it does not fit
 *                         the model's context */
typedef struct glass_eval_options {
    int64_t n_ctx;       /* 0 = 512, or the model's positions if there are fewer; a scorer's
                            0 = the model's, at most 4096 */
    int64_t stride;      /* 0 = pieces */
    bool whole;          /* n_ctx and stride must be 0 */
    bool no_bos;         /* no BOS even where the model wants one */
    int64_t max_windows; /* 0 = all */
    int64_t n_batch;     /* as glass_session_options */
    int n_threads;
    glass_dtype cache_type;
    /* Of `model`, never of a base beside it; as glass_session_options. */
    const glass_adapter_use *adapters;
    int n_adapters;
    /* Called after every window; false cancels (GLASS_CANCELLED). May be NULL. */
    bool (*progress)(void *context, const glass_eval_progress *progress);
    void *context;
} glass_eval_options;

/* Errors are standard errors of the mean: sqrt((mean of squares - mean^2) / (n - 1)). */
typedef struct glass_perplexity {
    double perplexity, perplexity_error; /* e^nll; error nll_error * perplexity */
    double nll, nll_error;               /* mean -ln p of the scored tokens */
    double bits_per_byte;                /* sum of -log2 p / n_bytes; 0 without bytes */
    int64_t n_windows, n_ctx;
    int64_t n_tokens; /* of the text, BOS included */
    int64_t n_scored;
    int64_t n_bytes; /* of the scored tokens, decoded */
} glass_perplexity;

/* options may be NULL. GLASS_BAD_INPUT: the model has no tokenizer, or the text is too short
 * (both numbers in the message). */
GLASS_API glass_status glass_eval_perplexity(glass_perplexity *out,
                                             const glass_model *model, const char *text,
                                             size_t n_bytes,
                                             const glass_eval_options *options);

/* Of a model Q beside a base P on the same tokens, as llama-perplexity --kl-divergence
 * reports them: over the scored tokens, KL(P || Q) = sum p ln(p/q) over the vocabulary,
 * dp = q - p of the text's token. A percentile f of n values lies at f * (n - 1) among them
 * sorted, interpolated. */
typedef struct glass_divergence {
    glass_perplexity model, base;
    double kl, kl_error; /* mean */
    double kl_median, kl_90, kl_95, kl_99, kl_999, kl_max;
    double dp, dp_error;         /* mean */
    double dp_rms, dp_rms_error; /* root of the mean square */
    double dp_min, dp_1, dp_5, dp_median, dp_95, dp_99, dp_max;
    double same_top, same_top_error; /* share of tokens where both rank the same first */
    double ln_ratio, ln_ratio_error; /* ln of perplexity / base's, errors correlated */
    double ratio, ratio_error;
    double correlation; /* of the two models' ln p */
} glass_divergence;

/* Both models go through the text side by side: logits are not stored, only 16 bytes a scored
 * token. GLASS_BAD_INPUT: the vocabularies differ (the message names the first difference). */
GLASS_API glass_status glass_eval_kl(glass_divergence *out, const glass_model *model,
                                     const glass_model *base, const char *text,
                                     size_t n_bytes, const glass_eval_options *options);

/* Log-likelihoods of continuations, as lm-evaluation-harness asks for them. White space at
 * the end of a context counts to the continuation; the continuation's tokens are those that
 * context and continuation encoded together have after as many as the context alone has. An
 * empty context is BOS (EOS where there is none). BOS goes first where the model wants it. A
 * context that does not fit is cut from the left. A continuation longer than n_ctx is
 * GLASS_BAD_INPUT, but with an empty context it is scored in windows that follow each other
 * (the harness's loglikelihood_rolling). */
typedef struct glass_scorer glass_scorer;

typedef struct glass_loglik_item {
    const char *context;
    size_t n_context;
    const char *continuation;
    size_t n_continuation;
} glass_loglik_item;

typedef struct glass_loglik {
    double logprob;    /* sum of ln p of the continuation's tokens */
    bool greedy;       /* each was the likeliest (on ties: the lowest id) */
    int64_t n_tokens;  /* of the continuation */
    int64_t n_context; /* of the context, BOS included */
    int64_t n_cut;     /* of these, cut from the left */
} glass_loglik;

/* options may be NULL; of its fields stride, whole, max_windows and progress do not count. The
 * model must outlive the scorer. */
GLASS_API glass_status glass_scorer_create(glass_scorer **out, const glass_model *model,
                                           const glass_eval_options *options);
GLASS_API void glass_scorer_free(glass_scorer *scorer);
/* out: n results in the order of the items. What an item shares with the one before it is not
 * computed again, so items of the same context belong together. */
GLASS_API glass_status glass_scorer_loglik(glass_scorer *scorer, glass_loglik *out,
                                           const glass_loglik_item *items, int64_t n);

GLASS_END
#endif
