/* qk_avx2.c - products with weights in blocks of 256, AVX2.
 *
 * Lanes are rows of w. Two ways to the same integers (math/c/qk_c.c defines them):
 *
 *   few columns (m < TILE_MIN_M): each row's block is multiplied as it lies in the file, 32
 *   weights to a vector, and the eight rows' sums are then gathered into one vector;
 *   more columns: blocks of eight rows are unpacked to a tile (struct tile), which then serves
 *   all columns: 4 activations are broadcast and multiply 4 weights of each of 8 rows.
 *
 * Weights are unsigned bytes, so that vpmaddubsw multiplies them with signed activations.
 * Q3_K's and Q6_K's offset comes off at the end, by the sums of activations: OFFSET * sum of
 * scale * sum. IQ4_XS has signed weights up to 127 and moves their signs to the activations. */
#include "math/dispatch.h"
#include "math/gemm.h"
#include "math/q32.h"
#include "math/qk.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Always a constant where it is used: the kernels are written once and compiled six times. */
enum type { Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_XS };

enum {
    TILE_MIN_M = 4,
    TILES = 8,   /* tiles that are unpacked before the columns pass: 64 rows */
    NEAR = 8,    /* blocks that a row is prefetched ahead of its use */
    COLUMNS = 4, /* of a register block, which is two tiles high */
    CHUNK = 512  /* columns whose sums are kept at a time */
};

/* 256 weights of 8 rows. */
struct tile {
    uint8_t w[64][32];     /* four weights of each row: w[k / 4][row * 4 + k % 4] */
    int32_t scales[16][8]; /* the scale of each row twice, as int16 pairs */
    int32_t pairs[8][8];   /* int16 pairs to be multiplied with the sums of activations: */
    float d[8], dmin[8];   /* minima, or scales for the offset */
} __attribute__((aligned(64)));

INLINE size_t block_bytes(enum type t) {
    switch (t) {
    case Q2_K: return sizeof(struct q2_k);
    case Q3_K: return sizeof(struct q3_k);
    case Q4_K: return sizeof(struct q4_k);
    case Q5_K: return sizeof(struct q5_k);
    case Q6_K: return sizeof(struct q6_k);
    default: return sizeof(struct iq4_xs);
    }
}

/* Whether scales are for 16 weights; else for 32. */
INLINE bool fine(enum type t) {
    return t == Q2_K || t == Q3_K || t == Q6_K;
}

INLINE bool has_minima(enum type t) {
    return t == Q2_K || t == Q4_K || t == Q5_K;
}

INLINE int offset(enum type t) {
    return t == Q3_K ? 4 : t == Q6_K ? 32 : 0;
}

/* How many vpmaddubsw results may be added up in 16 bits: 2 * 127 * largest weight each. */
INLINE int run_length(enum type t) {
    return t == Q6_K ? 2 : t == Q5_K ? 4 : t == Q4_K ? 8 : t == IQ4_XS ? 1 : 4;
}

