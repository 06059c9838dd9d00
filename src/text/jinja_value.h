/* jinja_value.h - the values that a chat template computes with: Python's, as far as Jinja
 * shows them.
 *
 * Everything lives in one arena per render and is immutable but for namespaces, loops,
 * cyclers and iterators (the sandbox that published templates run in forbids changing lists
 * and dicts). Nothing is freed before the render ends. An error ends the render, so depth
 * counters and line numbers need no unwinding.
 *
 * Every value knows whether it came out of a variable ("plain") or was written by the
 * template; a string knows it byte by byte. */
#ifndef TEXT_JINJA_VALUE_H
#define TEXT_JINJA_VALUE_H

#include "base/mem.h"
#include "glass/tokenizer.h"

enum jtype {
    J_MISSING, /* no value: a slot never set, an argument not given */
    J_UNDEFINED,
    J_NONE,
    J_BOOL,
    J_INT,
    J_FLOAT,
    J_STR,
    J_LIST,
    J_TUPLE,
    J_DICT,
    J_VIEW, /* dict.keys(), .values(), .items() */
    J_RANGE,
    J_ITER, /* a generator: consumed by its first reader */
    J_NAMESPACE,
    J_LOOP,
    J_MACRO,
    J_METHOD,
    J_GLOBAL,
    J_CYCLER,
    J_JOINER
};

struct jv {
    uint8_t type;
    bool plain; /* scalars and containers; strings have their own record */
    union {
        bool b;
        int64_t i;
        double d;
        struct jstr *s;
        struct jlist *list;
        struct jdict *dict; /* J_DICT and J_NAMESPACE */
        struct jview *view;
        struct jrange *range;
        struct jiter *iter;
        struct jloop *loop;
        struct jmacro *macro;
        struct jmethod *method;
        int global;
        struct jcycler *cycler;
        struct jjoiner *joiner;
        struct jundefined *undefined;
    } u;
};

enum jorigin { JSTR_TEMPLATE, JSTR_PLAIN, JSTR_MIXED };

struct jstr {
    const char *bytes; /* valid UTF-8, may contain NUL, not terminated */
    size_t n_bytes, n_chars;
    /* JSTR_MIXED: the plain ranges, offsets from base; those outside bytes[0..n) don't count */
    const char *base;
    const glass_span *spans;
    size_t n_spans;
    uint8_t origin;
    bool markup;          /* markupsafe.Markup: adding to it escapes HTML */
    struct jbuild *build; /* where it was built, so that `s + x` can grow in place */
};

struct jlist {
    struct jv *items;
    size_t n;
    struct jlist_tip *tip; /* as jstr.build */
    bool group;            /* of groupby: (grouper, list) */
};
struct jlist_tip {
    struct jv *items;
    size_t n, cap;
};

struct jdict { /* in order of insertion */
    struct jv *keys, *values;
    size_t n, cap;
    uint32_t *index; /* open addressing, entry + 1; NULL while small */
    size_t n_index;
};
enum jview_kind { JVIEW_KEYS, JVIEW_VALUES, JVIEW_ITEMS };
struct jview {
    struct jdict *dict;
    uint8_t kind;
    bool plain;
};
struct jrange {
    int64_t start, stop, step, n;
};
struct jundefined {
    const char *hint;  /* the whole message, or NULL */
    struct jstr *name; /* else "'name' is undefined" */
    const char *owner; /* else "'owner' has no attribute 'name'" */
};
struct jcycler {
    struct jv *items;
    size_t n, at;
};
struct jjoiner {
    struct jstr *separator;
    bool used;
};
struct jmethod {
    struct jv self;
    const struct jmethod_row *row;
};

enum {
    JINJA_DEPTH = 1500,     /* nested evaluations */
    JINJA_RANGE = 100000,   /* items of a range(), as the sandbox has it */
    JINJA_SOURCE = 1 << 20, /* bytes of a template */
    JINJA_HEIGHT = 200,     /* nesting of a template's expressions and statements */
};
#ifndef JINJA_STEPS /* the fuzz targets set small limits, so that reaching them is cheap */
#define JINJA_STEPS  INT64_C(50000000)
#define JINJA_MEMORY ((size_t)512 << 20)
#define JINJA_OUTPUT ((size_t)64 << 20)
#endif

struct jarena {
    struct jblock *blocks; /* newest first */
    size_t used, cap;      /* of the newest block */
    size_t total, limit;
};

