/* bench_rows.c - what a pass of m rows costs beside a pass of one: the price of checking
 * m - 1 proposed tokens. Logits of all rows, 256 positions before them.
 * Usage: bench_rows MODEL [threads] [most rows] [rounds]. Milliseconds, medians. */
#include "base/clock.h"
#include "glass/glass.h"

#include <stdio.h>
#include <stdlib.h>

enum { BEFORE = 256, MOST = 64, ROUNDS = 64 };

static void check(glass_status status) {
    if (status == GLASS_OK) return;
    fprintf(stderr, "bench_rows: %s\n", glass_error());
    exit(glass_status_exit_code(status));
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_rows MODEL [threads] [most rows] [rounds]\n");
        return 2;
    }
    int most = argc > 3 ? atoi(argv[3]) : 8, rounds = argc > 4 ? atoi(argv[4]) : 15;
    if (most < 1 || most > MOST || rounds < 1 || rounds > ROUNDS) return 2;
    const glass_session_options o = {.n_ctx = BEFORE + MOST,
                                     .n_threads = argc > 2 ? atoi(argv[2]) : 0};
    static double seconds[MOST + 1][ROUNDS];
    static int32_t ids[BEFORE + MOST];
    glass_model *model;
    glass_model_info info;
    glass_session *session;
    check(glass_model_open(&model, argv[1], NULL));
    glass_model_get_info(model, &info);
    check(glass_session_create(&session, model, &o));
    float *logits = malloc((size_t)most * (size_t)info.n_vocab * sizeof *logits);
    if (logits == NULL) return 4;
    for (int i = 0; i < BEFORE + MOST; i++)
        ids[i] = (int32_t)((uint32_t)i * 2654435761u % (uint32_t)info.n_vocab);
    check(glass_session_eval(session, ids, BEFORE, NULL));
    for (int round = -1; round < rounds; round++) {
        for (int m = 1; m <= most; m++) {
            check(glass_session_truncate(session, BEFORE));
            double start = clock_now();
            check(glass_session_eval_all(session, ids + BEFORE, m, logits));
            if (round >= 0) seconds[m][round] = clock_now() - start;
        }
    }
    for (int m = 1; m <= most; m++) {
        qsort(seconds[m], (size_t)rounds, sizeof(double), by_value);
        double time = seconds[m][rounds / 2];
        printf("%2d rows  %8.3f ms  %5.2f passes of one\n", m, 1e3 * time,
               time / seconds[1][rounds / 2]);
    }
    free(logits);
    glass_session_free(session);
    glass_model_close(model);
    return 0;
}
