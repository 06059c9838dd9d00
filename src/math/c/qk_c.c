#include "math/dispatch.h"

void qk_fill_c(struct math_kernels *k) {
    (void)k;
}
