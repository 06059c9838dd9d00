/* pickle.c - the pickle machine: a stack, marks, a memo, and nodes instead of objects. */
#include "format/pickle.h"

#include "format/archive_parts.h"

enum { MAX_GLOBAL = 200 /* bytes of a module's or function's name */ };

struct machine {
    struct pickle *p;
    const uint8_t *bytes;
    size_t size, pos, op; /* op: where the current opcode stands */
    const struct pickle_global *globals;
    int n_globals;
    struct pickle_value *stack;
    size_t n_stack, cap_stack;
    size_t *marks; /* heights of the stack */
    size_t n_marks, cap_marks;
    struct pickle_value *memo;
    size_t n_memo, cap_memo;
};

static glass_status bad(const struct machine *m, const char *what) {
    return fail(GLASS_BAD_INPUT, "%s: %s at byte %zu of %s", m->p->path, what, m->op,
                m->p->member);
}

static glass_status take(struct machine *m, size_t n, const uint8_t **out) {
    if (n > m->size - m->pos && m->size == PICKLE_MAX_BYTES)
        return bad(m, "refused: a pickle larger than a model needs");
    if (n > m->size - m->pos)
        return fail(GLASS_BAD_INPUT,
                    "%s: the pickle %s ends inside the opcode at byte %zu; it is cut short "
                    "or damaged",
                    m->p->path, m->p->member, m->op);
    *out = m->bytes + m->pos;
    m->pos += n;
    return GLASS_OK;
}

/* A little-endian number of 1, 2, 4 or 8 bytes after the opcode. */
static glass_status take_number(struct machine *m, size_t n, uint64_t *out) {
    const uint8_t *p;
    *out = 0;
    TRY(take(m, n, &p));
    for (size_t i = n; i > 0; i--) *out = *out << 8 | p[i - 1];
    return GLASS_OK;
}

static glass_status push(struct machine *m, struct pickle_value v) {
    if (m->n_stack == PICKLE_MAX_STACK)
        return bad(m, "refused: more values than a model needs on the stack");
    if (m->n_stack == m->cap_stack) {
        size_t cap = m->cap_stack == 0 ? 64 : m->cap_stack * 2;
        TRY(mem_resize(&m->stack, cap, sizeof *m->stack));
        m->cap_stack = cap;
    }
    m->stack[m->n_stack++] = v;
    return GLASS_OK;
}

static glass_status push_integer(struct machine *m, enum pickle_kind kind, int64_t value) {
    return push(m, (struct pickle_value){.kind = kind, .as.integer = value});
}

/* How many values stand above the last mark; the whole stack if there is none. */
static size_t n_above(const struct machine *m) {
    return m->n_stack - (m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0);
}

/* The last n values; the mark below them stays. */
static glass_status need(const struct machine *m, size_t n) {
    return n_above(m) >= n ? GLASS_OK : bad(m, "an opcode without its operands");
}

static glass_status push_mark(struct machine *m) {
    if (m->n_marks == m->cap_marks) {
        size_t cap = m->cap_marks == 0 ? 16 : m->cap_marks * 2;
        TRY(mem_resize(&m->marks, cap, sizeof *m->marks));
        m->cap_marks = cap;
    }
    m->marks[m->n_marks++] = m->n_stack;
    return GLASS_OK;
}

/* Removes the last mark; how many values stood above it. They stay. */
static glass_status pop_mark(struct machine *m, size_t *n) {
    *n = 0;
    if (m->n_marks == 0) return bad(m, "an opcode without its mark");
    *n = m->n_stack - m->marks[--m->n_marks];
    return GLASS_OK;
}

static glass_status make_node(struct machine *m, enum pickle_kind kind,
                              struct pickle_node **out) {
    struct pickle *p = m->p;
    *out = NULL;
    if (p->n_nodes == PICKLE_MAX_NODES)
        return bad(m, "refused: more objects than a model needs");
    TRY(mem_alloc_zero(out, 1, sizeof **out));
    (*out)->kind = kind;
    (*out)->pos = m->op;
    (*out)->next = p->nodes;
    p->nodes = *out;
    p->n_nodes++;
    return GLASS_OK;
}

