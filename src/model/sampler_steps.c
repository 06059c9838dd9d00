/* sampler_steps.c - the steps between logits and the token, one function each.
 *
 * top-p and typical need the list only as far as some mass reaches. They estimate by
 * buckets how far that is, sort the candidates up to there, and decide on exact sums; the
 * estimate decides nothing. */
#include "math/functions.h"
#include "math/half.h"
#include "math/kernels.h"
#include "model/sampler.h"

#include <math.h>

#define LN_2 0x1.62e430p-1F

void step_top_k(struct list *l, int64_t k) {
    if (k <= 0 || k >= l->n) return;
    list_best(l, k);
    list_take(l, k);
    l->sorted = true;
}

/* Where aux falls in BUCKETS steps of 1/16 from least; never falls as aux grows. */
enum { BUCKETS = 1024 };

static int bucket_of(float aux, float least) {
    float x = (aux - least) * 16;
    return x < BUCKETS - 1 ? (int)x : BUCKETS - 1;
}

/* The fewest buckets whose mass, as estimated, is enough. */
static int enough_buckets(const struct list *l, double mass, float least) {
    double sums[BUCKETS] = {0}, sum = 0;
    int last = 0;
    for (int64_t i = 0; i < l->n; i++) sums[bucket_of(l->aux[i], least)] += (double)l->w[i];
    while (last < BUCKETS - 1 && (sum += sums[last]) < mass * (1 + 1e-6)) last++;
    return last;
}

/* How many of the first n keys' weights, added in order, reach the mass; n when none do. */
static int64_t reach(const struct list *l, int64_t n, double mass, bool *reached) {
    double sum = 0;
    int64_t i = 0;
    while (i < n && sum < mass) sum = sum + (double)l->w[l->keys[i++] & 0xffffffffu];
    *reached = sum >= mass;
    return i;
}

/* Keys of the candidates with weight in buckets up to the last; n of them. */
static int64_t gather(struct list *l, float least, int last) {
    int64_t n = 0;
    for (int64_t i = 0; i < l->n; i++) {
        l->keys[n] = (uint64_t)key_ascending(l->aux[i]) << 32 | (uint64_t)i;
        n += bucket_of(l->aux[i], least) <= last && l->w[i] > 0;
    }
    return n;
}

/* Keys of the fewest candidates of smallest aux (ties: earlier in the list) whose weights
 * reach the mass; all that have weight when they do not. No aux is below least. */
static int64_t smallest(struct list *l, double mass, float least) {
    for (int last = enough_buckets(l, mass, least);; last = BUCKETS - 1) {
        bool reached;
        int64_t n = gather(l, least, last);
        keys_sort(l->keys, l->spare, n);
        n = reach(l, n, mass, &reached);
        if (reached || last == BUCKETS - 1) return n;
    }
}

/* Nucleus (Holtzman et al., 2020). */
void step_top_p(struct list *l, float mass) {
    if (mass >= 1) return;
    double goal = (double)mass * (double)list_weigh(l), sum = 0;
    int64_t n = 0;
    if (l->sorted) {
        while (n < l->n && sum < goal && l->w[n] > 0) sum = sum + (double)l->w[n++];
        l->n = n > 0 ? n : 1;
        return;
    }
    for (int64_t i = 0; i < l->n; i++) l->aux[i] = -l->logit[i];
    n = smallest(l, goal, -l->max);
    list_take(l, n > 0 ? n : 1);
    l->sorted = true;
}

/* Locally typical (Meister et al., 2022): candidates whose surprise is nearest to the
 * entropy, up to the mass. */
void step_typical(struct list *l, float mass) {
    const struct math_kernels *m = math_kernels();
    if (mass >= 1 || l->n < 2) return;
    float z = list_weigh(l), log_z = math_log_f32(z);
    for (int64_t i = 0; i < l->n; i++)
        l->aux[i] = l->w[i] > 0 ? l->w[i] * (l->logit[i] - l->max) : 0;
    float entropy = log_z - m->sum16_f32(l->aux, l->n) / z;
    for (int64_t i = 0; i < l->n; i++)
        l->aux[i] = fabsf(log_z - (l->logit[i] - l->max) - entropy);
    int64_t n = smallest(l, (double)mass * (double)z, 0), kept = 0;
    /* Marked by a negative aux, so that they stay in the list's order. */
    for (int64_t i = 0; i < n; i++) l->aux[l->keys[i] & 0xffffffffu] = -1;
    if (n == 0) return;
    l->max = -INFINITY;
    for (int64_t i = 0; i < l->n; i++) {
        if (l->aux[i] >= 0) continue;
        l->id[kept] = l->id[i];
        l->logit[kept] = l->logit[i];
        l->max = l->logit[i] > l->max ? l->logit[i] : l->max;
        kept++;
    }
    l->n = kept;
}

