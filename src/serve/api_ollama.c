/* api_ollama.c - Ollama's API: generate, chat, embed. Its description:
 * https://github.com/ollama/ollama/blob/main/docs/api.md
 *
 * Streams are lines of JSON, times are nanoseconds. */
#include "serve/ollama.h"

#include "base/clock.h"
#include "serve/calls.h"
#include "serve/server.h"
#include "serve/wire.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

struct reply {
    struct exchange *x;
    struct ask ask;
    struct chat chat;
    bool stream, generate;
    double start, loaded;
    double keep_s;
    struct calls *calls;
    struct buf line, text, tools; /* tools: calls of a whole answer */
    int32_t *ids;                 /* generate: prompt and answer, "context" */
    int64_t n_ids, room;
};

void ollama_time(char out[40], double seconds) {
    struct timespec now = {(time_t)seconds, 0};
    struct tm parts;
    char text[24];
    if (seconds < 0) clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out, 40, "%s.%09ldZ", text, now.tv_nsec);
}

/* ---- fields ---- */

/* Go's durations: "5m", "1h30m", "300s", "-1"; or a number of seconds. */
static glass_status take_keep(struct reply *r, const struct fields *f) {
    const json_t *value = fields_get(f, "keep_alive");
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3},
                 {"s", 1},     {"m", 60},    {"h", 3600}};
    r->keep_s = NAN;
    if (value == NULL) return GLASS_OK;
    if (json_is_number(value)) {
        r->keep_s = json_number_value(value);
        return GLASS_OK;
    }
    if (!json_is_string(value))
        return fields_wrong(f, "keep_alive", "a duration such as \"5m\"");
    const char *at = json_string_value(value);
    double total = 0, sign = *at == '-' ? -1 : 1;
    at += *at == '-' || *at == '+';
    if (*at == '\0') return fields_wrong(f, "keep_alive", "a duration such as \"5m\"");
    while (*at != '\0') {
        char *end;
        if (*at != '.' && (*at < '0' || *at > '9'))
            return fields_wrong(f, "keep_alive", "a duration such as \"5m\"");
        double n = strtod(at, &end), unit = *end == '\0' ? 1 : 0;
        size_t length = strspn(end, "nushm");
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strlen(units[i].unit) == length && strncmp(end, units[i].unit, length) == 0)
                unit = units[i].seconds;
        if (unit == 0) return fields_wrong(f, "keep_alive", "a duration such as \"5m\"");
        total += n * unit;
        at = end + length;
    }
    r->keep_s = sign * total;
    return GLASS_OK;
}

static glass_status take_options(struct reply *r, const struct fields *f) {
    struct fields options;
    char path[256];
    int64_t ignored = 0;
    TRY(fields_inside(&options, f, "options", path));
    TRY(ask_sampling(&r->ask, &options, NAMES_OLLAMA));
    TRY(fields_int(&options, "num_predict", &r->ask.r.n_predict, -2, INT32_MAX));
    return fields_int(&options, "num_ctx", &ignored, 0, INT32_MAX);
}

static glass_status take_format(struct reply *r, const struct fields *f) {
    const json_t *format = fields_get(f, "format");
    if (format == NULL || (json_is_string(format) && json_string_length(format) == 0))
        return GLASS_OK;
    if (r->chat.style != TOOLS_NONE)
        return bad_param(r->x, "format", "cannot be had together with tools");
    if (json_is_string(format) && strcmp(json_string_value(format), "json") == 0)
        return ask_json_object(&r->ask);
    if (!json_is_object(format))
        return fields_wrong(f, "format", "\"json\" or a JSON schema");
    return ask_schema(&r->ask, "format", format);
}

static glass_status take_thinking(struct reply *r, const struct fields *f) {
    const json_t *think = fields_get(f, "think");
    if (think == NULL) return GLASS_OK;
    if (!json_is_boolean(think) && !json_is_string(think))
        return fields_wrong(f, "think", "true or false");
    r->chat.more = json_pack("{s:b}", "enable_thinking", !json_is_false(think));
    return r->chat.more != NULL ? GLASS_OK
                                : fail(GLASS_NO_MEMORY, "no memory for \"think\"");
}

