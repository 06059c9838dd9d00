/* test_kernels_qk.c - weights in blocks of 256: the definition against the gguf package's
 * values and against plain sums, every instruction set against the definition. */
#include "check_qk.h"

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

/* gold_qk.py prints these. */
static const char *const digests[N_CHECK_TYPES] = {
    "02ebfe0c595cb2e9d2369ff688093844638cfb2b7dbe2c3f98d752bd894255ed",
    "9455aa768a014e77ded65d2a67c1958f0a3750024198ff6056f9506882af5845",
    "b9b3a7eaea2c548e9998033958f6f4533dec358ad54424fcc2d9788f9dce61af",
    "4290f184c7fcf4a74757c2522ea0fe93b439065099d4a4f06f4da33e0a86c906",
    "9e277cd56fad0136c66694aedb05bcb99da392cd62fefa43998e70a8928be587",
    "0b5c6d23d84f95a8a534033326adee6c3bb19811005fdac055047adbf736f237",
};

static void values_are_those_of_gguf(void **state) {
    (void)state;
    for (int isa = 0; isa < math_n_isas(); isa++) {
        struct math_kernels k;
        math_fill(&k, isa);
        for (int type = 0; type < N_CHECK_TYPES; type++) {
            uint64_t seed = 2024;
            size_t bytes = check_types[type].bytes;
            uint8_t *blocks = check_alloc(64 * bytes);
            float *y = check_alloc(64 * QK_BLOCK * sizeof *y);
            for (size_t i = 0; i < 64; i++)
                check_block(blocks + i * bytes, type, &seed, CHECK_FINITE);
            check_widen(&k, type)(y, blocks, 64 * QK_BLOCK);
            uint8_t digest[32];
            char text[65];
            assert_int_equal(sha256_bytes(digest, y, 64 * QK_BLOCK * sizeof *y), GLASS_OK);
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
        float x[QK_BLOCK] = {127, -127, 0.5f, 1.5f, -2.5f, 126.5f, 0.49999997f};
        struct a256 out;
        k.round_a256(&out, x, QK_BLOCK);
        static const int8_t expected[] = {127, -127, 0, 2, -2, 126, 0, 0};
        assert_memory_equal(out.q, expected, sizeof expected);
        assert_true(out.d == 1);
        assert_int_equal(out.sums16[0], 126);
        assert_int_equal(out.sums32[0], 126);
        assert_int_equal(out.sums32[1], 0);

        /* The smallest d whose inverse is finite, and the largest whose is not. */
        x[0] = 127 * (0x1p-128f + 0x1p-149f);
        for (int i = 1; i < QK_BLOCK; i++) x[i] = -0x1p-128f;
        k.round_a256(&out, x, QK_BLOCK);
        assert_true(out.d == 0x1p-128f + 0x1p-149f);
        assert_int_equal(out.q[0], 127);
        assert_int_equal(out.q[255], -1);
        assert_int_equal(out.sums16[15], -16);
        x[0] = 127 * 0x1p-128f;
        k.round_a256(&out, x, QK_BLOCK);
        struct a256 zero = {0};
        assert_memory_equal(&out, &zero, sizeof out);

        const uint32_t odd[] = {0x7f800000u, 0xff800000u, 0x7fc00000u, 0xffffffffu,
                                0x7f800001u};
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
            x[0] = 1;
            x[77] = bits_f32(odd[i]);
            k.round_a256(&out, x, QK_BLOCK);
            assert_int_equal(f32_bits(out.d), 0x7fc00000u);
            out.d = 0;
            assert_memory_equal(&out, &zero, sizeof out);
        }
    }
}

/* The product is the sum of the widened weights times the rounded activations, nearly. */
static void products_are_products(void **state) {
    (void)state;
    const struct math_kernels *k = math_kernels();
    void *scratch = check_alloc(GEMM_SCRATCH_BYTES);
    uint64_t seed = 7;
    for (int type = 0; type < N_CHECK_TYPES; type++) {
        for (int round = 0; round < 20; round++) {
            uint8_t w[512];
            float x[2 * QK_BLOCK], y[2 * QK_BLOCK], c;
            struct a256 a[2];
            check_block(w, type, &seed, CHECK_FINITE);
            check_block(w + check_types[type].bytes, type, &seed, CHECK_FINITE);
            for (int i = 0; i < 2 * QK_BLOCK; i++)
                x[i] = (float)(int32_t)check_random(&seed) * 0x1p-31f;
            k->round_a256(a, x, 2 * QK_BLOCK);
            check_widen(k, type)(y, w, 2 * QK_BLOCK);
            check_gemm(k, type)(&c, 1, a, sizeof a, w, 2 * check_types[type].bytes, 1, 1,
                                2 * QK_BLOCK, scratch);
            double sum = 0, size = 0;
            for (int i = 0; i < 2 * QK_BLOCK; i++) {
                const struct a256 *block = &a[i / QK_BLOCK];
                double term = (double)y[i] * block->d * block->q[i % QK_BLOCK];
                assert_true(fabs(x[i] - (double)block->d * block->q[i % QK_BLOCK]) <=
                            0.501 * block->d);
                sum += term;
                size += fabs(term);
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
        assert_int_equal(check_rounding(&right, &k, rounds(2000), 1), 0);
    }
}

static void every_isa_widens_alike(void **state) {
    (void)state;
    struct math_kernels right, k;
    math_fill(&right, 0);
    for (int isa = 1; isa < math_n_isas(); isa++) {
        math_fill(&k, isa);
        assert_int_equal(check_widening(&right, &k, rounds(200), 2), 0);
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
    enum { M = 37, N = 45, BLOCKS = 2 };
    struct math_kernels k;
    math_fill(&k, math_n_isas() - 1);
    uint64_t seed = 5;
    struct a256 *a = check_alloc(M * BLOCKS * sizeof *a);
    float *x = check_alloc(M * BLOCKS * QK_BLOCK * sizeof *x);
    void *scratch = check_alloc(GEMM_SCRATCH_BYTES);
    for (int i = 0; i < M * BLOCKS * QK_BLOCK; i++)
        x[i] = (float)(int32_t)check_random(&seed) * 0x1p-31f;
    k.round_a256(a, x, M * BLOCKS * QK_BLOCK);
    for (int type = 0; type < N_CHECK_TYPES; type++) {
        size_t a_row = BLOCKS * sizeof *a, w_row = BLOCKS * check_types[type].bytes;
        uint8_t *w = check_alloc(N * w_row);
        for (int i = 0; i < N * BLOCKS; i++)
            check_block(w + (size_t)i * check_types[type].bytes, type, &seed, CHECK_FINITE);
        float all[M * N], one;
        gemm_kernel *gemm = check_gemm(&k, type);
        gemm(all, N, a, a_row, w, w_row, M, N, BLOCKS * QK_BLOCK, scratch);
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < N; j++) {
                gemm(&one, 1, a + i * BLOCKS, a_row, w + j * w_row, w_row, 1, 1,
                     BLOCKS * QK_BLOCK, scratch);
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
