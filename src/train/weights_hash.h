/* weights_hash.h - the weights of a run in one digest, from which a difference is found by name.
 *
 * A tree of SHA-256: blocks of 2^20 bytes of a tensor's binary32 values, little-endian; a tensor
 * is its name, a newline, "N K", a newline and the digests of its blocks; the root is the digests
 * of the tensors in the registry's order. */
#ifndef TRAIN_WEIGHTS_HASH_H
#define TRAIN_WEIGHTS_HASH_H

#include "train/params.h"

/* tensors: (n_list, 32) */
glass_status weights_hash(uint8_t root[32], uint8_t *tensors, const struct params *p,
                          int n_threads);

#endif
