/* gguf_values.c - the key-value section of GGUF: reading it whole, and typed questions. */
#include "format/gguf_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_TYPES = GGUF_F64 + 1, GGUF_PLACE = 4160 };

/* Bytes of one item; strings and arrays have no fixed size. */
static const struct {
    const char *name;
    uint8_t bytes;
} types[N_TYPES] = {
    [GGUF_U8] = {"U8", 1},       [GGUF_I8] = {"I8", 1},     [GGUF_U16] = {"U16", 2},
    [GGUF_I16] = {"I16", 2},     [GGUF_U32] = {"U32", 4},   [GGUF_I32] = {"I32", 4},
    [GGUF_F32] = {"F32", 4},     [GGUF_BOOL] = {"bool", 1}, [GGUF_STRING] = {"string", 0},
    [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"U64", 8},   [GGUF_I64] = {"I64", 8},
    [GGUF_F64] = {"F64", 8},
};

const char *gguf_type_name(enum gguf_type type) {
    return (unsigned)type < N_TYPES ? types[type].name : "?";
}

/* For "%.*s": keys and names in messages are cut at a length that leaves room for the rest.
 */
static int shown(struct gguf_string s) {
    return s.n_bytes < GGUF_SHOWN ? (int)s.n_bytes : GGUF_SHOWN;
}

glass_status gguf_read_string(struct reader *r, struct gguf_string *out, size_t limit,
                              const char *what) {
    uint64_t n;
    const uint8_t *text;
    size_t pos = r->pos;
    *out = (struct gguf_string){"", 0};
    TRY(reader_u64(r, &n, what));
    if (n > limit)
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: %s is %llu bytes long; at most %zu are allowed", r->name,
                    pos, what, (unsigned long long)n, limit);
    TRY(reader_bytes(r, &text, (size_t)n, what));
    *out = (struct gguf_string){(const char *)text, (size_t)n};
    return GLASS_OK;
}

/* Keys are ASCII by the specification. Nothing unprintable gets into messages and listings.
 */
static glass_status read_key(struct reader *r, struct gguf_string *key) {
    size_t pos = r->pos;
    TRY(gguf_read_string(r, key, GGUF_MAX_KEY, "a key"));
    if (key->n_bytes == 0)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: a value with an empty key", r->name,
                    pos);
    for (size_t i = 0; i < key->n_bytes; i++) {
        unsigned char c = (unsigned char)key->text[i];
        if (c < 0x20 || c >= 0x7f)
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: a key holds the byte 0x%02x, which is not printable "
                        "ASCII",
                        r->name, pos + 8 + i, c);
    }
    return GLASS_OK;
}

static glass_status read_type(struct reader *r, enum gguf_type *type,
                              struct gguf_string key) {
    uint32_t id;
    size_t pos = r->pos;
    TRY(reader_u32(r, &id, "a value's type"));
    if (id >= N_TYPES)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: \"%.*s\" is of the unknown type %u",
                    r->name, pos, shown(key), key.text, (unsigned)id);
    *type = (enum gguf_type)id;
    return GLASS_OK;
}

/* Anything but 0 and 1 makes the file invalid, says the specification. */
static glass_status check_bools(const struct reader *r, const struct gguf_value *v) {
    for (size_t i = 0; i < v->n_bytes; i++)
        if (v->data[i] > 1)
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: \"%.*s\" is a bool of value %u, not 0 or 1", r->name,
                        (size_t)(v->data - r->data) + i, shown(v->key), v->key.text,
                        v->data[i]);
    return GLASS_OK;
}

static glass_status string_too_long(const struct reader *r, const struct gguf_value *v,
                                    uint64_t i, size_t pos, uint64_t n) {
    return fail(
        GLASS_BAD_INPUT,
        "%s: byte %zu: string %llu of \"%.*s\" is %llu bytes long, but the file ends "
        "after %zu; it is cut short or damaged",
        r->name, pos, (unsigned long long)i, shown(v->key), v->key.text,
        (unsigned long long)n, r->size - pos - 8);
}

