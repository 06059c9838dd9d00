/* test_speculative.c - proposals change nothing but the number of passes: tokens and logits
 * against one token at a time, for samplers of every kind and drafts that are the model
 * itself, near it, and far from it; what is proposed and how much; what is refused. */
#include "model/spec.h"
#include "text_model.h"

#include "base/mem.h"

enum { N_PROMPT = 24, N_ANSWER = 90, VOCAB_MOST = MAKER_TOKENS };

struct fixture {
    struct maker vocabulary, other, longer;
    glass_model *model, *near, *far, *small; /* one vocabulary; small has 64 positions */
    glass_model *strange, *larger;           /* other vocabularies */
    int64_t n_vocab;
};

static int start(void **state) {
    static struct fixture f;
    *state = &f;
    maker_bpe(&f.vocabulary, "gpt-2");
    maker_bpe(&f.other, "gpt-2");
    maker_bpe(&f.longer, "gpt-2");
    maker_add_text(&f.vocabulary, "<|endoftext|>", TOK_CONTROL);
    maker_add_text(&f.other, "<|end|>", TOK_CONTROL);
    maker_add_text(&f.longer, "<|endoftext|>", TOK_CONTROL);
    maker_add_text(&f.longer, "<|more|>", TOK_CONTROL);
    f.n_vocab = f.vocabulary.n_tokens;
    f.model =
        text_model_open(&f.vocabulary, &(struct text_model){.seed = 1, .sharpness = 2});
    f.near = text_model_open(
        &f.vocabulary, &(struct text_model){.seed = 1, .noise = 0.05F, .sharpness = 2});
    f.far = text_model_open(&f.vocabulary, &(struct text_model){.seed = 2, .sharpness = 2});
    f.small = text_model_open(&f.vocabulary,
                              &(struct text_model){.seed = 1, .sharpness = 2, .n_ctx = 64});
    f.strange = text_model_open(&f.other, &(struct text_model){.seed = 1, .sharpness = 2});
    f.larger = text_model_open(&f.longer, &(struct text_model){.seed = 1, .sharpness = 2});
    return 0;
}

static int end(void **state) {
    struct fixture *f = *state;
    glass_model *const all[] = {f->model, f->near, f->far, f->small, f->strange, f->larger};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) glass_model_close(all[i]);
    maker_free(&f->vocabulary), maker_free(&f->other), maker_free(&f->longer);
    return 0;
}

/* A prompt that repeats itself, so that look-up has something to find. */
static void make_prompt(int32_t *ids, int64_t n_vocab) {
    for (int i = 0; i < N_PROMPT; i++) ids[i] = (int32_t)(((i % 7) * 37 + 11) % n_vocab);
}

enum { KIND_LOOP = 9, N_KINDS = 11 };

static const glass_sampler_options *sampler_kind(int kind) {
    static glass_sampler_options o;
    static const glass_logit_bias bias[] = {{7, 3}, {9, -2}}, few[] = {{7, 90}, {9, 90}};
    glass_sampler_defaults(&o);
    switch (kind) {
    case 0: o.temperature = 0; break;
    case 1: break;
    case 2: o.repeat_penalty = 1.3F, o.presence_penalty = 0.4F; break;
    case 3: o.dry_multiplier = 0.8F, o.dry_allowed_length = 1; break;
    case 4: o.mirostat = 2, o.mirostat_tau = 3; break;
    case 5: o.mirostat = 1, o.mirostat_tau = 4; break;
    case 6: o.xtc_probability = 0.5F, o.xtc_threshold = 0.05F; break;
    case 7: o.temperature = 0, o.frequency_penalty = 0.7F, o.penalty_last_n = -1; break;
    case 8: o.typical_p = 0.7F, o.top_k = 0, o.bias = bias, o.n_bias = 2; break;
    case KIND_LOOP: o.temperature = 0, o.bias = few, o.n_bias = 2; break;
    default: o.temperature = 2, o.top_k = 0, o.top_p = 1, o.min_p = 0; break;
    }
    return &o;
}
static glass_sampler *new_sampler(const struct fixture *f, int kind, uint64_t seed,
                                  const int32_t *prompt) {
    glass_sampler_options o = *sampler_kind(kind);
    glass_sampler *s;
    o.seed = seed;
    ok(glass_sampler_create(&s, glass_model_tokenizer(f->model), &o));
    for (int i = 0; i < N_PROMPT; i++) ok(glass_sampler_accept(s, prompt[i]));
    return s;
}

