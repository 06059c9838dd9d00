/* session.h - one conversation with a model: its key/value cache and position.
 *
 * A session is mutable and has one owner at a time. Results do not depend on how tokens are
 * cut into calls, on who shares a batch, on the number of threads, or on the machine. */
#ifndef GLASS_SESSION_H
#define GLASS_SESSION_H

#include "glass/adapter.h"
GLASS_BEGIN

typedef struct glass_session glass_session;

typedef struct glass_session_options {
    int64_t n_ctx;          /* positions; 0 = the model's own, at most 4096 */
    int64_t n_batch;        /* most tokens computed in one pass; 0 = 512 */
    int n_threads;          /* 0 = one per core of this process's affinity */
    glass_dtype cache_type; /* GLASS_F32 (0, the default), GLASS_F16, GLASS_Q8_0 */
    /* As for glass_session_set_adapters; borrowed during the call. */
    const glass_adapter_use *adapters;
    int n_adapters;
} glass_session_options;

/* All memory is taken here. options may be NULL. The model must outlive the session. */
GLASS_API glass_status glass_session_create(glass_session **out, const glass_model *model,
                                            const glass_session_options *options);
GLASS_API void glass_session_free(glass_session *session);
/* These adapters, in this order, from now on; n = 0 takes them away. They must be opened for
 * the session's model and outlive their use. GLASS_USAGE: the session holds tokens (truncate
 * it to 0 first), an adapter is of another model, or a scale is not finite; the session is
 * unchanged then. */
GLASS_API glass_status glass_session_set_adapters(glass_session *session,
                                                  const glass_adapter_use *uses, int n);

/* Feeds n tokens at the current position. logits: NULL, or n_vocab floats for the last
 * token. GLASS_BAD_INPUT if the context is full (both numbers in the message) or an id is
 * outside the vocabulary; the session is unchanged then. */
GLASS_API glass_status glass_session_eval(glass_session *session, const int32_t *tokens,
                                          int64_t n, float *logits);
/* The same with logits for every token: logits is (n, n_vocab). */
GLASS_API glass_status glass_session_eval_all(glass_session *session, const int32_t *tokens,
                                              int64_t n, float *logits);

/* One pass over several sessions of one model; each gets the bits it would get alone, with
 * its own adapters. */
typedef struct glass_batch_item {
    glass_session *session;
    const int32_t *tokens;
    int64_t n;
    float *logits; /* NULL, (n_vocab) or, with all_logits, (n, n_vocab) */
    bool all_logits;
    /* NULL, or (n, n_embd): what the head reads, the last layer's rows after the final norm. */
    float *hidden;
} glass_batch_item;
GLASS_API glass_status glass_batch_eval(const glass_batch_item *items, int64_t n_items);

/* Tokens fed so far (borrowed until the session changes). */
GLASS_API const int32_t *glass_session_tokens(const glass_session *session, int64_t *n);
GLASS_API int64_t glass_session_n_ctx(const glass_session *session);
/* Forgets everything after the first n tokens. n > position is GLASS_USAGE. */
GLASS_API glass_status glass_session_truncate(glass_session *session, int64_t n);

/* Writes the cache and tokens to a file (beside it, then renamed), and reads it back into a
 * session of the same model, context size permitting. A file of another model, or of other
 * adapters or scales, is refused. */
GLASS_API glass_status glass_session_save(const glass_session *session, const char *path);
GLASS_API glass_status glass_session_load(glass_session *session, const char *path);

GLASS_END
#endif
