/* float_avx2.c - products with float weights, and conversions, for AVX2, FMA and F16C.
 *
 * Lanes are outputs. Weights lie with k along the row, so they are turned in registers: 8
 * rows by 8 k of 32 bits (f32, or pairs of bf16), 16 rows by 8 k of 16 bits (f16). */
#include "math/dispatch.h"
#include "math/gemm_float.h"
#include "math/half.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { N_TILE = 16, M_TILE = 6 };
/* What the rows of weights hold; a constant wherever it is passed on. */
enum kind { F32, F16, BF16 };

INLINE size_t bytes_of(enum kind kind) {
    return kind == F32 ? 4 : 2;
}

/* The k that one turn covers. */
INLINE int64_t step_of(enum kind kind) {
    return kind == BF16 ? 16 : 8;
}

INLINE float widen_one(enum kind kind, const char *p) {
    float x;
    if (kind == F16) return f16_widen(load_u16(p));
    if (kind == BF16) return bf16_widen(load_u16(p));
    memcpy(&x, p, sizeof x);
    return x;
}

/* ---- turning weights ---- */

INLINE __m256 load_halves(const char *low, const char *high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps((const float *)low)),
                                _mm_loadu_ps((const float *)high), 1);
}

/* v[0…3]: 32-bit columns 0 … 3 of 8 rows. */
INLINE void turn_8x4(__m256 v[4], const char *w, size_t row) {
    __m256 r0 = load_halves(w, w + 4 * row), r1 = load_halves(w + row, w + 5 * row);
    __m256 r2 = load_halves(w + 2 * row, w + 6 * row);
    __m256 r3 = load_halves(w + 3 * row, w + 7 * row);
    __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1));
    __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3));
    __m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
    __m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
    v[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
    v[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
    v[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
    v[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
}

INLINE __m256i load_pair(const char *w, size_t row) {
    return _mm256_castps_si256(load_halves(w, w + 8 * row));
}

/* v[0…7]: 16-bit columns 0 … 7 of 16 rows. */
INLINE void turn_16x8(__m256i v[8], const char *w, size_t row) {
    __m256i a[8], b[8];
    for (int i = 0; i < 4; i++) {
        __m256i even = load_pair(w + (size_t)(2 * i) * row, row);
        __m256i odd = load_pair(w + (size_t)(2 * i + 1) * row, row);
        a[i] = _mm256_unpacklo_epi16(even, odd);     /* k 0 … 3 of rows 2i, 2i+1 */
        a[i + 4] = _mm256_unpackhi_epi16(even, odd); /* k 4 … 7 */
    }
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]); /* k i, i+1 of rows 0 … 3 */
        b[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
        b[i + 2] = _mm256_unpacklo_epi32(a[i + 2], a[i + 3]); /* of rows 4 … 7 */
        b[i + 3] = _mm256_unpackhi_epi32(a[i + 2], a[i + 3]);
    }
    for (int i = 0; i < 8; i += 4) {
        v[i] = _mm256_unpacklo_epi64(b[i], b[i + 2]);
        v[i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 2]);
        v[i + 2] = _mm256_unpacklo_epi64(b[i + 1], b[i + 3]);
        v[i + 3] = _mm256_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
}

/* The two numbers in each lane of a column of bf16 pairs. */
INLINE __m256 first_of_pair(__m256 v) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(v), 16));
}

INLINE __m256 second_of_pair(__m256 v) {
    return _mm256_and_ps(v, _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000u)));
}

/* ---- panels ---- */

/* What does not fill a turn: number by number. */
static void pack_edge(float *panel, enum kind kind, const char *w, size_t w_row, int64_t n,
                      int64_t k) {
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < N_TILE; j++)
            panel[i * N_TILE + j] =
                j < n ? widen_one(kind, w + (size_t)j * w_row + (size_t)i * bytes_of(kind))
                      : 0;
}

