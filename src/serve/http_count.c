/* http_count.c - what requests leave behind: a line of the log, and counters. */
#include "base/clock.h"
#include "serve/http_parts.h"

#include <stdio.h>
#include <time.h>

static const double bounds[HTTP_BUCKETS] = {0.005, 0.02, 0.1, 0.5, 1, 5, 20, 60, 300};

static glass_status human_line(const struct exchange *x, struct buf *b, const char *when,
                               double seconds) {
    TRY(buf_printf(b, "%s %s %s %s %d %zu B %.1f ms", when, x->address, x->method,
                   x->path != NULL ? x->path : "?", x->code, x->n_bytes, 1e3 * seconds));
    if (x->model != NULL)
        TRY(buf_printf(b, " %s: %lld in (%lld cached), %lld out", x->model,
                       (long long)x->n_prompt, (long long)x->n_cached,
                       (long long)x->n_answer));
    if (x->gone) TRY(buf_text(b, " (client left)"));
    for (size_t i = 0; i < b->len; i++) /* a path may hold anything */
        if ((unsigned char)b->data[i] < ' ') b->data[i] = '?';
    return GLASS_OK;
}

static glass_status text_field(struct buf *b, const char *name, const char *text,
                               size_t n) {
    TRY(buf_printf(b, ",\"%s\":", name));
    return buf_json_string(b, text, n);
}

static glass_status json_line(const struct exchange *x, struct buf *b, const char *when,
                              double seconds) {
    TRY(buf_printf(b, "{\"time\":\"%s\",\"id\":\"%s\"", when, x->id));
    TRY(text_field(b, "client", x->address, strlen(x->address)));
    TRY(text_field(b, "method", x->method, strlen(x->method)));
    TRY(text_field(b, "path", x->path != NULL ? x->path : "",
                   x->path != NULL ? strlen(x->path) : 0));
    TRY(buf_printf(b, ",\"status\":%d,\"bytes\":%zu,\"ms\":%.3f,\"client_left\":%s",
                   x->code, x->n_bytes, 1e3 * seconds, x->gone ? "true" : "false"));
    if (x->model != NULL) {
        TRY(text_field(b, "model", x->model, strlen(x->model)));
        TRY(buf_printf(b,
                       ",\"prompt_tokens\":%lld,\"cached_tokens\":%lld,"
                       "\"answer_tokens\":%lld",
                       (long long)x->n_prompt, (long long)x->n_cached,
                       (long long)x->n_answer));
    }
    if (x->server->o.log_prompts && x->body.len > 0)
        TRY(text_field(b, "body", x->body.data, x->body.len));
    return buf_byte(b, '}');
}

static void write_log(const struct exchange *x, double seconds) {
    struct server *s = x->server;
    struct buf b = {0};
    struct timespec now;
    struct tm parts;
    char when[32];
    if (s->o.quiet) return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    glass_status status =
        s->o.log_json ? json_line(x, &b, when, seconds) : human_line(x, &b, when, seconds);
    if (status == GLASS_OK && !s->o.log_json && s->o.log_prompts && x->body.len > 0) {
        status = buf_text(&b, "\n  ");
        if (status == GLASS_OK) status = buf_json_string(&b, x->body.data, x->body.len);
    }
    if (status == GLASS_OK) status = buf_byte(&b, '\n');
    pthread_mutex_lock(&s->lock);
    if (status == GLASS_OK) fwrite(b.data, 1, b.len, stderr);
    pthread_mutex_unlock(&s->lock);
    buf_free(&b);
}

