/* dsse.c - see dsse.h. */
#include "open/dsse.h"

#include "base/hash.h"
#include "base/path.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>

enum { PEM_BYTES = 1 << 20 };
static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

glass_status dsse_fail(glass_status status, const char *format, ...) {
    char message[512];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return fail(status, "%s%s%s", message, reason != NULL ? ": " : "",
                reason != NULL ? reason : "");
}

glass_status dsse_base64(struct buf *out, const void *bytes, size_t n) {
    const uint8_t *p = bytes;
    TRY(buf_reserve(out, n / 3 * 4 + 4));
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63],
                        digits[v & 63]};
        if (left < 3) four[3] = '=';
        if (left < 2) four[2] = '=';
        TRY(buf_append(out, four, 4));
    }
    return GLASS_OK;
}

static int digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

glass_status dsse_base64_parse(struct buf *out, const char *text, size_t n,
                               const char *what) {
    size_t pad = n > 0 && text[n - 1] == '=' ? 1 + (n > 1 && text[n - 2] == '=') : 0;
    if (n % 4 != 0)
        return fail(GLASS_BAD_INPUT, "%s: no base64: %zu characters, no multiple of four",
                    what, n);
    TRY(buf_reserve(out, n / 4 * 3 + 1));
    for (size_t i = 0; i < n; i += 4) {
        size_t last = i + 4 == n ? pad : 0;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int d = k >= 4 - last ? 0 : digit(text[i + k]);
            if (d < 0)
                return fail(GLASS_BAD_INPUT, "%s: no base64: byte %zu is 0x%02x", what,
                            i + k, (unsigned char)text[i + k]);
            v = v << 6 | (uint32_t)d;
        }
        /* Bits that padding cuts off are zero, or two texts would say the same. */
        if ((last == 1 && (v & 0xff) != 0) || (last == 2 && (v & 0xffff) != 0))
            return fail(GLASS_BAD_INPUT, "%s: no base64: bits behind its end", what);
        uint8_t three[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        TRY(buf_append(out, three, 3 - last));
    }
    return GLASS_OK;
}

glass_status dsse_encode(struct buf *out, const char *type, const void *payload, size_t n) {
    TRY(buf_printf(out, "DSSEv1 %zu %s %zu ", strlen(type), type, n));
    return buf_append(out, payload, n);
}

