/* grammar_dfa.c - deterministic automata: made of nondeterministic ones by sets of states,
 * made least by Moore's rounds (only what a change can reach is looked at again), joined. */
#include "text/grammar_parts.h"

#include <stdlib.h>

enum { SET_ITEMS = 1 << 21 }; /* in all sets of one rule */

void gram_dfa_free(struct gram_dfa *d) {
    if (d == NULL) return;
    mem_free(d->next);
    mem_free(d->final);
    mem_free(d->first_call);
    mem_free(d->calls);
    mem_free(d);
}

glass_status gram_dfa_alloc(struct gram_dfa **out, uint32_t n, uint32_t n_classes,
                            size_t n_calls) {
    struct gram_dfa *d;
    glass_status status;
    *out = NULL;
    TRY(mem_alloc_zero(&d, 1, sizeof *d));
    d->n = n;
    d->n_classes = n_classes;
    TRY_FAIL(mem_alloc(&d->next, (size_t)n * n_classes, sizeof *d->next));
    memset(d->next, 0xff, (size_t)n * n_classes * sizeof *d->next);
    TRY_FAIL(mem_alloc_zero(&d->final, n, 1));
    TRY_FAIL(mem_alloc_zero(&d->first_call, (size_t)n + 1, sizeof *d->first_call));
    TRY_FAIL(mem_alloc_zero(&d->calls, n_calls, sizeof *d->calls));
    *out = d;
    return GLASS_OK;
fail:
    gram_dfa_free(d);
    return status;
}

/* --- sets of states --------------------------------------------------------------------- */

struct maker {
    const struct gram_nfa *nfa;
    const char *what;
    size_t most_memory;
    uint32_t *items; /* of all sets */
    uint32_t *first; /* (n + 1) */
    uint32_t n, cap, n_items, cap_items;
    uint32_t *slots; /* sets by their items */
    uint32_t mask;
    uint32_t *work, *stack; /* (nfa->n) */
    uint32_t *stamp, now;   /* (nfa->n) */
    uint8_t classes[256], reps[256];
    uint32_t n_classes;
    uint32_t *next; /* (cap, n_classes) */
    struct gram_call_edge *calls;
    uint32_t *first_call; /* (cap + 1) */
    uint32_t n_calls, cap_calls;
};

/* Bytes that no edge tells apart are one class. */
static void find_classes(struct maker *m) {
    bool cut[257] = {true};
    for (uint32_t i = 0; i < m->nfa->n_edges; i++) {
        const struct gram_edge *e = &m->nfa->edges[i];
        if (e->low >= 0) cut[e->low] = cut[e->high + 1] = true;
    }
    for (int b = 0; b < 256; b++) {
        if (cut[b]) m->reps[m->n_classes++] = (uint8_t)b;
        m->classes[b] = (uint8_t)(m->n_classes - 1);
    }
}

static bool says_something(const struct gram_nfa *nfa, uint32_t s) {
    if (s == 1) return true; /* the end */
    for (uint32_t e = nfa->first[s]; e != GRAM_NONE; e = nfa->edges[e].next)
        if (nfa->edges[e].low != NFA_EMPTY) return true;
    return false;
}

/* Adds s and what empty edges lead to, to m->work; of the states only those that matter. */
static void close_over(struct maker *m, uint32_t s, uint32_t *n) {
    uint32_t depth = 0;
    if (m->stamp[s] == m->now) return;
    m->stamp[s] = m->now;
    m->stack[depth++] = s;
    while (depth > 0) {
        s = m->stack[--depth];
        if (says_something(m->nfa, s)) m->work[(*n)++] = s;
        for (uint32_t e = m->nfa->first[s]; e != GRAM_NONE; e = m->nfa->edges[e].next) {
            uint32_t to = m->nfa->edges[e].to;
            if (m->nfa->edges[e].low != NFA_EMPTY || m->stamp[to] == m->now) continue;
            m->stamp[to] = m->now;
            m->stack[depth++] = to;
        }
    }
}

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t hash_of(const uint32_t *items, uint32_t n) {
    uint64_t h = n;
    for (uint32_t i = 0; i < n; i++) h = tok_mix(h ^ items[i]) * 3 + i;
    return tok_mix(h);
}

