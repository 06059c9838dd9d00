/* attn_avx2.c - attention's kernels for AVX2, FMA and F16C.
 *
 * A register tile is R query rows times T tiles of 16 keys (scores), or times P runs of 16
 * features (values): 2 R T accumulators, at most 12. Few rows take several tiles, so that
 * enough chains are under way to hide the latency of an fma. The tile functions are written
 * once and made for each size and type by inlining with constant arguments. */
#include "math/attn_layout.h"
#include "math/dispatch.h"
#include "math/x86/attn_ahead.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

enum { ROWS = 6, TILES = 4 }; /* most rows, and most tiles or runs, of a register tile */

INLINE __m256 half8(const uint8_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE __m256 int8x8(const uint8_t *p) {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}

/* ---- scores ---- */

/* Feature d of keys 8h … 8h+7 of a tile; for q8_0, `at` points at d's run of 16 and d_k at
 * the tile's widened scales. */
INLINE __m256 k_lanes(const uint8_t *at, int h, const float *d_k, glass_dtype dtype) {
    if (dtype == GLASS_F32) return _mm256_loadu_ps((const float *)(const void *)at + 8 * h);
    if (dtype == GLASS_F16) return half8(at + 16 * h);
    return _mm256_mul_ps(int8x8(at + 8 * h), _mm256_loadu_ps(d_k + 8 * h));
}

/* Chains on over features [d, d + n), a run that lies evenly (q8_0: within a block).
 * What lies `ahead` is fetched, unless that is 0. */
INLINE void qk_chain(__m256 acc[ROWS][TILES][2], const float *q, int64_t q_stride,
                     const uint8_t *k, size_t tile_bytes, size_t ahead, const float *d_k,
                     int64_t n, int R, int T, glass_dtype dtype) {
    const size_t run = dtype == GLASS_F32 ? 64 : dtype == GLASS_F16 ? 32 : 16;
    for (int64_t d = 0; d < n; d++, k += run) {
        __m256 lanes[TILES][2];
        UNROLL for (int t = 0; t < T; t++) {
            lanes[t][0] = k_lanes(k + (size_t)t * tile_bytes, 0, d_k + 16 * t, dtype);
            lanes[t][1] = k_lanes(k + (size_t)t * tile_bytes, 1, d_k + 16 * t, dtype);
        }
        if (ahead > 0) {
            UNROLL for (int t = 0; t < T; t++)
                ahead_fetch(k + (size_t)t * tile_bytes, ahead);
        }
        UNROLL for (int r = 0; r < R; r++) {
            __m256 x = _mm256_broadcast_ss(q + r * q_stride + d);
            UNROLL for (int t = 0; t < T; t++) {
                acc[r][t][0] = _mm256_fmadd_ps(x, lanes[t][0], acc[r][t][0]);
                acc[r][t][1] = _mm256_fmadd_ps(x, lanes[t][1], acc[r][t][1]);
            }
        }
    }
}

/* R rows times T tiles, whole dots. */
INLINE void qk_tile(float *s, int64_t s_stride, const float *q, int64_t q_stride,
                    const uint8_t *k, size_t tile_bytes, size_t ahead, int64_t head_dim,
                    float scale, int R, int T, glass_dtype dtype) {
    for (int64_t d0 = 0; d0 < head_dim; d0 += 256) {
        int64_t n = head_dim - d0 < 256 ? head_dim - d0 : 256;
        __m256 acc[ROWS][TILES][2];
        UNROLL for (int r = 0; r < R; r++) {
            UNROLL for (int t = 0; t < T; t++) {
                acc[r][t][0] = acc[r][t][1] = _mm256_setzero_ps();
            }
        }
        if (dtype == GLASS_Q8_0) {
            for (int64_t b = d0 / 32; b < (d0 + n) / 32; b++) {
                float d_k[16 * TILES];
                const uint8_t *at = k + (size_t)b * ATTN_Q8_BYTES;
                UNROLL for (int t = 0; t < T; t++) {
                    _mm256_storeu_ps(d_k + 16 * t, half8(at + (size_t)t * tile_bytes));
                    _mm256_storeu_ps(d_k + 16 * t + 8,
                                     half8(at + (size_t)t * tile_bytes + 16));
                }
                qk_chain(acc, q + b * 32, q_stride, at + 32, tile_bytes, ahead, d_k, 32, R,
                         T, dtype);
            }
        } else {
            size_t run = dtype == GLASS_F32 ? 64 : 32;
            qk_chain(acc, q + d0, q_stride, k + (size_t)d0 * run, tile_bytes, ahead, q, n,
                     R, T, dtype);
        }
        bool last = d0 + n == head_dim;
        UNROLL for (int r = 0; r < R; r++) {
            UNROLL for (int i = 0; i < 2 * T; i++) {
                float *out = s + r * s_stride + 8 * i;
                __m256 x = acc[r][i / 2][i % 2];
                if (d0 > 0) x = _mm256_add_ps(_mm256_loadu_ps(out), x);
                if (last) x = _mm256_mul_ps(x, _mm256_set1_ps(scale));
                _mm256_storeu_ps(out, x);
            }
        }
    }
}

/* R rows over tiles [from, to), T at a time. */
INLINE void qk_tiles(float *s, int64_t s_stride, const float *q, int64_t q_stride,
                     const uint8_t *k, const uint8_t *next, int64_t from, int64_t to,
                     int64_t head_dim, float scale, int R, int T, glass_dtype dtype) {
    size_t bytes = dtype == GLASS_F32   ? (size_t)head_dim * 64
                   : dtype == GLASS_F16 ? (size_t)head_dim * 32
                                        : (size_t)(head_dim / 32) * ATTN_Q8_BYTES;
    int64_t t = from;
    for (; t + T <= to; t += T)
        qk_tile(s + t * ATTN_TILE, s_stride, q, q_stride, k + (size_t)t * bytes, bytes,
                R == ROWS ? 0 : ahead_of_tile(k, next, bytes, t + T), head_dim, scale, R, T,
                dtype);
    for (; T > 1 && t < to; t++)
        qk_tile(s + t * ATTN_TILE, s_stride, q, q_stride, k + (size_t)t * bytes, bytes,
                ahead_of_tile(k, next, bytes, t + 1), head_dim, scale, R, 1, dtype);
}

/* The row's keys within the block, counted from key0; false if there are none. */
INLINE bool clip(int64_t *from, int64_t *to, int64_t begin, int64_t end, int64_t key0) {
    *from = begin > key0 ? begin - key0 : 0;
    *to = end - key0 < ATTN_BLOCK ? end - key0 : ATTN_BLOCK;
    return *from < *to;
}

/* How many of n rows the next register tile takes: the rest in halves rather than a last tile
 * of one. */
INLINE int64_t take(int64_t n) {
    return n >= 2 * ROWS ? ROWS : n > ROWS ? (n + 1) / 2 : n;
}

INLINE void qk(float *s, int64_t s_stride, const float *q, int64_t q_stride,
               const int64_t *begin, const int64_t *end, int64_t n_rows, const uint8_t *k,
               const uint8_t *next, int64_t key0, int64_t head_dim, float scale,
               glass_dtype dtype) {
    for (int64_t r = 0, n; r < n_rows; r += n) {
        int64_t first = ATTN_BLOCK, last = 0;
        n = take(n_rows - r);
        for (int64_t i = r; i < r + n; i++) {
            int64_t from, to;
            if (!clip(&from, &to, begin[i], end[i], key0)) continue;
            first = from < first ? from : first;
            last = to > last ? to : last;
        }
        if (first >= last) continue;
        float *out = s + r * s_stride;
        const float *in = q + r * q_stride;
        int64_t t0 = first / ATTN_TILE, t1 = (last + ATTN_TILE - 1) / ATTN_TILE;
        switch (n) {
        case 1:
            qk_tiles(out, s_stride, in, q_stride, k, next, t0, t1, head_dim, scale, 1, 4,
                     dtype);
            break;
        case 2:
            qk_tiles(out, s_stride, in, q_stride, k, next, t0, t1, head_dim, scale, 2, 2,
                     dtype);
            break;
        case 3:
            qk_tiles(out, s_stride, in, q_stride, k, next, t0, t1, head_dim, scale, 3, 2,
                     dtype);
            break;
        case 4:
            qk_tiles(out, s_stride, in, q_stride, k, next, t0, t1, head_dim, scale, 4, 1,
                     dtype);
            break;
        case 5:
            qk_tiles(out, s_stride, in, q_stride, k, next, t0, t1, head_dim, scale, 5, 1,
                     dtype);
            break;
        default:
            qk_tiles(out, s_stride, in, q_stride, k, next, t0, t1, head_dim, scale, 6, 1,
                     dtype);
        }
    }
}

static void attn_qk_f32_avx2 ATTN_QK_PARAMETERS {
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, next, key0, head_dim, scale,
       GLASS_F32);
}

