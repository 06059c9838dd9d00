/* gather_deb.c - packages of Debian, fetched and checked by apt: "deb:bash", "debsrc:hello=2.10-3".
 *
 * apt-get download and apt-get source --download-only put them into the corpus's folder
 * fetched/, where the same call again finds them. Source packages need a list of them: where the
 * machine's configuration has none, one is made for this purpose from the places that apt gets
 * its packages from, and kept in fetched/apt. Patches of a source package are not applied: its
 * documents are those of the upstream archive, and Debian's debian/ in place of that one's. */
#include "data/gather.h"

#include "base/hash.h"
#include "base/path.h"
#include "data/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DSC_BYTES = 1 << 20, DIFF_BYTES = 64 << 20 };

static bool fits(const char *text, size_t n, const char *more) {
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        bool fine =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr(more, c) != NULL;
        if (!fine) return false;
    }
    return n > 0 && text[0] != '-' && text[0] != '.';
}

/* NAME[=VERSION] as apt takes it, and nothing that it might take for an option. */
static glass_status check_name(const char *spec, const char *wanted) {
    const char *equal = strchr(wanted, '=');
    size_t n = equal ? (size_t)(equal - wanted) : strlen(wanted);
    if (fits(wanted, n, "+.-") &&
        (!equal || fits(equal + 1, strlen(equal + 1), "+.-:~ABCDEFGHIJKLMNOPQRSTUVWXYZ")))
        return GLASS_OK;
    return fail(GLASS_USAGE, "%s: no package: NAME or NAME=VERSION", spec);
}

static bool has_end(const char *name, const char *end) {
    size_t n = strlen(name), k = strlen(end);
    return n > k && strcmp(name + n - k, end) == 0;
}

/* The one file of the folder with that ending; false if there is none. */
static bool find_file(struct buf *out, const char *folder, const char *end) {
    DIR *dir = opendir(folder);
    bool found = false;
    if (dir == NULL) return false;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (has_end(e->d_name, end)) {
            buf_clear(out);
            found = buf_printf(out, "%s/%s", folder, e->d_name) == GLASS_OK;
        }
    closedir(dir);
    return found;
}

/* ---- apt ---- */

/* Its own list of sources: every place of binary packages as one of source packages. */
static glass_status make_lists(struct gather *g, struct buf *folder) {
    const char *const ask[] = {"apt-get",
                               "indextargets",
                               "--format",
                               "$(SITE)|$(RELEASE)|$(COMPONENT)",
                               "Created-By: Packages",
                               NULL};
    struct buf places = {0}, list = {0}, path = {0};
    char real[4096]; /* apt-get runs in another folder */
    if (realpath(g->corpus->path, real) == NULL)
        return fail_errno("%s: cannot open", g->corpus->path);
    glass_status status = buf_printf(folder, "%s/fetched/apt", real);
    if (status == GLASS_OK) status = buf_printf(&path, "%s/lists/partial", folder->data);
    if (status == GLASS_OK) status = path_make(path.data);
    if (status == GLASS_OK) status = spawn_read(&places, ask, NULL, 1 << 20);
    for (char *line = places.data; status == GLASS_OK && line && *line;) {
        char *end = strchr(line, '\n'), *next = end ? end + 1 : NULL;
        if (end) *end = '\0';
        for (char *p = line; (p = strchr(p, '|')) != NULL;) *p = ' ';
        status = buf_printf(&list, "deb-src %s\n", line);
        line = next;
    }
    buf_clear(&path);
    if (status == GLASS_OK) status = buf_printf(&path, "%s/sources.list", folder->data);
    if (status == GLASS_OK && list.len == 0)
        status = fail(GLASS_SYSTEM, "apt has no place to get packages from");
    if (status == GLASS_OK) status = path_write_whole(path.data, list.data, list.len);
    buf_free(&places);
    buf_free(&list);
    buf_free(&path);
    return status;
}

struct apt {
    struct buf options[4];
    const char *argv[16];
    int n;
};

static void apt_free(struct apt *a) {
    for (int i = 0; i < 4; i++) buf_free(&a->options[i]);
}

