/* Evidence in standard forms: each allocation failing, Glass's own and jansson's, gives an error or the
 * same bytes, never less than all facts. What the forms hold is tested in tests/cli/test_emit.py. */
#include "base/mem.h"
#include "glass/emit.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// cmocka wants the ones above first
#include <cmocka.h>

static char folder[] = "/tmp/glass-emit-XXXXXX";
static glass_audit *audit;
static const glass_emit_form forms[] = {GLASS_EMIT_SPDX, GLASS_EMIT_CYCLONEDX,
                                        GLASS_EMIT_MOF, GLASS_EMIT_CARD,
                                        GLASS_EMIT_DATASHEET};
enum { FORMS = sizeof forms / sizeof *forms };

static void write_file(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    write_file("README.md", "---\nlicense: mit\nlanguage: [en, de]\ndatasets: [a/b]\n"
                            "base_model: c/d\npipeline_tag: text-generation\n---\n# A\n");
    write_file("config.json", "{\"model_type\": \"llama\", \"vocab_size\": 300}");
    write_file("params.json", "{\"model_type\": ");
    write_file("NOTES", "\xff\xfe");
    return glass_audit_open(&audit, folder, NULL) == GLASS_OK ? 0 : -1;
}

static int teardown(void **state) {
    char command[128];
    (void)state;
    glass_audit_close(audit);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static char *emit(glass_emit_form form, glass_status *status) {
    char *text;
    size_t n_bytes;
    *status = glass_emit(&text, &n_bytes, audit, form, NULL);
    assert_true((text != NULL) == (*status == GLASS_OK));
    if (text != NULL) assert_int_equal(strlen(text), n_bytes);
    return text;
}

/* Both have all facts, or there is none. */
static void same_or_nothing(glass_emit_form form, const char *wanted) {
    glass_status status;
    char *text = emit(form, &status);
    if (text == NULL) assert_int_equal(status, GLASS_NO_MEMORY);
    if (text != NULL) assert_true(strcmp(text, wanted) == 0);
    glass_free(text);
}

static void no_memory(void **state) {
    glass_status status;
    (void)state;
    for (int f = 0; f < FORMS; f++) {
        mem_fail_at(0);
        char *wanted = emit(forms[f], &status);
        int64_t asked = mem_fail_at(0);
        assert_int_equal(status, GLASS_OK);
        assert_true(asked > 20);
        for (int64_t i = 1; i <= asked; i++) {
            mem_fail_at(i);
            char *text = emit(forms[f], &status);
            mem_fail_at(0);
            if (text != NULL) assert_true(strcmp(text, wanted) == 0);
            if (text == NULL) assert_int_equal(status, GLASS_NO_MEMORY);
            glass_free(text);
        }
        glass_free(wanted);
    }
}

static int64_t n_asked, fails_at;

static void *failing(size_t n) {
    return ++n_asked == fails_at ? NULL : malloc(n);
}

static void no_memory_for_json(void **state) {
    glass_status status;
    (void)state;
    json_set_alloc_funcs(failing, free);
    for (int f = 0; f < FORMS; f++) {
        fails_at = n_asked = 0;
        char *wanted = emit(forms[f], &status);
        int64_t asked = n_asked;
        assert_int_equal(status, GLASS_OK);
        assert_true(asked > 0);
        for (int64_t i = 1; i <= asked; i++) {
            n_asked = 0;
            fails_at = i;
            same_or_nothing(forms[f], wanted);
        }
        fails_at = 0;
        glass_free(wanted);
    }
    json_set_alloc_funcs(malloc, free);
}

static void forms_have_names(void **state) {
    (void)state;
    for (int i = 0; i < GLASS_EMIT_FORMS; i++) assert_non_null(glass_emit_name(i));
    assert_null(glass_emit_name(GLASS_EMIT_FORMS));
    assert_null(glass_emit_name(-1));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms_have_names),
                                       cmocka_unit_test(no_memory),
                                       cmocka_unit_test(no_memory_for_json)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
