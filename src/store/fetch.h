/* fetch.h - one file from a server into the store, for pull.c. */
#ifndef STORE_FETCH_H
#define STORE_FETCH_H

#include "store/http.h"
#include "store/pull.h"

struct fetch {
    const struct pull_options *options;
    struct http *http;
    const char *url, *token; /* token may be NULL */
    const char *file;        /* its name on the server, for messages */
    const char *target;      /* where it will be */
    const char *revision;    /* of the hub, "" elsewhere; for the record */
    int64_t n_bytes;         /* -1 unknown */
    char sha256[65];         /* "" unknown */
    bool hub;                /* an answer's X-Linked-Etag is a SHA-256 */
    int part, n_parts;
};

/* How many bytes of the file are here, in the part file or at the target. */
int64_t fetch_have(const struct fetch *f);
glass_status fetch_file(struct fetch *f);

#endif
