/* list_archive.c - list_archive FILE... [--write OUT.safetensors SHARD_BYTES]: what an archive
 * of tensors holds, as tab-separated lines: name, type, shape, SHA-256 of the bytes, part.
 * Several files are opened as parts of one archive. With --write also a copy as safetensors. */
#include "base/buf.h"
#include "base/hash.h"
#include "format/archive.h"
#include "format/safetensors_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static glass_status list(const struct archive *a) {
    for (int64_t i = 0; i < archive_n_tensors(a); i++) {
        const struct archive_tensor *t = archive_tensor_at(a, i);
        uint8_t digest[32];
        char hex[65];
        TRY(sha256_bytes(digest, t->data, t->n_bytes));
        sha256_hex(hex, digest);
        printf("%s\t%s\t", t->name, t->type);
        for (int d = 0; d < t->n_dims; d++)
            printf("%s%lld", d > 0 ? "," : "", (long long)t->shape[d]);
        printf("\t%s\t%d\n", hex, t->part);
    }
    for (int64_t i = 0; i < archive_n_meta(a); i++) {
        const char *key, *value;
        struct buf line = {0};
        archive_meta(a, i, &key, &value);
        glass_status status = buf_json_string(&line, value, strlen(value));
        if (status == GLASS_OK) printf("# %s = %s\n", key, line.data);
        buf_free(&line);
        TRY(status);
    }
    return GLASS_OK;
}

static glass_status write_copy(const struct archive *a, const char *path, size_t shard) {
    struct safetensors_writer *w;
    glass_status status;
    TRY(safetensors_writer_create(&w, path, shard));
    for (int64_t i = 0; i < archive_n_meta(a); i++) {
        const char *key, *value;
        archive_meta(a, i, &key, &value);
        TRY_FAIL(safetensors_put_meta(w, key, value));
    }
    for (int64_t i = 0; i < archive_n_tensors(a); i++) {
        const struct archive_tensor *t = archive_tensor_at(a, i);
        if (t->known)
            TRY_FAIL(safetensors_put_tensor(w, t->name, t->dtype, t->n_dims, t->shape));
        else
            TRY_FAIL(safetensors_put_typed(w, t->name, t->type, t->n_dims, t->shape));
    }
    for (int64_t i = 0; i < archive_n_tensors(a); i++)
        TRY_FAIL(safetensors_put_data(w, archive_tensor_at(a, i)->data,
                                      archive_tensor_at(a, i)->n_bytes));
    return safetensors_writer_finish(w);
fail:
    safetensors_writer_free(w);
    return status;
}

int main(int argc, char **argv) {
    struct archive *a = NULL;
    int n = argc - 1;
    bool copies = argc > 4 && strcmp(argv[argc - 3], "--write") == 0;
    if (copies) n -= 3;
    glass_status status = n == 1 ? archive_open(&a, argv[1])
                                 : archive_open_parts(&a, (const char **)argv + 1, n);
    if (status == GLASS_OK) status = archive_verify(a);
    if (status == GLASS_OK) status = list(a);
    if (status == GLASS_OK && copies)
        status = write_copy(a, argv[argc - 2], (size_t)strtoull(argv[argc - 1], NULL, 10));
    archive_close(a);
    if (status != GLASS_OK) fprintf(stderr, "%s\n", glass_error());
    return glass_status_exit_code(status);
}