INLINE __m256i load(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

INLINE void store(void *p, __m256i v) {
    _mm256_storeu_si256((__m256i *)p, v);
}

INLINE __m256i low_bits(__m256i v, int shift, int mask) {
    v = shift > 0   ? _mm256_srli_epi16(v, shift)
        : shift < 0 ? _mm256_slli_epi16(v, -shift)
                    : v;
    return _mm256_and_si256(v, _mm256_set1_epi8((char)mask));
}

/* sum + v, now: left alone, gcc makes trees of long sums and spills their leaves. */
INLINE __m256i add16(__m256i sum, __m256i v) {
    sum = _mm256_add_epi16(sum, v);
    __asm__("" : "+x"(sum));
    return sum;
}

INLINE __m256i add32(__m256i sum, __m256i v) {
    sum = _mm256_add_epi32(sum, v);
    __asm__("" : "+x"(sum));
    return sum;
}

INLINE uint32_t load_u32(const void *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

INLINE uint16_t load_u16le(const void *p) {
    uint16_t v;
    memcpy(&v, p, 2);
    return v;
}

/* ---- scales ------------------------------------------------------------------------------ */

/* 16 bytes of each of 8 rows, transposed: t[i] holds bytes 4i … 4i+3 of rows 0 … 7. With
 * `order`, each row's bytes are first rearranged. */
INLINE void transpose16(__m256i t[4], const uint8_t *const row[8], size_t at,
                        const __m256i *order) {
    __m256i pair[4];
    for (int i = 0; i < 4; i++) {
        pair[i] = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(row[i] + at))),
            _mm_loadu_si128((const __m128i *)(row[i + 4] + at)), 1);
        if (order != NULL) pair[i] = _mm256_shuffle_epi8(pair[i], *order);
    }
    __m256i a = _mm256_unpacklo_epi32(pair[0], pair[1]);
    __m256i b = _mm256_unpacklo_epi32(pair[2], pair[3]);
    __m256i c = _mm256_unpackhi_epi32(pair[0], pair[1]);
    __m256i d = _mm256_unpackhi_epi32(pair[2], pair[3]);
    t[0] = _mm256_unpacklo_epi64(a, b);
    t[1] = _mm256_unpackhi_epi64(a, b);
    t[2] = _mm256_unpacklo_epi64(c, d);
    t[3] = _mm256_unpackhi_epi64(c, d);
}

/* Bytes `first` and `second` of each 32 bits, each to 16 bits: signed bytes, or unsigned. */
INLINE __m256i spread(__m256i v, int first, int second, bool is_signed) {
    int low = is_signed ? 0x80 : first, high = is_signed ? first : 0x80;
    int low2 = is_signed ? 0x80 : second, high2 = is_signed ? second : 0x80;
    __m256i order = _mm256_setr_epi8(
        (char)low, (char)high, (char)low2, (char)high2, (char)(low + 4), (char)(high + 4),
        (char)(low2 + 4), (char)(high2 + 4), (char)(low + 8), (char)(high + 8),
        (char)(low2 + 8), (char)(high2 + 8), (char)(low + 12), (char)(high + 12),
        (char)(low2 + 12), (char)(high2 + 12), (char)low, (char)high, (char)low2,
        (char)high2, (char)(low + 4), (char)(high + 4), (char)(low2 + 4), (char)(high2 + 4),
        (char)(low + 8), (char)(high + 8), (char)(low2 + 8), (char)(high2 + 8),
        (char)(low + 12), (char)(high + 12), (char)(low2 + 12), (char)(high2 + 12));
    v = _mm256_shuffle_epi8(v, order);
    return is_signed ? _mm256_srai_epi16(v, 8) : v;
}

/* Four scales of each row, as bytes. */
INLINE void put_scales(struct tile *out, int at, __m256i four, bool is_signed) {
    for (int i = 0; i < 4; i++) store(out->scales[at + i], spread(four, i, i, is_signed));
}

INLINE void put_pairs(struct tile *out, int at, __m256i four, bool is_signed) {
    store(out->pairs[at], spread(four, 0, 1, is_signed));
    store(out->pairs[at + 1], spread(four, 2, 3, is_signed));
}

/* The factors of each row: d in the low half of each 32 bits, dmin in the high one. */
INLINE void put_factors(struct tile *out, __m256i both) {
    __m256i d = _mm256_and_si256(both, _mm256_set1_epi32(0xffff));
    __m256i halves = _mm256_packus_epi32(d, _mm256_srli_epi32(both, 16));
    halves = _mm256_permute4x64_epi64(halves, 0xd8);
    _mm256_store_ps(out->d, _mm256_cvtph_ps(_mm256_castsi256_si128(halves)));
    _mm256_store_ps(out->dmin, _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1)));
}

INLINE void scales_q2_k(struct tile *out, const uint8_t *const row[8]) {
    __m256i t[4];
    transpose16(t, row, offsetof(struct q2_k, scales), NULL);
    for (int i = 0; i < 4; i++) {
        put_scales(out, 4 * i, low_bits(t[i], 0, 15), false);
        put_pairs(out, 2 * i, low_bits(t[i], 4, 15), false);
    }
    size_t at = offsetof(struct q2_k, d);
    put_factors(out,
                _mm256_setr_epi32((int)load_u32(row[0] + at), (int)load_u32(row[1] + at),
                                  (int)load_u32(row[2] + at), (int)load_u32(row[3] + at),
                                  (int)load_u32(row[4] + at), (int)load_u32(row[5] + at),
                                  (int)load_u32(row[6] + at), (int)load_u32(row[7] + at)));
}

