/* weights.c - finds each tensor of the transformer in a GGUF file by its name. */
#include "model/weights.h"

#include "base/mem.h"
#include "base/team.h"
#include "format/gguf_view.h"

#include <stdio.h>
#include <string.h>

/* Where binding stands: the file, and how much of the blocks of owned vectors and matrices is
 * used. The first walk (vectors NULL) only counts, so that one allocation holds them all. */
struct binder {
    const struct gguf *g;
    const struct config *c;
    float *vectors;
    size_t used;
    uint8_t *copies;
    size_t n_copied;
};

enum { REQUIRED = 0, OPTIONAL = 1 };

static glass_status find(const struct binder *b, const struct gguf_tensor **out,
                         int optional, const char *name, int64_t layer) {
    char full[96];
    if (layer >= 0) {
        snprintf(full, sizeof full, "blk.%lld.%s", (long long)layer, name);
    } else {
        snprintf(full, sizeof full, "%s", name);
    }
    *out = gguf_tensor_find(b->g, full);
    if (*out == NULL && !optional)
        return fail(
            GLASS_BAD_INPUT,
            "%s: tensor %s is missing: the file is incomplete, or not of the \"%s\" "
            "family",
            gguf_path(b->g), full, b->c->family.arch);
    return GLASS_OK;
}

static glass_status wrong_shape(const struct binder *b, const struct gguf_tensor *t,
                                int64_t rows, int64_t columns) {
    char have[96] = "";
    for (int i = 0; i < t->n_dims; i++) {
        size_t at = strlen(have);
        snprintf(have + at, sizeof have - at, "%s%lld", i ? " x " : "",
                 (long long)t->shape[i]);
    }
    return fail(GLASS_BAD_INPUT, "%s: tensor %s is %s; the metadata asks for %lld x %lld",
                gguf_path(b->g), t->name, have, (long long)rows, (long long)columns);
}

/* Widens a vector as it lies (stored), or in its canonical order. */
static glass_status read_vector(float *out, const struct gguf_tensor *t, bool stored) {
    int64_t n = t->shape[0];
    struct weight as_row = {t->data, t->dtype, 1, n, t->n_bytes};
    void *row = NULL;
    bool halves;
    if (t->view != NULL) {
        as_row.data = stored ? gguf_tensor_in_place(t, &halves) : NULL;
        if (as_row.data == NULL) {
            TRY(mem_alloc(&row, t->n_bytes, 1));
            gguf_tensor_rows(row, t, 0, 1);
            as_row.data = row;
        }
    }
    matmul_row(out, &as_row, 0);
    mem_free(row);
    return GLASS_OK;
}

/* Widens a vector of any float type into the owned block. */
static glass_status vector_of(struct binder *b, float **out, int optional, const char *name,
                              int64_t layer, int64_t n, bool stored) {
    const struct gguf_tensor *t;
    *out = NULL;
    TRY(find(b, &t, optional, name, layer));
    if (t == NULL) return GLASS_OK;
    if (t->n_dims != 1 || t->shape[0] != n) return wrong_shape(b, t, 1, n);
    if (t->dtype != GLASS_F32 && t->dtype != GLASS_F16 && t->dtype != GLASS_BF16)
        return fail(GLASS_BAD_INPUT,
                    "%s: tensor %s is %s; F32, F16 or BF16 is possible here",
                    gguf_path(b->g), t->name, glass_dtype_name(t->dtype));
    if (b->vectors != NULL) {
        *out = b->vectors + b->used;
        TRY(read_vector(*out, t, stored));
    }
    b->used += (size_t)n;
    return GLASS_OK;
}

static glass_status vector(struct binder *b, float **out, int optional, const char *name,
                           int64_t layer, int64_t n) {
    return vector_of(b, out, optional, name, layer, n, false);
}

struct copying {
    const struct gguf_tensor *t;
    uint8_t *to;
};

static void copy_share(void *context, const struct member *me) {
    const struct copying *c = context;
    int64_t begin, end;
    team_share(me, gguf_tensor_n_rows(c->t), 32, &begin, &end);
    gguf_tensor_rows(c->to + (size_t)begin * gguf_tensor_row_bytes(c->t), c->t, begin,
                     end - begin);
}

/* A matrix laid out anew in the owned block. */
static const uint8_t *copied(struct binder *b, const struct gguf_tensor *t) {
    static const uint8_t later[1]; /* while only counting */
    uint8_t *to = b->copies == NULL ? NULL : b->copies + b->n_copied;
    b->n_copied += (t->n_bytes + 63) / 64 * 64;
    if (to == NULL) return later;
    struct copying c = {t, to};
    team_run(t->n_bytes < 1 << 20 ? 1 : team_default_threads(), copy_share, &c);
    return to;
}

