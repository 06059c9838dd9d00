/* grammar_schema_shape.c - what a flat list of schemas asks for, keyword by keyword. Source:
 * JSON Schema 2020-12, with what draft 4 to 7 and OpenAPI 3.0 spell otherwise.
 *
 * Every keyword has a row below; one that has none is refused. */
#include "text/grammar_schema.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

// clang-format off
static const struct {
    const char *name;
    enum schema_key kind;
} keywords[] = {
    {"$comment", KEY_NOTE}, {"$schema", KEY_NOTE}, {"title", KEY_NOTE}, {"description", KEY_NOTE},
    {"default", KEY_NOTE}, {"examples", KEY_NOTE}, {"example", KEY_NOTE}, {"deprecated", KEY_NOTE},
    {"readOnly", KEY_NOTE}, {"writeOnly", KEY_NOTE}, {"discriminator", KEY_NOTE}, {"externalDocs", KEY_NOTE},
    {"xml", KEY_NOTE}, {"contentEncoding", KEY_NOTE}, {"contentMediaType", KEY_NOTE}, {"strict", KEY_NOTE},
    {"$defs", KEY_NOTE}, {"definitions", KEY_NOTE}, {"$ref", KEY_DONE}, {"allOf", KEY_DONE},
    {"anyOf", KEY_DONE}, {"oneOf", KEY_DONE}, {"type", KEY_DONE}, {"nullable", KEY_DONE}, {"enum", KEY_DONE},
    {"const", KEY_DONE}, {"$id", KEY_DONE}, {"id", KEY_DONE}, {"$anchor", KEY_DONE},
    {"minimum", KEY_NUMBER}, {"maximum", KEY_NUMBER}, {"exclusiveMinimum", KEY_NUMBER},
    {"exclusiveMaximum", KEY_NUMBER}, {"multipleOf", KEY_NUMBER},
    {"minLength", KEY_STRING}, {"maxLength", KEY_STRING}, {"pattern", KEY_STRING}, {"format", KEY_STRING},
    {"items", KEY_ARRAY}, {"prefixItems", KEY_ARRAY}, {"additionalItems", KEY_ARRAY}, {"minItems", KEY_ARRAY},
    {"maxItems", KEY_ARRAY}, {"uniqueItems", KEY_ARRAY},
    {"properties", KEY_OBJECT}, {"required", KEY_OBJECT}, {"additionalProperties", KEY_OBJECT},
    {"minProperties", KEY_OBJECT}, {"maxProperties", KEY_OBJECT},
    {"patternProperties", KEY_OBJECT}, {"propertyNames", KEY_OBJECT}, {"dependentRequired", KEY_OBJECT},
    {"dependentSchemas", KEY_OBJECT}, {"dependencies", KEY_OBJECT}, {"unevaluatedProperties", KEY_OBJECT},
    {"contains", KEY_ARRAY}, {"minContains", KEY_ARRAY}, {"maxContains", KEY_ARRAY}, {"unevaluatedItems", KEY_ARRAY},
    {"not", KEY_DONE}, {"if", KEY_DONE}, {"then", KEY_DONE}, {"else", KEY_DONE}, {"$dynamicRef", KEY_REFUSED}, {"$dynamicAnchor", KEY_REFUSED},
    {"$recursiveRef", KEY_REFUSED}, {"$vocabulary", KEY_REFUSED}, {"contentSchema", KEY_NOTE},
};
// clang-format on

/* How many letters must be put in, taken out or changed, up to 2. */
static int distance(const char *a, const char *b, int most) {
    while (*a != '\0' && tolower((uint8_t)*a) == tolower((uint8_t)*b)) a++, b++;
    if (*a == '\0' && *b == '\0') return 0;
    if (most == 0) return 1;
    int least = *a != '\0' ? distance(a + 1, b, most - 1) : most;
    int other = *b != '\0' ? distance(a, b + 1, most - 1) : most;
    if (other < least) least = other;
    other = *a != '\0' && *b != '\0' ? distance(a + 1, b + 1, most - 1) : most;
    return 1 + (other < least ? other : least);
}

/* The keyword that is probably meant by one that is none; NULL. */
static const char *meant(const char *name) {
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        size_t n = strlen(keywords[i].name);
        int most = n >= 9 ? 2 : n >= 4 ? 1 : 0;
        if (keywords[i].kind != KEY_NOTE && distance(name, keywords[i].name, most) <= most)
            return keywords[i].name;
    }
    return NULL;
}

