/* bench_tokenizer.c - how fast a vocabulary opens and text is encoded and decoded.
 *
 *   bench_tokenizer VOCABULARY [TEXT-FILE]
 *   bench_tokenizer VOCABULARY --repeated [UNIT ...]
 *
 * Without a text file it opens only. Prints the best of five runs in milliseconds and MB/s
 * (10^6 bytes), on one thread: the whole text in one call, in chunks of 4 KiB; and the first
 * run, which has seen no word before. Repeated: texts that are hard for a careless tokenizer, or
 * of the units named, in milliseconds of the processor for each MB at 1, 4, 16 and 64 MB: the
 * same four times where time is linear. */
#include "base/clock.h"
#include "base/path.h"
#include "glass/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double processor_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(glass_status status) {
    if (status == GLASS_OK) return;
    fprintf(stderr, "bench_tokenizer: %s\n", glass_error());
    exit(glass_status_exit_code(status));
}

static void bench_open(const char *path) {
    double best = 1e9;
    for (int run = 0; run < 5; run++) {
        glass_tokenizer *t;
        double start = clock_now();
        check(glass_tokenizer_open(&t, path));
        double took = clock_now() - start;
        if (took < best) best = took;
        glass_tokenizer_close(t);
    }
    printf("%-28s %9.2f ms\n", "open", best * 1e3);
}

static void bench_encode(const glass_tokenizer *t, const char *name, const char *text,
                         size_t n_bytes, size_t chunk) {
    double best = 1e9, first = 0;
    int64_t n_tokens = 0;
    for (int run = 0; run < 5 && best * run < 4; run++) {
        double start = clock_now();
        n_tokens = 0;
        for (size_t at = 0; at < n_bytes; at += chunk) {
            int32_t *ids;
            int64_t n;
            size_t len = n_bytes - at < chunk ? n_bytes - at : chunk;
            check(glass_tokenizer_encode(t, &ids, &n, text + at, len, 0));
            n_tokens += n;
            glass_free(ids);
        }
        double took = clock_now() - start;
        if (run == 0) first = took;
        if (took < best) best = took;
    }
    printf("%-28s %9.2f ms %9.1f MB/s %10lld tokens, at first %.1f MB/s\n", name,
           best * 1e3, (double)n_bytes / best / 1e6, (long long)n_tokens,
           (double)n_bytes / first / 1e6);
}

static void bench_decode(const glass_tokenizer *t, const char *text, size_t n_bytes) {
    int32_t *ids;
    int64_t n;
    check(glass_tokenizer_encode(t, &ids, &n, text, n_bytes, 0));
    double best = 1e9;
    for (int run = 0; run < 5; run++) {
        char *back;
        size_t n_back;
        double start = clock_now();
        check(glass_tokenizer_decode(t, &back, &n_back, ids, n, 0));
        double took = clock_now() - start;
        if (took < best) best = took;
        glass_free(back);
    }
    printf("%-28s %9.2f ms %9.1f MB/s\n", "decode", best * 1e3,
           (double)n_bytes / best / 1e6);
    glass_free(ids);
}

static void bench_repeated(const glass_tokenizer *t, const char *name, const char *unit) {
    static const size_t sizes[] = {1000000, 4000000, 16000000, 64000000};
    struct buf text = {0};
    double first = 0, each = 0;
    printf("%-28s", name);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        double best = 1e9;
        while (text.len < sizes[i]) check(buf_text(&text, unit));
        for (int run = 0; run < (sizes[i] < 16000000 ? 3 : 1); run++) {
            int32_t *ids;
            int64_t n;
            double start = processor_time();
            check(glass_tokenizer_encode(t, &ids, &n, text.data, text.len, 0));
            double took = processor_time() - start;
            if (took < best) best = took;
            glass_free(ids);
        }
        each = best * 1e3 / ((double)text.len / 1e6);
        if (i == 0) first = each;
        printf(" %8.2f", each);
        fflush(stdout);
    }
    printf("  ms/MB, last / first %.2f\n", each / first);
    buf_free(&text);
}

static void bench_all_repeated(const glass_tokenizer *t) {
    bench_repeated(t, "one letter", "a");
    bench_repeated(t, "letters, no space", "thequickbrownfox");
    bench_repeated(t, "spaces", " ");
    bench_repeated(t, "spaces and a letter", "                a");
    bench_repeated(t, "emoji", "\xf0\x9f\xa6\x99");
    bench_repeated(t, "punctuation", "!");
    bench_repeated(t, "newlines", "\n");
    bench_repeated(t, "digits", "7");
    bench_repeated(t, "combining marks", "\xcc\x81");
    bench_repeated(t, "spaces and newlines", " \n");
    bench_repeated(t, "half a special token", "<|im_");
    bench_repeated(t, "byte FF", "\xff");
}

int main(int argc, char **argv) {
    bool repeated = argc >= 3 && strcmp(argv[2], "--repeated") == 0;
    if (argc < 2 || (argc > 3 && !repeated)) {
        fprintf(stderr, "usage: bench_tokenizer VOCABULARY [TEXT-FILE | --repeated ...]\n");
        return 2;
    }
    bench_open(argv[1]);
    if (argc < 3) return 0;
    glass_tokenizer *t;
    struct buf text = {0};
    check(glass_tokenizer_open(&t, argv[1]));
    if (repeated) {
        if (argc == 3) bench_all_repeated(t);
        for (int i = 3; i < argc; i++) bench_repeated(t, argv[i], argv[i]);
        glass_tokenizer_close(t);
        return 0;
    }
    check(path_read_whole(&text, argv[2], (size_t)1 << 30));
    bench_encode(t, "whole text", text.data, text.len, text.len);
    bench_encode(t, "chunks of 4 KiB", text.data, text.len, 4096);
    bench_encode(t, "chunks of 256 bytes", text.data,
                 text.len < 1000000 ? text.len : 1000000, 256);
    bench_decode(t, text.data, text.len);
    buf_free(&text);
    glass_tokenizer_close(t);
    return 0;
}