struct answer {
    int32_t ids[N_ANSWER];
    float *logits; /* (N_ANSWER, n_vocab) that each was chosen from */
};

static void answer_make(struct answer *a, const struct fixture *f) {
    a->logits = malloc((size_t)(N_ANSWER * f->n_vocab) * sizeof *a->logits);
    assert_non_null(a->logits);
}

/* The definition: every token is a pass. */
static void plain(struct answer *a, const struct fixture *f, int kind, uint64_t seed,
                  const glass_session_options *o) {
    int32_t prompt[N_PROMPT];
    glass_session *session;
    make_prompt(prompt, f->n_vocab);
    glass_sampler *sampler = new_sampler(f, kind, seed, prompt);
    ok(glass_session_create(&session, f->model, o));
    ok(glass_session_eval(session, prompt, N_PROMPT, a->logits));
    for (int i = 0; i < N_ANSWER; i++) {
        float *row = a->logits + i * f->n_vocab;
        ok(glass_sampler_next(sampler, &a->ids[i], row, f->n_vocab));
        if (i + 1 < N_ANSWER)
            ok(glass_session_eval(session, &a->ids[i], 1, row + f->n_vocab));
    }
    glass_session_free(session);
    glass_sampler_free(sampler);
}

/* The same with proposals, compared as it goes. */
static glass_speculative_stats speculate(const struct answer *want, const struct fixture *f,
                                         int kind, uint64_t seed,
                                         const glass_session_options *o,
                                         const glass_speculative_options *how) {
    int32_t prompt[N_PROMPT], id;
    glass_session *session;
    glass_speculator *s;
    glass_speculative_stats stats;
    make_prompt(prompt, f->n_vocab);
    glass_sampler *sampler = new_sampler(f, kind, seed, prompt);
    ok(glass_session_create(&session, f->model, o));
    ok(glass_speculator_create(&s, session, how));
    float *first = malloc((size_t)f->n_vocab * sizeof *first);
    const float *logits = first;
    assert_non_null(first);
    ok(glass_session_eval(session, prompt, N_PROMPT, first));
    glass_speculator_begin(s);
    for (int i = 0; i < N_ANSWER; i++) {
        assert_memory_equal(logits, want->logits + i * f->n_vocab,
                            (size_t)f->n_vocab * sizeof *logits);
        ok(glass_sampler_next(sampler, &id, logits, f->n_vocab));
        assert_int_equal(id, want->ids[i]);
        if (i + 1 < N_ANSWER) ok(glass_speculator_feed(s, id, sampler, &logits));
    }
    int64_t held;
    assert_int_equal(glass_speculator_n_tokens(s), N_PROMPT + N_ANSWER - 1);
    glass_speculator_settle(s);
    const int32_t *tokens = glass_session_tokens(session, &held);
    assert_int_equal(held, N_PROMPT + N_ANSWER - 1);
    assert_memory_equal(tokens, prompt, sizeof prompt);
    assert_memory_equal(tokens + N_PROMPT, want->ids, (N_ANSWER - 1) * sizeof *tokens);
    glass_speculator_get_stats(s, &stats);
    assert_int_equal(stats.n_tokens, N_ANSWER - 1);
    assert_true(stats.draft_accepted <= stats.draft_proposed &&
                stats.lookup_accepted <= stats.lookup_proposed);
    assert_int_equal(stats.n_passes + stats.draft_accepted + stats.lookup_accepted,
                     stats.n_tokens);
    glass_speculator_free(s);
    glass_session_free(session);
    glass_sampler_free(sampler);
    free(first);
    return stats;
}

static void nothing_changes(void **state) {
    const struct fixture *f = *state;
    const glass_session_options o = {.n_ctx = 128, .n_threads = 1};
    const glass_speculative_options ways[] = {
        {.draft = f->model},
        {.draft = f->model, .fixed = true, .n_draft = 5},
        {.draft = f->near},
        {.draft = f->near, .fixed = true, .n_draft = 3},
        {.draft = f->far},
        {.draft = f->far, .fixed = true, .n_draft = 1},
        {.draft = f->small, .fixed = true, .n_draft = 8},
        {.lookup = 1},
        {.lookup = 2, .fixed = true, .n_draft = 64},
        {.draft = f->near, .lookup = 2},
        {.draft = f->near, .lookup = 1, .fixed = true, .n_draft = 7}};
    struct answer a;
    answer_make(&a, f);
    for (int kind = 0; kind < N_KINDS; kind++) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            plain(&a, f, kind, seed, &o);
            for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
                speculate(&a, f, kind, seed, &o, &ways[i]);
        }
    }
    free(a.logits);
}

