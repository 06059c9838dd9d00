/* predict.c - see predict.h. */
#include "inspect/predict.h"

#include "base/fail.h"
#include "base/team.h"
#include "math/functions.h"
#include "math/kernels.h"

#include <math.h>

struct job {
    const struct predict *p;
    bool bad[1024]; /* by member */
};

static bool finite_row(const float *x, int64_t n) {
    int bad = 0;
    for (int64_t i = 0; i < n; i++) bad |= !(fabsf(x[i]) < INFINITY);
    return !bad;
}

static int64_t rank_of(const float *x, int64_t n, int32_t id) {
    int64_t rank = 1;
    for (int64_t i = 0; i < n; i++) rank += x[i] > x[id] || (x[i] == x[id] && i < id);
    return rank;
}

static int32_t first_of(const float *x, float value) {
    int32_t i = 0;
    while (x[i] != value) i++;
    return i;
}

/* The n likeliest by their logits, which stand in logprob for now. */
static void pick_top(glass_choice *top, int64_t n_top, const float *x, int64_t n) {
    int64_t have = 0;
    for (int64_t i = 0; i < n; i++) {
        if (have == n_top && (double)x[i] <= top[have - 1].logprob) continue;
        int64_t at = have < n_top ? have++ : have - 1;
        for (; at > 0 && top[at - 1].logprob < (double)x[i]; at--) top[at] = top[at - 1];
        top[at] = (glass_choice){(int32_t)i, (double)x[i]};
    }
}

/* ln p of a logit, as model/score.h has it. */
struct level {
    double most, log_z;
};

static double logprob_of(struct level l, double logit) {
    return (logit - l.most) - l.log_z;
}

static bool predict_row(const struct predict *p, int64_t row) {
    const struct math_kernels *k = math_kernels();
    glass_prediction *out = &p->out[row * p->stride];
    const float *x = p->logits + row * p->n_vocab, *last = p->last + row * p->n_vocab;
    glass_choice *top = (glass_choice *)(uintptr_t)out->top;
    double sums[2];
    if (!finite_row(x, p->n_vocab) || !finite_row(last, p->n_vocab)) return false;
    float most = k->max_f32(x, p->n_vocab);
    k->exp_sums_f64(sums, x, p->zeros, most, p->n_vocab);
    struct level level = {(double)most, math_log_f64(sums[0])};
    double entropy = (level.most + level.log_z) - sums[1] / sums[0];
    out->entropy = entropy > 0 ? entropy : 0;
    out->answer = first_of(last, k->max_f32(last, p->n_vocab));
    out->answer_logprob = logprob_of(level, (double)x[out->answer]);
    out->answer_rank = rank_of(x, p->n_vocab, out->answer);
    if (out->id >= 0) {
        out->logprob = logprob_of(level, (double)x[out->id]);
        out->rank = rank_of(x, p->n_vocab, out->id);
    }
    pick_top(top, p->n_top, x, p->n_vocab);
    for (int64_t i = 0; i < p->n_top; i++)
        top[i].logprob = logprob_of(level, top[i].logprob);
    if (last == x) return true;
    float last_most = k->max_f32(last, p->n_vocab);
    k->exp_sums_f64(sums, last, x, last_most, p->n_vocab);
    double kl = sums[1] / sums[0] +
                ((level.most + level.log_z) - ((double)last_most + math_log_f64(sums[0])));
    out->kl = kl > 0 ? kl : 0;
    return true;
}

static void predict_share(void *context, const struct member *me) {
    struct job *job = context;
    int64_t begin, end;
    while (team_queue_next(me, job->p->n_rows, 1, &begin, &end))
        if (!predict_row(job->p, begin)) job->bad[me->i] = true;
}

glass_status predict_rows(const struct predict *p, int n_threads) {
    struct job job = {.p = p};
    team_run(n_threads, predict_share, &job);
    for (int i = 0; i < n_threads; i++)
        if (job.bad[i])
            return fail(GLASS_BAD_INPUT, "the model gives logits that are not finite "
                                         "numbers: its weights are damaged");
    return GLASS_OK;
}
