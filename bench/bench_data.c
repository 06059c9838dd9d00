/* bench_data.c - the speed of cleaning and packing, over a corpus on disk.
 *
 * bench_data CORPUS TOKENIZER FOLDER [THREADS [MB]]: each set of rules once, then packing what is
 * left, in a folder that is made anew; MB of the corpus's text a second of the process's time on
 * all cores together, and the largest resident size so far. */
#include "glass/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void report(const char *what, double bytes, double cpu, double wall) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("%-60s %7.1f MB/s a core, %7.1f MB/s, %5.0f MB resident\n", what,
           bytes / 1e6 / cpu, bytes / 1e6 / wall, (double)u.ru_maxrss / 1e3);
    fflush(stdout);
}

static void must(glass_status status) {
    if (status == GLASS_OK) return;
    fprintf(stderr, "%s\n", glass_error());
    exit(1);
}

int main(int argc, char **argv) {
    static const char *const rules[] = {
        "encoding,exact",
        "encoding,boilerplate,mask,exact",
        "encoding,boilerplate,mask,gopher,repetition,fineweb,exact",
        "encoding,boilerplate,mask,gopher,repetition,fineweb,exact,near",
        "near",
        "language=en"};
    if (argc < 4) {
        fprintf(stderr, "usage: bench_data CORPUS TOKENIZER FOLDER [THREADS [MB]]\n");
        return 2;
    }
    int threads = argc > 4 ? atoi(argv[4]) : 1;
    int64_t memory = (argc > 5 ? atoll(argv[5]) : 256) << 20;
    char folder[4096];
    glass_tokenizer *tokenizer;
    must(glass_tokenizer_open(&tokenizer, argv[2]));
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const glass_pack_source source = {.corpus = argv[1]};
        const glass_clean_options clean = {
            .rules = rules[i], .n_threads = threads, .memory_bytes = memory};
        glass_clean_report r;
        snprintf(folder, sizeof folder, "%s/clean-%zu", argv[3], i);
        double cpu = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);
        must(glass_data_clean(&r, folder, &source, 1, &clean));
        double bytes = (double)r.n_bytes_before;
        report(rules[i], bytes, now(CLOCK_PROCESS_CPUTIME_ID) - cpu,
               now(CLOCK_MONOTONIC) - wall);
        if (i != 2 && i != 3) continue;
        const glass_pack_source cleaned = {.corpus = folder};
        const glass_pack_options pack = {.n_threads = threads, .memory_bytes = memory};
        glass_pack_report p;
        char out[4096 + 8];
        snprintf(out, sizeof out, "%s-pack", folder);
        must(glass_data_pack(&p, out, &cleaned, 1, tokenizer, &pack));
        report("  and packing what is left", bytes, now(CLOCK_PROCESS_CPUTIME_ID) - cpu,
               now(CLOCK_MONOTONIC) - wall);
    }
    {
        const glass_pack_source source = {.corpus = argv[1]};
        const glass_pack_options pack = {.n_threads = threads, .memory_bytes = memory};
        glass_pack_report p;
        snprintf(folder, sizeof folder, "%s/pack", argv[3]);
        double cpu = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);
        must(glass_data_pack(&p, folder, &source, 1, tokenizer, &pack));
        report("packing all", (double)p.n_bytes, now(CLOCK_PROCESS_CPUTIME_ID) - cpu,
               now(CLOCK_MONOTONIC) - wall);
    }
    glass_tokenizer_close(tokenizer);
    return 0;
}
