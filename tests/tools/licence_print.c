/* licence_print.c - makes a file of src/open/licences from a draft and the licence's text.
 *
 *   licence_print DRAFT TEXT [SOURCE [COPY SOURCE]…] > src/open/licences/KEY.licence
 *
 * A draft has the lines of such a file but for fingerprints; where WORD+N should stand, it may
 * have "the words of the text", or "first words" ... "last words" for all between. These are looked
 * for in the text and become numbers: no words of the text are kept. */
#include "base/buf.h"
#include "base/hash.h"
#include "base/path.h"
#include "open/licence_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = LICENCE_TEXT_MOST };

struct known {
    struct buf text;
    struct licence_words words;
};

/* Where the words of phrase stand from word `from` on, or -1. */
static int64_t find(const struct known *k, const char *phrase, size_t n, int64_t from,
                    int64_t *n_words) {
    struct licence_words p;
    int64_t found = -1;
    if (licence_words_make(&p, phrase, n) != GLASS_OK) return -1;
    for (int64_t i = from; p.n > 0 && i + p.n <= k->words.n && found < 0; i++) {
        int64_t same = 0;
        while (same < p.n && k->words.words[i + same].hash == p.words[same].hash) same++;
        if (same == p.n) found = i;
    }
    *n_words = p.n;
    licence_words_clear(&p);
    return found;
}

/* "phrase" or "first" ... "last" at *text: prints its place, moves behind it. */
static bool print_place(const struct known *k, const char **text) {
    const char *start = *text + 1, *end = strchr(start, '"');
    int64_t n, m;
    if (end == NULL) return false;
    int64_t at = find(k, start, (size_t)(end - start), 0, &n);
    if (at < 0) {
        fprintf(stderr, "not in the text: %.*s\n", (int)(end - start), start);
        return false;
    }
    if (strncmp(end, "\" ... \"", 7) == 0) {
        start = end + 7;
        end = strchr(start, '"');
        if (end == NULL) return false;
        int64_t last = find(k, start, (size_t)(end - start), at + n, &m);
        if (last < 0) {
            fprintf(stderr, "not behind it: %.*s\n", (int)(end - start), start);
            return false;
        }
        n = last + m - at;
    }
    printf("%" PRId64 "+%" PRId64, at, n);
    *text = end + 1;
    return true;
}

static bool print_draft(const struct known *k, const char *draft) {
    bool good = true;
    for (const char *line = draft; *line && good;) {
        const char *end = strchr(line, '\n');
        if (end == NULL) end = line + strlen(line);
        const char *quote = strstr(line, "| \"");
        bool row = strncmp(line, "row ", 4) == 0, open = strncmp(line, "open \"", 6) == 0;
        if ((row && quote != NULL && quote < end) || open) {
            const char *at = open ? line + 5 : quote + 2;
            printf("%.*s", (int)(at - line), line);
            good = print_place(k, &at);
            if (good) printf("%.*s\n", (int)(end - at), at);
        } else if (end > line) {
            printf("%.*s\n", (int)(end - line), line);
        }
        line = *end ? end + 1 : end;
    }
    return good;
}

/* ---- sections ---- */

struct heading {
    char top[24], letter[8], roman[8];
    size_t indent; /* of the last number at the top */
    bool sections; /* "Section 1" was seen: plain numbers stand below */
};

static bool is_roman(const char *s, size_t n) {
    return n > 0 && n < 6 && strspn(s, "ivx") >= n;
}

