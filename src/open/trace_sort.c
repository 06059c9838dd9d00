/* trace_sort.c - the suffixes of an index's segments, by as many threads as there is memory for.
 *
 * Member 0 of the team waits, tells how far it is and hears whether to stop, while the others
 * take one segment after another. */
#include "open/trace_build.h"

#include "base/hash.h"
#include "base/team.h"
#include "open/trace_sais.h"

#include <pthread.h>
#include <stdio.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 600 };

struct sorting {
    struct trace_building *b;
    atomic_int_fast64_t next; /* segment to take */
    atomic_int_fast64_t done; /* symbols */
    atomic_int through;       /* workers that found nothing more to take */
    volatile int stop;
    pthread_mutex_t lock; /* of the two below */
    glass_status status;
    char message[MESSAGE];
};

size_t trace_sort_bytes(int64_t n, uint32_t n_symbols) {
    return (size_t)n * sizeof(int32_t) + trace_sais_bytes((int32_t)n, (int32_t)n_symbols) +
           ((size_t)n_symbols + 1) * sizeof(uint32_t);
}

/* ---- one segment ---- */

/* Of each symbol, where the suffixes that begin with it start. Those of the 0s that end
 * documents are left out. */
static void count_buckets(uint32_t *buckets, const struct trace_header *h,
                          const uint8_t *symbols, int64_t n) {
    uint32_t sum = 0;
    memset(buckets, 0, ((size_t)h->n_symbols + 1) * sizeof *buckets);
    for (int64_t i = 0; i < n; i++) buckets[trace_symbol(symbols, h->symbol_bytes, i)]++;
    buckets[0] = 0;
    for (uint32_t c = 0; c <= h->n_symbols; c++) {
        uint32_t count = buckets[c];
        buckets[c] = sum;
        sum += count;
    }
}

static glass_status digest(uint8_t out[32], const void *a, size_t n_a, const void *b,
                           size_t n_b) {
    struct sha256 *hash;
    TRY(sha256_create(&hash));
    glass_status status = sha256_update(hash, a, n_a);
    if (status == GLASS_OK) status = sha256_update(hash, b, n_b);
    if (status == GLASS_OK) return sha256_finish(hash, out);
    sha256_free(hash);
    return status;
}

/* The data first, then the word that it is there. */
static glass_status keep(const struct trace_building *b, int64_t i, const uint32_t *buckets,
                         const int32_t *suffixes) {
    const struct trace_header *h = &b->h;
    struct trace_segment_record *s = &b->segments[i];
    uint8_t record[TRACE_RECORD];
    size_t n_buckets = ((size_t)h->n_symbols + 1) * sizeof *buckets;
    size_t before = (size_t)(s->begin - s->document);
    size_t n_suffixes = (size_t)(s[1].begin - s[1].document) - before;
    TRY(digest(s->sha256, buckets, n_buckets, suffixes, 4 * n_suffixes));
    TRY(trace_put_at(b, buckets, n_buckets,
                     h->offsets[TRACE_BUCKETS] + (uint64_t)i * n_buckets));
    TRY(trace_put_at(b, suffixes, 4 * n_suffixes,
                     h->offsets[TRACE_SUFFIXES] + 4 * (uint64_t)before));
    if (fdatasync(b->fd) != 0) return fail_errno("%s: cannot flush", b->part);
    s->done = true;
    trace_segment_write(record, s);
    return trace_put_at(b, record, sizeof record,
                        h->offsets[TRACE_SEGMENTS] + (uint64_t)i * TRACE_RECORD);
}

static glass_status sort_segment(struct sorting *x, int64_t i) {
    const struct trace_building *b = x->b;
    const struct trace_segment_record *s = &b->segments[i];
    int64_t n = s[1].begin - s->begin, documents = s[1].document - s->document;
    const uint8_t *symbols =
        b->map.data + b->h.offsets[TRACE_SYMBOLS] + (size_t)s->begin * b->h.symbol_bytes;
    int32_t *suffixes = NULL;
    uint32_t *buckets = NULL;
    glass_status status;
    TRY_FAIL(mem_alloc(&buckets, (size_t)b->h.n_symbols + 1, sizeof *buckets));
    TRY_FAIL(mem_alloc_aligned(&suffixes, (size_t)n, sizeof *suffixes));
    uintptr_t page = ((uintptr_t)suffixes + 4095) & ~(uintptr_t)4095;
    if (n > 1 << 20)
        madvise((void *)page, (size_t)n * 4 - 4096, MADV_HUGEPAGE); /* a hint */
    count_buckets(buckets, &b->h, symbols, n);
    TRY_FAIL(trace_sais(suffixes, symbols, (int)b->h.symbol_bytes, (int32_t)n,
                        (int32_t)b->h.n_symbols, &x->stop));
    /* The documents' ends are the smallest. */
    status = keep(b, i, buckets, suffixes + documents);
    atomic_fetch_add(&x->done, n);
fail:
    mem_free(suffixes);
    mem_free(buckets);
    return status;
}

/* ---- all of them ---- */

static void take_segments(struct sorting *x) {
    for (;;) {
        int64_t i = atomic_fetch_add(&x->next, 1);
        if (i >= x->b->h.n_segments || x->stop) return;
        if (x->b->segments[i].done) continue;
        glass_status status = sort_segment(x, i);
        if (status == GLASS_OK) continue;
        pthread_mutex_lock(&x->lock);
        if (x->status == GLASS_OK) {
            x->status = status;
            snprintf(x->message, sizeof x->message, "%s", glass_error());
        }
        x->stop = 1;
        pthread_mutex_unlock(&x->lock);
        return;
    }
}

static void watch(struct sorting *x, int n_workers) {
    const struct timespec nap = {.tv_nsec = 50000000};
    const glass_trace_build_options *o = &x->b->o;
    while (atomic_load(&x->through) < n_workers) {
        if (o->progress != NULL &&
            !o->progress(o->context, "sorting", atomic_load(&x->done), x->b->h.n))
            x->stop = 1;
        nanosleep(&nap, NULL);
    }
}

static void member_work(void *context, const struct member *me) {
    struct sorting *x = context;
    if (me->i == 0 && me->n > 1) {
        watch(x, me->n - 1);
        return;
    }
    take_segments(x);
    atomic_fetch_add(&x->through, 1);
}

glass_status trace_sort_segments(struct trace_building *b) {
    struct sorting x = {.b = b, .lock = PTHREAD_MUTEX_INITIALIZER};
    int64_t longest = 0, left = 0;
    for (int64_t i = 0; i < b->h.n_segments; i++) {
        int64_t n = b->segments[i + 1].begin - b->segments[i].begin;
        if (n > longest) longest = n;
        if (b->segments[i].done)
            atomic_fetch_add(&x.done, n);
        else
            left++;
    }
    int64_t workers =
        (int64_t)(b->o.memory_bytes / trace_sort_bytes(longest, b->h.n_symbols));
    if (workers > b->o.n_threads) workers = b->o.n_threads;
    if (workers > left) workers = left;
    if (workers < 1) workers = 1;
    team_run((int)workers + 1, member_work, &x);
    if (x.status == GLASS_CANCELLED || (x.status == GLASS_OK && x.stop))
        return fail(GLASS_CANCELLED, "stopped; %s goes on when it is tried again", b->part);
    return x.status == GLASS_OK ? GLASS_OK : fail(x.status, "%s", x.message);
}
