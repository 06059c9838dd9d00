/* run_without_make.c - the folder of a run without some documents: shards that leave them out, and
 * what the run itself did before it read any of them. See run_without.h. */
#include "train/run_without.h"

#include "base/path.h"
#include "train/left_out.h"
#include "train/weights_hash.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- shards ---- */

static glass_status link_records(const char *from, const char *to) {
    static const char ending[] = ".safetensors";
    struct buf name = {0};
    struct stat st;
    glass_status status = buf_printf(&name, "%.*s.documents.jsonl",
                                     (int)(strlen(from) - sizeof ending + 1), from);
    if (status == GLASS_OK && stat(name.data, &st) == 0)
        status = run_link_records(from, to);
    buf_free(&name);
    return status;
}

static glass_status make_shard(const struct without *w, struct glass_run *n, bool held_out,
                               int64_t i) {
    const struct shard *s = held_out ? &w->old->held_out[i] : &w->old->shards[i];
    const struct choice *c = held_out ? NULL : &w->list[i];
    int32_t blank = glass_tokenizer_eos(glass_model_tokenizer(w->old->model));
    char *from = NULL, *to = NULL;
    bool whole = c == NULL || c->n == 0;
    glass_status status;
    TRY_FAIL(run_shard_path(&from, w->old, held_out, i));
    TRY_FAIL(run_shard_path(&to, n, held_out, i));
    if (whole)
        TRY_FAIL(run_link_file(from, to));
    else
        TRY_FAIL(
            left_out_write(s, to, c->documents, c->digests, c->n, blank < 0 ? 0 : blank));
    TRY_FAIL(link_records(from, to));
    if (!held_out) status = shard_open(&n->shards[i], to, whole ? s->sha256 : NULL);
fail:
    mem_free(from);
    mem_free(to);
    return status;
}

static glass_status make_shards(const struct without *w, struct glass_run *n) {
    char *folder;
    TRY(run_path(&folder, n, "shards"));
    glass_status status = path_make(folder);
    mem_free(folder);
    TRY(status);
    for (int64_t i = 0; i < n->n_shards; i++) TRY(make_shard(w, n, false, i));
    for (int64_t i = 0; i < n->n_held_out; i++) TRY(make_shard(w, n, true, i));
    return GLASS_OK;
}

/* ---- what was done before any of them was read ---- */

/* Lines up to step `from` of the run's ledger, in a chain that begins otherwise. */
static glass_status put_lines(struct buf *b, struct without *w, struct glass_run *n) {
    struct buf blocks = {0};
    int64_t *samples, n_samples = n->recipe.sequences;
    uint8_t weights[32];
    ledger_file_weights(weights, &w->ledger, 0);
    TRY(run_chain_of(n, weights));
    TRY(run_first_line(b, n, weights));
    TRY(buf_byte(b, '\n'));
    TRY(mem_alloc(&samples, (size_t)n_samples, sizeof *samples));
    glass_status status = GLASS_OK;
    for (int64_t step = 1; status == GLASS_OK && step <= w->out->from; step++) {
        struct ledger_entry e;
        status = ledger_file_entry(&e, &blocks, samples, n_samples, &w->ledger, step);
        if (status == GLASS_OK) status = ledger_line(b, n->chain, &e);
        if (status == GLASS_OK) status = buf_byte(b, '\n');
    }
    mem_free(samples);
    buf_free(&blocks);
    return status;
}

static glass_status write_ledger(struct without *w, struct glass_run *n) {
    struct buf b = {0};
    char *path;
    TRY(run_path(&path, n, "ledger.jsonl"));
    glass_status status = put_lines(&b, w, n);
    if (status == GLASS_OK) status = path_write_whole(path, b.data, b.len);
    memcpy(w->chain, n->chain, sizeof w->chain);
    buf_free(&b);
    mem_free(path);
    return status;
}

static glass_status write_metrics(const struct without *w, const struct glass_run *n) {
    struct buf b = {0};
    char *from = NULL, *to = NULL;
    size_t end = 0;
    glass_status status;
    TRY_FAIL(run_path(&from, w->old, "metrics.jsonl"));
    TRY_FAIL(run_path(&to, n, "metrics.jsonl"));
    TRY_FAIL(path_read_whole(&b, from, SIZE_MAX / 4));
    while (end < b.len) {
        const char *line = b.data + end, *newline = memchr(line, '\n', b.len - end);
        if (newline == NULL) break;
        int64_t step = lines_step(line, (size_t)(newline - line));
        if (step < 0 || step > w->out->from) break;
        end += (size_t)(newline - line) + 1;
    }
    status = path_write_whole(to, b.len > 0 ? b.data : "", end);
fail:
    buf_free(&b);
    mem_free(from);
    mem_free(to);
    return status;
}

