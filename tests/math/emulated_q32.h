/* emulated_q32.h - what the tests of emulated 32-block kernels share: they fill a table with
 * q32_fill_emulated and compare it with the definition's. */
#ifndef EMULATED_Q32_H
#define EMULATED_Q32_H

#include "check_q32.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void emulated_kernels_agree(void **state) {
    (void)state;
    struct math_kernels c = {0}, k = {0};
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) skip();
    q32_fill_c(&c);
    q32_fill_c(&k);
    q32_fill_emulated(&k);
    assert_true(k.gemm_q4_0 != c.gemm_q4_0);
    assert_int_equal(check_rounding(&c, &k, 5000, 11), 0);
    assert_int_equal(check_products(&c, &k, 60, 12), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(emulated_kernels_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
