/* limit_words.h - words that limit what may be done, whatever text they stand in.
 *
 * A licence is known by its words; what somebody writes beside it, in a card or in place of a holder's
 * name is not. These rules only say that such words are there: what they mean, a reader has to tell. They
 * take too much rather than too little. */
#ifndef OPEN_LIMIT_WORDS_H
#define OPEN_LIMIT_WORDS_H

#include <stdbool.h>
#include <stddef.h>

enum limit {
    LIMIT_NONE,
    LIMIT_SAID,    /* something may not be done, or only so: "must not", "you agree to" */
    LIMIT_COMMERCE /* commerce or all but research, study, private use is kept out */
};

/* How many words there are. */
int limit_count(const char *text, size_t n_bytes);
/* Whether one of a short stretch's words is such as limits have: "not", "only", "except"; and, with weak,
 * "use", "purposes", "terms". */
bool limit_word(const char *text, size_t n_bytes, bool weak);
/* The next sentence from *at on that limits, at [*begin, *end); *at is then behind it. LIMIT_NONE: there is
 * none before n_bytes. */
enum limit limit_next(const char *text, size_t n_bytes, size_t *at, size_t *begin,
                      size_t *end);
/* Whether a sentence says that its model was made from another one; *name, *n_name: how that is called
 * ("meta-llama/Llama-2-7b-hf"). *at as above. */
bool limit_made_from(const char *text, size_t n_bytes, size_t *at, size_t *name,
                     size_t *n_name);

#endif
