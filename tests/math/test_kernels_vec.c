/* test_kernels_vec.c - every instruction set gives the definition's bits for functions and
 * vectors, and the functions are MPFR's on a sample (tests/tools/mpfr_all.c takes them all). */
#include "math/functions.h"
#include "math/half.h"
#include "math/kernels.h"
#include "math/philox.h"

#include <math.h>
#include <mpfr.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N = 300 };
static uint64_t drawn;

static uint32_t word(void) {
    uint32_t out[4], counter[4] = {(uint32_t)drawn, (uint32_t)(drawn >> 32), 0, 0};
    uint32_t key[2] = {1, 2};
    drawn++;
    philox4x32(out, counter, key);
    return out[0];
}

/* Ordinary numbers mostly; now and then a special or any bits at all. */
static float nasty(bool finite) {
    static const float special[] = {0, -0.0F, 1, -1, 0x1p-149F, -0x1p-149F, 0x1p-126F, 88.7228F,
                                    -103.97F, 3e38F, -3e38F, 1e-30F, INFINITY, -INFINITY, NAN};
    uint32_t w = word();
    if (w % 16 == 0) return special[w / 16 % (finite ? 12 : 15)];
    if (w % 16 == 1 && !finite) return bits_f32(word());
    return ((float)(int32_t)word()) * 0x1p-29F;
}

static void fill(float *x, int64_t n, bool finite) {
    for (int64_t i = 0; i < n; i++) x[i] = nasty(finite);
}

static bool same(float a, float b) {
    return (a != a && b != b) || f32_bits(a) == f32_bits(b);
}

static void must_agree(const char *what, const char *isa, int64_t n, const float *a,
                       const float *b, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (!same(a[i], b[i])) {
            fail_msg("%s, %s, n=%lld: [%lld] is %a, should be %a", what, isa, (long long)n,
                     (long long)i, (double)b[i], (double)a[i]);
        }
}

typedef void unary(float *y, const float *x, int64_t n);

/* One row of the table with one input: all lengths, in place and not, off alignment. */
static void check_unary(const char *name, const char *isa, unary *c, unary *v) {
    float x[N + 3], y[N + 3], z[N + 3];
    for (int64_t n = 0; n < 68; n++) {
        float *in = x + n % 3;
        fill(in, n, false);
        c(y, in, n);
        v(z, in, n);
        must_agree(name, isa, n, y, z, n);
        v(in, in, n);
        must_agree(name, isa, n, y, in, n);
    }
}

static void unary_rows_agree(void **state) {
    (void)state;
    struct math_kernels c, v;
    math_fill(&c, 0);
    for (int i = 1; i < math_n_isas(); i++) {
        math_fill(&v, i);
#define ROW(name) check_unary(#name, math_isa_name(i), c.name, v.name)
        for (int times = 0; times < 40; times++) {
            ROW(exp_f32);
            ROW(log_f32);
            ROW(tanh_f32);
            ROW(erf_f32);
            ROW(sin_f32);
            ROW(cos_f32);
            ROW(silu_f32);
            ROW(gelu_tanh_f32);
            ROW(gelu_erf_f32);
            ROW(relu_f32);
        }
#undef ROW
    }
}

static void other_rows_agree(void **state) {
    (void)state;
    struct math_kernels c, v;
    static float a[N], b[N], w[N], y[N], z[N];
    math_fill(&c, 0);
    for (int i = 1; i < math_n_isas(); i++) {
        const char *isa = math_isa_name(i);
        math_fill(&v, i);
        for (int64_t n = 1; n < 200; n++) {
            bool finite = n % 2;
            fill(a, N, finite);
            fill(b, N, finite);
            fill(w, N, true);
            c.add_f32(y, a, b, n), v.add_f32(z, a, b, n);
            must_agree("add", isa, n, y, z, n);
            c.mul_f32(y, a, b, n), v.mul_f32(z, a, b, n);
            must_agree("mul", isa, n, y, z, n);
            c.scale_f32(y, a, b[0], n), v.scale_f32(z, a, b[0], n);
            must_agree("scale", isa, n, y, z, n);
            c.divide_f32(y, a, b[0], n), v.divide_f32(z, a, b[0], n);
            must_agree("divide", isa, n, y, z, n);
            y[0] = c.max_f32(a, n), z[0] = v.max_f32(a, n);
            must_agree("max", isa, n, y, z, 1);
            y[0] = c.sum16_f32(a, n), z[0] = v.sum16_f32(a, n);
            must_agree("sum16", isa, n, y, z, 1);
            y[0] = c.sumsq16_f32(a, n), z[0] = v.sumsq16_f32(a, n);
            must_agree("sumsq16", isa, n, y, z, 1);
            c.rmsnorm_f32(y, a, w, n, 1e-5F), v.rmsnorm_f32(z, a, w, n, 1e-5F);
            must_agree("rmsnorm", isa, n, y, z, n);
            c.layernorm_f32(y, a, w, b, n, 1e-5F), v.layernorm_f32(z, a, w, b, n, 1e-5F);
            must_agree("layernorm", isa, n, y, z, n);
            c.layernorm_f32(y, a, w, NULL, n, 1e-5F), v.layernorm_f32(z, a, w, NULL, n, 1e-5F);
            must_agree("layernorm without bias", isa, n, y, z, n);
            int64_t begin = word() % (uint32_t)n;
            y[begin] = z[begin] = 0;
            float s = c.softmax_exp_f32(y, a, 3.9F, begin, n);
            float t = v.softmax_exp_f32(z, a, 3.9F, begin, n);
            must_agree("softmax", isa, n, y + begin, z + begin, n - begin);
            must_agree("softmax's sum", isa, n, &s, &t, 1);
        }
    }
}

