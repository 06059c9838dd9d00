/* test_quant.c - weights to blocks: llama.cpp's own blocks (digests of gold_quant.py), every
 * instruction set, what is lost by each type, and weights that no type can hold. */
#include "base/hash.h"
#include "check_quant.h"
#include "math/quant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ROWS = 5, COLUMNS = 768 };

/* gold_quant.py prints these. */
static const struct {
    const char *type;
    bool important;
    const char *digest;
} golden[] = {
    {"q4_0", false, "f8b0e192959b1647a5669c175a12913a1584167b6435fbf0e172dd7c2625e1e6"},
    {"q4_0", true, "b5fb809203c8f81066161da94ca7e1ceb39f1cc33f1351547210373397a6dffc"},
    {"q4_1", false, "a2c6d6ba455e5bfd862e617c51c81d451e835ad3d39f4a4bebe32727a7eaed5f"},
    {"q4_1", true, "92a927ae53e103d95ef156f4214b9efc99ff69625ce9746e345c3a99404ee6e1"},
    {"q5_0", false, "76d900fd4bfc35d322b030b00ec19082a77a187ede0103f71110489cb3b230bf"},
    {"q5_0", true, "52ae5f4e449f35c2d40d055826d5ac344247fda548e5f195d18bdf07fc27138b"},
    {"q5_1", false, "546d9dd75b65ecf0471c5317493aa15752c13f27e0d1f269495da5daca62e0f9"},
    {"q5_1", true, "93be87fc7111e08a23050d0e7a85f995fd997c9224ff1bc1295a683f8c20bd61"},
    {"q8_0", false, "e98ffd346d131e1ac99ec1e724ab2f658e5d5f66af237a6a3bd550baf6d4ec71"},
    {"q8_0", true, "e98ffd346d131e1ac99ec1e724ab2f658e5d5f66af237a6a3bd550baf6d4ec71"},
    {"iq4_nl", false, "723aa904e458b83fcac94bd0b72c1e6663c9c2f83fdc56239d3dcf6fb01dec83"},
    {"iq4_nl", true, "a16cfddc7d57be9a6c4ecd5c08da819efa61f606a0cf01617c94361a9b696190"},
    {"q2_k", false, "799c4a4e5cfbbf127c5469f9a9b287aad9edcdd88f1a95d3002fa8720b1562e9"},
    {"q2_k", true, "30b168961859abd0e9ebdc1a6af0230d250a809024b24e45548f0f1be7cb7565"},
    {"q3_k", false, "27cc99673276deeeb7a1a21858df1f6758b0f8605c22db58f96fc801fb4e90cf"},
    {"q3_k", true, "75d0d816a2cc8d570ab32b5fc0021a4f09a30844a5b2ceab0627a45c0ae5a16f"},
    {"q4_k", false, "52838754f68a0d0e2b558582627c752afe19e0e085ada893a06a6438388d6962"},
    {"q4_k", true, "1e86d1a8a58495a94954e260f267e8246aefed469dadd20f49bc3fb645fa9516"},
    {"q5_k", false, "3b48b2d23cc25c1fff2baa405b652a89b4be86b0f3c57c6b6a884bbaef39ae86"},
    {"q5_k", true, "96e0bceb2654d2512b4af34df9a2591590046be3522510e0c00ce8b39ddfd187"},
    {"q6_k", false, "46cfeb371f2612bbfbddb83e5208935fd0b0832ee84d4a7f5e6384c12407e6dc"},
    {"q6_k", true, "9cca39e101142ca41c4419eb647cd72f8bb08824adbc050fc17dede5170d41ea"},
    {"iq4_xs", false, "652784d4fdfd9eaabfbf77aeb6eb90429710e03016c67e2aad67adb45805dd24"},
    {"iq4_xs", true, "d3d49c6cf8c1b497502c608437bd46baa37eea01dbc2a6be0f9252c8046e34de"},
};

static int type_named(const char *name) {
    int i = 0;
    while (strcmp(check_quant_types[i].name, name) != 0) i++;
    return i;
}

