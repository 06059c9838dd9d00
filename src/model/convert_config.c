/* convert_config.c - the importer's tables of settings and names read backwards: what a
 * config.json says of a model, and what its tensors are called there.
 *
 * Nothing has to be caught here that a config.json cannot say: convert_hf.c reads what was
 * written and compares what the model is then. */
#include "math/half.h"
#include "model/convert_parts.h"
#include "model/import_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct export {
    struct convert *c;
    const struct import_family *family;
    const struct config *config; /* the model's numbers as it runs */
    json_t *json;
    int64_t n_vocab;
    bool tied, attention_bias, mlp_bias;
};

/* What a family's settings say that tables cannot, and when a model is of it if more than one
 * has its architecture: then the last of these that fits. */
struct convert_family {
    const char *model_type, *class;
    bool (*is)(const struct export *e); /* NULL: any is */
    glass_status (*more)(struct export *e);
};

/* ---- values ---- */

/* Takes the value over. */
static glass_status set(struct export *e, const char *key, json_t *value) {
    char first[64];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(key, "|"), key);
    if (value == NULL || json_object_set_new(e->json, first, value) != 0)
        return fail(GLASS_NO_MEMORY, "config.json: no memory for %s", first);
    return GLASS_OK;
}

static glass_status set_count(struct export *e, const char *key, int64_t n) {
    return set(e, key, json_integer(n));
}

static glass_status set_text(struct export *e, const char *key, const char *text) {
    return set(e, key, json_string(text));
}

/* The shortest decimal number that is the same binary32, as it was once written. */
static double shortest(double value) {
    char text[40];
    if ((double)(float)value != value) return value;
    for (int digits = 6; digits < 10; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtof(text, NULL) == (float)value) break;
    }
    return strtod(text, NULL);
}

static glass_status set_number(struct export *e, const char *key, double value) {
    return set(e, key, json_real(shortest(value)));
}

static const struct gguf_value *find(const struct export *e, const char *name) {
    char key[96];
    snprintf(key, sizeof key, "%s.%s", e->family->arch, name);
    return gguf_find(e->c->in, key);
}

static int64_t count_or(const struct export *e, const char *name, int64_t absent) {
    const struct gguf_value *v = find(e, name);
    return v == NULL || v->type == GGUF_ARRAY ? absent : gguf_item_int(v, 0);
}

/* ---- settings by the tables ---- */

static glass_status put_row(struct export *e, const struct import_key *k) {
    const struct config *c = e->config;
    if (k->kind == KIND_COUNT) {
        int64_t n = k->ours == NULL ? 0 : count_or(e, k->ours, 0);
        if (k->into == offsetof(struct import, n_vocab)) n = e->n_vocab;
        if (k->into == offsetof(struct import, n_ff)) n = c->n_ff;
        if (k->into == offsetof(struct import, n_head_kv)) n = c->n_head_kv;
        if (k->into == offsetof(struct import, n_ctx)) n = c->n_ctx;
        if (k->ours != NULL && strcmp(k->ours, "rope.dimension_count") == 0) n = c->n_rot;
        if (k->into == offsetof(struct import, head_dim))
            n = find(e, "attention.key_length") != NULL || e->family->head_dim != 0
                    ? c->head_dim
                    : 0;
        return n == 0 ? GLASS_OK : set_count(e, k->theirs, n);
    }
    const struct gguf_value *v = find(e, k->ours);
    bool is_array = v != NULL && v->type == GGUF_ARRAY;
    if (k->kind == KIND_FLAG)
        return v == NULL || is_array
                   ? GLASS_OK
                   : set(e, k->theirs, json_boolean(gguf_item_int(v, 0) != 0));
    if (v != NULL && !is_array) return set_number(e, k->theirs, gguf_item_float(v, 0));
    if (strcmp(k->ours, "attention.scale") == 0)
        return set_number(e, k->theirs, (double)c->attn_scale);
    return strstr(k->ours, "_epsilon") == NULL
               ? GLASS_OK
               : set_number(e, k->theirs, (double)c->norm_eps);
}

