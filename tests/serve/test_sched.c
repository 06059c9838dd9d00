/* test_sched.c - the scheduler: each of many requests at once gets the answer that it gets
 * alone, in whatever order they come; stop texts, log-probabilities, embeddings; what is
 * refused, waits, is cancelled, drained; turns between clients. */
#include "solo.h"

#include "base/mem.h"

#include <time.h>

enum { N_CTX = 192, N_REQUESTS = 64, ROUNDS = 10 };

struct request {
    struct job_request r;
    int32_t prompt[N_CTX];
    glass_logit_bias bias[2];
    const char *stop[2];
    char stop_text[2][16];
    struct answer alone;
};

struct fixture {
    struct maker vocabulary;
    glass_model *model;
    int64_t n_vocab;
    struct request *requests; /* (N_REQUESTS) with their answers alone */
};

static const glass_session_options alone_options = {
    .n_ctx = N_CTX, .n_batch = 64, .n_threads = 1};

static void make_sampler(glass_sampler_options *o, struct request *q, uint64_t seed) {
    glass_sampler_defaults(o);
    o->seed = seed;
    switch (seed % 6) {
    case 0: o->temperature = 0; break;
    case 1: break;
    case 2:
        o->top_k = 0;
        o->temperature = 1.3F;
        break;
    case 3:
        o->mirostat = 2;
        o->presence_penalty = 0.5F;
        break;
    case 4:
        o->repeat_penalty = 1.2F;
        o->dry_multiplier = 0.8F;
        break;
    case 5:
        q->bias[0] = (glass_logit_bias){7, 2};
        q->bias[1] = (glass_logit_bias){9, -INFINITY};
        o->bias = q->bias;
        o->n_bias = 2;
        o->xtc_probability = 0.3F;
    }
}

/* Prompts of 1 to 120 tokens: half of them begin like others, by 5 to 80 tokens. */
static void make_request(struct request *q, uint64_t i, int64_t n_vocab) {
    uint64_t state = i * 7919 + 5, family = i / 2 % 4;
    int64_t shared = i % 2 ? (int64_t)(5 + 25 * (i / 8 % 4)) : 0;
    int64_t n = shared + 1 + (int64_t)(random_next(&state) % 40);
    for (int64_t t = 0; t < n; t++)
        q->prompt[t] = t < shared
                           ? (int32_t)((int64_t)(family * 31 + 3) * (t + 1) % n_vocab)
                           : (int32_t)(random_next(&state) % (uint64_t)n_vocab);
    q->r = (struct job_request){.prompt = q->prompt,
                                .n_prompt = n,
                                .n_predict = i % 7 == 3 ? -1 : (int64_t)(10 + i % 50),
                                .logprobs = i % 3 == 0,
                                .n_top = i % 5 == 0 ? 3 : 0,
                                .ignore_eos = i % 4 == 0,
                                .goes_on = i % 2 == 0,
                                .client = i % 5,
                                .event = answer_event};
    make_sampler(&q->r.sampler, q, i);
}

/* Stop texts that the answer without them has, cut from its middle. */
static void make_stops(struct request *q, const glass_model *model) {
    struct answer whole;
    answer_init(&whole);
    solo_answer(&whole, model, &q->r, &alone_options);
    for (int i = 0; i < 2; i++) {
        size_t n = (size_t)(2 + i * 3), at = whole.text.len / 2 + (size_t)i * 7;
        if (at + n > whole.text.len) break;
        memcpy(q->stop_text[i], whole.text.data + at, n);
        if (memchr(q->stop_text[i], 0, n) != NULL) break;
        q->stop[i] = q->stop_text[i];
        q->r.n_stop++;
    }
    q->r.stop = q->stop;
    answer_clear(&whole);
}

static int start(void **state) {
    static struct fixture f;
    *state = &f;
    maker_bpe(&f.vocabulary, "gpt-2");
    maker_add_text(&f.vocabulary, "<|endoftext|>", TOK_CONTROL);
    f.vocabulary.eos = (int)f.vocabulary.n_tokens - 1;
    f.n_vocab = f.vocabulary.n_tokens;
    f.model =
        text_model_open(&f.vocabulary, &(struct text_model){.seed = 1, .sharpness = 2});
    f.requests = calloc(N_REQUESTS, sizeof *f.requests);
    for (uint64_t i = 0; i < N_REQUESTS; i++) {
        struct request *q = &f.requests[i];
        make_request(q, i, f.n_vocab);
        if (i % 3 == 1) make_stops(q, f.model);
        answer_init(&q->alone);
        solo_answer(&q->alone, f.model, &q->r, &alone_options);
    }
    return 0;
}