INLINE void pack_step_32(float *panel, enum kind kind, const char *w, size_t w_row) {
    for (int half = 0; half < 2; half++)
        for (int i = 0; i < 8; i += 4) {
            __m256 v[4];
            turn_8x4(v, w + (size_t)(8 * half) * w_row + (size_t)i * 4, w_row);
            for (int t = 0; t < 4; t++) {
                float *out = panel + half * 8 + (i + t) * (kind == BF16 ? 2 : 1) * N_TILE;
                _mm256_storeu_ps(out, kind == BF16 ? first_of_pair(v[t]) : v[t]);
                if (kind == BF16) _mm256_storeu_ps(out + N_TILE, second_of_pair(v[t]));
            }
        }
}

INLINE void pack_step_f16(float *panel, const char *w, size_t w_row) {
    __m256i v[8];
    turn_16x8(v, w, w_row);
    for (int t = 0; t < 8; t++) {
        __m128i high = _mm256_extracti128_si256(v[t], 1);
        _mm256_storeu_ps(panel + t * N_TILE, _mm256_cvtph_ps(_mm256_castsi256_si128(v[t])));
        _mm256_storeu_ps(panel + t * N_TILE + 8, _mm256_cvtph_ps(high));
    }
}

INLINE void pack(float *panel, enum kind kind, const char *w, size_t w_row, int64_t n,
                 int64_t k) {
    int64_t i = 0, step = step_of(kind);
    size_t bytes = bytes_of(kind);
    if (n == N_TILE)
        for (; i + step <= k; i += step) {
            if (kind == F16) {
                pack_step_f16(panel + i * N_TILE, w + (size_t)i * bytes, w_row);
            } else {
                pack_step_32(panel + i * N_TILE, kind, w + (size_t)i * bytes, w_row);
            }
        }
    pack_edge(panel + i * N_TILE, kind, w + (size_t)i * bytes, w_row, n, k - i);
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
        for (int64_t i = 0; i < next->n_rows; i++, p += next->row)
            _mm_prefetch(p, _MM_HINT_T0);
    }
}

/* rows and across are constants; across: a_row is the distance of two k, and rows lie side by
 * side. */
