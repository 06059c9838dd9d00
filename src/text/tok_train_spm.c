/* tok_train_spm.c - SentencePiece-style vocabularies: characters, byte fallback; see
 * tok_train.h.
 *
 * A word begins with its space, which U+2581 spells, and one is put in front of every line.
 * Characters that are too rare to be tokens, digits if they stay alone, and what is no UTF-8
 * merge with nothing, so words end at them. */
#include "base/utf8.h"
#include "text/tok_train.h"

#include <stdio.h>
#include <stdlib.h>

enum { MARK = 0x2581, UNKNOWN = 0x2585, CODE_POINTS = 0x110000 };

/* A word that does not begin with a space of its own gets one: copied. */
static glass_status emit_marked(struct buf *copy, const char *word, size_t n, tok_emit emit,
                                void *context) {
    buf_clear(copy);
    TRY(buf_reserve(copy, n + 1 + TRAIN_PADDING));
    TRY(buf_byte(copy, ' '));
    TRY(buf_append(copy, word, n));
    return emit(context, copy->data, copy->len);
}

static size_t mark_at(const char *text, size_t n) {
    if (text[0] == ' ') return 1;
    return n >= 3 && memcmp(text, "\xe2\x96\x81", 3) == 0 ? 3 : 0;
}

glass_status train_spm_words(struct buf *copy, const char *line, size_t n, tok_emit emit,
                             void *context) {
    if (n > 0 && line[n - 1] == '\n') n--;
    size_t begin = 0, at = 0; /* begin: where a word goes on behind its space */
    bool own_space = false;   /* that is the byte before */
    while (n > 0) {
        size_t mark = at < n ? mark_at(line + at, n - at) : 1;
        if (mark == 0) {
            at++;
            continue;
        }
        if (own_space)
            TRY(emit(context, line + begin - 1, at - begin + 1));
        else
            TRY(emit_marked(copy, line + begin, at - begin, emit, context));
        if (at == n) break;
        own_space = mark == 1;
        begin = at += mark;
    }
    return GLASS_OK;
}

struct spm_char {
    uint32_t c;
    int64_t count;
};

static int most_frequent(const void *a, const void *b) {
    const struct spm_char *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return (x->c > y->c) - (x->c < y->c);
}

static void count_chars(int64_t *counts, const struct train_words *words) {
    for (int i = 0; i < TRAIN_SHARDS; i++) {
        const struct train_shard *s = &words->shards[i];
        for (size_t k = 0; k < s->n_words; k++) {
            const char *text = s->text + s->words[k].at;
            for (size_t at = 0, n = s->words[k].len; at < n;) {
                uint32_t c;
                size_t used = utf8_decode(&c, text + at, n - at);
                if (at == 0) c = MARK;
                if (c != UTF8_BAD && c != 0) counts[c] += s->words[k].count;
                at += used;
            }
        }
    }
}

/* The most frequent characters that together make up `coverage` of the text, as the library
 * has it, in binary32. */
static void choose_chars(struct spm_char *list, size_t *n_chars, const int64_t *counts,
                         float coverage) {
    size_t n = 0, kept = 0;
    int64_t all = 0, sum = 0;
    for (uint32_t c = 1; c < CODE_POINTS; c++) {
        if (counts[c] == 0 || c == UNKNOWN) continue;
        list[n++] = (struct spm_char){c, counts[c]};
        all += counts[c];
    }
    qsort(list, n, sizeof *list, most_frequent);
    for (; kept < n && (float)((double)sum / (double)all) < coverage; kept++)
        sum += list[kept].count;
    *n_chars = kept;
}

static glass_status add_words(struct train_merger *m, const struct train_words *words,
                              const int32_t *ids, bool split_digits) {
    uint32_t *symbols = NULL;
    size_t room = 0;
    glass_status status = GLASS_OK;
    for (int i = 0; i < TRAIN_SHARDS; i++) {
        const struct train_shard *s = &words->shards[i];
        for (size_t k = 0; k < s->n_words; k++) {
            const struct train_word *w = &s->words[k];
            const char *text = s->text + w->at;
            size_t n = 0;
            TRY_FAIL(train_grow(m->meter, &symbols, &room, w->len, sizeof *symbols));
            for (size_t at = 0; at < w->len;) {
                uint32_t c;
                size_t used = utf8_decode(&c, text + at, w->len - at);
                if (at == 0) c = MARK;
                at += used;
                bool alone =
                    c == UTF8_BAD || ids[c] < 0 || (split_digits && c >= '0' && c <= '9');
                if (!alone) symbols[n++] = (uint32_t)ids[c];
                if (!alone && at < w->len) continue;
                TRY_FAIL(train_add_word(m, symbols, n, w->count));
                n = 0;
            }
        }
    }
fail:
    atomic_fetch_sub(&m->meter->used, room * sizeof *symbols);
    mem_free(symbols);
    return status;
}

