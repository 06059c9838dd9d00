/* inspect.h - what a model is made of, and what it made of a text.
 *
 * Everything is computed by the passes that answer, with their bits: what is shown is what the
 * model weighed. Calls about a text run it in a session of their own, which is gone when they
 * return; any number of threads may call with one model.
 *
 * Memory is counted before it is taken: what a call would need beyond memory_bytes is
 * GLASS_NO_MEMORY, with both numbers. Ranges that leave what is there are GLASS_USAGE, with what
 * is there. */
#ifndef GLASS_INSPECT_H
#define GLASS_INSPECT_H

#include "glass/session.h"
GLASS_BEGIN

/* first, first + 1 … of n in all; n = 0: to the end. first below 0 counts from the end: -1 is
 * the last one. {0, 0} is everything. */
typedef struct glass_range {
    int64_t first, n;
} glass_range;

typedef struct glass_inspect_options {
    glass_range at;      /* positions in the text */
    glass_range layers;  /* see each call */
    glass_range heads;   /* query heads */
    int64_t n_top;       /* choices of each prediction; 0 = 5, at most GLASS_TOP_MAX */
    size_t memory_bytes; /* 0 = 1 GiB; the session and the results together */
    /* Positions of the session that is stood for, at least the text's; 0 = the text's. It
     * matters for models that turn by other frequencies in longer sessions. */
    int64_t n_ctx;
    int64_t n_batch; /* these as glass_session_options */
    int n_threads;
    glass_dtype cache_type;
    const glass_adapter_use *adapters;
    int n_adapters;
    /* Called after every pass; false cancels (GLASS_CANCELLED). May be NULL. */
    bool (*progress)(void *context, int64_t done, int64_t total);
    void *context;
} glass_inspect_options;

enum { GLASS_TOP_MAX = 1000 };

/* ---- predictions ---- */

typedef struct glass_choice {
    int32_t id;
    double logprob; /* ln p */
} glass_choice;

/* What stands before a position, and what it makes likely there. */
typedef struct glass_prediction {
    int64_t position; /* 1 … n: n is what would follow the text */
    int64_t layer;    /* after which the stream was read; 0 = the embedding */
    int32_t id;       /* the token that stands there; -1 at n */
    double logprob;   /* ln p of id; 0 at n */
    int64_t rank;     /* 1 = the likeliest, of equals the lower id; 0 at n */
    int32_t answer;   /* what the last layer ranks first, and here: */
    double answer_logprob;
    int64_t answer_rank;
    double entropy;          /* of the distribution, in nats */
    double kl;               /* KL(last layer's || this) in nats; 0 of the last */
    const glass_choice *top; /* (n_top) likeliest first, of equals the lower id */
} glass_prediction;

typedef struct glass_predictions {
    const glass_prediction *list; /* (n) by position, then by layer */
    int64_t n, n_top;
    int64_t n_layer; /* of the model */
    const int32_t *ids;
    int64_t n_ids;    /* the text's tokens, a copy */
    double nll;       /* mean -ln p of the tokens at these positions, by the last layer */
    int64_t n_scored; /* of how many; 0: none, and nll is 0 */
} glass_predictions;

/* How the model rates each token of a text, given those before it: options->at within 1 … n.
 * options may be NULL. GLASS_BAD_INPUT: no token, more than the model has positions, or an id
 * outside the vocabulary. */
GLASS_API glass_status glass_inspect_logits(glass_predictions **out,
                                            const glass_model *model, const int32_t *ids,
                                            int64_t n,
                                            const glass_inspect_options *options);
/* What each layer's residual stream would predict, were it the last one (the "logit lens":
 * final norm and output head of the stream behind it): options->layers within 0 … n_layer,
 * options->at within 1 … n. */
GLASS_API glass_status glass_inspect_layers(glass_predictions **out,
                                            const glass_model *model, const int32_t *ids,
                                            int64_t n,
                                            const glass_inspect_options *options);
GLASS_API void glass_predictions_free(glass_predictions *p);
/* One JSON object (glass_free it), with the tokens' texts; tokenizer may be NULL. */
GLASS_API glass_status glass_predictions_json(char **text, size_t *n_bytes,
                                              const glass_predictions *p,
                                              const glass_tokenizer *tokenizer);
