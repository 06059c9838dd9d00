/* eval_loglik.c - log-likelihoods of continuations, with the conventions of
 * lm-evaluation-harness (its huggingface model; Gao et al., 2024). */
#include "base/buf.h"
#include "base/team.h"
#include "base/utf8.h"
#include "model/score.h"
#include "text/jinja_value.h"

struct glass_scorer {
    const glass_model *model;
    const glass_tokenizer *tokenizer;
    glass_session *session;
    bool bos;      /* texts begin with it */
    int32_t first; /* BOS, or what stands for it before a text without context */
    int n_threads;
    int64_t n_ctx, n_vocab, block;
    float *logits;        /* (block, n_vocab) */
    struct score *scores; /* (block) */
};

/* Tokens of a context and, from n_context on, of its continuation. */
struct pair {
    int32_t *ids;
    int64_t n, n_context;
};

glass_status glass_scorer_create(glass_scorer **out, const glass_model *model,
                                 const glass_eval_options *options) {
    const glass_eval_options usual = {0}, *o = options != NULL ? options : &usual;
    const glass_session_options session = {.n_ctx = o->n_ctx,
                                           .n_batch = o->n_batch,
                                           .n_threads = o->n_threads,
                                           .cache_type = o->cache_type,
                                           .adapters = o->adapters,
                                           .n_adapters = o->n_adapters};
    glass_model_info info;
    glass_status status;
    struct glass_scorer *s;
    *out = NULL;
    if (glass_model_tokenizer(model) == NULL)
        return fail(GLASS_BAD_INPUT, "a model without a tokenizer reads no text");
    TRY(mem_alloc_zero(&s, 1, sizeof *s));
    glass_model_get_info(model, &info);
    s->model = model;
    s->tokenizer = glass_model_tokenizer(model);
    s->bos = glass_tokenizer_adds_bos(s->tokenizer) && !o->no_bos;
    s->first = glass_tokenizer_bos(s->tokenizer);
    if (s->first < 0) s->first = glass_tokenizer_eos(s->tokenizer);
    s->n_threads = o->n_threads > 0 ? o->n_threads : team_default_threads();
    s->n_vocab = info.n_vocab;
    TRY_FAIL(glass_session_create(&s->session, model, &session));
    s->n_ctx = glass_session_n_ctx(s->session);
    s->block = score_block(s->n_vocab, s->n_ctx);
    TRY_FAIL(
        mem_alloc_aligned(&s->logits, (size_t)(s->block * s->n_vocab), sizeof *s->logits));
    TRY_FAIL(mem_alloc(&s->scores, (size_t)s->block, sizeof *s->scores));
    *out = s;
    return GLASS_OK;
fail:
    glass_scorer_free(s);
    return status;
}

void glass_scorer_free(glass_scorer *s) {
    if (s == NULL) return;
    glass_session_free(s->session);
    mem_free(s->logits);
    mem_free(s->scores);
    mem_free(s);
}

/* What Python's str.rstrip leaves: how many of the text's bytes stay. */
static size_t without_trailing_space(const char *text, size_t n) {
    while (n > 0) {
        size_t begin = n - 1;
        uint32_t c;
        while (begin > 0 && n - begin < 4 && ((unsigned char)text[begin] & 0xc0) == 0x80)
            begin--;
        if (utf8_decode(&c, text + begin, n - begin) != n - begin || !jinja_is_space(c))
            return n;
        n = begin;
    }
    return 0;
}

