/* vocab_maker.h - small GGUF vocabularies for tests, and the plain definition of merging.
 *
 * A vocabulary is trained on a few lines below, so that it has what real ones have: merges
 * that build on merges, words that are tokens, spaces inside pieces. The definitions here are
 * slow and obvious on purpose: whole text, every pair, every time. */
#ifndef TESTS_VOCAB_MAKER_H
#define TESTS_VOCAB_MAKER_H

#include "base/buf.h"
#include "base/utf8.h"
#include "format/gguf.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail

enum { MAKER_TOKENS = 1024 };

struct maker {
    bool spm;
    const char *model, *pre; /* NULL: the key is left out */
    char *tokens[MAKER_TOKENS];
    int32_t types[MAKER_TOKENS];
    float scores[MAKER_TOKENS];
    int64_t n_tokens;
    char *merges[MAKER_TOKENS];
    int64_t n_merges;
    int64_t bos, eos, unk;  /* -1: the key is left out */
    int add_bos, add_space; /* -1: left out */
    const char *id_keys[8]; /* more keys of ids, up to the first NULL */
    int64_t more_ids[8];
    int64_t n_types, n_scores; /* to write; normally n_tokens */
    bool merges_left_out;
};

static const char maker_lines[] =
    "The cat sat on the mat. The dog, who had seen the cat, sat on the cat's mat. "
    "It's 1234 o'clock; they've said it isn't 12. \"There are theories,\" they said, "
    "\"about the theatre.\" other others another mother  mothers   "
    "brothers\n\n\tindented\n";

static inline void ok(glass_status status) {
    if (status != GLASS_OK) print_error("%s\n", glass_error());
    assert_int_equal(status, GLASS_OK);
}

static inline int64_t maker_add(struct maker *m, const char *text, size_t n, int type) {
    assert_true(m->n_tokens < MAKER_TOKENS);
    ok(mem_copy_text(&m->tokens[m->n_tokens], text, n));
    m->types[m->n_tokens] = type;
    m->scores[m->n_tokens] = 0;
    m->n_types = m->n_scores = m->n_tokens + 1;
    return m->n_tokens++;
}

static inline int64_t maker_add_text(struct maker *m, const char *text, int type) {
    return maker_add(m, text, strlen(text), type);
}

static inline int64_t maker_find(const struct maker *m, const char *text, size_t n) {
    for (int64_t id = 0; id < m->n_tokens; id++)
        if (strlen(m->tokens[id]) == n && memcmp(m->tokens[id], text, n) == 0) return id;
    return -1;
}

/* A text as the list of its symbols: the pieces that merging starts from. */
struct symbols {
    char **text;
    size_t n;
};

static inline struct symbols symbols_of(const struct maker *m, const char *text, size_t n) {
    struct symbols s = {calloc(n + 1, sizeof(char *)), 0};
    assert_non_null(s.text);
    for (size_t at = 0; at < n;) {
        char spelled[5] = {0};
        uint32_t c;
        size_t used = 1;
        if (m->spm) {
            used = utf8_decode(&c, text + at, n - at);
            memcpy(spelled, text + at, used);
            if (text[at] == ' ') memcpy(spelled, "\xe2\x96\x81", 3);
        } else {
            utf8_encode(spelled, tok_char_of((uint8_t)text[at]));
        }
        ok(mem_copy_text(&s.text[s.n++], spelled, strlen(spelled)));
        at += used;
    }
    return s;
}

static inline void symbols_join(struct symbols *s, size_t i) {
    struct buf both = {0};
    ok(buf_printf(&both, "%s%s", s->text[i], s->text[i + 1]));
    mem_free(s->text[i]);
    mem_free(s->text[i + 1]);
    s->text[i] = both.data;
    memmove(s->text + i + 1, s->text + i + 2, (s->n - i - 2) * sizeof *s->text);
    s->n--;
}

static inline void symbols_free(struct symbols *s) {
    for (size_t i = 0; i < s->n; i++) mem_free(s->text[i]);
    free(s->text);
}

