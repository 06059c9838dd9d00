/* clean_text.c - rules that change a text; see clean.h. */
#include "base/utf8.h"
#include "data/clean.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* ---- encoding ---- */

/* Windows-1252's characters of bytes 0x80 … 0x9f; 0: none. */
static const uint16_t cp1252[32] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178};

/* The byte that a reader of Windows-1252 (or Latin-1) saw as this character; -1: none. */
static int byte_of(uint32_t c) {
    if (c >= 0x80 && c <= 0xff) return (int)c;
    for (int i = 0; i < 32 && c > 0xff; i++)
        if (cp1252[i] == c) return 0x80 + i;
    return -1;
}

/* UTF-8 that was read as Windows-1252 and written as UTF-8 again: the character that it was, and
 * the bytes it takes now; 0: it is no such. */
static size_t mojibake(uint32_t *c, const char *text, size_t n) {
    char bytes[4];
    size_t at = 0;
    uint32_t u;
    int count = 0, want = 1;
    for (; count < want && at < n; count++) {
        at += utf8_decode(&u, text + at, n - at);
        int b = u == UTF8_BAD ? -1 : byte_of(u);
        if (b < 0 || (count > 0 && (b & 0xc0) != 0x80)) return 0;
        if (count == 0) want = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : b >= 0xc2 ? 2 : 0;
        if (want == 0) return 0;
        bytes[count] = (char)b;
    }
    if (count < want || utf8_decode(c, bytes, (size_t)want) != (size_t)want) return 0;
    return *c == UTF8_BAD ? 0 : at;
}

/* One character that is no ASCII; returns the bytes it took. */
static glass_status repair(struct buf *out, const char *text, size_t n, size_t *used,
                           size_t *count) {
    uint32_t c;
    char bytes[4];
    /* Only U+00C2 … U+00F4 begin such a sequence: C3 82 … C3 B4 in UTF-8. */
    if ((unsigned char)text[0] == 0xc3 && n > 1 && (*used = mojibake(&c, text, n)) > 0) {
        ++*count;
        return buf_append(out, bytes, utf8_encode(bytes, c));
    }
    *used = utf8_decode(&c, text, n);
    bool gone = c == 0xfeff || (c >= 0x80 && c < 0xa0) || c == UTF8_BAD;
    if (!gone) return buf_append(out, text, *used);
    ++*count;
    return GLASS_OK;
}

glass_status clean_encoding(struct buf *out, const char *text, size_t n_bytes, size_t *n) {
    *n = 0;
    size_t plain = 0;
    for (size_t at = 0; at < n_bytes;) {
        unsigned char c = (unsigned char)text[at];
        bool control = (c < ' ' && c != '\n' && c != '\t') || c == 0x7f;
        /* The characters that are looked at begin with these bytes. */
        bool odd = c == 0xc2 || c == 0xc3 || c == 0xef;
        if (!control && !odd) {
            at++;
            continue;
        }
        size_t used = 1;
        TRY(buf_append(out, text + plain, at - plain));
        if (odd) {
            TRY(repair(out, text + at, n_bytes - at, &used, n));
        } else {
            ++*n;
            bool line = c == '\r' && (at + 1 == n_bytes || text[at + 1] != '\n');
            if (line || c == '\f') TRY(buf_byte(out, '\n'));
        }
        at += used;
        plain = at;
    }
    return buf_append(out, text + plain, n_bytes - plain);
}

static glass_status decode_utf16(struct buf *out, bool *fine, const uint8_t *b, size_t n,
                                 int high) {
    char bytes[4];
    *fine = n % 2 == 0;
    for (size_t i = 2; i + 1 < n && *fine; i += 2) {
        uint32_t c = (uint32_t)b[i + (size_t)high] << 8 | b[i + 1 - (size_t)high];
        if (c >= 0xd800 && c < 0xdc00 && i + 3 < n) {
            uint32_t low = (uint32_t)b[i + 2 + (size_t)high] << 8 | b[i + 3 - (size_t)high];
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                i += 2;
            }
        }
        *fine = c < 0xd800 || c >= 0xe000;
        if (*fine) TRY(buf_append(out, bytes, utf8_encode(bytes, c)));
    }
    return GLASS_OK;
}

