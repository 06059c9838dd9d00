/* corpus.h - a corpus on disk: the table of documents and their texts.
 *
 * Every source is one transaction: texts are appended and flushed, then the table's rows are
 * committed with the new length of the texts. What stands behind that length belongs to nobody,
 * and the next writer cuts it off. */
#ifndef DATA_CORPUS_H
#define DATA_CORPUS_H

#include "base/buf.h"
#include "data/record.h"
#include "glass/data.h"

#include <sqlite3.h>
#include <stdio.h>

struct glass_corpus {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *insert, *find_text, *exclude;
    FILE *texts;      /* while writing */
    int64_t texts_at; /* where the next text goes */
    bool writing, inside;
    bool cleaning;        /* by who may go on with a cleaning that was stopped */
    int64_t seal, source; /* of what is being added */
    struct buf json;
    uint8_t *view; /* of the texts, mapped */
    size_t view_bytes;
    /* Texts are read, not mapped, one at a time, so that memory does not grow with the corpus:
     * the system maps the surroundings of what is looked at, too. */
    bool reading;
    int texts_fd; /* -1: not open */
    struct buf one;
};

/* Says what SQLite said. */
glass_status corpus_failed(struct glass_corpus *c, const char *doing);
glass_status corpus_prepare(struct glass_corpus *c, sqlite3_stmt **out, const char *sql);
/* The one number that a query without parameters gives; absent where it gives none. */
glass_status corpus_number(struct glass_corpus *c, int64_t *out, const char *sql,
                           int64_t absent);

/* Takes the lock and cuts off what a killed writer left. */
glass_status corpus_begin_writing(struct glass_corpus *c);
/* *done: this source was added by a call that did not live to seal it. */
glass_status corpus_begin_source(struct glass_corpus *c, const char *spec,
                                 const char *options, bool *done);
glass_status corpus_put(struct glass_corpus *c, struct record *r, const char *text,
                        bool *added);
/* The same with the record as JSON. */
glass_status corpus_put_json(struct glass_corpus *c, const uint8_t content[32],
                             const char *json, size_t n_json, const char *text,
                             int64_t n_bytes, bool *added);
glass_status corpus_has_text(struct glass_corpus *c, const uint8_t content[32], bool *has);
glass_status corpus_put_excluded(struct glass_corpus *c, const char *path, int64_t part,
                                 const char *reason, const char *licence);
glass_status corpus_end_source(struct glass_corpus *c);
/* The next transaction of the same source. */
glass_status corpus_go_on(struct glass_corpus *c);
void corpus_undo_source(struct glass_corpus *c);
/* Names what is there. */
glass_status corpus_seal(struct glass_corpus *c, char root[65]);

/* The seal of a root given in hexadecimal, or a beginning of it (NULL: the newest). */
glass_status corpus_find_root(struct glass_corpus *c, const char *root, int64_t *seal,
                              uint8_t digest[32], int64_t *n);
/* glass_corpus_each from behind a document on (content NULL: from the first). */
glass_status corpus_each_after(struct glass_corpus *c, const char *root, const char *policy,
                               const uint8_t content[32], const uint8_t hash[32],
                               bool (*visit)(void *context, const glass_document *d),
                               void *context);
/* Maps the texts as they are now, or opens them if c->reading. */
glass_status corpus_view(struct glass_corpus *c);

/* Copies a statement's column of 32 bytes; false if it has another length. */
/* Of rows of `excluded`: those of a source's last add. */
#define NEWEST_ADDS "from_source IN (SELECT max(id) FROM sources GROUP BY spec)"

bool corpus_hash(uint8_t out[32], sqlite3_stmt *s, int column);

#endif
