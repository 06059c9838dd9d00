/* jinja_parse_expr.c - expressions, by Jinja's precedence: condition, or, and, not,
 * comparison, + -, ~, * / // %, **, unary, then attributes, calls, filters and tests. */
#include "text/jinja_parse.h"

#include <string.h>

/* Left-leaning chains make trees as deep as they are long; evaluation recurses into them. */
static glass_status set_height(struct jparser *p, struct jnode *node) {
    int height = 0;
    const struct jnode *below[] = {node->a, node->b, node->c};
    for (int i = 0; i < 3; i++)
        if (below[i] != NULL && below[i]->height > height) height = below[i]->height;
    node->height = height + 1;
    if (node->height > JINJA_HEIGHT)
        return jinja_fail(p->in, "an expression is nested more than %d deep",
                          (int)JINJA_HEIGHT);
    return GLASS_OK;
}

static glass_status make(struct jparser *p, struct jnode **out, enum jkind kind, int line,
                         struct jnode *a, struct jnode *b, struct jnode *c) {
    TRY(jnode_new(p, out, kind, line));
    (*out)->a = a;
    (*out)->b = b;
    (*out)->c = c;
    return set_height(p, *out);
}

static glass_status parse_unary(struct jparser *p, struct jnode **out, bool filters);

/* ---- primaries */

static glass_status parse_list(struct jparser *p, struct jnode **out) {
    struct jnode *item;
    TRY(jnode_new(p, out, N_LIST, jparse_next(p)->line));
    while (jparse_now(p)->type != T_RBRACKET) {
        if ((*out)->items.n > 0) TRY(jparse_expect(p, T_COMMA));
        if (jparse_now(p)->type == T_RBRACKET) break;
        TRY(jparse_expression(p, &item, true));
        TRY(jnodes_push(p, &(*out)->items, item));
    }
    return jparse_expect(p, T_RBRACKET);
}

static glass_status parse_dict(struct jparser *p, struct jnode **out) {
    struct jnode *key, *value;
    TRY(jnode_new(p, out, N_DICT, jparse_next(p)->line));
    while (jparse_now(p)->type != T_RBRACE) {
        if ((*out)->items.n > 0) TRY(jparse_expect(p, T_COMMA));
        if (jparse_now(p)->type == T_RBRACE) break;
        TRY(jparse_expression(p, &key, true));
        TRY(jparse_expect(p, T_COLON));
        TRY(jparse_expression(p, &value, true));
        TRY(jnodes_push(p, &(*out)->items, key));
        TRY(jnodes_push(p, &(*out)->items, value));
    }
    return jparse_expect(p, T_RBRACE);
}

static glass_status parse_name(struct jparser *p, struct jnode **out, bool namespaces) {
    const struct jtoken *token = jparse_next(p);
    const struct jstr *name = token->u.text;
    TRY(jnode_new(p, out, N_CONST, token->line));
    if (jstr_is(name, "true") || jstr_is(name, "True")) {
        (*out)->value = jv_bool(true);
    } else if (jstr_is(name, "false") || jstr_is(name, "False")) {
        (*out)->value = jv_bool(false);
    } else if (jstr_is(name, "none") || jstr_is(name, "None")) {
        (*out)->value = jv_none();
    } else {
        (*out)->kind = N_NAME;
        (*out)->context = LOAD;
        (*out)->name = token->u.text;
        if (namespaces && jparse_skip(p, T_DOT)) {
            (*out)->kind = N_NSREF;
            return jparse_expect_name(p, &(*out)->attribute);
        }
    }
    return GLASS_OK;
}

static glass_status parse_string(struct jparser *p, struct jnode **out) {
    const struct jtoken *token = jparse_next(p);
    struct jstr *text = token->u.text;
    TRY(jnode_new(p, out, N_CONST, token->line));
    while (jparse_now(p)->type == T_STRING)
        TRY(jstr_concat(p->in, &text, text, jparse_next(p)->u.text));
    /* a constant is shared by renders: nothing may grow into it */
    text->build = NULL;
    (*out)->value = jv_str(text);
    return GLASS_OK;
}