glass_status clean_decode(struct buf *out, const char **encoding, const char *text,
                          size_t n) {
    const uint8_t *b = (const uint8_t *)text;
    char bytes[4];
    bool fine = true, latin = true;
    *encoding = NULL;
    buf_clear(out);
    if (n >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff))) {
        int high = b[0] == 0xff;
        TRY(decode_utf16(out, &fine, b, n, high));
        if (fine) *encoding = high ? "utf-16le" : "utf-16be";
        if (!fine) buf_clear(out);
        return GLASS_OK;
    }
    for (size_t i = 0; i < n; i++) {
        bool window = b[i] >= 0x80 && b[i] < 0xa0;
        uint32_t c = window ? cp1252[b[i] - 0x80] : b[i];
        latin &= !window;
        if (c == 0) { /* NUL, or a byte that Windows-1252 has not */
            buf_clear(out);
            return GLASS_OK;
        }
        TRY(buf_append(out, bytes, utf8_encode(bytes, c)));
    }
    *encoding = latin ? "iso-8859-1" : "windows-1252";
    return GLASS_OK;
}

/* ---- lines ---- */

/* The phrase in lower case, in text of any. */
static bool finds(const char *text, size_t n, const char *phrase) {
    size_t k = strlen(phrase);
    for (size_t i = 0; i + k <= n; i++)
        if ((text[i] | 32) == phrase[0] && strncasecmp(text + i, phrase, k) == 0)
            return true;
    return false;
}

/* Those of C4's reference code (tensorflow_datasets, c4_utils.py). */
static const char *const policies[] = {"terms of use", "privacy policy", "cookie policy",
                                       "uses cookies", "use of cookies", "use cookies"};
/* Ours: what pages say around their text. */
static const char *const phrases[] = {
    "all rights reserved",    "skip to content",  "skip to main content",
    "share on facebook",      "share on twitter", "subscribe to our newsletter",
    "powered by wordpress",   "sign up for our",  "enable javascript",
    "javascript is disabled", "click here to",    "leave a comment"};
enum { BOILERPLATE_BYTES = 160 };

enum {
    N_POLICIES = sizeof policies / sizeof *policies,
    N_PHRASES = N_POLICIES + sizeof phrases / sizeof *phrases
};

static const char *phrase(size_t i) {
    return i < N_POLICIES ? policies[i] : phrases[i - N_POLICIES];
}

/* Phrases by their first three letters, five bits each whatever their case: a set bit means that
 * one may begin so. */
struct beginnings {
    uint64_t bits[(1 << 15) / 64];
    uint16_t keys[N_PHRASES];
};

static unsigned next_key(unsigned key, char c) {
    return (key << 5 | ((unsigned char)c & 31)) & 0x7fff;
}

static void begin_with(struct beginnings *b) {
    memset(b->bits, 0, sizeof b->bits);
    for (size_t i = 0; i < N_PHRASES; i++) {
        unsigned key = 0;
        for (int k = 0; k < 3; k++) key = next_key(key, phrase(i)[k]);
        b->keys[i] = (uint16_t)key;
        b->bits[key / 64] |= UINT64_C(1) << key % 64;
    }
}

static bool is_boilerplate(const struct beginnings *b, const char *line, size_t n) {
    unsigned key = 0;
    if (n > BOILERPLATE_BYTES) return false;
    for (size_t i = 0; i < n; i++) {
        key = next_key(key, line[i]);
        if (i < 2 || !(b->bits[key / 64] >> key % 64 & 1)) continue;
        for (size_t p = 0; p < N_PHRASES; p++) {
            size_t k = strlen(phrase(p));
            if (b->keys[p] == key && n - i + 2 >= k &&
                strncasecmp(line + i - 2, phrase(p), k) == 0)
                return true;
        }
    }
    return false;
}

static size_t line_length(const char *text, size_t n) {
    const char *end = memchr(text, '\n', n);
    return end == NULL ? n : (size_t)(end - text);
}