/* A picture of them, .svg or .png by the path's end: of layers a map of layers by positions,
 * of logits a bar a token. */
GLASS_API glass_status glass_predictions_picture(const char *path,
                                                 const glass_predictions *p,
                                                 const glass_tokenizer *tokenizer);

/* ---- attention ---- */

typedef struct glass_attention {
    int64_t first_layer, n_layers;
    int64_t first_head, n_heads;
    int64_t first_query, n_queries; /* positions 0 … n-1 that attend */
    int64_t n_keys;                 /* positions 0 … the last query's */
    /* (n_layers, n_heads, n_queries, n_keys) the share of each key: what the softmax gives,
     * 0 for keys that the query does not see. */
    const float *weights;
    const int64_t *windows; /* (n_layers) keys that a query sees; 0 = all before it */
    const int32_t *ids;     /* (n_keys) */
} glass_attention;

/* options->at within 0 … n-1, layers within 0 … n_layer - 1, heads. */
GLASS_API glass_status glass_inspect_attention(glass_attention **out,
                                               const glass_model *model, const int32_t *ids,
                                               int64_t n,
                                               const glass_inspect_options *options);
GLASS_API void glass_attention_free(glass_attention *a);
GLASS_API glass_status glass_attention_json(char **text, size_t *n_bytes,
                                            const glass_attention *a,
                                            const glass_tokenizer *tokenizer);
/* Maps side by side, a row for each layer and a column for each head, queries downwards. */
GLASS_API glass_status glass_attention_picture(const char *path, const glass_attention *a,
                                               const glass_tokenizer *tokenizer);

/* ---- activations ---- */

/* What to keep of each layer L; names in the file. Rows are positions. */
enum {
    GLASS_SEE_STREAM = 1, /* layers.L.stream: what the layer reads (n_embd); and "stream",
                                what the last one leaves, "normed", after the final norm */
    GLASS_SEE_ATTENTION = 2, /* layers.L.attention: what attention's output layer gives */
    GLASS_SEE_MIDDLE = 4, /* layers.L.middle: the stream that the MLP reads; not where the
                                residual is parallel */
    GLASS_SEE_MLP = 8,    /* layers.L.mlp: what the MLP gives */
    GLASS_SEE_Q = 16,     /* layers.L.q, .k, .v as attention reads them: after norms and */
    GLASS_SEE_K = 32,     /* rotation, heads side by side, each in GGUF's order */
    GLASS_SEE_V = 64,
    GLASS_SEE_HEADS =
        128,              /* layers.L.heads: what the heads give, before the output layer */
    GLASS_SEE_GATE = 256, /* layers.L.gate, .up (n_ff), before the activation */
    GLASS_SEE_UP = 512,
    GLASS_SEE_USUAL = 1 + 2 + 8 + 16 + 32 + 64
};

/* Saves what the passes leave, as F32: a .safetensors file, else a folder (made if missing) of
 * NAME.npy files; and "tokens", the ids, I32. options->at within 0 … n-1, layers within 0 …
 * n_layer - 1. what: 0 = GLASS_SEE_USUAL. n_bytes may be NULL. */
GLASS_API glass_status glass_inspect_activations(const char *out, const glass_model *model,
                                                 const int32_t *ids, int64_t n,
                                                 unsigned what, size_t *n_bytes,
                                                 const glass_inspect_options *options);

/* ---- tensors ---- */

enum { GLASS_BINS = 32 };

typedef struct glass_tensor_view {
    const char *name;
    const char *type; /* "F32", "Q4_K", or a word of the file's own */
    int n_dims;
    int64_t shape[8]; /* outermost first */
    size_t n_bytes;
    int64_t n;                /* numbers; figures are of the finite ones */
    bool known;               /* false: a type whose numbers Glass does not read */
    int64_t n_zero, n_bad;    /* n_bad: not finite */
    double norm, mean, std;   /* sqrt of the sum of squares; std over n, not n - 1 */
    double min, max;          /* 0 where there is none */
    double low, high;         /* the bins' range, -m … m with m the largest magnitude */
    int64_t bins[GLASS_BINS]; /* equal widths; the last one holds high */
} glass_tensor_view;

typedef struct glass_tensors {
    const glass_tensor_view *list; /* in the file's order */
    int64_t n;
} glass_tensors;

