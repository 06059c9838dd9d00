/* test_tok_queue.c - the queue of pairs gives the smallest rank first and the leftmost of
 * equals, whatever the order of putting and dropping; long words merge as their definition.
 */
#include "vocab_maker.h"

enum { N = 300 };

static int64_t first_of(const struct tok_symbol *symbols, const bool *in) {
    int64_t best = -1;
    for (int64_t i = 0; i < N; i++)
        if (in[i] && (best < 0 || symbols[i].rank < symbols[best].rank)) best = i;
    return best;
}

static void queue_gives_the_first(void **state) {
    (void)state;
    static struct tok_symbol symbols[N];
    struct tok_queue q = {0};
    uint64_t seed = 3;
    for (int round = 0; round < 60; round++) {
        bool in[N] = {false};
        uint32_t n_ranks = round % 3 == 0 ? 1 : round % 3 == 1 ? 5 : 100000, got;
        ok(tok_queue_start(&q));
        for (int step = 0; step < 3000; step++) {
            uint32_t i = (uint32_t)(random_next(&seed) % N);
            uint64_t what = random_next(&seed) % 8;
            if (what < 5 && !in[i]) {
                symbols[i].rank = (uint32_t)(random_next(&seed) % n_ranks);
                ok(tok_queue_put(&q, symbols, i));
                in[i] = true;
            } else if (what == 5 && in[i]) {
                tok_queue_drop(&q, symbols, i);
                in[i] = false;
            } else if (what > 5) {
                int64_t want = first_of(symbols, in);
                assert_int_equal(tok_queue_take(&q, symbols, &got), want >= 0);
                if (want < 0) continue;
                assert_int_equal(got, want);
                in[got] = false;
            }
        }
        for (int64_t want; (want = first_of(symbols, in)) >= 0; in[want] = false) {
            assert_true(tok_queue_take(&q, symbols, &got));
            assert_int_equal(got, want);
        }
        assert_false(tok_queue_take(&q, symbols, &got));
    }
    tok_queue_free(&q);
}

/* Words of the training text's letters without a space: merges of many ranks meet, and each
 * pass over the word adds to lists that an earlier one began. */
static void long_words_are_their_definition(void **state) {
    (void)state;
    static const char letters[] = "theorisamodc";
    static int32_t want[4096];
    struct maker m;
    for (int spm = 0; spm < 2; spm++) {
        if (spm)
            maker_spm(&m);
        else
            maker_bpe(&m, "gpt-2");
        glass_tokenizer *t;
        ok(maker_open(&m, &t));
        uint64_t seed = 17;
        for (int round = 0; round < 40; round++) {
            char text[700];
            size_t n = 41 + random_next(&seed) % (sizeof text - 42), start = spm;
            uint64_t few = 2 + random_next(&seed) % (sizeof letters - 2);
            text[0] = ' '; /* what SentencePiece adds */
            for (size_t i = 0; i < n; i++)
                text[start + i] = letters[random_next(&seed) % few];
            int64_t n_want = define_ids(&m, want, text, n + start), n_ids;
            int32_t *ids;
            ok(glass_tokenizer_encode(t, &ids, &n_ids, text + start, n, 0));
            assert_int_equal(n_ids, n_want);
            assert_memory_equal(ids, want, (size_t)n_want * sizeof *want);
            glass_free(ids);
        }
        glass_tokenizer_close(t);
        maker_free(&m);
    }
}

/* Steps of the queue that a text took. */
static uint64_t steps_of(const struct maker *m, const char *unit, size_t n_bytes) {
    glass_tokenizer *t;
    struct buf text = {0};
    int32_t *ids;
    int64_t n_ids;
    ok(maker_open(m, &t));
    while (text.len < n_bytes) ok(buf_text(&text, unit));
    ok(glass_tokenizer_encode(t, &ids, &n_ids, text.data, text.len, 0));
    const struct tok_work *w = t->spares[0];
    assert_non_null(w);
    uint64_t n = w->queue.n_steps;
    glass_free(ids);
    buf_free(&text);
    glass_tokenizer_close(t);
    return n;
}

/* Whether the unit's text is merged by the queue; four times as much of it must then take four
 * times the steps, and few for each byte. */
static bool check_steps(const struct maker *m, const char *unit) {
    const uint64_t size = 1 << 12;
    uint64_t n = steps_of(m, unit, size);
    if (n < size / 2) return false;
    uint64_t more = steps_of(m, unit, 4 * size);
    bool linear = more <= 4 * n + n / 10 + 500 && more <= 4 * size * 20;
    if (!linear)
        print_error("\"%s\": %llu steps, and %llu of four times\n", unit,
                    (unsigned long long)n, (unsigned long long)more);
    assert_true(linear);
    return true;
}

/* Counted, so that a busy machine is none that fails. */
static void steps_grow_as_the_text(void **state) {
    (void)state;
    static const char letters[] = "theorismac";
    static const char *const units[] = {"a",  "theories", "thesehotheirs",    "!",
                                        "\n", "\xff",     "\xf0\x9f\xa6\x99", "7",
                                        "=",  "-"};
    static const char *const pieces[] = {"aa",   "aaaa", "ae",  "ea",
                                         "aeae", "ee",   "eaa", "eeee"};
    for (int kind = 0; kind < 2; kind++) {
        struct maker m;
        int n_long = 0;
        if (kind == 0)
            maker_spm(&m);
        else
            maker_bpe(&m, "gpt-2");
        for (int i = 0; kind == 0 && i < 8; i++) /* no pair of theirs is a place to cut */
            m.scores[maker_add_text(&m, pieces[i], TOK_NORMAL)] =
                -1.5F * (float)(5 * i % 8);
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            n_long += check_steps(&m, units[i]);
        for (int i = 0; i < 100; i++)
            n_long += check_steps(&m, (const char[]){letters[i / 10], letters[i % 10],
                                                     letters[i * 7 % 10], 0});
        n_long += check_steps(&m, "ae") + check_steps(&m, "eea") +
                  check_steps(&m, "eeeea") + check_steps(&m, "eaaaa");
        assert_true(n_long >= 4);
        maker_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_gives_the_first),
        cmocka_unit_test(long_words_are_their_definition),
        cmocka_unit_test(steps_grow_as_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
