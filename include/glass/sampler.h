/* sampler.h - from logits to the next token, the same on every machine.
 *
 * Steps, always in this order; each is off at the value in brackets:
 *   logit bias -> repetition, presence and frequency penalties [1, 0, 0] -> DRY [0] ->
 *   top-k [0] -> typical [1] -> top-p [1] -> min-p [0] -> XTC [0] -> temperature [1; 0 is
 *   greedy] -> draw. Mirostat 1 or 2 replaces top-k … draw except temperature.
 * Randomness: Philox4x32-10 keyed by the seed, counted by draws (arithmetic.md). */
#ifndef GLASS_SAMPLER_H
#define GLASS_SAMPLER_H

#include "glass/tokenizer.h"
GLASS_BEGIN

typedef struct glass_sampler glass_sampler;

typedef struct glass_logit_bias {
    int32_t id;
    float bias; /* added to the logit; -INFINITY bans the token */
} glass_logit_bias;

typedef struct glass_sampler_options {
    float temperature;  /* 0 = greedy */
    int32_t top_k;      /* 0 = all */
    float top_p;        /* 1 = all */
    float min_p;        /* 0 = all */
    float typical_p;    /* 1 = all */
    float repeat_penalty;    /* 1 = none */
    float presence_penalty;  /* 0 = none */
    float frequency_penalty; /* 0 = none */
    int32_t penalty_last_n;  /* tokens looked at; -1 = all */
    int mirostat;            /* 0, 1 or 2 */
    float mirostat_tau, mirostat_eta;
    float dry_multiplier, dry_base; /* multiplier 0 = off */
    int32_t dry_allowed_length, dry_last_n;
    float xtc_probability, xtc_threshold; /* probability 0 = off */
    uint64_t seed;
    const glass_logit_bias *bias; /* copied */
    int64_t n_bias;
    const char *const *dry_breakers; /* NULL = newline, colon, quote, asterisk; copied */
    int64_t n_dry_breakers;
} glass_sampler_options;

/* Fills in the defaults: temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, the rest off. */
GLASS_API void glass_sampler_defaults(glass_sampler_options *out);

/* tokenizer: needed for DRY breakers and the vocabulary's size; must outlive the sampler.
 * A value outside its range is GLASS_USAGE and names the option. */
GLASS_API glass_status glass_sampler_create(glass_sampler **out,
                                            const glass_tokenizer *tokenizer,
                                            const glass_sampler_options *options);
GLASS_API void glass_sampler_free(glass_sampler *sampler);
/* Picks the next token from n_vocab logits (not changed) and remembers it. */
GLASS_API glass_status glass_sampler_next(glass_sampler *sampler, int32_t *id,
                                          const float *logits, int64_t n_vocab);
/* Tells the sampler of a token that it did not draw (prompt tokens, forced tokens). */
GLASS_API glass_status glass_sampler_accept(glass_sampler *sampler, int32_t id);
/* Back to the seed, with nothing remembered. */
GLASS_API void glass_sampler_reset(glass_sampler *sampler);

/* ln(softmax(logits)) of the model itself, before any sampling step: out is (n). */
GLASS_API void glass_logprobs(float *out, const float *logits, int64_t n);

GLASS_END
#endif
