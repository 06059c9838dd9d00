/* grammar_schema.c - lists of schemas: references, allOf, anyOf and oneOf unfolded. */
#include "text/grammar_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALTERNATIVES = 4096, LISTED = 256, RULES = 1 << 13 };

/* --- paths and messages -------------------------------------------------------------------- */

static glass_status write_path(struct buf *out, const struct schema_path *path) {
    if (path == NULL) return buf_byte(out, '#');
    TRY(write_path(out, path->up));
    if (path->key == NULL) return buf_printf(out, "/%zu", path->index);
    TRY(buf_byte(out, '/'));
    for (const char *c = path->key; *c != '\0'; c++) {
        if (*c == '~' || *c == '/')
            TRY(buf_text(out, *c == '~' ? "~0" : "~1"));
        else
            TRY(buf_byte(out, *c));
    }
    return GLASS_OK;
}

glass_status schema_fail(const struct schema *s, const struct schema_path *path,
                         const char *key, const char *format, ...) {
    struct buf text = {0};
    char words[512];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    glass_status status = write_path(&text, path);
    if (status == GLASS_OK && key != NULL) status = buf_printf(&text, "/%s", key);
    if (status == GLASS_OK)
        status = fail(GLASS_BAD_INPUT, "%s: %s: %s", s->name, text.data, words);
    buf_free(&text);
    return status;
}

glass_status schema_path(struct schema *s, const struct schema_path **out,
                         const struct schema_path *up, const char *key, size_t index) {
    struct schema_path *made;
    if (s->n_owned == s->cap_owned) {
        size_t cap = s->cap_owned ? 2 * s->cap_owned : 64;
        TRY(mem_resize(&s->owned, cap, sizeof *s->owned));
        s->cap_owned = cap;
    }
    TRY(mem_alloc(&made, 1, sizeof *made));
    s->owned[s->n_owned++] = made;
    *made = (struct schema_path){up, key, index};
    *out = made;
    return GLASS_OK;
}

glass_status schema_add(struct schema_list *list, json_t *json,
                        const struct schema_path *path) {
    for (uint32_t i = 0; i < list->n; i++)
        if (list->items[i].json == json) return GLASS_OK;
    if (list->n == list->cap) {
        uint32_t cap = list->cap ? 2 * list->cap : 8;
        TRY(mem_resize(&list->items, cap, sizeof *list->items));
        list->cap = cap;
    }
    list->items[list->n++] = (struct schema_part){json, path};
    return GLASS_OK;
}

glass_status schema_add_at(struct schema *s, struct schema_list *list, json_t *json,
                           const struct schema_path *up, const char *key, const char *inner,
                           size_t index) {
    const struct schema_path *path;
    TRY(schema_path(s, &path, up, key, 0));
    if (inner != NULL || index != SIZE_MAX) TRY(schema_path(s, &path, path, inner, index));
    return schema_add(list, json, path);
}

/* --- references --------------------------------------------------------------------------- */