/* Moves the last n values of the stack to the node's items. */
static glass_status move_items(struct machine *m, struct pickle_node *node, size_t n) {
    size_t need_cap = node->n + n;
    if (need_cap > node->cap) {
        size_t cap = node->cap == 0 ? n : (size_t)node->cap * 2;
        if (cap < need_cap) cap = need_cap;
        if (cap > UINT32_MAX) return bad(m, "refused: an object with too many items");
        TRY(mem_resize(&node->items, cap, sizeof *node->items));
        node->cap = (uint32_t)cap;
    }
    m->n_stack -= n;
    if (n > 0)
        memcpy(node->items + node->n, m->stack + m->n_stack, n * sizeof *node->items);
    node->n += (uint32_t)n;
    return GLASS_OK;
}

static glass_status push_container(struct machine *m, enum pickle_kind kind, size_t n) {
    struct pickle_node *node = NULL;
    if (kind != PICKLE_TUPLE || n > 0) {
        TRY(make_node(m, kind, &node));
        TRY(move_items(m, node, n));
    }
    return push(m, (struct pickle_value){.kind = kind, .as.node = node});
}

/* A container below n values at the top; those go into it. */
static glass_status extend(struct machine *m, enum pickle_kind kind, size_t n,
                           const char *what) {
    TRY(need(m, n + 1));
    struct pickle_value *target = &m->stack[m->n_stack - n - 1];
    if (target->kind != kind || (kind == PICKLE_DICT && n % 2 != 0)) return bad(m, what);
    return move_items(m, target->as.node, n);
}

static glass_status extend_to_mark(struct machine *m, enum pickle_kind kind,
                                   const char *what) {
    size_t n;
    TRY(pop_mark(m, &n));
    return extend(m, kind, n, what);
}

static glass_status tuple_to_mark(struct machine *m) {
    size_t n;
    TRY(pop_mark(m, &n));
    return push_container(m, PICKLE_TUPLE, n);
}

/* ---- texts and numbers ---- */

static glass_status push_text(struct machine *m, size_t length_bytes) {
    uint64_t n;
    const uint8_t *text;
    TRY(take_number(m, length_bytes, &n));
    if (n > UINT32_MAX) return bad(m, "a text that is too long");
    TRY(take(m, (size_t)n, &text));
    return push(m, (struct pickle_value){.kind = PICKLE_TEXT,
                                         .n_text = (uint32_t)n,
                                         .as.text = (const char *)text});
}

/* Two's complement of any length; what does not fit 64 bits stays as its bytes. */
static glass_status push_long(struct machine *m) {
    uint64_t n, value = 0;
    const uint8_t *p;
    TRY(take_number(m, 1, &n));
    TRY(take(m, (size_t)n, &p));
    if (n > 8)
        return push(m, (struct pickle_value){.kind = PICKLE_TEXT,
                                             .n_text = (uint32_t)n,
                                             .as.text = (const char *)p});
    if (n > 0 && (p[n - 1] & 0x80) != 0) value = UINT64_MAX;
    for (size_t i = (size_t)n; i > 0; i--) value = value << 8 | p[i - 1];
    return push_integer(m, PICKLE_INT, (int64_t)value);
}

static glass_status push_int(struct machine *m, size_t n_bytes) {
    uint64_t value;
    TRY(take_number(m, n_bytes, &value));
    return push_integer(m, PICKLE_INT,
                        n_bytes == 4 ? (int32_t)(uint32_t)value : (int64_t)value);
}

static glass_status push_float(struct machine *m) { /* big-endian */
    const uint8_t *p;
    uint64_t bits = 0;
    struct pickle_value v = {.kind = PICKLE_FLOAT};
    TRY(take(m, 8, &p));
    for (int i = 0; i < 8; i++) bits = bits << 8 | p[i];
    memcpy(&v.as.number, &bits, sizeof bits);
    return push(m, v);
}

