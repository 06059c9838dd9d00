/* audit_limits.h - what cards, terms and licence files say beside the words of known licences.
 *
 * Whoever reads has to tell what it means; the audit says where it stands, and answers no plain yes. */
#ifndef OPEN_AUDIT_LIMITS_H
#define OPEN_AUDIT_LIMITS_H

#include "open/audit_parts.h"

/* A file that is looked at. */
struct audit_where {
    glass_audit_part part;
    const char *folder, *shown, *sha256, *text;
    size_t n_bytes;
    int64_t first_claim; /* claims from here on are this file's, or of others */
};

/* Words in a licence's file that belong to none of the licences that were found in it. */
glass_status audit_limits_beside(struct glass_audit *a, const struct audit_where *w);
/* Sentences that limit, but for those within licences that were found. least: which are told. terms: it
 * is a text of terms, so that they leave nothing certain. */
glass_status audit_limits_prose(struct glass_audit *a, const struct audit_where *w,
                                enum limit least, bool terms);
/* What somebody is asked to agree to, at [begin, end). */
glass_status audit_limits_gate(struct glass_audit *a, const struct audit_where *w,
                               size_t begin, size_t end);
/* Something that was not read. */
glass_status audit_limits_unread(struct glass_audit *a, glass_audit_part part,
                                 const char *file, const char *words);
/* What of that is more than a condition, as warnings. */
glass_status audit_limits_tell(struct glass_audit *a);
/* Whether a file's name is one of terms: TERMS.md, EULA.txt, use_restrictions.html. */
bool audit_is_terms(const char *name);

#endif
