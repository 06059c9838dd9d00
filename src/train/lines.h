/* lines.h - a file of a run that grows by a JSON line at a time; each begins {"step":N. */
#ifndef TRAIN_LINES_H
#define TRAIN_LINES_H

#include "base/buf.h"

struct lines {
    int fd; /* -1: closed */
    char *path;
};

/* Opens to append, and makes it if need be. Lines of steps after last_step go away, and so does
 * a last line that was not written whole: a run that was killed goes on from its checkpoint.
 * GLASS_BAD_INPUT: another line is none of such a file. */
glass_status lines_open(struct lines *out, const char *path, int64_t last_step);
/* Appends a line in one write. */
glass_status lines_put(struct lines *l, const struct buf *line);
/* Until it is on the disk. */
glass_status lines_sync(struct lines *l);
void lines_close(struct lines *l);

/* The step that a line of n bytes begins with, -1 if it is no such line. */
int64_t lines_step(const char *line, size_t n);

#endif
