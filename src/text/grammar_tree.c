/* grammar_tree.c - the tree that readers of grammars build, and what is found out about its
 * rules before automata are made of them. */
#include "text/grammar_parts.h"

#include <stdlib.h>

static glass_status grow(void *array, uint32_t *cap, uint32_t n, size_t item_bytes) {
    if (n < *cap) return GLASS_OK;
    uint32_t more = *cap ? 2 * *cap : 64;
    TRY(mem_resize(array, more, item_bytes));
    *cap = more;
    return GLASS_OK;
}

void gram_tree_clear(struct gram_tree *t) {
    for (uint32_t i = 0; i < t->n_machines; i++) gram_dfa_free(t->machines[i]);
    mem_free(t->machines);
    mem_free(t->arrows);
    mem_free(t->nodes);
    mem_free(t->ranges);
    mem_free(t->rules);
    buf_free(&t->text);
    *t = (struct gram_tree){0};
}

glass_status gram_node_add(struct gram_tree *t, uint32_t *out, struct gram_node node) {
    if (t->n_nodes >= GRAM_NODES)
        return fail(GLASS_BAD_INPUT, "%s: more than %d parts", t->name, GRAM_NODES);
    TRY(grow(&t->nodes, &t->cap_nodes, t->n_nodes, sizeof *t->nodes));
    node.next = GRAM_NONE;
    *out = t->n_nodes;
    t->nodes[t->n_nodes++] = node;
    return GLASS_OK;
}

static struct gram_node node_of(enum gram_kind kind) {
    return (struct gram_node){.kind = kind, .child = GRAM_NONE, .last = GRAM_NONE};
}

glass_status gram_text(struct gram_tree *t, uint32_t *out, const char *bytes, size_t n) {
    struct gram_node node = node_of(GRAM_TEXT);
    if (t->text.len + n > UINT32_MAX / 2)
        return fail(GLASS_BAD_INPUT, "%s: too much text", t->name);
    node.at = (uint32_t)t->text.len;
    node.n = (uint32_t)n;
    TRY(buf_append(&t->text, bytes, n));
    return gram_node_add(t, out, node);
}

static glass_status add_range(struct gram_tree *t, uint32_t low, uint32_t high) {
    if (low > high) return GLASS_OK;
    if (t->n_ranges >= 4 * GRAM_NODES)
        return fail(GLASS_BAD_INPUT, "%s: too many characters in classes", t->name);
    TRY(grow(&t->ranges, &t->cap_ranges, t->n_ranges, sizeof *t->ranges));
    t->ranges[t->n_ranges++] = (struct gram_range){low, high};
    return GLASS_OK;
}

/* Surrogates are no characters. */
glass_status gram_class(struct gram_tree *t, uint32_t *out, enum gram_kind kind,
                        const struct gram_range *ranges, uint32_t n) {
    struct gram_node node = node_of(kind);
    node.at = t->n_ranges;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t low = ranges[i].low, high = ranges[i].high;
        TRY(add_range(t, low, high < 0xd800 ? high : 0xd7ff));
        TRY(add_range(t, low > 0xdfff ? low : 0xe000, high));
    }
    node.n = t->n_ranges - node.at;
    return gram_node_add(t, out, node);
}

glass_status gram_seq(struct gram_tree *t, uint32_t *out) {
    return gram_node_add(t, out, node_of(GRAM_SEQ));
}

glass_status gram_alt(struct gram_tree *t, uint32_t *out) {
    return gram_node_add(t, out, node_of(GRAM_ALT));
}

void gram_add(struct gram_tree *t, uint32_t parent, uint32_t child) {
    struct gram_node *p = &t->nodes[parent];
    if (p->last == GRAM_NONE)
        p->child = child;
    else
        t->nodes[p->last].next = child;
    p->last = child;
}

glass_status gram_times(struct gram_tree *t, uint32_t *out, uint32_t child, uint32_t min,
                        uint32_t max) {
    struct gram_node node = node_of(GRAM_TIMES);
    node.child = node.last = child;
    node.min = min;
    node.max = max;
    return gram_node_add(t, out, node);
}

glass_status gram_call(struct gram_tree *t, uint32_t *out, uint32_t rule) {
    struct gram_node node = node_of(GRAM_RULE);
    node.at = rule;
    return gram_node_add(t, out, node);
}