/* apt-get with the lists of source packages, made anew where apt has none itself. */
static glass_status apt_begin(struct gather *g, struct apt *a, bool source) {
    const char *const ask[] = {"apt-get",    "indextargets",        "--format",
                               "$(RELEASE)", "Created-By: Sources", NULL};
    struct buf has = {0}, folder = {0};
    glass_status status = GLASS_OK;
    a->argv[a->n++] = "apt-get";
    a->argv[a->n++] = "-qq";
    a->argv[a->n++] = "-oAPT::Sandbox::User=";
    if (source) status = spawn_read(&has, ask, NULL, 1 << 20);
    if (status == GLASS_OK && source && has.len == 0) {
        status = make_lists(g, &folder);
        const char *const names[] = {"Dir::Etc::SourceList=%s/sources.list",
                                     "Dir::Etc::SourceParts=%s/none",
                                     "Dir::State::Lists=%s/lists", "Dir::Cache=%s"};
        for (int i = 0; i < 4 && status == GLASS_OK; i++) {
            const char *split = strchr(names[i], '%');
            status = buf_printf(&a->options[i], "-o%.*s%s%s", (int)(split - names[i]),
                                names[i], folder.data, split + 2);
            a->argv[a->n++] = a->options[i].data;
        }
        if (status == GLASS_OK) {
            struct buf said = {0};
            const char *update[16];
            memcpy(update, a->argv, sizeof update);
            update[a->n] = "update";
            update[a->n + 1] = NULL;
            status = spawn_read(&said, update, NULL, 1 << 20);
            buf_free(&said);
        }
    }
    buf_free(&has);
    buf_free(&folder);
    return status;
}

/* What a killed fetch left. */
static void empty_folder(const char *folder) {
    struct buf path = {0};
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        buf_clear(&path);
        if (e->d_name[0] != '.' &&
            buf_printf(&path, "%s/%s", folder, e->d_name) == GLASS_OK)
            unlink(path.data);
    }
    closedir(dir);
    buf_free(&path);
}

/* Into a folder beside the one that it will be, so that a folder with the right name is whole. */
static glass_status fetch(struct gather *g, struct source *s, const char *wanted,
                          bool source) {
    struct apt a = {0};
    struct buf said = {0}, part = {0};
    glass_status status = buf_printf(&part, "%s.part", s->folder.data);
    if (status == GLASS_OK) status = path_make(part.data);
    if (status == GLASS_OK) empty_folder(part.data);
    if (status == GLASS_OK) status = apt_begin(g, &a, source);
    if (status == GLASS_OK) {
        a.argv[a.n++] = source ? "source" : "download";
        if (source) a.argv[a.n++] = "--download-only";
        a.argv[a.n++] = wanted;
        a.argv[a.n] = NULL;
        status = spawn_read(&said, a.argv, part.data, 1 << 20);
    }
    if (status == GLASS_OK && rename(part.data, s->folder.data) != 0)
        status = fail_errno("%s: cannot rename", part.data);
    if (status != GLASS_OK) status = fail_within(status, "%s", s->spec);
    apt_free(&a);
    buf_free(&said);
    buf_free(&part);
    return status;
}

/* ---- binary packages ---- */

static glass_status each_file(struct gather *g, struct walk *w, const struct source *s) {
    const char *name = strrchr(s->files[0].data, '/') + 1;
    buf_clear(&g->prefix);
    TRY(buf_printf(&g->prefix, "%s!", name));
    return walk_path(w, s->files[0].data, name);
}

/* NAME_VERSION_ARCH.deb, with %3a for ':'. */
static glass_status name_of_deb(struct buf *out, const char *path) {
    const char *name = strrchr(path, '/') + 1, *first = strchr(name, '_');
    const char *second = first ? strchr(first + 1, '_') : NULL;
    if (second == NULL) return fail(GLASS_SYSTEM, "%s: no package's name", path);
    TRY(buf_printf(out, "deb:%.*s=", (int)(first - name), name));
    for (const char *p = first + 1; p < second; p++) {
        bool colon = strncmp(p, "%3a", 3) == 0;
        TRY(buf_byte(out, colon ? ':' : *p));
        if (colon) p += 2;
    }
    return buf_printf(out, ":%.*s", (int)(strlen(second + 1) - 4), second + 1);
}