glass_status clean_boilerplate(struct buf *out, const char *text, size_t n_bytes,
                               size_t *n) {
    struct beginnings b;
    begin_with(&b);
    *n = 0;
    for (size_t at = 0; at < n_bytes;) {
        size_t k = line_length(text + at, n_bytes - at);
        size_t whole = at + k < n_bytes ? k + 1 : k;
        if (is_boilerplate(&b, text + at, k))
            ++*n;
        else
            TRY(buf_append(out, text + at, whole));
        at += whole;
    }
    return GLASS_OK;
}

/* ---- C4 (Raffel et al. 2020, section 2.2; numbers as in datatrove's C4QualityFilter) ---- */

enum { C4_WORDS = 3, C4_WORD = 1000, C4_SENTENCES = 5 };

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* [12], [edit], [citation needed]: how long; 0: none here. */
static size_t citation(const char *text, size_t n) {
    static const char *const marks[] = {"[edit]", "[citation needed]"};
    size_t i = 1;
    for (int k = 0; k < 2; k++)
        if (n >= strlen(marks[k]) && memcmp(text, marks[k], strlen(marks[k])) == 0)
            return strlen(marks[k]);
    while (i < n && isdigit((unsigned char)text[i])) i++;
    return i < n && text[i] == ']' ? i + 1 : 0;
}

/* Words of the line, and its longest. */
static size_t count_words(const char *line, size_t n, size_t *longest) {
    size_t words = 0;
    *longest = 0;
    for (size_t i = 0; i < n;) {
        while (i < n && is_space(line[i])) i++;
        size_t from = i;
        while (i < n && !is_space(line[i])) i++;
        words += i > from;
        if (i - from > *longest) *longest = i - from;
    }
    return words;
}

/* A mark that ends a sentence, before white space, a quote or the line's end. */
static size_t count_sentences(const char *line, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        bool mark = line[i] == '.' || line[i] == '!' || line[i] == '?';
        bool next =
            i + 1 < n && (line[i + 1] == '.' || line[i + 1] == '!' || line[i + 1] == '?');
        bool end = i + 1 == n || is_space(line[i + 1]) || line[i + 1] == '"' ||
                   line[i + 1] == '\'' || line[i + 1] == ')';
        count += mark && !next && end;
    }
    return count > 0 ? count : 1;
}

static glass_status put_line(struct buf *out, const char *line, size_t n) {
    if (out->len > 0) TRY(buf_byte(out, '\n'));
    for (size_t i = 0; i < n;) {
        const char *open = memchr(line + i, '[', n - i);
        size_t plain = open == NULL ? n - i : (size_t)(open - line) - i;
        TRY(buf_append(out, line + i, plain));
        i += plain;
        if (i == n) break;
        size_t cut = citation(line + i, n - i);
        if (cut == 0) TRY(buf_byte(out, '['));
        i += cut == 0 ? 1 : cut;
    }
    return GLASS_OK;
}

enum c4_line { C4_KEEP, C4_DROP, C4_REFUSE };

/* n: without white space at the end. */
static enum c4_line judge_line(const char *line, size_t n, struct clean_finding *why) {
    size_t longest, end = n, words = count_words(line, n, &longest);
    while (end > 0 && line[end - 1] == ']') { /* a citation does not end a line */
        size_t open = end;
        while (open > 0 && line[open - 1] != '[') open--;
        if (open == 0 || citation(line + open - 1, end - open + 1) != end - open + 1) break;
        end = open - 1;
    }
    if (longest > C4_WORD || words < C4_WORDS) return C4_DROP;
    if (end == 0 || strchr(".?!\"'", line[end - 1]) == NULL) return C4_DROP;
    if (end >= 3 && memcmp(line + end - 3, "...", 3) == 0) return C4_DROP;
    if (finds(line, n, "lorem ipsum")) {
        *why = (struct clean_finding){.rule = "c4.lorem-ipsum", .value = 1, .least = NAN};
        return C4_REFUSE;
    }
    if (finds(line, n, "javascript")) return C4_DROP;
    if (memchr(line, '{', n) != NULL) {
        *why = (struct clean_finding){.rule = "c4.curly-bracket", .value = 1, .least = NAN};
        return C4_REFUSE;
    }
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        if (finds(line, n, policies[i])) return C4_DROP;
    return C4_KEEP;
}

