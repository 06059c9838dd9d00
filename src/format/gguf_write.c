/* gguf_write.c - writes GGUF files: descriptions are collected, data goes straight out.
 *
 * What the reader checks is not checked again here: finish opens the file it wrote. */
#include "format/gguf_write.h"

#include "base/buf.h"
#include "format/gguf_parts.h"

#include <stdio.h>
#include <unistd.h>

struct gguf_writer {
    char *path;
    struct buf part; /* the file's name until it is whole */
    FILE *file;
    struct buf values, tensors;
    uint64_t n_values, n_tensors, offset; /* offset: of the next tensor described */
    size_t alignment;
    size_t *sizes; /* bytes of each tensor */
    size_t cap_sizes;
    bool started;     /* the header is out */
    uint64_t current; /* tensor whose data comes next */
    size_t n_given;   /* bytes of it so far */
};

static glass_status put_le(struct buf *b, uint64_t value, int n_bytes) {
    char bytes[8];
    for (int i = 0; i < n_bytes; i++) bytes[i] = (char)(value >> (8 * i));
    return buf_append(b, bytes, (size_t)n_bytes);
}

static glass_status put_text(struct buf *b, const char *text, size_t n_bytes) {
    TRY(put_le(b, n_bytes, 8));
    return buf_append(b, text, n_bytes);
}

static glass_status open_value(struct gguf_writer *w, const char *key, size_t n_key,
                               enum gguf_type type) {
    if (w->started)
        return fail(GLASS_USAGE, "%s: a value after the tensors' data began", w->path);
    w->n_values++;
    TRY(put_text(&w->values, key, n_key));
    return put_le(&w->values, type, 4);
}

glass_status gguf_writer_create(struct gguf_writer **out, const char *path) {
    struct gguf_writer *w;
    glass_status status;
    *out = NULL;
    TRY(mem_alloc_zero(&w, 1, sizeof *w));
    w->alignment = 32;
    TRY_FAIL(mem_copy_text(&w->path, path, strlen(path)));
    TRY_FAIL(buf_printf(&w->part, "%s.part-%ld", path, (long)getpid()));
    w->file = fopen(w->part.data, "wbe");
    if (w->file == NULL) TRY_FAIL(fail_errno("%s: cannot create", w->part.data));
    *out = w;
    return GLASS_OK;
fail:
    gguf_writer_free(w);
    return status;
}

glass_status gguf_writer_create_memory(struct gguf_writer **out, const char *name) {
    struct gguf_writer *w;
    *out = NULL;
    TRY(mem_alloc_zero(&w, 1, sizeof *w));
    w->alignment = 32;
    glass_status status = mem_copy_text(&w->path, name, strlen(name));
    if (status == GLASS_OK)
        *out = w;
    else
        gguf_writer_free(w);
    return status;
}

glass_status gguf_writer_take_values(struct gguf_writer *w, char **bytes, size_t *n_bytes,
                                     uint64_t *n_values) {
    *n_values = w->n_values;
    w->n_values = 0;
    return buf_take(&w->values, bytes, n_bytes);
}

void gguf_writer_free(struct gguf_writer *w) {
    if (w == NULL) return;
    if (w->file != NULL) {
        fclose(w->file);
        unlink(w->part.data);
    }
    buf_free(&w->part);
    buf_free(&w->values);
    buf_free(&w->tensors);
    mem_free(w->sizes);
    mem_free(w->path);
    mem_free(w);
}

/* Bytes of a number's type and, for integers, its range. */
static int number_bytes(enum gguf_type type, int64_t *low, int64_t *high) {
    *low = 0;
    switch (type) {
    case GGUF_U8: *high = UINT8_MAX; return 1;
    case GGUF_BOOL: *high = 1; return 1;
    case GGUF_U16: *high = UINT16_MAX; return 2;
    case GGUF_U32: *high = UINT32_MAX; return 4;
    case GGUF_U64: *high = INT64_MAX; return 8;
    case GGUF_I8: *low = INT8_MIN, *high = INT8_MAX; return 1;
    case GGUF_I16: *low = INT16_MIN, *high = INT16_MAX; return 2;
    case GGUF_I32: *low = INT32_MIN, *high = INT32_MAX; return 4;
    case GGUF_I64: *low = INT64_MIN, *high = INT64_MAX; return 8;
    case GGUF_F32: *high = -1; return 4;
    case GGUF_F64: *high = -1; return 8;
    default: *high = -1; return 0;
    }
}

