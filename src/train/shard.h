/* shard.h - a file of text as tokens: what a run reads its samples from.
 *
 * Each document is BOS (EOS where the vocabulary has no BOS), its tokens, EOS. A document of n
 * tokens gives n - 1 rows: a token and the one that follows it; rows lie one after another,
 * document after document, and a window is any run of them.
 *
 * On disk a shard is a safetensors file: "tokens" (n) as U16 or I32, "starts" (n_documents + 1)
 * as I64, where each document begins, and its text's bytes as metadata. One that leaves documents
 * out (left_out.h) also has "left_out" (n) as I64, their numbers, and "left_out_sha256" (n, 32). */
#ifndef TRAIN_SHARD_H
#define TRAIN_SHARD_H

#include "glass/tokenizer.h"
#include "train/attn_back.h"
#include "train/recipe.h"

#include <stdio.h>

struct shard {
    const uint8_t *tokens, *starts; /* little-endian, of any alignment */
    int token_bytes;                /* 2 or 4 */
    int64_t n_tokens, n_documents, n_rows;
    const uint8_t *left_out; /* (n_left_out) int64_t, ascending: documents that … */
    const uint8_t *left_out_sha256; /* … weigh nothing; (n_left_out, 32) of their tokens */
    int64_t n_left_out;
    int64_t n_bytes;                     /* of the text; 0 = not known */
    uint8_t sha256[32];                  /* of the file, once it was written or opened */
    struct archive *archive;             /* the tokens' owner, or … */
    const void *own_tokens, *own_starts; /* … mappings of files without a name */
};

/* A text that becomes a shard. */
struct shard_text {
    const char *text;
    size_t n_bytes, offset; /* offset: of text in its file, for messages */
    enum recipe_documents documents;
    const char *name; /* the file's */
    bool mapped;      /* pages that were read may be let go */
};

/* Memory is that of the largest document's tokens, however long the text. The tokens lie in
 * a file without a name in this folder. */
glass_status shard_make(struct shard *out, const struct shard_text *text,
                        const glass_tokenizer *tokenizer, const char *folder);

/* A shard that grows document by document, in two files without a name. */
struct shard_maker {
    const char *folder;  /* borrowed */
    int32_t first, last; /* of a document */
    int token_bytes;
    FILE *tokens, *starts;
    int64_t n_tokens, n_documents;
};

glass_status shard_maker_begin(struct shard_maker *m, const glass_tokenizer *tokenizer,
                               const char *folder);
/* ids without those that begin and end a document. */
glass_status shard_maker_put(struct shard_maker *m, const int32_t *ids, int64_t n);
/* Ends m, whether it succeeds or not. The caller says out->n_bytes. */
glass_status shard_maker_finish(struct shard *out, struct shard_maker *m);
void shard_maker_clear(struct shard_maker *m);

/* GLASS_NEGATIVE: the text does not give this shard; names the document and the token. */
glass_status shard_compare(const struct shard *s, const struct shard_text *text,
                           const glass_tokenizer *tokenizer);
/* Where a text is cut so that about this share of its bytes is held out: behind the first
 * newline at or after the place (at the text's end where there is none). */
size_t shard_cut(const char *text, size_t n_bytes, double held_out);
glass_status shard_write(struct shard *s, const char *path);
/* The same with more about its documents: the hash of each one's record (n_documents, 32) as the
 * tensor "records", so that a record's rows are known, and metadata, n_meta pairs. */
struct shard_more {
    const uint8_t *records;
    const char *const (*meta)[2];
    int n_meta;
};
glass_status shard_write_more(struct shard *s, const char *path,
                              const struct shard_more *more);
/* What a shard's file says under this key of its metadata; NULL: nothing. */
const char *shard_meta(const struct shard *s, const char *key);
/* expected: the SHA-256 that the file must have; NULL = any. */
glass_status shard_open(struct shard *out, const char *path, const uint8_t expected[32]);
void shard_clear(struct shard *s);
/* Pages of a mapped file that are not looked at for a while need not stay in memory. */
void shard_let_go(const void *bytes, size_t n);

/* The document that a row lies in. */
int64_t shard_document(const struct shard *s, int64_t row);
/* Where document d begins (d = n_documents: the end), and a token. */
int64_t shard_start(const struct shard *s, int64_t document);
int32_t shard_token(const struct shard *s, int64_t i);
/* Rows row … row + n - 1: ids and targets (n), and the stretches of one document among them,
 * whose rows count from row0; *n_segments grows by how many there are. */
void shard_rows(const struct shard *s, int64_t row, int64_t n, int32_t *ids,
                int32_t *targets, struct attn_rows *segments, int64_t *n_segments,
                int64_t row0);
/* The most documents that any window of n rows at a multiple of n has. */
int64_t shard_most_segments(const struct shard *s, int64_t n);

#endif
