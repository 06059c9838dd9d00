/* audit_hashes.c - published hashes against the files that they are of: SHA256SUMS and its like, and
 * what a hub's client writes down of what it fetched. */
#include "open/audit_parts.h"

#include "base/hash.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HASHES_MOST = 2000, HEX = 64 };

struct published {
    struct glass_audit *a;
    const struct audit_tree *t;
    const char *prefix;
    int n;
};

static bool ends(const char *name, const char *end) {
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcasecmp(name + n - k, end) == 0;
}

static const struct audit_file *find(const struct audit_tree *t, const char *folder,
                                     size_t n_folder, const char *name, size_t n) {
    for (int64_t i = 0; i < t->n; i++) {
        const char *path = t->files[i].path;
        if (strlen(path) == n_folder + n && strncmp(path, folder, n_folder) == 0 &&
            memcmp(path + n_folder, name, n) == 0)
            return &t->files[i];
    }
    return NULL;
}

/* hex: of the file, as e says. */
static glass_status compare(struct published *p, const struct audit_file *f,
                            const char *hex, const glass_audit_evidence *e) {
    uint8_t said[32], is[32];
    char text[65];
    struct buf path = {0};
    glass_audit_evidence other = {"", "", 0, 0, ""};
    if (p->n++ >= HASHES_MOST || !sha256_parse(said, hex, HEX)) return GLASS_OK;
    glass_status status = audit_tree_path(&path, p->t, f);
    if (status == GLASS_OK) status = sha256_file(is, path.data);
    buf_free(&path);
    if (status != GLASS_OK) return status;
    sha256_hex(text, is);
    bool good = memcmp(said, is, sizeof is) == 0;
    TRY(pool_printf(&p->a->pool, &other.file, "%s%s", p->prefix, f->path));
    TRY(pool_text(&p->a->pool, &other.sha256, text, HEX));
    TRY(audit_check_add(p->a, "hash", good, e, "%s%s has %s SHA-256 that is published",
                        p->prefix, f->path, good ? "the" : "another"));
    if (good) return GLASS_OK;
    return audit_finding_add(p->a, GLASS_FINDING_CONTRADICTION, e, &other,
                             "%s%s is not the file whose hash is published: its SHA-256 is "
                             "%s",
                             p->prefix, f->path, text);
}

static bool is_hex(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)text[i])) return false;
    return true;
}

static glass_status evidence(struct published *p, const struct audit_file *f,
                             const struct buf *text, size_t begin, size_t end,
                             glass_audit_evidence *e) {
    const char *shown;
    TRY(pool_printf(&p->a->pool, &shown, "%s%s", p->prefix, f->path));
    return audit_evidence(p->a, e, shown, "", text->data, text->len, begin, end);
}

/* "HEX  NAME" lines. */
static glass_status take_sums(struct published *p, const struct audit_file *f) {
    struct buf text = {0};
    size_t n_folder = audit_folder(f->path);
    glass_status status = audit_tree_read(&text, p->t, f, 1 << 20);
    for (size_t i = 0; status == GLASS_OK && i < text.len;) {
        const char *line = text.data + i;
        const char *end = memchr(line, '\n', text.len - i);
        size_t n = end != NULL ? (size_t)(end - line) : text.len - i;
        size_t at = HEX;
        glass_audit_evidence e;
        while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ')) n--;
        if (n > HEX + 1 && is_hex(line, HEX) && line[HEX] == ' ') {
            while (at < n && (line[at] == ' ' || line[at] == '*')) at++;
            if (n - at > 2 && memcmp(line + at, "./", 2) == 0) at += 2;
            const struct audit_file *of = find(p->t, f->path, n_folder, line + at, n - at);
            if (of != NULL) {
                status = evidence(p, f, &text, i, i + n, &e);
                if (status == GLASS_OK) status = compare(p, of, line, &e);
            }
        }
        i += end != NULL ? (size_t)(end - line) + 1 : n + 1;
    }
    buf_free(&text);
    return status;
}

/* .cache/huggingface/download/NAME.metadata: commit, hash, time, a line each. */
static glass_status take_metadata(struct published *p, const struct audit_file *f) {
    static const char place[] = ".cache/huggingface/download/";
    const char *at = strstr(f->path, place);
    size_t n_folder = (size_t)(at - f->path);
    const char *name = at + sizeof place - 1;
    struct buf text = {0};
    glass_status status = audit_tree_read(&text, p->t, f, 4096);
    const char *second = status == GLASS_OK ? memchr(text.data, '\n', text.len) : NULL;
    size_t begin = second != NULL ? (size_t)(second - text.data) + 1 : 0;
    const struct audit_file *of =
        find(p->t, f->path, n_folder, name, strlen(name) - strlen(".metadata"));
    if (second != NULL && of != NULL && text.len - begin >= HEX &&
        is_hex(text.data + begin, HEX)) {
        glass_audit_evidence e;
        status = evidence(p, f, &text, begin, begin + HEX, &e);
        if (status == GLASS_OK) status = compare(p, of, text.data + begin, &e);
    }
    buf_free(&text);
    return status;
}

/* snapshots/COMMIT/NAME -> blobs/HASH */
static glass_status take_blob(struct published *p, const struct audit_file *f) {
    struct buf path = {0};
    char target[PATH_MAX];
    glass_status status = audit_tree_path(&path, p->t, f);
    const char *name = NULL;
    if (status == GLASS_OK && realpath(path.data, target) != NULL)
        name = strrchr(target, '/');
    buf_free(&path);
    if (name == NULL || strlen(name + 1) != HEX || !is_hex(name + 1, HEX)) return status;
    glass_audit_evidence e;
    struct buf none = {.data = (char *)name + 1, .len = HEX};
    TRY(evidence(p, f, &none, 0, HEX, &e));
    e.begin = e.end = 0;
    return compare(p, f, name + 1, &e);
}

glass_status audit_find_hashes(struct glass_audit *a, const struct audit_tree *t,
                               const char *prefix) {
    struct published p = {.a = a, .t = t, .prefix = prefix};
    for (int64_t i = 0; i < t->n; i++) {
        const struct audit_file *f = &t->files[i];
        if (strncasecmp(f->name, "sha256sum", 9) == 0 || ends(f->name, ".sha256") ||
            strncasecmp(f->name, "checksums", 9) == 0)
            TRY(take_sums(&p, f));
        else if (ends(f->name, ".metadata") &&
                 strstr(f->path, ".cache/huggingface/download/") != NULL)
            TRY(take_metadata(&p, f));
        else if (f->link)
            TRY(take_blob(&p, f));
    }
    return GLASS_OK;
}