static glass_status no_images(struct reply *r, const struct fields *f) {
    char path[300];
    const json_t *list = NULL;
    TRY(fields_list(f, "images", &list));
    snprintf(path, sizeof path, "%simages", f->prefix);
    if (json_array_size(list) == 0) return GLASS_OK;
    return bad_param(r->x, path, "this model reads text only");
}

static glass_status open_reply(struct reply *r, struct exchange *x,
                               const struct fields *f) {
    r->x = x;
    r->start = clock_now();
    r->stream = true;
    TRY(take_keep(r, f));
    TRY(ask_open(&r->ask, x, f, r->keep_s));
    r->loaded = clock_now();
    TRY(fields_bool(f, "stream", &r->stream));
    return take_options(r, f);
}

/* ---- lines ---- */

static glass_status begin_line(struct reply *r) {
    char when[40];
    ollama_time(when, -1);
    buf_clear(&r->line);
    TRY(buf_text(&r->line, "{\"model\":"));
    TRY(wire_string(&r->line, r->ask.name));
    return buf_printf(&r->line, ",\"created_at\":\"%s\",", when);
}

static glass_status put_text(struct reply *r, const char *text, size_t n) {
    TRY(buf_text(&r->line, r->generate
                               ? "\"response\":"
                               : "\"message\":{\"role\":\"assistant\",\"content\":"));
    TRY(buf_json_string(&r->line, text, n));
    if (!r->generate && r->tools.len > 0) {
        TRY(buf_text(&r->line, ",\"tool_calls\":["));
        TRY(buf_append(&r->line, r->tools.data, r->tools.len));
        TRY(buf_byte(&r->line, ']'));
        buf_clear(&r->tools);
    }
    return r->generate ? GLASS_OK : buf_byte(&r->line, '}');
}

static glass_status send_line(struct reply *r) {
    TRY(buf_byte(&r->line, '\n'));
    return reply_write(r->x, r->line.data, r->line.len);
}

static glass_status send_piece(struct reply *r, const char *text, size_t n) {
    TRY(begin_line(r));
    TRY(put_text(r, text, n));
    TRY(buf_text(&r->line, ",\"done\":false}"));
    return send_line(r);
}

static glass_status on_text(void *context, const char *text, size_t n) {
    struct reply *r = context;
    return r->stream ? send_piece(r, text, n) : buf_append(&r->text, text, n);
}

static glass_status on_call(void *context, int i, const char *name, const char *arguments) {
    struct reply *r = context;
    struct buf *b = &r->tools;
    if (b->len > 0) TRY(buf_byte(b, ','));
    TRY(buf_text(b, "{\"id\":\""));
    TRY(wire_id(b, "call_"));
    TRY(buf_printf(b, "\",\"function\":{\"index\":%d,\"name\":", i));
    TRY(wire_string(b, name));
    TRY(buf_printf(b, ",\"arguments\":%s}}", arguments));
    return r->stream ? send_piece(r, "", 0) : GLASS_OK;
}

static glass_status put_context(struct reply *r) {
    TRY(buf_text(&r->line, ",\"context\":["));
    for (int64_t i = 0; i < r->n_ids; i++)
        TRY(buf_printf(&r->line, "%s%d", i > 0 ? "," : "", r->ids[i]));
    return buf_byte(&r->line, ']');
}

static long long nanoseconds(double seconds) {
    return (long long)(1e9 * seconds);
}

