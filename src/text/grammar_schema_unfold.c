/* grammar_schema_unfold.c - what stands in one place: $ref, allOf, anyOf, oneOf, if, not,
 * dependentSchemas unfolded to flat lists of schemas, one for each way to hold. */
#include "text/grammar_schema.h"

/* PARTS: of all alternatives that come of what must not hold, together. */
enum { ALTERNATIVES = 4096, PARTS = 1 << 13, LISTED = 256, WORK = 1 << 22 };

/* --- schemas that are made ------------------------------------------------------------------ */

glass_status schema_make(struct schema *s, json_t *made) {
    if (made == NULL || json_object_set(made, "$comment", s->mark) != 0 ||
        json_array_append(s->made, made) != 0) {
        json_decref(made);
        return fail(GLASS_NO_MEMORY, "no memory for a schema");
    }
    json_decref(made);
    return GLASS_OK;
}

bool schema_is_made(const struct schema *s, const json_t *json) {
    return json_object_get(json, "$comment") == s->mark;
}

/* Where what is inside a made schema stands: behind its $where. */
static glass_status made_path(struct schema *s, const struct schema_part *part,
                              const struct schema_path **out) {
    json_t *where = json_object_get(part->json, "$where"), *item;
    size_t i;
    *out = part->path;
    json_array_foreach(where, i, item) TRY(schema_path(
        s, out, *out, json_string_value(item), (size_t)json_integer_value(item)));
    return GLASS_OK;
}

/* --- steps and choices ---------------------------------------------------------------------- */

enum kind {
    ANY_OF,    /* one of options, each at its index behind key */
    ONE_OF,    /* and none of the others */
    NOT,       /* one of options, which were made of what stands at path */
    IF,        /* options is the schema with if: if and then, or else without if */
    DEPENDENT, /* member key is not there, or options, a schema or a list of names, holds */
};
struct choice {
    enum kind kind;
    json_t *options;
    const struct schema_path *path;
    const char *key;
    int32_t by;
    json_t *more; /* options that depend on what stands beside it; owned while it is open */
};
struct unfold {
    struct schema *s;
    struct schema_step steps[LISTED];
    int32_t n_steps;
    struct choice choices[LISTED];
    int32_t n_choices, n_nots; /* nots: options of choices NOT among the steps */
    schema_take *take;
    void *to;
};

bool schema_inside(const struct schema_list *flat, int32_t i, const json_t *outer) {
    for (; i >= 0; i = flat->steps[i].by) {
        if (flat->steps[i].part.json == outer) return true;
        if (flat->steps[i].silent) return false;
    }
    return false;
}

static glass_status push(struct unfold *u, json_t *json, const struct schema_path *path,
                         int32_t by) {
    if (u->n_steps == LISTED)
        return schema_fail(u->s, path, NULL, "more than %d schemas in one place", LISTED);
    for (int32_t i = by; i >= 0; i = u->steps[i].by)
        if (u->steps[i].part.json == json && !u->steps[i].negated)
            return schema_fail(u->s, path, NULL,
                               "it refers to itself without anything between");
    u->steps[u->n_steps++] = (struct schema_step){.part = {json, path}, .by = by};
    return GLASS_OK;
}

/* The schema must not hold. */
static glass_status push_not(struct unfold *u, json_t *json, const struct schema_path *path,
                             int32_t by) {
    for (int32_t i = by; i >= 0; i = u->steps[i].by)
        if (u->steps[i].part.json == json && u->steps[i].negated)
            return schema_fail(u->s, path, NULL,
                               "it refers to itself without anything between");
    TRY(push(u, json, path, -1));
    u->steps[u->n_steps - 1].by = by;
    u->steps[u->n_steps - 1].negated = true;
    return GLASS_OK;
}

static glass_status push_choice(struct unfold *u, enum kind kind, json_t *options,
                                const struct schema_path *path, const char *key,
                                int32_t by) {
    if (u->n_choices == LISTED)
        return schema_fail(u->s, path, NULL, "more than %d choices in one place", LISTED);
    u->choices[u->n_choices++] = (struct choice){kind, options, path, key, by, NULL};
    return GLASS_OK;
}

