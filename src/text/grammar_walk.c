/* grammar_walk.c - sets of places: what they are after a byte, and the frames they stand on. */
#include "text/grammar_parts.h"

#include <stdlib.h>

/* What is being made at the same time: a set, and a frame on top of it. */
enum { SET, FRAME };

struct gram_pending {
    uint32_t order, start; /* of the called rule */
    struct gram_place back;
};

static glass_status too_many(void) {
    return fail(GLASS_BAD_INPUT,
                "the grammar reads this text in too many ways at once: "
                "parts that can stand for the same text make it ambiguous");
}

static glass_status grow(void *array, uint32_t *cap, uint32_t n, size_t item_bytes) {
    if (n < *cap) return GLASS_OK;
    uint32_t more = *cap ? 2 * *cap : 64;
    while (more <= n) more *= 2;
    TRY(mem_resize(array, more, item_bytes));
    *cap = more;
    return GLASS_OK;
}

/* --- frames ----------------------------------------------------------------------------- */

static uint64_t hash_of(const struct gram_place *entries, uint32_t n) {
    uint64_t h = n;
    for (uint32_t i = 0; i < n; i++)
        h = tok_mix(h ^ ((uint64_t)entries[i].state << 32 | entries[i].frame));
    return h;
}

static int by_state(const void *a, const void *b) {
    const struct gram_place *x = a, *y = b;
    if (x->state != y->state) return x->state < y->state ? -1 : 1;
    return x->frame < y->frame ? -1 : x->frame > y->frame;
}

static void rehash(struct gram_walk *w) {
    memset(w->buckets, 0xff, ((size_t)w->mask + 1) * sizeof *w->buckets);
    for (uint32_t f = 0; f < w->n_frames; f++) {
        uint32_t n = w->frame_first[f + 1] - w->frame_first[f];
        uint32_t *bucket =
            &w->buckets[hash_of(w->entries + w->frame_first[f], n) & w->mask];
        w->frame_next[f] = *bucket;
        *bucket = f;
    }
}

static glass_status new_frame(struct gram_walk *w, uint32_t n) {
    if (w->n_frames >= GRAM_FRAMES || w->n_entries + n > 4 * GRAM_FRAMES) return too_many();
    if (w->n_frames == w->cap_frames) {
        uint32_t cap = w->cap_frames ? 2 * w->cap_frames : 64;
        TRY(mem_resize(&w->frame_first, (size_t)cap + 1, sizeof *w->frame_first));
        TRY(mem_resize(&w->frame_next, cap, sizeof *w->frame_next));
        TRY(mem_resize(&w->buckets, cap, sizeof *w->buckets));
        w->cap_frames = cap;
        w->mask = cap - 1;
        if (w->n_frames == 0) w->frame_first[0] = 0;
        rehash(w);
    }
    return grow(&w->entries, &w->cap_entries, w->n_entries + n, sizeof *w->entries);
}

/* The frame of these entries, which are sorted and differ. */
static glass_status frame_of(struct gram_walk *w, uint32_t *out,
                             const struct gram_place *entries, uint32_t n) {
    uint64_t h = hash_of(entries, n);
    for (uint32_t f = w->n_frames ? w->buckets[h & w->mask] : GRAM_NONE; f != GRAM_NONE;
         f = w->frame_next[f])
        if (w->frame_first[f + 1] - w->frame_first[f] == n &&
            memcmp(w->entries + w->frame_first[f], entries, n * sizeof *entries) == 0) {
            *out = f;
            return GLASS_OK;
        }
    TRY(new_frame(w, n));
    memcpy(w->entries + w->n_entries, entries, n * sizeof *entries);
    w->n_entries += n;
    w->frame_first[w->n_frames + 1] = w->n_entries;
    w->frame_next[w->n_frames] = w->buckets[h & w->mask];
    w->buckets[h & w->mask] = w->n_frames;
    *out = w->n_frames++;
    return GLASS_OK;
}

/* The latest frames are the first of their buckets. */
void gram_walk_cut(struct gram_walk *w, uint32_t n_places, uint32_t n_frames) {
    w->n_places = n_places;
    while (w->n_frames > n_frames) {
        uint32_t f = --w->n_frames, begin = w->frame_first[f];
        uint64_t h = hash_of(w->entries + begin, w->n_entries - begin);
        w->buckets[h & w->mask] = w->frame_next[f];
        w->n_entries = begin;
    }
}

