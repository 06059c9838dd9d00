/* grammar_number.c - numbers between two bounds, as trees of digits. */
#include "text/grammar_schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static glass_status put_digit(struct gram_tree *t, uint32_t seq, char low, char high) {
    struct gram_range r = {(uint8_t)low, (uint8_t)high};
    uint32_t node;
    TRY(gram_class(t, &node, GRAM_CLASS, &r, 1));
    gram_add(t, seq, node);
    return GLASS_OK;
}

static glass_status put_digits(struct gram_tree *t, uint32_t seq, uint32_t min,
                               uint32_t max) {
    static const struct gram_range digits = {'0', '9'};
    uint32_t node;
    if (max == 0) return GLASS_OK;
    TRY(gram_class(t, &node, GRAM_CLASS, &digits, 1));
    TRY(gram_times(t, &node, node, min, max));
    gram_add(t, seq, node);
    return GLASS_OK;
}

static bool all_are(const char *digits, size_t n, char c) {
    for (size_t i = 0; i < n; i++)
        if (digits[i] != c) return false;
    return true;
}

/* Numbers of n digits from low to high. */
static glass_status same_length(struct gram_tree *t, uint32_t *out, const char *low,
                                const char *high, size_t n) {
    static const char zeros[] = "00000000000000000000", nines[] = "99999999999999999999";
    uint32_t seq, rest;
    TRY(gram_alt(t, out));
    TRY(gram_seq(t, &seq));
    gram_add(t, *out, seq);
    if (n == 0 || (all_are(low, n, '0') && all_are(high, n, '9')))
        return put_digits(t, seq, (uint32_t)n, (uint32_t)n);
    if (low[0] == high[0]) {
        TRY(put_digit(t, seq, low[0], low[0]));
        TRY(same_length(t, &rest, low + 1, high + 1, n - 1));
        gram_add(t, seq, rest);
        return GLASS_OK;
    }
    TRY(put_digit(t, seq, low[0], low[0]));
    TRY(same_length(t, &rest, low + 1, nines, n - 1));
    gram_add(t, seq, rest);
    if (low[0] + 1 < high[0]) {
        TRY(gram_seq(t, &seq));
        gram_add(t, *out, seq);
        TRY(put_digit(t, seq, (char)(low[0] + 1), (char)(high[0] - 1)));
        TRY(put_digits(t, seq, (uint32_t)n - 1, (uint32_t)n - 1));
    }
    TRY(gram_seq(t, &seq));
    gram_add(t, *out, seq);
    TRY(put_digit(t, seq, high[0], high[0]));
    TRY(same_length(t, &rest, zeros, high + 1, n - 1));
    gram_add(t, seq, rest);
    return GLASS_OK;
}

/* Without sign and leading zeros. */
static glass_status naturals(struct gram_tree *t, uint32_t alt, uint64_t low,
                             uint64_t high) {
    for (uint64_t power = 1; low <= high; power *= 10) {
        char from[24], to[24];
        uint64_t last = power > UINT64_MAX / 10 ? UINT64_MAX : power * 10 - 1;
        uint32_t node;
        if (low > last) continue;
        if (last > high) last = high;
        int n = snprintf(from, sizeof from, "%llu", (unsigned long long)low);
        snprintf(to, sizeof to, "%llu", (unsigned long long)last);
        TRY(same_length(t, &node, from, to, (size_t)n));
        gram_add(t, alt, node);
        if (last == high) break;
        low = last + 1;
    }
    return GLASS_OK;
}

static uint64_t magnitude(int64_t x) {
    return x < 0 ? (uint64_t)0 - (uint64_t)x : (uint64_t)x;
}

glass_status gram_integers(struct gram_tree *t, uint32_t *out, int64_t low, int64_t high) {
    TRY(gram_alt(t, out));
    if (low > high) return GLASS_OK;
    if (low < 0) {
        uint32_t seq, alt;
        TRY(gram_seq(t, &seq));
        gram_add(t, *out, seq);
        TRY(gram_put_text(t, seq, "-"));
        TRY(gram_alt(t, &alt));
        TRY(naturals(t, alt, high < 0 ? magnitude(high) : 1, magnitude(low)));
        gram_add(t, seq, alt);
    }
    return high >= 0 ? naturals(t, *out, low > 0 ? (uint64_t)low : 0, (uint64_t)high)
                     : GLASS_OK;
}

