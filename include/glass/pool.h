/* pool.h - one cache for many sessions: pages that they take as they grow, prefixes that they
 * share, and one working memory for all.
 *
 * A page holds the keys and values of GLASS_POOL_PAGE positions in all layers. Sessions whose
 * tokens begin alike share full pages. What a session leaves behind stays in the pool, found by
 * its tokens, until its pages are wanted for something else: what was used longest ago goes
 * first. With a folder, full pages also outlive the process there. Nothing of it changes a bit
 * of any result.
 *
 * A pool and its sessions have one owner at a time; they may share batches with each other
 * only. */
#ifndef GLASS_POOL_H
#define GLASS_POOL_H

#include "glass/session.h"
GLASS_BEGIN

enum { GLASS_POOL_PAGE = 256 };

typedef struct glass_pool glass_pool;

typedef struct glass_pool_options {
    int64_t n_ctx;          /* most positions of a session; 0 = the model's, at most 4096 */
    int64_t n_batch;        /* most tokens computed in one pass; 0 = 512 */
    int n_threads;          /* 0 = one per core of this process's affinity */
    glass_dtype cache_type; /* GLASS_F32 (0, the default), GLASS_F16, GLASS_Q8_0 */
    const glass_adapter_use *adapters; /* of every session; must outlive the pool */
    int n_adapters;
    size_t cache_bytes; /* of all pages together; 0 = one session's n_ctx */
    const char
        *prefix_dir; /* NULL, or a folder for pages that outlive the pool (made with mode
                               0700: they tell what was asked) */
    size_t prefix_bytes; /* most bytes in it; 0 = cache_bytes */
} glass_pool_options;

typedef struct glass_pool_info {
    int64_t n_ctx;
    size_t page_bytes, cache_bytes, work_bytes; /* taken at creation */
    int64_t n_pages, n_used;   /* n_used: held by sessions, or kept as prefixes */
    int64_t n_kept;            /* of these, held by no session */
    int64_t n_read, n_written; /* pages from and to the folder */
    int64_t n_refused;         /* files there that were damaged */
    size_t free_bytes; /* memory that the machine can give now; glass_pool_plan only */
    const char *note;  /* why the last one was not believed, or could not be written; "" */
} glass_pool_info;

/* All memory is taken here, but a session's list of tokens and pages. GLASS_USAGE as
 * glass_session_create, and where cache_bytes is less than one page; GLASS_NO_MEMORY says what
 * is needed and what there is. options may be NULL. The model must outlive the pool. */
GLASS_API glass_status glass_pool_create(glass_pool **out, const glass_model *model,
                                         const glass_pool_options *options);
/* Writes one full page that the folder lacks, of those used last that it has room for, so that
 * little is lost when the process is killed. *wrote is false when nothing was left to write, or
 * the folder takes nothing (info's note says why; it is tried again when the pool is freed). */
GLASS_API glass_status glass_pool_write(glass_pool *pool, bool *wrote);
/* A page's first use costs the time in which the system clears its memory, milliseconds where it
 * has megabytes. This uses one of the free pages that are next in turn, so that a request need
 * not wait for it; false when the next two have been used. */
GLASS_API bool glass_pool_warm(glass_pool *pool);
/* Its sessions must be freed before. Writes pages to the folder. */
GLASS_API void glass_pool_free(glass_pool *pool);
/* n_pages and page_bytes that a pool of these options would have, and all bytes that it takes. */
GLASS_API glass_status glass_pool_plan(glass_pool_info *out, const glass_model *model,
                                       const glass_pool_options *options);
GLASS_API void glass_pool_get_info(const glass_pool *pool, glass_pool_info *out);

/* An empty session of the pool. It is used and freed like any other; evaluating takes pages and
 * fails with GLASS_NO_MEMORY, the sessions unchanged, when there is none. */
GLASS_API glass_status glass_pool_session(glass_session **out, glass_pool *pool);
/* Lets a session hold as many of these tokens, as the next ones, as the pool knows behind those
 * that it holds; *n_found says how many. None where the session stands within a page. */
GLASS_API glass_status glass_pool_find(glass_session *session, const int32_t *tokens,
                                       int64_t n, int64_t *n_found);
/* Takes the pages for n tokens more, so that evaluating them cannot fail for lack of pages. */
GLASS_API glass_status glass_pool_reserve(glass_session *session, int64_t n);

GLASS_END
#endif
