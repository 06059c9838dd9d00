/* tok_cut.c - cutting text for a SentencePiece vocabulary where no merge can cross.
 *
 * SentencePiece merges over the whole text. But a merge makes a piece of the vocabulary, and a
 * piece that spans two neighbouring characters holds them side by side. So between two
 * characters that no piece has side by side nothing ever merges, and the text on both sides can
 * be merged apart with the same result. For English that is every word: no piece has a letter
 * before a space. Spaces and U+2581 are one character here, as they are to the vocabulary; in
 * vocabularies that split words nothing is joined in front of one. */
#include "base/utf8.h"
#include "text/tokenizer.h"

enum { SPACE_MARK = 0x2581, BAD_BYTES = 0x110000 };

static uint32_t hashed_bit(uint32_t a, uint32_t b) {
    uint64_t h = tok_mix((uint64_t)a << 32 | b);
    return (uint32_t)(h >> 8) & ((1u << TOK_CUT_BITS) - 1);
}

/* Bytes that are not UTF-8 are characters of their own, beyond the real ones. */
static uint32_t next_character(const char *text, size_t n, size_t *used) {
    unsigned char byte = (unsigned char)text[0];
    *used = 1;
    if (byte < 0x80) return byte;
    uint32_t c;
    *used = utf8_decode(&c, text, n);
    if (c == SPACE_MARK) return ' ';
    return c == UTF8_BAD ? (uint32_t)BAD_BYTES + byte : c;
}

static inline bool together(const struct tok_cut *cut, uint32_t a, uint32_t b) {
    if ((a | b) < 128) return cut->ascii[a][b >> 6] >> (b & 63) & 1;
    uint32_t bit = hashed_bit(a, b);
    return cut->hashed[bit >> 6] >> (bit & 63) & 1;
}

static void note_piece(const glass_tokenizer *t, int32_t id) {
    const char *text = t->text + t->pieces[id].at;
    size_t n = t->pieces[id].len, used;
    if (n == 0) return;
    uint32_t before = next_character(text, n, &used);
    for (size_t at = used; at < n; at += used) {
        uint32_t c = next_character(text + at, n - at, &used);
        if (c == ' ' && t->rules.split_words) {
            before = c;
            continue;
        }
        if ((before | c) < 128) {
            t->cut->ascii[before][c >> 6] |= (uint64_t)1 << (c & 63);
        } else {
            uint32_t bit = hashed_bit(before, c);
            t->cut->hashed[bit >> 6] |= (uint64_t)1 << (bit & 63);
        }
        before = c;
    }
}

glass_status tok_cut_build(glass_tokenizer *t) {
    TRY(mem_alloc_zero(&t->cut, 1, sizeof *t->cut));
    for (int32_t id = 0; id < t->n_vocab; id++)
        if (t->rules.by_merges || t->priority[id] != TOK_NONE) note_piece(t, id);
    return GLASS_OK;
}

size_t tok_cut_ends(const struct tok_cut *cut, size_t *ends, size_t n_ends,
                    const char *text, size_t begin, size_t n) {
    size_t count = 0, used;
    if (begin == n) return 0;
    uint32_t before = next_character(text + begin, n - begin, &used);
    for (size_t at = begin + used; at < n; at += used) {
        uint32_t c = next_character(text + at, n - at, &used);
        if (!together(cut, before, c)) {
            ends[count++] = at;
            if (count == n_ends) return count;
        }
        before = c;
    }
    ends[count++] = n;
    return count;
}
