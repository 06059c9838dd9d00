/* api_messages.c - the messages API, as Anthropic's clients speak it:
 * https://docs.anthropic.com/en/api/messages */
#include "serve/calls.h"
#include "serve/server.h"
#include "serve/wire.h"

#include <math.h>
#include <stdio.h>

struct letter {
    struct exchange *x;
    struct ask ask;
    struct chat chat;
    bool stream;
    struct calls *calls;
    struct buf id, event;
    struct buf text;    /* of the block that is open */
    struct buf content; /* blocks that are whole */
    int n_blocks;
    bool in_text;
    int64_t n_cached;
    struct heartbeat heartbeat;
};

/* ---- fields ---- */

static glass_status take_result(struct letter *l, const struct fields *f) {
    const char *id = NULL;
    struct buf text = {0};
    char path[320];
    TRY(fields_text(f, "tool_use_id", &id));
    snprintf(path, sizeof path, "%scontent", f->prefix);
    glass_status status = chat_text(l->x, path, fields_get(f, "content"), &text);
    if (status == GLASS_OK)
        status = chat_add_result(&l->chat, id, NULL, text.data != NULL ? text.data : "",
                                 text.len);
    buf_free(&text);
    return status;
}

static glass_status take_use(struct letter *l, const struct fields *f) {
    const char *id = NULL, *name = NULL;
    const json_t *input = NULL;
    TRY(fields_text(f, "id", &id));
    TRY(fields_text(f, "name", &name));
    TRY(fields_object(f, "input", &input));
    if (name == NULL) return fields_wrong(f, "name", "a string");
    char *arguments = input != NULL ? json_dumps(input, JSON_COMPACT) : NULL;
    glass_status status =
        chat_add_call(&l->chat, id, name, arguments != NULL ? arguments : "{}");
    free(arguments);
    return status;
}

/* Text goes to *text, which becomes a message when something else comes. */
static glass_status take_block(struct letter *l, const struct fields *f, const char *role,
                               struct buf *text) {
    static const char *const kinds[] = {"text",     "tool_use",          "tool_result",
                                        "thinking", "redacted_thinking", NULL};
    const char *part = NULL;
    size_t n = 0;
    int kind = -1;
    TRY(fields_word(f, "type", &kind, kinds));
    if (kind < 0) return fields_wrong(f, "type", "text, tool_use or tool_result");
    if (kind >= 3) return GLASS_OK;
    if (kind == 0) {
        TRY(fields_bytes(f, "text", &part, &n));
        if (part == NULL) return fields_wrong(f, "text", "a string");
        return buf_append(text, part, n);
    }
    if (text->len > 0) TRY(chat_add(&l->chat, role, text->data, text->len));
    buf_clear(text);
    return kind == 1 ? take_use(l, f) : take_result(l, f);
}

static glass_status take_message(struct letter *l, const struct fields *f) {
    static const char *const roles[] = {"user", "assistant", NULL};
    const json_t *content = fields_get(f, "content"), *block;
    struct buf text = {0};
    int role = -1;
    size_t i;
    TRY(fields_word(f, "role", &role, roles));
    if (role < 0) return fields_wrong(f, "role", "user or assistant");
    if (json_is_string(content))
        return chat_add(&l->chat, roles[role], json_string_value(content),
                        json_string_length(content));
    if (!json_is_array(content)) return fields_wrong(f, "content", "a string or a list");
    glass_status status = GLASS_OK;
    json_array_foreach(content, i, block) {
        char name[96];
        snprintf(name, sizeof name, "%scontent[%zu].", f->prefix, i);
        struct fields one = {l->x, block, name};
        if (!json_is_object(block))
            status = bad_param(l->x, name, "must be an object, not %s", json_kind(block));
        else
            status = take_block(l, &one, roles[role], &text);
        if (status != GLASS_OK) break;
    }
    if (status == GLASS_OK && text.len > 0)
        status = chat_add(&l->chat, roles[role], text.data, text.len);
    buf_free(&text);
    return status;
}

