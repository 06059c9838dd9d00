/* cmd_eval.c - glass eval: perplexity, log-likelihoods, divergence between two models. */
#include "base/path.h"
#include "cli/cli.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_LIMIT ((size_t)1 << 30)

struct eval {
    glass_eval_options options;
    int64_t n_ctx, n_batch, n_threads;
    const char *cache_type;
    bool json, running, mlock, tty, kl;
    double start;
    struct opt_list adapter_list;
    struct cli_adapters adapters;
    glass_model *model, *base;
};

static bool on_progress(void *context, const glass_eval_progress *p) {
    const struct eval *e = context;
    if (e->running && !e->json) {
        printf("[%lld]%.4f,", (long long)p->done, p->perplexity);
        if (p->done == p->n_windows) printf("\n");
        fflush(stdout);
    } else if (e->tty) {
        double s =
            (cli_now() - e->start) * (double)(p->n_windows - p->done) / (double)p->done;
        fprintf(stderr, "\r%lld of %lld windows, perplexity %.4f", (long long)p->done,
                (long long)p->n_windows, p->perplexity);
        if (e->kl) fprintf(stderr, " and %.4f, KL %.6f", p->base_perplexity, p->kl);
        fprintf(stderr, ", %.0f s left\x1b[K%s", s,
                p->done == p->n_windows ? "\r\x1b[K" : "");
    }
    return !cli_interrupted;
}

/* The text, without the newline that ends a file: llama-perplexity leaves it out, too. */
static glass_status read_text(struct buf *text, const char *file) {
    TRY(path_read_whole(text, strcmp(file, "-") == 0 ? "/dev/stdin" : file, TEXT_LIMIT));
    if (text->len > 0 && text->data[text->len - 1] == '\n') text->len--;
    return GLASS_OK;
}

static glass_status finish_options(struct eval *e) {
    glass_eval_options *o = &e->options;
    int32_t threads;
    TRY(cli_narrow(&threads, e->n_threads, "threads"));
    TRY(cli_cache_type(&o->cache_type, e->cache_type));
    if (o->whole && (e->n_ctx > 0 || o->stride > 0))
        return fail(GLASS_USAGE, "--whole takes neither -c nor --stride");
    if (e->n_ctx < 0 || o->stride < 0 || o->max_windows < 0 || threads < 0)
        return fail(GLASS_USAGE, "-c, -t, --stride, --windows: no negative numbers");
    o->n_ctx = e->n_ctx;
    o->n_batch = e->n_batch;
    o->n_threads = threads;
    o->progress = on_progress;
    o->context = e;
    e->tty = isatty(STDERR_FILENO);
    return GLASS_OK;
}

/* Once the model is open. */
static glass_status take_adapters(struct eval *e) {
    TRY(cli_adapters_open(&e->adapters, e->model, &e->adapter_list));
    e->options.adapters = e->adapters.uses;
    e->options.n_adapters = e->adapters.n;
    return GLASS_OK;
}

/* ---- JSON ---- */

static glass_status number(struct buf *b, const char *name, double value) {
    if (b->data[b->len - 1] != '{') TRY(buf_byte(b, ','));
    TRY(buf_printf(b, "\"%s\":", name));
    return buf_json_number(b, value);
}

static glass_status perplexity_json(struct buf *b, const glass_perplexity *p) {
    TRY(buf_byte(b, '{'));
    TRY(number(b, "perplexity", p->perplexity));
    TRY(number(b, "perplexity_error", p->perplexity_error));
    TRY(number(b, "nll", p->nll));
    TRY(number(b, "nll_error", p->nll_error));
    TRY(number(b, "bits_per_byte", p->bits_per_byte));
    TRY(number(b, "tokens", (double)p->n_tokens));
    TRY(number(b, "scored_tokens", (double)p->n_scored));
    TRY(number(b, "scored_bytes", (double)p->n_bytes));
    TRY(number(b, "windows", (double)p->n_windows));
    TRY(number(b, "ctx", (double)p->n_ctx));
    return buf_byte(b, '}');
}

