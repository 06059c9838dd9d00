/* sampler.c - the public sampler: options, the order of steps, the draw. */
#include "model/sampler.h"

#include "base/mem.h"
#include "math/functions.h"
#include "math/kernels.h"
#include "math/philox.h"

#include <math.h>
#include <string.h>

enum { DRAW_STREAM = 0x5a }; /* so that other users of the same seed draw other numbers */

void glass_sampler_defaults(glass_sampler_options *out) {
    *out = (glass_sampler_options){.temperature = 0.8F,
                                   .top_k = 40,
                                   .top_p = 0.95F,
                                   .min_p = 0.05F,
                                   .typical_p = 1,
                                   .repeat_penalty = 1,
                                   .penalty_last_n = 64,
                                   .mirostat_tau = 5,
                                   .mirostat_eta = 0.1F,
                                   .dry_base = 1.75F,
                                   .dry_allowed_length = 2,
                                   .dry_last_n = -1,
                                   .xtc_threshold = 0.1F};
}

static glass_status in_range(const char *name, float value, float least, float most) {
    if (value >= least && value <= most) return GLASS_OK;
    return fail(GLASS_USAGE, "%s is %g: %g to %g is possible", name, (double)value,
                (double)least, (double)most);
}

static glass_status check(const glass_sampler_options *o, int64_t n_vocab) {
    TRY(in_range("temperature", o->temperature, 0, 100));
    TRY(in_range("top_k", (float)o->top_k, 0, 1e9F));
    TRY(in_range("top_p", o->top_p, 0, 1));
    TRY(in_range("min_p", o->min_p, 0, 1));
    TRY(in_range("typical_p", o->typical_p, 0, 1));
    TRY(in_range("repeat_penalty", o->repeat_penalty, 1e-3F, 1e3F));
    TRY(in_range("presence_penalty", o->presence_penalty, -100, 100));
    TRY(in_range("frequency_penalty", o->frequency_penalty, -100, 100));
    TRY(in_range("penalty_last_n", (float)o->penalty_last_n, -1, 1e9F));
    TRY(in_range("mirostat", (float)o->mirostat, 0, 2));
    if (o->mirostat) TRY(in_range("mirostat_tau", o->mirostat_tau, 1e-3F, 100));
    if (o->mirostat) TRY(in_range("mirostat_eta", o->mirostat_eta, 0, 10));
    TRY(in_range("dry_multiplier", o->dry_multiplier, 0, 100));
    if (o->dry_multiplier > 0) TRY(in_range("dry_base", o->dry_base, 1, 10));
    if (o->dry_multiplier > 0)
        TRY(in_range("dry_allowed_length", (float)o->dry_allowed_length, 0, 1e6F));
    TRY(in_range("dry_last_n", (float)o->dry_last_n, -1, 1e9F));
    TRY(in_range("xtc_probability", o->xtc_probability, 0, 1));
    TRY(in_range("xtc_threshold", o->xtc_threshold, 0, 1));
    for (int64_t i = 0; i < o->n_bias; i++)
        if (o->bias[i].id < 0 || o->bias[i].id >= n_vocab || !(o->bias[i].bias < INFINITY))
            return fail(GLASS_USAGE, "logit_bias %lld: token %d of %lld, bias %g",
                        (long long)i, o->bias[i].id, (long long)n_vocab,
                        (double)o->bias[i].bias);
    return GLASS_OK;
}

/* A token that contains a breaker's text breaks matches. */
static glass_status find_breakers(struct glass_sampler *s) {
    static const char *const usual[] = {"\n", ":", "\"", "*"};
    const char *const *texts = s->o.dry_breakers ? s->o.dry_breakers : usual;
    int64_t n = s->o.dry_breakers ? s->o.n_dry_breakers : 4;
    if (s->o.dry_multiplier == 0 || s->tokenizer == NULL) return GLASS_OK;
    s->n_breakers = glass_tokenizer_n_vocab(s->tokenizer);
    TRY(mem_alloc_zero(&s->breakers, (size_t)s->n_breakers, sizeof *s->breakers));
    for (int32_t id = 0; id < s->n_breakers; id++) {
        char *text;
        size_t n_bytes;
        TRY(glass_tokenizer_decode(s->tokenizer, &text, &n_bytes, &id, 1,
                                   GLASS_SHOW_SPECIAL));
        for (int64_t i = 0; i < n; i++)
            if (texts[i][0] != 0 &&
                memmem(text, n_bytes, texts[i], strlen(texts[i])) != NULL)
                s->breakers[id] = 1;
        mem_free(text);
    }
    return GLASS_OK;
}

