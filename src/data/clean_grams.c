/* clean_grams.c - n-grams of words: MinHash (Broder 1997; bands as in FineWeb: 5-grams, 14 bands of
 * 8 hashes), and 13-grams of evaluation sets (Brown et al. 2020, appendix C). Words are letters and
 * digits in lower case. */
#include "base/hash.h"
#include "base/path.h"
#include "data/clean.h"
#include "data/unpack.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

enum { NEAR_HASHES = NEAR_BANDS * NEAR_ROWS, GRAM_MOST = 13, GRAM_LEAST = 8 };

static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* 0: no part of a word; else the letter as it is compared. */
static unsigned char letter(unsigned char c) {
    if (c >= 'A' && c <= 'Z') return (unsigned char)(c + 32);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80 ? c : 0;
}

glass_status clean_normal(struct clean_scratch *s, const char *text, size_t n_bytes) {
    s->n_grams = 0;
    for (size_t i = 0; i < n_bytes;) {
        uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
        unsigned char c;
        size_t from = i;
        while (i < n_bytes && (c = letter((unsigned char)text[i])) != 0) {
            h = (h ^ c) * UINT64_C(0x100000001b3);
            i++;
        }
        if (i == from) {
            i++;
            continue;
        }
        if (s->n_grams == s->cap_grams) {
            size_t cap = s->cap_grams ? 2 * s->cap_grams : 4096;
            TRY(mem_resize(&s->grams, cap, sizeof *s->grams));
            s->cap_grams = cap;
        }
        s->grams[s->n_grams++] = mix(h);
    }
    return GLASS_OK;
}

static uint64_t gram(const uint64_t *words, size_t n) {
    uint64_t h = n;
    for (size_t i = 0; i < n; i++)
        h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) + (h >> 31);
    return mix(h);
}

/* ---- MinHash ---- */

bool clean_bands(const struct clean_scratch *s, uint64_t bands[NEAR_BANDS]) {
    uint32_t least[NEAR_HASHES], factor[NEAR_HASHES], add[NEAR_HASHES];
    size_t n = s->n_grams < NEAR_WORDS ? s->n_grams : NEAR_WORDS;
    if (n == 0) return false;
    for (uint64_t i = 0; i < NEAR_HASHES; i++) {
        uint64_t r = mix((i + 1) * UINT64_C(0x9e3779b97f4a7c15));
        factor[i] = (uint32_t)r | 1;
        add[i] = (uint32_t)(r >> 32);
        least[i] = UINT32_MAX;
    }
    for (size_t i = 0; i + n <= s->n_grams; i++) {
        uint32_t x = (uint32_t)(gram(s->grams + i, n) >> 32);
        for (int k = 0; k < NEAR_HASHES; k++) {
            uint32_t h = x * factor[k] + add[k];
            least[k] = h < least[k] ? h : least[k];
        }
    }
    for (uint64_t b = 0; b < NEAR_BANDS; b++) {
        uint64_t h = b;
        for (int k = 0; k < NEAR_ROWS; k++) h = mix(h ^ least[b * NEAR_ROWS + (uint64_t)k]);
        bands[b] = h;
    }
    return true;
}

/* ---- evaluation sets ---- */

struct clean_evaluations {
    struct slot {
        uint64_t hash;
        uint32_t file, item; /* item: its number in the file, from 1 */
    } * slots;
    size_t n, cap;
    bool lengths[GRAM_MOST + 1];
    char **names;
    int64_t n_names;
    struct sha256 *digest;
    uint8_t sha256[32];
    struct clean_scratch scratch;
    uint32_t item;
    int64_t n_short; /* items of fewer than 8 words, which cannot be looked for */
};

static glass_status grow(struct clean_evaluations *e) {
    struct slot *old = e->slots, *slots;
    size_t cap = e->cap ? 2 * e->cap : 1 << 16;
    TRY(mem_alloc_zero(&slots, cap, sizeof *slots));
    for (size_t i = 0; i < e->cap; i++) {
        if (old[i].item == 0) continue;
        size_t at = old[i].hash & (cap - 1);
        while (slots[at].item != 0) at = (at + 1) & (cap - 1);
        slots[at] = old[i];
    }
    mem_free(old);
    e->slots = slots;
    e->cap = cap;
    return GLASS_OK;
}

static const struct slot *find(const struct clean_evaluations *e, uint64_t hash) {
    size_t at = hash & (e->cap - 1);
    while (e->slots[at].item != 0 && e->slots[at].hash != hash)
        at = (at + 1) & (e->cap - 1);
    return e->slots[at].item != 0 ? &e->slots[at] : NULL;
}

static glass_status put(struct clean_evaluations *e, uint64_t hash) {
    if (2 * (e->n + 1) > e->cap) TRY(grow(e));
    if (find(e, hash) != NULL) return GLASS_OK;
    size_t at = hash & (e->cap - 1);
    while (e->slots[at].item != 0) at = (at + 1) & (e->cap - 1);
    e->slots[at] = (struct slot){hash, (uint32_t)e->n_names - 1, e->item};
    e->n++;
    return GLASS_OK;
}