static glass_status divergence_json(struct buf *b, const glass_divergence *d) {
    const struct {
        const char *name;
        double value;
    } rows[] = {{"kl", d->kl},
                {"kl_error", d->kl_error},
                {"kl_median", d->kl_median},
                {"kl_90", d->kl_90},
                {"kl_95", d->kl_95},
                {"kl_99", d->kl_99},
                {"kl_999", d->kl_999},
                {"kl_max", d->kl_max},
                {"dp", d->dp},
                {"dp_error", d->dp_error},
                {"dp_rms", d->dp_rms},
                {"dp_rms_error", d->dp_rms_error},
                {"dp_min", d->dp_min},
                {"dp_1", d->dp_1},
                {"dp_5", d->dp_5},
                {"dp_median", d->dp_median},
                {"dp_95", d->dp_95},
                {"dp_99", d->dp_99},
                {"dp_max", d->dp_max},
                {"same_top", d->same_top},
                {"same_top_error", d->same_top_error},
                {"ratio", d->ratio},
                {"ratio_error", d->ratio_error},
                {"ln_ratio", d->ln_ratio},
                {"ln_ratio_error", d->ln_ratio_error},
                {"correlation", d->correlation}};
    TRY(buf_byte(b, '{'));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        TRY(number(b, rows[i].name, rows[i].value));
    TRY(buf_text(b, ",\"model\":"));
    TRY(perplexity_json(b, &d->model));
    TRY(buf_text(b, ",\"base\":"));
    TRY(perplexity_json(b, &d->base));
    return buf_byte(b, '}');
}

/* ---- perplexity ---- */

static void print_windows(const glass_perplexity *p) {
    printf("%lld windows of %lld, %lld of %lld tokens scored, %lld bytes\n",
           (long long)p->n_windows, (long long)p->n_ctx, (long long)p->n_scored,
           (long long)p->n_tokens, (long long)p->n_bytes);
}

static glass_status run_perplexity(struct eval *e, const char *const *words) {
    struct buf text = {0}, out = {0};
    glass_perplexity p;
    glass_status status;
    TRY_FAIL(finish_options(e));
    TRY_FAIL(read_text(&text, words[1]));
    TRY_FAIL(cli_open_model(&e->model, words[0], e->mlock));
    TRY_FAIL(take_adapters(e));
    cli_catch_interrupt();
    e->start = cli_now();
    TRY_FAIL(glass_eval_perplexity(&p, e->model, text.len ? text.data : "", text.len,
                                   &e->options));
    if (e->json) {
        TRY_FAIL(perplexity_json(&out, &p));
        printf("%s\n", out.data);
    } else {
        printf("perplexity     %.4f ± %.5f\n", p.perplexity, p.perplexity_error);
        printf("nll            %.6f ± %.6f a token\n", p.nll, p.nll_error);
        printf("bits per byte  %.6f\n", p.bits_per_byte);
        print_windows(&p);
    }
fail:
    buf_free(&text);
    buf_free(&out);
    return status;
}

/* ---- two models ---- */

static void print_divergence(const glass_divergence *d) {
    printf("perplexity         %.6f ± %.6f\n", d->model.perplexity,
           d->model.perplexity_error);
    printf("base's             %.6f ± %.6f\n", d->base.perplexity,
           d->base.perplexity_error);
    printf("ratio              %.6f ± %.6f (ln %.6f ± %.6f), correlation %.2f%%\n",
           d->ratio, d->ratio_error, d->ln_ratio, d->ln_ratio_error, 100 * d->correlation);
    printf("KL divergence      mean %.6f ± %.6f\n", d->kl, d->kl_error);
    printf("                   median %.6f, 90%% %.6f, 95%% %.6f, 99%% %.6f, 99.9%% %.6f, "
           "max %.6f\n",
           d->kl_median, d->kl_90, d->kl_95, d->kl_99, d->kl_999, d->kl_max);
    printf("change of p        mean %.3f%% ± %.3f%%, RMS %.3f%% ± %.3f%%\n", 100 * d->dp,
           100 * d->dp_error, 100 * d->dp_rms, 100 * d->dp_rms_error);
    printf("                   min %.3f%%, 1%% %.3f%%, 5%% %.3f%%, median %.3f%%, "
           "95%% %.3f%%, 99%% %.3f%%, max %.3f%%\n",
           100 * d->dp_min, 100 * d->dp_1, 100 * d->dp_5, 100 * d->dp_median,
           100 * d->dp_95, 100 * d->dp_99, 100 * d->dp_max);
    printf("same likeliest     %.3f%% ± %.3f%%\n", 100 * d->same_top,
           100 * d->same_top_error);
    print_windows(&d->model);
}

