/* tree.c - see tree.h; reduce.c has what processes do together. */
#include "train/tree.h"

#include "base/mem.h"
#include "math/kernels.h"

#include <stdio.h>
#include <string.h>

/* ---- nodes ---- */

/* A node without a sibling passes up. */
static void promote(struct tree_node *x, int64_t n) {
    while (x->index > 0 && x->index % 2 == 0 && (x->index + 1) << x->level >= n) {
        x->index /= 2;
        x->level++;
    }
}

bool tree_merge(struct tree_node *left, const struct tree_node *right, int64_t n) {
    if (left->level != right->level || left->index % 2 != 0 ||
        left->index + 1 != right->index)
        return false;
    left->index /= 2;
    left->level++;
    promote(left, n);
    return true;
}

void tree_run(int64_t n, int64_t rank, int64_t size, int64_t *begin, int64_t *end) {
    int64_t least = (n + size - 1) / size, block = 1;
    for (int64_t b = 2; b < 2 * n; b *= 2) {
        int64_t n_blocks = (n + b - 1) / b, longest = (n_blocks + size - 1) / size * b;
        if (longest > n) longest = n;
        if (10 * longest <= 11 * least) block = b;
    }
    int64_t n_blocks = (n + block - 1) / block;
    *begin = n_blocks * rank / size * block;
    *end = n_blocks * (rank + 1) / size * block;
    if (*begin > n) *begin = n;
    if (*end > n) *end = n;
}

int tree_nodes(struct tree_node *nodes, int64_t n, int64_t begin, int64_t end, int *most) {
    int depth = 0;
    *most = 0;
    for (int64_t i = begin; i < end; i++) {
        struct tree_node x = {.index = i};
        if (depth > *most) *most = depth;
        promote(&x, n);
        nodes[depth++] = x;
        while (depth > 1 && tree_merge(&nodes[depth - 2], &nodes[depth - 1], n)) depth--;
    }
    return depth;
}

/* ---- groups ---- */

/* Place of the first float of layer i, or of what follows the layers. */
static int64_t layer_place(const struct params *p, int64_t i) {
    char name[32];
    snprintf(name, sizeof name, "blk.%lld.", (long long)i);
    for (int64_t e = 0; e < p->n_list; e++)
        if (strncmp(p->list[e].name, name, strlen(name)) == 0)
            return p->list[e].w - p->values;
    const struct param *last = NULL;
    for (int64_t e = 0; e < p->n_list; e++)
        if (strncmp(p->list[e].name, "blk.", 4) == 0) last = &p->list[e];
    return last == NULL ? 0 : last->w - p->values + (last->n * last->k + 15) / 16 * 16;
}

int64_t tree_n_groups(const struct params *p) {
    return p->config->n_layer + 2;
}

void tree_group(const struct params *p, int64_t group, int64_t *begin, int64_t *end) {
    int64_t n = p->config->n_layer;
    *begin = group == n + 1 ? 0 : layer_place(p, n - group);
    *end = group == 0 ? p->n_floats : layer_place(p, n - group + 1);
}

/* ---- the stack ---- */

glass_status tree_create(struct tree *t, const struct params *params, int64_t n,
                         int n_threads, glass_processes *comm) {
    *t = (struct tree){.params = params, .n_threads = n_threads, .n = n, .end = n};
    if (comm == NULL) return GLASS_OK;
    tree_run(n, glass_processes_rank(comm), glass_processes_size(comm), &t->begin, &t->end);
    t->next = t->begin;
    return reduction_create(&t->reduction, t, comm);
}

void tree_clear(struct tree *t) {
    for (int i = 0; i < TREE_LEVELS; i++) mem_free(t->kept[i]);
    reduction_free(t->reduction);
    *t = (struct tree){0};
}

