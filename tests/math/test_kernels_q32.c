/* test_kernels_q32.c - weights in blocks of 32: the definition against the gguf package's
 * values and against plain sums, every instruction set against the definition. */
#include "check_q32.h"

#include "base/hash.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#undef fail /* cmocka's macro hides ours */

static int rounds(int n) {
    return getenv("GLASS_LONG") != NULL ? 20 * n : n;
}

/* gold_q32.py prints these. */
static const char *const digests[N_CHECK_TYPES] = {
    "03adbf787a85cb24695f0dedd6b71e322a558a8e0c1754a957a137048aab04ca",
    "de379e52d0ddc06dd9e6a7f37cb6374787349513b29d4b30c430a95452860ad1",
    "b7430b5585f01180d9fea610f9ba3ce8a05dcebe6884f752f7ea268a15b2834c",
    "d6a6f2895042bdeac3b796d301a174d6e7cbba5d4659657ddd76634f31788882",
    "a1d0e97347f8742475ad26951c173ebe9d925ef3e072fa9d446a4a39bb6cdaac",
    "315f9dc53643d369c44ad65f8716eafbccfe3ee3019a48ed43552ead24b8a27f",
};

static void values_are_those_of_gguf(void **state) {
    (void)state;
    enum { N = 256 };
    for (int isa = 0; isa < math_n_isas(); isa++) {
        struct math_kernels k;
        math_fill(&k, isa);
        for (int type = 0; type < N_CHECK_TYPES; type++) {
            uint64_t seed = 2024;
            size_t bytes = check_types[type].bytes;
            uint8_t *blocks = check_alloc(N * bytes);
            float *y = check_alloc(N * Q32 * sizeof *y);
            for (size_t i = 0; i < N; i++)
                check_block(blocks + i * bytes, type, &seed, CHECK_FINITE);
            check_widen(&k, type)(y, blocks, N * Q32);
            uint8_t digest[32];
            char text[65];
            assert_int_equal(sha256_bytes(digest, y, N * Q32 * sizeof *y), GLASS_OK);
            sha256_hex(text, digest);
            assert_string_equal(text, digests[type]);
            free(blocks), free(y);
        }
    }
}

static void rounding_follows_its_rule(void **state) {
    (void)state;
    struct math_kernels k;
    for (int isa = 0; isa < math_n_isas(); isa++) {
        math_fill(&k, isa);
        float x[Q32] = {127, -127, 0.5f, 1.5f, -2.5f, 126.5f, 0.49999997f};
        struct a32_block out, zero = {0};
        k.round_a32(&out, x, Q32);
        static const int8_t expected[] = {127, -127, 0, 2, -2, 126, 0, 0};
        assert_memory_equal(out.q, expected, sizeof expected);
        assert_true(out.d == 1);
        assert_true(out.sum == 126);
        assert_int_equal(out.offset8, -8 * 126);
        assert_int_equal(out.offset16[0], -16 * 124);
        assert_int_equal(out.offset16[1], -16 * 2);

        /* The largest sums, and the largest numbers. */
        for (int i = 0; i < Q32; i++)
            x[i] = i / 2 % 2 ? 0x1.fffffep+127f : -0x1.fffffep+127f;
        k.round_a32(&out, x, Q32);
        assert_true(out.d == 0x1.fffffep+127f / 127);
        assert_int_equal(out.q[0], -127);
        assert_int_equal(out.offset16[0], 16 * 16 * 127);
        assert_int_equal(out.offset16[1], -16 * 16 * 127);

        /* The smallest normal d, and inputs whose d would be subnormal. */
        x[0] = 127 * 0x1p-126f;
        for (int i = 1; i < Q32; i++) x[i] = -0x1p-126f;
        k.round_a32(&out, x, Q32);
        assert_true(out.d == 0x1p-126f);
        assert_int_equal(out.q[0], 127);
        assert_int_equal(out.q[31], -1);
        assert_true(out.sum == 127 - 31);
        x[0] = 126.9f * 0x1p-126f;
        k.round_a32(&out, x, Q32);
        assert_memory_equal(&out, &zero, sizeof out);

        const uint32_t odd[] = {0x7f800000u, 0xff800000u, 0x7fc00000u, 0xffffffffu,
                                0x7f800001u};
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
            x[0] = 1;
            x[17] = bits_f32(odd[i]);
            k.round_a32(&out, x, Q32);
            assert_int_equal(f32_bits(out.d), 0x7fc00000u);
            out.d = 0;
            assert_memory_equal(&out, &zero, sizeof out);
        }
    }
}

