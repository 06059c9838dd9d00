/* shape.c - see shape.h. The model is made of a gguf in memory, so that everything that reads
 * models reads this one. */
#include "train/shape.h"

#include "base/mem.h"
#include "format/gguf_build.h"
#include "math/philox.h"
#include "text/tok_to_gguf.h"

#include <math.h>
#include <stdio.h>

/* What a family's row does not say: which of its linear layers have biases. */
static const struct shape_family {
    const char *arch;
    bool bias, qkv_bias;
} families[] = {{"llama", false, false}, {"qwen2", false, true}, {"qwen3", false, false},
                {"olmo2", false, false}, {"gpt2", true, true},   {"gptneox", true, true},
                {"gemma", false, false}};

struct shaping {
    const struct recipe *r;
    const struct family *family;
    const struct shape_family *kind;
    struct gguf_build *build;
    const uint8_t *zeros; /* NULL while the largest tensor is looked for */
    size_t most;
    int64_t n_vocab;
};

/* ---- tensors ---- */

static glass_status tensor(struct shaping *s, const char *name, int64_t layer, int64_t rows,
                           int64_t columns) {
    char full[96];
    if (layer >= 0)
        snprintf(full, sizeof full, "blk.%lld.%s", (long long)layer, name);
    else
        snprintf(full, sizeof full, "%s", name);
    size_t bytes;
    if (!mem_mul(&bytes, (size_t)rows * sizeof(float), (size_t)columns))
        return fail_memory(SIZE_MAX);
    if (bytes > s->most) s->most = bytes;
    if (s->zeros == NULL) return GLASS_OK;
    struct gguf_tensor t = {.name = full,
                            .dtype = GLASS_F32,
                            .n_dims = rows == 1 ? 1 : 2,
                            .shape = {rows == 1 ? columns : rows, columns},
                            .data = s->zeros};
    return gguf_build_tensor(s->build, &t);
}

static glass_status norm(struct shaping *s, const char *name, int64_t layer, int64_t n) {
    char full[72];
    if (!s->family->norm_weights) return GLASS_OK;
    snprintf(full, sizeof full, "%s.weight", name);
    TRY(tensor(s, full, layer, 1, n));
    if (s->family->norm != NORM_LAYER) return GLASS_OK;
    snprintf(full, sizeof full, "%s.bias", name);
    return tensor(s, full, layer, 1, n);
}

static glass_status linear(struct shaping *s, const char *name, int64_t layer, bool bias,
                           int64_t rows, int64_t columns) {
    char full[72];
    snprintf(full, sizeof full, "%s.weight", name);
    TRY(tensor(s, full, layer, rows, columns));
    if (!bias) return GLASS_OK;
    snprintf(full, sizeof full, "%s.bias", name);
    return tensor(s, full, layer, 1, rows);
}

static glass_status put_layer(struct shaping *s, int64_t i) {
    const struct recipe *r = s->r;
    const struct family *f = s->family;
    bool qkv = s->kind->qkv_bias, bias = s->kind->bias;
    int64_t D = r->n_embd, q = r->n_head * r->head_dim, kv = r->n_head_kv * r->head_dim;
    if (f->norm_before) TRY(norm(s, "attn_norm", i, D));
    if (f->norm_before && !f->one_norm) TRY(norm(s, "ffn_norm", i, D));
    if (f->norm_after) TRY(norm(s, "post_attention_norm", i, D));
    if (f->norm_after) TRY(norm(s, "post_ffw_norm", i, D));
    if (f->qk_norm != QK_NORM_NONE) {
        bool row = f->qk_norm == QK_NORM_ROW;
        TRY(norm(s, "attn_q_norm", i, row ? q : r->head_dim));
        TRY(norm(s, "attn_k_norm", i, row ? kv : r->head_dim));
    }
    if (f->fused_qkv) {
        TRY(linear(s, "attn_qkv", i, qkv, q + 2 * kv, D));
    } else {
        TRY(linear(s, "attn_q", i, qkv, q, D));
        TRY(linear(s, "attn_k", i, qkv, kv, D));
        TRY(linear(s, "attn_v", i, qkv, kv, D));
    }
    TRY(linear(s, "attn_output", i, bias, D, q));
    if (f->gated) TRY(linear(s, "ffn_gate", i, bias, r->n_ff, D));
    TRY(linear(s, "ffn_up", i, bias, r->n_ff, D));
    return linear(s, "ffn_down", i, bias, D, r->n_ff);
}

static glass_status put_tensors(struct shaping *s) {
    const struct recipe *r = s->r;
    TRY(tensor(s, "token_embd.weight", -1, s->n_vocab, r->n_embd));
    if (s->family->learned_positions)
        TRY(tensor(s, "position_embd.weight", -1, r->n_ctx, r->n_embd));
    for (int64_t i = 0; i < r->n_layer; i++) TRY(put_layer(s, i));
    TRY(norm(s, "output_norm", -1, r->n_embd));
    return r->tied ? GLASS_OK : tensor(s, "output.weight", -1, s->n_vocab, r->n_embd);
}

/* ---- values ---- */

static glass_status put_count(struct gguf_writer *w, const char *arch, const char *name,
                              int64_t value) {
    char key[96];
    snprintf(key, sizeof key, "%s.%s", arch, name);
    return gguf_put_int(w, key, GGUF_U32, value);
}

