/* cmd_inspect_weights.c - glass inspect tensors and diff. */
#include "cli/bar.h"
#include "cli/cmd_inspect.h"
#include "store/store.h"

#include <stdio.h>

enum { PATTERNS = 256 };

struct weights {
    bool json, all;
    const char *picture;
    int64_t n_threads;
    struct cli_bar bar;
    glass_weights_options options;
    char *paths[2];
};

static bool on_progress(void *context, size_t done, size_t total) {
    struct weights *w = context;
    cli_bar_draw(&w->bar, "reading", (double)done, (double)total);
    return !cli_interrupted;
}

static glass_status prepare(struct weights *w, const char *const *names, int n) {
    TRY(cli_narrow(&w->options.n_threads, w->n_threads, "threads"));
    w->options.progress = on_progress;
    w->options.context = w;
    for (int i = 0; i < n; i++) TRY(store_resolve(&w->paths[i], names[i]));
    cli_bar_start(&w->bar, 0);
    cli_catch_interrupt();
    return GLASS_OK;
}

static int finish(struct weights *w, glass_status status) {
    cli_bar_clear(&w->bar);
    for (int i = 0; i < 2; i++) mem_free(w->paths[i]);
    return status == GLASS_OK ? 0 : cli_fail(status);
}

/* ---- tensors ---- */

static glass_status tensors(struct weights *w, const char *const *words, int n_words) {
    glass_tensors *t;
    char *json;
    size_t n_bytes;
    TRY(prepare(w, words, 1));
    glass_status status =
        glass_inspect_tensors(&t, w->paths[0], words + 1, n_words - 1, &w->options);
    cli_bar_clear(&w->bar);
    TRY(status);
    if (w->picture != NULL) status = glass_tensors_picture(w->picture, t);
    if (status == GLASS_OK && w->json) {
        status = glass_tensors_json(&json, &n_bytes, t);
        if (status == GLASS_OK) status = inspect_print(json, n_bytes);
    } else if (status == GLASS_OK) {
        inspect_show_tensors(t, n_words > 1 && t->n <= 4);
    }
    glass_tensors_free(t);
    return status;
}

int inspect_tensors_main(int argc, char **argv) {
    struct weights w = {0};
    const struct opt options[] = {
        {"json", 'j', OPT_FLAG, &w.json, NULL, "one JSON object"},
        {"svg", 0, OPT_TEXT, &w.picture, "FILE", "histograms as a picture (.svg or .png)"},
        {"threads", 't', OPT_INT, &w.n_threads, "N", "threads (default: all cores)"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass inspect tensors MODEL [NAME…] [options]",
        "Figures of a model's tensors: shape, type, norm, mean, deviation, extremes, "
        "zeros,\n"
        "what is not finite, a histogram. NAMEs may have *, ? and []. Takes any model "
        "that\n"
        "Glass opens, and files of tensors alone.",
        "  glass inspect tensors smollm2\n"
        "  glass inspect tensors smollm2 'blk.0.*'\n"
        "  glass inspect tensors model.safetensors --json | jq '.tensors[].norm'\n"
        "  glass inspect tensors smollm2 '*attn_q*' --svg queries.svg\n",
        options,
        1,
        PATTERNS,
        true};
    const char *words[PATTERNS];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    return finish(&w, tensors(&w, words, n_words));
}

/* ---- diff ---- */

static glass_status diff(struct weights *w, const char *const *words) {
    glass_diff *d;
    char *json;
    size_t n_bytes;
    TRY(prepare(w, words, 2));
    glass_status status = glass_inspect_diff(&d, w->paths[0], w->paths[1], &w->options);
    cli_bar_clear(&w->bar);
    TRY(status);
    if (w->json) {
        status = glass_diff_json(&json, &n_bytes, d);
        if (status == GLASS_OK) status = inspect_print(json, n_bytes);
    } else {
        inspect_show_diff(d, w->all);
    }
    glass_diff_free(d);
    return status;
}

int inspect_diff_main(int argc, char **argv) {
    struct weights w = {0};
    const struct opt options[] = {
        {"all", 'a', OPT_FLAG, &w.all, NULL, "every tensor, in the first model's order"},
        {"json", 'j', OPT_FLAG, &w.json, NULL, "one JSON object"},
        {"threads", 't', OPT_INT, &w.n_threads, "N", "threads (default: all cores)"},
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass inspect diff A B [options]",
        "How alike two models' weights are, tensor by tensor and as a whole: the same\n"
        "weights, one quantised from the other, one following the other, or unrelated.\n"
        "Forms may differ: both are read by the same names.",
        "  glass inspect diff base.gguf fine-tune/\n"
        "  glass inspect diff smollm2 smollm2-q4.gguf --all\n"
        "  glass inspect diff a b --json | jq .kinship\n",
        options,
        2,
        2,
        false};
    const char *words[2];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    return finish(&w, diff(&w, words));
}