glass_status gram_walk_init(struct gram_walk *w, const glass_grammar *g) {
    static const struct gram_place end = {GRAM_END, 0}, unknown = {GRAM_EXIT, 0};
    uint32_t frame;
    *w = (struct gram_walk){.g = g};
    TRY(frame_of(w, &frame, &end, 1));
    return frame_of(w, &frame, &unknown, 1);
}

void gram_walk_clear(struct gram_walk *w) {
    mem_free(w->places);
    mem_free(w->entries);
    mem_free(w->frame_first);
    mem_free(w->frame_next);
    mem_free(w->buckets);
    mem_free(w->pending);
    mem_free(w->seen[SET]);
    mem_free(w->seen[FRAME]);
    mem_free(w->levels);
    mem_free(w->bits);
    *w = (struct gram_walk){0};
}

/* --- sets ------------------------------------------------------------------------------- */

/* Slots of a seen set: the places that a large set has, to be found at once. */
enum { SEEN_FEW = 32, SEEN_SLOTS = 2 * GRAM_PLACES };
struct gram_seen {
    uint32_t n;     /* places of the set that are in the slots */
    uint32_t round; /* slots of other rounds are free */
    struct gram_slot {
        uint32_t round, at;
    } slots[SEEN_SLOTS];
};

static void forget(struct gram_seen *seen) {
    if (seen == NULL || seen->n == 0) return;
    seen->n = 0;
    if (++seen->round == 0) {
        memset(seen->slots, 0, sizeof seen->slots);
        seen->round = 1;
    }
}

/* The slot of this place: its own, or a free one. */
static struct gram_slot *slot_of(struct gram_seen *seen, const struct gram_place *places,
                                 struct gram_place p) {
    uint64_t h = tok_mix((uint64_t)p.state << 32 | p.frame);
    struct gram_slot *slot;
    while (slot = &seen->slots[h % SEEN_SLOTS], slot->round == seen->round) {
        if (places[slot->at].state == p.state && places[slot->at].frame == p.frame) break;
        h++;
    }
    return slot;
}

static glass_status seen_before(struct gram_walk *w, int which, uint32_t at,
                                struct gram_place p, bool *found) {
    struct gram_seen *seen = w->seen[which];
    if (seen == NULL) {
        TRY(mem_alloc_zero(&w->seen[which], 1, sizeof *seen));
        seen = w->seen[which];
        seen->round = 1;
    }
    for (; seen->n < w->n_places - at; seen->n++) {
        uint32_t i = at + seen->n;
        *slot_of(seen, w->places, w->places[i]) = (struct gram_slot){seen->round, i};
    }
    *found = slot_of(seen, w->places, p)->round == seen->round;
    return GLASS_OK;
}

/* Into the set that is on top and began at `at`; which: SET or FRAME. */
static glass_status put(struct gram_walk *w, int which, uint32_t at, uint32_t state,
                        uint32_t frame) {
    struct gram_place p = {state, frame};
    w->steps++;
    if (w->n_places - at >= SEEN_FEW) {
        bool found;
        TRY(seen_before(w, which, at, p, &found));
        if (found) return GLASS_OK;
    } else {
        for (uint32_t i = at; i < w->n_places; i++)
            if (w->places[i].state == state && w->places[i].frame == frame) return GLASS_OK;
    }
    if (w->n_places - at >= GRAM_PLACES) return too_many();
    TRY(grow(&w->places, &w->cap_places, w->n_places, sizeof *w->places));
    w->places[w->n_places++] = p;
    return GLASS_OK;
}

/* A new set on top. */
static void begin(struct gram_walk *w, struct gram_set *set) {
    *set = (struct gram_set){.at = w->n_places};
    forget(w->seen[SET]);
}

static glass_status put_frame(struct gram_walk *w, struct gram_set *set, uint32_t frame) {
    for (uint32_t i = w->frame_first[frame]; i < w->frame_first[frame + 1]; i++) {
        struct gram_place e = w->entries[i];
        if (e.state == GRAM_END)
            set->ends = true;
        else if (e.state == GRAM_EXIT)
            set->exits = true;
        else
            TRY(put(w, SET, set->at, e.state, e.frame));
    }
    return GLASS_OK;
}

/* Rules that are at their end go on where they were called. */
static glass_status return_all(struct gram_walk *w, struct gram_set *set) {
    uint32_t kept = set->at;
    for (uint32_t i = set->at; i < w->n_places; i++)
        if (w->g->states[w->places[i].state].final)
            TRY(put_frame(w, set, w->places[i].frame));
    for (uint32_t i = set->at; i < w->n_places; i++)
        if (!w->g->states[w->places[i].state].leaf) w->places[kept++] = w->places[i];
    w->n_places = kept;
    forget(w->seen[SET]);
    return GLASS_OK;
}

