/* test_tok_pre.c - the hand-written scanners against the patterns they stand for. */
#include "text/tok_pre.h"

#include "vocab_maker.h"

#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct words {
    const char *text;
    size_t n_bytes; /* covered so far */
    size_t ends[4096];
    size_t n;
};

static glass_status collect(void *context, const char *word, size_t n_bytes) {
    struct words *w = context;
    assert_ptr_equal(word, w->text + w->n_bytes);
    assert_true(n_bytes > 0 && w->n < sizeof w->ends / sizeof *w->ends);
    w->n_bytes += n_bytes;
    w->ends[w->n++] = w->n_bytes;
    return GLASS_OK;
}

static void split(const struct tok_pre *pre, struct words *w, const char *text, size_t n) {
    static void *match; /* kept from call to call, as encode does */
    w->text = text;
    w->n = w->n_bytes = 0;
    if (pre == NULL) {
        tok_pre_match_free(match);
        match = NULL;
        return;
    }
    ok(tok_pre_run(pre, &match, text, n, collect, w));
    assert_int_equal(w->n_bytes, n);
}

static void open_both(const char *name, struct tok_pre **scanner, struct tok_pre **regex) {
    const struct tok_pre_name *row = tok_pre_find(name, strlen(name));
    assert_non_null(row);
    int n = 0;
    while (row->patterns[n] != NULL) n++;
    ok(tok_pre_create_named(scanner, row));
    ok(tok_pre_create(regex, name, row->patterns, n, 0, true));
    assert_int_equal(tok_pre_scan(*regex), TOK_SCAN_NONE);
}

static void expect_same(const struct tok_pre *scanner, const struct tok_pre *regex,
                        const char *text, size_t n) {
    static struct words a, b;
    split(scanner, &a, text, n);
    split(regex, &b, text, n);
    bool same = a.n == b.n && memcmp(a.ends, b.ends, a.n * sizeof *a.ends) == 0;
    if (!same) {
        print_error("%s splits this differently:", tok_pre_name(scanner));
        for (size_t i = 0; i < n; i++) print_error(" %02x", (unsigned char)text[i]);
        print_error("\n");
    }
    assert_true(same);
}

static void scanners_equal_their_patterns(void **state) {
    (void)state;
    static const char *const names[] = {"gpt-2", "smollm", "llama-bpe", "qwen2", "laguna"};
    int rounds = getenv("GLASS_LONG") != NULL ? 200000 : 4000;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        struct tok_pre *scanner, *regex;
        char text[1200];
        uint64_t seed = 7 + k;
        open_both(names[k], &scanner, &regex);
        for (int i = 0; i < rounds; i++)
            expect_same(scanner, regex, text,
                        random_text(&seed, text, i % 8 == 0 ? sizeof text : 90));
        tok_pre_free(scanner);
        tok_pre_free(regex);
    }
    split(NULL, &(struct words){0}, "", 0);
}

/* Every character between a letter, a digit, a sign and spaces. What one of the two libraries
 * does not know yet is left out: they follow Unicode at their own pace. */
static void categories_agree(void **state) {
    (void)state;
    struct tok_pre *scanner, *regex;
    int code, n_checked = 0;
    PCRE2_SIZE at;
    open_both("llama-bpe", &scanner, &regex);
    pcre2_code *known =
        pcre2_compile((PCRE2_SPTR) "^\\P{Cn}$", PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_DOTALL, &code, &at, NULL);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    for (uint32_t c = 0; c < 0x110000; c++) {
        char one[4], text[64];
        if (c >= 0xd800 && c < 0xe000) continue;
        size_t n = utf8_encode(one, c);
        if (pcre2_match(known, (PCRE2_SPTR)one, n, 0, 0, match, NULL) < 0) continue;
        int len =
            snprintf(text, sizeof text, "a%.*sb1%.*s2 %.*s.%.*s%.*s  %.*sx", (int)n, one,
                     (int)n, one, (int)n, one, (int)n, one, (int)n, one, (int)n, one);
        if (c == 0) continue;
        expect_same(scanner, regex, text, (size_t)len);
        n_checked++;
    }
    assert_true(n_checked > 280000);
    pcre2_match_data_free(match);
    pcre2_code_free(known);
    tok_pre_free(scanner);
    tok_pre_free(regex);
    split(NULL, &(struct words){0}, "", 0);
}

/* Words of one text, joined by '|', as the models' own tokenizers split it. */
static void expect_words(const char *name, const char *text, const char *want) {
    struct words w;
    struct buf got = {0};
    struct tok_pre *pre;
    ok(tok_pre_create_named(&pre, tok_pre_find(name, strlen(name))));
    split(pre, &w, text, strlen(text));
    for (size_t i = 0, from = 0; i < w.n; from = w.ends[i++]) {
        if (i > 0) ok(buf_byte(&got, '|'));
        ok(buf_append(&got, text + from, w.ends[i] - from));
    }
    assert_string_equal(got.data, want);
    buf_free(&got);
    tok_pre_free(pre);
}

