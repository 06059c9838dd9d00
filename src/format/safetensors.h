/* safetensors.h - the number types of safetensors files, for their reader and writer.
 *
 * Reading is archive.h's, writing safetensors_write.h's. */
#ifndef FORMAT_SAFETENSORS_H
#define FORMAT_SAFETENSORS_H

#include "base/mem.h"
#include "glass/dtype.h"

enum { SAFETENSORS_MAX_HEADER = 100000000 }; /* the reference's own limit */

struct safetensors_type {
    const char *name;
    int bits;   /* of one element */
    bool known; /* dtype holds */
    glass_dtype dtype;
};

/* NULL for a name, or a type of blocks, that the format does not have. */
const struct safetensors_type *safetensors_type_named(const char *name);
const struct safetensors_type *safetensors_type_of(glass_dtype dtype);
/* The bytes of a tensor; false if they cannot be counted, or are no whole number. */
bool safetensors_bytes(size_t *out, const struct safetensors_type *type, int n_dims,
                       const int64_t *shape);

#endif
