/* compose.c - softplus, soft caps and xIELU, as compositions. */
#include "math/compose.h"

#include "math/functions.h"
#include "math/kernels.h"

float math_softplus_f32(float x) {
    float u = math_exp_f32(x > 0 ? -x : x), w = 1.0F + u, d = w - 1.0F;
    float above = d == 0 ? u : math_log_f32(w) * u / d;
    return (x > 0 ? x : 0) + above;
}

void math_softcap_f32(float *y, const float *x, int64_t n, float cap) {
    const struct math_kernels *k = math_kernels();
    k->divide_f32(y, x, cap, n);
    k->tanh_f32(y, y, n);
    k->scale_f32(y, y, cap, n);
}

void math_xielu_f32(float *y, const float *x, int64_t n, const struct xielu *p) {
    enum { RUN = 512 };
    const struct math_kernels *k = math_kernels();
    float t[RUN];
    for (int64_t first = 0; first < n; first += RUN, x += RUN, y += RUN) {
        int64_t m = n - first < RUN ? n - first : RUN;
        for (int64_t i = 0; i < m; i++) t[i] = 0.5F * (x[i] < p->eps ? x[i] : p->eps);
        k->tanh_f32(t, t, m);
        for (int64_t i = 0; i < m; i++) {
            float v = x[i], slope = p->beta * v, e = (t[i] + t[i]) / (1.0F - t[i]);
            float right = p->right * v * v + slope, left = (e - v) * p->left + slope;
            y[i] = v > 0 ? right : left;
        }
    }
}

void math_xielu_back_f32(float *dx, const float *dy, const float *x, int64_t n,
                         const struct xielu *p) {
    enum { RUN = 512 };
    const struct math_kernels *k = math_kernels();
    float t[RUN], twice = p->right + p->right, between = p->beta - p->left;
    for (int64_t first = 0; first < n; first += RUN, x += RUN, dx += RUN, dy += RUN) {
        int64_t m = n - first < RUN ? n - first : RUN;
        for (int64_t i = 0; i < m; i++) t[i] = 0.5F * (x[i] < p->eps ? x[i] : p->eps);
        k->tanh_f32(t, t, m);
        for (int64_t i = 0; i < m; i++) {
            float v = x[i], e = (t[i] + t[i]) / (1.0F - t[i]);
            float right = twice * v + p->beta, left = e * p->left + p->beta;
            dx[i] = dy[i] * (v > 0 ? right : v < p->eps ? left : between);
        }
    }
}