static glass_status last_line(struct reply *r, const struct ask_event *e) {
    const char *reason = wire_finish(e->end);
    TRY(begin_line(r));
    TRY(put_text(r, r->stream || r->text.data == NULL ? "" : r->text.data,
                 r->stream ? 0 : r->text.len));
    TRY(buf_printf(&r->line, ",\"done\":true,\"done_reason\":\"%s\"", reason));
    if (r->generate) TRY(put_context(r));
    return buf_printf(
        &r->line,
        ",\"total_duration\":%lld,\"load_duration\":%lld,\"prompt_eval_count\":"
        "%lld,\"prompt_eval_duration\":%lld,\"eval_count\":%lld,"
        "\"eval_duration\":%lld}",
        nanoseconds(clock_now() - r->start), nanoseconds(r->loaded - r->start),
        (long long)e->n_prompt, nanoseconds(e->prompt_s), (long long)e->n_answer,
        nanoseconds(e->answer_s));
}

/* Loading or unloading only: what an empty prompt asks for. */
static glass_status reply_loaded(struct reply *r) {
    bool unload = r->keep_s == 0;
    TRY(begin_line(r));
    TRY(put_text(r, "", 0));
    TRY(buf_printf(&r->line, ",\"done\":true,\"done_reason\":\"%s\"}",
                   unload ? "unload" : "load"));
    if (unload) models_unload(server_models(exchange_server(r->x)), r->ask.name);
    return reply_bytes(r->x, 200, "application/json", r->line.data, r->line.len);
}

/* ---- answers ---- */

static glass_status remember_token(struct reply *r, int32_t id) {
    if (!r->generate) return GLASS_OK;
    if (r->n_ids == r->room) {
        r->room = 2 * r->room + 256;
        TRY(mem_resize(&r->ids, (size_t)r->room, sizeof *r->ids));
    }
    r->ids[r->n_ids++] = id;
    return GLASS_OK;
}

static glass_status on_end(struct reply *r, const struct ask_event *e) {
    TRY(ask_failed(r->x, e));
    TRY(calls_end(r->calls, e->text, e->n_text));
    TRY(last_line(r, e));
    if (!r->stream)
        return reply_bytes(r->x, 200, "application/json", r->line.data, r->line.len);
    TRY(send_line(r));
    return reply_end(r->x);
}

static glass_status run(struct reply *r) {
    const struct ask_event *e;
    bool silent;
    for (;;) {
        TRY(ask_next(&r->ask, &e, 1, &silent));
        if (e == NULL && !silent) return GLASS_OK;
        if (e == NULL || e->kind == JOB_PROMPT) continue;
        if (e->kind == JOB_END) {
            TRY(on_end(r, e));
            continue;
        }
        TRY(remember_token(r, e->token.id));
        TRY(calls_take(r->calls, e->token.id, e->text, e->n_text));
    }
}

static glass_status answer(struct reply *r) {
    const struct calls_sink sink = {.text = on_text, .call = on_call, .context = r};
    const struct ask_prompt *p = &r->ask.prompts[0];
    TRY(calls_create(&r->calls, &r->chat, r->ask.tokenizer, &sink));
    for (int64_t i = 0; i < p->n; i++) TRY(remember_token(r, p->ids[i]));
    TRY(ask_submit(&r->ask));
    if (r->stream) TRY(reply_begin(r->x, 200, "application/x-ndjson"));
    return run(r);
}

static glass_status finish(struct reply *r, glass_status status) {
    if (status != GLASS_OK && status != GLASS_CANCELLED && exchange_begun(r->x) &&
        r->stream) {
        char message[600];
        snprintf(message, sizeof message, "%s", glass_error());
        buf_clear(&r->line);
        if (buf_text(&r->line, "{\"error\":") == GLASS_OK &&
            wire_string(&r->line, message) == GLASS_OK &&
            buf_byte(&r->line, '}') == GLASS_OK)
            send_line(r);
    }
    calls_free(r->calls);
    ask_close(&r->ask);
    chat_clear(&r->chat);
    buf_free(&r->line);
    buf_free(&r->text);
    buf_free(&r->tools);
    mem_free(r->ids);
    return status;
}

/* ---- generate ---- */

