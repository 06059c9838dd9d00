/* run.c - a run: made anew, resumed, planned. See glass/train.h and run_parts.h. */
#include "base/path.h"
#include "base/team.h"
#include "math/kernels.h"
#include "train/run_parts.h"
#include "train/ledger.h"
#include "train/run_metrics.h"
#include "train/shape.h"
#include "train/weights_hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the model ---- */

/* The vocabulary of a run whose own is gone: every checkpoint has it. */
static glass_status kept_vocabulary(char **out, const struct glass_run *run) {
    struct buf path = {0};
    int64_t *steps = NULL, n = 0;
    char *folder;
    TRY(run_path(&folder, run, "checkpoints"));
    glass_status status = checkpoint_list(folder, &steps, &n);
    if (status == GLASS_OK && n > 0) status = checkpoint_path(&path, folder, steps[n - 1]);
    if (status == GLASS_OK && n > 0) status = buf_text(&path, "/model.gguf");
    if (status == GLASS_OK && n > 0) {
        mem_free(*out);
        *out = NULL;
        status = buf_take(&path, out, NULL);
    }
    buf_free(&path);
    mem_free(steps);
    mem_free(folder);
    return status;
}

/* A shape's weights depend on the vocabulary's size alone; where it lies is not the recipe's to
 * say again. */
static glass_status open_shape(struct glass_run *run) {
    struct recipe *r = &run->recipe;
    char *said = r->tokenizer, *found;
    TRY(run_find(&found, run, said));
    glass_status status = GLASS_OK;
    if (run->replay && access(found, R_OK) != 0) status = kept_vocabulary(&found, run);
    if (status == GLASS_OK && run->replay && access(found, R_OK) != 0)
        status = run_lacks(run, said);
    r->tokenizer = found;
    if (status == GLASS_OK) status = shape_model(&run->model, r);
    r->tokenizer = said;
    mem_free(found);
    return status;
}

static glass_status open_base(struct glass_run *run) {
    char *found;
    TRY(run_find(&found, run, run->recipe.base));
    glass_status status = run->replay && access(found, R_OK) != 0
                              ? run_lacks(run, run->recipe.base)
                              : glass_model_open(&run->model, found, NULL);
    mem_free(found);
    return status;
}

/* What a fresh run begins with: a base model's weights, or a shape. */
static glass_status open_first_model(struct glass_run *run) {
    struct recipe *r = &run->recipe;
    if (r->base[0] == '\0') {
        run->fresh = true;
        TRY(open_shape(run));
    } else {
        TRY(open_base(run));
        if (gguf_find(run->model->file, "tokenizer.ggml.model") == NULL)
            run->tokenizer_path = r->base;
    }
    if (run->model->tokenizer == NULL)
        return fail(GLASS_BAD_INPUT, "%s: the model has no tokenizer", r->base);
    if (r->context > run->model->config.n_ctx)
        return fail(GLASS_BAD_INPUT, "%s: a context of %lld: the model has %lld positions",
                    r->path, (long long)r->context, (long long)run->model->config.n_ctx);
    return GLASS_OK;
}

static const struct shard *busiest(const struct glass_run *run) {
    const struct shard *best = NULL;
    int64_t most = 0;
    for (int64_t i = 0; i < run->n_held_out; i++) {
        int64_t n = shard_most_segments(&run->held_out[i], run->recipe.context);
        if (n <= most) continue;
        most = n;
        best = &run->held_out[i];
    }
    return best;
}

/* Everything that steps need but the trainer. */
static glass_status prepare(struct glass_run *run) {
    const struct recipe *r = &run->recipe;
    TRY(loader_create(&run->loader, run->shards, run->n_shards, r, busiest(run)));
    run->sizes = (struct trainer_options){.n_rows = run->loader.n_rows_most,
                                          .longest = r->context,
                                          .n_threads = run->n_threads,
                                          .optimizer = (enum optimizer_kind)r->optimizer,
                                          .z = (float)r->z,
                                          .recompute = (enum recompute)r->recompute,
                                          .n_segments = run->loader.n_segments_most,
                                          .n_micro = r->sequences / r->micro,
                                          .comm = run->comm,
                                          .n_processes = run->n_processes};
    TRY(run_take_numbers(run));
    TRY(mem_alloc(&run->samples, (size_t)r->sequences, sizeof *run->samples));
    return mem_alloc(&run->losses, (size_t)run->loader.n_rows_most, sizeof *run->losses);
}

