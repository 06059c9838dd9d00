/* test_import_config.c - config.json of every family: whole, cut off at every byte, and with
 * every allocation failing. */
#include "tiny_archive.h"

#include "model/config.h"
#include "model/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#undef fail /* cmocka's macro hides ours */

static glass_status import(struct gguf **g, const char *text, size_t n,
                           const struct buf *bytes) {
    struct archive *a;
    *g = NULL;
    TRY(archive_open_memory(&a, bytes->data, bytes->len, "weights"));
    return import_hf_memory(g, text, n, a, "config.json");
}

/* What opening a model does with an imported file. */
static glass_status bind(const struct gguf *g) {
    struct config *config;
    struct weights weights = {0};
    TRY(mem_alloc_zero(&config, 1, sizeof *config));
    glass_status status = config_read(config, g);
    if (status == GLASS_OK) status = weights_bind(&weights, config, g);
    weights_clear(&weights);
    mem_free(config);
    return status;
}

static void every_family_is_read(void **state) {
    (void)state;
    struct buf text = {0}, bytes = {0};
    const struct import_family *f;
    struct gguf *g;
    for (int i = 0; (f = import_family_at(i)) != NULL; i++) {
        tiny_archive(&bytes, f);
        tiny_config(&text, f);
        glass_status status = import(&g, text.data, text.len, &bytes);
        if (status == GLASS_OK) status = bind(g);
        if (status != GLASS_OK) print_error("%s: %s\n", f->model_type, glass_error());
        assert_int_equal(status, GLASS_OK);
        gguf_close(g);
        assert_non_null(strstr(import_family_names(), f->model_type));
    }
    buf_free(&text);
    buf_free(&bytes);
}

static void every_beginning_is_refused(void **state) {
    (void)state;
    struct buf text = {0}, bytes = {0};
    const struct import_family *f;
    struct gguf *g;
    for (int i = 0; (f = import_family_at(i)) != NULL; i++) {
        tiny_archive(&bytes, f);
        tiny_config(&text, f);
        for (size_t n = 0; n < text.len; n++) {
            char *cut; /* of this size, so that reading on is found */
            assert_int_equal(mem_alloc(&cut, n, 1), GLASS_OK);
            memcpy(cut, text.data, n);
            assert_int_equal(import(&g, cut, n, &bytes), GLASS_BAD_INPUT);
            assert_null(g);
            assert_non_null(strstr(glass_error(), "config.json"));
            mem_free(cut);
        }
    }
    buf_free(&text);
    buf_free(&bytes);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    struct buf text = {0}, bytes = {0};
    const struct import_family *f;
    struct gguf *g;
    for (int i = 0; (f = import_family_at(i)) != NULL; i++) {
        glass_status status = GLASS_NO_MEMORY;
        int64_t n = 0;
        tiny_archive(&bytes, f);
        tiny_config(&text, f);
        while (status != GLASS_OK && ++n < 5000) {
            mem_fail_at(n);
            status = import(&g, text.data, text.len, &bytes);
            mem_fail_at(0);
            if (status == GLASS_OK) gguf_close(g);
            assert_true(status == GLASS_OK || (status == GLASS_NO_MEMORY && g == NULL));
        }
        assert_int_equal(status, GLASS_OK);
        assert_true(n > 10);
    }
    buf_free(&text);
    buf_free(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_family_is_read),
                                       cmocka_unit_test(every_beginning_is_refused),
                                       cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
