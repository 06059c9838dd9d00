/* cmd_quantize.c - glass quantize: a model in fewer bits, and what that costs. */
#include "base/path.h"
#include "cli/cli.h"
#include "store/store.h"

#include <stdio.h>
#include <unistd.h>

#define TEXT_LIMIT ((size_t)1 << 30)

struct quantize {
    const char *mix, *calibrate, *imatrix, *save_imatrix, *eval;
    struct opt_list keep;
    int64_t n_threads, n_pieces, n_ctx, n_windows;
    bool json, tty, pure, requantize, dry_run;
    char *path; /* the model's */
    const char *out;
    glass_importance *importance;
    glass_quantize_rule rules[64];
    char *patterns[64]; /* owned */
    struct buf tensors; /* JSON */
    glass_quantize_total total;
    glass_divergence divergence; /* of the new file and the model, with --eval */
    double start;
};

/* ---- what is going on, on a terminal; later words overwrite it ---- */

static void say(const struct quantize *q, const char *text) {
    if (q->tty) fprintf(stderr, "\r%s\x1b[K", text);
}

static bool on_piece(void *context, int64_t done, int64_t n) {
    const struct quantize *q = context;
    char text[96];
    double left = (cli_now() - q->start) * (double)(n - done) / (double)done;
    snprintf(text, sizeof text, "calibrating: %lld of %lld pieces, %.0f s left",
             (long long)done, (long long)n, left);
    say(q, done < n ? text : "");
    return !cli_interrupted;
}

/* ---- importance ---- */

/* The text's own name: a path is nobody's business but its owner's. */
static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static glass_status calibrate(struct quantize *q) {
    glass_importance_options o = {.n_ctx = q->n_ctx,
                                  .n_pieces = q->n_pieces,
                                  .n_threads = (int)q->n_threads,
                                  .source = base_name(q->calibrate),
                                  .progress = on_piece,
                                  .context = q};
    glass_model *model = NULL;
    struct buf text = {0};
    glass_status status;
    TRY_FAIL(path_read_whole(&text, q->calibrate, TEXT_LIMIT));
    TRY_FAIL(glass_model_open(&model, q->path, NULL));
    q->start = cli_now();
    TRY_FAIL(glass_importance_collect(&q->importance, model, text.data ? text.data : "",
                                      text.len, &o));
fail:
    say(q, "");
    glass_model_close(model);
    buf_free(&text);
    return status;
}

static glass_status get_importance(struct quantize *q) {
    if (q->calibrate != NULL && q->imatrix != NULL)
        return fail(GLASS_USAGE, "--calibrate collects what --imatrix reads: give one");
    if (q->save_imatrix != NULL && q->calibrate == NULL)
        return fail(GLASS_USAGE, "--save-imatrix saves what --calibrate TEXT collects");
    if (q->n_ctx < 0 || q->n_pieces < 0 || q->n_windows < 0)
        return fail(GLASS_USAGE, "--ctx, --pieces and --windows: no negative numbers");
    if (q->imatrix != NULL) return glass_importance_open(&q->importance, q->imatrix);
    if (q->calibrate == NULL) return GLASS_OK;
    TRY(calibrate(q));
    if (q->save_imatrix == NULL) return GLASS_OK;
    TRY(glass_importance_save(q->importance, q->save_imatrix));
    glass_importance_info info;
    glass_importance_get_info(q->importance, &info);
    if (!q->json)
        printf("%s: importance for %lld tensors, from %lld pieces of %lld tokens\n",
               q->save_imatrix, (long long)info.n_tensors, (long long)info.n_pieces,
               (long long)info.n_ctx);
    return GLASS_OK;
}

/* ---- rules: PATTERN=TYPE, or PATTERN for "as it is" ---- */

static glass_status read_rules(struct quantize *q) {
    for (int i = 0; i < q->keep.n; i++) {
        const char *text = q->keep.items[i], *equals = strrchr(text, '=');
        size_t n = equals != NULL ? (size_t)(equals - text) : strlen(text);
        if (n == 0)
            return fail(GLASS_USAGE, "--keep %s: the name of the tensors is missing", text);
        TRY(mem_copy_text(&q->patterns[i], text, n));
        q->rules[i] =
            (glass_quantize_rule){.pattern = q->patterns[i], .keep = equals == NULL};
        if (equals == NULL) continue;
        glass_status status = glass_dtype_parse(&q->rules[i].type, equals + 1);
        if (status != GLASS_OK) return fail_within(status, "--keep %s", text);
    }
    return GLASS_OK;
}