static glass_status open_binary(struct gather *g, struct source *s, const char *wanted) {
    if (!find_file(&s->files[0], s->folder.data, ".deb")) {
        TRY(fetch(g, s, wanted, false));
        if (!find_file(&s->files[0], s->folder.data, ".deb"))
            return fail(GLASS_SYSTEM, "%s: apt-get download left no package", s->spec);
    }
    s->n_files = 1;
    g->package = true;
    s->each = each_file;
    TRY(name_of_deb(&g->source, s->files[0].data));
    g->has_retrieved = true;
    return sha256_file(g->retrieved, s->files[0].data);
}

/* ---- source packages ---- */

/* A file that a diff makes: its lines that begin with '+'. */
struct memory {
    struct buf bytes;
    bool done;
};

static glass_status read_memory(void *from, const void **bytes, size_t *n) {
    struct memory *m = from;
    *bytes = m->bytes.data;
    *n = m->done ? 0 : m->bytes.len;
    m->done = true;
    return GLASS_OK;
}

static glass_status put_new_file(struct walk *w, struct buf *path, struct memory *m) {
    if (path->len == 0 || m->bytes.len == 0) return GLASS_OK;
    struct item item = {path->data, read_memory, m};
    m->done = false;
    return w->visit(w->context, &item);
}

/* Files below debian/ that the diff of an old source package (format 1.0) adds whole. */
static glass_status visit_diff(struct walk *w, const char *diff, size_t n) {
    struct buf path = {0};
    struct memory m = {0};
    glass_status status = GLASS_OK;
    for (const char *at = diff, *end = diff + n; at < end && status == GLASS_OK;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = stop ? (size_t)(stop - at) : (size_t)(end - at);
        if (length > 4 && strncmp(at, "+++ ", 4) == 0) {
            status = put_new_file(w, &path, &m);
            buf_clear(&path);
            buf_clear(&m.bytes);
            const char *slash = memchr(at, '/', length);
            size_t left = slash ? length - (size_t)(slash + 1 - at) : 0;
            const char *tab = slash ? memchr(slash, '\t', left) : NULL;
            if (tab) left = (size_t)(tab - slash - 1);
            if (left > 7 && strncmp(slash + 1, "debian/", 7) == 0 && status == GLASS_OK)
                status = walk_put_name(&path, slash + 1, left);
        } else if (length > 3 && strncmp(at, "@@ ", 3) == 0) {
            if (strncmp(at, "@@ -0,0 ", 8) != 0)
                buf_clear(&path); /* a change, no new file */
        } else if (path.len > 0 && *at == '+') {
            status = buf_append(&m.bytes, at + 1, length - 1 + (stop ? 1 : 0));
        }
        at += length + 1;
    }
    if (status == GLASS_OK) status = put_new_file(w, &path, &m);
    buf_free(&path);
    buf_free(&m.bytes);
    return status;
}

struct diff {
    struct walk *w;
    struct buf text;
};

static glass_status take_diff(void *context, struct item *item) {
    struct diff *d = context;
    bool whole;
    TRY(item_read_all(item, &d->text, DIFF_BYTES, &whole));
    return whole ? GLASS_OK
                 : fail(GLASS_BAD_INPUT, "%s: a diff of more than %d MB", item->path,
                        DIFF_BYTES >> 20);
}

static glass_status each_diff(struct walk *w, const char *path, const char *name) {
    struct diff d = {.w = w};
    struct walk inner = *w;
    inner.visit = take_diff;
    inner.context = &d;
    inner.skip = NULL;
    glass_status status = walk_path(&inner, path, name);
    if (status == GLASS_OK && d.text.len > 0)
        status = visit_diff(w, d.text.data, d.text.len);
    buf_free(&d.text);
    return status;
}

static glass_status each_source_file(struct gather *g, struct walk *w,
                                     const struct source *s) {
    bool replaced = false;
    for (int i = 0; i < s->n_files; i++)
        replaced |= strstr(s->files[i].data, ".debian.tar.") != NULL;
    for (int i = 0; i < s->n_files; i++) {
        const char *path = s->files[i].data, *name = strrchr(path, '/') + 1;
        bool debian = strstr(name, ".debian.tar.") != NULL;
        buf_clear(&g->prefix);
        g->strip_first = g->without_debian = false;
        if (has_end(name, ".diff.gz")) {
            TRY(each_diff(w, path, name));
            continue;
        }
        if (!walk_is_archive(name) || has_end(name, ".asc")) continue;
        TRY(buf_printf(&g->prefix, "%s!", name));
        /* A further upstream archive, orig-NAME, is unpacked as the folder NAME; its own first
         * folder has mostly that name. */
        g->strip_first = !debian && strstr(name, ".orig-") == NULL;
        g->without_debian = !debian && replaced;
        TRY(walk_path(w, path, name));
    }
    return GLASS_OK;
}

