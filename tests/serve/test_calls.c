/* test_calls.c - tool calls in what models write: each convention, cut anywhere, and what only
 * looks like a call. */
#include "base/utf8.h"
#include "serve/calls.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>
#include <stdio.h>

static const char *const marks[] = {"<tool_call>", "[TOOL_CALLS]", "<|python_tag|>"};
enum { HERMES_MARK = 256, MISTRAL_MARK, PYTHON_MARK, N_VOCAB };

/* Bytes and the three marks. */
static glass_tokenizer *vocabulary(bool control) {
    struct tok_source s = TOK_SOURCE_NONE;
    struct buf text = {0};
    assert_int_equal(mem_alloc_zero(&s.pieces, N_VOCAB, sizeof *s.pieces), GLASS_OK);
    assert_int_equal(mem_alloc_zero(&s.types, N_VOCAB, 1), GLASS_OK);
    for (int id = 0; id < N_VOCAB; id++) {
        char byte[4];
        size_t n = id < 256 ? utf8_encode(byte, tok_char_of((uint8_t)id)) : 0;
        const char *piece = id < 256 ? byte : marks[id - 256];
        if (id >= 256) n = strlen(piece);
        s.pieces[id] = (struct tok_piece){(uint32_t)text.len, (uint32_t)n};
        s.types[id] = id < 256 ? TOK_NORMAL : control ? TOK_CONTROL : TOK_USER;
        assert_int_equal(buf_append(&text, piece, n), GLASS_OK);
    }
    s.name = "calls";
    s.text_owner = text;
    s.text = text.data;
    s.n_vocab = N_VOCAB;
    snprintf(s.pre, sizeof s.pre, "gpt-2");
    glass_tokenizer *t;
    assert_int_equal(tok_build(&t, &s), GLASS_OK);
    tok_source_clear(&s);
    return t;
}

/* What came out, as one text: words as they are, calls as «name arguments». */
struct heard {
    struct buf all;
    int pieces;
};

static glass_status hear_text(void *context, const char *text, size_t n) {
    assert_true(n > 0);
    return buf_append(&((struct heard *)context)->all, text, n);
}

static glass_status hear_call(void *context, int i, const char *name,
                              const char *arguments) {
    return buf_printf(&((struct heard *)context)->all, "«%d %s %s»", i, name, arguments);
}

static glass_status hear_open(void *context, int i, const char *name) {
    return buf_printf(&((struct heard *)context)->all, "«%d %s ", i, name);
}

static glass_status hear_piece(void *context, const char *text, size_t n) {
    ((struct heard *)context)->pieces++;
    return buf_append(&((struct heard *)context)->all, text, n);
}

static glass_status hear_close(void *context) {
    return buf_text(&((struct heard *)context)->all, "»");
}

struct fixture {
    struct chat chat;
    glass_tokenizer *t;
    bool streams;
};

static void begin(struct fixture *f, enum tool_style style, bool forced, bool control) {
    *f = (struct fixture){.t = vocabulary(control)};
    f->chat.style = style;
    f->chat.forced = forced;
    f->chat.tools = json_loads("[{\"type\":\"function\",\"function\":{\"name\":\"add\"}},"
                               "{\"type\":\"function\",\"function\":{\"name\":\"now\"}}]",
                               0, NULL);
    assert_non_null(f->chat.tools);
}

static void finish(struct fixture *f) {
    chat_clear(&f->chat);
    glass_tokenizer_close(f->t);
}

/* Pieces of so many bytes; at a byte 1, 2, 3 of the text the token of that mark comes. The
 * last piece comes with the end if tail. */
static int hear(struct buf *out, const struct fixture *f, const char *text, size_t step,
                bool tail) {
    struct heard h = {0};
    struct calls_sink sink = {.text = hear_text, .call = hear_call, .context = &h};
    struct calls *c;
    size_t n = strlen(text), at = 0;
    if (f->streams) {
        sink.open = hear_open;
        sink.piece = hear_piece;
        sink.close = hear_close;
    }
    assert_int_equal(calls_create(&c, &f->chat, f->t, &sink), GLASS_OK);
    while (at < n) {
        if (text[at] >= 1 && text[at] <= 3) {
            assert_int_equal(calls_take(c, 255 + text[at], "", 0), GLASS_OK);
            at++;
            continue;
        }
        size_t part = strcspn(text + at, "\1\2\3");
        if (part > step) part = step;
        if (at + part == n && tail) break;
        assert_int_equal(calls_take(c, 0, text + at, part), GLASS_OK);
        at += part;
    }
    assert_int_equal(calls_end(c, text + at, n - at), GLASS_OK);
    calls_free(c);
    *out = h.all;
    return h.pieces;
}

