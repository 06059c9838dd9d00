/* http_listen.c - libmicrohttpd: one thread with epoll for all sockets. It reads heads and
 * bodies and sends replies; work is done by others (http_work.c) while the connection is
 * suspended. A second thread closes connections that take too long. */
#include "base/clock.h"
#include "base/path.h"
#include "serve/http_parts.h"

#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DISCARD = 1 << 20, /* bodies that are read though the reply is known */
    HEAD_BYTES = 16384,
    PEM_BYTES = 1 << 20
};

static bool small_body(struct exchange *x) {
    const char *length = exchange_header(x, "Content-Length");
    return length == NULL || strtoull(length, NULL, 10) <= DISCARD;
}

static enum MHD_Result on_head(struct exchange *x) {
    struct server *s = x->server;
    const char *length = exchange_header(x, "Content-Length");
    size_t n = length != NULL ? (size_t)strtoull(length, NULL, 10) : s->o.max_body;
    if (n > s->o.max_body) n = s->o.max_body;
    exchange_deadline(x, clock_now() + s->o.timeout_s + guard_body_seconds(n));
    guard_check(x);
    if (!x->begun) return MHD_YES;
    /* A client that is still sending would not see the reply. */
    x->discard = small_body(x);
    return x->discard ? MHD_YES : exchange_queue(x);
}

static enum MHD_Result on_body(struct exchange *x, const char *bytes, size_t *n) {
    size_t n_bytes = *n;
    *n = 0;
    if (x->queued) return MHD_YES;
    if (x->discard) {
        x->n_bytes += n_bytes;
        return x->n_bytes <= 2 * (size_t)DISCARD ? MHD_YES : MHD_NO;
    }
    if (n_bytes > x->server->o.max_body - x->body.len) {
        char text[120];
        snprintf(text, sizeof text, "the body has more than %zu bytes (--max-body)",
                 x->server->o.max_body);
        buf_free(&x->body);
        reply_error(x, 413, NULL, NULL, text);
        x->discard = true;
        return MHD_YES;
    }
    return buf_append(&x->body, bytes, n_bytes) == GLASS_OK ? MHD_YES : MHD_NO;
}

static enum MHD_Result give(struct exchange *x) {
    exchange_deadline(x, INFINITY);
    pthread_mutex_lock(&x->lock);
    atomic_fetch_add(&x->owners, 1);
    bool given = work_give(x->server->work, x);
    if (given) {
        x->suspended = true;
        MHD_suspend_connection(x->connection);
    }
    pthread_mutex_unlock(&x->lock);
    if (given) return MHD_YES;
    atomic_fetch_sub(&x->owners, 1);
    atomic_fetch_add(&x->server->count.refused_busy, 1);
    reply_error(x, 503, NULL, NULL, "all places are taken: try again in a moment");
    return exchange_queue(x);
}

/* A zero byte would end the text behind our back: it comes as another control character, which
 * guard_check refuses in paths. */
static size_t unescape(void *context, struct MHD_Connection *connection, char *text) {
    size_t n = MHD_http_unescape(text);
    (void)context;
    (void)connection;
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\0') text[i] = 1;
    return n;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *url, const char *method, const char *version,
                                  const char *bytes, size_t *n_bytes, void **state) {
    struct exchange *x = *state;
    (void)version;
    if (x == NULL) {
        x = exchange_create(context, connection, url, method);
        *state = x;
        return x == NULL ? MHD_NO : on_head(x);
    }
    if (*n_bytes > 0) return on_body(x, bytes, n_bytes);
    if (x->queued) return MHD_YES;
    if (x->discard) {
        x->n_bytes = 0;
        return exchange_queue(x);
    }
    pthread_mutex_lock(&x->lock);
    bool begun = x->begun, given = x->owners > 1 || x->stop > 0;
    pthread_mutex_unlock(&x->lock);
    if (begun) return exchange_queue(x);
    return given ? MHD_YES : give(x);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why) {
    struct exchange *x = *state;
    (void)context;
    (void)connection;
    *state = NULL;
    if (x == NULL) return;
    exchange_deadline(x, clock_now() + x->server->o.timeout_s);
    pthread_mutex_lock(&x->lock);
    if (why != MHD_REQUEST_TERMINATED_COMPLETED_OK) x->gone = true;
    x->fd = -1;
    pthread_cond_broadcast(&x->drained);
    pthread_mutex_unlock(&x->lock);
    exchange_leave(x);
}

static void open_link(struct server *s, struct MHD_Connection *connection, void **state) {
    struct http_link *link;
    if (mem_alloc_zero(&link, 1, sizeof *link) != GLASS_OK) return;
    link->fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    link->deadline = clock_now() + s->o.timeout_s;
    pthread_mutex_lock(&s->lock);
    link->after = s->links;
    if (s->links != NULL) s->links->before = link;
    s->links = link;
    pthread_mutex_unlock(&s->lock);
    *state = link;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode what) {
    struct server *s = context;
    struct http_link *link = *state;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        atomic_fetch_add(&s->count.connections, 1);
        open_link(s, connection, state);
        return;
    }
    atomic_fetch_sub(&s->count.connections, 1);
    if (link == NULL) return;
    pthread_mutex_lock(&s->lock);
    if (link->before != NULL)
        link->before->after = link->after;
    else
        s->links = link->after;
    if (link->after != NULL) link->after->before = link->before;
    pthread_mutex_unlock(&s->lock);
    mem_free(link);
    *state = NULL;
}

/* Libmicrohttpd's own clock looks for silence only: who sends a byte now and then would keep
 * a place for ever. */