static int by_from(const void *a, const void *b) {
    const struct gram_arrow *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

glass_status gram_graph(struct gram_tree *t, uint32_t *out, const struct gram_arrow *arrows,
                        uint32_t n, uint32_t n_places) {
    struct gram_node node = node_of(GRAM_GRAPH);
    node.at = t->n_arrows;
    node.n = n;
    node.min = n_places;
    for (uint32_t i = 0; i < n; i++) {
        TRY(grow(&t->arrows, &t->cap_arrows, t->n_arrows, sizeof *t->arrows));
        t->arrows[t->n_arrows++] = arrows[i];
    }
    if (n > 1) qsort(t->arrows + node.at, n, sizeof *t->arrows, by_from);
    return gram_node_add(t, out, node);
}

glass_status gram_settle(struct gram_tree *t, uint32_t *node, const char *what) {
    struct gram_dfa *dfa;
    if (t->nodes[*node].kind == GRAM_MACHINE) return GLASS_OK;
    TRY(gram_compile(&dfa, t, *node, what));
    return gram_machine(t, node, dfa);
}

glass_status gram_machine(struct gram_tree *t, uint32_t *out, struct gram_dfa *dfa) {
    struct gram_node node = node_of(GRAM_MACHINE);
    glass_status status =
        mem_resize(&t->machines, (size_t)t->n_machines + 1, sizeof *t->machines);
    if (status != GLASS_OK) {
        gram_dfa_free(dfa);
        return status;
    }
    node.at = t->n_machines;
    t->machines[t->n_machines++] = dfa;
    return gram_node_add(t, out, node);
}

glass_status gram_copy(struct gram_tree *t, uint32_t *out, uint32_t node) {
    struct gram_node copy = t->nodes[node];
    uint32_t child = copy.child;
    copy.child = copy.last = GRAM_NONE;
    TRY(gram_node_add(t, out, copy));
    for (; child != GRAM_NONE; child = t->nodes[child].next) {
        uint32_t inner;
        TRY(gram_copy(t, &inner, child));
        gram_add(t, *out, inner);
    }
    return GLASS_OK;
}

glass_status gram_rule_add(struct gram_tree *t, uint32_t *out, const char *name, size_t n) {
    if (t->n_rules >= GRAM_NODES / 8)
        return fail(GLASS_BAD_INPUT, "%s: more than %d rules", t->name, GRAM_NODES / 8);
    TRY(grow(&t->rules, &t->cap_rules, t->n_rules, sizeof *t->rules));
    struct gram_rule rule = {
        .name = (uint32_t)t->text.len, .n_name = (uint32_t)n, .node = GRAM_NONE};
    TRY(buf_append(&t->text, name, n));
    *out = t->n_rules;
    t->rules[t->n_rules++] = rule;
    return GLASS_OK;
}

uint32_t gram_rule_find(const struct gram_tree *t, const char *name, size_t n) {
    for (uint32_t i = 0; i < t->n_rules; i++)
        if (t->rules[i].n_name == n &&
            memcmp(t->text.data + t->rules[i].name, name, n) == 0)
            return i;
    return GRAM_NONE;
}

/* --- ranges --------------------------------------------------------------------------- */

static int by_low(const void *a, const void *b) {
    const struct gram_range *x = a, *y = b;
    return x->low < y->low ? -1 : x->low > y->low;
}

uint32_t gram_ranges_tidy(struct gram_range *ranges, uint32_t n) {
    uint32_t kept = 0;
    if (n > 1) qsort(ranges, n, sizeof *ranges, by_low);
    for (uint32_t i = 0; i < n; i++) {
        if (ranges[i].high > 0x10ffff) ranges[i].high = 0x10ffff;
        if (ranges[i].low > ranges[i].high) continue;
        if (kept > 0 && ranges[i].low <= ranges[kept - 1].high + 1) {
            if (ranges[i].high > ranges[kept - 1].high)
                ranges[kept - 1].high = ranges[i].high;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    return kept;
}

uint32_t gram_ranges_not(struct gram_range *out, const struct gram_range *ranges,
                         uint32_t n) {
    uint32_t low = 1, kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (ranges[i].low > low) out[kept++] = (struct gram_range){low, ranges[i].low - 1};
        if (ranges[i].high + 1 > low) low = ranges[i].high + 1;
    }
    if (low <= 0x10ffff) out[kept++] = (struct gram_range){low, 0x10ffff};
    return kept;
}

/* --- what rules can be ---------------------------------------------------------------- */

struct facts {
    bool empty, some;
    uint64_t longest;
};

static uint64_t sum(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t product(uint64_t a, uint64_t b) {
    if (a == 0 || b == 0) return 0;
    return a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

static struct facts facts_of(struct gram_tree *t, uint32_t node);

static struct facts facts_of_parts(struct gram_tree *t, const struct gram_node *n) {
    bool all = n->kind == GRAM_SEQ;
    struct facts f = {all, all, 0};
    for (uint32_t c = n->child; c != GRAM_NONE; c = t->nodes[c].next) {
        struct facts part = facts_of(t, c);
        if (all) {
            f.empty &= part.empty;
            f.some &= part.some;
            f.longest = sum(f.longest, part.longest);
        } else {
            f.empty |= part.empty;
            f.some |= part.some;
            if (part.some && part.longest > f.longest) f.longest = part.longest;
        }
    }
    return f;
}

/* Arrows are in the order of where they begin, and lead to larger places: what a place is, is
 * known before its own arrows are looked at. */
static struct facts facts_of_graph(struct gram_tree *t, const struct gram_node *n) {
    struct facts none = {false, false, 0}, *at = NULL;
    glass_status status = mem_alloc_zero(&at, n->min, sizeof *at);
    if (status != GLASS_OK) {
        t->failed = status;
        return none;
    }
    at[0] = (struct facts){true, true, 0};
    for (uint32_t i = n->at; i < n->at + n->n; i++) {
        const struct gram_arrow *a = &t->arrows[i];
        if (!at[a->from].some) continue;
        struct facts part = facts_of(t, a->node);
        if (!part.some) continue;
        uint64_t longest = sum(at[a->from].longest, part.longest);
        at[a->to].some = true;
        at[a->to].empty |= at[a->from].empty && part.empty;
        if (longest > at[a->to].longest) at[a->to].longest = longest;
    }
    none = at[n->min - 1];
    mem_free(at);
    return none;
}

static struct facts facts_of(struct gram_tree *t, uint32_t node) {
    const struct gram_node *n = &t->nodes[node];
    struct facts f = {false, true, UINT64_MAX};
    switch (n->kind) {
    case GRAM_TEXT: return (struct facts){n->n == 0, true, n->n};
    case GRAM_CLASS: return (struct facts){false, n->n > 0, 4};
    case GRAM_STRING: return (struct facts){false, n->n > 0, 6};
    case GRAM_SEQ:
    case GRAM_ALT: return facts_of_parts(t, n);
    case GRAM_TIMES:
        f = facts_of(t, n->child);
        f.longest = n->max == GRAM_NONE ? UINT64_MAX : product(f.longest, n->max);
        if (n->max == 0) return (struct facts){true, true, 0};
        if (n->min == 0) return (struct facts){true, true, f.some ? f.longest : 0};
        return f;
    case GRAM_RULE:
        f.empty = t->rules[n->at].empty;
        f.some = t->rules[n->at].some;
        f.longest = t->rules[n->at].longest;
        return f;
    case GRAM_MACHINE:
        f.empty = t->machines[n->at]->final[0];
        f.some = gram_dfa_some(t->machines[n->at]);
        return f;
    case GRAM_GRAPH: return facts_of_graph(t, n);
    }
    return f;
}

/* Both grow from "no" until nothing changes. */
static glass_status find_facts(struct gram_tree *t) {
    uint64_t steps = 0;
    for (uint32_t i = 0; i < t->n_rules; i++) t->rules[i].longest = UINT64_MAX;
    for (bool changed = true; changed;) {
        changed = false;
        if ((steps += t->n_nodes) > (uint64_t)1 << 28)
            return fail(GLASS_BAD_INPUT, "%s: its rules depend on one another too deeply",
                        t->name);
        /* Rules are mostly defined before those that they call. */
        for (uint32_t i = t->n_rules; i-- > 0;) {
            struct gram_rule *r = &t->rules[i];
            if (r->node == GRAM_NONE || (r->empty && r->some)) continue;
            struct facts f = facts_of(t, r->node);
            if (f.empty == r->empty && f.some == r->some) continue;
            changed = true;
            r->empty = f.empty;
            r->some = f.some;
        }
    }
    return GLASS_OK;
}

/* --- rules that begin with themselves -------------------------------------------------- */

enum { WALK_DEPTH = 4000 }; /* calls of functions on the way through a tree */

struct search {
    struct gram_tree *t;
    uint32_t *path; /* rules being looked at */
    uint32_t n, depth;
};

static glass_status say_left(const struct search *s, uint32_t again) {
    const struct gram_tree *t = s->t;
    const struct gram_rule *r = &t->rules[again];
    struct buf way = {0};
    uint32_t from = 0;
    while (s->path[from] != again) from++;
    glass_status status = GLASS_OK;
    for (uint32_t i = from; status == GLASS_OK && i < s->n && i < from + 8; i++)
        status = buf_printf(&way, "%.*s > ", (int)t->rules[s->path[i]].n_name,
                            t->text.data + t->rules[s->path[i]].name);
    if (status == GLASS_OK)
        status =
            fail(GLASS_BAD_INPUT,
                 "%s: line %u, column %u: rule %.*s begins with itself (%s%.*s): say it "
                 "with a repetition, as in a ::= b (\",\" b)*",
                 t->name, r->line, r->column, (int)r->n_name, t->text.data + r->name,
                 way.data, (int)r->n_name, t->text.data + r->name);
    buf_free(&way);
    return status;
}

static glass_status visit(struct search *s, uint32_t rule);

/* Rules that a text of the node may begin with. */
static glass_status visit_firsts(struct search *s, uint32_t node) {
    struct gram_tree *t = s->t;
    const struct gram_node *n = &t->nodes[node];
    if (n->kind == GRAM_RULE) return visit(s, n->at);
    if (++s->depth > WALK_DEPTH)
        return fail(GLASS_BAD_INPUT, "%s: rules begin with one another too deeply",
                    t->name);
    for (uint32_t c = n->child; c != GRAM_NONE; c = t->nodes[c].next) {
        TRY(visit_firsts(s, c));
        if (n->kind == GRAM_SEQ && !facts_of(t, c).empty) break;
    }
    /* More than the first ones of a graph: schemas' graphs stand behind a bracket. */
    for (uint32_t i = n->at; n->kind == GRAM_GRAPH && i < n->at + n->n; i++)
        TRY(visit_firsts(s, t->arrows[i].node));
    s->depth--;
    return GLASS_OK;
}

static glass_status visit(struct search *s, uint32_t rule) {
    enum { NEW, OPEN, DONE };
    struct gram_rule *r = &s->t->rules[rule];
    if (r->mark == DONE || !r->some) return GLASS_OK;
    if (r->mark == OPEN) return say_left(s, rule);
    if (++s->depth > WALK_DEPTH)
        return fail(GLASS_BAD_INPUT, "%s: rules begin with one another too deeply",
                    s->t->name);
    r->mark = OPEN;
    s->path[s->n++] = rule;
    TRY(visit_firsts(s, r->node));
    s->n--;
    s->depth--;
    s->t->rules[rule].mark = DONE;
    return GLASS_OK;
}

static glass_status check_left(struct gram_tree *t) {
    struct search s = {.t = t};
    glass_status status = GLASS_OK;
    TRY(mem_alloc(&s.path, WALK_DEPTH + 1, sizeof *s.path));
    for (uint32_t i = 0; i < t->n_rules; i++) t->rules[i].mark = 0;
    for (uint32_t i = 0; status == GLASS_OK && i < t->n_rules; i++) status = visit(&s, i);
    mem_free(s.path);
    return status;
}

/* --- which rules become a part of others ------------------------------------------------ */

enum { SHORT_TEXT = 12 };

static glass_status measure(struct gram_tree *t, uint32_t rule, uint32_t depth);

static glass_status measure_node(struct gram_tree *t, uint32_t node, uint32_t depth) {
    if (t->nodes[node].kind == GRAM_RULE) {
        t->rules[t->nodes[node].at].n_uses++;
        return measure(t, t->nodes[node].at, depth + 1);
    }
    for (uint32_t c = t->nodes[node].child; c != GRAM_NONE; c = t->nodes[c].next)
        TRY(measure_node(t, c, depth + 1));
    const struct gram_node n = t->nodes[node];
    for (uint32_t i = n.at; n.kind == GRAM_GRAPH && i < n.at + n.n; i++)
        TRY(measure_node(t, t->arrows[i].node, depth + 1));
    return GLASS_OK;
}

static glass_status measure(struct gram_tree *t, uint32_t rule, uint32_t depth) {
    enum { NEW, OPEN, DONE };
    struct gram_rule *r = &t->rules[rule];
    if (r->mark == OPEN || depth > WALK_DEPTH) {
        r->inlined = false;
        r->n_uses = GRAM_NONE / 2; /* it calls itself: it stays a rule */
        return GLASS_OK;
    }
    if (r->mark == DONE || r->node == GRAM_NONE) return GLASS_OK;
    r->mark = OPEN;
    TRY(measure_node(t, r->node, depth));
    r = &t->rules[rule];
    r->mark = DONE;
    r->longest = facts_of(t, r->node).longest;
    return GLASS_OK;
}

/* A rule within a token's reach of its own end would make most tokens depend on what comes
 * after the rule: short ones become a part of their callers, as do those with one caller. */
static glass_status choose_inlined(struct gram_tree *t) {
    for (uint32_t i = 0; i < t->n_rules; i++) {
        t->rules[i].mark = 0;
        t->rules[i].n_uses = 0;
        t->rules[i].longest = UINT64_MAX;
    }
    TRY(measure(t, t->root, 0));
    for (uint32_t i = 0; i < t->n_rules; i++) {
        struct gram_rule *r = &t->rules[i];
        r->inlined = i != t->root && r->mark != 0 && r->n_uses < GRAM_NONE / 4 &&
                     (r->longest <= SHORT_TEXT || r->n_uses == 1);
    }
    return GLASS_OK;
}

glass_status gram_tree_check(struct gram_tree *t) {
    TRY(find_facts(t));
    TRY(t->failed);
    if (!t->rules[t->root].some)
        return fail(GLASS_BAD_INPUT, "%s: no text at all is possible", t->name);
    TRY(check_left(t));
    TRY(choose_inlined(t));
    return t->failed;
}
