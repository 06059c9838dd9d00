/* ledger.h - what a run did, step by step, chained so that nothing in it can be changed alone.
 *
 * A line of JSON a step. chain_0 is SHA-256 of the run's beginning (run_files.c says of what);
 * chain_t is SHA-256 of chain_(t-1) (32 bytes) and the text
 *
 *   step T\nsamples A B C …\nloss HEX\nnorm HEX\n
 *
 * and, where weights are hashed,
 *
 *   weights HEX\nblocks HEX HEX …\n
 *
 * Samples are the windows (loader_window) of the step's batch in order; loss and norm the bits of
 * binary64 numbers, 16 digits; weights the root of weights_hash, blocks the digests it is made of. */
#ifndef TRAIN_LEDGER_H
#define TRAIN_LEDGER_H

#include "train/recipe.h"

struct ledger_entry {
    int64_t step;
    const int64_t *samples; /* (n_samples) */
    int64_t n_samples;
    double loss, norm;
    bool has_weights;
    uint8_t weights[32];
    const uint8_t *blocks; /* (n_blocks, 32) */
    int64_t n_blocks;
};

/* The new chain from the old one, in place, and the line. */
glass_status ledger_line(struct buf *out, uint8_t chain[32], const struct ledger_entry *e);
/* A line back; samples: room for n_samples; blocks: anew what holds out->blocks. GLASS_BAD_INPUT:
 * it is none of that many samples. */
glass_status ledger_parse(struct ledger_entry *out, struct buf *blocks, int64_t *samples,
                          int64_t n_samples, const char *line, size_t n);
/* The first line: step 0, with the roots of the packs that the recipe reads and, unless NULL, that
 * of the documents which are left out of them (left_out.h). */
glass_status ledger_first(struct buf *out, const struct recipe *recipe,
                          const uint8_t chain[32], const uint8_t weights[32],
                          const uint8_t *without);
/* The chain that a line of n bytes says. */
glass_status ledger_chain_of(uint8_t chain[32], const char *line, size_t n,
                             const char *path);

#endif
