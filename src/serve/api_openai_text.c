/* api_openai_text.c - OpenAI's API for texts: completions, with what evaluation harnesses send
 * (echo, logprobs, prompts as token ids), and embeddings. */
#include "serve/server.h"
#include "serve/wire.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

/* ---- prompts: a string, strings, token ids, lists of token ids ---- */

static glass_status take_ids(struct ask *a, const char *name, const json_t *list) {
    int32_t *ids;
    const json_t *item;
    size_t i;
    TRY(mem_alloc(&ids, json_array_size(list), sizeof *ids));
    json_array_foreach(list, i, item) {
        json_int_t id = json_integer_value(item);
        if (json_is_integer(item) && id >= 0 && id < a->n_vocab) {
            ids[i] = (int32_t)id;
            continue;
        }
        mem_free(ids);
        return bad_param(a->x, name, "[%zu] is no token id: 0 to %lld are", i,
                         (long long)a->n_vocab - 1);
    }
    return ask_add_prompt(a, ids, (int64_t)json_array_size(list));
}

static glass_status take_one(struct ask *a, const char *name, const json_t *value) {
    if (json_is_array(value)) return take_ids(a, name, value);
    if (!json_is_string(value))
        return bad_param(a->x, name, "must be a string or a list of token ids, not %s",
                         json_kind(value));
    glass_status status =
        ask_add_text(a, json_string_value(value), json_string_length(value),
                     GLASS_ADD_SPECIAL | GLASS_PARSE_SPECIAL);
    if (status != GLASS_BAD_INPUT) return status;
    return bad_param(a->x, name, "is empty, and the model begins no text by itself");
}

static glass_status take_prompts(struct ask *a, const struct fields *f, const char *name) {
    const json_t *value = fields_get(f, name), *item;
    char path[64];
    size_t i;
    if (value == NULL) return fields_wrong(f, name, "a string, strings, or token ids");
    bool many = json_is_array(value) && !json_is_integer(json_array_get(value, 0));
    if (!many) return take_one(a, name, value);
    if (json_array_size(value) == 0 || json_array_size(value) > ASK_PROMPTS)
        return bad_param(a->x, name, "must hold 1 to %d prompts", ASK_PROMPTS);
    json_array_foreach(value, i, item) {
        snprintf(path, sizeof path, "%s[%zu]", name, i);
        TRY(take_one(a, path, item));
    }
    return GLASS_OK;
}

/* ---- completions ---- */

struct text_choice {
    struct buf text, tokens, values, tops, offsets;
    int64_t n_characters, n_listed;
    struct marks marks; /* in tokens, values, tops, offsets */
    size_t n_told;      /* bytes of the answer's text */
    const char *finish;
    bool echoed;
};

struct completion {
    struct exchange *x;
    struct ask ask;
    bool stream, usage, echo;
    int64_t top; /* -1: no log-probabilities */
    int64_t n_predict;
    struct buf head, chunk;
    struct text_choice *choices; /* (n_jobs) */
    int64_t n_jobs;
    int64_t n_prompt, n_cached, n_answer;
    struct heartbeat heartbeat;
};

static glass_status take_suffix(struct completion *t, const struct fields *f) {
    const char *suffix = NULL, *prompt = NULL;
    size_t n_suffix = 0, n_prompt = 0;
    glass_infill infill;
    TRY(fields_bytes(f, "suffix", &suffix, &n_suffix));
    if (suffix == NULL || n_suffix == 0) return take_prompts(&t->ask, f, "prompt");
    TRY(fields_bytes(f, "prompt", &prompt, &n_prompt));
    if (prompt == NULL)
        return fields_wrong(f, "prompt", "a string, since there is a suffix");
    glass_status status = glass_infill_tokens(&infill, t->ask.tokenizer, prompt, n_prompt,
                                              suffix, n_suffix, NULL);
    if (status == GLASS_BAD_INPUT) {
        char text[600];
        snprintf(text, sizeof text, "%s", glass_error());
        return bad_param(t->x, "suffix", "%s", text);
    }
    TRY(status);
    t->ask.r.infill = true;
    int32_t *ids = infill.ids;
    infill.ids = NULL;
    status = ask_add_prompt(&t->ask, ids, infill.n);
    glass_infill_clear(&infill);
    return status;
}

