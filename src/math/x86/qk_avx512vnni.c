/* qk_avx512vnni.c - products with weights in blocks of 256, AVX-512 with VNNI. */
#define QK_VNNI 1
#include "math/x86/qk_512.inc"

void qk_fill_avx512vnni(struct math_kernels *k) {
    k->gemm_q2_k = gemm_q2_k_512;
    k->gemm_q3_k = gemm_q3_k_512;
    k->gemm_q4_k = gemm_q4_k_512;
    k->gemm_q5_k = gemm_q5_k_512;
    k->gemm_q6_k = gemm_q6_k_512;
    k->gemm_iq4_xs = gemm_iq4_xs_512;
}
