/* sampler_steps.c - the steps between logits and the draw, one function each. */
#include "math/functions.h"
#include "model/sampler.h"

#include <math.h>
#include <stdlib.h>

static int64_t last_n(const struct glass_sampler *s, int32_t n) {
    return n < 0 || n > s->n_history ? s->n_history : n;
}

/* repeat: logits of seen tokens divided (positive) or multiplied (negative) by the penalty;
 * presence: minus the penalty once; frequency: minus the penalty per occurrence. */
void step_penalties(struct glass_sampler *s, float *logits) {
    const glass_sampler_options *o = &s->o;
    if (o->repeat_penalty == 1 && o->presence_penalty == 0 && o->frequency_penalty == 0) return;
    int64_t n = last_n(s, o->penalty_last_n), first = s->n_history - n;
    for (int64_t i = first; i < s->n_history; i++) {
        int32_t id = s->history[i];
        bool seen = false;
        int count = 0;
        for (int64_t j = first; j < s->n_history && !seen; j++) {
            seen = j < i && s->history[j] == id;
            count += s->history[j] == id;
        }
        if (seen) continue; /* handled at its first occurrence */
        float x = logits[id];
        x = x > 0 ? x / o->repeat_penalty : x * o->repeat_penalty;
        x = x - o->presence_penalty;
        logits[id] = x - (float)count * o->frequency_penalty;
    }
}

static bool is_breaker(const struct glass_sampler *s, int32_t id) {
    for (int64_t i = 0; i < s->n_breakers; i++)
        if (s->breakers[i] == id) return true;
    return false;
}

/* DRY ("don't repeat yourself"): a token that would continue a repetition of length L >=
 * allowed loses multiplier * base^(L - allowed). L is the longest suffix of the history that
 * also stands right before an earlier occurrence of the token. */
void step_dry(struct glass_sampler *s, float *logits) {
    const glass_sampler_options *o = &s->o;
    if (o->dry_multiplier == 0) return;
    int64_t n = last_n(s, o->dry_last_n), end = s->n_history, first = end - n;
    enum { LONGEST = 64 };
    for (int64_t i = first; i < end; i++) {
        int32_t id = s->history[i];
        int64_t length = 0, best = 0;
        /* The longest match over all earlier occurrences of id; only the last one works. */
        bool later = false;
        for (int64_t j = i + 1; j < end && !later; j++) later = s->history[j] == id;
        if (later || is_breaker(s, id)) continue;
        for (int64_t at = i; at >= first; at--) {
            if (s->history[at] != id) continue;
            for (length = 0; length < LONGEST && at - 1 - length >= first; length++) {
                int32_t a = s->history[at - 1 - length], b = s->history[end - 1 - length];
                if (a != b || is_breaker(s, a)) break;
            }
            best = length > best ? length : best;
        }
        if (best < o->dry_allowed_length) continue;
        float power = math_pow_f32(o->dry_base, (float)(best - o->dry_allowed_length));
        logits[id] = logits[id] - o->dry_multiplier * power;
    }
}

static bool before(const struct candidate *a, const struct candidate *b) {
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

static int compare(const void *a, const void *b) {
    return before(a, b) ? -1 : 1;
}

/* Puts the worst of a k-heap on top. */
static void sink(struct candidate *heap, int64_t k, int64_t i) {
    for (;;) {
        int64_t worst = i, child = 2 * i + 1;
        for (int64_t j = child; j < child + 2 && j < k; j++)
            if (before(&heap[worst], &heap[j])) worst = j;
        if (worst == i) return;
        struct candidate keep = heap[i];
        heap[i] = heap[worst];
        heap[worst] = keep;
        i = worst;
    }
}

void step_select(struct candidate *c, int64_t n, int64_t k) {
    if (k < n) {
        for (int64_t i = k / 2 - 1; i >= 0; i--) sink(c, k, i);
        for (int64_t i = k; i < n; i++) {
            if (!before(&c[i], &c[0])) continue;
            struct candidate keep = c[0];
            c[0] = c[i];
            c[i] = keep;
            sink(c, k, 0);
        }
    }
    qsort(c, (size_t)k, sizeof *c, compare);
}

void step_softmax(struct candidate *c, int64_t n) {
    float z = 0;
    for (int64_t i = 0; i < n; i++) {
        c[i].p = math_exp_f32(c[i].logit - c[0].logit);
        z = z + c[i].p;
    }
    for (int64_t i = 0; i < n; i++) c[i].p = c[i].p / z;
}

static int nearer(const void *a, const void *b) {
    const struct surprise *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->i < y->i ? -1 : 1;
}

/* Keeps the candidates whose surprise is nearest to the distribution's entropy, up to the
 * mass; they stay in their order. */
int64_t step_typical(struct glass_sampler *s, struct candidate *c, int64_t n) {
    struct surprise *order = s->order;
    float mass = s->o.typical_p;
    if (mass >= 1 || n < 2) return n;
    step_softmax(c, n);
    float entropy = 0;
    for (int64_t i = 0; i < n; i++)
        if (c[i].p > 0) entropy = entropy - c[i].p * math_log_f32(c[i].p);
    for (int64_t i = 0; i < n; i++)
        order[i] = (struct surprise){
            c[i].p > 0 ? fabsf(-math_log_f32(c[i].p) - entropy) : INFINITY, i};
    qsort(order, (size_t)n, sizeof *order, nearer);
    float sum = 0;
    int64_t kept = 0, out = 0;
    while (kept < n && sum < mass) sum = sum + c[order[kept++].i].p;
    for (int64_t i = 0; i < kept; i++) c[order[i].i].p = -1; /* marked */
    for (int64_t i = 0; i < n; i++)
        if (c[i].p == -1) c[out++] = c[i];
    return out;
}

int64_t step_top_p(struct candidate *c, int64_t n, float mass) {
    if (mass >= 1) return n;
    step_softmax(c, n);
    float sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum = sum + c[i].p;
        if (sum >= mass) return i + 1;
    }
    return n;
}

/* p_i >= share * p_0, decided on logits so that no sum is involved. */
int64_t step_min_p(struct candidate *c, int64_t n, float share) {
    if (share <= 0) return n;
    float least = c[0].logit + math_log_f32(share);
    int64_t kept = 1;
    while (kept < n && c[kept].logit >= least) kept++;
    return kept;
}

/* XTC ("exclude top choices"): with some probability, all candidates above the threshold but
 * the least likely of them go. */
int64_t step_xtc(struct glass_sampler *s, struct candidate *c, int64_t n) {
    if (s->o.xtc_probability <= 0 || n < 2) return n;
    if (sampler_uniform(s) >= s->o.xtc_probability) return n;
    step_softmax(c, n);
    int64_t above = 0;
    while (above < n && c[above].p >= s->o.xtc_threshold) above++;
    if (above < 2) return n;
    for (int64_t i = above - 1; i < n; i++) c[i - (above - 1)] = c[i];
    return n - (above - 1);
}
