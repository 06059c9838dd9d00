/* notice_rules.c - phrases that tell licences apart. Words as in notice_rules.h. */
#include "data/notice_rules.h"

#include "data/licence_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

// clang-format off
/* A licence's own text begins so; notices that stand inside it are examples. */
static const struct {
    const char *id, *phrase;
} titles[] = {
    {"GPL-3.0-only", "gnu general public license version 3 29 june 2007"},
    {"GPL-2.0-only", "gnu general public license version 2 june 1991"},
    {"GPL-1.0-only", "gnu general public license version 1 february 1989"},
    {"LGPL-3.0-only", "gnu lesser general public license version 3 29 june 2007"},
    {"LGPL-2.1-only", "gnu lesser general public license version 2.1 february 1999"},
    {"LGPL-2.0-only", "gnu library general public license version 2 june 1991"},
    {"AGPL-3.0-only", "gnu affero general public license version 3 19 november 2007"},
    {"GFDL-1.1-only", "gnu free documentation license version 1.1 march 2000"},
    {"GFDL-1.2-only", "gnu free documentation license version 1.2 november 2002"},
    {"GFDL-1.3-only", "gnu free documentation license version 1.3 3 november 2008"},
    {"Apache-2.0", "apache license version 2.0 january 2004"},
    {"MPL-1.1", "mozilla public license version 1.1 1 definitions"},
    {"MPL-2.0", "mozilla public license version 2.0 1 definitions"},
    {"MPL-2.0", "mozilla public license version 2.0 1. definitions"},
    {"EPL-1.0", "eclipse public license v 1.0 the accompanying program"},
    {"EPL-2.0", "eclipse public license v 2.0 the accompanying program"},
    {"OFL-1.1", "sil open font license version 1.1 26 february 2007"},
    {"Artistic-2.0", "the artistic license 2.0 copyright"},
    {"Artistic-1.0", "the artistic license preamble the intent of this document"},
    {"OPUBL-1.0", "opl license v1.0 8 june 1999"},
    {"OPUBL-1.0", "open publication license v1.0 8 june 1999"},
};

/* The phrase, behind it within RULE_REACH what is in `also`, and none of what `never` has
 * (several are parted by |). */
