/* http.c - GET over libcurl: own redirects, ranges, errors in words. */
#include "store/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <strings.h>

enum { MAX_REDIRECTS = 10, MESSAGE_BYTES = 300 };

struct http {
    CURL *curl;
};

/* One hop of a request. */
struct hop {
    const struct http_request *request;
    struct http_reply *reply;
    char *location;
    int64_t range_from;
    bool begun;
    struct buf words;    /* the body of an error */
    glass_status failed; /* of a callback, whose message stands */
};

glass_status http_create(struct http **out) {
    TRY(mem_alloc_zero(out, 1, sizeof **out));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == 0) (*out)->curl = curl_easy_init();
    if ((*out)->curl != NULL) return GLASS_OK;
    mem_free(*out);
    *out = NULL;
    return fail(GLASS_SYSTEM, "libcurl could not be started");
}

void http_free(struct http *http) {
    if (http == NULL) return;
    curl_easy_cleanup(http->curl);
    mem_free(http);
}

void http_reply_clear(struct http_reply *r) {
    mem_free(r->etag);
    mem_free(r->modified);
    mem_free(r->linked_etag);
    mem_free(r->next);
    mem_free(r->message);
    *r = (struct http_reply){0};
}

static CURLU *parse_url(const char *url) {
    CURLU *u = curl_url();
    if (u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK) {
        curl_url_cleanup(u);
        u = NULL;
    }
    return u;
}

/* A part of a URL as the caller's own text; NULL if it is missing. */
static char *url_part(CURLU *u, CURLUPart part, unsigned flags) {
    char *text = NULL;
    if (u == NULL || curl_url_get(u, part, &text, flags) != CURLUE_OK) return NULL;
    return text;
}

static bool same(char *a, char *b) {
    bool equal = a != NULL && b != NULL && strcasecmp(a, b) == 0;
    curl_free(a);
    curl_free(b);
    return equal;
}

bool http_same_origin(const char *a, const char *b) {
    CURLU *x = parse_url(a), *y = parse_url(b);
    bool equal = same(url_part(x, CURLUPART_SCHEME, 0), url_part(y, CURLUPART_SCHEME, 0));
    equal &= same(url_part(x, CURLUPART_HOST, 0), url_part(y, CURLUPART_HOST, 0));
    equal &= same(url_part(x, CURLUPART_PORT, CURLU_DEFAULT_PORT),
                  url_part(y, CURLUPART_PORT, CURLU_DEFAULT_PORT));
    curl_url_cleanup(x);
    curl_url_cleanup(y);
    return equal;
}

bool http_is_private(const char *url) {
    CURLU *u = parse_url(url);
    char *scheme = url_part(u, CURLUPART_SCHEME, 0), *host = url_part(u, CURLUPART_HOST, 0);
    bool yes = scheme != NULL && host != NULL &&
               (strcasecmp(scheme, "https") == 0 || strcasecmp(host, "localhost") == 0 ||
                strcmp(host, "127.0.0.1") == 0 || strcmp(host, "[::1]") == 0);
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    return yes;
}

glass_status http_host(char **out, const char *url) {
    CURLU *u = parse_url(url);
    char *scheme = url_part(u, CURLUPART_SCHEME, 0), *host = url_part(u, CURLUPART_HOST, 0);
    glass_status status;
    *out = NULL;
    if (host != NULL && scheme != NULL &&
        (strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0))
        status = mem_copy_text(out, host, strlen(host));
    else
        status = fail(GLASS_USAGE, "%.200s: not an http or https address", url);
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    return status;
}

glass_status http_without_secrets(char **out, const char *url) {
    CURLU *u = parse_url(url);
    glass_status status;
    *out = NULL;
    if (u != NULL) {
        curl_url_set(u, CURLUPART_USER, NULL, 0);
        curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
        curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    }
    char *text = url_part(u, CURLUPART_URL, 0);
    if (text != NULL)
        status = mem_copy_text(out, text, strlen(text));
    else
        status = fail(GLASS_USAGE, "%.200s: not an address", url);
    curl_free(text);
    curl_url_cleanup(u);
    return status;
}

glass_status http_escape(struct buf *out, const char *text) {
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 128 && (isalnum(*p) || strchr("-._~/", *p) != NULL))
            TRY(buf_byte(out, (char)*p));
        else
            TRY(buf_printf(out, "%%%02X", *p));
    }
    return GLASS_OK;
}

/* The value of a header line if it is the one named, without the spaces around it. */
static bool header_is(const char *line, size_t n, const char *name, const char **value,
                      size_t *n_value) {
    size_t n_name = strlen(name);
    if (n <= n_name || line[n_name] != ':' || strncasecmp(line, name, n_name) != 0)
        return false;
    const char *from = line + n_name + 1, *to = line + n;
    while (from < to && isspace((unsigned char)*from)) from++;
    while (to > from && isspace((unsigned char)to[-1])) to--;
    *value = from;
    *n_value = (size_t)(to - from);
    return true;
}

static glass_status keep(char **out, const char *text, size_t n) {
    mem_free(*out);
    return mem_copy_text(out, text, n);
}

