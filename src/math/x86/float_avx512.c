/* float_avx512.c - products with float weights for AVX-512 (F, BW, DQ, VL).
 *
 * Lanes are outputs: 16 or 32 rows of weights. Weights lie with k along the row, so they are
 * turned in registers: 16 rows by one cache line of 32-bit numbers (f32, or pairs of bf16),
 * or 32 rows by 16 k of f16, which widens by instruction only when packed. */
#include "math/dispatch.h"
#include "math/gemm_float.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* 14 x 2 sums, two vectors of weights and one of activations: 31 of 32 registers. */
enum { N_TILE = 32, M_TILE = 14, LANES = 16 };
/* What the rows of weights hold; a constant wherever it is passed on. */
enum kind { F32, F16, BF16 };

INLINE size_t bytes_of(enum kind kind) {
    return kind == F32 ? 4 : 2;
}

/* The k and the rows of weights that one turn covers. */
INLINE int64_t step_of(enum kind kind) {
    return kind == BF16 ? 32 : 16;
}

INLINE int64_t rows_of(enum kind kind) {
    return kind == F16 ? 32 : 16;
}

/* ---- turning weights ---- */

/* Where rows are: row i of a group is at w + min(i, last) * row, so that a group at the edge
 * repeats its last row rather than read on. */
struct rows {
    const char *w;
    size_t row;
    int64_t last;
};

INLINE const char *row_at(const struct rows *r, int64_t i) {
    return r->w + (size_t)(i < r->last ? i : r->last) * r->row;
}

/* Bytes [0, n) of what is at p, zeros beyond; n <= 64, whole 16-bit numbers. */
INLINE __m512i load_line(const char *p, int64_t n) {
    if (n >= 64) return _mm512_loadu_si512(p);
    return _mm512_maskz_loadu_epi16((__mmask32)((1u << (n / 2)) - 1), p);
}

INLINE __m256i load_half_line(const char *p, int64_t n) {
    if (n >= 32) return _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm256_maskz_loadu_epi16((__mmask16)((1u << (n / 2)) - 1), p);
}

INLINE __m512i low_32(__m512i a, __m512i b) {
    return _mm512_unpacklo_epi32(a, b);
}

INLINE __m512i high_32(__m512i a, __m512i b) {
    return _mm512_unpackhi_epi32(a, b);
}

INLINE __m512i low_64(__m512i a, __m512i b) {
    return _mm512_unpacklo_epi64(a, b);
}

INLINE __m512i high_64(__m512i a, __m512i b) {
    return _mm512_unpackhi_epi64(a, b);
}

/* v[t] = 32-bit column t of 16 rows; n_bytes of each row count. */
INLINE void turn_32(__m512i v[16], const struct rows *r, int64_t n_bytes) {
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = load_line(row_at(r, i), n_bytes);
    /* Within each 128-bit lane, four rows by four columns. */
    for (int i = 0; i < 16; i += 4) {
        __m512i low01 = low_32(a[i], a[i + 1]), high01 = high_32(a[i], a[i + 1]);
        __m512i low23 = low_32(a[i + 2], a[i + 3]), high23 = high_32(a[i + 2], a[i + 3]);
        b[i] = low_64(low01, low23);
        b[i + 1] = high_64(low01, low23);
        b[i + 2] = low_64(high01, high23);
        b[i + 3] = high_64(high01, high23);
    }
    /* b[4g + t], lane q: rows 4g … 4g+3 of column 4q + t. Then the lanes, four by four. */
    for (int t = 0; t < 4; t++) {
        __m512i low01 = _mm512_shuffle_i32x4(b[t], b[4 + t], 0x44);
        __m512i high01 = _mm512_shuffle_i32x4(b[t], b[4 + t], 0xee);
        __m512i low23 = _mm512_shuffle_i32x4(b[8 + t], b[12 + t], 0x44);
        __m512i high23 = _mm512_shuffle_i32x4(b[8 + t], b[12 + t], 0xee);
        v[t] = _mm512_shuffle_i32x4(low01, low23, 0x88);
        v[4 + t] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
        v[8 + t] = _mm512_shuffle_i32x4(high01, high23, 0x88);
        v[12 + t] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
    }
}

/* Of eight vectors of 16-bit numbers, each 128-bit lane turned as eight rows by eight. */
INLINE void turn_lanes_16(__m512i a[8]) {
    __m512i b[8];
    for (int i = 0; i < 4; i++) {
        b[i] = _mm512_unpacklo_epi16(a[2 * i], a[2 * i + 1]);     /* columns 0 … 3 */
        b[i + 4] = _mm512_unpackhi_epi16(a[2 * i], a[2 * i + 1]); /* 4 … 7 */
    }
    for (int i = 0; i < 8; i += 4) {
        __m512i low = low_32(b[i], b[i + 1]), high = high_32(b[i], b[i + 1]);
        __m512i low2 = low_32(b[i + 2], b[i + 3]), high2 = high_32(b[i + 2], b[i + 3]);
        a[i] = low_64(low, low2);
        a[i + 1] = high_64(low, low2);
        a[i + 2] = low_64(high, high2);
        a[i + 3] = high_64(high, high2);
    }
}

