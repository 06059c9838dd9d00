/* shard.c - see shard.h. */
#include "train/shard.h"

#include "base/hash.h"
#include "format/archive.h"
#include "format/safetensors_write.h"

#include <stdio.h>
#include <stdlib.h>

struct making {
    const glass_tokenizer *tokenizer;
    int32_t first, last; /* of a document */
    int token_bytes;
    struct buf tokens, starts;
    int64_t n_tokens, n_documents;
};

static glass_status put_token(struct making *m, int32_t id) {
    m->n_tokens++;
    return buf_append(&m->tokens, &id, (size_t)m->token_bytes); /* little-endian machines */
}

static glass_status put_document(struct making *m, const char *text, size_t n_bytes) {
    int32_t *ids;
    int64_t n;
    TRY(glass_tokenizer_encode(m->tokenizer, &ids, &n, text, n_bytes, 0));
    glass_status status = buf_append(&m->starts, &m->n_tokens, sizeof m->n_tokens);
    if (status == GLASS_OK) status = put_token(m, m->first);
    for (int64_t i = 0; status == GLASS_OK && i < n; i++) status = put_token(m, ids[i]);
    if (status == GLASS_OK) status = put_token(m, m->last);
    m->n_documents++;
    glass_free(ids);
    return status;
}

/* The length of the document at the start of text, and of what parts it from the next. */
static size_t document_length(const char *text, size_t n, enum recipe_documents kind,
                              size_t *gap) {
    const char *mark = kind == DOCUMENTS_LINES ? "\n" : "\n\n";
    size_t n_mark = strlen(mark);
    const char *at = kind == DOCUMENTS_WHOLE ? NULL : memmem(text, n, mark, n_mark);
    *gap = at == NULL ? 0 : n_mark;
    return at == NULL ? n : (size_t)(at - text);
}

glass_status shard_make(struct shard *out, const glass_tokenizer *tokenizer,
                        enum recipe_documents documents, const char *text, size_t n_bytes,
                        const char *name) {
    struct making m = {.tokenizer = tokenizer, .last = glass_tokenizer_eos(tokenizer)};
    glass_status status = GLASS_OK;
    *out = (struct shard){0};
    m.first = glass_tokenizer_bos(tokenizer);
    if (m.last < 0)
        return fail(GLASS_BAD_INPUT,
                    "the tokenizer has no EOS to end documents with: name one as eos_token "
                    "in a tokenizer_config.json beside it");
    if (m.first < 0) m.first = m.last;
    m.token_bytes = glass_tokenizer_n_vocab(tokenizer) <= 65536 ? 2 : 4;
    for (size_t at = 0; status == GLASS_OK && at < n_bytes;) {
        size_t gap, n = document_length(text + at, n_bytes - at, documents, &gap);
        if (n > 0) status = put_document(&m, text + at, n);
        out->n_bytes += (int64_t)n;
        at += n + gap;
    }
    if (status == GLASS_OK) status = buf_append(&m.starts, &m.n_tokens, sizeof m.n_tokens);
    if (status == GLASS_OK) status = buf_reserve(&m.tokens, 1);
    if (status != GLASS_OK) {
        buf_free(&m.tokens);
        buf_free(&m.starts);
        return fail_within(status, "%s", name);
    }
    out->owned_tokens = m.tokens.data;
    out->owned_starts = m.starts.data;
    out->tokens = (const uint8_t *)m.tokens.data;
    out->starts = (const uint8_t *)m.starts.data;
    out->token_bytes = m.token_bytes;
    out->n_tokens = m.n_tokens;
    out->n_documents = m.n_documents;
    out->n_rows = m.n_tokens - m.n_documents;
    return GLASS_OK;
}

size_t shard_cut(const char *text, size_t n_bytes, double held_out) {
    size_t at = n_bytes - (size_t)((double)n_bytes * held_out);
    if (at >= n_bytes) return n_bytes;
    const char *newline = memchr(text + at, '\n', n_bytes - at);
    return newline == NULL ? n_bytes : (size_t)(newline - text) + 1;
}

/* ---- files ---- */

glass_status shard_write(struct shard *s, const char *path) {
    struct safetensors_writer *w;
    char bytes[32];
    glass_status status;
    int64_t n_starts = s->n_documents + 1;
    TRY(safetensors_writer_create(&w, path, 0));
    snprintf(bytes, sizeof bytes, "%lld", (long long)s->n_bytes);
    TRY_FAIL(safetensors_put_meta(w, "text_bytes", bytes));
    TRY_FAIL(safetensors_put_tensor(w, "starts", GLASS_I64, 1, &n_starts));
    TRY_FAIL(safetensors_put_typed(w, "tokens", s->token_bytes == 2 ? "U16" : "I32", 1,
                                   &s->n_tokens));
    TRY_FAIL(safetensors_put_data(w, s->starts, (size_t)n_starts * sizeof(int64_t)));
    TRY_FAIL(
        safetensors_put_data(w, s->tokens, (size_t)s->n_tokens * (size_t)s->token_bytes));
    TRY(safetensors_writer_finish(w));
    return sha256_file(s->sha256, path);
fail:
    safetensors_writer_free(w);
    return status;
}

