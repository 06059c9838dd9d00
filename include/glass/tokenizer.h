/* tokenizer.h - text to token ids and back.
 *
 * A glass_tokenizer is immutable and may be used by any number of threads. A
 * glass_token_stream belongs to one. Encoding accepts any bytes and never fails on them;
 * decoding what was encoded gives the same bytes, except where the vocabulary itself cannot:
 * SentencePiece spells a space as U+2581, so that one comes back as a space; some files ask for
 * text to be normalised first; and bytes that a vocabulary has no token for are left out, as
 * in the libraries that made it. */
#ifndef GLASS_TOKENIZER_H
#define GLASS_TOKENIZER_H

#include "glass/status.h"
GLASS_BEGIN

typedef struct glass_tokenizer glass_tokenizer;
typedef struct glass_token_stream glass_token_stream;

/* Flags of encode. Without PARSE_SPECIAL the text "<|im_end|>" is ten or so ordinary tokens. */
enum {
    GLASS_ADD_SPECIAL = 1,  /* BOS/EOS as the model wants them */
    GLASS_PARSE_SPECIAL = 2 /* control tokens written in the text become themselves */
};
/* Flags of decode. */
enum {
    GLASS_SHOW_SPECIAL = 1, /* control tokens appear as their text instead of nothing */
    GLASS_CONTINUE = 2      /* the ids go on from earlier text: their first space is real */
};

/* A byte range [begin, end) of a text in which control tokens are never recognised: text
 * that came from a person. Ranges are ascending and do not overlap. */
typedef struct glass_span {
    size_t begin, end;
} glass_span;

/* Opens the tokenizer of a GGUF file without mapping its weights for use. Close with
 * glass_tokenizer_close unless it was borrowed from a model. */
GLASS_API glass_status glass_tokenizer_open(glass_tokenizer **out, const char *path);
GLASS_API void glass_tokenizer_close(glass_tokenizer *tokenizer);

/* Encodes text[0..n_bytes). *ids is allocated (glass_free), *n_ids may be 0. */
GLASS_API glass_status glass_tokenizer_encode(const glass_tokenizer *tokenizer,
                                              int32_t **ids, int64_t *n_ids,
                                              const char *text, size_t n_bytes,
                                              unsigned flags);
/* The same with GLASS_PARSE_SPECIAL switched off inside the given spans. */
GLASS_API glass_status glass_tokenizer_encode_spans(const glass_tokenizer *tokenizer,
                                                    int32_t **ids, int64_t *n_ids,
                                                    const char *text, size_t n_bytes,
                                                    const glass_span *plain,
                                                    int64_t n_plain, unsigned flags);

/* Decodes ids to bytes; *text is allocated, NUL-terminated after *n_bytes. An id outside the
 * vocabulary is GLASS_BAD_INPUT and names its position. */
GLASS_API glass_status glass_tokenizer_decode(const glass_tokenizer *tokenizer, char **text,
                                              size_t *n_bytes, const int32_t *ids,
                                              int64_t n_ids, unsigned flags);

/* Streaming decode: push a token, get the bytes that are complete UTF-8 so far (possibly
 * none). *text is borrowed until the next call. finish gives what is left, cut or not. */
GLASS_API glass_status glass_token_stream_create(glass_token_stream **out,
                                                 const glass_tokenizer *tokenizer,
                                                 unsigned flags);
GLASS_API glass_status glass_token_stream_push(glass_token_stream *stream, int32_t id,
                                               const char **text, size_t *n_bytes);
GLASS_API glass_status glass_token_stream_finish(glass_token_stream *stream,
                                                 const char **text, size_t *n_bytes);
GLASS_API void glass_token_stream_free(glass_token_stream *stream);

GLASS_API int64_t glass_tokenizer_n_vocab(const glass_tokenizer *tokenizer);
/* The token as the file spells it (not NUL-safe beyond n_bytes); NULL outside the range. */
GLASS_API const char *glass_tokenizer_piece(const glass_tokenizer *tokenizer, int32_t id,
                                            size_t *n_bytes);
/* The id of a piece as the file spells it, -1 if there is none. */
GLASS_API int32_t glass_tokenizer_find(const glass_tokenizer *tokenizer, const char *piece,
                                       size_t n_bytes);
/* Control tokens; -1 where the model has none. */
GLASS_API int32_t glass_tokenizer_bos(const glass_tokenizer *tokenizer);
GLASS_API int32_t glass_tokenizer_eos(const glass_tokenizer *tokenizer);
GLASS_API bool glass_tokenizer_adds_bos(const glass_tokenizer *tokenizer);
/* Whether a token ends an answer: EOS, EOT, <|im_end|> and their like. */
GLASS_API bool glass_tokenizer_is_end(const glass_tokenizer *tokenizer, int32_t id);
/* Whether a token is a control token (its text is not part of the answer). */
GLASS_API bool glass_tokenizer_is_control(const glass_tokenizer *tokenizer, int32_t id);
/* "spm" or "bpe"; and for bpe the pre-tokenizer's name ("gpt-2", "llama-bpe", …), else "". */
GLASS_API const char *glass_tokenizer_kind(const glass_tokenizer *tokenizer);
GLASS_API const char *glass_tokenizer_pre(const glass_tokenizer *tokenizer);

/* Whether two vocabularies are the same, piece for piece; GLASS_BAD_INPUT names the first
 * difference. */
GLASS_API glass_status glass_tokenizer_same(const glass_tokenizer *a,
                                            const glass_tokenizer *b);

GLASS_END
#endif
