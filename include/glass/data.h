/* data.h - corpora: texts with their records, named by the hash of what they are.
 *
 * A corpus is a folder: corpus.sqlite, a table of documents that anyone can query, and texts, the
 * documents' text one after another. Every document has a record (one JSON object): where it came
 * from, the hashes of what was fetched and of its text, its licence, and the bytes of a file that
 * say so. A finished call of glass_corpus_add seals the corpus under a root, the SHA-256 of a
 * Merkle tree over all documents; documents are never changed or removed, so that every root stays
 * what it was. docs/data.md tells the formats.
 *
 * A corpus is not for several threads at once. */
#ifndef GLASS_DATA_H
#define GLASS_DATA_H

#include "glass/status.h"
#include "glass/tokenizer.h"
GLASS_BEGIN

typedef struct glass_corpus glass_corpus;

typedef struct glass_data_progress {
    const char *source;  /* being read */
    int64_t n_documents; /* taken so far in this call */
    int64_t n_bytes;     /* of their text */
} glass_data_progress;

/* Zero means the default. */
typedef struct glass_data_options {
    /* Which licences come in: "known" (the default: every licence that the table knows), "dfsg",
     * "osi", "permissive", "public-domain", "no-share-alike", "commercial", "any" (also where
     * nothing is said), or a YAML file with rules. */
    const char *policy;
    const char *name;    /* of the one source, instead of its file's name */
    const char *licence; /* of files that say nothing themselves, as the caller declares */
    const char *author;  /* the same */
    const char *made_by; /* "person" or "model:NAME", as the caller declares */
    bool
        repair; /* files that are no UTF-8 are read as UTF-16 or Windows-1252, and say so */
    const char *text_field; /* of JSON lines ("text", else "content", "document") */
    int64_t max_document;   /* bytes of one document (16 MiB); longer ones are skipped */
    int64_t max_ratio; /* bytes that may come out of an archive for each of its own (250) */
    int64_t max_files; /* of a source (10 million) */
    int32_t max_depth; /* archives inside archives (4) */
    /* Called now and then. Returning false ends with GLASS_CANCELLED; what was added from sources
     * that are done stays, and the same call again goes on. */
    bool (*progress)(void *context, const glass_data_progress *progress);
    /* A file that was left out: no text, too long, a bad archive, or its licence. May be NULL. */
    void (*left_out)(void *context, const char *path, const char *reason);
    void *context;
} glass_data_options;

typedef struct glass_data_report {
    int64_t n_documents, n_bytes; /* of the whole corpus */
    int64_t n_added;              /* new ones */
    int64_t n_again;              /* found in the corpus already, record and all */
    int64_t n_excluded;           /* by the policy */
    int64_t n_skipped; /* files that are no text, too long, or could not be read */
    char root[65];     /* hexadecimal */
} glass_data_report;

/* Opens a corpus; with create, makes it where there is none. Only one process may add.
 * GLASS_BAD_INPUT: it is no corpus; GLASS_SYSTEM: it cannot be read or made. */
GLASS_API glass_status glass_corpus_open(glass_corpus **out, const char *path, bool create);
GLASS_API void glass_corpus_close(glass_corpus *c);

/* Adds sources: files, folders, archives, git checkouts (what HEAD has), "deb:NAME[=VERSION]" and
 * "debsrc:NAME[=VERSION]" (fetched by apt). Killed at any moment, the same call again ends with
 * the same root. Source by source: what is added of one that fails is taken back.
 * GLASS_BAD_INPUT: a source is a broken archive, or a trap. */
GLASS_API glass_status glass_corpus_add(glass_corpus *c, glass_data_report *report,
                                        const char *const *sources, int64_t n_sources,
                                        const glass_data_options *options);

/* A document of a corpus; all borrowed until the callback returns. */
typedef struct glass_document {
    const uint8_t *content;              /* (32) SHA-256 of its text */
    const uint8_t *record_hash;          /* (32) */
    const char *record;                  /* the JSON */
    const char *source, *path, *licence; /* licence: "unknown" where nothing is said */
    const char *text;                    /* (n_bytes) */
    int64_t n_bytes;
} glass_document;

/* Calls visit for the documents of a root (NULL: the newest), in the order of their hashes; those
 * that a policy allows (NULL: all). Returning false ends with GLASS_CANCELLED. */
GLASS_API glass_status glass_corpus_each(
    glass_corpus *c, const char *root, const char *policy,
    bool (*visit)(void *context, const glass_document *document), void *context);
/* Counts by licence, source, kind and maker, the roots, and what was left out for which reason:
 * one JSON object (glass_free). */
GLASS_API glass_status glass_corpus_summary(char **json, glass_corpus *c);

/* The SHA-256 of the text that a file would be added as: its bytes, an HTML file's text. */
GLASS_API glass_status glass_data_content(uint8_t content[32], const char *path);

/* Proves that documents with this text are in the corpus as the root (NULL: the newest) names
 * it, or that none is: JSON (glass_free), which glass_proof_check verifies without the corpus.
 * *present says which. */
GLASS_API glass_status glass_corpus_prove(char **json, bool *present, glass_corpus *c,
                                          const char *root, const uint8_t content[32]);

typedef struct glass_proof {
    bool present;
    char root[65], content[65];
    int64_t n_documents; /* of the corpus */
    char *record;        /* of a document that is present; glass_free */
} glass_proof;