static glass_status put_values(struct shaping *s, struct gguf_writer *w) {
    const struct recipe *r = s->r;
    const char *a = s->family->arch;
    bool rms = s->family->norm == NORM_RMS;
    char key[96];
    TRY(gguf_put_text(w, "general.architecture", a));
    if (r->name[0] != '\0') TRY(gguf_put_text(w, "general.name", r->name));
    TRY(gguf_put_int(w, "general.file_type", GGUF_U32, 0));
    TRY(put_count(w, a, "context_length", r->n_ctx));
    TRY(put_count(w, a, "embedding_length", r->n_embd));
    TRY(put_count(w, a, "block_count", r->n_layer));
    TRY(put_count(w, a, "feed_forward_length", r->n_ff));
    TRY(put_count(w, a, "attention.head_count", r->n_head));
    TRY(put_count(w, a, "attention.head_count_kv", r->n_head_kv));
    TRY(put_count(w, a, "attention.key_length", r->head_dim));
    TRY(put_count(w, a, "attention.value_length", r->head_dim));
    TRY(put_count(w, a, "vocab_size", s->n_vocab));
    snprintf(key, sizeof key, "%s.attention.layer_norm%s_epsilon", a, rms ? "_rms" : "");
    TRY(gguf_put_float(w, key, GGUF_F32, r->norm_eps));
    if (s->family->parallel_key) {
        snprintf(key, sizeof key, "%s.use_parallel_residual", a);
        TRY(gguf_put_bool(w, key, true));
    }
    if (s->family->rope == ROPE_NONE) return GLASS_OK;
    TRY(put_count(w, a, "rope.dimension_count", r->head_dim));
    snprintf(key, sizeof key, "%s.rope.freq_base", a);
    return gguf_put_float(w, key, GGUF_F32, r->rope_base);
}

/* Of a GGUF file the keys as they are; of anything else what they are made of. */
static glass_status put_tokenizer(struct shaping *s, struct gguf_writer *w) {
    const char *path = s->r->tokenizer;
    struct tok_source source = TOK_SOURCE_NONE;
    const struct tok_to_gguf_options options = {.any_pre = true};
    struct gguf *g = NULL;
    glass_status status;
    size_t n = strlen(path);
    if (n > 5 && strcmp(path + n - 5, ".gguf") == 0) {
        TRY(gguf_open(&g, path));
        status = tok_read_gguf(&source, g);
        for (int64_t i = 0; status == GLASS_OK && i < gguf_n_values(g); i++) {
            const struct gguf_value *v = gguf_value_at(g, i);
            if (v->key.n_bytes > 10 && memcmp(v->key.text, "tokenizer.", 10) == 0)
                status = gguf_put_value(w, v);
        }
    } else {
        status = tok_read_path(&source, path);
        if (status == GLASS_OK) tok_find_eos(&source);
        if (status == GLASS_OK) status = tok_to_gguf(w, &source, &options);
    }
    s->n_vocab = source.n_vocab;
    tok_source_clear(&source);
    gguf_close(g);
    return status;
}

static glass_status find_family(struct shaping *s) {
    const char *arch = s->r->family;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].arch, arch) == 0) s->kind = &families[i];
    if (s->kind == NULL)
        return fail(GLASS_BAD_INPUT,
                    "%s: model.family \"%.40s\": llama, qwen2, qwen3, olmo2, gpt2, gptneox "
                    "and gemma can be made anew; any other that trains can be a model.base",
                    s->r->path, arch);
    s->family = family_find(arch, strlen(arch));
    return GLASS_OK;
}

glass_status shape_model(struct glass_model **out, struct recipe *r) {
    struct shaping s = {.r = r};
    struct gguf *g = NULL;
    uint8_t *zeros;
    glass_status status;
    *out = NULL;
    TRY(find_family(&s));
    if (r->n_ff == 0) /* 8/3 n_embd, up to a multiple of 32; 4 n_embd without gates */
        r->n_ff = s.family->gated ? (r->n_embd * 8 / 3 + 31) / 32 * 32 : 4 * r->n_embd;
    TRY(gguf_build_create(&s.build, r->path));
    TRY_FAIL(put_tokenizer(&s, gguf_build_values(s.build)));
    TRY_FAIL(put_values(&s, gguf_build_values(s.build)));
    TRY_FAIL(put_tensors(&s));
    TRY_FAIL(mem_alloc_zero(&zeros, s.most + 64, 1));
    TRY_FAIL(gguf_build_own(s.build, zeros, mem_free));
    s.zeros = zeros + (64 - (uintptr_t)zeros % 64) % 64;
    TRY_FAIL(put_tensors(&s));
    status = gguf_build_finish(&g, s.build);
    s.build = NULL;
    if (status == GLASS_OK) status = model_create(out, g, NULL);
fail:
    gguf_build_free(s.build);
    return status;
}

/* ---- first values ---- */

static bool ends_branch(const char *name) {
    return strstr(name, ".attn_output.weight") != NULL ||
           strstr(name, ".ffn_down.weight") != NULL;
}

void shape_fill(const struct params *p, const struct recipe *r) {
    float deviation = (float)r->deviation;
    float last = (float)(r->deviation / sqrt(2.0 * (double)p->config->n_layer));
    for (int64_t i = 0; i < p->n_list; i++) {
        const struct param *e = &p->list[i];
        int64_t n = e->n * e->k;
        if (e->role == PARAM_NORM || e->role == PARAM_BIAS) {
            for (int64_t j = 0; j < n; j++) e->w[j] = e->role == PARAM_NORM ? 1 : 0;
            continue;
        }
        float scale = ends_branch(e->name) ? last : deviation;
        philox_normals(e->w, n, (uint64_t)r->seed, (uint64_t)i + 1, 0);
        for (int64_t j = 0; j < n; j++) e->w[j] *= scale;
    }
}
