/* trace_search.h - looking texts up in the order of suffixes.
 *
 * Every step of a binary search waits for memory twice, at the suffix and at its symbols: many
 * searches go on side by side, so that their waits overlap. */
#ifndef OPEN_TRACE_SEARCH_H
#define OPEN_TRACE_SEARCH_H

#include "open/trace_file.h"

enum trace_kind {
    TRACE_LONGEST, /* only `common` counts */
    TRACE_LOWER,   /* the first suffix that is not smaller than the pattern */
    TRACE_UPPER    /* the first one behind those that begin with it */
};

struct trace_job {
    const int32_t *pattern; /* (n) symbols: tokens + 1, any number */
    int64_t n;              /* > 0 */
    int64_t segment;
    enum trace_kind kind;
    int64_t at;     /* result: a suffix of the segment, counted in its order */
    int64_t common; /* result: the most symbols from its start on that the pattern has in
                       common with any suffix */
};

/* Does all of them. */
glass_status trace_search(const struct trace_index *t, struct trace_job *jobs,
                          int64_t n_jobs);

/* Where a pattern stands: of each segment the suffixes low … high - 1. */
struct trace_range {
    int64_t low, high;
};
/* ranges: (n_patterns, n_segments); patterns as in jobs, lengths above 0. */
glass_status trace_ranges(const struct trace_index *t, struct trace_range *ranges,
                          const int32_t *const *patterns, const int64_t *lengths,
                          int64_t n_patterns);
int64_t trace_range_count(const struct trace_index *t, const struct trace_range *ranges);
/* Symbol (through all segments) of occurrence i, counted through the segments' ranges. */
glass_status trace_occurrence(const struct trace_index *t, const struct trace_range *ranges,
                              int64_t i, int64_t *symbol);

/* How often a symbol stands in the texts. */
int64_t trace_symbol_count(const struct trace_index *t, int32_t symbol);

/* lengths (n): of each position of a text of symbols, how long a stretch from there on stands
 * in the texts at most. */
glass_status trace_match(const struct trace_index *t, int64_t *lengths,
                         const int32_t *symbols, int64_t n);

#endif
