/* archive.c - opens archives of tensors: tells formats apart, and indexes what was read. */
#include "format/archive_parts.h"

#include "base/utf8.h"
#include "format/safetensors.h"
#include "format/zip.h"

#include <stdlib.h>

enum { BLOCK_BYTES = 1 << 16 };

struct archive_block {
    struct archive_block *next;
    size_t used, size;
    uint8_t bytes[];
};

glass_status archive_memory(struct archive *a, size_t n_bytes, uint8_t **out) {
    struct archive_block *block = a->blocks;
    if (block == NULL || block->size - block->used < n_bytes) {
        size_t size = n_bytes > BLOCK_BYTES ? n_bytes : BLOCK_BYTES, total;
        *out = NULL;
        /* The first block is small: most archives in tests and adapters are. */
        if (block == NULL && n_bytes <= BLOCK_BYTES / 16) size = BLOCK_BYTES / 16;
        if (!mem_add(&total, size, sizeof *block)) return fail_memory(n_bytes);
        TRY(mem_alloc(&block, total, 1));
        *block = (struct archive_block){.next = a->blocks, .size = size};
        a->blocks = block;
    }
    *out = block->bytes + block->used;
    block->used += n_bytes;
    return GLASS_OK;
}

glass_status archive_keep(struct archive *a, const char *text, size_t n, const char **out) {
    uint8_t *copy;
    *out = NULL;
    TRY(archive_memory(a, n + 1, &copy));
    if (n > 0) memcpy(copy, text, n);
    copy[n] = '\0';
    *out = (const char *)copy;
    return GLASS_OK;
}

/* Nothing unprintable gets into messages and listings. */
static glass_status check_name(const struct archive *a, const char *name, size_t n,
                               const char *where) {
    const char *path = a->parts[a->n_parts - 1].path;
    if (n == 0 || n > ARCHIVE_MAX_NAME)
        return fail(GLASS_BAD_INPUT,
                    "%s: %s: a tensor's name of %zu bytes; 1 to %d are allowed", path,
                    where, n, ARCHIVE_MAX_NAME);
    for (size_t at = 0; at < n;) {
        uint32_t c;
        size_t used = utf8_decode(&c, name + at, n - at);
        if (c == UTF8_BAD || c < 0x20 || c == 0x7f)
            return fail(GLASS_BAD_INPUT,
                        "%s: %s: a tensor's name holds the byte 0x%02x, which is no text",
                        path, where, (unsigned char)name[at]);
        at += used;
    }
    return GLASS_OK;
}

glass_status archive_add(struct archive *a, const struct archive_tensor *t,
                         const char *name, size_t n_name, const char *where) {
    TRY(check_name(a, name, n_name, where));
    if (a->n_tensors == ARCHIVE_MAX_TENSORS)
        return fail(GLASS_BAD_INPUT, "%s: more than %d tensors",
                    a->parts[a->n_parts - 1].path, ARCHIVE_MAX_TENSORS);
    if (a->n_tensors == a->cap_tensors) {
        size_t cap = a->cap_tensors == 0 ? 16 : a->cap_tensors * 2;
        TRY(mem_resize(&a->tensors, cap, sizeof *a->tensors));
        a->cap_tensors = cap;
    }
    struct archive_tensor *added = &a->tensors[a->n_tensors];
    *added = *t;
    TRY(archive_keep(a, name, n_name, &added->name));
    added->part = a->n_parts - 1;
    a->n_tensors++;
    return GLASS_OK;
}

/* What people hand over instead, by its first bytes. */
static const struct {
    const char *start;
    size_t n;
    const char *what;
} strangers[] = {
    {"GGUF", 4,
     "a GGUF file, which holds a whole model: name it where a model is asked for"},
    {"version https://git-lfs", 23,
     "a Git LFS pointer; the file itself was never fetched (git lfs pull, or download it)"},
    {"<", 1, "a web page or XML; the download went wrong"},
    {"\x89HDF", 4, "an HDF5 file, perhaps of TensorFlow, which Glass does not read"},
    {"\x93NUMPY", 6, "a NumPy array, which Glass does not read"},
    {"PK\5\6", 4, "an empty zip archive"},
    {"\x1f\x8b", 2, "gzip-compressed; unpack it first"},
    {"\x28\xb5\x2f\xfd", 4, "Zstandard-compressed; unpack it first"},
};

static glass_status unknown_format(const struct archive_part *part) {
    const uint8_t *data = part->map.data;
    size_t size = part->map.size;
    if (size == 0) return fail(GLASS_BAD_INPUT, "%s: the file is empty", part->path);
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        if (size >= strangers[i].n && memcmp(data, strangers[i].start, strangers[i].n) == 0)
            return fail(GLASS_BAD_INPUT, "%s: byte 0: this is %s", part->path,
                        strangers[i].what);
    if (size > 262 && memcmp(data + 257, "ustar", 5) == 0)
        return fail(
            GLASS_BAD_INPUT,
            "%s: a tar archive (PyTorch before 0.1.10 wrote such); unpack it first, "
            "or save it again with a newer PyTorch",
            part->path);
    return fail(
        GLASS_BAD_INPUT,
        "%s: byte 0: neither safetensors, nor of PyTorch, nor of llama2.c: it starts "
        "with %02x %02x %02x %02x",
        part->path, data[0], size > 1 ? data[1] : 0, size > 2 ? data[2] : 0,
        size > 3 ? data[3] : 0);
}

