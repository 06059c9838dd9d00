/* http_guard.c - who may ask what: routes, hosts, origins, keys, rates. All of it is decided
 * from a request's head, before its body is read. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/path.h"
#include "serve/http_parts.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>

static const struct route *const groups[] = {
    routes_openai, routes_openai_text, routes_responses, routes_messages, routes_ollama,
    routes_infill, routes_ops,         routes_page,      routes_inspect,
};
enum { N_GROUPS = sizeof groups / sizeof *groups, KEY_BYTES = 64 << 10, BODY_RATE = 16384 };

/* A body must arrive, and a reply be taken, at this rate at least. */
double guard_body_seconds(size_t n_bytes) {
    return (double)n_bytes / BODY_RATE;
}

/* ---- keys ---- */

static glass_status add_key(struct server *s, const char *key, size_t n) {
    if (n < 8)
        return fail(GLASS_USAGE, "a key of %zu letters can be guessed: take 8 or more", n);
    TRY(mem_resize(&s->keys, (size_t)s->n_keys + 1, sizeof *s->keys));
    return sha256_bytes(s->keys[s->n_keys++], key, n);
}

glass_status guard_keys(struct server *s) {
    for (int i = 0; i < s->o.n_keys; i++)
        TRY(add_key(s, s->o.keys[i], strlen(s->o.keys[i])));
    if (s->o.key_file == NULL) return GLASS_OK;
    struct buf text = {0};
    int before = s->n_keys;
    glass_status status = path_read_whole(&text, s->o.key_file, KEY_BYTES);
    for (char *line = text.data; status == GLASS_OK && line != NULL;) {
        char *end = strchr(line, '\n');
        size_t n = end != NULL ? (size_t)(end - line) : strlen(line);
        while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ')) n--;
        if (n > 0 && line[0] != '#') status = add_key(s, line, n);
        line = end != NULL ? end + 1 : NULL;
    }
    if (status == GLASS_OK && s->n_keys == before)
        status = fail(GLASS_BAD_INPUT, "%s holds no key: one a line", s->o.key_file);
    buf_free(&text);
    return status;
}

/* Digests are compared, all of each and all of them: time tells nothing about a key. */
static bool key_matches(struct exchange *x, const char *key, size_t n) {
    struct server *s = x->server;
    uint8_t digest[32];
    bool found = false;
    if (sha256_bytes(digest, key, n) != GLASS_OK) return false;
    for (int i = 0; i < s->n_keys; i++) {
        volatile uint8_t different = 0;
        for (int k = 0; k < 32; k++) different |= digest[k] ^ s->keys[i][k];
        found |= different == 0;
    }
    if (found) memcpy(&x->client, digest, sizeof x->client);
    return found;
}

static bool has_key(struct exchange *x) {
    const char *value = exchange_header(x, "Authorization");
    if (x->server->n_keys == 0) return true;
    if (value != NULL && strncasecmp(value, "Bearer ", 7) == 0) {
        value += 7 + strspn(value + 7, " ");
        return key_matches(x, value, strlen(value));
    }
    value = exchange_header(x, "X-Api-Key");
    return value != NULL && key_matches(x, value, strlen(value));
}

/* ---- hosts and origins ---- */

bool guard_local_name(const char *host, size_t n) {
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]", "::1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && strncasecmp(host, names[i], n) == 0) return true;
    if (n > 10 && strncasecmp(host + n - 10, ".localhost", 10) == 0) return true;
    return n > 4 && strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") >= n;
}

/* The length of the name in "name:port" or "[::1]:port". */
static size_t name_length(const char *host) {
    const char *end = host[0] == '[' ? strchr(host, ']') : NULL;
    if (end != NULL) return (size_t)(end + 1 - host);
    return strcspn(host, ":");
}

static bool host_is_ours(struct server *s, const char *host) {
    size_t n = name_length(host);
    if (guard_local_name(host, n)) return true;
    for (int i = 0; i < s->o.n_hosts; i++)
        if (strlen(s->o.hosts[i]) == n && strncasecmp(host, s->o.hosts[i], n) == 0)
            return true;
    return s->o.host != NULL && strlen(s->o.host) == n &&
           strncasecmp(host, s->o.host, n) == 0;
}

/* Who resolves a name of theirs to 127.0.0.1 gets a browser to talk to us as if we were
 * them: on loopback, only local names are answered. */
static bool host_is_good(struct exchange *x) {
    const char *host = exchange_header(x, "Host");
    if (!x->server->loopback || host == NULL) return true;
    return host_is_ours(x->server, host);
}

