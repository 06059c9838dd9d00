/* order.h - in which order a run sees its samples: a permutation for each epoch, without state.
 *
 * A Feistel network of eight rounds over the smallest even number of bits that holds n, its round
 * function Philox4x32-10 keyed by the seed; a result that is not below n goes through it again
 * (cycle walking), which keeps it a permutation. Any element at any time, by anyone. */
#ifndef TRAIN_ORDER_H
#define TRAIN_ORDER_H

#include <stdint.h>

/* The sample at place i of this epoch; i < n, 0 < n < 2^62. */
uint64_t order_at(uint64_t seed, uint64_t epoch, uint64_t i, uint64_t n);
/* The place of sample x: order_at(seed, epoch, order_place(seed, epoch, x, n), n) == x < n. */
uint64_t order_place(uint64_t seed, uint64_t epoch, uint64_t x, uint64_t n);

#endif