static void test_golden(void **state) {
    (void)state;
    static float x[ROWS * COLUMNS], w[COLUMNS];
    static uint8_t out[ROWS * COLUMNS * 2];
    for (size_t g = 0; g < sizeof golden / sizeof *golden; g++) {
        glass_dtype type = check_quant_types[type_named(golden[g].type)].type;
        size_t n_bytes = ROWS * quant_row_bytes(type, COLUMNS);
        struct sha256 *hash;
        uint8_t digest[32];
        char text[65];
        int64_t at;
        assert_int_equal(sha256_create(&hash), GLASS_OK);
        for (int kind = 0; kind < WEIGHTS_KINDS; kind++) {
            check_weights(x, ROWS * COLUMNS, (enum weights_kind)kind, (uint64_t)kind);
            check_importance(w, COLUMNS, (uint64_t)kind);
            assert_int_equal(quant_rows(out, x, golden[g].important ? w : NULL, ROWS,
                                        COLUMNS, type, &at),
                             QUANT_GOOD);
            assert_int_equal(sha256_update(hash, out, n_bytes), GLASS_OK);
        }
        assert_int_equal(sha256_finish(hash, digest), GLASS_OK);
        sha256_hex(text, digest);
        if (strcmp(text, golden[g].digest) != 0)
            fail_msg("%s, %s importance: %s", golden[g].type,
                     golden[g].important ? "with" : "no", text);
    }
}

static void test_sets_agree(void **state) {
    (void)state;
    struct math_kernels c, k;
    math_fill(&c, 0);
    for (int i = 1; i < math_n_isas(); i++) {
        math_fill(&k, i);
        if (!check_quant_table(&c, &k)) fail_msg("%s: %s", math_isa_name(i), check_message);
    }
}

/* Relative root mean square of what 64 rows of bell-shaped weights lose. */
static double lost(glass_dtype type, const float *importance, const float *judge) {
    static float x[64 * 512], y[512];
    static uint8_t out[64 * 512 * 4];
    double squares = 0, weights = 0;
    size_t row_bytes = quant_row_bytes(type, 512);
    int64_t at;
    check_weights(x, 64 * 512, WEIGHTS_BELL, 7);
    assert_int_equal(quant_rows(out, x, importance, 64, 512, type, &at), QUANT_GOOD);
    for (int r = 0; r < 64; r++) {
        struct quant_error e;
        quant_error_row(&e, y, x + r * 512, out + (size_t)r * row_bytes, 512, type);
        if (judge == NULL) squares += e.squares, weights += e.weights;
        for (int i = 0; judge != NULL && i < 512; i++) {
            double d = (double)(y[i] - x[r * 512 + i]), v = (double)x[r * 512 + i];
            squares += (double)judge[i] * d * d, weights += (double)judge[i] * v * v;
        }
    }
    return sqrt(squares / weights);
}

static void test_error_bounds(void **state) {
    (void)state;
    /* Measured, rounded up in the third digit. */
    static const struct {
        glass_dtype type;
        double plain;
    } bounds[] = {
        {GLASS_Q4_0, 0.0802},  {GLASS_Q4_1, 0.0747},  {GLASS_Q5_0, 0.0398},
        {GLASS_Q5_1, 0.0363},  {GLASS_Q8_0, 0.00501}, {GLASS_IQ4_NL, 0.0732},
        {GLASS_Q2_K, 0.2844},  {GLASS_Q3_K, 0.1438},  {GLASS_Q4_K, 0.0678},
        {GLASS_Q5_K, 0.0346},  {GLASS_Q6_K, 0.0168},  {GLASS_IQ4_XS, 0.0737},
        {GLASS_F16, 0.000209}, {GLASS_BF16, 0.00166},
    };
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        double error = lost(bounds[i].type, NULL, NULL);
        if (!(error <= bounds[i].plain))
            fail_msg("%s: %.6f", glass_dtype_name(bounds[i].type), error);
    }
}

/* What importance says matters is kept better with it than without. */
static void test_importance_helps(void **state) {
    (void)state;
    float w[512];
    check_importance(w, 512, 11);
    for (int t = 0; t < N_QUANT_TYPES; t++) {
        glass_dtype type = check_quant_types[t].type;
        double with = lost(type, w, w), without = lost(type, NULL, w);
        if (type == GLASS_Q8_0 ? with != without : !(with < without))
            fail_msg("%s: %.6f with, %.6f without", glass_dtype_name(type), with, without);
    }
}

static const glass_dtype all_types[] = {GLASS_F32,  GLASS_F16,    GLASS_BF16,  GLASS_Q4_0,
                                        GLASS_Q4_1, GLASS_Q5_0,   GLASS_Q5_1,  GLASS_Q8_0,
                                        GLASS_Q2_K, GLASS_Q3_K,   GLASS_Q4_K,  GLASS_Q5_K,
                                        GLASS_Q6_K, GLASS_IQ4_NL, GLASS_IQ4_XS};
