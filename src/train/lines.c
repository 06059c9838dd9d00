/* lines.c - see lines.h. */
#include "train/lines.h"

#include "base/filemap.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int64_t lines_step(const char *line, size_t n) {
    static const char start[] = "{\"step\":";
    size_t at = sizeof start - 1;
    int64_t step = 0;
    if (n < at + 2 || memcmp(line, start, at) != 0 || line[n - 1] != '}') return -1;
    for (; at < n && line[at] >= '0' && line[at] <= '9' && step < INT64_MAX / 100; at++)
        step = 10 * step + (line[at] - '0');
    return line[at] == ',' || line[at] == '}' ? step : -1;
}

/* How many bytes of the file stay. */
static glass_status kept_bytes(size_t *out, const char *path, int64_t last_step) {
    struct filemap map;
    glass_status status = GLASS_OK;
    int64_t number = 1;
    *out = 0;
    TRY(filemap_open(&map, path));
    const char *text = (const char *)map.data;
    for (size_t at = 0; at < map.size; number++) {
        const char *end = memchr(text + at, '\n', map.size - at);
        if (end == NULL) break; /* cut while it was written */
        int64_t step = lines_step(text + at, (size_t)(end - text) - at);
        if (step < 0) {
            status =
                fail(GLASS_BAD_INPUT, "%s: line %lld is damaged", path, (long long)number);
            break;
        }
        if (step > last_step) break;
        at = (size_t)(end - text) + 1;
        *out = at;
    }
    filemap_close(&map);
    return status;
}

glass_status lines_open(struct lines *out, const char *path, int64_t last_step) {
    size_t n_bytes = 0;
    glass_status status;
    *out = (struct lines){.fd = -1};
    TRY(mem_copy_text(&out->path, path, strlen(path)));
    out->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (out->fd < 0) {
        status = fail_errno("%s: cannot open", path);
    } else {
        status = kept_bytes(&n_bytes, path, last_step);
        if (status == GLASS_OK && ftruncate(out->fd, (off_t)n_bytes) != 0)
            status = fail_errno("%s: cannot be cut back to step %lld", path,
                                (long long)last_step);
    }
    if (status != GLASS_OK) lines_close(out);
    return status;
}

glass_status lines_put(struct lines *l, const struct buf *line) {
    struct buf whole = {0};
    glass_status status = buf_append(&whole, line->data, line->len);
    if (status == GLASS_OK) status = buf_byte(&whole, '\n');
    for (size_t at = 0; status == GLASS_OK && at < whole.len;) {
        ssize_t n = write(l->fd, whole.data + at, whole.len - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = fail_errno("%s: cannot write", l->path);
        at += n < 0 ? 0 : (size_t)n;
    }
    buf_free(&whole);
    return status;
}

glass_status lines_sync(struct lines *l) {
    return fsync(l->fd) == 0 ? GLASS_OK : fail_errno("%s: cannot flush", l->path);
}

void lines_close(struct lines *l) {
    if (l->fd >= 0) close(l->fd);
    mem_free(l->path);
    *l = (struct lines){.fd = -1};
}