/* halves tells that the rows come so; where it is NULL they never do. */
static glass_status matrix(struct binder *b, struct weight *out, bool *halves, int optional,
                           const char *name, int64_t layer, int64_t rows, int64_t columns) {
    const struct gguf_tensor *t;
    bool apart;
    *out = (struct weight){0};
    TRY(find(b, &t, optional, name, layer));
    if (t == NULL) return GLASS_OK;
    if (t->n_dims != 2 || t->shape[0] != rows || t->shape[1] != columns)
        return wrong_shape(b, t, rows, columns);
    *out = (struct weight){NULL, t->dtype, rows, columns, t->n_bytes / (size_t)rows};
    glass_status status = matmul_check(out);
    if (status != GLASS_OK)
        return fail_within(status, "%s: tensor %s", gguf_path(b->g), t->name);
    out->data = gguf_tensor_in_place(t, &apart);
    if (out->data == NULL || (apart && halves == NULL)) {
        out->data = copied(b, t);
        apart = false;
    }
    if (halves != NULL) *halves = apart;
    return GLASS_OK;
}

/* NAME.weight and, where the file has it, NAME.bias. */
static glass_status linear(struct binder *b, struct linear *out, const char *name,
                           int64_t layer, int64_t rows, int64_t columns) {
    char text[64];
    snprintf(text, sizeof text, "%s.weight", name);
    TRY(matrix(b, &out->w, &out->halves, REQUIRED, text, layer, rows, columns));
    snprintf(text, sizeof text, "%s.bias", name);
    return vector_of(b, &out->b, OPTIONAL, text, layer, rows, out->halves);
}

static glass_status norm(struct binder *b, struct norm *out, const char *name,
                         int64_t layer, int64_t n) {
    char text[64];
    *out = (struct norm){0};
    if (!b->c->family.norm_weights) {
        /* A weight of ones: the product by it is exact. */
        if (b->vectors != NULL) {
            out->w = b->vectors + b->used;
            for (int64_t i = 0; i < n; i++) out->w[i] = 1;
        }
        b->used += (size_t)n;
        return GLASS_OK;
    }
    snprintf(text, sizeof text, "%s.weight", name);
    TRY(vector(b, &out->w, REQUIRED, text, layer, n));
    if (b->c->family.norm == NORM_RMS) return GLASS_OK;
    snprintf(text, sizeof text, "%s.bias", name);
    return vector(b, &out->b, OPTIONAL, text, layer, n);
}

static struct linear rows_of(const struct linear *all, int64_t first, int64_t n) {
    struct linear part = *all;
    part.w.data = (const uint8_t *)all->w.data + (size_t)first * all->w.row_bytes;
    part.w.n = n;
    if (all->b != NULL) part.b = all->b + first;
    return part;
}

/* q, k and v: one tensor whose rows are q, then k, then v, or three. */
static glass_status bind_qkv(struct binder *b, struct layer *l, int64_t i) {
    const struct config *c = b->c;
    int64_t n_q = c->n_head * c->head_dim, n_kv = c->n_head_kv * c->head_dim;
    const struct gguf_tensor *fused;
    struct linear all;
    TRY(find(b, &fused, OPTIONAL, "attn_qkv.weight", i));
    if (fused == NULL && !c->family.fused_qkv) {
        TRY(linear(b, &l->q, "attn_q", i, n_q, c->n_embd));
        TRY(linear(b, &l->k, "attn_k", i, n_kv, c->n_embd));
        return linear(b, &l->v, "attn_v", i, n_kv, c->n_embd);
    }
    TRY(linear(b, &all, "attn_qkv", i, n_q + 2 * n_kv, c->n_embd));
    l->q = rows_of(&all, 0, n_q);
    l->k = rows_of(&all, n_q, n_kv);
    l->v = rows_of(&all, n_q + n_kv, n_kv);
    return GLASS_OK;
}

/* gate, where the family has one, and up: one tensor of the gate's rows, then up's, or two. */
static glass_status bind_gate_up(struct binder *b, struct layer *l, int64_t i) {
    const struct config *c = b->c;
    struct linear all;
    if (!c->family.fused_gate) {
        if (c->family.gated) TRY(linear(b, &l->gate, "ffn_gate", i, c->n_ff, c->n_embd));
        return linear(b, &l->up, "ffn_up", i, c->n_ff, c->n_embd);
    }
    TRY(linear(b, &all, "ffn_up", i, 2 * c->n_ff, c->n_embd));
    l->gate = rows_of(&all, 0, c->n_ff);
    l->up = rows_of(&all, c->n_ff, c->n_ff);
    return GLASS_OK;
}

