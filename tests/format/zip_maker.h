/* zip_maker.h - zip archives for tests, as torch.save lays them out, with everything that can
 * be wrong in them at hand. */
#ifndef ZIP_MAKER_H
#define ZIP_MAKER_H

#include "base/buf.h"
#include "format/zip.h"

#include <assert.h>

enum { ZIP_MEMBERS = 16 };

struct zip_maker {
    struct buf b;
    struct zip_member {
        const char *name;
        size_t local, data, central, n_bytes; /* places in b */
        uint32_t crc;
    } members[ZIP_MEMBERS];
    int n;
    size_t directory, end; /* places in b, once finished */
    bool zip64;
};

static inline void zip_put(struct zip_maker *z, uint64_t value, int n_bytes) {
    for (int i = 0; i < n_bytes; i++) {
        glass_status status = buf_byte(&z->b, (char)(i < 8 ? value >> (8 * i) : 0));
        assert(status == GLASS_OK);
        (void)status;
    }
}

static inline void zip_bytes(struct zip_maker *z, const void *bytes, size_t n) {
    glass_status status = buf_append(&z->b, bytes, n);
    assert(status == GLASS_OK);
    (void)status;
}

static inline void zip_add(struct zip_maker *z, const char *name, const void *bytes,
                           size_t n) {
    struct zip_member *m = &z->members[z->n++];
    assert(z->n <= ZIP_MEMBERS);
    *m = (struct zip_member){.name = name, .local = z->b.len, .n_bytes = n};
    m->crc = zip_crc(0, bytes, n);
    zip_put(z, 0x04034b50, 4);
    zip_put(z, z->zip64 ? 45 : 20, 2);
    zip_put(z, 0, 2 + 2 + 4); /* flags, method, time and date */
    zip_put(z, m->crc, 4);
    zip_put(z, z->zip64 ? UINT32_MAX : n, 4);
    zip_put(z, z->zip64 ? UINT32_MAX : n, 4);
    zip_put(z, strlen(name), 2);
    zip_put(z, z->zip64 ? 20 : 0, 2);
    zip_bytes(z, name, strlen(name));
    if (z->zip64) {
        zip_put(z, 1, 2);
        zip_put(z, 16, 2);
        zip_put(z, n, 8);
        zip_put(z, n, 8);
    }
    m->data = z->b.len;
    zip_bytes(z, bytes, n);
}

static inline void zip_record(struct zip_maker *z, struct zip_member *m) {
    m->central = z->b.len;
    zip_put(z, 0x02014b50, 4);
    zip_put(z, 0, 2);
    zip_put(z, z->zip64 ? 45 : 20, 2);
    zip_put(z, 0, 2 + 2 + 4);
    zip_put(z, m->crc, 4);
    zip_put(z, z->zip64 ? UINT32_MAX : m->n_bytes, 4);
    zip_put(z, z->zip64 ? UINT32_MAX : m->n_bytes, 4);
    zip_put(z, strlen(m->name), 2);
    zip_put(z, z->zip64 ? 28 : 0, 2);
    zip_put(z, 0, 2 + 2 + 2 + 4); /* comment, disk, attributes */
    zip_put(z, z->zip64 ? UINT32_MAX : m->local, 4);
    zip_bytes(z, m->name, strlen(m->name));
    if (!z->zip64) return;
    zip_put(z, 1, 2);
    zip_put(z, 24, 2);
    zip_put(z, m->n_bytes, 8);
    zip_put(z, m->n_bytes, 8);
    zip_put(z, m->local, 8);
}

static inline void zip_finish(struct zip_maker *z) {
    z->directory = z->b.len;
    for (int i = 0; i < z->n; i++) zip_record(z, &z->members[i]);
    size_t n = z->b.len - z->directory, end64 = z->b.len;
    if (z->zip64) {
        zip_put(z, 0x06064b50, 4);
        zip_put(z, 44, 8);
        zip_put(z, 45 | 45 << 16, 4);
        zip_put(z, 0, 4 + 4);
        zip_put(z, (uint64_t)z->n, 8);
        zip_put(z, (uint64_t)z->n, 8);
        zip_put(z, n, 8);
        zip_put(z, z->directory, 8);
        zip_put(z, 0x07064b50, 4);
        zip_put(z, 0, 4);
        zip_put(z, end64, 8);
        zip_put(z, 1, 4);
    }
    z->end = z->b.len;
    zip_put(z, 0x06054b50, 4);
    zip_put(z, 0, 2 + 2);
    zip_put(z, z->zip64 ? 0xffff : (uint64_t)z->n, 2);
    zip_put(z, z->zip64 ? 0xffff : (uint64_t)z->n, 2);
    zip_put(z, z->zip64 ? UINT32_MAX : n, 4);
    zip_put(z, z->zip64 ? UINT32_MAX : z->directory, 4);
    zip_put(z, 0, 2);
}

static inline void zip_patch(struct zip_maker *z, size_t at, uint64_t value, int n_bytes) {
    for (int i = 0; i < n_bytes; i++) z->b.data[at + (size_t)i] = (char)(value >> (8 * i));
}

#endif