/* "http://localhost:3000" */
static bool origin_is_good(struct exchange *x, const char *origin) {
    struct server *s = x->server;
    const char *host = exchange_header(x, "Host"), *name = strstr(origin, "://");
    for (int i = 0; i < s->o.n_origins; i++)
        if (strcasecmp(s->o.origins[i], origin) == 0 || strcmp(s->o.origins[i], "*") == 0)
            return true;
    if (name == NULL || strncmp(origin, "http", 4) != 0) return false;
    name += 3;
    if (host != NULL && strcasecmp(name, host) == 0) return true;
    return guard_local_name(name, name_length(name));
}

/* A page of somebody else's may show what it got from here only if it is allowed to; and it
 * shall not even ask, since asking costs something. */
static bool check_origin(struct exchange *x) {
    const char *origin = exchange_header(x, "Origin");
    const char *site = exchange_header(x, "Sec-Fetch-Site");
    if (origin == NULL) {
        bool get = strcmp(x->method, "GET") == 0 || strcmp(x->method, "HEAD") == 0;
        return get || site == NULL || strcmp(site, "cross-site") != 0;
    }
    if (!origin_is_good(x, origin)) return false;
    reply_header(x, "Access-Control-Allow-Origin", origin);
    reply_header(x, "Access-Control-Expose-Headers", "X-Request-Id, X-Glass-Seed");
    reply_header(x, "Vary", "Origin");
    return true;
}

static void preflight(struct exchange *x) {
    const char *wanted = exchange_header(x, "Access-Control-Request-Headers");
    reply_header(x, "Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE");
    if (wanted != NULL) reply_header(x, "Access-Control-Allow-Headers", wanted);
    reply_header(x, "Access-Control-Max-Age", "600");
    reply_bytes(x, 204, "", NULL, 0);
}

/* ---- routes ---- */

/* What the stars take goes to parts. */
static bool path_matches(const char *pattern, const char *path, struct exchange *x) {
    int star = 0;
    while (*pattern != '\0') {
        if (*pattern != '*') {
            if (*pattern++ != *path++) return false;
            continue;
        }
        bool rest = pattern[1] == '*';
        size_t n = rest ? strlen(path) : strcspn(path, "/");
        if (n == 0 || star == HTTP_STARS) return false;
        mem_free(x->parts[star]);
        x->parts[star] = NULL;
        if (mem_copy_text(&x->parts[star++], path, n) != GLASS_OK) return false;
        path += n;
        pattern += rest ? 2 : 1;
    }
    return *path == '\0';
}

