/* left_out.c - see left_out.h. */
#include "train/left_out.h"

#include "base/hash.h"
#include "format/archive.h"
#include "format/safetensors_write.h"

enum { PIECE = 4096 /* tokens at a time */ };

/* ---- which ---- */

int64_t left_out_at(const struct shard *s, int64_t k) {
    int64_t document;
    memcpy(&document, s->left_out + (size_t)k * sizeof document, sizeof document);
    return document;
}

glass_status left_out_read(struct shard *s, const char *path) {
    const struct archive_tensor *list = archive_find(s->archive, "left_out", -1);
    const struct archive_tensor *sha256 = archive_find(s->archive, "left_out_sha256", -1);
    if (list == NULL && sha256 == NULL) return GLASS_OK;
    if (list == NULL || sha256 == NULL || list->n_dims != 1 || sha256->n_dims != 2 ||
        strcmp(list->type, "I64") != 0 || strcmp(sha256->type, "U8") != 0 ||
        sha256->shape[0] != list->shape[0] || sha256->shape[1] != 32)
        return fail(GLASS_BAD_INPUT, "%s: its list of documents left out is damaged", path);
    s->left_out = list->data;
    s->left_out_sha256 = sha256->data;
    s->n_left_out = list->shape[0];
    for (int64_t k = 0, before = -1; k < s->n_left_out; k++) {
        int64_t document = left_out_at(s, k);
        if (document <= before || document >= s->n_documents)
            return fail(GLASS_BAD_INPUT,
                        "%s: its list of documents left out names %lld after %lld, of %lld",
                        path, (long long)document, (long long)before,
                        (long long)s->n_documents);
        before = document;
    }
    return GLASS_OK;
}

