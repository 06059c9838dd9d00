/* trace_sais.c - see trace_sais.h.
 *
 * Words: suffix i is of type S if it is smaller than suffix i + 1, else L; the empty suffix at
 * the text's end is the smallest of all. A position is LMS if it is S and the one before is L.
 *
 * In the array that is being filled a number v > 0 stands for "suffix v, whose predecessor v - 1
 * is of the type that this pass sorts", ~v for one whose predecessor is of the other type: so
 * nothing of the text besides v - 1 and v - 2, neighbours in memory, is read for it. 0 is an
 * empty place (suffix 0, which has no predecessor, never needs one). */
#include "open/trace_sais.h"

#include "base/mem.h"

#include <string.h>

/* Reads of the text are at random places: asked for so many entries ahead. */
enum { AHEAD = 32 };
#define INLINE static inline __attribute__((always_inline))

struct text {
    const uint8_t *data;
    int bytes;    /* a symbol's */
    int32_t n, k; /* symbols, and what they are below */
    const volatile int *stop;
};

INLINE int32_t symbol(const struct text *t, int bytes, int32_t i) {
    const uint8_t *p = t->data + (size_t)i * (size_t)bytes;
    uint16_t low;
    int32_t word;
    if (bytes == 4) {
        memcpy(&word, p, sizeof word);
        return word;
    }
    memcpy(&low, p, sizeof low);
    return bytes == 2 ? low : low | p[2] << 16;
}

INLINE void ahead(const struct text *t, int bytes, int32_t v) {
    if (v > 0) __builtin_prefetch(t->data + (size_t)(v - 1) * (size_t)bytes);
}

/* b[c] = where the bucket of symbol c begins, or ends. */
INLINE void buckets(int32_t *b, const struct text *t, int bytes, bool ends) {
    int32_t sum = 0;
    memset(b, 0, (size_t)t->k * sizeof *b);
    for (int32_t i = 0; i < t->n; i++) b[symbol(t, bytes, i)]++;
    for (int32_t c = 0; c < t->k; c++) {
        int32_t n = b[c];
        sum += n;
        b[c] = ends ? sum : sum - n;
    }
}

/* Walks over the LMS positions from the last to the first. */
struct walk {
    int32_t at, c; /* a position, its symbol */
    bool s;        /* whether it is of type S */
};

INLINE struct walk walk_begin(const struct text *t, int bytes) {
    return (struct walk){.at = t->n - 1, .c = symbol(t, bytes, t->n - 1)};
}

/* The next one, -1 if there is none. */
INLINE int32_t walk_next(struct walk *w, const struct text *t, int bytes) {
    while (w->at > 0) {
        bool was = w->s;
        int32_t c = symbol(t, bytes, --w->at);
        w->s = c < w->c || (c == w->c && was);
        w->c = c;
        if (was && !w->s) return w->at + 1;
    }
    return -1;
}

/* ---- passes ---- */

/* Suffix p with its mark for the pass over L, or for the one over S. */
INLINE int32_t mark_l(const struct text *t, int bytes, int32_t p, int32_t c) {
    return p == 0 || symbol(t, bytes, p - 1) < c ? ~p : p;
}

INLINE int32_t mark_s(const struct text *t, int bytes, int32_t p, int32_t c) {
    return p == 0 || symbol(t, bytes, p - 1) > c ? ~p : p;
}

/* Suffixes of type L from those that are there, left to right. When the order itself is wanted
 * (keep) they stay, marked for the pass over S; else only what that pass needs does. */
INLINE void induce_l(int32_t *sa, int32_t *b, const struct text *t, int bytes, bool keep) {
    buckets(b, t, bytes, false);
    int32_t last = t->n - 1, c = symbol(t, bytes, last);
    sa[b[c]++] = mark_l(t, bytes, last, c); /* before the empty suffix */
    for (int32_t i = 0; i < t->n; i++) {
        int32_t v = sa[i];
        if (i + AHEAD < t->n) ahead(t, bytes, sa[i + AHEAD]);
        sa[i] = keep || v < 0 ? ~v : 0;
        if (v <= 0) continue;
        c = symbol(t, bytes, v - 1);
        sa[b[c]++] = mark_l(t, bytes, v - 1, c);
    }
}

/* Suffixes of type S, right to left. Without keep the LMS ones are left, as ~v. */
INLINE void induce_s(int32_t *sa, int32_t *b, const struct text *t, int bytes, bool keep) {
    buckets(b, t, bytes, true);
    for (int32_t i = t->n - 1; i >= 0; i--) {
        int32_t v = sa[i];
        if (i >= AHEAD) ahead(t, bytes, sa[i - AHEAD]);
        if (v < 0 && keep) sa[i] = ~v;
        if (v <= 0) continue;
        if (!keep) sa[i] = 0;
        int32_t c = symbol(t, bytes, v - 1), m = mark_s(t, bytes, v - 1, c);
        sa[--b[c]] = m == -1 && !keep ? 0 : m; /* suffix 0 is never LMS */
    }
}

/* LMS positions at the ends of their buckets, from the text's end on. Returns how many. */
INLINE int32_t put_lms(int32_t *sa, int32_t *b, const struct text *t, int bytes) {
    int32_t m = 0;
    struct walk w = walk_begin(t, bytes);
    memset(sa, 0, (size_t)t->n * sizeof *sa);
    buckets(b, t, bytes, true);
    for (int32_t p; (p = walk_next(&w, t, bytes)) > 0; m++)
        sa[--b[symbol(t, bytes, p)]] = p;
    return m;
}

