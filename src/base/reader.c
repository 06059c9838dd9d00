/* reader.c - bounded little-endian reads. */
#include "base/reader.h"

#include <string.h>

glass_status reader_bytes(struct reader *r, const uint8_t **out, size_t n,
                          const char *what) {
    if (n > r->size - r->pos) {
        *out = NULL;
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: %s needs %zu bytes but the file ends after %zu; it is cut "
            "short or damaged",
            r->name, r->pos, what, n, r->size - r->pos);
    }
    *out = r->data + r->pos;
    r->pos += n;
    return GLASS_OK;
}

glass_status reader_skip(struct reader *r, size_t n, const char *what) {
    const uint8_t *ignored;
    return reader_bytes(r, &ignored, n, what);
}

glass_status reader_u8(struct reader *r, uint8_t *out, const char *what) {
    const uint8_t *p;
    *out = 0;
    TRY(reader_bytes(r, &p, 1, what));
    *out = p[0];
    return GLASS_OK;
}

glass_status reader_u16(struct reader *r, uint16_t *out, const char *what) {
    const uint8_t *p;
    *out = 0;
    TRY(reader_bytes(r, &p, 2, what));
    *out = (uint16_t)(p[0] | p[1] << 8);
    return GLASS_OK;
}

glass_status reader_u32(struct reader *r, uint32_t *out, const char *what) {
    const uint8_t *p;
    *out = 0;
    TRY(reader_bytes(r, &p, 4, what));
    *out =
        (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return GLASS_OK;
}

glass_status reader_u64(struct reader *r, uint64_t *out, const char *what) {
    const uint8_t *p;
    *out = 0;
    TRY(reader_bytes(r, &p, 8, what));
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | p[i];
    *out = value;
    return GLASS_OK;
}

glass_status reader_align(struct reader *r, size_t alignment) {
    size_t past = r->pos % alignment;
    if (past == 0) return GLASS_OK;
    return reader_skip(r, alignment - past, "padding");
}