size_t tree_bytes(int64_t n_floats, int64_t n, int64_t n_processes) {
    struct tree_node nodes[TREE_LEVELS];
    int64_t begin, end;
    int most = 0;
    for (int64_t i = 0; i < n_processes; i++) {
        int kept;
        tree_run(n, i, n_processes, &begin, &end);
        tree_nodes(nodes, n, begin, end, &kept);
        if (kept > most) most = kept;
    }
    return (size_t)most * (size_t)n_floats * sizeof(float) +
           (n_processes > 1 ? reduction_bytes(n_floats, n, n_processes) : 0);
}

static glass_status keep(struct tree *t, int depth) {
    if (t->kept[depth] != NULL) return GLASS_OK;
    return mem_alloc_aligned(&t->kept[depth], (size_t)t->params->n_floats, sizeof(float));
}

glass_status tree_begin(struct tree *t) {
    float *gradients = t->params->gradients;
    struct tree_node *top = t->depth > 0 ? &t->stack[t->depth - 1] : NULL;
    if (top != NULL && top->sum == gradients) {
        TRY(keep(t, t->depth - 1));
        top->sum = t->kept[t->depth - 1];
        memcpy(top->sum, gradients, (size_t)t->params->n_floats * sizeof(float));
    }
    if (t->reduction != NULL && t->next + 1 == t->end) TRY(reduction_open(t->reduction));
    struct tree_node x = {.index = t->next, .sum = gradients};
    int d = t->depth;
    promote(&x, t->n);
    t->n_chain = 0;
    for (; d > 0; d--) {
        struct tree_node left = t->stack[d - 1];
        if (!tree_merge(&left, &x, t->n)) break;
        t->chain[t->n_chain].to = left.sum; /* the earlier one is the left operand */
        t->chain[t->n_chain++].from = x.sum;
        x = left;
    }
    t->after = x;
    t->depth_after = d + 1;
    return GLASS_OK;
}

void tree_ready(struct tree *t, const struct crew *c, int64_t group) {
    int64_t first, last, begin, end;
    tree_group(t->params, group, &first, &last);
    team_share(c->me, last - first, 16, &begin, &end);
    for (int i = 0; i < t->n_chain; i++)
        c->m->add_f32(t->chain[i].to + first + begin, t->chain[i].to + first + begin,
                      t->chain[i].from + first + begin, end - begin);
    if (t->reduction != NULL && t->next + 1 == t->end)
        reduction_ready(t->reduction, t, c, group);
}

glass_status tree_end(struct tree *t) {
    t->depth = t->depth_after;
    t->stack[t->depth - 1] = t->after;
    t->next++;
    return GLASS_OK;
}

/* ---- the end of a step ---- */

struct fold {
    float *to;
    const float *from;
    int64_t n;
};

static void run_fold(void *context, const struct member *me) {
    const struct fold *f = context;
    int64_t begin, end;
    team_share(me, f->n, 16, &begin, &end);
    math_kernels()->add_f32(f->to + begin, f->to + begin, f->from + begin, end - begin);
}

glass_status tree_finish(struct tree *t, const float **sum) {
    *sum = NULL;
    if (t->next == t->begin && t->reduction == NULL)
        return fail(GLASS_USAGE, "a step without a micro-batch");
    if (t->reduction != NULL) {
        TRY(reduction_finish(t->reduction, t));
        *sum = t->params->gradients;
    } else {
        /* What is left where n was not known: each later than all under it. */
        for (; t->depth > 1; t->depth--) {
            struct fold f = {t->stack[t->depth - 2].sum, t->stack[t->depth - 1].sum,
                             t->params->n_floats};
            team_run(t->n_threads, run_fold, &f);
        }
        *sum = t->stack[0].sum;
    }
    t->depth = 0;
    t->next = t->begin;
    return GLASS_OK;
}

glass_status tree_drop(struct tree *t) {
    if (t->reduction != NULL) TRY(reduction_finish(t->reduction, t));
    t->depth = 0;
    t->next = t->begin;
    return GLASS_OK;
}
