/* licence_text.c - see licence_text.h. */
#include "open/licence_text.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "open/limit_words.h"

#include <string.h>
#include <strings.h>

enum { TAG_MOST = 2000, ENTITY_MOST = 10, WORD_MOST = 64 };
static const uint32_t fnv_start = 2166136261u, fnv_prime = 16777619u; /* FNV-1a, 32 bits */

/* The text being read. */
struct cursor {
    const char *text;
    size_t n, at;
    struct licence_words *out;
    int64_t room;
    char word[WORD_MOST]; /* the start of the current one, in lower case */
    size_t length, begin, end;
    uint32_t hash;
    bool html; /* the text is a page */
    size_t
        closed[2]; /* where its next script and its next style end, as far as was looked */
};

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static char at(const struct cursor *c, size_t i) {
    return i < c->n ? c->text[i] : ' ';
}

static bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

/* "i", "iv", "xii": letters of small Roman numbers. */
static bool is_roman(const struct cursor *c) {
    for (size_t i = 0; i < c->length; i++)
        if (c->word[i] != 'i' && c->word[i] != 'v' && c->word[i] != 'x') return false;
    return c->length <= 4;
}

/* Characters outside ASCII that stand between words. */
static bool parts_words(uint32_t code) {
    return code == UTF8_BAD || code < 0xc0 || code == 0xd7 || code == 0xf7 ||
           (code >= 0x2000 && code <= 0x2bff) || (code >= 0x3000 && code <= 0x303f) ||
           (code >= 0xff00 && code <= 0xff0f) || (code >= 0xff1a && code <= 0xff20);
}

/* Whether the character that begins at i, or ends before it, is white space or a mark of markup. */
static bool is_edge(const struct cursor *c, size_t i, bool before, const char *marks) {
    if (before && i == 0) return true;
    if (before) i--;
    if (i >= c->n) return true;
    while (before && i > 0 && ((uint8_t)c->text[i] & 0xc0) == 0x80) i--;
    if (is_blank(c->text[i]) || strchr(marks, c->text[i]) != NULL) return true;
    uint32_t code;
    if ((uint8_t)c->text[i] < 0x80) return false;
    utf8_decode(&code, c->text + i, c->n - i);
    return code != 0x2019 && code != 0x2018 && parts_words(code);
}

/* Whether the word is the mark of a list's item: "1." "12)" "a." "(iv)" and alone. Renderings of a
 * list lose them, and texts that are wrapped anew move them, so they are left out anywhere. */
static bool is_item(const struct cursor *c) {
    if (c->length > WORD_MOST) return false;
    char before = c->begin > 0 ? c->text[c->begin - 1] : ' ';
    bool number = true;
    for (size_t i = 0; i < c->length; i++) number &= is_digit(c->word[i]);
    bool letter = c->length == 1 && is_letter(c->word[0]);
    if (before == '(') return (letter || is_roman(c)) && at(c, c->end) == ')';
    if (!(number && c->length <= 2) && !letter && !is_roman(c)) return false;
    size_t i = c->end;
    if (at(c, i) == '\\') i++;
    if (at(c, i) != '.' && at(c, i) != ')') return false;
    return is_edge(c, c->begin, true, "*>#") && is_edge(c, i + 1, false, "*<\\");
}

static glass_status end_word(struct cursor *c) {
    size_t length = c->length;
    uint32_t hash = c->hash;
    if (length == 0) return GLASS_OK;
    bool item = is_item(c);
    c->length = 0;
    c->hash = fnv_start;
    if (item) return GLASS_OK;
    if (c->out->n == c->room) {
        int64_t room = c->room > 0 ? 2 * c->room : 256;
        TRY(mem_resize(&c->out->words, (size_t)room, sizeof *c->out->words));
        c->room = room;
    }
    /* An address is the same by either protocol. */
    if ((length == 5 && memcmp(c->word, "https", 5) == 0) ||
        (length == 4 && memcmp(c->word, "http", 4) == 0))
        hash = 0x68747470u;
    c->out->words[c->out->n++] =
        (struct licence_word){(uint32_t)c->begin, (uint32_t)c->end, hash};
    return GLASS_OK;
}

