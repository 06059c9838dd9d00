/* sampler_history.c - the steps that change logits by what was said before: penalties and
 * DRY. Both are linear in the tokens that they look at. */
#include "math/functions.h"
#include "model/sampler.h"

static int64_t last_n(const struct glass_sampler *s, int32_t n) {
    return n < 0 || n > s->n_history ? s->n_history : n;
}

/* Repetition (Keskar et al., "CTRL", 2019; negative logits are multiplied), presence and
 * frequency (as in OpenAI's API). */
void step_penalties(struct glass_sampler *s, float *logits, int64_t n) {
    const glass_sampler_options *o = &s->o;
    int64_t first = s->n_history - last_n(s, o->penalty_last_n);
    if (o->repeat_penalty == 1 && o->presence_penalty == 0 && o->frequency_penalty == 0)
        return;
    for (int64_t i = first; i < s->n_history; i++)
        if (s->history[i] < n) s->seen[s->history[i]]++;
    for (int64_t i = first; i < s->n_history; i++) {
        int32_t id = s->history[i], count;
        if (id >= n || (count = s->seen[id]) == 0) continue;
        s->seen[id] = 0;
        float x = logits[id];
        x = x > 0 ? x / o->repeat_penalty : x * o->repeat_penalty;
        x = x - o->presence_penalty;
        logits[id] = x - (float)count * o->frequency_penalty;
    }
}

static bool is_breaker(const struct glass_sampler *s, int32_t id) {
    return id < s->n_breakers && s->breakers[id];
}

/* z[j], j > 0: how many tokens before position j of the reversed window r (r[0] is the last
 * token) repeat the end of the history: the longest common prefix of r[j …] and r, at most
 * limit. Gusfield's Z-algorithm. */
static void match_lengths(int32_t *z, const int32_t *last, int64_t n, int64_t limit) {
    int64_t from = 0, to = 0; /* r[from … to) is the match that reaches farthest */
    for (int64_t j = 1; j < n; j++) {
        int64_t length = 0;
        if (j < to) length = z[j - from] < to - j ? z[j - from] : to - j;
        while (length < limit && j + length < n && last[-length] == last[-(j + length)])
            length++;
        z[j] = (int32_t)length;
        if (j + length > to) {
            from = j;
            to = j + length;
        }
    }
}

/* DRY ("don't repeat yourself", p-e-w, 2024): a token that would continue a repetition of
 * length L >= allowed loses multiplier * base^(L - allowed). L is the longest run that
 * stands both at the end of the history and right before an earlier occurrence of the
 * token. No run crosses a breaker, and breakers are never penalised. */
void step_dry(struct glass_sampler *s, float *logits, int64_t n) {
    const glass_sampler_options *o = &s->o;
    int64_t m = last_n(s, o->dry_last_n), limit = 0;
    if (o->dry_multiplier == 0 || m < 2) return;
    const int32_t *last = s->history + s->n_history - 1; /* last[-j] is r[j] */
    while (limit < m && !is_breaker(s, last[-limit])) limit++;
    match_lengths(s->z, last, m, limit);
    for (int64_t j = 1; j < m; j++) {
        int32_t id = last[-(j - 1)];
        if (id < n && s->z[j] + 1 > s->seen[id]) s->seen[id] = s->z[j] + 1;
    }
    for (int64_t j = 1; j < m; j++) {
        int32_t id = last[-(j - 1)];
        if (id >= n || s->seen[id] == 0) continue;
        int32_t longer = s->seen[id] - 1 - o->dry_allowed_length;
        s->seen[id] = 0;
        if (longer < 0 || is_breaker(s, id)) continue;
        logits[id] =
            logits[id] - o->dry_multiplier * math_pow_f32(o->dry_base, (float)longer);
    }
}
