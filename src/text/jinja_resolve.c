/* jinja_resolve.c - which slot a name means, by Jinja's scoping.
 *
 * A scope (template, loop body, loop else, loop filter, macro, call body, set block, filter
 * block, with) decides at compile time what each of its names is when the scope is entered:
 * a parameter, a copy of the enclosing scope's (for names it stores, too), a variable or
 * global, or nothing yet. Assignments stay in their scope. The scopes of one function whose
 * level is the same share a slot per name, as Jinja's generated code does; that is visible
 * to closures only. */
#include "text/jinja_ast.h"
#include "text/jinja_run.h"

#include <string.h>

struct ident {
    int level;
    const struct jstr *name;
};
struct function {
    struct function *outer;
    struct ident *idents;
    size_t n, cap;
};
struct entry {
    struct jstr *name;
    uint8_t how; /* enum jload */
    bool stored;
};
struct symbols {
    struct symbols *parent;
    struct function *function;
    int level;
    struct entry *entries;
    size_t n, cap;
};
struct frame {
    struct jinja *in;
    struct symbols *symbols;
    struct function *function; /* whose code this is */
    bool soft;                 /* inside if: unknown filters fail when they are run */
    bool in_loop;
};

/* ---- tables */

static glass_status slot_of(struct jinja *in, uint32_t *out, struct function *f, int level,
                            const struct jstr *name) {
    TRY(jinja_charge(in, 1 + f->n / 16));
    for (size_t i = 0; i < f->n; i++) {
        *out = (uint32_t)i;
        if (f->idents[i].level == level && jstr_same(f->idents[i].name, name))
            return GLASS_OK;
    }
    if (f->n == f->cap) {
        size_t cap = f->cap == 0 ? 8 : f->cap * 2;
        TRY(jarena_grow(in, &f->idents, f->cap, cap, sizeof *f->idents));
        f->cap = cap;
    }
    *out = (uint32_t)f->n;
    f->idents[f->n++] = (struct ident){level, name};
    return GLASS_OK;
}

static struct entry *own_entry(const struct symbols *s, const struct jstr *name) {
    for (size_t i = 0; i < s->n; i++)
        if (jstr_same(s->entries[i].name, name)) return &s->entries[i];
    return NULL;
}

/* The nearest scope that knows the name. */
static const struct symbols *find(const struct symbols *s, const struct jstr *name) {
    while (s != NULL && own_entry(s, name) == NULL) s = s->parent;
    return s;
}

static glass_status set_entry(struct jinja *in, struct symbols *s, struct entry entry) {
    struct entry *old = own_entry(s, entry.name);
    TRY(jinja_charge(in, 1 + s->n / 16));
    if (old != NULL) {
        *old = entry;
        return GLASS_OK;
    }
    if (s->n == s->cap) {
        size_t cap = s->cap == 0 ? 8 : s->cap * 2;
        TRY(jarena_grow(in, &s->entries, s->cap, cap, sizeof *s->entries));
        s->cap = cap;
    }
    s->entries[s->n++] = entry;
    return GLASS_OK;
}

static glass_status declare_parameter(struct jinja *in, struct symbols *s,
                                      struct jstr *name) {
    return set_entry(in, s, (struct entry){name, LOAD_PARAMETER, true});
}

static glass_status declare_store(struct jinja *in, struct symbols *s, struct jstr *name) {
    struct entry *old = own_entry(s, name);
    if (old != NULL) {
        old->stored = true;
        return GLASS_OK;
    }
    bool outer = find(s->parent, name) != NULL;
    return set_entry(in, s,
                     (struct entry){name, outer ? LOAD_ALIAS : LOAD_UNDEFINED, true});
}

static glass_status declare_load(struct jinja *in, struct symbols *s, struct jstr *name) {
    TRY(jinja_charge(in, 1 + s->n / 16));
    if (find(s, name) != NULL) return GLASS_OK;
    return set_entry(in, s, (struct entry){name, LOAD_RESOLVE, false});
}

/* ---- what a scope's statements do to its names */

struct analysis {
    struct jinja *in;
    struct symbols *symbols;
    bool as_parameters; /* a loop's target */
};

