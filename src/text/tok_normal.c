/* tok_normal.c - what some files ask to be done to text before it is cut into words: NFC,
 * SentencePiece's spaces, squeezed spaces.
 *
 * NFC changes few texts and few places of those. A bit for each character says whether it
 * stays as it is and takes nothing from what follows; only stretches of others, each with
 * the character before it, are decomposed, ordered and composed. Ordering sorts by counting:
 * a long run of combining marks takes linear time. */
#include "base/utf8.h"
#include "text/tokenizer.h"

#include <string.h>
#include <utf8proc.h>

enum { BMP = 0x10000, CLASSES = 256, FEW_MARKS = 16 };

static const char mark[] = "\xe2\x96\x81"; /* U+2581 */
enum { MARK_BYTES = 3 };

/* Vowels and final consonants of Hangul, and vowels of Kirat Rai: letters that compose with
 * the one before. All others that do are marks. */
static bool composes_with_previous(uint32_t c) {
    return (c >= 0x1160 && c <= 0x11ff) || (c >= 0x16d60 && c <= 0x16d6f);
}

static bool is_mark(const utf8proc_property_t *property) {
    return property->category == UTF8PROC_CATEGORY_MN ||
           property->category == UTF8PROC_CATEGORY_MC ||
           property->category == UTF8PROC_CATEGORY_ME;
}

/* Whether NFC leaves c alone wherever it stands, unless something that does not stay follows. */
static bool stays(uint32_t c) {
    const utf8proc_property_t *property = utf8proc_get_property((utf8proc_int32_t)c);
    if (is_mark(property) || property->combining_class != 0 || composes_with_previous(c))
        return false;
    if (property->decomp_seqindex == UINT16_MAX || property->decomp_type != 0) return true;
    utf8proc_int32_t parts[32];
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, parts, 32,
                                                 UTF8PROC_STABLE | UTF8PROC_COMPOSE, NULL);
    if (n < 1 || n > 32) return false;
    n = utf8proc_normalize_utf32(parts, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    return n == 1 && parts[0] == (utf8proc_int32_t)c;
}

glass_status tok_normal_build(glass_tokenizer *t) {
    if (!t->rules.nfc) return GLASS_OK;
    TRY(mem_alloc_zero(&t->nfc_stays, BMP / 64, sizeof *t->nfc_stays));
    for (uint32_t c = 0; c < BMP; c++)
        if (stays(c)) t->nfc_stays[c / 64] |= (uint64_t)1 << c % 64;
    return GLASS_OK;
}

static inline bool nfc_stays(const glass_tokenizer *t, uint32_t c) {
    return c < BMP ? t->nfc_stays[c / 64] >> c % 64 & 1 : stays(c);
}

/* Where text is copied from and to, with the spans that are still to be placed. */
struct copy {
    const glass_tokenizer *t;
    struct buf *out;
    const char *text;
    size_t n;
    const glass_span *plain;
    glass_span *mapped;
    int64_t n_plain, next_begin, next_end;
};

/* text[from..to) became what was appended since `at`: spans that begin or end inside are
 * placed so that they hold all that may come from them. */
static void place(struct copy *c, size_t from, size_t to, size_t at, bool exact) {
    for (; c->next_begin < c->n_plain && c->plain[c->next_begin].begin < to;
         c->next_begin++) {
        size_t begin = c->plain[c->next_begin].begin;
        c->mapped[c->next_begin].begin = at + (exact ? begin - from : 0);
    }
    for (; c->next_end < c->n_plain && c->plain[c->next_end].end <= to; c->next_end++) {
        size_t end = c->plain[c->next_end].end;
        c->mapped[c->next_end].end = exact ? at + (end - from) : c->out->len;
        if (end == from) c->mapped[c->next_end].end = at;
    }
}

static glass_status copy_as_is(struct copy *c, size_t from, size_t to) {
    if (from == to) return GLASS_OK;
    size_t at = c->out->len;
    TRY(buf_append(c->out, c->text + from, to - from));
    place(c, from, to, at, true);
    return GLASS_OK;
}

