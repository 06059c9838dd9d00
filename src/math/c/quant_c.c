#include "math/dispatch.h"

void quant_fill_c(struct math_kernels *k) {
    (void)k;
}
