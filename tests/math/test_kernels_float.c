/* test_kernels_float.c - every instruction set that this machine has against the definition of
 * float products and conversions, bit for bit; and the definition against itself written out
 * once more, in the plainest way. */
#include "check_float.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail /* cmocka's macro hides ours */

/* arithmetic.md, "Products", word for word. */
static float chain(const float *a, const float *b, int64_t n) {
    float x = 0;
    for (int64_t k = 0; k < n; k++) x = fmaf(a[k], b[k], x);
    return x;
}

static void definition_is_the_definition(void **state) {
    (void)state;
    enum { K = 1000 };
    struct math_kernels c;
    float a[K], w[K], out;
    uint64_t seed = 9;
    math_fill(&c, 0);
    for (int i = 0; i < K; i++) {
        a[i] = check_number(&seed, CHECK_TAME);
        w[i] = bf16_widen(bf16_round(check_number(&seed, CHECK_TAME)));
    }
    for (int64_t k = 0; k <= K; k++) {
        float sum = chain(a, w, k < 256 ? k : 256);
        for (int64_t begin = 256; begin < k; begin += 256)
            sum += chain(a + begin, w + begin, k - begin < 256 ? k - begin : 256);
        c.gemm_f32(&out, 1, a, 0, w, 0, 1, 1, k, NULL);
        assert_true(check_same(out, sum));
        if (k == 0) continue;
        c.gemm_nn_f32(&out, 1, a, 0, w, sizeof(float), 1, 1, k, NULL);
        assert_true(check_same(out, sum));
        c.gemm_tn_f32(&out, 1, a, sizeof(float), w, sizeof(float), 1, 1, k, NULL);
        assert_true(check_same(out, sum));
        if (k <= 512) continue;
        c.gemm_nn_f32(&out, 1, a, 0, w, sizeof(float), 1, 1, 512, NULL);
        c.gemm_nn_more_f32(&out, 1, a + 512, 0, w + 512, sizeof(float), 1, 1, k - 512,
                           NULL);
        assert_true(check_same(out, sum));
        c.gemm_nn_f32(&out, 1, a, 0, w, sizeof(float), 1, 1, 256, NULL);
        c.gemm_tn_more_f32(&out, 1, a + 256, sizeof(float), w + 256, sizeof(float), 1, 1,
                           k - 256, NULL);
        assert_true(check_same(out, sum));
    }
    /* The sum starts with the first chain, and a chain with +0: -0 + -0 would be -0. */
    float zero = 0, minus = -0.0f;
    c.gemm_f32(&out, 1, &zero, 0, &minus, 0, 1, 1, 1, NULL);
    assert_int_equal(f32_bits(out), 0);
}

static void products_agree(void **state) {
    (void)state;
    struct math_kernels c, k;
    int n_random = getenv("GLASS_LONG") ? 5000 : 250;
    math_fill(&c, 0);
    for (int i = 1; i < math_n_isas(); i++) {
        math_fill(&k, i);
        printf("# %s\n", math_isa_name(i));
        assert_true(check_products(&c, &k, n_random));
        assert_true(check_all_across(&c, &k, n_random));
    }
}

static void conversions_agree(void **state) {
    (void)state;
    struct math_kernels k;
    for (int i = 0; i < math_n_isas(); i++) {
        math_fill(&k, i);
        printf("# %s\n", math_isa_name(i));
        assert_true(check_widening(&k));
        assert_true(check_rounding(&k, getenv("GLASS_LONG") ? 100000000 : 1000000));
    }
}

static void limits_count_right(void **state) {
    (void)state;
    struct math_kernels k;
    for (int i = 0; i < math_n_isas(); i++) {
        math_fill(&k, i);
        printf("# %s\n", math_isa_name(i));
        assert_true(check_limits(&k));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(definition_is_the_definition),
        cmocka_unit_test(products_agree),
        cmocka_unit_test(conversions_agree),
        cmocka_unit_test(limits_count_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
