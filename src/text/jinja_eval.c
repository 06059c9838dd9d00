/* jinja_eval.c - expressions. */
#include "text/jinja_ast.h"
#include "text/jinja_run.h"

static struct jv *slot(struct jactivation *act, struct jplace place) {
    while (place.hops > 0) {
        act = act->outer;
        place.hops--;
    }
    return &act->slots[place.slot];
}

static glass_status eval_name(struct jinja *in, struct jv *out, struct jactivation *act,
                              const struct jnode *node) {
    *out = *slot(act, node->place);
    if (out->type != J_MISSING) return GLASS_OK;
    return jv_undefined(in, out, NULL, node->name, NULL);
}

static glass_status eval_items(struct jinja *in, struct jlist **out,
                               struct jactivation *act, const struct jnodes *items) {
    struct jv item;
    TRY(jlist_new(in, out, items->n));
    for (size_t i = 0; i < items->n; i++) {
        TRY(jinja_eval(in, &item, act, items->items[i]));
        TRY(jlist_push(in, *out, item));
    }
    return GLASS_OK;
}

static glass_status eval_dict(struct jinja *in, struct jv *out, struct jactivation *act,
                              const struct jnode *node) {
    struct jv key, value;
    struct jdict *dict;
    TRY(jdict_new(in, &dict));
    for (size_t i = 0; i + 1 < node->items.n; i += 2) {
        TRY(jinja_eval(in, &key, act, node->items.items[i]));
        TRY(jinja_eval(in, &value, act, node->items.items[i + 1]));
        TRY(jdict_set(in, dict, key, value));
    }
    *out = (struct jv){.type = J_DICT, .u.dict = dict};
    return GLASS_OK;
}

static glass_status eval_condition(struct jinja *in, struct jv *out,
                                   struct jactivation *act, const struct jnode *node) {
    bool yes;
    TRY(jinja_eval(in, out, act, node->b));
    TRY(jv_truth(in, &yes, *out));
    if (yes) return jinja_eval(in, out, act, node->a);
    if (node->c != NULL) return jinja_eval(in, out, act, node->c);
    return jv_undefined(
        in, out, "the inline if was false and has no else, so it has no value", NULL, NULL);
}

/* ---- operators */

static glass_status add_strings(struct jinja *in, struct jv *out, struct jstr *a,
                                struct jstr *b) {
    struct jstr *r;
    bool markup = a->markup || b->markup;
    if (markup) {
        TRY(jstr_escape(in, &a, a));
        TRY(jstr_escape(in, &b, b));
    }
    TRY(jstr_concat(in, &r, a, b));
    r->markup = markup;
    *out = jv_str(r);
    return GLASS_OK;
}

static glass_status repeat(struct jinja *in, struct jv *out, struct jv v, int64_t count) {
    struct jbuild b = {0};
    struct jlist *list;
    if (count < 0) count = 0;
    if (v.type == J_STR) {
        TRY(jinja_charge(in, v.u.s->n_bytes == 0 ? 0 : (size_t)count));
        for (int64_t i = 0; v.u.s->n_bytes > 0 && i < count; i++)
            TRY(jbuild_str(in, &b, v.u.s));
        struct jstr *s;
        TRY(jbuild_finish(in, &s, &b));
        s->markup = v.u.s->markup;
        *out = jv_str(s);
        return GLASS_OK;
    }
    TRY(jlist_new(in, &list, 0));
    for (int64_t i = 0; v.u.list->n > 0 && i < count; i++) {
        TRY(jinja_charge(in, v.u.list->n));
        for (size_t k = 0; k < v.u.list->n; k++)
            TRY(jlist_push(in, list, v.u.list->items[k]));
    }
    *out = v.type == J_LIST ? jv_list(list, v.plain) : jv_tuple(list, v.plain);
    return GLASS_OK;
}

static bool is_sequence(struct jv v) {
    return v.type == J_STR || v.type == J_LIST || v.type == J_TUPLE;
}

