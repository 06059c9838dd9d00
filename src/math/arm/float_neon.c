/* float_neon.c - products with float weights, and conversions, for Advanced SIMD.
 *
 * Lanes are outputs. Weights lie with k along the row, so four rows by four k are widened
 * and turned in registers. Written to be read beside float_avx2.c; only emulators have run
 * it. */
#include "math/dispatch.h"
#include "math/gemm_float.h"
#include "math/half.h"

#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

/* 32 registers: M_TILE * 4 sums, a row of the panel, one activation. */
enum { N_TILE = 16, M_TILE = 6, GROUPS = N_TILE / 4, MAX_STREAM = 4 };
/* What the rows of weights hold; a constant wherever it is passed on. */
enum kind { F32, F16, BF16 };

INLINE size_t bytes_of(enum kind kind) {
    return kind == F32 ? 4 : 2;
}

INLINE float widen_one(enum kind kind, const char *p) {
    float x;
    if (kind == F16) return f16_widen(load_u16(p));
    if (kind == BF16) return bf16_widen(load_u16(p));
    memcpy(&x, p, sizeof x);
    return x;
}

INLINE uint16x4_t load_halves(const char *p) {
    return vreinterpret_u16_u8(vld1_u8((const uint8_t *)p));
}

/* Four numbers of a row of weights, which has no alignment. */
INLINE float32x4_t widen_four(enum kind kind, const char *p) {
    if (kind == F16) return vcvt_f32_f16(vreinterpret_f16_u16(load_halves(p)));
    if (kind == BF16) return vreinterpretq_f32_u32(vshll_n_u16(load_halves(p), 16));
    return vreinterpretq_f32_u8(vld1q_u8((const uint8_t *)p));
}

/* v[0…3]: columns 0 … 3 of 4 rows. */
INLINE void turn_4x4(float32x4_t v[4], enum kind kind, const char *w, size_t row) {
    float32x4_t r0 = widen_four(kind, w), r1 = widen_four(kind, w + row);
    float32x4_t r2 = widen_four(kind, w + 2 * row), r3 = widen_four(kind, w + 3 * row);
    float64x2_t even01 = vreinterpretq_f64_f32(vtrn1q_f32(r0, r1)); /* k 0, k 2 */
    float64x2_t odd01 = vreinterpretq_f64_f32(vtrn2q_f32(r0, r1));  /* k 1, k 3 */
    float64x2_t even23 = vreinterpretq_f64_f32(vtrn1q_f32(r2, r3));
    float64x2_t odd23 = vreinterpretq_f64_f32(vtrn2q_f32(r2, r3));
    v[0] = vreinterpretq_f32_f64(vtrn1q_f64(even01, even23));
    v[1] = vreinterpretq_f32_f64(vtrn1q_f64(odd01, odd23));
    v[2] = vreinterpretq_f32_f64(vtrn2q_f64(even01, even23));
    v[3] = vreinterpretq_f32_f64(vtrn2q_f64(odd01, odd23));
}

/* ---- panels ---- */

INLINE void pack(float *panel, enum kind kind, const char *w, size_t w_row, int64_t n,
                 int64_t k) {
    int64_t i = 0;
    size_t bytes = bytes_of(kind);
    if (n == N_TILE)
        for (; i + 4 <= k; i += 4)
            for (int g = 0; g < GROUPS; g++) {
                float32x4_t v[4];
                turn_4x4(v, kind, w + (size_t)(4 * g) * w_row + (size_t)i * bytes, w_row);
                for (int t = 0; t < 4; t++)
                    vst1q_f32(panel + (i + t) * N_TILE + 4 * g, v[t]);
            }
    for (; i < k; i++)
        for (int64_t j = 0; j < N_TILE; j++)
            panel[i * N_TILE + j] =
                j < n ? widen_one(kind, w + (size_t)j * w_row + (size_t)i * bytes) : 0;
}

static void pack_f32(float *panel, const void *w, size_t w_row, int64_t n, int64_t k) {
    pack(panel, F32, w, w_row, n, k);
}

static void pack_f16(float *panel, const void *w, size_t w_row, int64_t n, int64_t k) {
    pack(panel, F16, w, w_row, n, k);
}

static void pack_bf16(float *panel, const void *w, size_t w_row, int64_t n, int64_t k) {
    pack(panel, BF16, w, w_row, n, k);
}

/* Weights that are stored (k, n). */
static void pack_across(float *panel, const void *w, size_t w_row, int64_t n, int64_t k) {
    const char *row = w;
    size_t bytes = (size_t)n * sizeof *panel;
    for (int64_t l = 0; l < k; l++, row += w_row, panel += N_TILE) {
        if (n == N_TILE) {
            memcpy(panel, row, N_TILE * sizeof *panel);
        } else {
            memcpy(panel, row, bytes);
        }
    }
}

