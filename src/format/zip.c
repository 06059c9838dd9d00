/* zip.c - reads zip archives with stored members, zip64 included. */
#include "format/zip.h"

#include "format/archive_parts.h"

#include <stdlib.h>

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    FLAG_ENCRYPTED = 1,
    FLAG_DESCRIPTOR = 8, /* sizes and CRC follow the data, not the local header */
    SHOWN = 100
};

static const uint32_t IN_ZIP64 = 0xffffffff;

/* Where the central directory lies. */
struct directory {
    uint64_t n, n_bytes, offset;
    size_t end; /* what follows it begins here */
};

static glass_status bad(const struct zip *z, size_t pos, const char *what) {
    return fail(GLASS_BAD_INPUT, "%s: byte %zu: %s", z->path, pos, what);
}

/* The end record stands last, before a comment of its own length. */
static glass_status find_end(const struct zip *z, size_t *pos) {
    size_t least = z->n_bytes < END_BYTES ? 0 : z->n_bytes - END_BYTES;
    for (size_t comment = 0; comment <= least && comment <= UINT16_MAX; comment++) {
        const uint8_t *p = z->bytes + least - comment;
        if (archive_le32(p) != 0x06054b50 || archive_le16(p + 20) != comment) continue;
        *pos = least - comment;
        if (z->n_bytes >= END_BYTES) return GLASS_OK;
    }
    return fail(
        GLASS_BAD_INPUT,
        "%s: byte %zu: a zip archive without its directory, which should end it; the "
        "file is cut short or damaged",
        z->path, z->n_bytes);
}

/* A field of the old record either says "see zip64" or the same. */
static bool agrees(uint64_t old, uint64_t all_ones, uint64_t new) {
    return old == all_ones || old == new;
}

static glass_status read_end64(const struct zip *z, size_t end, struct directory *d) {
    const uint8_t *old = z->bytes + end, *locator = old - LOCATOR_BYTES;
    uint64_t at = archive_le64(locator + 8);
    size_t locator_pos = end - LOCATOR_BYTES;
    if (at > locator_pos || locator_pos - at != END64_BYTES)
        return bad(z, locator_pos, "the zip64 end record is not where its locator says");
    const uint8_t *p = z->bytes + at;
    if (archive_le32(p) != 0x06064b50 || archive_le64(p + 4) != END64_BYTES - 12)
        return bad(z, (size_t)at, "no zip64 end record, which should be here");
    if (archive_le32(locator + 4) != 0 || archive_le32(locator + 16) > 1 ||
        archive_le32(p + 16) != 0 || archive_le32(p + 20) != 0 ||
        archive_le64(p + 24) != archive_le64(p + 32))
        return bad(z, (size_t)at, "one part of a zip archive in several parts");
    d->n = archive_le64(p + 32);
    d->n_bytes = archive_le64(p + 40);
    d->offset = archive_le64(p + 48);
    d->end = (size_t)at;
    if (!agrees(archive_le16(old + 10), 0xffff, d->n) ||
        !agrees(archive_le32(old + 12), IN_ZIP64, d->n_bytes) ||
        !agrees(archive_le32(old + 16), IN_ZIP64, d->offset))
        return bad(z, end, "the two end records of the zip archive disagree");
    return GLASS_OK;
}

static glass_status read_end(const struct zip *z, struct directory *d) {
    size_t end;
    TRY(find_end(z, &end));
    const uint8_t *p = z->bytes + end;
    if (end >= LOCATOR_BYTES + END64_BYTES &&
        archive_le32(p - LOCATOR_BYTES) == 0x07064b50) {
        TRY(read_end64(z, end, d));
    } else {
        if (archive_le16(p + 4) != 0 || archive_le16(p + 6) != 0 ||
            archive_le16(p + 8) != archive_le16(p + 10))
            return bad(z, end, "one part of a zip archive in several parts");
        *d = (struct directory){archive_le16(p + 10), archive_le32(p + 12),
                                archive_le32(p + 16), end};
    }
    if (d->n_bytes > d->end || d->offset != d->end - d->n_bytes)
        return bad(z, end,
                   "the zip archive's directory is not where the end record says; the file "
                   "is cut short, or something was put before or after the archive");
    if (d->n > ZIP_MAX_ENTRIES || d->n > d->n_bytes / CENTRAL_BYTES)
        return bad(z, end,
                   "the zip archive claims more members than its directory can hold");
    return GLASS_OK;
}

/* Finds the zip64 field of an extra area; *field is NULL if there is none. False if the area
 * is no list of fields. */
static bool find_zip64(const uint8_t *extra, size_t n, const uint8_t **field,
                       size_t *n_field) {
    *field = NULL;
    *n_field = 0;
    while (n >= 4) {
        size_t size = archive_le16(extra + 2);
        if (size > n - 4) return false;
        if (archive_le16(extra) == 1) {
            *field = extra + 4;
            *n_field = size;
            return true;
        }
        extra += 4 + size;
        n -= 4 + size;
    }
    return true;
}

