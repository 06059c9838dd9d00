/* quant_neon.c - weights to blocks with Advanced SIMD: four blocks side by side. */
#include "math/dispatch.h"
#include "math/half.h"
#include "math/q32.h"
#include "math/qk.h"

#include <arm_neon.h>
#include <math.h>
#include <string.h>

enum { VF_LANES = 4 };
typedef float32x4_t vf;
typedef uint32x4_t vm;

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
static inline vf vf_abs(vf x) {
    return vabsq_f32(x);
}
static inline vf vf_sqrt(vf x) {
    return vsqrtq_f32(x);
}
static inline vm vf_gt(vf a, vf b) {
    return vcgtq_f32(a, b);
}
static inline vm vf_ge(vf a, vf b) {
    return vcgeq_f32(a, b);
}
static inline vm vf_eq(vf a, vf b) {
    return vceqq_f32(a, b);
}
static inline vm vf_ne(vf a, vf b) {
    return vmvnq_u32(vceqq_f32(a, b));
}
static inline vm vm_and(vm a, vm b) {
    return vandq_u32(a, b);
}
static inline bool vm_any(vm a) {
    return vmaxvq_u32(a) != 0;
}
static inline vf vf_if(vm m, vf yes, vf no) {
    return vbslq_f32(m, yes, no);
}
/* Not the instructions, which treat NaN otherwise. */
static inline vf vf_min(vf a, vf b) {
    return vf_if(vf_gt(b, a), a, b);
}
static inline vf vf_max(vf a, vf b) {
    return vf_if(vf_gt(a, b), a, b);
}
static inline void vf_bytes(uint8_t *out, vf x) {
    uint32_t pad[4];
    vst1q_u32(pad, vcvtq_u32_f32(x));
    for (int l = 0; l < 4; l++) out[l] = (uint8_t)pad[l];
}

#include "math/quant_lanes.inc"

void quant_fill_neon(struct math_kernels *k) {
    quant_fill(k);
}
