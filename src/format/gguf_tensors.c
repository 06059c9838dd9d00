/* gguf_tensors.c - the tensor descriptions of one GGUF part, and where their data lies. */
#include "format/gguf_parts.h"

#include <stdlib.h>
#include <string.h>

/* Types that exist, or existed, and that Glass does not read. */
static const char *const other_types[] = {
    [4] = "Q4_2",      [5] = "Q4_3",      [9] = "Q8_1",     [15] = "Q8_K",
    [16] = "IQ2_XXS",  [17] = "IQ2_XS",   [18] = "IQ3_XXS", [19] = "IQ1_S",
    [21] = "IQ3_S",    [22] = "IQ2_S",    [29] = "IQ1_M",   [31] = "Q4_0_4_4",
    [32] = "Q4_0_4_8", [33] = "Q4_0_8_8", [34] = "TQ1_0",   [35] = "TQ2_0",
    [39] = "MXFP4",    [40] = "NVFP4",
};

static glass_status read_name(struct reader *r, char *name) {
    struct gguf_string text;
    size_t pos = r->pos;
    TRY(gguf_read_string(r, &text, GGUF_MAX_NAME, "a tensor's name"));
    if (text.n_bytes == 0)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: a tensor without a name", r->name, pos);
    for (size_t i = 0; i < text.n_bytes; i++) {
        unsigned char c = (unsigned char)text.text[i];
        if (c < 0x20 || c == 0x7f)
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: a tensor's name holds the control byte 0x%02x",
                        r->name, pos + 8 + i, c);
    }
    memcpy(name, text.text, text.n_bytes);
    name[text.n_bytes] = '\0';
    return GLASS_OK;
}

/* Dimensions come innermost first; the product must fit int64_t. */
static glass_status read_shape(struct reader *r, struct gguf_tensor *t,
                               int64_t *n_weights) {
    uint32_t n_dims;
    size_t pos = r->pos;
    TRY(reader_u32(r, &n_dims, "a tensor's number of dimensions"));
    if (n_dims < 1 || n_dims > 4)
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: tensor \"%s\" has %u dimensions, not 1 to 4", r->name,
                    pos, t->name, (unsigned)n_dims);
    t->n_dims = (int)n_dims;
    *n_weights = 1;
    for (int i = t->n_dims - 1; i >= 0; i--) {
        uint64_t size;
        pos = r->pos;
        TRY(reader_u64(r, &size, "a tensor's dimension"));
        if (size == 0 || size > INT64_MAX)
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: tensor \"%s\" has a dimension of %llu", r->name, pos,
                        t->name, (unsigned long long)size);
        t->shape[i] = (int64_t)size;
        if (__builtin_mul_overflow(*n_weights, (int64_t)size, n_weights))
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: tensor \"%s\" has more weights than can be counted",
                        r->name, pos, t->name);
    }
    return GLASS_OK;
}

static glass_status read_dtype(struct reader *r, struct gguf_tensor *t) {
    uint32_t id;
    size_t pos = r->pos;
    TRY(reader_u32(r, &id, "a tensor's type"));
    if (id < GLASS_DTYPE_LIMIT && glass_dtype_name((glass_dtype)id) != NULL) {
        t->dtype = (glass_dtype)id;
        return GLASS_OK;
    }
    const char *name = NULL;
    if (id < sizeof other_types / sizeof *other_types) name = other_types[id];
    if (name != NULL)
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: tensor \"%s\" is of type %s (%u), which Glass cannot read; "
            "take the model in another quantisation",
            r->name, pos, t->name, name, (unsigned)id);
    return fail(GLASS_BAD_INPUT, "%s: byte %zu: tensor \"%s\" is of the unknown type %u",
                r->name, pos, t->name, (unsigned)id);
}

/* Reads one description; t->n_bytes is set, *offset is from the start of the data. */
static glass_status read_tensor(struct reader *r, size_t alignment, struct gguf_tensor *t,
                                char *name, uint64_t *offset) {
    size_t pos = r->pos;
    int64_t n_weights;
    TRY(read_name(r, name));
    t->name = name;
    TRY(read_shape(r, t, &n_weights));
    TRY(read_dtype(r, t));
    int64_t block = glass_dtype_block(t->dtype), width = t->shape[t->n_dims - 1];
    if (width % block != 0)
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: tensor \"%s\" has rows of %lld, which blocks of %lld %s do "
            "not fill",
            r->name, pos, t->name, (long long)width, (long long)block,
            glass_dtype_name(t->dtype));
    if (!mem_mul(&t->n_bytes, (size_t)(n_weights / block),
                 glass_dtype_block_bytes(t->dtype)))
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: tensor \"%s\" has more bytes than can be counted",
                    r->name, pos, t->name);
    pos = r->pos;
    TRY(reader_u64(r, offset, "a tensor's offset"));
    if (*offset % alignment != 0)
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: tensor \"%s\" is at offset %llu, which is not a multiple of "
            "the alignment %zu",
            r->name, pos, t->name, (unsigned long long)*offset, alignment);
    return GLASS_OK;
}

