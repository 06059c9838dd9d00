/* reader.h - the bounded reader: the only way that bytes of a file become numbers.
 *
 * Reads never pass the end; a failing read leaves the reader where it was, and its message
 * says file, byte and what was being read. Little-endian. */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/fail.h"

struct reader {
    const uint8_t *data; /* borrowed */
    size_t size, pos;    /* pos <= size always */
    const char *name;    /* file name for messages, borrowed */
};

static inline size_t reader_left(const struct reader *r) {
    return r->size - r->pos;
}
/* `what` is a noun for the message: "tensor count". */
glass_status reader_u8(struct reader *r, uint8_t *out, const char *what);
glass_status reader_u16(struct reader *r, uint16_t *out, const char *what);
glass_status reader_u32(struct reader *r, uint32_t *out, const char *what);
glass_status reader_u64(struct reader *r, uint64_t *out, const char *what);
/* Borrows n bytes of the file. */
glass_status reader_bytes(struct reader *r, const uint8_t **out, size_t n,
                          const char *what);
glass_status reader_skip(struct reader *r, size_t n, const char *what);
/* Moves to the next multiple of alignment (> 0) from the start of the data. */
glass_status reader_align(struct reader *r, size_t alignment);

#endif
