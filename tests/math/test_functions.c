/* test_functions.c - the correctly rounded functions against MPFR: special values, the
 * arguments that functions.c lists, and some 2^20 others of each; GLASS_LONG=1 takes 2^26.
 * All 2^32: tests/tools/mpfr_all.c. Then pow, by kinds of arguments. */
#include "kernel_check.h"
#include "math/functions.h"

#include <math.h>
#include <mpfr.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

static const struct function {
    const char *name;
    float (*ours)(float);
    int (*exact)(mpfr_t y, const mpfr_t x, mpfr_rnd_t round);
} functions[] = {
    {"exp", math_exp_f32, mpfr_exp},    {"log", math_log_f32, mpfr_log},
    {"tanh", math_tanh_f32, mpfr_tanh}, {"erf", math_erf_f32, mpfr_erf},
    {"sin", math_sin_f32, mpfr_sin},    {"cos", math_cos_f32, mpfr_cos},
};

/* One rounding to binary32, subnormal numbers included. */
static float round_f32(mpfr_t y, int inexact) {
    inexact = mpfr_check_range(y, inexact, MPFR_RNDN);
    mpfr_subnormalize(y, inexact, MPFR_RNDN);
    return mpfr_get_flt(y, MPFR_RNDN);
}

static void check_one(const struct function *f, float x, mpfr_t in, mpfr_t out) {
    mpfr_set_flt(in, x, MPFR_RNDN);
    float want = round_f32(out, f->exact(out, in, MPFR_RNDN)), got = f->ours(x);
    if (!check_same(got, want))
        fail_msg("%s(%a) is %a, not %a", f->name, (double)x, (double)got, (double)want);
}

static void start(mpfr_t x, mpfr_t y) {
    mpfr_set_emin(-148);
    mpfr_set_emax(128);
    mpfr_inits2(24, x, y, (mpfr_ptr)0);
}

static void test_functions(void **state) {
    (void)state;
    static const float special[] = {0.0F,
                                    1.0F,
                                    0x1p-149F,
                                    0x1.fffffcp-127F,
                                    0x1p-126F,
                                    0x1.fffffep127F,
                                    INFINITY,
                                    NAN,
                                    0.5F,
                                    2.0F,
                                    88.72283F,
                                    88.72284F,
                                    87.33654F,
                                    103.97208F,
                                    103.9721F,
                                    104.0F,
                                    9.0109135F,
                                    9.010914F,
                                    3.8325068F,
                                    3.919206F,
                                    1.5707964F,
                                    3.1415927F,
                                    0x1p24F,
                                    0x1p25F,
                                    0x1.fffffep24F,
                                    0x1.33333p+13F,
                                    0x1.3170fp+63F,
                                    0x1.2b9622p+67F,
                                    0x1.827a74p-7F,
                                    0x1.2f1fd6p+3F,
                                    0x1.bacb4ap+25F,
                                    0x1.b121a6p+76F,
                                    0x1.6351d8p+95F};
    const uint32_t step = getenv("GLASS_LONG") != NULL ? 61 : 4093;
    mpfr_t x, y;
    start(x, y);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        for (size_t j = 0; j < sizeof special / sizeof *special; j++) {
            check_one(&functions[i], special[j], x, y);
            check_one(&functions[i], -special[j], x, y);
        }
        for (uint64_t bits = i; bits < (uint64_t)1 << 32; bits += step)
            check_one(&functions[i], bits_f32((uint32_t)bits), x, y);
    }
    mpfr_clears(x, y, (mpfr_ptr)0);
}

static void check_f64(const char *name, double x, double got, mpfr_t y) {
    double want = mpfr_get_d(y, MPFR_RNDN), error = fabs(got - want);
    if (!(error <= 0x1p-51 * fabs(want)))
        fail_msg("%s(%a) is %a, not near %a", name, x, got, want);
}