static glass_status grow_slots(struct maker *m) {
    uint32_t size = m->mask ? 2 * (m->mask + 1) : 1024, *slots;
    TRY(mem_alloc(&slots, size, sizeof *slots));
    memset(slots, 0xff, (size_t)size * sizeof *slots);
    mem_free(m->slots);
    m->slots = slots;
    m->mask = size - 1;
    for (uint32_t s = 0; s < m->n; s++) {
        uint32_t n = m->first[s + 1] - m->first[s];
        uint64_t i = hash_of(m->items + m->first[s], n);
        while (slots[i & m->mask] != GRAM_NONE) i++;
        slots[i & m->mask] = s;
    }
    return GLASS_OK;
}

static glass_status room_for_set(struct maker *m, uint32_t n) {
    if (m->n >= GRAM_DFA || m->n_items + n > SET_ITEMS ||
        (size_t)m->n * m->n_classes * sizeof *m->next > m->most_memory)
        return gram_too_large(m->what);
    if (m->n == m->cap) {
        uint32_t cap = m->cap ? 2 * m->cap : 128;
        TRY(mem_resize(&m->first, (size_t)cap + 1, sizeof *m->first));
        TRY(mem_resize(&m->next, (size_t)cap * m->n_classes, sizeof *m->next));
        TRY(mem_resize(&m->first_call, (size_t)cap + 1, sizeof *m->first_call));
        m->cap = cap;
    }
    if (m->n_items + n > m->cap_items) {
        uint32_t cap = 2 * (m->n_items + n) + 1024;
        TRY(mem_resize(&m->items, cap, sizeof *m->items));
        m->cap_items = cap;
    }
    return GLASS_OK;
}

/* The set that is in m->work. */
static glass_status intern(struct maker *m, uint32_t *out, uint32_t n) {
    if (n > 1) qsort(m->work, n, sizeof *m->work, by_number);
    if (2 * m->n >= m->mask) TRY(grow_slots(m));
    uint64_t i = hash_of(m->work, n);
    for (;; i++) {
        uint32_t s = m->slots[i & m->mask];
        if (s == GRAM_NONE) break;
        *out = s;
        if (m->first[s + 1] - m->first[s] == n &&
            memcmp(m->items + m->first[s], m->work, n * sizeof *m->work) == 0)
            return GLASS_OK;
    }
    TRY(room_for_set(m, n));
    memcpy(m->items + m->n_items, m->work, n * sizeof *m->work);
    if (m->n == 0) m->first[0] = 0;
    m->n_items += n;
    m->first[m->n + 1] = m->n_items;
    m->slots[i & m->mask] = m->n;
    *out = m->n++;
    return GLASS_OK;
}

/* Where the set leads by one symbol: a byte, or with byte < 0 a call. */
static glass_status follow(struct maker *m, uint32_t set, int byte, uint32_t rule,
                           uint32_t *out) {
    uint32_t n = 0;
    m->now++;
    for (uint32_t k = m->first[set]; k < m->first[set + 1]; k++)
        for (uint32_t e = m->nfa->first[m->items[k]]; e != GRAM_NONE;
             e = m->nfa->edges[e].next) {
            const struct gram_edge *edge = &m->nfa->edges[e];
            bool fits = byte >= 0
                            ? edge->low >= 0 && edge->low <= byte && edge->high >= byte
                            : edge->low == NFA_CALL && edge->rule == rule;
            if (fits) close_over(m, edge->to, &n);
        }
    *out = GRAM_NONE;
    return n == 0 ? GLASS_OK : intern(m, out, n);
}

static glass_status follow_calls(struct maker *m, uint32_t set) {
    uint32_t begin = m->n_calls;
    m->first_call[set] = begin;
    for (uint32_t k = m->first[set]; k < m->first[set + 1]; k++)
        for (uint32_t e = m->nfa->first[m->items[k]]; e != GRAM_NONE;
             e = m->nfa->edges[e].next) {
            const struct gram_edge *edge = &m->nfa->edges[e];
            uint32_t i = begin;
            if (edge->low != NFA_CALL) continue;
            while (i < m->n_calls && m->calls[i].rule != edge->rule) i++;
            if (i < m->n_calls) continue;
            if (m->n_calls == m->cap_calls) {
                uint32_t cap = m->cap_calls ? 2 * m->cap_calls : 64;
                TRY(mem_resize(&m->calls, cap, sizeof *m->calls));
                m->cap_calls = cap;
            }
            m->calls[m->n_calls++] = (struct gram_call_edge){edge->rule, GRAM_NONE};
        }
    uint32_t kept = begin;
    for (uint32_t i = begin; i < m->n_calls; i++) {
        struct gram_call_edge call = m->calls[i];
        TRY(follow(m, set, -1, call.rule, &call.to));
        if (call.to != GRAM_NONE) m->calls[kept++] = call; /* else nothing can follow it */
    }
    m->n_calls = kept;
    m->first_call[set + 1] = kept;
    return GLASS_OK;
}

