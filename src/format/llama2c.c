/* llama2c.c - reads the model and tokenizer files of llama2.c, whose layouts are fixed by a
 * few numbers at their beginning.
 *
 * Source: export.py (legacy_export, version1_export, version2_export), tokenizer.py and run.c
 * of the llama2.c project. */
#include "format/archive_parts.h"

enum {
    HEADER0_BYTES = 28,
    HEADER_BYTES = 256, /* of versions 1 and 2 */
    MAX_LAYERS = 4096,
    MAX_DIM = 1 << 24,
    MAX_PIECE = 1 << 16
};

/* Tensors are described twice: to count the bytes, then to add them. */
struct layout {
    struct archive *a; /* NULL: only count */
    const struct llama2c_header *h;
    const uint8_t *data;
    size_t size, pos; /* pos may pass size: then the file is none or too short */
    bool overflow;
};

static glass_status add(struct layout *l, const char *name, glass_dtype dtype, int n_dims,
                        int64_t rows, int64_t columns) {
    size_t n_bytes, start = l->pos, count = n_dims == 1 ? 1 : (size_t)rows;
    if (!mem_mul(&n_bytes, count, (size_t)columns) ||
        !mem_mul(&n_bytes, n_bytes, glass_dtype_block_bytes(dtype)) ||
        !mem_add(&l->pos, start, n_bytes))
        l->overflow = true;
    if (l->a == NULL || l->overflow) return GLASS_OK;
    struct archive_tensor t = {.known = true,
                               .dtype = dtype,
                               .type = dtype == GLASS_I8 ? "int8" : "float32",
                               .n_dims = n_dims,
                               .data = l->data + start,
                               .n_bytes = n_bytes};
    t.shape[0] = n_dims == 1 ? columns : rows;
    if (n_dims == 2) t.shape[1] = columns;
    char where[40];
    snprintf(where, sizeof where, "byte %zu", start);
    return archive_add(l->a, &t, name, strlen(name), where);
}

/* A matrix (rows, columns); in version 2 as integers and a scale a group. */
static glass_status matrix(struct layout *l, const char *name, int64_t rows,
                           int64_t columns) {
    char full[100];
    snprintf(full, sizeof full, "%s.weight", name);
    if (l->h->version < 2) return add(l, full, GLASS_F32, 2, rows, columns);
    TRY(add(l, full, GLASS_I8, 2, rows, columns));
    snprintf(full, sizeof full, "%s.scales", name);
    return add(l, full, GLASS_F32, 1, 1, rows * columns / l->h->group);
}

static glass_status vector(struct layout *l, const char *name, int64_t n) {
    char full[100];
    snprintf(full, sizeof full, "%s.weight", name);
    return add(l, full, GLASS_F32, 1, 1, n);
}

/* The same tensor of every layer, one after the other. */
static glass_status matrices(struct layout *l, const char *part, int64_t rows,
                             int64_t columns) {
    char name[80];
    for (int64_t i = 0; i < l->h->n_layers; i++) {
        snprintf(name, sizeof name, "layers.%d.%s", (int)i, part);
        TRY(matrix(l, name, rows, columns));
    }
    return GLASS_OK;
}

static glass_status vectors(struct layout *l, const char *part) {
    char name[80];
    for (int64_t i = 0; i < l->h->n_layers; i++) {
        snprintf(name, sizeof name, "layers.%d.%s", (int)i, part);
        TRY(vector(l, name, l->h->dim));
    }
    return GLASS_OK;
}

static glass_status attention(struct layout *l) {
    int64_t dim = l->h->dim, kv_dim = dim / l->h->n_heads * l->h->n_kv_heads;
    TRY(matrices(l, "attention.wq", dim, dim));
    TRY(matrices(l, "attention.wk", kv_dim, dim));
    TRY(matrices(l, "attention.wv", kv_dim, dim));
    return matrices(l, "attention.wo", dim, dim);
}

static glass_status feed_forward(struct layout *l) {
    int64_t dim = l->h->dim, hidden = l->h->hidden_dim;
    TRY(matrices(l, "feed_forward.w1", hidden, dim));
    TRY(matrices(l, "feed_forward.w2", dim, hidden));
    return matrices(l, "feed_forward.w3", hidden, dim);
}

