/* cmd_bench.c - glass bench: prompt and answer speed beside the machine's own limits. */
#include "base/team.h"
#include "cli/bench.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_ROUNDS = BENCH_MAX_ROUNDS, MAX_TOKENS = 1 << 20 };

struct bench {
    struct run_options run;
    int64_t n_prompt, n_answer, rounds;
    const char *file;
    glass_model *model;
    struct cli_adapters adapters;
    glass_session *session;
    int32_t *ids;
    bool tty;
    double prompt[MAX_ROUNDS], answer[MAX_ROUNDS], read_before, read_after, fma;
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(const double *values, int64_t n) {
    double sorted[MAX_ROUNDS];
    memcpy(sorted, values, (size_t)n * sizeof *values);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    return n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
}

/* Made-up tokens: speed does not depend on which. */
static void fill_ids(struct bench *b, int64_t n_vocab) {
    uint32_t x = 1;
    for (int64_t i = 0; i < b->n_prompt + b->n_answer; i++) {
        x = x * 1664525u + 1013904223u;
        b->ids[i] = (int32_t)((x >> 8) % (uint32_t)n_vocab);
    }
}

static glass_status round_once(struct bench *b, int64_t i, float *logits) {
    TRY(glass_session_truncate(b->session, 0));
    double start = cli_now();
    if (b->n_prompt > 0) TRY(glass_session_eval(b->session, b->ids, b->n_prompt, logits));
    double middle = cli_now();
    /* Generation is measured from an empty context, as other programs do. */
    TRY(glass_session_truncate(b->session, 0));
    double from = cli_now();
    for (int64_t t = 0; t < b->n_answer; t++)
        TRY(glass_session_eval(b->session, b->ids + t, 1, logits));
    b->prompt[i] = (double)b->n_prompt / (middle - start);
    b->answer[i] = (double)b->n_answer / (cli_now() - from);
    return GLASS_OK;
}

/* What is going on, on a terminal; later words overwrite it. */
static void progress(const struct bench *b, const char *text) {
    if (b->tty) fprintf(stderr, "\r%s%s\x1b[K", text, *text ? " …" : "");
}

static void progress_round(const struct bench *b, int64_t i) {
    char text[96];
    snprintf(text, sizeof text, "round %lld of %lld: prompt %.1f, answer %.1f tokens/s",
             (long long)i + 1, (long long)b->rounds, b->prompt[i], b->answer[i]);
    progress(b, text);
}

static glass_status measure(struct bench *b, const char *path) {
    glass_session_options o = {.n_threads = (int)b->run.n_threads,
                               .n_batch = b->run.n_batch};
    glass_model_info info;
    float *logits = NULL;
    TRY(cli_cache_type(&o.cache_type, b->run.cache_type));
    TRY(glass_model_open(&b->model, path, NULL));
    glass_model_get_info(b->model, &info);
    TRY(cli_adapters_open(&b->adapters, b->model, &b->run.adapters));
    o.adapters = b->adapters.uses;
    o.n_adapters = b->adapters.n;
    o.n_ctx = b->n_prompt > b->n_answer ? b->n_prompt : b->n_answer;
    TRY(glass_session_create(&b->session, b->model, &o));
    TRY(mem_alloc(&b->ids, (size_t)(b->n_prompt + b->n_answer), sizeof *b->ids));
    fill_ids(b, info.n_vocab);
    glass_status status = mem_alloc(&logits, (size_t)info.n_vocab, sizeof *logits);
    if (status == GLASS_OK) status = round_once(b, 0, logits); /* warms up */
    progress(b, "read bandwidth");
    if (status == GLASS_OK)
        status = glass_limit_read(&b->read_before, (int)b->run.n_threads, 0.5);
    for (int64_t i = 0; status == GLASS_OK && i < b->rounds; i++) {
        status = round_once(b, i, logits);
        if (status == GLASS_OK) progress_round(b, i);
    }
    progress(b, "read bandwidth and FMA peak");
    if (status == GLASS_OK)
        status = glass_limit_read(&b->read_after, (int)b->run.n_threads, 0.5);
    if (status == GLASS_OK) status = glass_limit_fma(&b->fma, (int)b->run.n_threads, 0.3);
    progress(b, "");
    mem_free(logits);
    return status;
}

static void print_rounds(const char *name, const double *values, int64_t n) {
    printf(",\"%s\":[", name);
    for (int64_t i = 0; i < n; i++) printf("%s%.2f", i ? "," : "", values[i]);
    printf("]");
}

/* Bytes of weights that one token reads: all but the tables of which it takes a row. */
static double token_bytes(const struct bench *b, const glass_model_info *info) {
    double n = (double)info->weight_bytes;
    for (int64_t i = 0; i < glass_model_n_tensors(b->model); i++) {
        glass_tensor_info t;
        glass_model_tensor(b->model, i, &t);
        if (strcmp(t.name, "position_embd.weight") == 0 ||
            (!info->tied && strcmp(t.name, "token_embd.weight") == 0))
            n -= (double)t.n_bytes;
    }
    return n;
}

static void report(struct bench *b) {
    glass_model_info i;
    glass_model_get_info(b->model, &i);
    double prompt = bench_median(b->prompt, b->rounds);
    double answer = bench_median(b->answer, b->rounds);
    double read = 0.5 * (b->read_before + b->read_after);
    /* Products of a token: two operations a weight; the embedding only as the head. */
    double weights =
        (double)i.n_params - (i.tied ? 0.0 : (double)i.n_vocab * (double)i.n_embd);
    double body = weights - (double)i.n_vocab * (double)i.n_embd;
    /* A prompt's products: weights, and attention of each position to those before it. */
    double seen = 0.5 * (double)(b->n_prompt + 1);
    double attention = 2 * seen * (double)(i.n_layer * i.n_head * i.head_dim);
    double bytes = token_bytes(b, &i), share = answer * bytes / read;
    double flops = prompt * 2 * (body + attention);
    if (b->run.json) {
        printf("{\"isa\":\"%s\",\"types\":\"%s\",\"threads\":%lld,\"prompt_tokens\":%lld,"
               "\"prompt_per_s\":%.2f,\"answer_tokens\":%lld,\"answer_per_s\":%.2f,"
               "\"token_bytes\":%.0f,\"read_before\":%.0f,\"read_after\":%.0f,"
               "\"read_share\":%.4f,\"fma_per_s\":%.0f,\"fma_share\":%.4f",
               glass_isa(), i.dtype_mix, (long long)b->run.n_threads,
               (long long)b->n_prompt, prompt, (long long)b->n_answer, answer, bytes,
               b->read_before, b->read_after, share, b->fma, flops / b->fma);
        print_rounds("prompt_rounds", b->prompt, b->rounds);
        print_rounds("answer_rounds", b->answer, b->rounds);
        printf("}\n");
        return;
    }
    printf("%s, %s, %lld threads, median of %lld rounds\n", i.dtype_mix, glass_isa(),
           (long long)b->run.n_threads, (long long)b->rounds);
    printf("prompt  %4lld tokens  %9.1f tokens/s  %6.1f GFLOP/s, %3.0f%% of the FMA peak "
           "(%.1f)\n",
           (long long)b->n_prompt, prompt, 1e-9 * flops, 100 * flops / b->fma,
           1e-9 * b->fma);
    printf("answer  %4lld tokens  %9.1f tokens/s  %6.1f GB/s,    %3.0f%% of read bandwidth "
           "(%.1f before, %.1f after)\n",
           (long long)b->n_answer, answer, 1e-9 * answer * bytes, 100 * share,
           1e-9 * b->read_before, 1e-9 * b->read_after);
}

int cmd_bench(int argc, char **argv) {
    struct bench b = {.n_prompt = 512, .n_answer = 128, .rounds = 5};
    run_options_init(&b.run);
    b.tty = isatty(STDERR_FILENO);
    const struct opt options[] = {
        {"prompt", 'p', OPT_INT, &b.n_prompt, "N", "prompt tokens (512)"},
        {"predict", 'n', OPT_INT, &b.n_answer, "N", "answer tokens (128)"},
        {"rounds", 'r', OPT_INT, &b.rounds, "N", "rounds, of which the median counts (5)"},
        {"threads", 't', OPT_INT, &b.run.n_threads, "N", "threads (all cores)"},
        {"batch", 'b', OPT_INT, &b.run.n_batch, "N",
         "most prompt tokens in one pass (512)"},
        {"cache-type", 0, OPT_TEXT, &b.run.cache_type, "TYPE", "f32, f16, q8_0"},
        ADAPTER_OPTION(b.run.adapters),
        {"json", 'j', OPT_FLAG, &b.run.json, NULL, "one JSON object"},
        SPECULATION_OPTIONS(b.run),
        {"file", 'f', OPT_TEXT, &b.file, "FILE",
         "the text to answer to (control tokens count)"},
        {"ctx", 'c', OPT_INT, &b.run.n_ctx, "N", "context positions"},
        {"temp", 0, OPT_FLOAT, &b.run.sampler.temperature, "F", "temperature (0.8)"},
        {"seed", 's', OPT_INT, &b.run.seed, "N", "seed (0)"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass bench MODEL [options]",
        "Measures prompt and answer speed, and the machine's own limits right before and "
        "after.\nWith --draft or --lookup and -f FILE: an answer with proposals and "
        "without.",
        "  glass bench smollm2\n  glass bench model.gguf -t 1 -p 128 -n 32 --json\n"
        "  glass bench model.gguf --lookup -f letter.txt --temp 0\n",
        options,
        1,
        1,
        true};
    const char *words[1];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    char *path = NULL;
    glass_status status = GLASS_OK;
    if (b.run.n_threads == 0) b.run.n_threads = team_default_threads();
    if (b.rounds < 1 || b.rounds > MAX_ROUNDS || b.n_prompt < 1 || b.n_answer < 1 ||
        b.n_prompt > MAX_TOKENS || b.n_answer > MAX_TOKENS)
        status = fail(GLASS_USAGE, "-r, -p, -n: 1 to %d rounds of 1 to %d tokens",
                      MAX_ROUNDS, MAX_TOKENS);
    if (status == GLASS_OK && (b.run.n_threads < 1 || b.run.n_threads > 1024))
        status = fail(GLASS_USAGE, "-t %lld: 1 to 1024 threads are possible",
                      (long long)b.run.n_threads);
    if (status == GLASS_OK && (b.run.draft != NULL || b.run.lookup != 0)) {
        status = bench_speculation(words[0], b.file, &b.run, b.n_answer, b.rounds);
        return status == GLASS_OK ? 0 : cli_fail(status);
    }
    if (status == GLASS_OK && b.file != NULL)
        status = fail(GLASS_USAGE, "-f is for --draft and --lookup");
    if (status == GLASS_OK) status = store_resolve(&path, words[0]);
    if (status == GLASS_OK) status = measure(&b, path);
    if (status == GLASS_OK) report(&b);
    glass_session_free(b.session);
    cli_adapters_close(&b.adapters);
    glass_model_close(b.model);
    mem_free(b.ids);
    mem_free(path);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
