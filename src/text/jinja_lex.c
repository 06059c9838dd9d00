/* jinja_lex.c - template text to tokens: Jinja's lexer with trim_blocks, lstrip_blocks and
 * without the trailing newline. */
#include "text/jinja_ast.h"

#include "base/utf8.h"

#include <string.h>

enum { MAX_BRACKETS = 1000 };

struct lexer {
    struct jinja *in;
    struct jtokens *tokens;
    const char *text; /* newlines normalised */
    size_t n, at;
    bool line_start; /* the token before ended with a newline */
    char brackets[MAX_BRACKETS];
    size_t n_brackets;
};

static glass_status push(struct lexer *lx, struct jtoken token) {
    struct jtokens *t = lx->tokens;
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 256 : t->cap * 2;
        TRY(jarena_grow(lx->in, &t->items, t->cap, cap, sizeof *t->items));
        t->cap = cap;
    }
    token.line = lx->in->line;
    t->items[t->n++] = token;
    return GLASS_OK;
}

static glass_status push_text(struct lexer *lx, enum jtoken_type type, const char *text,
                              size_t n) {
    struct jtoken token = {.type = (uint8_t)type};
    TRY(jstr_borrow(lx->in, &token.u.text, text, n, false));
    return push(lx, token);
}

static void advance(struct lexer *lx, size_t end) {
    for (; lx->at < end; lx->at++) lx->in->line += lx->text[lx->at] == '\n';
    lx->line_start = end > 0 && lx->text[end - 1] == '\n';
}

static bool starts(const struct lexer *lx, size_t at, const char *word) {
    size_t n = strlen(word);
    return lx->n - at >= n && memcmp(lx->text + at, word, n) == 0;
}

static size_t skip_space(const struct lexer *lx, size_t at) {
    uint32_t c;
    while (at < lx->n) {
        size_t n = utf8_decode(&c, lx->text + at, lx->n - at);
        if (!jinja_is_space(c)) break;
        at += n;
    }
    return at;
}

static size_t rstrip(const char *text, size_t begin, size_t end) {
    while (end > begin) {
        size_t at = end - 1;
        uint32_t c;
        while (at > begin && ((unsigned char)text[at] & 0xc0) == 0x80) at--;
        utf8_decode(&c, text + at, end - at);
        if (!jinja_is_space(c)) break;
        end = at;
    }
    return end;
}

/* If `at` begins "{% raw %}", where that tag ends; else 0. */
static size_t raw_begin(const struct lexer *lx, size_t at) {
    if (!starts(lx, at, "{%")) return 0;
    at += 2;
    if (at < lx->n && (lx->text[at] == '-' || lx->text[at] == '+')) at++;
    at = skip_space(lx, at);
    if (!starts(lx, at, "raw")) return 0;
    at = skip_space(lx, at + 3);
    if (starts(lx, at, "%}")) return at + 2;
    return starts(lx, at, "-%}") ? skip_space(lx, at + 3) : 0;
}

/* The end of a block or comment tag: "-x}" eats white space, "x}" one newline, "+x}" none. */
static size_t tag_end(const struct lexer *lx, size_t at, const char *end) {
    if (at < lx->n && lx->text[at] == '+' && starts(lx, at + 1, end)) return at + 3;
    if (at < lx->n && lx->text[at] == '-' && starts(lx, at + 1, end))
        return skip_space(lx, at + 3);
    if (!starts(lx, at, end)) return 0;
    at += 2;
    return at < lx->n && lx->text[at] == '\n' ? at + 1 : at;
}

/* If `at` begins "{% endraw %}", where that tag ends; else 0. */
static size_t raw_end(const struct lexer *lx, size_t at) {
    if (!starts(lx, at, "{%")) return 0;
    at += 2;
    if (at < lx->n && (lx->text[at] == '-' || lx->text[at] == '+')) at++;
    at = skip_space(lx, at);
    if (!starts(lx, at, "endraw")) return 0;
    return tag_end(lx, skip_space(lx, at + 6), "%}");
}

/* Text before a tag whose sign character is at `sign`: "-" strips it, lstrip_blocks drops
 * the white space between the line's start and a tag that isn't {{. */
static glass_status push_data(struct lexer *lx, size_t end, size_t sign, bool variable) {
    size_t begin = lx->at, stop = end;
    char mark = sign < lx->n ? lx->text[sign] : ' ';
    if (mark == '-') {
        stop = rstrip(lx->text, begin, end);
    } else if (mark != '+' && !variable) {
        size_t line = end;
        while (line > begin && lx->text[line - 1] != '\n') line--;
        if ((line > begin || lx->line_start) && rstrip(lx->text, line, end) == line)
            stop = line;
    }
    if (stop > begin) TRY(push_text(lx, T_DATA, lx->text + begin, stop - begin));
    advance(lx, end);
    return GLASS_OK;
}