/* A field of the .dsc on one line. */
static bool field(const struct buf *dsc, const char *name, char out[256]) {
    size_t n = strlen(name);
    for (const char *line = dsc->data; line != NULL && *line;
         line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (strncmp(line, name, n) == 0 && line[n] == ':') {
            const char *value = line + n + 1;
            while (*value == ' ') value++;
            size_t k = strcspn(value, "\r\n");
            snprintf(out, 256, "%.*s", (int)(k < 255 ? k : 255), value);
            return true;
        }
    return false;
}

/* The files that the .dsc names, each with its SHA-256 checked. */
static glass_status take_files(struct source *s, const struct buf *dsc, const char *path) {
    const char *at = strstr(dsc->data, "\nChecksums-Sha256:");
    if (at == NULL) return fail(GLASS_BAD_INPUT, "%s: no Checksums-Sha256", path);
    at = strchr(at + 1, '\n');
    char name[256], hex[65];
    long long size;
    while (at != NULL && at[1] == ' ') {
        uint8_t wanted[32], is[32];
        if (sscanf(at + 1, " %64s %lld %255s", hex, &size, name) != 3 ||
            !sha256_parse(wanted, hex, strlen(hex)) || strchr(name, '/') || name[0] == '.')
            return fail(GLASS_BAD_INPUT, "%s: Checksums-Sha256 that cannot be read", path);
        if (s->n_files == (int)(sizeof s->files / sizeof *s->files))
            return fail(GLASS_BAD_INPUT, "%s: more than %d files", path, s->n_files);
        struct buf *file = &s->files[s->n_files++];
        TRY(buf_printf(file, "%s/%s", s->folder.data, name));
        TRY(sha256_file(is, file->data));
        if (memcmp(is, wanted, 32) != 0)
            return fail(GLASS_BAD_INPUT, "%s: its SHA-256 is not what %s says", file->data,
                        path);
        at = strchr(at + 1, '\n');
    }
    return GLASS_OK;
}

static glass_status open_source(struct gather *g, struct source *s, const char *wanted) {
    struct buf path = {0}, dsc = {0};
    char name[256], version[256];
    glass_status status = GLASS_OK;
    if (!find_file(&path, s->folder.data, ".dsc")) {
        status = fetch(g, s, wanted, true);
        if (status == GLASS_OK && !find_file(&path, s->folder.data, ".dsc"))
            status = fail(GLASS_SYSTEM, "%s: apt-get source left no .dsc", s->spec);
    }
    if (status == GLASS_OK) status = path_read_whole(&dsc, path.data, DSC_BYTES);
    if (status == GLASS_OK &&
        (!field(&dsc, "Source", name) || !field(&dsc, "Version", version)))
        status = fail(GLASS_BAD_INPUT, "%s: no Source or Version in it", path.data);
    if (status == GLASS_OK) status = take_files(s, &dsc, path.data);
    if (status == GLASS_OK) status = buf_printf(&g->source, "debsrc:%s=%s", name, version);
    if (status == GLASS_OK) status = sha256_file(g->retrieved, path.data);
    g->has_retrieved = true;
    s->each = each_source_file;
    buf_free(&path);
    buf_free(&dsc);
    return status;
}

glass_status gather_deb_open(struct gather *g, struct source *s) {
    bool source = strncmp(s->spec, "debsrc:", 7) == 0;
    const char *wanted = strchr(s->spec, ':') + 1;
    char real[4096];
    TRY(check_name(s->spec, wanted));
    /* apt runs in the folder, so that its path must hold everywhere. */
    if (realpath(g->corpus->path, real) == NULL)
        return fail_errno("%s: cannot open", g->corpus->path);
    TRY(buf_printf(&s->folder, "%s/fetched/%s_%s", real, source ? "debsrc" : "deb",
                   wanted));
    return source ? open_source(g, s, wanted) : open_binary(g, s, wanted);
}
