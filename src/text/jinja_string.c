/* jinja_string.c - immutable strings that know which of their bytes came from variables. */
#include "text/jinja_value.h"

#include "base/utf8.h"

#include <string.h>

static size_t count_chars(const char *bytes, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    return count;
}

glass_status jstr_borrow(struct jinja *in, struct jstr **out, const char *bytes,
                         size_t n_bytes, bool plain) {
    TRY(jinja_charge(in, n_bytes / 64));
    TRY(jarena_alloc(in, out, 1, sizeof **out));
    **out = (struct jstr){.bytes = bytes,
                          .n_bytes = n_bytes,
                          .n_chars = count_chars(bytes, n_bytes),
                          .base = bytes,
                          .origin = plain && n_bytes > 0 ? JSTR_PLAIN : JSTR_TEMPLATE};
    return GLASS_OK;
}

/* The first span that ends after offset (from base). */
static size_t span_after(const struct jstr *s, size_t offset) {
    size_t low = 0, high = s->n_spans;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->spans[middle].end > offset) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

bool jstr_run(const struct jstr *s, size_t at, size_t *end) {
    *end = s->n_bytes;
    if (s->origin != JSTR_MIXED) return s->origin == JSTR_PLAIN;
    size_t shift = (size_t)(s->bytes - s->base), i = span_after(s, at + shift);
    if (i == s->n_spans) return false;
    bool plain = s->spans[i].begin <= at + shift;
    size_t edge = (plain ? s->spans[i].end : s->spans[i].begin) - shift;
    if (edge < *end) *end = edge;
    return plain;
}

bool jstr_any_plain(const struct jstr *s) {
    size_t end;
    if (s->origin != JSTR_MIXED) return s->origin == JSTR_PLAIN;
    return s->n_bytes > 0 && (jstr_run(s, 0, &end) || end < s->n_bytes);
}

glass_status jstr_slice(struct jinja *in, struct jstr **out, const struct jstr *s,
                        size_t begin, size_t end) {
    TRY(jinja_charge(in, (end - begin) / 64));
    TRY(jarena_alloc(in, out, 1, sizeof **out));
    struct jstr *r = *out;
    *r = *s;
    r->bytes = s->bytes + begin;
    r->n_bytes = end - begin;
    r->n_chars = s->n_chars == s->n_bytes ? r->n_bytes : count_chars(r->bytes, r->n_bytes);
    r->build = NULL;
    if (r->n_bytes == 0) r->origin = JSTR_TEMPLATE;
    if (r->origin != JSTR_MIXED) return GLASS_OK;
    size_t edge;
    bool plain = jstr_run(r, 0, &edge);
    if (edge == r->n_bytes) r->origin = plain ? JSTR_PLAIN : JSTR_TEMPLATE;
    return GLASS_OK;
}

size_t jstr_offset(const struct jstr *s, size_t index) {
    if (s->n_chars == s->n_bytes) return index;
    if (index >= s->n_chars) return s->n_bytes;
    size_t at = 0;
    while (index > 0) {
        at++;
        while (((unsigned char)s->bytes[at] & 0xc0) == 0x80) at++;
        index--;
    }
    return at;
}

size_t jstr_char_index(const struct jstr *s, size_t offset) {
    return s->n_chars == s->n_bytes ? offset : count_chars(s->bytes, offset);
}

bool jstr_is(const struct jstr *s, const char *text) {
    return strlen(text) == s->n_bytes && memcmp(text, s->bytes, s->n_bytes) == 0;
}

bool jstr_same(const struct jstr *a, const struct jstr *b) {
    return a->n_bytes == b->n_bytes && memcmp(a->bytes, b->bytes, a->n_bytes) == 0;
}

/* Bytes of UTF-8 order as code points do. */
int jstr_order(const struct jstr *a, const struct jstr *b) {
    size_t n = a->n_bytes < b->n_bytes ? a->n_bytes : b->n_bytes;
    int order = n > 0 ? memcmp(a->bytes, b->bytes, n) : 0;
    if (order != 0) return order;
    return a->n_bytes < b->n_bytes ? -1 : a->n_bytes > b->n_bytes;
}

