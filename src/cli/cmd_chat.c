/* cmd_chat.c - glass chat: talk with a model in the terminal. */
#include "base/path.h"
#include "cli/conversation.h"
#include "cli/line.h"
#include "cli/trace_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct chat {
    struct run_options run;
    const char *prompt, *system;
    struct engine engine;
    struct conversation talk;
    int64_t n_skip; /* oldest messages (not the system's) that no longer fit */
    struct buf answer;
    int64_t n_retries;
    bool tty, color, interrupted;
    bool shown;               /* a terminal shows what goes to standard output */
    struct line_editor *line; /* on a terminal */
    const char *trace_path;
    glass_trace *trace; /* NULL: answers are not traced */
};

static const char help_text[] =
    "/help            this text\n"
    "/system TEXT     set the system message (nothing: remove it)\n"
    "/retry           answer the last message anew, with the next seed\n"
    "/save FILE       keep this chat    /load FILE   go on with a kept one\n"
    "/clear           begin anew        /stats       tokens and speed\n"
    "/exit            leave (so does Ctrl-D)\n"
    "Ctrl-C stops an answer and keeps the chat. A line that ends with \\ goes on in the "
    "next;\n"
    "\"\"\" begins and ends a text of several lines; pasted lines stay together. The arrow "
    "keys\n"
    "bring back what you wrote, Tab completes commands and file names.\n";

static const char *const command_words[] = {
    "/help", "/system ", "/retry", "/save ", "/load ", "/clear", "/stats", "/exit", NULL};

/* A remark of the program: on standard error when a program may read the answers. */
static void remark(const struct chat *c, const char *text) {
    fflush(stdout); /* the answer's last line comes first */
    if (c->color)
        printf("\x1b[2m[%s]\x1b[0m\n", text);
    else
        fprintf(c->tty ? stdout : stderr, "[%s]\n", text);
}

static glass_status on_text(void *context, const char *text, size_t n_bytes) {
    struct chat *c = context;
    TRY(buf_append(&c->answer, text, n_bytes));
    if (c->run.json) return GLASS_OK;
    if (c->shown)
        cli_print_safely(text, n_bytes);
    else
        fwrite(text, 1, n_bytes, stdout);
    return fflush(stdout) == 0 ? GLASS_OK : fail_errno("standard output");
}

/* Where the answer's words stand in what the model learnt from. */
static glass_status trace(const struct chat *c, struct buf *json) {
    const struct message *asked = &c->talk.messages[c->talk.n - 1];
    if (c->trace == NULL) return GLASS_OK;
    return trace_answer(c->trace, asked->content, asked->n_content,
                        c->answer.len > 0 ? c->answer.data : "", c->answer.len, json);
}

static glass_status print_json(struct chat *c, enum answer_end end) {
    struct buf b = {0};
    glass_status status = buf_text(&b, "{\"answer\":");
    if (status == GLASS_OK)
        status = buf_json_string(&b, c->answer.data ? c->answer.data : "", c->answer.len);
    if (status == GLASS_OK)
        status =
            buf_printf(&b,
                       ",\"finish\":\"%s\",\"prompt_tokens\":%lld,\"cached_tokens\":%lld,"
                       "\"answer_tokens\":%lld,\"skipped_messages\":%lld,\"seed\":%llu,"
                       "\"prompt_s\":%.6f,\"answer_s\":%.6f",
                       answer_end_name(end), (long long)c->engine.n_prompt,
                       (long long)c->engine.n_cached, (long long)c->engine.n_answer,
                       (long long)c->n_skip, (unsigned long long)c->run.sampler.seed,
                       c->engine.prompt_s, c->engine.answer_s);
    if (status == GLASS_OK) status = engine_speculation_json(&c->engine, &b);
    if (status == GLASS_OK) status = trace(c, &b);
    if (status == GLASS_OK) printf("%s}\n", b.data);
    fflush(stdout);
    buf_free(&b);
    return status;
}

