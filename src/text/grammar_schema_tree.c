/* grammar_schema_tree.c - shapes as trees: what JSON a flat list of schemas allows.
 *
 * Members of an object stand in the order in which the schema names them. Members that it
 * does not name are written only where it says additionalProperties, or names none at all:
 * leaving them out is allowed, and models do better without the temptation. */
#include "text/grammar_schema.h"

#include <math.h>
#include <stdio.h>

/* Longer strings and lists than these are not asked of a model: at most means at most that. */
enum { MOST_LENGTH = 4096, MOST_ITEMS = 4096 };

/* --- strings ------------------------------------------------------------------------------ */

/* A failure of reading a pattern, with its path before it. */
static glass_status at_key(const struct schema *s, const struct schema_part *part,
                           const char *key, glass_status status) {
    char words[400];
    if (status != GLASS_BAD_INPUT) return status;
    snprintf(words, sizeof words, "%s", glass_error());
    return schema_fail(s, part->path, key, "%s", words);
}

static glass_status join(struct schema *s, struct gram_dfa **all, uint32_t node,
                         const struct schema_part *part, const char *key) {
    struct gram_dfa *one, *both = NULL;
    TRY(at_key(s, part, key, gram_compile(&one, s->t, node, key)));
    if (*all == NULL) {
        *all = one;
        return GLASS_OK;
    }
    glass_status status = gram_dfa_join(&both, *all, one, GRAM_AND, key);
    gram_dfa_free(one);
    gram_dfa_free(*all);
    *all = both;
    return at_key(s, part, key, status);
}

static bool has_length(const struct schema_shape *shape) {
    return shape->min_length > 0 || shape->max_length != GRAM_NONE;
}

static glass_status length_bounds(const struct schema *s, const struct schema_shape *shape,
                                  uint32_t *min, uint32_t *max) {
    *min = shape->min_length;
    *max = shape->max_length;
    if (*min > MOST_LENGTH)
        return schema_fail(s, shape->flat->items[0].path, "minLength",
                           "more than %d characters are not asked for", MOST_LENGTH);
    if (*max != GRAM_NONE && *max > MOST_LENGTH) *max = MOST_LENGTH;
    return GLASS_OK;
}

/* Patterns, formats and lengths together; NULL where none is asked for. */
static glass_status join_all(struct schema *s, struct gram_dfa **all,
                             const struct schema_shape *shape) {
    uint32_t node, min, max;
    for (uint32_t i = 0; i < shape->flat->n; i++) {
        const struct schema_part *part = &shape->flat->items[i];
        json_t *pattern = json_object_get(part->json, "pattern");
        const char *name = json_string_value(json_object_get(part->json, "format"));
        const char *format = name == NULL ? NULL : gram_regex_format(name);
        if (pattern != NULL) {
            TRY(at_key(s, part, "pattern",
                       gram_regex_read(&s->regex, &node, json_string_value(pattern),
                                       json_string_length(pattern))));
            TRY(join(s, all, node, part, "pattern"));
        }
        if (format == NULL) continue;
        TRY(gram_regex_read(&s->regex, &node, format, strlen(format)));
        TRY(join(s, all, node, part, "format"));
    }
    if (*all == NULL || !has_length(shape)) return GLASS_OK;
    TRY(length_bounds(s, shape, &min, &max));
    if (max < min) return gram_alt(s->t, &node);
    TRY(gram_regex_any(&s->regex, &node, min, max));
    return join(s, all, node, &shape->flat->items[0], "maxLength");
}

static glass_status string_machine(struct schema *s, struct gram_dfa **all,
                                   const struct schema_shape *shape) {
    *all = NULL;
    glass_status status = join_all(s, all, shape);
    if (status != GLASS_OK) {
        gram_dfa_free(*all);
        *all = NULL;
    }
    return status;
}

static glass_status string_tree(struct schema *s, uint32_t *out,
                                const struct schema_shape *shape) {
    struct gram_dfa *machine;
    uint32_t node, min, max;
    if (shape->max_length < shape->min_length) return gram_alt(s->t, out);
    TRY(string_machine(s, &machine, shape));
    if (machine == NULL && !has_length(shape))
        return gram_json_rule(&s->j, out, RULE_STRING);
    if (machine != NULL) {
        TRY(gram_machine(s->t, &node, machine));
    } else {
        TRY(length_bounds(s, shape, &min, &max));
        TRY(gram_json_char(&s->j, &node));
        TRY(gram_settle(s->t, &node, "character"));
        TRY(gram_times(s->t, &node, node, min, max));
    }
    TRY(gram_seq(s->t, out));
    TRY(gram_put_text(s->t, *out, "\""));
    gram_add(s->t, *out, node);
    return gram_put_text(s->t, *out, "\"");
}

