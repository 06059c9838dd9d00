/* audit_parts.h - between the files of the audit. */
#ifndef OPEN_AUDIT_PARTS_H
#define OPEN_AUDIT_PARTS_H

#include "glass/audit.h"
#include "open/audit_card.h"
#include "open/audit_pool.h"
#include "open/audit_tree.h"
#include "open/clause_table.h"

/* A claim with what it rests on. */
struct audit_claim {
    glass_audit_claim c;
    const struct clause_licence *licence; /* NULL: not in the table */
    const glass_licence_text *text;       /* the file's, owned by the audit; NULL */
    const glass_licence_found *found;     /* of text */
    bool aside;                           /* a mention, not what decides */
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

struct glass_audit {
    struct clause_table table;
    struct audit_pool pool;
    struct audit_tree tree;
    struct audit_claim *claims;
    int64_t n_claims, claims_room;
    glass_audit_finding *findings;
    int64_t n_findings, findings_room;
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
/* Claims that cannot all hold. */
glass_status audit_compare_claims(struct glass_audit *a);

#endif
