/* api_openai.c - OpenAI's API: the models, and chat completions. Completions and embeddings
 * are in api_openai_text.c.
 *
 * Its reference describes every field: https://platform.openai.com/docs/api-reference */
#include "serve/calls.h"
#include "serve/server.h"
#include "serve/wire.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

/* ---- models ---- */

static glass_status model_json(struct buf *b, const struct model_entry *m, double started) {
    TRY(buf_text(b, "{\"id\":"));
    TRY(wire_string(b, m->name));
    int64_t created = m->modified_s > 0 ? m->modified_s : (int64_t)started;
    return buf_printf(b,
                      ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"glass\","
                      "\"loaded\":%s,\"size\":%lld}",
                      (long long)created, m->loaded_s > 0 ? "true" : "false",
                      (long long)m->n_bytes);
}

static glass_status list_models(struct exchange *x) {
    struct server *s = exchange_server(x);
    struct model_entry *list;
    int64_t n;
    struct buf b = {0};
    TRY(models_list(server_models(s), &list, &n));
    glass_status status = buf_text(&b, "{\"object\":\"list\",\"data\":[");
    for (int64_t i = 0; status == GLASS_OK && i < n; i++) {
        if (i > 0) status = buf_byte(&b, ',');
        if (status == GLASS_OK) status = model_json(&b, &list[i], server_started_s(s));
    }
    if (status == GLASS_OK) status = buf_text(&b, "]}");
    if (status == GLASS_OK) status = reply_bytes(x, 200, "application/json", b.data, b.len);
    models_entries_free(list, n);
    buf_free(&b);
    return status;
}

static glass_status one_model(struct exchange *x) {
    struct server *s = exchange_server(x);
    const char *wanted = exchange_part(x, 0);
    struct model_entry *list;
    int64_t n;
    struct buf b = {0}, names = {0};
    TRY(models_list(server_models(s), &list, &n));
    glass_status status = GLASS_OK;
    for (int64_t i = 0; status == GLASS_OK && i < n; i++) {
        status = buf_printf(&names, "%s%s", i > 0 ? ", " : "", list[i].name);
        if (status == GLASS_OK && b.len == 0 && strcasecmp(list[i].name, wanted) == 0)
            status = model_json(&b, &list[i], server_started_s(s));
    }
    if (status == GLASS_OK && b.len > 0)
        status = reply_bytes(x, 200, "application/json", b.data, b.len);
    else if (status == GLASS_OK) {
        buf_clear(&b);
        status = buf_printf(&b, "there is no model %.200s; there are: %s", wanted,
                            names.data != NULL ? names.data : "none");
        if (status == GLASS_OK)
            status = reply_error(x, 404, "model_not_found", "model", b.data);
    }
    models_entries_free(list, n);
    buf_free(&names);
    buf_free(&b);
    return status;
}

/* ---- chat completions ---- */

struct chat_choice {
    struct talk *talk;
    int i;
    struct calls *calls;
    struct buf text, call_json, logprobs; /* of a whole answer; or of what waits for text */
    struct marks marks;                   /* in logprobs */
    size_t n_told;                        /* bytes of text */
    bool begun;
    const char *finish;
};

struct talk {
    struct exchange *x;
    struct ask ask;
    struct chat chat;
    bool stream, usage;
    int64_t top;     /* -1: no log-probabilities */
    struct buf head; /* what every chunk begins with, up to "choices":[ */
    struct buf chunk;
    struct chat_choice *choices;
    int64_t n_prompt, n_cached, n_answer;
    struct heartbeat heartbeat;
};

static glass_status take_logprobs(struct talk *t, const struct fields *f) {
    bool wanted = false;
    int64_t top = 0;
    TRY(fields_bool(f, "logprobs", &wanted));
    TRY(fields_int(f, "top_logprobs", &top, 0, ASK_TOP));
    if (fields_get(f, "top_logprobs") != NULL && !wanted)
        return bad_param(t->x, "top_logprobs", "needs \"logprobs\": true");
    t->top = wanted ? top : -1;
    t->ask.r.logprobs = wanted;
    t->ask.r.n_top = wanted ? (int)top : 0;
    return GLASS_OK;
}

