/* tok_merge.c - merging a word's symbols until no merge applies.
 *
 * Both kinds of vocabulary merge the neighbours of best priority first, the leftmost of
 * equals. Byte-level BPE starts from bytes and knows merges as pairs of ids; SentencePiece
 * starts from characters and may make any piece of the vocabulary. Short words search a
 * small array for the best pair; long ones keep lists by rank (tok_queue.c). */
#include "base/utf8.h"
#include "text/tokenizer.h"

#include <string.h>

enum { SHORT_WORD = TOK_SHORT_WORD };

struct merger {
    const glass_tokenizer *t;
    const char *word; /* spm: spaces as U+2581 */
};

/* What merging gives: for SentencePiece the piece of the joined text, whose score is the
 * rank; for byte-level BPE the merge's result, looked up when it happens. */
static inline uint32_t rate_spm(const glass_tokenizer *t, const char *text, size_t n_bytes,
                                int32_t *joined) {
    *joined = tok_table_find(t, text, n_bytes);
    return *joined < 0 ? TOK_NONE : t->priority[*joined];
}

/* Short words: arrays without gaps. spm: pieces by their text and score; else, and for
 * SentencePiece vocabularies with merges, pairs of ids. */
struct row {
    uint32_t n;
    int32_t id[SHORT_WORD + 1];
    uint32_t rank[SHORT_WORD + 1];  /* of merging with the next one */
    uint32_t begin[SHORT_WORD + 1]; /* spm: begin[n] is the word's end */
    int32_t joined[SHORT_WORD + 1]; /* spm */
};

static inline void rate_row(const struct merger *m, bool spm, struct row *row, uint32_t i) {
    if (spm)
        row->rank[i] = rate_spm(m->t, m->word + row->begin[i],
                                row->begin[i + 2] - row->begin[i], &row->joined[i]);
    else
        row->rank[i] = tok_pairs_find(&m->t->pairs, row->id[i], row->id[i + 1]);
}

static inline void merge_row(const struct merger *m, bool spm, struct row *row) {
    for (uint32_t i = 0; i + 1 < row->n; i++) rate_row(m, spm, row, i);
    while (row->n > 1) {
        uint32_t best = 0;
        for (uint32_t i = 1; i + 1 < row->n; i++)
            if (row->rank[i] < row->rank[best]) best = i;
        if (row->rank[best] == TOK_NONE) return;
        row->id[best] =
            spm ? row->joined[best] : (int32_t)m->t->pairs.results[row->rank[best]];
        row->n--;
        for (uint32_t i = best + 1; i < row->n; i++) {
            row->id[i] = row->id[i + 1];
            row->rank[i] = row->rank[i + 1];
            if (!spm) continue;
            row->begin[i] = row->begin[i + 1];
            row->joined[i] = row->joined[i + 1];
        }
        if (spm) row->begin[row->n] = row->begin[row->n + 1];
        if (best > 0) rate_row(m, spm, row, best - 1);
        if (best + 1 < row->n) rate_row(m, spm, row, best);
    }
}

/* Long words: symbols[n] is a sentinel at the word's end. */
static void rate_symbol(const struct merger *m, bool spm, struct tok_symbol *symbols,
                        uint32_t i, uint32_t n) {
    struct tok_symbol *s = &symbols[i];
    s->rank = TOK_NONE;
    if (s->next == n) return;
    const struct tok_symbol *right = &symbols[s->next];
    if (spm)
        s->rank = rate_spm(m->t, m->word + s->begin, symbols[right->next].begin - s->begin,
                           &s->joined);
    else
        s->rank = tok_pairs_find(&m->t->pairs, s->id, right->id);
}

static glass_status rate_again(const struct merger *m, bool spm, struct tok_queue *q,
                               struct tok_symbol *symbols, uint32_t i, uint32_t n) {
    uint32_t before = symbols[i].rank;
    rate_symbol(m, spm, symbols, i, n);
    if (symbols[i].rank == before) return GLASS_OK;
    uint32_t rank = symbols[i].rank;
    symbols[i].rank = before;
    if (before != TOK_NONE) tok_queue_drop(q, symbols, i);
    symbols[i].rank = rank;
    return rank == TOK_NONE ? GLASS_OK : tok_queue_put(q, symbols, i);
}

