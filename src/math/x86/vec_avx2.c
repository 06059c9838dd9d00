/* vec_avx2.c - functions and vectors eight lanes at a time. Elementwise work may be cut
 * anywhere; sums keep the sixteen lanes of arithmetic.md in two registers.
 *
 * Functions are correctly rounded whatever the steps, so these need not be the C version's:
 * where the binary64 value is too near a rounding boundary, the scalar function decides. */
#include "math/dispatch.h"
#include "math/functions.h"
#include "math/functions_table.h"

#include <immintrin.h>
#include <math.h>

#define LN2_HI 0x1.62e42fefa39efp-1
#define LN2_LO 0x1.abc9e3b39803fp-56
#define LOG2_E 0x1.71547652b82fep+0

enum { STEP = 16 }; /* floats per round: four registers of doubles hide the fma's latency */

struct wide {
    __m256d part[STEP / 4];
};

static inline struct wide widen16(__m256 low, __m256 high) {
    return (struct wide){{_mm256_cvtps_pd(_mm256_castps256_ps128(low)),
                          _mm256_cvtps_pd(_mm256_extractf128_ps(low, 1)),
                          _mm256_cvtps_pd(_mm256_castps256_ps128(high)),
                          _mm256_cvtps_pd(_mm256_extractf128_ps(high, 1))}};
}

static inline __m256 join(__m256d low, __m256d high) {
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
}

/* Rounds r to floats; *doubtful gets a bit per lane whose neighbours within 2^-50 differ. */
static inline void settle(__m256 out[2], const struct wide *r, unsigned *doubtful) {
    const __m256d below = _mm256_set1_pd(-0x1p-50), above = _mm256_set1_pd(0x1p-50);
    *doubtful = 0;
    for (int h = 0; h < 2; h++) {
        __m256d a = r->part[2 * h], b = r->part[2 * h + 1];
        __m256 low = join(_mm256_fmadd_pd(a, below, a), _mm256_fmadd_pd(b, below, b));
        __m256 high = join(_mm256_fmadd_pd(a, above, a), _mm256_fmadd_pd(b, above, b));
        __m256i same =
            _mm256_cmpeq_epi32(_mm256_castps_si256(low), _mm256_castps_si256(high));
        out[h] = low;
        *doubtful |= (unsigned)(~_mm256_movemask_ps(_mm256_castsi256_ps(same)) & 255)
                     << (8 * h);
    }
}

