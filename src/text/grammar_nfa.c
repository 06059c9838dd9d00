/* grammar_nfa.c - a rule of the tree as a nondeterministic automaton over bytes and calls
 * (Thompson's construction); characters become their bytes in UTF-8. */
#include "base/utf8.h"
#include "text/grammar_parts.h"

#include <stdio.h>

struct builder {
    struct gram_nfa *nfa;
    const struct gram_tree *t;
    const char *what;
    int depth;
};

glass_status gram_too_large(const char *what) {
    return fail(GLASS_BAD_INPUT,
                "%s: too large: it needs too many states; fewer repetitions or simpler "
                "parts would do",
                what);
}

void gram_nfa_clear(struct gram_nfa *nfa) {
    mem_free(nfa->first);
    mem_free(nfa->edges);
    *nfa = (struct gram_nfa){0};
}

static glass_status new_state(struct builder *b, uint32_t *out) {
    struct gram_nfa *nfa = b->nfa;
    if (nfa->n >= GRAM_NFA) return gram_too_large(b->what);
    if (nfa->n == nfa->cap) {
        uint32_t cap = nfa->cap ? 2 * nfa->cap : 256;
        TRY(mem_resize(&nfa->first, cap, sizeof *nfa->first));
        nfa->cap = cap;
    }
    *out = nfa->n;
    nfa->first[nfa->n++] = GRAM_NONE;
    return GLASS_OK;
}

static glass_status edge(struct builder *b, uint32_t from, uint32_t to, int low, int high,
                         uint32_t rule) {
    struct gram_nfa *nfa = b->nfa;
    if (nfa->n_edges >= 2 * GRAM_NFA) return gram_too_large(b->what);
    if (nfa->n_edges == nfa->cap_edges) {
        uint32_t cap = nfa->cap_edges ? 2 * nfa->cap_edges : 256;
        TRY(mem_resize(&nfa->edges, cap, sizeof *nfa->edges));
        nfa->cap_edges = cap;
    }
    nfa->edges[nfa->n_edges] =
        (struct gram_edge){(int16_t)low, (int16_t)high, rule, to, nfa->first[from]};
    nfa->first[from] = nfa->n_edges++;
    return GLASS_OK;
}

static glass_status empty(struct builder *b, uint32_t from, uint32_t to) {
    return edge(b, from, to, NFA_EMPTY, 0, 0);
}

static glass_status bytes(struct builder *b, uint32_t from, uint32_t to, const char *text,
                          size_t n) {
    if (n == 0) return empty(b, from, to);
    for (size_t i = 0; i < n; i++) {
        uint32_t next = to;
        uint8_t byte = (uint8_t)text[i];
        if (i + 1 < n) TRY(new_state(b, &next));
        TRY(edge(b, from, next, byte, byte, 0));
        from = next;
    }
    return GLASS_OK;
}

/* low and high have the same length in UTF-8, and differ in no byte before those that run
 * over their whole range: then it is one range a byte. */
static glass_status even_range(struct builder *b, uint32_t from, uint32_t to, uint32_t low,
                               uint32_t high) {
    char first[4], last[4];
    size_t n = utf8_encode(first, low);
    utf8_encode(last, high);
    for (size_t i = 0; i < n; i++) {
        uint32_t next = to;
        if (i + 1 < n) TRY(new_state(b, &next));
        TRY(edge(b, from, next, (uint8_t)first[i], (uint8_t)last[i], 0));
        from = next;
    }
    return GLASS_OK;
}

static glass_status range(struct builder *b, uint32_t from, uint32_t to, uint32_t low,
                          uint32_t high) {
    static const uint32_t ends[] = {0x7f, 0x7ff, 0xffff};
    if (low > high) return GLASS_OK;
    if (low <= 0xdfff && high >= 0xd800) { /* surrogates are no characters */
        if (low < 0xd800) TRY(range(b, from, to, low, 0xd7ff));
        return range(b, from, to, 0xe000, high);
    }
    for (int i = 0; i < 3; i++)
        if (low <= ends[i] && high > ends[i]) {
            TRY(range(b, from, to, low, ends[i]));
            return range(b, from, to, ends[i] + 1, high);
        }
    /* Cut where the last bytes do not run over their whole range. */
    for (int bits = 6; bits <= 18 && high > 0x7f; bits += 6) {
        uint32_t mask = ((uint32_t)1 << bits) - 1;
        if ((low & ~mask) == (high & ~mask)) break;
        if ((low & mask) != 0) {
            TRY(range(b, from, to, low, low | mask));
            return range(b, from, to, (low | mask) + 1, high);
        }
        if ((high & mask) != mask) {
            TRY(range(b, from, to, low, (high & ~mask) - 1));
            return range(b, from, to, high & ~mask, high);
        }
    }
    return even_range(b, from, to, low, high);
}

/* A character inside a JSON string: as it is where JSON allows that, else in the shortest
 * escape, so that each character is spelled in one way. */
static glass_status escaped(struct builder *b, uint32_t from, uint32_t to, uint32_t c) {
    static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    char text[8] = "\\";
    for (int i = 0; shorts[i] != '\0'; i += 2)
        if ((uint8_t)shorts[i] == c) text[1] = shorts[i + 1];
    if (text[1] != '\0') return bytes(b, from, to, text, 2);
    snprintf(text, sizeof text, "\\u%04x", c & 0xffff);
    return bytes(b, from, to, text, 6);
}

