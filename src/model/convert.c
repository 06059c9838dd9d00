/* convert.c - reads a model in any form, and streams its weights into another. */
#include "model/convert_parts.h"

#include "base/filemap.h"
#include "math/half.h"
#include "math/matmul.h"
#include "model/adapt.h"
#include "model/import.h"

#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    PIECE_BYTES = 4 << 20,
    DROP_BYTES = 32 << 20 /* of the input's pages that stay mapped behind the work */
};

/* ---- numbers ---- */

static glass_status reserve(void *out, size_t *have, size_t n_bytes) {
    void **p = out;
    if (n_bytes <= *have) return GLASS_OK;
    mem_free(*p);
    *p = NULL;
    *have = 0;
    uint8_t *bytes;
    TRY(mem_alloc(&bytes, n_bytes, 1));
    *p = bytes;
    *have = n_bytes;
    return GLASS_OK;
}

static glass_status too_large(const struct convert_tensor *t, float x) {
    return fail(GLASS_BAD_INPUT, "tensor %s holds %g, which F16 cannot; bf16 and f32 can",
                t->name, (double)x);
}

/* One row as another float type. */
static glass_status narrow(uint8_t *out, const struct convert_tensor *t, const float *x,
                           int64_t n) {
    if (t->dtype == GLASS_F32) {
        memcpy(out, x, (size_t)n * sizeof *x);
        return GLASS_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        uint16_t h = t->dtype == GLASS_BF16 ? bf16_round(x[i]) : f16_round(x[i]);
        if (t->dtype == GLASS_F16 && (h & 0x7fff) == 0x7c00 && isfinite(x[i]))
            return too_large(t, x[i]);
        memcpy(out + 2 * i, &h, sizeof h);
    }
    return GLASS_OK;
}

/* Canonical rows with what adapters add to them. */
static glass_status merged_rows(struct convert *c, const struct convert_tensor *t,
                                uint8_t *out, int64_t first, int64_t n) {
    enum { ROWS = 64 };
    const struct gguf_tensor *from = t->from;
    int64_t k = from->shape[from->n_dims - 1];
    size_t row_bytes = gguf_tensor_row_bytes(from);
    if (glass_dtype_block(t->dtype) != 1)
        return fail(
            GLASS_USAGE,
            "tensor %s stays %s, to which nothing can be added: ask for f32, bf16 or "
            "f16",
            t->name, glass_dtype_name(t->dtype));
    size_t out_bytes = (size_t)k * glass_dtype_block_bytes(t->dtype);
    TRY(reserve(&c->other, &c->n_other, row_bytes));
    TRY(reserve(&c->floats, &c->n_floats, (size_t)(ROWS * k) * sizeof *c->floats));
    struct weight w = {c->other, from->dtype, 1, k, row_bytes};
    TRY(matmul_check(&w));
    for (int64_t i = 0; i < n; i += ROWS) {
        int64_t m = n - i < ROWS ? n - i : ROWS;
        for (int64_t j = 0; j < m; j++) {
            gguf_tensor_rows(c->other, from, first + i + j, 1);
            matmul_row(c->floats + j * k, &w, 0);
        }
        TRY(adapter_merge_rows(c->merge, from->name, c->floats, first + i, m));
        for (int64_t j = 0; j < m; j++, out += out_bytes)
            TRY(narrow(out, t, c->floats + j * k, k));
    }
    return GLASS_OK;
}

/* Canonical rows as the output's type. Blocks that are asked for would be made here, of
 * c->floats: one row of f32. */
