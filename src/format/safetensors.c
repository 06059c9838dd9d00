/* safetensors.c - reads safetensors files: a length, a JSON header, the tensors' bytes.
 *
 * As strict as the reference implementation: the tensors fill the file without holes or
 * overlaps. Source: the format's description and safetensors/src/tensor.rs of the
 * huggingface/safetensors project. */
#include "format/archive_parts.h"
#include "format/json_scan.h"
#include "format/safetensors.h"

#include <stdlib.h>

/* Bits, because the newest types are smaller than a byte. */
static const struct safetensors_type types[] = {
    {"F32", 32, true, GLASS_F32},   {"F16", 16, true, GLASS_F16},
    {"BF16", 16, true, GLASS_BF16}, {"F64", 64, true, GLASS_F64},
    {"I8", 8, true, GLASS_I8},      {"I16", 16, true, GLASS_I16},
    {"I32", 32, true, GLASS_I32},   {"I64", 64, true, GLASS_I64},
    {"BOOL", 8, false, 0},          {"U8", 8, false, 0},
    {"U16", 16, false, 0},          {"U32", 32, false, 0},
    {"U64", 64, false, 0},          {"C64", 64, false, 0},
    {"F8_E4M3", 8, false, 0},       {"F8_E5M2", 8, false, 0},
    {"F8_E8M0", 8, false, 0},       {"F8_E4M3FNUZ", 8, false, 0},
    {"F8_E5M2FNUZ", 8, false, 0},   {"F6_E2M3", 6, false, 0},
    {"F6_E3M2", 6, false, 0},       {"F4", 4, false, 0},
};

const struct safetensors_type *safetensors_type_named(const char *name) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) return &types[i];
    return NULL;
}

const struct safetensors_type *safetensors_type_of(glass_dtype dtype) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].known && types[i].dtype == dtype) return &types[i];
    return NULL;
}

bool safetensors_bytes(size_t *out, const struct safetensors_type *type, int n_dims,
                       const int64_t *shape) {
    size_t n = (size_t)type->bits;
    bool empty = false;
    for (int i = 0; i < n_dims; i++) empty |= shape[i] == 0;
    for (int i = 0; i < n_dims && !empty; i++)
        if (!mem_mul(&n, n, (size_t)shape[i])) return false;
    *out = empty ? 0 : n / 8;
    return empty || n % 8 == 0;
}

/* Where a tensor lies, from the start of the data, and where it is described. */
struct extent {
    int64_t begin, end;
    size_t pos, tensor;
};

struct header {
    struct archive *a;
    struct json_scan scan;
    struct buf key, text;
    struct extent *extents;
    size_t n, cap;
    size_t first; /* of the archive's tensors, this part's first */
    bool has_meta;
};

static glass_status read_shape(struct header *h, struct archive_tensor *t) {
    struct json_scan *s = &h->scan;
    bool more = true;
    TRY(json_scan_want(s, '['));
    if (json_scan_take(s, ']')) return GLASS_OK;
    while (more) {
        if (t->n_dims == ARCHIVE_MAX_DIMS)
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: tensor \"%.*s\" has more than %d dimensions",
                        s->name, s->pos, ARCHIVE_SHOWN, h->key.data, ARCHIVE_MAX_DIMS);
        TRY(json_scan_count(s, &t->shape[t->n_dims], "a dimension"));
        t->n_dims++;
        TRY(json_scan_next(s, ']', &more));
    }
    return GLASS_OK;
}

static glass_status read_offsets(struct header *h, struct extent *e) {
    struct json_scan *s = &h->scan;
    TRY(json_scan_want(s, '['));
    TRY(json_scan_count(s, &e->begin, "an offset"));
    TRY(json_scan_want(s, ','));
    TRY(json_scan_count(s, &e->end, "an offset"));
    return json_scan_want(s, ']');
}

static glass_status read_type(struct header *h, const struct safetensors_type **type) {
    struct json_scan *s = &h->scan;
    json_scan_peek(s);
    size_t pos = s->pos;
    TRY(json_scan_string(s, &h->text, "a type in quotes"));
    *type = safetensors_type_named(h->text.data);
    if (*type == NULL)
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: tensor \"%.*s\" is of the unknown type \"%.*s\"",
                    s->name, pos, ARCHIVE_SHOWN, h->key.data, ARCHIVE_SHOWN, h->text.data);
    return GLASS_OK;
}