static glass_status take_logprobs(struct completion *t, const struct fields *f) {
    const json_t *value = fields_get(f, "logprobs");
    t->top = -1;
    if (json_is_false(value)) return GLASS_OK;
    if (json_is_true(value)) {
        t->top = 0;
        TRY(fields_int(f, "top_logprobs", &t->top, 0, ASK_TOP));
    } else {
        TRY(fields_int(f, "logprobs", &t->top, 0, ASK_TOP));
    }
    t->ask.r.logprobs = t->top >= 0;
    t->ask.r.n_top = t->top > 0 ? (int)t->top : 0;
    t->ask.r.prompt_logprobs = t->top >= 0 && t->echo;
    return GLASS_OK;
}

static glass_status take_fields(struct completion *t, const struct fields *f) {
    struct fields options;
    char path[256];
    int64_t best = 1;
    const char *grammar = NULL;
    size_t n_grammar = 0;
    TRY(ask_open(&t->ask, t->x, f, NAN));
    TRY(ask_sampling(&t->ask, f, NAMES_OPENAI));
    t->ask.r.n_predict = 16; /* OpenAI's */
    TRY(fields_int(f, "max_tokens", &t->ask.r.n_predict, -1, INT32_MAX));
    TRY(fields_int(f, "max_completion_tokens", &t->ask.r.n_predict, -1, INT32_MAX));
    TRY(fields_int(f, "n", &t->ask.n_choices, 1, ASK_CHOICES));
    TRY(fields_int(f, "best_of", &best, 1, ASK_CHOICES));
    if (best > t->ask.n_choices)
        return bad_param(t->x, "best_of", "more answers than n are not made");
    TRY(fields_bool(f, "echo", &t->echo));
    TRY(fields_bool(f, "stream", &t->stream));
    TRY(fields_inside(&options, f, "stream_options", path));
    TRY(fields_bool(&options, "include_usage", &t->usage));
    TRY(take_logprobs(t, f));
    TRY(fields_bytes(f, "grammar", &grammar, &n_grammar));
    if (grammar != NULL) TRY(ask_gbnf(&t->ask, "grammar", grammar, n_grammar));
    const json_t *schema = fields_get(f, "json_schema");
    if (schema != NULL) TRY(ask_schema(&t->ask, "json_schema", schema));
    t->ask.r.goes_on = true;
    t->n_predict = t->ask.r.n_predict;
    return take_suffix(t, f);
}

static glass_status make_head(struct completion *t) {
    char print[24];
    wire_fingerprint(print, &t->ask);
    TRY(buf_text(&t->head, "{\"id\":\""));
    TRY(wire_id(&t->head, "cmpl-"));
    TRY(buf_printf(&t->head,
                   "\",\"object\":\"text_completion\",\"created\":%lld,\"model\":",
                   (long long)time(NULL)));
    TRY(wire_string(&t->head, t->ask.name));
    return buf_printf(&t->head, ",\"system_fingerprint\":\"%s\",", print);
}

/* ---- log-probabilities in the old form: four lists ---- */

static glass_status add_top(struct completion *t, struct text_choice *c,
                            const struct ask_event *e) {
    if (t->top == 0 || e->n_top == 0) return buf_text(&c->tops, "null");
    TRY(buf_byte(&c->tops, '{'));
    for (int64_t i = 0; i < e->n_top; i++) {
        char *text;
        size_t n;
        TRY(ask_token_text(&t->ask, e->top[i].id, &text, &n));
        glass_status status = i > 0 ? buf_byte(&c->tops, ',') : GLASS_OK;
        if (status == GLASS_OK) status = buf_json_string(&c->tops, text, n);
        glass_free(text);
        if (status == GLASS_OK) status = buf_byte(&c->tops, ':');
        TRY(status);
        TRY(wire_logprob(&c->tops, (double)e->top[i].logprob));
    }
    return buf_byte(&c->tops, '}');
}

