/* weights_hash.c - see weights_hash.h. */
#include "train/weights_hash.h"

#include "base/hash.h"
#include "base/team.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static size_t bytes_of(const struct param *e) {
    return (size_t)(e->n * e->k) * sizeof *e->w;
}

static int64_t blocks_of(const struct param *e) {
    return (int64_t)((bytes_of(e) + WEIGHTS_BLOCK - 1) / WEIGHTS_BLOCK);
}

int64_t weights_n_blocks(const struct params *p) {
    int64_t n = 0;
    for (int64_t i = 0; i < p->n_list; i++) n += blocks_of(&p->list[i]);
    return n;
}

const struct param *weights_block(const struct params *p, int64_t i, int64_t *block) {
    const struct param *e = p->list;
    for (; i >= blocks_of(e); e++) i -= blocks_of(e);
    *block = i;
    return e;
}

/* blocks: (blocks_of(e), 32) */
static glass_status hash_tensor(uint8_t digest[32], const struct param *e,
                                const uint8_t *blocks) {
    struct sha256 *h;
    char head[PARAM_NAME + 64];
    snprintf(head, sizeof head, "%s\n%lld %lld\n", e->name, (long long)e->n,
             (long long)e->k);
    TRY(sha256_create(&h));
    glass_status status = sha256_update(h, head, strlen(head));
    if (status == GLASS_OK) status = sha256_update(h, blocks, 32 * (size_t)blocks_of(e));
    if (status == GLASS_OK) return sha256_finish(h, digest);
    sha256_free(h);
    return status;
}

struct hashing {
    const struct params *p;
    uint8_t *blocks;
    int64_t n;
    atomic_int failed;
};

/* Blocks are handed out, so that one large tensor keeps every thread busy. */
static void run_hash(void *context, const struct member *me) {
    struct hashing *h = context;
    int64_t begin, end, block;
    while (team_queue_next(me, h->n, 1, &begin, &end)) {
        const struct param *e = weights_block(h->p, begin, &block);
        size_t at = (size_t)block * WEIGHTS_BLOCK, n = bytes_of(e) - at;
        if (sha256_bytes(h->blocks + 32 * begin, (const char *)e->w + at,
                         n < WEIGHTS_BLOCK ? n : WEIGHTS_BLOCK) != GLASS_OK)
            atomic_store(&h->failed, 1);
    }
}

glass_status weights_hash(uint8_t root[32], uint8_t *digests, const struct params *p,
                          int n_threads) {
    struct hashing h = {
        .p = p, .blocks = digests + 32 * p->n_list, .n = weights_n_blocks(p)};
    const uint8_t *blocks = h.blocks;
    team_run(n_threads, run_hash, &h);
    if (atomic_load(&h.failed)) return fail(GLASS_SYSTEM, "SHA-256 of the weights failed");
    for (int64_t i = 0; i < p->n_list; i++) {
        TRY(hash_tensor(digests + 32 * i, &p->list[i], blocks));
        blocks += 32 * blocks_of(&p->list[i]);
    }
    return sha256_bytes(root, digests, 32 * (size_t)p->n_list);
}
