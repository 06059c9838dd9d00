/* licence_files.c - see licence_files.h. */
#include "data/licence_files.h"

#include "base/hash.h"
#include "data/licence.h"
#include "data/notice.h"
#include "data/unpack.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum { MOST_FILES = 1 << 20 };
static const size_t most_bytes = (size_t)256 << 20;

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* COPYING, COPYING.LESSER, LICENSE-MIT, licence.txt, but not license.c. */
static bool is_folder_name(const char *name) {
    static const char *const words[] = {"license", "licence", "copying", "unlicense",
                                        "copyright"};
    static const char *const codes[] = {
        "c",  "h",  "cc",  "cpp",   "hpp", "py",   "js",  "ts", "java", "go",   "rs",  "rb",
        "pl", "pm", "sh",  "json",  "xml", "html", "css", "m4", "el",   "vim",  "php", "cs",
        "hs", "ml", "xsl", "glade", "pyc", "png",  "svg", "in", "am",   "tmpl", "po"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if (strncasecmp(name, words[i], n) != 0) continue;
        if (isalpha((unsigned char)name[n]) && strcasecmp(name + n, "s") != 0) continue;
        const char *dot = strrchr(name, '.');
        for (size_t k = 0; dot != NULL && k < sizeof codes / sizeof *codes; k++)
            if (strcasecmp(dot + 1, codes[k]) == 0) return false;
        return true;
    }
    return false;
}

/* Behind the last folder or archive. */
static size_t folder_bytes(const char *path) {
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] != '/' && path[n - 1] != '!') n--;
    return n;
}

/* "debian/copyright" at a top or in a folder. */
static bool is_at(const char *path, const char *end) {
    size_t n = strlen(path), k = strlen(end);
    return ends_with(path, end) &&
           (n == k || path[n - k - 1] == '/' || path[n - k - 1] == '!');
}

enum licence_file_kind licence_file_kind(const char *path, bool package) {
    const char *name = path + folder_bytes(path);
    if (package && strncmp(path, "usr/share/doc/", 14) == 0 &&
        strcmp(name, "copyright") == 0)
        return LICENCE_FILE_PACKAGE;
    if (is_at(path, "debian/copyright") || is_at(path, ".reuse/dep5"))
        return LICENCE_FILE_DEBIAN;
    if (ends_with(name, ".license") && strlen(name) > 8) return LICENCE_FILE_SIDECAR;
    return is_folder_name(name) ? LICENCE_FILE_FOLDER : LICENCE_FILE_NONE;
}

static glass_status make_key(struct licence_file *f) {
    size_t n = strlen(f->path);
    switch (f->kind) {
    case LICENCE_FILE_SIDECAR: n -= strlen(".license"); break;
    case LICENCE_FILE_PACKAGE: n = 0; break;
    case LICENCE_FILE_DEBIAN: n -= ends_with(f->path, "dep5") ? 11 : 16; break;
    default: n = folder_bytes(f->path);
    }
    return mem_copy_text(&f->key, f->path, n);
}

/* "GPL-3" of a link to /usr/share/common-licenses is not followed: its words decide. */
static glass_status read_file(struct licence_file *f) {
    struct notice found;
    TRY(sha256_bytes(f->sha256, f->text.len ? f->text.data : "", f->text.len));
    if (f->text.len == 0) return GLASS_OK;
    f->n_bytes = f->text.len;
    if (f->kind == LICENCE_FILE_DEBIAN || f->kind == LICENCE_FILE_PACKAGE) {
        glass_status status = dep5_parse(&f->dep5, f->text.data, f->text.len);
        if (status == GLASS_OK && f->kind == LICENCE_FILE_PACKAGE)
            return dep5_whole(&f->expression, &f->dep5, &f->contradictory);
        if (status != GLASS_NEGATIVE) return status;
    }
    TRY(notice_find(&found, f->text.data, f->text.len, NOTICE_WHOLE));
    f->offset = found.offset;
    f->n_bytes = found.n_bytes;
    struct buf old = f->expression;
    f->expression = found.expression;
    found.expression = old;
    notice_clear(&found);
    return GLASS_OK;
}

glass_status licence_files_add(struct licence_files *f, enum licence_file_kind kind,
                               const char *path, struct buf *text) {
    if (f->n == MOST_FILES || f->n_bytes + text->len > most_bytes)
        return fail(GLASS_BAD_INPUT, "%s: more than %d licence files or %zu MB of them",
                    path, MOST_FILES, most_bytes >> 20);
    if (f->n == f->room) {
        int64_t room = f->room ? 2 * f->room : 16;
        TRY(mem_resize(&f->files, (size_t)room, sizeof *f->files));
        f->room = room;
    }
    struct licence_file *file = &f->files[f->n];
    memset(file, 0, sizeof *file);
    file->kind = kind;
    TRY(mem_copy_text(&file->path, path, strlen(path)));
    f->n++; /* licence_files_clear frees the rest, too */
    f->sorted = false;
    TRY(make_key(file));
    file->text = *text;
    *text = (struct buf){0};
    f->n_bytes += file->text.len;
    return read_file(file);
}

static int by_key(const void *a, const void *b) {
    const struct licence_file *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    if (order == 0) order = (int)x->kind - (int)y->kind;
    return order ? order : strcmp(x->path, y->path);
}

