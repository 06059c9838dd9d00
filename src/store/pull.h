/* pull.h - getting a model into Glass's store: whole and checked, or not at all.
 *
 * A file is written as FILE.part, continued by the next pull if it breaks off, compared
 * with its length and its SHA-256 where one is known, and renamed. FILE.origin.json keeps
 * where it came from. One pull at a time works in a folder; a second one waits. */
#ifndef STORE_PULL_H
#define STORE_PULL_H

#include "base/buf.h"

enum pull_event_kind {
    PULL_FILE,     /* a file begins: have of total bytes are here already */
    PULL_PROGRESS, /* have of total (-1: unknown) */
    PULL_DONE,     /* the file is in its place */
    PULL_KEPT,     /* it was there already, and is right */
    PULL_NOTE      /* text: waiting, trying again, starting anew */
};

struct pull_event {
    enum pull_event_kind kind;
    const char *file;  /* its name on the server */
    int part, n_parts; /* 1 of 1 unless the model is split */
    int64_t have, total;
    const char
        *sha256; /* PULL_DONE, PULL_KEPT: checked against the server's; "" if it has none */
    const char *path; /* PULL_DONE, PULL_KEPT: where it is */
    const char *text;
};

struct pull_options {
    const char *revision; /* NULL = the name's, or main */
    const char *sha256;   /* NULL, or what the (one) file must have */
    const char *name;     /* NULL, or the file's name here (addresses without one) */
    bool force;           /* again, even if it is there */
    /* May be NULL. PULL_PROGRESS comes many times a second; false stops with
     * GLASS_CANCELLED, and the next pull goes on from there. */
    bool (*event)(void *context, const struct pull_event *event);
    void *context;
};

/* *path (mem_free it) is the model's file, the first one of a split model. */
glass_status store_pull(char **path, const char *name, const struct pull_options *options);

#endif
