/* weights_diff.c - glass_inspect_diff: how alike two models' weights are, read side by side.
 *
 * Sums as in weights_figures.c. What is meant by "rounded": between F32 and F16 or BF16, that every
 * number of the wider one rounds to the other's; for blocks, that the distance is not larger
 * than rounding makes it (a table below, with room for other programs' choices of scales). */
#include "base/mem.h"
#include "base/buf.h"
#include "inspect/source.h"
#include "math/half.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16, SMALL = 4 * SOURCE_PIECE };
static const double close_cosine = 0.9, akin_cosine = 0.1, close_vector = 0.1;

struct result {
    glass_diff d;
    glass_tensor_pair *list;
    char *verdict;
    struct source a, b; /* names and types are theirs */
};

struct part {
    double dot, aa, bb, dd;
    double largest;
    int64_t n_equal, n_bad, n_rounded;
    bool same_bytes;
};

struct reading {
    const struct source_tensor *a, *b;
    struct part *parts;
    int64_t n, n_pieces, piece; /* n: numbers compared */
    float *numbers;             /* (members, 2, piece) */
    uint8_t *stored;            /* (members, stored_bytes) */
    size_t stored_bytes;
    bool by_number; /* of types that round number by number, and differ */
};

/* ---- one pair ---- */

/* Whether y is what x becomes in y's type, of the types that round number by number. */
static bool rounds_to(float x, float y, glass_dtype dtype) {
    return dtype == GLASS_F16    ? f16_widen(f16_round(x)) == y
           : dtype == GLASS_BF16 ? bf16_widen(bf16_round(x)) == y
                                 : x == y;
}

/* Lane l takes numbers l, l + 16 … What is not finite counts as two zeros. */
static void compare(struct part *p, const float *a, const float *b, int64_t n) {
    double dot[LANES] = {0}, aa[LANES] = {0}, bb[LANES] = {0}, dd[LANES] = {0};
    double largest[LANES] = {0};
    int64_t equal = 0, bad = 0;
    *p = (struct part){0};
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t m = n - i < LANES ? n - i : LANES;
        for (int64_t l = 0; l < m; l++) {
            double x = (double)a[i + l], y = (double)b[i + l], d = y - x;
            bool finite = d - d == 0;
            x = finite ? x : 0;
            y = finite ? y : 0;
            d = finite ? d : 0;
            dot[l] += x * y;
            aa[l] += x * x;
            bb[l] += y * y;
            dd[l] += d * d;
            largest[l] = fabs(d) > largest[l] ? fabs(d) : largest[l];
            equal += a[i + l] == b[i + l] && finite;
            bad += !finite;
        }
    }
    for (int i = 0; i < LANES; i++) {
        p->dot += dot[i];
        p->aa += aa[i];
        p->bb += bb[i];
        p->dd += dd[i];
        p->largest = largest[i] > p->largest ? largest[i] : p->largest;
    }
    p->n_equal = equal;
    p->n_bad = bad;
}

/* How many numbers of the wider type are the other's once rounded. */
static int64_t count_rounded(const struct reading *r, const float *a, const float *b,
                             int64_t n) {
    bool narrow_b = source_bytes(r->b, 256) < source_bytes(r->a, 256);
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += narrow_b ? rounds_to(a[i], b[i], r->b->dtype)
                          : rounds_to(b[i], a[i], r->a->dtype);
    return count;
}

static void compare_share(void *context, const struct member *me) {
    struct reading *r = context;
    int64_t i, end;
    float *a = r->numbers + 2 * me->i * r->piece, *b = a + r->piece;
    uint8_t *as = r->stored + (size_t)me->i * r->stored_bytes;
    uint8_t *bs = as + source_room(r->a, r->piece);
    while (team_queue_next(me, r->n_pieces, 1, &i, &end)) {
        int64_t first = i * r->piece, left = r->n - first;
        int64_t n = left < r->piece ? left : r->piece;
        source_read(a, as, r->a, first, n);
        source_read(b, bs, r->b, first, n);
        compare(&r->parts[i], a, b, n);
        if (r->by_number) r->parts[i].n_rounded = count_rounded(r, a, b, n);
        r->parts[i].same_bytes =
            r->a->dtype == r->b->dtype && memcmp(as, bs, source_bytes(r->a, n)) == 0;
    }
}

