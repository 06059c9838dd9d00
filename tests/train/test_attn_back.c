/* test_attn_back.c - attention's gradients: against the derivative written out in binary64, and
 * the same bits with any number of threads and every instruction set. */
#include "base/mem.h"
#include "math/kernels.h"
#include "train/attn_back.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct problem {
    struct attn_back job;
    struct attn_rows segments[2];
    int64_t n; /* rows in all */
    float *q, *k, *v, *o, *d_o;
};

static float *numbers(int64_t n, unsigned seed) {
    float *x;
    assert_int_equal(mem_alloc(&x, (size_t)n, sizeof *x), GLASS_OK);
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(int)(seed >> 8) * 0x1p-23F - 1.0F;
    }
    return x;
}

static bool sees(const struct attn_back *j, int64_t i, int64_t key) {
    return key <= i && (j->window == 0 || key > i - j->window);
}

/* Scores and probabilities of query i of a segment in binary64; returns z. */
static double scores(const struct problem *x, const struct attn_rows *s, int64_t h,
                     int64_t i, double *p) {
    const struct attn_back *j = &x->job;
    int64_t hd = j->head_dim, kv = h / (j->n_head / j->n_head_kv);
    double most = -INFINITY, z = 0;
    for (int64_t l = 0; l < s->n; l++) {
        p[l] = 0;
        for (int64_t d = 0; d < hd; d++)
            p[l] += (double)x->q[((s->row + i) * j->n_head + h) * hd + d] *
                    (double)x->k[((s->row + l) * j->n_head_kv + kv) * hd + d];
        p[l] *= (double)j->scale;
        if (sees(j, i, l) && p[l] > most) most = p[l];
    }
    for (int64_t l = 0; l < s->n; l++) {
        p[l] = sees(j, i, l) ? exp(p[l] - most) : 0;
        z += p[l];
    }
    for (int64_t l = 0; l < s->n; l++) p[l] /= z;
    return z;
}

static void forward(struct problem *x) {
    const struct attn_back *j = &x->job;
    int64_t hd = j->head_dim;
    double p[1024];
    for (int64_t s = 0; s < j->n_segments; s++)
        for (int64_t i = 0; i < j->segments[s].n; i++)
            for (int64_t h = 0; h < j->n_head; h++) {
                const struct attn_rows *rows = &j->segments[s];
                int64_t kv = h / (j->n_head / j->n_head_kv);
                scores(x, rows, h, i, p);
                for (int64_t d = 0; d < hd; d++) {
                    double sum = 0;
                    for (int64_t l = 0; l < rows->n; l++)
                        sum += p[l] *
                               (double)x->v[((rows->row + l) * j->n_head_kv + kv) * hd + d];
                    x->o[((rows->row + i) * j->n_head + h) * hd + d] = (float)sum;
                }
            }
}

static void create(struct problem *x, int64_t n0, int64_t n1, int64_t n_head, int64_t n_kv,
                   int64_t hd, int64_t window) {
    x->n = n0 + n1;
    x->segments[0] = (struct attn_rows){0, n0};
    x->segments[1] = (struct attn_rows){n0, n1};
    int64_t wide = x->n * n_head * hd, narrow = x->n * n_kv * hd;
    x->q = numbers(wide, 1), x->o = numbers(wide, 2), x->d_o = numbers(wide, 3);
    x->k = numbers(narrow, 4), x->v = numbers(narrow, 5);
    x->job = (struct attn_back){.q = x->q,
                                .k = x->k,
                                .v = x->v,
                                .o = x->o,
                                .d_o = x->d_o,
                                .dq = numbers(wide, 6),
                                .dk = numbers(narrow, 7),
                                .dv = numbers(narrow, 8),
                                .n_head = n_head,
                                .n_head_kv = n_kv,
                                .head_dim = hd,
                                .scale = 1.0F / sqrtf((float)hd),
                                .window = window,
                                .segments = x->segments,
                                .n_segments = 2};
    forward(x);
}

static void destroy(struct problem *x) {
    mem_free(x->q), mem_free(x->k), mem_free(x->v), mem_free(x->o), mem_free(x->d_o);
    mem_free(x->job.dq), mem_free(x->job.dk), mem_free(x->job.dv);
}

struct task {
    const struct attn_back *job;
    char *scratch;
    size_t bytes;
};

