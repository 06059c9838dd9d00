/* attn_ahead.h - what attention's kernels fetch ahead of need where few rows read a cache: the
 * same block's keys, or, at its end, those of the block that comes next, which in a cache of
 * pages lies where the processor does not expect it. */
#ifndef MATH_X86_ATTN_AHEAD_H
#define MATH_X86_ATTN_AHEAD_H

#include "math/attn_layout.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AHEAD_TILES = 4,  /* keys that are fetched ahead: tiles, for the scores */
    AHEAD_KEYS = 128, /* and keys, for the values */
    AHEAD_FROM = ATTN_BLOCK - AHEAD_KEYS /* the key whose AHEAD_KEYS begin the next block */
};

/* Brings the line at p + ahead near; ahead may be what wraps around to another array. Always
 * inline: gcc takes a function that only fetches for one without effects, and leaves it out. */
static inline __attribute__((always_inline)) void ahead_fetch(const uint8_t *p,
                                                              size_t ahead) {
    _mm_prefetch((const char *)((uintptr_t)p + ahead), _MM_HINT_T0);
}

/* How far from the tiles before tile t of a block of keys the ones lie that are to be fetched
 * with them; 0 if there is none. */
static inline size_t ahead_of_tile(const uint8_t *k, const uint8_t *next, size_t tile_bytes,
                                   int64_t t) {
    const size_t ahead = AHEAD_TILES * tile_bytes;
    if (t + AHEAD_TILES <= ATTN_BLOCK / ATTN_TILE) return ahead;
    if (next == NULL) return 0;
    return ahead + ((uintptr_t)next - (uintptr_t)k - ATTN_BLOCK / ATTN_TILE * tile_bytes);
}

/* The same from key j of a panel of values, and from those after it up to AHEAD_FROM or, if it
 * is not before that, the block's end. A panel has tile_bytes for 16 keys. */
static inline size_t ahead_of_key(const uint8_t *v, const uint8_t *next, size_t tile_bytes,
                                  int64_t j) {
    if (j < AHEAD_FROM) return AHEAD_KEYS / ATTN_TILE * tile_bytes;
    if (next == NULL) return 0;
    return (uintptr_t)next - (uintptr_t)v - AHEAD_FROM / ATTN_TILE * tile_bytes;
}

#endif
