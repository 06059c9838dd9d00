/* api_page.c - the page itself, and the routes below /glass/ that keep its conversations.
 *
 * The files need no key; everything that people wrote does, where the server has keys. */
#include "serve/api_page.h"

#include "base/hash.h"
#include "serve/page_files.h"
#include "serve/server.h"

#include <stdlib.h>
#include <string.h>

/* No script, style, frame, form or request of anywhere else, and none within the markup. */
static const char policy[] =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

/* ---- files ---- */

/* Whether gzip is among the encodings that a request takes, with another weight than 0. */
static bool takes_gzip(struct exchange *x) {
    const char *list = exchange_header(x, "Accept-Encoding");
    const char *at = list != NULL ? strstr(list, "gzip") : NULL;
    if (at == NULL) return false;
    at += 4 + strspn(at + 4, " ");
    if (*at != ';') return *at == '\0' || *at == ',';
    const char *weight = strstr(at, "q=");
    return weight == NULL || strtod(weight + 2, NULL) > 0;
}

static glass_status serve_file(struct exchange *x, const char *name) {
    const struct page_file *f = page_file(name);
    uint8_t digest[32];
    char hex[65], tag[32];
    if (server_options(exchange_server(x))->no_page)
        return fail(GLASS_NEGATIVE, "this server has no page (--no-page)");
    if (f == NULL) return fail(GLASS_NEGATIVE, "the page has no file of that name");
    TRY(sha256_bytes(digest, f->bytes, (size_t)(f->packed - f->bytes)));
    sha256_hex(hex, digest);
    snprintf(tag, sizeof tag, "W/\"%.16s\"", hex); /* weak: packed or not is the same */
    const struct {
        const char *name, *value;
    } headers[] = {{"ETag", tag},
                   {"Cache-Control", "no-cache"},
                   {"Vary", "Accept-Encoding"},
                   {"Content-Security-Policy", policy},
                   {"Referrer-Policy", "no-referrer"},
                   {"Cross-Origin-Resource-Policy", "same-origin"}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        TRY(reply_header(x, headers[i].name, headers[i].value));
    const char *known = exchange_header(x, "If-None-Match");
    if (known != NULL && strstr(known, tag + 2) != NULL)
        return reply_bytes(x, 304, f->type, "", 0);
    if (!takes_gzip(x))
        return reply_bytes(x, 200, f->type, f->bytes, (size_t)(f->packed - f->bytes));
    TRY(reply_header(x, "Content-Encoding", "gzip"));
    return reply_bytes(x, 200, f->type, f->packed, (size_t)(f->end - f->packed));
}

static glass_status get_index(struct exchange *x) {
    return serve_file(x, "index.html");
}
static glass_status get_icon(struct exchange *x) {
    return serve_file(x, "icon.svg");
}
static glass_status get_file(struct exchange *x) {
    return serve_file(x, exchange_part(x, 0));
}

/* ---- what handlers share ---- */

glass_status page_store(struct conversations **out, struct exchange *x) {
    *out = server_conversations(exchange_server(x));
    return *out != NULL ? GLASS_OK
                        : fail(GLASS_SYSTEM, "this server keeps no conversations");
}

glass_status page_body(const json_t **out, struct exchange *x) {
    *out = exchange_json(x);
    return *out != NULL ? GLASS_OK : fail(GLASS_BAD_INPUT, "a JSON object is needed");
}

glass_status page_reply(struct exchange *x, int code, json_t *value) {
    if (value == NULL) return fail(GLASS_NO_MEMORY, "too little memory for the reply");
    glass_status status = reply_json(x, code, value);
    json_decref(value);
    return status;
}

/* A change to a state that is not the one of now; the page is given that. */
static glass_status conflict(struct exchange *x, json_t *now) {
    return page_reply(x, 409,
                      json_pack("{s:{s:s,s:s},s:o}", "error", "message",
                                "this was changed elsewhere meanwhile", "type", "conflict",
                                "current", now));
}

/* ---- what the page asks for first ---- */

static json_t *sampler_json(const glass_sampler_options *o) {
    /* As short as the numbers were written: 0.8, not 0.800000011920929. */
    const double f[] = {o->temperature,      o->top_p,          o->min_p,
                        o->typical_p,        o->repeat_penalty, o->presence_penalty,
                        o->frequency_penalty};
    double r[7];
    for (int i = 0; i < 7; i++) {
        char text[32];
        snprintf(text, sizeof text, "%.6g", f[i]);
        r[i] = strtod(text, NULL);
    }
    return json_pack("{s:f,s:i,s:f,s:f,s:f,s:f,s:f,s:f}", "temperature", r[0], "top_k",
                     (int)o->top_k, "top_p", r[1], "min_p", r[2], "typical_p", r[3],
                     "repeat_penalty", r[4], "presence_penalty", r[5], "frequency_penalty",
                     r[6]);
}

static glass_status get_info(struct exchange *x) {
    struct server *server = exchange_server(x);
    json_t *licences = json_array();
    for (int i = 0; feedback_licences[i] != NULL; i++)
        json_array_append_new(licences, json_string(feedback_licences[i]));
    return page_reply(x, 200,
                      json_pack("{s:s,s:s,s:o,s:{s:b,s:b,s:b},s:{s:s,s:o}}", "version",
                                glass_version(), "arithmetic", glass_arithmetic(),
                                "defaults", sampler_json(&server_options(server)->sampler),
                                "features", "trace", server_trace(server) != NULL,
                                "inspect", true, "keeps",
                                server_conversations(server) != NULL, "consent", "text",
                                feedback_consent, "licences", licences));
}

/* ---- conversations ---- */

static glass_status list(struct exchange *x) {
    struct conversations *c;
    json_t *out;
    const char *limit = exchange_query(x, "limit");
    char *end = NULL;
    long n = limit != NULL ? strtol(limit, &end, 10) : 50;
    if (limit != NULL && (end == limit || *end != '\0' || n < 1 || n > 200)) n = 0;
    TRY(page_store(&c, x));
    TRY(conversations_list(c, &out, exchange_query(x, "q"), exchange_query(x, "before"),
                           (int)n));
    return page_reply(x, 200, out);
}

static glass_status create(struct exchange *x) {
    struct conversations *c;
    const json_t *body;
    json_t *out;
    TRY(page_store(&c, x));
    TRY(page_body(&body, x));
    TRY(conversations_create(c, &out, body));
    return page_reply(x, 201, out);
}

static glass_status get(struct exchange *x) {
    struct conversations *c;
    json_t *out;
    TRY(page_store(&c, x));
    TRY(conversations_get(c, &out, exchange_part(x, 0)));
    return page_reply(x, 200, out);
}

static glass_status update(struct exchange *x) {
    struct conversations *c;
    const json_t *body;
    json_t *out;
    bool stale;
    TRY(page_store(&c, x));
    TRY(page_body(&body, x));
    TRY(conversations_update(c, &out, &stale, exchange_part(x, 0), body));
    return stale ? conflict(x, out) : page_reply(x, 200, out);
}

static glass_status erase(struct exchange *x) {
    struct conversations *c;
    TRY(page_store(&c, x));
    TRY(conversations_delete(c, exchange_part(x, 0)));
    return page_reply(x, 200, json_object());
}

static glass_status put_message(struct exchange *x) {
    struct conversations *c;
    const json_t *body;
    json_t *out;
    bool stale;
    TRY(page_store(&c, x));
    TRY(page_body(&body, x));
    TRY(conversations_put(c, &out, &stale, exchange_part(x, 0), exchange_part(x, 1), body));
    return stale ? conflict(x, out) : page_reply(x, 200, out);
}

static glass_status get_tokens(struct exchange *x) {
    struct conversations *c;
    json_t *out;
    TRY(page_store(&c, x));
    TRY(conversations_tokens(c, &out, exchange_part(x, 0), exchange_part(x, 1)));
    return page_reply(x, 200, out);
}

const struct route routes_page[] = {
    {"GET", "/", true, SHAPE_PLAIN, get_index, true},
    {"GET", "/favicon.ico", true, SHAPE_PLAIN, get_icon, true},
    {"GET", "/web/*", true, SHAPE_PLAIN, get_file, true},
    {"GET", "/glass/info", false, SHAPE_PLAIN, get_info, false},
    {"GET", "/glass/conversations", false, SHAPE_PLAIN, list, false},
    {"POST", "/glass/conversations", false, SHAPE_PLAIN, create, false},
    {"GET", "/glass/conversations/*", false, SHAPE_PLAIN, get, false},
    {"PUT", "/glass/conversations/*", false, SHAPE_PLAIN, update, false},
    {"DELETE", "/glass/conversations/*", false, SHAPE_PLAIN, erase, false},
    {"PUT", "/glass/conversations/*/messages/*", false, SHAPE_PLAIN, put_message, false},
    {"GET", "/glass/conversations/*/messages/*/tokens", false, SHAPE_PLAIN, get_tokens,
     false},
    {"POST", "/glass/feedback", false, SHAPE_PLAIN, page_feedback_post, false},
    {"GET", "/glass/feedback/stats", false, SHAPE_PLAIN, page_feedback_stats, false},
    {"GET", "/glass/feedback/export", false, SHAPE_PLAIN, page_feedback_export, false},
    {"DELETE", "/glass/feedback/*", false, SHAPE_PLAIN, page_feedback_delete, false},
    {NULL, NULL, false, SHAPE_PLAIN, NULL, false},
};
