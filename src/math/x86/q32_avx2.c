/* q32_avx2.c - products with weights in blocks of 32 for AVX2, FMA and F16C.
 *
 * Eight rows of weights are worked on at a time, one in each 32-bit lane, so that the
 * ordered chain of fused steps of eight outputs is one vector instruction per block. Two
 * ways to come to the integer sums, which are exact and so the same:
 *
 *   few columns   (generation) unpack 8 rows' block in registers, multiply, add lanes up by
 * a small transposition. Reads the mapped rows once, as they are. many columns  (prompts)
 * unpack up to 16 rows of a strip of blocks into scratch, four consecutive weights of each
 * row side by side; then four activations are broadcast to meet them, and no lanes need
 * adding up.
 *
 * vpmaddubsw multiplies unsigned by signed bytes and adds pairs, saturating at 16 bits. The
 * 4- and 5-bit types go in as unsigned numbers; pairs and the sums over a block stay in 16
 * bits, where wrapping around is harmless, because the sum with the offset taken off
 * (struct a32_block) fits. 8-bit weights need the sign moved over, |w| * (sign(w) * a), and
 * 32-bit sums: |w| <= 128 and |a| <= 127 make pairs of at most 32512. */
#include "math/q32.h"

#include "math/dispatch.h"
#include "math/gemm.h"
#include "math/half.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum format { Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL };

enum {
    ROWS = 8, /* rows of weights in a group: the lanes of a vector */
    FEW = 3,  /* most columns for which unpacking into scratch does not pay */
    STRIP =
        32, /* most blocks unpacked at a time: two groups of them stay in the first cache */
    MAX_M = 128,     /* columns that pass over one unpacked strip: theirs stay in the second
                        cache */
    MAX_COLUMNS = 4, /* of columns_of */
};

INLINE size_t bytes_of(enum format format) {
    return format == Q4_0   ? sizeof(struct q4_0_block)
           : format == Q4_1 ? sizeof(struct q4_1_block)
           : format == Q5_0 ? sizeof(struct q5_0_block)
           : format == Q5_1 ? sizeof(struct q5_1_block)
           : format == Q8_0 ? sizeof(struct q8_0_block)
                            : sizeof(struct iq4_nl_block);
}

INLINE bool has_minimum(enum format format) {
    return format == Q4_1 || format == Q5_1;
}

/* Sums of a block fit 16 bits per pair of weights. */
INLINE bool is_narrow(enum format format) {
    return format != Q8_0 && format != IQ4_NL;
}

/* Columns worked on at a time, when there are many: what the 16 registers can hold of sums
 * and chains, for two groups of rows or, in the wide formats, one. */
INLINE int columns_of(enum format format) {
    return is_narrow(format) ? 3 : 4;
}

INLINE size_t quants_at(enum format format) {
    return format == Q4_1 ? 4 : format == Q5_0 ? 6 : format == Q5_1 ? 8 : 2;
}

INLINE uint32_t load_u32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Keeps the compiler from regrouping a chain of integer additions: gcc would add up in a
 * tree, with more sums than there are registers. */
INLINE __m256i in_order(__m256i x) {
    __asm__("" : "+x"(x));
    return x;
}

INLINE __m256i load_pair(const uint8_t *low, const uint8_t *high) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)),
        _mm_loadu_si128((const __m128i *)high), 1);
}

INLINE __m256i broadcast16(const void *p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}

INLINE __m256i broadcast4(const void *p) {
    return _mm256_set1_epi32((int)load_u32(p));
}

/* The scales of eight rows' blocks (`at` bytes into the rows), and minima where there are.
 */