static double block_error(glass_dtype dtype) {
    switch (dtype) {
    case GLASS_Q8_0: return 0.012;
    case GLASS_Q6_K: return 0.035;
    case GLASS_Q5_0:
    case GLASS_Q5_1:
    case GLASS_Q5_K: return 0.075;
    case GLASS_Q4_0:
    case GLASS_Q4_1:
    case GLASS_Q4_K:
    case GLASS_IQ4_NL:
    case GLASS_IQ4_XS: return 0.15;
    case GLASS_Q3_K: return 0.28;
    case GLASS_Q2_K: return 0.5;
    default: return 0;
    }
}

/* The relative distance that rounding may leave, where not every number can be checked. */
static double rounding_error(glass_dtype a, glass_dtype b) {
    bool halves =
        (a == GLASS_F16 && b == GLASS_BF16) || (a == GLASS_BF16 && b == GLASS_F16);
    return halves ? 0.003 : hypot(block_error(a), block_error(b));
}

static glass_likeness judge(const glass_tensor_pair *p, const struct reading *r,
                            const struct part *all) {
    int64_t n = r->n - p->n_bad;
    double error = rounding_error(r->a->dtype, r->b->dtype);
    if (all->same_bytes) return GLASS_SAME_BYTES;
    if (p->n_bad == 0 && p->n_equal == n) return GLASS_SAME_VALUES;
    if (r->a->dtype != r->b->dtype &&
        (error > 0 ? p->relative <= error : all->n_rounded == n && n > 0))
        return GLASS_ROUNDED;
    /* Vectors are gains around 1 or biases: their direction says little. */
    if (p->n_dims < 2) return p->relative <= close_vector ? GLASS_CLOSE : GLASS_UNLIKE;
    return p->cosine >= close_cosine  ? GLASS_CLOSE
           : p->cosine >= akin_cosine ? GLASS_AKIN
                                      : GLASS_UNLIKE;
}

static void finish_pair(glass_tensor_pair *p, const struct reading *r) {
    struct part all = {.same_bytes = r->a->n == r->b->n};
    for (int64_t i = 0; i < r->n_pieces; i++) {
        const struct part *q = &r->parts[i];
        all.dot += q->dot;
        all.aa += q->aa;
        all.bb += q->bb;
        all.dd += q->dd;
        all.largest = fmax(all.largest, q->largest);
        all.n_rounded += q->n_rounded;
        all.same_bytes = all.same_bytes && q->same_bytes;
        p->n_equal += q->n_equal;
        p->n_bad += q->n_bad;
    }
    p->n = r->n;
    p->norm_a = sqrt(all.aa);
    p->norm_b = sqrt(all.bb);
    p->largest = all.largest;
    if (all.aa > 0 && all.bb > 0) p->cosine = all.dot / (p->norm_a * p->norm_b);
    p->cosine = p->cosine > 1 ? 1 : p->cosine < -1 ? -1 : p->cosine;
    p->relative = all.aa > 0 ? sqrt(all.dd / all.aa) : all.dd > 0 ? 1 : 0;
    p->likeness = judge(p, r, &all);
}

static glass_status read_pair(glass_tensor_pair *p, const struct source_tensor *a,
                              const struct source_tensor *b, int n_threads) {
    struct reading r = {.a = a, .b = b, .n = a->n < b->n ? a->n : b->n};
    glass_status status;
    size_t n = (size_t)n_threads;
    r.piece = source_piece(a) > source_piece(b) ? source_piece(a) : source_piece(b);
    r.by_number = a->dtype != b->dtype && rounding_error(a->dtype, b->dtype) == 0;
    if (r.n < SMALL) n = 1;
    if (r.piece > r.n) r.piece = r.n;
    r.n_pieces = r.n > 0 ? (r.n + r.piece - 1) / r.piece : 0;
    r.stored_bytes = source_room(a, r.piece) + source_room(b, r.piece);
    TRY_FAIL(mem_alloc(&r.parts, (size_t)r.n_pieces, sizeof *r.parts));
    TRY_FAIL(mem_alloc(&r.numbers, 2 * n * (size_t)r.piece, sizeof *r.numbers));
    TRY_FAIL(mem_alloc_aligned(&r.stored, n, r.stored_bytes));
    if (r.n_pieces > 0) team_run((int)n, compare_share, &r);
    finish_pair(p, &r);
fail:
    mem_free(r.parts);
    mem_free(r.numbers);
    mem_free(r.stored);
    return status;
}

