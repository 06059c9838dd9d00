/* bench_train.c - speed of training steps: bench_train MODEL [B] [T] [THREADS] [STEPS]
 * [adamw|muon] [none|mlp|layers].
 *
 * Forward, backward and optimiser of one micro-batch of B sequences of T tokens, from the model's own
 * weights on made-up tokens. Tokens/s, and GFLOP/s of 6 N tokens (N parameters; those of an
 * embedding that is not the head do not count) plus attention's 6 * 2 * T/2 * n_head * head_dim a
 * token and layer, beside the measured peak of fused multiply-adds. Medians; of the optimiser's
 * step alone, too. Bytes are those that the trainer reckons. */
#include "base/clock.h"
#include "base/mem.h"
#include "glass/glass.h"
#include "glass/limits.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double flops_of(const struct params *p, int64_t T) {
    const struct config *c = p->config;
    double n = 0;
    for (int64_t i = 0; i < p->n_list; i++)
        if (p->list[i].role == PARAM_MATRIX || p->list[i].role == PARAM_HEAD ||
            (p->list[i].role == PARAM_EMBEDDING && p->w.tied))
            n += (double)(p->list[i].n * p->list[i].k);
    return 6 * n + 6.0 * (double)(c->n_layer * T * c->n_head * c->head_dim);
}

enum { MAX_STEPS = 100 };

int main(int argc, char **argv) {
    int64_t B = argc > 2 ? strtoll(argv[2], NULL, 10) : 4;
    int64_t T = argc > 3 ? strtoll(argv[3], NULL, 10) : 64;
    int threads = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 2;
    int steps = argc > 5 ? (int)strtol(argv[5], NULL, 10) : 5;
    bool muon = argc > 6 && strcmp(argv[6], "muon") == 0;
    const char *recompute = argc > 7 ? argv[7] : "none";
    struct trainer_options o = {.n_rows = B * T, .longest = T, .n_threads = threads};
    struct optimizer_options step = {.rate = 1e-4,
                                     .beta1 = 0.9,
                                     .beta2 = 0.95,
                                     .eps = 1e-8,
                                     .decay = 0.1,
                                     .clip = 1,
                                     .muon_rate = 1e-4,
                                     .momentum = 0.95,
                                     .scale = MUON_RMS};
    if (muon) o.optimizer = OPTIMIZER_MUON;
    if (strcmp(recompute, "mlp") == 0) o.recompute = RECOMPUTE_MLP;
    if (strcmp(recompute, "layers") == 0) o.recompute = RECOMPUTE_LAYERS;
    struct trainer *t = NULL;
    glass_model *model = NULL;
    int32_t *ids;
    float *losses, norm = 0;
    struct attn_rows *segments;
    double times[MAX_STEPS], steppings[MAX_STEPS], peak = 0, after = 0;
    if (argc < 2 || B < 1 || T < 1 || steps < 1 || steps > MAX_STEPS) {
        fprintf(stderr, "usage: bench_train MODEL [B] [T] [THREADS] [STEPS] "
                        "[adamw|muon] [none|mlp|layers]\n");
        return 2;
    }
    if (glass_model_open(&model, argv[1], NULL) || trainer_create(&t, model, &o) ||
        mem_alloc(&ids, (size_t)(B * T + 1), sizeof *ids) ||
        mem_alloc(&losses, (size_t)(B * T), sizeof *losses) ||
        mem_alloc(&segments, (size_t)B, sizeof *segments) ||
        glass_limit_fma(&peak, threads, 0.2)) {
        fprintf(stderr, "bench_train: %s\n", glass_error());
        return 4;
    }
    int64_t vocabulary = trainer_params(t)->config->n_vocab;
    for (int64_t i = 0; i <= B * T; i++)
        ids[i] = (int32_t)((uint32_t)i * 2654435761u % (uint32_t)vocabulary);
    for (int64_t i = 0; i < B; i++) segments[i] = (struct attn_rows){i * T, T};
    struct micro_batch batch = {ids, ids + 1, NULL, segments, B, B * T};
    for (int i = -1; i < steps; i++) {
        double start = clock_now();
        double added = 0;
        bool good = trainer_add(t, &batch, 1.0F / (float)(B * T), losses) == GLASS_OK;
        added = clock_now();
        if (!good || trainer_step(t, &step, &norm)) {
            fprintf(stderr, "bench_train: %s\n", glass_error());
            return 4;
        }
        if (i < 0) continue;
        times[i] = clock_now() - start;
        steppings[i] = clock_now() - added;
    }
    if (glass_limit_fma(&after, threads, 0.2)) return 4;
    qsort(times, (size_t)steps, sizeof *times, by_size);
    qsort(steppings, (size_t)steps, sizeof *steppings, by_size);
    double speed = (double)(B * T) / times[steps / 2];
    double flops = speed * flops_of(trainer_params(t), T);
    printf(
        "%s, %s, %d threads, B %lld, T %lld: %.0f tokens/s, %.0f GFLOP/s, %.0f%% of the "
        "FMA "
        "peak (%.0f before, %.0f after), loss %.4f, norm %.4f; step %.3f s, of it %s %.3f; "
        "%.0f MB, recompute %s\n",
        argv[1], glass_isa(), threads, (long long)B, (long long)T, speed, 1e-9 * flops,
        100 * flops / (0.5 * (peak + after)), 1e-9 * peak, 1e-9 * after, (double)losses[0],
        (double)norm, times[steps / 2], muon ? "Muon" : "AdamW", steppings[steps / 2],
        1e-6 * (double)trainer_bytes(model, &o),
        o.recompute == RECOMPUTE_NONE ? "none" : recompute);
    mem_free(segments), mem_free(losses), mem_free(ids);
    trainer_free(t);
    glass_model_close(model);
    return 0;
}
