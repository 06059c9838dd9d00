/* attn_neon.c - attention's kernels for Advanced SIMD.
 *
 * A register tile is R query rows times 16 keys (scores) or 16 features (values): 4 R sums.
 * attn_layout.h says how keys and values lie. Only emulators have run it. */
#include "math/attn_layout.h"
#include "math/dispatch.h"
#include "math/half.h"

#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = 4, QUADS = ATTN_TILE / 4 };
/* What the cache holds; a constant wherever it is passed on. */
enum kind { F32, F16, Q8_0 };

/* ---- sixteen numbers at a time ---- */

struct lanes {
    float32x4_t quad[QUADS];
};

INLINE struct lanes load_f32(const uint8_t *p) {
    struct lanes x;
    for (int i = 0; i < QUADS; i++) x.quad[i] = vreinterpretq_f32_u8(vld1q_u8(p + 16 * i));
    return x;
}

INLINE struct lanes load_f16(const uint8_t *p) {
    struct lanes x;
    for (int i = 0; i < QUADS; i++)
        x.quad[i] = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p + 8 * i)));
    return x;
}

INLINE struct lanes load_int8(const uint8_t *p) {
    int8x16_t q = vreinterpretq_s8_u8(vld1q_u8(p));
    int16x8_t low = vmovl_s8(vget_low_s8(q)), high = vmovl_high_s8(q);
    return (struct lanes){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
                           vcvtq_f32_s32(vmovl_high_s16(low)),
                           vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                           vcvtq_f32_s32(vmovl_high_s16(high))}};
}

INLINE struct lanes zeros(void) {
    struct lanes x;
    for (int i = 0; i < QUADS; i++) x.quad[i] = vdupq_n_f32(0);
    return x;
}

INLINE struct lanes load(const float *p) {
    return load_f32((const uint8_t *)p);
}

INLINE void store(float *p, const struct lanes *x) {
    for (int i = 0; i < QUADS; i++) vst1q_f32(p + 4 * i, x->quad[i]);
}

INLINE void add_product(struct lanes *sum, float32x4_t x, const struct lanes *y) {
    for (int i = 0; i < QUADS; i++) sum->quad[i] = vfmaq_f32(sum->quad[i], x, y->quad[i]);
}

INLINE struct lanes times(const struct lanes *x, const struct lanes *y) {
    struct lanes z;
    for (int i = 0; i < QUADS; i++) z.quad[i] = vmulq_f32(x->quad[i], y->quad[i]);
    return z;
}

/* The row's keys within the block, counted from key0; false if there are none. */
INLINE bool clip(int64_t *from, int64_t *to, int64_t begin, int64_t end, int64_t key0) {
    *from = begin > key0 ? begin - key0 : 0;
    *to = end - key0 < ATTN_BLOCK ? end - key0 : ATTN_BLOCK;
    return *from < *to;
}

/* ---- scores ---- */

/* Feature d of a tile's 16 keys. */
INLINE struct lanes k_lanes(const uint8_t *tile, int64_t d, enum kind kind) {
    if (kind == F32) return load_f32(tile + d * ATTN_TILE * 4);
    if (kind == F16) return load_f16(tile + d * ATTN_TILE * 2);
    const uint8_t *block = tile + d / 32 * ATTN_Q8_BYTES;
    struct lanes scale = load_f16(block), q = load_int8(block + 32 + d % 32 * ATTN_TILE);
    return times(&q, &scale);
}

/* R rows times the keys of one tile; R and kind are constants. */
INLINE void qk_tile(float *s, int64_t s_stride, const float *q, int64_t q_stride,
                    const uint8_t *tile, int64_t head_dim, float scale, int R,
                    enum kind kind) {
    struct lanes dot[ROWS];
    for (int64_t d0 = 0; d0 < head_dim; d0 += 256) {
        int64_t d1 = d0 + 256 < head_dim ? d0 + 256 : head_dim;
        struct lanes sum[ROWS];
        for (int r = 0; r < R; r++) sum[r] = zeros();
        for (int64_t d = d0; d < d1; d++) {
            struct lanes k = k_lanes(tile, d, kind);
            for (int r = 0; r < R; r++)
                add_product(&sum[r], vld1q_dup_f32(q + r * q_stride + d), &k);
        }
        for (int r = 0; r < R; r++)
            for (int i = 0; i < QUADS; i++)
                dot[r].quad[i] =
                    d0 == 0 ? sum[r].quad[i] : vaddq_f32(dot[r].quad[i], sum[r].quad[i]);
    }
    for (int r = 0; r < R; r++) {
        for (int i = 0; i < QUADS; i++) dot[r].quad[i] = vmulq_n_f32(dot[r].quad[i], scale);
        store(s + r * s_stride, &dot[r]);
    }
}

