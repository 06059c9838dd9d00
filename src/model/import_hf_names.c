/* import_hf_names.c - Hugging Face's families as data: what their tensors and settings are
 * called, and what those are in the canonical form. */
#include "model/config.h"
#include "model/import_parts.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define INTO(field) offsetof(struct import, field)

// clang-format off

/* ---- tensors ---- */

/* Rows of q and k in halves: the family's rotation takes pairs. */
#define ENDS(how_norm)                                                                     \
    {"embed_tokens", "token_embd", HOW_AS_IS, BIAS_NEVER},                                 \
    {"norm", "output_norm", how_norm, BIAS_NEVER},                                         \
    {"lm_head", "output", HOW_AS_IS, BIAS_NEVER}
#define ATTENTION(how_q, how_k, bias_qkv, bias_o)                                          \
    {"layers.#.self_attn.q_proj", "blk.#.attn_q", how_q, bias_qkv},                        \
    {"layers.#.self_attn.k_proj", "blk.#.attn_k", how_k, bias_qkv},                        \
    {"layers.#.self_attn.v_proj", "blk.#.attn_v", HOW_AS_IS, bias_qkv},                    \
    {"layers.#.self_attn.o_proj", "blk.#.attn_output", HOW_AS_IS, bias_o}
#define GATED_MLP(bias_mlp)                                                                \
    {"layers.#.mlp.gate_proj", "blk.#.ffn_gate", HOW_AS_IS, bias_mlp},                     \
    {"layers.#.mlp.up_proj", "blk.#.ffn_up", HOW_AS_IS, bias_mlp},                         \
    {"layers.#.mlp.down_proj", "blk.#.ffn_down", HOW_AS_IS, bias_mlp}
#define LLAMA_NAMES(how_q, how_k, bias_qkv, bias_o, bias_mlp)                              \
    ENDS(HOW_AS_IS), ATTENTION(how_q, how_k, bias_qkv, bias_o), GATED_MLP(bias_mlp)
#define NORMS_BEFORE                                                                       \
    {"layers.#.input_layernorm", "blk.#.attn_norm", HOW_AS_IS, BIAS_NEVER},                \
    {"layers.#.post_attention_layernorm", "blk.#.ffn_norm", HOW_AS_IS, BIAS_NEVER}
#define NORMS_AFTER                                                                        \
    {"layers.#.post_attention_layernorm", "blk.#.post_attention_norm", HOW_AS_IS,          \
     BIAS_NEVER},                                                                          \
    {"layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm", HOW_AS_IS, BIAS_NEVER}
#define NORMS_OF_HEADS_AS(how)                                                             \
    {"layers.#.self_attn.q_norm", "blk.#.attn_q_norm", how, BIAS_NEVER},                   \
    {"layers.#.self_attn.k_norm", "blk.#.attn_k_norm", how, BIAS_NEVER}
#define NORMS_OF_HEADS NORMS_OF_HEADS_AS(HOW_AS_IS)
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

static const struct import_name gptj_names[] = {
    {"wte", "token_embd", HOW_AS_IS, BIAS_NEVER},
    {"ln_f", "output_norm", HOW_AS_IS, BIAS_ALWAYS},
    {"lm_head", "output", HOW_AS_IS, BIAS_ALWAYS},
    {"h.#.ln_1", "blk.#.attn_norm", HOW_AS_IS, BIAS_ALWAYS},
    {"h.#.attn.q_proj", "blk.#.attn_q", HOW_AS_IS, BIAS_NEVER},
    {"h.#.attn.k_proj", "blk.#.attn_k", HOW_AS_IS, BIAS_NEVER},
    {"h.#.attn.v_proj", "blk.#.attn_v", HOW_AS_IS, BIAS_NEVER},
    {"h.#.attn.out_proj", "blk.#.attn_output", HOW_AS_IS, BIAS_NEVER},
    {"h.#.mlp.fc_in", "blk.#.ffn_up", HOW_AS_IS, BIAS_ALWAYS},
    {"h.#.mlp.fc_out", "blk.#.ffn_down", HOW_AS_IS, BIAS_ALWAYS},
    END};
static const struct import_name bigcode_names[] = {
    GPT2_NAMES(HOW_AS_IS),
    {"h.#.attn.c_attn", "blk.#.attn_qkv", HOW_AS_IS, BIAS_ALWAYS},
    {"h.#.attn.c_proj", "blk.#.attn_output", HOW_AS_IS, BIAS_ALWAYS},
    END};

