/* jinja_format.c - "…" % values and "…".format(values). */
#include "text/jinja_run.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WIDTH = 100000, MAX_PRECISION = 300 };

struct spec {
    uint32_t fill;
    char align, sign, type; /* '\0': not given */
    bool alternate, zero, comma;
    int64_t width, precision; /* -1: not given */
};

/* Number text with its sign apart, so that padding can go between. */
static glass_status pad_out(struct jinja *in, struct jbuild *b, const struct spec *spec,
                            const char *sign, const struct jstr *body, char align) {
    int64_t missing = spec->width - (int64_t)strlen(sign) - (int64_t)body->n_chars;
    bool plain = jstr_any_plain(body);
    if (missing < 0) missing = 0;
    int64_t left = align == '>' || align == '=' ? missing : align == '^' ? missing / 2 : 0;
    if (align == '=') TRY(jbuild_text(in, b, sign, plain));
    for (int64_t i = 0; i < left; i++) TRY(jbuild_char(in, b, spec->fill, false));
    if (align != '=') TRY(jbuild_text(in, b, sign, plain));
    TRY(jbuild_str(in, b, body));
    for (int64_t i = left; i < missing; i++) TRY(jbuild_char(in, b, spec->fill, false));
    return GLASS_OK;
}

static glass_status put_text(struct jinja *in, struct jbuild *b, const struct spec *spec,
                             struct jstr *s, char align) {
    if (spec->precision >= 0 && (size_t)spec->precision < s->n_chars)
        TRY(jstr_slice(in, &s, s, 0, jstr_offset(s, (size_t)spec->precision)));
    return pad_out(in, b, spec, "", s, align);
}

static size_t group_thousands(char *out, const char *digits, size_t n) {
    size_t whole = 0, used = 0;
    while (whole < n && digits[whole] >= '0' && digits[whole] <= '9') whole++;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0) out[used++] = ',';
        out[used++] = digits[i];
    }
    return used;
}

static glass_status put_number(struct jinja *in, struct jbuild *b, const struct spec *spec,
                               const char *digits, bool negative, bool plain,
                               const char *prefix) {
    char sign[8], grouped[1000];
    struct jstr *body;
    size_t n = strlen(digits);
    snprintf(sign, sizeof sign, "%s%s",
             negative            ? "-"
             : spec->sign == '+' ? "+"
             : spec->sign == ' ' ? " "
                                 : "",
             prefix);
    if (spec->comma && n * 2 < sizeof grouped) {
        n = group_thousands(grouped, digits, n);
        digits = grouped;
    }
    char *copy;
    TRY(jarena_alloc(in, &copy, n + 1, 1));
    memcpy(copy, digits, n);
    TRY(jstr_borrow(in, &body, copy, n, plain));
    return pad_out(in, b, spec, sign, body, spec->align == '\0' ? '>' : spec->align);
}

static glass_status put_integer(struct jinja *in, struct jbuild *b, const struct spec *spec,
                                struct jv v) {
    char text[80];
    int64_t i = jv_int_value(v);
    uint64_t size = i < 0 ? -(uint64_t)i : (uint64_t)i;
    const char *prefix = "";
    switch (spec->type) {
    case 'x': snprintf(text, sizeof text, "%llx", (unsigned long long)size); break;
    case 'X': snprintf(text, sizeof text, "%llX", (unsigned long long)size); break;
    case 'o': snprintf(text, sizeof text, "%llo", (unsigned long long)size); break;
    case 'b': {
        int n = 1;
        while (n < 64 && size >> n != 0) n++;
        for (int k = 0; k < n; k++) text[k] = (char)('0' + (size >> (n - 1 - k) & 1));
        text[n] = '\0';
        break;
    }
    default: snprintf(text, sizeof text, "%llu", (unsigned long long)size);
    }
    if (spec->alternate)
        prefix = spec->type == 'x'   ? "0x"
                 : spec->type == 'X' ? "0X"
                 : spec->type == 'o' ? "0o"
                 : spec->type == 'b' ? "0b"
                                     : "";
    return put_number(in, b, spec, text, i < 0, v.plain, prefix);
}

