/* fuzz_sign.c - libFuzzer target: any bytes as a signature's file, and as the statement in it. */
#include "fuzz_common.h"

#include "open/sign_parts.h"

static void statement(const char *text, size_t n) {
    struct sign_manifest m;
    glass_status status = sign_statement_read(&m, text, n, "statement");
    MUST(status == GLASS_OK || status == GLASS_BAD_INPUT);
    if (status != GLASS_OK) {
        MUST(glass_error()[0] != '\0');
        return;
    }
    MUST(m.n > 0);
    for (int64_t i = 0; i < m.n; i++) {
        const struct sign_item *item = &m.items[i];
        MUST(item->n_name > 0 && item->n_name <= strlen(item->name));
        MUST(item->name[0] != '/' && item->begin < item->end);
        fuzz_read(item->digest, strlen(item->digest));
    }
    for (int64_t i = 0; i < m.ignored.n; i++) MUST(m.ignored.items[i][0] != '/');
    sign_manifest_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sign_bundle b;
    glass_status status = sign_bundle_parse(&b, (const char *)data, size, "bundle");
    MUST(status == GLASS_OK || status == GLASS_BAD_INPUT);
    if (status == GLASS_OK) {
        MUST(b.payload.len > 0 && b.signature.len > 0);
        STACK_OF(X509) *list = sk_X509_new_null();
        const char *subject, *issuer;
        struct audit_pool pool = {0};
        if (sign_cert_bundle(list, &b, "bundle") == GLASS_OK && sk_X509_num(list) > 0)
            sign_cert_names(&pool, &subject, &issuer, sk_X509_value(list, 0));
        pool_free(&pool);
        sign_cert_free(list);
        statement(b.payload.data, b.payload.len);
        sign_bundle_free(&b);
    } else {
        MUST(glass_error()[0] != '\0');
        statement((const char *)data, size);
    }
    return 0;
}
