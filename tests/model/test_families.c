/* test_families.c - every family computes what transformers computes, and its bits do not
 * depend on how tokens are cut, on threads, on batch companions or on the cache's history.
 *
 * The models and logits are made by gen_families.py; the limit of 1e-5 is the relative L2
 * distance of docs/models.md. */
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

enum { V = 61, T = 40 };

// clang-format off
static const char *const names[] = {"llama", "llama-tied", "mistral", "qwen2", "qwen3", "olmo",
                                    "olmo2", "gpt2", "gptneo", "gptneox", "gptneox-sequential",
                                    "codellama", "llama3", "llama-linear", "llama-bias",
                                    "gptj", "olmo3", "smollm3", "gemma", "gemma2", "gemma3",
                                    "apertus", "granite", "phi2", "phi3", "starcoder",
                                    "starcoder2", "qwen2-yarn", "ministral3"};
// clang-format on
enum { N_NAMES = sizeof names / sizeof *names };

static int32_t ids[T];

static glass_model *open_family(const char *name) {
    glass_model *model;
    char path[128];
    snprintf(path, sizeof path, "tests/model/data/families/%s.gguf", name);
    for (int i = 0; i < T; i++) ids[i] = (7 * i + 3) % V;
    if (glass_model_open(&model, path, NULL) != GLASS_OK) fail_msg("%s", glass_error());
    return model;
}

static glass_session *session_of(const glass_model *model, int threads, int64_t n_batch,
                                 glass_dtype cache) {
    glass_session *s;
    glass_session_options o = {
        .n_ctx = 64, .n_batch = n_batch, .n_threads = threads, .cache_type = cache};
    if (glass_session_create(&s, model, &o) != GLASS_OK) fail_msg("%s", glass_error());
    return s;
}

static void eval_all(glass_session *s, float *out, int64_t chunk) {
    for (int64_t i = 0; i < T; i += chunk) {
        int64_t n = T - i < chunk ? T - i : chunk;
        if (glass_session_eval_all(s, ids + i, n, out + i * V) != GLASS_OK)
            fail_msg("%s", glass_error());
    }
}

/* The relative L2 distance of n rows from FAMILY.logits. */
static double distance(const char *name, const float *ours, int64_t n) {
    struct buf theirs = {0};
    char path[128];
    double difference = 0, size = 0;
    snprintf(path, sizeof path, "tests/model/data/families/%s.logits", name);
    assert_int_equal(path_read_whole(&theirs, path, 1 << 20), GLASS_OK);
    assert_int_equal(theirs.len, (size_t)(n * V) * sizeof *ours);
    for (int64_t i = 0; i < n * V; i++) {
        float want;
        memcpy(&want, theirs.data + 4 * i, 4);
        difference += ((double)ours[i] - (double)want) * ((double)ours[i] - (double)want);
        size += (double)want * (double)want;
    }
    buf_free(&theirs);
    return sqrt(difference / size);
}

static void logits_are_transformers(void **state) {
    (void)state;
    static float ours[T * V];
    for (int f = 0; f < N_NAMES; f++) {
        glass_model *model = open_family(names[f]);
        glass_session *s = session_of(model, 2, 0, GLASS_F32);
        eval_all(s, ours, T);
        double relative = distance(names[f], ours, T);
        if (!(relative <= 1e-5)) fail_msg("%s: relative L2 %g", names[f], relative);
        glass_session_free(s);
        glass_model_close(model);
    }
}

/* More keys than a block of attention holds, windows that start inside one. */
static void long_logits_are_transformers(void **state) {
    (void)state;
    enum { LONG = 300 };
    static const char *const long_names[] = {"mistral-long", "gptneo-long", "gemma2-long"};
    static float whole[LONG * V], cut[LONG * V];
    int32_t long_ids[LONG];
    for (int i = 0; i < LONG; i++) long_ids[i] = (7 * i + 3) % V;
    for (size_t f = 0; f < sizeof long_names / sizeof *long_names; f++) {
        glass_model *model = open_family(long_names[f]);
        glass_session *s;
        glass_session_options o = {.n_ctx = 320, .n_threads = 2};
        assert_int_equal(glass_session_create(&s, model, &o), GLASS_OK);
        assert_int_equal(glass_session_eval_all(s, long_ids, LONG, whole), GLASS_OK);
        double relative = distance(long_names[f], whole, LONG);
        if (!(relative <= 1e-5)) fail_msg("%s: relative L2 %g", long_names[f], relative);
        assert_int_equal(glass_session_truncate(s, 0), GLASS_OK);
        for (int i = 0; i < LONG; i += 7)
            assert_int_equal(glass_session_eval_all(
                                 s, long_ids + i, LONG - i < 7 ? LONG - i : 7, cut + i * V),
                             GLASS_OK);
        assert_memory_equal(whole, cut, sizeof whole);
        glass_session_free(s);
        glass_model_close(model);
    }
}

