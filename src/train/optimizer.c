/* optimizer.c - see optimizer.h. */
#include "train/optimizer.h"

#include "math/kernels.h"
#include "train/optimizer_muon.h"

#include <math.h>
#include <string.h>

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void optimizer_choose(struct params *params, enum optimizer_kind kind) {
    for (int64_t i = 0; i < params->n_list; i++) {
        struct param *p = &params->list[i];
        p->muon = kind == OPTIMIZER_MUON && p->role == PARAM_MATRIX;
    }
}

/* The largest matrix, and two squares of the largest smaller side. */
int64_t optimizer_work_floats(const struct config *c, enum optimizer_kind kind) {
    int64_t D = c->n_embd, wide = c->n_head * c->head_dim;
    int64_t widest = larger(wide, c->n_ff), side = smaller(D, widest);
    return kind == OPTIMIZER_MUON ? widest * D + 2 * side * side : 0;
}

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
    return p->muon; /* AdamW is elementwise */
}

bool optimizer_keeps(const struct param *p, int which) {
    return which == 0 || !p->muon;
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
    const struct optimizer_options *options;
    const float *gradient;
    float factor;
    unsigned decays;
    struct adamw_step decaying, staying;
};

static void adamw(const struct step_task *s, const struct member *me) {
    const struct optimizer *o = s->o;
    for (int64_t i = 0; i < o->params->n_list; i++) {
        const struct param *p = &o->params->list[i];
        int64_t place = p->w - o->params->values, n = p->n * p->k, begin, end;
        if (p->muon) continue;
        /* What of it is in the part; then the member's share of that. */
        int64_t first = place > o->begin ? 0 : o->begin - place;
        int64_t last = place + n < o->end ? n : o->end - place;
        if (first >= last) continue;
        team_share(me, last - first, 16, &begin, &end);
        int64_t at = place - o->begin + first + begin;
        math_kernels()->adamw_f32(p->w + first + begin, o->moments[0] + at,
                                  o->moments[1] + at, s->gradient + at, end - begin,
                                  s->decays >> p->role & 1 ? &s->decaying : &s->staying);
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

/* ---- Muon ---- */

static double scale_of(enum muon_scale scale, const struct param *p) {
    double n = (double)p->n, k = (double)p->k;
    if (scale == MUON_RMS) return 0.2 * sqrt(n > k ? n : k);
    return n > k ? sqrt(n / k) : 1;
}

static void muon(const struct step_task *s, const struct member *me) {
    const struct optimizer *o = s->o;
    const struct optimizer_options *n = s->options;
    double decay = s->decays >> PARAM_MATRIX & 1 ? n->muon_decay : 0;
    for (int64_t i = 0; i < o->params->n_list; i++) {
        const struct param *p = &o->params->list[i];
        int64_t place = p->w - o->params->values, at = place - o->begin;
        int64_t side = smaller(p->n, p->k);
        if (!p->muon || place < o->begin || place >= o->end) continue;
        struct muon_job job = {.w = p->w,
                               .moment = o->moments[0] + at,
                               .g = s->gradient + at,
                               .x = o->moments[1] + at,
                               .y = o->work + 2 * side * side,
                               .a = o->work,
                               .b = o->work + side * side,
                               .n = p->n,
                               .k = p->k,
                               .factor = s->factor,
                               .momentum = (float)n->momentum,
                               .rest = (float)(1 - n->momentum),
                               .plain = n->plain,
                               .rate = (float)(n->muon_rate * scale_of(n->scale, p)),
                               .keep = (float)(1 - n->muon_rate * decay)};
        muon_step(me, &job, o->gemm_scratch + (size_t)me->i * GEMM_SCRATCH_BYTES);
    }
}

static void run_step(void *context, const struct member *me) {
    adamw(context, me);
    muon(context, me);
}

void optimizer_step(struct optimizer *o, const struct optimizer_options *options,
                    const float *gradient, float factor, int n_threads) {
    enum {
        USUAL = 1 << PARAM_EMBEDDING | 1 << PARAM_POSITIONS | 1 << PARAM_MATRIX |
                1 << PARAM_HEAD
    };
    struct step_task task = {.o = o,
                             .options = options,
                             .gradient = gradient,
                             .factor = factor,
                             .decays = options->decays == 0 ? USUAL : options->decays,
                             .decaying = step_numbers(o, options, options->decay, factor),
                             .staying = step_numbers(o, options, 0, factor)};
    team_run(n_threads, run_step, &task);
    o->powers[0] *= options->beta1;
    o->powers[1] *= options->beta2;
    o->n_steps++;
}