/* ---- the memo ---- */

static glass_status memo_put(struct machine *m, uint64_t i) {
    TRY(need(m, 1));
    /* Picklers count from 0; so no index is larger than what stands before it. */
    if (i > m->n_memo) return bad(m, "refused: a memo entry out of order");
    if (i == PICKLE_MAX_STACK) return bad(m, "refused: more objects than a model needs");
    if (i == m->cap_memo) {
        size_t cap = m->cap_memo == 0 ? 64 : m->cap_memo * 2;
        TRY(mem_resize(&m->memo, cap, sizeof *m->memo));
        m->cap_memo = cap;
    }
    if (i == m->n_memo) m->n_memo++;
    m->memo[i] = m->stack[m->n_stack - 1];
    return GLASS_OK;
}

static glass_status memo_get(struct machine *m, size_t n_bytes) {
    uint64_t i;
    TRY(take_number(m, n_bytes, &i));
    if (i >= m->n_memo) return bad(m, "a memo entry that was never made");
    return push(m, m->memo[i]);
}

static glass_status memo_put_at(struct machine *m, size_t n_bytes) {
    uint64_t i;
    TRY(take_number(m, n_bytes, &i));
    return memo_put(m, i);
}

/* ---- names and calls ---- */

static void printable(char *out, const char *text, size_t n) {
    if (n > MAX_GLOBAL) n = MAX_GLOBAL;
    for (size_t i = 0; i < n; i++)
        out[i] = text[i] > 0x20 && text[i] < 0x7f ? text[i] : '?';
    out[n] = '\0';
}

static bool same(const char *text, const char *bytes, size_t n) {
    return strlen(text) == n && memcmp(text, bytes, n) == 0;
}

static glass_status push_global(struct machine *m, const char *module, size_t n_module,
                                const char *name, size_t n_name) {
    for (int i = 0; i < m->n_globals; i++)
        if (same(m->globals[i].module, module, n_module) &&
            same(m->globals[i].name, name, n_name))
            return push_integer(m, PICKLE_GLOBAL, i);
    char shown_module[MAX_GLOBAL + 1], shown_name[MAX_GLOBAL + 1];
    printable(shown_module, module, n_module);
    printable(shown_name, name, n_name);
    return fail(
        GLASS_BAD_INPUT,
        "%s: refused: %s.%s at byte %zu of %s: no tensor needs it, and nothing in a "
        "pickle is ever executed",
        m->p->path, shown_module, shown_name, m->op, m->p->member);
}

static glass_status take_line(struct machine *m, const char **line, size_t *n) {
    const uint8_t *start = m->bytes + m->pos;
    size_t left = m->size - m->pos;
    const uint8_t *end = left > 0 ? memchr(start, '\n', left) : NULL;
    if (end == NULL) return take(m, left + 1, &start); /* says that it is cut short */
    *line = (const char *)start;
    *n = (size_t)(end - start);
    m->pos += *n + 1;
    return GLASS_OK;
}

static glass_status global_lines(struct machine *m) {
    const char *module, *name;
    size_t n_module, n_name;
    TRY(take_line(m, &module, &n_module));
    TRY(take_line(m, &name, &n_name));
    return push_global(m, module, n_module, name, n_name);
}

static glass_status global_of_stack(struct machine *m) {
    TRY(need(m, 2));
    const struct pickle_value *module = &m->stack[m->n_stack - 2],
                              *name = &m->stack[m->n_stack - 1];
    if (module->kind != PICKLE_TEXT || name->kind != PICKLE_TEXT)
        return bad(m, "a global without a name");
    m->n_stack -= 2;
    return push_global(m, module->as.text, module->n_text, name->as.text, name->n_text);
}

/* A call becomes a node; of all there is only the empty dict that is made at once, because
 * its items come later. */
