/* grammar_schema_not.c - schemas that must not hold.
 *
 * A schema fails where one of its keywords fails: it becomes a choice of schemas, one for each
 * keyword, which say the opposite of that keyword, of values of its type. What is inside
 * them, and must not hold either, is {"not": schema} and waits until it is unfolded. Each
 * schema's choice is made once, so that references to itself end. */
#include "text/grammar_schema.h"

#include <math.h>

/* A schema, its choice, and where mistakes are. */
struct negation {
    struct schema *s;
    const struct schema_part *part;
    json_t *options;
    bool failed; /* no memory for a part of an option */
};

static glass_status refuse(const struct negation *n, const char *key) {
    return schema_fail(
        n->s, n->part->path, key,
        "this is understood only where it must hold, and here it must not: "
        "behind not or if, or in a oneOf whose alternatives may hold at once");
}

static glass_status wrong(const struct negation *n, const char *key, const char *what) {
    return schema_fail(n->s, n->part->path, key, "%s", what);
}

/* Takes the option over. */
static glass_status add(struct negation *n, json_t *option) {
    TRY(schema_make(n->s, option));
    if (json_array_append(n->options, option) == 0 && !n->failed) return GLASS_OK;
    return fail(GLASS_NO_MEMORY, "no memory for a schema");
}

/* Takes the item over. */
static void append(struct negation *n, json_t *list, json_t *item) {
    if (json_array_append_new(list, item) != 0) n->failed = true;
}

/* A schema that the other must not hold. at, index: where it stands; NULL: here. */
static json_t *without(struct schema *s, json_t *json, const char *at, json_int_t index) {
    json_t *made = at == NULL ? json_pack("{s:O}", "not", json)
                   : index < 0
                       ? json_pack("{s:O,s:[s]}", "not", json, "$where", at)
                       : json_pack("{s:O,s:[sI]}", "not", json, "$where", at, index);
    if (made == NULL || schema_make(s, made) != GLASS_OK) return NULL;
    return json_incref(made);
}

/* Made once for each schema: lists of schemas are known by their members. */
glass_status schema_without(struct schema *s, json_t **out, json_t *json) {
    json_t *known;
    size_t i;
    json_array_foreach(s->made, i, known) {
        if (json_object_get(known, "not") != json || json_object_size(known) != 2) continue;
        *out = known;
        return GLASS_OK;
    }
    if ((*out = without(s, json, NULL, -1)) == NULL)
        return fail(GLASS_NO_MEMORY, "no memory for a schema");
    json_decref(*out);
    return GLASS_OK;
}

/* One that it must. */
static json_t *with(struct schema *s, json_t *json, const char *at, json_int_t index) {
    json_t *made = index < 0
                       ? json_pack("{s:[O],s:[s]}", "allOf", json, "$where", at)
                       : json_pack("{s:[O],s:[sI]}", "allOf", json, "$where", at, index);
    if (made == NULL || schema_make(s, made) != GLASS_OK) return NULL;
    return json_incref(made);
}

bool schema_not_plain(json_t *denied) {
    const char *key = json_object_iter_key(json_object_iter(denied));
    json_t *value = json_object_iter_value(json_object_iter(denied));
    if (json_object_size(denied) != 1) return false;
    if (strcmp(key, "const") == 0) return true;
    if (strcmp(key, "enum") == 0) return json_is_array(value);
    if (strcmp(key, "type") == 0) return schema_types(denied) != 0;
    if (strcmp(key, "format") == 0)
        return json_is_string(value) && gram_regex_like(json_string_value(value)) != NULL;
    return strcmp(key, "pattern") == 0 && json_is_string(value);
}

const char *schema_not_key(const struct schema *s, const struct schema_part *part) {
    json_t *denied = json_object_get(part->json, "not");
    if (!schema_is_made(s, part->json)) return "not";
    return json_object_iter_key(json_object_iter(denied));
}

/* --- keywords of values --------------------------------------------------------------------- */

