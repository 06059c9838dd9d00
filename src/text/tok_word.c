/* tok_word.c - the ids of words, remembered.
 *
 * A text has few different words, so the ids of those that came are kept in a table of one
 * cache line each, in sets of two; a new word takes the place of the set's older one. Words
 * come in blocks, whose sets are asked of memory before the first of them is looked at. */
#include "text/tokenizer.h"

#include <string.h>

glass_status tok_ids_reserve(struct tok_ids *ids, int64_t n_more) {
    if (n_more <= ids->cap - ids->len) return GLASS_OK;
    int64_t cap = ids->cap + ids->cap / 2;
    if (cap < ids->len + n_more) cap = ids->len + n_more;
    TRY(mem_resize(&ids->data, (size_t)cap, sizeof *ids->data));
    ids->cap = cap;
    return GLASS_OK;
}

/* The word in three numbers, zeros behind it. Reading whole ones is fine where the text goes
 * on for long enough. Little-endian. */
static inline void load_key(uint64_t key[3], const char *word, size_t n_bytes,
                            const char *text_end) {
    if (text_end - word >= TOK_CACHED_BYTES) {
        memcpy(key, word, TOK_CACHED_BYTES);
        if (n_bytes < 8) {
            key[0] &= ((uint64_t)1 << 8 * n_bytes) - 1;
            key[1] = key[2] = 0;
        } else if (n_bytes < 16) {
            key[1] &= ((uint64_t)1 << 8 * (n_bytes - 8)) - 1;
            key[2] = 0;
        } else if (n_bytes < 24) {
            key[2] &= ((uint64_t)1 << 8 * (n_bytes - 16)) - 1;
        }
    } else {
        memset(key, 0, TOK_CACHED_BYTES);
        memcpy(key, word, n_bytes);
    }
}

/* A byte-level vocabulary spells its pieces in printable characters, up to two bytes each.
 * *id is -1 if the word is no token. */
static glass_status find_whole(struct tok_work *w, int32_t *id, const char *word,
                               size_t n_bytes) {
    *id = -1;
    if (n_bytes > w->t->longest) return GLASS_OK;
    if (2 * n_bytes > w->n_escaped) {
        TRY(mem_resize(&w->escaped, 2 * n_bytes + 64, 1));
        w->n_escaped = 2 * n_bytes + 64;
    }
    size_t n = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        uint32_t c = tok_char_of((uint8_t)word[i]);
        if (c < 0x80) {
            w->escaped[n++] = (char)c;
        } else {
            w->escaped[n++] = (char)(0xc0 | c >> 6);
            w->escaped[n++] = (char)(0x80 | (c & 0x3f));
        }
    }
    int32_t found = tok_table_find(w->t, w->escaped, n);
    if (found >= 0 && w->t->types[found] == TOK_NORMAL) *id = found;
    return GLASS_OK;
}

static glass_status merge_word(struct tok_work *w, const char *word, size_t n_bytes) {
    if (w->t->spm)
        return w->t->rules.by_merges ? tok_merge_chars(w, word, n_bytes)
                                     : tok_merge_spm(w, word, n_bytes);
    if (w->t->rules.whole_words) {
        int32_t id;
        TRY(find_whole(w, &id, word, n_bytes));
        if (id >= 0) {
            TRY(tok_ids_reserve(w->ids, 1));
            w->ids->data[w->ids->len++] = id;
            return GLASS_OK;
        }
    }
    return tok_merge_bpe(w, word, n_bytes);
}

struct probe {
    uint64_t key[TOK_CACHED_BYTES / 8];
    struct tok_entry *set; /* NULL: not to be remembered */
    const char *word;
    size_t n_bytes;
};

static inline void make_probe(const struct tok_work *w, struct probe *p,
                              const char *text_end) {
    p->set = NULL;
    if (w->cache == NULL || p->n_bytes > TOK_CACHED_BYTES) return;
    load_key(p->key, p->word, p->n_bytes, text_end);
    uint64_t h = tok_mix(p->key[0] ^ p->n_bytes);
    if (p->n_bytes > 8) h = tok_mix(h ^ p->key[1] ^ tok_mix(p->key[2]));
    h = (h * 0xd6e8feb86659fd93u) >> (65 - TOK_CACHE_BITS);
    p->set = &w->cache[2 * h];
    __builtin_prefetch(p->set);
    __builtin_prefetch(p->set + 1);
}

static inline bool is_entry(const struct tok_entry *entry, const struct probe *p) {
    return entry->n_bytes == p->n_bytes && entry->key[0] == p->key[0] &&
           entry->key[1] == p->key[1] && entry->key[2] == p->key[2];
}

/* There is room for TOK_CACHED_IDS. */
static inline void put_entry(struct tok_ids *ids, const struct tok_entry *entry) {
    memcpy(ids->data + ids->len, entry->ids, sizeof entry->ids);
    ids->len += entry->n_ids;
}

static glass_status learn(struct tok_work *w, const struct probe *p) {
    struct tok_ids *ids = w->ids;
    int64_t before = ids->len;
    TRY(merge_word(w, p->word, p->n_bytes));
    if (p->set == NULL || ids->len - before > TOK_CACHED_IDS) return GLASS_OK;
    p->set[1] = p->set[0];
    struct tok_entry *entry = &p->set[0];
    memcpy(entry->key, p->key, sizeof p->key);
    entry->n_bytes = (uint8_t)p->n_bytes;
    entry->n_ids = (uint8_t)(ids->len - before);
    memcpy(entry->ids, ids->data + before, (size_t)(ids->len - before) * sizeof *ids->data);
    return GLASS_OK;
}

glass_status tok_words(struct tok_work *w, const char *text, size_t begin,
                       const size_t *ends, size_t n_ends, const char *text_end) {
    struct probe probes[TOK_BLOCK];
    for (size_t i = 0; i < n_ends; i++) {
        probes[i].word = text + begin;
        probes[i].n_bytes = ends[i] - begin;
        make_probe(w, &probes[i], text_end);
        begin = ends[i];
    }
    if (w->lead_space) probes[0].set = NULL;
    for (size_t i = 0; i < n_ends; i++) {
        const struct probe *p = &probes[i];
        TRY(tok_ids_reserve(w->ids, TOK_CACHED_IDS));
        if (p->set != NULL && is_entry(&p->set[0], p)) {
            put_entry(w->ids, &p->set[0]);
        } else if (p->set != NULL && is_entry(&p->set[1], p)) {
            struct tok_entry hit = p->set[1];
            p->set[1] = p->set[0];
            p->set[0] = hit;
            put_entry(w->ids, &hit);
        } else {
            TRY(learn(w, p));
        }
    }
    return GLASS_OK;
}