static glass_status put_must(struct export *e, const struct import_must *m) {
    char value[64];
    snprintf(value, sizeof value, "%.*s", (int)strcspn(m->values, "|"), m->values);
    /* Flags are what they are when absent. */
    if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) return GLASS_OK;
    return set_text(e, m->theirs, value);
}

/* ---- rotation ---- */

static bool same_factors(const struct gguf_tensor *t, const struct import_llama3 *r) {
    int64_t n = t->shape[0];
    float *ours, *theirs;
    if (mem_alloc(&ours, (size_t)n, sizeof *ours) != GLASS_OK) return false;
    if (mem_alloc(&theirs, (size_t)n, sizeof *theirs) != GLASS_OK) {
        mem_free(ours);
        return false;
    }
    gguf_tensor_rows(theirs, t, 0, 1);
    import_llama3_factors(ours, r);
    bool same = true;
    for (int64_t i = 0; i < n; i++)
        same &= fabsf(ours[i] - theirs[i]) <= 2e-6F * fabsf(theirs[i]);
    mem_free(ours);
    mem_free(theirs);
    return same;
}

static float largest(const struct gguf_tensor *t) {
    float x, most = 0;
    for (int64_t i = 0; i < t->shape[0]; i++) {
        memcpy(&x, t->data + 4 * i, sizeof x);
        most = x > most ? x : most;
    }
    return most;
}

/* The rule's numbers: from the file if Glass wrote it, else those that all of Llama 3 has, with
 * the length of text that fits. */
static glass_status find_llama3(struct export *e, const struct gguf_tensor *t,
                                struct import_llama3 *r) {
    const struct gguf_value *v = gguf_find(e->c->in, IMPORT_LLAMA3_KEY);
    *r = (struct import_llama3){.n_rot = e->config->n_rot, .low = 1, .high = 4};
    r->theta = (double)e->config->rope.base;
    bool good = t->dtype == GLASS_F32 && t->n_dims == 1 && t->shape[0] == r->n_rot / 2;
    if (v != NULL && v->type == GGUF_ARRAY && v->n_items == 4) {
        r->factor = gguf_item_float(v, 0);
        r->low = gguf_item_float(v, 1);
        r->high = gguf_item_float(v, 2);
        r->length = gguf_item_float(v, 3);
        if (good && r->factor >= 1 && r->low > 0 && r->high > r->low && r->length >= 1 &&
            r->length <= (1 << 30) && same_factors(t, r))
            return GLASS_OK;
        good = false;
    }
    r->factor = good && t->data != NULL ? (double)largest(t) : 0;
    for (int bits = 5; good && r->factor >= 1 && bits <= 24; bits++) {
        r->length = (double)(1 << bits);
        if (same_factors(t, r)) return GLASS_OK;
    }
    return fail(GLASS_BAD_INPUT,
                "%s: rope_freqs.weight: these factors follow no rule of Llama 3's, so a "
                "config.json cannot say them",
                gguf_path(e->c->in));
}

static glass_status set_llama3(struct export *e, const struct gguf_tensor *t) {
    struct import_llama3 r;
    TRY(find_llama3(e, t, &r));
    TRY(set_text(e, "rope_type", "llama3"));
    TRY(set_number(e, "factor", r.factor));
    TRY(set_number(e, "low_freq_factor", r.low));
    TRY(set_number(e, "high_freq_factor", r.high));
    return set_count(e, "original_max_position_embeddings", (int64_t)r.length);
}

static glass_status set_if(struct export *e, const char *theirs, const char *ours) {
    const struct gguf_value *v = find(e, ours);
    return v == NULL || v->type == GGUF_ARRAY
               ? GLASS_OK
               : set_number(e, theirs, gguf_item_float(v, 0));
}

