/* tokenizer_train.h - a vocabulary from text.
 *
 * Texts are cut into words as encoding cuts them; different words are counted, and the pair of
 * neighbouring tokens that occurs most often becomes a token, until there are enough. The
 * result depends on the texts and the options alone, never on the number of threads. */
#ifndef GLASS_TOKENIZER_TRAIN_H
#define GLASS_TOKENIZER_TRAIN_H

#include "glass/status.h"
GLASS_BEGIN

/* How far training is. */
typedef struct glass_vocab_progress {
    bool merging;        /* else texts are being read */
    int64_t done, total; /* bytes read, or tokens made; total is 0 where it is not known */
} glass_vocab_progress;

/* Zero means the default. */
typedef struct glass_vocab_options {
    const char
        *kind; /* "bytes" (byte-level BPE, the default) or "spm" (SentencePiece-style) */
    int64_t n_vocab; /* tokens of the result, special ones included (32000) */
    const char *pre; /* a pre-tokenizer's name, as tokenizer.ggml.pre has it ("gpt-2") */
    const char *const *special; /* (n_special) control tokens, which get the first ids */
    int64_t n_special;
    int64_t min_count; /* a pair that occurs less often makes no token (2) */
    float coverage;    /* spm: the share of the text whose characters are tokens (0.9995) */
    int64_t max_piece; /* spm: characters of a token, at most 64 (16) */
    bool split_digits; /* spm: each of 0 to 9 is a token of its own */
    bool lines;        /* every line is a text of its own; else every file */
    int32_t n_threads; /* one per core of this process's affinity */
    size_t memory_bytes; /* the most that counting and merging may hold (4 GiB) */
    /* Called now and then, by one thread at a time. Returning false ends training with
     * GLASS_CANCELLED. */
    bool (*progress)(void *context, const glass_vocab_progress *progress);
    void *context;
} glass_vocab_options;

/* What came out. */
typedef struct glass_vocab_report {
    int64_t n_vocab; /* fewer than asked for where the texts have no more pairs */
    int64_t n_merges;
    int64_t n_bytes;     /* of the texts */
    int64_t n_words;     /* of the texts, as the pre-tokenizer cuts them */
    int64_t n_different; /* different ones among them */
} glass_vocab_report;

/* Trains byte-level BPE on files, each read once, in order, and gives the text of a
 * tokenizer.json (glass_free). Any bytes are text. report may be NULL.
 *
 * Merges are those of the tokenizers library's trainer: the highest count first, of equal ones
 * the lesser left id, then the lesser right id. Control tokens have the first ids, then come
 * the 256 bytes, in the order of the characters that spell them, then what merges make.
 *
 * The other kind, "spm", has characters: <unk>, <s>, </s>, control tokens, 256 tokens for bytes
 * of other characters, what merges make, and the characters. Every line is a text, a space is
 * U+2581 and begins a word, one stands before every line, and no token has one elsewhere. Of
 * equal counts the shorter token comes first, then the lesser text, as in SentencePiece, from
 * which it differs in that it never looks at scripts: Latin and Greek may share a token.
 *
 * GLASS_USAGE: an option is impossible; GLASS_BAD_INPUT: the texts are empty, or their
 * different words need more memory than memory_bytes; GLASS_SYSTEM: a file cannot be read. */
GLASS_API glass_status glass_tokenizer_train(char **json, size_t *n_bytes,
                                             glass_vocab_report *report,
                                             const char *const *paths, int64_t n_paths,
                                             const glass_vocab_options *options);

GLASS_END
#endif