static glass_status put_float(struct jinja *in, struct jbuild *b, const struct spec *spec,
                              struct jv v) {
    char text[800], format[16];
    double d = fabs(jv_double(v));
    bool negative = signbit(jv_double(v)) != 0 && !isnan(jv_double(v));
    char type = spec->type == '%' ? 'f' : spec->type == '\0' ? 'g' : spec->type;
    int precision = spec->precision < 0 ? 6 : (int)spec->precision;
    if (precision > MAX_PRECISION)
        return jinja_fail(in, "a precision above %d", MAX_PRECISION);
    if (spec->type == '%') d *= 100;
    if (type == 'n') type = 'g';
    if (isnan(d) || isinf(d)) {
        bool upper = type == 'F' || type == 'E' || type == 'G';
        snprintf(text, sizeof text, "%s%s",
                 isnan(d) ? upper ? "NAN" : "nan"
                 : upper  ? "INF"
                          : "inf",
                 spec->type == '%' ? "%" : "");
    } else if (spec->type == '\0' && spec->precision < 0) {
        jinja_float_text(text, d);
    } else {
        snprintf(format, sizeof format, "%%%s.*%c%s", spec->alternate ? "#" : "", type,
                 spec->type == '%' ? "%%" : "");
        snprintf(text, sizeof text, format, precision, d);
        /* without a type, at least one digit follows the point */
        if (spec->type == '\0' && strpbrk(text, ".e") == NULL &&
            strlen(text) + 3 < sizeof text)
            memcpy(text + strlen(text), ".0", 3);
    }
    return put_number(in, b, spec, text, negative, v.plain, "");
}

/* ---- printf style */

struct percent {
    struct jinja *in;
    const struct jstr *format;
    size_t at;
    struct jv values;
    size_t used;      /* of a tuple's values */
    bool single_done; /* the one value that is no tuple */
    bool by_name;     /* a %(key) was seen */
    struct jbuild b;
};

static glass_status next_value(struct percent *p, struct jv *out) {
    if (p->values.type == J_TUPLE) {
        if (p->used == p->values.u.list->n)
            return jinja_fail(p->in, "not enough arguments for format string");
        *out = p->values.u.list->items[p->used++];
        return GLASS_OK;
    }
    if (p->single_done) return jinja_fail(p->in, "not enough arguments for format string");
    p->single_done = true;
    *out = p->values;
    return GLASS_OK;
}

static char peek(const struct percent *p) {
    return p->at < p->format->n_bytes ? p->format->bytes[p->at] : '\0';
}

static glass_status read_count(struct percent *p, int64_t *out) {
    struct jv v;
    *out = 0;
    if (peek(p) == '*') {
        p->at++;
        TRY(next_value(p, &v));
        TRY(jarg_int(p->in, out, v, "* in a format"));
    }
    while (peek(p) >= '0' && peek(p) <= '9') {
        *out = *out * 10 + (peek(p) - '0');
        p->at++;
        if (*out > MAX_WIDTH) break;
    }
    if (*out > MAX_WIDTH || *out < -MAX_WIDTH)
        return jinja_fail(p->in, "a format is wider than %d", MAX_WIDTH);
    return GLASS_OK;
}

static glass_status read_key(struct percent *p, struct jv *value) {
    const struct jv *found;
    struct jstr *key;
    size_t begin = ++p->at;
    int nested = 1;
    for (; p->at < p->format->n_bytes; p->at++) {
        nested += (peek(p) == '(') - (peek(p) == ')');
        if (nested == 0) break;
    }
    if (p->values.type != J_DICT) return jinja_fail(p->in, "format requires a mapping");
    if (p->at == p->format->n_bytes) return jinja_fail(p->in, "incomplete format key");
    TRY(jstr_slice(p->in, &key, p->format, begin, p->at));
    TRY(jdict_get(p->in, &found, p->values.u.dict, jv_str(key)));
    if (found == NULL)
        return jinja_fail(p->in, "the format's key '%.*s' is missing", (int)key->n_bytes,
                          key->bytes);
    *value = *found;
    p->at++;
    p->by_name = true;
    return GLASS_OK;
}