static glass_status add_token(struct completion *t, struct text_choice *c,
                              const struct ask_event *e) {
    char *text;
    size_t n;
    if (t->top < 0) return GLASS_OK;
    struct buf *lists[] = {&c->tokens, &c->values, &c->tops, &c->offsets};
    size_t at[4];
    for (int i = 0; i < 4; i++) at[i] = lists[i]->len;
    for (int i = 0; i < 4 && c->n_listed > 0; i++) TRY(buf_byte(lists[i], ','));
    c->n_listed++;
    TRY(ask_token_text(&t->ask, e->token.id, &text, &n));
    glass_status status = e->kind == JOB_TOKEN ? marks_add(&c->marks, n, at) : GLASS_OK;
    if (status == GLASS_OK) status = buf_json_string(&c->tokens, text, n);
    if (status == GLASS_OK)
        status = buf_printf(&c->offsets, "%lld", (long long)c->n_characters);
    c->n_characters += wire_characters(text, n);
    glass_free(text);
    TRY(status);
    if (isnan(e->token.logprob)) {
        TRY(buf_text(&c->values, "null"));
        return buf_text(&c->tops, "null");
    }
    TRY(wire_logprob(&c->values, (double)e->token.logprob));
    return add_top(t, c, e);
}

static glass_status put_list(struct buf *b, const char *name, struct buf *list) {
    TRY(buf_printf(b, "\"%s\":[", name));
    if (list->len > 0) TRY(buf_append(b, list->data, list->len));
    buf_clear(list);
    return buf_byte(b, ']');
}

static glass_status put_logprobs(struct completion *t, struct text_choice *c,
                                 struct buf *b) {
    TRY(buf_text(b, "\"logprobs\":"));
    if (t->top < 0) return buf_text(b, "null");
    c->n_listed = c->marks.n = 0;
    TRY(buf_byte(b, '{'));
    TRY(put_list(b, "tokens", &c->tokens));
    TRY(buf_byte(b, ','));
    TRY(put_list(b, "token_logprobs", &c->values));
    TRY(buf_byte(b, ','));
    TRY(put_list(b, "top_logprobs", &c->tops));
    TRY(buf_byte(b, ','));
    TRY(put_list(b, "text_offset", &c->offsets));
    return buf_byte(b, '}');
}

static glass_status put_choice(struct completion *t, int64_t i, struct buf *b) {
    struct text_choice *c = &t->choices[i];
    TRY(buf_printf(b, "{\"index\":%lld,\"text\":", (long long)i));
    TRY(buf_json_string(b, c->text.data != NULL ? c->text.data : "", c->text.len));
    buf_clear(&c->text);
    TRY(buf_byte(b, ','));
    TRY(put_logprobs(t, c, b));
    TRY(buf_text(b, ",\"finish_reason\":"));
    TRY(c->finish != NULL ? wire_string(b, c->finish) : buf_text(b, "null"));
    return buf_byte(b, '}');
}

/* ---- events ---- */

static glass_status send_chunk(struct completion *t, int64_t i) {
    struct buf *b = &t->chunk;
    buf_clear(b);
    TRY(buf_append(b, t->head.data, t->head.len));
    TRY(buf_text(b, "\"choices\":["));
    TRY(put_choice(t, i, b));
    TRY(buf_text(b, t->usage ? "],\"usage\":null}" : "]}"));
    return wire_event(t->x, b);
}

/* The prompt's text goes before the answer's. */
static glass_status echo(struct completion *t, int64_t i) {
    const struct ask_prompt *p = &t->ask.prompts[i / t->ask.n_choices];
    struct text_choice *c = &t->choices[i];
    char *text;
    size_t n;
    if (!t->echo || c->echoed) return GLASS_OK;
    c->echoed = true;
    int64_t from = p->n > 0 && p->ids[0] == glass_tokenizer_bos(t->ask.tokenizer) &&
                           glass_tokenizer_adds_bos(t->ask.tokenizer)
                       ? 1
                       : 0;
    TRY(glass_tokenizer_decode(t->ask.tokenizer, &text, &n, p->ids + from, p->n - from,
                               GLASS_SHOW_SPECIAL));
    glass_status status = buf_append(&c->text, text, n);
    if (t->top < 0 || !t->ask.r.prompt_logprobs)
        c->n_characters += wire_characters(text, n);
    glass_free(text);
    return status;
}

