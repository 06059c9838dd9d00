/* import_hf_names.c - Hugging Face's families as data: what their tensors and settings are
 * called, and what those are in the canonical form. */
#include "model/import_parts.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define INTO(field) offsetof(struct import, field)

// clang-format off

/* ---- tensors ---- */

/* Rows of q and k in halves: the family's rotation takes pairs. */
#define LLAMA_NAMES(how_q, how_k, bias_qkv, bias_o, bias_mlp)                              \
    {"embed_tokens", "token_embd", HOW_AS_IS, BIAS_NEVER},                                 \
    {"norm", "output_norm", HOW_AS_IS, BIAS_NEVER},                                        \
    {"lm_head", "output", HOW_AS_IS, BIAS_NEVER},                                          \
    {"layers.#.self_attn.q_proj", "blk.#.attn_q", how_q, bias_qkv},                        \
    {"layers.#.self_attn.k_proj", "blk.#.attn_k", how_k, bias_qkv},                        \
    {"layers.#.self_attn.v_proj", "blk.#.attn_v", HOW_AS_IS, bias_qkv},                    \
    {"layers.#.self_attn.o_proj", "blk.#.attn_output", HOW_AS_IS, bias_o},                 \
    {"layers.#.mlp.gate_proj", "blk.#.ffn_gate", HOW_AS_IS, bias_mlp},                     \
    {"layers.#.mlp.up_proj", "blk.#.ffn_up", HOW_AS_IS, bias_mlp},                         \
    {"layers.#.mlp.down_proj", "blk.#.ffn_down", HOW_AS_IS, bias_mlp}
#define NORMS_BEFORE                                                                       \
    {"layers.#.input_layernorm", "blk.#.attn_norm", HOW_AS_IS, BIAS_NEVER},                \
    {"layers.#.post_attention_layernorm", "blk.#.ffn_norm", HOW_AS_IS, BIAS_NEVER}
#define NORMS_AFTER                                                                        \
    {"layers.#.post_attention_layernorm", "blk.#.post_attention_norm", HOW_AS_IS,          \
     BIAS_NEVER},                                                                          \
    {"layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm", HOW_AS_IS, BIAS_NEVER}
#define NORMS_OF_HEADS                                                                     \
    {"layers.#.self_attn.q_norm", "blk.#.attn_q_norm", HOW_AS_IS, BIAS_NEVER},             \
    {"layers.#.self_attn.k_norm", "blk.#.attn_k_norm", HOW_AS_IS, BIAS_NEVER}
#define END {NULL, NULL, HOW_AS_IS, BIAS_NEVER}

static const struct import_name llama_names[] = {
    LLAMA_NAMES(HOW_HALVES_Q, HOW_HALVES_K, BIAS_ATTENTION, BIAS_ATTENTION, BIAS_MLP),
    NORMS_BEFORE, END};
static const struct import_name qwen2_names[] = {
    LLAMA_NAMES(HOW_AS_IS, HOW_AS_IS, BIAS_ALWAYS, BIAS_NEVER, BIAS_NEVER),
    NORMS_BEFORE, END};
static const struct import_name qwen3_names[] = {
    LLAMA_NAMES(HOW_AS_IS, HOW_AS_IS, BIAS_ATTENTION, BIAS_ATTENTION, BIAS_NEVER),
    NORMS_BEFORE, NORMS_OF_HEADS, END};
static const struct import_name mistral_names[] = {
    LLAMA_NAMES(HOW_HALVES_Q, HOW_HALVES_K, BIAS_NEVER, BIAS_NEVER, BIAS_NEVER),
    NORMS_BEFORE, END};
/* Its norms have no weights. */
static const struct import_name olmo_names[] = {
    {"embed_tokens", "token_embd", HOW_AS_IS, BIAS_NEVER},
    {"lm_head", "output", HOW_AS_IS, BIAS_NEVER},
    {"layers.#.self_attn.q_proj", "blk.#.attn_q", HOW_HALVES_Q, BIAS_ATTENTION},
    {"layers.#.self_attn.k_proj", "blk.#.attn_k", HOW_HALVES_K, BIAS_ATTENTION},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v", HOW_AS_IS, BIAS_ATTENTION},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output", HOW_AS_IS, BIAS_ATTENTION},
    {"layers.#.mlp.gate_proj", "blk.#.ffn_gate", HOW_AS_IS, BIAS_NEVER},
    {"layers.#.mlp.up_proj", "blk.#.ffn_up", HOW_AS_IS, BIAS_NEVER},
    {"layers.#.mlp.down_proj", "blk.#.ffn_down", HOW_AS_IS, BIAS_NEVER},
    END};