INLINE __m256 load_scales(enum format format, const uint8_t *const row[ROWS], size_t at,
                          __m256 *minima) {
    if (!has_minimum(format))
        return _mm256_cvtph_ps(
            _mm_setr_epi16((short)load_u16(row[0] + at), (short)load_u16(row[1] + at),
                           (short)load_u16(row[2] + at), (short)load_u16(row[3] + at),
                           (short)load_u16(row[4] + at), (short)load_u16(row[5] + at),
                           (short)load_u16(row[6] + at), (short)load_u16(row[7] + at)));
    const __m128i apart =
        _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    __m128i x = _mm_setr_epi32((int)load_u32(row[0] + at), (int)load_u32(row[1] + at),
                               (int)load_u32(row[2] + at), (int)load_u32(row[3] + at));
    __m128i y = _mm_setr_epi32((int)load_u32(row[4] + at), (int)load_u32(row[5] + at),
                               (int)load_u32(row[6] + at), (int)load_u32(row[7] + at));
    x = _mm_shuffle_epi8(x, apart);
    y = _mm_shuffle_epi8(y, apart);
    *minima = _mm256_cvtph_ps(_mm_unpackhi_epi64(x, y));
    return _mm256_cvtph_ps(_mm_unpacklo_epi64(x, y));
}

/* 16 in the bytes whose bit is set. x: each lane's four bytes of fifth bits at its start.
 */
INLINE __m256i fifth_bits(__m256i x, int first_byte) {
    const __m256i bits = _mm256_set1_epi64x((long long)0x8040201008040201u);
    __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0, 0x0101010101010101);
    spread = _mm256_add_epi8(spread, _mm256_set1_epi8((char)first_byte));
    x = _mm256_and_si256(_mm256_shuffle_epi8(x, spread), bits);
    return _mm256_and_si256(_mm256_cmpeq_epi8(x, bits), _mm256_set1_epi8(16));
}

INLINE void unpack_nibbles(enum format format, __m256i q, __m256i *low, __m256i *high) {
    const __m256i mask = _mm256_set1_epi8(15);
    *low = _mm256_and_si256(q, mask);
    *high = _mm256_and_si256(_mm256_srli_epi16(q, 4), mask);
    if (format == IQ4_NL) {
        static const int8_t codebook[16] = IQ4_NL_CODEBOOK;
        __m256i table = broadcast16(codebook);
        *low = _mm256_shuffle_epi8(table, *low);
        *high = _mm256_shuffle_epi8(table, *high);
    }
}

/* A block of two rows: weights 0 … 15 of both in *low, 16 … 31 in *high. 4- and 5-bit types
 * as the unsigned numbers of the file, others as signed weights. */
INLINE void unpack_pair(enum format format, const uint8_t *x, const uint8_t *y,
                        __m256i *low, __m256i *high) {
    size_t at = quants_at(format);
    if (format == Q8_0) {
        *low = load_pair(x + at, y + at);
        *high = load_pair(x + at + 16, y + at + 16);
        return;
    }
    unpack_nibbles(format, load_pair(x + at, y + at), low, high);
    if (format == Q5_0 || format == Q5_1) {
        __m256i fifth = load_pair(x + at - 4, y + at - 4);
        *low = _mm256_or_si256(*low, fifth_bits(fifth, 0));
        *high = _mm256_or_si256(*high, fifth_bits(fifth, 2));
    }
}

/* ---- activations ---- */

INLINE float largest(const float *x) {
    const __m256i size = _mm256_set1_epi32(0x7fffffff);
    __m256i max = _mm256_setzero_si256();
    for (int i = 0; i < Q32; i += 8)
        max = _mm256_max_epi32(
            max, _mm256_and_si256(size, _mm256_loadu_si256((const __m256i *)(x + i))));
    __m128i m =
        _mm_max_epi32(_mm256_castsi256_si128(max), _mm256_extracti128_si256(max, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(m));
}

INLINE void round_block(struct a32_block *out, const float *x) {
    float max = largest(x), d = max / 127;
    /* As integers, numbers of one sign are ordered like their values, then infinity and
     * NaNs: the largest tells whether all are finite. */
    if (f32_bits(max) >= 0x7f800000u || d < 0x1p-126f) {
        memset(out, 0, sizeof *out);
        if (f32_bits(max) >= 0x7f800000u) out->d = bits_f32(0x7fc00000u);
        return;
    }
    __m256 inv = _mm256_set1_ps(1 / d);
    __m256i q[4];
    for (int i = 0; i < 4; i++)
        q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), inv));
    const __m256i in_line = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
    bytes = _mm256_permutevar8x32_epi32(bytes, in_line);
    _mm256_storeu_si256((__m256i *)out->q, bytes);
    __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
    __m128i sums =
        _mm_add_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    sums = _mm_add_epi16(sums, _mm_shuffle_epi32(sums, 0x4e));
    sums = _mm_add_epi16(sums, _mm_shuffle_epi32(sums, 0xb1));
    int sum = _mm_cvtsi128_si32(_mm_madd_epi16(sums, _mm_set1_epi16(1)));
    sums = _mm_slli_epi16(_mm_sub_epi16(_mm_setzero_si128(), sums), 4);
    int offset16 = _mm_cvtsi128_si32(sums);
    out->d = d;
    out->sum = (float)sum;
    out->offset8 = -8 * sum;
    memcpy(out->offset16, &offset16, sizeof out->offset16);
}

