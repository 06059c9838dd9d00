/* chat.c - see chat.h. */
#include "serve/chat.h"

#include <stdio.h>
#include <time.h>

enum { MOST_MESSAGES = 4096, MOST_TOOLS = 128 };

void chat_clear(struct chat *c) {
    json_decref(c->messages);
    json_decref(c->tools);
    json_decref(c->more);
    mem_free(c->prefill);
    mem_free(c->prefill_ids);
    *c = (struct chat){0};
}

static glass_status no_memory(void) {
    return fail(GLASS_NO_MEMORY, "the messages could not be copied");
}

/* Takes the message, also on failure. */
static glass_status append(struct chat *c, json_t *message) {
    if (c->messages == NULL) c->messages = json_array();
    if (message == NULL || json_array_append_new(c->messages, message) != 0)
        return no_memory();
    return GLASS_OK;
}

glass_status chat_add(struct chat *c, const char *role, const char *content, size_t n) {
    return append(c, json_pack("{s:s,s:s%}", "role", role, "content",
                               content != NULL ? content : "", n));
}

/* Templates write arguments as JSON themselves: they want the object. */
static json_t *arguments_of(const char *text) {
    json_t *object = text != NULL ? json_loads(text, 0, NULL) : json_object();
    if (json_is_object(object)) return object;
    json_decref(object);
    return json_string(text);
}

static json_t *last_call_message(struct chat *c) {
    json_t *m = json_array_get(c->messages, json_array_size(c->messages) - 1);
    const char *role = json_string_value(json_object_get(m, "role"));
    return role != NULL && strcmp(role, "assistant") == 0 ? m : NULL;
}

glass_status chat_add_call(struct chat *c, const char *id, const char *name,
                           const char *arguments) {
    if (last_call_message(c) == NULL) TRY(chat_add(c, "assistant", "", 0));
    json_t *m = last_call_message(c), *calls = json_object_get(m, "tool_calls");
    if (calls == NULL) {
        calls = json_array();
        if (json_object_set_new(m, "tool_calls", calls) != 0) return no_memory();
    }
    json_t *call =
        json_pack("{s:s,s:s,s:{s:s,s:o}}", "id", id != NULL ? id : "", "type", "function",
                  "function", "name", name, "arguments", arguments_of(arguments));
    if (call == NULL || json_array_append_new(calls, call) != 0) return no_memory();
    return GLASS_OK;
}

/* The name of the tool that a call's id belongs to. */
static const char *called_name(const struct chat *c, const char *id) {
    size_t i, k;
    json_t *m, *call;
    json_array_foreach(c->messages, i, m)
        json_array_foreach(json_object_get(m, "tool_calls"), k, call) {
        const char *its = json_string_value(json_object_get(call, "id"));
        json_t *function = json_object_get(call, "function");
        if (id != NULL && its != NULL && strcmp(its, id) == 0)
            return json_string_value(json_object_get(function, "name"));
    }
    return NULL;
}

glass_status chat_add_result(struct chat *c, const char *id, const char *name,
                             const char *content, size_t n) {
    if (name == NULL) name = called_name(c, id);
    json_t *m = json_pack("{s:s,s:s%}", "role", "tool", "content",
                          content != NULL ? content : "", n);
    bool good = m != NULL;
    if (good && id != NULL)
        good = json_object_set_new(m, "tool_call_id", json_string(id)) == 0;
    if (good && name != NULL) good = json_object_set_new(m, "name", json_string(name)) == 0;
    if (good) return append(c, m);
    json_decref(m);
    return no_memory();
}

glass_status chat_add_tool(struct chat *c, struct exchange *x, const char *path,
                           const char *name, const char *description,
                           const json_t *parameters) {
    if (c->tools == NULL) c->tools = json_array();
    if (json_array_size(c->tools) == MOST_TOOLS)
        return bad_param(x, path, "at most %d tools are possible", MOST_TOOLS);
    if (name[0] == '\0' || strlen(name) > 128 || strpbrk(name, "\"\\\n\r\t") != NULL)
        return bad_param(x, path, "a tool's name is 1 to 128 letters without quotes");
    for (size_t i = 0; i < json_array_size(c->tools); i++) {
        json_t *f = json_object_get(json_array_get(c->tools, i), "function");
        if (strcmp(json_string_value(json_object_get(f, "name")), name) == 0)
            return bad_param(x, path, "there are two tools called %s", name);
    }
    json_t *copy = parameters != NULL ? json_deep_copy(parameters)
                                      : json_pack("{s:s,s:{},s:b}", "type", "object",
                                                  "properties", "additionalProperties", 0);
    json_t *tool = json_pack("{s:s,s:{s:s,s:s,s:o}}", "type", "function", "function",
                             "name", name, "description",
                             description != NULL ? description : "", "parameters", copy);
    if (tool == NULL || json_array_append_new(c->tools, tool) != 0) return no_memory();
    return GLASS_OK;
}

