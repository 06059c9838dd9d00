/* quant_avx512.c - weights to blocks with AVX-512 (F, BW, DQ, VL): sixteen blocks side by side.
 * tests/math/test_quant512_avx2.c compiles it against an emulation as well. */
#include "math/dispatch.h"
#include "math/half.h"
#include "math/q32.h"
#include "math/qk.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

enum { VF_LANES = 16 };
typedef __m512 vf;
typedef __mmask16 vm;

static inline vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, vf x) {
    _mm512_storeu_ps(p, x);
}
static inline vf vf_set(float x) {
    return _mm512_set1_ps(x);
}
static inline vf vf_add(vf a, vf b) {
    return _mm512_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b) {
    return _mm512_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b) {
    return _mm512_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b) {
    return _mm512_div_ps(a, b);
}
static inline vf vf_abs(vf x) {
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0F), x);
}
static inline vf vf_sqrt(vf x) {
    return _mm512_sqrt_ps(x);
}
static inline vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
static inline vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
static inline vm vf_gt(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}
static inline vm vf_ge(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}
static inline vm vf_eq(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
static inline vm vf_ne(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ);
}
static inline vm vm_and(vm a, vm b) {
    return (vm)(a & b);
}
static inline bool vm_any(vm a) {
    return a != 0;
}
static inline vf vf_if(vm m, vf yes, vf no) {
    return _mm512_mask_blend_ps(m, no, yes);
}
static inline void vf_bytes(uint8_t *out, vf x) {
    _mm_storeu_si128((__m128i *)(void *)out, _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(x)));
}

#include "math/quant_lanes.inc"

void quant_fill_avx512(struct math_kernels *k) {
    quant_fill(k);
}
