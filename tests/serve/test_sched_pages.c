/* test_sched_pages.c - the scheduler when pages are few: requests wait or are paused and read
 * again, get the answers that they get alone, and all come to their end; prompts that begin
 * alike share pages, also across restarts; what can never fit is refused. */
#include "solo.h"

#include "base/mem.h"

#include <dirent.h>
#include <unistd.h>

enum { N_CTX = 1100, N_REQUESTS = 24, PAGE = GLASS_POOL_PAGE };

struct request {
    struct job_request r;
    int32_t prompt[N_CTX];
    struct answer alone;
};

struct fixture {
    struct maker vocabulary;
    glass_model *model;
    int64_t n_vocab;
    size_t page_bytes;
    struct request *requests;
};

static const glass_session_options alone_options = {
    .n_ctx = N_CTX, .n_batch = 256, .n_threads = 1};

/* Prompts of up to 800 tokens in four families that begin alike for 0, 200, 400, 600 tokens;
 * answers of up to 300. */
static void make_request(struct request *q, uint64_t i, int64_t n_vocab) {
    uint64_t state = i * 104729 + 11, family = i % 4;
    int64_t shared = (int64_t)family * 200;
    int64_t n = shared + 1 + (int64_t)(random_next(&state) % 200);
    for (int64_t t = 0; t < n; t++)
        q->prompt[t] = t < shared ? (int32_t)((t * 7 + (int64_t)family * 3 + 5) % n_vocab)
                                  : (int32_t)(random_next(&state) % (uint64_t)n_vocab);
    q->r = (struct job_request){.prompt = q->prompt,
                                .n_prompt = n,
                                .n_predict = (int64_t)(20 + i * 37 % 280),
                                .logprobs = i % 3 == 0,
                                .ignore_eos = i % 2 == 0,
                                .client = i % 3,
                                .event = answer_event};
    if (i == 7) q->r.n_predict = -1;
    glass_sampler_defaults(&q->r.sampler);
    q->r.sampler.seed = i;
    if (i % 4 == 0) q->r.sampler.temperature = 0;
    if (i % 4 == 1) q->r.sampler.repeat_penalty = 1.2F;
}

