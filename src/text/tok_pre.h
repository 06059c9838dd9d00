/* tok_pre.h - pre-tokenizers of byte-level BPE: cutting text into words.
 *
 * A pre-tokenizer is a list of regular expressions, each applied to the pieces that the one
 * before left; matches and what lies between them become pieces. The common ones have a
 * hand-written scanner (tok_scan.c); PCRE2 runs the rest and checks the scanners in tests.
 * A byte that is not UTF-8 counts as one character of U+FFFD's kind. */
#ifndef TEXT_TOK_PRE_H
#define TEXT_TOK_PRE_H

#include "base/buf.h"

struct tok_pre;

enum tok_scan {
    TOK_SCAN_NONE,   /* PCRE2 */
    TOK_SCAN_GPT2,   /* 's|'t|…| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
    TOK_SCAN_DIGITS, /* each \p{N} alone, then GPT2 */
    TOK_SCAN_LLAMA3, /* (?i:'s|…)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|… */
    TOK_SCAN_QWEN2   /* the same with single \p{N} */
};

/* What a pre-tokenizer's name implies besides its patterns. */
struct tok_pre_name {
    const char *name;
    enum tok_scan scan;
    const char *const *patterns; /* NULL-terminated, also for those with a scanner */
    bool whole_words;            /* words that are tokens are not merged */
    bool add_bos;                /* unless the file says otherwise */
};

/* NULL if there is none of this name. */
const struct tok_pre_name *tok_pre_find(const char *name, size_t n_bytes);
/* All names, for messages: "bloom, command-r, …". */
glass_status tok_pre_names(struct buf *out);

/* The name that stands for these patterns, with words that are tokens merged or not; NULL if
 * none does. */
const char *tok_pre_name_of(const char *const *patterns, int n_patterns, int drop_gaps,
                            bool whole_words);

glass_status tok_pre_create_named(struct tok_pre **out, const struct tok_pre_name *name);
/* From patterns alone; those of a known scanner get it unless `plain`. name is shown. Bit i
 * of drop_gaps: text that pattern i does not match is left out. */
glass_status tok_pre_create(struct tok_pre **out, const char *name,
                            const char *const *patterns, int n_patterns, int drop_gaps,
                            bool plain);
void tok_pre_free(struct tok_pre *pre);
const char *tok_pre_name(const struct tok_pre *pre);
enum tok_scan tok_pre_scan(const struct tok_pre *pre);

/* Words go to emit in order and cover the text. match is the caller's memory for PCRE2, NULL
 * at first, freed with tok_pre_match_free. */
typedef glass_status (*tok_emit)(void *context, const char *word, size_t n_bytes);
glass_status tok_pre_run(const struct tok_pre *pre, void **match, const char *text,
                         size_t n, tok_emit emit, void *context);
void tok_pre_match_free(void *match);

/* Writes the ends (offsets in text, ascending) of up to n_ends words from text[begin..n) and
 * returns how many; 0 only when begin == n. scan is not TOK_SCAN_NONE. */
size_t tok_scan_ends(enum tok_scan scan, size_t *ends, size_t n_ends, const char *text,
                     size_t begin, size_t n);

/* The property White_Space of Unicode. */
bool tok_is_space(uint32_t c);

#endif
