/* test_kernels_train.c - rows of the backward pass and the optimisers: every instruction set
 * against the definition, bit for bit, and the definition against derivatives taken by
 * differences in binary64. */
#include "kernel_check.h"
#include "math/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { N_IN = 5, N_OUT = 3, LONGEST = 700 };

/* Inputs of each row: 0 … 3 any numbers; scalars from the end of the last. */
typedef float row_call(const struct math_kernels *k, float *const out[N_OUT],
                       float *const in[N_IN], int64_t n);

static float call_fma(const struct math_kernels *k, float *const out[], float *const in[],
                      int64_t n) {
    k->fma_f32(out[0], in[0], in[1], n);
    return 0;
}
static float call_dot(const struct math_kernels *k, float *const out[], float *const in[],
                      int64_t n) {
    (void)out;
    return k->dot16_f32(in[0], in[1], n);
}
static float call_silu(const struct math_kernels *k, float *const out[], float *const in[],
                       int64_t n) {
    k->silu_mul_back_f32(out[0], out[1], in[0], in[1], in[2], in[3], n);
    return 0;
}
static float call_tanh(const struct math_kernels *k, float *const out[], float *const in[],
                       int64_t n) {
    k->gelu_tanh_inner_f32(out[0], in[0], n);
    k->gelu_tanh_back_f32(out[1], in[1], in[0], in[2], n);
    return 0;
}
static float call_erf(const struct math_kernels *k, float *const out[], float *const in[],
                      int64_t n) {
    k->gelu_erf_inner_f32(out[0], out[1], in[0], n);
    k->gelu_erf_back_f32(out[2], in[1], in[0], in[2], in[3], n);
    return 0;
}
static float call_rms(const struct math_kernels *k, float *const out[], float *const in[],
                      int64_t n) {
    k->rmsnorm_back_f32(out[0], out[1], in[0], in[1], in[2], n, 1e-5F);
    return 0;
}
static float call_layer(const struct math_kernels *k, float *const out[], float *const in[],
                        int64_t n) {
    k->layernorm_back_f32(out[0], out[1], in[0], in[1], in[2], n, 1e-5F);
    return 0;
}
static float call_softmax(const struct math_kernels *k, float *const out[],
                          float *const in[], int64_t n) {
    k->softmax_back_f32(out[0], in[0], in[1], in[2][0], n);
    return 0;
}
static float call_softcap(const struct math_kernels *k, float *const out[],
                          float *const in[], int64_t n) {
    k->softcap_back_f32(out[0], in[0], n);
    return 0;
}
static float call_blend(const struct math_kernels *k, float *const out[], float *const in[],
                        int64_t n) {
    k->blend_f32(out[0], in[0], in[1][0], in[2][0], n);
    return 0;
}
static float call_adamw(const struct math_kernels *k, float *const out[], float *const in[],
                        int64_t n) {
    struct adamw_step step = {0.95F, 0.1F, 0.05F, 1e-3F, 1.5F, 1e-8F, 0.999F, 0.5F};
    k->adamw_f32(out[0], out[1], out[2], in[0], n, &step);
    return 0;
}

static const struct {
    const char *name;
    row_call *call;
} rows[] = {{"fma_f32", call_fma},
            {"dot16_f32", call_dot},
            {"silu_mul_back_f32", call_silu},
            {"gelu_tanh_back_f32", call_tanh},
            {"gelu_erf_back_f32", call_erf},
            {"rmsnorm_back_f32", call_rms},
            {"layernorm_back_f32", call_layer},
            {"softmax_back_f32", call_softmax},
            {"softcap_back_f32", call_softcap},
            {"blend_f32", call_blend},
            {"adamw_f32", call_adamw}};

