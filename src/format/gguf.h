/* gguf.h - GGUF v2 and v3 model files, mapped and validated whole before use.
 *
 * Source: the GGUF specification (ggml project, docs/gguf.md). After gguf_open has returned
 * GLASS_OK every pointer, count and extent below is inside the file; nothing is copied but
 * the indexes. Split files (NAME-00001-of-0000N.gguf) open from any part and act as one. */
#ifndef FORMAT_GGUF_H
#define FORMAT_GGUF_H

#include "base/filemap.h"
#include "glass/dtype.h"

enum gguf_type {
    GGUF_U8 = 0,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64
};

struct gguf_string {
    const char *text; /* borrowed from the file, not NUL-terminated */
    size_t n_bytes;
};

struct gguf_value {
    struct gguf_string key; /* printable ASCII */
    enum gguf_type type;
    enum gguf_type item_type; /* of an array, else the same as type */
    uint64_t n_items;         /* of an array, else 1 */
    const uint8_t *data;      /* an array's first item, a string's text, else the number;
                                 unaligned, little-endian */
    size_t n_bytes;
    /* For arrays of strings: item i starts at data + offsets[i]. */
    const uint32_t *offsets;
};

struct gguf_view; /* gguf_view.h */

struct gguf_tensor {
    const char *name; /* NUL-terminated, owned by the gguf; 1 … 64 bytes */
    glass_dtype dtype;
    int n_dims;          /* 1 … 4 */
    int64_t shape[4];    /* outermost first (the file has them innermost first) */
    const uint8_t *data; /* NULL where there is a view */
    size_t n_bytes;
    /* Only in what was imported from another format: how the rows lie there. Read such a
     * tensor, or any, by gguf_tensor_rows. */
    const struct gguf_view *view;
};

struct gguf;

/* GLASS_BAD_INPUT names file, byte and what is wrong; types that Glass does not know are
 * refused by name or number. */
glass_status gguf_open(struct gguf **out, const char *path);
/* The same for a file that the caller holds in memory and keeps until gguf_close; name
 * stands for it in messages. A part of a split file is refused. */
glass_status gguf_open_memory(struct gguf **out, const void *bytes, size_t n_bytes,
                              const char *name);
void gguf_close(struct gguf *g);
/* The mappings behind the tensors, for advice and locking. */
int gguf_n_parts(const struct gguf *g);
const struct filemap *gguf_part(const struct gguf *g, int i);
/* Whether it is a GGUF file, and not built of another format's. */
bool gguf_is_file(const struct gguf *g);
/* The first part's. */
const char *gguf_path(const struct gguf *g);
uint32_t gguf_version(const struct gguf *g);

/* "U32", "string"; "?" for a number outside the enum. */
const char *gguf_type_name(enum gguf_type type);

/* The values are the first part's. */
int64_t gguf_n_values(const struct gguf *g);
const struct gguf_value *gguf_value_at(const struct gguf *g, int64_t i);
/* NULL if there is no such key. */
const struct gguf_value *gguf_find(const struct gguf *g, const char *key);

/* Typed access. The key must exist and hold the kind of value asked for (any integer type
 * that fits; F32 or F64), else GLASS_BAD_INPUT with file, key, what is there and what
 * should be. The _or forms give the default when the key is absent, and still refuse a
 * wrong type. */
glass_status gguf_get_u64(const struct gguf *g, const char *key, uint64_t *out);
glass_status gguf_get_u64_or(const struct gguf *g, const char *key, uint64_t *out,
                             uint64_t absent);
glass_status gguf_get_f64_or(const struct gguf *g, const char *key, double *out,
                             double absent);
glass_status gguf_get_bool_or(const struct gguf *g, const char *key, bool *out,
                              bool absent);
glass_status gguf_get_string(const struct gguf *g, const char *key,
                             struct gguf_string *out);
/* Absent gives {"" , 0}. */
glass_status gguf_get_string_or(const struct gguf *g, const char *key,
                                struct gguf_string *out);
/* An array of this item type; absent gives NULL and GLASS_OK. */
glass_status gguf_get_array(const struct gguf *g, const char *key, enum gguf_type item_type,
                            const struct gguf_value **out);
/* Item i of an array of strings / of integers of any width / of floats, or a value that is
 * no array with i = 0. Past the end or of another type: {"", 0} or 0. U64 above INT64_MAX
 * gives INT64_MAX. */
struct gguf_string gguf_item_string(const struct gguf_value *array, uint64_t i);
int64_t gguf_item_int(const struct gguf_value *array, uint64_t i);
double gguf_item_float(const struct gguf_value *array, uint64_t i);

int64_t gguf_n_tensors(const struct gguf *g);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, int64_t i);
const struct gguf_tensor *gguf_tensor_find(const struct gguf *g, const char *name);

#endif