/* Keeps logits >= least, in order. */
static void keep_from(struct list *l, float least) {
    int64_t kept = 0;
    for (int64_t i = 0; i < l->n; i++) {
        float x = l->logit[i];
        l->id[kept] = l->id[i];
        l->logit[kept] = x;
        kept += x >= least;
    }
    l->n = kept;
}

/* p >= share * the largest p (Nguyen et al., 2024), decided on logits: no sum is involved.
 */
void step_min_p(struct list *l, float share) {
    if (share <= 0) return;
    keep_from(l, l->max + math_log_f32(share));
}

/* XTC ("exclude top choices", p-e-w, 2024): with some probability, of the candidates whose
 * p reaches the threshold all but the last in sorted order go. */
void step_xtc(struct list *l, float u, float probability, float threshold) {
    if (u >= probability) return;
    float least_w = threshold * list_weigh(l), next = -INFINITY;
    int64_t above = 0, last = 0, kept = 0;
    for (int64_t i = 0; i < l->n; i++) {
        if (l->w[i] < least_w || l->w[i] == 0) continue;
        /* Equal logits: the higher id is last. */
        if (above++ == 0 || l->logit[i] < l->logit[last] ||
            (l->logit[i] == l->logit[last] && l->id[i] > l->id[last]))
            last = i;
    }
    if (above < 2) return;
    for (int64_t i = 0; i < l->n; i++) {
        if (i != last && l->w[i] >= least_w && l->w[i] > 0) continue;
        next = l->logit[i] > next ? l->logit[i] : next;
        l->id[kept] = l->id[i];
        l->logit[kept++] = l->logit[i];
    }
    l->n = kept;
    l->max = next;
}

void step_temperature(struct list *l, float temperature) {
    for (int64_t i = 0; i < l->n; i++) l->logit[i] = (l->logit[i] - l->max) / temperature;
    l->max = 0;
}

int64_t step_draw(struct list *l, float u) {
    double goal = (double)u * (double)list_weigh(l), sum = 0;
    int64_t last = 0;
    for (int64_t i = 0; i < l->n; i++) {
        if (l->w[i] == 0) continue;
        sum = sum + (double)l->w[i];
        last = i;
        if (goal < sum) break;
    }
    return last;
}

/* Mirostat 1's estimate of Zipf's exponent from the likeliest 100, and from it the number
 * of candidates to keep. */
static int64_t mirostat_count(struct list *l, int64_t n_vocab, float mu) {
    enum { MOST = 100 };
    int64_t n = l->n < MOST ? l->n : MOST;
    float over = 0, under = 0;
    list_best(l, n);
    for (int64_t i = 0; i + 1 < n; i++) {
        float b =
            l->logit[l->keys[i] & 0xffffffffu] - l->logit[l->keys[i + 1] & 0xffffffffu];
        if (!(b < INFINITY)) break; /* only banned tokens follow */
        float t = math_log_f32((float)(i + 2) / (float)(i + 1));
        over = fmaf(t, b, over);
        under = fmaf(t, t, under);
    }
    float exponent = under > 0 ? over / under : 1, e = exponent - 1;
    float log_n = math_log_f32((float)n_vocab);
    /* (1 - N^-e) / e, which tends to ln N. */
    float mass =
        fabsf(e * log_n) < 1e-3F ? log_n : (1 - math_pow_f32((float)n_vocab, -e)) / e;
    float k = math_pow_f32(math_pow_f32(2, mu) / mass, 1 / exponent);
    if (!(k < (float)l->n)) return l->n; /* NaN too */
    return k >= 1 ? (int64_t)k : 1;
}

/* Mirostat (Basu et al., 2021). 1 cuts at a count, 2 at a surprise of mu bits; then mu
 * moves by the error of the surprise that the token had before the cut. */
int64_t step_mirostat(struct list *l, const glass_sampler_options *o, float *mu, float u) {
    int64_t n_vocab = l->n;
    float log_z = math_log_f32(list_weigh(l));
    if (o->mirostat == 1) {
        step_top_k(l, mirostat_count(l, n_vocab, *mu));
    } else {
        /* surprise = (log z - (logit - max)) / ln 2 <= mu; the best always stays. */
        float least = l->max + (log_z - *mu * LN_2);
        keep_from(l, least < l->max ? least : l->max);
    }
    int64_t i = step_draw(l, u);
    float surprise = (log_z - (l->logit[i] - l->max)) / LN_2;
    *mu = *mu - o->mirostat_eta * (surprise - o->mirostat_tau);
    return i;
}