/* Positions that are kept free for the answer. */
static int64_t answer_room(const struct chat *c, int64_t n_ctx) {
    int64_t room = n_ctx / 4 < 256 ? n_ctx / 4 : 256;
    if (c->run.n_predict >= 0 && c->run.n_predict < room) room = c->run.n_predict;
    return room;
}

static glass_status too_long(int64_t n, int64_t n_ctx, int64_t room) {
    return fail(
        GLASS_BAD_INPUT,
        "the message has %lld tokens with the system's, and the context %lld positions, "
        "of which %lld are for the answer: shorten it, or start with a larger -c",
        (long long)n, (long long)n_ctx, (long long)room);
}

/* The conversation in tokens. When it fills the context, the oldest turns go, down to half
 * of it, so that the next turns can be appended to what the session holds; the system
 * message and the last message always stay. Nothing goes without a word. */
static glass_status encode(struct chat *c, int32_t **ids, int64_t *n) {
    struct conversation *t = &c->talk;
    int64_t n_ctx = glass_session_n_ctx(c->engine.session), room = answer_room(c, n_ctx);
    int64_t skip = c->n_skip, last = t->n - conversation_n_system(t) - 1;
    TRY(conversation_encode(t, skip, c->engine.model, ids, n));
    if (*n <= n_ctx - room) return GLASS_OK;
    while (*n > n_ctx / 2 && skip < last) {
        const struct message *m = t->messages + conversation_n_system(t);
        do skip++;
        while (skip < last && strcmp(m[skip].role, "user") != 0);
        mem_free(*ids);
        TRY(conversation_encode(t, skip, c->engine.model, ids, n));
    }
    if (*n > n_ctx - room) {
        mem_free(*ids);
        *ids = NULL;
        return too_long(*n, n_ctx, room);
    }
    c->n_skip = skip;
    char text[200];
    snprintf(
        text, sizeof text,
        "the context of %lld positions is full: the model no longer sees the %lld oldest "
        "messages; /save still keeps them, a larger -c has more room",
        (long long)n_ctx, (long long)skip);
    remark(c, text);
    return GLASS_OK;
}

static glass_status finish_answer(struct chat *c, enum answer_end end) {
    if (c->run.json) return print_json(c, end);
    printf("\n");
    if (end == END_INTERRUPT) remark(c, "stopped");
    if (end == END_CONTEXT)
        remark(c, "the context is full, which cut the answer; a larger -c has more room");
    if (end == END_LENGTH) remark(c, "cut at the length given with -n");
    return trace(c, NULL);
}

/* The model's turn, after the last message. */
static glass_status respond(struct chat *c) {
    int32_t *ids = NULL;
    int64_t n;
    enum answer_end end = END_MODEL;
    buf_clear(&c->answer);
    cli_interrupted = 0;
    TRY(encode(c, &ids, &n));
    glass_status status = engine_feed(&c->engine, ids, n);
    mem_free(ids);
    TRY(status);
    struct answer_options o = {.n_predict = c->run.n_predict,
                               .stop = &c->run.stop,
                               .logprobs = -1,
                               .text = on_text,
                               .context = c};
    TRY(engine_answer(&c->engine, &o, &end));
    c->interrupted = end == END_INTERRUPT;
    TRY(finish_answer(c, end));
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
    struct conversation *t = &c->talk;
    int64_t last = t->n;
    while (last > 0 && strcmp(t->messages[last - 1].role, "assistant") == 0) last--;
    if (last <= conversation_n_system(t))
        return fail(GLASS_USAGE, "there is nothing to answer yet");
    conversation_cut(t, last);
    TRY(engine_reseed(&c->engine, &c->run, c->run.seed + ++c->n_retries));
    return respond(c);
}

/* Where a program reads answers, nothing else stands between them. */
static FILE *aside(const struct chat *c) {
    return c->run.json ? stderr : stdout;
}