static glass_status merge_long(const struct merger *m, bool spm, struct tok_queue *q,
                               struct tok_symbol *symbols, uint32_t n) {
    TRY(tok_queue_start(q));
    for (uint32_t i = 0; i < n; i++) {
        symbols[i].prev = i - 1;
        symbols[i].next = i + 1;
    }
    for (uint32_t i = 0; i < n; i++) {
        rate_symbol(m, spm, symbols, i, n);
        if (symbols[i].rank != TOK_NONE) TRY(tok_queue_put(q, symbols, i));
    }
    uint32_t i;
    while (tok_queue_take(q, symbols, &i)) {
        struct tok_symbol *left = &symbols[i], *right = &symbols[left->next];
        left->id = spm ? left->joined : (int32_t)m->t->pairs.results[left->rank];
        left->rank = TOK_NONE;
        if (right->rank != TOK_NONE) tok_queue_drop(q, symbols, left->next);
        left->next = right->next;
        if (left->next < n) symbols[left->next].prev = i;
        if (i > 0) TRY(rate_again(m, spm, q, symbols, left->prev, n));
        TRY(rate_again(m, spm, q, symbols, i, n));
    }
    return GLASS_OK;
}

glass_status tok_symbols_reserve(struct tok_work *w, size_t n) {
    if (n <= w->n_symbols) return GLASS_OK;
    mem_free(w->symbols);
    w->symbols = NULL;
    w->n_symbols = 0;
    size_t room = n + n / 4;
    TRY(mem_alloc(&w->symbols, room + 1, sizeof *w->symbols));
    w->n_symbols = room;
    return GLASS_OK;
}

uint32_t tok_merge_ids(const glass_tokenizer *t, int32_t *ids, uint32_t n) {
    struct merger m = {t, NULL};
    struct row row;
    row.n = n;
    memcpy(row.id, ids, n * sizeof *ids);
    merge_row(&m, false, &row);
    memcpy(ids, row.id, row.n * sizeof *ids);
    return row.n;
}

glass_status tok_merge_symbols(struct tok_work *w, uint32_t n) {
    struct merger m = {w->t, NULL};
    TRY(tok_ids_reserve(w->ids, n));
    TRY(merge_long(&m, false, &w->queue, w->symbols, n));
    for (uint32_t i = 0; i < n; i = w->symbols[i].next)
        w->ids->data[w->ids->len++] = w->symbols[i].id;
    return GLASS_OK;
}

/* The symbol of a byte that has no token: -1 for none, else the unknown token. before: the
 * byte in front of it has none either. */
static int32_t unknown_byte(const glass_tokenizer *t, bool before) {
    return t->rules.unknown_bytes && !(before && t->rules.fuse_unknown) ? t->unk : -1;
}

glass_status tok_merge_bpe(struct tok_work *w, const char *word, size_t n_bytes) {
    const glass_tokenizer *t = w->t;
    struct merger m = {t, word};
    bool unknown = false;
    TRY(tok_ids_reserve(w->ids, (int64_t)n_bytes));
    if (n_bytes <= SHORT_WORD) {
        struct row row;
        row.n = 0;
        for (size_t i = 0; i < n_bytes; i++) {
            int32_t id = t->byte_ids[(unsigned char)word[i]];
            bool before = unknown;
            unknown = id < 0;
            if (unknown) id = unknown_byte(t, before);
            row.id[row.n] = id;
            row.n += id >= 0;
        }
        merge_row(&m, false, &row);
        memcpy(w->ids->data + w->ids->len, row.id, row.n * sizeof *row.id);
        w->ids->len += row.n;
        return GLASS_OK;
    }
    TRY(tok_symbols_reserve(w, n_bytes));
    uint32_t n = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        int32_t id = t->byte_ids[(unsigned char)word[i]];
        bool before = unknown;
        unknown = id < 0;
        if (unknown) id = unknown_byte(t, before);
        w->symbols[n].id = id;
        n += id >= 0;
    }
    return tok_merge_symbols(w, n);
}