/* Binary64 e^x for lanes within the float range of exp. */
static inline struct wide exp_wide(struct wide x) {
    static const double c[] = {1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
                               1.0 / 362880.0,    1.0 / 40320.0,    1.0 / 5040.0,
                               1.0 / 720.0,       1.0 / 120.0,      1.0 / 24.0,
                               1.0 / 6.0,         0.5,              1.0, 1.0};
    struct wide r, p;
    __m256i scale[4];
    for (int i = 0; i < 4; i++) {
        __m256d k = _mm256_round_pd(_mm256_mul_pd(x.part[i], _mm256_set1_pd(LOG2_E)),
                                    _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        r.part[i] = _mm256_fnmadd_pd(k, _mm256_set1_pd(LN2_HI), x.part[i]);
        r.part[i] = _mm256_fnmadd_pd(k, _mm256_set1_pd(LN2_LO), r.part[i]);
        __m256i e = _mm256_cvtepi32_epi64(_mm256_cvtpd_epi32(k));
        scale[i] = _mm256_slli_epi64(_mm256_add_epi64(e, _mm256_set1_epi64x(1023)), 52);
        p.part[i] = _mm256_set1_pd(1.0 / 6227020800.0);
    }
    for (int j = 0; j < 13; j++)
        for (int i = 0; i < 4; i++)
            p.part[i] = _mm256_fmadd_pd(p.part[i], r.part[i], _mm256_set1_pd(c[j]));
    for (int i = 0; i < 4; i++)
        p.part[i] = _mm256_mul_pd(p.part[i], _mm256_castsi256_pd(scale[i]));
    return p;
}

/* e^x of 16 floats. */
static inline void exp16(__m256 y[2], __m256 x0, __m256 x1) {
    const __m256 least = _mm256_set1_ps(-0x1.9fe36ap6F), most = _mm256_set1_ps(0x1.62e42ep6F);
    __m256 in[2] = {x0, x1}, clamped[2];
    unsigned doubtful, outside = 0;
    for (int h = 0; h < 2; h++) {
        /* max/min give the bound for NaN too: its second operand. */
        clamped[h] = _mm256_min_ps(_mm256_max_ps(in[h], least), most);
        __m256 fits = _mm256_cmp_ps(in[h], most, _CMP_LE_OQ);
        outside |= (unsigned)(~_mm256_movemask_ps(fits) & 255) << (8 * h);
    }
    struct wide r = exp_wide(widen16(clamped[0], clamped[1]));
    settle(y, &r, &doubtful);
    for (int h = 0; h < 2; h++) {
        __m256 under = _mm256_cmp_ps(in[h], least, _CMP_LT_OQ);
        y[h] = _mm256_andnot_ps(under, y[h]);
    }
    if (doubtful | outside) {
        float from[STEP], to[STEP];
        for (int h = 0; h < 2; h++) {
            _mm256_storeu_ps(from + 8 * h, in[h]);
            _mm256_storeu_ps(to + 8 * h, y[h]);
        }
        for (int l = 0; l < STEP; l++)
            if ((doubtful | outside) >> l & 1) to[l] = math_exp_f32(from[l]);
        for (int h = 0; h < 2; h++) y[h] = _mm256_loadu_ps(to + 8 * h);
    }
}

/* The last, partial step goes through a padded copy. */
static void exp_f32_avx2(float *y, const float *x, int64_t n) {
    int64_t i = 0;
    __m256 out[2];
    for (; i + STEP <= n; i += STEP) {
        exp16(out, _mm256_loadu_ps(x + i), _mm256_loadu_ps(x + i + 8));
        _mm256_storeu_ps(y + i, out[0]);
        _mm256_storeu_ps(y + i + 8, out[1]);
    }
    if (i < n) {
        float pad[STEP] = {0};
        for (int64_t l = i; l < n; l++) pad[l - i] = x[l];
        exp16(out, _mm256_loadu_ps(pad), _mm256_loadu_ps(pad + 8));
        _mm256_storeu_ps(pad, out[0]);
        _mm256_storeu_ps(pad + 8, out[1]);
        for (int64_t l = i; l < n; l++) y[l] = pad[l - i];
    }
}

static inline void silu16(__m256 y[2], __m256 x0, __m256 x1) {
    const __m256 sign = _mm256_set1_ps(-0.0F), one = _mm256_set1_ps(1);
    exp16(y, _mm256_xor_ps(x0, sign), _mm256_xor_ps(x1, sign));
    y[0] = _mm256_div_ps(x0, _mm256_add_ps(one, y[0]));
    y[1] = _mm256_div_ps(x1, _mm256_add_ps(one, y[1]));
}

static void silu_f32_avx2(float *y, const float *x, int64_t n) {
    int64_t i = 0;
    __m256 out[2];
    for (; i + STEP <= n; i += STEP) {
        silu16(out, _mm256_loadu_ps(x + i), _mm256_loadu_ps(x + i + 8));
        _mm256_storeu_ps(y + i, out[0]);
        _mm256_storeu_ps(y + i + 8, out[1]);
    }
    if (i < n) {
        float pad[STEP] = {0};
        for (int64_t l = i; l < n; l++) pad[l - i] = x[l];
        silu16(out, _mm256_loadu_ps(pad), _mm256_loadu_ps(pad + 8));
        _mm256_storeu_ps(pad, out[0]);
        _mm256_storeu_ps(pad + 8, out[1]);
        for (int64_t l = i; l < n; l++) y[l] = pad[l - i];
    }
}

static inline float lanes_sum(__m256 a, __m256 b) {
    __m256 s = _mm256_add_ps(a, b); /* l + (l + 8) */
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    t = _mm_add_ss(t, _mm_shuffle_ps(t, t, 1));
    return _mm_cvtss_f32(t);
}

/* Lanes continue by absolute index: whole sixteens in registers, ends lane by lane. */
static float softmax_exp_f32_avx2(float *p, const float *s, float max, int64_t begin,
                                  int64_t end) {
    float lane[16] = {0};
    int64_t j = begin, first = (begin + 15) / 16 * 16;
    const __m256 top = _mm256_set1_ps(max);
    for (; j < end && j < first; j++) {
        p[j] = math_exp_f32(s[j] - max);
        lane[j % 16] = lane[j % 16] + p[j];
    }
    __m256 a = _mm256_loadu_ps(lane), b = _mm256_loadu_ps(lane + 8), out[2];
    for (; j + STEP <= end; j += STEP) {
        exp16(out, _mm256_sub_ps(_mm256_loadu_ps(s + j), top),
              _mm256_sub_ps(_mm256_loadu_ps(s + j + 8), top));
        _mm256_storeu_ps(p + j, out[0]);
        _mm256_storeu_ps(p + j + 8, out[1]);
        a = _mm256_add_ps(a, out[0]);
        b = _mm256_add_ps(b, out[1]);
    }
    _mm256_storeu_ps(lane, a);
    _mm256_storeu_ps(lane + 8, b);
    if (j < end) {
        float pad[STEP] = {0};
        for (int64_t l = j; l < end; l++) pad[l - j] = s[l] - max;
        exp16(out, _mm256_loadu_ps(pad), _mm256_loadu_ps(pad + 8));
        _mm256_storeu_ps(pad, out[0]);
        _mm256_storeu_ps(pad + 8, out[1]);
        for (int64_t l = j; l < end; l++) {
            p[l] = pad[l - j];
            lane[l % 16] = lane[l % 16] + p[l];
        }
    }
    return lanes_sum(_mm256_loadu_ps(lane), _mm256_loadu_ps(lane + 8));
}

static void add_f32_avx2(float *y, const float *a, const float *b, int64_t n) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
    for (; i < n; i++) y[i] = a[i] + b[i];
}

