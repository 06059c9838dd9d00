/* bench_attention.c - attention's speed: prompts against the FMA peak, generation against the
 * read bandwidth, both measured in the same run.
 * Usage: bench_attention [threads] [seconds for each line] [pages [position …]]: with the word,
 * caches in pages, as those of pools are, beside caches in one piece, in turns. */
#include "base/clock.h"
#include "base/mem.h"
#include "math/attention.h"
#include "math/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* ---- the machine ---- */

enum { PEAK_ROUNDS = 2000000, CHAINS = 12 };

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float fma_256(void) {
    __m256 a[CHAINS], x = _mm256_set1_ps(0.5f), sum = _mm256_setzero_ps();
    for (int c = 0; c < CHAINS; c++) a[c] = _mm256_set1_ps((float)c);
    for (int i = 0; i < PEAK_ROUNDS; i++)
        for (int c = 0; c < CHAINS; c++) a[c] = _mm256_fmadd_ps(a[c], x, x);
    for (int c = 0; c < CHAINS; c++) sum = _mm256_add_ps(sum, a[c]);
    return _mm256_cvtss_f32(sum);
}

__attribute__((target("avx512f"))) static float fma_512(void) {
    __m512 a[CHAINS], x = _mm512_set1_ps(0.5f), sum = _mm512_setzero_ps();
    for (int c = 0; c < CHAINS; c++) a[c] = _mm512_set1_ps((float)c);
    for (int i = 0; i < PEAK_ROUNDS; i++)
        for (int c = 0; c < CHAINS; c++) a[c] = _mm512_fmadd_ps(a[c], x, x);
    for (int c = 0; c < CHAINS; c++) sum = _mm512_add_ps(sum, a[c]);
    return _mm512_cvtss_f32(sum);
}
#endif

struct machine {
    const uint64_t *memory; /* for the bandwidth */
    size_t n;
    uint64_t sums[64];
    double flops; /* done by one member */
};

static void peak_work(void *context, const struct member *me) {
    struct machine *m = context;
    volatile float keep = 0;
#if defined(__x86_64__)
    bool wide = strncmp(glass_isa(), "avx512", 6) == 0;
    if (__builtin_cpu_supports("fma")) keep = wide ? fma_512() : fma_256();
    if (me->i == 0) m->flops = (double)PEAK_ROUNDS * CHAINS * (wide ? 32 : 16);
#else
    (void)me, m->flops = 0;
#endif
    (void)keep;
}

static void read_work(void *context, const struct member *me) {
    struct machine *m = context;
    int64_t begin, end;
    uint64_t sum[8] = {0};
    team_share(me, (int64_t)m->n, 4096, &begin, &end);
    for (int64_t i = begin; i + 8 <= end; i += 8)
        for (int j = 0; j < 8; j++) sum[j] += m->memory[i + j];
    for (int j = 0; j < 8; j++) m->sums[me->i % 64] += sum[j];
}

static double measure_peak(int n_threads) {
    struct machine m = {0};
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double start = clock_now();
        team_run(n_threads, peak_work, &m);
        if (clock_now() - start < best) best = clock_now() - start;
    }
    return m.flops * n_threads / best / 1e9;
}

static double measure_bandwidth(int n_threads) {
    struct machine m = {.n = (size_t)32 << 20};
    void *memory;
    if (mem_alloc_aligned(&memory, m.n, 8) != GLASS_OK) return 0;
    memset(memory, 1, m.n * 8);
    m.memory = memory;
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double start = clock_now();
        team_run(n_threads, read_work, &m);
        if (clock_now() - start < best) best = clock_now() - start;
    }
    mem_free(memory);
    return (double)m.n * 8 / best / 1e9;
}

/* ---- attention ---- */

struct bench {
    glass_dtype dtype;
    int64_t n_head, n_head_kv, head_dim, pos, n, n_layers;
    struct attn_cache *caches;
    void **pages, *block; /* a pool's, where in_pages */
    float *q, *k, *v, *o;
    void *scratch;
    bool store, in_pages;
};

static void work(void *context, const struct member *me) {
    struct bench *b = context;
    int64_t nq = b->n_head * b->head_dim, nkv = b->n_head_kv * b->head_dim;
    struct attn_shape shape = {b->n_head, 0.125f, 0, 0};
    for (int64_t layer = 0; layer < b->n_layers; layer++) {
        struct attn_segment segment = {&b->caches[layer], b->pos, 0, b->n};
        if (b->store) attn_store(me, &segment, 1, b->k, nkv, b->v, nkv);
        if (!b->store) attn_run(me, b->o, nq, b->q, nq, &segment, 1, &shape, b->scratch);
        team_barrier(me);
    }
}

