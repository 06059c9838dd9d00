/* sched_job.c - one request: its copies, its text with stop texts held back, its events. */
#include "base/clock.h"
#include "serve/sched_parts.h"

#include <math.h>

/* ---- coming and going ---- */

static glass_status copy_stops(struct job *job, const struct job_request *r) {
    char **stop;
    job->r.n_stop = 0;
    job->r.stop = NULL;
    if (r->n_stop == 0) return GLASS_OK;
    TRY(mem_alloc_zero(&stop, (size_t)r->n_stop, sizeof *stop));
    job->r.stop = (const char *const *)stop;
    TRY(mem_alloc(&job->stop_bytes, (size_t)r->n_stop, sizeof *job->stop_bytes));
    for (int i = 0; i < r->n_stop; i++) {
        job->stop_bytes[i] = strlen(r->stop[i]);
        TRY(mem_copy_text(&stop[i], r->stop[i], job->stop_bytes[i]));
        job->r.n_stop++;
    }
    return GLASS_OK;
}

/* The sampler, with every token that ends a text banned where the request says so. */
static glass_status make_sampler(struct job *job, const struct job_request *r) {
    const glass_tokenizer *t = job->sched->tokenizer;
    glass_sampler_options o = r->sampler;
    int64_t n_vocab = job->sched->info.n_vocab, n = o.n_bias;
    glass_logit_bias *bias = NULL;
    for (int64_t i = 0; i < o.n_bias; i++)
        if (o.bias[i].id < 0 || o.bias[i].id >= n_vocab)
            return fail(GLASS_USAGE, "logit_bias: token %d; the vocabulary has %lld",
                        o.bias[i].id, (long long)n_vocab);
    if (r->ignore_eos) {
        TRY(mem_alloc(&bias, (size_t)(n + n_vocab), sizeof *bias));
        for (int64_t i = 0; i < n; i++) bias[i] = o.bias[i];
        for (int32_t id = 0; id < n_vocab; id++)
            if (glass_tokenizer_is_end(t, id))
                bias[n++] = (glass_logit_bias){id, -INFINITY};
        o.bias = bias;
        o.n_bias = n;
    }
    /* Only DRY and grammars ask the tokenizer something. */
    bool asks = o.dry_multiplier > 0 || r->grammar != NULL;
    glass_status status = glass_sampler_create(&job->sampler, asks ? t : NULL, &o);
    mem_free(bias);
    if (status != GLASS_OK || r->grammar == NULL) return status;
    return glass_sampler_set_grammar(job->sampler, r->grammar,
                                     r->goes_on ? GLASS_CONTINUE : 0);
}

static void job_free(struct job *job) {
    for (int i = 0; i < job->r.n_stop; i++) mem_free((char *)job->r.stop[i]);
    mem_free((void *)job->r.stop);
    mem_free(job->stop_bytes);
    glass_sampler_free(job->sampler);
    glass_token_stream_free(job->stream);
    buf_free(&job->held);
    mem_free(job->tokens);
    mem_free(job->sums);
    mem_free(job->embedding);
    pthread_cond_destroy(&job->quiet);
    pthread_mutex_destroy(&job->lock);
    mem_free(job);
}

glass_status job_create(struct job **out, struct sched *s, const struct job_request *r) {
    glass_status status;
    struct job *job;
    *out = NULL;
    TRY(mem_alloc_zero(&job, 1, sizeof *job));
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->quiet, NULL);
    job->r = *r;
    job->sched = s;
    job->refs = 2;
    job->stopped_by = -1;
    job->n_tokens = r->n_prompt;
    job->n_room = r->n_predict < 0 ? s->n_most + 1 : r->n_prompt + r->n_predict;
    job->submitted = clock_now();
    TRY_FAIL(copy_stops(job, r));
    TRY_FAIL(mem_alloc(&job->tokens, (size_t)r->n_prompt, sizeof *job->tokens));
    memcpy(job->tokens, r->prompt, (size_t)r->n_prompt * sizeof *job->tokens);
    TRY_FAIL(make_sampler(job, r));
    job->r.prompt = job->tokens;
    *out = job;
    return GLASS_OK;
fail:
    job_free(job);
    return status;
}

void job_unref(struct job *job) {
    pthread_mutex_lock(&job->lock);
    int left = --job->refs;
    pthread_mutex_unlock(&job->lock);
    if (left == 0) job_free(job);
}

glass_status job_begin(struct job *job) {
    struct sched *s = job->sched;
    job->started = clock_now();
    TRY(mem_resize(&job->tokens, (size_t)job->n_room, sizeof *job->tokens));
    job->r.prompt = job->tokens;
    TRY(glass_token_stream_create(&job->stream, s->tokenizer,
                                  job->r.goes_on ? GLASS_CONTINUE : 0));
    for (int64_t i = 0; i < job->r.n_prompt; i++)
        TRY(glass_sampler_accept(job->sampler, job->tokens[i]));
    if (!job->r.embed) return GLASS_OK;
    TRY(mem_alloc_zero(&job->sums, (size_t)s->info.n_embd, sizeof *job->sums));
    return mem_alloc(&job->embedding, (size_t)s->info.n_embd, sizeof *job->embedding);
}