static glass_status take_format(struct talk *t, const struct fields *f) {
    static const char *const kinds[] = {"text", "json_object", "json_schema", NULL};
    struct fields format, schema;
    char path[256], inside[256];
    const char *grammar = NULL;
    size_t n_grammar = 0;
    int kind = 0;
    TRY(fields_bytes(f, "grammar", &grammar, &n_grammar));
    TRY(fields_inside(&format, f, "response_format", path));
    TRY(fields_word(&format, "type", &kind, kinds));
    if (format.json != NULL && fields_get(&format, "type") == NULL)
        return fields_wrong(&format, "type", "text, json_object or json_schema");
    if ((kind != 0 || grammar != NULL) && t->chat.style != TOOLS_NONE)
        return bad_param(t->x, grammar != NULL ? "grammar" : "response_format",
                         "cannot be had together with tools (or with tool_choice none)");
    if (grammar != NULL) return ask_gbnf(&t->ask, "grammar", grammar, n_grammar);
    if (kind == 0) return GLASS_OK;
    if (kind == 1) {
        const json_t *bare = fields_get(&format, "schema"); /* llama.cpp's way */
        if (bare != NULL) return ask_schema(&t->ask, "response_format.schema", bare);
        return ask_json_object(&t->ask);
    }
    TRY(fields_inside(&schema, &format, "json_schema", inside));
    const json_t *given = fields_get(&schema, "schema");
    if (given == NULL) return fields_wrong(&schema, "schema", "a JSON schema");
    return ask_schema(&t->ask, "response_format.json_schema.schema", given);
}

static glass_status take_lengths(struct talk *t, const struct fields *f) {
    struct fields options;
    char path[256];
    const json_t *modalities = NULL;
    TRY(fields_int(f, "max_tokens", &t->ask.r.n_predict, -1, INT32_MAX));
    TRY(fields_int(f, "max_completion_tokens", &t->ask.r.n_predict, -1, INT32_MAX));
    TRY(fields_int(f, "n", &t->ask.n_choices, 1, ASK_CHOICES));
    TRY(fields_bool(f, "stream", &t->stream));
    TRY(fields_inside(&options, f, "stream_options", path));
    TRY(fields_bool(&options, "include_usage", &t->usage));
    TRY(fields_list(f, "modalities", &modalities));
    for (size_t i = 0; i < json_array_size(modalities); i++) {
        const char *word = json_string_value(json_array_get(modalities, i));
        if (word == NULL || strcmp(word, "text") != 0)
            return bad_param(t->x, "modalities", "this server answers with text only");
    }
    return GLASS_OK;
}

