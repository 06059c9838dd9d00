/* gather.h - from a source to documents with records. Between the files gather*.c. */
#ifndef DATA_GATHER_H
#define DATA_GATHER_H

#include "data/corpus.h"
#include "data/licence.h"
#include "data/licence_files.h"
#include "data/unpack.h"

struct gather {
    struct glass_corpus
        *corpus; /* NULL: nothing is kept, only the content hash is wanted */
    const glass_data_options *options;
    struct licence_policy policy;
    struct licence_files licences;
    glass_data_report *report;
    glass_data_progress progress;
    struct buf source;  /* "file:NAME" */
    struct buf prefix;  /* of every path, left out of records: "NAME.tar.gz!" */
    bool has_retrieved; /* else every file's own hash is what was retrieved */
    uint8_t retrieved[32];
    bool single;         /* one file that is no archive */
    bool package;        /* a binary package of Debian */
    bool strip_first;    /* the first folder of a source package's tarball */
    bool without_debian; /* debian/ of it is replaced by another archive's */
    bool collecting;     /* the pass over licence files */
    int64_t max_document;
    struct buf raw, text, title, line, path, value; /* scratch */
    uint8_t last_content[32];                       /* of the last document */
};

/* What a document is before its licence is looked for. text and raw are borrowed. */
struct draft {
    const char *path;
    int64_t part; /* -1: the whole file */
    const char *raw, *text;
    size_t n_raw, n_text;
    const char *kind, *title, *url, *author, *made_by; /* NULL: not stated */
    const char *encoding; /* that the text was decoded from; NULL: UTF-8 */
    bool prose;           /* it is one of many in its file: it has no notice of its own */
    const char *stated;   /* a licence, as written; NULL if it states none */
    size_t n_stated, stated_at; /* stated_at: in raw */
};

/* One file of the source. */
glass_status gather_visit(void *context, struct item *item);
void gather_skip(void *context, const char *path, const char *reason);
glass_status gather_draft(struct gather *g, const struct draft *d);
/* The texts of a stream of JSON lines or of <doc …> elements; `first` was read already. */
glass_status gather_lines(struct gather *g, struct item *item, const char *path,
                          const void *first, size_t n_first);
glass_status gather_docs(struct gather *g, struct item *item, const char *path,
                         const void *first, size_t n_first);

/* One pass over the source, as `walk` says. */
struct source {
    const char *spec;
    glass_status (*each)(struct gather *g, struct walk *w, const struct source *s);
    struct buf folder;    /* where packages were fetched to */
    struct buf name;      /* of a path, as records write it */
    struct buf commit;    /* of a git checkout */
    struct buf files[16]; /* of a package */
    int n_files;
};

bool gather_is_git(const char *path);
glass_status gather_git_open(struct gather *g, struct source *s);
glass_status gather_deb_open(struct gather *g, struct source *s);

#endif