static void rotations_agree(void **state) {
    (void)state;
    struct math_kernels c, v;
    float x[3 * 96], y[3 * 96], z[3 * 96], cosines[48], sines[48];
    math_fill(&c, 0);
    for (int i = 1; i < math_n_isas(); i++) {
        math_fill(&v, i);
        for (int64_t n_rot = 2; n_rot <= 96; n_rot += 2) {
            fill(x, 3 * 96, true);
            fill(cosines, 48, true);
            fill(sines, 48, true);
            memcpy(y, x, sizeof x);
            memcpy(z, x, sizeof x);
            c.rope_half_f32(y, cosines, sines, 3, 96, n_rot);
            v.rope_half_f32(z, cosines, sines, 3, 96, n_rot);
            must_agree("rope_half", math_isa_name(i), n_rot, y, z, 3 * 96);
            c.rope_pairs_f32(y, cosines, sines, 3, 96, n_rot);
            v.rope_pairs_f32(z, cosines, sines, 3, 96, n_rot);
            must_agree("rope_pairs", math_isa_name(i), n_rot, y, z, 3 * 96);
        }
    }
}

static void functions_are_mpfrs(void **state) {
    (void)state;
    static const struct {
        const char *name;
        float (*ours)(float);
        int (*theirs)(mpfr_t, const mpfr_t, mpfr_rnd_t);
    } rows[] = {{"exp", math_exp_f32, mpfr_exp},    {"log", math_log_f32, mpfr_log},
                {"tanh", math_tanh_f32, mpfr_tanh}, {"erf", math_erf_f32, mpfr_erf},
                {"sin", math_sin_f32, mpfr_sin},    {"cos", math_cos_f32, mpfr_cos}};
    mpfr_t in, out;
    mpfr_set_emin(-148);
    mpfr_set_emax(128);
    mpfr_init2(in, 24);
    mpfr_init2(out, 24);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += 20011) {
            float x = bits_f32((uint32_t)bits);
            mpfr_set_flt(in, x, MPFR_RNDN);
            mpfr_subnormalize(out, rows[r].theirs(out, in, MPFR_RNDN), MPFR_RNDN);
            float want = mpfr_get_flt(out, MPFR_RNDN), have = rows[r].ours(x);
            if (!same(want, have))
                fail_msg("%s(%a) is %a, should be %a", rows[r].name, (double)x, (double)have,
                         (double)want);
        }
    mpfr_clear(in);
    mpfr_clear(out);
}

static void pow_is_mpfrs(void **state) {
    (void)state;
    mpfr_t x, y, out;
    mpfr_set_emin(-148);
    mpfr_set_emax(128);
    mpfr_inits2(24, x, y, out, (mpfr_ptr)0);
    for (int i = 0; i < 20000; i++) {
        float base = fabsf(nasty(true)) * (i % 3 ? 1.0F : 1e5F), power = nasty(true);
        if (base == 0 || base - base != 0) continue;
        mpfr_set_flt(x, base, MPFR_RNDN);
        mpfr_set_flt(y, power, MPFR_RNDN);
        mpfr_subnormalize(out, mpfr_pow(out, x, y, MPFR_RNDN), MPFR_RNDN);
        float want = mpfr_get_flt(out, MPFR_RNDN), have = math_pow_f32(base, power);
        if (!same(want, have))
            fail_msg("pow(%a, %a) is %a, should be %a", (double)base, (double)power,
                     (double)have, (double)want);
    }
    mpfr_clears(x, y, out, (mpfr_ptr)0);
}

/* Known answers of Random123's philox4x32-10. */
static void philox_is_random123s(void **state) {
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

/* Every half widens and rounds back to itself; rounding agrees with a search in doubles. */
static void halves_round_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float x = f16_widen((uint16_t)h);
        if (x == x) assert_int_equal(f16_round(x), h);
        x = bf16_widen((uint16_t)h);
        if (x == x) assert_int_equal(bf16_round(x), h);
    }
    for (uint32_t h = 0; h < 0x7bff; h++) {
        float low = f16_widen((uint16_t)h), high = f16_widen((uint16_t)(h + 1));
        float middle = 0.5F * low + 0.5F * high; /* exact: 12 bits */
        assert_int_equal(f16_round(middle), h & 1 ? h + 1 : h);
        assert_int_equal(f16_round(nextafterf(middle, 0)), h);
        assert_int_equal(f16_round(nextafterf(middle, INFINITY)), h + 1);
    }
    assert_int_equal(f16_round(65519.99F), 0x7bff);
    assert_int_equal(f16_round(65520.0F), 0x7c00);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary_rows_agree),    cmocka_unit_test(other_rows_agree),
        cmocka_unit_test(rotations_agree),     cmocka_unit_test(functions_are_mpfrs),
        cmocka_unit_test(pow_is_mpfrs),        cmocka_unit_test(philox_is_random123s),
        cmocka_unit_test(halves_round_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
