/* sched_cache.c - the pool of pages: sessions for jobs, and what happens when pages are short.
 *
 * A job begins when the pages of all tokens that it has are there. Later it takes pages as its
 * answer grows; when none is left the job that began last is paused: it gives up its pages and
 * is read again when its turn comes, with the same bits. The job that began first never is, and
 * no job is taken that needs more pages than there are, so all come to their end. */
#include "base/mem.h"
#include "serve/sched_parts.h"

#include <stdio.h>
#include <unistd.h>

enum { PAGE = GLASS_POOL_PAGE };
static const size_t folder_most = (size_t)2 << 30; /* where nobody says */

static int64_t pages_of(int64_t n) {
    return (n + PAGE - 1) / PAGE;
}

/* Enough for all requests at their longest, a quarter of the memory and half of what is free of
 * it at most, but one request at its longest in any case. */
static size_t default_bytes(const struct sched *s, const glass_pool_info *info) {
    size_t one = (size_t)pages_of(s->o.n_ctx) * info->page_bytes;
    size_t room = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) / 4;
    if (room > info->free_bytes / 2) room = info->free_bytes / 2;
    size_t most = room / one;
    if (most < 1) most = 1;
    return most < (size_t)s->o.n_parallel ? (room > one ? room : one)
                                          : (size_t)s->o.n_parallel * one;
}

glass_status cache_create(struct sched *s) {
    glass_pool_options o = {.n_ctx = s->o.n_ctx,
                            .n_batch = s->o.n_batch,
                            .n_threads = s->o.n_threads,
                            .cache_type = s->o.cache_type,
                            .adapters = s->o.adapters,
                            .n_adapters = s->o.n_adapters,
                            .prefix_dir = s->o.prefix_dir,
                            .prefix_bytes = s->o.prefix_bytes};
    glass_pool_info info;
    TRY(glass_pool_plan(&info, s->model, &o));
    o.cache_bytes = s->o.cache_bytes > 0 ? s->o.cache_bytes : default_bytes(s, &info);
    if (o.prefix_bytes == 0)
        o.prefix_bytes = o.cache_bytes < folder_most ? o.cache_bytes : folder_most;
    TRY(glass_pool_create(&s->pool, s->model, &o));
    glass_pool_get_info(s->pool, &info);
    s->n_most = s->o.n_ctx;
    if (s->n_most > info.n_pages * PAGE) s->n_most = info.n_pages * PAGE;
    s->mine.cache_bytes = info.cache_bytes;
    s->mine.work_bytes += info.work_bytes;
    TRY(mem_alloc_zero(&s->sessions, (size_t)s->o.n_parallel, sizeof(glass_session *)));
    for (; s->n_idle < s->o.n_parallel; s->n_idle++)
        TRY(glass_pool_session(&s->sessions[s->n_idle], s->pool));
    return GLASS_OK;
}

void cache_free(struct sched *s) {
    for (int64_t i = 0; s->sessions != NULL && i < s->n_idle; i++)
        glass_session_free(s->sessions[i]);
    mem_free(s->sessions);
    glass_pool_free(s->pool);
}

void cache_publish(struct sched *s) {
    glass_pool_info info;
    glass_pool_get_info(s->pool, &info);
    s->mine.n_pages = info.n_pages;
    s->mine.n_pages_used = info.n_used;
    s->mine.n_pages_kept = info.n_kept;
    s->mine.n_pages_read = info.n_read;
    s->mine.n_files_refused = info.n_refused;
    snprintf(s->mine.note, sizeof s->mine.note, "%s", info.note);
}

bool cache_write(struct sched *s) {
    bool wrote;
    return glass_pool_write(s->pool, &wrote) == GLASS_OK && wrote;
}

bool cache_warm(struct sched *s) {
    return glass_pool_warm(s->pool);
}

/* ---- jobs come and go ---- */

static void put_back(struct sched *s, glass_session *session) {
    (void)glass_session_truncate(session, 0); /* cannot fail */
    s->sessions[s->n_idle++] = session;
}

bool cache_begin(struct sched *s, struct job *job, int64_t most) {
    glass_pool_info info;
    int64_t found = 0;
    if (s->n_idle == 0 || s->pages_short) return false;
    glass_session *session = s->sessions[--s->n_idle];
    bool begins = glass_pool_find(session, job->tokens, most, &found) == GLASS_OK;
    glass_pool_get_info(s->pool, &info);
    int64_t want = pages_of(job->n_tokens) - pages_of(found);
    begins =
        begins && (s->n_running == 0 || want <= info.n_pages - info.n_used + info.n_kept);
    if (!begins) {
        put_back(s, session);
        s->pages_short = true;
        return false;
    }
    job->session = session;
    job->n_fed = found;
    return true;
}

void cache_end(struct sched *s, struct job *job) {
    put_back(s, job->session);
    job->session = NULL;
    s->pages_short = false;
}

void cache_look_again(struct sched *s, struct job *job, int64_t most) {
    int64_t found;
    if (job->n_fed % PAGE != 0 || most - job->n_fed < PAGE) return;
    if (glass_pool_find(job->session, job->tokens + job->n_fed,
                        (most - job->n_fed) / PAGE * PAGE, &found) != GLASS_OK)
        return;
    if (job->n_fed < job->r.n_prompt) {
        int64_t cached =
            job->n_fed + found < job->r.n_prompt ? found : job->r.n_prompt - job->n_fed;
        job->n_cached += cached;
        s->mine.cached_tokens += cached;
    }
    job->n_fed += found;
}

void cache_reserve(struct sched *s) {
    for (int64_t i = 0; i < s->n_running; i++) {
        struct job *job = s->running[i];
        while (glass_pool_reserve(job->session, job->n_take) != GLASS_OK) {
            struct job *last = s->running[s->n_running - 1];
            if (s->n_running ==
                1) { /* what was let in fits, so this is not for lack of pages */
                sched_end(s, job, JOB_FAILED, GLASS_NO_MEMORY, glass_error());
                return;
            }
            sched_pause(s, last);
            if (last == job) return;
        }
    }
}
