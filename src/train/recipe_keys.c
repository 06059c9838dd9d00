/* recipe_keys.c - the keys of a recipe. docs/training.md tells what each means. */
#include "train/recipe.h"

#include <float.h>
#include <stddef.h>

#define AT(field)   offsetof(struct recipe, field)
#define OF(field)   offsetof(struct recipe_source, field)
#define DOCUMENTS   "whole|lines|paragraphs"
#define COUNT_LIMIT 1e9

// clang-format off
const struct recipe_key recipe_keys[] = {
    {"model.base", KEY_PATH, AT(base), "", 0, 0, NULL, false},
    {"model.family", KEY_TEXT, AT(family), "llama", 0, 0, NULL, false},
    {"model.name", KEY_TEXT, AT(name), "", 0, 0, NULL, true},
    {"model.tokenizer", KEY_PATH, AT(tokenizer), "", 0, 0, NULL, false},
    {"model.n_embd", KEY_WHOLE, AT(n_embd), "0", 0, 1 << 16, NULL, false},
    {"model.n_layer", KEY_WHOLE, AT(n_layer), "0", 0, 1024, NULL, false},
    {"model.n_head", KEY_WHOLE, AT(n_head), "0", 0, 4096, NULL, false},
    {"model.n_head_kv", KEY_WHOLE, AT(n_head_kv), "0", 0, 4096, NULL, false},
    {"model.head_dim", KEY_WHOLE, AT(head_dim), "0", 0, 4096, NULL, false},
    {"model.n_ff", KEY_WHOLE, AT(n_ff), "0", 0, 1 << 20, NULL, false},
    {"model.n_ctx", KEY_WHOLE, AT(n_ctx), "0", 0, 1 << 24, NULL, false},
    {"model.tied", KEY_FLAG, AT(tied), "true", 0, 0, NULL, false},
    {"model.rope_base", KEY_NUMBER, AT(rope_base), "10000", 1, 1e12, NULL, false},
    {"model.norm_eps", KEY_NUMBER, AT(norm_eps), "1e-5", 0, 1, NULL, false},
    {"model.deviation", KEY_NUMBER, AT(deviation), "0.02", 0, 10, NULL, false},
    {"held_out.fraction", KEY_NUMBER, AT(held_out_fraction), "0", 0, 0.5, NULL, false},
    {"held_out.file", KEY_PATH, AT(held_out_file), "", 0, 0, NULL, true},
    {"held_out.documents", KEY_CHOICE, AT(held_out_documents), "whole", 0, 0, DOCUMENTS, true},
    {"context", KEY_WHOLE, AT(context), NULL, 2, 1 << 20, NULL, false},
    {"batch.sequences", KEY_WHOLE, AT(sequences), NULL, 1, 1 << 20, NULL, false},
    {"batch.micro", KEY_WHOLE, AT(micro), "0", 0, 1 << 20, NULL, false},
    {"steps", KEY_WHOLE, AT(steps), NULL, 1, COUNT_LIMIT, NULL, false},
    {"optimizer.kind", KEY_CHOICE, AT(optimizer), "adamw", 0, 0, "adamw|muon", false},
    {"optimizer.rate", KEY_NUMBER, AT(rate), "1e-3", 0, 10, NULL, false},
    {"optimizer.beta1", KEY_NUMBER, AT(beta1), "0.9", 0, 1 - DBL_EPSILON, NULL, false},
    {"optimizer.beta2", KEY_NUMBER, AT(beta2), "0.95", 0, 1 - DBL_EPSILON, NULL, false},
    {"optimizer.eps", KEY_NUMBER, AT(eps), "1e-8", 1e-30, 1, NULL, false},
    {"optimizer.decay", KEY_NUMBER, AT(decay), "0.1", 0, 10, NULL, false},
    {"optimizer.clip", KEY_NUMBER, AT(clip), "1", 0, 1e9, NULL, false},
    {"optimizer.decay_matrices", KEY_FLAG, AT(decay_matrices), "true", 0, 0, NULL, false},
    {"optimizer.decay_head", KEY_FLAG, AT(decay_head), "true", 0, 0, NULL, false},
    {"optimizer.decay_embeddings", KEY_FLAG, AT(decay_embeddings), "true", 0, 0, NULL, false},
    {"optimizer.decay_norms", KEY_FLAG, AT(decay_norms), "false", 0, 0, NULL, false},
    {"optimizer.decay_biases", KEY_FLAG, AT(decay_biases), "false", 0, 0, NULL, false},
    {"optimizer.muon_rate", KEY_NUMBER, AT(muon_rate), "0.02", 0, 10, NULL, false},
    {"optimizer.muon_decay", KEY_NUMBER, AT(muon_decay), "0.1", 0, 10, NULL, false},
    {"optimizer.momentum", KEY_NUMBER, AT(momentum), "0.95", 0, 1 - DBL_EPSILON, NULL, false},
    {"optimizer.nesterov", KEY_FLAG, AT(nesterov), "true", 0, 0, NULL, false},
    {"optimizer.scale", KEY_CHOICE, AT(scale), "original", 0, 0, "original|rms", false},
    {"loss.z", KEY_NUMBER, AT(z), "0", 0, 1, NULL, false},
    {"schedule.kind", KEY_CHOICE, AT(schedule), "cosine", 0, 0, "constant|linear|cosine|wsd", false},
    {"schedule.warmup", KEY_WHOLE, AT(warmup), "0", 0, COUNT_LIMIT, NULL, false},
    {"schedule.decline", KEY_WHOLE, AT(decline), "0", 0, COUNT_LIMIT, NULL, false},
    {"schedule.final", KEY_NUMBER, AT(final_rate), "0.1", 0, 1, NULL, false},
    {"seed", KEY_WHOLE, AT(seed), "0", 0, 9007199254740992.0, NULL, false},
    {"recompute", KEY_CHOICE, AT(recompute), "none", 0, 0, "none|mlp|layers", true},
    {"threads", KEY_WHOLE, AT(threads), "0", 0, 4096, NULL, true},
    {"evaluate.every", KEY_WHOLE, AT(evaluate_every), "0", 0, COUNT_LIMIT, NULL, true},
    {"checkpoint.every", KEY_WHOLE, AT(checkpoint_every), "0", 0, COUNT_LIMIT, NULL, false},
    {"checkpoint.keep", KEY_WHOLE, AT(checkpoint_keep), "2", 1, COUNT_LIMIT, NULL, true},
    {"ledger.every", KEY_WHOLE, AT(ledger_every), "0", 0, COUNT_LIMIT, NULL, false},
    {"sample.every", KEY_WHOLE, AT(sample_every), "0", 0, COUNT_LIMIT, NULL, true},
    {"sample.prompt", KEY_TEXT, AT(sample_prompt), "", 0, 0, NULL, true},
    {"sample.n", KEY_WHOLE, AT(sample_n), "64", 1, 1 << 20, NULL, true},
    {"sample.temperature", KEY_NUMBER, AT(sample_temperature), "0.8", 0, 100, NULL, true},
};
const struct recipe_key recipe_source_keys[] = {
    {"file", KEY_PATH, OF(file), "", 0, 0, NULL, true},
    {"shards", KEY_PATH, OF(shards), "", 0, 0, NULL, true},
    {"root", KEY_TEXT, OF(root), "", 0, 0, NULL, false},
    {"documents", KEY_CHOICE, OF(documents), "whole", 0, 0, DOCUMENTS, false},
    {"weight", KEY_NUMBER, OF(weight), "1", 1e-6, 1e6, NULL, false},
};
// clang-format on
const int recipe_n_keys = sizeof recipe_keys / sizeof *recipe_keys;
const int recipe_n_source_keys = sizeof recipe_source_keys / sizeof *recipe_source_keys;

const char *recipe_choice(const char *choices, int64_t i, size_t *n_bytes) {
    for (; i > 0; i--) {
        choices = strchr(choices, '|');
        if (choices == NULL) return NULL;
        choices++;
    }
    *n_bytes = strcspn(choices, "|");
    return choices;
}
