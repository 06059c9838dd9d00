/* licence_table.c - the names of licences that are known, and what they ask.
 *
 * Families with versions (GPL, LGPL, AGPL, GFDL, Creative Commons) are told by rule, the rest by
 * the table. */
#include "data/licence.h"
#include "data/licence_parts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define P  (LICENCE_DFSG | LICENCE_OSI | LICENCE_PERMISSIVE)
#define PD (LICENCE_DFSG | LICENCE_PERMISSIVE) /* free by Debian, not before the OSI */
#define C  (LICENCE_DFSG | LICENCE_OSI | LICENCE_SHARE_ALIKE)
#define Z  (LICENCE_DFSG | LICENCE_PERMISSIVE | LICENCE_PUBLIC)

// clang-format off
static const struct row {
    const char *id;    /* SPDX, or LicenseRef-… */
    const char *other; /* other spellings, in lower case with '-' for spaces, parted by | */
    unsigned flags;
} rows[] = {
    {"0BSD", "", P | LICENCE_PUBLIC},
    {"AFL-2.0", "", P},
    {"AFL-2.1", "", P},
    {"AFL-3.0", "afl|afl-3", P},
    {"APSL-2.0", "apsl", C},
    {"Apache-1.0", "apache-1", PD},
    {"Apache-1.1", "", P},
    {"Apache-2.0", "apache|apache2|apache-2|apache-license-2.0|apache-license-version-2.0|asl-2.0|asl2", P},
    {"Artistic-1.0", "artistic|artistic-1", LICENCE_DFSG | LICENCE_OSI | LICENCE_PERMISSIVE},
    {"Artistic-1.0-Perl", "artistic-perl", LICENCE_DFSG | LICENCE_OSI | LICENCE_PERMISSIVE},
    {"Artistic-2.0", "artistic-2", P},
    {"BSD-1-Clause", "", P},
    {"BSD-2-Clause", "bsd-2|bsd2|simplified-bsd|freebsd|bsd-2-clause-netbsd|bsd-2-clause-freebsd", P},
    {"BSD-3-Clause", "bsd|bsd-3|bsd3|new-bsd|modified-bsd|bsd-new", P},
    {"BSD-3-Clause-Clear", "", PD},
    {"BSD-4-Clause", "bsd-4|bsd4|original-bsd", PD},
    {"BSD-4-Clause-UC", "", PD},
    {"BSD-Source-Code", "", PD},
    {"BSL-1.0", "boost|boost-1.0|bsl|bsl1", P},
    {"Beerware", "beer-ware|beerware-42", PD},
    {"Bitstream-Vera", "bitstream", PD},
    {"C-UDA-1.0", "", LICENCE_PERMISSIVE},
    {"CC-PDDC", "", Z},
    {"CC0-1.0", "cc0|cc-0|cc0-1|cc-zero|cc0-1.0-universal", Z},
    {"CDDL-1.0", "cddl|cddl-1", C},
    {"CDDL-1.1", "", C},
    {"CDLA-Permissive-1.0", "", LICENCE_PERMISSIVE},
    {"CDLA-Permissive-2.0", "", LICENCE_PERMISSIVE},
    {"CDLA-Sharing-1.0", "", LICENCE_SHARE_ALIKE},
    {"CECILL-2.0", "cecill-2", C},
    {"CECILL-2.1", "cecill", C},
    {"CECILL-B", "", P},
    {"CECILL-C", "", LICENCE_DFSG | LICENCE_SHARE_ALIKE},
    {"CNRI-Python", "cnri", PD},
    {"CPL-1.0", "cpl", C},
    {"ECL-2.0", "", P},
    {"EPL-1.0", "", C},
    {"EPL-2.0", "epl-2", C},
    {"EUPL-1.1", "", C},
    {"EUPL-1.2", "eupl", C},
    {"FSFAP", "gnu-all-permissive|all-permissive", PD},
    {"FSFUL", "fsf-unlimited", PD},
    {"FSFULLR", "fsf-unlimited-permission|fsf-unlimited-with-license-retention", PD},
    {"FSFULLRWD", "fsfullr-no-warranty", PD},
    {"FTL", "freetype", PD},
    {"HPND", "old-mit", P},
    {"HPND-sell-variant", "", PD},
    {"ICU", "", PD},
    {"IJG", "", PD},
    {"IPL-1.0", "ipl", C},
    {"ISC", "isc-license", P},
    {"Info-ZIP", "infozip", PD},
    {"Intel", "", P},
    {"JSON", "", LICENCE_PERMISSIVE},
    {"LPPL-1.0", "", LICENCE_SHARE_ALIKE},
    {"LPPL-1.1", "", LICENCE_SHARE_ALIKE},
    {"LPPL-1.2", "lppl-1.2+", LICENCE_SHARE_ALIKE},
    {"LPPL-1.3a", "lppl-1.3a+", C},
    {"LPPL-1.3c", "lppl|lppl-1.3|lppl-1.3+|lppl-1.3c+", C},
    {"Latex2e", "gnu-verbatim", LICENCE_DFSG | LICENCE_SHARE_ALIKE},
    {"Libpng", "png", PD},
    {"Linux-man-pages-copyleft", "verbatim", LICENCE_DFSG | LICENCE_SHARE_ALIKE},
    {"MIT", "expat|mit-license|expat/mit|mit-expat|mit/expat|mit/x11", P},
    {"MIT-0", "", P | LICENCE_PUBLIC},
    {"MIT-CMU", "", PD},
    {"MPL-1.0", "", C},
    {"MPL-1.1", "mpl-1", C},
    {"MPL-2.0", "mpl|mpl-2|mpl2|mozilla-public-license-2.0", C},
    {"MS-PL", "", C},
    {"MirOS", "", P},
    {"MulanPSL-2.0", "", P},
    {"NCSA", "uiuc|ncsa/uiuc", P},
    {"NIST-PD", "", Z},
    {"NTP", "", P},
    {"ODC-By-1.0", "odc-by", LICENCE_PERMISSIVE},
    {"ODbL-1.0", "odbl", LICENCE_SHARE_ALIKE},
    {"OFL-1.0", "sil-ofl-1.0", LICENCE_DFSG | LICENCE_SHARE_ALIKE},
    {"OFL-1.1", "ofl|sil-ofl|sil-ofl-1.1|sil-open-font-license-1.1", C},
    {"OLDAP-2.8", "openldap-2.8|openldap", P},
    {"OPUBL-1.0", "opl|opl-1|opl-1+|opl-1.0|openpublication|open-publication", LICENCE_SHARE_ALIKE},
    {"OSL-2.1", "", C},
    {"OSL-3.0", "osl|osl-3", C},
    {"OpenMDW-1.0", "openmdw", LICENCE_PERMISSIVE},
    {"OpenSSL", "ssleay", PD},
    {"PDDL-1.0", "pddl", LICENCE_PERMISSIVE | LICENCE_PUBLIC},
    {"PHP-3.0", "", PD},
    {"PHP-3.01", "php|php-3", PD},
    {"PSF-2.0", "psf|python|psf-2|psfl", P},
    {"PostgreSQL", "", P},
    {"Python-2.0", "python-2|python-2.0.1", P},
    {"QPL-1.0", "qpl", C},
    {"RSA-MD", "", PD},
    {"Ruby", "", PD},
    {"SGI-B-2.0", "sgi|sgi-free-b|sgi-b", PD},
    {"SISSL", "", C},
    {"SMLNJ", "", PD},
    {"Sleepycat", "", C},
    {"TCL", "tcl/tk|tcl-like|tcltk|tcl-bsdish", PD},
    {"UPL-1.0", "", P},
    {"Unicode-3.0", "unicode-v3", P},
    {"Unicode-DFS-2015", "", PD},
    {"Unicode-DFS-2016", "unicode-data|unicode|unicode-license", P},
    {"Unlicense", "the-unlicense|unlicence", P | LICENCE_PUBLIC},
    {"Vim", "", C},
    {"W3C", "w3c-software", P},
    {"W3C-20150513", "w3c-document", P},
    {"WTFPL", "wtfpl-2|wtfpl-2.0", PD | LICENCE_PUBLIC},
    {"WordNet", "wordnet-3.0|wordnet-3.0-licence|princeton|wordnet-3", PD},
    {"X11", "mit-x11|x11-license", PD},
    {"X11-distribute-modifications-variant", "", PD},
    {"XFree86-1.1", "", PD},
    {"ZPL-2.1", "zpl", P},
    {"Zlib", "zlib/libpng", P},
    {"blessing", "sqlite-blessing", Z},
    {"bzip2-1.0.6", "bzip2|bzip", PD},
    {"curl", "", PD},
    {"dvipdfm", "", PD},
    {"eGenix", "", PD},
    {"libpng-2.0", "", PD},
    {"libtiff", "", PD},
    {"mpich2", "", PD},
    {"psutils", "", PD},
    {"LicenseRef-public-domain", "public-domain|publicdomain|pd|public_domain|public-domain-us|us-public-domain|public-domain-mark", Z},
};
// clang-format on