glass_status chat_take_prefill(struct chat *c) {
    size_t n = json_array_size(c->messages);
    json_t *m = json_array_get(c->messages, n - 1);
    const char *role = json_string_value(json_object_get(m, "role"));
    json_t *content = json_object_get(m, "content");
    if (n < 2 || role == NULL || strcmp(role, "assistant") != 0 ||
        json_string_length(content) == 0 || json_object_get(m, "tool_calls") != NULL)
        return GLASS_OK;
    TRY(mem_copy_text(&c->prefill, json_string_value(content),
                      json_string_length(content)));
    json_array_remove(c->messages, n - 1);
    return GLASS_OK;
}

glass_status chat_take_prefill_ids(struct chat *c, const struct ask *a,
                                   const struct fields *f) {
    TRY(ask_take_ids(a, f, "prefill_ids", &c->prefill_ids, &c->n_prefill_ids));
    return c->n_prefill_ids > 0 ? chat_take_prefill(c) : GLASS_OK;
}

/* ---- reading OpenAI's form ---- */

static glass_status text_part(struct exchange *x, const char *path, const json_t *part,
                              struct buf *out) {
    static const char *const kinds[] = {"text", "input_text", "output_text", "refusal"};
    const char *kind = json_string_value(json_object_get(part, "type"));
    if (json_is_string(part))
        return buf_append(out, json_string_value(part), json_string_length(part));
    if (kind == NULL)
        return bad_param(x, path, "must be a part with a \"type\", not %s",
                         json_kind(part));
    bool known = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        known |= strcmp(kind, kinds[i]) == 0;
    if (!known)
        return bad_param(x, path, "a part of type \"%.40s\": this model reads text only",
                         kind);
    const json_t *text =
        json_object_get(part, strcmp(kind, "refusal") == 0 ? "refusal" : "text");
    if (!json_is_string(text))
        return bad_param(x, path, "its \"text\" must be a string, not %s", json_kind(text));
    return buf_append(out, json_string_value(text), json_string_length(text));
}

glass_status chat_text(struct exchange *x, const char *path, const json_t *content,
                       struct buf *out) {
    const json_t *part;
    size_t i;
    if (content == NULL || json_is_null(content)) return GLASS_OK;
    if (json_is_string(content))
        return buf_append(out, json_string_value(content), json_string_length(content));
    if (!json_is_array(content))
        return bad_param(x, path, "must be a string or a list of parts, not %s",
                         json_kind(content));
    json_array_foreach(content, i, part) {
        char name[300];
        snprintf(name, sizeof name, "%.256s[%zu]", path, i);
        TRY(text_part(x, name, part, out));
    }
    return GLASS_OK;
}

static glass_status take_calls(struct chat *c, const struct fields *f) {
    const json_t *list = NULL, *call;
    size_t i;
    TRY(fields_list(f, "tool_calls", &list));
    json_array_foreach(list, i, call) {
        struct fields one, function;
        char name[96], inside[256];
        const char *id = NULL, *called = NULL, *arguments = NULL;
        snprintf(name, sizeof name, "%stool_calls[%zu].", f->prefix, i);
        one = (struct fields){f->x, call, name};
        if (!json_is_object(call))
            return bad_param(f->x, name, "must be an object, not %s", json_kind(call));
        TRY(fields_text(&one, "id", &id));
        TRY(fields_inside(&function, &one, "function", inside));
        TRY(fields_text(&function, "name", &called));
        if (called == NULL) return fields_wrong(&function, "name", "a string");
        const json_t *given = fields_get(&function, "arguments");
        char *dumped = json_is_object(given) ? json_dumps(given, JSON_COMPACT) : NULL;
        glass_status status =
            dumped == NULL ? fields_text(&function, "arguments", &arguments) : GLASS_OK;
        if (status == GLASS_OK)
            status = chat_add_call(c, id, called, dumped != NULL ? dumped : arguments);
        free(dumped);
        TRY(status);
    }
    return GLASS_OK;
}