/* Keywords that no draft knows are notes (JSON Schema 2020-12, 6.5), unless they look like
 * mistakes of writing. */
enum schema_key schema_key_kind(const char *name) {
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(keywords[i].name, name) == 0) return keywords[i].kind;
    if (name[0] == '$' || name[0] == '_' || strncmp(name, "x-", 2) == 0) return KEY_NOTE;
    return meant(name) == NULL ? KEY_NOTE : KEY_REFUSED;
}

/* --- types -------------------------------------------------------------------------------- */

static unsigned type_named(const char *name) {
    static const struct {
        const char *name;
        unsigned types;
    } names[] = {{"null", TYPE_NULL},       {"boolean", TYPE_BOOLEAN},
                 {"integer", TYPE_INTEGER}, {"number", TYPE_INTEGER | TYPE_FRACTION},
                 {"string", TYPE_STRING},   {"array", TYPE_ARRAY},
                 {"object", TYPE_OBJECT}};
    for (size_t i = 0; name != NULL && i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0) return names[i].types;
    return 0;
}

unsigned schema_type_of(json_t *value) {
    switch (json_typeof(value)) {
    case JSON_NULL: return TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE: return TYPE_BOOLEAN;
    case JSON_INTEGER: return TYPE_INTEGER;
    case JSON_REAL:
        return json_real_value(value) == floor(json_real_value(value)) ? TYPE_INTEGER
                                                                       : TYPE_FRACTION;
    case JSON_STRING: return TYPE_STRING;
    case JSON_ARRAY: return TYPE_ARRAY;
    default: return TYPE_OBJECT;
    }
}

