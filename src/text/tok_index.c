/* tok_index.c - pieces by their text, see tok_index.h. */
#include "text/tok_index.h"

#include <string.h>

static uint32_t hash_of(const char *text, size_t n) {
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = tok_mix(h ^ (unsigned char)text[i]);
    return (uint32_t)(h >> 16);
}

static bool is_piece(const struct tok_source *s, int32_t id, const char *text, size_t n) {
    return s->pieces[id].len == n && memcmp(s->text + s->pieces[id].at, text, n) == 0;
}

glass_status tok_index_build(struct tok_index *x, const struct tok_source *s) {
    uint32_t n = 16;
    *x = (struct tok_index){0};
    while (n < 2 * (uint64_t)s->n_vocab) n *= 2;
    TRY(mem_alloc(&x->slots, n, sizeof *x->slots));
    memset(x->slots, 0xff, n * sizeof *x->slots);
    x->source = s;
    x->mask = n - 1;
    for (int32_t id = 0; id < s->n_vocab; id++) {
        if (s->pieces[id].len == 0) continue;
        uint32_t i = hash_of(s->text + s->pieces[id].at, s->pieces[id].len) & x->mask;
        while (x->slots[i] >= 0) i = (i + 1) & x->mask;
        x->slots[i] = id;
    }
    return GLASS_OK;
}

void tok_index_free(struct tok_index *x) {
    mem_free(x->slots);
    *x = (struct tok_index){0};
}

int32_t tok_index_find(const struct tok_index *x, const char *text, size_t n) {
    for (uint32_t i = hash_of(text, n) & x->mask;; i = (i + 1) & x->mask) {
        int32_t id = x->slots[i];
        if (id < 0 || is_piece(x->source, id, text, n)) return id;
    }
}

bool tok_merge_parts(const struct tok_source *s, int64_t i, struct gguf_string *left,
                     struct gguf_string *right) {
    const char *text = s->merge_text + s->merges[i].at;
    size_t len = s->merges[i].len, n_left = 0;
    if (s->merge_lefts != NULL) {
        n_left = s->merge_lefts[i];
    } else {
        const char *space = len < 3 ? NULL : memchr(text + 1, ' ', len - 2);
        if (space != NULL) n_left = (size_t)(space - text);
    }
    if (n_left == 0 || n_left + 1 >= len) return false;
    *left = (struct gguf_string){text, n_left};
    *right = (struct gguf_string){text + n_left + 1, len - n_left - 1};
    return true;
}