/* ---- tiles ---- */

INLINE const float *row_of(const void *a, size_t a_row, int64_t i) {
    return (const float *)(const void *)((const char *)a + (size_t)i * a_row);
}

/* One line in sixteen of each of the rows that come next. */
INLINE void prefetch_lines(const struct gemm_float_next *next, int64_t line) {
    for (; line < next->n_lines; line += 16) {
        const char *p = next->from + line * 64;
        for (int64_t i = 0; i < next->n_rows; i++, p += next->row) __builtin_prefetch(p);
    }
}

/* rows and across are constants; across: a_row is the distance of two k, and rows lie side by
 * side. */
INLINE void tile_rows(int rows, bool across, float *c, int64_t c_stride, const void *a,
                      size_t a_row, const float *panel, int64_t k, bool add,
                      const struct gemm_float_next *next) {
    float32x4_t sum[M_TILE][GROUPS];
    for (int i = 0; i < rows; i++)
        for (int g = 0; g < GROUPS; g++) sum[i][g] = vdupq_n_f32(0);
    for (int64_t l = 0; l < k; l++) {
        float32x4_t w[GROUPS];
        if (l % 16 == 0) prefetch_lines(next, l / 16);
        for (int g = 0; g < GROUPS; g++) w[g] = vld1q_f32(panel + l * N_TILE + 4 * g);
        for (int i = 0; i < rows; i++) {
            float32x4_t x =
                vld1q_dup_f32(across ? row_of(a, a_row, l) + i : row_of(a, a_row, i) + l);
            for (int g = 0; g < GROUPS; g++) sum[i][g] = vfmaq_f32(sum[i][g], x, w[g]);
        }
    }
    for (int i = 0; i < rows; i++)
        for (int g = 0; g < GROUPS; g++) {
            float *out = c + i * c_stride + 4 * g;
            vst1q_f32(out, add ? vaddq_f32(vld1q_f32(out), sum[i][g]) : sum[i][g]);
        }
}

INLINE void tile_any(bool across, float *c, int64_t c_stride, const void *a, size_t a_row,
                     const float *panel, int64_t k, int64_t rows, bool add,
                     const struct gemm_float_next *next) {
    switch (rows) {
    case 1: tile_rows(1, across, c, c_stride, a, a_row, panel, k, add, next); break;
    case 2: tile_rows(2, across, c, c_stride, a, a_row, panel, k, add, next); break;
    case 3: tile_rows(3, across, c, c_stride, a, a_row, panel, k, add, next); break;
    case 4: tile_rows(4, across, c, c_stride, a, a_row, panel, k, add, next); break;
    case 5: tile_rows(5, across, c, c_stride, a, a_row, panel, k, add, next); break;
    default: tile_rows(6, across, c, c_stride, a, a_row, panel, k, add, next); break;
    }
}

static void tile(float *c, int64_t c_stride, const void *a, size_t a_row,
                 const float *panel, int64_t k, int64_t rows, bool add,
                 const struct gemm_float_next *next) {
    tile_any(false, c, c_stride, a, a_row, panel, k, rows, add, next);
}

static void tile_across(float *c, int64_t c_stride, const void *a, size_t a_row,
                        const float *panel, int64_t k, int64_t rows, bool add,
                        const struct gemm_float_next *next) {
    tile_any(true, c, c_stride, a, a_row, panel, k, rows, add, next);
}

/* ---- streaming: few rows of activations, 16 rows of weights in hand ---- */

/* One k of four rows of weights meets m activations, at p[i][k]. */
INLINE void multiply(float32x4_t sum[MAX_STREAM][GROUPS], int m, int group,
                     const float *const p[MAX_STREAM], int64_t k, float32x4_t w) {
    for (int i = 0; i < m; i++)
        sum[i][group] = vfmaq_f32(sum[i][group], vld1q_dup_f32(p[i] + k), w);
}

