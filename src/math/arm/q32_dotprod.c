/* q32_dotprod.c - products with weights in blocks of 32 for processors with sdot
 * (HWCAP_ASIMDDP). Only emulators have run it. */
#include "math/arm/q32_dot.inc"

void q32_fill_dotprod(struct math_kernels *k) {
    q32_fill_dot(k);
}
