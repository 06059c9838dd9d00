/* archive_parts.h - what the files of the archive reader share; nobody else includes it.
 *
 * archive.c opens, tells formats apart and indexes; archive_index.c reads indexes of shards;
 * safetensors.c, torch.c (over zip.c, pickle.c and torch_tensor.c) and llama2c.c read one
 * file each. */
#ifndef FORMAT_ARCHIVE_PARTS_H
#define FORMAT_ARCHIVE_PARTS_H

#include "base/buf.h"
#include "base/reader.h"
#include "format/archive.h"
#include "format/llama2c.h"

#include <stdio.h>

enum { ARCHIVE_MAX_PARTS = 4096, ARCHIVE_SHOWN = 100 /* bytes of a name in a message */ };

struct archive_part {
    char *path;
    struct filemap map;
    bool mapped; /* else the bytes are the caller's */
    const char *kind;
};

struct archive_pair {
    const char *key, *value;
};

struct archive {
    char *path;
    struct archive_part *parts;
    int n_parts;
    struct archive_tensor *tensors;
    size_t n_tensors, cap_tensors;
    uint32_t *order; /* tensors by name, then part */
    struct archive_pair *meta;
    size_t n_meta, cap_meta;
    struct archive_block *blocks; /* memory that lives as long as the archive */
    struct llama2c_header llama2c;
    bool is_llama2c;
};

static inline uint16_t archive_le16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t archive_le32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}
static inline uint64_t archive_le64(const uint8_t *p) {
    return (uint64_t)archive_le32(p) | (uint64_t)archive_le32(p + 4) << 32;
}

/* n bytes that archive_close frees; the same with a copy of a text, NUL-terminated. Small
 * pieces share blocks. */
glass_status archive_memory(struct archive *a, size_t n_bytes, uint8_t **out);
glass_status archive_keep(struct archive *a, const char *text, size_t n, const char **out);
/* Appends a tensor of the last part; its name is checked and copied. `where` ends the
 * sentence of a message: "byte 17". */
glass_status archive_add(struct archive *a, const struct archive_tensor *t,
                         const char *name, size_t n_name, const char *where);

/* Each reads the archive's last part. */
glass_status archive_read_safetensors(struct archive *a);
glass_status archive_read_torch_zip(struct archive *a);
glass_status archive_read_torch_legacy(struct archive *a);
/* Also says whether the file is one at all: *is_one false is no error. */
glass_status archive_read_llama2c(struct archive *a, bool *is_one);
/* Adds a part and reads it. */
glass_status archive_add_file(struct archive *a, const char *path);
/* Reads a JSON index of shards, which the caller mapped, and adds the files it names. */
glass_status archive_read_index(struct archive *a, const char *path,
                                const struct filemap *map);

#endif
