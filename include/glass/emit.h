/* emit.h - what an audit found, in standard forms.
 *
 * Every fact comes with how sure it is, where the form has room for that. What is not known is left
 * out, or called so in the form's own way; no clock is read. The same files give the same bytes.
 * docs/evidence.md has what each form holds. */
#ifndef GLASS_EMIT_H
#define GLASS_EMIT_H

#include "glass/audit.h"
GLASS_BEGIN

typedef enum glass_emit_form {
    GLASS_EMIT_SPDX,      /* SPDX 3.0.1, JSON-LD; profiles AI, Dataset */
    GLASS_EMIT_CYCLONEDX, /* CycloneDX 1.6, JSON */
    GLASS_EMIT_CROISSANT, /* Croissant 1.1, JSON-LD: of a corpus */
    GLASS_EMIT_MOF,       /* a record of the Model Openness Tool, YAML */
    GLASS_EMIT_SLSA,      /* in-toto statement v1, SLSA provenance v1: of a Glass run */
    GLASS_EMIT_CARD,      /* a model card: Markdown behind YAML */
    GLASS_EMIT_DATASHEET, /* Gebru et al. 2018, Markdown */
    GLASS_EMIT_FORMS
} glass_emit_form;

typedef struct glass_emit_options {
    const char *name; /* NULL: that of the folder or file */
    const char *date; /* "2026-01-31" or "2026-01-31T12:00:00Z"; NULL: none is told */
} glass_emit_options;

/* "spdx" and so on; NULL behind the last. */
GLASS_API const char *glass_emit_name(int form);

/* *text (glass_free) in one form, with a line feed at its end. Every file at hand is hashed. options
 * may be NULL. GLASS_USAGE: no such date; an audit of a licence alone; a form of something else than
 * what was audited. GLASS_NEGATIVE: SLSA, and the run does not agree with its own record. */
GLASS_API glass_status glass_emit(char **text, size_t *n_bytes, glass_audit *audit,
                                  glass_emit_form form, const glass_emit_options *options);

GLASS_END
#endif
