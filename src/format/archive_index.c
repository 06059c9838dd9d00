/* archive_index.c - reads model.safetensors.index.json and pytorch_model.bin.index.json:
 * {"metadata": …, "weight_map": {tensor: file}}, and opens the files it names. */
#include "format/archive_parts.h"
#include "format/json_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_INDEX = 100000000, MAX_FILE_NAME = 255 };

struct entry {
    const char *tensor, *file;
    size_t pos;
};

struct map {
    struct archive *a;
    struct json_scan scan;
    struct buf key, text, folder;
    struct entry *entries;
    size_t n, cap;
    bool seen;
};

/* Files beside the index only: a name is one step, and not a step up. */
static glass_status check_file(const struct map *m, size_t pos) {
    const char *file = m->text.data;
    bool plain = m->text.len > 0 && m->text.len <= MAX_FILE_NAME && file[0] != '.' &&
                 strpbrk(file, "/\\") == NULL;
    for (size_t i = 0; plain && i < m->text.len; i++)
        plain = (unsigned char)file[i] >= 0x20 && file[i] != 0x7f;
    if (plain) return GLASS_OK;
    return fail(GLASS_BAD_INPUT,
                "%s: byte %zu: \"%.*s\" is not the plain name of a file beside the index",
                m->scan.name, pos, ARCHIVE_SHOWN, file);
}

static glass_status add_entry(struct map *m, size_t pos) {
    if (m->n == ARCHIVE_MAX_TENSORS)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: more than %d tensors", m->scan.name,
                    pos, ARCHIVE_MAX_TENSORS);
    if (m->key.len == 0 || m->key.len > ARCHIVE_MAX_NAME)
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: a tensor's name of %zu bytes; 1 to %d are allowed",
                    m->scan.name, pos, m->key.len, ARCHIVE_MAX_NAME);
    if (m->n == m->cap) {
        size_t cap = m->cap == 0 ? 64 : m->cap * 2;
        TRY(mem_resize(&m->entries, cap, sizeof *m->entries));
        m->cap = cap;
    }
    struct entry *e = &m->entries[m->n];
    e->pos = pos;
    TRY(archive_keep(m->a, m->key.data, m->key.len, &e->tensor));
    /* Neighbours are mostly in the same file. */
    if (m->n > 0 && strcmp(m->entries[m->n - 1].file, m->text.data) == 0)
        e->file = m->entries[m->n - 1].file;
    else
        TRY(archive_keep(m->a, m->text.data, m->text.len, &e->file));
    m->n++;
    return GLASS_OK;
}

static glass_status read_weight_map(struct map *m) {
    struct json_scan *s = &m->scan;
    bool more = true;
    if (m->seen)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: weight_map is there twice", s->name,
                    s->pos);
    m->seen = true;
    TRY(json_scan_want(s, '{'));
    if (json_scan_take(s, '}')) return GLASS_OK;
    while (more) {
        json_scan_peek(s);
        size_t pos = s->pos;
        TRY(json_scan_key(s, &m->key));
        TRY(json_scan_string(s, &m->text, "a file's name in quotes"));
        TRY(check_file(m, pos));
        TRY(add_entry(m, pos));
        TRY(json_scan_next(s, '}', &more));
    }
    return GLASS_OK;
}

static glass_status read_top(struct map *m) {
    struct json_scan *s = &m->scan;
    bool more = true;
    TRY(json_scan_want(s, '{'));
    if (!json_scan_take(s, '}')) {
        while (more) {
            TRY(json_scan_key(s, &m->key));
            if (strcmp(m->key.data, "weight_map") == 0)
                TRY(read_weight_map(m));
            else
                TRY(json_scan_skip(s));
            TRY(json_scan_next(s, '}', &more));
        }
    }
    TRY(json_scan_end(s));
    if (m->n == 0)
        return fail(
            GLASS_BAD_INPUT,
            "%s: JSON without a weight_map that names files; an index of shards has "
            "one (name the folder to open a whole model)",
            s->name);
    return GLASS_OK;
}