glass_status run_start_trainer(struct glass_run *run) {
    TRY(trainer_create(&run->trainer, run->model, &run->sizes));
    const struct params *p = trainer_params(run->trainer);
    if (run->fresh) shape_fill(p, &run->recipe);
    return mem_alloc_zero(&run->tensors, (size_t)(p->n_list + weights_n_blocks(p)), 32);
}

/* ---- opening ---- */

static glass_status alloc_run(struct glass_run **out, const char *folder,
                              const glass_run_options *o) {
    struct glass_run *run;
    *out = NULL;
    TRY(math_isa_status());
    TRY(mem_alloc_zero(&run, 1, sizeof *run));
    run->lock = run->metrics.fd = run->ledger.fd = -1;
    run->dry = o != NULL && o->dry;
    run->n_processes = 1;
    if (o != NULL) {
        run->comm = run->dry ? NULL : o->processes;
        run->joined = o->processes != NULL;
        run->stop = o->stop;
        run->n_processes = run->dry && o->n_processes > 0
                               ? o->n_processes
                               : glass_processes_size(o->processes);
    }
    glass_status status = mem_copy_text(&run->folder, folder, strlen(folder));
    if (status == GLASS_OK)
        *out = run;
    else
        mem_free(run);
    return status;
}

static void choose_threads(struct glass_run *run, const glass_run_options *o) {
    run->n_threads =
        o != NULL && o->n_threads > 0 ? o->n_threads : (int)run->recipe.threads;
    if (run->n_threads == 0) run->n_threads = comm_default_threads(run->comm);
}

static bool there(const struct glass_run *run, const char *name) {
    char *path;
    struct stat st;
    if (run_path(&path, run, name) != GLASS_OK) return false;
    bool found = stat(path, &st) == 0;
    mem_free(path);
    return found;
}

static glass_status open_database(struct glass_run *run) {
    struct metric *list;
    int64_t n;
    char *path;
    TRY(metrics_read(&list, &n, run->metrics.path));
    glass_status status = run_path(&path, run, "metrics.sqlite");
    if (status == GLASS_OK) status = database_open(&run->database, path, list, n);
    mem_free(path);
    metrics_free(list, n);
    return status;
}

static glass_status open_logs(struct glass_run *run) {
    char *path;
    if (run->replay || glass_processes_rank(run->comm) > 0) return GLASS_OK;
    if (!there(run, "ledger.jsonl"))
        return fail(GLASS_BAD_INPUT,
                    "%s/ledger.jsonl is gone: without it the run cannot go on (its last "
                    "checkpoint can be the model.base of a new one)",
                    run->folder);
    TRY(run_path(&path, run, "metrics.jsonl"));
    glass_status status = lines_open(&run->metrics, path, run->step);
    mem_free(path);
    TRY(status);
    TRY(open_database(run));
    TRY(run_path(&path, run, "ledger.jsonl"));
    status = lines_open(&run->ledger, path, run->step);
    mem_free(path);
    return status;
}

/* "shakespeare.yaml" -> "shakespeare.run" */
static glass_status default_folder(struct buf *out, const char *recipe) {
    const char *dot = strrchr(recipe, '.'), *slash = strrchr(recipe, '/');
    size_t n = dot == NULL || (slash != NULL && dot < slash) ? strlen(recipe)
                                                             : (size_t)(dot - recipe);
    return buf_printf(out, "%.*s.run", (int)n, recipe);
}

/* A model by name, as far as there is no such file. */
static glass_status find_model(char **name, const glass_run_options *o, const char *recipe,
                               const char *key) {
    char *path, *real;
    if (o == NULL || o->find == NULL || *name[0] == '\0' || access(*name, F_OK) == 0)
        return GLASS_OK;
    if (o->find(&path, *name) != GLASS_OK)
        return fail_within(GLASS_BAD_INPUT, "%s: %s", recipe, key);
    real = realpath(path, NULL);
    glass_status status = real == NULL ? fail_errno("%s", path) : GLASS_OK;
    glass_free(path);
    if (status == GLASS_OK) mem_free(*name);
    if (status == GLASS_OK) status = mem_copy_text(name, real, strlen(real));
    free(real);
    return status;
}