bool schema_equal(json_t *a, json_t *b) {
    if (json_is_number(a) && json_is_number(b))
        return json_is_integer(a) && json_is_integer(b)
                   ? json_integer_value(a) == json_integer_value(b)
                   : json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

/* TYPE_ALL where nothing is said, 0 where it is not understood. */
unsigned schema_types(json_t *json) {
    json_t *type = json_object_get(json, "type"), *item;
    unsigned types = 0;
    size_t i;
    if (type == NULL) return TYPE_ALL;
    if (json_is_string(type)) types = type_named(json_string_value(type));
    json_array_foreach(type, i, item) {
        unsigned one = type_named(json_string_value(item));
        if (one == 0) return 0;
        types |= one;
    }
    if (types != 0 && json_is_true(json_object_get(json, "nullable"))) types |= TYPE_NULL;
    return types;
}

/* --- one schema's keywords ------------------------------------------------------------------ */

struct one {
    struct schema *s;
    struct schema_shape *shape;
    const struct schema_part *part;
};

static glass_status bad(const struct one *o, const char *key, const char *what) {
    return schema_fail(o->s, o->part->path, key, "%s", what);
}

/* A count of characters, items or members; a whole number, also as 2.0. */
static glass_status count(const struct one *o, const char *key, json_t *value,
                          uint32_t *out) {
    double x = json_is_number(value) ? json_number_value(value) : -1;
    if (x < 0 || x != floor(x)) return bad(o, key, "this should be a number from 0 on");
    *out = x < 1e9 ? (uint32_t)x : 1000000000;
    return GLASS_OK;
}

static void at_least(struct gram_bounds *b, double x, bool without) {
    if (x > b->low || (x == b->low && without)) {
        b->low = x;
        b->no_low = without;
    }
}

static void at_most(struct gram_bounds *b, double x, bool without) {
    if (x < b->high || (x == b->high && without)) {
        b->high = x;
        b->no_high = without;
    }
}

/* Integers have bounds of their own, exact beyond 2^53. */
static void integers_least(struct schema_shape *s, json_t *value, bool without) {
    int64_t least;
    if (json_is_integer(value)) {
        least = json_integer_value(value);
        if (without && least < INT64_MAX) least++;
    } else {
        double x = ceil(json_real_value(value));
        if (without && x == json_real_value(value)) x += 1;
        least = x < -0x1p63 ? INT64_MIN : x >= 0x1p63 ? INT64_MAX : (int64_t)x;
    }
    if (least > s->least) s->least = least;
}

static void integers_most(struct schema_shape *s, json_t *value, bool without) {
    int64_t most;
    if (json_is_integer(value)) {
        most = json_integer_value(value);
        if (without && most > INT64_MIN) most--;
    } else {
        double x = floor(json_real_value(value));
        if (without && x == json_real_value(value)) x -= 1;
        most = x < -0x1p63 ? INT64_MIN : x >= 0x1p63 ? INT64_MAX : (int64_t)x;
    }
    if (most < s->most) s->most = most;
}

static glass_status number_key(const struct one *o, const char *key, json_t *value) {
    struct schema_shape *s = o->shape;
    s->has_number = true;
    if (strcmp(key, "multipleOf") == 0) {
        double x = json_is_number(value) ? json_number_value(value) : 0;
        if (x < 1 || x > GRAM_MULTIPLE || x != floor(x) || s->n_multiples == 8)
            return bad(o, key,
                       "multiples of integers from 1 to 10000 are understood; readers "
                       "disagree about others");
        s->multiples[s->n_multiples++] = (int32_t)x;
        return GLASS_OK;
    }
    if (json_is_boolean(value) && key[0] == 'e') return GLASS_OK; /* draft 4's */
    if (!json_is_number(value)) return bad(o, key, "this should be a number");
    bool lower = strstr(key, "inimum") != NULL, without = key[0] == 'e';
    if (!without)
        without = json_is_true(json_object_get(o->part->json, lower ? "exclusiveMinimum"
                                                                    : "exclusiveMaximum"));
    if (lower) {
        at_least(&s->number, json_number_value(value), without);
        integers_least(s, value, without);
    } else {
        at_most(&s->number, json_number_value(value), without);
        integers_most(s, value, without);
    }
    return GLASS_OK;
}

/* OpenAPI's formats of numbers. */
static glass_status number_format(const struct one *o, const char *format) {
    struct schema_shape *s = o->shape;
    if (strcmp(format, "int32") == 0) {
        if (s->least < INT32_MIN) s->least = INT32_MIN;
        if (s->most > INT32_MAX) s->most = INT32_MAX;
        at_least(&s->number, INT32_MIN, false);
        at_most(&s->number, INT32_MAX, false);
    }
    return GLASS_OK;
}

static glass_status format_key(const struct one *o, json_t *value) {
    static const char *const numbers[] = {"int32", "int64", "float", "double"};
    const char *format = json_string_value(value);
    if (format == NULL) return bad(o, "format", "this should be a string");
    for (int i = 0; i < 4; i++)
        if (strcmp(format, numbers[i]) == 0) return number_format(o, format);
    /* Formats that no draft knows are notes. */
    if (strcmp(format, "password") == 0 || gram_regex_format(format) != NULL)
        o->shape->has_string = true;
    return GLASS_OK;
}

static glass_status string_key(const struct one *o, const char *key, json_t *value) {
    uint32_t n;
    if (strcmp(key, "format") == 0) return format_key(o, value);
    o->shape->has_string = true;
    if (strcmp(key, "pattern") == 0)
        return json_is_string(value) ? GLASS_OK : bad(o, key, "this should be a string");
    TRY(count(o, key, value, &n));
    if (key[1] == 'i' && n > o->shape->min_length) o->shape->min_length = n;
    if (key[1] == 'a' && n < o->shape->max_length) o->shape->max_length = n;
    return GLASS_OK;
}

static glass_status array_key(const struct one *o, const char *key, json_t *value) {
    uint32_t n;
    o->shape->has_array = true;
    if (strcmp(key, "uniqueItems") == 0) {
        if (!json_is_boolean(value)) return bad(o, key, "this should be true or false");
        o->shape->unique |= json_is_true(value);
        return GLASS_OK;
    }
    if (strcmp(key, "prefixItems") == 0)
        return json_is_array(value) ? GLASS_OK : bad(o, key, "this should be a list");
    if (strcmp(key, "items") == 0 || strcmp(key, "additionalItems") == 0 ||
        strcmp(key, "contains") == 0 || strcmp(key, "unevaluatedItems") == 0)
        return GLASS_OK;
    TRY(count(o, key, value, &n));
    if (strcmp(key, "minItems") == 0 && n > o->shape->min_items) o->shape->min_items = n;
    if (strcmp(key, "maxItems") == 0 && n < o->shape->max_items) o->shape->max_items = n;
    return GLASS_OK;
}

static glass_status object_key(const struct one *o, const char *key, json_t *value) {
    json_t *item;
    size_t i;
    uint32_t n;
    o->shape->has_object = true;
    if (strcmp(key, "properties") == 0)
        return json_is_object(value) ? GLASS_OK : bad(o, key, "this should be an object");
    if (strcmp(key, "patternProperties") == 0 || strncmp(key, "depend", 6) == 0)
        return json_is_object(value) ? GLASS_OK : bad(o, key, "this should be an object");
    if (strcmp(key, "additionalProperties") == 0 || strcmp(key, "propertyNames") == 0 ||
        strcmp(key, "unevaluatedProperties") == 0)
        return GLASS_OK;
    if (strcmp(key, "required") == 0) {
        if (json_is_boolean(value)) /* draft 3's, and a common slip */
            return bad(o, key, "this should be a list of names");
        if (!json_is_array(value)) return bad(o, key, "this should be a list of names");
        json_array_foreach(value, i, item) if (!json_is_string(item)) return bad(
            o, key, "this should be a list of names");
        return GLASS_OK;
    }
    TRY(count(o, key, value, &n));
    if (key[1] == 'i' && n > o->shape->min_members) o->shape->min_members = n;
    if (key[1] == 'a' && n < o->shape->max_members) o->shape->max_members = n;
    return GLASS_OK;
}

/* Of what can be said by leaving out: single values, types, strings. What else must not hold has
 * become choices. */
static void not_key(const struct one *o, json_t *value) {
    if (!schema_not_plain(value)) return;
    if (json_object_get(value, "type") != NULL) {
        o->shape->no_types |= schema_types(value);
        return;
    }
    o->shape->excludes = true;
    if (json_object_get(value, "pattern") == NULL &&
        json_object_get(value, "format") == NULL)
        return;
    o->shape->no_types |= TYPE_ALL & ~(unsigned)TYPE_STRING;
    o->shape->has_string = true;
}

/* Whether references stand in a schema. */
static bool refers(json_t *json) {
    json_t *item;
    const char *key;
    size_t i;
    if (json_object_get(json, "$ref") != NULL) return true;
    json_array_foreach(json, i, item) if (refers(item)) return true;
    json_object_foreach(json, key, item) if (refers(item)) return true;
    return false;
}

static glass_status check_identifier(const struct one *o, const char *key) {
    if (o->part->path == NULL || o->part->json == o->s->root) return GLASS_OK;
    if (strcmp(key, "$anchor") == 0) return GLASS_OK; /* nothing can refer to it */
    json_t *value = json_object_get(o->part->json, key);
    if (!json_is_string(value) || json_string_value(value)[0] == '#') return GLASS_OK;
    if (!refers(o->part->json)) return GLASS_OK; /* what it changes is not asked for */
    return bad(o, key,
               "references in a schema in a schema with an identifier of its own are not "
               "understood");
}

static glass_status one_key(const struct one *o, const char *key, json_t *value) {
    switch (schema_key_kind(key)) {
    case KEY_NOTE: return GLASS_OK;
    case KEY_DONE:
        if (strcmp(key, "$id") == 0 || strcmp(key, "id") == 0 ||
            strcmp(key, "$anchor") == 0)
            return check_identifier(o, key);
        if (strcmp(key, "enum") == 0 && !json_is_array(value))
            return bad(o, key, "this should be a list");
        if (strcmp(key, "not") == 0) not_key(o, value);
        return GLASS_OK;
    case KEY_NUMBER: return number_key(o, key, value);
    case KEY_STRING: return string_key(o, key, value);
    case KEY_ARRAY: return array_key(o, key, value);
    case KEY_OBJECT: return object_key(o, key, value);
    case KEY_REFUSED: break;
    }
    const char *known = meant(key);
    if (known == NULL || strcmp(known, key) == 0)
        return bad(o, key, "this keyword is not understood");
    return schema_fail(o->s, o->part->path, key, "an unknown keyword: is %s meant?", known);
}

/* Where no type is named, keywords of strings mean strings, and so on. */
static void guess_types(struct schema_shape *shape) {
    unsigned types = 0;
    if (shape->has_number) types |= TYPE_INTEGER | TYPE_FRACTION;
    if (shape->has_string) types |= TYPE_STRING;
    if (shape->has_array) types |= TYPE_ARRAY;
    if (shape->has_object) types |= TYPE_OBJECT;
    if (types != 0) shape->types = types;
}

glass_status schema_collect(struct schema *s, struct schema_shape *shape,
                            const struct schema_list *flat) {
    *shape = (struct schema_shape){.flat = flat,
                                   .types = TYPE_ALL,
                                   .number = {-INFINITY, INFINITY, false, false},
                                   .least = INT64_MIN,
                                   .most = INT64_MAX,
                                   .max_length = GRAM_NONE,
                                   .max_items = GRAM_NONE,
                                   .max_members = GRAM_NONE};
    bool typed = false;
    for (uint32_t i = 0; i < flat->n; i++) {
        struct one o = {s, shape, &flat->items[i]};
        json_t *json = o.part->json, *value;
        const char *key;
        unsigned types = schema_types(json);
        if (types == 0)
            return bad(&o, "type",
                       "null, boolean, integer, number, string, array, object, "
                       "or a list of them should be here");
        typed |= json_object_get(json, "type") != NULL ||
                 json_object_get(json, "enum") != NULL ||
                 json_object_get(json, "const") != NULL;
        shape->types &= types;
        json_object_foreach(json, key, value) TRY(one_key(&o, key, value));
    }
    if (!typed) guess_types(shape);
    if (shape->n_multiples > 0) shape->types &= ~(unsigned)TYPE_FRACTION;
    shape->types &= ~shape->no_types;
    return GLASS_OK;
}

bool schema_excludes(const struct schema_list *flat, json_t *value) {
    for (uint32_t k = 0; k < flat->n; k++) {
        json_t *denied = json_object_get(flat->items[k].json, "not"), *item;
        json_t *only = json_object_get(denied, "const");
        size_t i;
        if (!schema_not_plain(denied)) continue;
        if (only != NULL && schema_equal(only, value)) return true;
        json_array_foreach(json_object_get(denied, "enum"), i,
                           item) if (schema_equal(item, value)) return true;
    }
    return false;
}

/* --- alternatives that exclude one another --------------------------------------------------- */

struct gathered {
    json_t *items[64];
    int n;
    unsigned types;
    json_t *values; /* enum, or NULL */
    json_t *value;  /* const, or NULL */
};

static bool gather(struct schema *s, struct gathered *g, json_t *json) {
    json_t *item, *target;
    size_t i;
    if (!json_is_object(json) || g->n == 64) return false;
    for (int k = 0; k < g->n; k++)
        if (g->items[k] == json) return true;
    g->items[g->n++] = json;
    g->types &= schema_types(json);
    if (json_object_get(json, "enum") != NULL) g->values = json_object_get(json, "enum");
    if (json_object_get(json, "const") != NULL) g->value = json_object_get(json, "const");
    if (json_object_get(json, "$ref") != NULL) {
        struct schema_part part = {json, NULL};
        if (schema_resolve(s, &part, &target) != GLASS_OK) return false;
        gather(s, g, target);
    }
    json_array_foreach(json_object_get(json, "allOf"), i, item) gather(s, g, item);
    return true;
}

static unsigned types_of_values(const struct gathered *g) {
    unsigned types = 0;
    json_t *item;
    size_t i;
    if (g->value != NULL) return schema_type_of(g->value);
    if (g->values == NULL) return TYPE_ALL;
    json_array_foreach(g->values, i, item) types |= schema_type_of(item);
    return types;
}

static bool values_apart(const struct gathered *a, const struct gathered *b) {
    size_t n = a->value ? 1 : json_array_size(a->values),
           m = b->value ? 1 : json_array_size(b->values);
    if ((!a->value && !a->values) || (!b->value && !b->values)) return false;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++)
            if (schema_equal(a->value ? a->value : json_array_get(a->values, i),
                             b->value ? b->value : json_array_get(b->values, k)))
                return false;
    return true;
}