enum { RULE_REACH = 1700 };
static const struct {
    const char *id, *phrase, *also, *never;
} rules[] = {
    {"JSON", "the software shall be used for good not evil", NULL, NULL},
    {"X11-distribute-modifications-variant", "permission is hereby granted free of charge to any person obtaining a copy", "publish distribute distribute with modifications sublicense", NULL},
    {"X11", "permission is hereby granted free of charge to any person obtaining a copy", "except as contained in this notice the name", "distribute with modifications"},
    {"NCSA", "permission is hereby granted free of charge to any person obtaining a copy", "to deal with the software without restriction", NULL},
    {"MIT", "permission is hereby granted free of charge to any person obtaining a copy", "permission notice shall be included", "except as contained in this notice the name|to deal with the software|distribute with modifications"},
    {"MIT", "permission is hereby granted free of charge to any person obtaining a copy", "permission notice including the next paragraph shall be included", "except as contained in this notice the name"},
    {"MIT-0", "permission is hereby granted free of charge to any person obtaining a copy of this software", "publish distribute sublicense and or sell copies of the software and to permit persons to whom the software is furnished to do so the software is provided", NULL},
    {"MIT", "licensed under the mit license", NULL, NULL},
    {"MIT", "released under the mit license", NULL, NULL},
    {"MIT", "distributed under the mit license", NULL, NULL},
    {"MIT", "under the terms of the mit license", NULL, NULL},
    {"MIT", "license mit ", NULL, "license mit or "},
    {"curl", "permission to use copy modify and distribute this software for any purpose with or without fee is hereby granted", "except as contained in this notice the name", NULL},
    {"ISC", "permission to use copy modify and or distribute this software for any purpose with or without fee is hereby granted", NULL, "hereby granted the software is provided|not be used in advertising"},
    {"ISC", "permission to use copy modify and distribute this software for any purpose with or without fee is hereby granted", NULL, "except as contained in this notice the name|not be used in advertising"},
    {"ISC", "permission to use copy modify and distribute this software for any purpose and without fee is hereby granted", NULL, "not be used in advertising"},
    {"HPND", "permission to use copy modify and distribute this software for any purpose with or without fee is hereby granted", "not be used in advertising", NULL},
    {"HPND", "permission to use copy modify and distribute this software for any purpose and without fee is hereby granted", "not be used in advertising", NULL},
    {"0BSD", "permission to use copy modify and or distribute this software for any purpose with or without fee is hereby granted the software is provided", NULL, NULL},
    {"NTP", "permission to use copy modify and distribute this software and its documentation for any purpose with or without fee is hereby granted", NULL, NULL},
    {"HPND", "permission to use copy modify and distribute this software and its documentation for any purpose and without fee is hereby granted", NULL, NULL},
    {"HPND-sell-variant", "permission to use copy modify distribute and sell this software and its documentation for any purpose is hereby granted without fee", NULL, NULL},
    {"PostgreSQL", "for any purpose without fee and without a written agreement is hereby granted", NULL, NULL},
    {"TCL", "hereby grant permission to use copy modify distribute and license this software and its documentation for any purpose", NULL, NULL},
    {"Zlib", "in no event will the authors be held liable for any damages arising from the use of this software", "altered source versions must be plainly marked", NULL},
    {"Zlib", "for conditions of distribution and use see copyright notice in zlib h", NULL, NULL},
    {"BSL-1.0", "boost software license version 1.0", NULL, NULL},
    {"Apache-1.1", "apache software license version 1.1", NULL, NULL},
    {"Apache-2.0", "apache license version 2.0", NULL, NULL},
    {"Apache-2.0", "apache license 2.0", NULL, NULL},
    {"Apache-2.0", "apache 2.0 license", NULL, NULL},
    {"MPL-1.1", "mozilla public license version 1.1", NULL, NULL},
    {"MPL-2.0", "mozilla public license version 2.0", NULL, NULL},
    {"MPL-2.0", "mozilla public license v 2.0", NULL, NULL},
    {"EPL-1.0", "eclipse public license v1.0", NULL, NULL},
    {"EPL-2.0", "eclipse public license v2.0", NULL, NULL},
    {"EPL-2.0", "eclipse public license 2.0", NULL, NULL},
    {"CDDL-1.0", "common development and distribution license", NULL, NULL},
    {"OFL-1.1", "sil open font license version 1.1", NULL, NULL},
    {"Artistic-1.0-Perl OR GPL-1.0-or-later", "the same terms as perl", NULL, NULL},
    {"Artistic-1.0-Perl OR GPL-1.0-or-later", "the same terms as the perl 5 programming language", NULL, NULL},
    {"Artistic-1.0-Perl OR GPL-1.0-or-later", "the same terms as the perl programming language", NULL, NULL},
    {"Artistic-1.0-Perl OR GPL-1.0-or-later", "the same licensing terms as perl", NULL, NULL},
    {"Artistic-2.0", "under the artistic license 2.0", NULL, NULL},
    {"Artistic-2.0", "artistic license version 2.0", NULL, NULL},
    {"Artistic-1.0", "artistic license which comes with", NULL, NULL},
    {"Unlicense", "this is free and unencumbered software released into the public domain", NULL, NULL},
    {"WTFPL", "do what the fuck you want to public license", NULL, NULL},
    {"FSFAP", "copying and distribution of this file with or without modification are permitted in any medium without royalty", NULL, NULL},
    {"FSFULLRWD", "gives unlimited permission to copy and or distribute it with or without modifications", "without any warranty to the extent permitted by law", NULL},
    {"FSFULLR", "gives unlimited permission to copy and or distribute it with or without modifications", NULL, "without any warranty to the extent permitted by law"},
    {"FSFUL", "gives unlimited permission to copy distribute and modify it", NULL, NULL},
    {"Linux-man-pages-copyleft", "permission is granted to make and distribute verbatim copies of this", "since the linux kernel and libraries are constantly changing", NULL},
    {"Latex2e", "permission is granted to make and distribute verbatim copies of this", "permission notice are preserved", "since the linux kernel and libraries are constantly changing"},
    {"Latex2e", "permission is granted to copy and distribute modified versions of this", "conditions for verbatim copying", "since the linux kernel and libraries are constantly changing"},
    {"OPUBL-1.0", "terms and conditions set forth in the open publication license", NULL, NULL},
    {"OPUBL-1.0", "under the open publication license", NULL, NULL},
    {"Libpng", "released under the libpng license", NULL, NULL},
    {"libpng-2.0", "png reference library license version 2", NULL, NULL},
    {"Beerware", "the beer ware license", "can do whatever you want with this stuff", NULL},
    {"FTL", "the freetype project license", NULL, NULL},
    {"PSF-2.0", "psf license agreement", NULL, NULL},
    {"PSF-2.0", "python software foundation license version 2", NULL, NULL},
    {"Unicode-DFS-2016", "unicode inc license agreement data files and software", NULL, NULL},
    {"W3C", "w3c software notice and license", NULL, NULL},
    {"OpenSSL", "this product includes software developed by the openssl project", NULL, NULL},
    {"Info-ZIP", "info zip license", NULL, NULL},
    {"IJG", "this software is based in part on the work of the independent jpeg group", NULL, NULL},
    {"WordNet", "this software and database is being provided to you the licensee by princeton university", NULL, NULL},
    {"CC0-1.0", "cc0 1.0 universal", NULL, NULL},
    {"CC0-1.0", "creativecommons org publicdomain zero 1.0", NULL, NULL},
    {"CC0-1.0", "under the cc0 license", NULL, NULL},
    {"CC0-1.0", "creative commons zero", NULL, NULL},
    {"LicenseRef-public-domain", "creativecommons org publicdomain mark 1.0", NULL, NULL},
    {"LicenseRef-public-domain", "the author disclaims copyright to this source code", NULL, NULL},
    {"LicenseRef-public-domain", "not copyrighted provided to the public domain", NULL, NULL},
    {"LicenseRef-public-domain", "have been put on the public domain by", NULL, NULL},
};