static glass_status not_types(struct negation *n) {
    static const char *const names[] = {"null",   "boolean", "integer", "number",
                                        "string", "array",   "object"};
    unsigned types = schema_types(n->part->json);
    if (types == 0)
        return wrong(n, "type",
                     "null, boolean, integer, number, string, array, object, or a list of "
                     "them should be here");
    json_t *list = json_array();
    for (int i = 0; i < 7; i++)
        if (types >> i & 1) append(n, list, json_string(names[i]));
    return add(n, json_pack("{s:{s:o}}", "not", "type", list));
}

static glass_status not_bound(struct negation *n, const char *key, json_t *value) {
    bool lower = strstr(key, "inimum") != NULL, strict = key[0] == 'e';
    if (strict && json_is_boolean(value)) return GLASS_OK; /* draft 4's */
    if (!json_is_number(value)) return wrong(n, key, "this should be a number");
    if (!strict)
        strict = json_is_true(json_object_get(n->part->json, lower ? "exclusiveMinimum"
                                                                   : "exclusiveMaximum"));
    const char *opposite = lower ? (strict ? "maximum" : "exclusiveMaximum")
                                 : (strict ? "minimum" : "exclusiveMinimum");
    return add(n, json_pack("{s:s,s:O}", "type", "number", opposite, value));
}

/* minLength and the like. */
static glass_status not_count(struct negation *n, const char *key, const char *type,
                              const char *min, const char *max, json_t *value) {
    double x = json_is_number(value) ? json_number_value(value) : -1;
    if (x < 0 || x != floor(x)) return wrong(n, key, "this should be a number from 0 on");
    if (strcmp(key, min) == 0)
        return x == 0 ? GLASS_OK : add(n, json_pack("{s:s,s:f}", "type", type, max, x - 1));
    return add(n, json_pack("{s:s,s:f}", "type", type, min, x + 1));
}

static glass_status not_format(struct negation *n, json_t *value) {
    const char *format = json_string_value(value);
    if (format == NULL) return wrong(n, "format", "this should be a string");
    if (strcmp(format, "int32") == 0) {
        TRY(add(n, json_pack("{s:s,s:I}", "type", "number", "exclusiveMaximum",
                             (json_int_t)INT32_MIN)));
        return add(n, json_pack("{s:s,s:I}", "type", "number", "exclusiveMinimum",
                                (json_int_t)INT32_MAX));
    }
    if (gram_regex_format(format) == NULL) return GLASS_OK; /* it says nothing */
    if (gram_regex_like(format) == NULL) return refuse(n, "format");
    return add(n, json_pack("{s:s,s:{s:O}}", "type", "string", "not", "format", value));
}

static glass_status not_string(struct negation *n, const char *key, json_t *value) {
    if (strcmp(key, "format") == 0) return not_format(n, value);
    if (strcmp(key, "pattern") != 0)
        return not_count(n, key, "string", "minLength", "maxLength", value);
    if (!json_is_string(value)) return wrong(n, key, "this should be a string");
    return add(n, json_pack("{s:s,s:{s:O}}", "type", "string", "not", key, value));
}

/* --- keywords of lists ------------------------------------------------------------------------ */

/* One item of those that stand one by one is not as its schema says. */
static glass_status not_prefix(struct negation *n, const char *key, json_t *items) {
    json_t *item, *list;
    size_t i;
    json_array_foreach(items, i, item) {
        list = json_array();
        for (size_t k = 0; k < i; k++) append(n, list, json_true());
        append(n, list, without(n->s, item, NULL, -1));
        TRY(add(n, json_pack("{s:s,s:I,s:o}", "type", "array", "minItems",
                             (json_int_t)i + 1, key, list)));
    }
    return GLASS_OK;
}

static glass_status not_contains(struct negation *n, json_t *value) {
    json_t *json = n->part->json, *min = json_object_get(json, "minContains"),
           *max = json_object_get(json, "maxContains");
    double least = json_is_number(min) ? json_number_value(min) : 1;
    if (least == 1)
        TRY(add(n, json_pack("{s:s,s:o}", "type", "array", "items",
                             without(n->s, value, NULL, -1))));
    else if (least > 0)
        TRY(add(n, json_pack("{s:s,s:O,s:i,s:f}", "type", "array", "contains", value,
                             "minContains", 0, "maxContains", least - 1)));
    if (max == NULL) return GLASS_OK;
    return add(n, json_pack("{s:s,s:O,s:f}", "type", "array", "contains", value,
                            "minContains", json_number_value(max) + 1));
}

