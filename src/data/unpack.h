/* unpack.h - walking over the files of a folder, a file or an archive, archives inside archives
 * too, without writing any of them anywhere.
 *
 * What is an archive is told by its name: tar (.tar, .tar.gz, .tgz, .tar.xz, …), .zip, .deb, and
 * single files that were compressed (.gz, .xz, .zst, .bz2, .lzma). Files come in a fixed order:
 * by name in folders (bytes compared), as they stand in archives. Links, devices, sparse and
 * encrypted entries are skipped, symbolic links are never followed. */
#ifndef DATA_UNPACK_H
#define DATA_UNPACK_H

#include "base/buf.h"

struct item {
    /* "src/a.c"; inside archives "b.tar.gz!src/a.c". As walk_put_name writes names, so that each
     * '!' parts an archive from what is in it. */
    const char *path;
    /* The next bytes, valid until the next call; 0 bytes at the end. */
    glass_status (*read)(void *from, const void **bytes, size_t *n_bytes);
    void *from;
};

struct walk {
    /* Set by the caller. */
    glass_status (*visit)(void *context, struct item *item);
    /* A file that was left out; may be NULL. */
    void (*skip)(void *context, const char *path, const char *reason);
    void *context;
    int64_t max_ratio;   /* bytes that may come out of an archive for each of its own */
    int64_t max_entries; /* of a source */
    int max_depth;       /* archives inside archives */
    /* Kept by the walk. */
    int64_t n_entries, n_in, n_out;
    int depth;
};

enum { WALK_FOLDERS = 64, WALK_SLACK = 64 << 20 };

/* Everything at a path; a file's own item is called `name`, those in a folder by their paths
 * from it. GLASS_BAD_INPUT: a broken or too greedy archive, if it is the path itself; those found
 * further inside are skipped with their reason. */
glass_status walk_path(struct walk *w, const char *path, const char *name);
/* An item that may be an archive: visits it, or what is in it. */
glass_status walk_item(struct walk *w, struct item *item);
/* Appends a file's name (or several, parted by '/') as paths have it: '!' is %21, '%' is %25, and
 * bytes that are no UTF-8 are written so, too. */
glass_status walk_put_name(struct buf *out, const char *name, size_t n_bytes);
/* Appends the name that a path was written for. */
glass_status walk_take_name(struct buf *out, const char *path);
/* Whether the name is an archive's, to be opened rather than read. */
bool walk_is_archive(const char *name);
/* The whole item; false in *whole where it has more than limit bytes, which are then read no
 * further. */
glass_status item_read_all(struct item *item, struct buf *out, size_t limit, bool *whole);

#endif
