/* merkle.h - a hash tree over leaves in order, with proofs (RFC 6962, section 2.1).
 *
 * Leaves are hashed with 0x00 in front, inner nodes with 0x01; a tree of n leaves splits at the
 * largest power of two below n. Leaves come one at a time; nothing is held but 64 nodes. */
#ifndef DATA_MERKLE_H
#define DATA_MERKLE_H

#include "base/hash.h"

enum { MERKLE_LEVELS = 64 };

struct merkle {
    uint64_t n;
    uint8_t nodes[MERKLE_LEVELS][32]; /* complete trees, one per bit of n, largest first */
};

/* An audit path: the siblings from the leaf up. */
struct merkle_path {
    int n;
    uint8_t nodes[MERKLE_LEVELS][32];
};

/* One pass over all leaves that gathers the path of leaf `at` of `n`. */
struct merkle_trail {
    uint64_t at, n, seen;
    int n_parts;
    struct { /* what is hashed into one sibling: leaves first … first + n - 1 */
        uint64_t first, n;
        struct merkle tree;
    } parts[MERKLE_LEVELS];
    uint8_t leaf[32];
};

/* A document's leaf. */
glass_status merkle_leaf(uint8_t leaf[32], const uint8_t content[32],
                         const uint8_t record[32]);
glass_status merkle_add(struct merkle *m, const uint8_t leaf[32]);
/* The hash of the leaves so far; that of no leaves is SHA-256 of nothing. */
glass_status merkle_top(uint8_t top[32], const struct merkle *m);
/* What a corpus is named by: the number of leaves, and the tree's top. */
glass_status merkle_root(uint8_t root[32], uint64_t n, const uint8_t top[32]);

/* at < n. */
void merkle_trail_begin(struct merkle_trail *t, uint64_t at, uint64_t n);
/* All n leaves, in order. */
glass_status merkle_trail_add(struct merkle_trail *t, const uint8_t leaf[32]);
glass_status merkle_trail_path(struct merkle_path *out, const struct merkle_trail *t);
/* The tree's top as leaf and path give it; GLASS_BAD_INPUT if the path has not the length that
 * `at` of `n` has. */
glass_status merkle_climb(uint8_t top[32], const uint8_t leaf[32], uint64_t at, uint64_t n,
                          const struct merkle_path *path);

#endif