/* --- numbers ------------------------------------------------------------------------------ */

static glass_status integer_tree(struct schema *s, uint32_t *out,
                                 const struct schema_shape *shape) {
    static const int64_t usual = 999999999999999999;
    int64_t least = shape->least, most = shape->most;
    if (least == INT64_MIN && most == INT64_MAX)
        return gram_json_rule(&s->j, out, RULE_INTEGER);
    if (least == INT64_MIN && most >= -usual) least = -usual;
    if (most == INT64_MAX && least <= usual) most = usual;
    return gram_integers(s->t, out, least, most);
}

static glass_status number_tree(struct schema *s, uint32_t *out,
                                const struct schema_shape *shape) {
    bool fits;
    if (!(shape->types & TYPE_FRACTION)) return integer_tree(s, out, shape);
    if (isinf(shape->number.low) && isinf(shape->number.high))
        return gram_json_rule(&s->j, out, RULE_NUMBER);
    TRY(gram_decimals(s->t, out, &shape->number, &fits));
    if (fits) return GLASS_OK;
    for (uint32_t i = 0; i < shape->flat->n; i++) {
        static const char *const keys[] = {"minimum", "maximum", "exclusiveMinimum",
                                           "exclusiveMaximum"};
        const struct schema_part *part = &shape->flat->items[i];
        for (int k = 0; k < 4; k++)
            if (json_object_get(part->json, keys[k]) != NULL)
                return schema_fail(s, part->path, keys[k],
                                   "bounds of numbers may have 15 digits in all");
    }
    return GLASS_OK;
}

/* --- arrays ------------------------------------------------------------------------------- */

/* The items behind those that stand one by one: items, or additionalItems in drafts before
 * 2020; NULL where nothing is said. *prefix: those one by one. */
static json_t *rest_items(json_t *json, json_t **prefix, const char **prefix_key,
                          const char **rest_key) {
    json_t *items = json_object_get(json, "items");
    *prefix = json_object_get(json, "prefixItems");
    *prefix_key = "prefixItems";
    *rest_key = "items";
    if (!json_is_array(items)) return items;
    *prefix = items;
    *prefix_key = "items";
    *rest_key = "additionalItems";
    return json_object_get(json, "additionalItems");
}

/* What item i must be, SIZE_MAX: those behind. *said: something is said of them. */
static glass_status item_rule(struct schema *s, uint32_t *node,
                              const struct schema_shape *shape, size_t i, bool *said) {
    struct schema_list list = {0};
    uint32_t rule = 0;
    glass_status status = GLASS_OK;
    *said = false;
    for (uint32_t k = 0; status == GLASS_OK && k < shape->flat->n; k++) {
        const struct schema_part *part = &shape->flat->items[k];
        const char *prefix_key, *rest_key;
        json_t *prefix, *rest = rest_items(part->json, &prefix, &prefix_key, &rest_key);
        if (i < json_array_size(prefix)) {
            *said = true;
            status = schema_add_at(s, &list, json_array_get(prefix, i), part->path,
                                   prefix_key, NULL, i);
        } else if (rest != NULL) {
            *said = true;
            status = schema_add_at(s, &list, rest, part->path, rest_key, NULL, SIZE_MAX);
        }
    }
    if (status == GLASS_OK && list.n == 0) status = gram_json_rule(&s->j, node, RULE_VALUE);
    if (status == GLASS_OK && list.n > 0) {
        status = schema_rule(s, &rule, &list);
        if (status == GLASS_OK) status = gram_call(s->t, node, rule);
    }
    mem_free(list.items);
    return status;
}

static size_t longest_prefix(const struct schema_shape *shape) {
    size_t most = 0;
    for (uint32_t k = 0; k < shape->flat->n; k++) {
        const char *prefix_key, *rest_key;
        json_t *prefix;
        rest_items(shape->flat->items[k].json, &prefix, &prefix_key, &rest_key);
        if (json_array_size(prefix) > most) most = json_array_size(prefix);
    }
    return most;
}

static glass_status comma(struct schema *s, uint32_t seq) {
    TRY(gram_put_space(&s->j, seq));
    TRY(gram_put_text(s->t, seq, ","));
    return gram_put_space(&s->j, seq);
}

