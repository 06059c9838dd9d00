/* functions.c - the correctly rounded functions in plain C.
 *
 * Each is computed in binary64 by reduction and a polynomial, with every fused step spelled
 * out, to an error well under 2^-51 of the value, and rounded to binary32. That is the
 * right binary32 number unless a midpoint between two of them lies within that error of the
 * true value. Which arguments come so near is not a matter of proof but of trying all 2^32
 * (tests/tools/mpfr_all.c): the few that go wrong are listed below with their values. The
 * SIMD variants (vec_simd.inc) repeat these steps lane by lane. */
#include "math/functions.h"

#include "math/func_coef.h"
#include "math/half.h"

#include <stdint.h>
#include <string.h>

#define fma __builtin_fma

/* Adding and subtracting it rounds to an integer, left in the low bits: 1.5 * 2^52. */
#define ROUNDER 0x1.8p52

static uint64_t f64_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double bits_f64(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

struct exception {
    uint32_t x, y; /* bits of the argument and of the correctly rounded value */
};

/* Every listed argument's binary64 value is exactly a midpoint, so few values pass through
 * the list; vec_simd.inc sends those here. */
static float round_listed(double value, float x, const struct exception *list, int n) {
    if ((f64_bits(value) & 0x1fffffff) == 0x10000000)
        for (int i = 0; i < n; i++)
            if (list[i].x == f32_bits(x)) return bits_f32(list[i].y);
    return (float)value;
}

/* c[0] + c[1] x + … + c[n-1] x^(n-1) by Horner's rule. */
static double polynomial(const double *c, int n, double x) {
    double y = c[n - 1];
    for (int i = n - 2; i >= 0; i--) y = fma(y, x, c[i]);
    return y;
}

/* x = k ln 2 + r, |r| <= ln(2)/2 and a little. Returns r; *scale = 2^k. */
static double reduce_exp(double x, double *scale) {
    double shifted = fma(x, FUNC_LOG2E, ROUNDER);
    double k = shifted - ROUNDER;
    *scale = bits_f64((f64_bits(shifted) << 52) + f64_bits(1.0));
    return fma(-k, FUNC_LN2_LO, fma(-k, FUNC_LN2_HI, x));
}

double math_exp_f64(double x) {
    double scale, r = reduce_exp(x, &scale);
    return fma(r, polynomial(func_expm1, 11, r), 1.0) * scale;
}

float math_exp_f32(float x) {
    if (x != x) return x + x;
    /* Beyond these the results round to infinity and to 0, by the conversion below. */
    if (x > 89.0f) x = 89.0f;
    if (x < -104.0f) x = -104.0f;
    return (float)math_exp_f64(x);
}

/* With e = exp(2|x|) - 1: tanh |x| = e / (e + 2). Near 0, k = 0 and nothing cancels. */
float math_tanh_f32(float x) {
    if (x != x) return x + x;
    double a = __builtin_fabsf(x);
    if (a > 10.0) a = 10.0; /* there and beyond it rounds to 1 */
    double scale, r = reduce_exp(a + a, &scale);
    double e = fma(r * polynomial(func_expm1, 11, r), scale, scale - 1.0);
    return __builtin_copysignf((float)(e / (e + 2.0)), x);
}

/* |x| = i + 0.5 + h: x times a polynomial in h for each of four i. */
float math_erf_f32(float x) {
    if (x != x) return x + x;
    double a = __builtin_fabsf(x);
    if (a > 3.9990234375) a = 3.9990234375; /* there and beyond it rounds to 1 */
    double shifted = (a - 0.5) + ROUNDER;
    int i = (int)(f64_bits(shifted) & 3);
    double h = (a - 0.5) - (shifted - ROUNDER);
    double y = func_erf[FUNC_ERF_TERMS - 1][i];
    for (int j = FUNC_ERF_TERMS - 2; j >= 0; j--) y = fma(y, h, func_erf[j][i]);
    return __builtin_copysignf((float)(y * a), x);
}

/* x = 2^k m, sqrt(1/2) <= m < sqrt(2), f = m - 1, s = f / (2 + f):
 * log m = 2 atanh s = f - (f^2/2 - s (f^2/2 + R)), R = 2 atanh(s) / s - 2; f, f^2 are
 * exact. */
double math_log_f64(double x) {
    uint64_t above = f64_bits(x) - FUNC_SQRT_HALF_BITS;
    double k = (double)((int64_t)above >> 52);
    double f = bits_f64((above & 0x000fffffffffffffu) + FUNC_SQRT_HALF_BITS) - 1.0;
    double s = f / (f + 2.0), z = s * s, half_square = 0.5 * f * f;
    double rest = z * polynomial(func_log + 1, 8, z);
    double tail = fma(k, FUNC_LN2_LO, s * (half_square + rest));
    return fma(k, FUNC_LN2_HI, f - (half_square - tail));
}

static const struct exception log_exceptions[] = {
    {0x3c413d3a, 0xc08e158f}, {0x41178feb, 0x400fe5e7}, {0x4c5d65a5, 0x418f034b},
    {0x65d890d3, 0x4254d1f9}, {0x6f31a8ec, 0x42845a89},
};

float math_log_f32(float x) {
    if (x != x) return x + x;
    if (x < 0) return __builtin_nanf("");
    if (x == 0) return -__builtin_inff();
    if (x == __builtin_inff()) return x;
    return round_listed(math_log_f64(x), x, log_exceptions,
                        sizeof log_exceptions / sizeof *log_exceptions);
}

/* a >= 2^25: a = m 2^e with e >= 2, so modulo 4 the first e - 2 bits of 2/pi count for
 * nothing, and the next 128 give m 2^e 2/pi to 100 bits: 2 of quadrant, 98 and more of rest
 * (no binary32 number comes closer to a multiple of pi/2 than about 2^-30). */
static double reduce_huge(float a, uint64_t *quadrant) {
    uint32_t bits = f32_bits(a);
    unsigned skip = (bits >> 23) - 150 - 2, word = skip / 32, shift = skip % 32;
    unsigned __int128 window = 0;
    for (unsigned i = 0; i < 4; i++) window = window << 32 | func_2_pi_bits[word + i];
    window = window << shift | (uint64_t)func_2_pi_bits[word + 4] >> (32 - shift);
    unsigned __int128 turns = window * ((bits & 0x7fffffu) | 0x800000u); /* in 2^-126 */
    *quadrant = (uint64_t)((turns >> 125) + 1) >> 1 & 3;
    __int128 rest = (__int128)(turns - ((unsigned __int128)*quadrant << 126));
    double hi = (double)rest, lo = (double)(rest - (__int128)hi) * 0x1p-126;
    hi *= 0x1p-126;
    double r = hi * FUNC_PI_2_HI;
    return r + (fma(hi, FUNC_PI_2_HI, -r) + fma(hi, FUNC_PI_2_LO, lo * FUNC_PI_2_HI));
}

/* a = quadrant pi/2 + r (quadrant modulo 4), |r| <= pi/4 and a little. The first fma is
 * exact: a multiple of 2^-52 no larger than 2. */
static double reduce_trig(float a, uint64_t *quadrant) {
    if (a >= FUNC_TRIG_HUGE) return reduce_huge(a, quadrant);
    double shifted = fma(a, FUNC_2_PI, ROUNDER), k = shifted - ROUNDER;
    *quadrant = f64_bits(shifted);
    return fma(-k, FUNC_PI_2_LO, fma(-k, FUNC_PI_2_HI, a));
}

/* sin(quadrant pi/2 + r) */
static double sin_quadrant(uint64_t quadrant, double r) {
    double z = r * r;
    double y = quadrant & 1 ? fma(z, polynomial(func_cos + 1, 7, z), 1.0)
                            : fma(r * z, polynomial(func_sin + 1, 6, z), r);
    return quadrant & 2 ? -y : y;
}

static const struct exception sin_exceptions[] = {{0x46199998, 0xbeb1fa5d}};

float math_sin_f32(float x) {
    float a = __builtin_fabsf(x);
    if (!(a < __builtin_inff())) return x - x;
    uint64_t quadrant;
    double r = reduce_trig(a, &quadrant);
    float y = round_listed(sin_quadrant(quadrant, r), a, sin_exceptions, 1);
    return __builtin_signbit(x) ? -y : y;
}

static const struct exception cos_exceptions[] = {{0x5f18b878, 0x3f7f14bb},
                                                  {0x6115cb11, 0x3f78142f}};

float math_cos_f32(float x) {
    float a = __builtin_fabsf(x);
    if (!(a < __builtin_inff())) return x - x;
    uint64_t quadrant;
    double r = reduce_trig(a, &quadrant);
    return round_listed(sin_quadrant(quadrant + 1, r), a, cos_exceptions, 2);
}