static glass_status encode_item(const struct glass_scorer *s, struct pair *p,
                                const glass_loglik_item *item) {
    size_t n_context = without_trailing_space(item->context, item->n_context);
    struct buf text = {0};
    int32_t *context = NULL, *whole = NULL;
    int64_t n_whole;
    glass_status status;
    bool first = s->bos || n_context == 0;
    TRY_FAIL(buf_append(&text, item->context, item->n_context));
    TRY_FAIL(buf_append(&text, item->continuation, item->n_continuation));
    TRY_FAIL(glass_tokenizer_encode(s->tokenizer, &context, &p->n_context, item->context,
                                    n_context, 0));
    TRY_FAIL(glass_tokenizer_encode(s->tokenizer, &whole, &n_whole,
                                    text.data != NULL ? text.data : "", text.len, 0));
    int64_t n_new = n_whole > p->n_context ? n_whole - p->n_context : 0;
    p->n = first + p->n_context + n_new;
    TRY_FAIL(mem_alloc(&p->ids, (size_t)p->n, sizeof *p->ids));
    if (first && s->first < 0) {
        status = fail(GLASS_BAD_INPUT, "an empty context, and the model has neither BOS "
                                       "nor EOS to stand for it");
        goto fail;
    }
    if (first) p->ids[0] = s->first;
    memcpy(p->ids + first, context, (size_t)p->n_context * sizeof *context);
    memcpy(p->ids + first + p->n_context, whole + p->n_context,
           (size_t)n_new * sizeof *whole);
    p->n_context += first;
fail:
    buf_free(&text);
    mem_free(context);
    mem_free(whole);
    return status;
}

/* Adds the scores of ids [score, end) to out, given those from begin on. */
static glass_status score_span(struct glass_scorer *s, glass_loglik *out,
                               const int32_t *ids, int64_t begin, int64_t score,
                               int64_t end) {
    int64_t held, keep = 0, most = score - 1 - begin;
    const int32_t *tokens = glass_session_tokens(s->session, &held);
    while (keep < held && keep < most && tokens[keep] == ids[begin + keep]) keep++;
    TRY(glass_session_truncate(s->session, keep));
    TRY(glass_session_eval(s->session, ids + begin + keep, most - keep, NULL));
    for (int64_t at = score - 1, n; at < end - 1; at += n) {
        const float *logits = s->logits;
        n = end - 1 - at < s->block ? end - 1 - at : s->block;
        TRY(glass_session_eval_all(s->session, ids + at, n, s->logits));
        TRY(score_rows(s->scores, &logits, 1, ids + at + 1, n, s->n_vocab, s->n_threads));
        for (int64_t t = 0; t < n; t++) {
            out->logprob = out->logprob + s->scores[t].logprob[0];
            out->greedy = out->greedy && s->scores[t].best[0] == ids[at + 1 + t];
        }
    }
    return GLASS_OK;
}

static glass_status score_pair(struct glass_scorer *s, glass_loglik *out,
                               const struct pair *p, bool rolling) {
    int64_t C = s->n_ctx, n_new = p->n - p->n_context;
    *out = (glass_loglik){.greedy = true, .n_tokens = n_new, .n_context = p->n_context};
    if (n_new == 0) return GLASS_OK;
    if (n_new <= C) {
        out->n_cut = p->n - 1 > C ? p->n - 1 - C : 0;
        return score_span(s, out, p->ids, out->n_cut, p->n_context, p->n);
    }
    if (!rolling)
        return fail(GLASS_BAD_INPUT,
                    "a continuation of %lld tokens: the context has %lld positions",
                    (long long)n_new, (long long)C);
    for (int64_t at = 1; at < p->n;) {
        int64_t end = at + C < p->n ? at + C : p->n;
        TRY(score_span(s, out, p->ids, end - C - 1, at, end));
        at = end;
    }
    return GLASS_OK;
}

glass_status glass_scorer_loglik(glass_scorer *s, glass_loglik *out,
                                 const glass_loglik_item *items, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] = (glass_loglik){0};
    for (int64_t i = 0; i < n; i++) {
        struct pair p = {0};
        glass_status status = encode_item(s, &p, &items[i]);
        if (status == GLASS_OK)
            status = score_pair(s, &out[i], &p, items[i].n_context == 0);
        mem_free(p.ids);
        TRY(status);
    }
    return GLASS_OK;
}
