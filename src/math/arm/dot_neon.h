/* dot_neon.h - sums of products of signed bytes, with the instruction that the including
 * file may use: sdot where it is compiled for it (*_dotprod.c), else widening
 * multiplications. */
#ifndef MATH_ARM_DOT_NEON_H
#define MATH_ARM_DOT_NEON_H

#include <arm_neon.h>
#include <stdint.h>

/* Each lane grows by four of the sixteen products (which four is up to the instruction); w
 * * a of two of them must fit 16 bits, as they do when |w| <= 128 and |a| <= 127. */
static inline __attribute__((always_inline)) int32x4_t dot_16(int32x4_t sum, int8x16_t w,
                                                              int8x16_t a) {
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, w, a);
#else
    int16x8_t pairs = vmull_s8(vget_low_s8(w), vget_low_s8(a));
    return vpadalq_s16(sum, vmlal_high_s8(pairs, w, a));
#endif
}

/* Lane r is the sum of sums[r]. */
static inline __attribute__((always_inline)) int32x4_t dot_gather(const int32x4_t sums[4]) {
    return vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
}

#endif
