/* functions.c - the correctly rounded functions, in two steps.
 *
 * A fast value in binary64 has a relative error below 2^-50. If all numbers within that error
 * round to the same binary32, that is the answer (nearly always). Otherwise a slow value in
 * double-double arithmetic (some 95 correct bits) decides; no binary32 argument of these
 * functions is known to come nearer to a boundary, and tests/tools/mpfr_all.c compares every
 * argument with MPFR. */
#include "math/functions.h"

#include "math/functions_table.h"
#include "math/half.h"

#include <math.h>
#include <stdbool.h>

#define LN2_HI   0x1.62e42fefa39efp-1
#define LN2_LO   0x1.abc9e3b39803fp-56
#define LOG2_E   0x1.71547652b82fep+0
#define PI_2_HI  0x1.921fb54442d18p+0
#define PI_2_MID 0x1.1a62633145c07p-54
#define PI_2_LO  -0x1.f1976b7ed8fbcp-110
#define TWO_PI   0x1.45f306dc9c883p-1 /* 2/pi */
#define ERF_HI   0x1.20dd750429b6dp+0 /* 2/sqrt(pi) */
#define ERF_LO   0x1.1ae3a914fed80p-56

static const float not_a_number = __builtin_nanf("");

/* Whether every number within 2^-50 of r (relative) rounds to the same float. */
static bool settled(double r, float *out) {
    float low = (float)fma(r, -0x1p-50, r), high = (float)fma(r, 0x1p-50, r);
    *out = low;
    return low == high;
}

/* ---- double-double: hi + lo with |lo| <= ulp(hi)/2 ---- */

struct dd {
    double hi, lo;
};

static struct dd dd_quick(double a, double b) { /* |a| >= |b| */
    double s = a + b;
    return (struct dd){s, b - (s - a)};
}

static struct dd dd_sum(double a, double b) {
    double s = a + b, t = s - a;
    return (struct dd){s, (a - (s - t)) + (b - t)};
}

static struct dd dd_add(struct dd a, struct dd b) {
    struct dd s = dd_sum(a.hi, b.hi), t = dd_sum(a.lo, b.lo);
    s = dd_quick(s.hi, s.lo + t.hi);
    return dd_quick(s.hi, s.lo + t.lo);
}

static struct dd dd_mul(struct dd a, struct dd b) {
    double p = a.hi * b.hi;
    double e = fma(a.hi, b.hi, -p);
    e = fma(a.hi, b.lo, e);
    e = fma(a.lo, b.hi, e);
    return dd_quick(p, e);
}

static struct dd dd_scale(struct dd a, double b) {
    return dd_mul(a, (struct dd){b, 0});
}

static struct dd dd_div(struct dd a, struct dd b) {
    double q = a.hi / b.hi;
    struct dd r = dd_add(a, dd_scale(b, -q));
    double q2 = r.hi / b.hi;
    r = dd_add(r, dd_scale(b, -q2));
    return dd_add(dd_quick(q, q2), (struct dd){r.hi / b.hi, 0});
}

/* To binary32 with one rounding: hi is moved to the odd neighbour in lo's direction, so that
 * it never sits on a boundary that the sum does not sit on. */
static float dd_round(struct dd a) {
    uint64_t bits;
    if (a.lo == 0) return (float)a.hi;
    memcpy(&bits, &a.hi, sizeof bits);
    if ((bits & 1) == 0) bits += (a.lo > 0) == (a.hi > 0) ? 1 : (uint64_t)-1;
    memcpy(&a.hi, &bits, sizeof bits);
    return (float)a.hi;
}

/* e^x = 2^k (e^(r/256))^256, Taylor for the inside. */
static struct dd dd_exp(struct dd x, int *exponent) {
    double k = nearbyint(x.hi * LOG2_E);
    struct dd r = dd_add(x, dd_scale((struct dd){LN2_HI, LN2_LO}, -k));
    r = dd_add(r, (struct dd){-k * 0x1.7b57a079a1934p-111, 0});
    r.hi *= 0x1p-8;
    r.lo *= 0x1p-8;
    /* em1 = e^r - 1, kept apart from the 1 so that the squarings lose nothing. */
    struct dd em1 = {0, 0};
    for (int n = 12; n >= 1; n--) {
        em1 = dd_div(dd_mul(r, dd_add((struct dd){1, 0}, em1)), (struct dd){n, 0});
    }
    for (int i = 0; i < 8; i++) em1 = dd_add(dd_scale(em1, 2), dd_mul(em1, em1));
    *exponent = (int)k;
    return em1;
}

