/* fold.c - text as a search compares it; see fold.h. */
#include "serve/fold.h"

#include <utf8proc.h>

enum { MOST = 32 }; /* code points that one may become: 18 is the most in Unicode */
static const utf8proc_option_t options =
    UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK;

/* The code points that the next one of a text becomes. Returns its bytes in the text. */
static size_t next(utf8proc_int32_t out[MOST], int *n, const char *text, size_t n_bytes) {
    utf8proc_int32_t code = ' ';
    int class = UTF8PROC_BOUNDCLASS_START;
    utf8proc_ssize_t used =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n_bytes, &code);
    if (used <= 0) {
        used = 1;
        code = ' ';
    }
    utf8proc_ssize_t made = utf8proc_decompose_char(code, out, MOST, options, &class);
    *n = made > 0 && made <= MOST ? (int)made : 0;
    return (size_t)used;
}

glass_status fold_text(struct buf *out, const char *text, size_t n_bytes) {
    utf8proc_int32_t codes[MOST];
    utf8proc_uint8_t bytes[4];
    int n;
    TRY(buf_append(out, "", 0));
    for (size_t i = 0; i < n_bytes;) {
        i += next(codes, &n, text + i, n_bytes - i);
        for (int k = 0; k < n; k++) {
            utf8proc_ssize_t m = utf8proc_encode_char(codes[k], bytes);
            TRY(buf_append(out, bytes, (size_t)m));
        }
    }
    return GLASS_OK;
}

/* Whether the text goes on with the folded words; *end: where they end in it. */
static bool goes_on(size_t *end, const char *text, size_t n_bytes, const char *folded,
                    size_t n_folded) {
    utf8proc_int32_t codes[MOST];
    utf8proc_uint8_t bytes[4];
    int n;
    size_t i = 0, at = 0;
    while (at < n_folded) {
        if (i >= n_bytes) return false;
        i += next(codes, &n, text + i, n_bytes - i);
        for (int k = 0; k < n && at < n_folded; k++) {
            size_t m = (size_t)utf8proc_encode_char(codes[k], bytes);
            if (m > n_folded - at || memcmp(bytes, folded + at, m) != 0) return false;
            at += m;
        }
    }
    *end = i;
    return true;
}

bool fold_find(size_t *begin, size_t *end, const char *text, size_t n_bytes,
               const char *folded, size_t n_folded) {
    size_t n;
    for (size_t i = 0; i < n_bytes; i++) {
        if (((unsigned char)text[i] & 0xc0) == 0x80) continue;
        if (!goes_on(&n, text + i, n_bytes - i, folded, n_folded)) continue;
        *begin = i;
        *end = i + n;
        return true;
    }
    return false;
}

static void holds(sqlite3_context *context, int n, sqlite3_value **values) {
    (void)n;
    struct buf folded = {0};
    const char *text = (const char *)sqlite3_value_text(values[0]);
    size_t n_text = (size_t)sqlite3_value_bytes(values[0]);
    const char *words = (const char *)sqlite3_value_text(values[1]);
    size_t n_words = (size_t)sqlite3_value_bytes(values[1]);
    if (text == NULL || words == NULL) {
        sqlite3_result_int(context, 0);
    } else if (fold_text(&folded, text, n_text) != GLASS_OK) {
        sqlite3_result_error_nomem(context);
    } else {
        sqlite3_result_int(context,
                           memmem(folded.data, folded.len, words, n_words) != NULL);
    }
    buf_free(&folded);
}

glass_status fold_register(sqlite3 *db) {
    int r = sqlite3_create_function(db, "holds", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                    NULL, holds, NULL, NULL);
    return r == SQLITE_OK ? GLASS_OK : fail(GLASS_NO_MEMORY, "too little memory");
}
