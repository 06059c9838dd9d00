/* import_rope.c - a config.json's rotary settings.
 *
 * Old files have rope_theta beside rope_scaling {"type": …}; newer ones rope_scaling
 * {"rope_type": …}; the newest all of it in rope_parameters. GPT-NeoX has words of its own. */
#include "base/mem.h"
#include "math/functions.h"
#include "model/import_parts.h"

#include <math.h>
#include <string.h>

struct rope_settings {
    const json_t *object; /* of the scaling; NULL if there is none */
    const char *type;
    double theta, part;
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

static glass_status read(const struct import *im, struct rope_settings *r) {
    const json_t *value;
    size_t i = 0;
    *r = (struct rope_settings){.type = "default"};
    TRY(import_get(im, im->config, "rope_parameters|rope_scaling", &r->object));
    if (r->object != NULL && !json_is_object(r->object))
        return import_bad(im, "rope_parameters|rope_scaling", r->object,
                          "an object is possible");
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)r->object, key, value) {
        if (json_is_object(value))
            return import_bad(im, key, value,
                              "rotary parameters by kind of layer are not supported here");
        i++;
    }
    TRY(import_text(im, r->object, "rope_type|type", &r->type, "default"));
    TRY(both(im, r->object, "rope_theta", "rope_theta|rotary_emb_base", &r->theta, 10000));
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

glass_status import_rope(struct import *im) {
    struct rope_settings r;
    double factor;
    TRY(read(im, &r));
    if (r.n_rot < 2 || r.n_rot % 2 != 0)
        return fail(GLASS_BAD_INPUT, "%s: rotary over %lld of %lld numbers a head",
                    im->config_path, (long long)r.n_rot, (long long)im->head_dim);
    if (!(r.theta >= 1 && r.theta <= 1e12))
        return fail(GLASS_BAD_INPUT, "%s: rope_theta is %g; 1 to 1e12 is possible",
                    im->config_path, r.theta);
    TRY(import_put_count(im, "rope.dimension_count", r.n_rot));
    TRY(import_put_number(im, "rope.freq_base", r.theta));
    if (strcmp(r.type, "default") == 0 || strcmp(r.type, "none") == 0) return GLASS_OK;
    if (strcmp(r.type, "llama3") == 0) return llama3(im, &r);
    if (strcmp(r.type, "linear") != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: rope_type is \"%.64s\"; default, linear and llama3 can be run",
                    im->config_path, r.type);
    TRY(import_number(im, r.object, "factor", &factor, NAN));
    if (!(factor >= 1 && factor <= 1e6))
        return import_bad(im, "factor", json_object_get(r.object, "factor"),
                          "1 to 1e6 is possible");
    TRY(import_put_text(im, "rope.scaling.type", "linear"));
    return import_put_number(im, "rope.scaling.factor", factor);
}
