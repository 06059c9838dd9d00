/* test_schema.c - JSON schemas as grammars: tests/text/data/schemas.json says what each takes
 * and does not, or where it is wrong. compare_schemas.py holds the same file, and thousands of
 * random schemas and texts, against Python's jsonschema. */
#include "glass/grammar.h"

#include "vocab_maker.h"

#include <jansson.h>

static glass_tokenizer *tokenizer;

static int open_tokenizer(void **state) {
    struct maker m;
    (void)state;
    maker_bpe(&m, "gpt-2");
    m.eos = maker_add_text(&m, "<|end|>", TOK_CONTROL);
    ok(maker_open(&m, &tokenizer));
    maker_free(&m);
    return 0;
}

static int close_tokenizer(void **state) {
    (void)state;
    glass_tokenizer_close(tokenizer);
    return 0;
}

static glass_status compile(glass_grammar **out, json_t *schema, bool compact) {
    glass_grammar_options o = {.compact = compact};
    char *text = json_dumps(schema, JSON_ENCODE_ANY | JSON_COMPACT);
    glass_status status = glass_grammar_from_schema(out, tokenizer, text, strlen(text), &o);
    free(text);
    return status;
}

static bool takes(const glass_grammar *g, const char *text) {
    glass_grammar_state *s;
    ok(glass_grammar_state_create(&s, g, 0));
    glass_status status = glass_grammar_state_accept_bytes(s, text, strlen(text));
    bool whole = status == GLASS_OK && glass_grammar_state_may_end(s);
    glass_grammar_state_free(s);
    return whole;
}

static void check_texts(const glass_grammar *g, json_t *one, const char *key, bool yes) {
    json_t *text;
    size_t i;
    json_array_foreach(json_object_get(one, key), i, text) {
        if (takes(g, json_string_value(text)) == yes) continue;
        print_error("%s: %s is judged wrongly\n",
                    json_string_value(json_object_get(one, "name")),
                    json_string_value(text));
        assert_true(false);
    }
}

static void schemas_take_what_they_say(void **state) {
    json_error_t error;
    json_t *all = json_load_file("tests/text/data/schemas.json", 0, &error), *one;
    size_t i, n_errors = 0;
    (void)state;
    assert_true(json_array_size(all) > 40);
    json_array_foreach(all, i, one) {
        const char *says = json_string_value(json_object_get(one, "error"));
        glass_grammar *g;
        glass_status status = compile(&g, json_object_get(one, "schema"), false);
        if (says == NULL) {
            ok(status);
            check_texts(g, one, "yes", true);
            check_texts(g, one, "no", false);
        } else {
            n_errors++;
            assert_int_equal(status, GLASS_BAD_INPUT);
            assert_null(g);
            if (strstr(glass_error(), says) == NULL)
                print_error("\"%s\" is not in \"%s\"\n", says, glass_error());
            assert_non_null(strstr(glass_error(), says));
        }
        glass_grammar_free(g);
    }
    assert_true(n_errors > 10);
    json_decref(all);
}

static void compact_is_without_spaces(void **state) {
    json_t *schema = json_pack("{s:s,s:{s:{}}}", "type", "object", "properties", "a");
    glass_grammar *g;
    (void)state;
    ok(compile(&g, schema, true));
    assert_true(takes(g, "{\"a\":[1,{\"b\":2}]}"));
    assert_false(takes(g, "{\"a\": 1}"));
    assert_false(takes(g, "{\"a\":[1, 2]}"));
    glass_grammar_free(g);
    json_decref(schema);
}

/* What is no JSON at all, and what is too much. */
static void hostile_schemas_are_refused(void **state) {
    static const char *const bad[] = {"",      "{",   "[]", "3", "{\"a\":1,\"a\":2}",
                                      "{} {}", "\xff"};
    struct buf text = {0};
    glass_grammar *g;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(
            glass_grammar_from_schema(&g, tokenizer, bad[i], strlen(bad[i]), NULL),
            GLASS_BAD_INPUT);
        assert_null(g);
    }
    for (int i = 0; i < 3000; i++) ok(buf_text(&text, "{\"items\":"));
    assert_int_equal(glass_grammar_from_schema(&g, tokenizer, text.data, text.len, NULL),
                     GLASS_BAD_INPUT);
    buf_clear(&text); /* deeper than is followed, but JSON */
    for (int i = 0; i < 900; i++) ok(buf_text(&text, "{\"items\":"));
    ok(buf_text(&text, "{}"));
    for (int i = 0; i < 900; i++) ok(buf_byte(&text, '}'));
    assert_int_equal(glass_grammar_from_schema(&g, tokenizer, text.data, text.len, NULL),
                     GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "nested too deeply"));
    buf_clear(&text); /* alternatives that multiply */
    ok(buf_text(&text, "{\"allOf\":["));
    for (int i = 0; i < 20; i++)
        ok(buf_printf(&text, "%s{\"anyOf\":[{\"minLength\":%d},{\"maxLength\":%d}]}",
                      i > 0 ? "," : "", i, i + 30));
    ok(buf_text(&text, "]}"));
    assert_int_equal(glass_grammar_from_schema(&g, tokenizer, text.data, text.len, NULL),
                     GLASS_BAD_INPUT);
    assert_non_null(strstr(glass_error(), "alternatives in all"));
    buf_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_take_what_they_say),
        cmocka_unit_test(compact_is_without_spaces),
        cmocka_unit_test(hostile_schemas_are_refused),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
