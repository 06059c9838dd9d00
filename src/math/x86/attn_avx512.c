/* attn_avx512.c - attention's kernels for AVX-512 (F, BW, DQ, VL).
 *
 * A run is sixteen values side by side: the same feature of a tile's keys (scores), or
 * sixteen features of a key (values). A register tile is R query rows times T runs, at most
 * ROWS times 2 or fewer rows times more runs, so that at least eight chains are under way
 * and each loaded value is used often.
 *
 * Few rows (generation) take the keys as they lie. Many rows (prompts) go through a block a
 * slice at a time, all rows over one slice, so that it stays in the first-level cache; f16
 * and q8_0 slices are widened once for all rows (exactly, so the bits are the same). */
#include "math/attn_layout.h"
#include "math/dispatch.h"
#include "math/x86/attn_ahead.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum {
    ROWS = 12,  /* most rows of a register tile */
    RUNS = 4,   /* most runs of a register tile */
    SLICE = 2,  /* runs that many rows go over at a time */
    MANY = 13,  /* rows from which on slices pay */
    GROUPS = 16 /* register tiles of rows whose spans are at hand */
};

/* How a run lies in memory. */
INLINE size_t run_bytes(glass_dtype dtype) {
    return dtype == GLASS_F32 ? 64 : dtype == GLASS_F16 ? 32 : 16;
}

INLINE __m512 half16(const uint8_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

/* d: the scales, for q8_0. */
INLINE __m512 run_load(const uint8_t *p, __m512 d, glass_dtype dtype) {
    if (dtype == GLASS_F32) return _mm512_loadu_ps((const float *)(const void *)p);
    if (dtype == GLASS_F16) return half16(p);
    __m128i q = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)), d);
}

INLINE void acc_clear(__m512 acc[ROWS][RUNS], int R, int T) {
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int t = 0; t < T; t++) acc[r][t] = _mm512_setzero_ps();
    }
}

/* How many of n rows the next register tile takes: the rest in halves rather than a last
 * tile of one. */
INLINE int64_t take(int64_t n) {
    return n >= 2 * ROWS ? ROWS : n > ROWS ? (n + 1) / 2 : n;
}

/* The row's keys within the block, counted from key0; false if there are none. */
INLINE bool clip(int64_t *from, int64_t *to, int64_t begin, int64_t end, int64_t key0) {
    *from = begin > key0 ? begin - key0 : 0;
    *to = end - key0 < ATTN_BLOCK ? end - key0 : ATTN_BLOCK;
    return *from < *to;
}

/* ---- scores ---- */

/* Chains on over features [d, d + n) of T tiles of keys; `at` points at feature d of the
 * first, for q8_0 at d's block. What lies `ahead` is fetched, unless that is 0. */
INLINE void qk_chain(__m512 acc[ROWS][RUNS], const float *q, int64_t q_stride,
                     const uint8_t *at, size_t tile_bytes, size_t ahead, int64_t n, int R,
                     int T, glass_dtype dtype) {
    const size_t run = run_bytes(dtype);
    __m512 d_k[RUNS];
    UNROLL for (int t = 0; t < T; t++) d_k[t] = _mm512_setzero_ps();
    if (dtype == GLASS_Q8_0) {
        UNROLL for (int t = 0; t < T; t++) d_k[t] = half16(at + (size_t)t * tile_bytes);
        at += 32;
    }
    for (int64_t d = 0; d < n; d++, at += run) {
        __m512 lanes[RUNS];
        UNROLL for (int t = 0; t < T; t++) lanes[t] =
            run_load(at + (size_t)t * tile_bytes, d_k[t], dtype);
        if (ahead > 0) {
            UNROLL for (int t = 0; t < T; t++)
                ahead_fetch(at + (size_t)t * tile_bytes, ahead);
        }
        UNROLL for (int r = 0; r < R; r++) {
            __m512 x = _mm512_set1_ps(q[r * q_stride + d]);
            UNROLL for (int t = 0; t < T; t++) acc[r][t] =
                _mm512_fmadd_ps(x, lanes[t], acc[r][t]);
        }
    }
}