/* ---- what it costs ---- */

static bool on_window(void *context, const glass_eval_progress *p) {
    const struct quantize *q = context;
    char text[96];
    snprintf(text, sizeof text, "comparing: %lld of %lld windows, KL %.5f",
             (long long)p->done, (long long)p->n_windows, p->kl);
    say(q, p->done < p->n_windows ? text : "");
    return !cli_interrupted;
}

static glass_status compare(struct quantize *q) {
    glass_eval_options o = {.max_windows = q->n_windows,
                            .n_threads = (int)q->n_threads,
                            .progress = on_window,
                            .context = q};
    glass_model *model = NULL, *base = NULL;
    struct buf text = {0};
    glass_status status;
    TRY_FAIL(path_read_whole(&text, q->eval, TEXT_LIMIT));
    /* As glass eval does: the newline that ends a file is no part of its text. */
    if (text.len > 0 && text.data[text.len - 1] == '\n') text.len--;
    TRY_FAIL(glass_model_open(&base, q->path, NULL));
    TRY_FAIL(glass_model_open(&model, q->out, NULL));
    TRY_FAIL(glass_eval_kl(&q->divergence, model, base, text.data ? text.data : "",
                           text.len, &o));
fail:
    say(q, "");
    glass_model_close(model);
    glass_model_close(base);
    buf_free(&text);
    return status;
}

static void print_comparison(const glass_divergence *d) {
    printf(
        "perplexity %.4f -> %.4f (%+.2f%% ± %.2f%%), KL divergence %.5f ± %.5f, the same "
        "first token %.2f%%\n",
        d->base.perplexity, d->model.perplexity, 100 * (d->ratio - 1), 100 * d->ratio_error,
        d->kl, d->kl_error, 100 * d->same_top);
}

static glass_status comparison_json(struct buf *b, const glass_divergence *d) {
    const struct {
        const char *name;
        double value;
    } rows[] = {{"perplexity", d->model.perplexity},
                {"base_perplexity", d->base.perplexity},
                {"ratio", d->ratio},
                {"ratio_error", d->ratio_error},
                {"kl", d->kl},
                {"kl_error", d->kl_error},
                {"same_top", d->same_top},
                {"scored_tokens", (double)d->model.n_scored}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        TRY(buf_printf(b, "%s\"%s\":", i ? "," : ",\"eval\":{", rows[i].name));
        TRY(buf_json_number(b, rows[i].value));
    }
    return buf_byte(b, '}');
}

/* ---- reports ---- */

static void shape_text(char text[64], const glass_quantize_tensor *t) {
    text[0] = '\0';
    for (int d = 0; d < t->n_dims; d++) {
        size_t at = strlen(text);
        snprintf(text + at, 64 - at, "%s%lld", d ? " x " : "", (long long)t->shape[d]);
    }
}

static void print_tensor(const struct quantize *q, const glass_quantize_tensor *t) {
    char shape[64], loss[80] = "";
    shape_text(shape, t);
    if (!t->kept && !q->dry_run)
        snprintf(loss, sizeof loss, "  error %.4f, largest %.3g", t->rmse, t->largest);
    printf("%-30s %-16s %-6s%s %-6s %11zu bytes%s%s%s\n", t->name, shape,
           glass_dtype_name(t->from), t->kept ? "  =" : " ->", glass_dtype_name(t->to),
           t->n_bytes, loss, t->important ? ", by importance" : "",
           t->fallback ? ", since its rows fit no better type" : "");
}

static glass_status tensor_json(struct buf *b, const glass_quantize_tensor *t) {
    TRY(buf_text(b, b->len > 0 ? ",{\"name\":" : "{\"name\":"));
    TRY(buf_json_string(b, t->name, strlen(t->name)));
    TRY(buf_printf(b, ",\"from\":\"%s\",\"to\":\"%s\",\"shape\":[",
                   glass_dtype_name(t->from), glass_dtype_name(t->to)));
    for (int d = 0; d < t->n_dims; d++)
        TRY(buf_printf(b, "%s%lld", d ? "," : "", (long long)t->shape[d]));
    TRY(buf_printf(
        b, "],\"bytes\":%zu,\"importance\":%s,\"fallback\":%s,\"rmse\":", t->n_bytes,
        t->important ? "true" : "false", t->fallback ? "true" : "false"));
    TRY(buf_json_number(b, t->rmse));
    TRY(buf_text(b, ",\"largest\":"));
    TRY(buf_json_number(b, t->largest));
    return buf_byte(b, '}');
}

