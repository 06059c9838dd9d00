/* trace_search.c - see trace_search.h. */
#include "open/trace_search.h"

enum { LANES = 24 };

/* A search that is going on: suffixes before low are smaller, those from high on are not. */
struct lane {
    struct trace_job *job;
    const struct trace_segment *s;
    int64_t low, high, middle, at;
    /* Symbols in common with the suffixes beside low and high; all between have the smaller
     * of the two in common (Manber and Myers, "Suffix arrays", 1993). */
    int64_t left, right;
};

static int64_t bucket(const struct trace_index *t, const struct trace_segment *s,
                      int64_t symbol) {
    (void)t;
    return trace_u32(s->buckets, symbol);
}

/* False: the answer is there already. */
static bool begin(const struct trace_index *t, struct lane *l, struct trace_job *job) {
    const struct trace_segment *s = &t->segments[job->segment];
    int32_t first = job->pattern[0];
    job->at = job->common = 0;
    if (first < 1 || (uint32_t)first >= t->h.n_symbols) return false;
    *l = (struct lane){.job = job, .s = s, .left = 1, .right = 1};
    l->low = bucket(t, s, first);
    l->high = bucket(t, s, first + 1);
    job->at = l->low;
    if (l->high <= l->low || l->high > s->n_suffixes)
        return false; /* never more: damaged */
    job->common = 1;
    if (job->n > 1) return true;
    if (job->kind == TRACE_UPPER) job->at = l->high;
    return false;
}

static inline int64_t common(const struct trace_index *t, const struct lane *l) {
    const struct trace_job *j = l->job;
    int64_t i = l->left < l->right ? l->left : l->right;
    int64_t end = l->s->n - l->at < j->n ? l->s->n - l->at : j->n;
    const uint8_t *symbols = l->s->symbols + (size_t)l->at * t->h.symbol_bytes;
    while (i < end && trace_symbol(symbols, t->h.symbol_bytes, i) == j->pattern[i]) i++;
    return i;
}

/* One comparison. False: it is over. */
static bool compare(const struct trace_index *t, struct lane *l) {
    struct trace_job *j = l->job;
    int64_t n = common(t, l);
    bool smaller;
    if (n > j->common) j->common = n;
    if (n == j->n) {
        if (j->kind == TRACE_LONGEST) return false;
        smaller = j->kind == TRACE_UPPER;
    } else {
        smaller = n >= l->s->n - l->at ||
                  trace_symbol(l->s->symbols, t->h.symbol_bytes, l->at + n) < j->pattern[n];
    }
    if (smaller) {
        l->low = l->middle + 1;
        l->left = n;
    } else {
        l->high = l->middle;
        l->right = n;
    }
    j->at = l->low;
    return l->low < l->high;
}

/* The next jobs that need a search, into lanes that are free. */
static int fill(const struct trace_index *t, struct lane *lanes, int n_lanes,
                struct trace_job **next, const struct trace_job *end) {
    while (n_lanes < LANES && *next < end)
        if (begin(t, &lanes[n_lanes], (*next)++)) n_lanes++;
    return n_lanes;
}

glass_status trace_search(const struct trace_index *t, struct trace_job *jobs,
                          int64_t n_jobs) {
    struct lane lanes[LANES];
    struct trace_job *next = jobs, *end = jobs + n_jobs;
    int n = fill(t, lanes, 0, &next, end);
    while (n > 0) {
        for (int i = 0; i < n; i++) {
            struct lane *l = &lanes[i];
            l->middle = l->low + (l->high - l->low) / 2;
            __builtin_prefetch(l->s->suffixes + 4 * (size_t)l->middle);
        }
        for (int i = 0; i < n; i++) {
            struct lane *l = &lanes[i];
            int64_t known = l->left < l->right ? l->left : l->right;
            l->at = trace_u32(l->s->suffixes, l->middle);
            if (l->at >= l->s->n - 1) return trace_damaged(t, "a suffix's place");
            __builtin_prefetch(l->s->symbols + (size_t)(l->at + known) * t->h.symbol_bytes);
        }
        for (int i = 0; i < n;)
            if (compare(t, &lanes[i]))
                i++;
            else
                lanes[i] = lanes[--n];
        n = fill(t, lanes, n, &next, end);
    }
    return GLASS_OK;
}

/* ---- ranges ---- */

glass_status trace_ranges(const struct trace_index *t, struct trace_range *ranges,
                          const int32_t *const *patterns, const int64_t *lengths,
                          int64_t n_patterns) {
    int64_t n = n_patterns * t->h.n_segments;
    struct trace_job *jobs;
    TRY(mem_alloc(&jobs, 2 * (size_t)n, sizeof *jobs));
    for (int64_t i = 0; i < 2 * n; i++) {
        int64_t pattern = i / 2 / t->h.n_segments;
        jobs[i] = (struct trace_job){.pattern = patterns[pattern],
                                     .n = lengths[pattern],
                                     .segment = i / 2 % t->h.n_segments,
                                     .kind = i % 2 == 0 ? TRACE_LOWER : TRACE_UPPER};
    }
    glass_status status = trace_search(t, jobs, 2 * n);
    for (int64_t i = 0; i < n; i++) {
        int64_t low = jobs[2 * i].at, high = jobs[2 * i + 1].at;
        /* Suffixes out of order could give anything. */
        ranges[i] = (struct trace_range){low, high > low ? high : low};
    }
    mem_free(jobs);
    return status;
}

