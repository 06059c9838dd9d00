/* fuzz_common.h - what the fuzz targets share: a condition that stops the run, reading
 * every byte so that AddressSanitizer sees it, a small vocabulary, and what every tokenizer
 * must keep to whatever the text. */
#ifndef FUZZ_COMMON_H
#define FUZZ_COMMON_H

#include "base/buf.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                    \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: %s (last error: %s)\n", __FILE__, __LINE__,            \
                    #condition, glass_error());                                            \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

static volatile uint64_t fuzz_sink;

static inline void fuzz_read(const void *bytes, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((const uint8_t *)bytes)[i];
    fuzz_sink += sum;
}

static inline bool fuzz_is_utf8(const char *text, size_t n) {
    for (size_t at = 0; at < n;) {
        uint32_t c;
        at += utf8_decode(&c, text + at, n - at);
        if (c == UTF8_BAD) return false;
    }
    return true;
}

/* The bytes as a file that can be opened by name, without touching a disk: the name goes to
 * path (32 bytes), the descriptor is returned for closing. */
static inline int fuzz_file(char *path, const void *bytes, size_t n) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    MUST(fd >= 0);
    for (size_t at = 0; at < n;) {
        ssize_t wrote = write(fd, (const char *)bytes + at, n - at);
        MUST(wrote > 0);
        at += (size_t)wrote;
    }
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

/* Pushing ids one by one gives what decoding them at once gives, and never a part of a
 * character of a valid text. */
static inline void fuzz_check_stream(const glass_tokenizer *t, const int32_t *ids,
                                     int64_t n_ids, const char *text, size_t n,
                                     unsigned flags) {
    glass_token_stream *stream;
    MUST(glass_token_stream_create(&stream, t, flags) == GLASS_OK);
    bool valid = fuzz_is_utf8(text, n);
    size_t at = 0, n_part;
    const char *part;
    for (int64_t i = 0; i <= n_ids; i++) {
        if (i < n_ids)
            MUST(glass_token_stream_push(stream, ids[i], &part, &n_part) == GLASS_OK);
        else
            MUST(glass_token_stream_finish(stream, &part, &n_part) == GLASS_OK);
        MUST(n_part <= n - at && memcmp(part, text + at, n_part) == 0);
        MUST(!valid || fuzz_is_utf8(part, n_part));
        at += n_part;
    }
    MUST(at == n && n_part <= 3);
    glass_token_stream_free(stream);
}

/* Ids are tokens, none is a control token unless asked for (but some files call the unknown
 * token one), and both ways back agree. The decoded text goes to *back (glass_free it). */
static inline void fuzz_check_ids(const glass_tokenizer *t, const int32_t *ids,
                                  int64_t n_ids, unsigned flags, char **back,
                                  size_t *n_back) {
    for (int64_t i = 0; i < n_ids; i++) {
        MUST(ids[i] >= 0 && ids[i] < glass_tokenizer_n_vocab(t));
        MUST(flags != 0 || t->types[ids[i]] != TOK_CONTROL || ids[i] == t->unk);
    }
    MUST(glass_tokenizer_decode(t, back, n_back, ids, n_ids, GLASS_SHOW_SPECIAL) ==
         GLASS_OK);
    fuzz_check_stream(t, ids, n_ids, *back, *n_back, GLASS_SHOW_SPECIAL);
}

/* ---- a small vocabulary */

static const char *const fuzz_words[] = {" the",
                                         " of",
                                         "ing",
                                         "The",
                                         " cat",
                                         "theory",
                                         "    ",
                                         "\n\n",
                                         " \n",
                                         "\t",
                                         "'s",
                                         "'LL",
                                         " 12",
                                         "123",
                                         "2024",
                                         "aaaaaaaa",
                                         "ab",
                                         "abab",
                                         "!!",
                                         "...",
                                         " (",
                                         "\xc3\xa9",
                                         " th\xc3\xa9\xc3\xa2tre",
                                         "\xe4\xbd\xa0\xe5\xa5\xbd",
                                         "\xf0\x9f\xa6\x99",
                                         "\xd0\x9c\xd0\xb8\xd1\x80",
                                         "\xe2\x80\x83",
                                         "\xef\xbf\xbd",
                                         "<|",
                                         "|>",
                                         "==",
                                         "HTTPServer"};
enum { FUZZ_WORDS = sizeof fuzz_words / sizeof *fuzz_words, FUZZ_PIECES = 1024 };
#define FUZZ_USER "[U]"

struct fuzz_vocab {
    struct buf text, merge_text;
    struct tok_piece pieces[FUZZ_PIECES], merges[FUZZ_PIECES];
    uint8_t types[FUZZ_PIECES];
    float scores[FUZZ_PIECES];
    int64_t n, n_merges;
};

static inline int64_t fuzz_find(const struct fuzz_vocab *v, const char *text, size_t n) {
    for (int64_t id = 0; id < v->n; id++)
        if (v->pieces[id].len == n && memcmp(v->text.data + v->pieces[id].at, text, n) == 0)
            return id;
    return -1;
}

static inline void fuzz_add(struct fuzz_vocab *v, const char *text, size_t n,
                            uint8_t type) {
    if (fuzz_find(v, text, n) >= 0) return;
    MUST(v->n < FUZZ_PIECES);
    v->pieces[v->n] = (struct tok_piece){(uint32_t)v->text.len, (uint32_t)n};
    v->types[v->n] = type;
    v->scores[v->n] = -(float)(v->n % 97); /* with ties */
    v->n++;
    MUST(buf_append(&v->text, text, n) == GLASS_OK);
}