/* The one pass over a vocabulary: checks each length and notes where each string starts. */
static glass_status read_strings(struct reader *r, struct gguf_value *v) {
    uint32_t *offsets;
    const uint8_t *start = r->data + r->pos;
    size_t left = reader_left(r), at = 0;
    TRY(mem_alloc(&offsets, (size_t)v->n_items, sizeof *offsets));
    v->offsets = offsets;
    for (uint64_t i = 0; i < v->n_items; i++) {
        if (left - at < 8)
            return fail(
                GLASS_BAD_INPUT,
                "%s: byte %zu: the file ends before string %llu of \"%.*s\"; it is cut "
                "short or damaged",
                r->name, r->pos + at, (unsigned long long)i, shown(v->key), v->key.text);
        if (at > UINT32_MAX)
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: \"%.*s\" holds more than 4 GiB of strings", r->name,
                        r->pos + at, shown(v->key), v->key.text);
        uint64_t n = gguf_le64(start + at);
        if (n > left - at - 8) return string_too_long(r, v, i, r->pos + at, n);
        offsets[i] = (uint32_t)at;
        at += 8 + (size_t)n;
    }
    v->data = start;
    v->n_bytes = at;
    return reader_skip(r, at, "strings");
}

static glass_status read_array(struct reader *r, struct gguf_value *v) {
    TRY(read_type(r, &v->item_type, v->key));
    if (v->item_type == GGUF_ARRAY)
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: \"%.*s\" is an array of arrays, which Glass does not read",
            r->name, r->pos - 4, shown(v->key), v->key.text);
    size_t pos = r->pos,
           least = v->item_type == GGUF_STRING ? 8 : types[v->item_type].bytes;
    TRY(reader_u64(r, &v->n_items, "an array's length"));
    if (v->n_items > reader_left(r) / least) {
        uint64_t n_items = v->n_items;
        v->n_items = 0;
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: \"%.*s\" claims %llu items of %s, more than the %zu bytes "
            "left can hold; the file is cut short or damaged",
            r->name, pos, shown(v->key), v->key.text, (unsigned long long)n_items,
            types[v->item_type].name, reader_left(r));
    }
    if (v->item_type == GGUF_STRING) return read_strings(r, v);
    v->n_bytes = (size_t)v->n_items * least;
    return reader_bytes(r, &v->data, v->n_bytes, "an array");
}

static glass_status read_value(struct reader *r, struct gguf_value *v) {
    TRY(read_key(r, &v->key));
    TRY(read_type(r, &v->type, v->key));
    v->item_type = v->type;
    v->n_items = 1;
    if (v->type == GGUF_ARRAY) {
        TRY(read_array(r, v));
    } else if (v->type == GGUF_STRING) {
        struct gguf_string text;
        TRY(gguf_read_string(r, &text, GGUF_MAX_STRING, "a string"));
        v->data = (const uint8_t *)text.text;
        v->n_bytes = text.n_bytes;
    } else {
        v->n_bytes = types[v->type].bytes;
        TRY(reader_bytes(r, &v->data, v->n_bytes, "a value"));
    }
    return v->item_type == GGUF_BOOL ? check_bools(r, v) : GLASS_OK;
}

static int compare_keys(struct gguf_string a, struct gguf_string b) {
    size_t n = a.n_bytes < b.n_bytes ? a.n_bytes : b.n_bytes;
    int order = memcmp(a.text, b.text, n);
    if (order != 0) return order;
    return a.n_bytes < b.n_bytes ? -1 : a.n_bytes > b.n_bytes;
}

static int by_key(const void *a, const void *b, void *context) {
    const struct gguf_value *values = context;
    return compare_keys(values[*(const uint32_t *)a].key, values[*(const uint32_t *)b].key);
}

/* Sorted, not hashed: a hostile file cannot make it slow. */
static glass_status index_values(struct gguf_part *part) {
    size_t n = (size_t)part->n_values;
    TRY(mem_alloc(&part->value_order, n, sizeof *part->value_order));
    for (size_t i = 0; i < n; i++) part->value_order[i] = (uint32_t)i;
    qsort_r(part->value_order, n, sizeof *part->value_order, by_key, part->values);
    for (size_t i = 1; i < n; i++) {
        struct gguf_string a = part->values[part->value_order[i - 1]].key;
        struct gguf_string b = part->values[part->value_order[i]].key;
        if (compare_keys(a, b) != 0) continue;
        const uint8_t *start = part->map.data;
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: the key \"%.*s\" is there twice (also at byte %zu)",
                    part->path, (size_t)((const uint8_t *)b.text - start), shown(b), b.text,
                    (size_t)((const uint8_t *)a.text - start));
    }
    return GLASS_OK;
}