static glass_status analyse(void *self, struct jnode *node);

static glass_status analyse_all(struct analysis *a, const struct jnodes *nodes) {
    for (size_t i = 0; i < nodes->n; i++) TRY(analyse(a, nodes->items[i]));
    return GLASS_OK;
}

static glass_status copy_symbols(struct jinja *in, struct symbols *out,
                                 const struct symbols *s) {
    *out = *s;
    out->cap = s->n;
    TRY(jinja_charge(in, 1 + s->n / 16));
    TRY(jarena_alloc(in, &out->entries, s->n, sizeof *s->entries));
    if (s->n > 0) memcpy(out->entries, s->entries, s->n * sizeof *s->entries);
    return GLASS_OK;
}

/* Joins the branches of an if: a name that one of them stores has, before the if, the value
 * that the enclosing scope or the variables give it. */
static glass_status join_branches(struct analysis *a, struct symbols *branches, int n) {
    struct symbols *s = a->symbols, before;
    TRY(copy_symbols(a->in, &before, s));
    for (int b = 0; b < n; b++) {
        for (size_t i = 0; i < branches[b].n; i++) {
            struct entry entry = branches[b].entries[i], *now = own_entry(s, entry.name);
            if (now != NULL) entry.stored = entry.stored || now->stored;
            TRY(set_entry(a->in, s, entry));
        }
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct entry *old = own_entry(&before, s->entries[i].name);
        if (!s->entries[i].stored || (old != NULL && old->stored)) continue;
        bool outer = find(s->parent, s->entries[i].name) != NULL;
        s->entries[i].how = outer ? LOAD_ALIAS : LOAD_RESOLVE;
    }
    return GLASS_OK;
}

static glass_status analyse_if(struct analysis *a, struct jnode *node) {
    struct symbols branches[3];
    const struct jnodes *bodies[3] = {&node->items, &node->more, &node->rest};
    TRY(analyse(a, node->a));
    for (int i = 0; i < 3; i++) {
        struct analysis branch = *a;
        TRY(copy_symbols(a->in, &branches[i], a->symbols));
        branch.symbols = &branches[i];
        TRY(analyse_all(&branch, bodies[i]));
    }
    return join_branches(a, branches, 3);
}

static glass_status analyse_name(struct analysis *a, struct jnode *node) {
    if (a->as_parameters || node->context == PARAM)
        return declare_parameter(a->in, a->symbols, node->name);
    if (node->context == STORE) return declare_store(a->in, a->symbols, node->name);
    return declare_load(a->in, a->symbols, node->name);
}

static glass_status analyse(void *self, struct jnode *node) {
    struct analysis *a = self;
    glass_status status;
    TRY(jinja_enter(a->in));
    switch (node->kind) {
    case N_NAME: status = analyse_name(a, node); break;
    case N_NSREF: status = declare_load(a->in, a->symbols, node->name); break;
    case N_IF: status = analyse_if(a, node); break;
    case N_MACRO: status = declare_store(a->in, a->symbols, node->name); break;
    case N_SET:
        status = analyse(a, node->b);
        if (status == GLASS_OK) status = analyse(a, node->a);
        break;
    case N_SETBLOCK: status = analyse(a, node->a); break;
    case N_FOR:
    case N_FILTERBLOCK: status = analyse(a, node->b); break;
    case N_CALLBLOCK: status = node->a != NULL ? analyse(a, node->a) : GLASS_OK; break;
    case N_WITH: status = analyse_all(a, &node->rest); break;
    default: status = jnode_children(node, analyse, a);
    }
    a->in->depth--;
    return status;
}

/* ---- names that are read before they are stored, anywhere below */

enum { SEES_LOOP = 1, SEES_CALLER = 2, SEES_KWARGS = 4, SEES_VARARGS = 8 };
struct search {
    struct jinja *in;
    int wanted, seen;
};

static int special_name(const struct jstr *name) {
    return jstr_is(name, "loop")      ? SEES_LOOP
           : jstr_is(name, "caller")  ? SEES_CALLER
           : jstr_is(name, "kwargs")  ? SEES_KWARGS
           : jstr_is(name, "varargs") ? SEES_VARARGS
                                      : 0;
}

