/* test_eval.c - perplexity, log-likelihoods and divergence against plain loops over logits
 * with the C library's exp and log; the same bits however the work is cut; what is refused. */
#include "text_model.h"

#include <math.h>

static const char story[] =
    "The cat sat on the mat. The dog, who had seen the cat, sat on another mat. They've "
    "said it isn't 12 o'clock; there are other theories about the others' brothers. \"The "
    "theatre,\" they said, \"is where the mother of the cat has seen the dog.\"";
enum { N_STORY = sizeof story - 1, MOST = 256 };

struct fixture {
    struct maker bpe, spm, other;
    glass_model *a, *near, *far; /* one vocabulary */
    glass_model *bos;            /* SentencePiece, wants BOS */
    glass_model *strange;        /* another vocabulary */
};

static int start(void **state) {
    static struct fixture f;
    *state = &f;
    maker_bpe(&f.bpe, "gpt-2");
    f.bpe.eos = maker_add_text(&f.bpe, "<|endoftext|>", TOK_CONTROL);
    maker_spm(&f.spm);
    f.spm.add_bos = 1;
    maker_bpe(&f.other, "gpt-2");
    maker_add_text(&f.other, "<|end|>", TOK_CONTROL);
    f.a = text_model_open(&f.bpe, &(struct text_model){.seed = 1, .sharpness = 1});
    f.near = text_model_open(
        &f.bpe, &(struct text_model){.seed = 1, .noise = 0.05F, .sharpness = 1});
    f.far = text_model_open(&f.bpe, &(struct text_model){.seed = 2, .sharpness = 1});
    f.bos = text_model_open(&f.spm, &(struct text_model){.seed = 3, .sharpness = 1});
    f.strange = text_model_open(&f.other, &(struct text_model){.seed = 1, .sharpness = 1});
    return 0;
}

static int end(void **state) {
    struct fixture *f = *state;
    glass_model_close(f->a), glass_model_close(f->near), glass_model_close(f->far);
    glass_model_close(f->bos), glass_model_close(f->strange);
    maker_free(&f->bpe), maker_free(&f->spm), maker_free(&f->other);
    return 0;
}

/* ---- the plain definition ---- */

static int64_t vocab_of(const glass_model *m) {
    glass_model_info info;
    glass_model_get_info(m, &info);
    return info.n_vocab;
}

/* ln p over the vocabulary after each of ids, (n, n_vocab); the caller's. */
static double *plain_rows(const glass_model *m, const int32_t *ids, int64_t n) {
    int64_t V = vocab_of(m);
    glass_session *s;
    float *logits = malloc((size_t)(n * V) * sizeof *logits);
    double *rows = malloc((size_t)(n * V) * sizeof *rows);
    assert_true(logits != NULL && rows != NULL);
    ok(glass_session_create(&s, m, &(glass_session_options){.n_ctx = n, .n_threads = 1}));
    ok(glass_session_eval_all(s, ids, n, logits));
    glass_session_free(s);
    for (int64_t t = 0; t < n; t++) {
        double z = 0;
        for (int64_t i = 0; i < V; i++) z += exp((double)logits[t * V + i]);
        for (int64_t i = 0; i < V; i++)
            rows[t * V + i] = (double)logits[t * V + i] - log(z);
    }
    free(logits);
    return rows;
}

static int32_t *encoded(const glass_model *m, const char *text, size_t n, bool bos,
                        int64_t *n_ids) {
    const glass_tokenizer *t = glass_model_tokenizer(m);
    int32_t *ids, *all = malloc((n + 1) * sizeof *all);
    assert_non_null(all);
    ok(glass_tokenizer_encode(t, &ids, n_ids, text, n, 0));
    if (bos) all[0] = glass_tokenizer_bos(t);
    memcpy(all + bos, ids, (size_t)*n_ids * sizeof *ids);
    *n_ids += bos;
    glass_free(ids);
    return all;
}

static void near_to(double got, double want) {
    bool near = fabs(got - want) <= 1e-11 * (1 + fabs(want));
    if (!near) print_error("%.17g, not %.17g\n", got, want);
    assert_true(near);
}

