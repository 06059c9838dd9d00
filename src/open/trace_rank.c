/* trace_rank.c - how much the text around a place has to do with what was asked: Okapi BM25
 * (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009) with
 * tokens for words. What is rare is judged by the tokens' frequencies in all the texts, not by
 * the few windows that are compared. */
#include "open/trace_parts.h"

#include <math.h>

#define K1 1.2
#define B  0.75

/* The distinct symbols of the query, with their weights. */
struct terms {
    uint16_t *of; /* (n_symbols) number of a term + 1, 0 = none */
    double *weights;
    int32_t *counts; /* of the window at hand */
    int64_t n;
};

static void terms_clear(struct terms *x) {
    mem_free(x->of);
    mem_free(x->weights);
    mem_free(x->counts);
}

static glass_status terms_make(struct terms *x, const struct trace_index *t,
                               const int32_t *query, int64_t n_query) {
    double n_tokens = (double)(t->h.n - t->h.n_documents);
    size_t most = n_query < UINT16_MAX - 1 ? (size_t)n_query : UINT16_MAX - 1;
    TRY(mem_alloc_zero(&x->of, t->h.n_symbols, sizeof *x->of));
    TRY(mem_alloc(&x->weights, most, sizeof *x->weights));
    TRY(mem_alloc_zero(&x->counts, most, sizeof *x->counts));
    for (int64_t i = 0; i < n_query && x->n < (int64_t)most; i++) {
        int64_t count = trace_symbol_count(t, query[i]);
        if (count == 0 || x->of[query[i]] != 0) continue;
        x->weights[x->n] = log1p(n_tokens / (double)count);
        x->of[query[i]] = (uint16_t)++x->n;
    }
    return GLASS_OK;
}

static double score(struct terms *x, const struct trace_index *t,
                    const struct trace_window *w, double mean) {
    const uint8_t *symbols = t->data + t->h.offsets[TRACE_SYMBOLS];
    double sum = 0, length = (double)(w->end - w->begin);
    double base = K1 * (1 - B + B * length / mean);
    for (int64_t i = w->begin; i < w->end; i++) {
        int32_t symbol = trace_symbol(symbols, t->h.symbol_bytes, i);
        int32_t term = (uint32_t)symbol < t->h.n_symbols ? x->of[symbol] : 0;
        if (term > 0) x->counts[term - 1]++;
    }
    for (int64_t i = 0; i < x->n; i++) {
        double count = x->counts[i];
        sum += x->weights[i] * count * (K1 + 1) / (count + base);
        x->counts[i] = 0;
    }
    return sum;
}

glass_status trace_rank(const struct trace_index *t, struct trace_window *windows,
                        int64_t n_windows, const int32_t *query, int64_t n_query) {
    struct terms x = {0};
    double total = 0;
    for (int64_t i = 0; i < n_windows; i++)
        total += (double)(windows[i].end - windows[i].begin);
    glass_status status = terms_make(&x, t, query, n_query);
    for (int64_t i = 0; status == GLASS_OK && i < n_windows; i++)
        windows[i].score = score(&x, t, &windows[i], total / (double)n_windows);
    terms_clear(&x);
    return status;
}
