/* cmd_chat.c - glass chat: talk with a model in the terminal. */
#include "base/path.h"
#include "cli/conversation.h"

#include <editline/readline.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct chat {
    struct run_options run;
    const char *prompt, *system;
    struct engine engine;
    struct conversation talk;
    struct buf answer;
    int64_t n_retries;
    bool tty, color;
};

static const char help_text[] =
    "/help            this text\n"
    "/system TEXT     set the system message (nothing: remove it)\n"
    "/retry           answer the last message anew, with the next seed\n"
    "/save FILE       keep this chat    /load FILE   go on with a kept one\n"
    "/clear           begin anew        /stats       tokens and speed\n"
    "/exit            leave (so does Ctrl-D)\n"
    "Ctrl-C stops an answer and keeps the chat. A line that ends with \\ goes on in the next;\n"
    "\"\"\" begins and ends a text of several lines.\n";

static void on_text(void *context, const char *text, size_t n_bytes) {
    struct chat *c = context;
    buf_append(&c->answer, text, n_bytes);
    if (c->run.json) return;
    fwrite(text, 1, n_bytes, stdout);
    fflush(stdout);
}

static glass_status print_json(struct chat *c, enum answer_end end) {
    struct buf b = {0};
    glass_status status = buf_text(&b, "{\"answer\":");
    if (status == GLASS_OK)
        status = buf_json_string(&b, c->answer.data ? c->answer.data : "", c->answer.len);
    if (status == GLASS_OK)
        printf("%s,\"finish\":\"%s\",\"prompt_tokens\":%lld,\"answer_tokens\":%lld}\n", b.data,
               answer_end_name(end), (long long)c->engine.n_prompt,
               (long long)c->engine.n_answer);
    buf_free(&b);
    return status;
}

/* The model's turn, after the last message. */
static glass_status respond(struct chat *c) {
    int32_t *ids;
    int64_t n;
    enum answer_end end = END_MODEL;
    buf_clear(&c->answer);
    cli_interrupted = 0;
    TRY(conversation_encode(&c->talk, c->engine.model, &ids, &n));
    glass_status status = engine_feed(&c->engine, ids, n);
    mem_free(ids);
    TRY(status);
    struct answer_options o = {.n_predict = c->run.n_predict, .stop = &c->run.stop,
                               .logprobs = -1, .text = on_text, .context = c};
    TRY(engine_answer(&c->engine, &o, &end));
    if (c->run.json) {
        TRY(print_json(c, end));
    } else {
        printf(end == END_INTERRUPT ? " [stopped]\n" : "\n");
        if (end == END_CONTEXT) printf("[the context is full: /clear begins anew]\n");
    }
    cli_interrupted = 0;
    return conversation_add(&c->talk, "assistant", c->answer.data ? c->answer.data : "",
                            c->answer.len);
}

static glass_status say(struct chat *c, const char *text, size_t n_bytes) {
    int64_t before = c->talk.n;
    TRY(conversation_add(&c->talk, "user", text, n_bytes));
    glass_status status = respond(c);
    if (status != GLASS_OK) conversation_cut(&c->talk, before);
    return status;
}

static glass_status retry(struct chat *c) {
    while (c->talk.n > 0 && !strcmp(c->talk.messages[c->talk.n - 1].role, "assistant"))
        conversation_cut(&c->talk, c->talk.n - 1);
    if (c->talk.n == 0) return fail(GLASS_USAGE, "there is nothing to answer yet");
    glass_sampler *sampler;
    c->run.sampler.seed = (uint64_t)(c->run.seed + ++c->n_retries);
    TRY(glass_sampler_create(&sampler, c->engine.tokenizer, &c->run.sampler));
    glass_sampler_free(c->engine.sampler);
    c->engine.sampler = sampler;
    return respond(c);
}

static void stats(const struct chat *c) {
    const struct engine *e = &c->engine;
    int64_t used;
    glass_session_tokens(e->session, &used);
    printf("context   %lld of %lld positions, %lld messages\n", (long long)used,
           (long long)glass_session_n_ctx(e->session), (long long)c->talk.n);
    if (e->prompt_s > 0)
        printf("prompt    %lld tokens (%lld reused), %.1f tokens/s\n", (long long)e->n_prompt,
               (long long)e->n_cached, (double)(e->n_prompt - e->n_cached) / e->prompt_s);
    if (e->answer_s > 0)
        printf("answer    %lld tokens, %.1f tokens/s\n", (long long)e->n_answer,
               (double)e->n_answer / e->answer_s);
}

/* The words after a command's name, NULL if `line` is not that command. */
static const char *is_command(const char *line, const char *name) {
    size_t n = strlen(name);
    if (strncmp(line, name, n) != 0 || (line[n] != '\0' && line[n] != ' ')) return NULL;
    return line[n] ? line + n + 1 : line + n;
}