INLINE void scales_q3_k(struct tile *out, const uint8_t *const row[8]) {
    /* The last 16 bytes of the block: two of qs, twelve of scales, d. Turned, d comes last. */
    const __m256i turn =
        _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5,
                         6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1);
    __m256i t[4];
    transpose16(t, row, sizeof(struct q3_k) - 16, &turn);
    for (int i = 0; i < 4; i++) {
        __m256i low = low_bits(t[i % 2], i / 2 * 4, 15);
        __m256i high = low_bits(t[2], i * 2 - 4, 0x30);
        __m256i four = _mm256_sub_epi8(_mm256_or_si256(low, high), _mm256_set1_epi8(32));
        put_scales(out, 4 * i, four, true);
        put_pairs(out, 2 * i, four, true);
    }
    put_factors(out, t[3]);
}

/* Q4_K and Q5_K: the same first 16 bytes. */
INLINE void scales_q4_k(struct tile *out, const uint8_t *const row[8]) {
    __m256i t[4];
    transpose16(t, row, 0, NULL);
    put_factors(out, t[0]);
    put_scales(out, 0, low_bits(t[1], 0, 63), false);
    put_pairs(out, 0, low_bits(t[2], 0, 63), false);
    put_scales(out, 4, _mm256_or_si256(low_bits(t[3], 0, 15), low_bits(t[1], 2, 48)),
               false);
    put_pairs(out, 2, _mm256_or_si256(low_bits(t[3], 4, 15), low_bits(t[2], 2, 48)), false);
}

INLINE void scales_q6_k(struct tile *out, const uint8_t *const row[8]) {
    __m256i t[4];
    transpose16(t, row, offsetof(struct q6_k, scales), NULL);
    for (int i = 0; i < 4; i++) {
        put_scales(out, 4 * i, t[i], true);
        put_pairs(out, 2 * i, t[i], true);
    }
    size_t at = offsetof(struct q6_k, d);
    put_factors(out, _mm256_setr_epi32(load_u16le(row[0] + at), load_u16le(row[1] + at),
                                       load_u16le(row[2] + at), load_u16le(row[3] + at),
                                       load_u16le(row[4] + at), load_u16le(row[5] + at),
                                       load_u16le(row[6] + at), load_u16le(row[7] + at)));
}

INLINE void scales_iq4_xs(struct tile *out, const uint8_t *const row[8]) {
    __m256i t[4];
    transpose16(t, row, 0, NULL);
    put_factors(out, t[0]); /* what lands in dmin is scales_h and not used */
    const __m256i low4 = _mm256_set1_epi32(15), high2 = _mm256_set1_epi32(0x30);
    for (int i = 0; i < 8; i++) {
        __m256i low = _mm256_and_si256(_mm256_srli_epi32(t[1], 4 * i), low4);
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(t[0], 12 + 2 * i), high2);
        __m256i scale = _mm256_sub_epi32(_mm256_or_si256(low, high), _mm256_set1_epi32(32));
        store(out->scales[i],
              _mm256_blend_epi16(scale, _mm256_slli_epi32(scale, 16), 0xaa));
    }
}

INLINE void put_block_scales(struct tile *out, enum type t, const uint8_t *const row[8]) {
    switch (t) {
    case Q2_K: scales_q2_k(out, row); break;
    case Q3_K: scales_q3_k(out, row); break;
    case Q4_K:
    case Q5_K: scales_q4_k(out, row); break;
    case Q6_K: scales_q6_k(out, row); break;
    case IQ4_XS: scales_iq4_xs(out, row); break;
    }
}

/* ---- weights ----------------------------------------------------------------------------- */

INLINE __m256i iq4_values(__m256i nibbles) {
    static const int8_t values[16] = IQ4_NL_CODEBOOK;
    __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)values));
    return _mm256_shuffle_epi8(table, nibbles);
}

