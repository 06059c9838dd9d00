/* notice.h - finding what a file says about its licence: SPDX tags, notices, whole licences,
 * dedications.
 *
 * A file is read as words: comment marks, line breaks and case do not matter. Phrases that only
 * one licence has decide; they were chosen for Glass. Notices count where people put them: in
 * the first 12 KiB and the last 4 KiB; in a file named for its licence, anywhere. */
#ifndef DATA_NOTICE_H
#define DATA_NOTICE_H

#include "base/buf.h"

enum notice_kind {
    NOTICE_NONE,
    NOTICE_TAG,       /* SPDX-License-Identifier */
    NOTICE_STATEMENT, /* "you may redistribute under the terms of …" */
};

struct notice {
    enum notice_kind kind;
    struct buf expression;  /* what it says, as an SPDX expression */
    size_t offset, n_bytes; /* where the file says it */
};

enum notice_scope {
    NOTICE_FILE,
    NOTICE_WHOLE,  /* it is about its licence (COPYING, debian/copyright) */
    NOTICE_HISTORY /* it tells what changed: "now under the GPLv3" is no notice of its own */
};
glass_status notice_find(struct notice *out, const char *text, size_t n_bytes,
                         enum notice_scope scope);
void notice_clear(struct notice *n);
/* Appends what a licence's text or notice is; nothing if it is not recognised. */
glass_status notice_expression(struct buf *out, const char *text, size_t n_bytes);
/* "Copyright (C) 1999 Somebody" of the first lines: where, and how long; false if none. */
bool notice_author(const char *text, size_t n_bytes, size_t *offset, size_t *n_author);

#endif
