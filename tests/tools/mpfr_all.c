/* mpfr_all.c FUNCTION [STRIDE] - compares a function with MPFR over every binary32 argument
 * (or every STRIDE-th). Prints each difference and a count; status 1 if there was one.
 *
 * MPFR's own mpfr_set_flt/mpfr_get_flt and 24-bit precision with the subnormal range give the
 * correctly rounded value directly: nothing of functions.c decides what is compared. */
#include "math/functions.h"
#include "math/half.h"

#include <mpfr.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *name;
    float (*ours)(float);
    int (*theirs)(mpfr_t, const mpfr_t, mpfr_rnd_t);
};

static const struct row rows[] = {
    {"exp", math_exp_f32, mpfr_exp},    {"log", math_log_f32, mpfr_log},
    {"tanh", math_tanh_f32, mpfr_tanh}, {"erf", math_erf_f32, mpfr_erf},
    {"sin", math_sin_f32, mpfr_sin},    {"cos", math_cos_f32, mpfr_cos},
};

static float reference(const struct row *row, float x, mpfr_t in, mpfr_t out) {
    mpfr_set_flt(in, x, MPFR_RNDN);
    int ternary = row->theirs(out, in, MPFR_RNDN);
    mpfr_subnormalize(out, ternary, MPFR_RNDN);
    return mpfr_get_flt(out, MPFR_RNDN);
}

static int compare(const struct row *row, uint32_t stride) {
    mpfr_t in, out;
    mpfr_set_emin(-148);
    mpfr_set_emax(128);
    mpfr_init2(in, 24);
    mpfr_init2(out, 24);
    long wrong = 0, n = 0;
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += stride, n++) {
        float x = bits_f32((uint32_t)bits);
        float a = row->ours(x), b = reference(row, x, in, out);
        bool same = a != a ? b != b : f32_bits(a) == f32_bits(b);
        if (!same && wrong++ < 20)
            printf("%s(%a) is %a, should be %a\n", row->name, (double)x, (double)a, (double)b);
    }
    printf("%s: %ld arguments, %ld wrong\n", row->name, n, wrong);
    mpfr_clear(in);
    mpfr_clear(out);
    return wrong != 0;
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(argv[1], rows[i].name) == 0)
            return compare(&rows[i], argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1);
    fprintf(stderr, "usage: mpfr_all exp|log|tanh|erf|sin|cos [STRIDE]\n");
    return 2;
}
