#include "math/dispatch.h"

void quant_fill_neon(struct math_kernels *k) {
    (void)k;
}