static glass_status search_node(void *self, struct jnode *node) {
    struct search *s = self;
    TRY(jinja_charge(s->in, 1));
    if (node->kind == N_NAME) {
        int bit = special_name(node->name);
        if (node->context != LOAD) {
            s->wanted &= ~bit;
        } else {
            s->seen |= bit & s->wanted;
        }
        return GLASS_OK;
    }
    TRY(jinja_enter(s->in));
    TRY(jnode_children(node, search_node, s));
    s->in->depth--;
    return GLASS_OK;
}

static glass_status find_undeclared(struct jinja *in, int *seen, const struct jnodes *nodes,
                                    int wanted) {
    struct search s = {in, wanted, 0};
    for (size_t i = 0; i < nodes->n; i++) TRY(search_node(&s, nodes->items[i]));
    *seen = s.seen;
    return GLASS_OK;
}

static glass_status forbid_loop_store(void *self, struct jnode *node) {
    struct jinja *in = self;
    TRY(jinja_charge(in, 1));
    if (node->kind == N_NAME && node->context == STORE && jstr_is(node->name, "loop")) {
        in->line = node->line;
        return jinja_fail(in, "can't assign to the special variable 'loop' in a for");
    }
    TRY(jinja_enter(in));
    TRY(jnode_children(node, forbid_loop_store, in));
    in->depth--;
    return GLASS_OK;
}

/* ---- resolving */

static glass_status place_in(struct frame *f, struct jplace *out,
                             const struct symbols *from, struct jstr *name) {
    const struct symbols *s = find(from, name);
    TRY(jinja_charge(f->in, 1));
    if (s == NULL)
        return jinja_fail(f->in, "the name '%.*s' is not known here",
                          name->n_bytes > 100 ? 100 : (int)name->n_bytes, name->bytes);
    out->hops = 0;
    for (const struct function *g = f->function; g != s->function; g = g->outer)
        out->hops++;
    return slot_of(f->in, &out->slot, s->function, s->level, name);
}

static glass_status place(struct frame *f, struct jplace *out, struct jstr *name) {
    return place_in(f, out, f->symbols, name);
}

/* A scope inside f, in f's function or a new one. */
static glass_status inner(struct frame *f, struct frame *out, bool new_function) {
    *out = (struct frame){.in = f->in, .function = f->function, .in_loop = f->in_loop};
    TRY(jarena_alloc(f->in, &out->symbols, 1, sizeof *out->symbols));
    if (new_function) {
        TRY(jarena_alloc(f->in, &out->function, 1, sizeof *out->function));
        out->function->outer = f->function;
        out->in_loop = false;
    }
    *out->symbols = (struct symbols){
        .parent = f->symbols, .function = out->function, .level = f->symbols->level + 1};
    return GLASS_OK;
}

static glass_status finish_frame(struct frame *f, struct jframe *out) {
    const struct symbols *s = f->symbols;
    TRY(jarena_alloc(f->in, &out->loads, s->n, sizeof *out->loads));
    out->n = s->n;
    for (size_t i = 0; i < s->n; i++) {
        struct jload_row *row = &out->loads[i];
        row->how = s->entries[i].how;
        row->name = s->entries[i].name;
        TRY(slot_of(f->in, &row->slot, f->function, s->level, row->name));
        if (row->how == LOAD_ALIAS) TRY(place_in(f, &row->alias, s->parent, row->name));
    }
    return GLASS_OK;
}

static glass_status resolve(void *self, struct jnode *node);

static glass_status resolve_all(struct frame *f, const struct jnodes *nodes) {
    for (size_t i = 0; i < nodes->n; i++) TRY(resolve(f, nodes->items[i]));
    return GLASS_OK;
}

/* Analyses the statements as f's own scope. */
static glass_status open_frame(struct frame *f, struct jframe *out,
                               const struct jnodes *nodes) {
    struct analysis a = {.in = f->in, .symbols = f->symbols};
    TRY(analyse_all(&a, nodes));
    return finish_frame(f, out);
}

static glass_status make_name(struct jinja *in, struct jstr **out, const char *name) {
    return jstr_borrow(in, out, name, strlen(name), false);
}