typedef struct glass_weights_options {
    int n_threads; /* 0 = one per core */
    /* Bytes of tensors read; false cancels. May be NULL. */
    bool (*progress)(void *context, size_t done, size_t total);
    void *context;
} glass_weights_options;

/* Figures of the tensors whose names match one of the patterns (*, ?, [] as a shell has them);
 * n_patterns = 0: all. path: what glass_model_open takes, of any family, or a file of tensors
 * alone (safetensors, PyTorch), whose names are then its own. Figures are the same on any number
 * of threads. GLASS_USAGE: a pattern matches nothing. */
GLASS_API glass_status glass_inspect_tensors(glass_tensors **out, const char *path,
                                             const char *const *patterns, int n_patterns,
                                             const glass_weights_options *options);
GLASS_API void glass_tensors_free(glass_tensors *t);
GLASS_API glass_status glass_tensors_json(char **text, size_t *n_bytes,
                                          const glass_tensors *t);
/* Histograms, one below the other. */
GLASS_API glass_status glass_tensors_picture(const char *path, const glass_tensors *t);

/* ---- two models ---- */

typedef enum glass_likeness {
    GLASS_SAME_BYTES,  /* one type, every byte equal */
    GLASS_SAME_VALUES, /* every number equal once widened */
    GLASS_ROUNDED,     /* one is the other rounded to its type, as far as numbers show */
    GLASS_CLOSE,       /* the same direction: cosine at least 0.9 */
    GLASS_AKIN,        /* a direction in common that chance does not give: 0.1 */
    GLASS_UNLIKE,
    GLASS_UNCOMPARED /* no such tensor there, or of another shape */
} glass_likeness;
/* "same bytes", "rounded", … */
GLASS_API const char *glass_likeness_name(glass_likeness l);

typedef struct glass_tensor_pair {
    const char *name, *other;    /* other: b's name where it is another one, else NULL */
    const char *type_a, *type_b; /* NULL where that model has no such tensor */
    int n_dims;
    int64_t shape[8], shape_b[8]; /* of a (or b alone), of b */
    glass_likeness likeness;
    int64_t n;       /* numbers compared: rows that both have */
    int64_t n_equal; /* of them equal */
    double cosine;   /* 0 where one is all zero */
    double relative; /* |b - a| / |a| */
    double largest;  /* max |b - a| */
    double norm_a, norm_b;
    int64_t n_bad; /* not finite in either: left out */
} glass_tensor_pair;

typedef enum glass_kinship {
    GLASS_SAME_WEIGHTS,    /* all tensors are equal, bytes or values */
    GLASS_QUANTISED_FROM,  /* one model is the other in fewer bits */
    GLASS_CLOSELY_FOLLOWS, /* a fine-tune, a merge, a later checkpoint */
    GLASS_PARTLY_FOLLOWS,  /* some tensors are the other's, or all have drifted far */
    GLASS_UNRELATED,       /* no more alike than chance makes them */
    GLASS_NOT_COMPARABLE   /* no matrix of the same name and shape */
} glass_kinship;
GLASS_API const char *glass_kinship_name(glass_kinship k);

typedef struct glass_diff {
    const glass_tensor_pair *list; /* a's order, then what only b has */
    int64_t n;
    int64_t counts[GLASS_UNCOMPARED + 1]; /* tensors of each likeness */
    glass_kinship kinship;
    bool b_from_a; /* GLASS_QUANTISED_FROM: b has the fewer bits */
    /* Over the matrices compared, by their numbers: */
    double cosine, relative; /* of all taken as one vector */
    double median;           /* of the cosines, weighted by numbers */
    const char *verdict;     /* a sentence */
} glass_diff;

/* Tensors that have the same name and shape in both, as glass_model_open's forms call them
 * (names of other formats become these); embedding and head also where one has more rows, and a
 * head beside a tied embedding. Memory is bounded however large the models are; figures are the
 * same on any number of threads. */
GLASS_API glass_status glass_inspect_diff(glass_diff **out, const char *a, const char *b,
                                          const glass_weights_options *options);
GLASS_API void glass_diff_free(glass_diff *d);
GLASS_API glass_status glass_diff_json(char **text, size_t *n_bytes, const glass_diff *d);

GLASS_END
#endif