glass_status gguf_put_int(struct gguf_writer *w, const char *key, enum gguf_type type,
                          int64_t value) {
    int64_t low, high;
    int n_bytes = number_bytes(type, &low, &high);
    if (value < low || value > high)
        return fail(GLASS_USAGE, "%s: \"%s\": %lld is no %s", w->path, key,
                    (long long)value, gguf_type_name(type));
    if (strcmp(key, "general.alignment") == 0 && type == GGUF_U32) {
        if (w->n_tensors > 0 || value < 8 || value > GGUF_MAX_ALIGNMENT ||
            (value & (value - 1)) != 0)
            return fail(GLASS_USAGE, "%s: an alignment of %lld, or set too late", w->path,
                        (long long)value);
        w->alignment = (size_t)value;
    }
    TRY(open_value(w, key, strlen(key), type));
    return put_le(&w->values, (uint64_t)value, n_bytes);
}

glass_status gguf_put_float(struct gguf_writer *w, const char *key, enum gguf_type type,
                            double value) {
    uint64_t bits = 0;
    float narrow = (float)value;
    if (type != GGUF_F32 && type != GGUF_F64)
        return fail(GLASS_USAGE, "%s: \"%s\": a fraction cannot be %s", w->path, key,
                    gguf_type_name(type));
    TRY(open_value(w, key, strlen(key), type));
    if (type == GGUF_F64) {
        memcpy(&bits, &value, sizeof value);
        return put_le(&w->values, bits, 8);
    }
    uint32_t narrow_bits;
    memcpy(&narrow_bits, &narrow, sizeof narrow);
    return put_le(&w->values, narrow_bits, 4);
}

glass_status gguf_put_bool(struct gguf_writer *w, const char *key, bool value) {
    return gguf_put_int(w, key, GGUF_BOOL, value);
}

glass_status gguf_put_string(struct gguf_writer *w, const char *key,
                             struct gguf_string text) {
    TRY(open_value(w, key, strlen(key), GGUF_STRING));
    return put_text(&w->values, text.text, text.n_bytes);
}

glass_status gguf_put_text(struct gguf_writer *w, const char *key, const char *text) {
    return gguf_put_string(w, key, (struct gguf_string){text, strlen(text)});
}

static glass_status open_array(struct gguf_writer *w, const char *key, size_t n_key,
                               enum gguf_type item_type, uint64_t n_items) {
    TRY(open_value(w, key, n_key, GGUF_ARRAY));
    TRY(put_le(&w->values, item_type, 4));
    return put_le(&w->values, n_items, 8);
}

glass_status gguf_put_strings(struct gguf_writer *w, const char *key,
                              const struct gguf_string *items, uint64_t n_items) {
    TRY(open_array(w, key, strlen(key), GGUF_STRING, n_items));
    for (uint64_t i = 0; i < n_items; i++)
        TRY(put_text(&w->values, items[i].text, items[i].n_bytes));
    return GLASS_OK;
}

glass_status gguf_put_array(struct gguf_writer *w, const char *key,
                            enum gguf_type item_type, const void *items, uint64_t n_items) {
    int64_t low, high;
    size_t n_bytes, item_bytes = (size_t)number_bytes(item_type, &low, &high);
    if (item_bytes == 0 || !mem_mul(&n_bytes, (size_t)n_items, item_bytes))
        return fail(GLASS_USAGE, "%s: \"%s\": no array of %llu times %s", w->path, key,
                    (unsigned long long)n_items, gguf_type_name(item_type));
    TRY(open_array(w, key, strlen(key), item_type, n_items));
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        return buf_append(&w->values, items, n_bytes);
    for (size_t i = 0; i < n_bytes; i++) {
        size_t in_item = i % item_bytes, start = i - in_item;
        TRY(buf_byte(&w->values, ((const char *)items)[start + item_bytes - 1 - in_item]));
    }
    return GLASS_OK;
}

glass_status gguf_put_value(struct gguf_writer *w, const struct gguf_value *v) {
    struct gguf_string key = v->key, alignment = {"general.alignment", 17};
    if (key.n_bytes == alignment.n_bytes &&
        memcmp(key.text, alignment.text, key.n_bytes) == 0)
        return gguf_put_int(w, alignment.text, v->type, gguf_item_int(v, 0));
    if (v->type == GGUF_ARRAY) {
        TRY(open_array(w, key.text, key.n_bytes, v->item_type, v->n_items));
    } else {
        TRY(open_value(w, key.text, key.n_bytes, v->type));
    }
    if (v->type == GGUF_STRING) TRY(put_le(&w->values, v->n_bytes, 8));
    return buf_append(&w->values, v->data, v->n_bytes);
}

/* The bytes of a tensor of this shape; the reader's rules. */
static glass_status tensor_bytes(size_t *out, const struct gguf_writer *w, const char *name,
                                 glass_dtype dtype, int n_dims, const int64_t *shape) {
    int64_t block = glass_dtype_block(dtype);
    size_t n = 1;
    bool good = n_dims >= 1 && n_dims <= 4 && block > 0;
    for (int i = 0; good && i < n_dims; i++)
        good = shape[i] > 0 && mem_mul(&n, n, (size_t)shape[i]);
    if (!good || shape[n_dims - 1] % block != 0 ||
        !mem_mul(out, n / (size_t)block, glass_dtype_block_bytes(dtype)))
        return fail(GLASS_USAGE, "%s: tensor \"%s\" has an impossible shape or type",
                    w->path, name);
    return GLASS_OK;
}

