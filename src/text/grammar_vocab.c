/* grammar_vocab.c - a vocabulary's tokens as a tree of their bytes. */
#include "text/grammar_parts.h"

#include <stdlib.h>

struct item {
    const char *bytes;
    uint32_t n;
    int32_t id;
};

void gram_vocab_free(struct gram_vocab *v) {
    if (v == NULL) return;
    mem_free(v->byte);
    mem_free(v->depth);
    mem_free(v->behind);
    mem_free(v->first);
    mem_free(v->tokens);
    mem_free(v->at);
    mem_free(v->text);
    mem_free(v->ends);
    mem_free(v->whole);
    mem_free(v);
}

/* As decoding gives them in the middle of a text (GLASS_CONTINUE). */
static glass_status take_bytes(struct gram_vocab *v, const glass_tokenizer *t) {
    struct buf text = {0};
    glass_status status = buf_reserve(&text, 1);
    for (int32_t id = 0; status == GLASS_OK && id < v->n_vocab; id++) {
        char *bytes = NULL;
        size_t n = 0;
        v->at[id] = (uint32_t)text.len;
        if (glass_tokenizer_is_end(t, id)) {
            v->ends[v->n_ends++] = id;
            continue;
        }
        if (glass_tokenizer_is_control(t, id)) continue;
        status = glass_tokenizer_decode(t, &bytes, &n, &id, 1, GLASS_CONTINUE);
        if (status == GLASS_OK && n <= UINT16_MAX) {
            status = buf_append(&text, bytes, n);
            v->n_tokens += n > 0;
            if (t->spm && n > 0 && bytes[0] == ' ' &&
                (t->types[id] == TOK_USER || t->types[id] == TOK_BYTE))
                v->whole[v->n_whole++] = id;
        }
        glass_free(bytes);
        if (text.len > UINT32_MAX / 2) break;
    }
    if (status == GLASS_OK && text.len > UINT32_MAX / 2)
        status = fail(GLASS_BAD_INPUT, "the vocabulary is too large for grammars");
    v->at[v->n_vocab] = (uint32_t)text.len;
    v->text = text.data;
    return status;
}

static int by_bytes(const void *a, const void *b) {
    const struct item *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->n < y->n ? x->n : y->n);
    if (order != 0) return order;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static uint32_t common(const struct item *a, const struct item *b) {
    uint32_t n = 0;
    while (n < a->n && n < b->n && a->bytes[n] == b->bytes[n]) n++;
    return n;
}

static glass_status alloc_nodes(struct gram_vocab *v, const struct item *items) {
    size_t n = 1;
    for (int32_t i = 0; i < v->n_tokens; i++)
        n += items[i].n - (i > 0 ? common(&items[i - 1], &items[i]) : 0);
    if (n > UINT32_MAX / 2)
        return fail(GLASS_BAD_INPUT, "the vocabulary is too large for grammars");
    v->n_nodes = (uint32_t)n;
    TRY(mem_alloc(&v->byte, n, sizeof *v->byte));
    TRY(mem_alloc(&v->depth, n, sizeof *v->depth));
    TRY(mem_alloc(&v->behind, n, sizeof *v->behind));
    TRY(mem_alloc(&v->first, n + 1, sizeof *v->first));
    TRY(mem_alloc(&v->tokens, (size_t)v->n_tokens, sizeof *v->tokens));
    v->memory = n * (1 + 2 + 4 + 4) + (size_t)v->n_tokens * 4 + v->at[v->n_vocab] +
                4 * (size_t)v->n_vocab;
    return GLASS_OK;
}

static void close_nodes(struct gram_vocab *v, uint32_t *open, uint32_t *depth,
                        uint32_t down_to, uint32_t n) {
    while (*depth > down_to) v->behind[open[(*depth)--]] = n;
}

/* open: (deepest + 1) the nodes on the way to the latest. */
static void fill_nodes(struct gram_vocab *v, const struct item *items, uint32_t *open) {
    uint32_t n = 1, depth = 0;
    v->byte[0] = 0;
    v->depth[0] = 0;
    v->first[0] = 0;
    open[0] = 0;
    for (int32_t i = 0; i < v->n_tokens; i++) {
        close_nodes(v, open, &depth, i > 0 ? common(&items[i - 1], &items[i]) : 0, n);
        while (depth < items[i].n) {
            v->byte[n] = (uint8_t)items[i].bytes[depth];
            v->depth[n] = (uint16_t)++depth;
            v->first[n] = (uint32_t)i;
            open[depth] = n++;
        }
        v->tokens[i] = items[i].id;
    }
    close_nodes(v, open, &depth, 0, n);
    v->behind[0] = n;
    v->first[n] = (uint32_t)v->n_tokens;
}

static glass_status build_nodes(struct gram_vocab *v) {
    struct item *items;
    uint32_t *open = NULL, n = 0;
    TRY(mem_alloc(&items, (size_t)v->n_tokens, sizeof *items));
    for (int32_t id = 0; id < v->n_vocab; id++) {
        uint32_t len = v->at[id + 1] - v->at[id];
        if (len > v->most_depth) v->most_depth = len;
        if (len > 0) items[n++] = (struct item){v->text + v->at[id], len, id};
    }
    if (n > 1) qsort(items, n, sizeof *items, by_bytes);
    glass_status status = alloc_nodes(v, items);
    if (status == GLASS_OK)
        status = mem_alloc(&open, (size_t)v->most_depth + 1, sizeof *open);
    if (status == GLASS_OK) fill_nodes(v, items, open);
    mem_free(items);
    mem_free(open);
    return status;
}

static glass_status make(struct gram_vocab **out, const glass_tokenizer *t) {
    struct gram_vocab *v;
    glass_status status;
    TRY(mem_alloc_zero(&v, 1, sizeof *v));
    v->n_vocab = t->n_vocab;
    TRY_FAIL(mem_alloc(&v->at, (size_t)v->n_vocab + 1, sizeof *v->at));
    TRY_FAIL(mem_alloc(&v->ends, (size_t)v->n_vocab, sizeof *v->ends));
    TRY_FAIL(mem_alloc(&v->whole, (size_t)v->n_vocab, sizeof *v->whole));
    TRY_FAIL(take_bytes(v, t));
    TRY_FAIL(build_nodes(v));
    TRY_FAIL(mem_resize(&v->ends, (size_t)v->n_ends + 1, sizeof *v->ends));
    TRY_FAIL(mem_resize(&v->whole, (size_t)v->n_whole + 1, sizeof *v->whole));
    *out = v;
    return GLASS_OK;
fail:
    gram_vocab_free(v);
    return status;
}

glass_status gram_vocab_of(const struct gram_vocab **out, const glass_tokenizer *t) {
    /* Like the spares, it changes no result: whoever makes it first leaves it there. */
    glass_tokenizer *owner = (glass_tokenizer *)(uintptr_t)t;
    struct gram_vocab *made = NULL, *there = atomic_load(&owner->grammar_vocab);
    *out = there;
    if (there != NULL) return GLASS_OK;
    TRY(make(&made, t));
    if (atomic_compare_exchange_strong(&owner->grammar_vocab, &there, made)) {
        *out = made;
    } else {
        gram_vocab_free(made);
        *out = there;
    }
    return GLASS_OK;
}