static glass_status take_context(struct reply *r, const struct fields *f, int32_t **ids,
                                 int64_t *n) {
    const json_t *list = NULL, *item;
    size_t i;
    *ids = NULL;
    *n = 0;
    TRY(fields_list(f, "context", &list));
    TRY(mem_alloc(ids, json_array_size(list), sizeof **ids));
    json_array_foreach(list, i, item) {
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < 0 || id >= r->ask.n_vocab)
            return bad_param(r->x, "context", "[%zu] is no token of this model", i);
        (*ids)[(*n)++] = (int32_t)id;
    }
    return GLASS_OK;
}

/* The ids of an earlier answer go before the new prompt. */
static glass_status put_before(struct ask *a, const int32_t *ids, int64_t n) {
    struct ask_prompt *p = &a->prompts[0];
    int32_t *joined;
    if (n == 0) return GLASS_OK;
    TRY(mem_alloc(&joined, (size_t)(n + p->n), sizeof *joined));
    memcpy(joined, ids, (size_t)n * sizeof *joined);
    memcpy(joined + n, p->ids, (size_t)p->n * sizeof *joined);
    glass_free(p->ids);
    *p = (struct ask_prompt){joined, n + p->n};
    return GLASS_OK;
}

struct generate_fields {
    const char *prompt, *suffix, *system, *template;
    size_t n_prompt, n_suffix, n_system, n_template;
    bool raw;
};

static glass_status infill_prompt(struct reply *r, const struct generate_fields *g) {
    glass_infill infill;
    glass_status status = glass_infill_tokens(&infill, r->ask.tokenizer, g->prompt,
                                              g->n_prompt, g->suffix, g->n_suffix, NULL);
    if (status == GLASS_BAD_INPUT) {
        char text[600];
        snprintf(text, sizeof text, "%s", glass_error());
        return bad_param(r->x, "suffix", "%s", text);
    }
    TRY(status);
    int32_t *ids = infill.ids;
    infill.ids = NULL;
    r->ask.r.infill = r->ask.r.goes_on = true;
    status = ask_add_prompt(&r->ask, ids, infill.n);
    glass_infill_clear(&infill);
    return status;
}

static glass_status make_prompt(struct reply *r, const struct generate_fields *g) {
    if (g->n_suffix > 0) return infill_prompt(r, g);
    bool plain = g->raw || glass_model_template_source(r->ask.model) == NULL;
    if (plain) {
        r->ask.r.goes_on = true;
        return ask_add_text(&r->ask, g->prompt, g->n_prompt,
                            GLASS_ADD_SPECIAL | GLASS_PARSE_SPECIAL);
    }
    if (g->n_system > 0) TRY(chat_add(&r->chat, "system", g->system, g->n_system));
    TRY(chat_add(&r->chat, "user", g->prompt, g->n_prompt));
    return chat_encode(&r->chat, &r->ask);
}

static glass_status generate_answer(struct reply *r, const struct fields *f) {
    struct generate_fields g = {0};
    int32_t *before = NULL;
    int64_t n_before;
    TRY(fields_bytes(f, "prompt", &g.prompt, &g.n_prompt));
    TRY(fields_bytes(f, "suffix", &g.suffix, &g.n_suffix));
    TRY(fields_bytes(f, "system", &g.system, &g.n_system));
    TRY(fields_bytes(f, "template", &g.template, &g.n_template));
    TRY(fields_bool(f, "raw", &g.raw));
    TRY(no_images(r, f));
    TRY(take_thinking(r, f));
    if (g.n_template > 0)
        return bad_param(r->x, "template",
                         "the model's own template is used; with \"raw\": "
                         "true none is");
    TRY(take_format(r, f));
    glass_status status = take_context(r, f, &before, &n_before);
    if (status == GLASS_OK && g.n_prompt == 0) {
        mem_free(before);
        return reply_loaded(r);
    }
    if (status == GLASS_OK) status = make_prompt(r, &g);
    if (status == GLASS_OK) status = put_before(&r->ask, before, n_before);
    mem_free(before);
    TRY(status);
    return answer(r);
}

