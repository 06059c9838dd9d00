/* sign.h - signatures of models: OpenSSF Model Signing 1.0.
 *
 * A signature is a file of JSON (a Sigstore bundle) that lists every file of a model with its
 * SHA-256, signed by an elliptic key (ECDSA, P-256 with SHA-256, P-384 with SHA-384 or P-521 with
 * SHA-512). It proves that these are the files that the holder of the key signed, not that they
 * are good. docs/evidence.md tells what is checked, and what is not.
 * Source: github.com/ossf/model-signing-spec, spec/v1.0.md. */
#ifndef GLASS_SIGN_H
#define GLASS_SIGN_H

#include "glass/status.h"
GLASS_BEGIN

/* Called now and then with the bytes that were hashed; false stops with GLASS_CANCELLED. */
typedef bool (*glass_sign_progress)(void *context, uint64_t n_done, uint64_t n_bytes);

typedef struct glass_sign_options {
    const char *key;      /* a private key, PEM; required */
    const char *password; /* of an encrypted key; NULL */
    const char
        *certificate; /* the key's certificate, PEM; NULL: a signature by key alone */
    const char *const *chain; /* certificates that lead from it to a root, PEM */
    int64_t n_chain;
    const char *const *ignore; /* paths in the model's folder that are not signed */
    int64_t n_ignore;
    bool
        follow_links; /* links to files are signed as what they lead to; else they are errors */
    bool
        file_name; /* a single file is named by its name, as the specification has it, and not
                       ".", as every release of model-signing until 1.1.1 writes and reads */
    glass_sign_progress progress;
    void *context;
} glass_sign_options;

typedef struct glass_sign_report {
    int64_t n_files;
    uint64_t n_bytes;
    int64_t n_outside; /* links that lead out of the folder, signed as what is there now */
    char
        root[65]; /* SHA-256 over the files' digests, in order: the model's name in short */
    char key_sha256[65]; /* of the public key's PEM text */
} glass_sign_report;

/* Signs a model's file or folder and writes the signature to a file, which is replaced as a whole.
 * At the folder's top .git, .gitignore, .gitattributes and .github are left out, and the signature
 * itself wherever it is. GLASS_BAD_INPUT: no elliptic key of these curves, a certificate of another
 * key, a link, something that is no file, a name that is not UTF-8, nothing to sign. */
GLASS_API glass_status glass_sign(const char *model, const char *signature,
                                  const glass_sign_options *options,
                                  glass_sign_report *report);

typedef struct glass_signature_options {
    const char *key; /* the public key that it must be by, PEM; or: */
    const char *const
        *certificates; /* PEM: a chain must lead from the signer to one of these */
    int64_t n_certificates;
    bool any_signer; /* whoever: only whether the files are those that were signed */
    const char *const *ignore; /* further paths that need not be signed */
    int64_t n_ignore;
    bool ignore_unsigned; /* files that nobody signed are no difference */
    glass_sign_progress progress;
    void *context;
} glass_signature_options;

typedef enum glass_signature_difference_kind {
    GLASS_SIGNATURE_CHANGED,
    GLASS_SIGNATURE_MISSING, /* signed, and not there */
    GLASS_SIGNATURE_ADDED    /* there, and not signed */
} glass_signature_difference_kind;

typedef struct glass_signature_difference {
    glass_signature_difference_kind kind;
    const char *name; /* "FILE", or "FILE:BEGIN:END" of one that was signed in parts */
    const char *wanted, *found; /* digests; "" */
} glass_signature_difference;

typedef struct glass_signature_report {
    const char *method; /* "key", "certificate", "sigstore" */
    const char *signer; /* the certificate's subject or names; the key's SHA-256 */
    const char *issuer; /* of the certificate; "" */
    bool signer_checked;
    bool old_form;    /* of model-signing 0.2: no single digest of the whole */
    const char *name; /* of the model, as the signer said */
    const char *root; /* as signed, recomputed; "" in the old form */
    int64_t n_files;  /* that were signed */
    uint64_t n_bytes; /* that were hashed */
    int64_t n_outside;
    const glass_signature_difference *differences; /* by kind, then by name */
    int64_t n_differences;
} glass_signature_report;

/* Checks a signature, and a model against it. GLASS_NEGATIVE: it is not by that key, no chain
 * leads to those certificates, or the files are not those that were signed; only in the last case
 * *out is there, and the message names files. GLASS_BAD_INPUT: no such signature, or a form that is
 * not known. Of Sigstore's keyless signatures who signed is not checked: they need any_signer, or
 * the key. GLASS_USAGE: not exactly one of key, certificates and any_signer. */
GLASS_API glass_status glass_signature_verify(glass_signature_report **out,
                                              const char *model, const char *signature,
                                              const glass_signature_options *options);
GLASS_API void glass_signature_report_free(glass_signature_report *report);

GLASS_END
#endif
