/* train.h - training a model from text: a run, made from a recipe, that goes on by steps.
 *
 * A recipe is a YAML file (docs/training.md lists its keys). A run lives in a folder:
 *
 *   recipe.yaml      the recipe with every default
 *   run.json         the SHA-256 of the recipe and the shards
 *   shards/          the texts as tokens
 *   checkpoints/     step-00000100/model.gguf and so on; each is a MODEL for every command
 *   ledger.jsonl     a line a step, chained by SHA-256
 *   metrics.jsonl    loss, rate, speed; held-out loss and samples of text
 *   metrics.sqlite   the same, for whoever wants to ask
 *   loss.svg         the losses as a picture, and loss.png; speed.svg and speed.png
 *
 * The same recipe and texts give the same weights, whatever the threads, the instruction set, and
 * however often the run was killed and resumed, and however many processes share the work: all of
 * them make the same calls. One owner at a time. */
#ifndef GLASS_TRAIN_H
#define GLASS_TRAIN_H

#include "glass/model.h"
#include "glass/processes.h"
GLASS_BEGIN

typedef struct glass_run glass_run;

typedef struct glass_run_options {
    const char
        *folder;   /* of a new run; NULL = the recipe's name with .run for its ending */
    int n_threads; /* 0 = the recipe's, or one per core where it does not say */
    bool dry;      /* a new run that writes nothing: for glass_run_get_plan and _probe */
    int64_t from;  /* of a resumed run: the checkpoint of this step; 0 = the newest */
    /* That share the work; NULL = none. Borrowed. A dry run is this process's alone. */
    glass_processes *processes;
    int n_processes; /* of a dry run: what it would be with so many; 0 = as many as those */
    const volatile int
        *stop; /* not 0: the step of now is the last. NULL = none. Borrowed */
    /* Of a new run: the path (glass_free) of what the recipe calls model.base or model.tokenizer and
     * is no file, such as a name of a model; NULL = files alone. */
    glass_status (*find)(char **path, const char *name);
} glass_run_options;

/* A new run. options may be NULL. GLASS_BAD_INPUT: recipe (with line and key), texts or base
 * model are wrong; GLASS_USAGE: the folder holds a run already. */
GLASS_API glass_status glass_run_create(glass_run **out, const char *recipe,
                                        const glass_run_options *options);
/* Goes on from a checkpoint, or from the start where there is none yet. GLASS_BAD_INPUT: a file
 * of the run was changed or damaged (it is named; an older checkpoint may be good). */
GLASS_API glass_status glass_run_resume(glass_run **out, const char *folder,
                                        const glass_run_options *options);
/* Where processes share a run, and a call has failed: after glass_processes_leave, as messages to
 * and from the run's memory may be under way. */
GLASS_API void glass_run_close(glass_run *run);

/* What the run will take. */
typedef struct glass_run_plan {
    const char *folder;
    int64_t n_params; /* that train; tied ones once */
    int64_t n_steps, n_context, n_batch_tokens, n_micro;
    int64_t n_tokens, n_documents, text_bytes; /* of the texts to learn from */
    int64_t held_out_tokens, held_out_bytes;
    double epochs;     /* how often the run sees them */
    double step_flops; /* 6 N a token and attention over half the context */
    size_t
        memory_bytes; /* of the process at its largest, at most: glass_run_probe is nearer */
    int n_processes;  /* memory_bytes is of each of them */
    size_t checkpoint_bytes; /* on the disk, each */
    int n_threads;
} glass_run_plan;
GLASS_API void glass_run_get_plan(const glass_run *run, glass_run_plan *out);
/* Seconds that a step takes here, and bytes that a process of the run takes at its largest, from a
 * short measurement: micro-batches and an optimiser's step for real, a sample of text. Only of
 * a dry run, which is of no other use afterwards. GLASS_NO_MEMORY: the machine is too small. */
GLASS_API glass_status glass_run_probe(glass_run *run, double *seconds,
                                       size_t *memory_bytes);

typedef struct glass_run_report {
    int64_t step, n_steps; /* steps done, of how many */
    double loss;           /* mean -ln p of the step's tokens, before its update */
    double norm, rate;     /* of the gradient before clipping; learning rate */
    double seconds;        /* that the step took, without what follows */
    int64_t n_tokens;      /* of the step */
    bool stopped;          /* options.stop, of any process: all of them end now */
    bool evaluated;        /* held_out_loss and bits_per_byte are of this step */
    double held_out_loss, bits_per_byte;
    const char *sample;     /* text, or NULL; the run's until its next step */
    const char *checkpoint; /* the folder written after this step, or NULL; the same */
} glass_run_report;

/* One step, and what the recipe wants after it. Of several processes, rank 0 writes it, and has
 * the sample and the checkpoint's name. GLASS_SYSTEM: another process died, or there was no room on
 * the disk. GLASS_NEGATIVE: all steps are done.
 * GLASS_BAD_INPUT: the loss or a gradient is not finite (step and tensor are named); checkpoints
 * stay as they were. */
GLASS_API glass_status glass_run_step(glass_run *run, glass_run_report *out);
/* A checkpoint of now; *folder is the run's until the next call (NULL but at rank 0). */
GLASS_API glass_status glass_run_checkpoint(glass_run *run, const char **folder);
GLASS_API int64_t glass_run_n_done(const glass_run *run);

/* A run's last step that its files tell of, and whether a process is at it. seconds: a typical step
 * of late; evaluated: the newest evaluation, of whatever step. */