static glass_status typed_rows(struct convert *c, const struct convert_tensor *t,
                               uint8_t *out, int64_t first, int64_t n) {
    const struct gguf_tensor *from = t->from;
    if (adapter_merge_has(c->merge, from->name)) return merged_rows(c, t, out, first, n);
    if (t->minus_one && from->view != NULL && from->view->stored == t->dtype) {
        struct gguf_view stored = *from->view; /* as it was before one was added */
        struct gguf_tensor plain = *from;
        stored.plus_one = false;
        plain.view = &stored;
        plain.dtype = stored.stored;
        plain.n_bytes =
            from->n_bytes / sizeof(float) * glass_dtype_block_bytes(plain.dtype);
        gguf_tensor_rows(out, &plain, first, n);
        return GLASS_OK;
    }
    if (t->dtype == from->dtype && !t->minus_one) {
        gguf_tensor_rows(out, from, first, n);
        return GLASS_OK;
    }
    int64_t k = from->shape[from->n_dims - 1];
    size_t row_bytes = gguf_tensor_row_bytes(from);
    size_t out_bytes = (size_t)k * glass_dtype_block_bytes(t->dtype);
    TRY(reserve(&c->other, &c->n_other, row_bytes));
    TRY(reserve(&c->floats, &c->n_floats, (size_t)k * sizeof *c->floats));
    struct weight w = {c->other, from->dtype, 1, k, row_bytes};
    TRY(matmul_check(&w));
    for (int64_t i = 0; i < n; i++, out += out_bytes) {
        gguf_tensor_rows(c->other, from, first + i, 1);
        matmul_row(c->floats, &w, 0);
        for (int64_t j = 0; t->minus_one && j < k; j++) c->floats[j] = c->floats[j] - 1.0F;
        TRY(narrow(out, t, c->floats, k));
    }
    return GLASS_OK;
}

/* The canonical row of the output's row r of n. */
static int64_t canonical_row(const struct convert_tensor *t, int64_t r, int64_t n) {
    int64_t head = n / t->n_heads, i;
    if (t->order == GGUF_HALVES) {
        i = r % head;
        return r - i + (i < head / 2 ? 2 * i : 2 * (i - head / 2) + 1);
    }
    head /= 3; /* [q|k|v] of each head */
    i = r % (3 * head);
    return i / head * (n / 3) + r / (3 * head) * head + i % head;
}

/* A vector whose items are ordered as a matrix' rows are. */
static glass_status ordered_vector(struct convert *c, const struct convert_tensor *t,
                                   uint8_t *out) {
    int64_t n = t->shape[0];
    size_t item = glass_dtype_block_bytes(t->dtype);
    uint8_t *plain;
    TRY(mem_alloc(&plain, (size_t)n, item));
    glass_status status = typed_rows(c, t, plain, 0, 1);
    for (int64_t i = 0; status == GLASS_OK && i < n; i++)
        memcpy(out + (size_t)i * item, plain + (size_t)canonical_row(t, i, n) * item, item);
    mem_free(plain);
    return status;
}

/* Columns first … of the canonical matrix, each a row of the output. */
static glass_status turned_rows(struct convert *c, const struct convert_tensor *t,
                                uint8_t *out, int64_t first, int64_t n) {
    int64_t n_rows = t->shape[1], width = t->shape[0], at_once;
    size_t item = glass_dtype_block_bytes(t->dtype), row_bytes = (size_t)width * item;
    uint8_t *rows;
    at_once = PIECE_BYTES / (int64_t)row_bytes;
    at_once = at_once < 1 ? 1 : at_once > n_rows ? n_rows : at_once;
    TRY(mem_alloc(&rows, (size_t)at_once, row_bytes));
    glass_status status = GLASS_OK;
    for (int64_t r = 0; status == GLASS_OK && r < n_rows; r += at_once) {
        int64_t m = n_rows - r < at_once ? n_rows - r : at_once;
        status = typed_rows(c, t, rows, r, m);
        for (int64_t i = 0; status == GLASS_OK && i < n; i++)
            for (int64_t j = 0; j < m; j++)
                memcpy(out + (size_t)(i * n_rows + r + j) * item,
                       rows + (size_t)j * row_bytes + (size_t)(first + i) * item, item);
    }
    mem_free(rows);
    return status;
}

