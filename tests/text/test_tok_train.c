/* test_tok_train.c - training a vocabulary: the tokenizers library's vocabularies of the same
 * texts (data/train_golden.json, by gen_train_golden.py), any number of threads, blocks that
 * end where words end, hostile texts, each allocation failing once. */
#include "text/tok_train.h"

#include "vocab_maker.h"

#include <sys/stat.h>
#include <time.h>

#include <jansson.h>

#define fail_with(...)                                                                     \
    do {                                                                                   \
        print_error(__VA_ARGS__);                                                          \
        print_error("\n");                                                                 \
        assert_true(false);                                                                \
    } while (0)
#define GOLDEN "tests/text/data/train_golden.json"

static glass_status train_text(char **json, glass_vocab_report *report, const char *text,
                               size_t n, const glass_vocab_options *o) {
    char path[64];
    size_t n_bytes;
    write_temporary(path, text, n);
    const char *paths[] = {path};
    glass_status status = glass_tokenizer_train(json, &n_bytes, report, paths, 1, o);
    if (status == GLASS_OK) assert_int_equal(n_bytes, strlen(*json));
    unlink(path);
    return status;
}

/* ---- as the library */

static json_t *pieces_by_id(const json_t *vocab) {
    const char *piece;
    json_t *id, *list = json_array();
    for (size_t i = 0; i < json_object_size(vocab); i++)
        json_array_append_new(list, json_null());
    json_object_foreach((json_t *)(uintptr_t)vocab, piece, id) {
        json_array_set_new(list, (size_t)json_integer_value(id), json_string(piece));
    }
    return list;
}

static void check_golden(const json_t *golden, const char *json) {
    json_t *made = json_loads(json, 0, NULL), *model = json_object_get(made, "model");
    const char *name = json_string_value(json_object_get(golden, "name"));
    json_t *pieces = pieces_by_id(json_object_get(model, "vocab"));
    assert_non_null(made);
    json_t *merges = json_object_get(golden, "merges"); /* not of kind spm */
    if (!json_equal(pieces, json_object_get(golden, "pieces")) ||
        (merges != NULL && !json_equal(json_object_get(model, "merges"), merges))) {
        print_error("%s: not what the library makes\n", name);
        fail_with("%s", json);
    }
    json_decref(pieces);
    json_decref(made);
}

/* The vocabulary that was made opens, and its text comes back through it. */
static void check_opens(const char *json, const char *text, size_t n) {
    struct tok_source s = TOK_SOURCE_NONE;
    glass_tokenizer *t;
    int32_t *ids;
    int64_t n_ids;
    char *back;
    size_t n_back;
    ok(tok_read_json(&s, json, strlen(json), "made"));
    ok(tok_build(&t, &s));
    tok_source_clear(&s);
    ok(glass_tokenizer_encode(t, &ids, &n_ids, text, n, 0));
    ok(glass_tokenizer_decode(t, &back, &n_back, ids, n_ids, 0));
    assert_int_equal(n_back, n);
    assert_memory_equal(back, text, n);
    glass_free(ids);
    glass_free(back);
    glass_tokenizer_close(t);
}

static void vocabularies_are_the_librarys(void **state) {
    (void)state;
    json_error_t error;
    json_t *all = json_load_file(GOLDEN, 0, &error), *one;
    size_t i;
    if (all == NULL) fail_with("%s: %s", GOLDEN, error.text);
    json_array_foreach(all, i, one) {
        const char *special[8];
        json_t *list = json_object_get(one, "special");
        for (size_t k = 0; k < json_array_size(list); k++)
            special[k] = json_string_value(json_array_get(list, k));
        glass_vocab_options o = {
            .kind = json_string_value(json_object_get(one, "kind")),
            .coverage = (float)json_number_value(json_object_get(one, "coverage")),
            .max_piece = json_integer_value(json_object_get(one, "max_piece")),
            .split_digits = json_is_true(json_object_get(one, "split_digits")),
            .n_vocab = json_integer_value(json_object_get(one, "n_vocab")),
            .pre = json_string_value(json_object_get(one, "pre")),
            .special = special,
            .n_special = (int64_t)json_array_size(list),
            .min_count = json_integer_value(json_object_get(one, "min_count")),
            .lines = json_is_true(json_object_get(one, "lines")),
            .n_threads = 1};
        const char *text = json_string_value(json_object_get(one, "text"));
        char *json;
        glass_vocab_report report;
        ok(train_text(&json, &report, text, strlen(text), &o));
        check_golden(one, json);
        if (strstr(text, "\xe2\x96\x81") == NULL) check_opens(json, text, strlen(text));
        json_t *merges = json_object_get(one, "merges");
        if (merges != NULL) assert_int_equal(report.n_merges, json_array_size(merges));
        assert_int_equal(report.n_vocab, json_array_size(json_object_get(one, "pieces")));
        glass_free(json);
    }
    assert_int_equal(i, 17);
    json_decref(all);
}

