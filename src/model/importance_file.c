/* importance_file.c - importance as llama.cpp's llama-imatrix keeps it.
 *
 * GGUF: general.type "imatrix", imatrix.datasets, imatrix.chunk_count, imatrix.chunk_size; for
 * each matrix NAME.in_sum2 (experts, columns) and NAME.counts (experts, 1), both F32. The older
 * format, little-endian: i32 entries; for each i32 length, name, i32 calls, i32 n, n floats that
 * are `calls` times the mean; then i32 calls of all and i32 length, name of the text. Source:
 * tools/imatrix and common/imatrix-loader of the ggml project's llama.cpp. */
#include "base/mem.h"
#include "base/reader.h"
#include "format/gguf_view.h"
#include "format/gguf_write.h"
#include "model/importance.h"

#include <stdio.h>
#include <string.h>

#define SUMS   ".in_sum2"
#define COUNTS ".counts"

/* ---- GGUF ---- */

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), n_end = strlen(end);
    return n > n_end && strcmp(text + n - n_end, end) == 0;
}

static int64_t n_numbers(const struct gguf_tensor *t) {
    return (int64_t)(t->n_bytes / sizeof(float));
}

static glass_status read_pair(struct glass_importance *im, const struct gguf *g,
                              const struct gguf_tensor *sums) {
    char name[160];
    size_t n_name = strlen(sums->name) - strlen(SUMS);
    struct importance_entry *e;
    snprintf(name, sizeof name, "%.*s%s", (int)n_name, sums->name, COUNTS);
    const struct gguf_tensor *counts = gguf_tensor_find(g, name);
    if (counts == NULL)
        return fail(GLASS_BAD_INPUT, "%s: %s has no %s beside it", gguf_path(g), sums->name,
                    name);
    if (sums->dtype != GLASS_F32 || counts->dtype != GLASS_F32)
        return fail(GLASS_BAD_INPUT, "%s: %s and its counts must be F32", gguf_path(g),
                    sums->name);
    int64_t n = n_numbers(sums), n_counts = n_numbers(counts);
    if (n % n_counts != 0)
        return fail(GLASS_BAD_INPUT, "%s: %s has %lld numbers for %lld counts",
                    gguf_path(g), sums->name, (long long)n, (long long)n_counts);
    TRY(importance_add(im, &e, sums->name, n_name, n, n_counts));
    gguf_tensor_rows(e->sums, sums, 0, gguf_tensor_n_rows(sums));
    gguf_tensor_rows(e->counts, counts, 0, gguf_tensor_n_rows(counts));
    return GLASS_OK;
}

static glass_status read_gguf(struct glass_importance *im, const struct gguf *g) {
    const struct gguf_value *names;
    struct gguf_string type, source = {"", 0};
    uint64_t pieces, n_ctx;
    TRY(gguf_get_string_or(g, "general.type", &type));
    if (type.n_bytes != 7 || memcmp(type.text, "imatrix", 7) != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: its general.type is \"%.*s\", not \"imatrix\": this is no file of "
                    "importance",
                    gguf_path(g), (int)(type.n_bytes < 40 ? type.n_bytes : 40), type.text);
    TRY(gguf_get_array(g, "imatrix.datasets", GGUF_STRING, &names));
    TRY(gguf_get_u64_or(g, "imatrix.chunk_count", &pieces, 0));
    TRY(gguf_get_u64_or(g, "imatrix.chunk_size", &n_ctx, 0));
    if (names != NULL) source = gguf_item_string(names, 0);
    im->n_pieces = (int64_t)(pieces < INT32_MAX ? pieces : INT32_MAX);
    im->n_ctx = (int64_t)(n_ctx < INT32_MAX ? n_ctx : INT32_MAX);
    TRY(mem_copy_text(&im->source, source.text, source.n_bytes));
    for (int64_t i = 0; i < gguf_n_tensors(g); i++)
        if (ends_with(gguf_tensor_at(g, i)->name, SUMS))
            TRY(read_pair(im, g, gguf_tensor_at(g, i)));
    return GLASS_OK;
}

/* ---- the older format ---- */

static glass_status read_i32(struct reader *r, int64_t *out, int64_t least,
                             const char *what) {
    uint32_t bits;
    size_t at = r->pos;
    TRY(reader_u32(r, &bits, what));
    *out = (int32_t)bits;
    if (*out < least)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: %s is %lld", r->name, at, what,
                    (long long)*out);
    return GLASS_OK;
}

