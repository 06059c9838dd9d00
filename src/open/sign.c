/* sign.c - signing a model. */
#include "glass/sign.h"

#include "base/path.h"
#include "open/sign_parts.h"

#include <stdio.h>

struct signing {
    const glass_sign_options *o;
    struct sign_ignored ignored;
    struct sign_tree tree;
    struct sign_hasher hasher;
    EVP_PKEY *key;
    STACK_OF(X509) * certificates; /* NULL: by key alone */
    struct buf statement, text, signature, bundle;
};

static glass_status open_keys(struct signing *s) {
    const glass_sign_options *o = s->o;
    if (o == NULL || o->key == NULL)
        return fail(GLASS_USAGE, "no key to sign with is given");
    if (o->certificate == NULL && o->n_chain > 0)
        return fail(GLASS_USAGE, "a chain of certificates needs the signer's in front");
    TRY(dsse_key_private(&s->key, o->key, o->password));
    if (o->certificate == NULL) return GLASS_OK;
    s->certificates = sk_X509_new_null();
    if (s->certificates == NULL) return fail_memory(sizeof(void *));
    TRY(sign_cert_read(s->certificates, o->certificate));
    for (int64_t i = 0; i < o->n_chain; i++)
        TRY(sign_cert_read(s->certificates, o->chain[i]));
    if (sk_X509_num(s->certificates) > SIGN_CERTIFICATES)
        return fail(GLASS_BAD_INPUT, "more than %d certificates", SIGN_CERTIFICATES);
    EVP_PKEY *theirs = X509_get0_pubkey(sk_X509_value(s->certificates, 0));
    if (theirs == NULL || EVP_PKEY_eq(s->key, theirs) != 1)
        return fail(GLASS_BAD_INPUT, "%s: the certificate of another key than %s",
                    o->certificate, o->key);
    return GLASS_OK;
}

static glass_status open_model(struct signing *s, const char *model, const char *to) {
    const glass_sign_options *o = s->o;
    TRY(sign_ignore_defaults(&s->ignored));
    for (int64_t i = 0; i < o->n_ignore; i++) {
        if (strpbrk(o->ignore[i], "*?[") != NULL)
            return fail(GLASS_USAGE,
                        "\"%.100s\" cannot be left out: patterns are not allowed in "
                        "signatures; name files and folders",
                        o->ignore[i]);
        TRY(sign_ignore(&s->ignored, o->ignore[i]));
    }
    TRY(sign_ignore_file(&s->ignored, model, to));
    TRY(sign_tree_open(&s->tree, model, &s->ignored, o->follow_links));
    if (s->tree.n == 0)
        return fail(GLASS_BAD_INPUT, "%s: there is no file in it to be signed", model);
    s->hasher = (struct sign_hasher){
        .tree = &s->tree, .progress = o->progress, .context = o->context};
    for (int64_t i = 0; i < s->tree.n; i++) s->hasher.n_bytes += s->tree.files[i].n_bytes;
    return GLASS_OK;
}

static glass_status sign_all(struct signing *s, const char *model, const char *to,
                             glass_sign_report *report) {
    TRY(open_keys(s));
    TRY(open_model(s, model, to));
    TRY(dsse_key_hint(report->key_sha256, s->key));
    TRY(sign_statement_write(&s->statement, report->root, &s->hasher, &s->tree, &s->ignored,
                             s->o->follow_links, s->o->file_name));
    TRY(dsse_encode(&s->text, DSSE_INTOTO, s->statement.data, s->statement.len));
    TRY(dsse_sign(&s->signature, s->key, s->text.data, s->text.len));
    TRY(sign_bundle_write(&s->bundle, &s->statement, &s->signature, report->key_sha256,
                          s->certificates));
    report->n_files = s->tree.n;
    report->n_bytes = s->hasher.n_done;
    report->n_outside = s->tree.n_outside;
    return path_write_whole(to, s->bundle.data, s->bundle.len);
}

glass_status glass_sign(const char *model, const char *signature,
                        const glass_sign_options *options, glass_sign_report *report) {
    struct signing s = {.o = options};
    glass_sign_report r = {0};
    glass_status status = sign_all(&s, model, signature, &r);
    *report = status == GLASS_OK ? r : (glass_sign_report){0};
    sign_hasher_free(&s.hasher);
    sign_tree_close(&s.tree);
    sign_ignored_free(&s.ignored);
    sign_cert_free(s.certificates);
    EVP_PKEY_free(s.key);
    buf_free(&s.statement);
    buf_free(&s.text);
    buf_free(&s.signature);
    buf_free(&s.bundle);
    return status;
}
