/* compose.h - functions composed of correctly rounded ones, where no model is so hot that they
 * want kernels of their own. The bits are those of the steps given here, one rounding each;
 * arrays go through the kernels of list_vec.def. y and x may be the same array. */
#ifndef MATH_COMPOSE_H
#define MATH_COMPOSE_H

#include <stdint.h>

/* log(1 + exp(x)): u = exp(-|x|), w = 1 + u; max(x, 0) + (w == 1 ? u : log(w) * u / (w - 1)),
 * where w - 1 is exact and the quotient makes up for what 1 + u rounded away. */
float math_softplus_f32(float x);

/* y = tanh(x / cap) * cap. */
void math_softcap_f32(float *y, const float *x, int64_t n, float cap);

/* xIELU (Huang and Schlag 2024): a parabola to the right of 0, an exponential to the left, both
 * with slope beta there. */
struct xielu {
    float right, left, beta; /* left includes beta */
    float eps;               /* <= 0: x is at most this where the exponential is taken */
};

/* x > 0: y = right * x * x + beta * x; else t = tanh(0.5 * min(x, eps)), e = (t + t) / (1 - t),
 * which is exp(min(x, eps)) - 1 without its cancellation, y = (e - x) * left + beta * x. */
void math_xielu_f32(float *y, const float *x, int64_t n, const struct xielu *p);
/* dx = dy times its slope at x: x > 0: (right + right) x + beta; x < eps: e * left + beta, e as
 * above; between them beta - left. dx may be dy or x. */
void math_xielu_back_f32(float *dx, const float *dy, const float *x, int64_t n,
                         const struct xielu *p);

#endif