/* GLASS_BAD_INPUT: it is no proof; GLASS_NEGATIVE: it does not hold, and why. */
GLASS_API glass_status glass_proof_check(glass_proof *out, const char *json,
                                         size_t n_bytes);

typedef struct glass_pack_source {
    const char *corpus; /* its folder */
    const char *root;   /* NULL: the newest */
    double weight;      /* of a pack: how often an epoch has its windows; 0 = 1 */
} glass_pack_source;

/* ---- cleaning ---- */

typedef struct glass_clean_progress {
    int64_t n_documents, n_bytes; /* read so far */
} glass_clean_progress;

/* Zero means the default. */
typedef struct glass_clean_options {
    /* "encoding,exact" (the default), or any of encoding, boilerplate, mask, c4, gopher,
     * repetition, fineweb, language=LANG+LANG, exact, near; docs/data.md has their bounds. */
    const char *rules;
    const char *const
        *against; /* evaluation sets, as files: whose 13-grams must not occur */
    int64_t n_against;
    const char *policy;   /* which documents; NULL: all of the corpora */
    int64_t memory_bytes; /* (256 MB); one document always fits */
    int n_threads;        /* all cores; no bit depends on it */
    bool (*progress)(void *context, const glass_clean_progress *progress);
    void *context;
} glass_clean_options;

typedef struct glass_clean_report {
    char root[65];
    int64_t n_seen, n_bytes_before;
    int64_t n_kept, n_bytes, n_changed, n_removed;
} glass_clean_report;

/* Makes a new corpus of what rules leave of others. What was changed has a record that says from
 * which record, and by which rules; the table `decisions` has every change and removal with the
 * rule, what it measured and its bounds. The same corpora and rules give the same root.
 * GLASS_USAGE: the folder holds a corpus already, or there is no such rule. */
GLASS_API glass_status glass_data_clean(glass_clean_report *report, const char *folder,
                                        const glass_pack_source *sources, int64_t n_sources,
                                        const glass_clean_options *options);
/* What was decided of a document, by the hash of its text or record before or after: JSON
 * (glass_free). path: the file that it came from, or NULL; of files that glass_corpus_add left out
 * nothing else is known. A hash of zeros: by its path in a source. */
GLASS_API glass_status glass_corpus_why(char **json, bool *kept, glass_corpus *c,
                                        const uint8_t hash[32], const char *path);
/* The hash of the text in a corpus of which these are the first digits, 8 or more.
 * GLASS_USAGE: none, or several. */
GLASS_API glass_status glass_corpus_find(uint8_t hash[32], glass_corpus *c,
                                         const char *digits);

/* ---- datasheets ---- */

/* Zero means the default; what is NULL is called "not declared". */
typedef struct glass_card_options {
    bool html; /* else Markdown */
    const char
        *name; /* of the pictures that Markdown refers to: NAME-sources.svg ("card") */
    const char *title, *purpose, *contact, *limits;
    const char *root; /* whose documents languages are counted of; NULL: the newest */
} glass_card_options;

typedef struct glass_card {
    char *text; /* HTML with its pictures inside, or Markdown */
    size_t n_bytes;
    char *json; /* what it was made of */
    struct glass_card_chart {
        const char *name; /* "sources", "licences", "languages" */
        char *svg;
    } charts[4];
    int n_charts;
} glass_card;

/* A datasheet: sources, kinds, languages (libexttextcat, of the first 20,000 documents by hash), makers,
 * licences and what they allow, evidence, what was left out and why. */
GLASS_API glass_status glass_corpus_card(glass_card *out, glass_corpus *c,
                                         const glass_card_options *options);
GLASS_API void glass_card_clear(glass_card *card);

/* ---- packing for training ---- */

typedef struct glass_pack_progress {
    int64_t n_documents, n_bytes, n_tokens; /* so far */
} glass_pack_progress;

/* Zero means the default. */
typedef struct glass_pack_options {
    const char *policy; /* which documents; NULL: all of the corpora */
    double
        held_out; /* share of documents, chosen by their hashes, in held-out.safetensors */
    int64_t shard_tokens; /* after which a shard ends, with the document (64 Mi) */
    int64_t
        memory_bytes; /* for documents being encoded (256 MB); one document always fits */
    int n_threads;    /* all cores; no bit depends on it */
    bool (*progress)(void *context, const glass_pack_progress *progress);
    void *context;
} glass_pack_options;

typedef struct glass_pack_report {
    char root[65]; /* of the pack */
    int64_t n_shards,
        n_kept; /* kept: found whole, from a call that did not live to its end */
    int64_t n_documents, n_bytes, n_tokens, n_held_out;
    int64_t n_again; /* documents whose text was packed with another record already */
} glass_pack_report;

/* Encodes corpora into shards for training, in a folder; pack.json names them by one root. Each
 * shard has NAME.documents.jsonl beside it, a line for each document with its record's hash and
 * its rows. Killed at any moment, the same call goes on behind the last whole shard. The same
 * corpora, tokenizer and options give the same bytes.
 * GLASS_USAGE: the folder holds a pack of something else. */
GLASS_API glass_status glass_data_pack(glass_pack_report *report, const char *folder,
                                       const glass_pack_source *sources, int64_t n_sources,
                                       const glass_tokenizer *tokenizer,
                                       const glass_pack_options *options);

GLASS_END
#endif
