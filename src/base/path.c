/* path.c - folders, and files written whole or not at all. */
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The specification says that a relative XDG path is to be ignored. */
static const char *absolute_env(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] == '/' ? value : NULL;
}

static glass_status xdg(struct buf *out, const char *variable, const char *under_home) {
    buf_clear(out);
    const char *base = absolute_env(variable);
    if (base != NULL) return buf_printf(out, "%s/glass", base);
    const char *home = absolute_env("HOME");
    if (home == NULL)
        return fail(GLASS_SYSTEM, "no home folder: set HOME or %s to an absolute path",
                    variable);
    return buf_printf(out, "%s/%s/glass", home, under_home);
}

glass_status path_data(struct buf *out) {
    buf_clear(out);
    const char *home = getenv("GLASS_HOME");
    if (home != NULL && home[0] != '\0') return buf_text(out, home);
    return xdg(out, "XDG_DATA_HOME", ".local/share");
}

glass_status path_state(struct buf *out) {
    return xdg(out, "XDG_STATE_HOME", ".local/state");
}

static glass_status make(const char *folder, mode_t mode) {
    char *copy;
    TRY(mem_copy_text(&copy, folder, strlen(folder)));
    glass_status status = GLASS_OK;
    for (char *p = copy + 1; status == GLASS_OK; p++) {
        if (*p != '/' && *p != '\0') continue;
        char keep = *p;
        *p = '\0';
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            status = fail_errno("%s: cannot make the folder", copy);
        *p = keep;
        if (keep == '\0') break;
    }
    mem_free(copy);
    return status;
}

glass_status path_make(const char *folder) {
    return make(folder, 0777);
}

glass_status path_make_private(const char *folder) {
    return make(folder, 0700);
}

static glass_status write_all(int fd, const char *path, const char *bytes, size_t n_bytes) {
    while (n_bytes > 0) {
        ssize_t n = write(fd, bytes, n_bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("%s: cannot write", path);
        bytes += n;
        n_bytes -= (size_t)n;
    }
    if (fsync(fd) != 0) return fail_errno("%s: cannot flush", path);
    return GLASS_OK;
}

static glass_status write_whole(const char *path, const void *bytes, size_t n_bytes,
                                mode_t mode) {
    struct buf temporary = {0};
    glass_status status = buf_printf(&temporary, "%s.part-%ld", path, (long)getpid());
    if (status != GLASS_OK) return status;
    int fd = open(temporary.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        status = fail_errno("%s: cannot create", path);
    } else {
        status = write_all(fd, temporary.data, bytes, n_bytes);
        close(fd);
        if (status == GLASS_OK && rename(temporary.data, path) != 0)
            status = fail_errno("%s: cannot rename to %s", temporary.data, path);
        if (status != GLASS_OK) unlink(temporary.data);
    }
    buf_free(&temporary);
    return status;
}

glass_status path_write_whole(const char *path, const void *bytes, size_t n_bytes) {
    return write_whole(path, bytes, n_bytes, 0666);
}

glass_status path_write_private(const char *path, const void *bytes, size_t n_bytes) {
    return write_whole(path, bytes, n_bytes, 0600);
}

glass_status path_read_whole(struct buf *out, const char *path, size_t limit) {
    buf_clear(out);
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return fail_errno("%s: cannot open", path);
    glass_status status = GLASS_OK;
    for (;;) {
        status = buf_reserve(out, 65536);
        if (status != GLASS_OK) break;
        size_t n = fread(out->data + out->len, 1, 65536, file);
        out->len += n;
        out->data[out->len] = '\0';
        if (out->len > limit) {
            status = fail(GLASS_BAD_INPUT, "%s: larger than the %zu bytes allowed here",
                          path, limit);
            break;
        }
        if (n == 0) {
            if (ferror(file)) status = fail_errno("%s: cannot read", path);
            break;
        }
    }
    fclose(file);
    return status;
}

glass_status path_nameless(FILE **out, const char *folder) {
    struct buf path = {0};
    *out = NULL;
    glass_status status = buf_printf(&path, "%s/.part-XXXXXX", folder);
    int fd = status == GLASS_OK ? mkostemp(path.data, O_CLOEXEC) : -1;
    if (status == GLASS_OK && fd < 0)
        status = fail_errno("%s: cannot make a file in it", folder);
    if (fd >= 0) unlink(path.data);
    if (fd >= 0 && (*out = fdopen(fd, "w+b")) == NULL) {
        status = fail_errno("%s", folder);
        close(fd);
    }
    buf_free(&path);
    return status;
}

glass_status path_remove_parts(const char *folder) {
    struct buf path = {0};
    struct dirent *d;
    DIR *dir = opendir(folder);
    glass_status status = GLASS_OK;
    if (dir == NULL)
        return errno == ENOENT ? GLASS_OK : fail_errno("%s: cannot open", folder);
    while (status == GLASS_OK && (d = readdir(dir)) != NULL) {
        if (strstr(d->d_name, ".part-") == NULL) continue;
        buf_clear(&path);
        status = buf_printf(&path, "%s/%s", folder, d->d_name);
        if (status == GLASS_OK && unlink(path.data) != 0)
            status = fail_errno("%s: cannot remove", path.data);
    }
    closedir(dir);
    buf_free(&path);
    return status;
}
