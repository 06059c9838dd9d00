/* run_verify.c - replaying a run: steps of its ledger, computed again. run_bisect.c compares
 * two runs. */
#include "train/run_ledger.h"

#include "train/order.h"
#include "train/weights_hash.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

struct verifying {
    const char *folder;
    const glass_verify_options *o;
    glass_verify_report *out;
    struct glass_run *run;
    struct ledger_file ledger;
    int64_t *samples; /* of a line */
    struct buf blocks;
    int64_t last;  /* that is to be computed */
    uint64_t seed; /* rank 0's */
};

static bool kept(const struct verifying *v, int64_t step) {
    struct buf path = {0}, folder = {0};
    struct stat st;
    bool found = buf_printf(&folder, "%s/checkpoints", v->folder) == GLASS_OK &&
                 checkpoint_path(&path, folder.data, step) == GLASS_OK &&
                 stat(path.data, &st) == 0;
    buf_free(&path);
    buf_free(&folder);
    return found;
}

/* One more step, and its entry, of which weights are not hashed yet. */
static glass_status compute(struct verifying *v, struct ledger_entry *have) {
    struct glass_run *run = v->run;
    glass_run_report p;
    TRY(run_train_step(run, &p));
    v->out->n_replayed++;
    *have = (struct ledger_entry){.step = run->step,
                                  .samples = run->samples,
                                  .n_samples = run->recipe.sequences,
                                  .loss = p.loss,
                                  .norm = p.norm};
    if (v->o->progress != NULL && !v->o->progress(v->o->context, run->step, v->last))
        return fail(GLASS_CANCELLED, "stopped after step %lld", (long long)run->step);
    return GLASS_OK;
}

static glass_status root_of_now(const struct verifying *v, uint8_t root[32]) {
    return weights_hash(root, v->run->tensors, trainer_params(v->run->trainer),
                        v->run->n_threads);
}

/* ---- naming a difference ---- */

static glass_status line_now(struct verifying *v, struct ledger_entry *out) {
    return ledger_file_entry(out, &v->blocks, v->samples, v->run->recipe.sequences,
                             &v->ledger, v->run->step);
}

/* Without a checkpoint, by the digests in the ledger; of the weights of now there are some. */
static glass_status name_block(struct verifying *v, struct buf *b) {
    struct ledger_entry line;
    TRY(line_now(v, &line));
    TRY(buf_text(b, ", "));
    return blocks_difference(b, &line, v->run);
}

/* Which weights of this step's checkpoint are other ones than those computed here. */
static glass_status name_weights(struct verifying *v, struct buf *b) {
    const struct params *p = trainer_params(v->run->trainer);
    struct kept_weights k;
    struct difference d;
    if (!kept(v, v->run->step)) return name_block(v, b);
    TRY(kept_weights_read(&k, v->folder, v->run->step, p));
    params_compare(&d, p, &k.params);
    glass_status status =
        d.tensor == NULL ? buf_text(b, ": the checkpoint has those that are computed here, "
                                       "so that the ledger's line is wrong")
                         : buf_text(b, ", ");
    if (status == GLASS_OK && d.tensor != NULL)
        status = difference_text(b, &d, "here", "in the checkpoint");
    kept_weights_clear(&k);
    return status;
}

static glass_status other_weights(struct verifying *v) {
    struct buf b = {0};
    glass_status status = name_weights(v, &b);
    if (status == GLASS_OK)
        status = fail(GLASS_NEGATIVE, "step %lld: the weights differ%s",
                      (long long)v->run->step, b.data);
    buf_free(&b);
    return status;
}

/* A loss or a norm is another: what the next weights that the ledger tells of say to that. */
static glass_status explain(struct verifying *v, struct buf *b) {
    int64_t step = v->run->step;
    uint8_t want[32], root[32];
    while (step < v->ledger.n && !ledger_file_weights(want, &v->ledger, step)) step++;
    if (step == v->ledger.n)
        return buf_text(b, "; no later step's weights are known to name a tensor");
    while (v->run->step < step) {
        struct ledger_entry have;
        TRY(compute(v, &have));
    }
    TRY(root_of_now(v, root));
    if (memcmp(root, want, sizeof root) == 0)
        return buf_printf(b,
                          "; the weights after step %lld are the same: this line is wrong",
                          (long long)step);
    TRY(buf_printf(b, "; the weights after step %lld differ", (long long)step));
    return name_weights(v, b);
}

/* message: what differs, of the step of now; adds which tensor. */
static glass_status differs(struct verifying *v, struct buf *message) {
    struct buf b = {0};
    glass_status status = explain(v, &b);
    if (status == GLASS_OK || status == GLASS_BAD_INPUT)
        status = fail(GLASS_NEGATIVE, "%s%s", message->data, b.len > 0 ? b.data : "");
    buf_free(&b);
    return status;
}