glass_status dsse_encode_old(struct buf *out, const char *type, const void *payload,
                             size_t n) {
    const uint8_t *p = payload;
    bool single = memchr(p, '\'', n) != NULL, both = single && memchr(p, '"', n) != NULL;
    char quote = single && !both ? '"' : '\'';
    TRY(buf_printf(out, "DSSEV1 %zu %s %zu b%c", strlen(type), type, n, quote));
    for (size_t i = 0; i < n; i++) {
        uint8_t c = p[i];
        if (c == '\n' || c == '\r' || c == '\t')
            TRY(buf_text(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t"));
        else if (c < 0x20 || c >= 0x7f)
            TRY(buf_printf(out, "\\x%02x", c));
        else
            TRY(buf_printf(out, "%s%c", c == '\\' || c == (uint8_t)quote ? "\\" : "", c));
    }
    return buf_byte(out, quote);
}

/* ---- keys ---- */

static const struct curve {
    const char *name;
    int bits;
    const EVP_MD *(*md)(void);
} curves[] = {{"prime256v1", 256, EVP_sha256},
              {"secp384r1", 384, EVP_sha384},
              {"secp521r1", 521, EVP_sha512}};

static const struct curve *curve_of(EVP_PKEY *key) {
    char name[64] = "";
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(key, name, sizeof name, NULL) != 1)
        return NULL;
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
        if (strcmp(name, curves[i].name) == 0) return &curves[i];
    return NULL;
}

glass_status dsse_key_check(EVP_PKEY *key, const char *where) {
    if (curve_of(key) != NULL) return GLASS_OK;
    return fail(GLASS_BAD_INPUT,
                "%s: an elliptic key of P-256, P-384 or P-521 is wanted (openssl ecparam "
                "-name prime256v1 -genkey -noout -out KEY.pem makes one)",
                where);
}

/* OpenSSL would ask on the terminal. */
static int give_password(char *out, int size, int write, void *context) {
    const char *password = context;
    size_t n = password != NULL ? strlen(password) : 0;
    (void)write;
    if (password == NULL || n > (size_t)size) return -1;
    memcpy(out, password, n);
    return (int)n;
}

glass_status dsse_key_private(EVP_PKEY **out, const char *path, const char *password) {
    struct buf text = {0};
    *out = NULL;
    glass_status status = path_read_whole(&text, path, PEM_BYTES);
    BIO *bio = status == GLASS_OK ? BIO_new_mem_buf(text.data, (int)text.len) : NULL;
    if (status == GLASS_OK && bio == NULL) status = fail_memory(text.len);
    if (status == GLASS_OK) {
        char *copy = NULL;
        if (password != NULL) status = mem_copy_text(&copy, password, strlen(password));
        if (status == GLASS_OK)
            *out = PEM_read_bio_PrivateKey(bio, NULL, give_password, copy);
        if (copy != NULL) OPENSSL_cleanse(copy, strlen(copy));
        mem_free(copy);
        if (status == GLASS_OK && *out == NULL)
            status = dsse_fail(GLASS_BAD_INPUT,
                               "%s: no private key in PEM form that can be read%s", path,
                               password == NULL ? " without a password" : "");
    }
    if (status == GLASS_OK) status = dsse_key_check(*out, path);
    if (status != GLASS_OK) {
        EVP_PKEY_free(*out);
        *out = NULL;
    }
    BIO_free(bio);
    if (text.data != NULL) OPENSSL_cleanse(text.data, text.len);
    buf_free(&text);
    return status;
}

glass_status dsse_key_public_bytes(EVP_PKEY **out, const void *bytes, size_t n,
                                   const char *where) {
    const uint8_t *der = bytes;
    *out = NULL;
    BIO *bio = BIO_new_mem_buf(bytes, (int)n);
    if (bio == NULL) return fail_memory(n);
    *out = PEM_read_bio_PUBKEY(bio, NULL, give_password, NULL);
    BIO_free(bio);
    if (*out == NULL) *out = d2i_PUBKEY(NULL, &der, (long)n);
    if (*out == NULL)
        return dsse_fail(GLASS_BAD_INPUT,
                         "%s: no public key in PEM form (openssl pkey -in KEY.pem -pubout "
                         "makes it of a private one)",
                         where);
    ERR_clear_error();
    glass_status status = dsse_key_check(*out, where);
    if (status != GLASS_OK) {
        EVP_PKEY_free(*out);
        *out = NULL;
    }
    return status;
}

glass_status dsse_key_public(EVP_PKEY **out, const char *path) {
    struct buf text = {0};
    *out = NULL;
    glass_status status = path_read_whole(&text, path, PEM_BYTES);
    if (status == GLASS_OK) status = dsse_key_public_bytes(out, text.data, text.len, path);
    buf_free(&text);
    return status;
}

glass_status dsse_key_hint(char hex[65], EVP_PKEY *key) {
    uint8_t digest[32];
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    glass_status status = GLASS_OK;
    if (bio == NULL || PEM_write_bio_PUBKEY(bio, key) != 1)
        status = dsse_fail(GLASS_SYSTEM, "a public key could not be written");
    long n = status == GLASS_OK ? BIO_get_mem_data(bio, &text) : 0;
    if (status == GLASS_OK) status = sha256_bytes(digest, text, (size_t)n);
    if (status == GLASS_OK) sha256_hex(hex, digest);
    BIO_free(bio);
    return status;
}

/* ---- signatures ---- */

glass_status dsse_sign(struct buf *signature, EVP_PKEY *key, const void *bytes, size_t n) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const struct curve *curve = curve_of(key);
    uint8_t out[256];
    size_t n_out = sizeof out;
    bool good = context != NULL && curve != NULL &&
                EVP_DigestSignInit(context, NULL, curve->md(), NULL, key) == 1 &&
                EVP_DigestSign(context, out, &n_out, bytes, n) == 1;
    EVP_MD_CTX_free(context);
    if (!good) return dsse_fail(GLASS_SYSTEM, "signing failed inside libcrypto");
    return buf_append(signature, out, n_out);
}

glass_status dsse_verify(bool *good, EVP_PKEY *key, const EVP_MD *md, const void *signature,
                         size_t n_signature, const void *bytes, size_t n) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const struct curve *curve = curve_of(key);
    *good = false;
    if (context == NULL || curve == NULL ||
        EVP_DigestVerifyInit(context, NULL, md != NULL ? md : curve->md(), NULL, key) !=
            1) {
        EVP_MD_CTX_free(context);
        return dsse_fail(GLASS_SYSTEM, "verifying failed inside libcrypto");
    }
    *good = EVP_DigestVerify(context, signature, n_signature, bytes, n) == 1;
    ERR_clear_error();
    EVP_MD_CTX_free(context);
    return GLASS_OK;
}
