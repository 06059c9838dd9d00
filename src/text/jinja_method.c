/* jinja_method.c - methods of str, dict, list and tuple. Results of Markup's methods are
 * Markup, and what they take in is HTML-escaped first, as markupsafe does. */
#include "text/jinja_run.h"

#include "base/utf8.h"

#include <string.h>

static const char *const by_position[] = {"", "", "", ""};

static glass_status push_part(struct jinja *in, struct jlist *list, const struct jstr *s,
                              size_t begin, size_t end) {
    struct jstr *part;
    TRY(jstr_slice(in, &part, s, begin, end));
    return jlist_push(in, list, jv_str(part));
}

/* ---- splitting */

static size_t space_at(const struct jstr *s, size_t at) {
    uint32_t c;
    size_t n = utf8_decode(&c, s->bytes + at, s->n_bytes - at);
    return jinja_is_space(c) ? n : 0;
}

static size_t char_size(const struct jstr *s, size_t at) {
    size_t end = at + 1;
    while (end < s->n_bytes && ((unsigned char)s->bytes[end] & 0xc0) == 0x80) end++;
    return end - at;
}

static size_t before(const struct jstr *s, size_t at) {
    do at--;
    while (at > 0 && ((unsigned char)s->bytes[at] & 0xc0) == 0x80);
    return at;
}

static glass_status split_space(struct jinja *in, struct jlist *list, const struct jstr *s,
                                int64_t max) {
    size_t at = 0, n;
    while (at < s->n_bytes) {
        while (at < s->n_bytes && (n = space_at(s, at)) > 0) at += n;
        if (at == s->n_bytes) break;
        size_t end = at;
        if (max-- == 0) { /* the rest, without white space at its end */
            struct jstr *rest;
            TRY(jstr_slice(in, &rest, s, at, s->n_bytes));
            TRY(jstr_strip(in, &rest, rest, NULL, JSTR_RIGHT));
            return jlist_push(in, list, jv_str(rest));
        }
        while (end < s->n_bytes && space_at(s, end) == 0) end += char_size(s, end);
        TRY(push_part(in, list, s, at, end));
        at = end;
    }
    return GLASS_OK;
}

static void reverse(struct jlist *list) {
    for (size_t i = 0, k = list->n; i + 1 < k; i++) {
        struct jv swap = list->items[i];
        list->items[i] = list->items[--k];
        list->items[k] = swap;
    }
}

static glass_status rsplit_space(struct jinja *in, struct jlist *list, const struct jstr *s,
                                 int64_t max) {
    size_t end = s->n_bytes;
    while (end > 0) {
        while (end > 0 && space_at(s, before(s, end)) > 0) end = before(s, end);
        if (end == 0) break;
        size_t begin = end;
        if (max-- == 0) {
            struct jstr *rest;
            TRY(jstr_slice(in, &rest, s, 0, end));
            TRY(jstr_strip(in, &rest, rest, NULL, JSTR_LEFT));
            TRY(jlist_push(in, list, jv_str(rest)));
            break;
        }
        while (begin > 0 && space_at(s, before(s, begin)) == 0) begin = before(s, begin);
        TRY(push_part(in, list, s, begin, end));
        end = begin;
    }
    reverse(list);
    return GLASS_OK;
}

static glass_status split_by(struct jinja *in, struct jlist *list, const struct jstr *s,
                             const struct jstr *separator, int64_t max, bool right) {
    size_t begin = 0, end = s->n_bytes;
    for (; max != 0; max--) {
        size_t hit = right ? jstr_rfind(s, separator, 0, end)
                           : jstr_find(s, separator, begin, s->n_bytes);
        if (hit == SIZE_MAX) break;
        if (right) {
            TRY(push_part(in, list, s, hit + separator->n_bytes, end));
            end = hit;
        } else {
            TRY(push_part(in, list, s, begin, hit));
            begin = hit + separator->n_bytes;
        }
    }
    TRY(push_part(in, list, s, begin, end));
    if (right) reverse(list);
    return GLASS_OK;
}

/* Searching backwards tries every place. */
static glass_status charge_search(struct jinja *in, const struct jstr *s,
                                  const struct jstr *needle) {
    return jinja_charge(in, s->n_bytes / 16 * (1 + needle->n_bytes / 256));
}