static void speculation_stats(const struct engine *e, FILE *out) {
    const glass_speculative_stats *s = &e->speculation;
    if (e->speculator == NULL) return;
    fprintf(out, "proposals %lld passes for %lld tokens", (long long)s->n_passes,
            (long long)s->n_tokens);
    if (s->draft_proposed > 0)
        fprintf(out, "; the draft's: %lld of %lld held", (long long)s->draft_accepted,
                (long long)s->draft_proposed);
    if (s->lookup_proposed > 0)
        fprintf(out, "; look-up's: %lld of %lld held", (long long)s->lookup_accepted,
                (long long)s->lookup_proposed);
    fprintf(out, "\n");
}

static void stats(const struct chat *c) {
    const struct engine *e = &c->engine;
    FILE *out = aside(c);
    int64_t used;
    glass_session_tokens(e->session, &used);
    fprintf(out, "context   %lld of %lld positions, %lld message%s", (long long)used,
            (long long)glass_session_n_ctx(e->session), (long long)c->talk.n,
            c->talk.n == 1 ? "" : "s");
    if (c->n_skip > 0)
        fprintf(out, ", of which the model no longer sees the %lld oldest",
                (long long)c->n_skip);
    fprintf(out, "\n");
    if (e->prompt_s > 0)
        fprintf(
            out,
            "prompt    %lld tokens: %lld kept from before, %lld read at %.1f tokens/s\n",
            (long long)e->n_prompt, (long long)e->n_cached,
            (long long)(e->n_prompt - e->n_cached),
            (double)(e->n_prompt - e->n_cached) / e->prompt_s);
    if (e->answer_s > 0)
        fprintf(out, "answer    %lld tokens, %.1f tokens/s, seed %llu\n",
                (long long)e->n_answer, (double)e->n_answer / e->answer_s,
                (unsigned long long)c->run.sampler.seed);
    speculation_stats(e, out);
}

static glass_status set_system(struct chat *c, const char *text) {
    TRY(conversation_system(&c->talk, text));
    remark(c, *text ? "the system message is set" : "without a system message of yours");
    return GLASS_OK;
}

static glass_status clear(struct chat *c) {
    conversation_cut(&c->talk, 0);
    c->n_skip = 0;
    if (c->system != NULL) TRY(conversation_system(&c->talk, c->system));
    remark(c, "a new chat");
    return GLASS_OK;
}

static void count_messages(const struct chat *c, const char *where, const char *path) {
    char text[300];
    snprintf(text, sizeof text, "%lld message%s %s %.200s", (long long)c->talk.n,
             c->talk.n == 1 ? "" : "s", where, path);
    remark(c, text);
}

static glass_status save(const struct chat *c, const char *path) {
    if (*path == '\0') return fail(GLASS_USAGE, "/save wants a FILE to keep this chat in");
    TRY(conversation_save(&c->talk, path));
    count_messages(c, "in", path);
    return GLASS_OK;
}

static glass_status load(struct chat *c, const char *path) {
    if (*path == '\0') return fail(GLASS_USAGE, "/load wants the FILE of a kept chat");
    TRY(conversation_load(&c->talk, path));
    c->n_skip = 0;
    count_messages(c, "from", path);
    return GLASS_OK;
}

/* The words after a command's name, NULL if `line` is not that command. */
static const char *is_command(const char *line, const char *name) {
    size_t n = strlen(name);
    if (strncmp(line, name, n) != 0 || (line[n] != '\0' && line[n] != ' ')) return NULL;
    while (line[n] == ' ') n++;
    return line + n;
}