static glass_status push_options(struct unfold *u, const struct schema_part *part,
                                 const char *key, int32_t by) {
    json_t *options = json_object_get(part->json, key);
    if (options == NULL) return GLASS_OK;
    if (!json_is_array(options) || json_array_size(options) == 0)
        return schema_fail(u->s, part->path, key, "this should be a list of schemas");
    return push_choice(u, key[0] == 'a' ? ANY_OF : ONE_OF, options, part->path, key, by);
}

/* dependentRequired, dependentSchemas, and dependencies, which drafts before 2019 have for
 * both. */
static glass_status push_dependent(struct unfold *u, const struct schema_part *part,
                                   const char *key, int32_t by) {
    json_t *all = json_object_get(part->json, key), *one, *name;
    const struct schema_path *path;
    const char *member;
    size_t i;
    if (all == NULL) return GLASS_OK;
    TRY(schema_path(u->s, &path, part->path, key, 0));
    bool schemas = strcmp(key, "dependentSchemas") == 0,
         lists = strcmp(key, "dependentRequired") == 0;
    json_object_foreach(all, member, one) {
        const struct schema_path *inner;
        bool names = json_is_array(one);
        json_array_foreach(one, i, name) names &= json_is_string(name);
        TRY(schema_path(u->s, &inner, path, member, 0));
        if (schemas ? json_is_array(one) : !names && (lists || json_is_array(one)))
            return schema_fail(u->s, inner, NULL, "%s",
                               schemas ? "a schema should be here: an object, true or false"
                                       : "this should be a list of names");
        TRY(push_choice(u, DEPENDENT, one, inner, member, by));
    }
    return GLASS_OK;
}

/* What must not hold in step i adds its choice. */
static glass_status open_not(struct unfold *u, int32_t i) {
    struct schema_part part = u->steps[i].part;
    json_t *options;
    if (json_is_boolean(part.json)) return GLASS_OK;
    TRY(schema_negate(u->s, &part, &options));
    return push_choice(u, NOT, options, part.path, NULL, i);
}

static glass_status open_keywords(struct unfold *u, const struct schema_part *part,
                                  int32_t i) {
    static const char *const dependent[] = {"dependentRequired", "dependentSchemas",
                                            "dependencies"};
    json_t *denied = json_object_get(part->json, "not");
    const struct schema_path *path = part->path;
    for (int k = 0; k < 3; k++) TRY(push_dependent(u, part, dependent[k], i));
    if (json_object_get(part->json, "if") != NULL &&
        (json_object_get(part->json, "then") != NULL ||
         json_object_get(part->json, "else") != NULL))
        TRY(push_choice(u, IF, part->json, part->path, NULL, i));
    TRY(push_options(u, part, "anyOf", i));
    TRY(push_options(u, part, "oneOf", i));
    if (denied == NULL || schema_not_plain(denied)) return GLASS_OK;
    if (schema_is_made(u->s, part->json))
        TRY(made_path(u->s, part, &path));
    else
        TRY(schema_path(u->s, &path, path, "not", 0));
    return push_not(u, denied, path, i);
}

/* What stands in step i adds steps and choices. */
static glass_status open_step(struct unfold *u, int32_t i) {
    struct schema_part part = u->steps[i].part;
    const struct schema_path *path;
    json_t *all = json_object_get(part.json, "allOf"), *item, *target;
    size_t k;
    if (!json_is_object(part.json) && !json_is_boolean(part.json))
        return schema_fail(u->s, part.path, NULL,
                           "a schema should be here: an object, true or false");
    if (u->steps[i].negated) return open_not(u, i);
    if (json_is_boolean(part.json)) return GLASS_OK;
    if (json_object_get(part.json, "$ref") != NULL) {
        TRY(schema_resolve(u->s, &part, &target));
        TRY(schema_path(u->s, &path, part.path, "$ref", 0));
        TRY(push(u, target, path, i));
    }
    if (all != NULL && !json_is_array(all))
        return schema_fail(u->s, part.path, "allOf", "this should be a list of schemas");
    bool made = schema_is_made(u->s, part.json);
    if (all != NULL && made) TRY(made_path(u->s, &part, &path));
    if (all != NULL && !made) TRY(schema_path(u->s, &path, part.path, "allOf", 0));
    json_array_foreach(all, k, item) {
        const struct schema_path *inner = path;
        if (!made) TRY(schema_path(u->s, &inner, path, NULL, k));
        TRY(push(u, item, inner, i));
    }
    return open_keywords(u, &part, i);
}

