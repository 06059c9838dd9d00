/* convert_parts.h - what conversion is made of; nobody else includes it.
 *
 *   convert.c         the call: opening, what each tensor becomes, pieces of it
 *   convert_gguf.c    a GGUF file
 *   convert_hf.c      a Hugging Face folder: its files, and that they say what the model is
 *   convert_config.c  config.json and tensors' names, by the importer's tables read backwards
 *   convert_card.c    README.md */
#ifndef MODEL_CONVERT_PARTS_H
#define MODEL_CONVERT_PARTS_H

#include "format/gguf_view.h"
#include "glass/convert.h"
#include "model/adapter_merge.h"
#include "model/config.h"
#include "text/tokenizer.h"

#include <jansson.h>

/* A tensor of the output, and how its rows come out of the canonical ones. */
struct convert_tensor {
    const struct gguf_tensor *from;
    char name[128];
    glass_dtype dtype;
    int n_dims;
    int64_t shape[4];
    enum gguf_order order; /* in which the output has the rows */
    int64_t n_heads;
    bool minus_one; /* the canonical values are one more */
};

struct convert {
    const glass_convert_options *options;
    const char *in_path, *out_path;
    struct gguf *in;
    bool from_gguf; /* the input is a GGUF file */
    char *vocab;    /* as import_find gives it */
    struct tok_source source;
    bool has_source;
    struct convert_tensor *tensors;
    int64_t n_tensors;
    struct adapter_merge *merge; /* NULL without adapters */
    /* Tensors of one number, which are values in the canonical form. */
    struct gguf_tensor *number_tensors;
    float *numbers;
    size_t done, total, undropped;
    uint8_t *piece, *other;
    float *floats;
    size_t n_piece, n_other, n_floats; /* their bytes */
};

/* Numbers of vectors that were 16 bits wide before they became F32: names under these keys. */
#define CONVERT_WAS_F16  "glass.stored.f16"
#define CONVERT_WAS_BF16 "glass.stored.bf16"

/* Hands all tensors' data to put, piece by piece. */
glass_status convert_stream(struct convert *c,
                            glass_status (*put)(void *writer, const void *bytes,
                                                size_t n_bytes),
                            void *writer);
/* Counts the bytes to write, and whether there is room for them beside path. */
glass_status convert_reckon(struct convert *c, const char *path);

glass_status convert_to_gguf(struct convert *c);
glass_status convert_to_folder(struct convert *c);

/* c->tensors by Hugging Face's names, and the config.json that goes with them (buf_free it).
 * GLASS_BAD_INPUT: there is no family, or it has no place for a tensor. */
glass_status convert_config(struct convert *c, struct buf *json);
glass_status convert_readme(const struct convert *c, struct buf *text);

#endif