static glass_status copy_recipe(const struct without *w, const struct glass_run *n) {
    struct buf b = {0};
    char *from = NULL, *to = NULL;
    glass_status status;
    TRY_FAIL(run_path(&from, w->old, "recipe.yaml"));
    TRY_FAIL(run_path(&to, n, "recipe.yaml"));
    TRY_FAIL(path_read_whole(&b, from, 1 << 20));
    status = path_write_whole(to, b.data, b.len);
fail:
    buf_free(&b);
    mem_free(from);
    mem_free(to);
    return status;
}

glass_status without_checkpoint(struct without *w) {
    const glass_verify_options o = {
        .n_threads = w->o->n_threads, .texts = w->o->texts, .processes = w->o->processes};
    struct glass_run *at;
    uint8_t want[32];
    int64_t n_steps;
    glass_status status;
    TRY(run_open_replay(&at, w->folder, w->out->from, &o));
    struct checkpoint_state state = {.step = at->step,
                                     .sample = at->step * at->recipe.sequences};
    memcpy(state.chain, w->chain, sizeof state.chain);
    TRY_FAIL(weights_hash(state.weights, at->tensors, trainer_params(at->trainer),
                          at->n_threads));
    if (!ledger_file_weights(want, &w->ledger, at->step) ||
        memcmp(want, state.weights, sizeof want) != 0) {
        status = fail(GLASS_NEGATIVE,
                      "%s: the checkpoint of step %lld is not the ledger's: glass verify "
                      "tells more",
                      w->folder, (long long)at->step);
        goto fail;
    }
    if (glass_processes_rank(w->o->processes) > 0) {
        status = trainer_lend_moments(at->trainer);
        goto fail;
    }
    trainer_get_counters(at->trainer, &n_steps, state.powers);
    struct buf path = {0};
    status = buf_printf(&path, "%s/checkpoints", w->other);
    if (status == GLASS_OK)
        status = checkpoint_write(path.data, &state, at->tensors, at->model, at->trainer,
                                  at->tokenizer_path, 0);
    if (status == GLASS_OK) status = trainer_gathered(at->trainer);
    buf_free(&path);
fail:
    if (status == GLASS_OK || w->o->processes == NULL) glass_run_close(at);
    return status;
}

/* ---- the folder ---- */

/* The run that is there leaves the same out of the same recipe. */
static glass_status check_there(const struct without *w) {
    struct glass_run *there;
    uint8_t want[32], have[32];
    bool any, any_there;
    TRY(run_open_look(&there, w->other));
    glass_status status = left_out_root(want, &any, w->old->shards, w->old->n_shards);
    if (status == GLASS_OK)
        status = left_out_root(have, &any_there, there->shards, there->n_shards);
    if (status == GLASS_OK &&
        (memcmp(want, have, sizeof want) != 0 ||
         memcmp(there->recipe_sha256, w->old->recipe_sha256, sizeof want) != 0))
        status = fail(GLASS_USAGE, "%s holds another run: give another folder", w->other);
    glass_run_close(there);
    return status;
}

static glass_status write_all(struct without *w, struct glass_run *n) {
    char *folder;
    TRY(run_lock(n));
    TRY(run_clean(n));
    TRY(run_path(&folder, n, "checkpoints")); /* of a try that did not come so far */
    glass_status status = without_remove(folder);
    mem_free(folder);
    TRY(status);
    TRY(make_shards(w, n));
    TRY(copy_recipe(w, n));
    TRY(write_ledger(w, n));
    TRY(write_metrics(w, n));
    return run_write_json(n);
}

glass_status without_make(struct without *w, bool *made) {
    struct glass_run n = {.recipe = w->old->recipe, /* borrowed, as held_out is */
                          .folder = w->other,
                          .lock = -1,
                          .n_shards = w->old->n_shards,
                          .held_out = w->old->held_out,
                          .n_held_out = w->old->n_held_out};
    struct stat st;
    char *path;
    TRY(path_make(w->other));
    TRY(run_path(&path, &n, "run.json"));
    *made = stat(path, &st) != 0;
    mem_free(path);
    if (!*made) return check_there(w);
    memcpy(n.recipe_sha256, w->old->recipe_sha256, sizeof n.recipe_sha256);
    TRY(mem_alloc_zero(&n.shards, (size_t)n.n_shards, sizeof *n.shards));
    glass_status status = write_all(w, &n);
    for (int64_t i = 0; i < n.n_shards; i++) shard_clear(&n.shards[i]);
    mem_free(n.shards);
    if (n.lock >= 0) close(n.lock);
    return status;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

glass_status without_remove(const char *folder) {
    if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
        return GLASS_OK;
    return fail_errno("%s: cannot remove", folder);
}
