/* clause_table.c - see clause_table.h. */
#include "open/clause_table.h"

#include "base/hash.h"
#include "base/mem.h"
#include "open/licence_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Made by the Makefile of src/open/licences/ *.licence, one after another. */
extern const unsigned char clause_data[];
extern const size_t clause_data_bytes;

enum { MOST_WORDS = 1 << 20 };

struct parser {
    struct clause_table *table;
    struct clause_licence *licence;
    const char *name;
    int line;
};

static glass_status bad(const struct parser *p, const char *what) {
    return fail(GLASS_BAD_INPUT, "%s: line %d: %s", p->name, p->line, what);
}

/* The text up to the next " | ", which is cut off; *rest is behind it, "" at the end. */
static char *piece(char **rest) {
    char *start = *rest, *bar = strstr(start, " | ");
    if (bar == NULL) {
        *rest += strlen(start);
        return start;
    }
    *bar = '\0';
    *rest = bar + 3;
    return start;
}

/* The next word, cut off. */
static char *word(char **rest) {
    char *start = *rest + strspn(*rest, " ");
    char *end = start + strcspn(start, " ");
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return start;
}

/* "812+14"; "-" is none. */
static bool span(int64_t *first, int64_t *n, const char *text) {
    char *end;
    *first = *n = 0;
    if (strcmp(text, "-") == 0) return true;
    if (!isdigit((unsigned char)*text)) return false;
    *first = strtoll(text, &end, 10);
    if (*end != '+' || !isdigit((unsigned char)end[1])) return false;
    *n = strtoll(end + 1, &end, 10);
    return *end == '\0' && *first < MOST_WORDS && *n < MOST_WORDS;
}

/* One more item of a list. */
#define PUSH(list, count, ...)                                                             \
    do {                                                                                   \
        if (((count) & ((count)-1)) == 0)                                                  \
            TRY(mem_resize(&(list), (count) > 0 ? 2 * (size_t)(count) : 1,                 \
                           sizeof *(list)));                                               \
        (list)[(count)++] = __VA_ARGS__;                                                   \
    } while (0)

static glass_status take_row(struct parser *p, char *rest) {
    struct clause_row row = {0};
    char *head = piece(&rest), *section = piece(&rest), *place = piece(&rest);
    row.topic = word(&head);
    row.answer = word(&head);
    row.detail = head + strspn(head, " ");
    row.section = section;
    row.words = rest;
    if (*row.answer == '\0' || *section == '\0' || *rest == '\0' ||
        !span(&row.at, &row.n, place))
        return bad(p, "a row is TOPIC ANSWER [DETAIL] | SECTION | WORD+N | words");
    PUSH(p->licence->rows, p->licence->n_rows, row);
    return GLASS_OK;
}

static int digit64(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static glass_status take_shingles(struct parser *p, const char *text) {
    struct clause_licence *l = p->licence;
    int64_t most = l->n_words - LICENCE_SHINGLE + 1, *n = &l->n_shingles;
    if (l->shingles == NULL)
        TRY(mem_alloc(&l->shingles, (size_t)most, sizeof *l->shingles));
    for (; text[0] != '\0'; text += 2, (*n)++) {
        int high = digit64(text[0]), low = digit64(text[1]);
        if (high < 0 || low < 0 || *n >= most) return bad(p, "these are no shingles");
        l->shingles[*n] = (uint16_t)(high << 6 | low);
    }
    return GLASS_OK;
}

static glass_status take_words(struct parser *p, const char *rest) {
    p->licence->n_words = strtoll(rest, NULL, 10);
    if (p->licence->n_words < LICENCE_SHINGLE || p->licence->n_words > MOST_WORDS)
        return bad(p, "so many words no licence has");
    return GLASS_OK;
}

static glass_status take_span(struct parser *p, bool open, char *rest) {
    struct clause_licence *l = p->licence;
    struct clause_span s = {.name = ""};
    if (!span(&s.at, &s.n, word(&rest))) return bad(p, "WORD+N should be here");
    s.name = rest;
    if (open)
        PUSH(l->open, l->n_open, s);
    else
        PUSH(l->sections, l->n_sections, s);
    return GLASS_OK;
}

static glass_status take_copy(struct parser *p, char *rest) {
    struct clause_copy copy = {0};
    const char *hex = piece(&rest);
    if (!sha256_parse(copy.sha256, hex, strlen(hex))) return bad(p, "this is no SHA-256");
    copy.source = rest;
    PUSH(p->licence->copies, p->licence->n_copies, copy);
    return GLASS_OK;
}

/* Keys with one text. */
static const char **text_of(struct clause_licence *l, const char *key) {
    const struct {
        const char *key;
        const char **text;
    } all[] = {{"name", &l->name},     {"version", &l->version}, {"id", &l->id},
               {"kind", &l->kind},     {"about", &l->about},     {"tags", &l->tags},
               {"links", &l->links},   {"policy", &l->policy},   {"note", &l->note},
               {"models", &l->models}, {"osi", &l->osi},         {"fsf", &l->fsf},
               {"dfsg", &l->dfsg}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].key, key) == 0) return all[i].text;
    return NULL;
}

static glass_status end_licence(const struct parser *p) {
    const struct clause_licence *l = p->licence;
    if (l != NULL && l->n_words > 0 && l->n_shingles != l->n_words - LICENCE_SHINGLE + 1)
        return bad(p, "the licence before this has too few shingles");
    return GLASS_OK;
}

