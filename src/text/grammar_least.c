/* grammar_least.c - states of an automaton that cannot be told apart.
 *
 * Moore's rounds: states are apart after a round if they were before, or if a symbol leads
 * them to states that were. A round looks only at states before ones whose class has a new
 * name since the round before; the others have moved with their class. */
#include "text/grammar_parts.h"

#include <stdlib.h>

struct rounds {
    const struct gram_dfa *d;
    uint32_t *class, *size; /* (n): a state's class, a class's size */
    uint32_t *seen;         /* (n): how many of a class are looked at in this round */
    uint32_t n_classes;
    uint32_t *before, *first_before; /* states that lead to one */
    uint32_t *todo, n_todo, *moved, n_moved;
    uint8_t *is_todo;
    uint32_t *fresh; /* (n) by place in todo: the class that it gets */
    uint32_t *slots, mask;
};

static uint32_t class_of(const struct rounds *r, uint32_t q) {
    return q == GRAM_NONE ? GRAM_NONE : r->class[q];
}

static uint64_t sign(const struct rounds *r, uint32_t q) {
    const struct gram_dfa *d = r->d;
    const uint32_t *next = d->next + (size_t)q * d->n_classes;
    uint64_t h = r->class[q];
    for (uint32_t c = 0; c < d->n_classes; c++) h = tok_mix(h ^ class_of(r, next[c])) + c;
    for (uint32_t i = d->first_call[q]; i < d->first_call[q + 1]; i++)
        h += tok_mix(tok_mix(d->calls[i].rule) ^ class_of(r, d->calls[i].to));
    return tok_mix(h);
}

static bool same_calls(const struct rounds *r, uint32_t a, uint32_t b) {
    const struct gram_dfa *d = r->d;
    uint32_t n = d->first_call[a + 1] - d->first_call[a];
    if (n != d->first_call[b + 1] - d->first_call[b]) return false;
    for (uint32_t i = d->first_call[a]; i < d->first_call[a + 1]; i++) {
        uint32_t j = d->first_call[b];
        while (j < d->first_call[b + 1] && d->calls[j].rule != d->calls[i].rule) j++;
        if (j == d->first_call[b + 1] ||
            class_of(r, d->calls[i].to) != class_of(r, d->calls[j].to))
            return false;
    }
    return true;
}

static bool same(const struct rounds *r, uint32_t a, uint32_t b) {
    const struct gram_dfa *d = r->d;
    const uint32_t *x = d->next + (size_t)a * d->n_classes,
                   *y = d->next + (size_t)b * d->n_classes;
    if (r->class[a] != r->class[b]) return false;
    for (uint32_t c = 0; c < d->n_classes; c++)
        if (class_of(r, x[c]) != class_of(r, y[c])) return false;
    return same_calls(r, a, b);
}

/* first_before[q] to first_before[q + 1]: who leads to q. */
static glass_status find_before(struct rounds *r) {
    const struct gram_dfa *d = r->d;
    size_t n_next = (size_t)d->n * d->n_classes, n = d->first_call[d->n], at = 0;
    for (size_t i = 0; i < n_next; i++) n += d->next[i] != GRAM_NONE;
    TRY(mem_alloc(&r->before, n, sizeof *r->before));
    TRY(mem_alloc_zero(&r->first_before, (size_t)d->n + 2, sizeof *r->first_before));
    uint32_t *count = r->first_before + 1;
    for (size_t i = 0; i < n_next; i++)
        if (d->next[i] != GRAM_NONE) count[d->next[i]]++;
    for (uint32_t i = 0; i < d->first_call[d->n]; i++) count[d->calls[i].to]++;
    for (uint32_t q = 0; q <= d->n; q++) { /* to where each begins */
        size_t here = r->first_before[q];
        r->first_before[q] = (uint32_t)at;
        at += here;
    }
    memmove(r->first_before, r->first_before + 1, (size_t)d->n * sizeof *r->first_before);
    /* first_before[q] is now where q's begin; filling moves it to where they end. */
    for (uint32_t q = 0; q < d->n; q++) {
        for (uint32_t c = 0; c < d->n_classes; c++) {
            uint32_t to = d->next[(size_t)q * d->n_classes + c];
            if (to != GRAM_NONE) r->before[r->first_before[to]++] = q;
        }
        for (uint32_t i = d->first_call[q]; i < d->first_call[q + 1]; i++)
            r->before[r->first_before[d->calls[i].to]++] = q;
    }
    memmove(r->first_before + 1, r->first_before, (size_t)d->n * sizeof *r->first_before);
    r->first_before[0] = 0;
    return GLASS_OK;
}

/* States of todo of one class and one signature get one place: fresh[i] is the first of
 * them. */