static glass_status set_length(struct export *e) {
    int64_t n = count_or(e, "rope.scaling.original_context_length", 0);
    return n == 0 ? GLASS_OK : set_count(e, "original_max_position_embeddings", n);
}

static glass_status set_yarn(struct export *e) {
    const struct gguf_value *multiplier = find(e, "rope.scaling.yarn_log_multiplier");
    TRY(set_text(e, "rope_type", "yarn"));
    TRY(set_number(e, "factor", (double)e->config->rope.scale));
    TRY(set_count(e, "original_max_position_embeddings", e->config->rope_short));
    TRY(set_if(e, "beta_fast", "rope.scaling.yarn_beta_fast"));
    TRY(set_if(e, "beta_slow", "rope.scaling.yarn_beta_slow"));
    TRY(set_if(e, "attention_factor", "rope.scaling.yarn_attn_factor"));
    if (multiplier == NULL) return GLASS_OK;
    TRY(set_number(e, "mscale", 1));
    return set_if(e, "mscale_all_dim", "rope.scaling.yarn_log_multiplier");
}

static glass_status set_factors(struct export *e, const char *key, const char *name) {
    const struct gguf_tensor *t = gguf_tensor_find(e->c->in, name);
    float x;
    if (t == NULL || t->data == NULL || t->dtype != GLASS_F32 || t->n_dims != 1)
        return fail(GLASS_BAD_INPUT, "%s: tensor %s is missing, or is not a vector of F32",
                    gguf_path(e->c->in), name);
    json_t *list = json_array();
    for (int64_t i = 0; list != NULL && i < t->shape[0]; i++) {
        memcpy(&x, t->data + 4 * i, sizeof x);
        json_array_append_new(list, json_real(shortest((double)x)));
    }
    return set(e, key, list);
}

/* Old readers of it want these three things in the object and no others, unless the amplitude
 * has to be said; the length stands beside. */
static glass_status set_longrope(struct export *e) {
    double length = (double)e->config->rope_short;
    double usual = import_longrope_amplitude((double)e->config->n_ctx / length, length);
    TRY(set_text(e, "type", "longrope"));
    TRY(set_factors(e, "short_factor", "rope_factors_short.weight"));
    TRY(set_factors(e, "long_factor", "rope_factors_long.weight"));
    return e->config->rope.amplitude == (float)usual
               ? GLASS_OK
               : set_number(e, "attention_factor", (double)e->config->rope.amplitude);
}

static bool is_scaling(const struct export *e, const char *type) {
    const struct gguf_value *v = find(e, "rope.scaling.type");
    if (v == NULL || v->type != GGUF_STRING) return false;
    struct gguf_string s = gguf_item_string(v, 0);
    return s.n_bytes == strlen(type) && memcmp(s.text, type, s.n_bytes) == 0;
}

static bool has_sets(const struct export *e) {
    return gguf_tensor_find(e->c->in, "rope_factors_long.weight") != NULL;
}

/* Fills the object that e->json is for the time being. */
static glass_status set_scaling(struct export *e) {
    const struct gguf_tensor *t = gguf_tensor_find(e->c->in, "rope_freqs.weight");
    if (e->config->temperature != 0)
        TRY(set_number(e, "llama_4_scaling_beta", (double)e->config->temperature));
    if (t != NULL) return set_llama3(e, t);
    if (has_sets(e)) return set_longrope(e);
    if (is_scaling(e, "yarn")) return set_yarn(e);
    if (e->config->rope.scale == 1) return GLASS_OK;
    TRY(set_text(e, "rope_type", "linear"));
    TRY(set_number(e, "factor", (double)e->config->rope.scale));
    return set_length(e);
}

/* An object under a key of e->json, unless it would be empty. */
static glass_status put_object(struct export *e, const char *key,
                               glass_status (*fill)(struct export *e)) {
    json_t *outer = e->json, *inner = json_object();
    if (inner == NULL) return fail_memory(64);
    e->json = inner;
    glass_status status = fill(e);
    e->json = outer;
    if (status == GLASS_OK && json_object_size(inner) > 0) return set(e, key, inner);
    json_decref(inner);
    return status;
}

