/* api_ops.c - operations: health, metrics, tokens, templates, properties, places, trace. Names
 * and shapes are llama.cpp's where it has them. */
#include "serve/chat.h"
#include "serve/openapi.h"
#include "serve/server.h"
#include "serve/trace_json.h"
#include "serve/wire.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>

static glass_status health(struct exchange *x) {
    struct server *s = exchange_server(x);
    static const char good[] = "{\"status\":\"ok\"}";
    if (server_draining(s)) return reply_error(x, 503, NULL, NULL, "the server is ending");
    if (!server_ready(s))
        return reply_error(x, 503, NULL, NULL, "the model is being loaded");
    return reply_bytes(x, 200, "application/json", good, strlen(good));
}

static glass_status openapi(struct exchange *x) {
    size_t n;
    const char *text = openapi_text(&n);
    return reply_bytes(x, 200, "application/json", text, n);
}

/* ---- metrics ---- */

struct model_stats {
    const char *name;
    struct sched_stats s;
};

enum { MODEL_COUNTS = 9 };

static void model_counts(double out[MODEL_COUNTS], const struct sched_stats *s) {
    const double values[MODEL_COUNTS] = {(double)s->n_running,
                                         (double)s->n_waiting,
                                         (double)s->jobs,
                                         (double)s->passes,
                                         s->busy_s,
                                         (double)s->cache_bytes,
                                         (double)s->n_pages,
                                         (double)s->n_pages_used,
                                         (double)s->n_pages_kept};
    memcpy(out, values, sizeof values);
}

/* A name's lines stand together under one head, whatever the number of models. */
static glass_status model_metrics(struct buf *b, const struct model_stats *list,
                                  int64_t n) {
    static const struct {
        const char *name, *kind, *help;
    } rows[MODEL_COUNTS] = {
        {"jobs_running", "gauge", "Answers being made."},
        {"jobs_waiting", "gauge", "Requests that wait for a place."},
        {"jobs_total", "counter", "Requests that the model was given."},
        {"passes_total", "counter", "Passes through the model."},
        {"busy_seconds_total", "counter", "Time in passes."},
        {"cache_bytes", "gauge", "Memory for keys and values, decided at the start."},
        {"cache_pages", "gauge", "Pages of it."},
        {"cache_pages_used", "gauge", "Pages that hold something."},
        {"cache_pages_kept", "gauge", "Of them, held for requests to come only."}};
    for (int k = 0; n > 0 && k < MODEL_COUNTS; k++) {
        TRY(buf_printf(b, "# HELP glass_%s %s\n# TYPE glass_%s %s\n", rows[k].name,
                       rows[k].help, rows[k].name, rows[k].kind));
        for (int64_t i = 0; i < n; i++) {
            double values[MODEL_COUNTS];
            model_counts(values, &list[i].s);
            TRY(buf_printf(b, "glass_%s{model=", rows[k].name));
            TRY(wire_string(b, list[i].name)); /* Prometheus escapes as JSON does */
            TRY(buf_text(b, "} "));
            TRY(buf_json_number(b, values[k]));
            TRY(buf_byte(b, '\n'));
        }
    }
    return GLASS_OK;
}

static glass_status metrics(struct exchange *x) {
    struct server *s = exchange_server(x);
    struct buf b = {0};
    struct model_entry *list = NULL;
    struct model_stats *stats = NULL;
    int64_t n = 0, n_loaded = 0;
    glass_status status = server_metrics(s, &b);
    if (status == GLASS_OK) status = models_list(server_models(s), &list, &n);
    if (status == GLASS_OK) status = mem_alloc(&stats, (size_t)n, sizeof *stats);
    for (int64_t i = 0; status == GLASS_OK && i < n; i++) {
        struct served *served;
        if (models_peek(server_models(s), &served, list[i].name) != GLASS_OK) continue;
        stats[n_loaded].name = list[i].name;
        sched_get_stats(served_sched(served), &stats[n_loaded++].s);
        models_peek_end(served);
    }
    if (status == GLASS_OK) status = model_metrics(&b, stats, n_loaded);
    if (status == GLASS_OK)
        status =
            reply_bytes(x, 200, "text/plain; version=0.0.4; charset=utf-8", b.data, b.len);
    mem_free(stats);
    models_entries_free(list, n);
    buf_free(&b);
    return status;
}

/* ---- tokens ---- */

