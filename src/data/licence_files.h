/* licence_files.h - the files of a source that say what others are under: debian/copyright,
 * REUSE's dep5 and .license files, COPYING and LICENSE in a folder.
 *
 * They are gathered in a pass before the documents, since they may stand anywhere. */
#ifndef DATA_LICENCE_FILES_H
#define DATA_LICENCE_FILES_H

#include "data/dep5.h"
#include "data/record.h"

enum licence_file_kind {
    LICENCE_FILE_NONE,
    LICENCE_FILE_DEBIAN, /* debian/copyright, .reuse/dep5: by pattern */
    LICENCE_FILE_PACKAGE, /* usr/share/doc/NAME/copyright of a binary package: for all of it */
    LICENCE_FILE_SIDECAR, /* FILE.license */
    LICENCE_FILE_FOLDER   /* COPYING, LICENSE-MIT, …: for its folder and those below */
};

struct licence_file {
    enum licence_file_kind kind;
    char *path,
        *key; /* key: the folder with its '/' ("" is the top), or the sidecar's file */
    struct buf text;
    uint8_t sha256[32];
    struct dep5 dep5;      /* n 0: free form, and the expression is for all */
    struct buf expression; /* of free forms, packages, sidecars, folders */
    bool contradictory;
    size_t offset, n_bytes;
};

struct licence_files {
    struct licence_file *files;
    int64_t n, room;
    size_t n_bytes;
    bool sorted;
};

/* What is found for a document outside its own bytes. */
struct licence_finding {
    struct buf expression;
    bool contradictory;
    const char *kind;                /* of evidence */
    const struct licence_file *file; /* NULL: nothing was found */
    size_t offset, n_bytes;
    struct dep5_field copyright; /* who made it, as debian/copyright says */
    bool inherited;              /* of its folder or package, not about this file by name */
};

/* What kind of file that path would be; package: the source is a binary package. */
enum licence_file_kind licence_file_kind(const char *path, bool package);
/* Takes the text over. */
glass_status licence_files_add(struct licence_files *f, enum licence_file_kind kind,
                               const char *path, struct buf *text);
/* Looks for a sidecar, then debian/copyright, then the nearest folder's. */
glass_status licence_files_find(struct licence_finding *out, struct licence_files *f,
                                const char *path);
void licence_finding_clear(struct licence_finding *f);
void licence_files_clear(struct licence_files *f);

#endif
