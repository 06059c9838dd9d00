/* philox.h - Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011): a random number is a function of key and counter, so there is no state to lose,
 * and any element of a stream can be had at any time, by anyone. */
#ifndef MATH_PHILOX_H
#define MATH_PHILOX_H

#include <stdint.h>

/* Four words for a counter and a key. */
void philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
/* Element i of the stream (seed, stream): a multiple of 2^-24 in [0, 1). The key is the
 * seed; the counter is {i low, i high, stream low, stream high}; the first word's top 24
 * bits. */
float philox_uniform(uint64_t seed, uint64_t stream, uint64_t i);
/* Element i of the same stream as a normal number, mean 0, deviation 1, by Box and Muller's
 * transform of the first two words' top 24 bits a and b, each step one rounding:
 * sqrt(-2 log((a + 1) 2^-24)) * cos(6.2831855 * (b 2^-24)). At most 5.7681 in size. */
float philox_normal(uint64_t seed, uint64_t stream, uint64_t i);
/* y[j] = philox_normal(seed, stream, first + j), faster. */
void philox_normals(float *y, int64_t n, uint64_t seed, uint64_t stream, uint64_t first);

#endif