static glass_status write_piece(struct buf *b, const struct ask *a, int32_t id) {
    char *text;
    size_t n;
    TRY(ask_token_text(a, id, &text, &n));
    glass_status status = buf_printf(b, "{\"id\":%d,\"piece\":", id);
    if (status == GLASS_OK) status = buf_json_string(b, text, n);
    glass_free(text);
    return status == GLASS_OK ? buf_byte(b, '}') : status;
}

static glass_status tokenize_text(struct ask *a, const struct fields *f) {
    const char *text = NULL;
    size_t n = 0;
    bool special = false, parse = true, pieces = false;
    int32_t *ids;
    int64_t n_ids;
    struct buf b = {0};
    TRY(fields_bytes(f, "content", &text, &n));
    if (text == NULL) return fields_wrong(f, "content", "a string");
    TRY(fields_bool(f, "add_special", &special));
    TRY(fields_bool(f, "parse_special", &parse));
    TRY(fields_bool(f, "with_pieces", &pieces));
    unsigned flags = (special ? GLASS_ADD_SPECIAL : 0) | (parse ? GLASS_PARSE_SPECIAL : 0);
    TRY(glass_tokenizer_encode(a->tokenizer, &ids, &n_ids, text, n, flags));
    glass_status status = buf_text(&b, "{\"tokens\":[");
    for (int64_t i = 0; status == GLASS_OK && i < n_ids; i++) {
        if (i > 0) status = buf_byte(&b, ',');
        if (status != GLASS_OK) break;
        status = pieces ? write_piece(&b, a, ids[i]) : buf_printf(&b, "%d", ids[i]);
    }
    if (status == GLASS_OK) status = buf_text(&b, "]}");
    if (status == GLASS_OK)
        status = reply_bytes(a->x, 200, "application/json", b.data, b.len);
    glass_free(ids);
    buf_free(&b);
    return status;
}

static glass_status detokenize_ids(struct ask *a, const struct fields *f) {
    const json_t *list = NULL, *item;
    size_t i, n_bytes;
    int32_t *ids;
    char *text = NULL;
    struct buf b = {0};
    TRY(fields_list(f, "tokens", &list));
    if (list == NULL) return fields_wrong(f, "tokens", "a list of token ids");
    size_t n = json_array_size(list);
    TRY(mem_alloc(&ids, n, sizeof *ids));
    glass_status status = GLASS_OK;
    json_array_foreach(list, i, item) {
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < 0 || id >= a->n_vocab) {
            status = bad_param(a->x, "tokens", "[%zu] is no token id: 0 to %lld are", i,
                               (long long)a->n_vocab - 1);
            break;
        }
        ids[i] = (int32_t)id;
    }
    if (status == GLASS_OK)
        status = glass_tokenizer_decode(a->tokenizer, &text, &n_bytes, ids, (int64_t)n,
                                        GLASS_SHOW_SPECIAL);
    if (status == GLASS_OK) status = buf_text(&b, "{\"content\":");
    if (status == GLASS_OK) status = buf_json_string(&b, text, n_bytes);
    if (status == GLASS_OK) status = buf_byte(&b, '}');
    if (status == GLASS_OK)
        status = reply_bytes(a->x, 200, "application/json", b.data, b.len);
    mem_free(ids);
    glass_free(text);
    buf_free(&b);
    return status;
}

static glass_status template_text(struct ask *a, const struct fields *f) {
    struct chat chat = {0};
    struct buf text = {0}, b = {0};
    glass_status status = chat_take_openai(&chat, f);
    if (status == GLASS_OK) status = chat_render(&chat, a, &text);
    if (status == GLASS_OK) status = buf_text(&b, "{\"prompt\":");
    if (status == GLASS_OK)
        status = buf_json_string(&b, text.data != NULL ? text.data : "", text.len);
    if (status == GLASS_OK) status = buf_byte(&b, '}');
    if (status == GLASS_OK)
        status = reply_bytes(a->x, 200, "application/json", b.data, b.len);
    chat_clear(&chat);
    buf_free(&text);
    buf_free(&b);
    return status;
}

/* What needs a model, but no answer of it. */
static glass_status with_model(struct exchange *x,
                               glass_status (*work)(struct ask *, const struct fields *)) {
    struct fields f;
    struct ask a;
    TRY(fields_of_body(&f, x));
    glass_status status = ask_open(&a, x, &f, NAN);
    if (status == GLASS_OK) status = work(&a, &f);
    ask_close(&a);
    return status;
}

