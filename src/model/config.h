/* config.h - what a model is, as data: the family's row and the file's numbers.
 *
 * There is one transformer (forward.c). A family is a row of family.c; a new behaviour is a
 * new field here, never a branch on a family's name. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include "format/gguf.h"
#include "model/rope.h"

enum norm_kind {
    NORM_RMS,  /* x / rms(x) * w */
    NORM_LAYER /* (x - mean) / sd * w + b */
};
enum rope_kind {
    ROPE_NONE,
    ROPE_HALF, /* pairs (i, i + n_rot/2): Hugging Face's layout */
    ROPE_PAIRS /* pairs (2i, 2i+1): Meta's layout, and GGUF's "llama" */
};
enum activation { ACT_SILU, ACT_GELU_TANH, ACT_GELU_ERF, ACT_XIELU };
enum qk_norm {
    QK_NORM_NONE,
    QK_NORM_HEAD, /* each head alone, width head_dim */
    QK_NORM_ROW   /* all heads together, width n_head * head_dim */
};

struct family {
    const char *arch; /* general.architecture */
    enum norm_kind norm;
    enum rope_kind rope;
    enum activation activation;
    enum qk_norm qk_norm;
    bool norm_weights; /* false: norms have neither weight nor bias */
    bool norm_before;  /* of the attention's and the MLP's input */
    bool norm_after;   /* of their output, before it joins the residual */
    bool learned_positions;
    bool gated;     /* act(gate) * up, else act(up) */
    bool fused_qkv; /* one tensor of rows q, k, v, which any file may have, and must here */
    bool fused_gate;   /* one tensor of rows gate, up */
    bool parallel;     /* the MLP reads what the attention reads, not what it made of it;
                          not together with norm_after or multipliers (forward.c, join) */
    bool parallel_key; /* the file says whether that is so */
    bool one_norm;     /* attention and MLP share the norm before them */
    bool unscaled;     /* scores are not divided by sqrt(head_dim) */
    bool embed_root;   /* embeddings are multiplied by sqrt(n_embd) */
    bool multipliers;  /* the file may scale embedding, residual and logits */
    bool local_plain;  /* windowed layers rotate without the file's scaling */
    double local_base; /* theirs, where the file does not say; 0 = the other layers' */
    int64_t window;    /* where the file does not say; 0 = none */
    int64_t full_step; /* where no pattern says it: layers full_step - 1, 2 full_step - 1, …
                          have no window; 0 = all have */
    int64_t nope_step; /* and these do not rotate; 0 = all do */
    /* In models of so many layers scores are divided by sqrt(n_embd / n_head). */
    int64_t wide_scale_layers;
    double attn_cap, logit_cap; /* where the file does not say; 0 = none */
    double eps;                 /* the same */
};

/* The row of an architecture, NULL if there is none. */
const struct family *family_find(const char *arch, size_t n_bytes);
/* The names of all rows, "llama, gpt2, …". Static. */
const char *family_names(void);

enum { CONFIG_MAX_LAYERS = 1024 };

struct config {
    struct family family; /* a copy of the row */
    int64_t n_vocab, n_ctx, n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff, n_rot;
    float norm_eps;
    struct rope rope, rope_local; /* of all layers, of windowed ones where has_local */
    bool has_local;
    /* Sessions of more positions use the file's factors for long ones, if it has any. */
    int64_t rope_short;
    float attn_scale;
    float clamp_qkv;   /* 0 = none */
    float temperature; /* queries at position p are multiplied by
                          1 + temperature log(1 + floor(p / rope_short)); 0 = they are not */
    /* Scores and logits become cap tanh(x / cap); 0 = they do not. */
    float attn_cap, logit_cap;
    float embed_scale;    /* factor of the embeddings … */
    float residual_scale; /* … of what joins the residual */
    float logit_divisor;
    bool parallel_residual;
    int64_t window; /* keys that windowed layers see; 0 = none */
    bool windowed[CONFIG_MAX_LAYERS];
    bool rotated[CONFIG_MAX_LAYERS];
};

/* Reads and checks the numbers of a file (n_vocab comes from the embedding, later).
 * GLASS_BAD_INPUT names the key. */
glass_status config_read(struct config *out, const struct gguf *g);

#endif
