/* Signatures: base64 and the envelope's encodings, every byte of a signature flipped and every length
 * of it, a model's bytes flipped, every allocation failing. */
#include "base/path.h"
#include "glass/sign.h"
#include "open/dsse.h"
#include "open/sign_parts.h"

#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
// cmocka wants the ones above first
#include <cmocka.h>

static char folder[] = "/tmp/glass-sign-XXXXXX";
static char model[64], key[64], pub[64], sig[64], other[64];

static void write_file(const char *path, const void *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state) {
    char path[128];
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(model, sizeof model, "%s/model", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    snprintf(pub, sizeof pub, "%s/pub.pem", folder);
    snprintf(sig, sizeof sig, "%s/model.sig", folder);
    snprintf(other, sizeof other, "%s/other.sig", folder);
    snprintf(path, sizeof path, "%s/sub", model);
    if (mkdir(model, 0700) != 0 || mkdir(path, 0700) != 0) return -1;
    snprintf(path, sizeof path, "%s/weights", model);
    write_file(path, "0123456789", 10);
    snprintf(path, sizeof path, "%s/sub/config", model);
    write_file(path, "{}", 2);
    EVP_PKEY *k = EVP_EC_gen("P-256");
    BIO *bio = BIO_new_file(key, "w");
    if (PEM_write_bio_PrivateKey(bio, k, NULL, NULL, 0, NULL, NULL) != 1) return -1;
    BIO_free(bio);
    bio = BIO_new_file(pub, "w");
    if (PEM_write_bio_PUBKEY(bio, k) != 1) return -1;
    BIO_free(bio);
    EVP_PKEY_free(k);
    return 0;
}

static int teardown(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static glass_status sign(void) {
    glass_sign_report r;
    const glass_sign_options o = {.key = key};
    return glass_sign(model, sig, &o, &r);
}

/* The status, and how many differences there are (-1: no report). */
static glass_status verify(int64_t *n, const char *signature) {
    glass_signature_report *r;
    const glass_signature_options o = {.key = pub};
    glass_status status = glass_signature_verify(&r, model, signature, &o);
    *n = r != NULL ? r->n_differences : -1;
    glass_signature_report_free(r);
    return status;
}

static void base64_is_exact(void **state) {
    static const struct {
        const char *bytes, *text;
    } good[] = {{"", ""},
                {"f", "Zg=="},
                {"fo", "Zm8="},
                {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="},
                {"fooba", "Zm9vYmE="},
                {"foobar", "Zm9vYmFy"},
                {"\xff\xfe\xfb", "//77"}}; /* RFC 4648, 10 */
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",   "Zg===", "=Zg=", "Zh==",
                                      "Zm9=", "Z g=", "Zg=\n", "====",  "__77", "Zm9v="};
    struct buf out = {0};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        buf_clear(&out);
        assert_int_equal(dsse_base64(&out, good[i].bytes, strlen(good[i].bytes)), GLASS_OK);
        assert_int_equal(out.len, strlen(good[i].text));
        assert_memory_equal(out.data, good[i].text, out.len);
        buf_clear(&out);
        assert_int_equal(dsse_base64_parse(&out, good[i].text, strlen(good[i].text), "x"),
                         GLASS_OK);
        assert_int_equal(out.len, strlen(good[i].bytes));
        assert_memory_equal(out.data, good[i].bytes, out.len);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf_clear(&out);
        if (dsse_base64_parse(&out, bad[i], strlen(bad[i]), "x") != GLASS_BAD_INPUT)
            fail_msg("%s was taken", bad[i]);
    }
    buf_free(&out);
}

/* The example of the protocol, and Python's way to print bytes. */
static void encodings(void **state) {
    static const char hard[] = "a\n\t\\\"\x01\xff'";
    struct buf out = {0};
    (void)state;
    assert_int_equal(dsse_encode(&out, "http://example.com/HelloWorld", "hello world", 11),
                     GLASS_OK);
    assert_string_equal(out.data, "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    buf_clear(&out);
    assert_int_equal(dsse_encode_old(&out, "t", hard, 7), GLASS_OK);
    assert_string_equal(out.data, "DSSEV1 1 t 7 b'a\\n\\t\\\\\"\\x01\\xff'");
    buf_clear(&out);
    assert_int_equal(dsse_encode_old(&out, "t", hard, 8), GLASS_OK);
    assert_string_equal(out.data, "DSSEV1 1 t 8 b'a\\n\\t\\\\\"\\x01\\xff\\''");
    buf_clear(&out);
    assert_int_equal(dsse_encode_old(&out, "t", "'", 1), GLASS_OK);
    assert_string_equal(out.data, "DSSEV1 1 t 1 b\"'\"");
    buf_free(&out);
}

static void signs_and_verifies(void **state) {
    int64_t n;
    (void)state;
    assert_int_equal(sign(), GLASS_OK);
    assert_int_equal(verify(&n, sig), GLASS_OK);
    assert_int_equal(n, 0);
}

/* Whatever byte of a signature is another one: it does not hold, but for the few that carry no
 * meaning (the key's and the signature's names). */
static void flipped_signatures(void **state) {
    struct buf text = {0};
    int64_t n, held = 0;
    (void)state;
    assert_int_equal(sign(), GLASS_OK);
    assert_int_equal(path_read_whole(&text, sig, 1 << 20), GLASS_OK);
    for (size_t i = 0; i < text.len; i++) {
        char was = text.data[i];
        text.data[i] = (char)(was ^ (1 << (i % 7)));
        write_file(other, text.data, text.len);
        glass_status status = verify(&n, other);
        if (status != GLASS_NEGATIVE && status != GLASS_BAD_INPUT) {
            held++;
            if (status != GLASS_OK) fail_msg("byte %zu: status %d", i, status);
        }
        if (n > 0) fail_msg("byte %zu: files were compared", i);
        text.data[i] = was;
    }
    /* "tlogEntries" under another name, which a signature by key need not have. */
    if (held > 11) fail_msg("%lld flips were not seen", (long long)held);
    for (size_t i = 0; i + 1 < text.len; i++) {
        write_file(other, text.data, i);
        if (verify(&n, other) != GLASS_BAD_INPUT) fail_msg("%zu bytes were enough", i);
    }
    buf_free(&text);
}

static void flipped_model(void **state) {
    char path[128], bytes[] = "0123456789";
    int64_t n;
    (void)state;
    snprintf(path, sizeof path, "%s/weights", model);
    assert_int_equal(sign(), GLASS_OK);
    for (size_t i = 0; i < 80; i++) {
        bytes[i / 8] ^= (char)(1 << i % 8);
        write_file(path, bytes, 10);
        assert_int_equal(verify(&n, sig), GLASS_NEGATIVE);
        assert_int_equal(n, 1);
        assert_non_null(strstr(glass_error(), "changed: weights"));
        bytes[i / 8] ^= (char)(1 << i % 8);
    }
    write_file(path, bytes, 9);
    assert_int_equal(verify(&n, sig), GLASS_NEGATIVE);
    write_file(path, bytes, 10);
    assert_int_equal(verify(&n, sig), GLASS_OK);
}

/* Each allocation fails once: an error, nothing lost, the signature there was stays. */
static void no_memory(void **state) {
    int64_t n, asked;
    (void)state;
    assert_int_equal(sign(), GLASS_OK);
    mem_fail_at(0);
    assert_int_equal(sign(), GLASS_OK);
    asked = mem_fail_at(0);
    assert_true(asked > 20);
    for (int64_t i = 1; i <= asked; i++) {
        mem_fail_at(i);
        glass_status status = sign();
        mem_fail_at(0);
        assert_int_equal(status, GLASS_NO_MEMORY);
    }
    assert_int_equal(verify(&n, sig), GLASS_OK);
    mem_fail_at(0);
    assert_int_equal(verify(&n, sig), GLASS_OK);
    asked = mem_fail_at(0);
    for (int64_t i = 1; i <= asked; i++) {
        mem_fail_at(i);
        glass_status status = verify(&n, sig);
        mem_fail_at(0);
        assert_int_equal(status, GLASS_NO_MEMORY);
        assert_int_equal(n, -1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_exact),    cmocka_unit_test(encodings),
        cmocka_unit_test(signs_and_verifies), cmocka_unit_test(flipped_signatures),
        cmocka_unit_test(flipped_model),      cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
