/* quant_avx2.c - weights to blocks with AVX2: eight blocks side by side. */
#include "math/dispatch.h"
#include "math/half.h"
#include "math/q32.h"
#include "math/qk.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

enum { VF_LANES = 8 };
typedef __m256 vf;
typedef __m256 vm; /* all bits of a lane, or none */

static inline vf vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void vf_store(float *p, vf x) {
    _mm256_storeu_ps(p, x);
}
static inline vf vf_set(float x) {
    return _mm256_set1_ps(x);
}
static inline vf vf_add(vf a, vf b) {
    return _mm256_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b) {
    return _mm256_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b) {
    return _mm256_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b) {
    return _mm256_div_ps(a, b);
}
static inline vf vf_abs(vf x) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x);
}
static inline vf vf_sqrt(vf x) {
    return _mm256_sqrt_ps(x);
}
static inline vf vf_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
static inline vf vf_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
static inline vm vf_gt(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}
static inline vm vf_ge(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_GE_OQ);
}
static inline vm vf_eq(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
static inline vm vf_ne(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ);
}
static inline vm vm_and(vm a, vm b) {
    return _mm256_and_ps(a, b);
}
static inline bool vm_any(vm a) {
    return _mm256_movemask_ps(a) != 0;
}
static inline vf vf_if(vm m, vf yes, vf no) {
    return _mm256_blendv_ps(no, yes, m);
}
static inline void vf_bytes(uint8_t *out, vf x) {
    __m256i q = _mm256_cvttps_epi32(x);
    __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
    _mm_storel_epi64((__m128i *)(void *)out, _mm_packus_epi16(words, words));
}

#include "math/quant_lanes.inc"

void quant_fill_avx2(struct math_kernels *k) {
    quant_fill(k);
}
