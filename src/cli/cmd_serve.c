/* cmd_serve.c - glass serve: models for browsers, programs and editors. */
#include "base/path.h"
#include "cli/cli.h"
#include "serve/openapi.h"
#include "serve/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_MODELS = 16 };

struct serve {
    struct server_options o;
    struct opt_list keys, origins, hosts, adapters;
    int64_t port, n_parallel, n_queue, n_ctx, n_batch, n_threads, n_predict, seed, top_k;
    int64_t max_body_mb, cache_mb, n_loaded;
    float keep_s, timeout_s, drain_s;
    const char *cache_type, *log, *prefix_dir;
    bool store, mlock, openapi;
    struct models_adapter parsed[64];
    const char *keys_with_env[65];
};

static void say_listening(void *context, const char *url, bool unguarded) {
    const struct serve *s = context;
    printf("glass serves %s at %s\n", s->o.models.names[0], url);
    fflush(stdout);
    if (unguarded)
        fprintf(
            stderr,
            "glass: whoever reaches this address may ask%s: --api-key or --api-key-file "
            "guards it\n",
            s->o.no_page ? "" : " and read the page's conversations");
}

static void say_ready(void *context, const struct sched_stats *stats) {
    const struct serve *s = context;
    char cache[32], work[32];
    if (s->o.quiet) return;
    printf("%lld answer%s at once of %lld positions; %s for caches, %s to work in\n",
           (long long)stats->n_parallel, stats->n_parallel == 1 ? "" : "s",
           (long long)stats->n_ctx, cli_bytes(cache, (double)stats->cache_bytes),
           cli_bytes(work, (double)stats->work_bytes));
    fflush(stdout);
}

/* "https://chat.example:3000"; a path or a slash behind it would never match. */
static glass_status check_origin(const char *origin) {
    const char *name = strstr(origin, "://");
    if (strcmp(origin, "*") == 0 || strcmp(origin, "null") == 0) return GLASS_OK;
    if (name != NULL && name[3] != '\0' && strpbrk(name + 3, "/?# ") == NULL)
        return GLASS_OK;
    return fail(
        GLASS_USAGE,
        "--cors-origin %.200s: browsers send http://NAME or https://NAME, with :PORT "
        "if it is not the usual one, and nothing behind it",
        origin);
}

/* A default that no request could be answered with is refused now, not then. */
static glass_status check_sampler(const glass_sampler_options *o, int64_t n_predict) {
    glass_sampler *sampler;
    TRY(glass_sampler_create(&sampler, NULL, o));
    glass_sampler_free(sampler);
    if (n_predict >= -1) return GLASS_OK;
    return fail(GLASS_USAGE, "--predict %lld: -1 (until it ends), 0 or more",
                (long long)n_predict);
}

static glass_status set_log(struct serve *s) {
    if (strcmp(s->log, "json") == 0)
        s->o.log_json = true;
    else if (strcmp(s->log, "none") == 0)
        s->o.quiet = true;
    else if (strcmp(s->log, "text") != 0)
        return fail(GLASS_USAGE, "--log %.40s: text, json and none are possible", s->log);
    return GLASS_OK;
}

static void set_keys(struct serve *s) {
    const char *env = getenv("GLASS_API_KEY");
    for (int i = 0; i < s->keys.n; i++) s->keys_with_env[i] = s->keys.items[i];
    s->o.n_keys = s->keys.n;
    if (env != NULL && *env != '\0') s->keys_with_env[s->o.n_keys++] = env;
    s->o.keys = s->keys_with_env;
}

static glass_status set_models(struct serve *s, const char *const *words, int n_words) {
    struct models_options *m = &s->o.models;
    m->names = words;
    m->n_names = n_words;
    m->store = s->store;
    m->n_loaded = s->n_loaded;
    m->keep_s = (double)s->keep_s;
    m->mlock = s->mlock;
    m->sched = (struct sched_options){.n_ctx = s->n_ctx,
                                      .cache_bytes = (size_t)s->cache_mb << 20,
                                      .n_parallel = s->n_parallel,
                                      .n_queue = s->n_queue,
                                      .n_batch = s->n_batch,
                                      .prefix_dir = s->prefix_dir};
    TRY(cli_narrow(&m->sched.n_threads, s->n_threads, "threads"));
    TRY(cli_cache_type(&m->sched.cache_type, s->cache_type));
    if (s->prefix_dir != NULL) TRY(path_make_private(s->prefix_dir));
    for (int i = 0; i < s->adapters.n; i++) {
        char *path;
        TRY(cli_adapter_parse(&path, &s->parsed[i].scale, s->adapters.items[i]));
        s->parsed[i].path = path;
    }
    m->adapters = s->parsed;
    m->n_adapters = s->adapters.n;
    return GLASS_OK;
}

