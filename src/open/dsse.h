/* dsse.h - signed envelopes (DSSE 1.0, github.com/secure-systems-lab/dsse) and the elliptic keys
 * that sign them, by OpenSSL's libcrypto. */
#ifndef OPEN_DSSE_H
#define OPEN_DSSE_H

#include "base/buf.h"

#include <openssl/evp.h>

#define DSSE_INTOTO "application/vnd.in-toto+json"

/* Appends standard base64 with padding. */
glass_status dsse_base64(struct buf *out, const void *bytes, size_t n_bytes);
/* Appends the bytes; GLASS_BAD_INPUT for anything but whole, padded, canonical base64. `what` is
 * for the message. */
glass_status dsse_base64_parse(struct buf *out, const char *text, size_t n_bytes,
                               const char *what);

/* What is signed in place of the payload. */
glass_status dsse_encode(struct buf *out, const char *type, const void *payload,
                         size_t n_bytes);
/* The same as model-signing 0.2 wrote it: a capital V, and the payload as Python prints it. */
glass_status dsse_encode_old(struct buf *out, const char *type, const void *payload,
                             size_t n_bytes);

/* A key of P-256, P-384 or P-521 from a PEM file; EVP_PKEY_free it. password may be NULL. */
glass_status dsse_key_private(EVP_PKEY **out, const char *path, const char *password);
glass_status dsse_key_public(EVP_PKEY **out, const char *path);
/* The same from PEM or DER bytes; where is for messages. */
glass_status dsse_key_public_bytes(EVP_PKEY **out, const void *bytes, size_t n_bytes,
                                   const char *where);
glass_status dsse_key_check(EVP_PKEY *key, const char *where);
/* SHA-256 of the public key's PEM text. */
glass_status dsse_key_hint(char hex[65], EVP_PKEY *key);

glass_status dsse_sign(struct buf *signature, EVP_PKEY *key, const void *bytes,
                       size_t n_bytes);
/* md NULL: the curve's. */
glass_status dsse_verify(bool *good, EVP_PKEY *key, const EVP_MD *md, const void *signature,
                         size_t n_signature, const void *bytes, size_t n_bytes);

/* fail() with libcrypto's reason at the end. */
glass_status dsse_fail(glass_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