/* Cache types, threads, small passes. */
static void sessions_of_every_kind(void **state) {
    const struct fixture *f = *state;
    const glass_session_options kinds[] = {{.n_ctx = 120, .n_threads = 2},
                                           {.n_ctx = 120, .n_batch = 3, .n_threads = 1},
                                           {.n_ctx = 120, .cache_type = GLASS_F16},
                                           {.n_batch = 1, .n_threads = 2}};
    const glass_speculative_options way = {
        .draft = f->near, .lookup = 2, .fixed = true, .n_draft = 6};
    struct answer a;
    answer_make(&a, f);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        plain(&a, f, 1, i, &kinds[i]);
        speculate(&a, f, 1, i, &kinds[i], &way);
    }
    free(a.logits);
}

/* A draft that is the model guesses every draw; one that is another hardly any. */
static void drafts_guess_draws(void **state) {
    const struct fixture *f = *state;
    const glass_session_options o = {.n_ctx = 128, .n_threads = 1};
    int64_t near_accepted = 0, far_accepted = 0, proposed = 0;
    struct answer a;
    answer_make(&a, f);
    for (int kind = 0; kind < N_KINDS; kind++) {
        glass_speculative_options how = {.draft = f->model, .fixed = true, .n_draft = 4};
        plain(&a, f, kind, 5, &o);
        glass_speculative_stats s = speculate(&a, f, kind, 5, &o, &how);
        /* 89 tokens are 17 passes of five, and one for the last four. */
        assert_int_equal(s.n_passes, 18);
        assert_int_equal(s.draft_proposed, 18 * 4);
        assert_int_equal(s.draft_accepted, 89 - 18);
        assert_int_equal(s.lookup_proposed, 0);
        how.draft = f->near;
        s = speculate(&a, f, kind, 5, &o, &how);
        near_accepted += s.draft_accepted;
        how.draft = f->far;
        s = speculate(&a, f, kind, 5, &o, &how);
        far_accepted += s.draft_accepted;
        proposed += s.draft_proposed;
    }
    assert_true(far_accepted * 10 < proposed && far_accepted * 4 < near_accepted);
    free(a.logits);
}

/* A greedy model that may say two words comes into a loop, which look-up finds. */
static void lookup_finds_repetition(void **state) {
    const struct fixture *f = *state;
    const glass_session_options o = {.n_ctx = 128, .n_threads = 1};
    const glass_speculative_options how = {.lookup = 2, .fixed = true, .n_draft = 8};
    struct answer a;
    answer_make(&a, f);
    plain(&a, f, KIND_LOOP, 0, &o);
    glass_speculative_stats s = speculate(&a, f, KIND_LOOP, 0, &o, &how);
    assert_true(s.lookup_accepted > N_ANSWER / 2);
    assert_int_equal(s.draft_proposed, 0);
    free(a.logits);
}

/* ---- the parts ---- */

static void lookup_as_defined(void **state) {
    (void)state;
    uint64_t random = 3;
    for (int round = 0; round < 3000; round++) {
        int32_t ids[40];
        int64_t n = 1 + (int64_t)(random_next(&random) % 40);
        int64_t least = 1 + (int64_t)(random_next(&random) % 3);
        int64_t most = 1 + (int64_t)(random_next(&random) % 20);
        int32_t letters = 2 + (int32_t)(random_next(&random) % 5);
        for (int64_t i = 0; i < n; i++)
            ids[i] = (int32_t)(random_next(&random) % (uint64_t)letters);
        int64_t best = 0, after = 0;
        for (int64_t end_at = 1; end_at < n; end_at++) {
            int64_t length = 0;
            while (length < 16 && length < end_at &&
                   ids[end_at - 1 - length] == ids[n - 1 - length])
                length++;
            if (length >= best && length > 0) best = length, after = end_at;
        }
        struct spec_proposal p;
        spec_lookup(&p, ids, n, least, most);
        assert_int_equal(p.source, SPEC_LOOKUP);
        assert_int_equal(p.n, best >= least ? most : 0);
        for (int64_t i = 0; i < p.n; i++) {
            int64_t period = n - after;
            assert_int_equal(p.ids[i], ids[after + i % period]);
            assert_int_equal(p.bins[i], spec_bin_lookup(best + i));
        }
    }
}

