/* spec_plan.c - how many proposals pay. With r(i) the chance that proposals 1 … i all hold, a
 * pass over k of them gives 1 + r(1) + … + r(k) tokens and takes what a pass of 1 + k rows
 * takes (more than one row costs little where weights come from memory, and much where they
 * do not); the k with most tokens a second is taken. */
#include "model/spec.h"

/* Before anything is known: a row more costs this share of a pass, a token of the draft this
 * one; and what is measured counts this much against what is known. */
#define FIRST_ROW_COST   0.05
#define FIRST_DRAFT_COST 0.2
#define NEW_SHARE        0.25
/* A draft is asked if that should make it this much faster: reading along is not in the
 * plan. If it does not, it rests, in passes; then it is tried. */
#define DRAFT_GAIN 1.1
enum { FIRST_REST = 16, LONGEST_REST = 512, TRIAL_PASSES = 3, TRIAL_TOKENS = 2 };
/* What is known fades by this with each pass or token. */
#define FADE 0.995
/* No pass is hoped to take less than this share of what it took. */
#define LEAST_HOPE 0.5
/* A chance counts as if it had been tried this often before. */
#define PRIOR_WEIGHT 2.0

static const double draft_bounds[SPEC_BINS - 1] = {0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.93};
static const double prior[SPEC_SOURCES][SPEC_BINS] = {
    {0.3, 0.45, 0.6, 0.65, 0.7, 0.8, 0.85, 0.9},
    {0.1, 0.2, 0.3, 0.45, 0.6, 0.7, 0.85, 0.95}};

int spec_bin_draft(double probability) {
    int bin = 0;
    while (bin < SPEC_BINS - 1 && probability > draft_bounds[bin]) bin++;
    return bin;
}

int spec_bin_lookup(int64_t n_run) {
    static const int64_t bounds[SPEC_BINS - 1] = {1, 2, 3, 4, 6, 9, 15};
    int bin = 0;
    while (bin < SPEC_BINS - 1 && n_run > bounds[bin]) bin++;
    return bin;
}

static double chance(struct spec_rate rate, double before) {
    return (rate.held + PRIOR_WEIGHT * before) / (rate.tried + PRIOR_WEIGHT);
}

double spec_chance(const struct spec_plan *plan, enum spec_source source, int bin) {
    return chance(plan->rates[source][bin], prior[source][bin]);
}

/* What was measured, the shorter the longer ago; or a guess from the nearest that was: a
 * hopeful one, so that it will be tried. */
double spec_cost(const struct spec_plan *plan, int64_t m) {
    const struct spec_time *pass = plan->pass;
    int64_t below = m, above = m;
    while (below > 0 && pass[below].s == 0) below--;
    if (below > 0)
        return pass[below].s * pass[below].hope *
               (1 + FIRST_ROW_COST * (double)(m - below));
    while (above < SPEC_MOST + 1 && pass[above].s == 0) above++;
    if (pass[above].s == 0) return 1 + FIRST_ROW_COST * (double)(m - 1);
    return pass[above].s * pass[above].hope / (1 + FIRST_ROW_COST * (double)(above - m));
}

static double draft_cost(const struct spec_plan *plan) {
    return plan->draft_s > 0 ? plan->draft_s : plan->draft_share * spec_cost(plan, 1);
}

int64_t spec_best(const struct spec_plan *plan, const struct spec_proposal *p,
                  double *speed) {
    double reach = 1, tokens = 1;
    int64_t best = 0;
    *speed = 1 / spec_cost(plan, 1);
    for (int64_t k = 1; k <= p->n; k++) {
        reach *= spec_chance(plan, p->source, p->bins[k - 1]);
        tokens += reach;
        double now = tokens / spec_cost(plan, k + 1);
        if (now <= *speed) continue;
        *speed = now;
        best = k;
    }
    return best;
}

int64_t spec_draft_length(const struct spec_plan *plan, int64_t most, double *speed) {
    double reach = 1, tokens = 1, each = chance(plan->draft_rate, 0.7);
    int64_t best = 0;
    *speed = 1 / spec_cost(plan, 1);
    for (int64_t k = 1; k <= most; k++) {
        reach *= each;
        tokens += reach;
        double now = tokens / (spec_cost(plan, k + 1) + (double)k * draft_cost(plan));
        if (now <= *speed) continue;
        *speed = now;
        best = k;
    }
    return best;
}

int64_t spec_draft_now(struct spec_plan *plan, int64_t most, double *speed) {
    *speed = 0;
    if (plan->rest > 0) {
        plan->rest--;
        return 0;
    }
    int64_t n = spec_draft_length(plan, most, speed);
    if (n > 0 && *speed * spec_cost(plan, 1) > DRAFT_GAIN) {
        if (plan->trial == 0) plan->next_rest = 0;
        plan->trial -= plan->trial > 0;
        return n;
    }
    if (plan->trial > 0) {
        plan->trial--;
        return n > 0 ? n : most < TRIAL_TOKENS ? most : TRIAL_TOKENS;
    }
    plan->next_rest = plan->next_rest == 0             ? FIRST_REST
                      : plan->next_rest < LONGEST_REST ? 2 * plan->next_rest
                                                       : LONGEST_REST;
    plan->rest = plan->next_rest;
    plan->trial = TRIAL_PASSES;
    return 0;
}

bool spec_draft_more(const struct spec_plan *plan, double reach) {
    return reach * chance(plan->draft_rate, 0.7) * spec_cost(plan, 1) > draft_cost(plan);
}

static void note(struct spec_rate *rate, bool held) {
    rate->held += held;
    rate->tried += 1;
}

static void fade(struct spec_rate *rate) {
    rate->held *= FADE;
    rate->tried *= FADE;
}

void spec_note_token(struct spec_plan *plan, enum spec_source source, int bin, bool held) {
    note(&plan->rates[source][bin], held);
    if (source == SPEC_DRAFT) note(&plan->draft_rate, held);
}

void spec_note_dropped(struct spec_plan *plan) {
    note(&plan->draft_rate, false);
}

/* One pass that waited for another program must not count for long; `usual` is what was
 * expected. */
static double blend(double known, double seconds, double usual) {
    if (seconds > 2 * usual) seconds = 2 * usual;
    return known == 0 ? seconds : known + NEW_SHARE * (seconds - known);
}

void spec_note_pass(struct spec_plan *plan, int64_t m, double seconds) {
    struct spec_time *pass = &plan->pass[m];
    bool first = true;
    for (int64_t i = 1; i <= SPEC_MOST + 1; i++) first = first && plan->pass[i].s == 0;
    double usual = first ? seconds : pass->s > 0 ? pass->s : spec_cost(plan, m);
    for (int64_t i = 1; i <= SPEC_MOST + 1; i++)
        if (plan->pass[i].hope > LEAST_HOPE) plan->pass[i].hope *= FADE;
    for (int source = 0; source < SPEC_SOURCES; source++)
        for (int bin = 0; bin < SPEC_BINS; bin++) fade(&plan->rates[source][bin]);
    fade(&plan->draft_rate);
    *pass = (struct spec_time){blend(pass->s, seconds, usual), 1};
}

void spec_note_draft(struct spec_plan *plan, int64_t n, double seconds) {
    if (n == 0) return;
    seconds /= (double)n;
    double usual = plan->draft_s > 0 ? plan->draft_s : seconds;
    plan->draft_s = blend(plan->draft_s, seconds, usual);
}