static glass_status percent_text(struct percent *p, const struct spec *spec, struct jv v,
                                 char type) {
    struct jstr *s;
    struct jbuild b = {0};
    if (type == 's') {
        TRY(jv_to_str(p->in, &s, v));
    } else {
        TRY(jv_repr(p->in, &b, v));
        TRY(jbuild_finish(p->in, &s, &b));
        for (size_t i = 0; type == 'a' && i < s->n_bytes; i++)
            if ((unsigned char)s->bytes[i] >= 0x80)
                return jinja_fail(p->in, "%%a of text beyond ASCII is not supported");
    }
    if (p->format->markup) {
        if (v.type == J_STR && v.u.s->markup) TRY(jstr_markup(p->in, &s, s, true));
        TRY(jstr_escape(p->in, &s, s));
    }
    return put_text(p->in, &p->b, spec, s, spec->align == '<' ? '<' : '>');
}

static glass_status percent_number(struct percent *p, struct spec *spec, struct jv v,
                                   char type) {
    if (v.type == J_UNDEFINED) return jv_fail_undefined(p->in, v);
    if (!jv_is_number(v))
        return jinja_fail(p->in, "%%%c format: a number is required, not %s", type,
                          jv_type_name(v));
    if (spec->align == '\0') spec->align = spec->zero ? '=' : '>';
    if (spec->zero && spec->align == '=') spec->fill = '0';
    if (strchr("eEfFgG", type) != NULL) {
        spec->type = type;
        return put_float(p->in, &p->b, spec, v);
    }
    bool hex = type == 'x' || type == 'X' || type == 'o';
    if (v.type == J_FLOAT && hex)
        return jinja_fail(p->in, "%%%c format: an integer is required, not float", type);
    if (v.type == J_FLOAT) {
        if (!(fabs(v.u.d) < 9.2e18))
            return jinja_fail(p->in, "a number is too large for %%d");
        bool plain = v.plain;
        v = jv_int((int64_t)v.u.d);
        v.plain = plain;
    }
    if (spec->precision >= 0)
        return jinja_fail(p->in, "a precision of an integer format is not supported");
    spec->type = hex ? type : 'd';
    return put_integer(p->in, &p->b, spec, v);
}

