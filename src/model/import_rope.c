/* import_rope.c - a config.json's rotary settings.
 *
 * Old files have rope_theta beside rope_scaling {"type": …}; newer ones rope_scaling
 * {"rope_type": …}; the newest all of it in rope_parameters, some of them by kind of layer.
 * GPT-NeoX has words of its own. */
#include "base/mem.h"
#include "math/functions.h"
#include "model/import_parts.h"

#include <math.h>
#include <string.h>

struct rope_settings {
    const json_t *object; /* of the scaling; NULL if there is none */
    const char *type;
    double theta, part;
    double theta_local; /* of windowed layers */
    int64_t n_rot;
};

/* One number that may stand in the object or beside it, but not differently. */
static glass_status both(const struct import *im, const json_t *object, const char *inside,
                         const char *beside, double *out, double absent) {
    double in, out_there;
    TRY(import_number(im, im->config, beside, &out_there, absent));
    TRY(import_number(im, object, inside, &in, out_there));
    const json_t *written;
    TRY(import_get(im, im->config, beside, &written));
    if (written != NULL && in != out_there)
        return import_bad(im, beside, written, "the rotary parameters say otherwise");
    *out = in;
    return GLASS_OK;
}

static glass_status check_object(const struct import *im, const char *name,
                                 const json_t *object) {
    const char *key;
    const json_t *value;
    if (object == NULL || json_is_null(object)) return GLASS_OK;
    if (!json_is_object(object))
        return import_bad(im, name, object, "an object is possible");
    json_object_foreach(
        (json_t *)(uintptr_t)object, key,
        value) if (json_is_object(value)) return import_bad(im, key, value,
                                                            "rotary parameters by kind of "
                                                            "layer are not supported here");
    return GLASS_OK;
}

/* Files that say it by kind of layer, and how older ones said the same. */
static glass_status read_kinds(const struct import *im, struct rope_settings *r) {
    const struct import_family *f = im->family;
    const json_t *full = json_object_get(r->object, "full_attention"),
                 *local = json_object_get(r->object, "sliding_attention");
    const char *type;
    r->theta_local = f->rope_local;
    if (full == NULL && local == NULL) {
        if (f->rope_local == 0) return GLASS_OK;
        return import_number(im, im->config, "rope_local_base_freq", &r->theta_local,
                             f->rope_local);
    }
    TRY(check_object(im, "full_attention", full));
    TRY(check_object(im, "sliding_attention", local));
    r->object = full;
    TRY(import_text(im, local, "rope_type|type", &type, "default"));
    if (strcmp(type, "default") != 0)
        return import_bad(im, "sliding_attention", local, "default can be run");
    return both(im, local, "rope_theta", "rope_local_base_freq", &r->theta_local,
                f->rope_local == 0 ? f->rope_theta : f->rope_local);
}

static glass_status read(const struct import *im, struct rope_settings *r) {
    double theta = im->family->rope_theta == 0 ? 10000 : im->family->rope_theta;
    *r = (struct rope_settings){.type = "default"};
    TRY(import_get(im, im->config, "rope_parameters|rope_scaling", &r->object));
    if (im->family->rope_kinds) TRY(read_kinds(im, r));
    TRY(check_object(im, "rope_parameters|rope_scaling", r->object));
    TRY(import_text(im, r->object, "rope_type|type", &r->type, "default"));
    TRY(both(im, r->object, "rope_theta", "rope_theta|rotary_emb_base", &r->theta, theta));
    if (r->theta_local == 0) r->theta_local = r->theta;
    TRY(both(im, r->object, "partial_rotary_factor", "partial_rotary_factor|rotary_pct",
             &r->part, im->family->rope_part));
    if (!(r->part > 0 && r->part <= 1))
        return import_bad(im, "partial_rotary_factor|rotary_pct",
                          json_object_get(r->object, "partial_rotary_factor"),
                          "a part of a head is possible");
    r->n_rot = (int64_t)((double)im->head_dim * r->part);
    return GLASS_OK;
}

/* Llama 3's rule (apply_scaling of its reference code): long waves turn `factor` times slower,
 * short ones as ever, between them a mixture. The factors divide the frequencies. */
void import_llama3_factors(float *factors, const struct import_llama3 *r) {
    for (int64_t i = 0; i < r->n_rot / 2; i++) {
        float exponent = (float)(2 * i) / (float)r->n_rot;
        double wave = 2 * M_PI * (double)math_pow_f32((float)r->theta, exponent);
        double shortest = r->length / r->high, longest = r->length / r->low;
        if (wave < shortest) {
            factors[i] = 1;
        } else if (wave > longest) {
            factors[i] = (float)r->factor;
        } else {
            double mix = (r->length / wave - r->low) / (r->high - r->low);
            factors[i] = (float)(1 / ((1 - mix) / r->factor + mix));
        }
    }
}

