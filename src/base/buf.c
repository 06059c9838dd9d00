/* buf.c - growing byte strings, and the two pieces of JSON output that need care. */
#include "base/buf.h"

#include "base/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

glass_status buf_reserve(struct buf *b, size_t n_more) {
    size_t need;
    if (!mem_add(&need, b->len, n_more) || !mem_add(&need, need, 1))
        return fail_memory(n_more);
    if (need <= b->cap) return GLASS_OK;
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need) {
        if (cap > SIZE_MAX / 2) return fail_memory(need);
        cap *= 2;
    }
    TRY(mem_resize(&b->data, cap, 1));
    b->cap = cap;
    return GLASS_OK;
}

glass_status buf_append(struct buf *b, const void *bytes, size_t n_bytes) {
    TRY(buf_reserve(b, n_bytes));
    if (n_bytes > 0) memcpy(b->data + b->len, bytes, n_bytes);
    b->len += n_bytes;
    b->data[b->len] = '\0';
    return GLASS_OK;
}

glass_status buf_text(struct buf *b, const char *text) {
    return buf_append(b, text, strlen(text));
}

glass_status buf_byte(struct buf *b, char byte) {
    return buf_append(b, &byte, 1);
}

glass_status buf_printf(struct buf *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    glass_status status = n < 0 ? fail(GLASS_SYSTEM, "formatting failed") : GLASS_OK;
    if (status == GLASS_OK) status = buf_reserve(b, (size_t)n);
    if (status == GLASS_OK) {
        vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return status;
}

void buf_clear(struct buf *b) {
    b->len = 0;
    if (b->data != NULL) b->data[0] = '\0';
}

void buf_free(struct buf *b) {
    mem_free(b->data);
    *b = (struct buf){0};
}

glass_status buf_take(struct buf *b, char **out, size_t *n_bytes) {
    *out = NULL;
    TRY(buf_append(b, "", 0));
    *out = b->data;
    if (n_bytes != NULL) *n_bytes = b->len;
    *b = (struct buf){0};
    return GLASS_OK;
}

glass_status buf_json_string(struct buf *b, const char *text, size_t n_bytes) {
    TRY(buf_byte(b, '"'));
    for (size_t i = 0; i < n_bytes;) {
        uint32_t c;
        size_t used = utf8_decode(&c, text + i, n_bytes - i);
        if (c == '"' || c == '\\') {
            TRY(buf_printf(b, "\\%c", (char)c));
        } else if (c == '\n') {
            TRY(buf_text(b, "\\n"));
        } else if (c < 0x20 || c == 0x7f || c == 0x2028 || c == 0x2029) {
            TRY(buf_printf(b, "\\u%04x", (unsigned)c));
        } else if (c == UTF8_BAD) {
            TRY(buf_text(b, "\xef\xbf\xbd"));
        } else {
            TRY(buf_append(b, text + i, used));
        }
        i += used;
    }
    return buf_byte(b, '"');
}

glass_status buf_json_number(struct buf *b, double value) {
    if (!isfinite(value)) return buf_text(b, "null");
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    return buf_text(b, text);
}
