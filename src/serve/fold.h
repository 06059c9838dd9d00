/* fold.h - text as a search compares it: without case, accents and compatibility forms. */
#ifndef SERVE_FOLD_H
#define SERVE_FOLD_H

#include "base/buf.h"

#include <sqlite3.h>

/* Appends the folded text. Bytes that are not UTF-8 count as blanks. */
glass_status fold_text(struct buf *out, const char *text, size_t n_bytes);
/* Finds folded words in a text; *begin and *end are bytes of the text as it was. */
bool fold_find(size_t *begin, size_t *end, const char *text, size_t n_bytes,
               const char *folded, size_t n_folded);
/* SQL: holds(text, folded) is 1 if the text holds the folded words. */
glass_status fold_register(sqlite3 *db);

#endif