/* How early these two merge; smaller is earlier, INFINITY never. */
static inline double merge_order(const struct maker *m, const char *left,
                                 const char *right) {
    char both[512];
    if (m->spm) {
        int n = snprintf(both, sizeof both, "%s%s", left, right);
        int64_t id = maker_find(m, both, (size_t)n);
        bool merges = id >= 0 && (m->types[id] == TOK_NORMAL || m->types[id] == TOK_USER);
        return merges ? -(double)m->scores[id] : (double)1e30f * 1e30;
    }
    snprintf(both, sizeof both, "%s %s", left, right);
    for (int64_t i = 0; i < m->n_merges; i++)
        if (strcmp(m->merges[i], both) == 0) return (double)i;
    return (double)1e30f * 1e30;
}

/* The definition: merge the best pair, the leftmost of equals, until there is none. */
static inline void define_merging(const struct maker *m, struct symbols *s) {
    for (;;) {
        double best = (double)1e30f * 1e30;
        size_t at = 0;
        for (size_t i = 0; i + 1 < s->n; i++) {
            double order = merge_order(m, s->text[i], s->text[i + 1]);
            if (order < best) {
                best = order;
                at = i;
            }
        }
        if (best >= (double)1e30f * 1e30) return;
        symbols_join(s, at);
    }
}

/* Appends the ids of one word (byte-level) or of a whole text (SentencePiece, its added space
 * included). */
static inline int64_t define_ids(const struct maker *m, int32_t *ids, const char *text,
                                 size_t n) {
    struct symbols s = symbols_of(m, text, n);
    define_merging(m, &s);
    int64_t count = 0;
    for (size_t i = 0; i < s.n; i++) {
        int64_t id = maker_find(m, s.text[i], strlen(s.text[i]));
        if (id >= 0 && (m->types[id] == TOK_NORMAL || m->types[id] == TOK_USER)) {
            ids[count++] = (int32_t)id;
            continue;
        }
        for (size_t k = 0; m->spm && k < strlen(s.text[i]); k++) {
            char name[8];
            snprintf(name, sizeof name, "<0x%02X>", (unsigned char)s.text[i][k]);
            ids[count++] = (int32_t)maker_find(m, name, 6);
        }
    }
    symbols_free(&s);
    return count;
}

/* Makes merges (byte-level) or pieces (SentencePiece) of the most frequent pairs. */
static inline void maker_train(struct maker *m, int n_more) {
    struct symbols s = symbols_of(m, maker_lines, sizeof maker_lines - 1);
    for (int round = 0; round < n_more; round++) {
        size_t best = 0, where = 0;
        for (size_t i = 0; i + 1 < s.n; i++) {
            /* No piece has a space after anything else, and nothing crosses a line. */
            const char *right = s.text[i + 1];
            bool space = m->spm ? (unsigned char)right[0] == 0xe2 : right[0] == '\xc4';
            if ((space && s.text[i][0] != right[0]) || strchr(s.text[i], '\n')) continue;
            size_t count = 0;
            for (size_t k = i; k + 1 < s.n; k++)
                count +=
                    strcmp(s.text[i], s.text[k]) == 0 && strcmp(right, s.text[k + 1]) == 0;
            if (count > best) {
                best = count;
                where = i;
            }
        }
        if (best < 1) break;
        char *left = NULL, *right = NULL;
        ok(mem_copy_text(&left, s.text[where], strlen(s.text[where])));
        ok(mem_copy_text(&right, s.text[where + 1], strlen(s.text[where + 1])));
        struct buf text = {0};
        if (!m->spm) {
            ok(buf_printf(&text, "%s %s", left, right));
            m->merges[m->n_merges++] = text.data;
            text = (struct buf){0};
        }
        ok(buf_printf(&text, "%s%s", left, right));
        if (maker_find(m, text.data, text.len) < 0) {
            int64_t id = maker_add(m, text.data, text.len, TOK_NORMAL);
            m->scores[id] = -(float)(round / 2); /* ties are part of the test */
        }
        buf_free(&text);
        for (size_t i = 0; i + 1 < s.n; i++)
            if (strcmp(s.text[i], left) == 0 && strcmp(s.text[i + 1], right) == 0)
                symbols_join(&s, i);
        mem_free(left);
        mem_free(right);
    }
    symbols_free(&s);
}