/* A block of 256 features at most, to s: the first sets, others add, the last scales. */
INLINE void qk_finish(float *s, int64_t s_stride, __m512 acc[ROWS][RUNS], bool first,
                      bool last, float scale, int R, int T) {
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int t = 0; t < T; t++) {
            float *out = s + r * s_stride + 16 * t;
            __m512 x = acc[r][t];
            if (!first) x = _mm512_add_ps(_mm512_loadu_ps(out), x);
            if (last) x = _mm512_mul_ps(x, _mm512_set1_ps(scale));
            _mm512_storeu_ps(out, x);
        }
    }
}

/* R rows times T tiles, whole dots. */
INLINE void qk_tile(float *s, int64_t s_stride, const float *q, int64_t q_stride,
                    const uint8_t *k, size_t tile_bytes, size_t ahead, int64_t head_dim,
                    float scale, int R, int T, glass_dtype dtype) {
    for (int64_t d0 = 0; d0 < head_dim; d0 += 256) {
        int64_t n = head_dim - d0 < 256 ? head_dim - d0 : 256;
        __m512 acc[ROWS][RUNS];
        acc_clear(acc, R, T);
        if (dtype == GLASS_Q8_0) {
            for (int64_t b = d0 / 32; b < (d0 + n) / 32; b++)
                qk_chain(acc, q + b * 32, q_stride, k + (size_t)b * ATTN_Q8_BYTES,
                         tile_bytes, ahead, 32, R, T, dtype);
        } else {
            qk_chain(acc, q + d0, q_stride, k + (size_t)d0 * run_bytes(dtype), tile_bytes,
                     ahead, n, R, T, dtype);
        }
        qk_finish(s, s_stride, acc, d0 == 0, d0 + n == head_dim, scale, R, T);
    }
}

/* The tile that prompts are made of, apart from the others so that the compiler finds
 * registers for it: ROWS rows times two tiles of floats. */
static __attribute__((noinline)) void qk_full(float *s, int64_t s_stride, const float *q,
                                              int64_t q_stride, const uint8_t *k,
                                              int64_t head_dim, float scale) {
    qk_tile(s, s_stride, q, q_stride, k, (size_t)head_dim * 64, 0, head_dim, scale, ROWS, 2,
            GLASS_F32);
}

/* R rows over tiles [from, to), T at a time. */
INLINE void qk_tiles(float *s, int64_t s_stride, const float *q, int64_t q_stride,
                     const uint8_t *k, const uint8_t *next, size_t tile_bytes, int64_t from,
                     int64_t to, int64_t head_dim, float scale, int R, int T,
                     glass_dtype dtype) {
    int64_t t = from;
    for (; t + T <= to; t += T) {
        float *out = s + t * 16;
        const uint8_t *at = k + (size_t)t * tile_bytes;
        if (R == ROWS && dtype == GLASS_F32)
            qk_full(out, s_stride, q, q_stride, at, head_dim, scale);
        else
            qk_tile(out, s_stride, q, q_stride, at, tile_bytes,
                    ahead_of_tile(k, next, tile_bytes, t + T), head_dim, scale, R, T,
                    dtype);
    }
    for (; T > 1 && t < to; t++)
        qk_tile(s + t * 16, s_stride, q, q_stride, k + (size_t)t * tile_bytes, tile_bytes,
                ahead_of_tile(k, next, tile_bytes, t + 1), head_dim, scale, R, 1, dtype);
}

INLINE void qk_rows(int64_t n, float *s, int64_t s_stride, const float *q, int64_t q_stride,
                    const uint8_t *k, const uint8_t *next, size_t tile_bytes, int64_t from,
                    int64_t to, int64_t head_dim, float scale, glass_dtype dtype) {
#define ROWS_CASE(R, T)                                                                    \
    case R:                                                                                \
        qk_tiles(s, s_stride, q, q_stride, k, next, tile_bytes, from, to, head_dim, scale, \
                 R, T, dtype);                                                             \
        break
    switch (n) {
        ROWS_CASE(1, 4);
        ROWS_CASE(2, 4);
        ROWS_CASE(3, 4);
        ROWS_CASE(4, 4);
        ROWS_CASE(5, 4);
        ROWS_CASE(6, 4);
        ROWS_CASE(7, 2);
        ROWS_CASE(8, 2);
        ROWS_CASE(9, 2);
        ROWS_CASE(10, 2);
        ROWS_CASE(11, 2);
    default:
        qk_tiles(s, s_stride, q, q_stride, k, next, tile_bytes, from, to, head_dim, scale,
                 ROWS, 2, dtype);
    }
#undef ROWS_CASE
}

