/* json_scan.c - a JSON scanner without a tree. */
#include "format/json_scan.h"

#include "base/utf8.h"

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

char json_scan_peek(struct json_scan *s) {
    while (s->pos < s->size && is_space(s->data[s->pos])) s->pos++;
    return s->pos < s->size ? s->data[s->pos] : '\0';
}

bool json_scan_take(struct json_scan *s, char c) {
    if (json_scan_peek(s) != c || s->pos == s->size) return false;
    s->pos++;
    return true;
}

static glass_status unexpected(const struct json_scan *s, const char *wanted) {
    if (s->pos >= s->size)
        return fail(GLASS_BAD_INPUT,
                    "%s: byte %zu: the JSON ends where %s should be; the file is cut short "
                    "or damaged",
                    s->name, s->pos, wanted);
    unsigned char c = (unsigned char)s->data[s->pos];
    if (c > 0x20 && c < 0x7f)
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: '%c' in the JSON where %s should be",
                    s->name, s->pos, c, wanted);
    return fail(GLASS_BAD_INPUT, "%s: byte %zu: byte 0x%02x in the JSON where %s should be",
                s->name, s->pos, c, wanted);
}

glass_status json_scan_want(struct json_scan *s, char c) {
    const char wanted[] = {'\'', c, '\'', '\0'};
    return json_scan_take(s, c) ? GLASS_OK : unexpected(s, wanted);
}

glass_status json_scan_next(struct json_scan *s, char close, bool *more) {
    const char wanted[] = {'\'', ',', '\'', ' ', 'o', 'r', ' ', '\'', close, '\'', '\0'};
    *more = json_scan_take(s, ',');
    return *more || json_scan_take(s, close) ? GLASS_OK : unexpected(s, wanted);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits after \u. */
static glass_status unit(struct json_scan *s, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < 4; i++, s->pos++) {
        int digit = s->pos < s->size ? hex_digit(s->data[s->pos]) : -1;
        if (digit < 0) return unexpected(s, "a hexadecimal digit");
        *out = *out << 4 | (uint32_t)digit;
    }
    return GLASS_OK;
}

static glass_status escape_u(struct json_scan *s, struct buf *out) {
    uint32_t c, low;
    size_t start = s->pos - 2;
    TRY(unit(s, &c));
    if (c >= 0xd800 && c < 0xdc00 && s->size - s->pos >= 2 && s->data[s->pos] == '\\' &&
        s->data[s->pos + 1] == 'u') {
        s->pos += 2;
        TRY(unit(s, &low));
        if (low >= 0xdc00 && low < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    if (c == 0 || (c >= 0xd800 && c < 0xe000))
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: \\u%04x in the JSON is no character",
                    s->name, start, (unsigned)c);
    char text[4];
    return buf_append(out, text, utf8_encode(text, c));
}

static glass_status escape(struct json_scan *s, struct buf *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    s->pos++;
    char c = s->pos < s->size ? s->data[s->pos] : '\0';
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    if (at == NULL && c != 'u') return unexpected(s, "an escape's letter");
    s->pos++;
    return c == 'u' ? escape_u(s, out) : buf_byte(out, to[at - from]);
}

glass_status json_scan_string(struct json_scan *s, struct buf *out, const char *what) {
    buf_clear(out);
    TRY(buf_append(out, "", 0)); /* an empty string ends with NUL, too */
    if (!json_scan_take(s, '"')) return unexpected(s, what);
    while (s->pos < s->size) {
        char c = s->data[s->pos];
        if (c == '"') {
            s->pos++;
            return GLASS_OK;
        }
        if (c == '\\') {
            TRY(escape(s, out));
            continue;
        }
        uint32_t decoded;
        size_t n = utf8_decode(&decoded, s->data + s->pos, s->size - s->pos);
        if (decoded == UTF8_BAD || decoded < 0x20)
            return fail(GLASS_BAD_INPUT,
                        "%s: byte %zu: %s in the JSON holds the byte 0x%02x", s->name,
                        s->pos, what, (unsigned char)c);
        TRY(buf_append(out, s->data + s->pos, n));
        s->pos += n;
    }
    return unexpected(s, "the end of a string");
}

glass_status json_scan_key(struct json_scan *s, struct buf *out) {
    TRY(json_scan_string(s, out, "a name in quotes"));
    return json_scan_want(s, ':');
}

glass_status json_scan_count(struct json_scan *s, int64_t *out, const char *what) {
    char c = json_scan_peek(s);
    size_t start = s->pos;
    *out = 0;
    if (c < '0' || c > '9') return unexpected(s, what);
    for (; s->pos < s->size && s->data[s->pos] >= '0' && s->data[s->pos] <= '9'; s->pos++) {
        if (__builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, s->data[s->pos] - '0', out))
            return fail(GLASS_BAD_INPUT, "%s: byte %zu: %s is too large to be counted",
                        s->name, start, what);
    }
    char after = s->pos < s->size ? s->data[s->pos] : '\0';
    if ((c == '0' && s->pos > start + 1) || after == '.' || after == 'e' || after == 'E') {
        s->pos = start;
        return fail(GLASS_BAD_INPUT, "%s: byte %zu: %s is not written as a whole number",
                    s->name, start, what);
    }
    return GLASS_OK;
}

/* A string without decoding it; what it holds matters to nobody. */
static glass_status skip_string(struct json_scan *s) {
    for (s->pos++; s->pos < s->size; s->pos++) {
        if (s->data[s->pos] == '\\')
            s->pos++;
        else if (s->data[s->pos] == '"') {
            s->pos++;
            return GLASS_OK;
        }
    }
    s->pos = s->size;
    return unexpected(s, "the end of a string");
}

/* A number, true, false, null. */
static glass_status skip_word(struct json_scan *s) {
    size_t start = s->pos;
    while (s->pos < s->size) {
        char c = s->data[s->pos];
        bool in_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' ||
                       c == '+' || c == '.' || c == 'E';
        if (!in_word) break;
        s->pos++;
    }
    return s->pos > start ? GLASS_OK : unexpected(s, "a value");
}

/* close[depth - 1] ends the innermost open bracket. After a comma in an object a name comes
 * first. */
glass_status json_scan_skip(struct json_scan *s) {
    char close[JSON_SCAN_DEPTH];
    int depth = 0;
    bool more;
    for (;;) {
        char c = json_scan_peek(s);
        if (c == '{' || c == '[') {
            if (depth == JSON_SCAN_DEPTH)
                return fail(GLASS_BAD_INPUT, "%s: byte %zu: JSON more than %d levels deep",
                            s->name, s->pos, JSON_SCAN_DEPTH);
            close[depth++] = c == '{' ? '}' : ']';
            s->pos++;
            if (!json_scan_take(s, close[depth - 1])) goto item;
            depth--;
        } else if (c == '"') {
            TRY(skip_string(s));
        } else {
            TRY(skip_word(s));
        }
        for (more = false; depth > 0 && !more; depth -= !more)
            TRY(json_scan_next(s, close[depth - 1], &more));
        if (depth == 0) return GLASS_OK;
    item:
        if (close[depth - 1] == ']') continue;
        if (json_scan_peek(s) != '"') return unexpected(s, "a name in quotes");
        TRY(skip_string(s));
        TRY(json_scan_want(s, ':'));
    }
}

glass_status json_scan_end(struct json_scan *s) {
    json_scan_peek(s);
    return s->pos == s->size ? GLASS_OK : unexpected(s, "the end");
}
