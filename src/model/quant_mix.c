/* quant_mix.c - llama.cpp's mixes (llama-quant.cpp) for the families that Glass runs.
 *
 * A mix has one type for most matrices; value matrices, the MLP's way down, the attention's
 * output, and the head get more bits in some layers, as experiments of that project found best. The
 * choice is the same as its own, so that a mix's name means the same file. */
#include "model/quant_mix.h"

#include "base/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum mix_id {
    MIX_Q2_K,
    MIX_Q2_K_S,
    MIX_Q3_K_S,
    MIX_Q3_K_M,
    MIX_Q3_K_L,
    MIX_Q4_0,
    MIX_Q4_1,
    MIX_Q4_K_S,
    MIX_Q4_K_M,
    MIX_Q5_0,
    MIX_Q5_1,
    MIX_Q5_K_S,
    MIX_Q5_K_M,
    MIX_Q6_K,
    MIX_Q8_0,
    MIX_IQ4_NL,
    MIX_IQ4_XS,
    MIX_F16,
    MIX_BF16,
    MIX_F32
};

struct mix {
    const char *name, *about;
    glass_dtype type;
    uint32_t file_type;
};

// clang-format off
static const struct mix mixes[] = {
    [MIX_Q2_K]   = {"Q2_K", "2 bits, with Q3_K and Q4_K where it hurts most", GLASS_Q2_K, 10},
    [MIX_Q2_K_S] = {"Q2_K_S", "2 bits; needs importance", GLASS_Q2_K, 21},
    [MIX_Q3_K_S] = {"Q3_K_S", "3 bits", GLASS_Q3_K, 11},
    [MIX_Q3_K_M] = {"Q3_K_M", "3 bits, with Q4_K and Q5_K (also: Q3_K)", GLASS_Q3_K, 12},
    [MIX_Q3_K_L] = {"Q3_K_L", "3 bits, with Q5_K", GLASS_Q3_K, 13},
    [MIX_Q4_0]   = {"Q4_0", "4 bits, the simplest", GLASS_Q4_0, 2},
    [MIX_Q4_1]   = {"Q4_1", "4 bits with a minimum", GLASS_Q4_1, 3},
    [MIX_Q4_K_S] = {"Q4_K_S", "4 bits, with some Q5_K", GLASS_Q4_K, 14},
    [MIX_Q4_K_M] = {"Q4_K_M", "4 bits, with some Q6_K: a good first choice (also: Q4_K)", GLASS_Q4_K, 15},
    [MIX_Q5_0]   = {"Q5_0", "5 bits, the simplest", GLASS_Q5_0, 8},
    [MIX_Q5_1]   = {"Q5_1", "5 bits with a minimum", GLASS_Q5_1, 9},
    [MIX_Q5_K_S] = {"Q5_K_S", "5 bits", GLASS_Q5_K, 16},
    [MIX_Q5_K_M] = {"Q5_K_M", "5 bits, with some Q6_K (also: Q5_K)", GLASS_Q5_K, 17},
    [MIX_Q6_K]   = {"Q6_K", "6 bits", GLASS_Q6_K, 18},
    [MIX_Q8_0]   = {"Q8_0", "8 bits, nearly without loss", GLASS_Q8_0, 7},
    [MIX_IQ4_NL] = {"IQ4_NL", "4 bits on a codebook", GLASS_IQ4_NL, 25},
    [MIX_IQ4_XS] = {"IQ4_XS", "4 bits on a codebook, the smallest of 4 bits", GLASS_IQ4_XS, 30},
    [MIX_F16]    = {"F16", "half floats", GLASS_F16, 1},
    [MIX_BF16]   = {"BF16", "brain floats", GLASS_BF16, 32},
    [MIX_F32]    = {"F32", "full floats", GLASS_F32, 0},
};
// clang-format on
enum { N_MIXES = sizeof mixes / sizeof *mixes };

const char *glass_quantize_mix(int i, const char **about) {
    if (i < 0 || i >= N_MIXES) return NULL;
    if (about != NULL) *about = mixes[i].about;
    return mixes[i].name;
}

glass_status mix_find(const struct mix **out, const char *name) {
    char names[256] = "";
    bool short_name = strcasecmp(name, "Q3_K") == 0 || strcasecmp(name, "Q4_K") == 0 ||
                      strcasecmp(name, "Q5_K") == 0;
    *out = NULL;
    for (int i = 0; i < N_MIXES; i++) {
        size_t n = strlen(names), n_name = strlen(mixes[i].name);
        if (strcasecmp(mixes[i].name, name) == 0 ||
            (short_name && n_name == 6 && strncasecmp(mixes[i].name, name, 4) == 0 &&
             mixes[i].name[5] == 'M')) {
            *out = &mixes[i];
            return GLASS_OK;
        }
        snprintf(names + n, sizeof names - n, "%s%s", n ? " " : "", mixes[i].name);
    }
    return fail(GLASS_USAGE, "\"%s\" is no mix of number types; there are %s", name, names);
}

