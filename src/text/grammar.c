/* grammar.c - the public side of grammars: making them, and places in an answer. */
#include "text/grammar_parts.h"

/* Masks of sets that came before: inside a string, all tokens stand at one set. */
enum { KEPT = 16, KEPT_PLACES = 8 };

struct kept {
    uint64_t *bits; /* NULL while unused */
    struct gram_place places[KEPT_PLACES];
    uint32_t n;
    bool lead, ends;
    uint64_t used; /* when */
};

struct glass_grammar_state {
    const glass_grammar *g;
    unsigned flags;
    struct gram_walk walk;
    struct gram_set set;
    bool lead; /* the next token's first space is not shown */
    bool over; /* a token that ends answers was accepted */
    struct kept kept[KEPT];
    struct kept *here; /* the present set's, which may be too large to be found by; NULL */
    uint64_t now;
    uint32_t sweeps; /* kept's places are of frames before that many */
};

static const glass_grammar_options no_options;

static glass_status make(glass_grammar **out, struct gram_tree *t, glass_status status,
                         const glass_tokenizer *tokenizer,
                         const glass_grammar_options *options) {
    if (status == GLASS_OK) status = gram_build(out, t, tokenizer, options);
    gram_tree_clear(t);
    return status;
}

glass_status glass_grammar_from_gbnf(glass_grammar **out, const glass_tokenizer *tokenizer,
                                     const char *text, size_t n_bytes,
                                     const glass_grammar_options *options) {
    struct gram_tree t = {0};
    *out = NULL;
    if (options == NULL) options = &no_options;
    t.most_memory = options->most_memory;
    t.name = options->name ? options->name : "grammar";
    return make(out, &t, gram_read_gbnf(&t, text, n_bytes, options), tokenizer, options);
}

glass_status glass_grammar_from_schema(glass_grammar **out,
                                       const glass_tokenizer *tokenizer, const char *json,
                                       size_t n_bytes,
                                       const glass_grammar_options *options) {
    struct gram_tree t = {0};
    *out = NULL;
    if (options == NULL) options = &no_options;
    t.most_memory = options->most_memory;
    t.name = options->name ? options->name : "schema";
    return make(out, &t,
                gram_read_schema(&t, &t.root, json, n_bytes, options->compact, t.name),
                tokenizer, options);
}

glass_status glass_grammar_from_json_object(glass_grammar **out,
                                            const glass_tokenizer *tokenizer,
                                            const glass_grammar_options *options) {
    struct gram_tree t = {0};
    *out = NULL;
    if (options == NULL) options = &no_options;
    t.most_memory = options->most_memory;
    t.name = options->name ? options->name : "schema";
    return make(out, &t, gram_read_object(&t, &t.root, options->compact), tokenizer,
                options);
}

static glass_status read_choices(struct gram_tree *t, const char *const *texts,
                                 int64_t n_texts) {
    uint32_t all, one;
    TRY(gram_rule_add(t, &t->root, "root", 4));
    TRY(gram_alt(t, &all));
    for (int64_t i = 0; i < n_texts; i++) {
        if (texts[i][0] == '\0')
            return fail(GLASS_USAGE, "choice %lld is the empty text", (long long)i);
        TRY(gram_text(t, &one, texts[i], strlen(texts[i])));
        gram_add(t, all, one);
    }
    t->rules[t->root].node = all;
    return GLASS_OK;
}

glass_status glass_grammar_from_choices(glass_grammar **out,
                                        const glass_tokenizer *tokenizer,
                                        const char *const *texts, int64_t n_texts,
                                        const glass_grammar_options *options) {
    struct gram_tree t = {0};
    *out = NULL;
    if (options == NULL) options = &no_options;
    t.most_memory = options->most_memory;
    t.name = options->name ? options->name : "choices";
    return make(out, &t, read_choices(&t, texts, n_texts), tokenizer, options);
}

/* One owner more, for a state. */
static const glass_grammar *hold(const glass_grammar *g) {
    atomic_fetch_add(&((glass_grammar *)(uintptr_t)g)->owners, 1);
    return g;
}

static void let_go(const glass_grammar *g) {
    glass_grammar_free((glass_grammar *)(uintptr_t)g);
}