INLINE __m256i or_bits(__m256i low, __m256i high, int shift, int mask) {
    return _mm256_or_si256(low, low_bits(high, shift, mask));
}

/* What the four quarters or eight pieces of a chunk of the file become. `low` are 32 bytes of
 * the chunk's low bits, `high` of its high ones; both from one row or transposed. Chunk and
 * piece number the 32 weights: Q2_K, Q3_K: chunk * 128 + piece * 32; Q4_K, Q5_K: chunk * 64 +
 * piece * 32; Q6_K: chunk / 2 * 128 + chunk % 2 * 32 + piece * 64. */
INLINE __m256i weights(enum type t, __m256i low, __m256i high, int chunk, int piece) {
    switch (t) {
    case Q2_K: return low_bits(low, 2 * piece, 3);
    case Q3_K: return or_bits(low_bits(low, 2 * piece, 3), high, chunk * 4 + piece - 2, 4);
    case Q4_K: return low_bits(low, 4 * piece, 15);
    case Q5_K:
        return or_bits(low_bits(low, 4 * piece, 15), high, chunk * 2 + piece - 4, 16);
    case Q6_K:
        return or_bits(low_bits(low, 4 * piece, 15), high, piece * 4 + chunk % 2 * 2 - 4,
                       48);
    default: return iq4_values(low_bits(low, 4 * piece, 15));
    }
}

/* Where chunks lie, how many there are, how many pieces each has. */
INLINE size_t low_at(enum type t, int chunk) {
    size_t at = t == Q2_K   ? offsetof(struct q2_k, qs)
                : t == Q3_K ? offsetof(struct q3_k, qs)
                : t == Q4_K ? offsetof(struct q4_k, qs)
                : t == Q5_K ? offsetof(struct q5_k, qs)
                : t == Q6_K ? offsetof(struct q6_k, ql)
                            : offsetof(struct iq4_xs, qs);
    return at + 32 * (size_t)chunk;
}

INLINE bool has_high(enum type t) {
    return t == Q3_K || t == Q5_K || t == Q6_K;
}

INLINE size_t high_at(enum type t, int chunk) {
    return t == Q3_K   ? offsetof(struct q3_k, hmask)
           : t == Q5_K ? offsetof(struct q5_k, qh)
                       : offsetof(struct q6_k, qh) + 32 * (size_t)(chunk / 2);
}

INLINE int n_chunks(enum type t) {
    return t == Q2_K || t == Q3_K ? 2 : 4;
}

INLINE int n_pieces(enum type t) {
    return t == Q2_K || t == Q3_K ? 4 : 2;
}

INLINE int first_weight(enum type t, int chunk, int piece) {
    if (t == Q2_K || t == Q3_K) return chunk * 128 + piece * 32;
    if (t == Q6_K) return chunk / 2 * 128 + chunk % 2 * 32 + piece * 64;
    return chunk * 64 + piece * 32;
}

INLINE void put_weights(struct tile *out, enum type t, const uint8_t *const row[8]) {
    for (int chunk = 0; chunk < n_chunks(t); chunk++) {
        /* 16 bytes of each row at a time: four vectors of four bytes a row. */
        for (int part = 0; part < 2; part++) {
            __m256i low[4], high[4];
            transpose16(low, row, low_at(t, chunk) + 16 * (size_t)part, NULL);
            if (has_high(t))
                transpose16(high, row, high_at(t, chunk) + 16 * (size_t)part, NULL);
            else
                memset(high, 0, sizeof high);
#pragma GCC unroll 4
            for (int piece = 0; piece < n_pieces(t); piece++) {
                int k = first_weight(t, chunk, piece) + 16 * part;
                /* IQ4_XS: 16 bytes hold 16 low nibbles, then 16 high ones. */
                if (t == IQ4_XS) k = chunk * 64 + part * 32 + piece * 16;
                for (int i = 0; i < 4; i++)
                    store(out->w[k / 4 + i], weights(t, low[i], high[i], chunk, piece));
            }
        }
    }
}