/* Rank 0 has them all for that. */
static glass_status check_moments(const struct verifying *v) {
    struct trainer *t = v->run->trainer;
    bool first = glass_processes_rank(v->o->processes) == 0;
    struct buf b = {0};
    glass_status status = first ? moments_difference(&b, v->folder, v->run->step, t)
                                : trainer_lend_moments(t);
    if (status == GLASS_OK && first) status = trainer_gathered(t);
    bool other = b.len > 0;
    if (status == GLASS_OK) status = comm_from_first(v->o->processes, &other, sizeof other);
    if (status == GLASS_OK && other)
        status = fail(GLASS_NEGATIVE, "step %lld: the checkpoint differs: %s",
                      (long long)v->run->step, first ? b.data : "its moments");
    buf_free(&b);
    return status;
}

/* All of a checkpoint: its bytes are those of its sums, its weights those of now. */
static glass_status check_kept(struct verifying *v) {
    const struct params *p = trainer_params(v->run->trainer);
    struct checkpoint_state state;
    struct kept_weights k;
    struct difference d;
    char *folder;
    TRY(run_path(&folder, v->run, "checkpoints"));
    glass_status status = checkpoint_open(folder, v->run->step, &state);
    mem_free(folder);
    TRY(status);
    TRY(kept_weights_read(&k, v->folder, v->run->step, p));
    params_compare(&d, p, &k.params);
    kept_weights_clear(&k);
    if (d.tensor != NULL) return other_weights(v);
    return check_moments(v);
}

/* The blocks that a line tells are those of its root, which is right. */
static glass_status check_blocks(const struct verifying *v,
                                 const struct ledger_entry *want) {
    const struct params *p = trainer_params(v->run->trainer);
    if (want->n_blocks == weights_n_blocks(p) &&
        memcmp(want->blocks, v->run->tensors + 32 * p->n_list,
               32 * (size_t)want->n_blocks) == 0)
        return GLASS_OK;
    struct buf b = {0};
    glass_status status = blocks_difference(&b, want, v->run);
    if (status == GLASS_OK)
        status = fail(GLASS_NEGATIVE,
                      "step %lld: the weights are right, but not the ledger's blocks: %s",
                      (long long)v->run->step, b.data);
    buf_free(&b);
    return status;
}

static glass_status difference(struct verifying *v, const struct ledger_entry *want,
                               struct ledger_entry *have) {
    long long step = (long long)have->step;
    struct buf b = {0};
    glass_status status = GLASS_OK;
    for (int64_t i = 0; i < have->n_samples; i++)
        if (want->samples[i] != have->samples[i])
            return fail(GLASS_NEGATIVE,
                        "step %lld: sample %lld was window %lld, and is %lld here", step,
                        (long long)i, (long long)want->samples[i],
                        (long long)have->samples[i]);
    if (memcmp(&want->loss, &have->loss, sizeof want->loss) != 0)
        status = buf_printf(&b, "step %lld: the loss was %.17g, and is %.17g here", step,
                            want->loss, have->loss);
    else if (memcmp(&want->norm, &have->norm, sizeof want->norm) != 0)
        status =
            buf_printf(&b, "step %lld: the gradient's norm was %.17g, and is %.17g here",
                       step, want->norm, have->norm);
    if (status == GLASS_OK && b.len > 0) status = differs(v, &b);
    buf_free(&b);
    TRY(status);
    if (!want->has_weights) return GLASS_OK;
    TRY(root_of_now(v, have->weights));
    if (memcmp(want->weights, have->weights, 32) != 0) return other_weights(v);
    TRY(check_blocks(v, want));
    return v->o->full && kept(v, have->step) ? check_kept(v) : GLASS_OK;
}

static glass_status check_step(struct verifying *v) {
    struct ledger_entry want, have;
    TRY(compute(v, &have));
    TRY(line_now(v, &want));
    return difference(v, &want, &have);
}

/* ---- where a replay begins ---- */

static glass_status open_at(struct verifying *v, int64_t step);

/* A checkpoint's weights are not those of the ledger: the step is computed from before it. */
static glass_status other_start(struct verifying *v) {
    int64_t step = v->run->step;
    if (step == 0) /* the recipe's own first weights */
        return fail(GLASS_NEGATIVE, "step 0: the first weights are other ones here");
    TRY(open_at(v, step - 1));
    while (v->run->step < step) {
        struct ledger_entry have;
        TRY(compute(v, &have));
    }
    return other_weights(v);
}

/* The weights of now are those that the ledger tells of. */
static glass_status check_begin(struct verifying *v) {
    uint8_t root[32], want[32];
    if (!ledger_file_weights(want, &v->ledger, v->run->step)) return GLASS_OK;
    TRY(root_of_now(v, root));
    return memcmp(root, want, sizeof root) == 0 ? GLASS_OK : other_start(v);
}

/* A run at the newest checkpoint up to this step. */
static glass_status open_at(struct verifying *v, int64_t step) {
    glass_run_close(v->run);
    TRY(run_open_replay(&v->run, v->folder, step, v->o));
    return check_begin(v);
}

