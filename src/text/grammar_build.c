/* grammar_build.c - the automata of a tree's rules, put together. */
#include "text/grammar_parts.h"

#include <stdio.h>

struct build {
    glass_grammar *g;
    struct gram_tree *t;
    uint32_t *number; /* (n_rules) place in dfas, GRAM_NONE */
    uint32_t *rules;  /* (n_dfas) */
    uint32_t *base;   /* (n_dfas + 1) first state */
    uint32_t *order;  /* (n_dfas) grows from callers to called, at starts */
    uint8_t *mark;
    uint32_t n_ordered;
};

static size_t dfa_bytes(const struct gram_dfa *d) {
    return sizeof *d + (size_t)d->n * d->n_classes * sizeof *d->next +
           d->n * (1 + sizeof(struct gram_state) + 3 * sizeof(uint32_t)) +
           d->first_call[d->n] *
               (sizeof(struct gram_call_edge) + sizeof(struct gram_call_state));
}

static glass_status need(struct build *b, uint32_t rule) {
    if (b->number[rule] != GRAM_NONE) return GLASS_OK;
    b->number[rule] = b->g->n_rules;
    b->rules[b->g->n_rules++] = rule;
    return GLASS_OK;
}

/* The automata of root and of all that they call. */
static glass_status compile_rules(struct build *b) {
    glass_grammar *g = b->g;
    TRY(need(b, b->t->root));
    for (uint32_t i = 0; i < g->n_rules; i++) {
        const struct gram_rule *r = &b->t->rules[b->rules[i]];
        char what[160];
        snprintf(what, sizeof what, "%.60s: rule %.*s", b->t->name,
                 r->n_name < 80 ? (int)r->n_name : 80, b->t->text.data + r->name);
        TRY(gram_compile(&g->dfas[i], b->t, r->node, what));
        g->n_dfas = i + 1;
        atomic_fetch_add(&g->memory, dfa_bytes(g->dfas[i]));
        if (atomic_load(&g->memory) > g->most_memory)
            return fail(GLASS_BAD_INPUT,
                        "%s: too large: more than %zu bytes of automata; fewer repetitions "
                        "or simpler parts would do",
                        what, g->most_memory);
        const struct gram_dfa *d = g->dfas[i];
        for (uint32_t k = 0; k < d->first_call[d->n]; k++) TRY(need(b, d->calls[k].rule));
    }
    return GLASS_OK;
}

/* Called rules come first in this walk; the order is turned round in the end. */
static glass_status order_from(struct build *b, uint32_t i, int depth) {
    const struct gram_dfa *d = b->g->dfas[i];
    if (b->mark[i] == 2) return GLASS_OK;
    if (b->mark[i] == 1 || depth > 4000)
        return fail(GLASS_BAD_INPUT, "%s: rules begin with one another too deeply",
                    b->t->name);
    b->mark[i] = 1;
    for (uint32_t k = d->first_call[0]; k < d->first_call[1]; k++)
        TRY(order_from(b, b->number[d->calls[k].rule], depth + 1));
    b->mark[i] = 2;
    b->order[i] = b->g->n_dfas - ++b->n_ordered;
    return GLASS_OK;
}

static void fill_state(struct build *b, uint32_t i, uint32_t q) {
    glass_grammar *g = b->g;
    struct gram_dfa *d = g->dfas[i];
    struct gram_state *s = &g->states[b->base[i] + q];
    uint32_t *next = d->next + (size_t)q * d->n_classes;
    bool leads = false;
    for (uint32_t c = 0; c < d->n_classes; c++) {
        if (next[c] == GRAM_NONE) continue;
        next[c] += b->base[i];
        leads = true;
    }
    *s = (struct gram_state){.next = next,
                             .classes = d->classes,
                             .call = g->n_calls,
                             .n_calls = d->first_call[q + 1] - d->first_call[q],
                             .final = d->final[q]};
    s->leaf = s->final && !leads && s->n_calls == 0;
    for (uint32_t k = d->first_call[q]; k < d->first_call[q + 1]; k++) {
        uint32_t called = b->number[d->calls[k].rule];
        g->calls[g->n_calls++] = (struct gram_call_state){b->order[called], b->base[called],
                                                          b->base[i] + d->calls[k].to};
    }
}

