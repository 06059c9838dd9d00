/* page_files.h - the page's files (web/), which are part of the program. */
#ifndef SERVE_PAGE_FILES_H
#define SERVE_PAGE_FILES_H

#include <stddef.h>

struct page_file {
    const char *name;                 /* "app.js" */
    const char *type;                 /* for Content-Type */
    const char *bytes, *packed, *end; /* as it is up to packed, then as gzip up to end */
};

/* NULL: there is none of that name. */
const struct page_file *page_file(const char *name);

#endif
