/* grammar_parts.h - the grammars' insides, shared by the text room's grammar_*.c.
 *
 *   grammar_gbnf.c grammar_schema*.c   a text -> a tree (gram_tree): rules of characters
 *   grammar_tree.c                     the tree; which rules can be empty, or have no text
 *   grammar_nfa.c grammar_dfa.c        a rule of the tree -> the least automaton over bytes
 *                                      and calls of other rules
 *   grammar_build.c                    all rules' automata together: glass_grammar
 *   grammar_vocab.c                    the vocabulary as a tree of bytes, once a tokenizer
 *   grammar_walk.c                     sets of places, moved by a byte
 *   grammar_mask.c grammar.c           masks; the public calls
 *
 * A place is a state of some rule's automaton and a frame: where to go on once the rule is at
 * its end. Frames are shared and merged, as in generalised LL parsing (Scott and Johnstone,
 * 2010), so that what can be read in many ways costs no more than its length squared. Since
 * rules do not begin with themselves, all calls that one byte makes possible are known before
 * the next: then a frame is complete, and equal frames are one. */
#ifndef TEXT_GRAMMAR_PARTS_H
#define TEXT_GRAMMAR_PARTS_H

#include "base/buf.h"
#include "glass/grammar.h"
#include "text/tokenizer.h"

#include <stdatomic.h>

/* Bounds of what is refused. */
enum {
    GRAM_DEPTH = 200,       /* of groups, and of values in a schema */
    GRAM_NODES = 1 << 19,   /* of a tree */
    GRAM_NFA = 1 << 19,     /* states and edges of one rule */
    GRAM_DFA = 1 << 17,     /* states of one rule */
    GRAM_REPEAT = 1 << 16,  /* a repetition's numbers */
    GRAM_PLACES = 1 << 11,  /* in one set */
    GRAM_FRAMES = 1 << 20,  /* of one state */
    GRAM_STEPS = 100 << 20, /* places looked at for one mask */
    GRAM_MEMORY = 64 << 20
};
#define GRAM_NONE UINT32_MAX

/* --- the tree ------------------------------------------------------------------------- */

struct gram_range {
    uint32_t low, high; /* characters, both included */
};

enum gram_kind {
    GRAM_TEXT,    /* bytes [at, at + n) of the tree's text; none: the empty text */
    GRAM_CLASS,   /* one character of ranges [at, at + n) */
    GRAM_STRING,  /* the same as it stands inside a JSON string: what must be escaped is */
    GRAM_SEQ,     /* the children one after the other */
    GRAM_ALT,     /* one of the children; without any, no text at all */
    GRAM_TIMES,   /* the child min to max times */
    GRAM_RULE,    /* rule `at` */
    GRAM_MACHINE, /* a text of automaton `at` */
    GRAM_GRAPH    /* arrows [at, at + n) lead from place 0 to place min - 1 */
};
/* Places of a graph are numbered so that arrows lead to larger numbers. */
struct gram_arrow {
    uint32_t from, to, node;
};
struct gram_node {
    enum gram_kind kind;
    uint32_t at, n;
    uint32_t child, last, next; /* first and last child, next sibling; GRAM_NONE */
    uint32_t min, max;          /* GRAM_NONE: any number */
};

struct gram_rule {
    uint32_t name, n_name; /* in the tree's text */
    uint32_t node;         /* GRAM_NONE while only spoken of */
    uint32_t line, column; /* where it is defined, or first spoken of; 0: nowhere */
    bool empty;            /* may be the empty text */
    bool some;             /* has a text at all */
    bool inlined;          /* its automaton is a part of those that call it */
    uint8_t mark;          /* for searches */
    uint32_t n_uses;
    uint64_t longest; /* bytes of its longest text, saturated: UINT64_MAX for endless */
};

