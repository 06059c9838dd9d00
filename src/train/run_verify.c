/* run_verify.c - replaying a run: every line of its ledger, computed again. */
#include "base/hash.h"
#include "base/path.h"
#include "train/ledger.h"
#include "train/run_parts.h"
#include "train/weights_hash.h"

#include <stdint.h>

struct line {
    const char *text;
    size_t n;
};

struct verifying {
    struct glass_run *run;
    char *path; /* the ledger's */
    struct buf text;
    struct line *lines; /* (n_lines) line i is that of step i */
    int64_t n_lines;
    int64_t *samples; /* of a line */
    uint8_t *want;    /* (n_list, 32) */
};

static glass_status find_lines(struct verifying *v) {
    for (size_t at = 0; at < v->text.len;) {
        const char *end = memchr(v->text.data + at, '\n', v->text.len - at);
        if (end == NULL) break; /* cut while it was written */
        if ((v->n_lines & (v->n_lines - 1)) == 0)
            TRY(mem_resize(&v->lines, v->n_lines == 0 ? 1 : 2 * (size_t)v->n_lines,
                           sizeof *v->lines));
        v->lines[v->n_lines++] =
            (struct line){v->text.data + at, (size_t)(end - v->text.data) - at};
        at = (size_t)(end - v->text.data) + 1;
    }
    return v->n_lines > 0 ? GLASS_OK : fail(GLASS_NEGATIVE, "%s is empty", v->path);
}

static bool same(const struct buf *b, struct line l) {
    return b->len == l.n && memcmp(b->data, l.text, l.n) == 0;
}

static glass_status changed(const struct verifying *v, int64_t step) {
    return fail(GLASS_NEGATIVE, "%s: the line of step %lld was changed", v->path,
                (long long)step);
}

/* The first line says which weights the run began with; the rest of chain_0 is known. */
static glass_status check_first(struct verifying *v) {
    static const char start[] = "{\"step\":0,\"weights\":\"";
    const struct line l = v->lines[0];
    struct buf b = {0};
    uint8_t weights[32];
    if (l.n < sizeof start + 64 || memcmp(l.text, start, sizeof start - 1) != 0 ||
        !sha256_parse(weights, l.text + sizeof start - 1, 64))
        return changed(v, 0);
    glass_status status = run_chain_of(v->run, weights);
    if (status == GLASS_OK) status = ledger_first(&b, v->run->chain, weights);
    if (status == GLASS_OK && !same(&b, l)) status = changed(v, 0);
    buf_free(&b);
    return status;
}

/* Every line from the fields that it has. */
static glass_status check_chain(struct verifying *v) {
    struct buf b = {0};
    TRY(check_first(v));
    glass_status status = GLASS_OK;
    for (int64_t i = 1; status == GLASS_OK && i < v->n_lines; i++) {
        struct ledger_entry e;
        buf_clear(&b);
        status = ledger_parse(&e, v->samples, v->run->recipe.sequences, v->lines[i].text,
                              v->lines[i].n);
        if (status == GLASS_OK) status = ledger_line(&b, v->run->chain, &e);
        if (status == GLASS_BAD_INPUT ||
            (status == GLASS_OK && (e.step != i || !same(&b, v->lines[i]))))
            status = changed(v, i);
    }
    buf_free(&b);
    return status;
}

/* Names the first tensor that is another one than the checkpoint's of this step. */
static glass_status other_weights(struct verifying *v) {
    const struct params *p = trainer_params(v->run->trainer);
    long long step = (long long)v->run->step;
    char *folder;
    TRY(run_path(&folder, v->run, "checkpoints"));
    glass_status status = checkpoint_tensors(folder, v->run->step, v->want, p);
    mem_free(folder);
    for (int64_t i = 0; status == GLASS_OK && i < p->n_list; i++)
        if (memcmp(v->want + 32 * i, v->run->tensors + 32 * i, 32) != 0)
            return fail(GLASS_NEGATIVE, "step %lld: the weights differ, first in %s", step,
                        p->list[i].name);
    return fail(GLASS_NEGATIVE, "step %lld: the weights differ", step);
}