static glass_status method_split(struct jinja *in, struct jv *out, struct jv self,
                                 const struct jargs *args, const char *name) {
    static const char *const names[] = {"sep", "maxsplit"};
    struct jv v[2];
    struct jlist *list;
    struct jstr *separator;
    int64_t max = -1;
    bool right = name[0] == 'r';
    TRY(jargs_bind(in, v, args, name, names, 2, 0));
    if (v[1].type != J_MISSING) TRY(jarg_int(in, &max, v[1], "split()'s maxsplit"));
    TRY(jlist_new(in, &list, 0));
    *out = jv_list(list, false);
    TRY(jinja_charge(in, self.u.s->n_bytes / 16));
    if (v[0].type == J_MISSING || v[0].type == J_NONE)
        return right ? rsplit_space(in, list, self.u.s, max)
                     : split_space(in, list, self.u.s, max);
    TRY(jarg_str(in, &separator, v[0], "split()'s separator"));
    if (separator->n_bytes == 0) return jinja_fail(in, "empty separator");
    TRY(charge_search(in, self.u.s, separator));
    return split_by(in, list, self.u.s, separator, max, right);
}

static bool ends_line(uint32_t c) {
    return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 ||
           c == 0x2028 || c == 0x2029;
}

static glass_status method_splitlines(struct jinja *in, struct jv *out, struct jv self,
                                      const struct jargs *args, const char *name) {
    static const char *const names[] = {"keepends"};
    const struct jstr *s = self.u.s;
    struct jv v;
    struct jlist *list;
    size_t begin = 0, n;
    bool keep = false;
    TRY(jargs_bind(in, &v, args, name, names, 1, 0));
    if (v.type != J_MISSING) TRY(jv_truth(in, &keep, v));
    TRY(jlist_new(in, &list, 0));
    TRY(jinja_charge(in, s->n_bytes / 16));
    for (size_t at = 0; at < s->n_bytes; at += n) {
        uint32_t c;
        n = utf8_decode(&c, s->bytes + at, s->n_bytes - at);
        if (!ends_line(c)) continue;
        if (c == '\r' && at + 1 < s->n_bytes && s->bytes[at + 1] == '\n') n = 2;
        TRY(push_part(in, list, s, begin, keep ? at + n : at));
        begin = at + n;
    }
    if (begin < s->n_bytes) TRY(push_part(in, list, s, begin, s->n_bytes));
    *out = jv_list(list, false);
    return GLASS_OK;
}

static glass_status method_partition(struct jinja *in, struct jv *out, struct jv self,
                                     const struct jargs *args, const char *name) {
    struct jv v;
    struct jlist *list;
    struct jstr *separator, *s = self.u.s;
    bool right = name[0] == 'r';
    TRY(jargs_bind(in, &v, args, name, by_position, 1, 1));
    TRY(jarg_str(in, &separator, v, "partition()'s separator"));
    if (separator->n_bytes == 0) return jinja_fail(in, "empty separator");
    TRY(charge_search(in, s, separator));
    size_t hit = right ? jstr_rfind(s, separator, 0, s->n_bytes)
                       : jstr_find(s, separator, 0, s->n_bytes);
    size_t cuts[2] = {right ? 0 : s->n_bytes, right ? 0 : s->n_bytes};
    if (hit != SIZE_MAX) {
        cuts[0] = hit;
        cuts[1] = hit + separator->n_bytes;
    }
    TRY(jlist_new(in, &list, 3));
    TRY(push_part(in, list, s, 0, cuts[0]));
    TRY(push_part(in, list, s, cuts[0], cuts[1]));
    TRY(push_part(in, list, s, cuts[1], s->n_bytes));
    *out = jv_tuple(list, false);
    return GLASS_OK;
}

/* ---- searching */

static glass_status index_argument(struct jinja *in, int64_t *out, struct jv v, int64_t n,
                                   int64_t otherwise) {
    *out = otherwise;
    if (v.type == J_MISSING || v.type == J_NONE) return GLASS_OK;
    TRY(jarg_int(in, out, v, "an index"));
    if (*out < 0) *out = *out < -n ? 0 : *out + n;
    return GLASS_OK;
}

/* The bytes between two character indices; false if they are the wrong way round. */
static glass_status byte_range(struct jinja *in, bool *valid, size_t *from, size_t *to,
                               const struct jstr *s, struct jv start, struct jv stop) {
    int64_t n = (int64_t)s->n_chars, first, last;
    TRY(index_argument(in, &first, start, n, 0));
    TRY(index_argument(in, &last, stop, n, n));
    if (last > n) last = n;
    *valid = first <= last;
    if (!*valid) return GLASS_OK;
    TRY(jinja_charge(in, s->n_chars == s->n_bytes ? 0 : s->n_bytes / 16));
    *from = jstr_offset(s, (size_t)first);
    *to = jstr_offset(s, (size_t)last);
    return GLASS_OK;
}

