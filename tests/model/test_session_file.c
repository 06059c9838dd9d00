/* test_session_file.c - saved sessions that are cut, changed or of something else are
 * refused with a sentence that says why, and leave the session that was to load them as it
 * was.
 *
 * Whoever can change a file can mend its checksum, so most files here carry a right one. */
#include "base/buf.h"
#include "base/hash.h"
#include "base/path.h"
#include "glass/glass.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail

enum {
    V = 61,
    N_TOKENS = 5,
    AT_VERSION = 8, /* after the magic: the file's layout, as session_file.c tells it */
    AT_DTYPE = 12,
    AT_FINGERPRINT = 16,
    AT_N_TOKENS = 48,
    AT_N_LAYER = 56,
    AT_N_HEAD_KV = 64,
    AT_HEAD_DIM = 72,
    AT_IS_LONG = 80,
    AT_TOKENS = 88,
    DIGEST_BYTES = 32
};

static char path[] = "/tmp/glass-session-file-XXXXXX";
static const int32_t ids[N_TOKENS + 1] = {3, 10, 17, 24, 31, 38};

struct fixture {
    glass_model *model, *other;
    glass_session *s; /* holds the saved tokens' first two */
    struct buf file;
    float after[V]; /* logits of ids[2] after those two */
};

static glass_session *session_of(const glass_model *model, int64_t n_ctx,
                                 glass_dtype cache) {
    glass_session *s;
    glass_session_options o = {.n_ctx = n_ctx, .n_threads = 1, .cache_type = cache};
    assert_int_equal(glass_session_create(&s, model, &o), GLASS_OK);
    return s;
}

static int start(void **state) {
    static struct fixture f;
    int fd = mkstemp(path);
    if (fd < 0) return -1;
    close(fd);
    f = (struct fixture){0};
    *state = &f;
    if (glass_model_open(&f.model, "tests/model/data/families/llama.gguf", NULL) ||
        glass_model_open(&f.other, "tests/model/data/families/codellama.gguf", NULL))
        return -1;
    f.s = session_of(f.model, 64, GLASS_F32);
    if (glass_session_eval(f.s, ids, N_TOKENS, NULL) || glass_session_save(f.s, path) ||
        path_read_whole(&f.file, path, 1 << 20) || glass_session_truncate(f.s, 2) ||
        glass_session_eval(f.s, ids + 2, 1, f.after) || glass_session_truncate(f.s, 2))
        return -1;
    return 0;
}

static int end(void **state) {
    struct fixture *f = *state;
    glass_session_free(f->s);
    glass_model_close(f->model);
    glass_model_close(f->other);
    buf_free(&f->file);
    unlink(path);
    return 0;
}

static void write_file(const void *bytes, size_t n) {
    assert_int_equal(path_write_whole(path, bytes, n), GLASS_OK);
}

/* The fixture's file, changed at `at`, with a checksum that fits. */
static void write_changed(const struct fixture *f, size_t at, const void *bytes, size_t n) {
    struct buf b = {0};
    uint8_t digest[DIGEST_BYTES];
    assert_int_equal(buf_append(&b, f->file.data, f->file.len), GLASS_OK);
    memcpy(b.data + at, bytes, n);
    assert_int_equal(sha256_bytes(digest, b.data, b.len - DIGEST_BYTES), GLASS_OK);
    memcpy(b.data + b.len - DIGEST_BYTES, digest, sizeof digest);
    write_file(b.data, b.len);
    buf_free(&b);
}

static void expect(glass_session *s, glass_status status, const char *words) {
    glass_status got = glass_session_load(s, path);
    if (got != status || strstr(glass_error(), words) == NULL ||
        strstr(glass_error(), path) == NULL) {
        print_error("status %d, \"%s\"; not %d, \"%s\"\n", (int)got, glass_error(),
                    (int)status, words);
        assert_true(false);
    }
}

static void expect_unchanged(const struct fixture *f) {
    float logits[V];
    int64_t n;
    const int32_t *tokens = glass_session_tokens(f->s, &n);
    assert_int_equal(n, 2);
    assert_memory_equal(tokens, ids, 2 * sizeof *ids);
    assert_int_equal(glass_session_eval(f->s, ids + 2, 1, logits), GLASS_OK);
    assert_memory_equal(logits, f->after, sizeof logits);
    assert_int_equal(glass_session_truncate(f->s, 2), GLASS_OK);
}

static void a_whole_file_loads(void **state) {
    struct fixture *f = *state;
    float want[V], got[V];
    glass_session *t = session_of(f->model, N_TOKENS + 1, GLASS_F32);
    glass_session *fresh = session_of(f->model, 64, GLASS_F32);
    write_file(f->file.data, f->file.len);
    assert_int_equal(glass_session_load(t, path), GLASS_OK);
    assert_int_equal(glass_session_eval(t, ids + N_TOKENS, 1, got), GLASS_OK);
    assert_int_equal(glass_session_eval(fresh, ids, N_TOKENS + 1, want), GLASS_OK);
    assert_memory_equal(got, want, sizeof want);
    glass_session_free(t);
    glass_session_free(fresh);
}

