/* test_loader.c - samples of a run: every window as often as its weight says, in an order that is a
 * permutation of its own in each epoch; rows that never cross documents; rates of schedules. */
#include "base/mem.h"
#include "train/left_out.h"
#include "train/loader.h"
#include "train/order.h"
#include "train/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 300 };

static void order_is_a_permutation(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= MOST; n++) {
        bool seen[MOST] = {false};
        for (uint64_t i = 0; i < n; i++) {
            uint64_t x = order_at(7, 3, i, n);
            assert_true(x < n && !seen[x]);
            assert_int_equal(order_place(7, 3, x, n), i);
            seen[x] = true;
        }
    }
    /* Large ones stay inside, and come back from nowhere else nearby. */
    uint64_t n = ((uint64_t)1 << 40) + 12345;
    assert_true(order_at(1, 2, n - 1, n) < n);
    assert_true(order_at(1, 2, 0, n) != order_at(1, 2, 1, n));
}

static void order_depends_on_seed_and_epoch(void **state) {
    (void)state;
    int same[3] = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        same[0] += order_at(1, 0, i, 1000) == order_at(2, 0, i, 1000);
        same[1] += order_at(1, 0, i, 1000) == order_at(1, 1, i, 1000);
        same[2] += order_at(1, 0, i, 1000) == i;
    }
    for (int k = 0; k < 3; k++) assert_true(same[k] < 10);
    assert_int_equal(order_at(1, 0, 17, 1000), order_at(1, 0, 17, 1000));
}

/* Documents of these numbers of tokens; token i of the whole is i. */
struct texts {
    uint16_t tokens[2000];
    int64_t starts[64];
};

static struct shard shard_of(struct texts *t, const int64_t *lengths, int64_t n) {
    int64_t at = 0;
    for (int64_t d = 0; d < n; d++) {
        t->starts[d] = at;
        at += lengths[d];
    }
    t->starts[n] = at;
    for (int64_t i = 0; i < at; i++) t->tokens[i] = (uint16_t)i;
    return (struct shard){.tokens = (const uint8_t *)t->tokens,
                          .starts = (const uint8_t *)t->starts,
                          .token_bytes = 2,
                          .n_tokens = at,
                          .n_documents = n,
                          .n_rows = at - n};
}

static void rows_stay_in_their_documents(void **state) {
    (void)state;
    static struct texts t;
    const int64_t lengths[] = {5, 2, 2, 30, 3, 9, 2, 40};
    const int64_t n = sizeof lengths / sizeof *lengths;
    struct shard s = shard_of(&t, lengths, n);
    /* All rows, by the definition. */
    int32_t ids[200], targets[200];
    int64_t first[200], rows = 0; /* the row at which the row's document begins */
    for (int64_t d = 0; d < n; d++)
        for (int64_t i = 0, row0 = rows; i + 1 < lengths[d]; i++) {
            ids[rows] = (int32_t)(t.starts[d] + i);
            targets[rows] = ids[rows] + 1;
            first[rows++] = row0;
        }
    assert_int_equal(rows, s.n_rows);
    for (int64_t length = 1; length <= 40; length += 3) {
        int64_t most = 0;
        for (int64_t row = 0; row + length <= rows; row++) {
            int32_t got[200], next[200];
            struct attn_rows segments[200];
            int64_t n_segments = 0, at = 100;
            shard_rows(&s, row, length, got, next, segments, &n_segments, 100);
            assert_memory_equal(got, ids + row, (size_t)length * sizeof *got);
            assert_memory_equal(next, targets + row, (size_t)length * sizeof *next);
            for (int64_t i = 0; i < n_segments; i++) {
                assert_int_equal(segments[i].row, at);
                int64_t begin = row + at - 100, end = begin + segments[i].n;
                assert_true(i == 0 || first[begin] == begin);
                assert_int_equal(first[begin], first[end - 1]);
                at += segments[i].n;
            }
            assert_int_equal(at, 100 + length);
            if (row % length == 0 && n_segments > most) most = n_segments;
        }
        /* Incomplete windows at the end count, too: held-out text is read whole. */
        assert_true(shard_most_segments(&s, length) >= most);
    }
}