static glass_status lex_raw(struct lexer *lx, size_t end) {
    advance(lx, end);
    for (size_t at = lx->at; at < lx->n; at++) {
        size_t close = raw_end(lx, at);
        if (close == 0) continue;
        TRY(push_data(lx, at, at + 2, false));
        advance(lx, close);
        return GLASS_OK;
    }
    return jinja_fail(lx->in, "missing end of raw directive");
}

static glass_status lex_comment(struct lexer *lx) {
    for (size_t at = lx->at; at < lx->n; at++) {
        size_t close = tag_end(lx, at, "#}");
        if (close == 0) continue;
        advance(lx, close);
        return GLASS_OK;
    }
    return jinja_fail(lx->in, "missing end of comment tag");
}

/* ---- inside tags */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* (\d+_)*\d+ */
static size_t digits(const struct lexer *lx, size_t at) {
    size_t end = at;
    while (at < lx->n && is_digit(lx->text[at])) {
        while (at < lx->n && is_digit(lx->text[at])) at++;
        end = at;
        if (at < lx->n && lx->text[at] == '_') at++;
    }
    return end;
}

static size_t float_end(const struct lexer *lx) {
    size_t at = lx->at, whole = digits(lx, at), end;
    if ((at > 0 && lx->text[at - 1] == '.') || whole == at) return 0;
    end = whole;
    if (whole + 1 < lx->n && lx->text[whole] == '.' && is_digit(lx->text[whole + 1]))
        end = digits(lx, whole + 1);
    if (end < lx->n && (lx->text[end] | 0x20) == 'e') {
        size_t power = end + 1;
        if (power < lx->n && (lx->text[power] == '+' || lx->text[power] == '-')) power++;
        size_t stop = digits(lx, power);
        if (stop > power) return stop;
    }
    return end > whole ? end : 0;
}

/* (_?x)+ for the digits of a base */
static size_t grouped(const struct lexer *lx, size_t at, const char *set) {
    for (;;) {
        size_t next = at < lx->n && lx->text[at] == '_' ? at + 1 : at;
        if (next >= lx->n || lx->text[next] == '\0' || strchr(set, lx->text[next]) == NULL)
            return at;
        at = next + 1;
    }
}

static size_t integer_end(const struct lexer *lx) {
    size_t at = lx->at, end;
    if (at >= lx->n || !is_digit(lx->text[at])) return 0;
    if (lx->text[at] != '0') return grouped(lx, at, "0123456789");
    char base = at + 1 < lx->n ? (char)(lx->text[at + 1] | 0x20) : ' ';
    const char *set = base == 'x'   ? "0123456789abcdefABCDEF"
                      : base == 'o' ? "01234567"
                      : base == 'b' ? "01"
                                    : NULL;
    end = set != NULL ? grouped(lx, at + 2, set) : 0;
    return end > at + 2 ? end : grouped(lx, at, "0");
}

static glass_status lex_number(struct lexer *lx, size_t end, bool real) {
    struct jtoken token = {.type = real ? T_FLOAT : T_INTEGER};
    const char *text = lx->text + lx->at;
    size_t n = end - lx->at;
    bool overflow = false;
    bool good = real ? jinja_parse_float(&token.u.d, text, n)
                     : jinja_parse_int(&token.u.i, &overflow, text, n, 0);
    if (overflow) return jinja_fail(lx->in, "an integer needs more than 64 bits");
    if (!good) return jinja_fail(lx->in, "bad number");
    TRY(push(lx, token));
    advance(lx, end);
    return GLASS_OK;
}

static size_t word_end(const struct lexer *lx) {
    size_t at = lx->at;
    while (at < lx->n) {
        uint32_t c;
        size_t n = utf8_decode(&c, lx->text + at, lx->n - at);
        if (at == lx->at ? !jinja_is_word_start(c) : !jinja_is_word(c)) break;
        at += n;
    }
    return at;
}

