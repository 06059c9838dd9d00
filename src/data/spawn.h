/* spawn.h - running another program and reading what it prints. No shell is involved. */
#ifndef DATA_SPAWN_H
#define DATA_SPAWN_H

#include "base/buf.h"

#include <stdio.h>
#include <sys/types.h>

struct spawn {
    pid_t pid;
    FILE *out;    /* its standard output */
    FILE *errors; /* its standard error, in an unnamed file */
    const char *name;
};

/* argv ends with NULL; folder: where it runs (NULL: here); input: its standard input, NULL for
 * none. GLASS_SYSTEM: there is no such program. */
glass_status spawn_open(struct spawn *out, const char *const *argv, const char *folder,
                        FILE *input);
/* Waits for its end. GLASS_SYSTEM with what it said, if it failed. `stopped`: nobody wants the
 * rest of its output, and it may be ended for that. */
glass_status spawn_close(struct spawn *s, bool stopped);
/* Everything that it prints, at most limit bytes. */
glass_status spawn_read(struct buf *out, const char *const *argv, const char *folder,
                        size_t limit);

#endif
