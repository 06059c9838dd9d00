/* tok_chars.c - words of SentencePiece vocabularies that come with merges (tokenizer.json).
 *
 * A word is spelled in characters; one without a token becomes the tokens of its bytes, before
 * anything merges, or the unknown token. Then pairs merge as in byte-level vocabularies. */
#include "base/utf8.h"
#include "text/tokenizer.h"

#include <string.h>

enum { MARK_BYTES = 3 };
static const char mark[] = "\xe2\x96\x81"; /* U+2581, the vocabulary's space */

/* Where symbols go: ids for short words, the work's symbols for long ones. */
struct sink {
    const glass_tokenizer *t;
    int32_t *ids;
    struct tok_symbol *symbols;
    uint32_t n;
    bool unknown; /* the last one is the unknown token for lack of another */
};

static inline void put(struct sink *s, int32_t id) {
    if (s->ids != NULL)
        s->ids[s->n++] = id;
    else
        s->symbols[s->n++].id = id;
    s->unknown = false;
}

static void put_unknown(struct sink *s) {
    bool before = s->unknown;
    if (s->t->unk >= 0 && !(before && s->t->rules.fuse_unknown)) put(s, s->t->unk);
    s->unknown = true;
}

static void put_bytes(struct sink *s, const char *text, size_t n) {
    if (!s->t->has_bytes) {
        put_unknown(s);
        return;
    }
    for (size_t i = 0; i < n; i++) put(s, s->t->byte_ids[(unsigned char)text[i]]);
}

static void put_space(struct sink *s) {
    if (s->t->space_id >= 0)
        put(s, s->t->space_id);
    else
        put_bytes(s, mark, MARK_BYTES);
}

static void put_word(struct sink *s, const char *word, size_t n_bytes, bool lead) {
    if (lead) put_space(s);
    for (size_t at = 0; at < n_bytes;) {
        if (word[at] == ' ') {
            put_space(s);
            at++;
            continue;
        }
        uint32_t c;
        size_t used = utf8_decode(&c, word + at, n_bytes - at);
        int32_t id = tok_table_find(s->t, word + at, used);
        /* No text becomes a control token by merging, and none by not merging. */
        if (id >= 0 && s->t->types[id] != TOK_CONTROL && s->t->types[id] != TOK_UNKNOWN)
            put(s, id);
        else
            put_bytes(s, word + at, used);
        at += used;
    }
}

glass_status tok_merge_chars(struct tok_work *w, const char *word, size_t n_bytes) {
    const glass_tokenizer *t = w->t;
    bool lead = w->lead_space;
    w->lead_space = false;
    /* A space is one symbol, three where U+2581 has no token. */
    size_t most = n_bytes + 1;
    if (t->space_id < 0) most *= MARK_BYTES;
    if (most <= TOK_SHORT_WORD) {
        int32_t ids[TOK_SHORT_WORD];
        struct sink s = {.t = t, .ids = ids, .unknown = w->unknown};
        put_word(&s, word, n_bytes, lead);
        w->unknown = s.unknown;
        uint32_t n = tok_merge_ids(t, ids, s.n);
        TRY(tok_ids_reserve(w->ids, n));
        memcpy(w->ids->data + w->ids->len, ids, n * sizeof *ids);
        w->ids->len += n;
        return GLASS_OK;
    }
    TRY(tok_symbols_reserve(w, most));
    struct sink s = {.t = t, .symbols = w->symbols, .unknown = w->unknown};
    put_word(&s, word, n_bytes, lead);
    w->unknown = s.unknown;
    return tok_merge_symbols(w, s.n);
}

int32_t tok_whole_text(struct tok_work *w, const char *text, size_t n_bytes, bool lead) {
    const glass_tokenizer *t = w->t;
    char spelled[TOK_PIECE_LIMIT / 2 + MARK_BYTES];
    size_t n = 0;
    if (lead) {
        memcpy(spelled, mark, MARK_BYTES);
        n = MARK_BYTES;
    }
    for (size_t i = 0; i < n_bytes; i++) {
        if (n >= t->longest) return -1;
        if (text[i] == ' ') {
            memcpy(spelled + n, mark, MARK_BYTES);
            n += MARK_BYTES;
        } else {
            spelled[n++] = text[i];
        }
    }
    int32_t id = tok_table_find(t, spelled, n);
    return id >= 0 && t->types[id] == TOK_NORMAL ? id : -1;
}