/* --- alternatives that lead nowhere --------------------------------------------------------- */

static bool is_required(const struct unfold *u, const char *name) {
    json_t *item;
    size_t k;
    for (int32_t i = 0; i < u->n_steps; i++) {
        json_t *list = json_object_get(u->steps[i].part.json, "required");
        if (u->steps[i].negated) continue;
        u->s->work += 1 + json_array_size(list);
        json_array_foreach(list, k, item) if (json_is_string(item) &&
                                              strcmp(json_string_value(item), name) ==
                                                  0) return true;
    }
    return false;
}

/* A made schema says that a member is not there which another asks for. */
static bool lacks_required(const struct unfold *u, json_t *json) {
    json_t *member;
    const char *name;
    json_object_foreach(json_object_get(json, "properties"), name,
                        member) if (json_is_false(member) &&
                                    is_required(u, name)) return true;
    return false;
}

/* Whether a schema that says nothing but constants holds of the value. */
static bool names_value(json_t *json, json_t *value) {
    static const char *const plain[] = {"const",       "enum",    "type", "title",
                                        "description", "default", NULL};
    json_t *only = json_object_get(json, "const"), *list = json_object_get(json, "enum");
    json_t *item;
    const char *key;
    size_t i;
    bool found = only != NULL && list == NULL && schema_equal(only, value);
    json_object_foreach(json, key, item) {
        int k = 0;
        while (plain[k] != NULL && strcmp(plain[k], key) != 0) k++;
        if (plain[k] == NULL) return false;
    }
    if (only == NULL) json_array_foreach(list, i, item) found |= schema_equal(item, value);
    return found && (schema_types(json) & schema_type_of(value)) != 0;
}

static bool may_name(json_t *json, json_t *value) {
    json_t *only = json_object_get(json, "const"), *list = json_object_get(json, "enum");
    json_t *item;
    size_t i;
    if (only != NULL) return schema_equal(only, value);
    if (!json_is_array(list)) return true;
    json_array_foreach(list, i, item) if (schema_equal(item, value)) return true;
    return false;
}

/* Whether no value is of both, the first of which says constants. */
static bool clash(json_t *a, json_t *b) {
    json_t *only = json_object_get(a, "const"), *list = json_object_get(a, "enum");
    json_t *denied = json_object_get(b, "not");
    size_t n = only != NULL ? 1 : json_array_size(list);
    if (denied != NULL && denied == a) return true;
    for (size_t i = 0; i < n; i++) {
        json_t *value = only != NULL ? only : json_array_get(list, i);
        if (may_name(b, value) && (denied == NULL || !names_value(denied, value)))
            return false;
    }
    return n > 0;
}

/* Whether a member that must be there cannot be what two steps say: many ifs ask for one
 * constant each. */
static bool members_clash(const struct unfold *u, int32_t i) {
    enum { FEW = 8 };
    json_t *all = json_object_get(u->steps[i].part.json, "properties"), *a, *b;
    const char *name;
    if (u->steps[i].negated || json_object_size(all) > FEW) return false;
    json_object_foreach(all, name, a) {
        u->s->work += (uint64_t)u->n_steps;
        for (int32_t k = 0; k < u->n_steps; k++) {
            if (k == i || u->steps[k].negated) continue;
            b = json_object_get(json_object_get(u->steps[k].part.json, "properties"), name);
            if (b != NULL && (clash(a, b) || clash(b, a)) && is_required(u, name))
                return true;
        }
    }
    return false;
}

/* Whether a schema must hold and must not. */
static bool is_both(const struct unfold *u, int32_t i) {
    u->s->work += (uint64_t)u->n_steps;
    for (int32_t k = 0; k < u->n_steps; k++)
        if (u->steps[k].part.json == u->steps[i].part.json &&
            u->steps[k].negated != u->steps[i].negated)
            return true;
    return false;
}

/* Whether the steps cannot hold together, as far as that is seen at once: of what must not
 * hold come many such. Mistakes in schemas are found first. Those before `from` were looked
 * at. */
