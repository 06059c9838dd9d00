/* trace_file.c - see trace_file.h. */
#include "open/trace_file.h"

#include "base/hash.h"
#include "base/reader.h"

static const char MAGIC[9] = "GLTRACE1", MAGIC_BUILDING[9] = "GLTRPART";
/* Far more than any disk holds, and no product of two of them overflows. */
#define MOST_COUNT ((int64_t)1 << 40)
enum { N_STORED = TRACE_SEGMENTS + 1 /* sections whose digests are in the header */ };

static uint64_t up(uint64_t x) {
    return (x + TRACE_ALIGN - 1) / TRACE_ALIGN * TRACE_ALIGN;
}

void trace_layout(struct trace_header *h) {
    uint64_t at = TRACE_HEADER;
    h->sizes[TRACE_DOCUMENTS] = (uint64_t)(h->n_documents + 1) * 8;
    h->sizes[TRACE_SYMBOLS] = (uint64_t)h->n * h->symbol_bytes;
    h->sizes[TRACE_SEGMENTS] = (uint64_t)(h->n_segments + 1) * TRACE_RECORD;
    h->sizes[TRACE_BUCKETS] = (uint64_t)h->n_segments * (h->n_symbols + 1) * 4;
    h->sizes[TRACE_SUFFIXES] = (uint64_t)(h->n - h->n_documents) * 4;
    for (int i = 0; i < TRACE_N_SECTIONS; i++) {
        h->offsets[i] = at;
        at = up(at + h->sizes[i]);
    }
    h->file_size = at;
}

/* ---- the header ---- */

static void put(uint8_t **at, const void *bytes, size_t n) {
    memcpy(*at, bytes, n);
    *at += n;
}

glass_status trace_header_write(uint8_t bytes[TRACE_HEADER], const struct trace_header *h,
                                bool whole) {
    uint8_t *at = bytes;
    const int64_t counts[5] = {h->n, h->n_documents, h->n_shards, h->n_segments,
                               h->segment_most};
    memset(bytes, 0, TRACE_HEADER);
    put(&at, whole ? MAGIC : MAGIC_BUILDING, 8);
    put(&at, &h->symbol_bytes, 4);
    put(&at, &h->n_symbols, 4);
    put(&at, counts, sizeof counts);
    put(&at, &h->sizes[TRACE_SHARDS], 8);
    put(&at, &h->sizes[TRACE_VOCABULARY], 8);
    for (int i = 0; i < N_STORED; i++) put(&at, h->sha256[i], 32);
    return sha256_bytes(bytes + TRACE_HEADER - 32, bytes, TRACE_HEADER - 32);
}

static glass_status read_counts(struct trace_header *h, struct reader *r) {
    int64_t *const counts[5] = {&h->n, &h->n_documents, &h->n_shards, &h->n_segments,
                                &h->segment_most};
    TRY(reader_u32(r, &h->symbol_bytes, "bytes of a symbol"));
    TRY(reader_u32(r, &h->n_symbols, "number of symbols"));
    for (int i = 0; i < 7; i++) {
        uint64_t x;
        TRY(reader_u64(r, &x, "a count"));
        if (x > (uint64_t)MOST_COUNT)
            return fail(GLASS_BAD_INPUT, "%s: byte %zu: a count of %llu cannot be", r->name,
                        r->pos - 8, (unsigned long long)x);
        if (i < 5)
            *counts[i] = (int64_t)x;
        else
            h->sizes[i == 5 ? TRACE_SHARDS : TRACE_VOCABULARY] = x;
    }
    bool good = h->symbol_bytes == 2 || h->symbol_bytes == 3;
    good = good && h->n_symbols >= 2 &&
           h->n_symbols <= (h->symbol_bytes == 2 ? 65536u : 1u << 24);
    good = good && h->n_documents >= 1 && h->n >= 2 * h->n_documents && h->n_shards >= 1;
    good = good && h->n_segments >= 1 && h->n_segments <= h->n_documents &&
           h->n_segments <= 1 << 20;
    good = good && h->sizes[TRACE_SHARDS] / TRACE_RECORD >= (uint64_t)h->n_shards;
    return good ? GLASS_OK
                : fail(GLASS_BAD_INPUT, "%s: its header's counts contradict each other",
                       r->name);
}

