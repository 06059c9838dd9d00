/* jinja_ast.h - from template text to a tree whose names are resolved.
 *
 * Follows Jinja 3.1's documented grammar with trim_blocks, lstrip_blocks, loop controls and
 * the {% generation %} tag, and its scoping: a scope knows at compile time which names it
 * stores, so every name becomes a slot of the function it belongs to. Functions are the
 * template itself, macro and call bodies, recursive loops and loop filters. */
#ifndef TEXT_JINJA_AST_H
#define TEXT_JINJA_AST_H

#include "text/jinja_value.h"

/* ---- tokens */

enum jtoken_type {
    T_EOF,
    T_DATA,
    T_VARIABLE_BEGIN,
    T_VARIABLE_END,
    T_BLOCK_BEGIN,
    T_BLOCK_END,
    T_NAME,
    T_STRING,
    T_INTEGER,
    T_FLOAT,
    T_ADD,
    T_SUB,
    T_MUL,
    T_DIV,
    T_FLOORDIV,
    T_MOD,
    T_POW,
    T_TILDE,
    T_LBRACKET,
    T_RBRACKET,
    T_LPAREN,
    T_RPAREN,
    T_LBRACE,
    T_RBRACE,
    T_EQ,
    T_NE,
    T_GT,
    T_GTEQ,
    T_LT,
    T_LTEQ,
    T_ASSIGN,
    T_DOT,
    T_COLON,
    T_PIPE,
    T_COMMA,
    T_SEMICOLON
};

struct jtoken {
    uint8_t type;
    int line;
    union {
        struct jstr *text; /* data, names, strings */
        int64_t i;
        double d;
    } u;
};
struct jtokens {
    struct jtoken *items; /* the last is T_EOF */
    size_t n, cap;
};
glass_status jinja_lex(struct jinja *in, struct jtokens *out, const char *source,
                       size_t n_bytes);

/* ---- tree */

enum jkind {
    /* expressions */
    N_CONST,    /* value */
    N_NAME,     /* name, context, place */
    N_NSREF,    /* name.attribute as a target: name, attribute, place */
    N_TUPLE,    /* items */
    N_LIST,     /* items */
    N_DICT,     /* items: key, value, key, value … */
    N_COND,     /* a if b else c (c may be NULL) */
    N_BINARY,   /* a op b */
    N_AND,      /* a, b */
    N_OR,       /* a, b */
    N_NOT,      /* a */
    N_NEGATE,   /* a */
    N_POSITIVE, /* a */
    N_COMPARE,  /* a, then items with ops */
    N_CONCAT,   /* items */
    N_GETATTR,  /* a.attribute */
    N_GETITEM,  /* a[b] */
    N_SLICE,    /* a:b:c, only as b of N_GETITEM */
    N_CALL,     /* a(call) */
    N_FILTER,   /* a|attribute(call); a NULL in filter blocks */
    N_TEST,     /* a is attribute(call) */
    /* statements */
    N_OUTPUT,      /* items */
    N_FOR,         /* a in b if c: items else rest */
    N_IF,          /* a: items, more (N_IF each), rest */
    N_SET,         /* a = b */
    N_SETBLOCK,    /* a | b (NULL: no filter): items */
    N_MACRO,       /* name(more = rest): items; place of the name */
    N_CALLBLOCK,   /* call a (NULL in generation), parameters more = rest: items */
    N_FILTERBLOCK, /* b: items */
    N_WITH,        /* more = rest: items */
    N_BREAK,
    N_CONTINUE
};
enum jcontext { LOAD, STORE, PARAM };
enum jcompare { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_IN, CMP_NOTIN };

struct jnodes {
    struct jnode **items;
    size_t n, cap;
};
struct jcall { /* the arguments written at a call, filter or test */
    struct jnodes args, keyword_values;
    struct jstr **keywords;
    struct jnode *star, *star_star; /* *a, **b */
};
struct jplace { /* a slot of the function so many levels out */
    uint32_t hops, slot;
};
enum jload { LOAD_PARAMETER, LOAD_RESOLVE, LOAD_ALIAS, LOAD_UNDEFINED };
struct jload_row {
    uint8_t how;
    uint32_t slot;       /* in the current function */
    struct jplace alias; /* LOAD_ALIAS */
    struct jstr *name;   /* LOAD_RESOLVE: the variable or global */
};
struct jframe { /* what entering and leaving a scope does */
    struct jload_row *loads;
    size_t n;
};
struct jfunction {
    uint32_t n_slots;
};

struct jnode {
    uint8_t kind, op, context;
    bool recursive, extended, uses_caller, uses_kwargs, uses_varargs;
    int line, height;
    struct jv value;
    struct jstr *name, *attribute;
    struct jnode *a, *b, *c;
    struct jnode *target2; /* N_FOR: the target as the loop filter's function sees it */
    struct jnodes items, more, rest;
    uint8_t *ops;
    struct jcall *call;
    struct jplace place;
    struct jframe frame, frame_else, frame_test;
    struct jfunction function, function_test;
    uint32_t slot_loop, slot_caller, slot_kwargs, slot_varargs; /* in `function` */
    const void *row; /* the filter or test; NULL: unknown, an error when it is used */
};

glass_status jinja_parse(struct jinja *in, struct jnodes *out,
                         const struct jtokens *tokens);

/* Calls visit for every child, in the order of evaluation. */
typedef glass_status jnode_visit(void *self, struct jnode *child);
glass_status jnode_children(struct jnode *node, jnode_visit *visit, void *self);

struct jprogram {
    struct jnodes body;
    struct jframe frame;
    struct jfunction function;
};
/* Resolves names, filters and tests in place. */
glass_status jinja_resolve(struct jinja *in, struct jprogram *program);

#endif
