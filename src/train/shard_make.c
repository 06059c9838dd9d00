/* shard_make.c - texts to tokens, a document at a time, in memory that does not grow with the
 * text; see shard.h.
 *
 * Tokens and starts grow in two files that have no name, so that nothing is left of a process
 * that was killed, and are mapped when they are whole. */
#include "train/shard.h"

#include "base/path.h"
#include "train/left_out.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DROP_BYTES = 8 << 20 }; /* of text that was read, at least, before it is let go */

/* Gets each document's ids, without those that begin and end it. */
typedef glass_status take_document(void *context, const int32_t *ids, int64_t n);

/* The length of the document at the start of text, and of what parts it from the next. */
static size_t document_length(const char *text, size_t n, enum recipe_documents kind,
                              size_t *gap) {
    const char *mark = kind == DOCUMENTS_LINES ? "\n" : "\n\n";
    size_t n_mark = strlen(mark);
    const char *at = kind == DOCUMENTS_WHOLE ? NULL : memmem(text, n, mark, n_mark);
    *gap = at == NULL ? 0 : n_mark;
    return at == NULL ? n : (size_t)(at - text);
}

static glass_status walk(const struct shard_text *text, const glass_tokenizer *tokenizer,
                         take_document *take, void *context, int64_t *n_bytes) {
    size_t dropped = 0;
    *n_bytes = 0;
    for (size_t at = 0; at < text->n_bytes;) {
        size_t gap,
            n = document_length(text->text + at, text->n_bytes - at, text->documents, &gap);
        if (n > 0) {
            int32_t *ids;
            int64_t n_ids;
            glass_status status =
                glass_tokenizer_encode(tokenizer, &ids, &n_ids, text->text + at, n, 0);
            if (status == GLASS_OK) status = take(context, ids, n_ids);
            glass_free(ids);
            if (status != GLASS_OK)
                return fail_within(status, "%s: the document at byte %zu", text->name,
                                   text->offset + at);
        }
        *n_bytes += (int64_t)n;
        at += n + gap;
        if (!text->mapped || at - dropped < DROP_BYTES) continue;
        shard_let_go(text->text + dropped, at - dropped);
        dropped = at;
    }
    return GLASS_OK;
}

/* What documents begin and end with. */
static glass_status find_ends(const glass_tokenizer *t, int32_t *first, int32_t *last) {
    *first = glass_tokenizer_bos(t);
    *last = glass_tokenizer_eos(t);
    if (*last < 0)
        return fail(
            GLASS_BAD_INPUT,
            "the tokenizer has no EOS to end documents with: make it with --special "
            "'<|endoftext|>' (glass tokenizer train), or name one as eos_token "
            "in a tokenizer_config.json beside it");
    if (*first < 0) *first = *last;
    return GLASS_OK;
}

/* ---- making ---- */

static glass_status put(const struct shard_maker *m, FILE *file, const void *bytes,
                        size_t n) {
    return fwrite(bytes, 1, n, file) == n ? GLASS_OK
                                          : fail_errno("%s: cannot write", m->folder);
}

static glass_status put_token(struct shard_maker *m, int32_t id) {
    m->n_tokens++;
    return put(m, m->tokens, &id, (size_t)m->token_bytes); /* little-endian machines */
}

glass_status shard_maker_put(struct shard_maker *m, const int32_t *ids, int64_t n) {
    TRY(put(m, m->starts, &m->n_tokens, sizeof m->n_tokens));
    TRY(put_token(m, m->first));
    for (int64_t i = 0; i < n; i++) TRY(put_token(m, ids[i]));
    TRY(put_token(m, m->last));
    m->n_documents++;
    return GLASS_OK;
}

static glass_status put_document(void *context, const int32_t *ids, int64_t n) {
    return shard_maker_put(context, ids, n);
}

/* *out is a mapping, NULL where there is nothing. */
static glass_status map_whole(const void **out, FILE *file, size_t n, const char *folder) {
    *out = NULL;
    if (fflush(file) != 0) return fail_errno("%s: cannot write", folder);
    if (n == 0) return GLASS_OK;
    void *data = mmap(NULL, n, PROT_READ, MAP_SHARED, fileno(file), 0);
    if (data == MAP_FAILED) return fail_errno("%s: cannot map %zu bytes", folder, n);
    *out = data;
    return GLASS_OK;
}

static glass_status finish(struct shard *out, struct shard_maker *m) {
    TRY(put(m, m->starts, &m->n_tokens, sizeof m->n_tokens));
    out->token_bytes = m->token_bytes;
    out->n_tokens = m->n_tokens;
    out->n_documents = m->n_documents;
    out->n_rows = m->n_tokens - m->n_documents;
    TRY(map_whole(&out->own_tokens, m->tokens, (size_t)m->n_tokens * (size_t)m->token_bytes,
                  m->folder));
    TRY(map_whole(&out->own_starts, m->starts,
                  ((size_t)m->n_documents + 1) * sizeof(int64_t), m->folder));
    out->tokens = out->own_tokens;
    out->starts = out->own_starts;
    return GLASS_OK;
}