/* ---- which with which ---- */

/* The same tensor there; a head beside a tied embedding. */
static glass_status partner(struct source_tensor *out, bool *found, const char **other,
                            const struct source *s, const char *name) {
    *other = NULL;
    TRY(source_find(out, found, s, name));
    if (*found || s->g == NULL || strcmp(name, "output.weight") != 0) return GLASS_OK;
    TRY(source_find(out, found, s, "token_embd.weight"));
    if (*found) *other = out->name;
    return GLASS_OK;
}

static bool same_shape(const struct source_tensor *a, const struct source_tensor *b) {
    if (a->n_dims != b->n_dims) return false;
    bool rows = a->n_dims == 2 && (strcmp(a->name, "token_embd.weight") == 0 ||
                                   strcmp(a->name, "output.weight") == 0);
    for (int d = rows ? 1 : 0; d < a->n_dims; d++)
        if (a->shape[d] != b->shape[d]) return false;
    return true;
}

static void describe(glass_tensor_pair *p, const struct source_tensor *a,
                     const struct source_tensor *b) {
    const struct source_tensor *t = a != NULL ? a : b;
    *p = (glass_tensor_pair){.name = t->name,
                             .type_a = a == NULL ? NULL : a->type,
                             .type_b = b == NULL ? NULL : b->type,
                             .n_dims = t->n_dims,
                             .likeness = GLASS_UNCOMPARED};
    memcpy(p->shape, t->shape, sizeof p->shape);
    if (b != NULL) memcpy(p->shape_b, b->shape, sizeof p->shape_b);
}

/* Tensors of one name. What is of a type whose numbers are not read may still be the same. */
static glass_status compare_pair(glass_tensor_pair *p, const struct source_tensor *a,
                                 const struct source_tensor *b, int n_threads) {
    if (!same_shape(a, b)) return GLASS_OK;
    if (a->known && b->known) return read_pair(p, a, b, n_threads);
    bool same = a->data != NULL && b->data != NULL && a->n_bytes == b->n_bytes &&
                strcmp(a->type, b->type) == 0 && memcmp(a->data, b->data, a->n_bytes) == 0;
    if (!same) return GLASS_OK;
    p->likeness = GLASS_SAME_BYTES;
    p->n = p->n_equal = a->n;
    p->cosine = 1;
    return GLASS_OK;
}

static glass_status compare_all(struct result *r, int n_threads,
                                struct source_progress *progress) {
    int64_t n_a = source_n(&r->a), n_b = source_n(&r->b);
    TRY(mem_alloc_zero(&r->list, (size_t)(n_a + n_b), sizeof *r->list));
    r->d.list = r->list;
    for (int64_t i = 0; i < n_a; i++) {
        glass_tensor_pair *p = &r->list[r->d.n++];
        struct source_tensor a, b;
        const char *other;
        bool found;
        TRY(source_at(&a, &r->a, i));
        TRY(partner(&b, &found, &other, &r->b, a.name));
        describe(p, &a, found ? &b : NULL);
        p->other = other;
        if (found) TRY(compare_pair(p, &a, &b, n_threads));
        TRY(source_step(progress, a.n_bytes));
    }
    for (int64_t i = 0; i < n_b; i++) {
        struct source_tensor a, b;
        const char *other;
        bool found;
        TRY(source_at(&b, &r->b, i));
        TRY(partner(&a, &found, &other, &r->a, b.name));
        if (found && other == NULL) continue;
        glass_tensor_pair *p = &r->list[r->d.n++];
        describe(p, found ? &a : NULL, &b);
        p->other = found ? b.name : NULL;
        if (found) TRY(compare_pair(p, &a, &b, n_threads));
    }
    return GLASS_OK;
}

/* ---- the verdict ---- */

struct weighed {
    double cosine;
    int64_t n;
};

