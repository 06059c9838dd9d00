/* mpfr_all.c FUNCTION [STEP [direct]] - holds a function, in every instruction set of this
 * machine, to the correctly rounded value on all 2^32 arguments (or every STEP-th). Prints
 * the differences and a count; status 1 if there was one. OMP_NUM_THREADS as always.
 *
 * The correctly rounded value is MPFR's. To be done in minutes rather than hours, MPFR is
 * not asked about arguments where the C library's binary64 function leaves no doubt: where
 * all numbers within 2^-45 of its value, relatively, round to the same binary32 number. For
 * these functions the GNU C library's manual ("Known Maximum Errors in Math Functions")
 * gives at most 2 units in the last place, which is 2^-51; the margin allows for 64 times
 * that. Nothing of ours is in it. Besides, MPFR is asked about every 4096th argument
 * whatever the filter says, and there it also holds the filter to MPFR; `direct` asks MPFR
 * about all of them. Where the function is odd or even, the value for -x is taken from x;
 * our function is called with both. */
#include "math/half.h"
#include "math/kernels.h"

#include <math.h>
#include <mpfr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void vector_function(float *y, const float *x, int64_t n);

enum symmetry { NONE, ODD, EVEN };

static const struct row {
    const char *name;
    enum symmetry symmetry;
    int (*exact)(mpfr_t, const mpfr_t, mpfr_rnd_t);
    double (*near)(double);
    size_t offset; /* in the kernel table */
} rows[] = {
    {"exp", NONE, mpfr_exp, exp, offsetof(struct math_kernels, exp_f32)},
    {"log", NONE, mpfr_log, log, offsetof(struct math_kernels, log_f32)},
    {"tanh", ODD, mpfr_tanh, tanh, offsetof(struct math_kernels, tanh_f32)},
    {"erf", ODD, mpfr_erf, erf, offsetof(struct math_kernels, erf_f32)},
    {"sin", ODD, mpfr_sin, sin, offsetof(struct math_kernels, sin_f32)},
    {"cos", EVEN, mpfr_cos, cos, offsetof(struct math_kernels, cos_f32)},
};

enum { BLOCK = 1 << 14 };

struct worker {
    const struct row *row;
    bool direct;
    mpfr_t in, out;
    long by_libm, by_mpfr, mirrored; /* arguments, by what decided them */
    long wrong, misled; /* differences; the filter's own, where both were asked */
    float x[BLOCK], want[BLOCK], got[BLOCK];
};

static float by_mpfr(struct worker *w, float x) {
    w->by_mpfr++;
    mpfr_set_flt(w->in, x, MPFR_RNDN);
    int inexact = w->row->exact(w->out, w->in, MPFR_RNDN);
    inexact = mpfr_check_range(w->out, inexact, MPFR_RNDN);
    mpfr_subnormalize(w->out, inexact, MPFR_RNDN);
    return mpfr_get_flt(w->out, MPFR_RNDN);
}

/* Whether the filter leaves no doubt; then *y is the value. */
static bool by_libm(const struct worker *w, float x, float *y) {
    double near = w->row->near((double)x), margin = fabs(near) * 0x1p-45;
    if (isinf(near) && isfinite(x) && x > 1) { /* exp beyond 2^1024 */
        *y = (float)near;
        return true;
    }
    float high = (float)(near + margin);
    *y = (float)(near - margin);
    return f32_bits(*y) == f32_bits(high);
}

static bool same(float a, float b) {
    return f32_bits(a) == f32_bits(b) || (a != a && b != b);
}

static float correct(struct worker *w, float x) {
    float y, exact;
    if (w->direct) return by_mpfr(w, x);
    bool certain = by_libm(w, x, &y);
    if (certain && f32_bits(x) % 4096 != 0) {
        w->by_libm++;
        return y;
    }
    exact = by_mpfr(w, x);
    if (certain && !same(y, exact) && w->misled++ < 20)
        printf("the C library's function misleads at %a: %a, not %a\n", (double)x,
               (double)y, (double)exact);
    return exact;
}