glass_status jinja_binary(struct jinja *in, struct jv *out, enum jop op, struct jv a,
                          struct jv b) {
    static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "**"};
    if (jv_is_number(a) && jv_is_number(b)) return jinja_arithmetic(in, out, op, a, b);
    /* "%s" % undefined prints nothing; every other operation on undefined raises */
    if (op == JOP_MOD && a.type == J_STR) return jinja_percent(in, out, a.u.s, b);
    if (a.type == J_UNDEFINED) return jv_fail_undefined(in, a);
    if (b.type == J_UNDEFINED) return jv_fail_undefined(in, b);
    if (op == JOP_ADD && a.type == J_STR && b.type == J_STR)
        return add_strings(in, out, a.u.s, b.u.s);
    if (op == JOP_ADD && a.type == b.type && (a.type == J_LIST || a.type == J_TUPLE)) {
        struct jlist *list;
        TRY(jlist_join(in, &list, a.u.list, b.u.list));
        bool plain = a.plain || b.plain;
        *out = a.type == J_LIST ? jv_list(list, plain) : jv_tuple(list, plain);
        return GLASS_OK;
    }
    if (op == JOP_MUL && is_sequence(a) && jv_is_int(b))
        return repeat(in, out, a, jv_int_value(b));
    if (op == JOP_MUL && is_sequence(b) && jv_is_int(a))
        return repeat(in, out, b, jv_int_value(a));
    return jinja_fail(in, "unsupported operands for %s: %s and %s", signs[op],
                      jv_type_name(a), jv_type_name(b));
}

static glass_status compare(struct jinja *in, bool *out, enum jcompare op, struct jv a,
                            struct jv b) {
    switch (op) {
    case CMP_EQ: return jv_equal(in, out, a, b);
    case CMP_NE:
        TRY(jv_equal(in, out, a, b));
        *out = !*out;
        return GLASS_OK;
    case CMP_LT: return jv_less(in, out, a, b, false);
    case CMP_LE: return jv_less(in, out, a, b, true);
    case CMP_GT: return jv_less(in, out, b, a, false);
    case CMP_GE: return jv_less(in, out, b, a, true);
    case CMP_IN: return jv_contains(in, out, a, b);
    case CMP_NOTIN: break;
    }
    TRY(jv_contains(in, out, a, b));
    *out = !*out;
    return GLASS_OK;
}

static glass_status eval_compare(struct jinja *in, struct jv *out, struct jactivation *act,
                                 const struct jnode *node) {
    struct jv left, right;
    bool yes = true;
    TRY(jinja_eval(in, &left, act, node->a));
    for (size_t i = 0; yes && i < node->items.n; i++) {
        TRY(jinja_eval(in, &right, act, node->items.items[i]));
        in->line = node->line;
        TRY(compare(in, &yes, (enum jcompare)node->ops[i], left, right));
        left = right;
    }
    *out = jv_bool(yes);
    return GLASS_OK;
}

static glass_status eval_concat(struct jinja *in, struct jv *out, struct jactivation *act,
                                const struct jnode *node) {
    struct jstr *s;
    struct jv item;
    TRY(jinja_eval(in, &item, act, node->items.items[0]));
    TRY(jv_to_str(in, &s, item));
    for (size_t i = 1; i < node->items.n; i++) {
        struct jstr *next;
        TRY(jinja_eval(in, &item, act, node->items.items[i]));
        in->line = node->line;
        TRY(jv_to_str(in, &next, item));
        TRY(jstr_concat(in, &s, s, next));
    }
    *out = jv_str(s);
    return GLASS_OK;
}

static glass_status eval_slice(struct jinja *in, struct jv *out, struct jactivation *act,
                               struct jv v, const struct jnode *slice) {
    struct jv bounds[3] = {jv_none(), jv_none(), jv_none()};
    const struct jnode *nodes[3] = {slice->a, slice->b, slice->c};
    for (int i = 0; i < 3; i++)
        if (nodes[i] != NULL) TRY(jinja_eval(in, &bounds[i], act, nodes[i]));
    in->line = slice->line;
    return jinja_slice(in, out, v, bounds[0], bounds[1], bounds[2]);
}

