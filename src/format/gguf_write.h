/* gguf_write.h - writing GGUF version 3 files.
 *
 * Order of calls: create, values, tensor descriptions, then the tensors' data in the same
 * order and in pieces of any size, finish. The file is written beside its place, read back
 * by the reader's own checks, and renamed, so that path holds a whole valid file or what it
 * held before. One thread at a time. Source: docs/gguf.md of the ggml project. */
#ifndef FORMAT_GGUF_WRITE_H
#define FORMAT_GGUF_WRITE_H

#include "format/gguf.h"

struct gguf_writer;

glass_status gguf_writer_create(struct gguf_writer **out, const char *path);
/* Finishes and frees, whether it succeeds or not. GLASS_BAD_INPUT if data is missing or the
 * reader would refuse the file (a key or a name given twice …). */
glass_status gguf_writer_finish(struct gguf_writer *w);
/* Gives up: nothing appears at path. NULL is fine. */
void gguf_writer_free(struct gguf_writer *w);

/* GLASS_USAGE: the value does not fit the type, or data was written already. An integer
 * "general.alignment" of type U32 sets the alignment of what follows. */
glass_status gguf_put_int(struct gguf_writer *w, const char *key, enum gguf_type type,
                          int64_t value);
glass_status gguf_put_float(struct gguf_writer *w, const char *key, enum gguf_type type,
                            double value);
glass_status gguf_put_bool(struct gguf_writer *w, const char *key, bool value);
glass_status gguf_put_text(struct gguf_writer *w, const char *key, const char *text);
glass_status gguf_put_string(struct gguf_writer *w, const char *key,
                             struct gguf_string text);
glass_status gguf_put_strings(struct gguf_writer *w, const char *key,
                              const struct gguf_string *items, uint64_t n_items);
/* Numbers or bools, little-endian as they lie in memory. */
glass_status gguf_put_array(struct gguf_writer *w, const char *key,
                            enum gguf_type item_type, const void *items, uint64_t n_items);
/* A value as it is in another file, under the same key. */
glass_status gguf_put_value(struct gguf_writer *w, const struct gguf_value *value);

/* shape outermost first. */
glass_status gguf_put_tensor(struct gguf_writer *w, const char *name, glass_dtype dtype,
                             int n_dims, const int64_t *shape);
/* The next bytes of the tensors' data; padding between tensors is the writer's. */
glass_status gguf_put_data(struct gguf_writer *w, const void *bytes, size_t n_bytes);

#endif