/* Gemma multiplies by one more than its norms' weights. */
static const struct import_name gemma_names[] = {
    ENDS(HOW_PLUS_ONE),
    ATTENTION(HOW_AS_IS, HOW_AS_IS, BIAS_ATTENTION, BIAS_ATTENTION),
    GATED_MLP(BIAS_NEVER),
    {"layers.#.input_layernorm", "blk.#.attn_norm", HOW_PLUS_ONE, BIAS_NEVER},
    {"layers.#.post_attention_layernorm", "blk.#.ffn_norm", HOW_PLUS_ONE, BIAS_NEVER},
    END};
#define GEMMA_NORMS                                                                        \
    {"layers.#.input_layernorm", "blk.#.attn_norm", HOW_PLUS_ONE, BIAS_NEVER},             \
    {"layers.#.post_attention_layernorm", "blk.#.post_attention_norm", HOW_PLUS_ONE,       \
     BIAS_NEVER},                                                                          \
    {"layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm", HOW_PLUS_ONE, BIAS_NEVER},    \
    {"layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm", HOW_PLUS_ONE,           \
     BIAS_NEVER}
static const struct import_name gemma2_names[] = {
    ENDS(HOW_PLUS_ONE),
    ATTENTION(HOW_AS_IS, HOW_AS_IS, BIAS_ATTENTION, BIAS_ATTENTION),
    GATED_MLP(BIAS_NEVER), GEMMA_NORMS, END};
static const struct import_name gemma3_names[] = {
    ENDS(HOW_PLUS_ONE),
    ATTENTION(HOW_AS_IS, HOW_AS_IS, BIAS_ATTENTION, BIAS_ATTENTION),
    GATED_MLP(BIAS_NEVER), GEMMA_NORMS, NORMS_OF_HEADS_AS(HOW_PLUS_ONE), END};

/* All biases together, by one key. */
static const struct import_name starcoder2_names[] = {
    {"embed_tokens", "token_embd", HOW_AS_IS, BIAS_NEVER},
    {"norm", "output_norm", HOW_AS_IS, BIAS_ALWAYS},
    {"lm_head", "output", HOW_AS_IS, BIAS_NEVER},
    ATTENTION(HOW_AS_IS, HOW_AS_IS, BIAS_ATTENTION, BIAS_ATTENTION),
    {"layers.#.mlp.c_fc", "blk.#.ffn_up", HOW_AS_IS, BIAS_ATTENTION},
    {"layers.#.mlp.c_proj", "blk.#.ffn_down", HOW_AS_IS, BIAS_ATTENTION},
    {"layers.#.input_layernorm", "blk.#.attn_norm", HOW_AS_IS, BIAS_ALWAYS},
    {"layers.#.post_attention_layernorm", "blk.#.ffn_norm", HOW_AS_IS, BIAS_ALWAYS},
    END};
static const struct import_name phi_names[] = {
    {"embed_tokens", "token_embd", HOW_AS_IS, BIAS_NEVER},
    {"final_layernorm", "output_norm", HOW_AS_IS, BIAS_ALWAYS},
    {"lm_head", "output", HOW_AS_IS, BIAS_ALWAYS},
    {"layers.#.input_layernorm", "blk.#.attn_norm", HOW_AS_IS, BIAS_ALWAYS},
    {"layers.#.self_attn.q_proj", "blk.#.attn_q", HOW_AS_IS, BIAS_ALWAYS},
    {"layers.#.self_attn.k_proj", "blk.#.attn_k", HOW_AS_IS, BIAS_ALWAYS},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v", HOW_AS_IS, BIAS_ALWAYS},
    {"layers.#.self_attn.dense", "blk.#.attn_output", HOW_AS_IS, BIAS_ALWAYS},
    {"layers.#.mlp.fc1", "blk.#.ffn_up", HOW_AS_IS, BIAS_ALWAYS},
    {"layers.#.mlp.fc2", "blk.#.ffn_down", HOW_AS_IS, BIAS_ALWAYS},
    END};
static const struct import_name phi3_names[] = {
    ENDS(HOW_AS_IS),
    {"layers.#.self_attn.qkv_proj", "blk.#.attn_qkv", HOW_AS_IS, BIAS_NEVER},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output", HOW_AS_IS, BIAS_NEVER},
    {"layers.#.mlp.gate_up_proj", "blk.#.ffn_up", HOW_AS_IS, BIAS_NEVER},
    {"layers.#.mlp.down_proj", "blk.#.ffn_down", HOW_AS_IS, BIAS_NEVER},
    NORMS_BEFORE, END};
