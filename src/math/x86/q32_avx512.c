/* q32_avx512.c - products with weights in blocks of 32, and the rounding of activations,
 * for AVX-512 without VNNI. */
#define VNNI 0
#include "math/x86/q32_avx512.inc"

/* The largest |x| of a block: as integers, numbers of one sign are ordered like their
 * values, then infinity and NaNs. */
INLINE float largest(__m512 x, __m512 y) {
    const __m512i size = _mm512_set1_epi32(0x7fffffff);
    __m512i both = _mm512_max_epi32(_mm512_and_si512(size, _mm512_castps_si512(x)),
                                    _mm512_and_si512(size, _mm512_castps_si512(y)));
    __m256i m8 =
        _mm256_max_epi32(_mm512_castsi512_si256(both), _mm512_extracti64x4_epi64(both, 1));
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(m8), _mm256_extracti128_si256(m8, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(m));
}

INLINE void round_block(struct a32_block *out, const float *from) {
    __m512 x = _mm512_loadu_ps(from), y = _mm512_loadu_ps(from + 16);
    float max = largest(x, y), d = max / 127;
    if (f32_bits(max) >= 0x7f800000u || d < 0x1p-126f) {
        memset(out, 0, sizeof *out);
        if (f32_bits(max) >= 0x7f800000u) out->d = bits_f32(0x7fc00000u);
        return;
    }
    __m512 inv = _mm512_set1_ps(1 / d);
    __m512i p = _mm512_cvtps_epi32(_mm512_mul_ps(x, inv));
    __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(y, inv));
    _mm_storeu_si128((__m128i *)out->q, _mm512_cvtsepi32_epi8(p));
    _mm_storeu_si128((__m128i *)(out->q + 16), _mm512_cvtsepi32_epi8(q));
    /* Sums of those whose index mod 4 is 0, 1, 2, 3; then of two each. */
    __m512i both = _mm512_add_epi32(p, q);
    __m256i s8 =
        _mm256_add_epi32(_mm512_castsi512_si256(both), _mm512_extracti64x4_epi64(both, 1));
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(s8), _mm256_extracti128_si256(s8, 1));
    s = _mm_hadd_epi32(s, s);
    uint64_t lanes = (uint64_t)_mm_cvtsi128_si64(s);
    int32_t first = (int32_t)lanes, second = (int32_t)(lanes >> 32);
    out->d = d;
    out->sum = (float)(first + second);
    out->offset8 = -8 * (first + second);
    out->offset16[0] = (int16_t)(-16 * first);
    out->offset16[1] = (int16_t)(-16 * second);
}

static void round_a32_avx512(void *out, const float *x, int64_t k) {
    struct a32_block *blocks = out;
    for (int64_t i = 0; i < k / Q32; i++) round_block(blocks + i, x + i * Q32);
}

void q32_fill_avx512(struct math_kernels *k) {
    k->round_a32 = round_a32_avx512;
    fill_gemm(k);
}
