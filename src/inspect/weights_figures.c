/* weights_figures.c - glass_inspect_tensors: figures of weights, read piece by piece.
 *
 * Sums are binary64: of a piece in sixteen lanes, lane i % 16 for number i of it, added up from
 * lane 0 on; then piece by piece. So they do not depend on who read which piece. */
#include "base/mem.h"
#include "inspect/source.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

enum { LANES = 16, SMALL = 4 * SOURCE_PIECE };

struct result {
    glass_tensors t;
    glass_tensor_view *list;
    struct source source; /* names and types are its own */
};

struct part {
    double sum, squares;
    float min, max; /* of finite numbers; min > max where there is none */
    int64_t n_zero, n_bad;
};

/* What the members of a team share. */
struct reading {
    const struct source_tensor *t;
    struct part *parts; /* (n_pieces) */
    int64_t n_pieces, piece;
    float *numbers;  /* (members, piece) */
    uint8_t *stored; /* (members, bytes of a piece) */
    int64_t *bins;   /* (members, GLASS_BINS) */
    double low, high;
    bool counts; /* the second walk */
};

/* Lane l takes numbers l, l + 16 … What is not finite counts as zero in the sums. */
static void measure(struct part *p, const float *x, int64_t n) {
    double sum[LANES] = {0}, squares[LANES] = {0};
    float min[LANES], max[LANES];
    int64_t zeros = 0, bad = 0;
    for (int l = 0; l < LANES; l++) {
        min[l] = INFINITY;
        max[l] = -INFINITY;
    }
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t m = n - i < LANES ? n - i : LANES;
        for (int64_t l = 0; l < m; l++) {
            float v = x[i + l];
            bool finite = v - v == 0;
            double d = finite ? (double)v : 0;
            sum[l] += d;
            squares[l] += d * d;
            min[l] = finite && v < min[l] ? v : min[l];
            max[l] = finite && v > max[l] ? v : max[l];
            zeros += v == 0;
            bad += !finite;
        }
    }
    *p = (struct part){.min = INFINITY, .max = -INFINITY, .n_zero = zeros, .n_bad = bad};
    for (int l = 0; l < LANES; l++) {
        p->sum += sum[l];
        p->squares += squares[l];
        p->min = min[l] < p->min ? min[l] : p->min;
        p->max = max[l] > p->max ? max[l] : p->max;
    }
}

static void count_bins(int64_t *bins, const struct reading *r, const float *x, int64_t n) {
    enum { AT_ONCE = 256, BAD = GLASS_BINS };
    double width = r->high - r->low;
    int64_t counts[GLASS_BINS + 1] = {0};
    int16_t at[AT_ONCE];
    for (int64_t i = 0; i < n; i += AT_ONCE) {
        int64_t m = n - i < AT_ONCE ? n - i : AT_ONCE;
        for (int64_t l = 0; l < m; l++) {
            float v = x[i + l];
            bool finite = v - v == 0;
            int bin = (int)(((finite ? (double)v : 0) - r->low) * GLASS_BINS / width);
            bin = bin >= GLASS_BINS ? GLASS_BINS - 1 : bin;
            at[l] = (int16_t)(finite ? bin : BAD);
        }
        for (int64_t l = 0; l < m; l++) counts[at[l]]++;
    }
    for (int i = 0; i < GLASS_BINS; i++) bins[i] += counts[i];
}

static void read_share(void *context, const struct member *me) {
    struct reading *r = context;
    int64_t i, end;
    float *x = r->numbers + me->i * r->piece;
    uint8_t *stored = r->stored + (size_t)me->i * source_room(r->t, r->piece);
    while (team_queue_next(me, r->n_pieces, 1, &i, &end)) {
        int64_t first = i * r->piece, left = r->t->n - first;
        int64_t n = left < r->piece ? left : r->piece;
        source_read(x, stored, r->t, first, n);
        if (r->counts)
            count_bins(r->bins + me->i * GLASS_BINS, r, x, n);
        else
            measure(&r->parts[i], x, n);
    }
}

static void add_up(glass_tensor_view *v, const struct reading *r) {
    struct part all = {.min = INFINITY, .max = -INFINITY};
    for (int64_t i = 0; i < r->n_pieces; i++) {
        const struct part *p = &r->parts[i];
        all.sum += p->sum;
        all.squares += p->squares;
        all.min = p->min < all.min ? p->min : all.min;
        all.max = p->max > all.max ? p->max : all.max;
        all.n_zero += p->n_zero;
        all.n_bad += p->n_bad;
    }
    v->n_zero = all.n_zero;
    v->n_bad = all.n_bad;
    double n = (double)(v->n - all.n_bad);
    if (n == 0) return;
    double variance = all.squares / n - all.sum / n * (all.sum / n);
    v->norm = sqrt(all.squares);
    v->mean = all.sum / n;
    v->std = variance > 0 ? sqrt(variance) : 0;
    v->min = (double)all.min;
    v->max = (double)all.max;
    v->high = fmax(fabs(v->min), fabs(v->max));
    v->low = -v->high;
}

