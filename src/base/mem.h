/* mem.h - the one allocator. Every function that allocates goes through here, so that tests
 * can make any allocation fail and sizes are never multiplied unchecked. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/fail.h"

/* *out = n_items * item_bytes bytes, uninitialised; 0 bytes gives a unique pointer. On failure
 * *out is NULL and GLASS_NO_MEMORY says how much was asked for (overflow included). */
glass_status mem_alloc(void *out, size_t n_items, size_t item_bytes);
glass_status mem_alloc_zero(void *out, size_t n_items, size_t item_bytes);
/* 64-byte aligned; freed with mem_free like the rest. */
glass_status mem_alloc_aligned(void *out, size_t n_items, size_t item_bytes);
/* The same for memory that will be used whole: in huge pages where the system grants them. */
glass_status mem_alloc_large(void *out, size_t n_items, size_t item_bytes);
/* *inout grows or shrinks to n_items; on failure it is unchanged and still owned. */
glass_status mem_resize(void *inout, size_t n_items, size_t item_bytes);
/* A NUL-terminated copy of text[0..n_bytes). */
glass_status mem_copy_text(char **out, const char *text, size_t n_bytes);
void mem_free(void *memory);

/* Checked arithmetic for sizes; false on overflow, *out is then untouched. */
bool mem_mul(size_t *out, size_t a, size_t b);
bool mem_add(size_t *out, size_t a, size_t b);

/* Tests only: the n-th allocation from now fails (1 = the next), 0 = none does. Returns how
 * many were asked for since the last call. Per thread. */
int64_t mem_fail_at(int64_t n);
/* Tests only: bytes asked for on this thread since the last call, freed or not. */
size_t mem_asked_bytes(void);

#endif