static glass_status take_tool(struct letter *l, const struct fields *f) {
    static const char *const kinds[] = {"custom", NULL}; /* others are not known here */
    const char *name = NULL, *about = NULL;
    const json_t *schema = NULL;
    char path[320];
    int kind = 0;
    TRY(fields_word(f, "type", &kind, kinds));
    TRY(fields_text(f, "name", &name));
    TRY(fields_text(f, "description", &about));
    TRY(fields_object(f, "input_schema", &schema));
    if (name == NULL) return fields_wrong(f, "name", "a string");
    snprintf(path, sizeof path, "%sname", f->prefix);
    return chat_add_tool(&l->chat, l->x, path, name, about, schema);
}

static glass_status take_tools(struct letter *l, const struct fields *f) {
    static const char *const kinds[] = {"auto", "none", "any", "tool", NULL};
    const json_t *list = NULL, *tool;
    struct fields choice;
    char path[256];
    size_t i;
    int kind = 0;
    TRY(fields_list(f, "tools", &list));
    json_array_foreach(list, i, tool) {
        char name[64];
        snprintf(name, sizeof name, "tools[%zu].", i);
        struct fields one = {l->x, tool, name};
        if (!json_is_object(tool))
            return bad_param(l->x, name, "must be an object, not %s", json_kind(tool));
        TRY(take_tool(l, &one));
    }
    TRY(fields_inside(&choice, f, "tool_choice", path));
    TRY(fields_word(&choice, "type", &kind, kinds));
    TRY(fields_bool(&choice, "disable_parallel_tool_use", &l->chat.one_call));
    if (choice.json != NULL && fields_get(&choice, "type") == NULL)
        return fields_wrong(&choice, "type", "auto, any, tool or none");
    l->chat.choice = (enum tool_choice)kind;
    if (kind >= 2 && l->chat.tools == NULL)
        return bad_param(l->x, "tool_choice", "there are no tools to choose from");
    if (kind != 3) return GLASS_OK;
    TRY(fields_text(&choice, "name", &l->chat.tool));
    for (i = 0; l->chat.tool != NULL && i < json_array_size(l->chat.tools); i++) {
        json_t *function = json_object_get(json_array_get(l->chat.tools, i), "function");
        if (strcmp(json_string_value(json_object_get(function, "name")), l->chat.tool) == 0)
            return GLASS_OK;
    }
    return bad_param(l->x, "tool_choice.name", "names no tool of \"tools\"");
}

static glass_status take_messages(struct letter *l, const struct fields *f) {
    const json_t *list = NULL, *message;
    struct buf system = {0};
    size_t i;
    glass_status status = chat_text(l->x, "system", fields_get(f, "system"), &system);
    if (status == GLASS_OK && system.len > 0)
        status = chat_add(&l->chat, "system", system.data, system.len);
    buf_free(&system);
    TRY(status);
    TRY(fields_list(f, "messages", &list));
    if (json_array_size(list) == 0)
        return bad_param(l->x, "messages", "must be a list of at least one message");
    json_array_foreach(list, i, message) {
        char name[64];
        snprintf(name, sizeof name, "messages[%zu].", i);
        struct fields one = {l->x, message, name};
        if (!json_is_object(message))
            return bad_param(l->x, name, "must be an object, not %s", json_kind(message));
        TRY(take_message(l, &one));
    }
    TRY(take_tools(l, f));
    return chat_take_prefill(&l->chat);
}

/* {"type": "json_schema", "schema": …}, in output_config.format or, as it was called before,
 * output_format. */