static glass_status percent_char(struct percent *p, const struct spec *spec, struct jv v) {
    struct jstr *s;
    struct jbuild b = {0};
    if (v.type == J_STR && v.u.s->n_chars == 1)
        return put_text(p->in, &p->b, spec, v.u.s, spec->align == '<' ? '<' : '>');
    if (!jv_is_int(v)) return jinja_fail(p->in, "%%c requires an integer or a character");
    int64_t c = jv_int_value(v);
    if (c < 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return jinja_fail(p->in, "%%c: %lld is not a character", (long long)c);
    TRY(jbuild_char(p->in, &b, (uint32_t)c, v.plain));
    TRY(jbuild_finish(p->in, &s, &b));
    return put_text(p->in, &p->b, spec, s, spec->align == '<' ? '<' : '>');
}

static glass_status percent_item(struct percent *p) {
    struct spec spec = {.fill = ' ', .precision = -1};
    struct jv value = jv_missing();
    if (peek(p) == '(') TRY(read_key(p, &value));
    for (; peek(p) != '\0' && strchr("#0- +", peek(p)) != NULL; p->at++) {
        if (peek(p) == '#') spec.alternate = true;
        if (peek(p) == '0') spec.zero = true;
        if (peek(p) == '-') spec.align = '<';
        if (peek(p) == '+' || (peek(p) == ' ' && spec.sign == '\0')) spec.sign = peek(p);
    }
    TRY(read_count(p, &spec.width));
    if (spec.width < 0) {
        spec.align = '<';
        spec.width = -spec.width;
    }
    if (peek(p) == '.') {
        p->at++;
        TRY(read_count(p, &spec.precision));
        if (spec.precision < 0) spec.precision = 0;
    }
    while (peek(p) == 'h' || peek(p) == 'l' || peek(p) == 'L') p->at++;
    char type = peek(p);
    if (p->at >= p->format->n_bytes) return jinja_fail(p->in, "incomplete format");
    p->at++;
    if (type == '%') return jbuild_text(p->in, &p->b, "%", false);
    if (type == '\0' || strchr("sradiuxXoeEfFgGc", type) == NULL)
        return jinja_fail(p->in, "unsupported format character '%c'",
                          (unsigned char)type < 0x80 ? type : '?');
    if (value.type == J_MISSING) TRY(next_value(p, &value));
    if (strchr("sra", type) != NULL) return percent_text(p, &spec, value, type);
    if (type == 'c') return percent_char(p, &spec, value);
    return percent_number(p, &spec, value, type);
}

glass_status jinja_percent(struct jinja *in, struct jv *out, const struct jstr *format,
                           struct jv values) {
    struct percent p = {.in = in, .format = format, .values = values};
    struct jstr *s;
    while (p.at < format->n_bytes) {
        const char *hit = memchr(format->bytes + p.at, '%', format->n_bytes - p.at);
        size_t end = hit == NULL ? format->n_bytes : (size_t)(hit - format->bytes);
        TRY(jbuild_part(in, &p.b, format, p.at, end));
        p.at = end;
        if (hit == NULL) break;
        p.at++;
        TRY(jinja_charge(in, 1));
        TRY(percent_item(&p));
    }
    bool mapping = values.type == J_DICT || values.type == J_LIST || values.type == J_RANGE;
    bool left =
        values.type == J_TUPLE ? p.used < values.u.list->n : !p.single_done && !mapping;
    if (values.type == J_UNDEFINED)
        left = false; /* it can be indexed, so it counts as one */
    if (left && !(p.by_name && mapping))
        return jinja_fail(in, "not all arguments converted during string formatting");
    TRY(jbuild_finish(in, &s, &p.b));
    s->markup = format->markup;
    *out = jv_str(s);
    return GLASS_OK;
}

/* ---- format() style */

struct fields {
    struct jinja *in;
    const struct jargs *args;
    int64_t next; /* automatic numbers; -1 once numbers were written out */
    bool automatic;
    bool markup;
};

static glass_status field_root(struct fields *f, struct jv *out, const struct jstr *name) {
    bool overflow = false;
    int64_t index = 0;
    bool number = name->n_bytes == 0;
    if (number) {
        if (f->next < 0) return jinja_fail(f->in, "automatic and manual numbers are mixed");
        index = f->next++;
        f->automatic = true;
    } else if (name->bytes[0] >= '0' && name->bytes[0] <= '9' &&
               jinja_parse_int(&index, &overflow, name->bytes, name->n_bytes, 10)) {
        if (f->automatic)
            return jinja_fail(f->in, "automatic and manual numbers are mixed");
        number = true;
        f->next = -1;
    }
    if (number) {
        if (overflow || index >= (int64_t)f->args->n)
            return jinja_fail(f->in, "a format's number is beyond its arguments");
        *out = f->args->items[index];
        return GLASS_OK;
    }
    for (size_t i = 0; i < f->args->n_keywords; i++) {
        if (!jstr_same(f->args->keywords[i].name, name)) continue;
        *out = f->args->keywords[i].value;
        return GLASS_OK;
    }
    return jinja_fail(f->in, "the format's key '%.*s' is missing", (int)name->n_bytes,
                      name->bytes);
}

/* name.attribute[item]… */
static glass_status field_value(struct fields *f, struct jv *out, const struct jstr *name) {
    size_t at = 0, n = name->n_bytes;
    struct jstr *part;
    while (at < n && name->bytes[at] != '.' && name->bytes[at] != '[') at++;
    TRY(jstr_slice(f->in, &part, name, 0, at));
    TRY(field_root(f, out, part));
    while (at < n) {
        bool item = name->bytes[at] == '[';
        size_t begin = ++at;
        while (at < n && (item ? name->bytes[at] != ']'
                               : name->bytes[at] != '.' && name->bytes[at] != '['))
            at++;
        if (at == begin || (item && at == n)) return jinja_fail(f->in, "bad format field");
        TRY(jstr_slice(f->in, &part, name, begin, at));
        if (item && ++at < n && name->bytes[at] != '.' && name->bytes[at] != '[')
            return jinja_fail(f->in, "bad format field");
        struct jv key = jv_str(part);
        bool overflow = false, digits = item;
        for (size_t i = 0; i < part->n_bytes; i++)
            digits = digits && part->bytes[i] >= '0' && part->bytes[i] <= '9';
        if (digits) {
            key = jv_int(0);
            jinja_parse_int(&key.u.i, &overflow, part->bytes, part->n_bytes, 10);
        }
        TRY(item ? jinja_getitem(f->in, out, *out, key)
                 : jinja_getattr(f->in, out, *out, part));
    }
    return GLASS_OK;
}

static glass_status parse_spec(struct jinja *in, struct spec *out, const struct jstr *s) {
    size_t at = 0, n = s->n_bytes, first = 0;
    uint32_t fill = ' ';
    bool overflow;
    *out = (struct spec){.fill = ' ', .precision = -1};
    if (n > 0) first = utf8_decode(&fill, s->bytes, n);
    if (n > first && strchr("<>=^", s->bytes[first]) != NULL && s->bytes[first] != '\0') {
        out->fill = fill;
        out->align = s->bytes[first];
        at = first + 1;
    } else if (n > 0 && s->bytes[0] != '\0' && strchr("<>=^", s->bytes[0]) != NULL) {
        out->align = s->bytes[0];
        at = 1;
    }
    if (at < n && (s->bytes[at] == '+' || s->bytes[at] == '-' || s->bytes[at] == ' '))
        out->sign = s->bytes[at++];
    if (at < n && s->bytes[at] == '#') out->alternate = true, at++;
    if (at < n && s->bytes[at] == '0') {
        at++;
        if (out->align == '\0') {
            out->fill = '0';
            out->align = '=';
        }
        out->zero = true;
    }
    size_t begin = at;
    while (at < n && s->bytes[at] >= '0' && s->bytes[at] <= '9') at++;
    if (at - begin > 6) return jinja_fail(in, "a format is wider than %d", MAX_WIDTH);
    if (at > begin)
        jinja_parse_int(&out->width, &overflow, s->bytes + begin, at - begin, 10);
    if (at < n && s->bytes[at] == ',') out->comma = true, at++;
    if (at < n && s->bytes[at] == '.') {
        begin = ++at;
        while (at < n && s->bytes[at] >= '0' && s->bytes[at] <= '9') at++;
        if (at == begin || at - begin > 4) return jinja_fail(in, "bad format precision");
        jinja_parse_int(&out->precision, &overflow, s->bytes + begin, at - begin, 10);
    }
    if (at < n) out->type = s->bytes[at++];
    if (at < n) return jinja_fail(in, "bad format specification");
    return out->width > MAX_WIDTH ? jinja_fail(in, "a format is wider than %d", MAX_WIDTH)
                                  : GLASS_OK;
}

static glass_status put_field(struct fields *f, struct jbuild *b, struct jv v,
                              const struct jstr *text) {
    struct spec spec;
    struct jstr *s;
    TRY(parse_spec(f->in, &spec, text));
    if (v.type == J_STR || text->n_bytes == 0) {
        TRY(jv_to_str(f->in, &s, v));
        if (v.type == J_STR &&
            ((spec.type != '\0' && spec.type != 's') || spec.comma || spec.sign != '\0' ||
             spec.alternate || (spec.align == '=' && !spec.zero)))
            return jinja_fail(f->in, "bad format specification for a string");
        if (f->markup) {
            if (v.type == J_STR && v.u.s->markup) TRY(jstr_markup(f->in, &s, s, true));
            TRY(jstr_escape(f->in, &s, s));
        }
        char align = spec.align == '\0' || spec.align == '=' ? '<' : spec.align;
        return put_text(f->in, b, &spec, s, align);
    }
    if (!jv_is_number(v))
        return jinja_fail(f->in, "a %s takes no format specification", jv_type_name(v));
    if (v.type == J_BOOL && spec.type == '\0')
        return jinja_fail(f->in, "a format specification for a bool is not supported");
    bool integer = spec.type == '\0' || strchr("dxXobn", spec.type) != NULL;
    if (jv_is_int(v) && integer) {
        if (spec.precision >= 0) return jinja_fail(f->in, "an integer has no precision");
        return put_integer(f->in, b, &spec, v);
    }
    if (spec.type != '\0' && strchr("eEfFgGn%", spec.type) == NULL)
        return jinja_fail(f->in, "unknown format code '%c'",
                          (unsigned char)spec.type < 0x80 ? spec.type : '?');
    return put_float(f->in, b, &spec, v);
}

/* text is what stood between the braces: field [!conversion] [:specification] */
static glass_status format_field(struct fields *f, struct jbuild *b,
                                 const struct jstr *text) {
    size_t n = text->n_bytes, end = 0, spec = n;
    char conversion = '\0';
    struct jstr *name, *rest;
    struct jv v;
    while (end < n && text->bytes[end] != '!' && text->bytes[end] != ':') {
        if (text->bytes[end] == '[')
            while (end < n && text->bytes[end] != ']') end++;
        if (end < n) end++;
    }
    if (end < n && text->bytes[end] == '!') {
        if (end + 1 >= n) return jinja_fail(f->in, "bad format conversion");
        conversion = text->bytes[end + 1];
        if (end + 2 < n && text->bytes[end + 2] != ':')
            return jinja_fail(f->in, "bad format conversion");
        spec = end + 2 < n ? end + 3 : n;
    } else if (end < n) {
        spec = end + 1;
    }
    TRY(jstr_slice(f->in, &name, text, 0, end));
    TRY(jstr_slice(f->in, &rest, text, spec, n));
    if (memchr(rest->bytes, '{', rest->n_bytes) != NULL)
        return jinja_fail(f->in, "nested format fields are not supported");
    TRY(field_value(f, &v, name));
    if (conversion == 's') {
        TRY(jv_to_str(f->in, &v.u.s, v));
        v.type = J_STR;
    } else if (conversion == 'r') {
        struct jbuild repr = {0};
        TRY(jv_repr(f->in, &repr, v));
        TRY(jbuild_finish(f->in, &v.u.s, &repr));
        v.type = J_STR;
    } else if (conversion != '\0') {
        return jinja_fail(f->in, "unsupported format conversion");
    }
    return put_field(f, b, v, rest);
}

glass_status jinja_format(struct jinja *in, struct jv *out, const struct jstr *format,
                          const struct jargs *args) {
    struct fields f = {.in = in, .args = args, .markup = format->markup};
    struct jbuild b = {0};
    struct jstr *s;
    size_t n = format->n_bytes;
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (end < n && format->bytes[end] != '{' && format->bytes[end] != '}') end++;
        TRY(jbuild_part(in, &b, format, at, end));
        if (end == n) break;
        TRY(jinja_charge(in, 1));
        if (end + 1 < n && format->bytes[end + 1] == format->bytes[end]) {
            TRY(jbuild_part(in, &b, format, end, end + 1));
            at = end + 2;
            continue;
        }
        if (format->bytes[end] == '}') return jinja_fail(in, "single '}' in a format");
        int nested = 1;
        for (at = end + 1; at < n && nested > 0; at++)
            nested += (format->bytes[at] == '{') - (format->bytes[at] == '}');
        if (nested > 0) return jinja_fail(in, "expected '}' before the end of a format");
        TRY(jstr_slice(in, &s, format, end + 1, at - 1));
        TRY(format_field(&f, &b, s));
    }
    TRY(jbuild_finish(in, &s, &b));
    s->markup = format->markup;
    *out = jv_str(s);
    return GLASS_OK;
}
