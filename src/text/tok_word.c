/* tok_word.c - the ids of one word, remembered.
 *
 * A text has few different words, so one encode call keeps the ids of those it met in a
 * table of one cache line each; a new word takes the place of an old one of the same slot. */
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
    if (w->t->spm) return tok_merge_spm(w, word, n_bytes);
    if (w->t->whole_words) {
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

glass_status tok_word(struct tok_work *w, const char *word, size_t n_bytes,
                      const char *text_end) {
    if (w->cache == NULL || n_bytes > TOK_CACHED_BYTES || w->lead_space)
        return merge_word(w, word, n_bytes);
    uint64_t key[3];
    load_key(key, word, n_bytes, text_end);
    uint64_t h = tok_mix(key[0] ^ n_bytes);
    if (n_bytes > 8) h = tok_mix(h ^ key[1] ^ tok_mix(key[2]));
    struct tok_entry *entry = &w->cache[(h * 0xd6e8feb86659fd93u) >> (64 - w->cache_bits)];
    struct tok_ids *ids = w->ids;
    if (entry->n_bytes == n_bytes && entry->key[0] == key[0] && entry->key[1] == key[1] &&
        entry->key[2] == key[2]) {
        TRY(tok_ids_reserve(ids, TOK_CACHED_IDS));
        memcpy(ids->data + ids->len, entry->ids, sizeof entry->ids);
        ids->len += entry->n_ids;
        return GLASS_OK;
    }
    int64_t before = ids->len;
    TRY(merge_word(w, word, n_bytes));
    if (ids->len - before > TOK_CACHED_IDS) return GLASS_OK;
    memcpy(entry->key, key, sizeof key);
    entry->n_bytes = (uint8_t)n_bytes;
    entry->n_ids = (uint8_t)(ids->len - before);
    memcpy(entry->ids, ids->data + before, (size_t)(ids->len - before) * sizeof *ids->data);
    return GLASS_OK;
}