static glass_status generate(struct exchange *x) {
    struct reply r = {.generate = true};
    struct fields f;
    TRY(fields_of_body(&f, x));
    glass_status status = open_reply(&r, x, &f);
    if (status == GLASS_OK) status = generate_answer(&r, &f);
    return finish(&r, status);
}

/* ---- chat ---- */

static glass_status chat_answer(struct reply *r, const struct fields *f) {
    const json_t *messages = NULL, *message;
    size_t i;
    TRY(fields_list(f, "messages", &messages));
    if (json_array_size(messages) == 0) {
        TRY(chat_take_tools(&r->chat, f));
        TRY(take_thinking(r, f));
        TRY(take_format(r, f));
        return reply_loaded(r);
    }
    json_array_foreach(messages, i, message) {
        char name[64];
        snprintf(name, sizeof name, "messages[%zu].", i);
        struct fields one = {r->x, message, name};
        if (json_is_object(message)) TRY(no_images(r, &one));
    }
    TRY(chat_take_openai(&r->chat, f));
    json_decref(r->chat.more);
    r->chat.more = NULL;
    TRY(take_thinking(r, f));
    TRY(chat_take_prefill(&r->chat));
    TRY(chat_encode(&r->chat, &r->ask));
    TRY(take_format(r, f));
    return answer(r);
}

static glass_status chat(struct exchange *x) {
    struct reply r = {0};
    struct fields f;
    TRY(fields_of_body(&f, x));
    glass_status status = open_reply(&r, x, &f);
    if (status == GLASS_OK) status = chat_answer(&r, &f);
    return finish(&r, status);
}

/* ---- embeddings ---- */

static glass_status put_vector(struct reply *r, struct buf *b, const struct ask_event *e) {
    TRY(ask_failed(r->x, e));
    for (int64_t i = 0; i < e->n_embd; i++)
        TRY(buf_printf(b, "%c%.9g", i > 0 ? ',' : '[', (double)e->embedding[i]));
    return buf_byte(b, ']');
}

static glass_status add_input(struct reply *r, const char *path, const json_t *value,
                              bool truncate) {
    struct sched_stats stats;
    if (!json_is_string(value))
        return bad_param(r->x, path, "must be a string, not %s", json_kind(value));
    TRY(ask_add_text(&r->ask, json_string_value(value), json_string_length(value),
                     GLASS_ADD_SPECIAL));
    struct ask_prompt *p = &r->ask.prompts[r->ask.n_prompts - 1];
    sched_get_stats(served_sched(r->ask.served), &stats);
    /* Only where the request says so by itself. */
    if (truncate && p->n > stats.n_ctx) p->n = stats.n_ctx;
    return GLASS_OK;
}

static glass_status take_inputs(struct reply *r, const struct fields *f, const char *name) {
    const json_t *value = fields_get(f, name), *item;
    bool truncate = false;
    char path[64];
    size_t i;
    glass_model_info info;
    glass_model_get_info(r->ask.model, &info);
    int64_t n_dim = info.n_embd;
    TRY(fields_bool(f, "truncate", &truncate));
    TRY(fields_int(f, "dimensions", &n_dim, 1, INT32_MAX));
    if (n_dim != info.n_embd)
        return bad_param(r->x, "dimensions", "the model's embeddings have %lld",
                         (long long)info.n_embd);
    if (value == NULL) return fields_wrong(f, name, "a string or a list of strings");
    if (!json_is_array(value)) return add_input(r, name, value, truncate);
    if (json_array_size(value) > ASK_PROMPTS)
        return bad_param(r->x, name, "at most %d texts are possible", ASK_PROMPTS);
    json_array_foreach(value, i, item) {
        snprintf(path, sizeof path, "%s[%zu]", name, i);
        TRY(add_input(r, path, item, truncate));
    }
    return GLASS_OK;
}

