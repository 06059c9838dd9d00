/* hash.c - SHA-256 by libcrypto, which uses the CPU's SHA instructions. */
#include "base/hash.h"

#include "base/mem.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

struct sha256 {
    EVP_MD_CTX *context;
};

static glass_status crypto_failed(void) {
    return fail(GLASS_SYSTEM, "SHA-256 failed inside libcrypto");
}

glass_status sha256_create(struct sha256 **out) {
    TRY(mem_alloc_zero(out, 1, sizeof **out));
    (*out)->context = EVP_MD_CTX_new();
    if ((*out)->context == NULL ||
        EVP_DigestInit_ex((*out)->context, EVP_sha256(), NULL) != 1) {
        sha256_free(*out);
        *out = NULL;
        return crypto_failed();
    }
    return GLASS_OK;
}

glass_status sha256_update(struct sha256 *hash, const void *bytes, size_t n_bytes) {
    if (EVP_DigestUpdate(hash->context, bytes, n_bytes) != 1) return crypto_failed();
    return GLASS_OK;
}

glass_status sha256_finish(struct sha256 *hash, uint8_t digest[32]) {
    int done = EVP_DigestFinal_ex(hash->context, digest, NULL);
    sha256_free(hash);
    return done == 1 ? GLASS_OK : crypto_failed();
}

void sha256_free(struct sha256 *hash) {
    if (hash == NULL) return;
    EVP_MD_CTX_free(hash->context);
    mem_free(hash);
}

glass_status sha256_bytes(uint8_t digest[32], const void *bytes, size_t n_bytes) {
    if (EVP_Digest(bytes, n_bytes, digest, NULL, EVP_sha256(), NULL) != 1)
        return crypto_failed();
    return GLASS_OK;
}

void sha256_hex(char text[65], const uint8_t digest[32]) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 32; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[64] = '\0';
}

bool sha256_parse(uint8_t digest[32], const char *text, size_t n_bytes) {
    static const char digits[] = "0123456789abcdef";
    if (n_bytes != 64) return false;
    for (int i = 0; i < 64; i++) {
        const char *at = text[i] == '\0' ? NULL : strchr(digits, text[i]);
        if (at == NULL) return false;
        digest[i / 2] =
            (uint8_t)(i % 2 == 0 ? (at - digits) << 4 : digest[i / 2] | (at - digits));
    }
    return true;
}

glass_status sha256_file(uint8_t digest[32], const char *path) {
    enum { PIECE_BYTES = 1 << 18 };
    struct sha256 *hash = NULL;
    char *piece = NULL;
    size_t n;
    glass_status status;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return fail_errno("%s: cannot open", path);
    TRY_FAIL(mem_alloc(&piece, PIECE_BYTES, 1));
    TRY_FAIL(sha256_create(&hash));
    while ((n = fread(piece, 1, PIECE_BYTES, file)) > 0)
        TRY_FAIL(sha256_update(hash, piece, n));
    if (ferror(file)) {
        status = fail_errno("%s: cannot read", path);
        goto fail;
    }
    status = sha256_finish(hash, digest);
    hash = NULL;
fail:
    sha256_free(hash);
    mem_free(piece);
    fclose(file);
    return status;
}
