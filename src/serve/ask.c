/* ask.c - the model of a request and how its tokens are chosen; jobs are in ask_jobs.c. */
#include "serve/ask.h"

#include "serve/server.h"

#include <math.h>
#include <stdio.h>
#include <sys/random.h>

glass_status ask_open(struct ask *a, struct exchange *x, const struct fields *f,
                      double keep_s) {
    const struct server_options *o = server_options(exchange_server(x));
    const char *name = NULL;
    glass_model_info info;
    *a = (struct ask){.x = x, .n_choices = 1};
    TRY(fields_text(f, "model", &name));
    glass_status status =
        models_acquire(server_models(exchange_server(x)), &a->served, name, keep_s);
    if (status == GLASS_NEGATIVE) {
        TRY(reply_error(x, 404, "model_not_found", "model", glass_error()));
        return GLASS_CANCELLED;
    }
    if (status == GLASS_USAGE || status == GLASS_BAD_INPUT) {
        /* Not the request is wrong, but the file or how the server was started. */
        TRY(reply_error(x, 500, "model_not_loaded", "model", glass_error()));
        return GLASS_CANCELLED;
    }
    TRY(status);
    a->model = served_model(a->served);
    a->name = served_name(a->served);
    a->tokenizer = glass_model_tokenizer(a->model);
    glass_model_get_info(a->model, &info);
    a->n_vocab = info.n_vocab;
    a->r.sampler = o->sampler;
    a->r.n_predict = o->n_predict;
    a->seeded = o->seeded;
    a->r.client = exchange_client(x);
    exchange_note(x, a->name, 0, 0, 0);
    return GLASS_OK;
}

uint64_t ask_seed(const struct ask *a) {
    return a->r.sampler.seed;
}

glass_status ask_stop(struct ask *a, const char *path, const char *text) {
    if (text[0] == '\0') return GLASS_OK; /* what clients send for "none" */
    if (a->r.n_stop == ASK_STOPS)
        return bad_param(a->x, path, "at most %d stop texts are possible", ASK_STOPS);
    if (strlen(text) > 1024)
        return bad_param(a->x, path, "a stop text of more than 1024 bytes");
    a->stops[a->r.n_stop++] = text;
    a->r.stop = a->stops;
    return GLASS_OK;
}

/* A string, or a list of them. */
static glass_status take_stops(struct ask *a, const struct fields *f, const char *name) {
    const json_t *value = fields_get(f, name), *item;
    size_t i;
    char path[320];
    snprintf(path, sizeof path, "%s%s", f->prefix, name);
    if (value == NULL) return GLASS_OK;
    a->r.n_stop = 0; /* of options, those given last */
    if (json_is_string(value) &&
        strlen(json_string_value(value)) == json_string_length(value))
        return ask_stop(a, path, json_string_value(value));
    if (!json_is_array(value))
        return fields_wrong(f, name, "a string or a list of strings");
    json_array_foreach(value, i, item) {
        snprintf(path, sizeof path, "%s%s[%zu]", f->prefix, name, i);
        if (!json_is_string(item) ||
            strlen(json_string_value(item)) != json_string_length(item))
            return bad_param(a->x, path, "must be a string without U+0000, not %s",
                             json_kind(item));
        TRY(ask_stop(a, path, json_string_value(item)));
    }
    return GLASS_OK;
}

static glass_status one_bias(struct ask *a, const struct fields *f, const char *id,
                             const json_t *value) {
    char *end, path[320];
    long n = strtol(id, &end, 10);
    double bias = json_number_value(value);
    snprintf(path, sizeof path, "%slogit_bias", f->prefix);
    if (*id == '\0' || *end != '\0' || n < 0 || n >= a->n_vocab)
        return bad_param(a->x, path, "\"%.40s\" is no token: the vocabulary has 0 to %lld",
                         id, (long long)a->n_vocab - 1);
    if (json_is_false(value)) bias = -100; /* llama.cpp's way to ban one */
    if ((!json_is_number(value) && !json_is_false(value)) || !(fabs(bias) <= 100))
        return bad_param(a->x, path,
                         "token %ld: the bias must be a number from -100 to 100", n);
    if (a->r.sampler.n_bias == ASK_BIAS)
        return bad_param(a->x, path, "at most %d tokens are possible", ASK_BIAS);
    /* -100 is what OpenAI documents as a ban. */
    a->bias[a->r.sampler.n_bias++] =
        (glass_logit_bias){(int32_t)n, bias <= -100 ? -INFINITY : (float)bias};
    return GLASS_OK;
}

