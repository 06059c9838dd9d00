/* test_kernels_vec.c - every instruction set that the machine runs gives the definition's
 * bits in every row of list_vec.def. GLASS_LONG=1: functions on all 2^32 arguments. */
#include "vec_checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_rows_agree(void **state) {
    (void)state;
    struct math_kernels c, k;
    math_fill(&c, 0);
    for (int i = 1; i < math_n_isas(); i++) {
        math_fill(&k, i);
        if (!vec_check_table(&c, &k, getenv("GLASS_LONG") != NULL ? 1 : 4001))
            fail_msg("%s: %s", math_isa_name(i), check_message);
    }
}

/* The definition itself, on small cases worked by hand. */
static void test_definition(void **state) {
    (void)state;
    struct math_kernels c;
    math_fill(&c, 0);
    /* Lanes 0 and 8 add first: (2^24 + 1) + -2^24 rounds the 1 away, lane 1 keeps its own.
     */
    float x[17] = {[0] = 0x1p24f, [8] = 1, [1] = 5, [16] = -0x1p24f};
    assert_true(c.sum16_f32(x, 9) == 0x1p24f + 4);
    assert_true(c.sum16_f32(x, 17) == 6);
    float v[3] = {-0.0f, -0.0f, 0.0f};
    assert_int_equal(f32_bits(c.max_f32(v, 2)), 0);
    assert_true(c.max_f32(v, 0) == -__builtin_inff());
    float s[20], p[20];
    for (int j = 0; j < 20; j++) s[j] = (float)(j % 3);
    assert_true(c.softmax_exp_f32(p, s, 2, 5, 6) == 1 && p[5] == 1);
    double sums[2];
    c.exp_sums_f64(sums, s, NULL, 2, 3); /* s is 0, 1, 2 */
    assert_true(fabs(sums[0] - (1 + exp(-1) + exp(-2))) < 1e-15);
    const float low[2] = {0, -1e30F}, high[2] = {-1, -1e30F};
    c.exp_sums_f64(sums, low, high, 0, 2);
    assert_true(sums[0] == 1 && sums[1] == 1);
    c.exp_sums_f64(sums, low, NULL, 0, 2);
    assert_true(sums[0] == 1 && sums[1] == 0);
    float r[8] = {1, 2, 3, 4, 9, 1, 2, 9}, t[8] = {1, 2, 3, 4, 9, 1, 2, 9};
    const float cosines[2] = {0, 1}, sines[2] = {1, 0};
    c.rope_half_f32(r, cosines, sines, 1, 8, 4);
    assert_true(r[0] == -3 && r[1] == 2 && r[2] == 1 && r[3] == 4 && r[4] == 9);
    c.rope_pairs_f32(t, cosines, sines, 1, 8, 4);
    assert_true(t[0] == -2 && t[1] == 1 && t[2] == 3 && t[3] == 4 && t[4] == 9);
    float w[2] = {2, -1}, y[2], q[2] = {3, 4};
    c.rmsnorm_f32(y, q, w, 2, 0);
    float rms = 1.0f / sqrtf(12.5f);
    assert_true(y[0] == 3 * rms * 2 && y[1] == 4 * rms * -1);
    const float b[2] = {10, 20};
    c.layernorm_f32(y, q, w, b, 2, 0);
    assert_true(y[0] == 8 && y[1] == 19);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_definition),
                                       cmocka_unit_test(test_rows_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