static double base_of(const struct export *e, const char *key, double absent) {
    const struct gguf_value *v = find(e, key);
    return v == NULL || v->type == GGUF_ARRAY ? absent : gguf_item_float(v, 0);
}

static glass_status set_full(struct export *e) {
    TRY(set_number(e, "rope_theta", base_of(e, "rope.freq_base", 10000)));
    TRY(set_text(e, "rope_type", "default"));
    return set_scaling(e);
}

static glass_status set_local(struct export *e) {
    double full = base_of(e, "rope.freq_base", 10000);
    TRY(set_text(e, "rope_type", "default"));
    return set_number(e, "rope_theta", base_of(e, "rope.freq_base_swa", full));
}

static glass_status set_kinds(struct export *e) {
    TRY(put_object(e, "full_attention", set_full));
    return put_object(e, "sliding_attention", set_local);
}

/* In the words that every version of transformers reads, where there are such. */
static glass_status put_rope(struct export *e) {
    const struct import_family *f = e->family;
    double base = base_of(e, "rope.freq_base", 10000);
    double local = base_of(e, "rope.freq_base_swa", base);
    bool neox = strcmp(f->model_type, "gpt_neox") == 0;
    if (f->rope_kinds && f->rope_local == 0 && (local != base || base != f->rope_theta))
        return put_object(e, "rope_parameters", set_kinds);
    TRY(set_number(e, neox ? "rotary_emb_base" : "rope_theta", base));
    if (f->rope_local != 0)
        TRY(set_number(e, "rope_local_base_freq",
                       base_of(e, "rope.freq_base_swa", f->rope_local)));
    double part = (double)e->config->n_rot / (double)e->config->head_dim;
    if (part != f->rope_part || part != 1)
        TRY(set_number(e, neox ? "rotary_pct" : "partial_rotary_factor", part));
    if (has_sets(e)) TRY(set_length(e));
    return put_object(e, "rope_scaling", set_scaling);
}

/* ---- what tables cannot say ---- */

static bool has_window(const struct export *e) {
    return e->config->window > 0;
}

static glass_status mistral_more(struct export *e) {
    return set_count(e, "sliding_window", e->config->window);
}

static glass_status window_more(struct export *e) {
    return set(e, "sliding_window",
               e->config->window == 0 ? json_null() : json_integer(e->config->window));
}

static glass_status put_layer_types(struct export *e) {
    json_t *types = json_array();
    for (int64_t i = 0; types != NULL && i < e->config->n_layer; i++)
        json_array_append_new(
            types,
            json_string(e->config->windowed[i] ? "sliding_attention" : "full_attention"));
    return set(e, "layer_types", types);
}

static glass_status qwen_more(struct export *e) {
    int64_t first = 0;
    TRY(set(e, "use_sliding_window", json_boolean(e->config->window > 0)));
    if (e->config->window == 0) return GLASS_OK;
    while (first < e->config->n_layer && !e->config->windowed[first]) first++;
    TRY(set_count(e, "sliding_window", e->config->window));
    TRY(set_count(e, "max_window_layers", first));
    return put_layer_types(e);
}

/* Windows in some layers, as many as there are. */
static glass_status put_windows(struct export *e) {
    if (e->config->window > 0) TRY(set_count(e, "sliding_window", e->config->window));
    return put_layer_types(e);
}

/* What scores are divided by, squared: a whole number in every version of transformers. */
static glass_status gemma_more(struct export *e) {
    const struct config *c = e->config;
    double n = 1 / ((double)c->attn_scale * (double)c->attn_scale);
    TRY(set_count(e, "query_pre_attn_scalar", llround(n)));
    return put_windows(e);
}

