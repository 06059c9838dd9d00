/* fuzz_template.c - libFuzzer target: a hostile chat template with hostile variables is
 * refused with its line, or renders the same text twice with spans that are in order. The
 * build makes the limits on steps and memory small (Makefile), so that reaching them is
 * cheap.
 *
 * Input: the template, a NUL, the variables as JSON (usual ones if there is no NUL). */
#include "fuzz_common.h"

#include "glass/template.h"

static const char usual[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"},{\"role\":\"user\","
    "\"content\":\"Hi <|im_end|>\"},{\"role\":\"assistant\",\"content\":\"Yes?\"}],"
    "\"add_generation_prompt\":true,\"bos_token\":\"<s>\",\"eos_token\":\"</s>\",\"tools\":"
    "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"a\":[1,2.5,"
    "null]}}}]}";

static void check_text(const glass_rendered *r) {
    MUST(r->text[r->n_bytes] == '\0');
    fuzz_read(r->text, r->n_bytes);
    size_t before = 0;
    for (int64_t i = 0; i < r->n_plain; i++) {
        MUST(r->plain[i].begin < r->plain[i].end && r->plain[i].end <= r->n_bytes);
        MUST(i == 0 || r->plain[i].begin > before);
        before = r->plain[i].end;
    }
}

static void check_render(const glass_template *tmpl, const char *json, size_t n) {
    glass_rendered a, b;
    glass_status status = glass_template_render(tmpl, &a, json, n, 1760000000);
    if (status != GLASS_OK) {
        MUST(status == GLASS_BAD_INPUT && glass_error()[0] != '\0' && a.text == NULL);
        return;
    }
    check_text(&a);
    MUST(glass_template_render(tmpl, &b, json, n, 1760000000) == GLASS_OK);
    MUST(a.n_bytes == b.n_bytes && a.n_plain == b.n_plain);
    MUST(memcmp(a.text, b.text, a.n_bytes) == 0);
    MUST(a.n_plain == 0 ||
         memcmp(a.plain, b.plain, (size_t)a.n_plain * sizeof *a.plain) == 0);
    glass_rendered_clear(&a);
    glass_rendered_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\0', size);
    size_t n = end == NULL ? size : (size_t)(end - data);
    char *source = malloc(n + (n == 0));
    MUST(source != NULL);
    if (n > 0) memcpy(source, data, n);
    glass_template *tmpl;
    glass_status status = glass_template_compile(&tmpl, source, n);
    free(source); /* nothing may refer to it any more */
    MUST((status == GLASS_OK) == (tmpl != NULL));
    if (tmpl == NULL) {
        MUST(status == GLASS_BAD_INPUT && glass_error()[0] != '\0');
        return 0;
    }
    if (end != NULL)
        check_render(tmpl, (const char *)end + 1, size - n - 1);
    else
        check_render(tmpl, usual, sizeof usual - 1);
    glass_template_free(tmpl);
    return 0;
}
