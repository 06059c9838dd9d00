/* run_bisect.c - two runs that should be equal: where do they part, and which is right?
 *
 * Recipes and shards are compared as the ledger's beginning sees them; then, ascending, the ledgers'
 * lines and the weights of checkpoints, each against what its own ledger says of them. What
 * differs first is computed again from the last place where all agree. */
#include "train/run_ledger.h"

#include "base/path.h"
#include "train/weights_hash.h"

#include <stdint.h>

struct side {
    const char *folder;
    struct glass_run *run; /* recipe and shards alone */
    struct ledger_file ledger;
    struct buf identity;
    int64_t *steps, n_steps; /* of checkpoints */
    int64_t *samples;
    struct buf blocks;
    struct ledger_entry entry; /* of the line in question */
    bool right;
};

struct bisecting {
    struct side side[2];
    const glass_verify_options *o;
    struct glass_run *replay;
    int64_t step;    /* that differs */
    bool checkpoint; /* it is side `bad`'s checkpoint that does; -1: one of the two */
    int bad;
    int64_t
        agreed; /* the newest checkpoint before it that both have, byte for byte; 0 = none */
};

static glass_status open_side(struct side *s, const char *folder) {
    char *path;
    s->folder = folder;
    TRY(run_open_look(&s->run, folder));
    TRY(recipe_identity(&s->identity, &s->run->recipe));
    TRY(ledger_file_read(&s->ledger, folder));
    TRY(mem_alloc(&s->samples, (size_t)s->run->recipe.sequences, sizeof *s->samples));
    TRY(run_path(&path, s->run, "checkpoints"));
    glass_status status = checkpoint_list(path, &s->steps, &s->n_steps);
    mem_free(path);
    return status;
}

/* ---- the beginning ---- */

static glass_status other_recipe(const struct bisecting *z) {
    const char *a = z->side[0].identity.data, *b = z->side[1].identity.data;
    while (*a != '\0' && *b != '\0') {
        size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
        if (n != m || memcmp(a, b, n) != 0)
            return fail(GLASS_NEGATIVE,
                        "the recipes differ: \"%.*s\" in %s, \"%.*s\" in %s", (int)n, a,
                        z->side[0].folder, (int)m, b, z->side[1].folder);
        a += n + (a[n] != '\0');
        b += m + (b[m] != '\0');
    }
    return fail(GLASS_NEGATIVE, "the recipes differ in their length");
}

static glass_status compare_beginning(const struct bisecting *z) {
    const struct side *a = &z->side[0], *b = &z->side[1];
    if (a->identity.len != b->identity.len ||
        memcmp(a->identity.data, b->identity.data, a->identity.len) != 0)
        return other_recipe(z);
    for (int64_t i = 0; i < a->run->n_shards; i++)
        if (memcmp(a->run->shards[i].sha256, b->run->shards[i].sha256, 32) != 0)
            return fail(
                GLASS_NEGATIVE,
                "the runs learn from different texts: shards/train-%lld.safetensors "
                "(glass verify --full tells which one is its text's)",
                (long long)i);
    return GLASS_OK;
}

/* ---- the first difference ---- */

static int64_t first_line(const struct bisecting *z) {
    const struct ledger_file *a = &z->side[0].ledger, *b = &z->side[1].ledger;
    for (int64_t i = 0; i < a->n && i < b->n; i++)
        if (a->lines[i].n != b->lines[i].n ||
            memcmp(a->lines[i].text, b->lines[i].text, a->lines[i].n) != 0)
            return i;
    return INT64_MAX;
}

/* *good: the checkpoint's weights are those of its ledger's line. */
static glass_status check_checkpoint(const struct bisecting *z, const struct side *s,
                                     int64_t step, bool *good) {
    uint8_t root[32], want[32];
    struct kept_weights k;
    *good = true;
    if (!ledger_file_weights(want, &s->ledger, step)) return GLASS_OK;
    TRY(kept_weights_read(&k, s->folder, step, trainer_params(z->replay->trainer)));
    glass_status status =
        weights_hash(root, s->run->tensors, &k.params, z->replay->n_threads);
    kept_weights_clear(&k);
    *good = memcmp(root, want, sizeof root) == 0;
    return status;
}

/* The first checkpoint before z->step that is not its ledger's. */
static glass_status look_at_checkpoints(struct bisecting *z) {
    for (int i = 0; i < 2; i++) {
        struct side *s = &z->side[i];
        const struct params *p = trainer_params(z->replay->trainer);
        TRY(mem_alloc_zero(&s->run->tensors, (size_t)(p->n_list + weights_n_blocks(p)),
                           32));
        for (int64_t j = 0; j < s->n_steps && s->steps[j] < z->step; j++) {
            bool good;
            TRY(check_checkpoint(z, s, s->steps[j], &good));
            if (good) continue;
            z->step = s->steps[j];
            z->checkpoint = true;
            z->bad = i;
        }
    }
    return GLASS_OK;
}