static const char *const dedications[] = {
    "in the public domain", "into the public domain", "to the public domain",
    "public domain software", "file is public domain", "is hereby public domain",
    "program is public domain", "code is public domain", "software is public domain",
    "this is public domain", "license public domain", "licence public domain",
};
// clang-format on

struct search {
    const char *text;
    size_t n;
    struct notice_match *matches;
    int n_matches;
    bool history; /* of what changed: licences are named there, not granted */
    bool whole;   /* about its licence */
};

static const char *find(const struct search *s, const char *phrase, size_t from) {
    size_t n = strlen(phrase);
    while (from < s->n) {
        const char *at = memmem(s->text + from, s->n - from, phrase, n);
        if (at == NULL) return NULL;
        /* From a word's beginning to a word's end. */
        if ((at == s->text || at[-1] == ' ') && (phrase[n - 1] == ' ' || at[n] == ' '))
            return at;
        from = (size_t)(at - s->text) + 1;
    }
    return NULL;
}

static void put(struct search *s, const char *id, size_t start, size_t end) {
    for (int i = 0; i < s->n_matches; i++)
        if (strcmp(s->matches[i].id, id) == 0) return;
    if (s->n_matches == NOTICE_MATCHES) return;
    struct notice_match *m = &s->matches[s->n_matches++];
    snprintf(m->id, sizeof m->id, "%s", id);
    m->start = start;
    m->end = end;
    m->alternative = false;
}

static bool has(const struct search *s, const char *id) {
    for (int i = 0; i < s->n_matches; i++)
        if (strcmp(s->matches[i].id, id) == 0) return true;
    return false;
}

/* Whether phrase stands in text[from, to). */
static bool within(const struct search *s, size_t from, size_t to, const char *phrase) {
    if (to > s->n) to = s->n;
    return from < to && memmem(s->text + from, to - from, phrase, strlen(phrase)) != NULL;
}

