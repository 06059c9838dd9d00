/* jinja_exec.c - statements: output, if, for, set, macros and their calls. */
#include "text/jinja_ast.h"
#include "text/jinja_run.h"

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct jmacro {
    struct jactivation *act; /* where it was defined */
    const struct jnode *node;
};

struct jloop {
    struct jv over;
    struct jiter *iter;
    struct jv current, before, after; /* after: looked at ahead of time, or J_MISSING */
    int64_t index0, length;           /* length -1: not known yet */
    int64_t depth0;
    struct jactivation *act; /* of a recursive loop's surroundings */
    const struct jnode *node;
    struct jlist *changed;
};

static glass_status exec_all(struct jinja *in, struct jactivation *act,
                             const struct jnodes *nodes, enum flow *flow);

/* ---- scopes */

static struct jv *slot(struct jactivation *act, struct jplace place) {
    while (place.hops > 0) {
        act = act->outer;
        place.hops--;
    }
    return &act->slots[place.slot];
}

static glass_status enter_frame(struct jinja *in, struct jactivation *act,
                                const struct jframe *frame) {
    for (size_t i = 0; i < frame->n; i++) {
        const struct jload_row *row = &frame->loads[i];
        struct jv *to = &act->slots[row->slot];
        const struct jv *found;
        switch ((enum jload)row->how) {
        case LOAD_PARAMETER: break;
        case LOAD_ALIAS: *to = *slot(act, row->alias); break;
        case LOAD_UNDEFINED: *to = jv_missing(); break;
        case LOAD_RESOLVE:
            TRY(jdict_get(in, &found, in->variables, jv_str(row->name)));
            *to = found != NULL ? *found : jinja_global(row->name);
            break;
        }
    }
    return jinja_charge(in, frame->n);
}

static void leave_frame(struct jactivation *act, const struct jframe *frame) {
    for (size_t i = 0; i < frame->n; i++) act->slots[frame->loads[i].slot] = jv_missing();
}

static glass_status activate(struct jinja *in, struct jactivation **out,
                             struct jactivation *outer, const struct jfunction *function) {
    TRY(jarena_alloc(in, out, 1, sizeof **out));
    (*out)->outer = outer;
    return jarena_alloc(in, &(*out)->slots, function->n_slots, sizeof *(*out)->slots);
}

static glass_status assign(struct jinja *in, struct jactivation *act,
                           const struct jnode *target, struct jv value) {
    struct jlist *list;
    struct jv *to;
    switch (target->kind) {
    case N_NAME: *slot(act, target->place) = value; return GLASS_OK;
    case N_NSREF:
        to = slot(act, target->place);
        if (target->attribute->bytes[0] == '_')
            return jinja_fail(in, "a namespace's names can't begin with _");
        return jdict_set(in, to->u.dict, jv_str(target->attribute), value);
    default: break;
    }
    TRY(jv_collect(in, &list, value));
    if (list->n != target->items.n)
        return jinja_fail(in, "%zu values to unpack into %zu names", list->n,
                          target->items.n);
    for (size_t i = 0; i < list->n; i++)
        TRY(assign(in, act, target->items.items[i], list->items[i]));
    return GLASS_OK;
}

/* ---- loops */

static glass_status loop_next(struct jinja *in, struct jloop *loop, bool *more) {
    struct jv item = loop->after;
    *more = true;
    if (item.type == J_MISSING) TRY(jiter_next(in, loop->iter, &item, more));
    if (!*more) return GLASS_OK;
    loop->after = jv_missing();
    loop->index0++;
    loop->before = loop->current;
    loop->current = item;
    return GLASS_OK;
}

static glass_status loop_peek(struct jinja *in, struct jloop *loop, bool *more) {
    *more = true;
    if (loop->after.type != J_MISSING) return GLASS_OK;
    struct jv item = jv_missing();
    TRY(jiter_next(in, loop->iter, &item, more));
    if (*more) loop->after = item;
    return GLASS_OK;
}

glass_status jloop_length(struct jinja *in, int64_t *out, struct jloop *loop) {
    bool known = loop->length >= 0;
    if (!known) TRY(jv_length(in, &loop->length, &known, loop->over));
    if (!known) { /* a generator: read it to its end */
        struct jlist *rest;
        struct jv iter = {.type = J_ITER, .u.iter = loop->iter};
        TRY(jv_collect(in, &rest, iter));
        TRY(jiter_open(in, &loop->iter, jv_list(rest, false)));
        loop->length =
            (int64_t)rest->n + loop->index0 + 1 + (loop->after.type != J_MISSING);
    }
    *out = loop->length;
    return GLASS_OK;
}

