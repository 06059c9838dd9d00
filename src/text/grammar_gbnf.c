/* grammar_gbnf.c - reading GBNF, the grammars of llama.cpp.
 *
 * Source: grammars/README.md of llama.cpp. Where it leaves things open (a range that runs
 * backwards, {3,2}, a rule that is defined twice, an empty class) this is an error. */
#include "base/utf8.h"
#include "text/grammar_parts.h"

struct gbnf {
    struct gram_tree *t;
    const char *text;
    size_t n, at;
    uint32_t *slots, mask; /* rules by name */
    int depth;
};

static void place_of(const struct gbnf *g, size_t at, uint32_t *line, uint32_t *column) {
    *line = *column = 1;
    for (size_t i = 0; i < at && i < g->n; i++) {
        if (g->text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((uint8_t)g->text[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

static glass_status wrong(const struct gbnf *g, size_t at, const char *what) {
    uint32_t line, column;
    place_of(g, at, &line, &column);
    return fail(GLASS_BAD_INPUT, "%s: line %u, column %u: %s", g->t->name, line, column,
                what);
}

static int peek(const struct gbnf *g, size_t ahead) {
    return g->at + ahead < g->n ? (uint8_t)g->text[g->at + ahead] : -1;
}

/* White space and comments; newlines only where the grammar may go on behind them. */
static void space(struct gbnf *g, bool newlines) {
    for (int c; (c = peek(g, 0)) >= 0; g->at++) {
        if (c == '#')
            while (peek(g, 1) >= 0 && peek(g, 1) != '\n' && peek(g, 1) != '\r') g->at++;
        else if (c != ' ' && c != '\t' && !(newlines && (c == '\n' || c == '\r')))
            return;
    }
}

static bool is_digit(int c) {
    return c >= '0' && c <= '9';
}

static bool is_word(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || is_digit(c);
}

/* --- rules by name ---------------------------------------------------------------------- */

static uint64_t hash_of(const char *name, size_t n) {
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = tok_mix(h ^ (uint8_t)name[i]);
    return h;
}

static glass_status grow_slots(struct gbnf *g) {
    uint32_t size = g->mask ? 2 * (g->mask + 1) : 256, *slots;
    TRY(mem_alloc(&slots, size, sizeof *slots));
    memset(slots, 0xff, size * sizeof *slots);
    mem_free(g->slots);
    g->slots = slots;
    g->mask = size - 1;
    for (uint32_t r = 0; r < g->t->n_rules; r++) {
        uint64_t i = hash_of(g->t->text.data + g->t->rules[r].name, g->t->rules[r].n_name);
        while (slots[i & g->mask] != GRAM_NONE) i++;
        slots[i & g->mask] = r;
    }
    return GLASS_OK;
}

/* The rule of the name that comes next; made if it is new. */
static glass_status take_name(struct gbnf *g, uint32_t *out, size_t *at) {
    const char *name = g->text + g->at;
    size_t n = 0;
    *at = g->at;
    while (is_word(peek(g, n))) n++;
    if (n == 0)
        return wrong(g, g->at, "a rule's name should be here: letters, digits and -");
    g->at += n;
    if (2 * g->t->n_rules >= g->mask) TRY(grow_slots(g));
    uint64_t i = hash_of(name, n);
    for (; (*out = g->slots[i & g->mask]) != GRAM_NONE; i++) {
        const struct gram_rule *r = &g->t->rules[*out];
        if (r->n_name == n && memcmp(g->t->text.data + r->name, name, n) == 0)
            return GLASS_OK;
    }
    TRY(gram_rule_add(g->t, out, name, n));
    g->slots[i & g->mask] = *out;
    place_of(g, *at, &g->t->rules[*out].line, &g->t->rules[*out].column);
    return GLASS_OK;
}

/* --- characters --------------------------------------------------------------------------- */

static glass_status take_hex(struct gbnf *g, int digits, uint32_t *c) {
    size_t at = g->at - 2;
    *c = 0;
    for (int i = 0; i < digits; i++, g->at++) {
        int h = peek(g, 0), value = is_digit(h)            ? h - '0'
                                    : h >= 'a' && h <= 'f' ? h - 'a' + 10
                                    : h >= 'A' && h <= 'F' ? h - 'A' + 10
                                                           : -1;
        if (value < 0)
            return wrong(g, at, "\\x has 2, \\u 4 and \\U 8 hexadecimal digits behind it");
        *c = *c << 4 | (uint32_t)value;
    }
    if (*c > 0x10ffff) return wrong(g, at, "there is no character beyond U+10FFFF");
    return GLASS_OK;
}

static glass_status take_char(struct gbnf *g, uint32_t *c) {
    size_t at = g->at;
    if (peek(g, 0) != '\\') {
        g->at += utf8_decode(c, g->text + g->at, g->n - g->at);
        return *c == UTF8_BAD ? wrong(g, at, "this is not UTF-8") : GLASS_OK;
    }
    g->at += 2;
    switch (peek(g, 0) < 0 && g->at > g->n ? -1 : (uint8_t)g->text[at + 1]) {
    case 'x': return take_hex(g, 2, c);
    case 'u': return take_hex(g, 4, c);
    case 'U': return take_hex(g, 8, c);
    case 't': *c = '\t'; return GLASS_OK;
    case 'r': *c = '\r'; return GLASS_OK;
    case 'n': *c = '\n'; return GLASS_OK;
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-': *c = (uint8_t)g->text[at + 1]; return GLASS_OK;
    default:
        return wrong(g, at,
                     "an unknown escape: \\x \\u \\U \\t \\r \\n \\\\ \\\" \\[ \\] "
                     "and \\- are known");
    }
}

static glass_status take_literal(struct gbnf *g, uint32_t *out) {
    struct buf text = {0};
    size_t at = g->at++;
    glass_status status = GLASS_OK;
    while (status == GLASS_OK && peek(g, 0) != '"') {
        char bytes[4];
        uint32_t c;
        status =
            peek(g, 0) < 0 ? wrong(g, at, "this text has no closing \"") : take_char(g, &c);
        if (status == GLASS_OK && c >= 0xd800 && c <= 0xdfff)
            status = wrong(g, at, "U+D800 to U+DFFF are not characters");
        if (status == GLASS_OK) status = buf_append(&text, bytes, utf8_encode(bytes, c));
    }
    g->at++;
    if (status == GLASS_OK)
        status = gram_text(g->t, out, text.len > 0 ? text.data : "", text.len);
    buf_free(&text);
    return status;
}

static glass_status add_range(struct gbnf *g, struct gram_range **ranges, uint32_t *n) {
    struct gram_range r;
    size_t at = g->at;
    TRY(take_char(g, &r.low));
    r.high = r.low;
    if (peek(g, 0) == '-' && peek(g, 1) >= 0 && peek(g, 1) != ']') {
        g->at++;
        TRY(take_char(g, &r.high));
        if (r.high < r.low) return wrong(g, at, "this range runs backwards");
    }
    /* Room for the complement, too. */
    TRY(mem_resize(ranges, (size_t)*n + 1, sizeof **ranges));
    (*ranges)[(*n)++] = r;
    return GLASS_OK;
}

static glass_status finish_class(struct gbnf *g, uint32_t *out, struct gram_range *ranges,
                                 uint32_t n, bool negated) {
    struct gram_range *others;
    n = gram_ranges_tidy(ranges, n);
    if (!negated) return gram_class(g->t, out, GRAM_CLASS, ranges, n);
    TRY(mem_alloc(&others, (size_t)n + 3, sizeof *others));
    n = gram_ranges_not(others, ranges, n);
    glass_status status = gram_class(g->t, out, GRAM_CLASS, others, n);
    mem_free(others);
    return status;
}

static glass_status take_class(struct gbnf *g, uint32_t *out) {
    struct gram_range *ranges = NULL;
    uint32_t n = 0;
    size_t at = g->at++;
    glass_status status = GLASS_OK;
    bool negated = peek(g, 0) == '^';
    g->at += negated;
    while (status == GLASS_OK && peek(g, 0) != ']')
        status = peek(g, 0) < 0 ? wrong(g, at, "this class has no closing ]")
                                : add_range(g, &ranges, &n);
    g->at++;
    if (status == GLASS_OK && n == 0) status = wrong(g, at, "a class without characters");
    if (status == GLASS_OK) status = finish_class(g, out, ranges, n, negated);
    mem_free(ranges);
    return status;
}

/* --- sequences ---------------------------------------------------------------------------- */

static glass_status take_number(struct gbnf *g, uint32_t *out) {
    size_t at = g->at;
    *out = 0;
    if (!is_digit(peek(g, 0))) return wrong(g, at, "a number should be here");
    for (; is_digit(peek(g, 0)); g->at++) {
        *out = 10 * *out + (uint32_t)(peek(g, 0) - '0');
        if (*out > GRAM_REPEAT) return wrong(g, at, "more repetitions than 65536");
    }
    return GLASS_OK;
}

static glass_status take_bounds(struct gbnf *g, uint32_t *min, uint32_t *max, bool nested) {
    size_t at = g->at++;
    space(g, nested);
    TRY(take_number(g, min));
    *max = *min;
    space(g, nested);
    if (peek(g, 0) == ',') {
        g->at++;
        space(g, nested);
        *max = GRAM_NONE;
        if (is_digit(peek(g, 0))) TRY(take_number(g, max));
        space(g, nested);
    }
    if (peek(g, 0) != '}') return wrong(g, g->at, "} should be here");
    g->at++;
    if (*max < *min) return wrong(g, at, "fewer at most than at least");
    return GLASS_OK;
}

/* One of * + ? {m,n}, which make a part of the one before. */
static bool is_times(int c) {
    return c == '*' || c == '+' || c == '?' || c == '{';
}

static glass_status take_times(struct gbnf *g, uint32_t *item, bool nested) {
    uint32_t min = 0, max = GRAM_NONE;
    int c = peek(g, 0);
    if (*item == GRAM_NONE) return wrong(g, g->at, "there is nothing to repeat here");
    if (c == '{') {
        TRY(take_bounds(g, &min, &max, nested));
    } else {
        min = c == '+';
        max = c == '?' ? 1 : GRAM_NONE;
        g->at++;
    }
    return gram_times(g->t, item, *item, min, max);
}

static glass_status take_choices(struct gbnf *g, uint32_t *out, bool nested);

static glass_status take_group(struct gbnf *g, uint32_t *out) {
    size_t at = g->at++;
    if (++g->depth > GRAM_DEPTH) return wrong(g, at, "groups nested too deeply");
    space(g, true);
    TRY(take_choices(g, out, true));
    if (peek(g, 0) != ')')
        return peek(g, 0) < 0 ? wrong(g, at, "this group has no closing )")
                              : wrong(g, g->at, "this cannot stand inside a group");
    g->at++;
    g->depth--;
    return GLASS_OK;
}

static glass_status take_item(struct gbnf *g, uint32_t *out) {
    static const struct gram_range any = {1, 0x10ffff};
    uint32_t rule;
    size_t at;
    switch (peek(g, 0)) {
    case '"': return take_literal(g, out);
    case '[': return take_class(g, out);
    case '(': return take_group(g, out);
    case '.': g->at++; return gram_class(g->t, out, GRAM_CLASS, &any, 1);
    case '<':
    case '!':
        return wrong(g, g->at,
                     "tokens by name or number (<…>) are not understood: a "
                     "grammar is of text here");
    default: TRY(take_name(g, &rule, &at)); return gram_call(g->t, out, rule);
    }
}

static glass_status take_sequence(struct gbnf *g, uint32_t *out, bool nested) {
    uint32_t item = GRAM_NONE;
    TRY(gram_seq(g->t, out));
    for (int c; (c = peek(g, 0)) >= 0;) {
        if (is_times(c)) {
            TRY(take_times(g, &item, nested));
        } else if (is_word(c) || memchr("\"[(.<!", c, 6) != NULL) {
            if (item != GRAM_NONE) gram_add(g->t, *out, item);
            TRY(take_item(g, &item));
        } else {
            break;
        }
        space(g, nested);
    }
    if (item != GRAM_NONE) gram_add(g->t, *out, item);
    return GLASS_OK;
}

static glass_status take_choices(struct gbnf *g, uint32_t *out, bool nested) {
    uint32_t one;
    TRY(gram_alt(g->t, out));
    for (;;) {
        TRY(take_sequence(g, &one, nested));
        gram_add(g->t, *out, one);
        if (peek(g, 0) != '|') return GLASS_OK;
        g->at++;
        space(g, true);
    }
}

static glass_status take_rule(struct gbnf *g) {
    uint32_t rule, node;
    size_t at;
    TRY(take_name(g, &rule, &at));
    if (g->t->rules[rule].node != GRAM_NONE)
        return wrong(g, at, "this rule is defined already");
    place_of(g, at, &g->t->rules[rule].line, &g->t->rules[rule].column);
    space(g, false);
    if (peek(g, 0) != ':' || peek(g, 1) != ':' || peek(g, 2) != '=')
        return wrong(g, g->at, "::= should be here, behind the name of a rule");
    g->at += 3;
    space(g, true);
    TRY(take_choices(g, &node, false));
    g->t->rules[rule].node = node;
    if (peek(g, 0) >= 0 && peek(g, 0) != '\n' && peek(g, 0) != '\r')
        return wrong(g, g->at, "this cannot stand in a rule");
    space(g, true);
    return GLASS_OK;
}

/* --- the whole ---------------------------------------------------------------------------- */

static glass_status add_schemas(struct gbnf *g, const glass_grammar_options *o) {
    for (int64_t i = 0; i < o->n_schemas; i++) {
        const glass_grammar_schema *s = &o->schemas[i];
        uint32_t rule = gram_rule_find(g->t, s->rule, strlen(s->rule)), called, node;
        if (rule == GRAM_NONE) continue;
        if (g->t->rules[rule].node != GRAM_NONE)
            return fail(GLASS_BAD_INPUT, "%s: line %u, column %u: rule %s is a schema's",
                        g->t->name, g->t->rules[rule].line, g->t->rules[rule].column,
                        s->rule);
        TRY(gram_read_schema(g->t, &called, s->json, s->n_bytes, o->compact, s->rule));
        TRY(gram_call(g->t, &node, called));
        g->t->rules[rule].node = node;
    }
    return GLASS_OK;
}

static glass_status read_all(struct gbnf *g, const glass_grammar_options *o) {
    struct gram_tree *t = g->t;
    space(g, true);
    while (g->at < g->n) TRY(take_rule(g));
    TRY(add_schemas(g, o));
    for (uint32_t i = 0; i < t->n_rules; i++) {
        const struct gram_rule *r = &t->rules[i];
        if (r->node == GRAM_NONE)
            return fail(GLASS_BAD_INPUT, "%s: line %u, column %u: there is no rule %.*s",
                        t->name, r->line, r->column, r->n_name < 80 ? (int)r->n_name : 80,
                        t->text.data + r->name);
    }
    t->root = gram_rule_find(t, "root", 4);
    if (t->root == GRAM_NONE)
        return fail(GLASS_BAD_INPUT,
                    "%s: there is no rule root, which says what the whole answer is",
                    t->name);
    return GLASS_OK;
}

glass_status gram_read_gbnf(struct gram_tree *t, const char *text, size_t n_bytes,
                            const glass_grammar_options *options) {
    enum { MOST_BYTES = 4 << 20 };
    struct gbnf g = {.t = t, .text = text, .n = n_bytes};
    if (n_bytes > MOST_BYTES)
        return fail(GLASS_BAD_INPUT, "%s: %zu bytes; at most %d are read", t->name, n_bytes,
                    MOST_BYTES);
    glass_status status = read_all(&g, options);
    mem_free(g.slots);
    return status;
}
