/* sampler_list.c - the list of candidates: filled, weighed, sorted.
 *
 * Sorting a whole vocabulary would take longer than a small model's forward pass, so the
 * best k are found with a heap when k is small, and by radix when it is not. Keys are all
 * different, so the order does not depend on the method. */
#include "base/mem.h"
#include "math/half.h"
#include "math/kernels.h"
#include "model/sampler.h"

void list_clear(struct list *l) {
    mem_free(l->id);
    mem_free(l->logit);
    mem_free(l->w);
    mem_free(l->aux);
    mem_free(l->keys);
    mem_free(l->spare);
    *l = (struct list){0};
}

glass_status list_reserve(struct list *l, int64_t n) {
    glass_status status;
    if (n <= l->cap) return GLASS_OK;
    list_clear(l);
    TRY_FAIL(mem_alloc_aligned(&l->id, (size_t)n, sizeof *l->id));
    TRY_FAIL(mem_alloc_aligned(&l->logit, (size_t)n, sizeof *l->logit));
    TRY_FAIL(mem_alloc_aligned(&l->w, (size_t)n, sizeof *l->w));
    TRY_FAIL(mem_alloc_aligned(&l->aux, (size_t)n, sizeof *l->aux));
    TRY_FAIL(mem_alloc_aligned(&l->keys, (size_t)n, sizeof *l->keys));
    TRY_FAIL(mem_alloc_aligned(&l->spare, (size_t)n, sizeof *l->spare));
    l->cap = n;
    return GLASS_OK;
fail:
    list_clear(l);
    return status;
}

void list_fill(struct list *l, const float *logits, int64_t n, float max) {
    for (int64_t i = 0; i < n; i++) l->id[i] = (int32_t)i;
    memcpy(l->logit, logits, (size_t)n * sizeof *logits);
    l->n = n;
    l->max = max;
    l->sorted = false;
}

float list_weigh(struct list *l) {
    return math_kernels()->softmax_exp_f32(l->w, l->logit, l->max, 0, l->n);
}

uint32_t key_ascending(float x) {
    uint32_t bits = f32_bits(x + 0.0F); /* -0 becomes +0 */
    return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}

static uint64_t key_at(const struct list *l, int64_t i) {
    return (uint64_t)~key_ascending(l->logit[i]) << 32 | (uint64_t)i;
}

static void insertion_sort(uint64_t *keys, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        uint64_t key = keys[i];
        int64_t j = i;
        for (; j > 0 && keys[j - 1] >> 32 > key >> 32; j--) keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

void keys_sort(uint64_t *keys, uint64_t *spare, int64_t n) {
    enum { DIGITS = 4, VALUES = 256, SMALL = 48 };
    uint32_t start[DIGITS][VALUES] = {{0}};
    if (n <= SMALL) {
        insertion_sort(keys, n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        for (int d = 0; d < DIGITS; d++) start[d][keys[i] >> (32 + 8 * d) & (VALUES - 1)]++;
    /* An even number of passes, so that the result ends where it began. */
    for (int d = 0; d < DIGITS; d++) {
        uint32_t sum = 0;
        for (int v = 0; v < VALUES; v++) {
            uint32_t count = start[d][v];
            start[d][v] = sum;
            sum += count;
        }
        uint64_t *from = d % 2 ? spare : keys, *to = d % 2 ? keys : spare;
        for (int64_t i = 0; i < n; i++)
            to[start[d][from[i] >> (32 + 8 * d) & (VALUES - 1)]++] = from[i];
    }
}

/* The largest key, which is the last in order, on top. */
static void sink(uint64_t *heap, int64_t n, int64_t i) {
    uint64_t key = heap[i];
    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] > heap[child]) child++;
        if (heap[child] <= key) break;
        heap[i] = heap[child];
    }
    heap[i] = key;
}

static void best_by_heap(struct list *l, int64_t k) {
    uint64_t *heap = l->keys;
    for (int64_t i = 0; i < k; i++) heap[i] = key_at(l, i);
    for (int64_t i = k / 2 - 1; i >= 0; i--) sink(heap, k, i);
    float worst = l->logit[heap[0] & 0xffffffffu];
    for (int64_t i = k; i < l->n; i++) {
        if (!(l->logit[i] > worst)) continue; /* an equal one comes later in the list */
        heap[0] = key_at(l, i);
        sink(heap, k, 0);
        worst = l->logit[heap[0] & 0xffffffffu];
    }
    for (int64_t n = k - 1; n > 0; n--) {
        uint64_t last = heap[0];
        heap[0] = heap[n];
        heap[n] = last;
        sink(heap, n, 0);
    }
}

void list_best(struct list *l, int64_t k) {
    enum { HEAP_MOST = 512 };
    if (k <= HEAP_MOST && k < l->n) {
        best_by_heap(l, k);
        return;
    }
    for (int64_t i = 0; i < l->n; i++) l->keys[i] = key_at(l, i);
    keys_sort(l->keys, l->spare, l->n);
}

void list_take(struct list *l, int64_t k) {
    for (int64_t i = 0; i < k; i++) {
        uint64_t at = l->keys[i] & 0xffffffffu;
        l->spare[i] = (uint64_t)f32_bits(l->logit[at]) << 32 | (uint32_t)l->id[at];
    }
    for (int64_t i = 0; i < k; i++) {
        l->logit[i] = bits_f32((uint32_t)(l->spare[i] >> 32));
        l->id[i] = (int32_t)(uint32_t)l->spare[i];
    }
    l->n = k;
}