static int end(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < N_REQUESTS; i++) answer_clear(&f->requests[i].alone);
    free(f->requests);
    glass_model_close(f->model);
    maker_free(&f->vocabulary);
    return 0;
}

static struct sched *make_sched(const struct fixture *f, struct sched_options o) {
    struct sched *s;
    if (o.n_ctx == 0) o.n_ctx = N_CTX;
    if (o.n_threads == 0) o.n_threads = 2;
    ok(sched_create(&s, f->model, &o));
    return s;
}

static struct job *submit(struct sched *s, struct answer *a, const struct job_request *r) {
    struct job *job;
    struct job_request mine = *r;
    mine.context = a;
    mine.event = answer_event;
    answer_init(a);
    if (sched_submit(s, &job, &mine) != SUBMIT_OK) wrong("%s", glass_error());
    return job;
}

/* ---- the same answer ---- */

static void try_all(const struct fixture *f, struct sched *s, uint64_t round) {
    static struct answer answers[N_REQUESTS];
    struct job *jobs[N_REQUESTS];
    int order[N_REQUESTS];
    uint64_t state = round + 77;
    for (int i = 0; i < N_REQUESTS; i++) order[i] = i;
    for (int i = N_REQUESTS - 1; i > 0; i--) {
        int j = (int)(random_next(&state) % (uint64_t)(i + 1)), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    for (int i = 0; i < N_REQUESTS; i++) {
        int at = order[i];
        jobs[at] = submit(s, &answers[at], &f->requests[at].r);
        if (random_next(&state) % 8 == 0)
            nanosleep(&(struct timespec){0, (long)(random_next(&state) % 3000000)}, NULL);
    }
    for (int i = 0; i < N_REQUESTS; i++) {
        answer_wait(&answers[i]);
        job_release(jobs[i]);
        if (!same_answer(&answers[i], &f->requests[i].alone, &f->requests[i].r))
            wrong("round %d: request %d got another answer: %d tokens, end %d; alone %d, "
                  "end %d (%s)",
                  (int)round, i, (int)answers[i].n, answers[i].end,
                  (int)f->requests[i].alone.n, f->requests[i].alone.end,
                  answers[i].message);
        assert_int_equal(answers[i].n_ends, 1);
        assert_false(answers[i].after_end);
        answer_clear(&answers[i]);
    }
}

static void test_same_answers(void **state) {
    const struct fixture *f = *state;
    struct sched *s =
        make_sched(f, (struct sched_options){.n_parallel = 64, .n_batch = 96});
    for (uint64_t round = 0; round < ROUNDS; round++) try_all(f, s, round);
    struct sched_stats stats;
    sched_get_stats(s, &stats);
    assert_int_equal(stats.jobs, ROUNDS * N_REQUESTS);
    assert_true(stats.cached_tokens > 0);
    assert_int_equal(stats.n_running, 0);
    sched_free(s);
    /* Fewer places than requests, and pieces of a few tokens. */
    s = make_sched(f,
                   (struct sched_options){.n_parallel = 5, .n_batch = 7, .n_threads = 3});
    for (uint64_t round = 0; round < 2; round++) try_all(f, s, round);
    sched_free(s);
}

/* Requests with grammars among others; one grammar serves many. */
static void test_grammars(void **state) {
    const struct fixture *f = *state;
    static const char *const texts[] = {"root ::= [a-z ]{3,20} [0-9]+ \".\"",
                                        "root ::= \"yes\" | \"no\" | \"maybe\"",
                                        "root ::= ([A-Z] [a-z]*) (\" \" [a-z]+){0,9}"};
    enum { GRAMMARS = 3, JOBS = 18 };
    glass_grammar *grammars[GRAMMARS];
    struct job_request r[JOBS];
    struct answer alone[JOBS], answers[JOBS];
    struct job *jobs[JOBS];
    const glass_tokenizer *t = glass_model_tokenizer(f->model);
    for (int i = 0; i < GRAMMARS; i++)
        ok(glass_grammar_from_gbnf(&grammars[i], t, texts[i], strlen(texts[i]), NULL));
    for (int i = 0; i < JOBS; i++) {
        r[i] = f->requests[i].r;
        r[i].ignore_eos = false;
        r[i].n_stop = 0;
        if (i % 4 != 3) r[i].grammar = grammars[i % GRAMMARS];
        answer_init(&alone[i]);
        solo_answer(&alone[i], f->model, &r[i], &alone_options);
    }
    struct sched *s = make_sched(f, (struct sched_options){.n_parallel = 8});
    for (int i = 0; i < JOBS; i++) jobs[i] = submit(s, &answers[i], &r[i]);
    int n_whole = 0;
    for (int i = 0; i < JOBS; i++) {
        answer_wait(&answers[i]);
        job_release(jobs[i]);
        if (!same_answer(&answers[i], &alone[i], &r[i]))
            wrong("request %d: \"%s\" alone, \"%s\" here (%s)", i, alone[i].text.data,
                  answers[i].text.data, answers[i].message);
        n_whole += r[i].grammar != NULL && answers[i].end == JOB_MODEL;
        answer_clear(&answers[i]);
        answer_clear(&alone[i]);
    }
    assert_true(n_whole >= 4); /* a choice is finished without a token that ends it */
    sched_free(s);
    for (int i = 0; i < GRAMMARS; i++) glass_grammar_free(grammars[i]);
}

/* Whoever asked leaves while a token is being drawn, and what was asked with goes, too. */
static void test_grammar_goes(void **state) {
    const struct fixture *f = *state;
    static const char text[] = "root ::= ([a-z]+ \" \"){40} [0-9]+";
    struct sched *s = make_sched(f, (struct sched_options){.n_parallel = 4});
    for (long i = 0; i < 60; i++) {
        struct job_request r = f->requests[0].r;
        struct answer a;
        glass_grammar *grammar;
        ok(glass_grammar_from_gbnf(&grammar, glass_model_tokenizer(f->model), text,
                                   strlen(text), NULL));
        r.ignore_eos = false;
        r.grammar = grammar;
        struct job *job = submit(s, &a, &r);
        nanosleep(&(struct timespec){0, i * 50000}, NULL);
        job_release(job);
        glass_grammar_free(grammar);
        answer_clear(&a);
    }
    sched_free(s);
}

/* ---- prompts ---- */

static void test_prompt_logprobs(void **state) {
    const struct fixture *f = *state;
    struct job_request r = f->requests[33].r;
    int64_t n = r.n_prompt, V = f->n_vocab;
    float *logits = malloc((size_t)(n * V) * sizeof *logits),
          *lp = malloc((size_t)V * sizeof *lp);
    glass_session *session;
    ok(glass_session_create(&session, f->model, &alone_options));
    ok(glass_session_eval_all(session, r.prompt, n, logits));
    glass_session_free(session);
    struct sched *s = make_sched(f, (struct sched_options){.n_parallel = 4, .n_batch = 16});
    /* Twice, so that the prompt stands in the cache; with other requests; without an answer. */
    for (int round = 0; round < 3; round++) {
        struct answer a, others[3];
        struct job *job, *jobs[3];
        r.prompt_logprobs = true;
        r.n_predict = round == 1 ? 0 : f->requests[33].r.n_predict;
        for (int i = 0; i < 3; i++) jobs[i] = submit(s, &others[i], &f->requests[9 + i].r);
        job = submit(s, &a, &r);
        answer_wait(&a);
        assert_int_equal(a.n_prompt_said, n);
        assert_int_equal(a.n_cached, 0);
        assert_true(isnan(a.prompt[0].logprob) && a.prompt[0].id == r.prompt[0]);
        for (int64_t t = 1; t < n; t++) {
            glass_logprobs(lp, logits + (t - 1) * V, V);
            assert_int_equal(a.prompt[t].id, r.prompt[t]);
            assert_memory_equal(&a.prompt[t].logprob, &lp[r.prompt[t]], sizeof *lp);
        }
        if (round != 1) assert_true(same_answer(&a, &f->requests[33].alone, &r));
        if (round == 1) assert_true(a.end == JOB_LENGTH && a.n == 0);
        job_release(job);
        answer_clear(&a);
        for (int i = 0; i < 3; i++) {
            answer_wait(&others[i]);
            assert_true(
                same_answer(&others[i], &f->requests[9 + i].alone, &f->requests[9 + i].r));
            job_release(jobs[i]);
            answer_clear(&others[i]);
        }
    }
    sched_free(s);
    free(logits);
    free(lp);
}

static void test_embedding(void **state) {
    const struct fixture *f = *state;
    struct job_request r = f->requests[41].r;
    struct answer a, b;
    float *hidden = malloc((size_t)(r.n_prompt * TM_EMBD) * sizeof *hidden);
    glass_session *session;
    ok(glass_session_create(&session, f->model, &alone_options));
    glass_batch_item item = {
        .session = session, .tokens = r.prompt, .n = r.n_prompt, .hidden = hidden};
    ok(glass_batch_eval(&item, 1));
    glass_session_free(session);
    struct sched *s = make_sched(f, (struct sched_options){.n_parallel = 3, .n_batch = 8});
    r.embed = true;
    for (int round = 0; round < 2; round++) {
        struct job *other = submit(s, &b, &f->requests[12].r), *job = submit(s, &a, &r);
        answer_wait(&a);
        answer_wait(&b);
        assert_int_equal(a.end, JOB_LENGTH);
        assert_int_equal(a.n_embd, TM_EMBD);
        double length = 0, sums[TM_EMBD] = {0};
        for (int64_t t = 0; t < r.n_prompt; t++)
            for (int d = 0; d < TM_EMBD; d++) sums[d] += (double)hidden[t * TM_EMBD + d];
        for (int d = 0; d < TM_EMBD; d++) length += sums[d] * sums[d];
        for (int d = 0; d < TM_EMBD; d++) {
            double want = sums[d] / sqrt(length);
            assert_true(fabs((double)a.embedding[d] - want) < 1e-6);
        }
        assert_true(same_answer(&b, &f->requests[12].alone, &f->requests[12].r));
        job_release(job);
        job_release(other);
        answer_clear(&a);
        answer_clear(&b);
    }
    sched_free(s);
    free(hidden);
}

/* ---- what is not taken ---- */

static void refuse(struct sched *s, const struct job_request *r, const char *words) {
    struct job *job;
    assert_int_equal(sched_submit(s, &job, r), SUBMIT_BAD);
    assert_null(job);
    if (strstr(glass_error(), words) == NULL)
        wrong("\"%s\" does not say \"%s\"", glass_error(), words);
}

static void test_refusals(void **state) {
    const struct fixture *f = *state;
    struct sched *s = make_sched(f, (struct sched_options){.n_parallel = 2});
    struct job_request good = f->requests[1].r, r = good;
    int32_t strange[] = {1, 2, (int32_t)f->n_vocab}, many[N_CTX + 1] = {0};
    glass_logit_bias bias = {(int32_t)f->n_vocab, 1};
    r.n_prompt = 0;
    refuse(s, &r, "no tokens");
    r = good;
    r.prompt = strange;
    r.n_prompt = 3;
    refuse(s, &r, "token 2");
    r.prompt = many;
    r.n_prompt = N_CTX + 1;
    refuse(s, &r, "193 tokens and the context 192");
    r.n_prompt = 100;
    r.n_predict = 93;
    refuse(s, &r, "100 tokens of prompt and 93 to answer are 193; the context has 192");
    r = good;
    r.n_top = 101;
    refuse(s, &r, "101");
    r = good;
    r.sampler.temperature = -1;
    refuse(s, &r, "temperature");
    r = good;
    r.sampler.bias = &bias;
    r.sampler.n_bias = 1;
    refuse(s, &r, "logit_bias");
    r = good;
    r.embed = r.prompt_logprobs = true;
    refuse(s, &r, "embedding");
    sched_free(s);
    struct sched *none;
    struct sched_options o = {.n_ctx = 100000};
    assert_int_equal(sched_create(&none, f->model, &o), GLASS_USAGE);
    assert_null(none);
}

/* Bias that leaves no token fails its own request alone. */
static void test_failures(void **state) {
    const struct fixture *f = *state;
    struct sched *s = make_sched(f, (struct sched_options){.n_parallel = 4});
    struct job_request r = f->requests[1].r;
    struct answer a, b;
    glass_logit_bias *bias = malloc((size_t)f->n_vocab * sizeof *bias);
    for (int32_t id = 0; id < f->n_vocab; id++)
        bias[id] = (glass_logit_bias){id, -INFINITY};
    r.sampler.bias = bias;
    r.sampler.n_bias = f->n_vocab;
    struct job *other = submit(s, &b, &f->requests[2].r), *job = submit(s, &a, &r);
    free(bias);
    answer_wait(&a);
    answer_wait(&b);
    assert_int_equal(a.end, JOB_FAILED);
    assert_non_null(strstr(a.message, "leave no token"));
    assert_true(same_answer(&b, &f->requests[2].alone, &f->requests[2].r));
    job_release(job);
    job_release(other);
    answer_clear(&a);
    answer_clear(&b);
    sched_free(s);
}

/* ---- waiting, leaving ---- */

/* Blocks the scheduler's thread at the first event, until it is let go. */
struct gate {
    struct answer a;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool reached, open;
};

static void gate_event(void *context, const struct job_event *e) {
    struct gate *g = context;
    pthread_mutex_lock(&g->lock);
    g->reached = true;
    pthread_cond_broadcast(&g->change);
    while (!g->open) pthread_cond_wait(&g->change, &g->lock);
    pthread_mutex_unlock(&g->lock);
    answer_event(&g->a, e);
}

static struct job *close_gate(struct gate *g, struct sched *s,
                              const struct job_request *of) {
    struct job *job;
    struct job_request r = *of;
    *g = (struct gate){.open = false};
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->change, NULL);
    answer_init(&g->a);
    r.event = gate_event;
    r.context = g;
    assert_int_equal(sched_submit(s, &job, &r), SUBMIT_OK);
    pthread_mutex_lock(&g->lock);
    while (!g->reached) pthread_cond_wait(&g->change, &g->lock);
    pthread_mutex_unlock(&g->lock);
    return job;
}

