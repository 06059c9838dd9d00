/* q32.h - weights quantised in blocks of 32 as GGUF stores them, and the activations that
 * are multiplied with them.
 *
 * Definition (arithmetic.md, "Quantised products"). An activation row is cut into blocks of
 * 32 at absolute multiples of 32. Of each block, by round_a32:
 *   max = the largest |x|;  d = max / 127;  inv = 1 / d;  q = round-half-even(x * inv)
 * each step one rounding, so that q is in -127 … 127. Two kinds of block are special:
 *   - d < 2^-126 (it is zero, or subnormal, and 1 / d could overflow): d = +0, all q = 0;
 *   - an infinity or a NaN is among the x: d = NaN, all q = 0, and what is computed from
 * the row is NaN rather than plausible. A product of a weight row and an activation row,
 * blocks ascending, from acc = +0: acc = fma(d_w * d_a, (float)sum(q_w * q_a), acc) types
 * with a minimum then: acc = fma(m_w * d_a, (float)sum(q_a), acc) The sums are integers
 * below 2^24, so they are exact in any order and as floats too. */
#ifndef MATH_Q32_H
#define MATH_Q32_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum { Q32 = 32 }; /* weights in a block */

/* The blocks of a GGUF file: half floats as bits, little-endian, no padding, no alignment.
 * In the 4- and 5-bit types the low nibble of qs[j] belongs to weight j, the high one to
 * weight j + 16; bit j of qh (32 bits) is the fifth bit of weight j. */
struct q4_0_block { /* (q - 8) * d */
    uint16_t d;
    uint8_t qs[16];
};
struct q4_1_block { /* q * d + m */
    uint16_t d, m;
    uint8_t qs[16];
};
struct q5_0_block { /* (q - 16) * d */
    uint16_t d;
    uint8_t qh[4], qs[16];
};
struct q5_1_block { /* q * d + m */
    uint16_t d, m;
    uint8_t qh[4], qs[16];
};
struct q8_0_block { /* q * d */
    uint16_t d;
    int8_t q[32];
};
struct iq4_nl_block { /* codebook[q] * d */
    uint16_t d;
    uint8_t qs[16];
};
static_assert(sizeof(struct q4_0_block) == 18 && sizeof(struct q4_1_block) == 20 &&
                  sizeof(struct q5_0_block) == 22 && sizeof(struct q5_1_block) == 24 &&
                  sizeof(struct q8_0_block) == 34 && sizeof(struct iq4_nl_block) == 18,
              "blocks are as in the file");

/* The codebook of IQ4_NL (and of IQ4_XS): GGUF's kvalues_iq4nl. */
#define IQ4_NL_CODEBOOK                                                                    \
    { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 }

/* One block of activations. The sums are redundant: kernels that hold weights as unsigned
 * numbers, w + offset, take the offset's part off with them. offset16 is for those that add
 * up in 16-bit lanes, two products in each: lane 0 holds the weights whose index mod 4 is 0
 * or 1, lane 1 the rest. */
struct a32_block {
    float d;
    float sum;           /* of all q */
    int32_t offset8;     /* -8 times the same; -16 and -128 times are shifts of it */
    int16_t offset16[2]; /* -16 times the sum of a lane's q, at least -16 * 16 * 127 */
    int8_t q[32];
};
static_assert(sizeof(struct a32_block) == 48, "no padding");

/* Bytes of a row of k activations (k a multiple of 32): blocks, one after the other. */
static inline size_t a32_row_bytes(int64_t k) {
    return (size_t)(k / Q32) * sizeof(struct a32_block);
}

#endif