/* {"15043": -100}, or llama.cpp's [[15043, -100], …] */
static glass_status take_bias(struct ask *a, const struct fields *f) {
    const json_t *map = fields_get(f, "logit_bias"), *pair;
    const char *id;
    json_t *value;
    size_t i;
    if (map == NULL) return GLASS_OK;
    if (!json_is_object(map) && !json_is_array(map))
        return fields_wrong(f, "logit_bias", "an object of token ids and numbers");
    TRY(mem_alloc(&a->bias, ASK_BIAS, sizeof *a->bias));
    a->r.sampler.bias = a->bias;
    json_object_foreach((json_t *)map, id, value) TRY(one_bias(a, f, id, value));
    json_array_foreach(map, i, pair) {
        char text[24];
        const json_t *token = json_array_get(pair, 0);
        if (json_array_size(pair) != 2 || !json_is_integer(token))
            return fields_wrong(f, "logit_bias", "a list of [token id, number]");
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(token));
        TRY(one_bias(a, f, text, json_array_get(pair, 1)));
    }
    return GLASS_OK;
}

static glass_status take_seed(struct ask *a, const struct fields *f) {
    int64_t seed = -1;
    TRY(fields_int(f, "seed", &seed, INT64_MIN, INT64_MAX));
    if (seed >= 0 || (fields_get(f, "seed") != NULL && seed != -1)) {
        a->r.sampler.seed = (uint64_t)seed;
        a->seeded = true;
    } else if (!a->seeded || fields_get(f, "seed") != NULL) {
        uint32_t random;
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return fail_errno("no random seed");
        a->r.sampler.seed = random;
    }
    return GLASS_OK;
}

static glass_status take_int32(const struct fields *f, const char *name, int32_t *inout,
                               int64_t least, int64_t most) {
    int64_t value = *inout;
    TRY(fields_int(f, name, &value, least, most));
    *inout = (int32_t)value;
    return GLASS_OK;
}

static glass_status take_dry(struct ask *a, const struct fields *f) {
    glass_sampler_options *s = &a->r.sampler;
    const json_t *list = NULL, *item;
    size_t i;
    TRY(fields_float(f, "dry_multiplier", &s->dry_multiplier, 0, 100));
    TRY(fields_float(f, "dry_base", &s->dry_base, 1, 10));
    TRY(take_int32(f, "dry_allowed_length", &s->dry_allowed_length, 0, 1000000));
    TRY(take_int32(f, "dry_penalty_last_n", &s->dry_last_n, -1, 1000000000));
    TRY(fields_list(f, "dry_sequence_breakers", &list));
    if (list == NULL) return GLASS_OK;
    s->dry_breakers = a->breakers;
    s->n_dry_breakers = 0;
    json_array_foreach(list, i, item) {
        if (!json_is_string(item) || i >= ASK_STOPS)
            return fields_wrong(f, "dry_sequence_breakers", "a list of at most 32 strings");
        a->breakers[s->n_dry_breakers++] = json_string_value(item);
    }
    return GLASS_OK;
}

static glass_status take_mirostat(struct ask *a, const struct fields *f) {
    glass_sampler_options *s = &a->r.sampler;
    int64_t kind = s->mirostat;
    TRY(fields_int(f, "mirostat", &kind, 0, 2));
    s->mirostat = (int)kind;
    TRY(fields_float(f, "mirostat_tau", &s->mirostat_tau, 1e-3, 100));
    TRY(fields_float(f, "mirostat_eta", &s->mirostat_eta, 0, 10));
    TRY(fields_float(f, "xtc_probability", &s->xtc_probability, 0, 1));
    return fields_float(f, "xtc_threshold", &s->xtc_threshold, 0, 1);
}

/* -1 for "all" is what some clients send. */
static glass_status take_top_k(struct ask *a, const struct fields *f) {
    TRY(take_int32(f, "top_k", &a->r.sampler.top_k, -1, 1000000000));
    if (a->r.sampler.top_k < 0) a->r.sampler.top_k = 0;
    return GLASS_OK;
}