static glass_status not_array(struct negation *n, const char *key, json_t *value) {
    json_t *json = n->part->json;
    if (strcmp(key, "uniqueItems") == 0 || strcmp(key, "unevaluatedItems") == 0)
        return json_is_true(value) == (key[2] == 'i') ? refuse(n, key) : GLASS_OK;
    if (strcmp(key, "contains") == 0) return not_contains(n, value);
    if (strcmp(key, "minContains") == 0 || strcmp(key, "maxContains") == 0) return GLASS_OK;
    if (strcmp(key, "prefixItems") == 0 ||
        (strcmp(key, "items") == 0 && json_is_array(value)))
        return not_prefix(n, key, value);
    if (strcmp(key, "additionalItems") == 0)
        return json_is_array(json_object_get(json, "items")) && !json_is_true(value)
                   ? refuse(n, key)
                   : GLASS_OK;
    if (strcmp(key, "items") != 0)
        return not_count(n, key, "array", "minItems", "maxItems", value);
    if (json_is_true(value)) return GLASS_OK;
    if (json_array_size(json_object_get(json, "prefixItems")) > 0) return refuse(n, key);
    return add(n, json_pack("{s:s,s:o}", "type", "array", "contains",
                            without(n->s, value, NULL, -1)));
}

/* --- keywords of objects ---------------------------------------------------------------------- */

static glass_status not_properties(struct negation *n, json_t *value) {
    const char *name;
    json_t *member;
    if (!json_is_object(value)) return wrong(n, "properties", "this should be an object");
    json_object_foreach(value, name, member) {
        if (json_is_true(member) ||
            (json_is_object(member) && json_object_size(member) == 0))
            continue;
        TRY(add(n, json_pack("{s:s,s:[s],s:{s:o}}", "type", "object", "required", name,
                             "properties", name, without(n->s, member, NULL, -1))));
    }
    return GLASS_OK;
}

/* Of names: one is not there. asks: where a member of that name is, NULL: always. */
static glass_status not_names(struct negation *n, const char *key, json_t *names,
                              const char *asks) {
    json_t *item;
    size_t i;
    if (!json_is_array(names)) return wrong(n, key, "this should be a list of names");
    json_array_foreach(names, i, item) {
        const char *name = json_string_value(item);
        if (name == NULL) return wrong(n, key, "this should be a list of names");
        json_t *option =
            json_pack("{s:s,s:{s:b}}", "type", "object", "properties", name, 0);
        if (asks != NULL &&
            json_object_set_new(option, "required", json_pack("[s]", asks)) != 0)
            n->failed = true;
        TRY(add(n, option));
    }
    return GLASS_OK;
}

static glass_status not_dependent(struct negation *n, const char *key, json_t *all) {
    const char *name;
    json_t *one;
    json_object_foreach(all, name, one) {
        if (json_is_array(one))
            TRY(not_names(n, key, one, name));
        else
            TRY(add(n, json_pack("{s:s,s:[s],s:[o]}", "type", "object", "required", name,
                                 "allOf", without(n->s, one, key, -1))));
    }
    return GLASS_OK;
}

static glass_status not_object(struct negation *n, const char *key, json_t *value) {
    if (strcmp(key, "properties") == 0) return not_properties(n, value);
    if (strcmp(key, "required") == 0) return not_names(n, key, value, NULL);
    if (strncmp(key, "depend", 6) == 0) return not_dependent(n, key, value);
    if (strcmp(key, "additionalProperties") == 0) {
        if (json_is_true(value) || (json_is_object(value) && json_object_size(value) == 0))
            return GLASS_OK;
        bool patterns = json_object_get(n->part->json, "patternProperties") != NULL;
        return patterns ? refuse(n, key) : GLASS_OK; /* schema_negate_others */
    }
    if (strcmp(key, "minProperties") == 0 || strcmp(key, "maxProperties") == 0)
        return not_count(n, key, "object", "minProperties", "maxProperties", value);
    return refuse(n, key);
}

