/* clause_match.c - see clause_match.h.
 *
 * Two shingles in a row stand for four words, in 24 bits. A licence is a candidate if enough of its
 * pairs are in the text; the best ones are laid along the text: pairs that stand once in both, in
 * one order, hold them together; between these, equal stretches are looked for by the longest
 * common subsequence, and what is left over is what differs. */
#include "open/clause_match.h"

#include "base/hash.h"
#include "base/mem.h"
#include "open/limit_words.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    PAIRS = 1 << 24,  /* different pairs of shingles */
    CANDIDATES = 8,   /* licences that are laid along the text */
    RESEMBLES = 500,  /* words in common that are worth telling whatever else there is */
    MATCHES = 16,     /* licences in one text */
    CELLS = 4 << 20,  /* of a table for a longest common subsequence */
    BEFORE = 64,      /* words more than the known text has before its first sure place */
    NOTICE_WORDS = 40 /* of a copyright line */
};
static const double candidate_share = 0.30, match_share = 0.50;

/* What one text needs while it is looked at. */
struct matcher {
    const char *text;
    size_t n_bytes;
    struct licence_words *words;
    int64_t n;          /* shingles of the text */
    uint16_t *shingles; /* (n) */
    bool *taken;        /* (words->n): part of a licence that was found */
    uint8_t *seen;      /* (PAIRS / 8) */
    int32_t
        *first; /* (PAIRS) scratch: where a pair stands in the text, -1 none, -2 twice */
    uint16_t *cells; /* (CELLS) */
};

static uint32_t pair(const uint16_t *s) {
    return (uint32_t)s[0] << 12 | s[1];
}

/* Pairs of words that no licence took yet. */
static void see_pairs(struct matcher *m) {
    memset(m->seen, 0, PAIRS / 8);
    for (int64_t i = 0; i + 1 < m->n; i++) {
        if (m->taken[i] || m->taken[i + LICENCE_SHINGLE]) continue;
        uint32_t p = pair(m->shingles + i);
        m->seen[p >> 3] |= (uint8_t)(1 << (p & 7));
    }
}

static double share(const struct matcher *m, const struct clause_licence *l) {
    int64_t n = l->n_words - LICENCE_SHINGLE, hits = 0;
    if (l->shingles == NULL || n <= 0) return 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t p = pair(l->shingles + i);
        hits += m->seen[p >> 3] >> (p & 7) & 1;
    }
    return (double)hits / (double)n;
}

/* ---- laying a licence along the text ---- */

/* pairs[i] of the licence stands at along[i] of the text, -1 none. */
struct lay {
    const struct matcher *m;
    const struct clause_licence *l;
    int32_t *along; /* (n_pairs) */
    int64_t n_pairs;
};

/* Pairs that stand once in each; with again, the first place of those that stand twice: a text may
 * hold a licence twice. */
static void find_anchors(struct lay *y, bool again) {
    const struct matcher *m = y->m;
    for (int64_t j = 0; j + 1 < m->n; j++) m->first[pair(m->shingles + j)] = -1;
    for (int64_t i = 0; i < y->n_pairs; i++) m->first[pair(y->l->shingles + i)] = -1;
    for (int64_t j = 0; j + 1 < m->n; j++) {
        if (m->taken[j]) continue;
        int32_t *f = &m->first[pair(m->shingles + j)];
        if (*f == -1)
            *f = (int32_t)j;
        else if (!again)
            *f = -2;
    }
    /* A place is given to one pair of the licence, the first. */
    for (int64_t i = 0; i < y->n_pairs; i++) {
        int32_t *f = &m->first[pair(y->l->shingles + i)];
        y->along[i] = *f >= 0 ? *f : -1;
        if (*f >= 0) *f = -2;
    }
}

/* Keeps the longest rising row of places (patience sorting), drops the rest. */
static glass_status keep_rising(struct lay *y) {
    int64_t n = y->n_pairs, length = 0;
    int32_t *tail = NULL, *before = NULL;
    glass_status status = mem_alloc(&tail, (size_t)n + 1, sizeof *tail);
    if (status == GLASS_OK) status = mem_alloc(&before, (size_t)n + 1, sizeof *before);
    for (int64_t i = 0; i < n && status == GLASS_OK; i++) {
        if (y->along[i] < 0) continue;
        int64_t low = 0, high = length;
        while (low < high) {
            int64_t middle = (low + high) / 2;
            if (y->along[tail[middle]] < y->along[i])
                low = middle + 1;
            else
                high = middle;
        }
        before[i] = low > 0 ? tail[low - 1] : -1;
        tail[low] = (int32_t)i;
        if (low == length) length++;
    }
    if (status == GLASS_OK && length > 0) {
        int32_t keep = tail[length - 1];
        for (int64_t i = n - 1; i >= 0; i--) {
            if (i != keep) {
                y->along[i] = -1;
                continue;
            }
            keep = before[i];
        }
    }
    mem_free(tail);
    mem_free(before);
    return status;
}