/* ---- sums to floats ---------------------------------------------------------------------- */

/* Adds a block to the outputs of eight rows and one column. */
INLINE __m256 finish(enum type t, const struct tile *w, const struct a256 *a, __m256i isum,
                     __m256 acc) {
    __m256i by_sums = _mm256_setzero_si256();
    if (has_minima(t) || offset(t) != 0) {
        const char *sums = fine(t) ? (const char *)a->sums16 : (const char *)a->sums32;
        int pairs = fine(t) ? 8 : 4;
        for (int i = 0; i < pairs; i++) {
            __m256i pair = _mm256_set1_epi32((int)load_u32(sums + 4 * i));
            by_sums = add32(by_sums, _mm256_madd_epi16(load(w->pairs[i]), pair));
        }
    }
    if (offset(t) != 0)
        isum = _mm256_sub_epi32(isum, _mm256_slli_epi32(by_sums, offset(t) == 32 ? 5 : 2));
    __m256 d = _mm256_set1_ps(a->d);
    acc = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_load_ps(w->d), d), _mm256_cvtepi32_ps(isum),
                          acc);
    if (has_minima(t))
        acc = _mm256_fnmadd_ps(_mm256_mul_ps(_mm256_load_ps(w->dmin), d),
                               _mm256_cvtepi32_ps(by_sums), acc);
    return acc;
}

INLINE void store_rows(float *c, __m256 v, int64_t n) {
    float rows[8];
    if (n >= 8) {
        _mm256_storeu_ps(c, v);
        return;
    }
    _mm256_storeu_ps(rows, v);
    memcpy(c, rows, (size_t)n * sizeof *c);
}

/* Rows past the end are the last row again: computed, not stored. */
INLINE void find_rows(const uint8_t *row[8], const void *w, size_t w_row, int64_t n) {
    for (int64_t i = 0; i < 8; i++)
        row[i] = (const uint8_t *)w + (size_t)(i < n ? i : n - 1) * w_row;
}

/* ---- few columns ------------------------------------------------------------------------- */

/* The sum of each of eight vectors. */
INLINE __m256i sum_each(const __m256i v[8]) {
    __m256i a =
        _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
    __m256i b =
        _mm256_hadd_epi32(_mm256_hadd_epi32(v[4], v[5]), _mm256_hadd_epi32(v[6], v[7]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                            _mm256_permute2x128_si256(a, b, 0x31));
}

/* Scales of the 32 weights from k on. */
INLINE __m256i scales_of(enum type t, const struct tile *w, int row, int k) {
    if (!fine(t)) return _mm256_set1_epi32(w->scales[k / 32][row]);
    return _mm256_blend_epi32(_mm256_set1_epi32(w->scales[k / 16][row]),
                              _mm256_set1_epi32(w->scales[k / 16 + 1][row]), 0xf0);
}

INLINE __m256i products(enum type t, __m256i w, const int8_t *a) {
    if (t != IQ4_XS) return _mm256_maddubs_epi16(w, load(a));
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(load(a), w));
}

/* One row's block with each of m columns: eight partial sums each. */
INLINE void row_block(enum type t, int m, __m256i sums[][8], const struct tile *w, int row,
                      const uint8_t *block, const struct a256 *const a[]) {
    __m256i acc[4];
    for (int i = 0; i < m; i++) acc[i] = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int chunk = 0; chunk < n_chunks(t); chunk++) {
        __m256i low = load(block + low_at(t, chunk));
        __m256i high = has_high(t) ? load(block + high_at(t, chunk)) : low;
#pragma GCC unroll 4
        for (int piece = 0; piece < n_pieces(t); piece++) {
            int k = first_weight(t, chunk, piece);
            __m256i v = weights(t, low, high, chunk, piece);
            if (t == IQ4_XS) { /* 16 bytes for 32 weights */
                __m128i half = _mm_loadu_si128(
                    (const __m128i *)(block + low_at(t, chunk) + 16 * (size_t)piece));
                v = _mm256_srlv_epi32(_mm256_broadcastsi128_si256(half),
                                      _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
                v = iq4_values(low_bits(v, 0, 15));
            }
            __m256i scales = scales_of(t, w, row, k);
            for (int i = 0; i < m; i++)
                acc[i] =
                    add32(acc[i], _mm256_madd_epi16(products(t, v, a[i]->q + k), scales));
        }
    }
    for (int i = 0; i < m; i++) sums[i][row] = acc[i];
}

