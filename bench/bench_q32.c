/* bench_q32.c - speed of the 32-block kernels: bench_q32 [TYPE|-] [ISA|-] [THREADS].
 *
 * Generation (m = 1) in GB/s of weights beside a plain read loop over the same bytes, from
 * memory and from cache; prompts (m = 512) in GOP/s (2 m n k), beside the f32 FMA limit
 * where it is known. The best of several rounds: the machine may be shared. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/team.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "math/q32.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t bytes, gemm;
} types[] = {
#define ROW(type)                                                                          \
    { #type, sizeof(struct type##_block), offsetof(struct math_kernels, gemm_##type) }
    ROW(q4_0), ROW(q4_1), ROW(q5_0), ROW(q5_1), ROW(q8_0), ROW(iq4_nl),
#undef ROW
};

struct job {
    gemm_kernel *gemm; /* NULL: only read the weights */
    const uint8_t *w;
    size_t block_bytes, w_bytes;
    struct a32_block *a;
    float *c;
    char *scratch; /* GEMM_SCRATCH_BYTES for each thread */
    int64_t m, n, k;
    int64_t n_matrices; /* used one after the other */
    int64_t rounds;     /* over all of it, for one start of the threads */
    uint64_t sum;
};

typedef uint64_t words __attribute__((vector_size(16)));

static uint64_t read_all(const uint8_t *p, size_t n) {
    words sums[8] = {0}, x[8];
    for (size_t i = 0; i + sizeof x <= n; i += sizeof x)
        for (size_t j = 0; j < 8; j++) {
            memcpy(&x[j], p + i + j * sizeof *x, sizeof *x);
            sums[j] ^= x[j];
        }
    for (int j = 1; j < 8; j++) sums[0] ^= sums[j];
    return sums[0][0] ^ sums[0][1];
}

static void work(void *context, const struct member *me) {
    struct job *job = context;
    size_t row = (size_t)(job->k / Q32) * job->block_bytes;
    int64_t begin, end;
    team_share(me, job->n, 32, &begin, &end);
    if (begin >= end) return;
    for (int64_t i = 0; i < job->n_matrices * job->rounds; i++) {
        size_t matrix = (size_t)(i % job->n_matrices);
        const uint8_t *w = job->w + (matrix * (size_t)job->n + (size_t)begin) * row;
        if (job->gemm == NULL)
            __atomic_xor_fetch(&job->sum, read_all(w, (size_t)(end - begin) * row),
                               __ATOMIC_RELAXED);
        else
            job->gemm(job->c + begin, job->n, job->a, a32_row_bytes(job->k), w, row, job->m,
                      end - begin, job->k,
                      job->scratch + (size_t)me->i * GEMM_SCRATCH_BYTES);
    }
}

static double run(struct job *job, int threads) {
    double begin = clock_now();
    team_run(threads, work, job);
    return (clock_now() - begin) / (double)job->rounds;
}

/* Seconds of the fastest of several runs, about `budget` seconds of them. */
static double best_of(struct job *job, int threads, double budget) {
    double best = 1e9, start = clock_now();
    job->rounds = 1;
    while (run(job, threads) * (double)job->rounds < 5e-3) job->rounds *= 2;
    for (int i = 0; i < 3 || clock_now() - start < budget; i++) {
        double time = run(job, threads);
        best = time < best ? time : best;
    }
    return best;
}

static void generate(struct job *job, int threads, int64_t n, int64_t k, size_t set_bytes) {
    gemm_kernel *gemm = job->gemm;
    size_t matrix = (size_t)n * (size_t)(k / Q32) * job->block_bytes;
    job->n = n, job->k = k;
    job->n_matrices = (int64_t)(set_bytes / matrix) + (set_bytes < matrix);
    if ((size_t)job->n_matrices * matrix > job->w_bytes) job->n_matrices = 1;
    double bytes = (double)matrix * (double)job->n_matrices * 1e-9;
    printf("  n %5lld k %5lld, %6.1f MB:", (long long)n, (long long)k, bytes * 1e3);
    static const int64_t ms[] = {1, 2, 3, 4, 8};
    for (int i = 0; i < 5; i++) {
        job->gemm = NULL;
        double read = bytes / best_of(job, threads, 0.1);
        job->gemm = gemm;
        job->m = ms[i];
        double speed = bytes / best_of(job, threads, 0.2);
        if (i == 0) printf("  read %5.1f GB/s;", read);
        printf("  m %lld %4.1f %3.0f%%", (long long)ms[i], speed, 100 * speed / read);
    }
    printf("\n");
}