static void known_texts_split_as_known(void **state) {
    (void)state;
    const char *text = "It's  12345 o'CLOCK,\n\n  isn'T it?!\t \n";
    expect_words("gpt-2", text, "It|'s| | 12345| o|'|CLOCK|,|\n\n | isn|'|T| it|?!|\t \n");
    expect_words("smollm", text,
                 "It|'s|  |1|2|3|4|5| o|'|CLOCK|,|\n\n | isn|'|T| it|?!|\t \n");
    expect_words("llama-bpe", text,
                 "It|'s| | |123|45| o|'CLOCK|,\n\n| | isn|'T| it|?!|\t \n");
    expect_words("qwen2", text,
                 "It|'s| | |1|2|3|4|5| o|'CLOCK|,\n\n| | isn|'T| it|?!|\t \n");
    expect_words("gpt-4o", "HelloWorld it'S a/b\n/ 1234",
                 "Hello|World| it'S| a|/b|\n|/| |123|4");
    expect_words("tekken", "HelloWorld it's 12", "Hello|World| it|'s| |1|2");
    expect_words("deepseek-coder", "int a1;\n", "int| a|1|;|\n");
    expect_words("falcon", "a, b 12345", "a|,| b| |123|45");
    split(NULL, &(struct words){0}, "", 0);
}

/* All names open, and take bytes that are no UTF-8 and long runs without failing. */
static void every_name_opens(void **state) {
    (void)state;
    struct buf names = {0};
    ok(tok_pre_names(&names));
    int n_names = 0;
    static char run[2000];
    for (char *at = names.data, *next; at != NULL; at = next) {
        next = strstr(at, ", ");
        if (next != NULL) {
            *next = '\0';
            next += 2;
        }
        struct tok_pre *pre;
        static struct words w;
        ok(tok_pre_create_named(&pre, tok_pre_find(at, strlen(at))));
        uint64_t seed = 99;
        char text[400];
        for (int i = 0; i < 50; i++)
            split(pre, &w, text, random_text(&seed, text, sizeof text));
        for (const char *unit = " a1.\n\xff'/"; *unit != '\0'; unit++) {
            memset(run, *unit, sizeof run);
            split(pre, &w, run, sizeof run);
        }
        tok_pre_free(pre);
        n_names++;
    }
    assert_true(n_names > 50);
    assert_null(tok_pre_find("gpt-5", 5));
    assert_null(tok_pre_find("gpt", 3));
    buf_free(&names);
    split(NULL, &(struct words){0}, "", 0);
}

static glass_status add_up(void *context, const char *word, size_t n_bytes) {
    (void)word;
    *(size_t *)context += n_bytes;
    return GLASS_OK;
}

/* A megabyte takes hundredths of seconds. A pattern that looks along a run again and again,
 * were it only for each 512th of its characters, takes seconds. */
static void every_name_takes_linear_time(void **state) {
    (void)state;
    static const char *const units[] = {" ",         "\t", "a", "A",
                                        "a\xcc\x81", "!",  "7", "\xe2\x80\x83"};
    const size_t size = 1 << 20;
    struct buf names = {0}, text = {0};
    void *match = NULL;
    ok(tok_pre_names(&names));
    for (char *at = names.data, *next; at != NULL; at = next) {
        next = strstr(at, ", ");
        size_t n = next == NULL ? strlen(at) : (size_t)(next - at);
        struct tok_pre *pre;
        ok(tok_pre_create_named(&pre, tok_pre_find(at, n)));
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            if (tok_pre_scan(pre) != TOK_SCAN_NONE && u > 0) break; /* tested elsewhere */
            size_t sum = 0;
            clock_t before = clock();
            buf_clear(&text);
            while (text.len < size) ok(buf_text(&text, units[u]));
            ok(buf_text(&text, "x"));
            ok(tok_pre_run(pre, &match, text.data, text.len, add_up, &sum));
            assert_int_equal(sum, text.len);
            if (clock() - before >= CLOCKS_PER_SEC)
                print_error("%.*s: %.2f s for a megabyte of \"%s\"\n", (int)n, at,
                            (double)(clock() - before) / CLOCKS_PER_SEC, units[u]);
            assert_true(clock() - before < CLOCKS_PER_SEC);
        }
        tok_pre_free(pre);
        if (next != NULL) next += 2;
    }
    tok_pre_match_free(match);
    buf_free(&names);
    buf_free(&text);
}

static void bad_patterns_are_refused(void **state) {
    (void)state;
    struct tok_pre *pre;
    const char *const open_group[] = {"(a"}, *const bytes[] = {"\\C"};
    assert_int_equal(tok_pre_create(&pre, "x", open_group, 1, 0, false), GLASS_BAD_INPUT);
    assert_null(pre);
    assert_non_null(strstr(glass_error(), "\"(a\""));
    assert_int_equal(tok_pre_create(&pre, "x", bytes, 1, 0, false), GLASS_BAD_INPUT);
    /* One that takes exponential time ends with an error, not never. */
    const char *const slow[] = {"(?:a+)+$"};
    char text[64];
    void *match = NULL;
    memset(text, 'a', sizeof text);
    text[63] = 'b';
    ok(tok_pre_create(&pre, "x", slow, 1, 0, false));
    struct words w = {.text = text};
    assert_int_equal(tok_pre_run(pre, &match, text, sizeof text, collect, &w),
                     GLASS_BAD_INPUT);
    tok_pre_match_free(match);
    tok_pre_free(pre);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scanners_equal_their_patterns),
        cmocka_unit_test(categories_agree),
        cmocka_unit_test(known_texts_split_as_known),
        cmocka_unit_test(every_name_opens),
        cmocka_unit_test(every_name_takes_linear_time),
        cmocka_unit_test(bad_patterns_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
