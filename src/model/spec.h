/* spec.h - the insides of speculation.
 *
 *   speculative.c  feeding: what was proposed, checked, accepted
 *   spec_lookup.c  proposals from what was said before
 *   spec_draft.c   proposals from another model
 *   spec_plan.c    how many proposals pay
 *
 * Nothing here changes a result; it only changes how long it takes. */
#ifndef MODEL_SPEC_H
#define MODEL_SPEC_H

#include "glass/speculative.h"
#include "model/sampler.h"

enum { SPEC_MOST = 64, SPEC_USUAL = 16, SPEC_BINS = 8 };
enum spec_source { SPEC_LOOKUP, SPEC_DRAFT, SPEC_SOURCES };

/* Tokens that may come next, in order, each with how sure its source is: a bin of spec_plan. */
struct spec_proposal {
    enum spec_source source;
    int64_t n;
    int32_t ids[SPEC_MOST];
    uint8_t bins[SPEC_MOST];
};

/* How often something held. */
struct spec_rate {
    double held, tried;
};

/* A duration in seconds, 0 = not known. `hope` is 1 when it was just measured, and falls. */
struct spec_time {
    double s, hope;
};

/* What was learnt: how often proposals hold, by source and bin, and what passes take. All of
 * it fades when it is not renewed, so that what once looked bad is tried again. */
struct spec_plan {
    struct spec_rate rates[SPEC_SOURCES][SPEC_BINS];
    /* Of all the draft's tokens; one that was not worth a check did not hold. */
    struct spec_rate draft_rate;
    struct spec_time pass[SPEC_MOST + 2]; /* [m]: of m rows */
    double draft_s;                       /* a token of the draft, 0 = not known */
    double draft_share; /* of a pass's time, as long as it was not measured */
    /* A draft that does not pay is left alone for `rest` passes, then tried for `trial`, then
     * left alone for longer: reading what it missed costs something every time. */
    int64_t rest, next_rest, trial;
};

/* The bin of a token that the draft gives this probability; of one that continues a run of
 * this many tokens. */
int spec_bin_draft(double probability);
int spec_bin_lookup(int64_t n_run);
/* How likely a token of this bin holds, those before it having held. */
double spec_chance(const struct spec_plan *plan, enum spec_source source, int bin);
/* Seconds (or, while none were measured, passes of one row) for a pass of m rows. */
double spec_cost(const struct spec_plan *plan, int64_t m);
/* The number of p's first tokens that make a pass give most tokens a second; *speed is that. */
int64_t spec_best(const struct spec_plan *plan, const struct spec_proposal *p,
                  double *speed);
/* The number of tokens, up to most, that pay if the draft is asked for them; *speed as above. */
int64_t spec_draft_length(const struct spec_plan *plan, int64_t most, double *speed);
/* The same with rests and trials: what to do now. */
int64_t spec_draft_now(struct spec_plan *plan, int64_t most, double *speed);
/* Whether one more token of the draft pays if `reach` is how likely all so far hold. */
bool spec_draft_more(const struct spec_plan *plan, double reach);
void spec_note_token(struct spec_plan *plan, enum spec_source source, int bin, bool held);
void spec_note_dropped(struct spec_plan *plan);
void spec_note_pass(struct spec_plan *plan, int64_t m, double seconds);
void spec_note_draft(struct spec_plan *plan, int64_t n, double seconds);

/* Where the longest run of at least `least` of the last tokens stood before, the latest place
 * of equals, what followed goes into p: up to `most` tokens. */
void spec_lookup(struct spec_proposal *p, const int32_t *tokens, int64_t n, int64_t least,
                 int64_t most);

/* The draft: a session that follows, and a sampler that guesses what the real one would draw
 * from its logits. */
struct spec_draft {
    glass_session *session;
    struct glass_sampler shadow;
    int64_t n_vocab;
    float *logits, *weights; /* (n_vocab) */
};
glass_status spec_draft_open(struct spec_draft *d, const glass_model *draft,
                             const glass_session *target);
void spec_draft_close(struct spec_draft *d);
/* Makes the draft's session hold all of tokens, with logits after the last. Returns how many
 * were new to it, -1 if they do not fit its context. */
int64_t spec_draft_follow(struct spec_draft *d, const int32_t *tokens, int64_t n);
/* Up to `most` tokens after those followed; fewer where more do not pay, if `plan` is given. */
void spec_draft_propose(struct spec_draft *d, struct spec_proposal *p,
                        const glass_sampler *sampler, int64_t most,
                        const struct spec_plan *plan);

#endif