/* Replaces those of the values that stand in the zip64 field, in their order there. */
static bool widen(const uint8_t *extra, size_t n_extra, uint64_t *const *values,
                  int n_values) {
    const uint8_t *field;
    size_t n_field;
    if (!find_zip64(extra, n_extra, &field, &n_field)) return false;
    for (int i = 0; i < n_values; i++) {
        if (*values[i] != IN_ZIP64) continue;
        if (n_field < 8) return false;
        *values[i] = archive_le64(field);
        field += 8;
        n_field -= 8;
    }
    return true;
}

static glass_status check_name(const struct zip *z, const struct zip_entry *e, size_t pos) {
    if (e->n_name == 0 || e->n_name > ZIP_MAX_NAME)
        return bad(z, pos, "a zip member's name is empty or too long");
    for (size_t i = 0; i < e->n_name; i++) {
        unsigned char c = (unsigned char)e->name[i];
        if (c < 0x20 || c == 0x7f)
            return bad(z, pos, "a zip member's name holds a control byte");
    }
    return GLASS_OK;
}

static int shown(const struct zip_entry *e) {
    return e->n_name < SHOWN ? (int)e->n_name : SHOWN;
}

static glass_status refuse(const struct zip *z, const struct zip_entry *e,
                           const char *what) {
    return fail(GLASS_BAD_INPUT, "%s: byte %zu: the zip member \"%.*s\" %s", z->path,
                e->pos, shown(e), e->name, what);
}

/* The local header must say what the directory says; p is the directory's record. */
static glass_status read_local(const struct zip *z, const struct directory *d,
                               struct zip_entry *e, const uint8_t *p) {
    if (e->pos > d->offset || d->offset - e->pos < LOCAL_BYTES)
        return refuse(z, e, "begins outside of the archive");
    const uint8_t *q = z->bytes + e->pos;
    size_t n_name = archive_le16(q + 26), n_extra = archive_le16(q + 28);
    size_t left = (size_t)d->offset - e->pos - LOCAL_BYTES;
    if (archive_le32(q) != 0x04034b50) return refuse(z, e, "has no local header");
    if (n_name + n_extra > left || e->n_bytes > left - n_name - n_extra)
        return refuse(z, e, "does not fit into the archive; it is cut short or damaged");
    if (n_name != e->n_name || memcmp(q + LOCAL_BYTES, e->name, n_name) != 0)
        return refuse(z, e, "has another name in its local header");
    if (memcmp(q + 6, p + 8, 4) != 0)
        return refuse(z, e, "has other flags or another method in its local header");
    if ((archive_le16(q + 6) & FLAG_DESCRIPTOR) == 0) {
        uint64_t size = archive_le32(q + 22), packed = archive_le32(q + 18);
        uint64_t *const values[] = {&size, &packed};
        if (!widen(q + LOCAL_BYTES + n_name, n_extra, values, 2))
            return refuse(z, e, "has a broken extra field in its local header");
        if (size != e->n_bytes || packed != e->n_bytes || archive_le32(q + 14) != e->crc)
            return refuse(z, e, "has another size or CRC in its local header");
    }
    e->data = q + LOCAL_BYTES + n_name + n_extra;
    return GLASS_OK;
}

/* One record of the directory at *pos. */
static glass_status read_entry(const struct zip *z, const struct directory *d, size_t *pos,
                               struct zip_entry *e) {
    const uint8_t *p = z->bytes + *pos;
    size_t left = d->end - *pos;
    if (left < CENTRAL_BYTES || archive_le32(p) != 0x02014b50)
        return bad(z, *pos,
                   "no record of the zip archive's directory, which should be here");
    size_t n_name = archive_le16(p + 28), n_extra = archive_le16(p + 30),
           n_comment = archive_le16(p + 32);
    if (n_name + n_extra + n_comment > left - CENTRAL_BYTES)
        return bad(z, *pos, "a record of the zip archive's directory is cut short");
    uint64_t packed = archive_le32(p + 20), size = archive_le32(p + 24),
             at = archive_le32(p + 42);
    uint64_t *const values[] = {&size, &packed, &at};
    *e = (struct zip_entry){.name = (const char *)p + CENTRAL_BYTES,
                            .n_name = n_name,
                            .crc = archive_le32(p + 16),
                            .pos = *pos};
    TRY(check_name(z, e, *pos));
    if (!widen(p + CENTRAL_BYTES + n_name, n_extra, values, 3))
        return refuse(z, e, "has a broken extra field");
    if (archive_le16(p + 34) != 0) return refuse(z, e, "is on another disk");
    if ((archive_le16(p + 8) & FLAG_ENCRYPTED) != 0) return refuse(z, e, "is encrypted");
    if (archive_le16(p + 10) != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: the zip member \"%.*s\" is compressed (method %d); "
                    "torch.save stores members as they are: unpack the archive",
                    z->path, *pos, shown(e), e->name, archive_le16(p + 10));
    if (packed != size) return refuse(z, e, "is stored in another size than its own");
    if (size > z->n_bytes || at > z->n_bytes)
        return refuse(z, e, "lies beyond the end of the file");
    e->n_bytes = (size_t)size;
    e->pos = (size_t)at;
    *pos += CENTRAL_BYTES + n_name + n_extra + n_comment;
    return read_local(z, d, e, p);
}