static float *random_floats(int64_t n) {
    float *x;
    if (mem_alloc_aligned(&x, (size_t)n, sizeof *x) != GLASS_OK) abort();
    for (int64_t i = 0; i < n; i++) x[i] = (float)(rand() % 2001 - 1000) * 1e-3f;
    return x;
}

/* All layers in pages, as a pool has them. */
static void open_pages(struct bench *b, int64_t n_ctx) {
    size_t one = attn_cache_bytes(b->dtype, ATTN_BLOCK, b->n_head_kv, b->head_dim);
    size_t page = 2 * one * (size_t)b->n_layers;
    int64_t n = (n_ctx + ATTN_BLOCK - 1) / ATTN_BLOCK;
    b->pages = calloc((size_t)n, sizeof *b->pages);
    if (mem_alloc_large(&b->block, (size_t)n, page) != GLASS_OK) abort();
    for (int64_t i = 0; i < n; i++) b->pages[i] = (char *)b->block + (size_t)i * page;
    for (int64_t i = 0; i < b->n_layers; i++)
        b->caches[i] = (struct attn_cache){.dtype = b->dtype,
                                           .n_ctx = n_ctx,
                                           .n_head_kv = b->n_head_kv,
                                           .head_dim = b->head_dim,
                                           .pages = b->pages,
                                           .k_at = 2 * (size_t)i * one,
                                           .v_at = (2 * (size_t)i + 1) * one};
}

static void open_bench(struct bench *b, int n_threads) {
    int64_t n_ctx = b->pos + b->n;
    size_t bytes = attn_cache_bytes(b->dtype, n_ctx, b->n_head_kv, b->head_dim);
    b->caches = calloc((size_t)b->n_layers, sizeof *b->caches);
    b->q = random_floats(n_ctx * b->n_head * b->head_dim);
    b->o = random_floats(b->n * b->n_head * b->head_dim);
    b->k = random_floats(n_ctx * b->n_head_kv * b->head_dim);
    b->v = random_floats(n_ctx * b->n_head_kv * b->head_dim);
    if (b->in_pages) open_pages(b, n_ctx);
    for (int64_t i = 0; !b->in_pages && i < b->n_layers; i++) {
        struct attn_cache *c = &b->caches[i];
        *c = (struct attn_cache){.dtype = b->dtype,
                                 .n_ctx = n_ctx,
                                 .n_head_kv = b->n_head_kv,
                                 .head_dim = b->head_dim};
        if (mem_alloc_aligned(&c->k, bytes, 1) != GLASS_OK ||
            mem_alloc_aligned(&c->v, bytes, 1) != GLASS_OK)
            abort();
    }
    if (mem_alloc_aligned(
            &b->scratch,
            attn_scratch_bytes(n_ctx, b->head_dim, b->n_head, b->n_head_kv, n_threads),
            1) != GLASS_OK)
        abort();
    struct bench all = *b; /* every position is stored before anything is measured */
    all.pos = 0, all.n = n_ctx, all.store = true;
    team_run(n_threads, work, &all);
}

static void close_bench(struct bench *b) {
    for (int64_t i = 0; i < b->n_layers; i++)
        mem_free(b->caches[i].k), mem_free(b->caches[i].v);
    free(b->caches);
    free(b->pages);
    mem_free(b->block);
    mem_free(b->q), mem_free(b->k), mem_free(b->v), mem_free(b->o), mem_free(b->scratch);
}

/* The median time of one layer. */
static double measure(struct bench *b, int n_threads, double seconds) {
    double times[1000], start = clock_now();
    int n = 0;
    while (n < 1000 && (n < 3 || clock_now() - start < seconds)) {
        double from = clock_now();
        team_run(n_threads, work, b);
        times[n++] = (clock_now() - from) / (double)b->n_layers;
        for (int i = n - 1; i > 0 && times[i] < times[i - 1]; i--) {
            double swap = times[i];
            times[i] = times[i - 1], times[i - 1] = swap;
        }
    }
    return times[n / 2];
}

/* Shapes: SmolLM2 135M, TinyLlama 1.1B, GPT-2, a 128 wide one; contexts before the rows. */
struct size {
    int64_t n_head, n_head_kv, head_dim, pos, n, n_layers;
};
static const struct size prompts[] = {{9, 3, 64, 0, 512, 1},
                                      {32, 4, 64, 0, 512, 1},
                                      {12, 12, 64, 0, 512, 1},
                                      {16, 4, 128, 0, 512, 1},
                                      {9, 3, 64, 3584, 512, 1}};
