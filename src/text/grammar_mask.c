/* grammar_mask.c - which tokens a set of places allows.
 *
 * Most of a mask depends on one state alone: tokens that stay inside its rule and what that
 * calls. It is found once by a walk through the vocabulary's tree, and kept for all answers.
 * Where the walk comes to the rule's end, what follows depends on the frame: these nodes are
 * kept too, and only what is below them is walked for each set. */
#include "text/grammar_parts.h"

/* A node on the way to the one that is looked at, and the set there. */
struct gram_level {
    bool plain; /* the set is this one place, and nowhere else */
    struct gram_place place;
    struct gram_set set;
    uint32_t n_places, n_frames; /* to cut the walk back to */
};

struct finding {
    uint64_t *bits;
    uint32_t *exits; /* or NULL: none are looked for */
    uint32_t n_exits, cap_exits;
    bool wants_exits;
};

void gram_mask_free(struct gram_mask *mask) {
    if (mask == NULL) return;
    mem_free(mask->bits);
    mem_free(mask->ids);
    mem_free(mask->exits);
    mem_free(mask);
}

static void set_bit(uint64_t *bits, int32_t id) {
    bits[id >> 6] |= (uint64_t)1 << (id & 63);
}

static size_t n_words(const struct gram_vocab *v) {
    return ((size_t)v->n_vocab + 63) / 64;
}

static glass_status note_exit(struct finding *f, uint32_t node) {
    if (f->n_exits == f->cap_exits) {
        uint32_t cap = f->cap_exits ? 2 * f->cap_exits : 64;
        TRY(mem_resize(&f->exits, cap, sizeof *f->exits));
        f->cap_exits = cap;
    }
    f->exits[f->n_exits++] = node;
    return GLASS_OK;
}

static void mark_tokens(const struct gram_vocab *v, uint32_t node, uint64_t *bits) {
    for (uint32_t i = v->first[node]; i < v->first[node + 1]; i++)
        set_bit(bits, v->tokens[i]);
}

static glass_status steps_left(const struct gram_walk *w) {
    if (w->steps <= GRAM_STEPS) return GLASS_OK;
    return fail(GLASS_BAD_INPUT,
                "the grammar reads this text in too many ways at once: "
                "parts that can stand for the same text make it ambiguous");
}

static void level_of(struct gram_level *l, const struct gram_walk *w,
                     const struct gram_set *set) {
    l->set = *set;
    l->plain = set->n == 1;
    if (l->plain) l->place = w->places[set->at];
    l->n_places = w->n_places;
    l->n_frames = w->n_frames;
}

/* Most nodes of most walks: one state leads to one that calls nothing and ends nothing.
 * False where it does not; *to is GRAM_NONE where it leads nowhere. */
static bool plain_step(const struct gram_walk *w, const struct gram_level *above,
                       struct gram_level *here, uint8_t byte, uint32_t *to) {
    const struct gram_state *s = &w->g->states[above->place.state];
    *to = s->next[s->classes[byte]];
    if (*to == GRAM_NONE) return true;
    if (w->g->states[*to].final || w->g->states[*to].n_calls > 0) return false;
    here->plain = true;
    here->place = (struct gram_place){*to, above->place.frame};
    here->n_places = above->n_places;
    here->n_frames = above->n_frames;
    return true;
}

/* All below the node `base`, where the set is `from`, which is on top. */
static glass_status walk(struct gram_walk *w, const struct gram_set *from, uint32_t base,
                         struct finding *f) {
    const struct gram_vocab *v = w->g->vocab;
    struct gram_level *levels = w->levels;
    uint32_t end = v->behind[base], to;
    level_of(&levels[v->depth[base]], w, from);
    for (uint32_t node = base + 1; node < end;) {
        struct gram_level *here = &levels[v->depth[node]], *above = here - 1;
        struct gram_set set;
        w->steps++;
        if (above->plain && plain_step(w, above, here, v->byte[node], &to)) {
            if (to != GRAM_NONE) mark_tokens(v, node, f->bits);
            node = to != GRAM_NONE ? node + 1 : v->behind[node];
            continue;
        }
        gram_walk_cut(w, above->n_places, above->n_frames);
        if (above->plain)
            TRY(gram_step_one(w, &set, above->place, v->byte[node]));
        else
            TRY(gram_step(w, &set, &above->set, v->byte[node]));
        TRY(steps_left(w));
        level_of(here, w, &set);
        if (set.n > 0 || set.ends || set.exits) mark_tokens(v, node, f->bits);
        if (set.exits && f->wants_exits && v->behind[node] > node + 1)
            TRY(note_exit(f, node));
        node = set.n > 0 ? node + 1 : v->behind[node];
    }
    return steps_left(w);
}

