/* half.h - F16 and BF16 to and from binary32 in plain C: exact widening, rounding to nearest
 * even. SIMD kernels use the CPU's own instructions, which give the same bits. */
#ifndef MATH_HALF_H
#define MATH_HALF_H

#include <stdint.h>
#include <string.h>

static inline float bits_f32(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t f32_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float bf16_widen(uint16_t h) {
    return bits_f32((uint32_t)h << 16);
}

/* NaNs keep their sign and become quiet. */
static inline uint16_t bf16_round(float x) {
    uint32_t bits = f32_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static inline float f16_widen(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = h >> 10 & 0x1fu, mantissa = h & 0x3ffu;
    if (exponent == 0x1f) /* infinity; NaN made quiet, as the instruction does */
        return bits_f32(sign | 0x7f800000u | (mantissa ? 0x400000u | mantissa << 13 : 0));
    if (exponent == 0) /* zero or subnormal: mantissa * 2^-24, exact */
        return bits_f32(sign | f32_bits((float)mantissa * 0x1p-24f));
    return bits_f32(sign | (exponent + 112) << 23 | mantissa << 13);
}

static inline uint16_t f16_round(float x) {
    uint32_t bits = f32_bits(x), sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (bits >> 13 & 0x3ffu));
    if (bits >= 0x47800000u) return (uint16_t)(sign | 0x7c00u); /* >= 65536 */
    if (bits <
        0x38800000u) { /* below 2^-14: a multiple of 2^-24, rounded by the addition */
        uint32_t sum = f32_bits(bits_f32(bits) + 0.5f);
        return (uint16_t)(sign | (sum - 0x3f000000u));
    }
    /* Normal; a carry out of the mantissa goes into the exponent, up to infinity. */
    bits += 0xfffu + (bits >> 13 & 1u);
    return (uint16_t)(sign | ((bits - 0x38000000u) >> 13));
}

static inline uint16_t load_u16(const void *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#endif
