/* run_step.c - a run's steps, and what follows each: ledger, metrics, checkpoints. */
#include "train/run_parts.h"

#include "base/clock.h"
#include "base/mem.h"
#include "train/ledger.h"
#include "train/run_metrics.h"
#include "train/schedule.h"
#include "train/tree.h"
#include "train/weights_hash.h"

#include <math.h>
#include <stdio.h>

static bool due(const struct glass_run *run, int64_t every) {
    return every > 0 && (run->step % every == 0 || run->step == run->recipe.steps);
}

/* ---- one step ---- */

/* A row of run->numbers: whether to stop, then the sums of losses of a process's micro-batches. */
glass_status run_take_numbers(struct glass_run *run) {
    int64_t n_micro = run->recipe.sequences / run->recipe.micro, size = run->n_processes;
    for (int64_t p = 0; p < size; p++) {
        int64_t begin, end;
        tree_run(n_micro, p, size, &begin, &end);
        if (1 + end - begin > run->n_numbers) run->n_numbers = 1 + end - begin;
    }
    return mem_alloc_zero(&run->numbers, (size_t)(size * run->n_numbers),
                          sizeof *run->numbers);
}

/* Micro-batch i of a step whose rows count `counted` in all: the sum of its losses, in order, in
 * binary64. */
static glass_status add_micro_batch(struct glass_run *run, int64_t i, int64_t counted,
                                    double *sum) {
    const struct recipe *r = &run->recipe;
    const struct micro_batch *b = &run->loader.batch;
    loader_samples(&run->loader, run->step * r->sequences + i * r->micro, r->micro);
    /* Where all of a step is left out its gradient is zero. */
    TRY(trainer_add(run->trainer, b, counted > 0 ? 1.0F / (float)counted : 0, run->losses));
    *sum = 0;
    for (int64_t t = 0; t < b->T; t++)
        if (b->weights == NULL || b->weights[t] != 0) *sum += (double)run->losses[t];
    return GLASS_OK;
}

/* Those sums add in the order of the micro-batches, whoever did them. */
static glass_status add_micro_batches(struct glass_run *run, glass_run_report *out) {
    const struct recipe *r = &run->recipe;
    int64_t n_micro = r->sequences / r->micro, size = run->n_processes, begin, end;
    int64_t first = run->step * r->sequences, counted = r->context * r->sequences;
    int rank = glass_processes_rank(run->comm);
    double *row = run->numbers + rank * run->n_numbers;
    for (int64_t i = 0; i < r->sequences; i++)
        run->samples[i] = loader_window(&run->loader, first + i);
    counted -= loader_left_out(&run->loader, first, r->sequences);
    tree_run(n_micro, rank, size, &begin, &end);
    for (int64_t i = begin; i < end; i++)
        TRY(add_micro_batch(run, i, counted, &row[1 + i - begin]));
    row[0] = run->stop != NULL && *run->stop != 0;
    TRY(comm_gather(run->comm, run->numbers, (size_t)run->n_numbers * sizeof *row));
    out->loss = 0;
    out->stopped = false;
    for (int64_t p = 0; p < size; p++) {
        row = run->numbers + p * run->n_numbers;
        out->stopped |= row[0] != 0;
        tree_run(n_micro, p, size, &begin, &end);
        for (int64_t i = begin; i < end; i++) out->loss += row[1 + i - begin];
    }
    if (counted > 0) out->loss /= (double)counted;
    return GLASS_OK;
}

glass_status run_train_step(struct glass_run *run, glass_run_report *out) {
    const struct recipe *r = &run->recipe;
    struct optimizer_options o = schedule_options(r, run->step + 1);
    float norm = 0;
    double start = clock_now();
    glass_status status = add_micro_batches(run, out);
    if (status == GLASS_OK && !isfinite(out->loss)) {
        TRY(trainer_drop(run->trainer));
        comm_alike(run->comm);
        return fail(GLASS_BAD_INPUT,
                    "step %lld: the loss is not finite: a smaller optimizer.rate may help",
                    (long long)run->step + 1);
    }
    if (status == GLASS_OK) status = trainer_step(run->trainer, &o, &norm);
    if (status != GLASS_OK) {
        if (run->comm == NULL) trainer_drop(run->trainer);
        return status;
    }
    run->step++;
    out->step = run->step;
    out->n_steps = r->steps;
    out->norm = (double)norm;
    out->rate = o.rate;
    out->n_tokens = r->context * r->sequences;
    out->seconds = clock_now() - start;
    return GLASS_OK;
}