enum { N_TYPES = sizeof all_types / sizeof *all_types };

static void test_not_finite(void **state) {
    (void)state;
    static const uint32_t wild[] = {0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001,
                                    0x7f800001};
    static const int64_t places[] = {0, 63, 64, 300, 767};
    float x[768];
    uint8_t out[768 * 4];
    for (int t = 0; t < N_TYPES; t++)
        for (int i = 0; i < 5; i++) {
            int64_t at = -1;
            check_weights(x, 768, WEIGHTS_BELL, 3);
            x[places[i]] = bits_f32(wild[i]);
            x[767] = bits_f32(wild[i]);
            assert_int_equal(quant_rows(out, x, NULL, 3, 256, all_types[t], &at),
                             QUANT_NOT_FINITE);
            assert_int_equal(at, places[i]);
        }
}

/* Half floats end at 65504: a scale above is refused, with the block that has it. */
static void test_too_large(void **state) {
    (void)state;
    float x[512];
    uint8_t out[512 * 4];
    for (int t = 0; t < N_TYPES; t++) {
        int64_t at = -1, block = glass_dtype_block(all_types[t]);
        check_weights(x, 512, WEIGHTS_BELL, 3);
        x[300] = 0x1.fffffep127F;
        enum quant_flaw flaw = quant_rows(out, x, NULL, 2, 256, all_types[t], &at);
        if (all_types[t] == GLASS_F32) {
            assert_int_equal(flaw, QUANT_GOOD);
            continue;
        }
        assert_int_equal(flaw, QUANT_TOO_LARGE);
        assert_int_equal(at, 300);
        if (block == 1) continue;
        /* The first size that a scale refuses, whatever the type makes of it. */
        float size = 60000;
        do {
            x[300] = -(size *= 1.25F);
            flaw = quant_rows(out, x, NULL, 2, 256, all_types[t], &at);
        } while (flaw == QUANT_GOOD);
        assert_int_equal(flaw, QUANT_TOO_LARGE);
        assert_true(at == 300 || at == 300 / block * block);
        x[300] /= 1.25F;
        assert_int_equal(quant_rows(out, x, NULL, 2, 256, all_types[t], &at), QUANT_GOOD);
        float y[256];
        struct quant_error e;
        quant_error_row(&e, y, x + 256, out + quant_row_bytes(all_types[t], 256), 256,
                        all_types[t]);
        assert_true(e.squares < 0.05 * e.weights);
    }
}

/* Nothing but zeros, and nothing that a half float's scale can tell from it. */
static void test_tiny(void **state) {
    (void)state;
    static const float sizes[] = {0, 0x1p-149F, -0x1p-140F, 0x1p-127F, 0x1p-100F};
    float x[256], y[256];
    uint8_t out[256 * 4];
    for (int t = 0; t < N_TYPES; t++)
        for (int s = 0; s < 5; s++) {
            struct quant_error e;
            int64_t at;
            for (int i = 0; i < 256; i++)
                x[i] = i % 3 == 0 ? sizes[s] : i % 3 == 1 ? -sizes[s] : 0;
            assert_int_equal(quant_rows(out, x, NULL, 1, 256, all_types[t], &at),
                             QUANT_GOOD);
            quant_error_row(&e, y, x, out, 256, all_types[t]);
            assert_true(e.largest <= 0x1p-100);
        }
}

static void test_sizes(void **state) {
    (void)state;
    assert_int_equal(quant_row_bytes(GLASS_Q4_K, 512), 288);
    assert_int_equal(quant_row_bytes(GLASS_Q4_K, 576), 0);
    assert_int_equal(quant_row_bytes(GLASS_Q4_0, 576), 324);
    assert_int_equal(quant_row_bytes(GLASS_Q4_0, 0), 0);
    assert_int_equal(quant_row_bytes(GLASS_F32, 3), 12);
    assert_int_equal(quant_row_bytes(GLASS_I8, 32), 0);
    assert_int_equal(quant_row_bytes((glass_dtype)99, 32), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),       cmocka_unit_test(test_sets_agree),
        cmocka_unit_test(test_error_bounds), cmocka_unit_test(test_importance_helps),
        cmocka_unit_test(test_not_finite),   cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_tiny),         cmocka_unit_test(test_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
