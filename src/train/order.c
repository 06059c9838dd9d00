/* order.c - see order.h. */
#include "train/order.h"

#include "math/philox.h"

enum { ROUNDS = 8 };

static uint64_t pass(uint64_t seed, uint64_t epoch, uint64_t x, int half_bits) {
    uint64_t mask = ((uint64_t)1 << half_bits) - 1;
    uint64_t left = x >> half_bits, right = x & mask;
    /* "orde": another key than that of the seed's other streams. */
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32) ^ 0x6f726465u};
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint32_t counter[4] = {(uint32_t)right, round, (uint32_t)epoch,
                                     (uint32_t)(epoch >> 32)};
        uint32_t out[4];
        philox4x32(out, counter, key);
        uint64_t next = left ^ (out[0] & mask);
        left = right;
        right = next;
    }
    return left << half_bits | right;
}

uint64_t order_at(uint64_t seed, uint64_t epoch, uint64_t i, uint64_t n) {
    int half_bits = 1;
    while ((uint64_t)1 << (2 * half_bits) < n) half_bits++;
    do i = pass(seed, epoch, i, half_bits);
    while (i >= n);
    return i;
}
