/* grammar_schema_array.c - lists of a schema. */
#include "text/grammar_schema.h"

/* Longer lists than these are not asked of a model: at most means at most that. Items that must
 * differ are remembered as a set of that many values. */
enum { MOST_ITEMS = 4096, UNIQUE = 8, COUNTED = 1 << 14 };

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

/* Whether a schema that stands in the place of the outer one speaks of item i, so that its
 * unevaluatedItems does not; items that contains finds are left to it, which allows less. */
static bool is_evaluated(const struct schema_list *flat, const json_t *outer, size_t i) {
    for (int32_t k = 0; k < flat->n_steps; k++) {
        const char *prefix_key, *rest_key;
        json_t *json = flat->steps[k].part.json, *prefix,
               *rest = rest_items(json, &prefix, &prefix_key, &rest_key);
        if (flat->steps[k].negated || !schema_inside(flat, k, outer)) continue;
        if (rest != NULL || i < json_array_size(prefix)) return true;
        if (json != outer && json_object_get(json, "unevaluatedItems") != NULL) return true;
    }
    return false;
}

/* What is said of item i, SIZE_MAX: of those behind. */
static glass_status item_schemas(struct schema *s, struct schema_list *list,
                                 const struct schema_shape *shape, size_t i, bool *said) {
    glass_status status = GLASS_OK;
    *said = false;
    for (uint32_t k = 0; status == GLASS_OK && k < shape->flat->n; k++) {
        const struct schema_part *part = &shape->flat->items[k];
        const char *prefix_key, *rest_key;
        json_t *prefix, *rest = rest_items(part->json, &prefix, &prefix_key, &rest_key);
        json_t *others = json_object_get(part->json, "unevaluatedItems");
        if (others != NULL && !is_evaluated(shape->flat, part->json, i)) {
            *said = true;
            status = schema_add_at(s, list, others, part->path, "unevaluatedItems", NULL,
                                   SIZE_MAX);
        }
        if (status != GLASS_OK) return status;
        if (i < json_array_size(prefix)) {
            *said = true;
            status = schema_add_at(s, list, json_array_get(prefix, i), part->path,
                                   prefix_key, NULL, i);
        } else if (rest != NULL) {
            *said = true;
            if (schema_is_made(s, part->json)) rest_key = "contains"; /* none of those */
            status = schema_add_at(s, list, rest, part->path, rest_key, NULL, SIZE_MAX);
        }
    }
    return status;
}

/* What item i must be, SIZE_MAX: those behind, and besides what `also` says; NULL. *said:
 * something is said of them. */
