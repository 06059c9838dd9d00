/* jinja_case.c - upper and lower case and character classes as Python's str has them.
 * Simple mappings and categories come from utf8proc, the rest from jinja_case_table.h. */
#include "text/jinja_value.h"

#include "base/utf8.h"
#include "text/jinja_case_table.h"

#include <string.h>
#include <utf8proc.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool in_ranges(const struct jcase_range *ranges, size_t n, uint32_t c) {
    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i].first && c <= ranges[i].last) return true;
    return false;
}

static utf8proc_category_t category(uint32_t c) {
    return utf8proc_category((utf8proc_int32_t)c);
}

static bool is_lower(uint32_t c) {
    return category(c) == UTF8PROC_CATEGORY_LL ||
           in_ranges(jcase_lower, COUNT(jcase_lower), c);
}

static bool is_upper(uint32_t c) {
    return category(c) == UTF8PROC_CATEGORY_LU ||
           in_ranges(jcase_upper, COUNT(jcase_upper), c);
}

static bool is_cased(uint32_t c) {
    return is_lower(c) || is_upper(c) || category(c) == UTF8PROC_CATEGORY_LT;
}

/* Unicode's Case_Ignorable (chapter 3.13, D136). */
static bool is_case_ignorable(uint32_t c) {
    static const uint32_t mid[] = {'\'',   '.',    ':',    0xb7,   0x387,  0x55f,
                                   0x5f4,  0x2018, 0x2019, 0x2024, 0x2027, 0xfe13,
                                   0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    for (size_t i = 0; i < COUNT(mid); i++)
        if (c == mid[i]) return true;
    switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return false;
    }
}

static bool is_digit(uint32_t c) {
    return category(c) == UTF8PROC_CATEGORY_ND ||
           in_ranges(jcase_digit, COUNT(jcase_digit), c);
}

static bool is_numeric(uint32_t c) {
    utf8proc_category_t k = category(c);
    return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL ||
           k == UTF8PROC_CATEGORY_NO || in_ranges(jcase_numeric, COUNT(jcase_numeric), c);
}

