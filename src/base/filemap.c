/* filemap.c - mapping files. */
#include "base/filemap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

glass_status filemap_open(struct filemap *out, const char *path) {
    *out = (struct filemap){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno("%s: cannot open", path);
    struct stat st;
    glass_status status = GLASS_OK;
    if (fstat(fd, &st) != 0) {
        status = fail_errno("%s: cannot examine", path);
    } else if (!S_ISREG(st.st_mode)) {
        status = fail(GLASS_BAD_INPUT, "%s: not a regular file", path);
    } else if (st.st_size > 0) {
        void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            status = fail_errno("%s: cannot map %lld bytes", path, (long long)st.st_size);
        } else {
            out->data = data;
            out->size = (size_t)st.st_size;
            /* Read in 2 MB at a time, into huge pages where the kernel and the file system can:
             * weights are then read faster, and mapped at once. A hint: refusal is no error. */
            madvise(data, out->size, MADV_HUGEPAGE);
        }
    }
    close(fd);
    return status;
}

glass_status filemap_lock(const struct filemap *map) {
    if (map->data == NULL || mlock(map->data, map->size) == 0) return GLASS_OK;
    return fail_errno(
        "cannot lock %zu bytes in memory (raise the limit: ulimit -l unlimited)",
        map->size);
}

void filemap_drop(const struct filemap *map) {
    if (map->data != NULL) madvise((void *)(uintptr_t)map->data, map->size, MADV_DONTNEED);
}

void filemap_close(struct filemap *map) {
    if (map->data != NULL) munmap((void *)(uintptr_t)map->data, map->size);
    *map = (struct filemap){0};
}

glass_status filemap_check_text(const char *path, const void *bytes, size_t n_bytes) {
    static const struct {
        const char *begin, *name, *command;
    } kinds[] = {{"\x1f\x8b\x08", "gzip", "gzip -dc"},
                 {"\x28\xb5\x2f\xfd", "zstd", "zstd -dc"},
                 {"\xfd"
                  "7zXZ",
                  "xz", "xz -dc"},
                 {"BZh9", "bzip2", "bzip2 -dc"},
                 {"PK\x03\x04", "zip", "unzip -p"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t n = strlen(kinds[i].begin);
        if (n_bytes >= n && memcmp(bytes, kinds[i].begin, n) == 0)
            return fail(
                GLASS_BAD_INPUT,
                "%s: compressed by %s, and a text is wanted: unpack it first (%s %s)", path,
                kinds[i].name, kinds[i].command, path);
    }
    return GLASS_OK;
}
