/* tok_queue.h - which pair of neighbours in a long word merges next: the smallest rank
 * first, the leftmost of equals.
 *
 * One list of symbols for each rank that occurs, linked through the symbols themselves.
 * Merging goes over a word from left to right, rank by rank, so nearly every list grows in
 * order; one that did not is sorted when its turn comes. So a word of a million equal
 * letters costs a few passes over memory, where a heap of all pairs would cost a logarithm
 * of scattered reads each. */
#ifndef TEXT_TOK_QUEUE_H
#define TEXT_TOK_QUEUE_H

#include "base/mem.h"

struct tok_symbol {
    int32_t id;     /* -1: a character without a token */
    uint32_t begin; /* spm: its bytes in the word; it ends where the next begins */
    uint32_t prev, next;
    uint32_t rank;          /* of merging with the next one, TOK_NONE if it cannot */
    int32_t joined;         /* the id that gives */
    uint32_t before, after; /* in its rank's list */
};

/* The symbols of one rank. */
struct tok_rank {
    uint32_t rank, word; /* the slot is taken if it is of the queue's word */
    uint32_t head, tail; /* TOK_NONE when there are none */
    bool sorted;
    bool queued; /* in the heap */
};

struct tok_queue {
    struct tok_rank *ranks; /* open addressing by rank */
    uint32_t n_ranks, mask;
    uint32_t word;  /* counts words, so that starting one clears nothing */
    uint32_t *heap; /* ranks; those whose list is empty are dropped when they come up */
    uint32_t n_heap;
    uint64_t n_steps; /* of lists, heap and sorting, over all words: for tests */
};

/* Empties the queue for another word. */
glass_status tok_queue_start(struct tok_queue *q);
void tok_queue_free(struct tok_queue *q);
/* Puts symbol i, whose rank is not TOK_NONE, in; it is in no list. */
glass_status tok_queue_put(struct tok_queue *q, struct tok_symbol *symbols, uint32_t i);
/* Takes symbol i out of its rank's list. */
void tok_queue_drop(struct tok_queue *q, struct tok_symbol *symbols, uint32_t i);
/* Takes the next symbol out; false when there is none. */
bool tok_queue_take(struct tok_queue *q, struct tok_symbol *symbols, uint32_t *i);

#endif
