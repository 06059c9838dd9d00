/* trace_parts.h - an open index, for trace*.c only.
 *
 *   trace_file.c    the file: layout, checks, documents
 *   trace_sais.c    suffix sorting
 *   trace_build.c trace_sort.c   making an index
 *   trace_search.c  looking up
 *   trace.c         opening; counts, places, what follows
 *   trace_run.c     which steps read a place
 *   trace_record.c  what is recorded of a document
 *   trace_text.c    a text's spans and their places
 *   trace_rank.c    relevance
 *   trace_html.c    the report */
#ifndef OPEN_TRACE_PARTS_H
#define OPEN_TRACE_PARTS_H

#include "glass/trace.h"
#include "open/trace_record.h"
#include "open/trace_run.h"
#include "open/trace_search.h"

struct glass_trace {
    char *path;
    struct filemap map;
    struct trace_index index;
    struct gguf *vocabulary;
    glass_tokenizer *tokenizer;
    bool of_run;
    struct trace_run run;       /* of_run only */
    struct trace_places places; /* the same */
    struct trace_records *records;
};

/* Symbols of tokens (n), allocated. */
glass_status trace_symbols(int32_t **out, const int32_t *ids, int64_t n);

/* What a text answers and is, in symbols, as a query; and the text around a place. */
struct trace_window {
    int64_t begin, end; /* symbols, inside one document */
    double score;       /* out */
};
glass_status trace_rank(const struct trace_index *t, struct trace_window *windows,
                        int64_t n_windows, const int32_t *query, int64_t n_query);

#endif
