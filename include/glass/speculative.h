/* speculative.h - the same answer in fewer passes: tokens are proposed, and one pass over
 * several rows computes the logits after each of them.
 *
 * A proposal only decides what is computed ahead of time. Every token is still chosen by the
 * caller, in order, from logits that have the bits of one token at a time (session.h), so
 * sampled and greedy answers, log-probabilities and whatever looks at the history are the
 * same with proposals and without, good or bad.
 *
 * A speculator stands for the line "glass_session_eval(session, &id, 1, logits)":
 *
 *     glass_speculator_begin(s);                     // the session holds the prompt
 *     for (;;) {
 *         glass_sampler_next(sampler, &id, logits, n_vocab);
 *         …
 *         glass_speculator_feed(s, id, sampler, &logits);
 *     }
 *     glass_speculator_settle(s);
 *
 * It belongs to one thread at a time, as its session does. */
#ifndef GLASS_SPECULATIVE_H
#define GLASS_SPECULATIVE_H

#include "glass/sampler.h"
#include "glass/session.h"
GLASS_BEGIN

typedef struct glass_speculator glass_speculator;

typedef struct glass_speculative_options {
    /* Another, faster model that proposes what it would say; NULL = none. It must outlive the
     * speculator and have the same vocabulary. */
    const glass_model *draft;
    /* Look-up: where the last `lookup` tokens or more stood before, what followed them then is
     * proposed. 0 = none; 2 is a good value. */
    int64_t lookup;
    int64_t n_draft; /* most tokens proposed at once, up to 64; 0 = 16 */
    /* Always propose n_draft tokens. Otherwise as many as pay, by what passes took and how
     * often proposals held so far; none if none pay. */
    bool fixed;
} glass_speculative_options;

typedef struct glass_speculative_stats {
    int64_t n_tokens;                       /* fed */
    int64_t n_passes;                       /* of the model, to feed them */
    int64_t draft_proposed, draft_accepted; /* tokens */
    int64_t lookup_proposed, lookup_accepted;
    double pass_s, propose_s; /* seconds in passes, in proposing */
} glass_speculative_stats;

/* The session must outlive the speculator. GLASS_BAD_INPUT: the draft's vocabulary is another
 * (the first difference is named); GLASS_USAGE: neither draft nor lookup, or a number out of
 * its range. */
GLASS_API glass_status glass_speculator_create(glass_speculator **out,
                                               glass_session *session,
                                               const glass_speculative_options *options);
GLASS_API void glass_speculator_free(glass_speculator *speculator);
/* Goes on from what the session holds now: after the session was fed or cut by others. */
GLASS_API void glass_speculator_begin(glass_speculator *speculator);
/* Feeds one token; *logits are the n_vocab logits after it, borrowed until the next call.
 * sampler: the one that will choose from them, looked at so that the draft can guess what it
 * would draw; NULL = the likeliest. Errors are glass_session_eval's; the session is settled
 * then. */
GLASS_API glass_status glass_speculator_feed(glass_speculator *speculator, int32_t token,
                                             const glass_sampler *sampler,
                                             const float **logits);
/* Tokens fed so far, the prompt's included; the session may hold proposals beyond them. */
GLASS_API int64_t glass_speculator_n_tokens(const glass_speculator *speculator);
/* Takes proposals out of the session, so that it holds what was fed. */
GLASS_API void glass_speculator_settle(glass_speculator *speculator);
/* Since the speculator was created, or since reset. */
GLASS_API void glass_speculator_get_stats(const glass_speculator *speculator,
                                          glass_speculative_stats *out);
GLASS_API void glass_speculator_reset_stats(glass_speculator *speculator);

GLASS_END
#endif
