/* vec_avx2.c - functions and vectors with AVX2 and FMA: eight floats, four doubles. */
#include "math/dispatch.h"
#include "math/func_coef.h"
#include "math/functions.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

enum { VF_LANES = 8 };
typedef __m256 vf;
typedef __m256d vd;
typedef __m256i vd_index;

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
static inline vf vf_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline vf vf_fms(vf a, vf b, vf c) {
    return _mm256_fmsub_ps(a, b, c);
}
/* Even lanes a b - c, odd lanes a b + c. */
static inline vf vf_fmaddsub(vf a, vf b, vf c) {
    return _mm256_fmaddsub_ps(a, b, c);
}
/* a > b ? a : b; min and max give their second operand for NaN. */
static inline vf vf_greater(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
static inline vf vf_at_least(vf bound, vf x) {
    return _mm256_max_ps(bound, x);
}
static inline vf vf_at_most(vf bound, vf x) {
    return _mm256_min_ps(bound, x);
}
static inline vf vf_abs(vf x) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x);
}
static inline vf vf_negate(vf x) {
    return _mm256_xor_ps(x, _mm256_set1_ps(-0.0F));
}
/* x, its sign changed where `by` is negative. */
static inline vf vf_flip_sign(vf x, vf by) {
    return _mm256_xor_ps(x, _mm256_and_ps(by, _mm256_set1_ps(-0.0F)));
}
/* For x without a sign. */
static inline vf vf_copysign(vf x, vf sign) {
    return _mm256_or_ps(x, _mm256_and_ps(sign, _mm256_set1_ps(-0.0F)));
}
/* A bit for each lane that is not in [low, high): NaN is outside. */
static inline unsigned vf_outside(vf x, vf low, vf high) {
    vf inside = _mm256_and_ps(_mm256_cmp_ps(x, low, _CMP_GE_OQ),
                              _mm256_cmp_ps(x, high, _CMP_LT_OQ));
    return (unsigned)_mm256_movemask_ps(inside) ^ 0xffu;
}
#define VF_SOME
/* All bits set in lanes [from, to). */
static inline __m256i lanes_of(int64_t from, int64_t to) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i first = _mm256_set1_epi32(from < 0 ? 0 : from > 8 ? 8 : (int)from);
    __m256i end = _mm256_set1_epi32(to < 0 ? 0 : to > 8 ? 8 : (int)to);
    return _mm256_andnot_si256(_mm256_cmpgt_epi32(first, lane),
                               _mm256_cmpgt_epi32(end, lane));
}
static inline vf vf_load_some(const float *p, int64_t from, int64_t to) {
    return _mm256_maskload_ps(p, lanes_of(from, to));
}
static inline void vf_store_some(float *p, vf x, int64_t from, int64_t to) {
    _mm256_maskstore_ps(p, lanes_of(from, to), x);
}
static inline vf vf_keep_some(vf x, int64_t from, int64_t to, float fill) {
    return _mm256_blendv_ps(_mm256_set1_ps(fill), x,
                            _mm256_castsi256_ps(lanes_of(from, to)));
}
static inline float vf_most(vf x) {
    __m128 t = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    t = _mm_max_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_max_ss(t, _mm_shuffle_ps(t, t, 1)));
}
static inline vf vf_swap_pairs(vf x) {
    return _mm256_permute_ps(x, 0xb1);
}
/* p[0], p[0], p[1], p[1], … */
static inline vf vf_load_twice(const float *p) {
    __m128 x = _mm_loadu_ps(p);
    return _mm256_set_m128(_mm_unpackhi_ps(x, x), _mm_unpacklo_ps(x, x));
}
static inline float vf_fold16(const vf sum[2]) {
    vf s = _mm256_add_ps(sum[0], sum[1]); /* l + (l + 8) */
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    t = _mm_add_ss(t, _mm_shuffle_ps(t, t, 1));
    return _mm_cvtss_f32(t);
}

static inline vd vf_low(vf x) {
    return _mm256_cvtps_pd(_mm256_castps256_ps128(x));
}
static inline vd vf_high(vf x) {
    return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
}
static inline vf vf_round(vd low, vd high) {
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
}
static inline vd vd_set(double x) {
    return _mm256_set1_pd(x);
}
static inline vd vd_bits(uint64_t bits) {
    return _mm256_castsi256_pd(_mm256_set1_epi64x((long long)bits));
}
static inline vd vd_add(vd a, vd b) {
    return _mm256_add_pd(a, b);
}
static inline vd vd_sub(vd a, vd b) {
    return _mm256_sub_pd(a, b);
}
static inline vd vd_mul(vd a, vd b) {
    return _mm256_mul_pd(a, b);
}
static inline vd vd_div(vd a, vd b) {
    return _mm256_div_pd(a, b);
}
/* max gives its second operand for NaN. */
static inline vd vd_at_least(vd bound, vd x) {
    return _mm256_max_pd(bound, x);
}
static inline vd vd_fma(vd a, vd b, vd c) {
    return _mm256_fmadd_pd(a, b, c);
}
static inline vd vd_fnma(vd a, vd b, vd c) {
    return _mm256_fnmadd_pd(a, b, c);
}
static inline vd vd_and(vd a, vd b) {
    return _mm256_and_pd(a, b);
}
static inline vd vd_or(vd a, vd b) {
    return _mm256_or_pd(a, b);
}
static inline vd vd_xor(vd a, vd b) {
    return _mm256_xor_pd(a, b);
}
/* Sums and shifts of the 64 bits as integers. */
static inline vd vd_iadd(vd a, vd b) {
    return _mm256_castsi256_pd(
        _mm256_add_epi64(_mm256_castpd_si256(a), _mm256_castpd_si256(b)));
}
static inline vd vd_shl(vd x, int n) {
    return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(x), n));
}
static inline vd vd_shr(vd x, int n) {
    return _mm256_castsi256_pd(_mm256_srli_epi64(_mm256_castpd_si256(x), n));
}
/* b where the sign bit of `which` is set, else a. */
static inline vd vd_choose(vd which, vd a, vd b) {
    return _mm256_blendv_pd(a, b, which);
}
static inline bool vd_any_equal(vd a, vd b) { /* as integers */
    __m256i equal = _mm256_cmpeq_epi64(_mm256_castpd_si256(a), _mm256_castpd_si256(b));
    return _mm256_movemask_epi8(equal) != 0;
}
/* The low two bits of each lane, as an index for vd_look_up: pairs of 32-bit lanes. */
static inline vd_index vd_index4(vd x) {
    __m256i twice = _mm256_slli_epi64(_mm256_castpd_si256(x), 1);
    return _mm256_or_si256(_mm256_shuffle_epi32(twice, 0xa0),
                           _mm256_set1_epi64x((long long)1 << 32));
}
static inline vd vd_look_up(const double table[4], vd_index i) {
    return _mm256_castps_pd(
        _mm256_permutevar8x32_ps(_mm256_castpd_ps(_mm256_loadu_pd(table)), i));
}

#include "math/vec_simd.inc"

void vec_fill_avx2(struct math_kernels *k) {
    vec_fill_simd(k);
}
