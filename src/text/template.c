/* template.c - the public face of chat templates: compile, render, limits. */
#include "glass/template.h"

#include "text/jinja_ast.h"
#include "text/jinja_run.h"

#include <locale.h>
#include <string.h>

struct glass_template {
    struct jarena arena;
    struct jprogram program;
};

/* Numbers are read and written in the C locale, whatever the program set; the thread's own
 * locale comes back afterwards. */
struct c_locale {
    locale_t c, before;
};

static glass_status enter_c_locale(struct c_locale *l) {
    l->c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (l->c == (locale_t)0) return fail(GLASS_SYSTEM, "no C locale");
    l->before = uselocale(l->c);
    return GLASS_OK;
}

static void leave_c_locale(struct c_locale *l) {
    uselocale(l->before);
    freelocale(l->c);
}

static glass_status compile(struct glass_template *tmpl, const char *source,
                            size_t n_bytes) {
    struct jinja in = {.arena = &tmpl->arena, .steps = JINJA_STEPS};
    struct jtokens tokens = {0};
    TRY(jinja_lex(&in, &tokens, source, n_bytes));
    TRY(jinja_parse(&in, &tmpl->program.body, &tokens));
    return jinja_resolve(&in, &tmpl->program);
}

glass_status glass_template_compile(glass_template **out, const char *source,
                                    size_t n_bytes) {
    struct c_locale locale;
    struct glass_template *tmpl;
    *out = NULL;
    TRY(mem_alloc_zero(&tmpl, 1, sizeof *tmpl));
    tmpl->arena.limit = JINJA_MEMORY;
    glass_status status = enter_c_locale(&locale);
    if (status == GLASS_OK) {
        status = compile(tmpl, source, n_bytes);
        leave_c_locale(&locale);
    }
    if (status != GLASS_OK) {
        glass_template_free(tmpl);
        return status;
    }
    *out = tmpl;
    return GLASS_OK;
}

void glass_template_free(glass_template *tmpl) {
    if (tmpl == NULL) return;
    jarena_free(&tmpl->arena);
    mem_free(tmpl);
}

static glass_status hand_over(glass_rendered *out, const struct jbuild *text) {
    glass_status status = mem_copy_text(&out->text, text->data, text->n);
    if (status == GLASS_OK)
        status = mem_alloc(&out->plain, text->n_spans, sizeof *out->plain);
    if (status != GLASS_OK) {
        glass_rendered_clear(out);
        return status;
    }
    out->n_bytes = text->n;
    out->n_plain = (int64_t)text->n_spans;
    if (text->n_spans > 0)
        memcpy(out->plain, text->spans, text->n_spans * sizeof *text->spans);
    return GLASS_OK;
}

static glass_status render(struct jinja *in, const glass_template *tmpl,
                           glass_rendered *out, const char *variables_json, size_t n_json) {
    TRY(jinja_read_variables(in, variables_json, n_json));
    TRY(jbuild_create(in, &in->out));
    TRY(jinja_run(in, &tmpl->program));
    return hand_over(out, in->out);
}

glass_status glass_template_render(const glass_template *tmpl, glass_rendered *out,
                                   const char *variables_json, size_t n_json,
                                   int64_t now_s) {
    struct c_locale locale;
    struct jarena arena = {.limit = JINJA_MEMORY};
    struct jinja in = {.arena = &arena, .steps = JINJA_STEPS, .now_s = now_s};
    *out = (glass_rendered){0};
    TRY(enter_c_locale(&locale));
    glass_status status = render(&in, tmpl, out, variables_json, n_json);
    leave_c_locale(&locale);
    jarena_free(&arena);
    return status;
}

void glass_rendered_clear(glass_rendered *rendered) {
    mem_free(rendered->text);
    mem_free(rendered->plain);
    *rendered = (glass_rendered){0};
}