static void prompt(struct job *job, int threads, int64_t n, int64_t k) {
    job->n = n, job->k = k, job->n_matrices = 1;
    printf("  n %5lld k %5lld:", (long long)n, (long long)k);
    static const int64_t ms[] = {8, 32, 128, 512};
    for (int i = 0; i < 4; i++) {
        job->m = ms[i];
        double time = best_of(job, threads, 0.2);
        printf("  m %lld %6.1f GOP/s", (long long)ms[i],
               2e-9 * (double)job->m * (double)n * (double)k / time);
    }
    printf("\n");
}

static void one(size_t type, const struct math_kernels *kernels, const char *isa,
                int threads, struct job *job) {
    memcpy(&job->gemm, (const char *)kernels + types[type].gemm, sizeof job->gemm);
    job->block_bytes = types[type].bytes;
    printf("%s %s, %d thread%s\n", types[type].name, isa, threads, threads > 1 ? "s" : "");
    generate(job, threads, 5632, 2048, job->w_bytes);
    generate(job, threads, 1536, 576, job->w_bytes);
    generate(job, threads, 1536, 576, 0);
    generate(job, threads, 576, 1536, 0);
    prompt(job, threads, 1536, 576);
    prompt(job, threads, 192, 576);
    prompt(job, threads, 2048, 2048);
    prompt(job, threads, 2048, 5632);
}

int main(int argc, char **argv) {
    const char *type = argc > 1 ? argv[1] : "-", *isa = argc > 2 ? argv[2] : "-";
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1;
    struct job job = {.w_bytes = (size_t)256 << 20};
    float *x;
    uint8_t *w;
    enum { MAX_M = 512, MAX_K = 5632, MAX_N = 5632 };
    if (mem_alloc_aligned(&w, job.w_bytes, 1) || mem_alloc_aligned(&x, MAX_K, sizeof *x) ||
        mem_alloc_aligned(&job.a, MAX_M, a32_row_bytes(MAX_K)) ||
        mem_alloc_aligned(&job.c, MAX_M * MAX_N, sizeof *job.c) ||
        mem_alloc_aligned(&job.scratch, (size_t)threads, GEMM_SCRATCH_BYTES)) {
        fprintf(stderr, "bench_q32: %s\n", glass_error());
        return 4;
    }
    job.w = w;
    /* Finite scales at any block size: bytes below 0x7c. */
    for (size_t i = 0; i < job.w_bytes; i++) w[i] = (uint8_t)(i * 2654435761u >> 13) % 0x7b;
    for (int i = 0; i < MAX_K; i++) x[i] = (float)(i * 37 % 101 - 50);
    for (int64_t i = 0; i < MAX_M; i++)
        math_kernels()->round_a32(job.a + i * (MAX_K / Q32), x, MAX_K);
    for (int i = 0; i < math_n_isas(); i++) {
        bool wanted = *isa == '-' ? i == math_n_isas() - 1 : !strcmp(isa, math_isa_name(i));
        struct math_kernels kernels;
        math_fill(&kernels, i);
        for (size_t t = 0; wanted && t < sizeof types / sizeof *types; t++)
            if (*type == '-' || strcmp(type, types[t].name) == 0)
                one(t, &kernels, math_isa_name(i), threads, &job);
    }
    mem_free(job.scratch), mem_free(job.c), mem_free(job.a), mem_free(x), mem_free(w);
    return 0;
}