static bool find_titles(struct search *s) {
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        const char *at = find(s, titles[i].phrase, 0);
        if (at == NULL) continue;
        size_t start = (size_t)(at - s->text);
        put(s, titles[i].id, start, start + strlen(titles[i].phrase));
    }
    return s->n_matches > 0;
}

/* Whether one of a|b|c stands in text[from, to). */
static bool within_any(const struct search *s, size_t from, size_t to,
                       const char *phrases) {
    for (const char *at = phrases; at != NULL && *at;) {
        char one[128];
        size_t n = strcspn(at, "|");
        snprintf(one, sizeof one, "%.*s", (int)n, at);
        if (within(s, from, to, one)) return true;
        at = at[n] ? at + n + 1 : NULL;
    }
    return false;
}

static void find_rules(struct search *s) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        size_t n = strlen(rules[i].phrase);
        const char *at;
        for (size_t from = 0; (at = find(s, rules[i].phrase, from)) != NULL;) {
            size_t start = (size_t)(at - s->text), to = start + n + RULE_REACH;
            from = start + 1;
            if (rules[i].also && !within(s, start, to, rules[i].also)) continue;
            if (rules[i].never && within_any(s, start, to, rules[i].never)) continue;
            put(s, rules[i].id, start, start + n);
            break;
        }
    }
}

static void find_bsd(struct search *s) {
    static const char grant[] = "redistribution and use in source and binary forms with or "
                                "without modification";
    const char *at = find(s, grant, 0);
    if (at == NULL || has(s, "NCSA")) return;
    size_t start = (size_t)(at - s->text), end = start + 4000;
    const char *id = "BSD-2-Clause";
    if (within(s, start, end, "all advertising materials"))
        id = "BSD-4-Clause";
    else if (within(s, start, end, "may not be called apache"))
        id = "Apache-1.1";
    else if (within(s, start, end, "origin of this software must not be misrepresented"))
        id = "bzip2-1.0.6";
    else if (within(s, start, end, "endorse or promote products"))
        id = "BSD-3-Clause";
    else if (!within(s, start, end, "redistributions in binary form") &&
             !within(s, start, end, "binary form must reproduce"))
        id = "BSD-1-Clause";
    put(s, id, start, start + sizeof grant - 1);
}

static void find_dedications(struct search *s) {
    for (size_t i = 0; i < sizeof dedications / sizeof *dedications; i++) {
        const char *at = find(s, dedications[i], 0);
        if (at == NULL || has(s, "Unlicense")) continue;
        size_t start = (size_t)(at - s->text), from = start > 100 ? start - 100 : 0;
        /* Somebody must dedicate this, here: not a text about the public domain. */
        bool here = within(s, from, start + 24, "this ") ||
                    within(s, from, start, "hereby") || within(s, from, start, "author") ||
                    within(s, from, start, " i ") || within(s, from, start, "written by") ||
                    within(s, from, start, "licen") ||
                    within(s, start, start + 60, "you may freely") ||
                    within(s, start, start + 60, "you can do whatever");
        size_t near = start > 24 ? start - 24 : 0;
        if (!here || within(s, near, start, " not ") || within(s, near, start, "n t "))
            continue;
        put(s, "LicenseRef-public-domain", start, start + strlen(dedications[i]));
    }
}

/* ---- Creative Commons ---- */

static size_t word(const struct search *s, size_t at, char out[24]) {
    size_t n = 0;
    while (at < s->n && s->text[at] != ' ' && n < 23) out[n++] = s->text[at++];
    out[n] = '\0';
    while (at < s->n && s->text[at] != ' ') at++;
    return at < s->n ? at + 1 : at;
}

