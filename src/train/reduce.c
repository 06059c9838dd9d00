/* reduce.c - the tree's upper end: what processes send each other of their sums; see tree.h.
 *
 * A part is cut into chunks, within the groups in which gradients become final. Every process
 * knows everybody's nodes and chunks by arithmetic, so messages are numbers alone, and their
 * order says what they are: of each chunk, each node of the sender, in order. */
#include "train/tree.h"

#include "base/mem.h"
#include "math/kernels.h"
#include "train/optimizer.h"

#include <string.h>

enum {
    SLOTS = 4,             /* chunks that are received at a time */
    CHUNK_MOST = 1 << 18,  /* floats */
    CHUNK_LEAST = 1 << 12, /* smaller messages cost more than they carry */
    BLOCK = 2048 /* floats of a chunk that are added while they are in the cache */
};

/* A node that some process has at the end of its run. */
struct piece {
    int rank;
    int at; /* here: which of the stack; elsewhere: which of the slots */
};

struct chunk {
    int64_t begin, n;
    int64_t group;
};

struct reduction {
    glass_processes *comm;
    int rank, size;
    int64_t chunk; /* most floats of a chunk */
    struct piece *pieces;
    int n_pieces, n_foreign;
    struct {
        int left, right; /* pieces; the sum takes left's place */
    } * merges;          /* (n_pieces - 1) */
    struct chunk
        *chunks; /* of this process's part, in the order in which they become final */
    int64_t n_chunks;
    int64_t n_open, n_come,
        n_added;     /* chunks that are received; that are here; that are added */
    int64_t n_ready; /* groups that are final here */
    float *slots;    /* (SLOTS, n_foreign, chunk) */
    struct comm_request *receiving; /* (SLOTS, n_foreign) */
    struct comm_request *sending;
    int64_t n_sending, most_sending;
    glass_status status; /* of what failed inside a pass */
};

/* ---- the plan ---- */

/* Slots hold a part of a small model, and of a large one what is on its way. */
static int64_t chunk_floats(int64_t n_floats, int64_t n_processes) {
    int64_t n = n_floats / (SLOTS * n_processes) / 16 * 16;
    return n > CHUNK_MOST ? CHUNK_MOST : n < CHUNK_LEAST ? CHUNK_LEAST : n;
}

/* Nodes of all processes, or with pieces NULL their number. */
static int list_pieces(struct piece *pieces, int64_t n, int size) {
    struct tree_node nodes[TREE_LEVELS];
    int n_pieces = 0;
    for (int p = 0; p < size; p++) {
        int64_t begin, end;
        int most;
        tree_run(n, p, size, &begin, &end);
        int n_nodes = tree_nodes(nodes, n, begin, end, &most);
        for (int i = 0; i < n_nodes; i++, n_pieces++)
            if (pieces != NULL) pieces[n_pieces] = (struct piece){p, i};
    }
    return n_pieces;
}

/* The same walk as a stack's, with the pieces for leaves. */
static glass_status plan_merges(struct reduction *r, int64_t n) {
    struct tree_node *stack;
    int *who, depth = 0, n_merges = 0;
    TRY(mem_alloc(&stack, (size_t)r->n_pieces, sizeof *stack));
    glass_status status = mem_alloc(&who, (size_t)r->n_pieces, sizeof *who);
    for (int p = 0, at = 0; status == GLASS_OK && p < r->size; p++) {
        struct tree_node nodes[TREE_LEVELS];
        int64_t begin, end;
        int most;
        tree_run(n, p, r->size, &begin, &end);
        int n_nodes = tree_nodes(nodes, n, begin, end, &most);
        for (int i = 0; i < n_nodes; i++) {
            stack[depth] = nodes[i];
            who[depth++] = at++;
            while (depth > 1 && tree_merge(&stack[depth - 2], &stack[depth - 1], n)) {
                r->merges[n_merges].left = who[depth - 2];
                r->merges[n_merges++].right = who[depth - 1];
                depth--;
            }
        }
    }
    mem_free(stack);
    mem_free(who);
    return status;
}

/* What of a group is in a process's part. */
static void overlap(const struct reduction *r, const struct tree *t, int64_t group,
                    int owner, int64_t *begin, int64_t *end) {
    int64_t from, to;
    optimizer_cut(t->params, owner, r->size, begin, end);
    tree_group(t->params, group, &from, &to);
    if (*begin < from) *begin = from;
    if (*end > to) *end = to;
}

