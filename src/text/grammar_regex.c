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
        return add_kind(p->r, s, kind, negated != p->r->all);
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
    glass_status status =
        kind != '\0' ? add_kind(p->r, &s, kind, p->r->all) : add(&s, c, c);
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
    static const struct gram_range most[] = {{1, '\n' - 1}, {'\n' + 1, 0x10ffff}};
    p->at++;
    return gram_class(p->t, out, GRAM_STRING, p->r->all ? most : any, p->r->all ? 2 : 4);
}

/* --- the whole ---------------------------------------------------------------------------- */

/* What stands before a part: something; any text, unless it begins with ^; nothing. */
enum lead { LEAD_NONE, LEAD_ANY, LEAD_START };

/* tail: the text may go on behind it, unless it ends with $. */
static glass_status take_choices(struct pattern *p, uint32_t *out, enum lead lead,
                                 bool tail);

static glass_status take_group(struct pattern *p, uint32_t *out, enum lead lead,
                               bool tail) {
    size_t at = p->at++;
    if (++p->depth > GRAM_DEPTH) return wrong(p, at, "groups nested too deeply");
    if (peek(p, 0) == '?') {
        if (peek(p, 1) == ':') {
            p->at += 2;
        } else if (peek(p, 1) == '<' && peek(p, 2) != '=' && peek(p, 2) != '!') {
            while (peek(p, 0) >= 0 && peek(p, 0) != '>') p->at++;
            p->at++;
        } else {
            return wrong(p, at,
                         "looking ahead is understood only behind a ^ that the pattern or "
                         "an alternative of it begins with, and looking behind is not");
        }
    }
    TRY(take_choices(p, out, lead, tail));
    if (peek(p, 0) != ')') return wrong(p, at, "this group has no closing )");
    p->at++;
    p->depth--;
    return GLASS_OK;
}

/* What stands behind the group that begins here. */
static int behind_group(const struct pattern *p) {
    int depth = 0;
    bool in_class = false;
    for (size_t i = 0; peek(p, i) >= 0; i++) {
        int c = peek(p, i);
        if (c == '\\')
            i++;
        else if (in_class ? c == ']' : c == '[')
            in_class = !in_class;
        else if (!in_class && c == '(')
            depth++;
        else if (!in_class && c == ')' && --depth == 0)
            return peek(p, i + 1);
    }
    return -1;
}

/* --- looking ahead --------------------------------------------------------------------------- */

/* What the text must begin with, or must not: taken from `all`, which is owned. */
struct ahead {
    struct gram_dfa *all;
    bool any;
};

static glass_status meet(struct ahead *a, struct gram_dfa *one, enum gram_join how) {
    struct gram_dfa *both = NULL;
    glass_status status = gram_dfa_join(&both, a->all, one, how, "pattern");
    gram_dfa_free(one);
    if (status != GLASS_OK) return status;
    gram_dfa_free(a->all);
    a->all = both;
    return GLASS_OK;
}

static glass_status take_ahead(struct pattern *p, struct ahead *a) {
    struct gram_dfa *one;
    uint32_t node;
    size_t at = p->at;
    bool not = peek(p, 2) == '!', all = p->r->all;
    if (!a->any) {
        TRY(gram_regex_any(p->r, &node, 0, GRAM_NONE));
        TRY(gram_compile(&a->all, p->t, node, "pattern"));
        a->any = true;
    }
    if (++p->depth > GRAM_DEPTH) return wrong(p, at, "groups nested too deeply");
    p->at += 3;
    p->r->all = not ? !all : all;
    glass_status status = take_choices(p, &node, LEAD_START, true);
    p->r->all = all;
    TRY(status);
    if (peek(p, 0) != ')') return wrong(p, at, "this group has no closing )");
    p->at++;
    p->depth--;
    TRY(gram_compile(&one, p->t, node, "pattern"));
    return meet(a, one, not ? GRAM_BUT_NOT : GRAM_AND);
}

