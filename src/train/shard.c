/* shard.c - see shard.h. */
#include "train/shard.h"

#include "base/hash.h"
#include "format/archive.h"
#include "format/safetensors_write.h"
#include "train/left_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- files ---- */

/* Pages are let go behind what was written. */
static glass_status put_pieces(struct safetensors_writer *w, const uint8_t *bytes,
                               size_t n) {
    const size_t piece = (size_t)8 << 20;
    for (size_t at = 0; at < n; at += piece) {
        size_t m = n - at < piece ? n - at : piece;
        TRY(safetensors_put_data(w, bytes + at, m));
        shard_let_go(bytes + at, m);
    }
    return GLASS_OK;
}

glass_status shard_write_more(struct shard *s, const char *path,
                              const struct shard_more *more) {
    struct safetensors_writer *w;
    char bytes[32];
    glass_status status;
    int64_t n_starts = s->n_documents + 1;
    const int64_t records[2] = {s->n_documents, 32};
    TRY(safetensors_writer_create(&w, path, 0));
    snprintf(bytes, sizeof bytes, "%lld", (long long)s->n_bytes);
    TRY_FAIL(safetensors_put_meta(w, "text_bytes", bytes));
    for (int i = 0; more != NULL && i < more->n_meta; i++)
        TRY_FAIL(safetensors_put_meta(w, more->meta[i][0], more->meta[i][1]));
    TRY_FAIL(safetensors_put_tensor(w, "starts", GLASS_I64, 1, &n_starts));
    TRY_FAIL(safetensors_put_typed(w, "tokens", s->token_bytes == 2 ? "U16" : "I32", 1,
                                   &s->n_tokens));
    if (more != NULL) TRY_FAIL(safetensors_put_typed(w, "records", "U8", 2, records));
    TRY_FAIL(put_pieces(w, s->starts, (size_t)n_starts * sizeof(int64_t)));
    TRY_FAIL(put_pieces(w, s->tokens, (size_t)s->n_tokens * (size_t)s->token_bytes));
    if (more != NULL) TRY_FAIL(put_pieces(w, more->records, (size_t)s->n_documents * 32));
    TRY(safetensors_writer_finish(w));
    return sha256_file(s->sha256, path);
fail:
    safetensors_writer_free(w);
    return status;
}

glass_status shard_write(struct shard *s, const char *path) {
    return shard_write_more(s, path, NULL);
}

const char *shard_meta(const struct shard *s, const char *want) {
    const char *key, *value;
    for (int64_t i = 0; s->archive != NULL && i < archive_n_meta(s->archive); i++) {
        archive_meta(s->archive, i, &key, &value);
        if (strcmp(key, want) == 0) return value;
    }
    return NULL;
}

int64_t shard_start(const struct shard *s, int64_t document) {
    int64_t start;
    memcpy(&start, s->starts + (size_t)document * sizeof start, sizeof start);
    return start;
}

int32_t shard_token(const struct shard *s, int64_t i) {
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
    const char *bytes;
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
    if (shard_start(s, 0) != 0 || shard_start(s, s->n_documents) != s->n_tokens)
        return fail(GLASS_BAD_INPUT, "%s: documents do not end where tokens do", path);
    for (int64_t d = 0; d < s->n_documents; d++)
        if (shard_start(s, d + 1) - shard_start(s, d) < 2)
            return fail(GLASS_BAD_INPUT, "%s: document %lld has fewer than two tokens",
                        path, (long long)d);
    if ((bytes = shard_meta(s, "text_bytes")) != NULL)
        s->n_bytes = strtoll(bytes, NULL, 10);
    return left_out_read(s, path);
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

void shard_let_go(const void *bytes, size_t n) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)bytes + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)bytes + n) / page * page;
    if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}

void shard_clear(struct shard *s) {
    archive_close(s->archive);
    if (s->own_tokens != NULL)
        munmap((void *)(uintptr_t)s->own_tokens,
               (size_t)s->n_tokens * (size_t)s->token_bytes);
    if (s->own_starts != NULL)
        munmap((void *)(uintptr_t)s->own_starts,
               ((size_t)s->n_documents + 1) * sizeof(int64_t));
    *s = (struct shard){0};
}

/* ---- rows ---- */

/* Document d's first row. */
static int64_t row_of(const struct shard *s, int64_t d) {
    return shard_start(s, d) - d;
}

int64_t shard_document(const struct shard *s, int64_t row) {
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
    int64_t d = shard_document(s, row);
    for (int64_t done = 0; done < n; d++) {
        int64_t take = row_of(s, d + 1) - (row + done);
        if (take > n - done) take = n - done;
        segments[(*n_segments)++] = (struct attn_rows){row0 + done, take};
        for (int64_t i = done; i < done + take; i++) {
            ids[i] = shard_token(s, row + i + d);
            targets[i] = shard_token(s, row + i + d + 1);
        }
        done += take;
    }
}

int64_t shard_most_segments(const struct shard *s, int64_t n) {
    int64_t most = 1;
    for (int64_t row = 0; row < s->n_rows; row += n) {
        int64_t last = row + n < s->n_rows ? row + n - 1 : s->n_rows - 1;
        int64_t count = shard_document(s, last) - shard_document(s, row) + 1;
        if (count > most) most = count;
    }
    shard_let_go(s->starts, ((size_t)s->n_documents + 1) * sizeof(int64_t));
    return most;
}
