/* bench_speculation.c - glass bench --draft and --lookup: how much faster the same answer
 * comes. Every round answers once without proposals and once with them, and compares. As in a
 * chat that goes on, the draft has read the prompt, and what was learnt in a round is known in
 * the next; the first does not count. */
#include "cli/bench.h"

#include "base/path.h"

#include <stdio.h>

enum { TEXT_LIMIT = 1 << 24 };

struct race {
    struct run_options *run;
    struct engine engine;
    int32_t *prompt, *plain, *ids; /* (n_prompt), (n_most), (n_most) */
    int64_t n_prompt, n_most, n_plain;
    double plain_per_s[BENCH_MAX_ROUNDS], per_s[BENCH_MAX_ROUNDS];
    glass_speculative_stats stats; /* of the last round */
};

static glass_status begin(struct race *r) {
    struct engine *e = &r->engine;
    TRY(glass_session_truncate(e->session, r->n_prompt));
    glass_sampler_reset(e->sampler);
    for (int64_t i = 0; i < r->n_prompt; i++)
        TRY(glass_sampler_accept(e->sampler, r->prompt[i]));
    glass_speculator_begin(e->speculator);
    glass_speculator_reset_stats(e->speculator);
    return GLASS_OK;
}

/* Answers; *n tokens go to ids, at *per_s tokens a second. */
static glass_status answer(struct race *r, bool speculate, int32_t *ids, int64_t *n,
                           double *per_s) {
    struct engine *e = &r->engine;
    const float *logits = e->logits;
    float *next = NULL;
    TRY(begin(r));
    glass_status status = mem_alloc(&next, (size_t)e->n_vocab, sizeof *next);
    double start = cli_now();
    for (*n = 0; status == GLASS_OK && *n < r->n_most; ++*n) {
        status = glass_sampler_next(e->sampler, &ids[*n], logits, e->n_vocab);
        if (status != GLASS_OK || glass_tokenizer_is_end(e->tokenizer, ids[*n])) break;
        if (speculate) {
            status = glass_speculator_feed(e->speculator, ids[*n], e->sampler, &logits);
        } else {
            status = glass_session_eval(e->session, &ids[*n], 1, next);
            logits = next;
        }
    }
    *per_s = (double)*n / (cli_now() - start);
    mem_free(next);
    return status;
}

static glass_status round_once(struct race *r, int64_t i) {
    int64_t n;
    TRY(answer(r, false, r->plain, &r->n_plain, &r->plain_per_s[i]));
    if (r->n_plain == 0) return fail(GLASS_BAD_INPUT, "the model has nothing to say to it");
    TRY(answer(r, true, r->ids, &n, &r->per_s[i]));
    glass_speculator_get_stats(r->engine.speculator, &r->stats);
    if (n != r->n_plain || memcmp(r->ids, r->plain, (size_t)n * sizeof *r->ids) != 0)
        return fail(GLASS_SYSTEM, "the answers with and without proposals differ: a defect "
                                  "of Glass, which its authors want to know of");
    return GLASS_OK;
}

static glass_status read_prompt(struct race *r, const char *file) {
    struct buf text = {0};
    glass_status status = path_read_whole(&text, file, TEXT_LIMIT);
    if (status == GLASS_OK)
        status = glass_tokenizer_encode(r->engine.tokenizer, &r->prompt, &r->n_prompt,
                                        text.data ? text.data : "", text.len,
                                        GLASS_ADD_SPECIAL | GLASS_PARSE_SPECIAL);
    buf_free(&text);
    TRY(status);
    return engine_feed(&r->engine, r->prompt, r->n_prompt);
}

static void report(const struct race *r, int64_t rounds) {
    const glass_speculative_stats *s = &r->stats;
    double plain = bench_median(r->plain_per_s, rounds);
    double fast = bench_median(r->per_s, rounds);
    long long proposed = (long long)(s->draft_proposed + s->lookup_proposed);
    long long held = (long long)(s->draft_accepted + s->lookup_accepted);
    if (r->run->json) {
        printf("{\"prompt_tokens\":%lld,\"answer_tokens\":%lld,\"plain_per_s\":%.2f,"
               "\"per_s\":%.2f,\"speedup\":%.3f,\"passes\":%lld,\"proposed\":%lld,"
               "\"accepted\":%lld,\"pass_s\":%.4f,\"propose_s\":%.4f,\"same\":true}\n",
               (long long)r->n_prompt, (long long)r->n_plain, plain, fast, fast / plain,
               (long long)s->n_passes, proposed, held, s->pass_s, s->propose_s);
        return;
    }
    printf("prompt of %lld tokens, answer of %lld, median of %lld rounds, the same tokens "
           "both ways\n",
           (long long)r->n_prompt, (long long)r->n_plain, (long long)rounds);
    printf("without proposals  %9.1f tokens/s\n", plain);
    printf("with proposals     %9.1f tokens/s  %.2f times; %lld passes, %lld of %lld "
           "proposals held\n",
           fast, fast / plain, (long long)s->n_passes, held, proposed);
}

glass_status bench_speculation(const char *model, const char *file, struct run_options *run,
                               int64_t n_answer, int64_t rounds) {
    struct race r = {.run = run, .n_most = n_answer};
    glass_status status;
    if (file == NULL)
        return fail(GLASS_USAGE, "--draft and --lookup are measured on a text: -f FILE");
    TRY_FAIL(engine_open(&r.engine, model, run));
    TRY_FAIL(read_prompt(&r, file));
    int64_t room = glass_session_n_ctx(r.engine.session) - r.n_prompt;
    if (r.n_most > room) r.n_most = room;
    TRY_FAIL(mem_alloc(&r.plain, (size_t)r.n_most, sizeof *r.plain));
    TRY_FAIL(mem_alloc(&r.ids, (size_t)r.n_most, sizeof *r.ids));
    for (int64_t i = -1; i < rounds; i++) TRY_FAIL(round_once(&r, i < 0 ? 0 : i));
    report(&r, rounds);
fail:
    mem_free(r.prompt);
    mem_free(r.plain);
    mem_free(r.ids);
    engine_close(&r.engine);
    return status;
}