/* The rule's numbers go along, for who writes a config.json of it. */
glass_status import_rope_llama3(struct import *im, const struct import_llama3 *r) {
    int64_t n = r->n_rot / 2;
    const double numbers[] = {r->factor, r->low, r->high, r->length};
    float *factors;
    TRY(mem_alloc_aligned(&factors, (size_t)n, sizeof *factors));
    TRY(gguf_build_own(im->build, factors, mem_free));
    import_llama3_factors(factors, r);
    TRY(gguf_put_array(im->values, IMPORT_LLAMA3_KEY, GGUF_F64, numbers, 4));
    struct gguf_tensor t = {.name = "rope_freqs.weight",
                            .dtype = GLASS_F32,
                            .n_dims = 1,
                            .shape = {n},
                            .data = (const uint8_t *)factors};
    return gguf_build_tensor(im->build, &t);
}

static glass_status llama3(struct import *im, const struct rope_settings *r) {
    struct import_llama3 l = {.theta = r->theta, .n_rot = r->n_rot};
    int64_t length;
    TRY(import_number(im, r->object, "factor", &l.factor, NAN));
    TRY(import_number(im, r->object, "low_freq_factor", &l.low, NAN));
    TRY(import_number(im, r->object, "high_freq_factor", &l.high, NAN));
    TRY(import_count(im, r->object, "original_max_position_embeddings", &length, 1,
                     IMPORT_COUNT, -1));
    l.length = (double)length;
    if (!(l.factor >= 1 && l.low > 0 && l.high > l.low))
        return import_bad(im, "rope_scaling", r->object,
                          "factor of at least 1 and low_freq_factor < high_freq_factor are "
                          "possible");
    return import_rope_llama3(im, &l);
}

/* The length of text that a model was first trained for, which Phi 3 has beside the object. */
static glass_status original_length(struct import *im, const struct rope_settings *r,
                                    int64_t *out) {
    static const char key[] = "original_max_position_embeddings";
    int64_t beside;
    TRY(import_count(im, im->config, key, &beside, 1, IMPORT_COUNT, im->n_ctx));
    TRY(import_count(im, r->object, key, out, 1, IMPORT_COUNT, beside));
    if (json_object_get(im->config, key) != NULL && *out != beside)
        return import_bad(im, key, json_object_get(im->config, key),
                          "the rotary parameters say otherwise");
    return import_put_count(im, "rope.scaling.original_context_length", *out);
}

/* By how much positions are stretched; files may leave it to the lengths. */
static glass_status read_factor(const struct import *im, const struct rope_settings *r,
                                double *out, double absent) {
    TRY(import_number(im, r->object, "factor", out, absent));
    if (*out >= 1 && *out <= 1e6) return GLASS_OK;
    return import_bad(im, "factor", json_object_get(r->object, "factor"),
                      "1 to 1e6 is possible");
}

static glass_status linear(struct import *im, const struct rope_settings *r) {
    double factor;
    int64_t length;
    TRY(read_factor(im, r, &factor, NAN));
    if (json_object_get(r->object, "original_max_position_embeddings") != NULL)
        TRY(original_length(im, r, &length));
    TRY(import_put_text(im, "rope.scaling.type", "linear"));
    return import_put_number(im, "rope.scaling.factor", factor);
}

static double mscale(double factor, double m) {
    return factor <= 1 ? 1 : 0.1 * m * log(factor) + 1;
}

/* How YaRN makes up for scores that grow with the context: said outright, by two numbers
 * whose quotient it is, or not at all. */
static glass_status yarn_amplitude(struct import *im, const struct rope_settings *r,
                                   double factor) {
    double said, one, all;
    TRY(import_number(im, r->object, "attention_factor", &said, 0));
    TRY(import_number(im, r->object, "mscale", &one, 0));
    TRY(import_number(im, r->object, "mscale_all_dim", &all, 0));
    if (said != 0) return import_put_number(im, "rope.scaling.yarn_attn_factor", said);
    if (one == 0 || all == 0) return GLASS_OK;
    if (one == 1) return import_put_number(im, "rope.scaling.yarn_log_multiplier", all);
    return import_put_number(im, "rope.scaling.yarn_attn_factor",
                             mscale(factor, one) / mscale(factor, all));
}