static glass_status sums_of(struct buf *out, const char *folder, int64_t step) {
    struct buf all = {0}, path = {0};
    glass_status status = buf_printf(&all, "%s/checkpoints", folder);
    if (status == GLASS_OK) status = checkpoint_path(&path, all.data, step);
    if (status == GLASS_OK) status = buf_text(&path, "/SHA256SUMS");
    if (status == GLASS_OK) status = path_read_whole(out, path.data, 1 << 20);
    buf_free(&all);
    buf_free(&path);
    return status;
}

/* Equal states give equal bytes: of checkpoints before z->step that both runs have, the first
 * that differs, and the last that does not. */
static glass_status compare_checkpoints(struct bisecting *z) {
    const struct side *a = &z->side[0], *b = &z->side[1];
    struct buf x = {0}, y = {0};
    glass_status status = GLASS_OK;
    for (int64_t i = 0, j = 0; i < a->n_steps && j < b->n_steps;) {
        int64_t step = a->steps[i];
        if (step >= z->step) break;
        if (step != b->steps[j]) {
            *(step < b->steps[j] ? &i : &j) += 1;
            continue;
        }
        TRY_FAIL(sums_of(&x, a->folder, step));
        TRY_FAIL(sums_of(&y, b->folder, step));
        if (x.len != y.len || memcmp(x.data, y.data, x.len) != 0) {
            z->step = step;
            z->checkpoint = true;
            z->bad = -1;
            break;
        }
        z->agreed = step;
        i++;
        j++;
    }
fail:
    buf_free(&x);
    buf_free(&y);
    return status;
}

/* ---- computing it again ---- */

static glass_status compute_to(struct bisecting *z, int64_t step, glass_run_report *p) {
    while (z->replay->step < step) {
        TRY(run_train_step(z->replay, p));
        if (z->o->progress != NULL && !z->o->progress(z->o->context, z->replay->step, step))
            return fail(GLASS_CANCELLED, "stopped after step %lld",
                        (long long)z->replay->step);
    }
    return GLASS_OK;
}

/* From what both agree on. */
static glass_status replay_before(struct bisecting *z) {
    if (z->agreed == 0) return GLASS_OK; /* it is at the start */
    glass_run_close(z->replay);
    return run_open_replay(&z->replay, z->side[0].folder, z->agreed, z->o);
}

static glass_status verdict(const struct bisecting *z, struct buf *b) {
    const struct side *s = z->side;
    if (s[0].right == s[1].right)
        return buf_printf(b, "; neither is what is computed here");
    return buf_printf(b, "; %s is right", s[s[1].right].folder);
}

/* Adds the weights of side i's checkpoint of the replay's step. */
static glass_status add_weights(const struct bisecting *z, int i, struct buf *b) {
    const struct params *p = trainer_params(z->replay->trainer);
    struct kept_weights k;
    struct difference d;
    TRY(kept_weights_read(&k, z->side[i].folder, z->replay->step, p));
    params_compare(&d, &k.params, p);
    glass_status status =
        buf_printf(b, "; checkpoint of step %lld of %s: ", (long long)z->replay->step,
                   z->side[i].folder);
    if (status == GLASS_OK)
        status = d.tensor == NULL ? buf_text(b, "the weights are those computed here")
                                  : difference_text(b, &d, "there", "here");
    kept_weights_clear(&k);
    return status;
}

/* By the digests in the ledger of a run that is wrong: the first from the step on. */
static glass_status name_block(struct bisecting *z, struct buf *b) {
    int64_t step = INT64_MAX;
    struct side *s = NULL;
    struct ledger_entry line;
    glass_run_report p;
    uint8_t want[32], root[32];
    for (int i = 0; i < 2; i++)
        for (int64_t j = z->step; j < z->side[i].ledger.n && !z->side[i].right; j++) {
            if (!ledger_file_weights(root, &z->side[i].ledger, j)) continue;
            if (j < step) {
                step = j;
                s = &z->side[i];
                memcpy(want, root, sizeof want);
            }
            break;
        }
    if (s == NULL)
        return buf_text(b, "; no weights from that step on are known to name a tensor");
    TRY(compute_to(z, step, &p));
    TRY(weights_hash(root, z->replay->tensors, trainer_params(z->replay->trainer),
                     z->replay->n_threads));
    TRY(buf_printf(b, "; weights after step %lld of %s: ", (long long)step, s->folder));
    if (memcmp(root, want, sizeof root) == 0) return buf_text(b, "those computed here");
    TRY(ledger_file_entry(&line, &s->blocks, s->samples, s->run->recipe.sequences,
                          &s->ledger, step));
    return blocks_difference(b, &line, z->replay);
}

/* The first checkpoint from the step on of a run that is wrong. */
static glass_status name_tensor(struct bisecting *z, struct buf *b) {
    int64_t step = INT64_MAX;
    int which = 0;
    glass_run_report p;
    for (int i = 0; i < 2; i++)
        for (int64_t j = 0; j < z->side[i].n_steps && !z->side[i].right; j++)
            if (z->side[i].steps[j] >= z->step && z->side[i].steps[j] < step) {
                step = z->side[i].steps[j];
                which = i;
            }
    if (step == INT64_MAX) return name_block(z, b);
    TRY(compute_to(z, step, &p));
    return add_weights(z, which, b);
}