struct gram_tree {
    const char *name; /* for messages; borrowed */
    struct gram_node *nodes;
    struct gram_range *ranges;
    struct gram_rule *rules;
    struct gram_arrow *arrows;
    struct gram_dfa **machines; /* owned */
    struct buf text;
    uint32_t n_nodes, cap_nodes, n_ranges, cap_ranges, n_rules, cap_rules, n_machines;
    uint32_t n_arrows, cap_arrows;
    uint32_t root;
    size_t most_memory;  /* bytes of one automaton's table; 0: GRAM_MEMORY */
    glass_status failed; /* memory, while rules were looked at */
};

void gram_tree_clear(struct gram_tree *t);
/* Each gives a node. The parts of seq and alt are added one by one; a node is added once. */
glass_status gram_text(struct gram_tree *t, uint32_t *out, const char *bytes, size_t n);
glass_status gram_class(struct gram_tree *t, uint32_t *out, enum gram_kind kind,
                        const struct gram_range *ranges, uint32_t n);
glass_status gram_node_add(struct gram_tree *t, uint32_t *out, struct gram_node node);
glass_status gram_seq(struct gram_tree *t, uint32_t *out);
glass_status gram_alt(struct gram_tree *t, uint32_t *out);
void gram_add(struct gram_tree *t, uint32_t parent, uint32_t child);
glass_status gram_times(struct gram_tree *t, uint32_t *out, uint32_t child, uint32_t min,
                        uint32_t max);
glass_status gram_call(struct gram_tree *t, uint32_t *out, uint32_t rule);
/* Copies the arrows, which may share nodes, and sorts them by where they begin. */
glass_status gram_graph(struct gram_tree *t, uint32_t *out, const struct gram_arrow *arrows,
                        uint32_t n, uint32_t n_places);
/* The automaton of a node without calls, as a node: repeating it costs less. */
glass_status gram_settle(struct gram_tree *t, uint32_t *node, const char *what);
/* Takes the automaton over, also on failure. */
glass_status gram_machine(struct gram_tree *t, uint32_t *out, struct gram_dfa *dfa);
/* A node of its own with the same parts. */
glass_status gram_copy(struct gram_tree *t, uint32_t *out, uint32_t node);
/* A new rule; the name need not be unique. */
glass_status gram_rule_add(struct gram_tree *t, uint32_t *out, const char *name, size_t n);
/* The rule of this name, GRAM_NONE. */
uint32_t gram_rule_find(const struct gram_tree *t, const char *name, size_t n);
/* Sorts ranges and joins those that touch. Returns how many. */
uint32_t gram_ranges_tidy(struct gram_range *ranges, uint32_t n);
/* All other characters but U+0000, into out, which has room for n + 3; ranges are tidy. */
uint32_t gram_ranges_not(struct gram_range *out, const struct gram_range *ranges,
                         uint32_t n);
/* Finds for every rule whether it may be empty, has a text, and how long that may be; refuses
 * rules that begin with themselves. */
glass_status gram_tree_check(struct gram_tree *t);

/* --- automata ------------------------------------------------------------------------- */

struct gram_call_edge {
    uint32_t rule, to;
};
/* Deterministic, over bytes and calls. State 0 is the start; from every state some final one
 * can be reached, except from a lone start. */
struct gram_dfa {
    uint32_t n, n_classes;
    uint8_t classes[256];         /* byte -> class */
    uint32_t *next;               /* (n, n_classes) GRAM_NONE */
    uint8_t *final;               /* (n) */
    uint32_t *first_call;         /* (n + 1) */
    struct gram_call_edge *calls; /* of one state: at most one a rule */
};
void gram_dfa_free(struct gram_dfa *dfa);
/* Of one node of a tree that was checked; rules not inlined are calls. what: for messages. */
glass_status gram_compile(struct gram_dfa **out, const struct gram_tree *t, uint32_t node,
                          const char *what);
enum gram_join { GRAM_AND, GRAM_BUT_NOT };
/* Of automata without calls: the texts of both, or of the first alone. */
glass_status gram_dfa_join(struct gram_dfa **out, const struct gram_dfa *a,
                           const struct gram_dfa *b, enum gram_join how, const char *what);
