/* rope.c - frequencies of rotary positions. */
#include "model/rope.h"

#include "math/functions.h"

#include <stddef.h>

float rope_mscale(float scale, float m) {
    return scale > 1 ? 0.1F * m * math_log_f32(scale) + 1.0F : 1.0F;
}

float rope_pair_of(float turns, float base, int64_t n_rot, int64_t n_ctx) {
    float positions = (float)n_ctx / (turns * 2.0F * 0x1.921fb6p+1F);
    return (float)n_rot * math_log_f32(positions) / (2.0F * math_log_f32(base));
}

/* How much of the pair's own frequency YaRN keeps. */
static float kept(const struct rope *r, int64_t i) {
    float ramp = ((float)i - r->low) / (r->high - r->low);
    ramp = ramp > 0 ? ramp : 0;
    ramp = ramp < 1 ? ramp : 1;
    return (1.0F - ramp) * r->extent;
}

void rope_frequencies(float *freq, const struct rope *r, int64_t n_rot,
                      const float *factors) {
    for (int64_t i = 0; i < n_rot / 2; i++) {
        float exponent = (float)(2 * i) / (float)n_rot;
        float power = math_pow_f32(r->base, exponent);
        if (r->yarn) {
            float keep = kept(r, i);
            float stretched = 1.0F / (r->scale * power) * (1.0F - keep);
            float own = 1.0F / power * keep;
            freq[i] = stretched + own;
        } else {
            freq[i] = 1.0F / power / r->scale;
        }
        if (factors != NULL) freq[i] = freq[i] / factors[i];
    }
}