static const struct import_name olmo2_names[] = {
    LLAMA_NAMES(HOW_AS_IS, HOW_AS_IS, BIAS_ATTENTION, BIAS_ATTENTION, BIAS_NEVER),
    NORMS_AFTER, NORMS_OF_HEADS, END};

#define GPT2_NAMES(how)                                                                    \
    {"wte", "token_embd", HOW_AS_IS, BIAS_NEVER},                                          \
    {"wpe", "position_embd", HOW_AS_IS, BIAS_NEVER},                                       \
    {"ln_f", "output_norm", HOW_AS_IS, BIAS_ALWAYS},                                       \
    {"lm_head", "output", HOW_AS_IS, BIAS_NEVER},                                          \
    {"h.#.ln_1", "blk.#.attn_norm", HOW_AS_IS, BIAS_ALWAYS},                               \
    {"h.#.ln_2", "blk.#.ffn_norm", HOW_AS_IS, BIAS_ALWAYS},                                \
    {"h.#.mlp.c_fc", "blk.#.ffn_up", how, BIAS_ALWAYS},                                    \
    {"h.#.mlp.c_proj", "blk.#.ffn_down", how, BIAS_ALWAYS}

static const struct import_name gpt2_names[] = {
    GPT2_NAMES(HOW_TURNED),
    {"h.#.attn.c_attn", "blk.#.attn_qkv", HOW_TURNED, BIAS_ALWAYS},
    {"h.#.attn.c_proj", "blk.#.attn_output", HOW_TURNED, BIAS_ALWAYS},
    END};
static const struct import_name gptneo_names[] = {
    GPT2_NAMES(HOW_AS_IS),
    {"h.#.attn.attention.q_proj", "blk.#.attn_q", HOW_AS_IS, BIAS_NEVER},
    {"h.#.attn.attention.k_proj", "blk.#.attn_k", HOW_AS_IS, BIAS_NEVER},
    {"h.#.attn.attention.v_proj", "blk.#.attn_v", HOW_AS_IS, BIAS_NEVER},
    {"h.#.attn.attention.out_proj", "blk.#.attn_output", HOW_AS_IS, BIAS_ALWAYS},
    END};
static const struct import_name gptneox_names[] = {
    {"embed_in", "token_embd", HOW_AS_IS, BIAS_NEVER},
    {"final_layer_norm", "output_norm", HOW_AS_IS, BIAS_ALWAYS},
    {"embed_out|lm_head", "output", HOW_AS_IS, BIAS_NEVER},
    {"layers.#.input_layernorm", "blk.#.attn_norm", HOW_AS_IS, BIAS_ALWAYS},
    {"layers.#.post_attention_layernorm", "blk.#.ffn_norm", HOW_AS_IS, BIAS_ALWAYS},
    {"layers.#.attention.query_key_value", "blk.#.attn_qkv", HOW_QKV, BIAS_ATTENTION},
    {"layers.#.attention.dense", "blk.#.attn_output", HOW_AS_IS, BIAS_ATTENTION},
    {"layers.#.mlp.dense_h_to_4h", "blk.#.ffn_up", HOW_AS_IS, BIAS_ALWAYS},
    {"layers.#.mlp.dense_4h_to_h", "blk.#.ffn_down", HOW_AS_IS, BIAS_ALWAYS},
    END};

/* Masks and tables that older programs saved; the model computes them. */
static const char *const llama_ignored[] = {
    "layers.#.self_attn.rotary_emb.inv_freq", "rotary_emb.inv_freq", NULL};
static const char *const gpt2_ignored[] = {
    "h.#.attn.bias", "h.#.attn.masked_bias", "h.#.attn.attention.bias",
    "h.#.attn.attention.masked_bias", NULL};
