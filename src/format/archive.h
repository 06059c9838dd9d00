/* archive.h - named tensors as training frameworks write them: safetensors, what PyTorch's
 * torch.save writes, llama2.c's .bin, and indexes of shards behind one face.
 *
 * Files are mapped read-only and validated whole before use: after archive_open has returned
 * GLASS_OK every extent below is inside its file, and `data` points into a mapping (or, for the
 * rare tensor that lies there in another order than its shape says, into memory that the archive
 * owns). What the tensors mean is the caller's business. */
#ifndef FORMAT_ARCHIVE_H
#define FORMAT_ARCHIVE_H

#include "base/filemap.h"
#include "glass/dtype.h"

#include <stdbool.h>

enum { ARCHIVE_MAX_DIMS = 8, ARCHIVE_MAX_TENSORS = 1 << 20, ARCHIVE_MAX_NAME = 512 };

struct archive_tensor {
    const char *name; /* NUL-terminated, owned by the archive */
    bool known; /* dtype holds; else the type (bool, u8, f8 …) is one that no weight has */
    glass_dtype dtype;               /* F32, F16, BF16, F64, I8, I16, I32, I64 */
    const char *type;                /* the file's own word: "BF16", "torch.HalfStorage" */
    int n_dims;                      /* 0 … ARCHIVE_MAX_DIMS */
    int64_t shape[ARCHIVE_MAX_DIMS]; /* outermost first, row-major */
    const uint8_t *data;             /* little-endian, any alignment */
    size_t n_bytes;
    int part; /* which file it is in */
};

struct archive;

/* Opens one file (safetensors; torch.save's zip archive, or its format of before 1.6;
 * llama2.c's .bin) or an index of shards (*.index.json: only files beside it, by plain names),
 * told by content. GLASS_BAD_INPUT names file, place and what is wrong; a name that stands in
 * two parts is refused.
 *
 * A pickle's nested dicts, lists and tuples give dotted names ("model.layers.0.weight",
 * "optimizer.state.3.exp_avg"); what is no tensor in it is left out. Tensors that share a
 * storage share bytes. */
glass_status archive_open(struct archive **out, const char *path);
/* Several files as one archive whose tensors may have the same names (Meta's
 * consolidated.NN.pth): tensor->part tells them apart, and archive_find takes the part. */
glass_status archive_open_parts(struct archive **out, const char *const *paths,
                                int n_paths);
/* The same for a file in memory, which the caller keeps; name stands for it in messages. */
glass_status archive_open_memory(struct archive **out, const void *bytes, size_t n_bytes,
                                 const char *name);
void archive_close(struct archive *a);
/* Checks what opening does not, reading every byte: the CRC-32 of zip archives' members. */
glass_status archive_verify(const struct archive *a);

int64_t archive_n_tensors(const struct archive *a);
const struct archive_tensor *archive_tensor_at(const struct archive *a, int64_t i);
/* By name, in any part (-1) or this one; NULL if there is none. */
const struct archive_tensor *archive_find(const struct archive *a, const char *name,
                                          int part);

/* What was opened, for messages; part files and their mappings. */
const char *archive_path(const struct archive *a);
int archive_n_parts(const struct archive *a);
const char *archive_part_path(const struct archive *a, int part);
const struct filemap *archive_part_map(const struct archive *a, int part);
/* "safetensors", "PyTorch", "PyTorch before 1.6", "llama2.c". */
const char *archive_kind(const struct archive *a, int part);

/* Text metadata (safetensors' __metadata__) of the first part, in file order; n is 0 where
 * there is none. */
int64_t archive_n_meta(const struct archive *a);
void archive_meta(const struct archive *a, int64_t i, const char **key, const char **value);

#endif
