/* config.c - reads a model's numbers from GGUF metadata and refuses what cannot be right. */
#include "model/config.h"

#include "base/buf.h"

#include <math.h>
#include <stdio.h>

/* "llama.block_count": keys carry the architecture's name. */
struct keys {
    const struct gguf *g;
    const char *arch;
    char text[160];
};

static const char *key(struct keys *k, const char *name) {
    snprintf(k->text, sizeof k->text, "%s.%s", k->arch, name);
    return k->text;
}

static glass_status count(struct keys *k, const char *name, int64_t *out, uint64_t most) {
    uint64_t value;
    *out = 0;
    TRY(gguf_get_u64(k->g, key(k, name), &value));
    if (value == 0 || value > most)
        return fail(GLASS_BAD_INPUT, "%s: %s is %llu; 1 to %llu is possible",
                    gguf_path(k->g), k->text, (unsigned long long)value,
                    (unsigned long long)most);
    *out = (int64_t)value;
    return GLASS_OK;
}

static glass_status count_or(struct keys *k, const char *name, int64_t *out, uint64_t most,
                             int64_t absent) {
    if (gguf_find(k->g, key(k, name)) != NULL) return count(k, name, out, most);
    *out = absent;
    return GLASS_OK;
}

static glass_status number_or(struct keys *k, const char *name, float *out, double absent,
                              double least, double most) {
    double value;
    *out = 0;
    TRY(gguf_get_f64_or(k->g, key(k, name), &value, absent));
    if (!(value >= least && value <= most))
        return fail(GLASS_BAD_INPUT, "%s: %s is %g; %g to %g is possible", gguf_path(k->g),
                    k->text, value, least, most);
    *out = (float)value;
    return GLASS_OK;
}

static glass_status read_shape(struct keys *k, struct config *c) {
    TRY(count(k, "block_count", &c->n_layer, CONFIG_MAX_LAYERS));
    TRY(count(k, "embedding_length", &c->n_embd, 1 << 20));
    TRY(count(k, "context_length", &c->n_ctx, 1 << 28));
    TRY(count(k, "feed_forward_length", &c->n_ff, 1 << 22));
    TRY(count(k, "attention.head_count", &c->n_head, 1 << 12));
    TRY(count_or(k, "attention.head_count_kv", &c->n_head_kv, 1 << 12, c->n_head));
    if (c->n_head % c->n_head_kv != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: %lld query heads cannot share %lld key/value heads evenly",
                    gguf_path(k->g), (long long)c->n_head, (long long)c->n_head_kv);
    TRY(count_or(k, "attention.key_length", &c->head_dim, 1 << 12, c->n_embd / c->n_head));
    int64_t value_dim;
    TRY(count_or(k, "attention.value_length", &value_dim, 1 << 12, c->head_dim));
    if (c->head_dim == 0 || value_dim != c->head_dim)
        return fail(GLASS_BAD_INPUT,
                    "%s: keys of %lld and values of %lld numbers a head are not supported",
                    gguf_path(k->g), (long long)c->head_dim, (long long)value_dim);
    return GLASS_OK;
}

static glass_status read_rope(struct keys *k, struct config *c) {
    c->rope_scale = 1;
    if (c->family.rope == ROPE_NONE) return GLASS_OK;
    TRY(count_or(k, "rope.dimension_count", &c->n_rot, (uint64_t)c->head_dim, c->head_dim));
    if (c->n_rot % 2 != 0)
        return fail(GLASS_BAD_INPUT, "%s: rotary over %lld numbers: it must be even",
                    gguf_path(k->g), (long long)c->n_rot);
    TRY(number_or(k, "rope.freq_base", &c->rope_base, 10000, 1, 1e12));
    struct gguf_string type;
    TRY(gguf_get_string_or(k->g, key(k, "rope.scaling.type"), &type));
    if (type.n_bytes == 0 || (type.n_bytes == 4 && memcmp(type.text, "none", 4) == 0))
        return number_or(k, "rope.scale_linear", &c->rope_scale, 1, 1e-3, 1e6);
    if (type.n_bytes == 6 && memcmp(type.text, "linear", 6) == 0)
        return number_or(k, "rope.scaling.factor", &c->rope_scale, 1, 1e-3, 1e6);
    return fail(GLASS_BAD_INPUT,
                "%s: rope scaling \"%.*s\" is not supported (linear, and the factors that "
                "Llama 3 files carry, are)",
                gguf_path(k->g), (int)(type.n_bytes < 64 ? type.n_bytes : 64), type.text);
}

/* A window for all layers, or for those that a pattern names (GPT-Neo: every other one). */
static glass_status read_window(struct keys *k, struct config *c) {
    TRY(count_or(k, "attention.sliding_window", &c->window, 1 << 28, 0));
    if (c->window == 0) return GLASS_OK;
    const struct gguf_value *pattern;
    TRY(gguf_get_array(k->g, key(k, "attention.sliding_window_pattern"), GGUF_BOOL,
                       &pattern));
    if (pattern != NULL && pattern->n_items != (uint64_t)c->n_layer)
        return fail(GLASS_BAD_INPUT, "%s: %s has %llu items for %lld layers",
                    gguf_path(k->g), k->text, (unsigned long long)pattern->n_items,
                    (long long)c->n_layer);
    for (int64_t i = 0; i < c->n_layer; i++)
        c->windowed[i] = pattern == NULL || gguf_item_int(pattern, (uint64_t)i) != 0;
    return GLASS_OK;
}

static glass_status read_rest(struct keys *k, struct config *c) {
    const char *eps = c->family.norm == NORM_RMS ? "attention.layer_norm_rms_epsilon"
                                                 : "attention.layer_norm_epsilon";
    TRY(number_or(k, eps, &c->norm_eps, c->family.eps, 0, 1));
    /* 1 / sqrt(head_dim) in two roundings unless the family or the file says otherwise. */
    double scale = c->family.unscaled ? 1.0 : (double)(1.0F / sqrtf((float)c->head_dim));
    TRY(number_or(k, "attention.scale", &c->attn_scale, scale, 1e-6, 1e6));
    TRY(number_or(k, "attention.clamp_kqv", &c->clamp_qkv, 0, 0, 1e6));
    if (c->family.parallel_key)
        TRY(gguf_get_bool_or(k->g, key(k, "use_parallel_residual"), &c->parallel_residual,
                             true));
    return GLASS_OK;
}

glass_status config_read(struct config *out, const struct gguf *g) {
    *out = (struct config){0};
    struct gguf_string arch;
    TRY(gguf_get_string(g, "general.architecture", &arch));
    const struct family *family = family_find(arch.text, arch.n_bytes);
    if (family == NULL)
        return fail(GLASS_BAD_INPUT,
                    "%s: models of the \"%.*s\" family cannot be run; these can: %s",
                    gguf_path(g), (int)(arch.n_bytes < 64 ? arch.n_bytes : 64), arch.text,
                    family_names());
    out->family = *family;
    struct keys k = {.g = g, .arch = family->arch};
    TRY(read_shape(&k, out));
    TRY(read_rope(&k, out));
    TRY(read_window(&k, out));
    return read_rest(&k, out);
}
