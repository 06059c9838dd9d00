/* bits_model.c FROM OUT [--grow N] [--type T] - a larger model out of a tiny one of
 * tests/model/data/families, for tests of bits: N times as wide (8 by default) with as many
 * heads and one layer, with room for 640 tokens, its matrices of type T (F32 by default),
 * and a vocabulary of letters. N = 1 keeps width, layers and weights.
 *
 * The bytes of OUT depend on FROM, N and T alone: plain binary32 steps, no libm but floorf.
 */
#include "../bits/quantise.h"
#include "base/mem.h"
#include "format/gguf.h"
#include "format/gguf_write.h"
#include "math/kernels.h"

#include <stdio.h>
#include <stdlib.h>

enum { N_CTX = 640 };

struct recipe {
    const struct gguf *from;
    int64_t grow;
    glass_dtype type;
};

static bool ends(struct gguf_string s, const char *end) {
    size_t n = strlen(end);
    return s.n_bytes >= n && memcmp(s.text + s.n_bytes - n, end, n) == 0;
}

/* ---- metadata ---- */

static glass_status put_metadata(struct gguf_writer *w, const struct recipe *r) {
    static const char *const widths[] = {".embedding_length", ".feed_forward_length",
                                         ".key_length", ".value_length",
                                         ".rope.dimension_count"};
    for (int64_t i = 0; i < gguf_n_values(r->from); i++) {
        const struct gguf_value *v = gguf_value_at(r->from, i);
        char key[160];
        bool wider = false, one_layer = r->grow > 1 && ends(v->key, ".block_count");
        snprintf(key, sizeof key, "%.*s", (int)v->key.n_bytes, v->key.text);
        for (size_t j = 0; j < sizeof widths / sizeof *widths; j++)
            wider = wider || ends(v->key, widths[j]);
        if (wider || one_layer || ends(v->key, ".context_length")) {
            int64_t n = wider ? gguf_item_int(v, 0) * r->grow : one_layer ? 1 : N_CTX;
            TRY(gguf_put_int(w, key, GGUF_U32, n));
        } else if (r->grow > 1 && ends(v->key, "sliding_window_pattern")) {
            TRY(gguf_put_array(w, key, GGUF_BOOL, v->data, 1));
        } else if (strncmp(key, "tokenizer.", 10) != 0) {
            TRY(gguf_put_value(w, v));
        }
    }
    return GLASS_OK;
}

/* "<unk>", "<s>", "</s>", then " a", "a", " b", "b", … in ever longer words. */
static glass_status put_vocabulary(struct gguf_writer *w, int64_t n) {
    char(*text)[16];
    struct gguf_string *tokens;
    int32_t *types;
    float *scores;
    TRY(mem_alloc(&text, (size_t)n, sizeof *text));
    TRY(mem_alloc(&tokens, (size_t)n, sizeof *tokens));
    TRY(mem_alloc(&types, (size_t)n, sizeof *types));
    TRY(mem_alloc(&scores, (size_t)n, sizeof *scores));
    for (int64_t id = 0; id < n; id++) {
        static const char *const control[] = {"<unk>", "<s>", "</s>"};
        int64_t word = (id - 3) / 2;
        if (id < 3)
            snprintf(text[id], sizeof text[id], "%s", control[id]);
        else if (word < 26)
            snprintf(text[id], sizeof text[id], "%s%c", id % 2 ? "\xe2\x96\x81" : "",
                     (int)('a' + word));
        else
            snprintf(text[id], sizeof text[id], "%s%c%c", id % 2 ? "\xe2\x96\x81" : "",
                     (int)('a' + word / 26 - 1), (int)('a' + word % 26));
        tokens[id] = (struct gguf_string){text[id], strlen(text[id])};
        types[id] = id == 0 ? 2 : id < 3 ? 3 : 1;
        scores[id] = (float)-id;
    }
    TRY(gguf_put_text(w, "tokenizer.ggml.model", "llama"));
    TRY(gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, (uint64_t)n));
    TRY(gguf_put_array(w, "tokenizer.ggml.scores", GGUF_F32, scores, (uint64_t)n));
    TRY(gguf_put_array(w, "tokenizer.ggml.token_type", GGUF_I32, types, (uint64_t)n));
    TRY(gguf_put_int(w, "tokenizer.ggml.unknown_token_id", GGUF_U32, 0));
    TRY(gguf_put_int(w, "tokenizer.ggml.bos_token_id", GGUF_U32, 1));
    TRY(gguf_put_int(w, "tokenizer.ggml.eos_token_id", GGUF_U32, 2));
    mem_free(text), mem_free(tokens), mem_free(types), mem_free(scores);
    return GLASS_OK;
}

