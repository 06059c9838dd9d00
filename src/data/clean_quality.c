/* clean_quality.c - published rules of quality: Gopher (Rae et al. 2021, arXiv 2112.11446, tables A1
 * and section A.1.1), FineWeb's own (Penedo et al. 2024, arXiv 2406.17557, section 3.6), and the
 * language by libexttextcat. Words are what stands between white space. */
#include "data/clean.h"

#include <textcat.h>
#include <math.h>
#include <string.h>

static bool is_space(char c) { /* tab to carriage return: 9 to 13 */
    return c == ' ' || (unsigned char)(c - '\t') < 5;
}

static uint64_t mix(uint64_t x) { /* splitmix64's last step */
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* room: the bytes that may be read, at least n. */
static uint64_t hash_bytes(const char *text, size_t n, size_t room) {
    uint64_t h = n * UINT64_C(0x9e3779b97f4a7c15), x;
    for (; n >= 8; text += 8, n -= 8, room -= 8) {
        memcpy(&x, text, 8);
        h = (h ^ x) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    x = 0;
    if (n > 0 && room >= 8) { /* one load, as if the rest were zeros */
        memcpy(&x, text, 8);
        x &= UINT64_MAX >> (64 - 8 * n);
    } else {
        memcpy(&x, text, n);
    }
    return mix(h ^ x);
}

/* Characters of UTF-8. */
static size_t count_chars(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static glass_status put(struct clean_word **list, size_t *n, size_t *cap, size_t at,
                        size_t n_bytes, const char *text, size_t room) {
    if (*n == *cap) {
        size_t more = *cap ? 2 * *cap : 4096;
        TRY(mem_resize(list, more, sizeof **list));
        *cap = more;
    }
    (*list)[(*n)++] = (struct clean_word){(uint32_t)at, (uint32_t)n_bytes,
                                          hash_bytes(text + at, n_bytes, room)};
    return GLASS_OK;
}

glass_status clean_split(struct clean_scratch *s, const char *text, size_t n_bytes) {
    s->n_words = s->n_lines = 0;
    if (n_bytes > UINT32_MAX) return fail(GLASS_BAD_INPUT, "a text of more than 4 GiB");
    for (size_t i = 0; i < n_bytes;) {
        while (i < n_bytes && is_space(text[i])) i++;
        size_t from = i;
        while (i < n_bytes && !is_space(text[i])) i++;
        if (i > from)
            TRY(put(&s->words, &s->n_words, &s->cap_words, from, i - from, text,
                    n_bytes - from));
    }
    for (size_t i = 0; i < n_bytes;) {
        const char *end = memchr(text + i, '\n', n_bytes - i);
        size_t k = end == NULL ? n_bytes - i : (size_t)(end - text) - i;
        TRY(put(&s->lines, &s->n_lines, &s->cap_lines, i, k, text, n_bytes - i));
        i += k + 1;
    }
    return GLASS_OK;
}

static bool outside(struct clean_finding *why, const char *rule, double value, double least,
                    double most) {
    *why =
        (struct clean_finding){.rule = rule, .value = value, .least = least, .most = most};
    return value < least || value > most; /* NAN is no bound */
}

/* ---- Gopher: quality ---- */

static bool is_stop_word(const char *w, size_t n) {
    if (n == 2)
        return memcmp(w, "be", 2) == 0 || memcmp(w, "to", 2) == 0 ||
               memcmp(w, "of", 2) == 0;
    if (n == 3) return memcmp(w, "the", 3) == 0 || memcmp(w, "and", 3) == 0;
    return n == 4 && (memcmp(w, "that", 4) == 0 || memcmp(w, "have", 4) == 0 ||
                      memcmp(w, "with", 4) == 0);
}

static size_t count_text(const char *text, size_t n, const char *what) {
    size_t count = 0, k = strlen(what);
    for (const char *at = text, *end = text + n;
         (at = memmem(at, (size_t)(end - at), what, k)) != NULL; at += k)
        count++;
    return count;
}

static bool has_end(const char *text, size_t n, const char *end) {
    size_t k = strlen(end);
    return n >= k && memcmp(text + n - k, end, k) == 0;
}

struct gopher {
    double words, chars, alpha, stop, bullets, ellipses;
};

static void count_gopher(struct gopher *g, const struct clean_scratch *s,
                         const char *text) {
    for (size_t i = 0; i < s->n_words; i++) {
        const char *w = text + s->words[i].at;
        size_t n = s->words[i].n;
        bool alpha = false, digit = false;
        size_t within = 0; /* bytes inside characters */
        for (size_t k = 0; k < n; k++) {
            unsigned char c = (unsigned char)w[k];
            alpha |= c >= 0x80 || (unsigned char)((c | 32) - 'a') < 26;
            digit |= (unsigned char)(c - '0') < 10;
            within += (c & 0xc0) == 0x80;
        }
        if (!alpha && !digit) continue; /* punctuation alone */
        g->words++;
        g->chars += (double)(n - within);
        g->alpha += alpha;
        g->stop += is_stop_word(w, n);
    }
    for (size_t i = 0; i < s->n_lines; i++) {
        const char *line = text + s->lines[i].at;
        size_t n = s->lines[i].n;
        while (n > 0 && is_space(*line)) line++, n--;
        while (n > 0 && is_space(line[n - 1])) n--;
        g->bullets += (n >= 3 && memcmp(line, "\xe2\x80\xa2", 3) == 0) ||
                      (n >= 2 && (line[0] == '-' || line[0] == '*') && line[1] == ' ');
        g->ellipses += has_end(line, n, "...") || has_end(line, n, "\xe2\x80\xa6");
    }
}

bool clean_gopher(const struct clean_scratch *s, const char *text, size_t n_bytes,
                  struct clean_finding *why) {
    struct gopher g = {0};
    count_gopher(&g, s, text);
    double words = g.words > 0 ? g.words : 1,
           lines = s->n_lines > 0 ? (double)s->n_lines : 1;
    if (outside(why, "gopher.words", g.words, 50, 100000)) return true;
    if (outside(why, "gopher.word-length", g.chars / words, 3, 10)) return true;
    double hashes = (double)count_text(text, n_bytes, "#");
    if (outside(why, "gopher.hashes", hashes / words, NAN, 0.1)) return true;
    double dots = (double)(count_text(text, n_bytes, "...") +
                           count_text(text, n_bytes, "\xe2\x80\xa6"));
    if (outside(why, "gopher.ellipses", dots / words, NAN, 0.1)) return true;
    if (outside(why, "gopher.bullet-lines", g.bullets / lines, NAN, 0.9)) return true;
    if (outside(why, "gopher.ellipsis-lines", g.ellipses / lines, NAN, 0.3)) return true;
    if (outside(why, "gopher.alphabetic", g.alpha / words, 0.8, NAN)) return true;
    return outside(why, "gopher.stop-words", g.stop, 2, NAN);
}

/* ---- Gopher: repetition ---- */

/* An empty table with room for n hashes. */
static glass_status table_for(struct clean_scratch *s, size_t n, size_t *mask) {
    size_t cap = 64;
    while (cap < 2 * n) cap *= 2;
    if (cap > s->cap_table || s->round == UINT32_MAX) {
        TRY(mem_resize(&s->table, cap, sizeof *s->table));
        memset(s->table, 0, cap * sizeof *s->table);
        s->cap_table = cap;
        s->round = 0;
    }
    s->round++;
    *mask = cap - 1;
    return GLASS_OK;
}

/* How often the hash was counted before; counts it. */
static uint32_t count_hash(struct clean_scratch *s, size_t mask, uint64_t hash) {
    size_t at = hash & mask;
    while (s->table[at].round == s->round && s->table[at].hash != hash)
        at = (at + 1) & mask;
    if (s->table[at].round != s->round)
        s->table[at] = (struct clean_cell){hash, 0, s->round};
    return s->table[at].count++;
}

struct repeated {
    double n, of, chars; /* elements again, elements, characters of those again */
};

static glass_status repeated_lines(struct clean_scratch *s, const char *text, bool blank,
                                   struct repeated *r) {
    size_t mask;
    *r = (struct repeated){0};
    TRY(table_for(s, s->n_lines, &mask));
    for (size_t i = 0; i < s->n_lines; i++) {
        const struct clean_word *line = &s->lines[i];
        bool empty = true;
        for (size_t k = 0; k < line->n && empty; k++) empty = is_space(text[line->at + k]);
        if (empty && !blank) continue;
        r->of++;
        if (count_hash(s, mask, line->hash) == 0) continue;
        r->n++;
        r->chars += (double)count_chars(text + line->at, line->n);
    }
    return GLASS_OK;
}

/* Paragraphs: what empty lines part. */
static glass_status repeated_paragraphs(struct clean_scratch *s, const char *text, size_t n,
                                        struct repeated *r) {
    size_t mask;
    *r = (struct repeated){0};
    TRY(table_for(s, s->n_lines, &mask));
    for (size_t at = 0; at < n;) {
        while (at < n && text[at] == '\n') at++;
        const char *end = memmem(text + at, n - at, "\n\n", 2);
        size_t k = end == NULL ? n - at : (size_t)(end - text) - at;
        if (k == 0) break;
        r->of++;
        if (count_hash(s, mask, hash_bytes(text + at, k, n - at)) > 0) {
            r->n++;
            r->chars += (double)count_chars(text + at, k);
        }
        at += k;
    }
    return GLASS_OK;
}

/* n-grams that come again: an n-gram can only do so where its first n - 1 words do, so that few
 * are left to look at after the first lengths. s->spans has their hashes, s->places where they
 * begin, in order. */
static glass_status begin_spans(struct clean_scratch *s) {
    if (s->n_words > s->cap_spans) {
        TRY(mem_resize(&s->spans, s->n_words, sizeof *s->spans));
        TRY(mem_resize(&s->places, s->n_words, sizeof *s->places));
        s->cap_spans = s->n_words;
    }
    s->n_spans = s->n_words;
    for (size_t i = 0; i < s->n_words; i++) {
        uint64_t h = s->words[i].hash * UINT64_C(0x9e3779b97f4a7c15);
        s->spans[i] = h ^ h >> 32;
        s->places[i] = (uint32_t)i;
    }
    return GLASS_OK;
}

/* From (n - 1)-grams to n-grams; those that run over the end go. */
static void next_spans(struct clean_scratch *s, size_t n) {
    while (s->n_spans > 0 && s->places[s->n_spans - 1] + n > s->n_words) s->n_spans--;
    for (size_t i = 0; i < s->n_spans; i++) {
        uint64_t h = s->spans[i];
        h = (h ^ s->words[s->places[i] + n - 1].hash) * UINT64_C(0x9e3779b97f4a7c15);
        s->spans[i] = h ^ h >> 32;
    }
}

/* The cell of a hash that was counted. */
static uint32_t how_often(const struct clean_scratch *s, size_t mask, uint64_t hash) {
    size_t at = hash & mask;
    while (s->table[at].hash != hash) at = (at + 1) & mask;
    return s->table[at].count;
}

/* Leaves the spans that are counted several times. */
static void keep_repeated(struct clean_scratch *s, size_t mask) {
    size_t n = 0;
    for (size_t i = 0; i < s->n_spans; i++) {
        s->spans[n] = s->spans[i];
        s->places[n] = s->places[i];
        n += how_often(s, mask, s->spans[i]) > 1;
    }
    s->n_spans = n;
}

static double gram_chars(const struct clean_word *w, int n, const char *text) {
    size_t bytes = w[n - 1].at + w[n - 1].n - w[0].at;
    return (double)count_chars(text + w[0].at, bytes);
}

/* The share of characters in the most frequent n-gram. */
static glass_status top_gram(struct clean_scratch *s, const char *text, int n, double chars,
                             double *share) {
    size_t mask, best = 0;
    uint32_t most = 0;
    *share = 0;
    TRY(table_for(s, s->n_spans, &mask));
    for (size_t i = 0; i < s->n_spans; i++) {
        uint32_t count = 1 + count_hash(s, mask, s->spans[i]);
        if (count <= most) continue;
        most = count;
        best = s->places[i];
    }
    if (most > 1) *share = most * gram_chars(s->words + best, n, text) / chars;
    keep_repeated(s, mask);
    return GLASS_OK;
}

/* The share of characters in n-grams that were there before, none counted twice. */
static glass_status again_grams(struct clean_scratch *s, const char *text, int n,
                                double chars, double *share) {
    size_t mask, next = 0;
    double again = 0;
    TRY(table_for(s, s->n_spans, &mask));
    for (size_t i = 0; i < s->n_spans; i++) count_hash(s, mask, s->spans[i]);
    keep_repeated(s, mask);
    TRY(table_for(s, s->n_spans, &mask));
    for (size_t i = 0; i < s->n_spans; i++) {
        if (s->places[i] < next || count_hash(s, mask, s->spans[i]) == 0) continue;
        again += gram_chars(s->words + s->places[i], n, text);
        next = s->places[i] + (size_t)n;
    }
    *share = again / chars;
    return GLASS_OK;
}

static glass_status check_grams(struct clean_scratch *s, const char *text, double chars,
                                bool *fails, struct clean_finding *why) {
    static const char *const tops[] = {"repetition.top-2-gram", "repetition.top-3-gram",
                                       "repetition.top-4-gram"};
    static const char *const dups[] = {"repetition.5-grams", "repetition.6-grams",
                                       "repetition.7-grams", "repetition.8-grams",
                                       "repetition.9-grams", "repetition.10-grams"};
    static const double top_most[] = {0.20, 0.18, 0.16};
    static const double dup_most[] = {0.15, 0.14, 0.13, 0.12, 0.11, 0.10};
    double share;
    TRY(begin_spans(s));
    for (int i = 0; i < 3 && !*fails; i++) {
        next_spans(s, (size_t)i + 2);
        TRY(top_gram(s, text, i + 2, chars, &share));
        *fails = outside(why, tops[i], share, NAN, top_most[i]);
    }
    /* Where no 5-gram comes again, no longer one does. */
    share = 1;
    for (int i = 0; i < 6 && !*fails && share > 0; i++) {
        next_spans(s, (size_t)i + 5);
        TRY(again_grams(s, text, i + 5, chars, &share));
        *fails = outside(why, dups[i], share, NAN, dup_most[i]);
    }
    return GLASS_OK;
}

glass_status clean_repetition(struct clean_scratch *s, const char *text, size_t n_bytes,
                              bool *fails, struct clean_finding *why) {
    struct repeated r;
    double chars = (double)count_chars(text, n_bytes);
    *fails = false;
    if (chars == 0) return GLASS_OK;
    TRY(repeated_paragraphs(s, text, n_bytes, &r));
    *fails = (r.of > 0 && outside(why, "repetition.paragraphs", r.n / r.of, NAN, 0.3)) ||
             outside(why, "repetition.paragraph-characters", r.chars / chars, NAN, 0.2);
    if (*fails) return GLASS_OK;
    TRY(repeated_lines(s, text, false, &r));
    *fails = (r.of > 0 && outside(why, "repetition.lines", r.n / r.of, NAN, 0.3)) ||
             outside(why, "repetition.line-characters", r.chars / chars, NAN, 0.2);
    return *fails ? GLASS_OK : check_grams(s, text, chars, fails, why);
}

/* ---- FineWeb ---- */

glass_status clean_fineweb(struct clean_scratch *s, const char *text, size_t n_bytes,
                           bool *fails, struct clean_finding *why) {
    double punctuated = 0, brief = 0, lines = s->n_lines > 0 ? (double)s->n_lines : 1;
    struct repeated r;
    for (size_t i = 0; i < s->n_lines; i++) {
        const char *line = text + s->lines[i].at;
        size_t n = s->lines[i].n;
        punctuated += n > 0 && strchr(".'\"!?", line[n - 1]) != NULL && line[n - 1] != '\0';
        brief += count_chars(line, n) <= 30;
    }
    *fails = true;
    /* "at most" fails here, so that the bound itself does. */
    if (outside(why, "fineweb.punctuated-lines", punctuated / lines, nextafter(0.12, 1),
                NAN))
        return GLASS_OK;
    if (outside(why, "fineweb.short-lines", brief / lines, NAN, nextafter(0.67, 0)))
        return GLASS_OK;
    TRY(repeated_lines(s, text, false, &r));
    double chars = (double)(count_chars(text, n_bytes) - count_text(text, n_bytes, "\n"));
    if (outside(why, "fineweb.repeated-line-characters", r.chars / (chars > 0 ? chars : 1),
                NAN, nextafter(0.01, 0)))
        return GLASS_OK;
    double words = s->n_words > 0 ? (double)s->n_words : 1;
    *fails = outside(why, "fineweb.lines-a-word",
                     (double)count_text(text, n_bytes, "\n") / words, NAN, 0.3);
    return GLASS_OK;
}

/* ---- language ---- */

enum { LANGUAGE_BYTES = 1024, LANGUAGE_LEAST = 100 };

/* "[en--utf8][nl--utf8]": the first; several that are as likely are one answer. */
static bool names_language(const char *answer, const char *languages, char detail[96]) {
    bool found = false;
    snprintf(detail, 96, "%.90s", answer);
    for (const char *at = answer; (at = strchr(at, '[')) != NULL;) {
        size_t n = strcspn(++at, "-]");
        char want[40];
        if (n + 3 > sizeof want) continue;
        snprintf(want, sizeof want, "+%.*s+", (int)n, at);
        found |= strstr(languages, want) != NULL;
    }
    return found;
}

glass_status clean_language(struct clean_scratch *s, const char *languages,
                            const char *text, size_t n_bytes, bool *fails,
                            struct clean_finding *why) {
    static const char folder[] = "/usr/share/libexttextcat/";
    *fails = false;
    if (s->textcat == NULL)
        s->textcat = special_textcat_Init("/usr/share/libexttextcat/fpdb.conf", folder);
    if (s->textcat == NULL)
        return fail(GLASS_SYSTEM,
                    "%sfpdb.conf: cannot be read; the rule language wants the package "
                    "libexttextcat-data",
                    folder);
    if (n_bytes < LANGUAGE_LEAST) return GLASS_OK; /* too short to tell */
    /* From the middle: titles and notices stand at the beginning. */
    size_t n = n_bytes < LANGUAGE_BYTES ? n_bytes : LANGUAGE_BYTES;
    size_t from = (n_bytes - n) / 2;
    while (from > 0 && ((unsigned char)text[from] & 0xc0) == 0x80) from--;
    const char *answer = textcat_Classify(s->textcat, text + from, n);
    *why =
        (struct clean_finding){.rule = "language", .value = NAN, .least = NAN, .most = NAN};
    *fails = !names_language(answer, languages, why->detail);
    return GLASS_OK;
}