static const struct import_name apertus_names[] = {
    ENDS(HOW_AS_IS),
    ATTENTION(HOW_AS_IS, HOW_AS_IS, BIAS_ATTENTION, BIAS_ATTENTION),
    {"layers.#.mlp.up_proj", "blk.#.ffn_up", HOW_AS_IS, BIAS_NEVER},
    {"layers.#.mlp.down_proj", "blk.#.ffn_down", HOW_AS_IS, BIAS_NEVER},
    {"layers.#.attention_layernorm", "blk.#.attn_norm", HOW_AS_IS, BIAS_NEVER},
    {"layers.#.feedforward_layernorm", "blk.#.ffn_norm", HOW_AS_IS, BIAS_NEVER},
    NORMS_OF_HEADS, END};

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

static const struct import_key gptj_keys[] = {
    COUNT("n_layer|num_hidden_layers", "block_count", n_layer),
    COUNT("n_embd|hidden_size", "embedding_length", n_embd),
    COUNT("n_positions|max_position_embeddings", "context_length", n_ctx),
    COUNT("n_head|num_attention_heads", "attention.head_count", n_head),
    COUNT_OR("n_inner", NULL, n_ff),
    COUNT_OR("vocab_size", "vocab_size", n_vocab),
    {"rotary_dim", "rope.dimension_count", KIND_COUNT, false, 64, 0},
    NUMBER_OR("layer_norm_epsilon", LAYER_EPS, 1e-5),
    END_KEYS};
static const struct import_key gemma2_keys[] = {
    LLAMA_KEYS, NUMBER_OR("rms_norm_eps", RMS_EPS, 1e-6),
    NUMBER_OR("attn_logit_softcapping", "attn_logit_softcapping", NAN),
    NUMBER_OR("final_logit_softcapping", "final_logit_softcapping", NAN), END_KEYS};
static const struct import_key gemma3_keys[] = {
    LLAMA_KEYS, NUMBER_OR("rms_norm_eps", RMS_EPS, 1e-6),
    NUMBER_OR("final_logit_softcapping", "final_logit_softcapping", NAN), END_KEYS};
static const struct import_key starcoder2_keys[] = {
    LLAMA_KEYS, NUMBER_OR("norm_epsilon", LAYER_EPS, 1e-5), END_KEYS};
static const struct import_key phi_keys[] = {
    LLAMA_KEYS, NUMBER_OR("layer_norm_eps", LAYER_EPS, 1e-5), END_KEYS};
static const struct import_key granite_keys[] = {
    LLAMA_KEYS, NUMBER_OR("rms_norm_eps", RMS_EPS, 1e-6),
    NUMBER_OR("embedding_multiplier", "embedding_scale", 1),
    NUMBER_OR("residual_multiplier", "residual_scale", 1),
    NUMBER_OR("attention_multiplier", "attention.scale", 1),
    NUMBER_OR("logits_scaling", "logit_scale", 1), END_KEYS};

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
static const struct import_must gptj_musts[] = {
    {"activation_function", "gelu_new|gelu_pytorch_tanh"}, END_MUSTS};
static const struct import_must bigcode_musts[] = {
    {"activation_function", "gelu_pytorch_tanh|gelu_new"},
    {"multi_query", "true"},
    {"scale_attn_weights", "true"},
    {"add_cross_attention", "false"},
    END_MUSTS};
/* The first files say "gelu", and mean this one. */
static const struct import_must gemma_musts[] = {
    {"hidden_act", "gelu_pytorch_tanh|gelu"}, {"hidden_activation", "gelu_pytorch_tanh"},
    {"use_bidirectional_attention", "false"}, END_MUSTS};
static const struct import_must gemma2_musts[] = {
    {"hidden_activation", "gelu_pytorch_tanh"},
    {"use_bidirectional_attention", "false"}, END_MUSTS};
static const struct import_must starcoder2_musts[] = {
    {"hidden_act", "gelu_pytorch_tanh|gelu_new"}, END_MUSTS};
static const struct import_must phi_musts[] = {
    {"hidden_act", "gelu_new|gelu_pytorch_tanh"}, {"qk_layernorm", "false"}, END_MUSTS};
static const struct import_must apertus_musts[] = {
    {"hidden_act", "xielu"}, END_MUSTS};

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

/* A window for all layers, where there is one. */
static glass_status window_more(struct import *im) {
    int64_t window;
    TRY(import_count(im, im->config, "sliding_window", &window, 1, IMPORT_COUNT, 0));
    return window == 0 ? GLASS_OK
                       : import_put_count(im, "attention.sliding_window", window);
}