/* Tokens of which nothing was told, because a stop text begins before them. */
static void cut_logprobs(struct text_choice *c) {
    const size_t *at = marks_cut(&c->marks, c->n_told);
    struct buf *lists[] = {&c->tokens, &c->values, &c->tops, &c->offsets};
    for (int i = 0; at != NULL && i < 4; i++) lists[i]->len = at[i];
}

static glass_status on_end(struct completion *t, const struct ask_event *e) {
    struct text_choice *c = &t->choices[e->job];
    TRY(ask_failed(t->x, e));
    TRY(echo(t, e->job));
    TRY(buf_append(&c->text, e->text, e->n_text));
    c->n_told += e->n_text;
    if (e->end == JOB_STOP) cut_logprobs(c);
    c->finish = wire_finish(e->end);
    if (e->job % t->ask.n_choices == 0) {
        t->n_prompt += e->n_prompt;
        t->n_cached += e->n_cached;
    }
    t->n_answer += e->n_answer;
    return t->stream ? send_chunk(t, e->job) : GLASS_OK;
}

static glass_status on_event(struct completion *t, const struct ask_event *e) {
    struct text_choice *c = &t->choices[e->job];
    if (e->kind == JOB_END) return on_end(t, e);
    if (e->kind == JOB_PROMPT) {
        if (t->ask.r.prompt_logprobs) return add_token(t, c, e);
        return t->stream ? wire_heartbeat(&t->heartbeat, t->x, e) : GLASS_OK;
    }
    TRY(echo(t, e->job));
    TRY(add_token(t, c, e));
    TRY(buf_append(&c->text, e->text, e->n_text));
    c->n_told += e->n_text;
    return t->stream && c->text.len > 0 ? send_chunk(t, e->job) : GLASS_OK;
}

static glass_status run(struct completion *t) {
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

static glass_status reply_whole(struct completion *t) {
    struct buf *b = &t->chunk;
    buf_clear(b);
    TRY(buf_append(b, t->head.data, t->head.len));
    TRY(buf_text(b, "\"choices\":["));
    for (int64_t i = 0; i < t->n_jobs; i++) {
        if (i > 0) TRY(buf_byte(b, ','));
        TRY(put_choice(t, i, b));
    }
    TRY(buf_text(b, "],"));
    TRY(wire_usage(b, t->n_prompt, t->n_cached, t->n_answer));
    TRY(buf_byte(b, '}'));
    return reply_bytes(t->x, 200, "application/json", b->data, b->len);
}

static glass_status finish_stream(struct completion *t) {
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

static glass_status answer(struct completion *t, const struct fields *f) {
    TRY(take_fields(t, f));
    TRY(make_head(t));
    t->n_jobs = t->ask.n_prompts * t->ask.n_choices;
    if (t->n_jobs > ASK_PROMPTS)
        return bad_param(t->x, "n", "at most %d answers in all are possible", ASK_PROMPTS);
    TRY(mem_alloc_zero(&t->choices, (size_t)t->n_jobs, sizeof *t->choices));
    TRY(ask_submit(&t->ask));
    if (t->stream) TRY(reply_begin(t->x, 200, "text/event-stream"));
    TRY(run(t));
    return t->stream ? finish_stream(t) : reply_whole(t);
}

static void clear(struct completion *t) {
    for (int64_t i = 0; t->choices != NULL && i < t->n_jobs; i++) {
        struct text_choice *c = &t->choices[i];
        buf_free(&c->text);
        buf_free(&c->tokens);
        buf_free(&c->values);
        buf_free(&c->tops);
        buf_free(&c->offsets);
        marks_free(&c->marks);
    }
    mem_free(t->choices);
    buf_free(&t->head);
    buf_free(&t->chunk);
    ask_close(&t->ask);
}

static glass_status completions(struct exchange *x) {
    struct completion t = {.x = x};
    struct fields f;
    TRY(fields_of_body(&f, x));
    glass_status status = answer(&t, &f);
    if (status != GLASS_OK && status != GLASS_CANCELLED && exchange_begun(x) && t.stream)
        wire_stream_error(x, glass_error());
    clear(&t);
    return status;
}

/* ---- embeddings ---- */

static glass_status base64(struct buf *b, const void *bytes, size_t n) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = bytes;
    TRY(buf_byte(b, '"'));
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16;
        if (i + 1 < n) v |= (uint32_t)p[i + 1] << 8;
        if (i + 2 < n) v |= p[i + 2];
        TRY(buf_byte(b, letters[v >> 18]));
        TRY(buf_byte(b, letters[v >> 12 & 63]));
        TRY(buf_byte(b, i + 1 < n ? letters[v >> 6 & 63] : '='));
        TRY(buf_byte(b, i + 2 < n ? letters[v & 63] : '='));
    }
    return buf_byte(b, '"');
}

