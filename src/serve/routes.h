/* routes.h - what the HTTP server and its groups of routes agree on.
 *
 * http.c owns sockets, TLS, limits, keys, CORS and logs; each api_*.c brings a table of
 * routes. A handler runs on a worker thread of its own request with the whole body at hand,
 * and writes its reply through the functions below; it may take as long as the answer does.
 * Whether the client is still there it learns from the calls' results. */
#ifndef SERVE_ROUTES_H
#define SERVE_ROUTES_H

#include "base/buf.h"
#include "serve/models.h"

#include <jansson.h>

struct server; /* models, stores, options: server.h */
struct exchange;

/* Of error replies. */
enum route_shape { SHAPE_OPENAI, SHAPE_OLLAMA, SHAPE_PLAIN, SHAPE_MESSAGES };

struct route {
    const char *method; /* "GET" answers HEAD as well */
    const char *path;   /* "/v1/models"; a part "*" takes one segment, "**" the rest */
    bool open;          /* needs no key */
    enum route_shape shape;
    /* Returns GLASS_OK when a reply was begun, or any failure: if no reply was begun by then,
     * the server answers in the route's shape with glass_error(): 404 for GLASS_NEGATIVE, 400
     * for GLASS_USAGE and GLASS_BAD_INPUT, 503 for GLASS_NO_MEMORY, else 500. A stream that
     * was begun is ended. */
    glass_status (*handle)(struct exchange *x);
    bool raw; /* the body is no JSON */
};

/* The request. Borrowed until the handler returns. */
struct server *exchange_server(struct exchange *x);
const char *exchange_method(struct exchange *x);
const char *exchange_path(struct exchange *x);
const char *exchange_part(struct exchange *x, int i); /* what the i-th star took; "" */
const char *exchange_query(struct exchange *x, const char *name); /* NULL if absent */
const char *exchange_header(struct exchange *x, const char *name);
/* The body, of a route that is not raw: a JSON object, or NULL if there is no body. */
const json_t *exchange_json(struct exchange *x);
const char *exchange_body(struct exchange *x, size_t *n);
/* A number for fairness: of the key, else of the address. */
uint64_t exchange_client(struct exchange *x);
/* "127.0.0.1"; for logs. */
const char *exchange_address(struct exchange *x);

/* A whole reply. */
glass_status reply_json(struct exchange *x, int code, const json_t *value);
glass_status reply_bytes(struct exchange *x, int code, const char *type, const void *bytes,
                         size_t n);
/* In the route's shape; code 400 to 599; name is OpenAI's "code" ("model_not_found"); it and
 * param may be NULL. */
glass_status reply_error(struct exchange *x, int code, const char *name, const char *param,
                         const char *message);
/* Records which field of the body is wrong, for the error reply, and returns
 * GLASS_BAD_INPUT: `return bad_param(x, "messages[2].role", "must be …")`. The message says
 * the name first. */
glass_status bad_param(struct exchange *x, const char *param, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A header of the reply, before it begins. */
glass_status reply_header(struct exchange *x, const char *name, const char *value);
/* A streamed reply: begin, any number of writes, end. GLASS_CANCELLED: the client left. */
glass_status reply_begin(struct exchange *x, int code, const char *type);
glass_status reply_write(struct exchange *x, const void *bytes, size_t n);
glass_status reply_end(struct exchange *x);
/* Whether a reply was begun. */
bool exchange_begun(struct exchange *x);
/* Whether the client has left (also while nothing is being written), or the server ends. */
bool exchange_gone(struct exchange *x);

/* For the log and the counters: which model answered, and how many tokens. Adds up. */
void exchange_note(struct exchange *x, const char *model, int64_t n_prompt,
                   int64_t n_cached, int64_t n_answer);

/* Groups, each ended by a row without a path. */
extern const struct route routes_openai[], routes_openai_text[], routes_responses[],
    routes_messages[], routes_ollama[], routes_infill[], routes_ops[], routes_page[],
    routes_inspect[];

#endif
