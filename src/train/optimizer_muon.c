/* optimizer_muon.c - see optimizer_muon.h. A matrix is its own transpose's mirror here: products
 * run over the long side first, whichever that is, so nothing is ever transposed. */
#include "train/optimizer_muon.h"

#include "math/kernels.h"
#include "math/matmul.h"

#include <math.h>
#include <string.h>

/* Jordan (2024): x becomes a x + (b A + c A A) x with A = x xT, so a singular value s becomes
 * a s + b s^3 + c s^5, which five times over brings those from about 0.001 on near 1. */
static const float coefficient_a = 3.4445F, coefficient_b = -4.7750F,
                   coefficient_c = 2.0315F;
enum { ITERATIONS = 5, STEP = 32 };
static const float smallest_norm = 1e-7F;

struct work {
    const struct member *me;
    const struct muon_job *j;
    const struct math_kernels *m;
    void *scratch;
    int64_t s; /* the smaller side */
};

static size_t row_bytes(int64_t n) {
    return (size_t)n * sizeof(float);
}

/* The momentum, and x = what is to be made orthogonal, of this member's share. */
static void look_ahead(const struct work *k) {
    const struct muon_job *j = k->j;
    int64_t begin, end;
    team_share(k->me, j->n * j->k, 16, &begin, &end);
    float *x = j->x + begin, *moment = j->moment + begin;
    k->m->scale_f32(x, j->g + begin, j->factor, end - begin);
    k->m->blend_f32(moment, x, j->rest, j->momentum, end - begin);
    if (j->plain)
        memcpy(x, moment, row_bytes(end - begin));
    else
        k->m->blend_f32(x, moment, j->momentum, j->rest, end - begin);
    team_barrier(k->me);
}

/* Rows [end, s) of columns [begin, end) of a symmetric matrix, to where they are mirrored. */
static void mirror(float *a, int64_t s, int64_t begin, int64_t end) {
    for (int64_t i = end; i < s; i++)
        for (int64_t j = begin; j < end; j++) a[j * s + i] = a[i * s + j];
}

/* a = x xT (or xT x): the lower triangle's blocks, and their mirror images. */
static void gram(const struct work *k, const float *x) {
    const struct muon_job *j = k->j;
    int64_t s = k->s, begin, end;
    size_t row = row_bytes(j->k);
    while (team_queue_next(k->me, s, STEP, &begin, &end)) {
        float *a = j->a + begin * s + begin;
        if (j->n > j->k)
            k->m->gemm_tn_f32(a, s, x + begin, row, x + begin, row, s - begin, end - begin,
                              j->n, k->scratch);
        else
            k->m->gemm_f32(a, s, x + begin * j->k, row, x + begin * j->k, row, s - begin,
                           end - begin, j->k, k->scratch);
        mirror(j->a, s, begin, end);
    }
    team_barrier(k->me);
}

/* b = fma(coefficient_b, a, coefficient_c a a). */
static void polynomial(const struct work *k) {
    const struct muon_job *j = k->j;
    int64_t s = k->s, begin, end;
    while (team_queue_next(k->me, s, STEP, &begin, &end)) {
        k->m->gemm_f32(j->b + begin * s + begin, s, j->a + begin * s, row_bytes(s),
                       j->a + begin * s, row_bytes(s), s - begin, end - begin, s,
                       k->scratch);
        for (int64_t i = begin; i < s; i++)
            k->m->blend_f32(j->b + i * s + begin, j->a + i * s + begin, coefficient_b,
                            coefficient_c, end - begin);
        mirror(j->b, s, begin, end);
    }
    team_barrier(k->me);
}

/* y = fma(coefficient_a, x, b x), or with x b. */
static void turn(const struct work *k, float *y, const float *x) {
    const struct muon_job *j = k->j;
    int64_t unit = matmul_unit(j->k, STEP, k->me->n, false), begin, end;
    size_t row = row_bytes(j->k);
    while (team_queue_next(k->me, j->k, unit, &begin, &end)) {
        if (j->n > j->k)
            k->m->gemm_f32(y + begin, j->k, x, row, j->b + begin * k->s, row_bytes(k->s),
                           j->n, end - begin, j->k, k->scratch);
        else
            k->m->gemm_nn_f32(y + begin, j->k, j->b, row_bytes(k->s), x + begin, row, j->n,
                              end - begin, j->n, k->scratch);
        for (int64_t i = 0; i < j->n; i++)
            k->m->blend_f32(y + i * j->k + begin, x + i * j->k + begin, coefficient_a, 1,
                            end - begin);
    }
    team_barrier(k->me);
}

void muon_step(const struct member *me, const struct muon_job *job, void *scratch) {
    struct work k = {.me = me,
                     .j = job,
                     .m = math_kernels(),
                     .scratch = scratch,
                     .s = job->n < job->k ? job->n : job->k};
    int64_t begin, end;
    float *x = job->y, *y = job->x;
    look_ahead(&k);
    float norm = sqrtf(k.m->sumsq16_f32(job->x, job->n * job->k));
    team_share(me, job->n * job->k, 16, &begin, &end);
    k.m->divide_f32(x + begin, y + begin, norm > smallest_norm ? norm : smallest_norm,
                    end - begin);
    team_barrier(me);
    for (int i = 0; i < ITERATIONS; i++) {
        gram(&k, x);
        polynomial(&k);
        turn(&k, y, x);
        float *turned = y;
        y = x;
        x = turned;
    }
    k.m->blend_f32(job->w + begin, x + begin, -job->rate, job->keep, end - begin);
}