/* ln x for a positive binary64 x. */
static struct dd dd_log(double x) {
    int k;
    double m = frexp(x, &k);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        k--;
    }
    struct dd s = dd_div((struct dd){m - 1, 0}, dd_sum(m, 1)), s2 = dd_mul(s, s);
    struct dd sum = {0, 0};
    for (int n = 22; n >= 1; n--)
        sum = dd_mul(s2, dd_add(dd_div((struct dd){1, 0}, (struct dd){2 * n + 1, 0}), sum));
    s = dd_scale(dd_add(s, dd_mul(s, sum)), 2);
    return dd_add(dd_scale((struct dd){LN2_HI, LN2_LO}, k), s);
}

/* ---- exp ---- */

static double pow2(int k) { /* -1022 … 1023 */
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Binary64 e^x for |x| < 700: error about 2^-52. math/x86 repeats these steps. */
static double fast_exp(double x) {
    double k = nearbyint(x * LOG2_E);
    double r = fma(-k, LN2_HI, x);
    r = fma(-k, LN2_LO, r);
    double p = 1.0 / 6227020800.0; /* 1/13! */
    static const double inverse[] = {1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
                                     1.0 / 362880.0,    1.0 / 40320.0,    1.0 / 5040.0,
                                     1.0 / 720.0,       1.0 / 120.0,      1.0 / 24.0,
                                     1.0 / 6.0,         0.5,              1.0, 1.0};
    for (int i = 0; i < 13; i++) p = fma(p, r, inverse[i]);
    return p * pow2((int)k);
}

float math_exp_f32(float x) {
    float out;
    if (x != x) return not_a_number;
    if (x > 0x1.62e42ep6F) return INFINITY;   /* the next float overflows */
    if (x < -0x1.9fe36ap6F) return 0;         /* below half the least subnormal */
    if (settled(fast_exp((double)x), &out)) return out;
    int k;
    struct dd e = dd_add((struct dd){1, 0}, dd_exp((struct dd){(double)x, 0}, &k));
    double scale = pow2(k);
    return dd_round((struct dd){e.hi * scale, e.lo * scale});
}

/* ---- log ---- */

static double fast_log(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int k = (int)(bits >> 52) - 1022;
    bits = (bits & 0xfffffffffffffu) | 0x3fe0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        k--;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, p = 1.0 / 25;
    for (int n = 23; n >= 3; n -= 2) p = fma(p, s2, 1.0 / n);
    /* 2s + 2s^3 p, the large part last. */
    double tail = 2 * s * s2 * p;
    return fma(k, LN2_HI, 2 * s + fma(k, LN2_LO, tail));
}

float math_log_f32(float x) {
    float out;
    if (x != x || x < 0) return not_a_number;
    if (x == 0) return -INFINITY;
    if (x == INFINITY || x == 1) return x == 1 ? 0 : x;
    if (settled(fast_log((double)x), &out)) return out;
    return dd_round(dd_log((double)x));
}

float math_pow_f32(float x, float y) {
    if (!(x > 0 && x < INFINITY && y - y == 0)) return not_a_number;
    struct dd product = dd_scale(dd_log((double)x), (double)y);
    if (product.hi > 200) return INFINITY;
    if (product.hi < -200) return 0;
    int k;
    struct dd e = dd_add((struct dd){1, 0}, dd_exp(product, &k));
    double scale = pow2(k);
    return dd_round((struct dd){e.hi * scale, e.lo * scale});
}

/* ---- tanh and erf: odd, tables of polynomials ---- */

static double from_table(const double (*table)[TABLE_DEGREE + 1], double x) {
    int i = (int)(x * 8);
    double t = x - (2 * i + 1) * 0.0625, p = table[i][TABLE_DEGREE];
    for (int n = TABLE_DEGREE - 1; n >= 0; n--) p = fma(p, t, table[i][n]);
    return p;
}

/* x (1 + x2 (c0 + x2 (c1 + …))) */
static double odd_series(double x, const double *c, int n) {
    double x2 = x * x, p = c[n - 1];
    for (int i = n - 2; i >= 0; i--) p = fma(p, x2, c[i]);
    return fma(x * x2, p, x);
}

static const double tanh_series[] = {-1.0 / 3, 2.0 / 15, -17.0 / 315, 62.0 / 2835,
                                     -1382.0 / 155925, 21844.0 / 6081075,
                                     -929569.0 / 638512875};
static const double erf_series[] = {-1.0 / 3, 1.0 / 10, -1.0 / 42, 1.0 / 216, -1.0 / 1320,
                                    1.0 / 9360, -1.0 / 75600};

/* tanh x = em1(2x) / (em1(2x) + 2) */
static struct dd dd_tanh(double x) {
    int k;
    struct dd e = dd_exp((struct dd){2 * x, 0}, &k);
    double scale = pow2(k);
    e = (struct dd){e.hi * scale, e.lo * scale};
    e = dd_add(e, (struct dd){scale - 1, 0});
    return dd_div(e, dd_add(e, (struct dd){2, 0}));
}

float math_tanh_f32(float x) {
    float out, a = fabsf(x);
    if (x != x) return not_a_number;
    if (a < 0x1p-13F) return x; /* x - x^3/3 rounds to x */
    if (a > 9.02F) return copysignf(1, x); /* 1 - tanh < 2^-25 */
    double r = a < 0.125F ? odd_series((double)a, tanh_series, 7)
                          : from_table(tanh_table, (double)a);
    if (!settled(r, &out)) out = dd_round(dd_tanh((double)a));
    return copysignf(out, x);
}

/* erf x = 2/sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (1 3 5 … (2n+1)): every term positive. */
static struct dd dd_erf(double x) {
    struct dd x2 = dd_mul((struct dd){x, 0}, (struct dd){x, 0});
    struct dd term = {x, 0}, sum = term;
    for (int n = 1; n < 160 && term.hi > sum.hi * 0x1p-110; n++) {
        term = dd_div(dd_mul(term, dd_scale(x2, 2)), (struct dd){2 * n + 1, 0});
        sum = dd_add(sum, term);
    }
    int k;
    struct dd e = dd_add((struct dd){1, 0}, dd_exp((struct dd){-x2.hi, -x2.lo}, &k));
    double scale = pow2(k);
    sum = dd_mul(sum, (struct dd){e.hi * scale, e.lo * scale});
    return dd_mul(sum, (struct dd){ERF_HI, ERF_LO});
}

float math_erf_f32(float x) {
    float out, a = fabsf(x);
    if (x != x) return not_a_number;
    if (a >= 3.92F) return copysignf(1, x); /* 1 - erf < 2^-25 */
    double r = a < 0.125F ? ERF_HI * odd_series((double)a, erf_series, 7)
                          : from_table(erf_table, (double)a);
    if (!settled(r, &out)) out = dd_round(dd_erf((double)a));
    return copysignf(out, x);
}

/* ---- sin and cos ---- */

/* x = q pi/2 + r, |r| <= pi/4 (a little more by rounding). q modulo 4. */
static int reduce(double x, struct dd *r) {
    if (fabs(x) < 0x1p28) {
        double k = nearbyint(x * TWO_PI);
        struct dd a = dd_add((struct dd){x, 0}, dd_scale((struct dd){PI_2_HI, PI_2_MID}, -k));
        *r = dd_add(a, (struct dd){-k * PI_2_LO, 0});
        return (int)((int64_t)k & 3);
    }
    /* x = m 2^e, 24-bit m, e >= 5: keep the bits of m 2/pi 2^e from 2^1 down to 2^-150: six
     * words of 2/pi starting where higher ones only add multiples of 4. */
    int e;
    double f = frexp(fabs(x), &e);
    uint64_t m = (uint64_t)(f * 0x1p24);
    e -= 24;
    int skip = e > 2 ? (e - 2) / 32 : 0, shift = e - 32 * skip; /* 2^e / 2^(32 skip) */
    uint32_t product[7] = {0};
    uint64_t carry = 0;
    for (int i = 5; i >= 0; i--) {
        uint64_t w = skip + i < 10 ? two_over_pi[skip + i] : 0, t = w * m + carry;
        product[i + 1] = (uint32_t)t;
        carry = t >> 32;
    }
    product[0] = (uint32_t)carry;
    /* product is m 2/pi with the point after word 0; times 2^shift, modulo 4. */
    struct dd fraction = {0, 0};
    int64_t whole = 0;
    for (int i = 0; i < 7; i++) {
        int exponent = shift - 32 * i;
        uint64_t part = product[i];
        if (exponent >= 0) {
            whole += (int64_t)(exponent < 34 ? part << exponent : 0) & 3;
        } else if (exponent > -32) {
            whole += (int64_t)(part >> -exponent);
            part &= ((uint64_t)1 << -exponent) - 1;
            fraction = dd_add(fraction, (struct dd){ldexp((double)part, exponent), 0});
        } else {
            fraction = dd_add(fraction, (struct dd){ldexp((double)part, exponent), 0});
        }
    }
    if (fraction.hi >= 0.5) {
        fraction = dd_add(fraction, (struct dd){-1, 0});
        whole++;
    }
    if (x < 0) {
        whole = -whole;
        fraction = (struct dd){-fraction.hi, -fraction.lo};
    }
    *r = dd_mul(fraction, (struct dd){PI_2_HI, PI_2_MID});
    return (int)(whole & 3);
}

static double fast_sin(struct dd r) {
    double x = r.hi, x2 = x * x, p = 1.0 / 355687428096000.0; /* 1/17! */
    static const double c[] = {-1.0 / 1307674368000.0, 1.0 / 6227020800.0,
                               -1.0 / 39916800.0,      1.0 / 362880.0,
                               -1.0 / 5040.0,          1.0 / 120.0,
                               -1.0 / 6.0};
    for (int i = 0; i < 7; i++) p = fma(p, x2, c[i]);
    return x + fma(x * x2, p, r.lo);
}

static double fast_cos(struct dd r) {
    double x = r.hi, x2 = x * x, p = 1.0 / 20922789888000.0; /* 1/16! */
    static const double c[] = {-1.0 / 87178291200.0, 1.0 / 479001600.0, -1.0 / 3628800.0,
                               1.0 / 40320.0,        -1.0 / 720.0,      1.0 / 24.0};
    for (int i = 0; i < 6; i++) p = fma(p, x2, c[i]);
    double half = 0.5 * x2, head = 1 - half;
    /* What 1 - x^2/2 loses, the fourth power on, and r.lo's share. */
    return head + (((1 - head) - half) + fma(x2 * x2, p, -x * r.lo));
}

/* sum of (-1)^n r^(2n+first) / (2n+first)! */
static struct dd dd_trigonometric(struct dd r, int first) {
    struct dd r2 = dd_mul(r, r), sum = {0, 0};
    for (int n = 26 + first; n > first; n -= 2) {
        struct dd inside = dd_add((struct dd){1, 0}, sum);
        sum = dd_div(dd_mul(r2, inside), (struct dd){-(double)n * (n - 1), 0});
    }
    sum = dd_add((struct dd){1, 0}, sum);
    return first ? dd_mul(r, sum) : sum;
}

/* sin(x + turn pi/2) */
static float sine(float x, int turn) {
    float out;
    struct dd r;
    if (x - x != 0) return not_a_number;
    int q = (reduce((double)x, &r) + turn) & 3;
    double value = q & 1 ? fast_cos(r) : fast_sin(r);
    if (!settled(value, &out)) out = dd_round(dd_trigonometric(r, q & 1 ? 0 : 1));
    return q & 2 ? -out : out;
}

float math_sin_f32(float x) {
    return x == 0 ? x : sine(x, 0);
}

float math_cos_f32(float x) {
    return sine(x, 1);
}
