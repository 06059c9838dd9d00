/* merkle.c - see merkle.h. */
#include "data/merkle.h"

#include <string.h>

static glass_status join(uint8_t out[32], const uint8_t left[32], const uint8_t right[32]) {
    uint8_t bytes[65] = {1};
    memcpy(bytes + 1, left, 32);
    memcpy(bytes + 33, right, 32);
    return sha256_bytes(out, bytes, sizeof bytes);
}

glass_status merkle_leaf(uint8_t leaf[32], const uint8_t content[32],
                         const uint8_t record[32]) {
    uint8_t bytes[65] = {0};
    memcpy(bytes + 1, content, 32);
    memcpy(bytes + 33, record, 32);
    return sha256_bytes(leaf, bytes, sizeof bytes);
}

glass_status merkle_add(struct merkle *m, const uint8_t leaf[32]) {
    uint8_t node[32];
    int top = __builtin_popcountll(m->n);
    memcpy(node, leaf, 32);
    /* Every low one bit is a complete tree as large as the one that is carried. */
    for (uint64_t bits = m->n; bits & 1; bits >>= 1) TRY(join(node, m->nodes[--top], node));
    memcpy(m->nodes[top], node, 32);
    m->n++;
    return GLASS_OK;
}

glass_status merkle_top(uint8_t top[32], const struct merkle *m) {
    int n = __builtin_popcountll(m->n);
    if (n == 0) return sha256_bytes(top, "", 0);
    memcpy(top, m->nodes[n - 1], 32);
    for (int i = n - 2; i >= 0; i--) TRY(join(top, m->nodes[i], top));
    return GLASS_OK;
}

glass_status merkle_root(uint8_t root[32], uint64_t n, const uint8_t top[32]) {
    static const char name[15] = "glass corpus 1\n";
    uint8_t bytes[sizeof name + 8 + 32];
    memcpy(bytes, name, sizeof name);
    for (int i = 0; i < 8; i++) bytes[sizeof name + (size_t)i] = (uint8_t)(n >> (8 * i));
    memcpy(bytes + sizeof name + 8, top, 32);
    return sha256_bytes(root, bytes, sizeof bytes);
}

/* The largest power of two below n, n > 1. */
static uint64_t split(uint64_t n) {
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

void merkle_trail_begin(struct merkle_trail *t, uint64_t at, uint64_t n) {
    uint64_t first = 0, size = n;
    memset(t, 0, sizeof *t);
    t->at = at;
    t->n = n;
    while (size > 1) { /* from the top down */
        uint64_t left = split(size);
        bool is_left = at - first < left;
        t->parts[t->n_parts].first = is_left ? first + left : first;
        t->parts[t->n_parts].n = is_left ? size - left : left;
        t->n_parts++;
        if (!is_left) first += left;
        size = is_left ? left : size - left;
    }
}

glass_status merkle_trail_add(struct merkle_trail *t, const uint8_t leaf[32]) {
    uint64_t i = t->seen++;
    if (i == t->at) memcpy(t->leaf, leaf, 32);
    for (int p = 0; p < t->n_parts; p++)
        if (i >= t->parts[p].first && i - t->parts[p].first < t->parts[p].n)
            return merkle_add(&t->parts[p].tree, leaf);
    return GLASS_OK;
}

glass_status merkle_trail_path(struct merkle_path *out, const struct merkle_trail *t) {
    out->n = t->n_parts;
    for (int p = 0; p < t->n_parts; p++)
        TRY(merkle_top(out->nodes[t->n_parts - 1 - p], &t->parts[p].tree));
    return GLASS_OK;
}

glass_status merkle_climb(uint8_t top[32], const uint8_t leaf[32], uint64_t at, uint64_t n,
                          const struct merkle_path *path) {
    bool is_left[MERKLE_LEVELS];
    int depth = 0;
    if (at >= n)
        return fail(GLASS_BAD_INPUT, "leaf %llu of %llu", (unsigned long long)at,
                    (unsigned long long)n);
    for (uint64_t first = 0, size = n; size > 1; depth++) {
        uint64_t left = split(size);
        is_left[depth] = at - first < left;
        if (!is_left[depth]) first += left;
        size = is_left[depth] ? left : size - left;
    }
    if (depth != path->n)
        return fail(GLASS_BAD_INPUT, "a path of %d hashes, where leaf %llu of %llu has %d",
                    path->n, (unsigned long long)at, (unsigned long long)n, depth);
    memcpy(top, leaf, 32);
    for (int i = 0; i < depth; i++) {
        if (is_left[depth - 1 - i])
            TRY(join(top, top, path->nodes[i]));
        else
            TRY(join(top, path->nodes[i], top));
    }
    return GLASS_OK;
}
