/* tok_train_merge.c - words to merges, see tok_train.h.
 *
 * Every place where a pair stands is noted once, when the pair comes to stand there; places
 * that other merges have changed since are found out when they are looked at. A merge joins
 * two slots wherever its pair stands and changes the counts of the pairs beside, so all of
 * training takes time in proportion to the symbols of the different words.
 *
 * A token is made of one pair only. What happens inside a stretch of text that ends up as a
 * token depends on that stretch alone, as long as nothing reaches across its ends, and nothing
 * did; so the last merge is the same wherever the stretch stands. Hence no pair comes to stand
 * anywhere once the merge that first made it is over, and one list of places for each is
 * enough. */
#include "text/tok_train.h"

/* In symbols: ends of words, and slots inside a token; the last of a token holds INSIDE plus
 * how many it has. */
#define WORD_END UINT32_MAX
#define INSIDE   0x80000000u

enum { PROGRESS_EVERY = 256, SIDES = 4 };

/* Pairs that a merge of (left, right) changes: (x, left) and (right, x) stand in fewer places,
 * (x, new) and (new, x) in more. */
enum side { BEFORE_OLD, BEFORE_NEW, AFTER_OLD, AFTER_NEW };

/* ---- tokens */

glass_status train_merger_init(struct train_merger *m, struct train_meter *meter,
                               int64_t most_tokens) {
    size_t n = (size_t)most_tokens, n_slots = 16;
    *m = (struct train_merger){
        .meter = meter, .most_span = TOK_PIECE_LIMIT, .most_tokens = (uint32_t)most_tokens};
    while (n_slots < 2 * n) n_slots *= 2;
    m->slot_mask = (uint32_t)n_slots - 1;
    TRY(mem_alloc(&m->pieces, n, sizeof *m->pieces));
    TRY(mem_alloc(&m->spans, n, sizeof *m->spans));
    TRY(mem_alloc(&m->slots, n_slots, sizeof *m->slots));
    memset(m->slots, 0xff, n_slots * sizeof *m->slots);
    for (int side = 0; side < SIDES; side++) {
        TRY(mem_alloc_zero(&m->changes[side], n, sizeof *m->changes[side]));
        TRY(mem_alloc(&m->touched[side], n, sizeof *m->touched[side]));
    }
    TRY(train_grow(meter, &m->symbols, &m->symbols_room, 1, sizeof *m->symbols));
    TRY(train_grow(meter, &m->word_of, &m->word_room, 1, sizeof *m->word_of));
    m->symbols[m->n_symbols++] = WORD_END;
    return GLASS_OK;
}

void train_merger_clear(struct train_merger *m) {
    buf_free(&m->text);
    mem_free(m->pieces);
    mem_free(m->spans);
    mem_free(m->slots);
    mem_free(m->symbols);
    mem_free(m->word_of);
    mem_free(m->counts);
    mem_free(m->pairs);
    mem_free(m->pair_slots);
    mem_free(m->lists);
    for (int level = 0; level < TRAIN_LEVELS; level++) mem_free(m->queue.items[level]);
    for (int side = 0; side < SIDES; side++) {
        mem_free(m->changes[side]);
        mem_free(m->touched[side]);
    }
    mem_free(m->notes);
    mem_free(m->merges);
}

glass_status train_token(struct train_merger *m, uint32_t *id, const char *text, size_t n,
                         uint32_t span) {
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = tok_mix(h ^ (unsigned char)text[i]);
    uint32_t i = (uint32_t)(h >> 16) & m->slot_mask;
    for (; m->slots[i] != TRAIN_NONE; i = (i + 1) & m->slot_mask) {
        struct tok_piece piece = m->pieces[m->slots[i]];
        if (piece.len != n || memcmp(m->text.data + piece.at, text, n) != 0) continue;
        *id = m->slots[i];
        return GLASS_OK;
    }
    if (m->n_tokens == m->most_tokens || m->text.len > UINT32_MAX - TOK_PIECE_LIMIT)
        return fail(GLASS_BAD_INPUT, "the vocabulary is full");
    *id = m->slots[i] = m->n_tokens++;
    m->pieces[*id] = (struct tok_piece){(uint32_t)m->text.len, (uint32_t)n};
    m->spans[*id] = span;
    return buf_append(&m->text, text, n);
}

/* ---- words */

