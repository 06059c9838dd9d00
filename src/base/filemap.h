/* filemap.h - a file mapped read-only. */
#ifndef BASE_FILEMAP_H
#define BASE_FILEMAP_H

#include "base/fail.h"

struct filemap {
    const uint8_t *data; /* NULL for an empty file */
    size_t size;
};

/* Maps a regular file. Pages are shared with every process that maps it. */
glass_status filemap_open(struct filemap *out, const char *path);
/* Pins it in memory; GLASS_SYSTEM says which limit forbids it. */
glass_status filemap_lock(const struct filemap *map);
/* Forgets which pages were read: they are read again when they are touched. */
void filemap_drop(const struct filemap *map);
void filemap_close(struct filemap *map);

/* GLASS_BAD_INPUT where a text's first bytes are those of a compressed file or an archive, whose
 * bytes nobody wants to learn: the message names the program that unpacks it. */
glass_status filemap_check_text(const char *path, const void *bytes, size_t n_bytes);

#endif