static glass_status lay_out_0(struct layout *l) {
    const struct llama2c_header *h = l->h;
    size_t n_table;
    TRY(matrix(l, "tok_embeddings", h->n_vocab, h->dim));
    TRY(vectors(l, "attention_norm"));
    TRY(attention(l));
    TRY(vectors(l, "ffn_norm"));
    TRY(feed_forward(l));
    TRY(vector(l, "norm", h->dim));
    /* Two tables of cosines and sines, which nobody reads any more. */
    if (!mem_mul(&n_table, (size_t)h->n_ctx, (size_t)(h->dim / h->n_heads / 2) * 8) ||
        !mem_add(&l->pos, l->pos, n_table))
        l->overflow = true;
    return h->shared ? GLASS_OK : matrix(l, "output", h->n_vocab, h->dim);
}

static glass_status lay_out_1(struct layout *l) {
    const struct llama2c_header *h = l->h;
    TRY(vectors(l, "attention_norm"));
    TRY(vectors(l, "ffn_norm"));
    TRY(vector(l, "norm", h->dim));
    TRY(matrix(l, "tok_embeddings", h->n_vocab, h->dim));
    TRY(attention(l));
    TRY(feed_forward(l));
    return h->shared ? GLASS_OK : matrix(l, "output", h->n_vocab, h->dim);
}

static glass_status lay_out(struct layout *l) {
    l->pos = l->h->version == 0 ? HEADER0_BYTES : HEADER_BYTES;
    return l->h->version == 0 ? lay_out_0(l) : lay_out_1(l);
}

/* Seven 32-bit integers; whether they describe a model. A negative vocabulary of version 0
 * says that the output is not shared. */
static bool read_numbers(const uint8_t *p, struct llama2c_header *h) {
    int64_t *const fields[] = {&h->dim,        &h->hidden_dim, &h->n_layers, &h->n_heads,
                               &h->n_kv_heads, &h->n_vocab,    &h->n_ctx};
    for (size_t i = 0; i < 7; i++) *fields[i] = (int32_t)archive_le32(p + 4 * i);
    if (h->version == 0) {
        h->shared = h->n_vocab > 0;
        if (h->n_vocab < 0) h->n_vocab = -h->n_vocab;
    }
    for (size_t i = 0; i < 7; i++)
        if (*fields[i] < 1 || *fields[i] > MAX_DIM) return false;
    return h->n_layers <= MAX_LAYERS && h->n_heads <= h->dim && h->dim % h->n_heads == 0 &&
           h->n_kv_heads <= h->n_heads && h->n_heads % h->n_kv_heads == 0;
}

static glass_status finish(struct archive *a, const struct llama2c_header *h) {
    struct archive_part *part = &a->parts[a->n_parts - 1];
    struct layout l = {.a = a, .h = h, .data = part->map.data, .size = part->map.size};
    part->kind = "llama2.c";
    a->llama2c = *h;
    a->is_llama2c = true;
    return lay_out(&l);
}

/* Versions 1 and 2 say so; what is wrong in them is an error. */
static glass_status read_versioned(struct archive *a) {
    const struct archive_part *part = &a->parts[a->n_parts - 1];
    const uint8_t *p = part->map.data;
    uint32_t version = archive_le32(p + 4);
    struct llama2c_header h = {.version = (int)version};
    struct layout count = {.h = &h, .size = part->map.size};
    if (version != 1 && version != 2)
        return fail(GLASS_BAD_INPUT, "%s: byte 4: llama2.c version %u; Glass reads 0 to 2",
                    part->path, (unsigned)version);
    if (part->map.size < HEADER_BYTES)
        return fail(GLASS_BAD_INPUT, "%s: a header of %d bytes is cut short", part->path,
                    HEADER_BYTES);
    h.shared = p[36] != 0;
    if (p[36] > 1 || !read_numbers(p + 8, &h))
        return fail(GLASS_BAD_INPUT, "%s: byte 8: the header describes no model",
                    part->path);
    if (version == 2) {
        h.group = (int32_t)archive_le32(p + 37);
        int64_t kv_dim = h.dim / h.n_heads * h.n_kv_heads;
        if (h.group < 1 || h.dim * kv_dim % h.group != 0 ||
            h.dim * h.hidden_dim % h.group != 0 || h.dim * h.n_vocab % h.group != 0)
            return fail(GLASS_BAD_INPUT,
                        "%s: byte 37: groups of %lld do not fill the weights", part->path,
                        (long long)h.group);
    }
    TRY(lay_out(&count));
    if (count.overflow || count.pos != part->map.size)
        return fail(
            GLASS_BAD_INPUT,
            "%s: the header describes a file of %zu bytes, but it has %zu; it is cut "
            "short or damaged",
            part->path, count.pos, part->map.size);
    return finish(a, &h);
}