/* Phi-3 has factors of the frequencies for contexts of up to 32 positions and for longer ones;
 * what one session keeps is nothing to the other. */
static void short_contexts_have_their_own_factors(void **state) {
    (void)state;
    enum { SHORT = 32 };
    static float ours[SHORT * V];
    char path[] = "/tmp/glass-session-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    glass_model *model = open_family("phi3");
    glass_session *s, *longer = session_of(model, 1, 0, GLASS_F32);
    glass_session_options o = {.n_ctx = SHORT, .n_threads = 2};
    assert_int_equal(glass_session_create(&s, model, &o), GLASS_OK);
    /* Both share a pass, whose memory is the longer one's. */
    glass_batch_item items[2] = {{longer, ids + 7, 3, NULL, false, NULL},
                                 {s, ids, SHORT, ours, true, NULL}};
    assert_int_equal(glass_batch_eval(items, 2), GLASS_OK);
    double relative = distance("phi3-short", ours, SHORT);
    if (!(relative <= 1e-5)) fail_msg("phi3-short: relative L2 %g", relative);
    assert_int_equal(glass_session_save(s, path), GLASS_OK);
    assert_int_equal(glass_session_load(longer, path), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "at most 32 positions"));
    assert_int_equal(glass_session_load(s, path), GLASS_OK);
    glass_session_free(s);
    glass_session_free(longer);
    glass_model_close(model);
    unlink(path);
}

static void cuts_and_threads_change_nothing(void **state) {
    (void)state;
    static const glass_dtype caches[] = {GLASS_F32, GLASS_F16, GLASS_Q8_0};
    static float all[T * V], cut[T * V];
    for (int f = 0; f < N_NAMES; f++) {
        glass_model *model = open_family(names[f]);
        for (int c = 0; c < 2; c++) { /* heads of 8 cannot be q8_0 */
            glass_session *whole = session_of(model, 1, 0, caches[c]);
            eval_all(whole, all, T);
            for (int64_t chunk = 1; chunk < 20; chunk += 6)
                for (int threads = 1; threads <= 8; threads += f == 0 ? 1 : 3) {
                    glass_session *s = session_of(model, threads, 1 + chunk / 2, caches[c]);
                    eval_all(s, cut, chunk);
                    if (memcmp(all, cut, sizeof all) != 0)
                        fail_msg("%s: other bits in chunks of %d on %d threads", names[f],
                                 (int)chunk, threads);
                    glass_session_free(s);
                }
            glass_session_free(whole);
        }
        glass_model_close(model);
    }
}

/* Three sessions of different histories share passes; each gets its solo bits. */
static void strangers_change_nothing(void **state) {
    (void)state;
    static float solo[V], together[3][V];
    for (int f = 0; f < N_NAMES; f++) {
        glass_model *model = open_family(names[f]);
        glass_session *s[3], *alone = session_of(model, 2, 0, GLASS_F32);
        for (int i = 0; i < 3; i++) s[i] = session_of(model, 2, 5, GLASS_F32);
        assert_int_equal(glass_session_eval(s[1], ids, 11, NULL), GLASS_OK);
        assert_int_equal(glass_session_eval(s[2], ids + 3, 1, NULL), GLASS_OK);
        glass_batch_item items[3] = {{s[0], ids + 5, 20, together[0], false, NULL},
                                     {s[1], ids + 11, 1, together[1], false, NULL},
                                     {s[2], ids + 4, 9, together[2], false, NULL}};
        assert_int_equal(glass_batch_eval(items, 3), GLASS_OK);
        const int first[3] = {5, 0, 3}, n[3] = {20, 12, 10};
        for (int i = 0; i < 3; i++) {
            assert_int_equal(glass_session_truncate(alone, 0), GLASS_OK);
            assert_int_equal(glass_session_eval(alone, ids + first[i], n[i], solo),
                             GLASS_OK);
            if (memcmp(solo, together[i], sizeof solo) != 0)
                fail_msg("%s: session %d got other bits among strangers", names[f], i);
            glass_session_free(s[i]);
        }
        glass_session_free(alone);
        glass_model_close(model);
    }
}