uint32_t mix_file_type(const struct mix *mix) {
    return mix->file_type;
}

bool mix_wants_importance(const struct mix *mix) {
    return mix == &mixes[MIX_Q2_K_S];
}

/* ---- what a tensor is ---- */

enum place {
    PLACE_HEAD,
    PLACE_EMBEDDING,
    PLACE_VALUES, /* of attention, also where they lie in one tensor with queries and keys */
    PLACE_ATTENTION_OUT,
    PLACE_DOWN,
    PLACE_OTHER
};

static enum place place_of(const char *name) {
    if (strcmp(name, "output.weight") == 0) return PLACE_HEAD;
    if (strcmp(name, "token_embd.weight") == 0) return PLACE_EMBEDDING;
    if (strstr(name, "attn_v.weight") || strstr(name, "attn_qkv.weight"))
        return PLACE_VALUES;
    if (strstr(name, "attn_output.weight")) return PLACE_ATTENTION_OUT;
    if (strstr(name, "ffn_down")) return PLACE_DOWN;
    return PLACE_OTHER;
}

bool mix_takes(const struct gguf_tensor *t) {
    static const char *const never[] = {"_norm.weight", "ffn_gate_inp.weight"};
    static const char ending[] = "weight";
    size_t n = strlen(t->name), n_ending = sizeof ending - 1;
    bool matrix = false;
    for (int i = 0; i < t->n_dims - 1; i++) matrix |= t->shape[i] > 1;
    if (!matrix || n < n_ending || strcmp(t->name + n - n_ending, ending) != 0)
        return false;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strstr(t->name, never[i]) != NULL) return false;
    return strcmp(t->name, "position_embd.weight") != 0 &&
           strcmp(t->name, "token_types.weight") != 0;
}

/* ---- the model ---- */

static int64_t number_of(const struct gguf *g, const char *arch, const char *key) {
    char full[160];
    snprintf(full, sizeof full, "%s.%s", arch, key);
    const struct gguf_value *v = gguf_find(g, full);
    return v == NULL ? 0 : gguf_item_int(v, 0);
}

void mix_model_read(struct mix_model *out, const struct mix *mix, const struct gguf *file,
                    bool important) {
    struct gguf_string name = {"", 0};
    char arch[64];
    const struct gguf_value *v = gguf_find(file, "general.architecture");
    if (v != NULL) name = gguf_item_string(v, 0);
    snprintf(arch, sizeof arch, "%.*s", (int)(name.n_bytes < 60 ? name.n_bytes : 60),
             name.text);
    int64_t heads = number_of(file, arch, "attention.head_count");
    int64_t kv_heads = number_of(file, arch, "attention.head_count_kv");
    if (kv_heads <= 0) kv_heads = heads;
    *out = (struct mix_model){.mix = mix,
                              .file = file,
                              .n_layer = number_of(file, arch, "block_count"),
                              .n_group = kv_heads > 0 ? heads / kv_heads : 1,
                              .tied = gguf_tensor_find(file, "output.weight") == NULL,
                              .important = important};
    /* Eighty layers whose value matrices are an eighth of the query's. */
    if (out->n_layer == 80)
        out->large_llama = (strcmp(arch, "llama") == 0 && heads != kv_heads) ||
                           strcmp(arch, "qwen2") == 0 || strcmp(arch, "olmo") == 0;
}

/* The number in "blk.12.attn_v.weight", or -1. */
static int64_t layer_of(const char *name) {
    return strncmp(name, "blk.", 4) == 0 ? strtoll(name + 4, NULL, 10) : -1;
}

/* How many tensors of the same place come before t, by layer and then by name; and how many
 * there are. */
static int64_t rank_of(const struct gguf *g, const struct gguf_tensor *t, int64_t *total) {
    enum place place = place_of(t->name);
    int64_t rank = 0, layer = layer_of(t->name);
    *total = 0;
    for (int64_t i = 0; i < gguf_n_tensors(g); i++) {
        const struct gguf_tensor *o = gguf_tensor_at(g, i);
        if (place_of(o->name) != place) continue;
        int64_t l = layer_of(o->name);
        if (place == PLACE_VALUES || mix_takes(o)) ++*total;
        if (mix_takes(o) && (l < layer || (l == layer && strcmp(o->name, t->name) < 0)))
            rank++;
    }
    return rank;
}

