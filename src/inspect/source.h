/* source.h - the tensors of a model in any published form, or of a file of tensors, as numbers. */
#ifndef INSPECT_SOURCE_H
#define INSPECT_SOURCE_H

#include "base/team.h"
#include "format/archive.h"
#include "format/gguf_view.h"
#include "glass/inspect.h"

struct source {
    struct gguf *g;    /* one of both; names are GGUF's then */
    struct archive *a; /* or the file's own */
};

/* As glass_inspect_tensors says. */
glass_status source_open(struct source *out, const char *path);
void source_close(struct source *s);

struct source_tensor {
    const char *name, *type;
    glass_dtype dtype;
    bool known; /* its numbers can be read */
    int n_dims;
    int64_t shape[8];
    size_t n_bytes;
    int64_t n, row;              /* numbers, and of them in a row */
    const uint8_t *data;         /* NULL where there is a view */
    const struct gguf_tensor *t; /* NULL of an archive */
};

int64_t source_n(const struct source *s);
/* GLASS_BAD_INPUT: its numbers cannot be counted. */
glass_status source_at(struct source_tensor *out, const struct source *s, int64_t i);

/* By name; *found says whether there is one. */
glass_status source_find(struct source_tensor *out, bool *found, const struct source *s,
                         const char *name);

/* How a tensor is cut into pieces: the same for every one of its shape, whatever holds it. A
 * piece is whole rows, or, of long rows that lie in one stretch, a part of one. */
enum { SOURCE_PIECE = 1 << 16 };
int64_t source_piece(const struct source_tensor *t);
/* Bytes that n numbers take as stored (n is a multiple of the type's block), and with room so
 * that the next ones are aligned. */
size_t source_bytes(const struct source_tensor *t, int64_t n);
size_t source_room(const struct source_tensor *t, int64_t n);
/* Numbers first … first + n - 1 of a piece, widened, integers and F64 rounded to binary32.
 * stored (source_bytes) receives them as they are. */
void source_read(float *out, uint8_t *stored, const struct source_tensor *t, int64_t first,
                 int64_t n);

/* Bytes done of some, told to whoever asked. */
struct source_progress {
    const glass_weights_options *options;
    size_t done, total;
};
glass_status source_step(struct source_progress *p, size_t n_bytes);

#endif
