/* safetensors_write.h - writing safetensors files, one or in shards with an index.
 *
 * Order of calls: create, metadata and tensor descriptions, then the tensors' data in the same
 * order and in pieces of any size, finish. Files are written beside their places, read back
 * by the reader's own checks, and renamed, the index last: a path holds a whole valid file or
 * what it held before. One thread at a time.
 *
 * In each file tensors lie by the size of their numbers, largest first, so that all are
 * aligned; equals in the order given. The same descriptions and data give the same bytes. */
#ifndef FORMAT_SAFETENSORS_WRITE_H
#define FORMAT_SAFETENSORS_WRITE_H

#include "base/fail.h"
#include "glass/dtype.h"

struct safetensors_writer;

/* path must end in ".safetensors". shard_bytes 0: one file. Else, if the tensors take more,
 * NAME-00001-of-0000N.safetensors and NAME.safetensors.index.json beside them instead, each
 * shard of at most that many bytes, or of one tensor. */
glass_status safetensors_writer_create(struct safetensors_writer **out, const char *path,
                                       size_t shard_bytes);
/* Finishes and frees, whether it succeeds or not. GLASS_BAD_INPUT if data is missing or the
 * reader would refuse a file (a name given twice …). */
glass_status safetensors_writer_finish(struct safetensors_writer *w);
/* Gives up: nothing appears at path. NULL is fine. */
void safetensors_writer_free(struct safetensors_writer *w);

/* __metadata__ of every file, in this order. GLASS_USAGE: data was written already. */
glass_status safetensors_put_meta(struct safetensors_writer *w, const char *key,
                                  const char *value);
/* shape outermost first; no dimension may be negative. GLASS_USAGE: the format has no such
 * type (blocks), or data was written already. */
glass_status safetensors_put_tensor(struct safetensors_writer *w, const char *name,
                                    glass_dtype dtype, int n_dims, const int64_t *shape);
/* The same by the format's own word for the type: "BF16", "BOOL", "F8_E4M3". */
glass_status safetensors_put_typed(struct safetensors_writer *w, const char *name,
                                   const char *type, int n_dims, const int64_t *shape);
/* The next bytes of the tensors' data. */
glass_status safetensors_put_data(struct safetensors_writer *w, const void *bytes,
                                  size_t n_bytes);

#endif
