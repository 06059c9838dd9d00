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

#endif