/* Layer i's number under a key: an array's item, or the one number of all layers. */
static glass_status layer_number(const struct binder *b, const char *name, int64_t i,
                                 float *out, double least, double most) {
    const struct gguf_value *v = gguf_find(b->g, name);
    if (v == NULL)
        return fail(GLASS_BAD_INPUT, "%s: \"%s\" is missing", gguf_path(b->g), name);
    bool is_array = v->type == GGUF_ARRAY;
    if (v->item_type != GGUF_F32 || (is_array && v->n_items != (uint64_t)b->c->n_layer))
        return fail(GLASS_BAD_INPUT,
                    "%s: \"%s\" is neither a number nor an array of %lld (F32)",
                    gguf_path(b->g), name, (long long)b->c->n_layer);
    double value = gguf_item_float(v, is_array ? (uint64_t)i : 0);
    if (!(value >= least && value <= most))
        return fail(GLASS_BAD_INPUT, "%s: \"%s\" of layer %lld is %g; %g to %g is possible",
                    gguf_path(b->g), name, (long long)i, value, least, most);
    *out = (float)value;
    return GLASS_OK;
}

/* The file has the numbers as they are trained: softplus makes them positive. */
static glass_status bind_xielu(const struct binder *b, struct layer *l, int64_t i) {
    float right, left;
    TRY(layer_number(b, "xielu.alpha_p", i, &right, -1e4, 1e4));
    TRY(layer_number(b, "xielu.alpha_n", i, &left, -1e4, 1e4));
    TRY(layer_number(b, "xielu.beta", i, &l->xielu.beta, -1e4, 1e4));
    TRY(layer_number(b, "xielu.eps", i, &l->xielu.eps, -1, 0));
    l->xielu.right = math_softplus_f32(right);
    l->xielu.left = l->xielu.beta + math_softplus_f32(left);
    return GLASS_OK;
}

static glass_status bind_layer(struct binder *b, struct layer *l, int64_t i) {
    const struct config *c = b->c;
    const struct family *f = &c->family;
    int64_t n_q = c->n_head * c->head_dim, n_kv = c->n_head_kv * c->head_dim;
    if (f->norm_before) {
        TRY(norm(b, &l->attn_norm, "attn_norm", i, c->n_embd));
        if (f->one_norm)
            l->ffn_norm = l->attn_norm;
        else
            TRY(norm(b, &l->ffn_norm, "ffn_norm", i, c->n_embd));
    }
    if (f->norm_after) {
        TRY(norm(b, &l->attn_after, "post_attention_norm", i, c->n_embd));
        TRY(norm(b, &l->ffn_after, "post_ffw_norm", i, c->n_embd));
    }
    TRY(bind_qkv(b, l, i));
    l->rope = c->n_rot == 0 || !c->rotated[i] ? -1 : c->has_local && c->windowed[i] ? 1 : 0;
    if (f->qk_norm != QK_NORM_NONE) {
        bool row = f->qk_norm == QK_NORM_ROW;
        TRY(norm(b, &l->q_norm, "attn_q_norm", i, row ? n_q : c->head_dim));
        TRY(norm(b, &l->k_norm, "attn_k_norm", i, row ? n_kv : c->head_dim));
    }
    TRY(linear(b, &l->o, "attn_output", i, c->n_embd, n_q));
    TRY(bind_gate_up(b, l, i));
    if (f->activation == ACT_XIELU) TRY(bind_xielu(b, l, i));
    return linear(b, &l->down, "ffn_down", i, c->n_embd, c->n_ff);
}

/* One kind of layer's frequencies, divided by `factors` where they are not NULL. */
static void frequencies(struct binder *b, const float **out, const struct rope *rope,
                        const float *factors) {
    if (b->vectors != NULL) {
        float *freq = b->vectors + b->used;
        rope_frequencies(freq, rope, b->c->n_rot, factors);
        *out = freq;
    }
    b->used += (size_t)b->c->n_rot / 2;
}

/* The file's own factors (Llama 3's, or two sets for short and long sessions) hold for the
 * layers that the file's scaling holds for. */
