/* sign_bundle.c - the file: a Sigstore bundle around an envelope.
 * Sources: github.com/sigstore/protobuf-specs, sigstore_bundle.proto; the bundle and envelope
 * schemas of github.com/ossf/model-signing-spec. */
#include "base/path.h"
#include "open/sign_parts.h"

#include <jansson.h>

/* ---- writing ---- */

static glass_status write_certificates(struct buf *out, STACK_OF(X509) * list) {
    TRY(buf_text(out, "\"x509CertificateChain\":{\"certificates\":["));
    for (int i = 0; i < sk_X509_num(list); i++) {
        uint8_t *der = NULL;
        int n = i2d_X509(sk_X509_value(list, i), &der);
        if (n <= 0) return dsse_fail(GLASS_SYSTEM, "a certificate could not be written");
        glass_status status =
            buf_text(out, i > 0 ? ",{\"rawBytes\":\"" : "{\"rawBytes\":\"");
        if (status == GLASS_OK) status = dsse_base64(out, der, (size_t)n);
        if (status == GLASS_OK) status = buf_text(out, "\"}");
        OPENSSL_free(der);
        if (status != GLASS_OK) return status;
    }
    return buf_text(out, "]}");
}

glass_status sign_bundle_write(struct buf *out, const struct buf *payload,
                               const struct buf *signature, const char *hint,
                               STACK_OF(X509) * certificates) {
    TRY(buf_text(out, "{\"mediaType\":\"" SIGN_BUNDLE "\",\"verificationMaterial\":{"));
    if (certificates != NULL)
        TRY(write_certificates(out, certificates));
    else
        TRY(buf_printf(out, "\"publicKey\":{\"hint\":\"%s\"}", hint));
    TRY(buf_text(out, ",\"tlogEntries\":[]},\"dsseEnvelope\":{\"payload\":\""));
    TRY(dsse_base64(out, payload->data, payload->len));
    TRY(buf_text(out,
                 "\",\"payloadType\":\"" DSSE_INTOTO "\",\"signatures\":[{\"sig\":\""));
    TRY(dsse_base64(out, signature->data, signature->len));
    return buf_text(out, "\",\"keyid\":\"\"}]}}\n");
}

/* ---- reading ---- */

/* Other members are an error, as the schemas have it. names end in NULL. */
static glass_status only(json_t *object, const char *const *names, const char *path,
                         const char *what) {
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        bool known = false;
        for (int i = 0; names[i] != NULL; i++) known = known || !strcmp(key, names[i]);
        if (!known)
            return fail(GLASS_BAD_INPUT, "%s: %s: a member \"%.60s\" does not belong here",
                        path, what, key);
    }
    return GLASS_OK;
}

static glass_status want(json_t **out, json_t *object, const char *key, json_type type,
                         const char *path, const char *what) {
    *out = json_object_get(object, key);
    if (*out != NULL && json_typeof(*out) == type) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: no signature of a model: %s%s%s %s", path, what,
                *what ? "." : "", key,
                *out == NULL ? "is missing" : "has another type than the schema gives it");
}

static glass_status take_bytes(struct sign_bytes *out, json_t *text, const char *path,
                               const char *what) {
    struct buf bytes = {0}, where = {0};
    glass_status status = buf_printf(&where, "%s: %s", path, what);
    if (status == GLASS_OK)
        status = dsse_base64_parse(&bytes, json_string_value(text),
                                   json_string_length(text), where.data);
    if (status == GLASS_OK && bytes.len == 0)
        status = fail(GLASS_BAD_INPUT, "%s: is empty", where.data);
    if (status == GLASS_OK) status = buf_take(&bytes, (char **)&out->data, &out->n);
    buf_free(&bytes);
    buf_free(&where);
    return status;
}

static glass_status read_key(struct sign_bundle *b, json_t *key, const char *path) {
    json_t *hint = json_object_get(key, "hint"), *raw = json_object_get(key, "rawBytes");
    b->method = SIGN_BY_KEY;
    if (json_is_string(hint))
        return mem_copy_text(&b->hint, json_string_value(hint), json_string_length(hint));
    if (json_is_string(raw)) return take_bytes(&b->key, raw, path, "publicKey.rawBytes");
    return fail(GLASS_BAD_INPUT,
                "%s: no signature of a model: publicKey has neither hint nor rawBytes",
                path);
}

static glass_status read_chain(struct sign_bundle *b, json_t *chain, const char *path) {
    json_t *list, *raw;
    b->method = SIGN_BY_CERTIFICATE;
    TRY(want(&list, chain, "certificates", JSON_ARRAY, path, "x509CertificateChain"));
    if (json_array_size(list) == 0 || json_array_size(list) > SIGN_CERTIFICATES)
        return fail(GLASS_BAD_INPUT, "%s: %zu certificates; 1 to %d are wanted", path,
                    json_array_size(list), SIGN_CERTIFICATES);
    for (size_t i = 0; i < json_array_size(list); i++) {
        TRY(want(&raw, json_array_get(list, i), "rawBytes", JSON_STRING, path,
                 "certificates[]"));
        TRY(take_bytes(&b->certificates[i], raw, path, "certificates[].rawBytes"));
        b->n_certificates++;
    }
    return GLASS_OK;
}

