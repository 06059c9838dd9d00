/* cmd_complete.c - glass complete: continue a text, or fill in what is missing between two. */
#include "base/path.h"
#include "cli/cli.h"
#include "cli/trace_show.h"

#include <stdio.h>
#include <unistd.h>

enum { PROMPT_LIMIT = 1 << 30, TOP_LIMIT = 64 };

struct complete {
    struct run_options run;
    const char *prompt, *file;
    const char *prefix_file, *suffix_file, *prefix_text, *suffix_text, *order;
    int64_t logprobs;
    bool special, echo, interrupted;
    bool infill; /* `before` and `after` stand around the answer */
    struct buf before, after;
    struct engine engine;
    int32_t *ids; /* the prompt */
    int64_t n_ids, prefix_cut, suffix_cut;
    bool shown;      /* a terminal shows the answer */
    struct buf text; /* the answer, for --json and --trace */
    const char *trace_path;
    glass_trace *trace; /* NULL: the answer is not traced */
    struct buf tokens;  /* JSON of the tokens, for --logprobs */
};

static glass_status on_text(void *context, const char *text, size_t n_bytes) {
    struct complete *c = context;
    if (c->run.json || c->trace != NULL) TRY(buf_append(&c->text, text, n_bytes));
    if (c->run.json) return GLASS_OK;
    if (c->shown)
        cli_print_safely(text, n_bytes);
    else
        fwrite(text, 1, n_bytes, stdout);
    return fflush(stdout) == 0 ? GLASS_OK : fail_errno("standard output");
}

static glass_status json_token(struct complete *c, int32_t id, float logprob) {
    char *text;
    size_t n;
    TRY(glass_tokenizer_decode(c->engine.tokenizer, &text, &n, &id, 1, GLASS_SHOW_SPECIAL));
    glass_status status = buf_printf(&c->tokens, "{\"id\":%d,\"text\":", id);
    if (status == GLASS_OK) status = buf_json_string(&c->tokens, text, n);
    if (status == GLASS_OK) status = buf_text(&c->tokens, ",\"logprob\":");
    if (status == GLASS_OK) status = buf_json_number(&c->tokens, (double)logprob);
    glass_free(text);
    return status;
}

/* The k likeliest, best first, lowest id on ties; k is small. */
static glass_status json_top(struct complete *c, const float *logprobs) {
    int32_t seen[TOP_LIMIT];
    TRY(buf_text(&c->tokens, ",\"top\":["));
    for (int k = 0; k < (int)c->logprobs; k++) {
        int32_t best = -1;
        for (int32_t i = 0; i < c->engine.n_vocab; i++) {
            bool used = false;
            for (int j = 0; j < k; j++) used |= seen[j] == i;
            if (!used && (best < 0 || logprobs[i] > logprobs[best])) best = i;
        }
        if (best < 0) break;
        seen[k] = best;
        if (k > 0) TRY(buf_byte(&c->tokens, ','));
        TRY(json_token(c, best, logprobs[best]));
        TRY(buf_byte(&c->tokens, '}'));
    }
    return buf_byte(&c->tokens, ']');
}

static glass_status on_token(void *context, int32_t id, const float *logprobs) {
    struct complete *c = context;
    if (c->tokens.len > 0) TRY(buf_byte(&c->tokens, ','));
    TRY(json_token(c, id, logprobs[id]));
    if (c->logprobs > 0) TRY(json_top(c, logprobs));
    return buf_byte(&c->tokens, '}');
}

static glass_status read_file(struct buf *out, const char *path) {
    return path_read_whole(out, strcmp(path, "-") == 0 ? "/dev/stdin" : path, PROMPT_LIMIT);
}

static glass_status read_prompt(struct complete *c) {
    if (c->prompt != NULL && c->file != NULL)
        return fail(GLASS_USAGE, "give -p or -f, not both");
    if (c->prompt != NULL) return buf_text(&c->before, c->prompt);
    if (c->file == NULL && isatty(STDIN_FILENO))
        return fail(GLASS_USAGE,
                    "no prompt: give -p TEXT, -f FILE, or text on standard input");
    return read_file(&c->before, c->file != NULL ? c->file : "-");
}

static glass_status read_around(struct complete *c) {
    if (c->prompt != NULL || c->file != NULL || c->special)
        return fail(GLASS_USAGE,
                    "--prefix and --suffix are the whole prompt: no -p, -f or --special");
    if ((c->prefix_file != NULL && c->prefix_text != NULL) ||
        (c->suffix_file != NULL && c->suffix_text != NULL))
        return fail(GLASS_USAGE, "a prefix or suffix is a file or a text, not both");
    if (c->prefix_file != NULL) TRY(read_file(&c->before, c->prefix_file));
    if (c->suffix_file != NULL) TRY(read_file(&c->after, c->suffix_file));
    if (c->prefix_text != NULL) TRY(buf_text(&c->before, c->prefix_text));
    if (c->suffix_text != NULL) TRY(buf_text(&c->after, c->suffix_text));
    return GLASS_OK;
}

