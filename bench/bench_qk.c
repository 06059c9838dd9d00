/* bench_qk.c - speed of products with weights in blocks of 256.
 *
 *   bench_qk [TYPE [THREADS]]    TYPE as in q4_k, or all; THREADS 1 or 2 or …
 *
 * Prints, for each type, GB/s of weights at m = 1 over more memory than the caches hold,
 * the same as a share of what a plain read loop reaches just before, and GOP/s (two
 * operations per multiplication) at larger m. GLASS_ISA chooses the kernels. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/team.h"
#include "math/kernels.h"
#include "math/qk.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t bytes, gemm;
} types[] = {
    {"q2_k", sizeof(struct q2_k), offsetof(struct math_kernels, gemm_q2_k)},
    {"q3_k", sizeof(struct q3_k), offsetof(struct math_kernels, gemm_q3_k)},
    {"q4_k", sizeof(struct q4_k), offsetof(struct math_kernels, gemm_q4_k)},
    {"q5_k", sizeof(struct q5_k), offsetof(struct math_kernels, gemm_q5_k)},
    {"q6_k", sizeof(struct q6_k), offsetof(struct math_kernels, gemm_q6_k)},
    {"iq4_xs", sizeof(struct iq4_xs), offsetof(struct math_kernels, gemm_iq4_xs)},
};

struct job {
    gemm_kernel *gemm; /* NULL: read w */
    float *c;
    const char *a, *w;
    char *scratch;
    size_t w_row;
    int64_t m, n, k;
    uint64_t sums[64];
};

/* Four lines at a time, sums side by side: bound by memory, not by additions. */
static uint64_t read_all(const char *p, size_t n_bytes) {
    typedef uint64_t line __attribute__((vector_size(64)));
    line sums[4] = {{0}};
    for (size_t i = 0; i + sizeof sums <= n_bytes; i += sizeof sums) {
        line v[4];
        __builtin_prefetch(p + i + 2048);
        __builtin_prefetch(p + i + 2048 + 64);
        __builtin_prefetch(p + i + 2048 + 128);
        __builtin_prefetch(p + i + 2048 + 192);
        memcpy(v, p + i, sizeof v);
        for (int j = 0; j < 4; j++) sums[j] += v[j];
    }
    sums[0] += sums[1] + sums[2] + sums[3];
    uint64_t sum = 0;
    for (int j = 0; j < 8; j++) sum += sums[0][j];
    return sum;
}

static void work(void *context, const struct member *me) {
    struct job *job = context;
    int64_t begin, end;
    team_share(me, job->n, 16, &begin, &end);
    const char *w = job->w + (size_t)begin * job->w_row;
    if (job->gemm == NULL)
        job->sums[me->i] += read_all(w, (size_t)(end - begin) * job->w_row);
    else
        job->gemm(job->c + begin, job->n, job->a, a256_row_bytes(job->k), w, job->w_row,
                  job->m, end - begin, job->k,
                  job->scratch + (size_t)me->i * GEMM_SCRATCH_BYTES);
}

/* The best of nine runs: what disturbs a run only ever makes it slower. */
static double measure(struct job *job, int threads) {
    double best = 1e9;
    for (int i = 0; i < 9; i++) {
        double start = clock_now();
        team_run(threads, work, job);
        double t = clock_now() - start;
        if (t < best) best = t;
    }
    return best;
}

static void *allocate(size_t n) {
    void *p;
    if (mem_alloc_aligned(&p, n, 1) != GLASS_OK) {
        fprintf(stderr, "%s\n", glass_error());
        exit(4);
    }
    memset(p, 0, n);
    return p;
}

static uint64_t state = 1;
static uint64_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 16;
}

static void bench_type(size_t type, int threads, struct job *job, char *w, size_t w_bytes) {
    static const int64_t shapes[][3] = {
        /* m, n, k */
        {2, 2048, 2048},  {4, 2048, 2048},   {8, 2048, 2048},   {16, 2048, 2048},
        {32, 2048, 2048}, {512, 2048, 2048}, {512, 5632, 2048}, {512, 2048, 5632}};
    memcpy(&job->gemm, (const char *)math_kernels() + types[type].gemm, sizeof job->gemm);
    for (int shape = 0; shape < 2; shape++) {
        job->m = 1;
        job->k = shape ? 5632 : 2048;
        job->w_row = (size_t)job->k / QK_BLOCK * types[type].bytes;
        job->n = (int64_t)(w_bytes / job->w_row);
        gemm_kernel *gemm = job->gemm;
        job->gemm = NULL;
        double plain = measure(job, threads);
        job->gemm = gemm;
        double t = measure(job, threads);
        double bytes = (double)job->n * (double)job->w_row;
        printf("%-6s m   1 k %4lld: %6.2f GB/s, %5.1f%% of a read loop's %6.2f; ",
               types[type].name, (long long)job->k, bytes / t * 1e-9, 100 * plain / t,
               bytes / plain * 1e-9);
        job->n = (int64_t)(((size_t)8 << 20) / job->w_row); /* what the caches hold */
        t = measure(job, threads);
        printf("cached %6.2f GB/s\n", (double)job->n * (double)job->w_row / t * 1e-9);
    }
    (void)w;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        job->m = shapes[i][0], job->n = shapes[i][1], job->k = shapes[i][2];
        job->w_row = (size_t)job->k / QK_BLOCK * types[type].bytes;
        double t = measure(job, threads);
        printf("%-6s m %3lld n %4lld k %4lld: %7.1f GOP/s\n", types[type].name,
               (long long)job->m, (long long)job->n, (long long)job->k,
               2e-9 * (double)job->m * (double)job->n * (double)job->k / t);
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "all";
    int threads = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1;
    if (threads < 1 || threads > 64) {
        fprintf(stderr, "usage: bench_qk [TYPE [THREADS]]\n");
        return 2;
    }
    size_t w_bytes = (size_t)192 << 20;
    char *w = allocate(w_bytes);
    for (size_t i = 0; i < w_bytes / 8; i++) {
        uint64_t v = next_random() & 0x3fff3fff3fff3fff; /* finite factors anywhere */
        memcpy(w + i * 8, &v, 8);
    }
    struct job job = {.w = w};
    float *x = allocate(5632 * sizeof *x);
    struct a256 *a = allocate((size_t)512 * a256_row_bytes(5632));
    for (int i = 0; i < 512; i++) {
        for (int j = 0; j < 5632; j++) x[j] = (float)(next_random() & 0xffff) - 32768.0f;
        math_kernels()->round_a256(a + (size_t)i * (5632 / QK_BLOCK), x, 5632);
    }
    job.a = (const char *)a;
    job.c = allocate((size_t)512 * 5632 * 4);
    job.scratch = allocate((size_t)threads * GEMM_SCRATCH_BYTES);
    printf("%s, %d thread%s\n", glass_isa(), threads, threads == 1 ? "" : "s");
    for (size_t type = 0; type < sizeof types / sizeof *types; type++)
        if (strcmp(name, "all") == 0 || strcmp(name, types[type].name) == 0)
            bench_type(type, threads, &job, w, w_bytes);
    mem_free(w), mem_free(x), mem_free(a), mem_free(job.c), mem_free(job.scratch);
    return 0;
}