/* --- decimal fractions --------------------------------------------------------------------- */

/* A magnitude: whole . digits, of which there are `places`. */
struct decimal {
    uint64_t whole;
    char digits[20];
};
struct between {
    struct gram_tree *t;
    size_t places;
    struct decimal low, high;
    bool no_low, no_high; /* the bound itself is not one of the numbers */
};

/* Digits behind the point from place `at` on; on_low: all before were low's. */
static glass_status fraction(const struct between *b, uint32_t *out, size_t at, bool on_low,
                             bool on_high, bool may_end) {
    const char *low = b->low.digits, *high = b->high.digits;
    struct gram_tree *t = b->t;
    bool is_low = on_low && all_are(low + at, b->places - at, '0');
    bool is_high = on_high && all_are(high + at, b->places - at, '0');
    TRY(gram_alt(t, out));
    bool ends = !on_low || (is_low && !b->no_low);
    if (is_high && b->no_high) ends = false;
    if (may_end && ends) TRY(gram_put_text(t, *out, ""));
    if (at == b->places) return GLASS_OK;
    char least = on_low ? low[at] : '0', most = on_high ? high[at] : '9';
    for (char d = least; d <= most;) {
        bool l = on_low && d == least, h = on_high && d == most;
        char last = d; /* digits alike */
        while (!l && !h && last < most - (on_high ? 1 : 0)) last++;
        uint32_t seq, rest;
        TRY(gram_seq(t, &seq));
        TRY(put_digit(t, seq, d, last));
        TRY(fraction(b, &rest, at + 1, l, h, true));
        gram_add(t, seq, rest);
        gram_add(t, *out, seq);
        d = (char)(last + 1);
    }
    return GLASS_OK;
}

/* The whole part w with what may stand behind it. */
static glass_status with_fraction(const struct between *b, uint32_t alt, uint32_t wholes,
                                  bool on_low, bool on_high) {
    struct gram_tree *t = b->t;
    uint32_t behind, seq, point;
    TRY(gram_seq(t, &seq));
    gram_add(t, seq, wholes);
    TRY(gram_alt(t, &behind));
    TRY(gram_seq(t, &point));
    TRY(gram_put_text(t, point, "."));
    uint32_t digits;
    TRY(fraction(b, &digits, 0, on_low, on_high, false));
    gram_add(t, point, digits);
    gram_add(t, behind, point);
    bool is_low = on_low && all_are(b->low.digits, b->places, '0');
    bool is_high = on_high && all_are(b->high.digits, b->places, '0');
    if ((!on_low || (is_low && !b->no_low)) && !(is_high && b->no_high))
        TRY(gram_put_text(t, behind, ""));
    gram_add(t, seq, behind);
    gram_add(t, alt, seq);
    return GLASS_OK;
}

static glass_status some_wholes(const struct between *b, uint32_t alt, uint64_t low,
                                uint64_t high, bool on_low, bool on_high) {
    uint32_t wholes;
    if (low > high) return GLASS_OK;
    TRY(gram_alt(b->t, &wholes));
    TRY(naturals(b->t, wholes, low, high));
    return with_fraction(b, alt, wholes, on_low, on_high);
}

/* Magnitudes from low to high. */
static glass_status decimals(const struct between *b, uint32_t alt) {
    uint64_t low = b->low.whole, high = b->high.whole;
    if (low == high)
        return strcmp(b->low.digits, b->high.digits) <= 0
                   ? some_wholes(b, alt, low, high, true, true)
                   : GLASS_OK;
    if (low > high) return GLASS_OK;
    TRY(some_wholes(b, alt, low, low, true, false));
    if (low + 1 < high) TRY(some_wholes(b, alt, low + 1, high - 1, false, false));
    return some_wholes(b, alt, high, high, false, true);
}

/* 15 digits in all tell any two numbers apart, also once they are binary64. */
enum { DIGITS = 15 };