static glass_status read_material(struct sign_bundle *b, json_t *m, const char *path) {
    json_t *key = json_object_get(m, "publicKey");
    json_t *chain = json_object_get(m, "x509CertificateChain");
    json_t *one = json_object_get(m, "certificate"), *log, *raw;
    if ((key != NULL) + (chain != NULL) + (one != NULL) != 1)
        return fail(GLASS_BAD_INPUT,
                    "%s: no signature of a model: verificationMaterial must have one of "
                    "publicKey, x509CertificateChain and certificate",
                    path);
    if (key != NULL) return read_key(b, key, path);
    if (chain != NULL) return read_chain(b, chain, path);
    b->method = SIGN_BY_SIGSTORE;
    TRY(want(&log, m, "tlogEntries", JSON_ARRAY, path, "verificationMaterial"));
    if (json_array_size(log) == 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: a keyless signature without an entry of a transparency log "
                    "(tlogEntries is empty)",
                    path);
    TRY(want(&raw, one, "rawBytes", JSON_STRING, path, "certificate"));
    TRY(take_bytes(&b->certificates[0], raw, path, "certificate.rawBytes"));
    b->n_certificates = 1;
    return GLASS_OK;
}

static glass_status read_envelope(struct sign_bundle *b, json_t *e, const char *path) {
    static const char *const names[] = {"payload", "payloadType", "signatures", NULL};
    static const char *const of_one[] = {"sig", "keyid", NULL};
    json_t *payload, *type, *list, *sig;
    struct buf where = {0};
    TRY(only(e, names, path, "dsseEnvelope"));
    TRY(want(&type, e, "payloadType", JSON_STRING, path, "dsseEnvelope"));
    TRY(want(&payload, e, "payload", JSON_STRING, path, "dsseEnvelope"));
    TRY(want(&list, e, "signatures", JSON_ARRAY, path, "dsseEnvelope"));
    if (strcmp(json_string_value(type), DSSE_INTOTO) != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: what is signed is \"%.80s\", no in-toto statement", path,
                    json_string_value(type));
    if (json_array_size(list) != 1)
        return fail(GLASS_BAD_INPUT, "%s: %zu signatures; a bundle has one", path,
                    json_array_size(list));
    TRY(want(&sig, json_array_get(list, 0), "sig", JSON_STRING, path, "signatures[0]"));
    TRY(only(json_array_get(list, 0), of_one, path, "signatures[0]"));
    json_t *id = json_object_get(json_array_get(list, 0), "keyid");
    if (id != NULL && !json_is_string(id) && !json_is_null(id))
        return fail(GLASS_BAD_INPUT, "%s: signatures[0].keyid is no text", path);
    glass_status status = buf_printf(&where, "%s: dsseEnvelope.payload", path);
    if (status == GLASS_OK)
        status = dsse_base64_parse(&b->payload, json_string_value(payload),
                                   json_string_length(payload), where.data);
    buf_clear(&where);
    if (status == GLASS_OK) status = buf_printf(&where, "%s: signatures[0].sig", path);
    if (status == GLASS_OK)
        status = dsse_base64_parse(&b->signature, json_string_value(sig),
                                   json_string_length(sig), where.data);
    buf_free(&where);
    if (status == GLASS_OK && (b->payload.len == 0 || b->signature.len == 0))
        status = fail(GLASS_BAD_INPUT, "%s: the envelope's %s is empty", path,
                      b->payload.len == 0 ? "payload" : "signature");
    return status;
}

static bool is_bundle_type(const char *type) {
    static const char *const types[] = {
        SIGN_BUNDLE, "application/vnd.dev.sigstore.bundle+json;version=0.3",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.1"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i]) == 0) return true;
    return false;
}

static glass_status read_top(struct sign_bundle *b, json_t *top, const char *path) {
    static const char *const names[] = {"mediaType", "verificationMaterial", "dsseEnvelope",
                                        NULL};
    json_t *type, *material, *envelope;
    if (!json_is_object(top))
        return fail(GLASS_BAD_INPUT, "%s: no signature of a model: no JSON object", path);
    TRY(want(&type, top, "mediaType", JSON_STRING, path, ""));
    if (!is_bundle_type(json_string_value(type)))
        return fail(GLASS_BAD_INPUT,
                    "%s: mediaType \"%.80s\": Sigstore bundles until version 0.3 are known",
                    path, json_string_value(type));
    TRY(want(&material, top, "verificationMaterial", JSON_OBJECT, path, ""));
    TRY(want(&envelope, top, "dsseEnvelope", JSON_OBJECT, path, ""));
    TRY(only(top, names, path, "the bundle"));
    TRY(read_material(b, material, path));
    return read_envelope(b, envelope, path);
}

glass_status sign_bundle_parse(struct sign_bundle *out, const char *text, size_t n,
                               const char *path) {
    json_error_t error;
    *out = (struct sign_bundle){0};
    if (n == 0)
        return fail(GLASS_BAD_INPUT, "%s: no signature of a model: an empty file", path);
    json_t *top = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (top == NULL)
        return fail(GLASS_BAD_INPUT, "%s: no signature of a model: line %d, byte %d: %s",
                    path, error.line, error.position, error.text);
    glass_status status = read_top(out, top, path);
    json_decref(top);
    if (status != GLASS_OK) sign_bundle_free(out);
    return status;
}

glass_status sign_bundle_read(struct sign_bundle *out, const char *path) {
    struct buf text = {0};
    *out = (struct sign_bundle){0};
    glass_status status = path_read_whole(&text, path, SIGN_BUNDLE_BYTES);
    if (status == GLASS_OK) status = sign_bundle_parse(out, text.data, text.len, path);
    buf_free(&text);
    return status;
}

void sign_bundle_free(struct sign_bundle *b) {
    for (int i = 0; i < SIGN_CERTIFICATES; i++) mem_free(b->certificates[i].data);
    mem_free(b->key.data);
    mem_free(b->hint);
    buf_free(&b->payload);
    buf_free(&b->signature);
    *b = (struct sign_bundle){0};
}