static glass_status make_sets(struct maker *m) {
    uint32_t n = 0, start;
    find_classes(m);
    TRY(mem_alloc(&m->work, m->nfa->n, sizeof *m->work));
    TRY(mem_alloc(&m->stack, m->nfa->n, sizeof *m->stack));
    TRY(mem_alloc_zero(&m->stamp, m->nfa->n, sizeof *m->stamp));
    m->now = 1;
    close_over(m, 0, &n);
    TRY(intern(m, &start, n));
    for (uint32_t set = 0; set < m->n; set++) {
        for (uint32_t c = 0; c < m->n_classes; c++) {
            uint32_t to;
            TRY(follow(m, set, m->reps[c], 0, &to));
            m->next[(size_t)set * m->n_classes + c] = to;
        }
        TRY(follow_calls(m, set));
    }
    return GLASS_OK;
}

static glass_status take_sets(struct maker *m, struct gram_dfa **out) {
    TRY(gram_dfa_alloc(out, m->n, m->n_classes, m->n_calls));
    struct gram_dfa *d = *out;
    memcpy(d->classes, m->classes, sizeof d->classes);
    memcpy(d->next, m->next, (size_t)m->n * m->n_classes * sizeof *d->next);
    memcpy(d->first_call, m->first_call, ((size_t)m->n + 1) * sizeof *d->first_call);
    if (m->n_calls > 0) memcpy(d->calls, m->calls, m->n_calls * sizeof *d->calls);
    for (uint32_t s = 0; s < m->n; s++)
        for (uint32_t k = m->first[s]; k < m->first[s + 1]; k++)
            if (m->items[k] == 1) d->final[s] = 1;
    return GLASS_OK;
}

glass_status gram_compile(struct gram_dfa **out, const struct gram_tree *t, uint32_t node,
                          const char *what) {
    struct gram_nfa nfa = {0};
    struct maker m = {.nfa = &nfa,
                      .what = what,
                      .most_memory = t->most_memory > 0 ? t->most_memory : GRAM_MEMORY};
    *out = NULL;
    glass_status status = gram_nfa_build(&nfa, t, node, what);
    if (status == GLASS_OK) status = make_sets(&m);
    if (status == GLASS_OK) status = take_sets(&m, out);
    mem_free(m.items);
    mem_free(m.first);
    mem_free(m.slots);
    mem_free(m.work);
    mem_free(m.stack);
    mem_free(m.stamp);
    mem_free(m.next);
    mem_free(m.calls);
    mem_free(m.first_call);
    gram_nfa_clear(&nfa);
    if (status == GLASS_OK) status = gram_dfa_least(out);
    if (status != GLASS_OK) {
        gram_dfa_free(*out);
        *out = NULL;
    }
    return status;
}

/* --- joining ---------------------------------------------------------------------------- */

struct join {
    const struct gram_dfa *a, *b;
    uint64_t *pairs, *slots; /* slots: pair << 20 | place, by hash */
    uint32_t n, cap, mask;
    uint32_t *next;
    uint8_t a_of[256], b_of[256]; /* classes of a joined class */
    uint8_t classes[256];
    uint32_t n_classes;
    const char *what;
};

static glass_status grow_join(struct join *j) {
    uint32_t cap = j->cap ? 2 * j->cap : 256;
    if (cap > 2 * GRAM_DFA) return gram_too_large(j->what);
    TRY(mem_resize(&j->pairs, cap, sizeof *j->pairs));
    TRY(mem_resize(&j->next, (size_t)cap * j->n_classes, sizeof *j->next));
    mem_free(j->slots);
    j->slots = NULL;
    TRY(mem_alloc(&j->slots, 2 * (size_t)cap, sizeof *j->slots));
    memset(j->slots, 0xff, 2 * (size_t)cap * sizeof *j->slots);
    j->cap = cap;
    j->mask = 2 * cap - 1;
    for (uint32_t k = 0; k < j->n; k++) {
        uint64_t i = tok_mix(j->pairs[k]);
        while (j->slots[i & j->mask] != UINT64_MAX) i++;
        j->slots[i & j->mask] = k;
    }
    return GLASS_OK;
}