static glass_status run_embed(struct reply *r, struct buf *vectors, int64_t *n_tokens) {
    const struct ask_event *e;
    bool silent;
    *n_tokens = 0;
    r->ask.r.embed = true;
    r->ask.r.n_predict = 0;
    TRY(ask_submit(&r->ask));
    do {
        TRY(ask_next(&r->ask, &e, 1, &silent));
        if (e == NULL || e->kind != JOB_END) continue;
        *n_tokens += e->n_prompt;
        TRY(put_vector(r, &vectors[e->job], e));
    } while (e != NULL || silent);
    return GLASS_OK;
}

static glass_status reply_vectors(struct reply *r, const struct buf *vectors, bool old,
                                  int64_t n_tokens) {
    struct buf *b = &r->line;
    buf_clear(b);
    TRY(buf_byte(b, '{'));
    if (!old) {
        TRY(buf_text(b, "\"model\":"));
        TRY(wire_string(b, r->ask.name));
        TRY(buf_byte(b, ','));
    }
    TRY(buf_text(b, old ? "\"embedding\":" : "\"embeddings\":["));
    for (int64_t i = 0; i < r->ask.n_prompts; i++) {
        if (i > 0) TRY(buf_byte(b, ','));
        TRY(buf_append(b, vectors[i].data, vectors[i].len));
    }
    if (!old)
        TRY(buf_printf(b,
                       "],\"total_duration\":%lld,\"load_duration\":%lld,"
                       "\"prompt_eval_count\":%lld",
                       nanoseconds(clock_now() - r->start),
                       nanoseconds(r->loaded - r->start), (long long)n_tokens));
    TRY(buf_byte(b, '}'));
    return reply_bytes(r->x, 200, "application/json", b->data, b->len);
}

static glass_status embed_with(struct exchange *x, bool old) {
    struct reply r = {0};
    struct fields f;
    struct buf *vectors = NULL;
    int64_t n_tokens = 0;
    TRY(fields_of_body(&f, x));
    glass_status status = open_reply(&r, x, &f);
    if (status == GLASS_OK) status = take_inputs(&r, &f, old ? "prompt" : "input");
    if (status == GLASS_OK && old && r.ask.n_prompts != 1)
        status = bad_param(x, "prompt", "must be a string");
    if (status == GLASS_OK)
        status = mem_alloc_zero(&vectors, (size_t)r.ask.n_prompts, sizeof *vectors);
    int64_t n = vectors != NULL ? r.ask.n_prompts : 0;
    if (status == GLASS_OK && n > 0) status = run_embed(&r, vectors, &n_tokens);
    if (status == GLASS_OK) status = reply_vectors(&r, vectors, old, n_tokens);
    for (int64_t i = 0; i < n; i++) buf_free(&vectors[i]);
    mem_free(vectors);
    r.stream = false;
    return finish(&r, status);
}

static glass_status embed(struct exchange *x) {
    return embed_with(x, false);
}

static glass_status embed_old(struct exchange *x) {
    return embed_with(x, true);
}

const struct route routes_ollama[] = {
    {"GET", "/api/version", false, SHAPE_OLLAMA, ollama_version, false},
    {"GET", "/api/tags", true, SHAPE_OLLAMA, ollama_tags, false},
    {"GET", "/api/ps", false, SHAPE_OLLAMA, ollama_ps, false},
    {"POST", "/api/show", false, SHAPE_OLLAMA, ollama_show, false},
    {"POST", "/api/generate", false, SHAPE_OLLAMA, generate, false},
    {"POST", "/api/chat", false, SHAPE_OLLAMA, chat, false},
    {"POST", "/api/embed", false, SHAPE_OLLAMA, embed, false},
    {"POST", "/api/embeddings", false, SHAPE_OLLAMA, embed_old, false},
    {"POST", "/api/pull", false, SHAPE_OLLAMA, ollama_pull, false},
    {"DELETE", "/api/delete", false, SHAPE_OLLAMA, ollama_delete, false},
    {NULL, NULL, false, SHAPE_OLLAMA, NULL, false}};
