/* family.c - the table of model families: one row each (docs/models.md says what they are). */
#include "model/config.h"

#include <string.h>

/* Llama's row serves Llama 1 to 3, Code Llama, Mistral, TinyLlama and SmolLM2: GGUF stores
 * their q and k rows in Meta's order, so pairs are (2i, 2i+1). So it does for SmolLM 3's and
 * Granite's. Layer counts of wide_scale_layers: Gemma 2 and 3 of 27 billion weights, whose
 * files do not say by what they divide scores. */
// clang-format off
static const struct family families[] = {
    {.arch = "llama", .norm = NORM_RMS, .rope = ROPE_PAIRS, .activation = ACT_SILU,
     .norm_weights = true, .norm_before = true, .gated = true, .eps = 1e-5},
    {.arch = "mistral3", .norm = NORM_RMS, .rope = ROPE_PAIRS, .activation = ACT_SILU,
     .norm_weights = true, .norm_before = true, .gated = true, .eps = 1e-5},
    {.arch = "qwen2", .norm = NORM_RMS, .rope = ROPE_HALF, .activation = ACT_SILU,
     .norm_weights = true, .norm_before = true, .gated = true, .eps = 1e-6},
    {.arch = "qwen3", .norm = NORM_RMS, .rope = ROPE_HALF, .activation = ACT_SILU,
     .qk_norm = QK_NORM_HEAD, .norm_weights = true, .norm_before = true, .gated = true,
     .eps = 1e-6},
    {.arch = "smollm3", .norm = NORM_RMS, .rope = ROPE_PAIRS, .activation = ACT_SILU,
     .norm_weights = true, .norm_before = true, .gated = true, .nope_step = 4, .eps = 1e-6},
    {.arch = "olmo", .norm = NORM_LAYER, .rope = ROPE_PAIRS, .activation = ACT_SILU,
     .norm_before = true, .gated = true, .eps = 1e-5},
    {.arch = "olmo2", .norm = NORM_RMS, .rope = ROPE_HALF, .activation = ACT_SILU,
     .qk_norm = QK_NORM_ROW, .norm_weights = true, .norm_after = true, .gated = true,
     .local_plain = true, .full_step = 4, .eps = 1e-6},
    {.arch = "gpt2", .norm = NORM_LAYER, .rope = ROPE_NONE, .activation = ACT_GELU_TANH,
     .norm_weights = true, .norm_before = true, .learned_positions = true,
     .fused_qkv = true, .eps = 1e-5},
    {.arch = "gptneo", .norm = NORM_LAYER, .rope = ROPE_NONE, .activation = ACT_GELU_TANH,
     .norm_weights = true, .norm_before = true, .learned_positions = true, .unscaled = true,
     .eps = 1e-5},
    {.arch = "gptneox", .norm = NORM_LAYER, .rope = ROPE_HALF, .activation = ACT_GELU_ERF,
     .norm_weights = true, .norm_before = true, .fused_qkv = true, .parallel_key = true,
     .eps = 1e-5},
    {.arch = "gptj", .norm = NORM_LAYER, .rope = ROPE_PAIRS, .activation = ACT_GELU_TANH,
     .norm_weights = true, .norm_before = true, .parallel = true, .one_norm = true,
     .eps = 1e-5},
    {.arch = "gemma", .norm = NORM_RMS, .rope = ROPE_HALF, .activation = ACT_GELU_TANH,
     .norm_weights = true, .norm_before = true, .gated = true, .embed_root = true,
     .eps = 1e-6},
    {.arch = "gemma2", .norm = NORM_RMS, .rope = ROPE_HALF, .activation = ACT_GELU_TANH,
     .norm_weights = true, .norm_before = true, .norm_after = true, .gated = true,
     .embed_root = true, .window = 4096, .full_step = 2, .wide_scale_layers = 46,
     .attn_cap = 50, .logit_cap = 30, .eps = 1e-6},
    {.arch = "gemma3", .norm = NORM_RMS, .rope = ROPE_HALF, .activation = ACT_GELU_TANH,
     .qk_norm = QK_NORM_HEAD, .norm_weights = true, .norm_before = true,
     .norm_after = true, .gated = true, .embed_root = true, .local_plain = true,
     .local_base = 10000, .full_step = 6, .wide_scale_layers = 62, .eps = 1e-6},
    {.arch = "apertus", .norm = NORM_RMS, .rope = ROPE_HALF, .activation = ACT_XIELU,
     .qk_norm = QK_NORM_HEAD, .norm_weights = true, .norm_before = true, .eps = 1e-5},
    {.arch = "granite", .norm = NORM_RMS, .rope = ROPE_PAIRS, .activation = ACT_SILU,
     .norm_weights = true, .norm_before = true, .gated = true, .multipliers = true,
     .eps = 1e-6},
    {.arch = "phi2", .norm = NORM_LAYER, .rope = ROPE_HALF, .activation = ACT_GELU_TANH,
     .norm_weights = true, .norm_before = true, .parallel = true, .one_norm = true,
     .eps = 1e-5},
    {.arch = "phi3", .norm = NORM_RMS, .rope = ROPE_HALF, .activation = ACT_SILU,
     .norm_weights = true, .norm_before = true, .gated = true, .fused_qkv = true,
     .fused_gate = true, .eps = 1e-5},
    {.arch = "starcoder", .norm = NORM_LAYER, .rope = ROPE_NONE,
     .activation = ACT_GELU_TANH, .norm_weights = true, .norm_before = true,
     .learned_positions = true, .fused_qkv = true, .eps = 1e-5},
    {.arch = "starcoder2", .norm = NORM_LAYER, .rope = ROPE_HALF,
     .activation = ACT_GELU_TANH, .norm_weights = true, .norm_before = true, .eps = 1e-5},
};
// clang-format on

const struct family *family_find(const char *arch, size_t n_bytes) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strlen(families[i].arch) == n_bytes &&
            memcmp(families[i].arch, arch, n_bytes) == 0)
            return &families[i];
    return NULL;
}

const char *family_names(void) {
    return "llama (also Mistral, SmolLM2, TinyLlama), mistral3, qwen2, qwen3, smollm3, "
           "olmo, olmo2 "
           "(also OLMo 3), gpt2, gptneo, gptneox, gptj, gemma, gemma2, gemma3, apertus, "
           "granite, phi2, phi3, starcoder, starcoder2";
}