static glass_status take_format(struct letter *l, const struct fields *outer,
                                const char *name) {
    static const char *const kinds[] = {"json_schema", NULL};
    struct fields format;
    char inside[256], path[300];
    int kind = 0;
    TRY(fields_inside(&format, outer, name, inside));
    if (format.json == NULL) return GLASS_OK;
    TRY(fields_word(&format, "type", &kind, kinds));
    const json_t *schema = fields_get(&format, "schema");
    if (schema == NULL) return fields_wrong(&format, "schema", "a JSON schema");
    snprintf(path, sizeof path, "%s%s", outer->prefix, name);
    if (l->chat.style != TOOLS_NONE)
        return bad_param(l->x, path, "cannot be had together with tools");
    snprintf(path, sizeof path, "%sschema", format.prefix);
    return ask_schema(&l->ask, path, schema);
}

static glass_status take_formats(struct letter *l, const struct fields *f) {
    struct fields config;
    char path[256];
    TRY(fields_inside(&config, f, "output_config", path));
    TRY(take_format(l, &config, "format"));
    return take_format(l, f, "output_format");
}

static glass_status prepare(struct letter *l, const struct fields *f, bool count) {
    int64_t most = 0;
    TRY(ask_open(&l->ask, l->x, f, NAN));
    TRY(ask_sampling(&l->ask, f, NAMES_MESSAGES));
    TRY(fields_int(f, "max_tokens", &most, 1, INT32_MAX));
    if (most == 0 && !count) return fields_wrong(f, "max_tokens", "a whole number above 0");
    l->ask.r.n_predict = most;
    TRY(fields_bool(f, "stream", &l->stream));
    const json_t *servers = NULL;
    TRY(fields_list(f, "mcp_servers", &servers));
    if (json_array_size(servers) > 0)
        return bad_param(l->x, "mcp_servers", "this server asks no others");
    TRY(take_messages(l, f));
    TRY(chat_encode(&l->chat, &l->ask));
    return take_formats(l, f);
}

/* ---- events ---- */

static glass_status send_event(struct letter *l, const char *type) {
    return wire_named_event(l->x, type, &l->event);
}

static glass_status put_usage(struct buf *b, int64_t n_in, int64_t n_cached,
                              int64_t n_out) {
    return buf_printf(b,
                      "\"usage\":{\"input_tokens\":%lld,\"cache_creation_input_tokens\":0,"
                      "\"cache_read_input_tokens\":%lld,\"output_tokens\":%lld}",
                      (long long)(n_in - n_cached), (long long)n_cached, (long long)n_out);
}

static glass_status put_head(struct letter *l, struct buf *b) {
    TRY(buf_printf(b,
                   "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":",
                   l->id.data));
    return wire_string(b, l->ask.name);
}