static int by_cosine(const void *a, const void *b) {
    double x = ((const struct weighed *)a)->cosine, y = ((const struct weighed *)b)->cosine;
    return (x > y) - (x < y);
}

static glass_status find_median(glass_diff *d) {
    struct weighed *list;
    int64_t n = 0, sum = 0, half = 0;
    TRY(mem_alloc(&list, (size_t)d->n, sizeof *list));
    for (int64_t i = 0; i < d->n; i++) {
        const glass_tensor_pair *p = &d->list[i];
        if (p->likeness == GLASS_UNCOMPARED || p->n_dims < 2) continue;
        list[n++] = (struct weighed){p->cosine, p->n};
        sum += p->n;
    }
    qsort(list, (size_t)n, sizeof *list, by_cosine);
    for (int64_t i = 0; i < n && 2 * half < sum; i++) {
        d->median = list[i].cosine;
        half += list[i].n;
    }
    mem_free(list);
    return GLASS_OK;
}

/* What all pairs come to. */
struct tally {
    int64_t numbers, close,
        rounded;           /* of matrices compared, of alike ones; of all rounded */
    int64_t only;          /* numbers of tensors that were not compared */
    double bits_a, bits_b; /* of all that was rounded */
    bool all_same, all_rounded;
};

static int64_t numbers_of(const glass_tensor_pair *p) {
    int64_t n = 1;
    for (int d = 0; d < p->n_dims; d++) n *= p->shape[d];
    return n;
}

static double bits(const char *type) {
    glass_dtype dtype;
    if (glass_dtype_parse(&dtype, type) != GLASS_OK) return 0;
    return 8.0 * (double)glass_dtype_block_bytes(dtype) / (double)glass_dtype_block(dtype);
}

static struct tally add_up(glass_diff *d) {
    struct tally t = {.all_same = true, .all_rounded = true};
    double dot = 0, aa = 0, bb = 0, dd = 0;
    for (int64_t i = 0; i < d->n; i++) {
        const glass_tensor_pair *p = &d->list[i];
        d->counts[p->likeness]++;
        if (p->likeness == GLASS_UNCOMPARED) {
            t.only += numbers_of(p);
            continue;
        }
        t.all_same = t.all_same && p->likeness <= GLASS_SAME_VALUES;
        t.all_rounded = t.all_rounded && p->likeness <= GLASS_ROUNDED;
        if (p->likeness == GLASS_ROUNDED) {
            t.rounded += p->n;
            t.bits_a += (double)p->n * bits(p->type_a);
            t.bits_b += (double)p->n * bits(p->type_b);
        }
        if (p->n_dims < 2) continue;
        t.numbers += p->n;
        if (p->likeness <= GLASS_CLOSE) t.close += p->n;
        aa += p->norm_a * p->norm_a;
        bb += p->norm_b * p->norm_b;
        dot += p->cosine * p->norm_a * p->norm_b;
        dd += p->relative * p->relative * p->norm_a * p->norm_a;
    }
    d->cosine = aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : 0;
    d->relative = aa > 0 ? sqrt(dd / aa) : 0;
    return t;
}

static glass_kinship kinship_of(const glass_diff *d, const struct tally *t) {
    if (t->numbers == 0) return GLASS_NOT_COMPARABLE;
    bool whole = t->only <= t->numbers / 100;
    if (whole && t->all_same) return GLASS_SAME_WEIGHTS;
    if (whole && t->all_rounded) return GLASS_QUANTISED_FROM;
    if (whole && d->median >= close_cosine) return GLASS_CLOSELY_FOLLOWS;
    if (t->close >= t->numbers / 20 || d->median >= akin_cosine)
        return GLASS_PARTLY_FOLLOWS;
    return GLASS_UNRELATED;
}