static inline void maker_bpe(struct maker *m, const char *pre) {
    *m = (struct maker){.model = "gpt2",
                        .pre = pre,
                        .bos = -1,
                        .eos = -1,
                        .unk = -1,
                        .add_bos = -1,
                        .add_space = -1};
    for (int byte = 0; byte < 256; byte++) {
        char text[4];
        maker_add(m, text, utf8_encode(text, tok_char_of((uint8_t)byte)), TOK_NORMAL);
    }
    maker_train(m, 160);
}

static inline void maker_spm(struct maker *m) {
    *m = (struct maker){.spm = true,
                        .model = "llama",
                        .bos = 1,
                        .eos = 2,
                        .unk = 0,
                        .add_bos = -1,
                        .add_space = -1};
    maker_add_text(m, "<unk>", TOK_UNKNOWN);
    maker_add_text(m, "<s>", TOK_CONTROL);
    maker_add_text(m, "</s>", TOK_CONTROL);
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", byte);
        maker_add_text(m, name, TOK_BYTE);
    }
    maker_train(m, 160);
    // clang-format off
    static const char *const single[] = {"\xe2\x96\x81", "e", "t", "a", "h", "o", "n", "i", "s",
                                         "r", "d", "c", "m", ".", ",", "'", "1", "2",
                                         "\xc3\xa9", "\xe4\xbd\xa0"};
    // clang-format on
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        m->scores[maker_add_text(m, single[i], TOK_NORMAL)] = -1000.0f - (float)i;
}

/* Whatever a test made of the counts. */
static inline void maker_free(struct maker *m) {
    for (int64_t i = 0; i < MAKER_TOKENS; i++) {
        mem_free(m->tokens[i]);
        mem_free(m->merges[i]);
    }
}

static inline void put_u32(struct buf *b, uint32_t value) {
    ok(buf_append(b, &value, sizeof value)); /* tests run on little-endian machines */
}

static inline void put_u64(struct buf *b, uint64_t value) {
    ok(buf_append(b, &value, sizeof value));
}

static inline void put_string(struct buf *b, const char *text) {
    put_u64(b, strlen(text));
    ok(buf_text(b, text));
}

static inline void put_key(struct buf *b, uint64_t *n, const char *key,
                           enum gguf_type type) {
    put_string(b, key);
    put_u32(b, type);
    ++*n;
}

static inline void put_array(struct buf *b, uint64_t *n, const char *key,
                             enum gguf_type type, int64_t n_items) {
    put_key(b, n, key, GGUF_ARRAY);
    put_u32(b, type);
    put_u64(b, (uint64_t)n_items);
}

static inline void put_id(struct buf *b, uint64_t *n, const char *key, int64_t id) {
    if (id == -1) return;
    put_key(b, n, key, GGUF_U32);
    put_u32(b, (uint32_t)id);
}

static inline void put_flag(struct buf *b, uint64_t *n, const char *key, int flag) {
    if (flag < 0) return;
    put_key(b, n, key, GGUF_BOOL);
    ok(buf_byte(b, (char)flag));
}

static inline void put_text(struct buf *b, uint64_t *n, const char *key, const char *text) {
    if (text == NULL) return;
    put_key(b, n, key, GGUF_STRING);
    put_string(b, text);
}

