/* adapter.h - LoRA adapters: what fine-tuning added to a model, applied while it runs.
 *
 * A linear layer y = W x becomes y = W x + scale · B (A x) with two small matrices; the model
 * itself stays as it is, and is shared. Read are folders as PEFT writes them
 * (adapter_config.json with adapter_model.safetensors or .bin) and GGUF adapters as
 * llama.cpp's converter writes them. The arithmetic is docs/arithmetic.md's; an adapter in
 * either form, on a model in any form, gives the same bits. */
#ifndef GLASS_ADAPTER_H
#define GLASS_ADAPTER_H

#include "glass/model.h"
GLASS_BEGIN

/* Immutable; any number of sessions and threads may share one. */
typedef struct glass_adapter glass_adapter;

/* Reads an adapter for this model, which must outlive it; the file is not needed afterwards.
 * With model NULL it is only looked at, and no session takes it.
 * GLASS_BAD_INPUT: a tensor fits nothing in the model, or has another shape; one of a pair is
 * missing; the adapter does something else than LoRA on linear layers (DoRA, biases, whole
 * modules, embeddings …). The message names it. */
GLASS_API glass_status glass_adapter_open(glass_adapter **out, const glass_model *model,
                                          const char *path);
GLASS_API void glass_adapter_close(glass_adapter *adapter);
/* Whether a path looks like an adapter rather than a model; not whether it is a good one. */
GLASS_API bool glass_adapter_is_one(const char *path);

typedef struct glass_adapter_info {
    const char *kind;    /* "PEFT", "GGUF" */
    const char *base;    /* the base model's name, "" if the file does not say */
    const char *targets; /* "attn_q, attn_v" or, in PEFT's words, "q_proj, v_proj" */
    const char *dtypes;  /* "F32", "F16, F32" */
    int64_t n_pairs;     /* linear layers that it changes */
    int64_t rank_least, rank_most;
    double scale_least, scale_most; /* its own: alpha / rank, or alpha / sqrt(rank) */
    int64_t n_params;               /* in A and B */
    size_t n_bytes;                 /* of these in the file */
} glass_adapter_info;

/* Strings belong to the adapter. */
GLASS_API void glass_adapter_get_info(const glass_adapter *adapter,
                                      glass_adapter_info *out);

/* An adapter at work. scale multiplies its own; 1 is what it was trained for, 0 leaves it out,
 * and it must be finite. */
typedef struct glass_adapter_use {
    const glass_adapter *adapter;
    float scale;
} glass_adapter_use;

/* *out: what these adapters add to glass_model_session_bytes. The adapters' own weights, which
 * sessions share, are not counted. GLASS_USAGE as glass_session_set_adapters. */
GLASS_API glass_status glass_adapters_session_bytes(size_t *out, const glass_model *model,
                                                    int64_t n_ctx,
                                                    const glass_adapter_use *uses, int n);

GLASS_END
#endif