static glass_status say(struct result *r, const struct tally *t) {
    glass_diff *d = &r->d;
    struct buf b = {0};
    glass_status status = GLASS_OK;
    switch (d->kinship) {
    case GLASS_SAME_WEIGHTS:
        status = buf_printf(&b, "the same weights: every number of %lld tensors is equal",
                            (long long)(d->n - d->counts[GLASS_UNCOMPARED]));
        break;
    case GLASS_QUANTISED_FROM:
        status = buf_printf(
            &b,
            "the same weights in other types: where they differ, %.1f bits a number in the "
            "first and %.1f in the second, as near as rounding leaves them (relative "
            "distance %.4f)",
            t->bits_a / (double)t->rounded, t->bits_b / (double)t->rounded, d->relative);
        break;
    case GLASS_CLOSELY_FOLLOWS:
        status =
            buf_printf(&b,
                       "one follows the other closely: the matrices' median cosine is "
                       "%.4f, their relative distance %.4f; chance would give 0 and 1.4",
                       d->median, d->relative);
        break;
    case GLASS_PARTLY_FOLLOWS:
        status = buf_printf(&b,
                            "related in part: %.0f%% of the numbers compared stand in "
                            "matrices that are alike, the median cosine is %.4f",
                            100 * (double)t->close / (double)t->numbers, d->median);
        break;
    case GLASS_UNRELATED:
        status = buf_printf(&b,
                            "unrelated: the matrices' median cosine is %.4f, no more than "
                            "chance gives",
                            d->median);
        break;
    case GLASS_NOT_COMPARABLE:
        status =
            buf_text(&b, "not comparable: no matrix has the same name and shape in both");
        break;
    }
    if (status == GLASS_OK && d->counts[GLASS_UNCOMPARED] > 0 && t->numbers > 0)
        status = buf_printf(&b, "; %lld tensors could not be compared",
                            (long long)d->counts[GLASS_UNCOMPARED]);
    if (status == GLASS_OK) status = buf_take(&b, &r->verdict, NULL);
    buf_free(&b);
    d->verdict = r->verdict;
    return status;
}

static glass_status judge_all(struct result *r) {
    struct tally t = add_up(&r->d);
    TRY(find_median(&r->d));
    r->d.kinship = kinship_of(&r->d, &t);
    r->d.b_from_a = r->d.kinship == GLASS_QUANTISED_FROM && t.bits_b < t.bits_a;
    return say(r, &t);
}

/* ---- the calls ---- */

static glass_status open_both(struct result *r, const char *a, const char *b,
                              struct source_progress *progress) {
    struct source_tensor t;
    TRY(source_open(&r->a, a));
    TRY(source_open(&r->b, b));
    for (int64_t i = 0; i < source_n(&r->a); i++) {
        TRY(source_at(&t, &r->a, i));
        progress->total += t.n_bytes;
    }
    return GLASS_OK;
}

glass_status glass_inspect_diff(glass_diff **out, const char *a, const char *b,
                                const glass_weights_options *options) {
    static const glass_weights_options none = {0};
    struct source_progress progress = {.options = options == NULL ? &none : options};
    int threads = progress.options->n_threads;
    struct result *r;
    glass_status status;
    *out = NULL;
    if (threads == 0) threads = team_default_threads();
    if (threads < 1 || threads > 1024)
        return fail(GLASS_USAGE, "%d threads: 1 to 1024 are possible", threads);
    TRY(mem_alloc_zero(&r, 1, sizeof *r));
    TRY_FAIL(open_both(r, a, b, &progress));
    TRY_FAIL(compare_all(r, threads, &progress));
    TRY_FAIL(judge_all(r));
    *out = &r->d;
    return GLASS_OK;
fail:
    glass_diff_free(&r->d);
    return status;
}

void glass_diff_free(glass_diff *d) {
    struct result *r = (struct result *)d; /* its first member */
    if (r == NULL) return;
    mem_free(r->list);
    mem_free(r->verdict);
    source_close(&r->a);
    source_close(&r->b);
    mem_free(r);
}

const char *glass_likeness_name(glass_likeness l) {
    static const char *const names[] = {"same bytes", "same values", "rounded",     "close",
                                        "akin",       "unlike",      "not compared"};
    return (unsigned)l <= GLASS_UNCOMPARED ? names[l] : "?";
}

const char *glass_kinship_name(glass_kinship k) {
    static const char *const names[] = {"same weights",    "quantised from",
                                        "closely follows", "partly follows",
                                        "unrelated",       "not comparable"};
    return (unsigned)k <= GLASS_NOT_COMPARABLE ? names[k] : "?";
}
