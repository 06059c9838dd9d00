/* mpfr_all.c FUNCTION [STEP [direct]] - holds a function, in every instruction set of this
 * machine, to the correctly rounded value on all 2^32 arguments (or every STEP-th). Prints
 * the differences and a count; status 1 if there was one. OMP_NUM_THREADS as always.
 *
 * The correctly rounded value is MPFR's. To be done in minutes rather than hours, MPFR is
 * not asked about arguments where glibc's long double function leaves no doubt: where all
 * numbers within 2^-44 of its value, relatively, round to the same binary32 number. That
 * value has 64 bits and is documented to err by a few units in the last place; the margin
 * allows for a million. Nothing of ours is in it. Besides, MPFR is asked about every 4096th
 * argument whatever the filter says, and `direct` asks it about all of them. Where the
 * function is odd or even, the value for -x is taken from x. */
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
    long double (*near)(long double);
    size_t offset; /* in the kernel table */
} rows[] = {
    {"exp", NONE, mpfr_exp, expl, offsetof(struct math_kernels, exp_f32)},
    {"log", NONE, mpfr_log, logl, offsetof(struct math_kernels, log_f32)},
    {"tanh", ODD, mpfr_tanh, tanhl, offsetof(struct math_kernels, tanh_f32)},
    {"erf", ODD, mpfr_erf, erfl, offsetof(struct math_kernels, erf_f32)},
    {"sin", ODD, mpfr_sin, sinl, offsetof(struct math_kernels, sin_f32)},
    {"cos", EVEN, mpfr_cos, cosl, offsetof(struct math_kernels, cos_f32)},
};

enum { BLOCK = 1 << 14 };

struct worker {
    const struct row *row;
    bool direct;
    mpfr_t in, out;
    long asked, wrong; /* of MPFR; differences */
    float x[BLOCK], want[BLOCK], got[BLOCK];
};

static float by_mpfr(struct worker *w, float x) {
    w->asked++;
    mpfr_set_flt(w->in, x, MPFR_RNDN);
    int inexact = w->row->exact(w->out, w->in, MPFR_RNDN);
    inexact = mpfr_check_range(w->out, inexact, MPFR_RNDN);
    mpfr_subnormalize(w->out, inexact, MPFR_RNDN);
    return mpfr_get_flt(w->out, MPFR_RNDN);
}

static float correct(struct worker *w, float x) {
    if (w->direct || f32_bits(x) % 4096 == 0) return by_mpfr(w, x);
    long double near = w->row->near((long double)x);
    if (isinf(near) && isfinite(x) && x > 1) return (float)near; /* exp beyond 2^16384 */
    long double margin = fabsl(near) * 0x1p-44L;
    float low = (float)(near - margin), high = (float)(near + margin);
    return f32_bits(low) == f32_bits(high) ? low : by_mpfr(w, x);
}

/* The first n arguments and values of *w in every instruction set. */
static void compare(struct worker *w, int64_t n) {
    struct math_kernels k;
    vector_function *f;
    for (int isa = 0; isa < math_n_isas(); isa++) {
        math_fill(&k, isa);
        memcpy(&f, (const char *)&k + w->row->offset, sizeof f);
        f(w->got, w->x, n);
        for (int64_t i = 0; i < n; i++) {
            float a = w->got[i], b = w->want[i];
            if (f32_bits(a) == f32_bits(b) || (a != a && b != b)) continue;
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
        if (w->row->symmetry == NONE) w->want[i] = correct(w, w->x[i]);
        if (w->row->symmetry == ODD) w->want[i] = -w->want[i];
    }
    compare(w, n);
}

static int run(const struct row *row, uint64_t step, bool direct) {
    const uint64_t end = (uint64_t)1 << 31, block = (uint64_t)BLOCK * step;
    int64_t n_blocks = (int64_t)((end + block - 1) / block), done = 0;
    long asked = 0, wrong = 0;
#pragma omp parallel reduction(+ : asked, wrong)
    {
        struct worker *w = malloc(sizeof *w);
        if (w == NULL) exit(4);
        w->row = row;
        w->direct = direct;
        w->asked = w->wrong = 0;
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
        asked += w->asked;
        wrong += w->wrong;
        mpfr_clears(w->in, w->out, (mpfr_ptr)0);
        free(w);
        mpfr_free_cache();
    }
    fprintf(stderr, "\n");
    printf("%s: %llu arguments, %d instruction sets, MPFR asked %ld times, %ld wrong\n",
           row->name, (unsigned long long)(2 * ((end + step - 1) / step)), math_n_isas(),
           asked, wrong);
    return wrong != 0;
}

int main(int argc, char **argv) {
    uint64_t step = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (size_t i = 0; argc > 1 && step > 0 && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(argv[1], rows[i].name) == 0)
            return run(&rows[i], step, argc > 3 && strcmp(argv[3], "direct") == 0);
    fprintf(stderr, "usage: mpfr_all exp|log|tanh|erf|sin|cos [STEP [direct]]\n");
    return 2;
}
