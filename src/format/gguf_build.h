/* gguf_build.h - a struct gguf that is no file: values and tensors put together in memory.
 *
 * This is how models of other formats are read: their importer says in GGUF's words what they
 * are, and where their tensors lie. Values are put with gguf_put_* into gguf_build_values, and
 * pass the reader's own checks. */
#ifndef FORMAT_GGUF_BUILD_H
#define FORMAT_GGUF_BUILD_H

#include "format/gguf_view.h"
#include "format/gguf_write.h"

struct gguf_build;

/* path stands for the model in messages. */
glass_status gguf_build_create(struct gguf_build **out, const char *path);
void gguf_build_free(struct gguf_build *b);

struct gguf_writer *gguf_build_values(struct gguf_build *b);
/* Whether a tensor of this name was put; over all that were, so not for inner loops. */
bool gguf_build_has(const struct gguf_build *b, const char *name);
/* Name, shape, type and view are copied, bytes are not. With a view t->data is not looked at;
 * every piece must hold its part of the shape, which is the caller's to check. The number of
 * bytes is reckoned here. GLASS_BAD_INPUT: an impossible name or shape. */
glass_status gguf_build_tensor(struct gguf_build *b, const struct gguf_tensor *t);
/* Closes `what` when the gguf is closed or the build given up; whether it succeeds or not. */
glass_status gguf_build_own(struct gguf_build *b, void *what, void (*close)(void *));
/* A mapping that the tensors lie in. It stays its owner's. */
glass_status gguf_build_map(struct gguf_build *b, const struct filemap *map);

/* Makes the gguf of what was put, which owns it all. Frees b on failure. */
glass_status gguf_build_finish(struct gguf **out, struct gguf_build *b);

#endif