static glass_status eval_getitem(struct jinja *in, struct jv *out, struct jactivation *act,
                                 const struct jnode *node) {
    struct jv v, key;
    TRY(jinja_eval(in, &v, act, node->a));
    if (node->b->kind == N_SLICE) return eval_slice(in, out, act, v, node->b);
    TRY(jinja_eval(in, &key, act, node->b));
    in->line = node->line;
    return jinja_getitem(in, out, v, key);
}

/* ---- calls */

static glass_status spread_positional(struct jinja *in, struct jargs *args, struct jv v) {
    struct jlist *more;
    TRY(jv_collect(in, &more, v));
    TRY(jarena_grow(in, &args->items, args->n, args->n + more->n, sizeof *args->items));
    for (size_t i = 0; i < more->n; i++) args->items[args->n++] = more->items[i];
    return GLASS_OK;
}

static glass_status spread_keywords(struct jinja *in, struct jargs *args, struct jv v) {
    if (v.type != J_DICT) return jinja_fail(in, "** needs a dict, not %s", jv_type_name(v));
    const struct jdict *dict = v.u.dict;
    /* one more stays free for a call block's caller */
    TRY(jarena_grow(in, &args->keywords, args->n_keywords + 1,
                    args->n_keywords + dict->n + 1, sizeof *args->keywords));
    for (size_t i = 0; i < dict->n; i++) {
        if (dict->keys[i].type != J_STR) return jinja_fail(in, "keywords must be strings");
        for (size_t k = 0; k < args->n_keywords; k++) {
            TRY(jinja_charge(in, 1));
            if (jstr_same(args->keywords[k].name, dict->keys[i].u.s))
                return jinja_fail(in, "a keyword argument is given twice");
        }
        args->keywords[args->n_keywords++] =
            (struct jkeyword){dict->keys[i].u.s, dict->values[i]};
    }
    return GLASS_OK;
}

glass_status jinja_eval_args(struct jinja *in, struct jargs *out, struct jactivation *act,
                             const struct jnode *node) {
    const struct jcall *call = node->call;
    struct jv extra;
    *out = (struct jargs){.n = call->args.n, .n_keywords = call->keyword_values.n};
    TRY(jarena_alloc(in, &out->items, out->n, sizeof *out->items));
    TRY(jarena_alloc(in, &out->keywords, out->n_keywords + 1, sizeof *out->keywords));
    for (size_t i = 0; i < out->n; i++)
        TRY(jinja_eval(in, &out->items[i], act, call->args.items[i]));
    for (size_t i = 0; i < out->n_keywords; i++) {
        out->keywords[i].name = call->keywords[i];
        TRY(jinja_eval(in, &out->keywords[i].value, act, call->keyword_values.items[i]));
    }
    if (call->star != NULL) {
        TRY(jinja_eval(in, &extra, act, call->star));
        in->line = node->line;
        TRY(spread_positional(in, out, extra));
    }
    if (call->star_star != NULL) {
        TRY(jinja_eval(in, &extra, act, call->star_star));
        in->line = node->line;
        TRY(spread_keywords(in, out, extra));
    }
    return GLASS_OK;
}

static glass_status eval_call(struct jinja *in, struct jv *out, struct jactivation *act,
                              const struct jnode *node) {
    struct jv callee;
    struct jargs args;
    TRY(jinja_eval(in, &callee, act, node->a));
    TRY(jinja_eval_args(in, &args, act, node));
    in->line = node->line;
    return jinja_call(in, out, callee, &args);
}

static glass_status eval_filter(struct jinja *in, struct jv *out, struct jactivation *act,
                                const struct jnode *node) {
    const struct jfilter_row *row = node->row;
    struct jv v;
    struct jargs args;
    if (row == NULL) {
        in->line = node->line;
        return jinja_fail(in, "there is no filter named '%.*s'",
                          (int)node->attribute->n_bytes, node->attribute->bytes);
    }
    TRY(jinja_eval(in, &v, act, node->a));
    TRY(jinja_eval_args(in, &args, act, node));
    in->line = node->line;
    return row->call(in, out, v, &args, row->name);
}