/* Of the tokens [score, end) given those from begin on. */
static double plain_nll(const glass_model *m, int32_t *ids, int64_t begin, int64_t score,
                        int64_t end, bool bos, double *squares) {
    int64_t V = vocab_of(m);
    int32_t first = ids[begin];
    if (bos) ids[begin] = glass_tokenizer_bos(glass_model_tokenizer(m));
    double *rows = plain_rows(m, ids + begin, end - begin), sum = 0;
    for (int64_t t = score; t < end; t++) {
        double nll = -rows[(t - 1 - begin) * V + ids[t]];
        sum += nll;
        *squares += nll * nll;
    }
    ids[begin] = first;
    free(rows);
    return sum;
}

static void check_perplexity(const glass_model *m, bool bos, int64_t C, int64_t S,
                             bool whole) {
    int64_t n, n_scored = 0, n_windows = 0, at = 1;
    int32_t *ids = encoded(m, story, N_STORY, bos, &n);
    double sum = 0, squares = 0;
    glass_perplexity p;
    const glass_eval_options o = {.n_ctx = whole ? 0 : C, .stride = S, .whole = whole};
    ok(glass_eval_perplexity(&p, m, story, N_STORY, &o));
    if (whole) C = n;
    for (int64_t begin = 0; S == 0 ? begin + C <= n : at < n; begin += S ? S : C) {
        int64_t stop = begin + C < n ? begin + C : n;
        if (S == 0 && !whole) at = begin + C / 2 + 1;
        sum += plain_nll(m, ids, begin, at, stop, bos, &squares);
        n_scored += stop - at;
        n_windows++;
        at = stop;
    }
    double mean = sum / (double)n_scored;
    near_to(p.nll, mean);
    near_to(p.perplexity, exp(mean));
    double variance = squares / (double)n_scored - mean * mean;
    near_to(p.nll_error, sqrt(variance / (double)(n_scored - 1)));
    near_to(p.perplexity_error, p.nll_error * p.perplexity);
    assert_true(p.n_scored == n_scored && p.n_windows == n_windows);
    assert_true(p.n_ctx == C && p.n_tokens == n);
    if (S > 0 || whole) {
        /* All of the text but a first token without anything before it. */
        assert_true(p.n_scored == n - 1);
        assert_true(bos ? p.n_bytes == N_STORY : p.n_bytes < N_STORY);
    }
    near_to(p.bits_per_byte, sum / log(2) / (double)p.n_bytes);
    free(ids);
}

static void perplexity_is_as_defined(void **state) {
    const struct fixture *f = *state;
    for (int bos = 0; bos < 2; bos++) {
        const glass_model *m = bos ? f->bos : f->a;
        check_perplexity(m, bos, 16, 0, false);
        check_perplexity(m, bos, 17, 0, false);
        check_perplexity(m, bos, 5, 0, false);
        check_perplexity(m, bos, 16, 3, false);
        check_perplexity(m, bos, 32, 31, false);
        check_perplexity(m, bos, 200, 50, false);
        check_perplexity(m, bos, 0, 0, true);
    }
}

static void bos_may_be_left_out(void **state) {
    const struct fixture *f = *state;
    const glass_eval_options without = {.whole = true, .no_bos = true};
    glass_perplexity p;
    int64_t n;
    double squares = 0;
    ok(glass_eval_perplexity(&p, f->bos, story, N_STORY, &without));
    int32_t *ids = encoded(f->bos, story, N_STORY, false, &n);
    assert_true(p.n_tokens == n);
    near_to(p.nll * (double)p.n_scored, plain_nll(f->bos, ids, 0, 1, n, false, &squares));
    free(ids);
}

/* Threads, rows in a pass, and calls before: no bit of any figure. */
static void work_changes_no_bit(void **state) {
    const struct fixture *f = *state;
    glass_divergence first, other;
    memset(&first, 0, sizeof first), memset(&other, 0, sizeof other);
    for (int i = 0; i < 5; i++) {
        const glass_eval_options o = {.n_ctx = 24, .n_batch = i * 7, .n_threads = 1 + i};
        ok(glass_eval_kl(i ? &other : &first, f->near, f->a, story, N_STORY, &o));
        if (i > 0) assert_memory_equal(&first, &other, sizeof first);
    }
    glass_perplexity p;
    const glass_eval_options o = {.n_ctx = 24};
    ok(glass_eval_perplexity(&p, f->a, story, N_STORY, &o));
    assert_true(p.perplexity == first.base.perplexity &&
                p.nll_error == first.base.nll_error);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double plain_percentile(const double *sorted, int64_t n, double f) {
    double at = f * (double)(n - 1);
    int64_t i = (int64_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i])
                     : sorted[i];
}