/* Asks for n bytes, and for the line that an unaligned block reaches into. */
INLINE void prefetch(const void *p, size_t n) {
    for (size_t at = 0; at < n; at += 64) __builtin_prefetch((const char *)p + at);
    if (n % 64 > 16) __builtin_prefetch((const char *)p + n - 1);
}

INLINE void few_columns(enum type t, int m, float *c, int64_t c_stride, const void *a,
                        size_t a_row, const void *w, size_t w_row, int64_t n, int64_t k) {
    struct tile tile;
    const int64_t blocks = k / QK_BLOCK, near = blocks < NEAR ? blocks : NEAR;
    for (int64_t j = 0; j < n; j += 8) {
        const uint8_t *row[8];
        const size_t here = (size_t)near * block_bytes(t);
        const size_t there = /* in the next eight rows */
            here + (j + 8 < n ? 8 * w_row - (size_t)blocks * block_bytes(t) : 0);
        find_rows(row, (const char *)w + (size_t)j * w_row, w_row, n - j);
        __m256 acc[4];
        for (int i = 0; i < m; i++) acc[i] = _mm256_setzero_ps();
        for (int64_t b = 0; b < blocks; b++) {
            const size_t ahead = b + near < blocks ? here : there;
            const struct a256 *column[4];
            __m256i sums[4][8];
            for (int i = 0; i < m; i++)
                column[i] = (const struct a256 *)((const char *)a + (size_t)i * a_row) + b;
            put_block_scales(&tile, t, row);
            for (int r = 0; r < 8; r++) {
                prefetch(row[r] + ahead, block_bytes(t));
                row_block(t, m, sums, &tile, r, row[r], column);
            }
            for (int i = 0; i < m; i++)
                acc[i] = finish(t, &tile, column[i], sum_each(sums[i]), acc[i]);
            for (int r = 0; r < 8; r++) row[r] += block_bytes(t);
        }
        for (int i = 0; i < m; i++) store_rows(c + i * c_stride + j, acc[i], n - j);
    }
}

/* ---- many columns ------------------------------------------------------------------------ */

/* Four activations with four weights of each row. */
INLINE __m256i quad(enum type t, __m256i w, const int8_t *a) {
    __m256i quads = _mm256_set1_epi32((int)load_u32(a));
    if (t != IQ4_XS) return _mm256_maddubs_epi16(w, quads);
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(quads, w));
}

/* `tiles` tiles (1 or 2) with m columns (1 … COLUMNS); acc[column][tile][row]. */
INLINE void block_product(enum type t, int tiles, int m, float acc[][2][8],
                          const struct tile *w, const struct a256 *const a[]) {
    __m256i sums[COLUMNS][2];
    for (int i = 0; i < m; i++)
        for (int v = 0; v < tiles; v++) sums[i][v] = _mm256_setzero_si256();
    int run = run_length(t), groups = fine(t) ? 4 : 8;
    for (int first = 0; first < 64; first += run) {
        __m256i short_sums[COLUMNS][2];
#pragma GCC unroll 8
        for (int g = first; g < first + run; g++) {
#pragma GCC unroll 4
            for (int i = 0; i < m; i++)
#pragma GCC unroll 2
                for (int v = 0; v < tiles; v++) {
                    __m256i p = quad(t, load(w[v].w[g]), a[i]->q + 4 * g);
                    short_sums[i][v] = g == first ? p : add16(short_sums[i][v], p);
                }
        }
        for (int i = 0; i < m; i++)
            for (int v = 0; v < tiles; v++)
                sums[i][v] =
                    add32(sums[i][v], _mm256_madd_epi16(short_sums[i][v],
                                                        load(w[v].scales[first / groups])));
    }
    for (int i = 0; i < m; i++)
        for (int v = 0; v < tiles; v++)
            _mm256_store_ps(acc[i][v],
                            finish(t, &w[v], a[i], sums[i][v], _mm256_load_ps(acc[i][v])));
}

