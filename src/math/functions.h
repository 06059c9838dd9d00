/* functions.h - correctly rounded binary32 functions, one value at a time.
 *
 * The result is the exact real value of the function of x, rounded once to nearest even
 * (subnormal results too): anyone's correctly rounded implementation gives these bits. NaN
 * gives NaN; limits at infinities, poles and domain errors are those of C's Annex F. No
 * libm besides fma and sqrt, which are exact operations of IEEE 754; errno and the
 * floating-point flags are not part of the contract. Arrays are faster through the rows of
 * list_vec.def, which give the same bits. Safe from any thread. */
#ifndef MATH_FUNCTIONS_H
#define MATH_FUNCTIONS_H

float math_exp_f32(float x);
float math_log_f32(float x);
float math_tanh_f32(float x);
float math_erf_f32(float x);
float math_sin_f32(float x); /* radians, any size */
float math_cos_f32(float x);
/* x^y. Exact powers and exact ties are recognised; otherwise the value is computed with a
 * relative error below 2^-94, and no proof shows that every binary32 power is farther than
 * that from a tie (such a one is expected with odds of about 1 in 100 over all 2^64 pairs).
 */
float math_pow_f32(float x, float y);

/* The binary64 values behind exp and log, before they are rounded to binary32: not correctly
 * rounded, but within 2^-51 of the value, and the same bits everywhere, since each step is
 * one IEEE operation. x: -708 to 708 for exp; positive, finite and normal for log. */
double math_exp_f64(double x);
double math_log_f64(double x);

#endif