static void group(struct rounds *r) {
    memset(r->slots, 0xff, ((size_t)r->mask + 1) * sizeof *r->slots);
    for (uint32_t i = 0; i < r->n_todo; i++) {
        uint64_t h = sign(r, r->todo[i]);
        while (r->slots[h & r->mask] != GRAM_NONE &&
               !same(r, r->todo[r->slots[h & r->mask]], r->todo[i]))
            h++;
        if (r->slots[h & r->mask] == GRAM_NONE) r->slots[h & r->mask] = i;
        r->fresh[i] = r->slots[h & r->mask];
        r->seen[r->class[r->todo[i]]]++;
    }
}

/* The first group of a class that is looked at whole keeps its name. Others get new ones. */
static void name(struct rounds *r) {
    r->n_moved = 0;
    for (uint32_t i = 0; i < r->n_todo; i++) { /* fresh becomes the class, by its first */
        uint32_t old = r->class[r->todo[i]];
        if (r->fresh[i] != i) continue;
        if (r->seen[old] == r->size[old]) {
            r->seen[old] = GRAM_NONE; /* taken */
            r->fresh[i] = old | 0x80000000u;
        } else {
            r->fresh[i] = r->n_classes++ | 0x80000000u;
            r->size[r->n_classes - 1] = 0;
            r->seen[r->n_classes - 1] = 0;
        }
    }
    for (uint32_t i = 0; i < r->n_todo; i++) {
        uint32_t q = r->todo[i], old = r->class[q], place = r->fresh[i];
        uint32_t new = (place & 0x80000000u ? place : r->fresh[place]) & 0x7fffffffu;
        r->seen[old] = 0;
        if (new == old) continue;
        r->size[old]--;
        r->size[new]++;
        r->moved[r->n_moved++] = q;
        r->slots[r->n_moved - 1] = new; /* the rounds' names stay until all are known */
    }
    for (uint32_t i = 0; i < r->n_moved; i++) r->class[r->moved[i]] = r->slots[i];
}

static void find_todo(struct rounds *r) {
    r->n_todo = 0;
    for (uint32_t i = 0; i < r->n_moved; i++)
        for (uint32_t k = r->first_before[r->moved[i]];
             k < r->first_before[r->moved[i] + 1]; k++) {
            uint32_t q = r->before[k];
            if (r->is_todo[q]) continue;
            r->is_todo[q] = 1;
            r->todo[r->n_todo++] = q;
        }
    for (uint32_t i = 0; i < r->n_todo; i++) r->is_todo[r->todo[i]] = 0;
}

static glass_status alloc_rounds(struct rounds *r) {
    uint32_t n = r->d->n, size = 64;
    while (size < 2 * n) size *= 2;
    r->mask = size - 1;
    TRY(mem_alloc(&r->slots, size, sizeof *r->slots));
    TRY(mem_alloc_zero(&r->size, (size_t)n + 2, sizeof *r->size));
    TRY(mem_alloc_zero(&r->seen, (size_t)n + 2, sizeof *r->seen));
    TRY(mem_alloc(&r->todo, n, sizeof *r->todo));
    TRY(mem_alloc(&r->moved, n, sizeof *r->moved));
    TRY(mem_alloc(&r->fresh, n, sizeof *r->fresh));
    TRY(mem_alloc_zero(&r->is_todo, n, 1));
    return find_before(r);
}

static void run(struct rounds *r, uint32_t rounds) {
    for (uint32_t q = 0; q < r->d->n; q++) {
        r->class[q] = r->d->final[q];
        r->size[r->class[q]]++;
        r->todo[q] = q;
    }
    r->n_classes = 2;
    r->n_todo = r->d->n;
    for (uint32_t i = 0; i < rounds && r->n_todo > 0; i++) {
        group(r);
        name(r);
        find_todo(r);
    }
}

/* Classes by the order of their first states, so that state 0 is of class 0. */
static uint32_t in_order(struct rounds *r) {
    uint32_t n = 0;
    memset(r->slots, 0xff, ((size_t)r->mask + 1) * sizeof *r->slots);
    for (uint32_t q = 0; q < r->d->n; q++) {
        uint32_t *slot = &r->slots[r->class[q]];
        if (*slot == GRAM_NONE) *slot = n++;
        r->class[q] = *slot;
    }
    return n;
}

glass_status gram_dfa_classes(const struct gram_dfa *d, uint32_t rounds, uint32_t *classes,
                              uint32_t *n) {
    struct rounds r = {.d = d, .class = classes};
    glass_status status = alloc_rounds(&r);
    if (status == GLASS_OK) {
        run(&r, rounds);
        *n = in_order(&r);
    }
    mem_free(r.slots);
    mem_free(r.size);
    mem_free(r.seen);
    mem_free(r.todo);
    mem_free(r.moved);
    mem_free(r.fresh);
    mem_free(r.is_todo);
    mem_free(r.before);
    mem_free(r.first_before);
    return status;
}

