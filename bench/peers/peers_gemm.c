/* peers_gemm.c - f32 products of Glass beside OpenBLAS, BLIS and oneDNN in one process,
 * turn by turn; bench/peers_gemm.sh builds and runs it: peers_gemm THREADS SECONDS.
 *
 * y(m, n) = x(m, k) w(n, k)ᵀ as a model has it. BLAS libraries are told their AVX-512
 * kernels, since they do not know newer CPUs; oneDNN runs as sgemm, and as an inner product
 * whose weights it packed beforehand, outside the timing. Medians. */
#include "base/mem.h"
#include "base/team.h"
#include "glass/limits.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "math/matmul.h"

#include <dlfcn.h>
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_ROUNDS = 200,
    N_WAYS = 5,
    CBLAS_ROW = 101,
    CBLAS_PLAIN = 111,
    CBLAS_TURNED = 112
};
static const char *const ways[N_WAYS] = {"Glass", "OpenBLAS", "BLIS", "oneDNN sgemm",
                                         "oneDNN packed"};

typedef void sgemm_function(int order, int turn_a, int turn_b, int m, int n, int k,
                            float alpha, const float *a, int lda, const float *b, int ldb,
                            float beta, float *c, int ldc);

struct job {
    int64_t m, n, k;
    float *x, *w, *y;
    char *scratch;
    int threads;
    sgemm_function *openblas, *blis;
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    dnnl_exec_arg_t arguments[3];
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void need(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "peers_gemm: %s\n", what);
    exit(4);
}

static sgemm_function *load(const char *path, const char *set_threads, int threads) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    need(library != NULL, dlerror());
    void *sgemm = dlsym(library, "cblas_sgemm"), *set = dlsym(library, set_threads);
    need(sgemm != NULL && set != NULL, path);
    void (*f)(long);
    memcpy(&f, &set, sizeof f);
    f(threads);
    sgemm_function *result;
    memcpy(&result, &sgemm, sizeof result);
    return result;
}

static void glass_work(void *context, const struct member *me) {
    const struct job *j = context;
    struct weight w = {j->w, GLASS_F32, j->n, j->k, (size_t)j->k * sizeof(float)};
    struct operand x = {.rows = {j->x}, .row_bytes = {(size_t)j->k * sizeof(float)}};
    int64_t unit = matmul_unit(j->n, 32, me->n, j->m <= 4), begin, end;
    while (team_queue_next(me, j->n, unit, &begin, &end))
        matmul_range(j->y, j->n, &x, &w, j->m, begin, end,
                     j->scratch + (size_t)me->i * GEMM_SCRATCH_BYTES);
    team_barrier(me);
}

static void run(struct job *j, int way) {
    int m = (int)j->m, n = (int)j->n, k = (int)j->k;
    switch (way) {
    case 0: team_run(j->threads, glass_work, j); break;
    case 1:
        j->openblas(CBLAS_ROW, CBLAS_PLAIN, CBLAS_TURNED, m, n, k, 1, j->x, k, j->w, k, 0,
                    j->y, n);
        break;
    case 2:
        j->blis(CBLAS_ROW, CBLAS_PLAIN, CBLAS_TURNED, m, n, k, 1, j->x, k, j->w, k, 0, j->y,
                n);
        break;
    case 3: dnnl_sgemm('N', 'T', m, n, k, 1, j->x, k, j->w, k, 0, j->y, n); break;
    default:
        dnnl_primitive_execute(j->primitive, j->stream, 3, j->arguments);
        dnnl_stream_wait(j->stream);
        break;
    }
}