/* The first of the list at or behind a document. */
static int64_t first_from(const struct shard *s, int64_t document) {
    int64_t low = 0, high = s->n_left_out;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (left_out_at(s, middle) < document)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool left_out_is(const struct shard *s, int64_t document) {
    int64_t k = first_from(s, document);
    return k < s->n_left_out && left_out_at(s, k) == document;
}

/* The rows [*begin, *end) of the k-th that lie in [row, row + n); false: it is behind them. */
static bool rows_of(const struct shard *s, int64_t k, int64_t row, int64_t n,
                    int64_t *begin, int64_t *end) {
    if (k >= s->n_left_out) return false;
    int64_t document = left_out_at(s, k);
    *begin = shard_start(s, document) - document;
    *end = shard_start(s, document + 1) - (document + 1);
    if (*begin >= row + n) return false;
    if (*begin < row) *begin = row;
    if (*end > row + n) *end = row + n;
    return true;
}

int64_t left_out_rows(const struct shard *s, int64_t row, int64_t n) {
    int64_t begin, end, count = 0;
    if (s->n_left_out == 0) return 0;
    for (int64_t k = first_from(s, shard_document(s, row));
         rows_of(s, k, row, n, &begin, &end); k++)
        count += end - begin;
    return count;
}

void left_out_weights(const struct shard *s, int64_t row, int64_t n, float *weights) {
    int64_t begin, end;
    for (int64_t i = 0; i < n; i++) weights[i] = 1;
    if (s->n_left_out == 0) return;
    for (int64_t k = first_from(s, shard_document(s, row));
         rows_of(s, k, row, n, &begin, &end); k++)
        for (int64_t i = begin; i < end; i++) weights[i - row] = 0;
}

/* ---- names ---- */

glass_status left_out_digest(uint8_t sha256[32], const struct shard *s, int64_t document) {
    int64_t at = shard_start(s, document), end = shard_start(s, document + 1);
    struct sha256 *hash;
    int32_t piece[PIECE];
    glass_status status;
    TRY(sha256_create(&hash));
    while (at < end) {
        int64_t n = end - at < PIECE ? end - at : PIECE;
        for (int64_t i = 0; i < n; i++) piece[i] = shard_token(s, at + i);
        TRY_FAIL(sha256_update(hash, piece, (size_t)n * sizeof *piece));
        at += n;
    }
    return sha256_finish(hash, sha256);
fail:
    sha256_free(hash);
    return status;
}

glass_status left_out_root(uint8_t root[32], bool *any, const struct shard *shards,
                           int64_t n_shards) {
    struct buf b = {0};
    char hex[65];
    glass_status status = buf_text(&b, "glass without 1\n");
    *any = false;
    memset(root, 0, 32);
    for (int64_t i = 0; i < n_shards; i++)
        for (int64_t k = 0; status == GLASS_OK && k < shards[i].n_left_out; k++) {
            *any = true;
            sha256_hex(hex, shards[i].left_out_sha256 + 32 * k);
            status = buf_printf(&b, "shard %lld document %lld tokens %s\n", (long long)i,
                                (long long)left_out_at(&shards[i], k), hex);
        }
    if (status == GLASS_OK && *any) status = sha256_bytes(root, b.data, b.len);
    buf_free(&b);
    return status;
}

/* ---- writing ---- */

/* Bytes from … to - 1 of the tokens as they are. */
static glass_status put_tokens(struct safetensors_writer *w, const struct shard *s,
                               int64_t from, int64_t to) {
    const int64_t piece = (int64_t)4 << 20;
    for (; from < to; from += piece) {
        int64_t n = to - from < piece ? to - from : piece;
        const uint8_t *bytes = s->tokens + (size_t)from * (size_t)s->token_bytes;
        TRY(safetensors_put_data(w, bytes, (size_t)n * (size_t)s->token_bytes));
        shard_let_go(bytes, (size_t)n * (size_t)s->token_bytes);
    }
    return GLASS_OK;
}

static glass_status put_blanks(struct safetensors_writer *w, const struct shard *s,
                               int64_t n, int32_t blank) {
    uint8_t bytes[4 * PIECE];
    for (int64_t i = 0; i < PIECE; i++) /* little-endian machines */
        memcpy(bytes + i * s->token_bytes, &blank, (size_t)s->token_bytes);
    for (; n > 0; n -= PIECE)
        TRY(safetensors_put_data(w, bytes,
                                 (size_t)(n < PIECE ? n : PIECE) * (size_t)s->token_bytes));
    return GLASS_OK;
}

static glass_status put_meta(struct safetensors_writer *w, const struct shard *s) {
    char hex[65];
    for (int64_t i = 0; i < archive_n_meta(s->archive); i++) {
        const char *key, *value;
        archive_meta(s->archive, i, &key, &value);
        /* The text's bytes were counted with what is left out. */
        if (strcmp(key, "text_bytes") == 0) value = "0";
        TRY(safetensors_put_meta(w, key, value));
    }
    sha256_hex(hex, s->sha256);
    return safetensors_put_meta(w, "of", hex);
}

static glass_status put_data(struct safetensors_writer *w, const struct shard *s,
                             const int64_t *documents, const uint8_t *digests, int64_t n,
                             int32_t blank) {
    const struct archive_tensor *records = archive_find(s->archive, "records", -1);
    int64_t at = 0;
    TRY(safetensors_put_data(w, s->starts, ((size_t)s->n_documents + 1) * sizeof(int64_t)));
    TRY(safetensors_put_data(w, documents, (size_t)n * sizeof *documents));
    for (int64_t k = 0; k < n; k++) {
        int64_t begin = shard_start(s, documents[k]),
                end = shard_start(s, documents[k] + 1);
        TRY(put_tokens(w, s, at, begin));
        TRY(put_blanks(w, s, end - begin, blank));
        at = end;
    }
    TRY(put_tokens(w, s, at, s->n_tokens));
    if (records != NULL) TRY(safetensors_put_data(w, records->data, records->n_bytes));
    return safetensors_put_data(w, digests, (size_t)n * 32);
}

glass_status left_out_write(const struct shard *s, const char *path,
                            const int64_t *documents, const uint8_t *digests, int64_t n,
                            int32_t blank) {
    struct safetensors_writer *w;
    glass_status status;
    const struct archive_tensor *records = archive_find(s->archive, "records", -1);
    const int64_t n_starts = s->n_documents + 1, sums[2] = {n, 32};
    TRY(safetensors_writer_create(&w, path, 0));
    TRY_FAIL(put_meta(w, s));
    TRY_FAIL(safetensors_put_tensor(w, "starts", GLASS_I64, 1, &n_starts));
    TRY_FAIL(safetensors_put_tensor(w, "left_out", GLASS_I64, 1, &n));
    TRY_FAIL(safetensors_put_typed(w, "tokens", s->token_bytes == 2 ? "U16" : "I32", 1,
                                   &s->n_tokens));
    if (records != NULL)
        TRY_FAIL(safetensors_put_typed(w, "records", records->type, records->n_dims,
                                       records->shape));
    TRY_FAIL(safetensors_put_typed(w, "left_out_sha256", "U8", 2, sums));
    TRY_FAIL(put_data(w, s, documents, digests, n, blank));
    return safetensors_writer_finish(w);
fail:
    safetensors_writer_free(w);
    return status;
}

/* ---- comparing ---- */

glass_status left_out_same(const struct shard *s, int64_t d, const struct shard *other,
                           int64_t at) {
    uint8_t sha256[32];
    TRY(left_out_digest(sha256, other, at));
    if (memcmp(sha256, s->left_out_sha256 + 32 * first_from(s, d), 32) == 0)
        return GLASS_OK;
    return fail(GLASS_NEGATIVE,
                "document %lld is not the one that the shard says it leaves out",
                (long long)d);
}

static glass_status compare_document(const struct shard *s, const struct shard *whole,
                                     int64_t d) {
    int64_t at = shard_start(s, d), end = shard_start(s, d + 1);
    if (at != shard_start(whole, d) || end != shard_start(whole, d + 1))
        return fail(GLASS_NEGATIVE, "document %lld stands elsewhere", (long long)d);
    if (left_out_is(s, d)) return left_out_same(s, d, whole, d);
    for (; at < end; at++)
        if (shard_token(s, at) != shard_token(whole, at))
            return fail(GLASS_NEGATIVE, "document %lld: token %lld is %d, and was %d",
                        (long long)d, (long long)(at - shard_start(s, d)),
                        shard_token(s, at), shard_token(whole, at));
    return GLASS_OK;
}

glass_status left_out_compare(const struct shard *s, const struct shard *whole) {
    if (s->n_documents != whole->n_documents || s->n_tokens != whole->n_tokens)
        return fail(GLASS_NEGATIVE,
                    "%lld documents of %lld tokens, and there were %lld of %lld",
                    (long long)s->n_documents, (long long)s->n_tokens,
                    (long long)whole->n_documents, (long long)whole->n_tokens);
    for (int64_t d = 0; d < s->n_documents; d++) TRY(compare_document(s, whole, d));
    return GLASS_OK;
}
