/* tok_scan.c - hand-written scanners for the common pre-tokenizers.
 *
 * Each next_* function returns where the word at text[p] ends, alternative by alternative as
 * the pattern lists them (tok_pre.c has the patterns). None looks back and none looks at a
 * character more than a fixed number of times, so a scan is linear in the text. */
#include "base/utf8.h"
#include "text/tok_pre.h"

#include <utf8proc.h>

/* Kinds of characters. NEWLINE is white space too: \r and \n. */
enum { OTHER = 0, LETTER = 1, NUMBER = 2, SPACE = 4, NEWLINE = 8 };

#define O4 OTHER, OTHER, OTHER, OTHER
#define L4 LETTER, LETTER, LETTER, LETTER
#define N4 NUMBER, NUMBER, NUMBER, NUMBER
// clang-format off
static const uint8_t ascii_kind[128] = {
    O4, O4, OTHER, SPACE, SPACE | NEWLINE, SPACE, SPACE, SPACE | NEWLINE, OTHER, OTHER,
    O4, O4, O4, O4, /* 10 */
    SPACE, OTHER, OTHER, OTHER, O4, O4, O4, /* 20 */
    N4, N4, NUMBER, NUMBER, OTHER, OTHER, O4, /* 30 */
    OTHER, LETTER, LETTER, LETTER, L4, L4, L4, /* 40 */
    L4, L4, LETTER, LETTER, LETTER, OTHER, O4, /* 50 */
    OTHER, LETTER, LETTER, LETTER, L4, L4, L4, /* 60 */
    L4, L4, LETTER, LETTER, LETTER, OTHER, O4, /* 70 */
};
// clang-format on

struct scan {
    const char *text;
    size_t n;
};

static unsigned wide_kind(const char *text, size_t n, size_t *used) {
    uint32_t c;
    *used = utf8_decode(&c, text, n);
    if (c == UTF8_BAD) return OTHER;
    switch (utf8proc_get_property((utf8proc_int32_t)c)->category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return NUMBER;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return SPACE;
    default: return c == 0x85 ? SPACE : OTHER;
    }
}

/* The kind of the character at p < n and its bytes. */
static inline unsigned kind_at(const struct scan *s, size_t p, size_t *used) {
    unsigned char byte = (unsigned char)s->text[p];
    if (byte < 0x80) {
        *used = 1;
        return ascii_kind[byte];
    }
    return wide_kind(s->text + p, s->n - p, used);
}

/* Past the characters from p on that are all letters, all numbers or all other. */
static inline size_t skip_kind(const struct scan *s, size_t p, unsigned kind) {
    while (p < s->n) {
        size_t used;
        if (kind_at(s, p, &used) != kind) break;
        p += used;
    }
    return p;
}

/* Past the white space from p on. *last: where its last character begins; *newline: where
 * its last \r or \n ends (p if there is none). */
static size_t skip_space(const struct scan *s, size_t p, size_t *last, size_t *newline) {
    *last = *newline = p;
    while (p < s->n) {
        size_t used;
        unsigned kind = kind_at(s, p, &used);
        if (!(kind & SPACE)) break;
        *last = p;
        p += used;
        if (kind & NEWLINE) *newline = p;
    }
    return p;
}

/* 's 't 're 've 'm 'll 'd: the bytes of the contraction at text[p] == '\'', 0 for none. */
static size_t contraction(const struct scan *s, size_t p, bool any_case) {
    if (s->n - p < 2) return 0;
    unsigned char lower = any_case ? 0x20 : 0;
    unsigned char a = (unsigned char)s->text[p + 1];
    /* U+017F, the long s, is an s in another case. */
    if (any_case && a == 0xc5 && s->n - p >= 3 && (unsigned char)s->text[p + 2] == 0xbf)
        return 3;
    a |= lower;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if (s->n - p < 3) return 0;
    unsigned char b = (unsigned char)s->text[p + 2] | lower;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3
                                                                                      : 0;
}

/* digits: every number is a word of its own, and the text beside it ends there. */
static inline size_t next_gpt2(const struct scan *s, size_t p, bool digits) {
    if (s->text[p] == '\'') {
        size_t n = contraction(s, p, false);
        if (n > 0) return p + n;
    }
    size_t used, start = p;
    unsigned kind = kind_at(s, p, &used);
    if (s->text[p] == ' ' && p + 1 < s->n) {
        size_t after;
        unsigned next = kind_at(s, p + 1, &after);
        if (!(next & SPACE) && !(digits && next == NUMBER)) {
            kind = next;
            p++;
            used = after;
        }
    }
    if (digits && kind == NUMBER) return p + used;
    if (!(kind & SPACE)) return skip_kind(s, p + used, kind);
    size_t last, newline, end = skip_space(s, p, &last, &newline);
    if (end == s->n || last == start) return end;
    if (digits && kind_at(s, end, &used) == NUMBER) return end;
    return last;
}

/* n_digits: how many numbers make one word. */
static inline size_t next_llama3(const struct scan *s, size_t p, int n_digits) {
    if (s->text[p] == '\'') {
        size_t n = contraction(s, p, true);
        if (n > 0) return p + n;
    }
    size_t used, after;
    unsigned kind = kind_at(s, p, &used);
    if (kind == LETTER) return skip_kind(s, p + used, LETTER);
    if (kind == NUMBER) {
        size_t end = p + used;
        for (int i = 1; i < n_digits && end < s->n; i++) {
            if (kind_at(s, end, &after) != NUMBER) break;
            end += after;
        }
        return end;
    }
    unsigned next = p + used < s->n ? kind_at(s, p + used, &after) : SPACE;
    if (next == LETTER && !(kind & NEWLINE)) return skip_kind(s, p + used + after, LETTER);
    if (kind == OTHER || (s->text[p] == ' ' && next == OTHER)) {
        size_t end = skip_kind(s, p + used, OTHER);
        while (end < s->n && (s->text[end] == '\n' || s->text[end] == '\r')) end++;
        return end;
    }
    size_t last, newline, end = skip_space(s, p, &last, &newline);
    if (newline > p) return newline;
    return end == s->n || last == p ? end : last;
}

size_t tok_scan_ends(enum tok_scan scan, size_t *ends, size_t n_ends, const char *text,
                     size_t begin, size_t n) {
    struct scan s = {text, n};
    size_t p = begin, count = 0;
    switch (scan) {
    case TOK_SCAN_GPT2:
        while (count < n_ends && p < n) ends[count++] = p = next_gpt2(&s, p, false);
        break;
    case TOK_SCAN_DIGITS:
        while (count < n_ends && p < n) ends[count++] = p = next_gpt2(&s, p, true);
        break;
    case TOK_SCAN_LLAMA3:
        while (count < n_ends && p < n) ends[count++] = p = next_llama3(&s, p, 3);
        break;
    case TOK_SCAN_QWEN2:
        while (count < n_ends && p < n) ends[count++] = p = next_llama3(&s, p, 1);
        break;
    case TOK_SCAN_NONE: break;
    }
    return count;
}