/* v[t] = 16-bit column t < 16 of 32 rows. */
INLINE void turn_16(__m512i v[16], const struct rows *r, int64_t n_bytes) {
    __m512i a[2][8];
    /* Rows i and i+8 beside each other: lanes 0 and 2 end as rows 0 … 7 and 8 … 15. */
    for (int h = 0; h < 2; h++) {
        for (int i = 0; i < 8; i++) {
            __m256i low = load_half_line(row_at(r, 16 * h + i), n_bytes);
            __m256i high = load_half_line(row_at(r, 16 * h + 8 + i), n_bytes);
            a[h][i] = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        }
        turn_lanes_16(a[h]);
    }
    for (int t = 0; t < 8; t++) {
        v[t] = _mm512_shuffle_i64x2(a[0][t], a[1][t], 0x88);
        v[8 + t] = _mm512_shuffle_i64x2(a[0][t], a[1][t], 0xdd);
    }
}

INLINE void turn(__m512i v[16], enum kind kind, const struct rows *r, int64_t n_bytes) {
    if (kind == F16) {
        turn_16(v, r, n_bytes);
    } else {
        turn_32(v, r, n_bytes);
    }
}

/* The two vectors of floats in one of a turn's: f16: rows 0 … 15 and 16 … 31; bf16: k and
 * k + 1. f32 has one. */
INLINE __m512 first_of(enum kind kind, __m512i v) {
    if (kind == F16) return _mm512_cvtph_ps(_mm512_castsi512_si256(v));
    return _mm512_castsi512_ps(kind == BF16 ? _mm512_slli_epi32(v, 16) : v);
}

INLINE __m512 second_of(enum kind kind, __m512i v) {
    if (kind == F16) return _mm512_cvtph_ps(_mm512_extracti64x4_epi64(v, 1));
    return _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000u)));
}

/* ---- panels ---- */

/* n_k <= step_of(kind) k of a group of rows into their place in a panel. */
INLINE void pack_step(float *panel, enum kind kind, const struct rows *r, int64_t n_k) {
    __m512i v[16];
    turn(v, kind, r, n_k * (int64_t)bytes_of(kind));
    for (int t = 0; t < 16; t++) {
        int64_t k = kind == BF16 ? 2 * t : t;
        float *out = panel + k * N_TILE;
        if (k >= n_k) return;
        _mm512_storeu_ps(out, first_of(kind, v[t]));
        if (kind == F16) _mm512_storeu_ps(out + LANES, second_of(kind, v[t]));
        if (kind == BF16 && k + 1 < n_k) _mm512_storeu_ps(out + N_TILE, second_of(kind, v[t]));
    }
}

