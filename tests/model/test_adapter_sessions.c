/* test_adapter_sessions.c - sessions with adapters: batches whose sessions have different ones,
 * saved sessions, what is refused, damaged files, allocations that fail. That adapters compute
 * what PEFT computes is test_adapter.py's. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "glass/glass.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { V = 61, T = 40, N = 5 };
#define DATA "tests/model/data/"

static int32_t ids[T];
static glass_model *model;
static glass_adapter *a, *b;

static glass_adapter *open_adapter(const glass_model *m, const char *path) {
    glass_adapter *adapter;
    if (glass_adapter_open(&adapter, m, path) != GLASS_OK) fail_msg("%s", glass_error());
    return adapter;
}

static int set_up(void **state) {
    (void)state;
    for (int i = 0; i < T; i++) ids[i] = (7 * i + 3) % V;
    assert_int_equal(glass_model_open(&model, DATA "families/llama.gguf", NULL), GLASS_OK);
    a = open_adapter(model, DATA "adapters/llama");
    b = open_adapter(model, DATA "adapters/llama-b");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    glass_adapter_close(a);
    glass_adapter_close(b);
    glass_model_close(model);
    return 0;
}

static glass_session *session_of(const glass_adapter_use *uses, int n, int threads,
                                 int64_t n_batch) {
    glass_session *s;
    glass_session_options o = {.n_ctx = 64,
                               .n_batch = n_batch,
                               .n_threads = threads,
                               .adapters = uses,
                               .n_adapters = n};
    if (glass_session_create(&s, model, &o) != GLASS_OK) fail_msg("%s", glass_error());
    return s;
}

/* Five sessions with other adapters each, or none, share passes of few and of many rows; the
 * one that leads has none. */
static void strangers_change_nothing(void **state) {
    (void)state;
    const glass_adapter_use uses[N][2] = {
        {{NULL, 0}}, {{a, 1}}, {{a, 1}}, {{b, 0.5F}, {a, -2}}, {{b, 1}}};
    const int n_uses[N] = {0, 1, 1, 2, 1};
    const int64_t held[N] = {0, 3, 7, 11, 2};
    static float solo[T * V], together[N][T * V];
    for (int round = 0; round < 8; round++) {
        int threads = 1 + round % 4;
        int64_t n = round < 4 ? 1 : 6, n_batch = round == 3 ? 2 : round == 7 ? 9 : 0;
        glass_session *s[N];
        glass_batch_item items[N];
        for (int i = 0; i < N; i++) {
            bool all = i % 2 == 1;
            s[i] = session_of(uses[i], n_uses[i], threads, n_batch);
            assert_int_equal(glass_session_eval(s[i], ids, held[i], NULL), GLASS_OK);
            items[i] = (glass_batch_item){s[i], ids + held[i], n, together[i], all, NULL};
        }
        int n_items = round % 2 == 0 ? N : N - 1; /* four rows are few, five are not */
        assert_int_equal(glass_batch_eval(items, n_items), GLASS_OK);
        for (int i = 0; i < n_items; i++) {
            glass_session *alone = session_of(uses[i], n_uses[i], 2, 0);
            assert_int_equal(glass_session_eval_all(alone, ids, held[i] + n, solo),
                             GLASS_OK);
            int64_t first = items[i].all_logits ? held[i] : held[i] + n - 1;
            if (memcmp(solo + first * V, together[i],
                       (size_t)((held[i] + n - first) * V) * sizeof *solo) != 0)
                fail_msg("round %d: session %d got other bits among strangers", round, i);
            glass_session_free(alone);
        }
        for (int i = 0; i < N; i++) glass_session_free(s[i]);
    }
}

static void last_logits(float *out, const glass_adapter_use *uses, int n) {
    glass_session *s = session_of(uses, n, 2, 0);
    assert_int_equal(glass_session_eval(s, ids, 20, out), GLASS_OK);
    glass_session_free(s);
}

