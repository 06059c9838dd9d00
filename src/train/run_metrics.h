/* run_metrics.h - metrics.jsonl read again, and kept as a database beside it. */
#ifndef TRAIN_RUN_METRICS_H
#define TRAIN_RUN_METRICS_H

#include "base/fail.h"

struct metric {
    int64_t step;
    double loss, norm, rate, seconds, tokens;
    bool evaluated;
    double held_out_loss, bits_per_byte;
    char *sample; /* NULL: none */
};

/* All whole lines; *list is to be freed with metrics_free. */
glass_status metrics_read(struct metric **list, int64_t *n, const char *path);
void metrics_free(struct metric *list, int64_t n);

/* ---- run_database.c ----
 *
 * metrics.sqlite, for whoever wants to ask: tables steps, evaluations and samples. metrics.jsonl is
 * the truth: opening makes the tables anew from it, whatever became of them, and a step's rows
 * are one transaction that follows its line. Written ahead (WAL): readers do not disturb. */
struct database;
/* GLASS_SYSTEM names path and SQLite's reason. */
glass_status database_open(struct database **out, const char *path,
                           const struct metric *list, int64_t n);
glass_status database_put(struct database *d, const struct metric *m);
void database_close(struct database *d);

#endif