static int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The escape after a backslash at text[0..n); *used is its length. */
static glass_status lex_escape(struct lexer *lx, struct jbuild *b, const char *text,
                               size_t n, size_t *used) {
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    char c = text[0];
    const char *plain = c != '\0' ? strchr(from, c) : NULL;
    *used = 1;
    if (plain != NULL) return jbuild_bytes(lx->in, b, &to[plain - from], 1, false);
    if (c == '\n') return GLASS_OK; /* a continued line */
    uint32_t value = 0;
    if (c >= '0' && c <= '7') {
        for (*used = 0; *used < 3 && *used < n && text[*used] >= '0' && text[*used] <= '7';)
            value = value * 8 + (uint32_t)(text[(*used)++] - '0');
        return jbuild_char(lx->in, b, value, false);
    }
    size_t width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (c == 'N') return jinja_fail(lx->in, "\\N{…} in a string is not supported");
    if (width == 0) { /* not an escape: the backslash stays */
        *used = 0;
        return jbuild_text(lx->in, b, "\\", false);
    }
    for (; *used <= width; (*used)++) {
        int digit = *used < n ? hex_value(text[*used]) : -1;
        if (digit < 0) return jinja_fail(lx->in, "truncated \\%c escape", c);
        value = value * 16 + (uint32_t)digit;
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return jinja_fail(lx->in, "\\%c%x is not a character", c, (unsigned)value);
    return jbuild_char(lx->in, b, value, false);
}

/* Python decodes strings by way of ASCII with backslash escapes, so a backslash before a
 * letter beyond ASCII meets that letter's own escape and cancels its backslash. */
static glass_status cancelled_escape(struct lexer *lx, struct jbuild *b, uint32_t c) {
    static const char hex[] = "0123456789abcdef";
    int width = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
    char text[12] = {'\\', width == 2 ? 'x' : width == 4 ? 'u' : 'U'};
    for (int i = 0; i < width; i++) text[2 + i] = hex[c >> (4 * (width - 1 - i)) & 15];
    return jbuild_bytes(lx->in, b, text, (size_t)width + 2, false);
}

static glass_status unescape(struct lexer *lx, struct jstr **out, const char *text,
                             size_t n) {
    struct jbuild b = {0};
    for (size_t i = 0; i < n;) {
        size_t used, stop = i;
        while (stop < n && text[stop] != '\\') stop++;
        TRY(jbuild_bytes(lx->in, &b, text + i, stop - i, false));
        if (stop == n) break;
        i = stop + 1; /* the lexer saw to it that something follows */
        if ((unsigned char)text[i] >= 0x80) {
            uint32_t c;
            used = utf8_decode(&c, text + i, n - i);
            TRY(cancelled_escape(lx, &b, c));
        } else {
            TRY(lex_escape(lx, &b, text + i, n - i, &used));
        }
        i += used;
    }
    return jbuild_finish(lx->in, out, &b);
}

static glass_status lex_string(struct lexer *lx) {
    char quote = lx->text[lx->at];
    size_t begin = lx->at + 1, at = begin;
    while (at < lx->n && lx->text[at] != quote) at += lx->text[at] == '\\' ? 2 : 1;
    if (at >= lx->n) return jinja_fail(lx->in, "a string without end");
    struct jtoken token = {.type = T_STRING};
    TRY(unescape(lx, &token.u.text, lx->text + begin, at - begin));
    TRY(push(lx, token));
    advance(lx, at + 1);
    return GLASS_OK;
}

static glass_status balance(struct lexer *lx, char c) {
    if (c == '(' || c == '[' || c == '{') {
        if (lx->n_brackets == MAX_BRACKETS) return jinja_fail(lx->in, "too many brackets");
        lx->brackets[lx->n_brackets++] = (char)(c == '(' ? ')' : c + 2);
        return GLASS_OK;
    }
    if (c != ')' && c != ']' && c != '}') return GLASS_OK;
    if (lx->n_brackets == 0) return jinja_fail(lx->in, "unexpected '%c'", c);
    char expected = lx->brackets[--lx->n_brackets];
    if (expected != c)
        return jinja_fail(lx->in, "unexpected '%c', expected '%c'", c, expected);
    return GLASS_OK;
}

static glass_status lex_operator(struct lexer *lx) {
    static const struct {
        const char *text;
        uint8_t type;
    } operators[] = {
        {"//", T_FLOORDIV}, {"**", T_POW},      {"==", T_EQ},    {"!=", T_NE},
        {">=", T_GTEQ},     {"<=", T_LTEQ},     {"+", T_ADD},    {"-", T_SUB},
        {"/", T_DIV},       {"*", T_MUL},       {"%", T_MOD},    {"~", T_TILDE},
        {"[", T_LBRACKET},  {"]", T_RBRACKET},  {"(", T_LPAREN}, {")", T_RPAREN},
        {"{", T_LBRACE},    {"}", T_RBRACE},    {">", T_GT},     {"<", T_LT},
        {"=", T_ASSIGN},    {".", T_DOT},       {":", T_COLON},  {"|", T_PIPE},
        {",", T_COMMA},     {";", T_SEMICOLON},
    };
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (!starts(lx, lx->at, operators[i].text)) continue;
        TRY(balance(lx, lx->text[lx->at]));
        TRY(push(lx, (struct jtoken){.type = operators[i].type}));
        advance(lx, lx->at + strlen(operators[i].text));
        return GLASS_OK;
    }
    uint32_t c;
    size_t n = utf8_decode(&c, lx->text + lx->at, lx->n - lx->at);
    return jinja_fail(lx->in, "unexpected character '%.*s'", (int)n, lx->text + lx->at);
}

