/* near.c - sorting on disk: runs that fit memory are sorted, written one behind another to a file
 * without a name, and merged by a heap. */
#include "data/clean.h"

#include "base/path.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct run {
    off_t at, end; /* of what was not read yet, in bytes */
    struct sorted *buffer;
    size_t n, i;
};

struct sorter {
    FILE *file;
    const char *folder;
    struct sorted *entries;
    size_t n, cap;
    off_t written;
    struct run *runs;
    size_t n_runs, cap_buffer, i;
    size_t *heap; /* run numbers */
    size_t n_heap;
};

glass_status sorter_create(struct sorter **out, const char *folder, size_t memory_bytes) {
    struct sorter *s;
    *out = NULL;
    TRY(mem_alloc_zero(&s, 1, sizeof *s));
    s->folder = folder;
    s->cap = memory_bytes / sizeof(struct sorted);
    if (s->cap < 1024) s->cap = 1024;
    glass_status status = mem_alloc(&s->entries, s->cap, sizeof *s->entries);
    if (status == GLASS_OK) status = path_nameless(&s->file, folder);
    if (status == GLASS_OK)
        *out = s;
    else
        sorter_free(s);
    return status;
}

void sorter_free(struct sorter *s) {
    if (s == NULL) return;
    for (size_t i = 0; i < s->n_runs; i++) mem_free(s->runs[i].buffer);
    if (s->file != NULL) fclose(s->file);
    mem_free(s->entries);
    mem_free(s->runs);
    mem_free(s->heap);
    mem_free(s);
}

static int compare(const void *a, const void *b) {
    const struct sorted *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

static glass_status write_run(struct sorter *s) {
    if (s->n == 0) return GLASS_OK;
    qsort(s->entries, s->n, sizeof *s->entries, compare);
    if (fwrite(s->entries, sizeof *s->entries, s->n, s->file) != s->n)
        return fail_errno("%s: cannot write", s->folder);
    TRY(mem_resize(&s->runs, s->n_runs + 1, sizeof *s->runs));
    off_t end = s->written + (off_t)(s->n * sizeof *s->entries);
    s->runs[s->n_runs++] = (struct run){.at = s->written, .end = end};
    s->written = end;
    s->n = 0;
    return GLASS_OK;
}

glass_status sorter_add(struct sorter *s, uint64_t key, uint64_t value) {
    if (s->n == s->cap) TRY(write_run(s));
    s->entries[s->n++] = (struct sorted){key, value};
    return GLASS_OK;
}

/* ---- merging ---- */

static glass_status fill(struct sorter *s, struct run *r) {
    size_t want = (size_t)(r->end - r->at) / sizeof *r->buffer;
    if (want > s->cap_buffer) want = s->cap_buffer;
    r->i = r->n = 0;
    for (size_t done = 0, bytes = want * sizeof *r->buffer; done < bytes;) {
        ssize_t n = pread(fileno(s->file), (char *)r->buffer + done, bytes - done,
                          r->at + (off_t)done);
        if (n <= 0) return fail_errno("%s: cannot read what was sorted", s->folder);
        done += (size_t)n;
    }
    r->n = want;
    r->at += (off_t)(want * sizeof *r->buffer);
    return GLASS_OK;
}

static bool before(const struct sorter *s, size_t a, size_t b) {
    const struct run *x = &s->runs[s->heap[a]], *y = &s->runs[s->heap[b]];
    return compare(&x->buffer[x->i], &y->buffer[y->i]) < 0;
}

static void sink(struct sorter *s, size_t i) {
    for (;;) {
        size_t least = i;
        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < s->n_heap; k++)
            if (before(s, k, least)) least = k;
        if (least == i) return;
        size_t t = s->heap[i];
        s->heap[i] = s->heap[least];
        s->heap[least] = t;
        i = least;
    }
}

glass_status sorter_finish(struct sorter *s) {
    if (s->n_runs == 0) { /* all of it is in memory */
        qsort(s->entries, s->n, sizeof *s->entries, compare);
        return GLASS_OK;
    }
    TRY(write_run(s));
    if (fflush(s->file) != 0) return fail_errno("%s: cannot write", s->folder);
    size_t bytes = s->cap * sizeof *s->entries;
    mem_free(s->entries);
    s->entries = NULL;
    s->cap_buffer = bytes / s->n_runs / sizeof(struct sorted);
    if (s->cap_buffer < 64) s->cap_buffer = 64;
    TRY(mem_alloc(&s->heap, s->n_runs, sizeof *s->heap));
    for (size_t i = 0; i < s->n_runs; i++) {
        TRY(mem_alloc(&s->runs[i].buffer, s->cap_buffer, sizeof(struct sorted)));
        TRY(fill(s, &s->runs[i]));
        s->heap[s->n_heap++] = i;
    }
    for (size_t i = s->n_heap; i-- > 0;) sink(s, i);
    return GLASS_OK;
}

glass_status sorter_next(struct sorter *s, struct sorted *out, bool *more) {
    *more = false;
    if (s->n_runs == 0) {
        if (s->i == s->n) return GLASS_OK;
        *out = s->entries[s->i++];
        *more = true;
        return GLASS_OK;
    }
    if (s->n_heap == 0) return GLASS_OK;
    struct run *r = &s->runs[s->heap[0]];
    *out = r->buffer[r->i++];
    *more = true;
    if (r->i == r->n && r->at < r->end) TRY(fill(s, r));
    if (r->i == r->n) s->heap[0] = s->heap[--s->n_heap];
    sink(s, 0);
    return GLASS_OK;
}
