/* run_ledger.c - see run_ledger.h. */
#include "train/run_ledger.h"

#include "base/hash.h"
#include "base/path.h"
#include "format/archive.h"
#include "train/weights_hash.h"

#include <stdint.h>
#include <stdio.h>

static glass_status find_lines(struct ledger_file *f) {
    for (size_t at = 0; at < f->bytes.len;) {
        const char *end = memchr(f->bytes.data + at, '\n', f->bytes.len - at);
        if (end == NULL) break; /* cut while it was written */
        if ((f->n & (f->n - 1)) == 0)
            TRY(mem_resize(&f->lines, f->n == 0 ? 1 : 2 * (size_t)f->n, sizeof *f->lines));
        f->lines[f->n++] =
            (struct ledger_text){f->bytes.data + at, (size_t)(end - f->bytes.data) - at};
        at = (size_t)(end - f->bytes.data) + 1;
    }
    return f->n > 0 ? GLASS_OK : fail(GLASS_NEGATIVE, "%s is empty", f->path);
}

glass_status ledger_file_read(struct ledger_file *out, const char *folder) {
    struct buf path = {0};
    *out = (struct ledger_file){0};
    glass_status status = buf_printf(&path, "%s/ledger.jsonl", folder);
    if (status == GLASS_OK) status = buf_take(&path, &out->path, NULL);
    buf_free(&path);
    TRY(status);
    TRY(path_read_whole(&out->bytes, out->path, SIZE_MAX / 4));
    return find_lines(out);
}

void ledger_file_clear(struct ledger_file *f) {
    mem_free(f->path);
    buf_free(&f->bytes);
    mem_free(f->lines);
    *f = (struct ledger_file){0};
}

static bool same(const struct buf *b, struct ledger_text l) {
    return b->len == l.n && memcmp(b->data, l.text, l.n) == 0;
}

static glass_status changed(const struct ledger_file *f, int64_t step) {
    return fail(GLASS_NEGATIVE, "%s: the line of step %lld was changed", f->path,
                (long long)step);
}

/* The first line says which weights the run began with; the rest of chain_0 is known. */
static glass_status check_first(const struct ledger_file *f, struct glass_run *run) {
    static const char start[] = "{\"step\":0,\"weights\":\"";
    const struct ledger_text l = f->lines[0];
    struct buf b = {0};
    uint8_t weights[32];
    if (l.n < sizeof start + 64 || memcmp(l.text, start, sizeof start - 1) != 0 ||
        !sha256_parse(weights, l.text + sizeof start - 1, 64))
        return changed(f, 0);
    glass_status status = run_chain_of(run, weights);
    if (status == GLASS_OK) status = run_first_line(&b, run, weights);
    if (status == GLASS_OK && !same(&b, l)) status = changed(f, 0);
    buf_free(&b);
    return status;
}

glass_status ledger_file_check(const struct ledger_file *f, struct glass_run *run) {
    struct buf b = {0}, blocks = {0};
    int64_t *samples, n = run->recipe.sequences;
    TRY(check_first(f, run));
    TRY(mem_alloc(&samples, (size_t)n, sizeof *samples));
    glass_status status = GLASS_OK;
    for (int64_t i = 1; status == GLASS_OK && i < f->n; i++) {
        struct ledger_entry e;
        buf_clear(&b);
        status = ledger_file_entry(&e, &blocks, samples, n, f, i);
        if (status == GLASS_OK) status = ledger_line(&b, run->chain, &e);
        if (status == GLASS_BAD_INPUT ||
            (status == GLASS_OK && (e.step != i || !same(&b, f->lines[i]))))
            status = changed(f, i);
    }
    mem_free(samples);
    buf_free(&b);
    buf_free(&blocks);
    return status;
}

glass_status ledger_file_entry(struct ledger_entry *out, struct buf *blocks,
                               int64_t *samples, int64_t n_samples,
                               const struct ledger_file *f, int64_t step) {
    const struct ledger_text l = f->lines[step];
    return ledger_parse(out, blocks, samples, n_samples, l.text, l.n);
}

bool ledger_file_weights(uint8_t root[32], const struct ledger_file *f, int64_t step) {
    static const char mark[] = "\"weights\":\"";
    if (step >= f->n) return false;
    const struct ledger_text l = f->lines[step];
    const char *at = memmem(l.text, l.n, mark, sizeof mark - 1);
    if (at == NULL) return false; /* a checkpoint of Ctrl-C */
    at += sizeof mark - 1;
    return l.text + l.n - at >= 64 && sha256_parse(root, at, 64);
}

/* ---- weights ---- */

static uint32_t bits_at(const float *x, int64_t i) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    return bits;
}

void params_compare(struct difference *out, const struct params *a,
                    const struct params *b) {
    *out = (struct difference){0};
    for (int64_t i = 0; i < a->n_list; i++) {
        const struct param *x = &a->list[i], *y = &b->list[i];
        int64_t n = x->n * x->k, others = 0;
        if (memcmp(x->w, y->w, (size_t)n * sizeof *x->w) == 0) continue;
        for (int64_t j = 0; j < n; j++) {
            if (bits_at(x->w, j) == bits_at(y->w, j)) continue;
            if (others++ > 0 || out->tensor != NULL) continue;
            out->tensor = x;
            out->element = j;
            out->block = j * (int64_t)sizeof(float) / DIFFERENCE_BLOCK;
            out->a = bits_at(x->w, j);
            out->b = bits_at(y->w, j);
        }
        out->n_numbers += others;
        out->n_tensors++;
    }
}