static void attn_qk_f16_avx2 ATTN_QK_PARAMETERS {
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, next, key0, head_dim, scale,
       GLASS_F16);
}

static void attn_qk_q8_0_avx2 ATTN_QK_PARAMETERS {
    qk(s, s_stride, q, q_stride, begin, end, n_rows, k, next, key0, head_dim, scale,
       GLASS_Q8_0);
}

/* ---- values ---- */

/* Features 8h … 8h+7 of one key in a run of 16; d_v: the key's scale for q8_0. */
INLINE __m256 v_lanes(const uint8_t *at, int h, __m256 d_v, glass_dtype dtype) {
    if (dtype == GLASS_F32) return _mm256_loadu_ps((const float *)(const void *)at + 8 * h);
    if (dtype == GLASS_F16) return half8(at + 16 * h);
    return _mm256_mul_ps(int8x8(at + 8 * h), d_v);
}

/* Run i of 16 features, of the first key. */
INLINE const uint8_t *v_run(const uint8_t *v, size_t panel_bytes, int i,
                            glass_dtype dtype) {
    if (dtype != GLASS_Q8_0) return v + (size_t)i * panel_bytes;
    return v + (size_t)(i / 2) * panel_bytes + 32 + (size_t)(i % 2) * 16;
}

INLINE size_t v_tile_bytes(glass_dtype dtype) {
    return dtype == GLASS_Q8_0 ? ATTN_Q8_BYTES : ATTN_TILE * (dtype == GLASS_F32 ? 64 : 32);
}