/* What is not passed over, since without it the answer is another one. */
static glass_status refuse(const struct fields *f) {
    static const struct {
        const char *name, *why;
    } rows[] = {
        {"functions", "send \"tools\" and \"tool_choice\" instead"},
        {"function_call", "send \"tools\" and \"tool_choice\" instead"},
        {"web_search_options", "this server searches nothing"},
        {"audio", "this server answers with text only"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (fields_get(f, rows[i].name) != NULL)
            return bad_param(f->x, rows[i].name, "%s", rows[i].why);
    return GLASS_OK;
}

static glass_status prepare(struct talk *t, const struct fields *f) {
    bool goes_on = false;
    TRY(ask_open(&t->ask, t->x, f, NAN));
    TRY(ask_sampling(&t->ask, f, NAMES_OPENAI));
    TRY(take_lengths(t, f));
    TRY(take_logprobs(t, f));
    TRY(refuse(f));
    TRY(chat_take_openai(&t->chat, f));
    TRY(fields_bool(f, "continue_final_message", &goes_on));
    if (goes_on) TRY(chat_take_prefill(&t->chat));
    TRY(chat_take_prefill_ids(&t->chat, &t->ask, f));
    TRY(chat_encode(&t->chat, &t->ask));
    return take_format(t, f);
}

static glass_status make_head(struct talk *t) {
    char print[24];
    wire_fingerprint(print, &t->ask);
    TRY(buf_text(&t->head, "{\"id\":\""));
    TRY(wire_id(&t->head, "chatcmpl-"));
    TRY(buf_printf(&t->head,
                   "\",\"object\":\"chat.completion%s\",\"created\":%lld,\"model\":",
                   t->stream ? ".chunk" : "", (long long)time(NULL)));
    TRY(wire_string(&t->head, t->ask.name));
    return buf_printf(&t->head, ",\"system_fingerprint\":\"%s\",", print);
}

/* ---- chunks ---- */

static glass_status begin_chunk(struct talk *t, int i) {
    buf_clear(&t->chunk);
    TRY(buf_append(&t->chunk, t->head.data, t->head.len));
    return buf_printf(&t->chunk, "\"choices\":[{\"index\":%d,\"delta\":{", i);
}

static glass_status end_chunk(struct talk *t, struct buf *logprobs, const char *finish) {
    TRY(buf_text(&t->chunk, "},\"logprobs\":"));
    if (logprobs != NULL && logprobs->len > 0) {
        TRY(buf_text(&t->chunk, "{\"content\":["));
        TRY(buf_append(&t->chunk, logprobs->data, logprobs->len));
        TRY(buf_text(&t->chunk, "],\"refusal\":null}"));
        buf_clear(logprobs);
    } else {
        TRY(buf_text(&t->chunk, "null"));
    }
    TRY(buf_text(&t->chunk, ",\"finish_reason\":"));
    TRY(finish != NULL ? wire_string(&t->chunk, finish) : buf_text(&t->chunk, "null"));
    TRY(buf_text(&t->chunk, t->usage ? "}],\"usage\":null}" : "}]}"));
    return wire_event(t->x, &t->chunk);
}

static glass_status begin_choice(struct chat_choice *c) {
    if (c->begun) return GLASS_OK;
    c->begun = true;
    TRY(begin_chunk(c->talk, c->i));
    TRY(buf_text(&c->talk->chunk,
                 "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null"));
    return end_chunk(c->talk, NULL, NULL);
}

static glass_status on_text(void *context, const char *text, size_t n) {
    struct chat_choice *c = context;
    c->n_told += n;
    if (!c->talk->stream) return buf_append(&c->text, text, n);
    TRY(begin_chunk(c->talk, c->i));
    TRY(buf_text(&c->talk->chunk, "\"content\":"));
    TRY(buf_json_string(&c->talk->chunk, text, n));
    c->marks.n = 0; /* what is listed goes with this text */
    return end_chunk(c->talk, &c->logprobs, NULL);
}

static glass_status call_head(struct buf *b, int i, bool stream, const char *name) {
    TRY(buf_byte(b, '{'));
    if (stream) TRY(buf_printf(b, "\"index\":%d,", i));
    TRY(buf_text(b, "\"id\":\""));
    TRY(wire_id(b, "call_"));
    TRY(buf_text(b, "\",\"type\":\"function\",\"function\":{\"name\":"));
    return wire_string(b, name);
}

static glass_status on_piece(void *context, const char *text, size_t n) {
    struct chat_choice *c = context;
    struct buf *b = &c->talk->chunk;
    TRY(begin_chunk(c->talk, c->i));
    TRY(buf_printf(b, "\"tool_calls\":[{\"index\":%d,\"function\":{\"arguments\":",
                   calls_n(c->calls) - 1));
    TRY(buf_json_string(b, text, n));
    TRY(buf_text(b, "}}]"));
    return end_chunk(c->talk, NULL, NULL);
}

static glass_status on_open(void *context, int i, const char *name) {
    struct chat_choice *c = context;
    TRY(begin_chunk(c->talk, c->i));
    TRY(buf_text(&c->talk->chunk, "\"tool_calls\":["));
    TRY(call_head(&c->talk->chunk, i, true, name));
    TRY(buf_text(&c->talk->chunk, ",\"arguments\":\"\"}}]"));
    return end_chunk(c->talk, NULL, NULL);
}

static glass_status on_close(void *context) {
    (void)context;
    return GLASS_OK;
}

static glass_status on_call(void *context, int i, const char *name, const char *arguments) {
    struct chat_choice *c = context;
    struct buf *b = &c->call_json;
    if (c->talk->stream) {
        TRY(on_open(c, i, name));
        return on_piece(c, arguments, strlen(arguments));
    }
    if (i > 0) TRY(buf_byte(b, ','));
    TRY(call_head(b, i, false, name));
    TRY(buf_text(b, ",\"arguments\":"));
    TRY(wire_string(b, arguments));
    return buf_text(b, "}}");
}

/* ---- events ---- */

static glass_status add_logprobs(struct chat_choice *c, const struct ask_event *e) {
    if (c->talk->top < 0) return GLASS_OK;
    char *text;
    size_t n;
    TRY(ask_token_text(&c->talk->ask, e->token.id, &text, &n));
    glass_free(text);
    TRY(marks_add(&c->marks, n, (size_t[4]){c->logprobs.len}));
    if (c->logprobs.len > 0) TRY(buf_byte(&c->logprobs, ','));
    return wire_logprobs_of(&c->logprobs, &c->talk->ask, e);
}

/* Tokens of which nothing was told, because a stop text begins before them. */
static void cut_logprobs(struct chat_choice *c) {
    const size_t *at = marks_cut(&c->marks, c->n_told);
    if (at != NULL) c->logprobs.len = at[0];
}

static glass_status on_end(struct chat_choice *c, const struct ask_event *e) {
    struct talk *t = c->talk;
    TRY(ask_failed(t->x, e));
    TRY(calls_end(c->calls, e->text, e->n_text));
    if (e->end == JOB_STOP) cut_logprobs(c);
    c->finish = calls_n(c->calls) > 0 && e->end != JOB_LENGTH && e->end != JOB_CONTEXT
                    ? "tool_calls"
                    : wire_finish(e->end);
    if (e->job % t->ask.n_choices == 0) {
        t->n_prompt += e->n_prompt;
        t->n_cached += e->n_cached;
    }
    t->n_answer += e->n_answer;
    if (!t->stream) return GLASS_OK;
    TRY(begin_choice(c));
    TRY(begin_chunk(t, c->i));
    return end_chunk(t, &c->logprobs, c->finish);
}

static glass_status on_event(struct talk *t, const struct ask_event *e) {
    struct chat_choice *c = &t->choices[e->job];
    if (e->kind == JOB_END) return on_end(c, e);
    if (e->kind == JOB_PROMPT) {
        return t->stream ? wire_heartbeat(&t->heartbeat, t->x, e) : GLASS_OK;
    }
    if (t->stream) TRY(begin_choice(c));
    TRY(add_logprobs(c, e));
    return calls_take(c->calls, e->token.id, e->text, e->n_text);
}

static glass_status run(struct talk *t) {
    const struct ask_event *e;
    bool silent;
    for (;;) {
        TRY(ask_next(&t->ask, &e, 1, &silent));
        if (e != NULL)
            TRY(on_event(t, e));
        else if (!silent)
            return GLASS_OK;
        else if (t->stream)
            TRY(wire_heartbeat(&t->heartbeat, t->x, NULL));
    }
}

/* ---- whole answers ---- */

static glass_status whole_choice(struct talk *t, struct chat_choice *c) {
    struct buf *b = &t->chunk;
    TRY(buf_printf(b, "%s{\"index\":%d,\"message\":{\"role\":\"assistant\",\"content\":",
                   c->i > 0 ? "," : "", c->i));
    if (c->text.len == 0 && c->call_json.len > 0)
        TRY(buf_text(b, "null"));
    else
        TRY(buf_json_string(b, c->text.data != NULL ? c->text.data : "", c->text.len));
    TRY(buf_text(b, ",\"refusal\":null"));
    if (c->call_json.len > 0) {
        TRY(buf_text(b, ",\"tool_calls\":["));
        TRY(buf_append(b, c->call_json.data, c->call_json.len));
        TRY(buf_byte(b, ']'));
    }
    TRY(buf_text(b, "},\"logprobs\":"));
    if (t->top >= 0) {
        TRY(buf_text(b, "{\"content\":["));
        if (c->logprobs.len > 0) TRY(buf_append(b, c->logprobs.data, c->logprobs.len));
        TRY(buf_text(b, "],\"refusal\":null}"));
    } else {
        TRY(buf_text(b, "null"));
    }
    TRY(buf_text(b, ",\"finish_reason\":"));
    TRY(wire_string(b, c->finish));
    return buf_byte(b, '}');
}

static glass_status reply_whole(struct talk *t) {
    struct buf *b = &t->chunk;
    buf_clear(b);
    TRY(buf_append(b, t->head.data, t->head.len));
    TRY(buf_text(b, "\"choices\":["));
    for (int64_t i = 0; i < t->ask.n_choices; i++) TRY(whole_choice(t, &t->choices[i]));
    TRY(buf_text(b, "],"));
    TRY(wire_usage(b, t->n_prompt, t->n_cached, t->n_answer));
    TRY(buf_byte(b, '}'));
    return reply_bytes(t->x, 200, "application/json", b->data, b->len);
}

static glass_status finish_stream(struct talk *t) {
    struct buf *b = &t->chunk;
    if (t->usage) {
        buf_clear(b);
        TRY(buf_append(b, t->head.data, t->head.len));
        TRY(buf_text(b, "\"choices\":[],"));
        TRY(wire_usage(b, t->n_prompt, t->n_cached, t->n_answer));
        TRY(buf_byte(b, '}'));
        TRY(wire_event(t->x, b));
    }
    TRY(reply_write(t->x, "data: [DONE]\n\n", 14));
    return reply_end(t->x);
}

static glass_status open_choices(struct talk *t) {
    TRY(mem_alloc_zero(&t->choices, (size_t)t->ask.n_choices, sizeof *t->choices));
    for (int64_t i = 0; i < t->ask.n_choices; i++) {
        struct chat_choice *c = &t->choices[i];
        struct calls_sink sink = {.text = on_text, .call = on_call, .context = c};
        if (t->stream) {
            sink.open = on_open;
            sink.piece = on_piece;
            sink.close = on_close;
        }
        c->talk = t;
        c->i = (int)i;
        TRY(calls_create(&c->calls, &t->chat, t->ask.tokenizer, &sink));
    }
    return GLASS_OK;
}

static glass_status answer(struct talk *t, const struct fields *f) {
    TRY(prepare(t, f));
    TRY(make_head(t));
    TRY(open_choices(t));
    TRY(ask_submit(&t->ask));
    if (t->stream) {
        TRY(reply_begin(t->x, 200, "text/event-stream"));
        for (int64_t i = 0; i < t->ask.n_choices; i++) TRY(begin_choice(&t->choices[i]));
    }
    TRY(run(t));
    return t->stream ? finish_stream(t) : reply_whole(t);
}

static void clear(struct talk *t) {
    for (int64_t i = 0; t->choices != NULL && i < t->ask.n_choices; i++) {
        struct chat_choice *c = &t->choices[i];
        calls_free(c->calls);
        buf_free(&c->text);
        buf_free(&c->call_json);
        buf_free(&c->logprobs);
        marks_free(&c->marks);
    }
    mem_free(t->choices);
    buf_free(&t->head);
    buf_free(&t->chunk);
    ask_close(&t->ask);
    chat_clear(&t->chat);
}

static glass_status chat_completions(struct exchange *x) {
    struct talk t = {.x = x};
    struct fields f;
    TRY(fields_of_body(&f, x));
    glass_status status = answer(&t, &f);
    if (status != GLASS_OK && status != GLASS_CANCELLED && exchange_begun(x) && t.stream)
        wire_stream_error(x, glass_error());
    clear(&t);
    return status;
}

const struct route routes_openai[] = {
    {"GET", "/v1/models", true, SHAPE_OPENAI, list_models, false},
    {"GET", "/v1/models/**", true, SHAPE_OPENAI, one_model, false},
    {"POST", "/v1/chat/completions", false, SHAPE_OPENAI, chat_completions, false},
    {NULL, NULL, false, SHAPE_OPENAI, NULL, false}};