/* The same for a number of columns that is not a constant. */
INLINE void block_products(enum type t, int tiles, int64_t m, float acc[][2][8],
                           const struct tile *w, const struct a256 *const a[]) {
    switch (m) {
    case 1: block_product(t, tiles, 1, acc, w, a); break;
    case 2: block_product(t, tiles, 2, acc, w, a); break;
    case 3: block_product(t, tiles, 3, acc, w, a); break;
    default: block_product(t, tiles, 4, acc, w, a); break;
    }
}

struct many_scratch {
    struct tile tiles[TILES];
    float acc[TILES / 2][CHUNK][2][8];
};
_Static_assert(sizeof(struct many_scratch) <= GEMM_SCRATCH_BYTES, "scratch");

/* One block of up to 64 rows with up to CHUNK columns. */
INLINE void chunk_block(enum type t, struct many_scratch *s, int64_t tiles, const void *a,
                        size_t a_row, int64_t m) {
    for (int64_t i = 0; i < m; i += COLUMNS) {
        int64_t columns = m - i < COLUMNS ? m - i : COLUMNS;
        const struct a256 *column[COLUMNS];
        for (int64_t j = 0; j < columns; j++)
            column[j] = (const struct a256 *)((const char *)a + (size_t)(i + j) * a_row);
        for (int64_t v = 0; v + 2 <= tiles; v += 2)
            block_products(t, 2, columns, s->acc[v / 2] + i, s->tiles + v, column);
        if (tiles % 2 != 0)
            block_products(t, 1, columns, s->acc[tiles / 2] + i, s->tiles + tiles - 1,
                           column);
    }
}

INLINE void many_columns(enum type t, float *c, int64_t c_stride, const void *a,
                         size_t a_row, const void *w, size_t w_row, int64_t m, int64_t n,
                         int64_t k, struct many_scratch *s) {
    const int64_t blocks = k / QK_BLOCK;
    for (int64_t j = 0; j < n; j += 8 * TILES) {
        int64_t rows = n - j < 8 * TILES ? n - j : 8 * TILES, tiles = (rows + 7) / 8;
        const char *w_block = (const char *)w + (size_t)j * w_row;
        for (int64_t v = 0; v < (tiles + 1) / 2; v++)
            memset(s->acc[v], 0, (size_t)m * sizeof s->acc[v][0]);
        for (int64_t b = 0; b < blocks; b++) {
            size_t ahead = block_bytes(t); /* or in the next rows */
            if (b == blocks - 1 && j + rows < n)
                ahead += (size_t)rows * w_row - (size_t)blocks * block_bytes(t);
            for (int64_t v = 0; v < tiles; v++) {
                const uint8_t *row[8];
                find_rows(row, w_block + (size_t)(8 * v) * w_row, w_row, rows - 8 * v);
                for (int r = 0; r < 8; r++) prefetch(row[r] + ahead, block_bytes(t));
                put_block_scales(&s->tiles[v], t, row);
                put_weights(&s->tiles[v], t, row);
            }
            chunk_block(t, s, tiles, (const struct a256 *)a + b, a_row, m);
            w_block += block_bytes(t);
        }
        for (int64_t i = 0; i < m; i++)
            for (int64_t v = 0; v < tiles; v++)
                store_rows(c + i * c_stride + j + 8 * v,
                           _mm256_load_ps(s->acc[v / 2][i][v % 2]), rows - 8 * v);
    }
}

INLINE void gemm(enum type t, float *c, int64_t c_stride, const void *a, size_t a_row,
                 const void *w, size_t w_row, int64_t m, int64_t n, int64_t k,
                 void *scratch) {
    switch (m) {
    case 0: return;
    case 1: few_columns(t, 1, c, c_stride, a, a_row, w, w_row, n, k); return;
    case 2: few_columns(t, 2, c, c_stride, a, a_row, w, w_row, n, k); return;
    case 3: few_columns(t, 3, c, c_stride, a, a_row, w, w_row, n, k); return;
    }
    for (int64_t i = 0; i < m; i += CHUNK)
        many_columns(t, c + i * c_stride, c_stride, (const char *)a + (size_t)i * a_row,
                     a_row, w, w_row, m - i < CHUNK ? m - i : CHUNK, n, k, scratch);
}

