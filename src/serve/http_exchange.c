/* http_exchange.c - one request and its reply. A worker writes the reply, libmicrohttpd's
 * thread sends it; a connection is suspended while there is nothing to send, and whether its
 * client is still there is then asked of the socket itself. */
#include "base/clock.h"
#include "base/utf8.h"
#include "serve/http_parts.h"

#include <arpa/inet.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <sys/random.h>

enum {
    BACKLOG = 1 << 20,     /* a client that reads slower makes the writer wait */
    JSON_DEPTH = 100,      /* lists and objects in each other */
    JSON_VALUES = 1 << 19, /* in one body: each takes up to 150 bytes of memory */
    BLOCK = 16384
};

/* ---- the request ---- */

static enum MHD_Result add_pair(void *context, enum MHD_ValueKind kind, const char *name,
                                const char *value) {
    struct buf *pairs = context;
    (void)kind;
    if (value == NULL) value = "";
    bool good = buf_append(pairs, name, strlen(name) + 1) == GLASS_OK &&
                buf_append(pairs, value, strlen(value) + 1) == GLASS_OK;
    return good ? MHD_YES : MHD_NO;
}

const char *http_pair(const struct buf *pairs, const char *name, bool any_case) {
    for (size_t at = 0; at < pairs->len;) {
        const char *key = pairs->data + at, *value = key + strlen(key) + 1;
        if ((any_case ? strcasecmp(key, name) : strcmp(key, name)) == 0) return value;
        at = (size_t)(value - pairs->data) + strlen(value) + 1;
    }
    return NULL;
}

static void set_address(struct exchange *x) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    snprintf(x->address, sizeof x->address, "?");
    if (info == NULL) return;
    const struct sockaddr *a = info->client_addr;
    if (a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, x->address,
                  sizeof x->address);
    if (a->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)a)->sin6_addr, x->address,
                  sizeof x->address);
}

/* "//v1//models" is "/v1/models": some clients join addresses carelessly. */
static glass_status copy_path(struct exchange *x, const char *path) {
    TRY(mem_copy_text(&x->path, path, strlen(path)));
    char *to = x->path;
    for (const char *from = x->path; *from; from++)
        if (from[0] != '/' || from[1] != '/') *to++ = *from;
    *to = '\0';
    return GLASS_OK;
}

static void make_id(char id[25]) {
    static const char letters[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    uint8_t random[24] = {0};
    if (getrandom(random, sizeof random, 0) < 0) random[0] = 1;
    for (int i = 0; i < 24; i++) id[i] = letters[random[i] % 62];
    id[24] = '\0';
}

static glass_status fill(struct exchange *x, const char *path) {
    const union MHD_ConnectionInfo *info;
    info = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    x->fd = info != NULL ? info->connect_fd : -1;
    info = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    x->link = info != NULL ? info->socket_context : NULL;
    make_id(x->id);
    set_address(x);
    TRY(copy_path(x, path));
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, add_pair, &x->headers);
    MHD_get_connection_values(x->connection, MHD_GET_ARGUMENT_KIND, add_pair, &x->query);
    return GLASS_OK;
}

struct exchange *exchange_create(struct server *s, struct MHD_Connection *connection,
                                 const char *path, const char *method) {
    struct exchange *x;
    if (mem_alloc_zero(&x, 1, sizeof *x) != GLASS_OK) return NULL;
    x->server = s;
    x->connection = connection;
    x->start = clock_now();
    atomic_init(&x->owners, 1);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->drained, NULL);
    snprintf(x->method, sizeof x->method, "%s", method);
    atomic_fetch_add(&s->count.requests, 1);
    if (fill(x, path) == GLASS_OK) return x;
    exchange_leave(x);
    return NULL;
}

void exchange_leave(struct exchange *x) {
    if (atomic_fetch_sub(&x->owners, 1) > 1) return;
    count_exchange(x);
    json_decref(x->json);
    buf_free(&x->headers);
    buf_free(&x->query);
    buf_free(&x->body);
    buf_free(&x->out);
    buf_free(&x->reply_headers);
    for (int i = 0; i < HTTP_STARS; i++) mem_free(x->parts[i]);
    mem_free(x->path);
    mem_free(x->type);
    mem_free(x->param);
    mem_free(x->model);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->drained);
    mem_free(x);
}