static void adapters_come_and_go(void **state) {
    (void)state;
    float base[V], with_a[V], with_both[V], got[V];
    const glass_adapter_use both[] = {{a, 1}, {b, 0.25F}};
    last_logits(base, NULL, 0);
    last_logits(with_a, both, 1);
    last_logits(with_both, both, 2);
    assert_memory_not_equal(base, with_a, sizeof base);
    assert_memory_not_equal(with_both, with_a, sizeof base);
    glass_session *s = session_of(NULL, 0, 1, 0);
    const struct {
        int n;
        const float *want;
    } steps[] = {{2, with_both}, {0, base}, {1, with_a}, {2, with_both}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_int_equal(glass_session_set_adapters(s, both, steps[i].n), GLASS_OK);
        assert_int_equal(glass_session_eval(s, ids, 20, got), GLASS_OK);
        assert_memory_equal(got, steps[i].want, sizeof got);
        assert_int_equal(glass_session_set_adapters(s, both, 1), GLASS_USAGE);
        assert_non_null(strstr(glass_error(), "holds 20 tokens"));
        assert_int_equal(glass_session_truncate(s, 0), GLASS_OK);
    }
    glass_session_free(s);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    glass_model *other;
    glass_session *s = session_of(NULL, 0, 1, 0);
    assert_int_equal(glass_model_open(&other, DATA "families/llama.gguf", NULL), GLASS_OK);
    glass_adapter *of_other = open_adapter(other, DATA "adapters/llama");
    glass_adapter *seen = open_adapter(NULL, DATA "adapters/llama");
    const struct {
        glass_adapter_use use;
        const char *why;
    } bad[] = {{{of_other, 1}, "not opened for this model"},
               {{seen, 1}, "not opened for this model"},
               {{NULL, 1}, "not opened for this model"},
               {{a, NAN}, "finite"},
               {{a, INFINITY}, "finite"},
               {{a, -3e38F}, "finite"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(glass_session_set_adapters(s, &bad[i].use, 1), GLASS_USAGE);
        assert_non_null(strstr(glass_error(), bad[i].why));
    }
    assert_int_equal(glass_session_set_adapters(s, NULL, -1), GLASS_USAGE);
    assert_int_equal(glass_session_set_adapters(s, NULL, 1000), GLASS_USAGE);
    glass_session_free(s);
    glass_adapter_close(of_other);
    glass_adapter_close(seen);
    glass_model_close(other);
}

static void saved_sessions_keep_to_their_adapters(void **state) {
    (void)state;
    char path[] = "/tmp/glass-session-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const glass_adapter_use both[] = {{a, 1}, {b, 0.5F}}, turned[] = {{b, 0.5F}, {a, 1}};
    const glass_adapter_use scaled[] = {{a, 1}, {b, 0.25F}}, nothing[] = {{a, 0}};
    float want[V], got[V];
    glass_session *s = session_of(both, 2, 1, 0), *t;
    assert_int_equal(glass_session_eval(s, ids, 12, NULL), GLASS_OK);
    assert_int_equal(glass_session_save(s, path), GLASS_OK);
    assert_int_equal(glass_session_eval(s, ids + 12, 8, want), GLASS_OK);
    const struct {
        const glass_adapter_use *uses;
        int n;
    } others[] = {{NULL, 0}, {both, 1}, {turned, 2}, {scaled, 2}, {both + 1, 1}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        t = session_of(others[i].uses, others[i].n, 1, 0);
        assert_int_equal(glass_session_load(t, path), GLASS_BAD_INPUT);
        assert_non_null(strstr(glass_error(), "other adapters"));
        glass_session_free(t);
    }
    /* Opened anew it is still the same adapter. */
    glass_adapter *again = open_adapter(model, DATA "adapters/llama");
    const glass_adapter_use same[] = {{again, 1}, {b, 0.5F}};
    t = session_of(same, 2, 2, 0);
    assert_int_equal(glass_session_load(t, path), GLASS_OK);
    assert_int_equal(glass_session_eval(t, ids + 12, 8, got), GLASS_OK);
    assert_memory_equal(want, got, sizeof got);
    glass_session_free(t);
    glass_session_free(s);
    glass_adapter_close(again);
    /* A scale of 0 is no adapter. */
    s = session_of(nothing, 1, 1, 0);
    t = session_of(NULL, 0, 1, 0);
    assert_int_equal(glass_session_eval(s, ids, 5, NULL), GLASS_OK);
    assert_int_equal(glass_session_save(s, path), GLASS_OK);
    assert_int_equal(glass_session_load(t, path), GLASS_OK);
    glass_session_free(s);
    glass_session_free(t);
    unlink(path);
}

static void an_adapter_says_what_it_is(void **state) {
    (void)state;
    glass_adapter_info i;
    glass_adapter_get_info(a, &i);
    assert_string_equal(i.kind, "PEFT");
    assert_string_equal(i.base, "tiny/llama");
    assert_string_equal(i.dtypes, "F32");
    assert_non_null(strstr(i.targets, "q_proj"));
    assert_int_equal(i.n_pairs, 15);
    assert_int_equal(i.rank_least, 4);
    assert_int_equal(i.rank_most, 4);
    assert_true(i.scale_least == 2 && i.scale_most == 2);
    assert_int_equal(i.n_bytes, 4 * i.n_params);
    glass_adapter_get_info(b, &i);
    assert_int_equal(i.n_pairs, 6);
    assert_int_equal(i.rank_least, 3);
    assert_int_equal(i.rank_most, 5);
    assert_true(i.scale_least == 3 / sqrt(3) && i.scale_most == 11 / sqrt(3));
    assert_true(glass_adapter_is_one(DATA "adapters/llama"));
    assert_false(glass_adapter_is_one(DATA "families/llama.gguf"));
    assert_false(glass_adapter_is_one(DATA "families"));
    assert_false(glass_adapter_is_one("/nonexistent"));
}

/* A copy of an adapter's folder, one of whose files is written anew. */
static void put(const char *folder, const char *name, const void *bytes, size_t n) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(path_write_whole(path, bytes, n), GLASS_OK);
}

