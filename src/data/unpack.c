/* unpack.c - see unpack.h. Archives are read by libarchive. */
#include "data/unpack.h"

#include "base/utf8.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { KIND_PLAIN, KIND_TAR, KIND_ZIP, KIND_AR, KIND_RAW };

static bool ends_with(const char *name, size_t n, const char *end) {
    size_t k = strlen(end);
    return n > k && strncasecmp(name + n - k, end, k) == 0;
}

static enum kind kind_of(const char *name) {
    static const char *const tars[] = {
        ".tar",     ".tar.gz", ".tgz",      ".tar.xz", ".txz",     ".tar.bz2", ".tbz2",
        ".tar.zst", ".tzst",   ".tar.lzma", ".tbz",    ".tar.lz4", ".tar.lz"};
    static const char *const raws[] = {".gz", ".xz", ".zst", ".bz2", ".lzma", ".lz4"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof tars / sizeof *tars; i++)
        if (ends_with(name, n, tars[i])) return KIND_TAR;
    if (ends_with(name, n, ".zip")) return KIND_ZIP;
    if (ends_with(name, n, ".deb")) return KIND_AR;
    for (size_t i = 0; i < sizeof raws / sizeof *raws; i++)
        if (ends_with(name, n, raws[i])) return KIND_RAW;
    return KIND_PLAIN;
}

bool walk_is_archive(const char *name) {
    return kind_of(name) != KIND_PLAIN;
}

glass_status walk_put_name(struct buf *out, const char *name, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t used = utf8_decode(&c, name + i, n - i);
        bool odd = c == '!' || c == '%' || c == UTF8_BAD;
        if (used == 0) used = 1;
        for (size_t k = 0; odd && k < used; k++)
            TRY(buf_printf(out, "%%%02X", (unsigned)(unsigned char)name[i + k]));
        if (!odd) TRY(buf_append(out, name + i, used));
        i += used;
    }
    return GLASS_OK;
}

glass_status walk_take_name(struct buf *out, const char *path) {
    while (*path) {
        unsigned byte;
        bool coded = path[0] == '%' && isxdigit((unsigned char)path[1]) &&
                     isxdigit((unsigned char)path[2]) && sscanf(path, "%%%2x", &byte) == 1;
        TRY(buf_byte(out, coded ? (char)byte : *path));
        path += coded ? 3 : 1;
    }
    return GLASS_OK;
}

static void skip(struct walk *w, const char *path, const char *reason) {
    if (w->skip != NULL) w->skip(w->context, path, reason);
}

static glass_status count_entry(struct walk *w, const char *path) {
    if (++w->n_entries > w->max_entries)
        return fail(GLASS_BAD_INPUT, "%s: more than %lld files (--max-files)", path,
                    (long long)w->max_entries);
    return GLASS_OK;
}

/* ---- archives ---- */

struct opened {
    struct walk *w;
    struct archive *a;
    const char *path;   /* the archive's, for messages */
    struct item *inner; /* where its bytes come from, of an archive inside one */
    glass_status inner_status;
    bool greedy;
};

static glass_status broken(struct opened *o) {
    if (o->inner_status != GLASS_OK) return o->inner_status;
    const char *why = archive_error_string(o->a);
    return fail(GLASS_BAD_INPUT, "%s: broken archive: %s", o->path,
                why ? why : "its end is missing");
}

/* Everything that comes out of any archive of the source counts. */
static glass_status count_out(struct opened *o, size_t n) {
    struct walk *w = o->w;
    w->n_out += (int64_t)n;
    if ((w->n_out - WALK_SLACK) / w->max_ratio <= w->n_in) return GLASS_OK;
    o->greedy = true;
    return fail(
        GLASS_BAD_INPUT,
        "%s: unpacks to more than %lld times its size; if it is no trap, allow more "
        "with --max-ratio",
        o->path, (long long)w->max_ratio);
}