glass_status blocks_difference(struct buf *out, const struct ledger_entry *line,
                               const struct glass_run *run) {
    const struct params *p = trainer_params(run->trainer);
    const uint8_t *blocks = run->tensors + 32 * p->n_list;
    int64_t n = weights_n_blocks(p), first = -1, others = 0, block;
    if (line->n_blocks != n)
        return buf_printf(out, "the ledger tells of %lld blocks, and there are %lld",
                          (long long)line->n_blocks, (long long)n);
    for (int64_t i = n - 1; i >= 0; i--) {
        if (memcmp(line->blocks + 32 * i, blocks + 32 * i, 32) == 0) continue;
        first = i;
        others++;
    }
    if (first < 0)
        return buf_text(out, "but each block is the one computed here: the line is wrong");
    const struct param *e = weights_block(p, first, &block);
    return buf_printf(out, "first in %s, block %lld of 1 MiB (%lld of %lld blocks differ)",
                      e->name, (long long)block, (long long)others, (long long)n);
}

/* Those of one tensor; *same: all of them are. */
static glass_status compare_moments(struct buf *out, const struct archive *a,
                                    const float *here, const struct param *e, int which,
                                    bool *all_same) {
    size_t n_bytes = (size_t)(e->n * e->k) * sizeof *here, at = 0;
    char name[PARAM_NAME + 4];
    snprintf(name, sizeof name, "%c.%s", which == 0 ? 'm' : 'v', e->name);
    const struct archive_tensor *m = archive_find(a, name, -1);
    *all_same = false;
    if (m == NULL || m->n_bytes != n_bytes)
        return buf_printf(out, "%s is missing, or of another shape", name);
    *all_same = memcmp(m->data, here, n_bytes) == 0;
    if (*all_same) return GLASS_OK;
    while (memcmp((const char *)m->data + at, (const char *)here + at, sizeof *here) == 0)
        at += sizeof *here;
    return buf_printf(out, "the moments, first in %s, block %zu of 64 KiB, element %zu",
                      name, at / DIFFERENCE_BLOCK, at / sizeof *here);
}

glass_status moments_difference(struct buf *out, const char *folder, int64_t step,
                                struct trainer *t) {
    const struct params *p = trainer_params(t);
    struct buf all = {0}, path = {0};
    struct archive *a = NULL;
    bool all_same = true;
    glass_status status;
    TRY_FAIL(buf_printf(&all, "%s/checkpoints", folder));
    TRY_FAIL(checkpoint_path(&path, all.data, step));
    TRY_FAIL(buf_text(&path, "/moments.safetensors"));
    TRY_FAIL(archive_open(&a, path.data));
    for (int which = 0; which < 2; which++) {
        const float *all_here;
        TRY_FAIL(trainer_gather_moments(t, which, &all_here));
        for (int64_t i = 0; all_same && i < p->n_list; i++) {
            const struct param *e = &p->list[i];
            if (optimizer_keeps(e, which))
                TRY_FAIL(compare_moments(out, a, all_here + (e->w - p->values), e, which,
                                         &all_same));
        }
    }
fail:
    archive_close(a);
    buf_free(&all);
    buf_free(&path);
    return status;
}

glass_status difference_text(struct buf *out, const struct difference *d, const char *a,
                             const char *b) {
    return buf_printf(
        out,
        "first in %s, block %lld of 64 KiB, row %lld, column %lld: 0x%08x %s, 0x%08x %s "
        "(%lld numbers in %lld tensors differ)",
        d->tensor->name, (long long)d->block, (long long)(d->element / d->tensor->k),
        (long long)(d->element % d->tensor->k), (unsigned)d->a, a, (unsigned)d->b, b,
        (long long)d->n_numbers, (long long)d->n_tensors);
}

static bool alike(const struct params *a, const struct params *b) {
    bool same_list = a->n_list == b->n_list;
    for (int64_t i = 0; same_list && i < a->n_list; i++)
        same_list = strcmp(a->list[i].name, b->list[i].name) == 0 &&
                    a->list[i].n == b->list[i].n && a->list[i].k == b->list[i].k;
    return same_list;
}

glass_status kept_weights_read(struct kept_weights *out, const char *folder, int64_t step,
                               const struct params *like) {
    struct buf all = {0}, path = {0};
    glass_status status = buf_printf(&all, "%s/checkpoints", folder);
    *out = (struct kept_weights){0};
    if (status == GLASS_OK) status = checkpoint_path(&path, all.data, step);
    if (status == GLASS_OK) status = buf_text(&path, "/model.gguf");
    if (status == GLASS_OK) status = glass_model_open(&out->model, path.data, NULL);
    if (status == GLASS_OK)
        status = params_create(&out->params, &out->model->config, &out->model->weights);
    if (status == GLASS_OK && !alike(&out->params, like))
        status = fail(GLASS_NEGATIVE, "%s: its tensors are not the run's", path.data);
    buf_free(&all);
    buf_free(&path);
    if (status != GLASS_OK) kept_weights_clear(out);
    return status;
}

void kept_weights_clear(struct kept_weights *k) {
    params_clear(&k->params);
    glass_model_close(k->model);
    *k = (struct kept_weights){0};
}
