/* tok_to_gguf.h - a vocabulary as the keys tokenizer.ggml.* of a GGUF file.
 *
 * The keys are those that llama.cpp's converter writes: tokens, types, scores of SentencePiece
 * vocabularies, merges, the ids of BOS, EOS, UNK and PAD, and the name of the pre-tokenizer,
 * which stands for exactly the patterns that the source has. What they cannot say (NFC, white
 * space beside added tokens, where a space is put in front) is kept beside them for Glass
 * (TOK_RULES_KEY), with the merges of SentencePiece vocabularies that have them. Templates and
 * what ends an answer besides EOS are the caller's. */
#ifndef TEXT_TOK_TO_GGUF_H
#define TEXT_TOK_TO_GGUF_H

#include "format/gguf_write.h"
#include "text/tokenizer.h"

struct tok_to_gguf_options {
    /* Rows of the embedding: ids above the vocabulary's become unused tokens "[PAD<id>]".
     * 0 = as many as there are tokens. */
    int64_t n_vocab;
    /* Leave tokenizer.ggml.pre out when no name stands for the patterns, which then only
     * Glass can read; else that is an error. */
    bool any_pre;
};

/* GLASS_BAD_INPUT: no name for the patterns, a space put in front of byte-level text, more tokens than n_vocab, a merge of pieces with
 * spaces (the format cannot say it), or a vocabulary that tok_build would refuse. */
glass_status tok_to_gguf(struct gguf_writer *w, const struct tok_source *source,
                         const struct tok_to_gguf_options *options);

/* The value of tokenizer.ggml.pre that stands for the source's patterns, NULL if none does;
 * "default" for SentencePiece. */
const char *tok_to_gguf_pre(const struct tok_source *source);

/* Scores that make SentencePiece merge in the order of the source's merges: scores[id], fewer
 * by one with each piece, 0 for tokens that do not merge. */
glass_status tok_to_gguf_scores(float *scores, const struct tok_source *source);

#endif
