/* sign_verify.c - checking a signature, and a model against it. Nothing of what is signed is looked
 * at before the signature holds. */
#include "open/sign_parts.h"

#include <stdlib.h>

struct report {
    glass_signature_report r;
    glass_signature_difference *list; /* r.differences */
    int64_t room;
    struct audit_pool pool;
};

struct verifying {
    const glass_signature_options *o;
    const char *path; /* of the signature */
    struct report *report;
    struct sign_bundle bundle;
    struct sign_manifest manifest;
    struct sign_tree tree;
    struct sign_hasher hasher;
    EVP_PKEY *key;
    STACK_OF(X509) * certificates, *trusted;
};

/* ---- by whom ---- */

static glass_status by_given_key(struct verifying *v) {
    char hex[65];
    TRY(dsse_key_public(&v->key, v->o->key));
    TRY(dsse_key_hint(hex, v->key));
    v->report->r.signer_checked = true;
    TRY(pool_text(&v->report->pool, &v->report->r.signer, hex, 64));
    if (v->bundle.hint != NULL && strcmp(v->bundle.hint, hex) != 0)
        return fail(GLASS_NEGATIVE,
                    "%s: signed by another key: its SHA-256 is %.64s, that of %s is %s",
                    v->path, v->bundle.hint, v->o->key, hex);
    return GLASS_OK;
}

static glass_status read_certificates(struct verifying *v) {
    glass_signature_report *r = &v->report->r;
    v->certificates = sk_X509_new_null();
    v->trusted = sk_X509_new_null();
    if (v->certificates == NULL || v->trusted == NULL) return fail_memory(sizeof(void *));
    TRY(sign_cert_bundle(v->certificates, &v->bundle, v->path));
    for (int64_t i = 0; i < v->o->n_certificates; i++)
        TRY(sign_cert_read(v->trusted, v->o->certificates[i]));
    return sign_cert_names(&v->report->pool, &r->signer, &r->issuer,
                           sk_X509_value(v->certificates, 0));
}

static glass_status by_certificate(struct verifying *v) {
    TRY(read_certificates(v));
    if (!v->o->any_signer) {
        if (v->bundle.method == SIGN_BY_SIGSTORE)
            return fail(
                GLASS_BAD_INPUT,
                "%s: signed without a lasting key (Sigstore, as %s): who that was stands "
                "in "
                "a public log, which is not asked here; --any-signer checks the files",
                v->path, v->report->r.signer);
        TRY(sign_cert_check(v->certificates, v->trusted, v->path));
        v->report->r.signer_checked = true;
    }
    v->key = X509_get_pubkey(sk_X509_value(v->certificates, 0));
    if (v->key == NULL)
        return dsse_fail(GLASS_BAD_INPUT, "%s: its certificate has no key", v->path);
    return dsse_key_check(v->key, v->path);
}

static glass_status find_signer(struct verifying *v) {
    char hex[65];
    if ((v->o->key != NULL) + (v->o->n_certificates > 0) + v->o->any_signer != 1)
        return fail(GLASS_USAGE,
                    "whose signature is it to be? one of a public key, certificates that "
                    "are trusted, and any signer can be given");
    if (v->o->key != NULL) return by_given_key(v);
    if (v->bundle.method != SIGN_BY_KEY) return by_certificate(v);
    if (v->o->n_certificates > 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: signed by a key without a certificate: its public key is needed",
                    v->path);
    if (v->bundle.key.n == 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: the signature does not hold its key, whose SHA-256 is %.64s: "
                    "without it nothing can be checked",
                    v->path, v->bundle.hint);
    TRY(dsse_key_public_bytes(&v->key, v->bundle.key.data, v->bundle.key.n, v->path));
    TRY(dsse_key_hint(hex, v->key));
    return pool_text(&v->report->pool, &v->report->r.signer, hex, 64);
}

/* Whether the signature is by v->key over the payload, in the old encoding or not. */
static glass_status check_text(struct verifying *v, bool *good, bool old,
                               const EVP_MD *md) {
    struct buf text = {0};
    const struct buf *p = &v->bundle.payload, *s = &v->bundle.signature;
    glass_status status = old ? dsse_encode_old(&text, DSSE_INTOTO, p->data, p->len)
                              : dsse_encode(&text, DSSE_INTOTO, p->data, p->len);
    if (status == GLASS_OK)
        status = dsse_verify(good, v->key, md, s->data, s->len, text.data, text.len);
    buf_free(&text);
    return status;
}

