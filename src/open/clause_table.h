/* clause_table.h - what licences of models, programs and data say, as data: one file for each
 * version in src/open/licences, all of them in the program.
 *
 * A file says, in Glass' own words, what each section does, and holds fingerprints of the text: its
 * SHA-256 and those of known copies, and the shingles of its words (licence_text.h). The text
 * itself is not there. src/open/licences/README.md tells the format. */
#ifndef OPEN_CLAUSE_TABLE_H
#define OPEN_CLAUSE_TABLE_H

#include "base/fail.h"

/* What a section does about one topic. */
struct clause_row {
    const char *topic;   /* "commercial", "users", "duty", … */
    const char *answer;  /* "yes", "no", "if", "silent" */
    const char *detail;  /* of field, name, duty, users, revenue, territory; else "" */
    const char *section; /* "1.b.v" */
    const char *words;   /* our own */
    int64_t at, n;       /* words of the known text that say it; n 0: none are named */
};

struct clause_span {
    int64_t at, n;
    const char *name; /* of sections */
};

struct clause_copy {
    uint8_t sha256[32];
    const char *source;
};

struct clause_licence {
    const char *key, *name, *version, *id;
    const char *kind;   /* "licence", "policy" */
    const char *about;  /* "model", "software", "data", "document" */
    const char *tags;   /* what cards and metadata call it, parted by blanks */
    const char *links;  /* pieces of addresses that name it, parted by blanks */
    const char *models; /* how names of models begin that were published under it */
    const char *policy; /* the key of a policy that it makes part of itself, or "" */
    const char *osi, *fsf, *dfsg;                      /* "yes", "no", "unknown" */
    const char *osi_source, *fsf_source, *dfsg_source; /* who says so */
    const char *note;
    struct clause_row *rows;
    struct clause_copy *copies;
    struct clause_span *sections,
        *open; /* open: words that may be any others, or missing */
    int n_rows, n_copies, n_sections, n_open;
    int64_t n_words;    /* of the known text; 0: it was never at hand */
    int64_t n_shingles; /* n_words - 2, or 0 */
    uint16_t *shingles;
};

struct clause_table {
    struct clause_licence *licences; /* by key */
    int n;
    char *text;
};

glass_status clause_table_open(struct clause_table *out);
/* Another table, for tests and for making files: text is copied. name is for messages. */
glass_status clause_table_parse(struct clause_table *out, const char *text, size_t n_bytes,
                                const char *name);
void clause_table_close(struct clause_table *t);
/* By key, SPDX id, LicenseRef or tag, whatever the letters' case; NULL: it is not there. */
const struct clause_licence *clause_table_find(const struct clause_table *t,
                                               const char *name);
/* The one under which a model of that name ("meta-llama/Llama-2-7b-hf") was published, as far as
 * the longest known start of its name tells; NULL. */
const struct clause_licence *clause_table_model(const struct clause_table *t,
                                                const char *name);
/* The one whose address stands in a text, at *at; NULL: none does. The longest address decides. */
const struct clause_licence *clause_table_link(const struct clause_table *t,
                                               const char *text, size_t n_bytes,
                                               size_t *at);

#endif