static glass_status resolve_for_test(struct frame *f, struct jnode *node) {
    struct frame test;
    TRY(inner(f, &test, true));
    struct analysis a = {.in = f->in, .symbols = test.symbols, .as_parameters = true};
    TRY(analyse(&a, node->a));
    a.as_parameters = false;
    TRY(analyse(&a, node->c));
    TRY(finish_frame(&test, &node->frame_test));
    TRY(resolve(&test, node->target2));
    TRY(resolve(&test, node->c));
    node->function_test.n_slots = (uint32_t)test.function->n;
    return GLASS_OK;
}

static glass_status resolve_for_else(struct frame *f, struct frame *body,
                                     struct jnode *node) {
    struct frame other;
    TRY(inner(f, &other, false));
    other.function = other.symbols->function = body->function;
    if (node->recursive) other.in_loop = false;
    TRY(open_frame(&other, &node->frame_else, &node->rest));
    return resolve_all(&other, &node->rest);
}

static glass_status resolve_for(struct frame *f, struct jnode *node) {
    struct frame body;
    struct jstr *loop;
    int seen;
    TRY(find_undeclared(f->in, &seen, &node->items, SEES_LOOP));
    node->extended = node->recursive || seen != 0;
    TRY(forbid_loop_store(f->in, node));
    TRY(make_name(f->in, &loop, "loop"));
    TRY(inner(f, &body, node->recursive));
    body.in_loop = true;
    if (node->extended) {
        TRY(declare_parameter(f->in, body.symbols, loop));
        TRY(slot_of(f->in, &node->slot_loop, body.function, body.symbols->level, loop));
    }
    struct analysis a = {.in = f->in, .symbols = body.symbols, .as_parameters = true};
    TRY(analyse(&a, node->a));
    TRY(open_frame(&body, &node->frame, &node->items));
    if (node->c != NULL) TRY(resolve_for_test(f, node));
    TRY(resolve(f, node->b));
    TRY(resolve(&body, node->a));
    TRY(resolve_all(&body, &node->items));
    if (node->rest.n > 0) TRY(resolve_for_else(f, &body, node));
    node->function.n_slots = (uint32_t)body.function->n;
    return GLASS_OK;
}

static glass_status check_caller_parameter(struct frame *f, struct jnode *node, int *seen) {
    for (size_t i = 0; i < node->more.n; i++) {
        int bit = special_name(node->more.items[i]->name);
        if (bit == SEES_CALLER && (*seen & SEES_CALLER) &&
            i + node->rest.n < node->more.n) {
            f->in->line = node->line;
            return jinja_fail(f->in, "the parameter 'caller' needs a default");
        }
        *seen &= ~bit;
    }
    return GLASS_OK;
}

/* The body of a macro or call block: parameters, then caller, kwargs and varargs if used. */
static glass_status resolve_macro(struct frame *f, struct jnode *node) {
    struct frame body;
    int seen;
    TRY(find_undeclared(f->in, &seen, &node->items,
                        SEES_CALLER | SEES_KWARGS | SEES_VARARGS));
    TRY(check_caller_parameter(f, node, &seen));
    TRY(inner(f, &body, true));
    struct analysis a = {.in = f->in, .symbols = body.symbols};
    TRY(analyse_all(&a, &node->more));
    const struct {
        int bit;
        const char *name;
        bool *uses;
        uint32_t *slot;
    } specials[] = {
        {SEES_CALLER, "caller", &node->uses_caller, &node->slot_caller},
        {SEES_KWARGS, "kwargs", &node->uses_kwargs, &node->slot_kwargs},
        {SEES_VARARGS, "varargs", &node->uses_varargs, &node->slot_varargs},
    };
    for (int i = 0; i < 3; i++) {
        struct jstr *name;
        if ((seen & specials[i].bit) == 0) continue;
        TRY(make_name(f->in, &name, specials[i].name));
        TRY(declare_parameter(f->in, body.symbols, name));
        TRY(slot_of(f->in, specials[i].slot, body.function, body.symbols->level, name));
        *specials[i].uses = true;
    }
    TRY(analyse_all(&a, &node->rest));
    TRY(open_frame(&body, &node->frame, &node->items));
    TRY(resolve_all(&body, &node->more));
    TRY(resolve_all(&body, &node->rest));
    TRY(resolve_all(&body, &node->items));
    node->function.n_slots = (uint32_t)body.function->n;
    return GLASS_OK;
}

