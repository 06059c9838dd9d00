#include "math/dispatch.h"

void quant_fill_avx2(struct math_kernels *k) {
    (void)k;
}
