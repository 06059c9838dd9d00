/* grammar_schema_string.c - strings of a schema: patterns, formats and lengths as one automaton. */
#include "text/grammar_schema.h"

#include <stdio.h>

/* Longer strings than these are not asked of a model: at most means at most that. */
enum { MOST_LENGTH = 4096 };

glass_status schema_at_key(const struct schema *s, const struct schema_part *part,
                           const char *key, glass_status status) {
    char words[400];
    size_t n = strlen(s->name);
    if (status != GLASS_BAD_INPUT) return status;
    if (strncmp(glass_error(), s->name, n) == 0 && glass_error()[n] == ':') return status;
    snprintf(words, sizeof words, "%s", glass_error());
    return schema_fail(s, part == NULL ? NULL : part->path, key, "%s", words);
}

/* *all becomes what is in both, or in itself alone. */
static glass_status meet(struct schema *s, struct gram_dfa **all,
                         const struct gram_dfa *one, const struct schema_part *part,
                         const char *key, enum gram_join how) {
    struct gram_dfa *both = NULL;
    const struct gram_dfa *first = *all == NULL ? one : *all;
    glass_status status = gram_dfa_join(&both, first, one, how, key);
    gram_dfa_free(*all);
    *all = both;
    return schema_at_key(s, part, key, status);
}

static glass_status join(struct schema *s, struct gram_dfa **all, uint32_t node,
                         const struct schema_part *part, const char *key,
                         enum gram_join how) {
    struct gram_dfa *one;
    TRY(schema_at_key(s, part, key, gram_compile(&one, s->t, node, key)));
    if (*all == NULL) {
        *all = one;
        return GLASS_OK;
    }
    glass_status status = meet(s, all, one, part, key, how);
    gram_dfa_free(one);
    return status;
}

static glass_status compile(struct schema *s, struct gram_dfa **out, const char *text,
                            bool all, const char *key) {
    uint32_t node;
    s->regex.all = all;
    glass_status status = gram_regex_read(&s->regex, &node, text, strlen(text));
    s->regex.all = false;
    return status == GLASS_OK ? gram_compile(out, s->t, node, key) : status;
}

/* With the texts of a pattern, or without. Each is compiled once: it may stand in many
 * alternatives. */
static glass_status join_pattern(struct schema *s, struct gram_dfa **all, const char *text,
                                 const struct schema_part *part, const char *key,
                                 enum gram_join how) {
    struct gram_dfa *one;
    uint32_t node;
    bool most = how == GRAM_BUT_NOT;
    for (uint32_t i = 0; i < s->n_patterns; i++)
        if (strcmp(s->patterns[i].text, text) == 0 && s->patterns[i].all == most)
            return meet(s, all, s->t->machines[s->patterns[i].machine], part, key, how);
    TRY(schema_at_key(s, part, key, compile(s, &one, text, most, key)));
    TRY(gram_machine(s->t, &node, one));
    TRY(mem_resize(&s->patterns, (size_t)s->n_patterns + 1, sizeof *s->patterns));
    s->patterns[s->n_patterns++] =
        (struct schema_pattern){text, most, s->t->nodes[node].at};
    return meet(s, all, one, part, key, how);
}

static bool has_length(const struct schema_shape *shape) {
    return shape->min_length > 0 || shape->max_length != GRAM_NONE;
}

glass_status schema_length_bounds(const struct schema *s, const struct schema_shape *shape,
                                  uint32_t *min, uint32_t *max) {
    *min = shape->min_length;
    *max = shape->max_length;
    if (*min > MOST_LENGTH)
        return schema_fail(s, shape->flat->items[0].path, "minLength",
                           "more than %d characters are not asked for", MOST_LENGTH);
    if (*max != GRAM_NONE && *max > MOST_LENGTH) *max = MOST_LENGTH;
    return GLASS_OK;
}

/* What not: {const or enum} names; GRAM_NONE where it names no string. */
static glass_status named_texts(struct schema *s, uint32_t *out, json_t *denied) {
    json_t *list = json_object_get(denied, "enum"),
           *only = json_object_get(denied, "const");
    size_t n = only != NULL ? 1 : json_array_size(list);
    uint32_t text;
    TRY(gram_alt(s->t, out));
    for (size_t k = 0; k < n; k++) {
        json_t *value = only != NULL ? only : json_array_get(list, k);
        if (!json_is_string(value)) continue;
        TRY(gram_json_quoted(s->t, &text, json_string_value(value),
                             json_string_length(value)));
        s->t->nodes[text].at++; /* without its quotes */
        s->t->nodes[text].n -= 2;
        gram_add(s->t, *out, text);
    }
    if (s->t->nodes[*out].child == GRAM_NONE) *out = GRAM_NONE;
    return GLASS_OK;
}