static glass_status add_chars(struct train_merger *m, struct train_meter *meter,
                              int32_t *ids, const struct spm_char *list, size_t n,
                              const glass_vocab_options *o) {
    int64_t least = TRAIN_SPM_FIRST + o->n_special + (int64_t)n;
    if (o->n_vocab < least)
        return fail(GLASS_USAGE,
                    "a vocabulary of %lld tokens; the bytes, characters and special tokens "
                    "alone are %lld",
                    (long long)o->n_vocab, (long long)least);
    TRY(train_merger_init(m, meter, o->n_vocab - least + (int64_t)n));
    m->by_text = true;
    m->most_span = (uint32_t)o->max_piece;
    for (size_t i = 0; i < CODE_POINTS; i++) ids[i] = -1;
    for (size_t i = 0; i < n; i++) {
        char text[4];
        uint32_t id;
        TRY(train_token(m, &id, text, utf8_encode(text, list[i].c), 1));
        ids[list[i].c] = (int32_t)id;
    }
    return GLASS_OK;
}

glass_status train_spm_alphabet(struct train_merger *m, struct train_meter *meter,
                                int64_t *n_chars, const struct train_words *words,
                                const glass_vocab_options *o) {
    int64_t *counts = NULL;
    struct spm_char *list = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    glass_status status = mem_alloc_zero(&counts, CODE_POINTS, sizeof *counts);
    if (status == GLASS_OK) status = mem_alloc(&list, CODE_POINTS, sizeof *list);
    if (status == GLASS_OK) status = mem_alloc(&ids, CODE_POINTS, sizeof *ids);
    if (status == GLASS_OK) {
        count_chars(counts, words);
        choose_chars(list, &n, counts, o->coverage);
    }
    if (status == GLASS_OK) status = add_chars(m, meter, ids, list, n, o);
    if (status == GLASS_OK) status = add_words(m, words, ids, o->split_digits);
    *n_chars = (int64_t)n;
    mem_free(counts);
    mem_free(list);
    mem_free(ids);
    return status;
}

static glass_status put_piece(struct tok_source *s, const char *text, size_t n, int type,
                              float score) {
    int64_t id = s->n_vocab++;
    s->pieces[id] = (struct tok_piece){(uint32_t)s->text_owner.len, (uint32_t)n};
    s->types[id] = (uint8_t)type;
    s->scores[id] = score;
    return buf_append(&s->text_owner, text, n);
}

glass_status train_spm_source(struct tok_source *s, const struct train_merger *m,
                              int64_t n_chars, const glass_vocab_options *o) {
    size_t n = (size_t)(TRAIN_SPM_FIRST + o->n_special) + m->n_tokens;
    float score = 0;
    TRY(mem_alloc(&s->pieces, n, sizeof *s->pieces));
    TRY(mem_alloc(&s->types, n, 1));
    TRY(mem_alloc(&s->scores, n, sizeof *s->scores));
    s->name = "the trained vocabulary";
    s->spm = s->types_known = true;
    s->rules.lead = TOK_LEAD_ALWAYS;
    s->rules.byte_fallback = s->rules.fuse_unknown = true;
    s->unk = 0;
    s->bos = 1;
    s->eos = 2;
    TRY(put_piece(s, "<unk>", 5, TOK_UNKNOWN, 0));
    TRY(put_piece(s, "<s>", 3, TOK_CONTROL, 0));
    TRY(put_piece(s, "</s>", 4, TOK_CONTROL, 0));
    for (int64_t i = 0; i < o->n_special; i++)
        TRY(put_piece(s, o->special[i], strlen(o->special[i]), TOK_CONTROL, 0));
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)byte);
        TRY(put_piece(s, text, 6, TOK_BYTE, 0));
    }
    for (int64_t i = 0; i < m->n_tokens; i++) {
        /* What was merged first, then the characters. */
        int64_t id = i < m->n_tokens - n_chars ? i + n_chars : i - (m->n_tokens - n_chars);
        struct tok_piece piece = m->pieces[id];
        TRY(put_piece(s, m->text.data + piece.at, piece.len, TOK_NORMAL, score));
        score -= 1;
    }
    s->text = s->text_owner.data;
    return GLASS_OK;
}
