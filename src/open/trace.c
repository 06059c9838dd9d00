/* trace.c - an index, opened; what can be asked of it. See glass/trace.h. */
#include "glass/trace.h"

#include "open/trace_parts.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <sys/stat.h>

/* ---- opening ---- */

static glass_status open_vocabulary(struct glass_trace *t) {
    const struct trace_header *h = &t->index.h;
    TRY(gguf_open_memory(&t->vocabulary, t->map.data + h->offsets[TRACE_VOCABULARY],
                         (size_t)h->sizes[TRACE_VOCABULARY], t->path));
    TRY(tok_create_gguf(&t->tokenizer, t->vocabulary));
    if (glass_tokenizer_n_vocab(t->tokenizer) + 1 == (int64_t)h->n_symbols) return GLASS_OK;
    return trace_damaged(&t->index, "its vocabulary");
}

/* The index is of the run's shards. */
static glass_status check_run(struct glass_trace *t) {
    const struct trace_index *x = &t->index;
    bool same = t->run.n_shards == x->h.n_shards;
    for (int64_t i = 0; same && i < x->h.n_shards; i++)
        same = memcmp(t->run.sha256[i], x->shards[i].sha256, 32) == 0;
    if (!same)
        return fail(GLASS_BAD_INPUT,
                    "%s: it is of other shards than the run learns from: build it anew",
                    t->path);
    int64_t *rows;
    TRY(mem_alloc(&rows, (size_t)x->h.n_shards, sizeof *rows));
    for (int64_t i = 0; i < x->h.n_shards; i++)
        rows[i] = x->shards[i].n_tokens - x->shards[i].n_documents;
    glass_status status = trace_places_make(&t->places, &t->run, rows);
    mem_free(rows);
    return status;
}

/* SHARD beside the index, or in the run. */
static glass_status open_records(struct glass_trace *t) {
    const struct trace_index *x = &t->index;
    size_t n = (size_t)x->h.n_shards;
    char **paths = NULL;
    int64_t *documents = NULL;
    struct buf path = {0};
    const char *slash = strrchr(t->path, '/');
    glass_status status;
    if (t->of_run)
        TRY_FAIL(trace_run_shards(&t->run, &paths));
    else
        TRY_FAIL(mem_alloc_zero(&paths, n, sizeof *paths));
    TRY_FAIL(mem_alloc(&documents, n, sizeof *documents));
    for (size_t i = 0; i < n; i++) {
        documents[i] = x->shards[i].n_documents;
        if (t->of_run) continue;
        int length = slash == NULL ? 0 : (int)(slash - t->path) + 1;
        TRY_FAIL(buf_printf(&path, "%.*s%s", length, t->path, x->shards[i].name));
        TRY_FAIL(buf_take(&path, &paths[i], NULL));
    }
    status =
        trace_records_open(&t->records, (const char *const *)paths, documents, (int64_t)n);
fail:
    for (size_t i = 0; paths != NULL && i < n; i++) mem_free(paths[i]);
    mem_free(paths);
    mem_free(documents);
    buf_free(&path);
    return status;
}

static glass_status open_it(struct glass_trace *t, const char *path) {
    struct buf b = {0};
    struct stat st;
    t->of_run = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    glass_status status =
        t->of_run ? buf_printf(&b, "%s/%s", path, TRACE_RUN_INDEX) : buf_text(&b, path);
    if (status == GLASS_OK) status = buf_take(&b, &t->path, NULL);
    buf_free(&b);
    TRY(status);
    if (t->of_run) {
        TRY(trace_run_open(&t->run, path));
        if (stat(t->path, &st) != 0)
            return fail(GLASS_USAGE,
                        "%s has no trace index yet: glass trace --build %s makes it", path,
                        path);
    }
    TRY(filemap_open(&t->map, t->path));
    TRY(trace_index_open(&t->index, t->map.data, t->map.size, t->path));
    TRY(open_vocabulary(t));
    if (t->of_run) TRY(check_run(t));
    return open_records(t);
}

glass_status glass_trace_open(glass_trace **out, const char *path) {
    struct glass_trace *t;
    *out = NULL;
    TRY(mem_alloc_zero(&t, 1, sizeof *t));
    glass_status status = open_it(t, path);
    if (status == GLASS_OK)
        *out = t;
    else
        glass_trace_close(t);
    return status;
}

void glass_trace_close(glass_trace *t) {
    if (t == NULL) return;
    trace_records_close(t->records);
    trace_places_clear(&t->places);
    trace_run_close(&t->run);
    glass_tokenizer_close(t->tokenizer);
    gguf_close(t->vocabulary);
    trace_index_clear(&t->index);
    filemap_close(&t->map);
    mem_free(t->path);
    mem_free(t);
}

glass_status glass_trace_check(const glass_trace *trace) {
    return trace_index_check(&trace->index);
}

void glass_trace_get_info(const glass_trace *t, glass_trace_info *out) {
    const struct trace_header *h = &t->index.h;
    *out = (glass_trace_info){.n_tokens = h->n - h->n_documents,
                              .n_documents = h->n_documents,
                              .n_shards = h->n_shards,
                              .n_segments = h->n_segments,
                              .bytes = t->map.size,
                              .of_run = t->of_run,
                              .n_steps_done = t->run.n_done,
                              .run = t->of_run ? t->run.folder : NULL};
}

const glass_tokenizer *glass_trace_tokenizer(const glass_trace *t) {
    return t->tokenizer;
}

