/* test_compose.c - the composed functions: near their real values, which MPFR and binary64
 * know, and the steps of compose.h to the bit. */
#include "kernel_check.h"
#include "math/compose.h"
#include "math/functions.h"

#include <math.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

/* |got - want| in units of size's last binary32 place (of the smallest subnormal at least). */
static double units(float got, double want, double size) {
    int exponent;
    frexp(size, &exponent);
    double unit = ldexp(1, exponent - 24 > -149 ? exponent - 24 : -149);
    return fabs((double)got - want) / unit;
}

static void softplus_is_near(void **state) {
    (void)state;
    struct check_random r = {1};
    assert_true(math_softplus_f32(-INFINITY) == 0);
    assert_true(math_softplus_f32(INFINITY) == INFINITY);
    assert_true(isnan(math_softplus_f32(NAN)));
    for (int i = 0; i < 200000; i++) {
        float x = check_float(&r, CHECK_TAME) * (float)(1 << i % 6);
        double want = log1p(exp((double)x));
        if (units(math_softplus_f32(x), want, want) > 3)
            fail_msg("softplus(%a) is %a, not %a", (double)x, (double)math_softplus_f32(x),
                     want);
    }
}

static void softcap_is_its_steps(void **state) {
    (void)state;
    static float x[1000], y[1000];
    struct check_random r = {2};
    for (int i = 0; i < 1000; i++) x[i] = check_float(&r, CHECK_WILD);
    math_softcap_f32(y, x, 1000, 2.5F);
    for (int i = 0; i < 1000; i++) {
        float want = math_tanh_f32(x[i] / 2.5F) * 2.5F;
        assert_true(check_same(y[i], want));
        if (!isnan(x[i])) assert_true(fabsf(y[i]) <= 2.5F);
    }
}

static void xielu_is_its_steps(void **state) {
    (void)state;
    enum { N = 1300 }; /* more than two runs */
    static float x[N], y[N];
    const struct xielu p = {0.8F, 0.9F, 0.5F, -1e-6F};
    struct check_random r = {3};
    for (int i = 0; i < N; i++) x[i] = check_float(&r, CHECK_WILD);
    math_xielu_f32(y, x, N, &p);
    for (int i = 0; i < N; i++) {
        float low = x[i] < p.eps ? x[i] : p.eps, t = math_tanh_f32(0.5F * low);
        float e = (t + t) / (1.0F - t), right = 0.8F * x[i] * x[i];
        float want = x[i] > 0 ? right + 0.5F * x[i] : (e - x[i]) * 0.9F + 0.5F * x[i];
        if (!check_same(y[i], want))
            fail_msg("xielu(%a) is %a, not %a", (double)x[i], (double)y[i], (double)want);
    }
}

/* The exponential does not cancel: errors stay at a few roundings of the linear part, down to
 * eps. */
static void xielu_is_near(void **state) {
    (void)state;
    const struct xielu p = {0.8125F, 0.75F, 0.5F, -0x1p-20F};
    for (int i = 0; i < 100000; i++) {
        float x = -0x1p-20F * powf(1.00025F, (float)i), y;
        if (x < -30) break;
        math_xielu_f32(&y, &x, 1, &p);
        double v = (double)x, want = (expm1(v) - v) * 0.75 + 0.5 * v;
        if (units(y, want, 0.5 * v) > 4)
            fail_msg("xielu(%a) is %a, not %a", v, (double)y, want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softplus_is_near),
        cmocka_unit_test(softcap_is_its_steps),
        cmocka_unit_test(xielu_is_its_steps),
        cmocka_unit_test(xielu_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