glass_status trace_header_read(struct trace_header *out, const uint8_t *bytes,
                               size_t n_bytes, bool whole, const char *name) {
    struct reader r = {.data = bytes, .size = n_bytes, .name = name};
    const uint8_t *magic, *digest;
    uint8_t have[32];
    *out = (struct trace_header){0};
    if (n_bytes < TRACE_HEADER || memcmp(bytes, whole ? MAGIC : MAGIC_BUILDING, 8) != 0)
        return fail(GLASS_BAD_INPUT, "%s: no trace index (glass trace --build makes one)",
                    name);
    TRY(sha256_bytes(have, bytes, TRACE_HEADER - 32));
    if (memcmp(have, bytes + TRACE_HEADER - 32, 32) != 0)
        return fail(GLASS_BAD_INPUT, "%s: its header is damaged: build it anew", name);
    TRY(reader_bytes(&r, &magic, 8, "the beginning"));
    TRY(read_counts(out, &r));
    for (int i = 0; i < N_STORED; i++) {
        TRY(reader_bytes(&r, &digest, 32, "a digest"));
        memcpy(out->sha256[i], digest, 32);
    }
    trace_layout(out);
    return GLASS_OK;
}

void trace_segment_write(uint8_t bytes[TRACE_RECORD],
                         const struct trace_segment_record *s) {
    uint8_t *at = bytes;
    const uint64_t done = s->done, zero = 0;
    put(&at, &s->begin, 8);
    put(&at, &s->document, 8);
    put(&at, s->sha256, 32);
    put(&at, &done, 8);
    put(&at, &zero, 8);
}

void trace_segment_read(struct trace_segment_record *out, const uint8_t *bytes) {
    uint64_t done;
    memcpy(&out->begin, bytes, 8);
    memcpy(&out->document, bytes + 8, 8);
    memcpy(out->sha256, bytes + 16, 32);
    memcpy(&done, bytes + 48, 8);
    out->done = done == 1;
}

/* ---- opening ---- */

glass_status trace_damaged(const struct trace_index *t, const char *what) {
    return fail(GLASS_BAD_INPUT,
                "%s: %s: the index is damaged (glass trace --check tells where): build it "
                "anew",
                t->name, what);
}

static const uint8_t *section(const struct trace_index *t, enum trace_section s) {
    return t->data + t->h.offsets[s];
}

static glass_status read_shards(struct trace_index *t) {
    const uint8_t *base = section(t, TRACE_SHARDS);
    struct reader r = {
        .data = base, .size = (size_t)t->h.sizes[TRACE_SHARDS], .name = t->name};
    int64_t documents = 0, tokens = 0;
    TRY(mem_alloc_zero(&t->shards, (size_t)t->h.n_shards, sizeof *t->shards));
    for (int64_t i = 0; i < t->h.n_shards; i++) {
        struct trace_shard *s = &t->shards[i];
        uint64_t numbers[4];
        const uint8_t *digest;
        TRY(reader_bytes(&r, &digest, 32, "a shard's digest"));
        memcpy(s->sha256, digest, 32);
        for (int j = 0; j < 4; j++) TRY(reader_u64(&r, &numbers[j], "a shard's numbers"));
        if (numbers[0] > (uint64_t)MOST_COUNT || numbers[1] > (uint64_t)MOST_COUNT ||
            numbers[2] > r.size || numbers[3] > r.size - numbers[2])
            return trace_damaged(t, "a shard's numbers");
        s->n_tokens = (int64_t)numbers[0];
        s->n_documents = (int64_t)numbers[1];
        s->document = documents;
        documents += s->n_documents;
        tokens += s->n_tokens;
        if (documents > t->h.n_documents) break;
        TRY(mem_alloc(&s->name, (size_t)numbers[3] + 1, 1));
        memcpy(s->name, base + numbers[2], (size_t)numbers[3]);
        s->name[numbers[3]] = '\0';
    }
    if (documents != t->h.n_documents || tokens != t->h.n - t->h.n_documents)
        return trace_damaged(t, "its shards are not all of it");
    return GLASS_OK;
}

static uint64_t start_of(const struct trace_index *t, int64_t d) {
    uint64_t x;
    memcpy(&x, section(t, TRACE_DOCUMENTS) + 8 * (size_t)d, sizeof x);
    return x;
}

static glass_status read_segments(struct trace_index *t) {
    const struct trace_header *h = &t->h;
    const uint8_t *records = section(t, TRACE_SEGMENTS);
    struct trace_segment_record now, next;
    TRY(mem_alloc_zero(&t->segments, (size_t)h->n_segments, sizeof *t->segments));
    trace_segment_read(&now, records);
    bool good = now.begin == 0 && now.document == 0;
    for (int64_t i = 0; good && i < h->n_segments; i++, now = next) {
        trace_segment_read(&next, records + (size_t)(i + 1) * TRACE_RECORD);
        int64_t n = next.begin - now.begin, documents = next.document - now.document;
        good = next.begin > now.begin && next.begin <= h->n &&
               next.document > now.document && next.document <= h->n_documents &&
               n < INT32_MAX && n >= 2 * documents &&
               start_of(t, next.document) == (uint64_t)next.begin;
        if (!good) break;
        t->segments[i] = (struct trace_segment){
            .symbols = section(t, TRACE_SYMBOLS) + (size_t)now.begin * h->symbol_bytes,
            .buckets = section(t, TRACE_BUCKETS) + (size_t)i * (h->n_symbols + 1) * 4,
            .suffixes = section(t, TRACE_SUFFIXES) + (size_t)(now.begin - now.document) * 4,
            .begin = now.begin,
            .n = n,
            .n_suffixes = n - documents};
    }
    good = good && now.begin == h->n && now.document == h->n_documents;
    return good ? GLASS_OK : trace_damaged(t, "its segments");
}

