/* dtype.h - the number types of tensors. Values are GGUF's own type ids. */
#ifndef GLASS_DTYPE_H
#define GLASS_DTYPE_H

#include "glass/status.h"
GLASS_BEGIN

typedef enum glass_dtype {
    GLASS_F32 = 0,
    GLASS_F16 = 1,
    GLASS_Q4_0 = 2,
    GLASS_Q4_1 = 3,
    GLASS_Q5_0 = 6,
    GLASS_Q5_1 = 7,
    GLASS_Q8_0 = 8,
    GLASS_Q2_K = 10,
    GLASS_Q3_K = 11,
    GLASS_Q4_K = 12,
    GLASS_Q5_K = 13,
    GLASS_Q6_K = 14,
    GLASS_IQ4_NL = 20,
    GLASS_IQ4_XS = 23,
    GLASS_I8 = 24,
    GLASS_I16 = 25,
    GLASS_I32 = 26,
    GLASS_I64 = 27,
    GLASS_F64 = 28,
    GLASS_BF16 = 30,
    GLASS_DTYPE_LIMIT = 31 /* one past the largest id */
} glass_dtype;

/* "Q4_K"; NULL for an id that Glass does not know. */
GLASS_API const char *glass_dtype_name(glass_dtype dtype);
/* By name, any case. GLASS_USAGE lists the names it knows. */
GLASS_API glass_status glass_dtype_parse(glass_dtype *out, const char *name);
/* Weights in one block (1, 32 or 256) and its bytes; 0 for an unknown id. */
GLASS_API int64_t glass_dtype_block(glass_dtype dtype);
GLASS_API size_t glass_dtype_block_bytes(glass_dtype dtype);

GLASS_END
#endif