static bool on_tensor(void *context, const glass_quantize_tensor *t, double done) {
    struct quantize *q = context;
    char text[64];
    if (t != NULL) {
        say(q, "");
        if (!q->json)
            print_tensor(q, t);
        else if (tensor_json(&q->tensors, t) != GLASS_OK)
            return false;
        fflush(stdout);
    }
    snprintf(text, sizeof text, "%.0f%%", 100 * done);
    say(q, done < 1 ? text : "");
    return !cli_interrupted;
}

static void print_total(const struct quantize *q) {
    const glass_quantize_total *t = &q->total;
    char before[32], after[32];
    printf("%lld tensors, %.1f million weights: %s -> %s, %.2f bits a weight",
           (long long)t->n_tensors, 1e-6 * (double)t->n_weights,
           cli_bytes(before, (double)t->bytes_before),
           cli_bytes(after, (double)t->bytes_after), t->bits_per_weight);
    if (!q->dry_run) printf(", error %.4f\n%s\n", t->rmse, q->out);
    if (q->dry_run) printf("\n");
}

static glass_status print_json(const struct quantize *q) {
    const glass_quantize_total *t = &q->total;
    struct buf b = {0};
    glass_status status;
    TRY_FAIL(buf_printf(&b, "{\"type\":\"%s\",\"file\":", q->mix));
    TRY_FAIL(buf_json_string(&b, q->out, strlen(q->out)));
    TRY_FAIL(buf_printf(&b,
                        ",\"weights\":%lld,\"bytes_before\":%zu,\"bytes\":%zu,"
                        "\"bits_per_weight\":",
                        (long long)t->n_weights, t->bytes_before, t->bytes_after));
    TRY_FAIL(buf_json_number(&b, t->bits_per_weight));
    TRY_FAIL(buf_text(&b, ",\"rmse\":"));
    TRY_FAIL(buf_json_number(&b, t->rmse));
    if (q->eval != NULL) TRY_FAIL(comparison_json(&b, &q->divergence));
    TRY_FAIL(buf_printf(&b, ",\"tensors\":[%s]}", q->tensors.data ? q->tensors.data : ""));
    printf("%s\n", b.data);
fail:
    buf_free(&b);
    return status;
}

/* ---- the command ---- */

static glass_status quantise(struct quantize *q) {
    const char *source = q->calibrate != NULL ? q->calibrate : q->imatrix;
    glass_quantize_options o = {.mix = q->mix,
                                .importance = q->importance,
                                .rules = q->rules,
                                .n_rules = q->keep.n,
                                .pure = q->pure,
                                .allow_requantize = q->requantize,
                                .dry_run = q->dry_run,
                                .n_threads = (int)q->n_threads,
                                .progress = on_tensor,
                                .context = q};
    if (source != NULL) o.importance_name = base_name(source);
    TRY(read_rules(q));
    glass_status status = glass_quantize(q->out, q->path, &o, &q->total);
    say(q, "");
    TRY(status);
    if (!q->json) print_total(q);
    fflush(stdout);
    if (q->eval != NULL && !q->dry_run) {
        TRY(compare(q));
        if (!q->json) print_comparison(&q->divergence);
    }
    return q->json ? print_json(q) : GLASS_OK;
}

static glass_status run(struct quantize *q, const char *const *words, int n_words) {
    if (q->n_threads < 0 || q->n_threads > 1024)
        return fail(GLASS_USAGE, "-t %lld: 1 to 1024 threads", (long long)q->n_threads);
    if (n_words < 2 && q->save_imatrix == NULL && !q->dry_run)
        return fail(GLASS_USAGE, "the new file's name is missing: glass quantize %s OUT",
                    words[0]);
    q->out = n_words > 1 ? words[1] : "";
    q->tty = isatty(STDERR_FILENO);
    if (q->eval != NULL && access(q->eval, R_OK) != 0)
        return fail_errno("%s: cannot read", q->eval);
    cli_catch_stop();
    TRY(store_resolve(&q->path, words[0]));
    TRY(get_importance(q));
    return n_words > 1 || q->dry_run ? quantise(q) : GLASS_OK;
}