typedef void qk_rows_function(int64_t n, float *s, int64_t s_stride, const float *q,
                              int64_t q_stride, const uint8_t *k, const uint8_t *next,
                              size_t tile_bytes, int64_t from, int64_t to, int64_t head_dim,
                              float scale);

static void qk_rows_f32(int64_t n, float *s, int64_t s_stride, const float *q,
                        int64_t q_stride, const uint8_t *k, const uint8_t *next,
                        size_t tile_bytes, int64_t from, int64_t to, int64_t head_dim,
                        float scale) {
    qk_rows(n, s, s_stride, q, q_stride, k, next, tile_bytes, from, to, head_dim, scale,
            GLASS_F32);
}

static void qk_rows_f16(int64_t n, float *s, int64_t s_stride, const float *q,
                        int64_t q_stride, const uint8_t *k, const uint8_t *next,
                        size_t tile_bytes, int64_t from, int64_t to, int64_t head_dim,
                        float scale) {
    qk_rows(n, s, s_stride, q, q_stride, k, next, tile_bytes, from, to, head_dim, scale,
            GLASS_F16);
}

static void qk_rows_q8_0(int64_t n, float *s, int64_t s_stride, const float *q,
                         int64_t q_stride, const uint8_t *k, const uint8_t *next,
                         size_t tile_bytes, int64_t from, int64_t to, int64_t head_dim,
                         float scale) {
    qk_rows(n, s, s_stride, q, q_stride, k, next, tile_bytes, from, to, head_dim, scale,
            GLASS_Q8_0);
}

/* Tiles [t0, t1) that any of n rows sees. */
INLINE void qk_span(int64_t *t0, int64_t *t1, const int64_t *begin, const int64_t *end,
                    int64_t n, int64_t key0) {
    int64_t first = ATTN_BLOCK, last = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t from, to;
        if (!clip(&from, &to, begin[i], end[i], key0)) continue;
        first = from < first ? from : first;
        last = to > last ? to : last;
    }
    *t0 = first / ATTN_TILE;
    *t1 = (last + ATTN_TILE - 1) / ATTN_TILE;
}

/* n tiles of keys as floats, whatever their type: (n, features, 16). */
INLINE void qk_widen(float *to, const uint8_t *k, size_t tile_bytes, int64_t head_dim,
                     int64_t n, glass_dtype dtype) {
    for (int64_t t = 0; t < n; t++, k += tile_bytes) {
        const uint8_t *at = k;
        __m512 d_k = _mm512_setzero_ps();
        for (int64_t d = 0; d < head_dim; d++, to += 16) {
            if (dtype == GLASS_Q8_0 && d % 32 == 0) {
                d_k = half16(at);
                at += 32;
            }
            _mm512_storeu_ps(to, run_load(at, d_k, dtype));
            at += run_bytes(dtype);
        }
    }
}

enum { WIDE_DIM = 256 }; /* wider heads are multiplied as they lie */

