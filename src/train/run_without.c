/* run_without.c - what a run would have been without some of its documents: trained again, and
 * compared. See glass/train.h and run_without.h. */
#include "train/run_without.h"

#include "base/mem.h"
#include "train/left_out.h"

#include <stdlib.h>
#include <unistd.h>

static int rank_of(const struct without *w) {
    return glass_processes_rank(w->o->processes);
}

/* ---- the run, and what is left out of it ---- */

static glass_status open_old(struct without *w) {
    const glass_verify_options o = {
        .n_threads = w->o->n_threads, .texts = w->o->texts, .processes = w->o->processes};
    TRY(ledger_file_read(&w->ledger, w->folder));
    TRY(run_open_replay(&w->old, w->folder, INT64_MAX, &o));
    if (w->old->step == 0)
        return fail(
            GLASS_USAGE,
            "%s has no checkpoint yet to compare with: glass train --resume goes on",
            w->folder);
    for (int64_t i = 0; i < w->old->n_shards; i++)
        if (w->old->shards[i].n_left_out > 0)
            return fail(GLASS_USAGE,
                        "%s leaves documents out itself: name all of them for the run that "
                        "it came from",
                        w->folder);
    if (w->old->step >= w->ledger.n)
        return fail(GLASS_NEGATIVE, "%s ends before the checkpoint of step %lld",
                    w->ledger.path, (long long)w->old->step);
    return ledger_file_check(&w->ledger, w->old);
}

/* The run's own shards say what is left out of the other's; they are not learnt from here. */
static glass_status choose(struct without *w) {
    TRY(run_choose(&w->list, w->old, w->o->documents, w->o->n_documents));
    w->n_shards = w->old->n_shards;
    for (int64_t i = 0; i < w->n_shards; i++) {
        struct shard *s = &w->old->shards[i];
        s->left_out = (const uint8_t *)w->list[i].documents;
        s->left_out_sha256 = w->list[i].digests;
        s->n_left_out = w->list[i].n;
    }
    return run_describe(&w->out->documents, &w->out->n_documents, w->list, w->old);
}

/* Complete windows that hold rows of what is left out. */
static void count_windows(struct without *w) {
    int64_t context = w->old->recipe.context;
    for (int64_t i = 0; i < w->old->n_shards; i++) {
        const struct shard *s = &w->old->shards[i];
        int64_t windows = s->n_rows / context, counted = 0;
        for (int64_t k = 0; k < w->list[i].n; k++) {
            int64_t d = w->list[i].documents[k];
            int64_t from = (shard_start(s, d) - d) / context;
            int64_t to = (shard_start(s, d + 1) - d - 2) / context + 1;
            if (from < counted) from = counted;
            if (to > windows) to = windows;
            if (to <= from) continue;
            w->out->n_windows += to - from;
            counted = to;
        }
    }
}

static void count_reads(struct without *w) {
    const struct recipe *r = &w->old->recipe;
    glass_without_report *out = w->out;
    out->n_steps = w->old->step;
    out->n_reads = out->n_steps * r->sequences;
    out->n_tokens = out->n_reads * r->context;
    for (int64_t step = 1; step <= out->n_steps; step++) {
        int64_t before = out->n_reads_of;
        for (int64_t i = 0; i < r->sequences; i++) {
            int64_t n = loader_left_out(&w->old->loader, (step - 1) * r->sequences + i, 1);
            out->n_tokens_of += n;
            out->n_reads_of += n > 0;
        }
        if (out->n_reads_of == before) continue;
        out->n_steps_of++;
        out->last_step = step;
        if (out->first_step == 0) out->first_step = step;
    }
}

/* The newest checkpoint that no document had been read before. */
static glass_status choose_start(struct without *w) {
    int64_t *steps, n;
    int64_t most = w->out->first_step == 0 ? w->out->n_steps : w->out->first_step - 1;
    char *folder;
    if (w->o->full) return GLASS_OK;
    TRY(run_path(&folder, w->old, "checkpoints"));
    glass_status status = checkpoint_list(folder, &steps, &n);
    for (int64_t i = 0; status == GLASS_OK && i < n; i++)
        if (steps[i] <= most) w->out->from = steps[i];
    mem_free(steps);
    mem_free(folder);
    return status;
}

/* ---- the other run ---- */

static glass_status name_other(struct without *w) {
    struct buf b = {0};
    size_t n = strlen(w->folder);
    if (w->o->folder != NULL)
        return mem_copy_text(&w->other, w->o->folder, strlen(w->o->folder));
    while (n > 1 && w->folder[n - 1] == '/') n--;
    glass_status status = buf_printf(&b, "%.*s.without-XXXXXX", (int)n, w->folder);
    if (status == GLASS_OK) status = buf_take(&b, &w->other, NULL);
    buf_free(&b);
    TRY(status);
    w->temporary = mkdtemp(w->other) != NULL;
    return w->temporary ? GLASS_OK : fail_errno("%s: cannot make", w->other);
}

/* Rank 0 makes it; the others hear where it is, or that it could not be made. */
static glass_status make_other(struct without *w) {
    struct {
        glass_status status;
        bool made;
        size_t n;
    } told = {0};
    if (rank_of(w) == 0) {
        told.status = name_other(w);
        if (told.status == GLASS_OK) told.status = without_make(w, &told.made);
        if (told.status == GLASS_OK) told.n = strlen(w->other);
    }
    TRY(comm_from_first(w->o->processes, &told, sizeof told));
    if (told.status != GLASS_OK)
        return rank_of(w) == 0 ? told.status : fail(told.status, "rank 0 made no run");
    if (rank_of(w) > 0) TRY(mem_alloc_zero(&w->other, told.n + 1, 1));
    TRY(comm_from_first(w->o->processes, w->other, told.n));
    return told.made && w->out->from > 0 ? without_checkpoint(w) : GLASS_OK;
}