static void gemm_q2_k_avx2 GEMM_PARAMETERS {
    gemm(Q2_K, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}
static void gemm_q3_k_avx2 GEMM_PARAMETERS {
    gemm(Q3_K, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}
static void gemm_q4_k_avx2 GEMM_PARAMETERS {
    gemm(Q4_K, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}
static void gemm_q5_k_avx2 GEMM_PARAMETERS {
    gemm(Q5_K, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}
static void gemm_q6_k_avx2 GEMM_PARAMETERS {
    gemm(Q6_K, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}
static void gemm_iq4_xs_avx2 GEMM_PARAMETERS {
    gemm(IQ4_XS, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

/* ---- activations ------------------------------------------------------------------------- */

static void round_block(uint8_t *out, const float *x) {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();
    for (int i = 0; i < QK_BLOCK; i += 8)
        most = _mm256_max_epi32(most, _mm256_and_si256(load(x + i), magnitude));
    __m128i half =
        _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0xb1));
    int32_t largest = _mm_cvtsi128_si32(half);
    float d = _mm_cvtss_f32(_mm_castsi128_ps(half)) / 127.0f, inverse = 1.0f / d;
    memset(out + QK_BLOCK, 0, sizeof(struct a256) - QK_BLOCK);
    if (largest >= 0x7f800000 || inverse > 0x1.fffffep127f) {
        uint32_t nan = 0x7fc00000;
        memset(out, 0, QK_BLOCK);
        if (largest >= 0x7f800000) memcpy(out + offsetof(struct a256, d), &nan, 4);
        return;
    }
    memcpy(out + offsetof(struct a256, d), &d, 4);
    const __m256 factor = _mm256_set1_ps(inverse);
    const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (int i = 0; i < 8; i++) {
        __m256i q[4];
        for (int j = 0; j < 4; j++)
            q[j] = _mm256_cvtps_epi32(
                _mm256_mul_ps(_mm256_loadu_ps(x + 32 * i + 8 * j), factor));
        __m256i a = _mm256_packs_epi32(q[0], q[1]), b = _mm256_packs_epi32(q[2], q[3]);
        store(out + 32 * i,
              _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), in_order));
        /* a holds the first 16, b the last. */
        const __m256i ones = _mm256_set1_epi16(1);
        __m256i s =
            _mm256_hadd_epi32(_mm256_madd_epi16(a, ones), _mm256_madd_epi16(b, ones));
        __m128i t =
            _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
        t = _mm_hadd_epi32(t, t);
        int16_t first = (int16_t)_mm_cvtsi128_si32(t),
                last = (int16_t)_mm_extract_epi32(t, 1);
        int16_t both = (int16_t)(first + last);
        memcpy(out + offsetof(struct a256, sums16) + 4 * i, &first, 2);
        memcpy(out + offsetof(struct a256, sums16) + 4 * i + 2, &last, 2);
        memcpy(out + offsetof(struct a256, sums32) + 2 * i, &both, 2);
    }
}

static void round_a256_avx2(void *out, const float *x, int64_t k) {
    for (int64_t b = 0; b < k / QK_BLOCK; b++)
        round_block((uint8_t *)out + (size_t)b * sizeof(struct a256), x + b * QK_BLOCK);
}

void qk_fill_avx2(struct math_kernels *k) {
    k->round_a256 = round_a256_avx2;
    k->gemm_q2_k = gemm_q2_k_avx2;
    k->gemm_q3_k = gemm_q3_k_avx2;
    k->gemm_q4_k = gemm_q4_k_avx2;
    k->gemm_q5_k = gemm_q5_k_avx2;
    k->gemm_q6_k = gemm_q6_k_avx2;
    k->gemm_iq4_xs = gemm_iq4_xs_avx2;
}
