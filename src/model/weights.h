/* weights.h - a model's tensors bound to their places in the one transformer. */
#ifndef MODEL_WEIGHTS_H
#define MODEL_WEIGHTS_H

#include "math/compose.h"
#include "math/matmul.h"
#include "model/config.h"

/* weight and bias of a norm; both NULL where the layer has none. Owned copies in f32. */
struct norm {
    float *w, *b;
};

/* y = W x + b; data NULL where the layer has none. The matrix is borrowed from the file. */
struct linear {
    struct weight w;
    float *b; /* owned copy, or NULL */
    /* Outputs come with each head's two halves apart, though the family rotates pairs: a file
     * of Hugging Face's, read in place. b is in that order too. */
    bool halves;
    int64_t
        id; /* its number in the model: layer * LINEARS + kind, the head's after these */
};

/* Kinds of linear layers that every layer may have. */
enum linear_kind {
    LINEAR_Q,
    LINEAR_K,
    LINEAR_V,
    LINEAR_O,
    LINEAR_GATE,
    LINEAR_UP,
    LINEAR_DOWN,
    LINEARS
};

enum { ROPE_KINDS = 2 };

/* Frequencies (n_rot/2), and the amplitude of cos and sin. */
struct rope_table {
    const float *freq[2]; /* of sessions of up to rope_short positions, of longer ones */
    float amplitude;
};

struct layer {
    struct norm attn_norm, attn_after, ffn_norm, ffn_after; /* (n_embd) */
    struct norm q_norm, k_norm;
    int rope;              /* which of the weights' ropes turns q and k; -1 = none */
    struct linear q, k, v; /* (n_head*head_dim | n_head_kv*head_dim, n_embd) */
    struct linear o;       /* (n_embd, n_head*head_dim) */
    struct linear gate, up, down;
    struct xielu xielu;
};

struct weights {
    struct weight embedding; /* (n_vocab, n_embd) */
    struct weight positions; /* (n_ctx, n_embd), or data NULL */
    struct norm final_norm;
    struct linear head; /* (n_vocab, n_embd); the embedding when tied */
    bool tied;
    struct rope_table ropes[ROPE_KINDS]; /* of all layers, of windowed ones */
    int n_ropes;
    bool two_lengths;     /* their two sets of frequencies differ */
    struct layer *layers; /* (n_layer) */
    float *vectors;       /* one block that holds every owned copy */
    size_t n_vectors;     /* its floats */
    uint8_t *copies;      /* matrices that do not lie in the file as products read them */
    size_t n_copied_bytes;
};

/* Binds every tensor that the family's row asks for, checking names, shapes and types;
 * fills config's n_vocab from the embedding. GLASS_BAD_INPUT names the tensor. */
glass_status weights_bind(struct weights *out, struct config *config, const struct gguf *g);
/* Linear layer `id` of n_layer * LINEARS + 1; its data is NULL where the model has none. */
const struct linear *weights_linear(const struct weights *w, int64_t n_layer, int64_t id);
void weights_clear(struct weights *w);

#endif