static glass_status read_piece(struct convert *c, const struct convert_tensor *t,
                               int64_t n_rows, size_t row_bytes, int64_t first, int64_t n) {
    if (t->order == GGUF_TURNED && t->n_dims == 2)
        return turned_rows(c, t, c->piece, first, n);
    if (t->order == GGUF_AS_IS || t->order == GGUF_TURNED)
        return typed_rows(c, t, c->piece, first, n);
    if (t->n_dims == 1) return ordered_vector(c, t, c->piece);
    for (int64_t i = 0; i < n; i++)
        TRY(typed_rows(c, t, c->piece + (size_t)i * row_bytes,
                       canonical_row(t, first + i, n_rows), 1));
    return GLASS_OK;
}

/* ---- pieces ---- */

static size_t bytes_of(const struct convert_tensor *t) {
    size_t n = 1;
    for (int i = 0; i < t->n_dims; i++) n *= (size_t)t->shape[i];
    return n / (size_t)glass_dtype_block(t->dtype) * glass_dtype_block_bytes(t->dtype);
}

glass_status convert_reckon(struct convert *c, const char *path) {
    struct statvfs fs;
    c->total = 0;
    for (int64_t i = 0; i < c->n_tensors; i++) c->total += bytes_of(&c->tensors[i]);
    const char *slash = strrchr(path, '/');
    char *folder;
    TRY(mem_copy_text(&folder, slash == NULL ? "." : path,
                      slash == NULL   ? 1
                      : slash == path ? 1
                                      : (size_t)(slash - path)));
    bool known = statvfs(folder, &fs) == 0;
    mem_free(folder);
    double room = known ? (double)fs.f_bavail * (double)fs.f_frsize : 0;
    if (!known || room >= (double)c->total) return GLASS_OK;
    return fail(GLASS_SYSTEM, "%s: %.1f MB are needed, but only %.1f MB are free there",
                path, 1e-6 * (double)c->total, 1e-6 * room);
}

/* Pages that were read are given back, so that memory in use stays small. */
static void drop_pages(struct convert *c, size_t n_bytes) {
    c->undropped += n_bytes;
    if (c->undropped < DROP_BYTES) return;
    c->undropped = 0;
    for (int i = 0; i < gguf_n_parts(c->in); i++) filemap_drop(gguf_part(c->in, i));
}

static glass_status report(const struct convert *c, const struct convert_tensor *t) {
    glass_convert_progress p = {t->name, c->done, c->total};
    if (c->options->progress == NULL || c->options->progress(c->options->context, &p))
        return GLASS_OK;
    return fail(GLASS_CANCELLED, "%s: the conversion was cancelled", c->out_path);
}

glass_status convert_stream(struct convert *c,
                            glass_status (*put)(void *writer, const void *bytes,
                                                size_t n_bytes),
                            void *writer) {
    for (int64_t k = 0; k < c->n_tensors; k++) {
        const struct convert_tensor *t = &c->tensors[k];
        int64_t n_rows = 1, at_once;
        for (int i = 0; i < t->n_dims - 1; i++) n_rows *= t->shape[i];
        size_t row_bytes = bytes_of(t) / (size_t)n_rows;
        at_once = PIECE_BYTES / (int64_t)row_bytes;
        at_once = at_once < 1 ? 1 : at_once > n_rows ? n_rows : at_once;
        TRY(reserve(&c->piece, &c->n_piece, (size_t)at_once * row_bytes));
        for (int64_t r = 0; r < n_rows; r += at_once) {
            int64_t n = n_rows - r < at_once ? n_rows - r : at_once;
            TRY(report(c, t));
            glass_status status = read_piece(c, t, n_rows, row_bytes, r, n);
            if (status != GLASS_OK) return fail_within(status, "%s", c->in_path);
            TRY(put(writer, c->piece, (size_t)n * row_bytes));
            c->done += (size_t)n * row_bytes;
            drop_pages(c, (size_t)n * row_bytes);
        }
    }
    return GLASS_OK;
}

/* ---- the call ---- */

