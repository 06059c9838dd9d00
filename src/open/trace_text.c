/* trace_text.c - a text's maximal spans, the least likely of them, and where they stand.
 *
 * After OLMoTrace (Liu et al., "OLMoTrace: Tracing Language Model Outputs Back to Trillions of
 * Training Tokens", 2025): longest matches from each position, the spans whose tokens are least
 * likely by their frequencies alone, some places of each, ranked by BM25. Unlike there, spans may
 * begin and end inside of words and sentences: what is told is exactly what matches. */
#include "open/trace_parts.h"

#include <math.h>
#include <stdlib.h>

enum { LEAST = 2, PLACES = 10, AROUND = 40, READS = 8, LEAST_SPANS = 10, WINDOW = 128 };

/* ---- memory that goes with the result ---- */

struct block {
    struct block *next;
};

struct result {
    glass_trace_result r; /* first: the same address */
    struct block *blocks;
};

static glass_status take(struct result *x, void *out, size_t n, size_t item_bytes) {
    struct block *b;
    size_t bytes;
    if (!mem_mul(&bytes, n, item_bytes) || !mem_add(&bytes, bytes, sizeof *b))
        return fail_memory(SIZE_MAX);
    TRY(mem_alloc_zero(&b, 1, bytes));
    b->next = x->blocks;
    x->blocks = b;
    void *memory = b + 1;
    memcpy(out, &memory, sizeof memory);
    return GLASS_OK;
}

static glass_status take_text(void *context, const char **out, const char *text,
                              size_t n_bytes) {
    char *copy;
    TRY(take(context, &copy, n_bytes + 1, 1));
    memcpy(copy, text, n_bytes);
    *out = copy;
    return GLASS_OK;
}

void glass_trace_result_free(glass_trace_result *result) {
    struct result *x = (struct result *)result;
    while (x != NULL && x->blocks != NULL) {
        struct block *b = x->blocks;
        x->blocks = b->next;
        mem_free(b);
    }
    mem_free(x);
}

/* ---- spans ---- */

/* log2 of each token's share of the texts, and whether it stands there at all. */
static double log2_share(const struct trace_index *t, int32_t symbol) {
    int64_t count = trace_symbol_count(t, symbol);
    return count == 0 ? 0 : log2((double)count / (double)(t->h.n - t->h.n_documents));
}

/* Those of `lengths` that no longer one holds, at least `least` long, into spans (n); returns
 * how many. */
static int64_t maximal(glass_trace_span *spans, const int64_t *lengths, int64_t n,
                       int64_t least) {
    int64_t n_spans = 0, end = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t here = i + lengths[i];
        if (lengths[i] >= least && here > end)
            spans[n_spans++] = (glass_trace_span){.first = i, .n = lengths[i]};
        if (here > end) end = here;
    }
    return n_spans;
}

static glass_status find_spans(const struct trace_index *t, glass_trace_span **spans,
                               int64_t *n_spans, const int32_t *symbols, int64_t n,
                               int64_t least) {
    int64_t *lengths = NULL;
    double *shares = NULL;
    glass_status status;
    *spans = NULL;
    *n_spans = 0;
    TRY_FAIL(mem_alloc(&lengths, (size_t)n, sizeof *lengths));
    TRY_FAIL(mem_alloc(&shares, (size_t)n, sizeof *shares));
    TRY_FAIL(mem_alloc(spans, (size_t)n, sizeof **spans));
    TRY_FAIL(trace_match(t, lengths, symbols, n));
    *n_spans = maximal(*spans, lengths, n, least);
    for (int64_t i = 0; i < n; i++) shares[i] = log2_share(t, symbols[i]);
    for (int64_t i = 0; i < *n_spans; i++)
        for (int64_t j = 0; j < (*spans)[i].n; j++)
            (*spans)[i].log2_probability += shares[(*spans)[i].first + j];
fail:
    mem_free(lengths);
    mem_free(shares);
    if (status == GLASS_OK) return GLASS_OK;
    mem_free(*spans);
    *spans = NULL;
    return status;
}

