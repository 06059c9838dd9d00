/* ask_jobs.c - the jobs of a request. Events come on the scheduler's thread, are copied into
 * a queue, and are taken from it by the handler's thread. */
#include "base/clock.h"
#include "serve/ask.h"

#include <pthread.h>
#include <stdio.h>

enum { AT_ONCE = 64 }; /* jobs of one request that run or wait in the scheduler */
static const double LOOK_S = 0.05; /* how often it is asked whether the client is there */

struct one_job {
    struct ask_jobs *jobs;
    struct job *job;
    int i;
    int64_t n_prompt, n_cached, n_answer; /* what has been seen of it */
};

struct ask_jobs {
    pthread_mutex_t lock;
    pthread_cond_t come;
    struct ask_event *first, **last, *taken; /* taken: the one last handed out */
    struct one_job *each;                    /* (n) */
    int64_t n, n_given, n_ended;
    bool lost;     /* an event could not be copied */
    double looked; /* when the client was last seen */
};

/* ---- on the scheduler's thread ---- */

static size_t text_bytes(const char *text) {
    return text != NULL ? strlen(text) + 1 : 0;
}

static void *put(char **at, const void *bytes, size_t n) {
    void *to = *at;
    if (n > 0) memcpy(to, bytes, n);
    *at += n;
    return n > 0 ? to : NULL;
}

static struct ask_event *copy_event(const struct job_event *e, int i) {
    size_t n_top = (size_t)e->n_top * sizeof *e->top;
    size_t n_embd = e->embedding != NULL ? (size_t)e->n_embd * sizeof *e->embedding : 0;
    size_t n_stop = text_bytes(e->stop_text), n_message = text_bytes(e->message);
    struct ask_event *c;
    if (mem_alloc(&c, 1, sizeof *c + n_top + n_embd + e->n_text + 1 + n_stop + n_message) !=
        GLASS_OK)
        return NULL;
    char *at = (char *)(c + 1);
    *c = (struct ask_event){.job = i,
                            .kind = e->kind,
                            .n_prompt = e->n_prompt,
                            .n_cached = e->n_cached,
                            .n_read = e->n_read,
                            .token = e->token,
                            .n_top = e->n_top,
                            .n_text = e->n_text,
                            .end = e->end,
                            .status = e->status,
                            .n_answer = e->n_answer,
                            .queued_s = e->queued_s,
                            .prompt_s = e->prompt_s,
                            .answer_s = e->answer_s,
                            .n_embd = e->n_embd};
    c->top = put(&at, e->top, n_top);
    c->embedding = put(&at, e->embedding, n_embd);
    c->stop_text = put(&at, e->stop_text, n_stop);
    c->message = put(&at, e->message, n_message);
    c->text = at;
    if (e->n_text > 0) memcpy(at, e->text, e->n_text);
    at[e->n_text] = '\0';
    return c;
}

static void on_event(void *context, const struct job_event *e) {
    struct one_job *j = context;
    struct ask_jobs *jobs = j->jobs;
    struct ask_event *c = copy_event(e, j->i);
    pthread_mutex_lock(&jobs->lock);
    j->n_prompt = e->n_prompt;
    j->n_cached = e->n_cached;
    j->n_answer += e->kind == JOB_TOKEN;
    if (c == NULL) {
        jobs->lost = true;
    } else {
        *jobs->last = c;
        jobs->last = &c->next;
    }
    pthread_cond_signal(&jobs->come);
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- on the handler's ---- */

static glass_status create(struct ask *a) {
    struct ask_jobs *jobs;
    pthread_condattr_t clock;
    TRY(mem_alloc_zero(&jobs, 1, sizeof *jobs));
    a->jobs = jobs;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->come, &clock);
    pthread_condattr_destroy(&clock);
    jobs->last = &jobs->first;
    jobs->n = a->n_prompts * a->n_choices;
    TRY(mem_alloc_zero(&jobs->each, (size_t)jobs->n, sizeof *jobs->each));
    return GLASS_OK;
}

/* Choice k of a prompt is what the seed plus k would give alone. */
static enum submit_verdict give(struct ask *a, int64_t i) {
    struct ask_jobs *jobs = a->jobs;
    struct job_request r = a->r;
    struct sched_stats stats;
    const struct ask_prompt *p = &a->prompts[i / a->n_choices];
    sched_get_stats(served_sched(a->served), &stats);
    /* More than fits is what many clients ask for by habit; the end's reason tells. */
    if (r.n_predict > stats.n_ctx - p->n) r.n_predict = -1;
    r.prompt = p->ids;
    r.n_prompt = p->n;
    r.sampler.seed += (uint64_t)(i % a->n_choices);
    r.event = on_event;
    r.context = &jobs->each[i];
    jobs->each[i] = (struct one_job){.jobs = jobs, .i = (int)i};
    return sched_submit(served_sched(a->served), &jobs->each[i].job, &r);
}

/* Too long a prompt has a code of its own in OpenAI's API. */
static glass_status too_long(struct ask *a) {
    struct sched_stats stats;
    char text[800];
    snprintf(text, sizeof text, "%s", glass_error());
    sched_get_stats(served_sched(a->served), &stats);
    for (int64_t i = 0; i < a->n_prompts; i++) {
        if (a->prompts[i].n <= stats.n_ctx) continue;
        TRY(reply_error(a->x, 400, "context_length_exceeded", NULL, text));
        return GLASS_CANCELLED;
    }
    return fail(GLASS_BAD_INPUT, "%s", text);
}