static glass_status read_block(void *from, const void **bytes, size_t *n_bytes) {
    struct opened *o = from;
    la_int64_t offset;
    *n_bytes = 0;
    for (;;) {
        int r = archive_read_data_block(o->a, bytes, n_bytes, &offset);
        if (r == ARCHIVE_EOF) {
            *n_bytes = 0;
            return GLASS_OK;
        }
        if (r == ARCHIVE_RETRY) continue;
        if (r < ARCHIVE_WARN) return broken(o);
        if (*n_bytes > 0) return count_out(o, *n_bytes);
    }
}

static la_ssize_t read_inner(struct archive *a, void *context, const void **bytes) {
    struct opened *o = context;
    size_t n;
    o->inner_status = o->inner->read(o->inner->from, bytes, &n);
    if (o->inner_status != GLASS_OK) {
        archive_set_error(a, EIO, "%s", glass_error());
        return -1;
    }
    return (la_ssize_t)n;
}

static void allow_filters(struct archive *a) {
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
}

static struct archive *make(enum kind kind) {
    struct archive *a = archive_read_new();
    if (a == NULL) return NULL;
    if (kind == KIND_TAR || kind == KIND_RAW) allow_filters(a);
    if (kind == KIND_TAR) archive_read_support_format_tar(a);
    if (kind == KIND_ZIP) archive_read_support_format_zip(a);
    if (kind == KIND_AR) archive_read_support_format_ar(a);
    if (kind == KIND_RAW) archive_read_support_format_raw(a);
    if (kind == KIND_TAR) archive_read_support_format_empty(a);
    return a;
}

/* Appends the entry's path after "ARCHIVE!"; a reason if it may not be used. */
static glass_status entry_path(struct buf *out, const char *archive, enum kind kind,
                               struct archive_entry *e, const char **reason) {
    *reason = NULL;
    if (kind == KIND_RAW) { /* the file itself, without ".gz" */
        const char *dot = strrchr(archive, '.');
        return buf_append(out, archive, (size_t)(dot - archive));
    }
    const char *name = archive_entry_pathname_utf8(e);
    if (name == NULL) name = archive_entry_pathname(e);
    TRY(buf_printf(out, "%s!", archive));
    if (name == NULL || *name == '\0') {
        *reason = "it has no name that can be read";
        return GLASS_OK;
    }
    while (*name == '/' || (name[0] == '.' && name[1] == '/')) name++;
    for (const char *p = name; p != NULL; p = strchr(p, '/')) {
        if (*p == '/') p++;
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
            *reason = "its path leads out of the archive";
    }
    return walk_put_name(out, name, strlen(name));
}

static const char *unfit(struct archive_entry *e, enum kind kind) {
    if (kind == KIND_RAW) return NULL;
    if (archive_entry_hardlink(e) != NULL) return "a link";
    if (archive_entry_filetype(e) == AE_IFLNK) return "a link";
    if (archive_entry_filetype(e) != AE_IFREG && kind != KIND_AR) return "no ordinary file";
    if (archive_entry_sparse_count(e) > 0) return "a sparse file";
    if (archive_entry_is_encrypted(e)) return "it is encrypted";
    return NULL;
}

/* Reads over what the visitor left, counting. */
static glass_status drain(struct opened *o) {
    const void *bytes;
    size_t n;
    do TRY(read_block(o, &bytes, &n));
    while (n > 0);
    return GLASS_OK;
}