/* ---- texts to train on */

static uint32_t next_random(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Words, numbers, spaces and whatever else pre-tokenizers look at. */
static void make_text(struct buf *out, size_t n, uint32_t seed) {
    static const char *const parts[] = {
        "the",  " of", "Theory", "'s",   "'ll",  " ",   "  ",   "\n",  "\r\n",    "\t",
        "123",  "4",   ".",      ", ",   "é",    "天",  "\xff", "a b", " x y",    "¡",
        "x's ", "_",   "$+",     "Ünï ", "wORD", " q ", "/",    "\0n", "\xe3\x80"};
    while (out->len < n) {
        uint32_t r = next_random(&seed);
        const char *part = parts[r % (sizeof parts / sizeof *parts)];
        ok(buf_append(out, part, part[0] == '\0' ? 2 : strlen(part)));
        if (r % 7 < 3) ok(buf_printf(out, " %c%c", 'a' + r / 64 % 26, 'a' + r / 4096 % 5));
    }
}

static void threads_change_nothing(void **state) {
    (void)state;
    static const char *const kinds[] = {"bytes", "spm"};
    struct buf text = {0};
    make_text(&text, 5 << 20, 7);
    for (int k = 0; k < 2; k++) {
        char *first = NULL, *json;
        for (int n = 1; n <= 8; n = n < 3 ? n + 1 : n + 5) {
            glass_vocab_options o = {.kind = kinds[k], .n_vocab = 2000, .n_threads = n};
            glass_vocab_report report;
            ok(train_text(&json, &report, text.data, text.len, &o));
            assert_int_equal(report.n_bytes, text.len);
            if (first == NULL) {
                first = json;
                continue;
            }
            assert_string_equal(first, json);
            glass_free(json);
        }
        glass_free(first);
    }
    buf_free(&text);
}

static glass_status write_word(void *context, const char *word, size_t n) {
    TRY(buf_append(context, word, n));
    return buf_byte(context, '|');
}

static void cut_words(struct buf *out, const struct tok_pre *pre, const char *path,
                      size_t block_bytes) {
    struct train_feed feed;
    struct buf block = {0};
    void *match = NULL;
    int n_blocks = 0;
    ok(train_feed_open(&feed, &path, 1, false));
    feed.block_bytes = block_bytes;
    for (;; n_blocks++) {
        ok(train_feed_next(&feed, &block));
        if (block.len == 0) break;
        ok(tok_pre_run(pre, &match, block.data, block.len, write_word, out));
    }
    assert_true(block_bytes > 1 << 20 ? n_blocks == 1 : n_blocks > 50);
    train_feed_close(&feed);
    tok_pre_match_free(match);
    buf_free(&block);
}

/* Blocks cut no word of any pre-tokenizer: the words of many small ones are those of the text
 * as a whole. */
static void blocks_end_where_words_end(void **state) {
    (void)state;
    struct buf text = {0}, list = {0};
    char path[64], *rest = NULL;
    int n_names = 0;
    make_text(&text, 30000, 3);
    write_temporary(path, text.data, text.len);
    ok(tok_pre_names(&list));
    for (char *name = strtok_r(list.data, ", ", &rest); name != NULL;
         name = strtok_r(NULL, ", ", &rest), n_names++) {
        struct tok_pre *pre;
        struct buf whole = {0}, parts = {0};
        ok(tok_pre_create_named(&pre, tok_pre_find(name, strlen(name))));
        cut_words(&whole, pre, path, 2 << 20);
        cut_words(&parts, pre, path, 64);
        if (whole.len != parts.len || memcmp(whole.data, parts.data, whole.len) != 0)
            fail_with("%s: a block cuts a word", name);
        buf_free(&whole);
        buf_free(&parts);
        tok_pre_free(pre);
    }
    assert_true(n_names > 40);
    unlink(path);
    buf_free(&text);
    buf_free(&list);
}

/* ---- hostile */

/* A line without a place to cut, long tokens: time in proportion, tokens within the limit. */
static void one_giant_word(void **state) {
    (void)state;
    size_t n = TRAIN_GIANT_BYTES + TRAIN_GIANT_BYTES / 2;
    char *text, *json;
    struct timespec begin, end;
    ok(mem_alloc(&text, n, 1));
    memset(text, 'a', n);
    glass_vocab_options o = {.n_vocab = 300, .n_threads = 2};
    glass_vocab_report report;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    ok(train_text(&json, &report, text, n, &o));
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - begin.tv_sec < 60);
    assert_int_equal(report.n_different, 2);
    assert_true(report.n_vocab > 268);
    check_opens(json, text, 100000);
    glass_free(json);
    mem_free(text);
}