int64_t jloop_index0(const struct jloop *loop) {
    return loop->index0;
}

static glass_status loop_cycle(struct jinja *in, struct jv *out, struct jv self,
                               const struct jargs *args, const char *name) {
    (void)name;
    if (args->n == 0 || args->n_keywords > 0)
        return jinja_fail(in, "loop.cycle() needs the items to cycle through");
    *out = args->items[(size_t)self.u.loop->index0 % args->n];
    return GLASS_OK;
}

static glass_status loop_changed(struct jinja *in, struct jv *out, struct jv self,
                                 const struct jargs *args, const char *name) {
    struct jlist now = {.items = args->items, .n = args->n};
    bool same = false;
    if (args->n_keywords > 0) return jinja_fail(in, "%s() takes no keywords", name);
    if (self.u.loop->changed != NULL)
        TRY(jv_equal(in, &same, jv_tuple(self.u.loop->changed, false),
                     jv_tuple(&now, false)));
    if (!same) {
        TRY(jarena_alloc(in, &self.u.loop->changed, 1, sizeof now));
        *self.u.loop->changed = now;
    }
    *out = jv_bool(!same);
    return GLASS_OK;
}

static const struct jmethod_row loop_methods[] = {{"cycle", loop_cycle},
                                                  {"changed", loop_changed}};

static glass_status loop_numbers(struct jinja *in, struct jv *out, bool *known,
                                 struct jloop *loop, const struct jstr *name) {
    int64_t n = 0;
    bool counted =
        jstr_is(name, "length") || jstr_is(name, "revindex") || jstr_is(name, "revindex0");
    if (counted) TRY(jloop_length(in, &n, loop));
    *known = true;
    if (jstr_is(name, "index0")) {
        *out = jv_int(loop->index0);
    } else if (jstr_is(name, "index")) {
        *out = jv_int(loop->index0 + 1);
    } else if (jstr_is(name, "length")) {
        *out = jv_int(n);
    } else if (jstr_is(name, "revindex0")) {
        *out = jv_int(n - loop->index0 - 1);
    } else if (jstr_is(name, "revindex")) {
        *out = jv_int(n - loop->index0);
    } else if (jstr_is(name, "depth0")) {
        *out = jv_int(loop->depth0);
    } else if (jstr_is(name, "depth")) {
        *out = jv_int(loop->depth0 + 1);
    } else {
        *known = false;
    }
    return GLASS_OK;
}

glass_status jloop_attribute(struct jinja *in, struct jv *out, bool *known,
                             struct jloop *loop, const struct jstr *name) {
    bool more;
    TRY(loop_numbers(in, out, known, loop, name));
    if (*known) return GLASS_OK;
    *known = true;
    for (size_t i = 0; i < 2; i++) {
        struct jmethod *method;
        if (!jstr_is(name, loop_methods[i].name)) continue;
        TRY(jarena_alloc(in, &method, 1, sizeof *method));
        method->self = (struct jv){.type = J_LOOP, .u.loop = loop};
        method->row = &loop_methods[i];
        *out = (struct jv){.type = J_METHOD, .u.method = method};
        return GLASS_OK;
    }
    if (jstr_is(name, "first")) {
        *out = jv_bool(loop->index0 == 0);
    } else if (jstr_is(name, "last")) {
        TRY(loop_peek(in, loop, &more));
        *out = jv_bool(!more);
    } else if (jstr_is(name, "previtem")) {
        if (loop->index0 == 0)
            return jv_undefined(in, out, "there is no previous item", NULL, NULL);
        *out = loop->before;
    } else if (jstr_is(name, "nextitem")) {
        TRY(loop_peek(in, loop, &more));
        if (!more) return jv_undefined(in, out, "there is no next item", NULL, NULL);
        *out = loop->after;
    } else {
        *known = false;
    }
    return GLASS_OK;
}

/* `for … if test`: a generator with an activation of its own, asked as the loop goes on. */
struct filtered {
    struct jactivation *act;
    const struct jnode *node;
    struct jv over;
    struct jiter *iter; /* NULL before the first item */
};

