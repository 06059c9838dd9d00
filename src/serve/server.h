/* server.h - the HTTP server: options, start, end. */
#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include "glass/trace.h"
#include "serve/conversations.h"
#include "serve/digests.h"
#include "serve/models.h"
#include "serve/routes.h"

struct server_options {
    const char *host;               /* NULL = 127.0.0.1 */
    int64_t port;                   /* 0 = any free one */
    const char *tls_cert, *tls_key; /* PEM files; both or neither */
    const char *const *keys;        /* none: nobody needs one */
    int n_keys;
    const char *key_file;       /* a key a line, # begins a remark; NULL */
    const char *const *origins; /* web pages that may ask, besides local ones */
    int n_origins;
    const char *const *hosts; /* names in Host that are this server's, besides local ones */
    int n_hosts;
    size_t max_body;         /* 0 = 8 MiB */
    int64_t max_connections; /* 0 = 4096 */
    int64_t max_requests;    /* at work at once; 0 = 512 */
    double timeout_s;        /* to send a request's head, or nothing; 0 = 120 */
    double drain_s;          /* that answers get to end after a signal; 0 = 30 */
    int64_t rate;            /* requests a minute and client; 0 = any number */
    bool allow_pull, allow_delete;
    bool log_json, log_prompts, quiet;
    struct models_options models;
    glass_sampler_options sampler; /* where a request says nothing */
    bool seeded;            /* the sampler's seed is meant; else each takes a random one */
    int64_t n_predict;      /* where a request says nothing; -1 */
    const char *trace_path; /* a trace index; NULL */
    const char *data_dir;   /* where the page's conversations are; NULL = path_data() */
    bool no_page;           /* there is no page, and nothing is kept */
    /* Called once when the address is known; unguarded: others than this machine may ask, and
     * need no key. */
    void (*listening)(void *context, const char *url, bool unguarded);
    /* Called once when the first model is there, from another thread. */
    void (*ready)(void *context, const struct sched_stats *stats);
    void *context;
};

/* Listens, loads the default model, and serves until SIGTERM or SIGINT; then takes nothing
 * more, lets answers end for drain_s (a second signal: at once), and returns. Those signals
 * must be blocked in the calling thread before it starts others. */
glass_status server_run(const struct server_options *options);

struct models *server_models(struct server *server);
const struct server_options *server_options(struct server *server);
glass_trace *server_trace(struct server *server);                  /* NULL */
struct conversations *server_conversations(struct server *server); /* NULL: no page */
struct digests *server_digests(struct server *server);
bool server_ready(struct server *server); /* the default model is there */
bool server_draining(struct server *server);
double server_started_s(struct server *server); /* since 1970 */
/* Appends the counters in Prometheus' text form. */
glass_status server_metrics(struct server *server, struct buf *out);

#endif
