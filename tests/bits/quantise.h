/* quantise.h - weights to every type that Glass multiplies with, for tests that need models
 * of all types: plainly rounded, valid, and the same bytes on every machine. Not meant to
 * be good: no search for better scales. Layouts: src/math/q32.h and qk.h. */
#ifndef TESTS_QUANTISE_H
#define TESTS_QUANTISE_H

#include "glass/dtype.h"
#include "math/half.h"
#include "math/q32.h"
#include "math/qk.h"

#include <math.h>

static inline int quantise_nearest(float x, int low, int high) {
    float r = floorf(x + 0.5f);
    return r > (float)low ? r < (float)high ? (int)r : high : low;
}

/* The code whose value is nearest to x, the first of two. */
static inline int quantise_code(float x) {
    static const int8_t values[16] = IQ4_NL_CODEBOOK;
    int best = 0;
    for (int i = 1; i < 16; i++)
        if (fabsf(x - (float)values[i]) < fabsf(x - (float)values[best])) best = i;
    return best;
}

static inline float quantise_half(uint8_t out[2], float x) {
    uint16_t h = f16_round(x);
    memcpy(out, &h, 2);
    return f16_widen(h);
}

static inline float quantise_inverse(float d) {
    return d == 0 ? 0 : 1 / d;
}

static inline void quantise_range(float *low, float *high, const float *x, int n) {
    *low = *high = x[0];
    for (int i = 1; i < n; i++) {
        if (x[i] < *low) *low = x[i];
        if (x[i] > *high) *high = x[i];
    }
}

/* ---- blocks of 32: d, m where there is one, fifth bits where there are, the rest ---- */

static inline void quantise_q32(uint8_t *out, const float *x, glass_dtype type) {
    bool minimum = type == GLASS_Q4_1 || type == GLASS_Q5_1;
    bool five = type == GLASS_Q5_0 || type == GLASS_Q5_1;
    int top = five ? 31 : 15, offset = minimum ? 0 : five ? 16 : 8;
    float low, high, m = 0;
    quantise_range(&low, &high, x, Q32);
    float size = -low > high ? -low : high;
    float step = minimum                ? (high - low) / (float)top
                 : type == GLASS_Q8_0   ? size / 127
                 : type == GLASS_IQ4_NL ? size / 113
                                        : size / (float)(offset - 1);
    float inverse = quantise_inverse(quantise_half(out, step));
    out += 2;
    if (minimum) {
        m = quantise_half(out, low);
        out += 2;
    }
    uint8_t *fifth = out;
    if (five) out += 4;
    for (int i = 0; i < Q32; i++) {
        float scaled = (x[i] - m) * inverse;
        if (type == GLASS_Q8_0) {
            out[i] = (uint8_t)quantise_nearest(scaled, -127, 127);
            continue;
        }
        int q = type == GLASS_IQ4_NL ? quantise_code(scaled)
                                     : quantise_nearest(scaled + (float)offset, 0, top);
        out[i % 16] |= (uint8_t)((q & 15) << i / 16 * 4);
        if (five) fifth[i / 8] |= (uint8_t)(q >> 4 << i % 8);
    }
}

/* ---- blocks of 256 ---- */

/* Weight i is d * sc[i / sub] * q[i] - dmin * m[i / sub]. */
struct quantise_plan {
    int sub;             /* weights that share a scale */
    int low, high;       /* of q */
    int sc_high, m_high; /* m_high 0: no minima, and scales of both signs */
    bool codes;          /* q is an index of IQ4_NL's values */
    int sc[16], m[16], q[QK_BLOCK];
};

static inline void quantise_subs(struct quantise_plan *p, uint8_t *d_out, uint8_t *dmin_out,
                                 const float *x) {
    float step[16], least[16], step_max = 0, least_max = 0;
    int n = QK_BLOCK / p->sub;
    for (int j = 0; j < n; j++) {
        float low, high;
        quantise_range(&low, &high, x + j * p->sub, p->sub);
        if (low > 0 || p->m_high == 0) low = p->m_high == 0 && low < 0 ? low : 0;
        float span = p->m_high > 0 ? high - low : -low > high ? -low : high;
        step[j] = span / (float)(p->codes ? 113 : p->high);
        least[j] = p->m_high > 0 ? -low : 0;
        step_max = step[j] > step_max ? step[j] : step_max;
        least_max = least[j] > least_max ? least[j] : least_max;
    }
    float d = quantise_half(d_out, step_max / (float)p->sc_high), dmin = 0;
    if (p->m_high > 0) dmin = quantise_half(dmin_out, least_max / (float)p->m_high);
    for (int j = 0; j < n; j++) {
        p->sc[j] = quantise_nearest(step[j] * quantise_inverse(d), 1, p->sc_high);
        p->m[j] = quantise_nearest(least[j] * quantise_inverse(dmin), 0, p->m_high);
        if (p->m_high == 0 && j % 3 == 1) p->sc[j] = -p->sc[j];
        float inverse = quantise_inverse(d * (float)p->sc[j]), m = dmin * (float)p->m[j];
        for (int i = j * p->sub; i < (j + 1) * p->sub; i++)
            p->q[i] = p->codes ? quantise_code(x[i] * inverse)
                               : quantise_nearest((x[i] + m) * inverse, p->low, p->high);
    }
}