static glass_status take_message(struct chat *c, const struct fields *f) {
    static const char *const roles[] = {"system",    "user",     "assistant", "tool",
                                        "developer", "function", NULL};
    int role = -1;
    const char *id = NULL, *name = NULL;
    struct buf text = {0};
    char path[320];
    TRY(fields_word(f, "role", &role, roles));
    if (role < 0) return fields_wrong(f, "role", "a string: system, user, assistant, tool");
    TRY(fields_text(f, "tool_call_id", &id));
    TRY(fields_text(f, "name", &name));
    snprintf(path, sizeof path, "%scontent", f->prefix);
    const json_t *content = fields_get(f, "content");
    if (content == NULL && role != 2)
        return fields_wrong(f, "content", "a string or a list");
    glass_status status = chat_text(f->x, path, content, &text);
    const char *data = text.data != NULL ? text.data : "";
    if (status == GLASS_OK && (role == 3 || role == 5))
        status = chat_add_result(c, id, name, data, text.len);
    else if (status == GLASS_OK)
        status = chat_add(c, role == 4 ? "system" : roles[role], data, text.len);
    if (status == GLASS_OK && role == 2) status = take_calls(c, f);
    buf_free(&text);
    return status;
}

static glass_status take_tool(struct chat *c, const struct fields *f) {
    static const char *const kinds[] = {"function", NULL};
    struct fields function;
    char path[256];
    int kind = 0;
    const char *name = NULL, *description = NULL;
    const json_t *parameters = NULL;
    TRY(fields_word(f, "type", &kind, kinds));
    TRY(fields_inside(&function, f, "function", path));
    if (function.json == NULL) function = *f; /* the responses API's flat form */
    TRY(fields_text(&function, "name", &name));
    if (name == NULL) return fields_wrong(&function, "name", "a string");
    TRY(fields_text(&function, "description", &description));
    TRY(fields_object(&function, "parameters", &parameters));
    char whole[320];
    snprintf(whole, sizeof whole, "%sname", function.prefix);
    return chat_add_tool(c, f->x, whole, name, description, parameters);
}

static glass_status take_choice(struct chat *c, const struct fields *f) {
    static const char *const words[] = {"auto", "none", "required", NULL};
    const json_t *value = fields_get(f, "tool_choice");
    int word = 0;
    if (!json_is_object(value)) {
        TRY(fields_word(f, "tool_choice", &word, words));
        c->choice = (enum tool_choice)word;
        if (word == CHOOSE_REQUIRED && c->tools == NULL)
            return bad_param(f->x, "tool_choice", "there are no tools to choose from");
        return GLASS_OK;
    }
    const json_t *function = json_object_get(value, "function");
    const json_t *name = json_object_get(function != NULL ? function : value, "name");
    c->choice = CHOOSE_NAMED;
    c->tool = json_string_value(name);
    for (size_t i = 0; c->tool != NULL && i < json_array_size(c->tools); i++) {
        json_t *tool = json_object_get(json_array_get(c->tools, i), "function");
        if (strcmp(json_string_value(json_object_get(tool, "name")), c->tool) == 0)
            return GLASS_OK;
    }
    return bad_param(f->x, "tool_choice", "names no tool of \"tools\"");
}

glass_status chat_take_tools(struct chat *c, const struct fields *f) {
    const json_t *list = NULL, *tool;
    bool parallel = true;
    size_t i;
    TRY(fields_bool(f, "parallel_tool_calls", &parallel));
    c->one_call = !parallel;
    TRY(fields_list(f, "tools", &list));
    json_array_foreach(list, i, tool) {
        char name[96];
        snprintf(name, sizeof name, "%stools[%zu].", f->prefix, i);
        struct fields one = {f->x, tool, name};
        if (!json_is_object(tool))
            return bad_param(f->x, name, "must be an object, not %s", json_kind(tool));
        TRY(take_tool(c, &one));
    }
    return take_choice(c, f);
}

