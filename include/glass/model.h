/* model.h - a model: weights mapped read-only, its tokenizer and its chat template.
 *
 * Immutable after open; any number of sessions and threads may share one. */
#ifndef GLASS_MODEL_H
#define GLASS_MODEL_H

#include "glass/dtype.h"
#include "glass/template.h"
#include "glass/tokenizer.h"
GLASS_BEGIN

typedef struct glass_model glass_model;

typedef struct glass_model_options {
    bool
        lock_memory; /* mlock the weights; fails with GLASS_SYSTEM if the limit forbids it */
    /* Called with 0…1 while loading; returning false cancels (GLASS_CANCELLED). May be NULL. */
    bool (*progress)(void *context, double fraction);
    void *context;
} glass_model_options;

/* Opens a model as it was published: a GGUF file (the first part of a split one finds the
 * others), a Hugging Face or Meta folder or a weight file in one, a llama2.c checkpoint.
 * options may be NULL.
 * GLASS_BAD_INPUT: the file is damaged, or of a family or type that Glass does not run. */
GLASS_API glass_status glass_model_open(glass_model **out, const char *path,
                                        const glass_model_options *options);
GLASS_API void glass_model_close(glass_model *model);

typedef struct glass_model_info {
    const char *family;     /* "llama", "gpt2", … as the file says */
    const char *name;       /* may be "" */
    const char *license;    /* as declared, "" if the file does not say */
    int64_t n_params;       /* weights, tied ones once */
    size_t weight_bytes;    /* their bytes in the file */
    size_t copied_bytes;    /* of weights that were laid out anew in memory, for products */
    int64_t n_vocab, n_ctx; /* vocabulary; positions trained for */
    int64_t n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff;
    int64_t window;        /* sliding or local window in keys, 0 = none */
    bool tied;             /* the head is the embedding */
    const char *dtype_mix; /* "Q4_K 64%, Q6_K 36%" by bytes */
    bool has_template;
} glass_model_info;

/* Strings belong to the model. */
GLASS_API void glass_model_get_info(const glass_model *model, glass_model_info *out);
/* Bytes that a session of n_ctx positions takes with this cache type, all included. */
GLASS_API size_t glass_model_session_bytes(const glass_model *model, int64_t n_ctx,
                                           glass_dtype cache_type);

/* Borrowed from the model; NULL when the file carries none. */
GLASS_API const glass_tokenizer *glass_model_tokenizer(const glass_model *model);
/* *out is borrowed from the model. GLASS_NEGATIVE: the file carries no chat template;
 * GLASS_BAD_INPUT: it carries one that does not compile (the message names its line). */
GLASS_API glass_status glass_model_template(const glass_model *model,
                                            const glass_template **out);
/* The template's text, NULL when there is none. */
GLASS_API const char *glass_model_template_source(const glass_model *model);

/* The file's metadata, in file order: key and value as JSON (arrays longer than 16 and
 * strings longer than 65536 bytes show their length instead, {"length":n}). Strings belong to
 * the model. */
GLASS_API int64_t glass_model_n_meta(const glass_model *model);
GLASS_API void glass_model_meta(const glass_model *model, int64_t i, const char **key,
                                const char **json);

typedef struct glass_tensor_info {
    const char *name;
    glass_dtype dtype;
    int n_dims;
    int64_t shape[4]; /* outermost first: a linear layer is {out, in} */
    size_t n_bytes;
} glass_tensor_info;

GLASS_API int64_t glass_model_n_tensors(const glass_model *model);
GLASS_API void glass_model_tensor(const glass_model *model, int64_t i,
                                  glass_tensor_info *out);

GLASS_END
#endif