static void work(void *context, const struct member *me) {
    const struct task *t = context;
    attn_back_run(me, t->job, t->scratch + (size_t)me->i * t->bytes);
}

static void run(const struct problem *x, int threads) {
    int64_t longest =
        x->segments[0].n > x->segments[1].n ? x->segments[0].n : x->segments[1].n;
    struct task t = {&x->job, NULL,
                     attn_back_scratch_bytes(longest, x->job.head_dim, x->job.cap > 0)};
    assert_int_equal(mem_alloc_aligned(&t.scratch, (size_t)threads, t.bytes), GLASS_OK);
    memset(t.scratch, 0x7f, t.bytes * (size_t)threads);
    team_run(threads, work, &t);
    mem_free(t.scratch);
}

/* The gradients in binary64. */
static void naive(const struct problem *x, double *dq, double *dk, double *dv) {
    const struct attn_back *j = &x->job;
    int64_t hd = j->head_dim;
    double p[1024];
    for (int64_t s = 0; s < j->n_segments; s++)
        for (int64_t h = 0; h < j->n_head; h++)
            for (int64_t i = 0; i < j->segments[s].n; i++) {
                const struct attn_rows *rows = &j->segments[s];
                int64_t kv = h / (j->n_head / j->n_head_kv);
                int64_t at = ((rows->row + i) * j->n_head + h) * hd;
                double mean = 0;
                scores(x, rows, h, i, p);
                for (int64_t d = 0; d < hd; d++)
                    mean += (double)x->d_o[at + d] * (double)x->o[at + d];
                for (int64_t l = 0; l < rows->n; l++) {
                    int64_t key = ((rows->row + l) * j->n_head_kv + kv) * hd;
                    double dp = 0;
                    for (int64_t d = 0; d < hd; d++)
                        dp += (double)x->d_o[at + d] * (double)x->v[key + d];
                    double ds = p[l] * (dp - mean) * (double)j->scale;
                    for (int64_t d = 0; d < hd; d++) {
                        dv[key + d] += p[l] * (double)x->d_o[at + d];
                        dq[at + d] += ds * (double)x->k[key + d];
                        dk[key + d] += ds * (double)x->q[at + d];
                    }
                }
            }
}

static void near(const float *got, const double *want, int64_t n) {
    double difference = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)got[i] - want[i];
        difference += d * d;
        size += want[i] * want[i];
    }
    if (!(sqrt(difference / size) < 2e-6)) fail_msg("distance %g", sqrt(difference / size));
}

static const int64_t shapes[][6] = {/* two segments, heads, kv heads, head_dim, window */
                                    {7, 1, 2, 1, 8, 0},
                                    {300, 40, 4, 2, 16, 0},
                                    {513, 3, 3, 3, 20, 0},
                                    {300, 258, 2, 1, 24, 17},
                                    {600, 5, 1, 1, 32, 300}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void gradients_are_derivatives(void **state) {
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        struct problem x;
        const int64_t *a = shapes[s];
        create(&x, a[0], a[1], a[2], a[3], a[4], a[5]);
        int64_t wide = x.n * a[2] * a[4], narrow = x.n * a[3] * a[4];
        double *dq = calloc((size_t)wide, 8), *dk = calloc((size_t)narrow, 8),
               *dv = calloc((size_t)narrow, 8);
        run(&x, 2);
        naive(&x, dq, dk, dv);
        near(x.job.dq, dq, wide);
        near(x.job.dk, dk, narrow);
        near(x.job.dv, dv, narrow);
        free(dq), free(dk), free(dv);
        destroy(&x);
    }
}

static void threads_change_nothing(void **state) {
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        struct problem x, y;
        const int64_t *a = shapes[s];
        create(&x, a[0], a[1], a[2], a[3], a[4], a[5]);
        create(&y, a[0], a[1], a[2], a[3], a[4], a[5]);
        run(&x, 1);
        run(&y, 3);
        size_t wide = (size_t)(x.n * a[2] * a[4]) * 4,
               narrow = (size_t)(x.n * a[3] * a[4]) * 4;
        assert_memory_equal(x.job.dq, y.job.dq, wide);
        assert_memory_equal(x.job.dk, y.job.dk, narrow);
        assert_memory_equal(x.job.dv, y.job.dv, narrow);
        destroy(&x), destroy(&y);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_derivatives),
        cmocka_unit_test(threads_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
