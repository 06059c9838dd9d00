/* server.c - the server's life: start, load, wait for a signal, let answers end, stop. */
#include "serve/server.h"

#include "base/clock.h"
#include "serve/http_parts.h"

#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <time.h>

struct models *server_models(struct server *s) {
    return s->models;
}

const struct server_options *server_options(struct server *s) {
    return &s->o;
}

glass_trace *server_trace(struct server *s) {
    return s->trace;
}

struct conversations *server_conversations(struct server *s) {
    return s->conversations;
}

struct digests *server_digests(struct server *s) {
    return s->digests;
}

bool server_ready(struct server *s) {
    return models_ready(s->models) && !atomic_load(&s->load_failed);
}

bool server_draining(struct server *s) {
    return atomic_load(&s->draining);
}

double server_started_s(struct server *s) {
    return s->started_s;
}

static void set_defaults(struct server_options *o) {
    if (o->max_body == 0) o->max_body = (size_t)8 << 20;
    if (o->max_connections <= 0) o->max_connections = 4096;
    if (o->max_requests <= 0) o->max_requests = 512;
    if (o->timeout_s <= 0) o->timeout_s = 120;
    if (o->drain_s <= 0) o->drain_s = 30;
}

/* Threads come and go, each with memory pools of its own if it may. */
static void keep_memory_small(void) {
    mallopt(M_ARENA_MAX, 4);
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
}

static glass_status create(struct server **out, const struct server_options *options) {
    struct server *s;
    *out = NULL;
    TRY(mem_alloc_zero(&s, 1, sizeof *s));
    s->o = *options;
    set_defaults(&s->o);
    s->started_s = (double)time(NULL);
    pthread_mutex_init(&s->lock, NULL);
    *out = s;
    if ((s->o.tls_cert == NULL) != (s->o.tls_key == NULL))
        return fail(GLASS_USAGE, "--tls-cert and --tls-key belong together");
    TRY(guard_keys(s));
    if (s->o.rate > 0) TRY(mem_alloc_zero(&s->rates, HTTP_RATES, sizeof *s->rates));
    if (s->o.trace_path != NULL) TRY(glass_trace_open(&s->trace, s->o.trace_path));
    if (!s->o.no_page) TRY(conversations_open(&s->conversations, s->o.data_dir));
    TRY(digests_create(&s->digests, s->o.no_page ? "" : s->o.data_dir));
    TRY(work_create(&s->work, s->o.max_requests));
    return models_create(&s->models, &s->o.models);
}

static void release(struct server *s) {
    if (s == NULL) return;
    http_stop(s);
    models_free(s->models);
    glass_trace_close(s->trace);
    conversations_close(s->conversations);
    digests_free(s->digests);
    if (s->keys != NULL) explicit_bzero(s->keys, (size_t)s->n_keys * sizeof *s->keys);
    mem_free(s->keys);
    mem_free(s->rates);
    mem_free(s->url);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

struct load {
    struct server *server;
    atomic_bool over;
    glass_status status;
    char message[1024];
};

static void say_ready(struct server *s) {
    struct served *served;
    struct sched_stats stats;
    if (models_acquire(s->models, &served, NULL, NAN) != GLASS_OK) return;
    sched_get_stats(served_sched(served), &stats);
    models_release(served);
    s->o.ready(s->o.context, &stats);
}

static void *load(void *context) {
    struct load *l = context;
    l->status = models_preload(l->server->models);
    if (l->status != GLASS_OK) {
        atomic_store(&l->server->load_failed, true);
        snprintf(l->message, sizeof l->message, "%s", glass_error());
    } else if (l->server->o.ready != NULL) {
        say_ready(l->server);
    }
    atomic_store(&l->over, true);
    return NULL;
}

/* Waits at most so long for one of the signals that end a server; 0 if none came. */
static int wait_signal(double seconds) {
    sigset_t set;
    struct timespec t = {(time_t)seconds, (long)(1e9 * (seconds - floor(seconds)))};
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    int n = sigtimedwait(&set, NULL, &t);
    return n > 0 ? n : 0;
}

struct drain {
    struct server *server;
    double grace_s;
    atomic_bool over;
};

static void *drain_models(void *context) {
    struct drain *d = context;
    models_drain(d->server->models, d->grace_s);
    atomic_store(&d->over, true);
    return NULL;
}

/* Takes nothing new; what is at work may end; a second signal ends it at once. */
static void drain(struct server *s) {
    struct drain d = {.server = s, .grace_s = s->o.drain_s};
    pthread_t thread;
    double until = clock_now() + s->o.drain_s + 2;
    atomic_store(&s->draining, true);
    http_quiesce(s);
    bool threaded = pthread_create(&thread, NULL, drain_models, &d) == 0;
    while (clock_now() < until) {
        if (atomic_load(&d.over) && atomic_load(&s->count.requests) == 0) break;
        if (wait_signal(0.05)) break;
    }
    atomic_store(&s->stopping, true); /* whoever still works for a client sees it leave */
    if (threaded) pthread_join(thread, NULL);
}

static glass_status serve(struct server *s) {
    struct load l = {.server = s};
    pthread_t loader;
    int signal_number = 0;
    TRY(http_start(s));
    if (s->o.listening != NULL)
        s->o.listening(s->o.context, s->url, !s->loopback && s->n_keys == 0);
    if (pthread_create(&loader, NULL, load, &l) != 0)
        return fail(GLASS_SYSTEM, "no thread could be started");
    while (signal_number == 0 && !(atomic_load(&l.over) && l.status != GLASS_OK))
        signal_number = wait_signal(atomic_load(&l.over) ? 3600 : 0.1);
    if (signal_number != 0) drain(s);
    pthread_join(loader, NULL);
    return signal_number != 0 || l.status == GLASS_OK ? GLASS_OK
                                                      : fail(l.status, "%s", l.message);
}

glass_status server_run(const struct server_options *options) {
    struct server *s;
    keep_memory_small();
    glass_status status = create(&s, options);
    if (status == GLASS_OK) status = serve(s);
    release(s);
    return status;
}