/* Gemma 2's caps are the family's where nothing is said. */
static glass_status gemma2_more(struct export *e) {
    const struct config *c = e->config;
    TRY(set(e, "attn_logit_softcapping",
            c->attn_cap == 0 ? json_null() : json_real(shortest((double)c->attn_cap))));
    TRY(set(e, "final_logit_softcapping",
            c->logit_cap == 0 ? json_null() : json_real(shortest((double)c->logit_cap))));
    return gemma_more(e);
}

static glass_status smollm3_more(struct export *e) {
    json_t *list = json_array();
    for (int64_t i = 0; list != NULL && i < e->config->n_layer; i++)
        json_array_append_new(list, json_integer(e->config->rotated[i]));
    TRY(set(e, "no_rope_layers", list));
    TRY(set(e, "use_sliding_window", json_boolean(e->config->window > 0)));
    return e->config->window == 0 ? GLASS_OK : put_windows(e);
}

static glass_status bigcode_more(struct export *e) {
    return set(e, "multi_query", json_true());
}

static glass_status gptneo_more(struct export *e) {
    json_t *kinds = json_array(), *group = json_array(), *types = json_array();
    for (int64_t i = 0; kinds != NULL && i < e->config->n_layer; i++)
        json_array_append_new(kinds,
                              json_string(e->config->windowed[i] ? "local" : "global"));
    json_array_append_new(group, kinds);
    json_array_append_new(group, json_integer(1));
    json_array_append_new(types, group);
    TRY(set(e, "attention_types", types));
    return e->config->window == 0 ? GLASS_OK
                                  : set_count(e, "window_size", e->config->window);
}

static const struct convert_family families[] = {
    {"llama", "LlamaForCausalLM", NULL, NULL},
    {"mistral", "MistralForCausalLM", has_window, mistral_more},
    {"qwen2", "Qwen2ForCausalLM", NULL, qwen_more},
    {"qwen3", "Qwen3ForCausalLM", NULL, qwen_more},
    {"olmo", "OlmoForCausalLM", NULL, NULL},
    {"olmo2", "Olmo2ForCausalLM", NULL, NULL},
    {"gpt2", "GPT2LMHeadModel", NULL, NULL},
    {"gpt_neo", "GPTNeoForCausalLM", NULL, gptneo_more},
    {"gpt_neox", "GPTNeoXForCausalLM", NULL, NULL},
    {"gptj", "GPTJForCausalLM", NULL, NULL},
    {"gpt_bigcode", "GPTBigCodeForCausalLM", NULL, bigcode_more},
    {"smollm3", "SmolLM3ForCausalLM", NULL, smollm3_more},
    {"olmo3", "Olmo3ForCausalLM", has_window, put_windows},
    {"gemma", "GemmaForCausalLM", NULL, NULL},
    {"gemma2", "Gemma2ForCausalLM", NULL, gemma2_more},
    {"gemma3_text", "Gemma3ForCausalLM", NULL, gemma_more},
    {"starcoder2", "Starcoder2ForCausalLM", NULL, window_more},
    {"phi", "PhiForCausalLM", NULL, NULL},
    {"phi3", "Phi3ForCausalLM", NULL, window_more},
    {"granite", "GraniteForCausalLM", NULL, NULL},
    {"ministral3", "Ministral3ForCausalLM", NULL, window_more},
    {"apertus", "ApertusForCausalLM", NULL, NULL},
};

static glass_status find_family(struct export *e, const struct convert_family **out) {
    *out = NULL;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const struct import_family *f = import_family_find(families[i].model_type);
        if (f == NULL || strcmp(f->arch, e->config->family.arch) != 0 ||
            (families[i].is != NULL && !families[i].is(e)))
            continue;
        *out = &families[i];
        e->family = f;
    }
    if (*out != NULL) return GLASS_OK;
    return fail(
        GLASS_BAD_INPUT,
        "%s: models of the \"%s\" family cannot be written as a Hugging Face folder; "
        "these can: %s",
        gguf_path(e->c->in), e->config->family.arch, import_family_names());
}

