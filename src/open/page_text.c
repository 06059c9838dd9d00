/* page_text.c - see page_text.h. */
#include "open/page_text.h"

#include "base/utf8.h"

#include <string.h>

glass_status page_put(struct buf *b, const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t length = utf8_decode(&c, text + i, n - i);
        if (c == '<')
            TRY(buf_text(b, "&lt;"));
        else if (c == '>')
            TRY(buf_text(b, "&gt;"));
        else if (c == '&')
            TRY(buf_text(b, "&amp;"));
        else if (c == '"')
            TRY(buf_text(b, "&quot;"));
        else if (c == UTF8_BAD || (c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
            TRY(buf_text(b, "\xef\xbf\xbd"));
        else
            TRY(buf_append(b, text + i, length));
        i += length;
    }
    return GLASS_OK;
}

glass_status page_string(struct buf *b, const char *text) {
    return page_put(b, text, strlen(text));
}
