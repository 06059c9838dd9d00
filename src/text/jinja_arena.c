/* jinja_arena.c - memory, limits and errors of one render. */
#include "text/jinja_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct jblock {
    struct jblock *next;
    size_t pad;
    char bytes[]; /* 16-byte aligned, as malloc's blocks are */
};

enum { FIRST_BLOCK = 16 << 10, LARGEST_STEP = 1 << 20, ALIGN = 16 };

static glass_status new_block(struct jinja *in, size_t n_bytes) {
    struct jarena *arena = in->arena;
    size_t cap = arena->blocks == NULL ? FIRST_BLOCK : arena->cap * 2;
    if (cap > LARGEST_STEP) cap = LARGEST_STEP;
    if (cap < n_bytes) cap = n_bytes;
    if (cap > arena->limit - arena->total) cap = n_bytes;
    if (cap > arena->limit - arena->total)
        return jinja_fail(in, "the template needs more than %zu MiB of memory",
                          arena->limit >> 20);
    struct jblock *block;
    TRY(mem_alloc(&block, sizeof *block + cap, 1));
    block->next = arena->blocks;
    arena->blocks = block;
    arena->used = 0;
    arena->cap = cap;
    arena->total += cap;
    return GLASS_OK;
}

glass_status jarena_alloc(struct jinja *in, void *out, size_t n_items, size_t item_bytes) {
    struct jarena *arena = in->arena;
    size_t n_bytes;
    void *memory = NULL;
    memcpy(out, &memory, sizeof memory);
    if (!mem_mul(&n_bytes, n_items, item_bytes) || n_bytes > PTRDIFF_MAX / 2)
        return fail_memory(n_items);
    n_bytes = (n_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (arena->blocks == NULL || n_bytes > arena->cap - arena->used)
        TRY(new_block(in, n_bytes));
    memory = arena->blocks->bytes + arena->used;
    arena->used += n_bytes;
    memset(memory, 0, n_bytes);
    memcpy(out, &memory, sizeof memory);
    return GLASS_OK;
}

glass_status jarena_grow(struct jinja *in, void *inout, size_t old_n, size_t new_n,
                         size_t item_bytes) {
    struct jarena *arena = in->arena;
    char *old, *memory;
    size_t old_bytes = old_n * item_bytes, new_bytes;
    memcpy(&old, inout, sizeof old);
    if (!mem_mul(&new_bytes, new_n, item_bytes) || new_bytes > PTRDIFF_MAX / 2)
        return fail_memory(new_n);
    old_bytes = (old_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    new_bytes = (new_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (old_bytes > 0 && arena->used >= old_bytes &&
        old == arena->blocks->bytes + arena->used - old_bytes &&
        new_bytes - old_bytes <= arena->cap - arena->used) {
        memset(old + old_bytes, 0, new_bytes - old_bytes);
        arena->used += new_bytes - old_bytes;
        return GLASS_OK;
    }
    TRY(jarena_alloc(in, &memory, new_n, item_bytes));
    if (old_n > 0) memcpy(memory, old, old_n * item_bytes);
    memcpy(inout, &memory, sizeof memory);
    return GLASS_OK;
}

void jarena_free(struct jarena *arena) {
    while (arena->blocks != NULL) {
        struct jblock *next = arena->blocks->next;
        mem_free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = arena->cap = arena->total = 0;
}

glass_status jinja_fail(const struct jinja *in, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (in->line <= 0) return fail(GLASS_BAD_INPUT, "template: %s", text);
    return fail(GLASS_BAD_INPUT, "template line %d: %s", in->line, text);
}

glass_status jinja_charge(struct jinja *in, size_t n) {
    if (n > (size_t)in->steps) {
        in->steps = 0;
        return jinja_fail(in, "the template takes more than %lld steps",
                          (long long)JINJA_STEPS);
    }
    in->steps -= (int64_t)n;
    return GLASS_OK;
}

glass_status jinja_enter(struct jinja *in) {
    if (++in->depth > JINJA_DEPTH)
        return jinja_fail(in, "nested more than %d deep", (int)JINJA_DEPTH);
    return GLASS_OK;
}
