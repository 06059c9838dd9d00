/* tokenizer.h - the tokenizer's insides, shared by the text room's tok_*.c.
 *
 *   tok_open.c tok_folder.c             which kind of file it is; what lies beside it
 *   tok_gguf.c tok_json.c tok_model.c tok_tiktoken.c   files -> struct tok_source
 *   tok_rules.c                         what a tokenizer.json asks to be done to text
 *   tok_to_gguf.h tok_to_json.h         tok_source -> GGUF keys, tokenizer.json
 *   tokenizer.c                         tok_source -> glass_tokenizer; encode
 *   tok_table.c                         pieces by text, merges by pair of ids
 *   tok_special.c                       control and user-defined tokens in a text
 *   tok_normal.c                        what is done to text before it is cut
 *   tok_pre.c tok_scan.c                text -> words (pre-tokenizers of byte-level BPE)
 *   tok_cut.c                           text -> words (SentencePiece: where no merge crosses)
 *   tok_word.c tok_merge.c tok_queue.c  word -> ids, by cache or by merging
 *   tok_stream.c                        ids -> text, piece by piece
 *   tok_infill.c                        prompts for what is missing between two texts
 *
 * A "word" is a stretch of text that merges never leave. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "base/buf.h"
#include "format/gguf.h"
#include "glass/tokenizer.h"
#include "text/tok_queue.h"

/* The largest text that one call encodes and the largest vocabulary. Positions inside a text
 * are 32 bits, and pieces are at most TOK_PIECE_LIMIT bytes. */
enum {
    TOK_MAX_PATTERNS = 8,
    TOK_VOCAB_LIMIT = 1 << 20,
    TOK_MERGE_LIMIT = (1 << 24) - 1,
    TOK_PIECE_LIMIT = 1 << 16,
    TOK_SPARES = 8
};
#define TOK_TEXT_LIMIT ((size_t)UINT32_MAX / 4)

/* Token types with GGUF's numbers (tokenizer.ggml.token_type). */
enum tok_type {
    TOK_UNDEFINED = 0,
    TOK_NORMAL = 1,
    TOK_UNKNOWN = 2,
    TOK_CONTROL = 3,
    TOK_USER = 4, /* user-defined: always recognised in text, before anything else */
    TOK_UNUSED = 5,
    TOK_BYTE = 6
};

/* Tokens for infilling that a file names (tokenizer.ggml.fim_*). */
enum tok_infill {
    TOK_INFILL_PREFIX,
    TOK_INFILL_SUFFIX,
    TOK_INFILL_MIDDLE,
    TOK_INFILL_PAD,
    TOK_INFILL_REPOSITORY,
    TOK_INFILL_FILE,
    TOK_INFILL_KINDS
};

/* No merge; also the priority of pieces that merging may not make. */
#define TOK_NONE UINT32_MAX

struct tok_piece {
    uint32_t at, len; /* in tokenizer->text */
};

/* Open addressing. A slot holds the piece itself if it is short, else its first bytes and a
 * part of its hash, so that a search rarely looks anywhere else. */
struct tok_slot {
    uint64_t head; /* the first 8 bytes, zeros behind a shorter piece */
    uint32_t tag;  /* hash << 8 | length, 255 for longer ones */
    int32_t id;    /* -1 = free */
};
struct tok_table {
    struct tok_slot *slots;
    uint32_t mask;
};

/* Merges: (left id, right id) -> rank, open addressing; results[rank] is the id of both
 * together. A slot is left << 44 | right << 24 | rank, all ones when free. */
struct tok_pairs {
    uint64_t *slots;
    uint32_t mask;
    uint32_t *results; /* (n_merges) */
};

/* Control and user-defined tokens, sorted by their bytes. */
struct tok_special {
    const char *text;
    uint32_t len;
    int32_t id;
    uint8_t flags; /* TOK_STRIP_… */
};
struct tok_specials {
    struct tok_special *items;
    int64_t n;
    bool has_user;        /* some are of type TOK_USER */
    int only_first;       /* all begin with this byte, -1 if they differ */
    uint64_t pairs[1024]; /* bit b0 << 8 | b1: some begin with these two bytes */
    struct buf text;      /* of those whose text was normalised */
};

/* What tokenizer.json says of an added token. */
enum {
    TOK_STRIP_LEFT = 1,  /* white space before it belongs to it */
    TOK_STRIP_RIGHT = 2, /* and behind it */
    TOK_NORMALIZED = 4   /* it is looked for in the text after that was normalised */
};

/* Where a space is put in front of text. */
enum tok_lead {
    TOK_LEAD_NEVER,
    TOK_LEAD_ALWAYS, /* at the start, and after each special token */
    TOK_LEAD_FIRST   /* at the start only */
};

