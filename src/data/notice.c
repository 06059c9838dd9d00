/* notice.c - see notice.h. The rules are in notice_rules.c. */
#include "data/notice.h"

#include "data/licence.h"
#include "data/notice_rules.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { HEAD = 12 << 10, TAIL = 4 << 10, WHOLE = 512 << 10 };

void notice_clear(struct notice *n) {
    buf_free(&n->expression);
    *n = (struct notice){0};
}

/* ---- a file as words ---- */

static bool word_byte(const char *text, size_t i, size_t n) {
    unsigned char c = (unsigned char)text[i];
    if (isalnum(c) || c >= 0x80) return true;
    return c == '.' && i > 0 && i + 1 < n && isdigit((unsigned char)text[i - 1]) &&
           isdigit((unsigned char)text[i + 1]);
}

/* Quotes, dashes and spaces of UTF-8 (U+00A0, U+2000 to U+203F) are no letters: their bytes. */
static size_t punctuation(const char *text, size_t i, size_t to) {
    const unsigned char *t = (const unsigned char *)text + i;
    if (to - i >= 2 && t[0] == 0xc2 && t[1] == 0xa0) return 2;
    return to - i >= 3 && t[0] == 0xe2 && t[1] == 0x80 ? 3 : 0;
}

/* What roff writes inside words: \s-1GNU\s0, \fBGNU\fR, \*(L"; its bytes. */
static size_t roff_escape(const char *text, size_t i, size_t to) {
    size_t n = i + 2;
    if (text[i] != '\\' || to - i < 3) return 0;
    if (text[i + 1] == 's') {
        if (text[n] == '-' || text[n] == '+') n++;
        return n < to && isdigit((unsigned char)text[n]) ? n + 1 - i : 0;
    }
    if (text[i + 1] == 'f') return strchr("BIRP", text[n]) && text[n] ? 3 : 0;
    return text[i + 1] == '*' && text[n] == '(' && to - i >= 5 ? 5 : 0;
}

/* Words that only begin a comment's line: m4's, TeXinfo's. */
static size_t comment_word(const char *text, size_t at, size_t to) {
    static const char *const marks[] = {"dnl", "@c", "@comment", "@center"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t n = strlen(marks[i]);
        if (to - at > n && memcmp(text + at, marks[i], n) == 0 &&
            (text[at + n] == ' ' || text[at + n] == '\t'))
            return n;
    }
    return 0;
}

/* "GPLv2+" and "LGPL-2.1+" say "or later" with a plus. */
static bool plus_at(const struct words *w, size_t n, const char *text, size_t i,
                    size_t to) {
    if (text[i] != '+' || n == 0 || !isdigit((unsigned char)w->text.data[n - 1]))
        return false;
    if (i + 1 < to && isalnum((unsigned char)text[i + 1])) return false;
    size_t from = n > 12 ? n - 12 : 0;
    return memmem(w->text.data + from, n - from, "gpl", 3) != NULL;
}

static glass_status put_words(struct words *w, const char *text, size_t from, size_t to) {
    static const char later[] = " or later";
    size_t room = to - from + 2;
    for (size_t i = from; i < to; i++) room += text[i] == '+' ? sizeof later : 0;
    TRY(buf_reserve(&w->text, room));
    TRY(buf_reserve(&w->map, room * sizeof(uint32_t)));
    char *out = w->text.data;
    size_t n = w->text.len;
    uint32_t *map = (uint32_t *)(void *)w->map.data;
    bool begins = true; /* nothing but blanks and marks since the line began */
    for (size_t i = from; i < to; i++) {
        if (begins) i += comment_word(text, i, to);
        size_t mark = roff_escape(text, i, to);
        if (mark > 0) {
            i += mark - 1;
            continue;
        }
        mark = punctuation(text, i, to);
        if (mark > 0) i += mark - 1;
        bool word = mark == 0 && word_byte(text, i, to);
        begins = text[i] == '\n' || (begins && !word);
        if (!word && plus_at(w, n, text, i, to)) {
            for (size_t k = 0; later[k]; k++) {
                map[n] = (uint32_t)i;
                out[n++] = later[k];
            }
            continue;
        }
        if (!word && (n == 0 || out[n - 1] == ' ')) continue;
        map[n] = (uint32_t)i;
        out[n++] = word ? (char)tolower((unsigned char)text[i]) : ' ';
    }
    if (n > 0 && out[n - 1] != ' ') {
        map[n] = (uint32_t)to;
        out[n++] = ' ';
    }
    out[n] = '\0';
    w->text.len = n;
    w->map.len = n * sizeof(uint32_t);
    return GLASS_OK;
}