static glass_status start_licence(struct parser *p, const char *key) {
    struct clause_licence l = {.key = key};
    l.name = l.version = l.id = l.kind = l.about = l.tags = l.links = l.policy = l.models =
        l.note = "";
    l.osi = l.fsf = l.dfsg = "unknown";
    l.osi_source = l.fsf_source = l.dfsg_source = "nobody that we know of says so";
    PUSH(p->table->licences, p->table->n, l);
    p->licence = &p->table->licences[p->table->n - 1];
    return GLASS_OK;
}

static glass_status take_line(struct parser *p, char *line) {
    if (*line == '\0' || *line == '#') return GLASS_OK;
    char *rest = line;
    const char *key = word(&rest);
    if (strcmp(key, "licence") == 0) {
        TRY(end_licence(p));
        return start_licence(p, rest);
    }
    struct clause_licence *l = p->licence;
    if (l == NULL) return bad(p, "a file begins with its licence's key");
    if (strcmp(key, "row") == 0) return take_row(p, rest);
    if (strcmp(key, "s") == 0 && l->n_words > 0) return take_shingles(p, rest);
    if (strcmp(key, "words") == 0) return take_words(p, rest);
    if (strcmp(key, "open") == 0) return take_span(p, true, rest);
    if (strcmp(key, "section") == 0) return take_span(p, false, rest);
    if (strcmp(key, "sha256") == 0) return take_copy(p, rest);
    const char **text = text_of(l, key);
    if (text == NULL) return bad(p, "this key is not known");
    *text = piece(&rest);
    if (text == &l->osi && *rest) l->osi_source = rest;
    if (text == &l->fsf && *rest) l->fsf_source = rest;
    if (text == &l->dfsg && *rest) l->dfsg_source = rest;
    return GLASS_OK;
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const struct clause_licence *)a)->key,
                  ((const struct clause_licence *)b)->key);
}

glass_status clause_table_parse(struct clause_table *out, const char *text, size_t n,
                                const char *name) {
    struct parser p = {.table = out, .name = name};
    *out = (struct clause_table){0};
    glass_status status = mem_copy_text(&out->text, text, n);
    for (char *line = out->text; status == GLASS_OK && line != NULL;) {
        char *next = strchr(line, '\n');
        if (next != NULL) *next++ = '\0';
        p.line++;
        status = take_line(&p, line);
        line = next;
    }
    if (status == GLASS_OK) status = end_licence(&p);
    if (status != GLASS_OK)
        clause_table_close(out);
    else if (out->n > 1)
        qsort(out->licences, (size_t)out->n, sizeof *out->licences, by_key);
    return status;
}

glass_status clause_table_open(struct clause_table *out) {
    return clause_table_parse(out, (const char *)clause_data, clause_data_bytes,
                              "the table of licences");
}

void clause_table_close(struct clause_table *t) {
    for (int i = 0; i < t->n; i++) {
        struct clause_licence *l = &t->licences[i];
        mem_free(l->rows);
        mem_free(l->copies);
        mem_free(l->sections);
        mem_free(l->open);
        mem_free(l->shingles);
    }
    mem_free(t->licences);
    mem_free(t->text);
    *t = (struct clause_table){0};
}

/* Whether words, parted by blanks, hold name. */
static bool holds(const char *words, const char *name) {
    size_t n = strlen(name);
    for (const char *p = words; n > 0 && *p;) {
        size_t k = strcspn(p, " ");
        if (k == n && strncasecmp(p, name, n) == 0) return true;
        p += k;
        p += strspn(p, " ");
    }
    return false;
}

const struct clause_licence *clause_table_find(const struct clause_table *t,
                                               const char *name) {
    for (int i = 0; i < t->n; i++)
        if (strcasecmp(t->licences[i].key, name) == 0 ||
            strcasecmp(t->licences[i].id, name) == 0)
            return &t->licences[i];
    for (int i = 0; i < t->n; i++)
        if (holds(t->licences[i].tags, name)) return &t->licences[i];
    return NULL;
}

const struct clause_licence *clause_table_model(const struct clause_table *t,
                                                const char *name) {
    const struct clause_licence *best = NULL;
    size_t longest = 0;
    for (int i = 0; i < t->n; i++)
        for (const char *p = t->licences[i].models; *p;) {
            size_t n = strcspn(p, " ");
            if (n > longest && strncasecmp(name, p, n) == 0) {
                best = &t->licences[i];
                longest = n;
            }
            p += n;
            p += strspn(p, " ");
        }
    return best;
}

/* Where an address stands in text, not as the start of a longer word ("/license" of
 * "/license-2"); n_bytes: nowhere. */
static size_t find_link(const char *text, size_t n_bytes, const char *link, size_t n) {
    for (size_t at = 0; at + n <= n_bytes; at++) {
        char after = at + n < n_bytes ? text[at + n] : ' ';
        if (strncasecmp(text + at, link, n) == 0 &&
            !(isalnum((unsigned char)after) || after == '-'))
            return at;
    }
    return n_bytes;
}

const struct clause_licence *clause_table_link(const struct clause_table *t,
                                               const char *text, size_t n_bytes,
                                               size_t *at) {
    const struct clause_licence *best = NULL;
    size_t longest = 0;
    for (int i = 0; i < t->n; i++)
        for (const char *p = t->licences[i].links; *p;) {
            size_t n = strcspn(p, " ");
            size_t place = n > longest ? find_link(text, n_bytes, p, n) : n_bytes;
            if (place < n_bytes) {
                best = &t->licences[i];
                longest = n;
                *at = place;
            }
            p += n;
            p += strspn(p, " ");
        }
    return best;
}