/* One compilation or one render. */
struct jinja {
    struct jarena *arena;
    int64_t steps; /* left */
    int depth;
    int line; /* of the template, for messages */
    int64_t now_s;
    struct jdict *variables;
    struct jbuild *out; /* where output goes at the moment */
};

/* ---- memory, limits, errors (jinja_arena.c) */
glass_status jarena_alloc(struct jinja *in, void *out, size_t n_items, size_t item_bytes);
/* Grows the array at *inout (old_n items) to new_n, in place where it is the newest. */
glass_status jarena_grow(struct jinja *in, void *inout, size_t old_n, size_t new_n,
                         size_t item_bytes);
void jarena_free(struct jarena *arena);
/* "template line N: …", GLASS_BAD_INPUT. */
glass_status jinja_fail(const struct jinja *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Pays for n units of work. */
glass_status jinja_charge(struct jinja *in, size_t n);
glass_status jinja_enter(struct jinja *in); /* one level deeper; leave with in->depth-- */

/* ---- strings (jinja_string.c) */
struct jbuild {
    char *data;
    size_t n, cap, n_chars;
    glass_span *spans;
    size_t n_spans, cap_spans;
    bool shared; /* in the arena: strings built here may grow in place */
};
glass_status jstr_borrow(struct jinja *in, struct jstr **out, const char *bytes,
                         size_t n_bytes, bool plain);
glass_status jstr_slice(struct jinja *in, struct jstr **out, const struct jstr *s,
                        size_t begin, size_t end);
glass_status jstr_concat(struct jinja *in, struct jstr **out, const struct jstr *a,
                         const struct jstr *b);
/* Whether byte `at` is plain, and where its run ends. */
bool jstr_run(const struct jstr *s, size_t at, size_t *end);
/* The byte offset of character index (0…n_chars). */
size_t jstr_offset(const struct jstr *s, size_t index);
size_t jstr_char_index(const struct jstr *s, size_t offset);
bool jstr_is(const struct jstr *s, const char *text);
bool jstr_same(const struct jstr *a, const struct jstr *b);
int jstr_order(const struct jstr *a, const struct jstr *b);
/* Byte offset of needle in s[from..to), or SIZE_MAX; the last one for rfind. */
size_t jstr_find(const struct jstr *s, const struct jstr *needle, size_t from, size_t to);
size_t jstr_rfind(const struct jstr *s, const struct jstr *needle, size_t from, size_t to);
bool jstr_any_plain(const struct jstr *s);
glass_status jstr_markup(struct jinja *in, struct jstr **out, const struct jstr *s,
                         bool markup);
glass_status jstr_escape(struct jinja *in, struct jstr **out, const struct jstr *s);
bool jinja_is_space(uint32_t c);
enum { JSTR_LEFT = 1, JSTR_RIGHT = 2 };
/* chars NULL: white space. */
glass_status jstr_strip(struct jinja *in, struct jstr **out, const struct jstr *s,
                        const struct jstr *chars, int sides);
/* count < 0: all. */
glass_status jstr_replace(struct jinja *in, struct jstr **out, const struct jstr *s,
                          const struct jstr *old, const struct jstr *new, int64_t count);

glass_status jbuild_bytes(struct jinja *in, struct jbuild *b, const char *bytes,
                          size_t n_bytes, bool plain);
glass_status jbuild_text(struct jinja *in, struct jbuild *b, const char *text, bool plain);
glass_status jbuild_char(struct jinja *in, struct jbuild *b, uint32_t c, bool plain);
glass_status jbuild_str(struct jinja *in, struct jbuild *b, const struct jstr *s);
glass_status jbuild_part(struct jinja *in, struct jbuild *b, const struct jstr *s,
                         size_t begin, size_t end);
glass_status jbuild_finish(struct jinja *in, struct jstr **out, struct jbuild *b);
/* A builder in the arena, whose strings can grow; others start from {0}. */
glass_status jbuild_create(struct jinja *in, struct jbuild **out);

/* ---- letters (jinja_case.c) */
enum jcase {
    JCASE_LOWER,
    JCASE_UPPER,
    JCASE_CAPITALIZE,
    JCASE_TITLE,
    JCASE_SWAP,
    JCASE_FOLD
};
glass_status jstr_case(struct jinja *in, struct jstr **out, const struct jstr *s,
                       enum jcase how);
/* Jinja's title filter: words begin after white space and - ( { [ < */
glass_status jstr_title_words(struct jinja *in, struct jstr **out, const struct jstr *s);
/* str.isalpha() and its like, by name; false + error for what needs bigger tables. */
glass_status jstr_is_class(struct jinja *in, bool *out, const struct jstr *s,
                           const char *name);
bool jinja_is_printable(uint32_t c);
bool jinja_is_word_start(uint32_t c), jinja_is_word(uint32_t c);

/* ---- numbers (jinja_number.c) */
enum { JINJA_NUMBER_BYTES = 400 };
/* Python's repr(float); returns the length. */
size_t jinja_float_text(char out[JINJA_NUMBER_BYTES], double value);
/* int(text, base) and float(text) as Python reads them; false if it is no number. overflow
 * is set when it is one that 64 bits don't hold. */
bool jinja_parse_int(int64_t *out, bool *overflow, const char *text, size_t n, int base);
bool jinja_parse_float(double *out, const char *text, size_t n);
glass_status jinja_round(struct jinja *in, struct jv *out, struct jv value, int64_t digits);
enum jop { JOP_ADD, JOP_SUB, JOP_MUL, JOP_DIV, JOP_FLOORDIV, JOP_MOD, JOP_POW };
glass_status jinja_arithmetic(struct jinja *in, struct jv *out, enum jop op, struct jv a,
                              struct jv b);
glass_status jinja_negate(struct jinja *in, struct jv *out, struct jv a, bool negative);

/* ---- values (jinja_value.c) */
struct jv jv_none(void), jv_missing(void);
struct jv jv_bool(bool b), jv_int(int64_t i), jv_float(double d), jv_str(struct jstr *s);
glass_status jv_text(struct jinja *in, struct jv *out, const char *text);
glass_status jv_undefined(struct jinja *in, struct jv *out, const char *hint,
                          struct jstr *name, const char *owner);
/* Raises what using the undefined value raises. */
glass_status jv_fail_undefined(struct jinja *in, struct jv v);
const char *jv_type_name(struct jv v);
bool jv_is_int(struct jv v); /* int or bool */
bool jv_is_number(struct jv v);
double jv_double(struct jv v);
int64_t jv_int_value(struct jv v);
glass_status jv_truth(struct jinja *in, bool *out, struct jv v);
glass_status jv_equal(struct jinja *in, bool *out, struct jv a, struct jv b);
/* a < b, a <= b as Python orders them; an error where it would raise. */
glass_status jv_less(struct jinja *in, bool *out, struct jv a, struct jv b, bool or_equal);
glass_status jv_contains(struct jinja *in, bool *out, struct jv item, struct jv in_what);
/* len(v); *known false where Python has no length. */
glass_status jv_length(struct jinja *in, int64_t *out, bool *known, struct jv v);
glass_status jv_to_str(struct jinja *in, struct jstr **out, struct jv v); /* str(v) */
glass_status jv_write(struct jinja *in, struct jbuild *b, struct jv v); /* append str(v) */
glass_status jv_repr(struct jinja *in, struct jbuild *b, struct jv v);
glass_status jstr_repr(struct jinja *in, struct jbuild *b, const struct jstr *s);

glass_status jlist_new(struct jinja *in, struct jlist **out, size_t cap);
glass_status jlist_push(struct jinja *in, struct jlist *list, struct jv item);
glass_status jlist_join(struct jinja *in, struct jlist **out, const struct jlist *a,
                        const struct jlist *b);
struct jv jv_list(struct jlist *list, bool plain);
struct jv jv_tuple(struct jlist *list, bool plain);
glass_status jv_pair(struct jinja *in, struct jv *out, struct jv a, struct jv b,
                     bool plain);

/* ---- dicts (jinja_dict.c) */
glass_status jdict_new(struct jinja *in, struct jdict **out);
bool jv_hashable(struct jv v);
/* Unhashable keys are an error. */
glass_status jdict_set(struct jinja *in, struct jdict *dict, struct jv key,
                       struct jv value);
glass_status jdict_get(struct jinja *in, const struct jv **out, const struct jdict *dict,
                       struct jv key);
glass_status jdict_get_text(struct jinja *in, const struct jv **out,
                            const struct jdict *dict, const char *key);

/* ---- JSON (jinja_json.c) */
struct jjson_style {
    bool ascii, sort;
    bool indented;
    struct jstr *indent, *item_separator, *key_separator;
};
glass_status jinja_to_json(struct jinja *in, struct jbuild *b, struct jv v,
                           const struct jjson_style *style);
/* Reads the variables; strings below are plain unless the header says otherwise. */
glass_status jinja_read_variables(struct jinja *in, const char *json, size_t n_bytes);

#endif