glass_status trace_index_open(struct trace_index *out, const void *data, size_t n_bytes,
                              const char *name) {
    *out = (struct trace_index){.data = data, .name = name};
    TRY(trace_header_read(&out->h, data, n_bytes, true, name));
    if (out->h.file_size != n_bytes)
        return fail(GLASS_BAD_INPUT,
                    "%s: %zu bytes where its header says %llu: it is cut short or damaged; "
                    "build it anew",
                    name, n_bytes, (unsigned long long)out->h.file_size);
    glass_status status = read_shards(out);
    if (status == GLASS_OK) status = read_segments(out);
    if (status != GLASS_OK) trace_index_clear(out);
    return status;
}

void trace_index_clear(struct trace_index *t) {
    for (int64_t i = 0; t->shards != NULL && i < t->h.n_shards; i++)
        mem_free(t->shards[i].name);
    mem_free(t->shards);
    mem_free(t->segments);
    *t = (struct trace_index){0};
}

static bool all_zero(const uint8_t *bytes, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        if (bytes[i] != 0) return false;
    return true;
}

glass_status trace_index_check(const struct trace_index *t) {
    static const char *const names[N_STORED] = {"its list of shards", "its vocabulary",
                                                "its documents' places", "its tokens",
                                                "its list of segments"};
    uint8_t have[32];
    for (int i = 0; i < TRACE_N_SECTIONS; i++) {
        uint64_t end = t->h.offsets[i] + t->h.sizes[i];
        uint64_t next = i + 1 < TRACE_N_SECTIONS ? t->h.offsets[i + 1] : t->h.file_size;
        if (!all_zero(t->data + end, next - end))
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %llu: something where nothing is: build "
                        "it anew",
                        t->name, (unsigned long long)end);
    }
    for (int i = 0; i < N_STORED; i++) {
        TRY(sha256_bytes(have, section(t, (enum trace_section)i), (size_t)t->h.sizes[i]));
        if (memcmp(have, t->h.sha256[i], 32) != 0)
            return fail(GLASS_BAD_INPUT,
                        "%s: %s: other bytes than were written: build it "
                        "anew",
                        t->name, names[i]);
    }
    for (int64_t i = 0; i < t->h.n_segments; i++) {
        const struct trace_segment *s = &t->segments[i];
        struct trace_segment_record record;
        struct sha256 *hash;
        trace_segment_read(&record, section(t, TRACE_SEGMENTS) + (size_t)i * TRACE_RECORD);
        TRY(sha256_create(&hash));
        glass_status status =
            sha256_update(hash, s->buckets, (size_t)(t->h.n_symbols + 1) * 4);
        if (status == GLASS_OK)
            status = sha256_update(hash, s->suffixes, (size_t)s->n_suffixes * 4);
        if (status != GLASS_OK) {
            sha256_free(hash);
            return status;
        }
        TRY(sha256_finish(hash, have));
        if (memcmp(have, record.sha256, 32) != 0)
            return fail(GLASS_BAD_INPUT,
                        "%s: segment %lld: other bytes than were written: build it anew",
                        t->name, (long long)i);
    }
    return GLASS_OK;
}

/* ---- documents ---- */

glass_status trace_document(const struct trace_index *t, int64_t d, int64_t *begin,
                            int64_t *end) {
    uint64_t from = start_of(t, d), to = start_of(t, d + 1);
    if (to > (uint64_t)t->h.n || from + 2 > to)
        return trace_damaged(t, "a document's place");
    *begin = (int64_t)from;
    *end = (int64_t)to - 1;
    return GLASS_OK;
}

glass_status trace_document_of(const struct trace_index *t, int64_t x, int64_t *d) {
    int64_t low = 0, high = t->h.n_documents, begin, end;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (start_of(t, middle) <= (uint64_t)x)
            low = middle;
        else
            high = middle;
    }
    *d = low;
    TRY(trace_document(t, low, &begin, &end));
    return begin <= x && x < end ? GLASS_OK : trace_damaged(t, "a document's place");
}

int64_t trace_shard_of(const struct trace_index *t, int64_t d) {
    int64_t low = 0, high = t->h.n_shards;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (t->shards[middle].document <= d)
            low = middle;
        else
            high = middle;
    }
    return low;
}
