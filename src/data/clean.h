/* clean.h - rules that change texts, or leave them out. Between the files clean*.c.
 *
 * A rule never looks at other documents, except the last three: those against evaluation sets,
 * the exact and the near duplicates. Rules run in the order of the table in clean_rules.c; the
 * first that a document fails decides. */
#ifndef DATA_CLEAN_H
#define DATA_CLEAN_H

#include "base/buf.h"

#include <stdio.h>

enum clean_rule {
    CLEAN_ENCODING = 1,
    CLEAN_BOILERPLATE = 2,
    CLEAN_C4 = 4,
    CLEAN_GOPHER = 8,
    CLEAN_REPETITION = 16,
    CLEAN_FINEWEB = 32,
    CLEAN_LANGUAGE = 64,
    CLEAN_MASK = 128,
    CLEAN_EXACT = 256,
    CLEAN_NEAR = 512
};

struct clean_rules {
    unsigned set;        /* of enum clean_rule */
    char languages[128]; /* "+en+fr+" */
};

/* "encoding,gopher,language=en+fr,…"; GLASS_USAGE names what is no rule. */
glass_status clean_parse(struct clean_rules *out, const char *text);

/* What a rule measured. */
struct clean_finding {
    const char *rule;          /* "gopher.words" */
    double value, least, most; /* NAN: no bound */
    char detail[96];
};
enum { CLEAN_STEPS = 16, NEAR_BANDS = 14, NEAR_ROWS = 8, NEAR_WORDS = 5 };

struct clean_result {
    bool removed, changed;
    struct clean_finding why;                /* of what was removed */
    struct clean_finding steps[CLEAN_STEPS]; /* what was changed: value is how often */
    int n_steps;
    bool has_bands;
    uint64_t bands[NEAR_BANDS];
};

/* Words between white space; offsets, so that a text may move. */
struct clean_word {
    uint32_t at, n;
    uint64_t hash;
};

struct clean_cell {
    uint64_t hash;
    uint32_t count, round;
};

/* One thread's working memory. */
struct clean_scratch {
    struct buf a, b; /* the text before and after a step */
    struct clean_word *words, *lines;
    size_t n_words, cap_words, n_lines, cap_lines;
    struct clean_cell *table;
    size_t cap_table;
    uint32_t round;   /* of the table: cells of other rounds are empty */
    uint64_t *spans;  /* (n_spans) hashes of n-grams */
    uint32_t *places; /* (n_spans) the words that they begin with */
    size_t n_spans, cap_spans;
    uint64_t *grams; /* of normalised words */
    size_t n_grams, cap_grams;
    void *textcat;
};
void clean_scratch_clear(struct clean_scratch *s);

struct clean_evaluations; /* 13-grams of texts that must not be learnt */

/* Runs every rule but the duplicates'. The text is in s->a afterwards if result->changed. */
glass_status clean_document(struct clean_result *out, struct clean_scratch *s,
                            const struct clean_rules *rules,
                            const struct clean_evaluations *evaluations, const char *text,
                            size_t n_bytes);

/* ---- clean_text.c: from text to *out; *n counts what was changed ---- */

/* Bytes that are no UTF-8, as UTF-8: UTF-16 with its mark, else Windows-1252 (which is Latin-1
 * where no byte is from 80 to 9f). *encoding is NULL, and nothing put, where they are neither. */
glass_status clean_decode(struct buf *out, const char **encoding, const char *bytes,
                          size_t n_bytes);
glass_status clean_encoding(struct buf *out, const char *text, size_t n_bytes, size_t *n);
glass_status clean_boilerplate(struct buf *out, const char *text, size_t n_bytes,
                               size_t *n);
struct clean_masked {
    size_t emails, addresses, keys;
};
glass_status clean_mask(struct buf *out, const char *text, size_t n_bytes,
                        struct clean_masked *n);
/* C4's lines; false: the whole text is left out, and why. */
glass_status clean_c4(struct buf *out, const char *text, size_t n_bytes, size_t *n_lines,
                      bool *fine, struct clean_finding *why);

/* ---- clean_quality.c: true, and why, if the text fails ---- */

glass_status clean_split(struct clean_scratch *s, const char *text, size_t n_bytes);
bool clean_gopher(const struct clean_scratch *s, const char *text, size_t n_bytes,
                  struct clean_finding *why);
glass_status clean_repetition(struct clean_scratch *s, const char *text, size_t n_bytes,
                              bool *fails, struct clean_finding *why);
glass_status clean_fineweb(struct clean_scratch *s, const char *text, size_t n_bytes,
                           bool *fails, struct clean_finding *why);
glass_status clean_language(struct clean_scratch *s, const char *languages,
                            const char *text, size_t n_bytes, bool *fails,
                            struct clean_finding *why);

/* ---- clean_grams.c ---- */

/* Hashes of words of letters and digits, in lower case: s->grams. */
glass_status clean_normal(struct clean_scratch *s, const char *text, size_t n_bytes);
/* MinHash of s->grams; false if there is no word. */
bool clean_bands(const struct clean_scratch *s, uint64_t bands[NEAR_BANDS]);

/* Texts of the files: JSON lines give each string of theirs, other files (with gz, xz, zip, tar …
 * read through) each line. */
glass_status clean_evaluations_open(struct clean_evaluations **out,
                                    const char *const *paths, int64_t n);
void clean_evaluations_close(struct clean_evaluations *e);
bool clean_contaminated(const struct clean_evaluations *e, const struct clean_scratch *s,
                        struct clean_finding *why);
/* A digest of all of it. */
void clean_evaluations_digest(const struct clean_evaluations *e, uint8_t digest[32]);

/* ---- near.c: numbers sorted on disk, in bounded memory ---- */

struct sorter;
struct sorted {
    uint64_t key, value;
};
glass_status sorter_create(struct sorter **out, const char *folder, size_t memory_bytes);
glass_status sorter_add(struct sorter *s, uint64_t key, uint64_t value);
/* No more is added; sorter_next then gives all by key, equal ones by value. */
glass_status sorter_finish(struct sorter *s);
/* *more is false behind the last. */
glass_status sorter_next(struct sorter *s, struct sorted *out, bool *more);
void sorter_free(struct sorter *s);

#endif