/* Words after "creative commons" or "cc" or the address: "attribution sharealike 4.0". */
static void creative_at(struct search *s, size_t start, size_t at) {
    char w[24];
    bool by = false, nc = false, nd = false, sa = false;
    char version[8] = "";
    size_t end = at;
    for (int i = 0; i < 9 && at < s->n; i++) {
        at = word(s, at, w);
        if (!strcmp(w, "attribution") || !strcmp(w, "by"))
            by = true;
        else if (!strcmp(w, "noncommercial") || !strcmp(w, "nc") ||
                 !strcmp(w, "commercial"))
            nc = true;
        else if (!strcmp(w, "sharealike") || !strcmp(w, "sa") || !strcmp(w, "alike"))
            sa = true;
        else if (!strcmp(w, "noderivatives") || !strcmp(w, "noderivs") ||
                 !strcmp(w, "nd") || !strcmp(w, "derivatives") || !strcmp(w, "derivs"))
            nd = true;
        else if (strlen(w) == 3 && isdigit((unsigned char)w[0]) && w[1] == '.') {
            memcpy(version, w, 4);
            end = at;
            break;
        } else if (strcmp(w, "non") && strcmp(w, "no") && strcmp(w, "share") &&
                   strcmp(w, "license") && strcmp(w, "licence") && strcmp(w, "version") &&
                   strcmp(w, "unported") && strcmp(w, "international"))
            break;
        end = at;
    }
    if (!by) return;
    /* "CC by default" */
    bool named = s->text[start] != 'c' || s->text[start + 1] != 'c' || nc || nd || sa;
    bool licence = end >= start + 14 && /* "cc by license " */
                   (memcmp(s->text + end - 8, "license ", 8) == 0 ||
                    memcmp(s->text + end - 8, "licence ", 8) == 0);
    if (!named && !version[0] && !licence) return;
    char id[64];
    snprintf(id, sizeof id, "%sCC-BY%s%s%s%s%s", version[0] ? "" : "LicenseRef-",
             nc ? "-NC" : "", nd ? "-ND" : "", sa && !nd ? "-SA" : "",
             version[0] ? "-" : "", version);
    if (!version[0]) /* said again with its version elsewhere? */
        for (int i = 0; i < s->n_matches; i++)
            if (strncmp(s->matches[i].id, "CC-BY", 5) == 0) return;
    put(s, id, start, end > start ? end - 1 : end);
}

static void find_creative(struct search *s) {
    static const char *const marks[] = {"creativecommons org licenses ",
                                        "creative commons ", "cc by ",
                                        "attribution sharealike 3.0 "};
    for (size_t m = 0; m < 3; m++)
        for (size_t from = 0; from < s->n;) {
            const char *at = find(s, marks[m], from);
            if (at == NULL) break;
            size_t start = (size_t)(at - s->text);
            from = start + strlen(marks[m]);
            if (m == 2 && start > 60 && within(s, start - 20, start, "creativecommons"))
                continue;
            /* The GFDL 1.3 speaks of it, and licenses nothing by it. */
            if (within(s, start, start + 110,
                       "published by creative commons corporation") ||
                within(s, start, start + 30, " means ") ||
                within(s, start, start + 40, "on the same site"))
                continue;
            creative_at(s, start, m == 2 ? start + 3 : from);
        }
    /* An unversioned name beside a versioned one says nothing more. */
    bool versioned = false;
    for (int i = 0; i < s->n_matches; i++)
        versioned |= strncmp(s->matches[i].id, "CC-BY", 5) == 0;
    for (int i = 0; versioned && i < s->n_matches;)
        if (strncmp(s->matches[i].id, "LicenseRef-CC-BY", 16) == 0)
            s->matches[i] = s->matches[--s->n_matches];
        else
            i++;
}

/* ---- GNU ---- */

static const struct {
    const char *phrase, *id;
    bool shorthand; /* its version is part of it or follows at once */
} gnu[] = {
    {"gnu general public license", "GPL", false},
    {"gnu general public licence", "GPL", false},
    {"gnu public license", "GPL", false},
    {"gnu lesser general public license", "LGPL", false},
    {"gnu library general public license", "LGPL", false},
    {"gnu lesser public license", "LGPL", false},
    {"gnu affero general public license", "AGPL", false},
    {"gnu free documentation license", "GFDL", false},
    {"gnu gpl", "GPL", true},
    {"gnu lgpl", "LGPL", true},
    {"gnu agpl", "AGPL", true},
    {"gpl", "GPL", true},
    {"lgpl", "LGPL", true},
    {"gplv2", "GPL", true},
    {"gplv3", "GPL", true},
    {"lgplv2", "LGPL", true},
    {"lgplv2.1", "LGPL", true},
    {"lgplv3", "LGPL", true},
    {"agplv3", "AGPL", true},
};