/* What is done to text besides merging. */
struct tok_rules {
    enum tok_lead lead;
    bool lead_once;   /* not before text that begins with a space (bpe: always so) */
    bool early;       /* spm: spaces are U+2581 when normalised tokens are looked for, */
    bool lead_early;  /* and the one in front is there */
    bool nfc;         /* text is brought to NFC first */
    bool squeeze;     /* runs of spaces become one, none at the ends */
    bool split_words; /* spm: merges never lead into a space */
    bool whole_words; /* a word that is a token is that token, whatever the merges */
    bool by_merges; /* spm: merges are a list of pairs; else any pair that makes a piece */
    bool byte_fallback; /* spm: characters without a token become byte tokens */
    bool fuse_unknown; /* a run of bytes or characters without a token is one unknown one */
    bool last_merge;   /* of two merges of one pair the last counts, else the first */
    /* bpe: a byte without a token becomes the unknown token; else it is left out. */
    bool unknown_bytes;
};

/* Which characters stand side by side inside some piece of a SentencePiece vocabulary: a
 * merge cannot cross any other pair. Exact for ASCII, hashed (never wrongly "no") beyond. */
enum { TOK_CUT_BITS = 18 };
struct tok_cut {
    uint64_t ascii[128][2];
    uint64_t hashed[(1u << TOK_CUT_BITS) / 64];
};

struct tok_pre; /* a pre-tokenizer, tok_pre.h */
struct tok_work;

struct glass_tokenizer {
    bool spm; /* SentencePiece-BPE; else byte-level BPE */
    struct tok_rules rules;
    bool add_bos, add_eos;
    int32_t bos, eos, unk;
    int32_t infill[TOK_INFILL_KINDS]; /* id + 1, 0 = the file names none */
    int32_t n_vocab;
    uint32_t longest;         /* bytes of the longest piece */
    const char *text;         /* all pieces; borrowed from gguf or owned_text */
    struct tok_piece *pieces; /* (n_vocab) */
    uint8_t *types;           /* (n_vocab) enum tok_type */
    uint8_t *ends;            /* (n_vocab) 1 = ends an answer */
    uint32_t *priority;       /* spm: (n_vocab) smaller merges first, TOK_NONE never */
    struct tok_table table;
    struct tok_pairs pairs; /* bpe, and spm by merges */
    /* Those looked for in the text as it comes, and those in the normalised text. */
    struct tok_specials specials, normal_specials;
    struct tok_cut *cut;   /* spm */
    struct tok_pre *pre;   /* bpe */
    uint64_t *nfc_stays;   /* a bit for each character below U+10000 */
    int32_t byte_ids[256]; /* -1 = the vocabulary has no token for the byte */
    int32_t space_id;      /* spm by merges: U+2581's, -1 if it has none */
    bool has_bytes;
    struct gguf *gguf; /* owned, or NULL when borrowed */
    struct buf owned_text;
    /* Working memory between calls, so that a text in many calls is as fast as in one. Each
     * is taken by one call at a time; nothing in them changes a result. */
    _Atomic(struct tok_work *) spares[TOK_SPARES];
    _Atomic(struct gram_vocab *)
        grammar_vocab; /* grammar_vocab.c's, NULL until asked for */
};

/* What a file says, before it is checked. Zero-initialise it with TOK_SOURCE_NONE, clear it
 * in the end. All arrays are its own; tok_build takes text's owner, pieces and types. */
struct tok_source {
    const char *name;  /* the file, for messages; borrowed */
    bool only_encodes; /* the caller wants nothing that only a writer needs */
    bool spm;
    const char *text; /* all pieces: text_owner.data, or borrowed from a gguf */
    struct buf text_owner;
    struct tok_piece *pieces;
    int64_t n_vocab;
    uint8_t *types;   /* NULL = all normal */
    bool types_known; /* none is to be guessed from how a piece looks */
    uint8_t *flags;   /* (n_vocab) TOK_STRIP_…, TOK_NORMALIZED; NULL = none */
    float *scores;    /* spm; by_merges needs none, but may have them for a GGUF file */
    /* Merge i is "left right" at merges[i] of merge_text: left has merge_lefts[i] bytes, or
     * without that array all to the first space after the first byte. */
    const char *merge_text;
    struct buf merge_owner;
    struct tok_piece *merges;
    uint32_t *merge_lefts;
    int64_t n_merges;
    /* bpe: a known pre-tokenizer's name, or Split patterns (PCRE2 syntax), in order. */
    char pre[128];
    char *patterns[TOK_MAX_PATTERNS];
    int n_patterns;
    bool has_patterns; /* that there are none is said, too */
    int drop_gaps;     /* bit i: what pattern i does not match is left out */
    struct tok_rules rules;
    int64_t bos, eos, eot, eom, unk, pad; /* -1 = none */
    int add_bos, add_eos;                 /* -1 = the kind's default */
    int64_t infill[TOK_INFILL_KINDS];     /* id + 1, 0 = none */
    struct buf json_rules; /* what tok_rules_read reads, to be kept in a GGUF file */
};
#define TOK_SOURCE_NONE                                                                    \
    {                                                                                      \
        .bos = -1, .eos = -1, .eot = -1, .eom = -1, .unk = -1, .pad = -1, .add_bos = -1,   \
        .add_eos = -1                                                                      \
    }

