/* tok_to_json.h - a vocabulary as a tokenizer.json and a tokenizer_config.json that the
 * tokenizers and transformers libraries read, and that encode as the source does.
 *
 * What came from a tokenizer.json keeps its rules. A SentencePiece vocabulary with scores gets
 * the merges that those scores mean, in the order in which transformers writes them: every
 * way to make a piece of two. Types that the format does not know become plain tokens; unused
 * ones that only fill gaps ("[PAD<id>]") are left out. */
#ifndef TEXT_TOK_TO_JSON_H
#define TEXT_TOK_TO_JSON_H

#include "text/tokenizer.h"

/* Appends the texts of both files. chat_template may be NULL. GLASS_BAD_INPUT: a token that
 * is not UTF-8, or what a tokenizer.json cannot say (a SentencePiece piece with a
 * character that is no piece). */
glass_status tok_to_json(struct buf *tokenizer, struct buf *config,
                         const struct tok_source *source, const char *chat_template,
                         size_t n_template);

#endif
