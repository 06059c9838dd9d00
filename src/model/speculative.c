/* speculative.c - feeding a session with proposals ahead of the tokens that are chosen. */
#include "base/clock.h"
#include "base/mem.h"
#include "model/session.h"
#include "model/spec.h"

#include <string.h>

struct glass_speculator {
    glass_session *session;
    int64_t lookup, n_draft, n_vocab;
    bool fixed, has_draft;
    struct spec_draft draft;
    struct spec_plan plan;
    struct spec_proposal lookup_proposal, draft_proposal;
    /* The last pass: what it checks, and where the caller stands in it. The session holds
     * n_fed + checked.n - row tokens: those that were fed and those that wait. */
    struct spec_proposal checked;
    int64_t n_fed, row;
    float *logits; /* (n_draft + 1, n_vocab) of the last pass */
    glass_speculative_stats stats;
};

/* Of one token's time, as long as none was measured: what is read. */
static double weight_share(const glass_model *draft, const glass_model *model) {
    glass_model_info a, b;
    glass_model_get_info(draft, &a);
    glass_model_get_info(model, &b);
    return (double)a.weight_bytes / (double)(b.weight_bytes > 0 ? b.weight_bytes : 1);
}

glass_status glass_speculator_create(glass_speculator **out, glass_session *session,
                                     const glass_speculative_options *o) {
    glass_status status;
    struct glass_speculator *s;
    *out = NULL;
    if (o->draft == NULL && o->lookup == 0)
        return fail(GLASS_USAGE, "speculation needs a draft model or look-up");
    if (o->n_draft < 0 || o->n_draft > SPEC_MOST)
        return fail(GLASS_USAGE, "%lld proposals at once: 1 to %d are possible",
                    (long long)o->n_draft, SPEC_MOST);
    if (o->lookup < 0)
        return fail(GLASS_USAGE, "look-up of %lld tokens", (long long)o->lookup);
    TRY(mem_alloc_zero(&s, 1, sizeof *s));
    s->session = session;
    s->lookup = o->lookup;
    s->n_draft = o->n_draft > 0 ? o->n_draft : SPEC_USUAL;
    s->fixed = o->fixed;
    s->n_vocab = session->model->config.n_vocab;
    TRY_FAIL(mem_alloc_aligned(&s->logits, (size_t)(s->n_draft + 1) * (size_t)s->n_vocab,
                               sizeof *s->logits));
    if (o->draft != NULL) {
        TRY_FAIL(spec_draft_open(&s->draft, o->draft, session));
        s->has_draft = true;
        s->plan.draft_share = weight_share(o->draft, session->model);
    }
    glass_speculator_begin(s);
    *out = s;
    return GLASS_OK;
fail:
    glass_speculator_free(s);
    return status;
}

void glass_speculator_free(glass_speculator *s) {
    if (s == NULL) return;
    spec_draft_close(&s->draft);
    mem_free(s->logits);
    mem_free(s);
}

static int64_t n_waiting(const struct glass_speculator *s) {
    return s->checked.n - s->row;
}

void glass_speculator_begin(glass_speculator *s) {
    s->n_fed = s->session->n_tokens;
    s->checked.n = s->row = 0;
}

void glass_speculator_settle(glass_speculator *s) {
    if (s->session->n_tokens > s->n_fed) s->session->n_tokens = s->n_fed;
    s->checked.n = s->row = 0;
}

int64_t glass_speculator_n_tokens(const glass_speculator *s) {
    return s->n_fed;
}

void glass_speculator_get_stats(const glass_speculator *s, glass_speculative_stats *out) {
    *out = s->stats;
}

void glass_speculator_reset_stats(glass_speculator *s) {
    s->stats = (glass_speculative_stats){0};
}

/* The token that was fed is the one that stood here in the last pass, or it is not. */
static void judge(struct glass_speculator *s, bool held) {
    spec_note_token(&s->plan, s->checked.source, s->checked.bins[s->row], held);
    if (held && s->checked.source == SPEC_DRAFT) s->stats.draft_accepted++;
    if (held && s->checked.source == SPEC_LOOKUP) s->stats.lookup_accepted++;
}

