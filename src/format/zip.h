/* zip.h - zip archives whose members are stored as they are, in memory or mapped.
 *
 * Everything is checked when opening but the members' CRC-32: that both directories agree, that
 * members lie inside the file, before the central directory, and apart from each other.
 * Compressed and encrypted members are refused by name. Source: PKWARE's APPNOTE.TXT 6.3. */
#ifndef FORMAT_ZIP_H
#define FORMAT_ZIP_H

#include "base/fail.h"

enum { ZIP_MAX_ENTRIES = 1 << 20, ZIP_MAX_NAME = 1024 };

struct zip_entry {
    const char *name; /* in the file, not NUL-terminated, printable */
    size_t n_name;
    const uint8_t *data;
    size_t n_bytes;
    uint32_t crc;
    size_t pos; /* of its local header */
};

struct zip {
    struct zip_entry *entries; /* by name */
    size_t n;
    const uint8_t *bytes; /* borrowed */
    size_t n_bytes;
    const char *path; /* for messages, borrowed */
};

/* The bytes and path must outlive the zip. zip_close after success only. */
glass_status zip_open(struct zip *out, const uint8_t *bytes, size_t n_bytes,
                      const char *path);
void zip_close(struct zip *z);
/* NULL if there is no such member. */
const struct zip_entry *zip_find(const struct zip *z, const char *name, size_t n_name);
/* Compares every member with its CRC-32. */
glass_status zip_verify(const struct zip *z);

/* CRC-32 (ISO 3309, as zip and gzip have it) of bytes after those that gave crc; 0 begins. */
uint32_t zip_crc(uint32_t crc, const uint8_t *bytes, size_t n_bytes);

#endif