/* Chains on over keys [from, to), which for q8_0 lie in one tile whose scales, from the first
 * key of the tile on, are d_v (16 for each panel of 32). v: runs of the first of the keys.
 * What lies `ahead` is fetched, unless that is 0. */
INLINE void pv_chain(__m256 acc[ROWS][TILES][2], const float *p, int64_t p_stride,
                     const uint8_t *const v[TILES], size_t ahead, const float *d_v,
                     int64_t n, int R, int P, glass_dtype dtype) {
    const size_t step = dtype == GLASS_F32 ? 64 : 32;
    for (int64_t j = 0; j < n; j++) {
        __m256 lanes[TILES][2];
        UNROLL for (int i = 0; i < P; i++) {
            const uint8_t *at = v[i] + (size_t)j * step;
            __m256 d = _mm256_setzero_ps();
            if (dtype == GLASS_Q8_0) d = _mm256_broadcast_ss(d_v + i / 2 * 16 + j);
            lanes[i][0] = v_lanes(at, 0, d, dtype);
            lanes[i][1] = v_lanes(at, 1, d, dtype);
            if (ahead > 0 && (dtype != GLASS_Q8_0 || i % 2 == 0)) ahead_fetch(at, ahead);
        }
        UNROLL for (int r = 0; r < R; r++) {
            __m256 x = _mm256_broadcast_ss(p + r * p_stride + j);
            UNROLL for (int i = 0; i < P; i++) {
                acc[r][i][0] = _mm256_fmadd_ps(x, lanes[i][0], acc[r][i][0]);
                acc[r][i][1] = _mm256_fmadd_ps(x, lanes[i][1], acc[r][i][1]);
            }
        }
    }
}

/* Chains of R rows times P runs go on in sum (rows of 16 P) over keys [from, to). first: which
 * half of a panel of 32 the runs start with. */
INLINE void pv_keys(float *sum, const float *p, int64_t p_stride, const uint8_t *v,
                    size_t panel_bytes, size_t ahead, int first, int64_t from, int64_t to,
                    int R, int P, glass_dtype dtype) {
    __m256 acc[ROWS][TILES][2];
    if (from >= to) return;
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < 2 * P; i++) {
            acc[r][i / 2][i % 2] = _mm256_loadu_ps(sum + r * 16 * P + 8 * i);
        }
    }
    const uint8_t *runs[TILES];
    if (dtype == GLASS_Q8_0) {
        for (int64_t j = from; j < to;) {
            int64_t tile = j / ATTN_TILE, lane = j % ATTN_TILE;
            int64_t n = to - j < ATTN_TILE - lane ? to - j : ATTN_TILE - lane;
            float d_v[16 * TILES / 2];
            UNROLL for (int i = 0; i < P; i++) {
                const uint8_t *at = v_run(v, panel_bytes, first + i, dtype);
                runs[i] = at + (size_t)tile * ATTN_Q8_BYTES + (size_t)lane * 32;
            }
            UNROLL for (int i = 0; i < (P + 1) / 2; i++) {
                const uint8_t *at =
                    v + (size_t)i * panel_bytes + (size_t)tile * ATTN_Q8_BYTES;
                _mm256_storeu_ps(d_v + 16 * i, half8(at));
                _mm256_storeu_ps(d_v + 16 * i + 8, half8(at + 16));
            }
            pv_chain(acc, p + j, p_stride, runs, ahead, d_v + lane, n, R, P, dtype);
            j += n;
        }
    } else {
        const size_t step = dtype == GLASS_F32 ? 64 : 32;
        UNROLL for (int i = 0; i < P; i++) {
            runs[i] = v_run(v, panel_bytes, i, dtype) + (size_t)from * step;
        }
        pv_chain(acc, p + from, p_stride, runs, ahead, p, to - from, R, P, dtype);
    }
    UNROLL for (int r = 0; r < R; r++) {
        UNROLL for (int i = 0; i < 2 * P; i++) {
            _mm256_storeu_ps(sum + r * 16 * P + 8 * i, acc[r][i / 2][i % 2]);
        }
    }
}