/* Room for n logits. */
static glass_status take_memory(struct glass_sampler *s, int64_t n) {
    if (n <= s->list.cap) return GLASS_OK;
    mem_free(s->seen);
    mem_free(s->logits);
    s->seen = NULL;
    s->logits = NULL;
    list_clear(&s->list); /* its room says how much the others have */
    TRY(mem_alloc_zero(&s->seen, (size_t)n, sizeof *s->seen));
    TRY(mem_alloc(&s->logits, (size_t)n, sizeof *s->logits));
    return list_reserve(&s->list, n);
}

glass_status glass_sampler_create(glass_sampler **out, const glass_tokenizer *tokenizer,
                                  const glass_sampler_options *options) {
    glass_status status;
    struct glass_sampler *s;
    int64_t n = tokenizer ? glass_tokenizer_n_vocab(tokenizer) : INT32_MAX;
    *out = NULL;
    TRY(check(options, n));
    if (tokenizer == NULL && options->dry_multiplier > 0 &&
        (options->dry_breakers == NULL || options->n_dry_breakers > 0))
        return fail(GLASS_USAGE, "DRY with breakers needs a tokenizer");
    TRY(mem_alloc_zero(&s, 1, sizeof *s));
    s->o = *options;
    s->tokenizer = tokenizer;
    TRY_FAIL(mem_alloc(&s->bias, (size_t)options->n_bias, sizeof *s->bias));
    if (options->n_bias > 0)
        memcpy(s->bias, options->bias, (size_t)options->n_bias * sizeof *s->bias);
    TRY_FAIL(find_breakers(s));
    if (tokenizer != NULL) TRY_FAIL(take_memory(s, n));
    s->o.dry_breakers = NULL; /* the caller's, not needed any more */
    glass_sampler_reset(s);
    *out = s;
    return GLASS_OK;
fail:
    glass_sampler_free(s);
    return status;
}

void glass_sampler_free(glass_sampler *s) {
    if (s == NULL) return;
    mem_free(s->bias);
    mem_free(s->breakers);
    list_clear(&s->list);
    mem_free(s->seen);
    mem_free(s->logits);
    mem_free(s->history);
    mem_free(s->z);
    glass_grammar_state_free(s->place);
    mem_free(s);
}

void glass_sampler_reset(glass_sampler *s) {
    s->n_history = 0;
    s->n_draws = 0;
    s->mu = 2 * s->o.mirostat_tau;
    if (s->place != NULL) glass_grammar_state_reset(s->place);
}

glass_status glass_sampler_accept(glass_sampler *s, int32_t id) {
    if (id < 0) return fail(GLASS_USAGE, "token %d", id);
    if (s->n_history == s->cap_history) {
        int64_t cap = s->cap_history ? 2 * s->cap_history : 256;
        TRY(mem_resize(&s->history, (size_t)cap, sizeof *s->history));
        if (s->o.dry_multiplier != 0) TRY(mem_resize(&s->z, (size_t)cap, sizeof *s->z));
        s->cap_history = cap;
    }
    s->history[s->n_history++] = id;
    return GLASS_OK;
}

static float uniform(struct glass_sampler *s) {
    return philox_uniform(s->o.seed, DRAW_STREAM, s->n_draws++);
}

/* Logits that bias and history change are changed in a copy. */
static glass_status change_logits(struct glass_sampler *s, const float **logits,
                                  int64_t n) {
    const glass_sampler_options *o = &s->o;
    if (o->n_bias == 0 && o->repeat_penalty == 1 && o->presence_penalty == 0 &&
        o->frequency_penalty == 0 && o->dry_multiplier == 0)
        return GLASS_OK;
    if (*logits != s->logits) memcpy(s->logits, *logits, (size_t)n * sizeof **logits);
    *logits = s->logits;
    for (int64_t i = 0; i < o->n_bias; i++) {
        if (s->bias[i].id >= n)
            return fail(GLASS_USAGE, "logit_bias %lld: token %d of %lld", (long long)i,
                        s->bias[i].id, (long long)n);
        s->logits[s->bias[i].id] = s->logits[s->bias[i].id] + s->bias[i].bias;
    }
    step_penalties(s, s->logits, n);
    step_dry(s, s->logits, n);
    return GLASS_OK;
}

