/* predict.h - what rows of logits say: probabilities, ranks, the likeliest tokens. */
#ifndef INSPECT_PREDICT_H
#define INSPECT_PREDICT_H

#include "glass/inspect.h"

/* Rows of logits become predictions. The figures are those of model/score.h, binary64 in the
 * order given there; the entropy is (m + log z) - sum e^(l - m) l / z, KL as in score.h. */
struct predict {
    glass_prediction *out; /* (n_rows), `stride` apart; position, layer, id are filled in */
    int64_t stride;
    const float *logits; /* (n_rows, n_vocab) */
    const float *last;   /* the same of the last layer; may be `logits` */
    const float *zeros;  /* (n_vocab) */
    int64_t n_rows, n_vocab, n_top;
};

/* top of every out has room for n_top. GLASS_BAD_INPUT: a logit is not finite. */
glass_status predict_rows(const struct predict *p, int n_threads);

#endif
