/* philox.h - Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011): a random number is a function of key and counter, so there is no state to lose. */
#ifndef MATH_PHILOX_H
#define MATH_PHILOX_H

#include <stdint.h>

/* Four words for a counter and a key. */
void philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
/* Element i of the stream (seed, stream): a multiple of 2^-24 in [0, 1). The key is the seed;
 * the counter is {i low, i high, stream low, stream high}; the first word's top 24 bits. */
float philox_uniform(uint64_t seed, uint64_t stream, uint64_t i);

#endif