/* chain() of arithmetic.md over one block of k, from k0 on. */
INLINE void stream_block(float32x4_t sum[MAX_STREAM][GROUPS], enum kind kind, int m,
                         const float *const a[MAX_STREAM], const char *w, size_t w_row,
                         int64_t k0, int64_t k1) {
    size_t bytes = bytes_of(kind);
    int64_t k = k0;
    for (int i = 0; i < m; i++)
        for (int g = 0; g < GROUPS; g++) sum[i][g] = vdupq_n_f32(0);
    for (; k + 4 <= k1; k += 4)
        for (int g = 0; g < GROUPS; g++) {
            float32x4_t v[4];
            turn_4x4(v, kind, w + (size_t)(4 * g) * w_row + (size_t)k * bytes, w_row);
            for (int t = 0; t < 4; t++) multiply(sum, m, g, a, k + t, v[t]);
        }
    for (; k < k1; k++) {
        float column[N_TILE];
        for (int i = 0; i < N_TILE; i++)
            column[i] = widen_one(kind, w + (size_t)i * w_row + (size_t)k * bytes);
        for (int g = 0; g < GROUPS; g++)
            multiply(sum, m, g, a, k, vld1q_f32(column + 4 * g));
    }
}

/* c (m, 16); kind and m are constants. */
INLINE void stream_rows(enum kind kind, int m, float *c, int64_t c_stride, const void *a,
                        size_t a_row, const char *w, size_t w_row, int64_t k) {
    float32x4_t sum[MAX_STREAM][GROUPS], total[MAX_STREAM][GROUPS];
    const float *rows[MAX_STREAM];
    for (int i = 0; i < m; i++) rows[i] = row_of(a, a_row, i);
    for (int64_t k0 = 0; k0 < k; k0 += GEMM_FLOAT_K) {
        int64_t k1 = k - k0 < GEMM_FLOAT_K ? k : k0 + GEMM_FLOAT_K;
        stream_block(sum, kind, m, rows, w, w_row, k0, k1);
        for (int i = 0; i < m; i++)
            for (int g = 0; g < GROUPS; g++)
                total[i][g] = k0 == 0 ? sum[i][g] : vaddq_f32(total[i][g], sum[i][g]);
    }
    for (int i = 0; i < m; i++)
        for (int g = 0; g < GROUPS; g++) vst1q_f32(c + i * c_stride + 4 * g, total[i][g]);
}

/* n >= 16. The last rows overlap the ones before rather than fill part of a group: the same
 * outputs get the same bits twice. */
INLINE void stream_m(enum kind kind, int m, float *c, int64_t c_stride, const void *a,
                     size_t a_row, const char *w, size_t w_row, int64_t n, int64_t k) {
    for (int64_t j = 0; j < n; j += N_TILE) {
        if (j + N_TILE > n) j = n - N_TILE;
        stream_rows(kind, m, c + j, c_stride, a, a_row, w + (size_t)j * w_row, w_row, k);
    }
}

