/* describe.c - metadata as JSON, sizes, the mix of types, the fingerprint. */
#include "model/describe.h"

#include "base/buf.h"
#include "base/hash.h"
#include "format/gguf_view.h"

#include <string.h>

enum { ARRAY_SHOWN = 16, STRING_SHOWN = 1 << 16 };

static glass_status scalar(struct buf *b, const struct gguf_value *v, enum gguf_type type,
                           uint64_t i) {
    struct gguf_string s;
    switch (type) {
    case GGUF_STRING:
        s = gguf_item_string(v, i);
        if (s.n_bytes > STRING_SHOWN) return buf_printf(b, "{\"length\":%zu}", s.n_bytes);
        return buf_json_string(b, s.text, s.n_bytes);
    case GGUF_F32:
    case GGUF_F64: return buf_json_number(b, gguf_item_float(v, i));
    case GGUF_BOOL: return buf_text(b, gguf_item_int(v, i) ? "true" : "false");
    case GGUF_U64: return buf_printf(b, "%llu", (unsigned long long)gguf_item_int(v, i));
    default: return buf_printf(b, "%lld", (long long)gguf_item_int(v, i));
    }
}

static glass_status as_json(struct buf *b, const struct gguf_value *v) {
    if (v->type != GGUF_ARRAY) return scalar(b, v, v->type, 0);
    if (v->n_items > ARRAY_SHOWN)
        return buf_printf(b, "{\"length\":%llu}", (unsigned long long)v->n_items);
    TRY(buf_byte(b, '['));
    for (uint64_t i = 0; i < v->n_items; i++) {
        if (i > 0) TRY(buf_byte(b, ','));
        TRY(scalar(b, v, v->item_type, i));
    }
    return buf_byte(b, ']');
}

static glass_status fill_meta(struct glass_model *m) {
    int64_t n = gguf_n_values(m->file);
    TRY(mem_alloc_zero(&m->meta, (size_t)n, sizeof *m->meta));
    m->n_meta = n;
    for (int64_t i = 0; i < n; i++) {
        const struct gguf_value *v = gguf_value_at(m->file, i);
        struct buf b = {0};
        TRY(mem_copy_text(&m->meta[i].key, v->key.text, v->key.n_bytes));
        glass_status status = as_json(&b, v);
        if (status == GLASS_OK) status = buf_take(&b, &m->meta[i].json, NULL);
        buf_free(&b);
        TRY(status);
    }
    return GLASS_OK;
}

static glass_status copy_string(struct glass_model *m, const char *key, char **out) {
    struct gguf_string s;
    TRY(gguf_get_string_or(m->file, key, &s));
    return mem_copy_text(out, s.text, s.n_bytes);
}

/* "Q4_K 64%, Q6_K 36%": shares of the bytes, largest first, those below half a percent left
 * out. */
static glass_status fill_sizes(struct glass_model *m) {
    size_t bytes[GLASS_DTYPE_LIMIT] = {0};
    for (int64_t i = 0; i < gguf_n_tensors(m->file); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(m->file, i);
        int64_t n = 1;
        for (int d = 0; d < t->n_dims; d++) n *= t->shape[d];
        m->n_params += n;
        m->weight_bytes += t->n_bytes;
        bytes[t->dtype] += t->n_bytes;
    }
    struct buf b = {0};
    glass_status status = buf_text(&b, "");
    while (status == GLASS_OK) {
        int most = 0;
        for (int i = 1; i < GLASS_DTYPE_LIMIT; i++)
            if (bytes[i] > bytes[most]) most = i;
        double share =
            m->weight_bytes ? 100.0 * (double)bytes[most] / (double)m->weight_bytes : 0;
        if (share < 0.5) break;
        status = buf_printf(&b, "%s%s %.0f%%", b.len ? ", " : "",
                            glass_dtype_name((glass_dtype)most), share);
        bytes[most] = 0;
    }
    if (status == GLASS_OK) status = buf_take(&b, &m->dtype_mix, NULL);
    buf_free(&b);
    return status;
}

/* A few bytes of a tensor, so that two trainings of one shape differ. */
static glass_status hash_start(struct sha256 *hash, const struct gguf_tensor *t) {
    void *row;
    size_t n_bytes = gguf_tensor_row_bytes(t);
    if (t->view == NULL)
        return sha256_update(hash, t->data, t->n_bytes < 64 ? t->n_bytes : 64);
    TRY(mem_alloc(&row, n_bytes, 1));
    gguf_tensor_rows(row, t, 0, 1);
    glass_status status = sha256_update(hash, row, n_bytes < 64 ? n_bytes : 64);
    mem_free(row);
    return status;
}

/* What tells two models apart without reading their weights: every metadata value, and every
 * tensor's name, type and shape. */
static glass_status fill_fingerprint(struct glass_model *m) {
    struct sha256 *hash;
    TRY(sha256_create(&hash));
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < gguf_n_values(m->file); i++) {
        const struct gguf_value *v = gguf_value_at(m->file, i);
        status = sha256_update(hash, v->key.text, v->key.n_bytes);
        if (status == GLASS_OK) status = sha256_update(hash, v->data, v->n_bytes);
    }
    for (int64_t i = 0; status == GLASS_OK && i < gguf_n_tensors(m->file); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(m->file, i);
        uint64_t numbers[6] = {(uint64_t)t->dtype, (uint64_t)t->n_dims};
        for (int d = 0; d < t->n_dims; d++) numbers[2 + d] = (uint64_t)t->shape[d];
        status = sha256_update(hash, t->name, strlen(t->name) + 1);
        if (status == GLASS_OK) status = sha256_update(hash, numbers, sizeof numbers);
        if (status == GLASS_OK) status = hash_start(hash, t);
    }
    if (status == GLASS_OK) return sha256_finish(hash, m->fingerprint);
    sha256_free(hash);
    return status;
}

glass_status describe_model(struct glass_model *m) {
    TRY(fill_meta(m));
    TRY(copy_string(m, "general.name", &m->name));
    TRY(copy_string(m, "general.license", &m->license));
    TRY(fill_sizes(m));
    return fill_fingerprint(m);
}

void describe_clear(struct glass_model *m) {
    for (int64_t i = 0; i < m->n_meta; i++) {
        mem_free(m->meta[i].key);
        mem_free(m->meta[i].json);
    }
    mem_free(m->meta);
    mem_free(m->name);
    mem_free(m->license);
    mem_free(m->dtype_mix);
}
