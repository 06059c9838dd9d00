/* api_responses.c - OpenAI's responses API: the same chats in another form. Nothing is stored
 * here, so that a request cannot go on from an earlier response's id. */
#include "serve/calls.h"
#include "serve/server.h"
#include "serve/wire.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

struct response {
    struct exchange *x;
    struct ask ask;
    struct chat chat;
    bool stream;
    struct calls *calls;
    struct buf id, message_id;
    struct buf text;   /* of the message */
    struct buf output; /* items that are whole, as JSON */
    struct buf event;
    struct buf item, call, name, arguments; /* of the call that is open */
    int64_t sequence;
    int n_items; /* begun */
    bool in_message;
    const char *reason; /* why it is not whole; NULL */
    int64_t created, n_prompt, n_cached, n_answer;
    struct heartbeat heartbeat;
};

/* ---- fields ---- */

static glass_status take_item(struct response *r, const struct fields *f) {
    static const char *const kinds[] = {"message", "function_call", "function_call_output",
                                        "reasoning", NULL};
    int kind = 0;
    const char *id = NULL, *name = NULL, *arguments = NULL, *role = NULL;
    struct buf text = {0};
    char path[320];
    TRY(fields_word(f, "type", &kind, kinds));
    TRY(fields_text(f, "call_id", &id));
    TRY(fields_text(f, "name", &name));
    TRY(fields_text(f, "arguments", &arguments));
    TRY(fields_text(f, "role", &role));
    if (kind == 3) return GLASS_OK;
    if (kind == 1) {
        if (name == NULL) return fields_wrong(f, "name", "a string");
        return chat_add_call(&r->chat, id, name, arguments);
    }
    const char *field = kind == 2 ? "output" : "content";
    snprintf(path, sizeof path, "%s%s", f->prefix, field);
    if (fields_get(f, field) == NULL) return fields_wrong(f, field, "a string or a list");
    glass_status status = chat_text(r->x, path, fields_get(f, field), &text);
    const char *data = text.data != NULL ? text.data : "";
    if (status == GLASS_OK && kind == 2)
        status = chat_add_result(&r->chat, id, NULL, data, text.len);
    if (status == GLASS_OK && kind == 0) {
        static const char *const roles[] = {"user", "assistant", "system", "developer",
                                            NULL};
        int i = -1;
        status = fields_word(f, "role", &i, roles);
        if (status == GLASS_OK && i < 0)
            status = fields_wrong(f, "role", "user, assistant, system or developer");
        if (status == GLASS_OK)
            status = chat_add(&r->chat, i == 3 ? "system" : roles[i], data, text.len);
    }
    buf_free(&text);
    return status;
}

static glass_status take_input(struct response *r, const struct fields *f) {
    const json_t *input = fields_get(f, "input"), *item;
    const char *instructions = NULL;
    size_t n = 0, i;
    TRY(fields_bytes(f, "instructions", &instructions, &n));
    if (instructions != NULL) TRY(chat_add(&r->chat, "system", instructions, n));
    if (json_is_string(input))
        return chat_add(&r->chat, "user", json_string_value(input),
                        json_string_length(input));
    if (json_array_size(input) == 0)
        return fields_wrong(f, "input", "a string or a list of items that is not empty");
    json_array_foreach(input, i, item) {
        char name[64];
        snprintf(name, sizeof name, "input[%zu].", i);
        struct fields one = {r->x, item, name};
        if (!json_is_object(item))
            return bad_param(r->x, name, "must be an object, not %s", json_kind(item));
        TRY(take_item(r, &one));
    }
    return GLASS_OK;
}

static glass_status take_format(struct response *r, const struct fields *f) {
    static const char *const kinds[] = {"text", "json_object", "json_schema", NULL};
    struct fields text, format;
    char path[256], inside[256];
    int kind = 0;
    TRY(fields_inside(&text, f, "text", path));
    TRY(fields_inside(&format, &text, "format", inside));
    TRY(fields_word(&format, "type", &kind, kinds));
    if (kind == 0) return GLASS_OK;
    if (r->chat.style != TOOLS_NONE)
        return bad_param(r->x, "text.format", "cannot be had together with tools");
    if (kind == 1) return ask_json_object(&r->ask);
    const json_t *schema = fields_get(&format, "schema");
    if (schema == NULL) return fields_wrong(&format, "schema", "a JSON schema");
    return ask_schema(&r->ask, "text.format.schema", schema);
}

