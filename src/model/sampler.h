/* sampler.h - the sampler's insides: candidates, and the steps on them.
 *
 * Candidates are always in order: larger logit first, lower id on ties. A step keeps a prefix
 * or marks what goes; sums run over candidates in order, in binary32, so that the same logits
 * give the same token everywhere. */
#ifndef MODEL_SAMPLER_H
#define MODEL_SAMPLER_H

#include "glass/sampler.h"

struct candidate {
    float logit, p; /* p: probability within the candidates, once computed */
    int32_t id;
};

struct surprise { /* how far a candidate's surprise is from the entropy */
    float distance;
    int64_t i;
};

struct glass_sampler {
    glass_sampler_options o;
    const glass_tokenizer *tokenizer;
    glass_logit_bias *bias;   /* owned copy */
    int32_t *breakers;        /* owned: token ids that end DRY's matches */
    int64_t n_breakers;
    int64_t n_vocab;
    struct candidate *all;    /* (n_vocab) */
    float *logits;            /* (n_vocab) a copy for the steps that change them */
    struct surprise *order;   /* (n_vocab) when typical sampling is on, else NULL */
    int32_t *history;         /* owned, grows */
    int64_t n_history, cap_history;
    uint64_t n_draws;
    float mu; /* mirostat's running bound */
};

/* sampler_steps.c; n is the number of candidates, in and out. */
void step_penalties(struct glass_sampler *s, float *logits);
void step_dry(struct glass_sampler *s, float *logits);
/* Sorts the k best to the front (k <= n). */
void step_select(struct candidate *c, int64_t n, int64_t k);
/* p = softmax of the logits. */
void step_softmax(struct candidate *c, int64_t n);
int64_t step_typical(struct glass_sampler *s, struct candidate *c, int64_t n);
int64_t step_top_p(struct candidate *c, int64_t n, float mass);
int64_t step_min_p(struct candidate *c, int64_t n, float share);
int64_t step_xtc(struct glass_sampler *s, struct candidate *c, int64_t n);

/* The next uniform number of this sampler. */
float sampler_uniform(struct glass_sampler *s);

#endif