/* Returns false when the chat is over. */
static bool command(struct chat *c, const char *line, glass_status *status) {
    const char *rest;
    *status = GLASS_OK;
    if (is_command(line, "/exit") || is_command(line, "/quit") || is_command(line, "/bye"))
        return false;
    if (is_command(line, "/help") || is_command(line, "/?"))
        fputs(help_text, aside(c));
    else if ((rest = is_command(line, "/system")))
        *status = set_system(c, rest);
    else if (is_command(line, "/retry"))
        *status = retry(c);
    else if ((rest = is_command(line, "/save")))
        *status = save(c, rest);
    else if ((rest = is_command(line, "/load")))
        *status = load(c, rest);
    else if (is_command(line, "/clear"))
        *status = clear(c);
    else if (is_command(line, "/stats"))
        stats(c);
    else
        *status = fail(GLASS_USAGE,
                       "there is no command %.40s; /help lists them (a message "
                       "that begins with / can stand in \"\"\")",
                       line);
    return true;
}

/* One line of a pipe or of the terminal. */
static glass_status read_line(struct chat *c, struct buf *out, bool first,
                              enum line_end *end) {
    if (c->line != NULL) {
        const char *prompt = first ? "> " : ". ";
        if (c->color)
            prompt = first ? "\1\x1b[1;32m\1> \1\x1b[0m\1" : "\1\x1b[1;32m\1. \1\x1b[0m\1";
        return line_read(c->line, out, prompt, end);
    }
    char *line = NULL;
    size_t cap = 0;
    ssize_t n = getline(&line, &cap, stdin);
    *end = n < 0 ? LINE_OVER : LINE_TEXT;
    if (n > 0 && line[n - 1] == '\n') n--;
    if (n > 0 && line[n - 1] == '\r') n--; /* a file of Windows */
    buf_clear(out);
    glass_status status = n > 0 ? buf_append(out, line, (size_t)n) : GLASS_OK;
    free(line);
    return status;
}

/* A message: a line, lines joined by a backslash at the end, or a """ block. *quoted: it is
 * no command, whatever it begins with. */
static glass_status read_message(struct chat *c, struct buf *out, bool *quoted,
                                 enum line_end *end) {
    struct buf line = {0};
    bool more = true;
    glass_status status = GLASS_OK;
    buf_clear(out);
    *quoted = false;
    for (bool first = true; status == GLASS_OK && more; first = false) {
        status = read_line(c, &line, first, end);
        if (status != GLASS_OK) break;
        if (*end != LINE_TEXT) {
            if (*end == LINE_CANCELLED && (!first || line.len > 0))
                *end = LINE_TEXT, buf_clear(out); /* only the text is gone */
            else if (*end == LINE_OVER && !first)
                *end = LINE_TEXT;
            break;
        }
        const char *text = line.len > 0 ? line.data : "";
        size_t n = line.len;
        if (first && n >= 3 && memcmp(text, "\"\"\"", 3) == 0) {
            *quoted = true;
            text += 3;
            n -= 3;
        }
        bool closes = *quoted && n >= 3 && memcmp(text + n - 3, "\"\"\"", 3) == 0;
        bool joined = !*quoted && n > 0 && text[n - 1] == '\\';
        if (closes) n -= 3;
        if (joined) n -= 1;
        more = joined || (*quoted && !closes);
        status = buf_append(out, text, n);
        if (status == GLASS_OK && more) status = buf_byte(out, '\n');
    }
    buf_free(&line);
    return status;
}

static glass_status open_terminal(struct chat *c) {
    struct buf history = {0};
    glass_model_info info;
    glass_model_get_info(c->engine.model, &info);
    printf("%s (%.3g million parameters, licence %s). /help lists commands, Ctrl-D ends.\n",
           info.name[0] ? info.name : "A model without a name",
           1e-6 * (double)info.n_params, info.license[0] ? info.license : "not said");
    if (path_state(&history) != GLASS_OK || path_make_private(history.data) != GLASS_OK ||
        buf_text(&history, "/chat_history") != GLASS_OK)
        buf_clear(&history); /* a chat without a memory is still a chat */
    glass_status status =
        line_create(&c->line, command_words, history.len > 0 ? history.data : NULL);
    buf_free(&history);
    return status;
}