/* The product is the sum of the widened weights times the rounded activations, nearly. */
static void products_are_products(void **state) {
    (void)state;
    enum { BLOCKS = 3 };
    const struct math_kernels *k = math_kernels();
    void *scratch = check_alloc(GEMM_SCRATCH_BYTES);
    uint64_t seed = 7;
    for (int type = 0; type < N_CHECK_TYPES; type++) {
        for (int round = 0; round < 40; round++) {
            size_t bytes = check_types[type].bytes;
            uint8_t w[BLOCKS * 64];
            float x[BLOCKS * Q32], y[BLOCKS * Q32], c;
            struct a32_block a[BLOCKS];
            for (size_t i = 0; i < BLOCKS; i++)
                check_block(w + i * bytes, type, &seed, CHECK_FINITE);
            for (int i = 0; i < BLOCKS * Q32; i++)
                x[i] = (float)(int32_t)check_random(&seed) * 0x1p-31f;
            k->round_a32(a, x, BLOCKS * Q32);
            check_widen(k, type)(y, w, BLOCKS * Q32);
            check_gemm(k, type)(&c, 1, a, sizeof a, w, BLOCKS * bytes, 1, 1, BLOCKS * Q32,
                                scratch);
            double sum = 0, size = 0;
            for (int i = 0; i < BLOCKS * Q32; i++) {
                const struct a32_block *block = &a[i / Q32];
                double rounded = (double)block->d * block->q[i % Q32], m = 0;
                if (check_types[type].has_minimum)
                    m = f16_widen(load_u16(w + (size_t)(i / Q32) * bytes + 2));
                assert_true(fabs(x[i] - rounded) <= 0.501 * block->d);
                sum += y[i] * rounded;
                size += (fabs(y[i] - m) + fabs(m)) * fabs(rounded);
            }
            assert_true(fabs(c - sum) <= size * 0x1p-20);
        }
    }
    free(scratch);
}

static void every_isa_rounds_alike(void **state) {
    (void)state;
    struct math_kernels right, k;
    math_fill(&right, 0);
    for (int isa = 1; isa < math_n_isas(); isa++) {
        math_fill(&k, isa);
        assert_int_equal(check_rounding(&right, &k, rounds(5000), 1), 0);
    }
}

static void every_isa_widens_alike(void **state) {
    (void)state;
    struct math_kernels right, k;
    math_fill(&right, 0);
    for (int isa = 1; isa < math_n_isas(); isa++) {
        math_fill(&k, isa);
        assert_int_equal(check_widening(&right, &k, rounds(500), 2), 0);
    }
}

static void every_isa_multiplies_alike(void **state) {
    (void)state;
    struct math_kernels right, k;
    math_fill(&right, 0);
    for (int isa = 1; isa < math_n_isas(); isa++) {
        math_fill(&k, isa);
        assert_int_equal(check_products(&right, &k, rounds(150), 3), 0);
    }
}

/* A row's bits do not depend on its companions, nor an output's on its neighbours. */
static void a_row_in_a_batch_is_the_row_alone(void **state) {
    (void)state;
    enum { M = 37, N = 45, BLOCKS = 3 };
    struct math_kernels k;
    math_fill(&k, math_n_isas() - 1);
    uint64_t seed = 5;
    struct a32_block *a = check_alloc(M * BLOCKS * sizeof *a);
    float *x = check_alloc(M * BLOCKS * Q32 * sizeof *x);
    void *scratch = check_alloc(GEMM_SCRATCH_BYTES);
    for (int i = 0; i < M * BLOCKS * Q32; i++)
        x[i] = (float)(int32_t)check_random(&seed) * 0x1p-31f;
    k.round_a32(a, x, M * BLOCKS * Q32);
    for (int type = 0; type < N_CHECK_TYPES; type++) {
        size_t a_row = BLOCKS * sizeof *a, w_row = BLOCKS * check_types[type].bytes;
        uint8_t *w = check_alloc(N * w_row);
        for (int i = 0; i < N * BLOCKS; i++)
            check_block(w + (size_t)i * check_types[type].bytes, type, &seed, CHECK_FINITE);
        float all[M * N], one;
        gemm_kernel *gemm = check_gemm(&k, type);
        gemm(all, N, a, a_row, w, w_row, M, N, BLOCKS * Q32, scratch);
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < N; j++) {
                gemm(&one, 1, a + i * BLOCKS, a_row, w + j * w_row, w_row, 1, 1,
                     BLOCKS * Q32, scratch);
                assert_int_equal(f32_bits(one), f32_bits(all[i * N + j]));
            }
        free(w);
    }
    free(a), free(x), free(scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_gguf),
        cmocka_unit_test(rounding_follows_its_rule),
        cmocka_unit_test(products_are_products),
        cmocka_unit_test(every_isa_rounds_alike),
        cmocka_unit_test(every_isa_widens_alike),
        cmocka_unit_test(every_isa_multiplies_alike),
        cmocka_unit_test(a_row_in_a_batch_is_the_row_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
