/* qk.h - the blocks of 256 quantised weights, and the activation blocks that multiply them.
 *
 * The weight blocks are GGUF's, byte for byte, little-endian, read in place: no alignment.
 * Every type is "sub-blocks of 16 or 32 small integers, an integer scale for each (and, for
 * some, an integer minimum), one or two f16 factors for all".
 *
 * Rounding a block of 256 activations x (arithmetic.md, "Quantised products"), each step one
 * rounding: a = max|x|; d = a / 127; inverse = 1 / d; q = round-half-even(x * inverse), which
 * lies in -127 … 127 because three relative errors (2^-24, or 2^-22 where d is subnormal)
 * cannot lift 127 to 127.5. Two kinds of block are special, as in blocks of 32 (q32.h):
 *   - the inverse overflows (a below about 127 * 2^-128; zero is one): d = +0, all q = 0;
 *   - an infinity or NaN is among the x: d = NaN, all q = 0, and what is computed from the row
 *     is NaN rather than plausible. */
#ifndef MATH_QK_H
#define MATH_QK_H

#include <stddef.h>
#include <stdint.h>

enum { QK_BLOCK = 256 };

struct
    q2_k { /* value d * (scales & 15) * q - dmin * (scales >> 4), q = 0 … 3, subs of 16 */
    uint8_t scales[16], qs[64], d[2], dmin[2];
};
struct q3_k { /* d * (scale - 32) * q, q = -4 … 3, subs of 16 */
    uint8_t hmask[32], qs[64], scales[12], d[2];
};
struct q4_k { /* d * scale * q - dmin * min, q = 0 … 15, subs of 32 */
    uint8_t d[2], dmin[2], scales[12], qs[128];
};
struct q5_k { /* the same with q = 0 … 31 */
    uint8_t d[2], dmin[2], scales[12], qh[32], qs[128];
};
struct q6_k { /* d * scale * q, q = -32 … 31, int8 scales, subs of 16 */
    uint8_t ql[128], qh[64];
    int8_t scales[16];
    uint8_t d[2];
};
struct iq4_xs { /* d * (scale - 32) * IQ4_NL_CODEBOOK[q] (q32.h), subs of 32 */
    uint8_t d[2], scales_h[2], scales_l[4], qs[128];
};

_Static_assert(sizeof(struct q2_k) == 84 && sizeof(struct q3_k) == 110, "GGUF's blocks");
_Static_assert(sizeof(struct q4_k) == 144 && sizeof(struct q5_k) == 176, "GGUF's blocks");
_Static_assert(sizeof(struct q6_k) == 210 && sizeof(struct iq4_xs) == 136, "GGUF's blocks");

/* 256 rounded activations. sums16[i] is the sum of q[16i … 16i+15], sums32 likewise of 32.
 * A multiple of 64 bytes, so that in an aligned row no 32-byte load crosses a cache line;
 * kernels need no alignment. The pad is zero: equal activations give equal bytes. */
struct a256 {
    int8_t q[QK_BLOCK];
    int16_t sums16[16], sums32[8];
    float d;
    uint8_t pad[12];
};
_Static_assert(sizeof(struct a256) == 320, "whole cache lines");

/* Bytes of one rounded row; k % 256 == 0. */
static inline size_t a256_row_bytes(int64_t k) {
    return (size_t)(k / QK_BLOCK) * sizeof(struct a256);
}

#endif