static vector_function *function_of(const struct row *row, int isa) {
    struct math_kernels k;
    vector_function *f;
    math_fill(&k, isa);
    memcpy(&f, (const char *)&k + row->offset, sizeof f);
    return f;
}

/* The first n arguments and values of *w in every instruction set. */
static void compare(struct worker *w, int64_t n) {
    for (int isa = 0; isa < math_n_isas(); isa++) {
        vector_function *f = function_of(w->row, isa);
        if (isa > 0 && f == function_of(w->row, isa - 1)) continue; /* inherited */
        f(w->got, w->x, n);
        for (int64_t i = 0; i < n; i++) {
            float a = w->got[i], b = w->want[i];
            if (same(a, b)) continue;
            if (w->wrong++ < 20)
                printf("%s(%a) is %a, should be %a (%s)\n", w->row->name, (double)w->x[i],
                       (double)a, (double)b, math_isa_name(isa));
        }
    }
}

/* Arguments with bits in [first, last), and their negatives. */
static void do_block(struct worker *w, uint64_t first, uint64_t last, uint64_t step) {
    int64_t n = 0;
    for (uint64_t bits = first; bits < last; bits += step, n++) {
        w->x[n] = bits_f32((uint32_t)bits);
        w->want[n] = correct(w, w->x[n]);
    }
    compare(w, n);
    for (int64_t i = 0; i < n; i++) {
        w->x[i] = -w->x[i];
        if (w->row->symmetry == NONE)
            w->want[i] = correct(w, w->x[i]);
        else
            w->mirrored++;
        if (w->row->symmetry == ODD) w->want[i] = -w->want[i];
    }
    compare(w, n);
}

static int run(const struct row *row, uint64_t step, bool direct) {
    const uint64_t end = (uint64_t)1 << 31, block = (uint64_t)BLOCK * step;
    int64_t n_blocks = (int64_t)((end + block - 1) / block), done = 0;
    long libm = 0, mpfr = 0, mirrored = 0, wrong = 0, misled = 0;
#pragma omp parallel reduction(+ : libm, mpfr, mirrored, wrong, misled)
    {
        struct worker *w = calloc(1, sizeof *w);
        if (w == NULL) exit(4);
        w->row = row;
        w->direct = direct;
        mpfr_set_emin(-148);
        mpfr_set_emax(128);
        mpfr_inits2(24, w->in, w->out, (mpfr_ptr)0);
#pragma omp for schedule(dynamic, 16)
        for (int64_t i = 0; i < n_blocks; i++) {
            uint64_t first = (uint64_t)i * block;
            do_block(w, first, first + block < end ? first + block : end, step);
#pragma omp critical
            {
                int64_t before = done++ * 100 / n_blocks, now = done * 100 / n_blocks;
                if (now != before) fprintf(stderr, "\r%s %3d %%", row->name, (int)now);
            }
        }
        libm += w->by_libm;
        mpfr += w->by_mpfr;
        mirrored += w->mirrored;
        wrong += w->wrong;
        misled += w->misled;
        mpfr_clears(w->in, w->out, (mpfr_ptr)0);
        free(w);
        mpfr_free_cache();
    }
    fprintf(stderr, "\n");
    printf("%s: %ld arguments (decided: %ld by libm and margin, %ld by MPFR, %ld by "
           "symmetry), %d instruction sets, %ld wrong, %ld misled\n",
           row->name, libm + mpfr + mirrored, libm, mpfr, mirrored, math_n_isas(), wrong,
           misled);
    return wrong != 0 || misled != 0;
}

int main(int argc, char **argv) {
    uint64_t step = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (size_t i = 0; argc > 1 && step > 0 && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(argv[1], rows[i].name) == 0)
            return run(&rows[i], step, argc > 3 && strcmp(argv[3], "direct") == 0);
    fprintf(stderr, "usage: mpfr_all exp|log|tanh|erf|sin|cos [STEP [direct]]\n");
    return 2;
}
