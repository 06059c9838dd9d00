/* simde512_q32.h - AVX-512 intrinsics that the 32-block kernels use and that SIMDe's Debian 12
 * version lacks, one element after the other. Include after simde512.h. */
#ifndef SIMDE512_Q32_H
#define SIMDE512_Q32_H

#include "simde512.h"

#include "math/half.h"

#include <string.h>

#define INLINE static __attribute__((noinline, unused))

/* SIMDe's own name for it takes four arguments. */
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16

static inline simde__m512i simde512_maskz_loadu_epi8(simde__mmask64 mask, const void *p) {
    uint8_t x[64] = {0};
    for (int i = 0; i < 64; i++)
        if (mask >> i & 1) x[i] = ((const uint8_t *)p)[i];
    return simde_mm512_loadu_si512(x);
}
#undef _mm512_maskz_loadu_epi8
#define _mm512_maskz_loadu_epi8 simde512_maskz_loadu_epi8

/* To nearest even, as long as the result fits 22 bits. */
static inline simde__m512i simde512_cvtps_epi32(simde__m512 v) {
    float x[16];
    int32_t q[16];
    simde_mm512_storeu_ps(x, v);
    for (int i = 0; i < 16; i++) q[i] = (int32_t)((x[i] + 0x1.8p+23f) - 0x1.8p+23f);
    return simde_mm512_loadu_si512(q);
}
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32 simde512_cvtps_epi32

#endif
