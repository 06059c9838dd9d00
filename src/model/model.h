/* model.h - what a glass_model holds, for the model room. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "glass/model.h"
#include "model/weights.h"

struct meta_entry {
    char *key, *json; /* owned */
};

struct glass_model {
    struct gguf *file;
    struct config config;
    struct weights weights;
    glass_tokenizer *tokenizer; /* NULL if the file has none */
    glass_template *tmpl;       /* NULL if none, or if it does not compile */
    char *template_source;      /* NULL if none */
    char *template_error;       /* why it does not compile */
    char *family, *name, *license, *dtype_mix;
    int64_t n_params;
    size_t weight_bytes;
    struct meta_entry *meta;
    int64_t n_meta;
    uint8_t fingerprint[32]; /* SHA-256 of metadata and tensor table, not of the weights */
};

/* A model of a gguf that is open already, and the tokenizer that came beside it (NULL: it is
 * in the gguf, or there is none). Both are taken over, also on failure. */
glass_status model_create(struct glass_model **out, struct gguf *file,
                          glass_tokenizer *tokenizer);

#endif