/* One message or command. Returns false when the chat is over. */
static bool turn(struct chat *c, const struct buf *message, bool quoted,
                 glass_status *status) {
    bool go_on = true;
    if (c->line != NULL) line_remember(c->line, message->data);
    if (message->data[0] == '/' && !quoted)
        go_on = command(c, message->data, status);
    else
        *status = say(c, message->data, message->len);
    if (*status == GLASS_CANCELLED)
        remark(c, "stopped before the answer began; the message was taken back");
    else if (*status != GLASS_OK && c->tty)
        fprintf(stderr, "glass: %s\n", glass_error());
    cli_interrupted = 0;
    return go_on && (c->tty || (*status == GLASS_OK && !c->interrupted));
}

static glass_status loop(struct chat *c) {
    struct buf message = {0};
    bool quoted, warned = false;
    enum line_end end = LINE_TEXT;
    glass_status status = c->tty ? open_terminal(c) : GLASS_OK;
    for (bool go_on = status == GLASS_OK; go_on;) {
        status = read_message(c, &message, &quoted, &end);
        if (status != GLASS_OK || end == LINE_OVER) break;
        if (end == LINE_CANCELLED) {
            if (warned) break;
            remark(c, "Ctrl-C again leaves, and so does Ctrl-D");
            warned = true;
            continue;
        }
        warned = false;
        if (message.len > 0) go_on = turn(c, &message, quoted, &status);
    }
    if (c->tty && end == LINE_OVER) printf("\n");
    line_free(c->line);
    c->line = NULL;
    buf_free(&message);
    return c->tty && status != GLASS_NO_MEMORY ? GLASS_OK : status;
}

static glass_status run(struct chat *c, const char *model) {
    const glass_template *tmpl;
    if (c->trace_path != NULL) TRY(glass_trace_open(&c->trace, c->trace_path));
    TRY(engine_open(&c->engine, model, &c->run));
    glass_status status = glass_model_template(c->engine.model, &tmpl);
    if (status == GLASS_NEGATIVE)
        return fail(GLASS_BAD_INPUT,
                    "%s has no chat template: it was not made to chat; it "
                    "completes text (glass complete)",
                    model);
    TRY(status);
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
        {"trace", 0, OPT_TEXT, &c.trace_path, "RUN",
         "where each answer's words stand in that run's texts (or INDEX)"},
        RUN_OPTIONS(c.run),
        {NULL, 0, OPT_FLAG, NULL, NULL, NULL}};
    const struct opt_command command_line = {
        "glass chat [MODEL] [options]",
        "Talks with a model. Without MODEL: " CLI_DEFAULT_MODEL ", which setup.sh gets.\n"
        "From a pipe, every line is a message, or one of the commands that /help lists.",
        "  glass chat\n  glass chat model.gguf --system \"Answer in one sentence.\"\n"
        "  glass chat -p \"Why is the sky blue?\" --seed 1\n",
        options,
        0,
        1,
        true};
    const char *words[1] = {CLI_DEFAULT_MODEL};
    int n_words, code = opts_parse(&command_line, argc, argv, words, &n_words);
    if (code >= 0) return code;
    c.tty =
        isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !c.run.json && c.prompt == NULL;
    c.shown = isatty(STDOUT_FILENO) && !c.run.json;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    c.color = c.tty && (no_color == NULL || *no_color == '\0') &&
              (term == NULL || strcmp(term, "dumb") != 0);
    glass_status status = run(&c, words[0]);
    engine_close(&c.engine);
    glass_trace_close(c.trace);
    conversation_clear(&c.talk);
    buf_free(&c.answer);
    if (status != GLASS_OK) return cli_fail(status);
    return c.interrupted && !c.tty ? CLI_INTERRUPTED : 0;
}
