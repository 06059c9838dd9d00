/* tok_train.h - the parts of training a vocabulary.
 *
 *   tok_train_feed.c   files -> blocks of text, cut where no word is
 *   tok_train_count.c  blocks -> different words and how often each occurs, by many threads
 *   tok_train_merge.c  words -> merges
 *   tok_train_spm.c    what is SentencePiece's: words, characters, output
 *   tok_train.c        options, alphabet, output */
#ifndef TEXT_TOK_TRAIN_H
#define TEXT_TOK_TRAIN_H

#include "base/buf.h"
#include "glass/tokenizer_train.h"
#include "text/tok_pre.h"
#include "text/tokenizer.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- memory: what the growing arrays hold, against a limit. Arrays grow by halves, so what
 * is held depends on what is in them, not on the order in which it came. */
struct train_meter {
    _Atomic(size_t) used;
    size_t limit;
};

/* Makes room for n_need items in *array, which has *room. */
glass_status train_grow(struct train_meter *meter, void *array, size_t *room, size_t n_need,
                        size_t item_bytes);

/* ---- blocks of text */
enum {
    TRAIN_BLOCK_BYTES = 1 << 20,
    TRAIN_GIANT_BYTES = 1 << 24, /* without a place to cut, a block is cut here */
    TRAIN_PADDING = 32           /* bytes that may be read behind a block */
};

struct train_feed {
    const char *const *paths;
    int64_t n_paths, next;
    int fd;            /* of paths[next - 1], or -1 */
    bool lines, begun; /* begun: some of that file was read */
    size_t block_bytes;
    struct buf carry;        /* read, and left for the next block */
    int64_t n_read, n_total; /* n_total: 0 when a file is no regular one */
};

glass_status train_feed_open(struct train_feed *feed, const char *const *paths,
                             int64_t n_paths, bool lines);
void train_feed_close(struct train_feed *feed);
/* The next block: whole lines with feed->lines, else text that cuts into the same words as it
 * does with what lies around it in its file. block->len is 0 at the end. */
glass_status train_feed_next(struct train_feed *feed, struct buf *block);

/* ---- words */
enum { TRAIN_SHARDS = 64 };

struct train_word {
    uint64_t hash;
    int64_t count;
    size_t at; /* in the shard's text */
    uint32_t len;
};

struct train_shard {
    pthread_mutex_t lock;
    struct train_word *words;
    uint32_t *slots; /* open addressing: 1 + index in words, 0 = free */
    char *text;
    size_t n_words, words_room, n_slots, slots_room, n_text, text_room;
};

struct train_words {
    struct train_meter *meter;
    struct train_shard shards[TRAIN_SHARDS];
    int64_t n_bytes, n_words; /* of the texts */
};

glass_status train_words_init(struct train_words *words, struct train_meter *meter);
void train_words_clear(struct train_words *words);
int64_t train_words_different(const struct train_words *words);
/* Counts the words of all texts; without a pre-tokenizer SentencePiece's. Which thread counts what changes nothing but the order of
 * the words in their shard. */
glass_status train_count(struct train_words *words, const struct tok_pre *pre,
                         const char *const *paths, int64_t n_paths,
                         const glass_vocab_options *options);

/* ---- merging. The words lie one behind another in an array of slots. A token takes as many
 * as symbols it was made of: the first holds its id, the last how long it is. */
#define TRAIN_NONE UINT32_MAX

/* Of a token whose text decides between equal counts. */
enum { TRAIN_MOST_CHARS = 64 };

struct train_pair {
    uint64_t key; /* left id << 32 | right id */
    int64_t count;
    size_t at; /* where it stood when it was noted: lists[at..at + n) */
    uint32_t n;
};

/* A pair in the queue, under the count that it had when it came in. */
struct train_queued {
    int64_t count;
    uint64_t key;
    uint32_t pair;
};

/* The highest count first. Only those of the highest magnitude are in the heap. */
enum { TRAIN_LEVELS = 65 };
struct train_queue {
    struct train_queued *items[TRAIN_LEVELS];
    size_t n[TRAIN_LEVELS], room[TRAIN_LEVELS];
    int level; /* items[level] is a heap with all of this magnitude and above */
};

/* What one merge does to the pairs of one neighbour. */
struct train_change {
    int64_t delta;
    uint32_t n, pair; /* places noted; which pair it is */
    bool touched;
};
struct train_note {
    uint32_t side, id, place;
};

struct train_merge {
    uint32_t left, right, id;
};

struct train_merger {
    struct train_meter *meter;
    uint32_t most_span; /* symbols of a token at most */
    bool by_text;       /* of equal counts the shorter token, then the lesser text */
    /* Tokens. */
    uint32_t n_tokens, most_tokens;
    struct buf text;
    struct tok_piece *pieces; /* (most_tokens) */
    uint32_t *spans;          /* (most_tokens) symbols that a token is made of */
    uint32_t *slots, slot_mask;
    /* Words. */
    uint32_t *symbols; /* (n_symbols) */
    uint32_t *word_of; /* (n_symbols) */
    int64_t *counts;   /* of the words */
    size_t n_symbols, symbols_room, word_room, n_words, counts_room;
    /* Pairs. */
    struct train_pair *pairs;
    uint32_t *pair_slots;
    size_t n_pairs, pairs_room, n_pair_slots, pair_slots_room;
    uint32_t *lists;
    size_t n_lists, lists_room;
    struct train_queue queue;
    /* One merge. */
    struct train_change *changes[4]; /* (most_tokens) each */
    uint32_t *touched[4];
    uint32_t n_touched[4];
    struct train_note *notes;
    size_t n_notes, notes_room;
    /* Result. */
    struct train_merge *merges;
    size_t n_merges, merges_room;
};

glass_status train_merger_init(struct train_merger *m, struct train_meter *meter,
                               int64_t most_tokens);
void train_merger_clear(struct train_merger *m);
/* The id of a token by its text; a new one if there is none and room for it is left. */
glass_status train_token(struct train_merger *m, uint32_t *id, const char *text, size_t n,
                         uint32_t span);
/* A word by its symbols. */
glass_status train_add_word(struct train_merger *m, const uint32_t *ids, size_t n,
                            int64_t count);
/* Merges until there are most_tokens, or no pair occurs min_count times. */
glass_status train_run(struct train_merger *m, const glass_vocab_options *options);

/* ---- SentencePiece. Words begin with a space, which stands for U+2581. */
enum {
    TRAIN_SPM_FIRST = 3 + 256
}; /* unknown, BOS, EOS, bytes; special tokens lie between */

/* The words of a line. What is emitted may be read TRAIN_PADDING bytes beyond its end. */
glass_status train_spm_words(struct buf *copy, const char *line, size_t n, tok_emit emit,
                             void *context);
/* Makes the merger with the characters as its first tokens, and all words. */
glass_status train_spm_alphabet(struct train_merger *m, struct train_meter *meter,
                                int64_t *n_chars, const struct train_words *words,
                                const glass_vocab_options *options);
glass_status train_spm_source(struct tok_source *source, const struct train_merger *m,
                              int64_t n_chars, const glass_vocab_options *options);

#endif
