/* qk_neon.c - weights in blocks of 256 for Advanced SIMD as every 64-bit Arm has it. Only
 * emulators have run it. */
#include "math/arm/qk_dot.inc"

#include <float.h>

static void round_block(struct a256 *out, const float *x) {
    uint32x4_t sizes = vdupq_n_u32(0);
    for (int i = 0; i < QK_BLOCK; i += 4)
        sizes = vmaxq_u32(sizes, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
    /* As integers, numbers of one sign are ordered like their values, then infinity and
     * NaNs: the largest tells whether all are finite. */
    uint32_t max = vmaxvq_u32(sizes);
    float d = bits_f32(max) / 127.0f, inverse = 1.0f / d;
    memset(out, 0, sizeof *out);
    if (max >= 0x7f800000u) out->d = bits_f32(0x7fc00000u);
    if (max >= 0x7f800000u || inverse > FLT_MAX) return;
    out->d = d;
    for (int i = 0; i < QK_BLOCK; i += 16) {
        int16x4_t q[4];
        for (int l = 0; l < 4; l++)
            q[l] =
                vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4 * l), inverse)));
        int16x8_t low = vcombine_s16(q[0], q[1]), high = vcombine_s16(q[2], q[3]);
        vst1q_s8(out->q + i, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
        out->sums16[i / 16] = vaddvq_s16(vaddq_s16(low, high));
    }
    for (int i = 0; i < 8; i++)
        out->sums32[i] = (int16_t)(out->sums16[2 * i] + out->sums16[2 * i + 1]);
}

static void round_a256_neon(void *out, const float *x, int64_t k) {
    for (int64_t b = 0; b < k / QK_BLOCK; b++) {
        struct a256 block;
        round_block(&block, x + b * QK_BLOCK);
        memcpy((char *)out + (size_t)b * sizeof block, &block, sizeof block);
    }
}

/* ---- widening ---- */

INLINE void widen(float *y, const char *x, int64_t k, enum type t) {
    for (int64_t b = 0; b < k / QK_BLOCK; b++, x += block_bytes(t)) {
        struct plain w;
        unpack(&w, x, t);
        for (int i = 0; i < QK_BLOCK; i += 8, y += 8) {
            int16x8_t wide = vmovl_s8(vld1_s8(w.q + i));
            float32x4_t q[2] = {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))),
                                vcvtq_f32_s32(vmovl_high_s16(wide))};
            float32x4_t factor = vdupq_n_f32(w.d * (float)w.sc[i / 16]);
            float32x4_t less = vdupq_n_f32(-(w.dmin * (float)w.m[i / 16]));
            for (int l = 0; l < 2; l++)
                vst1q_f32(y + 4 * l, has_minima(t) ? vfmaq_f32(less, factor, q[l])
                                                   : vmulq_f32(factor, q[l]));
        }
    }
}

static void widen_q2_k_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, Q2_K);
}

static void widen_q3_k_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, Q3_K);
}

static void widen_q4_k_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, Q4_K);
}

static void widen_q5_k_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, Q5_K);
}

static void widen_q6_k_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, Q6_K);
}

static void widen_iq4_xs_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, IQ4_XS);
}

void qk_fill_neon(struct math_kernels *k) {
    qk_fill_dot(k);
    k->round_a256 = round_a256_neon;
    k->widen_q2_k = widen_q2_k_neon;
    k->widen_q3_k = widen_q3_k_neon;
    k->widen_q4_k = widen_q4_k_neon;
    k->widen_q5_k = widen_q5_k_neon;
    k->widen_q6_k = widen_q6_k_neon;
    k->widen_iq4_xs = widen_iq4_xs_neon;
}