static glass_status yarn(struct import *im, const struct rope_settings *r) {
    static const char *const betas[2][2] = {{"beta_fast", "rope.scaling.yarn_beta_fast"},
                                            {"beta_slow", "rope.scaling.yarn_beta_slow"}};
    double factor, beta;
    int64_t length;
    bool truncate;
    TRY(original_length(im, r, &length));
    TRY(read_factor(im, r, &factor, (double)im->n_ctx / (double)length));
    TRY(import_flag(im, r->object, "truncate", &truncate, true));
    if (!truncate)
        return import_bad(im, "truncate", json_object_get(r->object, "truncate"),
                          "true can be run");
    TRY(import_put_text(im, "rope.scaling.type", "yarn"));
    TRY(import_put_number(im, "rope.scaling.factor", factor));
    for (int i = 0; i < 2; i++) {
        TRY(import_number(im, r->object, betas[i][0], &beta, 0));
        if (beta != 0) TRY(import_put_number(im, betas[i][1], beta));
    }
    return yarn_amplitude(im, r, factor);
}

static glass_status put_factors(struct import *im, const struct rope_settings *r,
                                const char *theirs, const char *ours) {
    const json_t *list;
    int64_t n = r->n_rot / 2;
    float *factors;
    TRY(import_get(im, r->object, theirs, &list));
    if (json_array_size(list) != (size_t)n)
        return import_bad(im, theirs, list,
                          "a number for each pair that rotates is possible");
    TRY(mem_alloc_aligned(&factors, (size_t)n, sizeof *factors));
    TRY(gguf_build_own(im->build, factors, mem_free));
    for (int64_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        factors[i] = (float)json_number_value(item);
        if (!json_is_number(item) || !(factors[i] >= 1e-6F && factors[i] <= 1e6F))
            return import_bad(im, theirs, item, "1e-6 to 1e6 is possible");
    }
    struct gguf_tensor t = {.name = ours,
                            .dtype = GLASS_F32,
                            .n_dims = 1,
                            .shape = {n},
                            .data = (const uint8_t *)factors};
    return gguf_build_tensor(im->build, &t);
}

double import_longrope_amplitude(double factor, double length) {
    return factor <= 1 || length <= 1 ? 1 : sqrt(1 + log(factor) / log(length));
}

/* Frequencies of their own for short and for long texts. */
static glass_status longrope(struct import *im, const struct rope_settings *r) {
    double factor, amplitude;
    int64_t length;
    TRY(original_length(im, r, &length));
    TRY(import_number(im, r->object, "factor", &factor,
                      (double)im->n_ctx / (double)length));
    TRY(import_number(im, r->object, "attention_factor", &amplitude,
                      import_longrope_amplitude(factor, (double)length)));
    TRY(import_put_text(im, "rope.scaling.type", "longrope"));
    TRY(import_put_number(im, "rope.scaling.attn_factor", amplitude));
    TRY(put_factors(im, r, "short_factor", "rope_factors_short.weight"));
    return put_factors(im, r, "long_factor", "rope_factors_long.weight");
}

static glass_status scaling(struct import *im, const struct rope_settings *r) {
    static const struct {
        const char *type;
        glass_status (*read)(struct import *im, const struct rope_settings *r);
    } kinds[] = {{"linear", linear}, {"llama3", llama3},     {"yarn", yarn},
                 {"su", longrope},   {"longrope", longrope}, {"default", NULL},
                 {"none", NULL},     {"dynamic", NULL}}; /* beyond the context only */
    const json_t *sets = json_object_get(r->object, "short_factor");
    if (strcmp(r->type, "yarn") == 0 && sets != NULL) return longrope(im, r); /* Phi 3 */
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(r->type, kinds[i].type) == 0)
            return kinds[i].read == NULL ? GLASS_OK : kinds[i].read(im, r);
    return fail(
        GLASS_BAD_INPUT,
        "%s: rope_type is \"%.64s\"; default, linear, llama3, yarn and longrope can "
        "be run",
        im->config_path, r->type);
}

static glass_status check_theta(const struct import *im, const char *name, double theta) {
    if (theta >= 1 && theta <= 1e12) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: %s is %g; 1 to 1e12 is possible", im->config_path,
                name, theta);
}

glass_status import_rope(struct import *im) {
    struct rope_settings r;
    double temperature;
    TRY(read(im, &r));
    if (r.n_rot < 2 || r.n_rot % 2 != 0)
        return fail(GLASS_BAD_INPUT, "%s: rotary over %lld of %lld numbers a head",
                    im->config_path, (long long)r.n_rot, (long long)im->head_dim);
    TRY(check_theta(im, "rope_theta", r.theta));
    TRY(check_theta(im, "rope_local_base_freq", r.theta_local));
    TRY(import_put_count(im, "rope.dimension_count", r.n_rot));
    TRY(import_put_number(im, "rope.freq_base", r.theta));
    double local = im->family->rope_local == 0 ? r.theta : im->family->rope_local;
    if (r.theta_local != local)
        TRY(import_put_number(im, "rope.freq_base_swa", r.theta_local));
    TRY(import_number(im, r.object, "llama_4_scaling_beta", &temperature, 0));
    if (temperature != 0)
        TRY(import_put_number(im, "attention.temperature_scale", temperature));
    return scaling(im, &r);
}
