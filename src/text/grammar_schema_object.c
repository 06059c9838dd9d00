/* grammar_schema_object.c - objects of a schema.
 *
 * Members stand in the order in which the schema names them. Members that it does not name are
 * written only where it says additionalProperties or patternProperties, or names none at all:
 * leaving them out is allowed, and models do better without the temptation. */
#include "text/grammar_schema.h"

struct names {
    const char **items;
    uint32_t n, cap;
    bool own; /* the schema itself names some */
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
            names->own |= !schema_is_made(s, json) &&
                          (json_object_size(json_object_get(json, "properties")) > 0 ||
                           json_array_size(json_object_get(json, "required")) > 0);
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

/* --- names by patterns --------------------------------------------------------------------- */

enum { PATTERNS = 4 };
struct pattern {
    const struct schema_part *part;
    const char *text;
    json_t *json;
    struct gram_dfa *dfa; /* of names as they are spelled, without quotes */
};
struct object {
    const struct schema_shape *shape;
    struct names names;
    struct pattern patterns[PATTERNS];
    int n_patterns;
    struct gram_dfa *allowed; /* by propertyNames; NULL: any */
};

static void clear_object(struct object *o) {
    mem_free(o->names.items);
    for (int i = 0; i < o->n_patterns; i++) gram_dfa_free(o->patterns[i].dfa);
    gram_dfa_free(o->allowed);
}

static glass_status find_patterns(struct schema *s, struct object *o) {
    for (uint32_t k = 0; k < o->shape->flat->n; k++) {
        const struct schema_part *part = &o->shape->flat->items[k];
        json_t *all = json_object_get(part->json, "patternProperties"), *value;
        const char *key;
        json_object_foreach(all, key, value) {
            struct pattern *p = &o->patterns[o->n_patterns];
            uint32_t node;
            if (o->n_patterns == PATTERNS)
                return schema_fail(s, part->path, "patternProperties",
                                   "more than %d patterns of names in one place", PATTERNS);
            *p = (struct pattern){part, key, value, NULL};
            TRY(schema_at_key(s, part, "patternProperties",
                              gram_regex_read(&s->regex, &node, key, strlen(key))));
            TRY(schema_at_key(s, part, "patternProperties",
                              gram_compile(&p->dfa, s->t, node, "names of members")));
            o->n_patterns++;
        }
    }
    return GLASS_OK;
}

/* A text as it is spelled inside quotes. */
static glass_status spelled(struct schema *s, uint32_t *out, const char *text, size_t n) {
    TRY(gram_json_quoted(s->t, out, text, n));
    s->t->nodes[*out].at++;
    s->t->nodes[*out].n -= 2;
    return GLASS_OK;
}

static glass_status spelled_is_of(struct schema *s, const struct gram_dfa *dfa,
                                  const char *name, bool *is) {
    uint32_t node;
    TRY(spelled(s, &node, name, strlen(name)));
    *is = gram_dfa_has(dfa, s->t->text.data + s->t->nodes[node].at, s->t->nodes[node].n);
    return GLASS_OK;
}

/* Adds the names that one flat list allows to the alternative `to`. */
static glass_status names_of(struct schema *s, void *to, const struct schema_list *list) {
    enum { MOST_VALUES = 256 };
    struct schema_shape shape;
    struct gram_dfa *dfa;
    json_t *values[MOST_VALUES];
    uint32_t n = GRAM_NONE, node, text, min, max, alt = *(uint32_t *)to;
    if (list->n > 0) TRY(schema_values(s, list, values, MOST_VALUES, &n));
    TRY(schema_collect(s, &shape, list));
    for (uint32_t k = 0; n == GRAM_NONE && k < list->n; k++)
        if (json_object_get(list->items[k].json, "enum") != NULL ||
            json_object_get(list->items[k].json, "const") != NULL)
            return schema_fail(s, list->items[k].path, "enum",
                               "more than %d names are not understood", MOST_VALUES);
    if (n == GRAM_NONE && (shape.types & TYPE_STRING) &&
        shape.max_length >= shape.min_length) {
        TRY(schema_string_machine(s, &dfa, &shape));
        if (dfa != NULL) {
            TRY(gram_machine(s->t, &node, dfa));
        } else {
            TRY(schema_length_bounds(s, &shape, &min, &max));
            TRY(gram_regex_any(&s->regex, &node, min, max));
        }
        gram_add(s->t, alt, node);
    }
    for (uint32_t i = 0; n != GRAM_NONE && i < n; i++) {
        if (!json_is_string(values[i])) continue;
        TRY(spelled(s, &text, json_string_value(values[i]), json_string_length(values[i])));
        gram_add(s->t, alt, text);
    }
    return GLASS_OK;
}

static glass_status one_property_names(struct schema *s, struct object *o,
                                       const struct schema_part *part, json_t *json) {
    struct schema_list list = {0};
    struct gram_dfa *one = NULL, *both = NULL;
    uint32_t alt;
    if (json_is_true(json) || (json_is_object(json) && json_object_size(json) == 0))
        return GLASS_OK;
    TRY(gram_alt(s->t, &alt));
    glass_status status =
        schema_add_at(s, &list, json, part->path, "propertyNames", NULL, SIZE_MAX);
    if (status == GLASS_OK) status = schema_unfold(s, &list, names_of, &alt);
    mem_free(list.items);
    TRY(status);
    TRY(gram_compile(&one, s->t, alt, "propertyNames"));
    if (o->allowed == NULL) {
        o->allowed = one;
        return GLASS_OK;
    }
    status = gram_dfa_join(&both, o->allowed, one, GRAM_AND, "propertyNames");
    gram_dfa_free(one);
    TRY(status);
    gram_dfa_free(o->allowed);
    o->allowed = both;
    return GLASS_OK;
}

static glass_status find_allowed(struct schema *s, struct object *o) {
    for (uint32_t k = 0; k < o->shape->flat->n; k++) {
        const struct schema_part *part = &o->shape->flat->items[k];
        json_t *json = json_object_get(part->json, "propertyNames");
        if (json != NULL)
            TRY(schema_at_key(s, part, "propertyNames",
                              one_property_names(s, o, part, json)));
    }
    return GLASS_OK;
}

/* --- what members must be ------------------------------------------------------------------ */

/* Whether a pattern of the schema is among those of the set. */
static bool matches(const struct object *o, unsigned set, const json_t *json) {
    for (int i = 0; i < o->n_patterns; i++)
        if ((set >> i & 1) && o->patterns[i].part->json == json) return true;
    return false;
}

/* Whether a schema that stands in the place of the outer one speaks of the member, so that its
 * unevaluatedProperties does not. */
static bool is_evaluated(const struct object *o, const json_t *outer, const char *name,
                         unsigned set) {
    const struct schema_list *flat = o->shape->flat;
    for (int32_t i = 0; i < flat->n_steps; i++) {
        json_t *json = flat->steps[i].part.json;
        if (flat->steps[i].negated || !schema_inside(flat, i, outer)) continue;
        if (name != NULL &&
            json_object_get(json_object_get(json, "properties"), name) != NULL)
            return true;
        if (json_object_get(json, "additionalProperties") != NULL || matches(o, set, json))
            return true;
        if (json != outer && json_object_get(json, "unevaluatedProperties") != NULL)
            return true;
    }
    return false;
}

/* Schemas of a member whose name is of the patterns in the set; name NULL: one that no schema
 * names. */
static glass_status member_schemas(struct schema *s, struct schema_list *list,
                                   const struct object *o, const char *name, unsigned set) {
    for (int i = 0; i < o->n_patterns; i++)
        if (set >> i & 1)
            TRY(schema_add_at(s, list, o->patterns[i].json, o->patterns[i].part->path,
                              "patternProperties", o->patterns[i].text, 0));
    for (uint32_t k = 0; k < o->shape->flat->n; k++) {
        const struct schema_part *part = &o->shape->flat->items[k];
        json_t *own =
            name == NULL ? NULL
                         : json_object_get(json_object_get(part->json, "properties"), name);
        json_t *other = json_object_get(part->json, "additionalProperties"),
               *last = json_object_get(part->json, "unevaluatedProperties");
        if (last != NULL && !is_evaluated(o, part->json, name, set))
            TRY(schema_add_at(s, list, last, part->path, "unevaluatedProperties", NULL,
                              SIZE_MAX));
        if (own != NULL)
            TRY(schema_add_at(s, list, own, part->path, "properties", name, 0));
        else if (other != NULL && !matches(o, set, part->json))
            TRY(schema_add_at(s, list, other, part->path, "additionalProperties", NULL,
                              SIZE_MAX));
    }
    return GLASS_OK;
}

static glass_status rule_of(struct schema *s, uint32_t *node,
                            const struct schema_list *list) {
    uint32_t rule;
    if (list->n == 0) return gram_json_rule(&s->j, node, RULE_VALUE);
    TRY(schema_rule(s, &rule, list));
    return gram_call(s->t, node, rule);
}

static glass_status named_member(struct schema *s, uint32_t *node, const struct object *o,
                                 const char *name) {
    struct schema_list list = {0};
    unsigned set = 0;
    bool is = true;
    for (int i = 0; i < o->n_patterns; i++) {
        TRY(spelled_is_of(s, o->patterns[i].dfa, name, &is));
        set |= (unsigned)is << i;
    }
    is = true;
    if (o->allowed != NULL) TRY(spelled_is_of(s, o->allowed, name, &is));
    if (!is) return gram_alt(s->t, node); /* no value suits */
    glass_status status = member_schemas(s, &list, o, name, set);
    if (status == GLASS_OK) status = rule_of(s, node, &list);
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

static glass_status narrow(struct gram_dfa **dfa, const struct gram_dfa *other,
                           enum gram_join how) {
    struct gram_dfa *joined;
    TRY(gram_dfa_join(&joined, *dfa, other, how, "names of members"));
    gram_dfa_free(*dfa);
    *dfa = joined;
    return GLASS_OK;
}

/* All names but those that schemas name, which propertyNames allows. */
static glass_status other_names(struct schema *s, struct gram_dfa **out,
                                const struct object *o) {
    struct gram_dfa *known;
    uint32_t node, alt, name;
    TRY(gram_regex_any(&s->regex, &node, 0, GRAM_NONE));
    TRY(gram_alt(s->t, &alt));
    for (uint32_t i = 0; i < o->names.n; i++) {
        TRY(spelled(s, &name, o->names.items[i], strlen(o->names.items[i])));
        gram_add(s->t, alt, name);
    }
    TRY(gram_compile(&known, s->t, alt, "names of members"));
    glass_status status = gram_compile(out, s->t, node, "names of members");
    if (status == GLASS_OK) status = narrow(out, known, GRAM_BUT_NOT);
    if (status == GLASS_OK && o->allowed != NULL)
        status = narrow(out, o->allowed, GRAM_AND);
    gram_dfa_free(known);
    if (status != GLASS_OK) {
        gram_dfa_free(*out);
        *out = NULL;
    }
    return status;
}

/* Those of the patterns in the set and of no others; *some: there are any. */
static glass_status names_of_set(struct schema *s, uint32_t *out, const struct object *o,
                                 const struct gram_dfa *others, unsigned set, bool *some) {
    struct gram_dfa *dfa = NULL;
    uint32_t node;
    glass_status status = gram_dfa_join(&dfa, others, others, GRAM_AND, "names of members");
    for (int i = 0; status == GLASS_OK && i < o->n_patterns; i++)
        status = narrow(&dfa, o->patterns[i].dfa, set >> i & 1 ? GRAM_AND : GRAM_BUT_NOT);
    if (status != GLASS_OK) {
        gram_dfa_free(dfa);
        return status;
    }
    *some = gram_dfa_some(dfa);
    TRY(gram_machine(s->t, &node, dfa));
    TRY(gram_seq(s->t, out));
    TRY(gram_put_text(s->t, *out, "\""));
    gram_add(s->t, *out, node);
    return gram_put_text(s->t, *out, "\"");
}

static bool allows_nothing(const struct schema_list *list) {
    for (uint32_t i = 0; i < list->n; i++)
        if (json_is_false(list->items[i].json)) return true;
    return false;
}

/* Adds members whose names are of the patterns in the set. */
static glass_status add_others(struct schema *s, uint32_t alt, const struct object *o,
                               const struct gram_dfa *others, unsigned set) {
    struct schema_list list = {0};
    uint32_t key, value, node;
    bool some = true;
    glass_status status = member_schemas(s, &list, o, NULL, set);
    bool none = status == GLASS_OK && allows_nothing(&list);
    if (status == GLASS_OK && !none)
        status = others == NULL ? gram_json_rule(&s->j, &key, RULE_STRING)
                                : names_of_set(s, &key, o, others, set, &some);
    if (status == GLASS_OK && !none && some) status = rule_of(s, &value, &list);
    mem_free(list.items);
    if (status != GLASS_OK || none || !some) return status;
    TRY(member(s, &node, key, value));
    gram_add(s->t, alt, node);
    return GLASS_OK;
}

/* Whether members are written that neither properties nor patternProperties name. */
static bool writes_any(const struct object *o) {
    bool asked = !o->names.own && o->n_patterns == 0;
    for (uint32_t k = 0; k < o->shape->flat->n; k++) {
        json_t *json = o->shape->flat->items[k].json;
        asked |= json_object_get(json, "additionalProperties") != NULL ||
                 json_object_get(json, "unevaluatedProperties") != NULL;
    }
    return asked;
}

/* A member without a name of its own; GRAM_NONE: there is none. */
static glass_status other_member(struct schema *s, uint32_t *out, const struct object *o) {
    struct gram_dfa *others = NULL;
    uint32_t rule, alt;
    glass_status status = GLASS_OK;
    *out = GRAM_NONE;
    if (!writes_any(o) && o->n_patterns == 0) return GLASS_OK;
    if (o->names.n > 0 || o->n_patterns > 0 || o->allowed != NULL)
        TRY(other_names(s, &others, o));
    status = gram_alt(s->t, &alt);
    for (unsigned set = 0; status == GLASS_OK && set < 1u << o->n_patterns; set++)
        if (set != 0 || writes_any(o)) status = add_others(s, alt, o, others, set);
    gram_dfa_free(others);
    TRY(status);
    if (s->t->nodes[alt].child == GRAM_NONE) return GLASS_OK;
    TRY(gram_rule_add(s->t, &rule, "other members", 13));
    s->t->rules[rule].node = alt;
    return gram_call(s->t, out, rule);
}

/* Places of member i: 3i: none is there yet, 3i + 1: some are, 3i + 2: it comes now. */
static glass_status member_arrows(struct schema *s, struct schema_arrows *a,
                                  const struct object *o, uint32_t other) {
    const struct names *names = &o->names;
    uint32_t nothing, key, value, node, between;
    TRY(gram_text(s->t, &nothing, "", 0));
    TRY(gram_seq(s->t, &between));
    TRY(schema_comma(s, between));
    for (uint32_t i = 0; i < names->n; i++) {
        const char *name = names->items[i];
        TRY(gram_json_quoted(s->t, &key, name, strlen(name)));
        TRY(named_member(s, &value, o, name));
        TRY(member(s, &node, key, value));
        TRY(schema_arrow(a, 3 * i, 3 * i + 2, nothing));
        TRY(schema_arrow(a, 3 * i + 1, 3 * i + 2, between));
        TRY(schema_arrow(a, 3 * i + 2, 3 * i + 4, node));
        if (is_required(o->shape, name)) continue;
        TRY(schema_arrow(a, 3 * i, 3 * i + 3, nothing));
        TRY(schema_arrow(a, 3 * i + 1, 3 * i + 4, nothing));
    }
    uint32_t i = 3 * names->n, more;
    if (other != GRAM_NONE) {
        node = other;
        TRY(gram_copy(s->t, &more, node));
        TRY(schema_arrow(a, i, i + 2, nothing));
        TRY(schema_arrow(a, i + 1, i + 2, between));
        TRY(gram_seq(s->t, &value));
        gram_add(s->t, value, more);
        TRY(gram_seq(s->t, &key));
        TRY(schema_comma(s, key));
        gram_add(s->t, key, node);
        TRY(gram_times(s->t, &key, key, 0, GRAM_NONE));
        gram_add(s->t, value, key);
        TRY(schema_arrow(a, i + 2, i + 3, value));
    }
    TRY(schema_arrow(a, i, i + 3, nothing));
    return schema_arrow(a, i + 1, i + 3, nothing);
}

/* --- members counted ------------------------------------------------------------------------ */

/* Whether minProperties and maxProperties ask for more than is written anyway. other: members
 * that are not named. */
static bool is_counted(const struct object *o, uint32_t other) {
    uint32_t n_required = 0;
    for (uint32_t i = 0; i < o->names.n; i++)
        n_required += is_required(o->shape, o->names.items[i]);
    return o->shape->min_members > n_required ||
           (o->shape->max_members != GRAM_NONE &&
            (other != GRAM_NONE || o->shape->max_members < o->names.n));
}

/* Those that are not named, where count members are there already. Since a name may come twice, and
 * then is one member, only one is sure to count. */
static glass_status counted_others(struct schema *s, uint32_t *node, const struct object *o,
                                   uint32_t other, uint32_t count) {
    enum { MOST_MEMBERS = 4096 };
    uint32_t min = o->shape->min_members > count ? o->shape->min_members - count : 0;
    uint32_t max = o->shape->max_members, one, rest, alt, nothing;
    if (max != GRAM_NONE) max -= count;
    if (max != GRAM_NONE && max > MOST_MEMBERS) max = MOST_MEMBERS;
    TRY(gram_alt(s->t, &alt));
    *node = alt;
    TRY(gram_text(s->t, &nothing, "", 0));
    if (min == 0) gram_add(s->t, alt, nothing);
    if (other == GRAM_NONE || max == 0 || min > 1) return GLASS_OK;
    TRY(gram_seq(s->t, &rest));
    TRY(schema_comma(s, rest));
    TRY(gram_copy(s->t, &one, other));
    gram_add(s->t, rest, one);
    if (count > 0) {
        TRY(gram_times(s->t, &rest, rest, 1, max));
        gram_add(s->t, alt, rest);
        return GLASS_OK;
    }
    TRY(gram_times(s->t, &rest, rest, 0, max == GRAM_NONE ? max : max - 1));
    TRY(gram_seq(s->t, &one));
    gram_add(s->t, alt, one);
    TRY(gram_copy(s->t, &nothing, other));
    gram_add(s->t, one, nothing);
    gram_add(s->t, one, rest);
    return GLASS_OK;
}

/* Place i * (cap + 1) + n: before name i, n members are there, or more than cap. */
static glass_status counted_names(struct schema *s, struct schema_arrows *a,
                                  const struct object *o, uint32_t cap, bool capped) {
    uint32_t nothing, node[2], key, value, wide = cap + 1;
    TRY(gram_text(s->t, &nothing, "", 0));
    for (uint32_t i = 0; i < o->names.n; i++) {
        const char *name = o->names.items[i];
        for (int k = 0; k < 2; k++) {
            TRY(gram_json_quoted(s->t, &key, name, strlen(name)));
            TRY(named_member(s, &value, o, name));
            TRY(member(s, &value, key, value));
            TRY(gram_seq(s->t, &node[k]));
            if (k > 0) TRY(schema_comma(s, node[k]));
            gram_add(s->t, node[k], value);
        }
        for (uint32_t n = 0; n <= cap && n <= i; n++) {
            uint32_t from = i * wide + n, more = n < cap ? n + 1 : n;
            if (!is_required(o->shape, name))
                TRY(schema_arrow(a, from, (i + 1) * wide + n, nothing));
            if (n < cap || !capped)
                TRY(schema_arrow(a, from, (i + 1) * wide + more, node[n > 0]));
        }
    }
    return GLASS_OK;
}

static glass_status counted_members(struct schema *s, uint32_t *graph, struct object *o,
                                    uint32_t other) {
    enum { COUNTED = 1 << 14 };
    struct schema_arrows a = {0};
    uint32_t n = o->names.n, most = o->shape->max_members, least = o->shape->min_members;
    uint32_t cap = most != GRAM_NONE ? most : least, node;
    bool capped = most != GRAM_NONE && most <= n;
    if (most < least) return gram_alt(s->t, graph);
    if (cap > n) cap = n;
    if (other != GRAM_NONE && least > n + 1)
        return schema_fail(s, o->shape->flat->items[0].path, "minProperties",
                           "of members without names of their own more than one cannot be "
                           "asked for, since a name may come twice");
    if ((n + 1) * (cap + 1) > COUNTED)
        return schema_fail(s, o->shape->flat->items[0].path,
                           least > 0 ? "minProperties" : "maxProperties",
                           "too many members would have to be counted");
    uint32_t last = (n + 1) * (cap + 1);
    glass_status status = counted_names(s, &a, o, cap, capped);
    for (uint32_t c = 0; status == GLASS_OK && c <= cap; c++) {
        status = counted_others(s, &node, o, other, c);
        if (status == GLASS_OK) status = schema_arrow(&a, n * (cap + 1) + c, last, node);
    }
    if (status == GLASS_OK) status = gram_graph(s->t, graph, a.items, a.n, last + 1);
    mem_free(a.items);
    return status;
}

static glass_status members(struct schema *s, uint32_t *graph, struct object *o) {
    struct schema_arrows a = {0};
    uint32_t other;
    TRY(find_names(s, &o->names, o->shape));
    TRY(find_patterns(s, o));
    TRY(find_allowed(s, o));
    TRY(other_member(s, &other, o));
    if (is_counted(o, other)) return counted_members(s, graph, o, other);
    glass_status status = member_arrows(s, &a, o, other);
    if (status == GLASS_OK)
        status = gram_graph(s->t, graph, a.items, a.n, 3 * o->names.n + 4);
    mem_free(a.items);
    return status;
}

glass_status schema_object(struct schema *s, uint32_t *out,
                           const struct schema_shape *shape) {
    struct object o = {.shape = shape};
    uint32_t graph = 0;
    if (!shape->has_object) return gram_json_rule(&s->j, out, RULE_OBJECT);
    glass_status status = members(s, &graph, &o);
    clear_object(&o);
    TRY(status);
    TRY(gram_seq(s->t, out));
    TRY(gram_put_text(s->t, *out, "{"));
    TRY(gram_put_space(&s->j, *out));
    gram_add(s->t, *out, graph);
    TRY(gram_put_space(&s->j, *out));
    return gram_put_text(s->t, *out, "}");
}
