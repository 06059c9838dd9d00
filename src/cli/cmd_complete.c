/* cmd_complete.c - glass complete: continue a text. */
#include "base/path.h"
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

enum { PROMPT_LIMIT = 1 << 30, TOP_LIMIT = 64 };

struct complete {
    struct run_options run;
    const char *prompt, *file;
    int64_t logprobs;
    bool special, echo, interrupted;
    struct engine engine;
    struct buf text;   /* the answer, for --json */
    struct buf tokens; /* JSON of the tokens, for --logprobs */
};

static glass_status on_text(void *context, const char *text, size_t n_bytes) {
    struct complete *c = context;
    if (c->run.json) return buf_append(&c->text, text, n_bytes);
    if (fwrite(text, 1, n_bytes, stdout) != n_bytes || fflush(stdout) != 0)
        return fail_errno("standard output");
    return GLASS_OK;
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

static glass_status read_prompt(struct complete *c, struct buf *prompt) {
    if (c->prompt != NULL && c->file != NULL)
        return fail(GLASS_USAGE, "give -p or -f, not both");
    if (c->prompt != NULL) return buf_text(prompt, c->prompt);
    if (c->file != NULL && strcmp(c->file, "-") != 0)
        return path_read_whole(prompt, c->file, PROMPT_LIMIT);
    if (isatty(STDIN_FILENO))
        return fail(GLASS_USAGE,
                    "no prompt: give -p TEXT, -f FILE, or text on standard input");
    return path_read_whole(prompt, "/dev/stdin", PROMPT_LIMIT);
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
    if (status == GLASS_OK && c->logprobs >= 0)
        status = buf_printf(&b, ",\"tokens\":[%s]", c->tokens.data ? c->tokens.data : "");
    if (status == GLASS_OK) printf("%s}\n", b.data);
    buf_free(&b);
    return status;
}

static glass_status run(struct complete *c, const char *model) {
    struct buf prompt = {0};
    int32_t *ids = NULL;
    int64_t n;
    glass_status status;
    enum answer_end end = END_LENGTH;
    TRY_FAIL(read_prompt(c, &prompt));
    TRY_FAIL(engine_open(&c->engine, model, &c->run));
    TRY_FAIL(glass_tokenizer_encode(
        c->engine.tokenizer, &ids, &n, prompt.data ? prompt.data : "", prompt.len,
        GLASS_ADD_SPECIAL | (c->special ? GLASS_PARSE_SPECIAL : 0)));
    if (n == 0) {
        status =
            fail(GLASS_BAD_INPUT, "the prompt is empty and this model has no BOS token "
                                  "to begin with: give some text");
        goto fail;
    }
    cli_catch_interrupt();
    TRY_FAIL(engine_feed(&c->engine, ids, n));
    if (c->echo) TRY_FAIL(on_text(c, prompt.data ? prompt.data : "", prompt.len));
    struct answer_options o = {.n_predict = c->run.n_predict,
                               .stop = &c->run.stop,
                               .logprobs = (int)c->logprobs,
                               .text = on_text,
                               .token = on_token,
                               .context = c};
    TRY_FAIL(engine_answer(&c->engine, &o, &end));
    c->interrupted = end == END_INTERRUPT;
    if (c->run.json) {
        status = print_json(c, end);
    } else if (c->logprobs >= 0) {
        printf("\n[%s]\n", c->tokens.data ? c->tokens.data : "");
    } else {
        printf("\n");
    }
fail:
    mem_free(ids);
    buf_free(&prompt);
    return status;
}

int cmd_complete(int argc, char **argv) {
    struct complete c = {.logprobs = -1};
    run_options_init(&c.run);
    const struct opt options[] = {
        {"prompt", 'p', OPT_TEXT, &c.prompt, "TEXT", "the text to continue"},
        {"file", 'f', OPT_TEXT, &c.file, "FILE",
         "the text to continue (- or none: standard input)"},
        {"special", 0, OPT_FLAG, &c.special, NULL,
         "control tokens in the prompt count as such"},
        {"echo", 0, OPT_FLAG, &c.echo, NULL, "the prompt stands before the answer"},
        {"logprobs", 0, OPT_INT, &c.logprobs, "N",
         "log-probabilities, with N alternatives"},
        {"json", 'j', OPT_FLAG, &c.run.json, NULL, "one JSON object"},
        RUN_OPTIONS(c.run),
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command = {
        "glass complete MODEL [-p TEXT | -f FILE] [options]",
        "Continues a text. MODEL is a GGUF file or the name of a model that `glass list` "
        "shows.",
        "  glass complete smollm2 -p \"The capital of France is\" -n 8 --temp 0\n"
        "  glass complete model.gguf -f story.txt -n 200 --seed 7\n"
        "  echo 'def add(a, b):' | glass complete model.gguf -n 64 --stop $'\\n\\n'\n"
        "  glass complete model.gguf -p Hello -n 4 --json --logprobs 3\n",
        options,
        1,
        1,
        true};
    const char *words[1];
    int n_words, code = opts_parse(&command, argc, argv, words, &n_words);
    if (code >= 0) return code;
    glass_status status =
        c.logprobs > TOP_LIMIT
            ? fail(GLASS_USAGE, "--logprobs %lld: at most %d alternatives",
                   (long long)c.logprobs, TOP_LIMIT)
            : run(&c, words[0]);
    engine_close(&c.engine);
    buf_free(&c.text);
    buf_free(&c.tokens);
    return status != GLASS_OK ? cli_fail(status) : c.interrupted ? CLI_INTERRUPTED : 0;
}
