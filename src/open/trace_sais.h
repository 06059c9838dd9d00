/* trace_sais.h - suffix sorting: all suffixes of a text of numbers, in order.
 *
 * SA-IS (Nong, Zhang and Chan, "Two Efficient Algorithms for Linear Time Suffix Array
 * Construction", IEEE Transactions on Computers 60:10, 2011): linear in time whatever the text,
 * so that a text of repetitions takes no longer than another. A suffix that is the beginning of
 * another one comes before it. */
#ifndef OPEN_TRACE_SAIS_H
#define OPEN_TRACE_SAIS_H

#include "base/fail.h"

/* sa (n) receives where the suffixes begin. text: n symbols below n_symbols, little-endian, of
 * symbol_bytes 2, 3 or 4; 0 < n < 2^31 - 1. Besides text and sa it takes the memory that
 * trace_sais_bytes says at most, mostly far less. GLASS_CANCELLED: *stop was set. */
glass_status trace_sais(int32_t *sa, const void *text, int symbol_bytes, int32_t n,
                        int32_t n_symbols, const volatile int *stop);
size_t trace_sais_bytes(int32_t n, int32_t n_symbols);

#endif