static int64_t start_of(const struct shard *s, int64_t document) {
    int64_t start;
    memcpy(&start, s->starts + (size_t)document * sizeof start, sizeof start);
    return start;
}

static int32_t token_at(const struct shard *s, int64_t i) {
    uint16_t narrow;
    int32_t wide;
    if (s->token_bytes == 2) {
        memcpy(&narrow, s->tokens + 2 * (size_t)i, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, s->tokens + 4 * (size_t)i, sizeof wide);
    return wide;
}

static glass_status read_tensors(struct shard *s, const char *path) {
    const struct archive_tensor *tokens = archive_find(s->archive, "tokens", -1);
    const struct archive_tensor *starts = archive_find(s->archive, "starts", -1);
    const char *key, *value;
    if (tokens == NULL || starts == NULL || tokens->n_dims != 1 || starts->n_dims != 1 ||
        strcmp(starts->type, "I64") != 0 || starts->shape[0] < 1 ||
        (strcmp(tokens->type, "U16") != 0 && strcmp(tokens->type, "I32") != 0))
        return fail(GLASS_BAD_INPUT, "%s: no shard of tokens", path);
    s->tokens = tokens->data;
    s->starts = starts->data;
    s->token_bytes = tokens->type[0] == 'U' ? 2 : 4;
    s->n_tokens = tokens->shape[0];
    s->n_documents = starts->shape[0] - 1;
    s->n_rows = s->n_tokens - s->n_documents;
    if (start_of(s, 0) != 0 || start_of(s, s->n_documents) != s->n_tokens)
        return fail(GLASS_BAD_INPUT, "%s: documents do not end where tokens do", path);
    for (int64_t d = 0; d < s->n_documents; d++)
        if (start_of(s, d + 1) - start_of(s, d) < 2)
            return fail(GLASS_BAD_INPUT, "%s: document %lld has fewer than two tokens",
                        path, (long long)d);
    for (int64_t i = 0; i < archive_n_meta(s->archive); i++) {
        archive_meta(s->archive, i, &key, &value);
        if (strcmp(key, "text_bytes") == 0) s->n_bytes = strtoll(value, NULL, 10);
    }
    return GLASS_OK;
}

glass_status shard_open(struct shard *out, const char *path, const uint8_t expected[32]) {
    *out = (struct shard){0};
    TRY(sha256_file(out->sha256, path));
    if (expected != NULL && memcmp(out->sha256, expected, 32) != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: its SHA-256 is not the one that run.json says: one of the two was "
                    "changed",
                    path);
    TRY(archive_open(&out->archive, path));
    glass_status status = read_tensors(out, path);
    if (status != GLASS_OK) shard_clear(out);
    return status;
}

void shard_clear(struct shard *s) {
    archive_close(s->archive);
    mem_free(s->owned_tokens);
    mem_free(s->owned_starts);
    *s = (struct shard){0};
}

/* ---- rows ---- */

/* Document d's first row. */
static int64_t row_of(const struct shard *s, int64_t d) {
    return start_of(s, d) - d;
}

static int64_t document_of(const struct shard *s, int64_t row) {
    int64_t low = 0, high = s->n_documents;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (row_of(s, middle) <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void shard_rows(const struct shard *s, int64_t row, int64_t n, int32_t *ids,
                int32_t *targets, struct attn_rows *segments, int64_t *n_segments,
                int64_t row0) {
    int64_t d = document_of(s, row);
    for (int64_t done = 0; done < n; d++) {
        int64_t take = row_of(s, d + 1) - (row + done);
        if (take > n - done) take = n - done;
        segments[(*n_segments)++] = (struct attn_rows){row0 + done, take};
        for (int64_t i = done; i < done + take; i++) {
            ids[i] = token_at(s, row + i + d);
            targets[i] = token_at(s, row + i + d + 1);
        }
        done += take;
    }
}

int64_t shard_most_segments(const struct shard *s, int64_t n) {
    int64_t most = 1;
    for (int64_t row = 0; row < s->n_rows; row += n) {
        int64_t last = row + n < s->n_rows ? row + n - 1 : s->n_rows - 1;
        int64_t count = document_of(s, last) - document_of(s, row) + 1;
        if (count > most) most = count;
    }
    return most;
}