glass_status chat_take_openai(struct chat *c, const struct fields *f) {
    const json_t *list = NULL, *message, *more = NULL;
    size_t i;
    TRY(fields_list(f, "messages", &list));
    if (json_array_size(list) == 0)
        return bad_param(f->x, "messages", "must be a list of at least one message");
    if (json_array_size(list) > MOST_MESSAGES)
        return bad_param(f->x, "messages", "more than %d messages", MOST_MESSAGES);
    json_array_foreach(list, i, message) {
        char name[64];
        snprintf(name, sizeof name, "messages[%zu].", i);
        struct fields one = {f->x, message, name};
        if (!json_is_object(message))
            return bad_param(f->x, name, "must be an object, not %s", json_kind(message));
        TRY(take_message(c, &one));
    }
    TRY(fields_object(f, "chat_template_kwargs", &more));
    if (more != NULL && (c->more = json_deep_copy(more)) == NULL) return no_memory();
    return chat_take_tools(c, f);
}

/* ---- the prompt ---- */

static bool has(const char *text, const char *part) {
    return text != NULL && strstr(text, part) != NULL;
}

static enum tool_style style_of(const char *source) {
    if (has(source, "<tool_call>")) return TOOLS_HERMES;
    if (has(source, "[TOOL_CALLS]")) return TOOLS_MISTRAL;
    if (has(source, "<|python_tag|>") || has(source, "\"parameters\": dictionary"))
        return TOOLS_LLAMA;
    return TOOLS_FORCED;
}

/* What models are told whose template says nothing of tools. */
static glass_status tell_tools(struct chat *c) {
    char *list = json_dumps(c->tools, JSON_COMPACT);
    struct buf text = {0};
    if (list == NULL) return no_memory();
    glass_status status = buf_printf(
        &text,
        "You can call functions. To call one, answer with JSON and nothing else: "
        "{\"name\": NAME, \"arguments\": {…}}. To answer in words: {\"response\": TEXT}. "
        "These are the functions:\n%s",
        list);
    free(list);
    json_t *first = json_array_get(c->messages, 0);
    const char *role = json_string_value(json_object_get(first, "role"));
    bool system = role != NULL && strcmp(role, "system") == 0;
    if (status == GLASS_OK && system) {
        json_t *content = json_object_get(first, "content");
        status = buf_text(&text, "\n\n");
        if (status == GLASS_OK)
            status =
                buf_append(&text, json_string_value(content), json_string_length(content));
    }
    if (status == GLASS_OK) {
        json_t *m =
            json_pack("{s:s,s:s%}", "role", "system", "content", text.data, text.len);
        int rc = system ? json_array_set_new(c->messages, 0, m)
                        : json_array_insert_new(c->messages, 0, m);
        if (m == NULL || rc != 0) status = no_memory();
    }
    buf_free(&text);
    return status;
}

static glass_status gbnf_literal(struct buf *b, const char *text) {
    TRY(buf_byte(b, '"'));
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\') TRY(buf_byte(b, '\\'));
        TRY(buf_byte(b, *c));
    }
    return buf_byte(b, '"');
}

/* call-0 ::= "{\"name\": \"f\", \"arguments\": " args-0 "}" for each tool that may be called */
static glass_status tool_rules(struct chat *c, struct buf *g, glass_grammar_schema *schemas,
                               char **texts, char (*names)[32], int64_t *n) {
    const char *key = c->style == TOOLS_LLAMA ? "parameters" : "arguments";
    json_t *tool;
    size_t i;
    struct buf open = {0};
    glass_status status = GLASS_OK;
    json_array_foreach(c->tools, i, tool) {
        json_t *f = json_object_get(tool, "function");
        const char *name = json_string_value(json_object_get(f, "name"));
        if (c->choice == CHOOSE_NAMED && strcmp(name, c->tool) != 0) continue;
        snprintf(names[*n], sizeof names[*n], "args%lld", (long long)*n);
        texts[*n] = json_dumps(json_object_get(f, "parameters"), JSON_COMPACT);
        if (texts[*n] == NULL) return no_memory();
        schemas[*n] = (glass_grammar_schema){names[*n], texts[*n], strlen(texts[*n])};
        buf_clear(&open);
        status = buf_printf(&open, "{\"name\": \"%s\", \"%s\": ", name, key);
        if (status == GLASS_OK) status = buf_printf(g, "call%lld ::= ", (long long)*n);
        if (status == GLASS_OK) status = gbnf_literal(g, open.data);
        if (status == GLASS_OK) status = buf_printf(g, " %s \"}\"\n", names[*n]);
        if (status != GLASS_OK) break;
        ++*n;
    }
    buf_free(&open);
    return status;
}

