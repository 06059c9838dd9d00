/* gguf.c - opens GGUF files: header, parts, the index of tensors by name.
 *
 * Values are read in gguf_values.c, tensor descriptions in gguf_tensors.c, and the names
 * and counts of split files in gguf_split.c. */
#include "format/gguf_build.h"
#include "format/gguf_parts.h"

#include <stdlib.h>
#include <string.h>

/* What people hand over instead of a GGUF file, by its first bytes. */
static const struct {
    const char *start, *what;
} strangers[] = {
    {"ggjt", "a GGML file of 2023, before GGUF; convert the model again"},
    {"ggmf", "a GGML file of 2023, before GGUF; convert the model again"},
    {"lmgg", "a GGML file of 2023, before GGUF; convert the model again"},
    {"tjgg", "a GGML file of 2023, before GGUF; convert the model again"},
    {"fmgg", "a GGML file of 2023, before GGUF; convert the model again"},
    {"PK\x03\x04", "a zip archive, perhaps a PyTorch checkpoint, not GGUF"},
    {"version https://git-lfs", "a Git LFS pointer; the model itself was never fetched "
                                "(git lfs pull, or download the file)"},
    {"<", "a web page or XML, not GGUF; the download went wrong"},
    {"{", "JSON text, not GGUF"},
    {"FUGG", "a big-endian GGUF file; Glass reads little-endian ones"},
};

static glass_status check_magic(struct reader *r) {
    const uint8_t *magic;
    TRY(reader_bytes(r, &magic, 4, "the magic number"));
    if (memcmp(magic, "GGUF", 4) == 0) return GLASS_OK;
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        size_t n = strlen(strangers[i].start);
        if (r->size >= n && memcmp(r->data, strangers[i].start, n) == 0)
            return fail(GLASS_BAD_INPUT, "%s: byte 0: this is %s", r->name,
                        strangers[i].what);
    }
    return fail(GLASS_BAD_INPUT,
                "%s: byte 0: not a GGUF file: it starts with %02x %02x %02x %02x, not with "
                "\"GGUF\"",
                r->name, magic[0], magic[1], magic[2], magic[3]);
}

static glass_status check_version(struct reader *r, uint32_t *version) {
    TRY(reader_u32(r, version, "the version"));
    if (*version == 2 || *version == 3) return GLASS_OK;
    if (*version == 1)
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte 4: GGUF version 1, which nothing has written since August 2023; "
            "Glass reads 2 and 3: convert the model again",
            r->name);
    if (*version != 0 && (*version & 0xffff) == 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: byte 4: a big-endian GGUF file (version 0x%08x); Glass reads "
                    "little-endian ones",
                    r->name, (unsigned)*version);
    return fail(GLASS_BAD_INPUT, "%s: byte 4: GGUF version %u; Glass reads 2 and 3%s",
                r->name, (unsigned)*version,
                *version > 3 ? ": a newer Glass may read it" : "");
}

/* A count is believed only if the bytes that follow could hold that many. */
static glass_status read_count(struct reader *r, uint64_t *count, const char *what,
                               size_t least_bytes, uint64_t limit) {
    size_t pos = r->pos;
    TRY(reader_u64(r, count, what));
    if (*count > r->size / least_bytes)
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: %s is %llu, more than a file of %zu bytes can hold; it is "
            "cut short or damaged",
            r->name, pos, what, (unsigned long long)*count, r->size);
    if (*count > limit)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: %s is %llu; Glass takes at most %llu",
                    r->name, pos, what, (unsigned long long)*count,
                    (unsigned long long)limit);
    return GLASS_OK;
}

static glass_status read_part(struct gguf *g, struct gguf_part *part) {
    struct reader r = {part->map.data, part->map.size, 0, part->path};
    if (r.size == 0) return fail(GLASS_BAD_INPUT, "%s: the file is empty", r.name);
    TRY(check_magic(&r));
    TRY(check_version(&r, &part->version));
    uint64_t n_values;
    /* The least a tensor takes: name 8 + 1, dimensions 4 + 8, type 4, offset 8.
     * A value: key 8 + 1, type 4, one byte. */
    TRY(read_count(&r, &part->n_tensors_said, "the number of tensors", 33,
                   GGUF_MAX_TENSORS));
    TRY(read_count(&r, &n_values, "the number of values", 14, GGUF_MAX_VALUES));
    TRY(gguf_read_values(part, &r, n_values));
    return gguf_read_tensors(g, &r);
}

/* Room for one more, doubling, so that memory follows what was really found. */
static glass_status grow_parts(struct gguf *g) {
    if (g->n_parts < g->cap_parts) return GLASS_OK;
    int cap = g->cap_parts == 0 ? 1 : g->cap_parts * 2;
    TRY(mem_resize(&g->parts, (size_t)cap, sizeof *g->parts));
    g->cap_parts = cap;
    return GLASS_OK;
}

glass_status gguf_add_part(struct gguf *g, const char *path, struct filemap map,
                           bool mapped) {
    glass_status status = grow_parts(g);
    if (status != GLASS_OK) {
        if (mapped) filemap_close(&map);
        return status;
    }
    struct gguf_part *part = &g->parts[g->n_parts++];
    *part = (struct gguf_part){.map = map, .mapped = mapped};
    TRY(mem_copy_text(&part->path, path, strlen(path)));
    return read_part(g, part);
}

