/* tree.h - the gradient of a step: those of its micro-batches, added in the tree of arithmetic.md.
 *
 * The micro-batches 0 … n - 1 are the leaves; node (l, i) is the sum of nodes (l - 1, 2i) and
 * (l - 1, 2i + 1), or the first of them alone where the second would begin beyond n. Added in order,
 * they leave one sum for each binary digit of their number: a stack, whose top merges with what is
 * under it as soon as both are children of one node.
 *
 * Processes share the leaves: each has a run of them, whose stack is a few nodes at its end (one,
 * where the run fits the tree). Each process also owns a part of the parameters (optimizer_cut):
 * of that part it receives everybody's nodes and finishes the tree. So it does not matter for a bit
 * who had which leaf. What is sent goes out as the backward pass of a run's last micro-batch
 * leaves a layer, and is added by its owner between two layers. */
#ifndef TRAIN_TREE_H
#define TRAIN_TREE_H

#include "comm/comm.h"
#include "train/params.h"
#include "train/products.h"

enum { TREE_LEVELS = 48 };

struct tree_node {
    int level;
    int64_t index;
    float *sum; /* (n_floats) */
};

struct reduction; /* reduce.c: the processes' side */

struct tree {
    const struct params *params;
    int n_threads;
    int64_t n; /* leaves; INT64_MAX: nobody knows, and the last ones fold at the end */
    int64_t begin, end, next; /* this process's run, and the leaf to come */
    struct tree_node stack[TREE_LEVELS];
    int depth;
    float *kept
        [TREE_LEVELS]; /* kept[d]: memory of stack[d], but where that is the gradients */
    /* While a leaf is computed: what its coming will do to the stack. */
    struct tree_node after;
    int depth_after, n_chain;
    struct {
        float *to; /* to = to + from */
        const float *from;
    } chain[TREE_LEVELS];
    struct reduction *reduction; /* NULL: this process is alone */
};

/* Gradients become final in groups, each a range of the registry's blocks: first 0 (what follows the
 * layers), then the layers from the last to the first, then what is before them. */
int64_t tree_n_groups(const struct params *p);
void tree_group(const struct params *p, int64_t group, int64_t *begin, int64_t *end);

/* The run of a process: [begin, end) of n micro-batches. Runs are multiples of the largest power of
 * two by which the longest is at most a tenth longer than need be. Empty for some where there
 * are more processes than micro-batches. */
void tree_run(int64_t n, int64_t rank, int64_t size, int64_t *begin, int64_t *end);
/* The nodes of [begin, end), in order, as many as fit `nodes` (TREE_LEVELS are enough); most = the
 * largest number of sums that are kept beside the gradients while they are made. */
int tree_nodes(struct tree_node *nodes, int64_t n, int64_t begin, int64_t end, int *most);
/* If left and right are children of one node, that node in left. */
bool tree_merge(struct tree_node *left, const struct tree_node *right, int64_t n);

/* comm NULL: alone, and n may be INT64_MAX. params is borrowed. */
glass_status tree_create(struct tree *t, const struct params *params, int64_t n,
                         int n_threads, glass_processes *comm);
void tree_clear(struct tree *t);
/* Bytes that it takes at most, for the process whose run is the longest. */
size_t tree_bytes(int64_t n_floats, int64_t n, int64_t n_processes);

/* Before the next leaf's gradients are computed into params->gradients. */
glass_status tree_begin(struct tree *t);
/* All members, after a barrier: this group of them is final. */
void tree_ready(struct tree *t, const struct crew *c, int64_t group);
/* All of them were. */
glass_status tree_end(struct tree *t);
/* Ends the step: *sum = the whole gradient, of this process's part at least (which is at its place in
 * the block). The stack is empty then. */
glass_status tree_finish(struct tree *t, const float **sum);
/* Forgets the leaves of a step. Several processes, each of which added its whole run, call it all:
 * what they sent each other is taken in first. */
glass_status tree_drop(struct tree *t);

/* ---- reduce.c ---- */

glass_status reduction_create(struct reduction **out, const struct tree *t,
                              glass_processes *comm);
void reduction_free(struct reduction *r);
size_t reduction_bytes(int64_t n_floats, int64_t n, int64_t n_processes);
/* Begins to receive, as far as there is memory for it. */
glass_status reduction_open(struct reduction *r);
/* All members: sends this group of the stack to come, and adds what has come. */
void reduction_ready(struct reduction *r, const struct tree *t, const struct crew *c,
                     int64_t group);
/* Waits for the rest, and adds it; an error of reduction_ready is told here. */
glass_status reduction_finish(struct reduction *r, const struct tree *t);

#endif
