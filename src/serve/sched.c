/* sched.c - the scheduler's thread, the queue before it, and what callers see.
 *
 * Locks: a job's is taken before the scheduler's, never after it; events come with neither
 * held. */
#include "serve/sched.h"

#include "base/clock.h"
#include "base/team.h"
#include "serve/sched_parts.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

enum { IDLE_S = 1 };

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- the queue ---- */

/* The ring's last client is s->ring; the next one's first job has its turn. */
static struct job *first_waiting(const struct sched *s) {
    return s->ring == NULL ? NULL : s->ring->next->first;
}

static glass_status add_waiting(struct sched *s, struct job *job) {
    struct client *c = s->ring;
    if (c != NULL) do
            c = c->next;
        while (c->id != job->r.client && c != s->ring);
    if (c == NULL || c->id != job->r.client) {
        TRY(mem_alloc_zero(&c, 1, sizeof *c));
        c->id = job->r.client;
        c->next = s->ring == NULL ? c : s->ring->next;
        if (s->ring != NULL) s->ring->next = c;
        s->ring = c;
    }
    if (c->last == NULL)
        c->first = job;
    else
        c->last->next = job;
    c->last = job;
    s->n_waiting++;
    return GLASS_OK;
}

/* Takes a job out of the line of the client after `before`; that one leaves the ring when
 * nothing else of it waits. */
static void remove_waiting(struct sched *s, struct client *before, struct job *job) {
    struct client *c = before->next;
    struct job *last = NULL;
    for (struct job *j = c->first; j != job; j = j->next) last = j;
    if (last == NULL)
        c->first = job->next;
    else
        last->next = job->next;
    if (c->last == job) c->last = last;
    job->next = NULL;
    s->n_waiting--;
    if (c->first != NULL) return;
    if (s->ring == c) s->ring = before;
    before->next = c->next;
    if (before == c) s->ring = NULL;
    mem_free(c);
}

/* ---- the thread ---- */

/* Under the lock: what others may see. */
static void publish(struct sched *s) {
    cache_publish(s);
    s->stats = s->mine;
}

