/* vec_c.c - the definition of functions over vectors, norms, softmax and rotation. Every
 * statement is one rounding; sums go through sixteen lanes (arithmetic.md, "Sums"). */
#include "math/dispatch.h"
#include "math/functions.h"

#include <math.h>

static void exp_f32_c(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = math_exp_f32(x[i]);
}

static void log_f32_c(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = math_log_f32(x[i]);
}

static void tanh_f32_c(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = math_tanh_f32(x[i]);
}

static void erf_f32_c(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = math_erf_f32(x[i]);
}

static void sin_f32_c(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = math_sin_f32(x[i]);
}

static void cos_f32_c(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = math_cos_f32(x[i]);
}

/* x / (1 + e^-x) */
static void silu_f32_c(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float below = 1.0F + math_exp_f32(-x[i]);
        y[i] = x[i] / below;
    }
}

static void silu_mul_f32_c(float *y, const float *x, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float below = 1.0F + math_exp_f32(-x[i]), silu = x[i] / below;
        y[i] = silu * b[i];
    }
}

/* u = sqrt(2/pi) * fma(0.044715 * (x*x), x, x); (0.5 * x) * (1 + tanh u) */
static void gelu_tanh_f32_c(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float square = x[i] * x[i];
        float u = 0x1.988454p-1F * fmaf(0x1.6e4e26p-5F * square, x[i], x[i]);
        float factor = 1.0F + math_tanh_f32(u);
        y[i] = 0.5F * x[i] * factor;
    }
}

/* (0.5 * x) * (1 + erf(x * (1/sqrt 2))) */
static void gelu_erf_f32_c(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float factor = 1.0F + math_erf_f32(x[i] * 0x1.6a09e6p-1F);
        y[i] = 0.5F * x[i] * factor;
    }
}

static void relu_f32_c(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

static void add_f32_c(float *y, const float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

static void mul_f32_c(float *y, const float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

static void scale_f32_c(float *y, const float *x, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * factor;
}

static void divide_f32_c(float *y, const float *x, float divisor, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i] / divisor;
}

static void mix_f32_c(float *o, const float *p, const float *v, int64_t n_keys,
                      int64_t hd) {
    for (int64_t d = 0; d < hd; d++) o[d] = 0;
    for (int64_t j = 0; j < n_keys; j++)
        for (int64_t d = 0; d < hd; d++) o[d] = fmaf(p[j], v[j * hd + d], o[d]);
}

static float max_f32_c(const float *x, int64_t n) {
    float most = -INFINITY;
    for (int64_t i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
    return most + 0.0F; /* -0 becomes +0: which zero came first does not matter */
}

static float lanes_sum(float lane[16]) {
    for (int width = 8; width > 0; width /= 2)
        for (int l = 0; l < width; l++) lane[l] = lane[l] + lane[l + width];
    return lane[0];
}

static float sum16_f32_c(const float *x, int64_t n) {
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++) lane[i % 16] = lane[i % 16] + x[i];
    return lanes_sum(lane);
}

static float sumsq16_f32_c(const float *x, int64_t n) {
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++) lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);
    return lanes_sum(lane);
}

static void rmsnorm_f32_c(float *y, const float *x, const float *w, int64_t n, float eps) {
    float mean = sumsq16_f32_c(x, n) / (float)n;
    float r = 1.0F / sqrtf(mean + eps);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * r * w[i];
}

static void layernorm_f32_c(float *y, const float *x, const float *w, const float *b,
                            int64_t n, float eps) {
    float mean = sum16_f32_c(x, n) / (float)n;
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++) {
        float d = x[i] - mean;
        lane[i % 16] = fmaf(d, d, lane[i % 16]);
    }
    float variance = lanes_sum(lane) / (float)n;
    float r = 1.0F / sqrtf(variance + eps);
    for (int64_t i = 0; i < n; i++) {
        float d = (x[i] - mean) * r;
        y[i] = b == NULL ? d * w[i] : fmaf(d, w[i], b[i]);
    }
}

static float softmax_exp_f32_c(float *p, const float *s, float max, int64_t begin,
                               int64_t end) {
    float lane[16] = {0};
    for (int64_t j = begin; j < end; j++) {
        p[j] = math_exp_f32(s[j] - max);
        lane[j % 16] = lane[j % 16] + p[j];
    }
    return lanes_sum(lane);
}

static double lanes_sum_f64(double lane[16]) {
    for (int width = 8; width > 0; width /= 2)
        for (int l = 0; l < width; l++) lane[l] = lane[l] + lane[l + width];
    return lane[0];
}

static void exp_sums_f64_c(double sums[2], const float *x, const float *y, float max,
                           int64_t n) {
    double e_lane[16] = {0}, d_lane[16] = {0};
    for (int64_t i = 0; i < n; i++) {
        double below = (double)x[i] - (double)max;
        double e = math_exp_f64(below < -708 ? -708 : below);
        e_lane[i % 16] = e_lane[i % 16] + e;
        if (y != NULL) d_lane[i % 16] = fma(e, (double)x[i] - (double)y[i], d_lane[i % 16]);
    }
    sums[0] = lanes_sum_f64(e_lane);
    sums[1] = lanes_sum_f64(d_lane);
}

static void rotate(float *a, float *b, float c, float s) {
    float x0 = *a, x1 = *b, left = x1 * s, right = x0 * s;
    *a = fmaf(x0, c, -left);
    *b = fmaf(x1, c, right);
}

static void rope_half_f32_c(float *x, const float *cosines, const float *sines,
                            int64_t n_heads, int64_t head_dim, int64_t n_rot) {
    for (int64_t h = 0; h < n_heads; h++, x += head_dim)
        for (int64_t i = 0; i < n_rot / 2; i++)
            rotate(&x[i], &x[i + n_rot / 2], cosines[i], sines[i]);
}

static void rope_pairs_f32_c(float *x, const float *cosines, const float *sines,
                             int64_t n_heads, int64_t head_dim, int64_t n_rot) {
    for (int64_t h = 0; h < n_heads; h++, x += head_dim)
        for (int64_t i = 0; i < n_rot / 2; i++)
            rotate(&x[2 * i], &x[2 * i + 1], cosines[i], sines[i]);
}

void vec_fill_c(struct math_kernels *k) {
    k->exp_f32 = exp_f32_c;
    k->log_f32 = log_f32_c;
    k->tanh_f32 = tanh_f32_c;
    k->erf_f32 = erf_f32_c;
    k->sin_f32 = sin_f32_c;
    k->cos_f32 = cos_f32_c;
    k->silu_f32 = silu_f32_c;
    k->silu_mul_f32 = silu_mul_f32_c;
    k->gelu_tanh_f32 = gelu_tanh_f32_c;
    k->gelu_erf_f32 = gelu_erf_f32_c;
    k->relu_f32 = relu_f32_c;
    k->add_f32 = add_f32_c;
    k->mul_f32 = mul_f32_c;
    k->scale_f32 = scale_f32_c;
    k->divide_f32 = divide_f32_c;
    k->mix_f32 = mix_f32_c;
    k->max_f32 = max_f32_c;
    k->sum16_f32 = sum16_f32_c;
    k->sumsq16_f32 = sumsq16_f32_c;
    k->rmsnorm_f32 = rmsnorm_f32_c;
    k->layernorm_f32 = layernorm_f32_c;
    k->softmax_exp_f32 = softmax_exp_f32_c;
    k->exp_sums_f64 = exp_sums_f64_c;
    k->rope_half_f32 = rope_half_f32_c;
    k->rope_pairs_f32 = rope_pairs_f32_c;
}
