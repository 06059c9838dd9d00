/* spec_draft.c - proposals from a draft model. What it would say is what the real sampler
 * would draw from its logits, with the same random numbers: so a draft that predicts as the
 * model does is right at any temperature. */
#include "base/mem.h"
#include "math/kernels.h"
#include "model/session.h"
#include "model/spec.h"

#include <string.h>

glass_status spec_draft_open(struct spec_draft *d, const glass_model *draft,
                             const glass_session *target) {
    const struct config *c = &draft->config, *t = &target->model->config;
    glass_session_options o = {.n_ctx = target->n_ctx < c->n_ctx ? target->n_ctx : c->n_ctx,
                               .n_threads = target->work.n_threads,
                               .cache_type = target->caches[0].dtype};
    const glass_tokenizer *mine = glass_model_tokenizer(draft),
                          *its = glass_model_tokenizer(target->model);
    glass_status status = GLASS_OK;
    if (mine != NULL && its != NULL) status = glass_tokenizer_same(its, mine);
    if (status != GLASS_OK) return fail_within(status, "the draft model does not fit");
    if (c->n_vocab != t->n_vocab)
        return fail(GLASS_BAD_INPUT,
                    "the draft model does not fit: %lld tokens, and the model has %lld",
                    (long long)c->n_vocab, (long long)t->n_vocab);
    /* Its own heads may be too narrow for the other's type. */
    if (attn_cache_check(o.cache_type, c->head_dim) != GLASS_OK) o.cache_type = GLASS_F32;
    TRY(glass_session_create(&d->session, draft, &o));
    d->n_vocab = c->n_vocab;
    TRY(mem_alloc(&d->logits, (size_t)d->n_vocab, sizeof *d->logits));
    return mem_alloc(&d->weights, (size_t)d->n_vocab, sizeof *d->weights);
}

void spec_draft_close(struct spec_draft *d) {
    glass_session_free(d->session);
    sampler_shadow_clear(&d->shadow);
    mem_free(d->logits);
    mem_free(d->weights);
}

int64_t spec_draft_follow(struct spec_draft *d, const int32_t *tokens, int64_t n) {
    int64_t held, same = 0;
    const int32_t *mine = glass_session_tokens(d->session, &held);
    while (same < held && same < n - 1 && mine[same] == tokens[same]) same++;
    if (glass_session_truncate(d->session, same) != GLASS_OK ||
        glass_session_eval(d->session, tokens + same, n - same, d->logits) != GLASS_OK)
        return -1;
    return n - same;
}

static double probability(struct spec_draft *d, int32_t id) {
    const struct math_kernels *k = math_kernels();
    float most = k->max_f32(d->logits, d->n_vocab);
    float z = k->softmax_exp_f32(d->weights, d->logits, most, 0, d->n_vocab);
    return (double)d->weights[id] / (double)z;
}

/* Failing only means that nothing more is proposed. */
static bool choose(struct spec_draft *d, const glass_sampler *sampler, int32_t *id) {
    if (sampler != NULL)
        return glass_sampler_next(&d->shadow, id, d->logits, d->n_vocab) == GLASS_OK;
    float most = math_kernels()->max_f32(d->logits, d->n_vocab);
    for (*id = 0; *id < d->n_vocab; ++*id)
        if (d->logits[*id] == most) return true;
    return false;
}

void spec_draft_propose(struct spec_draft *d, struct spec_proposal *p,
                        const glass_sampler *sampler, int64_t most,
                        const struct spec_plan *plan) {
    double reach = 1;
    p->source = SPEC_DRAFT;
    p->n = 0;
    if (sampler != NULL && sampler_shadow(&d->shadow, sampler, SPEC_MOST) != GLASS_OK)
        return;
    while (p->n < most) {
        int32_t id;
        if (p->n > 0 &&
            glass_session_eval(d->session, &p->ids[p->n - 1], 1, d->logits) != GLASS_OK)
            return; /* its context is full */
        if (!choose(d, sampler, &id)) return;
        int bin = spec_bin_draft(probability(d, id));
        p->ids[p->n] = id;
        p->bins[p->n++] = (uint8_t)bin;
        if (plan == NULL) continue;
        reach *= spec_chance(plan, SPEC_DRAFT, bin);
        if (!spec_draft_more(plan, reach)) return;
    }
}
