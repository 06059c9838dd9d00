/* sign_tree.c - see sign_tree.h. */
#include "open/sign_tree.h"

#include "base/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

/* ---- what is left out ---- */

glass_status sign_ignore(struct sign_ignored *g, const char *path) {
    const char *from = path;
    while (from[0] == '.' && from[1] == '/') from += 2;
    size_t n = strlen(from);
    while (n > 0 && from[n - 1] == '/') n--;
    bool up = false;
    for (const char *p = from; *p != '\0';) {
        size_t k = strcspn(p, "/");
        up = up || (k == 2 && p[0] == '.' && p[1] == '.');
        p += k + (p[k] != '\0');
    }
    if (n == 0 || from[0] == '/' || up || (n == 1 && from[0] == '.'))
        return fail(GLASS_BAD_INPUT,
                    "\"%.100s\" cannot be left out: a path below the model's folder is "
                    "wanted",
                    path);
    if (g->n >= SIGN_IGNORED)
        return fail(GLASS_BAD_INPUT, "more than %d paths are left out", SIGN_IGNORED);
    if (g->n == g->room) {
        int64_t room = g->room > 0 ? 2 * g->room : 8;
        TRY(mem_resize(&g->items, (size_t)room, sizeof *g->items));
        g->room = room;
    }
    TRY(mem_copy_text(&g->items[g->n], from, n));
    g->n++;
    return GLASS_OK;
}

glass_status sign_ignore_defaults(struct sign_ignored *g) {
    static const char *const names[] = {".git", ".gitattributes", ".github", ".gitignore"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) TRY(sign_ignore(g, names[i]));
    return GLASS_OK;
}

glass_status sign_ignore_file(struct sign_ignored *g, const char *model, const char *path) {
    char root[PATH_MAX], folder[PATH_MAX], name[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    int length = snprintf(name, sizeof name, "%.*s", (int)n, path);
    if (length < 0 || (size_t)length >= sizeof name) return GLASS_OK;
    if (realpath(model, root) == NULL) return fail_errno("%s: cannot open", model);
    if (realpath(slash == NULL ? "." : n == 0 ? "/" : name, folder) == NULL)
        return GLASS_OK;
    size_t at = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(folder, root, at) != 0 || (folder[at] != '/' && folder[at] != '\0'))
        return GLASS_OK;
    struct buf inside = {0};
    const char *below = folder[at] == '/' ? folder + at + 1 : "";
    glass_status status = buf_printf(&inside, "%s%s%s", below, *below ? "/" : "",
                                     slash == NULL ? path : slash + 1);
    if (status == GLASS_OK) status = sign_ignore(g, inside.data);
    buf_free(&inside);
    return status;
}

void sign_ignored_free(struct sign_ignored *g) {
    for (int64_t i = 0; i < g->n; i++) mem_free(g->items[i]);
    mem_free(g->items);
    *g = (struct sign_ignored){0};
}

static bool is_ignored(const struct sign_ignored *g, const char *path) {
    for (int64_t i = 0; i < g->n; i++) {
        size_t n = strlen(g->items[i]);
        if (strncmp(path, g->items[i], n) == 0 && (path[n] == '\0' || path[n] == '/'))
            return true;
    }
    return false;
}

/* ---- what is there ---- */

struct walk {
    struct sign_tree *tree;
    const struct sign_ignored *ignored;
    bool follow_links;
    struct buf path; /* relative */
};

static glass_status add(struct sign_tree *t, const char *name, const struct stat *s,
                        bool link) {
    size_t n = strlen(name);
    uint32_t c;
    for (size_t i = 0; i < n;) {
        i += utf8_decode(&c, name + i, n - i);
        if (c == UTF8_BAD)
            return fail(GLASS_BAD_INPUT,
                        "%s/%s: the name is not UTF-8, so no signature can have it",
                        t->root, name);
    }
    if (t->n >= SIGN_FILES)
        return fail(GLASS_BAD_INPUT, "%s: more than %d files", t->root, SIGN_FILES);
    if (t->n == t->room) {
        int64_t room = t->room > 0 ? 2 * t->room : 64;
        TRY(mem_resize(&t->files, (size_t)room, sizeof *t->files));
        t->room = room;
    }
    struct sign_file *f = &t->files[t->n];
    *f = (struct sign_file){.n_bytes = (uint64_t)s->st_size, .link = link};
    TRY(mem_copy_text(&f->name, name, n));
    t->n++;
    return GLASS_OK;
}

