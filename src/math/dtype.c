/* dtype.c - names and block sizes of the number types. */
#include "base/fail.h"
#include "glass/dtype.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    int16_t block, bytes;
} types[GLASS_DTYPE_LIMIT] = {
    [GLASS_F32] = {"F32", 1, 4},         [GLASS_F16] = {"F16", 1, 2},
    [GLASS_Q4_0] = {"Q4_0", 32, 18},     [GLASS_Q4_1] = {"Q4_1", 32, 20},
    [GLASS_Q5_0] = {"Q5_0", 32, 22},     [GLASS_Q5_1] = {"Q5_1", 32, 24},
    [GLASS_Q8_0] = {"Q8_0", 32, 34},     [GLASS_Q2_K] = {"Q2_K", 256, 84},
    [GLASS_Q3_K] = {"Q3_K", 256, 110},   [GLASS_Q4_K] = {"Q4_K", 256, 144},
    [GLASS_Q5_K] = {"Q5_K", 256, 176},   [GLASS_Q6_K] = {"Q6_K", 256, 210},
    [GLASS_IQ4_NL] = {"IQ4_NL", 32, 18}, [GLASS_IQ4_XS] = {"IQ4_XS", 256, 136},
    [GLASS_I8] = {"I8", 1, 1},           [GLASS_I16] = {"I16", 1, 2},
    [GLASS_I32] = {"I32", 1, 4},         [GLASS_I64] = {"I64", 1, 8},
    [GLASS_F64] = {"F64", 1, 8},         [GLASS_BF16] = {"BF16", 1, 2},
};

static bool known(glass_dtype dtype) {
    return (unsigned)dtype < GLASS_DTYPE_LIMIT && types[dtype].name != NULL;
}

const char *glass_dtype_name(glass_dtype dtype) {
    return known(dtype) ? types[dtype].name : NULL;
}

int64_t glass_dtype_block(glass_dtype dtype) {
    return known(dtype) ? types[dtype].block : 0;
}

size_t glass_dtype_block_bytes(glass_dtype dtype) {
    return known(dtype) ? (size_t)types[dtype].bytes : 0;
}

glass_status glass_dtype_parse(glass_dtype *out, const char *name) {
    char names[256] = "";
    *out = GLASS_F32;
    for (int i = 0; i < GLASS_DTYPE_LIMIT; i++) {
        if (types[i].name == NULL) continue;
        if (strcasecmp(types[i].name, name) == 0) {
            *out = (glass_dtype)i;
            return GLASS_OK;
        }
        if (names[0] != '\0') strncat(names, " ", sizeof names - strlen(names) - 1);
        strncat(names, types[i].name, sizeof names - strlen(names) - 1);
    }
    return fail(GLASS_USAGE, "\"%s\" is not a number type; there are %s", name, names);
}
