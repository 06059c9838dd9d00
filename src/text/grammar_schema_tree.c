/* grammar_schema_tree.c - shapes as trees: what JSON a flat list of schemas allows. */
#include "text/grammar_schema.h"

#include <math.h>

/* --- numbers ------------------------------------------------------------------------------ */

/* *dfa without or with the other's texts; the other is freed. */
static glass_status narrow(struct gram_dfa **dfa, struct gram_dfa *other,
                           enum gram_join how, const char *what) {
    struct gram_dfa *joined;
    glass_status status = gram_dfa_join(&joined, *dfa, other, how, what);
    gram_dfa_free(other);
    if (status != GLASS_OK) return status;
    gram_dfa_free(*dfa);
    *dfa = joined;
    return GLASS_OK;
}

static glass_status leave_out(struct schema *s, struct gram_dfa **dfa, json_t *value) {
    struct gram_dfa *text;
    uint32_t node;
    if (schema_type_of(value) != TYPE_INTEGER || !json_is_number(value)) return GLASS_OK;
    if (!json_is_integer(value) && fabs(json_real_value(value)) >= 0x1p53)
        return GLASS_OK; /* no integer of 18 digits is written like that */
    json_t *whole =
        json_integer(json_is_integer(value) ? json_integer_value(value)
                                            : (json_int_t)json_real_value(value));
    glass_status status = whole == NULL ? fail(GLASS_NO_MEMORY, "no memory for a number")
                                        : gram_json_const(&s->j, &node, whole);
    json_decref(whole);
    TRY(status);
    TRY(gram_compile(&text, s->t, node, "not"));
    return narrow(dfa, text, GRAM_BUT_NOT, "not");
}

static glass_status narrow_all(struct schema *s, struct gram_dfa **dfa,
                               const struct schema_shape *shape) {
    for (int i = 0; i < shape->n_multiples; i++) {
        struct gram_dfa *multiples;
        TRY(gram_multiples(&multiples, shape->multiples[i]));
        TRY(narrow(dfa, multiples, GRAM_AND, "multipleOf"));
    }
    for (uint32_t k = 0; k < shape->flat->n; k++) {
        json_t *denied = json_object_get(shape->flat->items[k].json, "not"), *value;
        size_t i;
        if (!schema_not_plain(denied)) continue;
        if (json_object_get(denied, "const") != NULL)
            TRY(leave_out(s, dfa, json_object_get(denied, "const")));
        json_array_foreach(json_object_get(denied, "enum"), i, value)
            TRY(leave_out(s, dfa, value));
    }
    return GLASS_OK;
}

/* Those that are multiples, and not left out. */
static glass_status some_integers(struct schema *s, uint32_t *out,
                                  const struct schema_shape *shape) {
    const struct schema_part *part = &shape->flat->items[0];
    struct gram_dfa *dfa;
    for (uint32_t k = 0; k < shape->flat->n; k++)
        if (json_object_get(shape->flat->items[k].json, "multipleOf") != NULL)
            part = &shape->flat->items[k];
    TRY(gram_compile(&dfa, s->t, *out, "integers"));
    glass_status status = narrow_all(s, &dfa, shape);
    if (status != GLASS_OK) {
        gram_dfa_free(dfa);
        return schema_at_key(s, part, shape->n_multiples > 0 ? "multipleOf" : "not",
                             status);
    }
    return gram_machine(s->t, out, dfa);
}

static glass_status integer_tree(struct schema *s, uint32_t *out,
                                 const struct schema_shape *shape) {
    static const int64_t usual = 999999999999999999;
    int64_t least = shape->least, most = shape->most;
    bool odd = shape->n_multiples > 0 || shape->excludes;
    if (least == INT64_MIN && most == INT64_MAX && !odd)
        return gram_json_rule(&s->j, out, RULE_INTEGER);
    if (least == INT64_MIN && most >= -usual) least = -usual;
    if (most == INT64_MAX && least <= usual) most = usual;
    TRY(gram_integers(s->t, out, least, most));
    return odd ? some_integers(s, out, shape) : GLASS_OK;
}