glass_status train_add_word(struct train_merger *m, const uint32_t *ids, size_t n,
                            int64_t count) {
    size_t need = m->n_symbols + n + 1;
    if (n < 2) return GLASS_OK;
    if (need >= TRAIN_NONE)
        return fail(GLASS_BAD_INPUT,
                    "the different words of the texts have more than %u "
                    "bytes; train on a part of the texts",
                    TRAIN_NONE);
    TRY(train_grow(m->meter, &m->symbols, &m->symbols_room, need, sizeof *m->symbols));
    TRY(train_grow(m->meter, &m->word_of, &m->word_room, need, sizeof *m->word_of));
    TRY(train_grow(m->meter, &m->counts, &m->counts_room, m->n_words + 1,
                   sizeof *m->counts));
    memcpy(m->symbols + m->n_symbols, ids, n * sizeof *ids);
    for (size_t i = 0; i < n; i++) m->word_of[m->n_symbols + i] = (uint32_t)m->n_words;
    m->symbols[need - 1] = WORD_END;
    m->n_symbols = need;
    m->counts[m->n_words++] = count;
    return GLASS_OK;
}

/* ---- pairs */

static uint64_t key_of(uint32_t left, uint32_t right) {
    return (uint64_t)left << 32 | right;
}

static void put_pair(struct train_merger *m, uint64_t key, uint32_t pair) {
    size_t mask = m->n_pair_slots - 1, i = tok_mix(key) & mask;
    while (m->pair_slots[i] != TRAIN_NONE) i = (i + 1) & mask;
    m->pair_slots[i] = pair;
}

static glass_status grow_pair_slots(struct train_merger *m) {
    if (2 * m->n_pairs < m->n_pair_slots) return GLASS_OK;
    size_t n = m->n_pair_slots == 0 ? 1 << 12 : 2 * m->n_pair_slots;
    TRY(train_grow(m->meter, &m->pair_slots, &m->pair_slots_room, n,
                   sizeof *m->pair_slots));
    m->n_pair_slots = n;
    memset(m->pair_slots, 0xff, n * sizeof *m->pair_slots);
    for (size_t i = 0; i < m->n_pairs; i++) put_pair(m, m->pairs[i].key, (uint32_t)i);
    return GLASS_OK;
}

/* The pair of this key, made if there is none. */
static glass_status pair_at(struct train_merger *m, uint32_t *pair, uint64_t key) {
    if (m->n_pair_slots > 0) {
        size_t mask = m->n_pair_slots - 1;
        for (size_t i = tok_mix(key) & mask; m->pair_slots[i] != TRAIN_NONE;
             i = (i + 1) & mask) {
            *pair = m->pair_slots[i];
            if (m->pairs[*pair].key == key) return GLASS_OK;
        }
    }
    TRY(grow_pair_slots(m));
    TRY(train_grow(m->meter, &m->pairs, &m->pairs_room, m->n_pairs + 1, sizeof *m->pairs));
    *pair = (uint32_t)m->n_pairs++;
    m->pairs[*pair] = (struct train_pair){.key = key};
    put_pair(m, key, *pair);
    return GLASS_OK;
}

/* ---- the queue */

static uint32_t joined_span(const struct train_merger *m, uint64_t key) {
    return m->spans[key >> 32] + m->spans[(uint32_t)key];
}

static size_t joined_text(const struct train_merger *m, char *out, uint64_t key) {
    struct tok_piece a = m->pieces[key >> 32], b = m->pieces[(uint32_t)key];
    memcpy(out, m->text.data + a.at, a.len);
    memcpy(out + a.len, m->text.data + b.at, b.len);
    return a.len + b.len;
}

static bool text_first(const struct train_merger *m, uint64_t a, uint64_t b) {
    uint32_t span_a = joined_span(m, a), span_b = joined_span(m, b);
    char text_a[4 * TRAIN_MOST_CHARS], text_b[4 * TRAIN_MOST_CHARS];
    if (span_a != span_b) return span_a < span_b;
    size_t n_a = joined_text(m, text_a, a), n_b = joined_text(m, text_b, b);
    int order = memcmp(text_a, text_b, n_a < n_b ? n_a : n_b);
    return order != 0 ? order < 0 : n_a < n_b;
}

static bool goes_first(const struct train_merger *m, const struct train_queued *a,
                       const struct train_queued *b) {
    if (a->count != b->count) return a->count > b->count;
    return m->by_text ? text_first(m, a->key, b->key) : a->key < b->key;
}

static void sink(const struct train_merger *m, struct train_queued *heap, size_t n,
                 size_t i) {
    struct train_queued item = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && goes_first(m, &heap[child + 1], &heap[child])) child++;
        if (!goes_first(m, &heap[child], &item)) break;
        heap[i] = heap[child];
    }
    heap[i] = item;
}

