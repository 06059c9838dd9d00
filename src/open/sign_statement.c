/* sign_statement.c - what is signed: an in-toto statement whose predicate lists the files. */
#include "base/hash.h"
#include "open/sign_parts.h"

#include <jansson.h>
#include <stdlib.h>

/* ---- writing ---- */

static glass_status write_string(struct buf *out, const char *text) {
    return buf_json_string(out, text, strlen(text));
}

static glass_status write_resources(struct buf *out, struct sha256 *whole,
                                    struct sign_hasher *h, const struct sign_tree *t,
                                    bool file_name) {
    for (int64_t i = 0; i < t->n; i++) {
        char hex[SIGN_DIGEST_TEXT];
        uint8_t digest[32];
        TRY(sign_hash(hex, h, &t->files[i], 0, UINT64_MAX));
        sha256_parse(digest, hex, 64);
        TRY(sha256_update(whole, digest, sizeof digest));
        TRY(buf_text(out, i > 0 ? ",{\"name\":" : "{\"name\":"));
        TRY(write_string(out, t->one && file_name ? t->base : t->files[i].name));
        TRY(buf_printf(out, ",\"digest\":\"%s\",\"algorithm\":\"sha256\"}", hex));
    }
    return GLASS_OK;
}

static glass_status write_all(struct buf *out, const struct buf *resources,
                              const char root[65], const struct sign_tree *t,
                              const struct sign_ignored *ignored, bool follow_links) {
    TRY(buf_text(out, "{\"_type\":\"" SIGN_STATEMENT "\",\"subject\":[{\"name\":"));
    TRY(write_string(out, t->base));
    TRY(buf_printf(out,
                   ",\"digest\":{\"sha256\":\"%s\"}}],\"predicateType\":\"" SIGN_PREDICATE
                   "\",\"predicate\":{\"resources\":[",
                   root));
    TRY(buf_append(out, resources->data, resources->len));
    TRY(buf_printf(out,
                   "],\"serialization\":{\"method\":\"files\",\"hash_type\":\"sha256\","
                   "\"allow_symlinks\":%s,\"ignore_paths\":[",
                   follow_links ? "true" : "false"));
    for (int64_t i = 0; i < ignored->n; i++) {
        if (i > 0) TRY(buf_byte(out, ','));
        TRY(write_string(out, ignored->items[i]));
    }
    return buf_text(out, "]}}}");
}

glass_status sign_statement_write(struct buf *out, char root_hex[65], struct sign_hasher *h,
                                  const struct sign_tree *t,
                                  const struct sign_ignored *ignored, bool follow_links,
                                  bool file_name) {
    struct buf resources = {0};
    struct sha256 *whole = NULL;
    uint8_t root[32];
    TRY(sha256_create(&whole));
    glass_status status = write_resources(&resources, whole, h, t, file_name);
    if (status == GLASS_OK) {
        status = sha256_finish(whole, root);
        whole = NULL;
    }
    if (status == GLASS_OK) {
        sha256_hex(root_hex, root);
        status = write_all(out, &resources, root_hex, t, ignored, follow_links);
    }
    sha256_free(whole);
    buf_free(&resources);
    return status;
}

/* ---- reading ---- */

struct reading {
    struct sign_manifest *m;
    const char *where;
};

/* A member of the type that is wanted; NULL after fail(). */
static json_t *get(const struct reading *r, json_t *object, const char *key, json_type type,
                   const char *what) {
    json_t *v = json_object_get(object, key);
    if (v != NULL && json_typeof(v) == type) return v;
    fail(GLASS_BAD_INPUT, "%s: the statement: %s.%s: %s", r->where, what, key,
         v == NULL ? "is missing" : "has another type than the specification gives it");
    return NULL;
}

/* "a/b": no empty part, none of dots. Nothing else can be in a manifest. */
static bool is_clean(const char *name, size_t n) {
    if (n == 1 && name[0] == '.') return true; /* the one file */
    for (size_t i = 0; i <= n;) {
        const char *slash = memchr(name + i, '/', n - i);
        size_t k = slash != NULL ? (size_t)(slash - name) - i : n - i;
        if (k == 0 || (k == 1 && name[i] == '.') ||
            (k == 2 && name[i] == '.' && name[i + 1] == '.'))
            return false;
        i += k + 1;
    }
    return true;
}