size_t jstr_find(const struct jstr *s, const struct jstr *needle, size_t from, size_t to) {
    if (from > to || to - from < needle->n_bytes) return SIZE_MAX;
    if (needle->n_bytes == 0) return from;
    const char *hit = memmem(s->bytes + from, to - from, needle->bytes, needle->n_bytes);
    return hit == NULL ? SIZE_MAX : (size_t)(hit - s->bytes);
}

size_t jstr_rfind(const struct jstr *s, const struct jstr *needle, size_t from, size_t to) {
    if (from > to || to - from < needle->n_bytes) return SIZE_MAX;
    for (size_t at = to - needle->n_bytes;; at--) {
        if (memcmp(s->bytes + at, needle->bytes, needle->n_bytes) == 0) return at;
        if (at == from) return SIZE_MAX;
    }
}

glass_status jstr_markup(struct jinja *in, struct jstr **out, const struct jstr *s,
                         bool markup) {
    TRY(jarena_alloc(in, out, 1, sizeof **out));
    **out = *s;
    (*out)->markup = markup;
    return GLASS_OK;
}

glass_status jstr_concat(struct jinja *in, struct jstr **out, const struct jstr *a,
                         const struct jstr *b) {
    struct jbuild *build = a->build;
    if (build == NULL || build->n != a->n_bytes || build->data != a->bytes) {
        TRY(jbuild_create(in, &build));
        TRY(jbuild_str(in, build, a));
    }
    TRY(jbuild_str(in, build, b));
    return jbuild_finish(in, out, build);
}

/* ---- building */

glass_status jbuild_create(struct jinja *in, struct jbuild **out) {
    TRY(jarena_alloc(in, out, 1, sizeof **out));
    (*out)->shared = true;
    return GLASS_OK;
}

static glass_status reserve(struct jinja *in, struct jbuild *b, size_t n_more) {
    size_t need, cap = b->cap < 64 ? 64 : b->cap;
    if (!mem_add(&need, b->n, n_more)) return fail_memory(n_more);
    if (need <= b->cap) return GLASS_OK;
    if (need > in->arena->limit)
        return jinja_fail(in, "the template needs more than %zu MiB of memory",
                          in->arena->limit >> 20);
    while (cap < need) cap *= 2;
    TRY(jarena_grow(in, &b->data, b->cap, cap, 1));
    b->cap = cap;
    return GLASS_OK;
}

static glass_status mark(struct jinja *in, struct jbuild *b, size_t begin, size_t end) {
    if (b->n_spans > 0 && b->spans[b->n_spans - 1].end == begin) {
        b->spans[b->n_spans - 1].end = end;
        return GLASS_OK;
    }
    if (b->n_spans == b->cap_spans) {
        size_t cap = b->cap_spans < 4 ? 4 : b->cap_spans * 2;
        TRY(jarena_grow(in, &b->spans, b->cap_spans, cap, sizeof *b->spans));
        b->cap_spans = cap;
    }
    b->spans[b->n_spans++] = (glass_span){begin, end};
    return GLASS_OK;
}

glass_status jbuild_bytes(struct jinja *in, struct jbuild *b, const char *bytes,
                          size_t n_bytes, bool plain) {
    if (n_bytes == 0) return GLASS_OK;
    TRY(jinja_charge(in, n_bytes / 64));
    TRY(reserve(in, b, n_bytes));
    memmove(b->data + b->n, bytes, n_bytes);
    b->n_chars += count_chars(bytes, n_bytes);
    if (plain) TRY(mark(in, b, b->n, b->n + n_bytes));
    b->n += n_bytes;
    return GLASS_OK;
}

glass_status jbuild_text(struct jinja *in, struct jbuild *b, const char *text, bool plain) {
    return jbuild_bytes(in, b, text, strlen(text), plain);
}

glass_status jbuild_char(struct jinja *in, struct jbuild *b, uint32_t c, bool plain) {
    char bytes[4];
    return jbuild_bytes(in, b, bytes, utf8_encode(bytes, c), plain);
}

glass_status jbuild_part(struct jinja *in, struct jbuild *b, const struct jstr *s,
                         size_t begin, size_t end) {
    while (begin < end) {
        size_t edge;
        bool plain = jstr_run(s, begin, &edge);
        if (edge > end) edge = end;
        TRY(jbuild_bytes(in, b, s->bytes + begin, edge - begin, plain));
        begin = edge;
    }
    return GLASS_OK;
}

