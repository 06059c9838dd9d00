/* template_render.c - renders chat templates for tests: one JSON object per line on standard
 * input, {"template":…, "variables":{…}, "now":seconds}, one per line on standard output,
 * {"text":…, "plain":[[begin,end],…]} or {"error":…, "stage":"compile" or "render"}. */
#include "glass/template.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *error_line(const char *stage) {
    return json_pack("{s:s, s:s}", "error", glass_error(), "stage", stage);
}

static json_t *spans(const glass_rendered *r) {
    json_t *list = json_array();
    for (int64_t i = 0; i < r->n_plain; i++)
        json_array_append_new(list, json_pack("[I, I]", (json_int_t)r->plain[i].begin,
                                              (json_int_t)r->plain[i].end));
    return list;
}

static json_t *run(const char *template_text, size_t n_template, const char *variables,
                   size_t n_variables, int64_t now) {
    glass_template *tmpl;
    glass_rendered r;
    json_t *out;
    if (glass_template_compile(&tmpl, template_text, n_template) != GLASS_OK)
        return error_line("compile");
    if (glass_template_render(tmpl, &r, variables, n_variables, now) != GLASS_OK) {
        out = error_line("render");
    } else {
        out = json_pack("{s:o, s:o}", "text", json_stringn(r.text, r.n_bytes), "plain",
                        spans(&r));
    }
    glass_rendered_clear(&r);
    glass_template_free(tmpl);
    return out;
}

int main(void) {
    json_t *job;
    json_error_t error;
    while ((job = json_loadf(stdin, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error))) {
        const json_t *text = json_object_get(job, "template");
        const json_t *now = json_object_get(job, "now");
        char *variables = json_dumps(json_object_get(job, "variables"), JSON_ENCODE_ANY);
        json_t *out = run(json_string_value(text), json_string_length(text), variables,
                          strlen(variables), now != NULL ? json_integer_value(now) : -1);
        json_dumpf(out, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(out);
        json_decref(job);
        free(variables);
    }
    return 0;
}
