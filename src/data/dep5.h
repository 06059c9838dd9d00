/* dep5.h - Debian's machine-readable debian/copyright (copyright-format 1.0, and the drafts that
 * came before it). */
#ifndef DATA_DEP5_H
#define DATA_DEP5_H

#include "base/buf.h"

struct dep5_field {
    const char *text; /* borrowed, of the file */
    size_t n_bytes;
};
struct dep5_stanza {
    struct dep5_field files, copyright, licence; /* values: empty text where absent */
};
struct dep5 {
    const char *data; /* borrowed */
    size_t size;
    struct dep5_stanza *stanzas; /* the header first */
    int n;
};

/* GLASS_NEGATIVE if it is not of this format (free-form files are not): no message. */
glass_status dep5_parse(struct dep5 *out, const char *data, size_t size);
void dep5_clear(struct dep5 *d);
/* The stanza whose Files pattern is the last one that fits the path; -1 if none does. */
int dep5_find(const struct dep5 *d, const char *path);
/* The stanza's licence as an expression, told apart by its text where the short name leaves it
 * open (GFDL without invariant sections). *contradictory: the text says something else than the
 * short name. Appends nothing for a stanza without a licence. */
glass_status dep5_licence(struct buf *out, const struct dep5 *d, int stanza,
                          bool *contradictory);
/* The licences of all Files stanzas but those of debian/: "A AND B". */
glass_status dep5_whole(struct buf *out, const struct dep5 *d, bool *contradictory);

#endif
