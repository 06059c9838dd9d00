/* trace_run.h - what a run of training says of its texts: which shards, and which steps read a
 * place of them.
 *
 * Steps are reckoned (loader.h, order.h), and each is looked up in the run's ledger: what is told
 * is what both say. */
#ifndef OPEN_TRACE_RUN_H
#define OPEN_TRACE_RUN_H

#include "base/filemap.h"
#include "glass/trace.h"
#include "train/recipe.h"

/* Of an index in a run's folder. */
#define TRACE_RUN_INDEX "trace.index"

struct trace_run {
    char *folder;
    struct recipe recipe;
    int64_t n_shards;
    uint8_t (*sha256)[32]; /* (n_shards) */
    struct filemap ledger;
    int64_t n_done; /* steps in the ledger */
};

/* Recipe, digests and ledger; no shard is opened. */
glass_status trace_run_open(struct trace_run *out, const char *folder);
void trace_run_close(struct trace_run *r);
/* Paths of its shards, each and the list to be freed with mem_free. */
glass_status trace_run_shards(const struct trace_run *r, char ***paths);
/* The path of what has its vocabulary. */
glass_status trace_run_vocabulary(const struct trace_run *r, char **path);

/* What the places of a run's epochs are made of: the rows of its shards. */
struct trace_places {
    int64_t *rows;    /* (n_shards) */
    int64_t *windows; /* (n_shards) whole ones */
    int64_t *places;  /* (n_shards) in an epoch */
    int64_t n;        /* places in all */
};
/* rows: (n_shards), copied. */
glass_status trace_places_make(struct trace_places *out, const struct trace_run *r,
                               const int64_t *rows);
void trace_places_clear(struct trace_places *p);

/* Tokens begin … end - 1 of a shard, all of its document `document`, which has tokens
 * from … to - 1; all counted in the shard. */
struct trace_stretch {
    int64_t shard, document, from, to, begin, end;
};
/* The steps that read it, in their order, at most `most` of them (-1: all); *reads is allocated,
 * *n_all is how many there are. GLASS_BAD_INPUT: ledger and recipe contradict each other. */
glass_status trace_run_reads(const struct trace_run *r, const struct trace_places *p,
                             const struct trace_stretch *s, int64_t most,
                             glass_trace_read **reads, int64_t *n, int64_t *n_all);

#endif