static bool requires(const struct gathered *g, const char *name) {
    json_t *item;
    size_t i;
    for (int k = 0; k < g->n; k++)
        json_array_foreach(
            json_object_get(g->items[k], "required"), i,
            item) if (strcmp(json_string_value(item) ? json_string_value(item) : "",
                             name) == 0) return true;
    return false;
}

static bool forbids(const struct gathered *g, const char *name) {
    for (int k = 0; k < g->n; k++) {
        json_t *own = json_object_get(json_object_get(g->items[k], "properties"), name);
        if (json_is_false(own)) return true;
        if (own == NULL &&
            json_is_false(json_object_get(g->items[k], "additionalProperties")) &&
            json_object_get(g->items[k], "patternProperties") == NULL)
            return true;
    }
    return false;
}

/* A member that both must have, and that no value suits; or that one must have and the other
 * must not. */
static bool members_apart(struct schema *s, const struct gathered *a,
                          const struct gathered *b, int depth) {
    json_t *item;
    size_t i;
    for (int k = 0; k < a->n; k++)
        json_array_foreach(json_object_get(a->items[k], "required"), i, item) {
            const char *name = json_string_value(item);
            if (name == NULL) continue;
            if (forbids(b, name)) return true;
            if (!requires(b, name)) continue;
            for (int x = 0; x < a->n; x++)
                for (int y = 0; y < b->n; y++) {
                    json_t *p = json_object_get(json_object_get(a->items[x], "properties"),
                                                name),
                           *q = json_object_get(json_object_get(b->items[y], "properties"),
                                                name);
                    if (p && q && schema_apart(s, p, q, depth + 1)) return true;
                }
        }
    return false;
}