/* A window in every layer but each step-th, unless the file says which. */
static glass_status window_but(struct import *im, int64_t step) {
    int64_t window;
    uint8_t pattern[IMPORT_LAYERS];
    bool any = false;
    TRY(import_count(im, im->config, "sliding_window", &window, 1, IMPORT_COUNT, 4096));
    for (int64_t i = 0; i < im->n_layer; i++) {
        pattern[i] = (i + 1) % step != 0;
        any |= pattern[i];
    }
    TRY(layer_types(im, pattern, &any));
    return any ? put_windows(im, window, pattern)
               : import_put_count(im, "attention.sliding_window", 0);
}

static glass_status olmo3_more(struct import *im) {
    return window_but(im, 4);
}

/* By what scores are divided, squared. Nothing is put where a file without the key has it. */
static glass_status score_scale(struct import *im) {
    const struct family *f = family_find(im->family->arch, strlen(im->family->arch));
    double n;
    TRY(import_number(im, im->config, "query_pre_attn_scalar", &n, 256));
    if (!(n >= 1 && n <= 1e6))
        return import_bad(im, "query_pre_attn_scalar",
                          json_object_get(im->config, "query_pre_attn_scalar"),
                          "1 to 1e6 is possible");
    int64_t width =
        im->n_layer == f->wide_scale_layers ? im->n_embd / im->n_head : im->head_dim;
    return n == (double)width ? GLASS_OK
                              : import_put_number(im, "attention.scale", 1 / sqrt(n));
}

/* null says that there is no cap, nothing that it is the family's. */
static glass_status gemma2_more(struct import *im) {
    static const char *const caps[] = {"attn_logit_softcapping", "final_logit_softcapping"};
    for (int i = 0; i < 2; i++)
        if (json_is_null(json_object_get(im->config, caps[i])))
            TRY(import_put_number(im, caps[i], 0));
    TRY(score_scale(im));
    return window_but(im, 2);
}

/* Older files have every how many layers there is none. */
static glass_status gemma3_more(struct import *im) {
    int64_t step;
    TRY(import_count(im, im->config, "sliding_window_pattern|_sliding_window_pattern",
                     &step, 1, IMPORT_LAYERS, 6));
    TRY(score_scale(im));
    return window_but(im, step);
}

/* Which layers rotate: a 1 each, or all but every n-th. Windows, where there are any, are in
 * the others. */
static glass_status smollm3_more(struct import *im) {
    const json_t *list;
    const char *const want = "a list of 0 or 1 for each layer is possible";
    char key[64];
    uint8_t rotated[IMPORT_LAYERS], pattern[IMPORT_LAYERS];
    bool windows, any = false;
    int64_t step, window;
    TRY(import_count(im, im->config, "no_rope_layer_interval", &step, 1, IMPORT_COUNT, 4));
    TRY(import_get(im, im->config, "no_rope_layers", &list));
    TRY(import_flag(im, im->config, "use_sliding_window", &windows, false));
    TRY(import_count(im, im->config, "sliding_window", &window, 1, IMPORT_COUNT, 0));
    if (list != NULL && json_array_size(list) != (size_t)im->n_layer)
        return import_bad(im, "no_rope_layers", list, want);
    for (int64_t i = 0; i < im->n_layer; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        const json_int_t n = json_integer_value(item);
        if (list != NULL && (!json_is_integer(item) || n < 0 || n > 1))
            return import_bad(im, "no_rope_layers", list, want);
        rotated[i] = list == NULL ? (i + 1) % step != 0 : n == 1;
        pattern[i] = windows && window > 0 && !rotated[i];
        any |= pattern[i];
    }
    snprintf(key, sizeof key, "%s.attention.rope_pattern", im->family->arch);
    TRY(gguf_put_array(im->values, key, GGUF_BOOL, rotated, (uint64_t)im->n_layer));
    TRY(layer_types(im, pattern, &any));
    if (any && window == 0)
        return import_bad(im, "sliding_window",
                          json_object_get(im->config, "sliding_window"),
                          "layer_types has layers with a window");
    return any ? put_windows(im, window, pattern) : GLASS_OK;
}

static glass_status bigcode_more(struct import *im) {
    TRY(import_put_count(im, "attention.head_count_kv", 1));
    return gpt2_more(im);
}