static glass_status tool_grammar(struct chat *c, struct ask *a) {
    glass_grammar_schema schemas[MOST_TOOLS + 1];
    char *texts[MOST_TOOLS] = {0}, names[MOST_TOOLS][32];
    int64_t n = 0;
    struct buf g = {0};
    glass_status status = tool_rules(c, &g, schemas, texts, names, &n);
    int64_t n_tools = n;
    if (status == GLASS_OK) status = buf_text(&g, "root ::= ");
    for (int64_t i = 0; status == GLASS_OK && i < n; i++)
        status = buf_printf(&g, "%scall%lld", i > 0 ? " | " : "", (long long)i);
    if (status == GLASS_OK && !c->forced) {
        status = buf_text(&g, " | \"{\\\"response\\\": \" words \"}\"");
        schemas[n++] = (glass_grammar_schema){"words", "{\"type\":\"string\"}", 17};
    }
    if (status == GLASS_OK) status = buf_byte(&g, '\n');
    /* Small models get lost in white space that nobody reads. */
    glass_grammar_options o = {
        .name = "tools", .compact = true, .schemas = schemas, .n_schemas = n};
    if (status == GLASS_OK) {
        glass_grammar_free(a->grammar);
        status = glass_grammar_from_gbnf(&a->grammar, a->tokenizer, g.data, g.len, &o);
        a->r.grammar = a->grammar;
    }
    if (status == GLASS_BAD_INPUT) {
        char text[800];
        snprintf(text, sizeof text, "%s", glass_error());
        status = bad_param(a->x, "tools", "%s", text);
    }
    for (int64_t i = 0; i < n_tools; i++) free(texts[i]);
    buf_free(&g);
    return status;
}

static glass_status set_token(json_t *v, const glass_tokenizer *t, const char *name,
                              int32_t id) {
    size_t n = 0;
    const char *piece = glass_tokenizer_piece(t, id, &n);
    int rc = json_object_set_new(v, name, json_stringn(piece != NULL ? piece : "", n));
    return rc == 0 ? GLASS_OK : no_memory();
}

static glass_status variables(const struct chat *c, const struct ask *a, char **out) {
    json_t *v = c->more != NULL ? json_copy(c->more) : json_object();
    glass_status status = v != NULL ? GLASS_OK : no_memory();
    if (status == GLASS_OK && json_object_set(v, "messages", c->messages) != 0)
        status = no_memory();
    if (status == GLASS_OK && c->tools != NULL && c->choice != CHOOSE_NONE &&
        json_object_set(v, "tools", c->tools) != 0)
        status = no_memory();
    if (status == GLASS_OK &&
        json_object_set_new(v, "add_generation_prompt", json_true()) != 0)
        status = no_memory();
    if (status == GLASS_OK)
        status = set_token(v, a->tokenizer, "bos_token", glass_tokenizer_bos(a->tokenizer));
    if (status == GLASS_OK)
        status = set_token(v, a->tokenizer, "eos_token", glass_tokenizer_eos(a->tokenizer));
    *out = status == GLASS_OK ? json_dumps(v, JSON_COMPACT) : NULL;
    json_decref(v);
    return status == GLASS_OK && *out == NULL ? no_memory() : status;
}