static glass_status add_calls(struct gram_walk *w, struct gram_place from) {
    const struct gram_state *s = &w->g->states[from.state];
    for (uint32_t i = 0; i < s->n_calls; i++) {
        const struct gram_call_state *c = &w->g->calls[s->call + i];
        TRY(grow(&w->pending, &w->cap_pending, w->n_pending, sizeof *w->pending));
        w->pending[w->n_pending++] =
            (struct gram_pending){c->order, c->start, {c->to, from.frame}};
    }
    return GLASS_OK;
}

/* Where the calls of one rule go on, at the top of the places: a frame's entries. What only
 * ends its own rule stands for where that was called, so that lists do not pile up. */
static glass_status gather(struct gram_walk *w, uint32_t at, uint32_t order) {
    uint32_t kept = 0, n_pending = w->n_pending;
    forget(w->seen[FRAME]);
    w->steps += n_pending;
    for (uint32_t i = 0; i < n_pending; i++) {
        struct gram_pending p = w->pending[i];
        if (p.order != order) {
            w->pending[kept++] = p;
            continue;
        }
        if (!w->g->states[p.back.state].leaf) {
            TRY(put(w, FRAME, at, p.back.state, p.back.frame));
            continue;
        }
        for (uint32_t k = w->frame_first[p.back.frame];
             k < w->frame_first[p.back.frame + 1]; k++) {
            struct gram_place e = w->entries[k];
            TRY(put(w, FRAME, at, e.state, e.frame));
        }
    }
    w->n_pending = kept;
    return GLASS_OK;
}

static glass_status call_all(struct gram_walk *w, struct gram_set *set) {
    w->n_pending = 0;
    for (uint32_t i = set->at; i < w->n_places; i++) TRY(add_calls(w, w->places[i]));
    while (w->n_pending > 0) {
        uint32_t first = 0, top = w->n_places, frame;
        for (uint32_t i = 1; i < w->n_pending; i++)
            if (w->pending[i].order < w->pending[first].order) first = i;
        uint32_t start = w->pending[first].start;
        TRY(gather(w, top, w->pending[first].order));
        if (w->n_places - top > 1)
            qsort(w->places + top, w->n_places - top, sizeof *w->places, by_state);
        TRY(frame_of(w, &frame, w->places + top, w->n_places - top));
        w->n_places = top;
        TRY(put(w, SET, set->at, start, frame));
        if (w->n_places > top) TRY(add_calls(w, w->places[top]));
    }
    return GLASS_OK;
}

/* The places on top become a set. */
static glass_status finish(struct gram_walk *w, struct gram_set *set, bool returns) {
    bool calls = false, ends = false;
    for (uint32_t i = set->at; i < w->n_places; i++) {
        const struct gram_state *s = &w->g->states[w->places[i].state];
        calls |= s->n_calls > 0;
        ends |= s->final;
    }
    if (ends && returns) {
        TRY(return_all(w, set));
        calls = true;
    }
    set->n_own = w->n_places - set->at;
    if (calls) TRY(call_all(w, set));
    set->n = w->n_places - set->at;
    return GLASS_OK;
}

glass_status gram_set_start(struct gram_walk *w, struct gram_set *out) {
    begin(w, out);
    TRY(put(w, SET, out->at, w->g->start, GRAM_FRAME_END));
    return finish(w, out, true);
}

glass_status gram_set_one(struct gram_walk *w, struct gram_set *out, uint32_t state,
                          uint32_t frame) {
    begin(w, out);
    TRY(put(w, SET, out->at, state, frame));
    return finish(w, out, false);
}

glass_status gram_set_after(struct gram_walk *w, struct gram_set *out,
                            const struct gram_set *from, uint32_t alike) {
    begin(w, out);
    for (uint32_t i = from->at; i < from->at + from->n_own; i++) {
        struct gram_place p = w->places[i];
        if (w->g->alike[p.state] == alike) TRY(put_frame(w, out, p.frame));
    }
    return finish(w, out, true);
}

glass_status gram_step_one(struct gram_walk *w, struct gram_set *out,
                           struct gram_place from, uint8_t byte) {
    const struct gram_state *s = &w->g->states[from.state];
    uint32_t to = s->next[s->classes[byte]];
    begin(w, out);
    if (to == GRAM_NONE) return GLASS_OK;
    TRY(put(w, SET, out->at, to, from.frame));
    return finish(w, out, true);
}