glass_status clean_c4(struct buf *out, const char *text, size_t n_bytes, size_t *n_lines,
                      bool *fine, struct clean_finding *why) {
    size_t sentences = 0;
    *n_lines = 0;
    *fine = true;
    for (size_t at = 0; at < n_bytes && *fine;) {
        size_t k = line_length(text + at, n_bytes - at), from = at, end = at + k;
        at = end + 1;
        while (from < end && is_space(text[from])) from++;
        while (end > from && is_space(text[end - 1])) end--;
        enum c4_line what = judge_line(text + from, end - from, why);
        if (what == C4_REFUSE) *fine = false;
        if (what == C4_DROP) *n_lines += end > from;
        if (what != C4_KEEP) continue;
        sentences += count_sentences(text + from, end - from);
        TRY(put_line(out, text + from, end - from));
    }
    if (!*fine) why->most = 0;
    if (*fine && sentences < C4_SENTENCES) {
        *fine = false;
        *why = (struct clean_finding){.rule = "c4.sentences",
                                      .value = (double)sentences,
                                      .least = C4_SENTENCES,
                                      .most = NAN};
    }
    return GLASS_OK;
}

/* ---- masks ---- */

static bool is_local(char c) {
    return isalnum((unsigned char)c) || (c != '\0' && strchr("._%+-", c) != NULL);
}

/* The address whose @ stands at text[at]: where it begins and ends. */
static bool email_at(const char *text, size_t n, size_t at, size_t *from, size_t *to) {
    size_t b = at, e = at + 1, dot = 0;
    while (b > 0 && at - b < 64 && is_local(text[b - 1])) b--;
    while (b < at && strchr(".%+-", text[b]) != NULL) b++;
    while (e < n && (isalnum((unsigned char)text[e]) || text[e] == '-' || text[e] == '.')) {
        if (text[e] == '.' && e > at + 1) dot = e;
        e++;
    }
    while (e > at + 1 && (text[e - 1] == '.' || text[e - 1] == '-')) e--;
    if (dot >= e) { /* the dot was a full stop: look for one before it */
        for (dot = e; dot > at + 1 && text[dot - 1] != '.'; dot--) {
        }
        dot = dot > at + 1 ? dot - 1 : 0;
    }
    size_t letters = dot > 0 ? e - dot - 1 : 0;
    for (size_t i = dot + 1; i < e && dot > 0; i++)
        if (!isalpha((unsigned char)text[i])) letters = 0;
    *from = b;
    *to = e;
    return b < at && dot > at + 1 && letters >= 2;
}

/* An address of IPv4 that is somebody's: none of private, local, documentation's, multicast. */
static size_t address_at(const char *text, size_t n) {
    unsigned part[4] = {0};
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        size_t digits = 0;
        while (at < n && digits < 4 && isdigit((unsigned char)text[at]))
            part[i] = part[i] * 10 + (unsigned)(text[at++] - '0'), digits++;
        if (digits == 0 || digits > 3 || part[i] > 255) return 0;
        if (digits > 1 && text[at - digits] == '0') return 0;
        if (i < 3 && (at == n || text[at++] != '.')) return 0;
    }
    if (at < n && (isalnum((unsigned char)text[at]) ||
                   (text[at] == '.' && at + 1 < n && isdigit((unsigned char)text[at + 1]))))
        return 0;
    unsigned a = part[0], b = part[1], c = part[2];
    bool reserved = a < 1 || a == 10 || a == 127 || a >= 224 ||
                    (a == 172 && b >= 16 && b < 32) || (a == 192 && b == 168) ||
                    (a == 169 && b == 254) || (a == 100 && b >= 64 && b < 128) ||
                    (a == 192 && b == 0 && c == 2) || (a == 198 && b == 51 && c == 100) ||
                    (a == 203 && b == 0 && c == 113);
    /* 1.2.3.4 is a version far more often. */
    bool version = a < 10 && b < 10 && c < 10 && part[3] < 10;
    return reserved || version ? 0 : at;
}