void gguf_clear_parts(struct gguf *g) {
    for (int i = 0; i < g->n_parts; i++) {
        struct gguf_part *part = &g->parts[i];
        gguf_free_values(part);
        mem_free(part->names);
        mem_free(part->path);
        if (part->mapped) filemap_close(&part->map);
    }
    g->n_parts = 0;
    g->n_tensors = 0;
}

static int by_name(const void *a, const void *b, void *context) {
    const struct gguf *g = context;
    return strcmp(g->tensors[*(const uint32_t *)a].tensor.name,
                  g->tensors[*(const uint32_t *)b].tensor.name);
}

/* Sorted, not hashed: a hostile file cannot make it slow, and lookups are a dozen compares.
 */
glass_status gguf_index_tensors(struct gguf *g) {
    size_t n = (size_t)g->n_tensors;
    TRY(mem_alloc(&g->tensor_order, n, sizeof *g->tensor_order));
    for (size_t i = 0; i < n; i++) g->tensor_order[i] = (uint32_t)i;
    qsort_r(g->tensor_order, n, sizeof *g->tensor_order, by_name, g);
    for (size_t i = 1; i < n; i++) {
        const struct gguf_info *a = &g->tensors[g->tensor_order[i - 1]];
        const struct gguf_info *b = &g->tensors[g->tensor_order[i]];
        if (strcmp(a->tensor.name, b->tensor.name) != 0) continue;
        if (g->build != NULL)
            return fail(GLASS_BAD_INPUT, "%s: two tensors are both %s", gguf_path(g),
                        a->tensor.name);
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: tensor \"%s\" is described twice (also at byte %zu of %s)",
            g->parts[b->part].path, b->pos, b->tensor.name, a->pos, g->parts[a->part].path);
    }
    return GLASS_OK;
}

static void clear(struct gguf *g) {
    gguf_clear_parts(g);
    mem_free(g->parts);
    mem_free(g->tensors);
    mem_free(g->tensor_order);
    gguf_build_free(g->build);
}

static glass_status open_map(struct gguf **out, const char *path, struct filemap map,
                             bool mapped) {
    struct gguf *g;
    uint64_t n_parts;
    *out = NULL;
    glass_status status = mem_alloc_zero(&g, 1, sizeof *g);
    if (status != GLASS_OK) {
        if (mapped) filemap_close(&map);
        return status;
    }
    TRY_FAIL(gguf_add_part(g, path, map, mapped));
    TRY_FAIL(gguf_split_count(&n_parts, &g->parts[0]));
    if (n_parts > 1 && !mapped)
        TRY_FAIL(fail(GLASS_BAD_INPUT,
                      "%s: one of %llu parts of a split file, and not opened by a path",
                      path, (unsigned long long)n_parts));
    if (n_parts > 1) TRY_FAIL(gguf_open_split(g, n_parts));
    TRY_FAIL(gguf_index_tensors(g));
    *out = g;
    return GLASS_OK;
fail:
    gguf_close(g);
    return status;
}

glass_status gguf_open(struct gguf **out, const char *path) {
    struct filemap map;
    *out = NULL;
    TRY(filemap_open(&map, path));
    return open_map(out, path, map, true);
}

glass_status gguf_open_memory(struct gguf **out, const void *bytes, size_t n_bytes,
                              const char *name) {
    return open_map(out, name, (struct filemap){bytes, n_bytes}, false);
}

glass_status gguf_check_one(const char *path) {
    struct gguf g = {0};
    struct filemap map;
    TRY(filemap_open(&map, path));
    glass_status status = gguf_add_part(&g, path, map, true);
    if (status == GLASS_OK) status = gguf_index_tensors(&g);
    clear(&g);
    return status;
}

void gguf_close(struct gguf *g) {
    if (g == NULL) return;
    clear(g);
    mem_free(g);
}

int gguf_n_parts(const struct gguf *g) {
    return g->build != NULL ? gguf_build_n_maps(g->build) : g->n_parts;
}

const struct filemap *gguf_part(const struct gguf *g, int i) {
    if (i < 0 || i >= gguf_n_parts(g)) return NULL;
    return g->build != NULL ? gguf_build_map_at(g->build, i) : &g->parts[i].map;
}

bool gguf_is_file(const struct gguf *g) {
    return g->build == NULL;
}

const char *gguf_path(const struct gguf *g) {
    return g->parts[0].path;
}

uint32_t gguf_version(const struct gguf *g) {
    return g->parts[0].version;
}

int64_t gguf_n_tensors(const struct gguf *g) {
    return g->n_tensors;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, int64_t i) {
    return i >= 0 && i < g->n_tensors ? &g->tensors[i].tensor : NULL;
}

const struct gguf_tensor *gguf_tensor_find(const struct gguf *g, const char *name) {
    int64_t low = 0, high = g->n_tensors;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const struct gguf_tensor *tensor = &g->tensors[g->tensor_order[middle]].tensor;
        int order = strcmp(name, tensor->name);
        if (order == 0) return tensor;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