void glass_grammar_free(glass_grammar *g) {
    if (g == NULL || atomic_fetch_sub(&g->owners, 1) > 1) return;
    for (uint32_t i = 0; g->masks != NULL && i < g->n_states; i++)
        gram_mask_free(atomic_load(&g->masks[i]));
    for (uint32_t i = 0; i < g->n_dfas; i++) gram_dfa_free(g->dfas[i]);
    mem_free(g->dfas);
    mem_free(g->states);
    mem_free(g->calls);
    mem_free(g->alike);
    mem_free(g->masks);
    mem_free(g);
}

size_t glass_grammar_memory(const glass_grammar *g) {
    return atomic_load(&((glass_grammar *)(uintptr_t)g)->memory);
}

const glass_tokenizer *glass_grammar_tokenizer(const glass_grammar *g) {
    return g->tokenizer;
}

/* --- places in an answer ------------------------------------------------------------------ */

static glass_status begin(glass_grammar_state *s) {
    const glass_tokenizer *t = s->g->tokenizer;
    s->here = NULL;
    s->over = false;
    s->lead = t->spm && t->rules.lead != TOK_LEAD_NEVER && !(s->flags & GLASS_CONTINUE);
    gram_walk_cut(&s->walk, 0, s->walk.n_frames);
    return gram_set_start(&s->walk, &s->set);
}

glass_status glass_grammar_state_create(glass_grammar_state **out,
                                        const glass_grammar *grammar, unsigned flags) {
    glass_grammar_state *s;
    *out = NULL;
    TRY(mem_alloc_zero(&s, 1, sizeof *s));
    s->g = hold(grammar);
    s->flags = flags;
    glass_status status = gram_walk_init(&s->walk, grammar);
    if (status == GLASS_OK) status = begin(s);
    if (status != GLASS_OK) {
        glass_grammar_state_free(s);
        return status;
    }
    *out = s;
    return GLASS_OK;
}

static void forget_masks(glass_grammar_state *s) {
    for (int i = 0; i < KEPT; i++) s->kept[i].n = 0;
    s->here = NULL;
    s->sweeps = s->walk.n_sweeps;
}

static void free_masks(glass_grammar_state *s) {
    for (int i = 0; i < KEPT; i++) {
        mem_free(s->kept[i].bits);
        s->kept[i] = (struct kept){0};
    }
    s->here = NULL;
}

void glass_grammar_state_free(glass_grammar_state *s) {
    if (s == NULL) return;
    free_masks(s);
    gram_walk_clear(&s->walk);
    let_go(s->g);
    mem_free(s);
}

void glass_grammar_state_reset(glass_grammar_state *s) {
    /* The beginning's frames and places were there before: there is room. */
    if (begin(s) != GLASS_OK) s->set = (struct gram_set){0};
}

glass_status glass_grammar_state_copy(glass_grammar_state *to,
                                      const glass_grammar_state *from) {
    if (to == from) return GLASS_OK;
    if (to->g != from->g) {
        struct gram_walk walk;
        TRY(gram_walk_init(&walk, from->g));
        gram_walk_clear(&to->walk);
        free_masks(to);
        to->walk = walk;
        let_go(to->g);
        to->g = hold(from->g);
    }
    forget_masks(to);
    to->flags = from->flags;
    to->lead = from->lead;
    to->over = from->over;
    glass_status status = gram_walk_copy(&to->walk, &to->set, &from->walk, &from->set);
    if (status != GLASS_OK) glass_grammar_state_reset(to);
    return status;
}

static bool is_kept(const glass_grammar_state *s, const struct kept *k) {
    return k->n == s->set.n && k->n > 0 && k->lead == s->lead && k->ends == s->set.ends &&
           memcmp(k->places, s->walk.places + s->set.at, k->n * sizeof *k->places) == 0;
}

/* Where the mask is, or will be. */
static glass_status find_kept(glass_grammar_state *s, struct kept **out, bool *known) {
    struct kept *oldest = &s->kept[0];
    if (s->sweeps != s->walk.n_sweeps) forget_masks(s);
    *known = false;
    for (int i = 0; i < KEPT; i++) {
        struct kept *k = &s->kept[i];
        if (is_kept(s, k)) {
            k->used = ++s->now;
            *out = k;
            *known = true;
            return GLASS_OK;
        }
        if (k->used < oldest->used) oldest = k;
    }
    if (oldest->bits == NULL)
        TRY(mem_alloc(&oldest->bits, ((size_t)s->g->vocab->n_vocab + 63) / 64,
                      sizeof *oldest->bits));
    oldest->n = 0;
    oldest->used = ++s->now;
    *out = oldest;
    return GLASS_OK;
}

