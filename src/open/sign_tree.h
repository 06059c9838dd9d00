/* sign_tree.h - the files that a signature is about: found, named and hashed as OpenSSF Model
 * Signing 1.0, sections 6.1 to 6.3, has it. */
#ifndef OPEN_SIGN_TREE_H
#define OPEN_SIGN_TREE_H

#include "base/buf.h"
#include "glass/sign.h"

enum { SIGN_FILES = 1000000, SIGN_DEPTH = 100, SIGN_IGNORED = 10000 };

struct sign_file {
    char *name; /* relative; "." where the model is one file */
    uint64_t n_bytes;
    bool link;
};

/* Paths that are left out, with all that is below them. */
struct sign_ignored {
    char **items;
    int64_t n, room;
};

struct sign_tree {
    char *root;              /* the folder, or the file */
    char *base;              /* its last part */
    struct sign_file *files; /* by name's bytes, which is the order of code points */
    int64_t n, room, n_outside;
    bool one;
};

/* Adds a path as it is compared: no "./" in front, no "/" behind. GLASS_BAD_INPUT: empty, absolute,
 * or with ".." in it. */
glass_status sign_ignore(struct sign_ignored *ignored, const char *path);
/* Adds .git and the like. */
glass_status sign_ignore_defaults(struct sign_ignored *ignored);
/* Adds a file where it lies in the folder; elsewhere there is nothing to do. */
glass_status sign_ignore_file(struct sign_ignored *ignored, const char *model,
                              const char *path);
void sign_ignored_free(struct sign_ignored *ignored);

/* What of the model is not left out. A link is an error unless follow_links, and then so is a link
 * to a folder, which would be walked for ever or not at all. */
glass_status sign_tree_open(struct sign_tree *out, const char *model,
                            const struct sign_ignored *ignored, bool follow_links);
void sign_tree_close(struct sign_tree *t);

enum sign_hash { SIGN_SHA256, SIGN_BLAKE2B };

/* A hash under way over many files. */
struct sign_hasher {
    const struct sign_tree *tree;
    enum sign_hash kind;
    uint64_t n_done, n_bytes;
    glass_sign_progress progress;
    void *context;
    char *piece; /* owned */
};
enum { SIGN_DIGEST_TEXT = 129 };

/* The digest of bytes [begin, end) of a file, in lower-case hexadecimal; end UINT64_MAX: all that
 * is there. GLASS_BAD_INPUT if the file ends before. */
glass_status sign_hash(char hex[SIGN_DIGEST_TEXT], struct sign_hasher *h,
                       const struct sign_file *file, uint64_t begin, uint64_t end);
void sign_hasher_free(struct sign_hasher *h);

#endif