static uint32_t count_bits(const uint64_t *bits, size_t n) {
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (uint32_t)__builtin_popcountll(bits[i]);
    return sum;
}

/* As a list where that is shorter. */
static glass_status pack(struct gram_mask **out, const struct gram_vocab *v,
                         struct finding *f) {
    struct gram_mask *m;
    size_t words = n_words(v);
    uint32_t n = count_bits(f->bits, words);
    glass_status status;
    TRY(mem_alloc_zero(&m, 1, sizeof *m));
    m->memory = sizeof *m + f->n_exits * sizeof *m->exits;
    if (n * sizeof *m->ids < words * sizeof *m->bits) {
        TRY_FAIL(mem_alloc(&m->ids, n, sizeof *m->ids));
        for (size_t i = 0; i < words; i++)
            for (uint64_t left = f->bits[i]; left != 0; left &= left - 1)
                m->ids[m->n_ids++] = (int32_t)(64 * i) + __builtin_ctzll(left);
        m->memory += n * sizeof *m->ids;
    } else {
        TRY_FAIL(mem_alloc(&m->bits, words, sizeof *m->bits));
        memcpy(m->bits, f->bits, words * sizeof *m->bits);
        m->memory += words * sizeof *m->bits;
    }
    TRY_FAIL(mem_alloc(&m->exits, f->n_exits, sizeof *m->exits));
    if (f->n_exits > 0) memcpy(m->exits, f->exits, f->n_exits * sizeof *m->exits);
    m->n_exits = f->n_exits;
    *out = m;
    return GLASS_OK;
fail:
    gram_mask_free(m);
    return status;
}

static glass_status make_mask(struct gram_walk *w, uint32_t state, struct gram_mask **out) {
    const struct gram_vocab *v = w->g->vocab;
    struct finding f = {.bits = w->bits, .wants_exits = true};
    struct gram_set set;
    uint32_t n_places = w->n_places, n_frames = w->n_frames;
    memset(f.bits, 0, n_words(v) * sizeof *f.bits);
    glass_status status = gram_set_one(w, &set, state, GRAM_FRAME_EXIT);
    if (status == GLASS_OK) status = walk(w, &set, 0, &f);
    if (status == GLASS_OK) status = pack(out, v, &f);
    gram_walk_cut(w, n_places, n_frames);
    mem_free(f.exits);
    return status;
}

/* *own: to be freed by the caller; NULL where the grammar keeps the mask. */
static glass_status mask_of(struct gram_walk *w, uint32_t state,
                            const struct gram_mask **out, struct gram_mask **own) {
    /* What is kept changes no result. */
    glass_grammar *g = (glass_grammar *)(uintptr_t)w->g;
    struct gram_mask *made = NULL, *there;
    *own = NULL;
    *out = there = atomic_load_explicit(&g->masks[state], memory_order_acquire);
    if (there != NULL) return GLASS_OK;
    TRY(make_mask(w, state, &made));
    *out = *own = made;
    if (atomic_load(&g->memory) + made->memory > g->most_memory) return GLASS_OK;
    if (atomic_compare_exchange_strong(&g->masks[state], &there, made)) {
        atomic_fetch_add(&g->memory, made->memory);
        *own = NULL;
    }
    return GLASS_OK;
}

/* What follows the rule's end, below the nodes where that is reached: one walk for all the
 * frames that it may return to, since these can be many. */
