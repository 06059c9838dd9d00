/* api_infill.c - infilling for editors, as llama.vim and llama.vscode ask for it from
 * llama.cpp's server: the text before the cursor's line, what stands in the line, the text
 * after, and pieces of other files; and its plain /completion. */
#include "serve/ask.h"
#include "serve/server.h"
#include "serve/wire.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>

struct infill {
    struct exchange *x;
    struct ask ask;
    bool stream, cached;
    int64_t top;
    double limit_s; /* t_max_predict_ms: no longer than this after the first new line */
    struct buf text, line, probs;
    int64_t n_tokens;
};

/* ---- the prompt ---- */

static glass_status add_extra(struct exchange *x, const json_t *list, struct buf *out) {
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item) {
        char name[64];
        const char *text = NULL, *file = NULL;
        size_t n = 0;
        snprintf(name, sizeof name, "input_extra[%zu].", i);
        struct fields one = {x, item, name};
        if (!json_is_object(item))
            return bad_param(x, name, "must be an object, not %s", json_kind(item));
        TRY(fields_bytes(&one, "text", &text, &n));
        TRY(fields_text(&one, "filename", &file));
        if (text == NULL) continue;
        if (file != NULL) TRY(buf_printf(out, "%s\n", file));
        TRY(buf_append(out, text, n));
        if (n > 0 && text[n - 1] != '\n') TRY(buf_byte(out, '\n'));
    }
    return GLASS_OK;
}

/* Where the vocabulary knows repositories and files, the extra pieces stand before the middle's
 * own tokens as files of one repository; elsewhere they stand at the front of the prefix. */
static glass_status file_tokens(const struct ask *a, int32_t *repository, int32_t *file) {
    static const char *const repositories[] = {"<|repo_name|>", "<reponame>",
                                               "<|reponame|>"};
    static const char *const files[] = {"<|file_sep|>", "<file_sep>", "<filename>"};
    *repository = *file = -1;
    for (size_t i = 0; i < 3; i++) {
        if (*repository < 0)
            *repository = glass_tokenizer_find(a->tokenizer, repositories[i],
                                               strlen(repositories[i]));
        if (*file < 0)
            *file = glass_tokenizer_find(a->tokenizer, files[i], strlen(files[i]));
    }
    return GLASS_OK;
}

static glass_status push(int32_t **ids, int64_t *n, const int32_t *more, int64_t n_more) {
    TRY(mem_resize(ids, (size_t)(*n + n_more) + 1, sizeof **ids));
    if (n_more > 0) memcpy(*ids + *n, more, (size_t)n_more * sizeof **ids);
    *n += n_more;
    return GLASS_OK;
}

static glass_status push_text(const struct ask *a, int32_t **ids, int64_t *n,
                              const char *text, size_t n_bytes) {
    int32_t *more;
    int64_t n_more;
    TRY(glass_tokenizer_encode(a->tokenizer, &more, &n_more, text, n_bytes, 0));
    glass_status status = push(ids, n, more, n_more);
    glass_free(more);
    return status;
}

static glass_status extra_files(const struct ask *a, struct exchange *x, const json_t *list,
                                int32_t repository, int32_t file, int32_t **ids,
                                int64_t *n) {
    const json_t *item;
    size_t i;
    if (json_array_size(list) == 0) return GLASS_OK;
    if (repository >= 0) {
        TRY(push(ids, n, &repository, 1));
        TRY(push_text(a, ids, n, "myproject\n", 10));
    }
    json_array_foreach(list, i, item) {
        char name[64];
        const char *text = NULL, *called = "snippet";
        size_t n_text = 0;
        struct buf head = {0};
        snprintf(name, sizeof name, "input_extra[%zu].", i);
        struct fields one = {x, item, name};
        if (!json_is_object(item))
            return bad_param(x, name, "must be an object, not %s", json_kind(item));
        TRY(fields_bytes(&one, "text", &text, &n_text));
        TRY(fields_text(&one, "filename", &called));
        TRY(push(ids, n, &file, 1));
        glass_status status = buf_printf(&head, "%s\n", called);
        if (status == GLASS_OK) status = push_text(a, ids, n, head.data, head.len);
        buf_free(&head);
        TRY(status);
        if (text != NULL) TRY(push_text(a, ids, n, text, n_text));
    }
    TRY(push(ids, n, &file, 1));
    return push_text(a, ids, n, "filename\n", 9);
}