/* ---- events ---- */

void job_event(struct job *job, struct job_event *event) {
    pthread_mutex_lock(&job->lock);
    bool wanted = !job->released && job->r.event != NULL;
    job->in_event = wanted;
    pthread_mutex_unlock(&job->lock);
    if (!wanted) return;
    event->n_prompt = job->r.n_prompt;
    event->n_cached = job->n_cached;
    job->r.event(job->r.context, event);
    pthread_mutex_lock(&job->lock);
    job->in_event = false;
    pthread_cond_broadcast(&job->quiet);
    pthread_mutex_unlock(&job->lock);
}

static void mean_of_rows(struct job *job) {
    int64_t D = job->sched->info.n_embd;
    double squares = 0;
    for (int64_t i = 0; i < D; i++) {
        job->sums[i] /= (double)job->r.n_prompt;
        squares += job->sums[i] * job->sums[i];
    }
    double length = squares > 0 ? sqrt(squares) : 1;
    for (int64_t i = 0; i < D; i++) job->embedding[i] = (float)(job->sums[i] / length);
}

void job_finish(struct job *job, enum job_end end, glass_status status,
                const char *message) {
    double now = clock_now();
    struct job_event event = {.kind = JOB_END,
                              .end = end,
                              .status = status,
                              .message = message,
                              .token = {-1, NAN},
                              .n_answer = job->n_answer,
                              .n_read = job->n_fed};
    const char *text;
    size_t n;
    if (end == JOB_STOP)
        event.stop_text = job->r.stop[job->stopped_by];
    else if (job->stream != NULL &&
             glass_token_stream_finish(job->stream, &text, &n) == GLASS_OK &&
             buf_append(&job->held, text, n) == GLASS_OK && job->held.len > 0) {
        event.text = job->held.data;
        event.n_text = job->held.len;
    }
    if (job->embedding != NULL && end == JOB_LENGTH) {
        mean_of_rows(job);
        event.embedding = job->embedding;
        event.n_embd = job->sched->info.n_embd;
    }
    event.queued_s = (job->started > 0 ? job->started : now) - job->submitted;
    if (job->started > 0)
        event.prompt_s = (job->answered > 0 ? job->answered : now) - job->started;
    if (job->answered > 0) event.answer_s = now - job->answered;
    job_event(job, &event);
    pthread_mutex_lock(&job->lock);
    job->sched = NULL;
    pthread_mutex_unlock(&job->lock);
    job_unref(job);
}

/* ---- text ---- */

/* How much of the held text is certain: up to the first place where a stop text stands
 * (*found says which) or may still begin. */
static size_t certain(const struct job *job, int *found) {
    const struct buf *text = &job->held;
    size_t safe = text->len;
    *found = -1;
    for (int i = 0; i < job->r.n_stop; i++) {
        size_t n = job->stop_bytes[i];
        for (size_t at = 0; n > 0 && at < safe; at++) {
            size_t left = text->len - at, compared = left < n ? left : n;
            if (memcmp(text->data + at, job->r.stop[i], compared) != 0) continue;
            safe = at;
            *found = compared == n ? i : -1;
            break;
        }
    }
    return safe;
}

int job_take_token(struct job *job, const struct task *task) {
    const char *text;
    size_t n_bytes, n;
    job->tokens[job->n_tokens++] = task->token.id;
    job->n_answer++;
    if (glass_token_stream_push(job->stream, task->token.id, &text, &n_bytes) != GLASS_OK ||
        buf_append(&job->held, text, n_bytes) != GLASS_OK)
        return JOB_FAILED;
    n = certain(job, &job->stopped_by);
    struct job_event event = {.kind = JOB_TOKEN,
                              .n_read = job->n_fed,
                              .token = task->token,
                              .top = task->top,
                              .n_top = task->n_top,
                              .text = n > 0 ? job->held.data : "",
                              .n_text = n,
                              .n_answer = job->n_answer};
    job_event(job, &event);
    if (n > 0) memmove(job->held.data, job->held.data + n, job->held.len - n);
    job->held.len -= n;
    if (job->stopped_by >= 0) return JOB_STOP;
    /* Nothing but the end could follow. */
    if (job->r.grammar != NULL &&
        glass_grammar_state_finished(glass_sampler_grammar(job->sampler)))
        return JOB_MODEL;
    if (job->n_answer == job->r.n_predict) return JOB_LENGTH;
    return job->n_tokens > job->sched->n_most ? JOB_CONTEXT : JOB_GOES_ON;
}
