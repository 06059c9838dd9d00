/* config.c - reads a model's numbers from GGUF metadata and refuses what cannot be right. */
#include "model/config.h"

#include "base/buf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* Layers that a file names: an array of one bool a layer, or every step-th is false; without
 * either, every step_absent-th (0: none). */
static glass_status pattern(struct keys *k, const char *name, bool *out, int64_t n_layer,
                            int64_t step_absent) {
    uint64_t step = (uint64_t)step_absent;
    const struct gguf_value *value = gguf_find(k->g, key(k, name));
    if (value != NULL && value->type != GGUF_ARRAY) TRY(gguf_get_u64(k->g, k->text, &step));
    if (value == NULL || value->type != GGUF_ARRAY) {
        for (int64_t i = 0; i < n_layer; i++)
            out[i] = step == 0 || ((uint64_t)i + 1) % step != 0;
        return GLASS_OK;
    }
    TRY(gguf_get_array(k->g, k->text, GGUF_BOOL, &value));
    if (value->n_items != (uint64_t)n_layer)
        return fail(GLASS_BAD_INPUT, "%s: %s has %llu items for %lld layers",
                    gguf_path(k->g), k->text, (unsigned long long)value->n_items,
                    (long long)n_layer);
    for (int64_t i = 0; i < n_layer; i++) out[i] = gguf_item_int(value, (uint64_t)i) != 0;
    return GLASS_OK;
}

static glass_status read_window(struct keys *k, struct config *c) {
    static const char name[] = "attention.sliding_window";
    uint64_t window;
    TRY(gguf_get_u64_or(k->g, key(k, name), &window, (uint64_t)c->family.window));
    if (window == 0) return GLASS_OK; /* how some files say that there is none */
    TRY(count_or(k, name, &c->window, 1 << 28, c->family.window));
    return pattern(k, "attention.sliding_window_pattern", c->windowed, c->n_layer,
                   c->family.full_step);
}

static bool is_text(struct gguf_string s, const char *text) {
    return s.n_bytes == strlen(text) && memcmp(s.text, text, s.n_bytes) == 0;
}

/* Which pairs YaRN stretches, and how it makes up for the scores that grow with it. */
static glass_status read_yarn(struct keys *k, struct config *c) {
    struct rope *r = &c->rope;
    float fast, slow, log_multiplier;
    r->yarn = true;
    TRY(number_or(k, "rope.scaling.yarn_ext_factor", &r->extent, 1, 0, 1));
    TRY(number_or(k, "rope.scaling.yarn_beta_fast", &fast, 32, 1e-3, 1e6));
    TRY(number_or(k, "rope.scaling.yarn_beta_slow", &slow, 1, 1e-3, 1e6));
    TRY(number_or(k, "rope.scaling.yarn_log_multiplier", &log_multiplier, 0, 0, 1e3));
    if (!(r->base > 1))
        return fail(GLASS_BAD_INPUT, "%s: %s is %g; YaRN wants more than 1",
                    gguf_path(k->g), key(k, "rope.freq_base"), (double)r->base);
    r->low = floorf(rope_pair_of(fast, r->base, c->n_rot, c->rope_short));
    r->high = ceilf(rope_pair_of(slow, r->base, c->n_rot, c->rope_short));
    r->low = r->low > 0 ? r->low : 0;
    r->high = r->high < (float)(c->n_rot - 1) ? r->high : (float)(c->n_rot - 1);
    if (r->low == r->high) r->high = r->high + 0.001F;
    float amplitude = rope_mscale(r->scale, 1);
    if (log_multiplier > 0) amplitude = amplitude / rope_mscale(r->scale, log_multiplier);
    return number_or(k, "rope.scaling.yarn_attn_factor", &r->amplitude, (double)amplitude,
                     1e-3, 1e3);
}