static int64_t likeliest(const double *row, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) best = row[i] > row[best] ? i : best;
    return best;
}

static void check_divergence(const glass_model *q, const glass_model *p) {
    enum { C = 20 };
    const glass_eval_options o = {.n_ctx = C};
    glass_divergence d;
    int64_t n, V = vocab_of(q), k = 0, same = 0;
    int32_t *ids = encoded(q, story, N_STORY, false, &n);
    double kls[MOST], dps[MOST], kl = 0, dp = 0, squares = 0, ratio = 0, ratio2 = 0;
    ok(glass_eval_kl(&d, q, p, story, N_STORY, &o));
    for (int64_t begin = 0; begin + C <= n; begin += C) {
        double *x = plain_rows(q, ids + begin, C), *y = plain_rows(p, ids + begin, C);
        for (int64_t t = C / 2; t < C - 1; t++, k++) {
            const double *a = x + t * V, *b = y + t * V;
            int32_t id = ids[begin + t + 1];
            kls[k] = 0;
            for (int64_t i = 0; i < V; i++) kls[k] += exp(b[i]) * (b[i] - a[i]);
            dps[k] = exp(a[id]) - exp(b[id]);
            same += likeliest(a, V) == likeliest(b, V);
            kl += kls[k];
            dp += dps[k];
            squares += dps[k] * dps[k];
            ratio += b[id] - a[id];
            ratio2 += (b[id] - a[id]) * (b[id] - a[id]);
        }
        free(x), free(y);
    }
    assert_true(d.model.n_scored == k);
    near_to(d.kl, kl / (double)k);
    near_to(d.dp, dp / (double)k);
    near_to(d.dp_rms, sqrt(squares / (double)k));
    near_to(d.same_top, (double)same / (double)k);
    near_to(d.ln_ratio, ratio / (double)k);
    near_to(d.ratio, exp(ratio / (double)k));
    /* The error of a difference of correlated means is that of the mean difference. */
    double mean = ratio / (double)k;
    near_to(d.ln_ratio_error, sqrt((ratio2 / (double)k - mean * mean) / (double)(k - 1)));
    qsort(kls, (size_t)k, sizeof *kls, ascending);
    qsort(dps, (size_t)k, sizeof *dps, ascending);
    near_to(d.kl_median, plain_percentile(kls, k, 0.5));
    near_to(d.kl_99, plain_percentile(kls, k, 0.99));
    near_to(d.kl_max, kls[k - 1]);
    near_to(d.dp_min, dps[0]);
    near_to(d.dp_95, plain_percentile(dps, k, 0.95));
    assert_true(d.kl_median <= d.kl_90 && d.kl_90 <= d.kl_95 && d.kl_99 <= d.kl_999);
    free(ids);
}

static void divergence_is_as_defined(void **state) {
    const struct fixture *f = *state;
    check_divergence(f->near, f->a);
    check_divergence(f->a, f->near);
    check_divergence(f->far, f->a);
}

static void a_model_is_no_way_from_itself(void **state) {
    const struct fixture *f = *state;
    glass_divergence d;
    ok(glass_eval_kl(&d, f->a, f->a, story, N_STORY, &(glass_eval_options){.n_ctx = 16}));
    assert_true(d.kl == 0 && d.kl_max == 0 && d.dp_min == 0 && d.dp_max == 0);
    assert_true(d.same_top == 1 && d.ratio == 1 && d.ln_ratio == 0);
    assert_true(d.ln_ratio_error < 1e-8 && fabs(d.correlation - 1) < 1e-12);
}

/* ---- continuations ---- */

static glass_loglik_item item_of(const char *context, const char *continuation) {
    return (glass_loglik_item){context, strlen(context), continuation,
                               strlen(continuation)};
}