static void open_gate(struct gate *g) {
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->change);
    pthread_mutex_unlock(&g->lock);
}

static void test_queue_and_cancel(void **state) {
    const struct fixture *f = *state;
    struct sched *s = make_sched(f, (struct sched_options){.n_parallel = 1, .n_queue = 3});
    struct gate g;
    struct answer a[3];
    struct job *jobs[3], *none;
    struct job *first = close_gate(&g, s, &f->requests[0].r);
    for (int i = 0; i < 3; i++) jobs[i] = submit(s, &a[i], &f->requests[i + 1].r);
    assert_int_equal(sched_submit(s, &none, &f->requests[5].r), SUBMIT_FULL);
    assert_null(none);
    struct sched_stats stats;
    sched_get_stats(s, &stats);
    assert_true(stats.n_waiting == 3 && stats.n_running == 1);
    char *lines;
    ok(sched_describe(s, &lines));
    int n_lines = 0;
    for (char *c = lines; *c; c++) n_lines += *c == '\n';
    assert_int_equal(n_lines, 4);
    assert_non_null(strstr(lines, "\"state\":\"waiting\""));
    mem_free(lines);
    job_cancel(jobs[1]); /* while it waits */
    job_cancel(first);   /* while it runs */
    open_gate(&g);
    answer_wait(&g.a);
    assert_int_equal(g.a.end, JOB_CANCELLED);
    for (int i = 0; i < 3; i++) {
        answer_wait(&a[i]);
        if (i == 1)
            assert_true(a[i].end == JOB_CANCELLED && a[i].n == 0);
        else
            assert_true(
                same_answer(&a[i], &f->requests[i + 1].alone, &f->requests[i + 1].r));
        job_cancel(jobs[i]); /* after the end: nothing */
        job_release(jobs[i]);
        answer_clear(&a[i]);
    }
    job_release(first);
    answer_clear(&g.a);
    sched_free(s);
}

