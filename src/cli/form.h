/* form.h - what form an answer must have: the options for grammars and JSON schemas. */
#ifndef CLI_FORM_H
#define CLI_FORM_H

#include "cli/opts.h"

struct cli_form {
    const char *grammar, *grammar_text; /* a file; GBNF itself */
    const char *schema;                 /* a file, or JSON itself */
    bool object;
};
// clang-format off
#define FORM_OPTIONS(f)                                                                      \
    {"The answer's form", 0, OPT_HEADING, NULL, NULL, NULL},                                 \
    {"grammar", 0, OPT_TEXT, &(f).grammar, "FILE", "answers are texts of this GBNF grammar"}, \
    {"grammar-text", 0, OPT_TEXT, &(f).grammar_text, "GBNF", "the same, given here"},         \
    {"json-schema", 0, OPT_TEXT, &(f).schema, "FILE|JSON", "answers are JSON that this schema allows"}, \
    {"json-object", 0, OPT_FLAG, &(f).object, NULL, "answers are JSON objects"}
// clang-format on

/* *out is NULL where no form is asked for. */
glass_status cli_form_open(glass_grammar **out, const glass_tokenizer *tokenizer,
                           const struct cli_form *form);

#endif