/* Checks and indexes. On failure *out is NULL. */
glass_status tok_build(glass_tokenizer **out, struct tok_source *source);
void tok_source_clear(struct tok_source *source);

/* Whether BOS is put in front: as the source says, else as its kind or its pre-tokenizer has
 * it; and words that are tokens stay whole, as it or its pre-tokenizer says. */
bool tok_source_adds_bos(const struct tok_source *source);
/* GLASS_BAD_INPUT names the special token whose id the vocabulary does not have. Files may say
 * any id: whoever reads pieces by them without having built the tokenizer asks first. */
glass_status tok_source_check_ids(const struct tok_source *source);
bool tok_source_whole_words(const struct tok_source *source);

/* Readers: what they leave in the source is cleared by the caller, also on failure. name is
 * for messages and must outlive the source. The pieces of a gguf stay where they are: it must
 * stay open as long as the source and what is built of it. */
glass_status tok_read_gguf(struct tok_source *source, const struct gguf *g);
glass_status tok_read_json(struct tok_source *source, const char *json, size_t n_bytes,
                           const char *name);
glass_status tok_read_model(struct tok_source *source, const char *bytes, size_t n_bytes,
                            const char *name);
/* tok_scores.c: takes the scores of the tokenizer.model beside a tokenizer.json, if they mean
 * just its merges; whatever else that file is, it is passed over. */
glass_status tok_read_scores(struct tok_source *source, const char *bytes, size_t n_bytes,
                             const char *name);
/* Whether these are the first bytes of tiktoken's lines; Llama 3's file of them; and what the
 * params.json beside it says of its special tokens. */
bool tok_is_tiktoken(const char *bytes, size_t n_bytes);
glass_status tok_read_tiktoken(struct tok_source *source, const char *bytes, size_t n_bytes,
                               const char *name);
glass_status tok_read_params(struct tok_source *source, const char *json, size_t n_bytes,
                             const char *name);
/* A file of any kind but GGUF, with what lies beside it, or a folder with one. */
glass_status tok_read_path(struct tok_source *source, const char *path);
/* Where nothing said which token ends a text, as a tokenizer.json alone does not, a usual name. */
void tok_find_eos(struct tok_source *source);
/* vocab.json and merges.txt, as they were before tokenizer.json. */
glass_status tok_read_vocab(struct tok_source *source, const char *vocab, size_t n_vocab,
                            const char *merges, size_t n_merges, const char *name);
/* What a tokenizer_config.json, special_tokens_map.json or config.json adds: special tokens
 * that the source has not named yet. */
glass_status tok_read_config(struct tok_source *source, const char *json, size_t n_bytes,
                             const char *name);
/* added_tokens.json: {"text": id, …}, beside a vocabulary that has no tokenizer.json. */
glass_status tok_read_added(struct tok_source *source, const char *json, size_t n_bytes,
                            const char *name);

/* The tokenizer of a GGUF file, which must stay open as long as the tokenizer. */
glass_status tok_create_gguf(glass_tokenizer **out, const struct gguf *g);

/* tok_table.c */
glass_status tok_table_build(glass_tokenizer *t, const char *name);
int32_t tok_table_find(const glass_tokenizer *t, const char *text, size_t n_bytes);
glass_status tok_pairs_build(glass_tokenizer *t, const struct tok_source *source);

static inline uint64_t tok_mix(uint64_t x) {
    x *= 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio */
    return x ^ x >> 32;
}

/* The rank of this merge, TOK_NONE if there is none. */
static inline uint32_t tok_pairs_find(const struct tok_pairs *pairs, int32_t left,
                                      int32_t right) {
    uint64_t key = (uint64_t)(uint32_t)left << 20 | (uint32_t)right;
    for (uint32_t i = (uint32_t)tok_mix(key) & pairs->mask;; i = (i + 1) & pairs->mask) {
        uint64_t slot = pairs->slots[i];
        if (slot >> 24 == key)
            return slot == UINT64_MAX ? TOK_NONE : (uint32_t)slot & 0xffffff;
        if (slot == UINT64_MAX) return TOK_NONE;
    }
}

