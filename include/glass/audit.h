/* audit.h - how open a model is, and what one may do with it, by the bytes at hand.
 *
 * What is reported has its evidence: a file, its SHA-256, and the bytes that say so. What a licence
 * does is told in Glass' own words, section by section; the licence's words are only ever those of
 * the file at hand. None of this is legal advice: that a text allows something does not mean that
 * who wrote it had the right to, nor that the law of a place follows it. docs/audit.md tells what is
 * looked at, docs/licences.md how texts are recognised. */
#ifndef GLASS_AUDIT_H
#define GLASS_AUDIT_H

#include "glass/status.h"
GLASS_BEGIN

/* ---- a licence's text ---- */

typedef enum glass_licence_verdict {
    GLASS_LICENCE_SAME_BYTES, /* a known copy, byte for byte */
    GLASS_LICENCE_SAME_WORDS, /* the known text's words; line breaks, markup, case may differ */
    GLASS_LICENCE_FILLED,     /* but for what it leaves open: names, years, an appendix */
    GLASS_LICENCE_CHANGED, /* words of substance differ */
    GLASS_LICENCE_PART     /* less than nine tenths of its words are there */
} glass_licence_verdict;

typedef enum glass_licence_change_kind {
    GLASS_CHANGE_SUBSTANCE,
    GLASS_CHANGE_FILLED, /* where the known text leaves room */
    GLASS_CHANGE_NOTICE  /* a copyright line more */
} glass_licence_change_kind;

/* A place where the text at hand and the known one part. */
typedef struct glass_licence_change {
    glass_licence_change_kind kind;
    int64_t n_known;     /* words of the known text that are not here */
    int64_t n_here;      /* words that stand here instead */
    size_t begin, end;   /* their bytes; of none, where the known ones would stand */
    const char *section; /* of the known text, "" before the first */
} glass_licence_change;

/* What a section does. */
typedef struct glass_licence_row {
    const char
        *topic; /* use, commercial, serve, redistribute, modify, train-other-models, users,
                            revenue, field, name, territory, duty, note */
    const char *answer; /* yes, no, if, silent */
    const char *detail; /* of users, revenue, field, name, territory, duty, note; else "" */
    const char *section; /* "1.b.v"; "-": the text says nothing */
    const char *words;   /* our own */
    bool at_hand;        /* the words that say it stand at [begin, end) of the text */
    bool changed;        /* they should be there, and are not as they are known */
    size_t begin, end;
} glass_licence_row;

typedef struct glass_licence_found {
    const char *key, *name, *version, *id; /* id: SPDX, or LicenseRef-… */
    const char *kind;                      /* "licence", "policy" */
    const char *about;                     /* "model", "software", "data", "document" */
    const char *osi, *fsf, *dfsg;          /* "yes", "no", "unknown" */
    const char *osi_source, *fsf_source, *dfsg_source;
    const char *policy; /* key of the policy that it makes part of itself, "" */
    const char *note;   /* "" */
    bool text_at_hand;  /* false: only its address or tag stands in the file */
    glass_licence_verdict verdict;
    const char *copy;           /* whose copy it is, of SAME_BYTES; "" */
    int64_t n_known, n_matched; /* words of the known text, and those of them here */
    int64_t n_changed;          /* words of substance that differ, here or there */
    size_t begin, end;          /* bytes from the first to the last word */
    const glass_licence_change *changes;
    int64_t n_changes;
    const glass_licence_row *rows;
    int64_t n_rows;
    const char *second; /* the key of the next likely licence, "" */
    int64_t second_changed;
} glass_licence_found;

typedef struct glass_licence_text {
    const char *path;
    const char *text; /* the file's bytes, NUL behind them */
    size_t n_bytes;
    char sha256[65];
    const glass_licence_found *found; /* in the text's order; addresses last */
    int64_t n_found;
    int64_t n_words, n_other; /* all words, and those that are part of no known text */
} glass_licence_text;

/* Looks for licences in a file of at most 4 MiB. n_found 0 is an answer, too. GLASS_BAD_INPUT: too
 * long, or no regular file. */
GLASS_API glass_status glass_licence_read(glass_licence_text **out, const char *path);
/* The same for bytes; path is for the result alone. */
GLASS_API glass_status glass_licence_read_bytes(glass_licence_text **out, const char *path,
                                                const char *text, size_t n_bytes);
GLASS_API void glass_licence_free(glass_licence_text *licence);

/* What is known of a licence by key, SPDX id or tag, without a text: rows are not at hand.
 * GLASS_USAGE: the table does not have it. name NULL: all of them (found, in order of keys). */
GLASS_API glass_status glass_licence_known(glass_licence_text **out, const char *name);

GLASS_END
#endif