/* Link: <https://…>; rel="next" */
static glass_status keep_next(char **out, const char *value, size_t n) {
    const char *end = memchr(value, '>', n);
    if (value[0] != '<' || end == NULL) return GLASS_OK;
    if (memmem(end, n - (size_t)(end - value), "rel=\"next\"", 10) == NULL) return GLASS_OK;
    return keep(out, value + 1, (size_t)(end - value) - 1);
}

/* Content-Range: bytes 100-199/200 */
static void take_range(struct hop *h, const char *value, size_t n) {
    char text[96], *end;
    if (n >= sizeof text || strncasecmp(value, "bytes ", 6) != 0) return;
    memcpy(text, value, n);
    text[n] = '\0';
    char *slash = strchr(text, '/');
    h->range_from = strtoll(text + 6, &end, 10);
    if (end == text + 6 || *end != '-') h->range_from = -1;
    if (slash != NULL && isdigit((unsigned char)slash[1]))
        h->reply->range_total = strtoll(slash + 1, NULL, 10);
}

static size_t on_header(char *line, size_t size, size_t count, void *context) {
    struct hop *h = context;
    size_t n = size * count, n_value;
    const char *value;
    glass_status status = GLASS_OK;
    if (n >= 5 && strncmp(line, "HTTP/", 5) == 0) { /* "100 Continue" may come before it */
        h->range_from = -1;
    } else if (header_is(line, n, "location", &value, &n_value)) {
        status = keep(&h->location, value, n_value);
    } else if (header_is(line, n, "etag", &value, &n_value)) {
        status = keep(&h->reply->etag, value, n_value);
    } else if (header_is(line, n, "last-modified", &value, &n_value)) {
        status = keep(&h->reply->modified, value, n_value);
    } else if (header_is(line, n, "x-linked-etag", &value, &n_value)) {
        if (h->reply->linked_etag == NULL) /* the hub's, which comes first */
            status = keep(&h->reply->linked_etag, value, n_value);
    } else if (header_is(line, n, "link", &value, &n_value)) {
        status = keep_next(&h->reply->next, value, n_value);
    } else if (header_is(line, n, "content-range", &value, &n_value)) {
        take_range(h, value, n_value);
    } else if (header_is(line, n, "x-error-message", &value, &n_value)) {
        status = keep(&h->reply->message, value,
                      n_value < MESSAGE_BYTES ? n_value : MESSAGE_BYTES);
    }
    if (status != GLASS_OK) h->failed = status;
    return status == GLASS_OK ? n : 0;
}

static glass_status begin_body(struct hop *h, CURL *curl, long code) {
    curl_off_t n = -1;
    int64_t from = 0;
    h->begun = true;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &n);
    h->reply->n_body = n;
    if (code == 206) {
        from = h->request->from;
        if (h->range_from != from)
            return fail(GLASS_BAD_INPUT,
                        "%.200s: asked for bytes from %lld on, the server "
                        "answers with those from %lld",
                        h->request->url, (long long)from, (long long)h->range_from);
    }
    return h->request->begin ? h->request->begin(h->request->context, from) : GLASS_OK;
}

struct hop_curl {
    struct hop *hop;
    CURL *curl;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
    struct hop_curl *hc = context;
    struct hop *h = hc->hop;
    size_t n = size * count;
    long code = 0;
    curl_easy_getinfo(hc->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code != 200 && code != 206) { /* words about an error; a few are enough */
        if (h->words.len < 4096)
            h->failed = buf_append(&h->words, bytes, n < 4096 ? n : 4096);
        return h->failed == GLASS_OK ? n : 0;
    }
    if (!h->begun) h->failed = begin_body(h, hc->curl, code);
    if (h->failed == GLASS_OK) h->failed = h->request->body(h->request->context, bytes, n);
    return h->failed == GLASS_OK ? n : 0;
}

static int on_poll(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    const struct http_request *r = context;
    return r->cancelled != NULL && r->cancelled(r->context);
}

static glass_status explain(CURLcode code, const char *url, struct http_reply *reply) {
    char *host = NULL;
    glass_status status = http_host(&host, url);
    if (status != GLASS_OK) return status;
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK: status = GLASS_CANCELLED; break; /* it has said why */
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        status = fail(GLASS_SYSTEM,
                      "no connection to %s (%s): is there a network? A model file "
                      "that you have already is used by its path",
                      host, curl_easy_strerror(code));
        break;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        reply->transient = true;
        status = fail(GLASS_SYSTEM, "%s: the connection was cut (%s)", host,
                      curl_easy_strerror(code));
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        status = fail(GLASS_SYSTEM,
                      "%s: its certificate cannot be trusted (%s); Debian's "
                      "package ca-certificates has the usual authorities",
                      host, curl_easy_strerror(code));
        break;
    default: status = fail(GLASS_SYSTEM, "%s: %s", host, curl_easy_strerror(code));
    }
    mem_free(host);
    return status;
}

