/* calls.c - see calls.h. Until the text shows what it is, it is held back; what looked like a
 * call and was none goes to the client as the text that it is. */
#include "serve/calls.h"

#include "base/utf8.h"

struct calls {
    const struct chat *chat;
    struct calls_sink sink;
    struct buf held;
    bool inside;  /* a call has begun; held is what of it is there */
    bool answers; /* TOOLS_FORCED: inside the string of {"response": "…"} */
    bool plain;   /* nothing but text from here on */
    bool behind;  /* TOOLS_HERMES: a call has just ended */
    int32_t mark; /* the token that begins calls, -1 */
    int n;
    /* Of a call that a grammar makes and that goes on piece by piece. */
    enum { CALL_HEAD, CALL_ARGUMENTS, CALL_OVER } part;
    int depth; /* of the braces and brackets that are open */
    bool in_string, escaped;
};

static const char open_tag[] = "<tool_call>", close_tag[] = "</tool_call>";
static const char response[] = "{\"response\": \"";

glass_status calls_create(struct calls **out, const struct chat *chat,
                          const glass_tokenizer *tokenizer, const struct calls_sink *sink) {
    const char *mark = NULL;
    struct calls *c;
    *out = NULL;
    TRY(mem_alloc_zero(&c, 1, sizeof *c));
    c->chat = chat;
    c->sink = *sink;
    c->plain = chat->style == TOOLS_NONE;
    c->inside = chat->forced;
    if (chat->style == TOOLS_HERMES) mark = open_tag;
    if (chat->style == TOOLS_MISTRAL) mark = "[TOOL_CALLS]";
    if (chat->style == TOOLS_LLAMA) mark = "<|python_tag|>";
    c->mark = mark != NULL ? glass_tokenizer_find(tokenizer, mark, strlen(mark)) : -1;
    /* Where it is an ordinary token its text comes by itself. */
    if (c->mark >= 0 && !glass_tokenizer_is_control(tokenizer, c->mark)) c->mark = -1;
    *out = c;
    return GLASS_OK;
}

void calls_free(struct calls *c) {
    if (c == NULL) return;
    buf_free(&c->held);
    mem_free(c);
}

int calls_n(const struct calls *c) {
    return c->n;
}

static glass_status drop(struct calls *c, size_t n) {
    memmove(c->held.data, c->held.data + n, c->held.len - n);
    c->held.len -= n;
    c->held.data[c->held.len] = '\0';
    return GLASS_OK;
}

static glass_status send(struct calls *c, size_t n) {
    if (n == 0) return GLASS_OK;
    TRY(c->sink.text(c->sink.context, c->held.data, n));
    return drop(c, n);
}

/* ---- calls ---- */

static bool is_tool(const struct calls *c, const char *name) {
    for (size_t i = 0; i < json_array_size(c->chat->tools); i++) {
        json_t *f = json_object_get(json_array_get(c->chat->tools, i), "function");
        if (strcmp(json_string_value(json_object_get(f, "name")), name) == 0) return true;
    }
    return false;
}

static bool is_call(const struct calls *c, const json_t *call, const json_t **arguments) {
    const char *name = json_string_value(json_object_get(call, "name"));
    *arguments = json_object_get(call, "arguments");
    if (*arguments == NULL) *arguments = json_object_get(call, "parameters");
    return name != NULL && is_tool(c, name) &&
           (*arguments == NULL || json_is_object(*arguments));
}

static glass_status emit(struct calls *c, const json_t *call) {
    const json_t *arguments;
    if (c->chat->one_call && c->n > 0) return GLASS_OK;
    is_call(c, call, &arguments);
    char *text = arguments != NULL ? json_dumps(arguments, 0) : NULL;
    if (arguments != NULL && text == NULL)
        return fail(GLASS_NO_MEMORY, "a tool call could not be copied");
    glass_status status = c->sink.call(c->sink.context, c->n++,
                                       json_string_value(json_object_get(call, "name")),
                                       text != NULL ? text : "{}");
    free(text);
    return status;
}

/* One call, or a list of calls, with nothing but space around. *used: bytes of the text. */
static bool emit_json(struct calls *c, const char *text, size_t n, size_t *used,
                      glass_status *status) {
    json_error_t error;
    json_t *json = json_loadb(text, n, JSON_DISABLE_EOF_CHECK, &error), *call;
    const json_t *ignored;
    size_t i;
    bool good = is_call(c, json, &ignored) || json_array_size(json) > 0;
    json_array_foreach(json, i, call) good = good && is_call(c, call, &ignored);
    *status = GLASS_OK;
    if (good && json_is_object(json)) *status = emit(c, json);
    if (good)
        json_array_foreach(json, i, call) if (*status == GLASS_OK) *status = emit(c, call);
    *used = good ? (size_t)error.position : 0;
    json_decref(json);
    return good;
}

