/* html_text.h - what a page of HTML says, without its markup. Parsed by libxml2. */
#ifndef DATA_HTML_TEXT_H
#define DATA_HTML_TEXT_H

#include "base/buf.h"

/* Paragraphs and other blocks are lines; scripts, styles and forms are left out. title is empty
 * where the page has none. GLASS_BAD_INPUT: not even a broken page. */
glass_status html_text(struct buf *out, struct buf *title, const char *html, size_t n_bytes,
                       const char *name);

#endif
