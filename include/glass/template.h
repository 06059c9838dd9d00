/* template.h - chat templates: the Jinja subset that published models use.
 *
 * A template sees the variables it is given and nothing else: no files, no environment, no
 * code. Steps, depth and output are bounded. A compiled template is immutable and may be
 * rendered by several threads at once. */
#ifndef GLASS_TEMPLATE_H
#define GLASS_TEMPLATE_H

#include "glass/tokenizer.h"
GLASS_BEGIN

typedef struct glass_template glass_template;

/* Compiles source[0..n_bytes). A syntax error is GLASS_BAD_INPUT and names the line. */
GLASS_API glass_status glass_template_compile(glass_template **out, const char *source,
                                              size_t n_bytes);
GLASS_API void glass_template_free(glass_template *tmpl);

/* A rendered text, and the byte ranges in it that came out of variables rather than out of
 * the template itself: feed them to glass_tokenizer_encode_spans so that what a person typed
 * never becomes a control token. Variables named bos_token, eos_token, … (ending in
 * "_token") count as the template's own, and so does a message's "role" if it is one of the
 * usual ones (system, user, assistant, tool, …): some templates make control tokens of it.
 * Bytes belong to whoever wrote them through joining, cutting, changing case and replacing;
 * the punctuation of JSON belongs to whoever made the list or dict; in doubt it is plain.
 * Spans are ascending, not empty, and do not touch. */
typedef struct glass_rendered {
    char *text; /* NUL-terminated after n_bytes */
    size_t n_bytes;
    glass_span *plain;
    int64_t n_plain;
} glass_rendered;

/* Renders with the variables of a JSON object, for example
 *   {"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true}
 * raise_exception() in a template, an undefined operation, or a limit is GLASS_BAD_INPUT
 * with the template's line. now_s is the clock that strftime_now sees (seconds since 1970,
 * UTC); a negative value makes strftime_now an error, so that results never depend on when
 * they were made unless the caller says so. */
GLASS_API glass_status glass_template_render(const glass_template *tmpl,
                                             glass_rendered *out,
                                             const char *variables_json, size_t n_json,
                                             int64_t now_s);
/* Frees what render filled in and clears it. */
GLASS_API void glass_rendered_clear(glass_rendered *rendered);

GLASS_END
#endif
