/* jinja_parse.c - tokens to statements. Expressions are in jinja_parse_expr.c. */
#include "text/jinja_parse.h"

#include <string.h>

const struct jtoken *jparse_now(const struct jparser *p) {
    return &p->tokens->items[p->at];
}

const struct jtoken *jparse_ahead(const struct jparser *p) {
    size_t last = p->tokens->n - 1;
    return &p->tokens->items[p->at < last ? p->at + 1 : last];
}

const struct jtoken *jparse_next(struct jparser *p) {
    const struct jtoken *token = jparse_now(p);
    if (p->at + 1 < p->tokens->n) p->at++;
    p->in->line = jparse_now(p)->line;
    return token;
}

bool jparse_is_name(const struct jtoken *token, const char *name) {
    return token->type == T_NAME && jstr_is(token->u.text, name);
}

bool jparse_skip(struct jparser *p, enum jtoken_type type) {
    if (jparse_now(p)->type != type) return false;
    jparse_next(p);
    return true;
}

bool jparse_skip_name(struct jparser *p, const char *name) {
    if (!jparse_is_name(jparse_now(p), name)) return false;
    jparse_next(p);
    return true;
}

static const char *const token_names[] = {
    [T_EOF] = "end of template",
    [T_DATA] = "text",
    [T_VARIABLE_BEGIN] = "{{",
    [T_VARIABLE_END] = "}}",
    [T_BLOCK_BEGIN] = "{%",
    [T_BLOCK_END] = "%}",
    [T_NAME] = "name",
    [T_STRING] = "string",
    [T_INTEGER] = "integer",
    [T_FLOAT] = "float",
    [T_ADD] = "+",
    [T_SUB] = "-",
    [T_MUL] = "*",
    [T_DIV] = "/",
    [T_FLOORDIV] = "//",
    [T_MOD] = "%",
    [T_POW] = "**",
    [T_TILDE] = "~",
    [T_LBRACKET] = "[",
    [T_RBRACKET] = "]",
    [T_LPAREN] = "(",
    [T_RPAREN] = ")",
    [T_LBRACE] = "{",
    [T_RBRACE] = "}",
    [T_EQ] = "==",
    [T_NE] = "!=",
    [T_GT] = ">",
    [T_GTEQ] = ">=",
    [T_LT] = "<",
    [T_LTEQ] = "<=",
    [T_ASSIGN] = "=",
    [T_DOT] = ".",
    [T_COLON] = ":",
    [T_PIPE] = "|",
    [T_COMMA] = ",",
    [T_SEMICOLON] = ";",
};

glass_status jparse_unexpected(struct jparser *p, const char *expected) {
    const struct jtoken *token = jparse_now(p);
    p->in->line = token->line;
    if (token->type == T_NAME)
        return jinja_fail(p->in, "expected %s, got '%.*s'", expected,
                          token->u.text->n_bytes > 100 ? 100 : (int)token->u.text->n_bytes,
                          token->u.text->bytes);
    return jinja_fail(p->in, "expected %s, got %s", expected, token_names[token->type]);
}

glass_status jparse_expect(struct jparser *p, enum jtoken_type type) {
    if (jparse_now(p)->type != type) return jparse_unexpected(p, token_names[type]);
    jparse_next(p);
    return GLASS_OK;
}

static glass_status expect_word(struct jparser *p, const char *name) {
    if (!jparse_is_name(jparse_now(p), name)) return jparse_unexpected(p, name);
    jparse_next(p);
    return GLASS_OK;
}

glass_status jparse_expect_name(struct jparser *p, struct jstr **out) {
    if (jparse_now(p)->type != T_NAME) return jparse_unexpected(p, "name");
    *out = jparse_next(p)->u.text;
    return GLASS_OK;
}

glass_status jnode_new(struct jparser *p, struct jnode **out, enum jkind kind, int line) {
    TRY(jarena_alloc(p->in, out, 1, sizeof **out));
    (*out)->kind = (uint8_t)kind;
    (*out)->line = line;
    return GLASS_OK;
}

glass_status jnodes_push(struct jparser *p, struct jnodes *nodes, struct jnode *node) {
    if (nodes->n == nodes->cap) {
        size_t cap = nodes->cap == 0 ? 4 : nodes->cap * 2;
        TRY(jarena_grow(p->in, &nodes->items, nodes->cap, cap, sizeof(struct jnode *)));
        nodes->cap = cap;
    }
    nodes->items[nodes->n++] = node;
    return GLASS_OK;
}

glass_status jparse_enter(struct jparser *p) {
    if (++p->depth > 3 * JINJA_HEIGHT) /* about three steps per bracket */
        return jinja_fail(p->in, "nested more than %d deep", (int)JINJA_HEIGHT);
    return GLASS_OK;
}

/* ---- targets of assignments */

