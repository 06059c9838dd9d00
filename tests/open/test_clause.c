/* The table of licences holds together; words are what docs/licences.md says; every allocation may
 * fail. */
#include "base/buf.h"
#include "base/path.h"
#include "glass/audit.h"
#include "open/clause_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
// cmocka wants the ones above first
#include <cmocka.h>

static bool has_word(const char *words, const char *word, size_t n) {
    for (const char *p = words; *p;) {
        size_t k = strcspn(p, " ");
        if (k == n && strncmp(p, word, n) == 0) return true;
        p += k + (p[k] != '\0');
    }
    return false;
}

static void check_row(const struct clause_licence *l, const struct clause_row *r) {
    static const char topics[] =
        "use commercial serve redistribute modify train-other-models "
        "users revenue field name territory duty note";
    assert_true(has_word(topics, r->topic, strlen(r->topic)));
    assert_true(has_word("yes no if silent", r->answer, strlen(r->answer)));
    assert_true(r->at >= 0 && r->at + r->n <= l->n_words);
    bool number = !strcmp(r->topic, "users") || !strcmp(r->topic, "revenue");
    if (number) assert_true(strncmp(r->detail, "over ", 5) == 0 && atof(r->detail + 5) > 0);
    for (const char *p = r->detail; !strcmp(r->topic, "field") && *p;) {
        size_t k = strcspn(p, ",");
        if (!has_word(glass_may_fields(), p, k)) fail_msg("%s: field %s", l->key, p);
        p += k + (p[k] != '\0');
    }
}

static void table_holds_together(void **state) {
    struct clause_table t;
    (void)state;
    assert_int_equal(clause_table_open(&t), GLASS_OK);
    assert_true(t.n >= 77);
    for (int i = 0; i < t.n; i++) {
        const struct clause_licence *l = &t.licences[i];
        assert_true(*l->name && *l->version && *l->id && *l->about && l->n_copies > 0);
        assert_true(has_word("licence policy", l->kind, strlen(l->kind)));
        assert_true(has_word("model software data document", l->about, strlen(l->about)));
        assert_true(i == 0 || strcmp(t.licences[i - 1].key, l->key) < 0);
        for (int k = 0; k < t.n; k++)
            assert_true(k == i || strcasecmp(t.licences[k].id, l->id) != 0);
        if (*l->policy) assert_non_null(clause_table_find(&t, l->policy));
        assert_ptr_equal(clause_table_find(&t, l->id), l);
        for (int k = 0; k < l->n_rows; k++) check_row(l, &l->rows[k]);
        for (int k = 0; k < l->n_open; k++)
            assert_true(l->open[k].at + l->open[k].n <= l->n_words);
    }
    assert_null(clause_table_find(&t, "no such licence"));
    assert_string_equal(clause_table_find(&t, "LLAMA3.1")->key, "llama-3.1");
    assert_string_equal(clause_table_model(&t, "meta-llama/Llama-2-7b-hf")->key, "llama-2");
    assert_null(clause_table_model(&t, "nobody/nothing"));
    clause_table_close(&t);
}

static void bad_tables_are_told(void **state) {
    static const struct {
        const char *text, *says;
    } bad[] = {{"name X\n", "line 1: a file begins"},
               {"licence x\ncolour red\n", "line 2: this key"},
               {"licence x\nrow use\n", "line 2: a row is"},
               {"licence x\nrow use yes | 1 | 5-3 | words\n", "line 2: a row is"},
               {"licence x\nwords 2\n", "line 2: so many words"},
               {"licence x\nwords 4\ns AA\n", "too few shingles"},
               {"licence x\nwords 4\ns AAAAAA\n", "no shingles"},
               {"licence x\nwords 4\ns A.AA\n", "no shingles"},
               {"licence x\nsha256 12 | y\n", "no SHA-256"},
               {"licence x\nopen 5\n", "WORD+N"}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct clause_table t;
        assert_int_equal(clause_table_parse(&t, bad[i].text, strlen(bad[i].text), "table"),
                         GLASS_BAD_INPUT);
        if (strstr(glass_error(), bad[i].says) == NULL)
            fail_msg("%s: %s", bad[i].text, glass_error());
    }
}