/* A version at `at`: "2", "v2", "version 2", "2.1"; 0 if there is none. Tens and ones. */
static int version_at(const struct search *s, size_t at, size_t *end) {
    char w[24];
    size_t next = word(s, at, w);
    if (!strcmp(w, "version") || !strcmp(w, "v") || !strcmp(w, "versions") ||
        !strcmp(w, "ver"))
        next = word(s, next, w);
    const char *p = w[0] == 'v' ? w + 1 : w;
    if (!isdigit((unsigned char)*p) || *p == '0' || *p > '3') return 0;
    if (p[1] != '\0' && p[1] != '.') return 0;
    *end = next;
    return (*p - '0') * 10 + (p[1] == '.' && isdigit((unsigned char)p[2]) ? p[2] - '0' : 0);
}

/* The version that belongs to the name at [start, end). */
static int find_version(const struct search *s, size_t start, size_t end, bool shorthand,
                        size_t *version_end) {
    int v = 0;
    char w[24];
    size_t at = end;
    /* "gplv2", "lgplv2.1" */
    size_t last = start;
    while (last < end && s->text[last] != ' ') last++;
    const char *digits = memchr(s->text + start, 'v', end - start);
    if (shorthand && digits && isdigit((unsigned char)digits[1])) {
        *version_end = end;
        return (digits[1] - '0') * 10 + (digits[2] == '.' ? digits[3] - '0' : 0);
    }
    /* Before it: "version 2 of the", "version 2 or later of the". */
    size_t from = start > 60 ? start - 60 : 0;
    for (size_t i = from; i + 8 < start; i++) {
        if ((i == 0 || s->text[i - 1] == ' ') && strncmp(s->text + i, "version ", 8) == 0 &&
            within(s, i, start, " of the ")) {
            size_t stop;
            int found = version_at(s, i, &stop);
            if (found && !within(s, i, start, "gnu ")) {
                v = found;
                *version_end = stop;
            }
        }
    }
    if (v) return v;
    /* After it, some words away but before the next name. */
    size_t limit = shorthand ? end + 20 : end + 130;
    for (int i = 0; at < limit && at < s->n && i < 20; i++) {
        v = version_at(s, at, version_end);
        if (v) return v;
        size_t next = word(s, at, w);
        if (!strcmp(w, "gnu") || !strcmp(w, "more")) return 0;
        if (shorthand && strcmp(w, "license") && strcmp(w, "licence") &&
            strcmp(w, "version"))
            return 0;
        at = next;
    }
    return 0;
}

static bool said_later(const struct search *s, size_t start, size_t end,
                       size_t version_end) {
    size_t to = (version_end > end ? version_end : end) + 90;
    static const char *const phrases[] = {
        "any later version", "or later",   "or newer", "or any later",
        "any newer version", "or greater", "or above"};
    size_t from = version_end < end ? start > 60 ? start - 60 : 0 : version_end;
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (within(s, from > 1 ? from - 1 : 0, to, phrases[i])) return true;
    /* "GPLv2+": the plus is no word; it shows as nothing here, and is the caller's to see. */
    return false;
}

/* "the complete text of the GNU GPL version 2 is in …" tells where a text is, not a licence. */
static bool pointer(const struct search *s, size_t start, size_t end) {
    size_t from = start > 50 ? start - 50 : 0;
    size_t near = start > 24 ? start - 24 : 0;
    return within(s, near, start, "copying ") || /* COPYING.GPLv2 */
           within(s, from, start, "text of ") || within(s, from, start, "copy of the ") ||
           within(s, from, start, "see the ") ||
           within(s, from, start, "version of the ") ||
           within(s, from, start, "compatible") ||
           within(s, from, start, "common licenses") ||
           within(s, end, end + 60, "can be found") ||
           within(s, end, end + 60, "common licenses");
}