static glass_status next_filtered(struct jinja *in, struct jiter *it, struct jv *out,
                                  bool *more) {
    struct filtered *f = it->state;
    struct jv test;
    bool yes = false;
    if (f->iter == NULL) {
        TRY(enter_frame(in, f->act, &f->node->frame_test));
        TRY(jiter_open(in, &f->iter, f->over));
    }
    while (!yes) {
        TRY(jiter_next(in, f->iter, out, more));
        if (!*more) return GLASS_OK;
        TRY(assign(in, f->act, f->node->target2, *out));
        TRY(jinja_eval(in, &test, f->act, f->node->c));
        TRY(jv_truth(in, &yes, test));
    }
    return GLASS_OK;
}

static glass_status filter_items(struct jinja *in, struct jv *out, struct jactivation *act,
                                 const struct jnode *node) {
    struct filtered *f;
    TRY(jarena_alloc(in, &f, 1, sizeof *f));
    f->node = node;
    f->over = *out;
    TRY(activate(in, &f->act, act, &node->function_test));
    return jiter_new(in, out, next_filtered, f);
}

static glass_status loop_open(struct jinja *in, struct jloop **out,
                              struct jactivation *outer, const struct jnode *node,
                              struct jv over, int64_t depth) {
    struct jloop *loop;
    if (node->c != NULL) TRY(filter_items(in, &over, outer, node));
    TRY(jarena_alloc(in, &loop, 1, sizeof *loop));
    *loop = (struct jloop){.over = over,
                           .index0 = -1,
                           .length = -1,
                           .depth0 = depth,
                           .act = outer,
                           .node = node};
    *out = loop;
    return jiter_open(in, &loop->iter, over);
}

/* outer is where the loop's test and recursion close over, act where its body runs. */
static glass_status run_loop(struct jinja *in, struct jactivation *outer,
                             struct jactivation *act, const struct jnode *node,
                             struct jv over, int64_t depth, enum flow *flow) {
    struct jloop *loop;
    bool more, completed = false;
    TRY(loop_open(in, &loop, outer, node, over, depth));
    for (;;) {
        enum flow inner = FLOW_ON;
        TRY(loop_next(in, loop, &more));
        if (!more) break;
        in->line = node->line;
        TRY(assign(in, act, node->a, loop->current));
        if (node->extended)
            act->slots[node->slot_loop] = (struct jv){.type = J_LOOP, .u.loop = loop};
        TRY(enter_frame(in, act, &node->frame));
        TRY(exec_all(in, act, &node->items, &inner));
        if (inner == FLOW_BREAK) break;
        /* as in Jinja, an iteration cut short by continue doesn't count against else */
        completed = completed || inner == FLOW_ON;
    }
    leave_frame(act, &node->frame);
    if (completed || node->rest.n == 0) return GLASS_OK;
    TRY(enter_frame(in, act, &node->frame_else));
    TRY(exec_all(in, act, &node->rest, flow));
    leave_frame(act, &node->frame_else);
    return GLASS_OK;
}

/* One round of a recursive loop, as text. */
static glass_status run_recursive(struct jinja *in, struct jv *out,
                                  struct jactivation *outer, const struct jnode *node,
                                  struct jv over, int64_t depth) {
    struct jactivation *act;
    struct jbuild *saved = in->out;
    struct jstr *text;
    enum flow flow = FLOW_ON;
    TRY(jinja_enter(in));
    TRY(activate(in, &act, outer, &node->function));
    TRY(jbuild_create(in, &in->out));
    TRY(run_loop(in, outer, act, node, over, depth, &flow));
    TRY(jbuild_finish(in, &text, in->out));
    in->out = saved;
    in->depth--;
    *out = jv_str(text);
    return GLASS_OK;
}

glass_status jloop_call(struct jinja *in, struct jv *out, struct jloop *loop,
                        const struct jargs *args) {
    static const char *const names[] = {"iterable"};
    struct jv over;
    if (!loop->node->recursive)
        return jinja_fail(in, "only a loop marked recursive can be called");
    TRY(jargs_bind(in, &over, args, "loop", names, 1, 1));
    return run_recursive(in, out, loop->act, loop->node, over, loop->depth0 + 1);
}

