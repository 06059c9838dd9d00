/* vec_avx512.c - functions and vectors with AVX-512 (F, BW, DQ, VL): sixteen floats, eight
 * doubles. tests/math/test_vec512_avx2.c compiles it against an emulation as well. */
#include "math/dispatch.h"
#include "math/func_coef.h"
#include "math/functions.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

enum { VF_LANES = 16 };
typedef __m512 vf;
typedef __m512d vd;
typedef __m512i vd_index;

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
static inline vf vf_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf vf_fms(vf a, vf b, vf c) {
    return _mm512_fmsub_ps(a, b, c);
}
/* Even lanes a b - c, odd lanes a b + c. */
static inline vf vf_fmaddsub(vf a, vf b, vf c) {
    return _mm512_fmaddsub_ps(a, b, c);
}
/* a > b ? a : b; min and max give their second operand for NaN. */
static inline vf vf_greater(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
static inline vf vf_at_least(vf bound, vf x) {
    return _mm512_max_ps(bound, x);
}
static inline vf vf_at_most(vf bound, vf x) {
    return _mm512_min_ps(bound, x);
}
static inline vf vf_abs(vf x) {
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0F), x);
}
static inline vf vf_negate(vf x) {
    return _mm512_xor_ps(x, _mm512_set1_ps(-0.0F));
}
/* x, its sign changed where `by` is negative. */
static inline vf vf_flip_sign(vf x, vf by) {
    return _mm512_xor_ps(x, _mm512_and_ps(by, _mm512_set1_ps(-0.0F)));
}
/* For x without a sign. */
static inline vf vf_copysign(vf x, vf sign) {
    return _mm512_or_ps(x, _mm512_and_ps(sign, _mm512_set1_ps(-0.0F)));
}
/* A bit for each lane that is not in [low, high): NaN is outside. */
static inline unsigned vf_outside(vf x, vf low, vf high) {
    unsigned inside = _mm512_cmp_ps_mask(x, low, _CMP_GE_OQ);
    inside &= _mm512_cmp_ps_mask(x, high, _CMP_LT_OQ);
    return inside ^ 0xffffu;
}
#define VF_SOME
static inline __mmask16 lanes_of(int64_t from, int64_t to) {
    unsigned below = from <= 0 ? 0 : from >= 16 ? 0xffff : (1u << from) - 1;
    unsigned inside = to <= 0 ? 0 : to >= 16 ? 0xffff : (1u << to) - 1;
    return (__mmask16)(inside & ~below);
}
static inline vf vf_load_some(const float *p, int64_t from, int64_t to) {
    return _mm512_maskz_loadu_ps(lanes_of(from, to), p);
}
static inline void vf_store_some(float *p, vf x, int64_t from, int64_t to) {
    _mm512_mask_storeu_ps(p, lanes_of(from, to), x);
}
static inline vf vf_keep_some(vf x, int64_t from, int64_t to, float fill) {
    return _mm512_mask_blend_ps(lanes_of(from, to), _mm512_set1_ps(fill), x);
}
static inline vf vf_swap_pairs(vf x) {
    return _mm512_shuffle_ps(x, x, 0xb1);
}
/* p[0], p[0], p[1], p[1], … */
static inline vf vf_load_twice(const float *p) {
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
}
static inline __m256 upper_half(vf x) {
    return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
}
static inline float vf_most(vf x) {
    __m256 m = _mm256_max_ps(_mm512_castps512_ps256(x), upper_half(x));
    __m128 t = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
    t = _mm_max_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_max_ss(t, _mm_shuffle_ps(t, t, 1)));
}
static inline float vf_fold16(const vf sum[1]) {
    /* l + (l + 8) */
    __m256 s = _mm256_add_ps(_mm512_castps512_ps256(sum[0]), upper_half(sum[0]));
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    t = _mm_add_ss(t, _mm_shuffle_ps(t, t, 1));
    return _mm_cvtss_f32(t);
}