static glass_status add_exits(struct gram_walk *w, const struct gram_mask *m,
                              const struct gram_set *set, uint32_t alike, uint64_t *bits) {
    struct finding f = {.bits = bits};
    struct gram_set after;
    uint32_t n_places = w->n_places, n_frames = w->n_frames;
    glass_status status = gram_set_after(w, &after, set, alike);
    uint32_t at = w->n_places, frames = w->n_frames;
    for (uint32_t i = 0; status == GLASS_OK && after.n > 0 && i < m->n_exits; i++) {
        gram_walk_cut(w, at, frames);
        status = walk(w, &after, m->exits[i], &f);
    }
    gram_walk_cut(w, n_places, n_frames);
    return status;
}

/* All places whose state has the mask of state `alike`. */
static glass_status add_places(struct gram_walk *w, const struct gram_set *set,
                               uint32_t alike, uint64_t *bits) {
    const struct gram_mask *m;
    struct gram_mask *own;
    TRY(mask_of(w, alike, &m, &own));
    for (uint32_t i = 0; i < m->n_ids; i++) set_bit(bits, m->ids[i]);
    if (m->bits != NULL)
        for (size_t i = 0; i < n_words(w->g->vocab); i++) bits[i] |= m->bits[i];
    glass_status status = m->n_exits > 0 ? add_exits(w, m, set, alike, bits) : GLASS_OK;
    gram_mask_free(own);
    return status;
}

static bool is_first(const struct gram_walk *w, const struct gram_set *set, uint32_t i,
                     uint32_t alike) {
    for (uint32_t k = 0; k < i; k++)
        if (w->g->alike[w->places[set->at + k].state] == alike) return false;
    return true;
}

/* A SentencePiece vocabulary puts a space in front of text that is not shown: tokens that
 * begin with one stand for what is behind it. */
static glass_status take_lead(struct gram_walk *w, const struct gram_set *set,
                              uint64_t *bits) {
    const struct gram_vocab *v = w->g->vocab;
    struct finding f = {.bits = bits};
    uint32_t node = 1;
    while (node < v->n_nodes && v->byte[node] != ' ') node = v->behind[node];
    if (node >= v->n_nodes) return GLASS_OK;
    memset(w->bits, 0, n_words(v) * sizeof *bits);
    for (int32_t i = 0; i < v->n_whole; i++) /* their space is real */
        if (bits[v->whole[i] >> 6] >> (v->whole[i] & 63) & 1) set_bit(w->bits, v->whole[i]);
    uint32_t end = v->behind[node];
    for (uint32_t i = v->first[node]; i < v->first[end]; i++)
        bits[v->tokens[i] >> 6] &= ~((uint64_t)1 << (v->tokens[i] & 63));
    TRY(walk(w, set, node, &f));
    for (int32_t i = 0; i < v->n_whole; i++) {
        int32_t id = v->whole[i];
        bits[id >> 6] &= ~((uint64_t)1 << (id & 63));
        if (w->bits[id >> 6] >> (id & 63) & 1) set_bit(bits, id);
    }
    return GLASS_OK;
}

static glass_status reserve(struct gram_walk *w) {
    const struct gram_vocab *v = w->g->vocab;
    if (w->levels == NULL)
        TRY(mem_alloc(&w->levels, (size_t)v->most_depth + 1, sizeof *w->levels));
    if (w->bits == NULL) TRY(mem_alloc(&w->bits, n_words(v), sizeof *w->bits));
    return GLASS_OK;
}

glass_status gram_mask_set(struct gram_walk *w, const struct gram_set *set, bool lead,
                           uint64_t *bits) {
    const struct gram_vocab *v = w->g->vocab;
    uint32_t n_places = w->n_places, n_frames = w->n_frames;
    memset(bits, 0, n_words(v) * sizeof *bits);
    w->steps = 0;
    glass_status status = reserve(w);
    for (uint32_t i = 0; status == GLASS_OK && i < set->n_own; i++) {
        uint32_t alike = w->g->alike[w->places[set->at + i].state];
        if (is_first(w, set, i, alike)) status = add_places(w, set, alike, bits);
    }
    if (status == GLASS_OK && lead) status = take_lead(w, set, bits);
    if (set->ends)
        for (int32_t i = 0; i < v->n_ends; i++) set_bit(bits, v->ends[i]);
    gram_walk_cut(w, n_places, n_frames);
    return status;
}
