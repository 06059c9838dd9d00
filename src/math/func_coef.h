/* func_coef.h - constants of the elementary functions; made by gen/functions.sollya.
 *
 * X_HI + X_LO is X to about 107 bits. The lowest coefficient of a table comes first. */
#ifndef MATH_FUNC_COEF_H
#define MATH_FUNC_COEF_H

#include <stdint.h>

// clang-format off

#define FUNC_LOG2E 0x1.71547652b82fep0
#define FUNC_2_PI 0x1.45f306dc9c883p-1
#define FUNC_LN2_HI 0x1.62e42fefa39efp-1
#define FUNC_LN2_LO 0x1.abc9e3b39803fp-56
#define FUNC_PI_2_HI 0x1.921fb54442d18p0
#define FUNC_PI_2_LO 0x1.1a62633145c07p-54
/* sqrt(1/2), rounded up. */
#define FUNC_SQRT_HALF_BITS 0x3fe6a09e667f3bcdu
/* sin and cos reduce larger angles in integers. */
#define FUNC_TRIG_HUGE 0x1p25F

/* (exp(r) - 1) / r for |r| <= ln(2) / 2.
 * Relative error below 2^(-55.5). */
static const double func_expm1[] = {
    0x1p0,
    0x1.0000000000005p-1,
    0x1.555555555554p-3,
    0x1.5555555552116p-5,
    0x1.11111111173c7p-7,
    0x1.6c16c17f2c08ap-10,
    0x1.a01a017eed02fp-13,
    0x1.a019a6aab8ae4p-16,
    0x1.71de715de4f8cp-19,
    0x1.28a28659d34bep-22,
    0x1.ae905594899dp-26,
};

/* sin(r) / r in z = r^2 for |r| <= pi / 4.
 * Relative error below 2^(-57.75). */
static const double func_sin[] = {
    0x1p0,
    -0x1.5555555555548p-3,
    0x1.111111110f75cp-7,
    -0x1.a01a019bf1fc3p-13,
    0x1.71de355ee4e9ap-19,
    -0x1.ae5e545b59238p-26,
    0x1.5d8e2f83b7d0fp-33,
};

/* cos(r) in z = r^2 for |r| <= pi / 4.
 * Relative error below 2^(-63.75). */
static const double func_cos[] = {
    0x1p0,
    -0x1p-1,
    0x1.555555555554ap-5,
    -0x1.6c16c16c14e48p-10,
    0x1.a01a019c684d7p-16,
    -0x1.27e4f7d8b8251p-22,
    0x1.1ee9cc9277b5bp-29,
    -0x1.8f9f4d028e4bfp-37,
};

/* 2 atanh(s) / s in z = s^2 for s = (m - 1) / (m + 1), sqrt(1/2) <= m <= sqrt(2).
 * Relative error below 2^(-66.5). */
static const double func_log[] = {
    0x1p1,
    0x1.5555555555555p-1,
    0x1.9999999999d0bp-2,
    0x1.249249243a1b3p-2,
    0x1.c71c724aa56c7p-3,
    0x1.745ce204d4759p-3,
    0x1.3b201a8fde269p-3,
    0x1.0f681b36d509ep-3,
    0x1.0f068789dc776p-3,
};

/* erf(t) / t on [i, i + 1] in h = t - i - 0.5, i = 0 ... 3: func_erf[power][i].
 * Relative error below 2^(-53.75). */
enum { FUNC_ERF_TERMS = 17 };
static const double func_erf[FUNC_ERF_TERMS][4] = {
    {0x1.0a7ef5c18edd2p0, 0x1.49c38e4b7a74p-1, 0x1.996eed90a1655p-2, 0x1.24923ae50c3a4p-2},
    {-0x1.4c3884e5e2e41p-2, -0x1.667ed552b8384p-2, -0x1.45c31f820185p-3, -0x1.4e5c5c0d426e6p-4},
    {-0x1.d6dd158f08652p-3, 0x1.d4d9711bbe3d1p-4, 0x1.f76000f8a0201p-5, 0x1.7e09c39c97cb4p-6},
    {0x1.55cfc81133dc9p-3, 0x1.0946e10475b14p-6, -0x1.5bfa13d2d1a6fp-6, -0x1.b3d2b39abdb7ap-8},
    {0x1.0915aeb69ee99p-5, -0x1.4bfeaee1e4ba5p-5, 0x1.4abb8b53a9134p-8, 0x1.ed02f45eeaf8ep-10},
    {-0x1.9a2fb0036f16ap-5, 0x1.1847c30b1785p-6, 0x1.c11cfadb9f766p-12, -0x1.0d6b8e812152dp-11},
    {0x1.f3a6ed59bed37p-15, 0x1.83d62c0bac30ep-10, -0x1.525ab22883768p-10, 0x1.05534ff56269ep-13},
    {0x1.5e55134c04fbdp-7, -0x1.0fddd99d78f1bp-8, 0x1.806f5f6a21cf1p-11, -0x1.3e5e710c79e04p-16},
    {-0x1.517cb8600b5adp-10, 0x1.3811db536c5bcp-10, -0x1.8c6e20b08f24fp-13, -0x1.250795c76d75ap-18},
    {-0x1.cd5f7f8bac233p-10, 0x1.6b1115e7591cap-12, -0x1.9b0e5af7b583ap-16, 0x1.79acbbe79124fp-18},
    {0x1.8f83937a9b012p-12, -0x1.32fed78bdc78bp-12, 0x1.5aa0cb914720ap-15, -0x1.89da30fe9d0ecp-19},
    {0x1.e7efc251252eap-13, 0x1.ac62b71296355p-16, -0x1.e5b85607c066ep-17, 0x1.032714845bb76p-20},
    {-0x1.30ab2d660bfccp-14, 0x1.239f679073fdp-15, 0x1.4eeea823ca9e7p-23, -0x1.3b9bbd40437aap-23},
    {-0x1.a557c9f4ba98ep-16, -0x1.759554e7401a5p-17, 0x1.e920575c438d6p-20, -0x1.79fbfb7450cecp-25},
    {0x1.670f5568153a6p-17, -0x1.04a2bcd078cf7p-19, -0x1.5c755728929dcp-21, 0x1.2618d11469c26p-25},
    {0x1.15b3e5040a33dp-19, 0x1.97e81d9cbe02ap-20, -0x1.10a5f8a874b2bp-26, -0x1.974c0add0891cp-27},
    {-0x1.3dfdf5b2026c2p-20, -0x1.10914c0ee8b06p-24, 0x1.18ad7e495139cp-24, 0x1.6f9eaa9d71bb4p-28},
};

/* 2 / pi in binary, 32 bits a word: word i has weights 2^(-32i-1) ... 2^(-32i-32). */
static const uint32_t func_2_pi_bits[] = {
    2734261102u,
    1313084713u,
    4230436817u,
    4113882560u,
    3680671129u,
    1011060801u,
    4266746795u,
    3736847713u,
};

#endif
