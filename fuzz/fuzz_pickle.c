/* fuzz_pickle.c - libFuzzer target: the input is a pickle, put as data.pkl into a zip archive
 * with storages, and as the object into a file of PyTorch before 1.6. It is refused with a
 * message, or gives tensors that can be read; memory is in proportion to it. */
#include "fuzz_common.h"

#include "format/archive.h"
#include "../tests/format/zip_maker.h"

enum { STORAGE = 256 };

static void try_archive(const struct buf *file) {
    struct archive *a;
    mem_asked_bytes();
    glass_status status = archive_open_memory(&a, file->data, file->len, "fuzz");
    MUST(mem_asked_bytes() <= 256 * file->len + (2u << 20));
    MUST((status == GLASS_OK) == (a != NULL));
    MUST(status == GLASS_OK || (status == GLASS_BAD_INPUT && glass_error()[0] != '\0'));
    if (status != GLASS_OK) return;
    size_t outside = 0;
    for (int64_t i = 0; i < archive_n_tensors(a); i++) {
        const struct archive_tensor *t = archive_tensor_at(a, i);
        const uint8_t *start = (const uint8_t *)file->data, *end = start + file->len;
        bool inside = t->data >= start && t->data <= end;
        MUST(!inside || t->n_bytes <= (size_t)(end - t->data));
        if (!inside) outside += t->n_bytes;
        fuzz_read(t->data, t->n_bytes);
        MUST(archive_find(a, t->name, -1) == t);
    }
    MUST(outside <= file->len + (1u << 20));
    archive_close(a);
}

static void try_zip(const uint8_t *data, size_t size, const uint8_t *storage) {
    struct zip_maker z = {0};
    zip_add(&z, "archive/data.pkl", data, size);
    zip_add(&z, "archive/byteorder", "little", 6);
    zip_add(&z, "archive/data/0", storage, STORAGE);
    zip_add(&z, "archive/data/1", storage, 8);
    zip_add(&z, "archive/data/2", storage, 0);
    zip_finish(&z);
    try_archive(&z.b);
    buf_free(&z.b);
}

/* The storages of a legacy file: "0" and "1" of the same sizes as above, as floats. */
static void try_legacy(const uint8_t *data, size_t size, const uint8_t *storage) {
    static const char start[] =
        "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80"
        "\2}X\15\0\0\0little_endian\x88s.";
    static const char keys[] = "\x80\2](X\1\0\0\0000X\1\0\0\0001e.";
    struct buf b = {0};
    MUST(buf_append(&b, start, sizeof start - 1) == GLASS_OK);
    MUST(buf_append(&b, data, size) == GLASS_OK);
    MUST(buf_append(&b, keys, sizeof keys - 1) == GLASS_OK);
    MUST(buf_append(&b, "\100\0\0\0\0\0\0\0", 8) == GLASS_OK);
    MUST(buf_append(&b, storage, STORAGE) == GLASS_OK);
    MUST(buf_append(&b, "\2\0\0\0\0\0\0\0", 8) == GLASS_OK);
    MUST(buf_append(&b, storage, 8) == GLASS_OK);
    try_archive(&b);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t storage[STORAGE];
    for (int i = 0; i < STORAGE; i++) storage[i] = (uint8_t)i;
    try_zip(data, size, storage);
    try_legacy(data, size, storage);
    return 0;
}
