/* audit_card.h - the YAML that opens a model card or is a CITATION.cff, as flat members.
 *
 * "datasets: [a, b]" gives datasets[0] and datasets[1]; each with the file's bytes that say it. */
#ifndef OPEN_AUDIT_CARD_H
#define OPEN_AUDIT_CARD_H

#include "base/buf.h"

enum { CARD_MEMBERS = 4000, CARD_BYTES = 256 << 10 };

struct card_member {
    char *key, *value; /* owned; keys are joined by '.' */
    size_t begin, end; /* of the value in the file */
};

struct card {
    struct card_member *members;
    int n, room;
    size_t begin, end; /* of the YAML in the file; equal: there is none */
    char problem[160]; /* why it could not be read to its end, "" */
};

/* whole: the file is YAML; else only what stands between its first two lines of "---". YAML that is
 * wrong is no failure: members up to there, and problem. */
glass_status card_read(struct card *out, const char *text, size_t n_bytes, bool whole);
void card_clear(struct card *c);
/* NULL: it is not there. */
const struct card_member *card_find(const struct card *c, const char *key);
/* Item i of key, whether it is a list or one value; NULL behind the last. */
const struct card_member *card_item(const struct card *c, const char *key, int i);

#endif
