/* page_text.h - text in a page of HTML. */
#ifndef OPEN_PAGE_TEXT_H
#define OPEN_PAGE_TEXT_H

#include "base/buf.h"

/* Text as HTML: markup is taken for itself, and bytes that are no text become U+FFFD. */
glass_status page_put(struct buf *b, const char *text, size_t n);
glass_status page_string(struct buf *b, const char *text);

#endif