struct server *exchange_server(struct exchange *x) {
    return x->server;
}

const char *exchange_method(struct exchange *x) {
    return x->method;
}

const char *exchange_path(struct exchange *x) {
    return x->path;
}

const char *exchange_part(struct exchange *x, int i) {
    return i >= 0 && i < HTTP_STARS && x->parts[i] != NULL ? x->parts[i] : "";
}

const char *exchange_query(struct exchange *x, const char *name) {
    return http_pair(&x->query, name, false);
}

const char *exchange_header(struct exchange *x, const char *name) {
    return http_pair(&x->headers, name, true);
}

const json_t *exchange_json(struct exchange *x) {
    return x->json;
}

const char *exchange_body(struct exchange *x, size_t *n) {
    *n = x->body.len;
    return x->body.data != NULL ? x->body.data : "";
}

uint64_t exchange_client(struct exchange *x) {
    return x->client;
}

const char *exchange_address(struct exchange *x) {
    return x->address;
}

/* ---- JSON ---- */

/* Memory and stack that a text would take are bounded before it is parsed. */
static glass_status scan_json(const char *text, size_t n) {
    int depth = 0;
    int64_t values = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (quoted) {
            if (c == '\\') i++;
            quoted = c != '"';
            continue;
        }
        quoted = c == '"';
        depth += c == '[' || c == '{';
        depth -= c == ']' || c == '}';
        values += c == ',' || c == '[' || c == '{';
        if (depth > JSON_DEPTH)
            return fail(GLASS_BAD_INPUT,
                        "the body: byte %zu: more than %d lists and objects in each other",
                        i, JSON_DEPTH);
        if (values > JSON_VALUES)
            return fail(GLASS_BAD_INPUT, "the body has more than %d values", JSON_VALUES);
    }
    return GLASS_OK;
}

glass_status http_parse_json(json_t **out, const char *text, size_t n) {
    json_error_t error;
    *out = NULL;
    TRY(scan_json(text, n));
    json_t *json = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (json == NULL)
        return fail(GLASS_BAD_INPUT, "the body is no JSON: line %d, column %d: %s",
                    error.line, error.column, error.text);
    if (!json_is_object(json)) {
        json_decref(json);
        return fail(GLASS_BAD_INPUT, "the body must be a JSON object, {…}");
    }
    *out = json;
    return GLASS_OK;
}

glass_status exchange_parse(struct exchange *x) {
    if (x->route->raw || x->body.len == 0) return GLASS_OK;
    return http_parse_json(&x->json, x->body.data, x->body.len);
}

/* ---- the reply ---- */

static glass_status set_text(char **to, const char *text) {
    mem_free(*to);
    return mem_copy_text(to, text, strlen(text));
}

bool exchange_begun(struct exchange *x) {
    return x->begun;
}

glass_status reply_header(struct exchange *x, const char *name, const char *value) {
    if (x->begun) return fail(GLASS_USAGE, "the reply has begun");
    if (strpbrk(value, "\r\n") != NULL)
        return fail(GLASS_USAGE, "%s: a header is one line", name);
    TRY(buf_append(&x->reply_headers, name, strlen(name) + 1));
    return buf_append(&x->reply_headers, value, strlen(value) + 1);
}

glass_status reply_bytes(struct exchange *x, int code, const char *type, const void *bytes,
                         size_t n) {
    if (x->begun) return fail(GLASS_USAGE, "the reply has begun");
    TRY(set_text(&x->type, type));
    buf_clear(&x->out);
    TRY(buf_append(&x->out, bytes, n));
    x->code = code;
    x->begun = x->ended = true;
    return GLASS_OK;
}

glass_status reply_json(struct exchange *x, int code, const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) return fail(GLASS_NO_MEMORY, "the reply's JSON could not be made");
    glass_status status = reply_bytes(x, code, "application/json", text, strlen(text));
    free(text);
    return status;
}