static void ended(struct sched *s) {
    pthread_mutex_lock(&s->lock);
    publish(s);
    if (--s->n_jobs == 0) pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

/* Takes a job out of a list of those that were started, if it is there. */
static void remove_started(struct job **list, int64_t *n, const struct job *job) {
    int64_t at = 0;
    while (at < *n && list[at] != job) at++;
    if (at == *n) return;
    --*n;
    memmove(list + at, list + at + 1, (size_t)(*n - at) * sizeof *list);
}

/* Puts it into such a list, by its turn. */
static void insert_started(struct job **list, int64_t *n, struct job *job) {
    int64_t at = (*n)++;
    for (; at > 0 && list[at - 1]->turn > job->turn; at--) list[at] = list[at - 1];
    list[at] = job;
}

void sched_end(struct sched *s, struct job *job, enum job_end end, glass_status status,
               const char *message) {
    if (job->session != NULL) cache_end(s, job);
    pthread_mutex_lock(&s->lock);
    remove_started(s->running, &s->n_running, job);
    remove_started(s->paused, &s->n_paused, job);
    pthread_mutex_unlock(&s->lock);
    s->mine.answer_tokens += job->n_answer;
    job_finish(job, end, status, message);
    ended(s);
}

void sched_pause(struct sched *s, struct job *job) {
    cache_end(s, job);
    job->n_fed = 0;
    job->n_take = 0;
    s->mine.n_paused++;
    pthread_mutex_lock(&s->lock);
    remove_started(s->running, &s->n_running, job);
    insert_started(s->paused, &s->n_paused, job);
    pthread_mutex_unlock(&s->lock);
}

/* Takes one that was cancelled out of the queue, or any one. */
static struct job *take_cancelled(struct sched *s, bool any) {
    struct client *before = s->ring;
    if (before == NULL) return NULL;
    do {
        for (struct job *j = before->next->first; j != NULL; j = j->next)
            if (any || atomic_load(&j->cancelled)) {
                remove_waiting(s, before, j);
                return j;
            }
        before = before->next;
    } while (before != s->ring);
    return NULL;
}

static void end_waiting(struct sched *s, bool all) {
    for (;;) {
        pthread_mutex_lock(&s->lock);
        struct job *job = take_cancelled(s, all);
        pthread_mutex_unlock(&s->lock);
        if (job == NULL) return;
        job_finish(job, JOB_CANCELLED, GLASS_CANCELLED, "cancelled while it waited");
        ended(s);
    }
}

static void end_running(struct sched *s, bool all) {
    for (int64_t i = s->n_running - 1; i >= 0; i--)
        if (all || atomic_load(&s->running[i]->cancelled))
            sched_end(s, s->running[i], JOB_CANCELLED, GLASS_CANCELLED, "cancelled");
    for (int64_t i = s->n_paused - 1; i >= 0; i--)
        if (all || atomic_load(&s->paused[i]->cancelled))
            sched_end(s, s->paused[i], JOB_CANCELLED, GLASS_CANCELLED, "cancelled");
}

int64_t job_reusable(const struct job *job) {
    if (job->r.embed || (job->r.prompt_logprobs && job->n_scored < job->r.n_prompt - 1))
        return job->n_scored;
    return job->n_tokens - 1;
}

/* Those that were paused go on while there is room; true if none is left. */
static bool resume(struct sched *s) {
    while (s->n_paused > 0) {
        struct job *job = s->paused[0];
        if (!cache_begin(s, job, job_reusable(job))) return false;
        pthread_mutex_lock(&s->lock);
        remove_started(s->paused, &s->n_paused, job);
        insert_started(s->running, &s->n_running, job);
        pthread_mutex_unlock(&s->lock);
    }
    return true;
}

/* Lets jobs begin while there is room. */
static void admit(struct sched *s) {
    if (!resume(s)) return;
    while (s->n_running < s->o.n_parallel) {
        pthread_mutex_lock(&s->lock);
        struct job *job = first_waiting(s);
        pthread_mutex_unlock(&s->lock);
        if (job == NULL || !cache_begin(s, job, job_reusable(job))) return;
        job->n_cached = least(job->n_fed, job->r.n_prompt);
        job->turn = s->n_started++;
        glass_status status = job_begin(job);
        pthread_mutex_lock(&s->lock);
        struct client *before = s->ring;
        remove_waiting(s, before, job);
        /* The next turn is the next client's, if this one still has jobs that wait. */
        if (s->ring != NULL && s->ring == before && before->next->id == job->r.client)
            s->ring = before->next;
        s->running[s->n_running++] = job;
        job->shown.running = true;
        pthread_mutex_unlock(&s->lock);
        s->mine.cached_tokens += job->n_cached;
        s->mine.jobs++;
        if (status != GLASS_OK) sched_end(s, job, JOB_FAILED, status, glass_error());
    }
}

/* Under the lock: what others may see. */
static void publish_jobs(struct sched *s) {
    for (int64_t i = 0; i < s->n_running; i++) {
        struct job *job = s->running[i];
        job->shown.n_read = least(job->n_fed, job->r.n_prompt);
        job->shown.n_cached = job->n_cached;
        job->shown.n_answer = job->n_answer;
        job->shown.started = job->started;
    }
}

static bool has_work(const struct sched *s) {
    return s->stopping || s->n_running > 0 || s->n_paused > 0 || s->n_waiting > 0;
}

/* Under the lock: until there is something to do. Who has nothing to do readies pages, and after
 * a while writes others to the folder, one by one, so that little is lost when the process is
 * killed. */
static void wait_for_work(struct sched *s) {
    bool writes = s->o.prefix_dir != NULL, more = true;
    while (more && !has_work(s)) {
        pthread_mutex_unlock(&s->lock);
        more = cache_warm(s);
        pthread_mutex_lock(&s->lock);
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    while (!has_work(s)) {
        if (!writes) {
            pthread_cond_wait(&s->wake, &s->lock);
        } else if (pthread_cond_timedwait(&s->wake, &s->lock, &until) == ETIMEDOUT) {
            pthread_mutex_unlock(&s->lock);
            writes = cache_write(s);
            pthread_mutex_lock(&s->lock);
            publish(s);
        }
    }
}

static void *serve(void *context) {
    struct sched *s = context;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        publish_jobs(s);
        publish(s);
        wait_for_work(s);
        bool look = s->look, stop = s->stopping, all = s->cancel_all || stop;
        s->look = false;
        pthread_mutex_unlock(&s->lock);
        if (look || all) {
            end_running(s, all);
            end_waiting(s, all);
        }
        if (stop) return NULL;
        admit(s);
        if (s->n_running == 0) continue;
        double start = clock_now();
        sched_pass(s);
        s->mine.busy_s += clock_now() - start;
        s->mine.passes++;
    }
}

/* ---- creation ---- */

static glass_status choose(struct sched *s, const struct sched_options *asked) {
    struct sched_options *o = &s->o;
    *o = *asked;
    if (o->n_ctx == 0) o->n_ctx = least(s->info.n_ctx, 4096);
    if (o->n_parallel == 0) o->n_parallel = 16;
    if (o->n_queue == 0) o->n_queue = 256;
    if (o->n_batch == 0) o->n_batch = 512;
    if (o->n_threads == 0) o->n_threads = team_default_threads();
    if (o->n_ctx < 1 || o->n_ctx > s->info.n_ctx)
        return fail(GLASS_USAGE, "a context of %lld: this model takes 1 to %lld",
                    (long long)o->n_ctx, (long long)s->info.n_ctx);
    if (o->n_parallel < 1 || o->n_parallel > PARALLEL_MOST)
        return fail(GLASS_USAGE, "%lld requests in a pass: 1 to %d are possible",
                    (long long)o->n_parallel, PARALLEL_MOST);
    if (o->n_queue < 0 || o->n_batch < 1)
        return fail(GLASS_USAGE, "a queue of %lld, a batch of %lld rows",
                    (long long)o->n_queue, (long long)o->n_batch);
    if (o->n_batch < o->n_parallel) o->n_batch = o->n_parallel;
    return GLASS_OK;
}

static glass_status take_memory(struct sched *s) {
    size_t P = (size_t)s->o.n_parallel, V = (size_t)s->info.n_vocab,
           n_tasks = P + SCORED_ROWS;
    TRY(mem_alloc_zero(&s->running, P, sizeof(struct job *)));
    TRY(mem_alloc_zero(&s->paused, P, sizeof(struct job *)));
    TRY(mem_alloc_zero(&s->items, P, sizeof *s->items));
    TRY(mem_alloc_zero(&s->tasks, n_tasks, sizeof *s->tasks));
    TRY(mem_alloc(&s->tops, n_tasks * TOP_MOST, sizeof *s->tops));
    TRY(mem_alloc_aligned(&s->logits, n_tasks * V, sizeof *s->logits));
    TRY(mem_alloc_aligned(&s->logprobs, (size_t)s->o.n_threads * V, sizeof *s->logprobs));
    TRY(mem_alloc_aligned(&s->hidden, (size_t)(s->o.n_batch * s->info.n_embd),
                          sizeof *s->hidden));
    s->mine.work_bytes = n_tasks * (V * sizeof *s->logits + TOP_MOST * sizeof *s->tops) +
                         (size_t)s->o.n_threads * V * sizeof *s->logprobs +
                         (size_t)(s->o.n_batch * s->info.n_embd) * sizeof *s->hidden;
    TRY(cache_create(s));
    cache_publish(s);
    s->mine.n_ctx = s->o.n_ctx;
    s->mine.n_parallel = s->o.n_parallel;
    s->stats = s->mine;
    return GLASS_OK;
}

static void make_locks(struct sched *s) {
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, &clock);
    pthread_cond_init(&s->idle, &clock);
    pthread_condattr_destroy(&clock);
}

