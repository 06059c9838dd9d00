/* json_scan.h - reading JSON piece by piece, for headers too large for a tree.
 *
 * A tree of a hostile header takes forty times its bytes; this takes none. The caller asks
 * for what should come next; messages name file and byte. Source: RFC 8259. */
#ifndef FORMAT_JSON_SCAN_H
#define FORMAT_JSON_SCAN_H

#include "base/buf.h"

enum { JSON_SCAN_DEPTH = 64 }; /* of what is skipped */

struct json_scan {
    const char *data; /* borrowed: the whole file, so that pos counts its bytes */
    size_t size, pos; /* size: where the JSON ends */
    const char *name; /* for messages, borrowed */
};

/* The next byte that is no white space, without taking it; '\0' at the end. */
char json_scan_peek(struct json_scan *s);
/* Takes c if it comes next. */
bool json_scan_take(struct json_scan *s, char c);
/* Takes c or fails: "… should be here". */
glass_status json_scan_want(struct json_scan *s, char c);
/* After a member or item: takes ',' (*more is true) or the closing bracket. */
glass_status json_scan_next(struct json_scan *s, char close, bool *more);
/* A string, decoded into out (emptied first). Bad UTF-8, unpaired surrogates and \u0000 are
 * refused. `what` is a noun for the message. */
glass_status json_scan_string(struct json_scan *s, struct buf *out, const char *what);
/* A member's name and its colon. */
glass_status json_scan_key(struct json_scan *s, struct buf *out);
/* A whole number from 0 to INT64_MAX, in digits. */
glass_status json_scan_count(struct json_scan *s, int64_t *out, const char *what);
/* Any value, at most JSON_SCAN_DEPTH deep. */
glass_status json_scan_skip(struct json_scan *s);
/* Only white space may be left. */
glass_status json_scan_end(struct json_scan *s);

#endif
