/* audit_pool.h - memory that is freed at once: what a report is made of. */
#ifndef OPEN_AUDIT_POOL_H
#define OPEN_AUDIT_POOL_H

#include "base/fail.h"

#include <stdarg.h>

struct audit_pool {
    void **items;
    size_t n, room;
};

/* *out = zeroed memory that lives as long as the pool. */
glass_status pool_alloc(struct audit_pool *pool, void *out, size_t n_items,
                        size_t item_bytes);
glass_status pool_text(struct audit_pool *pool, const char **out, const char *text,
                       size_t n);
glass_status pool_printf(struct audit_pool *pool, const char **out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Takes over memory of mem_alloc. */
glass_status pool_take(struct audit_pool *pool, void *memory);
void pool_free(struct audit_pool *pool);

#endif
