/* audit_pool.c - see audit_pool.h. */
#include "open/audit_pool.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

glass_status pool_take(struct audit_pool *pool, void *memory) {
    if (pool->n == pool->room) {
        size_t room = pool->room > 0 ? 2 * pool->room : 16;
        glass_status status = mem_resize(&pool->items, room, sizeof *pool->items);
        if (status != GLASS_OK) {
            mem_free(memory);
            return status;
        }
        pool->room = room;
    }
    pool->items[pool->n++] = memory;
    return GLASS_OK;
}

glass_status pool_alloc(struct audit_pool *pool, void *out, size_t n_items,
                        size_t item_bytes) {
    void *memory;
    memset(out, 0, sizeof(void *));
    TRY(mem_alloc_zero(&memory, n_items, item_bytes));
    TRY(pool_take(pool, memory));
    memcpy(out, &memory, sizeof memory);
    return GLASS_OK;
}

glass_status pool_text(struct audit_pool *pool, const char **out, const char *text,
                       size_t n) {
    char *copy;
    *out = "";
    TRY(mem_copy_text(&copy, text, n));
    TRY(pool_take(pool, copy));
    *out = copy;
    return GLASS_OK;
}

glass_status pool_printf(struct audit_pool *pool, const char **out, const char *format,
                         ...) {
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int n = vsnprintf(NULL, 0, format, list);
    char *text = NULL;
    glass_status status = n < 0 ? fail(GLASS_SYSTEM, "text cannot be written")
                                : pool_alloc(pool, &text, (size_t)n + 1, 1);
    if (status == GLASS_OK) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(list);
    *out = status == GLASS_OK ? text : "";
    return status;
}

void pool_free(struct audit_pool *pool) {
    for (size_t i = 0; i < pool->n; i++) mem_free(pool->items[i]);
    mem_free(pool->items);
    *pool = (struct audit_pool){0};
}
