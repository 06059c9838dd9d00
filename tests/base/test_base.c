/* test_base.c - the base room: errors, memory, buffers, UTF-8, the bounded reader, hashing. */
#include "base/buf.h"
#include "base/hash.h"
#include "base/path.h"
#include "base/reader.h"
#include "base/team.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail /* cmocka's macro hides ours */

static void errors_carry_context(void **state) {
    (void)state;
    assert_int_equal(fail(GLASS_BAD_INPUT, "line %d", 3), GLASS_BAD_INPUT);
    assert_int_equal(fail_within(GLASS_BAD_INPUT, "%s", "a.yaml"), GLASS_BAD_INPUT);
    assert_string_equal(glass_error(), "a.yaml: line 3");
    assert_int_equal(glass_status_exit_code(GLASS_NO_MEMORY), 4);
}

static void sizes_are_checked(void **state) {
    (void)state;
    void *p = &p;
    assert_int_equal(mem_alloc(&p, SIZE_MAX / 2, 4), GLASS_NO_MEMORY);
    assert_null(p);
    mem_fail_at(2);
    char *a, *b;
    assert_int_equal(mem_alloc(&a, 1, 1), GLASS_OK);
    assert_int_equal(mem_alloc(&b, 1, 1), GLASS_NO_MEMORY);
    assert_int_equal(mem_fail_at(0), 2);
    mem_free(a);
}

static void utf8_rejects_what_rfc3629_rejects(void **state) {
    (void)state;
    uint32_t c;
    const char *bad[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xe2\x82"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(utf8_decode(&c, bad[i], strlen(bad[i])), 1);
        assert_int_equal(c, UTF8_BAD);
    }
    for (uint32_t value = 1; value < 0x110000; value++) {
        if (value >= 0xd800 && value < 0xe000) continue;
        char text[4];
        size_t n = utf8_encode(text, value);
        assert_int_equal(utf8_decode(&c, text, n), n);
        assert_int_equal(c, value);
        for (size_t cut = 1; cut < n; cut++) assert_int_equal(utf8_complete(text, cut), 0);
        assert_int_equal(utf8_complete(text, n), n);
    }
}

static void json_strings_escape(void **state) {
    (void)state;
    struct buf b = {0};
    assert_int_equal(buf_json_string(&b, "a\"\\\n\x01\xff\xc3\xa9", 8), GLASS_OK);
    assert_string_equal(b.data, "\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\"");
    buf_clear(&b);
    assert_int_equal(buf_json_number(&b, 0.1), GLASS_OK);
    assert_string_equal(b.data, "0.1");
    buf_free(&b);
}

static void reader_stops_at_the_end(void **state) {
    (void)state;
    const uint8_t bytes[] = {1, 0, 0, 0, 2};
    struct reader r = {bytes, sizeof bytes, 0, "x.bin"};
    uint32_t value;
    uint64_t big;
    assert_int_equal(reader_u32(&r, &value, "count"), GLASS_OK);
    assert_int_equal(value, 1);
    assert_int_equal(reader_u64(&r, &big, "offset"), GLASS_BAD_INPUT);
    assert_int_equal(r.pos, 4);
    assert_non_null(strstr(glass_error(), "x.bin: byte 4: offset needs 8 bytes"));
    assert_int_equal(reader_skip(&r, SIZE_MAX, "much"), GLASS_BAD_INPUT);
}

/* FIPS 180-4's example digest of "abc". */
static void sha256_is_sha256(void **state) {
    (void)state;
    uint8_t digest[32];
    char text[65];
    assert_int_equal(sha256_bytes(digest, "abc", 3), GLASS_OK);
    sha256_hex(text, digest);
    assert_string_equal(text,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

struct counting {
    int64_t taken[3][1000];
};

static void count_rounds(void *context, const struct member *me) {
    struct counting *c = context;
    for (int phase = 0; phase < 3; phase++) {
        int64_t begin, end;
        while (team_queue_next(me, 1000, 7, &begin, &end))
            for (int64_t i = begin; i < end; i++) c->taken[phase][i]++;
        team_barrier(me);
    }
}

static void queues_hand_out_each_item_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        struct counting *c = calloc(1, sizeof *c);
        team_run(threads, count_rounds, c);
        for (int phase = 0; phase < 3; phase++)
            for (int i = 0; i < 1000; i++) assert_int_equal(c->taken[phase][i], 1);
        free(c);
    }
}

/* Of three files the one that is half written goes; one without a name never shows. */
static void parts_are_removed(void **state) {
    (void)state;
    char folder[] = "/tmp/glass-base-XXXXXX", path[64];
    static const char *const names[] = {"a", "a.part-12", "b.parts"};
    FILE *file = NULL;
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(path_write_whole(path, "x", 1), GLASS_OK);
    }
    assert_int_equal(path_remove_parts(folder), GLASS_OK);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(access(path, F_OK), i == 1 ? -1 : 0);
        unlink(path);
    }
    assert_int_equal(path_nameless(&file, folder), GLASS_OK);
    assert_int_equal(fputs("text", file) >= 0 && fseek(file, 1, SEEK_SET) == 0, 1);
    assert_int_equal(fgetc(file), 'e');
    assert_int_equal(rmdir(folder), 0); /* it is empty */
    assert_int_equal(path_remove_parts(folder), GLASS_OK);
    assert_int_not_equal(path_nameless(&(FILE *){NULL}, folder), GLASS_OK);
    assert_non_null(strstr(glass_error(), folder));
    fclose(file);
}

/* What is nobody's secret is readable as far as the umask has it. */
static void modes(void **state) {
    (void)state;
    char folder[] = "/tmp/glass-base-XXXXXX", path[64];
    struct stat st;
    assert_non_null(mkdtemp(folder));
    mode_t before = umask(0027);
    for (int i = 0; i < 4; i++) {
        static const mode_t wanted[] = {0640, 0600, 0750, 0700};
        snprintf(path, sizeof path, "%s/%d", folder, i);
        assert_int_equal(i == 0   ? path_write_whole(path, "x", 1)
                         : i == 1 ? path_write_private(path, "x", 1)
                         : i == 2 ? path_make(path)
                                  : path_make_private(path),
                         GLASS_OK);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, wanted[i]);
        assert_int_equal(remove(path), 0);
    }
    umask(before);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes),
        cmocka_unit_test(errors_carry_context),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(utf8_rejects_what_rfc3629_rejects),
        cmocka_unit_test(json_strings_escape),
        cmocka_unit_test(reader_stops_at_the_end),
        cmocka_unit_test(sha256_is_sha256),
        cmocka_unit_test(queues_hand_out_each_item_once),
        cmocka_unit_test(parts_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