/* What the harness does, in as many words. */
static void check_item(const glass_model *m, glass_scorer *s, const char *context,
                       const char *continuation, bool bos, int64_t C) {
    int64_t n_context, n_whole, V = vocab_of(m), length = (int64_t)strlen(context);
    char text[1024];
    glass_loglik got;
    const glass_loglik_item item = item_of(context, continuation);
    while (length > 0 && strchr(" \n\t", context[length - 1])) length--;
    int32_t *before = encoded(m, context, (size_t)length, bos || length == 0, &n_context);
    snprintf(text, sizeof text, "%s%s", context, continuation);
    int32_t *whole = encoded(m, text, strlen(text), bos || length == 0, &n_whole);
    const glass_tokenizer *t = glass_model_tokenizer(m);
    if (length == 0)
        before[0] = whole[0] =
            glass_tokenizer_bos(t) >= 0 ? glass_tokenizer_bos(t) : glass_tokenizer_eos(t);
    memcpy(whole, before, (size_t)n_context * sizeof *whole);
    int64_t cut = n_whole - 1 > C ? n_whole - 1 - C : 0;
    double *rows = plain_rows(m, whole + cut, n_whole - cut), sum = 0;
    bool greedy = true;
    for (int64_t at = n_context; at < n_whole; at++) {
        const double *row = rows + (at - 1 - cut) * V;
        sum += row[whole[at]];
        greedy = greedy && likeliest(row, V) == whole[at];
    }
    ok(glass_scorer_loglik(s, &got, &item, 1));
    near_to(got.logprob, sum);
    assert_true(got.greedy == greedy && got.n_tokens == n_whole - n_context);
    assert_true(got.n_context == n_context && got.n_cut == cut);
    free(rows), free(before), free(whole);
}

static void continuations_are_scored(void **state) {
    const struct fixture *f = *state;
    static const char *const pairs[][2] = {{"The cat sat on", " the mat."},
                                           {"The cat sat on", " another mat."},
                                           {"The cat sat on ", "the mat."},
                                           {"The cat sat on\n\t ", "the"},
                                           {"The cat", "s"},
                                           {"", "The dog has seen the theatre"},
                                           {" ", "they said"},
                                           {"They've said", " it"},
                                           {"They've said", " "},
                                           {story, " The others sat."}};
    for (int bos = 0; bos < 2; bos++) {
        const glass_model *m = bos ? f->bos : f->a;
        for (int64_t C = 24; C <= 256; C += 232) {
            glass_scorer *s;
            ok(glass_scorer_create(&s, m, &(glass_eval_options){.n_ctx = C}));
            for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
                check_item(m, s, pairs[i][0], pairs[i][1], bos, C);
            glass_scorer_free(s);
        }
    }
}

/* The likeliest continuation is greedy; any other of the same context is not. */
static void greedy_is_found(void **state) {
    const struct fixture *f = *state;
    int64_t n, V = vocab_of(f->a);
    int32_t *ids = encoded(f->a, "The cat", 7, false, &n);
    double *rows = plain_rows(f->a, ids, n);
    int32_t best = (int32_t)likeliest(rows + (n - 1) * V, V);
    size_t n_bytes;
    char *text;
    glass_scorer *s;
    glass_loglik got[2];
    ok(glass_tokenizer_decode(glass_model_tokenizer(f->a), &text, &n_bytes, &best, 1, 0));
    const glass_loglik_item items[2] = {{"The cat", 7, text, n_bytes},
                                        item_of("The cat", " theatre")};
    ok(glass_scorer_create(&s, f->a, NULL));
    ok(glass_scorer_loglik(s, got, items, 2));
    assert_true(!got[1].greedy && got[1].logprob < 0);
    if (got[0].n_tokens == 1) assert_true(got[0].greedy);
    glass_scorer_free(s);
    glass_free(text);
    free(rows), free(ids);
}

/* Longer than the context, without one: windows, each token scored once. */
static void long_texts_roll(void **state) {
    const struct fixture *f = *state;
    enum { C = 24 };
    for (int bos = 0; bos < 2; bos++) {
        const glass_model *m = bos ? f->bos : f->a;
        int64_t n, V = vocab_of(m);
        int32_t *ids = encoded(m, story, N_STORY, true, &n);
        const glass_tokenizer *t = glass_model_tokenizer(m);
        ids[0] = bos ? glass_tokenizer_bos(t) : glass_tokenizer_eos(t);
        double sum = 0;
        for (int64_t at = 1; at < n;) {
            int64_t stop = at + C < n ? at + C : n, begin = stop - C - 1;
            double *rows = plain_rows(m, ids + begin, stop - begin);
            for (; at < stop; at++) sum += rows[(at - 1 - begin) * V + ids[at]];
            free(rows);
        }
        glass_scorer *s;
        glass_loglik got;
        const glass_loglik_item all = item_of("", story);
        ok(glass_scorer_create(&s, m, &(glass_eval_options){.n_ctx = C}));
        ok(glass_scorer_loglik(s, &got, &all, 1));
        near_to(got.logprob, sum);
        assert_true(got.n_tokens == n - 1 && got.n_cut == 0);
        const glass_loglik_item after = item_of("The cat", story);
        assert_int_equal(glass_scorer_loglik(s, &got, &after, 1), GLASS_BAD_INPUT);
        assert_non_null(strstr(glass_error(), "24 positions"));
        glass_scorer_free(s);
        free(ids);
    }
}