static const char *usual_kind(int code, enum route_shape shape) {
    bool messages = shape == SHAPE_MESSAGES;
    switch (code) {
    case 401: return messages ? "authentication_error" : "invalid_request_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return messages ? "request_too_large" : "invalid_request_error";
    case 429: return "rate_limit_error";
    case 503: return messages ? "overloaded_error" : "unavailable_error";
    default:
        if (code < 500) return "invalid_request_error";
        return messages ? "api_error" : "server_error";
    }
}

static glass_status error_json(struct buf *b, struct exchange *x, enum route_shape shape,
                               int code, const char *name, const char *param,
                               const char *message) {
    if (shape == SHAPE_OLLAMA) {
        TRY(buf_text(b, "{\"error\":"));
        TRY(buf_json_string(b, message, strlen(message)));
        return buf_byte(b, '}');
    }
    if (shape == SHAPE_MESSAGES)
        TRY(buf_text(b, "{\"type\":\"error\",\"error\":{\"type\":"));
    if (shape != SHAPE_MESSAGES) TRY(buf_text(b, "{\"error\":{\"type\":"));
    const char *type = usual_kind(code, shape);
    TRY(buf_json_string(b, type, strlen(type)));
    TRY(buf_text(b, ",\"message\":"));
    TRY(buf_json_string(b, message, strlen(message)));
    if (shape == SHAPE_MESSAGES)
        return buf_printf(b, "},\"request_id\":\"req_%s\"}", x->id);
    TRY(buf_text(b, ",\"param\":"));
    TRY(param == NULL ? buf_text(b, "null") : buf_json_string(b, param, strlen(param)));
    TRY(buf_text(b, ",\"code\":"));
    if (shape == SHAPE_PLAIN)
        TRY(buf_printf(b, "%d", code));
    else if (name == NULL)
        TRY(buf_text(b, "null"));
    else
        TRY(buf_json_string(b, name, strlen(name)));
    return buf_text(b, "}}");
}

glass_status reply_error(struct exchange *x, int code, const char *name, const char *param,
                         const char *message) {
    enum route_shape shape = x->route != NULL ? x->route->shape : SHAPE_PLAIN;
    struct buf b = {0};
    glass_status status = error_json(&b, x, shape, code, name, param, message);
    if (status == GLASS_OK && code == 503) status = reply_header(x, "Retry-After", "2");
    if (status == GLASS_OK)
        status = reply_bytes(x, code, "application/json", b.data, b.len);
    buf_free(&b);
    return status;
}

glass_status bad_param(struct exchange *x, const char *param, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* A message may be cut, and may quote what was sent: it stays UTF-8. */
    text[utf8_complete(text, strlen(text))] = '\0';
    TRY(set_text(&x->param, param));
    size_t n = strlen(param);
    if (n > 0 && param[n - 1] == '.') x->param[n - 1] = '\0'; /* a prefix: "messages[0]." */
    return fail(GLASS_BAD_INPUT, "%s: %s", x->param, text);
}

/* Under the lock. */
static void resume(struct exchange *x) {
    if (!x->suspended) return;
    x->suspended = false;
    MHD_resume_connection(x->connection);
}

void exchange_wake(struct exchange *x) {
    pthread_mutex_lock(&x->lock);
    resume(x);
    pthread_mutex_unlock(&x->lock);
}

glass_status reply_begin(struct exchange *x, int code, const char *type) {
    if (x->begun) return fail(GLASS_USAGE, "the reply has begun");
    TRY(set_text(&x->type, type));
    buf_clear(&x->out);
    pthread_mutex_lock(&x->lock);
    x->code = code;
    x->begun = x->streamed = true;
    resume(x);
    pthread_mutex_unlock(&x->lock);
    return GLASS_OK;
}

/* Waits until a slow client has read some of what waits for it. */
static glass_status make_room(struct exchange *x) {
    while (!x->gone && x->out.len - x->out_at > BACKLOG) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1;
        pthread_cond_timedwait(&x->drained, &x->lock, &until);
        if (atomic_load(&x->server->stopping)) x->gone = true;
    }
    if (x->gone) return fail(GLASS_CANCELLED, "the client has left");
    if (x->out_at > 0) {
        memmove(x->out.data, x->out.data + x->out_at, x->out.len - x->out_at);
        x->out.len -= x->out_at;
        x->out_at = 0;
    }
    return GLASS_OK;
}