static void any_bytes_are_text(void **state) {
    (void)state;
    struct buf text = {0};
    uint32_t seed = 5;
    for (int i = 0; i < 20000; i++) ok(buf_byte(&text, (char)next_random(&seed)));
    for (int i = 0; i < 100; i++) ok(buf_append(&text, "\0\xff\xfe\0", 4));
    static const char *const pres[] = {"gpt-2", "llama3", "gpt-4o", "bloom"};
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++) {
        for (int lines = 0; lines < 2; lines++) {
            glass_vocab_options o = {.n_vocab = 400, .pre = pres[i], .lines = lines};
            char *json;
            ok(train_text(&json, NULL, text.data, text.len, &o));
            check_opens(json, text.data, text.len);
            glass_free(json);
        }
    }
    glass_vocab_options o = {.kind = "spm", .n_vocab = 1200};
    char *json;
    ok(train_text(&json, NULL, text.data, text.len, &o));
    check_opens(json, text.data, text.len);
    glass_free(json);
    buf_free(&text);
}

static void refused(glass_status want, const char *part, const char *text, size_t n,
                    glass_vocab_options o) {
    char *json = (char *)1;
    assert_int_equal(train_text(&json, NULL, text, n, &o), want);
    assert_null(json);
    if (strstr(glass_error(), part) == NULL)
        fail_with("\"%s\" is not in: %s", part, glass_error());
}

static bool stop(void *context, const glass_vocab_progress *p) {
    int *n = context;
    return p->merging ? --*n > 0 : true;
}

