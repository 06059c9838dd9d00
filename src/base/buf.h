/* buf.h - a byte string that grows. Zero-initialise it; buf_free when done. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/mem.h"

#include <string.h>

struct buf {
    char *data; /* owned; NUL after len once anything was appended */
    size_t len, cap;
};

glass_status buf_reserve(struct buf *b, size_t n_more);
glass_status buf_append(struct buf *b, const void *bytes, size_t n_bytes);
glass_status buf_text(struct buf *b, const char *text);
glass_status buf_byte(struct buf *b, char byte);
glass_status buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Empties without freeing. */
void buf_clear(struct buf *b);
void buf_free(struct buf *b);
/* Hands the bytes over (mem_free them), NUL-terminated; b is empty afterwards. */
glass_status buf_take(struct buf *b, char **out, size_t *n_bytes);
/* Appends text as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
glass_status buf_json_string(struct buf *b, const char *text, size_t n_bytes);
/* Appends a number as JSON: the shortest text that reads back as the same binary64; null for
 * what JSON cannot say (infinities, NaN). */
glass_status buf_json_number(struct buf *b, double value);

#endif
