/* checkpoint.h - a run's state on disk: written beside its place, flushed, renamed.
 *
 *   step-00000100/model.gguf            the weights, a model like any other
 *                 moments.safetensors   "m.NAME" and, where AdamW steps it, "v.NAME"
 *                 state.json            counters, cursor, the ledger's head, each tensor's digest
 *                 SHA256SUMS            of the three, as sha256sum writes it
 *
 * The same state gives the same bytes. Opening reads every byte and refuses any that changed. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "base/buf.h"
#include "model/model.h"
#include "train/trainer.h"

struct checkpoint_state {
    int64_t step;      /* steps done */
    int64_t sample;    /* the next one of the loader */
    double powers[2];  /* the trainer's */
    uint8_t chain[32]; /* the ledger's last line */
    uint8_t weights[32];
};

/* folder/step-…; tensors: (n_list, 32), of weights_hash. What is there already stays. keep: how
 * many checkpoints stay, newest first; 0 = all. Of several processes, rank 0 writes, while the
 * others lend it their moments (trainer.h). */
glass_status checkpoint_write(const char *folder, const struct checkpoint_state *state,
                              const uint8_t *tensors, const struct glass_model *model,
                              struct trainer *t, const char *tokenizer, int64_t keep);
/* Which there are: steps ascending, to be freed. */
glass_status checkpoint_list(const char *folder, int64_t **steps, int64_t *n);
glass_status checkpoint_path(struct buf *out, const char *folder, int64_t step);
/* Checks every byte and reads the state. GLASS_BAD_INPUT names the file. */
glass_status checkpoint_open(const char *folder, int64_t step,
                             struct checkpoint_state *out);
/* The moments (this process's part) and counters into a trainer of its model. */
glass_status checkpoint_restore(const char *folder, const struct checkpoint_state *state,
                                struct trainer *t);
/* The tensors' digests that it tells of, (n_list, 32). GLASS_NEGATIVE: there is no such
 * checkpoint. */
glass_status checkpoint_tensors(const char *folder, int64_t step, uint8_t *tensors,
                                const struct params *p);
/* Removes what a killed run left half written. */
glass_status checkpoint_clean(const char *folder);

#endif