static glass_status check_target(struct jparser *p, struct jnode *node) {
    static const char *const constants[] = {"true", "false", "none",
                                            "True", "False", "None"};
    p->in->line = node->line;
    if (node->kind == N_NSREF) return GLASS_OK;
    if (node->kind == N_TUPLE) {
        for (size_t i = 0; i < node->items.n; i++)
            TRY(check_target(p, node->items.items[i]));
        return GLASS_OK;
    }
    if (node->kind != N_NAME) return jinja_fail(p->in, "can't assign to this expression");
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (jstr_is(node->name, constants[i]))
            return jinja_fail(p->in, "can't assign to %s", constants[i]);
    node->context = STORE;
    return GLASS_OK;
}

static glass_status parse_target(struct jparser *p, struct jnode **out, bool namespaces,
                                 const char *end_word) {
    struct jtuple_style style = {
        .primary = true, .namespaces = namespaces, .end = end_word};
    TRY(jparse_tuple(p, out, &style));
    int line = p->in->line;
    TRY(check_target(p, *out));
    p->in->line = line;
    return GLASS_OK;
}

static glass_status parse_name_target(struct jparser *p, struct jnode **out,
                                      enum jcontext context) {
    int line = jparse_now(p)->line;
    TRY(jnode_new(p, out, N_NAME, line));
    TRY(jparse_expect_name(p, &(*out)->name));
    TRY(check_target(p, *out));
    (*out)->context = (uint8_t)context;
    return GLASS_OK;
}

/* ---- statements */

static glass_status parse_body(struct jparser *p, struct jnodes *out,
                               const char *const *ends);

/* The rest of an opening tag and the statements up to one of the end words, which is left
 * as the current token. */
static glass_status parse_statements(struct jparser *p, struct jnodes *out,
                                     const char *const *ends) {
    jparse_skip(p, T_COLON);
    TRY(jparse_expect(p, T_BLOCK_END));
    TRY(jparse_enter(p));
    TRY(parse_body(p, out, ends));
    p->depth--;
    if (jparse_now(p)->type != T_EOF) return GLASS_OK;
    return jinja_fail(p->in, "the template ends where %s was expected", ends[0]);
}

static glass_status parse_until(struct jparser *p, struct jnodes *out, const char *end) {
    const char *const ends[] = {end, NULL};
    TRY(parse_statements(p, out, ends));
    jparse_next(p);
    return GLASS_OK;
}

static glass_status parse_set(struct jparser *p, struct jnode **out) {
    struct jnode *node;
    TRY(jnode_new(p, &node, N_SET, jparse_next(p)->line));
    *out = node;
    TRY(parse_target(p, &node->a, true, NULL));
    if (jparse_skip(p, T_ASSIGN))
        return jparse_tuple(p, &node->b, &(struct jtuple_style){.condition = true});
    node->kind = N_SETBLOCK;
    TRY(jparse_filters(p, &node->b, NULL, false));
    return parse_until(p, &node->items, "endset");
}

/* A loop's target is assigned in two functions when the loop has a filter. */
static glass_status copy_target(struct jparser *p, struct jnode **out,
                                const struct jnode *node) {
    TRY(jarena_alloc(p->in, out, 1, sizeof **out));
    **out = *node;
    if (node->kind != N_TUPLE) return GLASS_OK;
    (*out)->items = (struct jnodes){0};
    for (size_t i = 0; i < node->items.n; i++) {
        struct jnode *item;
        TRY(copy_target(p, &item, node->items.items[i]));
        TRY(jnodes_push(p, &(*out)->items, item));
    }
    return GLASS_OK;
}

static glass_status parse_for(struct jparser *p, struct jnode **out) {
    static const char *const ends[] = {"endfor", "else", NULL};
    struct jnode *node;
    TRY(jnode_new(p, &node, N_FOR, jparse_next(p)->line));
    *out = node;
    TRY(parse_target(p, &node->a, false, "in"));
    TRY(copy_target(p, &node->target2, node->a));
    TRY(expect_word(p, "in"));
    TRY(jparse_tuple(p, &node->b, &(struct jtuple_style){.end = "recursive"}));
    if (jparse_skip_name(p, "if")) TRY(jparse_expression(p, &node->c, true));
    node->recursive = jparse_skip_name(p, "recursive");
    TRY(parse_statements(p, &node->items, ends));
    if (jparse_is_name(jparse_next(p), "endfor")) return GLASS_OK;
    return parse_until(p, &node->rest, "endfor");
}