/* Name in lower case with '-' for white space; false if it does not fit. */
static bool lower(char out[128], const char *text, size_t n) {
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        char put = isspace(c) || c == '_' ? '-' : (char)tolower(c);
        if (put == '-' && (used == 0 || out[used - 1] == '-')) continue;
        if (used + 1 >= 128) return false;
        out[used++] = put;
    }
    while (used > 0 && out[used - 1] == '-') used--;
    out[used] = '\0';
    return true;
}

static bool has_word(const char *words, const char *name) {
    size_t n = strlen(name);
    for (const char *p = words; n > 0 && (p = strstr(p, name)) != NULL; p++)
        if ((p == words || p[-1] == '|') && (p[n] == '\0' || p[n] == '|')) return true;
    return false;
}

static const struct row *find_row(const char *name) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcasecmp(rows[i].id, name) == 0 || has_word(rows[i].other, name))
            return &rows[i];
    return NULL;
}

/* "2", "2.0", "v2.1" at *p: major and minor; false if there is no number. */
static bool version(const char **p, int *major, int *minor) {
    const char *s = *p;
    if (*s == '-') s++;
    if (*s == 'v') s++;
    if (strncmp(s, "ersion-", 7) == 0) s += 7;
    if (!isdigit((unsigned char)*s)) return false;
    *major = *s++ - '0';
    *minor = 0;
    if (*s == '.' && isdigit((unsigned char)s[1])) {
        *minor = s[1] - '0';
        s += 2;
        if (s[0] == '.' && s[1] == '0') s += 2; /* "2.0.0" */
    }
    *p = s;
    return true;
}

