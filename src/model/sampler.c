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
    *out = (glass_sampler_options){
        .temperature = 0.8F, .top_k = 40, .top_p = 0.95F, .min_p = 0.05F, .typical_p = 1,
        .repeat_penalty = 1, .penalty_last_n = 64, .mirostat_tau = 5, .mirostat_eta = 0.1F,
        .dry_base = 1.75F, .dry_allowed_length = 2, .dry_last_n = -1, .xtc_threshold = 0.1F};
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
    TRY(in_range("xtc_probability", o->xtc_probability, 0, 1));
    TRY(in_range("xtc_threshold", o->xtc_threshold, 0, 1));
    for (int64_t i = 0; i < o->n_bias; i++)
        if (o->bias[i].id < 0 || o->bias[i].id >= n_vocab || o->bias[i].bias != o->bias[i].bias)
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
    if (s->o.dry_multiplier == 0) return GLASS_OK;
    TRY(mem_alloc(&s->breakers, (size_t)s->n_vocab, sizeof *s->breakers));
    for (int32_t id = 0; id < glass_tokenizer_n_vocab(s->tokenizer); id++) {
        char *text;
        size_t n_bytes;
        TRY(glass_tokenizer_decode(s->tokenizer, &text, &n_bytes, &id, 1, GLASS_SHOW_SPECIAL));
        bool breaks = false;
        for (int64_t i = 0; i < n && !breaks; i++) breaks = strstr(text, texts[i]) != NULL;
        if (breaks) s->breakers[s->n_breakers++] = id;
        mem_free(text);
    }
    return GLASS_OK;
}

glass_status glass_sampler_create(glass_sampler **out, const glass_tokenizer *tokenizer,
                                  const glass_sampler_options *options) {
    glass_status status;
    struct glass_sampler *s;
    int64_t n = glass_tokenizer_n_vocab(tokenizer);
    *out = NULL;
    TRY(check(options, n));
    TRY(mem_alloc_zero(&s, 1, sizeof *s));
    s->o = *options;
    s->tokenizer = tokenizer;
    s->n_vocab = n;
    TRY_FAIL(mem_alloc(&s->bias, (size_t)options->n_bias, sizeof *s->bias));
    if (options->n_bias > 0)
        memcpy(s->bias, options->bias, (size_t)options->n_bias * sizeof *s->bias);
    TRY_FAIL(find_breakers(s));
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
    mem_free(s->all);
    mem_free(s->logits);
    mem_free(s->order);
    mem_free(s->history);
    mem_free(s);
}

void glass_sampler_reset(glass_sampler *s) {
    s->n_history = 0;
    s->n_draws = 0;
    s->mu = 2 * s->o.mirostat_tau;
}

glass_status glass_sampler_accept(glass_sampler *s, int32_t id) {
    if (id < 0) return fail(GLASS_USAGE, "token %d", id);
    if (s->n_history == s->cap_history) {
        int64_t cap = s->cap_history ? 2 * s->cap_history : 256;
        TRY(mem_resize(&s->history, (size_t)cap, sizeof *s->history));
        s->cap_history = cap;
    }
    s->history[s->n_history++] = id;
    return GLASS_OK;
}

float sampler_uniform(struct glass_sampler *s) {
    return philox_uniform(s->o.seed, DRAW_STREAM, s->n_draws++);
}

/* The first candidate at which the running sum of p passes u; p sums to about 1. */
static int32_t draw(struct glass_sampler *s, struct candidate *c, int64_t n) {
    float u = sampler_uniform(s), sum = 0;
    step_softmax(c, n);
    for (int64_t i = 0; i < n; i++) {
        sum = sum + c[i].p;
        if (u < sum) return c[i].id;
    }
    return c[n - 1].id;
}

static float log2_of(float p) {
    return math_log_f32(p) / 0x1.62e430p-1F;
}

/* Mirostat (Basu et al., 2021). 1 estimates Zipf's exponent from the 100 likeliest and cuts
 * at k; 2 cuts what is more surprising than mu. Then mu moves by the error. */