enum { HAS_TYPE = 1, HAS_SHAPE = 2, HAS_OFFSETS = 4, HAS_ALL = 7 };

static int field_of(const char *name) {
    if (strcmp(name, "dtype") == 0) return HAS_TYPE;
    if (strcmp(name, "shape") == 0) return HAS_SHAPE;
    return strcmp(name, "data_offsets") == 0 ? HAS_OFFSETS : 0;
}

/* {"dtype":…,"shape":…,"data_offsets":…} in any order; the reference lets other fields be. */
static glass_status read_fields(struct header *h, struct archive_tensor *t,
                                struct extent *e, const struct safetensors_type **type) {
    struct json_scan *s = &h->scan;
    int seen = 0;
    bool more = true;
    TRY(json_scan_want(s, '{'));
    while (more) {
        TRY(json_scan_key(s, &h->text));
        int field = field_of(h->text.data);
        if ((seen & field) != 0)
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: tensor \"%.*s\" has two fields \"%s\"", s->name,
                        s->pos, ARCHIVE_SHOWN, h->key.data, h->text.data);
        seen |= field;
        if (field == HAS_TYPE) TRY(read_type(h, type));
        if (field == HAS_SHAPE) TRY(read_shape(h, t));
        if (field == HAS_OFFSETS) TRY(read_offsets(h, e));
        if (field == 0) TRY(json_scan_skip(s));
        TRY(json_scan_next(s, '}', &more));
    }
    if (seen != HAS_ALL)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: tensor \"%.*s\" has no field \"%s\"",
                    s->name, s->pos, ARCHIVE_SHOWN, h->key.data,
                    (seen & HAS_TYPE) == 0    ? "dtype"
                    : (seen & HAS_SHAPE) == 0 ? "shape"
                                              : "data_offsets");
    return GLASS_OK;
}

static glass_status read_tensor(struct header *h, size_t pos) {
    struct archive_tensor t = {0};
    struct extent e = {.pos = pos, .tensor = h->a->n_tensors};
    const struct safetensors_type *type = NULL;
    TRY(read_fields(h, &t, &e, &type));
    t.known = type->known;
    t.dtype = type->dtype;
    t.type = type->name;
    if (!safetensors_bytes(&t.n_bytes, type, t.n_dims, t.shape))
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: tensor \"%.*s\" of type %s has a shape whose bytes cannot "
            "be counted",
            h->scan.name, pos, ARCHIVE_SHOWN, h->key.data, type->name);
    if (e.end < e.begin || (uint64_t)(e.end - e.begin) != t.n_bytes)
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: tensor \"%.*s\" takes %zu bytes by its shape and type, but "
            "its offsets are %lld and %lld",
            h->scan.name, pos, ARCHIVE_SHOWN, h->key.data, t.n_bytes, (long long)e.begin,
            (long long)e.end);
    if (h->n == h->cap) {
        size_t cap = h->cap == 0 ? 16 : h->cap * 2;
        TRY(mem_resize(&h->extents, cap, sizeof *h->extents));
        h->cap = cap;
    }
    char where[40];
    snprintf(where, sizeof where, "byte %zu", pos);
    TRY(archive_add(h->a, &t, h->key.data, h->key.len, where));
    h->extents[h->n++] = e;
    return GLASS_OK;
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const struct archive_pair *)a)->key,
                  ((const struct archive_pair *)b)->key);
}

static glass_status check_meta_keys(const struct archive *a) {
    struct archive_pair *sorted;
    glass_status status = GLASS_OK;
    TRY(mem_alloc(&sorted, a->n_meta, sizeof *sorted));
    if (a->n_meta > 0) {
        memcpy(sorted, a->meta, a->n_meta * sizeof *sorted);
        qsort(sorted, a->n_meta, sizeof *sorted, by_key);
    }
    for (size_t i = 1; i < a->n_meta && status == GLASS_OK; i++)
        if (strcmp(sorted[i - 1].key, sorted[i].key) == 0)
            status = fail(GLASS_BAD_INPUT, "%s: __metadata__ has the key \"%.*s\" twice",
                          a->parts[a->n_parts - 1].path, ARCHIVE_SHOWN, sorted[i].key);
    mem_free(sorted);
    return status;
}

