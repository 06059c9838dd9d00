/* tok_table.c - the vocabulary's two indexes: pieces by their text, merges by their pair.
 *
 * Opening a model waits for these, so both are flat arrays filled in one pass; nothing is
 * allocated per piece. */
#include "text/tokenizer.h"

#include <string.h>

static uint64_t read8(const char *p) {
    uint64_t value;
    memcpy(&value, p, 8);
    return value;
}

/* Only equality and spread matter; the value never leaves the process. */
static uint64_t hash_bytes(const char *p, size_t n) {
    uint64_t h = n * 0xff51afd7ed558ccdu;
    while (n > 8) {
        h = tok_mix(h ^ read8(p));
        p += 8;
        n -= 8;
    }
    uint64_t last = 0;
    memcpy(&last, p, n);
    h = tok_mix(h ^ last);
    return h * 0xd6e8feb86659fd93u;
}

static uint32_t slots_for(uint64_t n_items) {
    uint32_t n = 16;
    while (n < n_items + n_items / 2) n *= 2;
    return n;
}

int32_t tok_table_find(const glass_tokenizer *t, const char *text, size_t n_bytes) {
    uint64_t h = hash_bytes(text, n_bytes);
    uint32_t tag = (uint32_t)(h >> 32);
    for (uint32_t i = (uint32_t)h & t->table.mask;; i = (i + 1) & t->table.mask) {
        struct tok_slot slot = t->table.slots[i];
        if (slot.id < 0) return -1;
        if (slot.tag != tag) continue;
        struct tok_piece piece = t->pieces[slot.id];
        if (piece.len == n_bytes && memcmp(t->text + piece.at, text, n_bytes) == 0)
            return slot.id;
    }
}

glass_status tok_table_build(glass_tokenizer *t, const char *name) {
    uint32_t n_slots = slots_for((uint64_t)t->n_vocab);
    TRY(mem_alloc(&t->table.slots, n_slots, sizeof *t->table.slots));
    memset(t->table.slots, 0xff, n_slots * sizeof *t->table.slots);
    t->table.mask = n_slots - 1;
    for (int32_t id = 0; id < t->n_vocab; id++) {
        struct tok_piece piece = t->pieces[id];
        if (piece.len == 0) continue; /* some files pad with these; nothing can name them */
        const char *text = t->text + piece.at;
        uint64_t h = hash_bytes(text, piece.len);
        uint32_t tag = (uint32_t)(h >> 32), i = (uint32_t)h & t->table.mask;
        for (; t->table.slots[i].id >= 0; i = (i + 1) & t->table.mask) {
            if (t->table.slots[i].tag != tag) continue;
            struct tok_piece other = t->pieces[t->table.slots[i].id];
            if (other.len == piece.len && memcmp(t->text + other.at, text, piece.len) == 0)
                return fail(GLASS_BAD_INPUT, "%s: tokens %d and %d are both \"%.*s\"", name,
                            (int)t->table.slots[i].id, (int)id,
                            (int)(piece.len < 64 ? piece.len : 64), text);
        }
        t->table.slots[i] = (struct tok_slot){tag, id};
    }
    return GLASS_OK;
}

static glass_status bad_merge(const struct tok_source *source, int64_t i, const char *why) {
    struct tok_piece m = source->merges[i];
    return fail(GLASS_BAD_INPUT, "%s: merge %lld, \"%.*s\", %s", source->name, (long long)i,
                (int)(m.len < 64 ? m.len : 64), source->merge_text + m.at, why);
}

/* Vocabularies usually list what merges make in the merges' order, so the id after the last
 * one is tried before the table. */
static int32_t find_result(const glass_tokenizer *t, const char *left, size_t n_left,
                           const char *right, size_t n_right, int32_t guess) {
    if (guess < t->n_vocab && t->pieces[guess].len == n_left + n_right) {
        const char *piece = t->text + t->pieces[guess].at;
        if (memcmp(piece, left, n_left) == 0 && memcmp(piece + n_left, right, n_right) == 0)
            return guess;
    }
    char joined[TOK_PIECE_LIMIT];
    if (n_left + n_right > sizeof joined) return -1;
    memcpy(joined, left, n_left);
    memcpy(joined + n_left, right, n_right);
    return tok_table_find(t, joined, n_left + n_right);
}

glass_status tok_pairs_build(glass_tokenizer *t, const struct tok_source *source) {
    if (source->n_merges >= INT32_MAX / 4)
        return fail(GLASS_BAD_INPUT, "%s: %lld merges are too many", source->name,
                    (long long)source->n_merges);
    uint32_t n_slots = slots_for((uint64_t)source->n_merges);
    TRY(mem_alloc(&t->pairs.slots, n_slots, sizeof *t->pairs.slots));
    memset(t->pairs.slots, 0xff, n_slots * sizeof *t->pairs.slots);
    t->pairs.mask = n_slots - 1;
    int32_t result = -1;
    for (int64_t i = 0; i < source->n_merges; i++) {
        const char *text = source->merge_text + source->merges[i].at;
        size_t len = source->merges[i].len;
        const char *space = len < 3 ? NULL : memchr(text + 1, ' ', len - 2);
        if (space == NULL) return bad_merge(source, i, "is not two pieces with a space between");
        size_t n_left = (size_t)(space - text), n_right = len - n_left - 1;
        int32_t left = tok_table_find(t, text, n_left);
        int32_t right = tok_table_find(t, space + 1, n_right);
        if (left < 0 || right < 0)
            return bad_merge(source, i, "names a piece that is not in the vocabulary");
        result = find_result(t, text, n_left, space + 1, n_right, result + 1);
        if (result < 0) return bad_merge(source, i, "makes a piece that is not in the vocabulary");
        uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
        uint32_t at = (uint32_t)tok_mix(key) & t->pairs.mask;
        while (t->pairs.slots[at].key != UINT64_MAX && t->pairs.slots[at].key != key)
            at = (at + 1) & t->pairs.mask;
        /* Of two merges of one pair the first counts. */
        if (t->pairs.slots[at].key != key)
            t->pairs.slots[at] = (struct tok_pair){key, (uint32_t)i, (uint32_t)result};
    }
    return GLASS_OK;
}
