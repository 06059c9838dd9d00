/* jinja_number.c - Python's numbers: text, rounding, arithmetic. Integers are 64 bits; what
 * would need more is an error. The caller has switched the thread to the C locale. */
#include "text/jinja_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shortest digits that read back as the same number, laid out as repr() does: plain between
 * 1e-4 and 1e16, with an exponent of at least two digits outside. */
size_t jinja_float_text(char out[JINJA_NUMBER_BYTES], double value) {
    if (isnan(value)) return (size_t)snprintf(out, JINJA_NUMBER_BYTES, "nan");
    if (isinf(value))
        return (size_t)snprintf(out, JINJA_NUMBER_BYTES, value < 0 ? "-inf" : "inf");
    char text[40];
    int digits = 1;
    for (; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value) break;
    }
    snprintf(text, sizeof text, "%.*e", digits - 1, value);
    char *e = strchr(text, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    if (value != 0 && (exponent < -4 || exponent >= 16))
        return (size_t)snprintf(out, JINJA_NUMBER_BYTES, "%.*se%c%02d", (int)(e - text),
                                text, exponent < 0 ? '-' : '+', abs(exponent));
    int decimals = digits - 1 - exponent;
    return (size_t)snprintf(out, JINJA_NUMBER_BYTES, "%.*f", decimals < 1 ? 1 : decimals,
                            value);
}

/* ---- reading */

static bool is_ascii_space(char c) {
    return jinja_is_space((unsigned char)c);
}

static void trim(const char **text, size_t *n) {
    while (*n > 0 && is_ascii_space(**text)) (*text)++, (*n)--;
    while (*n > 0 && is_ascii_space((*text)[*n - 1])) (*n)--;
}

static int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
    return 99;
}

/* The base that a 0x, 0o or 0b prefix names, else 0. */
static int prefix_base(const char *text, size_t n) {
    if (n < 2 || text[0] != '0') return 0;
    switch (text[1] | 0x20) {
    case 'x': return 16;
    case 'o': return 8;
    case 'b': return 2;
    default: return 0;
    }
}

bool jinja_parse_int(int64_t *out, bool *overflow, const char *text, size_t n, int base) {
    bool negative = false, digit = false, nonzero = false;
    *overflow = false;
    trim(&text, &n);
    if (n > 0 && (*text == '+' || *text == '-')) {
        negative = *text == '-';
        text++, n--;
    }
    int named = prefix_base(text, n);
    bool bare_zero = base == 0 && named == 0 && n > 0 && *text == '0';
    if (named != 0 && (base == 0 || base == named)) {
        base = named;
        text += 2, n -= 2;
        if (n > 0 && *text == '_') text++, n--;
    }
    if (base == 0) base = 10;
    int64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '_') { /* single ones between digits */
            if (!digit) return false;
            digit = false;
            continue;
        }
        int d = digit_value(text[i]);
        if (d >= base) return false;
        digit = true;
        nonzero = nonzero || d != 0;
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_sub_overflow(value, d, &value))
            *overflow = true;
    }
    if (!digit || (bare_zero && nonzero)) return false;
    if (!negative && value == INT64_MIN) *overflow = true;
    *out = *overflow ? 0 : negative ? value : -value;
    return true;
}

bool jinja_parse_float(double *out, const char *text, size_t n) {
    trim(&text, &n);
    char copy[1200];
    size_t used = 0;
    if (n == 0 || n >= sizeof copy) return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '_') {
            bool between = i > 0 && i + 1 < n && digit_value(text[i - 1]) < 10 &&
                           digit_value(text[i + 1]) < 10;
            if (!between) return false;
            continue;
        }
        /* strtod also takes hexadecimal and nan(...), which Python doesn't */
        if (text[i] == '\0' || (text[i] | 0x20) == 'x' || text[i] == '(') return false;
        copy[used++] = text[i];
    }
    copy[used] = '\0';
    if (is_ascii_space(copy[0])) return false;
    char *end;
    *out = strtod(copy, &end);
    return end == copy + used;
}