static const struct size generations[] = {{9, 3, 64, 4095, 1, 30},
                                          {32, 4, 64, 4095, 1, 22},
                                          {12, 12, 64, 4095, 1, 12},
                                          {9, 3, 64, 255, 1, 30}};
static const glass_dtype dtypes[] = {GLASS_F32, GLASS_F16, GLASS_Q8_0};

static struct bench bench_of(glass_dtype dtype, const struct size *size) {
    return (struct bench){.dtype = dtype,
                          .n_head = size->n_head,
                          .n_head_kv = size->n_head_kv,
                          .head_dim = size->head_dim,
                          .pos = size->pos,
                          .n = size->n,
                          .n_layers = size->n_layers};
}

/* The products alone: 96 rows over one block of 256 keys, on one thread. */
static void bench_kernels(glass_dtype dtype, int64_t head_dim, double seconds,
                          double peak) {
    enum { N = 96 };
    const struct math_kernels *m = math_kernels();
    struct size size = {1, 1, head_dim, 0, ATTN_BLOCK, 1};
    struct bench b = bench_of(dtype, &size);
    int64_t begin[N], end[N];
    open_bench(&b, 1);
    float *q = random_floats(N * head_dim), *s = random_floats(N * (ATTN_BLOCK + 16));
    for (int i = 0; i < N; i++) begin[i] = 0, end[i] = ATTN_BLOCK;
    void(*qk) ATTN_QK_PARAMETERS = dtype == GLASS_F32   ? m->attn_qk_f32
                                   : dtype == GLASS_F16 ? m->attn_qk_f16
                                                        : m->attn_qk_q8_0;
    void(*pv) ATTN_PV_PARAMETERS = dtype == GLASS_F32   ? m->attn_pv_f32
                                   : dtype == GLASS_F16 ? m->attn_pv_f16
                                                        : m->attn_pv_q8_0;
    size_t panel = attn_cache_bytes(dtype, ATTN_BLOCK, 1, dtype == GLASS_Q8_0 ? 32 : 16);
    double best[2] = {1e9, 1e9}, start = clock_now();
    while (clock_now() - start < seconds) {
        double t0 = clock_now();
        qk(s, ATTN_BLOCK + 16, q, head_dim, begin, end, N, b.caches[0].k, NULL, 0, head_dim,
           0.125f);
        double t1 = clock_now();
        pv(q, head_dim, s, ATTN_BLOCK + 16, begin, end, N, b.caches[0].v, NULL, panel, 0,
           head_dim);
        double t2 = clock_now();
        if (t1 - t0 < best[0]) best[0] = t1 - t0;
        if (t2 - t1 < best[1]) best[1] = t2 - t1;
        for (int i = 0; i < N * head_dim; i++) q[i] = (float)(i % 17) * 0.01f;
    }
    double gflop = 2.0 * N * ATTN_BLOCK * (double)head_dim / 1e9;
    printf("kernels %-5s head of %3d: scores %6.1f GFLOP/s %5.1f %%, values %6.1f GFLOP/s "
           "%5.1f %% of peak\n",
           glass_dtype_name(dtype), (int)head_dim, gflop / best[0],
           100 * gflop / best[0] / peak, gflop / best[1], 100 * gflop / best[1] / peak);
    mem_free(q), mem_free(s);
    close_bench(&b);
}

static void bench_prompt(glass_dtype dtype, const struct size *size, int n_threads,
                         double seconds, double peak) {
    struct bench b = bench_of(dtype, size);
    open_bench(&b, n_threads);
    double time = measure(&b, n_threads, seconds), keys = 0;
    for (int64_t i = 0; i < b.n; i++) keys += (double)(b.pos + i + 1);
    double flops = 4.0 * keys * (double)(b.n_head * b.head_dim) / time / 1e9;
    b.store = true;
    double store = measure(&b, n_threads, seconds / 4);
    printf(
        "prompt %4d after %4d  %-5s %2d/%2d heads of %3d: %8.1f us %7.1f GFLOP/s %5.1f %% "
        "of peak; store %6.1f us\n",
        (int)b.n, (int)b.pos, glass_dtype_name(b.dtype), (int)b.n_head, (int)b.n_head_kv,
        (int)b.head_dim, time * 1e6, flops, 100 * flops / peak, store * 1e6);
    close_bench(&b);
}