static glass_status run_kl(struct eval *e, const char *const *words) {
    struct buf text = {0}, out = {0};
    glass_divergence d;
    glass_status status;
    e->kl = true;
    TRY_FAIL(finish_options(e));
    TRY_FAIL(read_text(&text, words[2]));
    TRY_FAIL(cli_open_model(&e->model, words[0], e->mlock));
    TRY_FAIL(take_adapters(e));
    TRY_FAIL(cli_open_model(&e->base, words[1], e->mlock));
    cli_catch_interrupt();
    e->start = cli_now();
    TRY_FAIL(glass_eval_kl(&d, e->model, e->base, text.len ? text.data : "", text.len,
                           &e->options));
    if (e->json) {
        TRY_FAIL(divergence_json(&out, &d));
        printf("%s\n", out.data);
    } else {
        print_divergence(&d);
    }
fail:
    buf_free(&text);
    buf_free(&out);
    return status;
}

/* ---- continuations ---- */

static glass_status take_text(const json_t *line, const char *name, const char **text,
                              size_t *n) {
    const json_t *value = json_object_get(line, name);
    *text = "";
    *n = 0;
    if (value == NULL && strcmp(name, "context") == 0) return GLASS_OK;
    if (!json_is_string(value)) return fail(GLASS_BAD_INPUT, "no text \"%s\"", name);
    *text = json_string_value(value);
    *n = json_string_length(value);
    return GLASS_OK;
}

static glass_status print_result(const json_t *line, const glass_loglik *r,
                                 size_t n_bytes) {
    const json_t *id = json_object_get(line, "id");
    struct buf b = {0};
    glass_status status = buf_byte(&b, '{');
    if (status == GLASS_OK && id != NULL) {
        char *text = json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT);
        status = text == NULL ? fail_memory(0) : buf_printf(&b, "\"id\":%s,", text);
        free(text);
    }
    if (status == GLASS_OK) status = buf_text(&b, "\"logprob\":");
    if (status == GLASS_OK) status = buf_json_number(&b, r->logprob);
    if (status == GLASS_OK)
        status = buf_printf(&b,
                            ",\"is_greedy\":%s,\"tokens\":%lld,\"bytes\":%zu,"
                            "\"context_tokens\":%lld,\"cut_tokens\":%lld}\n",
                            r->greedy ? "true" : "false", (long long)r->n_tokens, n_bytes,
                            (long long)r->n_context, (long long)r->n_cut);
    /* Line by line, since who asks may wait for one answer before the next question. */
    if (status == GLASS_OK &&
        (fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout) != 0))
        status = fail_errno("standard output");
    buf_free(&b);
    return status;
}

static glass_status do_line(glass_scorer *scorer, const char *text, size_t n) {
    json_error_t error;
    glass_loglik_item item;
    glass_loglik result;
    json_t *line = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (line == NULL) return fail(GLASS_BAD_INPUT, "%s", error.text);
    glass_status status =
        json_is_object(line)
            ? take_text(line, "context", &item.context, &item.n_context)
            : fail(GLASS_BAD_INPUT,
                   "no JSON object: {\"context\":…,\"continuation\":…} is wanted");
    if (status == GLASS_OK)
        status = take_text(line, "continuation", &item.continuation, &item.n_continuation);
    if (status == GLASS_OK) status = glass_scorer_loglik(scorer, &result, &item, 1);
    if (status == GLASS_OK) status = print_result(line, &result, item.n_continuation);
    json_decref(line);
    return status;
}