/* The first and the last eighth of the layers, and every third between. */
static bool more_bits(int64_t i, int64_t n) {
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

/* ---- the choice ---- */

static glass_dtype choose_values(const struct mix_model *m, const struct gguf_tensor *t) {
    int64_t n, i = rank_of(m->file, t, &n);
    glass_dtype type = m->mix->type;
    bool grouped = m->n_group >= 4;
    switch ((enum mix_id)(m->mix - mixes)) {
    case MIX_Q2_K: type = grouped ? GLASS_Q4_K : GLASS_Q3_K; break;
    case MIX_Q2_K_S: type = grouped ? GLASS_Q4_K : type; break;
    case MIX_Q3_K_M: type = i < 2 ? GLASS_Q5_K : GLASS_Q4_K; break;
    case MIX_Q3_K_L: type = GLASS_Q5_K; break;
    case MIX_Q4_K_S: type = i < 4 ? GLASS_Q5_K : type; break;
    case MIX_Q4_K_M:
    case MIX_Q5_K_M: type = more_bits(i, n) ? GLASS_Q6_K : type; break;
    case MIX_IQ4_NL:
    case MIX_IQ4_XS: type = grouped ? GLASS_Q5_K : type; break;
    default: break;
    }
    if (m->large_llama && (type == GLASS_Q3_K || type == GLASS_Q4_K)) type = GLASS_Q5_K;
    return type;
}

static glass_dtype choose_down(const struct mix_model *m, const struct gguf_tensor *t) {
    int64_t all, i = rank_of(m->file, t, &all), n = m->n_layer;
    glass_dtype type = m->mix->type;
    bool early = i < n / 8;
    switch ((enum mix_id)(m->mix - mixes)) {
    case MIX_Q2_K: return GLASS_Q3_K;
    case MIX_Q2_K_S: return early ? GLASS_Q4_K : type;
    case MIX_Q3_K_M: return i < n / 16 ? GLASS_Q5_K : GLASS_Q4_K;
    case MIX_Q3_K_L: return GLASS_Q5_K;
    case MIX_Q4_K_S: return early ? GLASS_Q5_K : type;
    case MIX_Q4_K_M:
    case MIX_Q5_K_M: return more_bits(i, n) ? GLASS_Q6_K : type;
    case MIX_IQ4_NL:
    case MIX_IQ4_XS: return early && !m->important ? GLASS_Q5_K : type;
    case MIX_Q4_0: return early && m->important ? GLASS_Q4_1 : type;
    case MIX_Q5_0: return early && m->important ? GLASS_Q5_1 : type;
    default: return type;
    }
}

static glass_dtype choose_attention_out(const struct mix_model *m) {
    switch ((enum mix_id)(m->mix - mixes)) {
    case MIX_Q2_K: return GLASS_Q3_K;
    case MIX_Q3_K_M: return GLASS_Q4_K;
    case MIX_Q3_K_L: return GLASS_Q5_K;
    default: return m->mix->type;
    }
}

static glass_dtype choose_head(const struct mix_model *m, const struct gguf_tensor *t) {
    int64_t width = t->shape[t->n_dims - 1];
    if (width % glass_dtype_block(m->mix->type) != 0 || m->mix->type == GLASS_Q8_0)
        return GLASS_Q8_0;
    return GLASS_Q6_K;
}

glass_dtype mix_fitting(glass_dtype type, int64_t width) {
    if (width % glass_dtype_block(type) == 0) return type;
    switch (type) {
    case GLASS_Q2_K:
    case GLASS_Q3_K: type = GLASS_Q4_0; break;
    case GLASS_Q4_K: type = GLASS_Q5_0; break;
    case GLASS_Q5_K: type = GLASS_Q5_1; break;
    case GLASS_Q6_K: type = GLASS_Q8_0; break;
    case GLASS_IQ4_XS: type = GLASS_IQ4_NL; break;
    default: break;
    }
    return width % glass_dtype_block(type) == 0 ? type : GLASS_F16;
}

glass_dtype mix_choose(const struct mix_model *m, const struct gguf_tensor *t, bool pure) {
    enum place place = place_of(t->name);
    if (pure || glass_dtype_block(m->mix->type) == 1) return m->mix->type;
    if (place == PLACE_HEAD || (place == PLACE_EMBEDDING && m->tied))
        return choose_head(m, t);
    switch (place) {
    case PLACE_VALUES: return choose_values(m, t);
    case PLACE_DOWN: return choose_down(m, t);
    case PLACE_ATTENTION_OUT: return choose_attention_out(m);
    default: return m->mix->type;
    }
}