/* Many rows: two tiles of keys at a time, all rows over them. */
INLINE void qk_many(float *s, int64_t s_stride, const float *q, int64_t q_stride,
                    const int64_t *begin, const int64_t *end, int64_t n_rows,
                    const uint8_t *k, size_t tile_bytes, int64_t key0, int64_t head_dim,
                    float scale, glass_dtype dtype) {
    _Alignas(64) float wide[SLICE * WIDE_DIM * 16];
    int64_t span[GROUPS][2], least = ATTN_BLOCK, most = 0;
    for (int64_t r = 0, n, g = 0; r < n_rows; r += n, g++) {
        n = take(n_rows - r);
        qk_span(&span[g][0], &span[g][1], begin + r, end + r, n, key0);
        if (span[g][0] >= span[g][1]) continue;
        least = span[g][0] < least ? span[g][0] : least;
        most = span[g][1] > most ? span[g][1] : most;
    }
    for (int64_t t = least; t < most; t += SLICE) {
        const uint8_t *at = k + (size_t)t * tile_bytes;
        int64_t stop = t + SLICE < most ? t + SLICE : most;
        if (dtype != GLASS_F32) qk_widen(wide, at, tile_bytes, head_dim, stop - t, dtype);
        const uint8_t *tiles = dtype == GLASS_F32 ? at : (const uint8_t *)wide;
        for (int64_t r = 0, n, g = 0; r < n_rows; r += n, g++) {
            n = take(n_rows - r);
            int64_t from = span[g][0] > t ? span[g][0] : t;
            int64_t to = span[g][1] < stop ? span[g][1] : stop;
            if (from >= to) continue;
            qk_rows_f32(n, s + r * s_stride + t * 16, s_stride, q + r * q_stride, q_stride,
                        tiles, NULL, (size_t)head_dim * 64, from - t, to - t, head_dim,
                        scale);
        }
    }
}

INLINE void qk(float *s, int64_t s_stride, const float *q, int64_t q_stride,
               const int64_t *begin, const int64_t *end, int64_t n_rows, const uint8_t *k,
               const uint8_t *next, int64_t key0, int64_t head_dim, float scale,
               glass_dtype dtype, qk_rows_function *rows) {
    size_t tile_bytes = dtype == GLASS_Q8_0 ? (size_t)(head_dim / 32) * ATTN_Q8_BYTES
                                            : (size_t)head_dim * run_bytes(dtype);
    bool many = n_rows >= MANY && (dtype == GLASS_F32 || head_dim <= WIDE_DIM);
    for (int64_t r = 0, n, t0, t1; r < n_rows; r += n) {
        float *out = s + r * s_stride;
        const float *in = q + r * q_stride;
        if (many) {
            n = n_rows - r < GROUPS * ROWS ? n_rows - r : GROUPS * ROWS;
            qk_many(out, s_stride, in, q_stride, begin + r, end + r, n, k, tile_bytes, key0,
                    head_dim, scale, dtype);
            continue;
        }
        n = take(n_rows - r);
        qk_span(&t0, &t1, begin + r, end + r, n, key0);
        if (t0 < t1)
            rows(n, out, s_stride, in, q_stride, k, next, tile_bytes, t0, t1, head_dim,
                 scale);
    }
}

static void attn_qk_f32_avx512 ATTN_QK_PARAMETERS {
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, next, key0, head_dim, scale,
       GLASS_F32, qk_rows_f32);
}

static void attn_qk_f16_avx512 ATTN_QK_PARAMETERS {
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, next, key0, head_dim, scale,
       GLASS_F16, qk_rows_f16);
}

static void attn_qk_q8_0_avx512 ATTN_QK_PARAMETERS {
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, next, key0, head_dim, scale,
       GLASS_Q8_0, qk_rows_q8_0);
}

/* ---- values ---- */

/* Runs of one block of keys: run i (sixteen features) of key j. q8_0 has two runs to a
 * panel, `half` tells with which of a panel's the first starts; d holds its scales,
 * ATTN_BLOCK for each panel. */
struct values {
    const uint8_t *v, *next; /* next: the same of the block that comes next, or NULL */
    size_t panel_bytes;
    const float *d;
    int half;
};

/* Run i of key j. Keys of one tile lie v_step bytes apart; f32's and f16's all do. */
INLINE const uint8_t *v_at(const struct values *v, int64_t j, int i, glass_dtype dtype) {
    if (dtype != GLASS_Q8_0)
        return v->v + (size_t)i * v->panel_bytes + (size_t)j * run_bytes(dtype);
    int which = v->half + i;
    return v->v + (size_t)(which / 2) * v->panel_bytes +
           (size_t)(j / ATTN_TILE) * ATTN_Q8_BYTES + 32 + (size_t)(j % ATTN_TILE) * 32 +
           (size_t)(which % 2) * 16;
}