static glass_status make_run(struct glass_run *run, const char *recipe,
                             const glass_run_options *o) {
    TRY(recipe_read(&run->recipe, recipe));
    TRY(find_model(&run->recipe.base, o, recipe, "model.base"));
    TRY(find_model(&run->recipe.tokenizer, o, recipe, "model.tokenizer"));
    TRY(recipe_check_files(&run->recipe));
    choose_threads(run, o);
    if (!run->dry && there(run, "run.json"))
        return fail(GLASS_USAGE,
                    "%s holds a run already: go on with --resume, or give another folder",
                    run->folder);
    TRY(open_first_model(run));
    if (!run->dry) {
        TRY(path_make(run->folder));
        TRY(run_lock(run));
        TRY(run_clean(run));
    }
    TRY(run_make_shards(run));
    TRY(prepare(run));
    if (run->dry) return GLASS_OK;
    TRY(run_start_trainer(run));
    TRY(run_write_files(run));
    return open_logs(run);
}

static glass_status follow_run(struct glass_run *run, const glass_run_options *o);

glass_status glass_run_create(glass_run **out, const char *recipe,
                              const glass_run_options *options) {
    struct buf folder = {0};
    struct glass_run *run = NULL;
    *out = NULL;
    glass_status status = options != NULL && options->folder != NULL
                              ? buf_text(&folder, options->folder)
                              : default_folder(&folder, recipe);
    if (status == GLASS_OK) status = alloc_run(&run, folder.data, options);
    if (status == GLASS_OK && glass_processes_rank(run->comm) == 0) {
        status = make_run(run, recipe, options);
        if (status == GLASS_OK)
            status = comm_from_first(run->comm, &run->step, sizeof run->step);
    } else if (status == GLASS_OK) {
        status = follow_run(run, options);
    }
    buf_free(&folder);
    if (status == GLASS_OK)
        *out = run;
    else
        glass_run_close(run);
    return status;
}

/* ---- resuming ---- */

static glass_status newest(struct glass_run *run, const char *folder, int64_t from) {
    int64_t *steps, n;
    TRY(checkpoint_list(folder, &steps, &n));
    run->step = n > 0 ? steps[n - 1] : 0;
    bool found = from == 0;
    for (int64_t i = 0; i < n && !found; i++) found = steps[i] == from;
    if (from > 0) run->step = from;
    mem_free(steps);
    return found ? GLASS_OK
                 : fail(GLASS_USAGE, "%s has no checkpoint of step %lld", run->folder,
                        (long long)from);
}

/* The ledger's last line is that of the checkpoint. */
static glass_status check_chain(struct glass_run *run, const uint8_t want[32]) {
    struct buf text = {0};
    uint8_t have[32];
    /* Replaying looks at every line. */
    if (run->replay || glass_processes_rank(run->comm) > 0) return GLASS_OK;
    glass_status status = path_read_whole(&text, run->ledger.path, SIZE_MAX / 4);
    if (status == GLASS_OK) {
        size_t end = text.len > 0 ? text.len - 1 : 0, at = end;
        while (at > 0 && text.data[at - 1] != '\n') at--;
        status = ledger_chain_of(have, text.data + at, end - at, run->ledger.path);
        if (status == GLASS_OK && (memcmp(have, want, 32) != 0 ||
                                   lines_step(text.data + at, end - at) != run->step))
            status = fail(GLASS_BAD_INPUT,
                          "%s: its line of step %lld is not the one that the %s says",
                          run->ledger.path, (long long)run->step,
                          run->step > 0 ? "checkpoint" : "recipe");
    }
    memcpy(run->chain, want, 32);
    buf_free(&text);
    return status;
}

static glass_status resume_at(struct glass_run *run, const char *folder) {
    struct checkpoint_state state;
    struct buf path = {0};
    glass_status status;
    TRY_FAIL(checkpoint_open(folder, run->step, &state));
    TRY_FAIL(checkpoint_path(&path, folder, run->step));
    TRY_FAIL(buf_text(&path, "/model.gguf"));
    TRY_FAIL(glass_model_open(&run->model, path.data, NULL));
    TRY_FAIL(prepare(run));
    TRY_FAIL(run_start_trainer(run));
    TRY_FAIL(checkpoint_restore(folder, &state, run->trainer));
    if (state.sample != run->step * run->recipe.sequences) {
        status = fail(GLASS_BAD_INPUT, "%s: its cursor does not fit the recipe", path.data);
        goto fail;
    }
    TRY_FAIL(open_logs(run));
    status = check_chain(run, state.chain);
fail:
    buf_free(&path);
    return status;
}

static glass_status resume_from_start(struct glass_run *run) {
    uint8_t weights[32], chain[32];
    TRY(open_first_model(run));
    TRY(prepare(run));
    TRY(run_start_trainer(run));
    TRY(open_logs(run));
    TRY(run_first_chain(run, weights));
    memcpy(chain, run->chain, sizeof chain);
    return check_chain(run, chain);
}