static glass_status check_signature(struct verifying *v) {
    bool good = false, old = false;
    TRY(check_text(v, &good, false, NULL));
    /* model-signing 0.2 hashed by SHA-256 whatever the certificate's curve. */
    if (!good) TRY(check_text(v, &old, true, NULL));
    if (!good && !old) TRY(check_text(v, &old, true, EVP_sha256()));
    if (!good && !old)
        return fail(GLASS_NEGATIVE,
                    "%s: the signature is not by that key over what it holds: one of them "
                    "was changed, or it is somebody else's",
                    v->path);
    TRY(sign_statement_read(&v->manifest, v->bundle.payload.data, v->bundle.payload.len,
                            v->path));
    if (v->manifest.old == old) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: signed in the form of another version than it holds",
                v->path);
}

/* ---- what ---- */

static glass_status differ(struct verifying *v, glass_signature_difference_kind kind,
                           const char *name, const char *wanted, const char *found) {
    struct report *p = v->report;
    if (p->r.n_differences == p->room) {
        int64_t room = p->room > 0 ? 2 * p->room : 16;
        TRY(mem_resize(&p->list, (size_t)room, sizeof *p->list));
        p->room = room;
    }
    glass_signature_difference d = {.kind = kind};
    TRY(pool_text(&p->pool, &d.name, name, strlen(name)));
    TRY(pool_text(&p->pool, &d.wanted, wanted, strlen(wanted)));
    TRY(pool_text(&p->pool, &d.found, found, strlen(found)));
    p->list[p->r.n_differences++] = d;
    p->r.differences = p->list;
    return GLASS_OK;
}

/* A file against its items, first[0..n): one, or one for each part of it. */
static glass_status compare_file(struct verifying *v, const struct sign_file *file,
                                 const struct sign_item *first, int64_t n) {
    uint64_t shard = v->manifest.shard_bytes, at = 0;
    for (int64_t i = 0; i < n; i++) {
        char hex[SIGN_DIGEST_TEXT] = "";
        uint64_t end = shard > 0 ? first[i].end : file->n_bytes;
        bool fits = shard == 0 || (first[i].begin == at && end <= file->n_bytes &&
                                   (end - at == shard || end == file->n_bytes));
        if (fits)
            TRY(sign_hash(hex, &v->hasher, file, first[i].begin,
                          shard > 0 ? end : UINT64_MAX));
        if (strcmp(hex, first[i].digest) != 0)
            TRY(differ(v, GLASS_SIGNATURE_CHANGED, first[i].name, first[i].digest, hex));
        at = end;
    }
    if (shard > 0 && at < file->n_bytes)
        return differ(v, GLASS_SIGNATURE_ADDED, file->name, "", "");
    return GLASS_OK;
}

/* How many of the items from i on are of the same file. */
static int64_t items_of_file(const struct sign_manifest *m, int64_t i) {
    int64_t n = 1;
    while (i + n < m->n &&
           sign_item_compare(m->items[i].name, m->items[i].n_name, m->items[i + n].name,
                             m->items[i + n].n_name) == 0)
        n++;
    return n;
}

static int compare_names(const struct verifying *v, const struct sign_item *item,
                         const struct sign_file *file) {
    const char *name = file->name;
    /* A single file's name is its own, or a dot. */
    bool named = v->tree.one && !(item->n_name == 1 && item->name[0] == '.');
    if (named) name = v->tree.base;
    return sign_item_compare(item->name, item->n_name, name, strlen(name));
}

static glass_status compare_files(struct verifying *v) {
    const struct sign_manifest *m = &v->manifest;
    const struct sign_tree *t = &v->tree;
    int64_t i = 0, k = 0;
    while (i < m->n || k < t->n) {
        int d = i == m->n   ? 1
                : k == t->n ? -1
                            : compare_names(v, &m->items[i], &t->files[k]);
        int64_t n = i < m->n ? items_of_file(m, i) : 0;
        if (d == 0) {
            TRY(compare_file(v, &t->files[k], &m->items[i], n));
        } else if (d < 0) {
            for (int64_t j = i; j < i + n; j++)
                TRY(differ(v, GLASS_SIGNATURE_MISSING, m->items[j].name, m->items[j].digest,
                           ""));
        } else if (!v->o->ignore_unsigned &&
                   !(m->shard_bytes > 0 && t->files[k].n_bytes == 0)) {
            /* Empty files have no parts. */
            TRY(differ(v, GLASS_SIGNATURE_ADDED, t->one ? t->base : t->files[k].name, "",
                       ""));
        }
        if (d <= 0) {
            i += n;
            v->report->r.n_files++;
        }
        k += d >= 0;
    }
    return GLASS_OK;
}