static void mul_f32_avx2(float *y, const float *a, const float *b, int64_t n) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
    for (; i < n; i++) y[i] = a[i] * b[i];
}

static void scale_f32_avx2(float *y, const float *x, float factor, int64_t n) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(factor)));
    for (; i < n; i++) y[i] = x[i] * factor;
}

static void divide_f32_avx2(float *y, const float *x, float divisor, int64_t n) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_div_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(divisor)));
    for (; i < n; i++) y[i] = x[i] / divisor;
}

static float max_f32_avx2(const float *x, int64_t n) {
    /* max_ps gives its second operand for NaN: the running value, as the definition does. */
    __m256 most = _mm256_set1_ps(-INFINITY);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) most = _mm256_max_ps(_mm256_loadu_ps(x + i), most);
    float lane[8], top = -INFINITY;
    _mm256_storeu_ps(lane, most);
    for (int l = 0; l < 8; l++) top = lane[l] > top ? lane[l] : top;
    for (; i < n; i++) top = x[i] > top ? x[i] : top;
    return top + 0.0F;
}

static float sum16_f32_avx2(const float *x, int64_t n) {
    __m256 a = _mm256_setzero_ps(), b = a;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        a = _mm256_add_ps(a, _mm256_loadu_ps(x + i));
        b = _mm256_add_ps(b, _mm256_loadu_ps(x + i + 8));
    }
    float lane[16];
    _mm256_storeu_ps(lane, a);
    _mm256_storeu_ps(lane + 8, b);
    for (int l = 0; i < n; i++, l++) lane[l] = lane[l] + x[i];
    return lanes_sum(_mm256_loadu_ps(lane), _mm256_loadu_ps(lane + 8));
}

/* Squares of x - mean; mean 0 leaves x as it is (x - 0 is x but for the sign of zero, whose
 * square is the same). */
static inline float sum_squares(const float *x, float mean, int64_t n) {
    __m256 a = _mm256_setzero_ps(), b = a;
    const __m256 m = _mm256_set1_ps(mean);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256 d = _mm256_sub_ps(_mm256_loadu_ps(x + i), m);
        __m256 e = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8), m);
        a = _mm256_fmadd_ps(d, d, a);
        b = _mm256_fmadd_ps(e, e, b);
    }
    float lane[16];
    _mm256_storeu_ps(lane, a);
    _mm256_storeu_ps(lane + 8, b);
    for (int l = 0; i < n; i++, l++) {
        float d = x[i] - mean;
        lane[l] = fmaf(d, d, lane[l]);
    }
    return lanes_sum(_mm256_loadu_ps(lane), _mm256_loadu_ps(lane + 8));
}

static float sumsq16_f32_avx2(const float *x, int64_t n) {
    return sum_squares(x, 0, n);
}

static void rmsnorm_f32_avx2(float *y, const float *x, const float *w, int64_t n, float eps) {
    float mean = sum_squares(x, 0, n) / (float)n, r = 1.0F / sqrtf(mean + eps);
    const __m256 factor = _mm256_set1_ps(r);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), factor),
                                              _mm256_loadu_ps(w + i)));
    for (; i < n; i++) y[i] = x[i] * r * w[i];
}

