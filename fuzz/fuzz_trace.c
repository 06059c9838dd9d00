/* fuzz_trace.c - libFuzzer target: whatever the bytes behind a header whose digest is right, the
 * trace index refuses them, or answers without leaving them. */
#include "base/hash.h"
#include "fuzz_common.h"
#include "open/trace_search.h"

static void ask(const struct trace_index *t, const int32_t *symbols, int64_t n) {
    struct trace_range *ranges;
    int64_t lengths[32], begin, end, d, at;
    MUST(mem_alloc(&ranges, (size_t)t->h.n_segments, sizeof *ranges) == GLASS_OK);
    if (trace_match(t, lengths, symbols, n) == GLASS_OK)
        for (int64_t i = 0; i < n; i++) MUST(lengths[i] >= 0 && lengths[i] <= n - i);
    if (trace_ranges(t, ranges, &symbols, &n, 1) == GLASS_OK) {
        int64_t count = trace_range_count(t, ranges);
        MUST(count >= 0 && count <= t->h.n);
        for (int64_t i = 0; i < count && i < 100; i++) {
            if (trace_occurrence(t, ranges, i, &at) != GLASS_OK) break;
            MUST(at >= 0 && at < t->h.n - 1);
            if (trace_document_of(t, at, &d) != GLASS_OK) break;
            MUST(d >= 0 && d < t->h.n_documents);
            MUST(trace_document(t, d, &begin, &end) == GLASS_OK && begin <= at && at < end);
            MUST(end < t->h.n);
            int64_t shard = trace_shard_of(t, d);
            MUST(shard >= 0 && shard < t->h.n_shards && t->shards[shard].document <= d);
            fuzz_read(t->shards[shard].name, strlen(t->shards[shard].name));
        }
    }
    mem_free(ranges);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    struct trace_index t;
    if (size > 0) memcpy(copy, data, size);
    if (size >= TRACE_HEADER)
        MUST(sha256_bytes(copy + TRACE_HEADER - 32, copy, TRACE_HEADER - 32) == GLASS_OK);
    glass_status status = trace_index_open(&t, copy, size, "fuzz");
    if (status != GLASS_OK) {
        MUST(status == GLASS_BAD_INPUT && glass_error()[0] != '\0');
        free(copy);
        return 0;
    }
    int32_t symbols[32];
    for (int i = 0; i < 32; i++) symbols[i] = 1 + i % 3;
    ask(&t, symbols, 32);
    /* Something that stands there. */
    int64_t n = t.segments[0].n < 32 ? t.segments[0].n : 32;
    for (int64_t i = 0; i < n; i++)
        symbols[i] = trace_symbol(t.segments[0].symbols, t.h.symbol_bytes, i);
    ask(&t, symbols, n);
    ask(&t, symbols, 1);
    for (uint32_t c = 0; c < t.h.n_symbols && c < 1000; c++)
        MUST(trace_symbol_count(&t, (int32_t)c) >= 0);
    trace_index_check(&t);
    trace_index_clear(&t);
    free(copy);
    return 0;
}