static glass_status do_lines(struct eval *e, glass_scorer *scorer, FILE *in,
                             const char *name) {
    char *line = NULL;
    size_t cap = 0;
    glass_status status = GLASS_OK;
    for (int64_t i = 1; status == GLASS_OK; i++) {
        ssize_t n = getline(&line, &cap, in);
        if (n < 0) break;
        if (n > 0 && line[n - 1] == '\n') n--;
        if (n == 0) continue;
        status = do_line(scorer, line, (size_t)n);
        if (status == GLASS_OK && cli_interrupted)
            status = fail(GLASS_CANCELLED, "stopped after %lld lines", (long long)i);
        else if (status != GLASS_OK)
            status = fail_within(status, "%s: line %lld", name, (long long)i);
        if (e->tty) fprintf(stderr, "\r%lld lines\x1b[K", (long long)i);
    }
    if (e->tty) fprintf(stderr, "\r\x1b[K");
    free(line);
    if (status == GLASS_OK && ferror(in)) status = fail_errno("%s", name);
    return status;
}

static glass_status run_loglik(struct eval *e, const char *const *words) {
    bool piped = words[1] == NULL || strcmp(words[1], "-") == 0;
    glass_scorer *scorer = NULL;
    FILE *in = stdin;
    glass_status status;
    TRY_FAIL(finish_options(e));
    /* Where questions come one by one, answers are progress enough. */
    e->tty = e->tty && !piped && !isatty(STDOUT_FILENO);
    if (!piped && (in = fopen(words[1], "rb")) == NULL) {
        status = fail_errno("%s", words[1]);
        goto fail;
    }
    TRY_FAIL(cli_open_model(&e->model, words[0], e->mlock));
    TRY_FAIL(take_adapters(e));
    TRY_FAIL(glass_scorer_create(&scorer, e->model, &e->options));
    cli_catch_interrupt();
    status = do_lines(e, scorer, in, piped ? "standard input" : words[1]);
fail:
    glass_scorer_free(scorer);
    if (in != NULL && in != stdin) fclose(in);
    return status;
}

/* ---- the command ---- */