/* ---- tensors ---- */

static bool is_matrix(const struct gguf_tensor *t) {
    return t->n_dims == 2 && strcmp(t->name, "position_embd.weight") != 0;
}

static bool is_kept(const struct recipe *r, const struct gguf_tensor *t) {
    return r->grow == 1 || strncmp(t->name, "blk.", 4) != 0 ||
           strncmp(t->name, "blk.0.", 6) == 0;
}

static void shape_of(int64_t shape[2], const struct recipe *r,
                     const struct gguf_tensor *t) {
    bool positions = strcmp(t->name, "position_embd.weight") == 0;
    for (int i = 0; i < t->n_dims; i++) shape[i] = t->shape[i] * r->grow;
    if (positions) shape[0] = N_CTX;
}

/* 0 … 1, from the place of a weight (splitmix64's finish). */
static float noise(uint64_t i) {
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (float)((z ^ z >> 31) >> 40) * 0x1p-24f;
}

/* Row `row` of the grown tensor: the small one repeated, each matrix weight with a factor
 * of its own, smaller as sums get longer. */
static void grown_row(float *x, const struct recipe *r, const struct gguf_tensor *t,
                      int64_t row, int64_t k) {
    int64_t columns = t->shape[t->n_dims - 1], rows = t->n_dims == 2 ? t->shape[0] : 1;
    for (int64_t i = 0; i < k; i++) {
        size_t at = (size_t)(row % rows * columns + i % columns) * 4;
        memcpy(&x[i], t->data + at, 4);
        if (r->grow > 1 && t->n_dims == 2) x[i] *= 0.75f * noise((uint64_t)(row * k + i));
    }
}

/* How far rounding may take a tensor, as a part of its length: a wrong layout goes further.
 */
static float tolerance(glass_dtype type) {
    switch (type) {
    case GLASS_F32: return 0;
    case GLASS_F16: return 0x1p-11f;
    case GLASS_BF16: return 0x1p-8f;
    case GLASS_Q8_0: return 0.01f;
    case GLASS_Q6_K: return 0.03f;
    case GLASS_Q5_0:
    case GLASS_Q5_1:
    case GLASS_Q5_K: return 0.07f;
    case GLASS_Q3_K: return 0.3f;
    case GLASS_Q2_K: return 0.5f;
    default: return 0.14f;
    }
}

static void widen_row(float *y, const uint8_t *row, int64_t k, glass_dtype type) {
    static const struct {
        glass_dtype type;
        size_t at;
    } rows[] = {
#define ROW(id, name) {id, offsetof(struct math_kernels, widen_##name)}
        ROW(GLASS_F32, f32),   ROW(GLASS_F16, f16),   ROW(GLASS_BF16, bf16),
        ROW(GLASS_Q4_0, q4_0), ROW(GLASS_Q4_1, q4_1), ROW(GLASS_Q5_0, q5_0),
        ROW(GLASS_Q5_1, q5_1), ROW(GLASS_Q8_0, q8_0), ROW(GLASS_IQ4_NL, iq4_nl),
        ROW(GLASS_Q2_K, q2_k), ROW(GLASS_Q3_K, q3_k), ROW(GLASS_Q4_K, q4_k),
        ROW(GLASS_Q5_K, q5_k), ROW(GLASS_Q6_K, q6_k), ROW(GLASS_IQ4_XS, iq4_xs),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].type == type) {
            void (*widen)(float *, const void *, int64_t);
            memcpy(&widen, (const char *)math_kernels() + rows[i].at, sizeof widen);
            widen(y, row, k);
        }
}