/* A prefix kept by truncation, or saved and loaded, gives the bits of a fresh run. */
static void kept_prefixes_change_nothing(void **state) {
    (void)state;
    static float fresh[V], kept[V], loaded[V];
    char path[] = "/tmp/glass-session-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (int f = 0; f < N_NAMES; f++) {
        glass_model *model = open_family(names[f]);
        glass_session *a = session_of(model, 2, 0, GLASS_F16);
        glass_session *b = session_of(model, 1, 0, GLASS_F16);
        assert_int_equal(glass_session_eval(a, ids, 30, fresh), GLASS_OK);
        assert_int_equal(glass_session_truncate(a, 17), GLASS_OK);
        assert_int_equal(glass_session_save(a, path), GLASS_OK);
        assert_int_equal(glass_session_eval(a, ids + 17, 13, kept), GLASS_OK);
        assert_memory_equal(fresh, kept, sizeof fresh);
        assert_int_equal(glass_session_load(b, path), GLASS_OK);
        assert_int_equal(glass_session_eval(b, ids + 17, 13, loaded), GLASS_OK);
        assert_memory_equal(fresh, loaded, sizeof fresh);
        glass_session_free(a);
        glass_session_free(b);
        glass_model_close(model);
    }
    unlink(path);
}

static void damaged_sessions_are_refused(void **state) {
    (void)state;
    char path[] = "/tmp/glass-session-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    glass_model *model = open_family("llama"), *other = open_family("qwen2");
    glass_session *s = session_of(model, 1, 0, GLASS_F32);
    glass_session *t = session_of(other, 1, 0, GLASS_F32);
    struct buf file = {0};
    assert_int_equal(glass_session_eval(s, ids, 3, NULL), GLASS_OK);
    assert_int_equal(glass_session_save(s, path), GLASS_OK);
    assert_int_equal(glass_session_load(t, path), GLASS_BAD_INPUT);
    assert_int_equal(path_read_whole(&file, path, 1 << 24), GLASS_OK);
    for (size_t n = 0; n < file.len; n += 1 + file.len / 97) {
        assert_int_equal(path_write_whole(path, file.data, n), GLASS_OK);
        assert_int_equal(glass_session_load(s, path), GLASS_BAD_INPUT);
        file.data[n] ^= 4;
        assert_int_equal(path_write_whole(path, file.data, file.len), GLASS_OK);
        assert_int_equal(glass_session_load(s, path), GLASS_BAD_INPUT);
        file.data[n] ^= 4;
    }
    buf_free(&file);
    glass_session_free(s);
    glass_session_free(t);
    glass_model_close(model);
    glass_model_close(other);
    unlink(path);
}

static void wrong_calls_say_so(void **state) {
    (void)state;
    glass_model *model = open_family("gpt2");
    glass_session *s = session_of(model, 1, 0, GLASS_F32);
    int32_t bad = V, many[65] = {0};
    assert_int_equal(glass_session_eval(s, &bad, 1, NULL), GLASS_BAD_INPUT);
    assert_int_equal(glass_session_eval(s, many, 65, NULL), GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "64"));
    assert_int_equal(glass_session_truncate(s, 1), GLASS_USAGE);
    glass_session_options o = {.n_ctx = 65};
    glass_session *t;
    assert_int_equal(glass_session_create(&t, model, &o), GLASS_USAGE);
    assert_null(t);
    glass_session_free(s);
    glass_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_transformers),
        cmocka_unit_test(long_logits_are_transformers),
        cmocka_unit_test(short_contexts_have_their_own_factors),
        cmocka_unit_test(cuts_and_threads_change_nothing),
        cmocka_unit_test(strangers_change_nothing),
        cmocka_unit_test(kept_prefixes_change_nothing),
        cmocka_unit_test(damaged_sessions_are_refused),
        cmocka_unit_test(wrong_calls_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