/* ---- what is refused ---- */

static bool stop_at_two(void *context, const glass_eval_progress *p) {
    ++*(int *)context;
    return p->done < 2;
}

static void refused(glass_status got, glass_status want, const char *words) {
    assert_int_equal(got, want);
    if (strstr(glass_error(), words) == NULL) print_error("%s\n", glass_error());
    assert_non_null(strstr(glass_error(), words));
}

static void what_cannot_be_is_refused(void **state) {
    const struct fixture *f = *state;
    glass_perplexity p;
    glass_divergence d;
    int calls = 0;
#define WITH(...)                                                                          \
    glass_eval_perplexity(&p, f->a, story, N_STORY, &(glass_eval_options){__VA_ARGS__})
    refused(WITH(.n_ctx = 256), GLASS_BAD_INPUT, "at least 256");
    refused(WITH(.n_ctx = 300), GLASS_USAGE, "takes 256");
    refused(WITH(.n_ctx = 3), GLASS_USAGE, "at least 4");
    refused(WITH(.n_ctx = 16, .stride = 16), GLASS_USAGE, "stride of 16");
    refused(WITH(.n_ctx = 16, .stride = -1), GLASS_USAGE, "stride of -1");
    refused(WITH(.whole = true, .stride = 1), GLASS_USAGE, "stride of 1");
    refused(WITH(.n_ctx = 16, .progress = stop_at_two, .context = &calls), GLASS_CANCELLED,
            "after 2 of");
    assert_int_equal(calls, 2);
    refused(glass_eval_perplexity(&p, f->a, "", 0, &(glass_eval_options){.whole = true}),
            GLASS_BAD_INPUT, "0 tokens");
    char *many = calloc(1, 4001);
    assert_non_null(many);
    memset(many, 'q', 4000);
    refused(
        glass_eval_perplexity(&p, f->a, many, 4000, &(glass_eval_options){.whole = true}),
        GLASS_BAD_INPUT, "positions");
    free(many);
    refused(glass_eval_kl(&d, f->a, f->strange, story, N_STORY, NULL), GLASS_BAD_INPUT,
            "\"<|endoftext|>\"");
    refused(glass_eval_kl(&d, f->a, f->bos, story, N_STORY, NULL), GLASS_BAD_INPUT,
            "token 0 is");
    ok(WITH(.n_ctx = 16, .max_windows = 2));
    assert_true(p.n_windows == 2 && p.n_scored == 14);
}

static void every_allocation_may_fail(void **state) {
    const struct fixture *f = *state;
    const glass_eval_options o = {.n_ctx = 16, .n_threads = 1};
    const glass_loglik_item item = item_of("The cat", " sat");
    for (int what = 0; what < 2; what++) {
        glass_status status = GLASS_NO_MEMORY;
        for (int64_t n = 1; status != GLASS_OK && n < 2000; n++) {
            glass_divergence d;
            glass_loglik l;
            glass_scorer *s = NULL;
            mem_fail_at(n);
            if (what == 0) {
                status = glass_eval_kl(&d, f->near, f->a, story, N_STORY, &o);
            } else {
                status = glass_scorer_create(&s, f->a, &o);
                if (status == GLASS_OK) status = glass_scorer_loglik(s, &l, &item, 1);
            }
            mem_fail_at(0);
            glass_scorer_free(s);
            assert_true(status == GLASS_OK || status == GLASS_NO_MEMORY);
        }
        assert_int_equal(status, GLASS_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(perplexity_is_as_defined),
                                       cmocka_unit_test(bos_may_be_left_out),
                                       cmocka_unit_test(work_changes_no_bit),
                                       cmocka_unit_test(divergence_is_as_defined),
                                       cmocka_unit_test(a_model_is_no_way_from_itself),
                                       cmocka_unit_test(continuations_are_scored),
                                       cmocka_unit_test(greedy_is_found),
                                       cmocka_unit_test(long_texts_roll),
                                       cmocka_unit_test(what_cannot_be_is_refused),
                                       cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, start, end);
}