/* What would mean another answer than the one that comes. */
static glass_status refuse(const struct fields *f) {
    static const struct {
        const char *name, *why;
    } rows[] = {
        {"previous_response_id",
         "responses are not stored here: send the whole conversation"},
        {"conversation", "nothing is stored here: send the whole conversation"},
        {"prompt", "prompts are not stored here: send it as \"input\""},
        {"top_logprobs", "are not given here; /v1/chat/completions has them"},
    };
    bool background = false;
    const json_t *include = NULL, *item;
    size_t k;
    TRY(fields_bool(f, "background", &background));
    if (background) return bad_param(f->x, "background", "answers are given at once only");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const json_t *value = fields_get(f, rows[i].name);
        bool zero = json_is_integer(value) && json_integer_value(value) == 0;
        if (value != NULL && !zero) return bad_param(f->x, rows[i].name, "%s", rows[i].why);
    }
    /* Other things to include are those of tools and reasoning that do not exist here. */
    TRY(fields_list(f, "include", &include));
    json_array_foreach(include, k, item) {
        const char *word = json_string_value(item);
        if (word != NULL && strcmp(word, "message.output_text.logprobs") == 0)
            return bad_param(f->x, "include", "%s: /v1/chat/completions has logprobs",
                             word);
    }
    return GLASS_OK;
}

static glass_status prepare(struct response *r, const struct fields *f) {
    const json_t *metadata = NULL;
    TRY(ask_open(&r->ask, r->x, f, NAN));
    TRY(ask_sampling(&r->ask, f, NAMES_OPENAI));
    TRY(fields_int(f, "max_output_tokens", &r->ask.r.n_predict, 1, INT32_MAX));
    TRY(fields_bool(f, "stream", &r->stream));
    TRY(fields_object(f, "metadata", &metadata));
    TRY(refuse(f));
    TRY(take_input(r, f));
    TRY(chat_take_tools(&r->chat, f));
    TRY(chat_encode(&r->chat, &r->ask));
    return take_format(r, f);
}

/* ---- events ---- */

static glass_status begin_event(struct response *r, const char *type) {
    buf_clear(&r->event);
    return buf_printf(&r->event, "{\"type\":\"%s\",\"sequence_number\":%lld", type,
                      (long long)r->sequence++);
}

static glass_status send_event(struct response *r, const char *type) {
    TRY(buf_byte(&r->event, '}'));
    return wire_named_event(r->x, type, &r->event);
}

/* ,"name": as the request has it, or what stands where it has nothing. */
static glass_status echo(struct response *r, struct buf *b, const char *name,
                         const char *otherwise) {
    const json_t *value = json_object_get(exchange_json(r->x), name);
    TRY(buf_printf(b, ",\"%s\":", name));
    if (value == NULL || json_is_null(value)) return buf_text(b, otherwise);
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) return fail(GLASS_NO_MEMORY, "%s could not be copied", name);
    glass_status status = buf_text(b, text);
    free(text);
    return status;
}

static glass_status echoes(struct response *r, struct buf *b) {
    TRY(echo(r, b, "instructions", "null"));
    TRY(echo(r, b, "max_output_tokens", "null"));
    TRY(echo(r, b, "metadata", "{}"));
    TRY(echo(r, b, "parallel_tool_calls", "true"));
    TRY(echo(r, b, "text", "{\"format\":{\"type\":\"text\"}}"));
    TRY(echo(r, b, "tool_choice", "\"auto\""));
    return echo(r, b, "tools", "[]");
}