static glass_status take_link(struct walk *w, const char *full) {
    struct sign_tree *t = w->tree;
    struct stat s;
    char target[PATH_MAX];
    size_t n = strlen(t->root);
    if (!w->follow_links)
        return fail(GLASS_BAD_INPUT,
                    "%s: a symbolic link, and what it leads to may change: leave it out, "
                    "or allow links",
                    full);
    if (realpath(full, target) == NULL || stat(target, &s) != 0)
        return fail_errno("%s: a link that leads nowhere", full);
    if (!S_ISREG(s.st_mode))
        return fail(GLASS_BAD_INPUT,
                    "%s: a link to %s: only links to files are followed; leave it out",
                    full, S_ISDIR(s.st_mode) ? "a folder" : "something that is no file");
    if (strncmp(target, t->root, n) != 0 || target[n] != '/') t->n_outside++;
    return add(t, w->path.data, &s, true);
}

static glass_status walk(struct walk *w, int depth);

static glass_status take(struct walk *w, const char *name, int depth) {
    struct stat s;
    char full[PATH_MAX];
    int n = snprintf(full, sizeof full, "%s/%s", w->tree->root, w->path.data);
    (void)name;
    if (n < 0 || (size_t)n >= sizeof full)
        return fail(GLASS_BAD_INPUT, "%s/%.80s…: the path is too long", w->tree->root,
                    w->path.data);
    if (is_ignored(w->ignored, w->path.data)) return GLASS_OK;
    if (lstat(full, &s) != 0) return fail_errno("%s: cannot read", full);
    if (S_ISLNK(s.st_mode)) return take_link(w, full);
    if (S_ISREG(s.st_mode)) return add(w->tree, w->path.data, &s, false);
    if (!S_ISDIR(s.st_mode))
        return fail(GLASS_BAD_INPUT,
                    "%s: neither a file nor a folder (a pipe, a device or a socket)", full);
    if (depth >= SIGN_DEPTH)
        return fail(GLASS_BAD_INPUT, "%s: more than %d folders in one another", full,
                    SIGN_DEPTH);
    TRY(buf_byte(&w->path, '/'));
    return walk(w, depth + 1);
}

static glass_status walk(struct walk *w, int depth) {
    struct buf full = {0};
    struct dirent **entries = NULL;
    size_t length = w->path.len;
    TRY(buf_printf(&full, "%s/%s", w->tree->root, length ? w->path.data : ""));
    int n = scandir(full.data, &entries, NULL, NULL);
    glass_status status =
        n < 0 ? fail_errno("%s: cannot list what is in it", full.data) : GLASS_OK;
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        bool itself = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
        if (status == GLASS_OK && !itself) {
            status = buf_text(&w->path, name);
            if (status == GLASS_OK) status = take(w, name, depth);
            w->path.len = length;
            if (w->path.data != NULL) w->path.data[length] = '\0';
        }
        free(entries[i]);
    }
    free(entries);
    buf_free(&full);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct sign_file *)a)->name, ((const struct sign_file *)b)->name);
}

glass_status sign_tree_open(struct sign_tree *out, const char *model,
                            const struct sign_ignored *ignored, bool follow_links) {
    struct stat s;
    char root[PATH_MAX];
    struct walk w = {out, ignored, follow_links, {0}};
    *out = (struct sign_tree){0};
    if (realpath(model, root) == NULL || stat(root, &s) != 0)
        return fail_errno("%s: cannot open", model);
    if (!S_ISDIR(s.st_mode) && !S_ISREG(s.st_mode))
        return fail(GLASS_BAD_INPUT, "%s: neither a folder nor a file", model);
    out->one = S_ISREG(s.st_mode);
    const char *slash = strrchr(root, '/');
    const char *base = slash != NULL && slash[1] ? slash + 1 : "model";
    glass_status status = mem_copy_text(&out->root, root, strlen(root));
    if (status == GLASS_OK) status = mem_copy_text(&out->base, base, strlen(base));
    if (status == GLASS_OK) status = out->one ? add(out, ".", &s, false) : walk(&w, 0);
    buf_free(&w.path);
    if (status != GLASS_OK)
        sign_tree_close(out);
    else if (out->n > 1)
        qsort(out->files, (size_t)out->n, sizeof *out->files, by_name);
    return status;
}