static glass_status read_tensor(glass_tensor_view *v, const struct source_tensor *t,
                                int n_threads) {
    struct reading r = {.t = t, .piece = source_piece(t)};
    if (!t->known || t->n == 0) return GLASS_OK;
    if (t->n < SMALL) n_threads = 1;
    if (r.piece > t->n) r.piece = t->n;
    r.n_pieces = (t->n + r.piece - 1) / r.piece;
    size_t n = (size_t)n_threads;
    glass_status status;
    TRY_FAIL(mem_alloc(&r.parts, (size_t)r.n_pieces, sizeof *r.parts));
    TRY_FAIL(mem_alloc(&r.numbers, n * (size_t)r.piece, sizeof *r.numbers));
    TRY_FAIL(mem_alloc_aligned(&r.stored, n, source_room(t, r.piece)));
    TRY_FAIL(mem_alloc_zero(&r.bins, n * GLASS_BINS, sizeof *r.bins));
    team_run(n_threads, read_share, &r);
    add_up(v, &r);
    r.low = v->low;
    r.high = v->high;
    r.counts = true;
    if (r.high > r.low) team_run(n_threads, read_share, &r);
    for (size_t i = 0; i < n * GLASS_BINS; i++) v->bins[i % GLASS_BINS] += r.bins[i];
    /* All zeros: in the middle, where 0 belongs. */
    if (r.high == 0) v->bins[GLASS_BINS / 2] = v->n - v->n_bad;
fail:
    mem_free(r.parts);
    mem_free(r.numbers);
    mem_free(r.stored);
    mem_free(r.bins);
    return status;
}

/* ---- which ---- */

static bool wanted(const char *name, const char *const *patterns, int n) {
    for (int i = 0; i < n; i++)
        if (fnmatch(patterns[i], name, 0) == 0) return true;
    return n == 0;
}

/* Notes the tensors whose names match, and that every pattern has one. */
static glass_status choose(struct result *r, const char *path, const char *const *patterns,
                           int n_patterns, size_t *total) {
    int64_t n = source_n(&r->source);
    struct source_tensor t;
    TRY(mem_alloc_zero(&r->list, (size_t)n, sizeof *r->list));
    for (int i = 0; i < n_patterns; i++) {
        bool found = false;
        for (int64_t k = 0; k < n && !found; k++) {
            TRY(source_at(&t, &r->source, k));
            found = wanted(t.name, patterns + i, 1);
        }
        if (!found)
            return fail(GLASS_USAGE, "%s: no tensor is called \"%.200s\"", path,
                        patterns[i]);
    }
    for (int64_t k = 0; k < n; k++) {
        TRY(source_at(&t, &r->source, k));
        if (!wanted(t.name, patterns, n_patterns)) continue;
        glass_tensor_view *v = &r->list[r->t.n++];
        *v = (glass_tensor_view){.name = t.name,
                                 .type = t.type,
                                 .n_dims = t.n_dims,
                                 .n_bytes = t.n_bytes,
                                 .n = t.n,
                                 .known = t.known};
        memcpy(v->shape, t.shape, sizeof v->shape);
        *total += t.n_bytes;
    }
    r->t.list = r->list;
    return GLASS_OK;
}

static glass_status read_all(struct result *r, const char *const *patterns, int n_patterns,
                             struct source_progress *progress) {
    int threads = progress->options->n_threads;
    int64_t at = 0;
    if (threads == 0) threads = team_default_threads();
    if (threads < 1 || threads > 1024)
        return fail(GLASS_USAGE, "%d threads: 1 to 1024 are possible", threads);
    for (int64_t k = 0; k < source_n(&r->source); k++) {
        struct source_tensor t;
        TRY(source_at(&t, &r->source, k));
        if (!wanted(t.name, patterns, n_patterns)) continue;
        TRY(read_tensor(&r->list[at++], &t, threads));
        TRY(source_step(progress, t.n_bytes));
    }
    return GLASS_OK;
}

glass_status glass_inspect_tensors(glass_tensors **out, const char *path,
                                   const char *const *patterns, int n_patterns,
                                   const glass_weights_options *options) {
    static const glass_weights_options none = {0};
    struct source_progress progress = {.options = options == NULL ? &none : options};
    struct result *r;
    glass_status status;
    *out = NULL;
    TRY(mem_alloc_zero(&r, 1, sizeof *r));
    TRY_FAIL(source_open(&r->source, path));
    TRY_FAIL(choose(r, path, patterns, n_patterns, &progress.total));
    TRY_FAIL(read_all(r, patterns, n_patterns, &progress));
    *out = &r->t;
    return GLASS_OK;
fail:
    glass_tensors_free(&r->t);
    return status;
}

void glass_tensors_free(glass_tensors *t) {
    struct result *r = (struct result *)t; /* its first member */
    if (r == NULL) return;
    mem_free(r->list);
    source_close(&r->source);
    mem_free(r);
}