struct embedding {
    struct ask ask;
    int format;       /* 0 numbers, 1 base64 */
    struct buf *each; /* (n_prompts) */
    int64_t n_tokens;
};

static glass_status take_embedding(struct embedding *t, const struct ask_event *e) {
    struct buf *b = &t->each[e->job];
    TRY(ask_failed(t->ask.x, e));
    t->n_tokens += e->n_prompt;
    /* binary32, little-endian, as OpenAI's clients decode it; so are the machines that run
     * this. */
    if (t->format == 1) return base64(b, e->embedding, (size_t)e->n_embd * sizeof(float));
    for (int64_t i = 0; i < e->n_embd; i++)
        TRY(buf_printf(b, "%c%.9g", i > 0 ? ',' : '[', (double)e->embedding[i]));
    return buf_byte(b, ']');
}

static glass_status reply_embeddings(struct embedding *t) {
    struct buf b = {0};
    glass_status status = buf_text(&b, "{\"object\":\"list\",\"data\":[");
    for (int64_t i = 0; status == GLASS_OK && i < t->ask.n_prompts; i++) {
        status = buf_printf(&b, "%s{\"object\":\"embedding\",\"index\":%lld,\"embedding\":",
                            i > 0 ? "," : "", (long long)i);
        if (status == GLASS_OK) status = buf_append(&b, t->each[i].data, t->each[i].len);
        if (status == GLASS_OK) status = buf_byte(&b, '}');
    }
    if (status == GLASS_OK) status = buf_text(&b, "],\"model\":");
    if (status == GLASS_OK) status = wire_string(&b, t->ask.name);
    if (status == GLASS_OK)
        status =
            buf_printf(&b, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}",
                       (long long)t->n_tokens, (long long)t->n_tokens);
    if (status == GLASS_OK)
        status = reply_bytes(t->ask.x, 200, "application/json", b.data, b.len);
    buf_free(&b);
    return status;
}

static glass_status embed(struct embedding *t, struct exchange *x, const struct fields *f) {
    static const char *const formats[] = {"float", "base64", NULL};
    const struct ask_event *e;
    glass_model_info info;
    bool silent;
    TRY(ask_open(&t->ask, x, f, NAN));
    TRY(fields_word(f, "encoding_format", &t->format, formats));
    glass_model_get_info(t->ask.model, &info);
    int64_t n_dim = info.n_embd;
    TRY(fields_int(f, "dimensions", &n_dim, 1, INT32_MAX));
    if (n_dim != info.n_embd)
        return bad_param(x, "dimensions", "the model's embeddings have %lld",
                         (long long)info.n_embd);
    TRY(take_prompts(&t->ask, f, "input"));
    t->ask.r.embed = true;
    t->ask.r.n_predict = 0;
    TRY(mem_alloc_zero(&t->each, (size_t)t->ask.n_prompts, sizeof *t->each));
    TRY(ask_submit(&t->ask));
    do {
        TRY(ask_next(&t->ask, &e, 1, &silent));
        if (e != NULL && e->kind == JOB_END) TRY(take_embedding(t, e));
    } while (e != NULL || silent);
    return reply_embeddings(t);
}

static glass_status embeddings(struct exchange *x) {
    struct embedding t = {0};
    struct fields f;
    TRY(fields_of_body(&f, x));
    glass_status status = embed(&t, x, &f);
    for (int64_t i = 0; t.each != NULL && i < t.ask.n_prompts; i++) buf_free(&t.each[i]);
    mem_free(t.each);
    ask_close(&t.ask);
    return status;
}

const struct route routes_openai_text[] = {
    {"POST", "/v1/completions", false, SHAPE_OPENAI, completions, false},
    {"POST", "/v1/embeddings", false, SHAPE_OPENAI, embeddings, false},
    {NULL, NULL, false, SHAPE_OPENAI, NULL, false}};
