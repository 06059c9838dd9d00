/* licence.h - names of licences: from what people write to SPDX expressions, and what is known
 * about each.
 *
 * Names come from SPDX tags (SPDX 2.3, annex D), Debian's copyright files (copyright-format 1.0,
 * "License short name": GPL-2+, Expat, "GPL-2+ or Artistic, and MIT") and from people ("CC BY-SA
 * 4.0"). The result is an SPDX expression with AND, OR, WITH; a name that is not in the table
 * becomes LicenseRef-NAME. What the table says of a licence was written for Glass; it is not
 * legal advice. */
#ifndef DATA_LICENCE_H
#define DATA_LICENCE_H

#include "base/buf.h"

enum licence_flag {
    LICENCE_DFSG = 1,         /* Debian takes it for free */
    LICENCE_OSI = 2,          /* approved as open source */
    LICENCE_PERMISSIVE = 4,   /* nothing asked but notices */
    LICENCE_SHARE_ALIKE = 8,  /* what is made of it stays under it, wholly or in part */
    LICENCE_PUBLIC = 16,      /* nothing asked at all: public domain or as good as */
    LICENCE_NO_COMMERCE = 32, /* not for commerce */
    LICENCE_NO_CHANGE = 64,   /* no changed copies */
    LICENCE_KNOWN = 128       /* the table has it */
};

/* One name, without AND, OR, WITH. */
unsigned licence_flags(const char *id, size_t n_bytes);

/* Appends the expression for what somebody wrote. Nothing is appended for an empty text or
 * "unknown", "NOASSERTION", "NONE". */
glass_status licence_normal(struct buf *out, const char *text, size_t n_bytes);
/* Appends "A AND B", with parentheses where needed; operands that are part of the other side
 * already are left out. Either may be empty. */
glass_status licence_join(struct buf *out, const char *a, const char *b, const char *word);
/* Whether each licence that a names is named by b, or b names a stricter form of it: X11 for
 * MIT, GPL-3.0-only for a GPL without a version. */
bool licence_within(const char *a, const char *b);

/* Which documents may be in: a built-in policy by name, or rules in YAML (data/policy.c). */
struct licence_policy {
    char name[64];
    unsigned want, refuse;  /* flags: one of want (0: none is asked), none of refuse */
    bool unknown;           /* also documents without any statement, and unknown names */
    bool contradictory;     /* also documents whose statements contradict each other */
    struct buf allow, deny; /* patterns of ids, each ended by '\n'; deny is stronger */
    struct buf deny_makers; /* patterns of who made a document */
};

/* "known", "dfsg", "osi", "permissive", "public-domain", "no-share-alike", "commercial", "any",
 * or the path of a YAML file. */
glass_status policy_open(struct licence_policy *out, const char *name);
void policy_clear(struct licence_policy *p);
/* Whether an expression ("" = unknown) is allowed: AND needs both, OR one. reason (may be NULL)
 * names what was refused. */
bool policy_allows(const struct licence_policy *p, const char *expression,
                   bool contradictory, const char *made_by, char reason[128]);

/* Shell patterns of Debian's copyright files: * (any text, '/' too), ?, \ before either. */
bool licence_glob(const char *pattern, size_t n_pattern, const char *text, size_t n_text);

#endif