static void measure_costs(struct spec_plan *plan, double first, double each) {
    for (int round = 0; round < 40; round++)
        for (int64_t m = 1; m <= SPEC_MOST + 1; m++)
            spec_note_pass(plan, m, first + each * (double)(m - 1));
}

static struct spec_proposal sure_of(int bin, int64_t n) {
    struct spec_proposal p = {.source = SPEC_LOOKUP, .n = n};
    memset(p.bins, bin, sizeof p.bins);
    return p;
}

static void plans_pay(void **state) {
    (void)state;
    struct spec_plan plan = {0};
    struct spec_proposal p = sure_of(SPEC_BINS - 1, SPEC_MOST);
    double speed;
    measure_costs(&plan, 1, 0.001); /* rows cost nothing */
    for (int i = 0; i < 1000; i++) spec_note_token(&plan, SPEC_LOOKUP, SPEC_BINS - 1, true);
    assert_true(spec_best(&plan, &p, &speed) == SPEC_MOST);
    assert_true(speed > 40);
    /* What never held is not proposed even then. */
    for (int i = 0; i < 1000; i++) spec_note_token(&plan, SPEC_LOOKUP, 0, false);
    p = sure_of(0, SPEC_MOST);
    assert_true(spec_best(&plan, &p, &speed) <= 4);
    /* Nor anything when every row costs what a pass does. */
    plan = (struct spec_plan){.draft_share = 0.1};
    measure_costs(&plan, 1, 1.1);
    p = sure_of(SPEC_BINS - 1, SPEC_MOST);
    assert_int_equal(spec_best(&plan, &p, &speed), 0);
    assert_int_equal(spec_draft_length(&plan, SPEC_MOST, &speed), 0);
}

static void plans_see_over_steps(void **state) {
    (void)state;
    struct spec_plan plan = {0};
    struct spec_proposal p = sure_of(SPEC_BINS - 1, SPEC_MOST);
    double speed;
    /* Five rows cost twice four, and sixteen no more than five. */
    for (int round = 0; round < 40; round++)
        for (int64_t m = 1; m <= SPEC_MOST + 1; m++)
            spec_note_pass(&plan, m, m < 5 ? 1 : m < 17 ? 2 : 20);
    for (int i = 0; i < 1000; i++) spec_note_token(&plan, SPEC_LOOKUP, SPEC_BINS - 1, true);
    assert_int_equal(spec_best(&plan, &p, &speed), 15);
    for (int i = 0; i < 400; i++) spec_note_token(&plan, SPEC_LOOKUP, SPEC_BINS - 1, false);
    assert_int_equal(spec_best(&plan, &p, &speed), 3);
}

static void drafts_must_pay(void **state) {
    (void)state;
    struct spec_plan plan = {.draft_share = 0.1};
    double speed;
    assert_true(spec_draft_length(&plan, 16, &speed) > 1); /* worth a try */
    plan.draft_share = 1;
    assert_int_equal(spec_draft_length(&plan, 16, &speed), 0);
    measure_costs(&plan, 1, 0.02);
    for (int i = 0; i < 300; i++) spec_note_token(&plan, SPEC_DRAFT, 7, true);
    for (int i = 0; i < 30; i++) spec_note_draft(&plan, 4, 0.4);
    assert_true(spec_draft_length(&plan, 16, &speed) > 8);
    assert_true(spec_draft_more(&plan, 0.9));
    assert_false(spec_draft_more(&plan, 0.05));
    for (int i = 0; i < 60; i++)
        spec_note_draft(&plan, 4, 4 * 1.5); /* slower than a pass */
    assert_int_equal(spec_draft_length(&plan, 16, &speed), 0);
}

/* Passes from now to the next for which the draft is asked. */
static int64_t passes_without(struct spec_plan *plan) {
    double speed;
    int64_t passes = 0;
    while (spec_draft_now(plan, 16, &speed) == 0) {
        spec_note_pass(plan, 1, 1);
        passes++;
    }
    return passes;
}