/* Those of further parts are checked and forgotten. */
static glass_status keep_pair(struct header *h) {
    struct archive *a = h->a;
    if (a->n_parts > 1) return GLASS_OK;
    if (a->n_meta == a->cap_meta) {
        size_t cap = a->cap_meta == 0 ? 8 : a->cap_meta * 2;
        TRY(mem_resize(&a->meta, cap, sizeof *a->meta));
        a->cap_meta = cap;
    }
    struct archive_pair *pair = &a->meta[a->n_meta];
    TRY(archive_keep(a, h->key.data, h->key.len, &pair->key));
    TRY(archive_keep(a, h->text.data, h->text.len, &pair->value));
    a->n_meta++;
    return GLASS_OK;
}

static glass_status read_meta(struct header *h) {
    struct json_scan *s = &h->scan;
    bool more = true;
    if (h->has_meta)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: __metadata__ is there twice", s->name,
                    s->pos);
    h->has_meta = true;
    TRY(json_scan_want(s, '{'));
    if (json_scan_take(s, '}')) return GLASS_OK;
    while (more) {
        TRY(json_scan_key(s, &h->key));
        TRY(json_scan_string(s, &h->text, "a text of __metadata__"));
        TRY(keep_pair(h));
        TRY(json_scan_next(s, '}', &more));
    }
    return check_meta_keys(h->a);
}

static glass_status read_header(struct header *h) {
    struct json_scan *s = &h->scan;
    bool more = true;
    TRY(json_scan_want(s, '{'));
    if (json_scan_take(s, '}')) return json_scan_end(s);
    while (more) {
        json_scan_peek(s);
        size_t pos = s->pos;
        TRY(json_scan_key(s, &h->key));
        if (strcmp(h->key.data, "__metadata__") == 0)
            TRY(read_meta(h));
        else
            TRY(read_tensor(h, pos));
        TRY(json_scan_next(s, '}', &more));
    }
    return json_scan_end(s);
}

static int by_place(const void *a, const void *b) {
    const struct extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Every byte of the data belongs to one tensor. */
static glass_status place(struct header *h, const uint8_t *data, size_t n_bytes) {
    struct archive_tensor *tensors = h->a->tensors;
    int64_t at = 0;
    if (h->n > 0) qsort(h->extents, h->n, sizeof *h->extents, by_place);
    for (size_t i = 0; i < h->n; i++) {
        const struct extent *e = &h->extents[i];
        struct archive_tensor *t = &tensors[e->tensor];
        if (e->begin != at)
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: tensor \"%.*s\" begins at offset %lld, but the one "
                        "before it ends at %lld: %s",
                        h->scan.name, e->pos, ARCHIVE_SHOWN, t->name, (long long)e->begin,
                        (long long)at, e->begin < at ? "they overlap" : "there is a hole");
        if ((uint64_t)e->end > n_bytes)
            return fail(
                GLASS_BAD_INPUT,
                "%s: byte %zu: tensor \"%.*s\" ends at offset %lld, but the file has "
                "only %zu bytes of data; it is cut short or damaged",
                h->scan.name, e->pos, ARCHIVE_SHOWN, t->name, (long long)e->end, n_bytes);
        t->data = data + e->begin;
        at = e->end;
    }
    if ((uint64_t)at != n_bytes)
        return fail(
            GLASS_BAD_INPUT,
            "%s: the tensors end at offset %lld, but the file has %zu bytes of data",
            h->scan.name, (long long)at, n_bytes);
    return GLASS_OK;
}

glass_status archive_read_safetensors(struct archive *a) {
    struct archive_part *part = &a->parts[a->n_parts - 1];
    struct reader r = {part->map.data, part->map.size, 0, part->path};
    uint64_t n;
    part->kind = "safetensors";
    TRY(reader_u64(&r, &n, "the header's length"));
    if (n > SAFETENSORS_MAX_HEADER)
        return fail(GLASS_BAD_INPUT,
                    "%s: byte 0: a header of %llu bytes; safetensors allows %d", r.name,
                    (unsigned long long)n, SAFETENSORS_MAX_HEADER);
    TRY(reader_skip(&r, (size_t)n, "the header"));
    struct header h = {
        .a = a, .scan = {(const char *)r.data, r.pos, 8, r.name}, .first = a->n_tensors};
    glass_status status = GLASS_OK;
    if (n == 0 || r.data[8] != '{')
        TRY_FAIL(fail(GLASS_BAD_INPUT, "%s: byte 8: the header does not begin with '{'",
                      r.name));
    TRY_FAIL(read_header(&h));
    status = place(&h, r.data + r.pos, reader_left(&r));
fail:
    buf_free(&h.key);
    buf_free(&h.text);
    mem_free(h.extents);
    return status;
}
