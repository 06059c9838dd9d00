/* http.h - one GET after another over libcurl, with what downloads of models need.
 *
 * Redirects are followed here and not by libcurl, because the token must reach the hub's
 * own host only, and only the address that was asked for: never a redirect's. */
#ifndef STORE_HTTP_H
#define STORE_HTTP_H

#include "base/buf.h"

struct http; /* keeps connections between requests; one thread at a time */

glass_status http_create(struct http **out);
void http_free(struct http *http);

struct http_request {
    const char *url;
    const char
        *token;   /* NULL, or sent as "Authorization: Bearer …" with the first request */
    int64_t from; /* the first byte wanted */
    const char *if_range; /* NULL, or what makes the range valid: an ETag or a date */
    /* Called before the first byte of a good body (status 200 or 206), with `from` as the
     * server understood it: 0 if it ignored the range. May be NULL. */
    glass_status (*begin)(void *context, int64_t from);
    glass_status (*body)(void *context, const void *bytes, size_t n_bytes);
    /* Called many times a second; true stops with GLASS_CANCELLED and the callback's own
     * message. May be NULL. */
    bool (*cancelled)(void *context);
    void *context;
};

struct http_reply {
    long status;
    int64_t n_body;        /* Content-Length, -1 unknown */
    int64_t range_total;   /* of Content-Range, -1 unknown */
    char *etag, *modified; /* of the last reply; NULL if it did not say */
    char *linked_etag;     /* the hub's own digest of the file; NULL */
    char *next;            /* Link: rel="next"; NULL */
    char *message;         /* what the server says about an error, shortened; NULL */
    int64_t retry_after_s;
    bool transient; /* worth another try: cut short, busy, timed out */
};

/* GLASS_OK: an answer came, whatever its status. GLASS_SYSTEM: none did, or it was cut.
 * *reply must be cleared either way. */
glass_status http_get(struct http *http, const struct http_request *request,
                      struct http_reply *reply);
void http_reply_clear(struct http_reply *reply);
/* A GET whose body of at most limit bytes is wanted whole. */
glass_status http_get_text(struct http *http, struct buf *out, const char *url,
                           const char *token, size_t limit, struct http_reply *reply);

/* Same scheme, host and port. */
bool http_same_origin(const char *a, const char *b);
/* Whether a secret may travel there: https, or this very machine. */
bool http_is_private(const char *url);
/* The host of a URL, mem_free it; GLASS_USAGE if it is no http or https URL. */
glass_status http_host(char **out, const char *url);
/* The URL without user, password and fragment. */
glass_status http_without_secrets(char **out, const char *url);
/* Appends text with everything but unreserved characters and '/' percent-encoded. */
glass_status http_escape(struct buf *out, const char *text);

#endif
