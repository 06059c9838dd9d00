/* run_parts.h - a run's insides, for run*.c only.
 *
 *   run.c          a new run, a resumed one
 *   run_plan.c     what it will take
 *   run_files.c    the folder: recipe, shards, run.json, the ledger's beginning
 *   run_step.c     steps, checkpoints
 *   run_verify.c   replaying
 *   run_bisect.c   two runs that should be equal
 *   run_without.c  a run without some documents; run_without_make.c makes its folder,
 *                  run_without_look.c measures, run_choose.c finds the documents
 *   run_ledger.c   the ledger read whole, weights compared
 *   run_look.c     held-out loss, samples of text
 *   run_status.c   what a run's files tell
 *   run_database.c metrics.sqlite
 *   run_plot.c     loss.svg and so on */
#ifndef TRAIN_RUN_PARTS_H
#define TRAIN_RUN_PARTS_H

#include "glass/train.h"
#include "train/checkpoint.h"
#include "train/lines.h"
#include "train/loader.h"

struct glass_run {
    struct recipe recipe;
    uint8_t recipe_sha256[32]; /* of recipe.yaml */
    char *folder;
    const char *texts; /* where the recipe's files lie; NULL: where it says. Borrowed */
    bool dry;
    bool replay; /* nothing is written: for verifying */
    int n_threads;
    glass_model *model;         /* whose shape, names and vocabulary the parameters have */
    bool fresh;                 /* its weights are zeros, shape_fill gives the first ones */
    const char *tokenizer_path; /* the vocabulary's, where it came beside the weights */
    struct trainer_options sizes;
    struct trainer *trainer;
    struct shard *shards, *held_out;
    int64_t n_shards, n_held_out;
    struct loader loader;
    struct lines metrics, ledger;
    struct database *database; /* metrics.sqlite */
    uint8_t chain[32];
    uint8_t *tensors; /* (n_list + blocks, 32) digests of weights_hash */
    int64_t step;
    double next_plot;      /* not before */
    int64_t *samples;      /* (sequences) windows of a batch */
    float *losses;         /* (rows of a micro-batch) */
    struct buf path, text; /* of the last checkpoint, the last sample */
    glass_processes *comm; /* NULL: alone */
    int n_processes;       /* of a dry run: those that it asks about */
    bool joined;           /* of a dry run: MPI is there, and has its memory */
    const volatile int *stop;
    double *numbers; /* (processes, n_numbers) of a step: comm's rows */
    int64_t n_numbers;
    int lock; /* a locked file while a process is at it; -1 */
};

/* FOLDER/NAME of the run; to be freed with mem_free. */
glass_status run_path(char **out, const struct glass_run *run, const char *name);
/* A file of the recipe, where it lies now: below run->texts by as many of the last parts of its name
 * as fit, where the recipe says, or in the same way below the folder that the run is in. Of a new
 * run, and of what is nowhere, the recipe's own name. To be freed with mem_free. */
glass_status run_find(char **out, const struct glass_run *run, const char *file);

/* ---- run_files.c ---- */

/* Makes shards of the recipe's texts; writes them unless the run is dry. */
glass_status run_make_shards(struct glass_run *run);
/* Makes them again and compares. GLASS_NEGATIVE names shard, text, document and token. */
glass_status run_compare_shards(struct glass_run *run);
/* GLASS_USAGE where a folder holds nothing of a run. */
glass_status run_is_there(const char *folder);
/* GLASS_SYSTEM: what run_find did not find. */
glass_status run_lacks(const struct glass_run *run, const char *file);
/* recipe.yaml, the ledger's first line, run.json, in that order. */
glass_status run_write_files(struct glass_run *run);
/* The last of them. */
glass_status run_write_json(const struct glass_run *run);
/* The ledger's first line, once run->chain is that of these weights. */
glass_status run_first_line(struct buf *out, const struct glass_run *run,
                            const uint8_t weights[32]);
/* FOLDER/shards/train-I.safetensors, or held-out-I; to be freed with mem_free. */
glass_status run_shard_path(char **out, const struct glass_run *run, bool held_out,
                            int64_t i);
/* Reads what those wrote, and checks it: recipe first. */
glass_status run_read_recipe(struct glass_run *run);
glass_status run_open_shards(struct glass_run *run);
/* run->chain = chain_0 of these first weights. */
glass_status run_chain_of(struct glass_run *run, const uint8_t weights[32]);
/* The same of the weights of now, whose digests it makes. */
glass_status run_first_chain(struct glass_run *run, uint8_t weights[32]);
/* Removes what a process that was killed left half written. Under the lock. */
glass_status run_clean(const struct glass_run *run);
/* Takes the lock; GLASS_USAGE if another process has it. */
glass_status run_lock(struct glass_run *run);

/* ---- run_pack.c ---- */

/* Whether a recipe's file is a packed shard, by its name. */
bool run_is_packed(const char *file);
/* In place of each folder of packed shards the recipe gets its shards, one by one, once the
 * pack's root is the recipe's and its tokenizer the model's. */
glass_status run_take_packs(struct glass_run *run);
/* A pack's shard as the run's, at path, with its documents' records beside it. */
glass_status run_link_shard(struct glass_run *run, struct shard *s, const char *file,
                            const char *path);
/* A file as a link to another, or a copy where there can be none; what was there goes. */
glass_status run_link_file(const char *from, const char *to);
/* NAME.safetensors' records, NAME.documents.jsonl, beside it. */
glass_status run_link_records(const char *from, const char *to);
/* GLASS_NEGATIVE: the pack that file lies in has another root, or another shard of that name. */
glass_status run_compare_packed(const struct shard *s, const char *file, const char *root);

/* ---- run.c ---- */

/* A run at the newest checkpoint up to this step, or at its start: for reading. */
glass_status run_open_replay(struct glass_run **out, const char *folder, int64_t step,
                             const glass_verify_options *o);

/* Makes run->trainer, with a fresh run's first weights. */
glass_status run_start_trainer(struct glass_run *run);
/* A run's recipe and shards alone. */
glass_status run_open_look(struct glass_run **out, const char *folder);

/* ---- run_step.c ---- */

/* Memory for what processes tell each other in a step. */
glass_status run_take_numbers(struct glass_run *run);
/* Learns from the next batch; writes nothing. */
glass_status run_train_step(struct glass_run *run, glass_run_report *out);

/* ---- run_look.c ---- */

/* Losses of the loader's batch of n rows into run->losses, computed by the process `owner`, which
 * alone need have filled it; rank 0 has them as well. */
glass_status run_batch_losses(struct glass_run *run, int64_t n, int owner);
/* Mean loss of the held-out texts, and bits a byte of them. */
glass_status run_evaluate(struct glass_run *run, double *loss, double *bits_per_byte);
/* Text by the weights of now, into run->text. */
glass_status run_sample(struct glass_run *run);
size_t run_sample_bytes(const struct glass_run *run);

/* ---- run_plot.c ---- */

/* Draws metrics.jsonl as loss.svg. */
glass_status run_plot(const struct glass_run *run);

#endif