/* Where the data begins is known only after the last description; until then t->data is the
 * offset's stand-in, kept in offsets. */
static glass_status place(struct gguf_info *infos, const uint64_t *offsets, size_t n,
                          struct reader *r, size_t alignment) {
    if (n == 0) return GLASS_OK; /* then the padding may be missing */
    TRY(reader_align(r, alignment));
    size_t left = reader_left(r);
    for (size_t i = 0; i < n; i++) {
        struct gguf_tensor *t = &infos[i].tensor;
        if (offsets[i] > left || t->n_bytes > left - offsets[i])
            return fail(
                GLASS_BAD_INPUT,
                "%s: byte %zu: tensor \"%s\" takes %zu bytes from offset %llu, but the "
                "file has only %zu bytes of data; it is cut short or damaged",
                r->name, infos[i].pos, t->name, t->n_bytes, (unsigned long long)offsets[i],
                left);
        t->data = r->data + r->pos + offsets[i];
    }
    return GLASS_OK;
}

static int by_place(const void *a, const void *b, void *context) {
    const struct gguf_info *infos = context;
    const uint8_t *x = infos[*(const uint32_t *)a].tensor.data;
    const uint8_t *y = infos[*(const uint32_t *)b].tensor.data;
    return x < y ? -1 : x > y;
}

static glass_status check_overlaps(const struct gguf_info *infos, size_t n,
                                   const char *path) {
    uint32_t *order;
    glass_status status = GLASS_OK;
    TRY(mem_alloc(&order, n, sizeof *order));
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    qsort_r(order, n, sizeof *order, by_place, (void *)(uintptr_t)infos);
    for (size_t i = 1; i < n && status == GLASS_OK; i++) {
        const struct gguf_info *a = &infos[order[i - 1]], *b = &infos[order[i]];
        if (a->tensor.n_bytes > (size_t)(b->tensor.data - a->tensor.data))
            status = fail(GLASS_BAD_INPUT,
                          "%s: byte %zu: the data of tensor \"%s\" overlaps that of \"%s\"",
                          path, b->pos, b->tensor.name, a->tensor.name);
    }
    mem_free(order);
    return status;
}

glass_status gguf_read_tensors(struct gguf *g, struct reader *r) {
    struct gguf_part *part = &g->parts[g->n_parts - 1];
    size_t n = (size_t)part->n_tensors_said, n_before = (size_t)g->n_tensors;
    if (n > reader_left(r) / 33)
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: %zu tensors cannot be described in the %zu bytes that are "
            "left; the file is cut short or damaged",
            r->name, r->pos, n, reader_left(r));
    if (n + n_before > GGUF_MAX_TENSORS)
        return fail(GLASS_BAD_INPUT, "%s: more than %d tensors in all parts", r->name,
                    GGUF_MAX_TENSORS);
    TRY(mem_resize(&g->tensors, n_before + n, sizeof *g->tensors));
    TRY(mem_alloc(&part->names, n, GGUF_MAX_NAME + 1));
    uint64_t *offsets;
    TRY(mem_alloc(&offsets, n, sizeof *offsets));
    struct gguf_info *infos = g->tensors + n_before;
    glass_status status = GLASS_OK;
    for (size_t i = 0; i < n && status == GLASS_OK; i++) {
        infos[i] = (struct gguf_info){.pos = r->pos, .part = g->n_parts - 1};
        status = read_tensor(r, part->alignment, &infos[i].tensor,
                             part->names + i * (GGUF_MAX_NAME + 1), &offsets[i]);
    }
    if (status == GLASS_OK) status = place(infos, offsets, n, r, part->alignment);
    mem_free(offsets);
    if (status == GLASS_OK) status = check_overlaps(infos, n, part->path);
    if (status == GLASS_OK) g->n_tensors += (int64_t)n;
    return status;
}
