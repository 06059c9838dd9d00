/* left_out.h - shards that leave documents out: for training as if these had not been there.
 *
 * Such a shard has as many tokens, documents and windows as the one that it was made of, so that
 * every other document stands where it stood. Of a document that is left out each token is the
 * one that ends documents, and its rows weigh nothing: no loss, so no gradient comes of
 * them, and as attention does not cross documents, no other row sees them. What stays of it is
 * how many tokens it had, and the SHA-256 of these, by which it is named. */
#ifndef TRAIN_LEFT_OUT_H
#define TRAIN_LEFT_OUT_H

#include "train/shard.h"

/* Of a shard's file, whose other tensors are there already. GLASS_BAD_INPUT: not ascending, or
 * there are no such documents. */
glass_status left_out_read(struct shard *s, const char *path);
/* The k-th, of n_left_out. */
int64_t left_out_at(const struct shard *s, int64_t k);
bool left_out_is(const struct shard *s, int64_t document);
/* How many of the rows row … row + n - 1 are of such documents. */
int64_t left_out_rows(const struct shard *s, int64_t row, int64_t n);
/* Weights of those rows: 0 and 1. */
void left_out_weights(const struct shard *s, int64_t row, int64_t n, float *weights);

/* SHA-256 of a document's tokens as 32-bit numbers, little-endian. */
glass_status left_out_digest(uint8_t sha256[32], const struct shard *s, int64_t document);
/* What is left out of a run's shards, under one name: SHA-256 of the text
 *
 *   glass without 1\n
 *   shard I document D tokens HEX\n      for each, in order
 *
 * *any is false, and root zeros, where nothing is. */
glass_status left_out_root(uint8_t root[32], bool *any, const struct shard *shards,
                           int64_t n_shards);

/* Writes s as a shard that leaves these (n, ascending) out; what else its file says stays, and
 * "of" is the SHA-256 of that file. digests: (n, 32) of left_out_digest. blank: the token that
 * ends documents. */
glass_status left_out_write(const struct shard *s, const char *path,
                            const int64_t *documents, const uint8_t *digests, int64_t n,
                            int32_t blank);
/* GLASS_NEGATIVE: document d, which s leaves out, is another one than document `at` of the
 * other. */
glass_status left_out_same(const struct shard *s, int64_t d, const struct shard *other,
                           int64_t at);
/* GLASS_NEGATIVE: s is not the whole shard without what it leaves out. */
glass_status left_out_compare(const struct shard *s, const struct shard *whole);

#endif
