/* utf8.h - decoding and encoding one character. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* What utf8_decode stores for bytes that are not UTF-8 (overlong, surrogate, cut, > 10FFFF). */
#define UTF8_BAD UINT32_MAX

/* Decodes the first character of text[0..n), n > 0. Returns the bytes used, at least 1; for
 * bad bytes 1, with *c = UTF8_BAD. */
size_t utf8_decode(uint32_t *c, const char *text, size_t n);
/* Writes 1…4 bytes; c must be a scalar value. Returns how many. */
size_t utf8_encode(char out[4], uint32_t c);
/* The length of the longest prefix that does not end inside a character: text[0..n) minus an
 * incomplete but so far valid sequence of at most 3 bytes at its end. */
size_t utf8_complete(const char *text, size_t n);

#endif
