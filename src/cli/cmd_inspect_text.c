/* cmd_inspect_text.c - glass inspect logits, layers, attention, activations: what a model makes
 * of a text. */
#include "base/path.h"
#include "cli/cmd_inspect.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_LIMIT = 64 << 20 };

struct view {
    const char *prompt, *file, *id_list;
    const char *at, *layers, *heads, *cache_type, *picture, *out, *what;
    bool special, json;
    int64_t n_threads, memory;
    double shown;
    struct opt_list adapter_list;
    glass_inspect_options options;
    glass_model *model;
    const glass_tokenizer *tokenizer; /* or NULL */
    struct cli_adapters adapters;
    int32_t *ids; /* glass_free */
    int64_t n_ids;
};

// clang-format off
#define TEXT_OPTIONS(v)                                                                      \
    {"prompt", 'p', OPT_TEXT, &(v).prompt, "TEXT", "the text"},                              \
    {"file", 'f', OPT_TEXT, &(v).file, "FILE", "the text is in this file (-: standard input)"}, \
    {"ids", 0, OPT_TEXT, &(v).id_list, "LIST", "the text's tokens by number: 1,15043,3186"}, \
    {"special", 0, OPT_FLAG, &(v).special, NULL, "control tokens in the text are such"},     \
    {"at", 0, OPT_TEXT, &(v).at, "RANGE", "positions: N, N..M, N.. (-1: the last)"}
#define VIEW_OPTIONS(v)                                                                      \
    {"json", 'j', OPT_FLAG, &(v).json, NULL, "one JSON object"},                             \
    {"Running", 0, OPT_HEADING, NULL, NULL, NULL},                                           \
    ADAPTER_OPTION((v).adapter_list),                                                        \
    {"ctx", 'c', OPT_INT, &(v).options.n_ctx, "N", "as in a session of N positions (the text's)"}, \
    {"threads", 't', OPT_INT, &(v).n_threads, "N", "threads (default: all cores)"},          \
    {"batch", 'b', OPT_INT, &(v).options.n_batch, "N", "most tokens in one pass (512)"},     \
    {"cache-type", 0, OPT_TEXT, &(v).cache_type, "TYPE", "key/value cache: f32, f16, q8_0"}, \
    {"memory", 0, OPT_INT, &(v).memory, "MB", "most that this may take (1024)"}
// clang-format on

static bool on_progress(void *context, int64_t done, int64_t total) {
    struct view *v = context;
    if (isatty(STDERR_FILENO) && cli_now() - v->shown > 0.3) {
        v->shown = cli_now();
        fprintf(stderr, "\r%lld of %lld tokens\x1b[K", (long long)done, (long long)total);
        if (done == total) fprintf(stderr, "\r\x1b[K");
    }
    return !cli_interrupted;
}

/* ---- the text ---- */

static glass_status parse_ids(struct view *v) {
    const char *at = v->id_list;
    size_t most = strlen(at) / 2 + 1;
    TRY(mem_alloc(&v->ids, most, sizeof *v->ids));
    while (*at != '\0') {
        char *end;
        errno = 0;
        long long id = strtoll(at, &end, 10);
        if (end == at || errno != 0 || id < 0 || id > INT32_MAX)
            return fail(GLASS_USAGE, "--ids: \"%.20s\" is no token's number", at);
        v->ids[v->n_ids++] = (int32_t)id;
        at = end + strspn(end, ", ");
    }
    return GLASS_OK;
}

static glass_status encode(struct view *v) {
    struct buf text = {0};
    glass_status status;
    if (v->tokenizer == NULL)
        return fail(GLASS_BAD_INPUT, "the model carries no tokenizer: give --ids");
    if (v->prompt != NULL)
        status = buf_text(&text, v->prompt);
    else
        status = path_read_whole(&text, strcmp(v->file, "-") == 0 ? "/dev/stdin" : v->file,
                                 TEXT_LIMIT);
    if (status == GLASS_OK)
        status = glass_tokenizer_encode(
            v->tokenizer, &v->ids, &v->n_ids, text.len > 0 ? text.data : "", text.len,
            GLASS_ADD_SPECIAL | (v->special ? GLASS_PARSE_SPECIAL : 0));
    buf_free(&text);
    return status;
}

static glass_status open_model(struct view *v, const char *name) {
    glass_inspect_options *o = &v->options;
    char *path;
    TRY(store_resolve(&path, name));
    glass_status status = glass_model_open(&v->model, path, NULL);
    mem_free(path);
    TRY(status);
    v->tokenizer = glass_model_tokenizer(v->model);
    TRY(cli_adapters_open(&v->adapters, v->model, &v->adapter_list));
    o->adapters = v->adapters.uses;
    o->n_adapters = v->adapters.n;
    return GLASS_OK;
}

