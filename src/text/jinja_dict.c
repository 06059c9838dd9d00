/* jinja_dict.c - dicts in order of insertion, with a hash index once they are large. Probing
 * is paid for in steps, so keys made to collide run into the step limit. */
#include "text/jinja_value.h"

#include <math.h>
#include <string.h>

enum { SMALL = 8 };

glass_status jdict_new(struct jinja *in, struct jdict **out) {
    return jarena_alloc(in, out, 1, sizeof **out);
}

bool jv_hashable(struct jv v) {
    switch (v.type) {
    case J_LIST:
    case J_DICT:
    case J_VIEW: return false;
    case J_TUPLE:
        for (size_t i = 0; i < v.u.list->n; i++)
            if (!jv_hashable(v.u.list->items[i])) return false;
        return true;
    default: return true;
    }
}

static uint64_t mix(uint64_t h) {
    h ^= h >> 32;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint64_t hash_bytes(const char *bytes, size_t n) {
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return mix(h);
}

/* Equal values hash alike: 1, 1.0 and True are one key. */
static uint64_t hash_value(struct jv v) {
    switch (v.type) {
    case J_STR: return hash_bytes(v.u.s->bytes, v.u.s->n_bytes);
    case J_BOOL:
    case J_INT: return mix((uint64_t)jv_int_value(v) + 1);
    case J_FLOAT:
        if (v.u.d == floor(v.u.d) && fabs(v.u.d) < 9e18)
            return mix((uint64_t)(int64_t)v.u.d + 1);
        return hash_bytes((const char *)&v.u.d, sizeof v.u.d);
    case J_TUPLE: {
        uint64_t h = 7;
        for (size_t i = 0; i < v.u.list->n; i++)
            h = mix(h * 31 + hash_value(v.u.list->items[i]));
        return h;
    }
    default: return v.type; /* none, undefined and objects: few, told apart by equality */
    }
}

static glass_status find(struct jinja *in, size_t *out, const struct jdict *dict,
                         struct jv key) {
    bool same = false;
    *out = dict->n;
    if (dict->index == NULL) {
        for (size_t i = 0; i < dict->n && !same; i++) {
            TRY(jv_equal(in, &same, dict->keys[i], key));
            if (same) *out = i;
        }
        return GLASS_OK;
    }
    for (size_t at = hash_value(key);; at++) {
        uint32_t entry = dict->index[at & (dict->n_index - 1)];
        if (entry == 0) return GLASS_OK;
        TRY(jv_equal(in, &same, dict->keys[entry - 1], key));
        if (same) {
            *out = entry - 1;
            return GLASS_OK;
        }
    }
}

static glass_status index_entry(struct jinja *in, struct jdict *dict, size_t i) {
    size_t at = hash_value(dict->keys[i]);
    while (dict->index[at & (dict->n_index - 1)] != 0) {
        TRY(jinja_charge(in, 1));
        at++;
    }
    dict->index[at & (dict->n_index - 1)] = (uint32_t)(i + 1);
    return GLASS_OK;
}

static glass_status grow(struct jinja *in, struct jdict *dict) {
    size_t cap = dict->cap == 0 ? 4 : dict->cap * 2;
    if (cap > UINT32_MAX / 4) return jinja_fail(in, "a dict is too large");
    TRY(jarena_grow(in, &dict->keys, dict->cap, cap, sizeof *dict->keys));
    TRY(jarena_grow(in, &dict->values, dict->cap, cap, sizeof *dict->values));
    dict->cap = cap;
    if (cap <= SMALL) return GLASS_OK;
    dict->n_index = cap * 2;
    TRY(jarena_alloc(in, &dict->index, dict->n_index, sizeof *dict->index));
    for (size_t i = 0; i < dict->n; i++) TRY(index_entry(in, dict, i));
    return GLASS_OK;
}

glass_status jdict_set(struct jinja *in, struct jdict *dict, struct jv key,
                       struct jv value) {
    size_t at;
    if (!jv_hashable(key)) return jinja_fail(in, "unhashable type: %s", jv_type_name(key));
    TRY(find(in, &at, dict, key));
    if (at < dict->n) {
        dict->values[at] = value;
        return GLASS_OK;
    }
    if (dict->n == dict->cap) TRY(grow(in, dict));
    dict->keys[dict->n] = key;
    dict->values[dict->n] = value;
    dict->n++;
    return dict->index != NULL ? index_entry(in, dict, dict->n - 1) : GLASS_OK;
}

glass_status jdict_get(struct jinja *in, const struct jv **out, const struct jdict *dict,
                       struct jv key) {
    size_t at;
    *out = NULL;
    TRY(find(in, &at, dict, key));
    if (at < dict->n) *out = &dict->values[at];
    return GLASS_OK;
}

glass_status jdict_get_text(struct jinja *in, const struct jv **out,
                            const struct jdict *dict, const char *key) {
    struct jstr s = {.bytes = key, .n_bytes = strlen(key), .base = key};
    return jdict_get(in, out, dict, jv_str(&s));
}
