/* audit_parts.h - between the files of the audit. */
#ifndef OPEN_AUDIT_PARTS_H
#define OPEN_AUDIT_PARTS_H

#include "glass/audit.h"
#include "open/audit_card.h"
#include "open/audit_pool.h"
#include "open/audit_tree.h"
#include "open/clause_table.h"
#include "open/limit_words.h"
#include "open/mof.h"

/* A claim with what it rests on. */
struct audit_claim {
    glass_audit_claim c;
    const struct clause_licence *licence; /* NULL: not in the table */
    const glass_licence_text *text;       /* the file's, owned by the audit; NULL */
    const glass_licence_found *found;     /* of text */
    bool aside;                           /* a mention, not what decides */
};

/* How far words that no licence of the table holds leave an answer open. */
enum audit_doubt {
    DOUBT_READ,     /* a condition: read them */
    DOUBT_COMMERCE, /* nothing is certain of commerce, and of what is passed on */
    DOUBT_ALL       /* nothing is certain */
};

struct audit_limit {
    glass_audit_claim c; /* where they stand */
    enum audit_doubt doubt;
    const char *words; /* ours, about them */
};

/* What a file is, by its name and place. */
enum audit_role {
    ROLE_OTHER,
    ROLE_LICENCE,
    ROLE_POLICY,
    ROLE_CARD, /* README, MODEL_CARD */
    ROLE_WEIGHTS,
    ROLE_GGUF,
    ROLE_CONFIG,  /* config.json */
    ROLE_ADAPTER, /* adapter_config.json */
    ROLE_TOKENIZER,
    ROLE_CITATION,
    ROLE_CODE,
    ROLE_DATA
};

/* Things besides the seventeen that somebody may ask for. */
enum audit_sign {
    SIGN_HARDWARE = MOF_COMPONENTS, /* what it was trained on, or how it is built */
    SIGN_PREPRINT,
    SIGN_REVIEWED, /* a paper that others reviewed */
    SIGN_PACKAGE,
    SIGN_API,
    SIGN_DATA,    /* a card's section on data */
    SIGN_SCRATCH, /* "trained from scratch" */
    N_SIGNS
};

/* Something that was looked for, as far as it was found. */
struct audit_thing {
    glass_audit_grade grade;
    const char *words;
    glass_audit_evidence evidence;
    int depth; /* of the file that says it, in folders */
    bool ours; /* this program, whose licence is known */
};

struct glass_audit {
    struct clause_table table;
    struct audit_pool pool;
    struct audit_tree tree;
    struct audit_claim *claims;
    int64_t n_claims, claims_room;
    struct audit_limit *limits;
    int64_t n_limits, limits_room;
    glass_audit_finding *findings;
    int64_t n_findings, findings_room;
    struct audit_thing things[N_SIGNS];
    glass_audit_component components[MOF_COMPONENTS];
    glass_audit_point *points;
    int64_t n_points, points_room;
    glass_audit_check *checks;
    int64_t n_checks, checks_room;
    bool run; /* it is a Glass run, and its ledger is good */
    glass_licence_text **texts;
    int64_t n_texts, texts_room;
    glass_audit_claim *public_claims;
    glass_audit_report report;
};

enum audit_role audit_role(const char *path);
/* Whether the folder of a file (path up to n bytes) holds a model: weights, a configuration, or a
 * card with front matter. */
bool audit_is_model_folder(const struct audit_tree *t, const char *path, size_t n);

/* Appends; *out may be NULL. */
glass_status audit_claim_add(struct glass_audit *a, const struct audit_claim *claim);
glass_status audit_finding_add(struct glass_audit *a, glass_audit_finding_kind kind,
                               const glass_audit_evidence *one,
                               const glass_audit_evidence *other, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Bytes [begin, end) of a file's text as evidence; sha256 may be "". */
glass_status audit_evidence(struct glass_audit *a, glass_audit_evidence *out,
                            const char *file, const char *sha256, const char *text,
                            size_t n_bytes, size_t begin, size_t end);

/* Looks at a tree's licences, cards, GGUF files and adapters, and adds what they claim. part: what
 * the tree is of, GLASS_PART_MODEL for the one that is audited. prefix is put before its files'
 * names. */
glass_status audit_collect(struct glass_audit *a, const struct audit_tree *t,
                           glass_audit_part part, const char *prefix);
/* Policies that licences make part of themselves and that are not at hand. */
glass_status audit_add_policies(struct glass_audit *a);
/* A thing was found; the best grade stays, then the one in the uppermost folder. file: as shown; the
 * bytes are of text, which may be NULL. */
glass_status audit_offer(struct glass_audit *a, int thing, glass_audit_grade grade,
                         const char *words, const glass_audit_evidence *evidence);
int audit_depth(const char *path); /* in folders */
glass_status audit_check_add(struct glass_audit *a, const char *name, bool good,
                             const glass_audit_evidence *evidence, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* What the seventeen components and the other things are in a tree, by names and bytes. */
glass_status audit_find(struct glass_audit *a, const struct audit_tree *t,
                        glass_audit_part part, const char *prefix);
/* What a card's words say of them. shown, sha256: of the file. */
glass_status audit_find_cues(struct glass_audit *a, const char *shown, const char *sha256,
                             const char *text, size_t n_bytes);
/* Published hashes against the files that they are of. */
glass_status audit_find_hashes(struct glass_audit *a, const struct audit_tree *t,
                               const char *prefix);
/* A Glass run's ledger, shards and checkpoints, and n_replay of its steps; a corpus' root. */
glass_status audit_runs(struct glass_audit *a, const struct audit_tree *t,
                        glass_audit_part part, const char *prefix, int64_t n_replay);
/* Weights and vocabulary against models that it is, or is not, said to be made from. */
glass_status audit_kin(struct glass_audit *a, const glass_audit_options *o);
/* Tokenizers against the configurations that they lie beside. */
glass_status audit_check_tokenizers(struct glass_audit *a);
/* Whether a file belongs to a run or a corpus of the tree. */
bool audit_in_run(const struct audit_tree *t, const char *path);
/* Components with their licences, and the measures. */
glass_status audit_judge(struct glass_audit *a);

/* Claims that cannot all hold. */
glass_status audit_compare_claims(struct glass_audit *a);

#endif