static glass_status parse_primary(struct jparser *p, struct jnode **out, bool namespaces) {
    const struct jtoken *token = jparse_now(p);
    switch (token->type) {
    case T_NAME: return parse_name(p, out, namespaces);
    case T_STRING: return parse_string(p, out);
    case T_INTEGER:
    case T_FLOAT:
        jparse_next(p);
        TRY(jnode_new(p, out, N_CONST, token->line));
        (*out)->value = token->type == T_FLOAT ? jv_float(token->u.d) : jv_int(token->u.i);
        return GLASS_OK;
    case T_LPAREN:
        jparse_next(p);
        TRY(jparse_tuple(p, out,
                         &(struct jtuple_style){.condition = true, .parentheses = true}));
        return jparse_expect(p, T_RPAREN);
    case T_LBRACKET: return parse_list(p, out);
    case T_LBRACE: return parse_dict(p, out);
    default: return jparse_unexpected(p, "an expression");
    }
}

static bool tuple_ends(const struct jparser *p, const char *end) {
    const struct jtoken *token = jparse_now(p);
    return token->type == T_VARIABLE_END || token->type == T_BLOCK_END ||
           token->type == T_RPAREN || (end != NULL && jparse_is_name(token, end));
}

glass_status jparse_tuple(struct jparser *p, struct jnode **out,
                          const struct jtuple_style *style) {
    struct jnode *item = NULL;
    struct jnodes items = {0};
    bool is_tuple = false;
    int line = jparse_now(p)->line;
    TRY(jparse_enter(p));
    for (;;) {
        if (items.n > 0) TRY(jparse_expect(p, T_COMMA));
        if (tuple_ends(p, style->end)) break;
        if (style->primary) {
            TRY(parse_primary(p, &item, style->namespaces));
        } else {
            TRY(jparse_expression(p, &item, style->condition));
        }
        TRY(jnodes_push(p, &items, item));
        if (jparse_now(p)->type != T_COMMA) break;
        is_tuple = true;
    }
    p->depth--;
    if (!is_tuple && items.n > 0) {
        *out = item;
        return GLASS_OK;
    }
    if (!is_tuple && !style->parentheses) return jparse_unexpected(p, "an expression");
    TRY(jnode_new(p, out, N_TUPLE, line));
    (*out)->items = items;
    (*out)->context = LOAD;
    return GLASS_OK;
}

/* ---- attributes, items, calls */

static glass_status parse_subscribed(struct jparser *p, struct jnode **out) {
    int line = jparse_now(p)->line;
    struct jnode *parts[3] = {NULL, NULL, NULL};
    if (jparse_now(p)->type != T_COLON) {
        TRY(jparse_expression(p, &parts[0], true));
        if (jparse_now(p)->type != T_COLON) {
            *out = parts[0];
            return GLASS_OK;
        }
    }
    for (int i = 1; i < 3 && jparse_skip(p, T_COLON); i++) {
        enum jtoken_type type = jparse_now(p)->type;
        if (type != T_COLON && type != T_RBRACKET && type != T_COMMA)
            TRY(jparse_expression(p, &parts[i], true));
    }
    return make(p, out, N_SLICE, line, parts[0], parts[1], parts[2]);
}

static glass_status parse_item(struct jparser *p, struct jnode **out, struct jnode *node,
                               int line) {
    struct jnode *index, *tuple;
    TRY(jnode_new(p, &tuple, N_TUPLE, line));
    while (jparse_now(p)->type != T_RBRACKET) {
        if (tuple->items.n > 0) TRY(jparse_expect(p, T_COMMA));
        TRY(parse_subscribed(p, &index));
        if (index->kind == N_SLICE &&
            (tuple->items.n > 0 || jparse_now(p)->type == T_COMMA))
            return jinja_fail(p->in, "slices of several dimensions are not supported");
        TRY(jnodes_push(p, &tuple->items, index));
    }
    TRY(jparse_expect(p, T_RBRACKET));
    return make(p, out, N_GETITEM, line, node, tuple->items.n == 1 ? index : tuple, NULL);
}

