/* weights_hash.c - see weights_hash.h. */
#include "train/weights_hash.h"

#include "base/hash.h"
#include "base/team.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 20 };

static glass_status hash_tensor(uint8_t digest[32], const struct param *e) {
    struct sha256 *h;
    char head[PARAM_NAME + 64];
    const char *bytes = (const char *)e->w;
    size_t n = (size_t)(e->n * e->k) * sizeof *e->w;
    snprintf(head, sizeof head, "%s\n%lld %lld\n", e->name, (long long)e->n,
             (long long)e->k);
    TRY(sha256_create(&h));
    glass_status status = sha256_update(h, head, strlen(head));
    for (size_t at = 0; status == GLASS_OK && at < n; at += BLOCK_BYTES) {
        uint8_t block[32];
        status =
            sha256_bytes(block, bytes + at, n - at < BLOCK_BYTES ? n - at : BLOCK_BYTES);
        if (status == GLASS_OK) status = sha256_update(h, block, sizeof block);
    }
    if (status == GLASS_OK) return sha256_finish(h, digest);
    sha256_free(h);
    return status;
}

struct hashing {
    const struct params *p;
    uint8_t *tensors;
    atomic_int failed;
};

static void run_hash(void *context, const struct member *me) {
    struct hashing *h = context;
    int64_t begin, end;
    while (team_queue_next(me, h->p->n_list, 1, &begin, &end))
        if (hash_tensor(h->tensors + 32 * begin, &h->p->list[begin]) != GLASS_OK)
            atomic_store(&h->failed, 1);
}

glass_status weights_hash(uint8_t root[32], uint8_t *tensors, const struct params *p,
                          int n_threads) {
    struct hashing h = {.p = p, .tensors = tensors};
    team_run(n_threads, run_hash, &h);
    if (atomic_load(&h.failed)) return fail(GLASS_SYSTEM, "SHA-256 of the weights failed");
    return sha256_bytes(root, tensors, 32 * (size_t)p->n_list);
}