static glass_status stopped(struct without *w) {
    const char *folder;
    long long step = (long long)w->now->step;
    if (w->temporary)
        return fail(
            GLASS_CANCELLED,
            "stopped after step %lld, and nothing is kept: with a folder of its own "
            "it could go on",
            step);
    TRY(glass_run_checkpoint(w->now, &folder));
    return fail(GLASS_CANCELLED, "stopped after step %lld: the same command goes on", step);
}

static glass_status train_other(struct without *w) {
    const glass_run_options o = {
        .n_threads = w->o->n_threads, .processes = w->o->processes, .stop = w->o->stop};
    int64_t last = w->out->n_steps;
    glass_run_report p = {0};
    const char *unused;
    TRY(glass_run_resume(&w->now, w->other, &o));
    if (w->now->step > last)
        return fail(GLASS_USAGE, "%s is at step %lld already, %s at %lld", w->other,
                    (long long)w->now->step, w->folder, (long long)last);
    while (w->now->step < last) {
        TRY(glass_run_step(w->now, &p));
        w->out->n_computed++;
        if (w->o->progress != NULL) w->o->progress(w->o->context, &p, last);
        if (p.stopped && w->now->step < last) return stopped(w);
    }
    /* Where the run itself stands in the middle. */
    if (w->out->n_computed > 0 && p.checkpoint == NULL && last < w->now->recipe.steps)
        TRY(glass_run_checkpoint(w->now, &unused));
    return GLASS_OK;
}

/* Mean loss of the last steps of a ledger; steps all of whose rows were left out have none. */
static glass_status mean_of(double *mean, const struct ledger_file *f, int64_t n_samples,
                            int64_t last, int64_t n) {
    struct buf blocks = {0};
    int64_t *samples, n_counted = 0;
    double sum = 0;
    TRY(mem_alloc(&samples, (size_t)n_samples, sizeof *samples));
    glass_status status = GLASS_OK;
    for (int64_t step = last - n + 1; status == GLASS_OK && step <= last; step++) {
        struct ledger_entry e;
        status = step < f->n ? ledger_file_entry(&e, &blocks, samples, n_samples, f, step)
                             : fail(GLASS_BAD_INPUT, "%s ends before step %lld", f->path,
                                    (long long)last);
        if (status != GLASS_OK || e.loss == 0) continue;
        sum += e.loss;
        n_counted++;
    }
    mem_free(samples);
    buf_free(&blocks);
    *mean = sum / (double)n_counted; /* not a number, and told so, where there is none */
    return status;
}

static glass_status compare_training(struct without *w) {
    struct ledger_file ledger;
    int64_t last = w->out->n_steps, n = last / 10;
    int64_t sequences = w->old->recipe.sequences;
    if (rank_of(w) > 0) return GLASS_OK;
    w->out->n_last = n < 1 ? 1 : n > 100 ? 100 : n;
    TRY(mean_of(&w->out->training.with, &w->ledger, sequences, last, w->out->n_last));
    glass_status status = ledger_file_read(&ledger, w->other);
    if (status == GLASS_OK)
        status =
            mean_of(&w->out->training.without, &ledger, sequences, last, w->out->n_last);
    ledger_file_clear(&ledger);
    return status;
}

/* ---- the whole ---- */

static glass_status without(struct without *w) {
    TRY(open_old(w));
    TRY(choose(w));
    TRY(without_answer(w));
    count_windows(w);
    count_reads(w);
    TRY(choose_start(w));
    TRY(without_measure(w, w->old, true));
    trainer_free(w->old->trainer); /* two would take twice the memory */
    w->old->trainer = NULL;
    TRY(make_other(w));
    TRY(train_other(w));
    TRY(without_measure(w, w->now, false));
    TRY(compare_training(w));
    if (w->temporary) return GLASS_OK;
    return mem_copy_text(&w->out->folder, w->other, strlen(w->other));
}

glass_status glass_run_without(glass_without_report **out, const char *run,
                               const glass_without_options *options) {
    const glass_without_options none = {0};
    struct without w = {.folder = run, .o = options == NULL ? &none : options};
    glass_processes *comm = w.o->processes;
    *out = NULL;
    TRY(mem_alloc_zero(&w.out, 1, sizeof *w.out));
    glass_status status = run_is_there(run);
    if (status == GLASS_OK) status = without(&w);
    bool agreed =
        status != GLASS_BAD_INPUT && status != GLASS_SYSTEM && status != GLASS_NO_MEMORY;
    if (agreed && status != GLASS_OK) comm_alike(comm);
    /* Elsewhere messages to and from its memory may be under way, while the process ends. */
    if (agreed || comm == NULL) {
        glass_run_close(w.now);
        glass_run_close(w.old);
    }
    if (w.temporary) {
        glass_status removed = without_remove(w.other);
        if (status == GLASS_OK) status = removed;
    }
    ledger_file_clear(&w.ledger);
    run_choice_free(w.list, w.n_shards);
    mem_free(w.other);
    mem_free(w.ids);
    if (status == GLASS_OK)
        *out = w.out;
    else
        glass_without_report_free(w.out);
    return status;
}

void glass_without_report_free(glass_without_report *r) {
    if (r == NULL) return;
    for (int64_t i = 0; i < r->n_documents; i++) {
        mem_free(r->documents[i].title);
        mem_free(r->documents[i].licence);
        mem_free(r->documents[i].source);
    }
    mem_free(r->documents);
    mem_free(r->tokens);
    mem_free(r->answer);
    mem_free(r->folder);
    mem_free(r);
}