static glass_status pair(struct join *j, uint32_t qa, uint32_t qb, uint32_t *out) {
    uint64_t key = (uint64_t)qa << 32 | qb;
    if (j->n == j->cap) TRY(grow_join(j));
    uint64_t i = tok_mix(key);
    for (; j->slots[i & j->mask] != UINT64_MAX; i++) {
        *out = (uint32_t)j->slots[i & j->mask];
        if (j->pairs[*out] == key) return GLASS_OK;
    }
    j->slots[i & j->mask] = j->n;
    j->pairs[j->n] = key;
    *out = j->n++;
    return GLASS_OK;
}

static void join_classes(struct join *j) {
    for (int b = 0; b < 256; b++) {
        uint32_t c = 0;
        while (c < j->n_classes &&
               (j->a_of[c] != j->a->classes[b] || j->b_of[c] != j->b->classes[b]))
            c++;
        if (c == j->n_classes) {
            j->a_of[c] = j->a->classes[b];
            j->b_of[c] = j->b->classes[b];
            j->n_classes++;
        }
        j->classes[b] = (uint8_t)c;
    }
}

/* Where b has no state, GRAM_NONE stands for it. */
static glass_status join_states(struct join *j, enum gram_join how) {
    uint32_t start;
    join_classes(j);
    TRY(pair(j, 0, 0, &start));
    for (uint32_t k = 0; k < j->n; k++) {
        uint32_t qa = (uint32_t)(j->pairs[k] >> 32), qb = (uint32_t)j->pairs[k];
        for (uint32_t c = 0; c < j->n_classes; c++) {
            uint32_t to = GRAM_NONE;
            uint32_t ta = j->a->next[(size_t)qa * j->a->n_classes + j->a_of[c]];
            uint32_t tb = qb == GRAM_NONE
                              ? GRAM_NONE
                              : j->b->next[(size_t)qb * j->b->n_classes + j->b_of[c]];
            if (ta != GRAM_NONE && (tb != GRAM_NONE || how == GRAM_BUT_NOT))
                TRY(pair(j, ta, tb, &to));
            j->next[(size_t)k * j->n_classes + c] = to;
        }
    }
    return GLASS_OK;
}

glass_status gram_dfa_join(struct gram_dfa **out, const struct gram_dfa *a,
                           const struct gram_dfa *b, enum gram_join how, const char *what) {
    struct join j = {.a = a, .b = b, .what = what};
    *out = NULL;
    glass_status status = join_states(&j, how);
    if (status == GLASS_OK) status = gram_dfa_alloc(out, j.n, j.n_classes, 0);
    if (status == GLASS_OK) {
        memcpy((*out)->classes, j.classes, sizeof j.classes);
        memcpy((*out)->next, j.next, (size_t)j.n * j.n_classes * sizeof *j.next);
        for (uint32_t k = 0; k < j.n; k++) {
            uint32_t qb = (uint32_t)j.pairs[k];
            bool in_b = qb != GRAM_NONE && b->final[qb];
            (*out)->final[k] = a->final[j.pairs[k] >> 32] && in_b == (how == GRAM_AND);
        }
        status = gram_dfa_least(out);
    }
    mem_free(j.pairs);
    mem_free(j.slots);
    mem_free(j.next);
    if (status != GLASS_OK) {
        gram_dfa_free(*out);
        *out = NULL;
    }
    return status;
}

bool gram_dfa_has(const struct gram_dfa *d, const char *bytes, size_t n) {
    uint32_t q = 0;
    for (size_t i = 0; i < n && q != GRAM_NONE; i++)
        q = d->next[(size_t)q * d->n_classes + d->classes[(uint8_t)bytes[i]]];
    return q != GRAM_NONE && d->final[q];
}

bool gram_dfa_some(const struct gram_dfa *d) {
    for (uint32_t q = 0; q < d->n; q++)
        if (d->final[q]) return true;
    return false;
}