static void *reap(void *context) {
    struct server *s = context;
    while (!atomic_load(&s->stopping)) {
        struct timespec second = {.tv_sec = 0, .tv_nsec = 250000000};
        nanosleep(&second, NULL);
        double now = clock_now();
        pthread_mutex_lock(&s->lock);
        for (struct http_link *l = s->links; l != NULL; l = l->after) {
            if (l->deadline > now) continue;
            shutdown(l->fd, SHUT_RDWR);
            l->deadline = INFINITY;
            atomic_fetch_add(&s->count.timed_out, 1);
        }
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

/* ---- starting ---- */

static bool is_loopback(const struct sockaddr *a) {
    if (a->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24) == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static glass_status bind_one(const struct addrinfo *a, const char *host, int64_t port,
                             int *out) {
    int one = 1, zero = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail_errno("a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0) {
        *out = fd;
        return GLASS_OK;
    }
    glass_status status =
        errno == EADDRINUSE
            ? fail(GLASS_SYSTEM,
                   "%s port %lld is in use: by another glass serve? --port N takes another "
                   "one, --port 0 any free one",
                   host, (long long)port)
            : fail_errno("listening on %s port %lld", host, (long long)port);
    close(fd);
    return status;
}

static glass_status set_url(struct server *s, int fd, const char *host) {
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    struct buf b = {0};
    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0) return fail_errno("getsockname");
    int port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                             : ((struct sockaddr_in *)&a)->sin_port);
    bool bare6 = strchr(host, ':') != NULL;
    TRY(buf_printf(&b, "http%s://%s%s%s:%d", s->tls ? "s" : "", bare6 ? "[" : "", host,
                   bare6 ? "]" : "", port));
    size_t length;
    return buf_take(&b, &s->url, &length);
}

static glass_status open_socket(struct server *s, int *fd) {
    const char *host = s->o.host != NULL ? s->o.host : "127.0.0.1";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
    char port[16];
    if (s->o.port < 0 || s->o.port > 65535)
        return fail(GLASS_USAGE, "--port %lld: 0 to 65535", (long long)s->o.port);
    snprintf(port, sizeof port, "%lld", (long long)s->o.port);
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0) return fail(GLASS_USAGE, "--host %s: %s", host, gai_strerror(rc));
    glass_status status = bind_one(list, host, s->o.port, fd);
    s->loopback = is_loopback(list->ai_addr);
    freeaddrinfo(list);
    TRY(status);
    return set_url(s, *fd, host);
}

static void on_mhd_error(void *context, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void on_mhd_error(void *context, const char *format, va_list args) {
    struct server *s = context;
    vsnprintf(s->mhd_error, sizeof s->mhd_error, format, args);
    s->mhd_error[strcspn(s->mhd_error, "\n")] = '\0';
}

/* Descriptors for as many connections as are allowed. */
static void raise_limit(int64_t n) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    rlim_t wanted = (rlim_t)n + 512;
    if (limit.rlim_cur >= wanted) return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static glass_status start_daemon(struct server *s, int fd, const char *cert,
                                 const char *key) {
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ITC | MHD_USE_ERROR_LOG | (s->tls ? MHD_USE_TLS : 0);
    struct MHD_OptionItem more[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert},
                                    {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
                                    {MHD_OPTION_END, 0, NULL}};
    if (!s->tls) more[0].option = MHD_OPTION_END;
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_error, s,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)s->o.max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)ceil(s->o.timeout_s), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEAD_BYTES + 4096, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_UNESCAPE_CALLBACK,
        unescape, s, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, more,
        MHD_OPTION_END);
    if (s->daemon != NULL) return GLASS_OK;
    return fail(GLASS_SYSTEM, "the HTTP server does not start: %s%s",
                s->mhd_error[0] ? s->mhd_error : "no reason given",
                s->tls ? " (are --tls-cert and --tls-key a PEM certificate and its key?)"
                       : "");
}

glass_status http_start(struct server *s) {
    struct buf cert = {0}, key = {0};
    int fd = -1;
    s->tls = s->o.tls_cert != NULL;
    raise_limit(s->o.max_connections);
    glass_status status = GLASS_OK;
    if (s->tls) status = path_read_whole(&cert, s->o.tls_cert, PEM_BYTES);
    if (s->tls && status == GLASS_OK)
        status = path_read_whole(&key, s->o.tls_key, PEM_BYTES);
    if (status == GLASS_OK) status = open_socket(s, &fd);
    if (status == GLASS_OK) status = start_daemon(s, fd, cert.data, key.data);
    if (status != GLASS_OK && fd >= 0) close(fd);
    buf_free(&cert);
    if (key.data != NULL) explicit_bzero(key.data, key.len);
    buf_free(&key);
    TRY(status);
    s->reaping = pthread_create(&s->reaper, NULL, reap, s) == 0;
    return s->reaping ? GLASS_OK : fail(GLASS_SYSTEM, "no thread could be started");
}

/* Libmicrohttpd's thread may look at the socket until it is stopped: till then it only listens no
 * more, and its number stays taken. */
void http_quiesce(struct server *s) {
    s->listener = MHD_quiesce_daemon(s->daemon);
    s->quiesced = s->listener != MHD_INVALID_SOCKET;
    if (s->quiesced) shutdown(s->listener, SHUT_RDWR);
}

void http_stop(struct server *s) {
    atomic_store(&s->stopping, true);
    if (s->reaping) pthread_join(s->reaper, NULL);
    /* Workers see that the server ends; when the last is gone, no connection is suspended. Until
     * libmicrohttpd's thread is gone, too, it still asks for one. */
    work_stop(s->work);
    if (s->daemon != NULL) MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
    work_free(s->work);
    s->work = NULL;
    if (s->quiesced) close(s->listener);
    s->quiesced = false;
}