static void round_a32_avx2(void *out, const float *x, int64_t k) {
    struct a32_block *blocks = out;
    for (int64_t i = 0; i < k / Q32; i++) round_block(blocks + i, x + i * Q32);
}

/* ---- few columns ---- */

/* x + y as the format's sums: 16 or 32 bits wide. */
INLINE __m256i add(enum format format, __m256i x, __m256i y) {
    return is_narrow(format) ? _mm256_add_epi16(x, y) : _mm256_add_epi32(x, y);
}

/* From 16-bit sums of unsigned weights times activations, two to a lane, to isum. */
INLINE __m256i finish_narrow(enum format format, __m256i sums, const struct a32_block *a) {
    const __m256i ones = _mm256_set1_epi16(1);
    if (format == Q4_0)
        return _mm256_add_epi32(_mm256_madd_epi16(sums, ones), broadcast4(&a->offset8));
    if (format == Q5_0) sums = _mm256_add_epi16(sums, broadcast4(a->offset16));
    if (format == Q5_1) {
        /* Unsigned 5-bit sums do not fit; with 16 taken off they do. */
        __m256i offset = broadcast4(a->offset16);
        sums = _mm256_madd_epi16(_mm256_add_epi16(sums, offset), ones);
        return _mm256_sub_epi32(sums, _mm256_madd_epi16(offset, ones));
    }
    return _mm256_madd_epi16(sums, ones);
}

/* A pair of rows times one block of activations, in four lanes for each row. */
INLINE __m256i dot_pair(enum format format, __m256i low, __m256i high,
                        const struct a32_block *a) {
    __m256i x = broadcast16(a->q), y = broadcast16(a->q + 16);
    if (is_narrow(format))
        return _mm256_add_epi16(_mm256_maddubs_epi16(low, x),
                                _mm256_maddubs_epi16(high, y));
    const __m256i ones = _mm256_set1_epi16(1);
    x = _mm256_maddubs_epi16(_mm256_abs_epi8(low), _mm256_sign_epi8(x, low));
    y = _mm256_maddubs_epi16(_mm256_abs_epi8(high), _mm256_sign_epi8(y, high));
    return _mm256_add_epi32(_mm256_madd_epi16(x, ones), _mm256_madd_epi16(y, ones));
}

/* isum of eight rows and each of m columns. The lanes of rows 0|4, 1|5, 2|6 and 3|7 are
 * added up so that lane r becomes row r's. */
INLINE void dot_rows(enum format format, int m, __m256i *isum,
                     const uint8_t *const row[ROWS], size_t at, const char *a,
                     size_t a_row) {
    __m256i sums[FEW][2], pair[FEW][2];
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < 2; i++) {
            __m256i low, high;
            const uint8_t *const *r = row + 2 * half + i;
            unpack_pair(format, r[0] + at, r[4] + at, &low, &high);
            for (int j = 0; j < m; j++)
                pair[j][i] =
                    dot_pair(format, low, high, (const void *)(a + (size_t)j * a_row));
        }
        for (int j = 0; j < m; j++)
            sums[j][half] =
                in_order(add(format, _mm256_unpacklo_epi32(pair[j][0], pair[j][1]),
                             _mm256_unpackhi_epi32(pair[j][0], pair[j][1])));
    }
    for (int j = 0; j < m; j++) {
        isum[j] = add(format, _mm256_unpacklo_epi64(sums[j][0], sums[j][1]),
                      _mm256_unpackhi_epi64(sums[j][0], sums[j][1]));
        if (is_narrow(format))
            isum[j] = finish_narrow(format, isum[j], (const void *)(a + (size_t)j * a_row));
    }
}