/* The first file with key text[0, n) and kind, or NULL. */
static const struct licence_file *first(const struct licence_files *f, const char *key,
                                        size_t n, enum licence_file_kind kind) {
    int64_t low = 0, high = f->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const struct licence_file *x = &f->files[middle];
        int order = strncmp(x->key, key, n);
        if (order == 0 && x->key[n] != '\0') order = 1;
        if (order == 0) order = (int)x->kind - (int)kind;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == f->n) return NULL;
    const struct licence_file *x = &f->files[low];
    return x->kind == kind && strlen(x->key) == n && memcmp(x->key, key, n) == 0 ? x : NULL;
}

static glass_status take(struct licence_finding *out, const struct licence_file *file,
                         const char *kind) {
    out->file = file;
    out->kind = kind;
    out->offset = file->offset;
    out->n_bytes = file->n_bytes;
    out->contradictory = file->contradictory;
    return buf_append(&out->expression, file->expression.data, file->expression.len);
}

static glass_status from_debian(struct licence_finding *out,
                                const struct licence_file *file, const char *path) {
    if (file->dep5.n == 0) {
        if (file->expression.len == 0) return GLASS_OK;
        out->inherited = true;
        return take(out, file, "debian-copyright");
    }
    struct buf name = {0}; /* patterns are for names as they are */
    glass_status status = walk_take_name(&name, path + strlen(file->key));
    int stanza = status == GLASS_OK && name.data ? dep5_find(&file->dep5, name.data) : -1;
    buf_free(&name);
    if (status != GLASS_OK || stanza < 0) return status;
    const struct dep5_stanza *s = &file->dep5.stanzas[stanza];
    TRY(dep5_licence(&out->expression, &file->dep5, stanza, &out->contradictory));
    if (out->expression.len == 0) return GLASS_OK;
    out->file = file;
    out->kind = "debian-copyright";
    out->offset = (size_t)(s->licence.text - file->text.data);
    const char *newline = memchr(s->licence.text, '\n', s->licence.n_bytes);
    out->n_bytes = newline ? (size_t)(newline - s->licence.text) : s->licence.n_bytes;
    if (out->n_bytes == 0)
        out->n_bytes = s->licence.n_bytes; /* its name is on the next line */
    out->copyright = s->copyright;
    return GLASS_OK;
}

/* All licence files of one folder hold together: LICENSE-MIT and LICENSE-APACHE are both kept,
 * since nothing says that one of them is enough. */
static glass_status from_folder(struct licence_finding *out, const struct licence_files *f,
                                const struct licence_file *file) {
    struct buf joined = {0};
    glass_status status = GLASS_OK;
    for (const struct licence_file *x = file;
         x < f->files + f->n && x->kind == file->kind && strcmp(x->key, file->key) == 0;
         x++) {
        if (x->expression.len == 0) continue;
        if (out->file == NULL) {
            status = take(out, x, "licence-file");
            out->inherited = true;
            if (status != GLASS_OK) break;
            continue;
        }
        buf_clear(&joined);
        status = licence_join(&joined, out->expression.data, x->expression.data, "AND");
        if (status != GLASS_OK) break;
        struct buf old = out->expression;
        out->expression = joined;
        joined = old;
    }
    buf_free(&joined);
    return status;
}

/* debian/copyright, then COPYING, from the file's folder up to its archive's top. */
static glass_status search_level(struct licence_finding *out, struct licence_files *f,
                                 const char *path, size_t begin, size_t end) {
    for (int round = 0; round < 2; round++)
        for (size_t at = end; at-- > begin && out->file == NULL;) {
            if (at > 0 && path[at - 1] != '/' && path[at - 1] != '!') continue;
            const struct licence_file *file =
                first(f, path, at, round == 0 ? LICENCE_FILE_DEBIAN : LICENCE_FILE_FOLDER);
            if (file != NULL)
                TRY(round == 0 ? from_debian(out, file, path) : from_folder(out, f, file));
        }
    return GLASS_OK;
}

glass_status licence_files_find(struct licence_finding *out, struct licence_files *f,
                                const char *path) {
    *out = (struct licence_finding){0};
    if (!f->sorted && f->n > 1) qsort(f->files, (size_t)f->n, sizeof *f->files, by_key);
    f->sorted = true;
    size_t n = strlen(path);
    const struct licence_file *file = first(f, path, n, LICENCE_FILE_SIDECAR);
    if (file != NULL && file->expression.len > 0) return take(out, file, "licence-file");
    /* From the file's own archive out: what an archive says of its files is nearer than what is
     * said of the archive. */
    for (size_t end = n + 1; end > 0 && out->file == NULL;) {
        size_t begin = end - 1;
        while (begin > 0 && path[begin - 1] != '!') begin--;
        TRY(search_level(out, f, path, begin, end));
        end = begin;
    }
    file = first(f, "", 0, LICENCE_FILE_PACKAGE);
    if (out->file == NULL && file != NULL && file->expression.len > 0) {
        out->inherited = true;
        return take(out, file, "debian-copyright");
    }
    return GLASS_OK;
}

void licence_finding_clear(struct licence_finding *f) {
    buf_free(&f->expression);
}

void licence_files_clear(struct licence_files *f) {
    for (int64_t i = 0; i < f->n; i++) {
        struct licence_file *file = &f->files[i];
        mem_free(file->path);
        mem_free(file->key);
        buf_free(&file->text);
        buf_free(&file->expression);
        dep5_clear(&file->dep5);
    }
    mem_free(f->files);
    *f = (struct licence_files){0};
}
