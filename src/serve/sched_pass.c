/* sched_pass.c - which tokens share a pass, and what is made of its logits.
 *
 * Answers come first, one row each; what is left of n_batch is shared by the prompts: the
 * oldest has half, so that it comes to its end, and those that need least have the rest, so
 * that short ones need not wait for long ones. Draws and log-probabilities are shared out
 * among the team by rows of logits; events are given by the scheduler's thread, in order. */
#include "base/clock.h"
#include "base/team.h"
#include "serve/sched_parts.h"

#include <math.h>
#include <stdio.h>

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Whether the logits of all prompt tokens, or the rows of an embedding, are wanted now. */
static bool wants_rows(const struct job *job) {
    if (job->n_fed < job->n_scored) return false;
    if (job->r.embed) return true;
    return job->r.prompt_logprobs && job->n_scored < job->r.n_prompt - 1;
}

/* ---- the plan ---- */

/* Tokens that the job can feed in one pass, scores that are left considered. */
static int64_t appetite(const struct job *job, int64_t scores) {
    int64_t n = job->n_tokens - job->n_fed;
    if (job->n_fed < job->n_scored) return least(n, job->n_scored - job->n_fed);
    return job->r.prompt_logprobs && wants_rows(job) ? least(n, scores) : n;
}

struct budget {
    int64_t rows, scores;
};

/* The job gets n tokens more, at most. */
static void give(struct budget *b, struct job *job, int64_t n) {
    int64_t more = least(n, appetite(job, job->n_take + b->scores) - job->n_take);
    if (more <= 0) return;
    job->n_take += more;
    b->rows -= more;
    if (job->r.prompt_logprobs && wants_rows(job)) b->scores -= more;
}

/* Whether an older job is about to read the page that this one comes to next: then it will be
 * there for both. */
static bool page_comes(const struct sched *s, const struct job *job) {
    int64_t page = GLASS_POOL_PAGE, from = job->n_fed;
    if (from % page != 0 || from + page > job_reusable(job)) return false;
    for (int64_t i = 0; s->running[i] != job; i++) {
        const struct job *older = s->running[i];
        if (older->n_fed >= from && older->n_fed < from + page &&
            older->n_tokens >= from + page &&
            memcmp(older->tokens, job->tokens, (size_t)(from + page) * sizeof(int32_t)) ==
                0)
            return true;
    }
    return false;
}

static void plan(struct sched *s) {
    struct budget b = {s->o.n_batch, SCORED_ROWS};
    struct job *oldest = NULL;
    for (int64_t i = 0; i < s->n_running; i++) {
        struct job *job = s->running[i];
        job->n_take = 0;
        if (job->n_tokens - job->n_fed > 1) cache_look_again(s, job, job_reusable(job));
        if (job->n_tokens - job->n_fed == 1)
            give(&b, job, 1);
        else if (oldest == NULL)
            oldest = job;
    }
    if (oldest == NULL) return;
    give(&b, oldest, (b.rows + 1) / 2);
    while (b.rows > 0) { /* the one that needs least, among those that have nothing */
        struct job *next = NULL;
        for (int64_t i = 0; i < s->n_running; i++) {
            struct job *job = s->running[i];
            if (job->n_take > 0 || appetite(job, b.scores) <= 0 || page_comes(s, job))
                continue;
            if (next == NULL || job->n_tokens - job->n_fed < next->n_tokens - next->n_fed)
                next = job;
        }
        if (next == NULL) break;
        give(&b, next, b.rows);
    }
    give(&b, oldest, b.rows);
}

/* ---- the pass ---- */

static void add_task(struct sched *s, struct job *job, bool scores, int32_t id) {
    struct task *task = &s->tasks[s->n_tasks];
    *task = (struct task){.job = job,
                          .logits = s->logits + s->n_tasks * s->info.n_vocab,
                          .scores = scores,
                          .token = {id, NAN},
                          .top = s->tops + s->n_tasks * TOP_MOST};
    s->n_tasks++;
}

/* The job's tokens in the pass, and what its logits are for. */
static void add_item(struct sched *s, struct job *job, int64_t row) {
    glass_batch_item *item = &s->items[s->n_items++];
    int64_t end = job->n_fed + job->n_take;
    bool draws = end == job->n_tokens && !job->r.embed && job->r.n_predict != 0;
    *item = (glass_batch_item){
        .session = job->session, .tokens = job->tokens + job->n_fed, .n = job->n_take};
    if (wants_rows(job) && job->r.embed) item->hidden = s->hidden + row * s->info.n_embd;
    item->all_logits = wants_rows(job) && job->r.prompt_logprobs;
    if (item->all_logits || draws) item->logits = s->logits + s->n_tasks * s->info.n_vocab;
    if (!item->all_logits && draws) add_task(s, job, false, -1);
    if (!item->all_logits) return;
    for (int64_t t = job->n_fed; t < end; t++)
        if (t + 1 < job->r.n_prompt)
            add_task(s, job, true, job->tokens[t + 1]);
        else /* without a draw the row has nobody who reads it */
            add_task(s, job, !draws, -1);
}

/* ---- logits ---- */

/* The n likeliest of the vocabulary, the lower id first on ties. */
static void find_top(struct task *task, const float *logprobs, int64_t n_vocab, int64_t n) {
    struct job_logprob *top = task->top;
    int64_t held = 0;
    n = least(n, n_vocab);
    for (int64_t id = 0; id < n_vocab; id++) {
        if (held == n && !(logprobs[id] > top[n - 1].logprob)) continue;
        int64_t at = held < n ? held++ : n - 1;
        for (; at > 0 && logprobs[id] > top[at - 1].logprob; at--) top[at] = top[at - 1];
        top[at] = (struct job_logprob){(int32_t)id, logprobs[id]};
    }
    task->n_top = held;
}