static inline void quantise_q2_k(struct q2_k *w, const float *x) {
    struct quantise_plan p = {16, 0, 3, 15, 15, false, {0}, {0}, {0}};
    quantise_subs(&p, w->d, w->dmin, x);
    for (int j = 0; j < 16; j++) w->scales[j] = (uint8_t)(p.sc[j] | p.m[j] << 4);
    for (int i = 0; i < QK_BLOCK; i++)
        w->qs[i / 128 * 32 + i % 32] |= (uint8_t)(p.q[i] << i % 128 / 32 * 2);
}

static inline void quantise_q3_k(struct q3_k *w, const float *x) {
    struct quantise_plan p = {16, -4, 3, 31, 0, false, {0}, {0}, {0}};
    quantise_subs(&p, w->d, NULL, x);
    for (int j = 0; j < 16; j++) {
        int sc = p.sc[j] + 32;
        w->scales[j % 8] |= (uint8_t)((sc & 15) << j / 8 * 4);
        w->scales[8 + j % 4] |= (uint8_t)(sc >> 4 << j / 4 * 2);
    }
    for (int i = 0; i < QK_BLOCK; i++) {
        int q = p.q[i] + 4;
        w->qs[i / 128 * 32 + i % 32] |= (uint8_t)((q & 3) << i % 128 / 32 * 2);
        w->hmask[i % 32] |= (uint8_t)(q >> 2 << i / 32);
    }
}

static inline void quantise_scales(uint8_t s[12], const struct quantise_plan *p) {
    for (int i = 0; i < 4; i++) {
        s[i] = (uint8_t)(p->sc[i] | p->sc[i + 4] >> 4 << 6);
        s[i + 4] = (uint8_t)(p->m[i] | p->m[i + 4] >> 4 << 6);
        s[i + 8] = (uint8_t)((p->sc[i + 4] & 15) | (p->m[i + 4] & 15) << 4);
    }
}

static inline void quantise_q4_k(struct q4_k *w, const float *x) {
    struct quantise_plan p = {32, 0, 15, 63, 63, false, {0}, {0}, {0}};
    quantise_subs(&p, w->d, w->dmin, x);
    quantise_scales(w->scales, &p);
    for (int i = 0; i < QK_BLOCK; i++)
        w->qs[i / 64 * 32 + i % 32] |= (uint8_t)(p.q[i] << i % 64 / 32 * 4);
}

static inline void quantise_q5_k(struct q5_k *w, const float *x) {
    struct quantise_plan p = {32, 0, 31, 63, 63, false, {0}, {0}, {0}};
    quantise_subs(&p, w->d, w->dmin, x);
    quantise_scales(w->scales, &p);
    for (int i = 0; i < QK_BLOCK; i++) {
        w->qs[i / 64 * 32 + i % 32] |= (uint8_t)((p.q[i] & 15) << i % 64 / 32 * 4);
        w->qh[i % 32] |= (uint8_t)(p.q[i] >> 4 << i / 32);
    }
}

static inline void quantise_q6_k(struct q6_k *w, const float *x) {
    struct quantise_plan p = {16, -32, 31, 127, 0, false, {0}, {0}, {0}};
    quantise_subs(&p, w->d, NULL, x);
    for (int j = 0; j < 16; j++) w->scales[j] = (int8_t)p.sc[j];
    for (int i = 0; i < QK_BLOCK; i++) {
        int q = p.q[i] + 32, half = i / 128, r = i % 128;
        w->ql[half * 64 + r % 64] |= (uint8_t)((q & 15) << r / 64 * 4);
        w->qh[half * 32 + r % 32] |= (uint8_t)(q >> 4 << r / 32 * 2);
    }
}

static inline void quantise_iq4_xs(struct iq4_xs *w, const float *x) {
    struct quantise_plan p = {32, 0, 15, 31, 0, true, {0}, {0}, {0}};
    quantise_subs(&p, w->d, NULL, x);
    for (int i = 0; i < 8; i++) {
        int sc = p.sc[i] + 32;
        w->scales_l[i / 2] |= (uint8_t)((sc & 15) << i % 2 * 4);
        w->scales_h[i / 4] |= (uint8_t)(sc >> 4 << i % 4 * 2);
    }
    for (int i = 0; i < QK_BLOCK; i++)
        w->qs[i / 32 * 16 + i % 16] |= (uint8_t)(p.q[i] << i % 32 / 16 * 4);
}

/* k numbers, a multiple of the type's block, to k / block blocks at out. */
static inline void quantise(uint8_t *out, const float *x, int64_t k, glass_dtype type) {
    int64_t block = glass_dtype_block(type);
    size_t bytes = glass_dtype_block_bytes(type);
    for (int64_t i = 0; i < k; i += block, out += bytes, x += block) {
        void *w = memset(out, 0, bytes);
        uint16_t h;
        switch (type) {
        case GLASS_F32: memcpy(out, x, 4); break;
        case GLASS_F16: quantise_half(out, *x); break;
        case GLASS_BF16:
            h = bf16_round(*x);
            memcpy(out, &h, 2);
            break;
        case GLASS_Q2_K: quantise_q2_k(w, x); break;
        case GLASS_Q3_K: quantise_q3_k(w, x); break;
        case GLASS_Q4_K: quantise_q4_k(w, x); break;
        case GLASS_Q5_K: quantise_q5_k(w, x); break;
        case GLASS_Q6_K: quantise_q6_k(w, x); break;
        case GLASS_IQ4_XS: quantise_iq4_xs(w, x); break;
        default: quantise_q32(out, x, type);
        }
    }
}

#endif