INLINE size_t v_step(glass_dtype dtype) {
    return dtype == GLASS_F32 ? 64 : 32;
}

INLINE size_t v_tile_bytes(glass_dtype dtype) {
    return dtype == GLASS_Q8_0 ? ATTN_Q8_BYTES : ATTN_TILE * v_step(dtype);
}

/* The end of the keys from j on that lie evenly, up to `to`. */
INLINE int64_t v_even(int64_t j, int64_t to, glass_dtype dtype) {
    int64_t end = (j / ATTN_TILE + 1) * ATTN_TILE;
    return dtype != GLASS_Q8_0 || to < end ? to : end;
}

/* The scales of n_panels panels of q8_0, keys [from, to); those of the next block are fetched,
 * since they will be needed before its values are. */
INLINE void v_scales(float *d, const struct values *v, int64_t n_panels, int64_t from,
                     int64_t to) {
    for (int64_t i = 0; i < n_panels; i++)
        for (int64_t tile = from / ATTN_TILE; tile * ATTN_TILE < to; tile++) {
            size_t at = (size_t)i * v->panel_bytes + (size_t)tile * ATTN_Q8_BYTES;
            _mm512_storeu_ps(d + i * ATTN_BLOCK + tile * ATTN_TILE, half16(v->v + at));
            if (v->next != NULL) ahead_fetch(v->next, at);
        }
}

/* Which keys of the block each of a register tile's rows sees. */
struct spans {
    __m512i from, to;         /* 32-bit lane r: row r */
    int64_t first, last;      /* keys that any row sees */
    int64_t common0, common1; /* keys that all rows see; may be empty */
};

INLINE struct spans spans_of(const int64_t *begin, const int64_t *end, int64_t n,
                             int64_t key0) {
    int32_t from[16] = {0}, to[16] = {0};
    struct spans s = {.first = ATTN_BLOCK, .common1 = ATTN_BLOCK};
    for (int64_t r = 0; r < n; r++) {
        int64_t a, b;
        if (!clip(&a, &b, begin[r], end[r], key0)) a = b = 0;
        from[r] = (int32_t)a, to[r] = (int32_t)b;
        s.common0 = a > s.common0 ? a : s.common0;
        s.common1 = b < s.common1 ? b : s.common1;
        if (a >= b) continue;
        s.first = a < s.first ? a : s.first;
        s.last = b > s.last ? b : s.last;
    }
    if (s.common0 >= s.common1) s.common0 = s.common1 = s.last;
    s.from = _mm512_loadu_si512(from);
    s.to = _mm512_loadu_si512(to);
    return s;
}

/* Chains on over keys [from, to), which lie evenly: all rows see them, or, if `some`, those
 * that do. What lies `ahead` is fetched, unless that is 0. */
INLINE void pv_keys(__m512 acc[ROWS][RUNS], const float *p, int64_t p_stride,
                    const struct values *v, int64_t from, int64_t to,
                    const struct spans *spans, bool some, size_t ahead, int R, int T,
                    glass_dtype dtype) {
    const size_t step = v_step(dtype);
    const uint8_t *at[RUNS];
    UNROLL for (int t = 0; t < T; t++) at[t] = v_at(v, from, t, dtype);
    for (int64_t j = from; j < to; j++) {
        size_t i = (size_t)(j - from) * step;
        __m512 lanes[RUNS], d = _mm512_setzero_ps();
        unsigned sees = 0xffff;
        if (some) {
            __m512i key = _mm512_set1_epi32((int)j);
            sees = _mm512_cmp_epi32_mask(spans->from, key, _MM_CMPINT_LE) &
                   _mm512_cmp_epi32_mask(spans->to, key, _MM_CMPINT_NLE);
        }
        UNROLL for (int t = 0; t < T; t++) {
            if (dtype == GLASS_Q8_0)
                d = _mm512_set1_ps(v->d[(v->half + t) / 2 * ATTN_BLOCK + j]);
            lanes[t] = run_load(at[t] + i, d, dtype);
        }
        if (ahead > 0) {
            UNROLL for (int t = 0; t < T; t++) if (dtype != GLASS_Q8_0 || t % 2 == 0)
                ahead_fetch(at[t] + i, ahead);
        }
        UNROLL for (int r = 0; r < R; r++) {
            __m512 x = _mm512_set1_ps(p[r * p_stride + j]);
            __mmask16 mask = (__mmask16)(0 - (sees >> r & 1));
            UNROLL for (int t = 0; t < T; t++) acc[r][t] =
                some ? _mm512_mask3_fmadd_ps(x, lanes[t], acc[r][t], mask)
                     : _mm512_fmadd_ps(x, lanes[t], acc[r][t]);
        }
    }
}

