/* test_float512_avx2.c - the AVX-512 products with float weights, compiled against SIMDe's
 * emulation, so that machines without AVX-512 hold them to the definition too. (The file's
 * name makes the build allow AVX2, which the emulation uses.) */
#include "simde512.h"

#include <string.h>

/* What SIMDe of Debian 12 lacks and float_avx512.c needs. Masked lanes are neither read nor
 * written, as by the instructions. */
static inline simde__m512i emulated_maskz_loadu_epi16(simde__mmask32 mask, const void *p) {
    uint16_t x[32] = {0};
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1) memcpy(&x[i], (const char *)p + 2 * i, 2);
    return simde_mm512_loadu_si512(x);
}
#define _mm512_maskz_loadu_epi16 emulated_maskz_loadu_epi16

#define float_fill_avx512 float_fill_emulated
#include "math/x86/float_avx512.c"

#include "check_float.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool runs(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static void products_agree(void **state) {
    (void)state;
    struct math_kernels c = {0}, k = {0};
    if (!runs()) skip();
    float_fill_c(&c);
    float_fill_emulated(&k);
    assert_true(check_products(&c, &k, 100));
}

static void limits_count_right(void **state) {
    (void)state;
    struct math_kernels k = {0};
    if (!runs()) skip();
    float_fill_emulated(&k);
    assert_true(check_limits(&k));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree),
        cmocka_unit_test(limits_count_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