static void ask_draft(struct glass_speculator *s, const glass_sampler *sampler,
                      const int32_t *tokens, int64_t n, int64_t most) {
    enum { CATCHING_UP = 4 }; /* tokens; the time for more says nothing about the next */
    double start = clock_now();
    int64_t n_new = spec_draft_follow(&s->draft, tokens, n);
    s->draft_proposal.n = 0;
    if (n_new < 0) return;
    if (n_new > CATCHING_UP) start = clock_now();
    spec_draft_propose(&s->draft, &s->draft_proposal, sampler, most,
                       s->fixed ? NULL : &s->plan);
    spec_note_draft(&s->plan, s->draft_proposal.n, clock_now() - start);
}

/* What to check along with the last of the n tokens, in s->checked: up to `most` tokens. */
static void propose(struct glass_speculator *s, const glass_sampler *sampler,
                    const int32_t *tokens, int64_t n, int64_t most) {
    struct spec_proposal *lookup = &s->lookup_proposal, *draft = &s->draft_proposal;
    double lookup_speed = 0, draft_speed = 0;
    lookup->n = draft->n = 0;
    if (s->lookup > 0) spec_lookup(lookup, tokens, n, s->lookup, most);
    if (!s->fixed) lookup->n = spec_best(&s->plan, lookup, &lookup_speed);
    if (s->has_draft && s->fixed && lookup->n == 0) ask_draft(s, sampler, tokens, n, most);
    if (s->has_draft && !s->fixed) {
        int64_t wanted = spec_draft_now(&s->plan, most, &draft_speed);
        if (wanted > 0 && (lookup->n == 0 || draft_speed > lookup_speed)) {
            ask_draft(s, sampler, tokens, n, wanted);
            int64_t n_made = draft->n;
            draft->n = spec_best(&s->plan, draft, &draft_speed);
            if (draft_speed < lookup_speed) draft->n = 0;
            if (draft->n < n_made) spec_note_dropped(&s->plan);
        }
    }
    s->checked = draft->n > 0 ? *draft : *lookup;
    if (draft->n > 0)
        s->stats.draft_proposed += draft->n;
    else
        s->stats.lookup_proposed += lookup->n;
}

/* One pass over a token and what may follow it. */
static glass_status run_pass(struct glass_speculator *s, int32_t token,
                             const glass_sampler *sampler) {
    int64_t room = s->session->n_ctx - s->n_fed - 1, most = s->n_draft;
    int32_t rows[SPEC_MOST + 1] = {token};
    if (most > room) most = room;
    s->row = s->checked.n = 0;
    double start = clock_now();
    if (most > 0 && token >= 0 && token < s->n_vocab) {
        /* The session has room for it, and does not look at it before it is fed. */
        s->session->tokens[s->n_fed] = token;
        propose(s, sampler, s->session->tokens, s->n_fed + 1, most);
        memcpy(rows + 1, s->checked.ids, (size_t)s->checked.n * sizeof *rows);
    }
    double middle = clock_now();
    glass_status status =
        glass_session_eval_all(s->session, rows, 1 + s->checked.n, s->logits);
    if (status != GLASS_OK) {
        s->checked.n = 0;
        return status;
    }
    double seconds = clock_now() - middle;
    spec_note_pass(&s->plan, 1 + s->checked.n, seconds);
    s->stats.propose_s += middle - start;
    s->stats.pass_s += seconds;
    s->stats.n_passes++;
    return GLASS_OK;
}

glass_status glass_speculator_feed(glass_speculator *s, int32_t token,
                                   const glass_sampler *sampler, const float **logits) {
    if (s->session->n_tokens != s->n_fed + n_waiting(s))
        return fail(GLASS_USAGE, "the session was fed or cut by others: begin anew");
    bool held = n_waiting(s) > 0 && s->checked.ids[s->row] == token;
    if (n_waiting(s) > 0) judge(s, held);
    if (held) {
        s->row++;
    } else {
        glass_speculator_settle(s);
        TRY(run_pass(s, token, sampler));
    }
    s->n_fed++;
    s->stats.n_tokens++;
    *logits = s->logits + s->row * s->n_vocab;
    return GLASS_OK;
}