static glass_status each_entry(struct opened *o, enum kind kind) {
    struct walk *w = o->w;
    struct archive_entry *e;
    struct buf path = {0};
    glass_status status = GLASS_OK;
    while (status == GLASS_OK) {
        int r = archive_read_next_header(o->a, &e);
        if (r == ARCHIVE_EOF) break;
        if (r == ARCHIVE_RETRY) continue;
        if (r < ARCHIVE_WARN) {
            status = broken(o);
            break;
        }
        if (kind == KIND_RAW && archive_filter_code(o->a, 0) == ARCHIVE_FILTER_NONE) {
            status = fail(GLASS_BAD_INPUT, "%s: not compressed as its name says", o->path);
            break;
        }
        const char *reason;
        buf_clear(&path);
        status = entry_path(&path, o->path, kind, e, &reason);
        if (status != GLASS_OK) break;
        if (archive_entry_filetype(e) == AE_IFDIR && kind != KIND_RAW) continue;
        status = count_entry(w, o->path);
        if (status != GLASS_OK) break;
        if (reason == NULL) reason = unfit(e, kind);
        if (reason != NULL) {
            skip(w, path.data, reason);
        } else {
            struct item item = {path.data, read_block, o};
            status = walk_item(w, &item);
        }
        if (status == GLASS_OK && (reason == NULL || archive_entry_size(e) > 0))
            status = reason && !strcmp(reason, "a sparse file") ? GLASS_OK : drain(o);
    }
    buf_free(&path);
    return status;
}

static glass_status open_archive(struct walk *w, const char *file, struct item *inner,
                                 const char *path, bool *greedy) {
    enum kind kind = kind_of(path);
    struct opened o = {.w = w, .path = path, .inner = inner, .a = make(kind)};
    glass_status status;
    *greedy = false;
    if (o.a == NULL) return fail_memory(1);
    int r = inner == NULL ? archive_read_open_filename(o.a, file, 1 << 16)
                          : archive_read_open(o.a, &o, NULL, read_inner, NULL);
    w->depth++;
    status = r < ARCHIVE_WARN ? broken(&o) : each_entry(&o, kind);
    w->depth--;
    archive_read_free(o.a);
    *greedy = o.greedy;
    return status;
}

glass_status walk_item(struct walk *w, struct item *item) {
    bool greedy;
    if (!walk_is_archive(item->path)) return w->visit(w->context, item);
    if (w->depth >= w->max_depth) {
        skip(w, item->path, "an archive too deep inside archives (--max-depth)");
        return GLASS_OK;
    }
    glass_status status = open_archive(w, NULL, item, item->path, &greedy);
    if (status != GLASS_BAD_INPUT || greedy) return status;
    /* One bad archive does not spoil the source that it was found in. */
    skip(w, item->path, glass_error());
    return GLASS_OK;
}

/* ---- folders and files ---- */

struct plain {
    int fd;
    const char *path;
    char block[1 << 16];
};

static glass_status read_plain(void *from, const void **bytes, size_t *n_bytes) {
    struct plain *f = from;
    ssize_t n;
    do n = read(f->fd, f->block, sizeof f->block);
    while (n < 0 && errno == EINTR);
    if (n < 0) return fail_errno("%s: cannot read", f->path);
    *bytes = f->block;
    *n_bytes = (size_t)n;
    return GLASS_OK;
}

static glass_status walk_file(struct walk *w, const char *path, const char *name,
                              off_t size, bool top) {
    bool greedy;
    TRY(count_entry(w, path));
    if (walk_is_archive(name)) {
        w->n_in += size;
        glass_status status = open_archive(w, path, NULL, name, &greedy);
        if (top || status != GLASS_BAD_INPUT || greedy) return status;
        skip(w, name, glass_error());
        return GLASS_OK;
    }
    struct plain *f;
    TRY(mem_alloc(&f, 1, sizeof *f));
    f->path = path;
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (f->fd < 0) {
        mem_free(f);
        return fail_errno("%s: cannot open", path);
    }
    struct item item = {name, read_plain, f};
    glass_status status = w->visit(w->context, &item);
    close(f->fd);
    mem_free(f);
    return status;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static glass_status list_folder(const char *path, char ***names, size_t *n) {
    DIR *folder = opendir(path);
    size_t room = 0;
    glass_status status = GLASS_OK;
    *names = NULL;
    *n = 0;
    if (folder == NULL) return fail_errno("%s: cannot open", path);
    for (struct dirent *e; status == GLASS_OK && (e = readdir(folder)) != NULL;) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (*n == room) {
            room = room ? 2 * room : 64;
            status = mem_resize(names, room, sizeof **names);
            if (status != GLASS_OK) break;
        }
        status = mem_copy_text(&(*names)[*n], e->d_name, strlen(e->d_name));
        if (status == GLASS_OK) ++*n;
    }
    closedir(folder);
    if (*n > 1) qsort(*names, *n, sizeof **names, by_bytes);
    return status;
}