static inline vd vf_low(vf x) {
    return _mm512_cvtps_pd(_mm512_castps512_ps256(x));
}
static inline vd vf_high(vf x) {
    return _mm512_cvtps_pd(upper_half(x));
}
static inline vf vf_round(vd low, vd high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)),
                              _mm512_cvtpd_ps(high), 1);
}
static inline vd vd_set(double x) {
    return _mm512_set1_pd(x);
}
static inline vd vd_bits(uint64_t bits) {
    return _mm512_castsi512_pd(_mm512_set1_epi64((long long)bits));
}
static inline vd vd_add(vd a, vd b) {
    return _mm512_add_pd(a, b);
}
static inline vd vd_sub(vd a, vd b) {
    return _mm512_sub_pd(a, b);
}
static inline vd vd_mul(vd a, vd b) {
    return _mm512_mul_pd(a, b);
}
static inline vd vd_div(vd a, vd b) {
    return _mm512_div_pd(a, b);
}
/* max gives its second operand for NaN. */
static inline vd vd_at_least(vd bound, vd x) {
    return _mm512_max_pd(bound, x);
}
static inline vd vd_fma(vd a, vd b, vd c) {
    return _mm512_fmadd_pd(a, b, c);
}
static inline vd vd_fnma(vd a, vd b, vd c) {
    return _mm512_fnmadd_pd(a, b, c);
}
static inline vd vd_and(vd a, vd b) {
    return _mm512_and_pd(a, b);
}
static inline vd vd_or(vd a, vd b) {
    return _mm512_or_pd(a, b);
}
static inline vd vd_xor(vd a, vd b) {
    return _mm512_xor_pd(a, b);
}
/* Sums and shifts of the 64 bits as integers. */
static inline vd vd_iadd(vd a, vd b) {
    return _mm512_castsi512_pd(
        _mm512_add_epi64(_mm512_castpd_si512(a), _mm512_castpd_si512(b)));
}
static inline vd vd_shl(vd x, unsigned n) {
    return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(x), n));
}
static inline vd vd_shr(vd x, unsigned n) {
    return _mm512_castsi512_pd(_mm512_srli_epi64(_mm512_castpd_si512(x), n));
}
/* b where the sign bit of `which` is set, else a. */
static inline vd vd_choose(vd which, vd a, vd b) {
    return _mm512_mask_blend_pd(_mm512_movepi64_mask(_mm512_castpd_si512(which)), a, b);
}
static inline bool vd_any_equal(vd a, vd b) { /* as integers */
    return _mm512_cmpeq_epi64_mask(_mm512_castpd_si512(a), _mm512_castpd_si512(b)) != 0;
}
/* The low two bits of each lane, as an index for vd_look_up. */
static inline vd_index vd_index4(vd x) {
    return _mm512_and_epi64(_mm512_castpd_si512(x), _mm512_set1_epi64(3));
}
static inline vd vd_look_up(const double table[4], vd_index i) {
    return _mm512_permutexvar_pd(i, _mm512_broadcast_f64x4(_mm256_loadu_pd(table)));
}

#define VD_SIXTEENTHS
/* The bits of 2^(j/16), rounded to nearest, less j << 48. */
static const uint64_t sixteenths[16] = {
    0x3ff0000000000000u, 0x3fefb5586cf9890fu, 0x3fef72b83c7d517bu, 0x3fef387a6e756238u,
    0x3fef06fe0a31b715u, 0x3feedea64c123422u, 0x3feebfdad5362a27u, 0x3feeab07dd485429u,
    0x3feea09e667f3bcdu, 0x3feea11473eb0187u, 0x3feeace5422aa0dbu, 0x3feec49182a3f090u,
    0x3feee89f995ad3adu, 0x3fef199bdd85529cu, 0x3fef5818dcfba487u, 0x3fefa4afa2a490dau,
};
/* 2^(n/16), n = 16 k + j in the low bits of x: n << 48 is k << 52 and j << 48. */
static inline vd vd_two_to_sixteenths(vd x) {
    __m512i n = _mm512_castpd_si512(x);
    __m512i t = _mm512_permutex2var_epi64(_mm512_loadu_si512(sixteenths), n,
                                          _mm512_loadu_si512(sixteenths + 8));
    return _mm512_castsi512_pd(_mm512_add_epi64(t, _mm512_slli_epi64(n, 48)));
}
static inline __m512i low_halves(vd a, vd b) { /* of the 64 bits, in some order */
    return _mm512_castps_si512(
        _mm512_shuffle_ps(_mm512_castpd_ps(a), _mm512_castpd_ps(b), 0x88));
}
/* Whether any x is within 2^12 units of a midpoint between two (normal) binary32 numbers,
 * that is, the 29 bits that rounding drops are in 2^28 - 2^12 … 2^28 + 2^12 - 1, or any y
 * is subnormal. */
static inline bool vd_any_unsure(const vd x[4], const vf y[2]) {
    const __m512i offset = _mm512_set1_epi32((1 << 28) + (1 << 12));
    const __m512i high = _mm512_set1_epi32((1 << 29) - (1 << 13));
    enum { SUBNORMAL = 0x20 };
    __mmask16 any = _mm512_fpclass_ps_mask(y[0], SUBNORMAL);
    any |= _mm512_fpclass_ps_mask(y[1], SUBNORMAL);
    any |= _mm512_testn_epi32_mask(_mm512_add_epi32(low_halves(x[0], x[1]), offset), high);
    any |= _mm512_testn_epi32_mask(_mm512_add_epi32(low_halves(x[2], x[3]), offset), high);
    return any != 0;
}

#include "math/vec_simd.inc"

void vec_fill_avx512(struct math_kernels *k) {
    vec_fill_simd(k);
}