int64_t trace_range_count(const struct trace_index *t, const struct trace_range *ranges) {
    int64_t n = 0;
    for (int64_t i = 0; i < t->h.n_segments; i++) n += ranges[i].high - ranges[i].low;
    return n;
}

glass_status trace_occurrence(const struct trace_index *t, const struct trace_range *ranges,
                              int64_t i, int64_t *symbol) {
    for (int64_t s = 0; s < t->h.n_segments; s++) {
        const struct trace_segment *segment = &t->segments[s];
        int64_t n = ranges[s].high - ranges[s].low;
        if (i < n) {
            int64_t at = trace_u32(segment->suffixes, ranges[s].low + i);
            if (at >= segment->n - 1) return trace_damaged(t, "a suffix's place");
            *symbol = segment->begin + at;
            return GLASS_OK;
        }
        i -= n;
    }
    return trace_damaged(t, "a range of suffixes");
}

int64_t trace_symbol_count(const struct trace_index *t, int32_t symbol) {
    int64_t n = 0;
    if (symbol < 1 || (uint32_t)symbol >= t->h.n_symbols) return 0;
    for (int64_t i = 0; i < t->h.n_segments; i++) {
        const struct trace_segment *s = &t->segments[i];
        int64_t low = bucket(t, s, symbol), high = bucket(t, s, (int64_t)symbol + 1);
        if (high > low && high <= s->n_suffixes) n += high - low;
    }
    return n;
}

/* ---- matches ---- */

/* Searches of up to so many symbols go side by side; longer matches, which are few, are then
 * followed one by one, so that a long text that was copied whole takes no square of its length. */
enum { SIDE_BY_SIDE = 96, JOBS = 4096 };

/* The longest match of one position. */
static glass_status longest(const struct trace_index *t, const int32_t *symbols, int64_t n,
                            int64_t *length) {
    *length = 0;
    for (int64_t s = 0; s < t->h.n_segments; s++) {
        struct trace_job job = {
            .pattern = symbols, .n = n, .segment = s, .kind = TRACE_LONGEST};
        TRY(trace_search(t, &job, 1));
        if (job.common > *length) *length = job.common;
    }
    return GLASS_OK;
}

static glass_status match_short(const struct trace_index *t, int64_t *lengths,
                                const int32_t *symbols, int64_t n) {
    struct trace_job *jobs;
    int64_t n_all = n * t->h.n_segments;
    TRY(mem_alloc(&jobs, JOBS, sizeof *jobs));
    memset(lengths, 0, (size_t)n * sizeof *lengths);
    glass_status status = GLASS_OK;
    for (int64_t first = 0; status == GLASS_OK && first < n_all; first += JOBS) {
        int64_t take = n_all - first < JOBS ? n_all - first : JOBS;
        for (int64_t i = 0; i < take; i++) {
            int64_t at = (first + i) % n, left = n - at;
            jobs[i] = (struct trace_job){.pattern = symbols + at,
                                         .n = left < SIDE_BY_SIDE ? left : SIDE_BY_SIDE,
                                         .segment = (first + i) / n};
        }
        status = trace_search(t, jobs, take);
        for (int64_t i = 0; i < take; i++) {
            int64_t at = (first + i) % n;
            if (jobs[i].common > lengths[at]) lengths[at] = jobs[i].common;
        }
    }
    mem_free(jobs);
    return status;
}

/* Positions first … last - 1 all match for SIDE_BY_SIDE symbols at least, and have more text.
 * A match from a position reaches at least as far as that from the one before; where it reaches
 * further is found by halving, since all behind such a place do. */
static glass_status match_long(const struct trace_index *t, int64_t *lengths,
                               const int32_t *symbols, int64_t n, int64_t first,
                               int64_t last) {
    for (int64_t i = first; i < last;) {
        int64_t length, low = i + 1, high = last;
        TRY(longest(t, symbols + i, n - i, &length));
        int64_t end = i + length;
        if (high > end) high = end;
        while (low < high && end < n) {
            int64_t middle = low + (high - low) / 2;
            TRY(longest(t, symbols + middle, end + 1 - middle, &length));
            if (length == end + 1 - middle)
                high = middle;
            else
                low = middle + 1;
        }
        if (end == n) low = last;
        for (; i < low; i++) lengths[i] = end - i;
    }
    return GLASS_OK;
}

glass_status trace_match(const struct trace_index *t, int64_t *lengths,
                         const int32_t *symbols, int64_t n) {
    TRY(match_short(t, lengths, symbols, n));
    for (int64_t i = 0; i < n;) {
        int64_t last = i;
        while (last < n - SIDE_BY_SIDE && lengths[last] == SIDE_BY_SIDE) last++;
        if (last > i) TRY(match_long(t, lengths, symbols, n, i, last));
        i = last > i ? last : i + 1;
    }
    return GLASS_OK;
}
