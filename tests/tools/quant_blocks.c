/* quant_blocks.c - weights to blocks, for comparison with other programs:
 * quant_blocks TYPE K ROWS WEIGHTS OUT [IMPORTANCE]. Files of little-endian binary32: WEIGHTS
 * holds ROWS x K, IMPORTANCE K numbers. Prints seconds; -r N before TYPE takes the best of N. */
#include "base/fail.h"
#include "math/quant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *read_floats(const char *path, size_t n) {
    FILE *file = fopen(path, "rb");
    float *x = malloc(n * sizeof *x);
    if (file == NULL || x == NULL || fread(x, sizeof *x, n, file) != n) {
        fprintf(stderr, "%s: cannot read %zu floats\n", path, n);
        exit(4);
    }
    fclose(file);
    return x;
}

int main(int argc, char **argv) {
    int repeats = 1;
    glass_dtype type;
    if (argc > 2 && strcmp(argv[1], "-r") == 0) {
        repeats = (int)strtol(argv[2], NULL, 10);
        argc -= 2, argv += 2;
    }
    if (argc < 6 || glass_dtype_parse(&type, argv[1]) != GLASS_OK) {
        fprintf(stderr,
                "usage: quant_blocks [-r N] TYPE K ROWS WEIGHTS OUT [IMPORTANCE]\n");
        return 2;
    }
    int64_t k = strtoll(argv[2], NULL, 10), n_rows = strtoll(argv[3], NULL, 10), at;
    size_t row_bytes = quant_row_bytes(type, k), n_bytes = (size_t)n_rows * row_bytes;
    if (row_bytes == 0 || n_rows < 1) {
        fprintf(stderr, "no rows of %lld such weights\n", (long long)k);
        return 2;
    }
    float *x = read_floats(argv[4], (size_t)(n_rows * k));
    float *importance = argc > 6 ? read_floats(argv[6], (size_t)k) : NULL;
    uint8_t *out = malloc(n_bytes);
    double best = 1e30;
    for (int i = 0; i < repeats && out != NULL; i++) {
        double start = now();
        enum quant_flaw flaw = quant_rows(out, x, importance, n_rows, k, type, &at);
        if (flaw != QUANT_GOOD) {
            fprintf(stderr, "weight %lld: flaw %d\n", (long long)at, (int)flaw);
            return 3;
        }
        if (now() - start < best) best = now() - start;
    }
    FILE *file = fopen(argv[5], "wb");
    if (file == NULL || out == NULL || fwrite(out, 1, n_bytes, file) != n_bytes ||
        fclose(file) != 0) {
        fprintf(stderr, "%s: cannot write\n", argv[5]);
        return 4;
    }
    printf("%.6f\n", best);
    free(x);
    free(importance);
    free(out);
    return 0;
}