static const char *const gptneox_ignored[] = {
    "layers.#.attention.bias", "layers.#.attention.masked_bias",
    "layers.#.attention.rotary_emb.inv_freq", "rotary_emb.inv_freq", NULL};

/* ---- settings ---- */

#define COUNT(theirs, ours, field) {theirs, ours, KIND_COUNT, true, 0, INTO(field)}
#define COUNT_OR(theirs, ours, field) {theirs, ours, KIND_COUNT, false, 0, INTO(field)}
#define NUMBER_OR(theirs, ours, absent) {theirs, ours, KIND_NUMBER, false, absent, 0}
#define FLAG_OR(theirs, ours, absent) {theirs, ours, KIND_FLAG, false, absent, 0}
#define END_KEYS {NULL, NULL, KIND_COUNT, false, 0, 0}
#define RMS_EPS "attention.layer_norm_rms_epsilon"
#define LAYER_EPS "attention.layer_norm_epsilon"

#define LLAMA_KEYS                                                                         \
    COUNT("num_hidden_layers", "block_count", n_layer),                                    \
    COUNT("hidden_size", "embedding_length", n_embd),                                      \
    COUNT("max_position_embeddings", "context_length", n_ctx),                             \
    COUNT("intermediate_size", "feed_forward_length", n_ff),                               \
    COUNT("num_attention_heads", "attention.head_count", n_head),                          \
    COUNT_OR("num_key_value_heads", "attention.head_count_kv", n_head_kv),                 \
    COUNT_OR("head_dim", NULL, head_dim),                                                  \
    COUNT_OR("vocab_size", "vocab_size", n_vocab)

static const struct import_key llama_keys[] = {
    LLAMA_KEYS, NUMBER_OR("rms_norm_eps", RMS_EPS, 1e-6), END_KEYS};
static const struct import_key olmo_keys[] = {
    LLAMA_KEYS, NUMBER_OR("clip_qkv", "attention.clamp_kqv", NAN), END_KEYS};
static const struct import_key olmo2_keys[] = {
    LLAMA_KEYS, NUMBER_OR("rms_norm_eps", RMS_EPS, 1e-5), END_KEYS};
static const struct import_key gpt2_keys[] = {
    COUNT("n_layer|num_hidden_layers", "block_count", n_layer),
    COUNT("n_embd|hidden_size", "embedding_length", n_embd),
    COUNT("n_positions|max_position_embeddings", "context_length", n_ctx),
    COUNT("n_head|num_attention_heads", "attention.head_count", n_head),
    COUNT_OR("n_inner", NULL, n_ff),
    COUNT_OR("vocab_size", "vocab_size", n_vocab),
    NUMBER_OR("layer_norm_epsilon", LAYER_EPS, 1e-5),
    END_KEYS};
static const struct import_key gptneo_keys[] = {
    COUNT("num_layers|num_hidden_layers", "block_count", n_layer),
    COUNT("hidden_size", "embedding_length", n_embd),
    COUNT("max_position_embeddings", "context_length", n_ctx),
    COUNT("num_heads|num_attention_heads", "attention.head_count", n_head),
    COUNT_OR("intermediate_size", NULL, n_ff),
    COUNT_OR("vocab_size", "vocab_size", n_vocab),
    NUMBER_OR("layer_norm_epsilon", LAYER_EPS, 1e-5),
    END_KEYS};
static const struct import_key gptneox_keys[] = {
    COUNT("num_hidden_layers", "block_count", n_layer),
    COUNT("hidden_size", "embedding_length", n_embd),
    COUNT("max_position_embeddings", "context_length", n_ctx),
    COUNT("intermediate_size", "feed_forward_length", n_ff),
    COUNT("num_attention_heads", "attention.head_count", n_head),
    COUNT_OR("vocab_size", "vocab_size", n_vocab),
    NUMBER_OR("layer_norm_eps", LAYER_EPS, 1e-5),
    FLAG_OR("use_parallel_residual", "use_parallel_residual", true),
    END_KEYS};

#define END_MUSTS {NULL, NULL}

static const struct import_must llama_musts[] = {
    {"hidden_act", "silu|swish"}, {"rope_interleaved", "false"}, END_MUSTS};
