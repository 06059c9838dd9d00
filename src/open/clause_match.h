/* clause_match.h - which known licences a text holds, how surely, and what differs. */
#ifndef OPEN_CLAUSE_MATCH_H
#define OPEN_CLAUSE_MATCH_H

#include "open/clause_table.h"
#include "open/licence_text.h"

enum clause_change_kind {
    CLAUSE_CHANGED, /* words of substance: others, more, or fewer */
    CLAUSE_FILLED,  /* where the known text leaves room: a name, a year, an appendix */
    CLAUSE_NOTICE   /* a copyright line more, or a page's number */
};

/* A place where the text at hand and the known one part. */
struct clause_change {
    enum clause_change_kind kind;
    int64_t known, n_known; /* words of the known text that are not here */
    int64_t word, n_words;  /* words of the text at hand in their place */
    size_t begin, end;      /* the latter's bytes; of none: where they would stand */
    const char *section;    /* of the known text; "" */
};

struct clause_match {
    const struct clause_licence *licence;
    const struct clause_copy *copy; /* the same bytes as this known copy; NULL */
    int64_t n_known;   /* words of the known text, without those that are open */
    int64_t n_matched; /* of these, how many stand here in their order */
    int64_t n_changed; /* words in changes of substance, here or there */
    size_t begin, end; /* bytes from its first to its last word */
    struct clause_change *changes; /* in the text's order */
    int n_changes;
    int64_t *place;                      /* (licence->n_words): the word here, or -1 */
    const struct clause_licence *second; /* the next likely one, and its changed words */
    int64_t second_changed;
};

struct clause_matches {
    struct licence_words words;
    struct clause_match *matches; /* in the text's order */
    int n;
    int64_t n_other; /* words that are part of none */
};

/* A text holds a licence if at least half of its words are there in their order. */
glass_status clause_match_text(struct clause_matches *out, const struct clause_table *table,
                               const char *text, size_t n_bytes);
void clause_matches_clear(struct clause_matches *m);

/* The bytes of the text at hand where words [at, at + n) of the known text stand; false if one of
 * them is not there or another word stands between them. */
bool clause_match_bytes(size_t *begin, size_t *end, const struct clause_matches *m,
                        const struct clause_match *match, int64_t at, int64_t n);

#endif
