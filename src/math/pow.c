/* pow.c - x^y in double-double arithmetic (pairs hi + lo of binary64, about 2^-102 a step),
 * then one rounding to binary32. Slow (microseconds) and plain: it makes tables, such as
 * the rotary frequencies, not tensors. */
#include "math/functions.h"

#include "math/func_coef.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct dd {
    double hi, lo; /* hi = the sum rounded to binary64 */
};

/* |a| >= |b| or a = 0. */
static struct dd quick_sum(double a, double b) {
    double s = a + b;
    return (struct dd){s, b - (s - a)};
}

static struct dd two_sum(double a, double b) {
    double s = a + b, t = s - a;
    return (struct dd){s, (a - (s - t)) + (b - t)};
}

static struct dd dd_add(struct dd a, struct dd b) {
    struct dd s = two_sum(a.hi, b.hi), t = two_sum(a.lo, b.lo);
    s = quick_sum(s.hi, s.lo + t.hi);
    return quick_sum(s.hi, s.lo + t.lo);
}

static struct dd dd_mul(struct dd a, struct dd b) {
    double p = a.hi * b.hi;
    double e = __builtin_fma(a.hi, b.hi, -p);
    e += __builtin_fma(a.hi, b.lo, a.lo * b.hi);
    return quick_sum(p, e);
}

static struct dd dd_div(struct dd a, struct dd b) {
    double q = a.hi / b.hi;
    struct dd rest = dd_add(a, dd_mul((struct dd){-q, 0}, b));
    double q2 = rest.hi / b.hi;
    rest = dd_add(rest, dd_mul((struct dd){-q2, 0}, b));
    struct dd sum = quick_sum(q, q2);
    return dd_add(sum, (struct dd){rest.hi / b.hi, 0});
}

static const struct dd ln2 = {FUNC_LN2_HI, FUNC_LN2_LO};

/* x = 2^k m, log x = k ln 2 + 2 atanh((m - 1) / (m + 1)) by its series; |s| <= 0.172, so
 * term i is below 2^(-5 i) of the first and 22 are enough. */
static struct dd dd_log(double x) {
    int k;
    double m = __builtin_frexp(x, &k);
    if (m < 0.70710678118654752) {
        m *= 2;
        k--;
    }
    struct dd s = dd_div((struct dd){m - 1, 0}, two_sum(m, 1)), z = dd_mul(s, s);
    struct dd sum = {0, 0};
    for (int i = 22; i >= 0; i--)
        sum = dd_add(dd_mul(sum, z), dd_div((struct dd){2, 0}, (struct dd){2 * i + 1, 0}));
    return dd_add(dd_mul((struct dd){k, 0}, ln2), dd_mul(s, sum));
}

/* exp t for |t| < 700: t = k ln 2 + r, then the series of exp r, 28 terms. */
static struct dd dd_exp(struct dd t) {
    double k = __builtin_fma(t.hi, FUNC_LOG2E, 0x1.8p52) - 0x1.8p52;
    struct dd r = dd_add(t, dd_mul((struct dd){-k, 0}, ln2)), sum = {1, 0};
    for (int i = 28; i > 0; i--)
        sum = dd_add((struct dd){1, 0}, dd_mul(dd_div(r, (struct dd){i, 0}), sum));
    double scale = __builtin_ldexp(1.0, (int)k);
    return (struct dd){sum.hi * scale, sum.lo * scale};
}

/* Whether x^y, x > 0, is a binary64 number exactly (the only one it can be is near it). A
 * power that is exact or a tie in binary32 has at most 25 bits, so for x not a power of 2
 * the exponent is n / 2^j with x a 2^j-th power, and n is small. */
static bool is_exact(double x, double y, double near) {
    int e;
    if (__builtin_frexp(x, &e) == 0.5) { /* 2^(e-1), exact when (e - 1) y is an integer */
        double power = (e - 1) * y;
        return power == (double)(int64_t)power;
    }
    for (int j = 0; j < 5 && y != (double)(int64_t)y; j++, y *= 2) {
        double root = __builtin_sqrt(x);
        if (root * root != x || __builtin_fma(root, root, -x) != 0) return false;
        x = root;
    }
    if (y < 1 || y > 32 || y != (double)(int64_t)y) return false;
    double p = x;
    for (int i = 1; i < (int)y; i++) {
        double q = p * x;
        if (__builtin_fma(p, x, -q) != 0) return false;
        p = q;
    }
    return p == near;
}

/* Rounds v = x^y to binary32. (float)hi is right unless hi is a tie; there the sign of lo
 * decides, moved into hi's last bit, unless the power is hi exactly. */
static float round_power(struct dd v, double x, double y) {
    v = quick_sum(v.hi, v.lo);
    double hi = v.hi;
    uint64_t bits;
    memcpy(&bits, &hi, sizeof bits);
    if (v.lo != 0 && (bits & 1) == 0 && !is_exact(x, y, hi)) {
        bits = v.lo > 0 ? bits + 1 : bits - 1;
        memcpy(&hi, &bits, sizeof hi);
    }
    return (float)hi;
}

static float positive_power(float x, float y) {
    struct dd t = dd_mul(dd_log(x), (struct dd){y, 0});
    if (t.hi > 100) return __builtin_inff();
    if (t.hi < -110) return 0;
    return round_power(dd_exp(t), x, y);
}

float math_pow_f32(float x, float y) {
    const float inf = __builtin_inff();
    if (y == 0 || x == 1) return 1;
    if (x != x || y != y) return x + y;
    float size = __builtin_fabsf(x);
    bool integer = __builtin_fabsf(y) >= 0x1p24f || y == (float)(int32_t)y;
    bool odd = integer && __builtin_fabsf(y) < 0x1p24f && ((int32_t)y & 1) != 0;
    float result;
    if (y == inf || y == -inf) {
        if (size == 1) return 1;
        result = (size > 1) == (y > 0) ? inf : 0;
    } else if (size == 0 || size == inf) {
        result = (size == 0) == (y > 0) ? 0 : inf;
    } else {
        if (x < 0 && !integer) return __builtin_nanf("");
        result = positive_power(size, y);
    }
    return odd && __builtin_signbit(x) ? -result : result;
}
