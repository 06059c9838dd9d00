/* tok_rules.h - reading the parts of a tokenizer.json that say what is done to text: normalizer,
 * pre_tokenizer, post_processor, the flags of model and added_tokens.
 *
 * What is understood: the parts that byte-level BPE and SentencePiece-BPE vocabularies are
 * published with. All else in these places would change ids, so it is an error that names its
 * path in the file. A GGUF file written by Glass keeps the parts under TOK_RULES_KEY, so that
 * it encodes as the tokenizer.json did. */
#ifndef TEXT_TOK_RULES_H
#define TEXT_TOK_RULES_H

#include "text/tokenizer.h"

#include <jansson.h>

#define TOK_RULES_KEY "glass.tokenizer.rules"

/* How a tokenizer.json says that runs of spaces become one, and none is at the ends, as
 * SentencePiece has it: Replace of these expressions, before spaces become U+2581. */
enum { TOK_SQUEEZE_STEPS = 3 };
struct tok_squeeze {
    const char *regex, *content;
};
extern const struct tok_squeeze tok_squeeze_steps[TOK_SQUEEZE_STEPS];

/* Reads rules into source->rules, patterns, bos, eos, add_bos, add_eos, unk and flags; the
 * vocabulary is there already. source->spm is set. */
glass_status tok_rules_read(struct tok_source *source, const json_t *root);
/* source->json_rules: root without all that a GGUF file says elsewhere. */
glass_status tok_rules_keep(struct tok_source *source, const json_t *root);

/* Parses JSON; GLASS_BAD_INPUT with file, line and reason. */
glass_status tok_json_parse(json_t **out, const char *json, size_t n_bytes,
                            const char *name);
/* The string, "" if there is none. */
const char *tok_json_text(const json_t *object, const char *key);
bool tok_json_bool(const json_t *object, const char *key, bool absent);
/* Refuses keys of an object that are not in `known` ("a b c"), unless they are null. */
glass_status tok_json_keys(const char *name, const char *path, const json_t *object,
                           const char *known);
/* The id of a piece, -1 if there is none; looks through all of them. */
int64_t tok_source_find(const struct tok_source *source, const char *text, size_t n);

#endif