/* ---- rounding */

glass_status jinja_round(struct jinja *in, struct jv *out, struct jv value,
                         int64_t digits) {
    if (jv_is_int(value)) { /* to a multiple of 10^-digits, ties to even */
        int64_t n = jv_int_value(value), unit = 1;
        for (int64_t i = digits; i < 0; i++)
            if (__builtin_mul_overflow(unit, (int64_t)10, &unit))
                return jinja_fail(in, "rounding to more than 64 bits");
        int64_t rest = n % unit, base = n - rest, half = unit / 2;
        int64_t size = rest < 0 ? -rest : rest;
        bool up = size > half || (size == half && unit > 1 && (base / unit) % 2 != 0);
        *out = jv_int(base);
        if (up && __builtin_add_overflow(base, rest < 0 ? -unit : unit, &out->u.i))
            return jinja_fail(in, "rounding to more than 64 bits");
        out->plain = value.plain;
        return GLASS_OK;
    }
    if (value.type != J_FLOAT)
        return jinja_fail(in, "%s can't be rounded", jv_type_name(value));
    double d = value.u.d;
    *out = value;
    if (!isfinite(d) || digits > 323) return GLASS_OK;
    if (digits < -308) {
        out->u.d = copysign(0.0, d);
        return GLASS_OK;
    }
    char text[800];
    if (digits >= 0) {
        /* printf rounds the exact binary value, ties to even, as Python's dtoa does */
        snprintf(text, sizeof text, "%.*f", (int)digits, d);
    } else {
        int exponent;
        char probe[64];
        snprintf(probe, sizeof probe, "%.17e", d);
        exponent = (int)strtol(strchr(probe, 'e') + 1, NULL, 10);
        if (exponent + 1 + digits < 0) {
            out->u.d = copysign(0.0, d);
            return GLASS_OK;
        }
        if (exponent + digits < 0) { /* half of the unit or less: decide by comparison */
            double unit = pow(10.0, (double)-digits);
            out->u.d = copysign(fabs(d) > unit / 2 ? unit : 0.0, d);
            return GLASS_OK;
        }
        snprintf(text, sizeof text, "%.*e", (int)(exponent + digits), d);
    }
    out->u.d = strtod(text, NULL);
    if (!isfinite(out->u.d)) return jinja_fail(in, "rounded value too large to represent");
    return GLASS_OK;
}

/* ---- arithmetic */

static glass_status too_big(struct jinja *in) {
    return jinja_fail(in, "an integer needs more than 64 bits");
}

static glass_status int_divide(struct jinja *in, struct jv *out, enum jop op, int64_t a,
                               int64_t b) {
    if (b == 0) return jinja_fail(in, "division by zero");
    if (b == -1) { /* INT64_MIN / -1 traps */
        if (op == JOP_FLOORDIV && a == INT64_MIN) return too_big(in);
        *out = jv_int(op == JOP_FLOORDIV ? -a : 0);
        return GLASS_OK;
    }
    int64_t quotient = a / b, rest = a % b;
    if (rest != 0 && (rest < 0) != (b < 0)) {
        quotient--;
        rest += b;
    }
    *out = jv_int(op == JOP_FLOORDIV ? quotient : rest);
    return GLASS_OK;
}

static glass_status int_power(struct jinja *in, struct jv *out, int64_t base,
                              int64_t power) {
    int64_t result = 1;
    while (power > 0) {
        if ((power & 1) != 0 && __builtin_mul_overflow(result, base, &result))
            return too_big(in);
        power >>= 1;
        if (power > 0 && __builtin_mul_overflow(base, base, &base)) return too_big(in);
    }
    *out = jv_int(result);
    return GLASS_OK;
}

static bool exact(int64_t i) {
    return i >= -(INT64_C(1) << 53) && i <= (INT64_C(1) << 53);
}