/* R rows times P runs over one block. The rows' common keys go together; what only some of
 * them see, at either end, goes row by row. */
INLINE void pv_tile(float *o, int64_t o_stride, const float *p, int64_t p_stride,
                    const int64_t *begin, const int64_t *end, const uint8_t *v,
                    const uint8_t *next, size_t panel_bytes, int first, int64_t key0, int R,
                    int P, glass_dtype dtype) {
    float sum[ROWS * 16 * TILES];
    int64_t from[ROWS], to[ROWS], common0 = 0, common1 = ATTN_BLOCK;
    for (int r = 0; r < R; r++) {
        clip(&from[r], &to[r], begin[r], end[r], key0);
        common0 = from[r] > common0 ? from[r] : common0;
        common1 = to[r] < common1 ? to[r] : common1;
    }
    for (int r = 0; r < R; r++) {
        int64_t stop = common0 < common1 ? common0 : to[r];
        memset(sum + r * 16 * P, 0, sizeof(float) * 16 * (size_t)P);
        pv_keys(sum + r * 16 * P, p + r * p_stride, p_stride, v, panel_bytes, 0, first,
                from[r], stop, 1, P, dtype);
    }
    if (common0 < common1) {
        for (int64_t j = common0, stop; j < common1; j = stop) {
            size_t ahead = ahead_of_key(v, next, v_tile_bytes(dtype), j);
            stop =
                R < ROWS && j < AHEAD_FROM && common1 > AHEAD_FROM ? AHEAD_FROM : common1;
            pv_keys(sum, p, p_stride, v, panel_bytes, R < ROWS ? ahead : 0, first, j, stop,
                    R, P, dtype);
        }
        for (int r = 0; r < R; r++)
            pv_keys(sum + r * 16 * P, p + r * p_stride, p_stride, v, panel_bytes, 0, first,
                    common1, to[r], 1, P, dtype);
    }
    for (int r = 0; r < R; r++) {
        for (int i = 0; i < 2 * P; i++) {
            __m256 x = _mm256_loadu_ps(sum + r * 16 * P + 8 * i);
            float *out = o + r * o_stride + 8 * i;
            if (begin[r] < key0) x = _mm256_add_ps(_mm256_loadu_ps(out), x);
            _mm256_storeu_ps(out, x);
        }
    }
}

/* R rows over all features, P runs at a time; P is even or 1 (a panel of 32 is two runs). */
INLINE void pv_tiles(float *o, int64_t o_stride, const float *p, int64_t p_stride,
                     const int64_t *begin, const int64_t *end, const uint8_t *v,
                     const uint8_t *next, size_t panel_bytes, int64_t key0, int64_t n_runs,
                     int R, int P, glass_dtype dtype) {
    int64_t i = 0;
    for (; i + P <= n_runs; i += P) {
        size_t at = (size_t)(dtype == GLASS_Q8_0 ? i / 2 : i) * panel_bytes;
        pv_tile(o + 16 * i, o_stride, p, p_stride, begin, end, v + at,
                next == NULL ? NULL : next + at, panel_bytes,
                P == 1 && dtype == GLASS_Q8_0 ? (int)(i % 2) : 0, key0, R, P, dtype);
    }
    for (; P > 1 && i < n_runs; i++) {
        size_t at = (size_t)(dtype == GLASS_Q8_0 ? i / 2 : i) * panel_bytes;
        pv_tile(o + 16 * i, o_stride, p, p_stride, begin, end, v + at,
                next == NULL ? NULL : next + at, panel_bytes,
                dtype == GLASS_Q8_0 ? (int)(i % 2) : 0, key0, R, 1, dtype);
    }
}