/* The chunks of this process, or with r->chunks NULL their number; and the messages of a step. */
static void plan_chunks(struct reduction *r, const struct tree *t) {
    r->n_chunks = r->most_sending = 0;
    for (int64_t g = 0; g < tree_n_groups(t->params); g++)
        for (int p = 0; p < r->size; p++) {
            int64_t begin, end;
            overlap(r, t, g, p, &begin, &end);
            for (; begin < end; begin += r->chunk) {
                int64_t n = end - begin < r->chunk ? end - begin : r->chunk;
                if (p != r->rank) {
                    r->most_sending += r->n_pieces - r->n_foreign;
                } else {
                    if (r->chunks != NULL)
                        r->chunks[r->n_chunks] = (struct chunk){begin, n, g};
                    r->n_chunks++;
                }
            }
        }
}

size_t reduction_bytes(int64_t n_floats, int64_t n, int64_t n_processes) {
    struct tree_node nodes[TREE_LEVELS];
    int n_pieces = list_pieces(NULL, n, (int)n_processes), fewest = n_pieces, most;
    for (int64_t i = 0; i < n_processes; i++) { /* a process's own need no slot */
        int64_t begin, end;
        tree_run(n, i, n_processes, &begin, &end);
        int own = tree_nodes(nodes, n, begin, end, &most);
        if (own < fewest) fewest = own;
    }
    return (size_t)SLOTS * (size_t)(n_pieces - fewest) *
           (size_t)chunk_floats(n_floats, n_processes) * sizeof(float);
}

glass_status reduction_create(struct reduction **out, const struct tree *t,
                              glass_processes *comm) {
    glass_status status;
    struct reduction *r;
    *out = NULL;
    TRY(mem_alloc_zero(&r, 1, sizeof *r));
    r->comm = comm;
    r->rank = glass_processes_rank(comm);
    r->size = glass_processes_size(comm);
    r->chunk = chunk_floats(t->params->n_floats, r->size);
    r->n_pieces = list_pieces(NULL, t->n, r->size);
    TRY_FAIL(mem_alloc(&r->pieces, (size_t)r->n_pieces, sizeof *r->pieces));
    TRY_FAIL(mem_alloc(&r->merges, (size_t)r->n_pieces, sizeof *r->merges));
    list_pieces(r->pieces, t->n, r->size);
    for (int i = 0; i < r->n_pieces; i++)
        if (r->pieces[i].rank != r->rank) r->pieces[i].at = r->n_foreign++;
    TRY_FAIL(plan_merges(r, t->n));
    plan_chunks(r, t);
    TRY_FAIL(mem_alloc(&r->chunks, (size_t)r->n_chunks, sizeof *r->chunks));
    plan_chunks(r, t);
    size_t n_receiving = SLOTS * (size_t)r->n_foreign;
    TRY_FAIL(mem_alloc_zero(&r->receiving, n_receiving, sizeof *r->receiving));
    TRY_FAIL(mem_alloc_zero(&r->sending, (size_t)r->most_sending, sizeof *r->sending));
    TRY_FAIL(
        mem_alloc_aligned(&r->slots, n_receiving, (size_t)r->chunk * sizeof *r->slots));
    *out = r;
    return GLASS_OK;
fail:
    reduction_free(r);
    return status;
}

void reduction_free(struct reduction *r) {
    if (r == NULL) return;
    mem_free(r->pieces);
    mem_free(r->merges);
    mem_free(r->chunks);
    mem_free(r->receiving);
    mem_free(r->sending);
    mem_free(r->slots);
    mem_free(r);
}

/* ---- messages ---- */

static float *slot(const struct reduction *r, int64_t chunk, int foreign) {
    return r->slots + (chunk % SLOTS * r->n_foreign + foreign) * r->chunk;
}

static struct comm_request *requests(const struct reduction *r, int64_t chunk) {
    return r->receiving + chunk % SLOTS * r->n_foreign;
}

glass_status reduction_open(struct reduction *r) {
    for (; r->n_open < r->n_chunks && r->n_open < r->n_added + SLOTS; r->n_open++)
        for (int i = 0; i < r->n_pieces; i++) {
            const struct piece *p = &r->pieces[i];
            if (p->rank == r->rank) continue;
            TRY(comm_receive(r->comm, requests(r, r->n_open) + p->at, p->rank,
                             COMM_GRADIENT, slot(r, r->n_open, p->at),
                             (size_t)r->chunks[r->n_open].n * sizeof(float)));
        }
    return GLASS_OK;
}

/* A node of the stack as it will be after the leaf of now. */
static float *sum_after(const struct tree *t, int at) {
    return at + 1 == t->depth_after ? t->after.sum : t->stack[at].sum;
}

