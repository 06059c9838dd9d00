/* test_attn512_avx2.c - attention's AVX-512 kernels, compiled against SIMDe's emulation, so
 * that machines without AVX-512 hold them to the definition too. (The file's name makes the
 * build allow AVX2, which the emulation uses.) */
#include "simde512.h"

#define attn_fill_avx512 attn_fill_emulated
#include "math/x86/attn_avx512.c"

#include "attn_check.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void products_agree(void **state) {
    (void)state;
    struct math_kernels c = {0}, k = {0};
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) skip();
    attn_fill_c(&c);
    attn_fill_emulated(&k);
    assert_true(check_products(&c, &k, 120));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