static glass_status method_find(struct jinja *in, struct jv *out, struct jv self,
                                const struct jargs *args, const char *name) {
    struct jv v[3];
    struct jstr *needle, *s = self.u.s;
    size_t from = 0, to = 0, hit = SIZE_MAX;
    bool valid;
    TRY(jargs_bind(in, v, args, name, by_position, 3, 1));
    TRY(jarg_str(in, &needle, v[0], "what is searched"));
    TRY(byte_range(in, &valid, &from, &to, s, v[1], v[2]));
    TRY(charge_search(in, s, needle));
    if (valid)
        hit = name[0] == 'r' ? jstr_rfind(s, needle, from, to)
                             : jstr_find(s, needle, from, to);
    if (hit == SIZE_MAX && strstr(name, "index") != NULL)
        return jinja_fail(in, "substring not found");
    *out = jv_int(hit == SIZE_MAX ? -1 : (int64_t)jstr_char_index(s, hit));
    return GLASS_OK;
}

static glass_status method_count(struct jinja *in, struct jv *out, struct jv self,
                                 const struct jargs *args, const char *name) {
    struct jv v[3];
    struct jstr *needle, *s = self.u.s;
    size_t from = 0, to = 0;
    int64_t count = 0;
    bool valid;
    TRY(jargs_bind(in, v, args, name, by_position, 3, 1));
    TRY(jarg_str(in, &needle, v[0], "what is counted"));
    TRY(byte_range(in, &valid, &from, &to, s, v[1], v[2]));
    TRY(charge_search(in, s, needle));
    if (valid && needle->n_bytes == 0) {
        for (size_t i = from; i < to; i++)
            count += ((unsigned char)s->bytes[i] & 0xc0) != 0x80;
        count++;
    }
    while (valid && needle->n_bytes > 0) {
        size_t hit = jstr_find(s, needle, from, to);
        if (hit == SIZE_MAX) break;
        count++;
        from = hit + needle->n_bytes;
    }
    *out = jv_int(count);
    return GLASS_OK;
}

static bool affixed(const struct jstr *s, const struct jstr *affix, size_t from, size_t to,
                    bool at_end) {
    if (affix->n_bytes > to - from) return false;
    return memcmp(s->bytes + (at_end ? to - affix->n_bytes : from), affix->bytes,
                  affix->n_bytes) == 0;
}

static glass_status method_startswith(struct jinja *in, struct jv *out, struct jv self,
                                      const struct jargs *args, const char *name) {
    struct jv v[3];
    struct jstr *affix;
    size_t from = 0, to = 0;
    bool valid, yes = false, at_end = name[0] == 'e';
    TRY(jargs_bind(in, v, args, name, by_position, 3, 1));
    TRY(byte_range(in, &valid, &from, &to, self.u.s, v[1], v[2]));
    if (v[0].type == J_TUPLE) {
        for (size_t i = 0; !yes && i < v[0].u.list->n; i++) {
            TRY(jarg_str(in, &affix, v[0].u.list->items[i], "a prefix or suffix"));
            TRY(jinja_charge(in, 1 + affix->n_bytes / 64));
            yes = valid && affixed(self.u.s, affix, from, to, at_end);
        }
    } else {
        TRY(jarg_str(in, &affix, v[0], "a prefix or suffix"));
        yes = valid && affixed(self.u.s, affix, from, to, at_end);
    }
    *out = jv_bool(yes);
    return GLASS_OK;
}

/* ---- changing */

static glass_status method_strip(struct jinja *in, struct jv *out, struct jv self,
                                 const struct jargs *args, const char *name) {
    struct jv v;
    struct jstr *chars = NULL, *r;
    int sides = name[0] == 'l'   ? JSTR_LEFT
                : name[0] == 'r' ? JSTR_RIGHT
                                 : JSTR_LEFT | JSTR_RIGHT;
    TRY(jargs_bind(in, &v, args, name, by_position, 1, 0));
    if (v.type != J_MISSING && v.type != J_NONE)
        TRY(jarg_str(in, &chars, v, "strip()'s characters"));
    TRY(jstr_strip(in, &r, self.u.s, chars, sides));
    *out = jv_str(r);
    return GLASS_OK;
}