/* ---- which steps ---- */

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The first places of a permutation of all of them: order.h's, of the seed. */
static glass_status pick(struct verifying *v, int64_t first, int64_t last) {
    glass_verify_report *out = v->out;
    int64_t n = last - first + 1;
    out->n_picked = v->o->n_sample < n ? v->o->n_sample : n;
    TRY(mem_alloc(&out->picked, (size_t)out->n_picked, sizeof *out->picked));
    for (int64_t i = 0; i < out->n_picked; i++)
        out->picked[i] = first + (int64_t)order_at(v->seed, 0, (uint64_t)i, (uint64_t)n);
    qsort(out->picked, (size_t)out->n_picked, sizeof *out->picked, ascending);
    return GLASS_OK;
}

/* The newest checkpoint before a step, 0 = there is none. */
static glass_status checkpoint_before(const struct verifying *v, int64_t step,
                                      int64_t *out) {
    int64_t *steps, n;
    char *folder;
    *out = 0;
    TRY(run_path(&folder, v->run, "checkpoints"));
    glass_status status = checkpoint_list(folder, &steps, &n);
    for (int64_t i = 0; i < n; i++)
        if (steps[i] < step) *out = steps[i];
    mem_free(steps);
    mem_free(folder);
    return status;
}

static glass_status check_picked(struct verifying *v) {
    for (int64_t i = 0; i < v->out->n_picked; i++) {
        int64_t step = v->out->picked[i], from;
        TRY(checkpoint_before(v, step, &from));
        if (from > v->run->step) TRY(open_at(v, step - 1));
        while (v->run->step < step) TRY(check_step(v));
    }
    return GLASS_OK;
}

/* A checkpoint is written after its line: the ledger reaches the newest one at least. (It is looked
 * for first: a run may be at work.) */
static glass_status read_ledger(struct verifying *v) {
    struct buf folder = {0};
    int64_t *steps = NULL, n = 0;
    glass_status status = buf_printf(&folder, "%s/checkpoints", v->folder);
    if (status == GLASS_OK) status = checkpoint_list(folder.data, &steps, &n);
    if (status == GLASS_OK) status = ledger_file_read(&v->ledger, v->folder);
    if (status == GLASS_OK && n > 0 && steps[n - 1] >= v->ledger.n)
        status = fail(GLASS_NEGATIVE,
                      "%s ends with step %lld, or is damaged there: there is a checkpoint "
                      "of step %lld",
                      v->ledger.path, (long long)v->ledger.n - 1, (long long)steps[n - 1]);
    mem_free(steps);
    buf_free(&folder);
    return status;
}

static glass_status verify(struct verifying *v) {
    const glass_verify_options *o = v->o;
    int64_t first = o->first == 0 ? 1 : o->first, last = o->last;
    TRY(read_ledger(v));
    if (last == 0) last = v->ledger.n - 1;
    if (last >= v->ledger.n || first > last)
        return fail(GLASS_USAGE, "%s: steps 1 to %lld can be verified", v->ledger.path,
                    (long long)v->ledger.n - 1);
    v->seed = o->seed;
    TRY(comm_from_first(o->processes, &v->seed, sizeof v->seed));
    if (o->n_sample > 0) TRY(pick(v, first, last));
    v->last = o->n_sample > 0 ? v->out->picked[v->out->n_picked - 1] : last;
    int64_t begin = o->full ? 0 : o->n_sample > 0 ? v->out->picked[0] - 1 : first - 1;
    TRY(run_open_replay(&v->run, v->folder, begin, o));
    TRY(mem_alloc(&v->samples, (size_t)v->run->recipe.sequences, sizeof *v->samples));
    TRY(ledger_file_check(&v->ledger, v->run));
    if (o->full) TRY(run_compare_shards(v->run));
    TRY(check_begin(v));
    if (o->n_sample > 0) return check_picked(v);
    while (v->run->step < last) TRY(check_step(v));
    return GLASS_OK;
}

glass_status glass_run_verify(const char *folder, const glass_verify_options *options,
                              glass_verify_report *out) {
    const glass_verify_options none = {0};
    struct verifying v = {.folder = folder, .o = options == NULL ? &none : options};
    glass_verify_report unseen;
    v.out = out == NULL ? &unseen : out;
    *v.out = (glass_verify_report){0};
    if (v.o->first < 0 || v.o->last < 0 || v.o->n_sample < 0)
        return fail(GLASS_USAGE, "steps %lld to %lld, %lld of them: they count from 1",
                    (long long)v.o->first, (long long)v.o->last, (long long)v.o->n_sample);
    if (v.o->full && (v.o->first > 1 || v.o->n_sample > 0))
        return fail(GLASS_USAGE, "all of a run is verified from its start, or a part");
    glass_status status = run_is_there(folder);
    if (status == GLASS_OK) status = verify(&v);
    bool agreed =
        status != GLASS_BAD_INPUT && status != GLASS_SYSTEM && status != GLASS_NO_MEMORY;
    if (agreed && status != GLASS_OK) comm_alike(v.o->processes);
    /* Elsewhere messages to and from its memory may be under way, while the process ends. */
    if (agreed || v.o->processes == NULL) glass_run_close(v.run);
    ledger_file_clear(&v.ledger);
    mem_free(v.samples);
    buf_free(&v.blocks);
    if (out == NULL) glass_free(unseen.picked);
    return status;
}
