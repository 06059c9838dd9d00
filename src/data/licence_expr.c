/* licence_expr.c - expressions over names of licences: see licence.h.
 *
 * One grammar for SPDX's expressions and Debian's: a comma before "and" or "or" binds loosest,
 * then "or", then "and", then "with". Names of several words are joined. */
#include "data/licence.h"
#include "data/licence_parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct parser {
    const char *at, *end;
    struct licence_tree *tree;
    int depth;
    bool broken;
};

enum token {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_WITH,
    TOKEN_COMMA,
    TOKEN_OPEN,
    TOKEN_CLOSE
};

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static enum token peek(struct parser *p, size_t *n) {
    while (p->at < p->end && is_space(*p->at)) p->at++;
    *n = 0;
    if (p->at == p->end) return TOKEN_END;
    *n = 1;
    if (*p->at == '(') return TOKEN_OPEN;
    if (*p->at == ')') return TOKEN_CLOSE;
    if (*p->at == ',' || *p->at == ';') return TOKEN_COMMA;
    if (*p->at == '|') return TOKEN_OR;
    while (p->at + *n < p->end && !is_space(p->at[*n]) && !strchr("(),;|", p->at[*n])) ++*n;
    if ((*n == 3 && !strncasecmp(p->at, "and", 3)) || (*n == 1 && *p->at == '&'))
        return TOKEN_AND;
    if ((*n == 2 && !strncasecmp(p->at, "or", 2)) ||
        (*n == 6 && !strncasecmp(p->at, "and/or", 6)))
        return TOKEN_OR;
    if (*n == 4 && !strncasecmp(p->at, "with", 4)) return TOKEN_WITH;
    return TOKEN_NAME;
}

static int node(struct parser *p, char kind, int left, int right) {
    if (p->tree->n == LICENCE_NODES) {
        p->broken = true;
        return -1;
    }
    struct licence_node *new = &p->tree->nodes[p->tree->n];
    new->kind = kind;
    new->left = left;
    new->right = right;
    new->text[0] = '\0';
    return p->tree->n++;
}

static bool same(const struct licence_tree *t, int a, int b) {
    const struct licence_node *x = &t->nodes[a], *y = &t->nodes[b];
    if (x->kind != y->kind) return false;
    if (x->kind == 'n') return strcmp(x->text, y->text) == 0;
    if (x->kind == 'w') return strcmp(x->text, y->text) == 0 && same(t, x->left, y->left);
    return same(t, x->left, y->left) && same(t, x->right, y->right);
}

/* Whether b is one of the operands of a chain of `kind`. */
static bool among(const struct licence_tree *t, int chain, int b, char kind) {
    const struct licence_node *x = &t->nodes[chain];
    if (x->kind == kind) return among(t, x->left, b, kind) || among(t, x->right, b, kind);
    return same(t, chain, b);
}

static int combine(struct parser *p, char kind, int a, int b) {
    if (a < 0) return b;
    if (b < 0 || among(p->tree, a, b, kind)) return a;
    return node(p, kind, a, b);
}

/* LicenseRef-NAME of a name that nobody knows: what SPDX allows in it. */
static void reference(char out[128], const char *text, size_t n) {
    static const char prefix[] = "LicenseRef-";
    size_t used = sizeof prefix - 1;
    memcpy(out, prefix, used);
    if (n > used && strncasecmp(text, prefix, used) == 0) {
        text += used;
        n -= used;
    }
    for (size_t i = 0; i < n && used + 1 < 128; i++) {
        unsigned char c = (unsigned char)text[i];
        char put = isalnum(c) || c == '.' || c == '-' ? (char)c : c == '+' ? 'P' : '-';
        if (put == '-' && out[used - 1] == '-') continue;
        if (put == 'P' && c == '+') { /* '+' at an end is "or later" */
            if (used + 9 >= 128) break;
            memcpy(out + used, "-or-later", 9);
            used += 9;
            continue;
        }
        out[used++] = put;
    }
    while (used > 0 && out[used - 1] == '-') used--;
    out[used] = '\0';
}

static bool nothing(const char *text, size_t n) {
    static const char *const words[] = {"unknown",     "noassertion", "none",
                                        "unspecified", "n/a",         "other",
                                        "unlicensed",  "-",           "?"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == n && strncasecmp(words[i], text, n) == 0) return true;
    return n == 0;
}