static glass_status read_scaling(struct keys *k, struct config *c) {
    struct rope *r = &c->rope;
    struct gguf_string type;
    TRY(gguf_get_string_or(k->g, key(k, "rope.scaling.type"), &type));
    r->scale = 1;
    r->amplitude = 1;
    TRY(count_or(k, "rope.scaling.original_context_length", &c->rope_short, 1 << 28,
                 c->n_ctx));
    if (type.n_bytes == 0 || is_text(type, "linear") || is_text(type, "yarn")) {
        TRY(number_or(k, "rope.scale_linear", &r->scale, 1, 1e-3, 1e6));
        TRY(number_or(k, "rope.scaling.factor", &r->scale, (double)r->scale, 1e-3, 1e6));
        if (is_text(type, "yarn")) TRY(read_yarn(k, c));
    } else if (!is_text(type, "none") && !is_text(type, "longrope")) {
        return fail(
            GLASS_BAD_INPUT,
            "%s: rope scaling \"%.*s\" is not supported (linear, yarn, longrope, and "
            "the factors that Llama 3 files carry, are)",
            gguf_path(k->g), (int)(type.n_bytes < 64 ? type.n_bytes : 64), type.text);
    }
    float factor;
    TRY(number_or(k, "rope.scaling.attn_factor", &factor, 1, 1e-3, 1e3));
    r->amplitude = r->amplitude * factor;
    return GLASS_OK;
}

static glass_status read_rope(struct keys *k, struct config *c) {
    const struct family *f = &c->family;
    c->rope_short = c->n_ctx;
    if (f->rope == ROPE_NONE) return GLASS_OK;
    TRY(count_or(k, "rope.dimension_count", &c->n_rot, (uint64_t)c->head_dim, c->head_dim));
    if (c->n_rot % 2 != 0)
        return fail(GLASS_BAD_INPUT, "%s: rotary over %lld numbers: it must be even",
                    gguf_path(k->g), (long long)c->n_rot);
    TRY(number_or(k, "rope.freq_base", &c->rope.base, 10000, 1, 1e12));
    TRY(read_scaling(k, c));
    TRY(pattern(k, "attention.rope_pattern", c->rotated, c->n_layer, f->nope_step));
    c->has_local = c->window > 0 && (f->local_plain || f->local_base > 0 ||
                                     gguf_find(k->g, key(k, "rope.freq_base_swa")) != NULL);
    c->rope_local = f->local_plain ? (struct rope){.scale = 1, .amplitude = 1} : c->rope;
    return number_or(k, "rope.freq_base_swa", &c->rope_local.base,
                     f->local_base > 0 ? f->local_base : (double)c->rope.base, 1, 1e12);
}

static glass_status read_multipliers(struct keys *k, struct config *c) {
    c->embed_scale = c->family.embed_root ? sqrtf((float)c->n_embd) : 1;
    c->residual_scale = 1;
    c->logit_divisor = 1;
    if (!c->family.multipliers) return GLASS_OK;
    TRY(number_or(k, "embedding_scale", &c->embed_scale, 1, 1e-6, 1e6));
    TRY(number_or(k, "residual_scale", &c->residual_scale, 1, 1e-6, 1e6));
    return number_or(k, "logit_scale", &c->logit_divisor, 1, 1e-6, 1e6);
}

/* 1 / sqrt(head_dim), in two roundings, unless the family or the file says otherwise. */
static glass_status read_attention_scale(struct keys *k, struct config *c) {
    int64_t width =
        c->n_layer == c->family.wide_scale_layers ? c->n_embd / c->n_head : c->head_dim;
    double scale = c->family.unscaled ? 1.0 : (double)(1.0F / sqrtf((float)width));
    return number_or(k, "attention.scale", &c->attn_scale, scale, 1e-6, 1e6);
}

static glass_status read_rest(struct keys *k, struct config *c) {
    const struct family *f = &c->family;
    const char *eps = f->norm == NORM_RMS ? "attention.layer_norm_rms_epsilon"
                                          : "attention.layer_norm_epsilon";
    TRY(number_or(k, eps, &c->norm_eps, f->eps, 0, 1));
    TRY(read_attention_scale(k, c));
    TRY(number_or(k, "attention.temperature_scale", &c->temperature, 0, 0, 1e3));
    TRY(number_or(k, "attention.clamp_kqv", &c->clamp_qkv, 0, 0, 1e6));
    TRY(number_or(k, "attn_logit_softcapping", &c->attn_cap, f->attn_cap, 0, 1e6));
    TRY(number_or(k, "final_logit_softcapping", &c->logit_cap, f->logit_cap, 0, 1e6));
    TRY(read_multipliers(k, c));
    c->parallel_residual = f->parallel;
    if (f->parallel_key)
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
    TRY(read_window(&k, out));
    TRY(read_rope(&k, out));
    return read_rest(&k, out);
}
