/* q32_avx512vnni.c - products with weights in blocks of 32 for AVX-512 with VNNI. */
#define VNNI 1
#include "math/x86/q32_avx512.inc"

void q32_fill_avx512vnni(struct math_kernels *k) {
    fill_gemm(k);
}