/* Whether the schema names the member. */
static bool names_it(json_t *json, const char *name) {
    return json_object_get(json_object_get(json, "properties"), name) != NULL;
}

/* The option that `name` is there and not what additionalProperties says: made once. */
static glass_status other_option(struct schema *s, json_t *json, json_t *others,
                                 const char *name, json_t *options) {
    json_t *known, *option = NULL;
    size_t i;
    json_array_foreach(s->made, i, known) {
        json_t *inner = json_object_get(json_object_get(known, "properties"), name);
        if (json_object_get(known, "$of") == json && inner != NULL) option = known;
    }
    if (option == NULL) {
        option = json_pack("{s:s,s:[s],s:{s:o},s:O}", "type", "object", "required", name,
                           "properties", name,
                           without(s, others, "additionalProperties", -1), "$of", json);
        TRY(schema_make(s, option));
    }
    if (json_array_append(options, option) == 0) return GLASS_OK;
    return fail(GLASS_NO_MEMORY, "no memory for a schema");
}

glass_status schema_negate_others(struct schema *s, const struct schema_part *part,
                                  const struct schema_step *steps, int32_t n,
                                  json_t **options) {
    json_t *others = json_object_get(part->json, "additionalProperties"), *value, *seen;
    unsigned types = TYPE_ALL;
    bool open = false, closed = false, any = false;
    const char *name;
    glass_status status = GLASS_OK;
    if (others == NULL || json_is_true(others) ||
        (json_is_object(others) && json_object_size(others) == 0))
        return GLASS_OK;
    *options = json_array();
    if ((seen = json_object()) == NULL || *options == NULL)
        status = fail(GLASS_NO_MEMORY, "no memory for a schema");
    for (int32_t i = 0; status == GLASS_OK && i < n; i++) {
        json_t *json = steps[i].part.json,
               *rest = json_object_get(json, "additionalProperties");
        if (steps[i].negated || !json_is_object(json)) continue;
        if (schema_types(json) != 0) types &= schema_types(json);
        closed |= json_is_false(rest) && json_object_get(json, "patternProperties") == NULL;
        open |= (rest != NULL && !json_is_false(rest)) ||
                json_object_get(json, "patternProperties") != NULL;
        json_object_foreach(json_object_get(json, "properties"), name, value) {
            any |= !schema_is_made(s, json);
            if (status != GLASS_OK || names_it(part->json, name) || json_is_false(value) ||
                json_object_get(seen, name) != NULL)
                continue;
            if (json_object_set_new(seen, name, json_null()) != 0)
                status = fail(GLASS_NO_MEMORY, "no memory for a schema");
            else
                status = other_option(s, part->json, others, name, *options);
        }
    }
    json_decref(seen);
    if (status == GLASS_OK && (types & TYPE_OBJECT) && !closed && (open || !any))
        return schema_fail(s, part->path, "additionalProperties",
                           "here it must not hold, which is understood only of schemas "
                           "beside it that name their members");
    return status;
}

/* --- keywords of schemas ------------------------------------------------------------------------ */

static glass_status not_all_of(struct negation *n, json_t *all) {
    json_t *item;
    size_t i;
    if (!json_is_array(all)) return wrong(n, "allOf", "this should be a list of schemas");
    json_array_foreach(all, i, item)
        TRY(add(n, without(n->s, item, "allOf", (json_int_t)i)));
    return GLASS_OK;
}

/* None holds, or, of oneOf, two. */
static glass_status not_choice(struct negation *n, const char *key, json_t *all) {
    json_t *item, *other, *none = json_array();
    size_t i, k;
    if (!json_is_array(all)) {
        json_decref(none);
        return wrong(n, key, "this should be a list of schemas");
    }
    json_array_foreach(all, i, item)
        append(n, none, without(n->s, item, key, (json_int_t)i));
    TRY(add(n, json_pack("{s:o}", "allOf", none)));
    if (key[0] == 'a') return GLASS_OK;
    json_array_foreach(all, i, item) for (k = 0; k < i; k++) {
        other = json_array_get(all, k);
        if (schema_apart(n->s, item, other, 0)) continue;
        TRY(add(n, json_pack("{s:[o,o]}", "allOf", with(n->s, other, key, (json_int_t)k),
                             with(n->s, item, key, (json_int_t)i))));
    }
    return GLASS_OK;
}