static glass_status read_alignment(struct gguf_part *part) {
    part->alignment = 32; /* the specification's default */
    const struct gguf_value *v = gguf_part_find(part, "general.alignment");
    if (v == NULL) return GLASS_OK;
    size_t pos = (size_t)((const uint8_t *)v->key.text - part->map.data);
    if (v->type != GGUF_U32)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: general.alignment is a %s, not U32",
                    part->path, pos, types[v->type].name);
    uint32_t alignment = gguf_le32(v->data);
    if (alignment < 8 || alignment > GGUF_MAX_ALIGNMENT ||
        (alignment & (alignment - 1)) != 0)
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: general.alignment is %u; it must be a power of two from 8 "
            "to %d",
            part->path, pos, (unsigned)alignment, GGUF_MAX_ALIGNMENT);
    part->alignment = alignment;
    return GLASS_OK;
}

glass_status gguf_read_values(struct gguf_part *part, struct reader *r, uint64_t n_values) {
    TRY(mem_alloc_zero(&part->values, (size_t)n_values, sizeof *part->values));
    for (uint64_t i = 0; i < n_values; i++) {
        part->n_values++;
        TRY(read_value(r, &part->values[i]));
    }
    TRY(index_values(part));
    return read_alignment(part);
}

void gguf_free_values(struct gguf_part *part) {
    for (int64_t i = 0; i < part->n_values; i++)
        mem_free((void *)(uintptr_t)part->values[i].offsets);
    mem_free(part->values);
    mem_free(part->value_order);
    part->values = NULL;
    part->value_order = NULL;
    part->n_values = 0;
}