static glass_status render(struct chat *c, struct ask *a, glass_rendered *out) {
    const glass_template *tmpl;
    char *json;
    *out = (glass_rendered){0};
    if (json_array_size(c->messages) == 0)
        return bad_param(a->x, "messages", "hold nothing: no text, no call, no result");
    glass_status status = glass_model_template(a->model, &tmpl);
    if (status == GLASS_NEGATIVE)
        return fail(GLASS_BAD_INPUT,
                    "the model %s has no chat template: it completes text "
                    "(/v1/completions) but was not made to chat",
                    a->name);
    TRY(status);
    const char *source = glass_model_template_source(a->model);
    c->style = c->tools == NULL || c->choice == CHOOSE_NONE ? TOOLS_NONE : style_of(source);
    if (c->style == TOOLS_FORCED && !has(source, "tools")) TRY(tell_tools(c));
    c->forced = c->style != TOOLS_NONE && c->choice >= CHOOSE_REQUIRED;
    TRY(variables(c, a, &json));
    status = glass_template_render(tmpl, out, json, strlen(json), (int64_t)time(NULL));
    free(json);
    if (status != GLASS_BAD_INPUT) return status;
    char text[800];
    snprintf(text, sizeof text, "%s", glass_error());
    return bad_param(a->x, "messages", "the model's template refuses them: %s", text);
}

/* What a template would have the model write before a call. */
static const char *call_opening(const struct chat *c) {
    if (!c->forced) return "";
    if (c->style == TOOLS_HERMES) return "<tool_call>\n";
    return c->style == TOOLS_MISTRAL ? "[TOOL_CALLS]" : "";
}

glass_status chat_render(struct chat *c, struct ask *a, struct buf *out) {
    glass_rendered text;
    TRY(render(c, a, &text));
    glass_status status = buf_append(out, text.text, text.n_bytes);
    if (status == GLASS_OK) status = buf_text(out, call_opening(c));
    if (status == GLASS_OK && c->prefill != NULL) status = buf_text(out, c->prefill);
    glass_rendered_clear(&text);
    return status;
}

static glass_status add_ids(int32_t **ids, int64_t *n, const int32_t *more,
                            int64_t n_more) {
    glass_status status = mem_resize(ids, (size_t)(*n + n_more), sizeof **ids);
    if (status != GLASS_OK) {
        glass_free(*ids);
        *ids = NULL;
        return status;
    }
    memcpy(*ids + *n, more, (size_t)n_more * sizeof **ids);
    *n += n_more;
    return GLASS_OK;
}

/* The template's text, then the opening of a call (its own), then what was said already (a
 * person's). */
static glass_status encode(struct chat *c, struct ask *a, glass_rendered *text) {
    struct buf whole = {0};
    glass_span *plain = NULL;
    int32_t *ids = NULL;
    int64_t n_ids, n_plain = text->n_plain;
    glass_status status = buf_append(&whole, text->text, text->n_bytes);
    if (status == GLASS_OK) status = buf_text(&whole, call_opening(c));
    if (status == GLASS_OK)
        status = mem_alloc(&plain, (size_t)text->n_plain + 1, sizeof *plain);
    if (status == GLASS_OK && n_plain > 0)
        memcpy(plain, text->plain, (size_t)n_plain * sizeof *plain);
    if (status == GLASS_OK && c->prefill != NULL && c->n_prefill_ids == 0) {
        size_t n = strlen(c->prefill);
        bool touches = n_plain > 0 && plain[n_plain - 1].end == whole.len;
        if (touches)
            plain[n_plain - 1].end += n;
        else
            plain[n_plain++] = (glass_span){whole.len, whole.len + n};
        status = buf_text(&whole, c->prefill);
    }
    if (status == GLASS_OK)
        status =
            glass_tokenizer_encode_spans(a->tokenizer, &ids, &n_ids, whole.data, whole.len,
                                         plain, n_plain, GLASS_PARSE_SPECIAL);
    if (status == GLASS_OK && c->n_prefill_ids > 0)
        status = add_ids(&ids, &n_ids, c->prefill_ids, c->n_prefill_ids);
    if (status == GLASS_OK) status = ask_add_prompt(a, ids, n_ids);
    mem_free(plain);
    buf_free(&whole);
    return status;
}

glass_status chat_encode(struct chat *c, struct ask *a) {
    glass_rendered text;
    TRY(render(c, a, &text));
    glass_status status = encode(c, a, &text);
    glass_rendered_clear(&text);
    TRY(status);
    a->r.goes_on = c->prefill != NULL || c->n_prefill_ids > 0;
    if (c->style == TOOLS_FORCED || c->forced) return tool_grammar(c, a);
    return GLASS_OK;
}
