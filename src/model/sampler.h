/* sampler.h - the sampler's insides: the list of candidates, and the steps on it.
 *
 * docs/sampling.md defines every step; what holds for all:
 *   - The list starts with every token in order of id. top-k and top-p leave it sorted
 *     (larger logit first, lower id on ties); the other steps keep its order.
 *   - A candidate's weight is exp(logit - largest logit), z their sum16 in list order; its
 *     probability is weight / z. Where weights are added up one by one (top-p, typical, the
 *     draw), they are in binary64.
 * So the same logits give the same token everywhere, however the work is done. */
#ifndef MODEL_SAMPLER_H
#define MODEL_SAMPLER_H

#include "glass/sampler.h"

struct list {
    int32_t *id;
    float *logit;
    float *w;   /* weights, once list_weigh was called */
    float *aux; /* a step's own numbers */
    uint64_t *keys, *spare;
    int64_t n, cap; /* candidates; room in each of the six arrays */
    float max;      /* the largest logit */
    bool sorted;
};

struct glass_sampler {
    glass_sampler_options o;
    const glass_tokenizer *tokenizer;
    glass_logit_bias *bias; /* owned copy */
    uint8_t *breakers; /* (n_breakers) owned: 1 for ids that end DRY's matches; or NULL */
    int64_t n_breakers;
    int32_t *history; /* owned, grows */
    int64_t n_history, cap_history;
    int32_t *z;    /* (cap_history) DRY's lengths, or NULL */
    int32_t *seen; /* (list.cap) all zero between steps */
    float *logits; /* (list.cap) changed by bias, penalties and DRY; or NULL */
    struct list list;
    uint64_t n_draws;
    float mu;                     /* mirostat's running bound */
    const glass_grammar *grammar; /* or NULL; the place in it holds it */
    unsigned grammar_flags;
    glass_grammar_state *place;
};

/* Makes shadow, zero at first, stand where s stands: it draws what s would draw next from the
 * same logits, and leaves s as it is. It borrows from s, and may go on for `ahead` tokens. */
glass_status sampler_shadow(struct glass_sampler *shadow, const struct glass_sampler *s,
                            int64_t ahead);
/* Frees what is the shadow's own. */
void sampler_shadow_clear(struct glass_sampler *shadow);

/* sampler_grammar.c: tokens that the grammar does not allow get -infinity, in s->logits. */
glass_status step_grammar(struct glass_sampler *s, const float **logits, int64_t n);
/* The shadow stands where s does in its grammar. */
glass_status shadow_grammar(struct glass_sampler *shadow, const struct glass_sampler *s);

/* sampler_list.c */
glass_status list_reserve(struct list *l, int64_t n);
void list_clear(struct list *l);
/* All n tokens, with max, the largest of logits, which must be finite. */
void list_fill(struct list *l, const float *logits, int64_t n, float max);
/* w = exp(logit - max); returns z. */
float list_weigh(struct list *l);
/* The k first of the list's sorted order into l->keys, 1 <= k <= n: position in the low 32
 * bits. The list does not change. */
void list_best(struct list *l, int64_t k);
/* The list becomes the candidates that the first k keys name, in that order. */
void list_take(struct list *l, int64_t k);
/* Sorts keys by their high halves, keeping the order of equal ones. */
void keys_sort(uint64_t *keys, uint64_t *spare, int64_t n);
/* Grows with x; -0 and +0 are equal. */
uint32_t key_ascending(float x);

/* sampler_history.c: what was said before changes the logits; ids >= n are passed over. */
void step_penalties(struct glass_sampler *s, float *logits, int64_t n);
void step_dry(struct glass_sampler *s, float *logits, int64_t n);

/* sampler_steps.c */
void step_top_k(struct list *l, int64_t k);
void step_typical(struct list *l, float mass);
void step_top_p(struct list *l, float mass);
void step_min_p(struct list *l, float share);
/* u: a uniform number. */
void step_xtc(struct list *l, float u, float probability, float threshold);
void step_temperature(struct list *l, float temperature);
/* The position drawn by u. */
int64_t step_draw(struct list *l, float u);
/* Mirostat's cut by *mu, the draw, and *mu's move; n_vocab is the whole vocabulary's. */
int64_t step_mirostat(struct list *l, const glass_sampler_options *o, float *mu, float u);

#endif
