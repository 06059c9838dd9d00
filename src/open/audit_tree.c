/* audit_tree.c - see audit_tree.h. */
#include "open/audit_parts.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

size_t audit_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

/* Whether an absolute path is in a folder. */
static bool inside(const char *path, const char *folder) {
    size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Whether a link's target may be read: it is in the tree, or it is the blob that a hub's cache
 * (NAME/snapshots/COMMIT/file -> NAME/blobs/HASH) has for it. */
static bool may_follow(const struct audit_tree *t, const char *target) {
    if (inside(target, t->root)) return true;
    const char *at = strstr(t->root, "/snapshots/");
    if (at == NULL) return false;
    char blobs[PATH_MAX];
    int n = snprintf(blobs, sizeof blobs, "%.*s/blobs", (int)(at - t->root), t->root);
    return n > 0 && (size_t)n < sizeof blobs && inside(target, blobs);
}

static glass_status add(struct audit_tree *t, const char *path, size_t n_bytes, bool link) {
    if (t->n >= AUDIT_FILES) {
        t->cut = true;
        return GLASS_OK;
    }
    if (t->n == t->room) {
        int64_t room = t->room > 0 ? 2 * t->room : 64;
        TRY(mem_resize(&t->files, (size_t)room, sizeof *t->files));
        t->room = room;
    }
    struct audit_file *f = &t->files[t->n];
    *f = (struct audit_file){.n_bytes = n_bytes, .link = link};
    TRY(mem_copy_text(&f->path, path, strlen(path)));
    f->name = f->path + audit_folder(f->path);
    t->n++;
    return GLASS_OK;
}

static glass_status take_link(struct audit_tree *t, const char *full, const char *path) {
    struct stat s;
    char target[PATH_MAX];
    t->n_links++;
    if (realpath(full, target) == NULL) {
        t->n_special++;
        return GLASS_OK;
    }
    if (!may_follow(t, target)) {
        enum audit_role role = audit_role(path);
        if (t->n_outside++ == 0) TRY(mem_copy_text(&t->outside, path, strlen(path)));
        if (t->outside_licence == NULL &&
            (role == ROLE_LICENCE || role == ROLE_POLICY || role == ROLE_CARD))
            TRY(mem_copy_text(&t->outside_licence, path, strlen(path)));
        return GLASS_OK;
    }
    /* Folders behind links are seen where they are. */
    if (stat(target, &s) == 0 && S_ISREG(s.st_mode))
        return add(t, path, (size_t)s.st_size, true);
    return GLASS_OK;
}

static glass_status walk(struct audit_tree *t, struct buf *path, int depth);

static glass_status take_entry(struct audit_tree *t, struct buf *path, const char *name,
                               int depth) {
    struct stat s;
    char full[PATH_MAX];
    size_t length = path->len;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0)
        return GLASS_OK;
    TRY(buf_text(path, name));
    int n = snprintf(full, sizeof full, "%s/%s", t->root, path->data);
    glass_status status = GLASS_OK;
    if (n < 0 || (size_t)n >= sizeof full || lstat(full, &s) != 0) {
        t->n_special++;
    } else if (S_ISLNK(s.st_mode)) {
        status = take_link(t, full, path->data);
    } else if (S_ISREG(s.st_mode)) {
        status = add(t, path->data, (size_t)s.st_size, false);
    } else if (S_ISDIR(s.st_mode)) {
        if (depth >= AUDIT_DEPTH) {
            t->cut = true;
        } else {
            status = buf_byte(path, '/');
            if (status == GLASS_OK) status = walk(t, path, depth + 1);
        }
    } else {
        t->n_special++;
    }
    path->len = length;
    if (path->data != NULL) path->data[length] = '\0';
    return status;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static glass_status walk(struct audit_tree *t, struct buf *path, int depth) {
    struct buf full = {0};
    struct dirent **entries = NULL;
    glass_status status = buf_printf(&full, "%s/%s", t->root, path->len ? path->data : "");
    if (status != GLASS_OK) return status;
    int n = scandir(full.data, &entries, NULL, by_name);
    if (n < 0 && depth == 0) status = fail_errno("%s: cannot list", full.data);
    if (n < 0) t->n_special++;
    for (int i = 0; i < n; i++) {
        if (status == GLASS_OK && !t->cut)
            status = take_entry(t, path, entries[i]->d_name, depth);
        free(entries[i]);
    }
    free(entries);
    buf_free(&full);
    return status;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct audit_file *)a)->path,
                  ((const struct audit_file *)b)->path);
}

glass_status audit_tree_open(struct audit_tree *out, const char *path) {
    struct stat s;
    char root[PATH_MAX];
    struct buf at = {0};
    *out = (struct audit_tree){0};
    if (realpath(path, root) == NULL || stat(root, &s) != 0)
        return fail_errno("%s: cannot open", path);
    if (!S_ISDIR(s.st_mode) && !S_ISREG(s.st_mode))
        return fail(GLASS_BAD_INPUT, "%s: neither a folder nor a file", path);
    out->one = S_ISREG(s.st_mode);
    size_t n = out->one ? audit_folder(root) : strlen(root) + 1;
    glass_status status = mem_copy_text(&out->root, root, n > 1 ? n - 1 : 1);
    if (status == GLASS_OK && out->one)
        status = add(out, root + n, (size_t)s.st_size, false);
    else if (status == GLASS_OK)
        status = walk(out, &at, 0);
    buf_free(&at);
    if (status != GLASS_OK)
        audit_tree_close(out);
    else if (out->n > 1)
        qsort(out->files, (size_t)out->n, sizeof *out->files, by_path);
    return status;
}

void audit_tree_close(struct audit_tree *t) {
    for (int64_t i = 0; i < t->n; i++) mem_free(t->files[i].path);
    mem_free(t->files);
    mem_free(t->root);
    mem_free(t->outside);
    mem_free(t->outside_licence);
    *t = (struct audit_tree){0};
}

glass_status audit_tree_path(struct buf *out, const struct audit_tree *t,
                             const struct audit_file *file) {
    return buf_printf(out, "%s/%s", t->root, file->path);
}

glass_status audit_tree_read(struct buf *out, const struct audit_tree *t,
                             const struct audit_file *file, size_t most) {
    struct buf path = {0};
    struct stat s;
    buf_clear(out);
    TRY(audit_tree_path(&path, t, file));
    /* What became a link, a device or a pipe since it was listed is not read. */
    int fd =
        open(path.data, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (file->link ? 0 : O_NOFOLLOW));
    glass_status status = GLASS_OK;
    if (fd < 0 || fstat(fd, &s) != 0)
        status = fail_errno("%s: cannot read", file->path);
    else if (!S_ISREG(s.st_mode))
        status = fail(GLASS_BAD_INPUT, "%s: no regular file", file->path);
    while (status == GLASS_OK && out->len < most) {
        size_t piece = most - out->len < 65536 ? most - out->len : 65536;
        status = buf_reserve(out, piece);
        if (status != GLASS_OK) break;
        ssize_t n = read(fd, out->data + out->len, piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = fail_errno("%s: cannot read", file->path);
        if (n <= 0) break;
        out->len += (size_t)n;
        out->data[out->len] = '\0';
    }
    if (fd >= 0) close(fd);
    buf_free(&path);
    if (status == GLASS_OK && out->data == NULL) status = buf_append(out, "", 0);
    return status;
}
