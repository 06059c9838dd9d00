/* emit_parts.h - between the files that write an audit in standard forms: one set of facts for all. */
#ifndef OPEN_EMIT_PARTS_H
#define OPEN_EMIT_PARTS_H

#include "glass/emit.h"
#include "open/audit_parts.h"

#include <jansson.h>

enum emit_kind { EMIT_MODEL, EMIT_RUN, EMIT_CORPUS };

struct emit_file {
    const struct audit_file *f;
    enum audit_role role;
    char sha256[65];
};

/* Something that is known, and how surely. */
struct emit_fact {
    const char *key, *value;
    glass_audit_grade grade;
    glass_audit_evidence evidence;
};

struct emit_licence {
    glass_audit_part part;
    const char *id; /* an SPDX expression, or one LicenseRef */
    const char *name, *key, *how;
    bool listed; /* one id of SPDX' list */
    bool changed;
    glass_audit_grade grade;
    glass_audit_evidence evidence;
};

struct emit {
    struct glass_audit *a;
    glass_emit_options o;
    struct audit_pool pool;
    enum emit_kind kind;
    const char *name;
    char date[32]; /* "YYYY-MM-DDTHH:MM:SSZ"; "" */
    struct emit_file *files;
    int64_t n_files;
    char digest[65], uuid[37]; /* of the files' names and hashes */
    struct emit_fact *facts;
    int64_t n_facts, facts_room;
    struct emit_licence *licences;
    int64_t n_licences, licences_room;
    /* of a run */
    json_t *run, *state, *first,
        *metrics; /* run.json, the last state.json, the ledger's first line,
                                              the last line of metrics.jsonl; NULL */
    const struct emit_file *weights; /* of its last checkpoint; of a model, its one file */
    int64_t ledger_lines;
    char chain[65]; /* of the ledger's last line */
    /* of a corpus */
    json_t *summary;
    bool failed; /* a piece of JSON could not be made */
};

/* emit_facts.c */
glass_status emit_collect(struct emit *e);
glass_status emit_fact_add(struct emit *e, glass_audit_grade grade,
                           const glass_audit_evidence *evidence, const char *value,
                           const char *key, ...) __attribute__((format(printf, 5, 6)));
/* The first of that key from *at on; *at then is behind it. */
const struct emit_fact *emit_fact_next(const struct emit *e, const char *key, int64_t *at);
const char *emit_fact(const struct emit *e, const char *key); /* NULL: not known */
const struct emit_file *emit_file(const struct emit *e, const char *path);
/* What an id in SPDX' sense is made of a name that the table may not have. */
glass_status emit_licence_id(struct emit *e, const char **id, bool *listed,
                             const char *name);
const char *emit_grade(glass_audit_grade grade);
bool emit_checks_good(const struct emit *e);

/* Text as JSON: what is no UTF-8 becomes U+FFFD. */
json_t *emit_text(const char *text);
void emit_put(struct emit *e, json_t *object, const char *key, json_t *value);
void emit_put_text(struct emit *e, json_t *object, const char *key, const char *value);
void emit_push(struct emit *e, json_t *array, json_t *value);
/* {"file":…,"sha256":…,"begin":…,"end":…} */
json_t *emit_evidence(struct emit *e, const glass_audit_evidence *evidence);
json_t *emit_sha256(struct emit *e, const char *hex); /* {"sha256":…} */
/* Appends JSON. */
glass_status emit_dump(struct buf *out, const json_t *value, size_t flags);
/* Text in Markdown: one line, nothing of it markup or a table's end. */
glass_status emit_markdown(struct buf *out, const char *text);

/* One form each. */
glass_status emit_spdx(struct emit *e, json_t **out);
glass_status emit_cyclonedx(struct emit *e, json_t **out);
glass_status emit_croissant(struct emit *e, json_t **out);
glass_status emit_slsa(struct emit *e, json_t **out);
glass_status emit_mof(struct emit *e, struct buf *out);
glass_status emit_card(struct emit *e, struct buf *out);
glass_status emit_datasheet(struct emit *e, struct buf *out);

#endif