/* R rows times all tiles in which one of them sees a key. */
INLINE void qk_rows(float *s, int64_t s_stride, const float *q, int64_t q_stride,
                    const int64_t *begin, const int64_t *end, const uint8_t *k,
                    int64_t key0, int64_t head_dim, float scale, int R, enum kind kind) {
    int64_t first = ATTN_BLOCK, last = 0, from, to;
    size_t tile_bytes = kind == F32   ? (size_t)head_dim * ATTN_TILE * 4
                        : kind == F16 ? (size_t)head_dim * ATTN_TILE * 2
                                      : (size_t)(head_dim / 32) * ATTN_Q8_BYTES;
    for (int r = 0; r < R; r++) {
        if (!clip(&from, &to, begin[r], end[r], key0)) continue;
        first = from < first ? from : first;
        last = to > last ? to : last;
    }
    for (int64_t j = first / ATTN_TILE * ATTN_TILE; j < last; j += ATTN_TILE)
        qk_tile(s + j, s_stride, q, q_stride, k + (size_t)(j / ATTN_TILE) * tile_bytes,
                head_dim, scale, R, kind);
}

INLINE void qk(float *s, int64_t s_stride, const float *q, int64_t q_stride,
               const int64_t *begin, const int64_t *end, int64_t n_rows, const uint8_t *k,
               int64_t key0, int64_t head_dim, float scale, enum kind kind) {
    int64_t r = 0;
    for (; r + ROWS <= n_rows; r += ROWS)
        qk_rows(s + r * s_stride, s_stride, q + r * q_stride, q_stride, begin + r, end + r,
                k, key0, head_dim, scale, ROWS, kind);
    for (; r < n_rows; r++)
        qk_rows(s + r * s_stride, s_stride, q + r * q_stride, q_stride, begin + r, end + r,
                k, key0, head_dim, scale, 1, kind);
}

static void attn_qk_f32_neon ATTN_QK_PARAMETERS {
    (void)next;
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, key0, head_dim, scale, F32);
}

static void attn_qk_f16_neon ATTN_QK_PARAMETERS {
    (void)next;
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, key0, head_dim, scale, F16);
}

static void attn_qk_q8_0_neon ATTN_QK_PARAMETERS {
    (void)next;
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, key0, head_dim, scale, Q8_0);
}

/* ---- values ---- */

/* Run i of 16 features of key j. */
INLINE struct lanes v_lanes(const uint8_t *v, size_t panel_bytes, int64_t i, int64_t j,
                            enum kind kind) {
    if (kind == F32) return load_f32(v + (size_t)i * panel_bytes + j * ATTN_TILE * 4);
    if (kind == F16) return load_f16(v + (size_t)i * panel_bytes + j * ATTN_TILE * 2);
    const uint8_t *tile = v + (size_t)(i / 2) * panel_bytes + j / ATTN_TILE * ATTN_Q8_BYTES;
    int64_t lane = j % ATTN_TILE;
    struct lanes q = load_int8(tile + 32 + lane * 32 + i % 2 * 16);
    float scale = f16_widen(load_u16(tile + 2 * lane));
    for (int l = 0; l < QUADS; l++) q.quad[l] = vmulq_n_f32(q.quad[l], scale);
    return q;
}

/* Chains of R rows go on over keys [from, to) in sum (R, 16). */
INLINE void pv_keys(float *sum, const float *p, int64_t p_stride, const uint8_t *v,
                    size_t panel_bytes, int64_t i, int64_t from, int64_t to, int R,
                    enum kind kind) {
    struct lanes acc[ROWS];
    for (int r = 0; r < R; r++) acc[r] = load(sum + r * ATTN_TILE);
    for (int64_t j = from; j < to; j++) {
        struct lanes x = v_lanes(v, panel_bytes, i, j, kind);
        for (int r = 0; r < R; r++)
            add_product(&acc[r], vld1q_dup_f32(p + r * p_stride + j), &x);
    }
    for (int r = 0; r < R; r++) store(sum + r * ATTN_TILE, &acc[r]);
}

/* Run i of R rows, which all see keys of the block. Keys that all of them see go together;
 * what only some of them see, at either end, goes row by row. */