static bool is_ahead(const struct pattern *p) {
    return peek(p, 0) == '(' && peek(p, 1) == '?' &&
           (peek(p, 2) == '=' || peek(p, 2) == '!');
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

/* The parts of an alternative, one after the other. */
static glass_status take_parts(struct pattern *p, uint32_t seq, enum lead lead, bool tail) {
    uint32_t item = GRAM_NONE;
    bool ended = !tail, first = true;
    for (int c; (c = peek(p, 0)) >= 0 && c != '|' && c != ')'; first = false) {
        if (c == '*' || c == '+' || c == '?' || c == '{') {
            TRY(take_times(p, &item));
            continue;
        }
        if (item != GRAM_NONE) gram_add(p->t, seq, item);
        item = GRAM_NONE;
        if (c == '$' && tail && (peek(p, 1) < 0 || strchr("|)", peek(p, 1)) != NULL)) {
            static const struct gram_range newline = {'\n', '\n'};
            p->at++;
            ended = true;
            if (!p->r->all) break;
            /* Python's $ also stands before a newline at the end. */
            TRY(gram_class(p->t, &item, GRAM_STRING, &newline, 1));
            TRY(gram_times(p->t, &item, item, 0, 1));
            break;
        }
        if (c == '^' || c == '$')
            return wrong(p, p->at,
                         "^ and $ are understood only at the ends of a pattern "
                         "and of its alternatives");
        if (c == '(') {
            int next = behind_group(p);
            bool last = next < 0 || next == '|' || next == ')';
            bool once = last || strchr("*+?{", next) == NULL;
            TRY(take_group(p, &item, first && once ? lead : LEAD_NONE, last && tail));
            ended |= last;
            continue;
        }
        TRY(c == '['   ? take_class(p, &item)
            : c == '.' ? take_dot(p, &item)
                       : take_one(p, &item));
    }
    if (item != GRAM_NONE) gram_add(p->t, seq, item);
    if (ended) return GLASS_OK;
    TRY(gram_regex_any(p->r, &item, 0, GRAM_NONE));
    gram_add(p->t, seq, item);
    return GLASS_OK;
}

/* Whether a group comes that says itself how the text begins. */
static bool leads_itself(const struct pattern *p) {
    int next = peek(p, 0) == '(' ? behind_group(p) : '*';
    return next < 0 || strchr("*+?{", next) == NULL;
}

/* One alternative. */
static glass_status take_sequence(struct pattern *p, uint32_t *out, enum lead lead,
                                  bool tail) {
    struct ahead a = {0};
    glass_status status = GLASS_OK;
    uint32_t item;
    TRY(gram_seq(p->t, out));
    while (lead != LEAD_NONE && peek(p, 0) == '^') {
        p->at++;
        lead = LEAD_START;
    }
    while (status == GLASS_OK && lead == LEAD_START && tail && is_ahead(p))
        status = take_ahead(p, &a);
    if (status == GLASS_OK && lead == LEAD_ANY && !leads_itself(p)) {
        status = gram_regex_any(p->r, &item, 0, GRAM_NONE);
        if (status == GLASS_OK) gram_add(p->t, *out, item);
        lead = LEAD_NONE;
    }
    if (status == GLASS_OK) status = take_parts(p, *out, lead, tail);
    if (status == GLASS_OK && a.any) {
        struct gram_dfa *one;
        status = gram_compile(&one, p->t, *out, "pattern");
        if (status == GLASS_OK) status = meet(&a, one, GRAM_AND);
        if (status == GLASS_OK) return gram_machine(p->t, out, a.all);
    }
    gram_dfa_free(a.all);
    return status;
}

static glass_status take_choices(struct pattern *p, uint32_t *out, enum lead lead,
                                 bool tail) {
    uint32_t one;
    TRY(gram_alt(p->t, out));
    for (;;) {
        TRY(take_sequence(p, &one, lead, tail));
        gram_add(p->t, *out, one);
        if (peek(p, 0) != '|') return GLASS_OK;
        p->at++;
    }
}

glass_status gram_regex_read(struct gram_regex *r, uint32_t *out, const char *pattern,
                             size_t n_bytes) {
    struct pattern p = {.r = r, .t = r->t, .text = pattern, .n = n_bytes};
    TRY(take_choices(&p, out, LEAD_ANY, true));
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
#define UUID(version) "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-" version "-[0-9a-fA-F]{12}$"
#define OF(n) UUID(n "[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}")
#define IPV4 "^(?:" OCTET "\\.){3}" OCTET "$"
#define IPV6 "^(?:(?:" H16 ":){7}" H16 "|(?:" H16 ":){1,6}:" H16 "|(?:" H16 ":){1,7}:|::(?:" H16 ":){0,6}" H16 "|::)$"
#define HOST "^" LABEL "(?:\\." LABEL "){0,3}$"
#define EMAIL "^[A-Za-z0-9_+-]{1,30}(?:\\.[A-Za-z0-9_+-]{1,30})?@" LABEL "(?:\\." LABEL "){0,2}\\.[A-Za-z]{2,10}$"
#define SEGMENTS "(?:/[A-Za-z0-9._~-]+)*/?(?:\\?[A-Za-z0-9._~=&-]+)?(?:#[A-Za-z0-9._~-]+)?"
#define URI "https?://" LABEL "(?:\\." LABEL "){1,3}(?::[1-9]\\d{0,3})?" SEGMENTS
#define STEPS "(?:/(?:[A-Za-z0-9 ._-]|~[01])*)*"
/* Parts of an expression, each perhaps repeated. */
#define REGEX "^\\^?(?:(?:[A-Za-z0-9 _/:,@#-]|\\\\[dws.()*+?{}|/^$-]|\\.|\\[(?:a-z|A-Z|0-9|[A-Za-z0-9_])+\\])[*+?]?)*\\$?$"
static const struct {
    const char *name, *pattern;
} formats[] = {
    {"date", "^" DATE "$"},
    {"time", "^" TIME "$"},
    {"date-time", "^" DATE "T" TIME "$"},
    {"duration", "^P(?:" N "W|(?:" N "Y(?:" N "M(?:" N "D)?)?|" N "M(?:" N "D)?|" N "D)(?:T" CLOCK ")?|T" CLOCK ")$"},
    {"uuid", UUID("[0-9a-fA-F]{4}-[0-9a-fA-F]{4}")}, {"uuid1", OF("1")}, {"uuid3", OF("3")}, {"uuid4", OF("4")},
    {"uuid5", OF("5")}, {"uuid6", OF("6")}, {"uuid7", OF("7")}, {"uuid8", OF("8")},
    {"ipv4", IPV4}, {"ip-address", IPV4}, {"ipv4interface", IPV4}, {"ipv4network", IPV4}, {"ipv6", IPV6}, {"ipv6interface", IPV6},
    {"ipv6network", IPV6}, {"ipvanyaddress", IPV4}, {"ipvanyinterface", IPV4}, {"ipvanynetwork", IPV4},
    {"hostname", HOST}, {"host-name", HOST}, {"idn-hostname", HOST}, {"email", EMAIL}, {"idn-email", EMAIL},
    {"uri", "^" URI "$"}, {"url", "^" URI "$"}, {"iri", "^" URI "$"},
    {"uri-reference", "^(?:" URI "|[A-Za-z0-9._~-]*" SEGMENTS ")$"},
    {"iri-reference", "^(?:" URI "|[A-Za-z0-9._~-]*" SEGMENTS ")$"},
    {"uri-template", "^" URI "(?:/\\{[A-Za-z_]+\\})*$"},
    {"json-pointer", "^" STEPS "$"}, {"relative-json-pointer", "^(?:0|[1-9]{1,4})(?:#|" STEPS ")$"},
    {"regex", REGEX},
};
// clang-format on

const char *gram_regex_format(const char *format) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, format) == 0) return formats[i].pattern;
    return NULL;
}

const char *gram_regex_like(const char *format) {
    static const char *const likes[][2] = {
        {"date", "^[0-9W-]+$"},
        {"date-time", "^[0-9W-]+[^0-9W-]"},
        {"time", "^[0-9]{2}:"},
        {"duration", "^[-+]?P"},
        {"uuid", "^[\\s\\S]{8}-|[0-9A-Fa-f]{32}"},
        {"ipv4", "^[0-9A-Fa-fXx.]+$"},
        {"ipv6", ":"},
        {"hostname", "^[^/@: ]+$"},
        {"email", "@"},
        {"uri", "^[A-Za-z][A-Za-z0-9+.-]*:"},
    };
    for (size_t i = 0; i < sizeof likes / sizeof *likes; i++)
        if (strcmp(likes[i][0], format) == 0) return likes[i][1];
    return NULL;
}