static glass_status parse_if(struct jparser *p, struct jnode **out) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    struct jnode *node, *branch;
    TRY(jnode_new(p, &node, N_IF, jparse_next(p)->line));
    *out = branch = node;
    for (;;) {
        TRY(jparse_tuple(p, &branch->a, &(struct jtuple_style){0}));
        TRY(parse_statements(p, &branch->items, ends));
        const struct jtoken *end = jparse_next(p);
        if (jparse_is_name(end, "else")) return parse_until(p, &node->rest, "endif");
        if (!jparse_is_name(end, "elif")) return GLASS_OK;
        TRY(jnode_new(p, &branch, N_IF, jparse_now(p)->line));
        TRY(jnodes_push(p, &node->more, branch));
    }
}

static glass_status parse_with(struct jparser *p, struct jnode **out) {
    struct jnode *node;
    TRY(jnode_new(p, &node, N_WITH, jparse_next(p)->line));
    *out = node;
    while (jparse_now(p)->type != T_BLOCK_END) {
        struct jnode *target, *value;
        if (node->more.n > 0) TRY(jparse_expect(p, T_COMMA));
        TRY(parse_target(p, &target, false, NULL));
        if (target->kind == N_NAME) target->context = PARAM;
        for (size_t i = 0; target->kind == N_TUPLE && i < target->items.n; i++) {
            if (target->items.items[i]->kind != N_NAME)
                return jinja_fail(p->in, "nested targets in a with are not supported");
            target->items.items[i]->context = PARAM;
        }
        TRY(jparse_expect(p, T_ASSIGN));
        TRY(jparse_expression(p, &value, true));
        TRY(jnodes_push(p, &node->more, target));
        TRY(jnodes_push(p, &node->rest, value));
    }
    return parse_until(p, &node->items, "endwith");
}

/* (a, b=default, …) */
static glass_status parse_signature(struct jparser *p, struct jnode *node) {
    TRY(jparse_expect(p, T_LPAREN));
    while (jparse_now(p)->type != T_RPAREN) {
        struct jnode *parameter, *value;
        if (node->more.n > 0) TRY(jparse_expect(p, T_COMMA));
        TRY(parse_name_target(p, &parameter, PARAM));
        for (size_t i = 0; i < node->more.n; i++)
            if (jstr_same(node->more.items[i]->name, parameter->name))
                return jinja_fail(p->in, "a parameter is named twice");
        if (jparse_skip(p, T_ASSIGN)) {
            TRY(jparse_expression(p, &value, true));
            TRY(jnodes_push(p, &node->rest, value));
        } else if (node->rest.n > 0) {
            return jinja_fail(p->in, "a parameter without default follows one with");
        }
        TRY(jnodes_push(p, &node->more, parameter));
    }
    return jparse_expect(p, T_RPAREN);
}

static glass_status parse_macro(struct jparser *p, struct jnode **out) {
    struct jnode *node, *name;
    TRY(jnode_new(p, &node, N_MACRO, jparse_next(p)->line));
    *out = node;
    TRY(parse_name_target(p, &name, STORE));
    node->name = name->name;
    TRY(parse_signature(p, node));
    return parse_until(p, &node->items, "endmacro");
}

static glass_status parse_call_block(struct jparser *p, struct jnode **out) {
    struct jnode *node;
    TRY(jnode_new(p, &node, N_CALLBLOCK, jparse_next(p)->line));
    *out = node;
    if (jparse_now(p)->type == T_LPAREN) TRY(parse_signature(p, node));
    TRY(jparse_expression(p, &node->a, true));
    if (node->a->kind != N_CALL) return jinja_fail(p->in, "expected a call");
    return parse_until(p, &node->items, "endcall");
}

static glass_status parse_generation(struct jparser *p, struct jnode **out) {
    TRY(jnode_new(p, out, N_CALLBLOCK, jparse_next(p)->line));
    return parse_until(p, &(*out)->items, "endgeneration");
}

static glass_status parse_filter_block(struct jparser *p, struct jnode **out) {
    TRY(jnode_new(p, out, N_FILTERBLOCK, jparse_next(p)->line));
    TRY(jparse_filters(p, &(*out)->b, NULL, true));
    return parse_until(p, &(*out)->items, "endfilter");
}

static glass_status parse_print(struct jparser *p, struct jnode **out) {
    struct jnode *item;
    TRY(jnode_new(p, out, N_OUTPUT, jparse_next(p)->line));
    while (jparse_now(p)->type != T_BLOCK_END) {
        if ((*out)->items.n > 0) TRY(jparse_expect(p, T_COMMA));
        TRY(jparse_expression(p, &item, true));
        TRY(jnodes_push(p, &(*out)->items, item));
    }
    return GLASS_OK;
}

static glass_status parse_break(struct jparser *p, struct jnode **out) {
    return jnode_new(p, out, N_BREAK, jparse_next(p)->line);
}
static glass_status parse_continue(struct jparser *p, struct jnode **out) {
    return jnode_new(p, out, N_CONTINUE, jparse_next(p)->line);
}

