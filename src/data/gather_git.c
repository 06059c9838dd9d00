/* gather_git.c - git checkouts: what the commit HEAD has, not what lies about in the folder.
 *
 * git lists the tree and hands over the blobs themselves (ls-tree, cat-file --batch), so that
 * neither filters nor attributes of the repository change or hide anything. */
#include "data/gather.h"

#include "base/hash.h"
#include "data/spawn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static const size_t tree_bytes = (size_t)1 << 30;

bool gather_is_git(const char *path) {
    struct stat st;
    struct buf inner = {0};
    bool is = buf_printf(&inner, "%s/.git", path) == GLASS_OK && stat(inner.data, &st) == 0;
    buf_free(&inner);
    return is;
}

/* A blob that cat-file prints: "OID blob SIZE\n", its bytes, "\n". */
struct blob {
    FILE *in;
    int64_t left;
    const char *path;
    struct buf name; /* of the path, as records write it */
    char block[1 << 16];
};

static glass_status read_blob(void *from, const void **bytes, size_t *n) {
    struct blob *b = from;
    size_t take = b->left < (int64_t)sizeof b->block ? (size_t)b->left : sizeof b->block;
    *bytes = b->block;
    *n = take ? fread(b->block, 1, take, b->in) : 0;
    if (*n < take) return fail(GLASS_SYSTEM, "%s: git ended in the middle of it", b->path);
    b->left -= (int64_t)*n;
    return GLASS_OK;
}

static glass_status one_blob(struct walk *w, struct blob *b) {
    char line[256], oid[80];
    long long size;
    const void *bytes;
    size_t n;
    if (fgets(line, sizeof line, b->in) == NULL ||
        sscanf(line, "%79s blob %lld", oid, &size) != 2 || size < 0)
        return fail(GLASS_SYSTEM, "%s: git cat-file does not know it", b->path);
    b->left = size;
    buf_clear(&b->name);
    TRY(walk_put_name(&b->name, b->path, strlen(b->path)));
    struct item item = {b->name.data, read_blob, b};
    glass_status status = walk_item(w, &item);
    while (status == GLASS_OK && b->left > 0) status = read_blob(b, &bytes, &n);
    if (status == GLASS_OK && getc(b->in) != '\n')
        status = fail(GLASS_SYSTEM, "%s: git cat-file printed more than it said", b->path);
    return status;
}

/* "MODE TYPE OID\tPATH\0" at *at; false at the end. Links and submodules are no files. */
static bool next_entry(const struct buf *tree, size_t *at, const char **path,
                       char oid[80]) {
    while (*at < tree->len) {
        const char *entry = tree->data + *at;
        size_t n = strlen(entry);
        const char *tab = strchr(entry, '\t');
        *at += n + 1;
        if (tab == NULL || strncmp(entry, "100", 3) != 0) continue;
        if (sscanf(entry, "%*s blob %79[0-9a-f]", oid) != 1) continue;
        *path = tab + 1;
        return true;
    }
    return false;
}

static bool wanted(const struct gather *g, const char *path) {
    return !g->collecting || walk_is_archive(path) ||
           licence_file_kind(path, false) != LICENCE_FILE_NONE;
}

static glass_status hand_over(struct gather *g, struct walk *w, const struct source *s,
                              const struct buf *tree, FILE *ids) {
    const char *const argv[] = {"git", "-C", s->spec, "cat-file", "--batch", NULL};
    struct spawn child;
    struct blob *b;
    char oid[80];
    size_t at = 0;
    TRY(mem_alloc(&b, 1, sizeof *b));
    b->name = (struct buf){0};
    glass_status status = spawn_open(&child, argv, NULL, ids);
    if (status != GLASS_OK) {
        mem_free(b);
        return status;
    }
    b->in = child.out;
    while (status == GLASS_OK && next_entry(tree, &at, &b->path, oid))
        if (wanted(g, b->path)) status = one_blob(w, b);
    glass_status closed = spawn_close(&child, status != GLASS_OK);
    buf_free(&b->name);
    mem_free(b);
    return status != GLASS_OK ? status : closed;
}

static glass_status each_blob(struct gather *g, struct walk *w, const struct source *s) {
    const char *const argv[] = {"git", "-C", s->spec,       "ls-tree",      "-r",
                                "-z",  "-l", "--full-tree", s->commit.data, NULL};
    struct buf tree = {0};
    FILE *ids = tmpfile();
    const char *path;
    char oid[80];
    size_t at = 0;
    glass_status status = ids ? GLASS_OK : fail_errno("cannot make a temporary file");
    if (status == GLASS_OK) status = spawn_read(&tree, argv, NULL, tree_bytes);
    w->n_in = INT64_MAX / 1024; /* git packs files tightly: sizes say nothing about traps */
    while (status == GLASS_OK && next_entry(&tree, &at, &path, oid)) {
        if (++w->n_entries > w->max_entries)
            status = fail(GLASS_BAD_INPUT, "%s: more than %lld files (--max-files)",
                          s->spec, (long long)w->max_entries);
        else if (wanted(g, path) && fprintf(ids, "%s\n", oid) < 0)
            status = fail_errno("cannot write a temporary file");
    }
    if (status == GLASS_OK && fflush(ids) != 0)
        status = fail_errno("cannot write a temporary file");
    if (status == GLASS_OK) {
        rewind(ids);
        status = hand_over(g, w, s, &tree, ids);
    }
    if (ids) fclose(ids);
    buf_free(&tree);
    return status;
}

static void trim(struct buf *b) {
    while (b->len > 0 && (b->data[b->len - 1] == '\n' || b->data[b->len - 1] == ' '))
        b->len--;
    if (b->data) b->data[b->len] = '\0';
}

/* "https://user:secret@host/…" without what is before the '@'. */
static const char *without_secret(struct buf *url) {
    char *scheme = strstr(url->data, "://"), *at = scheme ? strchr(scheme + 3, '@') : NULL;
    char *slash = scheme ? strchr(scheme + 3, '/') : NULL;
    if (at == NULL || (slash && slash < at)) return url->data;
    memmove(scheme + 3, at + 1, strlen(at + 1) + 1);
    return url->data;
}

glass_status gather_git_open(struct gather *g, struct source *s) {
    const char *const head[] = {"git",           "-C", s->spec, "rev-parse", "--verify",
                                "HEAD^{commit}", NULL};
    const char *const remote[] = {"git",     "-C",     s->spec, "remote",
                                  "get-url", "origin", NULL};
    struct buf url = {0};
    char real[4096];
    glass_status status = spawn_read(&s->commit, head, NULL, 4096);
    if (status != GLASS_OK) return fail_within(status, "%s", s->spec);
    trim(&s->commit);
    if (spawn_read(&url, remote, NULL, 4096) != GLASS_OK) buf_clear(&url);
    trim(&url);
    const char *name = realpath(s->spec, real) ? strrchr(real, '/') + 1 : s->spec;
    if (g->options->name) name = g->options->name;
    bool named = g->options->name != NULL || url.len == 0;
    status = buf_printf(&g->source, "git:%s@%s", named ? name : without_secret(&url),
                        s->commit.data);
    buf_free(&url);
    if (status != GLASS_OK) return status;
    /* What was retrieved is the commit, which names every byte. */
    g->has_retrieved = true;
    s->each = each_blob;
    return sha256_bytes(g->retrieved, s->commit.data, s->commit.len);
}
