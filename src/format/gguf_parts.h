/* gguf_parts.h - what the files of the GGUF reader share; nobody else includes it.
 *
 * gguf.c opens and indexes, gguf_values.c reads the key-value section and answers typed
 * questions, gguf_tensors.c reads the tensor section, gguf_split.c finds the other parts.
 */
#ifndef FORMAT_GGUF_PARTS_H
#define FORMAT_GGUF_PARTS_H

#include "base/mem.h"
#include "base/reader.h"
#include "format/gguf.h"

/* Far above what any model has, and low enough that an index of them stays small. */
enum {
    GGUF_MAX_VALUES = 1 << 16,
    GGUF_MAX_TENSORS = 1 << 20,
    GGUF_MAX_ALIGNMENT = 1 << 21, /* a huge page */
    GGUF_MAX_KEY = 65535,         /* the specification's own limits */
    GGUF_MAX_NAME = 64,
    GGUF_MAX_STRING = 1 << 30,
    GGUF_MAX_PARTS = 4096,
    GGUF_SHOWN = 100 /* bytes of a key or name that a message shows */
};

struct gguf_part {
    struct filemap map;
    bool mapped; /* else the bytes are the caller's */
    bool
        built; /* by gguf_build.c: the bytes are no file, so messages name no place in it */
    char *path;
    uint32_t version;
    size_t alignment;
    uint64_t n_tensors_said; /* by the header; true once gguf_read_tensors returned */
    struct gguf_value *values;
    int64_t n_values;
    uint32_t *value_order; /* values by key */
    char *names;           /* of this part's tensors */
};

struct gguf_info {
    struct gguf_tensor tensor;
    size_t pos; /* of its description in the part's file */
    int part;
};

struct gguf {
    struct gguf_part *parts;
    int n_parts, cap_parts;
    struct gguf_info *tensors; /* all parts' */
    int64_t n_tensors;
    uint32_t *tensor_order;   /* tensors by name */
    struct gguf_build *build; /* owned; what stands behind a gguf that is no file */
};

struct gguf_writer;

/* Little-endian numbers at any address; the caller knows that they are inside the file. */
static inline uint16_t gguf_le16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t gguf_le32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}
static inline uint64_t gguf_le64(const uint8_t *p) {
    return (uint64_t)gguf_le32(p) | (uint64_t)gguf_le32(p + 4) << 32;
}

/* Length, then text, of at most limit bytes. */
glass_status gguf_read_string(struct reader *r, struct gguf_string *out, size_t limit,
                              const char *what);
/* The next n_values values; part->values, value_order and alignment. On failure the part
 * holds what there is to free. */
glass_status gguf_read_values(struct gguf_part *part, struct reader *r, uint64_t n_values);
void gguf_free_values(struct gguf_part *part);
const struct gguf_value *gguf_part_find(const struct gguf_part *part, const char *key);
glass_status gguf_value_u64(uint64_t *out, const struct gguf_part *part,
                            const struct gguf_value *value);
/* The tensors of g's last part, appended to g->tensors; extents checked. */
glass_status gguf_read_tensors(struct gguf *g, struct reader *r);
/* Opens one more part at the end of g->parts. Takes over the mapping whatever happens. */
glass_status gguf_add_part(struct gguf *g, const char *path, struct filemap map,
                           bool mapped);
/* How many parts the first opened part says there are, 1 if it says nothing. */
glass_status gguf_split_count(uint64_t *out, const struct gguf_part *part);
/* Replaces the one part that g holds by all parts, in order. */
glass_status gguf_open_split(struct gguf *g, uint64_t n_parts);
void gguf_clear_parts(struct gguf *g);
/* Sorts the tensors' names; one that stands there twice is refused. */
glass_status gguf_index_tensors(struct gguf *g);
/* A writer that never writes a file: values collect until they are taken, as a file would
 * have them. */
glass_status gguf_writer_create_memory(struct gguf_writer **out, const char *name);
glass_status gguf_writer_take_values(struct gguf_writer *w, char **bytes, size_t *n_bytes,
                                     uint64_t *n_values);
const struct filemap *gguf_build_map_at(const struct gguf_build *b, int i);
int gguf_build_n_maps(const struct gguf_build *b);
/* Whether this one file is in order; other parts of a split file are not looked for. */
glass_status gguf_check_one(const char *path);

#endif