static bool is_alpha(uint32_t c) {
    utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool jinja_is_printable(uint32_t c) {
    if (c == ' ') return true;
    switch (category(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    default: return true;
    }
}

bool jinja_is_word_start(uint32_t c) {
    return c == '_' || is_alpha(c) || category(c) == UTF8PROC_CATEGORY_NL;
}

bool jinja_is_word(uint32_t c) {
    utf8proc_category_t k = category(c);
    return jinja_is_word_start(c) || k == UTF8PROC_CATEGORY_ND ||
           k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC ||
           k == UTF8PROC_CATEGORY_PC;
}

static const struct jcase_row *special(uint32_t c) {
    if (c < jcase_rows[0].letter) return NULL;
    size_t low = 0, high = COUNT(jcase_rows);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (jcase_rows[middle].letter == c) return &jcase_rows[middle];
        if (jcase_rows[middle].letter < c) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static glass_status put_all(struct jinja *in, struct jbuild *b, const uint32_t *letters,
                            bool plain) {
    for (int i = 0; i < 3 && letters[i] != 0; i++)
        TRY(jbuild_char(in, b, letters[i], plain));
    return GLASS_OK;
}

static glass_status put_upper(struct jinja *in, struct jbuild *b, uint32_t c, bool plain) {
    const struct jcase_row *row = special(c);
    if (row != NULL) return put_all(in, b, row->upper, plain);
    return jbuild_char(in, b, (uint32_t)utf8proc_toupper((utf8proc_int32_t)c), plain);
}

static glass_status put_title(struct jinja *in, struct jbuild *b, uint32_t c, bool plain) {
    const struct jcase_row *row = special(c);
    if (row != NULL && row->title[0] != 0) return put_all(in, b, row->title, plain);
    return jbuild_char(in, b, (uint32_t)utf8proc_totitle((utf8proc_int32_t)c), plain);
}

static size_t char_before(const struct jstr *s, size_t at) {
    do at--;
    while (((unsigned char)s->bytes[at] & 0xc0) == 0x80);
    return at;
}

/* A capital sigma at the end of a word becomes a final one (SpecialCasing's Final_Sigma). */
static bool final_sigma(const struct jstr *s, size_t at) {
    uint32_t c;
    bool before = false, after = false;
    for (size_t i = at; i > 0;) {
        i = char_before(s, i);
        utf8_decode(&c, s->bytes + i, s->n_bytes - i);
        if (is_case_ignorable(c)) continue;
        before = is_cased(c);
        break;
    }
    for (size_t i = at + 2; i < s->n_bytes;) {
        i += utf8_decode(&c, s->bytes + i, s->n_bytes - i);
        if (is_case_ignorable(c)) continue;
        after = is_cased(c);
        break;
    }
    return before && !after;
}

static glass_status put_lower(struct jinja *in, struct jbuild *b, const struct jstr *s,
                              size_t at, uint32_t c, bool plain) {
    if (c == 0x3a3) return jbuild_char(in, b, final_sigma(s, at) ? 0x3c2 : 0x3c3, plain);
    if (c == 0x130) TRY(jbuild_char(in, b, 'i', plain));
    c = c == 0x130 ? 0x307 : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    return jbuild_char(in, b, c, plain);
}

static glass_status put_folded(struct jinja *in, struct jbuild *b, uint32_t c, bool plain) {
    utf8proc_int32_t folded[8];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, folded, 8,
                                                 UTF8PROC_CASEFOLD, &boundary);
    if (n < 1 || n > 8) return jbuild_char(in, b, c, plain);
    for (utf8proc_ssize_t i = 0; i < n; i++)
        TRY(jbuild_char(in, b, (uint32_t)folded[i], plain));
    return GLASS_OK;
}

/* ASCII in one go: whole runs instead of characters. */
static glass_status ascii_case(struct jinja *in, struct jbuild *b, const struct jstr *s,
                               bool upper) {
    char chunk[256];
    for (size_t at = 0; at < s->n_bytes;) {
        size_t end, n = 0;
        bool plain = jstr_run(s, at, &end);
        for (; at + n < end && n < sizeof chunk; n++) {
            char c = s->bytes[at + n];
            if (upper && c >= 'a' && c <= 'z') c = (char)(c - 32);
            if (!upper && c >= 'A' && c <= 'Z') c = (char)(c + 32);
            chunk[n] = c;
        }
        TRY(jbuild_bytes(in, b, chunk, n, plain));
        at += n;
    }
    return GLASS_OK;
}

static glass_status case_chars(struct jinja *in, struct jbuild *b, const struct jstr *s,
                               enum jcase how) {
    bool cased = false; /* whether the character before was */
    size_t end;
    for (size_t at = 0, n; at < s->n_bytes; at += n) {
        uint32_t c;
        n = utf8_decode(&c, s->bytes + at, s->n_bytes - at);
        bool plain = jstr_run(s, at, &end);
        bool title = (how == JCASE_CAPITALIZE && at == 0) || (how == JCASE_TITLE && !cased);
        bool upper = how == JCASE_UPPER || (how == JCASE_SWAP && is_lower(c));
        bool keep = how == JCASE_SWAP && !upper && !is_upper(c);
        if (how == JCASE_TITLE) cased = is_cased(c);
        if (how == JCASE_FOLD) {
            TRY(put_folded(in, b, c, plain));
        } else if (title) {
            TRY(put_title(in, b, c, plain));
        } else if (upper) {
            TRY(put_upper(in, b, c, plain));
        } else if (keep) {
            TRY(jbuild_char(in, b, c, plain));
        } else {
            TRY(put_lower(in, b, s, at, c, plain));
        }
    }
    return GLASS_OK;
}

glass_status jstr_case(struct jinja *in, struct jstr **out, const struct jstr *s,
                       enum jcase how) {
    struct jbuild b = {0};
    TRY(jinja_charge(in, s->n_bytes / 8));
    if (s->n_chars == s->n_bytes && (how == JCASE_LOWER || how == JCASE_UPPER)) {
        TRY(ascii_case(in, &b, s, how == JCASE_UPPER));
    } else {
        TRY(case_chars(in, &b, s, how));
    }
    TRY(jbuild_finish(in, out, &b));
    (*out)->markup = s->markup;
    return GLASS_OK;
}

/* Python splits on ([-\s({\[<]+): a part is title-cased by item[0].upper() and
 * item[1:].lower(), the separators the same way (which leaves them as they are). */
glass_status jstr_title_words(struct jinja *in, struct jstr **out, const struct jstr *s) {
    struct jbuild b = {0};
    bool first = true;
    size_t end, word = 0;
    TRY(jinja_charge(in, s->n_bytes / 8));
    for (size_t at = 0, n; at < s->n_bytes; at += n) {
        uint32_t c;
        n = utf8_decode(&c, s->bytes + at, s->n_bytes - at);
        bool plain = jstr_run(s, at, &end);
        if (jinja_is_space(c) || (c < 0x80 && strchr("-({[<", (int)c) != NULL && c != 0)) {
            TRY(jbuild_char(in, &b, c, plain));
            first = true;
        } else if (first) {
            word = at + n; /* the sigma rule looks at item[1:] alone */
            TRY(put_upper(in, &b, c, plain));
            first = false;
        } else {
            struct jstr *rest;
            size_t stop = at;
            for (size_t m; stop < s->n_bytes; stop += m) {
                m = utf8_decode(&c, s->bytes + stop, s->n_bytes - stop);
                if (jinja_is_space(c) || (c < 0x80 && c != 0 && strchr("-({[<", (int)c)))
                    break;
            }
            TRY(jstr_slice(in, &rest, s, word, stop));
            TRY(jstr_case(in, &rest, rest, JCASE_LOWER));
            TRY(jbuild_str(in, &b, rest));
            n = stop - at;
        }
    }
    TRY(jbuild_finish(in, out, &b));
    return GLASS_OK;
}

typedef bool class_fn(uint32_t c);

static bool is_ascii(uint32_t c) {
    return c < 0x80;
}
static bool is_decimal(uint32_t c) {
    return category(c) == UTF8PROC_CATEGORY_ND;
}
static bool is_alnum(uint32_t c) {
    return is_alpha(c) || is_numeric(c);
}

/* islower, isupper: one cased character at least, none of the other case. */
static bool one_case(const struct jstr *s, bool lower) {
    bool any = false;
    for (size_t at = 0; at < s->n_bytes;) {
        uint32_t c;
        at += utf8_decode(&c, s->bytes + at, s->n_bytes - at);
        bool title = category(c) == UTF8PROC_CATEGORY_LT;
        if (title || (lower ? is_upper(c) : is_lower(c))) return false;
        any = any || (lower ? is_lower(c) : is_upper(c));
    }
    return any;
}

static bool is_title(const struct jstr *s) {
    bool any = false, cased = false;
    for (size_t at = 0; at < s->n_bytes;) {
        uint32_t c;
        at += utf8_decode(&c, s->bytes + at, s->n_bytes - at);
        if (is_upper(c) || category(c) == UTF8PROC_CATEGORY_LT) {
            if (cased) return false;
            any = cased = true;
        } else if (is_lower(c)) {
            if (!cased) return false;
            any = true;
        } else {
            cased = false;
        }
    }
    return any;
}

static bool is_identifier(const struct jstr *s) {
    for (size_t at = 0, n; at < s->n_bytes; at += n) {
        uint32_t c;
        n = utf8_decode(&c, s->bytes + at, s->n_bytes - at);
        if (at == 0 ? !jinja_is_word_start(c) : !jinja_is_word(c)) return false;
    }
    return s->n_bytes > 0;
}

glass_status jstr_is_class(struct jinja *in, bool *out, const struct jstr *s,
                           const char *name) {
    static const struct {
        const char *name;
        class_fn *fits;
        bool empty;
    } classes[] = {
        {"isalpha", is_alpha, false},     {"isdigit", is_digit, false},
        {"isnumeric", is_numeric, false}, {"isdecimal", is_decimal, false},
        {"isalnum", is_alnum, false},     {"isspace", jinja_is_space, false},
        {"isascii", is_ascii, true},      {"isprintable", jinja_is_printable, true},
    };
    TRY(jinja_charge(in, s->n_bytes / 8));
    if (strcmp(name, "islower") == 0 || strcmp(name, "isupper") == 0) {
        *out = one_case(s, strcmp(name, "islower") == 0);
        return GLASS_OK;
    }
    if (strcmp(name, "istitle") == 0) *out = is_title(s);
    if (strcmp(name, "isidentifier") == 0) *out = is_identifier(s);
    for (size_t i = 0; i < COUNT(classes); i++) {
        if (strcmp(name, classes[i].name) != 0) continue;
        *out = s->n_bytes > 0 || classes[i].empty;
        for (size_t at = 0; *out && at < s->n_bytes;) {
            uint32_t c;
            at += utf8_decode(&c, s->bytes + at, s->n_bytes - at);
            *out = classes[i].fits(c);
        }
    }
    return GLASS_OK;
}