static void bench_generation(glass_dtype dtype, const struct size *size, int n_threads,
                             double seconds, double peak) {
    struct bench b = bench_of(dtype, size);
    open_bench(&b, n_threads);
    double time = measure(&b, n_threads, seconds);
    double bytes = 2.0 * (double)(b.pos + 1) *
                   (double)attn_row_bytes(b.dtype, b.n_head_kv, b.head_dim);
    printf("generate at %5d     %-5s %2d/%2d heads of %3d: %8.1f us %7.2f GB/s %5.1f %% of "
           "the bandwidth (%d layers, %.0f MB)\n",
           (int)b.pos, glass_dtype_name(b.dtype), (int)b.n_head, (int)b.n_head_kv,
           (int)b.head_dim, time * 1e6, bytes / time / 1e9, 100 * bytes / time / 1e9 / peak,
           (int)b.n_layers, bytes * (double)b.n_layers / 1e6);
    close_bench(&b);
}

/* ---- pages beside one piece ---- */

enum { ROUNDS = 7 };

static double median(double *x) {
    for (int i = 1; i < ROUNDS; i++)
        for (int j = i; j > 0 && x[j] < x[j - 1]; j--) {
            double swap = x[j];
            x[j] = x[j - 1], x[j - 1] = swap;
        }
    return x[ROUNDS / 2];
}

/* Both layouts in turns: medians of the rounds' medians, and of their ratios. */
static void compare(glass_dtype dtype, const struct size *size, int n_threads,
                    double seconds) {
    struct bench b[2] = {bench_of(dtype, size), bench_of(dtype, size)};
    double times[2][ROUNDS], ratios[ROUNDS];
    b[1].in_pages = true;
    open_bench(&b[0], n_threads);
    open_bench(&b[1], n_threads);
    for (int i = 0; i < ROUNDS; i++) {
        for (int j = 0; j < 2; j++) /* who is first changes, too */
            times[(i + j) % 2][i] = measure(&b[(i + j) % 2], n_threads, seconds / ROUNDS);
        ratios[i] = times[1][i] / times[0][i];
    }
    double piece = median(times[0]), pages = median(times[1]), ratio = median(ratios);
    printf("%4d after %5d  %-5s %2d/%2d heads of %3d: one piece %8.1f us, pages %8.1f us, "
           "ratio %.3f (%.3f to %.3f)\n",
           (int)size->n, (int)size->pos, glass_dtype_name(dtype), (int)size->n_head,
           (int)size->n_head_kv, (int)size->head_dim, piece * 1e6, pages * 1e6, ratio,
           ratios[0], ratios[ROUNDS - 1]);
    close_bench(&b[0]);
    close_bench(&b[1]);
}

/* A prompt of 512 and one token, after each of the positions. */
static void compare_all(int64_t pos, int n_threads, double seconds) {
    for (int i = 0; i < 3; i++) {
        struct size prompt = prompts[0];
        prompt.pos = pos;
        compare(dtypes[i], &prompt, n_threads, seconds);
        for (int j = 0; j < 3; j++) {
            struct size size = generations[j];
            size.pos = pos;
            compare(dtypes[i], &size, n_threads, seconds);
        }
    }
}

int main(int argc, char **argv) {
    int n_threads = argc > 1 ? (int)strtol(argv[1], NULL, 10) : team_default_threads();
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 0.3;
    bool pages = argc > 3 && strcmp(argv[3], "pages") == 0;
    if (math_isa_status() != GLASS_OK) {
        fprintf(stderr, "%s\n", glass_error());
        return glass_status_exit_code(GLASS_USAGE);
    }
    double peak = measure_peak(n_threads), bandwidth = measure_bandwidth(n_threads);
    printf("%s, %d threads: FMA peak %.1f GFLOP/s, reading %.2f GB/s\n", glass_isa(),
           n_threads, peak, bandwidth);
    for (int i = 4; pages && i < argc; i++)
        compare_all(strtol(argv[i], NULL, 10), n_threads, seconds);
    if (pages && argc == 4) compare_all(4095, n_threads, seconds);
    if (pages) return 0;
    for (int i = 0; i < 3; i++)
        for (size_t j = 0; j < sizeof prompts / sizeof *prompts; j++)
            bench_prompt(dtypes[i], &prompts[j], n_threads, seconds, peak);
    for (int i = 0; i < 3; i++) {
        bench_kernels(dtypes[i], 64, seconds, peak / n_threads);
        bench_kernels(dtypes[i], 128, seconds, peak / n_threads);
    }
    for (int i = 0; i < 3; i++)
        for (size_t j = 0; j < sizeof generations / sizeof *generations; j++)
            bench_generation(dtypes[i], &generations[j], n_threads, seconds, bandwidth);
    printf("reading again: %.2f GB/s\n", measure_bandwidth(n_threads));
    return 0;
}
