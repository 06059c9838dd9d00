/* checkpoint_parts.h - what checkpoint.c and checkpoint_read.c share. */
#ifndef TRAIN_CHECKPOINT_PARTS_H
#define TRAIN_CHECKPOINT_PARTS_H

#include "base/buf.h"

enum { CHECKPOINT_FILES = 3 };
extern const char *const checkpoint_files[CHECKPOINT_FILES];

/* FOLDER/NAME */
glass_status checkpoint_join(struct buf *out, const char *folder, const char *name);
/* What SHA256SUMS must say of the files in a folder. */
glass_status checkpoint_sums(struct buf *out, const char *folder);
/* state.json, read by itself. GLASS_BAD_INPUT names it. */
struct checkpoint_state;
glass_status checkpoint_read_state(struct checkpoint_state *out, const char *path);

#endif