static glass_status tokenize(struct exchange *x) {
    return with_model(x, tokenize_text);
}

static glass_status detokenize(struct exchange *x) {
    return with_model(x, detokenize_ids);
}

static glass_status apply_template(struct exchange *x) {
    return with_model(x, template_text);
}

/* ---- properties and places ---- */

static glass_status token_field(struct buf *b, const struct ask *a, const char *name,
                                int32_t id) {
    size_t n = 0;
    const char *piece = glass_tokenizer_piece(a->tokenizer, id, &n);
    TRY(buf_printf(b, ",\"%s\":", name));
    return buf_json_string(b, piece != NULL ? piece : "", piece != NULL ? n : 0);
}

static glass_status defaults_json(struct buf *b, const struct ask *a) {
    const glass_sampler_options *s = &a->r.sampler;
    const struct {
        const char *name;
        double value;
    } rows[] = {{"temperature", (double)s->temperature},
                {"top_k", s->top_k},
                {"top_p", (double)s->top_p},
                {"min_p", (double)s->min_p},
                {"typical_p", (double)s->typical_p},
                {"repeat_penalty", (double)s->repeat_penalty},
                {"repeat_last_n", s->penalty_last_n},
                {"presence_penalty", (double)s->presence_penalty},
                {"frequency_penalty", (double)s->frequency_penalty},
                {"mirostat", s->mirostat},
                {"n_predict", (double)a->r.n_predict}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        TRY(buf_printf(b, "%s\"%s\":", i > 0 ? "," : "", rows[i].name));
        /* Seven digits: 0.8, not 0.800000011920929. */
        TRY(buf_printf(b, "%.7g", rows[i].value));
    }
    return GLASS_OK;
}

static glass_status props_json(struct buf *b, const struct ask *a) {
    struct sched_stats s;
    glass_model_info i;
    const char *source = glass_model_template_source(a->model);
    sched_get_stats(served_sched(a->served), &s);
    glass_model_get_info(a->model, &i);
    TRY(buf_printf(b, "{\"default_generation_settings\":{\"n_ctx\":%lld,\"params\":{",
                   (long long)s.n_ctx));
    TRY(defaults_json(b, a));
    TRY(buf_printf(b, "}},\"total_slots\":%lld,\"model_alias\":", (long long)s.n_parallel));
    TRY(wire_string(b, a->name));
    TRY(buf_text(b, ",\"chat_template\":"));
    TRY(wire_string(b, source != NULL ? source : ""));
    TRY(token_field(b, a, "bos_token", glass_tokenizer_bos(a->tokenizer)));
    TRY(token_field(b, a, "eos_token", glass_tokenizer_eos(a->tokenizer)));
    TRY(buf_printf(b,
                   ",\"modalities\":{\"vision\":false,\"audio\":false},\"infill\":%s,"
                   "\"build_info\":\"glass %s (%s, %s)\",\"family\":",
                   glass_infill_check(a->tokenizer) == GLASS_OK ? "true" : "false",
                   glass_version(), glass_arithmetic(), glass_isa()));
    TRY(wire_string(b, i.family));
    TRY(buf_text(b, ",\"license\":"));
    TRY(wire_string(b, i.license));
    return buf_printf(
        b,
        ",\"n_params\":%lld,\"n_vocab\":%lld,\"n_ctx_train\":%lld,\"n_embd\":%lld,"
        "\"n_layer\":%lld,\"cache_bytes\":%zu,\"work_bytes\":%zu,\"trace\":%s}",
        (long long)i.n_params, (long long)i.n_vocab, (long long)i.n_ctx,
        (long long)i.n_embd, (long long)i.n_layer, s.cache_bytes, s.work_bytes,
        server_trace(exchange_server(a->x)) != NULL ? "true" : "false");
}

/* The model that ?model= names. */
static glass_status with_query(struct exchange *x,
                               glass_status (*write)(struct buf *, const struct ask *)) {
    const char *name = exchange_query(x, "model");
    json_t *object = name != NULL ? json_pack("{s:s}", "model", name) : json_object();
    struct fields f = {x, object, ""};
    struct ask a;
    struct buf b = {0};
    glass_status status = ask_open(&a, x, &f, NAN);
    if (status == GLASS_OK) status = write(&b, &a);
    if (status == GLASS_OK) status = reply_bytes(x, 200, "application/json", b.data, b.len);
    ask_close(&a);
    json_decref(object);
    buf_free(&b);
    return status;
}

