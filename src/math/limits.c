/* limits.c - measured limits of the machine. */
#include "glass/limits.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/team.h"
#include "math/kernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { READ_BYTES = 512 << 20, FMA_ROUNDS = 1 << 18, MAX_PASSES = 1024 };

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median time of team_run(n_threads, work, context) over about `seconds`; the first run
 * warms up. At least three are measured. */
static double median_time(int n_threads, team_work work, void *context, double seconds) {
    double times[MAX_PASSES];
    size_t n = 0;
    team_run(n_threads, work, context);
    double start = clock_now(), last = start;
    while (n < MAX_PASSES && (n < 3 || last - start < seconds)) {
        team_run(n_threads, work, context);
        double t = clock_now();
        times[n++] = t - last;
        last = t;
    }
    qsort(times, n, sizeof *times, by_size);
    return times[n / 2];
}

struct reading {
    const char *data;
    atomic_uint_fast64_t sum; /* so that the reads cannot be dropped */
};

static void read_pass(void *context, const struct member *me) {
    struct reading *r = context;
    int64_t begin, end;
    team_share(me, READ_BYTES, 4096, &begin, &end);
    atomic_fetch_add(&r->sum,
                     math_kernels()->peak_read(r->data + begin, (size_t)(end - begin)));
}

glass_status glass_limit_read(double *out, int n_threads, double seconds) {
    struct reading r = {0};
    void *data;
    *out = 0;
    TRY(mem_alloc_aligned(&data, READ_BYTES, 1));
    memset(data, 1, READ_BYTES);
    r.data = data;
    *out = READ_BYTES / median_time(n_threads, read_pass, &r, seconds);
    mem_free(data);
    return GLASS_OK;
}

struct multiplying {
    double operations; /* of one member's pass */
    _Atomic float sink;
};

static void fma_pass(void *context, const struct member *me) {
    struct multiplying *f = context;
    float sink;
    double n = math_kernels()->peak_fma(FMA_ROUNDS, &sink);
    f->sink = sink;
    if (me->i == 0) f->operations = n;
}

glass_status glass_limit_fma(double *out, int n_threads, double seconds) {
    struct multiplying f = {0, 0};
    double time = median_time(n_threads, fma_pass, &f, seconds);
    *out = f.operations * n_threads / time;
    return GLASS_OK;
}
