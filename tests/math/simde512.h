/* simde512.h - AVX-512 intrinsics by SIMDe's emulation (AVX2 is enough), and those that its
 * Debian 12 version lacks. Include before anything that includes immintrin.h. */
#ifndef SIMDE512_H
#define SIMDE512_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

static inline simde__m512d simde512_cvtps_pd(__m256 x) {
    float in[8];
    double out[8];
    _mm256_storeu_ps(in, x);
    for (int i = 0; i < 8; i++) out[i] = (double)in[i];
    return simde_mm512_loadu_pd(out);
}
#define _mm512_cvtps_pd simde512_cvtps_pd

static inline __m256 simde512_cvtpd_ps(simde__m512d x) {
    double in[8];
    float out[8];
    simde_mm512_storeu_pd(in, x);
    for (int i = 0; i < 8; i++) out[i] = (float)in[i];
    return _mm256_loadu_ps(out);
}
#define _mm512_cvtpd_ps simde512_cvtpd_ps

static inline simde__m512 simde512_fmaddsub_ps(simde__m512 a, simde__m512 b,
                                               simde__m512 c) {
    float x[16], y[16], z[16];
    simde_mm512_storeu_ps(x, a);
    simde_mm512_storeu_ps(y, b);
    simde_mm512_storeu_ps(z, c);
    for (int i = 0; i < 16; i++) x[i] = __builtin_fmaf(x[i], y[i], i & 1 ? z[i] : -z[i]);
    return simde_mm512_loadu_ps(x);
}
#define _mm512_fmaddsub_ps simde512_fmaddsub_ps

static inline simde__m512 simde512_cvtph_ps(__m256i x) {
    float out[16];
    _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm256_castsi256_si128(x)));
    _mm256_storeu_ps(out + 8, _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1)));
    return simde_mm512_loadu_ps(out);
}
#define _mm512_cvtph_ps simde512_cvtph_ps

static inline simde__m512i simde512_cvtepi8_epi32(__m128i x) {
    int8_t in[16];
    int32_t out[16];
    _mm_storeu_si128((__m128i *)(void *)in, x);
    for (int i = 0; i < 16; i++) out[i] = in[i];
    return simde_mm512_loadu_si512(out);
}
#define _mm512_cvtepi8_epi32 simde512_cvtepi8_epi32

static inline simde__m512 simde512_cvtepi32_ps(simde__m512i x) {
    int32_t in[16];
    float out[16];
    simde_mm512_storeu_si512(in, x);
    for (int i = 0; i < 16; i++) out[i] = (float)in[i];
    return simde_mm512_loadu_ps(out);
}
#define _mm512_cvtepi32_ps simde512_cvtepi32_ps

static inline simde__m512 simde512_mask3_fmadd_ps(simde__m512 a, simde__m512 b,
                                                  simde__m512 c, simde__mmask16 k) {
    float x[16], y[16], z[16];
    simde_mm512_storeu_ps(x, a);
    simde_mm512_storeu_ps(y, b);
    simde_mm512_storeu_ps(z, c);
    for (int i = 0; i < 16; i++)
        if (k >> i & 1) z[i] = __builtin_fmaf(x[i], y[i], z[i]);
    return simde_mm512_loadu_ps(z);
}
#define _mm512_mask3_fmadd_ps simde512_mask3_fmadd_ps

/* The comparisons with a constant that are in use: a <= b and its opposite. */
static inline simde__mmask16 simde512_cmp_epi32_mask(simde__m512i a, simde__m512i b,
                                                     int how) {
    int32_t x[16], y[16];
    unsigned mask = 0;
    simde_mm512_storeu_si512(x, a);
    simde_mm512_storeu_si512(y, b);
    for (int i = 0; i < 16; i++) mask |= (unsigned)((x[i] <= y[i]) == (how == 2)) << i;
    return (simde__mmask16)mask;
}
#undef _mm512_cmp_epi32_mask
#define _mm512_cmp_epi32_mask simde512_cmp_epi32_mask

static inline simde__mmask16 simde512_testn_epi32_mask(simde__m512i a, simde__m512i b) {
    int32_t x[16], y[16];
    unsigned mask = 0;
    simde_mm512_storeu_si512(x, a);
    simde_mm512_storeu_si512(y, b);
    for (int i = 0; i < 16; i++) mask |= (unsigned)((x[i] & y[i]) == 0) << i;
    return (simde__mmask16)mask;
}
#undef _mm512_testn_epi32_mask
#define _mm512_testn_epi32_mask simde512_testn_epi32_mask

/* Subnormal numbers only (0x20). */
static inline simde__mmask16 simde512_fpclass_ps_mask(simde__m512 a, int what) {
    float x[16];
    unsigned mask = 0;
    simde_mm512_storeu_ps(x, a);
    for (int i = 0; i < 16; i++)
        mask |= (unsigned)(what == 0x20 && x[i] != 0 && __builtin_fabsf(x[i]) < 0x1p-126F)
                << i;
    return (simde__mmask16)mask;
}
#undef _mm512_fpclass_ps_mask
#define _mm512_fpclass_ps_mask simde512_fpclass_ps_mask

static inline simde__m512 simde512_maskz_loadu_ps(simde__mmask16 k, const void *p) {
    const float *from = p;
    float x[16] = {0};
    for (int i = 0; i < 16; i++)
        if (k >> i & 1) x[i] = from[i];
    return simde_mm512_loadu_ps(x);
}
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps simde512_maskz_loadu_ps

static inline void simde512_mask_storeu_ps(float *p, simde__mmask16 k, simde__m512 x) {
    float from[16];
    simde_mm512_storeu_ps(from, x);
    for (int i = 0; i < 16; i++)
        if (k >> i & 1) p[i] = from[i];
}
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps simde512_mask_storeu_ps

static inline float simde512_cvtss_f32(simde__m512 x) {
    float in[16];
    simde_mm512_storeu_ps(in, x);
    return in[0];
}
#define _mm512_cvtss_f32 simde512_cvtss_f32

static inline simde__m512i simde512_cvttps_epi32(simde__m512 x) {
    float in[16];
    int32_t out[16];
    simde_mm512_storeu_ps(in, x);
    for (int i = 0; i < 16; i++) out[i] = (int32_t)in[i];
    return simde_mm512_loadu_si512(out);
}
#define _mm512_cvttps_epi32 simde512_cvttps_epi32

/* The lowest byte of each. */
static inline __m128i simde512_cvtepi32_epi8(simde__m512i x) {
    int32_t in[16];
    int8_t out[16];
    simde_mm512_storeu_si512(in, x);
    for (int i = 0; i < 16; i++) out[i] = (int8_t)in[i];
    return _mm_loadu_si128((const __m128i *)(const void *)out);
}
#define _mm512_cvtepi32_epi8 simde512_cvtepi32_epi8

#endif