/* Marks states from which no final one can be reached: edges to them go. */
static glass_status cut_dead(struct gram_dfa *d) {
    struct rounds r = {.d = d};
    uint8_t *alive = NULL;
    uint32_t *stack = NULL, depth = 0;
    glass_status status = find_before(&r);
    if (status == GLASS_OK) status = mem_alloc_zero(&alive, d->n, 1);
    if (status == GLASS_OK) status = mem_alloc(&stack, d->n, sizeof *stack);
    for (uint32_t q = 0; status == GLASS_OK && q < d->n; q++)
        if (d->final[q]) {
            alive[q] = 1;
            stack[depth++] = q;
        }
    while (depth > 0) {
        uint32_t q = stack[--depth];
        for (uint32_t k = r.first_before[q]; k < r.first_before[q + 1]; k++) {
            if (alive[r.before[k]]) continue;
            alive[r.before[k]] = 1;
            stack[depth++] = r.before[k];
        }
    }
    for (size_t i = 0; status == GLASS_OK && i < (size_t)d->n * d->n_classes; i++)
        if (d->next[i] != GRAM_NONE && !alive[d->next[i]]) d->next[i] = GRAM_NONE;
    uint32_t kept = 0;
    for (uint32_t q = 0; status == GLASS_OK && q < d->n; q++) {
        uint32_t begin = d->first_call[q];
        d->first_call[q] = kept;
        for (uint32_t i = begin; i < d->first_call[q + 1]; i++)
            if (alive[d->calls[i].to]) d->calls[kept++] = d->calls[i];
    }
    if (status == GLASS_OK) d->first_call[d->n] = kept;
    mem_free(r.before);
    mem_free(r.first_before);
    mem_free(alive);
    mem_free(stack);
    return status;
}

/* One state a class, of those that the start reaches. */
static glass_status squeeze(struct gram_dfa **out, const struct gram_dfa *d,
                            const uint32_t *classes, uint32_t n_classes) {
    uint32_t *rep = NULL, *number = NULL, n = 1;
    size_t n_calls = 0;
    *out = NULL;
    glass_status status = mem_alloc(&rep, n_classes, sizeof *rep);
    if (status == GLASS_OK) status = mem_alloc(&number, n_classes, sizeof *number);
    if (status == GLASS_OK) {
        memset(number, 0xff, n_classes * sizeof *number);
        rep[0] = 0; /* by number: a state of that class */
        number[classes[0]] = 0;
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t c = 0; c < d->n_classes; c++) {
                uint32_t to = d->next[(size_t)rep[i] * d->n_classes + c];
                if (to == GRAM_NONE || number[classes[to]] != GRAM_NONE) continue;
                number[classes[to]] = n;
                rep[n++] = to;
            }
            for (uint32_t k = d->first_call[rep[i]]; k < d->first_call[rep[i] + 1]; k++) {
                uint32_t to = d->calls[k].to;
                n_calls++;
                if (number[classes[to]] != GRAM_NONE) continue;
                number[classes[to]] = n;
                rep[n++] = to;
            }
        }
        status = gram_dfa_alloc(out, n, d->n_classes, n_calls);
    }
    if (status == GLASS_OK) {
        struct gram_dfa *e = *out;
        memcpy(e->classes, d->classes, sizeof e->classes);
        n_calls = 0;
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t *next = d->next + (size_t)rep[i] * d->n_classes;
            e->final[i] = d->final[rep[i]];
            for (uint32_t c = 0; c < d->n_classes; c++)
                if (next[c] != GRAM_NONE)
                    e->next[(size_t)i * d->n_classes + c] = number[classes[next[c]]];
            e->first_call[i] = (uint32_t)n_calls;
            for (uint32_t k = d->first_call[rep[i]]; k < d->first_call[rep[i] + 1]; k++)
                e->calls[n_calls++] = (struct gram_call_edge){
                    d->calls[k].rule, number[classes[d->calls[k].to]]};
        }
        e->first_call[n] = (uint32_t)n_calls;
    }
    mem_free(rep);
    mem_free(number);
    return status;
}

glass_status gram_dfa_least(struct gram_dfa **dfa) {
    uint32_t *classes, n;
    struct gram_dfa *least = NULL;
    TRY(cut_dead(*dfa));
    TRY(mem_alloc(&classes, (*dfa)->n, sizeof *classes));
    glass_status status = gram_dfa_classes(*dfa, GRAM_NONE, classes, &n);
    if (status == GLASS_OK) status = squeeze(&least, *dfa, classes, n);
    mem_free(classes);
    TRY(status);
    gram_dfa_free(*dfa);
    *dfa = least;
    return GLASS_OK;
}
