/* grammar_regex.c - reading patterns. Source: ECMA-262, Pattern (21.2.1 of its 2020 edition). */
#include "text/grammar_regex.h"

#include "base/utf8.h"

#include <utf8proc.h>

struct pattern {
    struct gram_regex *r;
    struct gram_tree *t;
    const char *text;
    size_t n, at;
    int depth;
};
struct set {
    struct gram_range *items;
    uint32_t n, cap;
};

void gram_regex_clear(struct gram_regex *r) {
    for (int i = 0; i < 3; i++) mem_free(r->wide[i]);
    *r = (struct gram_regex){0};
}

static glass_status wrong(const struct pattern *p, size_t at, const char *what) {
    (void)p;
    return fail(GLASS_BAD_INPUT, "byte %zu of the pattern: %s", at, what);
}

static int peek(const struct pattern *p, size_t ahead) {
    return p->at + ahead < p->n ? (uint8_t)p->text[p->at + ahead] : -1;
}

/* --- sets of characters ------------------------------------------------------------------- */

static glass_status add(struct set *s, uint32_t low, uint32_t high) {
    if (s->n == s->cap) {
        uint32_t cap = s->cap ? 2 * s->cap : 16;
        TRY(mem_resize(&s->items, cap, sizeof *s->items));
        s->cap = cap;
    }
    s->items[s->n++] = (struct gram_range){low, high};
    return GLASS_OK;
}

static glass_status add_text(struct set *s, const char *ranges) {
    for (; *ranges != '\0'; ranges += 2)
        TRY(add(s, (uint8_t)ranges[0], (uint8_t)ranges[1]));
    return GLASS_OK;
}

static bool is_wide(int which, uint32_t c) {
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    bool number =
        k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
    if (which == 0) return number;
    if (which == 1)
        return number || (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_ME) ||
               k == UTF8PROC_CATEGORY_PC;
    return (k >= UTF8PROC_CATEGORY_ZS && k <= UTF8PROC_CATEGORY_ZP) ||
           (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f) || c == 0x85 || c == 0xfeff;
}

static glass_status find_wide(struct gram_regex *r, int which) {
    struct set s = {0};
    if (r->wide[which] != NULL) return GLASS_OK;
    for (uint32_t c = 0, from = GRAM_NONE; c <= 0x110000; c++) {
        bool in = c < 0x110000 && is_wide(which, c);
        if (in && from == GRAM_NONE) from = c;
        if (in || from == GRAM_NONE) continue;
        glass_status status = add(&s, from, c - 1);
        from = GRAM_NONE;
        if (status == GLASS_OK) continue;
        mem_free(s.items);
        return status;
    }
    r->wide[which] = s.items;
    r->n_wide[which] = s.n;
    return GLASS_OK;
}

static glass_status add_not(struct set *s, struct set *what) {
    struct gram_range *others;
    what->n = gram_ranges_tidy(what->items, what->n);
    TRY(mem_alloc(&others, (size_t)what->n + 3, sizeof *others));
    uint32_t n = gram_ranges_not(others, what->items, what->n);
    glass_status status = GLASS_OK;
    for (uint32_t i = 0; status == GLASS_OK && i < n; i++)
        status = add(s, others[i].low, others[i].high);
    mem_free(others);
    return status;
}

/* \d \w \s and, upper, what they are not; wide: more than ECMA-262's. */
static glass_status add_kind(struct gram_regex *r, struct set *s, char name, bool wide) {
    static const char *const narrow[] = {"09", "09AZaz__", "\t\r  "};
    int which = name == 'd' || name == 'D' ? 0 : name == 'w' || name == 'W' ? 1 : 2;
    bool upper = name < 'a';
    struct set base = {0};
    glass_status status = GLASS_OK;
    if (wide != upper) {
        status = find_wide(r, which);
        for (uint32_t i = 0; status == GLASS_OK && i < r->n_wide[which]; i++)
            status = add(&base, r->wide[which][i].low, r->wide[which][i].high);
    }
    if (status == GLASS_OK) status = add_text(&base, narrow[which]);
    if (status == GLASS_OK && upper) {
        status = add_not(s, &base);
    } else {
        for (uint32_t i = 0; status == GLASS_OK && i < base.n; i++)
            status = add(s, base.items[i].low, base.items[i].high);
    }
    mem_free(base.items);
    return status;
}

/* --- escapes ------------------------------------------------------------------------------ */