static glass_status enqueue(struct train_merger *m, uint32_t pair) {
    struct train_queue *q = &m->queue;
    if (joined_span(m, m->pairs[pair].key) > m->most_span) return GLASS_OK;
    struct train_queued item = {m->pairs[pair].count, m->pairs[pair].key, pair};
    int level = 64 - __builtin_clzll((unsigned long long)item.count);
    if (level > q->level) level = q->level;
    TRY(train_grow(m->meter, &q->items[level], &q->room[level], q->n[level] + 1,
                   sizeof **q->items));
    struct train_queued *heap = q->items[level];
    size_t i = q->n[level]++;
    for (; level == q->level && i > 0 && goes_first(m, &item, &heap[(i - 1) / 2]);
         i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = item;
    return GLASS_OK;
}

static bool dequeue(struct train_merger *m, struct train_queued *first) {
    struct train_queue *q = &m->queue;
    while (q->n[q->level] == 0) {
        if (q->level == 0) return false;
        q->level--;
        for (size_t i = q->n[q->level] / 2; i-- > 0;)
            sink(m, q->items[q->level], q->n[q->level], i);
    }
    struct train_queued *heap = q->items[q->level];
    *first = heap[0];
    heap[0] = heap[--q->n[q->level]];
    if (q->n[q->level] > 0) sink(m, heap, q->n[q->level], 0);
    return true;
}

/* Room for n places of the pair, which come after. */
static glass_status add_list(struct train_merger *m, uint32_t pair, uint32_t n) {
    TRY(train_grow(m->meter, &m->lists, &m->lists_room, m->n_lists + n, sizeof *m->lists));
    m->pairs[pair].at = m->n_lists;
    m->pairs[pair].n = 0;
    m->n_lists += n;
    return enqueue(m, pair);
}

static void add_place(struct train_merger *m, uint32_t pair, size_t place) {
    struct train_pair *p = &m->pairs[pair];
    m->lists[p->at + p->n++] = (uint32_t)place;
}

/* All pairs of the words as they are, with their places. */
static glass_status first_pairs(struct train_merger *m) {
    uint32_t pair;
    m->queue.level = TRAIN_LEVELS - 1;
    for (size_t i = 1; i + 1 < m->n_symbols; i++) {
        if (m->symbols[i] == WORD_END || m->symbols[i + 1] == WORD_END) continue;
        TRY(pair_at(m, &pair, key_of(m->symbols[i], m->symbols[i + 1])));
        m->pairs[pair].count += m->counts[m->word_of[i]];
        m->pairs[pair].n++;
    }
    for (uint32_t i = 0; i < m->n_pairs; i++) TRY(add_list(m, i, m->pairs[i].n));
    for (size_t i = 1; i + 1 < m->n_symbols; i++) {
        if (m->symbols[i] == WORD_END || m->symbols[i + 1] == WORD_END) continue;
        TRY(pair_at(m, &pair, key_of(m->symbols[i], m->symbols[i + 1])));
        add_place(m, pair, i);
    }
    return GLASS_OK;
}

/* ---- one merge */

static void change(struct train_merger *m, enum side side, uint32_t id, int64_t delta) {
    struct train_change *c = &m->changes[side][id];
    if (!c->touched) {
        *c = (struct train_change){.touched = true};
        m->touched[side][m->n_touched[side]++] = id;
    }
    c->delta += delta;
}

static void note(struct train_merger *m, enum side side, uint32_t id, size_t place,
                 int64_t delta) {
    change(m, side, id, delta);
    m->changes[side][id].n++;
    m->notes[m->n_notes++] = (struct train_note){side, id, (uint32_t)place};
}

/* Joins the pair at this place, if it still stands there. */
static void join(struct train_merger *m, const struct train_merge *merge, size_t at) {
    uint32_t *s = m->symbols;
    if (s[at] != merge->left) return;
    size_t next = at + m->spans[merge->left];
    if (s[next] != merge->right) return;
    size_t end = next + m->spans[merge->right];
    int64_t count = m->counts[m->word_of[at]];
    uint32_t before = s[at - 1], after = s[end];
    size_t before_at = at - 1;
    if (before != WORD_END && (before & INSIDE)) {
        before_at = at - (before & ~INSIDE);
        before = s[before_at];
    }
    s[next] = INSIDE;
    s[at] = merge->id;
    s[end - 1] = INSIDE | (uint32_t)(end - at);
    if (before == merge->id) {
        change(m, AFTER_NEW, merge->left, -count);
        note(m, AFTER_NEW, merge->id, before_at, count);
    } else if (before != WORD_END) {
        change(m, BEFORE_OLD, before, -count);
        note(m, BEFORE_NEW, before, before_at, count);
    }
    if (after == WORD_END) return;
    change(m, AFTER_OLD, after, -count);
    note(m, AFTER_NEW, after, at, count);
}

static uint64_t changed_key(const struct train_merge *merge, enum side side, uint32_t id) {
    switch (side) {
    case BEFORE_OLD: return key_of(id, merge->left);
    case BEFORE_NEW: return key_of(id, merge->id);
    case AFTER_OLD: return key_of(merge->right, id);
    default: return key_of(merge->id, id);
    }
}

/* Counts first, all of them: a pair may have been both made and broken. */
static glass_status apply_changes(struct train_merger *m, const struct train_merge *merge) {
    for (int side = 0; side < SIDES; side++) {
        for (uint32_t i = 0; i < m->n_touched[side]; i++) {
            struct train_change *c = &m->changes[side][m->touched[side][i]];
            TRY(pair_at(m, &c->pair, changed_key(merge, side, m->touched[side][i])));
            m->pairs[c->pair].count += c->delta;
            c->touched = false;
        }
    }
    for (int side = BEFORE_NEW; side < SIDES; side += AFTER_NEW - BEFORE_NEW) {
        for (uint32_t i = 0; i < m->n_touched[side]; i++) {
            struct train_change *c = &m->changes[side][m->touched[side][i]];
            bool stands = c->n > 0 && m->pairs[c->pair].count > 0;
            if (stands) TRY(add_list(m, c->pair, c->n));
            if (!stands) c->pair = TRAIN_NONE;
        }
    }
    for (size_t i = 0; i < m->n_notes; i++) {
        const struct train_change *c = &m->changes[m->notes[i].side][m->notes[i].id];
        if (c->pair != TRAIN_NONE) add_place(m, c->pair, m->notes[i].place);
    }
    for (int side = 0; side < SIDES; side++) m->n_touched[side] = 0;
    m->n_notes = 0;
    return GLASS_OK;
}

/* The token that a pair makes: new, or of the same text; TRAIN_NONE if it were too long. */
static glass_status joined_token(struct train_merger *m, uint32_t *id, uint32_t left,
                                 uint32_t right) {
    struct tok_piece a = m->pieces[left], b = m->pieces[right];
    struct buf text = {0};
    *id = TRAIN_NONE;
    if (a.len + b.len > TOK_PIECE_LIMIT / 2) return GLASS_OK;
    glass_status status = buf_append(&text, m->text.data + a.at, a.len);
    if (status == GLASS_OK) status = buf_append(&text, m->text.data + b.at, b.len);
    if (status == GLASS_OK)
        status = train_token(m, id, text.data, text.len, m->spans[left] + m->spans[right]);
    buf_free(&text);
    return status;
}

static glass_status merge_first(struct train_merger *m, const struct train_queued *first) {
    struct train_merge merge = {.left = (uint32_t)(first->key >> 32),
                                .right = (uint32_t)first->key};
    struct train_pair pair = m->pairs[first->pair];
    TRY(joined_token(m, &merge.id, merge.left, merge.right));
    if (merge.id == TRAIN_NONE) return GLASS_OK;
    TRY(train_grow(m->meter, &m->merges, &m->merges_room, m->n_merges + 1,
                   sizeof *m->merges));
    m->merges[m->n_merges++] = merge;
    TRY(train_grow(m->meter, &m->notes, &m->notes_room, 2 * (size_t)pair.n,
                   sizeof *m->notes));
    for (uint32_t i = 0; i < pair.n; i++) join(m, &merge, m->lists[pair.at + i]);
    return apply_changes(m, &merge);
}

static bool cancelled(const struct train_merger *m, const glass_vocab_options *options,
                      int64_t step) {
    if (options->progress == NULL || step % PROGRESS_EVERY != 0) return false;
    glass_vocab_progress p = {
        .merging = true, .done = m->n_tokens, .total = m->most_tokens};
    return !options->progress(options->context, &p);
}

glass_status train_run(struct train_merger *m, const glass_vocab_options *options) {
    struct train_queued first;
    TRY(first_pairs(m));
    for (int64_t step = 0; m->n_tokens < m->most_tokens && dequeue(m, &first); step++) {
        int64_t count = m->pairs[first.pair].count;
        if (cancelled(m, options, step))
            return fail(GLASS_CANCELLED, "training was cancelled");
        if (count < first.count) {
            if (count > 0) TRY(enqueue(m, first.pair));
            continue;
        }
        if (count < options->min_count) break;
        TRY(merge_first(m, &first));
    }
    return GLASS_OK;
}
