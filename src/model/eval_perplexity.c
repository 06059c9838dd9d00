/* eval_perplexity.c - the perplexity of a text. */
#include "base/fail.h"
#include "math/functions.h"
#include "model/score.h"

struct perplexity {
    struct score_job job;
    const glass_eval_options *options;
    struct moments nll;
    int64_t n;
};

static void add(void *context, const struct score *scores, int64_t n) {
    struct perplexity *p = context;
    for (int64_t i = 0; i < n; i++) moments_add(&p->nll, -scores[i].logprob[0]);
    p->n += n;
}

static glass_status window(void *context, int64_t done, int64_t n) {
    const struct perplexity *p = context;
    glass_eval_progress so_far = {
        .done = done,
        .n_windows = n,
        .perplexity = perplexity_of(moments_mean(&p->nll, p->n)),
    };
    if (p->options->progress == NULL || p->options->progress(p->options->context, &so_far))
        return GLASS_OK;
    return fail(GLASS_CANCELLED, "stopped after %lld of %lld windows", (long long)done,
                (long long)n);
}

double perplexity_of(double nll) {
    return math_exp_f64(nll < 700 ? nll : 700);
}

void perplexity_fill(glass_perplexity *out, const struct score_job *job,
                     const struct moments *nll, int64_t n_scored) {
    const double log2_e = 0x1.71547652b82fep0;
    *out = (glass_perplexity){.nll = moments_mean(nll, n_scored),
                              .nll_error = moments_error(nll, n_scored),
                              .n_windows = job->n_windows,
                              .n_ctx = job->n_ctx,
                              .n_tokens = job->n_tokens,
                              .n_scored = n_scored,
                              .n_bytes = job->n_bytes};
    out->perplexity = perplexity_of(out->nll);
    out->perplexity_error = out->nll_error * out->perplexity;
    if (job->n_bytes > 0) out->bits_per_byte = nll->sum * log2_e / (double)job->n_bytes;
}

glass_status glass_eval_perplexity(glass_perplexity *out, const glass_model *model,
                                   const char *text, size_t n_bytes,
                                   const glass_eval_options *options) {
    const glass_eval_options usual = {0};
    struct perplexity p = {.options = options != NULL ? options : &usual};
    *out = (glass_perplexity){0};
    p.job = (struct score_job){.models = {model},
                               .n_models = 1,
                               .options = p.options,
                               .add = add,
                               .window = window,
                               .context = &p};
    TRY(score_text(&p.job, text, n_bytes));
    perplexity_fill(out, &p.job, &p.nll, p.n);
    return GLASS_OK;
}