static glass_status encode_prompt(struct complete *c) {
    TRY(glass_tokenizer_encode(c->engine.tokenizer, &c->ids, &c->n_ids,
                               c->before.data ? c->before.data : "", c->before.len,
                               GLASS_ADD_SPECIAL | (c->special ? GLASS_PARSE_SPECIAL : 0)));
    if (c->n_ids > 0) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "the prompt is empty and this model has no BOS token "
                                 "to begin with: give some text");
}

/* Tokens that the prompt may have, so that something can be answered. */
static int64_t prompt_room(const struct complete *c) {
    int64_t n_ctx = glass_session_n_ctx(c->engine.session);
    int64_t room = n_ctx / 4 < 256 ? n_ctx / 4 : 256;
    if (c->run.n_predict >= 0)
        room = c->run.n_predict < n_ctx / 2 ? c->run.n_predict : n_ctx / 2;
    return n_ctx - room;
}

static glass_status encode_around(struct complete *c) {
    glass_infill infill;
    glass_infill_options o = {.order = strcmp(c->order, "spm") == 0 ? GLASS_SPM : GLASS_PSM,
                              .n_most = prompt_room(c)};
    TRY(glass_infill_tokens(&infill, c->engine.tokenizer,
                            c->before.data ? c->before.data : "", c->before.len,
                            c->after.data ? c->after.data : "", c->after.len, &o));
    c->ids = infill.ids; /* ours now */
    c->n_ids = infill.n;
    c->prefix_cut = infill.prefix_cut;
    c->suffix_cut = infill.suffix_cut;
    if (c->prefix_cut + c->suffix_cut > 0)
        fprintf(
            stderr,
            "glass: the context of %lld positions is too small: the model sees the last "
            "%lld of the prefix's %lld tokens and the first %lld of the suffix's %lld; "
            "a larger -c has more room\n",
            (long long)glass_session_n_ctx(c->engine.session), (long long)infill.n_prefix,
            (long long)(infill.n_prefix + c->prefix_cut), (long long)infill.n_suffix,
            (long long)(infill.n_suffix + c->suffix_cut));
    return GLASS_OK;
}

/* Where the answer's words stand in what the model learnt from. */
static glass_status trace(const struct complete *c, struct buf *json) {
    size_t skip = c->echo ? c->before.len : 0;
    size_t behind = c->echo && c->infill ? c->after.len : 0;
    if (c->trace == NULL) return GLASS_OK;
    return trace_answer(c->trace, c->before.data, c->before.len,
                        c->text.len > 0 ? c->text.data + skip : "",
                        c->text.len - skip - behind, json);
}

static glass_status print_json(struct complete *c, enum answer_end end) {
    struct buf b = {0};
    glass_status status = buf_text(&b, "{\"text\":");
    if (status == GLASS_OK)
        status = buf_json_string(&b, c->text.data ? c->text.data : "", c->text.len);
    if (status == GLASS_OK)
        status = buf_printf(&b,
                            ",\"finish\":\"%s\",\"prompt_tokens\":%lld,"
                            "\"answer_tokens\":%lld,\"seed\":%llu,\"prompt_s\":%.6f,"
                            "\"answer_s\":%.6f",
                            answer_end_name(end), (long long)c->engine.n_prompt,
                            (long long)c->engine.n_answer,
                            (unsigned long long)c->run.sampler.seed, c->engine.prompt_s,
                            c->engine.answer_s);
    if (status == GLASS_OK) status = engine_speculation_json(&c->engine, &b);
    if (status == GLASS_OK && c->infill)
        status = buf_printf(&b, ",\"prefix_cut\":%lld,\"suffix_cut\":%lld",
                            (long long)c->prefix_cut, (long long)c->suffix_cut);
    if (status == GLASS_OK && c->logprobs >= 0)
        status = buf_printf(&b, ",\"tokens\":[%s]", c->tokens.data ? c->tokens.data : "");
    if (status == GLASS_OK) status = trace(c, &b);
    if (status == GLASS_OK) printf("%s}\n", b.data);
    buf_free(&b);
    return status;
}

