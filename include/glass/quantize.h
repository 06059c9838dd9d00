/* quantize.h - a model's weights to smaller number types, and which errors matter.
 *
 * Blocks are those that llama.cpp makes of the same weights, and its mixes decide which tensor
 * gets which type (docs/quantisation.md), so files load there and behave alike. The same
 * input gives the same file on every machine, with any number of threads. */
#ifndef GLASS_QUANTIZE_H
#define GLASS_QUANTIZE_H

#include "glass/model.h"
GLASS_BEGIN

/* ---- importance: how much an error in each input column of a linear layer matters ---- */

/* For each matrix of the layers: the sum over a text's tokens of the square of each input.
 * Immutable once made. */
typedef struct glass_importance glass_importance;

typedef struct glass_importance_options {
    int64_t n_ctx;      /* tokens in a piece; 0 = 512, at most the model's */
    int64_t n_pieces;   /* at most; 0 = all of the text */
    int n_threads;      /* 0 = one a core */
    const char *source; /* the text's name, for the record; may be NULL */
    /* Called after every piece; false cancels (GLASS_CANCELLED). May be NULL. */
    bool (*progress)(void *context, int64_t done, int64_t n_pieces);
    void *context;
} glass_importance_options;

/* Runs the text through the model in pieces, each from an empty context with BOS where the
 * model wants it. Sums are exact in binary64 up to their additions, which go by token, so that
 * threads and batches change nothing. options may be NULL. */
GLASS_API glass_status glass_importance_collect(glass_importance **out,
                                                const glass_model *model, const char *text,
                                                size_t n_bytes,
                                                const glass_importance_options *options);
/* A file of llama.cpp's llama-imatrix: GGUF, or its older format. */
GLASS_API glass_status glass_importance_open(glass_importance **out, const char *path);
/* As llama-imatrix writes it (GGUF). */
GLASS_API glass_status glass_importance_save(const glass_importance *importance,
                                             const char *path);
GLASS_API void glass_importance_free(glass_importance *importance);

typedef struct glass_importance_info {
    int64_t n_tensors, n_pieces, n_ctx; /* n_ctx 0: the file does not say */
    const char *source;                 /* "" if not known; belongs to the object */
} glass_importance_info;
GLASS_API void glass_importance_get_info(const glass_importance *importance,
                                         glass_importance_info *out);
/* The mean squares of a tensor's inputs, or NULL; *n of them. Belongs to the object. */
GLASS_API const float *glass_importance_of(const glass_importance *importance,
                                           const char *tensor, int64_t *n);

/* ---- quantising ---- */

/* The names of all mixes, "Q4_K_M"; NULL past the last. about: a line of text. */
GLASS_API const char *glass_quantize_mix(int i, const char **about);

typedef struct glass_quantize_tensor {
    const char *name;
    glass_dtype from, to;
    int n_dims;
    int64_t shape[4]; /* outermost first */
    size_t n_bytes;   /* in the new file */
    bool kept;        /* its numbers are as they were; the errors are zero */
    bool important;   /* importance was used */
    bool fallback;    /* the mix's type does not divide the rows' width: the next best */
    double rmse;      /* root mean square of the differences / that of the weights */
    double largest;   /* |difference| */
} glass_quantize_tensor;

typedef struct glass_quantize_total {
    int64_t n_tensors, n_weights;
    size_t bytes_before, bytes_after; /* of tensors */
    double bits_per_weight;
    double rmse; /* over all tensors that were changed, as above */
} glass_quantize_total;

/* Tensors of a name get a type. pattern: with * ? [ ] a shell's pattern for the whole name,
 * else a part of it. */
typedef struct glass_quantize_rule {
    const char *pattern;
    glass_dtype type;
    bool keep; /* the type that it has; `type` does not count */
} glass_quantize_rule;

typedef struct glass_quantize_options {
    const char *mix;                    /* "Q4_K_M", any case */
    const glass_importance *importance; /* or NULL */
    const char *importance_name;        /* for the file's record; may be NULL */
    const glass_quantize_rule *rules;   /* the first that fits counts */
    int n_rules;
    bool pure;             /* every matrix gets the mix's first type */
    bool allow_requantize; /* from types that are quantised already */
    bool dry_run;          /* only say what would be done: no file, no errors measured */
    int n_threads;         /* 0 = one a core */
    /* Called after every tensor, and with tensor NULL in between; false cancels
     * (GLASS_CANCELLED: nothing is left at the path). May be NULL. done: 0…1. */
    bool (*progress)(void *context, const glass_quantize_tensor *tensor, double done);
    void *context;
} glass_quantize_options;

/* Reads the model at `in` (anything that glass_model_open takes) and writes a GGUF file at
 * `out`, beside it first and then renamed. Works by pieces of rows: memory does not grow with
 * the model. `total` may be NULL. GLASS_USAGE: no such mix or type; GLASS_BAD_INPUT: a weight is
 * not finite or too large for its type (the message names tensor, row and column), the model
 * is quantised already, or importance does not fit. */
GLASS_API glass_status glass_quantize(const char *out, const char *in,
                                      const glass_quantize_options *options,
                                      glass_quantize_total *total);

GLASS_END
#endif