static void gnu_match(struct search *s, const char *family, int v, bool later, size_t start,
                      size_t end, const char *invariants) {
    char id[64], only[64];
    snprintf(id, sizeof id, "%s-%d.%d%s%s", family, v / 10, v % 10, invariants,
             later ? "-or-later" : "-only");
    snprintf(only, sizeof only, "%s-%d.%d%s%s", family, v / 10, v % 10, invariants,
             later ? "-only" : "-or-later");
    for (int i = 0; i < s->n_matches; i++) {
        if (strcmp(s->matches[i].id, only) != 0) continue;
        /* One statement, said twice: the one that says more stays. */
        if (later) snprintf(s->matches[i].id, sizeof s->matches[i].id, "%s", id);
        return;
    }
    put(s, id, start, end);
}

/* Invariant sections and cover texts: Debian's (and SPDX's) "no invariants" wants neither. */
static const char *invariants_of(const struct search *s, size_t end) {
    static const char *const covers[] = {"cover texts being", "cover text being",
                                         "cover texts as in", "cover text as in",
                                         "cover texts are",   "cover text is"};
    static const char *const none[] = {"no invariant sections",
                                       "without invariant sections"};
    size_t to = end + 420 < s->n ? end + 420 : s->n;
    for (size_t k = 0; k < 2 && end < to; k++) {
        const char *at = memmem(s->text + end, to - end, none[k], strlen(none[k]));
        if (at == NULL) continue;
        size_t from = (size_t)(at - s->text);
        for (size_t i = 0; i < sizeof covers / sizeof *covers; i++)
            if (within(s, from, from + 220, covers[i])) return "";
        return "-no-invariants";
    }
    return within(s, end, to, "with the invariant sections") ||
                   within(s, end, to, "invariant sections being")
               ? "-invariants"
               : "";
}

/* The end of a licence shows notices that other people may use. */
static bool is_example(const struct search *s, size_t start) {
    static const char *const heads[] = {"how to apply these terms to your new",
                                        "how to use this license for your documents",
                                        "use this license in a document you have written"};
    size_t from = start > 3000 ? start - 3000 : 0;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (within(s, from, start, heads[i])) return true;
    return false;
}

/* "under the terms of the GNU General Public License", "under the GPL": any version. */
static bool says_unversioned(const struct search *s, size_t start, bool shorthand) {
    size_t before = start > 60 ? start - 60 : 0;
    if (has(s, "FSFUL") || has(s, "FSFULLR") || has(s, "FSFULLRWD") || has(s, "FSFAP"))
        return false; /* of gettext's macros: the code that they look for, not they */
    if (within(s, before, start, "not available under") ||
        within(s, before, start, "not under"))
        return false;
    if (shorthand && start >= 8 && memcmp(s->text + start - 8, "license ", 8) == 0)
        return true;                          /* "License: GPL" */
    if (shorthand && !s->whole) return false; /* texts speak of it, too */
    if (shorthand)
        return (start >= 10 && memcmp(s->text + start - 10, "under the ", 10) == 0) ||
               (start >= 6 && memcmp(s->text + start - 6, "under ", 6) == 0);
    return within(s, before, start, "terms of ") ||
           within(s, before, start, "licensed under ") ||
           within(s, before, start, "covered by ") ||
           within(s, before, start, "distributed under ") ||
           within(s, before, start, "released under ");
}