INLINE __m256 add_block(enum format format, __m256 acc, __m256i isum, __m256 d, __m256 m,
                        const struct a32_block *a) {
    __m256 d_a = _mm256_broadcast_ss(&a->d);
    acc = _mm256_fmadd_ps(_mm256_mul_ps(d, d_a), _mm256_cvtepi32_ps(isum), acc);
    if (has_minimum(format))
        acc = _mm256_fmadd_ps(_mm256_mul_ps(m, d_a), _mm256_broadcast_ss(&a->sum), acc);
    return acc;
}

/* acc[i]: eight rows times activation row i. next: the rows after these. */
INLINE void few_columns(enum format format, int m, __m256 *acc,
                        const uint8_t *const row[ROWS], const char *next, const char *a,
                        size_t a_row, int64_t blocks) {
    for (int i = 0; i < m; i++) acc[i] = _mm256_setzero_ps();
    for (int64_t b = 0; b < blocks; b++) {
        size_t at = (size_t)b * bytes_of(format);
        /* Eight streams are too many for the processor to see what comes. */
        for (size_t i = 0; i < ROWS * bytes_of(format); i += 64)
            _mm_prefetch(next + ROWS * at + i, _MM_HINT_T0);
        __m256i isum[FEW];
        dot_rows(format, m, isum, row, at, a + a32_row_bytes(b * Q32), a_row);
        __m256 minima, d = load_scales(format, row, at, &minima);
        for (int i = 0; i < m; i++)
            acc[i] = add_block(format, acc[i], isum[i], d, minima,
                               (const struct a32_block *)(a + (size_t)i * a_row) + b);
    }
}

/* ---- many columns ---- */

/* Eight rows of one block, ready to meet four activations at a time: lane r of q[j] holds
 * row r's weights 4j … 4j+3. Wide types have |q| in size. */
struct tile {
    __m256i q[8], size[8];
    __m256 d, m;
};

INLINE void transpose_4x4(__m256i *out, const __m256i x[4]) {
    __m256i a = _mm256_unpacklo_epi32(x[0], x[1]), b = _mm256_unpackhi_epi32(x[0], x[1]);
    __m256i c = _mm256_unpacklo_epi32(x[2], x[3]), d = _mm256_unpackhi_epi32(x[2], x[3]);
    out[0] = _mm256_unpacklo_epi64(a, c);
    out[1] = _mm256_unpackhi_epi64(a, c);
    out[2] = _mm256_unpacklo_epi64(b, d);
    out[3] = _mm256_unpackhi_epi64(b, d);
}

/* The weights of one block of eight rows (`at` bytes into them). */
INLINE void unpack_tile(enum format format, struct tile *out,
                        const uint8_t *const row[ROWS], size_t at) {
    __m256i low[4], high[4];
    if (format == Q4_0 || format == Q4_1 || format == IQ4_NL) {
        /* Nibbles stay together while they move. */
        __m256i packed[4];
        for (int i = 0; i < 4; i++)
            packed[i] = load_pair(row[i] + at + quants_at(format),
                                  row[i + 4] + at + quants_at(format));
        transpose_4x4(packed, packed);
        for (int i = 0; i < 4; i++)
            unpack_nibbles(format, packed[i], &out->q[i], &out->q[i + 4]);
    } else {
        for (int i = 0; i < 4; i++)
            unpack_pair(format, row[i] + at, row[i + 4] + at, &low[i], &high[i]);
        transpose_4x4(out->q, low);
        transpose_4x4(out->q + 4, high);
    }
    if (!is_narrow(format))
        for (int j = 0; j < 8; j++) out->size[j] = _mm256_abs_epi8(out->q[j]);
    out->d = load_scales(format, row, at, &out->m);
}

