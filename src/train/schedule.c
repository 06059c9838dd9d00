/* schedule.c - see schedule.h. */
#include "train/schedule.h"

#include "math/functions.h"

/* The rate as a share of the largest. */
static double share(const struct recipe *r, int64_t step) {
    if (step <= r->warmup) return (double)step / (double)r->warmup;
    double p = (double)(step - r->warmup) / (double)(r->steps - r->warmup);
    switch (r->schedule) {
    case SCHEDULE_LINEAR: return 1 - (1 - r->final_rate) * p;
    case SCHEDULE_COSINE: {
        double cosine = (double)math_cos_f32((float)(3.14159265358979323846 * p));
        return r->final_rate + (1 - r->final_rate) * ((1 + cosine) / 2);
    }
    case SCHEDULE_WSD: {
        int64_t into = step - (r->steps - r->decline);
        if (into <= 0) return 1;
        p = (double)into / (double)r->decline;
        return 1 - (1 - r->final_rate) * p;
    }
    default: return 1;
    }
}

double schedule_rate(const struct recipe *r, int64_t step) {
    return r->rate * share(r, step);
}

struct optimizer_options schedule_options(const struct recipe *r, int64_t step) {
    unsigned decays = (unsigned)r->decay_matrices << PARAM_MATRIX |
                      (unsigned)r->decay_head << PARAM_HEAD |
                      (unsigned)r->decay_embeddings << PARAM_EMBEDDING |
                      (unsigned)r->decay_embeddings << PARAM_POSITIONS |
                      (unsigned)r->decay_norms << PARAM_NORM |
                      (unsigned)r->decay_biases << PARAM_BIAS;
    return (struct optimizer_options){
        .rate = schedule_rate(r, step),
        .beta1 = r->beta1,
        .beta2 = r->beta2,
        .eps = r->eps,
        .decay = decays == 0 ? 0 : r->decay,
        .clip = r->clip,
        .decays = decays,
        .muon_rate = r->muon_rate * share(r, step),
        .muon_decay = decays == 0 ? 0 : r->muon_decay,
        .momentum = r->momentum,
        .plain = !r->nesterov,
        .scale = (enum muon_scale)r->scale,
    };
}