static int run(struct eval *e, const struct opt_command *command, int argc, char **argv,
               glass_status (*work)(struct eval *, const char *const *)) {
    const char *words[3] = {NULL, NULL, NULL};
    int n_words, code = opts_parse(command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    glass_status status = work(e, words);
    cli_adapters_close(&e->adapters);
    glass_model_close(e->model);
    glass_model_close(e->base);
    return status == GLASS_OK ? 0 : cli_fail(status);
}

// clang-format off
#define MODEL_OPTIONS(e)                                                                     \
    ADAPTER_OPTION((e).adapter_list),                                                       \
    {"no-bos", 0, OPT_FLAG, &(e).options.no_bos, NULL, "no BOS, even where the model wants one"}, \
    {"threads", 't', OPT_INT, &(e).n_threads, "N", "threads (default: all cores)"},         \
    {"batch", 'b', OPT_INT, &(e).n_batch, "N", "most tokens in one pass (512)"},            \
    {"cache-type", 0, OPT_TEXT, &(e).cache_type, "TYPE", "key/value cache: f32, f16, q8_0"}, \
    {"mlock", 0, OPT_FLAG, &(e).mlock, NULL, "pin the weights in memory"}
#define TEXT_OPTIONS(e)                                                                      \
    {"ctx", 'c', OPT_INT, &(e).n_ctx, "N", "tokens in a window (512)"},                     \
    {"stride", 0, OPT_INT, &(e).options.stride, "N", "windows slide by N, and score every token once"}, \
    {"whole", 0, OPT_FLAG, &(e).options.whole, NULL, "one window for the whole text"},      \
    {"windows", 0, OPT_INT, &(e).options.max_windows, "N", "the first N windows only"},     \
    {"running", 0, OPT_FLAG, &(e).running, NULL, "the value so far after every window"},    \
    {"json", 'j', OPT_FLAG, &(e).json, NULL, "one JSON object"}
// clang-format on
#define WINDOWS_ARE                                                                        \
    "Without --stride or --whole the text is cut into pieces, of which the second half "   \
    "is\nscored and an incomplete last one left out, as llama-perplexity does by "         \
    "default. "                                                                            \
    "FILE -\nis standard input; a newline at its very end does not count."

static int perplexity_main(int argc, char **argv) {
    struct eval e = {.cache_type = "f32"};
    const struct opt options[] = {
        TEXT_OPTIONS(e), MODEL_OPTIONS(e), {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass eval perplexity MODEL FILE [options]",
        "The perplexity of a text, its standard error, and bits per byte.\n" WINDOWS_ARE,
        "  glass eval perplexity smollm2 wiki.test.raw\n"
        "  glass eval perplexity model.gguf book.txt -c 2048 --stride 512 --json\n"
        "  echo 'The sky is blue.' | glass eval perplexity smollm2 - --whole\n",
        options,
        2,
        2,
        true};
    return run(&e, &command, argc, argv, run_perplexity);
}

static int kl_main(int argc, char **argv) {
    struct eval e = {.cache_type = "f32"};
    const struct opt options[] = {
        TEXT_OPTIONS(e), MODEL_OPTIONS(e), {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass eval kl MODEL BASE FILE [options]",
        "How far MODEL's predictions are from BASE's, say a quantised model's from the\n"
        "original's: KL(BASE || MODEL), the change of p of the text's tokens, how often "
        "both\nfind the same token likeliest, the ratio of perplexities.\n" WINDOWS_ARE,
        "  glass eval kl model-Q4_K_M.gguf model-F16.gguf wiki.test.raw\n"
        "  glass eval kl small.gguf large.gguf text.txt --windows 20 --json\n",
        options,
        3,
        3,
        true};
    return run(&e, &command, argc, argv, run_kl);
}

static int loglik_main(int argc, char **argv) {
    struct eval e = {.cache_type = "f32"};
    const struct opt options[] = {
        {"ctx", 'c', OPT_INT, &e.n_ctx, "N",
         "context positions (default: the model's, at most 4096)"},
        {"json", 'j', OPT_FLAG, &e.json, NULL, "as always: answers are JSON, a line each"},
        MODEL_OPTIONS(e),
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass eval loglik MODEL [FILE] [options]",
        "Log-likelihoods of continuations given contexts, as lm-evaluation-harness asks "
        "for them.\nEvery line of FILE (- or none: standard input) is a JSON object\n"
        "  {\"context\":TEXT,\"continuation\":TEXT}   \"id\" (anything) comes back with "
        "the "
        "answer\n"
        "and is answered at once by a line\n"
        "  "
        "{\"logprob\":SUM,\"is_greedy\":BOOL,\"tokens\":N,\"bytes\":N,\"context_tokens\":N,"
        "\"cut_tokens\":N}\n"
        "An empty context stands for BOS; then a text of any length is scored whole.",
        "  echo '{\"context\":\"The capital of France is\",\"continuation\":\" Paris\"}' "
        "|\n"
        "      glass eval loglik smollm2\n"
        "  glass eval loglik model.gguf questions.jsonl > answers.jsonl\n",
        options,
        1,
        2,
        true};
    return run(&e, &command, argc, argv, run_loglik);
}

int cmd_eval(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } parts[] = {{"perplexity", perplexity_main}, {"loglik", loglik_main}, {"kl", kl_main}};
    static const char usage[] =
        "usage: glass eval perplexity MODEL FILE   how well a model predicts a text\n"
        "       glass eval loglik MODEL [FILE]     log-likelihoods of continuations\n"
        "       glass eval kl MODEL BASE FILE      how far a model is from another\n\n"
        "glass eval perplexity --help and so on tell more.\n\n"
        "examples:\n"
        "  glass eval perplexity smollm2 wiki.test.raw\n"
        "  glass eval loglik smollm2 questions.jsonl > answers.jsonl\n"
        "  glass eval kl model-Q4_K_M.gguf model-F16.gguf wiki.test.raw\n";
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    for (int i = 0; argc >= 2 && i < 3; i++)
        if (strcmp(argv[1], parts[i].name) == 0) return parts[i].run(argc - 1, argv + 1);
    if (argc >= 2) fprintf(stderr, "glass: eval cannot \"%s\"\n", argv[1]);
    fputs(usage, stderr);
    return 2;
}
