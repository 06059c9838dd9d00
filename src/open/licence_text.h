/* licence_text.h - a text as words that survive reformatting.
 *
 * Letter case, line breaks, wrapping, quotation marks and dashes of any kind, HTML tags and
 * entities, Markdown's marks and link targets, comment marks and the numbers of list items do not
 * count; what is left are words in their order, each with its bytes in the file. Three words in a
 * row give a shingle of 12 bits: a known licence is kept as the row of its shingles, which tells
 * where another text differs from it without holding a word of it. */
#ifndef OPEN_LICENCE_TEXT_H
#define OPEN_LICENCE_TEXT_H

#include "base/fail.h"

enum {
    LICENCE_TEXT_MOST = 4 << 20, /* bytes of a text that is read for its licence */
    LICENCE_SHINGLE = 3          /* words */
};

struct licence_word {
    uint32_t begin, end; /* bytes of the text */
    uint32_t hash;
};

struct licence_words {
    struct licence_word *words; /* owned */
    int64_t n;
};

/* n_bytes is at most LICENCE_TEXT_MOST. Any bytes are fine. */
glass_status licence_words_make(struct licence_words *out, const char *text,
                                size_t n_bytes);
/* Whether w[0] and w[1] are parted by a hyphen at a line's end; *out is the word that they may be
 * together. */
bool licence_words_joined(struct licence_word *out, const char *text,
                          const struct licence_word *w);
void licence_words_clear(struct licence_words *w);
/* Of three words: 0 to 4095. */
uint16_t licence_shingle(const struct licence_word *first);
/* One number for all words in their order. */
uint64_t licence_words_hash(const struct licence_word *words, int64_t n);

#endif