static const struct import_must gpt2_musts[] = {
    {"activation_function", "gelu_new|gelu_pytorch_tanh"},
    {"scale_attn_weights", "true"},
    {"scale_attn_by_inverse_layer_idx", "false"},
    {"add_cross_attention", "false"},
    END_MUSTS};
static const struct import_must gptneo_musts[] = {
    {"activation_function", "gelu_new|gelu_pytorch_tanh"}, END_MUSTS};
static const struct import_must gptneox_musts[] = {
    {"hidden_act", "gelu"}, END_MUSTS};

/* ---- what tables cannot say ---- */

/* Mistral's window holds for every layer; null says that there is none. */
static glass_status mistral_more(struct import *im) {
    int64_t window;
    TRY(import_count(im, im->config, "sliding_window", &window, 1, IMPORT_COUNT,
                     json_object_get(im->config, "sliding_window") == NULL ? 4096 : 0));
    return window == 0 ? GLASS_OK
                       : import_put_count(im, "attention.sliding_window", window);
}

/* layer_types, where the file has it: one of two kinds for each layer. */
static glass_status layer_types(struct import *im, uint8_t *pattern, bool *any) {
    const json_t *types;
    const char *const want = "a list of \"full_attention\" or \"sliding_attention\" for "
                             "each layer is possible";
    TRY(import_get(im, im->config, "layer_types", &types));
    if (types == NULL) return GLASS_OK;
    if (json_array_size(types) != (size_t)im->n_layer)
        return import_bad(im, "layer_types", types, want);
    *any = false;
    for (int64_t i = 0; i < im->n_layer; i++) {
        const char *type = json_string_value(json_array_get(types, (size_t)i));
        if (type == NULL ||
            (strcmp(type, "full_attention") != 0 && strcmp(type, "sliding_attention") != 0))
            return import_bad(im, "layer_types", types, want);
        pattern[i] = strcmp(type, "sliding_attention") == 0;
        *any |= pattern[i];
    }
    return GLASS_OK;
}

static glass_status put_windows(struct import *im, int64_t window, const uint8_t *pattern) {
    char key[64];
    snprintf(key, sizeof key, "%s.attention.sliding_window_pattern", im->family->arch);
    TRY(import_put_count(im, "attention.sliding_window", window));
    return gguf_put_array(im->values, key, GGUF_BOOL, pattern, (uint64_t)im->n_layer);
}

/* Qwen's window is only used where the file says so, and in the layers after the first few. */
static glass_status qwen_more(struct import *im) {
    bool windows, any = false;
    int64_t window, first;
    uint8_t pattern[IMPORT_LAYERS];
    TRY(import_flag(im, im->config, "use_sliding_window", &windows, false));
    TRY(import_count(im, im->config, "sliding_window", &window, 1, IMPORT_COUNT, 4096));
    TRY(import_count(im, im->config, "max_window_layers", &first, 0, IMPORT_COUNT, 28));
    for (int64_t i = 0; i < im->n_layer; i++) {
        pattern[i] = windows && i >= first;
        any |= pattern[i];
    }
    TRY(layer_types(im, pattern, &any));
    if (any && !windows)
        return import_bad(im, "use_sliding_window",
                          json_object_get(im->config, "use_sliding_window"),
                          "layer_types has layers with a window");
    return any ? put_windows(im, window, pattern) : GLASS_OK;
}

static glass_status gpt2_more(struct import *im) {
    return import_put_count(im, "feed_forward_length", im->n_ff ? im->n_ff : 4 * im->n_embd);
}

