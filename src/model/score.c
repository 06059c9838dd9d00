/* score.c - log-likelihoods and divergences of rows of logits, shared out by rows. */
#include "model/score.h"

#include "base/fail.h"
#include "base/team.h"
#include "math/functions.h"
#include "math/kernels.h"

#include <math.h>

struct rows {
    struct score *out;
    const float *const *logits;
    const int32_t *ids;
    int64_t n_rows, n_vocab;
    int n_models;
    int64_t bad; /* a row with a logit that is not finite, or -1 */
};

static bool finite_row(const float *x, int64_t n) {
    int bad = 0;
    for (int64_t i = 0; i < n; i++) bad |= !(fabsf(x[i]) < INFINITY);
    return !bad;
}

static int32_t first_of(const float *x, float value) {
    int32_t i = 0;
    while (x[i] != value) i++;
    return i;
}

static bool score_row(const struct rows *r, int64_t t) {
    const struct math_kernels *k = math_kernels();
    struct score *s = &r->out[t];
    double log_z[2], level[2], sums[2]; /* level: what ln p lies below the logit */
    s->kl = 0;
    for (int m = 0; m < r->n_models; m++) {
        const float *x = r->logits[m] + t * r->n_vocab;
        const float *other = m == 1 ? r->logits[0] + t * r->n_vocab : NULL;
        if (!finite_row(x, r->n_vocab)) return false;
        float most = k->max_f32(x, r->n_vocab);
        k->exp_sums_f64(sums, x, other, most, r->n_vocab);
        log_z[m] = math_log_f64(sums[0]);
        level[m] = (double)most + log_z[m];
        s->logprob[m] = ((double)x[r->ids[t]] - (double)most) - log_z[m];
        s->best[m] = first_of(x, most);
    }
    if (r->n_models == 1) return true;
    double kl = sums[1] / sums[0] + (level[0] - level[1]);
    s->kl = kl > 0 ? kl : 0; /* rounding alone takes it below */
    return true;
}

static void score_share(void *context, const struct member *me) {
    struct rows *r = context;
    int64_t begin, end;
    while (team_queue_next(me, r->n_rows, 1, &begin, &end))
        if (!score_row(r, begin)) r->bad = begin;
}

glass_status score_rows(struct score *out, const float *const *logits, int n_models,
                        const int32_t *ids, int64_t n_rows, int64_t n_vocab,
                        int n_threads) {
    struct rows rows = {out, logits, ids, n_rows, n_vocab, n_models, -1};
    team_run(n_threads, score_share, &rows);
    if (rows.bad < 0) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "the model gives logits that are not finite numbers: its "
                                 "weights are damaged");
}

int64_t score_block(int64_t n_vocab, int64_t n_ctx) {
    const int64_t bytes = 64 << 20, least = 16, most = 512;
    int64_t rows = bytes / (n_vocab * (int64_t)sizeof(float));
    rows = rows < least ? least : rows > most ? most : rows;
    return rows < n_ctx ? rows : n_ctx;
}

void moments_add(struct moments *m, double x) {
    m->sum = m->sum + x;
    m->squares = m->squares + x * x;
}

double moments_mean(const struct moments *m, int64_t n) {
    return n > 0 ? m->sum / (double)n : 0;
}

double moments_error(const struct moments *m, int64_t n) {
    double mean = moments_mean(m, n);
    if (n < 2) return 0;
    double variance = m->squares / (double)n - mean * mean;
    return variance > 0 ? sqrt(variance / (double)(n - 1)) : 0;
}