static bool take_hex(struct pattern *p, int digits, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < digits; i++) {
        int h = peek(p, (size_t)i);
        int value = h >= '0' && h <= '9'   ? h - '0'
                    : h >= 'a' && h <= 'f' ? h - 'a' + 10
                    : h >= 'A' && h <= 'F' ? h - 'A' + 10
                                           : -1;
        if (value < 0) return false;
        *out = *out << 4 | (uint32_t)value;
    }
    p->at += (size_t)digits;
    return true;
}

/* Behind \u: four digits, two times four for what is beyond U+FFFF, or {digits}. */
static glass_status take_unicode(struct pattern *p, uint32_t *out) {
    size_t at = p->at;
    uint32_t low;
    if (peek(p, 0) == '{') {
        int digits = 0;
        while (digits < 7 && peek(p, 1 + (size_t)digits) != '}') digits++;
        p->at++;
        if (digits == 0 || !take_hex(p, digits, out) || peek(p, 0) != '}' ||
            *out > 0x10ffff)
            return wrong(p, at, "a character's number should be here");
        p->at++;
        return GLASS_OK;
    }
    if (!take_hex(p, 4, out)) return wrong(p, at, "\\u needs four hexadecimal digits");
    if (*out < 0xd800 || *out > 0xdbff || peek(p, 0) != '\\' || peek(p, 1) != 'u')
        return GLASS_OK;
    p->at += 2;
    if (!take_hex(p, 4, &low) || low < 0xdc00 || low > 0xdfff)
        return wrong(p, at, "half of a pair of surrogates");
    *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
    return GLASS_OK;
}