glass_status sched_create(struct sched **out, const glass_model *model,
                          const struct sched_options *options) {
    glass_status status;
    struct sched *s;
    *out = NULL;
    TRY(mem_alloc_zero(&s, 1, sizeof *s));
    make_locks(s);
    s->model = model;
    s->tokenizer = glass_model_tokenizer(model);
    glass_model_get_info(model, &s->info);
    if (s->tokenizer == NULL)
        TRY_FAIL(fail(GLASS_BAD_INPUT, "the model carries no tokenizer"));
    TRY_FAIL(choose(s, options));
    TRY_FAIL(take_memory(s));
    errno = pthread_create(&s->thread, NULL, serve, s);
    if (errno != 0) TRY_FAIL(fail_errno("the scheduler's thread"));
    s->started = true;
    *out = s;
    return GLASS_OK;
fail:
    sched_free(s);
    return status;
}

void sched_drain(struct sched *s, double grace_s) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    double end = (double)until.tv_nsec * 1e-9 + (grace_s > 0 ? grace_s : 0);
    end = end < 1e9 ? end : 1e9;
    until.tv_sec += (time_t)end;
    until.tv_nsec = (long)((end - floor(end)) * 1e9);
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    while (s->n_jobs > 0)
        if (pthread_cond_timedwait(&s->idle, &s->lock, &until) == ETIMEDOUT) break;
    s->cancel_all = true;
    while (s->n_jobs > 0) pthread_cond_wait(&s->idle, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

void sched_free(struct sched *s) {
    if (s == NULL) return;
    if (s->started) {
        pthread_mutex_lock(&s->lock);
        s->closing = s->stopping = true;
        pthread_cond_broadcast(&s->wake);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    cache_free(s);
    mem_free(s->running);
    mem_free(s->paused);
    mem_free(s->items);
    mem_free(s->tasks);
    mem_free(s->tops);
    mem_free(s->logits);
    mem_free(s->logprobs);
    mem_free(s->hidden);
    pthread_cond_destroy(&s->idle);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* ---- requests ---- */

static glass_status check(const struct sched *s, const struct job_request *r) {
    int64_t n_ctx = s->o.n_ctx;
    if (r->n_prompt < 1)
        return fail(GLASS_BAD_INPUT, "the prompt has no tokens: give some text");
    for (int64_t i = 0; i < r->n_prompt; i++)
        if (r->prompt[i] < 0 || r->prompt[i] >= s->info.n_vocab)
            return fail(GLASS_BAD_INPUT, "token %lld is %d: the vocabulary has %lld",
                        (long long)i, r->prompt[i], (long long)s->info.n_vocab);
    if (r->n_prompt > n_ctx)
        return fail(GLASS_BAD_INPUT,
                    "the prompt has %lld tokens and the context %lld positions: shorten it",
                    (long long)r->n_prompt, (long long)n_ctx);
    if (r->n_predict > n_ctx - r->n_prompt)
        return fail(GLASS_BAD_INPUT,
                    "%lld tokens of prompt and %lld to answer are %lld; the context has "
                    "%lld positions",
                    (long long)r->n_prompt, (long long)r->n_predict,
                    (long long)r->n_prompt + (long long)r->n_predict, (long long)n_ctx);
    int64_t n = r->n_prompt + (r->n_predict > 1 ? r->n_predict - 1 : 0);
    if (n > s->n_most)
        return fail(GLASS_BAD_INPUT,
                    "%lld tokens of prompt and %lld to answer take %lld positions; the "
                    "whole cache has %lld",
                    (long long)r->n_prompt,
                    (long long)(r->n_predict > 0 ? r->n_predict : 0), (long long)n,
                    (long long)s->n_most);
    if (r->n_top < 0 || r->n_top > TOP_MOST)
        return fail(GLASS_USAGE, "%d alternatives per token: 0 to %d are possible",
                    r->n_top, TOP_MOST);
    if (r->embed && r->prompt_logprobs)
        return fail(GLASS_USAGE, "an embedding has no log-probabilities");
    return GLASS_OK;
}

enum submit_verdict sched_submit(struct sched *s, struct job **out,
                                 const struct job_request *request) {
    struct job *job;
    struct job_request r = *request;
    enum submit_verdict verdict = SUBMIT_OK;
    *out = NULL;
    if (r.n_predict < 0) r.n_predict = -1;
    if (check(s, &r) != GLASS_OK) return SUBMIT_BAD;
    glass_status status = job_create(&job, s, &r);
    if (status != GLASS_OK) return status == GLASS_NO_MEMORY ? SUBMIT_FAILED : SUBMIT_BAD;
    pthread_mutex_lock(&s->lock);
    if (s->closing)
        verdict = SUBMIT_CLOSING;
    else if (s->n_jobs >= s->o.n_parallel + s->o.n_queue)
        verdict = SUBMIT_FULL;
    else if (add_waiting(s, job) != GLASS_OK)
        verdict = SUBMIT_FAILED;
    if (verdict == SUBMIT_OK) {
        job->id = ++s->last_id;
        s->n_jobs++;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    if (verdict != SUBMIT_OK) {
        job_unref(job);
        job_unref(job);
        return verdict;
    }
    *out = job;
    return SUBMIT_OK;
}

void job_cancel(struct job *job) {
    pthread_mutex_lock(&job->lock);
    struct sched *s = job->sched;
    atomic_store(&job->cancelled, true);
    if (s != NULL) {
        pthread_mutex_lock(&s->lock);
        s->look = true;
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_unlock(&job->lock);
}

void job_release(struct job *job) {
    if (job == NULL) return;
    job_cancel(job);
    pthread_mutex_lock(&job->lock);
    job->released = true;
    while (job->in_event) pthread_cond_wait(&job->quiet, &job->lock);
    pthread_mutex_unlock(&job->lock);
    job_unref(job);
}

/* ---- what is going on ---- */

void sched_get_stats(struct sched *s, struct sched_stats *out) {
    pthread_mutex_lock(&s->lock);
    *out = s->stats;
    out->n_running = s->n_running;
    out->n_waiting = s->n_waiting + s->n_paused;
    pthread_mutex_unlock(&s->lock);
}

static glass_status describe_job(struct buf *b, const struct job *job, bool paused) {
    const struct job_shown *shown = &job->shown;
    double now = clock_now();
    const char *state = !shown->running                   ? "waiting"
                        : paused                          ? "paused"
                        : shown->n_read < job->r.n_prompt ? "reading"
                                                          : "answering";
    return buf_printf(b,
                      "{\"id\":%lld,\"state\":\"%s\",\"client\":\"%016llx\","
                      "\"n_prompt\":%lld,\"n_read\":%lld,\"n_cached\":%lld,"
                      "\"n_answer\":%lld,\"n_predict\":%lld,\"queued_s\":%.3f,"
                      "\"running_s\":%.3f}\n",
                      (long long)job->id, state, (unsigned long long)job->r.client,
                      (long long)job->r.n_prompt, (long long)shown->n_read,
                      (long long)shown->n_cached, (long long)shown->n_answer,
                      (long long)job->r.n_predict,
                      (shown->started > 0 ? shown->started : now) - job->submitted,
                      shown->started > 0 ? now - shown->started : 0);
}

static glass_status describe_all(struct sched *s, struct buf *b) {
    for (int64_t i = 0; i < s->n_running; i++) TRY(describe_job(b, s->running[i], false));
    for (int64_t i = 0; i < s->n_paused; i++) TRY(describe_job(b, s->paused[i], true));
    struct client *c = s->ring;
    if (c == NULL) return GLASS_OK;
    do {
        c = c->next;
        for (const struct job *j = c->first; j != NULL; j = j->next)
            TRY(describe_job(b, j, false));
    } while (c != s->ring);
    return GLASS_OK;
}

glass_status sched_describe(struct sched *s, char **out) {
    struct buf b = {0};
    size_t n;
    *out = NULL;
    pthread_mutex_lock(&s->lock);
    glass_status status = describe_all(s, &b);
    pthread_mutex_unlock(&s->lock);
    if (status == GLASS_OK) status = buf_text(&b, "");
    if (status == GLASS_OK) status = buf_take(&b, out, &n);
    buf_free(&b);
    return status;
}