static glass_status difference(struct verifying *v, const struct ledger_entry *want,
                               const struct ledger_entry *have) {
    long long step = (long long)have->step;
    for (int64_t i = 0; i < have->n_samples; i++)
        if (want->samples[i] != have->samples[i])
            return fail(GLASS_NEGATIVE,
                        "step %lld: sample %lld was window %lld, and is %lld here", step,
                        (long long)i, (long long)want->samples[i],
                        (long long)have->samples[i]);
    if (memcmp(&want->loss, &have->loss, sizeof want->loss) != 0)
        return fail(GLASS_NEGATIVE, "step %lld: the loss was %.17g, and is %.17g here",
                    step, want->loss, have->loss);
    if (memcmp(&want->norm, &have->norm, sizeof want->norm) != 0)
        return fail(GLASS_NEGATIVE,
                    "step %lld: the gradient's norm was %.17g, and is %.17g here", step,
                    want->norm, have->norm);
    if (want->has_weights && memcmp(want->weights, have->weights, 32) != 0)
        return other_weights(v);
    return GLASS_OK;
}

static glass_status check_step(struct verifying *v) {
    struct glass_run *run = v->run;
    glass_run_report p;
    struct ledger_entry want, have;
    TRY(run_train_step(run, &p));
    TRY(ledger_parse(&want, v->samples, run->recipe.sequences, v->lines[run->step].text,
                     v->lines[run->step].n));
    have = (struct ledger_entry){.step = run->step,
                                 .samples = run->samples,
                                 .n_samples = run->recipe.sequences,
                                 .loss = p.loss,
                                 .norm = p.norm};
    if (want.has_weights)
        TRY(weights_hash(have.weights, run->tensors, trainer_params(run->trainer),
                         run->n_threads));
    return difference(v, &want, &have);
}

/* The weights that the replay begins with are those that the ledger tells of. */
static glass_status check_start(struct verifying *v) {
    struct glass_run *run = v->run;
    const struct line l = v->lines[run->step];
    static const char mark[] = "\"weights\":\"";
    uint8_t root[32], want[32];
    const char *at = memmem(l.text, l.n, mark, sizeof mark - 1);
    if (at == NULL) return GLASS_OK; /* a checkpoint of Ctrl-C */
    TRY(weights_hash(root, run->tensors, trainer_params(run->trainer), run->n_threads));
    if (!sha256_parse(want, at + sizeof mark - 1, 64)) return changed(v, run->step);
    return memcmp(root, want, sizeof root) == 0 ? GLASS_OK : other_weights(v);
}

static glass_status verify(struct verifying *v, int64_t first, int64_t last,
                           bool (*progress)(void *, int64_t, int64_t), void *context) {
    struct glass_run *run = v->run;
    TRY(run_path(&v->path, run, "ledger.jsonl"));
    TRY(path_read_whole(&v->text, v->path, SIZE_MAX / 4));
    TRY(find_lines(v));
    if (last == 0) last = v->n_lines - 1;
    if (last >= v->n_lines || first > last)
        return fail(GLASS_USAGE, "%s: steps 1 to %lld can be verified", v->path,
                    (long long)v->n_lines - 1);
    TRY(mem_alloc(&v->samples, (size_t)run->recipe.sequences, sizeof *v->samples));
    TRY(mem_alloc(&v->want, (size_t)trainer_params(run->trainer)->n_list, 32));
    TRY(check_chain(v));
    TRY(check_start(v));
    while (run->step < last) {
        TRY(check_step(v));
        if (progress != NULL && !progress(context, run->step, last))
            return fail(GLASS_CANCELLED, "stopped after step %lld", (long long)run->step);
    }
    return GLASS_OK;
}

glass_status glass_run_verify(const char *folder, int64_t first, int64_t last,
                              int n_threads,
                              bool (*progress)(void *context, int64_t step, int64_t last),
                              void *context) {
    struct verifying v = {0};
    if (first == 0) first = 1;
    if (first < 1 || last < 0)
        return fail(GLASS_USAGE, "steps %lld to %lld: they count from 1", (long long)first,
                    (long long)last);
    glass_status status = run_open_replay(&v.run, folder, first - 1, n_threads);
    if (status == GLASS_OK) status = verify(&v, first, last, progress, context);
    glass_run_close(v.run);
    mem_free(v.path);
    buf_free(&v.text);
    mem_free(v.lines);
    mem_free(v.samples);
    mem_free(v.want);
    return status;
}