GLASS_API glass_status glass_run_status(glass_run_report *out, bool *running,
                                        const char *folder);

typedef struct glass_verify_options {
    int64_t first, last; /* steps; 0 = 1, the ledger's last */
    int64_t n_sample;    /* so many of them, drawn at random; 0 = all */
    uint64_t seed;       /* of what is drawn */
    bool full;     /* from the texts: shards are made again and compared, then every step up
                            to `last`, and every checkpoint on the way */
    int n_threads; /* 0 = the recipe's */
    bool (*progress)(void *context, int64_t step,
                     int64_t last); /* may be NULL; false cancels */
    void *context;
    glass_processes *processes; /* that share the work, as those of a run; NULL = none */
    /* Where the recipe's files (texts, packs, vocabulary, base model) lie now, by the last parts of
     * their names. NULL, or not there: where the recipe says, else beside the run. */
    const char *texts;
} glass_verify_options;

typedef struct glass_verify_report {
    int64_t n_replayed;        /* steps computed */
    int64_t *picked, n_picked; /* steps that were drawn, ascending; glass_free */
} glass_verify_report;

/* Replays steps of a run, each from the newest checkpoint before it or from its start, and
 * compares every step on the way with the ledger, whose chain is checked whole. GLASS_NEGATIVE:
 * they differ, and glass_error names step and number, tensor, block of 64 KiB and element (where a
 * checkpoint from that step on is there); or a line of the ledger was changed.
 * GLASS_BAD_INPUT: another file was (it is named). options and out may be NULL. */
GLASS_API glass_status glass_run_verify(const char *folder,
                                        const glass_verify_options *options,
                                        glass_verify_report *out);
/* Where two runs that should be equal part: by recipe, shards, ledgers and checkpoints; the step is
 * then computed again to tell which is right. GLASS_NEGATIVE: glass_error names the step, what
 * differs, tensor, block and element as above, and the run that is right. GLASS_OK: as far as both
 * go they are the same, up to step *n_steps. options: n_threads, progress. */
GLASS_API glass_status glass_run_bisect(int64_t *n_steps, const char *a, const char *b,
                                        const glass_verify_options *options);

/* ---- a run without some of its documents ---- */

/* Zero means the default. */
typedef struct glass_without_options {
    /* Names of documents: "train-0:77", digits of a text's or a record's SHA-256, a file with the
     * text, "licence:GPL-3.0*" (docs/training.md). None at all gives the run itself. */
    const char *const *documents;
    int64_t n_documents;
    /* Where the other run is made; what was stopped there goes on. NULL: beside the run, and
     * removed at the end. */
    const char *folder;
    bool full; /* every step is computed, those too that read none of the documents */
    const char *answer, *prompt; /* whose probability is asked for; NULL = none */
    size_t n_answer, n_prompt;
    int n_threads;              /* 0 = the recipe's */
    const char *texts;          /* as glass_verify_options has it */
    glass_processes *processes; /* that share the work; NULL = none */
    const volatile int *stop;   /* not 0: ends after the step of now */
    void (*progress)(void *context, const glass_run_report *step, int64_t last);
    void *context;
} glass_without_options;

/* By the weights of the run, and by those of the run without the documents. */
typedef struct glass_without_pair {
    double with, without;
} glass_without_pair;

typedef struct glass_without_document {
    char name[48]; /* "train-0:77" */
    int64_t n_tokens;
    char *title, *licence, *source; /* NULL: not recorded */
} glass_without_document;

typedef struct glass_without_token {
    int32_t id;
    size_t begin, end;      /* bytes of the answer */
    glass_without_pair lnp; /* after the prompt and the tokens before it */
} glass_without_token;

typedef struct glass_without_report {
    char *folder; /* NULL: it was removed */
    glass_without_document *documents;
    int64_t n_documents;
    int64_t n_windows; /* that hold some of them */
    /* Of steps, windows and tokens that were read: all, and of the documents. */
    int64_t n_steps, n_steps_of, n_reads, n_reads_of, n_tokens, n_tokens_of;
    int64_t first_step, last_step; /* that read some; 0: none did */
    int64_t from, n_computed; /* the run's checkpoint it began with, and steps since then */
    int64_t n_last;           /* steps at the end whose losses' mean is `training` */
    glass_without_pair training; /* not a number: nothing was left to learn in these */
    glass_without_pair held_out, bits_per_byte; /* if has_held_out */
    bool has_held_out;
    glass_without_pair left_out; /* mean -ln p of the documents' own tokens */
    int64_t n_left_out;          /* these */
    char *answer;                /* as its tokens say it; NULL: none was asked for */
    size_t n_answer;
    glass_without_token *tokens;
    int64_t n_answer_tokens;
    glass_without_pair lnp; /* of the whole answer */
} glass_without_report;

/* Trains a run again without some documents: the same first weights, the same windows at the same
 * steps, in which the documents' tokens are blanked, weigh nothing and are seen by nobody. The other
 * run is a run like any, whose shards hold nothing of the documents but their number of tokens and
 * hashes, and whose ledger begins with what was left out: it can be verified and resumed. Steps before
 * the first one that read a document are the run's own. Of a run that was not finished, up to its
 * newest checkpoint.
 * GLASS_USAGE: a name is no document's; the folder holds another run. GLASS_CANCELLED: stopped. */
GLASS_API glass_status glass_run_without(glass_without_report **out, const char *run,
                                         const glass_without_options *options);
GLASS_API void glass_without_report_free(glass_without_report *report);

GLASS_END
#endif
