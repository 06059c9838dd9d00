/* loader.c - see loader.h. */
#include "train/loader.h"

#include "base/mem.h"
#include "train/left_out.h"
#include "train/order.h"

#include <math.h>

static glass_status count_places(struct loader *l, const struct recipe *r) {
    TRY(mem_alloc(&l->places, (size_t)l->n_shards, sizeof *l->places));
    for (int64_t i = 0; i < l->n_shards; i++) {
        int64_t windows = l->shards[i].n_rows / l->context;
        if (windows == 0)
            return fail(
                GLASS_BAD_INPUT,
                "%s: %lld tokens to learn from, fewer than one context of %lld: give "
                "more text, or a shorter context",
                r->data[i].file, (long long)l->shards[i].n_rows, (long long)l->context);
        double places = round(r->data[i].weight * (double)windows);
        if (places > 1e15)
            return fail(GLASS_BAD_INPUT, "%s: a weight of %g is too much", r->data[i].file,
                        r->data[i].weight);
        l->places[i] = places < 1 ? 1 : (int64_t)places;
        l->n_places += l->places[i];
    }
    return GLASS_OK;
}

glass_status loader_create(struct loader *out, const struct shard *shards, int64_t n_shards,
                           const struct recipe *r, const struct shard *held_out) {
    glass_status status;
    int64_t most = 1;
    *out = (struct loader){.shards = shards,
                           .n_shards = n_shards,
                           .context = r->context,
                           .seed = (uint64_t)r->seed};
    TRY_FAIL(count_places(out, r));
    for (int64_t i = 0; i <= n_shards; i++) {
        const struct shard *s = i < n_shards ? &shards[i] : held_out;
        int64_t n = s == NULL ? 0 : shard_most_segments(s, r->context);
        if (n > most) most = n;
    }
    out->n_rows_most = r->context * r->micro;
    out->n_segments_most = most * r->micro;
    TRY_FAIL(mem_alloc(&out->ids, (size_t)out->n_rows_most, sizeof *out->ids));
    TRY_FAIL(mem_alloc(&out->targets, (size_t)out->n_rows_most, sizeof *out->targets));
    TRY_FAIL(
        mem_alloc(&out->segments, (size_t)out->n_segments_most, sizeof *out->segments));
    bool any = false;
    for (int64_t i = 0; i < n_shards; i++) any |= shards[i].n_left_out > 0;
    if (any)
        TRY_FAIL(mem_alloc(&out->weights, (size_t)out->n_rows_most, sizeof *out->weights));
    return GLASS_OK;
fail:
    loader_clear(out);
    return status;
}

void loader_clear(struct loader *l) {
    mem_free(l->places);
    mem_free(l->ids);
    mem_free(l->targets);
    mem_free(l->segments);
    mem_free(l->weights);
    *l = (struct loader){0};
}

/* Shard and window of sample g. */
static const struct shard *find(const struct loader *l, int64_t sample, int64_t *window,
                                int64_t *before) {
    int64_t epoch = sample / l->n_places, i = 0;
    int64_t place = (int64_t)order_at(
        l->seed, (uint64_t)epoch, (uint64_t)(sample % l->n_places), (uint64_t)l->n_places);
    *before = 0;
    for (; place >= l->places[i]; i++) {
        place -= l->places[i];
        *before += l->shards[i].n_rows / l->context;
    }
    int64_t windows = l->shards[i].n_rows / l->context;
    /* (epoch places + place) mod windows, without the product. */
    int64_t start =
        (int64_t)((unsigned __int128)epoch * (uint64_t)l->places[i] % (uint64_t)windows);
    *window = (start + place) % windows;
    return &l->shards[i];
}

int64_t loader_window(const struct loader *l, int64_t sample) {
    int64_t window, before;
    find(l, sample, &window, &before);
    return before + window;
}

void loader_begin(struct loader *l) {
    l->batch =
        (struct micro_batch){.ids = l->ids, .targets = l->targets, .segments = l->segments};
}

static void add(struct loader *l, const struct shard *s, int64_t row, int64_t n) {
    shard_rows(s, row, n, l->ids + l->batch.T, l->targets + l->batch.T, l->segments,
               &l->batch.n_segments, l->batch.T);
    l->batch.T += n;
}

bool loader_add(struct loader *l, const struct shard *s, int64_t row, int64_t n) {
    if (l->batch.T + n > l->n_rows_most || l->batch.n_segments == l->n_segments_most)
        return false;
    add(l, s, row, n);
    return true;
}

void loader_samples(struct loader *l, int64_t first, int64_t n) {
    loader_begin(l);
    for (int64_t i = 0; i < n; i++) {
        int64_t window, before;
        const struct shard *s = find(l, first + i, &window, &before);
        if (l->weights != NULL)
            left_out_weights(s, window * l->context, l->context, l->weights + l->batch.T);
        add(l, s, window * l->context, l->context);
    }
    l->batch.weights = l->weights;
}

int64_t loader_left_out(const struct loader *l, int64_t first, int64_t n) {
    int64_t count = 0, window, before;
    for (int64_t i = 0; i < n; i++) {
        const struct shard *s = find(l, first + i, &window, &before);
        count += left_out_rows(s, window * l->context, l->context);
    }
    return count;
}

void loader_rows(struct loader *l, const struct shard *s, int64_t row, int64_t n) {
    loader_begin(l);
    while (n > 0) {
        int64_t take = n < l->context ? n : l->context;
        add(l, s, row, take);
        row += take;
        n -= take;
    }
}