/* ---- what is written ---- */

/* The root of the weights; that of every process is the same, or one of the machines errs. */
static glass_status hash_weights(struct glass_run *run, uint8_t root[32]) {
    int size = glass_processes_size(run->comm), rank = glass_processes_rank(run->comm);
    uint8_t *all;
    TRY(weights_hash(root, run->tensors, trainer_params(run->trainer), run->n_threads));
    TRY(mem_alloc(&all, (size_t)size, 32));
    memcpy(all + 32 * rank, root, 32);
    glass_status status = comm_gather(run->comm, all, 32);
    for (int i = 1; status == GLASS_OK && i < size; i++)
        if (memcmp(all + 32 * i, all, 32) != 0) {
            comm_alike(run->comm);
            status = fail(GLASS_SYSTEM,
                          "step %lld: rank %d has other weights than rank 0: a machine "
                          "errs; nothing of this step is kept",
                          (long long)run->step, i);
        }
    mem_free(all);
    return status;
}

static glass_status write_ledger(struct glass_run *run, const glass_run_report *p,
                                 bool hashed, const uint8_t weights[32]) {
    struct buf line = {0};
    struct ledger_entry e = {.step = run->step,
                             .samples = run->samples,
                             .n_samples = run->recipe.sequences,
                             .loss = p->loss,
                             .norm = p->norm,
                             .has_weights = hashed};
    if (hashed) {
        memcpy(e.weights, weights, sizeof e.weights);
        e.blocks = run->tensors + 32 * trainer_params(run->trainer)->n_list;
        e.n_blocks = weights_n_blocks(trainer_params(run->trainer));
    }
    glass_status status = ledger_line(&line, run->chain, &e);
    if (status == GLASS_OK) status = lines_put(&run->ledger, &line);
    buf_free(&line);
    return status;
}

static glass_status number(struct buf *b, const char *name, double value) {
    TRY(buf_printf(b, ",\"%s\":", name));
    return buf_json_number(b, value);
}

static glass_status write_metrics(struct glass_run *run, const glass_run_report *p) {
    struct buf b = {0};
    glass_status status;
    TRY_FAIL(buf_printf(&b, "{\"step\":%lld", (long long)p->step));
    TRY_FAIL(number(&b, "loss", p->loss));
    TRY_FAIL(number(&b, "norm", p->norm));
    TRY_FAIL(number(&b, "rate", p->rate));
    TRY_FAIL(number(&b, "tokens", (double)p->n_tokens * (double)p->step));
    TRY_FAIL(number(&b, "seconds", p->seconds));
    if (p->evaluated) {
        TRY_FAIL(number(&b, "held_out_loss", p->held_out_loss));
        TRY_FAIL(number(&b, "bits_per_byte", p->bits_per_byte));
    }
    if (p->sample != NULL) {
        TRY_FAIL(buf_text(&b, ",\"sample\":"));
        TRY_FAIL(buf_json_string(&b, p->sample, strlen(p->sample)));
    }
    TRY_FAIL(buf_byte(&b, '}'));
    TRY_FAIL(lines_put(&run->metrics, &b));
    const struct metric m = {.step = p->step,
                             .loss = p->loss,
                             .norm = p->norm,
                             .rate = p->rate,
                             .seconds = p->seconds,
                             .tokens = (double)p->n_tokens * (double)p->step,
                             .evaluated = p->evaluated,
                             .held_out_loss = p->held_out_loss,
                             .bits_per_byte = p->bits_per_byte,
                             .sample = p->sample == NULL ? NULL : run->text.data};
    status = database_put(run->database, &m);
fail:
    buf_free(&b);
    return status;
}

