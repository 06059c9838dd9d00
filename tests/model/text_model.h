/* text_model.h - a small llama with random weights and a vocabulary of vocab_maker.h, for
 * tests of what is done with texts. Two of the same seed and another `noise` are as near to
 * each other as noise is small. */
#ifndef TESTS_TEXT_MODEL_H
#define TESTS_TEXT_MODEL_H

#include "../text/vocab_maker.h"

#include "format/gguf_write.h"
#include "glass/glass.h"

struct text_model {
    uint64_t seed;
    float noise;     /* how much of another random number is added to each weight */
    float sharpness; /* of the head: 1 is a spread of logits of about 2 */
    int64_t n_ctx;   /* 0 = 256 */
};

enum { TM_EMBD = 32, TM_LAYERS = 2, TM_HEADS = 4, TM_KV = 2, TM_FF = 48 };

/* -1 … 1 */
static inline float tm_random(uint64_t *state) {
    return (float)(int64_t)(random_next(state) & 0xffffff) * 0x1p-23F - 1;
}

static inline void tm_tensor(struct gguf_writer *w, const struct text_model *t,
                             const char *name, int64_t rows, int64_t columns, float size) {
    uint64_t a = t->seed * 977 + (uint64_t)rows, b = ~a * 31;
    for (const char *c = name; *c; c++) a = a * 131 + (uint64_t)*c, b = b * 137 + a;
    for (int64_t i = 0; i < rows * columns; i++) {
        float x = tm_random(&a) * size + tm_random(&b) * size * t->noise;
        ok(gguf_put_data(w, &x, sizeof x));
    }
}

static inline void tm_ones(struct gguf_writer *w) {
    const float one = 1;
    for (int64_t i = 0; i < TM_EMBD; i++) ok(gguf_put_data(w, &one, sizeof one));
}

static inline void tm_numbers(struct gguf_writer *w, const struct text_model *t) {
    ok(gguf_put_text(w, "general.architecture", "llama"));
    ok(gguf_put_int(w, "llama.context_length", GGUF_U32, t->n_ctx ? t->n_ctx : 256));
    ok(gguf_put_int(w, "llama.embedding_length", GGUF_U32, TM_EMBD));
    ok(gguf_put_int(w, "llama.block_count", GGUF_U32, TM_LAYERS));
    ok(gguf_put_int(w, "llama.feed_forward_length", GGUF_U32, TM_FF));
    ok(gguf_put_int(w, "llama.attention.head_count", GGUF_U32, TM_HEADS));
    ok(gguf_put_int(w, "llama.attention.head_count_kv", GGUF_U32, TM_KV));
    ok(gguf_put_float(w, "llama.attention.layer_norm_rms_epsilon", GGUF_F32, 1e-5));
}

static inline void tm_vocabulary(struct gguf_writer *w, const struct maker *m) {
    struct gguf_string items[MAKER_TOKENS];
    for (int64_t i = 0; i < m->n_tokens; i++)
        items[i] = (struct gguf_string){m->tokens[i], strlen(m->tokens[i])};
    ok(gguf_put_text(w, "tokenizer.ggml.model", m->model));
    if (m->pre != NULL) ok(gguf_put_text(w, "tokenizer.ggml.pre", m->pre));
    ok(gguf_put_strings(w, "tokenizer.ggml.tokens", items, (uint64_t)m->n_tokens));
    ok(gguf_put_array(w, "tokenizer.ggml.token_type", GGUF_I32, m->types,
                      (uint64_t)m->n_tokens));
    if (m->spm)
        ok(gguf_put_array(w, "tokenizer.ggml.scores", GGUF_F32, m->scores,
                          (uint64_t)m->n_tokens));
    for (int64_t i = 0; i < m->n_merges; i++)
        items[i] = (struct gguf_string){m->merges[i], strlen(m->merges[i])};
    if (!m->spm)
        ok(gguf_put_strings(w, "tokenizer.ggml.merges", items, (uint64_t)m->n_merges));
    if (m->bos >= 0) ok(gguf_put_int(w, "tokenizer.ggml.bos_token_id", GGUF_U32, m->bos));
    if (m->eos >= 0) ok(gguf_put_int(w, "tokenizer.ggml.eos_token_id", GGUF_U32, m->eos));
    if (m->add_bos >= 0)
        ok(gguf_put_bool(w, "tokenizer.ggml.add_bos_token", m->add_bos != 0));
}

/* The rows of the layers' matrices. */
static const struct {
    const char *name;
    int64_t rows, columns;
} tm_matrices[] = {{"attn_q", TM_EMBD, TM_EMBD},
                   {"attn_k", TM_EMBD / TM_HEADS *TM_KV, TM_EMBD},
                   {"attn_v", TM_EMBD / TM_HEADS *TM_KV, TM_EMBD},
                   {"attn_output", TM_EMBD, TM_EMBD},
                   {"ffn_gate", TM_FF, TM_EMBD},
                   {"ffn_up", TM_FF, TM_EMBD},
                   {"ffn_down", TM_EMBD, TM_FF}};
enum { TM_MATRICES = sizeof tm_matrices / sizeof *tm_matrices };

/* write: the tensors' data, else their descriptions. */
static inline void tm_tensors(struct gguf_writer *w, const struct text_model *t,
                              int64_t n_vocab, bool write) {
    const int64_t table[2] = {n_vocab, TM_EMBD}, row[1] = {TM_EMBD};
    char name[64];
    if (write)
        tm_tensor(w, t, "token_embd", n_vocab, TM_EMBD, 1);
    else
        ok(gguf_put_tensor(w, "token_embd.weight", GLASS_F32, 2, table));
    for (int layer = 0; layer < TM_LAYERS; layer++) {
        for (int i = 0; i < TM_MATRICES; i++) {
            const int64_t shape[2] = {tm_matrices[i].rows, tm_matrices[i].columns};
            snprintf(name, sizeof name, "blk.%d.%s.weight", layer, tm_matrices[i].name);
            if (write)
                tm_tensor(w, t, name, shape[0], shape[1], 0.3F);
            else
                ok(gguf_put_tensor(w, name, GLASS_F32, 2, shape));
        }
        for (int i = 0; i < 2; i++) {
            snprintf(name, sizeof name, "blk.%d.%s.weight", layer,
                     i ? "ffn_norm" : "attn_norm");
            if (write)
                tm_ones(w);
            else
                ok(gguf_put_tensor(w, name, GLASS_F32, 1, row));
        }
    }
    if (write)
        tm_tensor(w, t, "output", n_vocab, TM_EMBD, 0.6F * t->sharpness);
    else
        ok(gguf_put_tensor(w, "output.weight", GLASS_F32, 2, table));
    if (write)
        tm_ones(w);
    else
        ok(gguf_put_tensor(w, "output_norm.weight", GLASS_F32, 1, row));
}

/* Writes the model to a new temporary file; path has 64 bytes. */
static inline void text_model_write(char *path, const struct maker *m,
                                    const struct text_model *t) {
    struct gguf_writer *w;
    write_temporary(path, "", 0);
    ok(gguf_writer_create(&w, path));
    tm_numbers(w, t);
    tm_vocabulary(w, m);
    tm_tensors(w, t, m->n_tokens, false);
    tm_tensors(w, t, m->n_tokens, true);
    ok(gguf_writer_finish(w));
}

static inline glass_model *text_model_open(const struct maker *m,
                                           const struct text_model *t) {
    char path[64];
    glass_model *model;
    text_model_write(path, m, t);
    ok(glass_model_open(&model, path, NULL));
    unlink(path);
    return model;
}

#endif