static void words_are(const char *text, const char *same) {
    struct licence_words a, b;
    assert_int_equal(licence_words_make(&a, text, strlen(text)), GLASS_OK);
    assert_int_equal(licence_words_make(&b, same, strlen(same)), GLASS_OK);
    if (a.n != b.n || licence_words_hash(a.words, a.n) != licence_words_hash(b.words, b.n))
        fail_msg("\"%s\" is not \"%s\"", text, same);
    licence_words_clear(&a);
    licence_words_clear(&b);
}

static void words_survive(void **state) {
    (void)state;
    words_are("The  Licensor's\nterms", "the licensors TERMS");
    words_are("Licensor\xe2\x80\x99s, \xe2\x80\x9cOpen\xe2\x80\x9d", "licensors open");
    words_are("<p>One &amp; <b>two</b></p>", "one two");
    words_are("don&rsquo;t &#8220;stop&#8221;", "dont stop");
    words_are("[terms](https://example.org/terms)", "terms");
    words_are("1. First\n  a) second\n(iii) third \xc2\xa0iv. fourth",
              "first second third fourth");
    words_are("Copyright (c) 2020 X", "Copyright \xc2\xa9 2020 X");
    words_are("non-transferable", "non\ntransferable");
    words_are("SOCI\xc3\x89T\xc3\x89", "soci\xc3\xa9t\xc3\xa9");
    words_are("<!DOCTYPE html><script>var x = 1;</script>text", "text");
    words_are("<script>var x = 1;</script>text",
              "var x 1 text"); /* in no page: who reads it, sees it */
    words_are("http://a.b", "https://a.b");
    words_are("", " \n* # > ");
}

/* Whatever allocation fails, the failure is told, and nothing is left behind. */
static void memory_may_fail(void **state) {
    struct buf text = {0};
    (void)state;
    assert_int_equal(path_read_whole(&text, "LICENSE", 1 << 20), GLASS_OK);
    glass_licence_text *l;
    mem_fail_at(0);
    assert_int_equal(glass_licence_read_bytes(&l, "x", text.data, text.len), GLASS_OK);
    assert_int_equal(l->n_found, 1);
    assert_string_equal(l->found[0].key, "apache-2.0");
    glass_licence_free(l);
    int64_t n = mem_fail_at(0), step = n / 120 + 1;
    for (int64_t i = 1; i <= n; i += i < 40 || i > n - 60 ? 1 : step) {
        mem_fail_at(i);
        assert_int_equal(glass_licence_read_bytes(&l, "x", text.data, text.len),
                         GLASS_NO_MEMORY);
        assert_null(l);
    }
    glass_audit *a;
    const glass_may_answer *answer;
    mem_fail_at(0);
    assert_int_equal(glass_audit_open(&a, "licence:gemma", NULL), GLASS_OK);
    assert_int_equal(glass_audit_may(&answer, a, "commercial"), GLASS_OK);
    assert_int_equal(answer->verdict, GLASS_MAY_IF);
    glass_audit_close(a);
    n = mem_fail_at(0);
    step = n / 100 + 1;
    for (int64_t i = 1; i <= n; i += i > n - 60 ? 1 : step) {
        mem_fail_at(i);
        glass_status status = glass_audit_open(&a, "licence:gemma", NULL);
        if (status == GLASS_OK) status = glass_audit_may(&answer, a, "commercial");
        assert_int_equal(status, GLASS_NO_MEMORY);
        glass_audit_close(a);
    }
    mem_fail_at(0);
    buf_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_holds_together), cmocka_unit_test(bad_tables_are_told),
        cmocka_unit_test(words_survive), cmocka_unit_test(memory_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