INLINE void pack(float *panel, enum kind kind, const char *w, size_t w_row, int64_t n,
                 int64_t k) {
    const int64_t step = step_of(kind), height = rows_of(kind);
    for (int64_t j = 0; j < N_TILE; j += height) {
        struct rows r = {w + (size_t)(j < n ? j : n - 1) * w_row, w_row, n - 1 - j};
        if (r.last < 0) r.last = 0;
        float *out = panel + j;
        int64_t left = k;
        for (; left >= step; left -= step) {
            pack_step(out, kind, &r, step);
            r.w += (size_t)step * bytes_of(kind);
            out += step * N_TILE;
        }
        if (left > 0) pack_step(out, kind, &r, left);
    }
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

/* ---- tiles ---- */

INLINE __m512 broadcast(const char *p) {
    float x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_ps(x);
}

/* One line of each of the rows that come next. */
INLINE void prefetch_lines(const struct gemm_float_next *next, int64_t line) {
    if (line >= next->n_lines) return;
    const char *p = next->from + line * 64;
    for (int64_t i = 0; i < next->n_rows; i++, p += next->row) _mm_prefetch(p, _MM_HINT_T0);
}

/* rows is a constant. Activations are addressed from every third row, which is what an x86
 * address can reach with one register for the distance of rows. */
INLINE void tile_rows(int rows, float *c, int64_t c_stride, const char *a, size_t a_row,
                      const float *panel, int64_t k, bool add,
                      const struct gemm_float_next *next) {
    __m512 sum[M_TILE][2];
    const char *third[(M_TILE + 2) / 3];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (int i = 0; i < rows; i += 3) third[i / 3] = a + (size_t)i * a_row;
    for (int i = 0; i < rows; i++) {
        _mm_prefetch((const char *)(c + i * c_stride), _MM_HINT_T0);
        _mm_prefetch((const char *)(c + i * c_stride + LANES), _MM_HINT_T0);
    }
    for (int64_t begin = 0; begin < k; begin += 16) {
        int64_t end = begin + 16 < k ? begin + 16 : k;
        prefetch_lines(next, begin / 16);
        for (int64_t l = begin; l < end; l++) {
            __m512 w0 = _mm512_loadu_ps(panel), w1 = _mm512_loadu_ps(panel + LANES);
            panel += N_TILE;
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) {
                __m512 x = broadcast(third[i / 3] + (size_t)(i % 3) * a_row + l * 4);
                sum[i][0] = _mm512_fmadd_ps(x, w0, sum[i][0]);
                sum[i][1] = _mm512_fmadd_ps(x, w1, sum[i][1]);
            }
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
        for (int half = 0; half < 2; half++) {
            float *out = c + i * c_stride + half * LANES;
            __m512 s = sum[i][half];
            _mm512_storeu_ps(out, add ? _mm512_add_ps(_mm512_loadu_ps(out), s) : s);
        }
}

static void tile(float *c, int64_t c_stride, const void *a, size_t a_row, const float *panel,
                 int64_t k, int64_t rows, bool add, const struct gemm_float_next *next) {
    switch (rows) {
    case 1: tile_rows(1, c, c_stride, a, a_row, panel, k, add, next); break;
    case 2: tile_rows(2, c, c_stride, a, a_row, panel, k, add, next); break;
    case 3: tile_rows(3, c, c_stride, a, a_row, panel, k, add, next); break;
    case 4: tile_rows(4, c, c_stride, a, a_row, panel, k, add, next); break;
    case 5: tile_rows(5, c, c_stride, a, a_row, panel, k, add, next); break;
    case 6: tile_rows(6, c, c_stride, a, a_row, panel, k, add, next); break;
    case 7: tile_rows(7, c, c_stride, a, a_row, panel, k, add, next); break;
    case 8: tile_rows(8, c, c_stride, a, a_row, panel, k, add, next); break;
    case 9: tile_rows(9, c, c_stride, a, a_row, panel, k, add, next); break;
    case 10: tile_rows(10, c, c_stride, a, a_row, panel, k, add, next); break;
    case 11: tile_rows(11, c, c_stride, a, a_row, panel, k, add, next); break;
    case 12: tile_rows(12, c, c_stride, a, a_row, panel, k, add, next); break;
    case 13: tile_rows(13, c, c_stride, a, a_row, panel, k, add, next); break;
    default: tile_rows(14, c, c_stride, a, a_row, panel, k, add, next); break;
    }
}

/* ---- streaming: few rows of activations ---- */

enum { MAX_STREAM = 8, PREFETCH_BYTES = 512 };

/* Rows of weights whose sums are in hand: two vectors where one would leave the multipliers
 * waiting for themselves. */
INLINE int groups_of(enum kind kind, int m) {
    return kind == F16 || m <= 4 ? 2 : 1;
}

struct stream {
    struct rows w;  /* at the current k */
    const char *a;  /* likewise */
    size_t a_row;
};

INLINE void multiply(__m512 sum[MAX_STREAM][2], int m, int group, const struct stream *s,
                     int64_t k, __m512 w) {
    for (int i = 0; i < m; i++)
        sum[i][group] = _mm512_fmadd_ps(broadcast(s->a + (size_t)i * s->a_row + k * 4), w,
                                        sum[i][group]);
}

/* n_k <= step_of(kind) k of all groups. */
INLINE void stream_step(__m512 sum[MAX_STREAM][2], enum kind kind, int m, int groups,
                        const struct stream *s, int64_t n_k) {
    for (int g = 0; g < groups; g += kind == F16 ? 2 : 1) {
        struct rows r = s->w;
        __m512i v[16];
        r.w += (size_t)(g * LANES) * r.row;
        turn(v, kind, &r, n_k * (int64_t)bytes_of(kind));
#pragma GCC unroll 16
        for (int t = 0; t < 16; t++) {
            int64_t k = kind == BF16 ? 2 * t : t;
            if (k >= n_k) break;
            multiply(sum, m, g, s, k, first_of(kind, v[t]));
            if (kind == F16) multiply(sum, m, g + 1, s, k, second_of(kind, v[t]));
            if (kind == BF16 && k + 1 < n_k) multiply(sum, m, g, s, k + 1, second_of(kind, v[t]));
        }
    }
}

INLINE void stream_advance(struct stream *s, enum kind kind) {
    s->w.w += (size_t)step_of(kind) * bytes_of(kind);
    s->a += (size_t)step_of(kind) * sizeof(float);
}

/* c (m, 16 groups); kind, m and groups are constants. ahead: bytes from a weight row of this
 * call to the same row of the next one, or 0. */
INLINE void stream_rows(enum kind kind, int m, int groups, float *c, int64_t c_stride,
                        const char *a, size_t a_row, const char *w, size_t w_row, int64_t k,
                        size_t ahead) {
    struct stream s = {{w, w_row, groups * LANES}, a, a_row};
    const int64_t step = step_of(kind);
    const char *row_end = w + (size_t)k * bytes_of(kind);
    for (int64_t k0 = 0; k0 < k; k0 += GEMM_FLOAT_K) {
        __m512 sum[MAX_STREAM][2];
        int64_t left = k - k0 < GEMM_FLOAT_K ? k - k0 : GEMM_FLOAT_K;
        for (int i = 0; i < m; i++) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
        for (; left >= step; left -= step) {
            const char *p = s.w.w + PREFETCH_BYTES;
            if (p >= row_end) p += ahead - (size_t)k * bytes_of(kind);
            for (int i = 0; i < groups * LANES; i++, p += w_row) _mm_prefetch(p, _MM_HINT_T0);
            stream_step(sum, kind, m, groups, &s, step);
            stream_advance(&s, kind);
        }
        if (left > 0) stream_step(sum, kind, m, groups, &s, left);
        for (int i = 0; i < m; i++)
            for (int g = 0; g < groups; g++) {
                float *out = c + i * c_stride + g * LANES;
                _mm512_storeu_ps(out, k0 == 0 ? sum[i][g]
                                              : _mm512_add_ps(_mm512_loadu_ps(out), sum[i][g]));
            }
    }
}

/* n >= 32. The last rows overlap the ones before rather than fill part of a group: the same
 * outputs get the same bits twice. */
INLINE void stream_m(enum kind kind, int m, float *c, int64_t c_stride, const char *a,
                     size_t a_row, const char *w, size_t w_row, int64_t n, int64_t k) {
    const int64_t wide = groups_of(kind, m) * LANES;
    for (int64_t j = 0; j < n; j += wide) {
        if (j + wide > n) j = n - wide;
        stream_rows(kind, m, groups_of(kind, m), c + j, c_stride, a, a_row,
                    w + (size_t)j * w_row, w_row, k,
                    j + wide < n ? (size_t)wide * w_row : 0);
    }
}

INLINE void stream(enum kind kind, float *c, int64_t c_stride, const void *a, size_t a_row,
                   const void *w, size_t w_row, int64_t m, int64_t n, int64_t k) {
    switch (m) {
    case 1: stream_m(kind, 1, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 2: stream_m(kind, 2, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 3: stream_m(kind, 3, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 4: stream_m(kind, 4, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 5: stream_m(kind, 5, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 6: stream_m(kind, 6, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 7: stream_m(kind, 7, c, c_stride, a, a_row, w, w_row, n, k); break;
    case 8: stream_m(kind, 8, c, c_stride, a, a_row, w, w_row, n, k); break;
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

static const struct gemm_float with_f32 = {M_TILE, N_TILE, MAX_STREAM, 4,
                                           stream_f32, pack_f32, tile};
static const struct gemm_float with_f16 = {M_TILE, N_TILE, MAX_STREAM, 2,
                                           stream_f16, pack_f16, tile};
static const struct gemm_float with_bf16 = {M_TILE, N_TILE, MAX_STREAM, 2,
                                            stream_bf16, pack_bf16, tile};

static void gemm_f32_avx512 GEMM_PARAMETERS {
    gemm_float_run(&with_f32, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_f16_avx512 GEMM_PARAMETERS {
    gemm_float_run(&with_f16, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_bf16_avx512 GEMM_PARAMETERS {
    gemm_float_run(&with_bf16, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

/* ---- measuring ---- */

static double peak_fma_avx512(int64_t rounds, float *sink) {
    enum { CHAINS = 16 };
    __m512 sum[CHAINS], x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(1);
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_fmadd_ps(sum[i], x, y);
    for (int i = 1; i < CHAINS; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    *sink = _mm512_cvtss_f32(sum[0]);
    return (double)rounds * CHAINS * LANES * 2;
}

void float_fill_avx512(struct math_kernels *k) {
    k->gemm_f32 = gemm_f32_avx512;
    k->gemm_f16 = gemm_f16_avx512;
    k->gemm_bf16 = gemm_bf16_avx512;
    k->peak_fma = peak_fma_avx512;
}