INLINE void pv(float *o, int64_t o_stride, const float *p, int64_t p_stride,
               const int64_t *begin, const int64_t *end, int64_t n_rows, const uint8_t *v,
               const uint8_t *next, size_t panel_bytes, int64_t key0, int64_t head_dim,
               glass_dtype dtype) {
    int64_t n_runs = (head_dim + 15) / 16, from, to;
    for (int64_t r = 0, n; r < n_rows; r += n) {
        /* Rows that see nothing here are passed over, so a tile's rows all see something. */
        n = 1;
        if (!clip(&from, &to, begin[r], end[r], key0)) continue;
        while (r + n < n_rows && n < 2 * ROWS &&
               clip(&from, &to, begin[r + n], end[r + n], key0))
            n++;
        n = take(n);
        float *out = o + r * o_stride;
        const float *in = p + r * p_stride;
        const int64_t *b = begin + r, *e = end + r;
        switch (n) {
        case 1:
            pv_tiles(out, o_stride, in, p_stride, b, e, v, next, panel_bytes, key0, n_runs,
                     1, 4, dtype);
            break;
        case 2:
            pv_tiles(out, o_stride, in, p_stride, b, e, v, next, panel_bytes, key0, n_runs,
                     2, 2, dtype);
            break;
        case 3:
            pv_tiles(out, o_stride, in, p_stride, b, e, v, next, panel_bytes, key0, n_runs,
                     3, 2, dtype);
            break;
        case 4:
            pv_tiles(out, o_stride, in, p_stride, b, e, v, next, panel_bytes, key0, n_runs,
                     4, 1, dtype);
            break;
        case 5:
            pv_tiles(out, o_stride, in, p_stride, b, e, v, next, panel_bytes, key0, n_runs,
                     5, 1, dtype);
            break;
        default:
            pv_tiles(out, o_stride, in, p_stride, b, e, v, next, panel_bytes, key0, n_runs,
                     6, 1, dtype);
        }
    }
}

static void attn_pv_f32_avx2 ATTN_PV_PARAMETERS {
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, next, panel_bytes, key0, head_dim,
       GLASS_F32);
}

static void attn_pv_f16_avx2 ATTN_PV_PARAMETERS {
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, next, panel_bytes, key0, head_dim,
       GLASS_F16);
}

static void attn_pv_q8_0_avx2 ATTN_PV_PARAMETERS {
    pv(o, o_stride, p, p_stride, begin, end, n_rows, v, next, panel_bytes, key0, head_dim,
       GLASS_Q8_0);
}

/* ---- rounding ---- */

static void attn_round_q8_0_avx2(int8_t *y, uint16_t *d, const float *x, int64_t n) {
    const __m256 limit = _mm256_set1_ps(127.0f), negative = _mm256_set1_ps(-127.0f);
    for (int64_t b = 0; b < n / 32; b++, x += 32, y += 32) {
        __m256i most = _mm256_setzero_si256();
        for (int i = 0; i < 4; i++) {
            __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + 8 * i));
            bits = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
            most = _mm256_max_epi32(most, bits);
        }
        __m128i m =
            _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
        m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
        m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
        if (_mm_cvtsi128_si32(m) >= 0x7f800000) {
            d[b] = 0x7e00;
            memset(y, 0, 32);
            continue;
        }
        __m128 scale = _mm_div_ss(_mm_castsi128_ps(m), _mm_set_ss(127.0f));
        uint16_t h =
            (uint16_t)_mm_cvtsi128_si32(_mm_cvtps_ph(scale, _MM_FROUND_TO_NEAREST_INT));
        d[b] = h < 0x7bff ? h : 0x7bff;
        float inverse =
            d[b] == 0 ? 0.0f : 1.0f / _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(d[b])));
        __m256i q[4];
        for (int i = 0; i < 4; i++) {
            __m256 s = _mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), _mm256_set1_ps(inverse));
            s = _mm256_max_ps(_mm256_min_ps(s, limit), negative);
            q[i] = _mm256_cvtps_epi32(s);
        }
        __m256i lo = _mm256_packs_epi32(q[0], q[1]), hi = _mm256_packs_epi32(q[2], q[3]);
        __m256i all = _mm256_permutevar8x32_epi32(
            _mm256_packs_epi16(lo, hi), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        _mm256_storeu_si256((__m256i *)(void *)y, all);
    }
}

void attn_fill_avx2(struct math_kernels *k) {
    k->attn_qk_f32 = attn_qk_f32_avx2;
    k->attn_qk_f16 = attn_qk_f16_avx2;
    k->attn_qk_q8_0 = attn_qk_q8_0_avx2;
    k->attn_pv_f32 = attn_pv_f32_avx2;
    k->attn_pv_f16 = attn_pv_f16_avx2;
    k->attn_pv_q8_0 = attn_pv_q8_0_avx2;
    k->attn_round_q8_0 = attn_round_q8_0_avx2;
}