static void put_byte(struct cursor *c, int b) {
    if (c->length < WORD_MOST) c->word[c->length] = (char)b;
    c->length++;
    c->hash = (c->hash ^ (uint8_t)b) * fnv_prime;
}

/* Bytes [from, to) go on the word. */
static void put(struct cursor *c, size_t from, size_t to) {
    if (c->length == 0) {
        c->begin = from;
        c->hash = fnv_start;
    }
    for (size_t i = from; i < to; i++) {
        char b = c->text[i];
        put_byte(c, b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
    }
    c->end = to;
}

/* Whether a name is one of HTML's. */
static bool is_element(const char *name, size_t n) {
    static const char list[] =
        " a abbr address article aside b base blockquote body br button caption center "
        "cite "
        "code col colgroup dd del details dfn div dl dt em figure font footer form h1 h2 "
        "h3 "
        "h4 h5 h6 head header hr html i img input ins kbd label li link main mark meta nav "
        "ol "
        "option p path pre q s samp script section select small span strike strong style "
        "sub "
        "summary sup svg table tbody td textarea tfoot th thead time title tr tt u ul var "
        "doctype xml ";
    char word[16] = " ";
    if (n == 0 || n > sizeof word - 3) return false;
    for (size_t i = 0; i < n; i++)
        word[i + 1] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    word[n + 1] = ' ';
    return strstr(list, word) != NULL;
}

/* Whether what stands between angle brackets, or in a comment, says something: "<but not for
 * commerce>" is no markup. Attributes of elements do not. */
static bool says_something(const struct cursor *c, size_t end) {
    size_t i = c->at + 1;
    while (i < end && (c->text[i] == '/' || c->text[i] == '!' || c->text[i] == '?')) i++;
    size_t name = i;
    while (i < end && (is_letter(c->text[i]) || is_digit(c->text[i]))) i++;
    bool attributes = memchr(c->text + i, '=', end - i) != NULL ||
                      c->text[name - 1] == '!' || c->text[name - 1] == '?';
    if (memmem(c->text + i, end - i, "://", 3) != NULL &&
        memchr(c->text + i, ' ', end - i) == NULL)
        return false; /* an address */
    if (is_element(c->text + name, i - name) && attributes)
        return !c->html && limit_word(c->text + c->at, end - c->at, false);
    return limit_word(c->text + c->at, end - c->at, true);
}

/* The next closing tag from byte i on, or the text's end. */
static size_t find_closing(const struct cursor *c, size_t i, const char *name, size_t n) {
    for (; i + n + 2 < c->n; i++)
        if (c->text[i] == '<' && c->text[i + 1] == '/' &&
            strncasecmp(c->text + i + 2, name, n) == 0)
            return i;
    return c->n;
}

/* Where a tag that begins here ends, or 0 if none does. A page's scripts and styles end with their own
 * closing tag. */
static size_t tag_end(struct cursor *c) {
    char next = at(c, c->at + 1);
    if (!is_letter(next) && next != '/' && next != '!' && next != '?') return 0;
    size_t limit = c->n - c->at < TAG_MOST ? c->n : c->at + TAG_MOST, i = c->at + 1;
    while (i < limit && c->text[i] != '>' && c->text[i] != '<') i++;
    if (i >= limit || c->text[i] != '>' || says_something(c, i)) return 0;
    static const char *const closed[] = {"script", "style"};
    for (size_t k = 0; k < 2 && c->html; k++) {
        size_t n = strlen(closed[k]);
        if (c->n - c->at <= n || strncasecmp(c->text + c->at + 1, closed[k], n) != 0)
            continue;
        if (c->closed[k] < i) c->closed[k] = find_closing(c, i, closed[k], n);
        if (c->closed[k] < c->n) return c->closed[k];
    }
    return i + 1;
}

/* Reads "&rsquo;" and the like. Returns where it ends, or 0; *joins: it is an apostrophe. */
static size_t entity_end(const struct cursor *c, bool *joins) {
    static const char *const apostrophes[] = {"rsquo", "lsquo", "apos",   "#39",
                                              "#x27",  "#8217", "#x2019", "#8216"};
    size_t i = c->at + 1;
    while (i < c->n && i - c->at <= ENTITY_MOST &&
           (is_letter(c->text[i]) || is_digit(c->text[i]) || c->text[i] == '#'))
        i++;
    if (i >= c->n || c->text[i] != ';' || i == c->at + 1) return 0;
    size_t n = i - c->at - 1;
    *joins = false;
    for (size_t k = 0; k < sizeof apostrophes / sizeof *apostrophes; k++)
        *joins |= strlen(apostrophes[k]) == n &&
                  strncasecmp(apostrophes[k], c->text + c->at + 1, n) == 0;
    return i + 1;
}

/* "&#110;" is a letter: its code; 0: none is here. *end is behind it. */
static uint32_t entity_letter(const struct cursor *c, size_t *end) {
    uint32_t code = 0;
    size_t i = c->at + 1;
    if (at(c, i++) != '#') return 0;
    bool hex = at(c, i) == 'x' || at(c, i) == 'X';
    i += hex;
    for (size_t from = i; i < c->n && i - from < ENTITY_MOST; i++) {
        char b = c->text[i];
        int digit = is_digit(b)           ? b - '0'
                    : hex && is_letter(b) ? (b | 0x20) - 'a' + 10
                                          : 99;
        if (digit >= (hex ? 16 : 10) || code > 0x10ffff) break;
        code = code * (hex ? 16 : 10) + (uint32_t)digit;
    }
    *end = i + 1;
    bool letter = code < 0x80 && (is_letter((char)code) || is_digit((char)code));
    return at(c, i) == ';' && letter ? code : 0;
}

/* Behind "](target)", or 0. */
static size_t target_end(const struct cursor *c) {
    if (at(c, c->at + 1) != '(') return 0;
    size_t limit = c->n - c->at < TAG_MOST ? c->n : c->at + TAG_MOST;
    bool address = false; /* "[to](not-for-commerce)" is none */
    for (size_t i = c->at + 2; i < limit && !is_blank(c->text[i]); i++) {
        if (c->text[i] == ']') return 0;
        address |= strchr("./#:", c->text[i]) != NULL;
        if (c->text[i] == ')')
            return address || !limit_word(c->text + c->at, i - c->at, true) ? i + 1 : 0;
    }
    return 0;
}

/* What typesetters draw as one: "fi" of "modification". */
static bool take_ligature(struct cursor *c, uint32_t code, size_t from) {
    static const char *const letters[] = {"ff", "fi", "fl", "ffi", "ffl", "st", "st"};
    if (code < 0xfb00 || code > 0xfb06) return false;
    if (c->length == 0) {
        c->begin = from;
        c->hash = fnv_start;
    }
    for (const char *p = letters[code - 0xfb00]; *p; p++) put_byte(c, *p);
    c->end = c->at;
    return true;
}

/* What a character outside ASCII is: a letter, part of a script without spaces, an apostrophe,
 * or something between words. */
static glass_status take_wide(struct cursor *c) {
    uint32_t code;
    size_t n = utf8_decode(&code, c->text + c->at, c->n - c->at);
    size_t from = c->at;
    c->at += n;
    if (code == 0x2019 || code == 0x2018 || code == 0xad || code == 0xfeff) return GLASS_OK;
    if (parts_words(code)) return end_word(c);
    if (take_ligature(c, code, from)) return GLASS_OK;
    if (code < 0x3040) {
        bool capital = code >= 0xc0 && code <= 0xde; /* Latin-1's */
        put(c, from, capital ? c->at - 1 : c->at);
        if (capital) put_byte(c, (uint8_t)c->text[c->at - 1] + 0x20);
        c->end = c->at;
        return GLASS_OK;
    }
    TRY(end_word(c));
    put(c, from, c->at);
    return end_word(c);
}

/* Markup at the cursor: moves behind it. False: there is none. */
static bool take_markup(struct cursor *c, bool *joins) {
    char b = c->text[c->at];
    size_t end = 0;
    *joins = false;
    if (b == '<') end = tag_end(c);
    if (b == '&') end = entity_end(c, joins);
    if (b == ']') end = target_end(c);
    if (end == 0) return false;
    c->at = end;
    return true;
}

glass_status licence_words_make(struct licence_words *out, const char *text, size_t n) {
    struct cursor c = {.text = text, .n = n, .out = out, .hash = fnv_start};
    glass_status status = GLASS_OK;
    *out = (struct licence_words){0};
    for (size_t i = 0; i + 9 < n && i < 1000 && !c.html; i++)
        c.html = strncasecmp(text + i, "<html", 5) == 0 ||
                 strncasecmp(text + i, "<!doctype", 9) == 0;
    while (c.at < c.n && status == GLASS_OK) {
        char b = text[c.at];
        bool joins;
        uint32_t letter;
        size_t end;
        if (is_letter(b) || is_digit(b)) {
            put(&c, c.at, c.at + 1);
            c.at++;
        } else if (b == '&' && (letter = entity_letter(&c, &end)) != 0) {
            if (c.length == 0) {
                c.begin = c.at;
                c.hash = fnv_start;
            }
            put_byte(&c, letter >= 'A' && letter <= 'Z' ? (int)letter + 32 : (int)letter);
            c.at = c.end = end;
        } else if (take_markup(&c, &joins)) {
            if (!joins) status = end_word(&c);
        } else if ((uint8_t)b >= 0x80) {
            status = take_wide(&c);
        } else {
            c.at++;
            if (b != '\'') status = end_word(&c);
        }
    }
    if (status == GLASS_OK) status = end_word(&c);
    if (status != GLASS_OK) licence_words_clear(out);
    return status;
}

bool licence_words_joined(struct licence_word *out, const char *text,
                          const struct licence_word *w) {
    enum { GAP = 16 };
    size_t at = w[0].end, end = w[1].begin;
    bool line = false;
    if (end - at > GAP || is_digit(text[end])) return false;
    if (text[at] == '-')
        at++;
    else if (end - at > 3 && memcmp(text + at, "\xe2\x80\x90", 3) == 0)
        at += 3;
    else
        return false;
    for (; at < end; at++) {
        line |= text[at] == '\n';
        if (!is_blank(text[at]) && strchr("*#>/", text[at]) == NULL) return false;
    }
    *out = (struct licence_word){w[0].begin, w[1].end, w[0].hash};
    struct cursor c = {.length = 1, .hash = w[0].hash};
    for (size_t i = end; i < w[1].end;) {
        uint32_t code;
        size_t n = utf8_decode(&code, text + i, w[1].end - i);
        if (!take_ligature(&c, code, i)) {
            c.text = text;
            put(&c, i, i + n);
        }
        i += n;
    }
    out->hash = c.hash;
    return line;
}

void licence_words_clear(struct licence_words *w) {
    mem_free(w->words);
    *w = (struct licence_words){0};
}

static uint32_t turn(uint32_t x, int bits) {
    return x << bits | x >> (32 - bits);
}

uint16_t licence_shingle(const struct licence_word *w) {
    uint32_t h = w[0].hash * 0x9e3779b1u;
    h = (turn(h, 13) ^ w[1].hash) * 0x85ebca6bu;
    h = (turn(h, 13) ^ w[2].hash) * 0xc2b2ae35u;
    h ^= h >> 15;
    return (uint16_t)((h * 0x27d4eb2fu) >> 20);
}

uint64_t licence_words_hash(const struct licence_word *words, int64_t n) {
    uint64_t h = 14695981039346656037u; /* FNV-1a, 64 bits */
    for (int64_t i = 0; i < n; i++) h = (h ^ words[i].hash) * 1099511628211u;
    return h;
}
