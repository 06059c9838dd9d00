/* gguf_build.c - collects values and tensors, and makes a struct gguf of them. */
#include "format/gguf_build.h"

#include "format/gguf_parts.h"

#include <string.h>

/* A tensor and copies of what it points to, in one allocation each. */
struct built_tensor {
    struct gguf_view view;
    char name[GGUF_MAX_NAME + 1];
    struct gguf_piece pieces[];
};

struct owned {
    void *what;
    void (*close)(void *);
};

struct gguf_build {
    char *path;
    struct gguf_writer *values;
    char *value_bytes;
    struct gguf_info *tensors;
    struct built_tensor **behind;
    int64_t n_tensors, cap_tensors;
    struct owned *owned;
    int n_owned;
    struct filemap *maps;
    int n_maps;
};

glass_status gguf_build_create(struct gguf_build **out, const char *path) {
    struct gguf_build *b;
    glass_status status;
    *out = NULL;
    TRY(mem_alloc_zero(&b, 1, sizeof *b));
    TRY_FAIL(mem_copy_text(&b->path, path, strlen(path)));
    TRY_FAIL(gguf_writer_create_memory(&b->values, path));
    *out = b;
    return GLASS_OK;
fail:
    gguf_build_free(b);
    return status;
}

void gguf_build_free(struct gguf_build *b) {
    if (b == NULL) return;
    for (int i = b->n_owned - 1; i >= 0; i--) b->owned[i].close(b->owned[i].what);
    for (int64_t i = 0; i < b->n_tensors; i++) mem_free(b->behind[i]);
    gguf_writer_free(b->values);
    mem_free(b->value_bytes);
    mem_free(b->tensors);
    mem_free(b->behind);
    mem_free(b->owned);
    mem_free(b->maps);
    mem_free(b->path);
    mem_free(b);
}

struct gguf_writer *gguf_build_values(struct gguf_build *b) {
    return b->values;
}

bool gguf_build_has(const struct gguf_build *b, const char *name) {
    for (int64_t i = 0; i < b->n_tensors; i++)
        if (strcmp(b->behind[i]->name, name) == 0) return true;
    return false;
}

/* Room for one more, doubling. */
static glass_status grow(struct gguf_build *b) {
    if (b->n_tensors < b->cap_tensors) return GLASS_OK;
    int64_t cap = b->cap_tensors == 0 ? 64 : b->cap_tensors * 2;
    if (b->n_tensors >= GGUF_MAX_TENSORS)
        return fail(GLASS_BAD_INPUT, "%s: more than %d tensors", b->path, GGUF_MAX_TENSORS);
    TRY(mem_resize(&b->tensors, (size_t)cap, sizeof *b->tensors));
    TRY(mem_resize(&b->behind, (size_t)cap, sizeof *b->behind));
    b->cap_tensors = cap;
    return GLASS_OK;
}

static glass_status count_bytes(const struct gguf_build *b, struct gguf_tensor *t) {
    size_t n = 1;
    int64_t block = glass_dtype_block(t->dtype);
    bool good = t->n_dims >= 1 && t->n_dims <= 4 && block > 0;
    for (int i = 0; good && i < t->n_dims; i++)
        good = t->shape[i] > 0 && mem_mul(&n, n, (size_t)t->shape[i]) && n <= INT64_MAX;
    if (good) good = t->shape[t->n_dims - 1] % block == 0;
    if (good)
        good = mem_mul(&t->n_bytes, n / (size_t)block, glass_dtype_block_bytes(t->dtype));
    if (good) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: tensor %s has an impossible shape", b->path, t->name);
}

glass_status gguf_build_tensor(struct gguf_build *b, const struct gguf_tensor *t) {
    size_t n_name = strlen(t->name), n_pieces = 0;
    struct built_tensor *behind;
    struct gguf_tensor copy = *t;
    if (n_name == 0 || n_name > GGUF_MAX_NAME)
        return fail(GLASS_BAD_INPUT,
                    "%s: tensor \"%.100s\": the name has not 1 to %d bytes", b->path,
                    t->name, GGUF_MAX_NAME);
    TRY(count_bytes(b, &copy));
    TRY(grow(b));
    if (t->view != NULL) n_pieces = (size_t)t->view->n_pieces;
    TRY(mem_alloc_zero(&behind, 1, sizeof *behind + n_pieces * sizeof *behind->pieces));
    memcpy(behind->name, t->name, n_name);
    copy.name = behind->name;
    if (t->view != NULL) {
        behind->view = *t->view;
        memcpy(behind->pieces, t->view->pieces, n_pieces * sizeof *behind->pieces);
        behind->view.pieces = behind->pieces;
        copy.view = &behind->view;
        copy.data = NULL;
    }
    b->tensors[b->n_tensors] = (struct gguf_info){.tensor = copy};
    b->behind[b->n_tensors++] = behind;
    return GLASS_OK;
}

glass_status gguf_build_own(struct gguf_build *b, void *what, void (*close)(void *)) {
    glass_status status = mem_resize(&b->owned, (size_t)b->n_owned + 1, sizeof *b->owned);
    if (status == GLASS_OK)
        b->owned[b->n_owned++] = (struct owned){what, close};
    else
        close(what);
    return status;
}

glass_status gguf_build_map(struct gguf_build *b, const struct filemap *map) {
    TRY(mem_resize(&b->maps, (size_t)b->n_maps + 1, sizeof *b->maps));
    b->maps[b->n_maps++] = *map;
    return GLASS_OK;
}

int gguf_build_n_maps(const struct gguf_build *b) {
    return b->n_maps;
}

const struct filemap *gguf_build_map_at(const struct gguf_build *b, int i) {
    return &b->maps[i];
}

/* The one part of a built gguf: its values, as a file would have them. */
static glass_status make_part(struct gguf *g, struct gguf_build *b) {
    size_t n_bytes;
    uint64_t n_values;
    TRY(mem_alloc_zero(&g->parts, 1, sizeof *g->parts));
    g->n_parts = g->cap_parts = 1;
    TRY(gguf_writer_take_values(b->values, &b->value_bytes, &n_bytes, &n_values));
    struct gguf_part *part = &g->parts[0];
    part->map = (struct filemap){(const uint8_t *)b->value_bytes, n_bytes};
    part->built = true;
    part->version = 3;
    TRY(mem_copy_text(&part->path, b->path, strlen(b->path)));
    struct reader r = {part->map.data, part->map.size, 0, part->path};
    return gguf_read_values(part, &r, n_values);
}

glass_status gguf_build_finish(struct gguf **out, struct gguf_build *b) {
    struct gguf *g;
    glass_status status = mem_alloc_zero(&g, 1, sizeof *g);
    *out = NULL;
    if (status != GLASS_OK) {
        gguf_build_free(b);
        return status;
    }
    g->build = b;
    TRY_FAIL(make_part(g, b));
    g->tensors = b->tensors;
    g->n_tensors = b->n_tensors;
    b->tensors = NULL;
    TRY_FAIL(gguf_index_tensors(g));
    *out = g;
    return GLASS_OK;
fail:
    gguf_close(g);
    return status;
}