static int hex_of(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One step of a JSON pointer (RFC 6901) in a URI's fragment. */
static glass_status take_step(struct buf *out, const char **at) {
    buf_clear(out);
    TRY(buf_reserve(out, 1));
    for (; **at != '\0' && **at != '/'; ++*at) {
        char c = **at;
        if (c == '%' && hex_of((*at)[1]) >= 0 && hex_of((*at)[2]) >= 0) {
            c = (char)(hex_of((*at)[1]) * 16 + hex_of((*at)[2]));
            *at += 2;
        }
        if (c == '~' && ((*at)[1] == '0' || (*at)[1] == '1')) {
            ++*at;
            c = **at == '0' ? '~' : '/';
        }
        TRY(buf_byte(out, c));
    }
    return GLASS_OK;
}

static json_t *step_into(json_t *from, const char *step) {
    if (json_is_object(from)) return json_object_get(from, step);
    if (!json_is_array(from) || step[0] == '\0' ||
        strspn(step, "0123456789") != strlen(step))
        return NULL;
    return json_array_get(from, strtoul(step, NULL, 10));
}

glass_status schema_resolve(struct schema *s, const struct schema_part *part,
                            json_t **target) {
    const char *ref = json_string_value(json_object_get(part->json, "$ref"));
    if (ref == NULL) return schema_fail(s, part->path, "$ref", "this should be a string");
    if (ref[0] != '#' || (ref[1] != '/' && ref[1] != '\0'))
        return schema_fail(s, part->path, "$ref",
                           "%.100s: only places in the same schema are understood, as in "
                           "#/$defs/name",
                           ref);
    struct buf step = {0};
    glass_status status = GLASS_OK;
    *target = s->root;
    for (const char *at = ref + 1; status == GLASS_OK && *at == '/' && *target != NULL;) {
        at++;
        status = take_step(&step, &at);
        if (status == GLASS_OK)
            *target = step_into(*target, step.data == NULL ? "" : step.data);
    }
    buf_free(&step);
    if (status == GLASS_OK && *target == NULL)
        return schema_fail(s, part->path, "$ref", "%.100s: there is nothing at that place",
                           ref);
    return status;
}

/* --- unfolding ---------------------------------------------------------------------------- */

/* A schema on its way into a flat list; `by`: whose $ref, allOf or choice it is. */
struct step {
    struct schema_part part;
    int32_t by;
};
struct choice {
    json_t *options;
    const struct schema_path *path;
    const char *key;
    int32_t by;
};
struct unfold {
    struct schema *s;
    struct step steps[LISTED];
    int32_t n_steps;
    struct choice choices[LISTED];
    int32_t n_choices;
    struct gram_tree *t;
    uint32_t alt;
};

static glass_status push(struct unfold *u, json_t *json, const struct schema_path *path,
                         int32_t by) {
    if (u->n_steps == LISTED)
        return schema_fail(u->s, path, NULL, "more than %d schemas in one place", LISTED);
    for (int32_t i = by; i >= 0; i = u->steps[i].by)
        if (u->steps[i].part.json == json)
            return schema_fail(u->s, path, NULL,
                               "it refers to itself without anything between");
    u->steps[u->n_steps++] = (struct step){{json, path}, by};
    return GLASS_OK;
}

static glass_status push_choice(struct unfold *u, json_t *json,
                                const struct schema_path *path, const char *key,
                                int32_t by) {
    json_t *options = json_object_get(json, key);
    if (options == NULL) return GLASS_OK;
    if (!json_is_array(options) || json_array_size(options) == 0)
        return schema_fail(u->s, path, key, "this should be a list of schemas");
    if (u->n_choices == LISTED)
        return schema_fail(u->s, path, NULL, "more than %d choices in one place", LISTED);
    u->choices[u->n_choices++] = (struct choice){options, path, key, by};
    return GLASS_OK;
}

/* dependentRequired in other words: a member is not there, or those are that it asks for. */
static glass_status push_dependent(struct unfold *u, const struct schema_part *part,
                                   int32_t by) {
    json_t *all = json_object_get(part->json, "dependentRequired"), *names, *required;
    const char *key;
    json_object_foreach(all, key, names) {
        size_t i;
        json_t *name, *choice;
        bool listed = json_is_array(names);
        json_array_foreach(names, i, name) listed &= json_is_string(name);
        if (!listed)
            return schema_fail(u->s, part->path, "dependentRequired",
                               "lists of names should be here");
        required = json_deep_copy(names);
        if (required != NULL) json_array_append_new(required, json_string(key));
        choice = json_pack("{s:[{s:{s:b}},{s:o}]}", "anyOf", "properties", key, 0,
                           "required", required);
        if (u->s->made == NULL) u->s->made = json_array();
        if (choice == NULL || json_array_append_new(u->s->made, choice) != 0)
            return fail(GLASS_NO_MEMORY, "no memory for a schema");
        TRY(push_choice(u, choice, part->path, "anyOf", by));
    }
    return GLASS_OK;
}

/* What stands in step i adds steps and choices. */
static glass_status open_step(struct unfold *u, int32_t i) {
    struct schema_part part = u->steps[i].part;
    const struct schema_path *path;
    json_t *all = json_object_get(part.json, "allOf"), *item, *target;
    size_t k;
    if (json_is_boolean(part.json)) return GLASS_OK;
    if (!json_is_object(part.json))
        return schema_fail(u->s, part.path, NULL,
                           "a schema should be here: an object, true or false");
    if (json_object_get(part.json, "$ref") != NULL) {
        TRY(schema_resolve(u->s, &part, &target));
        TRY(schema_path(u->s, &path, part.path, "$ref", 0));
        TRY(push(u, target, path, i));
    }
    if (all != NULL && !json_is_array(all))
        return schema_fail(u->s, part.path, "allOf", "this should be a list of schemas");
    if (all != NULL) TRY(schema_path(u->s, &path, part.path, "allOf", 0));
    json_array_foreach(all, k, item) {
        const struct schema_path *inner;
        TRY(schema_path(u->s, &inner, path, NULL, k));
        TRY(push(u, item, inner, i));
    }
    TRY(push_dependent(u, &part, i));
    TRY(push_choice(u, part.json, part.path, "anyOf", i));
    return push_choice(u, part.json, part.path, "oneOf", i);
}

/* Without choices left: a flat list, one alternative. */
static glass_status add_flat(struct unfold *u) {
    struct schema_list flat = {0};
    struct schema_shape shape;
    uint32_t node;
    glass_status status = GLASS_OK;
    if (++u->s->n_alternatives > ALTERNATIVES)
        return schema_fail(u->s, u->steps[0].part.path, NULL,
                           "more than %d alternatives in all", ALTERNATIVES);
    for (int32_t i = 0; i < u->n_steps; i++)
        if (json_is_false(u->steps[i].part.json)) return GLASS_OK; /* allows nothing */
    for (int32_t i = 0; status == GLASS_OK && i < u->n_steps; i++)
        if (json_is_object(u->steps[i].part.json))
            status = schema_add(&flat, u->steps[i].part.json, u->steps[i].part.path);
    if (status == GLASS_OK) status = schema_collect(u->s, &shape, &flat);
    if (status == GLASS_OK) status = schema_tree(u->s, &node, &shape);
    if (status == GLASS_OK) gram_add(u->t, u->alt, node);
    mem_free(flat.items);
    return status;
}

static glass_status check_one_of(struct schema *s, const struct choice *c, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (!schema_apart(s, json_array_get(c->options, i), json_array_get(c->options, k),
                          0))
            return schema_fail(s, c->path, c->key,
                               "a value may be allowed by %zu and %zu at once, which oneOf "
                               "forbids: say anyOf, or make them differ by type, by a "
                               "constant that both require, or by a bound",
                               k, i);
    return GLASS_OK;
}

/* Opens steps from `next` on, then takes the choices one by one. */
static glass_status unfold(struct unfold *u, int32_t next, int32_t choice) {
    while (next < u->n_steps) {
        TRY(open_step(u, next));
        next++;
    }
    if (choice == u->n_choices) return add_flat(u);
    struct choice c = u->choices[choice];
    const struct schema_path *path, *inner;
    int32_t n_steps = u->n_steps, n_choices = u->n_choices;
    TRY(schema_path(u->s, &path, c.path, c.key, 0));
    for (size_t i = 0; i < json_array_size(c.options); i++) {
        if (strcmp(c.key, "oneOf") == 0) TRY(check_one_of(u->s, &c, i));
        TRY(schema_path(u->s, &inner, path, NULL, i));
        TRY(push(u, json_array_get(c.options, i), inner, c.by));
        TRY(unfold(u, next, choice + 1));
        u->n_steps = n_steps;
        u->n_choices = n_choices;
    }
    return GLASS_OK;
}

/* --- lists as rules ------------------------------------------------------------------------ */

static int by_address(const void *a, const void *b) {
    uintptr_t x = (uintptr_t) * (json_t *const *)a, y = (uintptr_t) * (json_t *const *)b;
    return x < y ? -1 : x > y;
}

static glass_status find_memo(struct schema *s, const struct schema_list *list,
                              struct schema_memo **out, bool *found) {
    json_t **set;
    TRY(mem_alloc(&set, list->n, sizeof(json_t *)));
    for (uint32_t i = 0; i < list->n; i++) set[i] = list->items[i].json;
    if (list->n > 1) qsort(set, list->n, sizeof(json_t *), by_address);
    for (uint32_t i = 0; i < s->n_memo; i++)
        if (s->memo[i].n == list->n &&
            memcmp(s->memo[i].set, set, list->n * sizeof(json_t *)) == 0) {
            mem_free(set);
            *found = true;
            *out = &s->memo[i];
            return GLASS_OK;
        }
    *found = false;
    if (s->n_memo == s->cap_memo) {
        uint32_t cap = s->cap_memo ? 2 * s->cap_memo : 64;
        glass_status status = mem_resize(&s->memo, cap, sizeof *s->memo);
        if (status != GLASS_OK) {
            mem_free(set);
            return status;
        }
        s->cap_memo = cap;
    }
    *out = &s->memo[s->n_memo++];
    **out = (struct schema_memo){set, list->n, 0};
    return GLASS_OK;
}

static glass_status build_rule(struct schema *s, uint32_t rule,
                               const struct schema_list *list) {
    struct unfold *u;
    glass_status status = GLASS_OK;
    TRY(mem_alloc_zero(&u, 1, sizeof *u));
    u->s = s;
    u->t = s->t;
    status = gram_alt(s->t, &u->alt);
    for (uint32_t i = 0; status == GLASS_OK && i < list->n; i++)
        status = push(u, list->items[i].json, list->items[i].path, -1);
    if (status == GLASS_OK) status = unfold(u, 0, 0);
    s->t->rules[rule].node = u->alt;
    mem_free(u);
    return status;
}

glass_status schema_rule(struct schema *s, uint32_t *rule, const struct schema_list *list) {
    struct schema_memo *memo;
    struct buf name = {0};
    bool found;
    TRY(find_memo(s, list, &memo, &found));
    if (found) {
        *rule = memo->rule;
        return GLASS_OK;
    }
    if (s->n_memo > RULES) return schema_fail(s, NULL, NULL, "more than %d parts", RULES);
    glass_status status =
        list->n > 0 ? write_path(&name, list->items[0].path) : buf_text(&name, "any");
    if (status == GLASS_OK) status = gram_rule_add(s->t, rule, name.data, name.len);
    buf_free(&name);
    TRY(status);
    memo->rule = *rule;
    if (++s->depth > GRAM_DEPTH)
        return schema_fail(s, list->n > 0 ? list->items[0].path : NULL, NULL,
                           "nested too deeply");
    status = build_rule(s, *rule, list);
    s->depth--;
    return schema_at_key(s, list->n > 0 ? &list->items[0] : NULL, NULL, status);
}

static glass_status parse(struct schema *s, const char *json, size_t n_bytes) {
    json_error_t error;
    s->root = json_loadb(json, n_bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (s->root != NULL) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: line %d, column %d: %s", s->name, error.line,
                error.column, error.text);
}

glass_status gram_read_schema(struct gram_tree *t, uint32_t *rule, const char *json,
                              size_t n_bytes, bool compact, const char *name) {
    enum { MOST_BYTES = 4 << 20 };
    struct schema s = {
        .t = t, .j = {.t = t, .compact = compact}, .regex = {.t = t}, .name = name};
    struct schema_list list = {0};
    if (n_bytes > MOST_BYTES)
        return fail(GLASS_BAD_INPUT, "%s: %zu bytes; at most %d are read", name, n_bytes,
                    MOST_BYTES);
    glass_status status = parse(&s, json, n_bytes);
    if (status == GLASS_OK) status = schema_add(&list, s.root, NULL);
    if (status == GLASS_OK) status = schema_rule(&s, rule, &list);
    mem_free(list.items);
    for (uint32_t i = 0; i < s.n_memo; i++) mem_free(s.memo[i].set);
    mem_free(s.memo);
    for (size_t i = 0; i < s.n_owned; i++) mem_free(s.owned[i]);
    mem_free(s.owned);
    gram_regex_clear(&s.regex);
    json_decref(s.made);
    json_decref(s.root);
    return status;
}