static glass_status call(struct machine *m) {
    TRY(need(m, 2));
    const struct pickle_value *function = &m->stack[m->n_stack - 2],
                              *args = &m->stack[m->n_stack - 1];
    if (function->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE)
        return bad(m, "refused: a call of what is no allowed function");
    int at = (int)function->as.integer;
    struct pickle_node *node;
    if (m->globals[at].makes_dict) {
        if (args->as.node != NULL) return bad(m, "refused: a dict made of arguments");
        m->n_stack -= 2;
        return push_container(m, PICKLE_DICT, 0);
    }
    TRY(make_node(m, PICKLE_CALL, &node));
    node->global = at;
    TRY(move_items(m, node, 1)); /* not a copy: many calls may share large arguments */
    m->n_stack--;
    return push(m, (struct pickle_value){.kind = PICKLE_CALL, .as.node = node});
}

/* The state of a dict (OrderedDict has attributes) or of a parameter says nothing about
 * tensors. */
static glass_status build(struct machine *m) {
    TRY(need(m, 2));
    enum pickle_kind kind = m->stack[m->n_stack - 2].kind;
    if (kind != PICKLE_DICT && kind != PICKLE_CALL)
        return bad(m, "refused: a state set on what has none");
    m->n_stack--;
    return GLASS_OK;
}

static glass_status saved(struct machine *m) {
    struct pickle_node *node;
    TRY(need(m, 1));
    TRY(make_node(m, PICKLE_SAVED, &node));
    TRY(move_items(m, node, 1));
    return push(m, (struct pickle_value){.kind = PICKLE_SAVED, .as.node = node});
}

static glass_status pop(struct machine *m) {
    TRY(need(m, 1));
    m->n_stack--;
    return GLASS_OK;
}

static glass_status protocol(struct machine *m) {
    uint64_t version;
    TRY(take_number(m, 1, &version));
    if (version >= 2 && version <= 5) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: pickle protocol %d in %s; Glass reads 2 to 5",
                m->p->path, (int)version, m->p->member);
}

static glass_status frame(struct machine *m) {
    uint64_t n;
    TRY(take_number(m, 8, &n));
    return n <= m->size - m->pos ? GLASS_OK : bad(m, "a frame longer than the pickle");
}

/* ---- opcodes ---- */

static const char *opcode_name(uint8_t op) {
    switch (op) {
    case 'i': return "INST";
    case 'o': return "OBJ";
    case 'P': return "PERSID";
    case 'R': return "REDUCE";
    case 'I': return "INT";
    case 'L': return "LONG";
    case 'F': return "FLOAT";
    case 'S': return "STRING";
    case 'V': return "UNICODE";
    case 'p': return "PUT";
    case 'g': return "GET";
    case 'd': return "DICT";
    case 'l': return "LIST";
    case '2': return "DUP";
    case 0x81: return "NEWOBJ";
    case 0x82: return "EXT1";
    case 0x83: return "EXT2";
    case 0x84: return "EXT4";
    case 0x8b: return "LONG4";
    case 0x8f: return "EMPTY_SET";
    case 0x90: return "ADDITEMS";
    case 0x91: return "FROZENSET";
    case 0x92: return "NEWOBJ_EX";
    case 0x96: return "BYTEARRAY8";
    case 0x97: return "NEXT_BUFFER";
    case 0x98: return "READONLY_BUFFER";
    default: return NULL;
    }
}

static glass_status unknown(const struct machine *m, uint8_t op) {
    const char *name = opcode_name(op);
    return fail(GLASS_BAD_INPUT,
                "%s: refused: the opcode %s (0x%02x) at byte %zu of %s, which no file of "
                "tensors needs",
                m->p->path, name != NULL ? name : "that does not exist", op, m->op,
                m->p->member);
}