/* What glass_adapters_session_bytes says is what a session asks for more than without them. */
static void their_memory_is_counted(void **state) {
    (void)state;
    const glass_adapter_use uses[] = {{a, 1}, {b, 0}, {b, 0.5F}};
    size_t asked[4], said;
    for (int n = 0; n <= 3; n++) {
        mem_asked_bytes();
        glass_session *s = session_of(uses, n, 0, 0);
        asked[n] = mem_asked_bytes();
        glass_session_free(s);
        assert_int_equal(glass_adapters_session_bytes(&said, model, 64, uses, n), GLASS_OK);
        assert_int_equal(said, asked[n] - asked[0]);
    }
    assert_true(asked[1] > asked[0] + 1000 && asked[3] > asked[2]);
    size_t session = glass_model_session_bytes(model, 64, GLASS_F32);
    assert_true(asked[0] >= session && asked[0] < session + 64 * 64 + 1000);
    const glass_adapter_use none = {NULL, 1};
    assert_int_equal(glass_adapters_session_bytes(&said, model, 64, &none, 1), GLASS_USAGE);
}

static void damaged_files_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"adapter_config.json", "adapter_model.safetensors"};
    char folder[] = "/tmp/glass-adapter-XXXXXX", path[256];
    struct buf files[2] = {{0}};
    glass_adapter *got;
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, DATA "adapters/llama-b/%s", names[i]);
        assert_int_equal(path_read_whole(&files[i], path, 1 << 20), GLASS_OK);
    }
    for (int i = 0; i < 2; i++) {
        put(folder, names[1 - i], files[1 - i].data, files[1 - i].len);
        for (size_t n = 0; n < files[i].len - 2; n += 1 + n / 64) { /* a newline may go */
            put(folder, names[i], files[i].data, n);
            assert_int_equal(glass_adapter_open(&got, model, folder), GLASS_BAD_INPUT);
            assert_null(got);
            char *byte = &files[i].data[n];
            *byte ^= 1 << n % 7;
            put(folder, names[i], files[i].data, files[i].len);
            *byte ^= 1 << n % 7;
            glass_adapter_open(&got, model,
                               folder); /* either way; the sanitizers look on */
            glass_adapter_close(got);
        }
    }
    put(folder, names[1], files[1].data, files[1].len);
    got = open_adapter(model, folder);
    glass_adapter_close(got);
    for (int i = 0; i < 2; i++) {
        buf_free(&files[i]);
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void failed_allocations_leave_nothing(void **state) {
    (void)state;
    glass_adapter *got;
    const glass_adapter_use both[] = {{a, 1}, {b, 1}};
    glass_session_options o = {
        .n_ctx = 16, .n_threads = 1, .adapters = both, .n_adapters = 2};
    glass_status status = GLASS_NO_MEMORY;
    int64_t n;
    for (n = 1; status == GLASS_NO_MEMORY; n++) {
        mem_fail_at(n);
        status = glass_adapter_open(&got, model, DATA "adapters/llama-b");
        mem_fail_at(0);
    }
    assert_int_equal(status, GLASS_OK);
    assert_true(n > 5);
    glass_adapter_close(got);
    status = GLASS_NO_MEMORY;
    glass_session *s;
    for (n = 1; status == GLASS_NO_MEMORY; n++) {
        mem_fail_at(n);
        status = glass_session_create(&s, model, &o);
        mem_fail_at(0);
    }
    assert_int_equal(status, GLASS_OK);
    glass_session_free(s);
    /* The one that leads a batch takes room for another's adapters, or says that there is
     * none. */
    glass_session *lead = session_of(NULL, 0, 1, 0);
    s = session_of(both, 2, 1, 0);
    glass_batch_item items[] = {{lead, ids, 2, NULL, false, NULL},
                                {s, ids, 2, NULL, false, NULL}};
    mem_fail_at(1);
    assert_int_equal(glass_batch_eval(items, 2), GLASS_NO_MEMORY);
    mem_fail_at(0);
    glass_session_tokens(s, &n);
    assert_int_equal(n, 0);
    assert_int_equal(glass_batch_eval(items, 2), GLASS_OK);
    glass_session_free(lead);
    glass_session_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_change_nothing),
        cmocka_unit_test(adapters_come_and_go),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(saved_sessions_keep_to_their_adapters),
        cmocka_unit_test(an_adapter_says_what_it_is),
        cmocka_unit_test(their_memory_is_counted),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(failed_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