static bool ranges_apart(const struct gathered *a, const struct gathered *b) {
    for (int x = 0; x < a->n; x++)
        for (int y = 0; y < b->n; y++) {
            json_t *most = json_object_get(a->items[x], "maximum"),
                   *least = json_object_get(b->items[y], "minimum"),
                   *below = json_object_get(a->items[x], "exclusiveMaximum"),
                   *above = json_object_get(b->items[y], "exclusiveMinimum");
            if (json_is_number(most) && json_is_number(least) &&
                json_number_value(most) < json_number_value(least))
                return true;
            if (json_is_number(below) && json_is_number(least) &&
                json_number_value(below) <= json_number_value(least))
                return true;
            if (json_is_number(most) && json_is_number(above) &&
                json_number_value(most) <= json_number_value(above))
                return true;
        }
    return false;
}

/* Every option of a choice apart from the other schema. */
static bool options_apart(struct schema *s, const struct gathered *a, json_t *b,
                          int depth) {
    static const char *const keys[] = {"anyOf", "oneOf"};
    for (int k = 0; k < a->n; k++)
        for (int c = 0; c < 2; c++) {
            json_t *options = json_object_get(a->items[k], keys[c]), *item;
            bool all = json_array_size(options) > 0;
            size_t i;
            json_array_foreach(options, i, item) if (all) all =
                schema_apart(s, item, b, depth + 1);
            if (all) return true;
        }
    return false;
}