/* The oldest extra pieces go where all does not fit; prefix and suffix are cut only as far as
 * infill.h says, never by less than a half of the context. */
static glass_status join(struct infill *t, int32_t *extra, int64_t n_extra,
                         const glass_infill *middle, int64_t most) {
    int32_t *ids;
    int64_t keep = most - middle->n, n = 0;
    if (keep > n_extra) keep = n_extra;
    if (keep < 0) keep = 0;
    TRY(mem_alloc(&ids, (size_t)(keep + middle->n), sizeof *ids));
    bool bos = keep > 0 && glass_tokenizer_adds_bos(t->ask.tokenizer) && middle->n > 0 &&
               middle->ids[0] == glass_tokenizer_bos(t->ask.tokenizer);
    if (bos) ids[n++] = middle->ids[0];
    if (keep > 0) memcpy(ids + n, extra + (n_extra - keep), (size_t)keep * sizeof *ids);
    n += keep;
    memcpy(ids + n, middle->ids + bos, (size_t)(middle->n - bos) * sizeof *ids);
    n += middle->n - bos;
    return ask_add_prompt(&t->ask, ids, n);
}

struct parts {
    const char *prefix, *suffix, *prompt;
    size_t n_prefix, n_suffix, n_prompt;
    const json_t *extra;
};

static glass_status encode(struct infill *t, const struct parts *p) {
    struct sched_stats stats;
    struct buf prefix = {0};
    int32_t repository, file, *extra = NULL;
    int64_t n_extra = 0;
    glass_infill middle = {0};
    sched_get_stats(served_sched(t->ask.served), &stats);
    int64_t room = t->ask.r.n_predict > 0 ? t->ask.r.n_predict : 128;
    int64_t most = stats.n_ctx - (room < stats.n_ctx / 2 ? room : stats.n_ctx / 2);
    glass_infill_options o = {.n_most = most};
    TRY(file_tokens(&t->ask, &repository, &file));
    glass_status status = GLASS_OK;
    if (file >= 0)
        status = extra_files(&t->ask, t->x, p->extra, repository, file, &extra, &n_extra);
    else
        status = add_extra(t->x, p->extra, &prefix);
    if (status == GLASS_OK) status = buf_append(&prefix, p->prefix, p->n_prefix);
    if (status == GLASS_OK) status = buf_append(&prefix, p->prompt, p->n_prompt);
    if (status == GLASS_OK)
        status = glass_infill_tokens(&middle, t->ask.tokenizer,
                                     prefix.data != NULL ? prefix.data : "", prefix.len,
                                     p->suffix, p->n_suffix, &o);
    if (status == GLASS_OK) status = join(t, extra, n_extra, &middle, most);
    glass_infill_clear(&middle);
    mem_free(extra);
    buf_free(&prefix);
    return status;
}

/* ---- fields ---- */

static glass_status take_common(struct infill *t, const struct fields *f) {
    int64_t limit = 0;
    bool ignored = true;
    const char *grammar = NULL;
    size_t n_grammar = 0;
    t->top = -1;
    TRY(ask_sampling(&t->ask, f, NAMES_LLAMA));
    TRY(fields_int(f, "n_predict", &t->ask.r.n_predict, -2, INT32_MAX));
    TRY(fields_bool(f, "stream", &t->stream));
    TRY(fields_bool(f, "cache_prompt", &ignored)); /* it always is */
    TRY(fields_int(f, "t_max_predict_ms", &limit, 0, 86400000));
    TRY(fields_int(f, "n_probs", &t->top, 0, ASK_TOP));
    TRY(fields_bytes(f, "grammar", &grammar, &n_grammar));
    if (n_grammar > 0) TRY(ask_gbnf(&t->ask, "grammar", grammar, n_grammar));
    const json_t *schema = fields_get(f, "json_schema");
    if (schema != NULL) TRY(ask_schema(&t->ask, "json_schema", schema));
    t->limit_s = 1e-3 * (double)limit;
    if (t->top > 0) t->ask.r.n_top = (int)t->top;
    t->ask.r.logprobs = t->top > 0;
    t->ask.r.goes_on = true;
    return GLASS_OK;
}