static unsigned class_of(utf8proc_int32_t c) {
    return (unsigned)utf8proc_get_property(c)->combining_class & (CLASSES - 1);
}

/* Sorts a run of combining marks by class, equals in their order. */
static glass_status sort_marks(utf8proc_int32_t *marks, size_t n) {
    if (n <= FEW_MARKS) {
        for (size_t i = 1; i < n; i++) {
            utf8proc_int32_t c = marks[i];
            size_t k = i;
            for (; k > 0 && class_of(marks[k - 1]) > class_of(c); k--)
                marks[k] = marks[k - 1];
            marks[k] = c;
        }
        return GLASS_OK;
    }
    utf8proc_int32_t *copy;
    size_t ends[CLASSES + 1] = {0};
    TRY(mem_alloc(&copy, n, sizeof *copy));
    memcpy(copy, marks, n * sizeof *copy);
    for (size_t i = 0; i < n; i++) ends[class_of(copy[i]) + 1]++;
    for (unsigned k = 0; k < CLASSES; k++) ends[k + 1] += ends[k];
    for (size_t i = 0; i < n; i++) marks[ends[class_of(copy[i])]++] = copy[i];
    mem_free(copy);
    return GLASS_OK;
}

static glass_status order(utf8proc_int32_t *c, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (class_of(c[i]) == 0) continue;
        size_t from = i;
        while (i < n && class_of(c[i]) != 0) i++;
        TRY(sort_marks(c + from, i - from));
    }
    return GLASS_OK;
}

/* Appends the NFC of text[0..n), which is UTF-8. */
static glass_status compose(struct buf *out, const char *text, size_t n) {
    enum { MOST = 8 }; /* characters that one decomposes into: 4 */
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    utf8proc_int32_t *chars;
    size_t n_chars = 0, room = 64;
    TRY(mem_alloc(&chars, room, sizeof *chars));
    glass_status status = GLASS_OK;
    for (size_t at = 0; status == GLASS_OK && at < n;) {
        uint32_t c;
        at += utf8_decode(&c, text + at, n - at);
        if (room - n_chars < MOST) {
            room *= 2;
            status = mem_resize(&chars, room, sizeof *chars);
            if (status != GLASS_OK) break;
        }
        utf8proc_ssize_t more = utf8proc_decompose_char(
            (utf8proc_int32_t)c, chars + n_chars, MOST, options, NULL);
        if (more < 0 || more > MOST)
            status = fail(GLASS_BAD_INPUT, "U+%04X has no NFC", (unsigned)c);
        else
            n_chars += (size_t)more;
    }
    if (status == GLASS_OK) status = order(chars, n_chars);
    if (status == GLASS_OK) {
        utf8proc_ssize_t left =
            utf8proc_normalize_utf32(chars, (utf8proc_ssize_t)n_chars, options);
        for (utf8proc_ssize_t i = 0; status == GLASS_OK && i < left; i++) {
            char spelled[4];
            size_t len = utf8_encode(spelled, (uint32_t)chars[i]);
            status = buf_append(out, spelled, len);
        }
    }
    mem_free(chars);
    return status;
}

/* The end of the stretch at `at` that must be composed: characters that do not stay. */
static size_t stretch_end(const struct copy *c, size_t at) {
    while (at < c->n) {
        uint32_t ch;
        size_t used = utf8_decode(&ch, c->text + at, c->n - at);
        if (ch == UTF8_BAD || nfc_stays(c->t, ch)) break;
        at += used;
    }
    return at;
}