/* ---- tensors ---- */

static const char *const suffixes[IMPORT_SUFFIXES] = {".weight", ".bias"};

static bool is_named(const struct gguf_value *names, const char *name) {
    for (uint64_t i = 0; names != NULL && i < names->n_items; i++) {
        struct gguf_string s = gguf_item_string(names, i);
        if (s.n_bytes == strlen(name) && memcmp(s.text, name, s.n_bytes) == 0) return true;
    }
    return false;
}

static bool is_float(glass_dtype dtype) {
    return dtype == GLASS_F32 || dtype == GLASS_F16 || dtype == GLASS_BF16;
}

/* Whether every number of a vector is one of 16 bits. */
static bool is_short(const struct gguf_tensor *t, glass_dtype dtype, bool minus_one) {
    int64_t n = t->shape[0];
    float *x;
    if (t->n_dims != 1 || mem_alloc(&x, (size_t)n, sizeof *x) != GLASS_OK) return false;
    gguf_tensor_rows(x, t, 0, 1);
    bool all = true;
    for (int64_t i = 0; i < n; i++) {
        float y = minus_one ? x[i] - 1.0F : x[i];
        float z = dtype == GLASS_F16 ? f16_widen(f16_round(y)) : bf16_widen(bf16_round(y));
        all &= f32_bits(y) == f32_bits(z);
    }
    mem_free(x);
    return all;
}

/* A vector that had 16 bits before it became part of a GGUF file gets them back if that still
 * loses nothing. */
static glass_dtype type_of(const struct convert *c, const struct gguf_tensor *t,
                           bool minus_one) {
    static const struct {
        const char *key;
        glass_dtype dtype;
    } was[] = {{CONVERT_WAS_F16, GLASS_F16}, {CONVERT_WAS_BF16, GLASS_BF16}};
    if (!c->options->keep_types) return c->options->type;
    if (t->view != NULL && is_float(t->view->stored)) return t->view->stored;
    if (t->dtype != GLASS_F32) return is_float(t->dtype) ? t->dtype : GLASS_F32;
    for (int i = 0; i < 2; i++)
        if (is_named(gguf_find(c->in, was[i].key), t->name) &&
            is_short(t, was[i].dtype, minus_one))
            return was[i].dtype;
    return GLASS_F32;
}

static void set_order(const struct export *e, struct convert_tensor *to,
                      enum import_how how) {
    switch (how) {
    case HOW_HALVES_Q: to->order = GGUF_HALVES, to->n_heads = e->config->n_head; break;
    case HOW_HALVES_K: to->order = GGUF_HALVES, to->n_heads = e->config->n_head_kv; break;
    case HOW_QKV: to->order = GGUF_QKV, to->n_heads = e->config->n_head; break;
    case HOW_TURNED: to->order = GGUF_TURNED; break;
    case HOW_PLUS_ONE: to->minus_one = true; break;
    default: break;
    }
    if (to->order != GGUF_TURNED || to->n_dims != 2) return;
    to->shape[0] = to->from->shape[1];
    to->shape[1] = to->from->shape[0];
}