static void cut_at_every_byte(void **state) {
    struct fixture *f = *state;
    for (size_t n = 0; n < f->file.len; n += n < AT_TOKENS + 4 * N_TOKENS ? 1 : 37) {
        write_file(f->file.data, n);
        expect(f->s, GLASS_BAD_INPUT, "");
    }
    write_file(f->file.data, f->file.len - 1);
    expect(f->s, GLASS_BAD_INPUT, "checksum");
    expect_unchanged(f);
}

static void every_bit_of_the_header(void **state) {
    struct fixture *f = *state;
    for (size_t bit = 0; bit < 8 * AT_TOKENS; bit++) {
        char byte = (char)(f->file.data[bit / 8] ^ 1 << bit % 8);
        /* Fewer tokens with a right checksum would still leave bytes over. */
        write_changed(f, bit / 8, &byte, 1);
        expect(f->s, GLASS_BAD_INPUT, "");
    }
    expect_unchanged(f);
}

static void damage_is_noticed(void **state) {
    struct fixture *f = *state;
    for (size_t at = AT_TOKENS; at < f->file.len; at += 11) {
        f->file.data[at] ^= 16;
        write_file(f->file.data, f->file.len);
        f->file.data[at] ^= 16;
        expect(f->s, GLASS_BAD_INPUT, "checksum differs");
    }
    expect_unchanged(f);
}

static void wrong_numbers_are_named(void **state) {
    struct fixture *f = *state;
    static const struct {
        size_t at, n;
        int64_t value;
        const char *words;
    } wrong[] = {
        {0, 4, 0, "not a session file"},
        {AT_VERSION, 4, 3, "version 3"},
        {AT_DTYPE, 4, GLASS_F16, "F16"},
        {AT_DTYPE, 4, 999, "no known type"},
        {AT_FINGERPRINT, 8, 7, "another model"},
        {AT_N_TOKENS, 8, -1, "-1 tokens"},
        {AT_N_TOKENS, 8, INT64_MIN, "tokens"},
        {AT_N_TOKENS, 8, INT64_MAX, "9223372036854775807 tokens"},
        {AT_N_TOKENS, 8, (int64_t)1 << 61, "tokens"},
        {AT_N_TOKENS, 8, 65, "context of 64"},
        {AT_N_TOKENS, 8, 64, "the cache"},
        {AT_N_TOKENS, 8, N_TOKENS - 1, "after the checksum"},
        {AT_N_LAYER, 8, 1, "another model"},
        {AT_N_LAYER, 8, INT64_MAX, "another model"},
        {AT_N_HEAD_KV, 8, 4, "another model"},
        {AT_HEAD_DIM, 8, (int64_t)1 << 62, "another model"},
        {AT_IS_LONG, 8, 1, "rotates keys otherwise"},
        {AT_TOKENS, 4, V, "token 0 is 61"},
        {AT_TOKENS + 4, 4, -1, "token 1 is -1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_changed(f, wrong[i].at, &wrong[i].value, wrong[i].n);
        expect(f->s, GLASS_BAD_INPUT, wrong[i].words);
    }
    expect_unchanged(f);
}

static void other_sessions_are_refused(void **state) {
    struct fixture *f = *state;
    glass_session *other = session_of(f->other, 64, GLASS_F32);
    glass_session *half = session_of(f->model, 64, GLASS_F16);
    glass_session *small = session_of(f->model, N_TOKENS - 1, GLASS_F32);
    struct buf longer = {0};
    write_file(f->file.data, f->file.len);
    expect(other, GLASS_BAD_INPUT, "another model");
    expect(half, GLASS_BAD_INPUT, "its cache is F32, this session's F16");
    expect(small, GLASS_BAD_INPUT, "5 tokens do not fit a context of 4");
    assert_int_equal(buf_append(&longer, f->file.data, f->file.len), GLASS_OK);
    assert_int_equal(buf_append(&longer, "x", 1), GLASS_OK);
    write_file(longer.data, longer.len);
    expect(f->s, GLASS_BAD_INPUT, "1 bytes after the checksum");
    unlink(path);
    expect(f->s, GLASS_SYSTEM, "");
    assert_int_equal(glass_session_save(f->s, "/nowhere/at/all"), GLASS_SYSTEM);
    assert_non_null(strstr(glass_error(), "/nowhere/at/all"));
    expect_unchanged(f);
    buf_free(&longer);
    glass_session_free(other);
    glass_session_free(half);
    glass_session_free(small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_loads),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(every_bit_of_the_header),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(wrong_numbers_are_named),
        cmocka_unit_test(other_sessions_are_refused),
    };
    return cmocka_run_group_tests(tests, start, end);
}