/* Whether a text, or any text at all, is one of an automaton without calls. */
bool gram_dfa_has(const struct gram_dfa *dfa, const char *bytes, size_t n);
bool gram_dfa_some(const struct gram_dfa *dfa);
/* classes[q]: states of one class cannot be told apart by `rounds` symbols; GRAM_NONE: by
 * any number. Returns how many classes there are in *n. */
glass_status gram_dfa_classes(const struct gram_dfa *dfa, uint32_t rounds,
                              uint32_t *classes, uint32_t *n);
/* Equal states become one, and what leads nowhere goes. */
glass_status gram_dfa_least(struct gram_dfa **dfa);
glass_status gram_dfa_alloc(struct gram_dfa **out, uint32_t n, uint32_t n_classes,
                            size_t n_calls);
glass_status gram_too_large(const char *what);

/* grammar_nfa.c */
enum { NFA_EMPTY = -1, NFA_CALL = -2 };
struct gram_edge {
    int16_t low, high; /* bytes; or low is NFA_EMPTY or NFA_CALL */
    uint32_t rule, to, next;
};
struct gram_nfa {
    uint32_t *first; /* edge of each state, GRAM_NONE */
    struct gram_edge *edges;
    uint32_t n, cap, n_edges, cap_edges;
};
/* States 0 and 1 are start and end. */
glass_status gram_nfa_build(struct gram_nfa *nfa, const struct gram_tree *t, uint32_t node,
                            const char *what);
void gram_nfa_clear(struct gram_nfa *nfa);

/* --- the vocabulary ------------------------------------------------------------------- */

/* Nodes in preorder; node 0 is the empty text. Tokens sorted by their bytes: those of a node
 * come before those of its subtree. */
struct gram_vocab {
    int32_t n_vocab, n_tokens; /* n_tokens: those with bytes */
    uint32_t n_nodes, most_depth;
    uint8_t *byte;    /* (n_nodes) */
    uint16_t *depth;  /* (n_nodes) */
    uint32_t *behind; /* (n_nodes) the node after the subtree */
    uint32_t *first;  /* (n_nodes + 1) the first token at the node or after */
    int32_t *tokens;  /* (n_tokens) ids by their bytes */
    uint32_t *at;     /* (n_vocab + 1) a token's bytes in text; none: not a text token */
    char *text;
    int32_t *ends; /* (n_ends) ids of tokens that end an answer */
    int32_t n_ends;
    int32_t *whole; /* (n_whole) spm: tokens whose space is always real */
    int32_t n_whole;
    size_t memory;
};
/* The tokenizer's, made when it is first asked for. */
glass_status gram_vocab_of(const struct gram_vocab **out, const glass_tokenizer *t);
void gram_vocab_free(struct gram_vocab *v);

/* --- the grammar ---------------------------------------------------------------------- */

struct gram_state {
    const uint32_t *next;   /* by class of byte; states of the grammar */
    const uint8_t *classes; /* of bytes */
    uint32_t call, n_calls; /* in the grammar's calls */
    bool final, leaf;       /* leaf: nothing but the rule's end follows */
};
/* A call of the rule that starts in state `start`; order grows from callers to called. */
struct gram_call_state {
    uint32_t order, start, to;
};
/* What may follow a state inside its rule and what it calls: tokens that are allowed whatever
 * comes after the rule, and nodes of the vocabulary where the rule may be at its end. */
struct gram_mask {
    uint32_t n_ids, n_exits;
    uint64_t *bits; /* instead of ids, when they are many */
    int32_t *ids;
    uint32_t *exits;
    size_t memory;
};
struct glass_grammar {
    _Atomic int64_t owners; /* who made it, and its states */
    const glass_tokenizer *tokenizer;
    const struct gram_vocab *vocab;
    struct gram_state *states;
    struct gram_call_state *calls;
    uint32_t n_states, n_calls, n_rules, start;
    bool empty; /* the empty text is one of its texts */
    struct gram_dfa **dfas;
    uint32_t n_dfas;
    uint32_t *alike; /* (n_states) a state with the same mask */
    _Atomic(struct gram_mask *) *masks;
    _Atomic size_t memory;
    size_t most_memory;
};
/* Takes nothing of the tree. */
glass_status gram_build(glass_grammar **out, struct gram_tree *t,
                        const glass_tokenizer *tokenizer,
                        const glass_grammar_options *options);

