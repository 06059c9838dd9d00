/* tok_spm_merges.c - the merges that a SentencePiece vocabulary's scores mean.
 *
 * SentencePiece joins any two neighbours that make a piece, the piece of the best score first.
 * As a list of pairs: each way to cut a piece in two pieces, pieces by score. The order of
 * pairs with one score is that of transformers' converter: the longer left part first. */
#include "base/utf8.h"
#include "text/tok_index.h"

#include <stdlib.h>

struct pair {
    float score;
    int32_t id;
    uint32_t n_left;              /* bytes */
    uint32_t left_len, right_len; /* characters */
};

static int by_score(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->left_len != y->left_len) return x->left_len > y->left_len ? -1 : 1;
    if (x->right_len != y->right_len) return x->right_len > y->right_len ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool merges(const struct tok_source *s, int32_t id) {
    uint8_t type = s->types == NULL ? TOK_NORMAL : s->types[id];
    bool kind = type == TOK_NORMAL || type == TOK_USER || type == TOK_UNUSED;
    return kind && !(s->rules.byte_fallback &&
                     tok_hex_byte(s->text + s->pieces[id].at, s->pieces[id].len) >= 0);
}

static int32_t find_part(const struct tok_index *x, const char *text, size_t n) {
    int32_t id = tok_index_find(x, text, n);
    return id >= 0 && merges(x->source, id) ? id : -1;
}

struct pairs {
    struct pair *items;
    size_t n, room;
};

static glass_status cut_piece(const struct tok_index *x, struct pairs *p, int32_t id) {
    const struct tok_source *s = x->source;
    const char *text = s->text + s->pieces[id].at;
    uint32_t n = s->pieces[id].len, n_chars = 0, len = 0;
    for (uint32_t at = 0; at < n; n_chars++) {
        uint32_t c;
        uint32_t used = (uint32_t)utf8_decode(&c, text + at, n - at);
        if (used < n && find_part(x, text + at, used) < 0)
            return fail(GLASS_BAD_INPUT,
                        "%s: token %d, \"%.*s\", has a character that is no token; a "
                        "tokenizer.json cannot say how it is made",
                        s->name, (int)id, (int)(n < 64 ? n : 64), text);
        at += used;
    }
    for (uint32_t at = 0; at < n; len++) {
        if (at > 0 && find_part(x, text, at) >= 0 && find_part(x, text + at, n - at) >= 0) {
            if (p->n == p->room) {
                p->room = p->room == 0 ? 4096 : 2 * p->room;
                TRY(mem_resize(&p->items, p->room, sizeof *p->items));
            }
            p->items[p->n++] = (struct pair){s->scores[id], id, at, len, n_chars - len};
        }
        uint32_t c;
        at += (uint32_t)utf8_decode(&c, text + at, n - at);
    }
    return GLASS_OK;
}

static glass_status write_pairs(struct tok_source *s, const struct pairs *p) {
    TRY(mem_resize(&s->merges, p->n, sizeof *s->merges));
    TRY(mem_resize(&s->merge_lefts, p->n, sizeof *s->merge_lefts));
    TRY(buf_append(&s->merge_owner, "", 0));
    for (size_t i = 0; i < p->n; i++) {
        struct tok_piece piece = s->pieces[p->items[i].id];
        uint32_t n_left = p->items[i].n_left;
        const char *text = s->text + piece.at;
        if (s->merge_owner.len > UINT32_MAX / 2)
            return fail(GLASS_BAD_INPUT, "%s: more than 2 GiB of merges", s->name);
        s->merges[i] = (struct tok_piece){(uint32_t)s->merge_owner.len, piece.len + 1};
        s->merge_lefts[i] = n_left;
        TRY(buf_append(&s->merge_owner, text, n_left));
        TRY(buf_byte(&s->merge_owner, ' '));
        TRY(buf_append(&s->merge_owner, text + n_left, piece.len - n_left));
    }
    s->merge_text = s->merge_owner.data;
    s->n_merges = (int64_t)p->n;
    return GLASS_OK;
}

glass_status tok_spm_merges(struct tok_source *out, const struct tok_source *s) {
    struct tok_index x;
    struct pairs p = {0};
    if (s->scores == NULL)
        return fail(GLASS_BAD_INPUT, "%s: a SentencePiece vocabulary without scores",
                    s->name);
    out->name = s->name;
    out->pieces = s->pieces;
    out->text = s->text;
    glass_status status = tok_index_build(&x, s);
    for (int32_t id = 0; status == GLASS_OK && id < s->n_vocab; id++)
        if (s->pieces[id].len > 0 && merges(s, id)) status = cut_piece(&x, &p, id);
    if (status == GLASS_OK && p.n > 0) qsort(p.items, p.n, sizeof *p.items, by_score);
    if (status == GLASS_OK) status = write_pairs(out, &p);
    out->pieces = NULL;
    out->text = NULL;
    tok_index_free(&x);
    mem_free(p.items);
    return status;
}