static glass_status item_rule(struct schema *s, uint32_t *node,
                              const struct schema_shape *shape, size_t i,
                              const struct schema_part *also, bool *said) {
    struct schema_list list = {0};
    uint32_t rule = 0;
    glass_status status = item_schemas(s, &list, shape, i, said);
    if (status == GLASS_OK && also != NULL)
        status = schema_add(&list, also->json, also->path);
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

glass_status schema_comma(struct schema *s, uint32_t seq) {
    TRY(gram_put_space(&s->j, seq));
    TRY(gram_put_text(s->t, seq, ","));
    return gram_put_space(&s->j, seq);
}

glass_status schema_arrow(struct schema_arrows *a, uint32_t from, uint32_t to,
                          uint32_t node) {
    if (a->n == a->cap) {
        uint32_t cap = a->cap ? 2 * a->cap : 64;
        TRY(mem_resize(&a->items, cap, sizeof *a->items));
        a->cap = cap;
    }
    a->items[a->n++] = (struct gram_arrow){from, to, node};
    return GLASS_OK;
}

/* Place i: i items are there. The last place: the list's end. */
static glass_status prefix_arrows(struct schema *s, struct schema_arrows *a,
                                  const struct schema_shape *shape, size_t n_prefix,
                                  uint32_t max) {
    uint32_t nothing, node, seq, last = (uint32_t)n_prefix + 1;
    bool said;
    TRY(gram_text(s->t, &nothing, "", 0));
    for (size_t i = 0; i < n_prefix && i < max; i++) {
        TRY(item_rule(s, &node, shape, i, NULL, &said));
        TRY(gram_seq(s->t, &seq));
        if (i > 0) TRY(schema_comma(s, seq));
        gram_add(s->t, seq, node);
        TRY(schema_arrow(a, (uint32_t)i, (uint32_t)i + 1, seq));
        if (i >= shape->min_items) TRY(schema_arrow(a, (uint32_t)i, last, nothing));
    }
    TRY(item_rule(s, &node, shape, SIZE_MAX, NULL, &said));
    if (max <= n_prefix) /* it ends there at the latest */
        return max >= shape->min_items ? schema_arrow(a, max, last, nothing) : GLASS_OK;
    if (!said && shape->min_items <= n_prefix)
        return schema_arrow(a, (uint32_t)n_prefix, last, nothing);
    TRY(gram_seq(s->t, &seq));
    TRY(schema_comma(s, seq));
    gram_add(s->t, seq, node);
    uint32_t least =
        shape->min_items > n_prefix ? shape->min_items - (uint32_t)n_prefix : 0;
    TRY(gram_times(s->t, &node, seq, least,
                   max == GRAM_NONE ? GRAM_NONE : max - (uint32_t)n_prefix));
    return schema_arrow(a, (uint32_t)n_prefix, last, node);
}

static glass_status in_brackets(struct schema *s, uint32_t *out, uint32_t items) {
    TRY(gram_seq(s->t, out));
    TRY(gram_put_text(s->t, *out, "["));
    TRY(gram_put_space(&s->j, *out));
    gram_add(s->t, *out, items);
    TRY(gram_put_space(&s->j, *out));
    return gram_put_text(s->t, *out, "]");
}

static glass_status prefixed_tree(struct schema *s, uint32_t *out,
                                  const struct schema_shape *shape, size_t n_prefix,
                                  uint32_t max) {
    struct schema_arrows a = {0};
    uint32_t graph;
    glass_status status = prefix_arrows(s, &a, shape, n_prefix, max);
    if (status == GLASS_OK)
        status = gram_graph(s->t, &graph, a.items, a.n, (uint32_t)n_prefix + 2);
    mem_free(a.items);
    TRY(status);
    return in_brackets(s, out, graph);
}

/* Items that differ: a place for each set of those that are there already. */
static glass_status unique_arrows(struct schema *s, struct schema_arrows *a,
                                  const struct schema_shape *shape, json_t **values,
                                  uint32_t n, uint32_t max) {
    uint32_t nothing, first[UNIQUE], later[UNIQUE], last = (uint32_t)1 << n;
    TRY(gram_text(s->t, &nothing, "", 0));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t node;
        TRY(gram_json_const(&s->j, &first[i], values[i]));
        TRY(gram_seq(s->t, &later[i]));
        TRY(schema_comma(s, later[i]));
        TRY(gram_json_const(&s->j, &node, values[i]));
        gram_add(s->t, later[i], node);
    }
    for (uint32_t set = 0; set < last; set++) {
        uint32_t size = (uint32_t)__builtin_popcount(set);
        if (size > max) continue;
        if (size >= shape->min_items) TRY(schema_arrow(a, set, last, nothing));
        for (uint32_t i = 0; i < n && size < max; i++)
            if (!(set >> i & 1))
                TRY(schema_arrow(a, set, set | 1u << i, set == 0 ? first[i] : later[i]));
    }
    return GLASS_OK;
}

static glass_status unique_tree(struct schema *s, uint32_t *out,
                                const struct schema_shape *shape, size_t n_prefix,
                                uint32_t max) {
    struct schema_list list = {0};
    struct schema_arrows a = {0};
    const struct schema_part *part = &shape->flat->items[0];
    json_t *values[UNIQUE];
    uint32_t n = GRAM_NONE, graph = 0;
    bool said;
    for (uint32_t k = 0; k < shape->flat->n; k++)
        if (json_is_true(json_object_get(shape->flat->items[k].json, "uniqueItems")))
            part = &shape->flat->items[k];
    glass_status status = GLASS_OK;
    if (n_prefix == 0) status = item_schemas(s, &list, shape, SIZE_MAX, &said);
    if (status == GLASS_OK) status = schema_values(s, &list, values, UNIQUE, &n);
    mem_free(list.items);
    TRY(status);
    if (n == GRAM_NONE)
        return schema_fail(s, part->path, "uniqueItems",
                           "understood only where items are one of at most %d constants "
                           "(enum)",
                           UNIQUE);
    status = unique_arrows(s, &a, shape, values, n, max);
    if (status == GLASS_OK)
        status = gram_graph(s->t, &graph, a.items, a.n, ((uint32_t)1 << n) + 1);
    mem_free(a.items);
    TRY(status);
    return in_brackets(s, out, graph);
}