/* Of decimals, those that are no integers: with a digit behind the point that is not 0. */
static glass_status but_integers(struct schema *s, uint32_t *out) {
    static const char broken[] = "^-?[0-9]+\\.[0-9]*[1-9][0-9]*$";
    struct gram_dfa *dfa, *other;
    uint32_t node;
    TRY(gram_regex_read(&s->regex, &node, broken, sizeof broken - 1));
    TRY(gram_compile(&dfa, s->t, *out, "numbers"));
    glass_status status = gram_compile(&other, s->t, node, "numbers");
    if (status == GLASS_OK) status = narrow(&dfa, other, GRAM_AND, "numbers");
    if (status == GLASS_OK) return gram_machine(s->t, out, dfa);
    gram_dfa_free(dfa);
    return status;
}

static glass_status number_tree(struct schema *s, uint32_t *out,
                                const struct schema_shape *shape) {
    bool fits, all = (shape->types & TYPE_INTEGER) != 0;
    if (!(shape->types & TYPE_FRACTION)) return integer_tree(s, out, shape);
    if (all && isinf(shape->number.low) && isinf(shape->number.high))
        return gram_json_rule(&s->j, out, RULE_NUMBER);
    TRY(gram_decimals(s->t, out, &shape->number, &fits));
    if (fits) return all ? GLASS_OK : but_integers(s, out);
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

/* --- the whole ---------------------------------------------------------------------------- */

static bool says_nothing(const struct schema_shape *shape) {
    return shape->types == TYPE_ALL && !shape->excludes && !shape->has_number &&
           !shape->has_string && !shape->has_array && !shape->has_object;
}

static glass_status put_words(struct schema *s, uint32_t alt,
                              const struct schema_shape *shape) {
    json_t *const values[] = {json_null(), json_true(), json_false()};
    static const char *const words[] = {"null", "true", "false"};
    for (int i = 0; i < 3; i++)
        if ((shape->types & (i == 0 ? TYPE_NULL : TYPE_BOOLEAN)) &&
            !schema_excludes(shape->flat, values[i]))
            TRY(gram_put_text(s->t, alt, words[i]));
    return GLASS_OK;
}

/* Whether all that not leaves out can be left out. */
static glass_status check_not(struct schema *s, const struct schema_shape *shape) {
    for (uint32_t k = 0; k < shape->flat->n; k++) {
        const struct schema_part *part = &shape->flat->items[k];
        json_t *denied = json_object_get(part->json, "not"), *value;
        if (!schema_not_plain(denied)) continue;
        json_t *only = json_object_get(denied, "const");
        unsigned types = only == NULL ? 0 : schema_type_of(only);
        size_t i;
        json_array_foreach(json_object_get(denied, "enum"), i, value) types |=
            schema_type_of(value);
        bool fractions =
            (shape->types & TYPE_FRACTION) && (types & (TYPE_INTEGER | TYPE_FRACTION));
        if (fractions || (shape->types & types & (TYPE_ARRAY | TYPE_OBJECT)))
            return schema_fail(
                s, part->path, schema_not_key(s, part),
                "numbers that need not be integers, lists and objects cannot "
                "be left out");
    }
    return GLASS_OK;
}

glass_status schema_tree(struct schema *s, uint32_t *out,
                         const struct schema_shape *shape) {
    unsigned types = shape->types;
    uint32_t node;
    bool any;
    TRY(gram_alt(s->t, out));
    TRY(schema_constants(s, *out, shape, &any));
    if (any) return GLASS_OK;
    if (says_nothing(shape)) return gram_put_rule(&s->j, *out, RULE_VALUE);
    TRY(check_not(s, shape));
    TRY(put_words(s, *out, shape));
    if (types & (TYPE_INTEGER | TYPE_FRACTION)) {
        TRY(number_tree(s, &node, shape));
        gram_add(s->t, *out, node);
    }
    if (types & TYPE_STRING) {
        TRY(schema_string(s, &node, shape));
        gram_add(s->t, *out, node);
    }
    if (types & TYPE_ARRAY) {
        TRY(schema_array(s, &node, shape));
        gram_add(s->t, *out, node);
    }
    if (types & TYPE_OBJECT) {
        TRY(schema_object(s, &node, shape));
        gram_add(s->t, *out, node);
    }
    return GLASS_OK;
}