static glass_status int_arithmetic(struct jinja *in, struct jv *out, enum jop op, int64_t a,
                                   int64_t b) {
    int64_t r = 0;
    switch (op) {
    case JOP_ADD:
        if (__builtin_add_overflow(a, b, &r)) return too_big(in);
        break;
    case JOP_SUB:
        if (__builtin_sub_overflow(a, b, &r)) return too_big(in);
        break;
    case JOP_MUL:
        if (__builtin_mul_overflow(a, b, &r)) return too_big(in);
        break;
    case JOP_DIV:
        if (b == 0) return jinja_fail(in, "division by zero");
        if (!exact(a) || !exact(b))
            return jinja_fail(in, "true division of integers above 2**53");
        *out = jv_float((double)a / (double)b);
        return GLASS_OK;
    case JOP_FLOORDIV:
    case JOP_MOD: return int_divide(in, out, op, a, b);
    case JOP_POW: return int_power(in, out, a, b);
    }
    *out = jv_int(r);
    return GLASS_OK;
}

/* Python's float floor division and remainder: the remainder has the divisor's sign. */
static void float_divide(double *quotient, double *rest, double a, double b) {
    double mod = fmod(a, b), div = (a - mod) / b;
    if (mod != 0) {
        if ((b < 0) != (mod < 0)) {
            mod += b;
            div -= 1.0;
        }
    } else {
        mod = copysign(0.0, b);
    }
    *rest = mod;
    if (div != 0) {
        *quotient = floor(div);
        if (div - *quotient > 0.5) *quotient += 1.0;
    } else {
        *quotient = copysign(0.0, a / b);
    }
}

static glass_status float_arithmetic(struct jinja *in, struct jv *out, enum jop op,
                                     double a, double b) {
    double quotient, rest, r = 0;
    bool divides = op == JOP_DIV || op == JOP_FLOORDIV || op == JOP_MOD;
    if (divides && b == 0) return jinja_fail(in, "division by zero");
    switch (op) {
    case JOP_ADD: r = a + b; break;
    case JOP_SUB: r = a - b; break;
    case JOP_MUL: r = a * b; break;
    case JOP_DIV: r = a / b; break;
    case JOP_FLOORDIV:
    case JOP_MOD:
        float_divide(&quotient, &rest, a, b);
        r = op == JOP_MOD ? rest : quotient;
        break;
    case JOP_POW:
        if (a == 0 && b < 0) return jinja_fail(in, "zero raised to a negative power");
        if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b))
            return jinja_fail(in, "a negative number raised to a fraction");
        r = pow(a, b);
        if (isinf(r) && isfinite(a) && isfinite(b))
            return jinja_fail(in, "the result is too large");
        break;
    }
    *out = jv_float(r);
    return GLASS_OK;
}

glass_status jinja_arithmetic(struct jinja *in, struct jv *out, enum jop op, struct jv a,
                              struct jv b) {
    glass_status status;
    bool ints = jv_is_int(a) && jv_is_int(b), plain = a.plain || b.plain;
    if (ints && !(op == JOP_POW && jv_int_value(b) < 0)) {
        status = int_arithmetic(in, out, op, jv_int_value(a), jv_int_value(b));
    } else {
        status = float_arithmetic(in, out, op, jv_double(a), jv_double(b));
    }
    out->plain = plain;
    return status;
}

glass_status jinja_negate(struct jinja *in, struct jv *out, struct jv a, bool negative) {
    if (!jv_is_number(a))
        return jinja_fail(in, "bad operand type for unary %c: %s", negative ? '-' : '+',
                          jv_type_name(a));
    bool plain = a.plain;
    if (a.type == J_FLOAT) {
        *out = jv_float(negative ? -a.u.d : a.u.d);
    } else {
        int64_t i = jv_int_value(a);
        if (negative && i == INT64_MIN) return too_big(in);
        *out = jv_int(negative ? -i : i);
    }
    out->plain = plain;
    return GLASS_OK;
}
