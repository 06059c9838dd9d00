/* grammar_schema.h - JSON schemas as trees.
 *
 * A value must be allowed by every schema of a list (a property may be spoken of in several
 * parts of an allOf): such a list is a rule, known by its members. It is unfolded: $ref and
 * allOf add members, anyOf, oneOf and if make alternatives, each a flat list. What a flat list
 * asks for is collected in a shape, and the shape becomes a tree.
 *
 * What must not hold (not; an if whose else counts; the others of a oneOf) becomes a choice of
 * schemas, one for each keyword that may fail: grammar_schema_not.c. */
#ifndef TEXT_GRAMMAR_SCHEMA_H
#define TEXT_GRAMMAR_SCHEMA_H

#include "text/grammar_json.h"
#include "text/grammar_regex.h"

/* Where a schema stands: "#/properties/a". */
struct schema_path {
    const struct schema_path *up;
    const char *key; /* borrowed from the JSON, or NULL: index */
    size_t index;
};
struct schema_part {
    json_t *json;
    const struct schema_path *path;
};
/* A schema that stands in the place of a list's values, and whose $ref, allOf or choice it
 * is; -1: nobody's. */
struct schema_step {
    struct schema_part part;
    int32_t by;
    bool negated; /* it must not hold */
    bool silent;  /* says what must not hold: nothing counts as evaluated by it */
};
struct schema_list {
    struct schema_part *items;
    uint32_t n, cap;
    const struct schema_step *steps; /* of a flat list: all that led to it; borrowed */
    int32_t n_steps;
};

/* What option i of a choice brings besides itself, found once: schemas that were made, or numbers
 * of options that must not hold. */
struct schema_besides {
    const void *choice;
    size_t i;
    json_t *list;
};
/* A pattern's automaton, among the tree's. */
struct schema_pattern {
    const char *text; /* borrowed */
    bool all;         /* as for gram_regex */
    uint32_t machine;
};
/* A rule of strings of min to max characters. */
struct schema_length {
    uint32_t min, max, rule;
};
struct schema_memo {
    json_t **set; /* sorted by address */
    uint32_t n, rule;
};
/* What a schema that must not hold is a choice of: schemas, or {"not": schema}. */
struct schema_not {
    json_t *json, *options;
};
struct schema {
    struct gram_tree *t;
    struct gram_json j;
    struct gram_regex regex;
    const char *name;
    json_t *root;
    struct schema_memo *memo;
    uint32_t n_memo, cap_memo;
    void **owned; /* paths */
    size_t n_owned, cap_owned;
    int depth;
    uint32_t n_alternatives, n_parts; /* of flat lists */
    json_t *made; /* schemas that say what a keyword says in others' words */
    json_t *mark; /* the $comment of such a schema */
    struct schema_not *nots;
    uint32_t n_nots, cap_nots;
    struct schema_besides *besides;
    uint32_t n_besides, cap_besides;
    uint64_t work; /* of unfolding */
    struct schema_length *lengths;
    struct schema_pattern *patterns;
    uint32_t n_lengths, n_patterns;
};

enum schema_type {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_FRACTION = 8, /* numbers that are no integers */
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64,
    TYPE_ALL = 127
};

struct gram_bounds {
    double low, high; /* or infinite */
    bool no_low, no_high;
};
enum schema_key {
    KEY_NOTE,   /* says nothing about values */
    KEY_DONE,   /* looked at elsewhere */
    KEY_NUMBER, /* of numbers, strings, arrays, objects */
    KEY_STRING,
    KEY_ARRAY,
    KEY_OBJECT,
    KEY_REFUSED
};
/* What a flat list asks for. */
struct schema_shape {
    const struct schema_list *flat;
    unsigned types;
    struct gram_bounds number;
    int64_t least, most;                                   /* integers */
    uint32_t min_length, max_length, min_items, max_items; /* GRAM_NONE: any */
    uint32_t min_members, max_members;
    int32_t multiples[8]; /* integers of all of these */
    int n_multiples;
    bool unique;       /* items differ */
    bool excludes;     /* not: {const, enum, pattern or format} stands somewhere */
    unsigned no_types; /* not: {type} */
    bool has_number, has_string, has_array, has_object; /* keywords of that kind */
};

