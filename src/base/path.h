/* path.h - the places where Glass keeps things (XDG Base Directory Specification). */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include "base/buf.h"

#include <stdio.h>

/* $GLASS_HOME, else $XDG_DATA_HOME/glass, else ~/.local/share/glass: models live in models/. */
glass_status path_data(struct buf *out);
/* $XDG_STATE_HOME/glass, else ~/.local/state/glass: history, saved chats. */
glass_status path_state(struct buf *out);
/* Makes a folder and its parents, as the umask has it; private: mode 0700 for new ones, where
 * what people say is kept. */
glass_status path_make(const char *folder);
glass_status path_make_private(const char *folder);
/* Writes bytes to path so that a reader sees the old file or the new one, never a part:
 * beside it, flushed, renamed. Who may read it is what the user's umask says. */
glass_status path_write_whole(const char *path, const void *bytes, size_t n_bytes);
/* The same, for its owner's eyes only: what people said, and what tells of it. */
glass_status path_write_private(const char *path, const void *bytes, size_t n_bytes);
/* Reads a whole file of at most limit bytes. */
glass_status path_read_whole(struct buf *out, const char *path, size_t limit);
/* A file without a name in a folder, for reading and writing: it is gone when it is closed. */
glass_status path_nameless(FILE **out, const char *folder);
/* Removes the files whose names hold ".part-", which a process that was killed left half written.
 * A folder that is missing is fine. Under the folder's lock, if it has one. */
glass_status path_remove_parts(const char *folder);

#endif