static glass_status start(struct letter *l) {
    buf_clear(&l->event);
    TRY(buf_text(&l->event, "{\"type\":\"message_start\",\"message\":"));
    TRY(put_head(l, &l->event));
    TRY(buf_text(&l->event,
                 ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"));
    TRY(put_usage(&l->event, l->ask.prompts[0].n, 0, 0));
    TRY(buf_text(&l->event, "}}"));
    return send_event(l, "message_start");
}

static glass_status end_block(struct letter *l) {
    if (!l->in_text) return GLASS_OK;
    l->in_text = false;
    int i = l->n_blocks++;
    if (l->stream) {
        buf_clear(&l->event);
        TRY(buf_printf(&l->event, "{\"type\":\"content_block_stop\",\"index\":%d}", i));
        return send_event(l, "content_block_stop");
    }
    if (l->content.len > 0) TRY(buf_byte(&l->content, ','));
    TRY(buf_text(&l->content, "{\"type\":\"text\",\"text\":"));
    TRY(buf_json_string(&l->content, l->text.data != NULL ? l->text.data : "",
                        l->text.len));
    buf_clear(&l->text);
    return buf_byte(&l->content, '}');
}

static glass_status begin_text(struct letter *l) {
    if (l->in_text) return GLASS_OK;
    l->in_text = true;
    if (!l->stream) return GLASS_OK;
    buf_clear(&l->event);
    TRY(buf_printf(&l->event,
                   "{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":{"
                   "\"type\":\"text\",\"text\":\"\"}}",
                   l->n_blocks));
    return send_event(l, "content_block_start");
}

static glass_status on_text(void *context, const char *text, size_t n) {
    struct letter *l = context;
    TRY(begin_text(l));
    if (!l->stream) return buf_append(&l->text, text, n);
    buf_clear(&l->event);
    TRY(buf_printf(&l->event,
                   "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":"
                   "\"text_delta\",\"text\":",
                   l->n_blocks));
    TRY(buf_json_string(&l->event, text, n));
    TRY(buf_text(&l->event, "}}"));
    return send_event(l, "content_block_delta");
}

static glass_status put_use(struct buf *b, const char *name, const char *arguments) {
    TRY(buf_text(b, "{\"type\":\"tool_use\",\"id\":\""));
    TRY(wire_id(b, "toolu_"));
    TRY(buf_text(b, "\",\"name\":"));
    TRY(wire_string(b, name));
    return buf_printf(b, ",\"input\":%s}", arguments);
}

static glass_status on_open(void *context, int n, const char *name) {
    struct letter *l = context;
    (void)n;
    TRY(end_block(l));
    buf_clear(&l->event);
    TRY(buf_printf(&l->event,
                   "{\"type\":\"content_block_start\",\"index\":%d,"
                   "\"content_block\":",
                   l->n_blocks));
    TRY(put_use(&l->event, name, "{}"));
    TRY(buf_byte(&l->event, '}'));
    return send_event(l, "content_block_start");
}

static glass_status on_piece(void *context, const char *text, size_t n) {
    struct letter *l = context;
    buf_clear(&l->event);
    TRY(buf_printf(&l->event,
                   "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":"
                   "\"input_json_delta\",\"partial_json\":",
                   l->n_blocks));
    TRY(buf_json_string(&l->event, text, n));
    TRY(buf_text(&l->event, "}}"));
    return send_event(l, "content_block_delta");
}

static glass_status on_close(void *context) {
    struct letter *l = context;
    buf_clear(&l->event);
    TRY(buf_printf(&l->event, "{\"type\":\"content_block_stop\",\"index\":%d}",
                   l->n_blocks++));
    return send_event(l, "content_block_stop");
}

static glass_status on_call(void *context, int n, const char *name, const char *arguments) {
    struct letter *l = context;
    if (l->stream) {
        TRY(on_open(l, n, name));
        TRY(on_piece(l, arguments, strlen(arguments)));
        return on_close(l);
    }
    TRY(end_block(l));
    l->n_blocks++;
    if (l->content.len > 0) TRY(buf_byte(&l->content, ','));
    return put_use(&l->content, name, arguments);
}

/* ---- the answer ---- */

static glass_status put_reason(struct letter *l, struct buf *b, const struct ask_event *e) {
    const char *reason = "end_turn";
    if (e->end == JOB_LENGTH || e->end == JOB_CONTEXT)
        reason = "max_tokens";
    else if (calls_n(l->calls) > 0)
        reason = "tool_use";
    else if (e->end == JOB_STOP)
        reason = "stop_sequence";
    TRY(buf_printf(b, "\"stop_reason\":\"%s\",\"stop_sequence\":", reason));
    return e->end == JOB_STOP ? wire_string(b, e->stop_text) : buf_text(b, "null");
}

static glass_status end_stream(struct letter *l, const struct ask_event *e) {
    buf_clear(&l->event);
    TRY(buf_text(&l->event, "{\"type\":\"message_delta\",\"delta\":{"));
    TRY(put_reason(l, &l->event, e));
    TRY(buf_text(&l->event, "},"));
    TRY(put_usage(&l->event, e->n_prompt, e->n_cached, e->n_answer));
    TRY(buf_byte(&l->event, '}'));
    TRY(send_event(l, "message_delta"));
    buf_clear(&l->event);
    TRY(buf_text(&l->event, "{\"type\":\"message_stop\"}"));
    TRY(send_event(l, "message_stop"));
    return reply_end(l->x);
}

static glass_status on_end(struct letter *l, const struct ask_event *e) {
    TRY(ask_failed(l->x, e));
    TRY(calls_end(l->calls, e->text, e->n_text));
    if (l->n_blocks == 0) TRY(begin_text(l));
    TRY(end_block(l));
    if (l->stream) return end_stream(l, e);
    struct buf *b = &l->event;
    buf_clear(b);
    TRY(put_head(l, b));
    TRY(buf_text(b, ",\"content\":["));
    TRY(buf_append(b, l->content.data, l->content.len));
    TRY(buf_text(b, "],"));
    TRY(put_reason(l, b, e));
    TRY(buf_byte(b, ','));
    TRY(put_usage(b, e->n_prompt, e->n_cached, e->n_answer));
    TRY(buf_byte(b, '}'));
    return reply_bytes(l->x, 200, "application/json", b->data, b->len);
}

static glass_status run(struct letter *l) {
    const struct ask_event *e;
    bool silent;
    for (;;) {
        TRY(ask_next(&l->ask, &e, 1, &silent));
        if (e == NULL && !silent) return GLASS_OK;
        if (e != NULL && e->kind == JOB_END)
            TRY(on_end(l, e));
        else if (e != NULL && e->kind == JOB_TOKEN)
            TRY(calls_take(l->calls, e->token.id, e->text, e->n_text));
        else if (l->stream)
            TRY(wire_heartbeat(&l->heartbeat, l->x, e));
    }
}

static glass_status answer(struct letter *l, const struct fields *f) {
    struct calls_sink sink = {.text = on_text, .call = on_call, .context = l};
    TRY(prepare(l, f, false));
    if (l->stream) {
        sink.open = on_open;
        sink.piece = on_piece;
        sink.close = on_close;
    }
    TRY(wire_id(&l->id, "msg_"));
    TRY(calls_create(&l->calls, &l->chat, l->ask.tokenizer, &sink));
    TRY(ask_submit(&l->ask));
    if (l->stream) {
        TRY(reply_begin(l->x, 200, "text/event-stream"));
        TRY(start(l));
    }
    return run(l);
}

static void say_error(struct letter *l) {
    char message[600];
    snprintf(message, sizeof message, "%s", glass_error());
    buf_clear(&l->event);
    if (buf_text(&l->event,
                 "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":") ==
            GLASS_OK &&
        wire_string(&l->event, message) == GLASS_OK &&
        buf_text(&l->event, "}}") == GLASS_OK)
        send_event(l, "error");
}

static glass_status finish(struct letter *l, glass_status status) {
    if (status != GLASS_OK && status != GLASS_CANCELLED && exchange_begun(l->x) &&
        l->stream)
        say_error(l);
    calls_free(l->calls);
    ask_close(&l->ask);
    chat_clear(&l->chat);
    buf_free(&l->id);
    buf_free(&l->event);
    buf_free(&l->text);
    buf_free(&l->content);
    return status;
}

static glass_status messages(struct exchange *x) {
    struct letter l = {.x = x};
    struct fields f;
    TRY(fields_of_body(&f, x));
    return finish(&l, answer(&l, &f));
}

static glass_status count_tokens(struct exchange *x) {
    struct letter l = {.x = x};
    struct fields f;
    char text[64];
    TRY(fields_of_body(&f, x));
    glass_status status = prepare(&l, &f, true);
    l.stream = false;
    if (status == GLASS_OK) {
        snprintf(text, sizeof text, "{\"input_tokens\":%lld}",
                 (long long)l.ask.prompts[0].n);
        status = reply_bytes(x, 200, "application/json", text, strlen(text));
    }
    return finish(&l, status);
}

const struct route routes_messages[] = {
    {"POST", "/v1/messages", false, SHAPE_MESSAGES, messages, false},
    {"POST", "/v1/messages/count_tokens", false, SHAPE_MESSAGES, count_tokens, false},
    {NULL, NULL, false, SHAPE_MESSAGES, NULL, false}};