static glass_status prepare(struct view *v, const char *name) {
    glass_inspect_options *o = &v->options;
    if ((v->prompt != NULL) + (v->file != NULL) + (v->id_list != NULL) != 1)
        return fail(GLASS_USAGE, "give a text: one of -p TEXT, -f FILE and --ids LIST");
    TRY(inspect_range(&o->at, v->at, "at"));
    TRY(inspect_range(&o->layers, v->layers, "layers"));
    TRY(inspect_range(&o->heads, v->heads, "heads"));
    TRY(cli_narrow(&o->n_threads, v->n_threads, "threads"));
    TRY(cli_cache_type(&o->cache_type, v->cache_type != NULL ? v->cache_type : "f32"));
    if (v->memory < 0 || v->memory > 1 << 24)
        return fail(GLASS_USAGE, "--memory %lld: megabytes", (long long)v->memory);
    o->memory_bytes = (size_t)v->memory << 20;
    o->progress = on_progress;
    o->context = v;
    TRY(open_model(v, name));
    cli_catch_interrupt();
    return v->id_list != NULL ? parse_ids(v) : encode(v);
}

static int finish(struct view *v, glass_status status) {
    glass_free(v->ids);
    cli_adapters_close(&v->adapters);
    glass_model_close(v->model);
    return status == GLASS_OK ? 0 : cli_fail(status);
}

/* ---- predictions ---- */

static glass_status show_predictions(struct view *v, const glass_predictions *p,
                                     void (*show)(const glass_predictions *,
                                                  const glass_tokenizer *)) {
    char *json;
    size_t n_bytes;
    if (v->picture != NULL) TRY(glass_predictions_picture(v->picture, p, v->tokenizer));
    if (v->json) {
        TRY(glass_predictions_json(&json, &n_bytes, p, v->tokenizer));
        return inspect_print(json, n_bytes);
    }
    show(p, v->tokenizer);
    return GLASS_OK;
}

static glass_status logits(struct view *v, const char *name) {
    glass_predictions *p;
    TRY(prepare(v, name));
    TRY(glass_inspect_logits(&p, v->model, v->ids, v->n_ids, &v->options));
    glass_status status = show_predictions(v, p, inspect_show_logits);
    glass_predictions_free(p);
    return status;
}

int inspect_logits_main(int argc, char **argv) {
    struct view v = {0};
    const struct opt options[] = {
        TEXT_OPTIONS(v),
        {"top", 0, OPT_INT, &v.options.n_top, "N", "so many of the likeliest tokens (5)"},
        {"svg", 0, OPT_TEXT, &v.picture, "FILE", "a bar a token (.svg or .png)"},
        VIEW_OPTIONS(v),
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass inspect logits MODEL -p TEXT [options]",
        "How likely the model finds each token of a text, given those before it: its\n"
        "probability, the bits it costs, its rank, and what would have been likelier.",
        "  glass inspect logits smollm2 -p \"The capital of France is Paris\"\n"
        "  glass inspect logits smollm2 -f chapter.txt --at 100..120 --top 10\n"
        "  glass inspect logits smollm2 -p \"2 + 2 = 5\" --json | jq .nll\n",
        options,
        1,
        1,
        true};
    const char *words[1];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    return finish(&v, logits(&v, words[0]));
}

static glass_status layers(struct view *v, const char *name) {
    glass_predictions *p;
    if (v->at == NULL) v->at = "-1";
    TRY(prepare(v, name));
    TRY(glass_inspect_layers(&p, v->model, v->ids, v->n_ids, &v->options));
    glass_status status = show_predictions(v, p, inspect_show_layers);
    glass_predictions_free(p);
    return status;
}

int inspect_layers_main(int argc, char **argv) {
    struct view v = {0};
    const struct opt options[] = {
        TEXT_OPTIONS(v),
        {"layers", 0, OPT_TEXT, &v.layers, "RANGE",
         "after which layers (0: the embedding)"},
        {"top", 0, OPT_INT, &v.options.n_top, "N", "so many of the likeliest tokens (5)"},
        {"svg", 0, OPT_TEXT, &v.picture, "FILE", "layers by positions (.svg or .png)"},
        VIEW_OPTIONS(v),
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass inspect layers MODEL -p TEXT [options]",
        "What each layer would predict, were it the last (the logit lens): final norm and\n"
        "output head of the residual stream behind it. At the text's end, or --at the\n"
        "positions given (1 … n: what is predicted there).",
        "  glass inspect layers smollm2 -p \"The capital of France is\"\n"
        "  glass inspect layers smollm2 -p \"The capital of France is\" --at 1.. --svg "
        "lens.svg\n"
        "  glass inspect layers smollm2 -p \"To be or not\" --layers 20.. --json\n",
        options,
        1,
        1,
        true};
    const char *words[1];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    return finish(&v, layers(&v, words[0]));
}

/* ---- attention ---- */

