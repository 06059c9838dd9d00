/* http_parts.h - what the files of the HTTP server share: server.c (start and end),
 * http_listen.c (libmicrohttpd), http_exchange.c (one request and its reply), http_guard.c
 * (who may ask what), http_work.c (worker threads), http_count.c (logs and counters). */
#ifndef SERVE_HTTP_PARTS_H
#define SERVE_HTTP_PARTS_H

#include "serve/server.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum { HTTP_STARS = 4, HTTP_BUCKETS = 9, HTTP_CODES = 600 };

/* A connection, as the clock sees it. Closed when its deadline is over. */
struct http_link {
    struct http_link *before, *after;
    int fd;
    double deadline; /* INFINITY: somebody works for it */
};

/* Requests of one client in the last minute, as a bucket of tokens. */
struct http_rate {
    uint64_t client;
    double left, when;
};
enum { HTTP_RATES = 4096 };

struct http_counters {
    atomic_llong codes[HTTP_CODES];
    atomic_llong buckets[HTTP_BUCKETS + 1]; /* of the time that requests took */
    atomic_llong microseconds, bytes;
    atomic_llong prompt_tokens, cached_tokens, answer_tokens;
    atomic_llong connections, requests; /* now */
    atomic_llong refused_keys, refused_rate, refused_busy, timed_out, gone;
};

struct http_work;

struct server {
    struct server_options o;
    struct models *models;
    glass_trace *trace;
    struct conversations *conversations;
    struct digests *digests;
    struct MHD_Daemon *daemon;
    struct http_work *work;
    uint8_t (*keys)[32]; /* digests */
    int n_keys;
    bool loopback; /* only this machine reaches it */
    bool tls;
    bool quiesced;
    int listener; /* where nothing is taken any more; if quiesced */
    char *url;
    double started_s;
    atomic_bool draining, stopping, load_failed;
    struct http_counters count;
    pthread_mutex_t lock; /* links, rates, log */
    struct http_link *links;
    struct http_rate *rates; /* (HTTP_RATES) by hash, or NULL */
    pthread_t reaper;
    bool reaping;
    char mhd_error[256];
};

struct exchange {
    struct server *server;
    struct MHD_Connection *connection; /* only while suspended, or on its thread */
    const struct route *route;
    struct http_link *link;
    struct exchange *next; /* in the queue of work */
    atomic_int owners;     /* libmicrohttpd, and a worker */
    int fd;
    char id[25], address[48], method[12];
    char *path, *parts[HTTP_STARS]; /* owned */
    struct buf headers, query;      /* name NUL value NUL … */
    uint64_t client;
    struct buf body;
    json_t *json;
    bool discard; /* the reply is known; the body is read and forgotten */
    /* The reply: written by whoever works for it, read by libmicrohttpd's thread. */
    pthread_mutex_t lock;
    pthread_cond_t drained;
    bool begun, streamed, ended, queued, suspended, gone;
    int code;
    char *type, *param; /* owned */
    struct buf out, reply_headers;
    size_t out_at;
    /* For the log. */
    double start, stop;
    size_t n_bytes;
    char *model; /* owned */
    int64_t n_prompt, n_cached, n_answer;
};

/* http_listen.c */
glass_status http_start(struct server *s);
void http_quiesce(struct server *s); /* no new connections */
void http_stop(struct server *s);

/* http_exchange.c */
struct exchange *exchange_create(struct server *s, struct MHD_Connection *connection,
                                 const char *path, const char *method);
void exchange_leave(struct exchange *x); /* one owner less */
/* The reply is whole, or a stream begins: libmicrohttpd shall look at it. */
void exchange_wake(struct exchange *x);
enum MHD_Result exchange_queue(struct exchange *x);      /* on libmicrohttpd's thread */
void exchange_deadline(struct exchange *x, double when); /* likewise */
const char *http_pair(const struct buf *pairs, const char *name, bool any_case);
/* Parses the body; checks depth and size first. */
glass_status exchange_parse(struct exchange *x);
/* The same for any text: *where is what to say about it. */
glass_status http_parse_json(json_t **out, const char *text, size_t n);

/* http_guard.c */
glass_status guard_keys(struct server *s);
/* Finds the route, and whether the client may ask; else a reply is begun. */
void guard_check(struct exchange *x);
double guard_body_seconds(size_t n_bytes);
bool guard_local_name(const char *host, size_t n);

/* http_work.c */
glass_status work_create(struct http_work **out, int64_t n_most);
/* False: all are busy. */
bool work_give(struct http_work *w, struct exchange *x);
/* What a worker does: parses, handles, replies, and is one owner less. */
void work_answer(struct exchange *x);
void work_stop(struct http_work *w); /* all are busy from now on; waits for those at work */
void work_free(struct http_work *w); /* of what was stopped */
int64_t work_running(struct http_work *w);

/* http_count.c */
void count_exchange(struct exchange *x); /* when it is over: counts and logs */

#endif