static int by_tensor(const void *a, const void *b) {
    return strcmp(((const struct entry *)a)->tensor, ((const struct entry *)b)->tensor);
}

static int by_file(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int order = strcmp(x->file, y->file);
    return order != 0 ? order : strcmp(x->tensor, y->tensor);
}

static glass_status check_twice(struct map *m) {
    qsort(m->entries, m->n, sizeof *m->entries, by_tensor);
    for (size_t i = 1; i < m->n; i++)
        if (strcmp(m->entries[i - 1].tensor, m->entries[i].tensor) == 0)
            return fail(
                GLASS_BAD_INPUT, "%s: byte %zu: the tensor \"%.*s\" is in weight_map twice",
                m->scan.name, m->entries[i].pos, ARCHIVE_SHOWN, m->entries[i].tensor);
    return GLASS_OK;
}

static glass_status open_file(struct map *m, const struct entry *e) {
    if (m->a->n_parts == ARCHIVE_MAX_PARTS)
        return fail(GLASS_BAD_INPUT, "%s: more than %d files", m->scan.name,
                    ARCHIVE_MAX_PARTS);
    buf_clear(&m->text);
    TRY(buf_printf(&m->text, "%s%s", m->folder.len > 0 ? m->folder.data : "", e->file));
    if (access(m->text.data, F_OK) != 0 && errno == ENOENT)
        return fail(GLASS_BAD_INPUT, "%s: named by %s, but not there", m->text.data,
                    m->scan.name);
    return archive_add_file(m->a, m->text.data);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every tensor that the index puts into the last part must be there. */
static glass_status check_there(const struct map *m, const struct entry *entries, size_t n,
                                size_t first) {
    const struct archive *a = m->a;
    size_t n_names = a->n_tensors - first, at = 0;
    const char **names;
    glass_status status = GLASS_OK;
    TRY(mem_alloc(&names, n_names, sizeof *names));
    for (size_t i = 0; i < n_names; i++) names[i] = a->tensors[first + i].name;
    if (n_names > 0) qsort(names, n_names, sizeof *names, by_text);
    for (size_t i = 0; i < n && status == GLASS_OK; i++) { /* both are sorted */
        while (at < n_names && strcmp(names[at], entries[i].tensor) < 0) at++;
        if (at == n_names || strcmp(names[at], entries[i].tensor) != 0)
            status =
                fail(GLASS_BAD_INPUT,
                     "%s: byte %zu: the tensor \"%.*s\" is not in %s, where it should be",
                     m->scan.name, entries[i].pos, ARCHIVE_SHOWN, entries[i].tensor,
                     entries[i].file);
    }
    mem_free(names);
    return status;
}

static glass_status open_files(struct map *m) {
    size_t end;
    qsort(m->entries, m->n, sizeof *m->entries, by_file);
    for (size_t i = 0; i < m->n; i = end) {
        size_t first = m->a->n_tensors;
        for (end = i + 1; end < m->n; end++)
            if (strcmp(m->entries[end].file, m->entries[i].file) != 0) break;
        TRY(open_file(m, &m->entries[i]));
        TRY(check_there(m, m->entries + i, end - i, first));
    }
    return GLASS_OK;
}

glass_status archive_read_index(struct archive *a, const char *path,
                                const struct filemap *map) {
    struct map m = {.a = a, .scan = {(const char *)map->data, map->size, 0, path}};
    const char *slash = strrchr(path, '/');
    glass_status status;
    if (map->size > MAX_INDEX)
        return fail(GLASS_BAD_INPUT, "%s: an index of %zu bytes; at most %d are read", path,
                    map->size, MAX_INDEX);
    if (slash != NULL) TRY_FAIL(buf_append(&m.folder, path, (size_t)(slash - path) + 1));
    TRY_FAIL(read_top(&m));
    TRY_FAIL(check_twice(&m));
    status = open_files(&m);
fail:
    buf_free(&m.key);
    buf_free(&m.text);
    buf_free(&m.folder);
    mem_free(m.entries);
    return status;
}
