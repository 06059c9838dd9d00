/* test_vec512_avx2.c - the AVX-512 functions and vectors, compiled against SIMDe's
 * emulation, so that machines without AVX-512 hold them to the definition too. (The file's
 * name makes the build allow AVX2, which the emulation uses.) */
#include "simde512.h"

#define vec_fill_avx512 vec_fill_emulated
#include "math/x86/vec_avx512.c"

#include "vec_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_rows_agree(void **state) {
    (void)state;
    struct math_kernels c = {0}, k = {0};
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) skip();
    vec_fill_c(&c);
    vec_fill_emulated(&k);
    if (!vec_check_table(&c, &k, 40009)) fail_msg("%s", check_message);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