/* Equal shingles between licence [i0, i1) and text [j0, j1): the longest common subsequence, if the
 * table is small enough, else their equal starts and ends. Words are written to place. */
static void put(int64_t *place, int64_t i, int64_t j) {
    for (int k = 0; k < LICENCE_SHINGLE; k++)
        if (place[i + k] < 0) place[i + k] = j + k;
}

static void fill_gap(const struct matcher *m, const struct clause_licence *l,
                     int64_t *place, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {
    const uint16_t *a = l->shingles, *b = m->shingles;
    while (i0 < i1 && j0 < j1 && a[i0] == b[j0]) put(place, i0++, j0++);
    while (i0 < i1 && j0 < j1 && a[i1 - 1] == b[j1 - 1]) put(place, --i1, --j1);
    int64_t n = i1 - i0, k = j1 - j0;
    if (n <= 0 || k <= 0 || (n + 1) * (k + 1) > CELLS || n > UINT16_MAX) return;
    uint16_t *t = m->cells; /* t[i][j]: length of the best row from (i, j) on */
    for (int64_t i = n; i >= 0; i--)
        for (int64_t j = k; j >= 0; j--) {
            uint16_t *cell = &t[i * (k + 1) + j];
            if (i == n || j == k)
                *cell = 0;
            else if (a[i0 + i] == b[j0 + j])
                *cell = (uint16_t)(cell[k + 2] + 1);
            else
                *cell = cell[k + 1] > cell[1] ? cell[k + 1] : cell[1];
        }
    for (int64_t i = 0, j = 0; i < n && j < k;) {
        const uint16_t *cell = &t[i * (k + 1) + j];
        if (a[i0 + i] == b[j0 + j])
            put(place, i0 + i++, j0 + j++);
        else if (cell[k + 1] >= cell[1])
            i++;
        else
            j++;
    }
}

/* Words of a licence have rising places; those that break the order lose theirs. */
static void keep_order(int64_t *place, int64_t n) {
    int64_t last = -1;
    for (int64_t i = 0; i < n; i++) {
        if (place[i] <= last) place[i] = -1;
        if (place[i] >= 0) last = place[i];
    }
}

/* A word counts if all shingles that hold it are equal, as far as its neighbours stand beside it: three
 * hashes of 12 bits. One that is equal by chance would hide a changed word. */
static void keep_firm(const struct matcher *m, const struct clause_licence *l,
                      int64_t *place) {
    int64_t n = l->n_words - LICENCE_SHINGLE + 1;
    for (int64_t i = 0; i < n;) {
        int64_t first = i, last = -1;
        for (; i < n; i++) {
            int64_t at = place[i];
            bool row = at >= 0 && place[i + 1] == at + 1 && place[i + 2] == at + 2;
            if (!row || l->shingles[i] == m->shingles[at]) break;
            last = i;
        }
        i = i > first ? i : i + 1;
        if (last < 0) continue;
        /* The words that all of these shingles share; or all, if there is none. */
        int64_t from = last - first < LICENCE_SHINGLE ? last : first;
        int64_t to = last - first < LICENCE_SHINGLE ? first : last;
        for (int64_t k = from; k <= to + LICENCE_SHINGLE - 1; k++) place[k] = -1;
    }
}

static glass_status lay_along(const struct matcher *m, const struct clause_licence *l,
                              int64_t *place, bool again) {
    struct lay y = {m, l, NULL, l->n_words - LICENCE_SHINGLE};
    for (int64_t i = 0; i < l->n_words; i++) place[i] = -1;
    if (y.n_pairs <= 0) return GLASS_OK;
    TRY(mem_alloc(&y.along, (size_t)y.n_pairs, sizeof *y.along));
    find_anchors(&y, again);
    glass_status status = keep_rising(&y);
    int64_t i0 = 0, j0 = -1;
    for (int64_t i = 0; i < y.n_pairs && status == GLASS_OK; i++) {
        int64_t j = y.along[i];
        if (j < 0) continue;
        if (j0 < 0) j0 = j - i > BEFORE ? j - i - BEFORE : 0;
        fill_gap(m, l, place, i0, i, j0, j);
        put(place, i, j);
        put(place, i + 1, j + 1);
        i0 = i + 2;
        j0 = j + 2;
    }
    if (status == GLASS_OK && j0 >= 0) {
        int64_t end =
            l->n_words - i0 + BEFORE < m->n - j0 ? j0 + l->n_words - i0 + BEFORE : m->n;
        fill_gap(m, l, place, i0, l->n_words - LICENCE_SHINGLE + 1, j0, end);
    }
    if (status == GLASS_OK) {
        keep_order(place, l->n_words);
        keep_firm(m, l, place);
    }
    mem_free(y.along);
    return status;
}

/* ---- what differs ---- */

static bool is_open(const struct clause_licence *l, int64_t word) {
    for (int i = 0; i < l->n_open; i++)
        if (word >= l->open[i].at && word < l->open[i].at + l->open[i].n) return true;
    return false;
}

/* Whether a difference at known words [from, from + n) touches only open ones. */
static bool falls_open(const struct clause_licence *l, int64_t from, int64_t n) {
    for (int i = 0; n == 0 && i < l->n_open; i++)
        if (from >= l->open[i].at && from <= l->open[i].at + l->open[i].n) return true;
    for (int64_t i = from; i < from + n; i++)
        if (!is_open(l, i)) return false;
    return n > 0;
}

static bool says(const struct matcher *m, int64_t word, const char *what) {
    const struct licence_word *w = &m->words->words[word];
    size_t n = strlen(what);
    return w->end - w->begin == n && strncasecmp(m->text + w->begin, what, n) == 0;
}

/* "Copyright 2023 Somebody. All rights reserved" */
static bool is_notice(const struct matcher *m, int64_t word, int64_t n) {
    if (n == 0 || n > NOTICE_WORDS) return false;
    return says(m, word, "copyright") ||
           (n == 3 && says(m, word, "all") && says(m, word + 1, "rights"));
}

/* "12", "Page 3 of 14" on a line of their own, beside an empty one or a form feed. */
static bool is_page_number(const struct matcher *m, int64_t word, int64_t n) {
    enum { MOST = 4, DIGITS = 3 };
    const struct licence_word *w = m->words->words + word;
    if (n == 0 || n > MOST) return false;
    for (int64_t i = 0; i < n; i++) {
        size_t digits = 0, length = w[i].end - w[i].begin;
        while (digits < length && m->text[w[i].begin + digits] >= '0' &&
               m->text[w[i].begin + digits] <= '9')
            digits++;
        bool number = digits == length && length <= DIGITS;
        if (!number && !says(m, word + i, "page") && !says(m, word + i, "of")) return false;
    }
    size_t begin = w[0].begin, end = w[n - 1].end;
    int before = 0, behind = 0; /* lines' ends */
    for (; begin > 0 && strchr(" -|\r\n\f\t", m->text[begin - 1]) != NULL; begin--)
        before += m->text[begin - 1] == '\f' ? 2 : m->text[begin - 1] == '\n';
    for (; end < m->n_bytes && strchr(" -|\r\n\f\t", m->text[end]) != NULL; end++)
        behind += m->text[end] == '\f' ? 2 : m->text[end] == '\n';
    return before > 0 && behind > 0 && before + behind > 2;
}

static const char *section_of(const struct clause_licence *l, int64_t word) {
    const char *name = "";
    int64_t best = -1;
    for (int i = 0; i < l->n_sections; i++)
        if (l->sections[i].at <= word && l->sections[i].at >= best) {
            best = l->sections[i].at;
            name = l->sections[i].name;
        }
    return name;
}

static glass_status add_change(struct clause_match *x, const struct matcher *m,
                               struct clause_change c) {
    const struct licence_word *w = m->words->words;
    if (falls_open(x->licence, c.known, c.n_known))
        c.kind = CLAUSE_FILLED;
    else if (c.n_known == 0 &&
             (is_notice(m, c.word, c.n_words) || is_page_number(m, c.word, c.n_words)))
        c.kind = CLAUSE_NOTICE;
    c.begin = c.n_words > 0 ? w[c.word].begin : c.word > 0 ? w[c.word - 1].end : 0;
    c.end = c.n_words > 0 ? w[c.word + c.n_words - 1].end : c.begin;
    /* "Copyright 2024 Somebody, for research only" is more than a holder's name. */
    if (c.n_words > 0 && limit_word(m->text + c.begin, c.end - c.begin, true))
        c.kind = CLAUSE_CHANGED;
    c.section = section_of(x->licence, c.known);
    if (c.kind == CLAUSE_CHANGED)
        x->n_changed += c.n_known > c.n_words ? c.n_known : c.n_words;
    if ((x->n_changes & (x->n_changes - 1)) == 0)
        TRY(mem_resize(&x->changes, x->n_changes > 0 ? 2 * (size_t)x->n_changes : 1,
                       sizeof *x->changes));
    x->changes[x->n_changes++] = c;
    return GLASS_OK;
}

static glass_status find_changes(struct clause_match *x, const struct matcher *m) {
    const struct clause_licence *l = x->licence;
    int64_t last_known = -1, last_word = -1;
    for (int64_t i = 0; i <= l->n_words; i++) {
        bool end = i == l->n_words;
        if (!end && !is_open(l, i)) x->n_known++;
        if (!end && x->place[i] < 0) continue;
        if (!end && !is_open(l, i)) x->n_matched++;
        int64_t word = end ? last_word + 1 : x->place[i];
        if (last_word < 0 && !end) x->begin = m->words->words[word].begin;
        struct clause_change c = {.known = last_known + 1,
                                  .n_known = i - last_known - 1,
                                  .word = last_word < 0 ? word : last_word + 1};
        c.n_words = last_word < 0 ? 0 : word - last_word - 1;
        if (c.n_known > 0 || c.n_words > 0) TRY(add_change(x, m, c));
        if (end) break;
        last_known = i;
        last_word = word;
        x->end = m->words->words[word].end;
    }
    return GLASS_OK;
}

static void match_clear(struct clause_match *x) {
    mem_free(x->changes);
    mem_free(x->place);
    *x = (struct clause_match){0};
}

/* Enough of the known text is there, and not much more that differs. */
static bool holds(const struct clause_match *x) {
    return (double)x->n_matched >= match_share * (double)x->n_known &&
           (x->n_changed <= x->n_matched || x->n_matched >= RESEMBLES);
}

static glass_status match_one(struct clause_match *x, const struct matcher *m,
                              const struct clause_licence *l, bool again) {
    *x = (struct clause_match){.licence = l};
    glass_status status = mem_alloc(&x->place, (size_t)l->n_words, sizeof *x->place);
    if (status == GLASS_OK) status = lay_along(m, l, x->place, again);
    if (status == GLASS_OK) status = find_changes(x, m);
    if (status != GLASS_OK) match_clear(x);
    return status;
}

/* Both ways to lay it along, if the first one does not hold. */
static glass_status match_either(struct clause_match *x, const struct matcher *m,
                                 const struct clause_licence *l) {
    TRY(match_one(x, m, l, false));
    if (holds(x)) return GLASS_OK;
    match_clear(x);
    return match_one(x, m, l, true);
}

/* Whether a explains the text better than b: fewer words are changed, then more words match. */
static bool better(const struct clause_match *a, const struct clause_match *b) {
    int64_t x = a->n_changed - a->n_matched, y = b->n_changed - b->n_matched;
    return x != y ? x < y : a->n_changed < b->n_changed;
}

/* Which other licence explains the same place nearly as well. */
static void find_second(struct clause_match *best, const struct clause_match *tried,
                        int n) {
    for (int k = 0; k < n; k++) {
        const struct clause_match *x = &tried[k];
        if (x->licence == NULL || !holds(x)) continue;
        size_t begin = x->begin > best->begin ? x->begin : best->begin;
        size_t end = x->end < best->end ? x->end : best->end;
        if (end < begin || 2 * (end - begin) < best->end - best->begin) continue;
        if (best->second != NULL && x->n_changed >= best->second_changed) continue;
        best->second = x->licence;
        best->second_changed = x->n_changed;
    }
}

/* The best licence among the words that are left; licence NULL: none. */
static glass_status best_match(struct clause_match *out, struct matcher *m,
                               const struct clause_table *table) {
    const struct clause_licence *likely[CANDIDATES] = {0};
    double shares[CANDIDATES] = {0};
    *out = (struct clause_match){0};
    see_pairs(m);
    for (int i = 0; i < table->n; i++) {
        double s = share(m, &table->licences[i]);
        if (s < candidate_share) continue;
        for (int k = 0; k < CANDIDATES; k++) {
            if (s <= shares[k]) continue;
            memmove(shares + k + 1, shares + k, (CANDIDATES - 1 - k) * sizeof *shares);
            memmove(likely + k + 1, likely + k, (CANDIDATES - 1 - k) * sizeof *likely);
            shares[k] = s;
            likely[k] = &table->licences[i];
            break;
        }
    }
    struct clause_match tried[CANDIDATES] = {0};
    glass_status status = GLASS_OK;
    int n = 0, best = -1;
    for (; n < CANDIDATES && likely[n] != NULL && status == GLASS_OK; n++) {
        status = match_either(&tried[n], m, likely[n]);
        if (status == GLASS_OK && holds(&tried[n]) &&
            (best < 0 || better(&tried[n], &tried[best])))
            best = n;
    }
    if (status == GLASS_OK && best >= 0) {
        *out = tried[best];
        tried[best] = (struct clause_match){0};
        find_second(out, tried, n);
    }
    for (int k = 0; k < n; k++) match_clear(&tried[k]);
    return status;
}

/* ---- the text ---- */

/* Whether words in a row make pairs that known licences have, all of them. */
static bool is_known(const struct matcher *m, const struct licence_word *w, int64_t n) {
    for (int64_t i = 0; i + LICENCE_SHINGLE < n; i++) {
        uint16_t s[2] = {licence_shingle(w + i), licence_shingle(w + i + 1)};
        uint32_t p = pair(s);
        if (!(m->seen[p >> 3] >> (p & 7) & 1)) return false;
    }
    return true;
}

/* "commer-" at a line's end and "cial" become one word where a known licence has that in this place, and
 * not the two. */
static void join_broken(struct matcher *m, const struct clause_table *table) {
    enum { AROUND = 2 };
    struct licence_word *w = m->words->words, one;
    int64_t n = m->words->n, to = 0;
    memset(m->seen, 0, PAIRS / 8);
    for (int i = 0; i < table->n; i++)
        for (int64_t k = 0; k + LICENCE_SHINGLE < table->licences[i].n_words; k++) {
            uint32_t p = pair(table->licences[i].shingles + k);
            m->seen[p >> 3] |= (uint8_t)(1 << (p & 7));
        }
    for (int64_t i = 0; i < n; i++) {
        bool broken = i + 1 + AROUND < n && to >= AROUND &&
                      licence_words_joined(&one, m->text, w + i);
        if (broken) {
            struct licence_word row[2 * AROUND + 2];
            memcpy(row, w + to - AROUND, AROUND * sizeof *w);
            memcpy(row + AROUND, w + i, (2 + AROUND) * sizeof *w);
            broken = !is_known(m, row, 2 * AROUND + 2);
            row[AROUND] = one;
            memcpy(row + AROUND + 1, w + i + 2, AROUND * sizeof *w);
            broken &= is_known(m, row, 2 * AROUND + 1);
        }
        w[to++] = broken ? one : w[i];
        i += broken;
    }
    m->words->n = to;
}

static glass_status prepare(struct matcher *m, const struct clause_table *table) {
    TRY(mem_alloc(&m->seen, PAIRS / 8, 1));
    join_broken(m, table);
    int64_t n = m->words->n;
    m->n = n >= LICENCE_SHINGLE ? n - LICENCE_SHINGLE + 1 : 0;
    TRY(mem_alloc(&m->shingles, (size_t)m->n + 1, sizeof *m->shingles));
    TRY(mem_alloc_zero(&m->taken, (size_t)n + LICENCE_SHINGLE + 1, sizeof *m->taken));
    TRY(mem_alloc(&m->first, PAIRS, sizeof *m->first));
    TRY(mem_alloc(&m->cells, CELLS, sizeof *m->cells));
    for (int64_t i = 0; i < m->n; i++)
        m->shingles[i] = licence_shingle(m->words->words + i);
    return GLASS_OK;
}

static glass_status find_copy(struct clause_matches *out, const char *text, size_t n) {
    uint8_t digest[32];
    TRY(sha256_bytes(digest, text, n));
    for (int i = 0; i < out->n; i++) {
        const struct clause_licence *l = out->matches[i].licence;
        for (int k = 0; k < l->n_copies; k++)
            if (memcmp(l->copies[k].sha256, digest, 32) == 0)
                out->matches[i].copy = &l->copies[k];
    }
    return GLASS_OK;
}

static int by_begin(const void *a, const void *b) {
    const struct clause_match *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Some copies of a licence end with the policy that it makes part of itself: the known text leaves it
 * open, and it is a text of its own. */
static glass_status find_appended(struct clause_matches *out, struct matcher *m,
                                  const struct clause_table *table, int at) {
    const struct clause_match *x = &out->matches[at];
    const struct clause_licence *policy =
        *x->licence->policy ? clause_table_find(table, x->licence->policy) : NULL;
    struct clause_match y;
    int64_t n = 0;
    if (policy == NULL || out->n == MATCHES) return GLASS_OK;
    for (int64_t i = 0; i < x->licence->n_words; i++)
        if (x->place[i] >= 0 && is_open(x->licence, i)) {
            m->taken[x->place[i]] = false;
            n++;
        }
    if (n == 0) return GLASS_OK;
    TRY(match_either(&y, m, policy));
    for (int64_t i = 0; i < x->licence->n_words; i++)
        if (x->place[i] >= 0) m->taken[x->place[i]] = true;
    if (holds(&y))
        out->matches[out->n++] = y;
    else
        match_clear(&y);
    return GLASS_OK;
}

static glass_status find_all(struct clause_matches *out, struct matcher *m,
                             const struct clause_table *table) {
    while (out->n < MATCHES) {
        struct clause_match x;
        TRY(best_match(&x, m, table));
        if (x.licence == NULL) break;
        for (int64_t i = 0; i < x.licence->n_words; i++)
            if (x.place[i] >= 0) m->taken[x.place[i]] = true;
        for (int i = 0; i < x.n_changes;
             i++) /* what stands inside is no licence of its own */
            for (int64_t k = 0; k < x.changes[i].n_words && x.changes[i].n_words < 200; k++)
                m->taken[x.changes[i].word + k] = true;
        out->matches[out->n++] = x;
        TRY(find_appended(out, m, table, out->n - 1));
    }
    for (int64_t i = 0; i < out->words.n; i++) out->n_other += !m->taken[i];
    if (out->n > 1) qsort(out->matches, (size_t)out->n, sizeof *out->matches, by_begin);
    return GLASS_OK;
}

glass_status clause_match_text(struct clause_matches *out, const struct clause_table *table,
                               const char *text, size_t n_bytes) {
    *out = (struct clause_matches){0};
    if (n_bytes > LICENCE_TEXT_MOST)
        return fail(GLASS_BAD_INPUT, "a text of %zu bytes is too long for a licence (%d)",
                    n_bytes, LICENCE_TEXT_MOST);
    struct matcher m = {.text = text, .n_bytes = n_bytes, .words = &out->words};
    glass_status status = licence_words_make(&out->words, text, n_bytes);
    if (status == GLASS_OK) status = prepare(&m, table);
    if (status == GLASS_OK)
        status = mem_alloc_zero(&out->matches, MATCHES, sizeof *out->matches);
    if (status == GLASS_OK) status = find_all(out, &m, table);
    if (status == GLASS_OK) status = find_copy(out, text, n_bytes);
    mem_free(m.shingles);
    mem_free(m.taken);
    mem_free(m.seen);
    mem_free(m.first);
    mem_free(m.cells);
    if (status != GLASS_OK) clause_matches_clear(out);
    return status;
}

void clause_matches_clear(struct clause_matches *m) {
    for (int i = 0; i < m->n; i++) match_clear(&m->matches[i]);
    mem_free(m->matches);
    licence_words_clear(&m->words);
    *m = (struct clause_matches){0};
}

bool clause_match_bytes(size_t *begin, size_t *end, const struct clause_matches *m,
                        const struct clause_match *x, int64_t at, int64_t n) {
    if (n <= 0 || at < 0 || at + n > x->licence->n_words) return false;
    for (int64_t i = at; i < at + n; i++)
        if (x->place[i] < 0 || x->place[i] != x->place[at] + (i - at)) return false;
    *begin = m->words.words[x->place[at]].begin;
    *end = m->words.words[x->place[at + n - 1]].end;
    return true;
}