static glass_status set_rest(struct serve *s) {
    if (s->max_body_mb < 0 || s->cache_mb < 0 || s->n_parallel < 0 || s->n_queue < 0)
        return fail(GLASS_USAGE, "--max-body, --cache-mb, --parallel, --queue: no negative "
                                 "number");
    s->o.port = s->port;
    s->o.origins = s->origins.items;
    s->o.n_origins = s->origins.n;
    s->o.hosts = s->hosts.items;
    s->o.n_hosts = s->hosts.n;
    s->o.max_body = (size_t)s->max_body_mb << 20;
    s->o.timeout_s = (double)s->timeout_s;
    s->o.drain_s = (double)s->drain_s;
    s->o.n_predict = s->n_predict;
    s->o.seeded = s->seed >= 0;
    s->o.sampler.seed = (uint64_t)s->seed;
    s->o.listening = say_listening;
    s->o.ready = say_ready;
    s->o.context = s;
    set_keys(s);
    TRY(cli_narrow(&s->o.sampler.top_k, s->top_k, "top-k"));
    TRY(check_sampler(&s->o.sampler, s->n_predict));
    for (int i = 0; i < s->origins.n; i++) TRY(check_origin(s->origins.items[i]));
    return set_log(s);
}

/* The server takes them by waiting; every thread inherits that. */
static void block_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static glass_status run(struct serve *s, const char *const *words, int n_words) {
    TRY(set_models(s, words, n_words));
    TRY(set_rest(s));
    block_signals();
    return server_run(&s->o);
}

