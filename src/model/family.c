/* family.c - the table of model families: one row each (docs/models.md says what they are). */
#include "model/config.h"

#include <string.h>

/* Llama's row serves Llama 1 to 3, Code Llama, Mistral, TinyLlama and SmolLM2: GGUF stores
 * their q and k rows in Meta's order, so pairs are (2i, 2i+1). */
// clang-format off
static const struct family families[] = {
    {.arch = "llama", .norm = NORM_RMS, .rope = ROPE_PAIRS, .activation = ACT_SILU,
     .norm_weights = true, .norm_before = true, .gated = true, .eps = 1e-5},
    {.arch = "qwen2", .norm = NORM_RMS, .rope = ROPE_HALF, .activation = ACT_SILU,
     .norm_weights = true, .norm_before = true, .gated = true, .eps = 1e-6},
    {.arch = "qwen3", .norm = NORM_RMS, .rope = ROPE_HALF, .activation = ACT_SILU,
     .qk_norm = QK_NORM_HEAD, .norm_weights = true, .norm_before = true, .gated = true,
     .eps = 1e-6},
    {.arch = "olmo", .norm = NORM_LAYER, .rope = ROPE_PAIRS, .activation = ACT_SILU,
     .norm_before = true, .gated = true, .eps = 1e-5},
    {.arch = "olmo2", .norm = NORM_RMS, .rope = ROPE_HALF, .activation = ACT_SILU,
     .qk_norm = QK_NORM_ROW, .norm_weights = true, .norm_after = true, .gated = true,
     .eps = 1e-6},
    {.arch = "gpt2", .norm = NORM_LAYER, .rope = ROPE_NONE, .activation = ACT_GELU_TANH,
     .norm_weights = true, .norm_before = true, .learned_positions = true,
     .fused_qkv = true, .eps = 1e-5},
    {.arch = "gptneo", .norm = NORM_LAYER, .rope = ROPE_NONE, .activation = ACT_GELU_TANH,
     .norm_weights = true, .norm_before = true, .learned_positions = true, .unscaled = true,
     .eps = 1e-5},
    {.arch = "gptneox", .norm = NORM_LAYER, .rope = ROPE_HALF, .activation = ACT_GELU_ERF,
     .norm_weights = true, .norm_before = true, .fused_qkv = true, .parallel_key = true,
     .eps = 1e-5},
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
    return "llama (also Mistral, SmolLM2, TinyLlama), qwen2, qwen3, olmo, olmo2, gpt2, "
           "gptneo, gptneox";
}
