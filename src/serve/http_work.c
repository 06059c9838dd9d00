/* http_work.c - worker threads: as many as there are requests at work, none for those that
 * only wait for a client. A thread that has had nothing to do for a while ends. */
#include "base/clock.h"
#include "serve/http_parts.h"

#include <errno.h>

enum { IDLE_S = 10, SPARE = 16, CLIENT_LEFT = 499 /* as other servers write it */ };

struct http_work {
    pthread_mutex_t lock;
    pthread_cond_t given, left;
    struct exchange *first, **last;
    int64_t n_queued, n_idle, n_threads, n_most;
    bool over;
};

glass_status work_create(struct http_work **out, int64_t n_most) {
    struct http_work *w;
    *out = NULL;
    TRY(mem_alloc_zero(&w, 1, sizeof *w));
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->given, NULL);
    pthread_cond_init(&w->left, NULL);
    w->last = &w->first;
    w->n_most = n_most;
    *out = w;
    return GLASS_OK;
}

static void fail_reply(struct exchange *x, glass_status status) {
    int code = 500;
    if (status == GLASS_NEGATIVE) code = 404;
    if (status == GLASS_USAGE || status == GLASS_BAD_INPUT) code = 400;
    if (status == GLASS_NO_MEMORY) code = 503;
    /* Who left gets nothing; the log and the counters tell it from a server that is busy. */
    if (status == GLASS_CANCELLED)
        code = exchange_gone(x) && !atomic_load(&x->server->stopping) ? CLIENT_LEFT : 503;
    reply_error(x, code, NULL, x->param, glass_error());
}

void work_answer(struct exchange *x) {
    glass_status status = exchange_parse(x);
    if (status == GLASS_OK) status = x->route->handle(x);
    if (!x->begun) {
        if (status == GLASS_OK) status = fail(GLASS_SYSTEM, "nothing was answered");
        fail_reply(x, status);
    }
    /* Not even that was possible: an empty reply. */
    if (!x->begun) {
        x->code = 500;
        x->begun = true;
    }
    if (!x->ended) reply_end(x);
    x->stop = clock_now();
    exchange_wake(x);
    exchange_leave(x);
}

/* Under the lock. */
static struct exchange *take(struct http_work *w) {
    struct exchange *x = w->first;
    w->first = x->next;
    if (w->first == NULL) w->last = &w->first;
    w->n_queued--;
    return x;
}

static void *run(void *context) {
    struct http_work *w = context;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        if (w->n_queued > 0) {
            struct exchange *x = take(w);
            pthread_mutex_unlock(&w->lock);
            work_answer(x);
            pthread_mutex_lock(&w->lock);
            continue;
        }
        if (w->over) break;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += IDLE_S;
        w->n_idle++;
        int rc = pthread_cond_timedwait(&w->given, &w->lock, &until);
        w->n_idle--;
        if (rc == ETIMEDOUT && w->n_queued == 0) break;
    }
    w->n_threads--;
    pthread_cond_broadcast(&w->left);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static bool start_thread(struct http_work *w) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool good = pthread_create(&thread, &attributes, run, w) == 0;
    pthread_attr_destroy(&attributes);
    w->n_threads += good;
    return good;
}

bool work_give(struct http_work *w, struct exchange *x) {
    pthread_mutex_lock(&w->lock);
    /* A few threads are kept for what answers at once, such as health. */
    int64_t most = w->n_most + (x->route->open ? SPARE : 0);
    int64_t n_busy = w->n_threads - w->n_idle;
    bool good = !w->over && n_busy + w->n_queued < most;
    if (good && w->n_idle <= w->n_queued) good = start_thread(w) || w->n_threads > 0;
    if (good) {
        x->next = NULL;
        *w->last = x;
        w->last = &x->next;
        w->n_queued++;
        pthread_cond_signal(&w->given);
    }
    pthread_mutex_unlock(&w->lock);
    return good;
}

int64_t work_running(struct http_work *w) {
    pthread_mutex_lock(&w->lock);
    int64_t n = w->n_threads - w->n_idle + w->n_queued;
    pthread_mutex_unlock(&w->lock);
    return n;
}

void work_stop(struct http_work *w) {
    if (w == NULL) return;
    pthread_mutex_lock(&w->lock);
    w->over = true;
    pthread_cond_broadcast(&w->given);
    while (w->n_threads > 0) pthread_cond_wait(&w->left, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

void work_free(struct http_work *w) {
    if (w == NULL) return;
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->given);
    pthread_cond_destroy(&w->left);
    mem_free(w);
}