/* Without these settings the class has some of its own. */
static glass_status check_rope_said(struct import *im) {
    const json_t *rope;
    TRY(import_get(im, im->config, "rope_parameters|rope_scaling", &rope));
    return rope != NULL ? GLASS_OK
                        : import_bad(im, "rope_parameters", rope, "this family needs it");
}

static glass_status ministral3_more(struct import *im) {
    TRY(check_rope_said(im));
    return window_more(im);
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
    {.model_type = "gptj", .arch = "gptj", .prefix = "transformer.", .names = gptj_names,
     .ignored = gpt2_ignored, .keys = gptj_keys, .musts = gptj_musts, .more = gpt2_more},
    {.model_type = "gpt_bigcode", .arch = "starcoder", .prefix = "transformer.",
     .names = bigcode_names, .ignored = gpt2_ignored, .keys = gpt2_keys,
     .musts = bigcode_musts, .tied = true, .more = bigcode_more},
    {.model_type = "smollm3", .arch = "smollm3", .prefix = "model.", .names = llama_names,
     .ignored = llama_ignored, .keys = llama_keys, .musts = llama_musts, .tied = true,
     .rope = true, .rope_part = 1, .rope_theta = 2e6, .more = smollm3_more},
    {.model_type = "olmo3", .arch = "olmo2", .prefix = "model.", .names = olmo2_names,
     .ignored = llama_ignored, .keys = olmo2_keys, .musts = llama_musts,
     .rope = true, .rope_part = 1, .rope_theta = 5e5, .rope_kinds = true,
     .more = olmo3_more},
    {.model_type = "gemma", .arch = "gemma", .prefix = "model.", .names = gemma_names,
     .ignored = llama_ignored, .keys = llama_keys, .musts = gemma_musts, .tied = true,
     .rope = true, .rope_part = 1, .head_dim = 256},
    {.model_type = "gemma2", .arch = "gemma2", .prefix = "model.", .names = gemma2_names,
     .ignored = llama_ignored, .keys = gemma2_keys, .musts = gemma2_musts, .tied = true,
     .rope = true, .rope_part = 1, .head_dim = 256, .more = gemma2_more},
    {.model_type = "gemma3_text", .arch = "gemma3", .prefix = "model.",
     .names = gemma3_names, .ignored = llama_ignored, .keys = gemma3_keys,
     .musts = gemma2_musts, .tied = true, .rope = true, .rope_part = 1, .rope_theta = 1e6,
     .rope_kinds = true, .rope_local = 1e4, .head_dim = 256, .more = gemma3_more},
    {.model_type = "starcoder2", .arch = "starcoder2", .prefix = "model.",
     .names = starcoder2_names, .ignored = llama_ignored, .keys = starcoder2_keys,
     .musts = starcoder2_musts, .bias_key = "use_bias", .attention_bias = true,
     .tied = true, .rope = true, .rope_part = 1, .more = window_more},
    {.model_type = "phi", .arch = "phi2", .prefix = "model.", .names = phi_names,
     .ignored = llama_ignored, .keys = phi_keys, .musts = phi_musts, .rope = true,
     .rope_part = 0.5},
    {.model_type = "phi3", .arch = "phi3", .prefix = "model.", .names = phi3_names,
     .ignored = llama_ignored, .keys = olmo2_keys, .musts = llama_musts, .rope = true,
     .rope_part = 1, .more = window_more},
    {.model_type = "granite", .arch = "granite", .prefix = "model.", .names = llama_names,
     .ignored = llama_ignored, .keys = granite_keys, .musts = llama_musts, .rope = true,
     .rope_part = 1},
    {.model_type = "ministral3", .arch = "mistral3", .prefix = "model.",
     .names = mistral_names, .ignored = llama_ignored, .keys = olmo2_keys,
     .musts = llama_musts, .rope = true, .rope_part = 1, .rope_theta = 1e6,
     .head_dim = 128, .more = ministral3_more},
    {.model_type = "apertus", .arch = "apertus", .prefix = "model.",
     .names = apertus_names, .ignored = llama_ignored, .keys = olmo2_keys,
     .musts = apertus_musts, .rope = true, .rope_part = 1, .rope_theta = 12e6,
     .xielu = true, .more = check_rope_said},
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
    return "llama, mistral, ministral3, qwen2, qwen3, smollm3, olmo, olmo2, olmo3, gemma, "
           "gemma2, gemma3_text, apertus, granite, phi, phi3, gpt2, gpt_neo, gpt_neox, "
           "gptj, "
           "gpt_bigcode, starcoder2";
}
