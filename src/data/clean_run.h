/* clean_run.h - one cleaning as it runs, and where it goes on. Between clean.c and clean_resume.c. */
#ifndef DATA_CLEAN_RUN_H
#define DATA_CLEAN_RUN_H

#include "data/clean.h"
#include "data/corpus.h"

/* A document of the batch. */
struct waiting {
    const char *text;                     /* in texts, or own.data */
    size_t at, n_bytes, record, n_record; /* at: in texts; record: in records */
    uint8_t content[32], hash[32];        /* before */
    struct clean_result result;
    struct buf own;
    glass_status status;
};

/* What stands before a record and its text in the file of those that wait. */
struct clean_head {
    uint64_t n_text, n_record;
    uint8_t content[32], hash[32]; /* before */
};

/* The same document in the file of bands. */
struct clean_mark {
    uint8_t hash[32];
    uint64_t has_bands, bands[NEAR_BANDS];
};

/* How far it came: what a checkpoint keeps. */
struct clean_place {
    int64_t corpus;                /* of those being cleaned */
    bool any;                      /* documents of it up to these hashes are done */
    uint8_t content[32], hash[32]; /* before */
    uint64_t n_waiting, spool_bytes;
    bool waited;                 /* all wait; now the near ones among them go */
    uint64_t n_judged, spool_at; /* of those that waited */
};

struct cleaning {
    glass_clean_options o;
    glass_clean_report *report;
    struct clean_rules rules;
    struct clean_evaluations *evaluations;
    struct glass_corpus *out;
    sqlite3_stmt *decide;
    uint8_t (*roots)[32]; /* of the corpora */
    struct buf spec, options;
    struct clean_scratch *scratch; /* (n_threads) */
    struct waiting *items;         /* (most_items) */
    int64_t n_items, most_items, batch_bytes;
    struct buf texts, records, record, text; /* texts, records: of the batch */
    glass_status status;
    struct clean_place at;
    int64_t since; /* bytes of text since the last checkpoint */
    FILE *spool, *marks;
    struct sorter *bands, *pairs;
};

/* Reads the place where a call with the same corpora and rules was stopped, and opens the files
 * of those that wait; *goes_on is false, and the files empty, where there is none. GLASS_USAGE
 * for a cleaning by other rules. */
glass_status clean_resume(struct cleaning *c, bool *goes_on);
/* Commits what was done, with its place. */
glass_status clean_checkpoint(struct cleaning *c);
/* Commits the last of it, without a place. */
glass_status clean_finish(struct cleaning *c);
/* The files of those that waited. */
void clean_remove_files(struct cleaning *c);

#endif