static glass_status eval_test(struct jinja *in, struct jv *out, struct jactivation *act,
                              const struct jnode *node) {
    const struct jtest_row *row = node->row;
    struct jv v;
    struct jargs args;
    bool yes;
    if (row == NULL) {
        in->line = node->line;
        return jinja_fail(in, "there is no test named '%.*s'",
                          (int)node->attribute->n_bytes, node->attribute->bytes);
    }
    TRY(jinja_eval(in, &v, act, node->a));
    TRY(jinja_eval_args(in, &args, act, node));
    in->line = node->line;
    TRY(row->call(in, &yes, v, &args, row->name));
    *out = jv_bool(yes);
    return GLASS_OK;
}

/* ---- the rest */

static glass_status eval_and_or(struct jinja *in, struct jv *out, struct jactivation *act,
                                const struct jnode *node) {
    bool yes;
    TRY(jinja_eval(in, out, act, node->a));
    TRY(jv_truth(in, &yes, *out));
    if (yes == (node->kind == N_AND)) return jinja_eval(in, out, act, node->b);
    return GLASS_OK;
}

static glass_status eval_not(struct jinja *in, struct jv *out, struct jactivation *act,
                             const struct jnode *node) {
    bool yes;
    TRY(jinja_eval(in, out, act, node->a));
    TRY(jv_truth(in, &yes, *out));
    *out = jv_bool(!yes);
    return GLASS_OK;
}

static glass_status eval_sign(struct jinja *in, struct jv *out, struct jactivation *act,
                              const struct jnode *node) {
    struct jv v;
    TRY(jinja_eval(in, &v, act, node->a));
    in->line = node->line;
    if (v.type == J_UNDEFINED) return jv_fail_undefined(in, v);
    return jinja_negate(in, out, v, node->kind == N_NEGATE);
}

static glass_status eval_binary(struct jinja *in, struct jv *out, struct jactivation *act,
                                const struct jnode *node) {
    struct jv a, b;
    TRY(jinja_eval(in, &a, act, node->a));
    TRY(jinja_eval(in, &b, act, node->b));
    in->line = node->line;
    return jinja_binary(in, out, (enum jop)node->op, a, b);
}

static glass_status eval_getattr(struct jinja *in, struct jv *out, struct jactivation *act,
                                 const struct jnode *node) {
    struct jv v;
    TRY(jinja_eval(in, &v, act, node->a));
    in->line = node->line;
    return jinja_getattr(in, out, v, node->attribute);
}

static glass_status eval_sequence(struct jinja *in, struct jv *out, struct jactivation *act,
                                  const struct jnode *node) {
    struct jlist *list;
    TRY(eval_items(in, &list, act, &node->items));
    *out = node->kind == N_LIST ? jv_list(list, false) : jv_tuple(list, false);
    return GLASS_OK;
}

static glass_status eval_node(struct jinja *in, struct jv *out, struct jactivation *act,
                              const struct jnode *node) {
    switch (node->kind) {
    case N_CONST: *out = node->value; return GLASS_OK;
    case N_NAME: return eval_name(in, out, act, node);
    case N_TUPLE:
    case N_LIST: return eval_sequence(in, out, act, node);
    case N_DICT: return eval_dict(in, out, act, node);
    case N_COND: return eval_condition(in, out, act, node);
    case N_BINARY: return eval_binary(in, out, act, node);
    case N_AND:
    case N_OR: return eval_and_or(in, out, act, node);
    case N_NOT: return eval_not(in, out, act, node);
    case N_NEGATE:
    case N_POSITIVE: return eval_sign(in, out, act, node);
    case N_COMPARE: return eval_compare(in, out, act, node);
    case N_CONCAT: return eval_concat(in, out, act, node);
    case N_GETATTR: return eval_getattr(in, out, act, node);
    case N_GETITEM: return eval_getitem(in, out, act, node);
    case N_CALL: return eval_call(in, out, act, node);
    case N_FILTER: return eval_filter(in, out, act, node);
    case N_TEST: return eval_test(in, out, act, node);
    default: return jinja_fail(in, "this is no expression");
    }
}

glass_status jinja_eval(struct jinja *in, struct jv *out, struct jactivation *act,
                        const struct jnode *node) {
    TRY(jinja_charge(in, 1));
    TRY(jinja_enter(in));
    TRY(eval_node(in, out, act, node));
    in->depth--;
    return GLASS_OK;
}