/* --- places --------------------------------------------------------------------------- */

struct gram_place {
    uint32_t state, frame;
};
/* States that frames hold besides the grammar's: the answer's end, and the unknown. */
enum { GRAM_END = 0xfffffff0, GRAM_EXIT = 0xfffffff1 };
enum { GRAM_FRAME_END = 0, GRAM_FRAME_EXIT = 1 }; /* frames that hold just that */

/* Places of all sets, the latest on top; frames. */
struct gram_walk {
    const glass_grammar *g;
    struct gram_place *places;
    uint32_t n_places, cap_places;
    struct gram_place *entries; /* of frames, one frame after the other */
    uint32_t n_entries, cap_entries;
    uint32_t *frame_first; /* (n_frames + 1) */
    uint32_t *frame_next;  /* (n_frames) of the same bucket */
    uint32_t n_frames, cap_frames;
    uint32_t frames_least, n_sweeps; /* frames after the last sweep; how many there were */
    uint32_t *buckets;
    uint32_t mask;
    struct gram_pending *pending; /* calls of the set that is being made */
    uint32_t n_pending, cap_pending;
    struct gram_seen *seen[2]; /* places of the large set, and frame, that is made */
    uint64_t steps;            /* places put and looked at */
    struct gram_level *levels; /* (deepest token + 1) a walk through the vocabulary */
    uint64_t *bits;            /* a mask that is being made */
};
/* A set: places [at, at + n) of the walk; the first n_own are not the starts of calls, which
 * follow from those. */
struct gram_set {
    uint32_t at, n_own, n;
    bool ends, exits; /* GRAM_END, GRAM_EXIT was reached */
};

glass_status gram_walk_init(struct gram_walk *w, const glass_grammar *g);
void gram_walk_clear(struct gram_walk *w);
/* The set of the grammar's beginning; of one place; of where those places of another return
 * to whose states have the mask of state `alike`. */
glass_status gram_set_start(struct gram_walk *w, struct gram_set *out);
glass_status gram_set_one(struct gram_walk *w, struct gram_set *out, uint32_t state,
                          uint32_t frame);
glass_status gram_set_after(struct gram_walk *w, struct gram_set *out,
                            const struct gram_set *from, uint32_t alike);
/* The set after a byte, on top of the others. */
glass_status gram_step(struct gram_walk *w, struct gram_set *out,
                       const struct gram_set *from, uint8_t byte);
glass_status gram_step_one(struct gram_walk *w, struct gram_set *out,
                           struct gram_place from, uint8_t byte);
/* Forgets what came later. */
void gram_walk_cut(struct gram_walk *w, uint32_t n_places, uint32_t n_frames);
/* The set becomes the only one, and frames that it does not need go when they are many. */
glass_status gram_walk_keep(struct gram_walk *w, struct gram_set *set);
/* The set of another walk of the same grammar, as the only one. */
glass_status gram_walk_copy(struct gram_walk *w, struct gram_set *set,
                            const struct gram_walk *from, const struct gram_set *from_set);

/* Sets the bits of tokens that a set allows; flags: lead, the next token's space is none. */
glass_status gram_mask_set(struct gram_walk *w, const struct gram_set *set, bool lead,
                           uint64_t *bits);
void gram_mask_free(struct gram_mask *mask);

/* --- readers -------------------------------------------------------------------------- */

/* Each defines rules of the tree and t->root. */
glass_status gram_read_gbnf(struct gram_tree *t, const char *text, size_t n_bytes,
                            const glass_grammar_options *options);
glass_status gram_read_schema(struct gram_tree *t, uint32_t *rule, const char *json,
                              size_t n_bytes, bool compact, const char *name);
glass_status gram_read_object(struct gram_tree *t, uint32_t *rule, bool compact);

#endif