/* R rows times T runs over one block. */
INLINE void pv_tile(float *o, int64_t o_stride, const float *p, int64_t p_stride,
                    const int64_t *begin, const int64_t *end, int64_t key0,
                    const struct values *v, const struct spans *s, int R, int T,
                    glass_dtype dtype) {
    __m512 acc[ROWS][RUNS];
    acc_clear(acc, R, T);
    for (int64_t j = s->first, to; j < s->last; j = to) {
        bool all = j >= s->common0 && j < s->common1;
        to = v_even(j, all ? s->common1 : j < s->common0 ? s->common0 : s->last, dtype);
        if (!all) {
            pv_keys(acc, p, p_stride, v, j, to, s, true, 0, R, T, dtype);
        } else if (R == ROWS) { /* one of many tiles of rows */
            pv_keys(acc, p, p_stride, v, j, to, s, false, 0, R, T, dtype);
        } else {
            if (j < AHEAD_FROM && to > AHEAD_FROM) to = AHEAD_FROM;
            size_t ahead = ahead_of_key(v->v, v->next, v_tile_bytes(dtype), j);
            pv_keys(acc, p, p_stride, v, j, to, s, false, ahead, R, T, dtype);
        }
    }
    UNROLL for (int r = 0; r < R; r++) {
        int64_t from, to;
        if (!clip(&from, &to, begin[r], end[r], key0)) continue;
        UNROLL for (int t = 0; t < T; t++) {
            float *out = o + r * o_stride + 16 * t;
            __m512 x = acc[r][t];
            if (begin[r] < key0) x = _mm512_add_ps(_mm512_loadu_ps(out), x);
            _mm512_storeu_ps(out, x);
        }
    }
}

/* The values from run i on. */
INLINE struct values v_from(const struct values *v, int64_t i, glass_dtype dtype) {
    struct values at = *v;
    int64_t per_panel = dtype == GLASS_Q8_0 ? 2 : 1, panel = i / per_panel;
    at.v += (size_t)panel * v->panel_bytes;
    if (v->next != NULL) at.next += (size_t)panel * v->panel_bytes;
    at.d += panel * ATTN_BLOCK;
    at.half = (int)(i % per_panel);
    return at;
}

/* R rows over n_runs runs, T at a time; T is even. */
INLINE void pv_tiles(float *o, int64_t o_stride, const float *p, int64_t p_stride,
                     const int64_t *begin, const int64_t *end, int64_t key0,
                     const struct values *v, int64_t n_runs, const struct spans *s, int R,
                     int T, glass_dtype dtype) {
    int64_t i = 0;
    for (; i + T <= n_runs; i += T) {
        struct values at = v_from(v, i, dtype);
        pv_tile(o + 16 * i, o_stride, p, p_stride, begin, end, key0, &at, s, R, T, dtype);
    }
    for (; T > 2 && i + 2 <= n_runs; i += 2) { /* a head's part, where members share it */
        struct values at = v_from(v, i, dtype);
        pv_tile(o + 16 * i, o_stride, p, p_stride, begin, end, key0, &at, s, R, 2, dtype);
    }
    if (i < n_runs) {
        struct values at = v_from(v, i, dtype);
        pv_tile(o + 16 * i, o_stride, p, p_stride, begin, end, key0, &at, s, R, 1, dtype);
    }
}