/* Whatever the pieces, the same comes out. */
static void check(const struct fixture *f, const char *text, const char *wanted) {
    for (size_t step = 1; step <= strlen(text) + 1; step++)
        for (int tail = 0; tail < 2; tail++) {
            struct buf got;
            hear(&got, f, text, step, tail);
            const char *all = got.data != NULL ? got.data : "";
            if (strcmp(all, wanted) != 0)
                fail_msg("%s\nby %zu: %s\nwanted: %s", text, step, all, wanted);
            buf_free(&got);
        }
}

struct row {
    const char *text, *wanted;
};

static void check_rows(enum tool_style style, bool forced, bool control,
                       const struct row *rows, size_t n) {
    struct fixture f;
    begin(&f, style, forced, control);
    for (size_t i = 0; i < n; i++) check(&f, rows[i].text, rows[i].wanted);
    finish(&f);
}
#define CHECK_ROWS(style, forced, control, rows)                                           \
    check_rows(style, forced, control, rows, sizeof rows / sizeof *rows)

static void none(void **state) {
    (void)state;
    static const struct row rows[] = {{"<tool_call>{\"name\":\"add\"}</tool_call>",
                                       "<tool_call>{\"name\":\"add\"}</tool_call>"},
                                      {"", ""}};
    CHECK_ROWS(TOOLS_NONE, false, true, rows);
}

/* Who wants one call at most gets the first. */
static void one_call(void **state) {
    (void)state;
    struct fixture f;
    begin(&f, TOOLS_HERMES, false, true);
    f.chat.one_call = true;
    check(&f,
          "I add.\n<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>\n"
          "<tool_call>{\"name\": \"now\"}</tool_call>",
          "I add.\n«0 add {}»");
    finish(&f);
    begin(&f, TOOLS_MISTRAL, false, true);
    f.chat.one_call = true;
    check(&f, "\2[{\"name\":\"now\"},{\"name\":\"add\"}]", "«0 now {}»");
    finish(&f);
}

static void hermes(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>",
         "«0 add {\"a\": 1}»"},
        {"I add.\n<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>\n"
         "<tool_call>{\"name\": \"now\"}</tool_call>",
         "I add.\n«0 add {}»«1 now {}»"},
        {"a < b, <tool, <tool_calls>", "a < b, <tool, <tool_calls>"},
        {"<tool_call>{\"name\": \"sub\", \"arguments\": {}}</tool_call> x",
         "<tool_call>{\"name\": \"sub\", \"arguments\": {}}</tool_call> x"},
        {"<tool_call>{\"name\": \"add\", \"arguments\": [1]}</tool_call>",
         "<tool_call>{\"name\": \"add\", \"arguments\": [1]}</tool_call>"},
        {"<tool_call>nonsense</tool_call><tool_call>{\"name\":\"now\"}</tool_call>",
         "<tool_call>nonsense</tool_call>«0 now {}»"},
        /* The end came before the tag: whole JSON is a call, else it is text. */
        {"<tool_call>{\"name\": \"now\"}", "«0 now {}»"},
        {"x<tool_ca", "x<tool_ca"}};
    CHECK_ROWS(TOOLS_HERMES, false, false, rows);
    static const struct row with_token[] = {
        {"so: \1\n{\"name\": \"add\", \"arguments\": {\"a\": \"é\"}}\n</tool_call>",
         "so: «0 add {\"a\": \"é\"}»"}};
    CHECK_ROWS(TOOLS_HERMES, false, true, with_token);
}

