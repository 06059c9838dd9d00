/* float_avx512.c - products with float weights for AVX-512 (F, BW, DQ, VL).
 *
 * Lanes are outputs: 16 rows of weights. Weights lie with k along the row, so they are
 * turned in registers, 16 rows by one cache line, in two halves: four rows by four columns
 * within each 128-bit lane, then the lanes among four such quads. */
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

/* The k in one line of 64 bytes. */
INLINE int64_t step_of(enum kind kind) {
    return kind == F32 ? 16 : 32;
}

/* ---- turning weights ---- */

/* Where rows are: row i of a group is at w + min(i, last) * row, so that a group at the
 * edge repeats its last row rather than read on. */
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

/* The first half of a turn, of rows 4q … 4q+3, n_bytes of a line each. 32 bits (f32, pairs
 * of bf16): b[t], lane l = the four rows of column 4l + t. f16: lane l = the four rows of
 * columns 8l + 2t and 8l + 2t + 1. */
INLINE void turn_quad(__m512i b[4], enum kind kind, const struct rows *r, int64_t q,
                      int64_t n_bytes) {
    __m512i r0 = load_line(row_at(r, 4 * q), n_bytes);
    __m512i r1 = load_line(row_at(r, 4 * q + 1), n_bytes);
    __m512i r2 = load_line(row_at(r, 4 * q + 2), n_bytes);
    __m512i r3 = load_line(row_at(r, 4 * q + 3), n_bytes);
    if (kind == F16) {
        __m512i low01 = _mm512_unpacklo_epi16(r0, r1),
                high01 = _mm512_unpackhi_epi16(r0, r1);
        __m512i low23 = _mm512_unpacklo_epi16(r2, r3),
                high23 = _mm512_unpackhi_epi16(r2, r3);
        b[0] = low_32(low01, low23);
        b[1] = high_32(low01, low23);
        b[2] = low_32(high01, high23);
        b[3] = high_32(high01, high23);
    } else {
        __m512i low01 = low_32(r0, r1), high01 = high_32(r0, r1);
        __m512i low23 = low_32(r2, r3), high23 = high_32(r2, r3);
        b[0] = low_64(low01, low23);
        b[1] = high_64(low01, low23);
        b[2] = low_64(high01, high23);
        b[3] = high_64(high01, high23);
    }
}

/* The second half. b[4q + t] from turn_quad; 32 bits: v[t] = column t of 16 rows; f16: v[t]
 * = columns of 16 rows, as column() says. */