void count_exchange(struct exchange *x) {
    struct http_counters *c = &x->server->count;
    double seconds = (x->stop > 0 ? x->stop : clock_now()) - x->start;
    int i = 0;
    if (x->code > 0 && x->code < HTTP_CODES) atomic_fetch_add(&c->codes[x->code], 1);
    while (i < HTTP_BUCKETS && seconds > bounds[i]) i++;
    atomic_fetch_add(&c->buckets[i], 1);
    atomic_fetch_add(&c->microseconds, (long long)(1e6 * seconds));
    atomic_fetch_add(&c->bytes, (long long)x->n_bytes);
    atomic_fetch_add(&c->prompt_tokens, x->n_prompt);
    atomic_fetch_add(&c->cached_tokens, x->n_cached);
    atomic_fetch_add(&c->answer_tokens, x->n_answer);
    if (x->gone) atomic_fetch_add(&c->gone, 1);
    atomic_fetch_sub(&c->requests, 1);
    write_log(x, seconds);
}

static glass_status head(struct buf *b, const char *name, const char *kind,
                         const char *help) {
    return buf_printf(b, "# HELP glass_%s %s\n# TYPE glass_%s %s\n", name, help, name,
                      kind);
}

static glass_status one(struct buf *b, const char *name, const char *kind, const char *help,
                        double value) {
    TRY(head(b, name, kind, help));
    TRY(buf_printf(b, "glass_%s ", name));
    TRY(buf_json_number(b, value));
    return buf_byte(b, '\n');
}

static glass_status durations(struct buf *b, struct http_counters *c) {
    long long sum = 0;
    TRY(head(b, "http_request_seconds", "histogram", "Time that requests took."));
    for (int i = 0; i <= HTTP_BUCKETS; i++) {
        sum += atomic_load(&c->buckets[i]);
        if (i < HTTP_BUCKETS)
            TRY(buf_printf(b, "glass_http_request_seconds_bucket{le=\"%g\"} %lld\n",
                           bounds[i], sum));
    }
    TRY(buf_printf(b, "glass_http_request_seconds_bucket{le=\"+Inf\"} %lld\n", sum));
    return buf_printf(
        b, "glass_http_request_seconds_sum %.6f\nglass_http_request_seconds_count %lld\n",
        1e-6 * (double)atomic_load(&c->microseconds), sum);
}

glass_status server_metrics(struct server *s, struct buf *b) {
    struct http_counters *c = &s->count;
    TRY(head(b, "http_requests_total", "counter", "Requests by the reply's code."));
    for (int i = 0; i < HTTP_CODES; i++)
        if (atomic_load(&c->codes[i]) > 0)
            TRY(buf_printf(b, "glass_http_requests_total{code=\"%d\"} %lld\n", i,
                           (long long)atomic_load(&c->codes[i])));
    TRY(durations(b, c));
    const struct {
        const char *name, *kind, *help;
        atomic_llong *value;
    } rows[] = {
        {"http_reply_bytes_total", "counter", "Bytes of replies' bodies.", &c->bytes},
        {"http_connections", "gauge", "Open connections.", &c->connections},
        {"http_requests", "gauge", "Requests being read, worked for or answered.",
         &c->requests},
        {"prompt_tokens_total", "counter", "Tokens of prompts.", &c->prompt_tokens},
        {"cached_tokens_total", "counter", "Of them, found in a cache.", &c->cached_tokens},
        {"answer_tokens_total", "counter", "Tokens of answers.", &c->answer_tokens},
        {"refused_key_total", "counter", "Requests without a right key.", &c->refused_keys},
        {"refused_rate_total", "counter", "Requests above the rate.", &c->refused_rate},
        {"refused_busy_total", "counter", "Requests for which no place was free.",
         &c->refused_busy},
        {"timed_out_total", "counter", "Connections closed for taking too long.",
         &c->timed_out},
        {"clients_left_total", "counter", "Requests whose client left before the end.",
         &c->gone},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        TRY(one(b, rows[i].name, rows[i].kind, rows[i].help,
                (double)atomic_load(rows[i].value)));
    TRY(one(b, "ready", "gauge", "Whether the default model is loaded.",
            server_ready(s) ? 1 : 0));
    return one(b, "start_time_seconds", "gauge", "When the server began, since 1970.",
               s->started_s);
}
