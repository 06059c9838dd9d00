/* session_file.c - a session's tokens and cache in a file, and back.
 *
 * Layout, little-endian: "GLASSSES", u32 version, u32 cache type, the fingerprint
 * of the model and the adapters (32 bytes), i64 n_tokens, n_layer, n_head_kv, head_dim, is_long; the tokens (i32); per layer
 * the K rows, then the V rows (attn_export); last the SHA-256 of all before. */
#include "base/buf.h"
#include "base/hash.h"
#include "base/filemap.h"
#include "base/path.h"
#include "base/reader.h"
#include "model/pages.h"

#include <string.h>

enum { FILE_VERSION = 2, MAGIC_BYTES = 8, DIGEST_BYTES = 32 };
static const char magic[MAGIC_BYTES + 1] = "GLASSSES";

struct header {
    uint32_t version, dtype;
    uint8_t fingerprint[32];
    int64_t n_tokens, n_layer, n_head_kv, head_dim, is_long;
};

static glass_status header_of(struct header *h, const struct glass_session *s) {
    const struct config *c = &s->model->config;
    *h = (struct header){FILE_VERSION, (uint32_t)s->caches[0].dtype,
                         {0},          s->n_tokens,
                         c->n_layer,   c->n_head_kv,
                         c->head_dim,  session_is_long(s)};
    return adapt_fingerprint(h->fingerprint, s->model, s->adapters);
}

static size_t rows_bytes(const struct glass_session *s, int64_t n) {
    const struct attn_cache *c = &s->caches[0];
    return (size_t)n * attn_row_bytes(c->dtype, c->n_head_kv, c->head_dim);
}

static glass_status write_parts(const struct glass_session *s, struct buf *b) {
    struct header h;
    size_t rows = rows_bytes(s, s->n_tokens);
    uint8_t digest[DIGEST_BYTES];
    TRY(header_of(&h, s));
    TRY(buf_append(b, magic, MAGIC_BYTES));
    TRY(buf_append(b, &h, sizeof h));
    TRY(buf_append(b, s->tokens, (size_t)s->n_tokens * sizeof *s->tokens));
    for (int64_t i = 0; i < h.n_layer; i++) {
        TRY(buf_reserve(b, 2 * rows));
        attn_export(b->data + b->len, b->data + b->len + rows, &s->caches[i], 0,
                    s->n_tokens);
        b->len += 2 * rows;
    }
    TRY(sha256_bytes(digest, b->data, b->len));
    return buf_append(b, digest, sizeof digest);
}

glass_status glass_session_save(const glass_session *s, const char *path) {
    struct buf b = {0};
    glass_status status = write_parts(s, &b);
    if (status == GLASS_OK) status = path_write_private(path, b.data, b.len);
    buf_free(&b);
    return status;
}

static glass_status check_header(const struct glass_session *s, const struct header *h,
                                 const char *path) {
    struct header want;
    TRY(header_of(&want, s));
    if (h->version != FILE_VERSION)
        return fail(GLASS_BAD_INPUT, "%s: session file version %u; this program reads %d",
                    path, h->version, FILE_VERSION);
    if (memcmp(h->fingerprint, want.fingerprint, sizeof want.fingerprint) != 0 ||
        h->n_layer != want.n_layer || h->n_head_kv != want.n_head_kv ||
        h->head_dim != want.head_dim)
        return fail(GLASS_BAD_INPUT,
                    "%s: the session of another model, or of other adapters", path);
    if (h->dtype != want.dtype)
        return fail(GLASS_BAD_INPUT, "%s: its cache is %s, this session's %s", path,
                    glass_dtype_name((glass_dtype)h->dtype)
                        ? glass_dtype_name((glass_dtype)h->dtype)
                        : "of no known type",
                    glass_dtype_name((glass_dtype)want.dtype));
    if (h->is_long != want.is_long)
        return fail(GLASS_BAD_INPUT,
                    "%s: it is of a context of %s %lld positions, where this model rotates "
                    "keys otherwise than in this session's %lld",
                    path, h->is_long ? "more than" : "at most",
                    (long long)s->model->config.rope_short, (long long)s->n_ctx);
    if (h->n_tokens < 0 || h->n_tokens > s->n_ctx)
        return fail(
            GLASS_BAD_INPUT,
            "%s: %lld tokens do not fit a context of %lld positions: load it into a "
            "longer one",
            path, (long long)h->n_tokens, (long long)s->n_ctx);
    return GLASS_OK;
}

/* The checksum guards against damage, not against people. */
static glass_status check_tokens(const struct glass_session *s, const uint8_t *tokens,
                                 int64_t n, const char *path) {
    for (int64_t i = 0; i < n; i++) {
        int32_t id;
        memcpy(&id, tokens + (size_t)i * sizeof id, sizeof id);
        if (id < 0 || id >= s->model->config.n_vocab)
            return fail(GLASS_BAD_INPUT, "%s: token %lld is %d: the vocabulary has %lld",
                        path, (long long)i, id, (long long)s->model->config.n_vocab);
    }
    return GLASS_OK;
}

/* Checks everything before the session changes. */
static glass_status read_parts(struct glass_session *s, struct reader *r) {
    const uint8_t *p, *tokens, *rows;
    struct header h;
    uint8_t digest[DIGEST_BYTES];
    TRY(reader_bytes(r, &p, MAGIC_BYTES, "the session's magic"));
    if (memcmp(p, magic, MAGIC_BYTES) != 0)
        return fail(GLASS_BAD_INPUT, "%s: not a session file", r->name);
    TRY(reader_bytes(r, &p, sizeof h, "the session's header"));
    memcpy(&h, p, sizeof h);
    TRY(check_header(s, &h, r->name));
    size_t one = rows_bytes(s, h.n_tokens);
    TRY(reader_bytes(r, &tokens, (size_t)h.n_tokens * sizeof *s->tokens, "the tokens"));
    TRY(reader_bytes(r, &rows, 2 * one * (size_t)h.n_layer, "the cache"));
    TRY(reader_bytes(r, &p, DIGEST_BYTES, "the checksum"));
    TRY(sha256_bytes(digest, r->data, (size_t)(p - r->data)));
    if (reader_left(r) != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: %zu bytes after the checksum: the file is damaged", r->name,
                    reader_left(r));
    if (memcmp(digest, p, DIGEST_BYTES) != 0)
        return fail(GLASS_BAD_INPUT, "%s: the checksum differs: the file is damaged",
                    r->name);
    TRY(check_tokens(s, tokens, h.n_tokens, r->name));
    TRY(glass_session_truncate(s, 0));
    if (s->pool != NULL) TRY(pages_reserve(s, h.n_tokens));
    memcpy(s->tokens, tokens, (size_t)h.n_tokens * sizeof *s->tokens);
    for (int64_t i = 0; i < h.n_layer; i++)
        attn_import(&s->caches[i], rows + 2 * (size_t)i * one,
                    rows + (2 * (size_t)i + 1) * one, 0, h.n_tokens);
    s->n_tokens = h.n_tokens;
    if (s->pool != NULL) pages_settle(s);
    return GLASS_OK;
}

glass_status glass_session_load(glass_session *s, const char *path) {
    struct filemap map;
    TRY(filemap_open(&map, path));
    struct reader r = {map.data, map.size, 0, path};
    glass_status status = read_parts(s, &r);
    filemap_close(&map);
    return status;
}
