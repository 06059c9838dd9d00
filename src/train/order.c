/* order.c - see order.h. */
#include "train/order.h"

#include "math/philox.h"

enum { ROUNDS = 8 };

/* A round's function, without the mask. */
static uint64_t mix(uint64_t seed, uint64_t epoch, uint64_t half, uint32_t round) {
    /* "orde": another key than that of the seed's other streams. */
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32) ^ 0x6f726465u};
    const uint32_t counter[4] = {(uint32_t)half, round, (uint32_t)epoch,
                                 (uint32_t)(epoch >> 32)};
    uint32_t out[4];
    philox4x32(out, counter, key);
    return out[0];
}

static uint64_t pass(uint64_t seed, uint64_t epoch, uint64_t x, int half_bits) {
    uint64_t mask = ((uint64_t)1 << half_bits) - 1;
    uint64_t left = x >> half_bits, right = x & mask;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t next = left ^ (mix(seed, epoch, right, round) & mask);
        left = right;
        right = next;
    }
    return left << half_bits | right;
}

/* The rounds from the last to the first. */
static uint64_t pass_back(uint64_t seed, uint64_t epoch, uint64_t x, int half_bits) {
    uint64_t mask = ((uint64_t)1 << half_bits) - 1;
    uint64_t left = x >> half_bits, right = x & mask;
    for (uint32_t round = ROUNDS; round-- > 0;) {
        uint64_t before = right ^ (mix(seed, epoch, left, round) & mask);
        right = left;
        left = before;
    }
    return left << half_bits | right;
}

static int half_bits_of(uint64_t n) {
    int half_bits = 1;
    while ((uint64_t)1 << (2 * half_bits) < n) half_bits++;
    return half_bits;
}

uint64_t order_at(uint64_t seed, uint64_t epoch, uint64_t i, uint64_t n) {
    int half_bits = half_bits_of(n);
    do i = pass(seed, epoch, i, half_bits);
    while (i >= n);
    return i;
}

uint64_t order_place(uint64_t seed, uint64_t epoch, uint64_t x, uint64_t n) {
    int half_bits = half_bits_of(n);
    do x = pass_back(seed, epoch, x, half_bits);
    while (x >= n);
    return x;
}