/* One text of an item. */
static glass_status put_text(struct clean_evaluations *e, const char *text, size_t n) {
    TRY(clean_normal(&e->scratch, text, n));
    TRY(sha256_update(e->digest, text, n));
    size_t k = e->scratch.n_grams < GRAM_MOST ? e->scratch.n_grams : GRAM_MOST;
    if (k < GRAM_LEAST) {
        e->n_short++;
        return GLASS_OK;
    }
    e->lengths[k] = true;
    for (size_t i = 0; i + k <= e->scratch.n_grams; i++)
        TRY(put(e, gram(e->scratch.grams + i, k)));
    return GLASS_OK;
}

/* Every string in a JSON value, to a depth. */
static glass_status put_json(struct clean_evaluations *e, const json_t *j, int depth) {
    const char *key;
    json_t *value;
    size_t i;
    if (depth == 0) return GLASS_OK;
    if (json_is_string(j)) return put_text(e, json_string_value(j), json_string_length(j));
    if (json_is_array(j))
        json_array_foreach(j, i, value) TRY(put_json(e, value, depth - 1));
    if (json_is_object(j))
        json_object_foreach((json_t *)(uintptr_t)j, key, value)
            TRY(put_json(e, value, depth - 1));
    return GLASS_OK;
}

static glass_status put_line(struct clean_evaluations *e, const char *line, size_t n) {
    json_t *j = NULL;
    e->item++;
    if (n > 1 && (line[0] == '{' || line[0] == '[')) j = json_loadb(line, n, 0, NULL);
    glass_status status = j != NULL ? put_json(e, j, 16) : put_text(e, line, n);
    json_decref(j);
    return status;
}

static glass_status read_item(void *context, struct item *item) {
    struct clean_evaluations *e = context;
    struct buf text = {0};
    bool whole;
    glass_status status = item_read_all(item, &text, (size_t)1 << 30, &whole);
    if (status == GLASS_OK && !whole)
        status = fail(GLASS_BAD_INPUT, "%s: more than 1 GiB", item->path);
    if (status == GLASS_OK && text.len > 0 && memchr(text.data, '\0', text.len) == NULL) {
        char **names = e->names;
        status = mem_resize(&names, (size_t)e->n_names + 1, sizeof *names);
        if (status == GLASS_OK) e->names = names;
        if (status == GLASS_OK)
            status = mem_copy_text(&e->names[e->n_names], item->path, strlen(item->path));
        if (status == GLASS_OK) e->n_names++;
        e->item = 0;
    } else {
        text.len = 0;
    }
    for (size_t at = 0; status == GLASS_OK && at < text.len;) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        size_t n = end == NULL ? text.len - at : (size_t)(end - text.data) - at;
        status = put_line(e, text.data + at, n);
        at += n + 1;
    }
    buf_free(&text);
    return status;
}

static void skip_item(void *context, const char *path, const char *reason) {
    (void)context, (void)path, (void)reason;
}

static glass_status read_path(struct clean_evaluations *e, const char *path) {
    struct walk w = {.visit = read_item,
                     .skip = skip_item,
                     .context = e,
                     .max_ratio = 250,
                     .max_entries = 1000000,
                     .max_depth = 3};
    const char *name = strrchr(path, '/');
    size_t before = e->n;
    TRY(walk_path(&w, path, name && name[1] ? name + 1 : path));
    if (e->n > before) return GLASS_OK;
    return fail(GLASS_BAD_INPUT, "%s: no text of %d words in it to look for", path,
                GRAM_LEAST);
}

glass_status clean_evaluations_open(struct clean_evaluations **out,
                                    const char *const *paths, int64_t n) {
    struct clean_evaluations *e;
    *out = NULL;
    TRY(mem_alloc_zero(&e, 1, sizeof *e));
    glass_status status = sha256_create(&e->digest);
    if (status == GLASS_OK) status = grow(e);
    for (int64_t i = 0; i < n && status == GLASS_OK; i++) status = read_path(e, paths[i]);
    if (status == GLASS_OK) {
        struct sha256 *h = e->digest;
        e->digest = NULL;
        status = sha256_finish(h, e->sha256);
    }
    if (status == GLASS_OK)
        *out = e;
    else
        clean_evaluations_close(e);
    return status;
}

void clean_evaluations_close(struct clean_evaluations *e) {
    if (e == NULL) return;
    for (int64_t i = 0; i < e->n_names; i++) mem_free(e->names[i]);
    mem_free(e->names);
    mem_free(e->slots);
    sha256_free(e->digest);
    clean_scratch_clear(&e->scratch);
    mem_free(e);
}

void clean_evaluations_digest(const struct clean_evaluations *e, uint8_t digest[32]) {
    memcpy(digest, e->sha256, 32);
}

bool clean_contaminated(const struct clean_evaluations *e, const struct clean_scratch *s,
                        struct clean_finding *why) {
    for (size_t k = GRAM_MOST; k >= GRAM_LEAST; k--) {
        if (!e->lengths[k]) continue;
        for (size_t i = 0; i + k <= s->n_grams; i++) {
            const struct slot *slot = find(e, gram(s->grams + i, k));
            if (slot == NULL) continue;
            *why = (struct clean_finding){
                .rule = "evaluation", .value = (double)k, .least = NAN, .most = NAN};
            snprintf(why->detail, sizeof why->detail, "%.70s:%u", e->names[slot->file],
                     slot->item);
            return true;
        }
    }
    return false;
}