struct arrows {
    struct gram_arrow *items;
    uint32_t n, cap;
};

static glass_status arrow(struct arrows *a, uint32_t from, uint32_t to, uint32_t node) {
    if (a->n == a->cap) {
        uint32_t cap = a->cap ? 2 * a->cap : 64;
        TRY(mem_resize(&a->items, cap, sizeof *a->items));
        a->cap = cap;
    }
    a->items[a->n++] = (struct gram_arrow){from, to, node};
    return GLASS_OK;
}

/* Place i: i items are there. The last place: the list's end. */
static glass_status prefix_arrows(struct schema *s, struct arrows *a,
                                  const struct schema_shape *shape, size_t n_prefix,
                                  uint32_t max) {
    uint32_t nothing, node, seq, last = (uint32_t)n_prefix + 1;
    bool said;
    TRY(gram_text(s->t, &nothing, "", 0));
    for (size_t i = 0; i < n_prefix && i < max; i++) {
        TRY(item_rule(s, &node, shape, i, &said));
        TRY(gram_seq(s->t, &seq));
        if (i > 0) TRY(comma(s, seq));
        gram_add(s->t, seq, node);
        TRY(arrow(a, (uint32_t)i, (uint32_t)i + 1, seq));
        if (i >= shape->min_items) TRY(arrow(a, (uint32_t)i, last, nothing));
    }
    TRY(item_rule(s, &node, shape, SIZE_MAX, &said));
    if (max <= n_prefix) /* it ends there at the latest */
        return max >= shape->min_items ? arrow(a, max, last, nothing) : GLASS_OK;
    if (!said && shape->min_items <= n_prefix)
        return arrow(a, (uint32_t)n_prefix, last, nothing);
    TRY(gram_seq(s->t, &seq));
    TRY(comma(s, seq));
    gram_add(s->t, seq, node);
    uint32_t least =
        shape->min_items > n_prefix ? shape->min_items - (uint32_t)n_prefix : 0;
    TRY(gram_times(s->t, &node, seq, least,
                   max == GRAM_NONE ? GRAM_NONE : max - (uint32_t)n_prefix));
    return arrow(a, (uint32_t)n_prefix, last, node);
}

static glass_status prefixed_tree(struct schema *s, uint32_t *out,
                                  const struct schema_shape *shape, size_t n_prefix,
                                  uint32_t max) {
    struct arrows a = {0};
    uint32_t graph;
    glass_status status = prefix_arrows(s, &a, shape, n_prefix, max);
    if (status == GLASS_OK)
        status = gram_graph(s->t, &graph, a.items, a.n, (uint32_t)n_prefix + 2);
    mem_free(a.items);
    TRY(status);
    TRY(gram_seq(s->t, out));
    TRY(gram_put_text(s->t, *out, "["));
    TRY(gram_put_space(&s->j, *out));
    gram_add(s->t, *out, graph);
    TRY(gram_put_space(&s->j, *out));
    return gram_put_text(s->t, *out, "]");
}

static glass_status array_tree(struct schema *s, uint32_t *out,
                               const struct schema_shape *shape) {
    size_t n_prefix = longest_prefix(shape);
    uint32_t max = shape->max_items, node;
    bool said;
    if (max < shape->min_items) return gram_alt(s->t, out);
    if (shape->min_items > MOST_ITEMS || n_prefix > MOST_ITEMS)
        return schema_fail(s, shape->flat->items[0].path, "minItems",
                           "more than %d items are not asked for", MOST_ITEMS);
    if (max != GRAM_NONE && max > MOST_ITEMS) max = MOST_ITEMS;
    if (n_prefix > 0) return prefixed_tree(s, out, shape, n_prefix, max);
    TRY(item_rule(s, &node, shape, SIZE_MAX, &said));
    if (!said && shape->min_items == 0 && max == GRAM_NONE)
        return gram_json_rule(&s->j, out, RULE_ARRAY);
    return gram_json_list(&s->j, out, node, shape->min_items, max);
}

/* --- objects ------------------------------------------------------------------------------ */

struct names {
    const char **items;
    uint32_t n, cap;
};

static glass_status add_name(struct names *names, const char *name) {
    for (uint32_t i = 0; i < names->n; i++)
        if (strcmp(names->items[i], name) == 0) return GLASS_OK;
    if (names->n == names->cap) {
        uint32_t cap = names->cap ? 2 * names->cap : 32;
        TRY(mem_resize(&names->items, cap, sizeof *names->items));
        names->cap = cap;
    }
    names->items[names->n++] = name;
    return GLASS_OK;
}

