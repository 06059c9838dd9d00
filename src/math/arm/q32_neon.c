/* q32_neon.c - weights in blocks of 32 for Advanced SIMD as every 64-bit Arm has it. Only
 * emulators have run it. */
#include "math/arm/q32_dot.inc"

static void round_block(struct a32_block *out, const float *x) {
    uint32x4_t sizes = vdupq_n_u32(0);
    for (int i = 0; i < Q32; i += 4)
        sizes = vmaxq_u32(sizes, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
    /* As integers, numbers of one sign are ordered like their values, then infinity and
     * NaNs: the largest tells whether all are finite. */
    uint32_t max = vmaxvq_u32(sizes);
    float d = bits_f32(max) / 127;
    memset(out, 0, sizeof *out);
    if (max >= 0x7f800000u) out->d = bits_f32(0x7fc00000u);
    if (max >= 0x7f800000u || d < 0x1p-126f) return;
    float inv = 1 / d;
    int32x4_t pairs =
        vdupq_n_s32(0); /* lanes 0 and 2: of weights 4j, 4j + 1; 1 and 3: the rest */
    for (int i = 0; i < Q32; i += 8) {
        int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), inv));
        int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4), inv));
        vst1_s8(out->q + i, vmovn_s16(vcombine_s16(vmovn_s32(low), vmovn_s32(high))));
        pairs = vaddq_s32(pairs, vpaddq_s32(low, high));
    }
    int32x2_t lanes = vadd_s32(vget_low_s32(pairs), vget_high_s32(pairs));
    int first = vget_lane_s32(lanes, 0), second = vget_lane_s32(lanes, 1);
    out->d = d;
    out->sum = (float)(first + second);
    out->offset8 = -8 * (first + second);
    out->offset16[0] = (int16_t)(-16 * first);
    out->offset16[1] = (int16_t)(-16 * second);
}

static void round_a32_neon(void *out, const float *x, int64_t k) {
    struct a32_block *blocks = out;
    for (int64_t i = 0; i < k / Q32; i++) round_block(blocks + i, x + i * Q32);
}

/* ---- widening: one row of a tile ---- */

INLINE void widen(float *y, const char *x, int64_t k, enum format format) {
    for (int64_t b = 0; b < k / Q32; b++, x += bytes_of(format), y += Q32) {
        int8_t q[Q32];
        float32x4_t d = vdupq_n_f32(f16_widen(load_u16(x)));
        float32x4_t m = vdupq_n_f32(has_minimum(format) ? f16_widen(load_u16(x + 2)) : 0);
        unpack_quants(q, (const uint8_t *)x + (has_minimum(format) ? 4 : 2), format);
        for (int i = 0; i < Q32; i += 8) {
            int16x8_t wide = vmovl_s8(vld1_s8(q + i));
            float32x4_t low = vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
            float32x4_t high = vcvtq_f32_s32(vmovl_high_s16(wide));
            vst1q_f32(y + i,
                      has_minimum(format) ? vfmaq_f32(m, low, d) : vmulq_f32(low, d));
            vst1q_f32(y + i + 4,
                      has_minimum(format) ? vfmaq_f32(m, high, d) : vmulq_f32(high, d));
        }
    }
}

static void widen_q4_0_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, Q4_0);
}

static void widen_q4_1_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, Q4_1);
}

static void widen_q5_0_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, Q5_0);
}

static void widen_q5_1_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, Q5_1);
}

static void widen_q8_0_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, Q8_0);
}

static void widen_iq4_nl_neon(float *y, const void *x, int64_t k) {
    widen(y, x, k, IQ4_NL);
}

void q32_fill_neon(struct math_kernels *k) {
    q32_fill_dot(k);
    k->round_a32 = round_a32_neon;
    k->widen_q4_0 = widen_q4_0_neon;
    k->widen_q4_1 = widen_q4_1_neon;
    k->widen_q5_0 = widen_q5_0_neon;
    k->widen_q5_1 = widen_q5_1_neon;
    k->widen_q8_0 = widen_q8_0_neon;
    k->widen_iq4_nl = widen_iq4_nl_neon;
}