static void one_row(const struct math_kernels *c, const struct math_kernels *k, size_t row,
                    struct check_random *random, int64_t n, enum check_mood mood) {
    struct check_array in[N_IN], want[N_OUT], got[N_OUT];
    float *in_x[N_IN], *want_x[N_OUT], *got_x[N_OUT];
    for (int i = 0; i < N_IN; i++) {
        in[i] = check_array_create(n > 0 ? n : 1, check_below(random, 8));
        check_array_fill(&in[i], random, mood);
        in_x[i] = in[i].x;
    }
    for (int i = 0; i < N_OUT; i++) {
        want[i] = check_array_create(n, check_below(random, 8));
        got[i] = check_array_create(n, check_below(random, 8));
        check_array_fill(&want[i], random, CHECK_TAME);
        for (int64_t j = 0; j < n; j++) { /* some rows read what they write */
            if (rows[row].call == call_adamw) want[i].x[j] = fabsf(want[i].x[j]);
            got[i].x[j] = want[i].x[j];
        }
        want_x[i] = want[i].x, got_x[i] = got[i].x;
    }
    float a = rows[row].call(c, want_x, in_x, n), b = rows[row].call(k, got_x, in_x, n);
    if (!check_equal(rows[row].name, 1, &b, &a)) fail_msg("%s", check_message);
    for (int i = 0; i < N_OUT; i++)
        if (!check_equal(rows[row].name, n, got[i].x, want[i].x) ||
            !check_margins(rows[row].name, &got[i]))
            fail_msg("n %lld: %s", (long long)n, check_message);
    for (int i = 0; i < N_IN; i++) check_array_close(&in[i]);
    for (int i = 0; i < N_OUT; i++) check_array_close(&want[i]), check_array_close(&got[i]);
}

static void variants_agree(void **state) {
    (void)state;
    struct math_kernels c, k;
    struct check_random random = {1};
    math_fill(&c, 0);
    for (int isa = 1; isa < math_n_isas(); isa++) {
        math_fill(&k, isa);
        for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
            for (int i = 0; i < 150; i++)
                one_row(&c, &k, row, &random, i < 70 ? i : check_below(&random, LONGEST),
                        (enum check_mood)(i % CHECK_MOODS));
    }
}

/* ---- derivatives ---- */

static double silu_mul(const double *x) {
    return x[0] / (1 + exp(-x[0])) * x[1];
}
static double gelu_tanh(const double *x) {
    return 0.5 * x[0] *
           (1 + tanh(0.79788456080286535588 * (x[0] + 0.044715 * x[0] * x[0] * x[0])));
}
static double gelu_erf(const double *x) {
    return 0.5 * x[0] * (1 + erf(x[0] * 0.70710678118654752440));
}

static double slope(double f(const double *), const double *x, int which) {
    double up[2] = {x[0], x[1]}, down[2] = {x[0], x[1]};
    up[which] += 1e-5, down[which] -= 1e-5;
    return (f(up) - f(down)) / 2e-5;
}

static void near(double got, double want) {
    if (!(fabs(got - want) <= 1e-5 * (1 + fabs(want)))) fail_msg("%g, not %g", got, want);
}

static void activations_are_derived(void **state) {
    (void)state;
    const struct math_kernels *k = math_kernels();
    for (int i = -300; i <= 300; i++) {
        float g = (float)i * 0.03F, u = 1.5F - (float)i * 0.01F, dh = 0.7F, e, t, f, z, dg,
              du;
        double at[2] = {(double)g, (double)u};
        e = -g;
        k->exp_f32(&e, &e, 1);
        k->silu_mul_back_f32(&dg, &du, &dh, &g, &u, &e, 1);
        near((double)dg, 0.7 * slope(silu_mul, at, 0));
        near((double)du, 0.7 * slope(silu_mul, at, 1));
        k->gelu_tanh_inner_f32(&t, &g, 1);
        k->tanh_f32(&t, &t, 1);
        k->gelu_tanh_back_f32(&dg, &dh, &g, &t, 1);
        near((double)dg, 0.7 * slope(gelu_tanh, at, 0));
        k->gelu_erf_inner_f32(&f, &z, &g, 1);
        k->erf_f32(&f, &f, 1);
        k->exp_f32(&z, &z, 1);
        k->gelu_erf_back_f32(&dg, &dh, &g, &f, &z, 1);
        near((double)dg, 0.7 * slope(gelu_erf, at, 0));
    }
}

