/* audit_limits.c - see audit_limits.h. */
#include "open/audit_limits.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { TOLD = 3 /* sentences of a file, of each kind */, TITLE = 8, FEW = 2 /* words */ };

static glass_status add(struct glass_audit *a, const struct audit_where *w,
                        enum audit_doubt doubt, const char *words, size_t begin,
                        size_t end) {
    if (a->n_limits == a->limits_room) {
        int64_t room = a->limits_room > 0 ? 2 * a->limits_room : 16;
        TRY(mem_resize(&a->limits, (size_t)room, sizeof *a->limits));
        a->limits_room = room;
    }
    struct audit_limit x = {.doubt = doubt, .words = words};
    x.c = (glass_audit_claim){.part = w->part,
                              .subject = w->folder,
                              .grade = GLASS_AUDIT_DECLARED,
                              .key = "",
                              .name = "words beside its licence",
                              .how = "words"};
    TRY(audit_evidence(a, &x.c.evidence, w->shown, w->sha256, w->text, w->n_bytes, begin,
                       end));
    a->limits[a->n_limits++] = x;
    return GLASS_OK;
}

glass_status audit_limits_gate(struct glass_audit *a, const struct audit_where *w,
                               size_t begin, size_t end) {
    while (begin > 0 && w->text[begin - 1] != '\n') begin--;
    return add(a, w, DOUBT_READ, "who wants the files has to agree to this first", begin,
               end);
}

glass_status audit_limits_unread(struct glass_audit *a, glass_audit_part part,
                                 const char *file, const char *words) {
    struct audit_where w = {
        .part = part, .folder = "", .shown = file, .sha256 = "", .text = ""};
    return add(a, &w, DOUBT_READ, words, 0, 0);
}

/* The end of the licence that was found in this file and holds byte at; at itself: none does. */
static size_t licence_end(const struct glass_audit *a, const struct audit_where *w,
                          size_t at) {
    size_t end = at;
    for (int64_t i = w->first_claim; i < a->n_claims; i++) {
        const struct audit_claim *c = &a->claims[i];
        const glass_audit_evidence *e = &c->c.evidence;
        bool text = c->found != NULL && c->found->text_at_hand;
        if (text && strcmp(e->file, w->shown) == 0 && e->begin <= at && e->end > end)
            end = e->end;
    }
    return end;
}

/* Whether a claim of this file, which excludes commerce, is what stands there: "license: cc-by-nc-4.0". */
static bool is_told(const struct glass_audit *a, const struct audit_where *w, size_t begin,
                    size_t end) {
    for (int64_t i = w->first_claim; i < a->n_claims; i++) {
        const struct audit_claim *c = &a->claims[i];
        const glass_audit_evidence *e = &c->c.evidence;
        if (c->licence == NULL || strcmp(e->file, w->shown) != 0 || e->begin >= end ||
            e->end <= begin)
            continue;
        for (int k = 0; k < c->licence->n_rows; k++)
            if (strcmp(c->licence->rows[k].topic, "commercial") == 0 &&
                strcmp(c->licence->rows[k].answer, "no") == 0)
                return true;
    }
    return false;
}

/* Whether a licence's text was found in this file; *copy: and the file is a known copy, whole. */
static bool has_text(const struct glass_audit *a, const struct audit_where *w, bool *copy) {
    bool text = false;
    for (int64_t i = w->first_claim; i < a->n_claims; i++) {
        const glass_licence_found *f = a->claims[i].found;
        if (f == NULL || !f->text_at_hand ||
            strcmp(a->claims[i].c.evidence.file, w->shown) != 0)
            continue;
        text = true;
        *copy |= f->verdict == GLASS_LICENCE_SAME_BYTES;
    }
    return text;
}