static glass_status method_case(struct jinja *in, struct jv *out, struct jv self,
                                const struct jargs *args, const char *name) {
    enum jcase how = name[0] == 'u'   ? JCASE_UPPER
                     : name[0] == 'l' ? JCASE_LOWER
                     : name[0] == 't' ? JCASE_TITLE
                     : name[0] == 's' ? JCASE_SWAP
                     : name[2] == 'p' ? JCASE_CAPITALIZE
                                      : JCASE_FOLD;
    struct jstr *r;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    TRY(jstr_case(in, &r, self.u.s, how));
    *out = jv_str(r);
    return GLASS_OK;
}

static glass_status method_is(struct jinja *in, struct jv *out, struct jv self,
                              const struct jargs *args, const char *name) {
    bool yes = false;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    TRY(jstr_is_class(in, &yes, self.u.s, name));
    *out = jv_bool(yes);
    return GLASS_OK;
}

static glass_status method_replace(struct jinja *in, struct jv *out, struct jv self,
                                   const struct jargs *args, const char *name) {
    struct jv v[3];
    struct jstr *old, *new, *r;
    int64_t count = -1;
    TRY(jargs_bind(in, v, args, name, by_position, 3, 2));
    TRY(jarg_str(in, &old, v[0], "replace()'s first argument"));
    TRY(jarg_str(in, &new, v[1], "replace()'s second argument"));
    if (v[2].type != J_MISSING) TRY(jarg_int(in, &count, v[2], "replace()'s count"));
    if (self.u.s->markup) TRY(jstr_escape(in, &new, new));
    TRY(jstr_replace(in, &r, self.u.s, old, new, count));
    r->markup = self.u.s->markup;
    *out = jv_str(r);
    return GLASS_OK;
}

static glass_status method_removeprefix(struct jinja *in, struct jv *out, struct jv self,
                                        const struct jargs *args, const char *name) {
    struct jv v;
    struct jstr *affix, *r, *s = self.u.s;
    bool at_end = strcmp(name, "removesuffix") == 0;
    TRY(jargs_bind(in, &v, args, name, by_position, 1, 1));
    TRY(jarg_str(in, &affix, v, "a prefix or suffix"));
    size_t cut = affixed(s, affix, 0, s->n_bytes, at_end) ? affix->n_bytes : 0;
    TRY(jstr_slice(in, &r, s, at_end ? 0 : cut, at_end ? s->n_bytes - cut : s->n_bytes));
    *out = jv_str(r);
    return GLASS_OK;
}

static glass_status method_join(struct jinja *in, struct jv *out, struct jv self,
                                const struct jargs *args, const char *name) {
    struct jv v, item;
    struct jiter *iter;
    struct jbuild *b;
    struct jstr *s;
    bool more;
    TRY(jargs_bind(in, &v, args, name, by_position, 1, 1));
    TRY(jiter_open(in, &iter, v));
    TRY(jbuild_create(in, &b));
    for (bool first = true;; first = false) {
        TRY(jiter_next(in, iter, &item, &more));
        if (!more) break;
        if (!first) TRY(jbuild_str(in, b, self.u.s));
        if (self.u.s->markup && item.type != J_STR) {
            TRY(jv_to_str(in, &s, item));
        } else {
            TRY(jarg_str(in, &s, item, "what is joined"));
        }
        if (self.u.s->markup) TRY(jstr_escape(in, &s, s));
        TRY(jbuild_str(in, b, s));
    }
    TRY(jbuild_finish(in, &s, b));
    s->markup = self.u.s->markup;
    *out = jv_str(s);
    return GLASS_OK;
}

static glass_status pad(struct jinja *in, struct jbuild *b, const struct jstr *fill,
                        int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        TRY(jinja_charge(in, 1));
        TRY(jbuild_str(in, b, fill));
    }
    return GLASS_OK;
}