static glass_status take_infill(struct infill *t, const struct fields *f) {
    struct parts p = {.prefix = "", .suffix = "", .prompt = ""};
    TRY(fields_bytes(f, "input_prefix", &p.prefix, &p.n_prefix));
    TRY(fields_bytes(f, "input_suffix", &p.suffix, &p.n_suffix));
    TRY(fields_bytes(f, "prompt", &p.prompt, &p.n_prompt));
    TRY(fields_list(f, "input_extra", &p.extra));
    if (fields_get(f, "input_prefix") == NULL)
        return fields_wrong(f, "input_prefix", "a string");
    if (fields_get(f, "input_suffix") == NULL)
        return fields_wrong(f, "input_suffix", "a string");
    t->ask.r.infill = true;
    return encode(t, &p);
}

static glass_status take_plain(struct infill *t, const struct fields *f) {
    const json_t *value = fields_get(f, "prompt"), *item;
    int32_t *ids;
    size_t i;
    if (json_is_string(value))
        return ask_add_text(&t->ask, json_string_value(value), json_string_length(value),
                            GLASS_ADD_SPECIAL | GLASS_PARSE_SPECIAL);
    if (!json_is_array(value)) return fields_wrong(f, "prompt", "a string or token ids");
    TRY(mem_alloc(&ids, json_array_size(value), sizeof *ids));
    json_array_foreach(value, i, item) {
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < 0 || id >= t->ask.n_vocab) {
            mem_free(ids);
            return bad_param(t->x, "prompt", "[%zu] is no token id", i);
        }
        ids[i] = (int32_t)id;
    }
    return ask_add_prompt(&t->ask, ids, (int64_t)json_array_size(value));
}

/* ---- the answer ---- */

static glass_status put_prob(struct infill *t, const struct ask_event *e) {
    if (t->top <= 0) return GLASS_OK;
    struct buf *b = &t->probs;
    TRY(buf_printf(b, "%s{\"id\":%d,", b->len > 0 ? "," : "", e->token.id));
    TRY(wire_token(b, &t->ask, &e->token));
    TRY(buf_text(b, ",\"top_logprobs\":["));
    for (int64_t i = 0; i < e->n_top; i++) {
        TRY(buf_printf(b, "%s{\"id\":%d,", i > 0 ? "," : "", e->top[i].id));
        TRY(wire_token(b, &t->ask, &e->top[i]));
        TRY(buf_byte(b, '}'));
    }
    return buf_text(b, "]}");
}

static glass_status begin_line(struct infill *t, const char *text, size_t n, bool stop) {
    struct buf *b = &t->line;
    buf_clear(b);
    TRY(buf_text(b, "{\"index\":0,\"content\":"));
    TRY(buf_json_string(b, text, n));
    TRY(buf_printf(b, ",\"stop\":%s,\"tokens_predicted\":%lld", stop ? "true" : "false",
                   (long long)t->n_tokens));
    if (t->probs.len == 0) return GLASS_OK;
    TRY(buf_text(b, ",\"completion_probabilities\":["));
    TRY(buf_append(b, t->probs.data, t->probs.len));
    buf_clear(&t->probs);
    return buf_byte(b, ']');
}

static double per_second(int64_t n, double seconds) {
    return seconds > 0 ? (double)n / seconds : 0;
}