/* States that no token can tell apart have one mask: in "at most 500 characters" all but the
 * last ones. */
static glass_status find_alike(struct build *b, uint32_t i) {
    glass_grammar *g = b->g;
    const struct gram_dfa *d = g->dfas[i];
    uint32_t *classes, *first, n = 0;
    for (uint32_t q = 0; q < d->n; q++) g->alike[b->base[i] + q] = b->base[i] + q;
    if (d->n < 64) return GLASS_OK;
    TRY(mem_alloc(&classes, 2 * (size_t)d->n, sizeof *classes));
    first = classes + d->n;
    glass_status status = gram_dfa_classes(d, g->vocab->most_depth, classes, &n);
    if (status == GLASS_OK) memset(first, 0xff, d->n * sizeof *first);
    for (uint32_t q = 0; status == GLASS_OK && q < d->n; q++) {
        if (first[classes[q]] == GRAM_NONE) first[classes[q]] = q;
        g->alike[b->base[i] + q] = b->base[i] + first[classes[q]];
    }
    mem_free(classes);
    return status;
}

static glass_status put_together(struct build *b) {
    glass_grammar *g = b->g;
    uint32_t n_calls = 0;
    for (uint32_t i = 0; i < g->n_dfas; i++) {
        b->base[i] = g->n_states;
        g->n_states += g->dfas[i]->n;
        n_calls += g->dfas[i]->first_call[g->dfas[i]->n];
    }
    TRY(mem_alloc(&g->states, g->n_states, sizeof *g->states));
    TRY(mem_alloc(&g->calls, n_calls, sizeof *g->calls));
    TRY(mem_alloc(&g->alike, g->n_states, sizeof *g->alike));
    TRY(mem_alloc_zero(&g->masks, g->n_states, sizeof *g->masks));
    for (uint32_t i = 0; i < g->n_dfas; i++) TRY(order_from(b, i, 0));
    for (uint32_t i = 0; i < g->n_dfas; i++) {
        TRY(find_alike(b, i)); /* by the rule's own numbers of states */
        for (uint32_t q = 0; q < g->dfas[i]->n; q++) fill_state(b, i, q);
    }
    g->start = b->base[0];
    return GLASS_OK;
}

static glass_status run(struct build *b) {
    size_t n = b->t->n_rules;
    TRY(gram_tree_check(b->t));
    TRY(mem_alloc(&b->number, n, sizeof *b->number));
    memset(b->number, 0xff, n * sizeof *b->number);
    TRY(mem_alloc(&b->rules, n, sizeof *b->rules));
    TRY(mem_alloc(&b->base, n + 1, sizeof *b->base));
    TRY(mem_alloc(&b->order, n, sizeof *b->order));
    TRY(mem_alloc_zero(&b->mark, n, 1));
    TRY(mem_alloc_zero(&b->g->dfas, n, sizeof(struct gram_dfa *)));
    TRY(compile_rules(b));
    return put_together(b);
}

glass_status gram_build(glass_grammar **out, struct gram_tree *t,
                        const glass_tokenizer *tokenizer,
                        const glass_grammar_options *options) {
    struct build b = {.t = t};
    *out = NULL;
    TRY(mem_alloc_zero(&b.g, 1, sizeof *b.g));
    b.g->owners = 1;
    b.g->tokenizer = tokenizer;
    b.g->memory = sizeof *b.g;
    b.g->most_memory =
        options->most_memory > 0 ? options->most_memory : (size_t)GRAM_MEMORY;
    glass_status status = gram_vocab_of(&b.g->vocab, tokenizer);
    if (status == GLASS_OK) status = run(&b);
    mem_free(b.number);
    mem_free(b.rules);
    mem_free(b.base);
    mem_free(b.order);
    mem_free(b.mark);
    if (status != GLASS_OK) {
        glass_grammar_free(b.g);
        return status;
    }
    *out = b.g;
    return GLASS_OK;
}