static glass_status exec_for(struct jinja *in, struct jactivation *act,
                             const struct jnode *node, enum flow *flow) {
    struct jv over, text;
    TRY(jinja_eval(in, &over, act, node->b));
    in->line = node->line;
    if (!node->recursive) return run_loop(in, act, act, node, over, 0, flow);
    TRY(run_recursive(in, &text, act, node, over, 0));
    return jbuild_str(in, in->out, text.u.s);
}

/* ---- macros */

const struct jstr *jmacro_name(const struct jmacro *macro) {
    return macro->node->name;
}

glass_status jmacro_attribute(struct jinja *in, struct jv *out, bool *known,
                              struct jmacro *macro, const struct jstr *name) {
    const struct jnode *node = macro->node;
    struct jlist *list;
    *known = true;
    if (jstr_is(name, "name")) {
        *out = node->name != NULL ? jv_str(node->name) : jv_none();
    } else if (jstr_is(name, "arguments")) {
        TRY(jlist_new(in, &list, node->more.n));
        for (size_t i = 0; i < node->more.n; i++)
            TRY(jlist_push(in, list, jv_str(node->more.items[i]->name)));
        *out = jv_tuple(list, false);
    } else if (jstr_is(name, "catch_kwargs")) {
        *out = jv_bool(node->uses_kwargs);
    } else if (jstr_is(name, "catch_varargs")) {
        *out = jv_bool(node->uses_varargs);
    } else if (jstr_is(name, "caller")) {
        *out = jv_bool(node->uses_caller);
    } else {
        *known = false;
    }
    return GLASS_OK;
}

/* Takes a keyword out of the call's; J_MISSING if it isn't there. */
static struct jv take_keyword(struct jargs *args, const struct jstr *name) {
    for (size_t i = 0; i < args->n_keywords; i++) {
        if (!jstr_same(args->keywords[i].name, name)) continue;
        struct jv value = args->keywords[i].value;
        args->n_keywords--;
        for (size_t k = i; k < args->n_keywords; k++)
            args->keywords[k] = args->keywords[k + 1];
        return value;
    }
    return jv_missing();
}

static glass_status bind_parameters(struct jinja *in, struct jactivation *act,
                                    const struct jnode *node, struct jargs *args) {
    size_t n = node->more.n;
    for (size_t i = 0; i < n; i++) {
        const struct jnode *parameter = node->more.items[i];
        act->slots[parameter->place.slot] =
            i < args->n ? args->items[i] : take_keyword(args, parameter->name);
    }
    if (node->uses_caller) {
        struct jstr name = {.bytes = "caller", .n_bytes = 6};
        struct jv caller = take_keyword(args, &name);
        if (caller.type == J_MISSING || caller.type == J_NONE)
            TRY(jv_undefined(in, &caller, "no caller defined", NULL, NULL));
        act->slots[node->slot_caller] = caller;
    }
    if (node->uses_kwargs) {
        struct jv dict;
        struct jargs keywords = {.keywords = args->keywords,
                                 .n_keywords = args->n_keywords};
        struct jstr name = {.bytes = "dict", .n_bytes = 4};
        TRY(jinja_call(in, &dict, jinja_global(&name), &keywords));
        act->slots[node->slot_kwargs] = dict;
    } else if (args->n_keywords > 0) {
        const struct jstr *name = args->keywords[0].name;
        return jinja_fail(in, "the macro takes no argument '%.*s'",
                          name->n_bytes > 100 ? 100 : (int)name->n_bytes, name->bytes);
    }
    if (!node->uses_varargs && args->n > n)
        return jinja_fail(in, "the macro takes at most %zu arguments, %zu given", n,
                          args->n);
    if (node->uses_varargs) {
        struct jlist *rest;
        TRY(jlist_new(in, &rest, 0));
        for (size_t i = n; i < args->n; i++) TRY(jlist_push(in, rest, args->items[i]));
        act->slots[node->slot_varargs] = jv_tuple(rest, false);
    }
    return GLASS_OK;
}

static glass_status fill_defaults(struct jinja *in, struct jactivation *act,
                                  const struct jnode *node) {
    size_t n = node->more.n, first = n - node->rest.n;
    for (size_t i = 0; i < n; i++) {
        const struct jnode *parameter = node->more.items[i];
        struct jv *to = &act->slots[parameter->place.slot];
        if (to->type != J_MISSING) continue;
        if (i >= first) {
            struct jv value;
            TRY(jinja_eval(in, &value, act, node->rest.items[i - first]));
            *to = value;
        } else {
            TRY(jv_undefined(in, to, "a parameter was not provided", parameter->name,
                             NULL));
        }
    }
    return GLASS_OK;
}

