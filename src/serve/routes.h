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

enum route_shape { SHAPE_OPENAI, SHAPE_OLLAMA, SHAPE_PLAIN }; /* of error replies */

struct route {
    const char *method; /* "GET" answers HEAD as well */
    const char *path;   /* "/v1/models"; a part "*" takes one segment, "**" the rest */
    bool open;          /* needs no key */
    enum route_shape shape;
    /* body: parsed JSON object of a POST/PUT whose type is JSON; else NULL. Returns GLASS_OK
     * when a reply was begun; else http.c answers 400, 404 (GLASS_NEGATIVE) or 500 in the
     * route's shape with glass_error(). */
    glass_status (*handle)(struct exchange *x);
};

/* The request. Borrowed until the handler returns. */
struct server *exchange_server(struct exchange *x);
const char *exchange_path(struct exchange *x);
const char *exchange_part(struct exchange *x, int i); /* what the i-th star took */
const char *exchange_query(struct exchange *x, const char *name); /* NULL if absent */
const char *exchange_header(struct exchange *x, const char *name);
const json_t *exchange_json(struct exchange *x);
const char *exchange_body(struct exchange *x, size_t *n);
/* A number for fairness: of the key, else of the address. */
uint64_t exchange_client(struct exchange *x);

/* A whole reply. */
glass_status reply_json(struct exchange *x, int code, const json_t *value);
glass_status reply_bytes(struct exchange *x, int code, const char *type, const void *bytes,
                         size_t n);
/* In the route's shape; code 400 to 599; param may be NULL. */
glass_status reply_error(struct exchange *x, int code, const char *kind, const char *param,
                         const char *message);
/* A header of the reply, before it begins. */
glass_status reply_header(struct exchange *x, const char *name, const char *value);
/* A streamed reply: begin, any number of writes, end. GLASS_CANCELLED: the client left. */
glass_status reply_begin(struct exchange *x, int code, const char *type);
glass_status reply_write(struct exchange *x, const void *bytes, size_t n);
glass_status reply_end(struct exchange *x);
/* Whether the client has left (also while nothing is being written). */
bool exchange_gone(struct exchange *x);

/* Groups, each ended by a row without a path. */
extern const struct route routes_openai[], routes_ollama[], routes_infill[], routes_ops[],
    routes_page[], routes_inspect[];

#endif