/* Goes where rank 0 is, which has made or locked the run. */
static glass_status follow_run(struct glass_run *run, const glass_run_options *o) {
    char *folder;
    TRY(comm_from_first(run->comm, &run->step, sizeof run->step));
    TRY(run_read_recipe(run));
    choose_threads(run, o);
    TRY(run_open_shards(run));
    TRY(run_path(&folder, run, "checkpoints"));
    glass_status status = run->step > 0 ? resume_at(run, folder) : resume_from_start(run);
    mem_free(folder);
    return status;
}

static glass_status resume_run(struct glass_run *run, const glass_run_options *o) {
    char *folder;
    if (!there(run, "run.json"))
        return fail(GLASS_USAGE, "%s holds no run (there is no run.json in it)",
                    run->folder);
    TRY(run_lock(run));
    TRY(run_clean(run));
    TRY(run_read_recipe(run));
    choose_threads(run, o);
    TRY(run_open_shards(run));
    TRY(run_path(&folder, run, "checkpoints"));
    glass_status status = newest(run, folder, o == NULL ? 0 : o->from);
    if (status == GLASS_OK)
        status = comm_from_first(run->comm, &run->step, sizeof run->step);
    if (status == GLASS_OK)
        status = run->step > 0 ? resume_at(run, folder) : resume_from_start(run);
    mem_free(folder);
    return status;
}

glass_status glass_run_resume(glass_run **out, const char *folder,
                              const glass_run_options *options) {
    struct glass_run *run;
    *out = NULL;
    TRY(alloc_run(&run, folder, options));
    run->dry = false;
    glass_status status = glass_processes_rank(run->comm) == 0 ? resume_run(run, options)
                                                               : follow_run(run, options);
    if (status == GLASS_OK)
        *out = run;
    else
        glass_run_close(run);
    return status;
}

static glass_status open_replay(struct glass_run *run, int64_t step,
                                const glass_run_options *o) {
    int64_t *steps, n;
    char *folder;
    TRY(run_read_recipe(run));
    choose_threads(run, o);
    TRY(run_open_shards(run));
    TRY(run_path(&folder, run, "checkpoints"));
    glass_status status = checkpoint_list(folder, &steps, &n);
    for (int64_t i = 0; status == GLASS_OK && i < n; i++)
        if (steps[i] <= step) run->step = steps[i];
    mem_free(steps);
    if (status == GLASS_OK)
        status = run->step > 0 ? resume_at(run, folder) : resume_from_start(run);
    mem_free(folder);
    return status;
}

glass_status run_open_replay(struct glass_run **out, const char *folder, int64_t step,
                             const glass_verify_options *verify) {
    const glass_run_options o = {.n_threads = verify->n_threads,
                                 .processes = verify->processes};
    struct glass_run *run;
    *out = NULL;
    TRY(alloc_run(&run, folder, &o));
    run->replay = true;
    run->texts = verify->texts;
    glass_status status = open_replay(run, step, &o);
    if (status == GLASS_OK)
        *out = run;
    else
        glass_run_close(run);
    return status;
}

glass_status run_open_look(struct glass_run **out, const char *folder) {
    struct glass_run *run;
    *out = NULL;
    TRY(alloc_run(&run, folder, NULL));
    run->replay = true;
    glass_status status = run_read_recipe(run);
    if (status == GLASS_OK) status = run_open_shards(run);
    if (status == GLASS_OK)
        *out = run;
    else
        glass_run_close(run);
    return status;
}

void glass_run_close(glass_run *run) {
    if (run == NULL) return;
    lines_close(&run->metrics);
    lines_close(&run->ledger);
    database_close(run->database);
    loader_clear(&run->loader);
    for (int64_t i = 0; i < run->n_shards; i++) shard_clear(&run->shards[i]);
    for (int64_t i = 0; i < run->n_held_out; i++) shard_clear(&run->held_out[i]);
    mem_free(run->shards);
    mem_free(run->held_out);
    trainer_free(run->trainer);
    glass_model_close(run->model);
    recipe_clear(&run->recipe);
    mem_free(run->tensors);
    mem_free(run->samples);
    mem_free(run->losses);
    mem_free(run->numbers);
    buf_free(&run->path);
    buf_free(&run->text);
    mem_free(run->folder);
    if (run->lock >= 0) close(run->lock);
    mem_free(run);
}

int64_t glass_run_n_done(const glass_run *run) {
    return run->step;
}