INLINE void stream(enum kind kind, float *c, int64_t c_stride, const void *a, size_t a_row,
                   const void *w, size_t w_row, int64_t m, int64_t n, int64_t k) {
    switch (m) {
    case 1: stream_m(kind, 1, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 2: stream_m(kind, 2, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 3: stream_m(kind, 3, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 4: stream_m(kind, 4, c, c_stride, a, a_row, w, w_row, n, k); break;
    default: break;
    }
}

static void stream_f32 GEMM_PARAMETERS {
    (void)scratch;
    stream(F32, c, c_stride, a, a_row, w, w_row, m, n, k);
}

static void stream_f16 GEMM_PARAMETERS {
    (void)scratch;
    stream(F16, c, c_stride, a, a_row, w, w_row, m, n, k);
}

static void stream_bf16 GEMM_PARAMETERS {
    (void)scratch;
    stream(BF16, c, c_stride, a, a_row, w, w_row, m, n, k);
}

static const struct gemm_float with_f32 = {M_TILE,   N_TILE, MAX_STREAM, 4,   stream_f32,
                                           pack_f32, tile,   false,      NULL};
static const struct gemm_float with_f16 = {M_TILE,   N_TILE, MAX_STREAM, 2,   stream_f16,
                                           pack_f16, tile,   false,      NULL};
static const struct gemm_float with_bf16 = {M_TILE,    N_TILE, MAX_STREAM, 2,   stream_bf16,
                                            pack_bf16, tile,   false,      NULL};

static const struct gemm_float with_nn = {M_TILE,      N_TILE, 0,    4,   NULL,
                                          pack_across, tile,   true, NULL};
static const struct gemm_float with_tn = {
    M_TILE, N_TILE, 0, 4, NULL, pack_across, tile_across, true, gemm_float_copy_rows};

static void gemm_nn_f32_neon GEMM_PARAMETERS {
    gemm_float_run(&with_nn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_nn_more_f32_neon GEMM_PARAMETERS {
    gemm_float_more(&with_nn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_tn_f32_neon GEMM_PARAMETERS {
    gemm_float_run(&with_tn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_tn_more_f32_neon GEMM_PARAMETERS {
    gemm_float_more(&with_tn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_f32_neon GEMM_PARAMETERS {
    gemm_float_run(&with_f32, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_f16_neon GEMM_PARAMETERS {
    gemm_float_run(&with_f16, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_bf16_neon GEMM_PARAMETERS {
    gemm_float_run(&with_bf16, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

/* ---- conversions ---- */

INLINE void widen(float *y, enum kind kind, const char *p, int64_t k) {
    int64_t i = 0;
    for (; i + 4 <= k; i += 4) vst1q_f32(y + i, widen_four(kind, p + 2 * i));
    for (; i < k; i++) y[i] = widen_one(kind, p + 2 * i);
}

static void widen_f16_neon(float *y, const void *x, int64_t k) {
    widen(y, F16, x, k);
}

static void widen_bf16_neon(float *y, const void *x, int64_t k) {
    widen(y, BF16, x, k);
}

INLINE void store_halves(char *p, uint16x4_t halves) {
    vst1_u8((uint8_t *)p, vreinterpret_u8_u16(halves));
}

static void round_f16_neon(void *y, const float *x, int64_t k) {
    char *p = y;
    int64_t i = 0;
    for (; i + 4 <= k; i += 4)
        store_halves(p + 2 * i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
    for (; i < k; i++) {
        uint16_t h = f16_round(x[i]);
        memcpy(p + 2 * i, &h, 2);
    }
}

/* bf16_round of half.h. */
INLINE uint16x4_t round_bf16_four(float32x4_t x) {
    uint32x4_t bits = vreinterpretq_u32_f32(x), high = vshrq_n_u32(bits, 16);
    uint32x4_t up = vaddq_u32(vdupq_n_u32(0x7fff), vandq_u32(high, vdupq_n_u32(1)));
    uint32x4_t rounded = vshrq_n_u32(vaddq_u32(bits, up), 16);
    uint32x4_t quiet = vorrq_u32(high, vdupq_n_u32(0x40));
    return vmovn_u32(vbslq_u32(vceqq_f32(x, x), rounded, quiet));
}

static void round_bf16_neon(void *y, const float *x, int64_t k) {
    char *p = y;
    int64_t i = 0;
    for (; i + 4 <= k; i += 4) store_halves(p + 2 * i, round_bf16_four(vld1q_f32(x + i)));
    for (; i < k; i++) {
        uint16_t h = bf16_round(x[i]);
        memcpy(p + 2 * i, &h, 2);
    }
}

/* ---- measuring ---- */

static double peak_fma_neon(int64_t rounds, float *sink) {
    enum { CHAINS = 16 };
    float32x4_t sum[CHAINS], x = vdupq_n_f32(0.5f), y = vdupq_n_f32(1);
    for (int i = 0; i < CHAINS; i++) sum[i] = vdupq_n_f32((float)i);
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++) sum[i] = vfmaq_f32(y, sum[i], x);
    for (int i = 1; i < CHAINS; i++) sum[0] = vaddq_f32(sum[0], sum[i]);
    *sink = vgetq_lane_f32(sum[0], 0);
    return (double)rounds * CHAINS * 4 * 2;
}

static uint64_t peak_read_neon(const void *x, size_t n_bytes) {
    const uint8_t *p = x;
    uint64x2_t sum[4];
    size_t i = 0;
    for (int l = 0; l < 4; l++) sum[l] = vdupq_n_u64(0);
    for (; i + 64 <= n_bytes; i += 64)
        for (int l = 0; l < 4; l++)
            sum[l] = vaddq_u64(sum[l], vreinterpretq_u64_u8(vld1q_u8(p + i + 16 * l)));
    uint64_t result =
        vaddvq_u64(vaddq_u64(vaddq_u64(sum[0], sum[1]), vaddq_u64(sum[2], sum[3])));
    for (; i < n_bytes; i++) result += p[i];
    return result;
}

void float_fill_neon(struct math_kernels *k) {
    k->gemm_f32 = gemm_f32_neon;
    k->gemm_nn_f32 = gemm_nn_f32_neon;
    k->gemm_nn_more_f32 = gemm_nn_more_f32_neon;
    k->gemm_tn_f32 = gemm_tn_f32_neon;
    k->gemm_tn_more_f32 = gemm_tn_more_f32_neon;
    k->gemm_f16 = gemm_f16_neon;
    k->gemm_bf16 = gemm_bf16_neon;
    k->widen_f16 = widen_f16_neon;
    k->widen_bf16 = widen_bf16_neon;
    k->round_f16 = round_f16_neon;
    k->round_bf16 = round_bf16_neon;
    k->peak_fma = peak_fma_neon;
    k->peak_read = peak_read_neon;
}