glass_status ask_sampling(struct ask *a, const struct fields *f, enum ask_names names) {
    glass_sampler_options *s = &a->r.sampler;
    bool ollama = names == NAMES_OLLAMA;
    TRY(fields_float(f, "temperature", &s->temperature, 0, 100));
    TRY(fields_float(f, "top_p", &s->top_p, 0, 1));
    TRY(take_top_k(a, f));
    if (names == NAMES_MESSAGES) {
        TRY(take_stops(a, f, "stop_sequences"));
        return take_seed(a, f);
    }
    TRY(fields_float(f, "min_p", &s->min_p, 0, 1));
    TRY(fields_float(f, "typical_p", &s->typical_p, 0, 1));
    TRY(fields_float(f, "repeat_penalty", &s->repeat_penalty, 1e-3, 1e3));
    TRY(fields_float(f, "repetition_penalty", &s->repeat_penalty, 1e-3, 1e3));
    /* OpenAI's penalties look at the whole text so far. */
    if (names == NAMES_OPENAI && (fields_get(f, "presence_penalty") != NULL ||
                                  fields_get(f, "frequency_penalty") != NULL))
        s->penalty_last_n = -1;
    double most = names == NAMES_OPENAI ? 2 : 100;
    TRY(fields_float(f, "presence_penalty", &s->presence_penalty, -most, most));
    TRY(fields_float(f, "frequency_penalty", &s->frequency_penalty, -most, most));
    TRY(take_int32(f, "repeat_last_n", &s->penalty_last_n, -1, 1000000000));
    TRY(take_mirostat(a, f));
    TRY(take_dry(a, f));
    if (!ollama) TRY(take_bias(a, f));
    TRY(fields_bool(f, "ignore_eos", &a->r.ignore_eos));
    TRY(take_stops(a, f, "stop"));
    return take_seed(a, f);
}

/* ---- grammars ---- */

static glass_status named(struct ask *a, const char *path, glass_status status) {
    if (status != GLASS_BAD_INPUT && status != GLASS_USAGE) return status;
    char text[900];
    snprintf(text, sizeof text, "%s", glass_error());
    return bad_param(a->x, path, "%s", text);
}

glass_status ask_gbnf(struct ask *a, const char *path, const char *text, size_t n) {
    glass_grammar_free(a->grammar);
    glass_status status = glass_grammar_from_gbnf(&a->grammar, a->tokenizer, text, n, NULL);
    a->r.grammar = a->grammar;
    return named(a, path, status);
}

glass_status ask_schema(struct ask *a, const char *path, const json_t *schema) {
    char *text = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        return fail(GLASS_NO_MEMORY, "%s: the schema could not be copied", path);
    glass_grammar_free(a->grammar);
    glass_status status =
        glass_grammar_from_schema(&a->grammar, a->tokenizer, text, strlen(text), NULL);
    free(text);
    a->r.grammar = a->grammar;
    return named(a, path, status);
}

glass_status ask_json_object(struct ask *a) {
    glass_grammar_free(a->grammar);
    TRY(glass_grammar_from_json_object(&a->grammar, a->tokenizer, NULL));
    a->r.grammar = a->grammar;
    return GLASS_OK;
}

/* ---- prompts ---- */

glass_status ask_take_ids(const struct ask *a, const struct fields *f, const char *name,
                          int32_t **ids, int64_t *n) {
    const json_t *list = NULL, *item;
    size_t i;
    char path[320];
    *ids = NULL;
    *n = 0;
    TRY(fields_list(f, name, &list));
    if (json_array_size(list) == 0) return GLASS_OK;
    TRY(mem_alloc(ids, json_array_size(list), sizeof **ids));
    json_array_foreach(list, i, item) {
        json_int_t id = json_integer_value(item);
        if (json_is_integer(item) && id >= 0 && id < a->n_vocab) {
            (*ids)[i] = (int32_t)id;
            continue;
        }
        mem_free(*ids);
        *ids = NULL;
        snprintf(path, sizeof path, "%s%s[%zu]", f->prefix, name, i);
        return bad_param(f->x, path, "must be a token: a whole number from 0 to %lld",
                         (long long)a->n_vocab - 1);
    }
    *n = (int64_t)json_array_size(list);
    return GLASS_OK;
}

glass_status ask_add_prompt(struct ask *a, int32_t *ids, int64_t n) {
    glass_status status =
        mem_resize(&a->prompts, (size_t)a->n_prompts + 1, sizeof *a->prompts);
    if (status == GLASS_OK && n == 0)
        status =
            fail(GLASS_BAD_INPUT, "the prompt is empty: the model needs at least a token");
    if (status != GLASS_OK) {
        glass_free(ids);
        return status;
    }
    a->prompts[a->n_prompts++] = (struct ask_prompt){ids, n};
    return GLASS_OK;
}

glass_status ask_add_text(struct ask *a, const char *text, size_t n, unsigned flags) {
    int32_t *ids;
    int64_t n_ids;
    TRY(glass_tokenizer_encode(a->tokenizer, &ids, &n_ids, text, n, flags));
    return ask_add_prompt(a, ids, n_ids);
}

glass_status ask_token_text(const struct ask *a, int32_t id, char **text, size_t *n) {
    return glass_tokenizer_decode(a->tokenizer, text, n, &id, 1,
                                  GLASS_SHOW_SPECIAL | GLASS_CONTINUE);
}