static void layernorm_f32_avx2(float *y, const float *x, const float *w, const float *b,
                               int64_t n, float eps) {
    float mean = sum16_f32_avx2(x, n) / (float)n;
    float r = 1.0F / sqrtf(sum_squares(x, mean, n) / (float)n + eps);
    const __m256 m = _mm256_set1_ps(mean), factor = _mm256_set1_ps(r);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 d = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), m), factor);
        __m256 g = _mm256_loadu_ps(w + i);
        d = b == NULL ? _mm256_mul_ps(d, g) : _mm256_fmadd_ps(d, g, _mm256_loadu_ps(b + i));
        _mm256_storeu_ps(y + i, d);
    }
    for (; i < n; i++) {
        float d = (x[i] - mean) * r;
        y[i] = b == NULL ? d * w[i] : fmaf(d, w[i], b[i]);
    }
}

static void rope_half_f32_avx2(float *x, const float *cosines, const float *sines,
                               int64_t n_heads, int64_t head_dim, int64_t n_rot) {
    int64_t half = n_rot / 2;
    for (int64_t h = 0; h < n_heads; h++, x += head_dim) {
        int64_t i = 0;
        for (; i + 8 <= half; i += 8) {
            __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + half + i);
            __m256 c = _mm256_loadu_ps(cosines + i), s = _mm256_loadu_ps(sines + i);
            _mm256_storeu_ps(x + i, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
            _mm256_storeu_ps(x + half + i, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)));
        }
        for (; i < half; i++) {
            float a = x[i], b = x[half + i], left = b * sines[i], right = a * sines[i];
            x[i] = fmaf(a, cosines[i], -left);
            x[half + i] = fmaf(b, cosines[i], right);
        }
    }
}

static void rope_pairs_f32_avx2(float *x, const float *cosines, const float *sines,
                                int64_t n_heads, int64_t head_dim, int64_t n_rot) {
    int64_t half = n_rot / 2;
    for (int64_t h = 0; h < n_heads; h++, x += head_dim) {
        int64_t i = 0;
        for (; i + 4 <= half; i += 4) {
            __m256 v = _mm256_loadu_ps(x + 2 * i);
            __m128 c4 = _mm_loadu_ps(cosines + i), s4 = _mm_loadu_ps(sines + i);
            __m256 c = _mm256_set_m128(_mm_unpackhi_ps(c4, c4), _mm_unpacklo_ps(c4, c4));
            __m256 s = _mm256_set_m128(_mm_unpackhi_ps(s4, s4), _mm_unpacklo_ps(s4, s4));
            /* Even lanes: v c - w s; odd: v c + w s, w the pair's other member. */
            __m256 w = _mm256_mul_ps(_mm256_permute_ps(v, 0xb1), s);
            _mm256_storeu_ps(x + 2 * i, _mm256_fmaddsub_ps(v, c, w));
        }
        for (; i < half; i++) {
            float a = x[2 * i], b = x[2 * i + 1], left = b * sines[i], right = a * sines[i];
            x[2 * i] = fmaf(a, cosines[i], -left);
            x[2 * i + 1] = fmaf(b, cosines[i], right);
        }
    }
}

static double fma_peak_avx2(int64_t rounds) {
    __m256 a[12];
    const __m256 x = _mm256_set1_ps(0.5F), y = _mm256_set1_ps(1);
    for (int i = 0; i < 12; i++) a[i] = _mm256_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < 12; i++) {
            a[i] = _mm256_fmadd_ps(a[i], x, y);
            __asm__ volatile("" : "+x"(a[i])); /* keep each in its register */
        }
    return 12.0 * 16.0 * (double)rounds;
}

void vec_fill_avx2(struct math_kernels *k) {
    k->exp_f32 = exp_f32_avx2;
    k->silu_f32 = silu_f32_avx2;
    k->softmax_exp_f32 = softmax_exp_f32_avx2;
    k->add_f32 = add_f32_avx2;
    k->mul_f32 = mul_f32_avx2;
    k->scale_f32 = scale_f32_avx2;
    k->divide_f32 = divide_f32_avx2;
    k->max_f32 = max_f32_avx2;
    k->sum16_f32 = sum16_f32_avx2;
    k->sumsq16_f32 = sumsq16_f32_avx2;
    k->rmsnorm_f32 = rmsnorm_f32_avx2;
    k->layernorm_f32 = layernorm_f32_avx2;
    k->rope_half_f32 = rope_half_f32_avx2;
    k->rope_pairs_f32 = rope_pairs_f32_avx2;
    k->fma_peak = fma_peak_avx2;
}
