/* vec_neon.c - functions and vectors with Advanced SIMD: four floats, two doubles. */
#include "math/dispatch.h"
#include "math/func_coef.h"
#include "math/functions.h"

#include <arm_neon.h>
#include <math.h>
#include <string.h>

enum { VF_LANES = 4 };
typedef float32x4_t vf;
typedef float64x2_t vd;
typedef uint64x2_t vd_index;

static inline vf vf_load(const float *p) {
    return vld1q_f32(p);
}
static inline void vf_store(float *p, vf x) {
    vst1q_f32(p, x);
}
static inline vf vf_set(float x) {
    return vdupq_n_f32(x);
}
static inline vf vf_add(vf a, vf b) {
    return vaddq_f32(a, b);
}
static inline vf vf_sub(vf a, vf b) {
    return vsubq_f32(a, b);
}
static inline vf vf_mul(vf a, vf b) {
    return vmulq_f32(a, b);
}
static inline vf vf_div(vf a, vf b) {
    return vdivq_f32(a, b);
}
static inline vf vf_fma(vf a, vf b, vf c) {
    return vfmaq_f32(c, a, b);
}
static inline vf vf_fms(vf a, vf b, vf c) {
    return vfmaq_f32(vnegq_f32(c), a, b);
}
/* The sign of each lane of `from`, and nothing else. */
static inline uint32x4_t sign_of(vf from) {
    return vandq_u32(vreinterpretq_u32_f32(from), vdupq_n_u32(0x80000000u));
}
/* x, its sign changed where `by` is negative. */
static inline vf vf_flip_sign(vf x, vf by) {
    return vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(x), sign_of(by)));
}
/* Even lanes a b - c, odd lanes a b + c. */
static inline vf vf_fmaddsub(vf a, vf b, vf c) {
    const float even[4] = {-1, 1, -1, 1};
    return vfmaq_f32(vf_flip_sign(c, vld1q_f32(even)), a, b);
}
/* a > b ? a : b; the instruction's maximum treats NaN and zeros otherwise. */
static inline vf vf_greater(vf a, vf b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline vf vf_at_least(vf bound, vf x) {
    return vf_greater(bound, x);
}
static inline vf vf_at_most(vf bound, vf x) {
    return vbslq_f32(vcltq_f32(bound, x), bound, x);
}
static inline vf vf_abs(vf x) {
    return vabsq_f32(x);
}
static inline vf vf_negate(vf x) {
    return vnegq_f32(x);
}
/* For x without a sign. */
static inline vf vf_copysign(vf x, vf sign) {
    return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(x), sign_of(sign)));
}
/* A bit for each lane that is not in [low, high): NaN is outside. */
static inline unsigned vf_outside(vf x, vf low, vf high) {
    const uint32_t weight[4] = {1, 2, 4, 8};
    uint32x4_t inside = vandq_u32(vcgeq_f32(x, low), vcltq_f32(x, high));
    return vaddvq_u32(vbicq_u32(vld1q_u32(weight), inside));
}
static inline vf vf_swap_pairs(vf x) {
    return vrev64q_f32(x);
}
/* p[0], p[0], p[1], p[1] */
static inline vf vf_load_twice(const float *p) {
    float32x2_t x = vld1_f32(p);
    return vcombine_f32(vzip1_f32(x, x), vzip2_f32(x, x));
}
static inline float vf_fold16(const vf sum[4]) {
    vf a = vaddq_f32(sum[0], sum[2]), b = vaddq_f32(sum[1], sum[3]); /* l + (l + 8) */
    vf s = vaddq_f32(a, b);
    float32x2_t t = vadd_f32(vget_low_f32(s), vget_high_f32(s));
    return vget_lane_f32(t, 0) + vget_lane_f32(t, 1);
}

static inline vd vf_low(vf x) {
    return vcvt_f64_f32(vget_low_f32(x));
}
static inline vd vf_high(vf x) {
    return vcvt_high_f64_f32(x);
}
static inline vf vf_round(vd low, vd high) {
    return vcvt_high_f32_f64(vcvt_f32_f64(low), high);
}
static inline vd vd_set(double x) {
    return vdupq_n_f64(x);
}
static inline vd vd_bits(uint64_t bits) {
    return vreinterpretq_f64_u64(vdupq_n_u64(bits));
}
static inline vd vd_add(vd a, vd b) {
    return vaddq_f64(a, b);
}
static inline vd vd_sub(vd a, vd b) {
    return vsubq_f64(a, b);
}
static inline vd vd_mul(vd a, vd b) {
    return vmulq_f64(a, b);
}
static inline vd vd_div(vd a, vd b) {
    return vdivq_f64(a, b);
}
static inline vd vd_at_least(vd bound, vd x) {
    return vbslq_f64(vcgtq_f64(bound, x), bound, x);
}
static inline vd vd_fma(vd a, vd b, vd c) {
    return vfmaq_f64(c, a, b);
}
static inline vd vd_fnma(vd a, vd b, vd c) {
    return vfmsq_f64(c, a, b);
}
static inline uint64x2_t bits_of(vd x) {
    return vreinterpretq_u64_f64(x);
}
static inline vd vd_and(vd a, vd b) {
    return vreinterpretq_f64_u64(vandq_u64(bits_of(a), bits_of(b)));
}
static inline vd vd_or(vd a, vd b) {
    return vreinterpretq_f64_u64(vorrq_u64(bits_of(a), bits_of(b)));
}
static inline vd vd_xor(vd a, vd b) {
    return vreinterpretq_f64_u64(veorq_u64(bits_of(a), bits_of(b)));
}
/* Sums and shifts of the 64 bits as integers. */
static inline vd vd_iadd(vd a, vd b) {
    return vreinterpretq_f64_u64(vaddq_u64(bits_of(a), bits_of(b)));
}
static inline vd vd_shl(vd x, int n) {
    return vreinterpretq_f64_u64(vshlq_u64(bits_of(x), vdupq_n_s64(n)));
}
static inline vd vd_shr(vd x, int n) {
    return vreinterpretq_f64_u64(vshlq_u64(bits_of(x), vdupq_n_s64(-n)));
}
/* b where the sign bit of `which` is set, else a. */
static inline vd vd_choose(vd which, vd a, vd b) {
    return vbslq_f64(vcltzq_s64(vreinterpretq_s64_f64(which)), b, a);
}
static inline bool vd_any_equal(vd a, vd b) { /* as integers */
    uint64x2_t equal = vceqq_u64(bits_of(a), bits_of(b));
    return (vgetq_lane_u64(equal, 0) | vgetq_lane_u64(equal, 1)) != 0;
}
/* The low two bits of each lane, as an index for vd_look_up. */
static inline vd_index vd_index4(vd x) {
    return vandq_u64(bits_of(x), vdupq_n_u64(3));
}
static inline vd vd_look_up(const double table[4], vd_index i) {
    vd x = vdupq_n_f64(table[vgetq_lane_u64(i, 0)]);
    return vsetq_lane_f64(table[vgetq_lane_u64(i, 1)], x, 1);
}

#include "math/vec_simd.inc"

void vec_fill_neon(struct math_kernels *k) {
    vec_fill_simd(k);
}