/* The ledger is on the disk before the checkpoint that its line belongs to. */
static glass_status write_checkpoint(struct glass_run *run, const uint8_t weights[32]) {
    struct checkpoint_state state = {.step = run->step,
                                     .sample = run->step * run->recipe.sequences};
    int64_t n_steps;
    char *folder;
    memcpy(state.chain, run->chain, sizeof state.chain);
    memcpy(state.weights, weights, sizeof state.weights);
    if (glass_processes_rank(run->comm) > 0) return trainer_lend_moments(run->trainer);
    trainer_get_counters(run->trainer, &n_steps, state.powers);
    TRY(lines_sync(&run->ledger));
    TRY(lines_sync(&run->metrics));
    TRY(run_path(&folder, run, "checkpoints"));
    glass_status status =
        checkpoint_write(folder, &state, run->tensors, run->model, run->trainer,
                         run->tokenizer_path, run->recipe.checkpoint_keep);
    if (status == GLASS_OK) status = checkpoint_path(&run->path, folder, run->step);
    mem_free(folder);
    return status == GLASS_OK ? trainer_gathered(run->trainer) : status;
}

/* Of a process that died, what to do; the error's own words say who. */
static glass_status told_how_to_go_on(const struct glass_run *run, glass_status status) {
    if (!comm_lost(run->comm)) return status;
    return fail(status,
                "%s (after step %lld); glass train --resume %s goes on from the last "
                "checkpoint",
                glass_error(), (long long)run->step, run->folder);
}

/* At the end, and so seldom before that it takes no hundredth of the time. */
static glass_status plot_now_and_then(struct glass_run *run) {
    double start = clock_now();
    if (run->step < run->recipe.steps && start < run->next_plot) return GLASS_OK;
    TRY(run_plot(run));
    double took = clock_now() - start;
    run->next_plot = start + (took > 0.05 ? 100 * took : 5);
    return GLASS_OK;
}

/* Everything of a step. */
static glass_status do_step(glass_run *run, glass_run_report *out) {
    const struct recipe *r = &run->recipe;
    bool first = glass_processes_rank(run->comm) == 0; /* which writes */
    uint8_t weights[32];
    TRY(run_train_step(run, out));
    /* The last step is always kept, and hashed. */
    bool kept = run->step == r->steps || due(run, r->checkpoint_every);
    bool hashed = kept || run->step % r->ledger_every == 0;
    if (hashed) TRY(hash_weights(run, weights));
    if (first) TRY(write_ledger(run, out, hashed, weights));
    if (run->n_held_out > 0 && (run->step == r->steps || due(run, r->evaluate_every))) {
        TRY(run_evaluate(run, &out->held_out_loss, &out->bits_per_byte));
        out->evaluated = true;
    }
    if (first && due(run, r->sample_every)) {
        TRY(run_sample(run));
        out->sample = run->text.data;
    }
    if (first) TRY(write_metrics(run, out));
    if (kept) TRY(write_checkpoint(run, weights));
    if (kept && first) out->checkpoint = run->path.data;
    if (first && (kept || out->evaluated)) TRY(plot_now_and_then(run));
    /* Alone, as late as can be; others must know of it in the same step. */
    if (run->comm == NULL && run->stop != NULL) out->stopped = *run->stop != 0;
    return GLASS_OK;
}

glass_status glass_run_step(glass_run *run, glass_run_report *out) {
    const struct recipe *r = &run->recipe;
    *out = (glass_run_report){.step = run->step, .n_steps = r->steps};
    if (run->dry) return fail(GLASS_USAGE, "a dry run makes no steps");
    if (run->step >= r->steps)
        return fail(GLASS_NEGATIVE, "all %lld steps are done", (long long)r->steps);
    glass_status status = do_step(run, out);
    return status == GLASS_OK ? status : told_how_to_go_on(run, status);
}

glass_status glass_run_checkpoint(glass_run *run, const char **folder) {
    uint8_t weights[32];
    *folder = NULL;
    if (run->dry || run->step == 0)
        return fail(GLASS_USAGE, "no step was done yet: there is nothing to keep");
    TRY(hash_weights(run, weights));
    TRY(write_checkpoint(run, weights));
    if (glass_processes_rank(run->comm) > 0) return GLASS_OK;
    TRY(run_plot(run));
    *folder = run->path.data;
    return GLASS_OK;
}
