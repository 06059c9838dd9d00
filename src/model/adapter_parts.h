/* adapter_parts.h - what reading adapters is made of; only src/model/adapt*.c include it.
 *
 *   adapter.c        the public calls; pairs of a file to layers of a model
 *   adapter_peft.c   PEFT's folders
 *   adapter_gguf.c   llama.cpp's GGUF adapters
 *   adapter_merge.c  an adapter added to a model's weights */
#ifndef MODEL_ADAPTER_PARTS_H
#define MODEL_ADAPTER_PARTS_H

#include "format/archive.h"
#include "format/gguf.h"
#include "glass/adapter.h"
#include "model/adapt.h"
#include "model/import_parts.h"
#include "model/model.h"

/* One layer's: W + scale B A. Owned, rows of B in the order of the model's W. */
struct lora {
    struct weight a, b; /* (r, in), (out, r): F32, F16 or BF16; data NULL: there is none */
    double scale;
};

struct glass_adapter {
    const struct glass_model *model; /* NULL: only looked at */
    char *path, *base, *targets, *dtypes;
    const char *kind;
    glass_adapter_info info;
    int64_t n_linears;
    struct lora *loras; /* (layers * LINEARS + 1) by linear's id; NULL without a model */
    uint8_t *bytes;     /* all their numbers */
    uint8_t fingerprint[32]; /* SHA-256 of all that they are */
};

/* A matrix in an adapter's file. */
struct adapter_matrix {
    const char *name; /* for messages */
    const uint8_t *data;
    glass_dtype dtype;
    int64_t n, k; /* rows, columns */
    size_t n_bytes;
};

struct adapter_pair {
    const char *layer; /* the layer's name in the file, not NUL-terminated */
    size_t n_layer;
    struct adapter_matrix a, b; /* (r, in), (out, r) */
    double scale;
};

/* An adapter's file, opened. */
struct adapter_file {
    const char *kind;
    bool peft;               /* layers have Hugging Face's names, not GGUF's */
    struct archive *archive; /* of PEFT, or */
    struct gguf *gguf;
    char *path; /* of the file with the tensors, for messages */
    char *base; /* the base model's name, or NULL */
    char *arch; /* GGUF: the family that it says, or NULL */
    struct adapter_pair *pairs;
    int64_t n_pairs;
};

/* Where a tensor belongs: the linear layers whose rows it has, one after the other, and the
 * order in which it has them. */
struct adapter_place {
    int n;
    int64_t ids[3];
    enum import_how how;
    int64_t n_heads;
};
/* n and ids of a canonical tensor, "blk.7.attn_q.weight"; false: it is no linear layer's. */
bool adapter_find_place(struct adapter_place *out, const struct glass_model *m,
                        const char *tensor);

/* On failure the caller clears what was opened. */
glass_status adapter_open_peft(struct adapter_file *out, const char *folder);
glass_status adapter_open_gguf(struct adapter_file *out, const char *path);
void adapter_file_clear(struct adapter_file *f);
/* The matrices of a pair fit each other and their scale is a number. */
glass_status adapter_check_pair(const struct adapter_file *f, const struct adapter_pair *p);

#endif