/* "#/properties/a/pattern: …", with the schema's name before it. key may be NULL. */
glass_status schema_fail(const struct schema *s, const struct schema_path *path,
                         const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
glass_status schema_path(struct schema *s, const struct schema_path **out,
                         const struct schema_path *up, const char *key, size_t index);
glass_status schema_add(struct schema_list *list, json_t *json,
                        const struct schema_path *path);
/* path/key, path/key/inner, or path/key/index; SIZE_MAX: no index */
glass_status schema_add_at(struct schema *s, struct schema_list *list, json_t *json,
                           const struct schema_path *up, const char *key, const char *inner,
                           size_t index);
/* The rule of all that every member allows. */
glass_status schema_rule(struct schema *s, uint32_t *rule, const struct schema_list *list);
glass_status schema_resolve(struct schema *s, const struct schema_part *part,
                            json_t **target);

/* grammar_schema_unfold.c: calls take for each alternative of a list. Its flat list is gone
 * afterwards. */
typedef glass_status schema_take(struct schema *s, void *to,
                                 const struct schema_list *flat);
glass_status schema_unfold(struct schema *s, const struct schema_list *list,
                           schema_take *take, void *to);
/* Whether what step i says counts as said by a schema of the flat list: it is that schema, or
 * stands in its place through $ref, allOf, a choice that holds. */
bool schema_inside(const struct schema_list *flat, int32_t i, const json_t *outer);
/* A schema made here, kept until the end; takes it over. NULL: no memory. */
glass_status schema_make(struct schema *s, json_t *made);
bool schema_is_made(const struct schema *s, const json_t *json);

/* grammar_schema_not.c: what the schema that must not hold is a choice of; borrowed. steps: what
 * stands beside it. */
glass_status schema_negate(struct schema *s, const struct schema_part *part,
                           json_t **options);
/* A schema that must not hold, as one. */
glass_status schema_without(struct schema *s, json_t **out, json_t *json);
/* Where it says additionalProperties: of the names in `steps` that these are, one is there, and
 * not what it says. The list is the caller's. */
glass_status schema_negate_others(struct schema *s, const struct schema_part *part,
                                  const struct schema_step *steps, int32_t n,
                                  json_t **options);
/* Whether not: what can be said by leaving out values, a type, or strings. */
bool schema_not_plain(json_t *denied);

/* grammar_schema_shape.c */
glass_status schema_collect(struct schema *s, struct schema_shape *shape,
                            const struct schema_list *flat);
enum schema_key schema_key_kind(const char *name);
unsigned schema_types(json_t *json);
/* Whether no value can be allowed by both, as far as that is easily seen. */
bool schema_apart(struct schema *s, json_t *a, json_t *b, int depth);
/* A member that tells two schemas of objects apart where it is there: the first asks for it, or
 * both say constants; NULL. */
const char *schema_telling(struct schema *s, json_t *a, json_t *b);
bool schema_equal(json_t *a, json_t *b);
unsigned schema_type_of(json_t *value);

/* The keyword that a message about not names: what stands there in place of a made one. */
const char *schema_not_key(const struct schema *s, const struct schema_part *part);
/* Whether not: {const or enum} of some schema names the value. */
bool schema_excludes(const struct schema_list *flat, json_t *value);

/* grammar_schema_const.c: *any: the value is one of a list, whose values are added to alt. */
glass_status schema_constants(struct schema *s, uint32_t alt,
                              const struct schema_shape *shape, bool *any);
/* The values that the schemas of a list without $ref and choices allow, when they name them
 * and are few; *n is GRAM_NONE where they do not. */
glass_status schema_values(struct schema *s, const struct schema_list *list,
                           json_t **values, uint32_t most, uint32_t *n);

/* grammar_schema_string.c: patterns, formats and lengths together, without quotes; NULL where
 * none is asked for. */
glass_status schema_string_machine(struct schema *s, struct gram_dfa **all,
                                   const struct schema_shape *shape);
glass_status schema_string(struct schema *s, uint32_t *out,
                           const struct schema_shape *shape);
/* The least and most characters that strings of the shape have, within what a grammar holds. */
glass_status schema_length_bounds(const struct schema *s, const struct schema_shape *shape,
                                  uint32_t *min, uint32_t *max);
/* A failure of reading a keyword, with its path before it where it has none yet; part and key
 * may be NULL. */
glass_status schema_at_key(const struct schema *s, const struct schema_part *part,
                           const char *key, glass_status status);

/* grammar_schema_object.c */
glass_status schema_object(struct schema *s, uint32_t *out,
                           const struct schema_shape *shape);

/* grammar_schema_array.c */
glass_status schema_array(struct schema *s, uint32_t *out,
                          const struct schema_shape *shape);
struct schema_arrows {
    struct gram_arrow *items;
    uint32_t n, cap;
};
glass_status schema_arrow(struct schema_arrows *a, uint32_t from, uint32_t to,
                          uint32_t node);
glass_status schema_comma(struct schema *s, uint32_t seq);

/* grammar_schema_tree.c */
glass_status schema_tree(struct schema *s, uint32_t *out, const struct schema_shape *shape);

/* grammar_number.c */
glass_status gram_integers(struct gram_tree *t, uint32_t *out, int64_t low, int64_t high);
/* Integers in decimal that are multiples of m, from 1 to GRAM_MULTIPLE. */
enum { GRAM_MULTIPLE = 10000 };
glass_status gram_multiples(struct gram_dfa **out, int32_t m);
/* Without exponents. *fits: no bound has more digits than 15. */
glass_status gram_decimals(struct gram_tree *t, uint32_t *out,
                           const struct gram_bounds *bounds, bool *fits);

#endif