static glass_status put_tensor(struct export *e, const struct gguf_tensor *t) {
    const struct import_family *f = e->family;
    size_t n = strlen(t->name);
    int64_t layer;
    if (strncmp(t->name, "rope_", 5) == 0) return GLASS_OK; /* rope_scaling says it */
    for (int s = 0; s < IMPORT_SUFFIXES; s++) {
        size_t n_suffix = strlen(suffixes[s]);
        if (n <= n_suffix || strcmp(t->name + n - n_suffix, suffixes[s]) != 0) continue;
        for (const struct import_name *row = f->names; row->theirs != NULL; row++) {
            if (!import_fits(row->ours, t->name, n - n_suffix, &layer) ||
                (s == 1 && row->bias == BIAS_NEVER))
                continue;
            e->attention_bias |= s == 1 && row->bias == BIAS_ATTENTION;
            e->mlp_bias |= s == 1 && row->bias == BIAS_MLP;
            struct convert_tensor *to = &e->c->tensors[e->c->n_tensors++];
            *to =
                (struct convert_tensor){.from = t,
                                        .dtype = type_of(e->c, t, row->how == HOW_PLUS_ONE),
                                        .n_dims = t->n_dims};
            memcpy(to->shape, t->shape, sizeof to->shape);
            set_order(e, to, row->how);
            import_spell(to->name, strcmp(row->ours, "output") == 0 ? "" : f->prefix,
                         row->theirs, layer, suffixes[s]);
            return GLASS_OK;
        }
    }
    return fail(GLASS_BAD_INPUT,
                "%s: tensor %s has no place in a Hugging Face folder of the %s family",
                gguf_path(e->c->in), t->name, f->model_type);
}

/* The numbers of xIELU are tensors of one item there, of the type of the matrices if that
 * loses nothing. */
static glass_status put_number_tensor(struct export *e, struct gguf_tensor *from, float *x,
                                      int kind, int64_t layer) {
    struct convert *c = e->c;
    char key[64];
    snprintf(key, sizeof key, "xielu.%s", import_xielu_names[kind]);
    const struct gguf_value *v = gguf_find(c->in, key);
    bool is_array = v != NULL && v->type == GGUF_ARRAY;
    if (v == NULL || v->item_type != GGUF_F32 ||
        (is_array && v->n_items != (uint64_t)e->config->n_layer))
        return fail(GLASS_BAD_INPUT, "%s: \"%s\" is missing, or not F32 for each layer",
                    gguf_path(c->in), key);
    *x = (float)gguf_item_float(v, is_array ? (uint64_t)layer : 0);
    *from = (struct gguf_tensor){.name = import_xielu_names[kind],
                                 .dtype = GLASS_F32,
                                 .n_dims = 1,
                                 .shape = {1},
                                 .data = (const uint8_t *)x,
                                 .n_bytes = sizeof *x};
    glass_dtype wide = gguf_tensor_find(c->in, "token_embd.weight")->dtype;
    bool is_float16 = wide == GLASS_F16 || wide == GLASS_BF16;
    struct convert_tensor *to = &c->tensors[c->n_tensors++];
    *to = (struct convert_tensor){.from = from, .dtype = GLASS_F32, .shape = {1}};
    to->n_dims = kind < 2; /* the first two are trained */
    if (!c->options->keep_types)
        to->dtype = c->options->type;
    else if (is_float16 && is_short(from, wide, false))
        to->dtype = wide;
    snprintf(to->name, sizeof to->name, "%slayers.%lld.mlp.act_fn.%s", e->family->prefix,
             (long long)layer, import_xielu_names[kind]);
    return GLASS_OK;
}

static glass_status put_xielu(struct export *e) {
    struct convert *c = e->c;
    int64_t n = e->config->n_layer;
    TRY(mem_alloc_zero(&c->numbers, (size_t)n, IMPORT_XIELU * sizeof *c->numbers));
    TRY(mem_alloc_zero(&c->number_tensors, (size_t)n,
                       IMPORT_XIELU * sizeof *c->number_tensors));
    for (int64_t i = 0; i < n * IMPORT_XIELU; i++)
        TRY(put_number_tensor(e, &c->number_tensors[i], &c->numbers[i],
                              (int)(i % IMPORT_XIELU), i / IMPORT_XIELU));
    return GLASS_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct convert_tensor *)a)->name,
                  ((const struct convert_tensor *)b)->name);
}