static bool method_matches(const char *route, const char *method) {
    return strcmp(route, method) == 0 ||
           (strcmp(route, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* Where only the method is wrong, the route is that of another method. */
static bool find_route(struct exchange *x, char *allow, size_t n_allow) {
    const struct route *other = NULL;
    allow[0] = '\0';
    for (int g = 0; g < N_GROUPS; g++) {
        for (const struct route *r = groups[g]; r->path != NULL; r++) {
            if (!path_matches(r->path, x->path, x)) continue;
            x->route = r;
            if (method_matches(r->method, x->method)) return true;
            other = r;
            size_t n = strlen(allow);
            snprintf(allow + n, n_allow - n, "%s%s", n > 0 ? ", " : "", r->method);
        }
    }
    x->route = other;
    return false;
}

static bool path_is_known(const char *path) {
    for (int g = 0; g < N_GROUPS; g++)
        for (const struct route *r = groups[g]; r->path != NULL; r++)
            if (strcmp(r->path, path) == 0) return true;
    return false;
}

/* Addresses that clients are given without the "/v1" they need, or with one too many, or that
 * end with a slash. */
static const char *path_meant(char *to, size_t n, const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    snprintf(to, n, "%.*s", (int)length, path);
    if (path_is_known(to)) return to;
    snprintf(to, n, "/v1%.*s", (int)length, path);
    if (path_is_known(to)) return to;
    if (strncmp(path, "/v1/", 4) != 0) return NULL;
    snprintf(to, n, "%.*s", (int)length - 3, path + 3);
    return path_is_known(to) ? to : NULL;
}

/* The shape that a client of that path would expect. */
static void no_route(struct exchange *x, const char *allow) {
    static const struct route openai = {.shape = SHAPE_OPENAI};
    static const struct route ollama = {.shape = SHAPE_OLLAMA};
    static const struct route messages = {.shape = SHAPE_MESSAGES};
    char text[500], other[200];
    if (x->route != NULL) {
        reply_header(x, "Allow", allow);
        snprintf(text, sizeof text, "%s takes %s, not %s", x->path, allow, x->method);
        reply_error(x, 405, NULL, NULL, text);
        return;
    }
    if (strncmp(x->path, "/v1/", 4) == 0) x->route = &openai;
    if (strncmp(x->path, "/v1/messages/", 13) == 0) x->route = &messages;
    if (strncmp(x->path, "/api/", 5) == 0) x->route = &ollama;
    const char *meant = path_meant(other, sizeof other, x->path);
    snprintf(text, sizeof text, "there is nothing at %.200s%s%s%s", x->path,
             meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
    reply_error(x, 404, NULL, NULL, text);
}

/* ---- rates ---- */

static uint64_t mix(uint64_t v) {
    v = (v ^ (v >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    v = (v ^ (v >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return v ^ (v >> 33);
}

/* A bucket that fills at the allowed rate. Where two clients fall on one place, the newer one
 * begins anew, which errs on the side of answering. */
static bool rate_allows(struct exchange *x) {
    struct server *s = x->server;
    char wait[24];
    if (s->rates == NULL) return true;
    pthread_mutex_lock(&s->lock);
    struct http_rate *r = &s->rates[mix(x->client) % HTTP_RATES];
    double now = clock_now(), most = (double)s->o.rate;
    if (r->client != x->client || r->when == 0)
        *r = (struct http_rate){x->client, most, now};
    r->left += (now - r->when) * most / 60;
    if (r->left > most) r->left = most;
    r->when = now;
    bool good = r->left >= 1;
    snprintf(wait, sizeof wait, "%.0f", ceil((1 - r->left) * 60 / most));
    if (good) r->left -= 1;
    pthread_mutex_unlock(&s->lock);
    if (!good) reply_header(x, "Retry-After", wait);
    return good;
}

static void set_client(struct exchange *x) {
    uint64_t h = UINT64_C(1469598103934665603);
    for (const char *c = x->address; *c; c++)
        h = (h ^ (uint8_t)*c) * UINT64_C(1099511628211);
    x->client = h;
}

/* ---- the path ---- */

static bool path_is_good(const char *path) {
    for (; *path != '\0'; path++)
        if ((uint8_t)*path < ' ' || *path == 0x7f) return false;
    return true;
}

/* ---- the body ---- */

static void check_body(struct exchange *x) {
    const char *length = exchange_header(x, "Content-Length");
    const char *coding = exchange_header(x, "Content-Encoding");
    char text[160], *end;
    if (coding != NULL && strcasecmp(coding, "identity") != 0) {
        reply_error(x, 415, NULL, NULL, "a body must come as it is, without coding");
        return;
    }
    if (length == NULL) return;
    unsigned long long n = strtoull(length, &end, 10);
    if (n <= x->server->o.max_body) return;
    snprintf(text, sizeof text,
             "the body has %llu bytes; at most %zu are taken (--max-body)", n,
             x->server->o.max_body);
    reply_error(x, 413, NULL, NULL, text);
}

void guard_check(struct exchange *x) {
    struct server *s = x->server;
    char allow[64];
    set_client(x);
    bool found = find_route(x, allow, sizeof allow);
    if (!host_is_good(x)) {
        reply_error(x, 403, NULL, NULL,
                    "this server listens on loopback and answers to local names only; "
                    "--allowed-host NAME adds one");
    } else if (!path_is_good(x->path)) {
        reply_error(x, 400, NULL, NULL, "the path holds %00 or another control character");
    } else if (!check_origin(x)) {
        reply_error(x, 403, NULL, NULL,
                    "pages of that origin may not ask; --cors-origin allows one");
    } else if (strcmp(x->method, "OPTIONS") == 0) {
        preflight(x);
    } else if ((!found || !x->route->open) && !has_key(x)) {
        atomic_fetch_add(&s->count.refused_keys, 1);
        reply_header(x, "WWW-Authenticate", "Bearer");
        reply_error(x, 401, "invalid_api_key", NULL,
                    "a key is needed: \"Authorization: Bearer KEY\" or \"X-Api-Key: KEY\"");
    } else if (!found) {
        no_route(x, allow);
    } else if (!x->route->open && !rate_allows(x)) {
        atomic_fetch_add(&s->count.refused_rate, 1);
        reply_error(x, 429, NULL, NULL, "too many requests: wait a little (--rate)");
    } else if (!x->route->open && atomic_load(&s->draining)) {
        reply_error(x, 503, NULL, NULL, "the server is ending");
    } else {
        check_body(x);
    }
}
