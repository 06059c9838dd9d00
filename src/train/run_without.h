/* run_without.h - a run without some documents, in the making; for run_without*.c only. */
#ifndef TRAIN_RUN_WITHOUT_H
#define TRAIN_RUN_WITHOUT_H

#include "train/run_choose.h"
#include "train/run_ledger.h"

struct without {
    const char *folder; /* the run's */
    const glass_without_options *o;
    glass_without_report *out;
    struct glass_run *old; /* at its newest checkpoint; its shards say what is left out */
    struct ledger_file ledger;
    struct choice *list; /* (n_shards) */
    int64_t n_shards;
    char *other; /* the other run's folder */
    bool temporary;
    struct glass_run *now; /* the other run */
    uint8_t chain[32];     /* its ledger's, after step `from` */
    int32_t *ids;          /* what is before the answer, and the answer; NULL: none */
    int64_t n_ids, n_before;
};

/* ---- run_without_make.c ---- */

/* At rank 0: shards, ledger, metrics, recipe, run.json. *made: false if the folder held this very
 * run already, which goes on. */
glass_status without_make(struct without *w, bool *made);
/* All: the run's own checkpoint of step `from`, as the other's. */
glass_status without_checkpoint(struct without *w);
/* Removes a folder and all that is in it. */
glass_status without_remove(const char *folder);

/* ---- run_without_look.c ---- */

/* The answer's tokens, into w and w->out. */
glass_status without_answer(struct without *w);
/* Held-out loss, the documents' own, the answer's: of run's weights. */
glass_status without_measure(struct without *w, struct glass_run *run, bool with);

#endif