static bool is_dead(const struct unfold *u, int32_t from) {
    unsigned types = TYPE_ALL;
    for (int32_t i = 0; i < u->n_steps; i++) {
        json_t *json = u->steps[i].part.json, *denied = json_object_get(json, "not");
        if (u->steps[i].negated ? json_is_true(json) : json_is_false(json)) return true;
        if (i >= from && (is_both(u, i) || members_clash(u, i))) return true;
        u->s->work += 2;
        if (u->steps[i].negated || u->n_nots == 0) continue;
        if (schema_is_made(u->s, json) && lacks_required(u, json)) return true;
        if (schema_types(json) != 0) types &= schema_types(json);
        if (schema_not_plain(denied) && json_object_get(denied, "type") != NULL)
            types &= ~schema_types(denied);
    }
    return types == 0;
}

/* --- unfolding ------------------------------------------------------------------------------ */

/* Without choices left: a flat list, one alternative. */
static glass_status take_flat(struct unfold *u) {
    struct schema_list flat = {.steps = u->steps, .n_steps = u->n_steps};
    glass_status status = GLASS_OK;
    if (++u->s->n_alternatives > ALTERNATIVES || u->s->n_parts > PARTS)
        return schema_fail(u->s, u->steps[0].part.path, NULL,
                           "too many alternatives in all: more than %d, or than %d schemas "
                           "in them",
                           ALTERNATIVES, PARTS);
    for (int32_t i = 0; status == GLASS_OK && i < u->n_steps; i++)
        if (json_is_object(u->steps[i].part.json) && !u->steps[i].negated)
            status = schema_add(&flat, u->steps[i].part.json, u->steps[i].part.path);
    if (status == GLASS_OK) status = u->take(u->s, u->to, &flat);
    if (u->n_nots > 0) u->s->n_parts += flat.n;
    mem_free(flat.items);
    return status;
}

static glass_status no_memory(void) {
    return fail(GLASS_NO_MEMORY, "no memory for a schema");
}

/* Takes the schema over. */
static glass_status bring(struct schema *s, json_t *list, json_t *made) {
    TRY(schema_make(s, made));
    return json_array_append(list, made) == 0 ? GLASS_OK : no_memory();
}

/* An option of oneOf is without the others: those that may hold with it must not, which is plain
 * where a member tells them apart. */
static glass_status besides_one_of(struct schema *s, json_t *list, const struct choice *c,
                                   size_t i) {
    json_t *own = json_array_get(c->options, i), *other;
    size_t k;
    json_array_foreach(c->options, k, other) {
        if (k == i || schema_apart(s, own, other, 0)) continue;
        const char *name = schema_telling(s, own, other);
        if (name != NULL)
            TRY(bring(s, list,
                      json_pack("{s:s,s:[s]}", "type", "object", "required", name)));
        else if (json_array_append_new(list, json_integer((json_int_t)k)) != 0)
            return no_memory();
    }
    return GLASS_OK;
}

/* The member is not there; or it is, with the names that it asks for. */
static glass_status besides_dependent(struct schema *s, json_t *list,
                                      const struct choice *c, size_t i) {
    if (i == 0) return bring(s, list, json_pack("{s:{s:b}}", "properties", c->key, 0));
    TRY(bring(s, list, json_pack("{s:[s]}", "required", c->key)));
    if (!json_is_array(c->options)) return GLASS_OK;
    return bring(s, list, json_pack("{s:O}", "required", c->options));
}

static glass_status find_besides(struct schema *s, json_t **list, const struct choice *c,
                                 size_t i) {
    const void *choice = c->kind == DEPENDENT ? (const void *)c->key : c->options;
    for (uint32_t k = 0; k < s->n_besides; k++)
        if (s->besides[k].choice == choice && s->besides[k].i == i) {
            *list = s->besides[k].list;
            return GLASS_OK;
        }
    if (s->n_besides == s->cap_besides) {
        uint32_t cap = s->cap_besides ? 2 * s->cap_besides : 16;
        TRY(mem_resize(&s->besides, cap, sizeof *s->besides));
        s->cap_besides = cap;
    }
    if ((*list = json_array()) == NULL) return no_memory();
    s->besides[s->n_besides++] = (struct schema_besides){choice, i, *list};
    return c->kind == DEPENDENT ? besides_dependent(s, *list, c, i)
                                : besides_one_of(s, *list, c, i);
}