static glass_status parse_refused(struct jparser *p, struct jnode **out) {
    const struct jstr *name = jparse_now(p)->u.text;
    *out = NULL;
    return jinja_fail(
        p->in, "{%% %.*s %%} is not supported: a chat template sees no other templates",
        (int)name->n_bytes, name->bytes);
}

static glass_status parse_statement(struct jparser *p, struct jnode **out) {
    // clang-format off
    static const struct {
        const char *word;
        glass_status (*parse)(struct jparser *, struct jnode **);
    } statements[] = {
        {"if", parse_if},           {"for", parse_for},
        {"set", parse_set},         {"macro", parse_macro},
        {"call", parse_call_block}, {"generation", parse_generation},
        {"with", parse_with},       {"filter", parse_filter_block},
        {"print", parse_print},     {"break", parse_break},
        {"continue", parse_continue}, {"include", parse_refused},
        {"import", parse_refused},  {"from", parse_refused},
        {"extends", parse_refused}, {"block", parse_refused},
        {"autoescape", parse_refused},
    };
    // clang-format on
    const struct jtoken *token = jparse_now(p);
    if (token->type != T_NAME) return jparse_unexpected(p, "a tag's name");
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (jstr_is(token->u.text, statements[i].word)) return statements[i].parse(p, out);
    return jinja_fail(p->in, "unknown tag '%.*s'",
                      token->u.text->n_bytes > 100 ? 100 : (int)token->u.text->n_bytes,
                      token->u.text->bytes);
}

static glass_status parse_output(struct jparser *p, struct jnode *output) {
    const struct jtoken *token = jparse_now(p);
    struct jnode *item;
    if (token->type == T_DATA) {
        TRY(jnode_new(p, &item, N_CONST, token->line));
        item->value = jv_str(token->u.text);
        jparse_next(p);
    } else {
        jparse_next(p);
        TRY(jparse_tuple(p, &item, &(struct jtuple_style){.condition = true}));
        TRY(jparse_expect(p, T_VARIABLE_END));
    }
    return jnodes_push(p, &output->items, item);
}

static glass_status parse_body(struct jparser *p, struct jnodes *out,
                               const char *const *ends) {
    struct jnode *output = NULL, *statement;
    for (;;) {
        const struct jtoken *token = jparse_now(p);
        if (token->type == T_EOF) return GLASS_OK;
        if (token->type != T_BLOCK_BEGIN) {
            if (output == NULL) {
                TRY(jnode_new(p, &output, N_OUTPUT, token->line));
                TRY(jnodes_push(p, out, output));
            }
            TRY(parse_output(p, output));
            continue;
        }
        output = NULL;
        jparse_next(p);
        for (size_t i = 0; ends != NULL && ends[i] != NULL; i++)
            if (jparse_is_name(jparse_now(p), ends[i])) return GLASS_OK;
        TRY(parse_statement(p, &statement));
        TRY(jnodes_push(p, out, statement));
        TRY(jparse_expect(p, T_BLOCK_END));
    }
}

glass_status jinja_parse(struct jinja *in, struct jnodes *out,
                         const struct jtokens *tokens) {
    struct jparser p = {.in = in, .tokens = tokens};
    in->line = tokens->items[0].line;
    return parse_body(&p, out, NULL);
}

/* ---- walking */

static glass_status visit_all(const struct jnodes *nodes, jnode_visit *visit, void *self) {
    for (size_t i = 0; i < nodes->n; i++) TRY(visit(self, nodes->items[i]));
    return GLASS_OK;
}

glass_status jnode_children(struct jnode *node, jnode_visit *visit, void *self) {
    if (node->kind == N_FILTERBLOCK) { /* its body comes first */
        TRY(visit_all(&node->items, visit, self));
        return visit(self, node->b);
    }
    if (node->a != NULL) TRY(visit(self, node->a));
    if (node->b != NULL) TRY(visit(self, node->b));
    if (node->kind == N_FOR) {
        TRY(visit_all(&node->items, visit, self));
        TRY(visit_all(&node->rest, visit, self));
        return node->c != NULL ? visit(self, node->c) : GLASS_OK;
    }
    if (node->c != NULL) TRY(visit(self, node->c));
    if (node->call != NULL) {
        TRY(visit_all(&node->call->args, visit, self));
        TRY(visit_all(&node->call->keyword_values, visit, self));
        if (node->call->star != NULL) TRY(visit(self, node->call->star));
        if (node->call->star_star != NULL) TRY(visit(self, node->call->star_star));
    }
    if (node->kind == N_IF) { /* its body before the other branches */
        TRY(visit_all(&node->items, visit, self));
        TRY(visit_all(&node->more, visit, self));
        return visit_all(&node->rest, visit, self);
    }
    TRY(visit_all(&node->more, visit, self));
    TRY(visit_all(&node->rest, visit, self));
    return visit_all(&node->items, visit, self);
}
