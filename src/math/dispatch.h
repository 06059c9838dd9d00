/* dispatch.h - the fill functions that each instruction set offers to the table. */
#ifndef MATH_DISPATCH_H
#define MATH_DISPATCH_H

#include "math/kernels.h"

void train_fill_c(struct math_kernels *k);
void vec_fill_c(struct math_kernels *k);
void attn_fill_c(struct math_kernels *k);
void float_fill_c(struct math_kernels *k);
void q32_fill_c(struct math_kernels *k);
void qk_fill_c(struct math_kernels *k);
void quant_fill_c(struct math_kernels *k);
#if defined(__x86_64__)
void train_fill_avx2(struct math_kernels *k);
void vec_fill_avx2(struct math_kernels *k);
void attn_fill_avx2(struct math_kernels *k);
void float_fill_avx2(struct math_kernels *k);
void q32_fill_avx2(struct math_kernels *k);
void qk_fill_avx2(struct math_kernels *k);
void train_fill_avx512(struct math_kernels *k);
void quant_fill_avx2(struct math_kernels *k);
void widen_fill_avx2(struct math_kernels *k);
void vec_fill_avx512(struct math_kernels *k);
void attn_fill_avx512(struct math_kernels *k);
void float_fill_avx512(struct math_kernels *k);
void q32_fill_avx512(struct math_kernels *k);
void qk_fill_avx512(struct math_kernels *k);
void quant_fill_avx512(struct math_kernels *k);
void q32_fill_avx512vnni(struct math_kernels *k);
void qk_fill_avx512vnni(struct math_kernels *k);
#elif defined(__aarch64__)
void train_fill_neon(struct math_kernels *k);
void vec_fill_neon(struct math_kernels *k);
void attn_fill_neon(struct math_kernels *k);
void float_fill_neon(struct math_kernels *k);
void q32_fill_neon(struct math_kernels *k);
void qk_fill_neon(struct math_kernels *k);
void quant_fill_neon(struct math_kernels *k);
void q32_fill_dotprod(struct math_kernels *k);
void qk_fill_dotprod(struct math_kernels *k);
#endif

#endif