/* Mistral's newer way: NAME{"argument": …} or NAME[ARGS]{…}. */
static bool emit_named(struct calls *c, size_t *used, glass_status *status) {
    char *text = c->held.data, *brace = strchr(text, '{'), name[130];
    json_error_t error;
    *status = GLASS_OK;
    if (brace == NULL) return false;
    size_t n = (size_t)(brace - text), skip = strspn(text, " \n");
    char *args = strstr(text, "[ARGS]");
    if (args != NULL && args < brace) n = (size_t)(args - text);
    if (n <= skip || n - skip >= sizeof name) return false;
    memcpy(name, text + skip, n - skip);
    name[n - skip] = '\0';
    json_t *arguments = json_loads(brace, JSON_DISABLE_EOF_CHECK, &error);
    bool good = json_is_object(arguments) && is_tool(c, name);
    json_t *call =
        good ? json_pack("{s:s,s:O}", "name", name, "arguments", arguments) : NULL;
    if (good) *status = emit(c, call);
    *used = good ? (size_t)(brace - text) + (size_t)error.position : 0;
    json_decref(call);
    json_decref(arguments);
    return good;
}

/* All calls that stand in what is held; what is no call is text. */
static glass_status finish_calls(struct calls *c) {
    glass_status status = GLASS_OK;
    while (status == GLASS_OK && c->held.len > 0) {
        size_t used, space = strspn(c->held.data, " \r\n\t;");
        if (space == c->held.len) {
            buf_clear(&c->held);
            break;
        }
        bool good = emit_json(c, c->held.data + space, c->held.len - space, &used, &status);
        if (good)
            used += space;
        else
            good = c->chat->style == TOOLS_MISTRAL && emit_named(c, &used, &status);
        if (status == GLASS_OK && good) status = drop(c, used);
        if (!good) break;
    }
    return status == GLASS_OK ? send(c, c->held.len) : status;
}

/* ---- Hermes: tags in text ---- */

/* Up to where a tag may begin; *found: it stands there, whole. */
static size_t before_tag(const struct buf *text, const char *tag, bool *found) {
    size_t n = strlen(tag);
    for (size_t at = 0; at < text->len; at++) {
        size_t left = text->len - at, compared = left < n ? left : n;
        if (memcmp(text->data + at, tag, compared) != 0) continue;
        *found = compared == n;
        return at;
    }
    *found = false;
    return text->len;
}

static glass_status take_tagged(struct calls *c) {
    bool found = true;
    while (found) {
        /* Between calls stands a line's end that nobody wants. */
        if (c->behind) TRY(drop(c, strspn(c->held.data, "\n")));
        c->behind = c->behind && c->held.len == 0;
        size_t at = before_tag(&c->held, c->inside ? close_tag : open_tag, &found), used;
        if (!c->inside) {
            TRY(send(c, at));
            if (!found) return GLASS_OK;
            TRY(drop(c, strlen(open_tag)));
            c->inside = true;
            continue;
        }
        if (!found) return GLASS_OK;
        glass_status status;
        if (!emit_json(c, c->held.data, at, &used, &status)) {
            /* As it was written. */
            TRY(c->sink.text(c->sink.context, open_tag, strlen(open_tag)));
            TRY(send(c, at + strlen(close_tag)));
        } else {
            TRY(status);
            TRY(drop(c, at + strlen(close_tag)));
            c->behind = true;
        }
        c->inside = false;
    }
    return GLASS_OK;
}

/* ---- forced: {"response": "…"} ---- */

static int hex4(const char *text) {
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char d = text[i];
        int digit = d >= '0' && d <= '9'   ? d - '0'
                    : d >= 'a' && d <= 'f' ? d - 'a' + 10
                    : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        v = v * 16 + digit;
    }
    return v;
}

/* The character behind a backslash at text. Returns the bytes used, 0 if more must come. */
static size_t unescape(const char *text, size_t n, char out[4], size_t *n_out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (n < 2) return 0;
    if (text[1] != 'u') {
        const char *at = strchr(from, text[1]);
        out[0] = at != NULL && text[1] != '\0' ? to[at - from] : text[1];
        *n_out = 1;
        return 2;
    }
    if (n < 6) return 0;
    int c = hex4(text + 2);
    size_t used = 6;
    if (c >= 0xd800 && c < 0xdc00) {
        if (n < 12) return 0;
        int low = text[6] == '\\' && text[7] == 'u' ? hex4(text + 8) : -1;
        c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00)
                                          : -1;
        used = 12;
    }
    if (c < 0 || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
    *n_out = utf8_encode(out, (uint32_t)c);
    return used;
}

static glass_status take_response(struct calls *c, bool over) {
    struct buf out = {0};
    glass_status status = GLASS_OK;
    size_t at = 0, n_head = strlen(response);
    if (!c->answers) {
        size_t n = c->held.len < n_head ? c->held.len : n_head;
        if (memcmp(c->held.data, response, n) != 0 || (n < n_head && !over))
            return GLASS_OK;
        if (n < n_head) {
            buf_clear(&c->held);
            return GLASS_OK;
        }
        c->answers = true;
        TRY(drop(c, n_head));
    }
    while (status == GLASS_OK && at < c->held.len) {
        char text[4];
        size_t n = 1, used = 1;
        text[0] = c->held.data[at];
        if (text[0] == '"') break; /* the end; the brace follows */
        if (text[0] == '\\') used = unescape(c->held.data + at, c->held.len - at, text, &n);
        if (used == 0) break;
        status = buf_append(&out, text, n);
        at += used;
    }
    if (status == GLASS_OK && out.len > 0)
        status = c->sink.text(c->sink.context, out.data, out.len);
    buf_free(&out);
    TRY(status);
    TRY(drop(c, at));
    if (over) buf_clear(&c->held);
    return GLASS_OK;
}