static glass_status push_besides(struct unfold *u, const struct choice *c, size_t i) {
    const struct schema_path *path, *inner;
    json_t *list, *item;
    size_t k;
    TRY(find_besides(u->s, &list, c, i));
    u->s->work += u->s->n_besides;
    json_array_foreach(list, k, item) {
        if (!json_is_integer(item)) {
            TRY(push(u, item, c->path, c->by));
            continue;
        }
        size_t other = (size_t)json_integer_value(item);
        TRY(schema_path(u->s, &path, c->path, c->key, 0));
        TRY(schema_path(u->s, &inner, path, NULL, other));
        TRY(push_not(u, json_array_get(c->options, other), inner, c->by));
    }
    return GLASS_OK;
}

static glass_status push_key(struct unfold *u, const struct choice *c, const char *key,
                             bool negated) {
    const struct schema_path *path;
    json_t *json = json_object_get(c->options, key);
    if (json == NULL) return GLASS_OK;
    TRY(schema_path(u->s, &path, c->path, key, 0));
    return negated ? push_not(u, json, path, c->by) : push(u, json, path, c->by);
}

static glass_status push_option(struct unfold *u, const struct choice *c, size_t i) {
    const struct schema_path *path = c->path;
    json_t *option = json_array_get(c->options, i);
    if (option == NULL) option = json_array_get(c->more, i - json_array_size(c->options));
    switch (c->kind) {
    case IF:
        TRY(push_key(u, c, "if", i == 1));
        return push_key(u, c, i == 0 ? "then" : "else", false);
    case DEPENDENT:
        TRY(push_besides(u, c, i));
        return i == 0 || json_is_array(c->options) ? GLASS_OK
                                                   : push(u, c->options, path, c->by);
    case NOT:
        TRY(push(u, option, path, c->by));
        u->steps[u->n_steps - 1].silent = true;
        u->n_nots++;
        return GLASS_OK;
    default: break;
    }
    TRY(schema_path(u->s, &path, c->path, c->key, 0));
    TRY(schema_path(u->s, &path, path, NULL, i));
    TRY(push(u, option, path, c->by));
    return c->kind == ONE_OF ? push_besides(u, c, i) : GLASS_OK;
}

static glass_status unfold(struct unfold *u, int32_t next, int32_t choice);

static glass_status take_options(struct unfold *u, const struct choice *c, int32_t next,
                                 int32_t choice) {
    int32_t n_steps = u->n_steps, n_choices = u->n_choices, n_nots = u->n_nots;
    size_t n = json_array_size(c->options) + json_array_size(c->more);
    if (c->kind == IF || c->kind == DEPENDENT) n = 2;
    for (size_t i = 0; i < n; i++) {
        TRY(push_option(u, c, i));
        TRY(unfold(u, next, choice));
        u->n_steps = n_steps;
        u->n_choices = n_choices;
        u->n_nots = n_nots;
    }
    return GLASS_OK;
}

/* Opens steps from `next` on, then takes the choices one by one. */
static glass_status unfold(struct unfold *u, int32_t next, int32_t choice) {
    int32_t from = next;
    while (next < u->n_steps) {
        TRY(open_step(u, next));
        next++;
    }
    if (u->s->work > WORK)
        return schema_fail(u->s, u->steps[0].part.path, NULL,
                           "too many alternatives have to be looked at");
    if (is_dead(u, from)) return GLASS_OK;
    if (choice == u->n_choices) return take_flat(u);
    struct choice c = u->choices[choice];
    glass_status status = GLASS_OK;
    if (c.kind == NOT)
        status =
            schema_negate_others(u->s, &u->steps[c.by].part, u->steps, u->n_steps, &c.more);
    if (status == GLASS_OK) status = take_options(u, &c, next, choice + 1);
    json_decref(c.more);
    return status;
}

glass_status schema_unfold(struct schema *s, const struct schema_list *list,
                           schema_take *take, void *to) {
    struct unfold *u;
    glass_status status = GLASS_OK;
    TRY(mem_alloc_zero(&u, 1, sizeof *u));
    u->s = s;
    u->take = take;
    u->to = to;
    for (uint32_t i = 0; status == GLASS_OK && i < list->n; i++)
        status = push(u, list->items[i].json, list->items[i].path, -1);
    if (status == GLASS_OK) status = unfold(u, 0, 0);
    mem_free(u);
    return status;
}