glass_status archive_read_llama2c(struct archive *a, bool *is_one) {
    const struct archive_part *part = &a->parts[a->n_parts - 1];
    struct llama2c_header h = {.version = 0};
    struct layout count = {.h = &h, .size = part->map.size};
    *is_one = false;
    if (part->map.size >= 8 && archive_le32(part->map.data) == 0x616b3432) { /* "ak42" */
        *is_one = true;
        return read_versioned(a);
    }
    if (part->map.size < HEADER0_BYTES || !read_numbers(part->map.data, &h))
        return GLASS_OK;
    TRY(lay_out(&count));
    *is_one = !count.overflow && count.pos == part->map.size;
    return *is_one ? finish(a, &h) : GLASS_OK;
}

const struct llama2c_header *archive_llama2c(const struct archive *a) {
    return a->is_llama2c && a->n_parts == 1 ? &a->llama2c : NULL;
}

/* ---- tokenizer.bin ---- */

struct piece {
    size_t at; /* in text */
    uint32_t n_bytes;
    float score;
};

struct llama2c_vocab {
    struct piece *pieces;
    size_t n, cap;
    struct buf text; /* each piece with a NUL behind it */
};

static glass_status add_piece(struct llama2c_vocab *v, struct reader *r) {
    uint32_t bits, n;
    const uint8_t *text;
    size_t pos = r->pos;
    TRY(reader_u32(r, &bits, "a score"));
    TRY(reader_u32(r, &n, "a piece's length"));
    if (n > MAX_PIECE)
        return fail(
            GLASS_BAD_INPUT,
            "%s: byte %zu: piece %zu is %u bytes long; at most %d are read: is this "
            "the tokenizer.bin of llama2.c?",
            r->name, pos, v->n, (unsigned)n, MAX_PIECE);
    TRY(reader_bytes(r, &text, n, "a piece"));
    if (v->n == v->cap) {
        size_t cap = v->cap == 0 ? 512 : v->cap * 2;
        TRY(mem_resize(&v->pieces, cap, sizeof *v->pieces));
        v->cap = cap;
    }
    struct piece *piece = &v->pieces[v->n];
    *piece = (struct piece){.at = v->text.len, .n_bytes = n};
    memcpy(&piece->score, &bits, sizeof bits);
    TRY(buf_append(&v->text, text, n));
    TRY(buf_byte(&v->text, '\0'));
    v->n++;
    return GLASS_OK;
}

glass_status llama2c_vocab_open_memory(struct llama2c_vocab **out, const void *bytes,
                                       size_t n_bytes, const char *name) {
    struct reader r = {bytes, n_bytes, 0, name};
    struct llama2c_vocab *v;
    uint32_t longest;
    glass_status status;
    *out = NULL;
    TRY(mem_alloc_zero(&v, 1, sizeof *v));
    TRY_FAIL(reader_u32(&r, &longest, "the longest piece's length"));
    while (reader_left(&r) > 0) TRY_FAIL(add_piece(v, &r));
    if (v->n == 0) TRY_FAIL(fail(GLASS_BAD_INPUT, "%s: a tokenizer without pieces", name));
    *out = v;
    return GLASS_OK;
fail:
    llama2c_vocab_close(v);
    return status;
}

glass_status llama2c_vocab_open(struct llama2c_vocab **out, const char *path) {
    struct filemap map;
    *out = NULL;
    TRY(filemap_open(&map, path));
    glass_status status = llama2c_vocab_open_memory(out, map.data, map.size, path);
    filemap_close(&map);
    return status;
}

void llama2c_vocab_close(struct llama2c_vocab *v) {
    if (v == NULL) return;
    mem_free(v->pieces);
    buf_free(&v->text);
    mem_free(v);
}

int64_t llama2c_vocab_n(const struct llama2c_vocab *v) {
    return (int64_t)v->n;
}

const char *llama2c_vocab_piece(const struct llama2c_vocab *v, int64_t id, size_t *n_bytes,
                                float *score) {
    bool there = id >= 0 && (uint64_t)id < v->n;
    *n_bytes = there ? v->pieces[id].n_bytes : 0;
    *score = there ? v->pieces[id].score : 0;
    return there ? v->text.data + v->pieces[id].at : NULL;
}