static glass_status resolve_with(struct frame *f, struct jnode *node) {
    struct frame body;
    TRY(inner(f, &body, false));
    struct analysis a = {.in = f->in, .symbols = body.symbols};
    TRY(analyse_all(&a, &node->more));
    TRY(open_frame(&body, &node->frame, &node->items));
    TRY(resolve_all(f, &node->rest));
    TRY(resolve_all(&body, &node->more));
    return resolve_all(&body, &node->items);
}

static glass_status resolve_set_block(struct frame *f, struct jnode *node) {
    struct frame body;
    TRY(inner(f, &body, false));
    TRY(open_frame(&body, &node->frame, &node->items));
    TRY(resolve_all(&body, &node->items));
    TRY(resolve(f, node->a));
    return node->b != NULL ? resolve(&body, node->b) : GLASS_OK;
}

static glass_status resolve_filter_block(struct frame *f, struct jnode *node) {
    struct frame body;
    TRY(inner(f, &body, false));
    struct analysis a = {.in = f->in, .symbols = body.symbols};
    TRY(analyse_all(&a, &node->items));
    TRY(analyse(&a, node->b));
    TRY(finish_frame(&body, &node->frame));
    TRY(resolve_all(&body, &node->items));
    return resolve(&body, node->b);
}

static glass_status resolve_filter_or_test(struct frame *f, struct jnode *node) {
    bool filter = node->kind == N_FILTER;
    node->row = filter ? (const void *)jinja_find_filter(node->attribute)
                       : (const void *)jinja_find_test(node->attribute);
    if (node->row == NULL && !f->soft) {
        f->in->line = node->line;
        return jinja_fail(f->in, "there is no %s named '%.*s'", filter ? "filter" : "test",
                          node->attribute->n_bytes > 100 ? 100
                                                         : (int)node->attribute->n_bytes,
                          node->attribute->bytes);
    }
    return jnode_children(node, resolve, f);
}

static glass_status resolve_node(struct frame *f, struct jnode *node) {
    struct frame soft = *f;
    soft.soft = true;
    switch (node->kind) {
    case N_NAME:
    case N_NSREF: return place(f, &node->place, node->name);
    case N_FILTER:
    case N_TEST: return resolve_filter_or_test(f, node);
    case N_COND:
    case N_IF: return jnode_children(node, resolve, &soft);
    case N_FOR: return resolve_for(f, node);
    case N_MACRO: TRY(resolve_macro(f, node)); return place(f, &node->place, node->name);
    case N_CALLBLOCK:
        TRY(resolve_macro(f, node));
        return node->a != NULL ? resolve(f, node->a) : GLASS_OK;
    case N_WITH: return resolve_with(f, node);
    case N_SETBLOCK: return resolve_set_block(f, node);
    case N_FILTERBLOCK: return resolve_filter_block(f, node);
    case N_BREAK:
    case N_CONTINUE:
        if (f->in_loop) return GLASS_OK;
        return jinja_fail(f->in, "%s outside of a loop",
                          node->kind == N_BREAK ? "break" : "continue");
    default: return jnode_children(node, resolve, f);
    }
}

static glass_status resolve(void *self, struct jnode *node) {
    struct frame *f = self;
    f->in->line = node->line;
    TRY(jinja_charge(f->in, 1));
    TRY(jinja_enter(f->in));
    TRY(resolve_node(f, node));
    f->in->depth--;
    return GLASS_OK;
}

glass_status jinja_resolve(struct jinja *in, struct jprogram *program) {
    struct frame root = {.in = in};
    TRY(jarena_alloc(in, &root.symbols, 1, sizeof *root.symbols));
    TRY(jarena_alloc(in, &root.function, 1, sizeof *root.function));
    root.symbols->function = root.function;
    TRY(open_frame(&root, &program->frame, &program->body));
    TRY(resolve_all(&root, &program->body));
    program->function.n_slots = (uint32_t)root.function->n;
    return GLASS_OK;
}
