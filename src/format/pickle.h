/* pickle.h - reads Python pickles into a tree, and executes nothing.
 *
 * A pickle is a program that builds objects by calling functions by name. This machine knows
 * the opcodes that protocols 2 to 4 use for plain data, and the names that the caller lists;
 * a call of one of them becomes a node that says so, and the caller decides what it means.
 * Any other opcode or name is GLASS_BAD_INPUT and is named. Sources: pickletools.py of CPython
 * for the opcodes. */
#ifndef FORMAT_PICKLE_H
#define FORMAT_PICKLE_H

#include "base/fail.h"

enum {
    PICKLE_MAX_BYTES = 64 << 20, /* read of one pickle */
    PICKLE_MAX_NODES = 1 << 21,
    PICKLE_MAX_STACK = 1 << 21 /* also of the memo */
};

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_TEXT,  /* also bytes, and integers of more than 64 bits */
    PICKLE_TUPLE, /* node NULL when empty */
    PICKLE_LIST,
    PICKLE_DICT,   /* items: key, value, key, value … in order, as they were set */
    PICKLE_GLOBAL, /* integer: its place in the caller's list */
    PICKLE_CALL,   /* node->global called with node->items[0], a tuple */
    PICKLE_SAVED   /* a persistent id: node->items[0] */
};

struct pickle_value {
    enum pickle_kind kind;
    uint32_t n_text; /* bytes of a text */
    union {
        int64_t integer; /* also a bool */
        double number;
        const char *text; /* in the pickle, not NUL-terminated, any bytes */
        struct pickle_node *node;
    } as;
};

struct pickle_node {
    struct pickle_value *items;
    uint32_t n, cap;
    enum pickle_kind kind;    /* of the values that have it */
    int global;               /* of a call */
    int mark;                 /* 0; for the caller's walk */
    size_t pos;               /* of the opcode that made it */
    struct pickle_node *next; /* the one made before */
};

/* A name that may stand in the pickle: "torch._utils" "_rebuild_tensor_v2". */
struct pickle_global {
    const char *module, *name;
    bool makes_dict; /* calling it without arguments makes an empty dict */
    int tag;         /* the caller's */
};

struct pickle {
    struct pickle_value root;
    size_t n_bytes;            /* read, the last opcode included */
    const char *path, *member; /* for messages, borrowed */
    struct pickle_node *nodes; /* all, the last first */
    int64_t n_nodes;
};

/* Reads one pickle from the start of bytes, which must outlive it; n_globals names are
 * allowed. Messages say "PATH: … at byte 123 of MEMBER". pickle_close after success only. */
glass_status pickle_open(struct pickle *out, const uint8_t *bytes, size_t n_bytes,
                         const struct pickle_global *globals, int n_globals,
                         const char *path, const char *member);
void pickle_close(struct pickle *p);

/* Whether v is this text. */
bool pickle_is(const struct pickle_value *v, const char *text);
/* The value of a key of a dict, the last that was set; NULL if there is none. */
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);

#endif