/* --- contains ------------------------------------------------------------------------------- */

/* Items that contains asks for are counted. */
struct counted {
    const struct schema_shape *shape;
    struct schema_part yes,
        no; /* what they are, and, where there are not too many, the others */
    uint32_t min, max;
    uint32_t n, cap; /* items and counts that have places of their own: to n, to cap */
};

static const struct schema_part *find_contains(const struct schema_shape *shape,
                                               const struct schema_part *after) {
    for (uint32_t k = 0; k < shape->flat->n; k++) {
        const struct schema_part *part = &shape->flat->items[k];
        if ((after == NULL || part > after) &&
            json_object_get(part->json, "contains") != NULL)
            return part;
    }
    return NULL;
}

static uint32_t count_of(json_t *json, const char *key, uint32_t other) {
    json_t *value = json_object_get(json, key);
    double x = json_is_number(value) ? json_number_value(value) : other;
    return x < 1e9 ? (uint32_t)x : other == GRAM_NONE ? GRAM_NONE : 1000000000;
}

/* Made to say that one is not as items say, it stands where items do. */
static const char *contains_key(const struct schema *s, const struct schema_part *part) {
    bool made =
        schema_is_made(s, part->json) && json_object_get(part->json, "minContains") == NULL;
    return made ? "items" : "contains";
}

static glass_status read_contains(struct schema *s, struct counted *c,
                                  const struct schema_part *part) {
    json_t *json = json_object_get(part->json, "contains"), *denied;
    c->min = count_of(part->json, "minContains", 1);
    c->max = count_of(part->json, "maxContains", GRAM_NONE);
    c->yes.json = json;
    TRY(schema_path(s, &c->yes.path, part->path, contains_key(s, part), 0));
    if (c->max == GRAM_NONE) return GLASS_OK;
    TRY(schema_without(s, &denied, json));
    c->no = (struct schema_part){denied, c->yes.path};
    return GLASS_OK;
}

/* Arrows of item i, which is counted or not. */
static glass_status counted_item(struct schema *s, struct schema_arrows *a,
                                 const struct counted *c, uint32_t i) {
    uint32_t node[2], wide = c->cap + 1;
    bool said;
    for (int k = 0; k < 2; k++) {
        const struct schema_part *also = k == 1 ? &c->yes : c->no.json ? &c->no : NULL;
        uint32_t item;
        TRY(item_rule(s, &item, c->shape, i, also, &said));
        TRY(gram_seq(s->t, &node[k]));
        if (i > 0) TRY(schema_comma(s, node[k]));
        gram_add(s->t, node[k], item);
    }
    for (uint32_t n = 0; n <= c->cap; n++) {
        uint32_t more = n < c->cap ? n + 1 : c->max == GRAM_NONE ? n : GRAM_NONE;
        TRY(schema_arrow(a, i * wide + n, (i + 1) * wide + n, node[0]));
        if (more != GRAM_NONE)
            TRY(schema_arrow(a, i * wide + n, (i + 1) * wide + more, node[1]));
    }
    return GLASS_OK;
}

/* Any number of items behind the n that have places, of which min to max are counted. */
static glass_status counted_rest(struct schema *s, uint32_t *out, const struct counted *c,
                                 uint32_t min, uint32_t max) {
    uint32_t one, others, item, run;
    bool said;
    TRY(gram_seq(s->t, out));
    for (int k = 0; k < 2; k++) { /* others, then each counted one with others behind it */
        TRY(item_rule(s, &item, c->shape, SIZE_MAX, c->no.json ? &c->no : NULL, &said));
        TRY(gram_seq(s->t, &others));
        TRY(schema_comma(s, others));
        gram_add(s->t, others, item);
        TRY(gram_times(s->t, &others, others, 0, GRAM_NONE));
        if (k == 0) {
            gram_add(s->t, *out, others);
            continue;
        }
        TRY(item_rule(s, &item, c->shape, SIZE_MAX, &c->yes, &said));
        TRY(gram_seq(s->t, &one));
        TRY(schema_comma(s, one));
        gram_add(s->t, one, item);
        gram_add(s->t, one, others);
        TRY(gram_times(s->t, &run, one, min, max));
        gram_add(s->t, *out, run);
    }
    return GLASS_OK;
}