static bool ends_answer(const struct job *job, int32_t id) {
    const glass_tokenizer *t = job->sched->tokenizer;
    return job->r.infill ? glass_infill_is_end(t, id) : glass_tokenizer_is_end(t, id);
}

static void work_on(const struct sched *s, struct task *task, float *logprobs) {
    struct job *job = task->job;
    int64_t n_vocab = s->info.n_vocab;
    if (!task->scores) {
        task->status =
            glass_sampler_next(job->sampler, &task->token.id, task->logits, n_vocab);
        if (task->status != GLASS_OK) {
            snprintf(task->message, sizeof task->message, "%s", glass_error());
            return;
        }
        task->ends = ends_answer(job, task->token.id);
        if (task->ends || (!job->r.logprobs && job->r.n_top == 0)) return;
    }
    if (task->token.id < 0) return;
    glass_logprobs(logprobs, task->logits, n_vocab);
    task->token.logprob = logprobs[task->token.id];
    if (job->r.n_top > 0) find_top(task, logprobs, n_vocab, job->r.n_top);
}

static void work_share(void *context, const struct member *me) {
    struct sched *s = context;
    int64_t i, end;
    while (team_queue_next(me, s->n_tasks, 1, &i, &end))
        work_on(s, &s->tasks[i], s->logprobs + me->i * s->info.n_vocab);
}

/* ---- what becomes of it ---- */

static void say_prompt(struct job *job, const struct task *task) {
    struct job_event event = {.kind = JOB_PROMPT,
                              .n_read = least(job->n_fed, job->r.n_prompt),
                              .token = {-1, NAN}};
    if (task != NULL) {
        event.token = task->token;
        event.top = task->top;
        event.n_top = task->n_top;
        event.n_read = ++job->n_said;
    } else if (job->r.prompt_logprobs) {
        if (job->n_said > 0) return;
        event.token.id = job->tokens[0];
        event.n_read = ++job->n_said;
    } else {
        if (event.n_read <= job->n_said) return;
        job->n_said = event.n_read;
    }
    job_event(job, &event);
}

static void add_rows(struct job *job, const glass_batch_item *item, int64_t D) {
    for (int64_t t = 0; t < item->n; t++)
        for (int64_t d = 0; d < D; d++) job->sums[d] += (double)item->hidden[t * D + d];
    job->n_scored = job->n_fed;
}

/* The job's tasks of this pass, from `task` on; returns the next job's. */
static struct task *follow(struct sched *s, struct job *job, struct task *task) {
    struct task *end = s->tasks + s->n_tasks;
    for (; task < end && task->job == job && task->scores; task++)
        if (task->token.id >= 0) {
            job->n_scored++;
            say_prompt(job, task);
        }
    bool draws = task < end && task->job == job;
    if (draws && job->answered == 0) job->answered = clock_now();
    if (!draws) {
        if (job->n_fed < job->n_tokens) return task;
        if (job->answered == 0) job->answered = clock_now();
        sched_end(s, job, JOB_LENGTH, GLASS_OK, NULL);
    } else if (task->status != GLASS_OK) {
        sched_end(s, job, JOB_FAILED, task->status, task->message);
    } else if (task->ends) {
        sched_end(s, job, JOB_MODEL, GLASS_OK, NULL);
    } else {
        int how = job_take_token(job, task);
        if (how == JOB_FAILED)
            sched_end(s, job, JOB_FAILED, GLASS_NO_MEMORY, glass_error());
        else if (how != JOB_GOES_ON)
            sched_end(s, job, (enum job_end)how, GLASS_OK, NULL);
    }
    return draws ? task + 1 : task;
}

static void fail_all(struct sched *s, glass_status status) {
    char message[MESSAGE_BYTES];
    snprintf(message, sizeof message, "%s", glass_error());
    while (s->n_running > 0)
        sched_end(s, s->running[s->n_running - 1], JOB_FAILED, status, message);
}

void sched_pass(struct sched *s) {
    int64_t n_rows = 0;
    s->n_items = s->n_tasks = 0;
    plan(s);
    cache_reserve(s);
    for (int64_t i = 0; i < s->n_running; i++) {
        struct job *job = s->running[i];
        if (job->n_take == 0) continue;
        add_item(s, job, n_rows);
        n_rows += job->n_take;
    }
    glass_status status = glass_batch_eval(s->items, s->n_items);
    if (status != GLASS_OK) {
        fail_all(s, status);
        return;
    }
    /* A team of another size would make OpenMP end threads and start them again. */
    team_run(s->n_tasks > 1 ? s->o.n_threads : 1, work_share, s);
    struct task *task = s->tasks;
    int64_t item = 0;
    for (int64_t i = 0; i < s->n_running;) { /* those that end leave the array */
        struct job *job = s->running[i];
        if (job->n_take > 0) {
            const glass_batch_item *fed = &s->items[item++];
            int64_t n_prompt = least(job->n_fed + job->n_take, job->r.n_prompt);
            if (n_prompt > job->n_fed) s->mine.prompt_tokens += n_prompt - job->n_fed;
            job->n_fed += job->n_take;
            if (fed->hidden != NULL) add_rows(job, fed, s->info.n_embd);
            if (job->n_said < job->r.n_prompt) say_prompt(job, NULL);
            task = follow(s, job, task);
        }
        if (i < s->n_running && s->running[i] == job) i++;
    }
}
