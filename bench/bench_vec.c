/* bench_vec.c [ISA] - time per element of the rows of list_vec.def, data in the first-level
 * cache. The best of several runs: what the code can do, not what a busy machine lets it.
 */
#include "math/kernels.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { N = 2048, RUNS = 60 };
static float x[N], y[N], a[N], b[N];

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef void row(const struct math_kernels *k);

static void run_exp(const struct math_kernels *k) {
    k->exp_f32(y, x, N);
}
static void run_log(const struct math_kernels *k) {
    k->log_f32(y, a, N);
}
static void run_tanh(const struct math_kernels *k) {
    k->tanh_f32(y, x, N);
}
static void run_erf(const struct math_kernels *k) {
    k->erf_f32(y, x, N);
}
static void run_sin(const struct math_kernels *k) {
    k->sin_f32(y, x, N);
}
static void run_cos(const struct math_kernels *k) {
    k->cos_f32(y, x, N);
}
static void run_silu(const struct math_kernels *k) {
    k->silu_f32(y, x, N);
}
static void run_silu_mul(const struct math_kernels *k) {
    k->silu_mul_f32(y, x, a, N);
}
static void run_gelu_tanh(const struct math_kernels *k) {
    k->gelu_tanh_f32(y, x, N);
}
static void run_gelu_erf(const struct math_kernels *k) {
    k->gelu_erf_f32(y, x, N);
}
static void run_softmax_exp(const struct math_kernels *k) {
    y[0] = k->softmax_exp_f32(y, x, 8, 0, N);
}
static void run_add(const struct math_kernels *k) {
    k->add_f32(y, x, a, N);
}
static void run_mul(const struct math_kernels *k) {
    k->mul_f32(y, x, a, N);
}
static void run_max(const struct math_kernels *k) {
    y[0] = k->max_f32(x, N);
}
static void run_sum16(const struct math_kernels *k) {
    y[0] = k->sum16_f32(x, N);
}
static void run_rmsnorm(const struct math_kernels *k) {
    k->rmsnorm_f32(y, x, a, N, 1e-5F);
}
static void run_layernorm(const struct math_kernels *k) {
    k->layernorm_f32(y, x, a, b, N, 1e-5F);
}
static void run_rope_half(const struct math_kernels *k) {
    k->rope_half_f32(x, a, b, N / 64, 64, 64);
}
static void run_rope_pairs(const struct math_kernels *k) {
    k->rope_pairs_f32(x, a, b, N / 64, 64, 64);
}

static const struct {
    const char *name;
    row *run;
} rows[] = {
    {"exp", run_exp},
    {"silu", run_silu},
    {"silu_mul", run_silu_mul},
    {"softmax_exp", run_softmax_exp},
    {"tanh", run_tanh},
    {"gelu_tanh", run_gelu_tanh},
    {"erf", run_erf},
    {"gelu_erf", run_gelu_erf},
    {"log", run_log},
    {"sin", run_sin},
    {"cos", run_cos},
    {"add", run_add},
    {"mul", run_mul},
    {"max", run_max},
    {"sum16", run_sum16},
    {"rmsnorm", run_rmsnorm},
    {"layernorm", run_layernorm},
    {"rope_half", run_rope_half},
    {"rope_pairs", run_rope_pairs},
};

static double best_ns(row *run, const struct math_kernels *k) {
    double best = 1e9;
    for (int r = 0; r < RUNS; r++) {
        double start = seconds();
        for (int i = 0; i < 8; i++) run(k);
        double took = seconds() - start;
        if (took < best) best = took;
    }
    return best / (8.0 * N) * 1e9;
}

int main(int argc, char **argv) {
    struct math_kernels k;
    int isa = math_n_isas() - 1;
    while (argc > 1 && isa > 0 && strcmp(math_isa_name(isa), argv[1]) != 0) isa--;
    math_fill(&k, isa);
    for (int i = 0; i < N; i++) {
        x[i] = (float)(i * 37 % 1000 - 500) * 0.01F;
        a[i] = 0.3F + (float)(i * 53 % 1000) * 0.0007F;
        b[i] = 0.2F;
    }
    printf("%s, ns per element, %d elements\n", math_isa_name(isa), N);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("  %-12s %7.3f\n", rows[i].name, best_ns(rows[i].run, &k));
    return 0;
}