/* The symbols of a word as the vocabulary spells them; where each ends goes to ends. */
static inline size_t fuzz_spell(struct buf *out, size_t *ends, const char *word, bool spm) {
    size_t n = 0;
    buf_clear(out);
    for (size_t at = 0; word[at] != '\0'; n++) {
        char spelled[4];
        uint32_t c;
        size_t used = 1, len;
        if (spm)
            used = utf8_decode(&c, word + at, strlen(word + at));
        else
            c = tok_char_of((uint8_t)word[at]);
        len = utf8_encode(spelled, spm && c == ' ' ? 0x2581 : c);
        MUST(buf_append(out, spelled, len) == GLASS_OK);
        ends[n] = out->len;
        at += used;
    }
    return n;
}

static inline void fuzz_add_merge(struct fuzz_vocab *v, const char *text, size_t middle,
                                  size_t n) {
    MUST(v->n_merges < FUZZ_PIECES);
    v->merges[v->n_merges++] =
        (struct tok_piece){(uint32_t)v->merge_text.len, (uint32_t)n + 1};
    MUST(buf_append(&v->merge_text, text, middle) == GLASS_OK);
    MUST(buf_byte(&v->merge_text, ' ') == GLASS_OK);
    MUST(buf_append(&v->merge_text, text + middle, n - middle) == GLASS_OK);
}

/* Every beginning of every word is a piece, made of the one before and a symbol; runs also
 * double. */
static inline void fuzz_add_words(struct fuzz_vocab *v, bool spm) {
    struct buf spelled = {0};
    size_t ends[32];
    for (size_t w = 0; w < FUZZ_WORDS; w++) {
        size_t n = fuzz_spell(&spelled, ends, fuzz_words[w], spm);
        for (size_t i = 0; i < n; i++) {
            size_t from = i > 0 ? ends[i - 1] : 0;
            fuzz_add(v, spelled.data + from, ends[i] - from, TOK_NORMAL);
        }
        for (size_t i = 1; i < n; i++) {
            fuzz_add(v, spelled.data, ends[i], TOK_NORMAL);
            bool doubles =
                (i + 1) % 2 == 0 &&
                memcmp(spelled.data, spelled.data + ends[i / 2], ends[i / 2]) == 0;
            if (doubles && i > 1) fuzz_add_merge(v, spelled.data, ends[i / 2], ends[i]);
            fuzz_add_merge(v, spelled.data, ends[i - 1], ends[i]);
        }
    }
    buf_free(&spelled);
}

/* pre NULL: a SentencePiece vocabulary. Stays for the life of the process. */
static inline glass_tokenizer *fuzz_tokenizer(const char *pre, bool add_space) {
    struct fuzz_vocab *v = calloc(1, sizeof *v);
    MUST(v != NULL);
    bool spm = pre == NULL;
    if (spm) {
        fuzz_add(v, "<unk>", 5, TOK_UNKNOWN);
        fuzz_add(v, "<s>", 3, TOK_CONTROL);
        fuzz_add(v, "</s>", 4, TOK_CONTROL);
    }
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        size_t n = spm ? (size_t)snprintf(text, sizeof text, "<0x%02X>", byte)
                       : utf8_encode(text, tok_char_of((uint8_t)byte));
        fuzz_add(v, text, n, spm ? TOK_BYTE : TOK_NORMAL);
    }
    fuzz_add_words(v, spm);
    fuzz_add(v, "<|a|>", 5, TOK_CONTROL);
    fuzz_add(v, "<|a|b|>", 7, TOK_CONTROL);
    fuzz_add(v, FUZZ_USER, strlen(FUZZ_USER), TOK_USER);
    struct tok_source s = TOK_SOURCE_NONE;
    s.name = "fuzz";
    s.spm = spm;
    s.text_owner = v->text;
    s.text = v->text.data;
    s.n_vocab = v->n;
    s.merge_owner = v->merge_text;
    s.merge_text = v->merge_text.data;
    s.n_merges = v->n_merges;
    if (spm) {
        s.bos = 1;
        s.eos = 2;
        s.unk = 0;
        s.rules.byte_fallback = true;
        s.rules.lead = add_space ? TOK_LEAD_ALWAYS : TOK_LEAD_NEVER;
    } else {
        snprintf(s.pre, sizeof s.pre, "%s", pre);
    }
    MUST(mem_alloc(&s.pieces, (size_t)v->n, sizeof *s.pieces) == GLASS_OK);
    MUST(mem_alloc(&s.types, (size_t)v->n, 1) == GLASS_OK);
    MUST(mem_alloc(&s.scores, (size_t)v->n, sizeof *s.scores) == GLASS_OK);
    MUST(mem_alloc(&s.merges, (size_t)v->n_merges, sizeof *s.merges) == GLASS_OK);
    memcpy(s.pieces, v->pieces, (size_t)v->n * sizeof *s.pieces);
    memcpy(s.types, v->types, (size_t)v->n);
    memcpy(s.scores, v->scores, (size_t)v->n * sizeof *s.scores);
    memcpy(s.merges, v->merges, (size_t)v->n_merges * sizeof *s.merges);
    glass_tokenizer *t;
    MUST(tok_build(&t, &s) == GLASS_OK);
    tok_source_clear(&s);
    free(v);
    return t;
}

#endif
