/* grammar_schema_const.c - enum and const: values that are held against what stands beside them. */
#include "text/grammar_schema.h"

#include <math.h>

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
    for (int i = 0; i < shape->n_multiples; i++)
        if (json_is_integer(value) ? json_integer_value(value) % shape->multiples[i] != 0
                                   : fmod(x, shape->multiples[i]) != 0)
            return false;
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

/* What the values of one list are held against. */
struct check {
    const struct schema_shape *shape;
    const struct schema_part *part; /* where they are listed, and as what */
    const char *key;
    struct gram_dfa *machine; /* of strings, once one is asked for; NULL: any */
    bool made;
};

static glass_status string_fits(struct schema *s, struct check *c, json_t *value,
                                bool *fits) {
    size_t n = count_characters(value);
    uint32_t node;
    *fits = n >= c->shape->min_length && n <= c->shape->max_length;
    if (!*fits || !c->shape->has_string) return GLASS_OK;
    if (!c->made) TRY(schema_string_machine(s, &c->machine, c->shape));
    c->made = true;
    if (c->machine == NULL) return GLASS_OK;
    TRY(gram_json_quoted(s->t, &node, json_string_value(value), json_string_length(value)));
    const struct gram_node *text = &s->t->nodes[node];
    *fits = gram_dfa_has(c->machine, s->t->text.data + text->at + 1, text->n - 2);
    return GLASS_OK;
}

static glass_status value_fits(struct schema *s, struct check *c, json_t *value,
                               bool *fits) {
    const struct schema_shape *shape = c->shape;
    *fits = (schema_type_of(value) & shape->types) != 0 && is_listed(shape->flat, value) &&
            !schema_excludes(shape->flat, value);
    if (!*fits) return GLASS_OK;
    if (json_is_number(value)) *fits = number_fits(shape, value);
    if (json_is_string(value)) return string_fits(s, c, value, fits);
    if ((json_is_array(value) && shape->has_array) ||
        (json_is_object(value) && shape->has_object))
        return schema_fail(s, c->part->path, c->key,
                           "lists and objects as constants beside keywords of theirs are "
                           "not understood");
    return GLASS_OK;
}

/* The list that names values: enum or const of some schema; *key is NULL without. */
static const struct schema_part *find_list(const struct schema_shape *shape, json_t **list,
                                           json_t **only, const char **key) {
    for (uint32_t k = 0; k < shape->flat->n; k++) {
        const struct schema_part *part = &shape->flat->items[k];
        *list = json_object_get(part->json, "enum");
        *only = json_object_get(part->json, "const");
        *key = *only != NULL ? "const" : "enum";
        if (*only != NULL || *list != NULL) return part;
    }
    return NULL;
}

glass_status schema_constants(struct schema *s, uint32_t alt,
                              const struct schema_shape *shape, bool *any) {
    json_t *list, *only;
    const char *key;
    const struct schema_part *part = find_list(shape, &list, &only, &key);
    *any = part != NULL;
    size_t n = part == NULL ? 0 : only != NULL ? 1 : json_array_size(list);
    struct check c = {.shape = shape, .part = part, .key = key};
    glass_status status = GLASS_OK;
    for (size_t i = 0; status == GLASS_OK && i < n; i++) {
        json_t *value = only != NULL ? only : json_array_get(list, i);
        uint32_t node;
        bool fits = false;
        status = value_fits(s, &c, value, &fits);
        if (status != GLASS_OK || !fits) continue;
        status = gram_json_const(&s->j, &node, value);
        if (status == GLASS_OK) gram_add(s->t, alt, node);
    }
    gram_dfa_free(c.machine);
    return status;
}

/* Schemas that say all by themselves. */
static bool is_flat(const struct schema_list *list) {
    static const char *const keys[] = {"$ref",
                                       "allOf",
                                       "anyOf",
                                       "oneOf",
                                       "if",
                                       "dependentRequired",
                                       "dependentSchemas",
                                       "dependencies"};
    for (uint32_t k = 0; k < list->n; k++) {
        json_t *json = list->items[k].json, *denied = json_object_get(json, "not");
        if (!json_is_object(json) || (denied != NULL && !schema_not_plain(denied)))
            return false;
        for (int i = 0; i < 8; i++)
            if (json_object_get(json, keys[i]) != NULL) return false;
    }
    return list->n > 0;
}

static bool is_among(json_t **values, uint32_t n, json_t *value) {
    for (uint32_t i = 0; i < n; i++)
        if (schema_equal(values[i], value)) return true;
    return false;
}

glass_status schema_values(struct schema *s, const struct schema_list *list,
                           json_t **values, uint32_t most, uint32_t *n) {
    struct schema_shape shape;
    json_t *all, *only;
    const char *key;
    *n = GRAM_NONE;
    if (list->steps == NULL && !is_flat(list)) return GLASS_OK; /* else unfolded */
    TRY(schema_collect(s, &shape, list));
    const struct schema_part *part = find_list(&shape, &all, &only, &key);
    uint32_t count = 0;
    if (part == NULL && (shape.types & ~(unsigned)(TYPE_NULL | TYPE_BOOLEAN)) == 0 &&
        !shape.excludes) {
        if (shape.types & TYPE_NULL) values[count++] = json_null();
        if (shape.types & TYPE_BOOLEAN) values[count++] = json_true();
        if (shape.types & TYPE_BOOLEAN) values[count++] = json_false();
        *n = count;
        return GLASS_OK;
    }
    size_t size = part == NULL ? 0 : only != NULL ? 1 : json_array_size(all);
    struct check c = {.shape = &shape, .part = part, .key = key};
    glass_status status = GLASS_OK;
    bool many = part == NULL;
    for (size_t i = 0; status == GLASS_OK && !many && i < size; i++) {
        json_t *value = only != NULL ? only : json_array_get(all, i);
        bool fits = false;
        status = value_fits(s, &c, value, &fits);
        if (status != GLASS_OK || !fits || is_among(values, count, value)) continue;
        many = count == most;
        if (!many) values[count++] = value;
    }
    gram_dfa_free(c.machine);
    if (status == GLASS_OK && !many) *n = count;
    return status;
}