/* One name, or several with '/' between that all are known. */
static int name_node(struct parser *p, const char *text, size_t n) {
    char id[128];
    if (nothing(text, n)) return -1;
    if (licence_id(id, text, n)) {
        int made = node(p, 'n', -1, -1);
        if (made >= 0) memcpy(p->tree->nodes[made].text, id, sizeof id);
        return made;
    }
    const char *slash = memchr(text, '/', n);
    if (slash != NULL && p->depth < LICENCE_DEPTH) {
        size_t left = (size_t)(slash - text), right = n - left - 1;
        while (left > 0 && is_space(text[left - 1])) left--;
        const char *rest = slash + 1;
        while (right > 0 && is_space(*rest)) rest++, right--;
        char other[128];
        /* "CC-BY 3.0/4.0": the second is a version of the first. */
        if (licence_id(id, text, left) && right == 3 && isdigit((unsigned char)rest[0]) &&
            left > 3) {
            char again[128];
            int k = snprintf(again, sizeof again, "%.*s%.3s", (int)(left - 3), text, rest);
            if (k > 0 && k < (int)sizeof again && licence_id(other, again, (size_t)k)) {
                int a = name_node(p, text, left), b = name_node(p, again, (size_t)k);
                return combine(p, '&', a, b);
            }
        }
        if (licence_id(id, text, left) && licence_id(other, rest, right)) {
            int a = name_node(p, text, left), b = name_node(p, rest, right);
            return combine(p, '&', a, b);
        }
    }
    int made = node(p, 'n', -1, -1);
    if (made >= 0) reference(p->tree->nodes[made].text, text, n);
    return made;
}

static int loose(struct parser *p);

/* The words up to an operator. */
static size_t words(struct parser *p, const char **text) {
    size_t n;
    const char *end = p->at;
    while (p->at < p->end && is_space(*p->at)) p->at++;
    *text = p->at;
    while (peek(p, &n) == TOKEN_NAME) {
        p->at += n;
        end = p->at;
    }
    return end > *text ? (size_t)(end - *text) : 0;
}

static int with(struct parser *p, int left) {
    const char *text;
    size_t n;
    p->at += 4;
    size_t length = words(p, &text);
    /* An exception's name may itself hold an "and" or "or" only in SPDX's hyphens. */
    if (left < 0 || length == 0) return left;
    int made = node(p, 'w', left, -1);
    if (made < 0) return left;
    char ref[128];
    reference(ref, text, length);
    const char *bare = ref + strlen("LicenseRef-");
    size_t used = strlen(bare);
    memcpy(p->tree->nodes[made].text, bare, used + 1);
    if (strstr(bare, "xception") == NULL && used + 11 < 128)
        memcpy(p->tree->nodes[made].text + used, "-exception", 11);
    return peek(p, &n) == TOKEN_WITH ? with(p, made) : made;
}

static int atom(struct parser *p) {
    const char *text;
    size_t n;
    int made = -1;
    if (peek(p, &n) == TOKEN_OPEN) {
        if (p->depth == LICENCE_DEPTH) {
            p->broken = true;
            return -1;
        }
        p->depth++;
        p->at++;
        made = loose(p);
        if (peek(p, &n) == TOKEN_CLOSE) p->at++;
        p->depth--;
    } else {
        size_t length = words(p, &text);
        if (length > 0) made = name_node(p, text, length);
    }
    enum token next = peek(p, &n);
    if (next == TOKEN_WITH) made = with(p, made);
    /* "CC BY-SA 3.0 (or GPL-2+)": what stands in the parentheses begins with an operator. */
    if (next == TOKEN_OPEN && p->depth < LICENCE_DEPTH) {
        struct parser inner = *p;
        inner.at++;
        size_t k;
        enum token first = peek(&inner, &k);
        p->depth++;
        p->at = inner.at;
        if (first == TOKEN_AND || first == TOKEN_OR) {
            p->at += k;
            made = combine(p, first == TOKEN_AND ? '&' : '|', made, loose(p));
        } else if (made >= 0) { /* a remark: "CC0 (US)" */
            int n_before = p->tree->n;
            (void)loose(p);
            p->tree->n = n_before;
        }
        if (peek(p, &n) == TOKEN_CLOSE) p->at++;
        p->depth--;
    }
    return made;
}

static int tight(struct parser *p) {
    size_t n;
    int made = atom(p);
    while (!p->broken && peek(p, &n) == TOKEN_AND) {
        p->at += n;
        made = combine(p, '&', made, atom(p));
    }
    return made;
}

static int middle(struct parser *p) {
    size_t n;
    int made = tight(p);
    while (!p->broken && peek(p, &n) == TOKEN_OR) {
        p->at += n;
        made = combine(p, '|', made, tight(p));
    }
    return made;
}

static int loose(struct parser *p) {
    size_t n;
    int made = middle(p);
    while (!p->broken && peek(p, &n) == TOKEN_COMMA) {
        p->at += n;
        enum token next = peek(p, &n);
        if (next == TOKEN_AND || next == TOKEN_OR) p->at += n;
        made = combine(p, next == TOKEN_OR ? '|' : '&', made, middle(p));
    }
    return made;
}