static glass_status step(struct machine *m, uint8_t op) {
    size_t n;
    switch (op) {
    case 0x80: return protocol(m);
    case 0x95: return frame(m);
    case '(': return push_mark(m);
    case '0': return pop(m);
    case '1': TRY(pop_mark(m, &n)); return m->n_stack -= n, GLASS_OK;
    case 'N': return push_integer(m, PICKLE_NONE, 0);
    case 0x88: return push_integer(m, PICKLE_BOOL, 1);
    case 0x89: return push_integer(m, PICKLE_BOOL, 0);
    case 'K': return push_int(m, 1);
    case 'M': return push_int(m, 2);
    case 'J': return push_int(m, 4);
    case 0x8a: return push_long(m);
    case 'G': return push_float(m);
    case 0x8c: return push_text(m, 1); /* SHORT_BINUNICODE */
    case 'X': return push_text(m, 4);
    case 0x8d: return push_text(m, 8);
    case 'U': return push_text(m, 1); /* SHORT_BINSTRING and its kin */
    case 'T': return push_text(m, 4);
    case 'C': return push_text(m, 1);
    case 'B': return push_text(m, 4);
    case 0x8e: return push_text(m, 8);
    case ')': return push_container(m, PICKLE_TUPLE, 0);
    case 't': return tuple_to_mark(m);
    case 0x85:
    case 0x86:
    case 0x87:
        n = op - 0x84u;
        TRY(need(m, n));
        return push_container(m, PICKLE_TUPLE, n);
    case ']': return push_container(m, PICKLE_LIST, 0);
    case 'a': return extend(m, PICKLE_LIST, 1, "an item added to what is no list");
    case 'e': return extend_to_mark(m, PICKLE_LIST, "items added to what is no list");
    case '}': return push_container(m, PICKLE_DICT, 0);
    case 's': return extend(m, PICKLE_DICT, 2, "an item set in what is no dict");
    case 'u': return extend_to_mark(m, PICKLE_DICT, "items set in what is no dict");
    case 'q': return memo_put_at(m, 1);
    case 'r': return memo_put_at(m, 4);
    case 0x94: return memo_put(m, m->n_memo);
    case 'h': return memo_get(m, 1);
    case 'j': return memo_get(m, 4);
    case 'c': return global_lines(m);
    case 0x93: return global_of_stack(m);
    case 'R': return call(m);
    case 'b': return build(m);
    case 'Q': return saved(m);
    default: return unknown(m, op);
    }
}

static glass_status run(struct machine *m) {
    for (;;) {
        const uint8_t *op;
        m->op = m->pos;
        TRY(take(m, 1, &op));
        if (*op == '.') break;
        TRY(step(m, *op));
    }
    if (m->n_stack != 1 || m->n_marks != 0)
        return bad(m, "the pickle ends with more or less than one object");
    m->p->root = m->stack[0];
    m->p->n_bytes = m->pos;
    return GLASS_OK;
}

glass_status pickle_open(struct pickle *out, const uint8_t *bytes, size_t n_bytes,
                         const struct pickle_global *globals, int n_globals,
                         const char *path, const char *member) {
    struct machine m = {.p = out,
                        .bytes = bytes,
                        .size = n_bytes < PICKLE_MAX_BYTES ? n_bytes : PICKLE_MAX_BYTES,
                        .globals = globals,
                        .n_globals = n_globals};
    *out = (struct pickle){.path = path, .member = member};
    glass_status status = run(&m);
    mem_free(m.stack);
    mem_free(m.marks);
    mem_free(m.memo);
    if (status != GLASS_OK) pickle_close(out);
    return status;
}

void pickle_close(struct pickle *p) {
    for (struct pickle_node *next; p->nodes != NULL; p->nodes = next) {
        next = p->nodes->next;
        mem_free(p->nodes->items);
        mem_free(p->nodes);
    }
    *p = (struct pickle){0};
}

bool pickle_is(const struct pickle_value *v, const char *text) {
    return v->kind == PICKLE_TEXT && same(text, v->as.text, v->n_text);
}

const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key) {
    if (dict->kind != PICKLE_DICT) return NULL;
    for (uint32_t i = dict->as.node->n; i > 0; i -= 2)
        if (pickle_is(&dict->as.node->items[i - 2], key))
            return &dict->as.node->items[i - 1];
    return NULL;
}