/* Place i * (cap + 1) + n: i items are there, n of them counted. The last: the end. */
static glass_status counted_arrows(struct schema *s, struct schema_arrows *a,
                                   const struct counted *c, bool more) {
    uint32_t nothing, rest, last = (c->n + 1) * (c->cap + 1);
    TRY(gram_text(s->t, &nothing, "", 0));
    for (uint32_t i = 0; i <= c->n; i++) {
        if (i < c->n) TRY(counted_item(s, a, c, i));
        for (uint32_t n = 0; n <= c->cap; n++) {
            uint32_t at = i * (c->cap + 1) + n;
            if (i < c->n || !more) {
                if (i >= c->shape->min_items && n >= c->min)
                    TRY(schema_arrow(a, at, last, nothing));
                continue;
            }
            TRY(counted_rest(s, &rest, c, n < c->min ? c->min - n : 0,
                             c->max == GRAM_NONE ? GRAM_NONE : c->max - n));
            TRY(schema_arrow(a, at, last, rest));
        }
    }
    return GLASS_OK;
}

static glass_status counted_tree(struct schema *s, uint32_t *out,
                                 const struct schema_shape *shape, size_t n_prefix,
                                 uint32_t max) {
    struct counted c = {.shape = shape};
    struct schema_arrows a = {0};
    const struct schema_part *part = find_contains(shape, NULL);
    uint32_t graph = 0;
    bool more = max == GRAM_NONE;
    if (shape->unique || find_contains(shape, part) != NULL)
        return schema_fail(s, part->path, contains_key(s, part),
                           "items that it asks for cannot be counted beside uniqueItems or "
                           "another contains");
    TRY(read_contains(s, &c, part));
    if (c.max < c.min) return gram_alt(s->t, out);
    c.n = !more                                   ? max
          : (uint32_t)n_prefix > shape->min_items ? (uint32_t)n_prefix
                                                  : shape->min_items;
    if (c.n == 0 && more) c.n = 1;
    c.cap = c.max == GRAM_NONE ? c.min : c.max;
    if (c.cap > c.n && !more) c.cap = c.n; /* more there cannot be */
    if (c.cap > MOST_ITEMS || (c.n + 1) * (c.cap + 1) > COUNTED)
        return schema_fail(s, part->path, contains_key(s, part),
                           "too many items would have to be counted");
    if (c.cap < c.min) return gram_alt(s->t, out);
    glass_status status = counted_arrows(s, &a, &c, more);
    if (status == GLASS_OK)
        status = gram_graph(s->t, &graph, a.items, a.n, (c.n + 1) * (c.cap + 1) + 1);
    mem_free(a.items);
    TRY(status);
    return in_brackets(s, out, graph);
}

glass_status schema_array(struct schema *s, uint32_t *out,
                          const struct schema_shape *shape) {
    size_t n_prefix = longest_prefix(shape);
    uint32_t max = shape->max_items, node;
    bool said;
    if (max < shape->min_items) return gram_alt(s->t, out);
    if (shape->min_items > MOST_ITEMS || n_prefix > MOST_ITEMS)
        return schema_fail(s, shape->flat->items[0].path, "minItems",
                           "more than %d items are not asked for", MOST_ITEMS);
    if (find_contains(shape, NULL) != NULL) {
        if (max != GRAM_NONE && max > MOST_ITEMS) max = MOST_ITEMS;
        return counted_tree(s, out, shape, n_prefix, max);
    }
    if (shape->unique && max > 1) return unique_tree(s, out, shape, n_prefix, max);
    if (max != GRAM_NONE && max > MOST_ITEMS) max = MOST_ITEMS;
    if (n_prefix > 0) return prefixed_tree(s, out, shape, n_prefix, max);
    TRY(item_rule(s, &node, shape, SIZE_MAX, NULL, &said));
    if (!said && shape->min_items == 0 && max == GRAM_NONE)
        return gram_json_rule(&s->j, out, RULE_ARRAY);
    return gram_json_list(&s->j, out, node, shape->min_items, max);
}