/* Without what one not says. */
static glass_status leave_out_one(struct schema *s, struct gram_dfa **all,
                                  const struct schema_part *part) {
    json_t *said = json_object_get(part->json, "not");
    const char *key = schema_not_key(s, part);
    const char *text = json_string_value(json_object_get(said, "pattern"));
    const char *format = json_string_value(json_object_get(said, "format"));
    uint32_t node = GRAM_NONE, any;
    if (text == NULL && format != NULL) text = gram_regex_like(format);
    if (text == NULL) TRY(named_texts(s, &node, said));
    if (text == NULL && node == GRAM_NONE) return GLASS_OK;
    if (*all == NULL) {
        TRY(gram_regex_any(&s->regex, &any, 0, GRAM_NONE));
        TRY(join(s, all, any, part, key, GRAM_AND));
    }
    if (text == NULL) return join(s, all, node, part, key, GRAM_BUT_NOT);
    return join_pattern(s, all, text, part, key, GRAM_BUT_NOT);
}

/* Without what not: {const, enum, pattern or format} says. */
static glass_status leave_out(struct schema *s, struct gram_dfa **all,
                              const struct schema_shape *shape) {
    for (uint32_t i = 0; i < shape->flat->n; i++)
        if (schema_not_plain(json_object_get(shape->flat->items[i].json, "not")))
            TRY(leave_out_one(s, all, &shape->flat->items[i]));
    return GLASS_OK;
}

/* Patterns, formats and lengths together; NULL where none is asked for. */
static glass_status join_all(struct schema *s, struct gram_dfa **all,
                             const struct schema_shape *shape) {
    uint32_t node, min, max;
    for (uint32_t i = 0; i < shape->flat->n; i++) {
        const struct schema_part *part = &shape->flat->items[i];
        const char *pattern = json_string_value(json_object_get(part->json, "pattern"));
        const char *name = json_string_value(json_object_get(part->json, "format"));
        const char *format = name == NULL ? NULL : gram_regex_format(name);
        if (pattern != NULL) TRY(join_pattern(s, all, pattern, part, "pattern", GRAM_AND));
        if (format != NULL) TRY(join_pattern(s, all, format, part, "format", GRAM_AND));
    }
    if (has_length(shape) && (*all != NULL || shape->excludes)) {
        TRY(schema_length_bounds(s, shape, &min, &max));
        TRY(gram_regex_any(&s->regex, &node, min, max));
        TRY(join(s, all, node, &shape->flat->items[0], "maxLength", GRAM_AND));
    }
    return shape->excludes ? leave_out(s, all, shape) : GLASS_OK;
}

glass_status schema_string_machine(struct schema *s, struct gram_dfa **all,
                                   const struct schema_shape *shape) {
    *all = NULL;
    glass_status status = join_all(s, all, shape);
    if (status != GLASS_OK) {
        gram_dfa_free(*all);
        *all = NULL;
    }
    return status;
}

static glass_status quoted(struct schema *s, uint32_t *out, uint32_t node) {
    TRY(gram_seq(s->t, out));
    TRY(gram_put_text(s->t, *out, "\""));
    gram_add(s->t, *out, node);
    return gram_put_text(s->t, *out, "\"");
}

/* Any characters, as many as may be: one rule for all that say the same, since long ones need
 * many states. */
static glass_status counted(struct schema *s, uint32_t *out, uint32_t min, uint32_t max) {
    uint32_t rule, node;
    for (uint32_t i = 0; i < s->n_lengths; i++)
        if (s->lengths[i].min == min && s->lengths[i].max == max)
            return gram_call(s->t, out, s->lengths[i].rule);
    TRY(gram_json_char(&s->j, &node));
    TRY(gram_settle(s->t, &node, "character"));
    TRY(gram_times(s->t, &node, node, min, max));
    TRY(quoted(s, &node, node));
    TRY(gram_rule_add(s->t, &rule, "string", 6));
    s->t->rules[rule].node = node;
    TRY(mem_resize(&s->lengths, (size_t)s->n_lengths + 1, sizeof *s->lengths));
    s->lengths[s->n_lengths++] = (struct schema_length){min, max, rule};
    return gram_call(s->t, out, rule);
}

glass_status schema_string(struct schema *s, uint32_t *out,
                           const struct schema_shape *shape) {
    struct gram_dfa *machine;
    uint32_t node, min, max;
    if (shape->max_length < shape->min_length) return gram_alt(s->t, out);
    TRY(schema_string_machine(s, &machine, shape));
    if (machine == NULL && !has_length(shape))
        return gram_json_rule(&s->j, out, RULE_STRING);
    if (machine == NULL) {
        TRY(schema_length_bounds(s, shape, &min, &max));
        return counted(s, out, min, max);
    }
    TRY(gram_machine(s->t, &node, machine));
    return quoted(s, out, node);
}