static glass_status parse_subscript(struct jparser *p, struct jnode **out,
                                    struct jnode *node) {
    const struct jtoken *token = jparse_next(p), *name;
    if (token->type == T_LBRACKET) return parse_item(p, out, node, token->line);
    name = jparse_next(p);
    if (name->type == T_NAME) {
        TRY(make(p, out, N_GETATTR, token->line, node, NULL, NULL));
        (*out)->attribute = name->u.text;
        return GLASS_OK;
    }
    if (name->type != T_INTEGER)
        return jinja_fail(p->in, "expected a name or number after .");
    struct jnode *index;
    TRY(jnode_new(p, &index, N_CONST, name->line));
    index->value = jv_int(name->u.i);
    return make(p, out, N_GETITEM, token->line, node, index, NULL);
}

static glass_status parse_keyword(struct jparser *p, struct jcall *call) {
    struct jnode *value;
    struct jstr *name = jparse_next(p)->u.text;
    for (size_t i = 0; i < call->keyword_values.n; i++)
        if (jstr_same(call->keywords[i], name))
            return jinja_fail(p->in, "a keyword argument is given twice");
    jparse_next(p);
    TRY(jparse_expression(p, &value, true));
    size_t n = call->keyword_values.n;
    TRY(jarena_grow(p->in, &call->keywords, n, n + 1, sizeof *call->keywords));
    call->keywords[n] = name;
    return jnodes_push(p, &call->keyword_values, value);
}

static glass_status parse_argument(struct jparser *p, struct jcall *call) {
    const char *bad = "arguments are in the wrong order";
    struct jnode *value;
    if (jparse_now(p)->type == T_MUL) {
        if (call->star != NULL || call->star_star != NULL)
            return jinja_fail(p->in, "%s", bad);
        jparse_next(p);
        return jparse_expression(p, &call->star, true);
    }
    if (call->star_star != NULL) return jinja_fail(p->in, "%s", bad);
    if (jparse_now(p)->type == T_POW) {
        jparse_next(p);
        return jparse_expression(p, &call->star_star, true);
    }
    if (jparse_now(p)->type == T_NAME && jparse_ahead(p)->type == T_ASSIGN)
        return parse_keyword(p, call);
    if (call->star != NULL || call->keyword_values.n > 0)
        return jinja_fail(p->in, "%s", bad);
    TRY(jparse_expression(p, &value, true));
    return jnodes_push(p, &call->args, value);
}

static glass_status parse_call_args(struct jparser *p, struct jcall **out) {
    bool comma = false;
    TRY(jarena_alloc(p->in, out, 1, sizeof **out));
    TRY(jparse_expect(p, T_LPAREN));
    while (jparse_now(p)->type != T_RPAREN) {
        if (comma) {
            TRY(jparse_expect(p, T_COMMA));
            if (jparse_now(p)->type == T_RPAREN) break;
        }
        TRY(parse_argument(p, *out));
        comma = true;
    }
    return jparse_expect(p, T_RPAREN);
}

static glass_status parse_call(struct jparser *p, struct jnode **out, struct jnode *node) {
    TRY(make(p, out, N_CALL, jparse_now(p)->line, node, NULL, NULL));
    return parse_call_args(p, &(*out)->call);
}

static glass_status parse_postfix(struct jparser *p, struct jnode **node) {
    for (;;) {
        switch (jparse_now(p)->type) {
        case T_DOT:
        case T_LBRACKET: TRY(parse_subscript(p, node, *node)); break;
        case T_LPAREN: TRY(parse_call(p, node, *node)); break;
        default: return GLASS_OK;
        }
    }
}

/* ---- filters and tests */

static glass_status parse_dotted(struct jparser *p, struct jstr **out) {
    TRY(jparse_expect_name(p, out));
    if (jparse_now(p)->type == T_DOT)
        return jinja_fail(p->in,
                          "a filter or test with a dot in its name is not supported");
    return GLASS_OK;
}

glass_status jparse_filters(struct jparser *p, struct jnode **out, struct jnode *node,
                            bool started) {
    *out = node;
    while (started || jparse_now(p)->type == T_PIPE) {
        if (!started) jparse_next(p);
        started = false;
        TRY(make(p, out, N_FILTER, jparse_now(p)->line, *out, NULL, NULL));
        TRY(parse_dotted(p, &(*out)->attribute));
        if (jparse_now(p)->type == T_LPAREN) {
            TRY(parse_call_args(p, &(*out)->call));
        } else {
            TRY(jarena_alloc(p->in, &(*out)->call, 1, sizeof *(*out)->call));
        }
    }
    return GLASS_OK;
}