static glass_status lex_inside(struct lexer *lx) {
    size_t end = skip_space(lx, lx->at);
    if (end > lx->at) {
        advance(lx, end);
        return GLASS_OK;
    }
    if ((end = float_end(lx)) > 0) return lex_number(lx, end, true);
    if ((end = integer_end(lx)) > 0) return lex_number(lx, end, false);
    if ((end = word_end(lx)) > lx->at) {
        TRY(push_text(lx, T_NAME, lx->text + lx->at, end - lx->at));
        advance(lx, end);
        return GLASS_OK;
    }
    char c = lx->text[lx->at];
    return c == '\'' || c == '"' ? lex_string(lx) : lex_operator(lx);
}

/* From after "{{" or "{%" to after the end tag; inside brackets the end tag is operators. */
static glass_status lex_tag(struct lexer *lx, bool variable) {
    while (lx->at < lx->n) {
        size_t end = 0;
        if (lx->n_brackets == 0 && !variable) end = tag_end(lx, lx->at, "%}");
        if (lx->n_brackets == 0 && variable) {
            if (starts(lx, lx->at, "-}}")) end = skip_space(lx, lx->at + 3);
            if (starts(lx, lx->at, "}}")) end = lx->at + 2;
        }
        if (end > 0) {
            TRY(push(lx, (struct jtoken){.type = variable ? T_VARIABLE_END : T_BLOCK_END}));
            advance(lx, end);
            return GLASS_OK;
        }
        TRY(lex_inside(lx));
    }
    return GLASS_OK; /* the parser sees the early end */
}

static glass_status lex_root(struct lexer *lx) {
    size_t at = lx->at;
    while (at + 1 < lx->n) {
        const char *brace = memchr(lx->text + at, '{', lx->n - 1 - at);
        if (brace == NULL) break;
        at = (size_t)(brace - lx->text);
        char kind = lx->text[at + 1];
        if (kind != '{' && kind != '%' && kind != '#') {
            at++;
            continue;
        }
        size_t raw = raw_begin(lx, at), inside = at + 2;
        TRY(push_data(lx, at, inside, kind == '{'));
        if (raw > 0) return lex_raw(lx, raw);
        if (inside < lx->n && (lx->text[inside] == '-' || lx->text[inside] == '+'))
            inside++;
        if (kind != '#')
            TRY(push(lx, (struct jtoken){.type = kind == '{' ? T_VARIABLE_BEGIN
                                                             : T_BLOCK_BEGIN}));
        advance(lx, inside);
        return kind == '#' ? lex_comment(lx) : lex_tag(lx, kind == '{');
    }
    TRY(push_text(lx, T_DATA, lx->text + lx->at, lx->n - lx->at));
    advance(lx, lx->n);
    return GLASS_OK;
}

/* \r\n and \r become \n; one newline at the very end is dropped. */
static glass_status normalise(struct lexer *lx, const char *source, size_t n) {
    char *text;
    TRY(jarena_alloc(lx->in, &text, n + 1, 1));
    lx->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (source[i] == '\r' && i + 1 < n && source[i + 1] == '\n') continue;
        text[lx->n++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (lx->n > 0 && text[lx->n - 1] == '\n') lx->n--;
    lx->text = text;
    return GLASS_OK;
}

static glass_status check_utf8(struct jinja *in, const char *source, size_t n) {
    uint32_t c;
    for (size_t i = 0; i < n;) {
        i += utf8_decode(&c, source + i, n - i);
        in->line += c == '\n';
        if (c == UTF8_BAD) return jinja_fail(in, "byte %zu is not UTF-8", i - 1);
    }
    return GLASS_OK;
}

glass_status jinja_lex(struct jinja *in, struct jtokens *out, const char *source,
                       size_t n_bytes) {
    struct lexer *lx; /* large for a stack */
    in->line = 1;
    if (n_bytes > JINJA_SOURCE)
        return fail(GLASS_BAD_INPUT, "the template has %zu bytes, at most %d are read",
                    n_bytes, (int)JINJA_SOURCE);
    TRY(check_utf8(in, source, n_bytes));
    in->line = 1;
    TRY(jarena_alloc(in, &lx, 1, sizeof *lx));
    lx->in = in;
    lx->tokens = out;
    lx->line_start = true;
    TRY(normalise(lx, source, n_bytes));
    while (lx->at < lx->n) TRY(lex_root(lx));
    return push(lx, (struct jtoken){.type = T_EOF});
}