/* The names of the mixes, as lines of the help. */
static glass_status mix_lines(struct buf *b) {
    const char *about, *name;
    for (int i = 0; (name = glass_quantize_mix(i, &about)) != NULL; i++)
        TRY(buf_printf(b, "%s  %-8s %s", i ? "\n" : "", name, about));
    return GLASS_OK;
}

static const char usage[] = "glass quantize MODEL OUT.gguf [--type TYPE] [options]";
static const char about[] =
    "Writes a model in fewer bits as a GGUF file, which llama.cpp reads as well: the same\n"
    "blocks as its own quantiser makes, the same on every machine. Says for each tensor "
    "what\n"
    "it became and its relative error (root mean square). With --calibrate a text is run\n"
    "through the model first, to see which columns matter: better at 4 bits and below. "
    "TYPE is\n";
static const char examples[] =
    "  glass quantize model-f16.gguf model-Q4_K_M.gguf\n"
    "  glass quantize SmolLM2-135M/ small.gguf --type Q4_0 --calibrate wiki.txt\n"
    "  glass quantize model.gguf out.gguf --type Q3_K_M --eval test.txt --windows 40\n"
    "  glass quantize model.gguf out.gguf --type Q2_K --imatrix model.imatrix.gguf\n"
    "  glass quantize model.gguf out.gguf --keep output=Q8_0 --keep 'blk.0.*=F16'\n"
    "  glass quantize model.gguf --calibrate wiki.txt --save-imatrix im.gguf\n"
    "  glass quantize model.gguf --dry-run --type Q5_K_M\n";

int cmd_quantize(int argc, char **argv) {
    struct quantize q = {.mix = "Q4_K_M"};
    struct buf text = {0};
    const struct opt options[] = {
        {"type", 0, OPT_TEXT, &q.mix, "TYPE", "one of the types above (Q4_K_M)"},
        {"keep", 0, OPT_LIST, &q.keep, "NAME[=TYPE]",
         "tensors of this name (or pattern) as they are, or of this type (repeatable)"},
        {"pure", 0, OPT_FLAG, &q.pure, NULL, "one type for all matrices, no mix"},
        {"allow-requantize", 0, OPT_FLAG, &q.requantize, NULL,
         "quantise what is quantised already: errors add up"},
        {"dry-run", 0, OPT_FLAG, &q.dry_run, NULL, "only say which types and sizes"},
        {"threads", 't', OPT_INT, &q.n_threads, "N", "threads (default: all cores)"},
        {"json", 'j', OPT_FLAG, &q.json, NULL, "one JSON object"},
        {"eval", 0, OPT_TEXT, &q.eval, "TEXT",
         "then compare with the model on a text: perplexity, KL divergence"},
        {"windows", 0, OPT_INT, &q.n_windows, "N", "on at most N windows of 512 of it"},
        {"Importance", 0, OPT_HEADING, NULL, NULL, NULL},
        {"calibrate", 0, OPT_TEXT, &q.calibrate, "TEXT", "a text file to run first"},
        {"pieces", 0, OPT_INT, &q.n_pieces, "N", "at most N pieces of it (all)"},
        {"ctx", 'c', OPT_INT, &q.n_ctx, "N", "tokens in a piece (512)"},
        {"save-imatrix", 0, OPT_TEXT, &q.save_imatrix, "FILE", "keep what was found"},
        {"imatrix", 0, OPT_TEXT, &q.imatrix, "FILE",
         "or take this: llama-imatrix's files, too"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    glass_status status = buf_text(&text, about);
    if (status == GLASS_OK) status = mix_lines(&text);
    if (status != GLASS_OK) return cli_fail(status);
    const struct opt_command command = {usage, text.data, examples, options, 1, 2, true};
    const char *words[2];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code < 0) {
        status = run(&q, words, n_words);
        code = status == GLASS_OK ? 0 : cli_fail(status);
    }
    for (int i = 0; i < 64; i++) mem_free(q.patterns[i]);
    glass_importance_free(q.importance);
    buf_free(&q.tensors);
    buf_free(&text);
    mem_free(q.path);
    return code;
}
