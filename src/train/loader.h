/* loader.h - a run's samples: windows of `context` rows of its shards, in the order of order.h.
 *
 * A source of W windows (an incomplete last one is left out) and weight w has round(w W) places
 * in each epoch, at least one; its windows take those places in turn, going on from epoch to
 * epoch. So sample g of a run is window (source, index) by arithmetic alone, and the loader's whole
 * state is g, which is epoch * places + place. */
#ifndef TRAIN_LOADER_H
#define TRAIN_LOADER_H

#include "train/shard.h"
#include "train/trainer.h"

struct loader {
    const struct shard *shards; /* (n_shards) borrowed */
    int64_t n_shards;
    int64_t *places; /* (n_shards) in an epoch */
    int64_t n_places;
    int64_t context;
    uint64_t seed;
    int64_t n_rows_most, n_segments_most; /* of a batch of n_sequences */
    /* The batch that was filled last. */
    int32_t *ids, *targets;
    float *weights; /* NULL: no shard leaves documents out */
    struct attn_rows *segments;
    struct micro_batch batch;
};

/* Of batches of at most n_sequences windows. GLASS_BAD_INPUT: a shard holds no window. */
glass_status loader_create(struct loader *out, const struct shard *shards, int64_t n_shards,
                           const struct recipe *r, const struct shard *held_out);
void loader_clear(struct loader *l);

/* Where sample g is: a number for the window, the same whenever it is the same text: windows
 * count through all shards. */
int64_t loader_window(const struct loader *l, int64_t sample);
/* Fills l->batch with the windows of samples first … first + n - 1. */
void loader_samples(struct loader *l, int64_t first, int64_t n);
/* How many rows of those samples weigh nothing, as their documents are left out. */
int64_t loader_left_out(const struct loader *l, int64_t first, int64_t n);
/* Fills l->batch with rows of any shard: row … row + n - 1, cut at multiples of context. */
void loader_rows(struct loader *l, const struct shard *s, int64_t row, int64_t n);
/* The same in parts: rows of one document, at most `context`, behind what is there; false if
 * there is no room for them. */
void loader_begin(struct loader *l);
bool loader_add(struct loader *l, const struct shard *s, int64_t row, int64_t n);

#endif