/* A reply for what was not taken, if none was begun. */
static glass_status refused(struct ask *a, enum submit_verdict verdict) {
    switch (verdict) {
    case SUBMIT_FULL:
        TRY(reply_error(a->x, 503, NULL, NULL,
                        "all places are taken and so are those to wait: try again later"));
        return GLASS_CANCELLED;
    case SUBMIT_CLOSING:
        TRY(reply_error(a->x, 503, NULL, NULL, "the server or the model is ending"));
        return GLASS_CANCELLED;
    case SUBMIT_BAD: return too_long(a);
    default: return fail(GLASS_NO_MEMORY, "%s", glass_error());
    }
}

static glass_status give_more(struct ask *a) {
    struct ask_jobs *jobs = a->jobs;
    while (jobs->n_given < jobs->n && jobs->n_given - jobs->n_ended < AT_ONCE) {
        enum submit_verdict v = give(a, jobs->n_given);
        bool others = jobs->n_given > jobs->n_ended;
        if (v == SUBMIT_FULL && others) return GLASS_OK; /* when one of ours has ended */
        if (v != SUBMIT_OK) return refused(a, v);
        jobs->n_given++;
    }
    return GLASS_OK;
}

glass_status ask_submit(struct ask *a) {
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)a->r.sampler.seed);
    TRY(reply_header(a->x, "X-Glass-Seed", seed));
    a->began = clock_now();
    TRY(create(a));
    return give_more(a);
}

int64_t ask_n_jobs(const struct ask *a) {
    return a->jobs->n;
}

void ask_cancel(struct ask *a, int job) {
    struct one_job *j = &a->jobs->each[job];
    if (j->job != NULL) job_cancel(j->job);
}

/* Under the lock; false when the time was over. */
static bool wait_for(struct ask_jobs *jobs, double seconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (int64_t)(seconds * 1e9);
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    return pthread_cond_timedwait(&jobs->come, &jobs->lock, &until) == 0;
}

static struct ask_event *take(struct ask_jobs *jobs) {
    struct ask_event *e = jobs->first;
    jobs->first = e->next;
    if (jobs->first == NULL) jobs->last = &jobs->first;
    mem_free(jobs->taken);
    jobs->taken = e;
    return e;
}

static glass_status ended(struct ask *a, const struct ask_event *e) {
    struct ask_jobs *jobs = a->jobs;
    jobs->n_ended++;
    exchange_note(a->x, NULL, e->n_prompt, e->n_cached, e->n_answer);
    job_release(jobs->each[e->job].job);
    jobs->each[e->job].job = NULL;
    return give_more(a);
}

glass_status ask_next(struct ask *a, const struct ask_event **out, double seconds,
                      bool *silent) {
    struct ask_jobs *jobs = a->jobs;
    double until = clock_now() + seconds;
    *out = NULL;
    *silent = false;
    for (;;) {
        pthread_mutex_lock(&jobs->lock);
        if (jobs->first == NULL && jobs->n_ended < jobs->n && !jobs->lost)
            wait_for(jobs, LOOK_S);
        bool lost = jobs->lost;
        struct ask_event *e = jobs->first != NULL ? take(jobs) : NULL;
        pthread_mutex_unlock(&jobs->lock);
        if (lost) return fail_memory(sizeof *e);
        if (clock_now() - jobs->looked > LOOK_S) {
            jobs->looked = clock_now();
            if (exchange_gone(a->x)) return fail(GLASS_CANCELLED, "the client has left");
        }
        if (e != NULL && e->kind == JOB_END) TRY(ended(a, e));
        *out = e;
        if (e != NULL || jobs->n_ended == jobs->n) return GLASS_OK;
        if (clock_now() < until) continue;
        *silent = true;
        return GLASS_OK;
    }
}

glass_status ask_failed(struct exchange *x, const struct ask_event *e) {
    static const char ending[] = "the server or the model is ending";
    if (e->end == JOB_FAILED) return fail(e->status, "%s", e->message);
    if (e->end != JOB_CANCELLED) return GLASS_OK;
    if (exchange_begun(x)) return fail(GLASS_SYSTEM, "%s", ending);
    TRY(reply_error(x, 503, NULL, NULL, ending));
    return GLASS_CANCELLED;
}

/* What was read and answered for a client that left counts as well. */
static void let_go(struct ask *a) {
    struct ask_jobs *jobs = a->jobs;
    for (int64_t i = 0; jobs->each != NULL && i < jobs->n_given; i++) {
        const struct one_job *j = &jobs->each[i];
        if (j->job == NULL) continue;
        job_release(j->job);
        exchange_note(a->x, NULL, j->n_prompt, j->n_cached, j->n_answer);
    }
}

static void jobs_free(struct ask_jobs *jobs) {
    while (jobs->first != NULL) {
        struct ask_event *e = jobs->first;
        jobs->first = e->next;
        mem_free(e);
    }
    mem_free(jobs->taken);
    mem_free(jobs->each);
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->come);
    mem_free(jobs);
}

void ask_close(struct ask *a) {
    if (a->jobs != NULL) {
        let_go(a);
        jobs_free(a->jobs);
    }
    for (int64_t i = 0; i < a->n_prompts; i++) glass_free(a->prompts[i].ids);
    mem_free(a->prompts);
    mem_free(a->bias);
    glass_grammar_free(a->grammar);
    if (a->served != NULL) models_release(a->served);
    *a = (struct ask){0};
}