static int start(void **state) {
    static struct fixture f;
    glass_pool_info info;
    *state = &f;
    maker_bpe(&f.vocabulary, "gpt-2");
    maker_add_text(&f.vocabulary, "<|endoftext|>", TOK_CONTROL);
    f.vocabulary.eos = (int)f.vocabulary.n_tokens - 1;
    f.n_vocab = f.vocabulary.n_tokens;
    f.model = text_model_open(
        &f.vocabulary, &(struct text_model){.seed = 1, .sharpness = 2, .n_ctx = 2048});
    ok(glass_pool_plan(&info, f.model, &(glass_pool_options){.n_ctx = N_CTX}));
    f.page_bytes = info.page_bytes;
    f.requests = calloc(N_REQUESTS, sizeof *f.requests);
    for (uint64_t i = 0; i < N_REQUESTS; i++) {
        struct request *q = &f.requests[i];
        make_request(q, i, f.n_vocab);
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

static struct sched *make_sched(const struct fixture *f, int64_t n_pages,
                                struct sched_options o) {
    struct sched *s;
    o.n_ctx = N_CTX;
    o.n_threads = 2;
    o.cache_bytes = (size_t)n_pages * f->page_bytes;
    ok(sched_create(&s, f->model, &o));
    return s;
}

static struct job *submit(struct sched *s, struct answer *a, const struct job_request *r) {
    struct job *job;
    struct job_request mine = *r;
    mine.context = a;
    answer_init(a);
    if (sched_submit(s, &job, &mine) != SUBMIT_OK) wrong("%s", glass_error());
    return job;
}

static void expect_same(const struct fixture *f, const struct answer *a, int i,
                        int64_t n_pages) {
    if (!same_answer(a, &f->requests[i].alone, &f->requests[i].r))
        wrong("%d pages: request %d got another answer: %d tokens, end %d; alone %d, end "
              "%d (%s)",
              (int)n_pages, i, (int)a->n, a->end, (int)f->requests[i].alone.n,
              f->requests[i].alone.end, a->message);
}

/* All requests at once, in an order of the round's. */
static void try_all(const struct fixture *f, struct sched *s, uint64_t round,
                    int64_t n_pages) {
    static struct answer answers[N_REQUESTS];
    struct job *jobs[N_REQUESTS];
    for (int i = 0; i < N_REQUESTS; i++) {
        int at = (int)((uint64_t)i * 7 + round * 5) % N_REQUESTS;
        jobs[at] = submit(s, &answers[at], &f->requests[at].r);
    }
    for (int i = 0; i < N_REQUESTS; i++) {
        answer_wait(&answers[i]);
        job_release(jobs[i]);
        expect_same(f, &answers[i], i, n_pages);
        answer_clear(&answers[i]);
    }
}

/* From just enough for the longest request to enough for many. */
static void test_few_pages(void **state) {
    const struct fixture *f = *state;
    int64_t n_paused = 0;
    for (int64_t n_pages = 5; n_pages <= 20; n_pages += 7) {
        struct sched_stats stats;
        struct sched *s =
            make_sched(f, n_pages, (struct sched_options){.n_parallel = 12, .n_batch = 64});
        for (uint64_t round = 0; round < 2; round++)
            try_all(f, s, (uint64_t)n_pages + round, n_pages);
        sched_drain(s, 1);
        sched_get_stats(s, &stats);
        assert_int_equal(stats.n_pages, n_pages);
        assert_true(stats.n_pages_used == stats.n_pages_kept);
        assert_true(stats.cached_tokens > 0);
        assert_int_equal(stats.cache_bytes, (size_t)n_pages * f->page_bytes);
        n_paused += stats.n_paused;
        sched_free(s);
    }
    assert_true(n_paused > 10);
}

/* Prompt log-probabilities and cancelled requests while pages are few. */
static void test_rows_and_cancel(void **state) {
    const struct fixture *f = *state;
    struct sched *s =
        make_sched(f, 6, (struct sched_options){.n_parallel = 8, .n_batch = 32});
    struct answer a[12], again;
    struct job *jobs[12];
    struct job_request r = f->requests[3].r;
    r.prompt_logprobs = true;
    struct job *job = submit(s, &again, &r); /* alone, to be compared with */
    answer_wait(&again);
    job_release(job);
    for (int i = 0; i < 12; i++)
        jobs[i] = submit(s, &a[i], i % 3 == 0 ? &r : &f->requests[i].r);
    job_release(jobs[1]);
    answer_wait(&a[0]);
    job_release(jobs[4]);
    for (int i = 0; i < 12; i++) {
        if (i == 1 || i == 4) {
            answer_clear(&a[i]);
            continue;
        }
        answer_wait(&a[i]);
        job_release(jobs[i]);
        expect_same(f, &a[i], i % 3 == 0 ? 3 : i, 6);
        if (i % 3 == 0) {
            assert_int_equal(a[i].n_prompt_said, again.n_prompt_said);
            for (int64_t t = 0; t < again.n_prompt_said; t++)
                assert_memory_equal(&a[i].prompt[t], &again.prompt[t],
                                    sizeof again.prompt[t]);
        }
        answer_clear(&a[i]);
    }
    answer_clear(&again);
    sched_free(s);
}

static void test_never_fits(void **state) {
    const struct fixture *f = *state;
    struct sched *s = make_sched(f, 2, (struct sched_options){.n_parallel = 4});
    struct job *job;
    struct job_request r = f->requests[0].r;
    r.n_predict = 2 * PAGE + 1 - r.n_prompt; /* the last one is not stored */
    struct answer a;
    job = submit(s, &a, &r);
    answer_wait(&a);
    assert_true(a.n > 0 && a.end != JOB_FAILED);
    job_release(job);
    answer_clear(&a);
    r.n_predict++;
    assert_int_equal(sched_submit(s, &job, &r), SUBMIT_BAD);
    assert_non_null(strstr(glass_error(), "513"));
    assert_non_null(strstr(glass_error(), "512"));
    r.n_predict = -1; /* as many as fit */
    r.ignore_eos = true;
    job = submit(s, &a, &r);
    answer_wait(&a);
    assert_int_equal(a.end, JOB_CONTEXT);
    assert_int_equal(a.n + r.n_prompt, 2 * PAGE + 1);
    job_release(job);
    answer_clear(&a);
    sched_free(s);
}

/* Requests that come together and begin alike read what they share once. */
static void test_shared_reading(void **state) {
    const struct fixture *f = *state;
    struct sched *s =
        make_sched(f, 40, (struct sched_options){.n_parallel = 8, .n_batch = 128});
    struct answer a[6];
    struct job *jobs[6];
    int64_t n_prompt = 0;
    for (int i = 0; i < 6; i++) {
        jobs[i] = submit(s, &a[i], &f->requests[3 + 4 * i].r); /* 600 tokens alike */
        n_prompt += f->requests[3 + 4 * i].r.n_prompt;
    }
    for (int i = 0; i < 6; i++) {
        answer_wait(&a[i]);
        job_release(jobs[i]);
        expect_same(f, &a[i], 3 + 4 * i, 40);
        answer_clear(&a[i]);
    }
    struct sched_stats stats;
    sched_get_stats(s, &stats);
    assert_int_equal(stats.prompt_tokens + stats.cached_tokens, n_prompt);
    assert_true(stats.cached_tokens >= 5 * 512);
    sched_free(s);
}

static char folder[] = "/tmp/glass-sched-pages-XXXXXX";

static void test_restart(void **state) {
    const struct fixture *f = *state;
    struct sched_options o = {.n_parallel = 4, .prefix_dir = folder};
    assert_non_null(mkdtemp(folder));
    for (int round = 0; round < 2; round++) {
        struct answer a;
        struct sched_stats stats;
        struct sched *s = make_sched(f, 20, o);
        struct job *job = submit(s, &a, &f->requests[3].r);
        answer_wait(&a);
        job_release(job);
        expect_same(f, &a, 3, 20);
        assert_int_equal(a.n_cached, round == 0 ? 0 : 512);
        sched_drain(s, 1);
        sched_get_stats(s, &stats);
        assert_int_equal(stats.n_pages_read, round == 0 ? 0 : 2);
        answer_clear(&a);
        sched_free(s);
    }
    DIR *d = opendir(folder);
    char path[512];
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        unlink(path);
    }
    closedir(d);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_pages),  cmocka_unit_test(test_rows_and_cancel),
        cmocka_unit_test(test_never_fits), cmocka_unit_test(test_shared_reading),
        cmocka_unit_test(test_restart),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, end);
}