/* ---- a call that a grammar makes, as it comes ---- */

/* {"name": "f", "arguments": {: as tool_grammar of chat.c has it written. Other arguments than
 * an object are left to those that look at the whole. */
static glass_status open_call(struct calls *c) {
    static const char head[] = "{\"name\": \"";
    const char *middle =
        c->chat->style == TOOLS_LLAMA ? "\", \"parameters\": {" : "\", \"arguments\": {";
    size_t n_head = strlen(head);
    if (c->held.len < n_head || memcmp(c->held.data, head, n_head) != 0) return GLASS_OK;
    char *end = strstr(c->held.data + n_head, middle), name[130];
    if (end == NULL) return GLASS_OK;
    size_t n = (size_t)(end - c->held.data) - n_head;
    if (n >= sizeof name) return GLASS_OK;
    memcpy(name, c->held.data + n_head, n);
    name[n] = '\0';
    c->part = CALL_ARGUMENTS;
    TRY(c->sink.open(c->sink.context, c->n++, name));
    return drop(c, n_head + n + strlen(middle) - 1);
}

/* How much of what is held belongs to the arguments. */
static size_t arguments_end(struct calls *c) {
    for (size_t i = 0; i < c->held.len; i++) {
        char letter = c->held.data[i];
        if (c->in_string) {
            if (letter == '"' && !c->escaped) c->in_string = false;
            c->escaped = letter == '\\' && !c->escaped;
            continue;
        }
        c->in_string = letter == '"';
        c->depth += (letter == '{' || letter == '[') - (letter == '}' || letter == ']');
        if (c->depth == 0) {
            c->part = CALL_OVER;
            return i + 1;
        }
    }
    return c->held.len;
}

static glass_status stream_call(struct calls *c) {
    if (c->part == CALL_HEAD) TRY(open_call(c));
    if (c->part == CALL_ARGUMENTS && c->held.len > 0) {
        size_t n = arguments_end(c);
        TRY(c->sink.piece(c->sink.context, c->held.data, n));
        TRY(drop(c, n));
        if (c->part == CALL_OVER) TRY(c->sink.close(c->sink.context));
    }
    if (c->part == CALL_OVER) buf_clear(&c->held);
    return GLASS_OK;
}

static bool streams_calls(const struct calls *c) {
    return c->sink.open != NULL && !c->answers &&
           (c->chat->forced || c->chat->style == TOOLS_FORCED);
}

/* ---- all ---- */

glass_status calls_take(struct calls *c, int32_t id, const char *text, size_t n) {
    if (c->plain) return n > 0 ? c->sink.text(c->sink.context, text, n) : GLASS_OK;
    if (c->mark >= 0 && id == c->mark) {
        if (c->chat->style == TOOLS_HERMES) TRY(buf_text(&c->held, open_tag));
        if (c->chat->style != TOOLS_HERMES && !c->inside) {
            TRY(send(c, c->held.len));
            c->inside = true;
        }
    }
    TRY(buf_append(&c->held, text, n));
    if (c->held.len == 0) return GLASS_OK;
    if (streams_calls(c)) {
        TRY(stream_call(c));
        if (c->part != CALL_HEAD) return GLASS_OK;
    }
    switch (c->chat->style) {
    case TOOLS_HERMES: return c->chat->forced ? GLASS_OK : take_tagged(c);
    case TOOLS_FORCED: return c->inside ? GLASS_OK : take_response(c, false);
    case TOOLS_LLAMA: {
        size_t space = strspn(c->held.data, " \r\n\t");
        if (c->inside || space == c->held.len) return GLASS_OK;
        c->inside = c->held.data[space] == '{' || c->held.data[space] == '[';
        c->plain = !c->inside;
        return c->plain ? send(c, c->held.len) : GLASS_OK;
    }
    default: return c->inside ? GLASS_OK : send(c, c->held.len);
    }
}

glass_status calls_end(struct calls *c, const char *text, size_t n) {
    TRY(calls_take(c, -1, text, n));
    if (c->part == CALL_ARGUMENTS) {
        c->part = CALL_OVER;
        return c->sink.close(c->sink.context);
    }
    if (c->held.len == 0) return GLASS_OK;
    if (c->chat->style == TOOLS_HERMES && !c->inside) return send(c, c->held.len);
    if (c->chat->style == TOOLS_FORCED && !c->inside) {
        TRY(take_response(c, true));
        if (c->answers) return GLASS_OK;
    }
    return finish_calls(c);
}
