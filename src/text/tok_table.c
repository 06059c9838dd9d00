/* tok_table.c - the vocabulary's two indexes: pieces by their text, merges by their pair.
 *
 * Opening a model waits for these, so both are flat arrays, and memory that will be looked at
 * is asked for a block of merges ahead: nearly all the time would go into waiting for it. */
#include "text/tokenizer.h"

#include <string.h>

enum { SHORT = 8, LONG_LENGTH = 255 };

static inline uint64_t read8(const char *p) {
    uint64_t value;
    memcpy(&value, p, 8);
    return value;
}

static inline uint32_t read4(const char *p) {
    uint32_t value;
    memcpy(&value, p, 4);
    return value;
}

/* Up to 8 bytes as a number, the first one lowest, by loads that overlap. */
static inline uint64_t read_head(const char *p, size_t n) {
    const unsigned char *u = (const unsigned char *)p;
    if (n >= 8) return read8(p);
    if (n >= 4) return read4(p) | (uint64_t)read4(p + n - 4) << 8 * (n - 4);
    if (n == 0) return 0;
    return u[0] | (uint64_t)u[n / 2] << 8 * (n / 2) | (uint64_t)u[n - 1] << 8 * (n - 1);
}

struct key {
    uint64_t head;
    uint32_t tag, start; /* start: where to look first, before the mask */
};

/* Only equality and spread matter; the hash never leaves the process. */
static inline struct key key_of(const char *text, size_t n) {
    uint64_t head = read_head(text, n);
    uint64_t h = tok_mix(head ^ (uint64_t)n * 0xff51afd7ed558ccdu);
    for (size_t at = SHORT; at < n; at += SHORT) {
        size_t from = at + SHORT <= n ? at : n - SHORT;
        h = tok_mix(h ^ read8(text + from));
    }
    h *= 0xd6e8feb86659fd93u;
    uint32_t length = n < LONG_LENGTH ? (uint32_t)n : LONG_LENGTH;
    return (struct key){head, (uint32_t)(h >> 40) << 8 | length, (uint32_t)(h >> 8)};
}

static inline bool same_piece(const glass_tokenizer *t, struct tok_slot slot,
                              struct key key, const char *text, size_t n) {
    if (slot.tag != key.tag || slot.head != key.head) return false;
    if (n <= SHORT) return true;
    struct tok_piece piece = t->pieces[slot.id];
    return piece.len == n && memcmp(t->text + piece.at, text, n) == 0;
}

static inline int32_t find_key(const glass_tokenizer *t, struct key key, const char *text,
                               size_t n) {
    for (uint32_t i = key.start & t->table.mask;; i = (i + 1) & t->table.mask) {
        struct tok_slot slot = t->table.slots[i];
        if (slot.id < 0) return -1;
        if (same_piece(t, slot, key, text, n)) return slot.id;
    }
}

int32_t tok_table_find(const glass_tokenizer *t, const char *text, size_t n_bytes) {
    return find_key(t, key_of(text, n_bytes), text, n_bytes);
}

static uint32_t slots_for(uint64_t n_items) {
    uint32_t n = 16;
    while (n < n_items + n_items / 2) n *= 2;
    return n;
}

static void prefetch_slot(const glass_tokenizer *t, struct key key) {
    __builtin_prefetch(&t->table.slots[key.start & t->table.mask], 1);
}