/* ranges: (n_spans, n_segments). */
static glass_status find_ranges(const struct trace_index *t, struct trace_range *ranges,
                                const glass_trace_span *spans, int64_t n_spans,
                                const int32_t *symbols) {
    const int32_t **patterns = NULL;
    int64_t *lengths = NULL;
    glass_status status;
    TRY_FAIL(mem_alloc(&patterns, (size_t)n_spans, sizeof *patterns));
    TRY_FAIL(mem_alloc(&lengths, (size_t)n_spans, sizeof *lengths));
    for (int64_t i = 0; i < n_spans; i++) {
        patterns[i] = symbols + spans[i].first;
        lengths[i] = spans[i].n;
    }
    status = trace_ranges(t, ranges, patterns, lengths, n_spans);
fail:
    mem_free(patterns);
    mem_free(lengths);
    return status;
}

static glass_status count_spans(const struct trace_index *t, glass_trace_span *spans,
                                int64_t n_spans, const int32_t *symbols) {
    struct trace_range *ranges;
    TRY(mem_alloc(&ranges, (size_t)(n_spans * t->h.n_segments), sizeof *ranges));
    glass_status status = find_ranges(t, ranges, spans, n_spans, symbols);
    for (int64_t i = 0; status == GLASS_OK && i < n_spans; i++)
        spans[i].count = trace_range_count(t, ranges + i * t->h.n_segments);
    mem_free(ranges);
    return status;
}

glass_status glass_trace_spans(const glass_trace *trace, glass_trace_span **spans,
                               int64_t *n_spans, const int32_t *ids, int64_t n,
                               int64_t least) {
    int32_t *symbols;
    *spans = NULL;
    *n_spans = 0;
    TRY(trace_symbols(&symbols, ids, n));
    glass_status status =
        find_spans(&trace->index, spans, n_spans, symbols, n, least < 1 ? 1 : least);
    if (status == GLASS_OK) status = count_spans(&trace->index, *spans, *n_spans, symbols);
    mem_free(symbols);
    if (status == GLASS_OK) return GLASS_OK;
    mem_free(*spans);
    *spans = NULL;
    *n_spans = 0;
    return status;
}

/* ---- a text ---- */

struct tracing {
    const struct glass_trace *trace;
    glass_trace_options o;
    struct result *x;
    int32_t *ids, *symbols; /* of the text */
    int64_t n;
    int32_t *query; /* symbols of the prompt and the text */
    int64_t n_query;
    size_t *bytes; /* (n + 1) where each token begins in the text */
    glass_trace_span *spans;
    struct trace_range *ranges; /* (n_spans, n_segments) */
    /* Of all spans, one after another. */
    glass_trace_place *places;
    struct trace_window *windows; /* around them, for ranking */
    int64_t n_places;
};

/* The text as the tokens say it, and where each begins. */
static glass_status spell(struct tracing *c) {
    struct buf text = {0};
    glass_token_stream *stream;
    const char *part;
    size_t n_part;
    TRY(take(c->x, &c->bytes, (size_t)c->n + 1, sizeof *c->bytes));
    TRY(glass_token_stream_create(&stream, c->trace->tokenizer, 0));
    glass_status status = buf_reserve(&text, 1);
    for (int64_t i = 0; status == GLASS_OK && i < c->n; i++) {
        c->bytes[i] = text.len;
        status = glass_token_stream_push(stream, c->ids[i], &part, &n_part);
        if (status == GLASS_OK) status = buf_append(&text, part, n_part);
    }
    if (status == GLASS_OK) status = glass_token_stream_finish(stream, &part, &n_part);
    if (status == GLASS_OK) status = buf_append(&text, part, n_part);
    if (status == GLASS_OK) {
        c->bytes[c->n] = text.len;
        c->x->r.n_bytes = text.len;
        status = take_text(c->x, &c->x->r.text, text.data, text.len);
    }
    glass_token_stream_free(stream);
    buf_free(&text);
    return status;
}