glass_status gguf_put_tensor(struct gguf_writer *w, const char *name, glass_dtype dtype,
                             int n_dims, const int64_t *shape) {
    size_t n_bytes;
    if (w->started)
        return fail(GLASS_USAGE, "%s: a tensor after the tensors' data began", w->path);
    TRY(tensor_bytes(&n_bytes, w, name, dtype, n_dims, shape));
    if (w->n_tensors == w->cap_sizes) {
        size_t cap = w->cap_sizes == 0 ? 64 : w->cap_sizes * 2;
        TRY(mem_resize(&w->sizes, cap, sizeof *w->sizes));
        w->cap_sizes = cap;
    }
    w->sizes[w->n_tensors++] = n_bytes;
    TRY(put_text(&w->tensors, name, strlen(name)));
    TRY(put_le(&w->tensors, (uint64_t)n_dims, 4));
    for (int i = n_dims - 1; i >= 0; i--) TRY(put_le(&w->tensors, (uint64_t)shape[i], 8));
    TRY(put_le(&w->tensors, (uint64_t)dtype, 4));
    TRY(put_le(&w->tensors, w->offset, 8));
    uint64_t padded = n_bytes + (w->alignment - n_bytes % w->alignment) % w->alignment;
    if (__builtin_add_overflow(w->offset, padded, &w->offset))
        return fail(GLASS_USAGE, "%s: more data than can be counted", w->path);
    return GLASS_OK;
}

static glass_status write_bytes(struct gguf_writer *w, const void *bytes, size_t n_bytes) {
    if (n_bytes > 0 && fwrite(bytes, 1, n_bytes, w->file) != n_bytes)
        return fail_errno("%s: cannot write", w->part.data);
    return GLASS_OK;
}

static glass_status write_padding(struct gguf_writer *w, size_t n_before) {
    static const char zeros[64];
    size_t n = (w->alignment - n_before % w->alignment) % w->alignment;
    for (; n > 0; n -= n < sizeof zeros ? n : sizeof zeros)
        TRY(write_bytes(w, zeros, n < sizeof zeros ? n : sizeof zeros));
    return GLASS_OK;
}

static glass_status write_header(struct gguf_writer *w) {
    struct buf head = {0};
    glass_status status = GLASS_OK;
    if (w->started) return GLASS_OK;
    TRY_FAIL(buf_append(&head, "GGUF\3\0\0", 8));
    TRY_FAIL(put_le(&head, w->n_tensors, 8));
    TRY_FAIL(put_le(&head, w->n_values, 8));
    TRY_FAIL(write_bytes(w, head.data, head.len));
    TRY_FAIL(write_bytes(w, w->values.data, w->values.len));
    TRY_FAIL(write_bytes(w, w->tensors.data, w->tensors.len));
    TRY_FAIL(write_padding(w, head.len + w->values.len + w->tensors.len));
    w->started = true;
fail:
    buf_free(&head);
    return status;
}

glass_status gguf_put_data(struct gguf_writer *w, const void *bytes, size_t n_bytes) {
    const char *from = bytes;
    TRY(write_header(w));
    while (n_bytes > 0) {
        if (w->current == w->n_tensors)
            return fail(GLASS_USAGE, "%s: %zu bytes more than the tensors take", w->path,
                        n_bytes);
        size_t n = w->sizes[w->current] - w->n_given;
        if (n > n_bytes) n = n_bytes;
        TRY(write_bytes(w, from, n));
        from += n;
        n_bytes -= n;
        w->n_given += n;
        if (w->n_given < w->sizes[w->current]) break;
        TRY(write_padding(w, w->n_given));
        w->n_given = 0;
        w->current++;
    }
    return GLASS_OK;
}

static glass_status finish(struct gguf_writer *w) {
    TRY(write_header(w));
    if (w->current < w->n_tensors)
        return fail(GLASS_BAD_INPUT, "%s: the data of tensor %llu of %llu is missing",
                    w->path, (unsigned long long)w->current + 1,
                    (unsigned long long)w->n_tensors);
    if (fflush(w->file) != 0 || fsync(fileno(w->file)) != 0)
        return fail_errno("%s: cannot flush", w->part.data);
    TRY(gguf_check_one(w->part.data));
    if (rename(w->part.data, w->path) != 0)
        return fail_errno("%s: cannot rename to %s", w->part.data, w->path);
    fclose(w->file);
    w->file = NULL;
    return GLASS_OK;
}

glass_status gguf_writer_finish(struct gguf_writer *w) {
    glass_status status = finish(w);
    gguf_writer_free(w);
    return status;
}