/* All that the schemas name: properties in their order, then what else is required. */
static glass_status find_names(struct schema *s, struct names *names,
                               const struct schema_shape *shape) {
    enum { MOST_NAMES = 2000 };
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t k = 0; k < shape->flat->n; k++) {
            json_t *json = shape->flat->items[k].json, *value, *item;
            const char *key;
            size_t i;
            if (pass == 0)
                json_object_foreach(json_object_get(json, "properties"), key, value)
                    TRY(add_name(names, key));
            else
                json_array_foreach(json_object_get(json, "required"), i, item)
                    TRY(add_name(names, json_string_value(item)));
            if (names->n > MOST_NAMES)
                return schema_fail(s, shape->flat->items[k].path, "properties",
                                   "more than %d members", MOST_NAMES);
        }
    return GLASS_OK;
}

static bool is_required(const struct schema_shape *shape, const char *name) {
    json_t *item;
    size_t i;
    for (uint32_t k = 0; k < shape->flat->n; k++)
        json_array_foreach(json_object_get(shape->flat->items[k].json, "required"), i,
                           item) if (strcmp(json_string_value(item), name) ==
                                     0) return true;
    return false;
}

/* What a member must be; name NULL: one that no schema names. */
static glass_status member_rule(struct schema *s, uint32_t *node,
                                const struct schema_shape *shape, const char *name) {
    struct schema_list list = {0};
    uint32_t rule;
    glass_status status = GLASS_OK;
    for (uint32_t k = 0; status == GLASS_OK && k < shape->flat->n; k++) {
        const struct schema_part *part = &shape->flat->items[k];
        json_t *own =
            name == NULL ? NULL
                         : json_object_get(json_object_get(part->json, "properties"), name);
        json_t *other = json_object_get(part->json, "additionalProperties");
        if (own != NULL)
            status = schema_add_at(s, &list, own, part->path, "properties", name, 0);
        else if (other != NULL)
            status = schema_add_at(s, &list, other, part->path, "additionalProperties",
                                   NULL, SIZE_MAX);
    }
    if (status == GLASS_OK && list.n == 0) status = gram_json_rule(&s->j, node, RULE_VALUE);
    if (status == GLASS_OK && list.n > 0) {
        status = schema_rule(s, &rule, &list);
        if (status == GLASS_OK) status = gram_call(s->t, node, rule);
    }
    mem_free(list.items);
    return status;
}

static glass_status member(struct schema *s, uint32_t *out, uint32_t key, uint32_t value) {
    TRY(gram_seq(s->t, out));
    gram_add(s->t, *out, key);
    TRY(gram_put_space(&s->j, *out));
    TRY(gram_put_text(s->t, *out, ":"));
    TRY(gram_put_space(&s->j, *out));
    gram_add(s->t, *out, value);
    return GLASS_OK;
}

/* A string that is none of the names, however it is spelled. */
static glass_status other_name(struct schema *s, uint32_t *out, const struct names *names) {
    struct gram_dfa *any = NULL, *known = NULL, *others = NULL;
    uint32_t node, alt;
    if (names->n == 0) return gram_json_rule(&s->j, out, RULE_STRING);
    TRY(gram_seq(s->t, &node));
    TRY(gram_put_text(s->t, node, "\""));
    TRY(gram_regex_any(&s->regex, &alt, 0, GRAM_NONE));
    gram_add(s->t, node, alt);
    TRY(gram_put_text(s->t, node, "\""));
    TRY(gram_alt(s->t, &alt));
    for (uint32_t i = 0; i < names->n; i++) {
        uint32_t name;
        TRY(gram_json_quoted(s->t, &name, names->items[i], strlen(names->items[i])));
        gram_add(s->t, alt, name);
    }
    glass_status status = gram_compile(&any, s->t, node, "names of members");
    if (status == GLASS_OK) status = gram_compile(&known, s->t, alt, "names of members");
    if (status == GLASS_OK)
        status = gram_dfa_join(&others, any, known, GRAM_BUT_NOT, "names of members");
    gram_dfa_free(any);
    gram_dfa_free(known);
    return status == GLASS_OK ? gram_machine(s->t, out, others) : status;
}

