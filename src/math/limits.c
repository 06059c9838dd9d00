/* limits.c - measured limits of the machine. */
#include "glass/limits.h"

#include "base/mem.h"
#include "base/team.h"
#include "math/kernels.h"

#include <string.h>
#include <time.h>

enum { READ_BYTES = 512 << 20, FMA_ROUNDS = 1 << 18 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct reading {
    const uint64_t *data;
    uint64_t sums[1024]; /* so that the loop cannot be dropped */
};

static void read_pass(void *context, const struct member *me) {
    struct reading *r = context;
    int64_t begin, end;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    team_share(me, READ_BYTES / 8, 4096, &begin, &end);
    for (int64_t i = begin; i + 4 <= end; i += 4) {
        a += r->data[i];
        b += r->data[i + 1];
        c += r->data[i + 2];
        d += r->data[i + 3];
    }
    r->sums[me->i & 1023] = a + b + c + d;
}

glass_status glass_limit_read(double *out, int n_threads, double seconds) {
    struct reading r = {0};
    void *data;
    *out = 0;
    TRY(mem_alloc_aligned(&data, READ_BYTES, 1));
    memset(data, 1, READ_BYTES);
    r.data = data;
    double start = now(), last = start, best = 1e9;
    do {
        team_run(n_threads, read_pass, &r);
        double t = now();
        best = t - last < best ? t - last : best;
        last = t;
    } while (last - start < seconds);
    mem_free(data);
    *out = READ_BYTES / best;
    return GLASS_OK;
}

static void fma_pass(void *context, const struct member *me) {
    double *operations = context;
    double n = math_kernels()->fma_peak(FMA_ROUNDS);
    if (me->i == 0) *operations = n * me->n;
}

glass_status glass_limit_fma(double *out, int n_threads, double seconds) {
    double start = now(), last = start, best = 0, operations = 0;
    do {
        team_run(n_threads, fma_pass, &operations);
        double t = now();
        best = operations / (t - last) > best ? operations / (t - last) : best;
        last = t;
    } while (last - start < seconds);
    *out = best;
    return GLASS_OK;
}
