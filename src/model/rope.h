/* rope.h - the frequencies of rotary positions, and how published models stretch them.
 *
 * Everything is binary32, each step rounded once, in the order given (arithmetic.md,
 * "Rotary"); pow and log are math/functions.h's. */
#ifndef MODEL_ROPE_H
#define MODEL_ROPE_H

#include <stdbool.h>
#include <stdint.h>

struct rope {
    float base;
    float scale;     /* by how much positions are stretched; 1 = not */
    float amplitude; /* cos and sin are multiplied by it */
    bool yarn;       /* stretch low frequencies only (YaRN, Peng et al. 2023) */
    float extent;    /* YaRN: the share of high frequencies that is kept; 1 = all */
    float low, high; /* YaRN: pairs up to `low` keep their frequency, from `high` on are
                         stretched */
};

/* YaRN's amplitude, fma-free: 0.1 m log(scale) + 1 for scale > 1, else 1. */
float rope_mscale(float scale, float m);
/* The pair, not rounded, whose angle turns `turns` times in n_ctx positions:
 * n_rot log(n_ctx / (turns 2 pi)) / (2 log base). base > 1. */
float rope_pair_of(float turns, float base, int64_t n_rot, int64_t n_ctx);
/* freq (n_rot/2). p_i = base^(2i/n_rot); freq_i = 1 / p_i / scale, or, with YaRN,
 * (1 / (scale p_i)) (1 - e_i) + (1 / p_i) e_i, e_i = (1 - ramp_i) extent, ramp_i = (i - low) /
 * (high - low) held to 0 … 1; then / factors[i] unless factors is NULL. */
void rope_frequencies(float *freq, const struct rope *r, int64_t n_rot,
                      const float *factors);

#endif
