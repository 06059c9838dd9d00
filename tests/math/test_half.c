/* test_half.c - F16 and BF16: every value there and back, rounding at and beside every
 * boundary held to a second method in binary64 and to the CPU's instructions. GLASS_LONG=1
 * compares rounding with those on all 2^32 floats. */
#include "math/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__x86_64__)
#include <immintrin.h>
__attribute__((target("f16c"))) static uint16_t cpu_round(float x) {
    return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT);
}
__attribute__((target("f16c"))) static float cpu_widen(uint16_t h) {
    return _cvtsh_ss(h);
}
static bool cpu_has_f16(void) {
    return __builtin_cpu_supports("avx2"); /* clang 14 knows no "f16c" */
}
#elif defined(__aarch64__)
static uint16_t cpu_round(float x) {
    __fp16 h = (__fp16)x;
    return load_u16(&h);
}
static float cpu_widen(uint16_t h) {
    __fp16 x;
    memcpy(&x, &h, sizeof x);
    return (float)x;
}
static bool cpu_has_f16(void) {
    return true;
}
#endif

/* Values from the definition of the formats: sign, exponent field, fraction. */
static double value_of(uint16_t h, int fraction_bits, int bias) {
    int exponent_bits = 15 - fraction_bits, exponent = h >> fraction_bits;
    int fraction = h & ((1 << fraction_bits) - 1);
    exponent &= (1 << exponent_bits) - 1;
    double size = exponent == 0 ? ldexp(fraction, 1 - bias - fraction_bits)
                                : ldexp(fraction + (1 << fraction_bits),
                                        exponent - bias - fraction_bits);
    if (exponent == (1 << exponent_bits) - 1) size = fraction != 0 ? (double)NAN : INFINITY;
    return h & 0x8000 ? -size : size;
}

/* To nearest even by scaling until the last place is 1: a finite x. */
static double rounded(double x, int fraction_bits, int bias) {
    int exponent;
    frexp(x, &exponent);
    int place = (exponent - 1 < 1 - bias ? 1 - bias : exponent - 1) - fraction_bits;
    double y = ldexp(nearbyint(ldexp(x, -place)), place);
    double limit =
        ldexp(2 - ldexp(1, -fraction_bits), bias); /* the largest finite number */
    return fabs(y) > limit ? copysign(INFINITY, y) : y;
}

static void check_f16(float x) {
    double want = rounded((double)x, 10, 15), got = value_of(f16_round(x), 10, 15);
    if (want != got || signbit(want) != signbit(got))
        fail_msg("f16_round(%a) is %a, not %a", (double)x, got, want);
    if (cpu_has_f16()) assert_int_equal(f16_round(x), cpu_round(x));
}

static void check_bf16(float x) {
    double want = rounded((double)x, 7, 127), got = value_of(bf16_round(x), 7, 127);
    if (want != got || signbit(want) != signbit(got))
        fail_msg("bf16_round(%a) is %a, not %a", (double)x, got, want);
}

static void test_there_and_back(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 0x10000; i++) {
        uint16_t h = (uint16_t)i;
        double f16 = value_of(h, 10, 15), bf16 = value_of(h, 7, 127);
        assert_true((double)f16_widen(h) == f16 ||
                    (f16 != f16 && f16_widen(h) != f16_widen(h)));
        assert_true((double)bf16_widen(h) == bf16 ||
                    (bf16 != bf16 && bf16_widen(h) != bf16_widen(h)));
        assert_int_equal(signbit(f16_widen(h)) != 0, h >> 15);
        /* NaNs become quiet and keep the rest. */
        assert_int_equal(f16_round(f16_widen(h)), f16 != f16 ? h | 0x200 : h);
        assert_int_equal(bf16_round(bf16_widen(h)), bf16 != bf16 ? h | 0x40 : h);
        if (cpu_has_f16()) assert_int_equal(f32_bits(f16_widen(h)), f32_bits(cpu_widen(h)));
    }
}

/* The midpoint after each finite value, and its neighbours among the floats. */
static void test_boundaries(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 0x10000; i++) {
        uint16_t h = (uint16_t)i;
        float x = f16_widen(h), y = f16_widen((uint16_t)(h + 1));
        if ((h & 0x7fff) == 0x7bff) y = copysignf(65536, x); /* as if exponents went on */
        if ((h & 0x7c00) != 0x7c00) {
            float middle = 0.5F * x + 0.5F * y; /* exact: 12 bits */
            check_f16(x);
            check_f16(middle);
            check_f16(nextafterf(middle, 0));
            check_f16(nextafterf(middle, copysignf(INFINITY, x)));
        }
        if ((h & 0x7f80) != 0x7f80) {
            uint32_t middle = (uint32_t)h << 16 | 0x8000;
            for (uint32_t j = 0; j < 3; j++) check_bf16(bits_f32(middle - 1 + j));
            check_bf16(bits_f32((uint32_t)h << 16));
        }
    }
    assert_int_equal(f16_round(INFINITY), 0x7c00);
    assert_int_equal(bf16_round(-INFINITY), 0xff80);
    assert_int_equal(f16_round(bits_f32(0x7f800001)), 0x7e00);
    assert_int_equal(bf16_round(bits_f32(0xffffffff)), 0xffff);
    assert_int_equal(bf16_round(bits_f32(0x7f800001)), 0x7fc0);
}

static void test_many(void **state) {
    (void)state;
    bool all = getenv("GLASS_LONG") != NULL;
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += all ? 1 : 4093) {
        float x = bits_f32((uint32_t)bits);
        if (x - x == 0 && (!all || bits % 64 == 0)) {
            check_f16(x);
            check_bf16(x);
        }
        if (cpu_has_f16() && f16_round(x) != cpu_round(x))
            fail_msg("f16_round(%08x) is %04x, not %04x", (unsigned)bits, f16_round(x),
                     cpu_round(x));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back),
                                       cmocka_unit_test(test_boundaries),
                                       cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
