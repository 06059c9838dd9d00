/* qk512_emulated.h - what SIMDe's Debian 12 version lacks for the products with weights in
 * blocks of 256. The tests that include it compile those against the emulation, so that
 * machines without AVX-512 hold them to the definition too. */
#ifndef QK512_EMULATED_H
#define QK512_EMULATED_H

#include "simde512.h"

#include <string.h>

static inline __m256i qk512_cvtepi32_epi16(simde__m512i x) {
    uint16_t in[32], out[16];
    simde_mm512_storeu_si512(in, x);
    for (int i = 0; i < 16; i++) out[i] = in[2 * i];
    return _mm256_loadu_si256((const __m256i *)(const void *)out);
}
#define _mm512_cvtepi32_epi16 qk512_cvtepi32_epi16

static inline simde__m512i qk512_cvtepi16_epi32(__m256i x) {
    int16_t in[16];
    int32_t out[16];
    _mm256_storeu_si256((__m256i *)(void *)in, x);
    for (int i = 0; i < 16; i++) out[i] = in[i];
    return simde_mm512_loadu_si512(out);
}
#define _mm512_cvtepi16_epi32 qk512_cvtepi16_epi32

static inline simde__m512i qk512_srai_epi32(simde__m512i x, unsigned n) {
    int32_t v[16];
    simde_mm512_storeu_si512(v, x);
    for (int i = 0; i < 16; i++) v[i] >>= n;
    return simde_mm512_loadu_si512(v);
}
#undef _mm512_srai_epi32 /* its alias calls the instruction */
#define _mm512_srai_epi32 qk512_srai_epi32

/* SIMDe wants a constant, which the uninlined code does not have. */
static inline simde__m512i qk512_srli_epi16(simde__m512i x, unsigned n) {
    uint16_t v[32];
    simde_mm512_storeu_si512(v, x);
    for (int i = 0; i < 32; i++) v[i] = (uint16_t)(v[i] >> n);
    return simde_mm512_loadu_si512(v);
}
#undef _mm512_srli_epi16
#define _mm512_srli_epi16 qk512_srli_epi16

#undef _mm512_madd_epi16 /* its alias has the parameters of the masked one */
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)

#endif