static int by_place(const void *a, const void *b) {
    const struct zip_entry *x = a, *y = b;
    return x->pos < y->pos ? -1 : x->pos > y->pos;
}

static int compare(const char *a, size_t n_a, const char *b, size_t n_b) {
    int order = memcmp(a, b, n_a < n_b ? n_a : n_b);
    if (order != 0) return order;
    return n_a < n_b ? -1 : n_a > n_b;
}

static int by_name(const void *a, const void *b) {
    const struct zip_entry *x = a, *y = b;
    return compare(x->name, x->n_name, y->name, y->n_name);
}

static glass_status check_apart(struct zip *z) {
    if (z->n > 0) qsort(z->entries, z->n, sizeof *z->entries, by_place);
    for (size_t i = 1; i < z->n; i++) {
        const struct zip_entry *a = &z->entries[i - 1], *b = &z->entries[i];
        if (a->data + a->n_bytes > z->bytes + b->pos)
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: the zip member \"%.*s\" overlaps \"%.*s\"", z->path,
                        b->pos, shown(b), b->name, shown(a), a->name);
    }
    if (z->n > 0) qsort(z->entries, z->n, sizeof *z->entries, by_name);
    for (size_t i = 1; i < z->n; i++)
        if (by_name(&z->entries[i - 1], &z->entries[i]) == 0)
            return refuse(z, &z->entries[i], "is there twice");
    return GLASS_OK;
}

glass_status zip_open(struct zip *out, const uint8_t *bytes, size_t n_bytes,
                      const char *path) {
    struct directory d;
    glass_status status = GLASS_OK;
    *out = (struct zip){.bytes = bytes, .n_bytes = n_bytes, .path = path};
    TRY(read_end(out, &d));
    TRY(mem_alloc(&out->entries, (size_t)d.n, sizeof *out->entries));
    size_t pos = (size_t)d.offset;
    for (; out->n < d.n && status == GLASS_OK; out->n++)
        status = read_entry(out, &d, &pos, &out->entries[out->n]);
    if (status == GLASS_OK && pos != d.end)
        status =
            bad(out, pos, "bytes after the last record of the zip archive's directory");
    if (status == GLASS_OK) status = check_apart(out);
    if (status != GLASS_OK) zip_close(out);
    return status;
}

void zip_close(struct zip *z) {
    mem_free(z->entries);
    *z = (struct zip){0};
}

const struct zip_entry *zip_find(const struct zip *z, const char *name, size_t n_name) {
    size_t low = 0, high = z->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct zip_entry *e = &z->entries[middle];
        int order = compare(name, n_name, e->name, e->n_name);
        if (order == 0) return e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Eight bytes a step: table[k] is the effect of a byte k places further on. */
struct crc_tables {
    uint32_t table[8][256];
};

static void make_tables(struct crc_tables *t) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        t->table[0][i] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++)
            t->table[k][i] =
                t->table[k - 1][i] >> 8 ^ t->table[0][t->table[k - 1][i] & 255];
}

static uint32_t crc_of(const struct crc_tables *t, uint32_t crc, const uint8_t *p,
                       size_t n) {
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low = crc ^ archive_le32(p), high = archive_le32(p + 4);
        crc = t->table[7][low & 255] ^ t->table[6][low >> 8 & 255] ^
              t->table[5][low >> 16 & 255] ^ t->table[4][low >> 24] ^
              t->table[3][high & 255] ^ t->table[2][high >> 8 & 255] ^
              t->table[1][high >> 16 & 255] ^ t->table[0][high >> 24];
    }
    for (; n > 0; n--, p++) crc = crc >> 8 ^ t->table[0][(crc ^ *p) & 255];
    return ~crc;
}

uint32_t zip_crc(uint32_t crc, const uint8_t *bytes, size_t n_bytes) {
    struct crc_tables tables;
    if (n_bytes < 1024) { /* less work than the tables */
        crc = ~crc;
        for (size_t i = 0; i < n_bytes; i++) {
            crc ^= bytes[i];
            for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
        return ~crc;
    }
    make_tables(&tables);
    return crc_of(&tables, crc, bytes, n_bytes);
}

glass_status zip_verify(const struct zip *z) {
    struct crc_tables tables;
    make_tables(&tables);
    for (size_t i = 0; i < z->n; i++) {
        const struct zip_entry *e = &z->entries[i];
        if (crc_of(&tables, 0, e->data, e->n_bytes) != e->crc)
            return refuse(z, e, "does not have the CRC-32 of the directory: it is damaged");
    }
    return GLASS_OK;
}