glass_status tok_table_build(glass_tokenizer *t, const char *name) {
    enum { AHEAD = 16 };
    struct key keys[AHEAD];
    uint32_t n_slots = slots_for((uint64_t)t->n_vocab);
    TRY(mem_alloc(&t->table.slots, n_slots, sizeof *t->table.slots));
    memset(t->table.slots, 0xff, n_slots * sizeof *t->table.slots);
    t->table.mask = n_slots - 1;
    for (int32_t ahead = 0; ahead < t->n_vocab + AHEAD; ahead++) {
        struct key next = {0};
        if (ahead < t->n_vocab) {
            next = key_of(t->text + t->pieces[ahead].at, t->pieces[ahead].len);
            prefetch_slot(t, next);
        }
        struct key key = keys[ahead % AHEAD];
        keys[ahead % AHEAD] = next;
        int32_t id = ahead - AHEAD;
        /* Some files pad with empty pieces; nothing can name them. */
        if (id < 0 || t->pieces[id].len == 0) continue;
        uint32_t i = key.start & t->table.mask, len = t->pieces[id].len;
        const char *text = t->text + t->pieces[id].at;
        for (; t->table.slots[i].id >= 0; i = (i + 1) & t->table.mask)
            if (same_piece(t, t->table.slots[i], key, text, len))
                return fail(GLASS_BAD_INPUT, "%s: tokens %d and %d are both \"%.*s\"", name,
                            (int)t->table.slots[i].id, (int)id, (int)(len < 64 ? len : 64),
                            text);
        t->table.slots[i] = (struct tok_slot){key.head, key.tag, id};
    }
    return GLASS_OK;
}

/* A merge on its way into the table. */
struct merge {
    const char *left, *right, *joined;
    uint32_t n_left, n_right;
    struct key left_key, right_key, joined_key;
    int32_t result; /* -1 = to be found by joined_key */
    uint64_t pair;
};
enum { BLOCK = 32, JOINED_BYTES = 256 };

static glass_status bad_merge(const struct tok_source *source, int64_t i, const char *why) {
    struct tok_piece m = source->merges[i];
    return fail(GLASS_BAD_INPUT, "%s: merge %lld, \"%.*s\", %s", source->name, (long long)i,
                (int)(m.len < 64 ? m.len : 64), source->merge_text + m.at, why);
}

static glass_status read_merge(const glass_tokenizer *t, const struct tok_source *source,
                               int64_t i, struct merge *m) {
    const char *text = source->merge_text + source->merges[i].at;
    size_t len = source->merges[i].len;
    const char *space = len < 3 ? NULL : memchr(text + 1, ' ', len - 2);
    if (space != NULL && source->merge_lefts != NULL)
        space = source->merge_lefts[i] > 0 && source->merge_lefts[i] < len - 1
                    ? text + source->merge_lefts[i]
                    : NULL;
    if (space == NULL)
        return bad_merge(source, i, "is not two pieces with a space between");
    m->left = text;
    m->n_left = (uint32_t)(space - text);
    m->right = space + 1;
    m->n_right = (uint32_t)(len - m->n_left - 1);
    if (m->n_left + m->n_right > TOK_PIECE_LIMIT)
        return bad_merge(source, i, "makes a piece that is too long");
    m->left_key = key_of(m->left, m->n_left);
    m->right_key = key_of(m->right, m->n_right);
    prefetch_slot(t, m->left_key);
    prefetch_slot(t, m->right_key);
    return GLASS_OK;
}

static bool makes(const glass_tokenizer *t, const struct merge *m, int32_t id) {
    if (id < 0 || id >= t->n_vocab || t->pieces[id].len != m->n_left + m->n_right)
        return false;
    const char *piece = t->text + t->pieces[id].at;
    return memcmp(piece, m->left, m->n_left) == 0 &&
           memcmp(piece + m->n_left, m->right, m->n_right) == 0;
}

/* Vocabularies usually list what merges make in the merges' order, so the last result and the
 * id after it are tried before the table. joined has JOINED_BYTES of room. */
static void guess_result(const glass_tokenizer *t, struct merge *m, int32_t *last,
                         char *joined) {
    m->result = makes(t, m, *last + 1) ? *last + 1 : makes(t, m, *last) ? *last : -1;
    if (m->result >= 0) {
        *last = m->result;
        return;
    }
    m->joined = joined;
    if (m->n_left + m->n_right > JOINED_BYTES) return;
    memcpy(joined, m->left, m->n_left);
    memcpy(joined + m->n_left, m->right, m->n_right);
    m->joined_key = key_of(joined, m->n_left + m->n_right);
    prefetch_slot(t, m->joined_key);
}

