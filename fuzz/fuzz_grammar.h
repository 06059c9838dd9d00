/* fuzz_grammar.h - what every grammar must keep to, whatever it was made of. */
#ifndef FUZZ_GRAMMAR_H
#define FUZZ_GRAMMAR_H

#include "fuzz_common.h"

#include "glass/grammar.h"

enum { FUZZ_STEPS = 24, FUZZ_GRAMMAR_MEMORY = 1 << 20 };

static inline const glass_tokenizer *fuzz_grammar_tokenizer(bool spm) {
    static glass_tokenizer *made[2];
    if (made[spm] == NULL) made[spm] = fuzz_tokenizer(spm ? NULL : "gpt-2", true);
    return made[spm];
}

static inline bool fuzz_bit(const uint64_t *bits, int32_t id) {
    return bits[id / 64] >> (id % 64) & 1;
}

/* The text can be read in more ways than are followed: the one refusal on the way. */
static inline bool fuzz_too_many(glass_status status) {
    return status == GLASS_BAD_INPUT && strstr(glass_error(), "too many ways") != NULL;
}

static inline bool fuzz_mask(glass_grammar_state *s, const uint64_t **bits) {
    glass_status status = glass_grammar_state_mask(s, bits);
    MUST(status == GLASS_OK || fuzz_too_many(status));
    return status == GLASS_OK;
}

/* A token is accepted if and only if the mask has its bit; a refused one changes nothing. */
static inline void fuzz_try_token(glass_grammar_state *s, glass_grammar_state *copy,
                                  const glass_tokenizer *t, int32_t id) {
    const uint64_t *bits;
    MUST(glass_grammar_state_mask(s, &bits) == GLASS_OK);
    bool bit = fuzz_bit(bits, id), may_end = glass_grammar_state_may_end(s);
    MUST(glass_grammar_state_copy(copy, s) == GLASS_OK);
    glass_status status = glass_grammar_state_accept(copy, id);
    MUST(status == (bit ? GLASS_OK : GLASS_NEGATIVE) || fuzz_too_many(status));
    if (glass_tokenizer_is_end(t, id)) MUST(bit == may_end);
    if (!bit) MUST(glass_grammar_state_may_end(copy) == may_end);
}

/* Draws tokens by the seed; the text goes to out. True: it is a whole one. */
static inline bool fuzz_walk(const glass_grammar *g, const glass_tokenizer *t,
                             uint64_t seed, struct buf *out) {
    glass_grammar_state *s, *copy;
    int32_t n_vocab = (int32_t)glass_tokenizer_n_vocab(t), ids[FUZZ_PIECES];
    MUST(glass_grammar_state_create(&s, g, GLASS_CONTINUE) == GLASS_OK);
    MUST(glass_grammar_state_create(&copy, g, 0) == GLASS_OK);
    for (int step = 0; step < FUZZ_STEPS && !glass_grammar_state_finished(s); step++) {
        const uint64_t *bits;
        char *text;
        size_t n_bytes;
        int32_t n = 0;
        if (!fuzz_mask(s, &bits)) break;
        for (int k = 0; k < 4; k++) {
            seed = tok_mix(seed + 1);
            fuzz_try_token(s, copy, t, (int32_t)(seed % (uint64_t)n_vocab));
        }
        MUST(glass_grammar_state_mask(s, &bits) == GLASS_OK);
        for (int32_t id = 0; id < n_vocab; id++)
            if (fuzz_bit(bits, id)) ids[n++] = id;
        MUST(n > 0 || glass_grammar_state_may_end(s)); /* every byte is a token here */
        if (n == 0) break;
        int32_t id = ids[seed / 7 % (uint64_t)n];
        glass_status status = glass_grammar_state_accept(s, id);
        MUST(status == GLASS_OK || fuzz_too_many(status));
        if (status != GLASS_OK) break;
        MUST(glass_tokenizer_decode(t, &text, &n_bytes, &id, 1, GLASS_CONTINUE) ==
             GLASS_OK);
        MUST(buf_append(out, text, n_bytes) == GLASS_OK);
        glass_free(text);
    }
    bool whole = glass_grammar_state_may_end(s);
    glass_grammar_state_free(s);
    glass_grammar_state_free(copy);
    return whole;
}

#endif