static void llama(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"{\"name\": \"add\", \"parameters\": {\"a\": 1, \"b\": [2]}}",
         "«0 add {\"a\": 1, \"b\": [2]}»"},
        {"\n {\"name\": \"now\", \"parameters\": {}}; {\"name\": \"add\", \"parameters\": "
         "{}}",
         "«0 now {}»«1 add {}»"},
        {"[{\"name\": \"now\"}, {\"name\": \"add\", \"parameters\": {}}]",
         "«0 now {}»«1 add {}»"},
        {"\3{\"name\": \"now\", \"parameters\": {}}", "«0 now {}»"},
        {"{\"a\": 1}", "{\"a\": 1}"},
        {"{not JSON}", "{not JSON}"},
        {"Hello {\"name\": \"now\"}", "Hello {\"name\": \"now\"}"},
        {"{\"name\": \"now\"} and more", "«0 now {}» and more"}};
    CHECK_ROWS(TOOLS_LLAMA, false, true, rows);
}

static void mistral(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"\2[{\"name\": \"add\", \"arguments\": {\"a\": 1}}, {\"name\": \"now\"}]",
         "«0 add {\"a\": 1}»«1 now {}»"},
        {"Well. \2[{\"name\": \"now\", \"arguments\": {}}]", "Well. «0 now {}»"},
        {"\2add{\"a\": 1}", "«0 add {\"a\": 1}»"},
        {"\2add[ARGS]{\"a\": 1}\2now[ARGS]{}", "«0 add {\"a\": 1}»«1 now {}»"},
        {"\2sub[ARGS]{}", "sub[ARGS]{}"},
        {"[{\"name\": \"now\"}]", "[{\"name\": \"now\"}]"}};
    CHECK_ROWS(TOOLS_MISTRAL, false, true, rows);
}

static void forced(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"{\"name\": \"add\", \"arguments\": {\"a\": 1}}", "«0 add {\"a\": 1}»"},
        {"{\"response\": \"Hi \\\"you\\\" \\u00e9\\ud83d\\ude00\\n\"}",
         "Hi \"you\" é\U0001f600\n"},
        {"{\"response\": \"\"}", ""},
        {"{\"response\": \"cut", "cut"},
        {"{\"resp", ""}};
    CHECK_ROWS(TOOLS_FORCED, false, true, rows);
    static const struct row call[] = {
        {"{\"name\": \"add\", \"arguments\": {\"response\": \"{\"}}",
         "«0 add {\"response\": \"{\"}»"}};
    CHECK_ROWS(TOOLS_FORCED, true, true, call);
}

static void pieces(void **state) {
    (void)state;
    static const enum tool_style styles[] = {TOOLS_HERMES, TOOLS_MISTRAL, TOOLS_FORCED};
    static const struct row rows[] = {
        {"{\"name\": \"add\", \"arguments\": {\"a\": \"}\\\"]\\\\\", \"b\": [{}, {\"é\": "
         "1}]}}",
         "«0 add {\"a\": \"}\\\"]\\\\\", \"b\": [{}, {\"é\": 1}]}»"},
        {"{\"name\": \"now\", \"arguments\": {}}", "«0 now {}»"},
        /* Cut: what is there was told. */
        {"{\"name\": \"add\", \"arguments\": {\"a\": \"x", "«0 add {\"a\": \"x»"},
        {"{\"name\": \"ad", "{\"name\": \"ad"}};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f;
        begin(&f, styles[i], true, true);
        f.streams = true;
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
            check(&f, rows[k].text, rows[k].wanted);
        struct buf got;
        assert_int_equal(
            hear(&got, &f, "{\"name\": \"add\", \"arguments\": {\"a\": 1}}", 1, false), 8);
        buf_free(&got);
        finish(&f);
    }
    struct fixture f;
    begin(&f, TOOLS_LLAMA, true, true);
    f.streams = true;
    check(&f, "{\"name\": \"add\", \"parameters\": {\"a\": 1}}", "«0 add {\"a\": 1}»");
    finish(&f);
    begin(&f, TOOLS_FORCED, false, true);
    f.streams = true;
    check(&f, "{\"name\": \"add\", \"arguments\": {\"a\": 1}}", "«0 add {\"a\": 1}»");
    check(&f, "{\"response\": \"{\\\"name\\\": \\\"add\\\"}\"}", "{\"name\": \"add\"}");
    finish(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none),   cmocka_unit_test(one_call), cmocka_unit_test(hermes),
        cmocka_unit_test(llama),  cmocka_unit_test(mistral),  cmocka_unit_test(forced),
        cmocka_unit_test(pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