static glass_status run(struct complete *c, const char *model) {
    enum answer_end end = END_LENGTH;
    TRY(c->infill ? read_around(c) : read_prompt(c));
    if (c->trace_path != NULL) TRY(glass_trace_open(&c->trace, c->trace_path));
    TRY(engine_open(&c->engine, model, &c->run));
    TRY(c->infill ? encode_around(c) : encode_prompt(c));
    cli_catch_interrupt();
    TRY(engine_feed(&c->engine, c->ids, c->n_ids));
    if (c->echo) TRY(on_text(c, c->before.data ? c->before.data : "", c->before.len));
    struct answer_options o = {.n_predict = c->run.n_predict,
                               .stop = &c->run.stop,
                               .logprobs = (int)c->logprobs,
                               .goes_on = true,
                               .infill = c->infill && !c->run.ignore_eos,
                               .text = on_text,
                               .token = on_token,
                               .context = c};
    TRY(engine_answer(&c->engine, &o, &end));
    c->interrupted = end == END_INTERRUPT;
    if (c->echo && c->infill)
        TRY(on_text(c, c->after.data ? c->after.data : "", c->after.len));
    if (c->run.json) return print_json(c, end);
    if (c->logprobs >= 0)
        printf("\n[%s]\n", c->tokens.data ? c->tokens.data : "");
    else
        printf("\n");
    return trace(c, NULL);
}

static glass_status check(struct complete *c) {
    c->infill = c->prefix_file != NULL || c->suffix_file != NULL ||
                c->prefix_text != NULL || c->suffix_text != NULL;
    if (c->logprobs < -1 || c->logprobs > TOP_LIMIT)
        return fail(GLASS_USAGE, "--logprobs %lld: 0 to %d alternatives",
                    (long long)c->logprobs, TOP_LIMIT);
    if (strcmp(c->order, "psm") != 0 && strcmp(c->order, "spm") != 0)
        return fail(GLASS_USAGE, "--infill-order %.40s: psm and spm are possible",
                    c->order);
    return GLASS_OK;
}

int cmd_complete(int argc, char **argv) {
    struct complete c = {.logprobs = -1, .order = "psm"};
    run_options_init(&c.run);
    const struct opt options[] = {
        {"prompt", 'p', OPT_TEXT, &c.prompt, "TEXT", "the text to continue"},
        {"file", 'f', OPT_TEXT, &c.file, "FILE",
         "the text to continue (- or none: standard input)"},
        {"prefix", 0, OPT_TEXT, &c.prefix_file, "FILE",
         "fill in what comes after this text …"},
        {"suffix", 0, OPT_TEXT, &c.suffix_file, "FILE", "… and before this one"},
        {"prefix-text", 0, OPT_TEXT, &c.prefix_text, "TEXT", "the same, given here"},
        {"suffix-text", 0, OPT_TEXT, &c.suffix_text, "TEXT", "the same, given here"},
        {"infill-order", 0, OPT_TEXT, &c.order, "ORDER",
         "how a model reads the two: psm (default) or spm"},
        {"special", 0, OPT_FLAG, &c.special, NULL,
         "control tokens in the prompt count as such"},
        {"echo", 0, OPT_FLAG, &c.echo, NULL, "the prompt stands before the answer"},
        {"logprobs", 0, OPT_INT, &c.logprobs, "N",
         "log-probabilities, with N alternatives"},
        {"json", 'j', OPT_FLAG, &c.run.json, NULL, "one JSON object"},
        {"trace", 0, OPT_TEXT, &c.trace_path, "RUN",
         "where the answer's words stand in that run's texts (or INDEX)"},
        RUN_OPTIONS(c.run),
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass complete [MODEL] [-p TEXT | -f FILE | --prefix FILE --suffix FILE]",
        "Continues a text, or fills in what is missing between two (models made for it).\n"
        "MODEL is a GGUF file or a name that `glass list` shows; without "
        "it: " CLI_DEFAULT_MODEL ".",
        "  glass complete smollm2 -p \"The capital of France is\" -n 8 --temp 0\n"
        "  glass complete model.gguf -f story.txt -n 200 --seed 7\n"
        "  echo 'def add(a, b):' | glass complete model.gguf -n 64 --stop $'\\n\\n'\n"
        "  glass complete model.gguf -p Hello -n 4 --json --logprobs 3\n"
        "  glass complete codellama --prefix-text 'def add(a, b):' --suffix-text 'return "
        "c'\n",
        options,
        0,
        1,
        true};
    const char *words[1] = {CLI_DEFAULT_MODEL};
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    c.shown = isatty(STDOUT_FILENO) && !c.run.json;
    glass_status status = check(&c);
    if (status == GLASS_OK) status = run(&c, words[0]);
    engine_close(&c.engine);
    glass_trace_close(c.trace);
    mem_free(c.ids);
    buf_free(&c.before);
    buf_free(&c.after);
    buf_free(&c.text);
    buf_free(&c.tokens);
    return status != GLASS_OK ? cli_fail(status) : c.interrupted ? CLI_INTERRUPTED : 0;
}