glass_status jmacro_call(struct jinja *in, struct jv *out, struct jmacro *macro,
                         const struct jargs *args) {
    const struct jnode *node = macro->node;
    struct jactivation *act;
    struct jargs left = *args;
    struct jbuild *saved = in->out;
    struct jstr *text;
    enum flow flow = FLOW_ON;
    TRY(jinja_enter(in));
    TRY(activate(in, &act, macro->act, &node->function));
    TRY(bind_parameters(in, act, node, &left));
    TRY(jbuild_create(in, &in->out));
    TRY(enter_frame(in, act, &node->frame));
    TRY(fill_defaults(in, act, node));
    TRY(exec_all(in, act, &node->items, &flow));
    TRY(jbuild_finish(in, &text, in->out));
    in->out = saved;
    in->depth--;
    *out = jv_str(text);
    return GLASS_OK;
}

static glass_status make_macro(struct jinja *in, struct jv *out, struct jactivation *act,
                               const struct jnode *node) {
    struct jmacro *macro;
    TRY(jarena_alloc(in, &macro, 1, sizeof *macro));
    *macro = (struct jmacro){act, node};
    *out = (struct jv){.type = J_MACRO, .u.macro = macro};
    return GLASS_OK;
}

static glass_status exec_call_block(struct jinja *in, struct jactivation *act,
                                    const struct jnode *node) {
    struct jv caller, callee, result;
    struct jargs args = {0};
    TRY(make_macro(in, &caller, act, node));
    if (node->a == NULL) { /* {% generation %} */
        TRY(jinja_call(in, &result, caller, &args));
    } else {
        TRY(jinja_eval(in, &callee, act, node->a->a));
        TRY(jinja_eval_args(in, &args, act, node->a));
        in->line = node->line;
        struct jstr *name;
        TRY(jstr_borrow(in, &name, "caller", 6, false));
        args.keywords[args.n_keywords++] = (struct jkeyword){name, caller};
        TRY(jinja_call(in, &result, callee, &args));
    }
    return jv_write(in, in->out, result);
}

/* ---- other statements */

static glass_status check_namespaces(struct jinja *in, struct jactivation *act,
                                     const struct jnode *target) {
    if (target->kind == N_NSREF && slot(act, target->place)->type != J_NAMESPACE)
        return jinja_fail(in,
                          "can't assign an attribute of something that is no namespace");
    for (size_t i = 0; target->kind == N_TUPLE && i < target->items.n; i++)
        TRY(check_namespaces(in, act, target->items.items[i]));
    return GLASS_OK;
}

static glass_status exec_set(struct jinja *in, struct jactivation *act,
                             const struct jnode *node) {
    struct jv value;
    TRY(check_namespaces(in, act, node->a));
    TRY(jinja_eval(in, &value, act, node->b));
    in->line = node->line;
    return assign(in, act, node->a, value);
}

/* The innermost filter of a filter block or set block takes the block's text. */
static glass_status apply_filters(struct jinja *in, struct jv *out, struct jactivation *act,
                                  const struct jnode *node, struct jv text) {
    const struct jfilter_row *row = node->row;
    struct jargs args;
    *out = text;
    if (node->a != NULL) TRY(apply_filters(in, out, act, node->a, text));
    in->line = node->line;
    if (row == NULL)
        return jinja_fail(in, "there is no filter named '%.*s'",
                          (int)node->attribute->n_bytes, node->attribute->bytes);
    struct jv value = *out;
    TRY(jinja_eval_args(in, &args, act, node));
    return row->call(in, out, value, &args, row->name);
}

/* Runs the statements of a scope and gives their text; nothing if they were left early. */
static glass_status capture(struct jinja *in, struct jv *out, struct jactivation *act,
                            const struct jnode *node, enum flow *flow) {
    struct jbuild *saved = in->out;
    struct jstr *text;
    TRY(enter_frame(in, act, &node->frame));
    TRY(jbuild_create(in, &in->out));
    TRY(exec_all(in, act, &node->items, flow));
    TRY(jbuild_finish(in, &text, in->out));
    in->out = saved;
    *out = jv_str(text);
    if (*flow == FLOW_ON && node->b != NULL)
        TRY(apply_filters(in, out, act, node->b, *out));
    return GLASS_OK;
}