struct releaser {
    struct job *job;
    atomic_bool done;
};

static void *release(void *context) {
    struct releaser *r = context;
    job_release(r->job);
    atomic_store(&r->done, true);
    return NULL;
}

/* A release waits for the event that is being told. */
static void test_release_waits(void **state) {
    const struct fixture *f = *state;
    struct sched *s = make_sched(f, (struct sched_options){.n_parallel = 2});
    struct gate g;
    pthread_t thread;
    struct releaser r = {close_gate(&g, s, &f->requests[0].r), false};
    assert_int_equal(pthread_create(&thread, NULL, release, &r), 0);
    nanosleep(&(struct timespec){0, 30000000}, NULL);
    assert_false(atomic_load(&r.done));
    open_gate(&g);
    pthread_join(thread, NULL);
    int64_t n = g.a.n;
    sched_free(s);
    assert_true(g.a.n == n && g.a.n_ends == 0);
    answer_clear(&g.a);
}

/* No event comes after a release, which cancels. */
static void test_release(void **state) {
    const struct fixture *f = *state;
    struct sched *s = make_sched(f, (struct sched_options){.n_parallel = 8, .n_batch = 8});
    for (int round = 0; round < 40; round++) {
        struct answer *a = malloc(4 * sizeof *a);
        struct job *jobs[4];
        for (int i = 0; i < 4; i++) jobs[i] = submit(s, &a[i], &f->requests[4 + i].r);
        if (round % 4) nanosleep(&(struct timespec){0, round * 20000}, NULL);
        for (int i = 0; i < 4; i++) {
            job_release(jobs[i]);
            answer_clear(&a[i]);
        }
        free(a); /* an event now would write into freed memory */
    }
    sched_drain(s, 1);
    struct sched_stats stats;
    sched_get_stats(s, &stats);
    assert_true(stats.n_running == 0 && stats.n_waiting == 0);
    sched_free(s);
}