static bool is_hex(const char *text, size_t n) {
    return strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}

/* ":123" in front of text[*n]: *n becomes where it begins. */
static bool cut_number(uint64_t *out, const char *text, size_t *n) {
    size_t at = *n;
    while (at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9') at--;
    if (at == *n || at == 0 || text[at - 1] != ':' || *n - at > 18) return false;
    *out = strtoull(text + at, NULL, 10);
    *n = at - 1;
    return true;
}

static glass_status take_item(const struct reading *r, const char *name,
                              const char *digest) {
    struct sign_manifest *m = r->m;
    struct sign_item *item = &m->items[m->n];
    *item = (struct sign_item){.n_name = strlen(name), .end = UINT64_MAX};
    if (m->shard_bytes > 0 &&
        (!cut_number(&item->end, name, &item->n_name) ||
         !cut_number(&item->begin, name, &item->n_name) || item->begin >= item->end ||
         item->begin % m->shard_bytes != 0 || item->end - item->begin > m->shard_bytes))
        return fail(GLASS_BAD_INPUT,
                    "%s: the statement: \"%.200s\" does not end in :BEGIN:END of a part of "
                    "%llu bytes",
                    r->where, name, (unsigned long long)m->shard_bytes);
    if (!is_clean(name, item->n_name))
        return fail(GLASS_BAD_INPUT,
                    "%s: the statement: \"%.200s\" is no path below the model's folder",
                    r->where, name);
    if (!is_hex(digest, m->hash == SIGN_SHA256 ? 64 : 128))
        return fail(GLASS_BAD_INPUT, "%s: the statement: \"%.200s\": \"%.140s\" is no %s",
                    r->where, name, digest,
                    m->hash == SIGN_SHA256 ? "SHA-256" : "BLAKE2b digest");
    TRY(pool_text(&m->pool, &item->name, name, strlen(name)));
    TRY(pool_text(&m->pool, &item->digest, digest, strlen(digest)));
    m->n++;
    return GLASS_OK;
}

int sign_item_compare(const char *a, size_t n_a, const char *b, size_t n_b) {
    int d = memcmp(a, b, n_a < n_b ? n_a : n_b);
    return d != 0 ? d : (n_a > n_b) - (n_a < n_b);
}

static int by_place(const void *a, const void *b) {
    const struct sign_item *x = a, *y = b;
    int d = sign_item_compare(x->name, x->n_name, y->name, y->n_name);
    return d != 0 ? d : (x->begin > y->begin) - (x->begin < y->begin);
}

static glass_status finish_items(const struct reading *r) {
    struct sign_manifest *m = r->m;
    if (m->n == 0)
        return fail(GLASS_BAD_INPUT, "%s: the statement names no file", r->where);
    qsort(m->items, (size_t)m->n, sizeof *m->items, by_place);
    for (int64_t i = 1; i < m->n; i++)
        if (by_place(&m->items[i], &m->items[i - 1]) == 0)
            return fail(GLASS_BAD_INPUT, "%s: the statement names \"%.200s\" twice",
                        r->where, m->items[i].name);
    return GLASS_OK;
}

static glass_status read_ignored(const struct reading *r, json_t *list) {
    if (list == NULL) return GLASS_OK;
    if (!json_is_array(list))
        return fail(GLASS_BAD_INPUT, "%s: the statement: ignore_paths is no list",
                    r->where);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *path = json_string_value(json_array_get(list, i));
        if (path == NULL)
            return fail(GLASS_BAD_INPUT, "%s: the statement: ignore_paths[%zu] is no text",
                        r->where, i);
        glass_status status = sign_ignore(&r->m->ignored, path);
        if (status != GLASS_OK)
            return fail_within(status, "%s: the statement: ignore_paths[%zu]", r->where, i);
    }
    return GLASS_OK;
}