/* |x| in decimal; false where that takes more than DIGITS digits. *places, at least. */
static bool spell(struct decimal *d, double x, size_t *places) {
    char text[400];
    x = fabs(x);
    if (!(x < 1e15)) return false;
    for (size_t n = 0; n <= DIGITS; n++) {
        int len = snprintf(text, sizeof text, "%.*f", (int)n, x);
        if (strtod(text, NULL) != x) continue;
        if ((size_t)len - (n > 0) > DIGITS) return false;
        d->whole = strtoull(text, NULL, 10);
        const char *point = strchr(text, '.');
        snprintf(d->digits, sizeof d->digits, "%s", point ? point + 1 : "");
        *places = n > *places ? n : *places;
        return true;
    }
    return false;
}

static void pad(struct decimal *d, size_t places) {
    size_t n = strlen(d->digits);
    memset(d->digits + n, '0', places - n);
    d->digits[places] = '\0';
}

static size_t count_digits(uint64_t x) {
    size_t n = 1;
    while (x >= 10) {
        x /= 10;
        n++;
    }
    return n;
}

static glass_status one_sign(struct between b, uint32_t alt, double low, double high,
                             bool no_low, bool no_high, bool *fits) {
    size_t places = 0;
    *fits = true;
    if (isinf(high)) {
        if (!(*fits = spell(&b.low, low, &places))) return GLASS_OK;
        size_t n = count_digits(b.low.whole) > 9 ? count_digits(b.low.whole) : 9;
        high = pow(10, (double)n) - 1;
        if (high <= low) high = low;
    }
    *fits = spell(&b.low, low, &places) && spell(&b.high, high, &places);
    if (!*fits) return GLASS_OK;
    size_t wholes = count_digits(b.high.whole);
    if (places + wholes > DIGITS) {
        *fits = false;
        return GLASS_OK;
    }
    if (places < 6) places = wholes + 6 <= DIGITS ? 6 : DIGITS - wholes;
    b.places = places;
    pad(&b.low, places);
    pad(&b.high, places);
    b.no_low = no_low;
    b.no_high = no_high;
    return decimals(&b, alt);
}

glass_status gram_decimals(struct gram_tree *t, uint32_t *out,
                           const struct gram_bounds *bounds, bool *fits) {
    struct between b = {.t = t};
    double low = bounds->low, high = bounds->high;
    uint32_t seq, alt;
    *fits = true;
    TRY(gram_alt(t, out));
    if (low > high) return GLASS_OK;
    if (low < 0) { /* without -0 */
        TRY(gram_seq(t, &seq));
        TRY(gram_put_text(t, seq, "-"));
        TRY(gram_alt(t, &alt));
        TRY(one_sign(b, alt, high < 0 ? -high : 0, -low, high < 0 ? bounds->no_high : true,
                     bounds->no_low, fits));
        gram_add(t, seq, alt);
        gram_add(t, *out, seq);
    }
    if (high < 0 || !*fits) return GLASS_OK;
    return one_sign(b, *out, low > 0 ? low : 0, high, low >= 0 ? bounds->no_low : false,
                    bounds->no_high, fits);
}

glass_status gram_multiples(struct gram_dfa **out, int32_t m) {
    enum { MINUS = 10, OTHER = 11, CLASSES = 12 };
    struct gram_dfa *d;
    uint32_t start = 0, minus = 1, zero = 2, first = 3, n = (uint32_t)m;
    TRY(gram_dfa_alloc(out, n + first, CLASSES, 0));
    d = *out;
    memset(d->classes, OTHER, sizeof d->classes);
    for (uint32_t digit = 0; digit < 10; digit++) {
        d->classes['0' + digit] = (uint8_t)digit;
        if (digit > 0)
            d->next[start * CLASSES + digit] = d->next[minus * CLASSES + digit] =
                first + digit % n;
        for (uint32_t r = 0; r < n; r++)
            d->next[(first + r) * CLASSES + digit] = first + (10 * r + digit) % n;
    }
    d->classes['-'] = MINUS;
    d->next[start * CLASSES] = zero;
    d->next[start * CLASSES + MINUS] = minus;
    d->final[zero] = d->final[first] = 1;
    return GLASS_OK;
}