static glass_status not_if(struct negation *n, json_t *value) {
    json_t *yes = json_object_get(n->part->json, "then"),
           *no = json_object_get(n->part->json, "else");
    if (yes != NULL)
        TRY(add(n, json_pack("{s:[o,o]}", "allOf", with(n->s, value, "if", -1),
                             without(n->s, yes, "then", -1))));
    if (no == NULL) return GLASS_OK;
    return add(n, json_pack("{s:[o,o]}", "allOf", without(n->s, value, "if", -1),
                            without(n->s, no, "else", -1)));
}

static glass_status not_reference(struct negation *n) {
    json_t *target;
    TRY(schema_resolve(n->s, n->part, &target));
    return add(n, without(n->s, target, "$ref", -1));
}

static glass_status not_schemas(struct negation *n, const char *key, json_t *value) {
    if (strcmp(key, "allOf") == 0) return not_all_of(n, value);
    if (strcmp(key, "anyOf") == 0 || strcmp(key, "oneOf") == 0)
        return not_choice(n, key, value);
    if (strcmp(key, "if") == 0) return not_if(n, value);
    if (strcmp(key, "$ref") == 0) return not_reference(n);
    if (strcmp(key, "not") == 0) return add(n, with(n->s, value, key, -1));
    if (strcmp(key, "const") == 0)
        return add(n, json_pack("{s:{s:O}}", "not", "const", value));
    if (strcmp(key, "enum") != 0) return GLASS_OK;
    if (!json_is_array(value)) return wrong(n, key, "this should be a list");
    return add(n, json_pack("{s:{s:O}}", "not", "enum", value));
}

static glass_status not_key(struct negation *n, const char *key, json_t *value) {
    switch (schema_key_kind(key)) {
    case KEY_NOTE: return GLASS_OK;
    case KEY_DONE: return not_schemas(n, key, value);
    case KEY_NUMBER:
        return strcmp(key, "multipleOf") == 0 ? refuse(n, key) : not_bound(n, key, value);
    case KEY_STRING: return not_string(n, key, value);
    case KEY_ARRAY: return not_array(n, key, value);
    case KEY_OBJECT: return not_object(n, key, value);
    default: return refuse(n, key);
    }
}

/* Drafts before 2019 say nothing of what stands beside a $ref. Where it must hold, holding to it
 * allows less; where it must not, passing over it does. */
static bool ref_is_alone(const struct schema *s, json_t *json) {
    const char *draft = json_string_value(json_object_get(s->root, "$schema"));
    return json_object_get(json, "$ref") != NULL && draft != NULL &&
           strstr(draft, "draft-0") != NULL;
}

glass_status schema_negate(struct schema *s, const struct schema_part *part,
                           json_t **options) {
    struct negation n = {.s = s, .part = part};
    json_t *value;
    const char *key;
    for (uint32_t i = 0; i < s->n_nots; i++)
        if (s->nots[i].json == part->json) {
            *options = s->nots[i].options;
            return GLASS_OK;
        }
    if (s->n_nots == s->cap_nots) {
        uint32_t cap = s->cap_nots ? 2 * s->cap_nots : 16;
        TRY(mem_resize(&s->nots, cap, sizeof *s->nots));
        s->cap_nots = cap;
    }
    n.options = *options = json_array();
    if (n.options == NULL) return fail(GLASS_NO_MEMORY, "no memory for a schema");
    s->nots[s->n_nots++] = (struct schema_not){part->json, n.options};
    if (ref_is_alone(s, part->json)) return not_reference(&n);
    if (json_object_get(part->json, "type") != NULL) TRY(not_types(&n));
    json_object_foreach(part->json, key, value) TRY(not_key(&n, key, value));
    return GLASS_OK;
}