INLINE void turn_lanes(__m512i v[16], enum kind kind, const __m512i b[16]) {
    const __m512i first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
    const __m512i second = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    for (int t = 0; t < 4; t++) {
        if (kind == F16) {
            __m512i even0 = low_64(b[t], b[4 + t]), odd0 = high_64(b[t], b[4 + t]);
            __m512i even1 = low_64(b[8 + t], b[12 + t]),
                    odd1 = high_64(b[8 + t], b[12 + t]);
            v[2 * t] = _mm512_permutex2var_epi64(even0, first, even1);
            v[2 * t + 1] = _mm512_permutex2var_epi64(odd0, first, odd1);
            v[8 + 2 * t] = _mm512_permutex2var_epi64(even0, second, even1);
            v[8 + 2 * t + 1] = _mm512_permutex2var_epi64(odd0, second, odd1);
        } else {
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
}

/* Column k < step_of(kind) of 16 rows, widened. */
INLINE __m512 column(enum kind kind, const __m512i v[16], int k) {
    if (kind == F32) return _mm512_castsi512_ps(v[k]);
    if (kind == F16) { /* lanes 8l … 8l+7 of k: pairs of l are in one vector */
        __m512i both = v[k / 16 * 8 + k % 8];
        return _mm512_cvtph_ps(k / 8 % 2 ? _mm512_extracti64x4_epi64(both, 1)
                                         : _mm512_castsi512_si256(both));
    }
    __m512i pair = v[k / 2];
    if (k % 2) pair = _mm512_and_si512(pair, _mm512_set1_epi32((int)0xffff0000u));
    return _mm512_castsi512_ps(k % 2 ? pair : _mm512_slli_epi32(pair, 16));
}

/* ---- panels ---- */

/* n_k <= step_of(kind) k of 16 rows into their place in a panel. */
INLINE void pack_step(float *panel, enum kind kind, const struct rows *r, int64_t n_k) {
    __m512i b[16], v[16];
    for (int q = 0; q < 4; q++)
        turn_quad(b + 4 * q, kind, r, q, n_k * (int64_t)bytes_of(kind));
    turn_lanes(v, kind, b);
#pragma GCC unroll 32
    for (int k = 0; k < step_of(kind); k++) {
        if (k >= n_k) return;
        _mm512_storeu_ps(panel + k * N_TILE, column(kind, v, k));
    }
}

INLINE void pack(float *panel, enum kind kind, const char *w, size_t w_row, int64_t n,
                 int64_t k) {
    const int64_t step = step_of(kind);
    for (int64_t j = 0; j < N_TILE; j += LANES) {
        struct rows r = {w + (size_t)(j < n ? j : n - 1) * w_row, w_row, n - 1 - j};
        if (r.last < 0) r.last = 0;
        float *out = panel + j;
        int64_t left = k;
        for (; left >= step; left -= step) {
            pack_step(out, kind, &r, step);
            r.w += 64;
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

/* Weights that are stored (k, n). */
static void pack_across(float *panel, const void *w, size_t w_row, int64_t n, int64_t k) {
    const char *row = w;
    __mmask16 low = (__mmask16)(n >= LANES ? 0xffff : (1 << n) - 1);
    __mmask16 high = (__mmask16)(n >= N_TILE ? 0xffff
                                 : n > LANES ? (1 << (n - LANES)) - 1
                                             : 0);
    for (int64_t l = 0; l < k; l++, row += w_row, panel += N_TILE) {
        const float *x = (const float *)(const void *)row;
        _mm512_storeu_ps(panel, _mm512_maskz_loadu_ps(low, x));
        _mm512_storeu_ps(panel + LANES, _mm512_maskz_loadu_ps(high, x + LANES));
    }
}

/* ---- tiles ---- */

INLINE __m512 broadcast(const char *p) {
    float x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_ps(x);
}

/* One line in sixteen of each of the rows that come next. */
INLINE void prefetch_lines(const struct gemm_float_next *next, int64_t line) {
    for (; line < next->n_lines; line += 16) {
        const char *p = next->from + line * 64;
        for (int64_t i = 0; i < next->n_rows; i++, p += next->row)
            _mm_prefetch(p, _MM_HINT_T1);
    }
}

/* rows and across are constants. Activations are addressed from every third row, which is
 * what an x86 address can reach with one register for the distance of rows; across: a_row is the
 * distance of two k, and rows lie side by side. */
INLINE void tile_rows(int rows, bool across, float *c, int64_t c_stride, const char *a,
                      size_t a_row, const float *panel, int64_t k, bool add,
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
                __m512 x =
                    broadcast(across ? a + (size_t)l * a_row + i * 4
                                     : third[i / 3] + (size_t)(i % 3) * a_row + l * 4);
                sum[i][0] = _mm512_fmadd_ps(x, w0, sum[i][0]);
                sum[i][1] = _mm512_fmadd_ps(x, w1, sum[i][1]);
            }
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            float *out = c + i * c_stride + half * LANES;
            __m512 s = sum[i][half];
            _mm512_storeu_ps(out, add ? _mm512_add_ps(_mm512_loadu_ps(out), s) : s);
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
    case 6: tile_rows(6, across, c, c_stride, a, a_row, panel, k, add, next); break;
    case 7: tile_rows(7, across, c, c_stride, a, a_row, panel, k, add, next); break;
    case 8: tile_rows(8, across, c, c_stride, a, a_row, panel, k, add, next); break;
    case 9: tile_rows(9, across, c, c_stride, a, a_row, panel, k, add, next); break;
    case 10: tile_rows(10, across, c, c_stride, a, a_row, panel, k, add, next); break;
    case 11: tile_rows(11, across, c, c_stride, a, a_row, panel, k, add, next); break;
    case 12: tile_rows(12, across, c, c_stride, a, a_row, panel, k, add, next); break;
    case 13: tile_rows(13, across, c, c_stride, a, a_row, panel, k, add, next); break;
    default: tile_rows(14, across, c, c_stride, a, a_row, panel, k, add, next); break;
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

/* Whole vectors where the next row overwrites what is too much. */
static void copy_rows(float *to, const void *a, size_t a_row, int64_t rows, int64_t k) {
    const __mmask16 lanes = (__mmask16)((1u << rows) - 1);
    const char *from = a;
    int64_t whole = k - (LANES + rows - 1) / rows;
    for (int64_t l = 0; l < k; l++, from += a_row, to += rows) {
        __m512 x = _mm512_maskz_loadu_ps(lanes, from);
        if (l < whole)
            _mm512_storeu_ps(to, x);
        else
            _mm512_mask_storeu_ps(to, lanes, x);
    }
}

/* ---- streaming: few rows of activations ---- */

/* Two groups of 16 rows for 16-bit numbers, a line of which is a chain of 32 steps, too
 * long to wait for alone; with more rows of activations the sums would not fit the
 * registers. */
enum { MAX_STREAM = 8, MAX_GROUPS = 2, AHEAD = 8 /* lines */ };

INLINE int groups_of(enum kind kind, int m) {
    return kind != F32 && m == 1 ? 2 : 1;
}

struct stream {
    float *c;
    int64_t c_stride;
    const char *a, *w;
    size_t a_row, w_row;
    int64_t n, k;
};

/* sum (m, groups) += the products of one line of 16 groups rows at w; kind, m, groups are
 * constants. a is the line's first k. */
INLINE void multiply_line(__m512 (*sum)[MAX_GROUPS], enum kind kind, int m, int groups,
                          const struct rows *rows, const char *a, size_t a_row,
                          int64_t n_k) {
#pragma GCC unroll 8
    for (int g = 0; g < groups; g++) {
        struct rows r = {rows->w + (size_t)(g * LANES) * rows->row, rows->row,
                         rows->last - g * LANES};
        __m512i v[16], b[16];
        for (int q = 0; q < 4; q++)
            turn_quad(b + 4 * q, kind, &r, q, n_k * (int64_t)bytes_of(kind));
        turn_lanes(v, kind, b);
#pragma GCC unroll 32
        for (int k = 0; k < step_of(kind); k++) {
            if (k >= n_k) break;
            __m512 w = column(kind, v, k);
#pragma GCC unroll 8
            for (int i = 0; i < m; i++)
                sum[i][g] =
                    _mm512_fmadd_ps(broadcast(a + (size_t)i * a_row + k * 4), w, sum[i][g]);
        }
    }
}

/* What memory likes best on Zen 5: of 16 rows, four lines of four rows at each of four
 * steps; of 32, a line of each. After a row's last line comes the first one of the next
 * group's row, which is ahead_row bytes on. Unrolled, since hardware tells streams by the
 * instruction. */
INLINE void fetch_ahead(int groups, const char *w, size_t w_row, int64_t line,
                        int64_t n_lines, size_t ahead_row) {
    const int64_t n = groups == 1 ? 4 : 1;
    const int n_rows = groups == 1 ? 4 : MAX_GROUPS * LANES;
#pragma GCC unroll 4
    for (int64_t l = 0; l < n; l++) {
        int64_t to = line / n * n + AHEAD + l;
        const char *p = to < n_lines ? w + 64 * to : w + ahead_row + 64 * (to - n_lines);
        if (groups == 1) p += (size_t)(line % 4 * 4) * w_row;
#pragma GCC unroll 32
        for (int i = 0; i < n_rows; i++) _mm_prefetch(p + (size_t)i * w_row, _MM_HINT_T0);
    }
}

/* c's columns j … j + lanes = or += sum. */
INLINE void add_sums(__m512 (*sum)[MAX_GROUPS], int m, int groups, const struct stream *s,
                     int64_t j, bool add) {
#pragma GCC unroll 8
    for (int g = 0; g < groups; g++) {
        int64_t n = s->n - j - g * LANES;
        __mmask16 lanes = (__mmask16)(n >= LANES ? 0xffff : n > 0 ? (1 << n) - 1 : 0);
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            float *out = s->c + i * s->c_stride + j + g * LANES;
            __m512 x = sum[i][g];
            if (add) x = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, out), x);
            _mm512_mask_storeu_ps(out, lanes, x);
        }
    }
}

/* `left` k of 16 groups rows, not all of which may be there: seldom, so small rather than
 * fast. */
INLINE void edge_lines(enum kind kind, __m512 (*sum)[MAX_GROUPS], int m, int groups,
                       const struct rows *rows, const char *a, size_t a_row, int64_t left) {
    for (int i = 0; i < m; i++)
        for (int g = 0; g < groups; g++) {
            __m512 one[1][MAX_GROUPS] = {{sum[i][g]}};
            struct rows r = {row_at(rows, g * LANES), rows->row, rows->last - g * LANES};
            const char *x = a + (size_t)i * a_row;
            if (r.last < 0) r.last = 0;
            for (int64_t k = left; k > 0;
                 k -= step_of(kind), r.w += 64, x += step_of(kind) * 4)
                multiply_line(one, kind, 1, 1, &r, x, 0,
                              k < step_of(kind) ? k : step_of(kind));
            sum[i][g] = one[0][0];
        }
}

typedef void edge_function(__m512 (*sum)[MAX_GROUPS], int m, int groups,
                           const struct rows *rows, const char *a, size_t a_row,
                           int64_t left);
#define NOT_INLINE static __attribute__((noinline))

NOT_INLINE void edge_f32(__m512 (*sum)[MAX_GROUPS], int m, int groups,
                         const struct rows *rows, const char *a, size_t a_row,
                         int64_t left) {
    edge_lines(F32, sum, m, groups, rows, a, a_row, left);
}

NOT_INLINE void edge_f16(__m512 (*sum)[MAX_GROUPS], int m, int groups,
                         const struct rows *rows, const char *a, size_t a_row,
                         int64_t left) {
    edge_lines(F16, sum, m, groups, rows, a, a_row, left);
}

NOT_INLINE void edge_bf16(__m512 (*sum)[MAX_GROUPS], int m, int groups,
                          const struct rows *rows, const char *a, size_t a_row,
                          int64_t left) {
    edge_lines(BF16, sum, m, groups, rows, a, a_row, left);
}

INLINE edge_function *edge_of(enum kind kind) {
    return kind == F32 ? edge_f32 : kind == F16 ? edge_f16 : edge_bf16;
}

/* Outputs j … j + 16 groups; kind, m and groups are constants. */
INLINE void stream_rows(enum kind kind, int m, int groups, const struct stream *s,
                        int64_t j) {
    const int64_t step = step_of(kind), height = groups * LANES;
    const int64_t n_lines = (s->k + step - 1) / step;
    const bool whole = j + height <= s->n;
    const char *a = s->a, *w = s->w + (size_t)j * s->w_row;
    struct rows r = {w, s->w_row, height};
    for (int64_t k0 = 0; k0 < s->k; k0 += GEMM_FLOAT_K) {
        __m512 sum[MAX_STREAM][MAX_GROUPS];
        int64_t left = s->k - k0 < GEMM_FLOAT_K ? s->k - k0 : GEMM_FLOAT_K;
#pragma GCC unroll 8
        for (int i = 0; i < m; i++)
#pragma GCC unroll 8
            for (int g = 0; g < groups; g++) sum[i][g] = _mm512_setzero_ps();
        for (; whole && left >= step; left -= step, r.w += 64, a += step * 4) {
            fetch_ahead(groups, w, s->w_row, (r.w - w) / 64, n_lines,
                        (size_t)height * s->w_row);
            multiply_line(sum, kind, m, groups, &r, a, s->a_row, step);
        }
        if (left > 0) {
            __m512 copy[MAX_STREAM][MAX_GROUPS];
            struct rows rest = {r.w, s->w_row, whole ? height : s->n - j - 1};
#pragma GCC unroll 8
            for (int i = 0; i < m; i++)
#pragma GCC unroll 8
                for (int g = 0; g < groups; g++) copy[i][g] = sum[i][g];
            edge_of(kind)(copy, m, groups, &rest, a, s->a_row, left);
#pragma GCC unroll 8
            for (int i = 0; i < m; i++)
#pragma GCC unroll 8
                for (int g = 0; g < groups; g++) sum[i][g] = copy[i][g];
            r.w += left * (int64_t)bytes_of(kind), a += left * 4;
        }
        add_sums(sum, m, groups, s, j, k0 > 0);
    }
}

INLINE void stream_m(enum kind kind, int m, const struct stream *s) {
    for (int64_t j = 0; j < s->n; j += groups_of(kind, m) * LANES)
        stream_rows(kind, m, groups_of(kind, m), s, j);
}

INLINE void stream(enum kind kind, float *c, int64_t c_stride, const void *a, size_t a_row,
                   const void *w, size_t w_row, int64_t m, int64_t n, int64_t k) {
    const struct stream s = {c, c_stride, a, w, a_row, w_row, n, k};
    switch (m) {
    case 1: stream_m(kind, 1, &s); break;
    case 2: stream_m(kind, 2, &s); break;
    case 3: stream_m(kind, 3, &s); break;
    case 4: stream_m(kind, 4, &s); break;
    case 5: stream_m(kind, 5, &s); break;
    case 6: stream_m(kind, 6, &s); break;
    case 7: stream_m(kind, 7, &s); break;
    default: stream_m(kind, 8, &s); break;
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
static const struct gemm_float with_tn = {M_TILE,      N_TILE,      0,    4,        NULL,
                                          pack_across, tile_across, true, copy_rows};

static void gemm_f32_avx512 GEMM_PARAMETERS {
    gemm_float_run(&with_f32, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_f16_avx512 GEMM_PARAMETERS {
    gemm_float_run(&with_f16, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_bf16_avx512 GEMM_PARAMETERS {
    gemm_float_run(&with_bf16, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_nn_f32_avx512 GEMM_PARAMETERS {
    gemm_float_run(&with_nn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_nn_more_f32_avx512 GEMM_PARAMETERS {
    gemm_float_more(&with_nn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_tn_f32_avx512 GEMM_PARAMETERS {
    gemm_float_run(&with_tn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_tn_more_f32_avx512 GEMM_PARAMETERS {
    gemm_float_more(&with_tn, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
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
    float lanes[LANES];
    _mm512_storeu_ps(lanes, sum[0]);
    *sink = lanes[0];
    return (double)rounds * CHAINS * LANES * 2;
}

/* Four parts side by side: one alone does not keep memory busy. */
static uint64_t peak_read_avx512(const void *x, size_t n_bytes) {
    enum { PARTS = 4, AT_ONCE = 256 };
    const char *p = x;
    size_t part = n_bytes / PARTS / AT_ONCE * AT_ONCE;
    __m512i sum[PARTS];
    for (int l = 0; l < PARTS; l++) sum[l] = _mm512_setzero_si512();
    for (size_t i = 0; i < part; i += AT_ONCE)
        for (size_t q = 0; q < PARTS; q++)
            for (size_t l = 0; l < 4; l++)
                sum[l] =
                    _mm512_add_epi64(sum[l], _mm512_loadu_si512(p + q * part + i + 64 * l));
    sum[0] = _mm512_add_epi64(_mm512_add_epi64(sum[0], sum[1]),
                              _mm512_add_epi64(sum[2], sum[3]));
    uint64_t lanes[8], result = 0;
    _mm512_storeu_si512(lanes, sum[0]);
    for (int i = 0; i < 8; i++) result += lanes[i];
    for (size_t i = part * PARTS; i < n_bytes; i++) result += (uint8_t)p[i];
    return result;
}

void float_fill_avx512(struct math_kernels *k) {
    k->gemm_f32 = gemm_f32_avx512;
    k->gemm_f16 = gemm_f16_avx512;
    k->gemm_bf16 = gemm_bf16_avx512;
    k->gemm_nn_f32 = gemm_nn_f32_avx512;
    k->gemm_nn_more_f32 = gemm_nn_more_f32_avx512;
    k->gemm_tn_f32 = gemm_tn_f32_avx512;
    k->gemm_tn_more_f32 = gemm_tn_more_f32_avx512;
    k->peak_fma = peak_fma_avx512;
    k->peak_read = peak_read_avx512;
}