static void words_free(struct words *w) {
    buf_free(&w->text);
    buf_free(&w->map);
}

/* ---- tags ---- */

/* Before a tag on its line: marks of a comment, or nothing. */
static bool comment_before(const char *text, size_t at) {
    size_t begin = at;
    while (begin > 0 && text[begin - 1] != '\n') begin--;
    if (at - begin > 40) return false;
    for (size_t i = begin; i < at; i++) {
        unsigned char c = (unsigned char)text[i];
        if (isalnum(c) && strncmp(text + begin, "dnl", 3) != 0 &&
            strncasecmp(text + begin, "rem", 3) != 0 &&
            strncmp(text + begin, ".\\\"", 3) != 0)
            return false;
    }
    return true;
}

static size_t tag_length(const char *text, size_t n) {
    size_t used = 0;
    while (used < n && text[used] != '\n' && text[used] != '\r') used++;
    static const char *const ends[] = {"*/", "-->", "*)", "#}",  "%>",
                                       "\"", "'",   "`",  "\\n", "<"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const char *end = memmem(text, used, ends[i], strlen(ends[i]));
        if (end != NULL) used = (size_t)(end - text);
    }
    while (used > 0 && (text[used - 1] == ' ' || text[used - 1] == '\t')) used--;
    return used;
}

static glass_status find_tags(struct notice *out, const char *text, size_t from,
                              size_t to) {
    static const char mark[] = "SPDX-License-Identifier:";
    struct buf one = {0}, all = {0};
    glass_status status = GLASS_OK;
    while (status == GLASS_OK && from < to) {
        const char *found = memmem(text + from, to - from, mark, sizeof mark - 1);
        if (found == NULL) break;
        size_t at = (size_t)(found - text), value = at + sizeof mark - 1;
        while (value < to && (text[value] == ' ' || text[value] == '\t')) value++;
        size_t n = tag_length(text + value, to - value);
        from = value;
        if (!comment_before(text, at) || n == 0) continue;
        buf_clear(&one);
        buf_clear(&all);
        status = licence_normal(&one, text + value, n);
        if (status != GLASS_OK || one.len == 0) continue;
        if (out->kind == NOTICE_NONE) {
            out->kind = NOTICE_TAG;
            out->offset = at;
            out->n_bytes = value + n - at;
        }
        status = licence_join(&all, out->expression.len ? out->expression.data : "",
                              one.data, "AND");
        struct buf old = out->expression;
        out->expression = all;
        all = old;
    }
    buf_free(&one);
    buf_free(&all);
    return status;
}

/* ---- notices ---- */