/* A mark at the start of a line: sets h; returns its bytes, or 0. */
static size_t read_mark(struct heading *h, const char *s, size_t indent) {
    size_t i = 0, n;
    if (strncasecmp(s, "section ", 8) == 0 && isdigit((unsigned char)s[8])) {
        n = strspn(s + 8, "0123456789");
        if (n > 2) return 0;
        snprintf(h->top, sizeof h->top, "%.*s", (int)n, s + 8);
        h->letter[0] = h->roman[0] = '\0';
        h->sections = true;
        return 8 + n;
    }
    bool bracket = s[0] == '(';
    i += bracket;
    n = strspn(s + i, "0123456789.");
    while (n > 0 && s[i + n - 1] == '.') n--;
    if (n > 0 && n < 8 && !bracket &&
        (s[i + n] == '.' || s[i + n] == ')' || isspace((unsigned char)s[i + n]) ||
         s[i + n] == '\\') &&
        (s[i + n] != ' ' || memchr(s + i, '.', n) ||
         isupper((unsigned char)s[i + n + 1]))) {
        bool dotted = memchr(s + i, '.', n) != NULL;
        if (!dotted && ((indent > h->indent && h->top[0]) || h->sections)) {
            snprintf(h->roman, sizeof h->roman, "%.*s", (int)n, s + i);
        } else {
            snprintf(h->top, sizeof h->top, "%.*s", (int)n, s + i);
            h->letter[0] = h->roman[0] = '\0';
            h->indent = indent;
        }
        return i + n;
    }
    n = 0;
    while (n < 6 && islower((unsigned char)s[i + n])) n++;
    char after = s[i + n];
    if (n == 0 || !(after == ')' || (after == '.' && !bracket))) return 0;
    bool next = n == 1 && h->letter[0] != '\0' && s[i] == h->letter[0] + 1;
    if (is_roman(s + i, n) && !(next && h->roman[0] == '\0'))
        snprintf(h->roman, sizeof h->roman, "%.*s", (int)n, s + i);
    else if (n == 1) {
        snprintf(h->letter, sizeof h->letter, "%.*s", (int)n, s + i);
        h->roman[0] = '\0';
    } else
        return 0;
    return i + n + 1;
}

static void print_sections(const struct known *k) {
    struct heading h = {0};
    const char *text = k->text.data, *line = text;
    while (*line) {
        const char *s = line + strspn(line, " \t#*>_\\");
        size_t n = read_mark(&h, s, (size_t)(s - line));
        int64_t w = 0;
        while (w < k->words.n && k->words.words[w].begin < (size_t)(s - text) + n) w++;
        if (n > 0 && w < k->words.n)
            printf("section %" PRId64 "+0 %s%s%s%s%s\n", w, h.top, h.letter[0] ? "." : "",
                   h.letter, h.roman[0] ? "." : "", h.roman);
        const char *end = strchr(line, '\n');
        line = end ? end + 1 : line + strlen(line);
    }
}

static void print_shingles(const struct licence_words *w) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    printf("words %" PRId64 "\n", w->n);
    for (int64_t i = 0; i + LICENCE_SHINGLE <= w->n; i++) {
        uint16_t s = licence_shingle(w->words + i);
        printf("%s%c%c", i % 45 == 0 ? (i ? "\ns " : "s ") : "", digits[s >> 6],
               digits[s & 63]);
    }
    printf("\n");
}

static bool print_copy(const char *path, const char *source) {
    uint8_t digest[32];
    char hex[65];
    if (sha256_file(digest, path) != GLASS_OK) return false;
    sha256_hex(hex, digest);
    printf("sha256 %s | %s\n", hex, source);
    return true;
}

int main(int argc, char **argv) {
    struct known k = {0};
    struct buf draft = {0};
    if (argc < 4 || argc % 2 != 0) {
        fprintf(stderr, "usage: licence_print DRAFT TEXT SOURCE [COPY SOURCE]...\n");
        return 2;
    }
    bool good = path_read_whole(&draft, argv[1], MOST) == GLASS_OK &&
                path_read_whole(&k.text, argv[2], MOST) == GLASS_OK &&
                licence_words_make(&k.words, k.text.data, k.text.len) == GLASS_OK &&
                print_draft(&k, draft.data);
    for (int i = 2; good && i + 1 < argc; i += 2) good = print_copy(argv[i], argv[i + 1]);
    if (good) {
        print_sections(&k);
        print_shingles(&k.words);
    } else if (*glass_error()) {
        fprintf(stderr, "%s\n", glass_error());
    }
    licence_words_clear(&k.words);
    buf_free(&k.text);
    buf_free(&draft);
    return good ? 0 : 3;
}