INLINE void pv_rows(int64_t n, float *o, int64_t o_stride, const float *p, int64_t p_stride,
                    const int64_t *begin, const int64_t *end, int64_t key0,
                    const struct values *v, int64_t n_runs, const struct spans *s,
                    glass_dtype dtype) {
#define ROWS_CASE(R, T)                                                                    \
    case R:                                                                                \
        pv_tiles(o, o_stride, p, p_stride, begin, end, key0, v, n_runs, s, R, T, dtype);   \
        break
    switch (n) {
        ROWS_CASE(1, 4);
        ROWS_CASE(2, 4);
        ROWS_CASE(3, 4);
        ROWS_CASE(4, 4);
        ROWS_CASE(5, 4);
        ROWS_CASE(6, 4);
        ROWS_CASE(7, 2);
        ROWS_CASE(8, 2);
        ROWS_CASE(9, 2);
        ROWS_CASE(10, 2);
        ROWS_CASE(11, 2);
    default:
        pv_tiles(o, o_stride, p, p_stride, begin, end, key0, v, n_runs, s, ROWS, 2, dtype);
    }
#undef ROWS_CASE
}

typedef void pv_rows_function(int64_t n, float *o, int64_t o_stride, const float *p,
                              int64_t p_stride, const int64_t *begin, const int64_t *end,
                              int64_t key0, const struct values *v, int64_t n_runs,
                              const struct spans *s);

static void pv_rows_f32(int64_t n, float *o, int64_t o_stride, const float *p,
                        int64_t p_stride, const int64_t *begin, const int64_t *end,
                        int64_t key0, const struct values *v, int64_t n_runs,
                        const struct spans *s) {
    pv_rows(n, o, o_stride, p, p_stride, begin, end, key0, v, n_runs, s, GLASS_F32);
}

static void pv_rows_f16(int64_t n, float *o, int64_t o_stride, const float *p,
                        int64_t p_stride, const int64_t *begin, const int64_t *end,
                        int64_t key0, const struct values *v, int64_t n_runs,
                        const struct spans *s) {
    pv_rows(n, o, o_stride, p, p_stride, begin, end, key0, v, n_runs, s, GLASS_F16);
}

static void pv_rows_q8_0(int64_t n, float *o, int64_t o_stride, const float *p,
                         int64_t p_stride, const int64_t *begin, const int64_t *end,
                         int64_t key0, const struct values *v, int64_t n_runs,
                         const struct spans *s) {
    pv_rows(n, o, o_stride, p, p_stride, begin, end, key0, v, n_runs, s, GLASS_Q8_0);
}

/* n runs of keys [from, to) as floats: (n, ATTN_BLOCK, 16). */
INLINE void pv_widen(float *wide, const struct values *v, int64_t n, int64_t from,
                     int64_t to, glass_dtype dtype) {
    for (int i = 0; i < n; i++)
        for (int64_t j = from, end; j < to; j = end) {
            const uint8_t *at = v_at(v, j, i, dtype);
            end = v_even(j, to, dtype);
            for (int64_t l = j; l < end; l++, at += v_step(dtype)) {
                __m512 d = _mm512_setzero_ps();
                if (dtype == GLASS_Q8_0) d = _mm512_set1_ps(v->d[l]);
                _mm512_storeu_ps(wide + (i * ATTN_BLOCK + l) * 16, run_load(at, d, dtype));
            }
        }
}