static glass_status props(struct exchange *x) {
    return with_query(x, props_json);
}

static glass_status slots_json(struct buf *b, struct sched *sched) {
    char *lines, *at;
    TRY(sched_describe(sched, &lines));
    glass_status status = GLASS_OK;
    for (at = lines; status == GLASS_OK && *at != '\0';) {
        size_t n = strcspn(at, "\n");
        if (b->len > 1) status = buf_byte(b, ',');
        if (status == GLASS_OK) status = buf_append(b, at, n);
        at += n + (at[n] == '\n');
    }
    mem_free(lines);
    return status;
}

/* Of the model that ?model= names; one that is not loaded has none, and stays so. */
static glass_status slots(struct exchange *x) {
    const char *name = exchange_query(x, "model");
    struct models *models = server_models(exchange_server(x));
    struct served *served;
    struct buf b = {0};
    bool known = name == NULL || name[0] == '\0';
    struct model_entry *list;
    int64_t n;
    TRY(models_list(models, &list, &n));
    for (int64_t i = 0; i < n; i++) known = known || strcasecmp(list[i].name, name) == 0;
    models_entries_free(list, n);
    glass_status status = models_peek(models, &served, name);
    if (status == GLASS_NEGATIVE && !known)
        return reply_error(x, 404, "model_not_found", "model", glass_error());
    status = buf_byte(&b, '[');
    if (status == GLASS_OK && served != NULL) status = slots_json(&b, served_sched(served));
    models_peek_end(served);
    if (status == GLASS_OK) status = buf_byte(&b, ']');
    if (status == GLASS_OK) status = reply_bytes(x, 200, "application/json", b.data, b.len);
    buf_free(&b);
    return status;
}

/* ---- trace ---- */

static glass_status trace(struct exchange *x) {
    const glass_trace *index = server_trace(exchange_server(x));
    struct fields f;
    glass_trace_options o = {0};
    glass_trace_result *result;
    const char *text = NULL;
    size_t n = 0;
    struct buf b = {0};
    if (index == NULL)
        return reply_error(x, 404, NULL, NULL,
                           "this server has no trace index (glass serve --trace INDEX)");
    TRY(fields_of_body(&f, x));
    TRY(fields_bytes(&f, "text", &text, &n));
    if (text == NULL || n == 0)
        return fields_wrong(&f, "text", "a string that is not empty");
    TRY(fields_bytes(&f, "prompt", &o.prompt, &o.n_prompt));
    TRY(fields_int(&f, "least", &o.least, 0, 1000000));
    TRY(fields_int(&f, "spans", &o.n_spans, -1, 1000000));
    TRY(fields_int(&f, "places", &o.n_places, 0, 1000));
    TRY(fields_int(&f, "around", &o.n_around, 0, 1000));
    TRY(fields_int(&f, "reads", &o.n_reads, -1, 1000000));
    TRY(glass_trace_text(&result, index, text, n, &o));
    glass_status status = trace_json(&b, index, result);
    if (status == GLASS_OK) status = reply_bytes(x, 200, "application/json", b.data, b.len);
    glass_trace_result_free(result);
    buf_free(&b);
    return status;
}

const struct route routes_ops[] = {
    {"GET", "/health", true, SHAPE_PLAIN, health, false},
    {"GET", "/v1/health", true, SHAPE_PLAIN, health, false},
    {"GET", "/openapi.json", true, SHAPE_PLAIN, openapi, false},
    {"GET", "/metrics", false, SHAPE_PLAIN, metrics, false},
    {"POST", "/tokenize", false, SHAPE_PLAIN, tokenize, false},
    {"POST", "/detokenize", false, SHAPE_PLAIN, detokenize, false},
    {"POST", "/apply-template", false, SHAPE_PLAIN, apply_template, false},
    {"GET", "/props", false, SHAPE_PLAIN, props, false},
    {"GET", "/slots", false, SHAPE_PLAIN, slots, false},
    {"POST", "/trace", false, SHAPE_PLAIN, trace, false},
    {NULL, NULL, false, SHAPE_PLAIN, NULL, false}};
