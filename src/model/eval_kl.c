/* eval_kl.c - two models side by side on a text: divergence, agreement, ratio of
 * perplexities. Formulas and percentiles as llama-perplexity --kl-divergence has them. */
#include "base/mem.h"
#include "math/functions.h"
#include "model/score.h"

#include <math.h>
#include <stdlib.h>

enum { Q, P }; /* the model, and the base it is compared with */

struct divergence {
    struct score_job job;
    const glass_eval_options *options;
    struct moments nll[2], kl, dp, dp_squared;
    double nll_product;
    int64_t n, n_same, cap;
    double *kls, *dps; /* (cap) */
    bool no_memory;
};

static bool reserve(struct divergence *d, int64_t n) {
    if (d->no_memory) return false;
    if (d->n + n <= d->cap) return true;
    int64_t cap = 2 * d->cap + n;
    d->no_memory = mem_resize(&d->kls, (size_t)cap, sizeof *d->kls) != GLASS_OK ||
                   mem_resize(&d->dps, (size_t)cap, sizeof *d->dps) != GLASS_OK;
    if (!d->no_memory) d->cap = cap;
    return !d->no_memory;
}

static void add(void *context, const struct score *scores, int64_t n) {
    struct divergence *d = context;
    if (!reserve(d, n)) return;
    for (int64_t i = 0; i < n; i++) {
        const struct score *s = &scores[i];
        double dp = math_exp_f64(fmax(s->logprob[Q], -708)) -
                    math_exp_f64(fmax(s->logprob[P], -708));
        moments_add(&d->nll[Q], -s->logprob[Q]);
        moments_add(&d->nll[P], -s->logprob[P]);
        d->nll_product = d->nll_product + s->logprob[Q] * s->logprob[P];
        moments_add(&d->kl, s->kl);
        moments_add(&d->dp, dp);
        moments_add(&d->dp_squared, dp * dp);
        d->n_same += s->best[Q] == s->best[P];
        d->kls[d->n] = s->kl;
        d->dps[d->n++] = dp;
    }
}

static glass_status window(void *context, int64_t done, int64_t n) {
    const struct divergence *d = context;
    if (d->no_memory) return GLASS_NO_MEMORY;
    glass_eval_progress so_far = {
        .done = done,
        .n_windows = n,
        .perplexity = perplexity_of(moments_mean(&d->nll[Q], d->n)),
        .base_perplexity = perplexity_of(moments_mean(&d->nll[P], d->n)),
        .kl = moments_mean(&d->kl, d->n)};
    if (d->options->progress == NULL || d->options->progress(d->options->context, &so_far))
        return GLASS_OK;
    return fail(GLASS_CANCELLED, "stopped after %lld of %lld windows", (long long)done,
                (long long)n);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, int64_t n, double f) {
    double at = f * (double)(n - 1), low = floor(at), part = at - low;
    int64_t i = (int64_t)low, next = i + 1 < n ? i + 1 : i;
    return (1 - part) * sorted[i] + part * sorted[next];
}

static void fill_kl(glass_divergence *out, struct divergence *d) {
    int64_t n = d->n;
    out->kl = moments_mean(&d->kl, n);
    out->kl_error = moments_error(&d->kl, n);
    qsort(d->kls, (size_t)n, sizeof *d->kls, ascending);
    out->kl_median = percentile(d->kls, n, 0.5);
    out->kl_90 = percentile(d->kls, n, 0.90);
    out->kl_95 = percentile(d->kls, n, 0.95);
    out->kl_99 = percentile(d->kls, n, 0.99);
    out->kl_999 = percentile(d->kls, n, 0.999);
    out->kl_max = d->kls[n - 1];
}

static void fill_dp(glass_divergence *out, struct divergence *d) {
    int64_t n = d->n;
    out->dp = moments_mean(&d->dp, n);
    out->dp_error = moments_error(&d->dp, n);
    out->dp_rms = sqrt(moments_mean(&d->dp_squared, n));
    if (out->dp_rms > 0)
        out->dp_rms_error = 0.5 / out->dp_rms * moments_error(&d->dp_squared, n);
    qsort(d->dps, (size_t)n, sizeof *d->dps, ascending);
    out->dp_min = d->dps[0];
    out->dp_1 = percentile(d->dps, n, 0.01);
    out->dp_5 = percentile(d->dps, n, 0.05);
    out->dp_median = percentile(d->dps, n, 0.5);
    out->dp_95 = percentile(d->dps, n, 0.95);
    out->dp_99 = percentile(d->dps, n, 0.99);
    out->dp_max = d->dps[n - 1];
}

static void fill(glass_divergence *out, struct divergence *d) {
    int64_t n = d->n;
    perplexity_fill(&out->model, &d->job, &d->nll[Q], n);
    perplexity_fill(&out->base, &d->job, &d->nll[P], n);
    fill_kl(out, d);
    fill_dp(out, d);
    out->same_top = (double)d->n_same / (double)n;
    double a = out->model.nll_error, b = out->base.nll_error, covariance = 0;
    if (n > 1) {
        out->same_top_error = sqrt(out->same_top * (1 - out->same_top) / (double)(n - 1));
        covariance = d->nll_product / (double)n - out->model.nll * out->base.nll;
        covariance = covariance / (double)(n - 1);
    }
    double variance = a * a + b * b - 2 * covariance;
    out->ln_ratio = out->model.nll - out->base.nll;
    out->ln_ratio_error = variance > 0 ? sqrt(variance) : 0;
    out->ratio = math_exp_f64(fmin(fmax(out->ln_ratio, -700), 700));
    out->ratio_error = out->ratio * out->ln_ratio_error;
    out->correlation = a > 0 && b > 0 ? covariance / (a * b) : 0;
}

glass_status glass_eval_kl(glass_divergence *out, const glass_model *model,
                           const glass_model *base, const char *text, size_t n_bytes,
                           const glass_eval_options *options) {
    const glass_eval_options usual = {0};
    struct divergence d = {.options = options != NULL ? options : &usual};
    *out = (glass_divergence){0};
    d.job = (struct score_job){.models = {[Q] = model, [P] = base},
                               .n_models = 2,
                               .options = d.options,
                               .add = add,
                               .window = window,
                               .context = &d};
    glass_status status = score_text(&d.job, text, n_bytes);
    if (status == GLASS_OK) fill(out, &d);
    mem_free(d.kls);
    mem_free(d.dps);
    return status;
}
