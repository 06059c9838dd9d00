/* jinja_parse.h - what the two halves of the parser share. */
#ifndef TEXT_JINJA_PARSE_H
#define TEXT_JINJA_PARSE_H

#include "text/jinja_ast.h"

struct jparser {
    struct jinja *in;
    const struct jtokens *tokens;
    size_t at;
    int depth;
};

const struct jtoken *jparse_now(const struct jparser *p);
const struct jtoken *jparse_ahead(const struct jparser *p);
/* Returns the current token and goes one further. */
const struct jtoken *jparse_next(struct jparser *p);
bool jparse_is_name(const struct jtoken *token, const char *name);
bool jparse_skip(struct jparser *p, enum jtoken_type type);
bool jparse_skip_name(struct jparser *p, const char *name);
glass_status jparse_expect(struct jparser *p, enum jtoken_type type);
glass_status jparse_expect_name(struct jparser *p, struct jstr **out);
glass_status jparse_unexpected(struct jparser *p, const char *expected);
glass_status jparse_enter(struct jparser *p); /* one level deeper; leave with p->depth-- */

glass_status jnode_new(struct jparser *p, struct jnode **out, enum jkind kind, int line);
glass_status jnodes_push(struct jparser *p, struct jnodes *nodes, struct jnode *node);

struct jtuple_style {
    bool primary;     /* names and literals only: assignment targets */
    bool namespaces;  /* name.attribute is a target */
    bool condition;   /* items may be "a if b else c" */
    bool parentheses; /* () is a tuple */
    const char *end;  /* a word that ends the tuple */
};
glass_status jparse_tuple(struct jparser *p, struct jnode **out,
                          const struct jtuple_style *style);
glass_status jparse_expression(struct jparser *p, struct jnode **out, bool condition);
/* |filter|filter…; with `started` the first bar has been left out. */
glass_status jparse_filters(struct jparser *p, struct jnode **out, struct jnode *node,
                            bool started);

#endif