static glass_status method_just(struct jinja *in, struct jv *out, struct jv self,
                                const struct jargs *args, const char *name) {
    struct jv v[2];
    struct jstr *fill, *r, *s = self.u.s;
    struct jbuild b = {0};
    int64_t width;
    TRY(jargs_bind(in, v, args, name, by_position, 2, 1));
    TRY(jarg_int(in, &width, v[0], "the width"));
    TRY(jstr_borrow(in, &fill, " ", 1, false));
    if (v[1].type != J_MISSING) TRY(jarg_str(in, &fill, v[1], "the fill character"));
    if (s->markup) TRY(jstr_escape(in, &fill, fill));
    if (fill->n_chars != 1)
        return jinja_fail(in, "the fill character must be exactly one character long");
    int64_t missing = width - (int64_t)s->n_chars;
    if (width < 0 || missing < 0) missing = 0;
    int64_t left = name[0] == 'r'   ? missing
                   : name[0] == 'c' ? missing / 2 + (missing & width & 1)
                                    : 0;
    TRY(pad(in, &b, fill, left));
    TRY(jbuild_str(in, &b, s));
    TRY(pad(in, &b, fill, missing - left));
    TRY(jbuild_finish(in, &r, &b));
    r->markup = s->markup;
    *out = jv_str(r);
    return GLASS_OK;
}

static glass_status method_zfill(struct jinja *in, struct jv *out, struct jv self,
                                 const struct jargs *args, const char *name) {
    struct jv v;
    struct jstr *zero, *r, *s = self.u.s;
    struct jbuild b = {0};
    int64_t width;
    TRY(jargs_bind(in, &v, args, name, by_position, 1, 1));
    TRY(jarg_int(in, &width, v, "the width"));
    TRY(jstr_borrow(in, &zero, "0", 1, false));
    size_t sign = s->n_bytes > 0 && (s->bytes[0] == '+' || s->bytes[0] == '-');
    TRY(jbuild_part(in, &b, s, 0, sign));
    if (width > 0) TRY(pad(in, &b, zero, width - (int64_t)s->n_chars));
    TRY(jbuild_part(in, &b, s, sign, s->n_bytes));
    TRY(jbuild_finish(in, &r, &b));
    r->markup = s->markup;
    *out = jv_str(r);
    return GLASS_OK;
}

static glass_status method_expandtabs(struct jinja *in, struct jv *out, struct jv self,
                                      const struct jargs *args, const char *name) {
    static const char *const names[] = {"tabsize"};
    const struct jstr *s = self.u.s;
    struct jv v;
    struct jstr *space, *r;
    struct jbuild b = {0};
    int64_t size = 8, column = 0;
    TRY(jargs_bind(in, &v, args, name, names, 1, 0));
    if (v.type != J_MISSING) TRY(jarg_int(in, &size, v, "the tab size"));
    TRY(jstr_borrow(in, &space, " ", 1, false));
    for (size_t at = 0, n; at < s->n_bytes; at += n) {
        n = char_size(s, at);
        if (s->bytes[at] == '\t') {
            int64_t step = size > 0 ? size - column % size : 0;
            TRY(pad(in, &b, space, step));
            column += step;
            continue;
        }
        column = s->bytes[at] == '\n' || s->bytes[at] == '\r' ? 0 : column + 1;
        TRY(jbuild_part(in, &b, s, at, at + n));
    }
    TRY(jbuild_finish(in, &r, &b));
    r->markup = s->markup;
    *out = jv_str(r);
    return GLASS_OK;
}

static glass_status method_format(struct jinja *in, struct jv *out, struct jv self,
                                  const struct jargs *args, const char *name) {
    struct jargs values = *args;
    if (strcmp(name, "format_map") == 0) {
        if (args->n != 1 || args->n_keywords > 0 || args->items[0].type != J_DICT)
            return jinja_fail(in, "format_map() takes one dict");
        const struct jdict *dict = args->items[0].u.dict;
        values = (struct jargs){0};
        TRY(jarena_alloc(in, &values.keywords, dict->n, sizeof *values.keywords));
        for (size_t i = 0; i < dict->n; i++)
            if (dict->keys[i].type == J_STR)
                values.keywords[values.n_keywords++] =
                    (struct jkeyword){dict->keys[i].u.s, dict->values[i]};
    }
    return jinja_format(in, out, self.u.s, &values);
}

static const struct jmethod_row str_methods[] = {
    {"split", method_split},
    {"strip", method_strip},
    {"lstrip", method_strip},
    {"rstrip", method_strip},
    {"startswith", method_startswith},
    {"endswith", method_startswith},
    {"replace", method_replace},
    {"lower", method_case},
    {"upper", method_case},
    {"title", method_case},
    {"capitalize", method_case},
    {"swapcase", method_case},
    {"casefold", method_case},
    {"join", method_join},
    {"find", method_find},
    {"rfind", method_find},
    {"index", method_find},
    {"rindex", method_find},
    {"count", method_count},
    {"rsplit", method_split},
    {"splitlines", method_splitlines},
    {"partition", method_partition},
    {"rpartition", method_partition},
    {"removeprefix", method_removeprefix},
    {"removesuffix", method_removeprefix},
    {"ljust", method_just},
    {"rjust", method_just},
    {"center", method_just},
    {"zfill", method_zfill},
    {"expandtabs", method_expandtabs},
    {"format", method_format},
    {"format_map", method_format},
    {"isalnum", method_is},
    {"isalpha", method_is},
    {"isascii", method_is},
    {"isdecimal", method_is},
    {"isdigit", method_is},
    {"isidentifier", method_is},
    {"islower", method_is},
    {"isnumeric", method_is},
    {"isprintable", method_is},
    {"isspace", method_is},
    {"istitle", method_is},
    {"isupper", method_is},
};

