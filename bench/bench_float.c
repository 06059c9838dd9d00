/* bench_float.c - speed of products with F32, F16 and BF16 weights, as the model runs them:
 * bench_float [TYPE|-] [THREADS] [gen|prompt|-] [N K]. GLASS_ISA forces an instruction set.
 *
 * Prompts in GFLOP/s (2 m n k) beside the measured peak of fused multiply-adds; generation
 * in GB/s of weights beside the measured read bandwidth, which is read again before every
 * line, since neighbours on the machine change it. Medians. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/team.h"
#include "glass/api.h"
#include "glass/limits.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "math/matmul.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_M = 512, MAX_N = 8192, MAX_K = 8192, MAX_ROUNDS = 400 };
#define WEIGHT_BYTES ((size_t)288 << 20)

struct job {
    struct weight w;
    char *weights; /* WEIGHT_BYTES */
    float *x, *y;
    char *scratch; /* GEMM_SCRATCH_BYTES for each thread */
    int64_t m, n_matrices;
    size_t matrix_bytes;
    int threads;
};

static void work(void *context, const struct member *me) {
    const struct job *job = context;
    struct weight w = job->w;
    for (int64_t i = 0; i < job->n_matrices; i++) {
        w.data = job->weights + (size_t)i * job->matrix_bytes;
        struct operand x = {.rows = {job->x}, .row_bytes = {(size_t)w.k * sizeof(float)}};
        int64_t unit = matmul_unit(w.n, 32, me->n, job->m <= 4), begin, end;
        while (team_queue_next(me, w.n, unit, &begin, &end))
            matmul_range(job->y, w.n, &x, &w, job->m, begin, end,
                         job->scratch + (size_t)me->i * GEMM_SCRATCH_BYTES);
        team_barrier(me);
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds over about `budget` seconds of runs. */
static double median_of(struct job *job, double budget) {
    double times[MAX_ROUNDS], start = clock_now();
    int n = 0;
    team_run(job->threads, work, job);
    do {
        double begin = clock_now();
        team_run(job->threads, work, job);
        times[n++] = clock_now() - begin;
    } while (n < MAX_ROUNDS && (n < 5 || clock_now() - start < budget));
    qsort(times, (size_t)n, sizeof *times, by_size);
    return times[n / 2];
}

static void shape(struct job *job, int64_t n, int64_t k) {
    job->w.n = n, job->w.k = k;
    job->w.row_bytes = (size_t)k * (job->w.dtype == GLASS_F32 ? 4 : 2);
    job->matrix_bytes = (size_t)n * job->w.row_bytes;
    job->n_matrices = 1;
}

/* Of n x k weights, or of several shapes where n is 0. */
static void prompts(struct job *job, double peak, int64_t n, int64_t k) {
    static const int64_t shapes[][2] = {{576, 576},  {192, 576},   {1536, 576},
                                        {576, 1536}, {2048, 2048}, {5632, 2048},
                                        {2048, 5632}};
    static const int64_t ms[] = {16, 32, 64, 128, 512};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        shape(job, n ? n : shapes[i][0], n ? k : shapes[i][1]);
        if (n && i > 0) return;
        printf("  n %4lld k %4lld:", (long long)job->w.n, (long long)job->w.k);
        for (size_t l = 0; l < sizeof ms / sizeof *ms; l++) {
            job->m = ms[l];
            double speed =
                2.0 * (double)(job->m * job->w.n * job->w.k) / median_of(job, 0.1);
            printf("  m %lld %5.1f GF/s %2.0f%%", (long long)job->m, 1e-9 * speed,
                   100 * speed / peak);
        }
        printf("\n");
    }
}

static void generation(struct job *job, size_t set_bytes, int64_t n, int64_t k) {
    static const int64_t shapes[][2] = {
        {5632, 2048}, {2048, 5632}, {1536, 576}, {576, 1536}};
    static const int64_t ms[] = {1, 2, 3, 4, 5, 6, 8, 12};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        double read;
        shape(job, n ? n : shapes[i][0], n ? k : shapes[i][1]);
        if (n && i > 0) return;
        job->n_matrices = (int64_t)(set_bytes / job->matrix_bytes);
        if (job->n_matrices == 0) continue;
        double bytes = (double)job->matrix_bytes * (double)job->n_matrices;
        if (glass_limit_read(&read, job->threads, 0.15) != GLASS_OK) return;
        printf("  n %4lld k %4lld, %3.0f MB, read %5.1f GB/s:", (long long)job->w.n,
               (long long)job->w.k, 1e-6 * bytes, 1e-9 * read);
        for (size_t l = 0; l < sizeof ms / sizeof *ms; l++) {
            job->m = ms[l];
            double speed = bytes / median_of(job, 0.1);
            printf("  m %lld %4.1f %2.0f%%", (long long)job->m, 1e-9 * speed,
                   100 * speed / read);
        }
        printf("\n");
    }
}

/* Every number finite in each type. */
static void fill(char *weights, glass_dtype dtype) {
    static const uint16_t halves[] = {0x2c00, 0xac12, 0x2d31, 0xadf0,
                                      0x2b77, 0xa999, 0x2c01};
    for (size_t i = 0; i < WEIGHT_BYTES / 2; i++) {
        uint16_t h = halves[i % 7];
        if (dtype != GLASS_F16) h = (uint16_t)(h + 0x1000); /* near 2^-7 */
        memcpy(weights + 2 * i, &h, 2);
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        glass_dtype dtype;
    } types[] = {{"f32", GLASS_F32}, {"f16", GLASS_F16}, {"bf16", GLASS_BF16}};
    const char *type = argc > 1 ? argv[1] : "-", *part = argc > 3 ? argv[3] : "-";
    struct job job = {.threads = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1};
    int64_t n = argc > 5 ? strtoll(argv[4], NULL, 10) : 0;
    int64_t k = argc > 5 ? strtoll(argv[5], NULL, 10) : 0;
    double peak;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (n < 0 || n > MAX_N || k < 0 || k > MAX_K) n = k = 0;
    if (mem_alloc_aligned(&job.weights, WEIGHT_BYTES, 1) ||
        mem_alloc_aligned(&job.x, (size_t)MAX_M * MAX_K, sizeof *job.x) ||
        mem_alloc_aligned(&job.y, (size_t)MAX_M * MAX_N, sizeof *job.y) ||
        mem_alloc_aligned(&job.scratch, (size_t)job.threads, GEMM_SCRATCH_BYTES) ||
        glass_limit_fma(&peak, job.threads, 0.2)) {
        fprintf(stderr, "bench_float: %s\n", glass_error());
        return 4;
    }
    for (int i = 0; i < MAX_M * MAX_K; i++) job.x[i] = (float)(i * 37 % 101 - 50) * 0.01f;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        if (*type != '-' && strcmp(type, types[t].name) != 0) continue;
        job.w.dtype = types[t].dtype;
        fill(job.weights, job.w.dtype);
        printf("%s %s, %d thread%s, FMA peak %.1f GFLOP/s\n", types[t].name, glass_isa(),
               job.threads, job.threads > 1 ? "s" : "", 1e-9 * peak);
        if (strcmp(part, "gen") != 0) prompts(&job, peak, n, k);
        if (strcmp(part, "prompt") == 0) continue;
        generation(&job, WEIGHT_BYTES, n, k);
        generation(&job, (size_t)6 << 20, n, k);
    }
    mem_free(job.scratch), mem_free(job.y), mem_free(job.x), mem_free(job.weights);
    return 0;
}
