/* sampler.h - from logits to the next token, the same on every machine.
 *
 * Steps, always in this order (docs/sampling.md defines each):
 *   grammar, logit bias, repetition, presence and frequency penalties, DRY, top-k, typical, top-p,
 *   min-p, XTC, temperature, draw. Temperature 0 is greedy: the likeliest token after the
 *   first six. Mirostat 1 or 2 replaces the steps from top-k to XTC and comes after
 *   temperature.
 * Randomness: Philox4x32-10 keyed by the seed, counted by draws. */
#ifndef GLASS_SAMPLER_H
#define GLASS_SAMPLER_H

#include "glass/grammar.h"
#include "glass/tokenizer.h"
GLASS_BEGIN

typedef struct glass_sampler glass_sampler;

typedef struct glass_logit_bias {
    int32_t id;
    float bias; /* added to the logit; -INFINITY bans the token; +INFINITY is refused */
} glass_logit_bias;

/* What is off at which value stands in brackets, with the default where it is another. */
typedef struct glass_sampler_options {
    float temperature;      /* 0 = greedy; default 0.8 */
    int32_t top_k;          /* the k likeliest [0]; default 40 */
    float top_p;            /* the fewest likeliest that have this mass [1]; default 0.95 */
    float min_p;            /* at least this share of the likeliest's [0]; default 0.05 */
    float typical_p;        /* this mass, nearest to the entropy first [1] */
    float repeat_penalty;   /* divides positive logits, multiplies negative ones [1] */
    float presence_penalty; /* taken off once [0] */
    float frequency_penalty; /* taken off for each occurrence [0] */
    int32_t penalty_last_n;  /* tokens that the three look at, prompt included; -1 = all;
                                default 64 */
    int mirostat;            /* [0], 1 or 2 */
    float mirostat_tau,
        mirostat_eta;               /* bits of surprise wanted, learning rate; 5 and 0.1 */
    float dry_multiplier, dry_base; /* [0]; 1.75 */
    int32_t dry_allowed_length,
        dry_last_n;                       /* 2; tokens looked at, -1 = all (the default) */
    float xtc_probability, xtc_threshold; /* [0]; 0.1 */
    uint64_t seed;
    const glass_logit_bias *bias; /* copied */
    int64_t n_bias;
    const char *const *dry_breakers; /* NULL = newline, colon, quote, asterisk; copied */
    int64_t n_dry_breakers;
} glass_sampler_options;

/* Fills in the defaults: temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, the rest off. */
GLASS_API void glass_sampler_defaults(glass_sampler_options *out);

/* tokenizer: says which tokens are DRY's breakers, and must outlive the sampler; NULL will do
 * when DRY is off or has no breakers (n_dry_breakers 0, dry_breakers not NULL). A value
 * outside its range is GLASS_USAGE and names the option. */
GLASS_API glass_status glass_sampler_create(glass_sampler **out,
                                            const glass_tokenizer *tokenizer,
                                            const glass_sampler_options *options);
GLASS_API void glass_sampler_free(glass_sampler *sampler);
/* Picks the next token from n_vocab logits (not changed) and remembers it. GLASS_BAD_INPUT: a
 * logit is NaN or +infinity (the message says which token's); GLASS_USAGE: bias and penalties
 * leave no token. *id is -1 then and nothing is remembered. */
GLASS_API glass_status glass_sampler_next(glass_sampler *sampler, int32_t *id,
                                          const float *logits, int64_t n_vocab);
/* Tells the sampler of a token that it did not draw (prompt tokens, forced tokens). */
GLASS_API glass_status glass_sampler_accept(glass_sampler *sampler, int32_t id);
/* Back to the seed, with nothing remembered, and to the grammar's beginning. */
GLASS_API void glass_sampler_reset(glass_sampler *sampler);
/* From now on only what the grammar allows is drawn, beginning with its beginning; NULL takes
 * it away. Tokens that were drawn move it on, tokens that were told of do not. The grammar may
 * be freed at once; flags are glass_grammar_state_create's. GLASS_USAGE: it is for another
 * tokenizer than the sampler's; the sampler is without a grammar then. Where no token at all is
 * allowed glass_sampler_next is GLASS_USAGE. */
GLASS_API glass_status glass_sampler_set_grammar(glass_sampler *sampler,
                                                 const glass_grammar *grammar,
                                                 unsigned flags);
/* The sampler's place in its grammar, NULL without one: to be asked whether it is finished,
 * and to be told of text that was not drawn. */
GLASS_API glass_grammar_state *glass_sampler_grammar(glass_sampler *sampler);

/* ln(softmax(logits)) of the model itself, before any sampling step: out is (n). */
GLASS_API void glass_logprobs(float *out, const float *logits, int64_t n);

GLASS_END
#endif