/* ---- dicts and lists */

static glass_status method_view(struct jinja *in, struct jv *out, struct jv self,
                                const struct jargs *args, const char *name) {
    struct jview *view;
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    TRY(jarena_alloc(in, &view, 1, sizeof *view));
    view->dict = self.u.dict;
    view->kind = name[0] == 'k' ? JVIEW_KEYS : name[0] == 'v' ? JVIEW_VALUES : JVIEW_ITEMS;
    view->plain = self.plain;
    *out = (struct jv){.type = J_VIEW, .plain = self.plain, .u.view = view};
    return GLASS_OK;
}

static glass_status method_get(struct jinja *in, struct jv *out, struct jv self,
                               const struct jargs *args, const char *name) {
    struct jv v[2];
    const struct jv *found;
    TRY(jargs_bind(in, v, args, name, by_position, 2, 1));
    if (!jv_hashable(v[0]))
        return jinja_fail(in, "unhashable type: %s", jv_type_name(v[0]));
    TRY(jdict_get(in, &found, self.u.dict, v[0]));
    *out = found != NULL ? *found : v[1].type != J_MISSING ? v[1] : jv_none();
    return GLASS_OK;
}

static glass_status method_copy(struct jinja *in, struct jv *out, struct jv self,
                                const struct jargs *args, const char *name) {
    TRY(jargs_bind(in, NULL, args, name, NULL, 0, 0));
    *out = self; /* nothing changes lists and dicts */
    return GLASS_OK;
}

static const struct jmethod_row dict_methods[] = {
    {"get", method_get},     {"items", method_view}, {"keys", method_view},
    {"values", method_view}, {"copy", method_copy},
};

static glass_status method_list_count(struct jinja *in, struct jv *out, struct jv self,
                                      const struct jargs *args, const char *name) {
    struct jv v;
    int64_t count = 0;
    TRY(jargs_bind(in, &v, args, name, by_position, 1, 1));
    for (size_t i = 0; i < self.u.list->n; i++) {
        bool same;
        TRY(jv_equal(in, &same, self.u.list->items[i], v));
        count += same;
    }
    *out = jv_int(count);
    return GLASS_OK;
}

static glass_status method_list_index(struct jinja *in, struct jv *out, struct jv self,
                                      const struct jargs *args, const char *name) {
    struct jv v[3];
    int64_t n = (int64_t)self.u.list->n, first, last;
    TRY(jargs_bind(in, v, args, name, by_position, 3, 1));
    TRY(index_argument(in, &first, v[1], n, 0));
    TRY(index_argument(in, &last, v[2], n, n));
    for (int64_t i = first; i < last && i < n; i++) {
        bool same;
        TRY(jv_equal(in, &same, self.u.list->items[i], v[0]));
        if (!same) continue;
        *out = jv_int(i);
        return GLASS_OK;
    }
    return jinja_fail(in, "the value is not in the list");
}

static const struct jmethod_row list_methods[] = {
    {"count", method_list_count}, {"index", method_list_index}, {"copy", method_copy}};

static const struct jmethod_row *find_row(const struct jmethod_row *rows, size_t n,
                                          const struct jstr *name) {
    for (size_t i = 0; i < n; i++)
        if (jstr_is(name, rows[i].name)) return &rows[i];
    return NULL;
}

const struct jmethod_row *jinja_str_method(const struct jstr *name) {
    return find_row(str_methods, sizeof str_methods / sizeof *str_methods, name);
}
const struct jmethod_row *jinja_dict_method(const struct jstr *name) {
    return find_row(dict_methods, sizeof dict_methods / sizeof *dict_methods, name);
}
const struct jmethod_row *jinja_list_method(const struct jstr *name) {
    return find_row(list_methods, sizeof list_methods / sizeof *list_methods, name);
}