INLINE bool same(const struct text *t, int bytes, int32_t a, int32_t b, int32_t length) {
    return memcmp(t->data + (size_t)a * (size_t)bytes, t->data + (size_t)b * (size_t)bytes,
                  (size_t)length * (size_t)bytes) == 0;
}

/* sa[0, m) holds LMS positions in the order of the pieces from each to the next. Gives each
 * piece its rank, equal ones the same, and writes the ranks in the text's order to the end of sa.
 * Positions are 2 apart at least, so p / 2 is a place of its own. */
INLINE int32_t name_pieces(int32_t *sa, int32_t m, const struct text *t, int bytes) {
    int32_t n = t->n, names = 0, before = 0, length_before = 0, next = n, to = n;
    struct walk w = walk_begin(t, bytes);
    memset(sa + m, 0, (size_t)(n - m) * sizeof *sa);
    for (int32_t p; (p = walk_next(&w, t, bytes)) > 0; next = p)
        sa[m + p / 2] = next - p + 1;
    for (int32_t i = 0; i < m; i++) {
        if (i + AHEAD < m) {
            ahead(t, bytes, sa[i + AHEAD]);
            __builtin_prefetch(sa + m + sa[i + AHEAD] / 2);
        }
        int32_t p = sa[i], length = sa[m + p / 2];
        /* The last piece reaches the text's end, and is like no other. */
        if (length != length_before || p > n - length || before > n - length ||
            !same(t, bytes, p, before, length)) {
            names++;
            before = p;
            length_before = length;
        }
        sa[m + p / 2] = names;
    }
    for (int32_t i = m + (n - 1) / 2; i >= m; i--)
        if (sa[i] != 0) sa[--to] = sa[i] - 1;
    return names;
}

/* Ranks in sa[0, m) become the positions that they stand for, and these go to the ends of
 * their buckets. */
INLINE void spread_lms(int32_t *sa, int32_t m, int32_t *b, const struct text *t,
                       int bytes) {
    int32_t n = t->n, to = n;
    struct walk w = walk_begin(t, bytes);
    for (int32_t p; (p = walk_next(&w, t, bytes)) > 0;) sa[--to] = p;
    for (int32_t i = 0; i < m; i++) sa[i] = sa[n - m + sa[i]];
    memset(sa + m, 0, (size_t)(n - m) * sizeof *sa);
    buckets(b, t, bytes, true);
    for (int32_t i = m - 1; i >= 0; i--) {
        int32_t p = sa[i];
        sa[i] = 0;
        sa[--b[symbol(t, bytes, p)]] = p;
    }
}

/* ---- the whole ---- */

static glass_status sort(int32_t *sa, const struct text *t, int32_t *spare,
                         int32_t n_spare);

/* The order of the pieces' ranks, by sorting them in turn unless all differ. */
static glass_status sort_ranks(int32_t *sa, int32_t m, int32_t names,
                               const struct text *t) {
    int32_t *ranks = sa + (t->n - m);
    if (names == m) {
        for (int32_t i = 0; i < m; i++) sa[ranks[i]] = i;
        return GLASS_OK;
    }
    const struct text inner = {
        .data = (const uint8_t *)ranks, .bytes = 4, .n = m, .k = names, .stop = t->stop};
    return sort(sa, &inner, sa + m, t->n - 2 * m);
}

INLINE glass_status sort_with(int32_t *sa, int32_t *b, const struct text *t, int bytes) {
    int32_t m = put_lms(sa, b, t, bytes), to = 0;
    if (m > 1) {
        induce_l(sa, b, t, bytes, false);
        induce_s(sa, b, t, bytes, false);
        for (int32_t i = 0; i < t->n; i++)
            if (sa[i] < 0) sa[to++] = ~sa[i];
        int32_t names = name_pieces(sa, m, t, bytes);
        TRY(sort_ranks(sa, m, names, t));
        spread_lms(sa, m, b, t, bytes);
    }
    if (*t->stop) return fail(GLASS_CANCELLED, "stopped");
    induce_l(sa, b, t, bytes, true);
    induce_s(sa, b, t, bytes, true);
    return GLASS_OK;
}

/* spare: room that holds nothing, for the buckets if they fit. */
static glass_status sort(int32_t *sa, const struct text *t, int32_t *spare,
                         int32_t n_spare) {
    int32_t *own = NULL, *b = spare;
    glass_status status;
    if (*t->stop) return fail(GLASS_CANCELLED, "stopped");
    if (n_spare < t->k) {
        TRY(mem_alloc(&own, (size_t)t->k, sizeof *own));
        b = own;
    }
    if (t->bytes == 2)
        status = sort_with(sa, b, t, 2);
    else if (t->bytes == 3)
        status = sort_with(sa, b, t, 3);
    else
        status = sort_with(sa, b, t, 4);
    mem_free(own);
    return status;
}

glass_status trace_sais(int32_t *sa, const void *text, int symbol_bytes, int32_t n,
                        int32_t n_symbols, const volatile int *stop) {
    static const volatile int never;
    const struct text t = {.data = text,
                           .bytes = symbol_bytes,
                           .n = n,
                           .k = n_symbols,
                           .stop = stop != NULL ? stop : &never};
    return sort(sa, &t, NULL, 0);
}

size_t trace_sais_bytes(int32_t n, int32_t n_symbols) {
    /* Of each text in turn, at most half as long as the one before, at most a bucket for each
     * of its symbols; only what does not fit into sa is taken. */
    return (size_t)n_symbols * sizeof(int32_t) + (size_t)n * sizeof(int32_t);
}
