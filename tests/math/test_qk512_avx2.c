/* test_qk512_avx2.c - the products with weights in blocks of 256 of qk_avx512.c, compiled
 * against an emulation of AVX-512. (The file's name makes the build allow AVX2, which the
 * emulation uses.) */
#include "qk512_emulated.h"

#define INLINE         static __attribute__((noinline, unused))
#define qk_fill_avx512 qk_fill_emulated
#include "math/x86/qk_avx512.c"

#include "check_qk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void products_agree(void **state) {
    (void)state;
    struct math_kernels c = {0}, k = {0};
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) skip();
    qk_fill_c(&c);
    qk_fill_emulated(&k);
    assert_int_equal(check_products(&c, &k, 40, 4), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