/* Rows of documents that are left out weigh 0, all others 1, in whatever stretch they are. */
static void left_out_rows_weigh_nothing(void **state) {
    (void)state;
    static struct texts t;
    const int64_t lengths[] = {5, 2, 2, 30, 3, 9, 2, 40};
    const int64_t n = sizeof lengths / sizeof *lengths;
    for (int set = 0; set < 1 << 8; set++) {
        int64_t list[8], rows = 0;
        bool gone[200];
        struct shard s = shard_of(&t, lengths, n);
        for (int64_t d = 0; d < n; d++) {
            bool out = set >> d & 1;
            if (out) list[s.n_left_out++] = d;
            for (int64_t i = 0; i + 1 < lengths[d]; i++) gone[rows++] = out;
            s.left_out = (const uint8_t *)list;
        }
        for (int64_t d = 0; d < n; d++) assert_int_equal(left_out_is(&s, d), set >> d & 1);
        for (int64_t length = 1; length <= rows; length += 7)
            for (int64_t row = 0; row + length <= rows; row++) {
                float weights[200];
                int64_t count = 0;
                left_out_weights(&s, row, length, weights);
                for (int64_t i = 0; i < length; i++) {
                    assert_true(weights[i] == (gone[row + i] ? 0 : 1));
                    count += gone[row + i];
                }
                assert_int_equal(left_out_rows(&s, row, length), count);
            }
    }
}

static void samples_have_those_weights(void **state) {
    (void)state;
    static struct texts t[2];
    const int64_t lengths[] = {12, 7, 30, 4, 25}, gone[] = {1, 3};
    struct shard shards[2] = {shard_of(&t[0], lengths, 5), shard_of(&t[1], lengths, 5)};
    struct recipe_source sources[2] = {{.weight = 1}, {.weight = 2}};
    struct recipe r = {.data = sources, .n_data = 2, .context = 10, .micro = 3, .seed = 5};
    struct loader l;
    shards[1].left_out = (const uint8_t *)gone;
    shards[1].n_left_out = 2;
    assert_int_equal(loader_create(&l, shards, 2, &r, NULL), GLASS_OK);
    for (int64_t g = 0; g < 60; g += 3) {
        int64_t zeros = 0;
        loader_samples(&l, g, 3);
        assert_non_null(l.batch.weights);
        for (int64_t i = 0; i < 30; i++) {
            /* Rows 0-10 are of document 0, 11-16 of 1, 17-45 of 2, 46-48 of 3. */
            int64_t window = loader_window(&l, g + i / 10), row = window % 7 * 10 + i % 10;
            bool out = window >= 7 && ((row >= 11 && row < 17) || (row >= 46 && row < 49));
            assert_true(l.batch.weights[i] == (out ? 0 : 1));
            zeros += out;
        }
        assert_int_equal(loader_left_out(&l, g, 3), zeros);
    }
    loader_rows(&l, &shards[1], 0, 30); /* measured, not learnt from */
    assert_null(l.batch.weights);
    loader_clear(&l);
    shards[1].n_left_out = 0;
    assert_int_equal(loader_create(&l, shards, 2, &r, NULL), GLASS_OK);
    loader_samples(&l, 0, 3);
    assert_null(l.batch.weights);
    loader_clear(&l);
}

