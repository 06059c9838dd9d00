/* convert.h - models from one published form to another.
 *
 * Reads whatever glass_model_open reads. Weights go through memory a few megabytes at a time.
 * What is written appears under its name when it is whole, and not before: a conversion that
 * breaks off, however it does, leaves there what was there. */
#ifndef GLASS_CONVERT_H
#define GLASS_CONVERT_H

#include "glass/dtype.h"

#include <stdbool.h>
#include <stddef.h>
GLASS_BEGIN

typedef enum glass_convert_to {
    GLASS_TO_GGUF,       /* one file */
    GLASS_TO_SAFETENSORS /* a Hugging Face folder */
} glass_convert_to;

typedef struct glass_convert_progress {
    const char *tensor;
    size_t done, total; /* bytes of weights written */
} glass_convert_progress;

typedef struct glass_convert_options {
    glass_convert_to to;
    /* Keep every number as it is: vectors become F32 in a GGUF file, which other programs
     * want and which loses nothing; in a folder blocks become F32, which is what they stand
     * for. Else weights become `type`, GLASS_F32, GLASS_F16 or GLASS_BF16, rounded to nearest
     * even; vectors stay F32 in a GGUF file. */
    bool keep_types;
    glass_dtype type;
    /* LoRA adapters (adapter.h) added to the weights, in this order: in binary32, rounded to
     * the weights' type once. Weights in blocks take none: ask for a type then. */
    const char *const *adapters; /* their paths */
    const float *scales;         /* of each */
    int n_adapters;
    size_t shard_bytes; /* most bytes of a safetensors file; 0 = 5 GB */
    bool force;         /* replace what is there */
    /* Called with every piece; false cancels (GLASS_CANCELLED). May be NULL. */
    bool (*progress)(void *context, const glass_convert_progress *progress);
    void *context;
} glass_convert_options;

typedef struct glass_convert_result {
    size_t n_bytes; /* of weights */
    int64_t n_tensors;
} glass_convert_result;

/* in: a path as for glass_model_open. out: a file, or a folder to be made. result may be NULL.
 * GLASS_USAGE: out exists and force is not set. GLASS_BAD_INPUT: the model cannot be read, or
 * the other form cannot say what it is, or a weight is too large for F16, or an adapter does not
 * fit or cannot be merged. */
GLASS_API glass_status glass_convert(const char *in, const char *out,
                                     const glass_convert_options *options,
                                     glass_convert_result *result);

GLASS_END
#endif