/* The token of one character, -1 if it has none of its own. */
static int32_t character_id(const glass_tokenizer *t, const char *text, size_t n_bytes) {
    int32_t id = tok_table_find(t, text, n_bytes);
    return id >= 0 && t->priority[id] == TOK_NONE ? -1 : id;
}

/* A symbol that is no token becomes byte tokens, or, in a vocabulary without them, one
 * unknown token for a whole run. */
static void put_symbol(struct tok_work *w, int32_t id, const char *text, size_t n_bytes) {
    const glass_tokenizer *t = w->t;
    struct tok_ids *ids = w->ids;
    if (id >= 0) {
        ids->data[ids->len++] = id;
    } else if (t->has_bytes) {
        for (size_t i = 0; i < n_bytes; i++)
            ids->data[ids->len++] = t->byte_ids[(unsigned char)text[i]];
    } else if (ids->len == 0 || ids->data[ids->len - 1] != t->unk) {
        ids->data[ids->len++] = t->unk;
    }
}

/* U+2581 stands for the space in SentencePiece vocabularies. */
static size_t escape_spaces(char *out, const char *word, size_t n_bytes, bool lead) {
    size_t n = 0;
    for (size_t i = lead ? 0 : 1; i <= n_bytes; i++) {
        if (i == 0 || word[i - 1] == ' ') {
            memcpy(out + n, "\xe2\x96\x81", 3);
            n += 3;
        } else {
            out[n++] = word[i - 1];
        }
    }
    return n;
}

static glass_status merge_spm_short(struct tok_work *w, const char *text, size_t n_bytes) {
    struct merger m = {w->t, text};
    struct row row;
    row.n = 0;
    for (size_t at = 0; at < n_bytes;) {
        uint32_t c;
        size_t used = utf8_decode(&c, text + at, n_bytes - at);
        row.id[row.n] = character_id(w->t, text + at, used);
        row.begin[row.n++] = (uint32_t)at;
        at += used;
    }
    row.begin[row.n] = (uint32_t)n_bytes;
    merge_row(&m, true, &row);
    for (uint32_t i = 0; i < row.n; i++)
        put_symbol(w, row.id[i], text + row.begin[i], row.begin[i + 1] - row.begin[i]);
    return GLASS_OK;
}

glass_status tok_merge_spm(struct tok_work *w, const char *word, size_t n_bytes) {
    bool lead = w->lead_space;
    w->lead_space = false;
    size_t room = 3 * (n_bytes + 1);
    TRY(tok_ids_reserve(w->ids, (int64_t)room));
    if (n_bytes < SHORT_WORD) {
        char text[3 * SHORT_WORD];
        return merge_spm_short(w, text, escape_spaces(text, word, n_bytes, lead));
    }
    if (room > w->n_escaped) {
        TRY(mem_resize(&w->escaped, room, 1));
        w->n_escaped = room;
    }
    size_t n_text = escape_spaces(w->escaped, word, n_bytes, lead);
    TRY(tok_symbols_reserve(w, n_bytes + 1));
    uint32_t n = 0;
    for (size_t at = 0; at < n_text;) {
        uint32_t c;
        size_t used = utf8_decode(&c, w->escaped + at, n_text - at);
        w->symbols[n].id = character_id(w->t, w->escaped + at, used);
        w->symbols[n++].begin = (uint32_t)at;
        at += used;
    }
    w->symbols[n].begin = (uint32_t)n_text;
    struct merger m = {w->t, w->escaped};
    TRY(merge_long(&m, true, &w->queue, w->symbols, n));
    for (uint32_t i = 0; i < n; i = w->symbols[i].next)
        put_symbol(w, w->symbols[i].id, w->escaped + w->symbols[i].begin,
                   w->symbols[w->symbols[i].next].begin - w->symbols[i].begin);
    return GLASS_OK;
}