static glass_status string_range(struct builder *b, uint32_t from, uint32_t to,
                                 uint32_t low, uint32_t high) {
    for (; low <= high && low < 0x20; low++) TRY(escaped(b, from, to, low));
    for (int i = 0; i < 2; i++) {
        uint32_t c = i == 0 ? '"' : '\\';
        if (low > c || high < c) continue;
        if (low < c) TRY(range(b, from, to, low, c - 1));
        TRY(escaped(b, from, to, c));
        low = c + 1;
    }
    return range(b, from, to, low, high);
}

static glass_status machine(struct builder *b, uint32_t from, uint32_t to,
                            const struct gram_dfa *d) {
    uint32_t base = b->nfa->n, unused;
    for (uint32_t q = 0; q < d->n; q++) TRY(new_state(b, &unused));
    TRY(empty(b, from, base));
    for (uint32_t q = 0; q < d->n; q++) {
        const uint32_t *next = d->next + (size_t)q * d->n_classes;
        if (d->final[q]) TRY(empty(b, base + q, to));
        for (int low = 0; low < 256;) {
            uint32_t target = next[d->classes[low]];
            int high = low;
            while (high < 255 && next[d->classes[high + 1]] == target) high++;
            if (target != GRAM_NONE) TRY(edge(b, base + q, base + target, low, high, 0));
            low = high + 1;
        }
    }
    return GLASS_OK;
}

static glass_status part(struct builder *b, uint32_t from, uint32_t to, uint32_t node);

static glass_status sequence(struct builder *b, uint32_t from, uint32_t to,
                             const struct gram_node *n) {
    if (n->child == GRAM_NONE) return empty(b, from, to);
    for (uint32_t c = n->child; c != GRAM_NONE; c = b->t->nodes[c].next) {
        uint32_t next = to;
        if (b->t->nodes[c].next != GRAM_NONE) TRY(new_state(b, &next));
        TRY(part(b, from, next, c));
        from = next;
    }
    return GLASS_OK;
}

static glass_status times(struct builder *b, uint32_t from, uint32_t to,
                          const struct gram_node *n) {
    uint32_t next;
    for (uint32_t i = 0; i < n->min; i++) {
        TRY(new_state(b, &next));
        TRY(part(b, from, next, n->child));
        from = next;
    }
    if (n->max == GRAM_NONE) { /* a state of its own, so that loops stay apart */
        TRY(new_state(b, &next));
        TRY(empty(b, from, next));
        TRY(part(b, next, next, n->child));
        return empty(b, next, to);
    }
    for (uint32_t i = n->min; i < n->max; i++) {
        TRY(empty(b, from, to));
        TRY(new_state(b, &next));
        TRY(part(b, from, next, n->child));
        from = next;
    }
    return empty(b, from, to);
}

static glass_status rule(struct builder *b, uint32_t from, uint32_t to, uint32_t id) {
    const struct gram_rule *r = &b->t->rules[id];
    if (!r->some) return GLASS_OK;
    if (r->inlined) return part(b, from, to, r->node);
    if (r->empty) TRY(empty(b, from, to));
    return edge(b, from, to, NFA_CALL, 0, id);
}

static glass_status graph(struct builder *b, uint32_t from, uint32_t to,
                          const struct gram_node *n) {
    uint32_t base = b->nfa->n, unused;
    for (uint32_t i = 0; i < n->min; i++) TRY(new_state(b, &unused));
    TRY(empty(b, from, base));
    for (uint32_t i = n->at; i < n->at + n->n; i++) {
        const struct gram_arrow *a = &b->t->arrows[i];
        TRY(part(b, base + a->from, base + a->to, a->node));
    }
    return empty(b, base + n->min - 1, to);
}

static glass_status part(struct builder *b, uint32_t from, uint32_t to, uint32_t node) {
    const struct gram_node *n = &b->t->nodes[node];
    glass_status status = GLASS_OK;
    if (++b->depth > 20 * GRAM_DEPTH)
        return fail(GLASS_BAD_INPUT, "%s: nested too deeply", b->what);
    switch (n->kind) {
    case GRAM_TEXT: status = bytes(b, from, to, b->t->text.data + n->at, n->n); break;
    case GRAM_CLASS:
    case GRAM_STRING:
        for (uint32_t i = 0; status == GLASS_OK && i < n->n; i++) {
            const struct gram_range *r = &b->t->ranges[n->at + i];
            status = n->kind == GRAM_CLASS ? range(b, from, to, r->low, r->high)
                                           : string_range(b, from, to, r->low, r->high);
        }
        break;
    case GRAM_SEQ: status = sequence(b, from, to, n); break;
    case GRAM_ALT:
        for (uint32_t c = n->child; status == GLASS_OK && c != GRAM_NONE;
             c = b->t->nodes[c].next)
            status = part(b, from, to, c);
        break;
    case GRAM_TIMES: status = times(b, from, to, n); break;
    case GRAM_RULE: status = rule(b, from, to, n->at); break;
    case GRAM_MACHINE: status = machine(b, from, to, b->t->machines[n->at]); break;
    case GRAM_GRAPH: status = graph(b, from, to, n); break;
    }
    b->depth--;
    return status;
}

glass_status gram_nfa_build(struct gram_nfa *nfa, const struct gram_tree *t, uint32_t node,
                            const char *what) {
    struct builder b = {nfa, t, what, 0};
    uint32_t start, end;
    TRY(new_state(&b, &start));
    TRY(new_state(&b, &end));
    return part(&b, start, end, node);
}