bool licence_version(const char *family, int major, int minor) {
    int v = 10 * major + minor;
    if (family[0] == 'L') return v == 20 || v == 21 || v == 30;
    if (family[1] == 'F') return v >= 11 && v <= 13;
    if (family[0] == 'A') return v == 10 || v == 30;
    return v == 10 || v == 20 || v == 30;
}

static bool later(const char *rest) {
    return rest[0] == '+' || strstr(rest, "or-later") || strstr(rest, "or-newer") ||
           strstr(rest, "later-version");
}

/* GPL-2+, LGPL-2.1, GFDL-NIV-1.3+, GFDL-1.3+-no-invariant, … */
static bool gnu(char out[128], const char *name) {
    static const struct {
        const char *word, *id;
        int least;
    } families[] = {
        {"lgpl", "LGPL", 2},     {"agpl", "AGPL", 1},    {"gfdl", "GFDL", 1},
        {"fdl", "GFDL", 1},      {"gpl", "GPL", 1},      {"gnu-gpl", "GPL", 1},
        {"gnu-lgpl", "LGPL", 2}, {"gnu-fdl", "GFDL", 1}, {"gnu-agpl", "AGPL", 1}};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        size_t n = strlen(families[i].word);
        const char *p = name + n, *invariants = "";
        int major, minor;
        if (strncmp(name, families[i].word, n) != 0) continue;
        bool fdl = families[i].id[1] == 'F';
        if (fdl && strncmp(p, "-niv", 4) == 0) {
            invariants = "-no-invariants";
            p += 4;
        }
        if (!version(&p, &major, &minor)) {
            /* No version: any, as section 9 (14) of the licence says. */
            if (*p != '\0' && *p != '+') return false;
            major = families[i].least;
            minor = fdl ? 1 : 0;
            p = "+";
        }
        if (!licence_version(families[i].id, major, minor)) return false;
        /* What follows must be understood, or the name stays what it is. */
        if (*p != '\0' && *p != '+' && *p != '-') return false;
        if (fdl && (strstr(p, "no-invariant") || strstr(p, "niv"))) {
            invariants = "-no-invariants";
        } else if (fdl && strstr(p, "invariant")) {
            invariants = "-invariants";
        }
        const char *known[] = {"",          "+",         "-only",
                               "-or-later", "-or-newer", "-or-any-later-version"};
        bool fine = fdl;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            fine |= strcmp(p, known[k]) == 0;
        if (!fine) return false;
        snprintf(out, 128, "%s-%d.%d%s%s", families[i].id, major, minor, invariants,
                 later(p) ? "-or-later" : "-only");
        return true;
    }
    return false;
}

