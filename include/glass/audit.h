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
    GLASS_CHANGE_NOTICE  /* a copyright line more, or a page's number */
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

/* ---- how open ---- */

/* How sure a point is. */
typedef enum glass_audit_grade {
    GLASS_AUDIT_VERIFIED,  /* recomputed or recognised here, from bytes */
    GLASS_AUDIT_DECLARED,  /* somebody says so, at the bytes that are named */
    GLASS_AUDIT_INHERITED, /* follows from what something else is under */
    GLASS_AUDIT_MISSING    /* nothing at hand says so */
} glass_audit_grade;

/* Where it stands. file is relative to what was audited; "" if there is none. */
typedef struct glass_audit_evidence {
    const char *file;
    const char *sha256; /* of the whole file; "" */
    size_t begin, end;  /* equal: the file as a whole */
    const char *quote;  /* its bytes, at most some hundred; "" */
} glass_audit_evidence;

enum { GLASS_MOF_COMPONENTS = 17 };

/* One of the seventeen components of the Model Openness Framework, as far as it is at hand. */
typedef struct glass_audit_component {
    int id; /* the Model Openness Tool's */
    const char *name;
    const char *content; /* "code", "data", "document" */
    int mof_class;       /* which first asks for it */
    bool required;
    glass_audit_grade grade; /* VERIFIED: at hand; DECLARED: something says where it is */
    const char *words;       /* what there is; "" */
    glass_audit_evidence evidence;
    glass_audit_grade
        licence_grade;   /* INHERITED: of something else's, as the tool takes it */
    const char *licence; /* its key, or what is said; "" */
    bool open, fit; /* the licence is open; and meant for such content, as the paper asks */
    glass_audit_evidence licence_evidence;
} glass_audit_component;

/* One point of a measure of openness. */
typedef struct glass_audit_point {
    const char
        *measure;      /* "OSAID 1.0", "MOF", "European Open Source AI Index", "G7", "FSF",
                            "Debian" */
    const char *name;  /* "code", "class, as the tool"; "": the measure's result */
    const char *value; /* "yes", "partly", "no"; "open", "partial", "closed"; a class */
    glass_audit_grade grade; /* of the weakest thing that it rests on */
    const char *words;       /* why; "" */
    glass_audit_evidence evidence;
} glass_audit_point;

/* What was recomputed of a run, a corpus, or a published hash. */
typedef struct glass_audit_check {
    const char *name; /* "ledger", "shards", "checkpoint", "corpus", "replay", "hash" */
    bool good;
    const char *words; /* what was compared, or what differs */
    glass_audit_evidence evidence;
} glass_audit_check;

/* ---- a model, with what lies around it ---- */

typedef struct glass_audit glass_audit;

typedef enum glass_audit_part {
    GLASS_PART_MODEL, /* the weights */
    GLASS_PART_BASE,  /* a model that this one was made from */
    GLASS_PART_ADAPTER,
    GLASS_PART_POLICY, /* what a licence makes part of itself */
    GLASS_PART_DATA,
    GLASS_PART_CODE,
    GLASS_PART_DOCUMENT
} glass_audit_part;

/* That something is under some licence. */
typedef struct glass_audit_claim {
    glass_audit_part part;
    const char *subject; /* which: a folder, a name */
    glass_audit_grade grade;
    const char *key;  /* of the table of licences; "" if it is not there */
    const char *name; /* of the licence, or what was said */
    const char *how;  /* "text", "tag", "address", "notice", "name", "reference" */
    bool changed;     /* its words differ from the known text's */
    glass_audit_evidence evidence;
} glass_audit_claim;

typedef enum glass_audit_finding_kind {
    GLASS_FINDING_CONTRADICTION, /* two things at hand cannot both hold */
    GLASS_FINDING_GAP,           /* something that should be there is not */
    GLASS_FINDING_WARNING        /* something that one should know */
} glass_audit_finding_kind;

typedef struct glass_audit_finding {
    glass_audit_finding_kind kind;
    const char *words;
    glass_audit_evidence one, other;
} glass_audit_finding;