INLINE void unpack_strip(enum format format, struct tile *out,
                         const uint8_t *const row[ROWS], int64_t blocks) {
    for (int64_t b = 0; b < blocks; b++)
        unpack_tile(format, out + b, row, (size_t)b * bytes_of(format));
}

/* Asks for what is to be unpacked next, in even portions: rows w_row apart, `lines` cache
 * lines of each. */
struct ahead {
    const char *row;
    size_t w_row;
    int line, lines, portion;
};

INLINE void fetch_ahead(struct ahead *f) {
    for (int i = 0; i < f->portion; i++) {
        _mm_prefetch(f->row + 64 * f->line, _MM_HINT_T0);
        if (++f->line == f->lines) f->line = 0, f->row += f->w_row;
    }
}

/* One block of `groups` groups of rows times that of m columns: isum[g][i]. */
INLINE void multiply_narrow(enum format format, int groups, int m,
                            __m256i isum[][MAX_COLUMNS], const struct tile *const w[],
                            const struct a32_block *const a[]) {
    bool four_bits =
        format == Q4_0 || format == Q4_1; /* sums fit before the offset is off */
    for (int i = 0; i < m; i++)
        for (int g = 0; g < groups; g++)
            if (!four_bits) isum[g][i] = broadcast4(a[i]->offset16);
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < m; i++) {
            __m256i x = broadcast4(a[i]->q + 4 * j);
            for (int g = 0; g < groups; g++) {
                __m256i pairs = _mm256_maddubs_epi16(w[g]->q[j], x);
                isum[g][i] = in_order(
                    four_bits && j == 0 ? pairs : _mm256_add_epi16(isum[g][i], pairs));
            }
        }
    const __m256i ones = _mm256_set1_epi16(1);
    for (int i = 0; i < m; i++)
        for (int g = 0; g < groups; g++) {
            isum[g][i] = _mm256_madd_epi16(isum[g][i], ones);
            if (format == Q4_0)
                isum[g][i] = _mm256_add_epi32(isum[g][i], broadcast4(&a[i]->offset8));
            if (format == Q5_1)
                isum[g][i] = _mm256_sub_epi32(
                    isum[g][i], _mm256_madd_epi16(broadcast4(a[i]->offset16), ones));
        }
}

INLINE void multiply_wide(int groups, int m, __m256i isum[][MAX_COLUMNS],
                          const struct tile *const w[], const struct a32_block *const a[]) {
    const __m256i ones = _mm256_set1_epi16(1);
    for (int i = 0; i < m; i++)
        for (int g = 0; g < groups; g++) isum[g][i] = _mm256_setzero_si256();
    for (int j = 0; j < 8; j++)
        for (int g = 0; g < groups; g++) {
            __m256i q = w[g]->q[j], size = w[g]->size[j];
            for (int i = 0; i < m; i++) {
                __m256i x = _mm256_sign_epi8(broadcast4(a[i]->q + 4 * j), q);
                x = _mm256_madd_epi16(_mm256_maddubs_epi16(size, x), ones);
                isum[g][i] = in_order(_mm256_add_epi32(isum[g][i], x));
            }
        }
}

/* An unpacked strip of up to 16 rows, and what is to be unpacked after it. */
struct strip {
    const struct tile *w; /* group g at w + g * STRIP */
    int64_t blocks;
    bool start; /* of the chains; else c has what they came to */
    struct ahead ahead;
};

