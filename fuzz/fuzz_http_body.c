/* fuzz_http_body.c - libFuzzer target: a hostile body of a request is refused with a proper error,
 * or answered, by the server's own handlers and scheduler; whatever is said is well formed.
 *
 * Input: a byte that chooses the route, then the body. The models (one for chats, one for
 * infilling) are those that corpus_http_body.py writes beside the corpus. A request that takes
 * long sees its client leave. */
#include "fuzz_common.h"

#include "base/clock.h"
#include "serve/http_parts.h"

#include <math.h>
#include <time.h>

enum { N_CTX = 96, N_MOST = 64 };
static const double most_s = 0.25;

static struct server server;
static const struct route *routes[N_MOST];
static int n_routes;
static pthread_mutex_t clock_lock = PTHREAD_MUTEX_INITIALIZER;
static double deadline = INFINITY;

static void *watch(void *context) {
    const struct timespec moment = {.tv_nsec = 20000000};
    for (;;) {
        nanosleep(&moment, NULL);
        pthread_mutex_lock(&clock_lock);
        if (clock_now() > deadline) atomic_store(&server.stopping, true);
        pthread_mutex_unlock(&clock_lock);
    }
    return context;
}

static void set_deadline(double when) {
    pthread_mutex_lock(&clock_lock);
    deadline = when;
    if (when == INFINITY) atomic_store(&server.stopping, false);
    pthread_mutex_unlock(&clock_lock);
}

/* "build-fuzz/corpus/http_body" -> "build-fuzz/corpus/http_body-chat.gguf" */
static bool find_models(const char *folder, char paths[2][512]) {
    size_t n = strlen(folder);
    while (n > 0 && folder[n - 1] == '/') n--;
    snprintf(paths[0], 512, "%.*s-chat.gguf", (int)n, folder);
    snprintf(paths[1], 512, "%.*s-fim.gguf", (int)n, folder);
    return access(paths[0], R_OK) == 0 && access(paths[1], R_OK) == 0;
}

static void add_routes(const struct route *group) {
    for (; group->path != NULL; group++) {
        if (strcmp(group->method, "POST") != 0 || group->raw) continue;
        MUST(n_routes < N_MOST);
        routes[n_routes++] = group;
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    static char paths[2][512];
    static const char *names[2] = {paths[0], paths[1]};
    pthread_t thread;
    bool found = false;
    for (int i = 1; i < *argc && !found; i++)
        if ((*argv)[i][0] != '-') found = find_models((*argv)[i], paths);
    if (!found) {
        fprintf(stderr,
                "fuzz_http_body FOLDER: fuzz/corpus_http_body.py FOLDER comes first\n");
        exit(2);
    }
    server.o = (struct server_options){
        .max_body = 1 << 20,
        .quiet = true,
        .no_page = true,
        .n_predict = -1,
        .models = {
            .names = names,
            .n_names = 2,
            .keep_s = -1,
            .sched = {.n_ctx = N_CTX, .n_parallel = 4, .n_queue = 32, .n_threads = 1}}};
    glass_sampler_defaults(&server.o.sampler);
    pthread_mutex_init(&server.lock, NULL);
    MUST(digests_create(&server.digests, "") == GLASS_OK);
    MUST(models_create(&server.models, &server.o.models) == GLASS_OK);
    MUST(models_preload(server.models) == GLASS_OK);
    add_routes(routes_openai);
    add_routes(routes_openai_text);
    add_routes(routes_responses);
    add_routes(routes_messages);
    add_routes(routes_ollama);
    add_routes(routes_infill);
    add_routes(routes_ops);
    add_routes(routes_inspect);
    MUST(pthread_create(&thread, NULL, watch, NULL) == 0);
    return 0;
}

static void check_json(const char *text, size_t n) {
    json_t *json = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    MUST(json != NULL);
    json_decref(json);
}

/* Lines of JSON, or of events with JSON in their data. */
static void check_lines(const char *text, size_t n, bool events) {
    static const char data[] = "data: ";
    for (size_t at = 0; at < n;) {
        const char *line = text + at, *end = memchr(line, '\n', n - at);
        if (end == NULL) return; /* cut off where the client left */
        size_t len = (size_t)(end - line);
        at += len + 1;
        if (events && (len < 6 || memcmp(line, data, 6) != 0)) {
            MUST(len == 0 || line[0] == ':' || memcmp(line, "event: ", 7) == 0);
            continue;
        }
        if (events && len == 12 && memcmp(line, "data: [DONE]", 12) == 0) continue;
        check_json(line + (events ? 6 : 0), len - (events ? 6 : 0));
    }
}

static void check_reply(const struct exchange *x) {
    const char *type = x->type != NULL ? x->type : "";
    const char *text = x->out.data != NULL ? x->out.data : "";
    MUST(x->begun && x->ended);
    MUST(x->code == 200 || (x->code >= 400 && x->code < 500) || x->code == 503);
    MUST(fuzz_is_utf8(text, x->out.len));
    if (strcmp(type, "application/json") == 0 && x->out.len > 0)
        check_json(text, x->out.len);
    if (strcmp(type, "text/event-stream") == 0) check_lines(text, x->out.len, true);
    if (strcmp(type, "application/x-ndjson") == 0) check_lines(text, x->out.len, false);
}

static struct exchange *make(const struct route *route, const uint8_t *body, size_t n) {
    struct exchange *x;
    MUST(mem_alloc_zero(&x, 1, sizeof *x) == GLASS_OK);
    x->server = &server;
    x->route = route;
    x->fd = -1;
    x->start = clock_now();
    atomic_init(&x->owners, 2); /* the worker, and this function's caller */
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->drained, NULL);
    snprintf(x->method, sizeof x->method, "POST");
    MUST(mem_copy_text(&x->path, route->path, strlen(route->path)) == GLASS_OK);
    MUST(n == 0 || buf_append(&x->body, body, n) == GLASS_OK);
    return x;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    struct exchange *x = make(routes[data[0] % n_routes], data + 1, size - 1);
    set_deadline(clock_now() + most_s);
    work_answer(x);
    set_deadline(INFINITY);
    check_reply(x);
    exchange_leave(x);
    return 0;
}
