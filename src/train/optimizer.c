/* optimizer.c - see optimizer.h. */
#include "train/optimizer.h"

#include "math/kernels.h"

#include <math.h>
#include <string.h>

void optimizer_start(struct optimizer *o, const struct params *params, int64_t begin,
                     int64_t end, float *const moments[2]) {
    *o = (struct optimizer){.params = params,
                            .begin = begin,
                            .end = end,
                            .moments = {moments[0], moments[1]},
                            .powers = {1, 1}};
    for (int i = 0; i < 2; i++)
        memset(moments[i], 0, (size_t)(end - begin) * sizeof(float));
}

bool optimizer_whole(const struct param *p) {
    (void)p; /* AdamW is elementwise */
    return false;
}

/* The nearest allowed end of a part at or after a place in the blocks. */
static int64_t allowed(const struct params *params, int64_t at) {
    at = (at + 15) / 16 * 16;
    for (int64_t i = 0; i < params->n_list; i++) {
        const struct param *p = &params->list[i];
        int64_t begin = p->w - params->values, end = begin + (p->n * p->k + 15) / 16 * 16;
        if (begin < at && at < end && optimizer_whole(p)) return end;
    }
    return at < params->n_floats ? at : params->n_floats;
}

void optimizer_cut(const struct params *params, int64_t i, int64_t n, int64_t *begin,
                   int64_t *end) {
    int64_t share = params->n_floats / n, rest = params->n_floats % n;
    *begin = i == 0 ? 0 : allowed(params, share * i + rest * i / n);
    *end = i + 1 == n ? params->n_floats
                      : allowed(params, share * (i + 1) + rest * (i + 1) / n);
}

float optimizer_clip(const struct optimizer_options *options, float norm) {
    float most = (float)options->clip;
    return options->clip > 0 && norm > most ? most / norm : 1;
}

/* ---- AdamW ---- */

struct step_task {
    struct optimizer *o;
    const float *gradient;
    struct adamw_step matrix, vector; /* which decay, which don't */
};

static void run_adamw(void *context, const struct member *me) {
    const struct step_task *s = context;
    const struct optimizer *o = s->o;
    for (int64_t i = 0; i < o->params->n_list; i++) {
        const struct param *p = &o->params->list[i];
        int64_t place = p->w - o->params->values, n = p->n * p->k, begin, end;
        /* What of it is in the part; then the member's share of that. */
        int64_t first = place > o->begin ? 0 : o->begin - place;
        int64_t last = place + n < o->end ? n : o->end - place;
        if (first >= last) continue;
        team_share(me, last - first, 16, &begin, &end);
        int64_t at = place - o->begin + first + begin;
        math_kernels()->adamw_f32(p->w + first + begin, o->moments[0] + at,
                                  o->moments[1] + at, s->gradient + at, end - begin,
                                  p->n > 1 ? &s->matrix : &s->vector);
    }
}

/* Correction of the moments: 1 - beta^t. */
static struct adamw_step step_numbers(const struct optimizer *o,
                                      const struct optimizer_options *n, double decay,
                                      float factor) {
    double power1 = o->powers[0] * n->beta1, power2 = o->powers[1] * n->beta2;
    return (struct adamw_step){.beta2 = (float)n->beta2,
                               .rest1 = (float)(1 - n->beta1),
                               .rest2 = (float)(1 - n->beta2),
                               .rate = (float)(n->rate / (1 - power1)),
                               .root = (float)(1 / sqrt(1 - power2)),
                               .eps = (float)n->eps,
                               .keep = (float)(1 - n->rate * decay),
                               .gradient = factor};
}

void optimizer_step(struct optimizer *o, const struct optimizer_options *options,
                    const float *gradient, float factor, int n_threads) {
    struct step_task task = {.o = o, .gradient = gradient};
    task.matrix = step_numbers(o, options, options->decay, factor);
    task.vector = step_numbers(o, options, 0, factor);
    team_run(n_threads, run_adamw, &task);
    o->powers[0] *= options->beta1;
    o->powers[1] *= options->beta2;
    o->n_steps++;
}