/* m columns times a strip. Group g's outputs are at c + 8g of each column's row. */
INLINE void many_columns(enum format format, int groups, int m, float *c, int64_t c_stride,
                         const struct strip *s, const char *a, size_t a_row, bool ahead) {
    __m256 acc[2][MAX_COLUMNS];
    struct ahead next = s->ahead;
    for (int g = 0; g < groups; g++)
        for (int i = 0; i < m; i++)
            acc[g][i] =
                s->start ? _mm256_setzero_ps() : _mm256_loadu_ps(c + i * c_stride + 8 * g);
    for (int64_t b = 0; b < s->blocks; b++) {
        const struct tile *tiles[2] = {s->w + b, s->w + b + STRIP};
        const struct a32_block *x[MAX_COLUMNS];
        for (int i = 0; i < m; i++)
            x[i] = (const struct a32_block *)(a + (size_t)i * a_row) + b;
        if (ahead) fetch_ahead(&next);
        __m256i isum[2][MAX_COLUMNS];
        if (is_narrow(format))
            multiply_narrow(format, groups, m, isum, tiles, x);
        else
            multiply_wide(groups, m, isum, tiles, x);
        for (int i = 0; i < m; i++)
            for (int g = 0; g < groups; g++)
                acc[g][i] = add_block(format, acc[g][i], isum[g][i], tiles[g]->d,
                                      tiles[g]->m, x[i]);
    }
    for (int g = 0; g < groups; g++)
        for (int i = 0; i < m; i++) _mm256_storeu_ps(c + i * c_stride + 8 * g, acc[g][i]);
}

/* ---- whole products ---- */

INLINE void set_rows(const uint8_t *row[ROWS], const void *w, size_t w_row, int64_t n) {
    for (int64_t i = 0; i < ROWS; i++)
        row[i] = (const uint8_t *)w + (size_t)(i < n ? i : n - 1) * w_row;
}