/* Both runs' checkpoints of a step, where the ledgers agree: weights or moments differ. */
static glass_status differing_checkpoint(struct bisecting *z, struct buf *b) {
    glass_run_report p;
    TRY(replay_before(z));
    TRY(compute_to(z, z->step, &p));
    TRY(buf_printf(b, "step %lld: the ledgers agree, but not the checkpoints",
                   (long long)z->step));
    for (int i = 0; i < 2; i++) {
        size_t before;
        if (z->bad >= 0 && z->bad != i) continue;
        TRY(add_weights(z, i, b));
        TRY(buf_text(b, ", "));
        before = b->len;
        TRY(moments_difference(b, z->side[i].folder, z->step, z->replay->trainer));
        if (b->len == before) TRY(buf_text(b, "and so are the moments"));
    }
    return GLASS_OK;
}

static bool same_entry(const struct ledger_entry *a, const struct ledger_entry *b) {
    return memcmp(a->samples, b->samples, (size_t)a->n_samples * sizeof *a->samples) == 0 &&
           memcmp(&a->loss, &b->loss, sizeof a->loss) == 0 &&
           memcmp(&a->norm, &b->norm, sizeof a->norm) == 0 &&
           (!a->has_weights || !b->has_weights || memcmp(a->weights, b->weights, 32) == 0);
}

static const char *what_differs(const struct ledger_entry *a,
                                const struct ledger_entry *b) {
    if (memcmp(a->samples, b->samples, (size_t)a->n_samples * sizeof *a->samples) != 0)
        return "the windows of the batch differ";
    if (memcmp(&a->loss, &b->loss, sizeof a->loss) != 0) return "the loss differs";
    if (memcmp(&a->norm, &b->norm, sizeof a->norm) != 0)
        return "the gradient's norm differs";
    if (a->has_weights != b->has_weights) return "weights were hashed in one of them";
    return "the weights differ";
}

static glass_status differing_line(struct bisecting *z, struct buf *b) {
    struct ledger_entry have = {0};
    glass_run_report p;
    if (z->step == 0) return buf_text(b, "step 0: the first weights differ");
    TRY(replay_before(z));
    for (int i = 0; i < 2; i++) {
        struct side *s = &z->side[i];
        TRY(ledger_file_entry(&s->entry, &s->blocks, s->samples, s->run->recipe.sequences,
                              &s->ledger, z->step));
    }
    TRY(compute_to(z, z->step, &p));
    have = (struct ledger_entry){.step = z->step,
                                 .samples = z->replay->samples,
                                 .n_samples = z->replay->recipe.sequences,
                                 .loss = p.loss,
                                 .norm = p.norm,
                                 .has_weights = true};
    TRY(weights_hash(have.weights, z->replay->tensors, trainer_params(z->replay->trainer),
                     z->replay->n_threads));
    const struct ledger_entry *x = &z->side[0].entry, *y = &z->side[1].entry;
    for (int i = 0; i < 2; i++) z->side[i].right = same_entry(&z->side[i].entry, &have);
    TRY(buf_printf(b, "step %lld: %s", (long long)z->step, what_differs(x, y)));
    TRY(buf_printf(b, " (loss %.17g and %.17g, here %.17g)", x->loss, y->loss, have.loss));
    TRY(verdict(z, b));
    return name_tensor(z, b);
}

static glass_status bisect(struct bisecting *z, int64_t *n_steps, const char *a,
                           const char *b) {
    struct buf text = {0};
    TRY(open_side(&z->side[0], a));
    TRY(open_side(&z->side[1], b));
    TRY(compare_beginning(z));
    for (int i = 0; i < 2; i++) TRY(ledger_file_check(&z->side[i].ledger, z->side[i].run));
    z->step = first_line(z);
    TRY(run_open_replay(&z->replay, a, 0, z->o));
    TRY(look_at_checkpoints(z));
    TRY(compare_checkpoints(z));
    if (z->step == INT64_MAX) {
        int64_t n = z->side[0].ledger.n;
        *n_steps = (n < z->side[1].ledger.n ? n : z->side[1].ledger.n) - 1;
        return GLASS_OK;
    }
    glass_status status =
        z->checkpoint ? differing_checkpoint(z, &text) : differing_line(z, &text);
    if (status == GLASS_OK) status = fail(GLASS_NEGATIVE, "%s", text.data);
    buf_free(&text);
    return status;
}

glass_status glass_run_bisect(int64_t *n_steps, const char *a, const char *b,
                              const glass_verify_options *options) {
    const glass_verify_options none = {0};
    struct bisecting z = {.o = options == NULL ? &none : options};
    *n_steps = 0;
    TRY(run_is_there(a));
    TRY(run_is_there(b));
    glass_status status = bisect(&z, n_steps, a, b);
    glass_run_close(z.replay);
    for (int i = 0; i < 2; i++) {
        struct side *s = &z.side[i];
        glass_run_close(s->run);
        ledger_file_clear(&s->ledger);
        buf_free(&s->identity);
        mem_free(s->steps);
        mem_free(s->samples);
        buf_free(&s->blocks);
    }
    return status;
}