INLINE void tile_rows(int rows, bool across, float *c, int64_t c_stride, const void *a,
                      size_t a_row, const float *panel, int64_t k, bool add,
                      const struct gemm_float_next *next) {
    __m256 sum[M_TILE][2];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
    for (int64_t begin = 0; begin < k; begin += 16) {
        int64_t end = begin + 16 < k ? begin + 16 : k;
        prefetch_lines(next, begin / 16);
        for (int64_t l = begin; l < end; l++) {
            __m256 w0 = _mm256_loadu_ps(panel + l * N_TILE);
            __m256 w1 = _mm256_loadu_ps(panel + l * N_TILE + 8);
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++) {
                __m256 x = _mm256_broadcast_ss(across ? row_of(a, a_row, l) + i
                                                      : row_of(a, a_row, i) + l);
                sum[i][0] = _mm256_fmadd_ps(x, w0, sum[i][0]);
                sum[i][1] = _mm256_fmadd_ps(x, w1, sum[i][1]);
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
        for (int half = 0; half < 2; half++) {
            float *out = c + i * c_stride + half * 8;
            __m256 s = sum[i][half];
            _mm256_storeu_ps(out, add ? _mm256_add_ps(_mm256_loadu_ps(out), s) : s);
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

/* ---- streaming: few rows of activations ---- */

/* Rows of weights in hand: `groups` of 8. */
enum { MAX_GROUPS = 4, MAX_STREAM = 4, AHEAD = 512 };

struct stream {
    const char *w; /* at the current k */
    size_t w_row;
    const float *a[MAX_STREAM]; /* likewise */
};

INLINE void multiply(__m256 sum[MAX_STREAM][MAX_GROUPS], int m, int group,
                     const struct stream *s, int64_t k, __m256 w) {
#pragma GCC unroll 8
    for (int i = 0; i < m; i++)
        sum[i][group] = _mm256_fmadd_ps(_mm256_broadcast_ss(s->a[i] + k), w, sum[i][group]);
}

/* step_of(kind) k of all groups. */
INLINE void stream_step(__m256 sum[MAX_STREAM][MAX_GROUPS], enum kind kind, int m,
                        int groups, const struct stream *s) {
    if (kind == F16) {
#pragma GCC unroll 8
        for (int g = 0; g < groups; g += 2) {
            __m256i v[8];
            turn_16x8(v, s->w + (size_t)(8 * g) * s->w_row, s->w_row);
#pragma GCC unroll 8
            for (int t = 0; t < 8; t++) {
                __m128i high = _mm256_extracti128_si256(v[t], 1);
                multiply(sum, m, g, s, t, _mm256_cvtph_ps(_mm256_castsi256_si128(v[t])));
                multiply(sum, m, g + 1, s, t, _mm256_cvtph_ps(high));
            }
        }
        return;
    }
#pragma GCC unroll 8
    for (int g = 0; g < groups; g++)
#pragma GCC unroll 8
        for (int i = 0; i < 8; i += 4) {
            __m256 v[4];
            turn_8x4(v, s->w + (size_t)(8 * g) * s->w_row + (size_t)i * 4, s->w_row);
#pragma GCC unroll 8
            for (int t = 0; t < 4; t++) {
                if (kind == F32) {
                    multiply(sum, m, g, s, i + t, v[t]);
                } else {
                    multiply(sum, m, g, s, 2 * (i + t), first_of_pair(v[t]));
                    multiply(sum, m, g, s, 2 * (i + t) + 1, second_of_pair(v[t]));
                }
            }
        }
}

/* One k, number by number. */
INLINE void stream_one(__m256 sum[MAX_STREAM][MAX_GROUPS], enum kind kind, int m,
                       int groups, const struct stream *s) {
    float column[8 * MAX_GROUPS];
    for (int i = 0; i < 8 * groups; i++)
        column[i] = widen_one(kind, s->w + (size_t)i * s->w_row);
#pragma GCC unroll 8
    for (int g = 0; g < groups; g++)
        multiply(sum, m, g, s, 0, _mm256_loadu_ps(column + 8 * g));
}

INLINE void stream_advance(struct stream *s, enum kind kind, int m, int64_t k) {
    s->w += (size_t)k * bytes_of(kind);
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) s->a[i] += k;
}

/* Half of the rows at each step, as a step takes half of a line (f16: a quarter, which
 * comes to two prefetches of a line): the line AHEAD bytes on, or in the next group's row,
 * `ahead` bytes on. */
INLINE void fetch_ahead(int rows, const char *w, size_t w_row, int64_t at,
                        int64_t row_bytes, size_t ahead) {
    int64_t to = at / 64 * 64 + AHEAD;
    const char *p = to < row_bytes ? w + to : w + ahead + (to - row_bytes);
    if (at / 32 % 2 == 1) p += (size_t)(rows / 2) * w_row;
#pragma GCC unroll 32
    for (int i = 0; i < rows / 2; i++, p += w_row) _mm_prefetch(p, _MM_HINT_T0);
}

/* c (m, 8 groups); kind, m and groups are constants. ahead: bytes from a weight row of this
 * call to the same row of the next one. */
INLINE void stream_rows(enum kind kind, int m, int groups, float *c, int64_t c_stride,
                        const void *a, size_t a_row, const char *w, size_t w_row, int64_t k,
                        size_t ahead) {
    __m256 sum[MAX_STREAM][MAX_GROUPS], total[MAX_STREAM][MAX_GROUPS];
    struct stream s = {w, w_row, {0}};
    const int64_t row_bytes = k * (int64_t)bytes_of(kind);
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) s.a[i] = row_of(a, a_row, i);
    for (int64_t k0 = 0; k0 < k; k0 += GEMM_FLOAT_K) {
        int64_t left = k - k0 < GEMM_FLOAT_K ? k - k0 : GEMM_FLOAT_K;
#pragma GCC unroll 8
        for (int i = 0; i < m; i++)
#pragma GCC unroll 8
            for (int g = 0; g < groups; g++) sum[i][g] = _mm256_setzero_ps();
        for (; left >= step_of(kind); left -= step_of(kind)) {
            if (ahead > 0) fetch_ahead(8 * groups, w, w_row, s.w - w, row_bytes, ahead);
            stream_step(sum, kind, m, groups, &s);
            stream_advance(&s, kind, m, step_of(kind));
        }
        for (; left > 0; left--) {
            stream_one(sum, kind, m, groups, &s);
            stream_advance(&s, kind, m, 1);
        }
#pragma GCC unroll 8
        for (int i = 0; i < m; i++)
#pragma GCC unroll 8
            for (int g = 0; g < groups; g++)
                total[i][g] = k0 == 0 ? sum[i][g] : _mm256_add_ps(total[i][g], sum[i][g]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < m; i++)
#pragma GCC unroll 8
        for (int g = 0; g < groups; g++)
            _mm256_storeu_ps(c + i * c_stride + 8 * g, total[i][g]);
}

/* n >= 16. The last rows overlap the ones before rather than fill part of a group: the same
 * outputs get the same bits twice. */
INLINE void stream_m(enum kind kind, int m, int groups, float *c, int64_t c_stride,
                     const void *a, size_t a_row, const char *w, size_t w_row, int64_t n,
                     int64_t k) {
    int64_t j = 0, wide = 8 * groups;
    for (; j + wide <= n; j += wide)
        stream_rows(kind, m, groups, c + j, c_stride, a, a_row, w + (size_t)j * w_row,
                    w_row, k, (size_t)wide * w_row);
    for (; j < n; j += 16) {
        if (j + 16 > n) j = n - 16;
        stream_rows(kind, m, 2, c + j, c_stride, a, a_row, w + (size_t)j * w_row, w_row, k,
                    0);
    }
}

INLINE void stream(enum kind kind, float *c, int64_t c_stride, const void *a, size_t a_row,
                   const void *w, size_t w_row, int64_t m, int64_t n, int64_t k) {
    switch (m) {
    case 1: stream_m(kind, 1, 4, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 2: stream_m(kind, 2, 4, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 3: stream_m(kind, 3, 2, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 4: stream_m(kind, 4, 2, c, c_stride, a, a_row, w, w_row, n, k); break;
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

static void gemm_nn_f32_avx2 GEMM_PARAMETERS {
    gemm_float_run(&with_nn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_nn_more_f32_avx2 GEMM_PARAMETERS {
    gemm_float_more(&with_nn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_tn_f32_avx2 GEMM_PARAMETERS {
    gemm_float_run(&with_tn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_tn_more_f32_avx2 GEMM_PARAMETERS {
    gemm_float_more(&with_tn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_f32_avx2 GEMM_PARAMETERS {
    gemm_float_run(&with_f32, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_f16_avx2 GEMM_PARAMETERS {
    gemm_float_run(&with_f16, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_bf16_avx2 GEMM_PARAMETERS {
    gemm_float_run(&with_bf16, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

/* ---- conversions ---- */

static void widen_f16_avx2(float *y, const void *x, int64_t k) {
    const char *p = x;
    int64_t i = 0;
    for (; i + 8 <= k; i += 8)
        _mm256_storeu_ps(y + i,
                         _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 2 * i))));
    for (; i < k; i++) y[i] = f16_widen(load_u16(p + 2 * i));
}

static void widen_bf16_avx2(float *y, const void *x, int64_t k) {
    const char *p = x;
    int64_t i = 0;
    for (; i + 8 <= k; i += 8) {
        __m256i v = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p + 2 * i)));
        _mm256_storeu_ps(y + i, _mm256_castsi256_ps(_mm256_slli_epi32(v, 16)));
    }
    for (; i < k; i++) y[i] = bf16_widen(load_u16(p + 2 * i));
}

static void round_f16_avx2(void *y, const float *x, int64_t k) {
    char *p = y;
    int64_t i = 0;
    for (; i + 8 <= k; i += 8) {
        __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(p + 2 * i), h);
    }
    for (; i < k; i++) {
        uint16_t h = f16_round(x[i]);
        memcpy(p + 2 * i, &h, 2);
    }
}

/* bf16_round of half.h, 8 at a time, each result in the low half of a lane. */
INLINE __m256i round_bf16_8(__m256 x) {
    const __m256i odd = _mm256_set1_epi32(1), half = _mm256_set1_epi32(0x7fff);
    __m256i bits = _mm256_castps_si256(x), high = _mm256_srli_epi32(bits, 16);
    __m256i up = _mm256_add_epi32(half, _mm256_and_si256(high, odd));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, up), 16);
    __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(rounded, quiet, nan);
}

static void round_bf16_avx2(void *y, const float *x, int64_t k) {
    char *p = y;
    int64_t i = 0;
    for (; i + 8 <= k; i += 8) {
        __m256i v = round_bf16_8(_mm256_loadu_ps(x + i));
        __m128i low = _mm256_castsi256_si128(v), high = _mm256_extracti128_si256(v, 1);
        _mm_storeu_si128((__m128i *)(p + 2 * i), _mm_packus_epi32(low, high));
    }
    for (; i < k; i++) {
        uint16_t h = bf16_round(x[i]);
        memcpy(p + 2 * i, &h, 2);
    }
}

/* ---- measuring ---- */

static double peak_fma_avx2(int64_t rounds, float *sink) {
    __m256 sum[12], x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(1.0f), all;
    for (int i = 0; i < 12; i++) sum[i] = _mm256_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < 12; i++) sum[i] = _mm256_fmadd_ps(sum[i], x, y);
    all = sum[0];
    for (int i = 1; i < 12; i++) all = _mm256_add_ps(all, sum[i]);
    *sink = _mm256_cvtss_f32(all);
    return (double)rounds * 12 * 8 * 2;
}

/* Four parts side by side: one alone does not keep memory busy. */
static uint64_t peak_read_avx2(const void *x, size_t n_bytes) {
    enum { PARTS = 4, AT_ONCE = 128 };
    const char *p = x;
    size_t part = n_bytes / PARTS / AT_ONCE * AT_ONCE;
    __m256i sum[PARTS];
    uint64_t lanes[4], result = 0;
    for (int l = 0; l < PARTS; l++) sum[l] = _mm256_setzero_si256();
    for (size_t i = 0; i < part; i += AT_ONCE)
        for (size_t q = 0; q < PARTS; q++)
            for (size_t l = 0; l < 4; l++) {
                const char *at = p + q * part + i + 32 * l;
                sum[l] = _mm256_add_epi64(
                    sum[l], _mm256_loadu_si256((const __m256i *)(const void *)at));
            }
    sum[0] = _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]),
                              _mm256_add_epi64(sum[2], sum[3]));
    _mm256_storeu_si256((__m256i *)lanes, sum[0]);
    for (size_t i = part * PARTS; i < n_bytes; i++) result += (uint8_t)p[i];
    return result + lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

void float_fill_avx2(struct math_kernels *k) {
    k->gemm_f32 = gemm_f32_avx2;
    k->gemm_nn_f32 = gemm_nn_f32_avx2;
    k->gemm_nn_more_f32 = gemm_nn_more_f32_avx2;
    k->gemm_tn_f32 = gemm_tn_f32_avx2;
    k->gemm_tn_more_f32 = gemm_tn_more_f32_avx2;
    k->gemm_f16 = gemm_f16_avx2;
    k->gemm_bf16 = gemm_bf16_avx2;
    k->widen_f16 = widen_f16_avx2;
    k->widen_bf16 = widen_bf16_avx2;
    k->round_f16 = round_f16_avx2;
    k->round_bf16 = round_bf16_avx2;
    k->peak_fma = peak_fma_avx2;
    k->peak_read = peak_read_avx2;
}