INLINE __m256i first_lanes(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE void gemm_few(enum format format, int m, float *c, int64_t c_stride, const char *a,
                     size_t a_row, const char *w, size_t w_row, int64_t n, int64_t k) {
    for (int64_t j = 0; j < n; j += ROWS) {
        const uint8_t *row[ROWS];
        __m256 acc[FEW];
        set_rows(row, w + (size_t)j * w_row, w_row, n - j);
        few_columns(format, m, acc, row, w + (size_t)(j + ROWS) * w_row, a, a_row, k / Q32);
        for (int i = 0; i < m; i++) {
            if (n - j >= ROWS)
                _mm256_storeu_ps(c + i * c_stride + j, acc[i]);
            else
                _mm256_maskstore_ps(c + i * c_stride + j, first_lanes(n - j), acc[i]);
        }
    }
}

/* All columns over an unpacked strip, in nearly equal helpings. */
INLINE void all_columns(enum format format, int groups, float *c, int64_t c_stride,
                        const struct strip *s, const char *a, size_t a_row, int64_t m) {
    int64_t most = columns_of(format);
    for (int64_t i = 0, step; i < m; i += step) {
        float *to = c + i * c_stride;
        const char *x = a + (size_t)i * a_row;
        bool ahead = i == 0;
        step = m - i >= 2 * most || m - i <= most ? most : (m - i + 1) / 2;
        step = step < m - i ? step : m - i;
        if (step == 1) many_columns(format, groups, 1, to, c_stride, s, x, a_row, ahead);
        if (step == 2) many_columns(format, groups, 2, to, c_stride, s, x, a_row, ahead);
        if (step == 3) many_columns(format, groups, 3, to, c_stride, s, x, a_row, ahead);
        if (most > 3 && step == 4)
            many_columns(format, groups, 4, to, c_stride, s, x, a_row, ahead);
    }
}

/* Up to 8 * groups rows of w (n of them) for all columns. */
INLINE void gemm_strips(enum format format, int groups, float *c, int64_t c_stride,
                        const char *a, size_t a_row, const char *w, size_t w_row, int64_t m,
                        int64_t n, int64_t blocks, struct tile *tiles) {
    float *whole = c;
    int64_t stride = c_stride;
    if (n < groups * ROWS) { /* do not write beyond the row */
        whole = (float *)(tiles + 2 * STRIP);
        stride = groups * ROWS;
    }
    int64_t strips = (blocks + STRIP - 1) / STRIP, most = (blocks + strips - 1) / strips;
    for (int64_t b = 0; b < blocks; b += most) {
        const char *from = w + (size_t)b * bytes_of(format);
        struct strip strip = {tiles,
                              blocks - b < most ? blocks - b : most,
                              b == 0,
                              {from + (size_t)most * bytes_of(format), w_row, 0, 0, 0}};
        if (b + most >= blocks) strip.ahead.row = w + (size_t)(groups * ROWS) * w_row;
        strip.ahead.lines = (int)most * (int)bytes_of(format) / 64 + 1;
        strip.ahead.portion = groups * ROWS * strip.ahead.lines / (int)strip.blocks + 1;
        for (int64_t g = 0; g < groups; g++) {
            const uint8_t *row[ROWS];
            set_rows(row, from + (size_t)(g * ROWS) * w_row, w_row, n - g * ROWS);
            unpack_strip(format, tiles + g * STRIP, row, strip.blocks);
        }
        all_columns(format, groups, whole, stride, &strip, a + a32_row_bytes(b * Q32),
                    a_row, m);
    }
    if (whole != c)
        for (int64_t i = 0; i < m; i++)
            memcpy(c + i * c_stride, whole + i * stride, (size_t)n * sizeof *c);
}

INLINE void gemm_many(enum format format, float *c, int64_t c_stride, const char *a,
                      size_t a_row, const char *w, size_t w_row, int64_t m, int64_t n,
                      int64_t k, void *scratch) {
    int64_t j = 0;
    if (is_narrow(format))
        for (; n - j > ROWS; j += 2 * ROWS)
            gemm_strips(format, 2, c + j, c_stride, a, a_row, w + (size_t)j * w_row, w_row,
                        m, n - j < 2 * ROWS ? n - j : 2 * ROWS, k / Q32, scratch);
    for (; j < n; j += ROWS)
        gemm_strips(format, 1, c + j, c_stride, a, a_row, w + (size_t)j * w_row, w_row, m,
                    n - j < ROWS ? n - j : ROWS, k / Q32, scratch);
}

INLINE void gemm(enum format format, float *c, int64_t c_stride, const char *a,
                 size_t a_row, const char *w, size_t w_row, int64_t m, int64_t n, int64_t k,
                 void *scratch) {
    if (m > FEW) {
        for (int64_t i = 0; i < m; i += MAX_M)
            gemm_many(format, c + i * c_stride, c_stride, a + (size_t)i * a_row, a_row, w,
                      w_row, m - i < MAX_M ? m - i : MAX_M, n, k, scratch);
        return;
    }
    if (m == 3) gemm_few(format, 3, c, c_stride, a, a_row, w, w_row, n, k);
    if (m == 2) gemm_few(format, 2, c, c_stride, a, a_row, w, w_row, n, k);
    if (m == 1) gemm_few(format, 1, c, c_stride, a, a_row, w, w_row, n, k);
}

static void gemm_q4_0_avx2 GEMM_PARAMETERS {
    gemm(Q4_0, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_q4_1_avx2 GEMM_PARAMETERS {
    gemm(Q4_1, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_q5_0_avx2 GEMM_PARAMETERS {
    gemm(Q5_0, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_q5_1_avx2 GEMM_PARAMETERS {
    gemm(Q5_1, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_q8_0_avx2 GEMM_PARAMETERS {
    gemm(Q8_0, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

static void gemm_iq4_nl_avx2 GEMM_PARAMETERS {
    gemm(IQ4_NL, c, c_stride, a, a_row, w, w_row, m, n, k, scratch);
}

void q32_fill_avx2(struct math_kernels *k) {
    k->round_a32 = round_a32_avx2;
    k->gemm_q4_0 = gemm_q4_0_avx2;
    k->gemm_q4_1 = gemm_q4_1_avx2;
    k->gemm_q5_0 = gemm_q5_0_avx2;
    k->gemm_q5_1 = gemm_q5_1_avx2;
    k->gemm_q8_0 = gemm_q8_0_avx2;
    k->gemm_iq4_nl = gemm_iq4_nl_avx2;
}