static int32_t find_long(const glass_tokenizer *t, const struct merge *m) {
    char joined[TOK_PIECE_LIMIT];
    memcpy(joined, m->left, m->n_left);
    memcpy(joined + m->n_left, m->right, m->n_right);
    return tok_table_find(t, joined, m->n_left + m->n_right);
}

static glass_status find_merge(glass_tokenizer *t, const struct tok_source *source,
                               int64_t i, struct merge *m, int32_t *last) {
    int32_t left = find_key(t, m->left_key, m->left, m->n_left);
    int32_t right = find_key(t, m->right_key, m->right, m->n_right);
    if (left < 0 || right < 0)
        return bad_merge(source, i, "names a piece that is not in the vocabulary");
    /* These stand for characters that are not theirs; where no piece has two characters side
     * by side, nothing may merge (tok_cut.c). */
    if (t->spm && (t->types[left] == TOK_BYTE || t->types[right] == TOK_BYTE ||
                   left == t->unk || right == t->unk))
        return bad_merge(source, i, "joins a byte's token or the unknown one");
    if (m->result < 0) {
        uint32_t n = m->n_left + m->n_right;
        m->result =
            n <= JOINED_BYTES ? find_key(t, m->joined_key, m->joined, n) : find_long(t, m);
        if (m->result < 0)
            return bad_merge(source, i, "makes a piece that is not in the vocabulary");
        *last = m->result;
    }
    m->pair = (uint64_t)(uint32_t)left << 20 | (uint32_t)right;
    __builtin_prefetch(&t->pairs.slots[(uint32_t)tok_mix(m->pair) & t->pairs.mask], 1);
    return GLASS_OK;
}

/* One that makes a control token never counts: no
 * text becomes such a token by merging. */
static void put_merge(glass_tokenizer *t, const struct merge *m, int64_t rank) {
    struct tok_pairs *pairs = &t->pairs;
    if (t->types[m->result] == TOK_CONTROL) return;
    uint32_t at = (uint32_t)tok_mix(m->pair) & pairs->mask;
    while (pairs->slots[at] != UINT64_MAX && pairs->slots[at] >> 24 != m->pair)
        at = (at + 1) & pairs->mask;
    if (pairs->slots[at] == UINT64_MAX || t->rules.last_merge)
        pairs->slots[at] = m->pair << 24 | (uint64_t)rank;
    pairs->results[rank] = (uint32_t)m->result;
}

glass_status tok_pairs_build(glass_tokenizer *t, const struct tok_source *source) {
    struct merge block[BLOCK];
    char joined[BLOCK][JOINED_BYTES];
    if (source->n_merges >= TOK_MERGE_LIMIT)
        return fail(GLASS_BAD_INPUT, "%s: %lld merges; at most %d are possible",
                    source->name, (long long)source->n_merges, TOK_MERGE_LIMIT - 1);
    TRY(mem_alloc(&t->pairs.results, (size_t)source->n_merges, sizeof *t->pairs.results));
    uint32_t n_slots = slots_for((uint64_t)source->n_merges);
    TRY(mem_alloc(&t->pairs.slots, n_slots, sizeof *t->pairs.slots));
    memset(t->pairs.slots, 0xff, n_slots * sizeof *t->pairs.slots);
    t->pairs.mask = n_slots - 1;
    int32_t last = -1;
    for (int64_t from = 0; from < source->n_merges; from += BLOCK) {
        int64_t n = source->n_merges - from < BLOCK ? source->n_merges - from : BLOCK;
        for (int64_t i = 0; i < n; i++) TRY(read_merge(t, source, from + i, &block[i]));
        for (int64_t i = 0; i < n; i++) guess_result(t, &block[i], &last, joined[i]);
        for (int64_t i = 0; i < n; i++)
            TRY(find_merge(t, source, from + i, &block[i], &last));
        for (int64_t i = 0; i < n; i++) put_merge(t, &block[i], from + i);
    }
    return GLASS_OK;
}