static glass_status put_tensors(struct export *e) {
    int64_t n = gguf_n_tensors(e->c->in);
    int64_t n_numbers = e->family->xielu ? IMPORT_XIELU * e->config->n_layer : 0;
    TRY(mem_alloc_zero(&e->c->tensors, (size_t)(n + n_numbers), sizeof *e->c->tensors));
    e->tied = gguf_tensor_find(e->c->in, "output.weight") == NULL;
    const struct gguf_tensor *embedding = gguf_tensor_find(e->c->in, "token_embd.weight");
    if (embedding == NULL)
        return fail(GLASS_BAD_INPUT, "%s: tensor token_embd.weight is missing",
                    gguf_path(e->c->in));
    e->n_vocab = embedding->shape[0];
    for (int64_t i = 0; i < n; i++) TRY(put_tensor(e, gguf_tensor_at(e->c->in, i)));
    if (e->family->xielu) TRY(put_xielu(e));
    qsort(e->c->tensors, (size_t)e->c->n_tensors, sizeof *e->c->tensors, by_name);
    return GLASS_OK;
}

/* What most weights are; transformers makes all of them that. */
static const char *main_type(const struct convert *c) {
    for (int64_t i = 0; i < c->n_tensors; i++)
        if (strcmp(c->tensors[i].from->name, "token_embd.weight") == 0)
            return c->tensors[i].dtype == GLASS_F16    ? "float16"
                   : c->tensors[i].dtype == GLASS_BF16 ? "bfloat16"
                                                       : "float32";
    return "float32";
}

/* ---- both ---- */

static glass_status put_id(struct export *e, const char *key, int64_t id) {
    return set(e, key, id < 0 || !e->c->has_source ? json_null() : json_integer(id));
}

static bool has_bias_key(const struct import_family *f, enum import_bias bias) {
    for (const struct import_name *row = f->names; row->theirs != NULL; row++)
        if (row->bias == bias) return true;
    return false;
}

static glass_status fill(struct export *e, const struct convert_family *f) {
    json_t *classes = json_array();
    if (classes != NULL) json_array_append_new(classes, json_string(f->class));
    TRY(set(e, "architectures", classes));
    TRY(set_text(e, "model_type", f->model_type));
    TRY(put_tensors(e));
    for (const struct import_key *k = e->family->keys; k->theirs != NULL; k++)
        TRY(put_row(e, k));
    for (const struct import_must *m = e->family->musts; m->theirs != NULL; m++)
        TRY(put_must(e, m));
    if (e->family->rope) TRY(put_rope(e));
    TRY(set(e, "tie_word_embeddings", json_boolean(e->tied)));
    if (has_bias_key(e->family, BIAS_ATTENTION))
        TRY(set(e, e->family->bias_key == NULL ? "attention_bias" : e->family->bias_key,
                json_boolean(e->attention_bias)));
    if (has_bias_key(e->family, BIAS_MLP))
        TRY(set(e, "mlp_bias", json_boolean(e->mlp_bias)));
    TRY(set_text(e, "torch_dtype", main_type(e->c)));
    TRY(put_id(e, "bos_token_id", e->c->source.bos));
    TRY(put_id(e, "eos_token_id", e->c->source.eos));
    TRY(put_id(e, "pad_token_id", e->c->source.pad));
    return f->more == NULL ? GLASS_OK : f->more(e);
}

glass_status convert_config(struct convert *c, struct buf *json) {
    struct config *config;
    struct export e = {.c = c, .json = json_object()};
    const struct convert_family *f;
    char *text = NULL;
    glass_status status = mem_alloc_zero(&config, 1, sizeof *config);
    e.config = config;
    if (status == GLASS_OK) status = config_read(config, c->in);
    if (status == GLASS_OK) status = find_family(&e, &f);
    if (status == GLASS_OK) status = fill(&e, f);
    if (status == GLASS_OK) {
        text =
            json_dumps(e.json, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(12));
        status = text == NULL ? fail_memory(1 << 16) : buf_text(json, text);
    }
    if (status == GLASS_OK) status = buf_byte(json, '\n');
    free(text);
    json_decref(e.json);
    mem_free(config);
    return status;
}