static glass_status encode(struct tracing *c, const char *text, size_t n_bytes) {
    const glass_tokenizer *t = c->trace->tokenizer;
    int32_t *prompt = NULL;
    int64_t n_prompt = 0;
    TRY(glass_tokenizer_encode(t, &c->ids, &c->n, text, n_bytes, 0));
    TRY(trace_symbols(&c->symbols, c->ids, c->n));
    if (c->o.prompt != NULL)
        TRY(glass_tokenizer_encode(t, &prompt, &n_prompt, c->o.prompt, c->o.n_prompt, 0));
    glass_status status = mem_alloc(&c->query, (size_t)(n_prompt + c->n), sizeof *c->query);
    for (int64_t i = 0; status == GLASS_OK && i < n_prompt; i++)
        c->query[i] = prompt[i] + 1;
    if (status == GLASS_OK && c->n > 0)
        memcpy(c->query + n_prompt, c->symbols, (size_t)c->n * sizeof *c->query);
    c->n_query = n_prompt + c->n;
    glass_free(prompt);
    return status;
}

static int by_probability(const void *a, const void *b) {
    const glass_trace_span *x = a, *y = b;
    if (x->log2_probability != y->log2_probability)
        return x->log2_probability < y->log2_probability ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

/* The least likely spans, where they stand, and how often. */
static glass_status choose_spans(struct tracing *c) {
    const struct trace_index *t = &c->trace->index;
    glass_trace_result *r = &c->x->r;
    int64_t n, end = 0;
    TRY(find_spans(t, &c->spans, &n, c->symbols, c->n, c->o.least));
    for (int64_t i = 0; i < n; i++) { /* in the text's order still */
        int64_t from = c->spans[i].first, to = from + c->spans[i].n;
        r->n_covered += to - (from > end ? from : end);
        end = to;
    }
    if (n > 0) qsort(c->spans, (size_t)n, sizeof *c->spans, by_probability);
    r->n_spans_all = n;
    r->n_spans = c->o.n_spans >= 0 && c->o.n_spans < n ? c->o.n_spans : n;
    TRY(mem_alloc(&c->ranges, (size_t)(r->n_spans * t->h.n_segments), sizeof *c->ranges));
    TRY(find_ranges(t, c->ranges, c->spans, r->n_spans, c->symbols));
    for (int64_t i = 0; i < r->n_spans; i++) {
        glass_trace_span *s = &c->spans[i];
        s->count = trace_range_count(t, c->ranges + i * t->h.n_segments);
        s->n_places = s->count < c->o.n_places ? s->count : c->o.n_places;
        s->begin = c->bytes[s->first];
        s->end = c->bytes[s->first + s->n];
        c->n_places += s->n_places;
    }
    return GLASS_OK;
}

/* ---- places ---- */

/* "train-0:77" of train-0.safetensors. */
static glass_status name_document(struct tracing *c, glass_trace_place *p) {
    static const char ending[] = ".safetensors";
    size_t n = strlen(p->shard), cut = sizeof ending - 1;
    struct buf name = {0};
    if (n > cut && strcmp(p->shard + n - cut, ending) == 0) n -= cut;
    glass_status status =
        buf_printf(&name, "%.*s:%lld", (int)n, p->shard, (long long)p->in_shard);
    if (status == GLASS_OK) status = take_text(c->x, &p->name, name.data, name.len);
    buf_free(&name);
    return status;
}

/* Place k of n that stand evenly among the span's occurrences. */
static glass_status locate(struct tracing *c, int64_t span, int64_t k, int64_t at) {
    const struct trace_index *t = &c->trace->index;
    const glass_trace_span *s = &c->spans[span];
    glass_trace_place *p = &c->places[at];
    struct trace_window *w = &c->windows[at];
    int64_t symbol, begin, end;
    int64_t i =
        (int64_t)((unsigned __int128)k * (uint64_t)s->count / (uint64_t)s->n_places);
    TRY(trace_occurrence(t, c->ranges + span * t->h.n_segments, i, &symbol));
    TRY(trace_document_of(t, symbol, &p->at.document));
    TRY(trace_document(t, p->at.document, &begin, &end));
    if (symbol + s->n > end) return trace_damaged(t, "a match across documents");
    p->at.offset = symbol - begin;
    const struct trace_shard *shard = &t->shards[trace_shard_of(t, p->at.document)];
    p->in_shard = p->at.document - shard->document;
    p->shard = shard->name;
    w->begin = symbol - WINDOW > begin ? symbol - WINDOW : begin;
    w->end = symbol + s->n + WINDOW < end ? symbol + s->n + WINDOW : end;
    return GLASS_OK;
}

/* Symbols begin … end - 1 as text. */
static glass_status text_of(struct tracing *c, const char **out, int64_t begin, int64_t end,
                            bool goes_on) {
    const struct trace_index *t = &c->trace->index;
    const uint8_t *symbols = t->data + t->h.offsets[TRACE_SYMBOLS];
    int32_t *ids;
    char *text;
    size_t n_bytes;
    TRY(mem_alloc(&ids, (size_t)(end - begin), sizeof *ids));
    for (int64_t i = begin; i < end; i++)
        ids[i - begin] = trace_symbol(symbols, t->h.symbol_bytes, i) - 1;
    glass_status status = glass_tokenizer_decode(c->trace->tokenizer, &text, &n_bytes, ids,
                                                 end - begin, goes_on ? GLASS_CONTINUE : 0);
    mem_free(ids);
    if (status != GLASS_OK) return trace_damaged(t, "a token");
    status = take_text(c->x, out, text, n_bytes);
    glass_free(text);
    return status;
}

static glass_status reads_of(struct tracing *c, glass_trace_place *p, int64_t n) {
    const struct trace_index *t = &c->trace->index;
    int64_t shard = trace_shard_of(t, p->at.document), begin, end, first, unused;
    glass_trace_read *reads = NULL, *kept;
    TRY(trace_document(t, p->at.document, &begin, &end));
    TRY(trace_document(t, t->shards[shard].document, &first, &unused));
    /* In the shard no 0 stands behind each document. */
    int64_t from = begin - first - p->in_shard;
    const struct trace_stretch stretch = {.shard = shard,
                                          .document = p->in_shard,
                                          .from = from,
                                          .to = from + (end - begin),
                                          .begin = from + p->at.offset,
                                          .end = from + p->at.offset + n};
    TRY(trace_run_reads(&c->trace->run, &c->trace->places, &stretch, c->o.n_reads, &reads,
                        &p->n_reads, &p->n_reads_all));
    glass_status status = take(c->x, &kept, (size_t)p->n_reads, sizeof *kept);
    if (status == GLASS_OK && p->n_reads > 0)
        memcpy(kept, reads, (size_t)p->n_reads * sizeof *kept);
    if (status == GLASS_OK) p->reads = kept;
    mem_free(reads);
    return status;
}

/* What is told of a place besides where it is. */
static glass_status describe(struct tracing *c, glass_trace_place *p, int64_t n) {
    const struct trace_index *t = &c->trace->index;
    int64_t begin, end;
    TRY(trace_document(t, p->at.document, &begin, &end));
    int64_t at = begin + p->at.offset, around = c->o.n_around;
    TRY(name_document(c, p));
    TRY(text_of(c, &p->before, at - around > begin ? at - around : begin, at, false));
    TRY(text_of(c, &p->span, at, at + n, true));
    TRY(text_of(c, &p->after, at + n, at + n + around < end ? at + n + around : end, true));
    int64_t shard = trace_shard_of(t, p->at.document);
    TRY(trace_records_get(&p->record, c->trace->records, shard, p->in_shard, take_text,
                          c->x));
    if (!c->trace->of_run) return GLASS_OK;
    const char *file = c->trace->run.recipe.data[shard].file;
    if (p->record.origin == NULL)
        TRY(take_text(c->x, &p->record.origin, file, strlen(file)));
    return reads_of(c, p, n);
}

static int by_relevance(const void *a, const void *b) {
    const glass_trace_place *x = a, *y = b;
    if (x->relevance != y->relevance) return x->relevance > y->relevance ? -1 : 1;
    if (x->at.document != y->at.document) return x->at.document < y->at.document ? -1 : 1;
    return (x->at.offset > y->at.offset) - (x->at.offset < y->at.offset);
}

static glass_status find_places(struct tracing *c) {
    glass_trace_result *r = &c->x->r;
    int64_t at = 0;
    TRY(take(c->x, &c->places, (size_t)c->n_places, sizeof *c->places));
    TRY(mem_alloc(&c->windows, (size_t)c->n_places, sizeof *c->windows));
    for (int64_t i = 0; i < r->n_spans; i++)
        for (int64_t k = 0; k < c->spans[i].n_places; k++) TRY(locate(c, i, k, at++));
    TRY(trace_rank(&c->trace->index, c->windows, c->n_places, c->query, c->n_query));
    for (int64_t i = 0; i < c->n_places; i++) c->places[i].relevance = c->windows[i].score;
    at = 0;
    for (int64_t i = 0; i < r->n_spans; i++) {
        glass_trace_span *s = &c->spans[i];
        s->places = c->places + at;
        if (s->n_places > 0)
            qsort(c->places + at, (size_t)s->n_places, sizeof *c->places, by_relevance);
        for (int64_t k = 0; k < s->n_places; k++)
            TRY(describe(c, &c->places[at + k], s->n));
        at += s->n_places;
    }
    return GLASS_OK;
}

/* ---- documents ---- */

/* A place and the span it is of, to be gathered by document. */
struct mention {
    const glass_trace_place *place;
    int64_t span;
};

static int by_document(const void *a, const void *b) {
    const struct mention *x = a, *y = b;
    if (x->place->at.document != y->place->at.document)
        return x->place->at.document < y->place->at.document ? -1 : 1;
    return (x->span > y->span) - (x->span < y->span);
}

static int by_best(const void *a, const void *b) {
    return by_relevance(((const glass_trace_document *)a)->best,
                        ((const glass_trace_document *)b)->best);
}

static glass_status gather_documents(struct tracing *c) {
    glass_trace_result *r = &c->x->r;
    struct mention *list;
    glass_trace_document *documents;
    int64_t n = 0;
    TRY(take(c->x, &documents, (size_t)c->n_places, sizeof *documents));
    TRY(mem_alloc(&list, (size_t)c->n_places, sizeof *list));
    for (int64_t i = 0; i < r->n_spans; i++)
        for (int64_t k = 0; k < c->spans[i].n_places; k++)
            list[n++] = (struct mention){&c->spans[i].places[k], i};
    if (n > 0) qsort(list, (size_t)n, sizeof *list, by_document);
    for (int64_t i = 0; i < n; i++) {
        const glass_trace_place *p = list[i].place;
        bool first = i == 0 || list[i - 1].place->at.document != p->at.document;
        if (first) documents[r->n_documents++].document = p->at.document;
        glass_trace_document *d = &documents[r->n_documents - 1];
        if (first || by_relevance(p, d->best) < 0) d->best = p;
        d->n_spans += first || list[i - 1].span != list[i].span;
    }
    if (r->n_documents > 0)
        qsort(documents, (size_t)r->n_documents, sizeof *documents, by_best);
    r->documents = documents;
    mem_free(list);
    return GLASS_OK;
}

/* ---- the whole ---- */

static void defaults(glass_trace_options *o, int64_t n) {
    if (o->least < 1) o->least = LEAST;
    if (o->n_spans == 0) o->n_spans = n / 20 > LEAST_SPANS ? n / 20 : LEAST_SPANS;
    if (o->n_places < 1) o->n_places = PLACES;
    if (o->n_around < 1) o->n_around = AROUND;
    if (o->n_reads == 0) o->n_reads = READS;
}

static glass_status trace_it(struct tracing *c, const char *text, size_t n_bytes) {
    TRY(encode(c, text, n_bytes));
    defaults(&c->o, c->n);
    c->x->r.n_tokens = c->n;
    TRY(spell(c));
    TRY(choose_spans(c));
    TRY(find_places(c));
    TRY(gather_documents(c));
    glass_trace_span *spans;
    TRY(take(c->x, &spans, (size_t)c->x->r.n_spans, sizeof *spans));
    memcpy(spans, c->spans, (size_t)c->x->r.n_spans * sizeof *spans);
    c->x->r.spans = spans;
    return GLASS_OK;
}

glass_status glass_trace_text(glass_trace_result **out, const glass_trace *trace,
                              const char *text, size_t n_bytes,
                              const glass_trace_options *options) {
    struct tracing c = {.trace = trace};
    *out = NULL;
    if (options != NULL) c.o = *options;
    TRY(mem_alloc_zero(&c.x, 1, sizeof *c.x));
    glass_status status = trace_it(&c, text, n_bytes);
    glass_free(c.ids);
    mem_free(c.symbols);
    mem_free(c.query);
    mem_free(c.spans);
    mem_free(c.ranges);
    mem_free(c.windows);
    if (status == GLASS_OK)
        *out = &c.x->r;
    else
        glass_trace_result_free(&c.x->r);
    return status;
}