static glass_status put_tensor_data(struct gguf_writer *w, const struct recipe *r,
                                    const struct gguf_tensor *t) {
    int64_t shape[2] = {1, 1};
    shape_of(shape, r, t);
    int64_t k = shape[t->n_dims - 1], rows = t->n_dims == 2 ? shape[0] : 1;
    glass_dtype type = is_matrix(t) ? r->type : GLASS_F32;
    size_t row_bytes =
        (size_t)(k / glass_dtype_block(type)) * glass_dtype_block_bytes(type);
    float *x;
    uint8_t *row;
    double size = 0, distance = 0;
    TRY(mem_alloc(&x, (size_t)(2 * k), sizeof *x));
    TRY(mem_alloc(&row, row_bytes, 1));
    for (int64_t i = 0; i < rows; i++) {
        grown_row(x, r, t, i, k);
        quantise(row, x, k, type);
        TRY(gguf_put_data(w, row, row_bytes));
        widen_row(x + k, row, k, type);
        for (int64_t j = 0; j < k; j++) {
            double difference = (double)x[j] - (double)x[k + j];
            size += (double)x[j] * (double)x[j];
            distance += difference * difference;
        }
    }
    mem_free(x), mem_free(row);
    if (distance > size * (double)tolerance(type) * (double)tolerance(type))
        return fail(GLASS_BAD_INPUT, "%s as %s: relative distance %g is more than rounding",
                    t->name, glass_dtype_name(type), sqrt(distance / size));
    return GLASS_OK;
}

static glass_status put_tensors(struct gguf_writer *w, const struct recipe *r) {
    for (int64_t i = 0; i < gguf_n_tensors(r->from); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(r->from, i);
        int64_t shape[2] = {1, 1};
        shape_of(shape, r, t);
        if (is_kept(r, t))
            TRY(gguf_put_tensor(w, t->name, is_matrix(t) ? r->type : GLASS_F32, t->n_dims,
                                shape));
    }
    for (int64_t i = 0; i < gguf_n_tensors(r->from); i++)
        if (is_kept(r, gguf_tensor_at(r->from, i)))
            TRY(put_tensor_data(w, r, gguf_tensor_at(r->from, i)));
    return GLASS_OK;
}

static glass_status make(const char *from, const char *out, struct recipe *r) {
    struct gguf *g;
    struct gguf_writer *w;
    TRY(gguf_open(&g, from));
    r->from = g;
    const struct gguf_tensor *embedding = gguf_tensor_find(g, "token_embd.weight");
    if (embedding == NULL || embedding->dtype != GLASS_F32)
        return fail(GLASS_BAD_INPUT, "%s: not one of the tiny F32 models", from);
    TRY(gguf_writer_create(&w, out));
    glass_status status = put_metadata(w, r);
    if (status == GLASS_OK) status = put_vocabulary(w, embedding->shape[0] * r->grow);
    if (status == GLASS_OK) status = put_tensors(w, r);
    if (status == GLASS_OK) {
        status = gguf_writer_finish(w);
    } else {
        gguf_writer_free(w);
    }
    gguf_close(g);
    return status;
}

int main(int argc, char **argv) {
    struct recipe r = {NULL, 8, GLASS_F32};
    glass_status status = GLASS_OK;
    if (argc < 3 || argc % 2 == 0) {
        fprintf(stderr, "usage: bits_model FROM OUT [--grow N] [--type T]\n");
        return 2;
    }
    for (int i = 3; i + 1 < argc && status == GLASS_OK; i += 2) {
        if (!strcmp(argv[i], "--grow")) r.grow = strtol(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--type")) status = glass_dtype_parse(&r.type, argv[i + 1]);
    }
    if (status == GLASS_OK) status = make(argv[1], argv[2], &r);
    if (status == GLASS_OK) return 0;
    fprintf(stderr, "bits_model: %s\n", glass_error());
    return glass_status_exit_code(status);
}
