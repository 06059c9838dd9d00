/* mem.c - allocation with checked sizes and failure injection. */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

static _Thread_local int64_t n_asked, fail_at;
static _Thread_local size_t bytes_asked;

int64_t mem_fail_at(int64_t n) {
    int64_t asked = n_asked;
    n_asked = 0;
    fail_at = n;
    return asked;
}

size_t mem_asked_bytes(void) {
    size_t asked = bytes_asked;
    bytes_asked = 0;
    return asked;
}

static bool injected(size_t n_bytes) {
    n_asked++;
    bytes_asked += n_bytes;
    return fail_at > 0 && n_asked == fail_at;
}

bool mem_mul(size_t *out, size_t a, size_t b) {
    size_t product;
    if (__builtin_mul_overflow(a, b, &product)) return false;
    *out = product;
    return true;
}

bool mem_add(size_t *out, size_t a, size_t b) {
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum)) return false;
    *out = sum;
    return true;
}

/* out is a `T **`; copying the pointer's bytes keeps the aliasing rules. */
static void store(void *out, void *pointer) {
    memcpy(out, &pointer, sizeof pointer);
}

static glass_status checked_size(size_t *n_bytes, size_t n_items, size_t item_bytes) {
    if (!mem_mul(n_bytes, n_items, item_bytes) || *n_bytes > PTRDIFF_MAX)
        return fail(GLASS_NO_MEMORY, "out of memory: %zu items of %zu bytes", n_items,
                    item_bytes);
    if (*n_bytes == 0) *n_bytes = 1;
    if (injected(*n_bytes)) return fail_memory(*n_bytes);
    return GLASS_OK;
}

glass_status mem_alloc(void *out, size_t n_items, size_t item_bytes) {
    size_t n_bytes;
    store(out, NULL);
    TRY(checked_size(&n_bytes, n_items, item_bytes));
    void *memory = malloc(n_bytes);
    if (memory == NULL) return fail_memory(n_bytes);
    store(out, memory);
    return GLASS_OK;
}

glass_status mem_alloc_zero(void *out, size_t n_items, size_t item_bytes) {
    size_t n_bytes;
    store(out, NULL);
    TRY(checked_size(&n_bytes, n_items, item_bytes));
    void *memory = calloc(1, n_bytes);
    if (memory == NULL) return fail_memory(n_bytes);
    store(out, memory);
    return GLASS_OK;
}

static glass_status aligned(void *out, size_t n_items, size_t item_bytes,
                            size_t alignment) {
    size_t n_bytes;
    store(out, NULL);
    TRY(checked_size(&n_bytes, n_items, item_bytes));
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, n_bytes) != 0) return fail_memory(n_bytes);
    if (alignment == HUGE_PAGE && n_bytes >= HUGE_PAGE) /* a wish: it may be refused */
        madvise(memory, n_bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    store(out, memory);
    return GLASS_OK;
}

glass_status mem_alloc_aligned(void *out, size_t n_items, size_t item_bytes) {
    return aligned(out, n_items, item_bytes, 64);
}

glass_status mem_alloc_large(void *out, size_t n_items, size_t item_bytes) {
    return aligned(out, n_items, item_bytes, HUGE_PAGE);
}

glass_status mem_resize(void *inout, size_t n_items, size_t item_bytes) {
    size_t n_bytes;
    void *old;
    memcpy(&old, inout, sizeof old);
    TRY(checked_size(&n_bytes, n_items, item_bytes));
    void *memory = realloc(old, n_bytes);
    if (memory == NULL) return fail_memory(n_bytes);
    store(inout, memory);
    return GLASS_OK;
}

glass_status mem_copy_text(char **out, const char *text, size_t n_bytes) {
    size_t size;
    *out = NULL;
    if (!mem_add(&size, n_bytes, 1)) return fail_memory(n_bytes);
    TRY(mem_alloc(out, size, 1));
    if (n_bytes > 0) memcpy(*out, text, n_bytes);
    (*out)[n_bytes] = '\0';
    return GLASS_OK;
}

void mem_free(void *memory) {
    free(memory);
}