/* ---- counts and places ---- */

glass_status trace_symbols(int32_t **out, const int32_t *ids, int64_t n) {
    TRY(mem_alloc(out, (size_t)n, sizeof **out));
    for (int64_t i = 0; i < n; i++)
        (*out)[i] = ids[i] < 0 || ids[i] == INT32_MAX ? -1 : ids[i] + 1;
    return GLASS_OK;
}

/* Where tokens stand: (n_segments) ranges, allocated. */
static glass_status range_of(const struct glass_trace *t, struct trace_range **ranges,
                             const int32_t *ids, int64_t n) {
    int32_t *symbols;
    *ranges = NULL;
    if (n < 1) return fail(GLASS_USAGE, "there is no token to look for");
    TRY(trace_symbols(&symbols, ids, n));
    glass_status status = mem_alloc(ranges, (size_t)t->index.h.n_segments, sizeof **ranges);
    const int32_t *pattern = symbols;
    if (status == GLASS_OK) status = trace_ranges(&t->index, *ranges, &pattern, &n, 1);
    mem_free(symbols);
    if (status == GLASS_OK) return GLASS_OK;
    mem_free(*ranges);
    *ranges = NULL;
    return status;
}

glass_status glass_trace_count(const glass_trace *t, int64_t *count, const int32_t *ids,
                               int64_t n) {
    struct trace_range *ranges;
    *count = 0;
    TRY(range_of(t, &ranges, ids, n));
    *count = trace_range_count(&t->index, ranges);
    mem_free(ranges);
    return GLASS_OK;
}

glass_status glass_trace_find(const glass_trace *t, glass_trace_at **places,
                              int64_t *n_places, const int32_t *ids, int64_t n,
                              int64_t most) {
    struct trace_range *ranges = NULL;
    glass_status status;
    *places = NULL;
    *n_places = 0;
    TRY_FAIL(range_of(t, &ranges, ids, n));
    int64_t count = trace_range_count(&t->index, ranges);
    if (most >= 0 && count > most) count = most;
    TRY_FAIL(mem_alloc(places, (size_t)count, sizeof **places));
    for (int64_t i = 0; i < count; i++) {
        int64_t symbol, begin, end;
        TRY_FAIL(trace_occurrence(&t->index, ranges, i, &symbol));
        TRY_FAIL(trace_document_of(&t->index, symbol, &(*places)[i].document));
        TRY_FAIL(trace_document(&t->index, (*places)[i].document, &begin, &end));
        (*places)[i].offset = symbol - begin;
    }
    *n_places = count;
    mem_free(ranges);
    return GLASS_OK;
fail:
    mem_free(ranges);
    mem_free(*places);
    *places = NULL;
    return status;
}

/* ---- what follows ---- */

/* Adds to counts (n_symbols) what stands at `depth` behind suffixes low … high - 1, which all
 * have the same symbols up to there: each symbol's end is found by halving. */
static glass_status count_next(const struct trace_index *t, const struct trace_segment *s,
                               int64_t *counts, struct trace_range range, int64_t depth) {
    while (range.low < range.high) {
        int32_t here = -1;
        int64_t low = range.low, high = range.high;
        while (low < high) {
            int64_t middle = here < 0 ? low : low + (high - low) / 2;
            int64_t at = trace_u32(s->suffixes, middle);
            if (at >= s->n - depth) return trace_damaged(t, "a suffix's place");
            int32_t symbol = trace_symbol(s->symbols, t->h.symbol_bytes, at + depth);
            if (here < 0) here = symbol;
            if (symbol <= here)
                low = middle + 1;
            else
                high = middle;
        }
        if ((uint32_t)here >= t->h.n_symbols) return trace_damaged(t, "a token");
        counts[here] += low - range.low;
        range.low = low;
    }
    return GLASS_OK;
}

static int by_count(const void *a, const void *b) {
    const glass_trace_next *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static glass_status list_next(glass_trace_next **list, int64_t *n_list,
                              const int64_t *counts, uint32_t n) {
    int64_t k = 0;
    for (uint32_t i = 0; i < n; i++) k += counts[i] > 0;
    TRY(mem_alloc(list, (size_t)k, sizeof **list));
    for (uint32_t i = 0; i < n; i++)
        if (counts[i] > 0)
            (*list)[(*n_list)++] = (glass_trace_next){(int32_t)i - 1, counts[i]};
    qsort(*list, (size_t)k, sizeof **list, by_count);
    return GLASS_OK;
}

glass_status glass_trace_following(const glass_trace *t, glass_trace_next **list,
                                   int64_t *n_list, const int32_t *ids, int64_t n) {
    const struct trace_index *x = &t->index;
    struct trace_range *ranges = NULL;
    int64_t *counts = NULL;
    glass_status status;
    *list = NULL;
    *n_list = 0;
    TRY_FAIL(mem_alloc_zero(&counts, x->h.n_symbols, sizeof *counts));
    if (n > 0) TRY_FAIL(range_of(t, &ranges, ids, n));
    for (uint32_t c = 1; n == 0 && c < x->h.n_symbols; c++)
        counts[c] = trace_symbol_count(x, (int32_t)c);
    for (int64_t i = 0; n > 0 && i < x->h.n_segments; i++)
        TRY_FAIL(count_next(x, &x->segments[i], counts, ranges[i], n));
    status = list_next(list, n_list, counts, x->h.n_symbols);
fail:
    mem_free(counts);
    mem_free(ranges);
    return status;
}
