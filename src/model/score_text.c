/* score_text.c - a text through one model or two, window by window, scores as they come. */
#include "base/mem.h"
#include "base/team.h"
#include "model/score.h"

#include <string.h>

enum { WINDOW = 512, LEAST_WINDOW = 4 };

struct text {
    struct score_job *job;
    const glass_tokenizer *tokenizer;
    int32_t *ids; /* (job->n_tokens) */
    bool bos;     /* windows begin with it */
    glass_session *sessions[2];
    float *logits[2];     /* (block, n_vocab) */
    struct score *scores; /* (block) */
    int64_t block, n_vocab;
    int n_threads;
};

/* Tokens [begin, end) are a window, those from `score` on are scored. */
struct window {
    int64_t begin, end, score;
};

static struct window window_at(const struct text *x, int64_t i) {
    const struct score_job *j = x->job;
    int64_t C = j->n_ctx, S = j->options->stride, n = j->n_tokens;
    struct window w = {i * C, i * C + C, i * C + C / 2 + 1};
    if (S == 0 && !j->options->whole) return w;
    w.begin = i * S;
    w.end = w.begin + C < n ? w.begin + C : n;
    w.score = i == 0 ? 1 : w.begin - S + C;
    return w;
}

static glass_status plan(struct text *x) {
    struct score_job *j = x->job;
    const glass_eval_options *o = j->options;
    glass_model_info info;
    int64_t most = INT64_MAX;
    for (int m = 0; m < j->n_models; m++) {
        glass_model_get_info(j->models[m], &info);
        most = info.n_ctx < most ? info.n_ctx : most;
    }
    j->n_ctx = o->whole ? j->n_tokens : o->n_ctx > 0 ? o->n_ctx : WINDOW;
    if (!o->whole && o->n_ctx == 0 && j->n_ctx > most) j->n_ctx = most;
    if (j->n_ctx > most)
        return o->whole ? fail(GLASS_BAD_INPUT,
                               "the text has %lld tokens and the model %lld positions: "
                               "take windows instead of the whole",
                               (long long)j->n_tokens, (long long)most)
                        : fail(GLASS_USAGE, "windows of %lld tokens: the model takes %lld",
                               (long long)j->n_ctx, (long long)most);
    if (!o->whole && j->n_ctx < LEAST_WINDOW)
        return fail(GLASS_USAGE, "windows of %lld tokens: at least %d are needed",
                    (long long)j->n_ctx, LEAST_WINDOW);
    if (o->stride < 0 || o->stride >= (o->whole ? 1 : j->n_ctx))
        return fail(GLASS_USAGE, "a stride of %lld: less than the window of %lld",
                    (long long)o->stride, (long long)j->n_ctx);
    int64_t least = o->stride > 0 || o->whole ? 2 : j->n_ctx;
    if (j->n_tokens < least)
        return fail(
            GLASS_BAD_INPUT,
            "the text has %lld tokens; at least %lld are needed for windows of %lld",
            (long long)j->n_tokens, (long long)least, (long long)j->n_ctx);
    j->n_windows = o->whole         ? 1
                   : o->stride == 0 ? j->n_tokens / j->n_ctx
                   : j->n_tokens <= j->n_ctx
                       ? 1
                       : 1 + (j->n_tokens - j->n_ctx + o->stride - 1) / o->stride;
    if (o->max_windows > 0 && o->max_windows < j->n_windows) j->n_windows = o->max_windows;
    return GLASS_OK;
}

/* BOS goes before the text by hand: an EOS after it would be scored. */
static glass_status encode(struct text *x, const char *text, size_t n_bytes) {
    const glass_eval_options *o = x->job->options;
    int32_t *ids;
    int64_t n;
    x->tokenizer = glass_model_tokenizer(x->job->models[0]);
    for (int m = 0; m < x->job->n_models; m++)
        if (glass_model_tokenizer(x->job->models[m]) == NULL)
            return fail(GLASS_BAD_INPUT, "a model without a tokenizer reads no text");
    if (x->job->n_models == 2)
        TRY(glass_tokenizer_same(x->tokenizer, glass_model_tokenizer(x->job->models[1])));
    x->bos = glass_tokenizer_adds_bos(x->tokenizer) && !o->no_bos;
    TRY(glass_tokenizer_encode(x->tokenizer, &ids, &n, text, n_bytes, 0));
    glass_status status = mem_alloc(&x->ids, (size_t)n + 1, sizeof *x->ids);
    if (status == GLASS_OK) {
        x->ids[0] = glass_tokenizer_bos(x->tokenizer);
        memcpy(x->ids + x->bos, ids, (size_t)n * sizeof *ids);
        x->job->n_tokens = n + x->bos;
    }
    mem_free(ids);
    return status;
}