static glass_status walk_folder(struct walk *w, const char *path, const char *name,
                                int depth);

static glass_status walk_entry(struct walk *w, const char *path, const char *name,
                               int depth) {
    struct stat st;
    if (lstat(path, &st) != 0) return fail_errno("%s: cannot look at", path);
    if (S_ISREG(st.st_mode)) return walk_file(w, path, name, st.st_size, false);
    if (S_ISDIR(st.st_mode)) return walk_folder(w, path, name, depth + 1);
    skip(w, name, S_ISLNK(st.st_mode) ? "a link" : "no ordinary file");
    return GLASS_OK;
}

static glass_status walk_folder(struct walk *w, const char *path, const char *name,
                                int depth) {
    char **names;
    size_t n;
    struct buf inner_path = {0}, inner_name = {0};
    if (depth > WALK_FOLDERS)
        return fail(GLASS_BAD_INPUT, "%s: more than %d folders deep", path, WALK_FOLDERS);
    glass_status status = list_folder(path, &names, &n);
    bool corpus = false;
    for (size_t i = 0; i < n; i++) corpus |= strcmp(names[i], "corpus.sqlite") == 0;
    if (corpus && depth == 0)
        status =
            fail(GLASS_USAGE,
                 "%s: a corpus, and no source of one: `glass data clean` and `glass data "
                 "pack` take several corpora",
                 path);
    if (corpus && depth > 0) skip(w, name, "a corpus");
    for (size_t i = 0; i < n && status == GLASS_OK && !corpus; i++) {
        if (strcmp(names[i], ".git") == 0) continue;
        buf_clear(&inner_path);
        buf_clear(&inner_name);
        status = buf_printf(&inner_path, "%s/%s", path, names[i]);
        if (status == GLASS_OK)
            status = buf_printf(&inner_name, "%s%s", name, *name ? "/" : "");
        if (status == GLASS_OK)
            status = walk_put_name(&inner_name, names[i], strlen(names[i]));
        if (status == GLASS_OK)
            status = walk_entry(w, inner_path.data, inner_name.data, depth);
    }
    for (size_t i = 0; i < n; i++) mem_free(names[i]);
    mem_free(names);
    buf_free(&inner_path);
    buf_free(&inner_name);
    return status;
}

glass_status walk_path(struct walk *w, const char *path, const char *name) {
    struct stat st;
    if (stat(path, &st) != 0) return fail_errno("%s: cannot open", path);
    if (S_ISDIR(st.st_mode)) return walk_folder(w, path, "", 0);
    if (!S_ISREG(st.st_mode))
        return fail(GLASS_BAD_INPUT, "%s: neither a file nor a folder", path);
    char real[4096];
    if (realpath(path, real) == NULL) return fail_errno("%s: cannot open", path);
    return walk_file(w, real, name, st.st_size, true);
}

glass_status item_read_all(struct item *item, struct buf *out, size_t limit, bool *whole) {
    const void *bytes;
    size_t n;
    buf_clear(out);
    *whole = true;
    for (;;) {
        TRY(item->read(item->from, &bytes, &n));
        if (n == 0) return GLASS_OK;
        if (out->len + n > limit) {
            *whole = false;
            return GLASS_OK;
        }
        TRY(buf_append(out, bytes, n));
    }
}