/* The vocabulary as the bytes of a GGUF file without tensors. */
static inline void maker_bytes(const struct maker *m, struct buf *out) {
    struct buf b = {0};
    uint64_t n = 0;
    put_text(&b, &n, "general.architecture", "llama");
    put_text(&b, &n, "tokenizer.ggml.model", m->model);
    put_text(&b, &n, "tokenizer.ggml.pre", m->pre);
    put_array(&b, &n, "tokenizer.ggml.tokens", GGUF_STRING, m->n_tokens);
    for (int64_t id = 0; id < m->n_tokens; id++) put_string(&b, m->tokens[id]);
    if (m->n_types > 0)
        put_array(&b, &n, "tokenizer.ggml.token_type", GGUF_I32, m->n_types);
    for (int64_t id = 0; id < m->n_types; id++) put_u32(&b, (uint32_t)m->types[id]);
    if (m->spm && m->n_scores > 0) {
        put_array(&b, &n, "tokenizer.ggml.scores", GGUF_F32, m->n_scores);
        ok(buf_append(&b, m->scores, (size_t)m->n_scores * sizeof *m->scores));
    }
    if (!m->spm && !m->merges_left_out) {
        put_array(&b, &n, "tokenizer.ggml.merges", GGUF_STRING, m->n_merges);
        for (int64_t i = 0; i < m->n_merges; i++) put_string(&b, m->merges[i]);
    }
    put_id(&b, &n, "tokenizer.ggml.bos_token_id", m->bos);
    put_id(&b, &n, "tokenizer.ggml.eos_token_id", m->eos);
    put_id(&b, &n, "tokenizer.ggml.unknown_token_id", m->unk);
    for (int i = 0; i < 8 && m->id_keys[i] != NULL; i++)
        put_id(&b, &n, m->id_keys[i], m->more_ids[i]);
    put_flag(&b, &n, "tokenizer.ggml.add_bos_token", m->add_bos);
    put_flag(&b, &n, "tokenizer.ggml.add_space_prefix", m->add_space);
    ok(buf_text(out, "GGUF"));
    put_u32(out, 3);
    put_u64(out, 0);
    put_u64(out, n);
    ok(buf_append(out, b.data, b.len));
    while (out->len % 32 != 0) ok(buf_byte(out, 0));
    buf_free(&b);
}

/* Writes bytes to a new file under the system's temporary folder; path has 64 bytes. */
static inline void write_temporary(char *path, const void *bytes, size_t n_bytes) {
    snprintf(path, 64, "/tmp/glass-vocab-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n_bytes), n_bytes);
    close(fd);
}

/* Opens the vocabulary through a file, as programs do. *out is NULL if it was refused. */
static inline glass_status maker_open(const struct maker *m, glass_tokenizer **out) {
    struct buf bytes = {0};
    char path[64];
    maker_bytes(m, &bytes);
    write_temporary(path, bytes.data, bytes.len);
    glass_status status = glass_tokenizer_open(out, path);
    unlink(path);
    buf_free(&bytes);
    return status;
}

/* Texts for tests: words of the training lines, random characters, bytes that are not UTF-8,
 * long runs. state is the generator's. */
static inline uint64_t random_next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static inline size_t random_text(uint64_t *state, char *out, size_t room) {
    static const char *const parts[] = {
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "'s",
        "'LL",
        "'re",
        "'",
        " '",
        "the",
        " the",
        "The cat",
        "theories",
        "mother",
        "1",
        "12",
        "12345",
        " 7",
        "\xc2\xbd",
        "\xd9\xa1",
        ".",
        ",",
        "...",
        "!?",
        "(",
        "\"",
        "_",
        "\xc3\xa9",
        "e\xcc\x81",
        "\xc3\x89t\xc3\xa9",
        "\xe4\xbd\xa0",
        "\xe5\xa5\xbd",
        "\xf0\x9f\xa6\x99",
        "\xe2\x80\x83",
        "\xc2\xa0",
        "\xc2\x85",
        "\xe2\x80\xa8",
        "\xe1\xa0\x8e",
        "'\xc5\xbf",
        "\xc5\xbf",
        "\xff",
        "\xc3",
        "\xe2\x82",
        "\xf0\x9f",
        "\x80",
        "\xed\xa0\x80",
        "<s>",
        "<unk>",
        "<0x41>",
        "\x01",
        "\x7f",
        "                ",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "thethethethethethethethethethethethethethe",
        "\xef\xbf\xbd"};
    enum { N_PARTS = sizeof parts / sizeof *parts };
    size_t n = 0, want = random_next(state) % room;
    uint64_t spread = 1 + random_next(state) % N_PARTS, base = random_next(state);
    while (n < want) {
        const char *part = parts[(base + random_next(state) % spread) % N_PARTS];
        uint64_t repeat = random_next(state) % 8 == 0 ? 1 + random_next(state) % 12 : 1;
        while (repeat-- > 0 && n + strlen(part) <= room) {
            memcpy(out + n, part, strlen(part));
            n += strlen(part);
        }
        if (n + 60 > room) break;
    }
    return n;
}

#endif
