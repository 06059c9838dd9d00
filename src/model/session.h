/* session.h - a session's memory, for the model room. */
#ifndef MODEL_SESSION_H
#define MODEL_SESSION_H

#include "glass/session.h"
#include "model/forward.h"
#include "model/model.h"

enum { SESSION_BATCH = 512, SESSION_CONTEXT = 4096 };

struct glass_pool;
struct page;

struct glass_session {
    const struct glass_model *model;
    /* NULL, or the pool that work, pass_caches, requests, adapters and adapt are of. */
    struct glass_pool *pool;
    void **pages;       /* of the pool: the rows of the pages that it holds */
    struct page **held; /* and the pages, n_held of them */
    int64_t n_held;
    int64_t n_ctx, n_tokens;
    int32_t *tokens;           /* (n_ctx) what was fed so far */
    struct attn_cache *caches; /* (n_layer) */
    void *cache_block;         /* their memory */
    struct workspace work;
    struct attn_cache **pass_caches; /* (n_batch) one per segment of a pass */
    struct logit_request *requests;  /* (n_batch) */
    struct adapt_set *adapters;      /* NULL without any */
    struct adapt_memory adapt;       /* of the passes that this session leads */
    const struct observer *observer; /* of the passes that this session leads; or NULL */
    const struct tape *tape;         /* the same: where they leave their rows; or NULL */
};

/* The options with every default filled in, checked; out may be `asked`. */
glass_status session_choose(glass_session_options *out, const struct config *c,
                            const glass_session_options *asked);
/* The working memory of passes; the three are freed one by one, work by its block. */
glass_status session_work(struct workspace *work, struct attn_cache ***pass_caches,
                          struct logit_request **requests, const struct glass_model *m,
                          const glass_session_options *o);
/* The most rows of a pass where nobody says. */
int64_t session_batch(int64_t n_ctx);
/* Whether it takes the rope's frequencies for long sessions. */
bool session_is_long(const struct glass_session *s);
/* Logits (n, n_vocab) of rows x (n, n_embd) of the stream behind the last layer, or behind any:
 * final norm and head, with the session's adapters. n is at most the rows of a pass. */
void session_head(struct glass_session *s, const float *x, int64_t n, float *logits);
/* All bytes that such a session takes. */
size_t session_bytes(const struct glass_model *m, int64_t n_ctx, int64_t n_batch,
                     int n_threads, glass_dtype cache_type);

#endif