static glass_status take(struct text *x) {
    const struct score_job *j = x->job;
    const glass_eval_options *o = j->options;
    glass_session_options s = {.n_ctx = j->n_ctx,
                               .n_batch = o->n_batch,
                               .n_threads = o->n_threads,
                               .cache_type = o->cache_type};
    x->n_threads = o->n_threads > 0 ? o->n_threads : team_default_threads();
    for (int m = 0; m < j->n_models; m++) {
        glass_model_info info;
        glass_model_get_info(j->models[m], &info);
        if (m > 0 && info.n_vocab != x->n_vocab)
            return fail(GLASS_BAD_INPUT, "one model gives %lld logits and the other %lld",
                        (long long)x->n_vocab, (long long)info.n_vocab);
        x->n_vocab = info.n_vocab;
        x->block = score_block(x->n_vocab, j->n_ctx);
        s.adapters = o->adapters;
        s.n_adapters = m == 0 ? o->n_adapters : 0;
        TRY(glass_session_create(&x->sessions[m], j->models[m], &s));
        TRY(mem_alloc_aligned(&x->logits[m], (size_t)(x->block * x->n_vocab),
                              sizeof *x->logits[m]));
    }
    return mem_alloc(&x->scores, (size_t)x->block, sizeof *x->scores);
}

static glass_status count_bytes(struct text *x, const struct window *w) {
    char *text;
    size_t n_bytes;
    /* The first token of a text may spell a space that the text does not have. */
    unsigned flags = w->score > x->bos ? GLASS_CONTINUE : 0;
    TRY(glass_tokenizer_decode(x->tokenizer, &text, &n_bytes, x->ids + w->score,
                               w->end - w->score, flags));
    glass_free(text);
    x->job->n_bytes += (int64_t)n_bytes;
    return GLASS_OK;
}

/* Rows [begin, end) of the window, each with the logits of the token after it. */
static glass_status score_range(struct text *x, int64_t begin, int64_t end) {
    const struct score_job *j = x->job;
    for (int m = 0; m < j->n_models; m++)
        TRY(glass_session_eval_all(x->sessions[m], x->ids + begin, end - begin,
                                   x->logits[m]));
    TRY(score_rows(x->scores, (const float *const *)x->logits, j->n_models,
                   x->ids + begin + 1, end - begin, x->n_vocab, x->n_threads));
    j->add(j->context, x->scores, end - begin);
    return GLASS_OK;
}

static glass_status do_window(struct text *x, int64_t i) {
    struct window w = window_at(x, i);
    int32_t first = x->ids[w.begin];
    glass_status status = GLASS_OK;
    if (x->bos) x->ids[w.begin] = glass_tokenizer_bos(x->tokenizer);
    for (int m = 0; m < x->job->n_models && status == GLASS_OK; m++) {
        status = glass_session_truncate(x->sessions[m], 0);
        if (status == GLASS_OK)
            status = glass_session_eval(x->sessions[m], x->ids + w.begin,
                                        w.score - 1 - w.begin, NULL);
    }
    for (int64_t at = w.score - 1; at < w.end - 1 && status == GLASS_OK; at += x->block)
        status = score_range(x, at, at + x->block < w.end - 1 ? at + x->block : w.end - 1);
    x->ids[w.begin] = first;
    TRY(status);
    return count_bytes(x, &w);
}

glass_status score_text(struct score_job *job, const char *text, size_t n_bytes) {
    struct text x = {.job = job};
    glass_status status;
    job->n_bytes = 0;
    TRY_FAIL(encode(&x, text, n_bytes));
    TRY_FAIL(plan(&x));
    TRY_FAIL(take(&x));
    for (int64_t i = 0; i < job->n_windows; i++) {
        TRY_FAIL(do_window(&x, i));
        TRY_FAIL(job->window(job->context, i + 1, job->n_windows));
    }
fail:
    for (int m = 0; m < 2; m++) {
        glass_session_free(x.sessions[m]);
        mem_free(x.logits[m]);
    }
    mem_free(x.scores);
    mem_free(x.ids);
    return status;
}