/* One that does not pay is tried again, ever more rarely; one that pays is asked always. */
static void drafts_rest(void **state) {
    (void)state;
    struct spec_plan plan = {.draft_share = 2};
    double speed;
    measure_costs(&plan, 1, 0.02);
    int64_t before = 0;
    for (int trial = 0; trial < 5; trial++) {
        int64_t rest = passes_without(&plan);
        assert_true(rest > (trial == 0 ? 10 : 3 * before / 2));
        before = rest;
        for (int i = 1; i < 3; i++) assert_int_equal(passes_without(&plan), 0);
        spec_note_draft(&plan, 4, 4 * 2.0);
        spec_note_pass(&plan, 3, 1.04);
    }
    plan.rest = 0;
    for (int i = 0; i < 100; i++) {
        spec_note_token(&plan, SPEC_DRAFT, 7, true);
        spec_note_draft(&plan, 1, 0.1);
        spec_note_pass(&plan, 1, 1);
    }
    for (int i = 0; i < 10; i++) assert_true(spec_draft_now(&plan, 16, &speed) > 4);
    assert_true(speed > 3);
    /* What is made and not worth a check counts as a miss. */
    for (int i = 0; i < 1000; i++) spec_note_dropped(&plan);
    assert_true(spec_draft_length(&plan, 16, &speed) <= 1);
}

/* One pass that another program held up does not count for long. */
static void outliers_pass(void **state) {
    (void)state;
    struct spec_plan plan = {0};
    measure_costs(&plan, 1, 0.1);
    double before = spec_cost(&plan, 1);
    spec_note_pass(&plan, 1, 1000);
    assert_true(spec_cost(&plan, 1) < 2 * before + 0.1);
    for (int i = 0; i < 20; i++) spec_note_pass(&plan, 1, 1);
    assert_true(spec_cost(&plan, 1) < 1.05);
}

/* ---- what is refused, and other users of the session ---- */

static void sessions_change_hands(void **state) {
    const struct fixture *f = *state;
    const glass_session_options o = {.n_ctx = 40, .n_threads = 1};
    const glass_speculative_options how = {.draft = f->model, .fixed = true, .n_draft = 4};
    float want[VOCAB_MOST], got[VOCAB_MOST];
    const float *logits;
    int32_t prompt[N_PROMPT], id = 5;
    glass_session *session, *other;
    glass_speculator *s;
    int64_t held;
    make_prompt(prompt, f->n_vocab);
    ok(glass_session_create(&session, f->model, &o));
    ok(glass_session_create(&other, f->model, &o));
    ok(glass_speculator_create(&s, session, &how));
    ok(glass_session_eval(session, prompt, 10, NULL));
    /* It stands where the session stood when it was made. */
    assert_int_equal(glass_speculator_feed(s, id, NULL, &logits), GLASS_USAGE);
    glass_speculator_begin(s);
    ok(glass_speculator_feed(s, id, NULL, &logits));
    glass_session_tokens(session, &held);
    assert_int_equal(held, 10 + 1 + 4);
    assert_int_equal(glass_speculator_n_tokens(s), 11);
    ok(glass_session_truncate(session, 9));
    assert_int_equal(glass_speculator_feed(s, id, NULL, &logits), GLASS_USAGE);
    ok(glass_session_eval(session, prompt + 9, 3, NULL));
    glass_speculator_begin(s);
    ok(glass_speculator_feed(s, id, NULL, &logits));
    ok(glass_session_eval(other, prompt, 12, NULL));
    ok(glass_session_eval(other, &id, 1, want));
    assert_memory_equal(logits, want, (size_t)f->n_vocab * sizeof *want);
    /* Settled, it is a session like any other. */
    glass_speculator_settle(s);
    ok(glass_session_eval(session, &id, 1, got));
    ok(glass_session_eval(other, &id, 1, want));
    assert_memory_equal(got, want, (size_t)f->n_vocab * sizeof *want);
    glass_speculator_begin(s);
    /* Ids outside the vocabulary are as for any session, and change nothing. */
    const int32_t bad[] = {-1, (int32_t)f->n_vocab};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(glass_speculator_feed(s, bad[i], NULL, &logits), GLASS_BAD_INPUT);
        glass_session_tokens(session, &held);
        assert_int_equal(held, 14);
    }
    /* Up to the last position, and not beyond. */
    for (int i = 14; i < 40; i++) {
        ok(glass_speculator_feed(s, id, NULL, &logits));
        ok(glass_session_eval(other, &id, 1, want));
        assert_memory_equal(logits, want, (size_t)f->n_vocab * sizeof *want);
        id = (id * 7 + 1) % (int32_t)f->n_vocab;
    }
    assert_int_equal(glass_speculator_feed(s, id, NULL, &logits), GLASS_BAD_INPUT);
    assert_int_equal(glass_session_eval(other, &id, 1, want), GLASS_BAD_INPUT);
    glass_speculative_stats stats;
    glass_speculator_reset_stats(s);
    glass_speculator_get_stats(s, &stats);
    assert_int_equal(stats.n_passes, 0);
    glass_speculator_free(s);
    glass_session_free(session), glass_session_free(other);
}