/* The first id of the largest logit. */
static int32_t best_of(const float *logits, int64_t n, float most) {
    for (int64_t i = 0; i < n; i++)
        if (logits[i] == most) return (int32_t)i;
    return 0;
}

static int32_t pick(struct glass_sampler *s, const float *logits, int64_t n, float most) {
    const glass_sampler_options *o = &s->o;
    struct list *l = &s->list;
    if (o->temperature == 0) return best_of(logits, n, most);
    list_fill(l, logits, n, most);
    if (o->mirostat) {
        step_temperature(l, o->temperature);
        return l->id[step_mirostat(l, o, &s->mu, uniform(s))];
    }
    step_top_k(l, o->top_k);
    step_typical(l, o->typical_p);
    step_top_p(l, o->top_p);
    step_min_p(l, o->min_p);
    if (o->xtc_probability > 0)
        step_xtc(l, uniform(s), o->xtc_probability, o->xtc_threshold);
    step_temperature(l, o->temperature);
    return l->id[step_draw(l, uniform(s))];
}

static glass_status check_logits(const float *logits, int64_t n) {
    int bad = 0;
    for (int64_t i = 0; i < n; i++) bad |= !(logits[i] < INFINITY);
    if (!bad) return GLASS_OK;
    int64_t i = 0;
    while (logits[i] < INFINITY) i++;
    return fail(GLASS_BAD_INPUT,
                "the logit of token %lld is not a finite number: the model's weights are "
                "damaged",
                (long long)i);
}

glass_status glass_sampler_next(glass_sampler *s, int32_t *id, const float *logits,
                                int64_t n_vocab) {
    *id = -1;
    if (n_vocab < 1 || n_vocab > INT32_MAX)
        return fail(GLASS_USAGE, "%lld logits", (long long)n_vocab);
    TRY(take_memory(s, n_vocab));
    TRY(check_logits(logits, n_vocab));
    if (s->place != NULL) TRY(step_grammar(s, &logits, n_vocab));
    TRY(change_logits(s, &logits, n_vocab));
    float most = math_kernels()->max_f32(logits, n_vocab);
    if (!(most > -INFINITY && most < INFINITY))
        return fail(GLASS_USAGE, "bias and penalties leave no token that could be chosen");
    int32_t chosen = pick(s, logits, n_vocab, most);
    if (s->place != NULL) TRY(glass_grammar_state_accept(s->place, chosen));
    TRY(glass_sampler_accept(s, chosen));
    *id = chosen;
    return GLASS_OK;
}

glass_status sampler_shadow(struct glass_sampler *shadow, const struct glass_sampler *s,
                            int64_t ahead) {
    if (shadow->cap_history < s->n_history + ahead) {
        int64_t cap = 2 * (s->n_history + ahead);
        TRY(mem_resize(&shadow->history, (size_t)cap, sizeof *s->history));
        TRY(mem_resize(&shadow->z, (size_t)cap, sizeof *s->z));
        shadow->cap_history = cap;
    }
    shadow->o = s->o;
    shadow->tokenizer = s->tokenizer;
    shadow->bias = s->bias;
    shadow->breakers = s->breakers;
    shadow->n_breakers = s->n_breakers;
    shadow->n_draws = s->n_draws;
    shadow->mu = s->mu;
    shadow->n_history = s->n_history;
    if (s->n_history > 0)
        memcpy(shadow->history, s->history, (size_t)s->n_history * sizeof *s->history);
    return shadow_grammar(shadow, s);
}

void sampler_shadow_clear(struct glass_sampler *shadow) {
    list_clear(&shadow->list);
    mem_free(shadow->seen);
    mem_free(shadow->logits);
    mem_free(shadow->history);
    mem_free(shadow->z);
    glass_grammar_state_free(shadow->place);
    *shadow = (struct glass_sampler){0};
}

void glass_logprobs(float *out, const float *logits, int64_t n) {
    const struct math_kernels *m = math_kernels();
    float most = m->max_f32(logits, n);
    float z = m->softmax_exp_f32(out, logits, most, 0, n);
    float log_z = math_log_f32(z);
    for (int64_t i = 0; i < n; i++) out[i] = logits[i] - most - log_z;
}