/* Many rows: two runs of features at a time, all rows over them. */
INLINE void pv_many(float *o, int64_t o_stride, const float *p, int64_t p_stride,
                    const int64_t *begin, const int64_t *end, int64_t n_rows,
                    const uint8_t *v, size_t panel_bytes, int64_t key0, int64_t n_runs,
                    glass_dtype dtype) {
    _Alignas(64) float wide[SLICE * ATTN_BLOCK * 16];
    float d[ATTN_BLOCK];
    struct spans spans[GROUPS];
    int64_t least = ATTN_BLOCK, most = 0;
    for (int64_t r = 0, n, g = 0; r < n_rows; r += n, g++) {
        n = take(n_rows - r);
        spans[g] = spans_of(begin + r, end + r, n, key0);
        least = spans[g].first < least ? spans[g].first : least;
        most = spans[g].last > most ? spans[g].last : most;
    }
    if (least >= most) return;
    for (int64_t i = 0; i < n_runs; i += SLICE) {
        int64_t here = n_runs - i < SLICE ? n_runs - i : SLICE;
        struct values at = {v + (size_t)i * panel_bytes, NULL, panel_bytes, d, 0};
        if (dtype == GLASS_Q8_0) {
            at.v = v + (size_t)(i / 2) * panel_bytes;
            v_scales(d, &at, 1, least, most);
        }
        if (dtype != GLASS_F32) {
            pv_widen(wide, &at, here, least, most, dtype);
            at = (struct values){(const uint8_t *)wide, NULL, ATTN_BLOCK * 64, d, 0};
        }
        for (int64_t r = 0, n, g = 0; r < n_rows; r += n, g++) {
            n = take(n_rows - r);
            if (spans[g].first < spans[g].last)
                pv_rows_f32(n, o + r * o_stride + 16 * i, o_stride, p + r * p_stride,
                            p_stride, begin + r, end + r, key0, &at, here, &spans[g]);
        }
    }
}

enum { SCALE_PANELS = 16 }; /* panels of 32 features whose scales are at hand */

INLINE void pv(float *o, int64_t o_stride, const float *p, int64_t p_stride,
               const int64_t *begin, const int64_t *end, int64_t n_rows, const uint8_t *v,
               const uint8_t *next, size_t panel_bytes, int64_t key0, int64_t head_dim,
               glass_dtype dtype, pv_rows_function *rows) {
    int64_t n_runs = (head_dim + 15) / 16;
    if (n_rows >= MANY) {
        for (int64_t r = 0, n; r < n_rows; r += n) {
            n = n_rows - r < GROUPS * ROWS ? n_rows - r : GROUPS * ROWS;
            pv_many(o + r * o_stride, o_stride, p + r * p_stride, p_stride, begin + r,
                    end + r, n, v, panel_bytes, key0, n_runs, dtype);
        }
        return;
    }
    struct spans spans = spans_of(begin, end, n_rows, key0);
    if (spans.first >= spans.last) return;
    float d[SCALE_PANELS * ATTN_BLOCK];
    const int64_t most = dtype == GLASS_Q8_0 ? 2 * SCALE_PANELS : n_runs;
    for (int64_t i = 0; i < n_runs; i += most) {
        int64_t here = n_runs - i < most ? n_runs - i : most;
        struct values at = {v, next, panel_bytes, d, 0};
        if (dtype == GLASS_Q8_0) {
            at.v += (size_t)(i / 2) * panel_bytes;
            if (next != NULL) at.next += (size_t)(i / 2) * panel_bytes;
            v_scales(d, &at, (here + 1) / 2, spans.first, spans.last);
        }
        rows(n_rows, o + 16 * i, o_stride, p, p_stride, begin, end, key0, &at, here,
             &spans);
    }
}

static void attn_pv_f32_avx512 ATTN_PV_PARAMETERS {
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, next, panel_bytes, key0, head_dim,
       GLASS_F32, pv_rows_f32);
}

static void attn_pv_f16_avx512 ATTN_PV_PARAMETERS {
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, next, panel_bytes, key0, head_dim,
       GLASS_F16, pv_rows_f16);
}

static void attn_pv_q8_0_avx512 ATTN_PV_PARAMETERS {
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, next, panel_bytes, key0, head_dim,
       GLASS_Q8_0, pv_rows_q8_0);
}

void attn_fill_avx512(struct math_kernels *k) {
    k->attn_qk_f32 = attn_qk_f32_avx512;
    k->attn_qk_f16 = attn_qk_f16_avx512;
    k->attn_qk_q8_0 = attn_qk_q8_0_avx512;
    k->attn_pv_f32 = attn_pv_f32_avx512;
    k->attn_pv_f16 = attn_pv_f16_avx512;
    k->attn_pv_q8_0 = attn_pv_q8_0_avx512;
}