static glass_status read_serialization(const struct reading *r, json_t *s) {
    struct sign_manifest *m = r->m;
    json_t *method = get(r, s, "method", JSON_STRING, "serialization");
    json_t *hash = method ? get(r, s, "hash_type", JSON_STRING, "serialization") : NULL;
    json_t *links = json_object_get(s, "allow_symlinks");
    json_t *size = json_object_get(s, "shard_size");
    if (hash == NULL) return GLASS_BAD_INPUT;
    if (!json_is_boolean(links))
        return fail(GLASS_BAD_INPUT,
                    "%s: the statement: serialization.allow_symlinks: true or false is "
                    "wanted",
                    r->where);
    m->follow_links = json_is_true(links);
    bool shards = strcmp(json_string_value(method), "shards") == 0;
    if (!shards && strcmp(json_string_value(method), "files") != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: the statement: files were put in order by \"%.40s\"; \"files\" "
                    "and \"shards\" are known",
                    r->where, json_string_value(method));
    if (shards && (!json_is_integer(size) || json_integer_value(size) <= 0))
        return fail(GLASS_BAD_INPUT,
                    "%s: the statement: serialization.shard_size: a number of bytes is "
                    "wanted",
                    r->where);
    m->shard_bytes = shards ? (uint64_t)json_integer_value(size) : 0;
    if (strcmp(json_string_value(hash), "blake2b") == 0)
        m->hash = SIGN_BLAKE2B;
    else if (strcmp(json_string_value(hash), "sha256") != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: the files are hashed by \"%.40s\"; sha256 and blake2b are "
                    "computed here",
                    r->where, json_string_value(hash));
    return read_ignored(r, json_object_get(s, "ignore_paths"));
}

static glass_status read_resources(const struct reading *r, json_t *list, json_t *s) {
    struct sign_manifest *m = r->m;
    const char *hash = json_string_value(json_object_get(s, "hash_type"));
    struct sha256 *whole = NULL;
    glass_status status =
        pool_alloc(&m->pool, &m->items, json_array_size(list) + 1, sizeof *m->items);
    if (status == GLASS_OK) status = sha256_create(&whole);
    for (size_t i = 0; status == GLASS_OK && i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        json_t *name = get(r, item, "name", JSON_STRING, "resources[]");
        json_t *digest = name ? get(r, item, "digest", JSON_STRING, "resources[]") : NULL;
        json_t *kind =
            digest ? get(r, item, "algorithm", JSON_STRING, "resources[]") : NULL;
        if (kind == NULL) {
            status = GLASS_BAD_INPUT;
        } else if (strcmp(json_string_value(kind), hash) != 0) {
            status = fail(GLASS_BAD_INPUT,
                          "%s: the statement: resources[%zu] is hashed by \"%.40s\", the "
                          "model by \"%.40s\"",
                          r->where, i, json_string_value(kind), hash);
        } else {
            status = take_item(r, json_string_value(name), json_string_value(digest));
        }
        const char *hex = json_string_value(digest);
        for (size_t k = 0; status == GLASS_OK && hex[k] != '\0'; k += 2) {
            char two[3] = {hex[k], hex[k + 1], '\0'};
            uint8_t byte = (uint8_t)strtoul(two, NULL, 16);
            status = sha256_update(whole, &byte, 1);
        }
    }
    uint8_t root[32];
    char root_hex[65] = "";
    if (status == GLASS_OK) {
        status = sha256_finish(whole, root);
        whole = NULL;
        sha256_hex(root_hex, root);
    }
    sha256_free(whole);
    if (status == GLASS_OK && strcmp(root_hex, m->root) != 0)
        status = fail(GLASS_BAD_INPUT,
                      "%s: the statement contradicts itself: its files' digests give %s, "
                      "it says %.70s",
                      r->where, root_hex, m->root);
    return status;
}