/* The binary64 values: within 2^-51, which rounding to binary64 alone half uses up. */
static void test_f64(void **state) {
    (void)state;
    struct check_random r = {5};
    mpfr_t y;
    mpfr_set_emin(-1100);
    mpfr_set_emax(1100);
    mpfr_init2(y, 120);
    for (int i = 0; i < (getenv("GLASS_LONG") != NULL ? 20000000 : 200000); i++) {
        double x = (double)(int64_t)check_bits(&r) * 0x1p-63 * (i % 3 ? 1 : 708);
        mpfr_set_d(y, x, MPFR_RNDN);
        mpfr_exp(y, y, MPFR_RNDN);
        check_f64("exp", x, math_exp_f64(x), y);
        x = i % 3 ? fabs(x) * (i % 5 ? 2 : 1e6) + 0x1p-1000 : 1 + 0x1p-20 * x;
        mpfr_set_d(y, x, MPFR_RNDN);
        mpfr_log(y, y, MPFR_RNDN);
        check_f64("log", x, math_log_f64(x), y);
    }
    assert_true(math_exp_f64(0) == 1 && math_log_f64(1) == 0);
    mpfr_clear(y);
}

static void check_pow(float base, float power, mpfr_t x, mpfr_t y) {
    mpfr_set_flt(x, base, MPFR_RNDN);
    mpfr_set_flt(y, power, MPFR_RNDN);
    float want = round_f32(y, mpfr_pow(y, x, y, MPFR_RNDN)),
          got = math_pow_f32(base, power);
    if (!check_same(got, want))
        fail_msg("pow(%a, %a) is %a, not %a", (double)base, (double)power, (double)got,
                 (double)want);
}

static void test_pow(void **state) {
    (void)state;
    static const float special[] = {0.0F,
                                    -0.0F,
                                    1,
                                    -1,
                                    2,
                                    -2,
                                    3,
                                    -3,
                                    0.5F,
                                    -0.5F,
                                    NAN,
                                    24,
                                    25,
                                    23,
                                    -24,
                                    -149,
                                    -150,
                                    -151,
                                    127,
                                    128,
                                    4099,
                                    2049,
                                    9,
                                    81,
                                    6561,
                                    0.25F,
                                    0.125F,
                                    1.5F,
                                    2.5F,
                                    0x1p-149F,
                                    1e30F,
                                    1e-30F,
                                    3e38F,
                                    10000,
                                    5e5F,
                                    0x1p24F,
                                    0x1p-30F,
                                    16777215,
                                    -0x1p-149F,
                                    INFINITY,
                                    -INFINITY,
                                    -16777215,
                                    0x1.fffffep-1F,
                                    0x1.000002p0F};
    enum { N = sizeof special / sizeof *special };
    struct check_random r = {3};
    mpfr_t x, y;
    start(x, y);
    for (int i = 0; i < N * N; i++) check_pow(special[i / N], special[i % N], x, y);
    for (int i = 0; i < (getenv("GLASS_LONG") != NULL ? 10000000 : 20000); i++) {
        float a = check_float(&r, CHECK_FINITE), b = check_float(&r, CHECK_FINITE);
        check_pow(fabsf(a), b, x, y);
        check_pow(a, (float)(check_below(&r, 41) - 20), x,
                  y); /* integers: many are exact */
        /* Near 1 to a moderate power; roots and small fractions, often ties. */
        check_pow(1 + 0x1p-10F * check_float(&r, CHECK_TAME),
                  500 * check_float(&r, CHECK_TAME), x, y);
        check_pow((float)check_below(&r, 5000),
                  (float)(check_below(&r, 33) - 16) / (float)(1 << check_below(&r, 4)), x,
                  y);
        /* Rotary frequencies. */
        int64_t d = 1 + check_below(&r, 300);
        check_pow(i & 1 ? 10000.0F : 500000.0F,
                  -2.0F * (float)check_below(&r, d) / (float)d, x, y);
    }
    mpfr_clears(x, y, (mpfr_ptr)0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_functions),
                                       cmocka_unit_test(test_f64),
                                       cmocka_unit_test(test_pow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