static int by_kind(const void *a, const void *b) {
    const glass_signature_difference *x = a, *y = b;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    return strcmp(x->name, y->name);
}

static glass_status tell_differences(struct verifying *v, const char *model) {
    static const char *const names[] = {"changed", "missing", "not signed"};
    enum { SHOWN = 3 };
    glass_signature_report *r = &v->report->r;
    struct buf text = {0};
    glass_status status = GLASS_OK;
    int64_t of_kind = 0;
    qsort(v->report->list, (size_t)r->n_differences, sizeof *v->report->list, by_kind);
    for (int64_t i = 0; status == GLASS_OK && i < r->n_differences; i++) {
        const glass_signature_difference *d = &r->differences[i];
        bool first = i == 0 || d[-1].kind != d->kind;
        bool last = i + 1 == r->n_differences || d[1].kind != d->kind;
        of_kind = first ? 1 : of_kind + 1;
        if (first) status = buf_printf(&text, "%s%s: ", i > 0 ? "; " : "", names[d->kind]);
        if (status == GLASS_OK && of_kind <= SHOWN)
            status = buf_printf(&text, "%s%.200s", first ? "" : ", ", d->name);
        if (status == GLASS_OK && last && of_kind > SHOWN)
            status = buf_printf(&text, " and %lld more", (long long)(of_kind - SHOWN));
    }
    if (status == GLASS_OK)
        status = fail(GLASS_NEGATIVE, "%s: not what was signed: %s", model, text.data);
    buf_free(&text);
    return status;
}

static glass_status verify(struct verifying *v, const char *model, const char *path) {
    static const char *const methods[] = {"key", "certificate", "sigstore"};
    glass_signature_report *r = &v->report->r;
    struct sign_manifest *m = &v->manifest;
    TRY(sign_bundle_read(&v->bundle, path));
    r->method = methods[v->bundle.method];
    TRY(find_signer(v));
    TRY(check_signature(v));
    TRY(pool_text(&v->report->pool, &r->name, m->name, strlen(m->name)));
    TRY(pool_text(&v->report->pool, &r->root, m->root, strlen(m->root)));
    r->old_form = m->old;
    for (int64_t i = 0; i < v->o->n_ignore; i++)
        TRY(sign_ignore(&m->ignored, v->o->ignore[i]));
    TRY(sign_ignore_file(&m->ignored, model, path));
    TRY(sign_tree_open(&v->tree, model, &m->ignored, m->follow_links));
    v->hasher = (struct sign_hasher){.tree = &v->tree,
                                     .kind = m->hash,
                                     .progress = v->o->progress,
                                     .context = v->o->context};
    for (int64_t i = 0; i < v->tree.n; i++) v->hasher.n_bytes += v->tree.files[i].n_bytes;
    TRY(compare_files(v));
    r->n_bytes = v->hasher.n_done;
    r->n_outside = v->tree.n_outside;
    return r->n_differences > 0 ? tell_differences(v, model) : GLASS_OK;
}

glass_status glass_signature_verify(glass_signature_report **out, const char *model,
                                    const char *signature,
                                    const glass_signature_options *options) {
    static const glass_signature_options none = {0};
    struct verifying v = {.o = options != NULL ? options : &none, .path = signature};
    *out = NULL;
    TRY(mem_alloc_zero(&v.report, 1, sizeof *v.report));
    v.report->r = (glass_signature_report){
        .method = "", .signer = "", .issuer = "", .name = "", .root = ""};
    glass_status status = verify(&v, model, signature);
    bool keep =
        status == GLASS_OK || (status == GLASS_NEGATIVE && v.report->r.n_differences > 0);
    if (keep)
        *out = &v.report->r;
    else
        glass_signature_report_free(&v.report->r);
    sign_hasher_free(&v.hasher);
    sign_tree_close(&v.tree);
    sign_manifest_free(&v.manifest);
    sign_bundle_free(&v.bundle);
    sign_cert_free(v.certificates);
    sign_cert_free(v.trusted);
    EVP_PKEY_free(v.key);
    return status;
}

void glass_signature_report_free(glass_signature_report *report) {
    if (report == NULL) return;
    struct report *p = (struct report *)report; /* its first member */
    pool_free(&p->pool);
    mem_free(p->list);
    mem_free(p);
}
