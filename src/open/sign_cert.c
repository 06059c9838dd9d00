/* sign_cert.c - certificates: read, and a chain of them followed. */
#include "base/path.h"
#include "open/sign_parts.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

enum { CERTIFICATE_FILE = 4 << 20 };

glass_status sign_cert_read(STACK_OF(X509) * out, const char *path) {
    struct buf text = {0};
    int before = sk_X509_num(out);
    TRY(path_read_whole(&text, path, CERTIFICATE_FILE));
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
    X509 *one;
    glass_status status = bio == NULL ? fail_memory(text.len) : GLASS_OK;
    while (status == GLASS_OK && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
        if (sk_X509_push(out, one) <= 0) {
            X509_free(one);
            status = fail_memory(sizeof one);
        }
    unsigned long error = ERR_peek_last_error();
    bool ended =
        ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    if (status == GLASS_OK && (!ended || sk_X509_num(out) == before))
        status = dsse_fail(GLASS_BAD_INPUT, "%s: no certificates in PEM form", path);
    ERR_clear_error();
    BIO_free(bio);
    buf_free(&text);
    return status;
}

glass_status sign_cert_bundle(STACK_OF(X509) * out, const struct sign_bundle *b,
                              const char *where) {
    for (int i = 0; i < b->n_certificates; i++) {
        const uint8_t *at = b->certificates[i].data;
        X509 *one = d2i_X509(NULL, &at, (long)b->certificates[i].n);
        if (one == NULL || at != b->certificates[i].data + b->certificates[i].n) {
            X509_free(one);
            return dsse_fail(GLASS_BAD_INPUT, "%s: certificate %d cannot be read", where,
                             i + 1);
        }
        if (sk_X509_push(out, one) <= 0) {
            X509_free(one);
            return fail_memory(sizeof one);
        }
    }
    return GLASS_OK;
}

/* Purposes that a signer of models may have, as model-signing asks for them. */
static bool may_sign(X509 *certificate) {
    uint32_t flags = X509_get_extension_flags(certificate);
    if ((flags & EXFLAG_KUSAGE) != 0 &&
        (X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) != 0)
        return true;
    return (flags & EXFLAG_XKUSAGE) != 0 &&
           (X509_get_extended_key_usage(certificate) & XKU_CODE_SIGN) != 0;
}

glass_status sign_cert_check(STACK_OF(X509) * certificates, STACK_OF(X509) * trusted,
                             const char *where) {
    X509 *leaf = sk_X509_value(certificates, 0);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool ready = store != NULL && context != NULL;
    for (int i = 0; ready && i < sk_X509_num(trusted); i++)
        ready = X509_STORE_add_cert(store, sk_X509_value(trusted, i)) == 1;
    /* What the caller named is trusted as it is, be it a root or not. */
    ready = ready && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
            X509_STORE_CTX_init(context, store, leaf, certificates) == 1;
    glass_status status = GLASS_OK;
    if (!ready) {
        status = dsse_fail(GLASS_SYSTEM, "%s: certificates cannot be checked", where);
    } else if (X509_verify_cert(context) != 1) {
        int error = X509_STORE_CTX_get_error(context);
        status = fail(GLASS_NEGATIVE,
                      "%s: its certificates do not lead to one that is trusted: "
                      "certificate %d: %s",
                      where, X509_STORE_CTX_get_error_depth(context) + 1,
                      X509_verify_cert_error_string(error));
    } else if (!may_sign(leaf)) {
        status = fail(GLASS_NEGATIVE,
                      "%s: its certificate is for neither digital signatures nor code "
                      "signing",
                      where);
    }
    ERR_clear_error();
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return status;
}

static glass_status take_text(struct audit_pool *pool, const char **out, BIO *bio) {
    char *text = NULL;
    long n = BIO_get_mem_data(bio, &text);
    return pool_text(pool, out, n > 0 ? text : "", n > 0 ? (size_t)n : 0);
}

static void print_alternative(BIO *bio, X509 *certificate) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        if (i > 0) BIO_puts(bio, ", ");
        GENERAL_NAME_print(bio, sk_GENERAL_NAME_value(names, i));
    }
    GENERAL_NAMES_free(names);
}

glass_status sign_cert_names(struct audit_pool *pool, const char **subject,
                             const char **issuer, X509 *certificate) {
    const unsigned long how = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL) return fail_memory(sizeof(void *));
    X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, how);
    if (BIO_pending(bio) == 0) print_alternative(bio, certificate);
    glass_status status = take_text(pool, subject, bio);
    (void)BIO_reset(bio);
    X509_NAME_print_ex(bio, X509_get_issuer_name(certificate), 0, how);
    if (status == GLASS_OK) status = take_text(pool, issuer, bio);
    ERR_clear_error();
    BIO_free(bio);
    return status;
}

void sign_cert_free(STACK_OF(X509) * certificates) {
    sk_X509_pop_free(certificates, X509_free);
}
