/* weights_hash.h - the weights of a run in one digest, from which a difference is found by name.
 *
 * A tree of SHA-256: blocks of 2^20 bytes of a tensor's binary32 values, little-endian; a tensor
 * is its name, a newline, "N K", a newline and the digests of its blocks; the root is the digests
 * of the tensors in the registry's order. A ledger tells the blocks' digests too, tensor by tensor. */
#ifndef TRAIN_WEIGHTS_HASH_H
#define TRAIN_WEIGHTS_HASH_H

#include "train/params.h"

enum { WEIGHTS_BLOCK = 1 << 20 };

/* How many blocks all tensors have. */
int64_t weights_n_blocks(const struct params *p);
/* The tensor of block i of all, and which of its own blocks that is. */
const struct param *weights_block(const struct params *p, int64_t i, int64_t *block);

/* digests: (n_list + weights_n_blocks, 32), those of the tensors and then those of the blocks. */
glass_status weights_hash(uint8_t root[32], uint8_t *digests, const struct params *p,
                          int n_threads);

#endif
