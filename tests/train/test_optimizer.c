/* test_optimizer.c - a step of the whole registry has the bits of steps of its parts, and Muon's
 * those of docs/arithmetic.md, spelled out. */
#include "glass/glass.h"
#include "math/gemm.h"
#include "model/model.h"
#include "train/optimizer.h"
#include "train/optimizer_muon.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 3 };

static void open(glass_model **model, struct params *p, enum optimizer_kind kind) {
    if (glass_model_open(model, "tests/model/data/families/llama.gguf", NULL) != GLASS_OK ||
        params_create(p, &(*model)->config, &(*model)->weights) != GLASS_OK)
        fail_msg("%s", glass_error());
    optimizer_choose(p, kind);
}

/* Three steps by n owners; a part's gradient and moments are no longer than the part. */
static void step_by(enum optimizer_kind kind, int64_t n, const int64_t *ends,
                    float *values) {
    glass_model *model;
    struct params p;
    struct optimizer_options options = {.muon_rate = 0.02,
                                        .muon_decay = 0.1,
                                        .momentum = 0.95,
                                        .rate = 1e-3,
                                        .beta1 = 0.9,
                                        .beta2 = 0.95,
                                        .eps = 1e-8,
                                        .decay = 0.1,
                                        .clip = 1};
    open(&model, &p, kind);
    float *gradient = malloc((size_t)p.n_floats * sizeof *gradient);
    struct optimizer *o = calloc((size_t)n, sizeof *o);
    float *work = malloc((size_t)optimizer_work_floats(p.config, kind) * 4 + 1);
    char *scratch = aligned_alloc(64, 3 * GEMM_SCRATCH_BYTES);
    for (int64_t i = 0; i < n; i++) {
        int64_t begin, end;
        optimizer_cut(&p, i, n, &begin, &end);
        if (ends != NULL) begin = i == 0 ? 0 : ends[i - 1], end = ends[i];
        assert_int_equal(begin, i == 0 ? 0 : o[i - 1].end);
        float *moments[2];
        for (int m = 0; m < 2; m++) moments[m] = malloc((size_t)(end - begin + 1) * 4);
        optimizer_start(&o[i], &p, begin, end, moments);
        o[i].work = work;
        o[i].gemm_scratch = scratch;
    }
    assert_int_equal(o[n - 1].end, p.n_floats);
    for (int step = 0; step < STEPS; step++) {
        for (int64_t i = 0; i < p.n_floats; i++)
            gradient[i] = (float)((i * 37 + step * 11) % 101 - 50) * 1e-3F;
        for (int64_t i = 0; i < n; i++) {
            size_t bytes = (size_t)(o[i].end - o[i].begin) * sizeof(float);
            float *part = malloc(bytes + 1);
            memcpy(part, gradient + o[i].begin, bytes);
            optimizer_step(&o[i], &options, part, 0.5F, 1 + (int)(i % 3));
            free(part);
        }
    }
    for (int64_t i = 0; i < n; i++)
        for (int m = 0; m < 2; m++) free(o[i].moments[m]);
    memcpy(values, p.values, (size_t)p.n_floats * sizeof *values);
    free(gradient), free(o), free(work), free(scratch);
    params_clear(&p);
    glass_model_close(model);
}

static void parts_make_the_whole(enum optimizer_kind kind) {
    glass_model *model;
    struct params p;
    open(&model, &p, kind);
    size_t bytes = (size_t)p.n_floats * sizeof(float);
    float *want = malloc(bytes), *got = malloc(bytes);
    int64_t odd[] = {16, 16, p.n_floats / 32 * 16 + 16, p.n_floats};
    step_by(kind, 1, NULL, want);
    assert_memory_not_equal(want, p.values, bytes);
    for (int64_t n = 2; n <= 7; n++) {
        step_by(kind, n, NULL, got);
        assert_memory_equal(want, got, bytes);
    }
    if (kind == OPTIMIZER_ADAMW) { /* whose parts may end anywhere */
        step_by(kind, 4, odd, got);
        assert_memory_equal(want, got, bytes);
    }
    free(want), free(got);
    params_clear(&p);
    glass_model_close(model);
}

static void of_adamw(void **state) {
    (void)state;
    parts_make_the_whole(OPTIMIZER_ADAMW);
}

static void of_muon(void **state) {
    (void)state;
    parts_make_the_whole(OPTIMIZER_MUON);
}

/* ---- Muon, as it is defined ---- */

/* The product of two rows, elements da and db apart. */
static float dot(const float *a, int64_t da, const float *b, int64_t db, int64_t n) {
    float sum = 0;
    for (int64_t first = 0; first < n; first += 256) {
        float chain = 0;
        for (int64_t i = first; i < n && i < first + 256; i++)
            chain = fmaf(a[i * da], b[i * db], chain);
        sum = first == 0 ? chain : sum + chain;
    }
    return sum;
}

