/* grammar_json.h - JSON as trees: what every schema is made of.
 *
 * White space, where it is not switched off, is what llama.cpp's grammars allow: nothing, a
 * space, or one or two newlines with up to 20 spaces and tabs behind them; more would let a
 * model write nothing else for ever. For the same reason numbers have at most 18 digits
 * before the point, 17 behind it and an exponent of two. */
#ifndef TEXT_GRAMMAR_JSON_H
#define TEXT_GRAMMAR_JSON_H

#include "text/grammar_parts.h"

#include <jansson.h>

enum json_rule {
    RULE_SPACE,
    RULE_STRING,
    RULE_NUMBER,
    RULE_INTEGER,
    RULE_VALUE,
    RULE_OBJECT,
    RULE_ARRAY,
    RULE_RULES
};
struct gram_json {
    struct gram_tree *t;
    bool compact;
    uint32_t rules[RULE_RULES]; /* rule + 1, 0: not made yet */
};

/* A call of one of these rules. */
glass_status gram_json_rule(struct gram_json *j, uint32_t *out, enum json_rule which);
/* One character inside a string, in all of JSON's spellings. */
glass_status gram_json_char(struct gram_json *j, uint32_t *out);
/* Adds text, white space, a part of a sequence. */
glass_status gram_put_text(struct gram_tree *t, uint32_t seq, const char *text);
glass_status gram_put_space(struct gram_json *j, uint32_t seq);
glass_status gram_put_rule(struct gram_json *j, uint32_t seq, enum json_rule which);
/* "[" item ("," item)* "]" and the like, with white space between: min to max items. */
glass_status gram_json_list(struct gram_json *j, uint32_t *out, uint32_t item, uint32_t min,
                            uint32_t max);
/* A value, with its members in their order. */
glass_status gram_json_const(struct gram_json *j, uint32_t *out, const json_t *value);
/* A string with its quotes, each character spelled in one way. */
glass_status gram_json_quoted(struct gram_tree *t, uint32_t *out, const char *text,
                              size_t n);

#endif
