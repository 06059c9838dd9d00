/* grammar_schema.c - schemas read; their paths, references, and lists as rules. */
#include "text/grammar_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { RULES = 1 << 13 };

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

/* One alternative of a rule. */
static glass_status add_flat(struct schema *s, void *alt, const struct schema_list *flat) {
    struct schema_shape shape;
    uint32_t node;
    TRY(schema_collect(s, &shape, flat));
    TRY(schema_tree(s, &node, &shape));
    gram_add(s->t, *(uint32_t *)alt, node);
    return GLASS_OK;
}

static glass_status build_rule(struct schema *s, uint32_t rule,
                               const struct schema_list *list) {
    uint32_t alt;
    TRY(gram_alt(s->t, &alt));
    glass_status status = schema_unfold(s, list, add_flat, &alt);
    s->t->rules[rule].node = alt;
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

static glass_status no_memory(void) {
    return fail(GLASS_NO_MEMORY, "no memory for a schema");
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
    if (status == GLASS_OK && (s.made = json_array()) == NULL) status = no_memory();
    if (status == GLASS_OK && (s.mark = json_string("made")) == NULL) status = no_memory();
    if (status == GLASS_OK) status = schema_add(&list, s.root, NULL);
    if (status == GLASS_OK) status = schema_rule(&s, rule, &list);
    mem_free(list.items);
    for (uint32_t i = 0; i < s.n_memo; i++) mem_free(s.memo[i].set);
    mem_free(s.memo);
    for (size_t i = 0; i < s.n_owned; i++) mem_free(s.owned[i]);
    mem_free(s.owned);
    gram_regex_clear(&s.regex);
    for (uint32_t i = 0; i < s.n_nots; i++) json_decref(s.nots[i].options);
    mem_free(s.nots);
    for (uint32_t i = 0; i < s.n_besides; i++) json_decref(s.besides[i].list);
    mem_free(s.besides);
    mem_free(s.lengths);
    mem_free(s.patterns);
    json_decref(s.made);
    json_decref(s.mark);
    json_decref(s.root);
    return status;
}
