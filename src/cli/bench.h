/* bench.h - what the files of glass bench share. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "cli/cli.h"

enum { BENCH_MAX_ROUNDS = 64 };

double bench_median(const double *values, int64_t n);
/* Answers to the text in a file, with --draft or --lookup and without. */
glass_status bench_speculation(const char *model, const char *file, struct run_options *run,
                               int64_t n_answer, int64_t rounds);

#endif