static glass_status parse_test(struct jparser *p, struct jnode **out, struct jnode *node) {
    int line = jparse_next(p)->line;
    bool negated = jparse_skip_name(p, "not");
    TRY(make(p, out, N_TEST, line, node, NULL, NULL));
    TRY(parse_dotted(p, &(*out)->attribute));
    const struct jtoken *token = jparse_now(p);
    bool word = token->type == T_NAME && !jparse_is_name(token, "else") &&
                !jparse_is_name(token, "or") && !jparse_is_name(token, "and");
    if (token->type == T_LPAREN) {
        TRY(parse_call_args(p, &(*out)->call));
    } else {
        TRY(jarena_alloc(p->in, &(*out)->call, 1, sizeof *(*out)->call));
        if (word || token->type == T_STRING || token->type == T_INTEGER ||
            token->type == T_FLOAT || token->type == T_LBRACKET ||
            token->type == T_LBRACE) {
            struct jnode *argument;
            if (jparse_is_name(token, "is"))
                return jinja_fail(p->in, "tests can't be chained with is");
            TRY(parse_primary(p, &argument, false));
            TRY(parse_postfix(p, &argument));
            TRY(jnodes_push(p, &(*out)->call->args, argument));
        }
    }
    return negated ? make(p, out, N_NOT, line, *out, NULL, NULL) : GLASS_OK;
}

static glass_status parse_filter_expr(struct jparser *p, struct jnode **node) {
    for (;;) {
        const struct jtoken *token = jparse_now(p);
        if (token->type == T_PIPE) {
            TRY(jparse_filters(p, node, *node, false));
        } else if (jparse_is_name(token, "is")) {
            TRY(parse_test(p, node, *node));
        } else if (token->type == T_LPAREN) {
            TRY(parse_call(p, node, *node));
        } else {
            return GLASS_OK;
        }
    }
}

/* ---- operators */

static glass_status parse_unary(struct jparser *p, struct jnode **out, bool filters) {
    const struct jtoken *token = jparse_now(p);
    TRY(jparse_enter(p));
    if (token->type == T_SUB || token->type == T_ADD) {
        jparse_next(p);
        TRY(parse_unary(p, out, false));
        TRY(make(p, out, token->type == T_SUB ? N_NEGATE : N_POSITIVE, token->line, *out,
                 NULL, NULL));
    } else {
        TRY(parse_primary(p, out, false));
    }
    TRY(parse_postfix(p, out));
    if (filters) TRY(parse_filter_expr(p, out));
    p->depth--;
    return GLASS_OK;
}

static glass_status parse_power(struct jparser *p, struct jnode **out) {
    struct jnode *right;
    TRY(parse_unary(p, out, true));
    while (jparse_now(p)->type == T_POW) {
        int line = jparse_next(p)->line;
        TRY(parse_unary(p, &right, true));
        TRY(make(p, out, N_BINARY, line, *out, right, NULL));
        (*out)->op = JOP_POW;
    }
    return GLASS_OK;
}

static glass_status parse_product(struct jparser *p, struct jnode **out) {
    struct jnode *right;
    TRY(parse_power(p, out));
    for (;;) {
        enum jtoken_type type = jparse_now(p)->type;
        if (type != T_MUL && type != T_DIV && type != T_FLOORDIV && type != T_MOD)
            return GLASS_OK;
        int line = jparse_next(p)->line;
        TRY(parse_power(p, &right));
        TRY(make(p, out, N_BINARY, line, *out, right, NULL));
        (*out)->op = type == T_MUL        ? JOP_MUL
                     : type == T_DIV      ? JOP_DIV
                     : type == T_FLOORDIV ? JOP_FLOORDIV
                                          : JOP_MOD;
    }
}

