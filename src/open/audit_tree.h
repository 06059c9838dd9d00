/* audit_tree.h - the files below a folder, seen without trusting it.
 *
 * Links are followed only to files inside the folder (and to the blobs of a hub's cache, where the
 * folder is a snapshot of one); whatever is no regular file is counted and left alone. */
#ifndef OPEN_AUDIT_TREE_H
#define OPEN_AUDIT_TREE_H

#include "base/buf.h"

enum { AUDIT_FILES = 20000, AUDIT_DEPTH = 24, AUDIT_TEXT = 4 << 20 };

struct audit_file {
    char *path; /* relative, owned */
    const char *name;
    size_t n_bytes;
    bool link;
};

struct audit_tree {
    char *root;               /* a folder; or the folder of the one file */
    struct audit_file *files; /* by path */
    int64_t n, room;
    int64_t n_links, n_outside, n_special;
    char *outside;         /* the first link that leads out, relative; NULL */
    char *outside_licence; /* the first of these that is called a licence, policy or card */
    bool cut, one;         /* one: path was a file */
};

glass_status audit_tree_open(struct audit_tree *out, const char *path);
void audit_tree_close(struct audit_tree *t);
/* A file's bytes, at most `most` of them from its start. */
glass_status audit_tree_read(struct buf *out, const struct audit_tree *t,
                             const struct audit_file *file, size_t most);
/* The path on this machine, appended. */
glass_status audit_tree_path(struct buf *out, const struct audit_tree *t,
                             const struct audit_file *file);
/* The folder of a file: "" or "a/b/". */
size_t audit_folder(const char *path);

#endif