static void weights_say_how_often(void **state) {
    (void)state;
    static struct texts t[3];
    const int64_t lengths[3] = {101, 81, 41}; /* 10, 8 and 4 windows of 10 rows */
    const double weights[3] = {1, 2, 0.5};    /* places: 10, 16, 2 */
    struct shard shards[3];
    char names[3][2] = {"a", "b", "c"};
    struct recipe_source sources[3] = {
        {.file = names[0]}, {.file = names[1]}, {.file = names[2]}};
    for (int i = 0; i < 3; i++) {
        shards[i] = shard_of(&t[i], &lengths[i], 1);
        sources[i].weight = weights[i];
    }
    struct recipe r = {.data = sources, .n_data = 3, .context = 10, .micro = 2, .seed = 5};
    struct loader l;
    assert_int_equal(loader_create(&l, shards, 3, &r, NULL), GLASS_OK);
    assert_int_equal(l.n_places, 28);
    int seen[22] = {0};
    for (int64_t g = 0; g < 4 * 28; g++) {
        int64_t window = loader_window(&l, g);
        seen[window]++;
        loader_samples(&l, g, 1);
        int64_t in = window < 10 ? window : window < 18 ? window - 10 : window - 18;
        assert_int_equal(l.batch.ids[0], 10 * in);
        assert_int_equal(l.batch.targets[9], 10 * in + 10);
        assert_int_equal(l.batch.T, 10);
        if (g % 28 == 27) /* after each epoch */
            for (int w = 0; w < 18; w++)
                assert_int_equal(seen[w], (w < 10 ? 1 : 2) * (g / 28 + 1));
    }
    for (int w = 18; w < 22; w++) assert_int_equal(seen[w], 2); /* half of four epochs */
    loader_clear(&l);
    r.context = 41;
    assert_int_equal(loader_create(&l, shards, 3, &r, NULL), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "c: 40 tokens"));
}

static void held_out_text_begins_at_a_line(void **state) {
    (void)state;
    const char text[] = "aaaa\nbbbb\ncccc\ndddd\n";
    size_t n = sizeof text - 1;
    assert_int_equal(shard_cut(text, n, 0), n);
    assert_int_equal(shard_cut(text, n, 0.25), n); /* the newline at 19 ends the text */
    assert_int_equal(shard_cut(text, n, 0.3), 15);
    assert_int_equal(shard_cut(text, n, 0.5), 15);
    assert_int_equal(shard_cut("none", 4, 0.5), 4);
    assert_int_equal(shard_cut("", 0, 0.5), 0);
}

static void schedules(void **state) {
    (void)state;
    struct recipe r = {.rate = 2, .final_rate = 0.25, .steps = 110, .warmup = 10};
    assert_true(schedule_rate(&r, 1) == 0.2 && schedule_rate(&r, 10) == 2);
    assert_true(schedule_rate(&r, 110) == 2);
    r.schedule = SCHEDULE_LINEAR;
    assert_true(fabs(schedule_rate(&r, 60) - 1.25) < 1e-12);
    assert_true(fabs(schedule_rate(&r, 110) - 0.5) < 1e-12);
    r.schedule = SCHEDULE_COSINE;
    assert_true(fabs(schedule_rate(&r, 35) - (0.5 + 1.5 * (1 + sqrt(0.5)) / 2)) < 1e-6);
    assert_true(fabs(schedule_rate(&r, 110) - 0.5) < 1e-12);
    r.schedule = SCHEDULE_WSD;
    r.decline = 20;
    assert_true(schedule_rate(&r, 90) == 2);
    assert_true(fabs(schedule_rate(&r, 100) - 1.25) < 1e-12);
    assert_true(fabs(schedule_rate(&r, 110) - 0.5) < 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(order_is_a_permutation),
                                       cmocka_unit_test(order_depends_on_seed_and_epoch),
                                       cmocka_unit_test(rows_stay_in_their_documents),
                                       cmocka_unit_test(left_out_rows_weigh_nothing),
                                       cmocka_unit_test(samples_have_those_weights),
                                       cmocka_unit_test(weights_say_how_often),
                                       cmocka_unit_test(held_out_text_begins_at_a_line),
                                       cmocka_unit_test(schedules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