/* One client's many requests do not keep another's single one waiting. */
static void test_turns(void **state) {
    const struct fixture *f = *state;
    struct sched *s = make_sched(f, (struct sched_options){.n_parallel = 1});
    struct gate g;
    struct answer a[9];
    struct job *jobs[9];
    struct job_request r = f->requests[1].r;
    struct job *first = close_gate(&g, s, &f->requests[0].r);
    for (int i = 0; i < 8; i++) {
        r.client = i < 6 ? 100 : 200; /* six, then two of another */
        jobs[i] = submit(s, &a[i], &r);
    }
    r.client = 300;
    jobs[8] = submit(s, &a[8], &r);
    open_gate(&g);
    /* In turns: 100, 200, 300, 100, 200, 100, 100 … */
    static const int order[9] = {0, 6, 8, 1, 7, 2, 3, 4, 5};
    for (int i = 0; i < 9; i++) {
        answer_wait(&a[order[i]]);
        if (i > 0) assert_true(a[order[i]].order > a[order[i - 1]].order);
    }
    answer_wait(&g.a);
    job_release(first);
    answer_clear(&g.a);
    for (int i = 0; i < 9; i++) {
        job_release(jobs[i]);
        answer_clear(&a[i]);
    }
    sched_free(s);
}

static void test_drain(void **state) {
    const struct fixture *f = *state;
    struct sched *s = make_sched(f, (struct sched_options){.n_parallel = 2});
    struct answer a[6];
    struct job *jobs[6], *none;
    for (int i = 0; i < 6; i++) jobs[i] = submit(s, &a[i], &f->requests[i].r);
    sched_drain(s, 60);
    for (int i = 0; i < 6; i++) {
        assert_true(same_answer(&a[i], &f->requests[i].alone, &f->requests[i].r));
        job_release(jobs[i]);
        answer_clear(&a[i]);
    }
    assert_int_equal(sched_submit(s, &none, &f->requests[0].r), SUBMIT_CLOSING);
    sched_free(s);
    /* Without grace, and without a drain: all end cancelled. */
    for (int way = 0; way < 2; way++) {
        s = make_sched(f, (struct sched_options){.n_parallel = 2});
        struct gate g;
        struct job *first = close_gate(&g, s, &f->requests[3].r);
        for (int i = 0; i < 6; i++) jobs[i] = submit(s, &a[i], &f->requests[i].r);
        open_gate(&g);
        if (way == 0) sched_drain(s, 0);
        sched_free(s);
        assert_int_equal(g.a.n_ends, 1);
        job_release(first);
        answer_clear(&g.a);
        for (int i = 0; i < 6; i++) {
            assert_int_equal(a[i].n_ends, 1);
            job_release(jobs[i]);
            answer_clear(&a[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_answers),  cmocka_unit_test(test_grammars),
        cmocka_unit_test(test_grammar_goes),  cmocka_unit_test(test_prompt_logprobs),
        cmocka_unit_test(test_embedding),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_failures),      cmocka_unit_test(test_queue_and_cancel),
        cmocka_unit_test(test_release_waits), cmocka_unit_test(test_release),
        cmocka_unit_test(test_turns),         cmocka_unit_test(test_drain),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, end);
}