static glass_status open_source(struct convert *c) {
    c->has_source = c->vocab != NULL || gguf_find(c->in, "tokenizer.ggml.model") != NULL;
    if (!c->has_source) return GLASS_OK;
    return c->vocab != NULL ? tok_read_path(&c->source, c->vocab)
                            : tok_read_gguf(&c->source, c->in);
}

static glass_status check_out(const struct convert *c) {
    struct stat st;
    if (lstat(c->out_path, &st) != 0) return GLASS_OK;
    if (c->options->to == GLASS_TO_GGUF && S_ISDIR(st.st_mode))
        return fail(GLASS_USAGE, "%s: a folder; a GGUF file needs a name of its own",
                    c->out_path);
    if (c->options->to == GLASS_TO_SAFETENSORS && !S_ISDIR(st.st_mode))
        return fail(GLASS_USAGE, "%s: a file; safetensors go into a folder", c->out_path);
    if (c->options->force) return GLASS_OK;
    return fail(GLASS_USAGE, "%s: it exists already; --force replaces it", c->out_path);
}

static void convert_clear(struct convert *c) {
    tok_source_clear(&c->source);
    gguf_close(c->in);
    mem_free(c->vocab);
    mem_free(c->tensors);
    mem_free(c->number_tensors);
    mem_free(c->numbers);
    mem_free(c->piece);
    mem_free(c->other);
    mem_free(c->floats);
}

/* What a conversion with adapters opens besides. */
struct adapted {
    glass_model *model;
    glass_adapter *opened[ADAPTERS_AT_ONCE];
    glass_adapter_use uses[ADAPTERS_AT_ONCE];
};

static glass_status open_adapters(struct adapted *a, struct convert *c) {
    const glass_convert_options *o = c->options;
    if (o->n_adapters == 0) return GLASS_OK;
    if (o->n_adapters < 0 || o->n_adapters > ADAPTERS_AT_ONCE)
        return fail(GLASS_USAGE, "%d adapters: 0 to %d are possible", o->n_adapters,
                    ADAPTERS_AT_ONCE);
    TRY(glass_model_open(&a->model, c->in_path, NULL));
    for (int i = 0; i < o->n_adapters; i++) {
        TRY(glass_adapter_open(&a->opened[i], a->model, o->adapters[i]));
        a->uses[i] = (glass_adapter_use){a->opened[i], o->scales[i]};
    }
    return adapter_merge_create(&c->merge, a->model, a->uses, o->n_adapters);
}

static void close_adapters(struct adapted *a, struct convert *c) {
    adapter_merge_free(c->merge);
    for (int i = 0; i < ADAPTERS_AT_ONCE; i++) glass_adapter_close(a->opened[i]);
    glass_model_close(a->model);
}

glass_status glass_convert(const char *in, const char *out,
                           const glass_convert_options *options,
                           glass_convert_result *result) {
    struct convert c = {.options = options, .in_path = in, .out_path = out};
    struct adapted adapted = {.model = NULL};
    glass_status status;
    c.source = (struct tok_source)TOK_SOURCE_NONE;
    if (!options->keep_types && options->type != GLASS_F32 && options->type != GLASS_F16 &&
        options->type != GLASS_BF16)
        return fail(GLASS_USAGE, "weights can be converted to f32, f16 or bf16, not to %s",
                    glass_dtype_name(options->type) == NULL
                        ? "this type"
                        : glass_dtype_name(options->type));
    TRY(check_out(&c));
    TRY(import_find(&c.in, &c.vocab, in));
    c.from_gguf = gguf_is_file(c.in);
    TRY_FAIL(open_source(&c));
    TRY_FAIL(open_adapters(&adapted, &c));
    TRY_FAIL(options->to == GLASS_TO_GGUF ? convert_to_gguf(&c) : convert_to_folder(&c));
    if (result != NULL) *result = (glass_convert_result){c.total, c.n_tensors};
fail:
    close_adapters(&adapted, &c);
    convert_clear(&c);
    return status;
}