/* attention_types: [[["global", "local"], 12], …]: each list of kinds, so many times. */
static glass_status gptneo_layers(struct import *im, uint8_t *pattern, bool *any) {
    const json_t *types, *group;
    size_t g, k;
    int64_t n = 0;
    const char *const want = "a list of [[kinds], times] for all layers, of \"global\" and "
                             "\"local\", is possible";
    TRY(import_get(im, im->config, "attention_types", &types));
    if (types == NULL) { /* the class' own */
        for (n = 0; n < im->n_layer; n++) pattern[n] = n % 2 == 1;
        *any = im->n_layer > 1;
        return GLASS_OK;
    }
    json_array_foreach(types, g, group) {
        const json_t *kinds = json_array_get(group, 0), *kind;
        const json_int_t times = json_integer_value(json_array_get(group, 1));
        if (times < 1 || times > im->n_layer || json_array_size(kinds) == 0)
            return import_bad(im, "attention_types", types, want);
        for (json_int_t i = 0; i < times; i++)
            json_array_foreach(kinds, k, kind) {
                const char *name = json_string_value(kind);
                bool local = name != NULL && strcmp(name, "local") == 0;
                if (name == NULL || n >= im->n_layer ||
                    (!local && strcmp(name, "global") != 0))
                    return import_bad(im, "attention_types", types, want);
                pattern[n++] = local;
                *any |= local;
            }
    }
    return n == im->n_layer ? GLASS_OK : import_bad(im, "attention_types", types, want);
}

static glass_status gptneo_more(struct import *im) {
    uint8_t pattern[IMPORT_LAYERS];
    bool any = false;
    int64_t window;
    TRY(gpt2_more(im));
    TRY(gptneo_layers(im, pattern, &any));
    if (!any) return GLASS_OK;
    TRY(import_count(im, im->config, "window_size", &window, 1, IMPORT_COUNT, 256));
    return put_windows(im, window, pattern);
}

/* OLMo 1's layer norms have a fixed epsilon. */
static glass_status olmo_more(struct import *im) {
    return import_put_number(im, LAYER_EPS, 1e-5);
}

/* ---- families ---- */

static const struct import_family families[] = {
    {.model_type = "llama", .arch = "llama", .prefix = "model.", .names = llama_names,
     .ignored = llama_ignored, .keys = llama_keys, .musts = llama_musts,
     .rope = true, .rope_part = 1},
    {.model_type = "mistral", .arch = "llama", .prefix = "model.", .names = mistral_names,
     .ignored = llama_ignored, .keys = llama_keys, .musts = llama_musts, .rope = true,
     .rope_part = 1, .more = mistral_more},
    {.model_type = "qwen2", .arch = "qwen2", .prefix = "model.", .names = qwen2_names,
     .ignored = llama_ignored, .keys = llama_keys, .musts = llama_musts, .rope = true,
     .rope_part = 1, .more = qwen_more},
    {.model_type = "qwen3", .arch = "qwen3", .prefix = "model.", .names = qwen3_names,
     .ignored = llama_ignored, .keys = llama_keys, .musts = llama_musts,
     .rope = true, .rope_part = 1, .head_dim = 128,
     .more = qwen_more},
    {.model_type = "olmo", .arch = "olmo", .prefix = "model.", .names = olmo_names,
     .ignored = llama_ignored, .keys = olmo_keys, .musts = llama_musts,
     .rope = true, .rope_part = 1, .more = olmo_more},
    {.model_type = "olmo2", .arch = "olmo2", .prefix = "model.", .names = olmo2_names,
     .ignored = llama_ignored, .keys = olmo2_keys, .musts = llama_musts,
     .rope = true, .rope_part = 1},
    {.model_type = "gpt2", .arch = "gpt2", .prefix = "transformer.", .names = gpt2_names,
     .ignored = gpt2_ignored, .keys = gpt2_keys, .musts = gpt2_musts, .tied = true,
     .more = gpt2_more},
    {.model_type = "gpt_neo", .arch = "gptneo", .prefix = "transformer.",
     .names = gptneo_names, .ignored = gpt2_ignored, .keys = gptneo_keys,
     .musts = gptneo_musts, .tied = true, .more = gptneo_more},
    {.model_type = "gpt_neox", .arch = "gptneox", .prefix = "gpt_neox.",
     .names = gptneox_names, .ignored = gptneox_ignored, .keys = gptneox_keys,
     .musts = gptneox_musts, .attention_bias = true, .rope = true, .rope_part = 0.25},
};
// clang-format on

const struct import_family *import_family_find(const char *model_type) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].model_type, model_type) == 0) return &families[i];
    return NULL;
}

const struct import_family *import_family_at(int i) {
    return i < (int)(sizeof families / sizeof *families) ? &families[i] : NULL;
}

const char *import_family_names(void) {
    return "llama, mistral, qwen2, qwen3, olmo, olmo2, gpt2, gpt_neo, gpt_neox";
}