INLINE void pv_run(float *o, int64_t o_stride, const float *p, int64_t p_stride,
                   const int64_t *begin, const int64_t *end, const uint8_t *v,
                   size_t panel_bytes, int64_t i, int64_t key0, int R, enum kind kind) {
    float sum[ROWS * ATTN_TILE] = {0};
    int64_t from[ROWS], to[ROWS], common0 = 0, common1 = ATTN_BLOCK;
    for (int r = 0; r < R; r++) {
        clip(&from[r], &to[r], begin[r], end[r], key0);
        common0 = from[r] > common0 ? from[r] : common0;
        common1 = to[r] < common1 ? to[r] : common1;
    }
    if (common1 < common0) common1 = common0;
    for (int r = 0; r < R; r++)
        pv_keys(sum + r * ATTN_TILE, p + r * p_stride, p_stride, v, panel_bytes, i, from[r],
                common0 < to[r] ? common0 : to[r], 1, kind);
    pv_keys(sum, p, p_stride, v, panel_bytes, i, common0, common1, R, kind);
    for (int r = 0; r < R; r++) {
        pv_keys(sum + r * ATTN_TILE, p + r * p_stride, p_stride, v, panel_bytes, i, common1,
                to[r], 1, kind);
        struct lanes x = load(sum + r * ATTN_TILE);
        float *out = o + r * o_stride;
        if (begin[r] < key0) {
            struct lanes before = load(out);
            for (int l = 0; l < QUADS; l++)
                x.quad[l] = vaddq_f32(before.quad[l], x.quad[l]);
        }
        store(out, &x);
    }
}

INLINE void pv(float *o, int64_t o_stride, const float *p, int64_t p_stride,
               const int64_t *begin, const int64_t *end, int64_t n_rows, const uint8_t *v,
               size_t panel_bytes, int64_t key0, int64_t head_dim, enum kind kind) {
    int64_t n_runs = (head_dim + ATTN_TILE - 1) / ATTN_TILE, from, to;
    for (int64_t r = 0, n; r < n_rows; r += n) {
        for (n = 0; n < ROWS && r + n < n_rows; n++)
            if (!clip(&from, &to, begin[r + n], end[r + n], key0)) break;
        if (n == 0) { /* sees nothing here */
            n = 1;
            continue;
        }
        if (n < ROWS) n = 1;
        float *out = o + r * o_stride;
        const float *in = p + r * p_stride;
        for (int64_t i = 0; i < n_runs; i++, out += ATTN_TILE) {
            if (n == 1)
                pv_run(out, o_stride, in, p_stride, begin + r, end + r, v, panel_bytes, i,
                       key0, 1, kind);
            else
                pv_run(out, o_stride, in, p_stride, begin + r, end + r, v, panel_bytes, i,
                       key0, ROWS, kind);
        }
    }
}

static void attn_pv_f32_neon ATTN_PV_PARAMETERS {
    (void)next;
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, panel_bytes, key0, head_dim, F32);
}

static void attn_pv_f16_neon ATTN_PV_PARAMETERS {
    (void)next;
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, panel_bytes, key0, head_dim, F16);
}

static void attn_pv_q8_0_neon ATTN_PV_PARAMETERS {
    (void)next;
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, panel_bytes, key0, head_dim, Q8_0);
}

/* ---- rounding ---- */

static void attn_round_q8_0_neon(int8_t *y, uint16_t *d, const float *x, int64_t n) {
    const float32x4_t most = vdupq_n_f32(127), least = vdupq_n_f32(-127);
    for (int64_t b = 0; b < n / 32; b++, x += 32, y += 32) {
        uint32x4_t max = vdupq_n_u32(0);
        for (int i = 0; i < 32; i += 4)
            max = vmaxq_u32(max, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
        uint32_t max_bits = vmaxvq_u32(max);
        if (max_bits >= 0x7f800000u) {
            d[b] = 0x7e00;
            memset(y, 0, 32);
            continue;
        }
        uint16_t h = f16_round(bits_f32(max_bits) / 127.0f);
        d[b] = h < 0x7bff ? h : 0x7bff;
        float inverse = d[b] == 0 ? 0.0f : 1.0f / f16_widen(d[b]);
        for (int i = 0; i < 32; i += 8) {
            float32x4_t low = vmulq_n_f32(vld1q_f32(x + i), inverse);
            float32x4_t high = vmulq_n_f32(vld1q_f32(x + i + 4), inverse);
            low = vmaxq_f32(vminq_f32(low, most), least);
            high = vmaxq_f32(vminq_f32(high, most), least);
            int16x4_t l = vmovn_s32(vcvtnq_s32_f32(low)),
                      g = vmovn_s32(vcvtnq_s32_f32(high));
            vst1_s8(y + i, vmovn_s16(vcombine_s16(l, g)));
        }
    }
}

void attn_fill_neon(struct math_kernels *k) {
    k->attn_qk_f32 = attn_qk_f32_neon;
    k->attn_qk_f16 = attn_qk_f16_neon;
    k->attn_qk_q8_0 = attn_qk_q8_0_neon;
    k->attn_pv_f32 = attn_pv_f32_neon;
    k->attn_pv_f16 = attn_pv_f16_neon;
    k->attn_pv_q8_0 = attn_pv_q8_0_neon;
    k->attn_round_q8_0 = attn_round_q8_0_neon;
}
