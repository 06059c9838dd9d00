/* tok_queue.c - the pairs of a long word, by rank and place (tok_queue.h). */
#include "text/tokenizer.h"

#include <string.h>

enum { FIRST_RANKS = 256 };

static struct tok_rank *slot_of(const struct tok_queue *q, uint32_t rank) {
    uint32_t at = (uint32_t)(tok_mix(rank) >> 16) & q->mask;
    while (q->ranks[at].word == q->word && q->ranks[at].rank != rank)
        at = (at + 1) & q->mask;
    return &q->ranks[at];
}

/* A table of n slots and a heap that can hold as many ranks as it ever has. */
static glass_status make_room(struct tok_queue *q, uint32_t n) {
    struct tok_queue bigger = {.mask = n - 1,
                               .n_ranks = q->n_ranks,
                               .n_heap = q->n_heap,
                               .word = q->word,
                               .n_steps = q->n_steps};
    TRY(mem_alloc_zero(&bigger.ranks, n, sizeof *bigger.ranks));
    glass_status status = mem_alloc(&bigger.heap, n, sizeof *bigger.heap);
    if (status != GLASS_OK) {
        mem_free(bigger.ranks);
        return status;
    }
    for (uint32_t i = 0; q->ranks != NULL && i <= q->mask; i++)
        if (q->ranks[i].word == q->word) *slot_of(&bigger, q->ranks[i].rank) = q->ranks[i];
    if (q->n_heap > 0) memcpy(bigger.heap, q->heap, q->n_heap * sizeof *q->heap);
    tok_queue_free(q);
    *q = bigger;
    return GLASS_OK;
}

glass_status tok_queue_start(struct tok_queue *q) {
    q->n_ranks = q->n_heap = 0;
    if (q->ranks != NULL && q->word < UINT32_MAX) {
        q->word++;
        return GLASS_OK;
    }
    tok_queue_free(q);
    q->word = 1; /* free slots are of word 0 */
    return make_room(q, FIRST_RANKS);
}

void tok_queue_free(struct tok_queue *q) {
    mem_free(q->ranks);
    mem_free(q->heap);
    *q = (struct tok_queue){.n_steps = q->n_steps};
}

static void heap_push(struct tok_queue *q, uint32_t rank) {
    uint32_t i = q->n_heap++;
    while (i > 0 && q->heap[(i - 1) / 2] > rank) {
        q->n_steps++;
        q->heap[i] = q->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    q->heap[i] = rank;
}

static void heap_pop(struct tok_queue *q) {
    uint32_t rank = q->heap[--q->n_heap], i = 0;
    for (;;) {
        q->n_steps++;
        uint32_t child = 2 * i + 1;
        if (child >= q->n_heap) break;
        if (child + 1 < q->n_heap && q->heap[child + 1] < q->heap[child]) child++;
        if (q->heap[child] >= rank) break;
        q->heap[i] = q->heap[child];
        i = child;
    }
    q->heap[i] = rank;
}

static glass_status rank_of(struct tok_queue *q, struct tok_rank **out, uint32_t rank) {
    *out = slot_of(q, rank);
    if ((*out)->word == q->word) return GLASS_OK;
    if (q->n_ranks > q->mask / 2) {
        TRY(make_room(q, 2 * (q->mask + 1)));
        *out = slot_of(q, rank);
    }
    **out = (struct tok_rank){
        .rank = rank, .word = q->word, .head = TOK_NONE, .tail = TOK_NONE};
    q->n_ranks++;
    return GLASS_OK;
}

glass_status tok_queue_put(struct tok_queue *q, struct tok_symbol *symbols, uint32_t i) {
    struct tok_rank *r;
    q->n_steps++;
    TRY(rank_of(q, &r, symbols[i].rank));
    if (!r->queued) heap_push(q, r->rank);
    r->queued = true;
    symbols[i].before = symbols[i].after = TOK_NONE;
    if (r->head == TOK_NONE) {
        r->head = r->tail = i;
        r->sorted = true;
    } else if (r->sorted && i < r->head) {
        symbols[i].after = r->head;
        symbols[r->head].before = i;
        r->head = i;
    } else {
        if (i < r->tail) r->sorted = false;
        symbols[i].before = r->tail;
        symbols[r->tail].after = i;
        r->tail = i;
    }
    return GLASS_OK;
}

static void unlink_symbol(struct tok_rank *r, struct tok_symbol *symbols, uint32_t i) {
    uint32_t before = symbols[i].before, after = symbols[i].after;
    if (before == TOK_NONE)
        r->head = after;
    else
        symbols[before].after = after;
    if (after == TOK_NONE)
        r->tail = before;
    else
        symbols[after].before = before;
}

void tok_queue_drop(struct tok_queue *q, struct tok_symbol *symbols, uint32_t i) {
    q->n_steps++;
    unlink_symbol(slot_of(q, symbols[i].rank), symbols, i);
}

static uint32_t merge_runs(struct tok_queue *q, struct tok_symbol *symbols, uint32_t a,
                           uint32_t b) {
    uint32_t head = TOK_NONE, *end = &head;
    while (a != TOK_NONE && b != TOK_NONE) {
        q->n_steps++;
        uint32_t *least = a < b ? &a : &b;
        *end = *least;
        end = &symbols[*least].after;
        *least = *end;
    }
    *end = a != TOK_NONE ? a : b;
    return head;
}

/* A merge sort of the ascending runs that are there; runs[k] is made of 2^k of them. */
static void sort_rank(struct tok_queue *q, struct tok_rank *r, struct tok_symbol *symbols) {
    enum { LEVELS = 32 };
    uint32_t runs[LEVELS], rest = r->head;
    for (int k = 0; k < LEVELS; k++) runs[k] = TOK_NONE;
    while (rest != TOK_NONE) {
        uint32_t run = rest, last = rest;
        while (symbols[last].after != TOK_NONE && symbols[last].after > last)
            last = symbols[last].after;
        rest = symbols[last].after;
        symbols[last].after = TOK_NONE;
        int k = 0;
        for (; k < LEVELS - 1 && runs[k] != TOK_NONE; k++) {
            run = merge_runs(q, symbols, runs[k], run);
            runs[k] = TOK_NONE;
        }
        runs[k] = merge_runs(q, symbols, runs[k], run);
    }
    r->head = TOK_NONE;
    for (int k = 0; k < LEVELS; k++) r->head = merge_runs(q, symbols, runs[k], r->head);
    r->tail = TOK_NONE;
    for (uint32_t i = r->head; i != TOK_NONE; i = symbols[i].after) {
        symbols[i].before = r->tail;
        r->tail = i;
        q->n_steps++;
    }
    r->sorted = true;
}

bool tok_queue_take(struct tok_queue *q, struct tok_symbol *symbols, uint32_t *i) {
    while (q->n_heap > 0) {
        struct tok_rank *r = slot_of(q, q->heap[0]);
        q->n_steps++;
        if (r->head == TOK_NONE) {
            r->queued = false;
            heap_pop(q);
            continue;
        }
        if (!r->sorted) sort_rank(q, r, symbols);
        *i = r->head;
        unlink_symbol(r, symbols, *i);
        return true;
    }
    return false;
}
