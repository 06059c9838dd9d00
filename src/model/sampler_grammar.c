/* sampler_grammar.c - the first step: what the grammar does not allow is not chosen. */
#include "base/mem.h"
#include "model/sampler.h"

#include <math.h>
#include <string.h>

glass_status glass_sampler_set_grammar(glass_sampler *s, const glass_grammar *grammar,
                                       unsigned flags) {
    glass_grammar_state_free(s->place);
    s->place = NULL;
    s->grammar = NULL;
    if (grammar == NULL) return GLASS_OK;
    if (glass_grammar_tokenizer(grammar) != s->tokenizer)
        return fail(GLASS_USAGE, "the grammar is for another tokenizer than the sampler's");
    TRY(glass_grammar_state_create(&s->place, grammar, flags));
    s->grammar = grammar;
    s->grammar_flags = flags;
    return GLASS_OK;
}

glass_grammar_state *glass_sampler_grammar(glass_sampler *s) {
    return s->place;
}

static glass_status nothing_left(const struct glass_sampler *s) {
    if (glass_grammar_state_finished(s->place))
        return fail(GLASS_USAGE, "the answer is finished: its grammar allows nothing more, "
                                 "and this vocabulary has no token that ends an answer");
    return fail(GLASS_USAGE, "the vocabulary has no token for what the grammar asks for "
                             "next");
}

glass_status step_grammar(struct glass_sampler *s, const float **logits, int64_t n) {
    const float *from = *logits;
    const uint64_t *bits;
    int64_t n_vocab = glass_tokenizer_n_vocab(s->tokenizer), n_known;
    uint64_t any = 0;
    TRY(glass_grammar_state_mask(s->place, &bits));
    n_known = n < n_vocab ? n : n_vocab;
    for (int64_t i = 0; i < n_known; i += 64) {
        int64_t end = i + 64 < n_known ? i + 64 : n_known;
        uint64_t word = bits[i / 64];
        any |= word;
        if (word == 0)
            for (int64_t k = i; k < end; k++) s->logits[k] = -INFINITY;
        else
            for (int64_t k = i; k < end; k++)
                s->logits[k] = word >> (k - i) & 1 ? from[k] : -INFINITY;
    }
    for (int64_t k = n_known; k < n; k++) s->logits[k] = -INFINITY;
    *logits = s->logits;
    return any != 0 ? GLASS_OK : nothing_left(s);
}

glass_status shadow_grammar(struct glass_sampler *shadow, const struct glass_sampler *s) {
    if (s->place == NULL) {
        glass_grammar_state_free(shadow->place);
        shadow->place = NULL;
        return GLASS_OK;
    }
    if (shadow->place == NULL)
        TRY(glass_grammar_state_create(&shadow->place, s->grammar, s->grammar_flags));
    return glass_grammar_state_copy(shadow->place, s->place);
}