static void find_gnu(struct search *s) {
    const char *unversioned = NULL;
    size_t unversioned_at = 0, unversioned_end = 0;
    bool any = false;
    for (size_t g = 0; g < sizeof gnu / sizeof *gnu; g++)
        for (size_t from = 0; from < s->n;) {
            const char *at = find(s, gnu[g].phrase, from);
            if (at == NULL) break;
            size_t start = (size_t)(at - s->text), end = start + strlen(gnu[g].phrase) + 1;
            size_t version_end = end;
            from = end;
            if (pointer(s, start, end) || is_example(s, start)) continue;
            if (s->history && gnu[g].shorthand) continue;
            int v = find_version(s, start, end, gnu[g].shorthand, &version_end);
            if (v == 0) {
                if (!unversioned && !s->history &&
                    says_unversioned(s, start, gnu[g].shorthand)) {
                    unversioned = gnu[g].id;
                    unversioned_at = start;
                    unversioned_end = end;
                }
                continue;
            }
            const char *family = gnu[g].id;
            const char *invariants = family[1] == 'F' ? invariants_of(s, end) : "";
            if (!licence_version(family, v / 10, v % 10)) continue;
            bool later = said_later(s, start, end, version_end);
            gnu_match(s, family, v, later, start, version_end > end ? version_end : end,
                      invariants);
            any = true;
        }
    if (!any && unversioned != NULL)
        gnu_match(s, unversioned,
                  unversioned[0] == 'L'   ? 20
                  : unversioned[1] == 'F' ? 11
                                          : 10,
                  true, unversioned_at, unversioned_end, "");
}

/* ---- together ---- */

static void in_order(struct search *s) {
    for (int i = 1; i < s->n_matches; i++)
        for (int k = i; k > 0 && s->matches[k].start < s->matches[k - 1].start; k--) {
            struct notice_match keep = s->matches[k];
            s->matches[k] = s->matches[k - 1];
            s->matches[k - 1] = keep;
        }
}

/* "A or B", but not "A or later, B" or "A or, at your option, any later". */
static bool says_or(const struct search *s, size_t from, size_t to) {
    for (size_t i = from; i + 3 <= to; i++) {
        if (strncmp(s->text + i, "or ", 3) != 0 || (i > 0 && s->text[i - 1] != ' '))
            continue;
        const char *next = s->text + i + 3;
        if (strncmp(next, "later", 5) && strncmp(next, "newer", 5) &&
            strncmp(next, "any ", 4) && strncmp(next, "at ", 3) &&
            strncmp(next, "greater", 7))
            return true;
    }
    return false;
}

static void find_alternatives(struct search *s) {
    for (int i = 1; i < s->n_matches; i++) {
        struct notice_match *a = &s->matches[i - 1], *b = &s->matches[i];
        size_t gap = b->start > a->end ? b->start - a->end : 0;
        size_t before = a->start > 120 ? a->start - 120 : 0;
        if (gap > 1500) continue;
        if (within(s, a->end, b->start, "alternatively") ||
            within(s, before, a->start, "dual licen") ||
            within(s, before, a->start, "your choice") ||
            (gap < 80 && says_or(s, a->end, b->start)))
            b->alternative = true;
    }
}

/* A notice before a licence's text says more than the text does: the title goes. */
static void drop_titles(struct search *s, int n_titles) {
    for (int i = n_titles - 1; i >= 0; i--) {
        size_t family = strcspn(s->matches[i].id, "-");
        bool said = false;
        for (int k = n_titles; k < s->n_matches; k++)
            said |= strncmp(s->matches[i].id, s->matches[k].id, family + 1) == 0;
        if (!said) continue;
        memmove(&s->matches[i], &s->matches[i + 1],
                (size_t)(s->n_matches - i - 1) * sizeof *s->matches);
        s->n_matches--;
        n_titles--;
    }
}

int notice_rules(struct notice_match matches[NOTICE_MATCHES], const struct words *w) {
    struct search s = {w->text.data, w->text.len, matches, 0, w->history, w->whole};
    int n_titles = 0;
    if (find_titles(&s)) {
        n_titles = s.n_matches;
        for (int i = 0; i < n_titles; i++)
            if (matches[i].start < s.n) s.n = matches[i].start;
    }
    find_rules(&s);
    find_creative(&s);
    find_dedications(&s);
    find_gnu(&s);
    if (n_titles > 0) drop_titles(&s, n_titles);
    s.n = w->text.len;
    find_bsd(&s);
    in_order(&s);
    find_alternatives(&s);
    return s.n_matches;
}
