/* test_quant512_avx2.c - quant_avx512.c, compiled against an emulation of AVX-512. (The file's
 * name makes the build allow AVX2, which the emulation uses.) */
#include "simde512.h"

#define quant_fill_avx512 quant_fill_emulated
#include "math/x86/quant_avx512.c"

#include "check_quant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_blocks_agree(void **state) {
    (void)state;
    struct math_kernels c = {0}, k = {0};
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) skip();
    quant_fill_c(&c);
    quant_fill_emulated(&k);
    if (!check_quant_table(&c, &k)) fail_msg("%s", check_message);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