glass_status glass_grammar_state_mask(glass_grammar_state *s, const uint64_t **bits) {
    struct kept *k;
    bool known;
    *bits = s->here != NULL ? s->here->bits : NULL;
    if (s->here != NULL) return GLASS_OK;
    TRY(find_kept(s, &k, &known));
    if (s->over) { /* nothing comes after the end */
        k->n = 0;
        memset(k->bits, 0, ((size_t)s->g->vocab->n_vocab + 63) / 64 * sizeof *k->bits);
    } else if (!known) {
        TRY(gram_mask_set(&s->walk, &s->set, s->lead, k->bits));
        if (s->set.n <= KEPT_PLACES) {
            k->n = s->set.n;
            k->lead = s->lead;
            k->ends = s->set.ends;
            memcpy(k->places, s->walk.places + s->set.at, k->n * sizeof *k->places);
        }
    }
    s->here = k;
    *bits = k->bits;
    return GLASS_OK;
}

/* Moves on by bytes; *fits says whether that was possible. The state stays where it is when
 * it was not. */
static glass_status move(glass_grammar_state *s, const char *bytes, size_t n, bool *fits) {
    struct gram_walk *w = &s->walk;
    struct gram_set set = s->set, next;
    uint32_t n_places = w->n_places, n_frames = w->n_frames;
    glass_status status = GLASS_OK;
    *fits = true;
    for (size_t i = 0; status == GLASS_OK && i < n; i++) {
        status = gram_step(w, &next, &set, (uint8_t)bytes[i]);
        *fits = status == GLASS_OK && (next.n > 0 || next.ends);
        if (!*fits) break;
        set = next;
        if (w->n_places > 1 << 16) { /* of those before, only the state's own is needed */
            memmove(w->places + n_places, w->places + set.at, set.n * sizeof *w->places);
            set.at = n_places;
            w->n_places = n_places + set.n;
        }
    }
    if (!*fits) {
        gram_walk_cut(w, n_places, n_frames);
        return status;
    }
    s->set = set;
    s->here = NULL;
    return gram_walk_keep(w, &s->set);
}

static glass_status refuse(int32_t id) {
    return fail(GLASS_NEGATIVE, "the grammar does not allow token %d here", (int)id);
}

glass_status glass_grammar_state_accept(glass_grammar_state *s, int32_t id) {
    const glass_tokenizer *t = s->g->tokenizer;
    const struct gram_vocab *v = s->g->vocab;
    bool fits;
    if (id < 0 || id >= v->n_vocab || s->over) return refuse(id);
    if (glass_tokenizer_is_end(t, id)) {
        if (!s->set.ends) return refuse(id);
        s->over = true;
        s->here = NULL;
        return GLASS_OK;
    }
    const char *bytes = v->text + v->at[id];
    size_t n = v->at[id + 1] - v->at[id];
    if (s->lead && n > 0 && bytes[0] == ' ' && t->types[id] != TOK_USER &&
        t->types[id] != TOK_BYTE) {
        bytes++;
        n--;
    }
    if (n == 0) return refuse(id);
    TRY(move(s, bytes, n, &fits));
    if (!fits) return refuse(id);
    s->lead = t->spm && t->types[id] == TOK_USER && t->rules.lead == TOK_LEAD_ALWAYS;
    return GLASS_OK;
}

glass_status glass_grammar_state_accept_bytes(glass_grammar_state *s, const char *bytes,
                                              size_t n_bytes) {
    bool fits;
    if (n_bytes == 0) return GLASS_OK;
    if (s->over) return fail(GLASS_NEGATIVE, "the answer is at its end");
    TRY(move(s, bytes, n_bytes, &fits));
    if (!fits) return fail(GLASS_NEGATIVE, "the grammar does not allow this text here");
    s->lead = false;
    return GLASS_OK;
}

bool glass_grammar_state_may_end(const glass_grammar_state *s) {
    return s->over || s->set.ends;
}

bool glass_grammar_state_finished(const glass_grammar_state *s) {
    return s->over || (s->set.ends && s->set.n == 0);
}