/* The number that begins every file of torch.save before 1.6, after the opcodes that
 * introduce it: 0x1950a86a20f9469cfc6c in ten bytes. */
static bool has_legacy_magic(const uint8_t *data, size_t size) {
    static const uint8_t magic[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                    0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    if (size < 2 || data[0] != 0x80) return false;
    for (size_t at = 2; at <= 11 && at + sizeof magic <= size; at += 9)
        if (memcmp(data + at, magic, sizeof magic) == 0) return true;
    return false;
}

static glass_status read_part(struct archive *a) {
    const struct archive_part *part = &a->parts[a->n_parts - 1];
    const uint8_t *data = part->map.data;
    size_t size = part->map.size;
    if (size >= 4 && memcmp(data, "PK\3\4", 4) == 0) return archive_read_torch_zip(a);
    if (has_legacy_magic(data, size)) return archive_read_torch_legacy(a);
    if (size > 8 && data[8] == '{' && data[0] != '{' && data[0] != '<')
        return archive_read_safetensors(a);
    bool is_one;
    TRY(archive_read_llama2c(a, &is_one));
    if (is_one) return GLASS_OK;
    /* A header cut short, or one whose length is spoilt, is safetensors if anything. */
    if (size >= 8 && archive_le64(data) <= SAFETENSORS_MAX_HEADER && data[7] == 0)
        return archive_read_safetensors(a);
    return unknown_format(part);
}

static glass_status add_map(struct archive *a, const char *path, struct filemap map,
                            bool mapped) {
    glass_status status = mem_resize(&a->parts, (size_t)a->n_parts + 1, sizeof *a->parts);
    if (status != GLASS_OK) {
        if (mapped) filemap_close(&map);
        return status;
    }
    struct archive_part *part = &a->parts[a->n_parts++];
    *part = (struct archive_part){.map = map, .mapped = mapped, .kind = ""};
    TRY(mem_copy_text(&part->path, path, strlen(path)));
    return read_part(a);
}

glass_status archive_add_file(struct archive *a, const char *path) {
    struct filemap map;
    TRY(filemap_open(&map, path));
    return add_map(a, path, map, true);
}

static int by_name(const void *a, const void *b, void *context) {
    const struct archive *archive = context;
    const struct archive_tensor *x = &archive->tensors[*(const uint32_t *)a],
                                *y = &archive->tensors[*(const uint32_t *)b];
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : x->part - y->part;
}

/* Sorted, not hashed: a hostile file cannot make it slow. With one_name a name may stand in
 * one part only. */
static glass_status index_tensors(struct archive *a, bool one_name) {
    TRY(mem_alloc(&a->order, a->n_tensors, sizeof *a->order));
    for (size_t i = 0; i < a->n_tensors; i++) a->order[i] = (uint32_t)i;
    if (a->n_tensors > 0) qsort_r(a->order, a->n_tensors, sizeof *a->order, by_name, a);
    for (size_t i = 1; i < a->n_tensors; i++) {
        const struct archive_tensor *x = &a->tensors[a->order[i - 1]],
                                    *y = &a->tensors[a->order[i]];
        if (strcmp(x->name, y->name) != 0 || (x->part != y->part && !one_name)) continue;
        if (x->part == y->part)
            return fail(GLASS_BAD_INPUT, "%s: the tensor \"%.*s\" is there twice",
                        a->parts[y->part].path, ARCHIVE_SHOWN, y->name);
        return fail(GLASS_BAD_INPUT, "%s: the tensor \"%.*s\" is also in %s",
                    a->parts[y->part].path, ARCHIVE_SHOWN, y->name, a->parts[x->part].path);
    }
    return GLASS_OK;
}

static glass_status create(struct archive **out, const char *path) {
    *out = NULL;
    struct archive *a;
    TRY(mem_alloc_zero(&a, 1, sizeof *a));
    glass_status status = mem_copy_text(&a->path, path, strlen(path));
    if (status != GLASS_OK) {
        mem_free(a);
        return status;
    }
    *out = a;
    return GLASS_OK;
}

/* An index of shards begins as JSON does; a safetensors header never at byte 0. */
static bool is_json(const struct filemap *map) {
    size_t at = 0;
    while (at < map->size && (map->data[at] == ' ' || map->data[at] == '\n' ||
                              map->data[at] == '\r' || map->data[at] == '\t'))
        at++;
    if (at == map->size || map->data[at] != '{') return false;
    return map->size <= 8 || map->data[8] != '{' || archive_le64(map->data) >= map->size;
}

glass_status archive_open(struct archive **out, const char *path) {
    struct archive *a;
    struct filemap map;
    glass_status status;
    *out = NULL;
    TRY(create(&a, path));
    TRY_FAIL(filemap_open(&map, path));
    if (is_json(&map)) {
        status = archive_read_index(a, path, &map);
        filemap_close(&map);
        TRY_FAIL(status);
    } else {
        TRY_FAIL(add_map(a, path, map, true));
    }
    TRY_FAIL(index_tensors(a, true));
    *out = a;
    return GLASS_OK;
fail:
    archive_close(a);
    return status;
}

glass_status archive_open_parts(struct archive **out, const char *const *paths,
                                int n_paths) {
    struct archive *a;
    glass_status status;
    *out = NULL;
    if (n_paths < 1 || n_paths > ARCHIVE_MAX_PARTS)
        return fail(GLASS_USAGE, "%d files as one archive; 1 to %d are allowed", n_paths,
                    ARCHIVE_MAX_PARTS);
    TRY(create(&a, paths[0]));
    for (int i = 0; i < n_paths; i++) TRY_FAIL(archive_add_file(a, paths[i]));
    TRY_FAIL(index_tensors(a, false));
    *out = a;
    return GLASS_OK;
fail:
    archive_close(a);
    return status;
}

glass_status archive_open_memory(struct archive **out, const void *bytes, size_t n_bytes,
                                 const char *name) {
    struct archive *a;
    glass_status status;
    *out = NULL;
    TRY(create(&a, name));
    TRY_FAIL(add_map(a, name, (struct filemap){bytes, n_bytes}, false));
    TRY_FAIL(index_tensors(a, true));
    *out = a;
    return GLASS_OK;
fail:
    archive_close(a);
    return status;
}

void archive_close(struct archive *a) {
    if (a == NULL) return;
    for (int i = 0; i < a->n_parts; i++) {
        mem_free(a->parts[i].path);
        if (a->parts[i].mapped) filemap_close(&a->parts[i].map);
    }
    for (struct archive_block *next; a->blocks != NULL; a->blocks = next) {
        next = a->blocks->next;
        mem_free(a->blocks);
    }
    mem_free(a->parts);
    mem_free(a->tensors);
    mem_free(a->order);
    mem_free(a->meta);
    mem_free(a->path);
    mem_free(a);
}

glass_status archive_verify(const struct archive *a) {
    for (int i = 0; i < a->n_parts; i++) {
        const struct archive_part *part = &a->parts[i];
        struct zip zip;
        if (part->map.size < 4 || memcmp(part->map.data, "PK\3\4", 4) != 0) continue;
        TRY(zip_open(&zip, part->map.data, part->map.size, part->path));
        glass_status status = zip_verify(&zip);
        zip_close(&zip);
        TRY(status);
    }
    return GLASS_OK;
}

int64_t archive_n_tensors(const struct archive *a) {
    return (int64_t)a->n_tensors;
}

const struct archive_tensor *archive_tensor_at(const struct archive *a, int64_t i) {
    return i >= 0 && (uint64_t)i < a->n_tensors ? &a->tensors[i] : NULL;
}

const struct archive_tensor *archive_find(const struct archive *a, const char *name,
                                          int part) {
    size_t low = 0, high = a->n_tensors;
    while (low < high) { /* the first that is not before (name, part) */
        size_t middle = low + (high - low) / 2;
        const struct archive_tensor *t = &a->tensors[a->order[middle]];
        int order = strcmp(t->name, name);
        if (order < 0 || (order == 0 && t->part < part))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == a->n_tensors) return NULL;
    const struct archive_tensor *t = &a->tensors[a->order[low]];
    return strcmp(t->name, name) == 0 && (part < 0 || t->part == part) ? t : NULL;
}

const char *archive_path(const struct archive *a) {
    return a->path;
}

int archive_n_parts(const struct archive *a) {
    return a->n_parts;
}

const char *archive_part_path(const struct archive *a, int part) {
    return part >= 0 && part < a->n_parts ? a->parts[part].path : NULL;
}

const struct filemap *archive_part_map(const struct archive *a, int part) {
    return part >= 0 && part < a->n_parts ? &a->parts[part].map : NULL;
}

const char *archive_kind(const struct archive *a, int part) {
    return part >= 0 && part < a->n_parts ? a->parts[part].kind : NULL;
}

int64_t archive_n_meta(const struct archive *a) {
    return (int64_t)a->n_meta;
}

void archive_meta(const struct archive *a, int64_t i, const char **key,
                  const char **value) {
    bool there = i >= 0 && (uint64_t)i < a->n_meta;
    *key = there ? a->meta[i].key : NULL;
    *value = there ? a->meta[i].value : NULL;
}