/* CC-BY-SA-4.0, "cc by 3.0", cc-by-nc-nd; a version that is not said stays unsaid. */
static bool creative(char out[128], const char *name) {
    const char *p = name;
    int major, minor;
    bool nc = false, nd = false, sa = false, by = false;
    if (strncmp(p, "creative-commons-", 17) == 0)
        p += 17;
    else if (strncmp(p, "cc-", 3) == 0)
        p += 3;
    else if (strncmp(p, "ccby", 4) == 0)
        p += 2;
    else
        return false;
    static const struct {
        const char *word;
        int kind;
    } words[] = {{"attribution", 0},
                 {"noncommercial", 1},
                 {"non-commercial", 1},
                 {"noderivatives", 2},
                 {"noderivs", 2},
                 {"sharealike", 3},
                 {"share-alike", 3},
                 {"by", 0},
                 {"nc", 1},
                 {"nd", 2},
                 {"sa", 3}};
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < sizeof words / sizeof *words && !more; i++) {
            size_t n = strlen(words[i].word);
            if (strncmp(p, words[i].word, n) != 0 || isalpha((unsigned char)p[n])) continue;
            by |= words[i].kind == 0;
            nc |= words[i].kind == 1;
            nd |= words[i].kind == 2;
            sa |= words[i].kind == 3;
            p += n;
            if (*p == '-' && isalpha((unsigned char)p[1]) && p[1] != 'v') p++;
            more = true;
        }
    }
    if (!by) return false;
    const char *form = nc   ? nd   ? "CC-BY-NC-ND"
                              : sa ? "CC-BY-NC-SA"
                                   : "CC-BY-NC"
                       : nd ? "CC-BY-ND"
                       : sa ? "CC-BY-SA"
                            : "CC-BY";
    if (*p == '\0') {
        snprintf(out, 128, "LicenseRef-%s", form);
        return true;
    }
    if (!version(&p, &major, &minor)) return false;
    if (*p == '+') p++;
    if (strcmp(p, "-unported") == 0 || strcmp(p, "-international") == 0 ||
        strcmp(p, "-intl") == 0)
        p = "";
    if (*p != '\0' && !(strlen(p) == 3 && *p == '-')) return false; /* "-us", "-de" */
    if (major < 1 || major > 4) return false;
    snprintf(out, 128, "%s-%d.%d%c%c%c", form, major, minor, *p ? '-' : '\0',
             *p ? toupper((unsigned char)p[1]) : 0, *p ? toupper((unsigned char)p[2]) : 0);
    return true;
}

/* "PD-debian", "public-domain-md5", "solar-public-domain": whoever names it so means that. */
static bool is_public(const char *name) {
    static const char *const words[] = {"public-domain", "pd"};
    size_t n = strlen(name);
    if (strchr(name, '/')) return false; /* several names */
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t k = strlen(words[i]);
        if (n <= k + 1) continue;
        if (strncmp(name, words[i], k) == 0 && name[k] == '-') return true;
        if (strcmp(name + n - k, words[i]) == 0 && name[n - k - 1] == '-') return true;
    }
    return false;
}

bool licence_id(char out[128], const char *text, size_t n) {
    char name[128];
    if (!lower(name, text, n) || name[0] == '\0') return false;
    const struct row *row = find_row(name);
    if (row == NULL && is_public(name)) row = find_row("public-domain");
    if (row != NULL) {
        snprintf(out, 128, "%s", row->id);
        return true;
    }
    return gnu(out, name) || creative(out, name);
}

unsigned licence_flags(const char *id, size_t n) {
    char name[128];
    if (n >= sizeof name) return 0;
    memcpy(name, id, n);
    name[n] = '\0';
    const struct row *row = find_row(name);
    if (row != NULL) return row->flags | LICENCE_KNOWN;
    if (strncmp(name, "GPL-", 4) == 0 || strncmp(name, "LGPL-", 5) == 0 ||
        strncmp(name, "AGPL-", 5) == 0)
        return C | LICENCE_KNOWN;
    if (strncmp(name, "GFDL-", 5) ==
        0) /* free only without invariant sections, says Debian */
        return (strstr(name, "-no-invariants") ? LICENCE_DFSG : 0) | LICENCE_SHARE_ALIKE |
               LICENCE_KNOWN;
    const char *by = strstr(name, "CC-BY");
    if (by == NULL || (by != name && by - name != 11)) return 0;
    unsigned flags = LICENCE_KNOWN;
    if (strstr(by, "-NC")) flags |= LICENCE_NO_COMMERCE;
    if (strstr(by, "-ND")) flags |= LICENCE_NO_CHANGE;
    if (strstr(by, "-SA")) flags |= LICENCE_SHARE_ALIKE;
    if (flags == LICENCE_KNOWN) flags |= LICENCE_PERMISSIVE;
    /* Versions before 3.0 are not free for Debian. */
    if (!(flags & (LICENCE_NO_COMMERCE | LICENCE_NO_CHANGE)) &&
        (strstr(by, "-3.0") || strstr(by, "-4.0")))
        flags |= LICENCE_DFSG;
    return flags;
}