int cmd_serve(int argc, char **argv) {
    struct serve s = {.port = 8080,
                      .n_predict = -1,
                      .seed = -1,
                      .keep_s = -1,
                      .cache_type = "f32",
                      .log = "text"};
    glass_sampler_defaults(&s.o.sampler);
    s.top_k = s.o.sampler.top_k;
    // clang-format off
    const struct opt options[] = {
        {"Listening", 0, OPT_HEADING, NULL, NULL, NULL},
        {"host", 0, OPT_TEXT, &s.o.host, "ADDRESS", "where to listen (127.0.0.1)"},
        {"port", 0, OPT_INT, &s.port, "N", "at which port (8080; 0: any free one)"},
        {"tls-cert", 0, OPT_TEXT, &s.o.tls_cert, "FILE", "certificate in PEM: https instead of http"},
        {"tls-key", 0, OPT_TEXT, &s.o.tls_key, "FILE", "its key"},
        {"Who may ask", 0, OPT_HEADING, NULL, NULL, NULL},
        {"api-key", 0, OPT_LIST, &s.keys, "KEY", "a key that requests need (repeatable; or $GLASS_API_KEY)"},
        {"api-key-file", 0, OPT_TEXT, &s.o.key_file, "FILE", "a key a line"},
        {"cors-origin", 0, OPT_LIST, &s.origins, "URL", "pages of that origin may ask, besides local ones (repeatable; *: all)"},
        {"allowed-host", 0, OPT_LIST, &s.hosts, "NAME", "on loopback, a name in Host besides local ones (repeatable)"},
        {"allow-pull", 0, OPT_FLAG, &s.o.allow_pull, NULL, "models may be got from the hub (/api/pull)"},
        {"allow-delete", 0, OPT_FLAG, &s.o.allow_delete, NULL, "models may be deleted (/api/delete)"},
        {"Limits", 0, OPT_HEADING, NULL, NULL, NULL},
        {"max-body", 0, OPT_INT, &s.max_body_mb, "MB", "largest body of a request (8)"},
        {"max-connections", 0, OPT_INT, &s.o.max_connections, "N", "open connections (4096)"},
        {"max-requests", 0, OPT_INT, &s.o.max_requests, "N", "requests at work or waiting (512)"},
        {"timeout", 0, OPT_FLOAT, &s.timeout_s, "S", "for sending a request, or silence (120)"},
        {"drain", 0, OPT_FLOAT, &s.drain_s, "S", "that answers get to end after SIGTERM (30)"},
        {"rate", 0, OPT_INT, &s.o.rate, "N", "requests a minute of one key or address (0: any)"},
        {"Running", 0, OPT_HEADING, NULL, NULL, NULL},
        {"ctx", 'c', OPT_INT, &s.n_ctx, "N", "positions of one request (default: the model's, at most 4096)"},
        {"parallel", 0, OPT_INT, &s.n_parallel, "N", "answers at once (16; also -np N)"},
        {"queue", 0, OPT_INT, &s.n_queue, "N", "requests that may wait beyond those (256)"},
        {"cache-mb", 0, OPT_INT, &s.cache_mb, "MB", "memory for key/value caches (0: as needed)"},
        {"cache-type", 0, OPT_TEXT, &s.cache_type, "TYPE", "f32, f16, q8_0"},
        {"prefix-dir", 0, OPT_TEXT, &s.prefix_dir, "DIR", "where caches of prompts outlive the server"},
        {"threads", 't', OPT_INT, &s.n_threads, "N", "threads (default: all cores)"},
        {"batch", 'b', OPT_INT, &s.n_batch, "N", "most rows in one pass (512)"},
        {"mlock", 0, OPT_FLAG, &s.mlock, NULL, "pin the weights in memory"},
        {"adapter", 0, OPT_LIST, &s.adapters, "PATH[=F]", "a LoRA adapter of the first model, times F (repeatable)"},
        {"store", 0, OPT_FLAG, &s.store, NULL, "requests may name any model of `glass list`"},
        {"loaded", 0, OPT_INT, &s.n_loaded, "N", "most models in memory (as many as are named)"},
        {"keep", 0, OPT_FLOAT, &s.keep_s, "S", "unused models are closed after this (-1: never)"},
        {"trace", 0, OPT_TEXT, &s.o.trace_path, "RUN", "where answers' words stand in that run's texts (or INDEX): /trace"},
        {"The page", 0, OPT_HEADING, NULL, NULL, NULL},
        {"data", 0, OPT_TEXT, &s.o.data_dir, "DIR", "where its conversations are kept (Glass's data folder)"},
        {"no-page", 0, OPT_FLAG, &s.o.no_page, NULL, "no page, and nothing is kept"},
        {"Where requests say nothing", 0, OPT_HEADING, NULL, NULL, NULL},
        {"predict", 'n', OPT_INT, &s.n_predict, "N", "most tokens to answer (-1: until it ends)"},
        {"temp", 0, OPT_FLOAT, &s.o.sampler.temperature, "F", "temperature, 0 = greedy (0.8)"},
        {"top-k", 0, OPT_INT, &s.top_k, "N", "keep the N likeliest (40, 0 = all)"},
        {"top-p", 0, OPT_FLOAT, &s.o.sampler.top_p, "F", "keep this much probability (0.95)"},
        {"min-p", 0, OPT_FLOAT, &s.o.sampler.min_p, "F", "least share of the best one's (0.05)"},
        {"repeat-penalty", 0, OPT_FLOAT, &s.o.sampler.repeat_penalty, "F", "1 = off"},
        {"seed", 's', OPT_INT, &s.seed, "N", "same seed, same answer (-1: each takes a random one)"},
        {"What is written", 0, OPT_HEADING, NULL, NULL, NULL},
        {"log", 0, OPT_TEXT, &s.log, "KIND", "a line a request: text, json, none"},
        {"openapi", 0, OPT_FLAG, &s.openapi, NULL, "print the description of all routes (OpenAPI), and end"},
        {"log-prompts", 0, OPT_FLAG, &s.o.log_prompts, NULL, "with the request's body, which is what people wrote"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    // clang-format on
    const struct opt_command command_line = {
        "glass serve [MODEL…] [options]",
        "Serves models over HTTP: a chat page for browsers, the APIs of OpenAI and Ollama, "
        "infilling\nfor editors. Without MODEL: " CLI_DEFAULT_MODEL
        ". docs/serving.md tells the "
        "rest.",
        "  glass serve\n  glass serve model.gguf --port 0 -np 8 -c 2048\n"
        "  glass serve --host 0.0.0.0 --api-key-file keys --tls-cert cert.pem --tls-key "
        "key.pem\n"
        "  curl localhost:8080/v1/chat/completions -d '{\"messages\":[{\"role\":\"user\","
        "\"content\":\"Hi\"}]}'\n",
        options,
        0,
        MOST_MODELS,
        true};
    const char *words[MOST_MODELS] = {CLI_DEFAULT_MODEL};
    int n_words, code = opts_parse(&command_line, argc, argv, words, &n_words);
    if (code >= 0) return code;
    if (s.openapi) {
        size_t n;
        const char *text = openapi_text(&n);
        return fwrite(text, 1, n, stdout) == n && fflush(stdout) == 0
                   ? 0
                   : cli_fail(fail_errno("writing the description"));
    }
    glass_status status = run(&s, words, n_words > 0 ? n_words : 1);
    for (int i = 0; i < s.adapters.n; i++) mem_free((char *)(uintptr_t)s.parsed[i].path);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