glass_status shard_maker_begin(struct shard_maker *m, const glass_tokenizer *tokenizer,
                               const char *folder) {
    *m = (struct shard_maker){.folder = folder};
    m->token_bytes = glass_tokenizer_n_vocab(tokenizer) <= 65536 ? 2 : 4;
    glass_status status = find_ends(tokenizer, &m->first, &m->last);
    if (status == GLASS_OK) status = path_nameless(&m->tokens, folder);
    if (status == GLASS_OK) status = path_nameless(&m->starts, folder);
    if (status != GLASS_OK) shard_maker_clear(m);
    return status;
}

glass_status shard_maker_finish(struct shard *out, struct shard_maker *m) {
    *out = (struct shard){0};
    glass_status status = finish(out, m);
    shard_maker_clear(m);
    if (status != GLASS_OK) shard_clear(out);
    return status;
}

void shard_maker_clear(struct shard_maker *m) {
    if (m->tokens != NULL) fclose(m->tokens);
    if (m->starts != NULL) fclose(m->starts);
    m->tokens = m->starts = NULL;
}

glass_status shard_make(struct shard *out, const struct shard_text *text,
                        const glass_tokenizer *tokenizer, const char *folder) {
    struct shard_maker m;
    int64_t n_bytes;
    *out = (struct shard){0};
    TRY(shard_maker_begin(&m, tokenizer, folder));
    glass_status status = walk(text, tokenizer, put_document, &m, &n_bytes);
    if (status != GLASS_OK) {
        shard_maker_clear(&m);
        return status;
    }
    TRY(shard_maker_finish(out, &m));
    out->n_bytes = n_bytes;
    return GLASS_OK;
}

size_t shard_cut(const char *text, size_t n_bytes, double held_out) {
    size_t at = n_bytes - (size_t)((double)n_bytes * held_out);
    if (at >= n_bytes) return n_bytes;
    const char *newline = memchr(text + at, '\n', n_bytes - at);
    return newline == NULL ? n_bytes : (size_t)(newline - text) + 1;
}

/* ---- comparing ---- */

struct comparing {
    const struct shard *s;
    int32_t first, last;
    int64_t document;
};

/* A document that the shard leaves out: is it the one that it names? */
static glass_status same_left_out(const struct comparing *c, int64_t d, const int32_t *ids,
                                  int64_t n) {
    const int64_t starts[2] = {0, n + 2};
    int32_t *tokens;
    TRY(mem_alloc(&tokens, (size_t)n + 2, sizeof *tokens));
    tokens[0] = c->first;
    if (n > 0) memcpy(tokens + 1, ids, (size_t)n * sizeof *ids);
    tokens[n + 1] = c->last;
    const struct shard text = {.tokens = (const uint8_t *)tokens,
                               .starts = (const uint8_t *)starts,
                               .token_bytes = 4};
    glass_status status = left_out_same(c->s, d, &text, 0);
    mem_free(tokens);
    return status;
}

static glass_status same_document(void *context, const int32_t *ids, int64_t n) {
    struct comparing *c = context;
    long long d = (long long)c->document++;
    if (d >= c->s->n_documents)
        return fail(GLASS_NEGATIVE, "document %lld is not in the shard", d);
    int64_t at = shard_start(c->s, d), have = shard_start(c->s, d + 1) - at;
    if (left_out_is(c->s, d) && have == n + 2) return same_left_out(c, d, ids, n);
    for (int64_t i = 0; i < n + 2 && i < have; i++) {
        int32_t want = i == 0 ? c->first : i == n + 1 ? c->last : ids[i - 1];
        int32_t got = shard_token(c->s, at + i);
        if (got != want)
            return fail(GLASS_NEGATIVE,
                        "document %lld: token %lld is %d in the shard, %d by the text", d,
                        (long long)i, got, want);
    }
    if (have == n + 2) return GLASS_OK;
    return fail(GLASS_NEGATIVE, "document %lld: %lld tokens in the shard, %lld by the text",
                d, (long long)have, (long long)n + 2);
}

glass_status shard_compare(const struct shard *s, const struct shard_text *text,
                           const glass_tokenizer *tokenizer) {
    struct comparing c = {.s = s};
    int64_t n_bytes;
    TRY(find_ends(tokenizer, &c.first, &c.last));
    TRY(walk(text, tokenizer, same_document, &c, &n_bytes));
    if (c.document != s->n_documents)
        return fail(GLASS_NEGATIVE, "%s: %lld documents in the shard, %lld by the text",
                    text->name, (long long)s->n_documents, (long long)c.document);
    if (n_bytes != s->n_bytes && s->n_left_out == 0)
        return fail(GLASS_NEGATIVE, "%s: %lld bytes of text by the shard, %lld in truth",
                    text->name, (long long)s->n_bytes, (long long)n_bytes);
    return GLASS_OK;
}