/* Whether members without a name of their own are written. */
static bool writes_others(const struct schema_shape *shape, const struct names *names) {
    bool asked = names->n == 0;
    for (uint32_t k = 0; k < shape->flat->n; k++) {
        json_t *other = json_object_get(shape->flat->items[k].json, "additionalProperties");
        if (json_is_false(other)) return false;
        asked |= other != NULL;
    }
    return asked;
}

static glass_status others_node(struct schema *s, uint32_t *out,
                                const struct schema_shape *shape,
                                const struct names *names) {
    uint32_t key, value, node, rule;
    TRY(other_name(s, &key, names));
    TRY(member_rule(s, &value, shape, NULL));
    TRY(member(s, &node, key, value));
    TRY(gram_rule_add(s->t, &rule, "other members", 13));
    s->t->rules[rule].node = node;
    return gram_call(s->t, out, rule);
}

/* Places of member i: 3i: none is there yet, 3i + 1: some are, 3i + 2: it comes now. */
static glass_status member_arrows(struct schema *s, struct arrows *a,
                                  const struct schema_shape *shape,
                                  const struct names *names) {
    uint32_t nothing, key, value, node, between;
    TRY(gram_text(s->t, &nothing, "", 0));
    TRY(gram_seq(s->t, &between));
    TRY(comma(s, between));
    for (uint32_t i = 0; i < names->n; i++) {
        const char *name = names->items[i];
        TRY(gram_json_quoted(s->t, &key, name, strlen(name)));
        TRY(member_rule(s, &value, shape, name));
        TRY(member(s, &node, key, value));
        TRY(arrow(a, 3 * i, 3 * i + 2, nothing));
        TRY(arrow(a, 3 * i + 1, 3 * i + 2, between));
        TRY(arrow(a, 3 * i + 2, 3 * i + 4, node));
        if (is_required(shape, name)) continue;
        TRY(arrow(a, 3 * i, 3 * i + 3, nothing));
        TRY(arrow(a, 3 * i + 1, 3 * i + 4, nothing));
    }
    uint32_t i = 3 * names->n, more;
    if (writes_others(shape, names)) {
        TRY(others_node(s, &node, shape, names));
        TRY(gram_copy(s->t, &more, node));
        TRY(arrow(a, i, i + 2, nothing));
        TRY(arrow(a, i + 1, i + 2, between));
        TRY(gram_seq(s->t, &value));
        gram_add(s->t, value, more);
        TRY(gram_seq(s->t, &key));
        TRY(comma(s, key));
        gram_add(s->t, key, node);
        TRY(gram_times(s->t, &key, key, 0, GRAM_NONE));
        gram_add(s->t, value, key);
        TRY(arrow(a, i + 2, i + 3, value));
    }
    TRY(arrow(a, i, i + 3, nothing));
    return arrow(a, i + 1, i + 3, nothing);
}

static glass_status object_tree(struct schema *s, uint32_t *out,
                                const struct schema_shape *shape) {
    struct names names = {0};
    struct arrows a = {0};
    uint32_t graph;
    if (!shape->has_object) return gram_json_rule(&s->j, out, RULE_OBJECT);
    glass_status status = find_names(s, &names, shape);
    if (status == GLASS_OK) status = member_arrows(s, &a, shape, &names);
    if (status == GLASS_OK)
        status = gram_graph(s->t, &graph, a.items, a.n, 3 * names.n + 4);
    mem_free(names.items);
    mem_free(a.items);
    TRY(status);
    TRY(gram_seq(s->t, out));
    TRY(gram_put_text(s->t, *out, "{"));
    TRY(gram_put_space(&s->j, *out));
    gram_add(s->t, *out, graph);
    TRY(gram_put_space(&s->j, *out));
    return gram_put_text(s->t, *out, "}");
}

/* --- constants ---------------------------------------------------------------------------- */

/* Whether enum and const of every schema list the value. */
static bool is_listed(const struct schema_list *flat, json_t *value) {
    for (uint32_t k = 0; k < flat->n; k++) {
        json_t *list = json_object_get(flat->items[k].json, "enum"),
               *only = json_object_get(flat->items[k].json, "const"), *item;
        bool found = list == NULL;
        size_t i;
        if (only != NULL && !schema_equal(only, value)) return false;
        json_array_foreach(list, i, item) found |= schema_equal(item, value);
        if (!found) return false;
    }
    return true;
}

static bool number_fits(const struct schema_shape *shape, json_t *value) {
    const struct gram_bounds *b = &shape->number;
    double x = json_number_value(value);
    if (json_is_integer(value))
        return json_integer_value(value) >= shape->least &&
               json_integer_value(value) <= shape->most;
    return x >= b->low && x <= b->high && !(b->no_low && x == b->low) &&
           !(b->no_high && x == b->high);
}