/* Returns false when the chat is over. */
static bool command(struct chat *c, const char *line) {
    const char *rest;
    glass_status status = GLASS_OK;
    if (is_command(line, "/exit") || is_command(line, "/quit")) return false;
    if (is_command(line, "/help")) {
        printf("%s", help_text);
    } else if ((rest = is_command(line, "/system"))) {
        status = conversation_system(&c->talk, rest);
    } else if (is_command(line, "/retry")) {
        status = retry(c);
    } else if ((rest = is_command(line, "/save"))) {
        status = *rest ? conversation_save(&c->talk, rest) : fail(GLASS_USAGE, "/save FILE");
    } else if ((rest = is_command(line, "/load"))) {
        status = *rest ? conversation_load(&c->talk, rest) : fail(GLASS_USAGE, "/load FILE");
    } else if (is_command(line, "/clear")) {
        conversation_cut(&c->talk, 0);
        if (c->system != NULL) status = conversation_system(&c->talk, c->system);
    } else if (is_command(line, "/stats")) {
        stats(c);
    } else {
        status = fail(GLASS_USAGE, "there is no command %s; /help lists them", line);
    }
    if (status != GLASS_OK) fprintf(stderr, "glass: %s\n", glass_error());
    return true;
}

/* One line; NULL at the end. The caller frees it with free(). */
static char *read_line(struct chat *c, const char *prompt) {
    if (c->tty) return readline(prompt);
    char *line = NULL;
    size_t cap = 0;
    ssize_t n = getline(&line, &cap, stdin);
    if (n < 0) {
        free(line);
        return NULL;
    }
    if (n > 0 && line[n - 1] == '\n') line[n - 1] = '\0';
    return line;
}

/* A message: a line, lines joined by a backslash at the end, or a """ block. */
static glass_status read_message(struct chat *c, struct buf *out, bool *over) {
    buf_clear(out);
    bool block = false, more = true;
    *over = false;
    for (bool first = true; more; first = false) {
        char *line = read_line(c, first ? "> " : ". ");
        if (line == NULL) {
            *over = out->len == 0;
            return GLASS_OK;
        }
        const char *text = line;
        size_t n = strlen(line);
        if (first && strncmp(text, "\"\"\"", 3) == 0) {
            block = true;
            text += 3;
            n -= 3;
        }
        bool closes = block && n >= 3 && strcmp(text + n - 3, "\"\"\"") == 0;
        bool joined = !block && n > 0 && text[n - 1] == '\\';
        if (closes) n -= 3;
        if (joined) n -= 1;
        more = joined || (block && !closes);
        glass_status status = buf_append(out, text, n);
        if (status == GLASS_OK && more) status = buf_byte(out, '\n');
        free(line);
        TRY(status);
    }
    return GLASS_OK;
}

static void history_path(struct buf *path) {
    if (path_state(path) != GLASS_OK || path_make(path->data) != GLASS_OK ||
        buf_text(path, "/chat_history") != GLASS_OK)
        buf_clear(path);
}

static glass_status loop(struct chat *c) {
    struct buf message = {0}, history = {0};
    bool over = false;
    glass_status status = GLASS_OK;
    if (c->tty) {
        glass_model_info info;
        glass_model_get_info(c->engine.model, &info);
        printf("%s (%.0f million parameters%s%s). /help lists commands, Ctrl-D ends.\n",
               info.name, 1e-6 * (double)info.n_params, info.license[0] ? ", licence " : "",
               info.license);
        using_history();
        history_path(&history);
        if (history.len > 0) read_history(history.data);
    }
    while (status != GLASS_NO_MEMORY) {
        status = read_message(c, &message, &over);
        if (over || status != GLASS_OK) break;
        if (message.len == 0) continue;
        if (c->tty) add_history(message.data);
        if (message.data[0] == '/') {
            if (!command(c, message.data)) break;
            continue;
        }
        if (c->color) printf("\x1b[36m");
        status = say(c, message.data, message.len);
        if (c->color) printf("\x1b[0m");
        if (status != GLASS_OK) fprintf(stderr, "glass: %s\n", glass_error());
        if (status != GLASS_OK && !c->tty) break;
    }
    if (history.len > 0) write_history(history.data);
    if (c->tty) printf("\n");
    buf_free(&message);
    buf_free(&history);
    return c->tty ? GLASS_OK : status;
}

static glass_status run(struct chat *c, const char *model) {
    TRY(engine_open(&c->engine, model, &c->run));
    if (c->system != NULL) TRY(conversation_system(&c->talk, c->system));
    cli_catch_interrupt();
    if (c->prompt != NULL) return say(c, c->prompt, strlen(c->prompt));
    return loop(c);
}

int cmd_chat(int argc, char **argv) {
    struct chat c = {0};
    run_options_init(&c.run);
    const struct opt options[] = {
        {"prompt", 'p', OPT_TEXT, &c.prompt, "TEXT", "answer this and end"},
        {"system", 0, OPT_TEXT, &c.system, "TEXT", "the system message"},
        {"json", 'j', OPT_FLAG, &c.run.json, NULL, "a JSON object per answer"},
        RUN_OPTIONS(c.run),
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command_line = {
        "glass chat [MODEL] [options]",
        "Talks with a model. Without MODEL: SmolLM2-135M-Instruct, which setup.sh gets.",
        "  glass chat\n  glass chat model.gguf --system \"Answer in one sentence.\"\n"
        "  glass chat -p \"Why is the sky blue?\" --seed 1\n",
        options, 0, 1};
    const char *words[1] = {"SmolLM2-135M-Instruct"};
    int n_words, code = opts_parse(&command_line, argc, argv, words, &n_words);
    if (code >= 0) return code;
    c.tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !c.run.json;
    c.color = c.tty && getenv("NO_COLOR") == NULL;
    glass_status status = run(&c, words[0]);
    engine_close(&c.engine);
    conversation_clear(&c.talk);
    buf_free(&c.answer);
    return status == GLASS_OK ? 0 : cli_fail(status);
}