enum { WIDTH = 37 };

/* Σ dy y of a norm in binary64. */
static double norm(bool layer, const double *x, const float *w, const float *dy) {
    double mean = 0, square = 0, sum = 0;
    for (int i = 0; layer && i < WIDTH; i++) mean += x[i] / WIDTH;
    for (int i = 0; i < WIDTH; i++) square += (x[i] - mean) * (x[i] - mean) / WIDTH;
    for (int i = 0; i < WIDTH; i++)
        sum += (double)dy[i] * (x[i] - mean) / sqrt(square + 1e-5) * (double)w[i];
    return sum;
}

static void norms_are_derived(void **state) {
    (void)state;
    const struct math_kernels *k = math_kernels();
    struct check_random random = {2};
    float x[WIDTH], w[WIDTH], dy[WIDTH], dx[WIDTH], hat[WIDTH];
    double at[WIDTH];
    for (int round = 0; round < 20; round++)
        for (int layer = 0; layer < 2; layer++) {
            for (int i = 0; i < WIDTH; i++) {
                x[i] = (float)check_below(&random, 1000) * 0.004F - 1.5F;
                w[i] = (float)check_below(&random, 1000) * 0.002F;
                dy[i] = (float)check_below(&random, 1000) * 0.004F - 2.0F;
                at[i] = (double)x[i];
            }
            (layer ? k->layernorm_back_f32 : k->rmsnorm_back_f32)(dx, hat, dy, x, w, WIDTH,
                                                                  1e-5F);
            for (int i = 0; i < WIDTH; i++) {
                double here = at[i];
                at[i] = here + 1e-5;
                double up = norm(layer, at, w, dy);
                at[i] = here - 1e-5;
                double down = norm(layer, at, w, dy);
                at[i] = here;
                near((double)dx[i], (up - down) / 2e-5);
                /* Σ dy y is linear in w: its slope is dy hat. */
                float one[WIDTH] = {0};
                one[i] = 1;
                near((double)(dy[i] * hat[i]), norm(layer, at, one, dy));
            }
        }
}

/* Three steps of AdamW in binary64, as Loshchilov and Hutter (2019) have them. */
static void adamw_is_adamw(void **state) {
    (void)state;
    const struct math_kernels *k = math_kernels();
    const double rate = 0.01, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, decay = 0.1;
    float p = 1, m = 0, v = 0;
    double want = 1, first = 0, second = 0;
    for (int t = 1; t <= 3; t++) {
        float g = 0.5F * (float)t - 0.8F;
        struct adamw_step step = {.beta2 = (float)beta2,
                                  .rest1 = (float)(1 - beta1),
                                  .rest2 = (float)(1 - beta2),
                                  .rate = (float)(rate / (1 - pow(beta1, t))),
                                  .root = (float)(1 / sqrt(1 - pow(beta2, t))),
                                  .eps = (float)eps,
                                  .keep = (float)(1 - rate * decay),
                                  .gradient = 1};
        k->adamw_f32(&p, &m, &v, &g, 1, &step);
        first = beta1 * first + (1 - beta1) * (double)g;
        second = beta2 * second + (1 - beta2) * (double)g * (double)g;
        want -= rate * decay * want;
        want -= rate * (first / (1 - pow(beta1, t))) /
                (sqrt(second / (1 - pow(beta2, t))) + eps);
        near((double)p, want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_agree),
        cmocka_unit_test(activations_are_derived),
        cmocka_unit_test(norms_are_derived),
        cmocka_unit_test(adamw_is_adamw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