glass_status gram_step(struct gram_walk *w, struct gram_set *out,
                       const struct gram_set *from, uint8_t byte) {
    begin(w, out);
    w->steps += from->n;
    for (uint32_t i = from->at; i < from->at + from->n; i++) {
        struct gram_place p = w->places[i];
        const struct gram_state *s = &w->g->states[p.state];
        uint32_t to = s->next[s->classes[byte]];
        if (to != GRAM_NONE) TRY(put(w, SET, out->at, to, p.frame));
    }
    return w->n_places > out->at ? finish(w, out, true) : GLASS_OK;
}

/* --- keeping and copying ------------------------------------------------------------------ */

/* Copies a frame and those below it; map: by frame of `from`, GRAM_NONE. Frames hold only
 * older ones, so that in order of age all below are there already. */
static glass_status copy_frames(struct gram_walk *w, const struct gram_walk *from,
                                uint32_t *map) {
    struct gram_place *entries = NULL;
    uint32_t cap = 0;
    glass_status status = GLASS_OK;
    for (uint32_t f = 2; status == GLASS_OK && f < from->n_frames; f++) {
        uint32_t begin = from->frame_first[f], n = from->frame_first[f + 1] - begin;
        if (map[f] == GRAM_NONE) continue;
        status = grow(&entries, &cap, n, sizeof *entries);
        for (uint32_t i = 0; status == GLASS_OK && i < n; i++) {
            entries[i] = from->entries[begin + i];
            if (entries[i].state < GRAM_END) entries[i].frame = map[entries[i].frame];
        }
        if (status != GLASS_OK) break;
        if (n > 1) qsort(entries, n, sizeof *entries, by_state);
        status = frame_of(w, &map[f], entries, n);
    }
    mem_free(entries);
    return status;
}

/* Marks what the set needs, from the youngest frame on. */
static void mark_frames(const struct gram_walk *from, const struct gram_set *set,
                        uint32_t *map) {
    memset(map, 0xff, from->n_frames * sizeof *map);
    map[GRAM_FRAME_END] = GRAM_FRAME_END;
    map[GRAM_FRAME_EXIT] = GRAM_FRAME_EXIT;
    for (uint32_t i = 0; i < set->n; i++) map[from->places[set->at + i].frame] = 0;
    for (uint32_t f = from->n_frames; f-- > 2;) {
        if (map[f] == GRAM_NONE) continue;
        for (uint32_t i = from->frame_first[f]; i < from->frame_first[f + 1]; i++)
            if (from->entries[i].state < GRAM_END) map[from->entries[i].frame] = 0;
    }
    map[GRAM_FRAME_END] = GRAM_FRAME_END;
    map[GRAM_FRAME_EXIT] = GRAM_FRAME_EXIT;
}

glass_status gram_walk_copy(struct gram_walk *w, struct gram_set *set,
                            const struct gram_walk *from, const struct gram_set *from_set) {
    uint32_t *map;
    gram_walk_cut(w, 0, 2);
    TRY(mem_alloc(&map, from->n_frames, sizeof *map));
    mark_frames(from, from_set, map);
    glass_status status = copy_frames(w, from, map);
    if (status == GLASS_OK)
        status = grow(&w->places, &w->cap_places, from_set->n, sizeof *w->places);
    *set = *from_set;
    set->at = 0;
    for (uint32_t i = 0; status == GLASS_OK && i < from_set->n; i++) {
        struct gram_place p = from->places[from_set->at + i];
        w->places[w->n_places++] = (struct gram_place){p.state, map[p.frame]};
    }
    mem_free(map);
    return status;
}

glass_status gram_walk_keep(struct gram_walk *w, struct gram_set *set) {
    enum { FEW = 1 << 12 };
    struct gram_walk fresh;
    struct gram_set copy;
    memmove(w->places, w->places + set->at, set->n * sizeof *w->places);
    set->at = 0;
    w->n_places = set->n;
    if (w->n_frames < w->frames_least + FEW) return GLASS_OK;
    glass_status status = gram_walk_init(&fresh, w->g);
    if (status == GLASS_OK) status = gram_walk_copy(&fresh, &copy, w, set);
    if (status != GLASS_OK) {
        gram_walk_clear(&fresh);
        return status;
    }
    fresh.n_sweeps = w->n_sweeps + 1;
    fresh.levels = w->levels;
    fresh.bits = w->bits;
    w->levels = NULL;
    w->bits = NULL;
    gram_walk_clear(w);
    *w = fresh;
    *set = copy;
    w->frames_least = w->n_frames;
    return GLASS_OK;
}