/* Beginnings of secrets as their makers write them, and what follows. */
static const struct {
    const char *start;
    size_t least; /* letters, digits, - and _ behind it */
    bool upper;   /* capitals and digits alone */
} secrets[] = {{"AKIA", 16, true},      {"ASIA", 16, true},      {"ghp_", 36, false},
               {"gho_", 36, false},     {"ghs_", 36, false},     {"github_pat_", 60, false},
               {"glpat-", 20, false},   {"xoxb-", 20, false},    {"xoxp-", 20, false},
               {"sk-ant-", 40, false},  {"sk-proj-", 40, false}, {"sk_live_", 20, false},
               {"rk_live_", 20, false}, {"AIza", 35, false},     {"hf_", 34, false}};

static size_t private_key(const char *text, size_t n) {
    static const char begin[] = "-----BEGIN ", end[] = "PRIVATE KEY-----";
    if (n < 40 || memcmp(text, begin, sizeof begin - 1) != 0) return 0;
    size_t head = line_length(text, n < 80 ? n : 80);
    if (memmem(text, head, end, sizeof end - 1) == NULL) return 0;
    const char *stop = memmem(text + head, n - head, "-----END ", 9);
    const char *last =
        stop ? memmem(stop, n - (size_t)(stop - text), end, sizeof end - 1) : NULL;
    return last == NULL ? 0 : (size_t)(last - text) + sizeof end - 1;
}

static size_t secret_at(const char *text, size_t n) {
    if (n < 3) return 0;
    if (text[0] == '-') return private_key(text, n);
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        size_t k = strlen(secrets[i].start), e = k;
        if (text[0] != secrets[i].start[0] || text[1] != secrets[i].start[1]) continue;
        if (n < k + secrets[i].least || memcmp(text, secrets[i].start, k) != 0) continue;
        while (e < n && (isalnum((unsigned char)text[e]) ||
                         (!secrets[i].upper && (text[e] == '-' || text[e] == '_')))) {
            if (secrets[i].upper && islower((unsigned char)text[e])) return 0;
            e++;
        }
        if (e - k >= secrets[i].least && (!secrets[i].upper || e - k == secrets[i].least))
            return e;
    }
    return 0;
}

/* What an address or a key begins with, or has in its middle. */
static const bool maskable[256] = {
    ['@'] = true, ['0'] = true, ['1'] = true, ['2'] = true, ['3'] = true, ['4'] = true,
    ['5'] = true, ['6'] = true, ['7'] = true, ['8'] = true, ['9'] = true, ['A'] = true,
    ['g'] = true, ['x'] = true, ['s'] = true, ['r'] = true, ['h'] = true, ['-'] = true};

static bool in_word(const char *text, size_t at) {
    return at > 0 && isalnum((unsigned char)text[at - 1]);
}

glass_status clean_mask(struct buf *out, const char *text, size_t n_bytes,
                        struct clean_masked *n) {
    size_t plain = 0;
    *n = (struct clean_masked){0};
    for (size_t at = 0; at < n_bytes; at++) {
        char c = text[at];
        size_t from = at, to = 0;
        const char *mask = NULL;
        if (!maskable[(unsigned char)c]) continue;
        if (c == '@') {
            if (email_at(text, n_bytes, at, &from, &to) && from >= plain) {
                mask = "<email>";
                n->emails++;
            }
        } else if (in_word(text, at)) {
            continue;
        } else if (c >= '0' && c <= '9') {
            size_t k =
                at > 0 && text[at - 1] == '.' ? 0 : address_at(text + at, n_bytes - at);
            if (k > 0) {
                mask = "<address>";
                to = at + k;
                n->addresses++;
            }
        } else {
            size_t k = secret_at(text + at, n_bytes - at);
            if (k > 0) {
                mask = "<key>";
                to = at + k;
                n->keys++;
            }
        }
        if (mask == NULL) continue;
        TRY(buf_append(out, text + plain, from - plain));
        TRY(buf_text(out, mask));
        plain = to;
        at = to - 1;
    }
    return buf_append(out, text + plain, n_bytes - plain);
}