static glass_status attention(struct view *v, const char *name) {
    glass_attention *a;
    char *json;
    size_t n_bytes;
    TRY(inspect_range(&v->options.layers, v->layers, "layers"));
    TRY(inspect_range(&v->options.heads, v->heads, "heads"));
    /* One head's map is a page; all of them are a book. */
    if (v->at == NULL && (v->options.layers.n != 1 || v->options.heads.n != 1))
        v->at = "-1";
    TRY(prepare(v, name));
    TRY(glass_inspect_attention(&a, v->model, v->ids, v->n_ids, &v->options));
    glass_status status = GLASS_OK;
    if (v->picture != NULL) status = glass_attention_picture(v->picture, a, v->tokenizer);
    if (status == GLASS_OK && v->json) {
        status = glass_attention_json(&json, &n_bytes, a, v->tokenizer);
        if (status == GLASS_OK) status = inspect_print(json, n_bytes);
    } else if (status == GLASS_OK) {
        inspect_show_attention(a, v->tokenizer);
    }
    glass_attention_free(a);
    return status;
}

int inspect_attention_main(int argc, char **argv) {
    struct view v = {0};
    const struct opt options[] = {
        TEXT_OPTIONS(v),
        {"layers", 0, OPT_TEXT, &v.layers, "RANGE", "which layers, from 0 on"},
        {"heads", 0, OPT_TEXT, &v.heads, "RANGE", "which query heads, from 0 on"},
        {"svg", 0, OPT_TEXT, &v.picture, "FILE", "maps as a picture (.svg or .png)"},
        VIEW_OPTIONS(v),
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass inspect attention MODEL -p TEXT [options]",
        "Which tokens each head attends to, by the very shares that the pass weighs them\n"
        "with. Of the text's last token, or of those --at the positions given; of one "
        "layer\n"
        "and head, the whole map.",
        "  glass inspect attention smollm2 -p \"The cat sat on the mat. It\"\n"
        "  glass inspect attention smollm2 -p \"The cat sat\" --layers 3 --heads 2\n"
        "  glass inspect attention smollm2 -f poem.txt --layers 5 --at 0.. --svg "
        "maps.svg\n",
        options,
        1,
        1,
        true};
    const char *words[1];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    return finish(&v, attention(&v, words[0]));
}

/* ---- activations ---- */

static glass_status parse_what(unsigned *out, const char *text) {
    static const char *const names[] = {"stream", "attention", "middle", "mlp",  "q",
                                        "k",      "v",         "heads",  "gate", "up"};
    enum { N = sizeof names / sizeof *names };
    *out = 0;
    while (text != NULL && *text != '\0') {
        size_t n = strcspn(text, ",");
        int i = 0;
        while (i < N && (strlen(names[i]) != n || strncmp(text, names[i], n) != 0)) i++;
        bool all = n == 3 && strncmp(text, "all", 3) == 0;
        if (i == N && !all)
            return fail(
                GLASS_USAGE,
                "--what %.*s: stream, attention, middle, mlp, q, k, v, heads, gate, "
                "up and all are possible",
                (int)(n < 40 ? n : 40), text);
        *out |= all ? (1U << N) - 1 : 1U << i;
        text += n + (text[n] == ',');
    }
    return GLASS_OK;
}

static glass_status activations(struct view *v, const char *name) {
    unsigned what;
    size_t n_bytes;
    char text[32];
    if (v->out == NULL)
        return fail(GLASS_USAGE, "--out FILE.safetensors or FOLDER is missing");
    const char *dot = strrchr(v->out, '.');
    if (dot != NULL && (strcmp(dot, ".npy") == 0 || strcmp(dot, ".npz") == 0))
        return fail(GLASS_USAGE,
                    "--out %s: a FOLDER gets a .npy file for each array, FILE.safetensors "
                    "gets them all",
                    v->out);
    TRY(parse_what(&what, v->what));
    TRY(prepare(v, name));
    TRY(glass_inspect_activations(v->out, v->model, v->ids, v->n_ids, what, &n_bytes,
                                  &v->options));
    if (v->json)
        printf("{\"tokens\":%lld,\"bytes\":%zu}\n", (long long)v->n_ids, n_bytes);
    else
        printf("%s: activations of %s\n", v->out, cli_bytes(text, (double)n_bytes));
    return GLASS_OK;
}

int inspect_activations_main(int argc, char **argv) {
    struct view v = {0};
    const struct opt options[] = {
        {"out", 'o', OPT_TEXT, &v.out, "PATH",
         "FILE.safetensors, or a folder of .npy files"},
        TEXT_OPTIONS(v),
        {"layers", 0, OPT_TEXT, &v.layers, "RANGE", "which layers, from 0 on"},
        {"what", 0, OPT_TEXT, &v.what, "LIST",
         "stream,attention,mlp,q,k,v (those), middle,heads,gate,up, all"},
        VIEW_OPTIONS(v),
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass inspect activations MODEL -p TEXT --out PATH [options]",
        "Saves what the layers make of a text: the residual stream, what attention and "
        "MLP\n"
        "add to it, queries, keys and values, a row a position.",
        "  glass inspect activations smollm2 -p \"Hello\" --out hello.safetensors\n"
        "  glass inspect activations smollm2 -f text.txt --out acts --what stream --layers "
        "10\n",
        options,
        1,
        1,
        true};
    const char *words[1];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    return finish(&v, activations(&v, words[0]));
}
