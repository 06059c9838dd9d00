/* tok_special.c - finding control and user-defined tokens in a text.
 *
 * The leftmost match wins, and at one place the longest. The tokens are sorted by their bytes,
 * so reading on from a place narrows a range of them: a trie without nodes. */
#include "base/utf8.h"
#include "text/tok_pre.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

static bool is_special(uint8_t type) {
    return type == TOK_CONTROL || type == TOK_USER || type == TOK_UNKNOWN;
}

static int by_bytes(const void *a, const void *b) {
    const struct tok_special *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
    if (order != 0) return order;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
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

/* Two tokens may be one text once that is normalised: the first counts. */
static void sort_items(const glass_tokenizer *t, struct tok_specials *s) {
    int64_t n = 0;
    if (s->n == 0) return;
    qsort(s->items, (size_t)s->n, sizeof *s->items, by_bytes);
    for (int64_t i = 0; i < s->n; i++) {
        const struct tok_special *before = n > 0 ? &s->items[n - 1] : NULL,
                                 *item = &s->items[i];
        if (before != NULL && before->len == item->len &&
            memcmp(before->text, item->text, item->len) == 0)
            continue;
        if (t->types[item->id] == TOK_USER) s->has_user = true;
        note_start(s, item->text, item->len);
        s->items[n++] = *item;
    }
    s->n = n;
}

static bool belongs(const glass_tokenizer *t, const uint8_t *flags, int32_t id,
                    bool normalized) {
    if (!is_special(t->types[id]) || t->pieces[id].len == 0) return false;
    return (flags != NULL && (flags[id] & TOK_NORMALIZED)) == normalized;
}

static glass_status build_set(const glass_tokenizer *t, struct tok_specials *s,
                              const uint8_t *flags, bool normalized) {
    s->only_first = -2; /* none seen */
    for (int32_t id = 0; id < t->n_vocab; id++) s->n += belongs(t, flags, id, normalized);
    if (s->n == 0) return GLASS_OK;
    TRY(mem_alloc(&s->items, (size_t)s->n, sizeof *s->items));
    int64_t n = 0;
    for (int32_t id = 0; id < t->n_vocab; id++) {
        if (!belongs(t, flags, id, normalized)) continue;
        s->items[n++] = (struct tok_special){t->text + t->pieces[id].at, t->pieces[id].len,
                                             id, flags == NULL ? 0 : flags[id]};
    }
    return GLASS_OK;
}

/* Tokens that are looked for in normalised text are normalised themselves. */
static glass_status normalize_items(const glass_tokenizer *t, struct tok_specials *s) {
    int64_t n_left = 0;
    size_t *starts;
    TRY(mem_alloc(&starts, (size_t)s->n + 1, sizeof *starts));
    glass_status status = buf_reserve(&s->text, 1);
    for (int64_t i = 0; status == GLASS_OK && i < s->n; i++) {
        starts[i] = s->text.len;
        status = tok_normalize(t, &s->text, s->items[i].text, s->items[i].len, true, NULL,
                               0, NULL);
    }
    starts[s->n] = s->text.len;
    for (int64_t i = 0; status == GLASS_OK && i < s->n; i++) {
        size_t len = starts[i + 1] - starts[i];
        if (len == 0) continue;
        s->items[n_left] = s->items[i];
        s->items[n_left].text = s->text.data + starts[i];
        s->items[n_left++].len = (uint32_t)len;
    }
    s->n = n_left;
    mem_free(starts);
    return status;
}

glass_status tok_specials_build(glass_tokenizer *t, const struct tok_source *source) {
    TRY(build_set(t, &t->specials, source->flags, false));
    sort_items(t, &t->specials);
    TRY(build_set(t, &t->normal_specials, source->flags, true));
    if (t->normal_specials.n == 0) return GLASS_OK;
    TRY(normalize_items(t, &t->normal_specials));
    sort_items(t, &t->normal_specials);
    return GLASS_OK;
}

void tok_specials_clear(struct tok_specials *s) {
    mem_free(s->items);
    buf_free(&s->text);
}

/* First of items[low..high), which agree on `depth` bytes and are longer, whose byte there is
 * not less than `byte` (up to 256). */
static int64_t first_not_less(const struct tok_specials *s, int64_t low, int64_t high,
                              size_t depth, unsigned byte) {
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if ((unsigned char)s->items[middle].text[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token at text[0], NULL if there is none; control ones only within the first
 * n_control bytes. */
static const struct tok_special *longest(const glass_tokenizer *t,
                                         const struct tok_specials *s, const char *text,
                                         size_t n, size_t n_control) {
    int64_t low = 0, high = s->n;
    const struct tok_special *found = NULL;
    for (size_t depth = 0; depth < n && low < high; depth++) {
        unsigned char byte = (unsigned char)text[depth];
        low = first_not_less(s, low, high, depth, byte);
        high = first_not_less(s, low, high, depth, byte + 1u);
        if (low == high) break;
        /* The one that ends here sorts first; texts are unique. */
        const struct tok_special *item = &s->items[low];
        if (item->len != depth + 1) continue;
        if (t->types[item->id] == TOK_USER || depth + 1 <= n_control) found = item;
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

/* Where the white space in front of text[at) begins, not before `from`. */
static size_t space_before(const char *text, size_t from, size_t at) {
    while (at > from) {
        size_t p = at - 1;
        while (p > from && at - p < 4 && ((unsigned char)text[p] & 0xc0) == 0x80) p--;
        uint32_t c;
        if (utf8_decode(&c, text + p, at - p) != at - p || !tok_is_space(c)) break;
        at = p;
    }
    return at;
}

static size_t space_behind(const char *text, size_t at, size_t end) {
    while (at < end) {
        uint32_t c;
        size_t used = utf8_decode(&c, text + at, end - at);
        if (!tok_is_space(c)) break;
        at += used;
    }
    return at;
}

int32_t tok_specials_next(const glass_tokenizer *t, const struct tok_specials *s,
                          const char *text, size_t *at, size_t end, size_t *next,
                          bool control, const glass_span *plain, int64_t n_plain) {
    if (s->n == 0 || (!control && !s->has_user)) return -1;
    int64_t span = 0;
    for (size_t i = *at; i < end; i++) {
        i = next_candidate(s, text, i, end);
        if (i >= end) break;
        while (span < n_plain && plain[span].end <= i) span++;
        size_t n_control = control ? end - i : 0;
        if (control && span < n_plain && plain[span].begin < end)
            n_control = plain[span].begin > i ? plain[span].begin - i : 0;
        const struct tok_special *found = longest(t, s, text + i, end - i, n_control);
        if (found == NULL) continue;
        *next = i + found->len;
        if (found->flags & TOK_STRIP_RIGHT) *next = space_behind(text, *next, end);
        *at = found->flags & TOK_STRIP_LEFT ? space_before(text, *at, i) : i;
        return found->id;
    }
    return -1;
}