/* One character, escaped or not; *kind is one of dDwWsS instead, or '\0'. */
static glass_status take_char(struct pattern *p, uint32_t *c, char *kind, bool in_class) {
    static const char names[] = "t\tn\nr\rf\fv\v";
    size_t at = p->at;
    *kind = '\0';
    if (peek(p, 0) != '\\') {
        p->at += utf8_decode(c, p->text + p->at, p->n - p->at);
        return *c == UTF8_BAD ? wrong(p, at, "this is not UTF-8") : GLASS_OK;
    }
    int e = peek(p, 1);
    p->at += 2;
    if (e < 0) return wrong(p, at, "\\ at the end");
    for (int i = 0; names[i] != '\0'; i += 2)
        if (names[i] == e) {
            *c = (uint8_t)names[i + 1];
            return GLASS_OK;
        }
    if (e != 0 && strchr("dDwWsS", e) != NULL) {
        *kind = (char)e;
        return GLASS_OK;
    }
    if (e == 'x') {
        if (!take_hex(p, 2, c)) return wrong(p, at, "\\x needs two hexadecimal digits");
        return GLASS_OK;
    }
    if (e == 'u') return take_unicode(p, c);
    if (e == 'b' && in_class) {
        *c = '\b';
        return GLASS_OK;
    }
    if ((e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z') || (e >= '0' && e <= '9'))
        return wrong(p, at,
                     e == 'b' || e == 'B'   ? "word boundaries are not understood"
                     : e >= '1' && e <= '9' ? "references to groups are not regular"
                                            : "an escape that is not understood");
    p->at = at + 1;
    p->at += utf8_decode(c, p->text + p->at, p->n - p->at);
    return *c == UTF8_BAD ? wrong(p, at, "this is not UTF-8") : GLASS_OK;
}

/* --- classes ------------------------------------------------------------------------------ */

static glass_status class_item(struct pattern *p, struct set *s, bool negated) {
    uint32_t low, high;
    char kind;
    size_t at = p->at;
    TRY(take_char(p, &low, &kind, true));
    if (kind != '\0') {
        if (peek(p, 0) == '-' && peek(p, 1) != ']')
            return wrong(p, at, "a range from a class of characters");
        return add_kind(p->r, s, kind, negated);
    }
    if (peek(p, 0) != '-' || peek(p, 1) == ']' || peek(p, 1) < 0) return add(s, low, low);
    p->at++;
    TRY(take_char(p, &high, &kind, true));
    if (kind != '\0') return wrong(p, at, "a range to a class of characters");
    if (high < low) return wrong(p, at, "a range that runs backwards");
    return add(s, low, high);
}

static glass_status take_class(struct pattern *p, uint32_t *out) {
    struct set s = {0}, inverse = {0};
    size_t at = p->at++;
    bool negated = peek(p, 0) == '^';
    glass_status status = GLASS_OK;
    p->at += negated;
    while (status == GLASS_OK && peek(p, 0) != ']')
        status = peek(p, 0) < 0 ? wrong(p, at, "this class has no closing ]")
                                : class_item(p, &s, negated);
    p->at++;
    if (status == GLASS_OK && negated) {
        status = add_not(&inverse, &s);
        mem_free(s.items);
        s = inverse;
    }
    if (status == GLASS_OK) {
        s.n = gram_ranges_tidy(s.items, s.n);
        status = gram_class(p->t, out, GRAM_STRING, s.items, s.n);
    }
    mem_free(s.items);
    return status;
}

static glass_status take_one(struct pattern *p, uint32_t *out) {
    struct set s = {0};
    uint32_t c;
    char kind;
    TRY(take_char(p, &c, &kind, false));
    glass_status status = kind != '\0' ? add_kind(p->r, &s, kind, false) : add(&s, c, c);
    if (status == GLASS_OK) {
        s.n = gram_ranges_tidy(s.items, s.n);
        status = gram_class(p->t, out, GRAM_STRING, s.items, s.n);
    }
    mem_free(s.items);
    return status;
}

static glass_status any_char(struct gram_tree *t, uint32_t *out) {
    static const struct gram_range any = {1, 0x10ffff};
    TRY(gram_class(t, out, GRAM_STRING, &any, 1));
    return gram_settle(t, out, "any character");
}

glass_status gram_regex_any(struct gram_regex *r, uint32_t *out, uint32_t min,
                            uint32_t max) {
    TRY(any_char(r->t, out));
    return gram_times(r->t, out, *out, min, max);
}

static glass_status take_dot(struct pattern *p, uint32_t *out) {
    static const struct gram_range any[] = {
        {1, '\n' - 1}, {'\n' + 1, '\r' - 1}, {'\r' + 1, 0x2027}, {0x202a, 0x10ffff}};
    p->at++;
    return gram_class(p->t, out, GRAM_STRING, any, 4);
}

/* --- the whole ---------------------------------------------------------------------------- */

static glass_status take_choices(struct pattern *p, uint32_t *out, bool top);

static glass_status take_group(struct pattern *p, uint32_t *out) {
    size_t at = p->at++;
    if (++p->depth > GRAM_DEPTH) return wrong(p, at, "groups nested too deeply");
    if (peek(p, 0) == '?') {
        if (peek(p, 1) == ':') {
            p->at += 2;
        } else if (peek(p, 1) == '<' && peek(p, 2) != '=' && peek(p, 2) != '!') {
            while (peek(p, 0) >= 0 && peek(p, 0) != '>') p->at++;
            p->at++;
        } else {
            return wrong(p, at, "looking ahead or behind is not understood");
        }
    }
    TRY(take_choices(p, out, false));
    if (peek(p, 0) != ')') return wrong(p, at, "this group has no closing )");
    p->at++;
    p->depth--;
    return GLASS_OK;
}

static bool take_number(struct pattern *p, uint32_t *out) {
    bool any = false;
    *out = 0;
    for (; peek(p, 0) >= '0' && peek(p, 0) <= '9'; p->at++, any = true)
        if (*out <= GRAM_REPEAT) *out = 10 * *out + (uint32_t)(peek(p, 0) - '0');
    return any;
}

static glass_status take_times(struct pattern *p, uint32_t *item) {
    size_t at = p->at;
    uint32_t min = 0, max = GRAM_NONE;
    int c = peek(p, 0);
    if (*item == GRAM_NONE) return wrong(p, at, "there is nothing to repeat here");
    p->at++;
    if (c == '{') {
        bool good = take_number(p, &min);
        max = min;
        if (good && peek(p, 0) == ',') {
            p->at++;
            max = GRAM_NONE;
            if (peek(p, 0) != '}') good = take_number(p, &max);
        }
        if (!good || peek(p, 0) != '}' || max < min)
            return wrong(p, at, "{m}, {m,} or {m,n} should be here");
        p->at++;
        if (min > GRAM_REPEAT || (max != GRAM_NONE && max > GRAM_REPEAT))
            return wrong(p, at, "more repetitions than 65536");
    } else {
        min = c == '+';
        max = c == '?' ? 1 : GRAM_NONE;
    }
    if (peek(p, 0) == '?') p->at++; /* as few as possible: the same texts */
    if (peek(p, 0) == '+' || peek(p, 0) == '*' || peek(p, 0) == '{')
        return wrong(p, p->at, "there is nothing to repeat here");
    if (min > 1 || (max > 1 && max != GRAM_NONE)) TRY(gram_settle(p->t, item, "pattern"));
    return gram_times(p->t, item, *item, min, max);
}

/* One alternative. At the top ^ may begin it and $ end it; any text stands where they do
 * not. */
static glass_status take_sequence(struct pattern *p, uint32_t *out, bool top) {
    uint32_t item = GRAM_NONE;
    bool ended = false;
    TRY(gram_seq(p->t, out));
    if (top && peek(p, 0) == '^') {
        p->at++;
    } else if (top) {
        TRY(gram_regex_any(p->r, &item, 0, GRAM_NONE));
        gram_add(p->t, *out, item);
        item = GRAM_NONE;
    }
    for (int c; (c = peek(p, 0)) >= 0 && c != '|' && c != ')';) {
        if (c == '*' || c == '+' || c == '?' || c == '{') {
            TRY(take_times(p, &item));
            continue;
        }
        if (item != GRAM_NONE) gram_add(p->t, *out, item);
        item = GRAM_NONE;
        if (c == '$' && top && (peek(p, 1) < 0 || peek(p, 1) == '|')) {
            p->at++;
            ended = true;
            break;
        }
        if (c == '^' || c == '$')
            return wrong(p, p->at,
                         "^ and $ are understood only at the ends of a pattern "
                         "and of its alternatives");
        TRY(c == '('   ? take_group(p, &item)
            : c == '[' ? take_class(p, &item)
            : c == '.' ? take_dot(p, &item)
                       : take_one(p, &item));
    }
    if (item != GRAM_NONE) gram_add(p->t, *out, item);
    if (!top || ended) return GLASS_OK;
    TRY(gram_regex_any(p->r, &item, 0, GRAM_NONE));
    gram_add(p->t, *out, item);
    return GLASS_OK;
}

static glass_status take_choices(struct pattern *p, uint32_t *out, bool top) {
    uint32_t one;
    TRY(gram_alt(p->t, out));
    for (;;) {
        TRY(take_sequence(p, &one, top));
        gram_add(p->t, *out, one);
        if (peek(p, 0) != '|') return GLASS_OK;
        p->at++;
    }
}

glass_status gram_regex_read(struct gram_regex *r, uint32_t *out, const char *pattern,
                             size_t n_bytes) {
    struct pattern p = {.r = r, .t = r->t, .text = pattern, .n = n_bytes};
    TRY(take_choices(&p, out, true));
    return p.at == n_bytes ? GLASS_OK : wrong(&p, p.at, "a ) without its (");
}

/* Subsets of what their standards allow, so that every reader takes them. */
// clang-format off
#define YEAR "(?:\\d{3}[1-9]|\\d\\d[1-9]0|\\d[1-9]00|[1-9]000)"
#define LEAP "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
#define DATE "(?:" YEAR "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|" \
             "02-(?:0[1-9]|1\\d|2[0-8]))|" LEAP "-02-29)"
#define TIME "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
/* Without --, which begins names in other alphabets (RFC 5891). */
#define LABEL "[A-Za-z0-9](?:-?[A-Za-z0-9]){0,30}"
#define OCTET "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define N "\\d{1,6}"
#define CLOCK "(?:" N "H(?:" N "M(?:" N "S)?)?|" N "M(?:" N "S)?|" N "S)"
#define H16 "[0-9A-Fa-f]{1,4}"
static const struct {
    const char *name, *pattern;
} formats[] = {
    {"date", "^" DATE "$"},
    {"time", "^" TIME "$"},
    {"date-time", "^" DATE "T" TIME "$"},
    {"duration", "^P(?:" N "W|(?:" N "Y(?:" N "M(?:" N "D)?)?|" N "M(?:" N "D)?|" N "D)(?:T" CLOCK ")?|T" CLOCK ")$"},
    {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
    {"ipv4", "^(?:" OCTET "\\.){3}" OCTET "$"},
    {"ipv6", "^(?:(?:" H16 ":){7}" H16 "|(?:" H16 ":){1,6}:" H16 "|(?:" H16 ":){1,7}:|::(?:" H16 ":){0,6}" H16 "|::)$"},
    {"hostname", "^" LABEL "(?:\\." LABEL "){0,3}$"},
    {"email", "^[A-Za-z0-9_+-]{1,30}(?:\\.[A-Za-z0-9_+-]{1,30})?@" LABEL "(?:\\." LABEL "){0,2}\\.[A-Za-z]{2,10}$"},
    {"uri", "^https?://" LABEL "(?:\\." LABEL "){1,3}(?::[1-9]\\d{0,3})?(?:/[A-Za-z0-9._~-]+)*/?(?:\\?[A-Za-z0-9._~=&-]+)?(?:#[A-Za-z0-9._~-]+)?$"},
};
// clang-format on

const char *gram_regex_format(const char *format) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, format) == 0) return formats[i].pattern;
    return NULL;
}
