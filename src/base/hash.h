/* hash.h - SHA-256 (FIPS 180-4), through OpenSSL's libcrypto. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/fail.h"

struct sha256; /* a running hash */

glass_status sha256_create(struct sha256 **out);
glass_status sha256_update(struct sha256 *hash, const void *bytes, size_t n_bytes);
/* Gives the digest of everything so far and frees the hash. */
glass_status sha256_finish(struct sha256 *hash, uint8_t digest[32]);
void sha256_free(struct sha256 *hash);

/* In one call. */
glass_status sha256_bytes(uint8_t digest[32], const void *bytes, size_t n_bytes);
/* Of a whole file, read piece by piece. */
glass_status sha256_file(uint8_t digest[32], const char *path);
/* Lower-case hexadecimal, NUL-terminated. */
void sha256_hex(char text[65], const uint8_t digest[32]);
/* Back from exactly that text, of 64 digits; false if it is anything else. */
bool sha256_parse(uint8_t digest[32], const char *text, size_t n_bytes);

#endif