/* The inner product, its weights put into whatever layout oneDNN chooses. */
static void pack_onednn(struct job *j, dnnl_engine_t engine) {
    const dnnl_dims_t x = {j->m, j->k}, w = {j->n, j->k}, y = {j->m, j->n};
    dnnl_memory_desc_t x_desc, w_desc, any, y_desc;
    dnnl_memory_desc_init_by_tag(&x_desc, 2, x, dnnl_f32, dnnl_ab);
    dnnl_memory_desc_init_by_tag(&w_desc, 2, w, dnnl_f32, dnnl_ab);
    dnnl_memory_desc_init_by_tag(&any, 2, w, dnnl_f32, dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&y_desc, 2, y, dnnl_f32, dnnl_ab);
    dnnl_inner_product_desc_t desc;
    dnnl_primitive_desc_t chosen, reorder_chosen;
    dnnl_primitive_t reorder;
    need(dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_inference, &x_desc, &any,
                                              NULL, &y_desc) == dnnl_success &&
             dnnl_primitive_desc_create(&chosen, &desc, NULL, engine, NULL) ==
                 dnnl_success &&
             dnnl_primitive_create(&j->primitive, chosen) == dnnl_success,
         "oneDNN has no inner product");
    const dnnl_memory_desc_t *packed =
        dnnl_primitive_desc_query_md(chosen, dnnl_query_weights_md, 0);
    dnnl_memory_t from, to, in, out;
    dnnl_memory_create(&from, &w_desc, engine, j->w);
    dnnl_memory_create(&to, packed, engine, DNNL_MEMORY_ALLOCATE);
    dnnl_memory_create(&in, &x_desc, engine, j->x);
    dnnl_memory_create(&out, &y_desc, engine, j->y);
    dnnl_reorder_primitive_desc_create(&reorder_chosen, &w_desc, engine, packed, engine,
                                       NULL);
    need(dnnl_primitive_create(&reorder, reorder_chosen) == dnnl_success,
         "oneDNN cannot pack");
    dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    dnnl_primitive_execute(reorder, j->stream, 2, arguments);
    dnnl_stream_wait(j->stream);
    j->arguments[0] = (dnnl_exec_arg_t){DNNL_ARG_SRC, in};
    j->arguments[1] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, to};
    j->arguments[2] = (dnnl_exec_arg_t){DNNL_ARG_DST, out};
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Every way must compute the same product, if not the same bits. */
static void check(struct job *j) {
    float *first = malloc((size_t)(j->m * j->n) * sizeof *first);
    for (int way = 0; way < N_WAYS; way++) {
        memset(j->y, 0, (size_t)(j->m * j->n) * sizeof *j->y);
        run(j, way);
        if (way == 0) memcpy(first, j->y, (size_t)(j->m * j->n) * sizeof *first);
        for (int64_t i = 0; i < j->m * j->n; i++)
            need(fabsf(j->y[i] - first[i]) < 1e-3f * (1 + fabsf(first[i])), ways[way]);
    }
    free(first);
}

static void measure(struct job *j, double peak, double seconds) {
    static double times[N_WAYS][MAX_ROUNDS];
    double operations = 2.0 * (double)j->m * (double)j->n * (double)j->k, start = now();
    int n = 0;
    for (; n < MAX_ROUNDS && (n < 7 || now() - start < seconds); n++)
        for (int way = 0; way < N_WAYS; way++) {
            run(j,
                way); /* what the one before left in the caches is not this one's fault */
            double begin = now();
            run(j, way);
            times[way][n] = now() - begin;
        }
    printf("| %lldx%lldx%lld | %d |", (long long)j->m, (long long)j->n, (long long)j->k,
           j->threads);
    for (int way = 0; way < N_WAYS; way++) {
        qsort(times[way], (size_t)n, sizeof(double), by_size);
        double speed = operations / times[way][n / 2];
        printf(" %.0f (%.0f%%) |", 1e-9 * speed, 100 * speed / peak);
    }
    printf("\n");
}

int main(int argc, char **argv) {
    static const int64_t shapes[][3] = {
        {512, 576, 576},   {512, 1536, 576},  {512, 576, 1536}, {512, 2048, 2048},
        {512, 5632, 2048}, {512, 2048, 5632}, {1, 5632, 2048}};
    enum { MAX = 5632 * 2048 };
    struct job j = {.threads = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1};
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 0.5, peak;
    if (getenv("OPENBLAS_CORETYPE") == NULL) { /* both are read before main */
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
        setenv("BLIS_ARCH_TYPE", "0", 0); /* skx */
        execv("/proc/self/exe", argv);
    }
    omp_set_num_threads(j.threads);
    j.openblas = load("/usr/lib/x86_64-linux-gnu/openblas-openmp/libopenblas.so.0",
                      "openblas_set_num_threads", j.threads);
    j.blis = load("/usr/lib/x86_64-linux-gnu/blis-openmp/libblis.so.4",
                  "bli_thread_set_num_threads", j.threads);
    dnnl_engine_t engine;
    need(dnnl_engine_create(&engine, dnnl_cpu, 0) == dnnl_success, "oneDNN does not start");
    dnnl_stream_create(&j.stream, engine, dnnl_stream_default_flags);
    need(mem_alloc_aligned(&j.x, MAX, sizeof(float)) == GLASS_OK &&
             mem_alloc_aligned(&j.w, MAX, sizeof(float)) == GLASS_OK &&
             mem_alloc_aligned(&j.y, MAX, sizeof(float)) == GLASS_OK &&
             mem_alloc_aligned(&j.scratch, (size_t)j.threads, GEMM_SCRATCH_BYTES) ==
                 GLASS_OK &&
             glass_limit_fma(&peak, j.threads, 0.3) == GLASS_OK,
         "no memory");
    for (int i = 0; i < MAX; i++) j.x[i] = (float)(i % 101 - 50) * 0.01f;
    for (int i = 0; i < MAX; i++) j.w[i] = (float)(i % 97 - 48) * 0.01f;
    printf("FMA peak %.0f GFLOP/s; GFLOP/s (share of peak)\n| m x n x k | threads |",
           1e-9 * peak);
    for (int way = 0; way < N_WAYS; way++) printf(" %s |", ways[way]);
    printf("\n|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        j.m = shapes[i][0], j.n = shapes[i][1], j.k = shapes[i][2];
        pack_onednn(&j, engine);
        check(&j);
        measure(&j, peak, seconds);
    }
    return 0;
}