/* Version 0.2 of model-signing: the files are the subjects. */
static glass_status read_old(const struct reading *r, json_t *subjects) {
    struct sign_manifest *m = r->m;
    m->old = true;
    m->name = m->root = "";
    TRY(pool_alloc(&m->pool, &m->items, json_array_size(subjects) + 1, sizeof *m->items));
    for (size_t i = 0; i < json_array_size(subjects); i++) {
        json_t *s = json_array_get(subjects, i);
        json_t *name = get(r, s, "name", JSON_STRING, "subject[]");
        json_t *set = name ? get(r, s, "digest", JSON_OBJECT, "subject[]") : NULL;
        json_t *hex = set ? get(r, set, "sha256", JSON_STRING, "subject[].digest") : NULL;
        if (hex == NULL) return GLASS_BAD_INPUT;
        TRY(take_item(r, json_string_value(name), json_string_value(hex)));
    }
    return GLASS_OK;
}

static glass_status read_new(const struct reading *r, json_t *top, json_t *subjects) {
    struct sign_manifest *m = r->m;
    if (json_array_size(subjects) != 1)
        return fail(GLASS_BAD_INPUT, "%s: the statement has %zu subjects; one is wanted",
                    r->where, json_array_size(subjects));
    json_t *subject = json_array_get(subjects, 0);
    json_t *name = get(r, subject, "name", JSON_STRING, "subject[0]");
    json_t *set = name ? get(r, subject, "digest", JSON_OBJECT, "subject[0]") : NULL;
    json_t *root = set ? get(r, set, "sha256", JSON_STRING, "subject[0].digest") : NULL;
    json_t *predicate = root ? get(r, top, "predicate", JSON_OBJECT, "") : NULL;
    json_t *s =
        predicate ? get(r, predicate, "serialization", JSON_OBJECT, "predicate") : NULL;
    json_t *list = s ? get(r, predicate, "resources", JSON_ARRAY, "predicate") : NULL;
    if (list == NULL) return GLASS_BAD_INPUT;
    TRY(pool_text(&m->pool, &m->name, json_string_value(name), json_string_length(name)));
    TRY(pool_text(&m->pool, &m->root, json_string_value(root), json_string_length(root)));
    TRY(read_serialization(r, s));
    return read_resources(r, list, s);
}

static glass_status read_top(const struct reading *r, json_t *top) {
    json_t *type = get(r, top, "_type", JSON_STRING, "");
    json_t *kind = type ? get(r, top, "predicateType", JSON_STRING, "") : NULL;
    json_t *subjects = kind ? get(r, top, "subject", JSON_ARRAY, "") : NULL;
    if (subjects == NULL) return GLASS_BAD_INPUT;
    const char *predicate = json_string_value(kind);
    if (strcmp(json_string_value(type), SIGN_STATEMENT) != 0)
        return fail(GLASS_BAD_INPUT,
                    "%s: what is signed is of type \"%.100s\", no in-toto statement",
                    r->where, json_string_value(type));
    if (strcmp(predicate, SIGN_PREDICATE_OLD) == 0)
        TRY(read_old(r, subjects));
    else if (strcmp(predicate, SIGN_PREDICATE) == 0)
        TRY(read_new(r, top, subjects));
    else
        return fail(GLASS_BAD_INPUT,
                    "%s: what is signed is a statement of another kind, \"%.100s\": no "
                    "model's files",
                    r->where, predicate);
    return finish_items(r);
}

glass_status sign_statement_read(struct sign_manifest *out, const char *text, size_t n,
                                 const char *where) {
    json_error_t error;
    struct reading r = {out, where};
    *out = (struct sign_manifest){0};
    json_t *top = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    glass_status status = top == NULL
                              ? fail(GLASS_BAD_INPUT, "%s: the statement: byte %d: %s",
                                     where, error.position, error.text)
                              : read_top(&r, top);
    json_decref(top);
    if (status == GLASS_OK) status = sign_ignore_defaults(&out->ignored);
    if (status != GLASS_OK) sign_manifest_free(out);
    return status;
}

void sign_manifest_free(struct sign_manifest *m) {
    sign_ignored_free(&m->ignored);
    pool_free(&m->pool);
    *m = (struct sign_manifest){0};
}
