/* tok_special.c - finding control and user-defined tokens in a text.
 *
 * The leftmost match wins, and at one place the longest. The tokens are sorted by their bytes,
 * so reading on from a place narrows a range of them: a trie without nodes. */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

static bool is_special(uint8_t type) {
    return type == TOK_CONTROL || type == TOK_USER || type == TOK_UNKNOWN;
}

static unsigned char byte_at(const glass_tokenizer *t, int32_t id, size_t i) {
    return (unsigned char)t->text[t->pieces[id].at + i];
}

/* qsort has no context argument in C17, so the sort is over copies of the pieces. */
struct sorted {
    const char *text;
    uint32_t len;
    int32_t id;
};

static int by_bytes(const void *a, const void *b) {
    const struct sorted *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
    if (order != 0) return order;
    return x->len < y->len ? -1 : x->len > y->len;
}

static void note_start(struct tok_specials *s, const char *text, uint32_t len) {
    unsigned first = (unsigned char)text[0];
    if (s->only_first == -2) s->only_first = (int)first;
    if (s->only_first != (int)first) s->only_first = -1;
    if (len > 1) {
        unsigned bit = first << 8 | (unsigned char)text[1];
        s->pairs[bit >> 6] |= (uint64_t)1 << (bit & 63);
    } else {
        for (unsigned word = 0; word < 4; word++) s->pairs[first * 4 + word] = UINT64_MAX;
    }
}

glass_status tok_specials_build(glass_tokenizer *t) {
    struct tok_specials *s = &t->specials;
    s->only_first = -2; /* none seen */
    for (int32_t id = 0; id < t->n_vocab; id++)
        if (is_special(t->types[id]) && t->pieces[id].len > 0) s->n++;
    if (s->n == 0) return GLASS_OK;
    struct sorted *order;
    TRY(mem_alloc(&s->ids, (size_t)s->n, sizeof *s->ids));
    TRY(mem_alloc(&order, (size_t)s->n, sizeof *order));
    int64_t n = 0;
    for (int32_t id = 0; id < t->n_vocab; id++) {
        if (!is_special(t->types[id]) || t->pieces[id].len == 0) continue;
        order[n++] = (struct sorted){t->text + t->pieces[id].at, t->pieces[id].len, id};
        if (t->types[id] == TOK_USER) s->has_user = true;
        note_start(s, order[n - 1].text, order[n - 1].len);
    }
    qsort(order, (size_t)n, sizeof *order, by_bytes);
    for (int64_t i = 0; i < n; i++) s->ids[i] = order[i].id;
    mem_free(order);
    return GLASS_OK;
}

/* First of ids[low..high), which agree on `depth` bytes and are longer, whose byte there is
 * not less than `byte` (up to 256). */
static int64_t first_not_less(const glass_tokenizer *t, int64_t low, int64_t high,
                              size_t depth, unsigned byte) {
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (byte_at(t, t->specials.ids[middle], depth) < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token at text[0]; control ones only within the first n_control bytes. */
static int32_t longest(const glass_tokenizer *t, const char *text, size_t n,
                       size_t n_control) {
    const struct tok_specials *s = &t->specials;
    int64_t low = 0, high = s->n;
    int32_t found = -1;
    for (size_t depth = 0; depth < n && low < high; depth++) {
        unsigned char byte = (unsigned char)text[depth];
        low = first_not_less(t, low, high, depth, byte);
        high = first_not_less(t, low, high, depth, byte + 1u);
        if (low == high) break;
        /* The one that ends here sorts first; pieces are unique. */
        int32_t id = s->ids[low];
        if (t->pieces[id].len != depth + 1) continue;
        if (t->types[id] == TOK_USER || depth + 1 <= n_control) found = id;
        low++;
    }
    return found;
}

static size_t next_candidate(const struct tok_specials *s, const char *text, size_t at,
                             size_t end) {
    if (s->only_first >= 0) {
        const char *p = memchr(text + at, s->only_first, end - at);
        return p == NULL ? end : (size_t)(p - text);
    }
    for (; at + 1 < end; at++) {
        unsigned bit = (unsigned char)text[at] << 8 | (unsigned char)text[at + 1];
        if (s->pairs[bit >> 6] >> (bit & 63) & 1) return at;
    }
    return at; /* the last byte has no second one to look at */
}

int32_t tok_specials_next(const glass_tokenizer *t, const char *text, size_t *at,
                          size_t end, size_t *next, bool control, const glass_span *plain,
                          int64_t n_plain) {
    const struct tok_specials *s = &t->specials;
    if (s->n == 0 || (!control && !s->has_user)) return -1;
    int64_t span = 0;
    for (size_t i = *at; i < end; i++) {
        i = next_candidate(s, text, i, end);
        if (i >= end) break;
        while (span < n_plain && plain[span].end <= i) span++;
        size_t n_control = control ? end - i : 0;
        if (control && span < n_plain && plain[span].begin < end)
            n_control = plain[span].begin > i ? plain[span].begin - i : 0;
        int32_t id = longest(t, text + i, end - i, n_control);
        if (id < 0) continue;
        *at = i;
        *next = i + t->pieces[id].len;
        return id;
    }
    return -1;
}
