/* functions.h - correctly rounded binary32 functions (arithmetic.md, "Functions").
 *
 * Every result is the real function's value at the argument, rounded once to nearest even;
 * NaN for NaN and outside the domain. No libm is involved beyond fma, which IEEE defines. */
#ifndef MATH_FUNCTIONS_H
#define MATH_FUNCTIONS_H

float math_exp_f32(float x);
float math_log_f32(float x);
float math_tanh_f32(float x);
float math_erf_f32(float x);
float math_sin_f32(float x);
float math_cos_f32(float x);
/* x > 0 and finite, y finite; anything else gives NaN. Rounded from a value with 90 correct
 * bits: correct but for arguments whose power lies within 2^-90 of a rounding boundary. */
float math_pow_f32(float x, float y);

#endif