static glass_status read_entry(struct glass_importance *im, struct reader *r) {
    const uint8_t *name, *numbers;
    int64_t n_name, calls, n, ignored;
    struct importance_entry *e;
    TRY(read_i32(r, &n_name, 1, "a name's length"));
    TRY(reader_bytes(r, &name, (size_t)n_name, "a name"));
    if (memchr(name, 0, (size_t)n_name) != NULL)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: a name with a zero byte", r->name,
                    r->pos);
    TRY(read_i32(r, &calls, 0, "a number of calls"));
    TRY(read_i32(r, &n, 1, "a number of columns"));
    TRY(reader_bytes(r, &numbers, (size_t)n * sizeof(float), "columns"));
    char *text;
    TRY(mem_copy_text(&text, (const char *)name, (size_t)n_name));
    bool twice = glass_importance_of(im, text, &ignored) != NULL;
    glass_status status = GLASS_OK;
    if (twice) status = fail(GLASS_BAD_INPUT, "%s: two entries for %.64s", r->name, text);
    mem_free(text);
    if (status != GLASS_OK) return status;
    TRY(importance_add(im, &e, (const char *)name, (size_t)n_name, n, 1));
    memcpy(e->sums, numbers, (size_t)n * sizeof(float));
    e->counts[0] = calls > 0 ? (float)calls : 1;
    return GLASS_OK;
}

static glass_status read_old(struct glass_importance *im, struct reader *r) {
    int64_t n, n_name;
    const uint8_t *name = NULL;
    TRY(read_i32(r, &n, 1, "the number of entries"));
    for (int64_t i = 0; i < n; i++) TRY(read_entry(im, r));
    if (reader_left(r) > 0) {
        TRY(read_i32(r, &im->n_pieces, 0, "the number of calls"));
        TRY(read_i32(r, &n_name, 0, "a name's length"));
        TRY(reader_bytes(r, &name, (size_t)n_name, "the text's name"));
        size_t length = strnlen((const char *)name, (size_t)n_name);
        TRY(mem_copy_text(&im->source, (const char *)name, length));
    }
    return GLASS_OK;
}

/* ---- */

static glass_status read_any(struct glass_importance *im, const char *path) {
    struct filemap map;
    TRY(filemap_open(&map, path));
    glass_status status;
    if (map.size >= 4 && memcmp(map.data, "GGUF", 4) == 0) {
        struct gguf *g;
        status = gguf_open(&g, path);
        if (status == GLASS_OK) status = read_gguf(im, g);
        gguf_close(g);
    } else {
        struct reader r = {map.data, map.size, 0, path};
        status = read_old(im, &r);
    }
    filemap_close(&map);
    return status;
}

glass_status glass_importance_open(glass_importance **out, const char *path) {
    struct glass_importance *im;
    *out = NULL;
    TRY(mem_alloc_zero(&im, 1, sizeof *im));
    glass_status status = read_any(im, path);
    if (status == GLASS_OK && im->n_entries == 0)
        status = fail(GLASS_BAD_INPUT, "%s: no importance is in it", path);
    if (status == GLASS_OK) status = importance_finish(im, path);
    if (status == GLASS_OK) {
        *out = im;
    } else {
        glass_importance_free(im);
    }
    return status;
}

static glass_status describe(struct gguf_writer *w, const struct glass_importance *im) {
    const char *source = im->source != NULL ? im->source : "";
    struct gguf_string name = {source, strlen(source)};
    TRY(gguf_put_text(w, "general.type", "imatrix"));
    TRY(gguf_put_strings(w, "imatrix.datasets", &name, 1));
    TRY(gguf_put_int(w, "imatrix.chunk_count", GGUF_U32, im->n_pieces));
    TRY(gguf_put_int(w, "imatrix.chunk_size", GGUF_U32, im->n_ctx));
    for (int64_t i = 0; i < im->n_entries; i++) {
        const struct importance_entry *e = &im->entries[i];
        const int64_t sums[2] = {e->n_counts, e->n / e->n_counts};
        const int64_t counts[2] = {e->n_counts, 1};
        char tensor[160];
        snprintf(tensor, sizeof tensor, "%s%s", e->tensor, SUMS);
        TRY(gguf_put_tensor(w, tensor, GLASS_F32, 2, sums));
        snprintf(tensor, sizeof tensor, "%s%s", e->tensor, COUNTS);
        TRY(gguf_put_tensor(w, tensor, GLASS_F32, 2, counts));
    }
    return GLASS_OK;
}

glass_status glass_importance_save(const glass_importance *im, const char *path) {
    struct gguf_writer *w;
    glass_status status;
    TRY(gguf_writer_create(&w, path));
    TRY_FAIL(describe(w, im));
    for (int64_t i = 0; i < im->n_entries; i++) {
        const struct importance_entry *e = &im->entries[i];
        TRY_FAIL(gguf_put_data(w, e->sums, (size_t)e->n * sizeof *e->sums));
        TRY_FAIL(gguf_put_data(w, e->counts, (size_t)e->n_counts * sizeof *e->counts));
    }
    return gguf_writer_finish(w);
fail:
    gguf_writer_free(w);
    return status;
}