/* The response as it is now. */
static glass_status put_response(struct response *r, struct buf *b, const char *state) {
    TRY(buf_printf(b,
                   "{\"id\":\"%s\",\"object\":\"response\",\"created_at\":%lld,\"status\":"
                   "\"%s\",\"error\":null,\"incomplete_details\":",
                   r->id.data, (long long)r->created, state));
    TRY(r->reason != NULL ? buf_printf(b, "{\"reason\":\"%s\"}", r->reason)
                          : buf_text(b, "null"));
    TRY(echoes(r, b));
    TRY(buf_text(b, ",\"model\":"));
    TRY(wire_string(b, r->ask.name));
    TRY(buf_text(b, ",\"output\":["));
    if (r->output.len > 0) TRY(buf_append(b, r->output.data, r->output.len));
    TRY(buf_printf(b,
                   "],\"previous_response_id\":null,\"store\":false,\"temperature\":%.7g,"
                   "\"top_p\":%.7g,\"truncation\":\"disabled\",\"usage\":",
                   (double)r->ask.r.sampler.temperature, (double)r->ask.r.sampler.top_p));
    if (strcmp(state, "in_progress") == 0) return buf_text(b, "null}");
    return buf_printf(
        b,
        "{\"input_tokens\":%lld,\"input_tokens_details\":{\"cached_tokens\":%lld},"
        "\"output_tokens\":%lld,\"output_tokens_details\":{\"reasoning_tokens\":0},"
        "\"total_tokens\":%lld}}",
        (long long)r->n_prompt, (long long)r->n_cached, (long long)r->n_answer,
        (long long)(r->n_prompt + r->n_answer));
}

static glass_status response_event(struct response *r, const char *type,
                                   const char *state) {
    if (!r->stream) return GLASS_OK;
    TRY(begin_event(r, type));
    TRY(buf_text(&r->event, ",\"response\":"));
    TRY(put_response(r, &r->event, state));
    return send_event(r, type);
}