bool schema_apart(struct schema *s, json_t *a, json_t *b, int depth) {
    enum { DEEP = 6 };
    struct gathered x = {.types = TYPE_ALL}, y = {.types = TYPE_ALL};
    if (json_is_false(a) || json_is_false(b)) return true;
    if (depth > DEEP || !gather(s, &x, a) || !gather(s, &y, b)) return false;
    unsigned types = x.types & y.types & types_of_values(&x) & types_of_values(&y);
    if (types == 0 || values_apart(&x, &y)) return true;
    if ((types & ~(unsigned)TYPE_OBJECT) == 0 &&
        (members_apart(s, &x, &y, depth) || members_apart(s, &y, &x, depth)))
        return true;
    if ((types & ~(unsigned)(TYPE_INTEGER | TYPE_FRACTION)) == 0 &&
        (ranges_apart(&x, &y) || ranges_apart(&y, &x)))
        return true;
    return options_apart(s, &x, b, depth) || options_apart(s, &y, a, depth);
}

static bool is_constant(json_t *json) {
    return json_object_get(json, "const") != NULL || json_object_get(json, "enum") != NULL;
}

const char *schema_telling(struct schema *s, json_t *a, json_t *b) {
    struct gathered x = {.types = TYPE_ALL}, y = {.types = TYPE_ALL};
    const char *name;
    json_t *p, *q;
    if (!gather(s, &x, a) || !gather(s, &y, b)) return NULL;
    if (x.types != TYPE_OBJECT && x.types != TYPE_ALL) return NULL;
    for (int i = 0; i < x.n; i++)
        json_object_foreach(json_object_get(x.items[i], "properties"), name,
                            p) for (int k = 0; k < y.n; k++) {
            q = json_object_get(json_object_get(y.items[k], "properties"), name);
            bool plain = requires(&x, name) || (is_constant(p) && is_constant(q));
            if (q != NULL && plain && schema_apart(s, p, q, 1)) return name;
        }
    return NULL;
}