static glass_status put_end(struct infill *t, const struct ask_event *e, bool timed_out) {
    struct buf *b = &t->line;
    const char *type = e->end == JOB_MODEL  ? "eos"
                       : e->end == JOB_STOP ? "word"
                       : e->end == JOB_LENGTH || e->end == JOB_CONTEXT || timed_out
                           ? "limit"
                           : "none";
    int64_t n_read = e->n_prompt - e->n_cached;
    TRY(buf_text(b, ",\"model\":"));
    TRY(wire_string(b, t->ask.name));
    TRY(buf_printf(b,
                   ",\"tokens_evaluated\":%lld,\"tokens_cached\":%lld,\"stop_type\":\"%s\","
                   "\"stopping_word\":",
                   (long long)e->n_prompt, (long long)e->n_cached, type));
    TRY(wire_string(b, e->stop_text != NULL ? e->stop_text : ""));
    return buf_printf(
        b,
        ",\"truncated\":false,\"generation_settings\":{\"seed\":%llu,"
        "\"n_predict\":%lld},\"timings\":{\"prompt_n\":%lld,"
        "\"prompt_ms\":%.3f,\"prompt_per_second\":%.3f,\"predicted_n\":%lld,"
        "\"predicted_ms\":%.3f,\"predicted_per_second\":%.3f,\"cache_n\":%lld}}",
        (unsigned long long)ask_seed(&t->ask), (long long)t->ask.r.n_predict,
        (long long)n_read, 1e3 * e->prompt_s, per_second(n_read, e->prompt_s),
        (long long)e->n_answer, 1e3 * e->answer_s, per_second(e->n_answer, e->answer_s),
        (long long)e->n_cached);
}

static glass_status send(struct infill *t) {
    return wire_event(t->x, &t->line);
}

static glass_status on_token(struct infill *t, const struct ask_event *e) {
    t->n_tokens++;
    TRY(put_prob(t, e));
    if (!t->stream) return buf_append(&t->text, e->text, e->n_text);
    if (e->n_text == 0) return GLASS_OK;
    TRY(begin_line(t, e->text, e->n_text, false));
    TRY(buf_byte(&t->line, '}'));
    return send(t);
}

static glass_status on_end(struct infill *t, const struct ask_event *e, bool timed_out) {
    if (!timed_out) TRY(ask_failed(t->x, e));
    if (!t->stream) TRY(buf_append(&t->text, e->text, e->n_text));
    TRY(begin_line(t,
                   t->stream              ? e->text
                   : t->text.data != NULL ? t->text.data
                                          : "",
                   t->stream ? e->n_text : t->text.len, true));
    TRY(put_end(t, e, timed_out));
    if (!t->stream)
        return reply_bytes(t->x, 200, "application/json", t->line.data, t->line.len);
    TRY(send(t));
    return reply_end(t->x);
}

static glass_status run(struct infill *t) {
    const struct ask_event *e;
    double first = 0;
    bool silent, timed_out = false;
    TRY(ask_submit(&t->ask));
    if (t->stream) TRY(reply_begin(t->x, 200, "text/event-stream"));
    for (;;) {
        TRY(ask_next(&t->ask, &e, 1, &silent));
        if (e == NULL && !silent) return GLASS_OK;
        if (e != NULL && e->kind == JOB_END) TRY(on_end(t, e, timed_out));
        if (e == NULL || e->kind != JOB_TOKEN || timed_out) continue;
        if (first == 0) first = clock_now();
        TRY(on_token(t, e));
        if (t->limit_s > 0 && clock_now() - first > t->limit_s) {
            timed_out = true;
            ask_cancel(&t->ask, 0);
        }
    }
}

static glass_status answer(struct exchange *x,
                           glass_status (*take)(struct infill *, const struct fields *)) {
    struct infill t = {.x = x};
    struct fields f;
    TRY(fields_of_body(&f, x));
    glass_status status = ask_open(&t.ask, x, &f, NAN);
    if (status == GLASS_OK) status = take_common(&t, &f);
    if (status == GLASS_OK) status = take(&t, &f);
    /* n_predict 0: only the cache is to be filled. */
    if (status == GLASS_OK) status = run(&t);
    if (status != GLASS_OK && status != GLASS_CANCELLED && exchange_begun(x) && t.stream)
        wire_stream_error(x, glass_error());
    ask_close(&t.ask);
    buf_free(&t.text);
    buf_free(&t.line);
    buf_free(&t.probs);
    return status;
}

static glass_status infill(struct exchange *x) {
    return answer(x, take_infill);
}

static glass_status completion(struct exchange *x) {
    return answer(x, take_plain);
}

const struct route routes_infill[] = {
    {"POST", "/infill", false, SHAPE_PLAIN, infill, false},
    {"POST", "/completion", false, SHAPE_PLAIN, completion, false},
    {NULL, NULL, false, SHAPE_PLAIN, NULL, false}};