static glass_status put_part(struct buf *b, const char *text, size_t n) {
    TRY(buf_text(b,
                 "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":"));
    TRY(buf_json_string(b, text, n));
    return buf_byte(b, '}');
}

static glass_status put_message(struct response *r, struct buf *b, const char *state,
                                bool whole) {
    TRY(buf_printf(b,
                   "{\"id\":\"%s\",\"type\":\"message\",\"status\":\"%s\",\"role\":"
                   "\"assistant\",\"content\":[",
                   r->message_id.data, state));
    if (whole) TRY(put_part(b, r->text.data != NULL ? r->text.data : "", r->text.len));
    return buf_text(b, "]}");
}

static glass_status begin_message(struct response *r) {
    if (r->in_message) return GLASS_OK;
    r->in_message = true;
    buf_clear(&r->text);
    buf_clear(&r->message_id);
    TRY(wire_id(&r->message_id, "msg_"));
    int i = r->n_items++;
    if (!r->stream) return GLASS_OK;
    TRY(begin_event(r, "response.output_item.added"));
    TRY(buf_printf(&r->event, ",\"output_index\":%d,\"item\":", i));
    TRY(put_message(r, &r->event, "in_progress", false));
    TRY(send_event(r, "response.output_item.added"));
    TRY(begin_event(r, "response.content_part.added"));
    TRY(buf_printf(&r->event,
                   ",\"item_id\":\"%s\",\"output_index\":%d,\"content_index\":0,"
                   "\"part\":",
                   r->message_id.data, i));
    TRY(put_part(&r->event, "", 0));
    return send_event(r, "response.content_part.added");
}

static glass_status text_done(struct response *r, int i) {
    const char *text = r->text.data != NULL ? r->text.data : "";
    TRY(begin_event(r, "response.output_text.done"));
    TRY(buf_printf(&r->event,
                   ",\"item_id\":\"%s\",\"output_index\":%d,\"content_index\":0,"
                   "\"logprobs\":[],\"text\":",
                   r->message_id.data, i));
    TRY(buf_json_string(&r->event, text, r->text.len));
    TRY(send_event(r, "response.output_text.done"));
    TRY(begin_event(r, "response.content_part.done"));
    TRY(buf_printf(&r->event,
                   ",\"item_id\":\"%s\",\"output_index\":%d,\"content_index\":0,"
                   "\"part\":",
                   r->message_id.data, i));
    TRY(put_part(&r->event, text, r->text.len));
    return send_event(r, "response.content_part.done");
}

static glass_status item_done(struct response *r, int i, size_t from) {
    if (!r->stream) return GLASS_OK;
    TRY(begin_event(r, "response.output_item.done"));
    TRY(buf_printf(&r->event, ",\"output_index\":%d,\"item\":", i));
    TRY(buf_append(&r->event, r->output.data + from, r->output.len - from));
    return send_event(r, "response.output_item.done");
}

static glass_status end_message(struct response *r) {
    if (!r->in_message) return GLASS_OK;
    r->in_message = false;
    int i = r->n_items - 1;
    if (r->stream) TRY(text_done(r, i));
    if (r->output.len > 0) TRY(buf_byte(&r->output, ','));
    size_t from = r->output.len;
    TRY(put_message(r, &r->output, r->reason != NULL ? "incomplete" : "completed", true));
    return item_done(r, i, from);
}

static glass_status on_text(void *context, const char *text, size_t n) {
    struct response *r = context;
    TRY(begin_message(r));
    TRY(buf_append(&r->text, text, n));
    if (!r->stream) return GLASS_OK;
    TRY(begin_event(r, "response.output_text.delta"));
    TRY(buf_printf(&r->event,
                   ",\"item_id\":\"%s\",\"output_index\":%d,\"content_index\":0,"
                   "\"logprobs\":[],\"delta\":",
                   r->message_id.data, r->n_items - 1));
    TRY(buf_json_string(&r->event, text, n));
    return send_event(r, "response.output_text.delta");
}

static glass_status put_call(struct response *r, struct buf *b, const char *arguments,
                             const char *state) {
    TRY(buf_printf(
        b,
        "{\"id\":\"%s\",\"type\":\"function_call\",\"status\":\"%s\",\"call_id\":"
        "\"%s\",\"name\":",
        r->item.data, state, r->call.data));
    TRY(wire_string(b, r->name.data));
    TRY(buf_text(b, ",\"arguments\":"));
    TRY(wire_string(b, arguments));
    return buf_byte(b, '}');
}

static glass_status begin_call_event(struct response *r, const char *type) {
    TRY(begin_event(r, type));
    return buf_printf(&r->event, ",\"item_id\":\"%s\",\"output_index\":%d,", r->item.data,
                      r->n_items - 1);
}

static glass_status on_open(void *context, int n, const char *name) {
    struct response *r = context;
    (void)n;
    TRY(end_message(r));
    buf_clear(&r->item);
    buf_clear(&r->call);
    buf_clear(&r->name);
    buf_clear(&r->arguments);
    TRY(wire_id(&r->item, "fc_"));
    TRY(wire_id(&r->call, "call_"));
    TRY(buf_text(&r->name, name));
    r->n_items++;
    if (!r->stream) return GLASS_OK;
    TRY(begin_event(r, "response.output_item.added"));
    TRY(buf_printf(&r->event, ",\"output_index\":%d,\"item\":", r->n_items - 1));
    TRY(put_call(r, &r->event, "", "in_progress"));
    return send_event(r, "response.output_item.added");
}

static glass_status on_piece(void *context, const char *text, size_t n) {
    struct response *r = context;
    TRY(buf_append(&r->arguments, text, n));
    if (!r->stream) return GLASS_OK;
    TRY(begin_call_event(r, "response.function_call_arguments.delta"));
    TRY(buf_text(&r->event, "\"delta\":"));
    TRY(buf_json_string(&r->event, text, n));
    return send_event(r, "response.function_call_arguments.delta");
}

static glass_status on_close(void *context) {
    struct response *r = context;
    const char *arguments = r->arguments.data != NULL ? r->arguments.data : "";
    if (r->stream) {
        TRY(begin_call_event(r, "response.function_call_arguments.done"));
        TRY(buf_text(&r->event, "\"name\":"));
        TRY(wire_string(&r->event, r->name.data));
        TRY(buf_text(&r->event, ",\"arguments\":"));
        TRY(wire_string(&r->event, arguments));
        TRY(send_event(r, "response.function_call_arguments.done"));
    }
    if (r->output.len > 0) TRY(buf_byte(&r->output, ','));
    size_t from = r->output.len;
    TRY(put_call(r, &r->output, arguments, r->reason != NULL ? "incomplete" : "completed"));
    return item_done(r, r->n_items - 1, from);
}

static glass_status on_call(void *context, int n, const char *name, const char *arguments) {
    struct response *r = context;
    TRY(on_open(r, n, name));
    TRY(on_piece(r, arguments, strlen(arguments)));
    return on_close(r);
}

/* ---- the answer ---- */

static glass_status on_end(struct response *r, const struct ask_event *e) {
    TRY(ask_failed(r->x, e));
    if (e->end == JOB_LENGTH || e->end == JOB_CONTEXT) r->reason = "max_output_tokens";
    TRY(calls_end(r->calls, e->text, e->n_text));
    if (r->n_items == 0) TRY(begin_message(r));
    TRY(end_message(r));
    r->n_prompt = e->n_prompt;
    r->n_cached = e->n_cached;
    r->n_answer = e->n_answer;
    const char *state = r->reason != NULL ? "incomplete" : "completed";
    if (r->stream) {
        TRY(response_event(
            r, r->reason != NULL ? "response.incomplete" : "response.completed", state));
        return reply_end(r->x);
    }
    buf_clear(&r->event);
    TRY(put_response(r, &r->event, state));
    return reply_bytes(r->x, 200, "application/json", r->event.data, r->event.len);
}

static glass_status run(struct response *r) {
    const struct ask_event *e;
    bool silent;
    for (;;) {
        TRY(ask_next(&r->ask, &e, 1, &silent));
        if (e == NULL && !silent) return GLASS_OK;
        if (e != NULL && e->kind == JOB_END)
            TRY(on_end(r, e));
        else if (e != NULL && e->kind == JOB_TOKEN)
            TRY(calls_take(r->calls, e->token.id, e->text, e->n_text));
        else if (r->stream)
            TRY(wire_heartbeat(&r->heartbeat, r->x, e));
    }
}

static glass_status answer(struct response *r, const struct fields *f) {
    const struct calls_sink sink = {on_text, on_call, r, on_open, on_piece, on_close};
    TRY(prepare(r, f));
    r->created = (int64_t)time(NULL);
    TRY(wire_id(&r->id, "resp_"));
    TRY(calls_create(&r->calls, &r->chat, r->ask.tokenizer, &sink));
    TRY(ask_submit(&r->ask));
    if (r->stream) TRY(reply_begin(r->x, 200, "text/event-stream"));
    TRY(response_event(r, "response.created", "in_progress"));
    TRY(response_event(r, "response.in_progress", "in_progress"));
    return run(r);
}

static void say_error(struct response *r) {
    char message[600];
    snprintf(message, sizeof message, "%s", glass_error());
    if (begin_event(r, "error") == GLASS_OK &&
        buf_text(&r->event, ",\"code\":\"server_error\",\"param\":null,\"message\":") ==
            GLASS_OK &&
        wire_string(&r->event, message) == GLASS_OK)
        send_event(r, "error");
}

static glass_status responses(struct exchange *x) {
    struct response r = {.x = x};
    struct fields f;
    TRY(fields_of_body(&f, x));
    glass_status status = answer(&r, &f);
    if (status != GLASS_OK && status != GLASS_CANCELLED && exchange_begun(x) && r.stream)
        say_error(&r);
    calls_free(r.calls);
    ask_close(&r.ask);
    chat_clear(&r.chat);
    buf_free(&r.id);
    buf_free(&r.message_id);
    buf_free(&r.text);
    buf_free(&r.output);
    buf_free(&r.event);
    buf_free(&r.item);
    buf_free(&r.call);
    buf_free(&r.name);
    buf_free(&r.arguments);
    return status;
}

const struct route routes_responses[] = {
    {"POST", "/v1/responses", false, SHAPE_OPENAI, responses, false},
    {NULL, NULL, false, SHAPE_OPENAI, NULL, false}};