static glass_status bind_rope(struct binder *b, struct weights *w) {
    const struct config *c = b->c;
    float *factors, *factors_long;
    if (c->n_rot == 0) return GLASS_OK;
    int64_t n = c->n_rot / 2;
    TRY(vector(b, &factors, OPTIONAL, "rope_freqs.weight", -1, n));
    factors_long = factors;
    const struct gguf_tensor *two_sets;
    TRY(find(b, &two_sets, OPTIONAL, "rope_factors_long.weight", -1));
    if (two_sets != NULL) {
        TRY(vector(b, &factors, REQUIRED, "rope_factors_short.weight", -1, n));
        TRY(vector(b, &factors_long, REQUIRED, "rope_factors_long.weight", -1, n));
    }
    w->two_lengths = two_sets != NULL;
    w->n_ropes = c->has_local ? 2 : 1;
    for (int i = 0; i < w->n_ropes; i++) {
        const struct rope *rope = i == 0 ? &c->rope : &c->rope_local;
        bool plain = i == 1 && c->family.local_plain;
        struct rope_table *table = &w->ropes[i];
        table->amplitude = rope->amplitude;
        frequencies(b, &table->freq[0], rope, plain ? NULL : factors);
        table->freq[1] = table->freq[0];
        if (two_sets != NULL && !plain) frequencies(b, &table->freq[1], rope, factors_long);
    }
    return GLASS_OK;
}

static glass_status bind_all(struct binder *b, struct weights *w) {
    const struct config *c = b->c;
    TRY(matrix(b, &w->embedding, NULL, REQUIRED, "token_embd.weight", -1, c->n_vocab,
               c->n_embd));
    if (c->family.learned_positions)
        TRY(matrix(b, &w->positions, NULL, REQUIRED, "position_embd.weight", -1, c->n_ctx,
                   c->n_embd));
    TRY(norm(b, &w->final_norm, "output_norm", -1, c->n_embd));
    TRY(matrix(b, &w->head.w, NULL, OPTIONAL, "output.weight", -1, c->n_vocab, c->n_embd));
    TRY(vector(b, &w->head.b, OPTIONAL, "output.bias", -1, c->n_vocab));
    w->tied = w->head.w.data == NULL;
    if (w->tied) w->head.w = w->embedding;
    TRY(bind_rope(b, w));
    for (int64_t i = 0; i < c->n_layer; i++) TRY(bind_layer(b, &w->layers[i], i));
    return GLASS_OK;
}

static struct linear *linear_of(struct layer *l, int kind) {
    struct linear *const all[LINEARS] = {
        [LINEAR_Q] = &l->q,       [LINEAR_K] = &l->k,       [LINEAR_V] = &l->v,
        [LINEAR_O] = &l->o,       [LINEAR_GATE] = &l->gate, [LINEAR_UP] = &l->up,
        [LINEAR_DOWN] = &l->down,
    };
    return all[kind];
}

const struct linear *weights_linear(const struct weights *w, int64_t n_layer, int64_t id) {
    if (id == n_layer * LINEARS) return &w->head;
    return linear_of(&w->layers[id / LINEARS], (int)(id % LINEARS));
}

static void number_linears(struct weights *w, int64_t n_layer) {
    w->head.id = n_layer * LINEARS;
    for (int64_t i = 0; i < w->head.id; i++)
        linear_of(&w->layers[i / LINEARS], (int)(i % LINEARS))->id = i;
}

glass_status weights_bind(struct weights *out, struct config *config,
                          const struct gguf *g) {
    glass_status status;
    *out = (struct weights){0};
    struct binder b = {.g = g, .c = config};
    const struct gguf_tensor *embedding;
    TRY(find(&b, &embedding, REQUIRED, "token_embd.weight", -1));
    if (embedding->shape[0] > INT32_MAX)
        return fail(GLASS_BAD_INPUT, "%s: a vocabulary of %lld tokens", gguf_path(g),
                    (long long)embedding->shape[0]);
    config->n_vocab = embedding->shape[0];
    /* Layers are held against the file's tensors before their table is allocated. */
    if (config->n_layer > gguf_n_tensors(g))
        return fail(GLASS_BAD_INPUT, "%s: %lld layers but only %lld tensors", gguf_path(g),
                    (long long)config->n_layer, (long long)gguf_n_tensors(g));
    TRY_FAIL(mem_alloc_zero(&out->layers, (size_t)config->n_layer, sizeof *out->layers));
    TRY_FAIL(bind_all(&b, out));
    TRY_FAIL(mem_alloc_aligned(&out->vectors, b.used, sizeof *out->vectors));
    out->n_vectors = b.used;
    TRY_FAIL(mem_alloc_aligned(&out->copies, b.n_copied, 1));
    out->n_copied_bytes = b.n_copied;
    b.vectors = out->vectors;
    b.copies = out->copies;
    b.used = b.n_copied = 0;
    TRY_FAIL(bind_all(&b, out));
    number_linears(out, config->n_layer);
    return GLASS_OK;
fail:
    weights_clear(out);
    return status;
}

void weights_clear(struct weights *w) {
    mem_free(w->layers);
    mem_free(w->vectors);
    mem_free(w->copies);
    *w = (struct weights){0};
}