static glass_status set_headers(struct curl_slist **list, const struct http_request *r,
                                bool first) {
    struct buf b = {0};
    glass_status status = GLASS_OK;
    if (first && r->token != NULL) {
        status = buf_printf(&b, "Authorization: Bearer %s", r->token);
        if (status == GLASS_OK) *list = curl_slist_append(*list, b.data);
        buf_clear(&b);
    }
    if (r->from > 0 && r->if_range != NULL && status == GLASS_OK) {
        status = buf_printf(&b, "If-Range: %s", r->if_range);
        if (status == GLASS_OK) *list = curl_slist_append(*list, b.data);
    }
    buf_free(&b);
    return status;
}

/* What an error's body says, if it is a short text or {"error": "…"}. */
static glass_status take_words(struct hop *h) {
    const char *text = h->words.data, *from, *to;
    if (h->reply->message != NULL || text == NULL) return GLASS_OK;
    from = strstr(text, "\"error\":\"");
    if (from != NULL && (to = strchr(from + 9, '"')) != NULL &&
        to - from - 9 < MESSAGE_BYTES)
        return keep(&h->reply->message, from + 9, (size_t)(to - from - 9));
    return GLASS_OK;
}

static glass_status one_hop(struct http *http, struct hop *h, const char *url, bool first) {
    CURL *curl = http->curl;
    struct curl_slist *headers = NULL;
    struct hop_curl hc = {h, curl};
    char range[32];
    TRY(set_headers(&headers, h->request, first));
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT,
                     1L); /* a minute of silence is the end */
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "glass/" GLASS_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &hc);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_poll);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, h->request);
    if (h->request->from > 0) {
        snprintf(range, sizeof range, "%lld-", (long long)h->request->from);
        curl_easy_setopt(curl, CURLOPT_RANGE, range);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    curl_off_t wait = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &h->reply->status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait);
    h->reply->retry_after_s = wait;
    if (h->failed != GLASS_OK) return h->failed;
    if (code != CURLE_OK) return explain(code, url, h->reply);
    long s = h->reply->status;
    h->reply->transient = s == 429 || s == 500 || s == 502 || s == 503 || s == 504;
    if (!h->begun && s == 200) TRY(begin_body(h, curl, s)); /* an empty body */
    return take_words(h);
}

/* *url becomes where it leads; a secure address never leads to an insecure one. */
static glass_status follow(char **url, const char *location) {
    CURLU *u = parse_url(*url);
    char *before = url_part(u, CURLUPART_SCHEME, 0), *after = NULL, *text = NULL;
    glass_status status = GLASS_OK;
    if (u != NULL && curl_url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK) {
        after = url_part(u, CURLUPART_SCHEME, 0);
        text = url_part(u, CURLUPART_URL, 0);
    }
    if (before == NULL || after == NULL || text == NULL ||
        (strcasecmp(after, "http") != 0 && strcasecmp(after, "https") != 0))
        status = fail(GLASS_BAD_INPUT, "%.200s: leads to an address that is none: %.200s",
                      *url, location);
    else if (strcasecmp(before, "https") == 0 && strcasecmp(after, "https") != 0)
        status = fail(GLASS_BAD_INPUT, "%.200s: leads from https to %.200s; not followed",
                      *url, location);
    else
        status = keep(url, text, strlen(text));
    curl_free(before);
    curl_free(after);
    curl_free(text);
    curl_url_cleanup(u);
    return status;
}

glass_status http_get(struct http *http, const struct http_request *request,
                      struct http_reply *reply) {
    char *url = NULL;
    *reply = (struct http_reply){.n_body = -1, .range_total = -1};
    TRY(mem_copy_text(&url, request->url, strlen(request->url)));
    glass_status status = GLASS_OK;
    for (int i = 0;; i++) {
        struct hop h = {.request = request, .reply = reply, .range_from = -1};
        status = one_hop(http, &h, url, i == 0);
        bool leads = status == GLASS_OK && reply->status >= 300 && reply->status < 400 &&
                     reply->status != 304 && h.location != NULL;
        if (leads && i == MAX_REDIRECTS)
            status = fail(GLASS_BAD_INPUT, "%.200s: more than %d redirects", request->url,
                          MAX_REDIRECTS);
        else if (leads)
            status = follow(&url, h.location);
        mem_free(h.location);
        buf_free(&h.words);
        if (!leads || status != GLASS_OK) break;
        mem_free(reply->etag);
        mem_free(reply->modified);
        reply->etag = reply->modified = NULL;
    }
    mem_free(url);
    return status;
}

struct text_body {
    struct buf *out;
    size_t limit;
    const char *url;
};

static glass_status append_text(void *context, const void *bytes, size_t n_bytes) {
    struct text_body *t = context;
    if (n_bytes > t->limit - t->out->len)
        return fail(GLASS_BAD_INPUT, "%.200s: the answer is longer than %zu bytes", t->url,
                    t->limit);
    return buf_append(t->out, bytes, n_bytes);
}

glass_status http_get_text(struct http *http, struct buf *out, const char *url,
                           const char *token, size_t limit, struct http_reply *reply) {
    struct text_body body = {out, limit, url};
    struct http_request request = {
        .url = url, .token = token, .body = append_text, .context = &body};
    buf_clear(out);
    return http_get(http, &request, reply);
}