static float norm_of(const float *x, int64_t n) {
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++) lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);
    for (int width = 8; width > 0; width /= 2)
        for (int l = 0; l < width; l++) lane[l] = lane[l] + lane[l + width];
    return sqrtf(lane[0]);
}

/* x (s, l), s <= l, becomes about orthogonal. */
static void make_orthogonal(float *x, int64_t s, int64_t l) {
    float *a = malloc((size_t)(s * s) * 4), *b = malloc((size_t)(s * s) * 4),
          *y = malloc((size_t)(s * l) * 4);
    for (int round = 0; round < 5; round++) {
        for (int64_t i = 0; i < s * s; i++)
            a[i] = dot(x + i / s * l, 1, x + i % s * l, 1, l);
        for (int64_t i = 0; i < s * s; i++)
            b[i] = fmaf(-4.7750F, a[i], 2.0315F * dot(a + i / s * s, 1, a + i % s, s, s));
        for (int64_t i = 0; i < s * l; i++)
            y[i] = fmaf(3.4445F, x[i], dot(b + i / l * s, 1, x + i % l, l, s));
        memcpy(x, y, (size_t)(s * l) * 4);
    }
    free(a), free(b), free(y);
}

static void transpose(float *to, const float *from, int64_t n, int64_t k) {
    for (int64_t i = 0; i < n * k; i++) to[i % k * n + i / k] = from[i];
}

static void muon_plainly(const struct muon_job *j) {
    int64_t n = j->n, k = j->k;
    float *x = malloc((size_t)(n * k) * 4), *turned = malloc((size_t)(n * k) * 4);
    for (int64_t i = 0; i < n * k; i++) {
        float g = j->g[i] * j->factor;
        j->moment[i] = fmaf(j->rest, g, j->momentum * j->moment[i]);
        x[i] = j->plain ? j->moment[i] : fmaf(j->momentum, j->moment[i], j->rest * g);
    }
    float norm = norm_of(x, n * k);
    for (int64_t i = 0; i < n * k; i++) x[i] = x[i] / (norm > 1e-7F ? norm : 1e-7F);
    if (n > k) {
        transpose(turned, x, n, k);
        make_orthogonal(turned, k, n);
        transpose(x, turned, k, n);
    } else {
        make_orthogonal(x, n, k);
    }
    for (int64_t i = 0; i < n * k; i++) j->w[i] = fmaf(-j->rate, x[i], j->keep * j->w[i]);
    free(x), free(turned);
}

static float *numbers(int64_t n, unsigned seed) {
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(int)(seed >> 8) * 0x1p-23F - 1.0F;
    }
    return x;
}

struct muon_task {
    const struct muon_job *job;
    char *scratch;
};

static void run_muon(void *context, const struct member *me) {
    const struct muon_task *t = context;
    muon_step(me, t->job, t->scratch + (size_t)me->i * GEMM_SCRATCH_BYTES);
}

static void muon_is_its_definition(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{1, 5},    {5, 1},     {70, 100},
                                        {100, 70}, {96, 96},   {33, 300},
                                        {300, 33}, {290, 270}, {270, 290}};
    char *scratch = aligned_alloc(64, 3 * GEMM_SCRATCH_BYTES);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int64_t n = shapes[i][0], k = shapes[i][1], s = n < k ? n : k;
        float *w = numbers(n * k, 1), *m = numbers(n * k, 2), *g = numbers(n * k, 3),
              *x = numbers(n * k, 4), *y = numbers(n * k, 5), *a = numbers(s * s, 6),
              *b = numbers(s * s, 7), *want_w = numbers(n * k, 1),
              *want_m = numbers(n * k, 2);
        struct muon_job job = {w, m,    g,     x,     y,          a,     b,     n,
                               k, 0.7F, 0.95F, 0.05F, i % 3 == 1, 0.02F, 0.998F};
        struct muon_job plain = job;
        plain.w = want_w, plain.moment = want_m;
        struct muon_task task = {&job, scratch};
        muon_plainly(&plain);
        team_run(1 + (int)i % 3, run_muon, &task);
        if (memcmp(w, want_w, (size_t)(n * k) * 4) != 0 ||
            memcmp(m, want_m, (size_t)(n * k) * 4) != 0)
            fail_msg("a matrix of %d rows and %d columns", (int)n, (int)k);
        free(w), free(m), free(g), free(x), free(y), free(a), free(b), free(want_w);
        free(want_m);
    }
    free(scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_adamw),
                                       cmocka_unit_test(of_muon),
                                       cmocka_unit_test(muon_is_its_definition)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
