/* schedule.c - see schedule.h. */
#include "train/schedule.h"

#include "math/functions.h"

double schedule_rate(const struct recipe *r, int64_t step) {
    if (step <= r->warmup) return r->rate * ((double)step / (double)r->warmup);
    double p = (double)(step - r->warmup) / (double)(r->steps - r->warmup);
    switch (r->schedule) {
    case SCHEDULE_LINEAR: return r->rate * (1 - (1 - r->final_rate) * p);
    case SCHEDULE_COSINE: {
        double cosine = (double)math_cos_f32((float)(3.14159265358979323846 * p));
        return r->rate * (r->final_rate + (1 - r->final_rate) * ((1 + cosine) / 2));
    }
    case SCHEDULE_WSD: {
        int64_t into = step - (r->steps - r->decline);
        if (into <= 0) return r->rate;
        p = (double)into / (double)r->decline;
        return r->rate * (1 - (1 - r->final_rate) * p);
    }
    default: return r->rate;
    }
}