static glass_status exec_capture(struct jinja *in, struct jactivation *act,
                                 const struct jnode *node, enum flow *flow) {
    struct jv text;
    if (node->kind == N_SETBLOCK) TRY(check_namespaces(in, act, node->a));
    TRY(capture(in, &text, act, node, flow));
    if (*flow != FLOW_ON) return GLASS_OK;
    in->line = node->line;
    if (node->kind == N_SETBLOCK) {
        TRY(assign(in, act, node->a, text));
    } else {
        TRY(jv_write(in, in->out, text));
    }
    leave_frame(act, &node->frame);
    return GLASS_OK;
}

static glass_status exec_with(struct jinja *in, struct jactivation *act,
                              const struct jnode *node, enum flow *flow) {
    TRY(enter_frame(in, act, &node->frame));
    for (size_t i = 0; i < node->more.n; i++) {
        struct jv value;
        TRY(jinja_eval(in, &value, act, node->rest.items[i]));
        TRY(assign(in, act, node->more.items[i], value));
    }
    TRY(exec_all(in, act, &node->items, flow));
    if (*flow == FLOW_ON) leave_frame(act, &node->frame);
    return GLASS_OK;
}

static glass_status exec_if(struct jinja *in, struct jactivation *act,
                            const struct jnode *node, enum flow *flow) {
    struct jv test;
    bool yes;
    const struct jnode *branch = node;
    for (size_t i = 0;; i++) {
        TRY(jinja_eval(in, &test, act, branch->a));
        TRY(jv_truth(in, &yes, test));
        if (yes) return exec_all(in, act, &branch->items, flow);
        if (i == node->more.n) break;
        branch = node->more.items[i];
    }
    return exec_all(in, act, &node->rest, flow);
}

static glass_status exec_output(struct jinja *in, struct jactivation *act,
                                const struct jnode *node) {
    for (size_t i = 0; i < node->items.n; i++) {
        const struct jnode *item = node->items.items[i];
        struct jv value;
        TRY(jinja_eval(in, &value, act, item));
        in->line = item->line;
        TRY(jv_write(in, in->out, value));
    }
    if (in->out->n > JINJA_OUTPUT)
        return jinja_fail(in, "the output is longer than %zu MiB", JINJA_OUTPUT >> 20);
    return GLASS_OK;
}

static glass_status exec(struct jinja *in, struct jactivation *act,
                         const struct jnode *node, enum flow *flow) {
    struct jv value;
    in->line = node->line;
    switch (node->kind) {
    case N_OUTPUT: return exec_output(in, act, node);
    case N_FOR: return exec_for(in, act, node, flow);
    case N_IF: return exec_if(in, act, node, flow);
    case N_SET: return exec_set(in, act, node);
    case N_SETBLOCK:
    case N_FILTERBLOCK: return exec_capture(in, act, node, flow);
    case N_MACRO:
        TRY(make_macro(in, &value, act, node));
        *slot(act, node->place) = value;
        return GLASS_OK;
    case N_CALLBLOCK: return exec_call_block(in, act, node);
    case N_WITH: return exec_with(in, act, node, flow);
    case N_BREAK: *flow = FLOW_BREAK; return GLASS_OK;
    case N_CONTINUE: *flow = FLOW_CONTINUE; return GLASS_OK;
    default: return jinja_fail(in, "this is no statement");
    }
}

static glass_status exec_all(struct jinja *in, struct jactivation *act,
                             const struct jnodes *nodes, enum flow *flow) {
    TRY(jinja_enter(in));
    for (size_t i = 0; i < nodes->n && *flow == FLOW_ON; i++) {
        TRY(jinja_charge(in, 1));
        TRY(exec(in, act, nodes->items[i], flow));
    }
    in->depth--;
    return GLASS_OK;
}

glass_status jinja_run(struct jinja *in, const struct jprogram *program) {
    struct jactivation *act;
    enum flow flow = FLOW_ON;
    TRY(activate(in, &act, NULL, &program->function));
    TRY(enter_frame(in, act, &program->frame));
    return exec_all(in, act, &program->body, &flow);
}
