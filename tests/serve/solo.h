/* solo.h - answers given alone, as the command line gives them, and through the scheduler,
 * to be compared. */
#ifndef TESTS_SOLO_H
#define TESTS_SOLO_H

#include "../model/text_model.h"

#include "serve/sched.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

/* fail_msg is hidden by the library's fail(). */
#define wrong(...)                                                                         \
    do {                                                                                   \
        print_error(__VA_ARGS__);                                                          \
        print_error("\n");                                                                 \
        _fail(__FILE__, __LINE__);                                                         \
    } while (0)

/* What came of a request. */
struct answer {
    int32_t ids[512];
    float logprobs[512];
    struct job_logprob top[512];    /* each token's likeliest */
    struct job_logprob prompt[512]; /* with prompt_logprobs */
    int64_t n, n_prompt_said, n_read, n_cached;
    struct buf text;
    enum job_end end;
    char message[256];
    float embedding[64];
    int64_t n_embd;
    int n_ends;
    int order;      /* of ends, among all answers */
    bool after_end; /* an event after the end */
    pthread_mutex_t lock;
    pthread_cond_t done;
};

static atomic_int answers_ended;

static inline void answer_init(struct answer *a) {
    *a = (struct answer){0};
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->done, NULL);
}

static inline void answer_clear(struct answer *a) {
    buf_free(&a->text);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->done);
}

static inline void answer_event(void *context, const struct job_event *e) {
    struct answer *a = context;
    pthread_mutex_lock(&a->lock);
    a->after_end |= a->n_ends > 0;
    if (e->n_text > 0) ok(buf_append(&a->text, e->text, e->n_text));
    if (e->kind == JOB_PROMPT) {
        a->n_read = e->n_read;
        if (e->token.id >= 0 && a->n_prompt_said < 512)
            a->prompt[a->n_prompt_said++] = e->token;
    } else if (e->kind == JOB_TOKEN) {
        if (e->n_top > 0) a->top[a->n] = e->top[0];
        a->logprobs[a->n] = e->token.logprob;
        a->ids[a->n++] = e->token.id;
    } else {
        a->end = e->end;
        a->n_cached = e->n_cached;
        snprintf(a->message, sizeof a->message, "%s", e->message ? e->message : "");
        for (int64_t i = 0; i < e->n_embd && i < 64; i++) a->embedding[i] = e->embedding[i];
        a->n_embd = e->n_embd;
        a->order = atomic_fetch_add(&answers_ended, 1);
        a->n_ends++;
        pthread_cond_broadcast(&a->done);
    }
    pthread_mutex_unlock(&a->lock);
}

static inline void answer_wait(struct answer *a) {
    pthread_mutex_lock(&a->lock);
    while (a->n_ends == 0) pthread_cond_wait(&a->done, &a->lock);
    pthread_mutex_unlock(&a->lock);
}

/* Where the earliest stop text begins in the text, or its length. */
static inline size_t solo_stop(const struct job_request *r, const struct buf *text,
                               bool *found) {
    size_t best = text->len;
    *found = false;
    for (int i = 0; i < r->n_stop; i++) {
        const char *at =
            memmem(text->data ? text->data : "", text->len, r->stop[i], strlen(r->stop[i]));
        if (at != NULL && r->stop[i][0] != 0 && (size_t)(at - text->data) < best) {
            best = (size_t)(at - text->data);
            *found = true;
        }
    }
    return best;
}

/* The answer of a session of its own, a token at a time. */
static inline void solo_answer(struct answer *a, const glass_model *model,
                               const struct job_request *r,
                               const glass_session_options *o) {
    const glass_tokenizer *t = glass_model_tokenizer(model);
    int64_t n_vocab = glass_tokenizer_n_vocab(t), n_bias = 0;
    glass_session *session;
    glass_sampler *sampler;
    glass_token_stream *stream;
    glass_sampler_options so = r->sampler;
    glass_logit_bias *bias = calloc((size_t)(n_vocab + so.n_bias), sizeof *bias);
    float *logits = malloc((size_t)n_vocab * sizeof *logits),
          *lp = malloc((size_t)n_vocab * sizeof *lp);
    const char *text;
    size_t n_bytes;
    bool found = false;
    for (; n_bias < so.n_bias; n_bias++) bias[n_bias] = so.bias[n_bias];
    for (int32_t id = 0; r->ignore_eos && id < n_vocab; id++)
        if (glass_tokenizer_is_end(t, id))
            bias[n_bias++] = (glass_logit_bias){id, -INFINITY};
    so.bias = bias;
    so.n_bias = n_bias;
    ok(glass_session_create(&session, model, o));
    ok(glass_sampler_create(&sampler, t, &so));
    ok(glass_sampler_set_grammar(sampler, r->grammar, r->goes_on ? GLASS_CONTINUE : 0));
    ok(glass_token_stream_create(&stream, t, r->goes_on ? GLASS_CONTINUE : 0));
    ok(glass_session_eval(session, r->prompt, r->n_prompt, logits));
    for (int64_t i = 0; i < r->n_prompt; i++)
        ok(glass_sampler_accept(sampler, r->prompt[i]));
    a->end = JOB_LENGTH;
    while (r->n_predict < 0 || a->n < r->n_predict) {
        int32_t id;
        ok(glass_sampler_next(sampler, &id, logits, n_vocab));
        if (glass_tokenizer_is_end(t, id)) {
            a->end = JOB_MODEL;
            break;
        }
        glass_logprobs(lp, logits, n_vocab);
        int32_t best = 0;
        for (int32_t i = 1; i < n_vocab; i++)
            if (lp[i] > lp[best]) best = i;
        a->top[a->n] = (struct job_logprob){best, lp[best]};
        a->logprobs[a->n] = lp[id];
        a->ids[a->n++] = id;
        ok(glass_token_stream_push(stream, id, &text, &n_bytes));
        ok(buf_append(&a->text, text, n_bytes));
        size_t n = solo_stop(r, &a->text, &found);
        if (found) {
            a->text.len = n;
            a->end = JOB_STOP;
            break;
        }
        if (r->grammar != NULL &&
            glass_grammar_state_finished(glass_sampler_grammar(sampler))) {
            a->end = JOB_MODEL;
            break;
        }
        if (r->n_predict < 0 && r->n_prompt + a->n > o->n_ctx) {
            a->end = JOB_CONTEXT;
            break;
        }
        if (a->n != r->n_predict) ok(glass_session_eval(session, &id, 1, logits));
    }
    if (a->end != JOB_STOP) {
        ok(glass_token_stream_finish(stream, &text, &n_bytes));
        ok(buf_append(&a->text, text, n_bytes));
    }
    a->n_ends = 1;
    glass_token_stream_free(stream);
    glass_sampler_free(sampler);
    glass_session_free(session);
    free(bias);
    free(logits);
    free(lp);
}

static inline bool same_answer(const struct answer *a, const struct answer *b,
                               const struct job_request *r) {
    size_t n = (size_t)a->n;
    if (a->n != b->n || a->end != b->end || a->text.len != b->text.len) return false;
    if (memcmp(a->ids, b->ids, n * sizeof *a->ids) != 0) return false;
    if (a->text.len > 0 && memcmp(a->text.data, b->text.data, a->text.len) != 0)
        return false;
    if ((r->logprobs || r->n_top > 0) &&
        memcmp(a->logprobs, b->logprobs, n * sizeof(float)) != 0)
        return false;
    return r->n_top == 0 || memcmp(a->top, b->top, n * sizeof *a->top) == 0;
}

#endif