static void what_is_refused(void **state) {
    const struct fixture *f = *state;
    const glass_session_options o = {.n_ctx = 40, .n_threads = 1};
    const struct {
        glass_speculative_options options;
        glass_status status;
        const char *says;
    } cases[] = {{{0}, GLASS_USAGE, "draft model or look-up"},
                 {{.lookup = -1}, GLASS_USAGE, "-1"},
                 {{.lookup = 2, .n_draft = 65}, GLASS_USAGE, "1 to 64"},
                 {{.lookup = 2, .n_draft = -1}, GLASS_USAGE, "1 to 64"},
                 {{.draft = f->strange}, GLASS_BAD_INPUT, "\"<|end|>\""},
                 {{.draft = f->larger}, GLASS_BAD_INPUT, "does not fit"}};
    glass_session *session;
    glass_speculator *s;
    ok(glass_session_create(&session, f->model, &o));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(glass_speculator_create(&s, session, &cases[i].options),
                         cases[i].status);
        assert_null(s);
        if (strstr(glass_error(), cases[i].says) == NULL)
            print_error("%s\n", glass_error());
        assert_non_null(strstr(glass_error(), cases[i].says));
    }
    glass_speculator_free(NULL);
    /* Each allocation failing once. */
    const glass_speculative_options how = {.draft = f->near, .lookup = 2};
    for (int64_t n = 1;; n++) {
        mem_fail_at(n);
        glass_status status = glass_speculator_create(&s, session, &how);
        mem_fail_at(0);
        if (status == GLASS_OK) break;
        assert_int_equal(status, GLASS_NO_MEMORY);
        assert_null(s);
        assert_true(n < 100);
    }
    glass_speculator_free(s);
    glass_session_free(session);
}

/* Memory that is refused while proposing only means fewer proposals. */
static void memory_fails_while_proposing(void **state) {
    const struct fixture *f = *state;
    const glass_session_options o = {.n_ctx = 64, .n_threads = 1};
    const glass_speculative_options how = {.draft = f->near, .fixed = true, .n_draft = 3};
    int32_t prompt[N_PROMPT], id = 5;
    float want[VOCAB_MOST];
    const float *logits;
    make_prompt(prompt, f->n_vocab);
    for (int64_t n = 1; n < 12; n++) {
        glass_session *session, *other;
        glass_speculator *s;
        glass_sampler *sampler = new_sampler(f, 3, 1, prompt);
        ok(glass_session_create(&session, f->model, &o));
        ok(glass_session_create(&other, f->model, &o));
        ok(glass_session_eval(session, prompt, N_PROMPT, NULL));
        ok(glass_session_eval(other, prompt, N_PROMPT, NULL));
        ok(glass_speculator_create(&s, session, &how));
        mem_fail_at(n);
        glass_status status = glass_speculator_feed(s, id, sampler, &logits);
        mem_fail_at(0);
        ok(status);
        ok(glass_session_eval(other, &id, 1, want));
        assert_memory_equal(logits, want, (size_t)f->n_vocab * sizeof *want);
        glass_speculator_free(s);
        glass_sampler_free(sampler);
        glass_session_free(session), glass_session_free(other);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_changes),
        cmocka_unit_test(sessions_of_every_kind),
        cmocka_unit_test(drafts_guess_draws),
        cmocka_unit_test(lookup_finds_repetition),
        cmocka_unit_test(lookup_as_defined),
        cmocka_unit_test(plans_pay),
        cmocka_unit_test(plans_see_over_steps),
        cmocka_unit_test(drafts_must_pay),
        cmocka_unit_test(drafts_rest),
        cmocka_unit_test(outliers_pass),
        cmocka_unit_test(sessions_change_hands),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(memory_fails_while_proposing),
    };
    return cmocka_run_group_tests_name("speculative", tests, start, end);
}
