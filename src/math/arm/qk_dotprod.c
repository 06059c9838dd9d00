/* qk_dotprod.c - products with weights in blocks of 256 for processors with sdot
 * (HWCAP_ASIMDDP). Only emulators have run it. */
#include "math/arm/qk_dot.inc"

void qk_fill_dotprod(struct math_kernels *k) {
    qk_fill_dot(k);
}