const struct gguf_value *gguf_part_find(const struct gguf_part *part, const char *key) {
    struct gguf_string wanted = {key, strlen(key)};
    int64_t low = 0, high = part->n_values;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const struct gguf_value *v = &part->values[part->value_order[middle]];
        int order = compare_keys(wanted, v->key);
        if (order == 0) return v;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

int64_t gguf_n_values(const struct gguf *g) {
    return g->parts[0].n_values;
}

const struct gguf_value *gguf_value_at(const struct gguf *g, int64_t i) {
    return i >= 0 && i < g->parts[0].n_values ? &g->parts[0].values[i] : NULL;
}

const struct gguf_value *gguf_find(const struct gguf *g, const char *key) {
    return gguf_part_find(&g->parts[0], key);
}

static glass_status missing(const struct gguf *g, const char *key) {
    return fail(GLASS_BAD_INPUT, "%s: the key \"%s\" is missing", g->parts[0].path, key);
}

/* "FILE: byte N", or "FILE" alone where there are no bytes to look at. */
static const char *place(char text[GGUF_PLACE], const struct gguf_part *part,
                         const struct gguf_value *v) {
    size_t at = (size_t)((const uint8_t *)v->key.text - part->map.data);
    if (part->built)
        snprintf(text, GGUF_PLACE, "%s", part->path);
    else
        snprintf(text, GGUF_PLACE, "%s: byte %zu", part->path, at);
    return text;
}

static glass_status wrong_type(const struct gguf_part *part, const struct gguf_value *v,
                               const char *wanted) {
    bool array = v->type == GGUF_ARRAY;
    return fail(GLASS_BAD_INPUT, "%s: \"%.*s\" is %s%s, not %s",
                place((char[GGUF_PLACE]){0}, part, v), shown(v->key), v->key.text,
                array ? "an array of " : "of type ", types[v->item_type].name, wanted);
}

static bool is_integer(enum gguf_type type) {
    return type != GGUF_F32 && type != GGUF_F64 && type != GGUF_STRING &&
           type != GGUF_ARRAY;
}

/* Item i of integers or bools; U64 as its bits. */
static int64_t load_int(const struct gguf_value *v, uint64_t i) {
    const uint8_t *p = v->data + i * types[v->item_type].bytes;
    switch (v->item_type) {
    case GGUF_U8:
    case GGUF_BOOL: return *p;
    case GGUF_I8: return (int8_t)*p;
    case GGUF_U16: return gguf_le16(p);
    case GGUF_I16: return (int16_t)gguf_le16(p);
    case GGUF_U32: return gguf_le32(p);
    case GGUF_I32: return (int32_t)gguf_le32(p);
    default: return (int64_t)gguf_le64(p);
    }
}

glass_status gguf_value_u64(uint64_t *out, const struct gguf_part *part,
                            const struct gguf_value *v) {
    *out = 0;
    if (!is_integer(v->type) || v->type == GGUF_BOOL)
        return wrong_type(part, v, "an integer");
    int64_t value = load_int(v, 0);
    if (value < 0 && v->type != GGUF_U64)
        return fail(GLASS_BAD_INPUT, "%s: \"%.*s\" is %lld; it cannot be negative",
                    place((char[GGUF_PLACE]){0}, part, v), shown(v->key), v->key.text,
                    (long long)value);
    *out = (uint64_t)value;
    return GLASS_OK;
}

glass_status gguf_get_u64(const struct gguf *g, const char *key, uint64_t *out) {
    const struct gguf_value *v = gguf_find(g, key);
    *out = 0;
    return v == NULL ? missing(g, key) : gguf_value_u64(out, &g->parts[0], v);
}

glass_status gguf_get_u64_or(const struct gguf *g, const char *key, uint64_t *out,
                             uint64_t absent) {
    const struct gguf_value *v = gguf_find(g, key);
    *out = absent;
    return v == NULL ? GLASS_OK : gguf_value_u64(out, &g->parts[0], v);
}

glass_status gguf_get_f64_or(const struct gguf *g, const char *key, double *out,
                             double absent) {
    const struct gguf_value *v = gguf_find(g, key);
    *out = absent;
    if (v == NULL) return GLASS_OK;
    *out = 0;
    if (v->type != GGUF_F32 && v->type != GGUF_F64)
        return wrong_type(&g->parts[0], v, "F32 or F64");
    *out = gguf_item_float(v, 0);
    return GLASS_OK;
}

glass_status gguf_get_bool_or(const struct gguf *g, const char *key, bool *out,
                              bool absent) {
    const struct gguf_value *v = gguf_find(g, key);
    *out = absent;
    if (v == NULL) return GLASS_OK;
    *out = false;
    if (v->type != GGUF_BOOL) return wrong_type(&g->parts[0], v, "a bool");
    *out = *v->data != 0;
    return GLASS_OK;
}

glass_status gguf_get_string_or(const struct gguf *g, const char *key,
                                struct gguf_string *out) {
    const struct gguf_value *v = gguf_find(g, key);
    *out = (struct gguf_string){"", 0};
    if (v == NULL) return GLASS_OK;
    if (v->type != GGUF_STRING) return wrong_type(&g->parts[0], v, "a string");
    *out = gguf_item_string(v, 0);
    return GLASS_OK;
}

glass_status gguf_get_string(const struct gguf *g, const char *key,
                             struct gguf_string *out) {
    *out = (struct gguf_string){"", 0};
    if (gguf_find(g, key) == NULL) return missing(g, key);
    return gguf_get_string_or(g, key, out);
}

glass_status gguf_get_array(const struct gguf *g, const char *key, enum gguf_type item_type,
                            const struct gguf_value **out) {
    const struct gguf_value *v = gguf_find(g, key);
    char wanted[32] = "an array of ";
    *out = NULL;
    if (v == NULL) return GLASS_OK;
    if (v->type != GGUF_ARRAY || v->item_type != item_type) {
        strncat(wanted, gguf_type_name(item_type), sizeof wanted - strlen(wanted) - 1);
        return wrong_type(&g->parts[0], v, wanted);
    }
    *out = v;
    return GLASS_OK;
}

struct gguf_string gguf_item_string(const struct gguf_value *v, uint64_t i) {
    if (v->item_type != GGUF_STRING || i >= v->n_items) return (struct gguf_string){"", 0};
    if (v->type == GGUF_STRING)
        return (struct gguf_string){(const char *)v->data, v->n_bytes};
    const uint8_t *item = v->data + v->offsets[i];
    return (struct gguf_string){(const char *)item + 8, (size_t)gguf_le64(item)};
}

int64_t gguf_item_int(const struct gguf_value *v, uint64_t i) {
    if (!is_integer(v->item_type) || i >= v->n_items) return 0;
    int64_t value = load_int(v, i);
    return v->item_type == GGUF_U64 && value < 0 ? INT64_MAX : value;
}

double gguf_item_float(const struct gguf_value *v, uint64_t i) {
    if (i >= v->n_items) return 0;
    if (v->item_type == GGUF_F32) {
        float value;
        uint32_t bits = gguf_le32(v->data + i * 4);
        memcpy(&value, &bits, sizeof value);
        return (double)value;
    }
    if (v->item_type != GGUF_F64) return 0;
    double value;
    uint64_t bits = gguf_le64(v->data + i * 8);
    memcpy(&value, &bits, sizeof value);
    return value;
}