static size_t count_characters(json_t *text) {
    size_t n = 0;
    for (size_t i = 0; i < json_string_length(text); i++)
        n += ((uint8_t)json_string_value(text)[i] & 0xc0) != 0x80;
    return n;
}

static glass_status string_fits(struct schema *s, const struct schema_shape *shape,
                                json_t *value, bool *fits) {
    struct gram_dfa *machine;
    size_t n = count_characters(value);
    uint32_t node;
    *fits = n >= shape->min_length && n <= shape->max_length;
    if (!*fits || !shape->has_string) return GLASS_OK;
    TRY(string_machine(s, &machine, shape));
    if (machine == NULL) return GLASS_OK;
    glass_status status =
        gram_json_quoted(s->t, &node, json_string_value(value), json_string_length(value));
    if (status == GLASS_OK) {
        const struct gram_node *text = &s->t->nodes[node];
        *fits = gram_dfa_has(machine, s->t->text.data + text->at + 1, text->n - 2);
    }
    gram_dfa_free(machine);
    return status;
}

static glass_status value_fits(struct schema *s, const struct schema_shape *shape,
                               json_t *value, const struct schema_part *part,
                               const char *key, bool *fits) {
    *fits = (schema_type_of(value) & shape->types) != 0 && is_listed(shape->flat, value);
    if (!*fits) return GLASS_OK;
    if (json_is_number(value)) *fits = number_fits(shape, value);
    if (json_is_string(value)) return string_fits(s, shape, value, fits);
    if ((json_is_array(value) && shape->has_array) ||
        (json_is_object(value) && shape->has_object))
        return schema_fail(s, part->path, key,
                           "lists and objects as constants beside keywords of theirs are "
                           "not understood");
    return GLASS_OK;
}

/* *any: the value is one of a list. */
static glass_status constants(struct schema *s, uint32_t alt,
                              const struct schema_shape *shape, bool *any) {
    *any = false;
    for (uint32_t k = 0; k < shape->flat->n && !*any; k++) {
        const struct schema_part *part = &shape->flat->items[k];
        json_t *list = json_object_get(part->json, "enum"),
               *only = json_object_get(part->json, "const");
        size_t n = only != NULL ? 1 : json_array_size(list);
        if (only == NULL && list == NULL) continue;
        *any = true;
        for (size_t i = 0; i < n; i++) {
            json_t *value = only != NULL ? only : json_array_get(list, i);
            uint32_t node;
            bool fits;
            TRY(value_fits(s, shape, value, part, only != NULL ? "const" : "enum", &fits));
            if (!fits) continue;
            TRY(gram_json_const(&s->j, &node, value));
            gram_add(s->t, alt, node);
        }
    }
    return GLASS_OK;
}

/* --- the whole ---------------------------------------------------------------------------- */

static bool says_nothing(const struct schema_shape *shape) {
    return shape->types == TYPE_ALL && !shape->has_number && !shape->has_string &&
           !shape->has_array && !shape->has_object;
}

glass_status schema_tree(struct schema *s, uint32_t *out,
                         const struct schema_shape *shape) {
    unsigned types = shape->types;
    uint32_t node;
    bool any;
    TRY(gram_alt(s->t, out));
    TRY(constants(s, *out, shape, &any));
    if (any) return GLASS_OK;
    if (says_nothing(shape)) return gram_put_rule(&s->j, *out, RULE_VALUE);
    if (types & TYPE_NULL) TRY(gram_put_text(s->t, *out, "null"));
    if (types & TYPE_BOOLEAN) {
        TRY(gram_put_text(s->t, *out, "true"));
        TRY(gram_put_text(s->t, *out, "false"));
    }
    if (types & (TYPE_INTEGER | TYPE_FRACTION)) {
        TRY(number_tree(s, &node, shape));
        gram_add(s->t, *out, node);
    }
    if (types & TYPE_STRING) {
        TRY(string_tree(s, &node, shape));
        gram_add(s->t, *out, node);
    }
    if (types & TYPE_ARRAY) {
        TRY(array_tree(s, &node, shape));
        gram_add(s->t, *out, node);
    }
    if (types & TYPE_OBJECT) {
        TRY(object_tree(s, &node, shape));
        gram_add(s->t, *out, node);
    }
    return GLASS_OK;
}