/* tok_special.c: fills t->specials and t->normal_specials. */
glass_status tok_specials_build(glass_tokenizer *t, const struct tok_source *source);
void tok_specials_clear(struct tok_specials *s);
/* The first token at or after *at of text[0..end): its id, with its place in [*at, *next); -1
 * if there is none. Control tokens count only if `control`, and never across a plain span. */
int32_t tok_specials_next(const glass_tokenizer *t, const struct tok_specials *s,
                          const char *text, size_t *at, size_t end, size_t *next,
                          bool control, const glass_span *plain, int64_t n_plain);

/* tok_normal.c. The table of characters that NFC leaves alone (rules.nfc). */
glass_status tok_normal_build(glass_tokenizer *t);
/* Whether text[0..n), which `first` says is the text's start, must be changed at all. */
bool tok_normal_needed(const glass_tokenizer *t, const char *text, size_t n);
/* Appends the normalised text. plain[0..n_plain) are spans of the text; mapped takes those of
 * the result, which hold at least what comes from the spans. */
glass_status tok_normalize(const glass_tokenizer *t, struct buf *out, const char *text,
                           size_t n, bool first, const glass_span *plain, int64_t n_plain,
                           glass_span *mapped);

/* Ids that are being written. */
struct tok_ids {
    int32_t *data;
    int64_t len, cap;
};
glass_status tok_ids_reserve(struct tok_ids *ids, int64_t n_more);

/* A word and its ids, in one cache line. */
enum { TOK_CACHED_BYTES = 24, TOK_CACHED_IDS = 9, TOK_CACHE_BITS = 16 };
struct tok_entry {
    uint64_t key[TOK_CACHED_BYTES / 8]; /* the word, zeros behind it */
    uint8_t n_bytes, n_ids;
    int32_t ids[TOK_CACHED_IDS];
};

/* What one encode call works with: the word cache and the memory of merging long words. */
struct tok_work {
    const glass_tokenizer *t;
    struct tok_ids *ids;
    struct tok_entry *cache;    /* (1 << TOK_CACHE_BITS), NULL until it pays */
    size_t n_seen;              /* bytes encoded with this memory, by all calls */
    struct tok_symbol *symbols; /* long words */
    size_t n_symbols;
    struct tok_queue queue;
    char *escaped; /* a word as the vocabulary spells it */
    size_t n_escaped;
    void *match;     /* tok_pre's */
    bool lead_space; /* spm: the next word begins with the space that was added */
    bool unknown;    /* spm by merges: the word before ended in an unknown character */
};

/* tok_word.c: appends the ids of the words that end at text + ends[i], the first from
 * text + begin on; 0 < n_ends <= TOK_BLOCK. Reading must stop at text_end. */
enum { TOK_BLOCK = 64 };
glass_status tok_words(struct tok_work *w, const char *text, size_t begin,
                       const size_t *ends, size_t n_ends, const char *text_end);
/* tok_merge.c: one word, by merging. */
glass_status tok_merge_bpe(struct tok_work *w, const char *word, size_t n_bytes);
glass_status tok_merge_spm(struct tok_work *w, const char *word, size_t n_bytes);
/* tok_chars.c: one word of a SentencePiece vocabulary with merges; and the token that a whole
 * text is, -1 if it is none. */
int32_t tok_whole_text(struct tok_work *w, const char *text, size_t n_bytes, bool lead);
glass_status tok_merge_chars(struct tok_work *w, const char *word, size_t n_bytes);
/* Merging of symbols that are ids, for tok_merge.c and tok_chars.c: ids[0..n) of a short word
 * in place, giving how many are left; and w->symbols[0..n) of a long one, appended to w->ids. */
enum { TOK_SHORT_WORD = 40 };
uint32_t tok_merge_ids(const glass_tokenizer *t, int32_t *ids, uint32_t n);
glass_status tok_merge_symbols(struct tok_work *w, uint32_t n);
glass_status tok_symbols_reserve(struct tok_work *w, size_t n);

/* tok_cut.c */
glass_status tok_cut_build(glass_tokenizer *t);
/* As tok_scan_ends: writes the ends of up to n_ends words of text[begin..n). */
size_t tok_cut_ends(const struct tok_cut *cut, size_t *ends, size_t n_ends,
                    const char *text, size_t begin, size_t n);

/* Byte-level BPE spells bytes as printable characters: the byte of a character, -1 if it is
 * none of them; the character of a byte. */
int tok_byte_of(uint32_t c);
uint32_t tok_char_of(uint8_t byte);
/* "<0x41>" -> 0x41, else -1. */
int tok_hex_byte(const char *piece, size_t n_bytes);

#endif
