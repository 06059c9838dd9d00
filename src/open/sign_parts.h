/* sign_parts.h - between the files of signing: the statement that is signed, the bundle around it,
 * and certificates. */
#ifndef OPEN_SIGN_PARTS_H
#define OPEN_SIGN_PARTS_H

#include "open/audit_pool.h"
#include "open/dsse.h"
#include "open/sign_tree.h"

#include <openssl/x509.h>

#define SIGN_STATEMENT     "https://in-toto.io/Statement/v1"
#define SIGN_PREDICATE     "https://model_signing/signature/v1.0"
#define SIGN_PREDICATE_OLD "https://model_signing/Digests/v0.1"
#define SIGN_BUNDLE        "application/vnd.dev.sigstore.bundle.v0.3+json"
/* A bundle of a million files has some 250 MB. */
enum { SIGN_BUNDLE_BYTES = 400 << 20, SIGN_CERTIFICATES = 32 };

/* ---- the statement: sign_statement.c ---- */

/* A file, or a part of one, and its digest. */
struct sign_item {
    const char *name;    /* as it is signed: "FILE" or "FILE:BEGIN:END" */
    size_t n_name;       /* of the file in it */
    uint64_t begin, end; /* end UINT64_MAX: all of it */
    const char *digest;  /* lower-case hexadecimal */
};

struct sign_manifest {
    const char *name, *root; /* root "" in the old form */
    struct sign_item *items; /* by file's name, then by place */
    int64_t n;
    enum sign_hash hash;
    uint64_t shard_bytes; /* 0: whole files */
    bool follow_links, old;
    struct sign_ignored ignored;
    struct audit_pool pool;
};

/* Hashes every file and writes what is to be signed. root_hex receives the digest of the whole. */
glass_status sign_statement_write(struct buf *out, char root_hex[65], struct sign_hasher *h,
                                  const struct sign_tree *t,
                                  const struct sign_ignored *ignored, bool follow_links,
                                  bool file_name);
/* Reads and checks a payload. where is for messages. The root is recomputed. */
glass_status sign_statement_read(struct sign_manifest *out, const char *text,
                                 size_t n_bytes, const char *where);
/* Orders files' names by their bytes. */
int sign_item_compare(const char *a, size_t n_a, const char *b, size_t n_b);
void sign_manifest_free(struct sign_manifest *m);

/* ---- the bundle: sign_bundle.c ---- */

enum sign_method { SIGN_BY_KEY, SIGN_BY_CERTIFICATE, SIGN_BY_SIGSTORE };

struct sign_bytes {
    uint8_t *data; /* owned */
    size_t n;
};

struct sign_bundle {
    enum sign_method method;
    struct buf payload, signature;
    char *hint;            /* NULL: none */
    struct sign_bytes key; /* of older bundles, as it stands there */
    struct sign_bytes certificates[SIGN_CERTIFICATES]; /* DER, the signer's first */
    int n_certificates;
};

glass_status sign_bundle_write(struct buf *out, const struct buf *payload,
                               const struct buf *signature, const char *hint,
                               STACK_OF(X509) * certificates);
glass_status sign_bundle_read(struct sign_bundle *out, const char *path);
/* path is for messages. */
glass_status sign_bundle_parse(struct sign_bundle *out, const char *text, size_t n_bytes,
                               const char *path);
void sign_bundle_free(struct sign_bundle *b);

/* ---- certificates: sign_cert.c ---- */

/* Adds those of a PEM file. */
glass_status sign_cert_read(STACK_OF(X509) * out, const char *path);
/* The bundle's, the signer's first. */
glass_status sign_cert_bundle(STACK_OF(X509) * out, const struct sign_bundle *b,
                              const char *where);
/* Whether a chain leads from certificates[0] over the others to one of trusted, now, and it may
 * sign. GLASS_NEGATIVE with the reason. */
glass_status sign_cert_check(STACK_OF(X509) * certificates, STACK_OF(X509) * trusted,
                             const char *where);
/* Its subject, or the names in it where it has none; its issuer's. */
glass_status sign_cert_names(struct audit_pool *pool, const char **subject,
                             const char **issuer, X509 *certificate);
void sign_cert_free(STACK_OF(X509) * certificates);

#endif
