/* grammar.h - answers of a given form: which tokens may come next.
 *
 * A glass_grammar is compiled from a GBNF text (what llama.cpp reads), a JSON schema, or a list
 * of choices, for one tokenizer. It is immutable: any number of threads may share it. What it
 * needs to answer quickly is computed when it is first asked for and kept.
 *
 * A glass_grammar_state is a place in one answer; it has one owner and can be copied. Its mask
 * is exact: a token is allowed if and only if the answer's bytes so far with the token's bytes
 * behind them begin some text of the grammar, whatever characters the token cuts in two. Tokens
 * that end an answer are allowed exactly where a text of the grammar may end. Other control
 * tokens, and tokens without bytes, never are. Whatever was allowed can be finished, as far as
 * the vocabulary has tokens for the bytes.
 *
 * Samplers take a grammar by glass_sampler_set_grammar (sampler.h). docs/grammars.md says what
 * is understood. Everything is bounded: a grammar that needs too many states is refused. */
#ifndef GLASS_GRAMMAR_H
#define GLASS_GRAMMAR_H

#include "glass/tokenizer.h"
GLASS_BEGIN

typedef struct glass_grammar glass_grammar;
typedef struct glass_grammar_state glass_grammar_state;

/* A JSON schema that a GBNF text may name as a rule. */
typedef struct glass_grammar_schema {
    const char *rule; /* "args": the text says args, and does not define it */
    const char *json;
    size_t n_bytes;
} glass_grammar_schema;

/* Zero means the default; NULL means all zero. */
typedef struct glass_grammar_options {
    const char *name;   /* what messages call the text; default "grammar" or "schema" */
    bool compact;       /* JSON without white space between its parts */
    size_t most_memory; /* bytes that the grammar and what it keeps may take; 64 MiB */
    const glass_grammar_schema *schemas; /* for glass_grammar_from_gbnf */
    int64_t n_schemas;
} glass_grammar_options;

/* From GBNF: the rule "root" is the whole answer. GLASS_BAD_INPUT names line and column; a rule
 * that begins with itself (left recursion) is refused, and so is a grammar without texts or
 * with too many states. The tokenizer must outlive the grammar. */
GLASS_API glass_status glass_grammar_from_gbnf(glass_grammar **out,
                                               const glass_tokenizer *tokenizer,
                                               const char *text, size_t n_bytes,
                                               const glass_grammar_options *options);
/* From a JSON schema (an object or a boolean): every text of the grammar is JSON that the
 * schema allows. GLASS_BAD_INPUT names what is not understood by its path, as in
 * "#/properties/a/pattern: …"; nothing but annotations is passed over. */
GLASS_API glass_status glass_grammar_from_schema(glass_grammar **out,
                                                 const glass_tokenizer *tokenizer,
                                                 const char *json, size_t n_bytes,
                                                 const glass_grammar_options *options);
/* Any JSON object. */
GLASS_API glass_status glass_grammar_from_json_object(glass_grammar **out,
                                                      const glass_tokenizer *tokenizer,
                                                      const glass_grammar_options *options);
/* One of these texts, which are not empty. */
GLASS_API glass_status glass_grammar_from_choices(glass_grammar **out,
                                                  const glass_tokenizer *tokenizer,
                                                  const char *const *texts, int64_t n_texts,
                                                  const glass_grammar_options *options);
/* Its states, and so the samplers that draw by it, may be used on: the last of them frees it. */
GLASS_API void glass_grammar_free(glass_grammar *grammar);
GLASS_API const glass_tokenizer *glass_grammar_tokenizer(const glass_grammar *grammar);
/* Bytes taken now, masks that were kept included. */
GLASS_API size_t glass_grammar_memory(const glass_grammar *grammar);

/* At the beginning of an answer. flags: GLASS_CONTINUE as for glass_token_stream_create, so
 * that the first token's space counts as it will be shown. */
GLASS_API glass_status glass_grammar_state_create(glass_grammar_state **out,
                                                  const glass_grammar *grammar,
                                                  unsigned flags);
GLASS_API void glass_grammar_state_free(glass_grammar_state *state);
/* *to becomes what from is; they may be of different grammars before. On failure to is at its
 * beginning. */
GLASS_API glass_status glass_grammar_state_copy(glass_grammar_state *to,
                                                const glass_grammar_state *from);
/* Back to the beginning. */
GLASS_API void glass_grammar_state_reset(glass_grammar_state *state);

/* *bits: token id is allowed if bit id % 64 of bits[id / 64] is set; 64-bit words up to the
 * vocabulary's size, zeros behind it. Borrowed until the state is changed, asked again or
 * freed. GLASS_BAD_INPUT: the text can be read in too many ways here to follow them all. */
GLASS_API glass_status glass_grammar_state_mask(glass_grammar_state *state,
                                                const uint64_t **bits);
/* Goes on by a token. GLASS_NEGATIVE if it is not allowed: the state is unchanged then. */
GLASS_API glass_status glass_grammar_state_accept(glass_grammar_state *state, int32_t id);
/* The same by bytes, however tokens would cut them: text that was given, not drawn. */
GLASS_API glass_status glass_grammar_state_accept_bytes(glass_grammar_state *state,
                                                        const char *bytes, size_t n_bytes);
/* Whether the text so far is a whole text of the grammar. */
GLASS_API bool glass_grammar_state_may_end(const glass_grammar_state *state);
/* Whether nothing more may follow: it is whole and no byte can come, or a token that ends
 * answers was accepted. */
GLASS_API bool glass_grammar_state_finished(const glass_grammar_state *state);

GLASS_END
#endif
