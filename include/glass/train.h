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
 *   loss.svg         the losses as a picture
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
    glass_processes
        *processes;  /* that share the work; NULL = none. Borrowed. Not of a dry run */
    int n_processes; /* of a dry run: what it would be with so many; 0 = 1 */
    const volatile int
        *stop; /* not 0: the step of now is the last. NULL = none. Borrowed */
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
    double epochs;       /* how often the run sees them */
    double step_flops;   /* 6 N a token and attention over half the context */
    size_t memory_bytes; /* of the process at its largest; of several, of each */
    int n_processes;
    size_t checkpoint_bytes; /* on the disk, each */
    int n_threads;
} glass_run_plan;
GLASS_API void glass_run_get_plan(const glass_run *run, glass_run_plan *out);
/* Seconds that a step takes here, from a short measurement. Only of a dry run, which is of no
 * other use afterwards. */
GLASS_API glass_status glass_run_probe(glass_run *run, double *seconds);

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

/* A run's last step that its files tell of, and whether a process is at it. */
GLASS_API glass_status glass_run_status(glass_run_report *out, bool *running,
                                        const char *folder);

/* Replays steps first … last of a run, from the newest checkpoint before them or from its start,
 * and compares each with the ledger, whose chain is checked whole. first 0 = 1, last 0 = the
 * ledger's last step. GLASS_NEGATIVE: they differ, and glass_error names step and number, or
 * tensor where a checkpoint of that step is there; or a line of the ledger was changed.
 * GLASS_BAD_INPUT: another file was (it is named). progress may be NULL; false cancels. */
GLASS_API glass_status glass_run_verify(
    const char *folder, int64_t first, int64_t last, int n_threads,
    bool (*progress)(void *context, int64_t step, int64_t last), void *context);

GLASS_END
#endif