glass_status jbuild_str(struct jinja *in, struct jbuild *b, const struct jstr *s) {
    return jbuild_part(in, b, s, 0, s->n_bytes);
}

glass_status jbuild_finish(struct jinja *in, struct jstr **out, struct jbuild *b) {
    TRY(jarena_alloc(in, out, 1, sizeof **out));
    struct jstr *s = *out;
    *s = (struct jstr){.bytes = b->n > 0 ? b->data : "",
                       .n_bytes = b->n,
                       .n_chars = b->n_chars,
                       .spans = b->spans,
                       .n_spans = b->n_spans,
                       .origin = JSTR_MIXED,
                       .build = b->shared ? b : NULL};
    s->base = s->bytes;
    if (b->n_spans == 0) s->origin = JSTR_TEMPLATE;
    if (b->n_spans == 1 && b->spans[0].begin == 0 && b->spans[0].end == b->n)
        s->origin = JSTR_PLAIN;
    return GLASS_OK;
}

/* ---- whole-string operations */

bool jinja_is_space(uint32_t c) { /* str.isspace() */
    if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

static bool stripped(const struct jstr *chars, const char *at, size_t n) {
    if (chars != NULL) return memmem(chars->bytes, chars->n_bytes, at, n) != NULL;
    uint32_t c;
    utf8_decode(&c, at, n);
    return jinja_is_space(c);
}

glass_status jstr_strip(struct jinja *in, struct jstr **out, const struct jstr *s,
                        const struct jstr *chars, int sides) {
    size_t begin = 0, end = s->n_bytes, n;
    TRY(jinja_charge(in, s->n_bytes / 16 * (chars == NULL ? 1 : chars->n_chars)));
    while ((sides & JSTR_LEFT) && begin < end) {
        for (n = 1; begin + n < end && ((unsigned char)s->bytes[begin + n] & 0xc0) == 0x80;)
            n++;
        if (!stripped(chars, s->bytes + begin, n)) break;
        begin += n;
    }
    while ((sides & JSTR_RIGHT) && begin < end) {
        for (n = 1; ((unsigned char)s->bytes[end - n] & 0xc0) == 0x80;) n++;
        if (!stripped(chars, s->bytes + end - n, n)) break;
        end -= n;
    }
    return jstr_slice(in, out, s, begin, end);
}

glass_status jstr_replace(struct jinja *in, struct jstr **out, const struct jstr *s,
                          const struct jstr *old, const struct jstr *new, int64_t count) {
    struct jbuild b = {0};
    size_t at = 0;
    while (count != 0) {
        size_t hit = jstr_find(s, old, at, s->n_bytes);
        if (hit == SIZE_MAX) break;
        TRY(jinja_charge(in, 1));
        TRY(jbuild_part(in, &b, s, at, hit));
        TRY(jbuild_str(in, &b, new));
        at = hit + old->n_bytes;
        if (count > 0) count--;
        if (old->n_bytes == 0) { /* before every character and at the end */
            if (at == s->n_bytes) break;
            size_t next = at + 1;
            while (next < s->n_bytes && ((unsigned char)s->bytes[next] & 0xc0) == 0x80)
                next++;
            TRY(jbuild_part(in, &b, s, at, next));
            at = next;
        }
    }
    TRY(jbuild_part(in, &b, s, at, s->n_bytes));
    TRY(jbuild_finish(in, out, &b));
    return GLASS_OK;
}

glass_status jstr_escape(struct jinja *in, struct jstr **out, const struct jstr *s) {
    if (s->markup) return jstr_markup(in, out, s, true);
    struct jbuild b = {0};
    for (size_t i = 0; i < s->n_bytes; i++) {
        const char *entity = s->bytes[i] == '&'    ? "&amp;"
                             : s->bytes[i] == '<'  ? "&lt;"
                             : s->bytes[i] == '>'  ? "&gt;"
                             : s->bytes[i] == '\'' ? "&#39;"
                             : s->bytes[i] == '"'  ? "&#34;"
                                                   : NULL;
        size_t end;
        if (entity != NULL) {
            TRY(jbuild_text(in, &b, entity, jstr_run(s, i, &end)));
        } else {
            TRY(jbuild_part(in, &b, s, i, i + 1));
        }
    }
    TRY(jbuild_finish(in, out, &b));
    (*out)->markup = true;
    return GLASS_OK;
}
