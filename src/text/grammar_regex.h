/* grammar_regex.h - patterns of JSON schemas: the regular part of ECMA-262's expressions. */
#ifndef TEXT_GRAMMAR_REGEX_H
#define TEXT_GRAMMAR_REGEX_H

#include "text/grammar_parts.h"

/* Zero-initialise it, clear it in the end. */
struct gram_regex {
    struct gram_tree *t;
    struct gram_range *wide[3]; /* \d \w \s as wide as anybody reads them */
    uint32_t n_wide[3];
    bool all; /* what any reader matches, not what each does: for patterns that must not */
};
void gram_regex_clear(struct gram_regex *r);

/* The texts in which the pattern is found, as they stand inside a JSON string, each character
 * spelled in one way. ^ and $ may stand at the ends of the pattern and of its alternatives.
 * GLASS_BAD_INPUT says what is not regular or not understood, and where: byte by byte.
 *
 * \d, \w and \s are ASCII's, as in ECMA-262; where they are negated they are as wide as in
 * libraries that go by Unicode, so that what is made matches in both; with `all` the other way
 * round, so that what is not made matches in neither. */
glass_status gram_regex_read(struct gram_regex *r, uint32_t *out, const char *pattern,
                             size_t n_bytes);
/* Any characters, min to max of them. */
glass_status gram_regex_any(struct gram_regex *r, uint32_t *out, uint32_t min,
                            uint32_t max);
/* The pattern of a format, NULL if it is not known. */
const char *gram_regex_format(const char *format);
/* A pattern of all that some reader may take for the format, and more; NULL. */
const char *gram_regex_like(const char *format);

#endif