bool licence_parse(struct licence_tree *out, const char *text, size_t n_bytes) {
    struct parser p = {text, text + n_bytes, out, 0, false};
    size_t n;
    out->n = 0;
    out->top = loose(&p);
    while (!p.broken && peek(&p, &n) != TOKEN_END) { /* a stray parenthesis */
        p.at += n;
        out->top = combine(&p, '&', out->top, loose(&p));
    }
    return !p.broken;
}

static glass_status print(struct buf *out, const struct licence_tree *t, int i,
                          char around) {
    const struct licence_node *x = &t->nodes[i];
    if (x->kind == 'n') return buf_text(out, x->text);
    if (x->kind == 'w') {
        TRY(print(out, t, x->left, 'w'));
        return buf_printf(out, " WITH %s", x->text);
    }
    bool paren = around != 0 && around != x->kind;
    if (paren) TRY(buf_byte(out, '('));
    TRY(print(out, t, x->left, x->kind));
    TRY(buf_text(out, x->kind == '&' ? " AND " : " OR "));
    TRY(print(out, t, x->right, x->kind));
    return paren ? buf_byte(out, ')') : GLASS_OK;
}

glass_status licence_normal(struct buf *out, const char *text, size_t n_bytes) {
    struct licence_tree *tree;
    TRY(mem_alloc(&tree, 1, sizeof *tree));
    glass_status status = GLASS_OK;
    if (!licence_parse(tree, text, n_bytes))
        status = buf_text(out, "LicenseRef-too-long-to-read");
    else if (tree->top >= 0)
        status = print(out, tree, tree->top, 0);
    mem_free(tree);
    return status;
}

glass_status licence_join(struct buf *out, const char *a, const char *b, const char *word) {
    struct buf text = {0};
    if (a[0] == '\0' || b[0] == '\0')
        return licence_normal(out, a[0] ? a : b, strlen(a[0] ? a : b));
    glass_status status = buf_printf(&text, "(%s) %s (%s)", a, word, b);
    if (status == GLASS_OK) status = licence_normal(out, text.data, text.len);
    buf_free(&text);
    return status;
}

/* Whether x is y, or y is what x becomes when more is said of it. */
static bool named_by(const char *x, const char *y) {
    static const char *const forms[][2] = {{"MIT", "X11"},
                                           {"MIT", "X11-distribute-modifications-variant"},
                                           {"X11", "X11-distribute-modifications-variant"},
                                           {"FSFULLR", "FSFULLRWD"},
                                           {"HPND", "HPND-sell-variant"},
                                           {"Libpng", "libpng-2.0"},
                                           {"BSD-4-Clause", "BSD-4-Clause-UC"},
                                           {"Artistic-1.0", "Artistic-1.0-Perl"}};
    if (strcmp(x, y) == 0) return true;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(x, forms[i][0]) == 0 && strcmp(y, forms[i][1]) == 0) return true;
    /* How a name without a version is written. */
    if (strcmp(x, "GPL-1.0-or-later") == 0) return strncmp(y, "GPL-", 4) == 0;
    if (strcmp(x, "GFDL-1.1-or-later") == 0) return strncmp(y, "GFDL-", 5) == 0;
    return strcmp(x, "GFDL-1.1-no-invariants-or-later") == 0 &&
           strncmp(y, "GFDL-", 5) == 0 && strstr(y, "-no-invariants") != NULL;
}

bool licence_within(const char *a, const char *b) {
    struct licence_tree *trees = calloc(2, sizeof *trees);
    bool within = false;
    if (trees != NULL && licence_parse(&trees[0], a, strlen(a)) &&
        licence_parse(&trees[1], b, strlen(b))) {
        within = true;
        for (int i = 0; i < trees[0].n && within; i++) {
            const struct licence_node *x = &trees[0].nodes[i];
            if (x->kind != 'n') continue;
            within = false;
            for (int k = 0; k < trees[1].n && !within; k++)
                within = trees[1].nodes[k].kind == 'n' &&
                         named_by(x->text, trees[1].nodes[k].text);
        }
    }
    free(trees);
    return within;
}

bool licence_glob(const char *pattern, size_t n_pattern, const char *text, size_t n_text) {
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < n_text) {
        if (p < n_pattern && pattern[p] == '*') {
            star = p++;
            mark = t;
            continue;
        }
        size_t used = p < n_pattern && pattern[p] == '\\' && p + 1 < n_pattern ? 2 : 1;
        bool any = p < n_pattern && pattern[p] == '?';
        if (p < n_pattern && (any || pattern[p + used - 1] == text[t])) {
            p += used;
            t++;
        } else if (star != SIZE_MAX) { /* the last star takes one more */
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < n_pattern && pattern[p] == '*') p++;
    return p == n_pattern;
}
