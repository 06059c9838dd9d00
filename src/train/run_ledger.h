/* run_ledger.h - a run's ledger read whole, and weights compared: for verifying. */
#ifndef TRAIN_RUN_LEDGER_H
#define TRAIN_RUN_LEDGER_H

#include "train/ledger.h"
#include "train/run_parts.h"

struct ledger_text {
    const char *text;
    size_t n;
};

struct ledger_file {
    char *path;
    struct buf bytes;
    struct ledger_text *lines; /* (n) line i is that of step i */
    int64_t n;
};

/* FOLDER/ledger.jsonl. GLASS_NEGATIVE: it is empty. */
glass_status ledger_file_read(struct ledger_file *out, const char *folder);
void ledger_file_clear(struct ledger_file *f);
/* Every line from the fields that it has, with the chain. run: whose recipe and shards the first
 * line is of. GLASS_NEGATIVE: a line was changed (its step is named). */
glass_status ledger_file_check(const struct ledger_file *f, struct glass_run *run);
/* Line `step` in its fields; see ledger_parse. */
glass_status ledger_file_entry(struct ledger_entry *out, struct buf *blocks,
                               int64_t *samples, int64_t n_samples,
                               const struct ledger_file *f, int64_t step);
/* The root of the weights that the line of a step tells; false where it tells none. */
bool ledger_file_weights(uint8_t root[32], const struct ledger_file *f, int64_t step);

/* The first place where two registries of one model differ. */
enum { DIFFERENCE_BLOCK = 1 << 16 };
struct difference {
    const struct param *tensor; /* of a; NULL: they are the same */
    int64_t block, element;     /* of DIFFERENCE_BLOCK bytes; of the tensor */
    uint32_t a, b;              /* the element's bits */
    int64_t n_numbers, n_tensors;
};
void params_compare(struct difference *out, const struct params *a, const struct params *b);
/* "blk.0.attn_q.weight, block 3 of 64 KiB, row 5, column 7: 0x3f800001 there, …" */
glass_status difference_text(struct buf *out, const struct difference *d, const char *a,
                             const char *b);

/* Adds which blocks of run's weights, whose digests run->tensors has, are other ones than a
 * line tells: "first in blk.0.attn_q.weight, block 3 of 1 MiB (…)". */
glass_status blocks_difference(struct buf *out, const struct ledger_entry *line,
                               const struct glass_run *run);

/* Adds where a checkpoint's moments are other ones than the trainer's; nothing if nowhere. Of
 * several processes, rank 0's (trainer_gather_moments). */
glass_status moments_difference(struct buf *out, const char *folder, int64_t step,
                                struct trainer *t);

/* A checkpoint's weights, read as a model's. GLASS_NEGATIVE: they are no set like this one. */
struct kept_weights {
    struct glass_model *model;
    struct params params;
};
glass_status kept_weights_read(struct kept_weights *out, const char *folder, int64_t step,
                               const struct params *like);
void kept_weights_clear(struct kept_weights *k);

#endif
