/* sampler_time.c [N_VOCAB [MODEL]] - microseconds that the sampler takes per token, by
 * options, on logits like a model's (Zipf's law) and on flat ones. Medians. */
#include "glass/glass.h"
#include "math/functions.h"
#include "math/philox.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TOKENS = 15 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Ranks are spread over the ids by a step that is prime to n. */
static void make_logits(float *out, int64_t n, bool flat) {
    for (int64_t i = 0; i < n; i++) {
        int64_t rank = (i * 7919 + 13) % n;
        out[i] = flat ? philox_normal(1, 2, (uint64_t)i)
                      : 20 - 1.3F * math_log_f32((float)(rank + 1));
    }
}

static void measure(const char *name, const glass_tokenizer *t, glass_sampler_options o,
                    const float *logits, int64_t n, int64_t history) {
    glass_sampler *s;
    double took[TOKENS];
    if (glass_sampler_create(&s, t, &o) != GLASS_OK) {
        printf("%s: %s\n", name, glass_error());
        exit(3);
    }
    for (int64_t i = 0; i < history; i++)
        if (glass_sampler_accept(s, (int32_t)(philox_uniform(3, 4, (uint64_t)i) * 500)) !=
            GLASS_OK)
            exit(4);
    for (int i = -1; i < TOKENS; i++) {
        int32_t id;
        double start = now();
        if (glass_sampler_next(s, &id, logits, n) != GLASS_OK) exit(3);
        if (i >= 0) took[i] = now() - start;
    }
    qsort(took, TOKENS, sizeof *took, ascending);
    printf("  %-34s %9.1f us\n", name, took[TOKENS / 2]);
    glass_sampler_free(s);
}

static void measure_all(const glass_tokenizer *t, const float *logits, int64_t n) {
    glass_sampler_options usual, none, o;
    glass_sampler_defaults(&usual);
    none = usual;
    none.top_k = 0;
    none.top_p = 1;
    none.min_p = 0;
    o = usual, o.temperature = 0;
    measure("greedy", t, o, logits, n, 0);
    measure("defaults", t, usual, logits, n, 0);
    measure("temperature alone", t, none, logits, n, 0);
    o = none, o.top_k = 5000;
    measure("top-k 5000", t, o, logits, n, 0);
    o = none, o.top_p = 0.95F;
    measure("top-p 0.95", t, o, logits, n, 0);
    o = none, o.min_p = 0.05F;
    measure("min-p 0.05", t, o, logits, n, 0);
    o = none, o.typical_p = 0.9F;
    measure("typical 0.9", t, o, logits, n, 0);
    o = none, o.mirostat = 1;
    measure("mirostat 1", t, o, logits, n, 0);
    o.mirostat = 2;
    measure("mirostat 2", t, o, logits, n, 0);
    o = usual, o.repeat_penalty = 1.1F, o.penalty_last_n = -1;
    measure("defaults, penalties over 4096", t, o, logits, n, 4096);
    o = usual, o.dry_multiplier = 0.8F;
    if (t != NULL) measure("defaults, DRY over 4096", t, o, logits, n, 4096);
}

int main(int argc, char **argv) {
    int64_t n = argc > 1 ? strtol(argv[1], NULL, 10) : 128256;
    float *logits = malloc((size_t)(n > 0 ? n : 1) * sizeof *logits);
    glass_model *model = NULL;
    const glass_tokenizer *t = NULL;
    if (n < 1 || logits == NULL) return 2;
    if (argc > 2) {
        if (glass_model_open(&model, argv[2], NULL) != GLASS_OK) {
            fprintf(stderr, "sampler_time: %s\n", glass_error());
            return 3;
        }
        t = glass_model_tokenizer(model);
    }
    for (int flat = 0; flat < 2; flat++) {
        printf("%lld tokens, %s, %s:\n", (long long)n, flat ? "flat" : "like a model's",
               glass_isa());
        make_logits(logits, n, flat);
        measure_all(t, logits, n);
    }
    glass_model_close(model);
    free(logits);
    return 0;
}
