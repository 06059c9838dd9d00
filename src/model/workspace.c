/* workspace.c - where each array of a pass lies in one block. */
#include "model/workspace.h"

#include "math/gemm.h"

static size_t aligned(size_t n_bytes) {
    return (n_bytes + 63) / 64 * 64;
}

static void *take(void *block, size_t *used, size_t n_items, size_t item_bytes) {
    void *piece = block == NULL ? NULL : (uint8_t *)block + *used;
    *used += aligned(n_items * item_bytes);
    return piece;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* The most bytes that a row takes in a format, over the layers given. */
static size_t widest(enum operand_format format, const struct linear *const *layers,
                     size_t n) {
    size_t most = 0;
    for (size_t i = 0; i < n; i++)
        if (layers[i]->w.data != NULL && matmul_format(layers[i]->w.dtype) == format)
            most = larger(most, operand_row_bytes(format, layers[i]->w.k));
    return most;
}

/* Bytes of a row in a format, for the layers that read the stream or the attention, and for
 * those that read the MLP's inside. */
static void row_bytes(size_t *in, size_t *inside, enum operand_format format,
                      const struct config *c, const struct weights *w) {
    const struct linear *head = &w->head;
    *in = widest(format, &head, 1);
    *inside = 0;
    for (int64_t i = 0; i < c->n_layer; i++) {
        const struct layer *l = &w->layers[i];
        const struct linear *all[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up};
        const struct linear *down = &l->down;
        *in = larger(*in, widest(format, all, sizeof all / sizeof *all));
        *inside = larger(*inside, widest(format, &down, 1));
    }
}

static void lay_rows(struct rows_in *rows, void *block, size_t *used,
                     const struct config *c, const struct weights *w, const size_t *in,
                     size_t n) {
    size_t n_angles = n * (size_t)w->n_ropes * (size_t)c->n_rot / 2;
    rows->x = take(block, used, n * (size_t)c->n_embd, sizeof(float));
    rows->normed = take(block, used, n * (size_t)c->n_embd, sizeof(float));
    rows->cosines = take(block, used, n_angles, sizeof(float));
    rows->sines = take(block, used, n_angles, sizeof(float));
    for (int f = 0; f < OPERAND_FORMATS; f++)
        rows->rounded[f] = take(block, used, n, in[f]);
}

void workspace_layout(struct workspace *s, void *block, const struct config *c,
                      const struct weights *w, int64_t n_rows, int64_t n_ctx,
                      int n_threads) {
    size_t T = (size_t)n_rows, used = 0, in[OPERAND_FORMATS], inside[OPERAND_FORMATS];
    size_t n_q = (size_t)(c->n_head * c->head_dim),
           n_kv = (size_t)(c->n_head_kv * c->head_dim);
    for (int f = 0; f < OPERAND_FORMATS; f++) row_bytes(&in[f], &inside[f], f, c, w);
    *s = (struct workspace){.n_rows = n_rows, .n_threads = n_threads, .block = block};
    s->ids = take(block, &used, T, sizeof *s->ids);
    s->positions = take(block, &used, T, sizeof *s->positions);
    s->is_long = take(block, &used, T, sizeof *s->is_long);
    lay_rows(&s->shared, block, &used, c, w, in, T);
    s->own = take(block, &used, (size_t)n_threads, sizeof *s->own);
    for (int i = 0; i < n_threads; i++) {
        struct rows_in own;
        lay_rows(&own, block, &used, c, w, in, T < FEW_ROWS ? T : FEW_ROWS);
        if (block != NULL) s->own[i] = own;
    }
    s->h = take(block, &used, T * (size_t)c->n_embd, sizeof *s->h);
    s->q = take(block, &used, T * n_q, sizeof *s->q);
    s->k = take(block, &used, T * n_kv, sizeof *s->k);
    s->v = take(block, &used, T * n_kv, sizeof *s->v);
    s->attn = take(block, &used, T * n_q, sizeof *s->attn);
    s->up = take(block, &used, T * (size_t)c->n_ff, sizeof *s->up);
    if (c->family.gated) s->gate = take(block, &used, T * (size_t)c->n_ff, sizeof *s->gate);
    for (int f = 0; f < OPERAND_FORMATS; f++)
        s->rounded_up[f] = take(block, &used, T, inside[f]);
    s->attn_scratch =
        take(block, &used, 1,
             attn_scratch_bytes(n_ctx, c->head_dim, c->n_head, c->n_head_kv, n_threads));
    s->scratch_bytes = aligned(GEMM_SCRATCH_BYTES);
    s->scratch = take(block, &used, (size_t)n_threads, s->scratch_bytes);
    s->segments = take(block, &used, T, sizeof *s->segments);
    s->n_bytes = used;
}