glass_status reply_write(struct exchange *x, const void *bytes, size_t n) {
    if (!x->streamed || x->ended) return fail(GLASS_USAGE, "no reply is being streamed");
    pthread_mutex_lock(&x->lock);
    glass_status status = make_room(x);
    if (status == GLASS_OK) status = buf_append(&x->out, bytes, n);
    resume(x);
    pthread_mutex_unlock(&x->lock);
    return status;
}

glass_status reply_end(struct exchange *x) {
    pthread_mutex_lock(&x->lock);
    x->ended = true;
    resume(x);
    pthread_mutex_unlock(&x->lock);
    return GLASS_OK;
}

bool exchange_gone(struct exchange *x) {
    pthread_mutex_lock(&x->lock);
    struct pollfd p = {.fd = x->fd, .events = POLLRDHUP};
    /* Libmicrohttpd closes the socket only after it has said so here. */
    if (!x->gone && x->fd >= 0 && poll(&p, 1, 0) > 0 &&
        (p.revents & (POLLRDHUP | POLLHUP | POLLERR)))
        x->gone = true;
    if (atomic_load(&x->server->stopping)) x->gone = true;
    bool gone = x->gone;
    pthread_mutex_unlock(&x->lock);
    return gone;
}

void exchange_note(struct exchange *x, const char *model, int64_t n_prompt,
                   int64_t n_cached, int64_t n_answer) {
    if (model != NULL && set_text(&x->model, model) != GLASS_OK) x->model = NULL;
    x->n_prompt += n_prompt;
    x->n_cached += n_cached;
    x->n_answer += n_answer;
}

/* ---- on libmicrohttpd's thread ---- */

static ssize_t read_reply(void *context, uint64_t at, char *to, size_t most) {
    struct exchange *x = context;
    (void)at;
    pthread_mutex_lock(&x->lock);
    size_t n = x->out.len - x->out_at;
    if (n > most) n = most;
    if (n > 0) {
        memcpy(to, x->out.data + x->out_at, n);
        x->out_at += n;
        x->n_bytes += n;
        pthread_cond_signal(&x->drained);
    } else if (!x->ended) {
        x->suspended = true;
        MHD_suspend_connection(x->connection);
    }
    bool over = n == 0 && x->ended;
    pthread_mutex_unlock(&x->lock);
    return over ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)n;
}

static void add_headers(struct exchange *x, struct MHD_Response *r) {
    if (x->type != NULL && x->type[0] != '\0')
        MHD_add_response_header(r, "Content-Type", x->type);
    MHD_add_response_header(r, "X-Request-Id", x->id);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (http_pair(&x->reply_headers, "Cache-Control", true) == NULL)
        MHD_add_response_header(r, "Cache-Control", "no-store");
    for (size_t at = 0; at < x->reply_headers.len;) {
        const char *name = x->reply_headers.data + at, *value = name + strlen(name) + 1;
        MHD_add_response_header(r, name, value);
        at = (size_t)(value - x->reply_headers.data) + strlen(value) + 1;
    }
    if (atomic_load(&x->server->draining))
        MHD_add_response_header(r, "Connection", "close");
}

void exchange_deadline(struct exchange *x, double when) {
    if (x->link == NULL) return;
    pthread_mutex_lock(&x->server->lock);
    x->link->deadline = when;
    pthread_mutex_unlock(&x->server->lock);
}

enum MHD_Result exchange_queue(struct exchange *x) {
    struct MHD_Response *r;
    x->queued = true;
    if (!x->streamed) {
        double seconds = x->server->o.timeout_s + guard_body_seconds(x->out.len);
        exchange_deadline(x, clock_now() + seconds);
    }
    if (x->streamed) {
        r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_reply, x, NULL);
    } else {
        x->n_bytes = x->out.len;
        r = MHD_create_response_from_buffer(x->out.len, x->out.data,
                                            MHD_RESPMEM_PERSISTENT);
    }
    if (r == NULL) return MHD_NO;
    add_headers(x, r);
    enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)x->code, r);
    MHD_destroy_response(r);
    return result;
}