/* Nothing to look for without one of these. */
static bool hopeful(const char *text, size_t n) {
    static const char *const signs[] = {"icens",        "ICENS",           "ublic domain",
                                        "ublic Domain", "UBLIC DOMAIN",    "ermission",
                                        "ERMISSION",    "edistribut",      "GPL",
                                        "opying",       "terms",           "icenc",
                                        "reative",      "laims copyright", "opyrighted"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (memmem(text, n, signs[i], strlen(signs[i]))) return true;
    return false;
}

static glass_status read_notices(struct notice *out, const struct words *w) {
    struct notice_match matches[NOTICE_MATCHES];
    const uint32_t *map = (const uint32_t *)(const void *)w->map.data;
    int n = notice_rules(matches, w);
    if (n == 0) return GLASS_OK;
    struct buf all = {0};
    glass_status status = GLASS_OK;
    for (int i = 0; i < n && status == GLASS_OK; i++) {
        buf_clear(&all);
        status = licence_join(&all, out->expression.len ? out->expression.data : "",
                              matches[i].id, matches[i].alternative ? "OR" : "AND");
        struct buf old = out->expression;
        out->expression = all;
        all = old;
    }
    buf_free(&all);
    out->kind = NOTICE_STATEMENT;
    size_t first = matches[0].start, last = matches[0].end;
    for (int i = 1; i < n; i++) {
        if (matches[i].start < first) first = matches[i].start;
        if (matches[i].end > last) last = matches[i].end;
    }
    out->offset = map[first];
    out->n_bytes = map[last < w->text.len ? last : w->text.len - 1] - map[first];
    return status;
}

glass_status notice_find(struct notice *out, const char *text, size_t n_bytes,
                         enum notice_scope scope) {
    bool whole = scope == NOTICE_WHOLE;
    struct words w = {.history = scope == NOTICE_HISTORY, .whole = whole};
    *out = (struct notice){0};
    size_t n = n_bytes > UINT32_MAX ? UINT32_MAX : n_bytes;
    size_t head = whole ? WHOLE : HEAD, tail = n;
    if (head > n) head = n;
    if (!whole && n > head) tail = n - head > TAIL ? n - TAIL : head;
    glass_status status = find_tags(out, text, 0, head);
    if (status == GLASS_OK && out->kind == NOTICE_NONE &&
        (hopeful(text, head) || hopeful(text + tail, n - tail))) {
        status = put_words(&w, text, 0, head);
        if (status == GLASS_OK && tail < n) status = put_words(&w, text, tail, n);
        if (status == GLASS_OK && w.text.len > 0) status = read_notices(out, &w);
    }
    words_free(&w);
    if (status != GLASS_OK) notice_clear(out);
    return status;
}

glass_status notice_expression(struct buf *out, const char *text, size_t n_bytes) {
    struct notice found;
    TRY(notice_find(&found, text, n_bytes, NOTICE_WHOLE));
    glass_status status = found.expression.len
                              ? buf_append(out, found.expression.data, found.expression.len)
                              : GLASS_OK;
    notice_clear(&found);
    return status;
}

bool notice_author(const char *text, size_t n_bytes, size_t *offset, size_t *n_author) {
    static const char mark[] = "opyright";
    size_t end = n_bytes < 8192 ? n_bytes : 8192;
    for (size_t at = 0; at + 12 < end;) {
        const char *found = memmem(text + at, end - at, mark, sizeof mark - 1);
        if (found == NULL) return false;
        size_t begin = (size_t)(found - text), p = begin + sizeof mark - 1;
        at = p;
        if (begin == 0 || (text[begin - 1] | 0x20) != 'c') continue;
        if (p < end && text[p] == ':') p++;
        while (p < end && (text[p] == ' ' || text[p] == '\t')) p++;
        bool sign = p + 3 <= end && (strncasecmp(text + p, "(c)", 3) == 0 ||
                                     memcmp(text + p, "\xc2\xa9", 2) == 0);
        bool year = p + 4 <= end && (text[p] == '1' || text[p] == '2') &&
                    isdigit((unsigned char)text[p + 1]) &&
                    isdigit((unsigned char)text[p + 2]) &&
                    isdigit((unsigned char)text[p + 3]);
        if (!sign && !year) continue;
        size_t stop = p;
        while (stop < end && text[stop] != '\n' && text[stop] != '\r') stop++;
        while (stop > p && strchr(" \t*/#-", text[stop - 1])) stop--;
        if (stop - begin < 12) continue;
        *offset = begin - 1;
        *n_author = stop - begin + 1;
        return true;
    }
    return false;
}