static glass_status parse_concat(struct jparser *p, struct jnode **out) {
    struct jnode *item, *concat;
    int line = jparse_now(p)->line;
    TRY(parse_product(p, out));
    if (jparse_now(p)->type != T_TILDE) return GLASS_OK;
    TRY(jnode_new(p, &concat, N_CONCAT, line));
    TRY(jnodes_push(p, &concat->items, *out));
    while (jparse_skip(p, T_TILDE)) {
        TRY(parse_product(p, &item));
        TRY(jnodes_push(p, &concat->items, item));
    }
    *out = concat;
    return GLASS_OK;
}

static glass_status parse_sum(struct jparser *p, struct jnode **out) {
    struct jnode *right;
    TRY(parse_concat(p, out));
    for (;;) {
        enum jtoken_type type = jparse_now(p)->type;
        if (type != T_ADD && type != T_SUB) return GLASS_OK;
        int line = jparse_next(p)->line;
        TRY(parse_concat(p, &right));
        TRY(make(p, out, N_BINARY, line, *out, right, NULL));
        (*out)->op = type == T_ADD ? JOP_ADD : JOP_SUB;
    }
}

/* The comparison at the current token, -1 if there is none; skips it. */
static int skip_comparison(struct jparser *p) {
    const struct jtoken *token = jparse_now(p);
    int op = token->type == T_EQ           ? CMP_EQ
             : token->type == T_NE         ? CMP_NE
             : token->type == T_LT         ? CMP_LT
             : token->type == T_LTEQ       ? CMP_LE
             : token->type == T_GT         ? CMP_GT
             : token->type == T_GTEQ       ? CMP_GE
             : jparse_is_name(token, "in") ? CMP_IN
             : jparse_is_name(token, "not") && jparse_is_name(jparse_ahead(p), "in")
                 ? CMP_NOTIN
                 : -1;
    if (op >= 0) jparse_next(p);
    if (op == CMP_NOTIN) jparse_next(p);
    return op;
}

static glass_status parse_compare(struct jparser *p, struct jnode **out) {
    struct jnode *compare = NULL, *item;
    int line = jparse_now(p)->line, op;
    TRY(parse_sum(p, out));
    while ((op = skip_comparison(p)) >= 0) {
        if (compare == NULL) TRY(make(p, &compare, N_COMPARE, line, *out, NULL, NULL));
        TRY(parse_sum(p, &item));
        size_t n = compare->items.n;
        TRY(jarena_grow(p->in, &compare->ops, n, n + 1, 1));
        compare->ops[n] = (uint8_t)op;
        TRY(jnodes_push(p, &compare->items, item));
        *out = compare;
    }
    return GLASS_OK;
}

static glass_status parse_not(struct jparser *p, struct jnode **out) {
    if (!jparse_is_name(jparse_now(p), "not")) return parse_compare(p, out);
    int line = jparse_next(p)->line;
    TRY(jparse_enter(p));
    TRY(parse_not(p, out));
    p->depth--;
    return make(p, out, N_NOT, line, *out, NULL, NULL);
}

static glass_status parse_and(struct jparser *p, struct jnode **out) {
    struct jnode *right;
    TRY(parse_not(p, out));
    while (jparse_is_name(jparse_now(p), "and")) {
        int line = jparse_next(p)->line;
        TRY(parse_not(p, &right));
        TRY(make(p, out, N_AND, line, *out, right, NULL));
    }
    return GLASS_OK;
}

static glass_status parse_or(struct jparser *p, struct jnode **out) {
    struct jnode *right;
    TRY(parse_and(p, out));
    while (jparse_is_name(jparse_now(p), "or")) {
        int line = jparse_next(p)->line;
        TRY(parse_and(p, &right));
        TRY(make(p, out, N_OR, line, *out, right, NULL));
    }
    return GLASS_OK;
}

glass_status jparse_expression(struct jparser *p, struct jnode **out, bool condition) {
    struct jnode *test, *otherwise;
    TRY(jparse_enter(p));
    TRY(parse_or(p, out));
    while (condition && jparse_is_name(jparse_now(p), "if")) {
        int line = jparse_next(p)->line;
        TRY(parse_or(p, &test));
        otherwise = NULL;
        if (jparse_skip_name(p, "else")) TRY(jparse_expression(p, &otherwise, true));
        TRY(make(p, out, N_COND, line, *out, test, otherwise));
    }
    p->depth--;
    return GLASS_OK;
}
