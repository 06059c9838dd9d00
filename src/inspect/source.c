/* source.c - see source.h. */
#include "inspect/source.h"

#include "base/buf.h"
#include "math/matmul.h"
#include "model/import.h"

#include <stdio.h>
#include <sys/stat.h>

/* ---- opening ---- */

/* A folder's weights by the names that publishers agree on. */
static glass_status open_archive(struct archive **out, const char *path) {
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json",
                                        "pytorch_model.bin",
                                        "pytorch_model.bin.index.json"};
    struct stat st;
    struct buf full = {0};
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) return archive_open(out, path);
    *out = NULL;
    glass_status status = GLASS_BAD_INPUT;
    for (size_t i = 0; *out == NULL && i < sizeof names / sizeof *names; i++) {
        buf_clear(&full);
        TRY(buf_printf(&full, "%s/%s", path, names[i]));
        if (stat(full.data, &st) == 0) status = archive_open(out, full.data);
    }
    buf_free(&full);
    return status;
}

glass_status source_open(struct source *out, const char *path) {
    char why[512], *vocab;
    *out = (struct source){0};
    glass_status status = import_find(&out->g, &vocab, path);
    if (status == GLASS_OK) mem_free(vocab);
    if (status == GLASS_OK || status == GLASS_NO_MEMORY) return status;
    snprintf(why, sizeof why, "%s", glass_error());
    /* No model that Glass runs, but perhaps its tensors. */
    glass_status of_archive = open_archive(&out->a, path);
    if (of_archive == GLASS_OK || of_archive == GLASS_NO_MEMORY) return of_archive;
    /* A file that no importer looked into, for want of settings beside it: its own error. */
    bool looked = strncmp(why, path, strlen(path)) == 0;
    return looked ? fail(status, "%s", why) : of_archive;
}

void source_close(struct source *s) {
    gguf_close(s->g);
    archive_close(s->a);
    *s = (struct source){0};
}

int64_t source_n(const struct source *s) {
    return s->g != NULL ? gguf_n_tensors(s->g) : archive_n_tensors(s->a);
}

static bool readable(glass_dtype dtype) {
    switch (dtype) {
    case GLASS_I8:
    case GLASS_I16:
    case GLASS_I32:
    case GLASS_I64:
    case GLASS_F64: return true;
    default: break;
    }
    struct weight w = {NULL, dtype, 1, glass_dtype_block(dtype), 0};
    return glass_dtype_name(dtype) != NULL && matmul_check(&w) == GLASS_OK;
}

static void from_gguf(struct source_tensor *out, const struct gguf_tensor *t) {
    *out = (struct source_tensor){.name = t->name,
                                  .type = glass_dtype_name(t->dtype),
                                  .dtype = t->dtype,
                                  .known = readable(t->dtype),
                                  .n_dims = t->n_dims,
                                  .n_bytes = t->n_bytes,
                                  .data = t->view == NULL ? t->data : NULL,
                                  .t = t};
    for (int d = 0; d < t->n_dims; d++) out->shape[d] = t->shape[d];
}

static void from_archive(struct source_tensor *out, const struct archive_tensor *t) {
    *out = (struct source_tensor){.name = t->name,
                                  .type = t->type,
                                  .dtype = t->dtype,
                                  .known = t->known && readable(t->dtype),
                                  .n_dims = t->n_dims,
                                  .n_bytes = t->n_bytes,
                                  .data = t->data};
    if (t->known && glass_dtype_name(t->dtype) != NULL)
        out->type = glass_dtype_name(t->dtype);
    for (int d = 0; d < t->n_dims; d++) out->shape[d] = t->shape[d];
}

/* How many numbers there are. */
static glass_status count(struct source_tensor *out) {
    size_t n = 1;
    for (int d = 0; d < out->n_dims; d++)
        if (!mem_mul(&n, n, (size_t)out->shape[d]) || n > INT64_MAX / 2)
            return fail(GLASS_BAD_INPUT, "tensor %s: its numbers cannot be counted",
                        out->name);
    out->n = (int64_t)n;
    out->row = out->n_dims > 0 ? out->shape[out->n_dims - 1] : 1;
    if (out->n_dims > 0 && out->row == 0) out->row = 1; /* and n is 0 */
    return GLASS_OK;
}

glass_status source_at(struct source_tensor *out, const struct source *s, int64_t i) {
    if (s->g != NULL)
        from_gguf(out, gguf_tensor_at(s->g, i));
    else
        from_archive(out, archive_tensor_at(s->a, i));
    return count(out);
}

glass_status source_find(struct source_tensor *out, bool *found, const struct source *s,
                         const char *name) {
    const struct gguf_tensor *g = s->g == NULL ? NULL : gguf_tensor_find(s->g, name);
    const struct archive_tensor *a = s->a == NULL ? NULL : archive_find(s->a, name, -1);
    *found = g != NULL || a != NULL;
    if (!*found) return GLASS_OK;
    if (g != NULL)
        from_gguf(out, g);
    else
        from_archive(out, a);
    return count(out);
}

/* ---- reading ---- */

int64_t source_piece(const struct source_tensor *t) {
    if (t->row <= SOURCE_PIECE) return SOURCE_PIECE / t->row * t->row;
    return t->data != NULL ? SOURCE_PIECE : t->row;
}

size_t source_bytes(const struct source_tensor *t, int64_t n) {
    return (size_t)(n / glass_dtype_block(t->dtype)) * glass_dtype_block_bytes(t->dtype);
}

size_t source_room(const struct source_tensor *t, int64_t n) {
    return (source_bytes(t, n) + 63) / 64 * 64;
}

static void widen_plain(float *out, const uint8_t *in, glass_dtype dtype, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        int64_t whole = 0;
        double real;
        switch (dtype) {
        case GLASS_I8: whole = (int8_t)in[i]; break;
        case GLASS_I16: {
            int16_t x;
            memcpy(&x, in + 2 * i, 2);
            whole = x;
            break;
        }
        case GLASS_I32: {
            int32_t x;
            memcpy(&x, in + 4 * i, 4);
            whole = x;
            break;
        }
        case GLASS_I64: memcpy(&whole, in + 8 * i, 8); break;
        default: break;
        }
        real = (double)whole;
        if (dtype == GLASS_F64) memcpy(&real, in + 8 * i, 8);
        out[i] = (float)real;
    }
}

void source_read(float *out, uint8_t *stored, const struct source_tensor *t, int64_t first,
                 int64_t n) {
    size_t n_bytes = source_bytes(t, n);
    if (t->data != NULL)
        memcpy(stored, t->data + source_bytes(t, first), n_bytes);
    else
        gguf_tensor_rows(stored, t->t, first / t->row, n / t->row);
    if (t->dtype >= GLASS_I8 && t->dtype <= GLASS_F64) {
        widen_plain(out, stored, t->dtype, n);
        return;
    }
    const struct weight w = {stored, t->dtype, 1, n, n_bytes};
    matmul_row(out, &w, 0);
}

glass_status source_step(struct source_progress *p, size_t n_bytes) {
    const glass_weights_options *o = p->options;
    p->done += n_bytes;
    if (o->progress == NULL || o->progress(o->context, p->done, p->total)) return GLASS_OK;
    return fail(GLASS_CANCELLED, "stopped after %zu of %zu bytes", p->done, p->total);
}