typedef struct glass_audit_report {
    const char *path;
    const glass_audit_claim *claims;
    int64_t n_claims;
    const glass_audit_finding *findings;
    int64_t n_findings;
    const glass_audit_component
        *components; /* (GLASS_MOF_COMPONENTS) in the tool's order of
                                                code, data, documents */
    const glass_audit_point *points;
    int64_t n_points;
    const glass_audit_check *checks;
    int64_t n_checks;
    int64_t n_files, n_links,
        n_outside; /* seen; links; links that lead out, not followed */
    bool cut;      /* there are more files than are looked at */
} glass_audit_report;

typedef struct glass_audit_options {
    const char *const *data; /* folders or files of data that it was trained on */
    int64_t n_data;
    const char *const *adapters;
    int64_t n_adapters;
    const char *const *base; /* models that it was made from */
    int64_t n_base;
    const char *const *against; /* models whose weights its own are compared with */
    int64_t n_against;
    int64_t n_replay; /* steps of a Glass run, drawn at random, that are computed again */
} glass_audit_options;

/* Looks at a model's folder or file, a repository, a licence's text, or "licence:NAME" (what is
 * known of it, nothing at hand). Links that lead out of the folder are not followed; no more than
 * 20,000 files are seen, and of texts no more than 4 MiB. options may be NULL. */
GLASS_API glass_status glass_audit_open(glass_audit **out, const char *path,
                                        const glass_audit_options *options);
GLASS_API const glass_audit_report *glass_audit_get(const glass_audit *audit);
GLASS_API void glass_audit_close(glass_audit *audit);
/* One or more audits, side by side, as a page of HTML for screen and paper that needs nothing
 * else; *html is allocated (glass_free). */
GLASS_API glass_status glass_audit_html(char **html, size_t *n_bytes,
                                        const glass_audit *const *audits, int64_t n);

/* ---- may I? ---- */

typedef enum glass_may_verdict {
    GLASS_MAY_YES,
    GLASS_MAY_IF,      /* on conditions, which the reasons tell */
    GLASS_MAY_UNKNOWN, /* nothing at hand allows it, nothing forbids it */
    GLASS_MAY_NO
} glass_may_verdict;

typedef struct glass_may_reason {
    glass_may_verdict verdict;
    const glass_audit_claim *claim; /* what part, under what */
    const char *topic, *section, *words;
    bool at_hand; /* the evidence quotes the section; else the text is not at hand */
    glass_audit_evidence evidence;
} glass_may_reason;

typedef struct glass_may_answer {
    const char *action;
    glass_may_verdict verdict; /* the strictest reason's */
    const glass_may_reason *reasons;
    int64_t n_reasons;
} glass_may_answer;

/* action: use, commercial, redistribute, modify, relicense, train-other-models, serve:USERS,
 * revenue:AMOUNT (a year, dollars; AMOUNT/month), field:WORD, name:NAME, territory:PLACE. Numbers
 * may end in k, M, B. What the data is under makes a "no" an "if", since whether weights are a work
 * made of their data is open. GLASS_USAGE: no such action, number or field. The answer lives until
 * the audit is closed. */
GLASS_API glass_status glass_audit_may(const glass_may_answer **out, glass_audit *audit,
                                       const char *action);
/* The words that field: knows, parted by blanks. */
GLASS_API const char *glass_may_fields(void);

/* ---- records of the Model Openness Tool ---- */

typedef struct glass_mof_component {
    int id;
    const char *name, *content;
    int mof_class;
    bool required, present;
    const char *licence; /* "": none */
    const char *from;    /* "component", its content type, "distribution"; "" */
    bool open, fit;      /* as the tool decides; as the paper does */
    glass_audit_evidence evidence;
} glass_mof_component;

typedef struct glass_mof_record {
    const char *path, *sha256, *name;
    glass_mof_component components[GLASS_MOF_COMPONENTS];
    int n_components; /* there; n_unknown: named, and none of the seventeen */
    int n_unknown;
    /* 1 to 3, 0: none. As the tool; as the paper; as the tool where what is inherited from the
     * distribution's licence does not count. Progress in percent, [0] of class I. */
    int class_tool, class_paper, class_own;
    double progress_tool[3], progress_paper[3], progress_own[3];
} glass_mof_record;

/* GLASS_BAD_INPUT: it is no record. */
GLASS_API glass_status glass_mof_read(glass_mof_record **out, const char *path);
GLASS_API void glass_mof_free(glass_mof_record *record);

GLASS_END
#endif
