/* record.h - what is known about a document, and where it is said.
 *
 * A record is one JSON object without white space, its keys in a fixed order, so that it has one
 * hash. A corpus is the set of its documents' (content, record) hashes. */
#ifndef DATA_RECORD_H
#define DATA_RECORD_H

#include "base/buf.h"

/* A place in a file that says something about a document's licence. */
struct evidence {
    const char *kind; /* "spdx-tag", "notice", "debian-copyright", "licence-file", "stated",
                         "declared" */
    const char *file; /* where in the source; "" for what the caller declared */
    uint8_t sha256[32]; /* of that file */
    int64_t offset, n_bytes;
    const char *says;  /* as an expression */
    const char *quote; /* of those bytes, the first QUOTE_BYTES */
    size_t n_quote;
};
enum { EVIDENCE_MOST = 3, QUOTE_BYTES = 240 };

struct record {
    const char *source; /* "deb:bash=5.2.15-2+b8", "git:URL@COMMIT", "file:NAME" */
    const char *path;   /* in the source, "" for the source itself */
    int64_t part; /* number of the document in that file, from 0; -1: the whole file */
    uint8_t retrieved[32];   /* SHA-256 of what was fetched: the archive, package, file */
    uint8_t raw[32];         /* of the file's bytes that hold the document */
    uint8_t content[32];     /* of the text */
    int64_t n_bytes;         /* of the text */
    const char *kind;        /* "text", "markdown", "html", "jsonl", "doc" */
    const char *encoding;    /* it was decoded from; NULL: it is UTF-8 */
    const char *title, *url; /* NULL where not stated */
    const char *licence;     /* an SPDX expression, "" = unknown */
    bool contradictory;
    struct evidence evidence[EVIDENCE_MOST];
    int n_evidence;
    const char *author;  /* NULL where not stated */
    const char *made_by; /* "person", "model:NAME", NULL where not declared */
};

glass_status record_json(struct buf *out, const struct record *r);

#endif