static void what_cannot_be_is_said(void **state) {
    (void)state;
    static const char text[] = "the cat and the hat";
    size_t n = sizeof text - 1;
    int calls = 1;
    const char *one[] = {"<s>", "<s>"}, *bad[] = {"\xff\xfe"}, *byte[] = {"x"},
               *wide[] = {"Ġ"};
    refused(GLASS_BAD_INPUT, "no text", "", 0, (glass_vocab_options){0});
    refused(GLASS_USAGE, "258", text, n,
            (glass_vocab_options){.n_vocab = 257, .special = one, .n_special = 2});
    refused(GLASS_USAGE, "1048576", text, n, (glass_vocab_options){.n_vocab = 1 << 21});
    refused(GLASS_USAGE, "least count", text, n, (glass_vocab_options){.min_count = -1});
    refused(GLASS_USAGE, "threads", text, n, (glass_vocab_options){.n_threads = -1});
    refused(GLASS_USAGE, "threads", text, n, (glass_vocab_options){.n_threads = 5000});
    refused(GLASS_USAGE, "llama-bpe", text, n, (glass_vocab_options){.pre = "frob"});
    refused(GLASS_USAGE, "twice", text, n,
            (glass_vocab_options){.special = one, .n_special = 2});
    refused(GLASS_USAGE, "UTF-8", text, n,
            (glass_vocab_options){.special = bad, .n_special = 1});
    refused(GLASS_USAGE, "short", text, n,
            (glass_vocab_options){.special = byte, .n_special = 1});
    refused(GLASS_USAGE, "spells", text, n,
            (glass_vocab_options){.special = wide, .n_special = 1});
    refused(GLASS_USAGE, "kind", text, n, (glass_vocab_options){.kind = "frob"});
    refused(GLASS_USAGE, "spm's", text, n, (glass_vocab_options){.split_digits = true});
    refused(GLASS_USAGE, "no pre", text, n,
            (glass_vocab_options){.kind = "spm", .pre = "gpt-2"});
    refused(GLASS_USAGE, "anyway", text, n,
            (glass_vocab_options){.kind = "spm", .special = one, .n_special = 1});
    refused(GLASS_USAGE, "coverage", text, n,
            (glass_vocab_options){.kind = "spm", .coverage = 1.5f});
    refused(GLASS_USAGE, "65 characters", text, n,
            (glass_vocab_options){.kind = "spm", .max_piece = 65});
    refused(GLASS_USAGE, "alone are 267", text, n,
            (glass_vocab_options){.kind = "spm", .n_vocab = 260});
    refused(GLASS_BAD_INPUT, "no text", "\n\n", 2, (glass_vocab_options){.kind = "spm"});
    refused(GLASS_CANCELLED, "cancelled", text, n,
            (glass_vocab_options){.progress = stop, .context = &calls});
    const char *missing[] = {"/none/such"}, *folder[] = {"/tmp"};
    char *json;
    size_t n_bytes;
    assert_int_equal(glass_tokenizer_train(&json, &n_bytes, NULL, missing, 1, NULL),
                     GLASS_SYSTEM);
    assert_non_null(strstr(glass_error(), "/none/such"));
    assert_int_equal(glass_tokenizer_train(&json, &n_bytes, NULL, folder, 1, NULL),
                     GLASS_USAGE);
    assert_int_equal(glass_tokenizer_train(&json, &n_bytes, NULL, NULL, 0, NULL),
                     GLASS_BAD_INPUT);
}

/* The limit is kept and named, and lies at the same number with any number of threads. */
static void memory_has_a_limit(void **state) {
    (void)state;
    struct buf text = {0};
    char *json;
    size_t low = 1 << 12, high = 1 << 26;
    make_text(&text, 2 << 20, 11);
    refused(GLASS_BAD_INPUT, "100000 bytes", text.data, text.len,
            (glass_vocab_options){.memory_bytes = 100000});
    while (high - low > 1) {
        glass_vocab_options o = {
            .n_vocab = 400, .n_threads = 1, .memory_bytes = (low + high) / 2};
        if (train_text(&json, NULL, text.data, text.len, &o) == GLASS_OK) {
            high = o.memory_bytes;
            glass_free(json);
        } else {
            low = o.memory_bytes;
        }
    }
    for (int i = 2; i < 5; i++) {
        glass_vocab_options o = {.n_vocab = 400, .n_threads = i, .memory_bytes = high};
        ok(train_text(&json, NULL, text.data, text.len, &o));
        glass_free(json);
        o.memory_bytes = low;
        assert_int_equal(train_text(&json, NULL, text.data, text.len, &o), GLASS_BAD_INPUT);
    }
    buf_free(&text);
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    struct buf text = {0};
    make_text(&text, 5000, 2);
    glass_vocab_options kinds[] = {{.n_vocab = 300, .n_threads = 1, .pre = "gpt-4o"},
                                   {.n_vocab = 320, .n_threads = 1, .kind = "spm"}};
    int64_t n_failed = 0;
    int k = 0;
    for (int64_t fail_at = 1;; fail_at++) {
        char *json;
        mem_fail_at(fail_at);
        glass_status status = train_text(&json, NULL, text.data, text.len, &kinds[k]);
        int64_t asked = mem_fail_at(0);
        if (status == GLASS_OK) glass_free(json);
        if (asked < fail_at) {
            assert_int_equal(status, GLASS_OK);
            if (++k == 2) break;
            fail_at = 0;
            continue;
        }
        if (status != GLASS_OK) assert_int_equal(status, GLASS_NO_MEMORY);
        n_failed += status != GLASS_OK;
    }
    assert_true(n_failed > 50);
    buf_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vocabularies_are_the_librarys),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(blocks_end_where_words_end),
        cmocka_unit_test(one_giant_word),
        cmocka_unit_test(any_bytes_are_text),
        cmocka_unit_test(what_cannot_be_is_said),
        cmocka_unit_test(memory_has_a_limit),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