/* Bytes that are not UTF-8 stay, and separate. */
static glass_status copy_nfc(struct copy *c, size_t from, size_t to) {
    size_t done = from, before = from; /* before: where the previous character begins */
    for (size_t at = from; at < to;) {
        if ((unsigned char)c->text[at] < 0x80) {
            before = at++;
            continue;
        }
        uint32_t ch;
        size_t used = utf8_decode(&ch, c->text + at, to - at);
        if (ch == UTF8_BAD || nfc_stays(c->t, ch)) {
            before = ch == UTF8_BAD ? at + used : at;
            at += used;
            continue;
        }
        size_t end = stretch_end(c, at);
        TRY(copy_as_is(c, done, before));
        size_t begins = c->out->len;
        TRY(compose(c->out, c->text + before, end - before));
        place(c, before, end, begins, false);
        done = before = at = end;
    }
    return copy_as_is(c, done, to);
}

/* As SentencePiece does it: a U+2581 in the text counts as a space only at the end. */
static glass_status squeeze(struct buf *out, const char *text, size_t n) {
    for (size_t used = 1; used > 0; n -= used) {
        used = 0;
        if (n > 0 && text[n - 1] == ' ') used = 1;
        if (n >= MARK_BYTES && memcmp(text + n - MARK_BYTES, mark, MARK_BYTES) == 0)
            used = MARK_BYTES;
    }
    bool space = false;
    TRY(buf_reserve(out, n));
    for (size_t at = 0; at < n; at++) {
        if (text[at] == ' ') {
            space = true;
            continue;
        }
        if (space && out->len > 0) out->data[out->len++] = ' ';
        space = false;
        out->data[out->len++] = text[at];
    }
    return GLASS_OK;
}

bool tok_normal_needed(const glass_tokenizer *t, const char *text, size_t n) {
    if (t->rules.squeeze || (t->rules.early && t->normal_specials.n > 0)) return true;
    if (!t->rules.nfc) return false;
    for (size_t at = 0; at < n;) {
        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        uint32_t c;
        at += utf8_decode(&c, text + at, n - at);
        if (c != UTF8_BAD && !nfc_stays(t, c)) return true;
    }
    return false;
}

/* Spaces become U+2581, which NFC leaves alone. */
static glass_status copy_marked(struct copy *c) {
    for (size_t from = 0; from < c->n;) {
        const char *space = memchr(c->text + from, ' ', c->n - from);
        size_t to = space == NULL ? c->n : (size_t)(space - c->text);
        TRY(c->t->rules.nfc ? copy_nfc(c, from, to) : copy_as_is(c, from, to));
        from = to;
        if (to == c->n) break;
        size_t at = c->out->len;
        TRY(buf_append(c->out, mark, MARK_BYTES));
        place(c, to, to + 1, at, false);
        from = to + 1;
    }
    return GLASS_OK;
}

/* Spans that begin or end at the text's end. */
static void place_rest(struct copy *c) {
    while (c->next_begin < c->n_plain) c->mapped[c->next_begin++].begin = c->out->len;
    while (c->next_end < c->n_plain) c->mapped[c->next_end++].end = c->out->len;
}

glass_status tok_normalize(const glass_tokenizer *t, struct buf *out, const char *text,
                           size_t n, bool first, const glass_span *plain, int64_t n_plain,
                           glass_span *mapped) {
    struct copy c = {.t = t,
                     .out = out,
                     .text = text,
                     .n = n,
                     .plain = plain,
                     .mapped = mapped,
                     .n_plain = n_plain};
    if (n == 0) return GLASS_OK;
    if (t->rules.squeeze) {
        TRY(squeeze(out, text, n));
    } else if (t->rules.early) {
        if (t->rules.lead_early && (t->rules.lead == TOK_LEAD_ALWAYS ||
                                    (t->rules.lead == TOK_LEAD_FIRST && first)))
            TRY(buf_append(out, mark, MARK_BYTES));
        TRY(copy_marked(&c));
    } else if (t->rules.nfc) {
        TRY(copy_nfc(&c, 0, n));
    } else {
        TRY(copy_as_is(&c, 0, n));
    }
    place_rest(&c);
    return GLASS_OK;
}
