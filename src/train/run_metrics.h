/* run_metrics.h - metrics.jsonl, read again. */
#ifndef TRAIN_RUN_METRICS_H
#define TRAIN_RUN_METRICS_H

#include "base/fail.h"

struct metric {
    int64_t step;
    double loss, norm, rate, seconds, tokens;
    bool evaluated;
    double held_out_loss, bits_per_byte;
};

/* All whole lines; *list is to be freed with mem_free. */
glass_status metrics_read(struct metric **list, int64_t *n, const char *path);

#endif
