/* test_philox.c - Philox against its authors' known answers, and the numbers made of it. */
#include "math/half.h"
#include "math/philox.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Rows of Random123's kat_vectors: counter, key, result. */
static void test_known_answers(void **state) {
    (void)state;
    static const uint32_t rows[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        philox4x32(out, rows[i], rows[i] + 4);
        for (int j = 0; j < 4; j++) assert_int_equal(out[j], rows[i][6 + j]);
    }
}

static void test_uniform(void **state) {
    (void)state;
    /* The first word of the rows above: i, stream and seed go where the header says. */
    assert_true(philox_uniform(0, 0, 0) == 0x6627e8p-24F);
    assert_true(philox_uniform(0x299f31d0a4093822u, 0x0370734413198a2eu,
                               0x85a308d3243f6a88u) == 0xd16cfep-24F);
    double sum = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        float u = philox_uniform(7, 1, i);
        assert_true(u >= 0 && u < 1);
        sum += (double)u;
    }
    assert_true(fabs(sum / 100000 - 0.5) < 0.005); /* 5 standard errors */
}

static void test_normal(void **state) {
    (void)state;
    enum { N = 100000 };
    float *y = malloc(N * sizeof *y);
    double moment[5] = {0};
    int beyond = 0;
    assert_non_null(y);
    philox_normals(y, N, 5, 9, 11);
    for (int i = 0; i < N; i++) {
        assert_true(f32_bits(y[i]) == f32_bits(philox_normal(5, 9, 11 + (uint64_t)i)));
        double power = 1;
        for (int p = 1; p <= 4; p++) moment[p] += power *= (double)y[i];
        beyond += fabsf(y[i]) > 1.959964F;
    }
    free(y);
    /* Five standard errors each. */
    assert_true(fabs(moment[1] / N) < 5 * sqrt(1.0 / N));
    assert_true(fabs(moment[2] / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(moment[3] / N) < 5 * sqrt(15.0 / N));
    assert_true(fabs(moment[4] / N - 3) < 5 * sqrt(96.0 / N));
    assert_true(fabs((double)beyond / N - 0.05) < 5 * sqrt(0.0475 / N));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_answers),
                                       cmocka_unit_test(test_uniform),
                                       cmocka_unit_test(test_normal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
