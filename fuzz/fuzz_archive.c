/* fuzz_archive.c - libFuzzer target: any bytes as an archive of tensors, as an index of shards
 * and as llama2.c's tokenizer are refused with a message, or read: every tensor has the bytes
 * of its shape, is found by its name, and the memory is in proportion to the file. */
#include "fuzz_common.h"

#include "format/archive.h"
#include "format/llama2c.h"

static void check_tensor(const struct archive *a, const struct archive_tensor *t) {
    size_t n_name = strlen(t->name), count = 1;
    MUST(n_name >= 1 && n_name <= ARCHIVE_MAX_NAME && fuzz_is_utf8(t->name, n_name));
    MUST(archive_find(a, t->name, t->part) == t && archive_find(a, t->name, -1) != NULL);
    MUST(t->n_dims >= 0 && t->n_dims <= ARCHIVE_MAX_DIMS && t->type[0] != '\0');
    for (int i = 0; i < t->n_dims; i++) MUST(t->shape[i] >= 0);
    for (int i = 0; i < t->n_dims && count > 0; i++)
        if (!mem_mul(&count, count, (size_t)t->shape[i])) count = 0;
    MUST(!t->known || count * glass_dtype_block_bytes(t->dtype) == t->n_bytes);
    fuzz_read(t->data, t->n_bytes);
}

static void check_archive(const struct archive *a, const uint8_t *data, size_t size) {
    size_t copied = 0;
    for (int64_t i = 0; i < archive_n_tensors(a); i++) {
        const struct archive_tensor *t = archive_tensor_at(a, i);
        check_tensor(a, t);
        bool inside = t->data >= data && t->data <= data + size;
        MUST(!inside || t->n_bytes <= (size_t)(data + size - t->data));
        if (!inside) copied += t->n_bytes;
    }
    MUST(copied <= size + (1u << 20));
    for (int64_t i = 0; i < archive_n_meta(a); i++) {
        const char *key, *value;
        archive_meta(a, i, &key, &value);
        fuzz_read(key, strlen(key));
        fuzz_read(value, strlen(value));
    }
    const struct llama2c_header *h = archive_llama2c(a);
    MUST(h == NULL || (h->dim > 0 && h->n_layers > 0 && h->n_vocab > 0));
    glass_status status = archive_verify(a);
    MUST(status == GLASS_OK || status == GLASS_BAD_INPUT);
}

static void try_index(const uint8_t *data, size_t size) {
    struct archive *a;
    char path[32];
    int fd = fuzz_file(path, data, size);
    glass_status status = archive_open(&a, path);
    MUST((status == GLASS_OK) == (a != NULL));
    archive_close(a);
    close(fd);
}

static void try_vocab(const uint8_t *data, size_t size) {
    struct llama2c_vocab *v;
    glass_status status = llama2c_vocab_open_memory(&v, data, size, "fuzz");
    MUST(status == GLASS_OK || (status == GLASS_BAD_INPUT && v == NULL));
    for (int64_t i = 0; status == GLASS_OK && i < llama2c_vocab_n(v); i++) {
        size_t n;
        float score;
        const char *piece = llama2c_vocab_piece(v, i, &n, &score);
        fuzz_read(piece, n + 1);
    }
    llama2c_vocab_close(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct archive *a;
    mem_asked_bytes();
    glass_status status = archive_open_memory(&a, data, size, "fuzz");
    MUST(mem_asked_bytes() <= 256 * size + (2u << 20));
    MUST((status == GLASS_OK) == (a != NULL));
    MUST(status == GLASS_OK || (status == GLASS_BAD_INPUT && glass_error()[0] != '\0'));
    if (status == GLASS_OK) check_archive(a, data, size);
    archive_close(a);
    if (size > 0 && data[0] == '{') try_index(data, size);
    try_vocab(data, size);
    return 0;
}