void sign_tree_close(struct sign_tree *t) {
    for (int64_t i = 0; i < t->n; i++) mem_free(t->files[i].name);
    mem_free(t->files);
    mem_free(t->root);
    mem_free(t->base);
    *t = (struct sign_tree){0};
}

/* ---- hashes ---- */

static glass_status read_pieces(EVP_MD_CTX *md, struct sign_hasher *h, int fd,
                                const char *path, uint64_t at, uint64_t end) {
    while (at < end) {
        size_t most = end - at < PIECE ? (size_t)(end - at) : PIECE;
        ssize_t n = pread(fd, h->piece, most, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("%s: cannot read", path);
        if (n == 0 && end != UINT64_MAX)
            return fail(GLASS_BAD_INPUT, "%s: ends at byte %llu, before %llu", path,
                        (unsigned long long)at, (unsigned long long)end);
        if (n == 0) break;
        if (EVP_DigestUpdate(md, h->piece, (size_t)n) != 1)
            return fail(GLASS_SYSTEM, "hashing failed inside libcrypto");
        at += (uint64_t)n;
        h->n_done += (uint64_t)n;
        if (h->progress != NULL && !h->progress(h->context, h->n_done, h->n_bytes))
            return fail(GLASS_CANCELLED, "stopped");
    }
    return GLASS_OK;
}

static glass_status hash_open_file(char hex[SIGN_DIGEST_TEXT], struct sign_hasher *h,
                                   int fd, const char *path, uint64_t begin, uint64_t end) {
    const EVP_MD *kind = h->kind == SIGN_SHA256 ? EVP_sha256() : EVP_blake2b512();
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    glass_status status = GLASS_OK;
    if (md == NULL || EVP_DigestInit_ex(md, kind, NULL) != 1)
        status = fail(GLASS_SYSTEM, "hashing failed inside libcrypto");
    if (status == GLASS_OK) status = read_pieces(md, h, fd, path, begin, end);
    if (status == GLASS_OK && EVP_DigestFinal_ex(md, digest, &n) != 1)
        status = fail(GLASS_SYSTEM, "hashing failed inside libcrypto");
    for (unsigned i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    EVP_MD_CTX_free(md);
    return status;
}

glass_status sign_hash(char hex[SIGN_DIGEST_TEXT], struct sign_hasher *h,
                       const struct sign_file *file, uint64_t begin, uint64_t end) {
    struct buf path = {0};
    struct stat s;
    bool one = h->tree->one;
    hex[0] = '\0';
    if (h->piece == NULL) TRY(mem_alloc(&h->piece, PIECE, 1));
    glass_status status =
        buf_printf(&path, "%s%s%s", h->tree->root, one ? "" : "/", one ? "" : file->name);
    if (status != GLASS_OK) return status;
    /* What became a link or a pipe since it was found is not read. */
    int fd =
        open(path.data, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (file->link ? 0 : O_NOFOLLOW));
    if (fd < 0 || fstat(fd, &s) != 0)
        status = fail_errno("%s: cannot read", path.data);
    else if (!S_ISREG(s.st_mode))
        status = fail(GLASS_BAD_INPUT, "%s: no file any more", path.data);
    else
        status = hash_open_file(hex, h, fd, path.data, begin, end);
    if (fd >= 0) close(fd);
    buf_free(&path);
    return status;
}

void sign_hasher_free(struct sign_hasher *h) {
    mem_free(h->piece);
    h->piece = NULL;
}