static glass_status send_group(struct reduction *r, const struct tree *t, int64_t group) {
    for (int i = 1; i < r->size; i++) { /* not everybody to rank 0 first */
        int64_t begin, end;
        int owner = (r->rank + i) % r->size;
        overlap(r, t, group, owner, &begin, &end);
        for (; begin < end; begin += r->chunk) {
            size_t n = (size_t)(end - begin < r->chunk ? end - begin : r->chunk);
            for (int k = 0; k < t->depth_after; k++)
                TRY(comm_send(r->comm, &r->sending[r->n_sending++], owner, COMM_GRADIENT,
                              sum_after(t, k) + begin, n * sizeof(float)));
        }
    }
    return GLASS_OK;
}

/* How many chunks are here, and final here; in order. */
static glass_status take_in(struct reduction *r) {
    for (r->n_come = r->n_added; r->n_come < r->n_open; r->n_come++) {
        if (r->chunks[r->n_come].group >= r->n_ready) break;
        for (int i = 0; i < r->n_foreign; i++) {
            struct comm_request *q = requests(r, r->n_come) + i;
            TRY(comm_test(r->comm, q));
            if (q->open) return GLASS_OK;
        }
    }
    return GLASS_OK;
}

/* ---- adding ---- */

static float *piece_of(const struct reduction *r, const struct tree *t, int64_t chunk,
                       int piece) {
    const struct piece *p = &r->pieces[piece];
    if (p->rank != r->rank) return slot(r, chunk, p->at);
    return sum_after(t, p->at) + r->chunks[chunk].begin;
}

/* This member's share of a chunk; the result goes to its place in the gradients. */
static void add_chunk(const struct reduction *r, const struct tree *t,
                      const struct member *me, int64_t chunk) {
    const struct math_kernels *m = math_kernels();
    float *result = t->params->gradients + r->chunks[chunk].begin;
    int64_t begin, end;
    team_share(me, r->chunks[chunk].n, 16, &begin, &end);
    if (r->n_pieces == 1 && r->n_foreign == 1 && begin < end)
        memcpy(result + begin, piece_of(r, t, chunk, 0) + begin,
               (size_t)(end - begin) * sizeof *result);
    for (int64_t at = begin; at < end; at += BLOCK) {
        int64_t n = end - at < BLOCK ? end - at : BLOCK;
        for (int i = 0; i + 1 < r->n_pieces; i++) {
            float *left = piece_of(r, t, chunk, r->merges[i].left) + at;
            const float *right = piece_of(r, t, chunk, r->merges[i].right) + at;
            m->add_f32(i + 2 < r->n_pieces ? left : result + at, left, right, n);
        }
    }
}

struct adding {
    const struct reduction *r;
    const struct tree *t;
};

static void run_add(void *context, const struct member *me) {
    const struct adding *a = context;
    for (int64_t i = a->r->n_added; i < a->r->n_come; i++) add_chunk(a->r, a->t, me, i);
}

/* ---- the two moments ---- */

static glass_status exchange(struct reduction *r, const struct tree *t, int64_t group) {
    TRY(send_group(r, t, group));
    r->n_ready = group + 1;
    TRY(reduction_open(r));
    return take_in(r);
}

void reduction_ready(struct reduction *r, const struct tree *t, const struct crew *c,
                     int64_t group) {
    const struct adding a = {r, t};
    team_barrier(c->me);
    if (c->me->i == 0 && r->status == GLASS_OK) {
        r->status = exchange(r, t, group);
        if (r->status != GLASS_OK) r->n_come = r->n_added;
    }
    team_barrier(c->me);
    run_add((void *)(uintptr_t)&a, c->me);
    team_barrier(c->me);
    if (c->me->i == 0) r->n_added = r->n_come;
}

glass_status reduction_finish(struct reduction *r, const struct tree *t) {
    struct adding a = {r, t};
    TRY(r->status);
    r->n_ready = tree_n_groups(t->params);
    while (r->n_added < r->n_chunks) {
        TRY(reduction_open(r));
        for (int i = 0; i < r->n_foreign; i++)
            TRY(comm_wait(r->comm, requests(r, r->n_added) + i));
        TRY(take_in(r));
        team_run(t->n_threads, run_add, &a);
        r->n_added = r->n_come;
    }
    for (int64_t i = 0; i < r->n_sending; i++) TRY(comm_wait(r->comm, &r->sending[i]));
    r->n_open = r->n_come = r->n_added = r->n_ready = r->n_sending = 0;
    return GLASS_OK;
}
