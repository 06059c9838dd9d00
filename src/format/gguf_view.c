/* gguf_view.c - canonical rows of tensors, whatever order a file has them in. */
#include "format/gguf_view.h"

#include "math/matmul.h"

#include <string.h>

int64_t gguf_tensor_n_rows(const struct gguf_tensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->n_dims - 1; i++) n *= t->shape[i];
    return n;
}

size_t gguf_tensor_row_bytes(const struct gguf_tensor *t) {
    return t->n_bytes / (size_t)gguf_tensor_n_rows(t);
}

const uint8_t *gguf_tensor_in_place(const struct gguf_tensor *t, bool *halves) {
    const struct gguf_view *v = t->view;
    *halves = false;
    if (v == NULL) return t->data;
    if (v->n_pieces != 1 || v->plus_one || v->scales != NULL) return NULL;
    if (v->order != GGUF_AS_IS && v->order != GGUF_HALVES) return NULL;
    size_t unit =
        glass_dtype_block(v->stored) == 1 ? glass_dtype_block_bytes(v->stored) : 1;
    if ((uintptr_t)v->pieces[0].data % unit != 0) return NULL;
    *halves = v->order == GGUF_HALVES;
    return v->pieces[0].data;
}

/* The stored row of canonical row r of n. */
static int64_t stored_row(const struct gguf_view *v, int64_t r, int64_t n) {
    if (v->order == GGUF_HALVES) {
        int64_t head = n / v->n_heads, i = r % head;
        return r - i + i % 2 * (head / 2) + i / 2;
    }
    if (v->order == GGUF_QKV) {
        int64_t third = n / 3, head = third / v->n_heads;
        return r % third / head * 3 * head + r / third * head + r % head;
    }
    return r;
}

/* One stored row of `width` items of `item` bytes each (a block of weights, or one). */
static void copy_row(uint8_t *out, const struct gguf_view *v, int64_t row, int64_t width,
                     int64_t block, size_t item) {
    if (!v->by_columns) {
        const struct gguf_piece *p = v->pieces;
        for (; row >= p->n; p++) row -= p->n;
        memcpy(out, p->data + (size_t)row * (size_t)width * item, (size_t)width * item);
        return;
    }
    for (int i = 0; i < v->n_pieces; i++) {
        size_t n_bytes = (size_t)(v->pieces[i].n / block) * item;
        memcpy(out, v->pieces[i].data + (size_t)row * n_bytes, n_bytes);
        out += n_bytes;
    }
}

/* Rows first … of a matrix stored as (width, n_rows). */
static void turn(uint8_t *out, const uint8_t *in, int64_t width, int64_t n_rows,
                 size_t item, int64_t first, int64_t n) {
    enum { TILE = 32 }; /* rows written side by side: their lines stay in the cache */
    for (int64_t r = 0; r < n; r += TILE) {
        int64_t m = n - r < TILE ? n - r : TILE;
        for (int64_t c = 0; c < width; c++) {
            const uint8_t *from = in + (size_t)(c * n_rows + first + r) * item;
            uint8_t *to = out + (size_t)(r * width + c) * item;
            if (item == 2)
                for (int64_t i = 0; i < m; i++) memcpy(to + i * width * 2, from + i * 2, 2);
            else if (item == 4)
                for (int64_t i = 0; i < m; i++) memcpy(to + i * width * 4, from + i * 4, 4);
            else
                for (int64_t i = 0; i < m; i++)
                    memcpy(to + (size_t)(i * width) * item, from + (size_t)i * item, item);
        }
    }
}

/* A row, or a whole vector, plus one: (1 + w) is what some families call a norm's weight. */
static void plus_one(uint8_t *out, const struct gguf_view *v, int64_t row, int64_t width) {
    size_t row_bytes = (size_t)width * glass_dtype_block_bytes(v->stored);
    struct weight w = {v->pieces[0].data, v->stored, row + 1, width, row_bytes};
    float *values = (float *)(void *)out;
    matmul_row(values, &w, row);
    for (int64_t i = 0; i < width; i++) values[i] = 1.0F + values[i];
}

/* A row of 8-bit numbers times their scales. */
static void scale_row(uint8_t *out, const struct gguf_view *v, int64_t row, int64_t width) {
    const int8_t *in = (const int8_t *)v->pieces[0].data + row * width;
    float *values = (float *)(void *)out, scale = 0;
    for (int64_t i = 0; i < width; i++) {
        if (i % v->group == 0)
            memcpy(&scale, v->scales + (row * width + i) / v->group * 4, sizeof scale);
        values[i] = (float)in[i] * scale;
    }
}

void gguf_tensor_rows(void *out, const struct gguf_tensor *t, int64_t first, int64_t n) {
    const struct gguf_view *v = t->view;
    size_t row_bytes = gguf_tensor_row_bytes(t);
    uint8_t *to = out;
    if (v == NULL) {
        memcpy(to, t->data + (size_t)first * row_bytes, (size_t)n * row_bytes);
        return;
    }
    glass_dtype stored = v->stored;
    int64_t width = t->shape[t->n_dims - 1], n_rows = gguf_tensor_n_rows(t);
    int64_t block = glass_dtype_block(stored);
    size_t item = glass_dtype_block_bytes(stored);
    if (t->n_dims == 1) { /* a vector's items are what a matrix' rows are */
        first *= width;
        n *= width;
        n_rows = width;
        width = 1;
        row_bytes = glass_dtype_block_bytes(t->dtype);
    }
    if (v->order == GGUF_TURNED) {
        turn(to, v->pieces[0].data, width, n_rows, item, first, n);
        return;
    }
    for (int64_t i = 0; i < n; i++, to += row_bytes) {
        int64_t row = stored_row(v, first + i, n_rows);
        if (v->plus_one)
            plus_one(to, v, row, width);
        else if (v->scales != NULL)
            scale_row(to, v, row, width);
        else
            copy_row(to, v, row, width / block, block, item);
    }
}