/* A line that tells who holds the rights, or how the text is called, and nothing else. */
static bool is_plain_line(const char *line, size_t n) {
    static const char *const starts[] = {"copyright",
                                         "(c)",
                                         "\xc2\xa9",
                                         "all rights reserved",
                                         "spdx-license-identifier",
                                         "spdx-filecopyrighttext"};
    int n_words = limit_count(line, n);
    bool licence = memmem(line, n, "icense", 6) != NULL ||
                   memmem(line, n, "ICENSE", 6) != NULL ||
                   memmem(line, n, "icence", 6) != NULL;
    if (n_words == 0) return true;
    const char *address = memmem(line, n, "://", 3);
    if (address != NULL && memchr(line, ' ', n) == NULL) return true;
    if (limit_word(line, n, true)) return false;
    size_t at = 0;
    while (at < n && strchr(" \t*#/-<>!;%", line[at]) != NULL) at++;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (n - at >= strlen(starts[i]) &&
            strncasecmp(line + at, starts[i], strlen(starts[i])) == 0)
            return true;
    return n_words <= FEW || (licence && n_words <= TITLE);
}

/* Lines outside of licences: the first that is not plain, and the first that limits. */
glass_status audit_limits_beside(struct glass_audit *a, const struct audit_where *w) {
    size_t other[2] = {0}, limit[2] = {0};
    bool copy = false, text = has_text(a, w, &copy);
    if (copy) return GLASS_OK;
    for (size_t at = 0; at < w->n_bytes && limit[1] == 0;) {
        size_t behind = licence_end(a, w, at);
        if (behind > at) {
            at = behind;
            continue;
        }
        size_t end = at;
        while (end < w->n_bytes && w->text[end] != '\n' && licence_end(a, w, end) == end)
            end++;
        const char *line = w->text + at;
        size_t begin = at, n = end - at, next = 0, from, to;
        at = end + (end < w->n_bytes && w->text[end] == '\n');
        if (is_plain_line(line, n)) continue;
        if (other[1] == 0) {
            other[0] = begin;
            other[1] = end;
        }
        if (!(text && limit_word(line, n, false)) &&
            limit_next(line, n, &next, &from, &to) == LIMIT_NONE)
            continue;
        limit[0] = begin;
        limit[1] = end;
    }
    if (limit[1] > 0)
        return add(
            a, w, DOUBT_ALL,
            "these words stand beside the licence's, and may take back what it grants: "
            "read them",
            limit[0], limit[1]);
    if (other[1] == 0) return GLASS_OK;
    return add(a, w, DOUBT_READ, "these words stand beside the licence's: read them",
               other[0], other[1]);
}

glass_status audit_limits_prose(struct glass_audit *a, const struct audit_where *w,
                                enum limit least, bool terms) {
    int told[3] = {0};
    size_t at = 0, begin, end;
    enum limit found;
    while ((found = limit_next(w->text, w->n_bytes, &at, &begin, &end)) != LIMIT_NONE) {
        size_t behind = licence_end(a, w, begin);
        if (behind > begin) {
            if (behind > at) at = behind;
            continue;
        }
        if (found < least || is_told(a, w, begin, end) || told[found]++ >= TOLD) continue;
        enum audit_doubt doubt = terms                     ? DOUBT_ALL
                                 : found == LIMIT_COMMERCE ? DOUBT_COMMERCE
                                                           : DOUBT_READ;
        TRY(add(a, w, doubt,
                found == LIMIT_COMMERCE
                    ? "these words speak of what it is not, or alone, meant for; whether "
                      "they limit the licence, they have to tell"
                    : "these words limit what may be done, or ask for something: read them",
                begin, end));
    }
    return GLASS_OK;
}

glass_status audit_limits_tell(struct glass_audit *a) {
    for (int64_t i = 0; i < a->n_limits; i++)
        if (a->limits[i].doubt != DOUBT_READ)
            TRY(audit_finding_add(a, GLASS_FINDING_WARNING, &a->limits[i].c.evidence, NULL,
                                  "words that may limit what a licence allows"));
    return GLASS_OK;
}

bool audit_is_terms(const char *name) {
    static const char *const words[] = {
        "terms",       "eula",   "agreement", "addendum",   "restrictions",
        "restriction", "aup",    "tos",       "conditions", "rail",
        "disclaimer",  "notice", "legal",     "usage"};
    for (const char *p = name; *p;) {
        size_t n = 0;
        while (isalnum((unsigned char)p[n])) n++;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (strlen(words[i]) == n && strncasecmp(p, words[i], n) == 0) return true;
        p += n;
        while (*p && !isalnum((unsigned char)*p)) p++;
    }
    return false;
}
