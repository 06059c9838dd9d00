/* quant_c.c - the definition of weights to blocks: one block at a time, in scalar code. */
#include "math/dispatch.h"
#include "math/half.h"
#include "math/q32.h"
#include "math/qk.h"

#include <math.h>
#include <string.h>

enum { VF_LANES = 1 };
typedef float vf;
typedef int vm;

static inline vf vf_load(const float *p) {
    return *p;
}
static inline void vf_store(float *p, vf x) {
    *p = x;
}
static inline vf vf_set(float x) {
    return x;
}
static inline vf vf_add(vf a, vf b) {
    return a + b;
}
static inline vf vf_sub(vf a, vf b) {
    return a - b;
}
static inline vf vf_mul(vf a, vf b) {
    return a * b;
}
static inline vf vf_div(vf a, vf b) {
    return a / b;
}
static inline vf vf_abs(vf x) {
    return fabsf(x);
}
static inline vf vf_sqrt(vf x) {
    return sqrtf(x);
}
/* The second for NaN. */
static inline vf vf_min(vf a, vf b) {
    return a < b ? a : b;
}
static inline vf vf_max(vf a, vf b) {
    return a > b ? a : b;
}
/* False for NaN, but for "not equal". */
static inline vm vf_gt(vf a, vf b) {
    return a > b;
}
static inline vm vf_ge(vf a, vf b) {
    return a >= b;
}
static inline vm vf_eq(vf a, vf b) {
    return a == b;
}
static inline vm vf_ne(vf a, vf b) {
    return a != b;
}
static inline vm vm_and(vm a, vm b) {
    return a & b;
}
static inline bool vm_any(vm a) {
    return a;
}
static inline vf vf_if(vm m, vf yes, vf no) {
    return m ? yes : no;
}
/* Whole numbers 0 … 255. */
static inline void vf_bytes(uint8_t *out, vf x) {
    *out = (uint8_t)(int32_t)x;
}

#include "math/quant_lanes.inc"

void quant_fill_c(struct math_kernels *k) {
    quant_fill(k);
}
