/* fuzz_dep5.c - libFuzzer target: any text as a debian/copyright is refused without a message, or
 * read: fields lie inside it, licences are expressions that are read again. */
#include "fuzz_common.h"

#include "data/dep5.h"
#include "data/licence.h"

static void check_field(const struct dep5_field *f, const uint8_t *data, size_t size) {
    if (f->n_bytes == 0) return;
    MUST((const uint8_t *)f->text >= data && (const uint8_t *)f->text <= data + size);
    MUST(f->n_bytes <= (size_t)(data + size - (const uint8_t *)f->text));
    fuzz_read(f->text, f->n_bytes);
}

/* What was made is an expression: it comes back as itself. */
static void check_expression(const struct buf *b) {
    struct buf again = {0};
    if (b->len == 0) return;
    MUST(memchr(b->data, '\0', b->len) == NULL && memchr(b->data, '\n', b->len) == NULL);
    MUST(licence_normal(&again, b->data, b->len) == GLASS_OK);
    MUST(again.len > 0);
    MUST(licence_within(b->data, b->data));
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const paths[] = {"a.c", "debian/rules", "src/x/y.h", ""};
    struct dep5 d;
    struct buf out = {0};
    bool contradictory;
    mem_asked_bytes();
    glass_status status = dep5_parse(&d, (const char *)data, size);
    MUST(mem_asked_bytes() <= 256 * size + (1u << 20));
    if (status != GLASS_OK) {
        MUST(status == GLASS_NEGATIVE);
        return 0;
    }
    for (int i = 0; i < d.n; i++) {
        check_field(&d.stanzas[i].files, data, size);
        check_field(&d.stanzas[i].copyright, data, size);
        check_field(&d.stanzas[i].licence, data, size);
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int at = dep5_find(&d, paths[i]);
        MUST(at >= -1 && at < d.n);
        buf_clear(&out);
        if (at < 0) continue;
        MUST(dep5_licence(&out, &d, at, &contradictory) == GLASS_OK);
        check_expression(&out);
    }
    buf_clear(&out);
    MUST(dep5_whole(&out, &d, &contradictory) == GLASS_OK);
    check_expression(&out);
    buf_free(&out);
    dep5_clear(&d);
    return 0;
}