static int32_t mirostat(struct glass_sampler *s, struct candidate *c, int64_t n) {
    int64_t kept = 1;
    step_softmax(c, n);
    if (s->o.mirostat == 2) {
        while (kept < n && c[kept].p > 0 && -log2_of(c[kept].p) <= s->mu) kept++;
    } else {
        float over = 0, under = 0;
        for (int64_t i = 0; i + 1 < n && i < 99 && c[i + 1].p > 0; i++) {
            float t = math_log_f32((float)(i + 2) / (float)(i + 1));
            float b = math_log_f32(c[i].p / c[i + 1].p);
            over = fmaf(t, b, over);
            under = fmaf(t, t, under);
        }
        float exponent = under > 0 ? over / under : 1, e = exponent - 1;
        float mass = 1 - math_pow_f32((float)s->n_vocab, -e);
        float k = math_pow_f32(e * math_pow_f32(2, s->mu) / mass, 1 / exponent);
        kept = k >= 1 && k < (float)n ? (int64_t)k : k >= (float)n ? n : 1;
    }
    int32_t id = draw(s, c, kept);
    for (int64_t i = 0; i < kept; i++)
        if (c[i].id == id) s->mu = s->mu - s->o.mirostat_eta * (-log2_of(c[i].p) - s->o.mirostat_tau);
    return id;
}

static glass_status take_memory(struct glass_sampler *s, int64_t n) {
    if (s->all != NULL && n <= s->n_vocab) return GLASS_OK;
    if (n > s->n_vocab) s->n_vocab = n;
    mem_free(s->all);
    mem_free(s->logits);
    mem_free(s->order);
    s->logits = NULL;
    s->order = NULL;
    TRY(mem_alloc(&s->all, (size_t)s->n_vocab, sizeof *s->all));
    TRY(mem_alloc(&s->logits, (size_t)s->n_vocab, sizeof *s->logits));
    if (s->o.typical_p < 1) TRY(mem_alloc(&s->order, (size_t)s->n_vocab, sizeof *s->order));
    return GLASS_OK;
}

static int32_t best_of(const float *logits, int64_t n) {
    float most = math_kernels()->max_f32(logits, n);
    for (int64_t i = 0; i < n; i++)
        if (logits[i] == most) return (int32_t)i;
    return 0;
}

static int32_t pick(struct glass_sampler *s, int64_t n) {
    const glass_sampler_options *o = &s->o;
    if (o->temperature == 0 && !o->mirostat) return best_of(s->logits, n);
    struct candidate *c = s->all;
    for (int64_t i = 0; i < n; i++) c[i] = (struct candidate){s->logits[i], 0, (int32_t)i};
    int64_t k = o->top_k > 0 && o->top_k < n && !o->mirostat ? o->top_k : n;
    step_select(c, n, k);
    if (!o->mirostat) {
        k = step_typical(s, c, k);
        k = step_top_p(c, k, o->top_p);
        k = step_min_p(c, k, o->min_p);
        k = step_xtc(s, c, k);
    }
    float temperature = o->temperature == 0 ? 1e-3F : o->temperature;
    for (int64_t i = 0; i < k; i++) c[i].logit = c[i].logit / temperature;
    return o->mirostat ? mirostat(s, c, k) : draw(s, c, k);
}

glass_status glass_sampler_next(glass_sampler *s, int32_t *id, const float *logits,
                                int64_t n_vocab) {
    *id = -1;
    TRY(take_memory(s, n_vocab));
    memcpy(s->logits, logits, (size_t)n_vocab * sizeof *logits);
    for (int64_t i = 0; i < n_vocab; i++)
        if (logits[i] != logits[i])
            return fail(GLASS_BAD_INPUT, "the logit of token %lld is not a number: the "
                                         "model's weights are damaged",
                        (long long)i);
    for (int64_t i = 0; i < s->o.n_bias; i++)
        s->logits[s->bias[i].id] = s->logits[s->bias[i].id] + s->bias[i].bias;
    step_penalties(s, s->logits);
    step_dry(s, s->logits);
    *id = pick(s, n_vocab);
    return glass_sampler_accept(s, *id);
}

void glass_logprobs(float *out, const float *logits, int64_t n) {
    const struct math_kernels *m = math_kernels();
    float most = m->max_f32(logits, n);
    float z = m->softmax_exp_f32(out, logits, most, 0, n);
    float log_z = math_log_f32(z);
    for (int64_t i = 0; i < n; i++) out[i] = logits[i] - most - log_z;
}
